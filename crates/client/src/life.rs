//! Coverage, escrow and the life of devices (`proto::admin`).

use crate::{Error, SignedIn};
use laps::id::DeviceId;
use proto::{
    admin::{Candidate, Coverage, CoverageDevice, Drill, EscrowState, Explanation, ExportRequest},
    escrow::{ARCHIVE_BYTES_MAX, HEAD_BYTES_MAX},
};
use reqwest::Method;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the making of an archive may take.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(600);

impl SignedIn {
    /// How many devices lack a password, and why.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn coverage(&self) -> Result<Coverage, Error> {
        self.get("/v1.0/lapwing/reports/coverage", &[]).await
    }

    /// The devices with a cause: a code of `explain`, `any` or `lacking`.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn coverage_devices(&self, code: &str) -> Result<Vec<CoverageDevice>, Error> {
        let plain: String = code.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        self.list(&format!("/v1.0/lapwing/reports/coverage/{plain}"), &[("$top", "1000")]).await
    }

    /// Objects that a machine may have had before it joined again.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn candidates(&self, id: DeviceId) -> Result<Vec<Candidate>, Error> {
        self.list(&format!("/v1.0/lapwing/devices/{id}/candidates"), &[]).await
    }

    /// Says which object a machine had before.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn link_predecessor(&self, id: DeviceId, predecessor: DeviceId) -> Result<(), Error> {
        let path = format!("/v1.0/lapwing/devices/{id}/predecessor/{predecessor}");
        self.act::<()>(Method::PUT, &path, None).await
    }

    /// Removes a tombstone and its passwords for good.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn purge_device(&self, id: DeviceId) -> Result<(), Error> {
        self.act::<()>(Method::POST, &format!("/v1.0/lapwing/devices/{id}/purge"), None).await
    }

    /// A person says that the server's clock is right.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn confirm_clock(&self) -> Result<(), Error> {
        self.act::<()>(Method::POST, "/v1.0/lapwing/clock/confirm", None).await
    }

    /// Why a device has no password: by id, or by a name that may be that of several.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn explain_named(&self, named: &str) -> Result<Explanation, Error> {
        self.get("/v1.0/lapwing/explain", &[("device", named)]).await
    }

    /// How escrow stands.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn escrow_state(&self) -> Result<EscrowState, Error> {
        self.get("/v1.0/lapwing/escrow", &[]).await
    }

    /// Says that an archive was opened.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn record_drill(&self, drill: &Drill) -> Result<EscrowState, Error> {
        self.ask(Method::POST, "/v1.0/lapwing/escrow/drill", Some(drill)).await
    }

    /// Makes an escrow archive (`proto::escrow`); what it holds is sealed.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn export(&self, request: &ExportRequest) -> Result<Zeroizing<Vec<u8>>, Error> {
        let request = self
            .with_body(Method::POST, "/v1.0/lapwing/escrow/export", Some(request))
            .timeout(EXPORT_TIMEOUT)
            .answer_bytes_max(ARCHIVE_BYTES_MAX + HEAD_BYTES_MAX + (1 << 20));
        Ok(self.client().send(request).await?.body)
    }
}

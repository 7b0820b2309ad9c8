//! Sealing and unsealing with the place that a password belongs to.

use super::{App, Error, Result};
use crate::seal::{Place, Sealed};
use crate::store::SealedVersion;
use laps::id::{DeviceId, VersionId};
use laps::password::Password;
use proto::graph::CredentialVersion;

impl App {
    pub(super) fn seal(
        &self,
        device: DeviceId,
        version: VersionId,
        account: &str,
        password: &Password,
    ) -> Result<Sealed> {
        let place = Place { tenant: self.tenant, device, version, account: account.to_owned() };
        self.sealer.seal(&place, password).map_err(|error| Error::Internal(error.to_string()))
    }

    /// A version with its password in clear, as it goes to the reader. Only after the record of the
    /// reveal is durable.
    pub(super) fn unseal(&self, row: &SealedVersion) -> Result<CredentialVersion> {
        let version = &row.version;
        let place = Place {
            tenant: self.tenant,
            device: version.device,
            version: version.version,
            account: version.account_id.clone(),
        };
        let password = self.sealer.unseal(&place, &row.sealed).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(CredentialVersion {
            account_name: version.account_name.clone(),
            account_sid: account_sid(&version.account_id),
            backup_date_time: version.stored_at,
            password,
            state: version.state.word().to_owned(),
            version_id: version.version,
            account_id: version.account_id.clone(),
            proof: version.proof.map(|kind| proof_word(kind).to_owned()),
            set_date_time: version.set_at,
            proven_date_time: version.proven_at,
            expiration_date_time: version.expires_at,
            live: version.live,
            installed: version.installed,
            released: version.released_at.is_some(),
            of_predecessor: version.of_predecessor,
            from_backup_date_time: version.from_backup_at,
        })
    }
}

/// The shown word of a proof.
pub(super) const fn proof_word(kind: laps::rotation::ProofKind) -> &'static str {
    match kind {
        laps::rotation::ProofKind::Verifier => "verifier",
        laps::rotation::ProofKind::Pam => "pam",
    }
}

/// A uid as SID: S-1-22-1 is the authority of Unix users that Samba uses. A SID stays as it is.
fn account_sid(account_id: &str) -> String {
    if account_id.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("S-1-22-1-{account_id}")
    } else {
        account_id.to_owned()
    }
}

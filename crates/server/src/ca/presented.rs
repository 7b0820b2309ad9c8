//! A client certificate that a device presented in TLS.

use super::CaError;
use laps::id::{DeviceId, TenantId};
use laps::time::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;

/// The SAN URI that names a device: `lapwing:<tenant>:<device>`.
pub fn identity_uri(tenant: TenantId, device: DeviceId) -> String {
    format!("lapwing:{tenant}:{device}")
}

/// What a device certificate says. TLS has checked its chain and that the peer holds its key; whether
/// it is still in time and whether the device may do what it asks for is judged by `app`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedCertificate {
    /// The tenant in its SAN.
    pub tenant: TenantId,
    /// The device object in its SAN; the same as its one CN.
    pub device: DeviceId,
    /// Its serial number.
    pub serial: [u8; 16],
    /// Its start.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
}

impl PresentedCertificate {
    /// Reads a certificate that [`super::Authority::issue_device`] made; anything of another shape is refused.
    pub fn parse(der: &[u8]) -> Result<Self, CaError> {
        let refuse = |what: &str| CaError::BadRequest(format!("client certificate: {what}"));
        let (rest, certificate) = x509_parser::parse_x509_certificate(der).map_err(|_| refuse("not X.509"))?;
        if !rest.is_empty() {
            return Err(refuse("bytes after its end"));
        }
        let names = certificate
            .subject_alternative_name()
            .ok()
            .flatten()
            .ok_or_else(|| refuse("no subject alternative name"))?;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
            return Err(refuse("expected exactly one URI as its alternative name"));
        };
        let (tenant, device) = uri
            .strip_prefix("lapwing:")
            .and_then(|ids| ids.split_once(':'))
            .ok_or_else(|| refuse("its URI does not name a device"))?;
        let tenant = tenant.parse().map_err(|_| refuse("tenant id"))?;
        let device: DeviceId = device.parse().map_err(|_| refuse("device id"))?;
        let mut rdns = certificate.subject().iter_rdn();
        let common_name = rdns.next().and_then(|rdn| rdn.iter().next()).and_then(|attribute| attribute.as_str().ok());
        if rdns.next().is_some() || common_name != Some(device.to_string().as_str()) {
            return Err(refuse("its subject is not the device id alone"));
        }
        let serial =
            certificate.raw_serial().try_into().map_err(|_| refuse("its serial number is not of this server"))?;
        let time = |time: x509_parser::time::ASN1Time| Timestamp::from_unix_ms(time.timestamp().saturating_mul(1000));
        Ok(Self {
            tenant,
            device,
            serial,
            not_before: time(certificate.validity().not_before),
            not_after: time(certificate.validity().not_after),
            fingerprint: Sha256::digest(der).into(),
        })
    }

    /// Whether `now` lies in its validity.
    pub fn is_in_time(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

//! The server's own certificate authority: one root, the server's certificate, the devices' certificates.
//!
//! Names come from the server alone: of a certificate signing request only the public key is used.
//! Times are given by the caller; the private keys live in files of mode 0600 ([`keys`]).

pub mod head;
pub mod keys;
pub mod presented;
pub mod tls;

use laps::id::{DeviceId, TenantId};
use laps::time::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Life of a device certificate in days (design.md 5, "Device identity").
pub const DEVICE_CERTIFICATE_DAYS: u32 = 365;
/// Life of the server's own certificate in days; it is issued again when a third is left.
pub const SERVER_CERTIFICATE_DAYS: u32 = 365;
/// Life of the root in days: twenty years.
pub const ROOT_CERTIFICATE_DAYS: u32 = 7_305;
/// How far back a certificate's start lies, so that a peer whose clock is slow takes it. Seconds.
const BACKDATE_S: u64 = 3_600;

/// What can go wrong in the certificate authority.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The request is not PKCS #10, its own signature is wrong, or it asks for something that is not issued.
    #[error("the certificate request is not usable: {0}")]
    BadRequest(String),
    /// The key of the request is too weak or of a kind that is not taken.
    #[error(
        "the key of the certificate request is not usable: expected P-256, P-384, Ed25519 or RSA of at least 2048 bits"
    )]
    WeakKey,
    /// A certificate or key of the authority cannot be read or made.
    #[error("certificate authority: {0}")]
    Internal(String),
    /// A host name that cannot stand in a certificate.
    #[error("'{0}' is not a host name or an IP address")]
    BadName(String),
    /// A file of the key directory.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl From<rcgen::Error> for CaError {
    fn from(error: rcgen::Error) -> Self {
        Self::Internal(error.to_string())
    }
}

/// SHA-256 over the DER of a root certificate: what a join token names and an agent pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaFingerprint(pub [u8; 32]);

impl CaFingerprint {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

/// 64 lower-case hexadecimal digits.
impl std::fmt::Display for CaFingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for CaFingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// A certificate that was just issued to a device.
#[derive(Debug, Clone)]
pub struct IssuedCertificate {
    /// The certificate in DER.
    pub der: Vec<u8>,
    /// SHA-256 of the DER.
    pub fingerprint: [u8; 32],
    /// Its serial number, 16 bytes, first byte below 0x80.
    pub serial: [u8; 16],
    /// Its start.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

/// A new key pair and certificate, as PEM texts to be written to files.
pub struct NewIdentity {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: zeroize::Zeroizing<String>,
}

/// The certificate authority with its private key.
pub struct Authority {
    root: CertificateDer<'static>,
    root_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes the root of a new server: P-256, 20 years, a name that holds the tenant so that two
    /// servers' roots are told apart in a trust store.
    pub fn create(tenant: TenantId, now: Timestamp) -> Result<NewIdentity, CaError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Lapwing");
        params.distinguished_name.push(DnType::CommonName, format!("Lapwing CA {tenant}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, now, ROOT_CERTIFICATE_DAYS);
        let certificate = params.self_signed(&key)?;
        Ok(NewIdentity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem().into() })
    }

    /// Opens an authority from its two PEM texts.
    pub fn open(certificate_pem: &str, key_pem: &str) -> Result<Self, CaError> {
        use rustls_pki_types::pem::PemObject;
        let root = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| CaError::Internal(format!("root certificate: {error}")))?;
        let issuer = Issuer::from_ca_cert_der(&root, KeyPair::from_pem(key_pem)?)?;
        Ok(Self { root, root_pem: certificate_pem.to_owned(), issuer })
    }

    /// The root in DER.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }
    /// The root as PEM text.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }
    /// What agents pin.
    pub fn fingerprint(&self) -> CaFingerprint {
        CaFingerprint::of(&self.root)
    }

    /// Issues the server's own certificate for host names and IP addresses, with a fresh P-256 key.
    pub fn issue_server(&self, names: &[String], serial: [u8; 16], now: Timestamp) -> Result<NewIdentity, CaError> {
        let first = names.first().ok_or_else(|| CaError::BadName(String::new()))?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse() {
                Ok(ip) => Ok(SanType::IpAddress(ip)),
                Err(_) if is_host_name(name) => {
                    name.as_str().try_into().map(SanType::DnsName).map_err(|_| CaError::BadName(name.clone()))
                }
                Err(_) => Err(CaError::BadName(name.clone())),
            })
            .collect::<Result<_, _>>()?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, first.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial_number(serial));
        params.is_ca = IsCa::ExplicitNoCa;
        validity(&mut params, now, SERVER_CERTIFICATE_DAYS);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(NewIdentity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem().into() })
    }

    /// Issues a device certificate for the public key of a PKCS #10 request (DER).
    ///
    /// Nothing else of the request is believed: the subject becomes exactly one RDN, `CN=<device id>`
    /// (protocols.md 6.2), the SAN the URI `lapwing:<tenant>:<device>`, the extended key usage
    /// clientAuth. `serial` is 16 random bytes.
    pub fn issue_device(
        &self,
        csr_der: &[u8],
        tenant: TenantId,
        device: DeviceId,
        serial: [u8; 16],
        now: Timestamp,
    ) -> Result<IssuedCertificate, CaError> {
        let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))
            .map_err(|error| CaError::BadRequest(error.to_string()))?;
        check_key(csr_der)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, device.to_string());
        params.subject_alt_names = vec![SanType::URI(
            presented::identity_uri(tenant, device).try_into().map_err(|_| CaError::Internal("identity URI".into()))?,
        )];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.is_ca = IsCa::ExplicitNoCa;
        let serial_sent = serial_number(serial);
        params.serial_number = Some(serial_sent.clone());
        let (not_before, not_after) = validity(&mut params, now, DEVICE_CERTIFICATE_DAYS);
        let certificate = params.signed_by(&request.public_key, &self.issuer)?;
        let mut issued_serial = [0; 16];
        issued_serial.copy_from_slice(&serial_sent.to_bytes());
        Ok(IssuedCertificate {
            der: certificate.der().to_vec(),
            fingerprint: Sha256::digest(certificate.der()).into(),
            serial: issued_serial,
            not_before,
            not_after,
        })
    }
}

/// The SubjectPublicKeyInfo (DER) of a PKCS #10 request whose own signature is right.
pub fn request_key(csr_der: &[u8]) -> Result<Vec<u8>, CaError> {
    let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr_der))
        .map_err(|error| CaError::BadRequest(error.to_string()))?;
    check_key(csr_der)?;
    Ok(request.public_key.subject_public_key_info())
}

/// Whether `signature` (ASN.1 DER) is of `message` under an ECDSA P-256 key given as SubjectPublicKeyInfo.
pub fn verify_p256(public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    use x509_parser::prelude::FromDer;
    let Ok((_, spki)) = x509_parser::x509::SubjectPublicKeyInfo::from_der(public_key) else {
        return false;
    };
    aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1,
        spki.subject_public_key.as_ref(),
    )
    .verify(message, signature)
    .is_ok()
}

/// RFC 5280 4.1.2.2: positive, at most 20 bytes. The top bits become 01, so that it has always 16 bytes.
fn serial_number(mut bytes: [u8; 16]) -> SerialNumber {
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Sets the validity and answers its start and end (whole seconds, as X.509 has them).
fn validity(params: &mut CertificateParams, now: Timestamp, days: u32) -> (Timestamp, Timestamp) {
    let now_s = now.unix_ms().max(0).unsigned_abs() / 1000;
    let start_s = now_s.saturating_sub(BACKDATE_S);
    let end_s = now_s + u64::from(days) * 86_400;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(start_s);
    params.not_after = epoch + Duration::from_secs(end_s);
    let time = |s: u64| Timestamp::from_unix_ms(i64::try_from(s * 1000).unwrap_or(i64::MAX));
    (time(start_s), time(end_s))
}

/// RFC 1123 host names, with `*` not allowed.
fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

fn check_key(csr_der: &[u8]) -> Result<(), CaError> {
    use x509_parser::prelude::FromDer;
    use x509_parser::public_key::PublicKey;
    let (_, csr) = x509_parser::certification_request::X509CertificationRequest::from_der(csr_der)
        .map_err(|error| CaError::BadRequest(error.to_string()))?;
    let spki = &csr.certification_request_info.subject_pki;
    match spki.parsed() {
        Ok(PublicKey::RSA(key)) if (2048..=8192).contains(&key.key_size()) => Ok(()),
        Ok(PublicKey::EC(point)) if matches!(point.key_size(), 256 | 384) => Ok(()),
        // Ed25519, RFC 8410
        Ok(PublicKey::Unknown(_)) if spki.algorithm.algorithm.to_id_string() == "1.3.101.112" => Ok(()),
        _ => Err(CaError::WeakKey),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use presented::PresentedCertificate;

    pub(crate) fn authority() -> Authority {
        let new = Authority::create(TenantId::from_random_bytes([1; 16]), Timestamp::from_unix_ms(1_790_000_000_000))
            .unwrap();
        Authority::open(&new.certificate_pem, &new.key_pem).unwrap()
    }

    fn csr(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
        params.serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn only_the_public_key_of_a_request_is_believed() {
        let ca = authority();
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let tenant = TenantId::from_random_bytes([1; 16]);
        let device = DeviceId::from_random_bytes([2; 16]);
        let key = KeyPair::generate().unwrap();
        // A request that wants to be a CA for somebody else's name.
        let mut params = CertificateParams::new(["admin.example.test".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = ca.issue_device(&csr(&params, &key), tenant, device, [0xff; 16], now).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&issued.der).unwrap();
        assert!(!parsed.is_ca());
        assert_eq!(parsed.subject().to_string(), format!("CN={device}"));
        let eku = parsed.extended_key_usage().unwrap().unwrap().value;
        assert!(eku.client_auth && !eku.server_auth && !eku.any);
        let seen = PresentedCertificate::parse(&issued.der).unwrap();
        assert_eq!((seen.tenant, seen.device), (tenant, device));
        assert_eq!(seen.serial, issued.serial);
        assert_eq!(seen.not_after, issued.not_after);
        assert_eq!(seen.fingerprint, issued.fingerprint);
        assert_eq!(seen.not_before, issued.not_before);
        assert_eq!(request_key(&csr(&params, &key)).unwrap(), key.subject_public_key_info());
        assert_eq!(issued.not_after, now.plus_days(DEVICE_CERTIFICATE_DAYS));
        assert!(
            parsed
                .verify_signature(Some(x509_parser::parse_x509_certificate(ca.root()).unwrap().1.public_key()))
                .is_ok()
        );
    }

    #[test]
    fn a_request_with_a_wrong_signature_or_no_request_is_refused() {
        let ca = authority();
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let key = KeyPair::generate().unwrap();
        let mut der = csr(&CertificateParams::default(), &key);
        let last = der.len() - 1;
        der[last] ^= 1;
        for bad in [der.as_slice(), b"no request"] {
            assert!(matches!(
                ca.issue_device(
                    bad,
                    TenantId::from_random_bytes([1; 16]),
                    DeviceId::from_random_bytes([2; 16]),
                    [1; 16],
                    now
                ),
                Err(CaError::BadRequest(_))
            ));
        }
    }

    #[test]
    fn server_names_are_checked() {
        let ca = authority();
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        for bad in ["", "a b", "-x", "x..y", "host/path", "*.example.test"] {
            assert!(matches!(ca.issue_server(&[bad.to_owned()], [1; 16], now), Err(CaError::BadName(_))), "{bad}");
        }
        for good in ["localhost", "lapwing.example.test", "127.0.0.1", "::1"] {
            ca.issue_server(&[good.to_owned()], [1; 16], now).unwrap();
        }
    }
}

//! Which server is the right one, who the client is, and the TLS configuration that holds both.

use crate::{Cause, Fault};
use core::fmt;
use laps::time::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    time_provider::TimeProvider,
};
use sha2::{Digest, Sha256};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

/// SHA-256 over the DER of a CA certificate; 64 hexadecimal digits as text. Colons and upper case are read too.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaFingerprint([u8; 32]);

impl CaFingerprint {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
    /// From the 32 bytes of a digest, as a join token names it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for CaFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 fingerprint: expected 64 hexadecimal digits")]
pub struct NotAFingerprint;

impl core::str::FromStr for CaFingerprint {
    type Err = NotAFingerprint;
    fn from_str(text: &str) -> Result<Self, NotAFingerprint> {
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let mut digits = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16));
        let mut bytes = [0_u8; 32];
        for byte in &mut bytes {
            let (Some(Some(high)), Some(Some(low))) = (digits.next(), digits.next()) else {
                return Err(NotAFingerprint);
            };
            *byte = u8::try_from(high << 4 | low).map_err(|_| NotAFingerprint)?;
        }
        if digits.next().is_some() { Err(NotAFingerprint) } else { Ok(Self(bytes)) }
    }
}

/// How the right server is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Its chain ends at one of these CA certificates (DER).
    Pinned(Vec<Vec<u8>>),
    /// At first contact: its chain holds the CA certificate with this fingerprint. The certificate itself is
    /// then told by [`crate::Client::ca_certificate`], to be pinned.
    Fingerprint(CaFingerprint),
}

/// Reads CA certificates of a file: PEM (one or more) or a single DER. Empty when it holds none.
pub fn certificates(file: &[u8]) -> Vec<Vec<u8>> {
    use rustls::pki_types::pem::PemObject as _;
    let pem: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(file).filter_map(Result::ok).map(|der| der.to_vec()).collect();
    if !pem.is_empty() {
        return pem;
    }
    match x509_parser::parse_x509_certificate(file) {
        Ok(([], _)) => vec![file.to_vec()],
        _ => Vec::new(),
    }
}

/// A device certificate and its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate first, then what leads to the CA; DER.
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS #8 DER.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// Validity is judged by the later of the machine's clock and the newest server time that the caller has
/// stored (design.md 5, "Device identity").
#[derive(Debug)]
struct LaterOf {
    floor: Duration,
}

impl TimeProvider for LaterOf {
    #[allow(clippy::disallowed_methods, reason = "TLS asks for the time; the floor is what the shell passes in")]
    fn current_time(&self) -> Option<UnixTime> {
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(clock.max(self.floor)))
    }
}

/// The CA certificate that the server showed in a handshake.
pub(crate) type Shown = Arc<Mutex<Option<Vec<u8>>>>;

/// Takes a chain that holds the certificate with the fingerprint, and checks it against that one.
struct ByFingerprint {
    wanted: CaFingerprint,
    shown: Shown,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for ByFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByFingerprint").field(&self.wanted).finish()
    }
}

fn keep(shown: &Shown, der: &[u8]) {
    *shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(der.to_vec());
}

fn verifier_of(
    roots: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let root = intermediates
            .iter()
            .find(|der| CaFingerprint::of(der) == self.wanted)
            .ok_or(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned())?;
        let verified = verifier_of(roots, &self.provider)?.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        keep(&self.shown, root);
        Ok(verified)
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Trusts nobody: notes the last certificate of the chain and ends the handshake. So a person can be asked
/// whether the fingerprint is right before anything is sent.
#[derive(Debug)]
struct LookOnly {
    shown: Shown,
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for LookOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        keep(&self.shown, intermediates.last().unwrap_or(end_entity));
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

/// The configuration, and the place where the CA certificate that the server showed is noted.
/// `trust` absent: look only.
pub(crate) fn config(
    trust: Option<&Trust>,
    identity: Option<&Identity>,
    clock_floor: Option<Timestamp>,
) -> Result<(ClientConfig, Shown), Fault> {
    let shown = Shown::default();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Some(Trust::Pinned(ders)) => {
            let mut roots = RootCertStore::empty();
            for der in ders {
                roots.add(der.clone().into()).map_err(|error| Fault::CaCertificate(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(Fault::CaCertificate("none was given".into()));
            }
            if let Some(first) = ders.first() {
                keep(&shown, first);
            }
            verifier_of(roots, &provider).map_err(|error| Fault::CaCertificate(error.to_string()))?
        }
        Some(Trust::Fingerprint(wanted)) => {
            Arc::new(ByFingerprint { wanted: *wanted, shown: Arc::clone(&shown), provider: Arc::clone(&provider) })
        }
        None => Arc::new(LookOnly {
            shown: Arc::clone(&shown),
            schemes: provider.signature_verification_algorithms.supported_schemes(),
        }),
    };
    let unix_ms = clock_floor.map_or(0, |floor| u64::try_from(floor.unix_ms()).unwrap_or(0));
    let clock = Arc::new(LaterOf { floor: Duration::from_millis(unix_ms) });
    let builder = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| Fault::Tls(error.to_string()))?
        .dangerous() // the name of rustls for "own verifier"; ours all check chain and name, or refuse
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => builder
            .with_client_auth_cert(
                identity.chain.iter().cloned().map(CertificateDer::from).collect(),
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_vec())),
            )
            .map_err(|error| Fault::Identity(error.to_string()))?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, shown))
}

/// What a TLS error means for a person.
pub(crate) fn cause_of(error: &rustls::Error) -> Cause {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Cause::WrongCa,
            CertificateError::NotValidForName => Cause::WrongName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => Cause::WrongName(presented.clone()),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Cause::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Cause::NotYetValid,
            other => Cause::Tls(other.to_string()),
        },
        rustls::Error::AlertReceived(
            alert @ (Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
            | Alert::DecryptError),
        ) => Cause::ClientCertificate(format!("{alert:?}")),
        other => Cause::Tls(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_read_back_in_every_spelling() {
        let print = CaFingerprint::of(b"x");
        let plain = print.to_string();
        let colons: Vec<String> =
            plain.as_bytes().chunks(2).map(|two| String::from_utf8_lossy(two).to_uppercase()).collect();
        for text in [plain.clone(), format!("sha256:{plain}"), colons.join(":")] {
            assert_eq!(text.parse(), Ok(print));
        }
        for text in ["", "sha256:", &plain[1..], &format!("{plain}0"), &plain.replace(|_| true, "g")] {
            assert_eq!(text.parse::<CaFingerprint>(), Err(NotAFingerprint));
        }
    }

    #[test]
    fn the_floor_moves_a_slow_clock_on() {
        let late = Duration::from_secs(10_000_000_000);
        assert_eq!(LaterOf { floor: late }.current_time(), Some(UnixTime::since_unix_epoch(late)));
        let now = LaterOf { floor: Duration::ZERO }.current_time().unwrap();
        assert!(now.as_secs() > 1_700_000_000);
    }
}

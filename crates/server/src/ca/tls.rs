//! TLS of the one listener: 1.3, 1.2 allowed; a client certificate is asked for and not required.

use super::{Authority, CaError};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use std::sync::Arc;

/// Checks a device's certificate chain and its key, but not whether it is in time: an expired
/// certificate of an enabled device may still renew and report (design.md 5), and `app` judges that.
///
/// The chain is checked as of the certificate's own start, so everything but the clock counts.
#[derive(Debug)]
struct DeviceVerifier(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for DeviceVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let bad = || rustls::Error::InvalidCertificate(CertificateError::BadEncoding);
        let (_, certificate) = x509_parser::parse_x509_certificate(end_entity).map_err(|_| bad())?;
        let start_s = u64::try_from(certificate.validity().not_before.timestamp()).map_err(|_| bad())?;
        self.0.verify_client_cert(
            end_entity,
            intermediates,
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(start_s)),
        )
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The TLS configuration of the listener. `chain_pem` is the server's certificate; the root is sent
/// after it, so that an agent that knows only its fingerprint can pin it.
pub fn server_config(authority: &Authority, chain_pem: &str, key_pem: &str) -> Result<ServerConfig, CaError> {
    let internal = |what: &str, error: &dyn std::fmt::Display| CaError::Internal(format!("{what}: {error}"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.root().clone()).map_err(|error| internal("root certificate", &error))?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .map_err(|error| internal("client verifier", &error))?;
    let mut chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| internal("server certificate", &error))?;
    if !chain.contains(authority.root()) {
        chain.push(authority.root().clone());
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| internal("server key", &error))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| internal("TLS", &error))?
        .with_client_cert_verifier(Arc::new(DeviceVerifier(verifier)))
        .with_single_cert(chain, key)
        .map_err(|error| internal("server certificate", &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether a certificate (the first of a PEM text) is good until `until` and holds every name.
pub fn is_good(chain_pem: &str, names: &[String], until: laps::time::Timestamp) -> Result<bool, CaError> {
    use x509_parser::extensions::GeneralName;
    let der = CertificateDer::from_pem_slice(chain_pem.as_bytes())
        .map_err(|error| CaError::Internal(format!("server certificate: {error}")))?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&der)
        .map_err(|error| CaError::Internal(format!("server certificate: {error}")))?;
    let end = laps::time::Timestamp::from_unix_ms(certificate.validity().not_after.timestamp().saturating_mul(1000));
    let held: Vec<String> = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .map(|extension| extension.value.general_names.as_slice())
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|four| std::net::IpAddr::from(four).to_string()),
                _ => <[u8; 16]>::try_from(*bytes).ok().map(|six| std::net::IpAddr::from(six).to_string()),
            },
            _ => None,
        })
        .collect();
    Ok(until < end && names.iter().all(|name| held.contains(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_good_for_its_time_and_names() {
        let ca = crate::ca::tests::authority();
        let now = laps::time::Timestamp::from_unix_ms(1_790_000_000_000);
        let names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        let new = ca.issue_server(&names, [1; 16], now).unwrap();
        assert!(is_good(&new.certificate_pem, &names, now.plus_days(300)).unwrap());
        assert!(!is_good(&new.certificate_pem, &names, now.plus_days(366)).unwrap());
        assert!(!is_good(&new.certificate_pem, &["other.test".to_owned()], now).unwrap());
        server_config(&ca, &new.certificate_pem, &new.key_pem).unwrap();
    }
}

//! TLS to a domain controller: whom to trust, and what went wrong.

use crate::Error;
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use std::{path::Path, sync::Arc};

/// The configuration that trusts the certificate authorities of a file, or of the machine.
pub(crate) fn configuration(ca: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let unusable = |detail: String| Error::CaUnusable { path: path.to_owned(), detail };
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unusable("no certificate in it".to_owned()));
            }
        }
        // What cannot be read is left out: a chain that needs it is refused later.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls { controller: String::new(), detail: error.to_string() })?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// The fault of TLS inside an error of the connection; `None` when it is none of TLS.
pub(crate) fn fault(controller: &str, error: &std::io::Error) -> Option<Error> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let controller = controller.to_owned();
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Error::CaUnknown { controller },
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Error::CertificateName { controller }
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Error::CertificateTime { controller },
            other => Error::Tls { controller, detail: other.to_string() },
        },
        other => Error::Tls { controller, detail: other.to_string() },
    })
}

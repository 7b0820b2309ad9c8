//! The device key: made on the device, never leaves it.

use super::{StateDir, StateError, durable};
use crate::clock;
use rcgen::{CertificateParams, PublicKeyData, SignatureAlgorithm, SigningKey};
use std::{fs, path::Path};
use zeroize::Zeroizing;

/// A key that could not be made, read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key material is not an ECDSA P-256 key, or the library failed.
    #[error("the device key cannot be used: {0}; join again")]
    Unusable(String),
}

/// A device key (ECDSA P-256): what the agent needs of it, so that a TPM can come.
pub trait DeviceKey {
    /// The public point, uncompressed, 65 bytes (SEC 1, 2.3.3).
    fn public(&self) -> &[u8];

    /// ECDSA with SHA-256 over `message`, ASN.1 DER (RFC 3279 2.2.3).
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// A PKCS #10 request (RFC 2986) in DER that proves possession of the key. The server takes nothing
    /// else from it than the public key.
    ///
    /// # Errors
    /// [`KeyError`] when the key cannot sign.
    fn request(&self) -> Result<Vec<u8>, KeyError>
    where
        Self: Sized,
    {
        let unusable = |error: rcgen::Error| KeyError::Unusable(error.to_string());
        let params = CertificateParams::default();
        params.serialize_request(&Signing(self)).map(|request| request.der().to_vec()).map_err(unusable)
    }
}

/// A [`DeviceKey`] as the certificate library wants it.
struct Signing<'a, K>(&'a K);

impl<K: DeviceKey> PublicKeyData for Signing<'_, K> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl<K: DeviceKey> SigningKey for Signing<'_, K> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// A key in a file of mode 0600.
pub struct SoftwareKey {
    pair: rcgen::KeyPair,
}

impl core::fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SoftwareKey(redacted)")
    }
}

impl SoftwareKey {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn generate() -> Result<Self, KeyError> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|error| KeyError::Unusable(error.to_string()))?;
        Ok(Self { pair })
    }

    /// From PKCS #8 (RFC 5958) in DER.
    ///
    /// # Errors
    /// [`KeyError`]: not an ECDSA P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let der = rustls::pki_types::PrivatePkcs8KeyDer::from(der);
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256)
            .map_err(|error| KeyError::Unusable(error.to_string()))?;
        Ok(Self { pair })
    }

    /// PKCS #8 in DER, for the TLS client.
    pub fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.pair.serialized_der().to_vec())
    }
}

impl DeviceKey for SoftwareKey {
    fn public(&self) -> &[u8] {
        self.pair.public_key_raw()
    }
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        SigningKey::sign(&self.pair, message).map_err(|error| KeyError::Unusable(error.to_string()))
    }
}

impl StateDir {
    /// Writes a key under a new name, which it returns. Nothing names it yet.
    pub(super) fn write_key(&self, key: &SoftwareKey) -> Result<String, StateError> {
        let random: [u8; 8] = clock::random().map_err(|_| StateError::NoRandomness)?;
        let name = format!("device-{:016x}.key", u64::from_be_bytes(random));
        durable::write(&self.file(&name), &key.pkcs8())?;
        Ok(name)
    }

    pub(super) fn read_key(&self, name: &str) -> Result<SoftwareKey, StateError> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|error| StateError::io(&path, "read", &error))?;
        SoftwareKey::from_pkcs8(&Zeroizing::new(bytes))
            .map_err(|error| StateError::Damaged { path, what: error.to_string() })
    }

    /// Removes keys that neither of these names is the name of.
    pub(super) fn drop_keys_but(&self, kept: &[&str]) -> Result<(), StateError> {
        let failed = |error: std::io::Error| StateError::io(self.path(), "list", &error);
        for entry in fs::read_dir(self.path()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_key = name.starts_with("device-") && Path::new(name).extension().is_some_and(|ext| ext == "key");
            if is_key && !kept.contains(&name) {
                durable::remove(&self.file(name))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_signed_by_the_key_and_holds_its_public_half() {
        let key = SoftwareKey::generate().unwrap();
        assert_eq!(key.public().len(), 65);
        let request = key.request().unwrap();
        assert!(request.windows(65).any(|window| window == key.public()));
        let again = SoftwareKey::from_pkcs8(&key.pkcs8()).unwrap();
        assert_eq!(again.public(), key.public());
        assert!(SoftwareKey::from_pkcs8(b"not a key").is_err());
        assert_eq!(format!("{key:?}"), "SoftwareKey(redacted)");
    }
}

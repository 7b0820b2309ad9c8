//! The one place where a password is sealed, and the one where it is revealed.

use super::{DataKey, EnvelopeKind, KeyId, KeyProvider, SealError, Sealed};
use aes_gcm::{
    Aes256Gcm,
    aead::{AeadInOut as _, KeyInit as _},
};
use laps::{
    id::{DeviceId, TenantId, VersionId},
    password::Password,
};
use std::sync::{Arc, PoisonError, RwLock};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest password, bytes.
const PASSWORD_BYTES_MAX: usize = 256;
/// The longest kept secret, bytes.
const SECRET_BYTES_MAX: usize = 4_096;
/// Bytes of the tag of AES-GCM.
const TAG_BYTES: usize = 16;

/// Gives random bytes.
pub type Randomness = Arc<dyn Fn(&mut [u8]) -> std::io::Result<()> + Send + Sync>;

/// Where a password stands. The envelope is bound to it: moved to another row it does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The tenant.
    pub tenant: TenantId,
    /// The device object.
    pub device: DeviceId,
    /// The version.
    pub version: VersionId,
    /// The account's lasting id.
    pub account: String,
}

impl Place {
    /// The associated data: each part with its length before it.
    fn associated_data(&self) -> Vec<u8> {
        let parts: [&[u8]; 4] =
            [self.tenant.as_bytes(), self.device.as_bytes(), self.version.as_bytes(), self.account.as_bytes()];
        parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
    }
}

/// Where a kept secret stands: what must be read again and is no device's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: &'a str,
}

impl SecretPlace<'_> {
    /// Begins with a word of another length than a tenant's id, so that no password's place is one.
    fn associated_data(&self) -> Vec<u8> {
        let parts: [&[u8]; 3] = [b"kept secret", self.tenant.as_bytes(), self.name.as_bytes()];
        parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
    }
}

/// Seals and reveals.
pub struct Sealer {
    keys: Arc<dyn KeyProvider>,
    active: RwLock<KeyId>,
    random: Randomness,
}

impl Sealer {
    /// A sealer that seals under `active`, which the store names.
    pub fn new(keys: Arc<dyn KeyProvider>, active: KeyId, random: Randomness) -> Self {
        Self { keys, active: RwLock::new(active), random }
    }

    /// The key that new envelopes are sealed under.
    pub fn active(&self) -> KeyId {
        *self.active.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seals under another key from now on: what the store answered with
    /// [`KeyRetired`](crate::store::StoreError::KeyRetired). The caller seals again and stores again.
    pub fn set_active(&self, key: KeyId) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Seals a password for its place.
    ///
    /// # Errors
    /// [`SealError::TooLong`], [`SealError::NoRandomness`], and what the key provider gives.
    pub fn seal(&self, place: &Place, password: &Password) -> Result<Sealed, SealError> {
        let clear = password.reveal().as_bytes();
        if clear.len() > PASSWORD_BYTES_MAX {
            return Err(SealError::TooLong);
        }
        self.encrypt(&place.associated_data(), clear)
    }

    /// Seals a secret that must be read again, for its place.
    ///
    /// # Errors
    /// [`SealError::TooLong`] beyond 4,096 bytes, [`SealError::NoRandomness`], and what the key provider gives.
    pub fn seal_secret(&self, place: &SecretPlace<'_>, clear: &[u8]) -> Result<Sealed, SealError> {
        if clear.len() > SECRET_BYTES_MAX {
            return Err(SealError::TooLong);
        }
        self.encrypt(&place.associated_data(), clear)
    }

    fn encrypt(&self, associated_data: &[u8], clear: &[u8]) -> Result<Sealed, SealError> {
        let (mut data_key, mut nonce) = (DataKey::default(), [0; 12]);
        // Drawn at once: each draw is a call of the system.
        let mut random = Zeroizing::new([0; 32 + 12]);
        (self.random)(random.as_mut_slice()).map_err(SealError::NoRandomness)?;
        let (for_key, for_nonce) = random.split_at(data_key.len());
        data_key.copy_from_slice(for_key);
        nonce.copy_from_slice(for_nonce);
        let key = self.active();
        let wrapped_key = self.keys.wrap(key, &data_key)?;
        // Large enough at once, so that no copy of the password is left behind by growing.
        let mut buffer = Zeroizing::new(Vec::with_capacity(clear.len() + TAG_BYTES));
        buffer.extend_from_slice(clear);
        cipher(&data_key)
            .encrypt_in_place(&nonce.into(), associated_data, &mut *buffer)
            .map_err(|_| SealError::DoesNotOpen)?;
        let ciphertext = core::mem::take(&mut *buffer);
        Ok(Sealed { kind: EnvelopeKind::Aes256GcmKw, key, wrapped_key, nonce, ciphertext })
    }

    /// Reveals a password. Only after the record of the reveal is durable (rotation.md 4, I2).
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] in any other place, and what the key provider gives.
    pub fn unseal(&self, place: &Place, sealed: &Sealed) -> Result<Password, SealError> {
        let mut buffer = self.decrypt(&place.associated_data(), sealed)?;
        match String::from_utf8(core::mem::take(&mut *buffer)) {
            Ok(text) => Ok(Password::new(text)),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(SealError::DoesNotOpen)
            }
        }
    }

    /// Opens a kept secret.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] in any other place, and what the key provider gives.
    pub fn open_secret(&self, place: &SecretPlace<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.decrypt(&place.associated_data(), sealed)
    }

    fn decrypt(&self, associated_data: &[u8], sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let EnvelopeKind::Aes256GcmKw = sealed.kind;
        let data_key = self.keys.unwrap(sealed.key, &sealed.wrapped_key)?;
        let mut buffer = Zeroizing::new(sealed.ciphertext.clone());
        cipher(&data_key)
            .decrypt_in_place(&sealed.nonce.into(), associated_data, &mut *buffer)
            .map_err(|_| SealError::DoesNotOpen)?;
        Ok(buffer)
    }

    /// Wraps an envelope's data key under another key-encryption key; the password stays sealed.
    ///
    /// # Errors
    /// What the key provider gives.
    pub fn rewrap(&self, from: KeyId, to: KeyId, wrapped: &[u8; 40]) -> Result<[u8; 40], SealError> {
        self.keys.wrap(to, &self.keys.unwrap(from, wrapped)?)
    }
}

fn cipher(data_key: &DataKey) -> Aes256Gcm {
    Aes256Gcm::new((&**data_key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::KeyFiles;
    use std::sync::atomic::{AtomicU8, Ordering};

    fn place() -> Place {
        Place {
            tenant: TenantId::from_bytes([1; 16]),
            device: DeviceId::from_bytes([2; 16]),
            version: VersionId::from_bytes([3; 16]),
            account: "0".into(),
        }
    }

    fn sealer(directory: &std::path::Path) -> Sealer {
        let keys = KeyFiles::new(directory);
        for id in [1, 2] {
            keys.add(KeyId([id; 16]), &Zeroizing::new([id; 32])).unwrap();
        }
        let counter = AtomicU8::new(0);
        let random: Randomness = Arc::new(move |bytes| {
            bytes.fill(counter.fetch_add(1, Ordering::Relaxed));
            Ok(())
        });
        Sealer::new(Arc::new(keys), KeyId([1; 16]), random)
    }

    #[test]
    fn an_envelope_opens_in_its_place_only() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        let password = Password::new("Pa55-ünïcode".into());
        let sealed = sealer.seal(&place(), &password).unwrap();
        assert_eq!(sealer.unseal(&place(), &sealed).unwrap(), password);
        let elsewhere = [
            Place { tenant: TenantId::from_bytes([9; 16]), ..place() },
            Place { device: DeviceId::from_bytes([9; 16]), ..place() },
            Place { version: VersionId::from_bytes([9; 16]), ..place() },
            Place { account: "00".into(), ..place() },
        ];
        for other in elsewhere {
            assert!(matches!(sealer.unseal(&other, &sealed), Err(SealError::DoesNotOpen)), "{other:?}");
        }
        let mut changed = sealed.clone();
        changed.ciphertext[0] ^= 1;
        assert!(matches!(sealer.unseal(&place(), &changed), Err(SealError::DoesNotOpen)));
        let mut changed = sealed;
        changed.wrapped_key[0] ^= 1;
        assert!(matches!(sealer.unseal(&place(), &changed), Err(SealError::DoesNotOpen)));
    }

    #[test]
    fn every_envelope_has_its_own_data_key() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        let password = Password::new("the same".into());
        let (one, two) = (sealer.seal(&place(), &password).unwrap(), sealer.seal(&place(), &password).unwrap());
        assert_ne!(one.wrapped_key, two.wrapped_key);
        assert_ne!(one.ciphertext, two.ciphertext);
        assert!(!one.ciphertext.windows(4).any(|bytes| bytes == b"same"));
    }

    #[test]
    fn rewrapping_keeps_the_password_and_changes_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        let password = Password::new("kept".into());
        let mut sealed = sealer.seal(&place(), &password).unwrap();
        sealed.wrapped_key = sealer.rewrap(KeyId([1; 16]), KeyId([2; 16]), &sealed.wrapped_key).unwrap();
        assert!(matches!(sealer.unseal(&place(), &sealed), Err(SealError::DoesNotOpen)));
        sealed.key = KeyId([2; 16]);
        assert_eq!(sealer.unseal(&place(), &sealed).unwrap(), password);
    }

    #[test]
    fn a_kept_secret_opens_in_its_own_place_only() {
        let directory = tempfile::tempdir().unwrap();
        let sealer = sealer(directory.path());
        let tenant = TenantId::from_bytes([1; 16]);
        let sealed = sealer.seal_secret(&SecretPlace { tenant, name: "totp/1" }, b"secret").unwrap();
        let open = |tenant, name| sealer.open_secret(&SecretPlace { tenant, name }, &sealed);
        assert_eq!(open(tenant, "totp/1").unwrap().as_slice(), b"secret");
        assert!(matches!(open(tenant, "totp/2"), Err(SealError::DoesNotOpen)));
        assert!(matches!(open(TenantId::from_bytes([2; 16]), "totp/1"), Err(SealError::DoesNotOpen)));
        assert!(matches!(sealer.unseal(&place(), &sealed), Err(SealError::DoesNotOpen)));
        let long = sealer.seal_secret(&SecretPlace { tenant, name: "x" }, &[0; SECRET_BYTES_MAX + 1]);
        assert!(matches!(long, Err(SealError::TooLong)));
    }
}

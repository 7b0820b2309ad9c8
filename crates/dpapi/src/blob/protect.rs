//! Protecting bytes for a principal, and opening them.

use super::{Blob, NONCE_BYTES, WRAPPED_KEY_BYTES};
use crate::{
    Sid,
    gkdi::{AgreementError, EnvelopeKey, GroupKeyEnvelope, Kek, KeyId, KeyInfo, SeedKey, WalkError, kek_of_secret},
};
use aes_gcm::{
    Aes256Gcm,
    aead::{AeadInOut as _, KeyInit as _},
};
use aes_kw::{AesKw, aes::Aes256};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// A data key of 256 bits; wiped when dropped.
type DataKey = Zeroizing<[u8; 32]>;

/// Why nothing was protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// The envelope is for reading old blobs only.
    #[error("the group key is for decryption only: ask the domain controller for the newest key")]
    NotForEncryption,
    /// The keys of the envelope do not give its own group key.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The public key of the envelope does not fit its own parameters.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// More than [`super::CLEAR_BYTES_MAX`].
    #[error("more than 8 KiB are too much for one blob")]
    TooLong,
}

/// Why a blob did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The key at hand does not reach.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The encryptor's key does not fit the root key.
    #[error(transparent)]
    Agreement(#[from] AgreementError),
    /// It was changed, or the key is of another principal.
    #[error("the blob does not open: it was changed, or the key is of another principal or another root key")]
    DoesNotOpen,
}

/// Protects bytes for a principal with what the domain controller answered. The seed form takes 32, 32 and 12 bytes
/// from the generator (nonce of the key, data key, nonce of the cipher); the public-key form an ephemeral key in
/// place of the first.
///
/// # Errors
/// [`ProtectError`].
pub fn protect<R: CryptoRng + ?Sized>(
    clear: &[u8],
    principal: &Sid,
    envelope: &GroupKeyEnvelope,
    rng: &mut R,
) -> Result<Blob, ProtectError> {
    if !envelope.for_encryption {
        return Err(ProtectError::NotForEncryption);
    }
    if clear.len() > super::CLEAR_BYTES_MAX {
        return Err(ProtectError::TooLong);
    }
    let (kek, info) = match &envelope.key {
        EnvelopeKey::Public(group) => {
            let own = envelope.parameters.agreement.generate(rng);
            let secret = own.agree(group)?;
            (kek_of_secret(&envelope.parameters, &secret), KeyInfo::PublicKey(own.public_key()?))
        }
        EnvelopeKey::Seed { l1, l2 } => {
            let (parameters, index) = (envelope.parameters.clone(), envelope.index);
            let seed = SeedKey { parameters, index, l1: l1.clone(), l2: l2.clone() };
            let group_key = seed.group_key(envelope.parameters.root_key_id, index)?;
            let mut nonce = [0; 32];
            rng.fill_bytes(&mut nonce);
            (group_key.kek_of_nonce(&nonce), KeyInfo::Nonce(nonce))
        }
    };
    let mut data_key = DataKey::default();
    rng.fill_bytes(data_key.as_mut_slice());
    let mut nonce = [0; NONCE_BYTES];
    rng.fill_bytes(&mut nonce);

    // Large enough at once: growing it would leave copies of the clear text behind.
    let mut buffer = Zeroizing::new(Vec::with_capacity(clear.len().saturating_add(super::TAG_BYTES)));
    buffer.extend_from_slice(clear);
    Aes256Gcm::new((&*data_key).into())
        .encrypt_in_place(&nonce.into(), &[], &mut *buffer)
        .map_err(|_| ProtectError::TooLong)?;
    let key_id = KeyId {
        root_key_id: envelope.parameters.root_key_id,
        index: envelope.index,
        info,
        domain: envelope.domain.clone(),
        forest: envelope.forest.clone(),
    };
    Ok(Blob {
        key_id,
        principal: principal.clone(),
        wrapped_key: wrap(&kek, &data_key),
        nonce,
        ciphertext: core::mem::take(&mut *buffer),
    })
}

/// Opens a blob with the keys of its principal. What comes out is wiped when dropped.
///
/// # Errors
/// [`OpenError`]. A wrong key and a changed blob look the same.
pub fn open(blob: &Blob, keys: &SeedKey) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let group_key = keys.group_key(blob.key_id.root_key_id, blob.key_id.index)?;
    let kek = match &blob.key_id.info {
        KeyInfo::Nonce(nonce) => group_key.kek_of_nonce(nonce),
        KeyInfo::PublicKey(encryptor) => group_key.kek_of_public_key(encryptor)?,
    };
    let mut data_key = DataKey::default();
    AesKw::<Aes256>::new((&*kek).into())
        .unwrap_key(&blob.wrapped_key, data_key.as_mut_slice())
        .map_err(|_| OpenError::DoesNotOpen)?;
    let mut buffer = Zeroizing::new(blob.ciphertext.clone());
    Aes256Gcm::new((&*data_key).into())
        .decrypt_in_place(&blob.nonce.into(), &[], &mut *buffer)
        .map_err(|_| OpenError::DoesNotOpen)?;
    Ok(buffer)
}

fn wrap(kek: &Kek, data_key: &DataKey) -> [u8; WRAPPED_KEY_BYTES] {
    let mut wrapped = [0; WRAPPED_KEY_BYTES];
    let done = AesKw::<Aes256>::new((&**kek).into()).wrap_key(data_key.as_slice(), &mut wrapped);
    let Ok(_) = done else { unreachable!("the lengths are those of the types") };
    wrapped
}

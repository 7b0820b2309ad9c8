//! The protected blob of DPAPI-NG (laps-behaviour.md 7.5): reading, writing, protecting, opening.

mod cms;
mod protect;

pub use protect::{OpenError, ProtectError, open, protect};

use crate::{FormatError, Sid, gkdi::KeyId};

/// The longest blob that is read, bytes.
pub const BLOB_BYTES_MAX: usize = 16 * 1024;
/// The most that is protected, bytes: such a blob can be read again.
pub const CLEAR_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a data key under AES-256 key wrap.
const WRAPPED_KEY_BYTES: usize = 40;
/// Bytes of a nonce of AES-256-GCM.
const NONCE_BYTES: usize = 12;
/// Bytes of a tag of AES-256-GCM.
const TAG_BYTES: usize = 16;

/// A protected blob with the one protector that LAPS uses, a SID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// The group key.
    pub key_id: KeyId,
    /// Who may open it: a user, a group or a computer.
    pub principal: Sid,
    /// The data key, wrapped.
    pub wrapped_key: [u8; WRAPPED_KEY_BYTES],
    /// The nonce of the ciphertext.
    pub nonce: [u8; NONCE_BYTES],
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
}

/// Bytes that are no blob that this crate can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Not the structure.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Another protector than a SID.
    #[error("the blob is protected by {name} ({oid}), not by a SID: only what names it can open it")]
    ProtectorUnknown {
        /// What is known of the protector.
        name: &'static str,
        /// Its object identifier.
        oid: String,
    },
    /// Made for something else than a group key.
    #[error("the key of the blob is of kind {oid}, not a group key of a domain")]
    KeyKindUnknown {
        /// The object identifier of the kind.
        oid: String,
    },
}

/// What stands behind a protector's object identifier.
fn protector_name(oid: &str) -> &'static str {
    match oid {
        "1.3.6.1.4.1.311.74.1.2" => "a key file",
        "1.3.6.1.4.1.311.74.1.5" => "a security descriptor in text form",
        "1.3.6.1.4.1.311.74.1.8" => "the local machine or user",
        _ => "an unknown protector",
    }
}

impl Blob {
    /// Reads a blob of at most [`BLOB_BYTES_MAX`] whose ciphertext stands behind the structure, or inside.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlobError> {
        cms::read(bytes)
    }
    /// Writes it as Windows writes LAPS attributes: the ciphertext behind the structure.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = cms::write(self, false);
        bytes.extend_from_slice(&self.ciphertext);
        bytes
    }
    /// Writes the other layout: the ciphertext inside the structure.
    pub fn to_bytes_enclosed(&self) -> Vec<u8> {
        cms::write(self, true)
    }
}

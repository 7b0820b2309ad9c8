//! The key identifier of a blob: which group key, and what the encryptor added (laps-behaviour.md 7.6).

use super::{
    KeyIndex, PublicKey,
    envelope::{FLAG_FOR_ENCRYPTION, FLAG_PUBLIC, MAGIC, index, root_key_id},
};
use crate::reader::{FormatError, Reader, length_u32, wide};
use uuid::Uuid;

/// A key identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyId {
    /// The root key.
    pub root_key_id: Uuid,
    /// The interval.
    pub index: KeyIndex,
    /// What the encryptor added.
    pub info: KeyInfo,
    /// DNS name of the domain.
    pub domain: String,
    /// DNS name of the forest.
    pub forest: String,
}

/// The two forms of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyInfo {
    /// Seed form: made by somebody who may decrypt.
    Nonce([u8; 32]),
    /// Public-key form: the encryptor's ephemeral public key.
    PublicKey(PublicKey),
}

impl KeyId {
    /// Reads the structure.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("key identifier", bytes);
        reader.exactly(&1_u32.to_le_bytes(), "version 1")?;
        reader.exactly(MAGIC, "KDSK")?;
        let flags = reader.u32("flags")?;
        let index = index(&mut reader)?;
        let root_key_id = root_key_id(&mut reader)?;
        let info_length = reader.length("the length of the key information")?;
        let domain_length = reader.length("the length of the domain name")?;
        let forest_length = reader.length("the length of the forest name")?;
        let at = reader.at();
        let info = reader.take(info_length, "the key information")?;
        let info = if flags & FLAG_PUBLIC == 0 {
            KeyInfo::Nonce(info.try_into().map_err(|_| reader.error(at, "a nonce of 32 bytes"))?)
        } else {
            KeyInfo::PublicKey(PublicKey::from_bytes(info).map_err(|error| error.inside(at))?)
        };
        let domain = reader.wide(domain_length, "the domain name in UTF-16LE with a NUL")?;
        let forest = reader.wide(forest_length, "the forest name in UTF-16LE with a NUL")?;
        reader.finish()?;
        Ok(Self { root_key_id, index, info, domain, forest })
    }

    /// Writes the structure.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (public, info) = match &self.info {
            KeyInfo::Nonce(nonce) => (0, nonce.to_vec()),
            KeyInfo::PublicKey(key) => (FLAG_PUBLIC, key.to_bytes()),
        };
        let (domain, forest) = (wide(&self.domain), wide(&self.forest));
        let mut bytes = 1_u32.to_le_bytes().to_vec();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&(public | FLAG_FOR_ENCRYPTION).to_le_bytes());
        bytes.extend_from_slice(&self.index.to_bytes());
        bytes.extend_from_slice(&self.root_key_id.to_bytes_le());
        for field in [&info, &domain, &forest] {
            bytes.extend_from_slice(&length_u32(field).to_le_bytes());
        }
        for field in [&info, &domain, &forest] {
            bytes.extend_from_slice(field);
        }
        bytes
    }
}

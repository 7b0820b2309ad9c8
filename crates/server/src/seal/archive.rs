//! Sealing to age: the payload of an escrow archive. Line by line, so that the whole is never in clear at once.

use super::SealError;
use age::{Encryptor, Recipient, stream::StreamWriter, x25519};
use std::io::Write as _;

/// Why a text is no recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no age recipient; expected age1…, as `age-keygen` prints it")]
pub struct NotARecipient(pub String);

/// Writes a payload.
pub struct ArchiveWriter {
    to: StreamWriter<Vec<u8>>,
    written: usize,
}

impl ArchiveWriter {
    /// For these recipients; every one of them can open it alone.
    ///
    /// # Errors
    /// [`SealError::Escrow`].
    pub fn new(recipients: &[x25519::Recipient]) -> Result<Self, SealError> {
        let dynamic = recipients.iter().map(|recipient| recipient as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(dynamic).map_err(|error| SealError::Escrow(error.to_string()))?;
        let to = encryptor.wrap_output(Vec::new()).map_err(|error| SealError::Escrow(error.to_string()))?;
        Ok(Self { to, written: 0 })
    }

    /// Adds a line, its line feed included.
    ///
    /// # Errors
    /// [`SealError::Escrow`].
    pub fn line(&mut self, line: &[u8]) -> Result<(), SealError> {
        self.written += line.len();
        self.to.write_all(line).map_err(|error| SealError::Escrow(error.to_string()))
    }

    /// Bytes of lines until now.
    pub const fn written(&self) -> usize {
        self.written
    }

    /// The sealed payload.
    ///
    /// # Errors
    /// [`SealError::Escrow`].
    pub fn finish(self) -> Result<Vec<u8>, SealError> {
        self.to.finish().map_err(|error| SealError::Escrow(error.to_string()))
    }
}

/// Recipients from their texts.
///
/// # Errors
/// [`NotARecipient`], the first.
pub fn recipients(texts: &[String]) -> Result<Vec<x25519::Recipient>, NotARecipient> {
    let short = |text: &String| NotARecipient(text.chars().take(80).collect());
    texts.iter().map(|text| text.trim().parse().map_err(|_| short(text))).collect()
}

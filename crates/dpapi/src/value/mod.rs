//! What LAPS keeps in the attributes of a computer object (laps-behaviour.md 7.3, 7.4, 7.12).

mod credential;
mod json;

pub use credential::{Credential, CredentialError};

use crate::reader::{FormatError, Reader, length_u32};
use laps::time::Timestamp;

/// Bytes before the blob.
const PREFIX_BYTES: usize = 16;
/// The longest value that is taken, bytes. What LAPS writes has about 1,500.
pub const VALUE_BYTES_MAX: usize = 16 * 1024;

/// The two accounts of which a computer object can hold the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The managed account.
    Account,
    /// The administrator of Directory Services Restore Mode, on a domain controller.
    Dsrm,
}

impl Holder {
    /// The lDAPDisplayName of the encrypted password.
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::Account => "msLAPS-EncryptedPassword",
            Self::Dsrm => "msLAPS-EncryptedDSRMPassword",
        }
    }
    /// The lDAPDisplayName of its history, one value for each entry, in the same layout.
    pub const fn history_attribute(self) -> &'static str {
        match self {
            Self::Account => "msLAPS-EncryptedPasswordHistory",
            Self::Dsrm => "msLAPS-EncryptedDSRMPasswordHistory",
        }
    }
}

/// An encrypted value: the time of the update, readable by all who read the attribute, and the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptedValue<'a> {
    /// When the password was set.
    pub updated_at: Timestamp,
    /// The protected blob, for [`crate::blob::Blob::from_bytes`].
    pub blob: &'a [u8],
}

impl<'a> EncryptedValue<'a> {
    /// Reads a value; bytes behind the blob are tolerated, as Windows does.
    ///
    /// # Errors
    /// [`FormatError`] when it is shorter than it says, or longer than [`VALUE_BYTES_MAX`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("encrypted LAPS value", bytes);
        reader.at_most(VALUE_BYTES_MAX, "a value of at most 16 KiB")?;
        let high = reader.u32("the high half of the update time")?;
        let low = reader.u32("the low half of the update time")?;
        let length = reader.length("the length of the blob")?;
        reader.u32("the reserved field")?;
        let blob = reader.take(length, "as many bytes as the length field says")?;
        let updated_at = Timestamp::from_ticks(u64::from(high) << 32 | u64::from(low));
        Ok(Self { updated_at, blob })
    }
    /// Writes the value.
    pub fn to_bytes(&self) -> Vec<u8> {
        let ticks = self.updated_at.ticks();
        let mut bytes = Vec::with_capacity(self.blob.len().saturating_add(PREFIX_BYTES));
        // The high half stands first.
        bytes.extend_from_slice(&((ticks >> 32) as u32).to_le_bytes());
        bytes.extend_from_slice(&(ticks as u32).to_le_bytes());
        bytes.extend_from_slice(&length_u32(self.blob).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(self.blob);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// laps-behaviour.md 7.11: the prefix of the known answer.
    #[test]
    fn the_prefix_has_the_high_half_first() {
        let blob = vec![7; 510];
        let value = EncryptedValue { updated_at: Timestamp::from_ticks(0x1d8_161b_41c4_1cde), blob: &blob };
        let bytes = value.to_bytes();
        assert_eq!(bytes[..16], [0x1b, 0x16, 0xd8, 0x01, 0xde, 0x1c, 0xc4, 0x41, 0xfe, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(EncryptedValue::from_bytes(&bytes), Ok(value));
        assert_eq!(EncryptedValue::from_bytes(&[&bytes[..], b"more"].concat()), Ok(value));
        for end in 0..bytes.len() {
            let error = EncryptedValue::from_bytes(&bytes[..end]).unwrap_err();
            assert!(error.offset <= end, "{error}");
        }
    }
}

//! What LAPS keeps in the attributes of a computer object (laps-behaviour.md 7.3, 7.4, 7.12).

use crate::reader::{FormatError, Reader, length_u32};
use core::fmt;
use laps::{password::Password, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use zeroize::Zeroizing;

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

/// The history after a rotation: the values as they stand, with the one that is being replaced, newest first by the
/// time before their blob, at most `entries_max` (laps-behaviour.md 4.9). A value that has no such time is the oldest.
pub fn history_after_rotation<'a>(
    current: Option<&'a [u8]>,
    history: &[&'a [u8]],
    entries_max: usize,
) -> Vec<&'a [u8]> {
    let mut values: Vec<&[u8]> = current.into_iter().chain(history.iter().copied()).collect();
    values.sort_by_key(|value| {
        core::cmp::Reverse(EncryptedValue::from_bytes(value).map_or(Timestamp::MIN, |value| value.updated_at))
    });
    // The attribute is a set: a value cannot stand in it twice.
    let mut seen = std::collections::BTreeSet::new();
    values.retain(|value| seen.insert(*value));
    values.truncate(entries_max);
    values
}

/// The JSON of a password: account, update time, password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The account's name.
    pub account: String,
    /// When the password was set.
    pub updated_at: Timestamp,
    /// The password.
    pub password: Password,
}

/// Why something is not the JSON of a password. It never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not UTF-16LE.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Not the JSON.
    #[error("not the JSON of a LAPS password, at line {line} column {column}: expected the texts n, t and p")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// `t` is not a time.
    #[error("the update time is not 1 to 16 hexadecimal digits")]
    Time,
}

#[derive(Serialize)]
struct Out<'a> {
    n: &'a str,
    t: &'a str,
    p: &'a str,
}

/// Borrowed wherever the text holds no escapes, which no alphabet of LAPS needs.
#[derive(Deserialize)]
struct In<'a> {
    #[serde(borrow)]
    n: Cow<'a, str>,
    #[serde(borrow)]
    t: Cow<'a, str>,
    #[serde(borrow)]
    p: Cow<'a, str>,
}

impl Credential {
    /// The JSON as it stands in msLAPS-Password: order n, t, p, no blanks, no terminator. Wiped when dropped.
    pub fn to_json(&self) -> Zeroizing<String> {
        let time = format!("{:x}", self.updated_at.ticks());
        let out = Out { n: &self.account, t: &time, p: self.password.reveal() };
        // Six characters for each escaped one: growing the buffer would leave copies behind.
        let length = self.account.len().saturating_add(self.password.reveal().len()).saturating_mul(6);
        let mut bytes = Zeroizing::new(Vec::with_capacity(length.saturating_add(64)));
        // Writing texts into memory has no failing case.
        let written = serde_json::to_writer(&mut *bytes, &out);
        debug_assert!(written.is_ok());
        match String::from_utf8(core::mem::take(&mut *bytes)) {
            Ok(text) => Zeroizing::new(text),
            Err(_) => unreachable!("JSON is UTF-8"),
        }
    }
    /// From the JSON, in any order of keys.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn from_json(text: &str) -> Result<Self, CredentialError> {
        let read: In<'_> = serde_json::from_str(text)
            .map_err(|error| CredentialError::Json { line: error.line(), column: error.column() })?;
        // Taken over at once, so that it is wiped whatever follows.
        let password = Password::new(read.p.into_owned());
        let digits = (1..=16).contains(&read.t.len()) && read.t.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ticks = digits.then(|| u64::from_str_radix(&read.t, 16).ok()).flatten().ok_or(CredentialError::Time)?;
        Ok(Self { account: read.n.into_owned(), updated_at: Timestamp::from_ticks(ticks), password })
    }

    /// The clear bytes of a blob: the JSON in UTF-16LE with a NUL. Wiped when dropped.
    pub fn to_clear(&self) -> Zeroizing<Vec<u8>> {
        let json = self.to_json();
        let mut bytes = Zeroizing::new(Vec::with_capacity(json.len().saturating_mul(2).saturating_add(2)));
        for unit in json.encode_utf16().chain([0]) {
            bytes.extend_from_slice(&unit.to_le_bytes());
        }
        bytes
    }
    /// From the clear bytes of a blob; what stands behind a NUL does not count, and the NUL may be absent.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn from_clear(bytes: &[u8]) -> Result<Self, CredentialError> {
        let error = |offset, expected| FormatError { structure: "opened LAPS value", offset, expected };
        let (units, odd) = bytes.as_chunks::<2>();
        let end = units.iter().position(|unit| *unit == [0, 0]);
        if end.is_none() && !odd.is_empty() {
            return Err(error(units.len().saturating_mul(2), "UTF-16LE, two bytes a unit").into());
        }
        let units = units.iter().take(end.unwrap_or(units.len())).map(|unit| u16::from_le_bytes(*unit));
        let mut text = Zeroizing::new(String::with_capacity(bytes.len().saturating_mul(2)));
        let mut offset = 0;
        for character in char::decode_utf16(units) {
            let character = character.map_err(|_| error(offset, "UTF-16LE"))?;
            text.push(character);
            offset = character.len_utf16().saturating_mul(2).saturating_add(offset);
        }
        Self::from_json(&text)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?}, {:?}, {:?})", self.account, self.updated_at, self.password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = r#"{"n":"Administrator","t":"1d8161b41c41cde","p":"A6a3#7%eb!57be4a4B95Z43394ba956de69e5975#$8a6d)4f82da6ad500HGx"}"#;

    /// laps-behaviour.md 7.3.
    #[test]
    fn the_published_json_both_ways_and_any_order() {
        let credential = Credential::from_json(PUBLISHED).unwrap();
        assert_eq!(credential.account, "Administrator");
        assert_eq!(credential.updated_at.ticks(), 0x1d8_161b_41c4_1cde);
        assert_eq!(credential.to_json().as_str(), PUBLISHED);
        let other = r#"{ "p": "x\"y", "n": "\u00c4dmin", "t": "1D8161B41C41CDE", "more": [1, {}] }"#;
        let credential = Credential::from_json(other).unwrap();
        assert_eq!((credential.account.as_str(), credential.password.reveal()), ("Ädmin", "x\"y"));
        assert_eq!(Credential::from_json(&credential.to_json()).unwrap(), credential);
    }

    #[test]
    fn clear_bytes_end_at_a_nul_or_at_the_end() {
        let credential = Credential::from_json(PUBLISHED).unwrap();
        let clear = credential.to_clear();
        assert_eq!(clear.len(), 2 * PUBLISHED.len() + 2);
        assert_eq!(Credential::from_clear(&clear).unwrap(), credential);
        assert_eq!(Credential::from_clear(&clear[..clear.len() - 2]).unwrap(), credential);
        let longer = [&clear[..], b"\x00\xd8odd"].concat();
        assert_eq!(Credential::from_clear(&longer).unwrap(), credential);
        let error = Credential::from_clear(&clear[..5]).unwrap_err();
        assert!(matches!(error, CredentialError::Format(FormatError { offset: 4, .. })), "{error}");
        let error = Credential::from_clear(b"{\0\x00\xd8").unwrap_err();
        assert!(matches!(error, CredentialError::Format(FormatError { offset: 2, .. })), "{error}");
    }

    #[test]
    fn errors_and_debug_never_show_a_password() {
        let credential = Credential::from_json(PUBLISHED).unwrap();
        assert!(!format!("{credential:?}").contains("A6a3"));
        for bad in [
            r#"{"n":"a","t":"1","p":"canary"#,
            r#"{"n":"a","t":"+1","p":"canary"}"#,
            r#"{"n":"a","t":"","p":"canary"}"#,
            r#"{"n":"a","t":"00000000000000001","p":"canary"}"#,
            r#"{"n":"a","p":"canary"}"#,
            r#"{"n":"a","t":"1","p":"canary","p":"canary"}"#,
            r#"["canary"]"#,
        ] {
            let error = Credential::from_json(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    }

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

    /// laps-behaviour.md 4.9.
    #[test]
    fn history_keeps_the_newest_values_as_they_stand() {
        let value = |ticks| EncryptedValue { updated_at: Timestamp::from_ticks(ticks), blob: b"x" }.to_bytes();
        let (one, two, three) = (value(1 << 40), value(2 << 40), value(3 << 40));
        let foreign = vec![9; 3];
        let history: [&[u8]; 3] = [&foreign, &two, &one];
        assert_eq!(history_after_rotation(Some(&three), &history, 12), [&three[..], &two, &one, &foreign]);
        assert_eq!(history_after_rotation(Some(&three), &history, 2), [&three[..], &two]);
        assert_eq!(history_after_rotation(None, &history, 1), [&two[..]]);
        assert_eq!(history_after_rotation(Some(&two), &history, 12), [&two[..], &one, &foreign]);
        assert!(history_after_rotation(Some(&three), &history, 0).is_empty());
    }
}

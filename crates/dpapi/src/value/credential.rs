//! What stands in an opened blob, and in clear text in msLAPS-Password: the JSON of a password (laps-behaviour.md 7.3).

use super::json;
use crate::reader::FormatError;
use core::fmt;
use laps::{password::Password, time::Timestamp};
use zeroize::Zeroizing;

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
    /// Not UTF-16LE, or not the JSON.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// `t` is not a time.
    #[error("the update time is not 1 to 16 hexadecimal digits")]
    Time,
}

impl Credential {
    /// The JSON as it stands in msLAPS-Password: order n, t, p, no blanks, no terminator. Wiped when dropped.
    pub fn to_json(&self) -> Zeroizing<String> {
        json::write(&self.account, &format!("{:x}", self.updated_at.ticks()), self.password.reveal())
    }
    /// From the JSON, in any order of keys; other keys do not count.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn from_json(text: &str) -> Result<Self, CredentialError> {
        let [account, time, mut password] = json::read(text)?;
        let digits = (1..=16).contains(&time.len()) && time.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ticks = digits.then(|| u64::from_str_radix(&time, 16).ok()).flatten().ok_or(CredentialError::Time)?;
        let (account, updated_at) = (account.as_str().to_owned(), Timestamp::from_ticks(ticks));
        Ok(Self { account, updated_at, password: Password::new(core::mem::take(&mut *password)) })
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
        Self::from_json(&text).map_err(|error| match error {
            CredentialError::Format(error) => {
                let units = text.get(..error.offset).map_or(0, |before| before.encode_utf16().count());
                FormatError { offset: units.saturating_mul(2), ..error }.into()
            }
            other => other,
        })
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
        let error = Credential::from_clear(
            "{\"\u{e4}\";".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice(),
        );
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "JSON of a LAPS password: at byte 8, expected a colon");
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
}

//! `deviceLocalCredentialInfo` and `deviceLocalCredential` (laps-behaviour.md 8.2), with what Lapwing
//! knows beyond them.

use crate::serde_text;
use base64::{Engine, engine::general_purpose::STANDARD};
use laps::{
    id::{DeviceId, VersionId},
    password::Password,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use zeroize::{Zeroize, Zeroizing};

/// A device with a stored password. `credentials` is there only on a single device and only when
/// `$select` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceLocalCredentials {
    /// The device id.
    #[serde(with = "serde_text::text")]
    pub id: DeviceId,
    /// Its name.
    pub device_name: String,
    /// When the newest version was stored.
    #[serde(with = "serde_text::time")]
    pub last_backup_date_time: Timestamp,
    /// When the password is due. Never null: the Windows cmdlet parses it (protocols.md 5.2).
    #[serde(with = "serde_text::time")]
    pub refresh_date_time: Timestamp,
    /// Every candidate, best first, then the kept history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<CredentialVersion>>,
    /// When the password is changed because it was read: Lapwing's, only beside passwords.
    #[serde(with = "serde_text::time_option", default, skip_serializing_if = "Option::is_none")]
    pub rotation_due_date_time: Option<Timestamp>,
}

/// One version of a password. The first four members are Graph's, the others Lapwing's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialVersion {
    /// The account's name as it is with this version.
    pub account_name: String,
    /// A SID; for a Linux account the well-known form `S-1-22-1-<uid>`.
    pub account_sid: String,
    /// When it was stored.
    #[serde(with = "serde_text::time")]
    pub backup_date_time: Timestamp,
    /// base64 of the UTF-8 text (laps-behaviour.md 8.2: UTF-8, not UTF-16).
    #[serde(rename = "passwordBase64", serialize_with = "password_out", deserialize_with = "password_in")]
    pub password: Password,
    /// `pending`, `current`, `superseded`, `abandoned` (rotation.md 1).
    pub state: String,
    /// The version.
    #[serde(with = "serde_text::text")]
    pub version_id: VersionId,
    /// The account's lasting id.
    #[serde(default)]
    pub account_id: String,
    /// `verifier` or `pam`, once it was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// When the device set it, by its clock.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub set_date_time: Option<Timestamp>,
    /// When the server took the proof.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub proven_date_time: Option<Timestamp>,
    /// When it is due, by policy.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<Timestamp>,
    /// Part of the live set: one of these opens the account.
    #[serde(default)]
    pub live: bool,
    /// The device reported last that this one is installed.
    #[serde(default)]
    pub installed: bool,
    /// Policy left the account: no longer rotated.
    #[serde(default)]
    pub released: bool,
    /// Belongs to the device's former object.
    #[serde(default)]
    pub of_predecessor: bool,
    /// From a restored backup of this time; may be stale.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub from_backup_date_time: Option<Timestamp>,
}

fn password_out<S: Serializer>(password: &Password, to: S) -> Result<S::Ok, S::Error> {
    let text = Zeroizing::new(STANDARD.encode(password.reveal()));
    to.serialize_str(&text)
}

/// UTF-8; taken as UTF-16LE only when the length is even and every second byte is zero
/// (laps-behaviour.md 8.2).
fn password_in<'de, D: Deserializer<'de>>(from: D) -> Result<Password, D::Error> {
    let text = Zeroizing::new(String::deserialize(from)?);
    let mut bytes = STANDARD.decode(text.as_bytes()).map_err(|_| D::Error::custom("expected base64"))?;
    let wide =
        !bytes.is_empty() && bytes.len().is_multiple_of(2) && bytes.iter().skip(1).step_by(2).all(|byte| *byte == 0);
    if wide {
        let narrow: Vec<u8> = bytes.iter().step_by(2).copied().collect();
        bytes.zeroize();
        return Ok(Password::new(narrow.iter().map(|byte| char::from(*byte)).collect()));
    }
    String::from_utf8(bytes).map(Password::new).map_err(|error| {
        error.into_bytes().zeroize();
        D::Error::custom("expected UTF-8 text in base64")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(password: &str) -> CredentialVersion {
        CredentialVersion {
            account_name: "root".into(),
            account_sid: "S-1-22-1-0".into(),
            backup_date_time: Timestamp::from_unix_ms(1_700_000_000_000),
            password: Password::new(password.into()),
            state: "current".into(),
            version_id: VersionId::from_random_bytes([5; 16]),
            account_id: "0".into(),
            proof: Some("verifier".into()),
            set_date_time: None,
            proven_date_time: None,
            expiration_date_time: None,
            live: true,
            installed: true,
            released: false,
            of_predecessor: false,
            from_backup_date_time: None,
        }
    }

    #[test]
    fn utf8_base64_both_ways_and_never_in_debug() {
        let one = version("ExamplePassword3");
        let json = serde_json::to_value(&one).unwrap();
        // the published sample of laps-behaviour.md 8.2
        assert_eq!(json["passwordBase64"], "RXhhbXBsZVBhc3N3b3JkMw==");
        assert_eq!(serde_json::from_value::<CredentialVersion>(json).unwrap(), one);
        assert!(!format!("{one:?}").contains("Example"));
    }

    #[test]
    fn utf16_is_read_when_it_can_be_nothing_else() {
        let mut json = serde_json::to_value(version("x")).unwrap();
        json["passwordBase64"] = "UQBRAEAA".into();
        let back: CredentialVersion = serde_json::from_value(json).unwrap();
        assert_eq!(back.password.reveal(), "QQ@");
    }
}

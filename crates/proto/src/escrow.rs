//! The escrow archive: a server's passwords sealed with age, and what stands before them in clear.
//!
//! ```text
//! lapwing-escrow/1\n
//! MANIFEST (JSON, one line)\n
//! SIGNATURE (hexadecimal, ECDSA P-256 with SHA-256 over `statement`)\n
//! PAYLOAD (age-encryption.org/v1, binary)
//! ```
//! Decrypted, the payload is JSON lines: one [`Opening`], then an [`Entry`] for each version. Numbers and digests of
//! the payload stand in the manifest, so that the signature covers it.

use crate::{hex, serde_text};
use laps::{
    id::{DeviceId, Incarnation, TenantId, VersionId},
    password::Password,
    time::Timestamp,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// The first line.
pub const MAGIC: &str = "lapwing-escrow/1";
/// Most bytes of the lines before the payload.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most bytes of an archive.
pub const ARCHIVE_BYTES_MAX: usize = 256 << 20;
/// Most recipients.
pub const RECIPIENTS_MAX: usize = 16;
/// Most bytes of a line of the payload.
pub const LINE_BYTES_MAX: usize = 16 << 10;

/// What an archive says of itself in clear; holds no name of a device or an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Its id, 32 hexadecimal digits.
    pub export: String,
    /// The tenant.
    #[serde(with = "serde_text::text")]
    pub tenant: TenantId,
    /// Which life of the server's data it is of.
    #[serde(with = "serde_text::text")]
    pub incarnation: Incarnation,
    /// The server's address.
    pub server: String,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub made_date_time: Timestamp,
    /// age recipients (`age1…`).
    pub recipients: Vec<String>,
    /// Devices with a password in it.
    pub devices: u64,
    /// Passwords in it.
    pub versions: u64,
    /// Bytes of the payload.
    pub payload_bytes: u64,
    /// SHA-256 of the payload, 64 hexadecimal digits.
    pub payload_sha256: String,
    /// The key that signs heads of the audit log and this: an uncompressed point, 130 hexadecimal digits.
    pub public_key: String,
}

/// The first line inside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opening {
    /// The manifest's `export`.
    pub export: String,
    /// 64 hexadecimal digits that stand nowhere else: who knows them has opened the archive.
    pub proof: String,
}

/// One version of a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The device object.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Its state: `enabled`, `disabled`, `deleted`.
    pub device_state: String,
    /// The account's name.
    pub account_name: String,
    /// The account's lasting id.
    pub account_id: String,
    /// The version.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
    /// Its state: `pending`, `current`, `superseded`, `abandoned`.
    pub state: String,
    /// Part of the live set.
    pub live: bool,
    /// When it was stored.
    #[serde(with = "serde_text::time")]
    pub stored_date_time: Timestamp,
    /// When it was proven.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub proven_date_time: Option<Timestamp>,
    /// When it is due.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<Timestamp>,
    /// The password.
    #[serde(serialize_with = "password_out", deserialize_with = "password_in")]
    pub password: Password,
}

fn password_out<S: Serializer>(password: &Password, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(password.reveal())
}

fn password_in<'de, D: Deserializer<'de>>(from: D) -> Result<Password, D::Error> {
    String::deserialize(from).map(Password::new)
}

/// Why something is no archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnArchive {
    /// The first line is another one.
    #[error("the file does not begin with {MAGIC}: it is no escrow archive, or one of a newer version")]
    Magic,
    /// A line before the payload is missing, too long or not what it should be.
    #[error("the head of the archive is damaged: {0}")]
    Head(&'static str),
    /// A line of the payload is not one.
    #[error("entry {0} of the archive is damaged")]
    Entry(u64),
}

/// The head of an archive, as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The manifest.
    pub manifest: Manifest,
    /// The manifest's line as it was written: what is signed.
    pub manifest_line: String,
    /// The signature.
    pub signature: Vec<u8>,
    /// Bytes before the payload.
    pub bytes: usize,
}

/// What is signed: `lapwing/escrow/1`, a line feed, and the manifest's line.
pub fn statement(manifest_line: &str) -> Vec<u8> {
    format!("lapwing/escrow/1\n{manifest_line}").into_bytes()
}

/// The manifest as its line.
///
/// # Errors
/// Never for a manifest of this program.
pub fn manifest_line(manifest: &Manifest) -> Result<String, serde_json::Error> {
    serde_json::to_string(manifest)
}

/// The lines before the payload.
pub fn head(manifest_line: &str, signature: &[u8]) -> String {
    format!("{MAGIC}\n{manifest_line}\n{}\n", hex::encode(signature))
}

impl Head {
    /// Reads the head from the start of an archive: at most [`HEAD_BYTES_MAX`] bytes are looked at.
    ///
    /// # Errors
    /// [`NotAnArchive`].
    pub fn read(start: &[u8]) -> Result<Self, NotAnArchive> {
        let start = start.get(..HEAD_BYTES_MAX).unwrap_or(start);
        let mut bytes = 0;
        let mut line = |what| {
            let rest = start.get(bytes..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or(NotAnArchive::Head(what))?;
            bytes += end + 1;
            std::str::from_utf8(&rest[..end]).map_err(|_| NotAnArchive::Head(what))
        };
        if line("it ends early").map_err(|_| NotAnArchive::Magic)? != MAGIC {
            return Err(NotAnArchive::Magic);
        }
        let manifest_line = line("the manifest is cut")?.to_owned();
        let signature =
            hex::decode(line("the signature is cut")?).ok_or(NotAnArchive::Head("the signature is not one"))?;
        let manifest: Manifest =
            serde_json::from_str(&manifest_line).map_err(|_| NotAnArchive::Head("the manifest cannot be read"))?;
        Ok(Self { manifest, manifest_line, signature, bytes })
    }
}

/// A line of the payload.
///
/// # Errors
/// Never for values of this program.
pub fn line<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    // Large enough at once: growing would leave copies of a password behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a line of the payload; `number` counts entries from 1, 0 is the opening.
///
/// # Errors
/// [`NotAnArchive::Entry`]; nothing of the line is in it.
pub fn read_line<T: serde::de::DeserializeOwned>(line: &[u8], number: u64) -> Result<T, NotAnArchive> {
    serde_json::from_slice(line).map_err(|_| NotAnArchive::Entry(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            export: "00".repeat(16),
            tenant: TenantId::from_bytes([1; 16]),
            incarnation: Incarnation::from_bytes([2; 16]),
            server: "https://laps.example.test".into(),
            made_date_time: Timestamp::from_unix_ms(1_800_000_000_000),
            recipients: vec!["age1x".into()],
            devices: 1,
            versions: 1,
            payload_bytes: 3,
            payload_sha256: "00".repeat(32),
            public_key: "04".into(),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let line = manifest_line(&manifest()).unwrap();
        let mut archive = head(&line, &[7; 64]).into_bytes();
        let bytes = archive.len();
        archive.extend(b"\xff\nage");
        let read = Head::read(&archive).unwrap();
        assert_eq!(read, Head { manifest: manifest(), manifest_line: line, signature: vec![7; 64], bytes });
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let good = head(&manifest_line(&manifest()).unwrap(), &[7; 64]);
        for (bytes, error) in [
            (b"".to_vec(), NotAnArchive::Magic),
            (b"age-encryption.org/v1\n".to_vec(), NotAnArchive::Magic),
            (b"lapwing-escrow/2\n{}\n00\n".to_vec(), NotAnArchive::Magic),
            (b"lapwing-escrow/1\n{}\n00\n".to_vec(), NotAnArchive::Head("the manifest cannot be read")),
            (b"lapwing-escrow/1\n{}\nzz\n".to_vec(), NotAnArchive::Head("the signature is not one")),
            (good.as_bytes()[..good.len() - 1].to_vec(), NotAnArchive::Head("the signature is cut")),
            (good.as_bytes()[..40].to_vec(), NotAnArchive::Head("the manifest is cut")),
            (
                [MAGIC.as_bytes(), b"\n", &[b'x'; 2 * HEAD_BYTES_MAX]].concat(),
                NotAnArchive::Head("the manifest is cut"),
            ),
        ] {
            assert_eq!(Head::read(&bytes), Err(error));
        }
    }

    #[test]
    fn an_entry_comes_back_and_says_nothing_when_damaged() {
        let entry = Entry {
            device: DeviceId::from_bytes([3; 16]),
            name: "pc \u{202e}\"1\"\n".into(),
            device_state: "enabled".into(),
            account_name: "root".into(),
            account_id: "0".into(),
            version: VersionId::from_bytes([4; 16]),
            state: "current".into(),
            live: true,
            stored_date_time: Timestamp::from_unix_ms(0),
            proven_date_time: None,
            expiration_date_time: None,
            password: Password::new("hunter2 \"\\ ü".into()),
        };
        let line = line(&entry).unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        assert_eq!(read_line::<Entry>(&line, 1).unwrap(), entry);
        let error = read_line::<Entry>(&line[..line.len() - 3], 9).unwrap_err();
        assert!(!error.to_string().contains("hunter2") && error.to_string().contains('9'));
        assert!(!format!("{entry:?}").contains("hunter2"));
    }
}

//! `lapwingd kek export`: key-encryption keys, encrypted to an age recipient, to be kept away from the
//! backups. Without them a backup holds no password that could be read.

use super::OpsError;
use crate::seal::{KeyFiles, KeyId};
use zeroize::Zeroizing;

/// The keys as one age file (age-encryption.org/v1). Decrypted it holds a line `kek-ID.key HEX` for each
/// key: the file's name and its content.
///
/// # Errors
/// [`OpsError::BadRecipient`]; what reading the keys gives.
pub fn export_keys(files: &KeyFiles, keys: &[KeyId], recipient: &str) -> Result<Vec<u8>, OpsError> {
    let recipient: age::x25519::Recipient = recipient.parse().map_err(|_| OpsError::BadRecipient)?;
    let lines = keys.len() * 128;
    let mut clear = Zeroizing::new(String::with_capacity(lines));
    for key in keys {
        let text = files.export(*key)?;
        for part in ["kek-", &key.to_string(), ".key ", text.trim_end(), "\n"] {
            clear.push_str(part);
        }
    }
    age::encrypt(&recipient, clear.as_bytes()).map_err(|error| OpsError::Export(error.to_string()))
}

//! Key-encryption keys, and the one provider so far: a directory of files.

use super::KeyId;
use aes_kw::{AesKw, cipher::KeyInit as _};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
};
use zeroize::Zeroizing;

/// A data key: 256 random bits, for one password.
pub type DataKey = Zeroizing<[u8; 32]>;

/// Why something could not be sealed, revealed or read.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// No file of this key. A restored database needs the keys of its time.
    #[error("the key-encryption key {0} is not here: put its file kek-{0}.key into the key directory")]
    KeyMissing(KeyId),
    /// The key's file can be read or written by others.
    #[error("{path} can be used by others (mode {mode:04o}): chmod 600 it, and rekey if they may have read it")]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key's file does not hold a key.
    #[error("{0} does not hold a key: expected 64 hexadecimal digits")]
    KeyMalformed(PathBuf),
    /// The envelope was changed, belongs elsewhere, or is under another key of this name.
    #[error("the envelope does not open: it was changed, stands in another place, or has another key")]
    DoesNotOpen,
    /// The password is too long to be one.
    #[error("a password has at most 256 bytes")]
    TooLong,
    /// No random bytes.
    #[error("no random bytes: {0}")]
    NoRandomness(std::io::Error),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// An escrow archive could not be sealed.
    #[error("the archive could not be sealed: {0}")]
    Escrow(String),
}

/// Holds key-encryption keys and uses them; a key never leaves it.
pub trait KeyProvider: Send + Sync + 'static {
    /// Wraps a data key.
    ///
    /// # Errors
    /// [`SealError::KeyMissing`] and what reading the key can give.
    fn wrap(&self, key: KeyId, data_key: &DataKey) -> Result<[u8; 40], SealError>;
    /// Unwraps a data key.
    ///
    /// # Errors
    /// [`SealError::DoesNotOpen`] when it was not wrapped by this key; [`SealError::KeyMissing`].
    fn unwrap(&self, key: KeyId, wrapped: &[u8; 40]) -> Result<DataKey, SealError>;
}

/// Keys as files `kek-ID.key` of 64 hexadecimal digits, in the server's key directory (0600), or in the directory
/// that systemd gives for `LoadCredentialEncrypted=kek-ID.key:…` (0400, read only), where they are looked for first.
/// A file is read when its key is first used, so a key that a rekey adds is found by a running server.
pub struct KeyFiles {
    directory: PathBuf,
    credentials: Option<PathBuf>,
    read: RwLock<BTreeMap<KeyId, Zeroizing<[u8; 32]>>>,
}

impl KeyFiles {
    /// The keys in `directory`; nothing is read yet.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), credentials: None, read: RwLock::default() }
    }

    /// Looks in `credentials` first, the directory that systemd names in `$CREDENTIALS_DIRECTORY`: a key that is
    /// encrypted to the machine there need not lie in the data directory.
    #[must_use]
    pub fn with_credentials(self, credentials: Option<PathBuf>) -> Self {
        Self { credentials, ..self }
    }

    /// The file of a key: the credential if there is one, else in the key directory.
    pub fn file_of(&self, key: KeyId) -> PathBuf {
        let name = format!("kek-{key}.key");
        let credential = self.credentials.iter().map(|directory| directory.join(&name)).find(|path| path.exists());
        credential.unwrap_or_else(|| self.directory.join(name))
    }

    /// Writes a new key, 0600, synced with its directory: it is there before anything is wrapped by it.
    ///
    /// # Errors
    /// [`SealError::File`]; an existing file is never overwritten.
    pub fn add(&self, key: KeyId, bytes: &Zeroizing<[u8; 32]>) -> Result<(), SealError> {
        let path = self.directory.join(format!("kek-{key}.key"));
        let mut text = Zeroizing::new(String::with_capacity(65));
        for byte in bytes.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        text.push('\n');
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| SealError::File { path: path.clone(), source })
    }

    /// The text of a key's file, for an export that is encrypted at once.
    ///
    /// # Errors
    /// What reading the key can give.
    pub fn export(&self, key: KeyId) -> Result<Zeroizing<String>, SealError> {
        let path = self.file_of(key);
        check_mode(&path, key)?;
        fs::read_to_string(&path).map(Zeroizing::new).map_err(|source| SealError::File { path, source })
    }

    fn with_key<T>(&self, key: KeyId, use_it: impl FnOnce(&[u8; 32]) -> T) -> Result<T, SealError> {
        if let Some(bytes) = self.read.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(use_it(bytes));
        }
        let text = self.export(key)?;
        let bytes = parse(text.trim_end()).ok_or_else(|| SealError::KeyMalformed(self.file_of(key)))?;
        let answer = use_it(&bytes);
        self.read.write().unwrap_or_else(PoisonError::into_inner).insert(key, bytes);
        Ok(answer)
    }
}

fn check_mode(path: &Path, key: KeyId) -> Result<(), SealError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(SealError::KeyMissing(key)),
        Err(source) => Err(SealError::File { path: path.to_owned(), source }),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            Err(SealError::KeyExposed { path: path.to_owned(), mode: metadata.mode() & 0o7777 })
        }
        Ok(_) => Ok(()),
    }
}

fn parse(digits: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    let mut bytes = Zeroizing::new([0; 32]);
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (digit(2 * index)? << 4 | digit(2 * index + 1)?) as u8;
    }
    Some(bytes)
}

impl KeyProvider for KeyFiles {
    fn wrap(&self, key: KeyId, data_key: &DataKey) -> Result<[u8; 40], SealError> {
        self.with_key(key, |kek| {
            let mut wrapped = [0; 40];
            let wrap = AesKw::<aes_kw::aes::Aes256>::new(kek.into());
            // The lengths are those of the types, so there is no failing case.
            wrap.wrap_key(data_key.as_slice(), &mut wrapped).map(|_| ()).map_err(|_| SealError::DoesNotOpen)?;
            Ok(wrapped)
        })?
    }

    fn unwrap(&self, key: KeyId, wrapped: &[u8; 40]) -> Result<DataKey, SealError> {
        self.with_key(key, |kek| {
            let mut data_key = DataKey::default();
            let wrap = AesKw::<aes_kw::aes::Aes256>::new(kek.into());
            wrap.unwrap_key(wrapped, data_key.as_mut_slice()).map(|_| ()).map_err(|_| SealError::DoesNotOpen)?;
            Ok(data_key)
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_files_of_0600_and_nothing_else_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyFiles::new(directory.path());
        let (id, data_key) = (KeyId([1; 16]), DataKey::new([7; 32]));
        assert!(matches!(keys.wrap(id, &data_key), Err(SealError::KeyMissing(missing)) if missing == id));
        keys.add(id, &Zeroizing::new([9; 32])).unwrap();
        assert_eq!(fs::metadata(keys.file_of(id)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(keys.add(id, &Zeroizing::new([8; 32])), Err(SealError::File { .. })));
        let wrapped = keys.wrap(id, &data_key).unwrap();
        assert_eq!(keys.unwrap(id, &wrapped).unwrap(), data_key);

        fs::set_permissions(keys.file_of(id), fs::Permissions::from_mode(0o640)).unwrap();
        let fresh = KeyFiles::new(directory.path());
        assert!(matches!(fresh.unwrap(id, &wrapped), Err(SealError::KeyExposed { mode: 0o640, .. })));
        fs::set_permissions(keys.file_of(id), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(keys.file_of(id), "short").unwrap();
        assert!(matches!(fresh.unwrap(id, &wrapped), Err(SealError::KeyMalformed(_))));
    }

    #[test]
    fn a_systemd_credential_comes_before_the_key_directory() {
        let (directory, given) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (id, data_key) = (KeyId([1; 16]), DataKey::new([7; 32]));
        let own = KeyFiles::new(directory.path());
        own.add(id, &Zeroizing::new([9; 32])).unwrap();
        let wrapped = own.wrap(id, &data_key).unwrap();

        let with = || KeyFiles::new(directory.path()).with_credentials(Some(given.path().to_owned()));
        assert_eq!(with().unwrap(id, &wrapped).unwrap(), data_key, "no credential: the key directory");
        let credential = given.path().join(format!("kek-{id}.key"));
        fs::rename(own.file_of(id), &credential).unwrap();
        fs::set_permissions(&credential, fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(with().unwrap(id, &wrapped).unwrap(), data_key, "the key directory is empty");
        fs::set_permissions(&credential, fs::Permissions::from_mode(0o444)).unwrap();
        assert!(matches!(with().unwrap(id, &wrapped), Err(SealError::KeyExposed { mode: 0o444, .. })));
    }

    #[test]
    fn wrapping_is_that_of_rfc_3394_section_4_6() {
        // 256 bits of key data under a 256-bit key.
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyFiles::new(directory.path());
        keys.add(KeyId([0; 16]), &Zeroizing::new(core::array::from_fn(|index| index as u8))).unwrap();
        let mut data_key = [0; 32];
        for (index, byte) in data_key.iter_mut().enumerate() {
            *byte = if index < 16 { index as u8 * 0x11 } else { index as u8 - 16 };
        }
        let wrapped = keys.wrap(KeyId([0; 16]), &DataKey::new(data_key)).unwrap();
        let text: String = wrapped.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(text, "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21");
    }
}

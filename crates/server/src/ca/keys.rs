//! The key directory: `DATA/keys`, mode 0700, its files 0600.
//!
//! `ca.crt`, `ca.key`: the root. `server.crt`, `server.key`: the server's own. `token.key`: the RSA key
//! that signs tokens. Key-encryption keys of the sealing live elsewhere (`seal`).

use super::{Authority, CaError};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The directory of the server's private keys.
#[derive(Debug, Clone)]
pub struct KeyDirectory {
    directory: PathBuf,
}

impl KeyDirectory {
    /// The key directory of a data directory; nothing is touched yet.
    pub fn of(data: &Path) -> Self {
        Self { directory: data.join("keys") }
    }

    /// Makes the directory, 0700, when it is not there.
    pub fn create(&self) -> Result<(), CaError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|source| self.error("", source))
    }

    /// Reads a file as text.
    pub fn read(&self, name: &str) -> Result<Zeroizing<String>, CaError> {
        fs::read_to_string(self.directory.join(name)).map(Zeroizing::new).map_err(|source| self.error(name, source))
    }

    /// Whether a file is there.
    pub fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    /// Writes a file of mode 0600 whole or not at all: a new file beside it, synced, renamed over it,
    /// the directory synced.
    pub fn write(&self, name: &str, text: &str) -> Result<(), CaError> {
        let write = || -> std::io::Result<()> {
            let temporary = self.directory.join(format!("{name}.new"));
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, self.directory.join(name))?;
            fs::File::open(&self.directory)?.sync_all()
        };
        write().map_err(|source| self.error(name, source))
    }

    /// Opens the certificate authority kept here.
    pub fn authority(&self) -> Result<Authority, CaError> {
        Authority::open(&self.read("ca.crt")?, &self.read("ca.key")?)
    }

    fn error(&self, name: &str, source: std::io::Error) -> CaError {
        CaError::File { path: self.directory.join(name), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_are_0600_and_replaced_whole() {
        let data = tempfile::tempdir().unwrap();
        let keys = KeyDirectory::of(data.path());
        keys.create().unwrap();
        keys.write("token.key", "one").unwrap();
        keys.write("token.key", "two").unwrap();
        assert_eq!(*keys.read("token.key").unwrap(), "two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data.path().join("keys")), 0o700);
        assert_eq!(mode(&data.path().join("keys/token.key")), 0o600);
        assert!(!keys.has("token.key.new"));
    }
}

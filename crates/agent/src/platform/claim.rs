//! One agent per account tree: a lock whose owner is named (rotation.md 6).

use super::error::AccountError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The lock file, beside the account files.
const CLAIM_FILE: &str = ".lapwing.lock";

/// A held claim on an account tree; dropping it gives it up. The lock belongs to the open file, so that it
/// ends with the process and keeps two users inside one process apart as well.
#[derive(Debug)]
pub(super) struct Claim {
    file: File,
}

impl Claim {
    /// Takes the claim on the tree whose `etc` directory is `etc`, in the name of `owner`.
    pub(super) fn take(etc: &Path, owner: &str) -> Result<Self, AccountError> {
        let failed = |error| AccountError::writing(etc.to_owned(), error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(etc.join(CLAIM_FILE))
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let read = (&file).take(256).read_to_string(&mut owner);
                let named = read.is_ok() && !owner.trim().is_empty();
                return Err(AccountError::Claimed {
                    owner: if named { owner.trim().into() } else { "unnamed".into() },
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let owner = format!("{}, process {}\n", owner.replace(char::is_control, " "), std::process::id());
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner.as_bytes())).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The name goes first: a claim that nobody holds names nobody. Closing the file ends the lock even
        // when this fails.
        let _ = self.file.set_len(0);
    }
}

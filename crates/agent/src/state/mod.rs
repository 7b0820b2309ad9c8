//! The state directory: what the agent remembers, and never a password.
//!
//! | file | what | who reads it |
//! | --- | --- | --- |
//! | `identity.json`, `device-*.key` | who the device is ([`Identity`]) | every command that speaks to the server |
//! | `domain.json` | the Active Directory domain that the machine is joined to ([`DomainJoin`]) | the agent, `status` |
//! | `fingerprint.key` | the key K of rotation.md 1 | the agent |
//! | `journal.json` | the intent of a rotation ([`StateDir::journal`]) | the agent |
//! | `memory.json` | the last proven rotation | the agent, `status` |
//! | `sign-ins.json` | sign-ins with the managed account and what follows ([`Kept`]) | the agent, `status` |
//! | `sign-ins/` | notices of the PAM hook that wait for the agent ([`crate::sign_in::Inbox`]) | the agent |
//! | `accounts.json` | accounts that the agent made, a change under way ([`Ownership`]) | the agent |
//! | `contact.json` | last error, newest server time, audit head ([`Contact`]) | the agent, `status` |
//! | `policy.json` | the values of the configuration tree ([`PolicyFile`]) | the agent, `csp`, `policy` |
//! | `events.jsonl`, `events.1.jsonl` | the ring of events ([`EventRing`]) | `events` |
//! | `lock`, `agent.sock` | who owns the directory, how to reach it | everybody |
//!
//! Every JSON file names its `format`; one of a newer format is refused, not guessed at.

mod contact;
mod domain;
mod durable;
mod error;
mod identity;
mod journal;
mod key;
mod lock;
mod membership;
mod memory;
mod mend;
mod ownership;
mod placement;
mod policy;
mod ring;
mod sign_in;

pub use contact::Contact;
pub use domain::{DomainJoin, Security};
pub use error::StateError;
pub use identity::{Identity, Joined, PredecessorKey};
pub use journal::JournalFound;
pub use key::{DeviceKey, KeyError, SoftwareKey};
pub use lock::Lock;
pub use membership::Membership;
pub use ownership::Ownership;
pub use policy::PolicyFile;
pub use ring::{EventRecord, EventRing};
pub use sign_in::Kept;

use crate::{accounts::FingerprintKey, clock};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Length of the fingerprint key, bytes.
const KEY_BYTES: usize = 32;

/// Where the agent of a real machine keeps its state.
pub const DEFAULT: &str = "/var/lib/lapwing-agent";

/// A state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Opens a state directory, and makes it (mode 0700) when it is not there.
    ///
    /// # Errors
    /// [`StateError`]: it cannot be made, is no directory, belongs to somebody else, or others may enter it.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        match fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) => return Err(StateError::io(path, "make", &error)),
        }
        let metadata = fs::symlink_metadata(path).map_err(|error| StateError::io(path, "look at", &error))?;
        if !metadata.is_dir() {
            return Err(StateError::Unsafe { path: path.into(), what: "is not a directory" });
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(StateError::Unsafe { path: path.into(), what: "belongs to another user" });
        }
        if metadata.mode() & 0o077 != 0 {
            // A directory that this process may close is closed; it may have been made by an installer.
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(|error| StateError::io(path, "close to others", &error))?;
        }
        Ok(Self { path: path.into() })
    }

    /// A state directory that must be there already; for commands that only read.
    ///
    /// # Errors
    /// [`StateError::Missing`], or an I/O error.
    pub fn existing(path: &Path) -> Result<Self, StateError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Self { path: path.into() }),
            Ok(_) => Err(StateError::Unsafe { path: path.into(), what: "is not a directory" }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(StateError::Missing { path: path.into() })
            }
            Err(error) => Err(StateError::io(path, "look at", &error)),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the directory for this process; it is given back when the lock is dropped or the process ends.
    ///
    /// # Errors
    /// [`StateError::Locked`] with the owner, or an I/O error.
    pub fn lock(&self) -> Result<Lock, StateError> {
        Lock::take(&self.file("lock"))
    }

    /// Writes, syncs and removes a file, so that a read-only or full disk shows before anything is changed.
    ///
    /// # Errors
    /// [`StateError`]: the directory does not take files now.
    pub fn probe(&self) -> Result<(), StateError> {
        durable::probe(&self.path)
    }

    /// The fingerprint key K. When there is none, or a damaged one (kept aside as `fingerprint.damaged`), a new
    /// one is made. Fingerprints under the old one tell nothing any more: journal and memory are taken away
    /// first, so that the next cycle leaves what is pending as it is and rotates, instead of taking a password
    /// that is set for one that is not (rotation.md 2, `CannotTell`).
    ///
    /// # Errors
    /// [`StateError`]. A key that is there and cannot be read is an error, not a reason for a new one; what a newer
    /// agent wrote is refused, not taken away.
    pub fn fingerprint_key(&self) -> Result<FingerprintKey, StateError> {
        let path = self.file("fingerprint.key");
        match fs::read(&path).map(Zeroizing::new) {
            Ok(bytes) => {
                if let Ok(key) = bytes.as_slice().try_into() {
                    return Ok(FingerprintKey::new(key));
                }
                let aside = self.file("fingerprint.damaged");
                fs::rename(&path, aside).map_err(|error| StateError::io(&path, "keep aside", &error))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(StateError::io(&path, "read", &error)),
        }
        self.refuse_newer()?;
        self.clear_journal()?;
        self.forget()?;
        let key = Zeroizing::new(clock::random::<KEY_BYTES>().map_err(|_| StateError::NoRandomness)?);
        durable::write(&path, key.as_slice())?;
        Ok(FingerprintKey::new(*key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::rotation::AccountRef;

    #[test]
    fn the_directory_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/state");
        let state = StateDir::open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        StateDir::open(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        state.fingerprint_key().unwrap();
        assert_eq!(mode(&state.file("fingerprint.key")), 0o600);
        assert!(matches!(StateDir::existing(&dir.path().join("b")), Err(StateError::Missing { .. })));
    }

    #[test]
    fn the_fingerprint_key_stays_and_a_damaged_one_makes_a_fresh_start() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let print = || {
            let account = AccountRef { id: 0, name: "root".into() };
            let verifier = crate::accounts::Verifier::new("$6$salt$hash".into()).unwrap();
            state.fingerprint_key().unwrap().fingerprint(&account, &verifier)
        };
        let first = print();
        assert_eq!(print(), first);
        fs::write(state.file("journal.json"), b"of the old key").unwrap();
        fs::write(state.file("memory.json"), b"of the old key").unwrap();
        assert_eq!(print(), first, "nothing is touched while the key is whole");
        assert!(state.file("journal.json").exists());
        for damage in [Some(b"short".as_slice()), None] {
            fs::write(state.file("journal.json"), b"of the old key").unwrap();
            match damage {
                Some(bytes) => fs::write(state.file("fingerprint.key"), bytes).unwrap(),
                None => fs::remove_file(state.file("fingerprint.key")).unwrap(),
            }
            assert_ne!(print(), first);
            assert!(!state.file("journal.json").exists() && !state.file("memory.json").exists());
        }
        assert_eq!(fs::read(state.file("fingerprint.damaged")).unwrap(), b"short");
    }
}

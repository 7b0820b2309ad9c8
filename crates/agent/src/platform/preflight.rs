//! May the account database be changed, durably? Asked before anything is stored (rotation.md 6).

use super::error::AccountError;
use super::mounts::volatile_kind;
use super::nss;
use super::replace::sync_dir;
use super::tree::Tree;
use crate::accounts::{AccountFile, PasswdLine};
use laps::account::Selection;
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// How names of the files that try a directory start.
const PROBE: &str = ".lapwing-new.probe";

/// Whether volatile storage is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// It is: a password that is gone after a restart is no password.
    #[default]
    Required,
    /// It is not (`--volatile-ok`, for demonstrations and tests).
    VolatileOk,
}

/// Checks of the place: files, mounts, storage, generated databases.
pub(super) fn place(tree: &Tree, files: &[AccountFile], durability: Durability) -> Result<(), AccountError> {
    if tree.resolve("etc/NIXOS").is_ok_and(|path| path.exists()) {
        return Err(AccountError::Generated { by: "NixOS" });
    }
    for file in files.iter().copied() {
        let path = match tree.open(file.path()) {
            Ok((_, path)) => path,
            // A tree without shadowed groups has none.
            Err(error) if file == AccountFile::Gshadow && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(AccountError::unreadable(file, tree.root().to_owned(), error));
            }
        };
        if let Ok(found) = statx(CWD, &path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) {
            let has = |attribute| found.stx_attributes.contains(attribute);
            if has(StatxAttributes::MOUNT_ROOT) {
                return Err(AccountError::MountPoint { path });
            }
            if has(StatxAttributes::IMMUTABLE) || has(StatxAttributes::APPEND) {
                return Err(AccountError::Immutable { path });
            }
        }
        let dir = path.parent().unwrap_or(tree.root());
        match volatile_kind(dir) {
            Some(kind) if durability == Durability::Required => {
                return Err(AccountError::NotDurable { dir: dir.to_owned(), kind });
            }
            _ => {}
        }
    }
    Ok(())
}

/// On the running system: does the system take the name for this very account?
pub(super) fn name_service(tree: &Tree, account: &PasswdLine) -> Result<(), AccountError> {
    if !tree.is_running() {
        return Ok(());
    }
    match nss::uid_of(&account.name) {
        Ok(Some(uid)) if uid != account.uid => {
            Err(AccountError::OtherAccount { name: account.name.clone(), here: account.uid, elsewhere: uid })
        }
        // A name service that is away cannot say otherwise; the file is what is changed.
        _ => Ok(()),
    }
}

/// The error for a name that no passwd line has: does it come from elsewhere?
pub(super) fn not_found(tree: &Tree, name: &str) -> AccountError {
    let elsewhere = tree.is_running() && matches!(nss::uid_of(name), Ok(Some(_)));
    if elsewhere {
        AccountError::NotLocal { name: name.to_owned() }
    } else {
        AccountError::AccountNotFound { wanted: Selection::Named(name.to_owned()).to_string() }
    }
}

/// Writes, syncs, renames and removes a file of the shadow file's size beside it.
pub(super) fn try_directory(shadow: &Path, size_bytes: usize) -> Result<(), AccountError> {
    let dir = shadow.parent().unwrap_or(Path::new("/"));
    let (first, second) = (
        dir.join(format!("{PROBE}.{}", std::process::id())),
        dir.join(format!("{PROBE}.{}.renamed", std::process::id())),
    );
    let tried = (|| -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&first)?;
        // One verifier longer than now.
        file.write_all(&vec![b'\n'; size_bytes + 512])?;
        file.sync_all()?;
        fs::rename(&first, &second)
    })();
    let _ = fs::remove_file(&first);
    let removed = fs::remove_file(&second);
    tried.and(removed).and_then(|()| sync_dir(dir)).map_err(|error| AccountError::writing(dir.to_owned(), error))
}

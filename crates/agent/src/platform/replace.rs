//! Replacing a file in one step, with everything that it carried beside its bytes.

use rustix::fs::{Gid, Uid, XattrFlags, fchown, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// How names of our temporary files start.
const TEMPORARY: &str = ".lapwing-new.";
/// Attributes that the kernel computes from the contents; a copy would be wrong.
const COMPUTED: [&[u8]; 2] = [b"security.ima", b"security.evm"];

/// A replacement that did not end well.
#[derive(Debug)]
pub(super) enum ReplaceError {
    /// Another file stands there since it was read; nothing was done.
    Changed,
    /// The file is as it was.
    Before(io::Error),
    /// The new file is in place; that this survives a power cut is not known.
    After(io::Error),
}

impl From<io::Error> for ReplaceError {
    fn from(error: io::Error) -> Self {
        Self::Before(error)
    }
}

/// Puts `bytes` in the place of the file at `path`, which was read through `original`.
///
/// Owner, mode, ACL, extended attributes and the SELinux label are those of the original (rotation.md 7).
pub(super) fn replace(path: &Path, original: &File, bytes: &[u8]) -> Result<(), ReplaceError> {
    let dir = path.parent().ok_or_else(|| io::Error::other("the file has no directory"))?;
    let name = path.file_name().ok_or_else(|| io::Error::other("the file has no name"))?;
    let temporary = dir.join(format!("{TEMPORARY}{}.{}", name.to_string_lossy(), std::process::id()));
    let written = write_like(&temporary, original, bytes)
        .map_err(ReplaceError::from)
        .and_then(|()| if same_file(path, original)? { Ok(()) } else { Err(ReplaceError::Changed) });
    if let Err(error) = written.and_then(|()| Ok(fs::rename(&temporary, path)?)) {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_dir(dir).map_err(ReplaceError::After)
}

/// Makes the names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Removes temporary files that a crash left in a directory. The claim on the tree must be held.
pub(super) fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().as_bytes().starts_with(TEMPORARY.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether the file at `path` is still the one that was opened.
fn same_file(path: &Path, original: &File) -> io::Result<bool> {
    let (now, then) = (fs::symlink_metadata(path)?, original.metadata()?);
    Ok(now.dev() == then.dev() && now.ino() == then.ino())
}

fn write_like(path: &Path, original: &File, bytes: &[u8]) -> io::Result<()> {
    let like = original.metadata()?;
    // Nobody else may read it before owner and mode are those of the original.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    file.write_all(bytes)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
        fchown(&file, Some(Uid::from_raw(like.uid())), Some(Gid::from_raw(like.gid())))?;
    }
    copy_attributes(original, &file)?;
    file.set_permissions(fs::Permissions::from_mode(like.mode() & 0o7777))?;
    file.sync_all()
}

/// Copies extended attributes: ACLs and the SELinux label are among them.
fn copy_attributes(from: &File, to: &File) -> io::Result<()> {
    let mut names = Vec::with_capacity(4096);
    loop {
        match flistxattr(from, rustix::buffer::spare_capacity(&mut names)) {
            Ok(_) => break,
            Err(Errno::RANGE) => {
                names.clear();
                names.reserve(names.capacity() * 2);
            }
            Err(Errno::NOTSUP) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty() && !COMPUTED.contains(name)) {
        let value = attribute(from, name)?;
        match fsetxattr(to, name, &value, XattrFlags::empty()) {
            Ok(()) => {}
            // A label that the kernel gave the new file by itself is as good as one that we set.
            Err(error) if attribute(to, name).ok().as_ref() != Some(&value) => {
                return Err(error.into());
            }
            Err(_) => {}
        }
    }
    Ok(())
}

fn attribute(file: &File, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut value = Vec::with_capacity(1 << 16);
    fgetxattr(file, name, rustix::buffer::spare_capacity(&mut value))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_attributes_are_kept_and_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shadow");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let original = File::open(&path).unwrap();
        let labelled = fsetxattr(&original, "user.note", b"kept", XattrFlags::empty()).is_ok();
        replace(&path, &original, b"new").unwrap();
        let now = File::open(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(now.metadata().unwrap().mode() & 0o7777, 0o640);
        if labelled {
            assert_eq!(attribute(&now, b"user.note").unwrap(), b"kept");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_another_hand_replaced_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shadow");
        fs::write(&path, "old").unwrap();
        let original = File::open(&path).unwrap();
        fs::write(dir.path().join("other"), "theirs").unwrap();
        fs::rename(dir.path().join("other"), &path).unwrap();
        assert!(matches!(replace(&path, &original, b"new"), Err(ReplaceError::Changed)));
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn leftovers_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".lapwing-new.shadow.77", "shadow", ".lapwing.lock"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        remove_leftovers(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}

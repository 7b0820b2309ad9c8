//! One process per state directory.

use super::StateError;
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// The longest owner text that is read, in bytes.
const OWNER_BYTES_MAX: u64 = 200;

/// The state directory belongs to this process while this lives. The kernel gives it back when the
/// process dies, so a lock is never stale.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held open: closing it gives the lock back")] File);

impl Lock {
    pub(super) fn take(path: &Path) -> Result<Self, StateError> {
        let failed = |error: io::Error| StateError::io(path, "lock", &error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut owner = String::new();
                let _ = (&file).take(OWNER_BYTES_MAX).read_to_string(&mut owner);
                let owner = owner.trim();
                let owner = if owner.is_empty() { "another process".into() } else { owner.escape_debug().collect() };
                return Err(StateError::Locked { owner });
            }
            Err(error) => return Err(failed(error.into())),
        }
        let owner = format!("process {} (lapwing-agent)\n", std::process::id());
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(owner.as_bytes())).map_err(failed)?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        match Lock::take(&path) {
            Err(StateError::Locked { owner }) => assert!(owner.contains(&std::process::id().to_string()), "{owner}"),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(&path).unwrap();
    }
}

//! Notices that wait for the agent: one file each, so that a hook that writes never meets the agent that reads.

use super::Notice;
use crate::state::StateDir;
use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

/// Notices that wait at the same time; beyond that a new one is refused.
const WAITING_MAX: usize = 256;
/// The largest notice that is read, in bytes.
pub(crate) const NOTICE_BYTES_MAX: u64 = 4096;
const SUFFIX: &str = ".json";

/// The folder of notices below a state directory.
#[derive(Debug, Clone)]
pub struct Inbox {
    folder: PathBuf,
}

impl Inbox {
    /// Of a state directory.
    pub fn of(state: &StateDir) -> Self {
        Self { folder: state.file("sign-ins") }
    }

    /// Keeps a notice until the agent takes it; again is the same. It survives the end of the process at once
    /// and a power cut when the kernel has written it: nobody who signs in waits for a disk.
    ///
    /// # Errors
    /// The folder is full or cannot be written.
    pub fn put(&self, notice: &Notice) -> io::Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if fs::read_dir(&self.folder)?.count() >= WAITING_MAX {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "too many notices wait for the agent"));
        }
        let file = self.folder.join(format!("{}{SUFFIX}", notice.id));
        let new = self.folder.join(format!("{}.{}", notice.id, std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&serde_json::to_vec(notice)?))
            .and_then(|()| fs::rename(&new, &file));
        if written.is_err() {
            drop(fs::remove_file(&new));
        }
        written
    }

    /// The notices that wait, oldest first; and what was found that is none, which is removed.
    pub fn read(&self) -> (Vec<Notice>, Vec<String>) {
        let (mut notices, mut refused) = (Vec::new(), Vec::new());
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return (notices, refused);
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_string_lossy().ends_with(SUFFIX) {
                continue;
            }
            let mut bytes = Vec::new();
            let read = fs::File::open(entry.path())
                .and_then(|file| file.take(NOTICE_BYTES_MAX).read_to_end(&mut bytes))
                .map_err(|error| error.to_string())
                .and_then(|_| Notice::decode(&bytes).map_err(|error| error.to_string()));
            match read {
                Ok(notice) => notices.push(notice),
                Err(text) => {
                    refused.push(format!("{:?} in the state directory is no notice of a sign-in: {text}", name));
                    drop(fs::remove_file(entry.path()));
                }
            }
        }
        notices.sort_by_key(|notice| (notice.at, notice.id));
        (notices, refused)
    }

    /// Removes what was taken.
    pub fn forget(&self, taken: &[Notice]) {
        for notice in taken {
            // One that stays is known by its id when it is read again.
            drop(fs::remove_file(self.folder.join(format!("{}{SUFFIX}", notice.id))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::{id::SignInId, time::Timestamp};

    #[test]
    fn notices_wait_in_order_and_rubbish_is_told_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let inbox = Inbox::of(&state);
        assert_eq!(inbox.read(), (vec![], vec![]));
        let notice = |n: u8| Notice {
            id: SignInId::from_random_bytes([n; 16]),
            user: "ops".into(),
            service: "su".into(),
            from: None,
            at: Timestamp::from_unix_ms(1_800_000_000_000 - i64::from(n)),
            process: None,
        };
        inbox.put(&notice(1)).unwrap();
        inbox.put(&notice(2)).unwrap();
        inbox.put(&notice(2)).unwrap();
        fs::write(state.file("sign-ins/x.json"), b"hello").unwrap();
        fs::write(state.file("sign-ins/half.123"), b"{").unwrap();
        let (notices, refused) = inbox.read();
        assert_eq!(notices, [notice(2), notice(1)]);
        assert_eq!(refused.len(), 1);
        inbox.forget(&notices);
        assert_eq!(inbox.read(), (vec![], vec![]));
        for n in 0..=255 {
            drop(inbox.put(&notice(n)));
        }
        let full = inbox.put(&notice(9)).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::QuotaExceeded);
    }
}

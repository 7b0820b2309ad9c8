//! The ring of events: two files of bounded size, one event a line, read by `lapwing-agent events`.

use super::{StateDir, StateError};
use laps::time::Timestamp;
use proto::serde_text;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

/// One of the two files is full at this size, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// The longest text of one event, in characters.
const TEXT_CHARS_MAX: usize = 2000;

/// One event, as it is kept and printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When, by the device's clock.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
    /// Its id (laps-behaviour.md 10).
    pub event: u32,
    /// `information`, `warning` or `error`.
    pub level: String,
    /// What happened; never a secret.
    pub text: String,
}

/// Takes events and reads them back.
#[derive(Debug)]
pub struct EventRing {
    now: PathBuf,
    before: PathBuf,
    open: Option<(File, u64)>,
}

impl StateDir {
    /// The ring of events of this directory.
    pub fn events(&self) -> EventRing {
        EventRing { now: self.file("events.jsonl"), before: self.file("events.1.jsonl"), open: None }
    }
}

impl EventRing {
    /// Appends an event. It is not synced: the ring is for people, nothing is decided by it.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn push(&mut self, record: &EventRecord) -> Result<(), StateError> {
        let mut line = match record.text.char_indices().nth(TEXT_CHARS_MAX) {
            None => serde_json::to_vec(record),
            Some((end, _)) => serde_json::to_vec(&EventRecord { text: record.text[..end].into(), ..record.clone() }),
        }
        .unwrap_or_default();
        line.push(b'\n');
        self.append(&line).map_err(|error| {
            self.open = None;
            StateError::io(&self.now, "write", &error)
        })
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let (mut file, length) = match self.open.take() {
            Some((file, length)) if length < FILE_BYTES_MAX => (file, length),
            Some(_) => {
                fs::rename(&self.now, &self.before)?;
                self.reopen()?
            }
            None => self.reopen()?,
        };
        file.write_all(line)?;
        self.open = Some((file, length + line.len() as u64));
        Ok(())
    }

    fn reopen(&self) -> io::Result<(File, u64)> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.now)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// The newest events, oldest first. Lines that are not events (a torn write) are left out.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn read(&self, count_max: usize) -> Result<Vec<EventRecord>, StateError> {
        let mut records = Vec::new();
        for path in [&self.before, &self.now] {
            match fs::read(path) {
                Ok(bytes) => {
                    records.extend(
                        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()),
                    );
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(StateError::io(path, "read", &error)),
            }
        }
        let surplus = records.len().saturating_sub(count_max);
        records.drain(..surplus);
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let mut ring = state.events();
        let record = |n: u32| EventRecord {
            at: Timestamp::from_unix_ms(i64::from(n)),
            event: n,
            level: "information".into(),
            text: "x".repeat(5000),
        };
        for n in 0..600 {
            if n % 100 == 7 {
                ring = state.events(); // a new process goes on where the former stopped
            }
            ring.push(&record(n)).unwrap();
        }
        let size: u64 = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        assert!(size <= 2 * FILE_BYTES_MAX + 20_000, "{size}");
        let read = ring.read(10).unwrap();
        assert_eq!(read.iter().map(|record| record.event).collect::<Vec<_>>(), (590..600).collect::<Vec<_>>());
        assert_eq!(read[0].text.len(), TEXT_CHARS_MAX);

        fs::write(state.file("events.jsonl"), b"{\"at\":").unwrap();
        assert!(ring.read(1000).unwrap().iter().all(|record| record.event < 600));
    }
}

//! What a simulated server keeps its data in: the store in memory, or the real one on temporary files.

use super::dice::Dice;
use crate::memory::{Break, MemoryStore};
use laps::time::Timestamp;
use server::store::{Store, sqlite::SqliteStore};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Which store a run uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In memory, with crash semantics.
    Memory,
    /// SQLite on temporary files.
    Sqlite,
}

/// Where a server dies in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dies {
    /// Before anything of it is durable.
    BeforeCommit,
    /// With the change durable and the acknowledgement not sent.
    AfterCommit,
}

/// A copy of everything durable, as a backup takes it.
pub(super) enum Copy {
    /// Of the store in memory.
    Memory(Box<MemoryStore>),
    /// A file, made by the server's own backup.
    Sqlite(PathBuf),
}

/// A store that can die.
pub(super) enum Backend {
    /// In memory.
    Memory(Arc<MemoryStore>),
    /// SQLite; the directory holds its files, one folder for each life.
    Sqlite {
        /// Removed at the end of the run.
        directory: TempDir,
        /// The open store.
        store: Option<Arc<SqliteStore>>,
        /// The number of the present life.
        life: u32,
    },
}

/// The files of a database, with what a killed process leaves beside it.
const FILES: [&str; 2] = ["lapwing.db", "lapwing.db-wal"];

/// A directory in memory when there is one: what is proven here is the order of the writes, not the medium.
pub(super) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

impl Backend {
    /// An empty store.
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::Memory(Arc::new(MemoryStore::new())),
            Kind::Sqlite => {
                let directory = scratch();
                let folder = directory.path().join("0");
                fs::create_dir(&folder).unwrap();
                let store = SqliteStore::create(&folder.join(FILES[0])).unwrap();
                Self::Sqlite { directory, store: Some(Arc::new(store)), life: 0 }
            }
        }
    }

    /// The store, for the application.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Sqlite { store, .. } => Arc::clone(store.as_ref().unwrap()) as Arc<dyn Store>,
        }
    }

    /// Readies the death of the server in the next verb that writes.
    pub(super) fn arm(&self, dies: Dies) {
        if let Self::Memory(store) = self {
            let how = if dies == Dies::BeforeCommit { Break::BeforeCommit } else { Break::AfterCommit };
            store.fail_at(0, how);
        }
    }

    /// The length of the log now, for [`Backend::kill`].
    pub(super) fn log_length(&self) -> u64 {
        match self {
            Self::Memory(_) => 0,
            Self::Sqlite { directory, life, .. } => {
                let log = directory.path().join(life.to_string()).join(FILES[1]);
                fs::metadata(log).map_or(0, |metadata| metadata.len())
            }
        }
    }

    /// The server is dead; the store is opened again from what is durable. The application that held it is
    /// gone. Of the log, what is behind `durable_log` was not synced when the machine died: it is cut off
    /// somewhere there. `None`: all of it stays.
    pub(super) fn kill(&mut self, durable_log: Option<u64>, dice: &mut Dice) {
        match self {
            Self::Memory(store) => store.crash(),
            Self::Sqlite { directory, store, life } => {
                let (from, to) =
                    (directory.path().join(life.to_string()), directory.path().join((*life + 1).to_string()));
                fs::create_dir(&to).unwrap();
                for name in FILES {
                    let (from, to) = (from.join(name), to.join(name));
                    if !from.exists() {
                        continue;
                    }
                    fs::copy(&from, &to).unwrap();
                    let length = fs::metadata(&to).unwrap().len();
                    if let (true, Some(durable)) = (name == FILES[1], durable_log)
                        && length > durable
                    {
                        let cut = dice.between(durable, length - 1);
                        fs::OpenOptions::new().write(true).open(&to).unwrap().set_len(cut).unwrap();
                    }
                }
                // Whatever the old one still writes when it is closed goes into files that nobody reads.
                drop(store.take());
                fs::remove_dir_all(&from).unwrap();
                *life += 1;
                *store = Some(Arc::new(SqliteStore::open(&to.join(FILES[0])).unwrap()));
            }
        }
    }

    /// Everything that it has written, for a search in it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Memory(store) => store.text().into_bytes(),
            Self::Sqlite { directory, life, .. } => {
                let folder = directory.path().join(life.to_string());
                FILES.iter().filter_map(|name| fs::read(folder.join(name)).ok()).flatten().collect()
            }
        }
    }

    /// A backup.
    pub(super) fn copy(&self, now: Timestamp, number: u64) -> Copy {
        match self {
            Self::Memory(store) => Copy::Memory(Box::new(store.snapshot())),
            Self::Sqlite { directory, store, .. } => {
                let to = directory.path().join(format!("backup-{number}"));
                store.as_ref().unwrap().copy_to(&to, now, None).unwrap();
                Copy::Sqlite(to)
            }
        }
    }

    /// Puts a backup in the place of everything. The application that held the store is gone.
    pub(super) fn restore(&mut self, copy: &Copy, runtime: &Runtime) {
        match (&mut *self, copy) {
            (Self::Memory(store), Copy::Memory(copy)) => *store = Arc::new(copy.snapshot()),
            (Self::Sqlite { directory, store, life }, Copy::Sqlite(file)) => {
                drop(store.take());
                fs::remove_dir_all(directory.path().join(life.to_string())).unwrap();
                *life += 1;
                let folder = directory.path().join(life.to_string());
                fs::create_dir(&folder).unwrap();
                fs::copy(file, folder.join(FILES[0])).unwrap();
                let opened = SqliteStore::open(&folder.join(FILES[0])).unwrap();
                runtime.block_on(opened.integrity()).unwrap();
                runtime.block_on(opened.take_backup_note()).unwrap().unwrap();
                *store = Some(Arc::new(opened));
            }
            _ => unreachable!("a backup is of the kind of its store"),
        }
    }
}

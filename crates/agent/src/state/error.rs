//! What can be wrong with the state directory.

use laps::{event, rotation::Failure};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The state directory could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// There is none.
    #[error("there is no state directory {path:?}; join this machine first: lapwing-agent join")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Its owner or kind does not allow secrets in it.
    #[error("the state directory {path:?} {what}; name another one with --state")]
    Unsafe {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Another process uses it.
    #[error(
        "the state directory is in use by {owner}; one directory belongs to one agent: stop that one, or name another with --state"
    )]
    Locked {
        /// Process id and program of the owner, as it wrote them.
        owner: String,
    },
    /// The disk is full.
    #[error("the disk of {path:?} is full; nothing was changed: make room")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file system is read-only.
    #[error(
        "{path:?} is on a read-only file system; nothing was changed: mount it writable, or name another with --state"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// A file of a newer version of the agent.
    #[error(
        "{path:?} has format {found}, this version reads up to {known}; install a version of lapwing-agent that is as new"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is read.
        known: u32,
    },
    /// A file that is not what the agent wrote.
    #[error("{path:?} is damaged: {what}; restore it, or join again with an empty state directory")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; never its content.
        what: String,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {path:?}: {text}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        text: String,
    },
    /// No randomness for a key.
    #[error("the system's random generator failed; no key was made")]
    NoRandomness,
}

impl StateError {
    /// A failure of the file system.
    pub(super) fn io(path: &Path, action: &'static str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.into() },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path: path.into() },
            _ => Self::Io { path: path.into(), action, text: error.to_string() },
        }
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "state_missing",
            Self::Unsafe { .. } => "state_unsafe",
            Self::Locked { .. } => "state_locked",
            Self::Full { .. } => "state_full",
            Self::ReadOnly { .. } => "state_read_only",
            Self::Newer { .. } => "state_newer",
            Self::Damaged { .. } => "state_damaged",
            Self::Io { .. } => "state_io",
            Self::NoRandomness => "no_randomness",
        }
    }

    /// As a cycle reports it.
    pub fn failure(&self) -> Failure {
        Failure::new(event::STATE_FAILED, self.code(), self.to_string())
    }
}

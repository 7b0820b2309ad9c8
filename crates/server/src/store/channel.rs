//! Channels by which people are told of reads. Their outbox is the audit log: each keeps the place that it was told
//! of, so that nothing is written for it when a password is read, and nothing told is ever more than the record.

use laps::time::Timestamp;

/// Channels that there may be.
pub const CHANNELS_MAX: u32 = 20;

/// What is stored of a new channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChannel {
    /// 16 random bytes.
    pub id: [u8; 16],
    /// Its name, unique without case.
    pub name: String,
    /// Where and how, as JSON text; opaque here, and without secrets.
    pub settings: String,
    /// Told of every record, not of reads only.
    pub everything: bool,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// What was stored.
    pub channel: NewChannel,
    /// When it was made; it is told of what came after.
    pub created_at: Timestamp,
    /// The record (of chain 1) that it was told of last.
    pub position: u64,
    /// When it was told last.
    pub delivered_at: Option<Timestamp>,
    /// Records that it was not told of, because they were too old or too many.
    pub dropped: u64,
    /// Attempts that failed since it was told last.
    pub failures: u32,
    /// When it is tried again.
    pub retry_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Told of nothing until somebody resumes it; it goes on from its place then.
    pub paused: bool,
}

/// How a channel went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelProgress {
    /// It was told of all up to there.
    Told {
        /// When something was sent; `None` when nothing in between was for it.
        at: Option<Timestamp>,
    },
    /// What is up to there was left out: so many records were for it.
    Dropped(u64),
    /// It was told of all up to there, and the next attempt failed.
    Failed {
        /// Why.
        error: String,
        /// When it is tried again.
        retry_at: Timestamp,
    },
}

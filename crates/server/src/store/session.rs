//! Sessions, refresh tokens, device codes, and the counters against guessing.

use super::SecretHash;
use laps::{id::PrincipalId, time::Timestamp};

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionKind {
    /// A browser's cookie.
    Cookie,
    /// A refresh token; each use replaces it.
    Refresh,
}

impl SessionKind {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Refresh => "refresh",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Cookie, Self::Refresh].into_iter().find(|kind| kind.word() == word)
    }
}

/// A session. Its secret is with the client; here is only its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of the secret.
    pub hash: SecretHash,
    /// What it is for.
    pub kind: SessionKind,
    /// All refresh tokens that follow from one sign-in; when one is used twice all of them end.
    pub family: [u8; 16],
    /// Whose.
    pub principal: PrincipalId,
    /// The principal's epoch when it signed in: a session of an older epoch is void.
    pub epoch: u64,
    /// The caller's own facts (client id, scopes, anti-forgery key …), as JSON text.
    pub data: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Answer of [`replace_session`](super::Store::replace_session).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// The old one was good; it is used up and the new one stands.
    Done(Session),
    /// The old one had been used before: the whole family is ended, nothing new stands.
    Reused,
    /// There is none, or it has run out, or its principal's epoch is another.
    Unknown,
}

/// A device code (RFC 8628).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceCode {
    /// SHA-256 of the device code.
    pub hash: SecretHash,
    /// The code that the person types, in its canonical form.
    pub user_code: String,
    /// The client that asked, as it named itself.
    pub client_id: String,
    /// The scopes it asked for.
    pub scope: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// Seconds that the client waits between two questions.
    pub interval_s: u32,
}

/// Answer of [`poll_device_code`](super::Store::poll_device_code) (RFC 8628 3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceCodePoll {
    /// No person has answered yet.
    Pending,
    /// Asked too early: the interval is 5 s longer from now on.
    SlowDown,
    /// The person refused.
    Denied,
    /// Not known, used before, or run out.
    Expired,
    /// The person agreed; the code is used up by this answer.
    Approved {
        /// Who agreed.
        principal: PrincipalId,
        /// The code.
        code: DeviceCode,
    },
}

/// How failures are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockoutRule {
    /// Failures within the window that lock.
    pub threshold: u32,
    /// The window, seconds; it starts with a failure outside any window, and lasts as long as a lock does.
    pub window_s: u64,
    /// How long it stays locked, seconds.
    pub lock_s: u64,
}

/// The state of a counter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lockout {
    /// Failures in the window.
    pub failures: u32,
    /// Locked until then.
    pub locked_until: Option<Timestamp>,
}

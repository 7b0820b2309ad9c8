//! What both sides of a session share: bounds, versions, numbering, why a session cannot go on.

use super::message::Header;
use laps::time::{TICKS_PER_SECOND, Timestamp};

/// Bounds of one session (protocols.md 1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Messages of the other side.
    pub messages: u32,
    /// Seconds from the first message to the last.
    pub duration_s: u64,
    /// Bytes of one message; told to the other side as `MaxMsgSize`.
    pub message_bytes: usize,
    /// Bytes of one object in chunks; told to the other side as `MaxObjSize`.
    pub object_bytes: usize,
}

impl Default for SessionLimits {
    /// 50 messages, 10 minutes, 1 MiB a message, 4 MiB an object.
    fn default() -> Self {
        Self { messages: 50, duration_s: 600, message_bytes: 1 << 20, object_bytes: 4 << 20 }
    }
}

/// A message that the session cannot take. The session is over for the sender of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The session is over; the device must open a new one.
    #[error("the session has ended; open a new one")]
    Ended,
    /// Another `SessionID` than the session's.
    #[error("the message belongs to another session")]
    OtherSession,
    /// A `MsgID` below the last one.
    #[error("the message is out of order: its MsgID is below the last one")]
    OutOfOrder,
    /// More messages than [`SessionLimits::messages`].
    #[error("the session has more than {max} messages")]
    TooManyMessages {
        /// The bound.
        max: u32,
    },
    /// Longer than [`SessionLimits::duration_s`].
    #[error("the session takes longer than {max_s} seconds")]
    TooLong {
        /// The bound, in seconds.
        max_s: u64,
    },
    /// The server's message has another version of the document type or protocol.
    #[error("the peer speaks another version: expected VerDTD 1.2 and VerProto DM/1.2")]
    Version,
    /// The server refused the device's message as a whole, with this status on its header.
    #[error("the server refused the session with status {status}")]
    Refused {
        /// Status of the header: 401, 407, 505, 513, …
        status: u16,
    },
}

impl SessionError {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Ended => "dm_session_ended",
            Self::OtherSession => "dm_session_other",
            Self::OutOfOrder => "dm_message_out_of_order",
            Self::TooManyMessages { .. } => "dm_session_messages",
            Self::TooLong { .. } => "dm_session_duration",
            Self::Version => "dm_version",
            Self::Refused { .. } => "dm_session_refused",
        }
    }
}

/// How far a session has come.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) session_id: String,
    opened_at: Timestamp,
    messages: u32,
    last_msg_id: u32,
}

/// Whether a message is the next one or the last one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Next,
    Repeat,
}

impl Progress {
    pub(super) fn new(session_id: String, opened_at: Timestamp) -> Self {
        Self { session_id, opened_at, messages: 0, last_msg_id: 0 }
    }

    /// Checks a message of the other side against the bounds and counts it. A gap in the numbers is
    /// taken: some clients number differently.
    pub(super) fn arrive(
        &mut self,
        header: &Header<'_>,
        now: Timestamp,
        limits: &SessionLimits,
    ) -> Result<Arrival, SessionError> {
        if header.session_id != self.session_id {
            return Err(SessionError::OtherSession);
        }
        if now.ticks().saturating_sub(self.opened_at.ticks()) > limits.duration_s.saturating_mul(TICKS_PER_SECOND) {
            return Err(SessionError::TooLong { max_s: limits.duration_s });
        }
        self.messages = self.messages.saturating_add(1);
        if self.messages > limits.messages {
            return Err(SessionError::TooManyMessages { max: limits.messages });
        }
        match header.msg_id.cmp(&self.last_msg_id) {
            core::cmp::Ordering::Less => Err(SessionError::OutOfOrder),
            core::cmp::Ordering::Equal => Ok(Arrival::Repeat),
            core::cmp::Ordering::Greater => {
                self.last_msg_id = header.msg_id;
                Ok(Arrival::Next)
            }
        }
    }

    pub(super) fn last_msg_id(&self) -> u32 {
        self.last_msg_id
    }
}

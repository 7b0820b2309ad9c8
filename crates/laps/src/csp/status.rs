//! Status codes of nodes.

use core::fmt;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// The status of a command (OMA DM 1.2, response status codes; laps-behaviour.md 1.8).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum NodeStatus {
            $($(#[$doc])* $name = $code,)*
        }
        impl NodeStatus {
            /// The status with this code, if it is one that this tree gives.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// Done.
    Ok = 200,
    /// Taken, and carried out later.
    Accepted = 202,
    /// A chunk of a large object was taken.
    ChunkAccepted = 213,
    /// Not executed: an earlier command of the Atomic failed.
    NotExecuted = 215,
    /// Undone: another command of the Atomic failed.
    RolledBack = 216,
    /// Malformed.
    BadRequest = 400,
    /// No such node, or it has no value.
    NotFound = 404,
    /// The node does not take this command.
    NotAllowed = 405,
    /// An optional feature that is not supported.
    FeatureNotSupported = 406,
    /// A part of the command is missing.
    Incomplete = 412,
    /// The value is larger than the node takes.
    TooLarge = 413,
    /// The URI is too long.
    UriTooLong = 414,
    /// Wrong format or media type.
    UnsupportedFormat = 415,
    /// The node has a value already.
    AlreadyExists = 418,
    /// No room in the store.
    DeviceFull = 420,
    /// A large object has another size than was announced.
    SizeMismatch = 424,
    /// The caller lacks the right.
    PermissionDenied = 425,
    /// Failed: a value that is not allowed, or a command where it cannot stand.
    CommandFailed = 500,
    /// The Atomic failed; everything was undone.
    AtomicFailed = 507,
    /// The store failed.
    StoreFailed = 510,
    /// What the Atomic did could not be undone.
    RollbackFailed = 516,
}

impl NodeStatus {
    /// The number on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }
    /// Whether the command was carried out or taken (2xx, except 215 and 216).
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Accepted | Self::ChunkAccepted)
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

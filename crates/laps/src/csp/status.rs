//! Status codes of nodes.

use core::fmt;

macro_rules! statuses {
    ($($name:ident = $code:literal, $meaning:literal;)*) => {
        /// The status of a command (OMA DM 1.2, response status codes; laps-behaviour.md 1.8).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum NodeStatus {
            $(#[doc = $meaning] $name = $code,)*
        }
        impl NodeStatus {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The status with this code, if it is one that this tree gives.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
            /// What it means, in words.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

statuses! {
    Ok = 200, "Done.";
    Accepted = 202, "Taken, and carried out later.";
    ChunkAccepted = 213, "A chunk of a large object was taken.";
    NotExecuted = 215, "Not executed: an earlier command of the Atomic failed.";
    RolledBack = 216, "Undone: another command of the Atomic failed.";
    BadRequest = 400, "Malformed.";
    NotFound = 404, "No such node, or it has no value.";
    NotAllowed = 405, "The node does not take this command.";
    FeatureNotSupported = 406, "An optional feature that is not supported.";
    Incomplete = 412, "A part of the command is missing.";
    TooLarge = 413, "The value is larger than the node takes.";
    UriTooLong = 414, "The URI is too long.";
    UnsupportedFormat = 415, "Wrong format or media type.";
    AlreadyExists = 418, "The node has a value already.";
    DeviceFull = 420, "No room in the store.";
    SizeMismatch = 424, "A large object has another size than was announced.";
    PermissionDenied = 425, "The caller lacks the right.";
    CommandFailed = 500, "Failed: a value that is not allowed, or a command where it cannot stand.";
    AtomicFailed = 507, "The Atomic failed; everything was undone.";
    StoreFailed = 510, "The store failed.";
    RollbackFailed = 516, "What the Atomic did could not be undone.";
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

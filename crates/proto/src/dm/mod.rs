//! OMA DM 1.2 (SyncML 1.2) as Windows uses it: the messages, both sides of a session, and the way from
//! commands to the LAPS tree.
//!
//! Everything here is sans-IO: bytes, facts and the time go in; messages and decisions come out.
//! Source of the rules: OMA-TS-DM_Protocol 1.2, OMA-TS-SyncML-RepPro 1.2, MS-MDM, and protocols.md 1.

pub mod client;
pub mod dispatch;
pub mod fault;
pub mod message;
pub mod object;
mod outbox;
pub mod policy;
pub mod read;
pub mod server;
pub mod session;
pub mod write;

pub use fault::{Fault, Limits, ReadError};
pub use message::{
    Alert, Chal, Command, Cred, Group, GroupKind, Header, Item, Message, Meta, Request, Results, Status, Text, Verb,
};
pub use read::{Mode, read};
pub use write::write;

/// Namespace of the root element that is always written.
pub const NAMESPACE: &str = "SYNCML:SYNCML1.2";
/// Namespace of the children of `Meta`.
pub const NAMESPACE_METINF: &str = "syncml:metinf";
/// Namespace of Microsoft's additions (`originalerror`), bound to the prefix `msft`.
pub const NAMESPACE_MSFT: &str = "http://schemas.microsoft.com/MobileDevice/MDM";
/// Content type of messages in XML that is always sent; others that are taken: protocols.md 1.1.
pub const CONTENT_TYPE: &str = "application/vnd.syncml.dm+xml; charset=utf-8";

/// Whether a `Content-Type` names SyncML in XML; parameters and case do not matter (protocols.md 1.1).
pub fn is_syncml_xml(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/vnd.syncml.dm+xml")
        || kind.eq_ignore_ascii_case("application/vnd.syncml+xml")
}

/// Status codes of OMA-TS-SyncML-RepPro 1.2 that Lapwing sends or looks at (laps-behaviour.md 1.8).
pub mod code {
    #![allow(missing_docs, reason = "each name is the meaning that the specification gives the number")]
    pub const OK: u16 = 200;
    pub const ACCEPTED: u16 = 202;
    pub const AUTHENTICATED: u16 = 212;
    pub const CHUNK_BUFFERED: u16 = 213;
    pub const NOT_EXECUTED: u16 = 215;
    pub const ROLLED_BACK: u16 = 216;
    pub const BAD_REQUEST: u16 = 400;
    pub const NOT_FOUND: u16 = 404;
    pub const NOT_ALLOWED: u16 = 405;
    pub const NOT_SUPPORTED: u16 = 406;
    pub const SIZE_REQUIRED: u16 = 411;
    pub const INCOMPLETE: u16 = 412;
    pub const TOO_LARGE: u16 = 413;
    pub const UNSUPPORTED_FORMAT: u16 = 415;
    pub const TOO_BIG_REQUESTED: u16 = 416;
    pub const EXISTS: u16 = 418;
    pub const SIZE_MISMATCH: u16 = 424;
    pub const PERMISSION_DENIED: u16 = 425;
    pub const FAILED: u16 = 500;
    pub const NOT_IMPLEMENTED: u16 = 501;
    pub const DTD_UNSUPPORTED: u16 = 505;
    pub const ATOMIC_FAILED: u16 = 507;
    pub const PROTOCOL_UNSUPPORTED: u16 = 513;
    pub const ROLLBACK_FAILED: u16 = 516;
}

/// Alert codes of OMA-TS-DM_Protocol 1.2 (protocols.md 1.4).
pub mod alert {
    #![allow(missing_docs, reason = "each name is the meaning that the specification gives the number")]
    pub const SERVER_INITIATED: u16 = 1200;
    pub const CLIENT_INITIATED: u16 = 1201;
    pub const NEXT_MESSAGE: u16 = 1222;
    pub const SESSION_ABORT: u16 = 1223;
    pub const CLIENT_EVENT: u16 = 1224;
    pub const NO_END_OF_DATA: u16 = 1225;
    pub const GENERIC: u16 = 1226;
}

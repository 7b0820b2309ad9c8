//! The device API, `/device/v1/…`: JSON over TLS, between our agent and the server.
//!
//! | verb | path | identity |
//! | --- | --- | --- |
//! | POST | [`path::JOIN`] | join token in the body |
//! | POST | [`path::RENEW`] | device certificate, also an expired one of an enabled device |
//! | POST | [`path::STORE`], [`path::PROVE`], [`path::ABANDON`], [`path::REPORT`] | device certificate |
//! | GET | [`path::WAIT`] | device certificate |
//!
//! Identifiers are UUID text, times RFC 3339 in UTC, binary values standard base64, fingerprints 32
//! hexadecimal digits. Unknown members are ignored, so that either side may be newer. The semantics of
//! the verbs are those of rotation.md 3. Errors are [`ErrorBody`].

mod backup;
mod error;
mod join;

pub use backup::{
    Abandon, AccountReport, DAMAGED_CHARS_MAX, DAMAGED_MAX, Evidence, HeldVersion, LastError, Machine, MachineAccount,
    Next, ProofKind, Prove, Report, ReportAnswer, SIGN_INS_MAX, SignIn, Store, StoreAnswer, StoreDecodeError,
    Usability, VersionAnswer, VersionState, WaitAnswer,
};
pub use error::{Code, ErrorBody, ErrorDetail};
pub use join::{JoinAnswer, JoinRequest, Predecessor, RenewAnswer, RenewRequest, hardware_statement, rejoin_statement};

/// The paths of the device API.
pub mod path {
    /// Makes a device object from a join token and a certificate request.
    pub const JOIN: &str = "/device/v1/join";
    /// A new certificate for the same device.
    pub const RENEW: &str = "/device/v1/renew";
    /// `store(v)` of rotation.md 3.
    pub const STORE: &str = "/device/v1/store";
    /// `prove(v)` of rotation.md 3.
    pub const PROVE: &str = "/device/v1/prove";
    /// `abandon(v)` of rotation.md 3.
    pub const ABANDON: &str = "/device/v1/abandon";
    /// `report` of rotation.md 3.
    pub const REPORT: &str = "/device/v1/report";
    /// Answers when there is work for the device, or after a while.
    pub const WAIT: &str = "/device/v1/wait";
}

/// The largest body that either side sends on the device API, in bytes (rotation.md 4, I3).
pub const BODY_BYTES_MAX: usize = 4096;

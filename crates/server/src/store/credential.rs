//! Versions of passwords, what devices report, and what is asked of devices.

use super::device::DeviceEventKind;
use crate::{audit::AuditHead, seal::Sealed};
use laps::{
    id::{DeviceId, GroupId, Incarnation, PrincipalId, VersionId},
    rotation::{Fingerprint, ProofKind},
    time::Timestamp,
};

/// The states of a version (rotation.md 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VersionState {
    /// Stored, not known to be set.
    Pending,
    /// Proven to open the account.
    Current,
    /// A later one was proven.
    Superseded,
    /// The device said that it was never set.
    Abandoned,
}

impl VersionState {
    /// The stored and shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Current => "current",
            Self::Superseded => "superseded",
            Self::Abandoned => "abandoned",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Current, Self::Superseded, Self::Abandoned].into_iter().find(|state| state.word() == word)
    }
}

/// What `store` brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The device object.
    pub device: DeviceId,
    /// SHA-256 of the certificate that the device speaks with; `None` when its certificate was judged before.
    pub certificate: Option<[u8; 32]>,
    /// The version's id, made by the agent.
    pub version: VersionId,
    /// The account's lasting id: a uid in decimal, later a SID.
    pub account_id: String,
    /// The account's name after the rotation.
    pub account_name: String,
    /// The fingerprint that the account database will have.
    pub fingerprint: Fingerprint,
    /// When the password will be due, by policy.
    pub expires_at: Option<Timestamp>,
    /// The device's clock, shown and never compared.
    pub device_time: Option<Timestamp>,
    /// The sealed password.
    pub sealed: Sealed,
}

/// Answer of [`store_pending`](super::Store::store_pending).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The version's place in the server's order.
    pub sequence: u64,
    /// Its state; another than pending only when it came again.
    pub state: VersionState,
    /// When it was stored first.
    pub stored_at: Timestamp,
    /// It came again, and nothing was changed.
    pub again: bool,
}

/// What `prove` brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The device object.
    pub device: DeviceId,
    /// The version that was proven.
    pub version: VersionId,
    /// How.
    pub kind: ProofKind,
    /// When the device set it, by its clock; shown, never compared.
    pub set_at: Option<Timestamp>,
    /// When it is due now; replaces what `store` said.
    pub expires_at: Option<Timestamp>,
}

/// Answer of [`mark_proven`](super::Store::mark_proven).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// Current, or superseded when it was overtaken before.
    pub state: VersionState,
    /// It was proven or superseded already, and nothing was changed.
    pub again: bool,
    /// Sequences of the rotation requests that this proof met.
    pub requests_met: Vec<u64>,
}

/// A version without its password. The list of a device's versions is ordered best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The device object that stored it.
    pub device: DeviceId,
    /// Its id.
    pub version: VersionId,
    /// The account's lasting id.
    pub account_id: String,
    /// The account's name.
    pub account_name: String,
    /// Its state.
    pub state: VersionState,
    /// Its place in the server's order.
    pub sequence: u64,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// How it was proven.
    pub proof: Option<ProofKind>,
    /// When it was stored (Graph's `backupDateTime`).
    pub stored_at: Timestamp,
    /// When the device set it, by the device's clock.
    pub set_at: Option<Timestamp>,
    /// When it was proven; a superseded version without it was overtaken.
    pub proven_at: Option<Timestamp>,
    /// When it became superseded or abandoned; retention counts from here.
    pub ended_at: Option<Timestamp>,
    /// When it is due by policy.
    pub expires_at: Option<Timestamp>,
    /// When policy left its account: "no longer rotated" (rotation.md 3).
    pub released_at: Option<Timestamp>,
    /// Set for rows of a restored backup whose device has not reported since: the backup's time.
    pub from_backup_at: Option<Timestamp>,
    /// The device reported last that this one is installed.
    pub installed: bool,
    /// Part of the live set (rotation.md 1).
    pub live: bool,
    /// Belongs to the device's former object, shown because the device has none proven of its own.
    pub of_predecessor: bool,
}

/// What `report` brings (rotation.md 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The device object.
    pub device: DeviceId,
    /// The managed account's lasting id; `None` when there is no such account.
    pub account_id: Option<String>,
    /// The managed account's name.
    pub account_name: Option<String>,
    /// Whether the account can be used, one word: `usable`, `disabled`, `expired`, `missing`, …
    pub usability: String,
    /// Fingerprint of what the account database holds; `None` when it cannot be told.
    pub installed: Option<Fingerprint>,
    /// The last version whose proof the server acknowledged to this device.
    pub acknowledged: Option<VersionId>,
    /// The version of the device's unresolved intent. When it is the server's current one only the
    /// answer to its proof was lost, and the device is not forked.
    pub intent: Option<VersionId>,
    /// The last error as JSON text (`{"code": …, "text": …}`), `None` when the last cycle was well.
    /// Holds no time of the report itself: what is the same as before costs no write.
    pub last_error: Option<String>,
    /// What `explain` needs to know, as JSON text; the same remark holds.
    pub evidence: String,
    /// The device's name now.
    pub name: String,
    /// Operating system and version.
    pub os: String,
    /// Version of the agent.
    pub agent_version: String,
}

/// A stored report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceReport {
    /// What the device said last.
    pub report: Report,
    /// When something in it last changed.
    pub changed_at: Timestamp,
    /// Since when the last error is the one that it is; `None` when there is none.
    pub error_at: Option<Timestamp>,
    /// The version whose fingerprint is the installed one; `None` when no version's is.
    pub installed_version: Option<VersionId>,
}

/// A version as its device may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownVersion {
    /// Its id.
    pub version: VersionId,
    /// Its place in the server's order.
    pub sequence: u64,
    /// The account's lasting id.
    pub account_id: String,
    /// The account's name.
    pub account_name: String,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// When it is due by policy.
    pub expires_at: Option<Timestamp>,
}

/// Answer of [`report`](super::Store::report).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportAnswer {
    /// The server's current version.
    pub current: Option<KnownVersion>,
    /// Pending versions, newest first.
    pub unresolved: Vec<KnownVersion>,
    /// The server's incarnation.
    pub incarnation: Incarnation,
    /// The head of the audit log, for the device to keep; the caller signs it.
    pub audit_head: AuditHead,
    /// The device is forked now: it must rotate at once.
    pub forked: bool,
    /// The highest open rotation request; met by the proof of a version stored after it.
    pub rotate: Option<u64>,
    /// Repairs of drift in 24 h after which the device holds repair.
    pub repairs_per_day: u32,
    /// What was noticed; empty when nothing was.
    pub events: Vec<DeviceEventKind>,
    /// The code that `store` would be refused with now, by switch and device state.
    pub store_refused: Option<&'static str>,
    /// Whether something durable was written.
    pub written: bool,
}

/// A request to rotate (rotation.md 2, end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationRequest {
    /// Its place in the server's order, the same as the versions'.
    pub sequence: u64,
    /// The device.
    pub device: DeviceId,
    /// Who asked.
    pub requested_by: PrincipalId,
    /// When.
    pub requested_at: Timestamp,
    /// When a proof met it.
    pub met_at: Option<Timestamp>,
    /// The version that met it.
    pub met_by: Option<VersionId>,
    /// When it was closed unmet, and the code that says why.
    pub closed: Option<(Timestamp, String)>,
}

impl RotationRequest {
    /// Neither met nor closed.
    pub const fn is_open(&self) -> bool {
        self.met_at.is_none() && self.closed.is_none()
    }
}

/// Answer of [`request_rotation`](super::Store::request_rotation).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedRotation {
    /// The request.
    pub request: RotationRequest,
    /// There was one already that no version has been stored for: that one is given.
    pub again: bool,
}

/// A piece of work in the outbox. It wakes devices and carries no command: a device that wakes checks in
/// and is told what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its place in the server's order.
    pub sequence: u64,
    /// Whom it wakes.
    pub target: WorkTarget,
    /// Why.
    pub kind: WorkKind,
}

/// Whom a piece of work wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkTarget {
    /// One device.
    Device(DeviceId),
    /// The members of a group; [`ALL_DEVICES`](super::ALL_DEVICES) means all.
    Group(GroupId),
}

/// Why devices are woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkKind {
    /// A rotation was requested.
    Rotate,
    /// Policy, assignment or membership changed.
    Policy,
    /// The device's state changed.
    State,
}

impl WorkKind {
    /// The stored word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Policy => "policy",
            Self::State => "state",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Rotate, Self::Policy, Self::State].into_iter().find(|kind| kind.word() == word)
    }
}

/// What a reveal asks for, with the facts that its decision was made on (design.md 5, "Audit").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reveal {
    /// The device object.
    pub device: DeviceId,
    /// The device's revision at the decision.
    pub device_revision: u64,
    /// Who reads.
    pub principal: PrincipalId,
    /// The reader's authorization epoch at the decision.
    pub epoch: u64,
    /// What the reader brings beside the right to read; held against the rules of the device's groups.
    pub reading: super::Reading,
    /// Also superseded and abandoned versions, behind the live set.
    pub history: bool,
}

/// A version with its sealed password. Unseal it only now: the audit record is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedVersion {
    /// The version.
    pub version: Version,
    /// The sealed password.
    pub sealed: Sealed,
}

/// A row of the list of devices with passwords (Graph's `deviceLocalCredentials`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialSummary {
    /// The device object.
    pub device: DeviceId,
    /// Its name.
    pub device_name: String,
    /// When its newest version was stored.
    pub last_backup_at: Timestamp,
    /// When its best version is due.
    pub refresh_at: Option<Timestamp>,
}

/// What a run of the retention job did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Versions that were removed for good.
    pub versions: u64,
    /// Forks that ended because 90 days passed.
    pub forks_ended: u64,
    /// Where the next run goes on; `None` when every device was looked at.
    pub next: Option<String>,
}

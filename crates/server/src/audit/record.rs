//! Entries and records of the audit log.

use laps::{
    id::{DeviceId, PrincipalId, VersionId},
    time::Timestamp,
};

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// A user; the name is the shown one.
    User(PrincipalId, String),
    /// A service principal.
    Application(PrincipalId, String),
    /// A device, by its certificate.
    Device(DeviceId, String),
    /// The server itself: the job's name.
    System(String),
    /// Somebody at the machine of the server with one of its commands; the text is the command.
    Operator(String),
    /// Nobody who could be authenticated.
    Anonymous,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// `device`, `policy`, `user`, `tenant`, …; empty when there is none.
    pub kind: String,
    /// Its id as text.
    pub id: String,
    /// Its name at the time.
    pub name: String,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Success,
    /// Refused or failed; the text is the stable code.
    Failure(String),
}

/// A version whose password was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disclosed {
    /// The device object that it belongs to.
    pub device: DeviceId,
    /// The version.
    pub version: VersionId,
}

/// What a caller brings for the audit log; the verb appends it in its own transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// 16 random bytes: the record's id.
    pub id: [u8; 16],
    /// The server's time.
    pub at: Timestamp,
    /// What was done.
    pub activity: String,
    /// Entra's category: `Device`, `Policy`, `UserManagement`, `RoleManagement`, `DirectoryManagement`, …
    pub category: String,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    pub target: Target,
    /// How it ended.
    pub outcome: Outcome,
    /// The request's id, as answered to the client.
    pub request_id: String,
    /// Address and user agent of the client, as far as known.
    pub client: String,
    /// More about it as JSON text; holds no secret.
    pub detail: String,
}

/// A record as it stands in its chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// The chain; there is one per writer.
    pub chain: u32,
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// What the caller brought.
    pub entry: AuditEntry,
    /// Every version that a reveal gave out, written by the store.
    pub disclosed: Vec<Disclosed>,
    /// The hash of the record before; zeros for the first.
    pub previous: [u8; 32],
    /// The hash of this record, `previous` included.
    pub hash: [u8; 32],
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// The chain.
    pub chain: u32,
    /// The sequence of its last record; 0 when it is empty.
    pub sequence: u64,
    /// The hash of its last record; zeros when it is empty.
    pub hash: [u8; 32],
}

impl AuditHead {
    /// The head of an empty chain.
    pub const fn empty(chain: u32) -> Self {
        Self { chain, sequence: 0, hash: [0; 32] }
    }
}

/// A head with the server's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: AuditHead,
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The signature (ECDSA P-256 with SHA-256, fixed length).
    pub signature: Vec<u8>,
}

/// What pruning leaves: everything up to here was removed, and the chain goes on from this hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCheckpoint {
    /// The last removed record, signed.
    pub signed: SignedHead,
}

/// Which records a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only this activity.
    pub activity: Option<String>,
    /// Only by this actor's id, as text.
    pub actor: Option<String>,
    /// Only done to this target's id, as text.
    pub target: Option<String>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only before.
    pub until: Option<Timestamp>,
    /// Only activities that begin so, without case.
    pub activity_prefix: Option<String>,
    /// Only by an actor of this name, without case.
    pub actor_name: Option<String>,
    /// Only of this category.
    pub category: Option<String>,
    /// Only what failed, or only what succeeded.
    pub failed: Option<bool>,
}

impl Actor {
    /// The word for its kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::User(..) => "user",
            Self::Application(..) => "application",
            Self::Device(..) => "device",
            Self::System(_) => "system",
            Self::Operator(_) => "operator",
            Self::Anonymous => "anonymous",
        }
    }
    /// Its id as text; for system and operator the job or the command.
    pub fn id(&self) -> String {
        match self {
            Self::User(id, _) | Self::Application(id, _) => id.to_string(),
            Self::Device(id, _) => id.to_string(),
            Self::System(job) => job.clone(),
            Self::Operator(command) => command.clone(),
            Self::Anonymous => String::new(),
        }
    }
    /// Its shown name.
    pub fn name(&self) -> &str {
        match self {
            Self::User(_, name) | Self::Application(_, name) | Self::Device(_, name) => name,
            Self::System(name) | Self::Operator(name) => name,
            Self::Anonymous => "",
        }
    }
}

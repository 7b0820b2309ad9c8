//! The audit log: append-only, hash-chained, its heads signed.

pub mod activity;
mod chain;
mod record;
mod sign;

pub use chain::{Broken, Verifier};
pub use record::{
    Actor, AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, Disclosed, Outcome, SignedHead, Target,
};
pub use sign::{HeadSigner, PUBLIC_KEY_FILE, SIGNING_KEY_FILE, SignerError, verify_head};

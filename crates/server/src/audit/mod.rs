//! The audit log: append-only, hash-chained, its heads signed.
pub mod activity;
mod chain;
mod record;

pub use chain::{Broken, Verifier};
pub use record::{
    Actor, AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, Disclosed, Outcome, SignedHead, Target,
};

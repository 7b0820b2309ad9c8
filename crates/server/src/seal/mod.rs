//! Sealing: how a password rests.

mod envelope;

pub use envelope::{EnvelopeKind, KeyId, NotAKeyId, Sealed};

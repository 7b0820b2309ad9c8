//! Sealing: how a password rests.
//!
//! A password is encrypted by AES-256-GCM (NIST SP 800-38D) under a random data key of its own, bound to
//! its place; the data key is wrapped by AES-256-KW (RFC 3394) under a key-encryption key that a
//! [`KeyProvider`] holds. The database never holds a key-encryption key, and so no backup does.
//! [`Sealer`] is the one place where a password is sealed, and the one where it is revealed.

mod archive;
mod envelope;
mod provider;
mod sealer;

pub use archive::{ArchiveWriter, NotARecipient, recipients};
pub use envelope::{EnvelopeKind, KeyId, NotAKeyId, Sealed};
pub use provider::{DataKey, KeyFiles, KeyProvider, SealError};
pub use sealer::{Place, Randomness, Sealer, SecretPlace};

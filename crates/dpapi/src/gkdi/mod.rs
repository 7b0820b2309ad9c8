//! Group keys (MS-GKDI): from a root key, or from what a domain controller answers, to the key that wraps keys.
//!
//! Root key → [`SeedKey`] (L1 and L2 keys) → [`GroupKey`] (the L2 key of one interval) → [`Kek`], either from a nonce
//! (seed form) or by key agreement (public-key form). laps-behaviour.md 7.6 to 7.10.

mod agreement;
mod dh;
mod ecdh;
mod envelope;
mod index;
mod kdf;
mod key_id;
mod root_key;
mod seed_key;

pub use agreement::{Agreement, AgreementError, Method, PrivateKey, PublicKey};
pub use dh::DhGroup;
pub use ecdh::Curve;
pub use envelope::{EnvelopeKey, GroupKeyEnvelope};
pub use index::{IndexError, KeyIndex};
pub use kdf::Hash;
pub use key_id::{KeyId, KeyInfo};
pub use root_key::RootKey;
pub(crate) use seed_key::kek_of_secret;
pub use seed_key::{GroupKey, KeyParameters, SeedKey, WalkError};

use crate::FormatError;
use zeroize::Zeroizing;

/// 64 bytes of root, L0, L1 or L2 key; wiped when dropped.
pub type KeyBytes = Zeroizing<[u8; 64]>;
/// The key-encryption key of one blob; wiped when dropped.
pub type Kek = Zeroizing<[u8; 32]>;

/// A root key or a group key envelope that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// Not the bytes of the structure.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A key derivation function that is not SP800_108_CTR_HMAC.
    #[error("the key derivation function {0:?} is not known; expected SP800_108_CTR_HMAC")]
    KdfUnknown(String),
    /// A hash that is none of the four.
    #[error("the hash {0:?} is not known; expected SHA1, SHA256, SHA384 or SHA512")]
    HashUnknown(String),
    /// A key agreement that is none of the four.
    #[error("the secret agreement {0:?} is not known; expected DH, ECDH_P256, ECDH_P384 or ECDH_P521")]
    AgreementUnknown(String),
    /// A length of key that the agreement cannot have.
    #[error("a {what} of {bits} bits is not possible for {agreement}")]
    LengthImpossible {
        /// Private or public key.
        what: &'static str,
        /// Its length.
        bits: u32,
        /// The agreement's name.
        agreement: &'static str,
    },
}

/// A name out of a structure as an error may show it: short, and no bytes that are not a name's.
fn shown(name: &str) -> String {
    name.chars().take(32).map(|c| if c.is_ascii_alphanumeric() || "_-. ".contains(c) { c } else { '?' }).collect()
}

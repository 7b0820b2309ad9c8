//! Signed heads: the server says that a chain ends so. Devices keep them, so that a shortened or
//! rewritten log shows.

use super::{AuditHead, SignedHead};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use laps::time::Timestamp;
use std::{fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};
use zeroize::Zeroizing;

/// The key's file in the key directory: 32 bytes of seed.
pub const SIGNING_KEY_FILE: &str = "audit.key";
/// The public key's file beside it: 32 bytes, to verify with elsewhere.
pub const PUBLIC_KEY_FILE: &str = "audit.pub";

/// Signs heads (Ed25519, RFC 8032: the same head and time always give the same signature).
pub struct HeadSigner(Ed25519KeyPair);

/// The key cannot be used, or its file not read or written.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Not 32 bytes, or refused by the cryptography.
    #[error("audit.key does not hold an Ed25519 seed of 32 bytes")]
    Malformed,
    /// The file.
    #[error("audit.key: {0}")]
    File(#[from] std::io::Error),
}

impl HeadSigner {
    /// From 32 random bytes.
    ///
    /// # Errors
    /// [`SignerError::Malformed`].
    pub fn from_seed(seed: &[u8]) -> Result<Self, SignerError> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| SignerError::Malformed)
    }

    /// Opens the key of a key directory.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn open(directory: &Path) -> Result<Self, SignerError> {
        Self::from_seed(&Zeroizing::new(fs::read(directory.join(SIGNING_KEY_FILE))?))
    }

    /// Writes a new key into a key directory, 0600, and its public key beside it. Never overwrites one.
    ///
    /// # Errors
    /// [`SignerError`].
    pub fn create(directory: &Path, seed: &Zeroizing<[u8; 32]>) -> Result<Self, SignerError> {
        let signer = Self::from_seed(seed.as_slice())?;
        for (name, bytes) in [(SIGNING_KEY_FILE, seed.as_slice()), (PUBLIC_KEY_FILE, signer.public_key())] {
            let path = directory.join(name);
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(bytes)?;
            file.sync_all()?;
        }
        fs::File::open(directory)?.sync_all()?;
        Ok(signer)
    }

    /// The public key.
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// Signs a head.
    pub fn sign(&self, head: AuditHead, signed_at: Timestamp) -> SignedHead {
        let signature = self.0.sign(&message(&head, signed_at)).as_ref().to_vec();
        SignedHead { head, signed_at, signature }
    }
}

/// Whether a head was signed by the holder of `public_key`.
pub fn verify_head(public_key: &[u8], signed: &SignedHead) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(&message(&signed.head, signed.signed_at), &signed.signature)
        .is_ok()
}

/// What is signed: every part has a fixed length.
fn message(head: &AuditHead, signed_at: Timestamp) -> Vec<u8> {
    let mut message = b"lapwing/audit-head/1".to_vec();
    message.extend_from_slice(&head.chain.to_be_bytes());
    message.extend_from_slice(&head.sequence.to_be_bytes());
    message.extend_from_slice(&head.hash);
    message.extend_from_slice(&signed_at.ticks().to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_that_was_changed_does_not_verify() {
        let signer = HeadSigner::from_seed(&[5; 32]).unwrap();
        let head = AuditHead { chain: 1, sequence: 7, hash: [3; 32] };
        let signed = signer.sign(head, Timestamp::from_unix_ms(1000));
        assert!(verify_head(signer.public_key(), &signed));
        let shorter = SignedHead { head: AuditHead { sequence: 6, ..head }, ..signed.clone() };
        assert!(!verify_head(signer.public_key(), &shorter));
        let later = SignedHead { signed_at: Timestamp::from_unix_ms(2000), ..signed.clone() };
        assert!(!verify_head(signer.public_key(), &later));
        assert!(!verify_head(HeadSigner::from_seed(&[6; 32]).unwrap().public_key(), &signed));
    }
}

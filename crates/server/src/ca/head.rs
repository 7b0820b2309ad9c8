//! The key that signs heads of the audit log: ECDSA P-256 with SHA-256, kept apart from every other key.

use super::CaError;
use crate::audit::{AuditHead, SignedHead};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use laps::time::Timestamp;
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// Signs heads. A head that was signed is given again as it was.
pub struct HeadKey {
    pair: EcdsaKeyPair,
    last: Mutex<Option<SignedHead>>,
}

/// What is signed: `lapwing/audit-head/1`, then chain (4 bytes), sequence (8), hash (32) and the time in
/// ticks (8), big-endian.
fn statement(head: &AuditHead, signed_at: Timestamp) -> Vec<u8> {
    let mut bytes = b"lapwing/audit-head/1".to_vec();
    bytes.extend(head.chain.to_be_bytes());
    bytes.extend(head.sequence.to_be_bytes());
    bytes.extend(head.hash);
    bytes.extend(signed_at.ticks().to_be_bytes());
    bytes
}

impl HeadKey {
    /// Makes a new key: PKCS #8 as PEM.
    pub fn create() -> Result<Zeroizing<String>, CaError> {
        Ok(rcgen::KeyPair::generate()?.serialize_pem().into())
    }

    /// Opens a key from its PEM text.
    pub fn open(pem: &str) -> Result<Self, CaError> {
        let key = rcgen::KeyPair::from_pem(pem)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.serialized_der())
            .map_err(|error| CaError::Internal(format!("audit key: {error}")))?;
        Ok(Self { pair, last: Mutex::new(None) })
    }

    /// The public key: an uncompressed point, 65 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Signs a statement that begins with a domain of its own, other than that of a head.
    pub fn attest(&self, statement: &[u8]) -> Result<Vec<u8>, CaError> {
        let signature = self.pair.sign(&SystemRandom::new(), statement);
        let signature = signature.map_err(|_| CaError::Internal("the statement could not be signed".into()))?;
        Ok(signature.as_ref().to_vec())
    }

    /// Signs a head.
    pub fn sign(&self, head: AuditHead, now: Timestamp) -> Result<SignedHead, CaError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = last.as_ref().filter(|last| last.head == head) {
            return Ok(last.clone());
        }
        let signature = self
            .pair
            .sign(&SystemRandom::new(), &statement(&head, now))
            .map_err(|_| CaError::Internal("the audit head could not be signed".into()))?;
        let signed = SignedHead { head, signed_at: now, signature: signature.as_ref().to_vec() };
        *last = Some(signed.clone());
        Ok(signed)
    }
}

/// Whether a head was signed with the key of this public point.
pub fn is_signed_by(signed: &SignedHead, public_key: &[u8]) -> bool {
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key)
        .verify(&statement(&signed.head, signed.signed_at), &signed.signature)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_head_is_checked_and_a_changed_one_is_not() {
        let key = HeadKey::open(&HeadKey::create().unwrap()).unwrap();
        let head = AuditHead { chain: 1, sequence: 7, hash: [3; 32] };
        let signed = key.sign(head, Timestamp::from_unix_ms(0)).unwrap();
        assert!(is_signed_by(&signed, key.public_key()));
        assert_eq!(key.sign(head, Timestamp::from_unix_ms(9)).unwrap(), signed, "signed once");
        let other = SignedHead { head: AuditHead { sequence: 8, ..head }, ..signed };
        assert!(!is_signed_by(&other, key.public_key()));
    }
}

//! Recognising a credential without keeping it: HMAC-SHA-256 under a key of the device.

use super::verifier::Verifier;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The key K of rotation.md 1: random, on the device only, never sent.
pub struct FingerprintKey(Zeroizing<[u8; 32]>);

impl FingerprintKey {
    /// From 32 random bytes that the caller drew or has kept.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(redacted)")
    }
}

/// 128 bits that tell whether an account still has a certain credential.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// `HMAC-SHA-256(K, "lapwing/fp/1" ‖ uid ‖ name ‖ verifier)` cut to 128 bits; each part is preceded by
    /// its length as 4 bytes, the uid is 4 bytes, numbers are big-endian. `None` for a string that is not
    /// salted: it would give equal passwords away (rotation.md 1).
    pub fn new(key: &FingerprintKey, uid: u32, name: &str, verifier: &Verifier) -> Option<Self> {
        if !verifier.is_salted() {
            return None;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(key.0.as_slice()).ok()?;
        mac.update(b"lapwing/fp/1");
        for part in [&uid.to_be_bytes()[..], name.as_bytes(), verifier.as_str().as_bytes()] {
            mac.update(&u32::try_from(part.len()).ok()?.to_be_bytes());
            mac.update(part);
        }
        let full = mac.finalize().into_bytes();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Some(Self(short))
    }

    /// From its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Equality in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether the account has the credential of an intent (rotation.md 2, `compare`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// It has: the set took place.
    Same,
    /// It has another one, or none.
    Different,
    /// There is no fingerprint key, or the account database cannot be read.
    CannotTell,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(text: &str) -> Verifier {
        Verifier::new(text.into()).unwrap()
    }

    /// The expected value was computed with Python's hmac and hashlib over the bytes spelt out.
    #[test]
    fn the_known_value() {
        let key = FingerprintKey::new([7; 32]);
        let print = Fingerprint::new(&key, 1000, "ann", &verifier("$6$salt$hash")).unwrap();
        assert_eq!(print.to_string(), "e62db07977aaca446a3b7c44e5a01781");
    }

    #[test]
    fn every_part_counts() {
        let key = FingerprintKey::new([7; 32]);
        let base = Fingerprint::new(&key, 0, "root", &verifier("$6$s$h")).unwrap();
        let others = [
            Fingerprint::new(&FingerprintKey::new([8; 32]), 0, "root", &verifier("$6$s$h")),
            Fingerprint::new(&key, 1, "root", &verifier("$6$s$h")),
            Fingerprint::new(&key, 0, "roo", &verifier("$6$s$h")),
            Fingerprint::new(&key, 0, "root", &verifier("$6$s$i")),
        ];
        assert!(base.is(&Fingerprint::from_bytes(*base.as_bytes())));
        for other in others {
            assert!(!base.is(&other.unwrap()));
        }
    }

    #[test]
    fn unsalted_strings_have_no_fingerprint() {
        let key = FingerprintKey::new([7; 32]);
        assert_eq!(Fingerprint::new(&key, 0, "root", &verifier("$3$$8846f7eaee8fb117ad06bdd830b7586c")), None);
    }
}

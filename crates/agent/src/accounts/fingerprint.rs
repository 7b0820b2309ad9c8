//! Recognising a credential without keeping it: HMAC-SHA-256 under a key of the device.

use super::verifier::Verifier;
use hmac::{Hmac, KeyInit, Mac};
use laps::rotation::{AccountRef, Fingerprint};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The key K of rotation.md 1: random, on the device only, never sent.
pub struct FingerprintKey(Zeroizing<[u8; 32]>);

impl FingerprintKey {
    /// From 32 random bytes that the caller drew or has kept.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// `HMAC-SHA-256(K, "lapwing/fp/1" ‖ uid ‖ name ‖ verifier)` cut to 128 bits; each part is preceded by
    /// its length as 4 bytes, the uid is 4 bytes, numbers are big-endian. `None` for a string that is not
    /// salted: it would give equal passwords away (rotation.md 1).
    pub fn fingerprint(&self, account: &AccountRef, verifier: &Verifier) -> Option<Fingerprint> {
        if !verifier.is_salted() {
            return None;
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).ok()?;
        mac.update(b"lapwing/fp/1");
        for part in [&account.id.to_be_bytes()[..], account.name.as_bytes(), verifier.as_str().as_bytes()] {
            mac.update(&u32::try_from(part.len()).ok()?.to_be_bytes());
            mac.update(part);
        }
        let mut short = [0; 16];
        short.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Some(Fingerprint::from_bytes(short))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(key: u8, id: u32, name: &str, verifier: &str) -> Option<Fingerprint> {
        let account = AccountRef { id, name: name.into() };
        FingerprintKey::new([key; 32]).fingerprint(&account, &Verifier::new(verifier.into()).unwrap())
    }

    /// The expected value was computed with Python's hmac and hashlib over the bytes spelt out.
    #[test]
    fn the_known_value() {
        assert_eq!(print(7, 1000, "ann", "$6$salt$hash").unwrap().to_string(), "e62db07977aaca446a3b7c44e5a01781");
    }

    #[test]
    fn every_part_counts() {
        let base = print(7, 0, "root", "$6$s$h");
        assert_eq!(base, print(7, 0, "root", "$6$s$h"));
        for other in [
            print(8, 0, "root", "$6$s$h"),
            print(7, 1, "root", "$6$s$h"),
            print(7, 0, "roo", "$6$s$h"),
            print(7, 0, "root", "$6$s$i"),
        ] {
            assert!(other.is_some() && other != base);
        }
    }

    #[test]
    fn unsalted_strings_have_no_fingerprint() {
        assert_eq!(print(7, 0, "root", "$3$$8846f7eaee8fb117ad06bdd830b7586c"), None);
    }
}

//! The envelope: what the store holds of a password.

use core::{fmt, str::FromStr};

/// The name of a key-encryption key: 16 random bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a key id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key id: expected 32 hexadecimal digits")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;
    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAKeyId);
        }
        u128::from_str_radix(text, 16).map(|number| Self(number.to_be_bytes())).map_err(|_| NotAKeyId)
    }
}

/// The kinds of envelope that this program knows. The number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EnvelopeKind {
    /// AES-256-GCM under a random data key, which is wrapped by AES-256-KW (RFC 3394).
    Aes256GcmKw = 1,
}

impl EnvelopeKind {
    /// From the stored number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Aes256GcmKw),
            _ => None,
        }
    }
}

/// A sealed password.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// How it is sealed.
    pub kind: EnvelopeKind,
    /// The key-encryption key that wraps its data key.
    pub key: KeyId,
    /// The wrapped data key.
    pub wrapped_key: [u8; 40],
    /// The nonce of the cipher.
    pub nonce: [u8; 12],
    /// The cipher text and its tag.
    pub ciphertext: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({:?} under {})", self.kind, self.key)
    }
}

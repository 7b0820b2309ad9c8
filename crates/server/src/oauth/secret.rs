//! Random texts: bearer secrets, and the short code that a person types.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proto::oauth::Secret;
use sha2::{Digest, Sha256};

/// Letters of a user code: consonants that are not mistaken for each other (RFC 8628 6.1), so that no
/// words appear; 20^8 codes.
const CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a user code.
const CODE_CHARS: usize = 8;

/// A bearer secret of 256 random bits as text, with a prefix that says what it is.
pub fn bearer(prefix: &str, random: &[u8; 32]) -> Secret {
    Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// What is stored of a bearer secret: its SHA-256. A slow hash is not needed for 256 random bits.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A user code in its canonical form (8 capital letters) from random bytes; `None` when too few of them
/// could be used without bias, and the caller draws again.
pub fn user_code(random: &[u8]) -> Option<String> {
    // 240 is the largest multiple of 20 in a byte
    let letters: String = random
        .iter()
        .filter(|byte| **byte < 240)
        .take(CODE_CHARS)
        .map(|byte| char::from(CODE_LETTERS[usize::from(byte % 20)]))
        .collect();
    (letters.len() == CODE_CHARS).then_some(letters)
}

/// A user code as it is shown: `BCDF-GHJK`.
pub fn shown_code(code: &str) -> String {
    match code.split_at_checked(CODE_CHARS / 2) {
        Some((left, right)) => format!("{left}-{right}"),
        None => code.to_owned(),
    }
}

/// The canonical form of what a person typed; `None` when it cannot be a code.
pub fn typed_code(text: &str) -> Option<String> {
    let letters: String =
        text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).take(CODE_CHARS + 1).collect();
    let known = letters.bytes().all(|byte| CODE_LETTERS.contains(&byte));
    (letters.len() == CODE_CHARS && known).then_some(letters)
}

/// Letters of a recovery code: base32, 80 bits.
const RECOVERY_CHARS: usize = 16;

/// A recovery code as it is shown: `ABCD-EFGH-IJKL-MNOP`, of 80 random bits.
pub fn recovery_code(random: &[u8; 10]) -> Secret {
    let letters = super::totp::base32(random);
    let groups: Vec<&str> = (0..4).filter_map(|at| letters.get(4 * at..4 * at + 4)).collect();
    Secret::new(groups.join("-"))
}

/// What is stored of a typed recovery code; `None` when it cannot be one. 80 random bits need no slow hash: guesses
/// are bounded where they are taken, and the whole space is out of reach.
pub fn recovery_digest(typed: &str) -> Option<[u8; 32]> {
    let letters: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .take(RECOVERY_CHARS + 1)
        .collect();
    (letters.len() == RECOVERY_CHARS).then(|| digest(&format!("recovery/{letters}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_typed_as_people_type() {
        let code = user_code(&[0, 255, 1, 2, 3, 4, 250, 5, 6, 7, 8]).unwrap();
        assert_eq!(code, "BCDFGHJK");
        assert_eq!(shown_code(&code), "BCDF-GHJK");
        for typed in ["bcdf-ghjk", " BCDF GHJK ", "BCDFGHJK"] {
            assert_eq!(typed_code(typed), Some(code.clone()));
        }
        for wrong in ["", "BCDFGHJ", "BCDFGHJKL", "AEIOUAEI"] {
            assert_eq!(typed_code(wrong), None, "{wrong}");
        }
        assert_eq!(user_code(&[255; 40]), None);
    }

    #[test]
    fn recovery_codes_are_typed_as_people_type() {
        let code = recovery_code(&[0x5a; 10]);
        assert_eq!(code.reveal().len(), 19);
        let stored = recovery_digest(code.reveal()).unwrap();
        for typed in [code.reveal().to_lowercase(), code.reveal().replace('-', " ")] {
            assert_eq!(recovery_digest(&typed), Some(stored));
        }
        for wrong in ["", "123456", "ABCD-EFGH-IJKL-MNOPQ"] {
            assert_eq!(recovery_digest(wrong), None);
        }
    }
}

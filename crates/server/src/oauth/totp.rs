//! One-time passwords by time (RFC 6238): HMAC-SHA-1, 30 seconds, six digits, as every generator knows them.

use super::token::unix_s;
use hmac::{Hmac, KeyInit, Mac};
use laps::time::Timestamp;
use sha1::Sha1;
use zeroize::Zeroizing;

/// Bytes of a secret: as long as the hash (RFC 4226 4, R6).
pub const SECRET_BYTES: usize = 20;
/// Seconds of a step.
const STEP_S: u64 = 30;
/// Steps that a generator's clock may be behind or ahead (RFC 6238 5.2).
const SKEW_STEPS: u64 = 1;

/// The step whose code was typed, if it is one of those that are good at `now`. A step is good once: the caller
/// notes it.
pub fn matching_step(secret: &[u8], typed: &str, now: Timestamp) -> Option<u64> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let step = unix_s(now) / STEP_S;
    let mut found = None;
    // Every step is compared, so that time does not tell which one it was.
    for candidate in step.saturating_sub(SKEW_STEPS)..=step + SKEW_STEPS {
        let code = code(secret, candidate, 6);
        if bool::from(subtle::ConstantTimeEq::ct_eq(code.as_bytes(), typed.as_bytes())) {
            found = Some(candidate);
        }
    }
    found
}

/// The code of a step (RFC 4226 5.3).
fn code(secret: &[u8], step: u64, digits: u32) -> String {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return String::new() };
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes([hash[offset] & 0x7f, hash[offset + 1], hash[offset + 2], hash[offset + 3]]);
    format!("{:0width$}", u64::from(number) % 10_u64.pow(digits), width = digits as usize)
}

/// Base32 without padding (RFC 4648 6): how secrets are typed.
pub fn base32(bytes: &[u8]) -> Zeroizing<String> {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[..chunk.len()].copy_from_slice(chunk);
        let number = u64::from_be_bytes(block) >> 24;
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            text.push(char::from(LETTERS[(number >> (35 - 5 * at)) as usize & 31]));
        }
    }
    text
}

/// Bytes of base32 text; `None` when it is none.
pub fn from_base32(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
    let (mut held, mut bits) = (0_u32, 0);
    for c in text.bytes() {
        let value = match c.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        held = held << 5 | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// What a generator scans: `otpauth://totp/ISSUER:NAME?…` (Key URI Format).
pub fn key_uri(issuer: &str, user_name: &str, secret: &[u8]) -> Zeroizing<String> {
    let (issuer, name) = (encoded(issuer), encoded(user_name));
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period={STEP_S}",
        base32(secret).as_str()
    ))
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, SHA-1.
    #[test]
    fn vectors_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (second, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(code(secret, second / STEP_S, 8), expected);
        }
    }

    /// RFC 4226, appendix D.
    #[test]
    fn counters_of_the_rfc() {
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (counter, code_expected) in (0..).zip(expected) {
            assert_eq!(code(b"12345678901234567890", counter, 6), code_expected);
        }
    }

    #[test]
    fn a_step_before_and_after_is_good_and_no_more() {
        let secret = b"12345678901234567890";
        let at = |second: u64| Timestamp::from_unix_ms(0).plus_seconds(second);
        // The step of second 59 is 1: its code ends in 287082.
        for (second, expected) in [(0, Some(1)), (30, Some(1)), (59, Some(1)), (89, Some(1)), (90, None)] {
            assert_eq!(matching_step(secret, " 287 082 ", at(second)), expected, "{second}");
        }
        for wrong in ["", "28708", "2870822", "287083", "２８７０８２"] {
            assert_eq!(matching_step(secret, wrong, at(59)), None);
        }
    }

    /// RFC 4648, section 10, without the padding.
    #[test]
    fn base32_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()).as_str(), text);
            assert_eq!(from_base32(text).unwrap().as_slice(), bytes.as_bytes());
        }
        assert!(from_base32("M1").is_none());
    }

    #[test]
    fn names_do_not_break_the_uri() {
        let uri = key_uri("Lapwing host", "a:b&c=d\u{202e}", b"1");
        assert!(
            uri.starts_with("otpauth://totp/Lapwing%20host:a%3Ab%26c%3Dd%E2%80%AE?secret=GE&issuer=Lapwing%20host&")
        );
    }
}

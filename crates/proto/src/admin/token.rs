//! The text of a join token: what a person copies from the server to a machine.

use core::{fmt, str::FromStr};
use zeroize::Zeroizing;

const PREFIX: &str = "lapwing-join.";
const FINGERPRINT_CHARS: usize = 64;

/// A join token as text: `lapwing-join.<fingerprint of the CA>.<secret>`.
///
/// The fingerprint is SHA-256 over the DER of the server's root certificate in 64 hexadecimal digits,
/// so that the agent knows whom it talks to before it sends the secret (design.md 5, "Device identity").
#[derive(Clone, PartialEq, Eq)]
pub struct JoinTokenText {
    /// SHA-256 of the root certificate.
    pub ca_fingerprint: [u8; 32],
    secret: Zeroizing<String>,
}

/// A text that is not a join token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a join token: expected the whole text that `lapwing join-token create` printed, lapwing-join.….…")]
pub struct NotAJoinToken;

impl JoinTokenText {
    /// From its parts; the secret is base64url text of at least 128 random bits.
    pub fn new(ca_fingerprint: [u8; 32], secret: String) -> Self {
        Self { ca_fingerprint, secret: Zeroizing::new(secret) }
    }
    /// The secret part: what the server looks for.
    pub fn secret(&self) -> &str {
        &self.secret
    }
    /// The whole text, as it is printed and sent.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + FINGERPRINT_CHARS + 1 + self.secret.len()));
        text.push_str(PREFIX);
        for byte in self.ca_fingerprint {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        text.push('.');
        text.push_str(&self.secret);
        text
    }
}

impl FromStr for JoinTokenText {
    type Err = NotAJoinToken;
    fn from_str(text: &str) -> Result<Self, NotAJoinToken> {
        let (fingerprint, secret) =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(NotAJoinToken)?;
        let url_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if fingerprint.len() != FINGERPRINT_CHARS
            || !(22..=128).contains(&secret.len())
            || !secret.bytes().all(url_safe)
        {
            return Err(NotAJoinToken);
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(fingerprint.as_bytes().chunks(2)) {
            let digits = core::str::from_utf8(digits).map_err(|_| NotAJoinToken)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotAJoinToken)?;
        }
        Ok(Self::new(bytes, secret.to_owned()))
    }
}

impl fmt::Debug for JoinTokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinTokenText(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_leads_back_and_half_a_token_does_not() {
        let token = JoinTokenText::new([0xa5; 32], "abcdefghijklmnopqrstuvwxyz-_".into());
        let text = token.text();
        assert!(text.starts_with("lapwing-join.a5a5"));
        assert_eq!(text.parse::<JoinTokenText>().unwrap(), token);
        assert_eq!(format!(" {}\n", *text).parse::<JoinTokenText>().unwrap(), token);
        for cut in [0, 5, 20, 77, 80] {
            assert!(text[..cut].parse::<JoinTokenText>().is_err(), "{cut}");
        }
        assert!(!format!("{token:?}").contains("abcdef"));
    }
}

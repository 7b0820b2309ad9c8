//! What the account database holds in place of a password.

use std::fmt;

/// A crypt(5) string without lock marks (rotation.md 1, "verifier"). Its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(String);

/// A text that cannot be a verifier: not printable ASCII, or it holds a colon or starts with a lock mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a crypt string")]
pub struct NotAVerifier;

impl Verifier {
    /// Takes a crypt string.
    pub fn new(text: String) -> Result<Self, NotAVerifier> {
        let printable = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b':');
        if printable && !text.starts_with(['!', '*']) { Ok(Self(text)) } else { Err(NotAVerifier) }
    }

    /// The crypt string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the string is one of the salted kinds of crypt(5). Equal passwords give equal unsalted
    /// strings, so those are never fingerprinted (rotation.md 1); texts of no known kind are not salted.
    pub fn is_salted(&self) -> bool {
        const SALTED: [&str; 13] = ["1", "2a", "2b", "2x", "2y", "5", "6", "7", "y", "gy", "sha1", "md5", "scrypt"];
        let crypt64 = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b));
        if let Some(rest) = self.0.strip_prefix('$') {
            let mut parts = rest.split('$');
            let id = parts.next().unwrap_or_default();
            let id = id.split(',').next().unwrap_or_default();
            return SALTED.contains(&id) && parts.next().is_some_and(|part| !part.is_empty());
        }
        match self.0.strip_prefix('_') {
            Some(extended_des) => extended_des.len() == 19 && crypt64(extended_des),
            None => self.0.len() == 13 && crypt64(&self.0),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(redacted)")
    }
}

/// The password field of a shadow line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordField {
    /// Empty: the account opens without a password.
    Empty,
    /// A salted verifier without lock mark.
    Open(Verifier),
    /// A lock mark (`*`, `!`, `!*`, `!hash`), or a text that no password opens; with the verifier behind
    /// the mark if there is one.
    Locked(Option<Verifier>),
}

impl PasswordField {
    /// Takes the field's bytes apart.
    pub fn read(field: &[u8]) -> Self {
        if field.is_empty() {
            return Self::Empty;
        }
        let marks = field.iter().take_while(|b| **b == b'!').count();
        let rest = String::from_utf8(field[marks..].to_vec()).ok();
        let verifier = rest.and_then(|text| Verifier::new(text).ok());
        match verifier {
            Some(verifier) if marks > 0 => Self::Locked(Some(verifier)),
            // A text of no known kind opens for nobody; to replace it unmarked would enable the account.
            Some(verifier) if verifier.is_salted() => Self::Open(verifier),
            Some(_) | None => Self::Locked(None),
        }
    }

    /// The verifier, lock marks removed.
    pub fn verifier(&self) -> Option<&Verifier> {
        match self {
            Self::Empty | Self::Locked(None) => None,
            Self::Open(verifier) | Self::Locked(Some(verifier)) => Some(verifier),
        }
    }

    /// Whether the account is disabled for passwords.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_))
    }

    /// The field with a new verifier: lock marks are kept, as one `!` (rotation.md 7).
    pub fn with(&self, verifier: &Verifier) -> String {
        format!("{}{}", if self.is_locked() { "!" } else { "" }, verifier.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$6$salt$abc";

    #[test]
    fn lock_marks_are_kept() {
        let new = Verifier::new("$y$j9T$s$h".into()).unwrap();
        let after = |field: &str| PasswordField::read(field.as_bytes()).with(&new);
        for locked in ["*", "!", "!!", "!*", "*LK*", "!$6$salt$abc", "!!$6$salt$abc", "x", "NP", "\u{e9}"] {
            assert_eq!(after(locked), "!$y$j9T$s$h", "{locked}");
        }
        for open in ["", HASH, "$1$s$h", "ab0123456789."] {
            assert_eq!(after(open), "$y$j9T$s$h", "{open}");
        }
    }

    #[test]
    fn the_verifier_is_what_stands_behind_the_mark() {
        let verifier =
            |field: &str| PasswordField::read(field.as_bytes()).verifier().map(|verifier| verifier.as_str().to_owned());
        assert_eq!(verifier(HASH).as_deref(), Some(HASH));
        assert_eq!(verifier("!$6$salt$abc").as_deref(), Some(HASH));
        assert_eq!(verifier("!!$6$salt$abc").as_deref(), Some(HASH));
        for none in ["", "*", "!", "!*", "!!"] {
            assert_eq!(verifier(none), None, "{none}");
        }
    }

    #[test]
    fn only_salted_kinds_count_as_salted() {
        let salted = |text: &str| Verifier::new(text.into()).unwrap().is_salted();
        for text in [HASH, "$y$j9T$s$h", "$2b$05$abc", "$sha1$4$s$h", "_0123456789abcdefghi", "ab0123456789."] {
            assert!(salted(text), "{text}");
        }
        for text in ["$3$$8846f7eaee8fb117ad06bdd830b7586c", "$6$", "$6$$hash", "plain", "x", "$unknown$s$h"] {
            assert!(!salted(text), "{text}");
        }
        assert_eq!(Verifier::new("a:b".into()), Err(NotAVerifier));
        assert_eq!(Verifier::new("!a".into()), Err(NotAVerifier));
        assert_eq!(Verifier::new("a\nb".into()), Err(NotAVerifier));
        assert_eq!(format!("{:?}", Verifier::new(HASH.into())), "Ok(Verifier(redacted))");
    }
}

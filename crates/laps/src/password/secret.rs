//! The one type that holds a password in clear.

use core::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A password in clear.
///
/// It has no `Display` and no way into serde, its `Debug` is redacted, it is wiped when dropped and
/// compared in constant time (in the length that both have). [`Password::reveal`] is the one way to the
/// text, so that a search for `.reveal(` finds every place that sees one.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the text over; the caller leaves no other copy behind.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
    /// The text in clear.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}
impl Eq for Password {}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_redacted_and_equality_is_by_content() {
        let password = Password::new("correct horse".into());
        assert_eq!(format!("{password:?}"), "Password(redacted)");
        assert_eq!(password, Password::new("correct horse".into()));
        assert_ne!(password, Password::new("correct horsf".into()));
    }
}

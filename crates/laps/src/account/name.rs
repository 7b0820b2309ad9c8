//! What an account that the agent makes is called (laps-behaviour.md 6).

use crate::policy::AutomaticAccount;

/// Digits of a random suffix: six, as the newer text says.
pub const SUFFIX_DIGITS: usize = 6;
/// How many suffixes there are; one is drawn from `0..SUFFIXES`.
pub const SUFFIXES: u32 = 1_000_000;
/// The longest name, and the longest prefix with six or with eight digits behind it, in characters.
const NAME_CHARS_MAX: usize = 20;
/// Digits of a suffix by the older template; taken when an account is recognised, never made.
const FORMER_SUFFIX_DIGITS: usize = 8;

/// How the account is named: literally, or by a prefix with six random digits at each rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameRule {
    whole: String,
    random: bool,
}

/// A name that policy asks for and that no account of this machine can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} cannot be the name of an account: it must start with a letter or an underscore and hold letters, \
     digits, dots, hyphens and underscores of ASCII only"
)]
pub struct NameError {
    /// The name or prefix that policy gives.
    pub name: String,
}

impl NameRule {
    /// The rule of AutomaticAccountManagementNameOrPrefix and …RandomizeName.
    pub fn of(wanted: &AutomaticAccount) -> Self {
        Self { whole: cut(&wanted.name_or_prefix, NAME_CHARS_MAX), random: wanted.randomize_name }
    }

    /// Whether each rotation makes a new name.
    pub const fn is_random(&self) -> bool {
        self.random
    }

    /// The name, or the prefix of random ones cut to 14 characters.
    pub fn base(&self) -> String {
        if self.random { cut(&self.whole, NAME_CHARS_MAX - SUFFIX_DIGITS) } else { self.whole.clone() }
    }

    /// Whether a machine can have such an account.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn check(&self) -> Result<(), NameError> {
        let base = self.base();
        let starts = base.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let rest = base.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if starts && rest { Ok(()) } else { Err(NameError { name: self.whole.clone() }) }
    }

    /// The name with a drawn suffix, a number below [`SUFFIXES`]; without randomising the suffix is not used.
    pub fn name(&self, suffix: u32) -> String {
        let base = self.base();
        if self.random { format!("{base}{:0width$}", suffix % SUFFIXES, width = SUFFIX_DIGITS) } else { base }
    }

    /// Whether a name is one that this rule makes. When it is not, policy has changed the name, the prefix
    /// or randomising, which is a reason to rotate.
    pub fn fits(&self, name: &str) -> bool {
        if !self.random {
            return name == self.base();
        }
        digits_after(name, &self.base(), SUFFIX_DIGITS)
    }

    /// Whether a name may be one of ours from before, under this prefix: literal, or with six or eight digits.
    pub fn recognises(&self, name: &str) -> bool {
        name == self.whole
            || digits_after(name, &cut(&self.whole, NAME_CHARS_MAX - SUFFIX_DIGITS), SUFFIX_DIGITS)
            || digits_after(name, &cut(&self.whole, NAME_CHARS_MAX - FORMER_SUFFIX_DIGITS), FORMER_SUFFIX_DIGITS)
    }
}

fn digits_after(name: &str, prefix: &str, count: usize) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.len() == count && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn cut(text: &str, chars_max: usize) -> String {
    text.chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(name: &str, random: bool) -> NameRule {
        NameRule::of(&AutomaticAccount {
            built_in: false,
            name_or_prefix: name.into(),
            randomize_name: random,
            enable: false,
        })
    }

    #[test]
    fn names_and_their_limits() {
        assert_eq!(rule("WLapsAdmin", false).name(7), "WLapsAdmin");
        assert_eq!(rule("WLapsAdmin", true).name(7), "WLapsAdmin000007");
        assert_eq!(rule("ABCDEFGHIJKLMNOPQRST", true).name(123_456), "ABCDEFGHIJKLMN123456");
        assert_eq!(rule("ABCDEFGHIJKLMNOPQRSTUV", false).name(0), "ABCDEFGHIJKLMNOPQRST");
        assert!(!rule("WLapsAdmin", false).fits("WLapsAdmin000007"));
        assert!(rule("WLapsAdmin", true).fits("WLapsAdmin000007"));
        for other in ["WLapsAdmin", "WLapsAdmin00007", "WLapsAdmin00000x", "wlapsadmin000007"] {
            assert!(!rule("WLapsAdmin", true).fits(other), "{other}");
        }
        for former in ["WLapsAdmin", "WLapsAdmin123456", "WLapsAdmin12345678"] {
            assert!(rule("WLapsAdmin", true).recognises(former) && rule("WLapsAdmin", false).recognises(former));
        }
        assert!(rule("ABCDEFGHIJKLMNOPQRST", true).recognises("ABCDEFGHIJKL12345678"));
    }

    #[test]
    fn names_that_no_account_can_have() {
        for good in ["WLapsAdmin", "_x", "a.b-c_9"] {
            assert_eq!(rule(good, true).check(), Ok(()), "{good}");
        }
        for bad in ["", "9a", "a b", "a:b", "a,b", "-a", "+a", "a/b", "a\nb", "\u{e9}", "a$", ".a"] {
            assert!(rule(bad, true).check().is_err() && rule(bad, false).check().is_err(), "{bad:?}");
        }
    }

    proptest! {
        /// The 20-character rule, and that every name that is made is one that fits.
        #[test]
        fn every_name_fits_its_rule(prefix in "[A-Za-z_][A-Za-z0-9._-]{0,30}", suffix in any::<u32>(), random: bool) {
            let rule = rule(&prefix, random);
            let name = rule.name(suffix);
            prop_assert!(name.chars().count() <= 20);
            prop_assert!(rule.fits(&name) && rule.recognises(&name));
            prop_assert_eq!(rule.check(), Ok(()));
        }
    }
}

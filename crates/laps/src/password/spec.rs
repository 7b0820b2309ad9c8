//! What a password is made of.

use super::{alphabet::Alphabet, wordlist::WordList};
use crate::policy::{Allowed, Setting};

/// What a password is made of: the settings PasswordComplexity, PasswordLength and PassphraseLength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PasswordSpec {
    complexity: u32,
    count: u32,
}

/// What a password is drawn from.
#[derive(Debug, Clone, Copy)]
pub enum Material {
    /// Characters of an alphabet.
    Characters(&'static Alphabet),
    /// Words of a list: a passphrase.
    Words(WordList),
}

/// A number outside its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {given}: expected {min} to {max}")]
pub struct SpecError {
    /// The setting.
    pub setting: Setting,
    /// The number.
    pub given: u32,
    /// The least allowed.
    pub min: u32,
    /// The greatest allowed.
    pub max: u32,
}

impl PasswordSpec {
    /// From the numbers of the three settings. With complexity 1 to 5 `words` does not count, with 6 to 8
    /// `length` does not (laps-behaviour.md 3.2).
    pub fn new(complexity: u32, length: u32, words: u32) -> Result<Self, SpecError> {
        within(Setting::PasswordComplexity, complexity)?;
        let count = if complexity < 6 {
            within(Setting::PasswordLength, length)?
        } else {
            within(Setting::PassphraseLength, words)?
        };
        Ok(Self { complexity, count })
    }
    /// PasswordComplexity, 1 to 8.
    pub const fn complexity(self) -> u32 {
        self.complexity
    }
    /// Characters, or words of a passphrase.
    pub const fn count(self) -> u32 {
        self.count
    }
    /// What is drawn.
    pub fn material(self) -> Material {
        match WordList::of_complexity(self.complexity) {
            Some(list) => Material::Words(list),
            None => Material::Characters(Alphabet::of_complexity(self.complexity).unwrap_or(Alphabet::DEFAULT)),
        }
    }
    /// The entropy as it is published: characters times log2 of the alphabet, words times log2 of the
    /// list. That each class must appear is not deducted.
    ///
    /// The short lists count 1,296 words here and 1,276 in the published text; see [`WordList`].
    pub fn entropy_bits(self) -> f64 {
        let symbols = match self.material() {
            Material::Characters(alphabet) => alphabet.size(),
            Material::Words(list) => list.words().len(),
        };
        f64::from(self.count) * (symbols as f64).log2()
    }
}

/// Complexity 4, 14 characters: the defaults of the settings.
impl Default for PasswordSpec {
    fn default() -> Self {
        Self { complexity: 4, count: 14 }
    }
}

fn within(setting: Setting, given: u32) -> Result<u32, SpecError> {
    let (min, max) = match &setting.info().allowed {
        Allowed::Range { min, max } => (*min, *max),
        Allowed::Enum(list) => (list.first().map_or(0, |item| item.value), list.last().map_or(0, |item| item.value)),
        _ => (0, 0),
    };
    if (min..=max).contains(&given) { Ok(given) } else { Err(SpecError { setting, given, min, max }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DefaultValue;

    /// The published tables of laps-behaviour.md 3.3, whole.
    #[test]
    fn entropy_is_the_published_one() {
        let characters = [
            (8, [38, 46, 48, 51, 48]),
            (9, [42, 51, 54, 57, 54]),
            (10, [47, 57, 60, 63, 60]),
            (11, [52, 63, 65, 70, 66]),
            (12, [56, 68, 71, 76, 72]),
            (13, [61, 74, 77, 82, 78]),
            (14, [66, 80, 83, 89, 84]),
            (20, [94, 114, 119, 126, 120]),
            (40, [188, 228, 238, 253, 240]),
            (60, [282, 342, 357, 379, 360]),
        ];
        for (length, published) in characters {
            for (complexity, bits) in (1..).zip(published) {
                let spec = PasswordSpec::new(complexity, length, 0).unwrap();
                assert_eq!(spec.entropy_bits().round(), f64::from(bits), "{spec:?}");
            }
        }
        let words = [
            (3, [39, 31, 31]),
            (4, [52, 41, 41]),
            (5, [65, 52, 52]),
            (6, [78, 62, 62]),
            (7, [90, 72, 72]),
            (8, [103, 83, 83]),
            (9, [116, 93, 93]),
            (10, [129, 103, 103]),
        ];
        for (count, published) in words {
            for (complexity, bits) in (6..).zip(published) {
                let spec = PasswordSpec::new(complexity, 0, count).unwrap();
                assert_eq!(spec.entropy_bits().round(), f64::from(bits), "{spec:?}");
                if complexity > 6 {
                    let edited = f64::from(count) * 1276f64.log2();
                    assert_eq!(edited.round(), f64::from(bits), "with 1,276 words");
                }
            }
        }
    }

    #[test]
    fn ranges_are_those_of_the_table() {
        for (complexity, length, words, good) in [
            (1, 8, 0, true),
            (5, 64, 0, true),
            (4, 7, 6, false),
            (4, 65, 6, false),
            (6, 0, 3, true),
            (8, 0, 10, true),
            (6, 14, 2, false),
            (6, 14, 11, false),
            (0, 14, 6, false),
            (9, 14, 6, false),
        ] {
            assert_eq!(PasswordSpec::new(complexity, length, words).is_ok(), good, "{complexity} {length} {words}");
        }
        let error = PasswordSpec::new(4, 65, 6).unwrap_err();
        assert_eq!(error.to_string(), "PasswordLength is 65: expected 8 to 64");
    }

    #[test]
    fn the_default_is_that_of_the_table() {
        let default = |setting: Setting| match setting.info().default {
            DefaultValue::Int(number) => number,
            _ => 0,
        };
        assert_eq!(
            PasswordSpec::new(
                default(Setting::PasswordComplexity),
                default(Setting::PasswordLength),
                default(Setting::PassphraseLength)
            ),
            Ok(PasswordSpec::default())
        );
    }
}

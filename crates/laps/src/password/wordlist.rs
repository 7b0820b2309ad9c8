//! The word lists of PasswordComplexity 6 to 8.
//!
//! They are the Electronic Frontier Foundation's "New Wordlists for Random Passphrases" (2016), under CC BY
//! 3.0 US, unchanged. The short lists have 1,296 words, six to the power of four. Windows documents 1,276:
//! it took a few words out. At ten words that is 103.4 against 103.2 bits, and the published table of
//! entropies is the same for both after rounding.

use std::sync::LazyLock;

/// A list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WordList {
    /// PasswordComplexity 6: 7,776 long words.
    Large,
    /// PasswordComplexity 7: 1,296 short words.
    Short,
    /// PasswordComplexity 8: 1,296 words with unique first three letters.
    UniquePrefix,
}

static LARGE: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../data/wordlists/eff-large.txt").lines().collect());
static SHORT: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../data/wordlists/eff-short-1.txt").lines().collect());
static UNIQUE_PREFIX: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| include_str!("../../data/wordlists/eff-short-2.txt").lines().collect());

impl WordList {
    /// The attribution that the licence of the lists asks for.
    pub const ATTRIBUTION: &str = "Word lists: Electronic Frontier Foundation, \"Deep Dive: EFF's New Wordlists for Random Passphrases\" (2016), CC BY 3.0 US.";

    /// The list of PasswordComplexity 6 to 8.
    pub const fn of_complexity(complexity: u32) -> Option<Self> {
        match complexity {
            6 => Some(Self::Large),
            7 => Some(Self::Short),
            8 => Some(Self::UniquePrefix),
            _ => None,
        }
    }
    /// The words, in lower case, in the order of the list.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Large => &LARGE,
            Self::Short => &SHORT,
            Self::UniquePrefix => &UNIQUE_PREFIX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_lists_are_whole() {
        for (list, size) in [(WordList::Large, 7776), (WordList::Short, 1296), (WordList::UniquePrefix, 1296)] {
            let words = list.words();
            assert_eq!(words.len(), size);
            assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), size);
            for word in words {
                assert!(word.starts_with(|c: char| c.is_ascii_lowercase()), "{word}");
                assert!(word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{word}");
            }
        }
    }

    #[test]
    fn first_three_letters_of_the_second_short_list_are_unique() {
        let prefixes: BTreeSet<&str> = WordList::UniquePrefix.words().iter().map(|word| &word[..3]).collect();
        assert_eq!(prefixes.len(), 1296);
    }
}

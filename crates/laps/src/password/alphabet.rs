//! The alphabets of PasswordComplexity 1 to 5 (laps-behaviour.md 3.1).

/// A set of characters in classes. A password has at least one character of each class.
#[derive(Debug)]
pub struct Alphabet {
    classes: &'static [&'static str],
    /// All characters, class by class; `size` of them.
    symbols: [u8; Self::SIZE_MAX],
    /// For each character the bit of its class.
    class_bits: [u8; Self::SIZE_MAX],
    size: usize,
}

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const SPECIALS: &str = ",.-+;!#&@{}[]$/()%";
/// Without I, O and Q.
const UPPER_READABLE: &str = "ABCDEFGHJKLMNPRSTUVWXYZ";
/// Without l and o.
const LOWER_READABLE: &str = "abcdefghijkmnpqrstuvwxyz";
/// Without 0 and 1.
const DIGITS_READABLE: &str = "23456789";
const SPECIALS_READABLE: &str = "!#%+@:=?*";

static COMPLEXITY_1: Alphabet = Alphabet::new(&[UPPER]);
static COMPLEXITY_2: Alphabet = Alphabet::new(&[UPPER, LOWER]);
static COMPLEXITY_3: Alphabet = Alphabet::new(&[UPPER, LOWER, DIGITS]);
static COMPLEXITY_4: Alphabet = Alphabet::new(&[UPPER, LOWER, DIGITS, SPECIALS]);
static COMPLEXITY_5: Alphabet = Alphabet::new(&[UPPER_READABLE, LOWER_READABLE, DIGITS_READABLE, SPECIALS_READABLE]);

impl Alphabet {
    const SIZE_MAX: usize = 80;
    /// The alphabet of the default complexity, 4.
    pub(super) const DEFAULT: &'static Self = &COMPLEXITY_4;

    const fn new(classes: &'static [&'static str]) -> Self {
        let mut symbols = [0; Self::SIZE_MAX];
        let mut class_bits = [0; Self::SIZE_MAX];
        let mut size = 0;
        let mut class = 0;
        while class < classes.len() {
            let members = classes[class].as_bytes();
            let mut index = 0;
            while index < members.len() {
                symbols[size] = members[index];
                class_bits[size] = 1 << class;
                size += 1;
                index += 1;
            }
            class += 1;
        }
        Self { classes, symbols, class_bits, size }
    }

    /// The alphabet of PasswordComplexity 1 to 5.
    pub const fn of_complexity(complexity: u32) -> Option<&'static Self> {
        match complexity {
            1 => Some(&COMPLEXITY_1),
            2 => Some(&COMPLEXITY_2),
            3 => Some(&COMPLEXITY_3),
            4 => Some(&COMPLEXITY_4),
            5 => Some(&COMPLEXITY_5),
            _ => None,
        }
    }
    /// The classes: upper case, lower case, digits, specials, as many as there are.
    pub const fn classes(&self) -> &'static [&'static str] {
        self.classes
    }
    /// How many characters it has.
    pub const fn size(&self) -> usize {
        self.size
    }
    /// Whether a text is of this alphabet and has a character of each class.
    pub fn admits(&self, text: &str) -> bool {
        text.chars().all(|c| self.classes.iter().any(|class| class.contains(c)))
            && self.classes.iter().all(|class| text.chars().any(|c| class.contains(c)))
    }
    /// The character of a number below the size, and the bit of its class.
    #[inline]
    pub(super) fn symbol(&self, number: usize) -> (u8, u8) {
        (self.symbols[number], self.class_bits[number])
    }
    /// The bits of all classes together.
    pub(super) const fn all_class_bits(&self) -> u8 {
        (1 << self.classes.len()) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_published_ones_and_no_character_stands_twice() {
        for (complexity, size) in [(1, 26), (2, 52), (3, 62), (4, 80), (5, 64)] {
            let alphabet = Alphabet::of_complexity(complexity).unwrap();
            assert_eq!(alphabet.size(), size);
            let mut all: Vec<char> = alphabet.classes().concat().chars().collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), size);
        }
        assert!(Alphabet::of_complexity(0).is_none());
        assert!(Alphabet::of_complexity(6).is_none());
    }

    /// The published list of what complexity 5 leaves out and takes in, with the three characters that
    /// the list forgets and the literal set lacks.
    #[test]
    fn complexity_5_differs_from_4_as_published() {
        let four = Alphabet::of_complexity(4).unwrap().classes().concat();
        let five = Alphabet::of_complexity(5).unwrap().classes().concat();
        let gone: String = four.chars().filter(|c| !five.contains(*c)).collect();
        let new: String = five.chars().filter(|c| !four.contains(*c)).collect();
        assert_eq!(gone, "IOQlo01,.-;&{}[]$/()");
        assert_eq!(new, ":=?*");
    }
}

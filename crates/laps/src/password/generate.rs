//! Generating passwords, uniformly over all that are valid.

use super::{
    alphabet::Alphabet,
    secret::Password,
    spec::{Material, PasswordSpec},
    wordlist::WordList,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The most words of a passphrase.
const WORDS_MAX: usize = 10;
/// The most numbers that one random word gives: 12 of the smallest alphabet, 26.
const PER_BLOCK_MAX: usize = 12;

/// Generates a password.
///
/// Characters are drawn uniformly and independently; a password that lacks a class is thrown away
/// whole, so that every valid password is equally likely. A passphrase is words drawn uniformly, with
/// replacement, the first letter of each in upper case, without separator (laps-behaviour.md 3.1, 3.2).
pub fn generate<R: CryptoRng + ?Sized>(spec: PasswordSpec, rng: &mut R) -> Password {
    let count = spec.count() as usize;
    match spec.material() {
        Material::Characters(alphabet) => characters(alphabet, count, rng),
        Material::Words(list) => words(list, count, rng),
    }
}

fn characters<R: CryptoRng + ?Sized>(alphabet: &Alphabet, length: usize, rng: &mut R) -> Password {
    // allocated once at its final size, so that no copy stays behind in freed memory
    let mut text = Zeroizing::new(String::with_capacity(length));
    let draw = Draw::new(alphabet.size() as u64);
    loop {
        let mut seen = 0;
        let mut block = [0; PER_BLOCK_MAX];
        while text.len() < length {
            let count = draw.per_block.min(length - text.len());
            draw.block(rng, &mut block[..count]);
            for number in &block[..count] {
                let (symbol, class) = alphabet.symbol(usize::from(*number));
                text.push(char::from(symbol));
                seen |= class;
            }
        }
        if seen == alphabet.all_class_bits() {
            return Password::new(core::mem::take(&mut text));
        }
        text.clear();
    }
}

fn words<R: CryptoRng + ?Sized>(list: WordList, count: usize, rng: &mut R) -> Password {
    let words = list.words();
    let draw = Draw::new(words.len() as u64);
    let mut numbers = Zeroizing::new([0u16; WORDS_MAX]);
    let numbers = &mut numbers[..count.min(WORDS_MAX)];
    for block in numbers.chunks_mut(draw.per_block) {
        draw.block(rng, block);
    }
    let chosen = || numbers.iter().map(|number| words[usize::from(*number)]);
    let mut text = String::with_capacity(chosen().map(str::len).sum());
    for word in chosen() {
        let (first, rest) = word.split_at(1);
        text.extend(first.chars().map(|c| c.to_ascii_uppercase()));
        text.push_str(rest);
    }
    Password::new(text)
}

/// Draws several numbers below `range` from one 64-bit word, without bias (Brackett-Rozinsky and Lemire,
/// "Batched Ranged Random Integer Generation", 2024): the word, as a fraction, is multiplied by `range`
/// again and again, the integer parts are the numbers, and words whose last fraction falls below
/// 2^64 mod range^n are thrown away.
struct Draw {
    range: u64,
    /// How many numbers one word gives; few enough that hardly any word is thrown away.
    per_block: usize,
}

impl Draw {
    const fn new(range: u64) -> Self {
        let mut per_block = 0;
        let mut product: u64 = 1;
        // up to 2^61: at most one word in eight is thrown away
        while product <= (1 << 61) / range {
            product *= range;
            per_block += 1;
        }
        Self { range, per_block }
    }

    #[inline]
    fn block<R: CryptoRng + ?Sized>(&self, rng: &mut R, numbers: &mut [u16]) {
        loop {
            let mut fraction = rng.next_u64();
            let mut product: u64 = 1;
            for number in &mut *numbers {
                let wide = u128::from(fraction) * u128::from(self.range);
                *number = (wide >> 64) as u16;
                fraction = wide as u64;
                product *= self.range;
            }
            // 2^64 mod product is below product: most words need no division
            if fraction >= product || fraction >= product.wrapping_neg() % product {
                return;
            }
        }
    }
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;

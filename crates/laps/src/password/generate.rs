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
    let draw = Draw::new(alphabet.size() as u64);
    let mut bits = Bits::new(rng, length.div_ceil(draw.per_block));
    // allocated once at its final size, so that no copy stays behind in freed memory
    let mut text = Zeroizing::new(vec![0u8; length]);
    let mut numbers = Zeroizing::new([0u16; PER_BLOCK_MAX]);
    loop {
        let mut seen = 0;
        for block in text.chunks_mut(draw.per_block) {
            let numbers = &mut numbers[..block.len()];
            draw.block(&mut bits, numbers);
            for (place, number) in block.iter_mut().zip(numbers) {
                let (symbol, class) = alphabet.symbol(usize::from(*number));
                *place = symbol;
                seen |= class;
            }
        }
        if seen == alphabet.all_class_bits() {
            break;
        }
    }
    // the alphabets are ASCII: every byte is a character
    match String::from_utf8(core::mem::take(&mut text)) {
        Ok(text) => Password::new(text),
        Err(bytes) => Password::new(bytes.into_bytes().into_iter().map(char::from).collect()),
    }
}

fn words<R: CryptoRng + ?Sized>(list: WordList, count: usize, rng: &mut R) -> Password {
    let words = list.words();
    let draw = Draw::new(words.len() as u64);
    let mut numbers = Zeroizing::new([0u16; WORDS_MAX]);
    let numbers = &mut numbers[..count.min(WORDS_MAX)];
    let mut bits = Bits::new(rng, numbers.len().div_ceil(draw.per_block));
    for block in numbers.chunks_mut(draw.per_block) {
        draw.block(&mut bits, block);
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

/// Random words, drawn from the generator several at a time: the system's generator is a system call.
struct Bits<'r, R: ?Sized> {
    rng: &'r mut R,
    pool: Zeroizing<[u8; 64]>,
    next: usize,
    end: usize,
}

impl<'r, R: CryptoRng + ?Sized> Bits<'r, R> {
    /// `blocks`: how many words one password takes. At least four are drawn at once, so that a password
    /// that lacks a class seldom costs another call.
    fn new(rng: &'r mut R, blocks: usize) -> Self {
        let end = 8 * blocks.clamp(4, 8);
        Self { rng, pool: Zeroizing::new([0; 64]), next: end, end }
    }

    #[inline]
    fn word(&mut self) -> u64 {
        if self.next == self.end {
            self.rng.fill_bytes(&mut self.pool[..self.end]);
            self.next = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.pool[self.next..self.next + 8]);
        self.next += 8;
        u64::from_le_bytes(word)
    }
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
    fn block<R: CryptoRng + ?Sized>(&self, bits: &mut Bits<'_, R>, numbers: &mut [u16]) {
        loop {
            let mut fraction = bits.word();
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

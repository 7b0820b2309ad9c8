use super::*;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

fn rng() -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(2026)
}

/// Whether a chi-squared statistic is below what a uniform source exceeds once in a million times
/// (Wilson and Hilferty's approximation).
fn assert_fits(statistic: f64, cells: usize) {
    let freedom = (cells - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    let bound = freedom * (1.0 - spread + 4.753 * spread.sqrt()).powi(3);
    assert!(statistic < bound, "chi-squared {statistic} over {bound}");
}

fn chi_squared(counted: &[(u64, f64)]) -> f64 {
    counted.iter().map(|(seen, expected)| (*seen as f64 - expected).powi(2) / expected).sum()
}

/// How many texts of `length` over the alphabet have every class of `missing` (bits), by inclusion and
/// exclusion, as a share of all texts.
fn share_with(alphabet: &Alphabet, length: u32, missing: u32) -> f64 {
    let sizes: Vec<usize> = alphabet.classes().iter().map(|class| class.len()).collect();
    let mut share = 0.0;
    for absent in 0..(1u32 << sizes.len()) {
        if absent & !missing != 0 {
            continue;
        }
        let gone: usize = (0..sizes.len()).filter(|class| absent & (1 << class) != 0).map(|class| sizes[class]).sum();
        let left = (alphabet.size() - gone) as f64 / alphabet.size() as f64;
        share += if absent.count_ones() % 2 == 0 { 1.0 } else { -1.0 } * left.powi(length as i32);
    }
    share
}

#[test]
fn every_password_is_valid_at_both_ends_of_every_range() {
    let mut rng = rng();
    for complexity in 1..=5 {
        for length in [8, 14, 64] {
            let spec = PasswordSpec::new(complexity, length, 0).unwrap();
            let alphabet = Alphabet::of_complexity(complexity).unwrap();
            for _ in 0..500 {
                let password = generate(spec, &mut rng);
                assert_eq!(password.reveal().len(), length as usize);
                assert!(alphabet.admits(password.reveal()), "{spec:?}");
            }
        }
    }
}

/// Over all valid passwords each position has the same distribution, and it is known exactly: a
/// character of class c stands there in proportion to the ways in which the rest has the other classes.
#[test]
fn characters_are_uniform_over_valid_passwords() {
    let mut rng = rng();
    for complexity in 1..=5 {
        for (length, passwords) in [(8u32, 40_000u64), (14, 20_000)] {
            let spec = PasswordSpec::new(complexity, length, 0).unwrap();
            let alphabet = Alphabet::of_complexity(complexity).unwrap();
            let mut first = [0u64; 128];
            let mut anywhere = [0u64; 128];
            for _ in 0..passwords {
                let password = generate(spec, &mut rng);
                let bytes = password.reveal().as_bytes();
                first[usize::from(bytes[0])] += 1;
                for byte in bytes {
                    anywhere[usize::from(*byte)] += 1;
                }
            }
            let all = (1u32 << alphabet.classes().len()) - 1;
            let valid = share_with(alphabet, length, all);
            for (counts, draws) in [(first, passwords), (anywhere, passwords * u64::from(length))] {
                let mut cells = Vec::new();
                for (class, members) in alphabet.classes().iter().enumerate() {
                    let rest = share_with(alphabet, length - 1, all & !(1 << class));
                    let chance = rest / valid / alphabet.size() as f64;
                    for member in members.bytes() {
                        cells.push((counts[usize::from(member)], draws as f64 * chance));
                    }
                }
                let expected: f64 = cells.iter().map(|(_, expected)| expected).sum();
                assert!((expected - draws as f64).abs() < 1e-3, "the chances sum to one");
                assert_fits(chi_squared(&cells), cells.len());
            }
        }
    }
}

#[test]
fn words_are_uniform_at_every_place() {
    let mut rng = rng();
    for complexity in 6..=8 {
        let list = WordList::of_complexity(complexity).unwrap();
        let size = list.words().len();
        let draw = Draw::new(size as u64);
        let mut bits = Bits::new(&mut rng, 8);
        for place in 0..draw.per_block {
            let mut counts = vec![0u64; size];
            let draws = 20 * size;
            let mut numbers = vec![0u16; draw.per_block];
            for _ in 0..draws {
                draw.block(&mut bits, &mut numbers);
                counts[usize::from(numbers[place])] += 1;
            }
            let cells: Vec<_> = counts.iter().map(|seen| (*seen, 20.0)).collect();
            assert_fits(chi_squared(&cells), size);
        }
    }
}

/// The published sample: `SkiingProduceIdentifyStarlitOctaneDistress`.
#[test]
fn passphrases_are_capitalised_words_without_separator() {
    let mut rng = rng();
    for complexity in 6..=8 {
        let list = WordList::of_complexity(complexity).unwrap();
        for count in [3, 6, 10] {
            let spec = PasswordSpec::new(complexity, 0, count).unwrap();
            for _ in 0..200 {
                let password = generate(spec, &mut rng);
                let text = password.reveal();
                let mut words = Vec::new();
                for c in text.chars() {
                    if c.is_ascii_uppercase() {
                        words.push(String::new());
                    }
                    words.last_mut().unwrap().push(c.to_ascii_lowercase());
                }
                assert_eq!(words.len(), count as usize);
                assert!(words.iter().all(|word| list.words().contains(&word.as_str())));
            }
        }
    }
}

#[test]
fn hardly_any_word_is_thrown_away() {
    for range in [26u64, 52, 62, 64, 80, 1296, 7776] {
        let draw = Draw::new(range);
        assert!(draw.per_block <= PER_BLOCK_MAX);
        let product = range.pow(draw.per_block as u32);
        let rejected = product.wrapping_neg() % product;
        assert!((rejected as f64) < 2f64.powi(64) / 8.0, "{range}");
        let bits_used = (product as f64).log2();
        assert!(bits_used > 50.0, "{range}: {bits_used} of 64 bits used");
    }
}

//! What a test runs in place of the engine: the corpus of a fuzz target, and seeded mutations of it. Taken in by path, as
//! the checks are.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::path::Path;

const MUTATIONS: u32 = 20_000;
/// Another seed is another run; a failure names seed and round.
const SEED: u64 = 0x1A9_1961;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(&directory).expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 4, "a corpus of {} files in {}", paths.len(), directory.display());
    paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

fn below(random: &mut ChaCha8Rng, n: usize) -> usize {
    usize::try_from(random.next_u64() % u64::try_from(n.max(1)).expect("a size")).expect("below n")
}

/// One to four changes: a byte, a cut, a repeated or moved piece, a piece of another document, a token of the format.
fn mutate(random: &mut ChaCha8Rng, corpus: &[Vec<u8>], tokens: &[&[u8]]) -> Vec<u8> {
    let mut bytes = corpus[below(random, corpus.len())].clone();
    for _ in 0..=below(random, 4) {
        let at = below(random, bytes.len() + 1);
        let end = (at + below(random, 60)).min(bytes.len());
        match below(random, 7) {
            0 if at < bytes.len() => bytes[at] = random.next_u32().to_le_bytes()[0],
            1 if at < bytes.len() => bytes[at] ^= 1 << below(random, 8),
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => {
                let piece = bytes[at..end].to_vec();
                let to = below(random, bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            5 => {
                let other = &corpus[below(random, corpus.len())];
                let from = below(random, other.len() + 1);
                let piece = other[from..(from + below(random, 300)).min(other.len())].to_vec();
                bytes.splice(at..end, piece);
            }
            _ => drop(bytes.splice(at..at, tokens[below(random, tokens.len())].iter().copied())),
        }
    }
    bytes
}

/// The corpus of a target and 20,000 mutations of it; `tokens` are pieces that mean something in its format.
pub fn smoke(target: &str, tokens: &[&[u8]], check: fn(&[u8])) {
    let corpus = corpus(target);
    corpus.iter().for_each(|bytes| check(bytes));
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    for round in 0..MUTATIONS {
        let bytes = mutate(&mut random, &corpus, tokens);
        let outcome = std::panic::catch_unwind(|| check(&bytes));
        assert!(outcome.is_ok(), "{target}, seed {SEED:#x}, round {round}: {}", String::from_utf8_lossy(&bytes));
    }
}

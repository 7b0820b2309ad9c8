//! (d): a password against drawing the same random words from the same generator, the operating system's.

use anyhow::Result;
use bench::{Aim, cpu_us_each, print_pair};
use getrandom::SysRng;
use laps::password::{PasswordSpec, generate};
use rand_core::{CryptoRng, Rng as _, TryCryptoRng, TryRng, UnwrapErr};
use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

fn main() -> Result<()> {
    let rounds = bench::number("rounds", 5);
    let slice = Duration::from_millis(bench::number("milliseconds", 300));
    for (complexity, length, words, what) in [
        (4, 14, 6, "14 characters of complexity 4"),
        (5, 14, 6, "14 characters of complexity 5"),
        (4, 64, 6, "64 characters of complexity 4"),
        (6, 14, 6, "6 words of the large list"),
    ] {
        let spec = PasswordSpec::new(complexity, length, words)?;
        let drawn = words_drawn(spec);
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        let mut system = UnwrapErr(SysRng);
        for _ in 0..rounds {
            ours.push(cpu_us_each(slice, || drop(black_box(generate(spec, &mut system)))));
            let one = cpu_us_each(slice, || _ = black_box(system.next_u64()));
            peer.push(one * drawn);
        }
        print_pair(
            "d",
            &format!("{what}: generate against {drawn:.2} random words"),
            "us",
            &ours,
            &peer,
            Aim::AtMost(2.0),
        );
    }
    Ok(())
}

/// Random 64-bit words that one password takes, on average: those thrown away are drawn too.
fn words_drawn(spec: PasswordSpec) -> f64 {
    const PASSWORDS: u32 = 20_000;
    let mut counting = Counting { inner: UnwrapErr(SysRng), words: 0 };
    for _ in 0..PASSWORDS {
        drop(generate(spec, &mut counting));
    }
    counting.words as f64 / f64::from(PASSWORDS)
}

struct Counting<R> {
    inner: R,
    words: u64,
}

impl<R: CryptoRng> TryRng for Counting<R> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.words += 1;
        self.inner.try_next_u32()
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.words += 1;
        self.inner.try_next_u64()
    }
    fn try_fill_bytes(&mut self, into: &mut [u8]) -> Result<(), Infallible> {
        self.words += into.len().div_ceil(8) as u64;
        self.inner.try_fill_bytes(into)
    }
}

impl<R: CryptoRng> TryCryptoRng for Counting<R> {}

//! When the next cycle runs.

use crate::clock;
use std::time::Duration;

/// A cycle an hour, unless the server names another time (laps-behaviour.md 4.1).
const POLL: Duration = Duration::from_secs(3600);
/// The server may ask for cycles as often as this, and as seldom as [`POLL_MAX`].
const POLL_MIN: Duration = Duration::from_secs(60);
const POLL_MAX: Duration = Duration::from_secs(24 * 3600);
/// After a cycle that did not come to its end: first, and at most.
const RETRY_MIN: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(900);

/// How a cycle went, as far as the time of the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Went {
    /// It came to its end; the server asked to be polled after this.
    Well(Option<Duration>),
    /// Nothing was reached, or an intent is left.
    Unfinished,
}

/// Remembers failures in a row.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
}

impl Pace {
    /// How long until the next cycle. Jitter spreads a fleet: a tenth to both sides after a good cycle, up
    /// to half more after a failed one.
    pub(super) fn after(&mut self, went: Went) -> Duration {
        match went {
            Went::Well(asked) => {
                self.failures = 0;
                let base = asked.unwrap_or(POLL).clamp(POLL_MIN, POLL_MAX);
                base.mul_f64(0.9 + 0.2 * fraction())
            }
            Went::Unfinished => self.retry(),
        }
    }

    /// How long until what failed is tried again: doubled each time.
    pub(super) fn retry(&mut self) -> Duration {
        let base = RETRY_MIN.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX);
        self.failures = self.failures.saturating_add(1);
        base.mul_f64(1.0 + 0.5 * fraction())
    }

    /// It works again.
    pub(super) const fn recovered(&mut self) {
        self.failures = 0;
    }
}

/// Uniform in [0, 1); jitter needs no more.
fn fraction() -> f64 {
    let bytes: [u8; 4] = clock::random().unwrap_or([0x80; 4]);
    f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_with_jitter_and_the_servers_wish_within_bounds() {
        let mut pace = Pace::default();
        let mut within = |asked: Option<u64>, low: u64, high: u64| {
            for _ in 0..50 {
                let after = pace.after(Went::Well(asked.map(Duration::from_secs))).as_secs();
                assert!((low..=high).contains(&after), "{asked:?} {after}");
            }
        };
        within(None, 3240, 3960);
        within(Some(0), 54, 66);
        within(Some(u64::from(u32::MAX)), 77_760, 95_040);
    }

    #[test]
    fn failures_back_off_and_a_success_resets() {
        let mut pace = Pace::default();
        let mut last = Duration::ZERO;
        for _ in 0..40 {
            last = pace.after(Went::Unfinished);
            assert!(last >= RETRY_MIN && last <= RETRY_MAX.mul_f64(1.5));
        }
        assert!(last >= RETRY_MAX);
        pace.after(Went::Well(None));
        assert!(pace.after(Went::Unfinished) <= RETRY_MIN.mul_f64(1.5));
    }
}

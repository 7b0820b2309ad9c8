//! Time and randomness of the machine: the one place that reads them.

use getrandom::{SysRng, rand_core::TryRng as _};
use laps::{id::VersionId, time::Timestamp};

/// Where the agent gets the time from; tests bring their own.
pub trait Clock {
    /// The device's clock, which may be wrong.
    fn now(&self) -> Timestamp;
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "the one place where the agent reads the clock")]
        let now = std::time::SystemTime::now();
        let ms = match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        };
        Timestamp::from_unix_ms(ms)
    }
}

/// The system's generator gave nothing: nothing secret may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct NoRandomness;

/// Random bytes of the system's generator.
///
/// # Errors
/// [`NoRandomness`].
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A fresh version.
///
/// # Errors
/// [`NoRandomness`].
pub fn fresh_version() -> Result<VersionId, NoRandomness> {
    random().map(VersionId::from_random_bytes)
}

//! Points in time, in ticks of 100 ns, as Windows counts them (FILETIME, MS-DTYP 2.3.3).

use core::fmt;

/// Ticks in one second.
pub const TICKS_PER_SECOND: u64 = 10_000_000;
/// Ticks in one hour.
pub const TICKS_PER_HOUR: u64 = 3_600 * TICKS_PER_SECOND;
/// Ticks in one day of 24 hours.
pub const TICKS_PER_DAY: u64 = 24 * TICKS_PER_HOUR;
/// 1970-01-01T00:00:00Z in ticks since 1601-01-01T00:00:00Z.
const UNIX_EPOCH_TICKS: u64 = 11_644_473_600 * TICKS_PER_SECOND;
/// 9999-12-30T22:00:00Z: the last whole hour of RFC 3339 text that has a date in every time zone.
const MAX_TICKS: u64 = 2_650_466_808_000_000_000;

/// A point in time: 100 ns ticks since 1601-01-01T00:00:00Z, at most [`Timestamp::MAX`].
///
/// Arithmetic saturates at both ends, so no input can make it panic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The earliest time, 1601-01-01T00:00:00Z.
    pub const MIN: Self = Self(0);
    /// The latest time, 9999-12-30T22:00:00Z.
    pub const MAX: Self = Self(MAX_TICKS);

    /// From FILETIME ticks; later times become [`Timestamp::MAX`].
    pub const fn from_ticks(ticks: u64) -> Self {
        Self(if ticks > MAX_TICKS { MAX_TICKS } else { ticks })
    }
    /// FILETIME ticks.
    pub const fn ticks(self) -> u64 {
        self.0
    }
    /// From milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix_ms(ms: i64) -> Self {
        let ticks = (ms as i128) * 10_000 + UNIX_EPOCH_TICKS as i128;
        if ticks < 0 {
            Self::MIN
        } else if ticks > MAX_TICKS as i128 {
            Self::MAX
        } else {
            Self(ticks as u64)
        }
    }
    /// Whole milliseconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_ms(self) -> i64 {
        (self.0 as i64 - UNIX_EPOCH_TICKS as i64).div_euclid(10_000)
    }
    /// This time plus `ticks`.
    pub const fn plus_ticks(self, ticks: u64) -> Self {
        Self::from_ticks(self.0.saturating_add(ticks))
    }
    /// This time minus `ticks`.
    pub const fn minus_ticks(self, ticks: u64) -> Self {
        Self(self.0.saturating_sub(ticks))
    }
    /// This time plus `seconds`.
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        self.plus_ticks(seconds.saturating_mul(TICKS_PER_SECOND))
    }
    /// This time plus days of exactly 24 hours.
    pub const fn plus_days(self, days: u32) -> Self {
        self.plus_ticks((days as u64).saturating_mul(TICKS_PER_DAY))
    }
    /// Ticks from `earlier` to this time; 0 when `earlier` is later.
    pub const fn ticks_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
    /// Whole seconds from `earlier` to this time; 0 when `earlier` is later.
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.ticks_since(earlier) / TICKS_PER_SECOND
    }
    /// From RFC 3339 text with any offset; `None` when it is not one or lies outside the range.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        let ticks = time.as_nanosecond().div_euclid(100) + UNIX_EPOCH_TICKS as i128;
        u64::try_from(ticks).ok().filter(|ticks| *ticks <= MAX_TICKS).map(Self)
    }
}

/// RFC 3339 in UTC, with as many digits of the second's fraction as are not zero (none, or up to 7).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = (self.0 as i128 - UNIX_EPOCH_TICKS as i128) * 100;
        match jiff::Timestamp::from_nanosecond(nanos) {
            Ok(time) => fmt::Display::fmt(&time, f),
            Err(_) => f.write_str("out of range"), // unreachable: the range of Timestamp lies inside jiff's
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        assert_eq!(Timestamp::from_unix_ms(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::MIN.to_string(), "1601-01-01T00:00:00Z");
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-30T22:00:00Z");
        // laps-behaviour.md 7.3: the published sample of `t`
        let t = Timestamp::from_ticks(0x01d8_161b_41c4_1cde);
        assert_eq!(Timestamp::parse_rfc3339(&t.to_string()), Some(t));
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus_days(u32::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_unix_ms(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::from_unix_ms(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus_ticks(1), Timestamp::MIN);
        assert_eq!(Timestamp::from_unix_ms(-1).unix_ms(), -1);
    }
}

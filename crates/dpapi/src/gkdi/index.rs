//! Which interval a group key belongs to.

use core::fmt;
use laps::time::Timestamp;

/// FILETIME ticks of one L2 interval: 10 hours.
const L2_TICKS: u64 = 360_000_000_000;
/// The last L1 and the last L2 index.
const LAST: u8 = 31;

/// The three indices of a group key: L0 of 1024, L1 of 32, L2 of one interval of 10 hours. They order by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyIndex {
    l0: u32,
    l1: u8,
    l2: u8,
}

/// Numbers that are no indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("({l0}, {l1}, {l2}) is no index of a group key: expected L0 from 0, L1 and L2 from 0 to 31")]
pub struct IndexError {
    /// As given.
    pub l0: i32,
    /// As given.
    pub l1: i32,
    /// As given.
    pub l2: i32,
}

impl KeyIndex {
    /// From three indices as they stand in structures.
    ///
    /// # Errors
    /// [`IndexError`] for a negative one, or L1 or L2 above 31.
    pub fn new(l0: i32, l1: i32, l2: i32) -> Result<Self, IndexError> {
        let error = IndexError { l0, l1, l2 };
        let small = |index: i32| u8::try_from(index).ok().filter(|index| *index <= LAST).ok_or(error);
        Ok(Self { l0: u32::try_from(l0).map_err(|_| error)?, l1: small(l1)?, l2: small(l2)? })
    }
    /// The interval that a time lies in.
    pub fn at(time: Timestamp) -> Self {
        let interval = time.ticks() / L2_TICKS;
        let low = |number: u64| u8::try_from(number % 32).unwrap_or(LAST);
        Self { l0: u32::try_from(interval / 1024).unwrap_or(u32::MAX >> 1), l1: low(interval / 32), l2: low(interval) }
    }
    /// When the interval begins.
    pub fn starts_at(self) -> Timestamp {
        // 32, 5 and 5 bits.
        let interval = u64::from(self.l0) << 10 | u64::from(self.l1) << 5 | u64::from(self.l2);
        Timestamp::from_ticks(interval.saturating_mul(L2_TICKS))
    }
    /// When the next interval begins: a cached key is of use until then.
    pub fn ends_at(self) -> Timestamp {
        self.starts_at().plus_ticks(L2_TICKS)
    }
    /// L0.
    pub fn l0(self) -> u32 {
        self.l0
    }
    /// L1, 0 to 31.
    pub fn l1(self) -> u8 {
        self.l1
    }
    /// L2, 0 to 31.
    pub fn l2(self) -> u8 {
        self.l2
    }
    /// The last interval of the same L1.
    pub(super) fn last_of_l1(self) -> Self {
        Self { l2: LAST, ..self }
    }
    /// The three numbers, 12 bytes, little-endian.
    pub(crate) fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let parts = [self.l0, u32::from(self.l1), u32::from(self.l2)];
        for (to, part) in bytes.chunks_exact_mut(4).zip(parts) {
            to.copy_from_slice(&part.to_le_bytes());
        }
        bytes
    }
}

impl fmt::Display for KeyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {}, {})", self.l0, self.l1, self.l2)
    }
}
impl fmt::Debug for KeyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_follow_the_clock() {
        let index = KeyIndex::new(361, 17, 8).unwrap();
        assert_eq!(KeyIndex::at(index.starts_at()), index);
        assert_eq!(KeyIndex::at(index.ends_at()), KeyIndex::new(361, 17, 9).unwrap());
        assert_eq!(KeyIndex::at(index.ends_at().minus_ticks(1)), index);
        let last = KeyIndex::new(361, 31, 31).unwrap();
        assert_eq!(KeyIndex::at(last.ends_at()), KeyIndex::new(362, 0, 0).unwrap());
        assert_eq!(KeyIndex::at(Timestamp::MIN), KeyIndex::new(0, 0, 0).unwrap());
        // 2026-11-22 is in the interval range that other tools print for that month.
        let time = Timestamp::parse_rfc3339("2026-11-22T05:00:00Z").unwrap();
        assert_eq!(KeyIndex::at(time).l0(), 364);
    }

    #[test]
    fn impossible_indices_are_refused() {
        for (l0, l1, l2) in [(-1, 0, 0), (0, 32, 0), (0, 0, 32), (0, -1, 0), (i32::MIN, 0, 0)] {
            assert_eq!(KeyIndex::new(l0, l1, l2), Err(IndexError { l0, l1, l2 }));
        }
        assert!(KeyIndex::new(i32::MAX, 31, 31).unwrap().ends_at() <= Timestamp::MAX);
    }
}

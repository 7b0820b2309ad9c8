//! Rings: a new version of a policy reaches its devices in an order, and stops by itself when it does harm.
//!
//! A plan is a list of rings. A device belongs to the first ring that takes it in; what no ring takes in comes
//! after the last. The version goes from ring to ring when the soak time is over, at least one device of the rings
//! that it has reached took it, and failures stay within the limit; it halts when they do not. Everything here is
//! a pure function of what is given.

use crate::{
    id::{DeviceId, GroupId, PolicyId},
    time::Timestamp,
};

/// Rings that a plan has at most.
pub const RINGS_MAX: usize = 10;
/// Groups that a ring names at most.
pub const RING_GROUPS_MAX: usize = 20;
/// The longest soak time, hours: 90 days.
pub const SOAK_HOURS_MAX: u32 = 2_160;

/// Whom a ring takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// So many of a hundred devices, chosen by their ids: 1 to 100. The shares of rings grow: 10, then 50, means
    /// that the second takes in 40 more.
    Percent(u8),
    /// The members of these groups.
    Groups(Vec<GroupId>),
}

/// How many failures are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// More than so many devices.
    Devices(u32),
    /// More than so many of a hundred devices that were reached; 0 to 100.
    Percent(u8),
}

impl Limit {
    /// Whether `failed` of `reached` devices are too many.
    pub const fn is_passed(self, failed: u64, reached: u64) -> bool {
        match self {
            Self::Devices(most) => failed > most as u64,
            Self::Percent(most) => failed > 0 && failed.saturating_mul(100) > reached.saturating_mul(most as u64),
        }
    }
}

/// One ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Whom it takes in.
    pub who: Who,
    /// How long it must have been reached before the next one is, hours.
    pub soak_hours: u32,
    /// More failures among all devices that were reached halt the version.
    pub limit: Limit,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// None, or more than [`RINGS_MAX`].
    #[error("a plan has 1 to {RINGS_MAX} rings")]
    Rings,
    /// A share that is not 1 to 100, or not larger than that of the ring before.
    #[error("the share of a ring is 1 to 100 percent, and larger than that of the rings before it")]
    Percent,
    /// No group, or more than [`RING_GROUPS_MAX`].
    #[error("a ring names 1 to {RING_GROUPS_MAX} groups")]
    Groups,
    /// Longer than [`SOAK_HOURS_MAX`].
    #[error("the soak time is at most {SOAK_HOURS_MAX} hours")]
    Soak,
    /// A share that is over 100.
    #[error("the failure limit is a number of devices, or 0 to 100 percent")]
    Limit,
}

/// Checks a plan.
///
/// # Errors
/// [`PlanError`], the first that holds.
pub fn check(rings: &[Ring]) -> Result<(), PlanError> {
    if rings.is_empty() || rings.len() > RINGS_MAX {
        return Err(PlanError::Rings);
    }
    let mut before = 0;
    for ring in rings {
        match &ring.who {
            Who::Percent(share) if *share <= before || *share > 100 => return Err(PlanError::Percent),
            Who::Percent(share) => before = *share,
            Who::Groups(groups) if groups.is_empty() || groups.len() > RING_GROUPS_MAX => {
                return Err(PlanError::Groups);
            }
            Who::Groups(_) => {}
        }
        if ring.soak_hours > SOAK_HOURS_MAX {
            return Err(PlanError::Soak);
        }
        if matches!(ring.limit, Limit::Percent(101..)) {
            return Err(PlanError::Limit);
        }
    }
    Ok(())
}

/// The place of a device among a hundred for one policy, 0 to 99: always the same, and another one for another
/// policy, so that it is not always the same devices that come first.
pub fn place_of_hundred(policy: PolicyId, device: DeviceId) -> u8 {
    // FNV-1a and the finalizer of MurmurHash3: nobody chooses these ids, even distribution is all that counts.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in policy.as_bytes().iter().chain(device.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^= hash >> 33;
    (hash % 100) as u8
}

/// The ring of a device: the index of the first that takes it in; the number of rings when none does.
pub fn ring_of(rings: &[Ring], policy: PolicyId, device: DeviceId, groups: &[GroupId]) -> usize {
    let takes_in = |ring: &Ring| match &ring.who {
        Who::Percent(share) => place_of_hundred(policy, device) < *share,
        Who::Groups(wanted) => wanted.iter().any(|group| groups.contains(group)),
    };
    rings.iter().position(takes_in).unwrap_or(rings.len())
}

/// How a version does among the devices that it has reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Devices of the rings that it has reached.
    pub reached: u64,
    /// Those that took it whole, without an error since.
    pub taken: u64,
    /// Those that refused it, are held by a conflict, or had an error since they took it.
    pub failed: u64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Stay,
    /// The next ring is reached.
    Advance,
    /// Every ring is behind: the version is that of every device.
    Complete,
    /// Too many failures: nobody else gets it until a person decides.
    Halt,
}

/// Decides for a version that has reached `ring` (an index) at `ring_at`.
pub fn step(rings: &[Ring], ring: usize, ring_at: Timestamp, now: Timestamp, progress: Progress) -> Step {
    let Some(current) = rings.get(ring) else { return Step::Complete };
    if current.limit.is_passed(progress.failed, progress.reached) {
        return Step::Halt;
    }
    let soaked = now >= ring_at.plus_seconds(u64::from(current.soak_hours).saturating_mul(3_600));
    // Time alone says nothing of a ring whose devices are all away.
    let tried = progress.reached == 0 || progress.taken > 0;
    match (soaked && tried, ring + 1 == rings.len()) {
        (false, _) => Step::Stay,
        (true, false) => Step::Advance,
        (true, true) => Step::Complete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device(n: u128) -> DeviceId {
        DeviceId::from_bytes(n.to_be_bytes())
    }
    fn percent(share: u8) -> Ring {
        Ring { who: Who::Percent(share), soak_hours: 24, limit: Limit::Percent(5) }
    }
    const POLICY: PolicyId = PolicyId::from_bytes([3; 16]);

    #[test]
    fn shares_are_near_what_they_say_and_grow() {
        let rings = [percent(10), percent(50)];
        let mut counts = [0_u32; 3];
        for n in 0..10_000_u128 {
            counts[ring_of(&rings, POLICY, device(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0c5d)), &[])] += 1;
        }
        assert!(counts[0].abs_diff(1_000) < 150, "{counts:?}");
        assert!(counts[1].abs_diff(4_000) < 300, "{counts:?}");
        assert!(counts[2].abs_diff(5_000) < 300, "{counts:?}");
    }

    #[test]
    fn groups_come_before_shares_when_they_stand_before_them() {
        let pilot = GroupId::from_bytes([1; 16]);
        let rings = [Ring { who: Who::Groups(vec![pilot]), soak_hours: 1, limit: Limit::Devices(0) }, percent(100)];
        assert_eq!(ring_of(&rings, POLICY, device(7), &[pilot]), 0);
        assert_eq!(ring_of(&rings, POLICY, device(7), &[]), 1);
        assert_eq!(ring_of(&rings[..1], POLICY, device(7), &[]), 1, "the rest");
    }

    #[test]
    fn plans_are_checked() {
        assert_eq!(check(&[]), Err(PlanError::Rings));
        assert_eq!(check(&[percent(0)]), Err(PlanError::Percent));
        assert_eq!(check(&[percent(101)]), Err(PlanError::Percent));
        assert_eq!(check(&[percent(50), percent(50)]), Err(PlanError::Percent));
        assert_eq!(check(&[percent(10), percent(50), percent(100)]), Ok(()));
        assert_eq!(check(&vec![percent(1); 11]), Err(PlanError::Rings));
        let none = Ring { who: Who::Groups(vec![]), ..percent(1) };
        assert_eq!(check(&[none]), Err(PlanError::Groups));
        assert_eq!(check(&[Ring { soak_hours: 2_161, ..percent(1) }]), Err(PlanError::Soak));
        assert_eq!(check(&[Ring { limit: Limit::Percent(101), ..percent(1) }]), Err(PlanError::Limit));
    }

    #[test]
    fn a_version_goes_on_after_the_soak_time_when_somebody_took_it() {
        let rings = [percent(10), percent(100)];
        let start = Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap();
        let well = Progress { reached: 10, taken: 3, failed: 0 };
        let day = start.plus_days(1);
        assert_eq!(step(&rings, 0, start, start, well), Step::Stay);
        assert_eq!(step(&rings, 0, start, day, Progress { taken: 0, ..well }), Step::Stay, "all are away");
        assert_eq!(step(&rings, 0, start, day, well), Step::Advance);
        assert_eq!(step(&rings, 0, start, day, Progress::default()), Step::Advance, "nobody is in it");
        assert_eq!(step(&rings, 1, start, day, well), Step::Complete);
        assert_eq!(step(&rings, 0, start, start, Progress { failed: 1, ..well }), Step::Halt);
        assert_eq!(step(&rings, 2, start, start, Progress { failed: 9, ..well }), Step::Complete);
        // The clock was set back: nothing is hurried.
        assert_eq!(step(&rings, 0, day, start, well), Step::Stay);
    }

    #[test]
    fn limits() {
        assert!(!Limit::Devices(2).is_passed(2, 2) && Limit::Devices(2).is_passed(3, 1_000));
        assert!(!Limit::Percent(5).is_passed(5, 100) && Limit::Percent(5).is_passed(6, 100));
        assert!(!Limit::Percent(0).is_passed(0, 0) && Limit::Percent(0).is_passed(1, u64::MAX / 200));
        assert!(!Limit::Percent(100).is_passed(7, 7));
    }

    proptest! {
        /// A device that a version has reached stays reached; a version that fails too often never goes on.
        #[test]
        fn rings_only_grow_and_failures_stop(
            shares in proptest::collection::btree_set(1_u8..=100, 1..6),
            id in any::<u128>(), hours in 0_u64..5_000, reached in 0_u64..1_000, failed in 0_u64..1_000, most in 0_u8..=100,
        ) {
            let rings: Vec<Ring> =
                shares.iter().map(|share| Ring { limit: Limit::Percent(most), ..percent(*share) }).collect();
            prop_assert_eq!(check(&rings), Ok(()));
            let own = ring_of(&rings, POLICY, device(id), &[]);
            for (index, share) in shares.iter().enumerate() {
                prop_assert_eq!(place_of_hundred(POLICY, device(id)) < *share, own <= index);
            }
            let start = Timestamp::parse_rfc3339("2026-11-22T00:00:00Z").unwrap();
            let progress = Progress { reached, taken: 1, failed };
            for ring in 0..rings.len() {
                let next = step(&rings, ring, start, start.plus_seconds(hours * 3_600), progress);
                if Limit::Percent(most).is_passed(failed, reached) {
                    prop_assert_eq!(next, Step::Halt);
                } else {
                    prop_assert_eq!(next != Step::Stay, hours >= 24);
                }
            }
        }
    }
}

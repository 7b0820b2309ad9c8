//! Drift: what is on the machine is not what was set (rotation.md 10).
//!
//! [`find`] compares the account with what the agent remembers and names each difference; [`judge`] says
//! whether it is repaired now, or held. Only fingerprints are compared, never passwords. The whole machine
//! rolled back, and its clone, show at the directory instead, as a fork (rotation.md 3).

use crate::{
    account::{AccountFacts, Selection},
    decide::Memory,
    rotation::{AccountRef, Fingerprint},
    time::{TICKS_PER_DAY, Timestamp},
};
use core::fmt;

/// Repairs in 24 h after which repair is held, unless the directory says otherwise (rotation.md 10).
pub const REPAIRS_PER_DAY: u32 = 3;
/// Most repairs in 24 h that a directory may allow.
pub const REPAIRS_PER_DAY_MAX: u32 = 24;
/// Earlier fingerprints that are remembered, to tell a restored account database from a change by hand.
const FORMER_MAX: usize = 8;

/// One way in which an account is not as it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drift {
    /// Its verifier is none that the agent has set: another hand changed the password.
    ChangedByHand,
    /// Its verifier is an earlier one: the account database was restored from a snapshot.
    RolledBack,
    /// The account with the uid has another name now.
    Renamed,
    /// It has left the administrators' group since its password was set.
    NotAdministrator,
    /// It was disabled since its password was set.
    Disabled,
    /// It is gone, or another account has its name.
    Deleted,
}

impl Drift {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::ChangedByHand, Self::RolledBack, Self::Renamed, Self::NotAdministrator, Self::Disabled, Self::Deleted];

    /// The stable word in events, reports and reasons.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChangedByHand => "changed_by_hand",
            Self::RolledBack => "rolled_back",
            Self::Renamed => "renamed",
            Self::NotAdministrator => "not_administrator",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
        }
    }

    /// From the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|drift| drift.as_str() == word)
    }

    /// What is said of it in an event.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ChangedByHand => "the password was changed on the machine by another hand",
            Self::RolledBack => "the account holds an earlier password: the account database was restored",
            Self::Renamed => "the account was renamed",
            Self::NotAdministrator => "the account was removed from the administrators' group",
            Self::Disabled => "the account was disabled",
            Self::Deleted => "the account was deleted",
        }
    }

    /// Whether it outlives the new password that it brings: in manual mode Lapwing never enables or promotes an
    /// account (rotation.md 7). It is answered with one rotation when it is found, and told until the account is
    /// as it was, or until a rotation that is due otherwise takes the account as it finds it.
    pub const fn is_of_standing(self) -> bool {
        matches!(self, Self::NotAdministrator | Self::Disabled)
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the account stood when its password was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// It was not locked.
    pub enabled: bool,
    /// It was uid 0 or in the administrators' group.
    pub administrator: bool,
}

impl Standing {
    /// Of an account now.
    pub const fn of(account: &AccountFacts) -> Self {
        Self { enabled: account.enabled, administrator: account.administrator }
    }
}

/// What the agent keeps from cycle to cycle to compare with. Durable; holds no password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// How the account stood; `None` before it was looked at after a proof.
    pub standing: Option<Standing>,
    /// Fingerprints that were set before the present one, newest first, at most eight.
    pub former: Vec<Fingerprint>,
    /// When drift was repaired in the last 24 h, oldest first.
    pub repairs: Vec<Timestamp>,
    /// Repair is held.
    pub held: bool,
    /// What the last cycle found; an event is written for what is new.
    pub found: Vec<Drift>,
}

impl Watch {
    /// After a proof: `before` is the fingerprint that was set until now, `standing` how the account stands
    /// now, `repair` when the rotation repaired drift. A repair leaves what the account is measured by.
    pub fn after_proof(
        &self,
        before: Option<Fingerprint>,
        standing: Option<Standing>,
        repair: Option<Timestamp>,
    ) -> Self {
        let mut former: Vec<_> = before.into_iter().chain(self.former.iter().copied()).collect();
        former.truncate(FORMER_MAX);
        let mut repairs = self.repairs.clone();
        repairs.extend(repair);
        let surplus = repairs.len().saturating_sub(REPAIRS_PER_DAY_MAX as usize);
        repairs.drain(..surplus);
        if repair.is_some() && self.standing.is_some() {
            let found = self.found.iter().copied().filter(|drift| drift.is_of_standing()).collect();
            return Self { standing: self.standing, former, repairs, held: self.held, found };
        }
        Self { standing, former, repairs, held: self.held, found: Vec::new() }
    }
}

/// Where the account that was managed last is, when policy's account was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// No account has its uid.
    Gone,
    /// Its uid has this name now.
    Named(String),
}

/// The differences between the account and what is remembered of it, sorted. `account` is `None` when
/// policy's account does not exist; `trace` tells what was found of the remembered one then.
///
/// An account that policy names for the first time has not drifted.
pub fn find(
    selection: &Selection,
    memory: &Memory,
    account: Option<&AccountFacts>,
    trace: Option<&Trace>,
) -> Vec<Drift> {
    let Some(account) = account else {
        return match trace {
            Some(Trace::Named(_)) => vec![Drift::Renamed],
            Some(Trace::Gone) => vec![Drift::Deleted],
            // Automatic management makes it again with the next rotation.
            None if selection.name_rule().is_some_and(|rule| rule.recognises(&memory.account.name)) => {
                vec![Drift::Deleted]
            }
            None => Vec::new(),
        };
    };
    if account.account.id != memory.account.id {
        return if lost(selection, memory).is_some() { vec![Drift::Deleted] } else { Vec::new() };
    }
    let mut found = Vec::new();
    if account.account.name != memory.account.name {
        // The name is part of the fingerprint, so that it tells no more.
        found.push(Drift::Renamed);
    } else if account.installed != Some(memory.fingerprint) {
        let is_former = account.installed.is_some_and(|installed| memory.watch.former.contains(&installed));
        found.push(if is_former { Drift::RolledBack } else { Drift::ChangedByHand });
    }
    // Automatic management puts the standing right, as policy wants it, before the account is looked at.
    let is_manual = !matches!(selection, Selection::Automatic(_));
    if let Some(standing) = memory.watch.standing.filter(|_| is_manual) {
        let now = Standing::of(account);
        if standing.administrator && !now.administrator {
            found.push(Drift::NotAdministrator);
        }
        if standing.enabled && !now.enabled {
            found.push(Drift::Disabled);
        }
    }
    found.sort_unstable();
    found
}

/// What is done about drift in this cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The kinds that a rotation repairs now.
    pub repair: Vec<Drift>,
    /// Repair is held: too many in 24 h.
    pub held: bool,
}

/// Repair, unless there were `repairs_per_day` in the last 24 h: then it is held, with one retry a day. A hold
/// ends when there was nothing to repair for a day. Rotations that are otherwise due are not asked here.
pub fn judge(found: &[Drift], watch: &Watch, now: Timestamp, repairs_per_day: u32) -> Judgement {
    // One that lies further in the future was noted by a clock that was wrong.
    let is_recent = |at: &&Timestamp| now.ticks_since(**at).max(at.ticks_since(now)) < TICKS_PER_DAY;
    let recent = watch.repairs.iter().filter(is_recent).count();
    let is_quiet = watch.repairs.last().is_none_or(|last| !is_recent(&last));
    let is_answered = |drift: &Drift| drift.is_of_standing() && watch.found.contains(drift);
    let repair: Vec<Drift> = found.iter().copied().filter(|drift| !is_answered(drift)).collect();
    if repair.is_empty() {
        return Judgement { repair, held: watch.held && !is_quiet };
    }
    let held = watch.held || recent >= repairs_per_day as usize;
    if held && !is_quiet {
        return Judgement { repair: Vec::new(), held };
    }
    Judgement { repair, held }
}

/// The account that was managed last, when policy still asks for that one: if policy's account is not found, it
/// is lost, and worth looking for by its uid.
pub fn lost<'a>(selection: &Selection, memory: &'a Memory) -> Option<&'a AccountRef> {
    let is_wanted = match selection {
        Selection::BuiltIn => memory.account.id == 0,
        Selection::Named(name) => *name == memory.account.name,
        // It has no name of its own in policy; what is not there is made.
        Selection::Automatic(_) => false,
    };
    is_wanted.then_some(&memory.account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{DeviceId, Incarnation, TenantId, VersionId},
        rotation::Destination,
    };

    const fn print(byte: u8) -> Fingerprint {
        Fingerprint::from_bytes([byte; 16])
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_800_000_000_000).plus_seconds(hours * 3600)
    }

    fn named(name: &str) -> Selection {
        Selection::Named(name.into())
    }

    fn memory(id: u32, name: &str) -> Memory {
        Memory {
            tenant: TenantId::from_random_bytes([1; 16]),
            device: DeviceId::from_random_bytes([2; 16]),
            incarnation: Incarnation::from_random_bytes([3; 16]),
            version: VersionId::from_random_bytes([4; 16]),
            account: AccountRef { id, name: name.into() },
            destination: Destination::Cloud,
            left_in_cloud: None,
            rotated_at: at(0),
            expires_at: at(720),
            fingerprint: print(5),
            watch: Watch {
                standing: Some(Standing { enabled: true, administrator: true }),
                former: vec![print(4), print(3)],
                ..Watch::default()
            },
        }
    }

    fn account(id: u32, name: &str, installed: Option<Fingerprint>) -> AccountFacts {
        AccountFacts {
            account: AccountRef { id, name: name.into() },
            enabled: true,
            expired: false,
            no_login_shell: false,
            administrator: true,
            installed,
        }
    }

    /// rotation.md 10: every kind by its facts, and none without.
    #[test]
    fn every_kind_is_found_and_nothing_else() {
        let memory = memory(1000, "ops");
        let find = |facts: &AccountFacts| super::find(&named("ops"), &memory, Some(facts), None);
        assert_eq!(find(&account(1000, "ops", Some(print(5)))), []);
        assert_eq!(find(&account(1000, "ops", Some(print(9)))), [Drift::ChangedByHand]);
        assert_eq!(find(&account(1000, "ops", None)), [Drift::ChangedByHand]);
        assert_eq!(find(&account(1000, "ops", Some(print(3)))), [Drift::RolledBack]);
        assert_eq!(find(&account(1000, "chef", Some(print(9)))), [Drift::Renamed]);
        assert_eq!(find(&account(1001, "ops", Some(print(9)))), [Drift::Deleted]);
        let facts = AccountFacts { enabled: false, administrator: false, ..account(1000, "ops", Some(print(5))) };
        assert_eq!(find(&facts), [Drift::NotAdministrator, Drift::Disabled]);
        let lost = |trace: Option<Trace>| super::find(&named("ops"), &memory, None, trace.as_ref());
        assert_eq!(lost(Some(Trace::Gone)), [Drift::Deleted]);
        assert_eq!(lost(Some(Trace::Named("chef".into()))), [Drift::Renamed]);
        assert_eq!(lost(None), []);
        for drift in Drift::ALL {
            assert_eq!(Drift::parse(drift.as_str()), Some(drift));
        }
    }

    #[test]
    fn another_account_of_policy_is_no_drift() {
        let memory = memory(1000, "ops");
        assert_eq!(find(&Selection::BuiltIn, &memory, Some(&account(0, "root", None)), None), []);
        assert_eq!(find(&named("ada"), &memory, Some(&account(1001, "ada", None)), None), []);
        assert_eq!(lost(&named("ada"), &memory), None);
        assert_eq!(lost(&named("ops"), &memory), Some(&memory.account));
        assert_eq!(lost(&Selection::BuiltIn, &self::memory(0, "toor")).map(|account| account.id), Some(0));
    }

    #[test]
    fn a_standing_that_was_so_before_is_no_drift() {
        let mut memory = memory(0, "root");
        let facts = AccountFacts { enabled: false, ..account(0, "root", Some(print(5))) };
        memory.watch.standing = Some(Standing::of(&facts));
        assert_eq!(find(&Selection::BuiltIn, &memory, Some(&facts), None), []);
        memory.watch.standing = None;
        assert_eq!(find(&Selection::BuiltIn, &memory, Some(&facts), None), []);
    }

    /// rotation.md 10: held after three repairs in 24 h, one retry a day, over after a quiet day.
    #[test]
    fn repair_is_held_after_three_and_tried_once_a_day() {
        let found = [Drift::ChangedByHand];
        let mut watch = Watch::default();
        let mut repaired = Vec::new();
        for hour in 0..100 {
            let judgement = judge(&found, &watch, at(hour), REPAIRS_PER_DAY);
            watch.held = judgement.held;
            if !judgement.repair.is_empty() {
                repaired.push(hour);
                watch = watch.after_proof(None, None, Some(at(hour)));
            }
        }
        assert_eq!(repaired, [0, 1, 2, 26, 50, 74, 98], "three, then one a day");
        assert!(judge(&[], &watch, at(121), REPAIRS_PER_DAY).held, "not quiet for a day yet");
        assert!(!judge(&[], &watch, at(122), REPAIRS_PER_DAY).held);
    }

    /// rotation.md 10 with 7: disabled or removed from the group is answered with one rotation, and told further.
    #[test]
    fn what_outlives_a_rotation_is_answered_once() {
        let found = vec![Drift::NotAdministrator, Drift::Disabled];
        let standing = Some(Standing { enabled: true, administrator: true });
        let fallen = Some(Standing { enabled: false, administrator: false });
        let watch = Watch { standing, ..Watch::default() };
        let judgement = judge(&found, &watch, at(0), REPAIRS_PER_DAY);
        assert_eq!(judgement, Judgement { repair: found.clone(), held: false });
        let watch = Watch { found: found.clone(), ..watch }.after_proof(None, fallen, Some(at(0)));
        assert_eq!((watch.standing, &watch.found), (standing, &found), "it is measured by what it was");
        assert_eq!(judge(&found, &watch, at(1), REPAIRS_PER_DAY).repair, []);
        let watch = watch.after_proof(None, fallen, None);
        assert_eq!((watch.standing, watch.found), (fallen, Vec::new()), "a rotation due otherwise takes it as it is");
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_hold_for_ever() {
        let watch = Watch { repairs: vec![at(9000); 3], ..Watch::default() };
        assert!(!judge(&[Drift::ChangedByHand], &watch, at(0), REPAIRS_PER_DAY).held);
    }
}

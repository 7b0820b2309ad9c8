//! Which of a device's versions are live, in which order they are read, and which may go (rotation.md 1, 3).

use super::{Version, VersionState};
use laps::{id::VersionId, time::Timestamp};

/// Superseded, overtaken and abandoned versions are kept at least so long, days.
pub const KEEP_DAYS: u32 = 30;
/// Of the proven versions of an account that were superseded, the last so many are kept for longer.
pub const KEEP_PROVEN: usize = 3;
/// Trimming stops while a device is forked, for at most so long, days.
pub const FORK_DAYS: u32 = 90;
/// Two forks within so many days are a suspicion.
pub const SUSPICION_DAYS: u32 = 7;

/// Puts a device's versions in the order of reading and marks the live ones: the version last reported
/// installed, pending ones newest first, current (the live set); then superseded, then abandoned ones,
/// newest first.
pub fn order_best_first(versions: &mut [Version]) {
    for version in versions.iter_mut() {
        version.live = version.installed || matches!(version.state, VersionState::Pending | VersionState::Current);
    }
    versions.sort_by_key(|version| {
        let class = match version.state {
            _ if version.installed => 0,
            VersionState::Pending => 1,
            VersionState::Current => 2,
            VersionState::Superseded => 3,
            VersionState::Abandoned => 4,
        };
        (class, core::cmp::Reverse(version.sequence))
    });
}

/// The versions that the retention job may remove. Live and released ones never go; `versions` are all of
/// one device. While the device is forked nothing goes: the caller asks only when it is not.
pub fn removable(versions: &[Version], now: Timestamp) -> Vec<VersionId> {
    let old_enough = |version: &Version| version.ended_at.is_some_and(|ended| now >= ended.plus_days(KEEP_DAYS));
    // Kept for being among the last proven ones, each counted within its account.
    let recent_proof = |version: &Version| {
        version.proven_at.is_some()
            && versions
                .iter()
                .filter(|other| {
                    other.state == VersionState::Superseded
                        && other.proven_at.is_some()
                        && other.account_id == version.account_id
                        && other.sequence > version.sequence
                })
                .count()
                < KEEP_PROVEN
    };
    versions
        .iter()
        .filter(|version| matches!(version.state, VersionState::Superseded | VersionState::Abandoned))
        .filter(|version| !version.installed && version.released_at.is_none())
        .filter(|version| old_enough(version) && !recent_proof(version))
        .map(|version| version.version)
        .collect()
}

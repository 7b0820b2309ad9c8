//! What is kept, what goes, and when (rotation.md 3).

use super::World;
use laps::id::{DeviceId, VersionId};
use server::store::{DeviceEventKind::*, VersionState::*, *};

/// rotation.md 3: superseded, overtaken and abandoned versions are kept at least 30 days by the server's
/// clock, from when they ended.
pub async fn superseded_versions_are_kept_thirty_days(mut w: World) {
    let device = w.device().await;
    let abandoned = w.stored(device).await;
    w.abandon(device, abandoned).await.unwrap();
    let overtaken = w.stored(device).await;
    w.pass_days(5);
    let current = w.rotated(device).await;
    w.pass_days(25);
    w.now = w.now.minus_ticks(1);
    assert_eq!(w.trim().await, Ok(0));
    w.now = w.now.plus_ticks(1);
    let records = w.records().await;
    assert_eq!(w.trim().await, Ok(1));
    assert_eq!(w.records().await, records + 1);
    assert_eq!(w.states(device).await, [(current, Current), (overtaken, Superseded)]);
    w.pass_days(5);
    assert_eq!(w.trim().await, Ok(1));
    assert_eq!(w.states(device).await, [(current, Current)]);
    let records = w.records().await;
    w.pass_days(400);
    assert_eq!(w.trim().await, Ok(0), "the current one and pending ones never go");
    assert_eq!(w.records().await, records, "nothing went, nothing is said");
    w.finish().await;
}

/// rotation.md 3: of the proven ones also at least the last 3.
pub async fn the_last_three_proven_ones_are_kept_longer(mut w: World) {
    let device = w.device().await;
    let mut proven = Vec::new();
    for _ in 0..6 {
        let overtaken = w.stored(device).await;
        proven.push(w.rotated(device).await);
        assert_eq!(w.state(device, overtaken).await, Some(Superseded));
        w.pass_days(1);
    }
    w.pass_days(100);
    assert_eq!(w.trim().await, Ok(8), "6 overtaken, and the two oldest proven");
    let kept: Vec<_> = w.states(device).await.into_iter().map(|(version, _)| version).collect();
    proven.reverse();
    assert_eq!(kept, proven[..4]);
    w.finish().await;
}

/// rotation.md 3: the last 3 per account id.
pub async fn the_last_three_are_counted_by_account(mut w: World) {
    let device = w.device().await;
    for account in ["1000", "0"] {
        for _ in 0..5 {
            let version = w.stored_for(device, account).await;
            w.prove(device, version).await.unwrap();
            w.pass_days(1);
        }
    }
    w.pass_days(40);
    assert_eq!(w.trim().await, Ok(2), "of each account one: 5 less the last, less 3");
    let left = w.store.versions(device, true).await.unwrap();
    for account in ["1000", "0"] {
        assert_eq!(left.iter().filter(|version| version.account_id == account).count(), 4);
    }
    w.finish().await;
}

/// rotation.md 1, "live set": what is installed is live, whatever its state, and never trimmed.
pub async fn the_installed_one_is_never_trimmed(mut w: World) {
    let device = w.device().await;
    let old = w.stored(device).await;
    w.abandon(device, old).await.unwrap();
    let current = w.rotated(device).await;
    let report = Report { acknowledged: Some(current), ..w.truth(device, Some(old)).await };
    w.report(report).await.unwrap();
    w.pass_days(365);
    assert_eq!(w.trim().await, Ok(0));
    assert_eq!(w.live(device).await, [old, current]);
    w.finish().await;
}

/// rotation.md 3: while forked, trimming stops until a person clears it or 90 days pass.
pub async fn a_fork_stops_trimming(mut w: World) {
    let (cleared, left) = (w.device().await, w.device().await);
    for device in [cleared, left] {
        w.stored(device).await;
        let current = w.rotated(device).await;
        w.pass_days(40);
        let report = Report { acknowledged: None, ..w.truth(device, Some(current)).await };
        assert!(w.report(report).await.unwrap().forked);
    }
    assert_eq!(w.trim().await, Ok(0));
    let entry = w.entry();
    w.store.clear_fork(cleared, w.now, entry).await.unwrap();
    assert_eq!(w.trim().await, Ok(1));
    w.pass_days(89);
    assert_eq!(w.trim().await, Ok(0));
    w.pass_days(1);
    let records = w.records().await;
    assert_eq!(w.trim().await, Ok(1));
    assert!(w.row(left).await.forked_at.is_none());
    assert_eq!(w.records().await, records + 1);
    w.finish().await;
}

/// rotation.md 3: when policy leaves an account, its last live set becomes released: the installed one,
/// pending ones and the current one; again is success.
pub async fn policy_leaves_the_account(mut w: World) {
    let device = w.device().await;
    let installed = w.rotated(device).await;
    let current = w.rotated(device).await;
    let pending = w.stored(device).await;
    let report = w.truth(device, Some(installed)).await;
    w.report(report).await.unwrap();
    w.pass_hours(1);
    let entry = w.entry();
    assert_eq!(w.store.release(device, w.now, entry).await, Ok(3));
    let versions = w.store.versions(device, false).await.unwrap();
    assert_eq!(versions.iter().map(|one| one.version).collect::<Vec<_>>(), [installed, pending, current]);
    assert!(versions.iter().all(|version| version.released_at == Some(w.now)));
    assert_eq!(w.events(device).await.last(), Some(&Released));
    let before = (w.records().await, w.events(device).await);
    let entry = w.entry();
    assert_eq!(w.store.release(device, w.now, entry).await, Ok(0));
    assert_eq!((w.records().await, w.events(device).await), before);
    w.finish().await;
}

/// rotation.md 3: a proof of one account releases the live sets of the device's others; one that is
/// rotated again is not released any more.
pub async fn the_other_account_is_released_at_a_proof(mut w: World) {
    let device = w.device().await;
    let (old, pending) = (w.stored_for(device, "1000").await, w.stored_for(device, "1000").await);
    w.prove(device, old).await.unwrap();
    let new = w.rotated(device).await;
    assert_eq!(w.events(device).await, [Released]);
    let released = |versions: Vec<Version>| -> Vec<VersionId> {
        versions.into_iter().filter(|one| one.released_at.is_some()).map(|one| one.version).collect()
    };
    assert_eq!(released(w.store.versions(device, true).await.unwrap()), [pending, old]);
    let back = w.stored_for(device, "1000").await;
    w.prove(device, back).await.unwrap();
    assert_eq!(released(w.store.versions(device, true).await.unwrap()), [new]);
    assert_eq!(w.state(device, old).await, Some(Superseded));
    assert_eq!(w.state(device, new).await, Some(Current));
    w.finish().await;
}

/// rotation.md 3: released versions are never trimmed while the device object exists.
pub async fn released_ones_are_never_trimmed(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    let report = w.truth(device, Some(first)).await;
    w.report(report).await.unwrap();
    let entry = w.entry();
    w.store.release(device, w.now, entry).await.unwrap();
    let entry = w.entry();
    w.store.clear_fork(device, w.now, entry).await.unwrap();
    // The installed one is superseded and released; then another account is managed.
    let other = w.stored_for(device, "1000").await;
    w.prove(device, other).await.unwrap();
    w.pass_days(1000);
    assert_eq!(w.trim().await, Ok(0));
    let kept: Vec<_> = w.states(device).await.into_iter().map(|(version, _)| version).collect();
    assert_eq!(kept, [other, second, first]);
    w.finish().await;
}

/// design.md 5, "Devices": a tombstone's credential stays readable, and `restore` brings it back.
pub async fn a_tombstone_stays_readable_and_comes_back(mut w: World) {
    let device = w.device().await;
    let current = w.rotated(device).await;
    let report = w.truth(device, Some(current)).await;
    w.report(report.clone()).await.unwrap();
    let deleted = w.change(device, DeviceChange::Delete).await.unwrap();
    assert_eq!((deleted.state, deleted.deleted_at), (DeviceState::Deleted, Some(w.now)));
    assert_eq!(w.reveal(device, false).await.unwrap().len(), 1);
    let listed = w.store.credentials(DeviceFilter::default(), Page::first(10)).await.unwrap();
    assert!(listed.items.is_empty(), "no tombstones in the list");
    w.report(report).await.unwrap();
    assert!(w.row(device).await.reported_since_deletion);
    let restored = w.change(device, DeviceChange::Restore).await.unwrap();
    assert_eq!((restored.state, restored.deleted_at), (DeviceState::Enabled, None));
    assert!(!restored.reported_since_deletion);
    assert_eq!(w.live(device).await, [current]);
    w.rotated(device).await;
    w.finish().await;
}

async fn purge(w: &mut World, device: DeviceId, by: PurgeBy) -> Result<(), StoreError> {
    let entry = w.entry();
    w.store.purge_device(device, by, w.now, entry).await
}

/// rotation.md 3, "Purge": the job takes a tombstone only past its time, and not when it reported since.
pub async fn the_job_purges_only_what_is_due_and_silent(mut w: World) {
    let (silent, talking) = (w.device().await, w.device().await);
    for device in [silent, talking] {
        w.rotated(device).await;
        w.change(device, DeviceChange::Delete).await.unwrap();
    }
    let report = w.truth(talking, None).await;
    w.report(report).await.unwrap();
    w.pass_days(30);
    w.now = w.now.minus_ticks(1);
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![]));
    assert!(matches!(purge(&mut w, silent, PurgeBy::Job).await, Err(StoreError::PurgeRefused(_))));
    w.now = w.now.plus_ticks(1);
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![silent]));
    purge(&mut w, silent, PurgeBy::Job).await.unwrap();
    assert!(matches!(purge(&mut w, talking, PurgeBy::Job).await, Err(StoreError::PurgeRefused(_))));
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![]));
    assert_eq!(w.live(talking).await.len(), 1);
    // A person may.
    purge(&mut w, talking, PurgeBy::Person).await.unwrap();
    w.finish().await;
}

/// design.md 5, "Devices": after a purge the password is gone for good; what happened can still be told.
pub async fn a_purge_is_for_good(mut w: World) {
    let device = w.device().await;
    let version = w.rotated(device).await;
    w.request(device).await.unwrap();
    w.change(device, DeviceChange::Delete).await.unwrap();
    purge(&mut w, device, PurgeBy::Person).await.unwrap();
    let row = w.row(device).await;
    assert_eq!((row.state, row.purged_at), (DeviceState::Purged, Some(w.now)));
    assert_eq!(w.store.versions(device, true).await, Ok(vec![]));
    assert_eq!(w.store.policies_for(device).await, Ok(vec![]));
    assert_eq!(w.store.deliveries(device).await, Ok(Deliveries::default()));
    assert_eq!(w.store.last_report(device).await, Ok(None));
    assert_eq!(w.store.rotation_requests(device).await, Ok(vec![]));
    assert_eq!(w.reveal(device, true).await, Err(StoreError::DeviceUnknown));
    let new = w.version(device);
    assert_eq!(w.put(new).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.prove(device, version).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.abandon(device, version).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.change(device, DeviceChange::Restore).await, Err(StoreError::DeviceUnknown));
    assert_eq!(purge(&mut w, device, PurgeBy::Person).await, Err(StoreError::DeviceUnknown));
    let all = w.store.devices(DeviceFilter::default(), Page::first(10)).await.unwrap();
    assert!(all.items.is_empty(), "a list shows purged ones only when asked");
    let purged = DeviceFilter { states: vec![DeviceState::Purged], ..DeviceFilter::default() };
    assert_eq!(w.store.devices(purged, Page::first(10)).await.unwrap().items, [row]);
    w.finish().await;
}

/// rotation.md 3, "Purge": disabled devices never by time; nothing that is not a tombstone at all.
pub async fn disabled_devices_are_not_purged(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    for by in [PurgeBy::Job, PurgeBy::Person] {
        assert_eq!(purge(&mut w, device, by).await, Err(StoreError::DeviceState("enabled")));
    }
    w.change(device, DeviceChange::Disable).await.unwrap();
    w.pass_days(4000);
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![]));
    for by in [PurgeBy::Job, PurgeBy::Person] {
        assert_eq!(purge(&mut w, device, by).await, Err(StoreError::DeviceState("disabled")));
    }
    assert_eq!(w.reveal(device, false).await.unwrap().len(), 1);
    w.finish().await;
}

/// rotation.md 3: jobs that destroy stop when the clock moved over 24 h, until a person confirms.
pub async fn a_jump_of_the_clock_holds_what_destroys(mut w: World) {
    let device = w.device().await;
    let old = w.stored(device).await;
    w.rotated(device).await;
    let gone = w.device().await;
    w.change(gone, DeviceChange::Delete).await.unwrap();
    w.pass_days(60);
    // The first look of a process: 60 days after the last stored time.
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: None }).await, Ok(true));
    assert!(w.store.tenant().await.unwrap().clock_held_at.is_some());
    assert_eq!(w.trim().await, Err(StoreError::ClockHeld));
    assert_eq!(purge(&mut w, gone, PurgeBy::Job).await, Err(StoreError::ClockHeld));
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![]));
    // A right reading does not end the hold; a restart neither.
    w.pass_hours(1);
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: Some(3600) }).await, Ok(true));
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: None }).await, Ok(true));
    assert_eq!(w.state(device, old).await, Some(Superseded));
    let entry = w.entry();
    w.store.confirm_clock(w.now, entry).await.unwrap();
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: Some(60) }).await, Ok(false));
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![gone]));
    purge(&mut w, gone, PurgeBy::Job).await.unwrap();
    assert_eq!(w.trim().await, Ok(1));
    w.finish().await;
}

/// rotation.md 3: the clock is compared with what the monotonic clock allows, both ways; and an explicit
/// purge by a person is not a job.
pub async fn the_clock_is_compared_with_the_monotonic_one(mut w: World) {
    let day = 24 * 3600;
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: None }).await, Ok(false));
    // Three quiet days between two looks are no jump.
    w.pass_days(3);
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: Some(3 * day) }).await, Ok(false));
    // Twenty hours either way are allowed.
    w.pass_hours(20);
    assert_eq!(w.store.observe_clock(ClockReading { now: w.now, elapsed_s: Some(1) }).await, Ok(false));
    let back = w.now.minus_ticks(2 * laps::time::TICKS_PER_DAY);
    assert_eq!(w.store.observe_clock(ClockReading { now: back, elapsed_s: Some(1) }).await, Ok(true));
    let gone = w.device().await;
    w.change(gone, DeviceChange::Delete).await.unwrap();
    purge(&mut w, gone, PurgeBy::Person).await.unwrap();
    w.finish().await;
}

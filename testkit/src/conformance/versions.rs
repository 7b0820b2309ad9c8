//! `store`, `prove`, `abandon` (rotation.md 3).

use super::World;
use laps::{
    id::{DeviceId, VersionId},
    rotation::Fingerprint,
    time::TICKS_PER_DAY,
};
use server::{
    audit::AuditFilter,
    seal::{KeyId, Sealed},
    store::{VersionState::*, *},
};

/// rotation.md 3, `store`: same key, account and fingerprint → the same answer, whatever else changed.
pub async fn a_repeated_store_gives_the_same_answer(mut w: World) {
    let device = w.device().await;
    let new = w.version(device);
    let first = w.put(new.clone()).await.unwrap();
    assert_eq!((first.state, first.again, first.stored_at), (Pending, false, w.now));
    let records = w.records().await;
    w.pass_hours(1);
    let again = Stored { again: true, ..first };
    assert_eq!(w.put(new.clone()).await, Ok(again));
    // Sealed anew, another expiry, the switch off, the device disabled: still the first answer.
    let resealed = NewVersion { sealed: w.sealed(), expires_at: None, ..new.clone() };
    assert_eq!(w.put(resealed).await, Ok(again));
    w.prove(device, new.version).await.unwrap();
    w.settings(|settings| settings.laps_enabled = false).await;
    w.change(device, DeviceChange::Disable).await.unwrap();
    assert_eq!(w.put(new).await, Ok(Stored { state: Current, ..again }));
    assert_eq!(w.records().await, records + 3, "a repeat appends nothing");
    w.finish().await;
}

/// rotation.md 3, `store`: same key otherwise → conflict, nothing changed.
pub async fn a_store_with_another_content_is_a_conflict(mut w: World) {
    let device = w.device().await;
    let new = w.version(device);
    w.put(new.clone()).await.unwrap();
    let before = (w.store.versions(device, true).await, w.records().await);
    let others = [
        NewVersion { account_id: "1000".into(), ..new.clone() },
        NewVersion { account_name: "toor".into(), ..new.clone() },
        NewVersion { fingerprint: Fingerprint::from_bytes([1; 16]), ..new.clone() },
    ];
    for other in others {
        assert_eq!(w.put(other).await, Err(StoreError::VersionConflict));
    }
    assert_eq!((w.store.versions(device, true).await, w.records().await), before);
    // The key is (device object, version): another device may use the same id.
    let other = w.device().await;
    let same_id = NewVersion { device: other, account_id: "1".into(), ..new };
    assert!(!w.put(same_id).await.unwrap().again);
    w.finish().await;
}

/// design.md 5, "Device identity": a store is taken with a certificate that is the device's and not revoked, or that
/// the store does not know (it was restored from before the certificate was issued); the record names the device.
pub async fn a_store_looks_at_the_certificate(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    let certificate = w.store.certificates(device).await.unwrap()[0].fingerprint;
    let with = |certificate, new| NewVersion { certificate: Some(certificate), ..new };
    let taken = with(certificate, w.version(device));
    let first = w.put(taken.clone()).await.unwrap();
    let newest = w.store.audit(AuditFilter::default(), Page::first(1)).await.unwrap().items;
    assert_eq!(newest[0].entry.target.name, w.row(device).await.name);
    let unknown = with([0xee; 32], w.version(device));
    w.put(unknown).await.unwrap();

    let (records, foreign) = (w.records().await, with(certificate, w.version(other)));
    assert_eq!(w.put(foreign).await, Err(StoreError::DeviceUnknown));
    let entry = w.entry();
    assert_eq!(w.records().await, records);
    assert_eq!(w.put(taken.clone()).await, Ok(Stored { again: true, ..first }));
    w.store.revoke_certificate(certificate, w.now, entry).await.unwrap();
    // A repeat too: it is a question of who asks, before what is asked.
    assert_eq!(w.put(taken).await, Err(StoreError::CertificateRevoked));
    let new = with(certificate, w.version(device));
    assert_eq!(w.put(new).await, Err(StoreError::CertificateRevoked));
    w.finish().await;
}

/// rotation.md 3, `prove`: pending → current; the former current → superseded.
pub async fn a_proof_supersedes_what_is_older(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.stored(device).await;
    assert_eq!(w.states(device).await, [(first, Current), (second, Pending)], "the installed one is first");
    w.pass_hours(2);
    let proven = w.prove(device, second).await.unwrap();
    assert_eq!(proven, Proven { state: Current, again: false, requests_met: vec![] });
    assert_eq!(w.states(device).await, [(second, Current), (first, Superseded)]);
    let versions = w.store.versions(device, true).await.unwrap();
    assert_eq!((versions[0].proven_at, versions[0].set_at, versions[0].ended_at), (Some(w.now), Some(w.now), None));
    assert_eq!(versions[1].ended_at, Some(w.now));
    assert!(versions[0].sequence > versions[1].sequence);
    w.finish().await;
}

/// rotation.md 3, `prove`: every pending of a lower sequence → superseded; later ones stay.
pub async fn a_later_proof_overtakes_pending_ones(mut w: World) {
    let device = w.device().await;
    let (first, second, third) = (w.stored(device).await, w.stored(device).await, w.stored(device).await);
    w.prove(device, second).await.unwrap();
    assert_eq!(w.state(device, first).await, Some(Superseded));
    assert_eq!(w.state(device, second).await, Some(Current));
    assert_eq!(w.state(device, third).await, Some(Pending));
    let overtaken = w.store.versions(device, true).await.unwrap();
    let overtaken = overtaken.iter().find(|version| version.version == first).unwrap();
    assert_eq!((overtaken.proven_at, overtaken.ended_at), (None, Some(w.now)));
    w.finish().await;
}

/// rotation.md 1, "sequence": the order is that of the stores; a device's clock, whatever it says, decides nothing.
pub async fn device_times_are_never_compared(mut w: World) {
    let device = w.device().await;
    let mut stored = Vec::new();
    for years_back in [0, 30, 10] {
        let device_time = Some(w.now.minus_ticks(years_back * 365 * TICKS_PER_DAY));
        let new = NewVersion { device_time, ..w.version(device) };
        stored.push(new.version);
        w.put(new).await.unwrap();
    }
    let newest_first: Vec<_> = stored.iter().rev().copied().collect();
    assert_eq!(w.live(device).await, newest_first);
    let kept = w.store.versions(device, false).await.unwrap();
    assert!(kept.windows(2).all(|pair| pair[0].sequence > pair[1].sequence && pair[0].stored_at == w.now));
    w.prove(device, stored[1]).await.unwrap();
    assert_eq!(w.state(device, stored[0]).await, Some(Superseded));
    assert_eq!(w.state(device, stored[2]).await, Some(Pending));
    w.finish().await;
}

/// rotation.md 3, `prove`: already current or superseded → success, nothing changed.
pub async fn a_late_proof_changes_nothing(mut w: World) {
    let device = w.device().await;
    let (first, second) = (w.stored(device).await, w.stored(device).await);
    w.prove(device, second).await.unwrap();
    let before = (w.store.versions(device, true).await, w.records().await);
    w.pass_hours(1);
    let late = w.prove(device, first).await.unwrap();
    assert_eq!(late, Proven { state: Superseded, again: true, requests_met: vec![] });
    let again = w.prove(device, second).await.unwrap();
    assert_eq!(again, Proven { state: Current, again: true, requests_met: vec![] });
    assert_eq!((w.store.versions(device, true).await, w.records().await), before);
    w.finish().await;
}

/// rotation.md 3, "released": a proof that comes after a later one of another account does not take the
/// managed account's place.
pub async fn a_late_proof_of_another_account_is_released(mut w: World) {
    let device = w.device().await;
    let old = w.stored_for(device, "1000").await;
    let new = w.rotated(device).await;
    let versions = w.store.versions(device, false).await.unwrap();
    assert!(versions.iter().any(|version| version.version == old && version.released_at.is_some()));
    w.prove(device, old).await.unwrap();
    let versions = w.store.versions(device, false).await.unwrap();
    let released: Vec<_> = versions.iter().map(|one| (one.version, one.state, one.released_at.is_some())).collect();
    assert_eq!(released, [(new, Current, false), (old, Current, true)]);
    let report = w.truth(device, Some(new)).await;
    let answer = w.report(report).await.unwrap();
    assert_eq!(answer.current.map(|current| current.version), Some(new));
    assert!(!answer.forked);
    w.finish().await;
}

/// rotation.md 3, `prove`: abandoned → `version_abandoned`.
pub async fn an_abandoned_version_cannot_be_proven(mut w: World) {
    let device = w.device().await;
    let version = w.stored(device).await;
    w.abandon(device, version).await.unwrap();
    let records = w.records().await;
    assert_eq!(w.prove(device, version).await, Err(StoreError::VersionAbandoned));
    assert_eq!(w.state(device, version).await, Some(Abandoned));
    assert_eq!(w.records().await, records);
    w.finish().await;
}

/// rotation.md 3, `prove`: unknown → `version_unknown`.
pub async fn an_unknown_version_cannot_be_proven(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    let version = w.stored(other).await;
    assert_eq!(w.prove(device, version).await, Err(StoreError::VersionUnknown));
    assert_eq!(w.state(other, version).await, Some(Pending));
    w.finish().await;
}

/// rotation.md 3, `abandon`: pending → abandoned; anything else → success, nothing changed.
pub async fn abandoning_touches_only_pending_ones(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    let third = w.stored(device).await;
    assert_eq!(w.abandon(device, third).await, Ok(Some(Abandoned)));
    let before = (w.store.versions(device, true).await, w.records().await);
    w.pass_hours(1);
    assert_eq!(w.abandon(device, first).await, Ok(Some(Superseded)));
    assert_eq!(w.abandon(device, second).await, Ok(Some(Current)));
    assert_eq!(w.abandon(device, third).await, Ok(Some(Abandoned)));
    assert_eq!(w.abandon(device, VersionId::from_bytes([1; 16])).await, Ok(None));
    assert_eq!((w.store.versions(device, true).await, w.records().await), before);
    w.finish().await;
}

/// rotation.md 3: 12 versions in 24 h per device; beyond that the store is refused.
pub async fn the_bound_of_versions_in_a_day(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    let first_at = w.now;
    for _ in 0..12 {
        w.rotated(device).await;
        w.pass_hours(1);
    }
    let before = (w.store.versions(device, true).await, w.records().await);
    let one_more = w.version(device);
    let refused = w.put(one_more.clone()).await;
    assert_eq!(refused, Err(StoreError::TooManyVersions { retry_at: first_at.plus_days(1) }));
    assert_eq!((w.store.versions(device, true).await, w.records().await), before);
    w.rotated(other).await;
    w.now = first_at.plus_days(1);
    w.put(one_more).await.unwrap();
    w.finish().await;
}

/// rotation.md 3: 4 unresolved versions.
pub async fn the_bound_of_unresolved_versions(mut w: World) {
    let device = w.device().await;
    let mut last = None;
    for _ in 0..4 {
        last = Some(w.stored(device).await);
    }
    let one_more = w.version(device);
    assert_eq!(w.put(one_more.clone()).await, Err(StoreError::TooManyUnresolved));
    w.prove(device, last.unwrap()).await.unwrap();
    w.put(one_more).await.unwrap();
    // The bounds are settings.
    w.settings(|settings| settings.unresolved_max = 1).await;
    let over = w.version(device);
    assert_eq!(w.put(over).await, Err(StoreError::TooManyUnresolved));
    w.finish().await;
}

/// rotation.md 3 and I4: pending versions of an account that policy left do not count as unresolved: no
/// rotation would ever resolve them.
pub async fn released_ones_do_not_block(mut w: World) {
    let device = w.device().await;
    for _ in 0..3 {
        w.stored_for(device, "1000").await;
    }
    w.rotated(device).await;
    for _ in 0..4 {
        w.stored(device).await;
    }
    let over = w.version(device);
    assert_eq!(w.put(over).await, Err(StoreError::TooManyUnresolved));
    w.finish().await;
}

/// rotation.md 3: `prove`, `abandon` and `report` are taken while the switch is off, the device is
/// disabled or a tombstone; only `store` is refused then, each time with its own code.
pub async fn store_is_refused_and_the_truth_is_taken(mut w: World) {
    for refusal in [StoreError::SwitchOff, StoreError::DeviceDisabled, StoreError::DeviceDeleted] {
        let device = w.device().await;
        let (first, second) = (w.stored(device).await, w.stored(device).await);
        match refusal {
            StoreError::SwitchOff => {
                w.settings(|settings| settings.laps_enabled = false).await;
            }
            StoreError::DeviceDisabled => {
                w.change(device, DeviceChange::Disable).await.unwrap();
            }
            _ => {
                w.change(device, DeviceChange::Delete).await.unwrap();
            }
        }
        let new = w.version(device);
        assert_eq!(w.put(new).await, Err(refusal.clone()));
        assert_eq!(w.abandon(device, second).await, Ok(Some(Abandoned)));
        assert_eq!(w.prove(device, first).await.unwrap().state, Current);
        let report = w.truth(device, Some(first)).await;
        assert_eq!(w.report(report).await.unwrap().store_refused, Some(refusal.code()));
        w.settings(|settings| settings.laps_enabled = true).await;
    }
    w.finish().await;
}

/// rotation.md 3, `store`: an unknown device is refused with its own code, by every verb.
pub async fn unknown_devices_are_refused(mut w: World) {
    let device = DeviceId::from_bytes([9; 16]);
    let version = w.version(device);
    let id = version.version;
    assert_eq!(w.put(version).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.prove(device, id).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.abandon(device, id).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.request(device).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.change(device, DeviceChange::Delete).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.store.versions(device, true).await, Err(StoreError::DeviceUnknown));
    assert_eq!(w.store.device(device).await, Ok(None));
    assert_eq!(w.store.last_report(device).await, Ok(None));
    w.finish().await;
}

/// design.md 5, "Sealing": the insert verb refuses a retired or unknown key and names the active one.
pub async fn a_retired_key_is_refused(mut w: World) {
    let device = w.device().await;
    let (former, active) = (w.key, KeyId(w.bytes16()));
    let entry = w.entry();
    w.store.begin_rekey(active, w.now, entry).await.unwrap();
    // The former one is good until it is retired.
    w.stored(device).await;
    let moved = w.store.wrapped_under(former, 10).await.unwrap();
    assert_eq!(w.store.rewrap(former, active, moved).await, Ok(1));
    let entry = w.entry();
    assert_eq!(w.store.retire_key(former, w.now, entry).await, Ok(0));
    for key in [former, KeyId([1; 16])] {
        let new = w.version(device);
        let sealed = Sealed { key, ..w.sealed() };
        assert_eq!(w.put(NewVersion { sealed, ..new }).await, Err(StoreError::KeyRetired { active }));
    }
    w.key = active;
    w.stored(device).await;
    w.finish().await;
}

/// rotation.md 1, "live set": the version last reported installed, then pendings newest first, then current.
pub async fn the_live_set_is_best_first(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    let (third, fourth) = (w.stored(device).await, w.stored(device).await);
    // A proof tells what is installed.
    assert_eq!(w.live(device).await, [second, fourth, third]);
    // The machine was rolled back: the superseded one is live again, and best.
    let report = w.truth(device, Some(first)).await;
    w.report(report).await.unwrap();
    assert_eq!(w.live(device).await, [first, fourth, third, second]);
    let versions = w.store.versions(device, false).await.unwrap();
    assert_eq!(versions.iter().map(|version| version.installed).collect::<Vec<_>>(), [true, false, false, false]);
    assert!(versions.iter().all(|version| version.live && !version.of_predecessor));
    // It cannot be told what is installed.
    let report = w.truth(device, None).await;
    w.report(report).await.unwrap();
    assert_eq!(w.live(device).await, [fourth, third, second]);
    assert_eq!(w.states(device).await.last(), Some(&(first, Superseded)));
    w.finish().await;
}

/// rotation.md 3: `--history` adds superseded, then abandoned; abandoned ones stay readable, last.
pub async fn abandoned_versions_stay_readable_last(mut w: World) {
    let device = w.device().await;
    let abandoned = w.stored(device).await;
    w.abandon(device, abandoned).await.unwrap();
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    let again = w.stored(device).await;
    w.abandon(device, again).await.unwrap();
    assert_eq!(
        w.states(device).await,
        [(second, Current), (first, Superseded), (again, Abandoned), (abandoned, Abandoned)]
    );
    let revealed = w.reveal(device, true).await.unwrap();
    assert_eq!(revealed.len(), 4);
    assert_eq!(revealed.last().unwrap().version.version, abandoned);
    w.finish().await;
}

//! `report` (rotation.md 3): what a device is told, forks, and when nothing is written.

use super::World;
use laps::{id::VersionId, rotation::Fingerprint};
use server::store::{DeviceEventKind::*, *};

/// rotation.md 3, `report`: → current version, unresolved versions with fingerprints (newest first),
/// incarnation, audit head.
pub async fn a_report_answers_current_and_unresolved(mut w: World) {
    let device = w.device().await;
    let report = w.truth(device, None).await;
    let empty = w.report(report).await.unwrap();
    assert_eq!((empty.current, empty.unresolved.len(), empty.forked), (None, 0, false));
    let current = w.rotated(device).await;
    let (second, third) = (w.stored(device).await, w.stored(device).await);
    let report = w.truth(device, Some(current)).await;
    let answer = w.report(report).await.unwrap();
    assert_eq!(answer.current.as_ref().map(|known| known.version), Some(current));
    let unresolved: Vec<_> = answer.unresolved.iter().map(|known| known.version).collect();
    assert_eq!(unresolved, [third, second]);
    assert_eq!(answer.unresolved[0].fingerprint, Fingerprint::from_bytes(*third.as_bytes()));
    assert_eq!((answer.unresolved[0].account_id.as_str(), answer.unresolved[0].account_name.as_str()), ("0", "root"));
    assert_eq!(answer.incarnation, w.store.tenant().await.unwrap().incarnation);
    assert_eq!(vec![answer.audit_head], w.store.audit_heads().await.unwrap());
    assert_eq!((answer.forked, answer.rotate, answer.store_refused), (false, None, None));
    assert!(answer.events.is_empty());
    w.finish().await;
}

/// Issue 2, 21 (g): a check-in with nothing to do costs no durable write.
pub async fn the_same_report_writes_nothing(mut w: World) {
    let device = w.device().await;
    let current = w.rotated(device).await;
    let report = w.truth(device, Some(current)).await;
    assert!(w.report(report.clone()).await.unwrap().written);
    let said = w.store.last_report(device).await.unwrap().unwrap();
    assert_eq!((&said.report, said.changed_at, said.installed_version), (&report, w.now, Some(current)));
    w.pass_hours(1);
    assert!(!w.report(report.clone()).await.unwrap().written);
    assert_eq!(w.store.last_report(device).await.unwrap(), Some(said.clone()));
    // What the server learns anew is written, but the device said nothing new.
    w.change(device, DeviceChange::Delete).await.unwrap();
    assert!(w.report(report.clone()).await.unwrap().written);
    assert!(w.row(device).await.reported_since_deletion);
    assert!(!w.report(report.clone()).await.unwrap().written);
    assert_eq!(w.store.last_report(device).await.unwrap(), Some(said));
    let changed = Report { usability: "disabled".into(), ..report };
    assert!(w.report(changed.clone()).await.unwrap().written);
    assert_eq!(w.store.last_report(device).await.unwrap().map(|last| last.changed_at), Some(w.now));
    assert!(!w.report(changed).await.unwrap().written);
    w.finish().await;
}

/// rotation.md 1, "forked": the last acknowledged version is not the server's current one. An event, once.
pub async fn a_roll_back_is_a_fork(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    w.pass_hours(1);
    let rolled_back = w.truth(device, Some(first)).await;
    let answer = w.report(rolled_back.clone()).await.unwrap();
    assert!(answer.forked && answer.written);
    assert_eq!(answer.events, [Forked]);
    assert_eq!(answer.current.map(|current| current.version), Some(second));
    assert_eq!(w.row(device).await.forked_at, Some(w.now));
    // Still forked: no second event.
    let again = w.report(rolled_back).await.unwrap();
    assert!(again.forked && !again.written && again.events.is_empty());
    // It rotates, and is not forked any more; the mark stays until a person clears it.
    let third = w.rotated(device).await;
    let report = w.truth(device, Some(third)).await;
    assert!(!w.report(report).await.unwrap().forked);
    assert!(w.row(device).await.forked_at.is_some());
    // A device that knows of no proof, or of one that the server does not know, is forked as well.
    for acknowledged in [None, Some(VersionId::from_bytes([3; 16]))] {
        let other = w.device().await;
        let version = w.rotated(other).await;
        let report = Report { acknowledged, ..w.truth(other, Some(version)).await };
        assert!(w.report(report).await.unwrap().forked);
    }
    let fresh = w.device().await;
    let report = Report { acknowledged: Some(third), ..w.truth(fresh, None).await };
    assert!(w.report(report).await.unwrap().forked);
    w.finish().await;
}

/// rotation.md 2: after a lost answer to `prove` the device still has its intent; that is no fork.
pub async fn a_lost_answer_to_a_proof_is_no_fork(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    let unaware = Report { acknowledged: Some(first), intent: Some(second), ..w.truth(device, Some(second)).await };
    let answer = w.report(unaware.clone()).await.unwrap();
    assert!(!answer.forked && answer.events.is_empty());
    // The intent of another version is no excuse.
    let other = Report { intent: Some(first), ..unaware };
    assert!(w.report(other).await.unwrap().forked);
    w.finish().await;
}

/// rotation.md 3, "released": the current version stays the device's current one when policy leaves.
pub async fn a_released_current_is_no_fork(mut w: World) {
    let device = w.device().await;
    let current = w.rotated(device).await;
    let entry = w.entry();
    w.store.release(device, w.now, entry).await.unwrap();
    let report = w.truth(device, Some(current)).await;
    let answer = w.report(report).await.unwrap();
    assert_eq!(answer.current.map(|known| known.version), Some(current));
    assert!(!answer.forked);
    w.finish().await;
}

async fn fork(w: &mut World, device: laps::id::DeviceId) -> ReportAnswer {
    let current = w.rotated(device).await;
    let report = w.truth(device, Some(current)).await;
    assert!(!w.report(report.clone()).await.unwrap().forked);
    w.report(Report { acknowledged: None, ..report }).await.unwrap()
}

/// rotation.md 3: two forks in 7 days: alert "cloned or stolen identity".
pub async fn two_forks_in_seven_days_are_a_suspicion(mut w: World) {
    let device = w.device().await;
    assert_eq!(fork(&mut w, device).await.events, [Forked]);
    assert!(!w.row(device).await.clone_suspected);
    w.pass_days(6);
    assert_eq!(fork(&mut w, device).await.events, [Forked, CloneSuspected]);
    assert!(w.row(device).await.clone_suspected);
    assert_eq!(w.events(device).await, [Forked, Forked, CloneSuspected]);
    // The alert is given once.
    assert_eq!(fork(&mut w, device).await.events, [Forked]);
    w.finish().await;
}

/// rotation.md 3: forks that are more than 7 days apart are no suspicion.
pub async fn forks_far_apart_are_no_suspicion(mut w: World) {
    let device = w.device().await;
    fork(&mut w, device).await;
    w.pass_days(8);
    assert_eq!(fork(&mut w, device).await.events, [Forked]);
    assert!(!w.row(device).await.clone_suspected);
    w.finish().await;
}

/// rotation.md 3: a fork counts until a person clears it; again is success and appends nothing.
pub async fn a_person_clears_a_fork(mut w: World) {
    let device = w.device().await;
    fork(&mut w, device).await;
    fork(&mut w, device).await;
    let entry = w.entry();
    let cleared = w.store.clear_fork(device, w.now, entry).await.unwrap();
    assert_eq!((cleared.forked_at, cleared.clone_suspected), (None, false));
    assert_eq!(w.events(device).await.last(), Some(&ForkCleared));
    let before = (w.records().await, w.events(device).await.len());
    let entry = w.entry();
    w.store.clear_fork(device, w.now, entry).await.unwrap();
    assert_eq!((w.records().await, w.events(device).await.len()), before);
    w.finish().await;
}

/// rotation.md 4, I1 (a): an installed verifier that no version has is an event, once for each change.
pub async fn an_unknown_verifier_is_an_event(mut w: World) {
    let device = w.device().await;
    let by_hand = Fingerprint::from_bytes([5; 16]);
    // Before the first proven version the password is not known to anybody: that is no news.
    let report = Report { installed: Some(by_hand), ..w.truth(device, None).await };
    assert!(w.report(report).await.unwrap().events.is_empty());
    let current = w.rotated(device).await;
    let report = w.truth(device, Some(current)).await;
    assert!(w.report(report.clone()).await.unwrap().events.is_empty());
    let changed = Report { installed: Some(by_hand), ..report.clone() };
    let answer = w.report(changed.clone()).await.unwrap();
    assert_eq!((answer.events, answer.forked), (vec![UnknownVerifier], false));
    let other_news = Report { usability: "disabled".into(), ..changed };
    assert!(w.report(other_news).await.unwrap().events.is_empty());
    w.report(report.clone()).await.unwrap();
    // The machine says again what it said before the proof: it is not what the proof said.
    w.rotated(device).await;
    w.report(Report { installed: Some(by_hand), ..report.clone() }).await.unwrap();
    let next = w.rotated(device).await;
    let undone = Report { installed: Some(by_hand), acknowledged: Some(next), ..report };
    assert_eq!(w.report(undone).await.unwrap().events, [UnknownVerifier]);
    assert_eq!(w.live(device).await, [next]);
    w.finish().await;
}

/// rotation.md 3: the answer says beforehand what `store` would be refused with.
pub async fn the_answer_says_what_store_would(mut w: World) {
    let device = w.device().await;
    let report = w.truth(device, None).await;
    assert_eq!(w.report(report.clone()).await.unwrap().store_refused, None);
    w.settings(|settings| settings.laps_enabled = false).await;
    assert_eq!(w.report(report.clone()).await.unwrap().store_refused, Some("laps_disabled"));
    w.change(device, DeviceChange::Disable).await.unwrap();
    assert_eq!(w.report(report.clone()).await.unwrap().store_refused, Some("device_disabled"));
    w.change(device, DeviceChange::Delete).await.unwrap();
    assert_eq!(w.report(report.clone()).await.unwrap().store_refused, Some("device_deleted"));
    let entry = w.entry();
    w.store.purge_device(device, PurgeBy::Person, w.now, entry).await.unwrap();
    assert_eq!(w.report(report).await, Err(StoreError::DeviceUnknown));
    w.finish().await;
}

/// A device's name and system are what it reported last.
pub async fn a_report_changes_name_and_system(mut w: World) {
    let device = w.device().await;
    let report = Report { name: "Renamed".into(), os: "Debian 14".into(), ..w.truth(device, None).await };
    w.report(report).await.unwrap();
    let row = w.row(device).await;
    assert_eq!((row.name.as_str(), row.os.as_str(), row.agent_version.as_str()), ("Renamed", "Debian 14", "0.1.0"));
    let found = DeviceFilter { name: Some("renamed".into()), ..DeviceFilter::default() };
    assert_eq!(w.store.devices(found, Page::first(5)).await.unwrap().items, [row]);
    w.finish().await;
}

/// rotation.md 10: what a device tells of itself is kept with its detail, newest first.
pub async fn what_a_device_tells_is_kept(mut w: World) {
    let device = w.device().await;
    for (kind, detail) in [(Drift, r#"{"drift":["disabled"]}"#), (RepairHeld, "{}")] {
        w.store.note_event(device, kind, detail.into(), w.now).await.unwrap();
        w.pass_hours(1);
    }
    let events = w.store.device_events(device, Page::first(10)).await.unwrap().items;
    let seen: Vec<_> = events.iter().map(|event| (event.kind, event.detail.as_str())).collect();
    assert_eq!(seen, [(RepairHeld, "{}"), (Drift, r#"{"drift":["disabled"]}"#)]);
    assert!(events[0].sequence > events[1].sequence && events[0].at > events[1].at);
    let nobody = laps::id::DeviceId::from_bytes([0xee; 16]);
    assert_eq!(w.store.note_event(nobody, Drift, "{}".into(), w.now).await, Err(StoreError::DeviceUnknown));
    w.finish().await;
}

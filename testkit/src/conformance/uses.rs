//! Uses of passwords and the reads that they are paired with (laps-behaviour.md 5).

use super::World;
use laps::id::{DeviceId, SignInId, VersionId};
use server::{
    audit::{AuditEntry, AuditFilter, Outcome, Target, activity},
    store::*,
};

fn used(w: &World, device: DeviceId, version: VersionId, n: u16) -> PasswordUse {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&n.to_be_bytes());
    PasswordUse {
        device,
        id: SignInId::from_bytes(id),
        version,
        account_name: "root".into(),
        service: "sshd".into(),
        from: Some("192.0.2.7".into()),
        at: w.now,
        deadline: Some(w.now.plus_seconds(3600)),
        reported_at: w.now,
    }
}

/// A repeated report of the same sign-in is nothing; the record stands in the same transaction.
pub async fn a_use_is_noted_once(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    let version = w.rotated(device).await;
    let noted = used(&w, device, version, 1);
    let records = w.records().await;
    let entry = w.entry();
    assert_eq!(w.store.note_use(noted.clone(), entry).await, Ok(true));
    let entry = w.entry();
    let later = PasswordUse { reported_at: w.now.plus_days(1), ..noted.clone() };
    assert_eq!(w.store.note_use(later, entry).await, Ok(false));
    assert_eq!(w.records().await, records + 1);
    // The same id of another device is another sign-in.
    let entry = w.entry();
    assert_eq!(w.store.note_use(PasswordUse { device: other, ..noted.clone() }, entry).await, Ok(true));
    assert_eq!(w.store.uses(device, Page::first(10)).await.unwrap().items, std::slice::from_ref(&noted));
    // The truth is taken whatever the state; a device that is not there has none.
    w.change(device, DeviceChange::Disable).await.unwrap();
    let second = used(&w, device, version, 2);
    let entry = w.entry();
    assert_eq!(w.store.note_use(second.clone(), entry).await, Ok(true));
    let nobody = DeviceId::from_bytes([9; 16]);
    let entry = w.entry();
    assert_eq!(
        w.store.note_use(PasswordUse { device: nobody, ..noted.clone() }, entry).await,
        Err(StoreError::DeviceUnknown)
    );
    let first = w.store.uses(device, Page::first(1)).await.unwrap();
    assert_eq!(first.items, [second]);
    let next = w.store.uses(device, Page::behind(first.next, 1)).await.unwrap();
    assert_eq!((next.items, next.next), (vec![noted], None));
    assert_eq!(w.store.uses(device, Page::behind(Some("x".into()), 1)).await, Err(StoreError::BadCursor));
    w.finish().await;
}

/// Growth has a bound: the newest are kept, and the audit log has all.
pub async fn the_newest_uses_are_kept(mut w: World) {
    let device = w.device().await;
    let version = w.rotated(device).await;
    let count = u16::try_from(USES_KEPT).unwrap() + 3;
    for n in 0..count {
        let (noted, entry) = (used(&w, device, version, n), w.entry());
        w.store.note_use(noted, entry).await.unwrap();
    }
    let kept = w.store.uses(device, Page::first(1000)).await.unwrap().items;
    assert_eq!(kept.len(), USES_KEPT as usize);
    assert_eq!(kept.first(), Some(&used(&w, device, version, count - 1)));
    assert_eq!(kept.last(), Some(&used(&w, device, version, 3)));
    w.finish().await;
}

/// A use is paired with the newest read that gave its version out to a reader of that device.
pub async fn the_last_read_of_a_version(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    let first = w.rotated(device).await;
    w.rotated(other).await;
    let entry = |w: &mut World, device: DeviceId, outcome: Outcome| AuditEntry {
        activity: activity::RECOVER_PASSWORD.into(),
        target: Target { kind: "device".into(), id: device.to_string(), name: String::new() },
        outcome,
        ..w.entry()
    };
    let read = async |w: &mut World, device: DeviceId| {
        let (epoch, device_revision) = (w.epoch(w.admin).await, w.row(device).await.revision);
        let entry = entry(w, device, Outcome::Success);
        let reveal =
            Reveal { device, device_revision, principal: w.admin, epoch, reading: Reading::default(), history: false };
        w.store.reveal(reveal, entry).await.unwrap();
        w.store.audit(AuditFilter::default(), Page::first(1)).await.unwrap().items.remove(0)
    };
    assert_eq!(w.store.last_read(device, first).await.unwrap(), None);
    read(&mut w, other).await;
    let refused = entry(&mut w, device, Outcome::Failure("denied".into()));
    w.store.append_audit(refused).await.unwrap();
    assert_eq!(w.store.last_read(device, first).await.unwrap(), None);
    let one = read(&mut w, device).await;
    assert_eq!(w.store.last_read(device, first).await.unwrap(), Some(one));
    let two = read(&mut w, device).await;
    assert_eq!(w.store.last_read(device, first).await.unwrap(), Some(two.clone()));
    let second = w.rotated(device).await;
    assert_eq!(w.store.last_read(device, second).await.unwrap(), None);
    let three = read(&mut w, device).await;
    assert_eq!(w.store.last_read(device, second).await.unwrap(), Some(three));
    assert_eq!(w.store.last_read(device, first).await.unwrap(), Some(two));
    w.finish().await;
}

//! The tenant, incarnations and key-encryption keys (design.md 5, "Sealing"; rotation.md 3, `restore`).

use super::World;
use laps::id::{Incarnation, TenantId};
use server::{
    seal::KeyId,
    store::{DeviceEventKind::*, *},
};

/// One tenant per data directory, its id fixed at `init`.
pub async fn a_store_is_initialised_once(mut w: World) {
    let tenant = w.store.tenant().await.unwrap();
    assert_eq!(tenant.revision, 1);
    let again = NewTenant {
        id: TenantId::from_bytes([1; 16]),
        incarnation: Incarnation::from_bytes([1; 16]),
        key: KeyId([1; 16]),
        settings: Settings::default(),
    };
    let entry = w.entry();
    assert_eq!(w.store.initialise(again, w.now, entry).await, Err(StoreError::Exists("tenant")));
    assert_eq!(w.store.tenant().await, Ok(tenant));
    w.finish().await;
}

/// Settings are replaced only by who has read them as they are.
pub async fn settings_change_by_revision(mut w: World) {
    let before = w.store.tenant().await.unwrap();
    let changed = w.settings(|settings| settings.tombstone_days = 7).await;
    assert_eq!((changed.revision, changed.settings.tombstone_days), (before.revision + 1, 7));
    let records = w.records().await;
    let entry = w.entry();
    let late = w.store.update_settings(before.settings, before.revision, entry).await;
    assert_eq!(late, Err(StoreError::Changed));
    assert_eq!(w.store.tenant().await, Ok(changed));
    assert_eq!(w.records().await, records);
    w.finish().await;
}

/// rotation.md 3: `restore` makes a new incarnation, voids join tokens, sessions and bearer tokens, and
/// marks every candidate until its device reports.
pub async fn a_restore_is_a_new_incarnation(mut w: World) {
    let device = w.device().await;
    let current = w.rotated(device).await;
    let request = w.request(device).await.unwrap().request.sequence;
    let (_, token) = w.token(None).await;
    let epoch = w.epoch(w.admin).await;
    let hash = w.bytes32();
    let session = Session {
        hash,
        kind: SessionKind::Cookie,
        family: w.bytes16(),
        principal: w.admin,
        epoch,
        data: "{}".into(),
        created_at: w.now,
        expires_at: w.now.plus_days(1),
    };
    w.store.put_session(session).await.unwrap();
    let backup_at = w.now;
    w.pass_hours(5);
    let (incarnation, entry) = (Incarnation::from_bytes(w.bytes16()), w.entry());
    w.store.begin_incarnation(incarnation, backup_at, w.now, entry).await.unwrap();
    let tenant = w.store.tenant().await.unwrap();
    assert_eq!(
        (tenant.incarnation, tenant.restored_from, tenant.restored_at),
        (incarnation, Some(backup_at), Some(w.now))
    );
    assert_eq!(w.store.check_join_token(token, w.now).await, Err(StoreError::TokenRevoked));
    assert_eq!(w.store.session(SessionKind::Cookie, hash, w.now).await, Ok(None));
    assert!(w.epoch(w.admin).await > epoch);
    let versions = w.store.versions(device, true).await.unwrap();
    assert!(versions.iter().all(|version| version.from_backup_at == Some(backup_at)));
    assert_eq!(w.row(device).await.from_backup_at, Some(backup_at));
    // The order goes on behind every number that may have been given out after the backup.
    let later = w.version(device);
    assert!(w.put(later).await.unwrap().sequence > request + 1000);
    let report = w.truth(device, Some(current)).await;
    let answer = w.report(report).await.unwrap();
    assert_eq!((answer.incarnation, answer.events), (incarnation, vec![ReportedAfterRestore]));
    let versions = w.store.versions(device, true).await.unwrap();
    assert!(versions.iter().all(|version| version.from_backup_at.is_none()));
    assert_eq!(w.row(device).await.from_backup_at, None);
    w.finish().await;
}

/// design.md 5, "Sealing": make the new key active, re-wrap in batches, retire the old one in the
/// transaction that finds none left.
pub async fn rekey_retires_only_an_empty_key(mut w: World) {
    let device = w.device().await;
    for _ in 0..3 {
        w.stored(device).await;
    }
    let (old, new) = (w.key, KeyId(w.bytes16()));
    let entry = w.entry();
    let active = w.store.retire_key(old, w.now, entry).await;
    assert!(matches!(active, Err(StoreError::InUse(_))), "the active key is not retired");
    let entry = w.entry();
    w.store.begin_rekey(new, w.now, entry).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.begin_rekey(new, w.now, entry).await, Err(StoreError::Exists("key")));
    let keys = w.store.keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| (key.id, key.active)).collect::<Vec<_>>(), [(old, false), (new, true)]);
    // In batches; killed half-way it goes on where it was.
    let mut left = 3;
    loop {
        let entry = w.entry();
        let records = w.records().await;
        assert_eq!(w.store.retire_key(old, w.now, entry).await, Ok(left));
        assert_eq!(w.records().await - records, u64::from(left == 0));
        if left == 0 {
            break;
        }
        let batch = w.store.wrapped_under(old, 2).await.unwrap();
        let batch: Vec<_> = batch.into_iter().map(|key| WrappedKey { wrapped_key: [8; 40], ..key }).collect();
        left -= w.store.rewrap(old, new, batch.clone()).await.unwrap();
        assert_eq!(w.store.rewrap(old, new, batch).await, Ok(0), "a batch that comes again changes nothing");
        let samples = w.store.sealed_samples().await.unwrap();
        assert_eq!(samples.len(), if left == 0 { 1 } else { 2 });
    }
    let entry = w.entry();
    assert_eq!(w.store.retire_key(old, w.now, entry).await, Ok(0), "again is success");
    assert!(w.store.keys().await.unwrap()[0].retired_at.is_some());
    let unknown = KeyId([1; 16]);
    for retired in [old, unknown] {
        assert_eq!(w.store.rewrap(new, retired, vec![]).await, Err(StoreError::KeyRetired { active: new }));
    }
    let entry = w.entry();
    assert_eq!(w.store.retire_key(unknown, w.now, entry).await, Err(StoreError::NotFound("key")));
    let revealed = w.reveal(device, true).await.unwrap();
    assert!(revealed.iter().all(|one| one.sealed.key == new && one.sealed.wrapped_key == [8; 40]));
    w.finish().await;
}

/// `rewrap`: rows that are gone or no longer under the key are left as they are.
pub async fn rewrap_leaves_other_envelopes(mut w: World) {
    let device = w.device().await;
    let version = w.stored(device).await;
    let (old, new) = (w.key, KeyId(w.bytes16()));
    let entry = w.entry();
    w.store.begin_rekey(new, w.now, entry).await.unwrap();
    let strangers = vec![
        WrappedKey { device, version: laps::id::VersionId::from_bytes([1; 16]), wrapped_key: [1; 40] },
        WrappedKey { device, version, wrapped_key: [2; 40] },
    ];
    assert_eq!(w.store.rewrap(KeyId([3; 16]), new, strangers.clone()).await, Ok(0));
    assert_eq!(w.store.rewrap(old, new, strangers).await, Ok(1));
    assert_eq!(w.store.wrapped_under(old, 10).await, Ok(vec![]));
    assert_eq!(w.store.wrapped_under(new, 10).await.unwrap().len(), 1);
    w.finish().await;
}

/// `ready` changes nothing.
pub async fn the_store_is_ready(w: World) {
    let records = w.records().await;
    assert_eq!(w.store.ready().await, Ok(()));
    assert_eq!(w.records().await, records);
    w.finish().await;
}

/// The numbers of the overview.
pub async fn counts_are_right(mut w: World) {
    let devices = [w.device().await, w.device().await, w.device().await, w.device().await];
    w.rotated(devices[0]).await;
    w.rotated(devices[0]).await;
    w.stored(devices[0]).await;
    let given_up = w.stored(devices[1]).await;
    w.abandon(devices[1], given_up).await.unwrap();
    w.request(devices[1]).await.unwrap();
    w.change(devices[2], DeviceChange::Disable).await.unwrap();
    w.change(devices[3], DeviceChange::Delete).await.unwrap();
    let counts = w.store.counts().await.unwrap();
    let records = w.store.audit_chain(1, 0, 1000).await.unwrap().len() as u64;
    let expected = Counts {
        devices_enabled: 2,
        devices_disabled: 1,
        devices_deleted: 1,
        versions_pending: 1,
        versions_current: 1,
        versions_history: 2,
        rotations_open: 1,
        audit_records: records,
    };
    assert_eq!(counts, expected);
    w.finish().await;
}

//! Escrow: a disclosure in bulk names every version before it is answered (rotation.md 4, I2), and exports and drills
//! are remembered.

use super::World;
use laps::id::DeviceId;
use server::{
    audit::{AuditFilter, Disclosed},
    store::*,
};

fn everything(by: Option<(laps::id::PrincipalId, u64)>) -> Disclosure {
    Disclosure {
        by,
        filter: DeviceFilter::default(),
        member_of: None,
        devices: Vec::new(),
        history: false,
        after: None,
        limit: 100,
    }
}

async fn disclose(w: &mut World, disclosure: Disclosure) -> Result<DisclosedPage, StoreError> {
    let entry = w.entry();
    w.store.disclose(disclosure, entry).await
}

fn export(w: &mut World, recipient: &str) -> NewExport {
    NewExport {
        id: w.bytes16(),
        made_by: "admin".into(),
        scheduled: false,
        recipients: vec![recipient.into()],
        devices: 1,
        versions: 1,
        proof_hash: w.bytes32(),
    }
}

async fn record(w: &mut World, export: NewExport, devices: &[DeviceId]) -> Result<Export, StoreError> {
    let entry = w.entry();
    w.store.record_export(export, devices.to_vec(), w.now, entry).await
}

/// Every version that a page gives out stands in its record; a page that gives nothing has none.
pub async fn a_disclosure_names_every_version(mut w: World) {
    let (first, second, empty) = (w.device().await, w.device().await, w.device().await);
    let old = w.rotated(first).await;
    let (one, two) = (w.rotated(first).await, w.stored(second).await);
    w.change(second, DeviceChange::Delete).await.unwrap();
    let by = Some((w.admin, w.epoch(w.admin).await));
    let page = disclose(&mut w, everything(by)).await.unwrap();
    assert_eq!(page.next, None);
    let given: Vec<_> = page
        .devices
        .iter()
        .map(|of| (of.device, of.state, of.versions.iter().map(|one| one.version.version).collect::<Vec<_>>()))
        .collect();
    assert_eq!(
        given,
        [(first, DeviceState::Enabled, vec![one]), (second, DeviceState::Deleted, vec![two])],
        "tombstones too, live versions only, in the order of ids"
    );
    assert!(given.iter().all(|(device, ..)| *device != empty));
    let record = w.store.audit(AuditFilter::default(), Page::first(1)).await.unwrap().items.remove(0);
    assert_eq!(
        record.disclosed,
        [Disclosed { device: first, version: one }, Disclosed { device: second, version: two }]
    );
    let history = disclose(&mut w, Disclosure { history: true, ..everything(by) }).await.unwrap();
    assert_eq!(history.devices[0].versions.last().map(|row| row.version.version), Some(old));
    let records = w.records().await;
    let none = disclose(&mut w, Disclosure { devices: vec![empty], ..everything(by) }).await.unwrap();
    assert_eq!((none.devices.len(), w.records().await), (0, records));
    w.finish().await;
}

/// Rights that changed since the decision, and devices out of the caller's reach.
pub async fn a_disclosure_keeps_to_what_was_decided(mut w: World) {
    let (mine, other) = (w.device().await, w.device().await);
    w.rotated(mine).await;
    w.rotated(other).await;
    let group = w.group("mine").await;
    let entry = w.entry();
    w.store.add_member(group, mine, entry).await.unwrap();
    let by = Some((w.admin, w.epoch(w.admin).await));
    let in_reach = DeviceFilter { groups: Some(vec![group]), ..DeviceFilter::default() };
    let states = vec![DeviceState::Enabled];
    for disclosure in [
        Disclosure { filter: in_reach.clone(), ..everything(by) },
        Disclosure { member_of: Some(group), ..everything(by) },
        Disclosure { filter: DeviceFilter { states, ..in_reach }, devices: vec![mine, other], ..everything(by) },
    ] {
        let page = disclose(&mut w, disclosure).await.unwrap();
        assert_eq!(page.devices.iter().map(|of| of.device).collect::<Vec<_>>(), [mine]);
    }
    let paged = disclose(&mut w, Disclosure { limit: 1, ..everything(by) }).await.unwrap();
    assert_eq!(paged.next, Some(mine));
    let rest = disclose(&mut w, Disclosure { after: paged.next, limit: 1, ..everything(by) }).await.unwrap();
    assert_eq!((rest.devices.len(), rest.next), (1, None));
    let records = w.records().await;
    let stale = by.map(|(principal, epoch)| (principal, epoch + 1));
    assert_eq!(disclose(&mut w, everything(stale)).await, Err(StoreError::AuthorizationChanged));
    assert_eq!(w.records().await, records);
    w.finish().await;
}

/// The newest export of a device is remembered, also when the device is purged; a drill stands at its export.
pub async fn exports_and_drills_are_remembered(mut w: World) {
    let (one, two) = (w.device().await, w.device().await);
    assert_eq!((w.store.export_of(one).await.unwrap(), w.store.last_drilled().await.unwrap()), (None, None));
    let new = export(&mut w, "age1a");
    let first = record(&mut w, new.clone(), &[one, two]).await.unwrap();
    assert_eq!((&first.export, first.made_at, &first.drilled), (&new, w.now, &None));
    assert_eq!(record(&mut w, new, &[one]).await, Err(StoreError::Exists("export")));
    w.pass_hours(1);
    let new = export(&mut w, "age1b");
    let second = record(&mut w, new, &[one]).await.unwrap();
    assert_eq!(w.store.exports(10).await.unwrap(), [second.clone(), first.clone()]);
    assert_eq!(w.store.exports(1).await.unwrap(), std::slice::from_ref(&second));
    assert_eq!(w.store.export_of(one).await.unwrap(), Some(second.clone()));
    w.change(two, DeviceChange::Delete).await.unwrap();
    let entry = w.entry();
    w.store.purge_device(two, PurgeBy::Person, w.now, entry).await.unwrap();
    assert_eq!(w.store.export_of(two).await.unwrap(), Some(first.clone()), "after the purge too");
    let entry = w.entry();
    let drilled = w.store.record_drill(first.export.id, "ada".into(), w.now, entry).await.unwrap();
    assert_eq!(drilled, Export { drilled: Some((w.now, "ada".into())), ..first });
    assert_eq!(w.store.last_drilled().await.unwrap(), Some(drilled));
    let (nobody, entry) = (w.bytes16(), w.entry());
    assert_eq!(w.store.record_drill(nobody, "ada".into(), w.now, entry).await, Err(StoreError::NotFound("export")));
    w.finish().await;
}

/// The settings of the scheduled export are kept.
pub async fn escrow_settings_are_kept(mut w: World) {
    assert_eq!(w.store.tenant().await.unwrap().settings.escrow, EscrowSettings::default());
    let wanted = EscrowSettings {
        recipients: vec!["age1a".into(), "age1b".into()],
        interval_days: 7,
        folder: "exports".into(),
        kept: 9,
    };
    w.settings(|settings| settings.escrow = wanted.clone()).await;
    assert_eq!(w.store.tenant().await.unwrap().settings.escrow, wanted);
    w.finish().await;
}

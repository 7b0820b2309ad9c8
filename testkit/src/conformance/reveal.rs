//! Reveals and the audit log (design.md 5, "Audit"; rotation.md 4, I2).

use super::World;
use laps::id::PrincipalId;
use server::{
    audit::{Actor, AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, Disclosed, SignedHead, Target},
    store::*,
};

/// I2: the record that names every version disclosed is durable in the transaction of the reveal.
pub async fn a_reveal_names_every_version(mut w: World) {
    let device = w.device().await;
    let first = w.rotated(device).await;
    let second = w.rotated(device).await;
    let pending = w.version(device);
    let sealed = pending.sealed.clone();
    w.put(pending.clone()).await.unwrap();
    let live = w.reveal(device, false).await.unwrap();
    assert_eq!(live.iter().map(|one| one.version.version).collect::<Vec<_>>(), [second, pending.version]);
    assert_eq!(live[1].sealed, sealed, "the envelope comes back as it was stored");
    let newest = w.store.audit(AuditFilter::default(), Page::first(1)).await.unwrap().items;
    let disclosed = |ids: &[laps::id::VersionId]| -> Vec<Disclosed> {
        ids.iter().map(|version| Disclosed { device, version: *version }).collect()
    };
    assert_eq!(newest[0].disclosed, disclosed(&[second, pending.version]));
    w.reveal(device, true).await.unwrap();
    let newest = w.store.audit(AuditFilter::default(), Page::first(1)).await.unwrap().items;
    assert_eq!(newest[0].disclosed, disclosed(&[second, pending.version, first]));
    w.finish().await;
}

/// design.md 5, "Audit": refused when the caller's authorization epoch is another than at the decision.
pub async fn a_reveal_is_refused_on_another_epoch(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    let reader = w.user("reader").await;
    let epoch = w.epoch(reader).await;
    let reveal =
        Reveal { device, device_revision: 1, principal: reader, epoch, reading: Reading::default(), history: false };
    w.role(reader, "Cloud Device Administrator", None).await.unwrap();
    let records = w.records().await;
    let entry = w.entry();
    assert_eq!(w.store.reveal(reveal.clone(), entry).await, Err(StoreError::AuthorizationChanged));
    let nobody = Reveal { principal: PrincipalId::from_bytes([1; 16]), ..reveal.clone() };
    let entry = w.entry();
    assert_eq!(w.store.reveal(nobody, entry).await, Err(StoreError::AuthorizationChanged));
    assert_eq!(w.records().await, records);
    let entry = w.entry();
    let again = Reveal { epoch: w.epoch(reader).await, ..reveal };
    assert_eq!(w.store.reveal(again, entry).await.unwrap().len(), 1);
    w.finish().await;
}

/// design.md 5, "Audit": refused when the device's revision is another: group, state or predecessor changed.
pub async fn a_reveal_is_refused_on_another_revision(mut w: World) {
    let (device, former) = (w.device().await, w.device().await);
    w.rotated(device).await;
    let group = w.group("g").await;
    let epoch = w.epoch(w.admin).await;
    for step in 0..6 {
        let device_revision = w.row(device).await.revision;
        let entry = w.entry();
        match step {
            0 => w.store.add_member(group, device, entry).await.unwrap(),
            1 => w.store.remove_member(group, device, entry).await.unwrap(),
            2 => drop(w.store.link_predecessor(device, former, entry).await.unwrap()),
            3 => drop(w.change(device, DeviceChange::Disable).await.unwrap()),
            4 => drop(w.change(device, DeviceChange::Delete).await.unwrap()),
            _ => drop(w.change(device, DeviceChange::Restore).await.unwrap()),
        }
        let records = w.records().await;
        let reveal =
            Reveal { device, device_revision, principal: w.admin, epoch, reading: Reading::default(), history: true };
        let entry = w.entry();
        assert_eq!(w.store.reveal(reveal, entry).await, Err(StoreError::Changed), "step {step}");
        assert_eq!(w.records().await, records);
    }
    assert_eq!(w.reveal(device, false).await.unwrap().len(), 1);
    w.finish().await;
}

/// A device without a password: refused, and nothing is written of a disclosure.
pub async fn nothing_to_reveal_is_refused(mut w: World) {
    let device = w.device().await;
    let records = w.records().await;
    assert_eq!(w.reveal(device, true).await, Err(StoreError::NoPassword));
    assert_eq!(w.records().await, records);
    let version = w.stored(device).await;
    w.abandon(device, version).await.unwrap();
    assert_eq!(w.reveal(device, false).await, Err(StoreError::NoPassword));
    assert_eq!(w.reveal(device, true).await.unwrap().len(), 1);
    w.finish().await;
}

/// A reader who was disabled after the decision gets nothing.
pub async fn a_disabled_reader_is_refused(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    let reader = w.user("reader").await;
    let epoch = w.epoch(reader).await;
    let change = UserChange { enabled: Some(false), ..UserChange::default() };
    let entry = w.entry();
    w.store.update_user(reader, change, entry).await.unwrap();
    let reveal =
        Reveal { device, device_revision: 1, principal: reader, epoch, reading: Reading::default(), history: false };
    let entry = w.entry();
    assert_eq!(w.store.reveal(reveal, entry).await, Err(StoreError::AuthorizationChanged));
    w.finish().await;
}

/// design.md 5: the log is read newest first, by key, through filters.
pub async fn the_audit_log_filters_and_pages(mut w: World) {
    let start = w.now;
    for number in 0..25_u8 {
        w.pass_hours(1);
        let entry = AuditEntry {
            activity: if number % 2 == 0 { "even" } else { "odd" }.into(),
            actor: Actor::Operator(format!("lapwingd {}", number % 3)),
            target: Target { kind: "device".into(), id: format!("t{}", number % 5), name: "n".into() },
            ..w.entry()
        };
        w.store.append_audit(entry).await.unwrap();
    }
    let filter = AuditFilter { activity: Some("odd".into()), ..AuditFilter::default() };
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = w.store.audit(filter.clone(), Page::behind(after, 5)).await.unwrap();
        assert!(page.items.len() <= 5);
        seen.extend(page.items.iter().map(|record| record.sequence));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.is_sorted_by(|a, b| a > b));
    let count = async |filter: AuditFilter| w.store.audit(filter, Page::first(1000)).await.unwrap().items.len();
    let all = AuditFilter::default();
    assert_eq!(count(AuditFilter { actor: Some("lapwingd 0".into()), ..all.clone() }).await, 9);
    assert_eq!(count(AuditFilter { target: Some("t4".into()), ..all.clone() }).await, 5);
    let from = Some(start.plus_seconds(3600 * 10));
    let until = Some(start.plus_seconds(3600 * 20));
    assert_eq!(count(AuditFilter { from, until, ..all.clone() }).await, 10);
    let bad = Page::behind(Some("no cursor".into()), 5);
    assert_eq!(w.store.audit(all, bad).await, Err(StoreError::BadCursor));
    w.finish().await;
}

/// design.md 5, "Audit": pruning leaves a signed checkpoint, and the chain still verifies.
pub async fn pruning_leaves_a_checkpoint(mut w: World) {
    for _ in 0..10 {
        let entry = w.entry();
        w.store.append_audit(entry).await.unwrap();
    }
    let records = w.store.audit_chain(1, 0, 1000).await.unwrap();
    let cut = records[records.len() - 3].head();
    let checkpoint =
        |head: AuditHead| AuditCheckpoint { signed: SignedHead { head, signed_at: w.now, signature: vec![1; 64] } };
    let (good, bad) = (checkpoint(cut), checkpoint(AuditHead { hash: [1; 32], ..cut }));
    let entry = w.entry();
    assert_eq!(w.store.prune_audit(bad, entry).await, Err(StoreError::Changed));
    assert_eq!(w.records().await, records.len() as u64);
    let entry = w.entry();
    assert_eq!(w.store.prune_audit(good.clone(), entry).await, Ok(records.len() as u64 - 2));
    assert_eq!(w.store.audit_checkpoints().await, Ok(vec![good]));
    assert_eq!(w.records().await, 3, "two were kept, and one says that it was pruned");
    let late = w.now.plus_days(50);
    w.store.observe_clock(ClockReading { now: late, elapsed_s: Some(1) }).await.unwrap();
    let head = w.store.audit_heads().await.unwrap()[0];
    let held = AuditCheckpoint { signed: SignedHead { head, signed_at: w.now, signature: vec![] } };
    let entry = w.entry();
    assert_eq!(w.store.prune_audit(held, entry).await, Err(StoreError::ClockHeld));
    w.finish().await;
}

/// design.md 5, "Audit": heads are signed; one that is no record of the chain is refused.
pub async fn a_head_must_be_of_the_chain(w: World) {
    let head = w.store.audit_heads().await.unwrap()[0];
    let signed = SignedHead { head, signed_at: w.now, signature: vec![3; 64] };
    w.store.put_signed_head(signed.clone()).await.unwrap();
    assert_eq!(w.store.signed_heads().await, Ok(vec![signed.clone()]));
    let wrong = SignedHead { head: AuditHead { sequence: head.sequence + 1, ..head }, ..signed.clone() };
    assert_eq!(w.store.put_signed_head(wrong).await, Err(StoreError::Changed));
    assert_eq!(w.store.signed_heads().await, Ok(vec![signed]));
    w.finish().await;
}

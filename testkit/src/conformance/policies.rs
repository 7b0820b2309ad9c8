//! Policies, assignments, deliveries (design.md 5, "Management").

use super::World;
use laps::id::{DeviceId, PolicyId};
use server::store::*;

async fn policy(w: &mut World, name: &str) -> Policy {
    let (id, entry) = (PolicyId::from_bytes(w.bytes16()), w.entry());
    w.store.create_policy(id, name.into(), "{}".into(), w.now, entry).await.unwrap()
}

async fn revise(w: &mut World, id: PolicyId, version: u32, name: &str) -> Result<Policy, StoreError> {
    let entry = w.entry();
    w.store.revise_policy(id, version, name.into(), r#"{"a":1}"#.into(), Spread::AtOnce, w.now, entry).await
}

/// design.md 5: policies are named and versioned; a change names the version that it was made from.
pub async fn a_policy_is_versioned(mut w: World) {
    let first = policy(&mut w, "Servers").await;
    assert_eq!(first.version, 1);
    let (id, entry) = (PolicyId::from_bytes(w.bytes16()), w.entry());
    let taken = w.store.create_policy(id, "SERVERS".into(), "{}".into(), w.now, entry).await;
    assert_eq!(taken, Err(StoreError::Exists("policy")));
    w.pass_hours(1);
    let second = revise(&mut w, first.id, 1, "servers").await.unwrap();
    assert_eq!((second.version, second.name.as_str(), second.changed_at), (2, "servers", w.now));
    assert_eq!(revise(&mut w, first.id, 1, "other").await, Err(StoreError::Changed));
    let other = policy(&mut w, "Other").await;
    assert_eq!(revise(&mut w, other.id, 1, "Servers").await, Err(StoreError::Exists("policy")));
    assert_eq!(revise(&mut w, PolicyId::from_bytes([1; 16]), 1, "x").await, Err(StoreError::NotFound("policy")));
    assert_eq!(w.store.policy_versions(first.id).await, Ok(vec![second.clone(), first.clone()]));
    assert_eq!(w.store.policy(first.id).await, Ok(Some(second)));
    assert_eq!(w.store.policy(PolicyId::from_bytes([1; 16])).await, Ok(None));
    w.finish().await;
}

/// A policy that is assigned is not removed; assignment and its end are repeatable.
pub async fn an_assigned_policy_stays(mut w: World) {
    let (one, group) = (policy(&mut w, "p").await.id, w.group("g").await);
    let entry = w.entry();
    w.store.assign_policy(one, group, w.now, entry).await.unwrap();
    let start = *w.store.watch_work().borrow();
    let records = w.records().await;
    let entry = w.entry();
    w.store.assign_policy(one, group, w.now, entry).await.unwrap();
    assert_eq!((w.records().await, *w.store.watch_work().borrow()), (records, start));
    assert_eq!(w.store.assignments(Some(one)).await.unwrap(), [Assignment { policy: one, group, assigned_at: w.now }]);
    let entry = w.entry();
    assert!(matches!(w.store.delete_policy(one, entry).await, Err(StoreError::InUse(_))));
    let entry = w.entry();
    assert_eq!(w.store.delete_group(group, entry).await, Err(StoreError::InUse("a policy")));
    revise(&mut w, one, 1, "p").await.unwrap();
    let work = w.store.work_since(start, 10).await.unwrap();
    assert_eq!((work[0].target, work[0].kind), (WorkTarget::Group(group), WorkKind::Policy));
    for _ in 0..2 {
        let entry = w.entry();
        w.store.unassign_policy(one, group, entry).await.unwrap();
    }
    assert_eq!(w.store.assignments(None).await, Ok(vec![]));
    let entry = w.entry();
    w.store.delete_policy(one, entry).await.unwrap();
    assert_eq!(w.store.policy_versions(one).await, Ok(vec![]));
    let entry = w.entry();
    assert_eq!(w.store.assign_policy(one, group, w.now, entry).await, Err(StoreError::NotFound("policy")));
    w.finish().await;
}

/// design.md 5: policies are assigned to device groups; "All devices" is one.
pub async fn policies_come_through_groups(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    let (a, b) = (w.group("a").await, w.group("b").await);
    let (one, two) = (policy(&mut w, "one").await, policy(&mut w, "two").await);
    for (policy, group) in [(one.id, a), (one.id, b), (two.id, ALL_DEVICES), (two.id, a)] {
        let entry = w.entry();
        w.store.assign_policy(policy, group, w.now, entry).await.unwrap();
    }
    for group in [a, b] {
        let entry = w.entry();
        w.store.add_member(group, device, entry).await.unwrap();
    }
    let applies = w.store.policies_for(device).await.unwrap();
    let expected = [
        AssignedPolicy { policy: one, groups: vec![a, b] },
        AssignedPolicy { policy: two.clone(), groups: vec![a, ALL_DEVICES] },
    ];
    assert_eq!(applies, expected);
    let applies = w.store.policies_for(other).await.unwrap();
    assert_eq!(applies, [AssignedPolicy { policy: two, groups: vec![ALL_DEVICES] }]);
    let unknown = w.store.policies_for(DeviceId::from_bytes([1; 16])).await;
    assert_eq!(unknown, Err(StoreError::DeviceUnknown));
    w.finish().await;
}

async fn deliver(w: &World, device: DeviceId, digest: u8) -> Delivery {
    let delivery = NewDelivery { device, digest: [digest; 32], values: format!("{{\"d\":{digest}}}") };
    w.store.record_delivery(delivery, w.now).await.unwrap()
}

fn statuses(status: u16) -> Vec<SettingStatus> {
    vec![SettingStatus { uri: "./Device/Vendor/MSFT/LAPS/Policies/BackupDirectory".into(), status }]
}

/// design.md 5: never a policy with a hole: the last that was taken whole stays in force.
pub async fn a_delivery_is_in_force_when_taken_whole(mut w: World) {
    let device = w.device().await;
    assert_eq!(w.store.deliveries(device).await, Ok(Deliveries::default()));
    let first = deliver(&w, device, 1).await;
    w.pass_hours(1);
    // An answer to something else is ignored.
    w.store.answer_delivery(device, first.sequence + 1, statuses(200), true, w.now).await.unwrap();
    assert_eq!(w.store.deliveries(device).await.unwrap().sent, Some(first.clone()));
    w.store.answer_delivery(device, first.sequence, statuses(200), false, w.now).await.unwrap();
    assert_eq!(w.store.deliveries(device).await.unwrap().in_force, None);
    w.store.answer_delivery(device, first.sequence, statuses(200), true, w.now).await.unwrap();
    let answered = Delivery { answered_at: Some(w.now), statuses: statuses(200), ..first };
    let known = w.store.deliveries(device).await.unwrap();
    assert_eq!((known.sent.as_ref(), known.in_force.as_ref()), (Some(&answered), Some(&answered)));
    let second = deliver(&w, device, 2).await;
    assert!(second.sequence > answered.sequence);
    w.store.answer_delivery(device, second.sequence, statuses(507), false, w.now).await.unwrap();
    let known = w.store.deliveries(device).await.unwrap();
    assert_eq!(known.in_force, Some(answered));
    assert_eq!(known.sent.map(|sent| sent.statuses), Some(statuses(507)));
    w.finish().await;
}

/// Equal digests need no new delivery; the same answer again writes nothing.
pub async fn the_same_delivery_writes_nothing(mut w: World) {
    let device = w.device().await;
    let first = deliver(&w, device, 1).await;
    w.pass_hours(1);
    assert_eq!(deliver(&w, device, 1).await, first);
    w.store.answer_delivery(device, first.sequence, statuses(200), true, w.now).await.unwrap();
    let before = w.store.deliveries(device).await;
    w.pass_hours(1);
    w.store.answer_delivery(device, first.sequence, statuses(200), true, w.now).await.unwrap();
    assert_eq!(w.store.deliveries(device).await, before);
    let unknown = NewDelivery { device: DeviceId::from_bytes([1; 16]), digest: [1; 32], values: "{}".into() };
    assert_eq!(w.store.record_delivery(unknown, w.now).await, Err(StoreError::DeviceUnknown));
    w.finish().await;
}

/// design.md 5: a conflict holds the whole delivery, and says why; the next delivery ends it.
pub async fn a_held_delivery_says_why(mut w: World) {
    let device = w.device().await;
    let first = deliver(&w, device, 1).await;
    for _ in 0..2 {
        w.store.hold_delivery(device, r#"{"conflict":"x"}"#.into()).await.unwrap();
    }
    let known = w.store.deliveries(device).await.unwrap();
    assert_eq!((known.held.as_deref(), known.sent), (Some(r#"{"conflict":"x"}"#), Some(first.clone())));
    assert_eq!(deliver(&w, device, 1).await, first, "the same as before the conflict");
    assert_eq!(w.store.deliveries(device).await.unwrap().held, None);
    w.finish().await;
}

/// Lists of policies and groups page by key.
pub async fn policies_page_by_key(mut w: World) {
    let mut all = Vec::new();
    for number in 0..11 {
        all.push(policy(&mut w, &format!("p{number}")).await.id);
        w.group(&format!("g{number}")).await;
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = w.store.policies(Page::behind(after, 5)).await.unwrap();
        seen.extend(page.items.into_iter().map(|policy| policy.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    let (mut after, mut groups) = (None, Vec::new());
    loop {
        let page = w.store.groups(Page::behind(after, 4)).await.unwrap();
        groups.extend(page.items.into_iter().map(|group| group.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((groups.len(), groups.last()), (12, Some(&ALL_DEVICES)));
    assert!(groups.is_sorted());
    w.finish().await;
}

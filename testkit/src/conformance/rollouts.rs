//! Exclusions of policies, rings, holds (design.md 5, "Management"; docs/policies.md).

use super::World;
use laps::{
    id::{DeviceId, GroupId, PolicyId},
    rollout::{Limit, Ring, Who},
};
use server::store::*;

async fn policy(w: &mut World, groups: &[GroupId]) -> PolicyId {
    let (id, entry) = (PolicyId::from_bytes(w.bytes16()), w.entry());
    w.store.create_policy(id, format!("policy {id}"), r#"{"v":1}"#.into(), w.now, entry).await.unwrap();
    for group in groups {
        let entry = w.entry();
        w.store.assign_policy(id, *group, w.now, entry).await.unwrap();
    }
    id
}

async fn member(w: &mut World, group: GroupId) -> DeviceId {
    let (device, entry) = (w.device().await, w.entry());
    w.store.add_member(group, device, entry).await.unwrap();
    device
}

async fn versions(w: &World, device: DeviceId) -> Vec<u32> {
    w.store.policies_for(device).await.unwrap().into_iter().map(|assigned| assigned.policy.version).collect()
}

fn ring(groups: &[GroupId]) -> Ring {
    Ring { who: Who::Groups(groups.to_vec()), soak_hours: 24, limit: Limit::Devices(0) }
}

async fn revise(w: &mut World, id: PolicyId, version: u32, spread: Spread) -> Result<Policy, StoreError> {
    let entry = w.entry();
    w.store.revise_policy(id, version, format!("policy {id}"), r#"{"v":2}"#.into(), spread, w.now, entry).await
}

async fn change(w: &mut World, id: PolicyId, change: RolloutChange) -> Result<Rollout, StoreError> {
    let (from, entry) = (w.store.rollout(id).await.unwrap().unwrap(), w.entry());
    w.store.change_rollout(from, change, r#"{"why":"a test"}"#.into(), w.now, entry).await
}

/// An excluded group's devices do not get the policy, whatever brings it; the exclusion holds the group.
pub async fn an_exclusion_wins(mut w: World) {
    let (all, none) = (w.group("all of it").await, w.group("not these").await);
    let (in_both, in_one) = (member(&mut w, all).await, member(&mut w, all).await);
    let entry = w.entry();
    w.store.add_member(none, in_both, entry).await.unwrap();
    let id = policy(&mut w, &[ALL_DEVICES, all]).await;
    let start = *w.store.watch_work().borrow();
    let records = w.records().await;
    for _ in 0..2 {
        let entry = w.entry();
        w.store.exclude_policy(id, none, w.now, entry).await.unwrap();
    }
    assert_eq!(w.records().await, records + 1, "again is success and changes nothing");
    let work = w.store.work_since(start, 10).await.unwrap();
    assert_eq!((work.len(), work[0].target, work[0].kind), (1, WorkTarget::Group(none), WorkKind::Policy));
    assert_eq!((versions(&w, in_both).await, versions(&w, in_one).await), (vec![], vec![1]));
    assert_eq!(
        w.store.exclusions(Some(id)).await.unwrap(),
        [Assignment { policy: id, group: none, assigned_at: w.now }]
    );
    let entry = w.entry();
    assert!(matches!(w.store.delete_group(none, entry).await, Err(StoreError::InUse(_))));
    for _ in 0..2 {
        let entry = w.entry();
        w.store.include_policy(id, none, entry).await.unwrap();
    }
    assert_eq!(w.records().await, records + 2);
    assert_eq!((versions(&w, in_both).await, w.store.exclusions(None).await), (vec![1], Ok(vec![])));
    let (unknown, entry) = (GroupId::from_bytes(w.bytes16()), w.entry());
    assert_eq!(w.store.exclude_policy(id, unknown, w.now, entry).await, Err(StoreError::NotFound("group")));
    w.finish().await;
}

/// Until a ring is reached its devices keep the former version; the rest comes after the last.
pub async fn a_version_goes_by_rings(mut w: World) {
    let (first, second) = (w.group("first").await, w.group("second").await);
    let (one, two, rest) = (member(&mut w, first).await, member(&mut w, second).await, w.device().await);
    let id = policy(&mut w, &[ALL_DEVICES]).await;
    let rings = vec![ring(&[first]), ring(&[second])];
    assert_eq!(revise(&mut w, id, 1, Spread::Rings(rings.clone())).await.unwrap().version, 2);
    let all = async |w: &World| [versions(w, one).await, versions(w, two).await, versions(w, rest).await].concat();
    assert_eq!(all(&w).await, [2, 1, 1]);
    let begun = w.store.rollout(id).await.unwrap().unwrap();
    assert_eq!((begun.former, begun.wanted, begun.ring, begun.state), (1, 2, 0, RolloutState::Running));
    assert_eq!((begun.rings, begun.ring_at), (rings.clone(), w.now));
    assert_eq!(w.store.open_rollouts().await.unwrap().len(), 1);
    let busy = revise(&mut w, id, 2, Spread::Rings(rings)).await;
    assert!(matches!(busy, Err(StoreError::InUse(_))));
    assert_eq!(w.store.policy(id).await.unwrap().unwrap().version, 2, "nothing was changed");
    w.pass_hours(30);
    let start = *w.store.watch_work().borrow();
    let next = change(&mut w, id, RolloutChange::Advance).await.unwrap();
    assert_eq!((next.ring, next.ring_at, next.detail.as_str()), (1, w.now, r#"{"why":"a test"}"#));
    assert_eq!(w.store.work_since(start, 10).await.unwrap()[0].target, WorkTarget::Group(ALL_DEVICES));
    assert_eq!(all(&w).await, [2, 2, 1]);
    assert_eq!(change(&mut w, id, RolloutChange::Advance).await, Err(StoreError::Changed), "it was the last");
    change(&mut w, id, RolloutChange::Complete).await.unwrap();
    assert_eq!(all(&w).await, [2, 2, 2]);
    assert_eq!(w.store.open_rollouts().await, Ok(vec![]));
    assert_eq!(w.store.policy_versions(id).await.unwrap().len(), 2);
    w.finish().await;
}

/// A halted version stays where it is until a person decides; a decision on an older state is refused.
pub async fn a_rollout_halts_resumes_and_completes(mut w: World) {
    let first = w.group("first").await;
    let (one, rest) = (member(&mut w, first).await, w.device().await);
    let id = policy(&mut w, &[ALL_DEVICES]).await;
    revise(&mut w, id, 1, Spread::Rings(vec![ring(&[first])])).await.unwrap();
    let old = w.store.rollout(id).await.unwrap().unwrap();
    assert_eq!(change(&mut w, id, RolloutChange::Resume).await, Err(StoreError::Changed), "it runs");
    assert_eq!(change(&mut w, id, RolloutChange::Halt).await.unwrap().state, RolloutState::Halted);
    let entry = w.entry();
    let late = w.store.change_rollout(old, RolloutChange::Halt, "{}".into(), w.now, entry).await;
    assert_eq!(late, Err(StoreError::Changed));
    assert_eq!((versions(&w, one).await, versions(&w, rest).await), (vec![2], vec![1]));
    assert_eq!(w.store.open_rollouts().await.unwrap().len(), 1, "it is open, and does not run");
    assert_eq!(change(&mut w, id, RolloutChange::Advance).await, Err(StoreError::Changed));
    w.pass_hours(2);
    let resumed = change(&mut w, id, RolloutChange::Resume).await.unwrap();
    assert_eq!((resumed.state, resumed.ring_at), (RolloutState::Running, w.now), "the soak time begins again");
    change(&mut w, id, RolloutChange::Halt).await.unwrap();
    change(&mut w, id, RolloutChange::Complete).await.unwrap();
    assert_eq!(versions(&w, rest).await, [2]);
    assert_eq!(change(&mut w, id, RolloutChange::Complete).await, Err(StoreError::Changed));
    w.finish().await;
}

/// A policy that nobody has yet: who is not reached has none of it.
pub async fn a_first_version_goes_by_rings(mut w: World) {
    let first = w.group("first").await;
    let (one, rest) = (member(&mut w, first).await, w.device().await);
    let id = policy(&mut w, &[]).await;
    let entry = w.entry();
    let begun = w.store.begin_rollout(id, vec![ring(&[first])], w.now, entry).await.unwrap();
    assert_eq!((begun.former, begun.wanted), (0, 1));
    let entry = w.entry();
    w.store.assign_policy(id, ALL_DEVICES, w.now, entry).await.unwrap();
    assert_eq!((versions(&w, one).await, versions(&w, rest).await), (vec![1], vec![]));
    w.finish().await;
}

/// A version that goes to all at once takes the place of one that is on its way.
pub async fn a_roll_back_ends_the_rings(mut w: World) {
    let first = w.group("first").await;
    let (one, rest) = (member(&mut w, first).await, w.device().await);
    let id = policy(&mut w, &[ALL_DEVICES]).await;
    revise(&mut w, id, 1, Spread::Rings(vec![ring(&[first])])).await.unwrap();
    revise(&mut w, id, 2, Spread::AtOnce).await.unwrap();
    assert_eq!((versions(&w, one).await, versions(&w, rest).await), (vec![3], vec![3]));
    assert_eq!(w.store.rollout(id).await.unwrap().unwrap().state, RolloutState::RolledBack);
    assert_eq!(change(&mut w, id, RolloutChange::Complete).await, Err(StoreError::Changed));
    // And a new one may go by rings again.
    revise(&mut w, id, 3, Spread::Rings(vec![ring(&[first])])).await.unwrap();
    assert_eq!((versions(&w, one).await, versions(&w, rest).await), (vec![4], vec![3]));
    w.finish().await;
}

/// The plan is the policy's; a rollout keeps the one that it began with.
pub async fn a_plan_is_kept(mut w: World) {
    let first = w.group("first").await;
    let id = policy(&mut w, &[ALL_DEVICES]).await;
    assert_eq!(w.store.ring_plan(id).await, Ok(None));
    let share = |share| vec![Ring { who: Who::Percent(share), soak_hours: 4, limit: Limit::Percent(2) }];
    let records = w.records().await;
    for _ in 0..2 {
        let entry = w.entry();
        w.store.set_ring_plan(id, Some(share(10)), entry).await.unwrap();
    }
    assert_eq!(w.records().await, records + 1);
    assert_eq!(w.store.ring_plan(id).await, Ok(Some(share(10))));
    revise(&mut w, id, 1, Spread::Rings(share(10))).await.unwrap();
    let entry = w.entry();
    w.store.set_ring_plan(id, Some(vec![ring(&[first])]), entry).await.unwrap();
    assert_eq!(w.store.rollout(id).await.unwrap().unwrap().rings, share(10));
    let entry = w.entry();
    w.store.set_ring_plan(id, None, entry).await.unwrap();
    assert_eq!(w.store.ring_plan(id).await, Ok(None));
    let (unknown, entry) = (PolicyId::from_bytes(w.bytes16()), w.entry());
    assert_eq!(w.store.set_ring_plan(unknown, None, entry).await, Err(StoreError::NotFound("policy")));
    w.finish().await;
}

/// Conflicts are shown for every device that is held.
pub async fn held_devices_are_listed(mut w: World) {
    let (one, two, free) = (w.device().await, w.device().await, w.device().await);
    for device in [one, two, free] {
        w.store.hold_delivery(device, r#"{"conflict":"x"}"#.into()).await.unwrap();
    }
    let new = NewDelivery { device: free, digest: [1; 32], values: "{}".into() };
    w.store.record_delivery(new, w.now).await.unwrap();
    let first = w.store.held_devices(Page::first(1)).await.unwrap();
    assert_eq!((first.items[0].device, first.items[0].reason.as_str()), (one, r#"{"conflict":"x"}"#));
    assert_eq!(first.items[0].name, w.row(one).await.name);
    let rest = w.store.held_devices(Page::behind(first.next, 5)).await.unwrap();
    assert_eq!((rest.items.len(), rest.items[0].device, rest.next), (1, two, None));
    w.finish().await;
}

/// Since when a device has the error that it has: what else changes in its report does not count.
pub async fn an_error_is_known_since(mut w: World) {
    let device = w.device().await;
    let error = |code: &str| Some(format!("{{\"code\":\"{code}\"}}"));
    let mut report = Report { last_error: error("a"), ..w.truth(device, None).await };
    let since = async |w: &World| w.store.last_report(device).await.unwrap().unwrap().error_at;
    w.report(report.clone()).await.unwrap();
    let first = w.now;
    assert_eq!(since(&w).await, Some(first));
    w.pass_hours(1);
    report.evidence = r#"{"other":1}"#.into();
    w.report(report.clone()).await.unwrap();
    assert_eq!(since(&w).await, Some(first));
    report.last_error = error("b");
    w.report(report.clone()).await.unwrap();
    assert_eq!(since(&w).await, Some(w.now));
    report.last_error = None;
    w.report(report).await.unwrap();
    assert_eq!(since(&w).await, None);
    w.finish().await;
}

//! Filtered groups: membership follows properties, and everything that hangs on membership follows it.

use super::World;
use laps::id::{DeviceId, GroupId};
use server::store::*;

async fn filtered(w: &mut World, name: &str, filter: GroupFilter) -> GroupId {
    let (id, entry) = (GroupId::from_bytes(w.bytes16()), w.entry());
    w.store.create_group(id, name.into(), Some(filter), w.now, entry).await.unwrap().id
}

async fn named(w: &mut World, name: &str) -> DeviceId {
    let device = w.device().await;
    rename(w, device, name).await;
    device
}

async fn rename(w: &World, device: DeviceId, name: &str) {
    let mut report = w.truth(device, None).await;
    report.name = name.into();
    w.report(report).await.unwrap();
}

fn by_name(pattern: &str) -> GroupFilter {
    GroupFilter { name: Some(pattern.into()), ..GroupFilter::default() }
}

/// A new filter takes in what fits, by name, system, version of the agent and time of joining; lists and
/// policies see it.
pub async fn a_filter_makes_members(mut w: World) {
    let early = named(&mut w, "Kasse-01").await;
    w.pass_days(2);
    let late = named(&mut w, "kasse-02").await;
    let other = named(&mut w, "buero").await;
    let revision = w.row(early).await.revision;
    let tills = filtered(&mut w, "tills", by_name("KASSE-*")).await;
    let until = GroupFilter { joined_until: Some(w.now), ..by_name("*") };
    let old = filtered(&mut w, "old", until).await;
    let since = GroupFilter { joined_from: Some(w.now), ..GroupFilter::default() };
    let new = filtered(&mut w, "new", since).await;
    let mut expected = vec![tills, old];
    expected.sort_unstable();
    assert_eq!((w.row(early).await.groups, w.row(early).await.revision), (expected, revision + 2));
    let mut expected = vec![tills, new];
    expected.sort_unstable();
    assert_eq!(w.row(late).await.groups, expected);
    assert_eq!(w.row(other).await.groups, [new]);
    let filter = DeviceFilter { groups: Some(vec![tills]), ..DeviceFilter::default() };
    let listed = w.store.devices(filter, Page::first(10)).await.unwrap().items;
    let mut members: Vec<_> = listed.into_iter().map(|device| device.id).collect();
    members.sort_unstable();
    let mut expected = [early, late];
    expected.sort_unstable();
    assert_eq!(members, expected);
    assert_eq!(w.store.group(tills).await.unwrap().unwrap().filter, Some(by_name("KASSE-*")));
    w.finish().await;
}

/// A report with another name or system moves the device at once, counts its revision on (so that a reveal
/// decided before is refused) and wakes it; one that changes nothing of it writes nothing. A join too.
pub async fn members_follow_the_device(mut w: World) {
    let tills = filtered(&mut w, "tills", by_name("kasse-*")).await;
    let device = named(&mut w, "kasse-01").await;
    let before = w.row(device).await;
    assert_eq!(before.groups, [tills]);
    w.rotated(device).await;
    let work = *w.store.watch_work().borrow();
    rename(&w, device, "buero").await;
    let after = w.row(device).await;
    assert_eq!((after.groups, after.revision), (vec![], before.revision + 1));
    let woken = w.store.work_since(work, 10).await.unwrap();
    assert!(woken.iter().any(|work| work.target == WorkTarget::Device(device) && work.kind == WorkKind::Policy));
    rename(&w, device, "buero").await;
    assert_eq!(w.row(device).await.revision, before.revision + 1);
    // A device is in what it fits from its join on.
    let mine = w.new_device();
    let joined = filtered(&mut w, "joined", by_name(&mine.name)).await;
    let (_, token) = w.token(None).await;
    let entry = w.entry();
    let device = w.store.join(token, mine, w.now, entry).await.unwrap().device;
    assert_eq!(device.groups, [joined]);
    w.finish().await;
}

/// Another filter: members come and go in the same transaction; a group that people keep gets none.
pub async fn members_follow_the_filter(mut w: World) {
    let (a, b) = (named(&mut w, "a-1").await, named(&mut w, "b-1").await);
    let group = filtered(&mut w, "a", by_name("a-*")).await;
    assert_eq!((w.row(a).await.groups, w.row(b).await.groups), (vec![group], vec![]));
    let revision = w.row(a).await.revision;
    let entry = w.entry();
    let changed = w.store.change_group_filter(group, by_name("b-*"), w.now, entry).await.unwrap();
    assert_eq!(changed.filter, Some(by_name("b-*")));
    assert_eq!((w.row(a).await.groups, w.row(b).await.groups), (vec![], vec![group]));
    assert_eq!(w.row(a).await.revision, revision + 1);
    let kept = w.group("kept").await;
    for (group, filter) in [(kept, by_name("*")), (group, GroupFilter::default()), (ALL_DEVICES, by_name("*"))] {
        let entry = w.entry();
        let refused = w.store.change_group_filter(group, filter, w.now, entry).await;
        assert_eq!(refused, Err(StoreError::Unfiltered));
    }
    let entry = w.entry();
    let unknown = w.store.change_group_filter(GroupId::from_bytes([1; 16]), by_name("*"), w.now, entry).await;
    assert_eq!(unknown, Err(StoreError::NotFound("group")));
    w.finish().await;
}

/// Nobody puts a device into a filtered group or takes it out, and no join token does.
pub async fn members_of_a_filter_are_not_put_in(mut w: World) {
    let group = filtered(&mut w, "a", by_name("a-*")).await;
    let device = named(&mut w, "b").await;
    let entry = w.entry();
    assert_eq!(w.store.add_member(group, device, entry).await, Err(StoreError::Filtered));
    let entry = w.entry();
    assert_eq!(w.store.remove_member(group, device, entry).await, Err(StoreError::Filtered));
    let token = NewJoinToken {
        id: w.bytes16(),
        hash: w.bytes32(),
        note: String::new(),
        group: Some(group),
        created_by: w.admin,
        expires_at: w.now.plus_days(1),
    };
    let entry = w.entry();
    assert_eq!(w.store.create_join_token(token, w.now, entry).await, Err(StoreError::Filtered));
    w.finish().await;
}

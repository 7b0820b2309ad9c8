//! Join tokens, device objects, groups, re-joining and lists (design.md 5, "Devices"; rotation.md 3, "Re-join").

use super::World;
use laps::id::{DeviceId, GroupId, VersionId};
use server::store::*;
use std::collections::BTreeSet;

async fn join(w: &mut World, token: SecretHash, new: NewDevice) -> Result<Joined, StoreError> {
    let entry = w.entry();
    w.store.join(token, new, w.now, entry).await
}

/// design.md 5, "Device identity": join tokens are single use.
pub async fn a_join_token_is_single_use(mut w: World) {
    let (id, token) = w.token(None).await;
    assert_eq!(w.store.check_join_token(token, w.now).await.unwrap().id, id);
    let new = w.new_device();
    let joined = join(&mut w, token, new.clone()).await.unwrap();
    assert_eq!((joined.device.id, joined.again, joined.device.state), (new.id, false, DeviceState::Enabled));
    assert_eq!(w.store.check_join_token(token, w.now).await, Err(StoreError::TokenUsed));
    let other = w.new_device();
    assert_eq!(join(&mut w, token, other.clone()).await, Err(StoreError::TokenUsed));
    assert_eq!(w.store.device(other.id).await, Ok(None));
    let used = w.store.join_tokens(Page::first(10)).await.unwrap().items;
    assert_eq!((used[0].used_at, used[0].used_by), (Some(w.now), Some(new.id)));
    let entry = w.entry();
    assert_eq!(w.store.revoke_join_token(id, w.now, entry).await, Err(StoreError::TokenUsed));
    // A device object's id is its own.
    let (_, second) = w.token(None).await;
    let same_id = NewDevice { id: new.id, ..w.new_device() };
    assert_eq!(join(&mut w, second, same_id).await, Err(StoreError::Exists("device")));
    assert!(w.store.check_join_token(second, w.now).await.is_ok(), "a refused join uses nothing");
    w.finish().await;
}

/// The same token with the same key gives the same object again, until the token expires.
pub async fn a_lost_answer_to_a_join(mut w: World) {
    let (_, token) = w.token(None).await;
    let new = w.new_device();
    let first = join(&mut w, token, new.clone()).await.unwrap();
    w.pass_hours(23);
    let again = NewDevice { certificate: w.certificate(), ..new.clone() };
    let repeated = join(&mut w, token, again.clone()).await.unwrap();
    assert_eq!(repeated, Joined { again: true, ..first });
    let known: BTreeSet<_> = w.store.certificates(new.id).await.unwrap().iter().map(|one| one.fingerprint).collect();
    assert_eq!(known, BTreeSet::from([new.certificate.fingerprint, again.certificate.fingerprint]));
    w.change(new.id, DeviceChange::Disable).await.unwrap();
    let disabled = NewDevice { certificate: w.certificate(), ..new.clone() };
    assert_eq!(join(&mut w, token, disabled).await, Err(StoreError::TokenUsed));
    w.change(new.id, DeviceChange::Enable).await.unwrap();
    w.pass_hours(1);
    let late = NewDevice { certificate: w.certificate(), ..new };
    assert_eq!(join(&mut w, token, late).await, Err(StoreError::TokenUsed));
    w.finish().await;
}

/// design.md 5, "Device identity": 24 h, and revocable.
pub async fn a_join_token_runs_out_and_is_revoked(mut w: World) {
    let (_, unknown) = ([0; 16], w.bytes32());
    let new = w.new_device();
    assert_eq!(w.store.check_join_token(unknown, w.now).await, Err(StoreError::TokenUnknown));
    assert_eq!(join(&mut w, unknown, new.clone()).await, Err(StoreError::TokenUnknown));
    let (id, revoked) = w.token(None).await;
    let (_, expired) = w.token(None).await;
    let entry = w.entry();
    w.store.revoke_join_token(id, w.now, entry).await.unwrap();
    let records = w.records().await;
    let entry = w.entry();
    w.store.revoke_join_token(id, w.now, entry).await.unwrap();
    assert_eq!(w.records().await, records, "again is success and changes nothing");
    let entry = w.entry();
    assert_eq!(w.store.revoke_join_token([1; 16], w.now, entry).await, Err(StoreError::TokenUnknown));
    assert_eq!(join(&mut w, revoked, new.clone()).await, Err(StoreError::TokenRevoked));
    assert_eq!(w.store.check_join_token(revoked, w.now).await, Err(StoreError::TokenRevoked));
    w.pass_days(1);
    assert_eq!(join(&mut w, expired, new).await, Err(StoreError::TokenExpired));
    assert_eq!(w.store.check_join_token(expired, w.now).await, Err(StoreError::TokenExpired));
    w.finish().await;
}

/// design.md 5, "Device identity": tokens are scoped to a group, which the device enters.
pub async fn a_join_token_brings_the_group(mut w: World) {
    let group = w.group("servers").await;
    let (_, token) = w.token(Some(group)).await;
    let new = w.new_device();
    assert_eq!(join(&mut w, token, new).await.unwrap().device.groups, [group]);
    let (_, for_all) = w.token(Some(ALL_DEVICES)).await;
    let new = w.new_device();
    assert_eq!(join(&mut w, for_all, new).await.unwrap().device.groups, []);
    let unknown = NewJoinToken {
        id: w.bytes16(),
        hash: w.bytes32(),
        note: String::new(),
        group: Some(GroupId::from_bytes([1; 16])),
        created_by: w.admin,
        expires_at: w.now.plus_days(1),
    };
    let entry = w.entry();
    assert_eq!(w.store.create_join_token(unknown, w.now, entry).await, Err(StoreError::NotFound("group")));
    w.finish().await;
}

/// rotation.md 3, "Re-join": the server sets `predecessor`; joining makes a new object all the same.
pub async fn a_join_keeps_the_predecessor(mut w: World) {
    let former = w.device().await;
    let next = w.successor(former).await;
    assert_ne!(next, former);
    assert_eq!(w.row(next).await.predecessor, Some(former));
    assert_eq!(w.row(former).await.state, DeviceState::Enabled);
    let lost = w.successor(DeviceId::from_bytes([1; 16])).await;
    assert_eq!(w.row(lost).await.predecessor, None, "one that is gone is left aside");
    w.finish().await;
}

/// design.md 5, "Device identity": certificates are renewed, looked up by digest, revoked for good.
pub async fn certificates_are_added_and_revoked(mut w: World) {
    let device = w.device().await;
    let first = w.store.certificates(device).await.unwrap().remove(0);
    w.pass_days(200);
    let (renewed, entry) = (w.certificate(), w.entry());
    w.store.add_certificate(device, renewed.clone(), vec![4; 91], entry).await.unwrap();
    assert_eq!(w.row(device).await.public_key, [4; 91]);
    let all = w.store.certificates(device).await.unwrap();
    assert_eq!(all.iter().map(|one| one.fingerprint).collect::<Vec<_>>(), [renewed.fingerprint, first.fingerprint]);
    let (found, certificate) = w.store.device_by_certificate(renewed.fingerprint).await.unwrap().unwrap();
    assert_eq!((found.id, certificate.revoked_at, certificate.serial), (device, None, renewed.serial.clone()));
    let entry = w.entry();
    w.store.revoke_certificate(first.fingerprint, w.now, entry).await.unwrap();
    let records = w.records().await;
    w.pass_hours(1);
    let entry = w.entry();
    w.store.revoke_certificate(first.fingerprint, w.now, entry).await.unwrap();
    assert_eq!(w.records().await, records);
    let (_, revoked) = w.store.device_by_certificate(first.fingerprint).await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some_and(|at| at < w.now));
    // One certificate is one device's, and a revoked one does not come back.
    let other = w.device().await;
    for known in [&first.fingerprint, &renewed.fingerprint] {
        let (again, entry) = (NewCertificate { fingerprint: *known, ..w.certificate() }, w.entry());
        let refused = w.store.add_certificate(other, again, vec![5; 91], entry).await;
        assert_eq!(refused, Err(StoreError::Exists("certificate")));
    }
    let entry = w.entry();
    let missing = w.store.revoke_certificate([1; 32], w.now, entry).await;
    assert_eq!(missing, Err(StoreError::NotFound("certificate")));
    assert_eq!(w.store.device_by_certificate([1; 32]).await, Ok(None));
    w.finish().await;
}

/// design.md 5, "Devices": enabled, disabled, deleted; a change to the state that it has changes nothing.
pub async fn states_follow_each_other(mut w: World) {
    use DeviceChange::*;
    let device = w.device().await;
    let refused = |state| Err(StoreError::DeviceState(state));
    assert_eq!(w.change(device, Restore).await, refused("enabled"));
    for (change, state) in [
        (Enable, DeviceState::Enabled),
        (Disable, DeviceState::Disabled),
        (Disable, DeviceState::Disabled),
        (Enable, DeviceState::Enabled),
        (Delete, DeviceState::Deleted),
        (Delete, DeviceState::Deleted),
    ] {
        let before = (w.row(device).await, w.records().await);
        let after = w.change(device, change).await.unwrap();
        assert_eq!(after.state, state);
        let changed = before.0.state != state;
        assert_eq!(after.revision - before.0.revision, u64::from(changed));
        assert_eq!(w.records().await - before.1, u64::from(changed));
        // Again, later, leaves the time that it was so first.
        let since = |is: bool, former| {
            if !is {
                None
            } else if changed {
                Some(w.now)
            } else {
                former
            }
        };
        assert_eq!(after.disabled_at, since(state == DeviceState::Disabled, before.0.disabled_at), "{change:?}");
        assert_eq!(after.deleted_at, since(state == DeviceState::Deleted, before.0.deleted_at), "{change:?}");
        w.pass_hours(1);
    }
    assert_eq!(w.change(device, Enable).await, refused("deleted"));
    assert_eq!(w.change(device, Disable).await, refused("deleted"));
    assert_eq!(w.change(device, Restore).await.unwrap().state, DeviceState::Enabled);
    w.change(device, Disable).await.unwrap();
    assert_eq!(w.change(device, Restore).await, refused("disabled"));
    w.finish().await;
}

/// design.md 5, "People and roles": scope is by device group; membership counts the revision on.
pub async fn groups_have_members(mut w: World) {
    let device = w.device().await;
    let (a, b) = (w.group("A").await, w.group("b").await);
    for group in [b, a, a, ALL_DEVICES] {
        let entry = w.entry();
        w.store.add_member(group, device, entry).await.unwrap();
    }
    let row = w.row(device).await;
    assert_eq!((row.groups.clone(), row.revision), (vec![a, b], 3));
    for _ in 0..2 {
        let entry = w.entry();
        w.store.remove_member(a, device, entry).await.unwrap();
    }
    assert_eq!((w.row(device).await.groups, w.row(device).await.revision), (vec![b], 4));
    let (missing, entry) = (GroupId::from_bytes([1; 16]), w.entry());
    assert_eq!(w.store.add_member(missing, device, entry).await, Err(StoreError::NotFound("group")));
    let entry = w.entry();
    let unknown = w.store.add_member(a, DeviceId::from_bytes([1; 16]), entry).await;
    assert_eq!(unknown, Err(StoreError::DeviceUnknown));
    let entry = w.entry();
    w.store.delete_group(b, entry).await.unwrap();
    assert_eq!((w.row(device).await.groups, w.row(device).await.revision), (vec![], 5));
    w.finish().await;
}

/// Names are unique without case; a group in use is not removed; "All devices" cannot be changed.
pub async fn groups_in_use_stay(mut w: World) {
    let group = w.group("Servers").await;
    let (id, entry) = (GroupId::from_bytes(w.bytes16()), w.entry());
    let taken = w.store.create_group(id, "SERVERS".into(), None, w.now, entry).await;
    assert_eq!(taken, Err(StoreError::Exists("group")));
    let entry = w.entry();
    let taken = w.store.create_group(id, "all DEVICES".into(), None, w.now, entry).await;
    assert_eq!(taken, Err(StoreError::Exists("group")));
    let entry = w.entry();
    assert_eq!(w.store.rename_group(group, "servers".into(), entry).await.unwrap().name, "servers");
    let entry = w.entry();
    let renamed = w.store.rename_group(ALL_DEVICES, "x".into(), entry).await.map(drop);
    let entry = w.entry();
    let deleted = w.store.delete_group(ALL_DEVICES, entry).await;
    for fixed in [renamed, deleted] {
        assert!(matches!(fixed, Err(StoreError::InUse(_))));
    }
    assert_eq!(w.store.group(ALL_DEVICES).await.unwrap().unwrap().name, "All devices");
    let reader = w.user("reader").await;
    let role = w.role(reader, "Cloud Device Administrator", Some(group)).await.unwrap();
    let (token, _) = w.token(Some(group)).await;
    let entry = w.entry();
    assert_eq!(w.store.delete_group(group, entry).await, Err(StoreError::InUse("a role")));
    let entry = w.entry();
    w.store.unassign_role(role, entry).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.delete_group(group, entry).await, Err(StoreError::InUse("a join token")));
    let entry = w.entry();
    w.store.revoke_join_token(token, w.now, entry).await.unwrap();
    let entry = w.entry();
    w.store.delete_group(group, entry).await.unwrap();
    assert_eq!(w.store.join_tokens(Page::first(10)).await.unwrap().items[0].group, None);
    let groups = w.store.groups(Page::first(10)).await.unwrap().items;
    assert_eq!(groups.iter().map(|group| group.id).collect::<Vec<_>>(), [ALL_DEVICES]);
    let entry = w.entry();
    assert_eq!(w.store.delete_group(group, entry).await, Err(StoreError::NotFound("group")));
    w.finish().await;
}

/// rotation.md 3, "Re-join": a device with no proven version of its own shows its predecessor's live set,
/// behind its own, labelled; through every object that the machine had.
pub async fn the_predecessors_live_set_is_labelled(mut w: World) {
    let first = w.device().await;
    let superseded = w.rotated(first).await;
    let proven = w.rotated(first).await;
    let second = w.successor(first).await;
    let third = w.successor(second).await;
    let pending = w.stored(third).await;
    let given_up = w.stored(third).await;
    w.abandon(third, given_up).await.unwrap();
    let labels = |versions: Vec<Version>| -> Vec<(VersionId, bool)> {
        versions.into_iter().map(|version| (version.version, version.of_predecessor)).collect()
    };
    let all = labels(w.store.versions(third, true).await.unwrap());
    assert_eq!(all, [(pending, false), (proven, true), (given_up, false)]);
    assert!(!all.iter().any(|(version, _)| *version == superseded));
    let revealed = w.reveal(third, false).await.unwrap();
    assert_eq!((revealed[1].version.device, revealed[1].version.of_predecessor), (first, true));
    // A device without any password of its own is in the list for its predecessor's.
    let listed = w.store.credentials(DeviceFilter::default(), Page::first(10)).await.unwrap().items;
    assert_eq!(listed.iter().map(|one| one.device).collect::<Vec<_>>(), [first, second, third]);
    w.prove(third, pending).await.unwrap();
    assert_eq!(w.live(third).await, [pending]);
    w.finish().await;
}

/// rotation.md 3, "Re-join": the predecessor of a device with no proven version is never purged.
pub async fn a_predecessor_in_need_is_not_purged(mut w: World) {
    let former = w.device().await;
    w.rotated(former).await;
    let next = w.successor(former).await;
    w.change(former, DeviceChange::Delete).await.unwrap();
    w.pass_days(31);
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![]));
    for by in [PurgeBy::Job, PurgeBy::Person] {
        let entry = w.entry();
        let refused = w.store.purge_device(former, by, w.now, entry).await;
        assert!(matches!(refused, Err(StoreError::PurgeRefused(_))));
    }
    let version = w.stored(next).await;
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![]), "a pending one is not proven");
    w.prove(next, version).await.unwrap();
    assert_eq!(w.store.purgeable(w.now, 10).await, Ok(vec![former]));
    let entry = w.entry();
    w.store.purge_device(former, PurgeBy::Job, w.now, entry).await.unwrap();
    w.finish().await;
}

/// rotation.md 3, "Re-join": without the old key a person may link; no circles.
pub async fn a_person_links_a_predecessor(mut w: World) {
    let (a, b, c) = (w.device().await, w.device().await, w.device().await);
    let entry = w.entry();
    let linked = w.store.link_predecessor(b, a, entry).await.unwrap();
    assert_eq!((linked.predecessor, linked.revision), (Some(a), 2));
    let records = w.records().await;
    let entry = w.entry();
    assert_eq!(w.store.link_predecessor(b, a, entry).await, Ok(linked));
    assert_eq!(w.records().await, records);
    let entry = w.entry();
    w.store.link_predecessor(c, b, entry).await.unwrap();
    for (device, predecessor) in [(a, c), (a, a)] {
        let entry = w.entry();
        let circle = w.store.link_predecessor(device, predecessor, entry).await;
        assert!(matches!(circle, Err(StoreError::InUse(_))));
    }
    let entry = w.entry();
    let unknown = w.store.link_predecessor(a, DeviceId::from_bytes([1; 16]), entry).await;
    assert_eq!(unknown, Err(StoreError::DeviceUnknown));
    w.finish().await;
}

/// Issue 2, 21 (g): "last seen" is kept in memory and written in batches; it never goes back.
pub async fn contacts_are_noted_in_memory(mut w: World) {
    let device = w.device().await;
    assert_eq!(w.row(device).await.last_seen, None);
    let later = w.now.plus_seconds(60);
    w.store.note_seen(device, later);
    w.store.note_seen(device, w.now);
    w.store.note_seen(DeviceId::from_bytes([1; 16]), w.now);
    assert_eq!(w.row(device).await.last_seen, Some(later));
    let listed = w.store.devices(DeviceFilter::default(), Page::first(1)).await.unwrap();
    assert_eq!(listed.items[0].last_seen, Some(later));
    assert_eq!(w.store.flush_seen().await, Ok(1));
    assert_eq!(w.store.flush_seen().await, Ok(0));
    w.store.note_seen(device, w.now);
    w.store.flush_seen().await.unwrap();
    assert_eq!(w.row(device).await.last_seen, Some(later));
    w.finish().await;
}

/// Lists of devices are filtered by state, name and the groups of the caller's scope.
pub async fn devices_are_filtered(mut w: World) {
    let group = w.group("g").await;
    let mut ids = Vec::new();
    let machine = [7; 32];
    for (name, hardware) in
        [("Alpha-1", Some(machine)), ("alpha-2", None), ("Beta_1", Some([8; 32])), ("Ünicode", Some(machine))]
    {
        let (_, token) = w.token(None).await;
        let new = NewDevice { name: name.into(), hardware, ..w.new_device() };
        ids.push(join(&mut w, token, new).await.unwrap().device.id);
    }
    let entry = w.entry();
    w.store.add_member(group, ids[1], entry).await.unwrap();
    w.change(ids[2], DeviceChange::Disable).await.unwrap();
    let found = async |filter: DeviceFilter| -> Vec<DeviceId> {
        let page = w.store.devices(filter, Page::first(100)).await.unwrap();
        page.items.into_iter().map(|device| device.id).collect()
    };
    let any = DeviceFilter::default();
    assert_eq!(found(any.clone()).await, ids);
    assert_eq!(found(DeviceFilter { name: Some("ALPHA-2".into()), ..any.clone() }).await, [ids[1]]);
    assert_eq!(found(DeviceFilter { name: Some("üNICODE".into()), ..any.clone() }).await, [ids[3]]);
    assert_eq!(found(DeviceFilter { hardware: Some(machine), ..any.clone() }).await, [ids[0], ids[3]]);
    assert_eq!(found(DeviceFilter { hardware: Some([9; 32]), ..any.clone() }).await, []);
    assert_eq!(found(DeviceFilter { name_prefix: Some("ALPHA".into()), ..any.clone() }).await, ids[..2]);
    assert_eq!(found(DeviceFilter { name_prefix: Some("beta%".into()), ..any.clone() }).await, []);
    assert_eq!(found(DeviceFilter { states: vec![DeviceState::Disabled], ..any.clone() }).await, [ids[2]]);
    assert_eq!(found(DeviceFilter { groups: Some(vec![group]), ..any.clone() }).await, [ids[1]]);
    assert_eq!(found(DeviceFilter { groups: Some(vec![ALL_DEVICES]), ..any.clone() }).await, ids);
    assert_eq!(found(DeviceFilter { groups: Some(vec![]), ..any }).await, []);
    w.finish().await;
}

/// design.md 5, "Store": lists page by key. Every device comes once, in order, over 2,500 rows.
pub async fn devices_page_by_key(mut w: World) {
    let mut all = Vec::new();
    for _ in 0..2_500 {
        all.push(w.device().await);
    }
    let (mut after, mut seen, mut pages) = (None, Vec::new(), 0);
    loop {
        let page = w.store.devices(DeviceFilter::default(), Page::behind(after, 999)).await.unwrap();
        seen.extend(page.items.into_iter().map(|device| device.id));
        pages += 1;
        // What is added or removed behind the cursor does not move the pages.
        if pages == 1 {
            w.change(all[10], DeviceChange::Delete).await.unwrap();
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen == all, pages), (true, 3));
    let most = w.store.devices(DeviceFilter::default(), Page::first(100_000)).await.unwrap();
    assert_eq!(most.items.len(), 1000, "a page is bounded");
    let bad = Page::behind(Some("2500".into()), 10);
    assert_eq!(w.store.devices(DeviceFilter::default(), bad).await, Err(StoreError::BadCursor));
    w.finish().await;
}

/// Graph's list of credentials: devices with a password only, by key, without tombstones.
pub async fn credentials_page_by_key(mut w: World) {
    let mut with = Vec::new();
    for number in 0..40 {
        let device = w.device().await;
        match number % 4 {
            0 => {
                w.rotated(device).await;
                w.pass_hours(1);
                w.stored(device).await;
                with.push((device, w.now));
            }
            1 => {
                let version = w.stored(device).await;
                w.abandon(device, version).await.unwrap();
            }
            2 => {
                w.rotated(device).await;
                w.change(device, DeviceChange::Delete).await.unwrap();
            }
            _ => {}
        }
    }
    let filter = DeviceFilter { states: vec![DeviceState::Enabled, DeviceState::Deleted], ..DeviceFilter::default() };
    for filter in [DeviceFilter::default(), filter] {
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = w.store.credentials(filter.clone(), Page::behind(after, 3)).await.unwrap();
            seen.extend(page.items.into_iter().map(|item| (item.device, item.last_backup_at)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, with);
    }
    w.finish().await;
}

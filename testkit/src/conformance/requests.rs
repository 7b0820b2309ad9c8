//! Requests to rotate, and the outbox (rotation.md 2, end; design.md 5, "Store").

use super::World;
use server::store::*;

/// rotation.md 2: a request is met only by the proof of a version whose store sequence is higher.
pub async fn only_a_later_version_meets_a_request(mut w: World) {
    let device = w.device().await;
    let before = w.stored(device).await;
    w.pass_hours(1);
    let request = w.request(device).await.unwrap();
    assert!(!request.again);
    assert_eq!(w.prove(device, before).await.unwrap().requests_met, Vec::<u64>::new());
    let report = w.truth(device, Some(before)).await;
    assert_eq!(w.report(report).await.unwrap().rotate, Some(request.request.sequence));
    let after = w.stored(device).await;
    let open = w.store.rotation_requests(device).await.unwrap();
    assert_eq!((open.len(), open[0].met_at), (1, None), "a stored version is not a proven one");
    w.pass_hours(1);
    assert_eq!(w.prove(device, after).await.unwrap().requests_met, [request.request.sequence]);
    let met = w.store.rotation_requests(device).await.unwrap();
    assert_eq!((met[0].met_at, met[0].met_by), (Some(w.now), Some(after)));
    assert_eq!(met[0].requested_by, w.admin);
    let report = w.truth(device, Some(after)).await;
    assert_eq!(w.report(report).await.unwrap().rotate, None);
    w.finish().await;
}

/// rotation.md 2: a request during a rotation sets *again*; repeats coalesce.
pub async fn repeats_coalesce(mut w: World) {
    let device = w.device().await;
    let first = w.request(device).await.unwrap();
    let records = w.records().await;
    let repeated = w.request(device).await.unwrap();
    assert_eq!(repeated, RequestedRotation { again: true, ..first.clone() });
    assert_eq!(w.records().await, records);
    // A rotation has begun since: the request after it is another one.
    let version = w.stored(device).await;
    let second = w.request(device).await.unwrap();
    assert!(!second.again && second.request.sequence > first.request.sequence);
    assert!(w.request(device).await.unwrap().again);
    assert_eq!(w.prove(device, version).await.unwrap().requests_met, [first.request.sequence]);
    let next = w.stored(device).await;
    assert_eq!(w.prove(device, next).await.unwrap().requests_met, [second.request.sequence]);
    w.finish().await;
}

/// rotation.md 3: each rotation that a person asks for adds one to the bound of versions in 24 h.
pub async fn each_request_adds_one_to_the_bound(mut w: World) {
    let device = w.device().await;
    w.settings(|settings| settings.versions_per_day = 2).await;
    w.rotated(device).await;
    w.rotated(device).await;
    let over = w.version(device);
    assert!(matches!(w.put(over).await, Err(StoreError::TooManyVersions { .. })));
    w.request(device).await.unwrap();
    w.request(device).await.unwrap();
    w.rotated(device).await;
    let over = w.version(device);
    assert!(matches!(w.put(over).await, Err(StoreError::TooManyVersions { .. })), "a coalesced one adds nothing");
    w.request(device).await.unwrap();
    w.rotated(device).await;
    w.pass_days(1);
    w.rotated(device).await;
    w.rotated(device).await;
    let over = w.version(device);
    assert!(matches!(w.put(over).await, Err(StoreError::TooManyVersions { .. })), "old requests count no more");
    w.finish().await;
}

/// rotation.md 3 and 11: the bound counts what was stored in the last 24 h and not what lies ahead, when the
/// server's clock was ahead for a while (found by the simulator, docs/design/simulation.md).
pub async fn what_was_stored_ahead_of_now_does_not_count(mut w: World) {
    let device = w.device().await;
    w.settings(|settings| settings.versions_per_day = 2).await;
    let right = w.now;
    w.pass_days(200);
    w.rotated(device).await;
    w.rotated(device).await;
    let over = w.version(device);
    assert!(matches!(w.put(over).await, Err(StoreError::TooManyVersions { .. })));
    w.now = right;
    w.rotated(device).await;
    w.rotated(device).await;
    let over = w.version(device);
    assert!(matches!(w.put(over).await, Err(StoreError::TooManyVersions { .. })), "what lies behind counts");
    w.finish().await;
}

/// rotation.md 3: a device that may not store is not asked to rotate.
pub async fn requests_are_refused_by_state(mut w: World) {
    let device = w.device().await;
    w.change(device, DeviceChange::Disable).await.unwrap();
    assert_eq!(w.request(device).await, Err(StoreError::DeviceDisabled));
    w.change(device, DeviceChange::Delete).await.unwrap();
    assert_eq!(w.request(device).await, Err(StoreError::DeviceDeleted));
    assert_eq!(w.store.rotation_requests(device).await, Ok(vec![]));
    w.finish().await;
}

/// design.md 5, "Store": work for devices is a durable outbox with a sequence; wakes come from it.
pub async fn work_comes_in_order_and_is_watched(mut w: World) {
    let mut watch = w.store.watch_work();
    let start = *watch.borrow_and_update();
    let device = w.device().await;
    assert!(!watch.has_changed().unwrap(), "a join wakes nobody");
    w.request(device).await.unwrap();
    watch.changed().await.unwrap();
    let group = w.group("g").await;
    let entry = w.entry();
    w.store.add_member(group, device, entry).await.unwrap();
    w.change(device, DeviceChange::Disable).await.unwrap();
    let work = w.store.work_since(start, 10).await.unwrap();
    let kinds: Vec<_> = work.iter().map(|work| (work.target, work.kind)).collect();
    let own = WorkTarget::Device(device);
    assert_eq!(kinds, [(own, WorkKind::Rotate), (own, WorkKind::Policy), (own, WorkKind::State)]);
    assert!(work.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert_eq!(*watch.borrow_and_update(), work[2].sequence);
    assert_eq!(w.store.work_since(work[0].sequence, 1).await.unwrap(), work[1..2]);
    // What changes nothing wakes nobody.
    w.change(device, DeviceChange::Disable).await.unwrap();
    assert!(!watch.has_changed().unwrap());
    w.finish().await;
}

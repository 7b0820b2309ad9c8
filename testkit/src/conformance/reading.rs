//! Rules for reading, requests for access, and rotations that follow reads (docs/reading-rules.md).

use super::World;
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};
use server::store::*;

async fn set(w: &mut World, group: GroupId, rule: Option<ReadingRule>) -> Result<(), StoreError> {
    let entry = w.entry();
    w.store.set_reading_rule(group, rule, entry).await
}

async fn member(w: &mut World, group: GroupId, device: DeviceId) {
    let entry = w.entry();
    w.store.add_member(group, device, entry).await.unwrap();
}

/// A read by somebody, decided on what is true now.
async fn read(w: &mut World, by: PrincipalId, device: DeviceId, reading: Reading) -> Result<usize, StoreError> {
    let (epoch, device_revision) = (w.epoch(by).await, w.row(device).await.revision);
    let reveal = Reveal { device, device_revision, principal: by, epoch, reading, history: false };
    let entry = w.entry();
    w.store.reveal(reveal, entry).await.map(|given| given.len())
}

fn asked(w: &mut World, by: PrincipalId, device: DeviceId, approvals: u8) -> NewAccessRequest {
    NewAccessRequest {
        id: w.bytes16(),
        device,
        principal: by,
        principal_name: "asker".into(),
        reason: "disk full".into(),
        ticket: None,
        until: w.now.plus_seconds(3_600),
        approvals,
        reads: 2,
    }
}

async fn ask(w: &mut World, new: NewAccessRequest) -> Result<RequestedAccess, StoreError> {
    let entry = w.entry();
    w.store.request_access(new, w.now, entry).await
}

async fn answer(w: &mut World, id: [u8; 16], by: PrincipalId, approved: bool) -> Result<AccessRequest, StoreError> {
    let entry = w.entry();
    let reason = (!approved).then(|| "not on my watch".to_owned());
    let answer = AccessAnswer { principal: by, principal_name: "answerer".into(), approved, at: w.now, reason };
    w.store.answer_access(id, answer, entry).await
}

fn reason() -> Reading {
    Reading { reason: Some("disk full".into()), ..Reading::default() }
}

/// A rule is kept by its group, and only a change of it is recorded.
pub async fn a_group_has_a_rule(mut w: World) {
    let group = w.group("servers").await;
    let rule = ReadingRule {
        reason: true,
        ticket_patterns: vec!["INC#*".into()],
        approvals: 2,
        rotate_after_minutes: Some(0),
        ..ReadingRule::default()
    };
    let records = w.records().await;
    set(&mut w, group, None).await.unwrap();
    assert_eq!(w.records().await, records, "there was none");
    set(&mut w, group, Some(rule.clone())).await.unwrap();
    set(&mut w, group, Some(rule.clone())).await.unwrap();
    assert_eq!(w.records().await, records + 1);
    set(&mut w, ALL_DEVICES, Some(ReadingRule { ticket: true, ..ReadingRule::default() })).await.unwrap();
    let rules = w.store.reading_rules().await.unwrap();
    assert_eq!(rules.iter().map(|one| one.group).collect::<Vec<_>>(), [group, ALL_DEVICES]);
    assert_eq!(rules[0].rule, rule);
    let nothing = GroupId::from_bytes([3; 16]);
    assert_eq!(set(&mut w, nothing, Some(rule)).await, Err(StoreError::NotFound("group")));
    let entry = w.entry();
    assert_eq!(w.store.delete_group(group, entry).await, Err(StoreError::InUse("a reading rule")));
    set(&mut w, group, None).await.unwrap();
    let entry = w.entry();
    w.store.delete_group(group, entry).await.unwrap();
    w.finish().await;
}

/// The strictest of each setting counts, and the machine's former object is not a way around it.
pub async fn the_strictest_rule_counts(mut w: World) {
    let (one, two, other) = (w.group("one").await, w.group("two").await, w.group("other").await);
    let former = w.device().await;
    w.rotated(former).await;
    let device = w.successor(former).await;
    set(&mut w, one, Some(ReadingRule { reason: true, ..ReadingRule::default() })).await.unwrap();
    set(&mut w, two, Some(ReadingRule { rotate_after_minutes: Some(30), ..ReadingRule::default() })).await.unwrap();
    set(&mut w, other, Some(ReadingRule { ticket: true, ..ReadingRule::default() })).await.unwrap();
    member(&mut w, one, former).await;
    member(&mut w, two, device).await;
    let rule = w.store.reading_rule_for(device).await.unwrap();
    assert_eq!((rule.reason, rule.ticket, rule.rotate_after_minutes), (true, false, Some(30)));
    let admin = w.admin;
    assert_eq!(read(&mut w, admin, device, Reading::default()).await, Err(StoreError::Changed));
    assert_eq!(read(&mut w, admin, device, reason()).await, Ok(1));
    // With a password of its own the former object's is no longer shown, and its rule no longer counts.
    w.rotated(device).await;
    assert!(!w.store.reading_rule_for(device).await.unwrap().reason);
    let unknown = DeviceId::from_bytes([1; 16]);
    assert_eq!(w.store.reading_rule_for(unknown).await, Err(StoreError::DeviceUnknown));
    w.finish().await;
}

/// What a rule asks for is held inside the reveal; what falls short reads nothing and writes nothing.
pub async fn a_reveal_holds_the_rules(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    let rule = ReadingRule {
        reason: true,
        ticket_patterns: vec!["INC####".into()],
        rotate_after_minutes: Some(10),
        ..ReadingRule::default()
    };
    set(&mut w, ALL_DEVICES, Some(rule)).await.unwrap();
    let (admin, records) = (w.admin, w.records().await);
    let ticket = |text: &str| Reading { ticket: Some(text.into()), ..reason() };
    for short in [Reading::default(), reason(), ticket("INC12"), ticket("INC123x")] {
        assert_eq!(read(&mut w, admin, device, short).await, Err(StoreError::Changed));
    }
    assert_eq!((w.records().await, w.store.rotation_due(device).await.unwrap()), (records, None));
    assert_eq!(read(&mut w, admin, device, ticket("inc1234")).await, Ok(1));
    assert_eq!(w.records().await, records + 1);
    w.finish().await;
}

/// An approval is bound to person and device, needs others, is good for its reads, and ends with its time.
pub async fn an_approval_is_bound_and_used_up(mut w: World) {
    let (device, other) = (w.device().await, w.device().await);
    w.rotated(device).await;
    w.rotated(other).await;
    let rule = ReadingRule { approvals: 2, ..ReadingRule::default() };
    set(&mut w, ALL_DEVICES, Some(rule)).await.unwrap();
    let (asker, one, two) = (w.admin, w.user("one").await, w.user("two").await);
    let new = asked(&mut w, asker, device, 2);
    let id = new.id;
    assert!(!ask(&mut w, new).await.unwrap().again);
    let again = asked(&mut w, asker, device, 2);
    let given = ask(&mut w, again).await.unwrap();
    assert_eq!((given.again, given.request.asked.id), (true, id));
    let grant = || Reading { grant: Some(id), ..Reading::default() };
    assert_eq!(answer(&mut w, id, asker, true).await, Err(StoreError::OwnRequest));
    assert_eq!(answer(&mut w, [9; 16], one, true).await, Err(StoreError::NotFound("request for access")));
    let open = answer(&mut w, id, one, true).await.unwrap();
    assert_eq!((open.state(w.now), open.answers.len()), (AccessState::Open, 1));
    assert_eq!(answer(&mut w, id, one, true).await, Err(StoreError::Exists("answer of yours")));
    assert_eq!(read(&mut w, asker, device, grant()).await, Err(StoreError::Changed), "one of two");
    assert_eq!(answer(&mut w, id, two, true).await.unwrap().state(w.now), AccessState::Approved);
    assert_eq!(read(&mut w, asker, other, grant()).await, Err(StoreError::Changed), "another device");
    w.role(one, GLOBAL_ADMINISTRATOR, None).await.unwrap();
    assert_eq!(read(&mut w, one, device, grant()).await, Err(StoreError::Changed), "another person");
    assert_eq!(read(&mut w, asker, device, Reading::default()).await, Err(StoreError::Changed), "not named");
    assert_eq!(read(&mut w, asker, device, grant()).await, Ok(1));
    let left = w.store.access_request(id).await.unwrap().unwrap();
    assert_eq!((left.reads_left, left.state(w.now)), (1, AccessState::Approved));
    // Stricter rules count at once.
    assert_eq!(read(&mut w, asker, device, grant()).await, Ok(1));
    assert_eq!(read(&mut w, asker, device, grant()).await, Err(StoreError::Changed), "used up");
    assert_eq!(answer(&mut w, id, one, false).await, Err(StoreError::AccessEnded("used")));
    // The next one runs out.
    let new = asked(&mut w, asker, device, 2);
    let id = new.id;
    assert!(!ask(&mut w, new).await.unwrap().again);
    answer(&mut w, id, one, true).await.unwrap();
    answer(&mut w, id, two, true).await.unwrap();
    w.pass_hours(1);
    let late = Reading { grant: Some(id), ..Reading::default() };
    assert_eq!(read(&mut w, asker, device, late).await, Err(StoreError::Changed), "its time is over");
    assert_eq!(answer(&mut w, id, one, false).await, Err(StoreError::AccessEnded("expired")));
    w.finish().await;
}

/// Denied by one is denied; what was approved can still be denied; the asker can take a request back.
pub async fn requests_are_denied_and_cancelled(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    set(&mut w, ALL_DEVICES, Some(ReadingRule { approvals: 1, ..ReadingRule::default() })).await.unwrap();
    let (asker, one, two) = (w.admin, w.user("one").await, w.user("two").await);
    let new = asked(&mut w, asker, device, 1);
    let id = new.id;
    ask(&mut w, new).await.unwrap();
    answer(&mut w, id, one, true).await.unwrap();
    assert_eq!(answer(&mut w, id, two, true).await, Err(StoreError::AccessEnded("approved")));
    let denied = answer(&mut w, id, one, false).await.unwrap();
    assert_eq!(denied.state(w.now), AccessState::Denied);
    assert_eq!(denied.answers[0].reason.as_deref(), Some("not on my watch"));
    let grant = Reading { grant: Some(id), ..Reading::default() };
    assert_eq!(read(&mut w, asker, device, grant).await, Err(StoreError::Changed));
    let new = asked(&mut w, asker, device, 1);
    let id = new.id;
    ask(&mut w, new).await.unwrap();
    let entry = w.entry();
    assert_eq!(
        w.store.cancel_access(id, one, w.now, entry).await,
        Err(StoreError::NotFound("request for access")),
        "somebody else's"
    );
    for _ in 0..2 {
        let entry = w.entry();
        let cancelled = w.store.cancel_access(id, asker, w.now, entry).await.unwrap();
        assert_eq!(cancelled.state(w.now), AccessState::Cancelled);
    }
    assert_eq!(answer(&mut w, id, one, true).await, Err(StoreError::AccessEnded("cancelled")));
    w.finish().await;
}

/// Lists, their filters and their pages; the bound on open requests; what is old goes.
pub async fn requests_are_listed_and_bounded(mut w: World) {
    let asker = w.admin;
    let mut devices = Vec::new();
    for _ in 0..=ACCESS_OPEN_MAX {
        devices.push(w.device().await);
    }
    let last = devices.pop().unwrap();
    for device in &devices {
        let new = asked(&mut w, asker, *device, 1);
        ask(&mut w, new).await.unwrap();
    }
    let new = asked(&mut w, asker, last, 1);
    assert_eq!(ask(&mut w, new).await, Err(StoreError::TooManyRequests));
    let unknown = asked(&mut w, asker, DeviceId::from_bytes([1; 16]), 1);
    assert_eq!(ask(&mut w, unknown).await, Err(StoreError::DeviceUnknown));
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = w.store.access_requests(AccessFilter::default(), Page::behind(after, 7)).await.unwrap();
        seen.extend(page.items.iter().map(|request| request.asked.device));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    devices.reverse();
    assert_eq!(seen, devices, "newest first");
    let count = async |w: &World, filter| w.store.access_requests(filter, Page::first(100)).await.unwrap().items.len();
    let of = AccessFilter { device: Some(devices[0]), principal: Some(asker), ..AccessFilter::default() };
    assert_eq!(count(&w, of).await, 1);
    let living = AccessFilter { living_at: Some(w.now), ..AccessFilter::default() };
    assert_eq!(count(&w, living).await, devices.len());
    w.pass_hours(1);
    let living = AccessFilter { living_at: Some(w.now), ..AccessFilter::default() };
    assert_eq!(count(&w, living).await, 0);
    w.store.sweep(w.now).await.unwrap();
    assert_eq!(count(&w, AccessFilter::default()).await, devices.len());
    w.pass_days(ACCESS_KEPT_DAYS + 1);
    w.store.sweep(w.now).await.unwrap();
    assert_eq!(count(&w, AccessFilter::default()).await, 0);
    let bad = Page::behind(Some("x".into()), 1);
    assert_eq!(w.store.access_requests(AccessFilter::default(), bad).await, Err(StoreError::BadCursor));
    w.finish().await;
}

/// Break-glass passes over ticket and approval, never over the reason, and is always followed by a rotation.
pub async fn break_glass_is_followed_by_a_rotation(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    let (admin, group) = (w.admin, w.group("servers").await);
    member(&mut w, group, device).await;
    let rule = ReadingRule { ticket: true, approvals: 2, ..ReadingRule::default() };
    set(&mut w, group, Some(rule.clone())).await.unwrap();
    let glass =
        |reason: Option<&str>| Reading { reason: reason.map(str::to_owned), break_glass: true, ..Reading::default() };
    assert_eq!(read(&mut w, admin, device, glass(None)).await, Err(StoreError::Changed));
    assert_eq!(read(&mut w, admin, device, glass(Some("outage"))).await, Ok(1));
    let due = w.store.rotation_due(device).await.unwrap().unwrap();
    assert_eq!(due.due_at, w.now.plus_seconds(u64::from(BREAK_GLASS_MINUTES) * 60));
    // A shorter time counts, a longer one prolongs nothing.
    set(&mut w, group, Some(ReadingRule { rotate_after_minutes: Some(5), ..rule.clone() })).await.unwrap();
    read(&mut w, admin, device, glass(Some("outage"))).await.unwrap();
    let due = w.store.rotation_due(device).await.unwrap().unwrap();
    assert_eq!(due.due_at, w.now.plus_seconds(300));
    set(&mut w, group, Some(rule)).await.unwrap();
    read(&mut w, admin, device, glass(Some("outage"))).await.unwrap();
    assert_eq!(w.store.rotation_due(device).await.unwrap().unwrap().due_at, due.due_at);
    w.finish().await;
}

/// The rotation is asked for after the grace, once; a later read does not put it off; a version that was stored
/// after the read and proven makes it needless.
pub async fn a_read_is_followed_by_a_rotation(mut w: World) {
    let device = w.device().await;
    w.rotated(device).await;
    let (admin, start) = (w.admin, w.now);
    set(&mut w, ALL_DEVICES, Some(ReadingRule { rotate_after_minutes: Some(120), ..ReadingRule::default() }))
        .await
        .unwrap();
    read(&mut w, admin, device, Reading::default()).await.unwrap();
    w.pass_hours(1);
    read(&mut w, admin, device, Reading::default()).await.unwrap();
    let due = w.store.rotation_due(device).await.unwrap().unwrap();
    assert_eq!((due.due_at, due.read_by), (start.plus_seconds(7_200), admin));
    assert_eq!(w.store.rotations_due(w.now, 10).await.unwrap(), []);
    let rotate = async |w: &mut World, by: Timestamp| {
        let entry = w.entry();
        w.store.rotate_after_read(device, by, w.now, entry).await
    };
    let now = w.now;
    assert_eq!(rotate(&mut w, now).await, Ok(false));
    w.pass_hours(1);
    assert_eq!(w.store.rotations_due(w.now, 10).await.unwrap(), [due]);
    // A device that cannot rotate keeps it for later.
    w.change(device, DeviceChange::Disable).await.unwrap();
    assert_eq!(w.store.rotations_due(w.now, 10).await.unwrap(), []);
    let now = w.now;
    assert_eq!(rotate(&mut w, now).await, Err(StoreError::DeviceDisabled));
    w.change(device, DeviceChange::Enable).await.unwrap();
    let (records, work) = (w.records().await, w.store.work_since(0, 1000).await.unwrap().len());
    assert_eq!(rotate(&mut w, now).await, Ok(true));
    assert_eq!(rotate(&mut w, now).await, Ok(false));
    assert_eq!(w.records().await, records + 1);
    assert_eq!(w.store.work_since(0, 1000).await.unwrap().len(), work + 1, "the device is woken");
    let requests = w.store.rotation_requests(device).await.unwrap();
    assert_eq!((requests.len(), requests[0].requested_by), (1, admin));
    // A version that was stored before the read is what was read.
    let before = w.stored(device).await;
    read(&mut w, admin, device, Reading::default()).await.unwrap();
    w.prove(device, before).await.unwrap();
    assert!(w.store.rotation_due(device).await.unwrap().is_some());
    w.rotated(device).await;
    assert_eq!(w.store.rotation_due(device).await.unwrap(), None);
    // "Done" ends the grace.
    read(&mut w, admin, device, Reading::default()).await.unwrap();
    assert_eq!(rotate(&mut w, Timestamp::MAX).await, Ok(true));
    // A purge leaves nothing.
    read(&mut w, admin, device, Reading::default()).await.unwrap();
    w.change(device, DeviceChange::Delete).await.unwrap();
    let entry = w.entry();
    w.store.purge_device(device, PurgeBy::Person, w.now, entry).await.unwrap();
    assert_eq!(w.store.rotation_due(device).await.unwrap(), None);
    w.finish().await;
}

/// Records are found by who, what, when and how it ended, and by where a time begins.
pub async fn the_audit_log_answers_questions(mut w: World) {
    use server::audit::{Actor, AuditEntry, AuditFilter, Outcome};
    let start = w.now;
    for number in 0..6_u32 {
        w.pass_hours(1);
        let entry = AuditEntry {
            activity: format!("Recover number {number}"),
            category: if number < 3 { "Device" } else { "Policy" }.into(),
            actor: Actor::System(format!("job-{}", number % 2)),
            outcome: if number == 4 { Outcome::Failure("refused".into()) } else { Outcome::Success },
            ..w.entry()
        };
        w.store.append_audit(entry).await.unwrap();
    }
    let count = async |filter: AuditFilter| w.store.audit(filter, Page::first(1000)).await.unwrap().items.len();
    let all = AuditFilter::default;
    let begins = |text: &str| AuditFilter { activity_prefix: Some(text.into()), ..all() };
    assert_eq!(count(begins("recover NUMBER")).await, 6);
    assert_eq!(count(begins("Recover number 3")).await, 1);
    assert_eq!(count(begins("Recover%")).await, 0, "no pattern");
    assert_eq!(count(AuditFilter { actor_name: Some("JOB-1".into()), ..all() }).await, 3);
    assert_eq!(count(AuditFilter { category: Some("policy".into()), ..begins("recover") }).await, 3);
    assert_eq!(count(AuditFilter { failed: Some(true), ..all() }).await, 1);
    assert_eq!(count(AuditFilter { failed: Some(false), ..begins("recover") }).await, 5);
    let last = w.store.audit_heads().await.unwrap()[0].sequence;
    assert_eq!(w.store.audit_from(1, start.plus_seconds(1)).await.unwrap(), Some(last - 5));
    assert_eq!(w.store.audit_from(1, w.now).await.unwrap(), Some(last));
    assert_eq!(w.store.audit_from(1, w.now.plus_seconds(1)).await.unwrap(), None);
    w.finish().await;
}

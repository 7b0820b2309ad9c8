//! What a cycle sees of the account, and what it makes of it (rotation.md 10), on the model.

use crate::model::{FOREIGN, World};
use laps::{
    account::Selection,
    decide::{Manage, Plan, Reason, Target},
    drift::Drift,
    event,
    policy::AutomaticAccount,
};

/// rotation.md 10: held after three repairs in 24 h, one retry a day, over after a day without drift; through the
/// cycle, each in a process of its own. Rotations that are otherwise due still run.
#[test]
fn rotation_md_10_a_held_repair_is_tried_once_a_day() {
    let mut world = World::new();
    world.settle(1);
    let start = world.now;
    let mut repaired = Vec::new();
    for hour in 1..=100 {
        world.now = start.plus_seconds(hour * 3600);
        world.change_by_hand();
        world.rotate_requested = hour == 10;
        let finish = world.settle(1);
        if finish.reasons.contains(&Reason::Drift(Drift::ChangedByHand)) {
            repaired.push(hour);
        } else if hour == 10 {
            assert_eq!(finish.reasons, [Reason::DirectoryRequest], "a request is not held");
            assert_eq!(world.current(), world.installed);
        } else {
            assert_eq!(world.installed, Some(FOREIGN), "hour {hour}: left alone while repair is held");
            assert!(world.reports.last().unwrap().repair_held, "hour {hour}: and the directory knows");
        }
    }
    assert_eq!(repaired, [1, 2, 3, 27, 51, 75, 99], "three, then one a day");
    assert_eq!(world.texts(event::REPAIR_HELD).len(), 1, "one event for one hold");

    // A day without drift ends it, and the next one is repaired at once.
    world.now = start.plus_seconds(101 * 3600);
    world.rotate_requested = true;
    world.settle(1);
    world.now = start.plus_seconds(124 * 3600);
    world.settle(1);
    assert!(!world.memory.as_ref().unwrap().watch.held);
    world.change_by_hand();
    assert_eq!(world.settle(1).reasons, [Reason::Drift(Drift::ChangedByHand)]);
}

/// rotation.md 11, "A report tells what is there when it is sent": a look that failed leaves no facts to tell. It
/// is an event and the cycle's error, and the next cycle looks anew.
#[test]
fn rotation_md_11_a_look_that_failed_after_a_rotation_tells_nothing_old() {
    let mut world = World::new();
    world.settle(1);
    world.change_by_hand();
    world.failing_looks.insert(world.looks + 2);
    let finish = world.settle(1);
    assert_eq!((finish.reasons.as_slice(), finish.proven.len()), (&[Reason::Drift(Drift::ChangedByHand)][..], 1));
    let code = |failure: Option<laps::rotation::Failure>| failure.map(|failure| failure.code);
    assert_eq!(code(finish.last_error).as_deref(), Some("account_db_unreadable"));
    assert!(world.texts(event::SET_FAILED)[0].contains("account_db_unreadable"), "{:?}", world.notes);
    let last = world.reports.last().unwrap().clone();
    assert_eq!((last.account, last.last_acknowledged), (None, world.current()));
    assert_eq!(code(last.last_error).as_deref(), Some("account_db_unreadable"));

    let finish = world.settle(1);
    assert_eq!((finish.reasons.len(), finish.last_error), (0, None), "what is set is as it should be");
    let last = world.reports.last().unwrap();
    assert_eq!((last.account.as_ref(), &last.last_error), (Some(&world.account()), &None));
}

/// rotation.md 10: what could not be looked at has not come back to what it was, and was not deleted either.
#[test]
fn rotation_md_10_a_look_that_failed_judges_no_drift() {
    let mut world = World::new();
    world.settle(1);
    let start = world.now;
    for hour in 1..=4 {
        world.now = start.plus_seconds(hour * 3600);
        world.change_by_hand();
        world.settle(1);
    }
    let held = world.memory.clone().unwrap().watch;
    assert_eq!((held.held, held.found.as_slice()), (true, &[Drift::ChangedByHand][..]));
    world.failing_looks.insert(world.looks + 1);
    world.settle(1);
    assert_eq!(world.memory.as_ref().unwrap().watch, held);
    assert_eq!(world.texts(event::DRIFT_OVER), [""; 0]);

    // An account that automatic management owns would be one that is gone, if the look had said so.
    let mut world = World::new();
    let wanted =
        AutomaticAccount { built_in: false, name_or_prefix: "root".into(), randomize_name: false, enable: true };
    let selection = Selection::Automatic(wanted);
    world.plan = Plan::Manage(Manage { target: Target::Cloud, selection, age_days: 7 });
    world.settle(1);
    world.failing_looks.insert(world.looks + 1);
    assert_eq!(world.settle(1).reasons, []);
    let last = world.reports.last().unwrap();
    assert_eq!((last.account.as_ref(), last.drift.as_slice()), (None, &[][..]));
}

#[test]
fn rotation_md_10_a_skewed_clock_uses_server_time_for_the_expiry() {
    let mut world = World::new();
    let server = world.now;
    world.settle(1);
    let memory = world.memory.clone().unwrap();
    assert_eq!(memory.expires_at, server.plus_days(7));
    let skewed = laps::decide::deciding_time(server.plus_days(400), server);
    assert_eq!(skewed, server);
    let near = server.plus_seconds(299);
    assert_eq!(laps::decide::deciding_time(near, server), near);
}

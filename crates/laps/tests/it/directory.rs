//! What the directory says and asks for, and what a cycle makes of it (rotation.md 3), on the model.

use crate::model::{FOREIGN, Fault, Stored, World, fingerprint};
use laps::{
    decide::Reason,
    id::{DeviceId, Incarnation},
    rotation::Intent,
};

#[test]
fn rotation_md_3_unknown_or_abandoned_at_the_proof_rotates_at_once() {
    for forget in [true, false] {
        let mut world = World::new();
        world.faults.insert(7, Fault::CrashAfter);
        assert!(world.cycle().is_err());
        let first = world.installed.unwrap();
        if forget {
            world.versions.clear();
        } else {
            world.versions.get_mut(&first).unwrap().1 = Stored::Abandoned;
        }
        let finish = world.settle(1);
        assert!(finish.reasons.contains(&Reason::Overtaken));
        assert_ne!(world.installed, Some(first));
        assert_eq!(world.current(), world.installed);
    }
}

#[test]
fn rotation_md_3_a_new_incarnation_or_a_foreign_current_version_rotates_at_once() {
    let mut world = World::new();
    world.settle(1);
    world.incarnation = Incarnation::from_random_bytes([2; 16]);
    assert_eq!(world.settle(1).reasons, [Reason::IncarnationChanged]);
    assert!(world.settle(1).reasons.is_empty());

    let mut fork = world.clone();
    let own = fork.memory.as_mut().unwrap();
    own.version = FOREIGN;
    assert_eq!(fork.settle(1).reasons, [Reason::DirectoryDiffers]);
    assert!(fork.settle(1).reasons.is_empty());
}

#[test]
fn rotation_md_3_the_first_cycle_after_a_join_rotates() {
    let mut world = World::new();
    world.faults.insert(7, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    // The machine joined again in the middle: the intent is another device object's and is dropped.
    let other = DeviceId::from_random_bytes([10; 16]);
    let left = world.journal.take().unwrap();
    world.journal = Some(Intent { device: other, ..left.clone() });
    world.memory = None;
    world.versions.clear();
    assert_eq!(world.settle(1).reasons, [Reason::FirstRotation]);
    assert_ne!(world.installed, Some(left.version));
    assert_eq!(world.current(), world.installed);

    world.memory.as_mut().unwrap().device = other;
    assert_eq!(world.settle(1).reasons, [Reason::Joined]);
    assert!(world.settle(1).reasons.is_empty());
}

#[test]
fn rotation_md_11_pending_versions_of_a_clone_are_left_alone() {
    let mut world = World::new();
    world.settle(1);
    let own = world.current().unwrap();
    let of_clone = Intent { version: FOREIGN, fingerprint: fingerprint(FOREIGN), ..world.versions[&own].2.clone() };
    world.sequence += 1;
    world.versions.insert(of_clone.version, (world.sequence, Stored::Pending, of_clone.clone()));
    assert!(world.settle(1).reasons.is_empty());
    assert_eq!(world.versions[&of_clone.version].1, Stored::Pending, "not abandoned, not proven");
    world.now = world.now.plus_days(7);
    world.settle(1);
    assert_eq!(world.versions[&of_clone.version].1, Stored::Superseded, "overtaken by the next proof");
}

#[test]
fn laps_behaviour_4_2_reset_and_directory_requests_force_a_rotation_that_is_not_due() {
    let mut world = World::new();
    world.settle(1);
    assert!(world.settle(1).proven.is_empty(), "not due");
    world.reset = true;
    assert_eq!(world.settle(1).reasons, [Reason::AdministratorRequest]);
    world.rotate_requested = true;
    assert_eq!(world.settle(1).reasons, [Reason::DirectoryRequest]);
    assert!(world.settle(1).proven.is_empty(), "the request is met");
}

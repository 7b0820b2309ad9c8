//! The eight steps and their recovery (rotation.md 2), on the model.

use crate::model::{DEVICE, FAULTS, Fault, Stored, TENANT, World, version};
use laps::{
    decide::{Plan, Reason, Unmanaged},
    rotation::{self, Comparison, Destination, ProofKind, Rotation},
};

/// How many effects an undisturbed first cycle has.
fn effects_of_a_rotation() -> usize {
    let mut world = World::new();
    world.settle(1);
    world.effects
}

#[test]
fn rotation_md_2_the_eight_steps_end_proven() {
    let mut world = World::new();
    let finish = world.settle(1);
    assert_eq!(finish.reasons, [Reason::FirstRotation]);
    assert_eq!(finish.proven, [world.installed.unwrap()]);
    assert_eq!(world.current(), world.installed);
    assert_eq!((world.journal, world.secret), (None, None), "journal done, secret dropped");
    assert_eq!(finish.expires_at, Some(world.now.plus_days(7)), "expiry to the tick");
}

#[test]
fn rotation_md_2_the_steps_come_in_their_order() {
    let (mut world, mut names) = (World::new(), Vec::new());
    let (mut rotation, mut effect) =
        Rotation::start(TENANT, DEVICE, version(1), world.now.plus_days(7), Destination::Cloud);
    let finish = loop {
        let name = format!("{effect:?}");
        names.push(name.split([' ', '(']).next().unwrap_or_default().to_owned());
        match rotation.on(world.rotate(&effect)) {
            rotation::Next::Do(next) => effect = next,
            rotation::Next::Finished(finish) => break finish,
        }
    };
    assert_eq!(names, ["Preflight", "Generate", "Journal", "Store", "Set", "Prove", "Acknowledge", "Resolve"]);
    assert!(matches!(finish, rotation::Finish::Proven { kind: ProofKind::Pam, .. }), "{finish:?}");
    // After a crash nobody has the password: what is set is known by its fingerprint, and proven as that.
    let intent = world.versions[&version(1)].2.clone();
    let (mut rotation, _) = Rotation::resume(intent, false);
    let next = rotation.on(rotation::Outcome::Compared(Comparison::Same));
    let again = rotation::Effect::Acknowledge { version: version(1), kind: ProofKind::Verifier };
    assert_eq!(next, rotation::Next::Do(again));
}

#[test]
fn rotation_md_2_an_intent_that_cannot_be_resolved_ends_the_cycle() {
    let mut world = World::new();
    world.faults.insert(7, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    let (set, check_ins, effects) = (world.installed, world.check_ins, world.effects);
    // Compare, then the acknowledgement, which is lost.
    world.faults.insert(effects + 1, Fault::RequestLost);
    let finish = world.cycle().ok().unwrap();
    assert!(finish.unresolved);
    assert_eq!(finish.last_error.unwrap().code, "unreachable");
    assert_eq!(world.check_ins, check_ins, "policy waits");
    assert_eq!(world.effects, effects + 5, "the account is looked at, and one report says why");
    let report = world.reports.last().unwrap();
    assert_eq!((report.account.as_ref(), report.intent), (Some(&world.account()), set), "it names the account");
    world.settle(1);
    assert_eq!((world.current(), world.check_ins), (set, check_ins + 1));
}

#[test]
fn rotation_md_2_past_the_store_it_is_finished_whatever_policy_or_switch_say() {
    let mut world = World::new();
    world.faults.insert(7, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    let set = world.installed;
    world.plan = Plan::Unmanaged(Unmanaged::BackupDisabled);
    world.store_refused = Some("laps_disabled".into());
    let finish = world.settle(1);
    assert_eq!(finish.proven, [set.unwrap()]);
    assert_eq!((world.current(), world.installed, &world.journal), (set, set, &None));
}

#[test]
fn rotation_md_2_every_single_fault_at_every_effect_is_recovered() {
    for at in 0..effects_of_a_rotation() {
        for fault in FAULTS {
            let mut world = World::new();
            world.faults.insert(at, fault);
            world.settle(4);
            assert_eq!(world.current(), world.installed, "fault {fault:?} at effect {at}");
            assert!(world.journal.is_none(), "fault {fault:?} at effect {at}: an intent is left");
        }
    }
}

#[test]
fn rotation_md_2_every_pair_of_faults_over_two_rotations_is_recovered() {
    let span = 2 * effects_of_a_rotation() + 8;
    let mut runs = 0;
    for first in 0..span {
        for second in first + 1..span {
            for fault in FAULTS {
                for then in FAULTS {
                    let mut world = World::new();
                    world.faults.extend([(first, fault), (second, then)]);
                    world.settle(6);
                    world.now = world.now.plus_days(7);
                    world.settle(6);
                    assert_eq!(world.current(), world.installed, "{fault:?} at {first}, {then:?} at {second}");
                    runs += 1;
                }
            }
        }
    }
    assert!(runs > 5_000);
}

#[test]
fn rotation_md_2_a_refused_store_leaves_the_account_untouched() {
    let mut world = World::new();
    world.settle(1);
    let before = world.installed;
    world.now = world.now.plus_days(7);
    world.store_refused = Some("laps_disabled".into());
    let finish = world.settle(1);
    assert_eq!(world.installed, before);
    assert_eq!(world.journal, None);
    assert_eq!(finish.last_error.unwrap().code, "laps_disabled");
    // I4: once stores are taken, the due device rotates within one cycle.
    world.store_refused = None;
    world.settle(1);
    assert_ne!(world.installed, before);
}

#[test]
fn rotation_md_2_an_expired_password_stays_valid_off_the_network() {
    let mut world = World::new();
    world.settle(1);
    let before = world.clone();
    world.now = world.now.plus_days(8);
    let report = world.effects + 2;
    world.faults.insert(report, Fault::RequestLost);
    let finish = world.cycle().ok().unwrap();
    assert!(finish.offline);
    assert_eq!((world.installed, &world.versions), (before.installed, &before.versions));
}

#[test]
fn rotation_md_2_a_failed_proof_never_abandons() {
    let mut world = World::new();
    world.proof_fails = true;
    let finish = world.cycle().ok().unwrap();
    assert!(finish.unresolved);
    assert_eq!(finish.last_error.unwrap().code, "proof_failed");
    let (_, state, _) = world.versions[&world.installed.unwrap()];
    assert_eq!(state, Stored::Pending);
    assert!(world.secret.is_some(), "the secret stays for the next try");
    world.proof_fails = false;
    world.settle(1);
    assert_eq!(world.current(), world.installed);
    assert_eq!(world.secret, None);
}

#[test]
fn rotation_md_2_cannot_tell_leaves_it_pending_and_rotates() {
    let mut world = World::new();
    let set = 8; // check-in, inspect, report, preflight, generate, journal, store, set: crash after the set
    world.faults.insert(set - 1, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    let interrupted = world.installed.unwrap();
    world.can_tell = false;
    let finish = world.settle(1);
    assert!(finish.reasons.contains(&Reason::Overtaken));
    assert_eq!(world.versions[&interrupted].1, Stored::Superseded, "the next proof overtakes it");
    assert_eq!(world.current(), world.installed);
}

#[test]
fn rotation_md_2_a_lost_journal_is_rebuilt_from_the_report() {
    let mut world = World::new();
    world.faults.insert(7, Fault::CrashAfter);
    assert!(world.cycle().is_err());
    let set = world.installed;
    world.journal = None;
    let finish = world.settle(1);
    assert_eq!(finish.proven, [set.unwrap()], "proven without another rotation");
    assert_eq!(world.installed, set);
}

#[test]
fn rotation_md_2_a_request_during_a_rotation_sets_again_and_repeats_coalesce() {
    let mut world = World::new();
    world.ask_at = Some(6);
    let finish = world.settle(1);
    assert_eq!(finish.proven.len(), 2, "finish, then once more");
    assert_eq!(finish.proven.last(), world.installed.as_ref());
    assert!(world.settle(1).proven.is_empty());
}

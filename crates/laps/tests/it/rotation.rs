//! The rules of rotation.md 2 to 4, on a model of one machine and one directory, crashed everywhere.
//!
//! The model is small and complete: the account database is the version whose verifier it holds, the
//! directory is the table of versions. The oracle is I1.

use laps::{
    account::{AccountFacts, Selection},
    cycle::{CheckedIn, Cycle, Effect, Finish, Outcome, Start, Tick},
    decide::{Manage, Memory, Plan, Reason, Unmanaged, View},
    event,
    id::{DeviceId, Incarnation, TenantId, VersionId},
    policy::BackupDirectory,
    rotation::{self, AccountRef, Comparison, Failure, Fingerprint, Intent, ProofKind, Rotation},
    time::Timestamp,
};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Pending,
    Current,
    Superseded,
    Abandoned,
}

/// What happens at one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    CrashBefore,
    CrashAfter,
    /// The request never arrives.
    RequestLost,
    /// It is carried out and the answer is lost.
    AnswerLost,
}
const FAULTS: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::RequestLost, Fault::AnswerLost];

#[derive(Debug, Clone)]
struct World {
    now: Timestamp,
    drawn: u8,
    // the machine
    installed: Option<VersionId>,
    journal: Option<Intent>,
    memory: Option<Memory>,
    last_error: Option<Failure>,
    secret: Option<VersionId>,
    can_tell: bool,
    proof_fails: bool,
    // the directory
    incarnation: Incarnation,
    versions: BTreeMap<VersionId, (u64, Stored, Intent)>,
    sequence: u64,
    store_refused: Option<String>,
    rotate_requested: bool,
    plan: Plan,
    // the run
    check_ins: usize,
    effects: usize,
    faults: BTreeMap<usize, Fault>,
    ever_proven: bool,
    reset: bool,
    ask_at: Option<usize>,
}

struct Crash;

const TENANT: TenantId = TenantId::from_random_bytes([8; 16]);
const DEVICE: DeviceId = DeviceId::from_random_bytes([9; 16]);

fn version(n: u8) -> VersionId {
    VersionId::from_random_bytes([n; 16])
}

fn fingerprint(version: VersionId) -> Fingerprint {
    Fingerprint::from_bytes(*version.as_bytes())
}

fn lost() -> Failure {
    Failure::new(event::DISCOVERY_FAILED, "unreachable", "no answer")
}

impl World {
    fn new() -> Self {
        Self {
            now: Timestamp::from_unix_ms(1_800_000_000_000),
            drawn: 0,
            installed: None,
            journal: None,
            memory: None,
            last_error: None,
            secret: None,
            can_tell: true,
            proof_fails: false,
            incarnation: Incarnation::from_random_bytes([1; 16]),
            versions: BTreeMap::new(),
            sequence: 0,
            store_refused: None,
            rotate_requested: false,
            plan: Plan::Manage(Manage {
                directory: BackupDirectory::Entra,
                selection: Selection::BuiltIn,
                age_days: 7,
            }),
            check_ins: 0,
            effects: 0,
            faults: BTreeMap::new(),
            ever_proven: false,
            reset: false,
            ask_at: None,
        }
    }

    fn tick(&mut self) -> Tick {
        self.drawn += 1;
        Tick { now: self.now, fresh: version(self.drawn) }
    }

    fn current(&self) -> Option<VersionId> {
        self.versions.iter().find(|(_, (_, state, _))| *state == Stored::Current).map(|(version, _)| *version)
    }

    /// I1: from the first proven version on, what is installed is a version that the directory returns.
    fn assert_i1(&self) {
        if self.ever_proven {
            let installed = self.installed.expect("a proven version was installed");
            assert!(self.versions.contains_key(&installed), "I1: {installed} is installed and the directory lacks it");
        }
        assert!(self.versions.values().filter(|(_, state, _)| *state == Stored::Current).count() <= 1);
    }

    fn carry_out(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::CheckIn { .. } => {
                self.check_ins += 1;
                Outcome::CheckedIn(CheckedIn { plan: self.plan.clone(), reset: false, failure: None })
            }
            Effect::Inspect(_) => Outcome::Inspected(Ok(AccountFacts {
                account: AccountRef { id: 0, name: "root".into() },
                enabled: true,
                expired: false,
                no_login_shell: false,
                administrator: true,
                installed: self.installed.filter(|_| self.can_tell).map(fingerprint),
            })),
            Effect::Trace(_) => unreachable!("the built-in administrator is always found here"),
            Effect::Report(_) => Outcome::Reported(Ok(View {
                current: self.current(),
                unresolved: {
                    let mut pending: Vec<_> =
                        self.versions.values().filter(|(_, state, _)| *state == Stored::Pending).collect();
                    pending.sort_by_key(|(sequence, _, _)| core::cmp::Reverse(*sequence));
                    pending.into_iter().map(|(_, _, intent)| intent.clone()).collect()
                },
                incarnation: self.incarnation,
                rotate_requested: self.rotate_requested,
                repairs_per_day: laps::drift::REPAIRS_PER_DAY,
                store_refused: self.store_refused.clone(),
                server_time: self.now,
            })),
            Effect::Rotation(effect) => Outcome::Rotation(self.rotate(effect)),
            Effect::Remember(memory) => {
                self.memory = Some(memory.clone());
                Outcome::Done
            }
            Effect::Shape(_) | Effect::Remove(_) => unreachable!("the built-in administrator is managed by hand"),
            Effect::Finish(_) => unreachable!("a finish is no effect to carry out"),
        }
    }

    fn rotate(&mut self, effect: &rotation::Effect) -> rotation::Outcome {
        use rotation::{Effect as E, Outcome as O};
        match effect {
            E::Preflight => O::Done,
            E::Generate { version } => {
                self.secret = Some(*version);
                O::Generated { account: AccountRef { id: 0, name: "root".into() }, fingerprint: fingerprint(*version) }
            }
            E::Journal(intent) => {
                let own = self.journal.as_ref().filter(|intent| intent.device == DEVICE);
                assert_eq!(own, None, "at most one unresolved intent of this device object");
                self.journal = Some(intent.clone());
                O::Done
            }
            E::Store(intent) => {
                if let Some(code) = &self.store_refused {
                    return O::Refused(Failure::new(event::BACKUP_FAILED, code.clone(), ""));
                }
                assert_eq!(self.journal.as_ref(), Some(intent), "the intent is journalled before it is stored");
                if !self.versions.contains_key(&intent.version) {
                    self.sequence += 1;
                    self.versions.insert(intent.version, (self.sequence, Stored::Pending, intent.clone()));
                }
                O::Done
            }
            E::Set(intent) => {
                assert_eq!(self.secret, Some(intent.version), "only a held password can be set");
                assert!(self.versions.contains_key(&intent.version), "stored before it is set");
                self.installed = Some(intent.version);
                O::Done
            }
            E::Compare(intent) => O::Compared(match (self.can_tell, self.installed) {
                (false, _) => Comparison::CannotTell,
                (true, Some(installed)) if installed == intent.version => Comparison::Same,
                (true, _) => Comparison::Different,
            }),
            E::Prove(intent) => {
                assert_eq!(self.secret, Some(intent.version), "a proof needs the password");
                if self.proof_fails {
                    return O::Refused(Failure::new(event::SET_NOT_PROVEN, "proof_failed", ""));
                }
                assert_eq!(self.installed, Some(intent.version));
                O::Proven(ProofKind::Pam)
            }
            E::Acknowledge { version, .. } => {
                let Some((sequence, state, _)) = self.versions.get(version).cloned() else {
                    return O::Refused(Failure::new(event::DIRECTORY_REFUSED, "version_unknown", ""));
                };
                match state {
                    Stored::Abandoned => {
                        return O::Refused(Failure::new(event::DIRECTORY_REFUSED, "version_abandoned", ""));
                    }
                    Stored::Current | Stored::Superseded => return O::Done,
                    Stored::Pending => {}
                }
                for (other, state, _) in self.versions.values_mut() {
                    if *state == Stored::Current || (*state == Stored::Pending && *other < sequence) {
                        *state = Stored::Superseded;
                    }
                }
                self.versions.get_mut(version).expect("looked up above").1 = Stored::Current;
                self.ever_proven = true;
                self.rotate_requested = false;
                O::Done
            }
            E::Abandon { version, .. } => {
                assert_ne!(self.installed, Some(*version), "an installed version is never abandoned");
                if let Some((_, state @ Stored::Pending, _)) = self.versions.get_mut(version) {
                    *state = Stored::Abandoned;
                }
                O::Done
            }
            E::Resolve { version } => {
                if self.secret == Some(*version) {
                    self.secret = None;
                }
                self.journal = None;
                O::Done
            }
        }
    }

    /// One cycle, with the faults at their effects. `Err` is a crash of the agent.
    fn cycle(&mut self) -> Result<Finish, Crash> {
        let secret_held = self.journal.as_ref().is_some_and(|intent| Some(intent.version) == self.secret);
        let (mut cycle, mut turn) = Cycle::start(Start {
            tenant: TENANT,
            device: DEVICE,
            intent: self.journal.clone(),
            secret_held,
            memory: self.memory.clone(),
            joined_incarnation: self.incarnation,
            last_error: self.last_error.clone(),
            reset: core::mem::take(&mut self.reset),
            signed_in: None,
            created: Vec::new(),
        });
        for _ in 0..200 {
            if let Effect::Finish(finish) = turn.effect {
                self.last_error.clone_from(&finish.last_error);
                return Ok(finish);
            }
            let at = self.effects;
            self.effects += 1;
            if self.ask_at == Some(at) {
                cycle.ask(Reason::AdministratorRequest);
            }
            let fault = self.faults.get(&at).copied();
            if fault == Some(Fault::CrashBefore) {
                self.secret = None;
                return Err(Crash);
            }
            let remote = matches!(
                turn.effect,
                Effect::Report(_)
                    | Effect::Rotation(
                        rotation::Effect::Store(_)
                            | rotation::Effect::Acknowledge { .. }
                            | rotation::Effect::Abandon { .. }
                    )
            );
            let outcome = match fault {
                Some(Fault::RequestLost) if remote => unanswered(&turn.effect),
                Some(Fault::AnswerLost) if remote => {
                    self.carry_out(&turn.effect);
                    unanswered(&turn.effect)
                }
                _ => self.carry_out(&turn.effect),
            };
            self.assert_i1();
            if fault == Some(Fault::CrashAfter) {
                self.secret = None;
                return Err(Crash);
            }
            let tick = self.tick();
            turn = cycle.on(outcome, tick);
        }
        panic!("a cycle that does not end");
    }

    /// Cycles until one ends without an intent left, at most `max`.
    fn settle(&mut self, max: usize) -> Finish {
        for _ in 0..max {
            if let Ok(finish) = self.cycle()
                && !finish.unresolved
                && !finish.offline
            {
                return finish;
            }
        }
        panic!("not settled after {max} cycles: {self:#?}");
    }
}

fn unanswered(effect: &Effect) -> Outcome {
    match effect {
        Effect::Report(_) => Outcome::Reported(Err(lost())),
        _ => Outcome::Rotation(rotation::Outcome::Unknown(lost())),
    }
}

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
    let (mut rotation, mut effect) = Rotation::start(TENANT, DEVICE, version(1), world.now.plus_days(7));
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
    assert_eq!(world.effects, effects + 3, "one report says why");
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
    own.version = version(200);
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
    let of_clone =
        Intent { version: version(200), fingerprint: fingerprint(version(200)), ..world.versions[&own].2.clone() };
    world.sequence += 1;
    world.versions.insert(of_clone.version, (world.sequence, Stored::Pending, of_clone.clone()));
    assert!(world.settle(1).reasons.is_empty());
    assert_eq!(world.versions[&of_clone.version].1, Stored::Pending, "not abandoned, not proven");
    world.now = world.now.plus_days(7);
    world.settle(1);
    assert_eq!(world.versions[&of_clone.version].1, Stored::Superseded, "overtaken by the next proof");
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

//! A cycle whose directory is Active Directory (rotation.md 9; laps-behaviour.md 4.2 and 4.3): one modify, then
//! local, on a model of one machine and one controller that is crashed and cut off everywhere.

use laps::{
    account::{AccountFacts, Selection},
    active_directory::{
        Answer, Form, Former, Object, Placement, Replaces, StoredValue, Wanted, WantedForm, guid_bytes, has_arrived,
        update,
    },
    cycle::{CheckedIn, Consulted, Cycle, Effect, Finish, Note, Outcome, Report, Start, Tick},
    decide::{Manage, Memory, Plan, Reason, Target, Unmanaged, View},
    event,
    id::{DeviceId, Incarnation, TenantId, VersionId},
    rotation::{self, AccountRef, Comparison, Destination, Failure, Fingerprint, Intent, ProofKind},
    time::Timestamp,
};

const TENANT: TenantId = TenantId::from_random_bytes([8; 16]);
const DEVICE: DeviceId = DeviceId::from_random_bytes([9; 16]);
const INCARNATION: Incarnation = Incarnation::from_random_bytes([1; 16]);

fn lost() -> Failure {
    Failure::new(event::AD_QUERY_FAILED, "dc_unreachable", "no answer")
}

fn print(version: VersionId) -> Fingerprint {
    Fingerprint::from_bytes(*version.as_bytes())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    CrashBefore,
    CrashAfter,
    /// The request does not arrive; the caller does not know.
    RequestLost,
    /// It arrives, the answer does not.
    AnswerLost,
}

struct World {
    now: Timestamp,
    drawn: u8,
    installed: Option<VersionId>,
    journal: Option<Intent>,
    memory: Option<Memory>,
    secret: Option<VersionId>,
    maybe_sent: bool,
    has_server: bool,
    server_lost: bool,
    in_cloud: Option<VersionId>,
    controller: &'static str,
    object: Object,
    form: Form,
    plan: Plan,
    reset: bool,
    fault: Option<(usize, Fault)>,
    effects: usize,
    modifies: usize,
    reports: Vec<Report>,
    notes: Vec<Note>,
    proven_once: bool,
}

struct Crash;

fn wanted(history_max: usize) -> Wanted {
    Wanted { form: Ok(WantedForm::Encrypted { principal: None }), history_max, protects_expiration: true }
}

fn plan(target: Target) -> Plan {
    Plan::Manage(Manage { target, selection: Selection::BuiltIn, age_days: 30 })
}

impl World {
    fn new(history_max: usize) -> Self {
        Self {
            now: Timestamp::from_unix_ms(1_800_000_000_000),
            drawn: 0,
            installed: None,
            journal: None,
            memory: None,
            secret: None,
            maybe_sent: false,
            has_server: false,
            server_lost: false,
            in_cloud: None,
            controller: "dc1.corp.example",
            object: Object { has_version: true, ..Object::default() },
            form: Form::Encrypted { decryptor: "S-1-5-21-1-2-3-512".into() },
            plan: plan(Target::ActiveDirectory(wanted(history_max))),
            reset: false,
            fault: None,
            effects: 0,
            modifies: 0,
            reports: Vec::new(),
            notes: Vec::new(),
            proven_once: false,
        }
    }

    fn wanted(&self) -> Option<&Wanted> {
        match &self.plan {
            Plan::Manage(Manage { target: Target::ActiveDirectory(wanted), .. }) => Some(wanted),
            _ => None,
        }
    }

    fn start(&mut self) -> Start {
        Start {
            tenant: TENANT,
            device: DEVICE,
            has_server: self.has_server,
            intent: self.journal.clone(),
            secret_held: self.journal.as_ref().is_some_and(|intent| Some(intent.version) == self.secret),
            memory: self.memory.clone(),
            joined_incarnation: INCARNATION,
            last_error: None,
            reset: core::mem::take(&mut self.reset),
            signed_in: None,
            created: Vec::new(),
        }
    }

    /// A value of the model: the version in it, so that a reader finds it.
    fn value(version: VersionId, written_at: Timestamp) -> StoredValue {
        StoredValue { written_at: Some(written_at), bytes: version.as_bytes().to_vec() }
    }

    fn holds(&self, version: VersionId) -> bool {
        let values = self.object.encrypted.iter().chain(&self.object.history);
        values.map(|value| value.bytes.as_slice()).any(|bytes| bytes == version.as_bytes())
    }

    fn modify(&mut self, intent: &Intent) {
        let placement = intent.destination.placement().expect("it goes to Active Directory");
        assert_eq!(placement.controller, self.controller, "no other controller while it is unknown");
        let history_max = self.wanted().map_or(0, |wanted| wanted.history_max);
        let value = intent.version.as_bytes().to_vec();
        let update = update(&self.object, placement, intent.version, intent.expires_at, value, history_max, false);
        self.modifies += 1;
        if let Some(change) = update.version {
            assert_eq!(change.from, self.object.version.map_or(Former::NoneSeen, Former::Version), "read afresh");
            self.object.version = Some(change.to);
        }
        for change in update.changes {
            use laps::active_directory::Attribute as A;
            match change.attribute {
                A::EncryptedPassword => self.object.encrypted = Some(Self::value(intent.version, placement.written_at)),
                A::EncryptedPasswordHistory => {
                    let known: Vec<StoredValue> =
                        self.object.history.iter().chain(&self.object.encrypted).cloned().collect();
                    self.object.history = change
                        .values
                        .iter()
                        .map(|bytes| StoredValue {
                            written_at: known.iter().find(|had| had.bytes == *bytes).and_then(|had| had.written_at),
                            bytes: bytes.clone(),
                        })
                        .collect();
                }
                A::PasswordExpirationTime => self.object.expires_at = Some(intent.expires_at),
                other => panic!("{other:?}"),
            }
        }
    }

    fn carry_out(&mut self, effect: &Effect) -> Outcome {
        use rotation::{Effect as E, Outcome as O};
        let rotation = match effect {
            Effect::CheckIn { .. } => {
                return Outcome::CheckedIn(CheckedIn { plan: self.plan.clone(), reset: false, failure: None });
            }
            Effect::Inspect(_) => {
                return Outcome::Inspected(Ok(AccountFacts {
                    account: AccountRef { id: 0, name: "root".into() },
                    enabled: true,
                    expired: false,
                    no_login_shell: false,
                    administrator: true,
                    installed: self.installed.map(print),
                }));
            }
            Effect::Report(report) => {
                assert!(self.has_server);
                self.reports.push(report.clone());
                if self.server_lost {
                    return Outcome::Reported(Err(Failure::new(event::DISCOVERY_FAILED, "unreachable", "")));
                }
                return Outcome::Reported(Ok(View {
                    current: self.in_cloud,
                    unresolved: Vec::new(),
                    incarnation: INCARNATION,
                    rotate_requested: true, // of the server: it is none of Active Directory's
                    repairs_per_day: 3,
                    store_refused: None,
                    server_time: self.now,
                    active_directory: None,
                }));
            }
            Effect::Consult { last, .. } => {
                return Outcome::Consulted(Ok(Consulted {
                    answer: Answer::of(
                        self.controller.into(),
                        self.form.clone(),
                        &self.object,
                        last.as_ref().map(|(version, placement)| (*version, placement)),
                    ),
                    server_time: self.now,
                }));
            }
            Effect::Remember(memory) => {
                self.memory = Some(memory.clone());
                return Outcome::Done;
            }
            Effect::Rotation(effect) => effect,
            other => unreachable!("{other:?}"),
        };
        Outcome::Rotation(match rotation {
            E::Preflight => O::Done,
            E::Generate { version } => {
                (self.secret, self.maybe_sent) = (Some(*version), false);
                O::Generated { account: AccountRef { id: 0, name: "root".into() }, fingerprint: print(*version) }
            }
            E::Journal(intent) => {
                assert_eq!(self.journal, None, "at most one unresolved intent");
                self.journal = Some(intent.clone());
                O::Done
            }
            E::Store(intent) => {
                // The shell reads first when an earlier answer was lost (`Effect::Store`).
                let in_doubt = core::mem::replace(&mut self.maybe_sent, true);
                if !(in_doubt && has_arrived(&self.object, intent.version, intent.expires_at)) {
                    self.modify(intent);
                }
                O::Done
            }
            E::Set(intent) => {
                assert_eq!(self.secret, Some(intent.version));
                assert!(has_arrived(&self.object, intent.version, intent.expires_at), "never set while unknown");
                self.installed = Some(intent.version);
                O::Done
            }
            E::Compare(intent) => O::Compared(if self.installed == Some(intent.version) {
                Comparison::Same
            } else {
                Comparison::Different
            }),
            E::Prove(_) => O::Proven(ProofKind::Verifier),
            E::Acknowledge { .. } | E::Abandon { .. } => panic!("Active Directory has no such verb: {rotation:?}"),
            E::Resolve { .. } => {
                (self.journal, self.secret) = (None, None);
                O::Done
            }
        })
    }

    fn cycle(&mut self) -> Result<Finish, Crash> {
        let start = self.start();
        let (mut cycle, mut turn) = Cycle::start(start);
        for _ in 0..100 {
            self.notes.append(&mut turn.notes);
            if let Effect::Finish(finish) = turn.effect {
                self.proven_once |= !finish.proven.is_empty();
                return Ok(finish);
            }
            let fault = self.fault.filter(|(at, _)| *at == self.effects).map(|(_, fault)| fault);
            self.effects += 1;
            let store = matches!(turn.effect, Effect::Rotation(rotation::Effect::Store(_)));
            let outcome = match fault {
                Some(Fault::CrashBefore) => {
                    self.secret = None;
                    return Err(Crash);
                }
                Some(Fault::CrashAfter) => {
                    self.carry_out(&turn.effect);
                    self.secret = None;
                    return Err(Crash);
                }
                Some(Fault::RequestLost) if store => {
                    self.maybe_sent = true;
                    Outcome::Rotation(rotation::Outcome::Unknown(lost()))
                }
                Some(Fault::AnswerLost) if store => {
                    self.carry_out(&turn.effect);
                    Outcome::Rotation(rotation::Outcome::Unknown(lost()))
                }
                _ => self.carry_out(&turn.effect),
            };
            turn = cycle.on(outcome, Tick { now: self.now, fresh: self.fresh() });
        }
        panic!("a cycle without an end");
    }

    fn fresh(&mut self) -> VersionId {
        self.drawn += 1;
        VersionId::from_random_bytes([self.drawn; 16])
    }

    fn settle(&mut self) -> Finish {
        self.cycle().ok().expect("no crash")
    }

    /// I1 (rotation.md 4 and 9).
    fn check(&self, when: &str) {
        if self.proven_once {
            let installed = self.installed.expect("proven");
            assert!(self.holds(installed), "{when}: {installed} is installed, the object has {:?}", self.object);
        }
    }
}

/// rotation.md 9: one modify, then local; no pending state, no verb after it.
#[test]
fn rotation_md_9_one_modify_then_local() {
    let mut world = World::new(1);
    let finish = world.settle();
    assert_eq!(finish.reasons, [Reason::FirstRotation, Reason::NoExpiry, Reason::PasswordMissing][..1]);
    assert_eq!((world.modifies, finish.proven.len()), (1, 1));
    assert_eq!(world.object.version, world.installed);
    assert_eq!(finish.expires_at, Some(world.now.plus_days(30)));
    let finish = world.settle();
    assert_eq!((world.modifies, finish.reasons.len(), finish.last_error), (1, 0, None));
    for event in [event::POLICY_AD, event::CONTROLLER_FOUND, event::AD_UPDATED, event::SET_SUCCEEDED] {
        assert!(world.notes.iter().any(|note| note.event == event), "{event}");
    }
}

/// rotation.md 9 and I1: with a history of one entry nothing is lost, whatever breaks, twice in a row; the next
/// cycles put it right.
#[test]
fn rotation_md_9_nothing_is_lost_with_a_history() {
    let effects = {
        let mut world = World::new(1);
        world.settle();
        let before = world.effects;
        world.reset = true;
        world.settle();
        world.effects - before
    };
    let faults = [Fault::CrashBefore, Fault::CrashAfter, Fault::RequestLost, Fault::AnswerLost];
    for has_version in [true, false] {
        for first in 0..effects * 4 {
            for second in 0..effects * 4 {
                let mut world = World::new(1);
                world.object.has_version = has_version;
                world.settle();
                for at in [first, second] {
                    world.reset = true;
                    world.now = world.now.plus_seconds(60);
                    world.fault = Some((world.effects + at / 4, faults[at % 4]));
                    drop(world.cycle());
                    world.check("after a fault");
                }
                world.fault = None;
                for _ in 0..3 {
                    world.now = world.now.plus_seconds(60);
                    world.settle();
                    world.check("in calm");
                }
                let installed = world.installed.expect("settled");
                let current = world.object.encrypted.as_ref().map(|value| value.bytes.clone());
                assert_eq!(current.as_deref(), Some(&installed.as_bytes()[..]), "faults {first}, {second}");
            }
        }
    }
}

/// rotation.md 9: a lost answer is asked after on the same controller; the history is not appended twice.
#[test]
fn rotation_md_9_a_lost_answer_is_settled_by_reading() {
    let mut world = World::new(12);
    world.settle();
    let first = world.installed.unwrap();
    world.reset = true;
    let store = 7; // check-in, inspect, consult, preflight, generate, journal, store
    world.fault = Some((world.effects + store - 1, Fault::AnswerLost));
    let finish = world.settle();
    assert_eq!((finish.proven.len(), world.modifies), (1, 2), "{finish:?}");
    assert_eq!(world.object.history.len(), 1);
    assert!(world.holds(first));
}

/// laps-behaviour.md 4.2: the reasons of Active Directory, and what is none.
#[test]
fn the_reasons_of_active_directory() {
    type Change = fn(&mut World);
    let cases: [(Change, &[Reason]); 9] = [
        (|_| {}, &[]),
        (|world| world.object.expires_at = Some(world.now), &[Reason::Expired]),
        (|world| world.object.expires_at = None, &[Reason::NoExpiry]),
        (|world| world.object.expires_at = Some(world.now.plus_days(31)), &[Reason::ExpirationProtection]),
        (|world| world.object.expires_at = Some(world.now.plus_days(3)), &[]),
        (|world| world.form = Form::Clear, &[Reason::StorageChanged]),
        (|world| world.form = Form::Encrypted { decryptor: "S-1-5-32-544".into() }, &[Reason::DecryptorChanged]),
        (|world| world.object.encrypted = None, &[Reason::PasswordMissing]),
        (|world| world.object.version = Some(VersionId::from_bytes([7; 16])), &[Reason::DirectoryDiffers]),
    ];
    for (index, (change, reasons)) in cases.into_iter().enumerate() {
        let mut world = World::new(1);
        world.settle();
        change(&mut world);
        let start = world.start();
        let (mut cycle, mut turn) = Cycle::start(start);
        while !matches!(turn.effect, Effect::Finish(_) | Effect::Rotation(_)) {
            let outcome = world.carry_out(&turn.effect);
            turn = cycle.on(outcome, Tick { now: world.now, fresh: VersionId::from_bytes([5; 16]) });
        }
        assert_eq!(cycle.reasons(), reasons, "case {index}");
    }
}

/// rotation.md 9, "leaving the cloud": its live set stays until Active Directory has the password, then it is
/// released; and back again. Each change rotates at once, and no side is told what belongs to the other.
#[test]
fn rotation_md_9_from_the_cloud_and_back() {
    let mut world = World::new(1);
    world.has_server = true;
    let (cloud, set) = (VersionId::from_bytes([0xc1; 16]), VersionId::from_bytes([0xc1; 16]));
    (world.in_cloud, world.installed) = (Some(cloud), Some(set));
    world.memory = Some(Memory {
        tenant: TENANT,
        device: DEVICE,
        incarnation: INCARNATION,
        version: cloud,
        account: AccountRef { id: 0, name: "root".into() },
        destination: Destination::Cloud,
        left_in_cloud: None,
        rotated_at: world.now,
        expires_at: world.now.plus_days(30),
        fingerprint: print(cloud),
        watch: laps::drift::Watch::default(),
    });
    world.object.expires_at = Some(world.now.plus_days(3));
    world.object.encrypted = Some(World::value(VersionId::from_bytes([1; 16]), world.now));
    let finish = world.settle();
    assert_eq!(finish.reasons, [Reason::DirectoryChanged]);
    let told: Vec<_> = world.reports.iter().map(|report| (report.unmanaged, report.last_acknowledged)).collect();
    assert_eq!(told, [(None, Some(cloud)), (Some(Unmanaged::ActiveDirectory), Some(cloud))]);

    // Not due; the server's own request to rotate is not met here, and not looped on.
    let finish = world.settle();
    assert_eq!((finish.reasons.len(), world.reports.len()), (0, 3));
    assert_eq!(world.reports[2].unmanaged, Some(Unmanaged::ActiveDirectory));

    // A server that cannot be told does not stop the backup, and is a failure of the cycle.
    (world.server_lost, world.reset) = (true, true);
    let finish = world.settle();
    assert_eq!((finish.proven.len(), finish.last_error.unwrap().code.as_str()), (1, "unreachable"));
    (world.server_lost, world.plan) = (false, plan(Target::Cloud));

    let start = world.start();
    let (mut cycle, mut turn) = Cycle::start(start);
    while !matches!(turn.effect, Effect::Finish(_) | Effect::Rotation(rotation::Effect::Store(_))) {
        let outcome = world.carry_out(&turn.effect);
        turn = cycle.on(outcome, Tick { now: world.now, fresh: VersionId::from_bytes([0xc2; 16]) });
    }
    assert_eq!(cycle.reasons(), [Reason::DirectoryChanged, Reason::DirectoryRequest]);
    let Effect::Rotation(rotation::Effect::Store(intent)) = turn.effect else { panic!("{:?}", turn.effect) };
    assert_eq!(intent.destination, Destination::Cloud);
}

/// laps-behaviour.md 2.4, rules 3, 4 and 9: nothing falls back.
#[test]
fn a_principal_that_cannot_be_used_stops_the_backup() {
    let mut world = World::new(0);
    let failure = Failure::new(event::PRINCIPAL_ISOLATED, "principal_isolated", "LAPSAdmins");
    world.plan = plan(Target::ActiveDirectory(Wanted { form: Err(failure.clone()), ..wanted(0) }));
    let finish = world.settle();
    assert_eq!((finish.last_error, world.modifies), (Some(failure), 0));
    assert!(!finish.offline);
}

/// rotation.md 9: another controller is not written to before it has what the last one took.
#[test]
fn rotation_md_9_another_controller_waits() {
    let mut world = World::new(1);
    world.settle();
    world.controller = "dc2.corp.example";
    let replicated = core::mem::take(&mut world.object);
    world.object.has_version = true;
    world.now = world.now.plus_seconds(600);
    let finish = world.settle();
    assert_eq!((finish.last_error.unwrap().code.as_str(), world.modifies), ("replication_pending", 1));
    world.object = replicated;
    let finish = world.settle();
    assert_eq!((finish.last_error, world.modifies), (None, 1), "not due, and the other one has it now");
    world.object = Object { has_version: true, ..Object::default() };
    world.now = world.now.plus_seconds(4 * 3600);
    let finish = world.settle();
    assert_eq!(finish.proven.len(), 1, "the first controller is lost for good: the machine rotates to the other");
}

/// docs/design/rotation.md 11: what was never set does not go into the history.
#[test]
fn only_what_is_installed_is_appended() {
    let mut world = World::new(1);
    world.settle();
    let memory = world.memory.clone().unwrap();
    let Destination::ActiveDirectory(Placement { replaces, .. }) = &memory.destination else { panic!() };
    assert_eq!(*replaces, Replaces::Any);
    world.reset = true;
    world.settle();
    let Some(Destination::ActiveDirectory(Placement { replaces, .. })) = world.memory.map(|memory| memory.destination)
    else {
        panic!()
    };
    assert!(matches!(replaces, Replaces::Installed { version, .. } if version == memory.version));
    assert_eq!(guid_bytes(memory.version).len(), 16);
}

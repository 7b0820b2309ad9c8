//! Every order of events, within small bounds: the agent's real `Rotation` and the verbs of rotation.md 3 as one
//! finite model, which `stateright` walks through whole. Three rotations, two crashes (one of them a power cut),
//! messages that are lost, repeated and late; rotation.md's own model, kept as a test.

use laps::{
    id::{DeviceId, TenantId, VersionId},
    rotation::{
        AccountRef, Comparison, Destination, Effect, Failure, Fingerprint, Finish, Next, Outcome, ProofKind, Rotation,
    },
    time::Timestamp,
};
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};

/// Rotations that begin.
const ROTATIONS: usize = 3;

/// The bounds of a walk.
#[derive(Clone, Copy)]
struct Bounds {
    crashes: u8,
    repeats: u8,
    /// Whether a store is acknowledged only when it is there; without is a broken protocol, which must be found.
    durable: bool,
}

/// A version's state on the server, by its number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Held {
    Unknown,
    Pending,
    Current,
    Superseded,
    Abandoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Message {
    Store(u8),
    Prove(u8),
    Abandon(u8),
}

/// The agent's process: what a crash takes along.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Process {
    Idle,
    /// It carries this out next.
    Doing(Rotation, Effect),
    /// It has sent this effect's request and waits.
    Waiting(Rotation, Effect),
    /// It is dead.
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    process: Process,
    secret: Option<u8>,
    journal: Option<u8>,
    /// The version that the account database holds, and the one that a power cut may bring back.
    installed: u8,
    loose: Option<u8>,
    server: [Held; ROTATIONS + 1],
    /// The order of the stores.
    sequence: [u8; ROTATIONS + 1],
    messages: Vec<Message>,
    /// An answer on its way: the message, and whether it is yes.
    answer: Option<(Message, bool)>,
    begun: u8,
    crashes: u8,
    repeats: u8,
}

/// `Rotation` has no `Hash`; its text tells two apart as well.
impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{:?}", self.process).hash(state);
        (self.secret, self.journal, self.installed, self.loose).hash(state);
        (self.server, self.sequence, &self.messages, self.answer).hash(state);
        (self.begun, self.crashes, self.repeats).hash(state);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Begin,
    /// The agent carries its effect out.
    Act,
    /// The server takes a message; kept, it comes again.
    Deliver(usize, bool),
    /// A message is lost.
    Lose(usize),
    /// The answer arrives.
    Answer,
    /// The answer is lost, as it is when the server dies after its commit.
    LoseAnswer,
    /// The agent waits no longer.
    TimeOut,
    /// The process dies; with `cut` the power goes, and what was not synced with it.
    Crash {
        cut: bool,
    },
    Restart,
}

fn version(number: u8) -> VersionId {
    VersionId::from_bytes([number; 16])
}
fn number(version: VersionId) -> u8 {
    version.as_bytes()[0]
}
fn no() -> Failure {
    Failure::new(1, "no", "no")
}

struct Protocol(Bounds);

impl Protocol {
    fn finished(state: &mut State, finish: &Finish) {
        state.process = Process::Idle;
        if matches!(finish, Finish::NotProven { .. } | Finish::Unresolved { .. }) {
            // The next cycle resolves it: here the process is started anew, without its secret.
            state.process = Process::Dead;
        }
        state.secret = None;
    }

    fn outcome(state: &mut State, mut rotation: Rotation, outcome: Outcome) {
        match rotation.on(outcome) {
            Next::Do(effect) => state.process = Process::Doing(rotation, effect),
            Next::Finished(finish) => Self::finished(state, &finish),
        }
    }

    /// Carries a local effect out, or sends the request of another.
    fn act(&self, state: &mut State, rotation: Rotation, effect: Effect) {
        let sent = match &effect {
            Effect::Store(intent) => Some(Message::Store(number(intent.version))),
            Effect::Acknowledge { version, .. } => Some(Message::Prove(number(*version))),
            Effect::Abandon { version, .. } => Some(Message::Abandon(number(*version))),
            _ => None,
        };
        if let Some(message) = sent {
            if !state.messages.contains(&message) {
                state.messages.push(message);
                state.messages.sort_unstable();
            }
            state.answer = None;
            state.process = Process::Waiting(rotation.clone(), effect);
            if !self.0.durable && matches!(message, Message::Store(_)) {
                Self::outcome(state, rotation, Outcome::Done);
            }
            return;
        }
        let outcome = match effect {
            Effect::Preflight => Outcome::Done,
            Effect::Generate { version } => {
                state.secret = Some(number(version));
                let fingerprint = Fingerprint::from_bytes(*version.as_bytes());
                Outcome::Generated { account: AccountRef { id: 0, name: "root".into() }, fingerprint }
            }
            Effect::Journal(intent) => {
                state.journal = Some(number(intent.version));
                Outcome::Done
            }
            // Two acts: the rename, then the sync. Between them the power may go.
            Effect::Set(ref intent) if state.loose.is_none() => {
                state.loose = Some(state.installed);
                state.installed = number(intent.version);
                state.process = Process::Doing(rotation, effect);
                return;
            }
            Effect::Set(_) => {
                state.loose = None;
                Outcome::Done
            }
            // The agent makes durable what it finds before it says so.
            Effect::Compare(intent) => {
                state.loose = None;
                let same = state.installed == number(intent.version);
                Outcome::Compared(if same { Comparison::Same } else { Comparison::Different })
            }
            Effect::Prove(_) => Outcome::Proven(ProofKind::Verifier),
            _ => {
                state.journal = None;
                Outcome::Done
            }
        };
        Self::outcome(state, rotation, outcome);
    }

    /// The verbs of rotation.md 3.
    fn verb(state: &mut State, message: Message) -> bool {
        match message {
            Message::Store(v) => {
                if state.server[usize::from(v)] == Held::Unknown {
                    state.server[usize::from(v)] = Held::Pending;
                    state.sequence[usize::from(v)] = state.sequence.iter().max().map_or(1, |last| last + 1);
                }
                true
            }
            Message::Prove(v) => match state.server[usize::from(v)] {
                Held::Pending => {
                    for other in 0..=ROTATIONS {
                        let older = state.sequence[other] < state.sequence[usize::from(v)];
                        match state.server[other] {
                            Held::Current => state.server[other] = Held::Superseded,
                            Held::Pending if older => state.server[other] = Held::Superseded,
                            _ => {}
                        }
                    }
                    state.server[usize::from(v)] = Held::Current;
                    true
                }
                Held::Current | Held::Superseded => true,
                Held::Unknown | Held::Abandoned => false,
            },
            Message::Abandon(v) => {
                if state.server[usize::from(v)] == Held::Pending {
                    state.server[usize::from(v)] = Held::Abandoned;
                }
                true
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            process: Process::Idle,
            secret: None,
            journal: None,
            installed: 0,
            loose: None,
            server: [Held::Unknown; ROTATIONS + 1],
            sequence: [0; ROTATIONS + 1],
            messages: Vec::new(),
            answer: None,
            begun: 0,
            crashes: self.0.crashes,
            repeats: self.0.repeats,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        match &state.process {
            Process::Idle if usize::from(state.begun) < ROTATIONS => actions.push(Action::Begin),
            Process::Idle => {}
            Process::Doing(..) => actions.push(Action::Act),
            Process::Waiting(..) => actions.push(Action::TimeOut),
            Process::Dead => actions.push(Action::Restart),
        }
        if state.crashes > 0 && state.process != Process::Dead {
            actions.push(Action::Crash { cut: false });
            if state.loose.is_some() {
                actions.push(Action::Crash { cut: true });
            }
        }
        for index in 0..state.messages.len() {
            actions.extend([Action::Deliver(index, false), Action::Lose(index)]);
            if state.repeats > 0 {
                actions.push(Action::Deliver(index, true));
            }
        }
        if state.answer.is_some() {
            actions.extend([Action::Answer, Action::LoseAnswer]);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Begin => {
                state.begun += 1;
                let (tenant, device) = (TenantId::from_bytes([0; 16]), DeviceId::from_bytes([0; 16]));
                let (rotation, effect) =
                    Rotation::start(tenant, device, version(state.begun), Timestamp::MIN, Destination::Cloud);
                state.process = Process::Doing(rotation, effect);
            }
            Action::Act => {
                let Process::Doing(rotation, effect) = state.process.clone() else { return None };
                self.act(&mut state, rotation, effect);
            }
            Action::Deliver(index, again) => {
                let message = if again {
                    state.repeats -= 1;
                    state.messages[index]
                } else {
                    state.messages.remove(index)
                };
                let yes = Self::verb(&mut state, message);
                if let Process::Waiting(_, effect) = &state.process {
                    let awaited = match (effect, message) {
                        (Effect::Store(intent), Message::Store(v)) => number(intent.version) == v,
                        (Effect::Acknowledge { version, .. }, Message::Prove(v))
                        | (Effect::Abandon { version, .. }, Message::Abandon(v)) => number(*version) == v,
                        _ => false,
                    };
                    if awaited {
                        state.answer = Some((message, yes));
                    }
                }
            }
            Action::Lose(index) => {
                state.messages.remove(index);
            }
            Action::Answer => {
                let (_, yes) = state.answer.take()?;
                let Process::Waiting(rotation, _) = state.process.clone() else { return None };
                Self::outcome(&mut state, rotation, if yes { Outcome::Done } else { Outcome::Refused(no()) });
            }
            Action::LoseAnswer => state.answer = None,
            Action::TimeOut => {
                let Process::Waiting(rotation, _) = state.process.clone() else { return None };
                state.answer = None;
                Self::outcome(&mut state, rotation, Outcome::Unknown(no()));
            }
            Action::Crash { cut } => {
                state.crashes -= 1;
                state.process = Process::Dead;
                state.secret = None;
                state.answer = None;
                if cut {
                    state.installed = state.loose.take()?;
                }
            }
            Action::Restart => {
                state.process = Process::Idle;
                if let Some(left) = state.journal {
                    let intent = laps::rotation::Intent {
                        tenant: TenantId::from_bytes([0; 16]),
                        device: DeviceId::from_bytes([0; 16]),
                        version: version(left),
                        account: AccountRef { id: 0, name: "root".into() },
                        fingerprint: Fingerprint::from_bytes([left; 16]),
                        expires_at: Timestamp::MIN,
                        destination: Destination::Cloud,
                    };
                    let (rotation, effect) = Rotation::resume(intent, false);
                    state.process = Process::Doing(rotation, effect);
                }
            }
        }
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("I1: the directory would return what is installed", |_, state: &State| {
                state.installed == 0 && !state.server.contains(&Held::Current)
                    || state.installed > 0 && state.server[usize::from(state.installed)] != Held::Unknown
            }),
            Property::always("what is installed is never abandoned", |_, state: &State| {
                state.server[usize::from(state.installed)] != Held::Abandoned
            }),
            Property::always("at most one version is current", |_, state: &State| {
                state.server.iter().filter(|held| **held == Held::Current).count() <= 1
            }),
            Property::always("an agent at rest has proven what is installed", |_, state: &State| {
                state.process != Process::Idle
                    || state.installed == 0
                    || state.server[usize::from(state.installed)] == Held::Current
            }),
            Property::sometimes("three rotations are proven", |_, state: &State| {
                state.process == Process::Idle && usize::from(state.installed) == ROTATIONS
            }),
            Property::sometimes("a version is abandoned", |_, state: &State| state.server.contains(&Held::Abandoned)),
        ]
    }
}

/// rotation.md 2 to 4: the order of the steps holds in every interleaving within the bounds.
#[test]
fn no_order_of_events_loses_a_password() {
    let bounds = Bounds { crashes: 2, repeats: 1, durable: true };
    let checker = Protocol(bounds).checker().threads(2).spawn_bfs().join();
    println!("{} states", checker.unique_state_count());
    checker.assert_properties();
}

/// The walk sees what it is for: without step 4's wait a crash loses a password.
#[test]
fn a_store_that_is_not_waited_for_is_found() {
    let bounds = Bounds { crashes: 0, repeats: 0, durable: false };
    let checker = Protocol(bounds).checker().spawn_bfs().join();
    assert!(checker.discovery("I1: the directory would return what is installed").is_some());
}

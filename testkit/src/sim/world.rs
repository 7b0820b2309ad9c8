//! A run: machines, network and server under one seed, one event after the other in virtual time.

use super::{
    Options,
    backend::Kind,
    dice::Dice,
    disk::{Broken, Stop},
    fault::{Fault, Network},
    machine::{Damage, Machine, Running, Watch},
    message::{Answer, Envelope, Reply, Request},
    oracle::{Loss, Oracle},
    runner::{self, Act, Given},
    server::{SimServer, device_caller},
    tally::Tally,
    trace::{said, word},
};
use client::{Cause, Error, NoAnswer};
use laps::{
    cycle::{Cycle, Effect, Outcome, Start, Tick, Turn},
    decide::Reason,
    id::{DeviceId, VersionId},
    time::Timestamp,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    time::Duration,
};

/// Milliseconds of a day.
pub(super) const DAY: u64 = 24 * HOUR;
/// Milliseconds of an hour.
pub(super) const HOUR: u64 = 3_600_000;
/// How long a device waits for an answer, milliseconds.
const ANSWER_MS_MAX: u64 = 30_000;

/// What happens at a time.
#[derive(Debug)]
pub(super) enum Event {
    /// A machine's agent runs a cycle: it starts first if it does not run.
    Wake { machine: usize, wake: u64 },
    /// The agent carries out what its cycle asks for.
    Step { machine: usize, life: u64 },
    /// A request reaches the server.
    Arrives(Box<Envelope>),
    /// An answer reaches a device.
    Answers(Box<Reply>),
    /// A device waits no longer.
    TimesOut { machine: usize, life: u64, number: u64 },
    /// The server starts again.
    ServerStarts,
    /// The server's background work.
    Jobs,
    /// A person reads a password.
    Reads,
    /// Something goes wrong.
    Fails,
    /// What went wrong is put right.
    Ends(Fault, usize),
}

/// A run.
pub(super) struct World {
    pub(super) options: Options,
    /// Milliseconds since the start.
    pub(super) now_ms: u64,
    pub(super) dice: Dice,
    pub(super) server: SimServer,
    pub(super) machines: Vec<Machine>,
    pub(super) network: Network,
    pub(super) oracle: Oracle,
    pub(super) tally: Tally,
    pub(super) loss: Option<Loss>,
    pub(super) trace: Vec<String>,
    /// No more faults; the run comes to its end.
    pub(super) calm: bool,
    pub(super) last_jobs: Option<u64>,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event>,
    numbers: u64,
}

impl World {
    pub(super) fn new(options: Options) -> Self {
        let mut dice = Dice::new(options.seed);
        let kind = options.kind();
        let server = SimServer::new(kind, &mut dice);
        if let Some(memory) = server.memory() {
            memory.mutate(options.mutation.and_then(super::mutation::Mutation::of_store));
        }
        let mut tally = Tally { runs: 1, ..Tally::default() };
        tally.sqlite_runs = u64::from(kind == Kind::Sqlite);
        Self {
            now_ms: 0,
            server,
            machines: Vec::new(),
            network: Network::default(),
            oracle: Oracle::default(),
            tally,
            loss: None,
            trace: Vec::new(),
            calm: false,
            last_jobs: None,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            numbers: 0,
            dice,
            options,
        }
    }

    /// The time that no clock shows.
    pub(super) fn now(&self) -> Timestamp {
        super::START.plus_ticks(self.now_ms * (laps::time::TICKS_PER_SECOND / 1000))
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn at(&mut self, after_ms: u64, event: Event) {
        let number = self.number();
        self.queue.push(Reverse((self.now_ms + after_ms, number)));
        self.events.insert(number, event);
    }

    pub(super) fn say(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.options.trace {
            let line = text(self);
            let (days, ms) = (self.now_ms / DAY, self.now_ms % DAY);
            let (hours, minutes, seconds) = (ms / HOUR, ms / 60_000 % 60, ms / 1000 % 60);
            self.trace.push(format!("day {days:3} {hours:02}:{minutes:02}:{seconds:02}.{:03}  {line}", ms % 1000));
        }
    }

    pub(super) fn lose(&mut self, loss: Option<Loss>) {
        if let Some(loss) = loss
            && self.loss.is_none()
        {
            self.say(|_| format!("LOST {}: {}", loss.invariant, loss.text));
            self.loss = Some(loss);
        }
    }

    /// Every object that any machine was.
    pub(super) fn objects(&self) -> Vec<DeviceId> {
        let mut all: Vec<DeviceId> = Vec::new();
        for object in self.machines.iter().flat_map(|machine| &machine.objects) {
            if !all.contains(object) {
                all.push(*object);
            }
        }
        all
    }

    /// Wakes a machine's agent after a while; an earlier appointment does not count any more.
    pub(super) fn wake(&mut self, machine: usize, after_ms: u64) {
        let wake = self.number();
        self.machines[machine].wake = wake;
        self.at(after_ms, Event::Wake { machine, wake });
    }

    /// Lets the next event happen. False: there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(Reverse((at, number))) = self.queue.pop() else {
            return false;
        };
        let event = self.events.remove(&number).unwrap();
        self.now_ms = at;
        self.server.tick(self.now());
        self.tally.steps += 1;
        match event {
            Event::Wake { machine, wake } => {
                if self.machines[machine].wake == wake && !self.machines[machine].gone {
                    self.run_cycle(machine);
                }
            }
            Event::Step { machine, life } => self.carry_on(machine, life),
            Event::Arrives(envelope) => self.arrives(*envelope),
            Event::Answers(reply) => self.answered(reply.machine, reply.life, reply.number, reply.answer),
            Event::TimesOut { machine, life, number } => {
                let late = NoAnswer { server: "lapwing".into(), cause: Cause::TimedOut(Duration::from_secs(30)) };
                self.answered(machine, life, number, Err(Error::NoAnswer(late)));
            }
            Event::ServerStarts => {
                if !self.server.is_up() {
                    self.server.start();
                    self.say(|_| "the server starts".into());
                }
            }
            Event::Jobs => self.jobs(),
            Event::Reads => self.reads(),
            Event::Fails => self.fails(),
            Event::Ends(fault, machine) => self.ends(fault, machine),
        }
        let judged = self.oracle.judge(&self.server, &mut self.machines);
        match judged {
            Ok(proofs) => self.tally.rotations += proofs,
            Err(loss) => self.lose(Some(loss)),
        }
        self.loss.is_none()
    }

    /// A cycle begins, in a process that is started if there is none.
    fn run_cycle(&mut self, machine: usize) {
        let life = self.number();
        let one = &mut self.machines[machine];
        if one.process.is_none() {
            let started = one.start(life, &mut self.dice, self.options.mutation);
            self.struck(machine);
            match started {
                Ok(()) => self.say(|w| format!("{} starts", w.machines[machine].name)),
                Err(stop) => {
                    if let Some(stop) = stop {
                        self.stop(machine, stop);
                    }
                    return self.wake(machine, HOUR);
                }
            }
        }
        let due = self.due(machine);
        let one = &mut self.machines[machine];
        // A machine that does not know who it is does not start; a person joins it again.
        let Some(mut identity) = one.state().identity.whole().cloned() else {
            one.process = None;
            let after = self.dice.between(HOUR, 3 * DAY);
            return self.at(after, Event::Ends(Fault::IdentityLost, machine));
        };
        let Some(mut process) = one.process.take() else { return };
        if process.running.is_none() {
            if !one.offline && self.server.renew_if_due(&mut identity) {
                let one = &mut self.machines[machine];
                let Machine { states, active, hazard, .. } = one;
                let written = states[*active].identity.replace(identity.clone(), hazard, true);
                if let Err(Broken::Stopped(stop)) = written {
                    return self.stopped(machine, stop, "renewal");
                }
            }
            let one = &mut self.machines[machine];
            let clock = one.clock(super::START.plus_ticks(self.now_ms * 10_000));
            if let Err(stop) = runner::load_ownership(one, &mut process, clock, self.options.mutation) {
                return self.stopped(machine, stop, "load");
            }
            // A torn journal is kept aside; a torn memory costs one rotation (agent::state).
            let state = one.state();
            if matches!(state.journal.content(), super::disk::Content::Torn) {
                state.journal.force(super::disk::Content::Absent);
            }
            let intent = state.journal.whole().cloned();
            let secret_held = intent
                .as_ref()
                .is_some_and(|intent| process.held.as_ref().is_some_and(|held| held.version == intent.version));
            let start = Start {
                tenant: super::server::TENANT,
                device: identity.certificate.device,
                has_server: true,
                intent,
                secret_held,
                memory: state.memory.whole().cloned(),
                joined_incarnation: identity.incarnation,
                last_error: state.last_error.clone(),
                signed_in: state.signed_in.clone(),
                created: process.ownership.created.iter().map(|made| made.id).collect(),
                reset: core::mem::take(&mut process.reset),
            };
            let (cycle, turn) = Cycle::start(start);
            self.say(|w| format!("{} begins a cycle, due: {due:?}", w.machines[machine].name));
            let watch = Watch { due, excuse: None };
            process.running = Some(Running {
                cycle,
                effect: Effect::Finish(laps::cycle::Finish {
                    proven: vec![],
                    last_error: None,
                    offline: false,
                    unresolved: false,
                    expires_at: None,
                    reasons: vec![],
                }),
                waiting: None,
                selection: None,
                seen: None,
                watch,
            });
            self.machines[machine].process = Some(process);
            self.turn(machine, turn);
        } else {
            self.machines[machine].process = Some(process);
        }
    }

    /// Takes a turn of a cycle: notes are looked through, and the effect comes next.
    fn turn(&mut self, machine: usize, turn: Turn) {
        let Some(process) = &mut self.machines[machine].process else { return };
        let (life, mutation) = (process.life, self.options.mutation);
        let mut losses = Vec::new();
        let mut said = Vec::new();
        for note in &turn.notes {
            let mut text = note.text.clone();
            if let (Some(held), Some(super::mutation::Mutation::PasswordInEvent)) = (&process.held, mutation) {
                text.push_str(held.password.reveal());
            }
            losses.push(self.oracle.judge_text(&text, process.held.as_ref().map(|held| &held.password)));
            said.push(text);
        }
        if let Some(running) = &mut process.running {
            running.effect = turn.effect;
        }
        for text in said {
            self.say(|w| format!("{}: {text}", w.machines[machine].name));
        }
        losses.into_iter().for_each(|loss| self.lose(loss));
        let pause = if self.dice.percent(3) { self.dice.between(1000, 60_000) } else { self.dice.between(1, 40) };
        self.at(pause, Event::Step { machine, life });
    }

    /// The agent carries out one effect.
    fn carry_on(&mut self, machine: usize, life: u64) {
        let now = self.now();
        let one = &mut self.machines[machine];
        let Some(mut process) = one.process.take_if(|process| process.life == life) else { return };
        let Some(mut running) = process.running.take() else {
            one.process = Some(process);
            return;
        };
        if let Effect::Finish(finish) = &running.effect {
            let finish = finish.clone();
            one.process = Some(process);
            return self.finished(machine, &running.watch, &finish, running.cycle.asked_too_late());
        }
        let clock = one.clock(now);
        let mut given = Given { now: clock, dice: &mut self.dice, mutation: self.options.mutation };
        let act = runner::carry_out(one, &mut process, &mut running, &mut given);
        if one.hazard.struck_fault.is_some() {
            running.excuse("disk fault");
        }
        let effect = running.effect.clone();
        process.running = Some(running);
        one.process = Some(process);
        // What the agent did is judged before what happens in the midst of it: a clone has the deeds behind it too.
        self.judge_deeds(machine);
        self.struck(machine);
        match act {
            Err(stop) => self.stopped(machine, stop, &word(&effect)),
            Ok((Act::Answered(outcome), made)) => {
                if let Some(made) = made {
                    self.oracle.made(machine, made);
                }
                if matches!(effect, Effect::Remember(_)) {
                    self.count_repair(machine);
                }
                self.say(|w| format!("{} {}: {}", w.machines[machine].name, word(&effect), said(&outcome)));
                self.outcome(machine, outcome);
            }
            Ok((Act::Sends(request), _)) => self.send(machine, life, request),
        }
    }

    /// The machine stopped within something, and starts again.
    fn stopped(&mut self, machine: usize, stop: Stop, within: &str) {
        self.judge_deeds(machine);
        self.struck(machine);
        self.say(|w| format!("{} stops ({stop:?}) at {within}", w.machines[machine].name));
        self.stop(machine, stop);
        let pause = self.dice.pick(&[2_000, 60_000, HOUR, 8 * HOUR]);
        self.wake(machine, pause);
    }

    fn judge_deeds(&mut self, machine: usize) {
        for deed in core::mem::take(&mut self.machines[machine].accounts.deeds) {
            let loss = self.oracle.judge_deed(&self.server, machine, &self.machines[machine], &deed);
            self.lose(loss);
        }
    }

    /// An effect has its outcome.
    fn outcome(&mut self, machine: usize, outcome: Outcome) {
        let fresh = VersionId::from_random_bytes(self.dice.bytes());
        let one = &mut self.machines[machine];
        let tick = Tick { now: one.clock(super::START.plus_ticks(self.now_ms * 10_000)), fresh };
        let Some(running) = one.process.as_mut().and_then(|process| process.running.as_mut()) else { return };
        let turn = running.cycle.on(outcome, tick);
        self.turn(machine, turn);
    }

    /// A proof is remembered: when it repaired drift, the oracle counts it for the hold (rotation.md 10).
    fn count_repair(&mut self, machine: usize) {
        let (now, server_now) = (self.now(), self.server.now());
        let one = &mut self.machines[machine];
        let running = one.process.as_ref().and_then(|process| process.running.as_ref());
        if running.is_some_and(|running| running.reasons().iter().any(|reason| matches!(reason, Reason::Drift(_)))) {
            let at = super::oracle::deciding(one.clock(now), server_now);
            one.repairs.at.push(at);
        }
    }

    fn finished(&mut self, machine: usize, watch: &Watch, finish: &laps::cycle::Finish, again: bool) {
        self.machines[machine].state().last_error.clone_from(&finish.last_error);
        self.say(|w| {
            let error = finish.last_error.as_ref().map_or("well", |failure| failure.code.as_str());
            format!(
                "{} ends its cycle: {error}, proven {:?}, excuse {:?}",
                w.machines[machine].name, finish.proven, watch.excuse
            )
        });
        self.judge_cycle(machine, watch, finish);
        if finish.last_error.as_ref().is_some_and(|failure| failure.code == "device_unknown") {
            // The server was restored from before the join, or the object is gone: a person joins it again.
            let after = self.dice.between(60_000, 10 * HOUR);
            self.at(after, Event::Ends(Fault::Rejoined, machine));
        }
        let pause = if again {
            1
        } else if finish.unresolved || finish.offline {
            self.dice.pick(&[10 * 60_000, HOUR, 3 * HOUR])
        } else {
            self.pause(machine)
        };
        self.wake(machine, pause);
    }

    /// A request goes out, on a network where anything may happen to it.
    fn send(&mut self, machine: usize, life: u64, request: Request) {
        let number = self.number();
        let one = &mut self.machines[machine];
        let Some(identity) = one.state().identity.whole().cloned() else { return };
        let Some(running) = one.process.as_mut().and_then(|process| process.running.as_mut()) else { return };
        running.waiting = Some(number);
        let lie = self.oracle.judge_word(one, &request);
        let reachable = !one.offline && self.server.is_up();
        self.lose(lie);
        self.say(|w| {
            let how = if reachable { "sends" } else { "cannot send" };
            format!("{} {how} {} ({number})", w.machines[machine].name, request.word())
        });
        if !reachable {
            self.excuse(machine, "server not reachable");
            let cause = Cause::Unreachable("simulation".into());
            let answer = Err(Error::NoAnswer(NoAnswer { server: "lapwing".into(), cause }));
            return self.at(5, Event::Answers(Box::new(Reply { machine, life, number, answer })));
        }
        self.at(ANSWER_MS_MAX, Event::TimesOut { machine, life, number });
        let certificate = identity.certificate;
        let back_ms = self.dice.between(1, 20);
        let envelope = Envelope { machine, life, number, certificate, request, deaf: false, back_ms };
        let there_ms = self.dice.between(1, 20);
        self.deliver(there_ms, envelope);
    }

    /// A request reaches the server, or the place where it was.
    fn arrives(&mut self, envelope: Envelope) {
        let Envelope { machine, life, number, certificate, request, deaf, back_ms } = envelope;
        if !self.server.is_up() {
            return;
        }
        let answer = match &request {
            Request::CheckIn(result) => {
                let wanted = &mut self.machines[machine].wanted;
                if result.is_some() {
                    wanted.reset = false;
                }
                Some(Ok(Answer::CheckedIn(wanted.plan.clone(), wanted.reset)))
            }
            _ => self.server.handle(&device_caller(certificate), &request, &mut self.dice),
        };
        self.say(|w| {
            let text = match &answer {
                Some(Ok(_)) => "taken".to_owned(),
                Some(Err(error)) => error.code().to_owned(),
                None => "the server dies".to_owned(),
            };
            format!("server: {} of {} ({number}): {text}", request.word(), w.machines[machine].name)
        });
        if core::mem::take(&mut self.server.died) {
            self.tally.fault("server dies in a request");
            self.disturb_all("server died");
            let pause = self.dice.pick(&[500, 10_000, 60_000, 2 * HOUR]);
            return self.at(pause, Event::ServerStarts);
        }
        if let Some(answer) = answer
            && !deaf
        {
            self.at(back_ms, Event::Answers(Box::new(Reply { machine, life, number, answer })));
        }
    }

    fn answered(&mut self, machine: usize, life: u64, number: u64, answer: Result<Answer, Error>) {
        let one = &mut self.machines[machine];
        let Some(mut process) = one.process.take_if(|process| process.life == life) else { return };
        let awaited = process.running.as_ref().is_some_and(|running| running.waiting == Some(number));
        let Some(mut running) = process.running.take_if(|_| awaited) else {
            one.process = Some(process);
            return;
        };
        running.waiting = None;
        if let Err(error) = &answer {
            running.excuse(excuse_of(error, core::mem::take(&mut self.server.unresolved_refused)));
        }
        let outcome = match runner::understand(one, &mut process, &running.effect, answer) {
            Ok(outcome) => outcome,
            Err(stop) => return self.stopped(machine, stop, "the policy"),
        };
        if one.hazard.struck_fault.is_some() {
            running.excuse("disk fault");
        }
        if let Outcome::Reported(Ok(view)) = &outcome
            && view.store_refused.is_some()
        {
            running.excuse("store refused");
        }
        let effect = running.effect.clone();
        process.running = Some(running);
        one.process = Some(process);
        self.say(|w| format!("{} {}: {}", w.machines[machine].name, word(&effect), said(&outcome)));
        self.outcome(machine, outcome);
    }

    /// A machine stops.
    pub(super) fn stop(&mut self, machine: usize, stop: Stop) {
        let damage = self.machines[machine].at_stop;
        let lost = self.machines[machine].stop(stop, &mut self.dice);
        match damage {
            Some(Damage::JournalTorn | Damage::JournalLost) => self.tally.fault("journal damaged"),
            Some(Damage::KeyLost) => self.tally.fault("fingerprint key lost"),
            Some(Damage::PolicyTorn) => self.tally.fault("policy file torn"),
            Some(Damage::IdentityLost) => self.tally.fault("identity file lost or torn"),
            None => {}
        }
        if self.dice.percent(50) {
            self.machines[machine].take_snapshot();
        }
        if lost {
            self.tally.fault("unsynced write lost");
            self.say(|w| format!("{} lost what it had not synced", w.machines[machine].name));
        }
    }

    /// What keeps a cycle of a machine from rotating.
    pub(super) fn excuse(&mut self, machine: usize, why: &'static str) {
        let process = self.machines[machine].process.as_mut();
        if let Some(running) = process.and_then(|process| process.running.as_mut()) {
            running.excuse(why);
        }
    }

    pub(super) fn disturb_all(&mut self, why: &'static str) {
        (0..self.machines.len()).for_each(|machine| self.excuse(machine, why));
    }

    /// Counts what came true of what was going to happen to a machine.
    fn struck(&mut self, machine: usize) {
        if core::mem::take(&mut self.machines[machine].hazard.struck_midst)
            && let Some(fault) = self.machines[machine].midst.take()
            && !self.calm
        {
            self.say(|w| format!("-- {fault:?} at {}, in the middle", w.machines[machine].name));
            if self.dice.percent(30) {
                self.machines[machine].hazard.stop = Some((self.dice.between(0, 8) as u32, Stop::Killed));
            }
            self.happens(fault, machine);
        }
        let hazard = &mut self.machines[machine].hazard;
        match hazard.struck_stop.take() {
            Some(Stop::Killed) => self.tally.fault("agent killed"),
            Some(Stop::PowerCut) => self.tally.fault("power cut"),
            None => {}
        }
        match hazard.struck_fault.take() {
            Some(super::disk::Fault::Full) => self.tally.fault("disk full"),
            Some(super::disk::Fault::Failed) => self.tally.fault("disk failed"),
            None => {}
        }
    }
}

/// Why a refusal excuses a device from rotating now.
fn excuse_of(error: &Error, unresolved: bool) -> &'static str {
    match error {
        _ if unresolved => "too many unresolved",
        Error::NoAnswer(_) => "no answer",
        Error::Refused(_) => "refused",
        Error::Malformed(_) => "malformed",
    }
}

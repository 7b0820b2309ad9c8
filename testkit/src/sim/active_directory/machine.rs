//! The machine of a run: the product's cycle, and a shell that does what `agent::domain` does.

use super::{
    Broken, Run,
    controllers::{Controllers, Refused},
};
use laps::{
    account::{AccountFacts, Selection},
    active_directory::{
        Answer, Form, Former, Placement, Replaces, Update, VersionChange, Wanted, WantedForm, has_arrived, update,
    },
    cycle::{CheckedIn, Consulted, Cycle, Effect, Outcome, Start, Tick},
    decide::{Manage, Memory, Plan, Target},
    event,
    id::{DeviceId, Incarnation, TenantId, VersionId},
    rotation::{self, AccountRef, Comparison, Failure, Fingerprint, Intent, ProofKind},
    time::Timestamp,
};

const DEVICE: DeviceId = DeviceId::from_random_bytes([9; 16]);

/// What the machine has: on its disk, and in the process that runs.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) installed: Option<VersionId>,
    journal: Option<Intent>,
    memory: Option<Memory>,
    /// The process holds the password of this version.
    secret: Option<VersionId>,
    maybe_sent: bool,
    pub(super) reset: bool,
    /// The memory was lost since the last proof: which version is installed the machine does not know.
    pub(super) forgetful: bool,
    /// The controller that acknowledged what is installed.
    pub(super) acknowledged_by: usize,
    /// The controller that took the last modify that was acknowledged.
    pub(super) written: usize,
    /// Modifies that are still on their way to a controller.
    late: Vec<(usize, Update, Timestamp)>,
}

/// The agent died.
struct Crash;

fn print(version: VersionId) -> Fingerprint {
    Fingerprint::from_bytes(*version.as_bytes())
}

fn root() -> AccountRef {
    AccountRef { id: 0, name: "root".into() }
}

fn lost() -> Failure {
    Failure::new(event::AD_QUERY_FAILED, "no_answer", "in the simulation")
}

impl Run {
    /// What was held up arrives now, unless its connection is gone. Not covered: a controller that carries out a
    /// modify although its sender has hung up and another controller has taken a later one since.
    pub(super) fn deliver_late(&mut self) {
        for (controller, update, written_at) in core::mem::take(&mut self.machine.late) {
            if self.machine.written == controller && self.dice.percent(70) {
                self.counts.late += 1;
                if self.controllers.modify(controller, &update, written_at) == Err(Refused::ChangedMeanwhile) {
                    self.counts.refused += 1;
                }
            }
        }
    }

    /// One cycle, which the agent may not survive.
    ///
    /// # Errors
    /// What was lost.
    pub(super) fn cycle(&mut self) -> Result<(), String> {
        let machine = &mut self.machine;
        let start = Start {
            tenant: TenantId::from_random_bytes([8; 16]),
            device: DEVICE,
            has_server: false,
            secret_held: machine.journal.as_ref().is_some_and(|intent| Some(intent.version) == machine.secret),
            intent: machine.journal.clone(),
            memory: machine.memory.clone(),
            joined_incarnation: Incarnation::from_random_bytes([7; 16]),
            last_error: None,
            reset: core::mem::take(&mut machine.reset),
            signed_in: None,
            created: Vec::new(),
        };
        let (mut cycle, mut turn) = Cycle::start(start);
        loop {
            if turn.notes.iter().any(|note| note.text.contains("replication_pending")) {
                self.counts.waits += 1;
            }
            if let Effect::Finish(finish) = turn.effect {
                self.counts.rotations += finish.proven.len() as u64;
                return Ok(());
            }
            let outcome = match self.survive(&turn.effect) {
                Ok(outcome) => outcome,
                Err(Crash) => {
                    self.counts.crashes += 1;
                    self.machine.secret = None;
                    // A memory that is lost with the crash: the machine does not know what is installed.
                    if self.dice.percent(3) {
                        self.machine.memory = None;
                        self.machine.forgetful = true;
                        self.counts.lost_memories += 1;
                    }
                    return self.check("after a crash");
                }
            };
            self.check("in a cycle")?;
            turn = cycle.on(outcome, Tick { now: self.now, fresh: VersionId::from_random_bytes(self.dice.bytes()) });
        }
    }

    fn survive(&mut self, effect: &Effect) -> Result<Outcome, Crash> {
        self.dies()?;
        let outcome = self.carry_out(effect);
        self.dies()?;
        Ok(outcome)
    }

    fn dies(&mut self) -> Result<(), Crash> {
        if !self.calm && self.dice.percent(1) { Err(Crash) } else { Ok(()) }
    }

    fn reaches(&mut self, controller: usize) -> bool {
        self.controllers.alive().contains(&controller) && (self.calm || self.dice.percent(85))
    }

    fn carry_out(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::CheckIn { .. } => Outcome::CheckedIn(CheckedIn { plan: self.plan(), reset: false, failure: None }),
            Effect::Inspect(_) => Outcome::Inspected(Ok(AccountFacts {
                account: root(),
                enabled: true,
                expired: false,
                no_login_shell: false,
                administrator: true,
                installed: self.machine.installed.map(print),
            })),
            Effect::Trace(_) => Outcome::Traced(None),
            Effect::Consult { last, .. } => Outcome::Consulted(self.consult(last.as_ref())),
            Effect::Remember(memory) => {
                self.machine.memory = Some(memory.clone());
                Outcome::Done
            }
            Effect::Rotation(effect) => Outcome::Rotation(self.rotation(effect)),
            other => panic!("{other:?} of a machine that has joined a domain alone"),
        }
    }

    fn plan(&self) -> Plan {
        Plan::Manage(Manage {
            target: Target::ActiveDirectory(Wanted {
                form: Ok(WantedForm::Encrypted { principal: None }),
                history_max: self.history_max,
                protects_expiration: true,
            }),
            selection: Selection::BuiltIn,
            age_days: 30,
        })
    }

    fn consult(&mut self, last: Option<&(VersionId, Placement)>) -> Result<Consulted, Failure> {
        let preferred = last.map_or(0, |(_, placement)| Controllers::number(&placement.controller));
        let order = if self.broken == Some(Broken::AnotherController) && self.dice.percent(50) {
            [1 - preferred, preferred]
        } else {
            [preferred, 1 - preferred]
        };
        let controller = order.into_iter().find(|controller| self.reaches(*controller));
        let found = controller.and_then(|controller| Some((controller, self.controllers.object(controller)?)));
        let (controller, object) =
            found.ok_or_else(|| Failure::new(event::NO_CONTROLLER, "no_controller", "in the simulation"))?;
        let form = Form::Encrypted { decryptor: "S-1-5-21-1-2-3-512".into() };
        let last = last.map(|(version, placement)| (*version, placement));
        let mut answer = Answer::of(Controllers::name(controller).into(), form, &object, last);
        answer.holds_last |= self.broken == Some(Broken::AnotherController);
        Ok(Consulted { answer, server_time: self.now })
    }

    fn rotation(&mut self, effect: &rotation::Effect) -> rotation::Outcome {
        use rotation::{Effect as E, Outcome as O};
        match effect {
            E::Preflight => O::Done,
            E::Generate { version } => {
                (self.machine.secret, self.machine.maybe_sent) = (Some(*version), false);
                O::Generated { account: root(), fingerprint: print(*version) }
            }
            E::Journal(intent) => {
                self.machine.journal = Some(intent.clone());
                O::Done
            }
            E::Store(intent) => self.store(intent),
            E::Set(intent) => {
                if !self.calm && self.dice.percent(3) {
                    return O::Refused(Failure::new(event::SET_FAILED, "set_failed", "in the simulation"));
                }
                self.machine.installed = Some(intent.version);
                let placement = intent.destination.placement().expect("Active Directory");
                self.machine.acknowledged_by = Controllers::number(&placement.controller);
                O::Done
            }
            E::Compare(intent) => O::Compared(if self.machine.installed == Some(intent.version) {
                Comparison::Same
            } else {
                Comparison::Different
            }),
            E::Prove(_) if !self.calm && self.dice.percent(3) => {
                O::Refused(Failure::new(event::SET_NOT_PROVEN, "not_proven", "in the simulation"))
            }
            E::Prove(_) => {
                (self.open, self.machine.forgetful) = (false, false);
                O::Proven(ProofKind::Verifier)
            }
            E::Acknowledge { .. } | E::Abandon { .. } => panic!("Active Directory has no such verb: {effect:?}"),
            E::Resolve { .. } => {
                (self.machine.journal, self.machine.secret) = (None, None);
                O::Done
            }
        }
    }

    /// As `agent::domain::ActiveDirectory` does it: the controller of the intent, read afresh, one modify.
    fn store(&mut self, intent: &Intent) -> rotation::Outcome {
        use rotation::Outcome as O;
        let placement = intent.destination.placement().expect("Active Directory");
        let controller = Controllers::number(&placement.controller);
        let in_doubt = core::mem::replace(&mut self.machine.maybe_sent, true);
        if !self.reaches(controller) {
            self.machine.maybe_sent = in_doubt;
            return if in_doubt { O::Unknown(lost()) } else { O::Refused(lost()) };
        }
        let Some(object) = self.controllers.object(controller) else { return O::Unknown(lost()) };
        if in_doubt && has_arrived(&object, intent.version, intent.expires_at) {
            self.machine.written = controller;
            return O::Done;
        }
        let placement = match self.broken {
            Some(Broken::NeverSetAppended) => Placement { replaces: Replaces::Any, ..placement.clone() },
            _ => placement.clone(),
        };
        let history_max = if self.broken == Some(Broken::NoHistory) { 0 } else { self.history_max };
        let value = Controllers::value(intent.version);
        let mut update = update(&object, &placement, intent.version, intent.expires_at, value, history_max, false);
        if let (Some(Broken::Unconditional), Some(VersionChange { from, .. })) = (self.broken, &mut update.version) {
            *from = Former::Unreadable;
        }
        let careless = self.broken == Some(Broken::SetWhileUnknown);
        let unknown = |failure| if careless { O::Done } else { O::Unknown(failure) };
        let fate = if self.calm { 100 } else { self.dice.below(100) };
        match fate {
            // It does not arrive.
            0..8 => {
                self.counts.lost_answers += 1;
                unknown(lost())
            }
            // It arrives when nobody waits for it any more. Without versions nothing guards against that.
            8..14 if self.controllers.has_version => {
                self.machine.late.push((controller, update, placement.written_at));
                unknown(lost())
            }
            fate => match self.controllers.modify(controller, &update, placement.written_at) {
                Ok(()) if fate < 30 => {
                    self.counts.lost_answers += 1;
                    unknown(lost())
                }
                Ok(()) => {
                    self.machine.written = controller;
                    O::Done
                }
                Err(_) if in_doubt => O::Unknown(lost()),
                Err(_) => O::Refused(lost()),
            },
        }
    }
}

//! A model of one machine and one directory, crashed everywhere (rotation.md 2 to 4, 10).
//!
//! It is small and complete: the account database is the version whose verifier it holds, the directory is the
//! table of versions. The oracle is I1.

use laps::{
    account::{AccountFacts, Selection},
    cycle::{CheckedIn, Cycle, Effect, Finish, Note, Outcome, Report, Start, Tick},
    decide::{Manage, Memory, Plan, Reason, Target, View},
    drift::Trace,
    event,
    id::{DeviceId, Incarnation, TenantId, VersionId},
    rotation::{self, AccountRef, Comparison, Failure, Fingerprint, Intent, ProofKind},
    time::Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Pending,
    Current,
    Superseded,
    Abandoned,
}

/// What happens at one effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    CrashBefore,
    CrashAfter,
    /// The request never arrives.
    RequestLost,
    /// It is carried out and the answer is lost.
    AnswerLost,
}
pub(crate) const FAULTS: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::RequestLost, Fault::AnswerLost];

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) drawn: u16,
    // the machine
    pub(crate) installed: Option<VersionId>,
    pub(crate) journal: Option<Intent>,
    pub(crate) memory: Option<Memory>,
    pub(crate) last_error: Option<Failure>,
    pub(crate) secret: Option<VersionId>,
    pub(crate) can_tell: bool,
    pub(crate) proof_fails: bool,
    // the directory
    pub(crate) incarnation: Incarnation,
    pub(crate) versions: BTreeMap<VersionId, (u64, Stored, Intent)>,
    pub(crate) sequence: u64,
    pub(crate) store_refused: Option<String>,
    pub(crate) rotate_requested: bool,
    pub(crate) plan: Plan,
    // the run
    pub(crate) check_ins: usize,
    pub(crate) effects: usize,
    pub(crate) faults: BTreeMap<usize, Fault>,
    pub(crate) looks: usize,
    /// Looks at the account that fail, counted from 1.
    pub(crate) failing_looks: BTreeSet<usize>,
    pub(crate) reports: Vec<Report>,
    pub(crate) notes: Vec<Note>,
    pub(crate) ever_proven: bool,
    pub(crate) reset: bool,
    pub(crate) ask_at: Option<usize>,
}

pub(crate) struct Crash;

pub(crate) const TENANT: TenantId = TenantId::from_random_bytes([8; 16]);
pub(crate) const DEVICE: DeviceId = DeviceId::from_random_bytes([9; 16]);
/// A version that this machine never drew.
pub(crate) const FOREIGN: VersionId = VersionId::from_random_bytes([0xee; 16]);

pub(crate) fn version(n: u16) -> VersionId {
    let [high, low] = n.to_be_bytes();
    let mut bytes = [low; 16];
    bytes[0] = high;
    VersionId::from_random_bytes(bytes)
}

pub(crate) fn fingerprint(version: VersionId) -> Fingerprint {
    Fingerprint::from_bytes(*version.as_bytes())
}

pub(crate) fn lost() -> Failure {
    Failure::new(event::DISCOVERY_FAILED, "unreachable", "no answer")
}

impl World {
    pub(crate) fn new() -> Self {
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
            plan: Plan::Manage(Manage { target: Target::Cloud, selection: Selection::BuiltIn, age_days: 7 }),
            check_ins: 0,
            effects: 0,
            faults: BTreeMap::new(),
            looks: 0,
            failing_looks: BTreeSet::new(),
            reports: Vec::new(),
            notes: Vec::new(),
            ever_proven: false,
            reset: false,
            ask_at: None,
        }
    }

    pub(crate) fn tick(&mut self) -> Tick {
        self.drawn += 1;
        Tick { now: self.now, fresh: version(self.drawn) }
    }

    pub(crate) fn account(&self) -> AccountFacts {
        AccountFacts {
            account: AccountRef { id: 0, name: "root".into() },
            enabled: true,
            expired: false,
            no_login_shell: false,
            administrator: true,
            installed: self.installed.filter(|_| self.can_tell).map(fingerprint),
        }
    }

    /// Another hand sets a password: I1 is held again from the next proof on (rotation.md 4, exception a).
    pub(crate) fn change_by_hand(&mut self) {
        self.installed = Some(FOREIGN);
        self.ever_proven = false;
    }

    /// The texts of the events of one kind, so far.
    pub(crate) fn texts(&self, event: u32) -> Vec<&str> {
        self.notes.iter().filter(|note| note.event == event).map(|note| note.text.as_str()).collect()
    }

    pub(crate) fn current(&self) -> Option<VersionId> {
        self.versions.iter().find(|(_, (_, state, _))| *state == Stored::Current).map(|(version, _)| *version)
    }

    /// I1: from the first proven version on, what is installed is a version that the directory returns.
    pub(crate) fn assert_i1(&self) {
        if self.ever_proven {
            let installed = self.installed.expect("a proven version was installed");
            assert!(self.versions.contains_key(&installed), "I1: {installed} is installed and the directory lacks it");
        }
        assert!(self.versions.values().filter(|(_, state, _)| *state == Stored::Current).count() <= 1);
    }

    pub(crate) fn carry_out(&mut self, effect: &Effect) -> Outcome {
        match effect {
            Effect::CheckIn { .. } => {
                self.check_ins += 1;
                Outcome::CheckedIn(CheckedIn { plan: self.plan.clone(), reset: false, failure: None })
            }
            Effect::Inspect(_) => {
                self.looks += 1;
                Outcome::Inspected(if self.failing_looks.contains(&self.looks) {
                    Err(Failure::new(event::SET_FAILED, "account_db_unreadable", "an error of the disk"))
                } else {
                    Ok(self.account())
                })
            }
            Effect::Trace(_) => Outcome::Traced(Some(Trace::Named("root".into()))),
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
                store_refused: self.store_refused.clone().map(|code| Failure::new(event::BACKUP_FAILED, code, "")),
                server_time: self.now,
                active_directory: None,
            })),
            Effect::Consult { .. } => unreachable!("policy names the cloud directory"),
            Effect::Rotation(effect) => Outcome::Rotation(self.rotate(effect)),
            Effect::Remember(memory) => {
                self.memory = Some(memory.clone());
                Outcome::Done
            }
            Effect::Shape(_) => Outcome::Shaped(Ok(Vec::new())),
            Effect::Remove(_) => unreachable!("the agent made no account here"),
            Effect::Finish(_) => unreachable!("a finish is no effect to carry out"),
        }
    }

    pub(crate) fn rotate(&mut self, effect: &rotation::Effect) -> rotation::Outcome {
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
    pub(crate) fn cycle(&mut self) -> Result<Finish, Crash> {
        let secret_held = self.journal.as_ref().is_some_and(|intent| Some(intent.version) == self.secret);
        let (mut cycle, mut turn) = Cycle::start(Start {
            tenant: TENANT,
            device: DEVICE,
            has_server: true,
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
            self.notes.append(&mut turn.notes);
            if let Effect::Report(report) = &turn.effect {
                self.reports.push(report.clone());
            }
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
    pub(crate) fn settle(&mut self, max: usize) -> Finish {
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

pub(crate) fn unanswered(effect: &Effect) -> Outcome {
    match effect {
        Effect::Report(_) => Outcome::Reported(Err(lost())),
        _ => Outcome::Rotation(rotation::Outcome::Unknown(lost())),
    }
}

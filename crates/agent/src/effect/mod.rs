//! Carries out what `laps::cycle` asks for: one effect at a time, on real accounts and a real directory.
//!
//! The only place that holds a password, and only one: from Generate to Resolve (rotation.md 2).

mod owned;
mod renew;
mod report;
mod rotate;
mod secret;
mod signed_in;

pub use renew::Validity;

use crate::{
    accounts::{AccountFile, FingerprintKey},
    clock::{self, Clock},
    directory::Directory,
    events::EventLog,
    management::{self, Configuration},
    platform::{Account, Durability, ManagedTree},
    sign_in::SignIns,
    sources::{self, InForce},
    state::{Contact, Identity, JournalFound, Ownership, SoftwareKey, StateDir, StateError},
};
use client::Fault;
use laps::{
    account::Selection,
    cycle::{CheckedIn, Cycle, Effect, Finish, Outcome, Start, Tick},
    decide::{Plan, Reason},
    event,
    policy::JoinState,
    rotation::Failure,
    time::{TICKS_PER_SECOND, Timestamp},
};
use proto::device::Next;
use secret::Held;
use signed_in::Standing;
use std::time::Duration;

/// Sees every effect before and after it is carried out. Tests stop the process there.
pub trait Witness {
    /// The effect is about to be carried out.
    fn before(&mut self, _: &Effect) {}
    /// It was carried out.
    fn after(&mut self, _: &Outcome) {}
    /// One file of the account database was replaced, in a change of several.
    fn replaced(&mut self, _: AccountFile) {}
}

/// Looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWitness;
impl Witness for NoWitness {}

/// How a client of the directory is made, again after a renewal.
pub type Connect<D> = Box<dyn Fn(&Identity, &SoftwareKey, Option<Timestamp>) -> Result<D, Fault>>;

/// What a [`Runner`] is made of.
pub struct Parts<D, C, W> {
    /// The state directory, locked by the caller.
    pub state: StateDir,
    /// The tree whose accounts are managed.
    pub tree: ManagedTree,
    /// Whether that tree must be durable.
    pub durability: Durability,
    /// Makes the client.
    pub connect: Connect<D>,
    /// The device's clock.
    pub clock: C,
    /// Takes events.
    pub events: EventLog<C>,
    /// Sees the effects.
    pub witness: W,
}

/// A cycle that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycled {
    /// How it ended.
    pub finish: Finish,
    /// A request came too late for it: run another one now.
    pub again: bool,
}

/// The runner could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The machine never joined.
    #[error("this machine has not joined a server; join it first: lapwing-agent join --server URL --token TOKEN")]
    NotJoined,
    /// What the join stored cannot be used.
    #[error("the stored identity cannot be used: {0}; join again")]
    Identity(#[from] Fault),
}

impl StartError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::State(error) => error.code(),
            Self::NotJoined => "not_joined",
            Self::Identity(_) => "identity_unusable",
        }
    }
}

/// Carries out the effects of cycles.
pub struct Runner<D, C, W = NoWitness> {
    state: StateDir,
    tree: ManagedTree,
    durability: Durability,
    key: FingerprintKey,
    connect: Connect<D>,
    directory: D,
    clock: C,
    events: EventLog<C>,
    witness: W,
    identity: Identity,
    contact: Contact,
    contact_written: Contact,
    configuration: Configuration,
    ownership: Ownership,
    in_force: Option<InForce>,
    selection: Option<Selection>,
    seen: Option<Account>,
    held: Option<Held>,
    next: Option<Next>,
    due_at: Option<Timestamp>,
    identity_changed: bool,
    sign_ins: SignIns,
    standing: Standing,
}

impl<D: Directory, C: Clock + Clone, W: Witness> Runner<D, C, W> {
    /// Loads what is stored; what cannot be read is kept aside, with an event.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn new(mut parts: Parts<D, C, W>) -> Result<Self, StartError> {
        let damaged = parts.state.mend()?;
        for text in &damaged {
            parts.events.write(event::STATE_DAMAGED, text);
        }
        let identity = parts.state.identity()?.ok_or(StartError::NotJoined)?;
        let key = parts.state.device_key(&identity)?;
        let mut contact = parts.state.contact()?;
        let contact_written = contact.clone();
        contact.damaged.extend(damaged);
        let configuration = Configuration::load(&parts.state)?;
        let directory = (parts.connect)(&identity, &key, contact.server_time)?;
        let sign_ins = SignIns::load(&parts.state)?;
        Ok(Self {
            key: parts.state.fingerprint_key()?,
            state: parts.state,
            tree: parts.tree,
            durability: parts.durability,
            connect: parts.connect,
            directory,
            clock: parts.clock,
            events: parts.events,
            witness: parts.witness,
            identity,
            contact_written,
            contact,
            configuration,
            ownership: Ownership::default(),
            in_force: None,
            selection: None,
            seen: None,
            held: None,
            next: None,
            due_at: None,
            identity_changed: false,
            sign_ins,
            standing: Standing::Unknown,
        })
    }

    /// The directory, for the wait channel.
    pub const fn directory(&self) -> &D {
        &self.directory
    }
    /// The state directory.
    pub const fn state(&self) -> &StateDir {
        &self.state
    }
    /// Who the device is.
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }
    /// The log of events.
    pub const fn events(&mut self) -> &mut EventLog<C> {
        &mut self.events
    }
    /// When the server wants to see the device again; `None` before the first answer.
    pub const fn next(&self) -> Option<&Next> {
        self.next.as_ref()
    }
    /// How long until the password falls due, by the device's clock; `None` when none is managed.
    pub fn due_in(&self) -> Option<Duration> {
        let ticks = self.due_at?.ticks_since(self.clock.now());
        Some(Duration::from_secs(ticks / TICKS_PER_SECOND))
    }
    /// The management server asked for a reset that no cycle has answered yet.
    pub fn reset_is_pending(&self) -> bool {
        self.configuration.tree.reset_status().is_pending()
    }

    /// Takes the account tree for this process and removes what a crash left there.
    ///
    /// # Errors
    /// A [`Failure`] that names the owner, or says why the tree cannot be changed.
    pub fn claim(&mut self) -> Result<(), Failure> {
        let owner = format!("lapwing-agent with state directory {}", self.state.path().display());
        self.tree.claim(&owner).map_err(|error| Failure { event: event::AGENT_FAILED, ..error.failure() })
    }

    /// Runs one whole cycle. `reset`: an administrator of the machine asked for a new password. `asked`
    /// tells of requests that came while it ran.
    ///
    /// # Errors
    /// [`StateError`]: the journal cannot be read, so that nothing may be begun.
    pub async fn cycle(
        &mut self,
        reset: bool,
        asked: &mut dyn FnMut() -> Option<Reason>,
    ) -> Result<Cycled, StateError> {
        self.hear_sign_ins();
        self.renew_if_due().await;
        let start = self.start(reset)?;
        let (mut cycle, mut turn) = Cycle::start(start);
        if self.sign_ins.is_lost() {
            cycle.ask(Reason::StateInconsistent);
        }
        loop {
            for note in &turn.notes {
                self.events.write(note.event, &note.text);
            }
            if let Effect::Finish(finish) = turn.effect {
                self.finished(&finish);
                self.sign_ins_after(&finish);
                let again = cycle.asked_too_late() || (self.reset_is_pending() && finish.last_error.is_none());
                return Ok(Cycled { finish, again });
            }
            self.witness.before(&turn.effect);
            let outcome = self.carry_out(turn.effect, cycle.reasons()).await;
            self.witness.after(&outcome);
            while let Some(reason) = asked() {
                cycle.ask(reason);
            }
            turn = cycle.on(outcome, self.tick());
        }
    }

    fn tick(&self) -> Tick {
        // Without randomness the version is all zeroes; `generate` refuses in that case before it is used.
        let fresh = clock::fresh_version().unwrap_or_else(|_| laps::id::VersionId::from_bytes([0; 16]));
        Tick { now: self.clock.now(), fresh }
    }

    fn start(&mut self, reset: bool) -> Result<Start, StateError> {
        let intent = match self.state.journal()? {
            JournalFound::Empty => None,
            JournalFound::Intent(intent) => Some(intent),
            JournalFound::Damaged { text } => {
                self.events.write(event::JOURNAL_DAMAGED, &text);
                self.contact.damaged.push(text);
                None
            }
        };
        let memory = self.state.memory().unwrap_or_else(|error| {
            // It costs one rotation, which writes a new one.
            self.events.failure(&error.failure());
            None
        });
        self.load_ownership()?;
        // Whatever becomes of this process, the directory hears of what could not be read.
        self.write_contact();
        let secret_held =
            intent.as_ref().is_some_and(|intent| self.held.as_ref().is_some_and(|held| held.version == intent.version));
        Ok(Start {
            tenant: self.identity.tenant,
            device: self.identity.device,
            intent,
            secret_held,
            memory,
            joined_incarnation: self.identity.incarnation,
            last_error: self.contact.last_error.as_ref().map(|(failure, _)| failure.clone()),
            reset,
            signed_in: self.sign_in_for_cycle(),
            created: self.ownership.created.iter().map(|made| made.id).collect(),
        })
    }

    async fn carry_out(&mut self, effect: Effect, reasons: &[Reason]) -> Outcome {
        match effect {
            Effect::CheckIn { reset_result } => Outcome::CheckedIn(self.check_in(reset_result).await),
            Effect::Inspect(selection) => {
                self.selection = Some(selection.clone());
                self.inspect(selection)
            }
            Effect::Trace(account) => Outcome::Traced(self.tree.trace(&account)),
            Effect::Shape(wanted) => self.shape(&wanted),
            Effect::Remove(ids) => self.remove(&ids),
            Effect::Report(report) => Outcome::Reported(self.report(report).await),
            Effect::Rotation(effect) => Outcome::Rotation(self.rotation(effect, reasons).await),
            Effect::Remember(memory) => {
                if let Err(error) = self.state.remember(&memory) {
                    self.events.failure(&error.failure());
                }
                Outcome::Done
            }
            // The loop ends there before it comes here.
            Effect::Finish(_) => Outcome::Done,
        }
    }

    async fn check_in(&mut self, reset_result: Option<Result<(), Failure>>) -> CheckedIn {
        let ended = reset_result.map(|result| match result {
            Ok(()) => laps::csp::HResult::OK,
            Err(failure) => management::hresult_of(&failure),
        });
        if let Some(status) = ended
            && let Err(error) = self.configuration.finish_reset(status)
        {
            self.events.failure(&error.failure());
        }
        let clock = self.clock.clone();
        let session =
            management::session(&self.directory, &mut self.configuration, self.identity.device, ended, || clock.now())
                .await;
        let failure = match session {
            Ok(report) => {
                if report.policy_changed {
                    self.events.write(event::POLICY_CHANGED, "the management server changed the policy");
                }
                for refused in &report.refused {
                    let node = refused.node.as_deref().unwrap_or("a command");
                    let text = format!("{node}: {} ({}, status {})", refused.message, refused.code, refused.status);
                    self.events.write(event::CONFIGURATION_REFUSED, &text);
                }
                None
            }
            Err(failure) => Some(failure),
        };
        CheckedIn { plan: self.load_policy(), reset: self.reset_is_pending(), failure }
    }

    /// Reads every source of policy anew.
    fn load_policy(&mut self) -> Plan {
        let in_force = sources::read(&self.state, &self.configuration.tree, JoinState::Entra);
        for problem in &in_force.problems {
            self.events.write(event::CONFIGURATION_REFUSED, &problem.to_string());
        }
        if let Some(given) = in_force.policy.age_days_raised_from() {
            self.events.write(event::AGE_RAISED, &format!("PasswordAgeDays is {given}; 7 is used"));
        }
        let plan = in_force.plan();
        self.standing = match plan {
            Plan::Manage(_) => Standing::Unknown,
            Plan::Unmanaged(_) => Standing::Nobody,
        };
        self.in_force = Some(in_force);
        plan
    }

    fn finished(&mut self, finish: &Finish) {
        let now = self.clock.now();
        // A password that is overdue is not a reason to run at once again: the pace decides then.
        self.due_at = finish.expires_at.filter(|at| *at > now);
        self.contact.last_error = finish.last_error.clone().map(|failure| (failure, now));
        self.write_contact();
    }

    fn write_contact(&mut self) {
        if !self.contact_written.is_outdated_by(&self.contact) {
            return;
        }
        match self.state.write_contact(&self.contact) {
            Ok(()) => self.contact_written = self.contact.clone(),
            Err(error) => self.events.failure(&error.failure()),
        }
    }

    fn saw_server_time(&mut self, time: Timestamp) {
        self.contact.server_time = Some(self.contact.server_time.map_or(time, |known| known.max(time)));
    }
}

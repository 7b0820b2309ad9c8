//! Carries out what `laps::cycle` asks for: one effect at a time, on real accounts and a real directory.
//!
//! The only place that holds a password, and only one: from Generate to Resolve (rotation.md 2).

mod owned;
mod renew;
mod report;
mod rotate;
mod secret;
mod server;
mod signed_in;

pub use renew::Validity;

use crate::{
    accounts::{AccountFile, FingerprintKey},
    clock::{self, Clock},
    directory::Directory,
    domain::Domain,
    events::EventLog,
    management::{self, Configuration},
    platform::{Account, Durability, ManagedTree},
    sign_in::SignIns,
    sources::{self, InForce},
    state::{Contact, Identity, JournalFound, Membership, Ownership, SoftwareKey, StateDir, StateError},
};
use client::Fault;
use laps::{
    account::Selection,
    cycle::{CheckedIn, Cycle, Effect, Finish, Outcome, Start, Tick},
    decide::{Plan, Reason},
    event,
    rotation::Failure,
    time::{TICKS_PER_SECOND, Timestamp},
};
use proto::device::Next;
use secret::Held;
use server::Server;
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
    /// Makes the client of the server that the machine has joined.
    pub connect: Connect<D>,
    /// The domain that the machine has joined.
    pub domain: Option<Box<dyn Domain>>,
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
    #[error(
        "this machine has joined neither a server nor a domain; join it first: \
         lapwing-agent join --server URL --token TOKEN, or lapwing-agent join-domain"
    )]
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
    membership: Membership,
    server: Option<Server<D>>,
    domain: Option<Box<dyn Domain>>,
    clock: C,
    events: EventLog<C>,
    witness: W,
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
        let membership = parts.state.membership()?.ok_or(StartError::NotJoined)?;
        let mut contact = parts.state.contact()?;
        let contact_written = contact.clone();
        contact.damaged.extend(damaged);
        let configuration = Configuration::load(&parts.state)?;
        let server = match parts.state.identity()? {
            Some(identity) => {
                let key = parts.state.device_key(&identity)?;
                let directory = (parts.connect)(&identity, &key, contact.server_time)?;
                Some(Server { identity, connect: parts.connect, directory, changed: false })
            }
            None => None,
        };
        let sign_ins = SignIns::load(&parts.state)?;
        Ok(Self {
            key: parts.state.fingerprint_key()?,
            state: parts.state,
            tree: parts.tree,
            durability: parts.durability,
            membership,
            server,
            domain: parts.domain,
            clock: parts.clock,
            events: parts.events,
            witness: parts.witness,
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
            sign_ins,
            standing: Standing::Unknown,
        })
    }

    /// The server, for the wait channel; `None` when the machine has joined a domain alone.
    pub fn directory(&self) -> Option<&D> {
        self.server.as_ref().map(|server| &server.directory)
    }
    /// The state directory.
    pub const fn state(&self) -> &StateDir {
        &self.state
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
            tenant: self.membership.tenant,
            device: self.membership.device,
            has_server: self.server.is_some(),
            intent,
            secret_held,
            memory,
            joined_incarnation: self.membership.incarnation,
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
            Effect::Consult { wanted, last } => Outcome::Consulted(match &mut self.domain {
                Some(domain) => {
                    domain.consult(&wanted, last.as_ref().map(|(version, placement)| (*version, placement))).await
                }
                None => Err(no_domain()),
            }),
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
        let Some(server) = &self.server else {
            return CheckedIn { plan: self.load_policy(), reset: self.reset_is_pending(), failure: None };
        };
        let session =
            management::session(&server.directory, &mut self.configuration, self.membership.device, ended, || {
                clock.now()
            })
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
        let in_force = sources::read(&self.state, &self.configuration.tree, self.membership.join);
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
        if let Some(domain) = &mut self.domain {
            domain.close();
        }
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

/// Policy names Active Directory, and this process cannot speak to it.
fn no_domain() -> Failure {
    Failure::new(
        event::AD_QUERY_FAILED,
        "ad_not_available",
        "this build of lapwing-agent does not speak to Active Directory; install one with the feature `ad`",
    )
}

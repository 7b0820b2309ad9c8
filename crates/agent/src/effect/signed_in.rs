//! Where the effect runner meets the sign-ins: before, in and after a cycle.

use super::{Runner, Witness};
use crate::{clock::Clock, directory::Directory, sign_in::Machine, sources, state::StateDir};
use laps::{
    cycle::Finish,
    decide::Memory,
    policy::JoinState,
    post_auth::{Managed, Waiting},
    rotation::AccountRef,
    time::Timestamp,
};
use std::time::Duration;

/// Which account the policy of this cycle manages, as far as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Unknown,
    Nobody,
    Managed(AccountRef),
}

impl Standing {
    const fn managed(&self) -> Managed<'_> {
        match self {
            Self::Unknown => Managed::Unknown,
            Self::Nobody => Managed::Nobody,
            Self::Managed(account) => Managed::Account(account),
        }
    }
}

/// A memory that cannot be read is told of by the cycle.
fn memory(state: &StateDir) -> Option<Memory> {
    state.memory().ok().flatten()
}

impl<D: Directory, C: Clock + Clone, W: Witness> Runner<D, C, W> {
    /// Names the machine on which sessions are ended after a sign-in. Without one, none are: the accounts are
    /// those of a tree that is not the running system.
    pub fn ends_sessions_on(&mut self, machine: Box<dyn Machine>) {
        self.sign_ins.on(machine);
    }
    /// The device's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    /// How long until something is due because of a sign-in.
    pub fn sign_ins_due_in(&self) -> Option<Duration> {
        self.sign_ins.due_in(self.clock.now())
    }
    /// A notice of a sign-in with the managed account waits; those of others are forgotten.
    pub fn sign_in_waits(&self) -> bool {
        self.sign_ins.waits(|| memory(&self.state))
    }
    /// Warns, ends sessions and processes, or restarts, when that is due.
    pub fn act_on_sign_ins(&mut self) {
        self.sign_ins.act(self.clock.now(), &mut self.events);
    }

    /// Takes the notices that wait, under the policy in force at this moment.
    pub(super) fn hear_sign_ins(&mut self) {
        let (state, configuration) = (&self.state, &self.configuration);
        let policy = || sources::read(state, &configuration.tree, JoinState::Entra).policy.post_authentication();
        self.sign_ins.hear(memory(state).as_ref(), policy, self.clock.now(), &mut self.events);
    }

    pub(super) fn sign_in_for_cycle(&mut self) -> Option<Waiting> {
        self.standing = Standing::Unknown;
        self.sign_ins.for_cycle(self.clock.now(), &mut self.events)
    }

    pub(super) fn sign_ins_after(&mut self, finish: &Finish) {
        let now = self.clock.now();
        let proven = memory(&self.state);
        let Self { sign_ins, standing, events, .. } = self;
        sign_ins.after_cycle(finish, standing.managed(), proven.as_ref(), now, events);
    }
}

//! A managed machine: its account database, its state directories, the agent's process.

use super::{
    accounts::{Account, Accounts},
    dice::Dice,
    disk::{Broken, Content, File, Hazard, Stop},
    fault::Fault,
    mutation::Mutation,
    server::Identity,
};
use agent::{
    accounts::{FingerprintKey, Verifier},
    platform::Whole,
    state::Ownership,
};
use laps::{
    account::Selection,
    cycle::{Cycle, Effect},
    decide::{Memory, Plan, Reason, Unmanaged},
    id::{DeviceId, VersionId},
    password::Password,
    post_auth::Waiting,
    rotation::{AccountRef, Failure, Fingerprint, Intent},
    time::Timestamp,
};
use std::collections::BTreeSet;

/// The state directory of an agent.
#[derive(Clone)]
pub(super) struct StateDirectory {
    /// Who the machine is; not there before it joined.
    pub(super) identity: File<Identity>,
    /// The fingerprint key.
    pub(super) key: File<[u8; 32]>,
    /// The journal.
    pub(super) journal: File<Intent>,
    /// The memory of the last rotation.
    pub(super) memory: File<Memory>,
    /// The file that preflight tries.
    pub(super) probe: File<()>,
    /// The policy of the last check-in.
    pub(super) policy: File<Plan>,
    /// The accounts that the agent made, and a change that is under way.
    pub(super) ownership: File<Ownership>,
    /// A sign-in whose password is to be changed at a deadline.
    pub(super) signed_in: Option<Waiting>,
    /// The failure that the directory was told of last.
    pub(super) last_error: Option<Failure>,
}

impl StateDirectory {
    fn new() -> Self {
        Self {
            identity: File::new(Content::Absent),
            key: File::new(Content::Absent),
            journal: File::new(Content::Absent),
            memory: File::new(Content::Absent),
            probe: File::new(Content::Absent),
            policy: File::new(Content::Absent),
            ownership: File::new(Content::Absent),
            signed_in: None,
            last_error: None,
        }
    }

    /// What stands in its files, as text.
    pub(super) fn text(&self) -> String {
        format!("{:?} {:?} {:?}", self.journal.content(), self.memory.content(), self.last_error)
    }

    /// What the policy in force asks for.
    pub(super) fn plan(&self) -> Plan {
        self.policy.whole().cloned().unwrap_or(Plan::Unmanaged(Unmanaged::NoPolicy))
    }

    fn cut(&mut self, dice: &mut Dice) -> bool {
        let lost = [
            self.identity.cut(dice),
            self.key.cut(dice),
            self.journal.cut(dice),
            self.memory.cut(dice),
            self.policy.cut(dice),
            self.ownership.cut(dice),
        ];
        self.probe.cut(dice);
        lost.contains(&true)
    }
}

/// The one secret of an agent, from Generate to Resolve, in memory only.
pub(super) struct Held {
    /// The version.
    pub(super) version: VersionId,
    /// Its password.
    pub(super) password: Password,
    /// What [`super::accounts::hash`] made of it.
    pub(super) verifier: Verifier,
    /// The account as it was when the rotation began.
    pub(super) seen: Account,
    /// What it is called and how it is kept after step 5, when policy owns it as a whole.
    pub(super) whole: Option<Whole>,
    /// A `store` of it was sent and may have arrived.
    pub(super) maybe_stored: bool,
    /// It may have been so before the last one was sent.
    pub(super) in_doubt: bool,
}

/// A cycle that runs.
pub(super) struct Running {
    /// The agent's own machine.
    pub(super) cycle: Cycle,
    /// What it asked for last.
    pub(super) effect: Effect,
    /// The number of the request whose answer it waits for.
    pub(super) waiting: Option<u64>,
    /// The account that was asked for.
    pub(super) selection: Option<Selection>,
    /// The account as preflight found it.
    pub(super) seen: Option<Account>,
    /// What the oracle must know of the cycle.
    pub(super) watch: Watch,
}

/// What the oracle must know of a cycle for I4 (rotation.md 4).
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    /// Why the device was due when it began, by the oracle's own account.
    pub(super) due: Vec<&'static str>,
    /// What excuses it from rotating: the first thing that came in the way.
    pub(super) excuse: Option<&'static str>,
}

/// The agent's process.
pub(super) struct Process {
    /// Its number: a message to an earlier one is nobody's.
    pub(super) life: u64,
    /// The fingerprint key as it was read at the start.
    pub(super) key: FingerprintKey,
    /// The one secret.
    pub(super) held: Option<Held>,
    /// The cycle that runs.
    pub(super) running: Option<Running>,
    /// What it keeps of the accounts that it made, as it was read at the start of the cycle.
    pub(super) ownership: Ownership,
    /// A request of the machine's administrator that the next cycle takes.
    pub(super) reset: bool,
}

/// A picture of a machine's disks.
#[derive(Clone)]
pub(super) struct Snapshot {
    /// `/etc`.
    pub(super) accounts: Accounts,
    /// `/var`.
    pub(super) states: Vec<StateDirectory>,
}

/// What policy asks of a machine, as the management server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The plan that goes out at a check-in.
    pub(super) plan: Plan,
    /// `ResetPassword` was sent and not answered.
    pub(super) reset: bool,
}

/// What a stop may damage besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// The journal is torn.
    JournalTorn,
    /// The journal is lost.
    JournalLost,
    /// The fingerprint key is lost.
    KeyLost,
    /// The file of the policy is torn.
    PolicyTorn,
    /// The file that says who the machine is is lost or torn.
    IdentityLost,
}

/// Repairs of drift that were proven, and whether more are held, by the oracle's own account of rotation.md 10.
#[derive(Debug, Clone, Default)]
pub(super) struct Repairs {
    /// When, by the clock that decides.
    pub(super) at: Vec<Timestamp>,
    /// Three in 24 hours were counted, and no quiet day since.
    pub(super) held: bool,
}

impl Repairs {
    /// Whether drift must be repaired at this time; `drift`: there is some; `stands`: the account is enabled and an
    /// administrator, so that there is nothing of that kind to answer either.
    pub(super) fn is_due(&mut self, drift: bool, stands: bool, now: Timestamp) -> bool {
        let recent = |at: &&Timestamp| {
            now.ticks_since(**at).max(at.ticks_since(now)) < laps::time::TICKS_PER_DAY + laps::time::TICKS_PER_HOUR
        };
        let number = self.at.iter().filter(recent).count();
        let quiet = number == 0;
        if !drift {
            self.held &= !(quiet && stands);
            return false;
        }
        self.held |= number >= laps::drift::REPAIRS_PER_DAY as usize;
        quiet || !self.held
    }
}

/// A machine.
pub(super) struct Machine {
    /// Shown in traces.
    pub(super) name: String,
    /// The account database.
    pub(super) accounts: Accounts,
    /// It lies in memory over the one of the disk, which is this, until the machine starts again.
    pub(super) volatile: Option<Accounts>,
    /// The state directories: one, or two when a second agent was installed beside the first.
    pub(super) states: Vec<StateDirectory>,
    /// The state directory of the agent that runs, or runs next.
    pub(super) active: usize,
    /// The agent's process.
    pub(super) process: Option<Process>,
    /// What is going to happen to it.
    pub(super) hazard: Hazard,
    /// What happens when the time of its hazard has come.
    pub(super) midst: Option<Fault>,
    /// What is damaged when it stops next.
    pub(super) at_stop: Option<Damage>,
    /// How far its clock is off, ticks.
    pub(super) clock_offset: i64,
    /// It has no network.
    pub(super) offline: bool,
    /// The account database cannot be written.
    pub(super) read_only: bool,
    /// The machine's own rules refuse so many more candidates.
    pub(super) refuses: u32,
    /// The account database cannot be read so many more times.
    pub(super) unreadable: u32,
    /// Its repairs of drift, as the oracle counts them.
    pub(super) repairs: Repairs,
    /// Uids of accounts that were rolled back since their last proof.
    pub(super) rolled_back: BTreeSet<u32>,
    /// The objects that it was and is, newest last.
    pub(super) objects: Vec<DeviceId>,
    /// Pictures of its disks.
    pub(super) snapshots: Vec<Snapshot>,
    /// What policy asks.
    pub(super) wanted: Wanted,
    /// Which machine it is a copy of.
    pub(super) copy_of: Option<usize>,
    /// It is no more.
    pub(super) gone: bool,
    /// Rotations that were proven.
    pub(super) rotations: u64,
    /// The number of its last wake-up that counts.
    pub(super) wake: u64,
}

impl Machine {
    /// A freshly installed machine.
    pub(super) fn new(name: String, plan: Plan, dice: &mut Dice) -> Self {
        Self {
            name,
            accounts: Accounts::fresh(dice),
            volatile: None,
            repairs: Repairs::default(),
            states: vec![StateDirectory::new()],
            active: 0,
            process: None,
            hazard: Hazard::default(),
            midst: None,
            at_stop: None,
            clock_offset: 0,
            offline: false,
            read_only: false,
            refuses: 0,
            unreadable: 0,
            rolled_back: BTreeSet::new(),
            objects: Vec::new(),
            snapshots: Vec::new(),
            wanted: Wanted { plan, reset: false },
            copy_of: None,
            gone: false,
            rotations: 0,
            wake: 0,
        }
    }

    /// The state directory of the agent that runs.
    pub(super) fn state(&mut self) -> &mut StateDirectory {
        &mut self.states[self.active]
    }

    /// Writes the journal of the agent that runs.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn write_journal(&mut self, intent: Intent, careful: bool) -> Result<(), Broken> {
        self.states[self.active].journal.replace(intent, &mut self.hazard, careful)
    }

    /// Clears it.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn clear_journal(&mut self) -> Result<(), Broken> {
        self.states[self.active].journal.remove(&mut self.hazard)
    }

    /// What its clock shows at this time of the run.
    pub(super) fn clock(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_ticks(now.ticks().saturating_add_signed(self.clock_offset))
    }

    /// The device object of the agent that runs.
    pub(super) fn object(&self) -> Option<DeviceId> {
        self.states[self.active].identity.whole().map(|identity| identity.certificate.device)
    }

    /// A second state directory beside the first.
    pub(super) fn add_state(&mut self) {
        self.states.push(StateDirectory::new());
    }

    /// It stops. Answers whether something that was written is lost.
    pub(super) fn stop(&mut self, stop: Stop, dice: &mut Dice) -> bool {
        self.process = None;
        self.hazard = Hazard::default();
        let state = &mut self.states[self.active];
        match self.at_stop.take() {
            Some(Damage::JournalTorn) => state.journal.force(Content::Torn),
            Some(Damage::JournalLost) => state.journal.force(Content::Absent),
            Some(Damage::KeyLost) => state.key.force(Content::Absent),
            Some(Damage::PolicyTorn) => state.policy.force(Content::Torn),
            Some(Damage::IdentityLost) if dice.percent(50) => state.identity.force(Content::Torn),
            Some(Damage::IdentityLost) => state.identity.force(Content::Absent),
            None => {}
        }
        if stop == Stop::Killed {
            return false;
        }
        if let Some(disk) = &self.volatile {
            self.accounts.restore(disk.clone());
        }
        let accounts = self.accounts.cut(dice);
        let states = self.states.iter_mut().map(|state| state.cut(dice)).collect::<Vec<_>>();
        accounts || states.contains(&true)
    }

    /// The account that a selection means, as the agent that runs would find it.
    pub(super) fn managed(&self, selection: &Selection) -> Option<Account> {
        let state = &self.states[self.active];
        let created = state.ownership.whole().map(|ownership| ownership.created.clone()).unwrap_or_default();
        let managed: Option<&AccountRef> = state.memory.whole().map(|memory| &memory.account);
        self.accounts.find(selection, &created, managed)
    }

    /// A picture of its disks.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { accounts: self.accounts.clone(), states: self.states.clone() }
    }

    /// Takes a picture, and keeps the last few.
    pub(super) fn take_snapshot(&mut self) {
        let snapshot = self.snapshot();
        self.snapshots.push(snapshot);
        if self.snapshots.len() > 4 {
            self.snapshots.remove(0);
        }
    }

    /// The agent starts: it reads its fingerprint key, or makes one, as `agent::state` does.
    ///
    /// # Errors
    /// The machine stopped, or (`None`) the key could not be read or written.
    pub(super) fn start(&mut self, life: u64, dice: &mut Dice, mutation: Option<Mutation>) -> Result<(), Option<Stop>> {
        let fresh = dice.bytes();
        let hazard = &mut self.hazard;
        let state = &mut self.states[self.active];
        // A torn policy is kept aside; the next check-in brings it again.
        if matches!(state.policy.content(), Content::Torn) {
            state.policy.force(Content::Absent);
        }
        let key = match state.key.content() {
            Content::Whole(key) => *key,
            Content::Absent | Content::Torn => {
                let stopped = |broken| match broken {
                    Broken::Stopped(stop) => Some(stop),
                    _ => None,
                };
                // Fingerprints under the old key tell nothing any more.
                if mutation != Some(Mutation::KeyMadeAnew) {
                    state.journal.remove(hazard).map_err(stopped)?;
                    state.memory.remove(hazard).map_err(stopped)?;
                }
                state.key.replace(fresh, hazard, true).map_err(stopped)?;
                fresh
            }
        };
        let key = FingerprintKey::new(key);
        let ownership = Ownership::default();
        self.process = Some(Process { life, key, held: None, running: None, ownership, reset: false });
        Ok(())
    }
}

impl Process {
    /// The fingerprint of an account under this process's key.
    pub(super) fn fingerprint(&self, account: &Account) -> Option<Fingerprint> {
        self.key.fingerprint(&account.account, account.verifier.as_ref()?)
    }
}

impl Running {
    /// Notes what keeps the cycle from rotating; the first reason stays.
    pub(super) fn excuse(&mut self, why: &'static str) {
        self.watch.excuse.get_or_insert(why);
    }

    /// Why the password is being changed.
    pub(super) fn reasons(&self) -> &[Reason] {
        self.cycle.reasons()
    }
}

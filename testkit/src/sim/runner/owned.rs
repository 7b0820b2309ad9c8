//! The account that automatic management owns: made, renamed, kept in shape, deleted, as `agent::effect::owned` and
//! `agent::platform::owned` do it. What is written is planned by the agent's own [`AccountFiles`].

use crate::sim::{
    accounts::{Account, Accounts, Deed},
    dice::Dice,
    disk::{Broken, Content, Fault, File, Hazard, Stop},
    machine::{Held, Machine, Process},
    mutation::Mutation,
};
use agent::{
    accounts::{AccountFiles, ChangeError, Lock, NameChange, NewAccount, Replacement},
    platform::Whole,
    state::Ownership,
};
use laps::{
    account::{self, DESCRIPTION, Difference, NameRule, SUFFIXES, Selection},
    cycle::Removal,
    policy::AutomaticAccount,
    rotation::AccountRef,
};

/// Why a change of an account did not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The machine stopped in it.
    Stopped(Stop),
    /// The account is as it was.
    Refused(&'static str),
    /// It may have happened.
    Unknown(&'static str),
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Stopped(stop) => Self::Stopped(stop),
            Broken::Before(Fault::Full | Fault::Failed) => Self::Refused("write_failed"),
            Broken::After(_) => Self::Unknown("may_be_set"),
        }
    }
}

/// The account database and what the agent keeps of it.
pub(super) struct Place<'a> {
    accounts: &'a mut Accounts,
    hazard: &'a mut Hazard,
    kept: &'a mut File<Ownership>,
    ownership: &'a mut Ownership,
    managed: Option<AccountRef>,
    read_only: bool,
    /// Both syncs are made; without is a mutation.
    careful: bool,
    today: u32,
}

impl<'a> Place<'a> {
    pub(super) fn of(
        machine: &'a mut Machine,
        process: &'a mut Process,
        today: u32,
        mutation: Option<Mutation>,
    ) -> Self {
        let Machine { accounts, states, active, hazard, read_only, .. } = machine;
        let state = &mut states[*active];
        Self {
            accounts,
            hazard,
            managed: state.memory.whole().map(|memory| memory.account.clone()),
            kept: &mut state.ownership,
            ownership: &mut process.ownership,
            read_only: *read_only,
            careful: mutation != Some(Mutation::NothingSynced),
            today,
        }
    }

    fn files(&self) -> Result<AccountFiles, Trouble> {
        self.accounts.files().cloned().ok_or(Trouble::Refused("account_db_malformed"))
    }

    /// The account that a selection means; `None` when it is not there.
    pub(super) fn find(&self, selection: &Selection) -> Option<Account> {
        self.accounts.find(selection, &self.ownership.created, self.managed.as_ref())
    }

    /// Replaces one file after the other, up to the first that fails.
    fn apply(&mut self, plan: Result<Vec<Replacement>, ChangeError>) -> Result<(), Trouble> {
        let steps = plan.map_err(|_| Trouble::Refused("account_changed"))?;
        if self.read_only && !steps.is_empty() {
            return Err(Trouble::Refused("account_db_read_only"));
        }
        let mut committed = false;
        for step in steps {
            match self.accounts.replace(&step, self.hazard, self.careful) {
                Ok(()) => {}
                Err(Broken::Stopped(stop)) => return Err(Trouble::Stopped(stop)),
                Err(Broken::After(_)) if step.commits => return Err(Trouble::Unknown("may_be_set")),
                Err(_) if committed => return Err(Trouble::Unknown("change_unfinished")),
                Err(_) => return Err(Trouble::Refused("write_failed")),
            }
            committed |= step.commits;
        }
        Ok(())
    }

    fn keep(&mut self) -> Result<(), Broken> {
        self.kept.replace(self.ownership.clone(), self.hazard, true)
    }

    /// Reads what is kept at the start of a cycle, and ends a change that was interrupted.
    pub(super) fn load(&mut self) -> Result<(), Stop> {
        if matches!(self.kept.content(), Content::Torn) {
            self.kept.force(Content::Absent);
        }
        *self.ownership = self.kept.whole().cloned().unwrap_or_default();
        self.settle_or_go_on()
    }

    /// Ends a change that was interrupted, if that can be done now.
    pub(super) fn settle_or_go_on(&mut self) -> Result<(), Stop> {
        match self.settle() {
            Err(Trouble::Stopped(stop)) => Err(stop),
            _ => Ok(()),
        }
    }

    /// Finishes or undoes a change that was interrupted.
    pub(super) fn settle(&mut self) -> Result<(), Trouble> {
        let Some(change) = self.ownership.change.clone() else { return Ok(()) };
        let files = self.files()?;
        let happened = files.is_committed(&change);
        self.apply(files.settle(&change))?;
        self.ownership.conclude(happened);
        Ok(self.keep()?)
    }

    /// One change of an account, written down before it and after it.
    fn change(
        &mut self,
        change: NameChange,
        plan: impl FnOnce(&AccountFiles) -> Result<Vec<Replacement>, ChangeError>,
    ) -> Result<(), Trouble> {
        self.settle()?;
        self.ownership.begin(change);
        if let Err(broken) = self.keep() {
            self.ownership.conclude(false);
            return Err(match Trouble::from(broken) {
                Trouble::Stopped(stop) => Trouble::Stopped(stop),
                _ => Trouble::Refused("state_not_written"),
            });
        }
        let files = self.files()?;
        match self.apply(plan(&files)) {
            Ok(()) => {
                self.ownership.conclude(true);
                match self.keep() {
                    Err(Broken::Stopped(stop)) => Err(Trouble::Stopped(stop)),
                    // The next start finds the change and sees that it has happened.
                    _ => Ok(()),
                }
            }
            Err(Trouble::Stopped(stop)) => Err(Trouble::Stopped(stop)),
            Err(trouble) => {
                self.settle_or_go_on().map_err(Trouble::Stopped)?;
                Err(trouble)
            }
        }
    }

    /// Keeps the account as policy wants it.
    pub(super) fn shape(&mut self, wanted: &AutomaticAccount) -> Result<Vec<Difference>, Trouble> {
        let files = self.files()?;
        let account = self.find(&Selection::Automatic(wanted.clone())).map(|found| found.account);
        let shape = account.as_ref().and_then(|account| files.shape(account, self.today));
        let (Some(account), Some(shape)) = (account, shape) else { return Ok(Vec::new()) };
        let differences = account::differences(wanted, &shape);
        if !differences.is_empty() {
            self.apply(files.put_right(&account, &differences))?;
        }
        Ok(differences)
    }

    /// Step 0.
    pub(super) fn preflight(&mut self, wanted: &AutomaticAccount) -> Result<Option<Account>, Trouble> {
        self.settle()?;
        let found = self.find(&Selection::Automatic(wanted.clone()));
        if !wanted.built_in {
            let files = self.files()?;
            let rule = NameRule::of(wanted);
            let own = found.as_ref().is_some_and(|found| found.account.name == rule.base());
            if !rule.is_random() && !own && files.passwd.named(&rule.base()).is_some() {
                return Err(Trouble::Refused("account_name_taken"));
            }
        }
        Ok(found)
    }

    /// Step 2: the account, made if it is not there, and what it is after step 5.
    pub(super) fn bring_into_shape(
        &mut self,
        wanted: &AutomaticAccount,
        seen: Option<Account>,
        dice: &mut Dice,
    ) -> Result<(Account, Whole), Trouble> {
        let rule = NameRule::of(wanted);
        if let Some(seen) = seen {
            let keeps = wanted.built_in || (!rule.is_random() && seen.account.name == rule.base());
            let name = if keeps { seen.account.name.clone() } else { self.free_name(&rule, dice)? };
            return Ok((seen, Whole { name, enabled: wanted.enable }));
        }
        let name = self.free_name(&rule, dice)?;
        let files = self.files()?;
        let id = files.free_uid(1000..=60_000, |_| false).ok_or(Trouble::Refused("no_free_uid"))?;
        let new = NewAccount {
            account: AccountRef { id, name: name.clone() },
            gid: files.primary_gid().ok_or(Trouble::Refused("administrators_group_missing"))?,
            description: DESCRIPTION.to_owned(),
            home: format!("/home/{}", rule.base()),
            shell: "/bin/bash".to_owned(),
        };
        let today = self.today;
        self.accounts.deeds.push(Deed::Making(id));
        self.change(NameChange { id, from: None, to: Some(name.clone()) }, |files| files.create(&new, today))?;
        let seen = self.accounts.of(id).ok_or(Trouble::Refused("account_not_found"))?;
        Ok((seen, Whole { name, enabled: wanted.enable }))
    }

    fn free_name(&self, rule: &NameRule, dice: &mut Dice) -> Result<String, Trouble> {
        let files = self.files()?;
        let mut names = (0..100).map(|_| rule.name(dice.below(u64::from(SUFFIXES)) as u32));
        names.find(|name| files.passwd.named(name).is_none()).ok_or(Trouble::Refused("account_name_taken"))
    }

    /// Step 5, with the rename that waited for it.
    pub(super) fn set(&mut self, held: &Held) -> Result<(), Trouble> {
        let seen = &held.seen;
        let files = self.files()?;
        let now = self.accounts.of(seen.account.id).ok_or(Trouble::Refused("account_changed"))?;
        // "Re-read; stop if the account is not as it was in step 1" (rotation.md 7).
        let same = now.account.name == seen.account.name && now.line == seen.line;
        if !same && now.verifier.as_ref() != Some(&held.verifier) {
            return Err(Trouble::Refused("account_changed"));
        }
        let today = self.today;
        let Some(whole) = &held.whole else {
            let line = files.shadow.named(&now.account.name).ok_or(Trouble::Refused("account_changed"))?;
            let bytes = files.shadow.with_verifier(line, &held.verifier, today);
            let bytes = bytes.map_err(|_| Trouble::Refused("account_changed"))?;
            let file = agent::accounts::AccountFile::Shadow;
            return self.apply(Ok(vec![Replacement { file, bytes, commits: true }]));
        };
        let lock = Lock::of(seen.account.id, whole.enabled);
        if whole.name == now.account.name {
            return self.apply(files.set(&now.account, &whole.name, &held.verifier, lock, today));
        }
        let change =
            NameChange { id: now.account.id, from: Some(now.account.name.clone()), to: Some(whole.name.clone()) };
        self.change(change, |files| files.set(&now.account, &whole.name, &held.verifier, lock, today))
    }

    /// Deletes what policy has left and this agent made.
    pub(super) fn remove(&mut self, ids: &[u32], asked: bool) -> Result<Removal, Trouble> {
        let mut removal = Removal::default();
        for id in ids {
            let Some(made) = self.ownership.created.iter().find(|made| made.id == *id).cloned() else { continue };
            let files = self.files()?;
            let Some(line) = files.lines().into_iter().find(|line| line.is_still(&made)) else {
                self.ownership.created.retain(|made| made.id != *id);
                self.keep()?;
                continue;
            };
            if asked && !account::may_remove(*id, &files.standings(self.today)) {
                removal.kept.push(line.account);
                continue;
            }
            let account = line.account;
            self.accounts.deeds.push(Deed::Removing(*id));
            let change = NameChange { id: *id, from: Some(account.name.clone()), to: None };
            self.change(change, |files| files.remove(&account))?;
            removal.removed.push(account);
        }
        Ok(removal)
    }

    /// The old account goes before the new one is proven, which no agent does: a mutation.
    pub(super) fn remove_too_early(&mut self, selection: Option<&Selection>) -> Result<(), Trouble> {
        let kept = selection.and_then(|selection| self.find(selection)).map(|found| found.account.id);
        let ids: Vec<u32> = self.ownership.created.iter().map(|made| made.id).filter(|id| Some(*id) != kept).collect();
        self.remove(&ids, false).map(|_| ())
    }
}

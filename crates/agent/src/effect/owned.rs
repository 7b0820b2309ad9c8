//! The account that automatic management owns: found, made, renamed, kept in shape, deleted
//! (laps-behaviour.md 6, rotation.md 7).

use super::{Runner, Witness, signed_in::Standing};
use crate::{
    accounts::{AccountFile, AccountFiles, NameChange},
    clock::{Clock, random},
    directory::Directory,
    platform::{Account, AccountError, ManagedTree, Whole},
    state::StateError,
};
use laps::{
    account::{self, Difference, NameRule, SUFFIXES, Selection},
    cycle::{Outcome, Removal},
    event,
    policy::AutomaticAccount,
    rotation::{AccountRef, Failure},
};

/// Suffixes that are drawn until a name is free.
const DRAWS_MAX: u32 = 100;

impl<D: Directory, C: Clock + Clone, W: Witness> Runner<D, C, W> {
    /// [`laps::cycle::Effect::Inspect`].
    pub(super) fn inspect(&mut self, selection: Selection) -> Outcome {
        let found = match self.resolve(selection) {
            Ok(Some(selection)) => self.tree.inspect(&selection, self.today()),
            Ok(None) => return Outcome::AccountAbsent,
            Err(error) => Err(error),
        };
        Outcome::Inspected(match found {
            Ok(account) => {
                let facts = account.facts(Some(&self.key));
                self.standing = Standing::Managed(facts.account.clone());
                Ok(facts)
            }
            Err(error) => Err(error.failure()),
        })
    }

    /// Which account a selection means now; `None` when it is to be made.
    pub(super) fn resolve(&mut self, selection: Selection) -> Result<Option<Selection>, AccountError> {
        let Selection::Automatic(wanted) = &selection else { return Ok(Some(selection)) };
        if wanted.built_in {
            return Ok(Some(Selection::BuiltIn));
        }
        let files = self.tree.files()?;
        Ok(self.find(wanted, &files).map(|account| Selection::Named(account.name)))
    }

    fn find(&self, wanted: &AutomaticAccount, files: &AccountFiles) -> Option<AccountRef> {
        let lines = files.lines();
        let memory = self.state.memory().ok().flatten();
        let managed = memory.as_ref().map(|memory| &memory.account);
        let found = account::find(&NameRule::of(wanted), &lines, &self.ownership.created, managed);
        found.map(|line| line.account.clone())
    }

    /// [`laps::cycle::Effect::Shape`].
    pub(super) fn shape(&mut self, wanted: &AutomaticAccount) -> Outcome {
        let shaped = self.keep_shape(wanted);
        Outcome::Shaped(shaped.map_err(|error| error.failure()))
    }

    fn keep_shape(&mut self, wanted: &AutomaticAccount) -> Result<Vec<Difference>, AccountError> {
        let files = self.tree.files()?;
        let account = if wanted.built_in {
            files.passwd.administrator().map(|entry| AccountRef { id: entry.uid, name: entry.name.clone() })
        } else {
            self.find(wanted, &files)
        };
        let shape = account.as_ref().and_then(|account| files.shape(account, self.today()));
        let (Some(account), Some(shape)) = (account, shape) else { return Ok(Vec::new()) };
        let differences = account::differences(wanted, &shape);
        if !differences.is_empty() {
            let witness = &mut self.witness;
            self.tree.put_right(&account, &differences, &mut |file| witness.replaced(file))?;
        }
        Ok(differences)
    }

    /// Step 0 for an account that automatic management owns; the account as it is, `None` when it is to be made.
    pub(super) fn preflight_owned(&mut self, wanted: &AutomaticAccount) -> Result<Option<Account>, AccountError> {
        self.settle()?;
        if wanted.built_in {
            // Only its line of shadow is changed, but all files are read for that.
            self.tree.files()?;
        } else {
            let files = self.tree.preflight_whole(self.durability)?;
            let rule = NameRule::of(wanted);
            rule.check()?;
            let name = rule.base();
            let own = self.find(wanted, &files).is_some_and(|account| account.name == name);
            if !rule.is_random() && !own && !self.tree.is_free(&files, &name) {
                return Err(AccountError::NameTaken { name });
            }
        }
        match self.resolve(Selection::Automatic(wanted.clone()))? {
            Some(selection) => self.tree.preflight(&selection, self.durability, self.today()).map(Some),
            None => Ok(None),
        }
    }

    /// Step 2: the account, made if it is not there, and what it is called and how it is kept after step 5.
    pub(super) fn bring_into_shape(
        &mut self,
        wanted: &AutomaticAccount,
        seen: Option<Account>,
    ) -> Result<(Account, Whole), AccountError> {
        let rule = NameRule::of(wanted);
        if let Some(seen) = seen {
            let keeps = wanted.built_in || (!rule.is_random() && seen.account.name == rule.base());
            let name = if keeps { seen.account.name.clone() } else { self.free_name(&rule)? };
            return Ok((seen, Whole { name, enabled: wanted.enable }));
        }
        let name = self.free_name(&rule)?;
        let new = self.tree.draft(&self.tree.files()?, &name, &rule.base())?;
        let today = self.today();
        let change = NameChange { id: new.account.id, from: None, to: Some(name.clone()) };
        self.change(change, |tree, replaced| tree.create(&new, today, replaced))?;
        let text = format!("account {name:?} (uid {}) was made, locked until its password is set", new.account.id);
        self.events.write(event::ACCOUNT_CREATED, &text);
        let seen = self.tree.inspect(&Selection::Named(name.clone()), today)?;
        Ok((seen, Whole { name, enabled: wanted.enable }))
    }

    /// A name by the rule that nobody has.
    fn free_name(&self, rule: &NameRule) -> Result<String, AccountError> {
        rule.check()?;
        let files = self.tree.files()?;
        for _ in 0..DRAWS_MAX {
            let random = random::<8>().map_err(|_| AccountError::State(StateError::NoRandomness))?;
            // The remainder of 2^64 prefers some suffixes by less than 1 in 10^13.
            let suffix = u64::from_be_bytes(random) % u64::from(SUFFIXES);
            let name = rule.name(u32::try_from(suffix).unwrap_or_default());
            if self.tree.is_free(&files, &name) {
                return Ok(name);
            }
        }
        Err(AccountError::NameTaken { name: rule.base() })
    }

    /// Step 5 for an account that automatic management owns: the rename waited until now.
    pub(super) fn set_owned(&mut self, today: u32) -> Result<(), AccountError> {
        let Some((seen, verifier, whole)) =
            self.held.as_ref().and_then(|held| Some((held.seen.clone(), held.verifier.clone(), held.whole.clone()?)))
        else {
            return Err(AccountError::Changed { name: String::new() });
        };
        if whole.name == seen.account.name {
            let witness = &mut self.witness;
            self.tree.set_whole(&seen, &whole, &verifier, today, &mut |file| witness.replaced(file))
        } else {
            let from = seen.account.name.clone();
            let change = NameChange { id: seen.account.id, from: Some(from.clone()), to: Some(whole.name.clone()) };
            self.change(change, |tree, replaced| tree.set_whole(&seen, &whole, &verifier, today, replaced)).inspect(
                |()| {
                    self.events.write(event::ACCOUNT_RENAMED, &format!("account {from:?} is {:?} now", whole.name));
                },
            )
        }
    }

    /// [`laps::cycle::Effect::Remove`]: only what this agent made and what still is that account.
    pub(super) fn remove(&mut self, ids: &[u32]) -> Outcome {
        // A source of policy that cannot be read is no policy that has left the account.
        if self.in_force.as_ref().is_none_or(|in_force| !in_force.problems.is_empty()) {
            return Outcome::Removed(Ok(Removal::default()));
        }
        let mut removal = Removal::default();
        for id in ids {
            match self.remove_one(*id, &mut removal) {
                Ok(()) => {}
                Err(error) => return Outcome::Removed(Err(error.failure())),
            }
        }
        Outcome::Removed(Ok(removal))
    }

    fn remove_one(&mut self, id: u32, removal: &mut Removal) -> Result<(), AccountError> {
        let Some(made) = self.ownership.created.iter().find(|made| made.id == id).cloned() else { return Ok(()) };
        let files = self.tree.files()?;
        let Some(line) = files.lines().into_iter().find(|line| line.is_still(&made)) else {
            // Another hand deleted it; its uid may be somebody else's by now.
            self.ownership.created.retain(|made| made.id != id);
            return self.keep_ownership();
        };
        if !account::may_remove(id, &files.standings(self.today())) {
            removal.kept.push(line.account);
            return Ok(());
        }
        let account = line.account;
        let change = NameChange { id, from: Some(account.name.clone()), to: None };
        self.change(change, |tree, replaced| tree.remove(&account, replaced))?;
        removal.removed.push(account);
        Ok(())
    }

    /// Finishes or undoes a change that was interrupted.
    pub(super) fn settle(&mut self) -> Result<(), AccountError> {
        let Some(change) = self.ownership.change.clone() else { return Ok(()) };
        let witness = &mut self.witness;
        let happened = self.tree.settle(&change, &mut |file| witness.replaced(file))?;
        self.ownership.conclude(happened);
        let name = change.to.or(change.from).unwrap_or_default();
        let how = if happened { "finished" } else { "undone" };
        let text = format!("an interrupted change of account {name:?} (uid {}) was {how}", change.id);
        self.events.write(event::ACCOUNT_CHANGE_RECOVERED, &text);
        self.keep_ownership()
    }

    /// One change of an account, written down before it and after it.
    fn change(
        &mut self,
        change: NameChange,
        act: impl FnOnce(&mut ManagedTree, &mut dyn FnMut(AccountFile)) -> Result<(), AccountError>,
    ) -> Result<(), AccountError> {
        self.settle()?;
        self.ownership.begin(change);
        if let Err(error) = self.keep_ownership() {
            self.ownership.conclude(false);
            return Err(error);
        }
        let witness = &mut self.witness;
        match act(&mut self.tree, &mut |file| witness.replaced(file)) {
            Ok(()) => {
                self.ownership.conclude(true);
                // When this is not written, the next start finds the change and sees that it has happened.
                if let Err(error) = self.keep_ownership() {
                    self.events.failure(&error.failure());
                }
                Ok(())
            }
            Err(error) => {
                if let Err(later) = self.settle() {
                    self.events.failure(&later.failure());
                }
                Err(error)
            }
        }
    }

    /// Reads what is kept; a damaged file is an event, and the accounts are found by their description.
    pub(super) fn load_ownership(&mut self) -> Result<(), StateError> {
        match self.state.ownership() {
            Ok(ownership) => self.ownership = ownership,
            Err(error @ StateError::Damaged { .. }) => {
                self.events.failure(&error.failure());
                self.contact.damaged.push(error.to_string());
                self.ownership = self.state.ownership()?;
            }
            Err(error) => return Err(error),
        }
        if let Err(error) = self.settle() {
            self.events.failure(&error.failure());
        }
        Ok(())
    }

    fn keep_ownership(&self) -> Result<(), AccountError> {
        self.state.write_ownership(&self.ownership).map_err(AccountError::State)
    }
}

/// What is to be managed as a whole.
pub(super) fn automatic(selection: Option<&Selection>) -> Option<AutomaticAccount> {
    match selection {
        Some(Selection::Automatic(wanted)) => Some(wanted.clone()),
        _ => None,
    }
}

/// A failure of an account, in the words of a rotation.
pub(super) fn refusal(error: &AccountError) -> Failure {
    let failure = error.failure();
    // What concerns the account keeps its own event; what concerns the place is a refusal.
    let event = if failure.event == event::SET_FAILED { event::PREFLIGHT_REFUSED } else { failure.event };
    Failure { event, ..failure }
}

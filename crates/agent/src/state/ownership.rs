//! What the agent keeps of the accounts that it made: enough to delete them one day, and to finish or undo a
//! change that was interrupted (rotation.md 7). No password.

use super::{StateDir, StateError, durable};
use crate::accounts::NameChange;
use laps::rotation::AccountRef;
use serde::{Deserialize, Serialize};
use std::fs;

/// Accounts that the agent made, and the one change of an account that may be under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    /// Accounts that this agent made and has not deleted, oldest first. Never uid 0.
    pub created: Vec<AccountRef>,
    /// A change that was begun.
    pub change: Option<NameChange>,
}

impl Ownership {
    /// A change begins: it is written before the account database is touched.
    pub fn begin(&mut self, change: NameChange) {
        if let (None, Some(to)) = (&change.from, &change.to) {
            self.created.push(AccountRef { id: change.id, name: to.clone() });
        }
        self.change = Some(change);
    }

    /// The change that was begun is over: it has happened, or it was undone.
    pub fn conclude(&mut self, happened: bool) {
        let Some(change) = self.change.take() else { return };
        match (&change.from, change.to, happened) {
            (Some(_), Some(to), true) => {
                for made in self.created.iter_mut().filter(|made| made.id == change.id) {
                    made.name.clone_from(&to);
                }
            }
            (None, Some(_), false) | (_, None, true) => self.created.retain(|made| made.id != change.id),
            _ => {}
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountForm {
    id: u32,
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeForm {
    id: u32,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OwnershipForm {
    created: Vec<AccountForm>,
    change: Option<ChangeForm>,
}

impl StateDir {
    /// What was kept. One that cannot be read is renamed to `accounts.damaged`, and the error says so: nothing
    /// is deleted on its account, and the accounts are found by their description.
    ///
    /// # Errors
    /// [`StateError`]; after [`StateError::Damaged`] the next reading finds nothing.
    pub fn ownership(&self) -> Result<Ownership, StateError> {
        let path = self.file("accounts.json");
        match durable::read_json::<OwnershipForm>(&path) {
            Ok(None) => Ok(Ownership::default()),
            Ok(Some(form)) => Ok(Ownership {
                created: form.created.into_iter().map(|made| AccountRef { id: made.id, name: made.name }).collect(),
                change: form.change.map(|change| NameChange { id: change.id, from: change.from, to: change.to }),
            }),
            Err(StateError::Damaged { path, what }) => {
                let aside = self.file("accounts.damaged");
                fs::rename(&path, &aside).map_err(|error| StateError::io(&path, "keep aside", &error))?;
                durable::sync_directory_of(&path)?;
                Err(StateError::Damaged { path, what: format!("{what}; kept as {}", aside.display()) })
            }
            Err(other) => Err(other),
        }
    }

    /// Keeps it, durably.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write_ownership(&self, ownership: &Ownership) -> Result<(), StateError> {
        let created = ownership.created.iter();
        let form = OwnershipForm {
            created: created.map(|made| AccountForm { id: made.id, name: made.name.clone() }).collect(),
            change: ownership.change.clone().map(|change| ChangeForm {
                id: change.id,
                from: change.from,
                to: change.to,
            }),
        };
        durable::write_json(&self.file("accounts.json"), &form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(from: Option<&str>, to: Option<&str>) -> NameChange {
        NameChange { id: 1001, from: from.map(str::to_owned), to: to.map(str::to_owned) }
    }

    #[test]
    fn it_comes_back_and_a_damaged_one_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.ownership().unwrap(), Ownership::default());
        let mut ownership = Ownership::default();
        ownership.begin(change(None, Some("a")));
        state.write_ownership(&ownership).unwrap();
        assert_eq!(state.ownership().unwrap(), ownership);
        fs::write(state.file("accounts.json"), b"{").unwrap();
        assert!(matches!(state.ownership(), Err(StateError::Damaged { .. })));
        assert_eq!(state.ownership().unwrap(), Ownership::default());
        assert_eq!(fs::read(state.file("accounts.damaged")).unwrap(), b"{");
    }

    #[test]
    fn a_change_that_happened_and_one_that_was_undone() {
        let made = |ownership: &Ownership| ownership.created.iter().map(|made| made.name.clone()).collect::<Vec<_>>();
        let mut ownership = Ownership::default();
        ownership.begin(change(None, Some("a")));
        ownership.conclude(false);
        assert!(made(&ownership).is_empty());
        ownership.begin(change(None, Some("a")));
        ownership.conclude(true);
        ownership.begin(change(Some("a"), Some("b")));
        ownership.conclude(false);
        assert_eq!(made(&ownership), ["a"]);
        ownership.begin(change(Some("a"), Some("b")));
        ownership.conclude(true);
        assert_eq!(made(&ownership), ["b"]);
        ownership.begin(change(Some("b"), None));
        ownership.conclude(false);
        assert_eq!(made(&ownership), ["b"]);
        ownership.begin(change(Some("b"), None));
        ownership.conclude(true);
        assert!(made(&ownership).is_empty() && ownership.change.is_none());
    }
}

//! Accounts that are managed as a whole: made, renamed, kept in shape, deleted (rotation.md 7).

use super::error::AccountError;
use super::lock::WHOLE;
use super::managed::{Account, ManagedTree};
use super::nss;
use super::preflight::{self, Durability};
use super::replace::{ReplaceError, replace};
use super::tree::contents;
use crate::accounts::{AccountFile, AccountFiles, Lock, NameChange, NewAccount, Replacement, Verifier};
use laps::account::{DESCRIPTION, Difference};
use laps::rotation::AccountRef;
use std::io;

/// The files of the database, all of which a change of a whole account may replace.
const FILES: [AccountFile; 4] = [AccountFile::Passwd, AccountFile::Shadow, AccountFile::Group, AccountFile::Gshadow];

/// Called after each replacement of a file.
pub type Replaced<'a> = &'a mut dyn FnMut(AccountFile);

/// What an account under a new credential is called and how it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its name from now on.
    pub name: String,
    /// Whether it is enabled.
    pub enabled: bool,
}

impl ManagedTree {
    /// The four files as they are now.
    ///
    /// # Errors
    /// One is missing, cannot be read, or holds a malformed or duplicate line.
    pub fn files(&self) -> Result<AccountFiles, AccountError> {
        let read = |file: AccountFile| {
            let bytes = self.tree().read(file.path());
            bytes.map_err(|error| AccountError::unreadable(file, self.tree().root().to_owned(), error))
        };
        let gshadow = self.tree().read_if_there(AccountFile::Gshadow.path());
        let gshadow = gshadow
            .map_err(|error| AccountError::unreadable(AccountFile::Gshadow, self.tree().root().to_owned(), error))?;
        let (passwd, shadow, group) =
            (read(AccountFile::Passwd)?, read(AccountFile::Shadow)?, read(AccountFile::Group)?);
        Ok(AccountFiles::read(&passwd, &shadow, &group, gshadow.as_deref())?)
    }

    /// Step 0 for a whole account: may all four files be changed, durably? (rotation.md 6)
    ///
    /// # Errors
    /// The first thing that is in the way.
    pub fn preflight_whole(&self, durability: Durability) -> Result<AccountFiles, AccountError> {
        preflight::place(self.tree(), &FILES, durability)?;
        let files = self.files()?;
        if files.group.trusted().is_none() {
            return Err(AccountError::NoAdministrators);
        }
        for file in FILES {
            if let Ok((_, path)) = self.tree().open(file.path()) {
                preflight::try_directory(&path, files.render(file).len())?;
            }
        }
        Ok(files)
    }

    /// Whether a new account may have this name: no line of the files has it, and on the running system no
    /// other source of names.
    pub fn is_free(&self, files: &AccountFiles, name: &str) -> bool {
        let elsewhere = self.tree().is_running() && matches!(nss::uid_of(name), Ok(Some(_)));
        files.passwd.named(name).is_none() && !elsewhere
    }

    /// A new account of that name, as it would be made: a free uid of the range for people in login.defs, the
    /// group `users`, bash if there is one, a home directory under `/home` that is named and not made.
    ///
    /// # Errors
    /// No uid is free, or there is no group.
    pub fn draft(&self, files: &AccountFiles, name: &str, home: &str) -> Result<NewAccount, AccountError> {
        let defs = self.login_defs()?;
        let (first, last) = (defs.number("UID_MIN").unwrap_or(1000).max(1), defs.number("UID_MAX").unwrap_or(60_000));
        let elsewhere = |uid| self.tree().is_running() && nss::knows_uid(uid).unwrap_or(false);
        let id = files.free_uid(first..=last, elsewhere).ok_or(AccountError::NoFreeUid { first, last })?;
        let bash = self.tree().resolve("bin/bash").is_ok_and(|path| path.exists());
        Ok(NewAccount {
            account: AccountRef { id, name: name.to_owned() },
            gid: files.primary_gid().ok_or(AccountError::NoAdministrators)?,
            description: DESCRIPTION.to_owned(),
            home: format!("/home/{home}"),
            shell: if bash { "/bin/bash" } else { "/bin/sh" }.to_owned(),
        })
    }

    /// Step 2: makes an account, locked and expired until step 5.
    ///
    /// # Errors
    /// [`AccountError::untouched`] tells whether the account is certainly not there.
    pub fn create(&mut self, new: &NewAccount, today: u32, replaced: Replaced<'_>) -> Result<(), AccountError> {
        self.change(&new.account.name, |files| Ok(files.create(new, today)?), replaced)
    }

    /// Step 5 of a whole account: its new credential, opened or locked, and its new name.
    ///
    /// # Errors
    /// [`AccountError::untouched`] tells whether the account is certainly as it was.
    pub fn set_whole(
        &mut self,
        seen: &Account,
        whole: &Whole,
        verifier: &Verifier,
        today: u32,
        replaced: Replaced<'_>,
    ) -> Result<(), AccountError> {
        let account = &seen.account;
        let plan = |files: &AccountFiles| {
            let line = files.shadow.named(&account.name).map(|line| files.shadow.line_of(line));
            if line != Some(&seen.shadow_line) {
                return Err(AccountError::Changed { name: account.name.clone() });
            }
            Ok(files.set(account, &whole.name, verifier, Lock::of(account.id, whole.enabled), today)?)
        };
        self.change(&account.name, plan, replaced)
    }

    /// Puts right what is not as policy wants it.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub fn put_right(
        &mut self,
        account: &AccountRef,
        differences: &[Difference],
        replaced: Replaced<'_>,
    ) -> Result<(), AccountError> {
        self.change(&account.name, |files| Ok(files.put_right(account, differences)?), replaced)
    }

    /// Deletes an account. That it may go is for the caller to know.
    ///
    /// # Errors
    /// The database cannot be changed.
    pub fn remove(&mut self, account: &AccountRef, replaced: Replaced<'_>) -> Result<(), AccountError> {
        self.change(&account.name, |files| Ok(files.remove(account)?), replaced)
    }

    /// Finishes or undoes a change that was interrupted; true when it has happened.
    ///
    /// # Errors
    /// The database cannot be changed; nothing is lost by trying again later.
    pub fn settle(&mut self, change: &NameChange, replaced: Replaced<'_>) -> Result<bool, AccountError> {
        let mut committed = false;
        let name = change.to.as_ref().or(change.from.as_ref()).cloned().unwrap_or_default();
        let plan = |files: &AccountFiles| {
            committed = files.is_committed(change);
            Ok(files.settle(change)?)
        };
        self.change(&name, plan, replaced)?;
        Ok(committed)
    }

    /// Under the locks: reads the files, plans, and replaces one after the other.
    fn change(
        &mut self,
        name: &str,
        plan: impl FnOnce(&AccountFiles) -> Result<Vec<Replacement>, AccountError>,
        replaced: Replaced<'_>,
    ) -> Result<(), AccountError> {
        let _lock = self.lock(WHOLE)?;
        let mut files = self.files()?;
        let mut committed = false;
        for step in plan(&files)? {
            let done = self.replace(&files, &step);
            match done {
                Ok(()) => {}
                Err(ReplaceError::After(source)) if step.commits => return Err(AccountError::MayBeSet { source }),
                Err(error) if committed => {
                    return Err(AccountError::Unfinished { name: name.to_owned(), source: cause(error) });
                }
                Err(ReplaceError::Changed) => return Err(AccountError::Changed { name: name.to_owned() }),
                Err(ReplaceError::Before(source) | ReplaceError::After(source)) => {
                    let path = self.tree().resolve(step.file.path()).unwrap_or_default();
                    let dir = path.parent().unwrap_or(self.tree().root()).to_owned();
                    return Err(match AccountError::writing(dir, source) {
                        AccountError::NotWritable { source, .. } => AccountError::WriteFailed { source },
                        named => named,
                    });
                }
            }
            committed |= step.commits;
            files = files.after(&step)?;
            replaced(step.file);
        }
        Ok(())
    }

    /// One replacement, if the file is still the one that the plan was made of.
    fn replace(&self, files: &AccountFiles, step: &Replacement) -> Result<(), ReplaceError> {
        let (original, path) = self.tree().open(step.file.path())?;
        if contents(&original)? != files.render(step.file) {
            return Err(ReplaceError::Changed);
        }
        replace(&path, &original, &step.bytes)
    }
}

fn cause(error: ReplaceError) -> io::Error {
    match error {
        ReplaceError::Changed => io::Error::other("a file was changed by another hand meanwhile"),
        ReplaceError::Before(source) | ReplaceError::After(source) => source,
    }
}

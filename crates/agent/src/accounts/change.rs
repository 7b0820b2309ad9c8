//! Changes of whole accounts as a row of file replacements, and what finishes or undoes one that was
//! interrupted (rotation.md 7).
//!
//! Every change has one commit point, the replacement of passwd. Before it, lines of the new name stand beside
//! the old ones; after it, lines of the old name are removed. So an interruption between any two replacements
//! leaves an account that is wholly the old or wholly the new one, and lines of a name that no account has.

use super::group::GroupFile;
use super::passwd::{NewAccount, Passwd, PasswdLine};
use super::shadow::{Lock, Shadow};
use super::table::{AccountFile, Defect, NotAField};
use super::verifier::Verifier;
use laps::account::{DESCRIPTION, Difference};
use laps::rotation::AccountRef;

/// The four files of one moment. A tree without shadowed groups has no gshadow.
#[derive(Clone)]
pub struct AccountFiles {
    /// passwd(5).
    pub passwd: Passwd,
    /// shadow(5).
    pub shadow: Shadow,
    /// group(5).
    pub group: GroupFile,
    /// gshadow(5).
    pub gshadow: Option<GroupFile>,
}

impl std::fmt::Debug for AccountFiles {
    /// Verifiers are never printed.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountFiles").field("passwd", &self.passwd.lines()).finish_non_exhaustive()
    }
}

/// One file that is to be replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Which one.
    pub file: AccountFile,
    /// Its whole new content.
    pub bytes: Vec<u8>,
    /// With it the change has happened.
    pub commits: bool,
}

/// A change that was begun: enough to finish or undo it. `from` to `to` is a rename, no `from` a new account, no
/// `to` a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameChange {
    /// The uid.
    pub id: u32,
    /// The name before.
    pub from: Option<String>,
    /// The name after.
    pub to: Option<String>,
}

/// A change that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// A file is not safe to change.
    #[error("the account database is not safe to change: {0}")]
    Defect(#[from] Defect),
    /// A value cannot stand in a field.
    #[error(transparent)]
    Field(#[from] NotAField),
    /// The account is not there, or has another uid.
    #[error("{0:?} is not there any more")]
    Gone(String),
    /// An account of that name is there already.
    #[error("the name {0:?} belongs to another account")]
    Taken(String),
    /// There is neither `sudo` nor `wheel`.
    #[error("there is neither a group \"sudo\" nor a group \"wheel\"")]
    NoAdministrators,
}

impl AccountFiles {
    /// Reads the four files.
    ///
    /// # Errors
    /// [`Defect`]: a malformed or duplicate line, with its number.
    pub fn read(passwd: &[u8], shadow: &[u8], group: &[u8], gshadow: Option<&[u8]>) -> Result<Self, Defect> {
        Ok(Self {
            passwd: Passwd::read(passwd)?,
            shadow: Shadow::read(shadow)?,
            group: GroupFile::read(AccountFile::Group, group)?,
            gshadow: gshadow.map(|bytes| GroupFile::read(AccountFile::Gshadow, bytes)).transpose()?,
        })
    }

    /// The bytes of a file; none for a gshadow that is not there.
    pub fn render(&self, file: AccountFile) -> Vec<u8> {
        match file {
            AccountFile::Passwd => self.passwd.render(),
            AccountFile::Shadow => self.shadow.render(),
            AccountFile::Group => self.group.render(),
            AccountFile::Gshadow => self.gshadow.as_ref().map(GroupFile::render).unwrap_or_default(),
        }
    }

    /// The files after a replacement.
    ///
    /// # Errors
    /// [`Defect`]: the new content is not a good file.
    pub fn after(&self, replacement: &Replacement) -> Result<Self, Defect> {
        let mut files = self.clone();
        let bytes = &replacement.bytes;
        match replacement.file {
            AccountFile::Passwd => files.passwd = Passwd::read(bytes)?,
            AccountFile::Shadow => files.shadow = Shadow::read(bytes)?,
            AccountFile::Group => files.group = GroupFile::read(AccountFile::Group, bytes)?,
            AccountFile::Gshadow => files.gshadow = Some(GroupFile::read(AccountFile::Gshadow, bytes)?),
        }
        Ok(files)
    }

    /// The first uid that no account has: one above the highest of the range, else the lowest free one.
    pub fn free_uid(&self, range: core::ops::RangeInclusive<u32>, taken: impl Fn(u32) -> bool) -> Option<u32> {
        let used: std::collections::BTreeSet<u32> =
            self.passwd.lines().iter().map(|line| line.uid).filter(|uid| range.contains(uid)).collect();
        let above = used.last().map_or(*range.start(), |highest| highest.saturating_add(1));
        let free = |uid: &u32| !used.contains(uid) && !taken(*uid);
        (above..=*range.end()).chain(range.clone()).find(free)
    }

    /// A new account, locked and expired, in the group that sudo trusts.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn create(&self, new: &NewAccount, today: u32) -> Result<Vec<Replacement>, ChangeError> {
        let name = &new.account.name;
        let trusted = self.group.trusted().ok_or(ChangeError::NoAdministrators)?.name.clone();
        let mut script = self.script_for(name)?;
        script.put(AccountFile::Shadow, script.files.shadow.with_locked(name, today)?, false)?;
        script.groups(|group| group.with_member(&trusted, name))?;
        script.put(AccountFile::Passwd, script.files.passwd.with(new)?, true)?;
        Ok(script.steps)
    }

    /// Sets a credential, opened or locked, under the account's own name or under a new one.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn set(
        &self,
        account: &AccountRef,
        name: &str,
        verifier: &Verifier,
        lock: Lock,
        today: u32,
    ) -> Result<Vec<Replacement>, ChangeError> {
        let gone = || ChangeError::Gone(account.name.clone());
        let entry = self.entry(account)?;
        if name == account.name {
            let mut script = Script { files: self.clone(), steps: Vec::new() };
            let line = self.shadow.named(name).ok_or_else(gone)?;
            script.put(AccountFile::Shadow, self.shadow.with_credential(line, name, verifier, lock, today)?, true)?;
            return Ok(script.steps);
        }
        let mut script = self.script_for(name)?;
        let line = script.files.shadow.named(&account.name).ok_or_else(gone)?;
        let shadow = script.files.shadow.with_credential(line, name, verifier, lock, today)?;
        script.put(AccountFile::Shadow, shadow, false)?;
        script.groups(|group| group.with_beside(&account.name, name))?;
        script.put(AccountFile::Passwd, self.passwd.with_field(entry, 0, name)?, true)?;
        script.forget(&account.name)?;
        Ok(script.steps)
    }

    /// Puts right what is not as policy wants it.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn put_right(&self, account: &AccountRef, differences: &[Difference]) -> Result<Vec<Replacement>, ChangeError> {
        let mut script = Script { files: self.clone(), steps: Vec::new() };
        let entry = self.entry(account)?;
        for difference in differences {
            match difference {
                Difference::Disabled | Difference::Enabled => {
                    let line =
                        self.shadow.named(&account.name).ok_or_else(|| ChangeError::Gone(account.name.clone()))?;
                    let lock = Lock::of(account.id, *difference == Difference::Disabled);
                    script.put(AccountFile::Shadow, self.shadow.with_lock(line, lock)?, false)?;
                }
                Difference::NotAdministrator => {
                    let trusted = self.group.trusted().ok_or(ChangeError::NoAdministrators)?.name.clone();
                    script.groups(|group| group.with_member(&trusted, &account.name))?;
                }
                Difference::Description => {
                    script.put(AccountFile::Passwd, self.passwd.with_field(entry, 4, DESCRIPTION)?, false)?;
                }
            }
        }
        Ok(script.steps)
    }

    /// Deletes an account.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn remove(&self, account: &AccountRef) -> Result<Vec<Replacement>, ChangeError> {
        let mut script = Script { files: self.clone(), steps: Vec::new() };
        script.put(AccountFile::Passwd, self.passwd.without(self.entry(account)?)?, true)?;
        script.forget(&account.name)?;
        Ok(script.steps)
    }

    /// Whether an interrupted change has happened: its commit point is behind it.
    pub fn is_committed(&self, change: &NameChange) -> bool {
        let stands = |name: &String| self.passwd.named(name).is_some_and(|entry| entry.uid == change.id);
        match (&change.from, &change.to) {
            (_, Some(to)) => stands(to),
            (Some(from), None) => !stands(from),
            (None, None) => true,
        }
    }

    /// Finishes the last part of an interrupted change, or undoes its first (rotation.md 7): the lines of the
    /// name that no account has are removed.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn settle(&self, change: &NameChange) -> Result<Vec<Replacement>, ChangeError> {
        let stale = if self.is_committed(change) { &change.from } else { &change.to };
        let mut script = Script { files: self.clone(), steps: Vec::new() };
        match stale {
            Some(name) if self.passwd.named(name).is_none() => script.forget(name)?,
            _ => {}
        }
        Ok(script.steps)
    }

    fn entry(&self, account: &AccountRef) -> Result<&PasswdLine, ChangeError> {
        let entry = self.passwd.named(&account.name).filter(|entry| entry.uid == account.id && entry.shadowed);
        entry.ok_or_else(|| ChangeError::Gone(account.name.clone()))
    }

    /// A row of steps that begins with a name that nobody has: lines that an account of it left are removed,
    /// so that no old membership comes back.
    fn script_for(&self, name: &str) -> Result<Script, ChangeError> {
        if self.passwd.named(name).is_some() {
            return Err(ChangeError::Taken(name.to_owned()));
        }
        let mut script = Script { files: self.clone(), steps: Vec::new() };
        script.forget(name)?;
        Ok(script)
    }
}

/// Replacements in their order, and the files after the last of them.
struct Script {
    files: AccountFiles,
    steps: Vec<Replacement>,
}

impl Script {
    /// A file that would stay as it is needs no replacement.
    fn put(&mut self, file: AccountFile, bytes: Vec<u8>, commits: bool) -> Result<(), ChangeError> {
        if bytes != self.files.render(file) {
            let replacement = Replacement { file, bytes, commits };
            self.files = self.files.after(&replacement)?;
            self.steps.push(replacement);
        }
        Ok(())
    }

    fn groups(&mut self, edit: impl Fn(&GroupFile) -> Result<Vec<u8>, NotAField>) -> Result<(), ChangeError> {
        self.put(AccountFile::Group, edit(&self.files.group)?, false)?;
        if let Some(gshadow) = &self.files.gshadow {
            self.put(AccountFile::Gshadow, edit(gshadow)?, false)?;
        }
        Ok(())
    }

    fn forget(&mut self, name: &str) -> Result<(), ChangeError> {
        if let Some(line) = self.files.shadow.named(name) {
            self.put(AccountFile::Shadow, self.files.shadow.without(line)?, false)?;
        }
        self.groups(|group| group.without_name(name))
    }
}

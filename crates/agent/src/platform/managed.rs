//! An account tree as the effect runner sees it.

use super::claim::Claim;
use super::crypt::SystemCrypt;
use super::error::AccountError;
use super::lock::{CREDENTIAL, DatabaseLock, LOCK_WAIT};
use super::pam::{self, PamAnswer};
use super::preflight::{self, Durability};
use super::replace::{ReplaceError, remove_leftovers, replace};
use super::tree::{Tree, contents};
use crate::accounts::{
    self, AccountFile, AdministratorsGroup, Census, FingerprintKey, GroupFile, HashChoice, LoginDefs, MachineRules,
    Method, PamModule, Passwd, PasswdLine, Shadow, Usability, Verifier, pam_password_modules,
};
use laps::account::{AccountFacts, Selection};
use laps::drift::Trace;
use laps::password::Password;
use laps::rotation::{AccountRef, Comparison, Fingerprint, ProofKind};
use rand_core::CryptoRng;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;

/// PAM files that say how `passwd` hashes: Debian and SUSE, then Red Hat and Arch.
const PASSWORD_STACKS: [&str; 3] = ["etc/pam.d/common-password", "etc/pam.d/system-auth", "etc/pam.d/password-auth"];

/// An account as it was read: plain facts, and what [`ManagedTree::set`] compares before it writes.
#[derive(Clone)]
pub struct Account {
    /// Uid and name.
    pub account: AccountRef,
    /// Whether it can be used; never part of the proof.
    pub usability: Usability,
    /// Its standing towards `sudo` or `wheel`; `None` when the tree has neither group.
    pub administrators: Option<AdministratorsGroup>,
    /// The day of the last change (days since 1970-01-01).
    pub last_change_day: Option<i64>,
    verifier: Option<Verifier>,
    pub(super) shadow_line: Vec<u8>,
}

impl Account {
    /// The fingerprint of the installed verifier; `None` when there is none, or none that is salted.
    pub fn fingerprint(&self, key: &FingerprintKey) -> Option<Fingerprint> {
        key.fingerprint(&self.account, self.verifier.as_ref()?)
    }

    /// The facts that the rules decide on.
    pub fn facts(&self, key: Option<&FingerprintKey>) -> AccountFacts {
        let member = self.administrators.as_ref().is_some_and(|group| group.member);
        AccountFacts {
            account: self.account.clone(),
            enabled: !self.usability.disabled,
            expired: self.usability.expired,
            no_login_shell: self.usability.shell_refuses,
            administrator: self.account.id == 0 || member,
            installed: key.and_then(|key| self.fingerprint(key)),
        }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("account", &self.account)
            .field("usability", &self.usability)
            .field("administrators", &self.administrators)
            .field("last_change_day", &self.last_change_day)
            .finish_non_exhaustive()
    }
}

/// A password that opens the account, and how that was found (rotation.md 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The kind that goes with the version.
    pub kind: ProofKind,
    /// What PAM said: `CannotTell` names the reason for a proof by the verifier alone.
    pub pam: PamAnswer,
}

/// The two files of one moment.
struct Database {
    passwd: Passwd,
    shadow: Shadow,
    shadow_file: File,
    shadow_path: PathBuf,
}

/// An account tree whose accounts are managed.
#[derive(Debug)]
pub struct ManagedTree {
    tree: Tree,
    crypt: Option<SystemCrypt>,
    claim: Option<Claim>,
}

impl ManagedTree {
    /// A tree to look at; [`ManagedTree::claim`] it before it is changed for longer than one call.
    pub fn new(tree: Tree) -> Self {
        Self { tree, crypt: SystemCrypt::load(), claim: None }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Takes the one claim on this tree for as long as this value lives, and removes temporary files that
    /// a crash of an earlier owner left. `owner` is shown to whoever comes second.
    ///
    /// # Errors
    /// [`AccountError::Claimed`] names the present owner; or the directory cannot be written.
    pub fn claim(&mut self, owner: &str) -> Result<(), AccountError> {
        if self.claim.is_none() {
            self.claim = Some(self.take_claim(owner)?);
        }
        Ok(())
    }

    /// Step 0, rotation.md 6: may this account's password be changed, durably? Changes nothing but a probe
    /// file that is removed again. `today` counts days since 1970-01-01.
    ///
    /// # Errors
    /// The first thing that is in the way.
    pub fn preflight(
        &self,
        selection: &Selection,
        durability: Durability,
        today: u32,
    ) -> Result<Account, AccountError> {
        preflight::place(&self.tree, &[AccountFile::Passwd, AccountFile::Shadow], durability)?;
        let database = self.read()?;
        let entry = self.find(&database.passwd, selection)?;
        database.passwd.sole_owner_of_uid(entry)?;
        preflight::name_service(&self.tree, entry)?;
        let account = self.facts(&database, entry, today)?;
        preflight::try_directory(&database.shadow_path, database.shadow.render().len())?;
        Ok(account)
    }

    /// The account as it is now, without asking whether it could be changed.
    ///
    /// # Errors
    /// The database or the account is missing or unusable.
    pub fn inspect(&self, selection: &Selection, today: u32) -> Result<Account, AccountError> {
        let database = self.read()?;
        let entry = self.find(&database.passwd, selection)?;
        self.facts(&database, entry, today)
    }

    /// What became of an account that is not found by its name: its uid tells. `None` when the database cannot
    /// be read.
    pub fn trace(&self, account: &AccountRef) -> Option<Trace> {
        let database = self.read().ok()?;
        let holder = database.passwd.lines().iter().find(|entry| entry.uid == account.id);
        Some(holder.map_or(Trace::Gone, |entry| Trace::Named(entry.name.clone())))
    }

    /// The local accounts of people and administrators.
    ///
    /// # Errors
    /// The database is missing or unusable.
    pub fn census(&self, today: u32) -> Result<Census, AccountError> {
        let database = self.read()?;
        Ok(Census::of(&database.passwd, &database.shadow, self.groups().as_ref(), today))
    }

    /// How this machine's own `passwd` would hash. On a system that names nothing and whose libcrypt does not
    /// know yescrypt, SHA-512.
    ///
    /// # Errors
    /// A settings file is there and cannot be read.
    pub fn hash_choice(&self) -> Result<HashChoice, AccountError> {
        let stack = self.password_stack()?;
        let stack = stack.as_ref().map(|(path, modules)| (*path, modules.as_slice()));
        let mut choice = HashChoice::of_machine(stack, &self.login_defs()?);
        let unknown = self.crypt.as_ref().is_some_and(|crypt| !crypt.knows_yescrypt());
        if choice.source == HashChoice::DEFAULT && self.tree.is_running() && unknown {
            choice.method = Method::Sha512 { rounds: None };
        }
        Ok(choice)
    }

    /// The machine's own password rules.
    ///
    /// # Errors
    /// A settings file is there and cannot be read.
    pub fn rules(&self) -> Result<MachineRules, AccountError> {
        let read = |path: &str| self.tree.read_if_there(path).map_err(|error| self.settings_error(path, error));
        let parts = "etc/security/pwquality.conf.d";
        let mut quality = self.tree.read_all(parts, ".conf").map_err(|error| self.settings_error(parts, error))?;
        quality.extend(read("etc/security/pwquality.conf")?);
        let stack = self.password_stack()?.map(|(_, modules)| modules).unwrap_or_default();
        Ok(MachineRules::of_machine(&stack, &quality, &self.login_defs()?))
    }

    /// Computes the verifier that [`ManagedTree::set`] writes, with a fresh salt of at least 96 bits.
    ///
    /// # Errors
    /// A settings file cannot be read, or its costs are out of range.
    pub fn hash(&self, password: &Password, rng: &mut impl CryptoRng) -> Result<Verifier, AccountError> {
        Ok(accounts::hash(password, self.hash_choice()?.method, rng)?)
    }

    /// Step 5, rotation.md 7: puts the verifier into the shadow file. `seen` is the account as it was when
    /// the rotation began; `today` (days since 1970-01-01) becomes the day of the last change.
    ///
    /// # Errors
    /// [`AccountError::untouched`] tells whether the account is certainly as it was.
    pub fn set(&mut self, seen: &Account, verifier: &Verifier, today: u32) -> Result<(), AccountError> {
        let _lock = self.lock(CREDENTIAL)?;
        let database = self.read()?;
        let changed = || AccountError::Changed { name: seen.account.name.clone() };
        let entry = database.passwd.named(&seen.account.name).ok_or_else(changed)?;
        let line = database.shadow.named(&seen.account.name).ok_or_else(changed)?;
        let same = entry.uid == seen.account.id && entry.shadowed && database.shadow.line_of(line) == seen.shadow_line;
        if !same {
            return Err(changed());
        }
        let failed = |source| AccountError::WriteFailed { source };
        let bytes = database
            .shadow
            .with_verifier(line, verifier, today)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        replace(&database.shadow_path, &database.shadow_file, &bytes).map_err(|error| match error {
            ReplaceError::Changed => changed(),
            ReplaceError::After(source) => AccountError::MayBeSet { source },
            ReplaceError::Before(source) => {
                let dir = database.shadow_path.parent().unwrap_or(self.tree.root()).to_owned();
                match AccountError::writing(dir, source) {
                    AccountError::NotWritable { source, .. } => failed(source),
                    named => named,
                }
            }
        })
    }

    /// Step 6, rotation.md 8: does the password open the account? The database is read again and checked
    /// with the system's libcrypt, which did not make the hash; on the running system PAM is asked too,
    /// unless the account is disabled. Without a libcrypt that knows the hash PAM alone can prove.
    ///
    /// # Errors
    /// [`AccountError::NotProven`], [`AccountError::PamRefuses`], [`AccountError::CannotTell`].
    pub fn prove(&self, account: &AccountRef, password: &Password) -> Result<Proof, AccountError> {
        let name = || account.name.clone();
        let database = self.read()?;
        let entry = database.passwd.named(&account.name).filter(|entry| entry.uid == account.id);
        let line = database.shadow.named(&account.name).filter(|_| entry.is_some_and(|entry| entry.shadowed));
        let line =
            line.ok_or_else(|| AccountError::AccountNotFound { wanted: Selection::Named(name()).to_string() })?;
        let verifier = line.password.verifier().ok_or_else(|| AccountError::NotProven { name: name() })?;
        let by_crypt = self.crypt.as_ref().and_then(|crypt| crypt.opens(password, verifier));
        if by_crypt == Some(false) {
            return Err(AccountError::NotProven { name: name() });
        }
        let pam = if !self.tree.is_running() {
            PamAnswer::CannotTell("PAM speaks of the running system only".into())
        } else if line.password.is_locked() {
            PamAnswer::CannotTell("the account is disabled".into())
        } else {
            match pam::check_service_file(&self.tree) {
                Ok(()) => pam::ask(&account.name, password),
                Err(error) => PamAnswer::CannotTell(error.to_string()),
            }
        };
        match (by_crypt, pam) {
            (_, pam @ PamAnswer::Opens(_)) => Ok(Proof { kind: ProofKind::Pam, pam }),
            (_, PamAnswer::Refuses) => Err(AccountError::PamRefuses { name: name() }),
            (Some(_), pam @ PamAnswer::CannotTell(_)) => Ok(Proof { kind: ProofKind::Verifier, pam }),
            (None, PamAnswer::CannotTell(reason)) => Err(AccountError::CannotTell {
                name: name(),
                reason: format!("no second crypt for this kind of hash, and {reason}"),
            }),
        }
    }

    /// After a crash, or a set that failed at its last sync: has the account the credential of an intent?
    /// (rotation.md 2) What is found is made durable first: it is proven next, and a power cut must not take
    /// it back after that. An account that holds the credential and was renamed by another hand meanwhile is
    /// neither: the version must not be abandoned, nor proven under a name that is gone.
    pub fn compare(&self, account: &AccountRef, intended: Fingerprint, key: Option<&FingerprintKey>) -> Comparison {
        let (Some(key), Ok(database)) = (key, self.read()) else {
            return Comparison::CannotTell;
        };
        let directory = database.shadow_path.parent().unwrap_or(self.tree.root());
        if database.shadow_file.sync_all().and_then(|()| File::open(directory)?.sync_all()).is_err() {
            return Comparison::CannotTell;
        }
        let here = database.passwd.named(&account.name).filter(|entry| entry.uid == account.id && entry.shadowed);
        let verifier =
            here.and_then(|_| database.shadow.named(&account.name)).and_then(|line| line.password.verifier());
        let is_intended = |verifier: &Verifier| key.fingerprint(account, verifier) == Some(intended);
        if verifier.is_some_and(is_intended) {
            return Comparison::Same;
        }
        let holders = database.passwd.lines().iter().filter(|entry| entry.uid == account.id && entry.shadowed);
        let mut lines = holders.filter_map(|entry| database.shadow.named(&entry.name)?.password.verifier());
        if lines.any(is_intended) { Comparison::CannotTell } else { Comparison::Different }
    }

    /// The locks of the database for the given files, and a claim of our own when nobody took one for longer.
    pub(super) fn lock(&self, files: &[&str]) -> Result<(Option<Claim>, DatabaseLock), AccountError> {
        let short = if self.claim.is_some() { None } else { Some(self.take_claim("a single change")?) };
        let Some(claim) = self.claim.as_ref().or(short.as_ref()) else {
            return Err(AccountError::Claimed { owner: "nobody".into() });
        };
        let lock = DatabaseLock::take(&self.etc()?, files, claim, LOCK_WAIT)?;
        Ok((short, lock))
    }

    fn etc(&self) -> Result<PathBuf, AccountError> {
        self.tree
            .resolve("etc")
            .map_err(|error| AccountError::unreadable(AccountFile::Passwd, self.tree.root().to_owned(), error))
    }

    fn take_claim(&self, owner: &str) -> Result<Claim, AccountError> {
        let etc = self.etc()?;
        let claim = Claim::take(&etc, owner)?;
        for file in [AccountFile::Passwd, AccountFile::Shadow, AccountFile::Group, AccountFile::Gshadow] {
            let path = self.tree.resolve(file.path()).ok();
            let beside = path.and_then(|path| Some(path.parent()?.to_owned())).unwrap_or_else(|| etc.clone());
            remove_leftovers(&beside).map_err(|error| AccountError::writing(beside, error))?;
        }
        Ok(claim)
    }

    fn read(&self) -> Result<Database, AccountError> {
        let unreadable = |file| move |error| AccountError::unreadable(file, self.tree.root().to_owned(), error);
        let passwd = self.tree.read(AccountFile::Passwd.path()).map_err(unreadable(AccountFile::Passwd))?;
        let (shadow_file, shadow_path) =
            self.tree.open(AccountFile::Shadow.path()).map_err(unreadable(AccountFile::Shadow))?;
        let shadow = contents(&shadow_file).map_err(unreadable(AccountFile::Shadow))?;
        Ok(Database { passwd: Passwd::read(&passwd)?, shadow: Shadow::read(&shadow)?, shadow_file, shadow_path })
    }

    fn find<'a>(&self, passwd: &'a Passwd, selection: &Selection) -> Result<&'a PasswdLine, AccountError> {
        match selection {
            Selection::BuiltIn => {
                passwd.administrator().ok_or_else(|| AccountError::AccountNotFound { wanted: selection.to_string() })
            }
            Selection::Automatic(wanted) if wanted.built_in => self.find(passwd, &Selection::BuiltIn),
            // Which account that is needs the agent's own records (`effect::owned`).
            Selection::Automatic(wanted) => self.find(passwd, &Selection::Named(wanted.name_or_prefix.clone())),
            Selection::Named(name) => passwd.named(name).ok_or_else(|| preflight::not_found(&self.tree, name)),
        }
    }

    fn facts(&self, database: &Database, entry: &PasswdLine, today: u32) -> Result<Account, AccountError> {
        let name = || entry.name.clone();
        if !entry.shadowed {
            return Err(AccountError::NotShadowed { name: name() });
        }
        let line = database.shadow.named(&entry.name).ok_or_else(|| AccountError::NoShadowLine { name: name() })?;
        let groups = self.groups();
        Ok(Account {
            account: AccountRef { id: entry.uid, name: name() },
            usability: Usability::of(entry, line, today),
            administrators: groups.and_then(|groups| groups.administrators(&entry.name, entry.gid)),
            last_change_day: line.last_change_day,
            verifier: line.password.verifier().cloned(),
            shadow_line: database.shadow.line_of(line).to_vec(),
        })
    }

    /// A group file that is missing or malformed leaves the standing unknown; the password does not depend on it.
    fn groups(&self) -> Option<GroupFile> {
        let bytes = self.tree.read(AccountFile::Group.path()).ok()?;
        GroupFile::read(AccountFile::Group, &bytes).ok()
    }

    pub(super) fn login_defs(&self) -> Result<LoginDefs, AccountError> {
        let path = "etc/login.defs";
        let bytes = self.tree.read_if_there(path).map_err(|error| self.settings_error(path, error))?;
        Ok(bytes.map(|bytes| LoginDefs::read(&bytes)).unwrap_or_default())
    }

    /// The first PAM file with a pam_unix line for passwords.
    fn password_stack(&self) -> Result<Option<(&'static str, Vec<PamModule>)>, AccountError> {
        for path in PASSWORD_STACKS {
            let bytes = self.tree.read_if_there(path).map_err(|error| self.settings_error(path, error))?;
            let modules = pam_password_modules(&bytes.unwrap_or_default());
            if modules.iter().any(|module| module.name == "pam_unix") {
                return Ok(Some((path, modules)));
            }
        }
        Ok(None)
    }

    fn settings_error(&self, path: &str, source: std::io::Error) -> AccountError {
        AccountError::Unreadable { path: self.tree.root().join(path), source }
    }
}

//! The account database of a machine: the four files as the product's own code reads and changes them, each a
//! file of the simulated disk; and the cheap stand-in for the hash of a password.

use super::{
    dice::Dice,
    disk::{Broken, Content, File, Hazard},
};
use agent::accounts::{
    AccountFile, AccountFiles, Passwd, PasswdLine, Replacement, Shadow, ShadowLine, Usability, Verifier,
};
use laps::{
    account::{self, AccountFacts, NameRule, Selection},
    policy::AutomaticAccount,
    rotation::{AccountRef, Fingerprint},
};

/// Uid of the second account that policies name.
pub(super) const OPS: u32 = 1000;
/// Its name.
pub(super) const OPS_NAME: &str = "ops";

/// An account as its two lines say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Uid and name.
    pub(super) account: AccountRef,
    /// What its shadow line holds, lock marks removed.
    pub(super) verifier: Option<Verifier>,
    /// That line.
    pub(super) line: Vec<u8>,
}

/// What an act of the agent did that the oracle must know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Deed {
    /// It is about to make an account of this uid.
    Making(u32),
    /// It is about to delete the account of this uid.
    Removing(u32),
    /// There was an administrator who could sign in, and there is none any more.
    NobodyLeft,
}

/// passwd, shadow, group and gshadow.
#[derive(Clone)]
pub(super) struct Accounts {
    files: [File<Vec<u8>>; 4],
    /// What a process reads; `None` when a file is torn.
    read: Option<AccountFiles>,
    /// Counts changes.
    pub(super) generation: u64,
    /// What the agent did since it was asked last.
    pub(super) deeds: Vec<Deed>,
}

const fn place(file: AccountFile) -> usize {
    match file {
        AccountFile::Passwd => 0,
        AccountFile::Shadow => 1,
        AccountFile::Group => 2,
        AccountFile::Gshadow => 3,
    }
}

impl Accounts {
    /// A freshly installed machine: root and a second account, with passwords that nobody backed up. On some
    /// root is locked, on some the second account is no administrator.
    pub(super) fn fresh(dice: &mut Dice) -> Self {
        let salt = dice.below(u64::MAX / 2);
        let mark = if dice.percent(40) { "!" } else { "" };
        let member = if dice.percent(50) { OPS_NAME } else { "" };
        let line = |name: &str, mark: &str, salt| {
            format!("{name}:{mark}{}:20000:0:99999:7:::\n", hash("installed", salt).as_str())
        };
        let texts = [
            format!("root:x:0:0:root:/root:/bin/bash\n{OPS_NAME}:x:{OPS}:100::/home/ops:/bin/bash\n"),
            line("root", mark, salt) + &line(OPS_NAME, "", salt + u64::from(OPS)),
            format!("root:x:0:\nsudo:x:27:{member}\nusers:x:100:\n"),
            format!("root:*::\nsudo:*::{member}\nusers:*::\n"),
        ];
        let files = texts.map(|text| File::new(Content::Whole(text.into_bytes())));
        let mut accounts = Self { files, read: None, generation: 0, deeds: Vec::new() };
        accounts.reread();
        accounts
    }

    fn reread(&mut self) {
        self.generation += 1;
        self.read = match &self.files {
            [passwd, shadow, group, gshadow] => {
                read_all(passwd.whole(), shadow.whole(), group.whole(), gshadow.whole())
            }
        };
    }

    /// The four files, when they can be read.
    pub(super) fn files(&self) -> Option<&AccountFiles> {
        self.read.as_ref()
    }

    /// The bytes of a file, as text.
    pub(super) fn text(&self, file: AccountFile) -> Option<String> {
        self.files[place(file)].whole().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// Makes a file this, durably, by another hand.
    pub(super) fn force(&mut self, file: AccountFile, text: String) {
        self.files[place(file)].force(Content::Whole(text.into_bytes()));
        self.reread();
    }

    /// Puts another database in its place, durable as that is.
    pub(super) fn restore(&mut self, from: Self) {
        let generation = self.generation.max(from.generation) + 1;
        *self = Self { generation, deeds: core::mem::take(&mut self.deeds), ..from };
    }

    /// One replacement of a file by the agent, and the sync of the directory that they share.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn replace(&mut self, step: &Replacement, hazard: &mut Hazard, careful: bool) -> Result<(), Broken> {
        let before = self.has_administrator();
        let replaced = self.files[place(step.file)].replace(step.bytes.clone(), hazard, careful);
        if !matches!(replaced, Err(Broken::Before(_) | Broken::Stopped(_))) || self.differs(step) {
            self.read = self.read.take().and_then(|files| files.after(step).ok());
            self.generation += 1;
            if before && !self.has_administrator() {
                self.deeds.push(Deed::NobodyLeft);
            }
        }
        if replaced.is_ok() && careful {
            self.files.iter_mut().for_each(File::settle_with_directory);
        }
        replaced
    }

    /// Whether a file has this content already: the machine stopped behind the rename.
    fn differs(&self, step: &Replacement) -> bool {
        let read = self.read.as_ref().map(|files| files.render(step.file));
        read.as_ref() != self.files[place(step.file)].whole()
    }

    /// Syncs what is there, if it was not.
    ///
    /// # Errors
    /// [`Broken`]
    pub(super) fn settle(&mut self, hazard: &mut Hazard) -> Result<(), Broken> {
        self.files.iter_mut().try_for_each(|file| file.settle(hazard))
    }

    /// The power is cut. Answers whether anything was lost.
    pub(super) fn cut(&mut self, dice: &mut Dice) -> bool {
        let lost = self.files.iter_mut().fold(false, |lost, file| file.cut(dice) | lost);
        if lost {
            self.reread();
        }
        lost
    }

    /// The account of a uid.
    pub(super) fn of(&self, id: u32) -> Option<Account> {
        let files = self.read.as_ref()?;
        found(&files.passwd, &files.shadow, id)
    }

    /// The account of a uid that would outlive a power cut.
    pub(super) fn durable(&self, id: u32) -> Option<Account> {
        let [passwd, shadow, ..] = &self.files;
        found(&Passwd::read(passwd.durable()?).ok()?, &Shadow::read(shadow.durable()?).ok()?, id)
    }

    /// The account that policy asks for; `created` and `managed` are what the agent keeps of its own.
    pub(super) fn find(
        &self,
        selection: &Selection,
        created: &[AccountRef],
        managed: Option<&AccountRef>,
    ) -> Option<Account> {
        let files = self.read.as_ref()?;
        let id = match selection {
            Selection::BuiltIn => files.passwd.administrator()?.uid,
            Selection::Automatic(wanted) if wanted.built_in => files.passwd.administrator()?.uid,
            Selection::Named(name) => files.passwd.named(name)?.uid,
            Selection::Automatic(wanted) => {
                account::find(&NameRule::of(wanted), &files.lines(), created, managed)?.account.id
            }
        };
        self.of(id)
    }

    /// The facts that the rules decide on.
    pub(super) fn facts(&self, account: &Account, installed: Option<Fingerprint>, today: u32) -> Option<AccountFacts> {
        let files = self.read.as_ref()?;
        let (entry, line) = lines_of(&files.passwd, &files.shadow, account.account.id)?;
        let usability = Usability::of(entry, line, today);
        let group = files.group.administrators(&entry.name, entry.gid);
        Some(AccountFacts {
            account: account.account.clone(),
            enabled: !usability.disabled,
            expired: usability.expired,
            no_login_shell: usability.shell_refuses,
            administrator: entry.uid == 0 || group.is_some_and(|group| group.member),
            installed,
        })
    }

    /// Whether some administrator can sign in, by the oracle's own reading: uid 0 or a member of `sudo`, with a
    /// verifier, not locked, without an expiry.
    pub(super) fn has_administrator(&self) -> bool {
        let Some(files) = &self.read else { return false };
        let members = files.group.named("sudo").map(|group| group.members.as_slice()).unwrap_or_default();
        files.passwd.lines().iter().any(|entry| {
            let line = files.shadow.named(&entry.name);
            (entry.uid == 0 || members.contains(&entry.name))
                && line.is_some_and(|line| {
                    line.password.verifier().is_some() && !line.password.is_locked() && line.expire_day.is_none()
                })
        })
    }
}

fn read_all(
    passwd: Option<&Vec<u8>>,
    shadow: Option<&Vec<u8>>,
    group: Option<&Vec<u8>>,
    gshadow: Option<&Vec<u8>>,
) -> Option<AccountFiles> {
    AccountFiles::read(passwd?, shadow?, group?, Some(gshadow?)).ok()
}

fn lines_of<'a>(passwd: &'a Passwd, shadow: &'a Shadow, id: u32) -> Option<(&'a PasswdLine, &'a ShadowLine)> {
    let entry = passwd.lines().iter().find(|entry| entry.uid == id)?;
    Some((entry, shadow.named(&entry.name)?))
}

fn found(passwd: &Passwd, shadow: &Shadow, id: u32) -> Option<Account> {
    let (entry, line) = lines_of(passwd, shadow, id)?;
    Some(Account {
        account: AccountRef { id, name: entry.name.clone() },
        verifier: line.password.verifier().cloned(),
        line: shadow.line_of(line).to_vec(),
    })
}

/// What is to be managed as a whole.
pub(super) fn automatic(selection: Option<&Selection>) -> Option<AutomaticAccount> {
    match selection {
        Some(Selection::Automatic(wanted)) => Some(wanted.clone()),
        _ => None,
    }
}

/// The stand-in for crypt(3): salted, cheap, and of the form of a SHA-512 string.
pub(super) fn hash(password: &str, salt: u64) -> Verifier {
    let mut state = 0xcbf2_9ce4_8422_2325_u64 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for byte in password.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        state ^= state >> 29;
    }
    Verifier::new(format!("$6${salt:016x}${state:016x}")).unwrap()
}

/// Whether a password opens what [`hash`] made.
pub(super) fn opens(password: &str, verifier: &Verifier) -> bool {
    let salt = verifier.as_str().split('$').nth(2).and_then(|salt| u64::from_str_radix(salt, 16).ok());
    salt.is_some_and(|salt| hash(password, salt) == *verifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_opens_its_own_verifier_only() {
        let verifier = hash("secret", 7);
        assert!(verifier.is_salted());
        assert!(opens("secret", &verifier));
        assert!(!opens("Secret", &verifier));
        assert_ne!(hash("secret", 8), verifier);
    }

    #[test]
    fn a_fresh_machine_can_be_read_by_the_products_own_code() {
        for seed in 0..8 {
            let accounts = Accounts::fresh(&mut Dice::new(seed));
            assert_eq!(accounts.find(&Selection::BuiltIn, &[], None).unwrap().account.id, 0);
            assert_eq!(accounts.find(&Selection::Named(OPS_NAME.into()), &[], None).unwrap().account.id, OPS);
            assert_eq!(accounts.durable(OPS), accounts.of(OPS));
        }
    }
}

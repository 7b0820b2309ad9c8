//! The account database of a machine, and the cheap stand-in for the hash of a password.

use agent::accounts::Verifier;
use laps::{
    account::{AccountFacts, Selection},
    rotation::{AccountRef, Fingerprint},
};

/// An account as its two lines say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Uid and name.
    pub(super) account: AccountRef,
    /// What its shadow line holds.
    pub(super) verifier: Verifier,
    /// A lock mark stands before it.
    pub(super) locked: bool,
}

/// The account database: one file that is replaced whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accounts(pub(super) Vec<Account>);

/// Uid of the second account that policies name.
pub(super) const OPS: u32 = 1000;
/// Its name.
pub(super) const OPS_NAME: &str = "ops";

impl Accounts {
    /// A freshly installed machine: root and a second account, with passwords that nobody backed up.
    pub(super) fn fresh(salt: u64) -> Self {
        let made = |id, name: &str| Account {
            account: AccountRef { id, name: name.to_owned() },
            verifier: hash("installed", salt + u64::from(id)),
            locked: false,
        };
        Self(vec![made(0, "root"), made(OPS, OPS_NAME)])
    }

    /// The account that policy asks for.
    pub(super) fn find(&self, selection: &Selection) -> Option<&Account> {
        self.0.iter().find(|account| match selection {
            Selection::BuiltIn => account.account.id == 0,
            Selection::Named(name) => account.account.name == *name,
            // No policy of a run asks for automatic management.
            Selection::Automatic(_) => false,
        })
    }

    /// The account of a uid.
    pub(super) fn of(&self, id: u32) -> Option<&Account> {
        self.0.iter().find(|account| account.account.id == id)
    }

    /// The account of a uid, to change it.
    pub(super) fn of_mut(&mut self, id: u32) -> Option<&mut Account> {
        self.0.iter_mut().find(|account| account.account.id == id)
    }
}

impl Account {
    /// The facts that the rules decide on.
    pub(super) fn facts(&self, installed: Option<Fingerprint>) -> AccountFacts {
        AccountFacts {
            account: self.account.clone(),
            enabled: !self.locked,
            expired: false,
            no_login_shell: false,
            administrator: true,
            installed,
        }
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
}

//! Policies that can lock somebody out, or lose something, seen before they are sent.
//!
//! [`lint`] judges a policy alone; [`lint_on`] judges it on a machine that has told about itself. The first
//! finds what is true everywhere, the second what depends on accounts and rules.

use super::{
    effective::{EffectivePolicy, Management, Reason},
    meaning::{Account, AutomaticAccount, Encryption},
    setting::Setting,
    source::BackupDirectory,
};
use crate::password::Material;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For the record.
    Note,
    /// Somebody may miss a password, or lose something.
    Warning,
    /// Somebody is locked out: the server assigns it only when that is confirmed.
    Error,
}

impl Severity {
    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! lints {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $severity:ident, $setting:ident, $text:literal, $remedy:literal;)*) => {
        /// What a policy can do that its author may not want.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Lint { $($(#[$doc])* $name,)* }

        impl Lint {
            /// Every finding there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// The stable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
            /// How much it matters.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)* }
            }
            /// The setting that brings it about.
            pub const fn setting(self) -> Setting {
                match self { $(Self::$name => Setting::$setting,)* }
            }
            /// What happens.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// What to do next.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)* }
            }
        }
    };
}

lints! {
    /// laps-behaviour.md 6: an account that is kept disabled, and nobody else who could sign in.
    NoAdministratorLeft = "no_administrator_left", Error, AutomaticAccountManagementEnableAccount,
        "The managed account is kept disabled, and no other administrator of the machine can sign in with a password.",
        "Set AutomaticAccountManagementEnableAccount to true, or give the machine another administrator first.";
    /// laps-behaviour.md 2.4, rule 6: event 10013.
    AccountMissing = "account_missing", Warning, AdministratorAccountName,
        "The account that the policy names does not exist: it is not made, and no password is stored (event 10013).",
        "Create the account, correct AdministratorAccountName, or turn automatic account management on.";
    /// rotation.md 7: in manual mode Lapwing never enables an account.
    AccountDisabled = "account_cannot_sign_in", Warning, AdministratorAccountName,
        "The account that the policy names is disabled or has no password that opens it: in manual mode Lapwing never \
         enables an account, so that its password may not open it.",
        "Enable the account, or name another one.";
    /// The account would be of no use for administration.
    AccountNotAdministrator = "account_no_administrator", Warning, AdministratorAccountName,
        "The account that the policy names is no administrator of the machine.",
        "Put it into the administrators' group (sudo, else wheel), or name another one.";
    /// Event 10027.
    LengthBelowRule = "length_below_machine_rule", Warning, PasswordLength,
        "The machine's own rule demands longer passwords than the policy makes: none is accepted, and none is stored \
         (event 10027).",
        "Raise PasswordLength (or PassphraseLength), or relax the rule on the machine.";
    /// rotation.md 9.
    NoHistory = "no_history_in_ad", Warning, ADEncryptedPasswordHistorySize,
        "Active Directory keeps no earlier password: after a crash between directory and machine, or a restored \
         machine, the password that opens the account may be lost until the next rotation.",
        "Set ADEncryptedPasswordHistorySize to 1 or more, with encryption on.";
    /// laps-behaviour.md 3: kept for compatibility with old tools.
    WeakComplexity = "weak_complexity", Warning, PasswordComplexity,
        "PasswordComplexity 1 to 3 makes weak passwords and is there for compatibility only.",
        "Set PasswordComplexity to 4 or more.";
    /// laps-behaviour.md 5: what is not saved is lost.
    DataLoss = "data_loss", Warning, PostAuthenticationActions,
        "PostAuthenticationActions 3, 5 and 11 end sessions, restart the machine or end processes after a sign-in with \
         the managed account: work that is not saved is lost.",
        "Tell those who sign in with it, or set PostAuthenticationActions to 1.";
    /// The same by the default value.
    DataLossByDefault = "data_loss_by_default", Note, PostAuthenticationActions,
        "PostAuthenticationActions is not set, and its default 3 ends the sessions of the managed account after a \
         sign-in: work that is not saved is lost.",
        "Set PostAuthenticationActions to 1, or PostAuthenticationResetDelay to 0, if that is not wanted.";
    /// laps-behaviour.md 6.
    KeptDisabled = "account_kept_disabled", Note, AutomaticAccountManagementEnableAccount,
        "The automatically managed account is kept disabled: its password does not open it until somebody enables it.",
        "Set AutomaticAccountManagementEnableAccount to true if it is to be used at once.";
}

/// A local account of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineAccount {
    /// Its uid.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// A password can open it.
    pub enabled: bool,
    /// uid 0, or in the administrators' group.
    pub administrator: bool,
}

/// What a machine told about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Characters that its own rules demand; 0 for none.
    pub length_min: u32,
    /// Its accounts of people and administrators.
    pub accounts: Vec<MachineAccount>,
    /// It has no others.
    pub complete: bool,
}

/// What is true of a policy on every machine, sorted.
pub fn lint(policy: &EffectivePolicy) -> Vec<Lint> {
    let mut found = Vec::new();
    let is_set = |setting| matches!(policy.setting(setting).reason, Reason::Explicit | Reason::Implied);
    if !matches!(policy.management(), Management::Managed(_)) {
        return found;
    }
    if is_set(Setting::PasswordComplexity) && (1..=3).contains(&policy.password_spec().complexity()) {
        found.push(Lint::WeakComplexity);
    }
    if let Some(after) = policy.post_authentication()
        && after.number() != 1
    {
        let explicit = is_set(Setting::PostAuthenticationActions);
        found.push(if explicit { Lint::DataLoss } else { Lint::DataLossByDefault });
    }
    let keeps_history = matches!(policy.encryption(), Ok(Encryption::On { history_size: 1.., .. }));
    if policy.backup_directory() == BackupDirectory::Ad && !keeps_history {
        found.push(Lint::NoHistory);
    }
    if let Account::Automatic(AutomaticAccount { enable: false, .. }) = policy.account() {
        found.push(Lint::KeptDisabled);
    }
    found.sort_unstable();
    found
}

/// What a policy does on a machine, sorted.
pub fn lint_on(policy: &EffectivePolicy, machine: &Machine) -> Vec<Lint> {
    let mut found = Vec::new();
    if !matches!(policy.management(), Management::Managed(_)) {
        return found;
    }
    if longest_chars(policy) < machine.length_min {
        found.push(Lint::LengthBelowRule);
    }
    let manual = match policy.account() {
        Account::Automatic(automatic) => {
            let opens = |account: &&MachineAccount| account.administrator && account.enabled;
            let mut others = machine.accounts.iter().filter(|account| !is_managed(&automatic, account));
            if !automatic.enable && !others.any(|account| opens(&account)) {
                found.push(Lint::NoAdministratorLeft);
            }
            return found;
        }
        Account::BuiltIn => machine.accounts.iter().find(|account| account.id == 0),
        Account::Named(name) => machine.accounts.iter().find(|account| account.name == name),
    };
    match manual {
        Some(account) => {
            if !account.enabled {
                found.push(Lint::AccountDisabled);
            }
            if !account.administrator {
                found.push(Lint::AccountNotAdministrator);
            }
        }
        None if machine.complete => found.push(Lint::AccountMissing),
        // It may be one that the machine did not tell of.
        None => {}
    }
    found.sort_unstable();
    found
}

/// Whether automatic management takes this account for its own.
fn is_managed(automatic: &AutomaticAccount, account: &MachineAccount) -> bool {
    if automatic.built_in {
        return account.id == 0;
    }
    match account.name.strip_prefix(automatic.name_or_prefix.as_str()) {
        Some("") => true,
        Some(suffix) => automatic.randomize_name && suffix.bytes().all(|b| b.is_ascii_digit()),
        None => false,
    }
}

/// The most characters that a password of the policy can have.
fn longest_chars(policy: &EffectivePolicy) -> u32 {
    let spec = policy.password_spec();
    let longest_word = |words: &[&str]| words.iter().map(|word| word.len()).max().unwrap_or(0);
    match spec.material() {
        Material::Characters(_) => spec.count(),
        Material::Words(list) => {
            spec.count().saturating_mul(u32::try_from(longest_word(list.words())).unwrap_or(u32::MAX))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{JoinState, PolicySet, Source, Value};

    fn policy(given: &[(Setting, Value)]) -> EffectivePolicy {
        let mut set = PolicySet::new(Source::Csp);
        set.set(Setting::BackupDirectory, Value::Int(1));
        given.iter().for_each(|(setting, value)| set.set(*setting, value.clone()));
        EffectivePolicy::resolve(&[set], JoinState::Hybrid)
    }

    fn automatic(enable: bool, target: u32) -> EffectivePolicy {
        policy(&[
            (Setting::AutomaticAccountManagementEnabled, Value::Bool(true)),
            (Setting::AutomaticAccountManagementEnableAccount, Value::Bool(enable)),
            (Setting::AutomaticAccountManagementTarget, Value::Int(target)),
            (Setting::PostAuthenticationActions, Value::Int(1)),
        ])
    }

    fn machine(accounts: &[(u32, &str, bool, bool)]) -> Machine {
        let account = |(id, name, enabled, administrator): &(u32, &str, bool, bool)| MachineAccount {
            id: *id,
            name: (*name).into(),
            enabled: *enabled,
            administrator: *administrator,
        };
        Machine { length_min: 8, accounts: accounts.iter().map(account).collect(), complete: true }
    }

    #[test]
    fn what_is_true_everywhere() {
        use Setting::*;
        type Case<'a> = (&'a [(Setting, Value)], &'a [Lint]);
        let quiet = (PostAuthenticationActions, Value::Int(1));
        let cases: [Case<'_>; 8] = [
            (&[], &[Lint::DataLossByDefault]),
            (std::slice::from_ref(&quiet), &[]),
            (&[(PostAuthenticationResetDelay, Value::Int(0))], &[]),
            (&[(PostAuthenticationActions, Value::Int(5))], &[Lint::DataLoss]),
            (&[quiet.clone(), (PasswordComplexity, Value::Int(3))], &[Lint::WeakComplexity]),
            (&[quiet.clone(), (PasswordComplexity, Value::Int(4))], &[]),
            (&[quiet.clone(), (BackupDirectory, Value::Int(2))], &[Lint::NoHistory]),
            (&[quiet.clone(), (BackupDirectory, Value::Int(2)), (ADEncryptedPasswordHistorySize, Value::Int(1))], &[]),
        ];
        for (given, expected) in cases {
            assert_eq!(lint(&policy(given)), expected, "{given:?}");
        }
        assert_eq!(lint(&automatic(false, 1)), [Lint::KeptDisabled]);
        assert_eq!(lint(&automatic(true, 1)), []);
        assert_eq!(lint(&policy(&[(BackupDirectory, Value::Int(0)), (PasswordComplexity, Value::Int(1))])), []);
    }

    #[test]
    fn what_depends_on_the_machine() {
        let named = policy(&[(Setting::AdministratorAccountName, Value::Text("ops".into()))]);
        let on = |accounts: &[(u32, &str, bool, bool)]| lint_on(&named, &machine(accounts));
        assert_eq!(on(&[(1000, "ops", true, true)]), []);
        assert_eq!(on(&[(0, "root", true, true)]), [Lint::AccountMissing]);
        assert_eq!(on(&[(1000, "ops", false, false)]), [Lint::AccountDisabled, Lint::AccountNotAdministrator]);
        let told_in_part = Machine { complete: false, ..machine(&[(0, "root", true, true)]) };
        assert_eq!(lint_on(&named, &told_in_part), []);
        assert_eq!(lint_on(&policy(&[]), &machine(&[(0, "toor", true, true)])), []);
        assert_eq!(lint_on(&policy(&[]), &machine(&[])), [Lint::AccountMissing]);
    }

    #[test]
    fn somebody_is_left_who_can_sign_in() {
        let root = (0, "root", true, true);
        let (ops, own) = ((1000, "ops", true, true), (1001, "WLapsAdmin", true, true));
        assert_eq!(lint_on(&automatic(false, 1), &machine(&[root, own])), []);
        assert_eq!(lint_on(&automatic(false, 1), &machine(&[own])), [Lint::NoAdministratorLeft]);
        assert_eq!(lint_on(&automatic(false, 0), &machine(&[root])), [Lint::NoAdministratorLeft]);
        assert_eq!(lint_on(&automatic(false, 0), &machine(&[root, ops])), []);
        let disabled = machine(&[(0, "root", false, true), (1000, "ops", false, true), (1002, "ada", true, false)]);
        assert_eq!(lint_on(&automatic(false, 1), &disabled), [Lint::NoAdministratorLeft]);
        assert_eq!(lint_on(&automatic(true, 1), &disabled), []);
    }

    #[test]
    fn a_length_that_the_machine_refuses() {
        let strict = Machine { length_min: 20, ..machine(&[(0, "root", true, true)]) };
        assert_eq!(lint_on(&policy(&[]), &strict), [Lint::LengthBelowRule]);
        assert_eq!(lint_on(&policy(&[(Setting::PasswordLength, Value::Int(20))]), &strict), []);
        assert_eq!(lint_on(&policy(&[(Setting::PasswordComplexity, Value::Int(6))]), &strict), []);
    }

    #[test]
    fn every_finding_says_what_to_do() {
        for lint in Lint::ALL {
            assert!(lint.text().ends_with('.') && lint.remedy().ends_with('.'), "{lint:?}");
        }
    }
}

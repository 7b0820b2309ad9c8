use super::super::{Account, AutomaticAccount, Encryption, Principal, PrincipalError};
use super::*;
use crate::csp::{NODES, Node};

fn set(source: Source, values: &[(Setting, &str)]) -> PolicySet {
    let mut set = PolicySet::new(source);
    for (setting, text) in values {
        set.put(*setting, (*text).to_owned(), setting.info().parse(text, source));
    }
    set
}
fn csp(values: &[(Setting, &str)]) -> PolicySet {
    set(Source::Csp, values)
}
fn resolve(values: &[(Setting, &str)], join: JoinState) -> EffectivePolicy {
    EffectivePolicy::resolve(&[csp(values)], join)
}
/// An allowed value other than the default.
fn unusual(info: &SettingInfo) -> &'static str {
    match info.setting {
        Setting::BackupDirectory => "1",
        Setting::PasswordComplexity | Setting::PassphraseLength => "7",
        Setting::PostAuthenticationActions => "5",
        Setting::AutomaticAccountManagementTarget => "0",
        Setting::ADPasswordEncryptionPrincipal => "contoso\\admins",
        _ => match (info.format, info.default) {
            (super::super::Format::Bool, DefaultValue::Bool(true)) => "false",
            (super::super::Format::Bool, _) => "true",
            (super::super::Format::Int, _) => "12",
            (super::super::Format::Chr, _) => "someone",
        },
    }
}

/// The published table "Settings Applicability" (seeds/laps-csp.txt), row by row, with the nodes that it
/// omits (laps-behaviour.md 1.9): Azure-joined, hybrid-joined.
const APPLICABILITY: [(&str, bool, bool); 19] = [
    ("BackupDirectory", true, true),
    ("PasswordAgeDays", true, true),
    ("PasswordLength", true, true),
    ("PasswordComplexity", true, true),
    ("PasswordExpirationProtectionEnabled", false, true),
    ("AdministratorAccountName", true, true),
    ("ADPasswordEncryptionEnabled", false, true),
    ("ADPasswordEncryptionPrincipal", false, true),
    ("ADEncryptedPasswordHistorySize", false, true),
    ("PostAuthenticationResetDelay", true, true),
    ("PostAuthenticationActions", true, true),
    ("ResetPassword", true, true),
    ("ResetPasswordStatus", true, true),
    ("PassphraseLength", true, true),
    ("AutomaticAccountManagementEnabled", true, true),
    ("AutomaticAccountManagementTarget", true, true),
    ("AutomaticAccountManagementNameOrPrefix", true, true),
    ("AutomaticAccountManagementEnableAccount", true, true),
    ("AutomaticAccountManagementRandomizeName", true, true),
];

#[test]
fn published_applicability_row_by_row() {
    for (name, entra_joined, hybrid_joined) in APPLICABILITY {
        let node = NODES.into_iter().find(|node| node.name() == name).unwrap_or_else(|| panic!("{name} is a node"));
        let Node::Policy(setting) = node else {
            // the actions work wherever an account is managed
            for (join, directory) in [(JoinState::Entra, "1"), (JoinState::Hybrid, "1"), (JoinState::Hybrid, "2")] {
                let policy = resolve(&[(Setting::BackupDirectory, directory)], join);
                assert!(matches!(policy.management(), Management::Managed(_)), "{name}");
            }
            continue;
        };
        for (join, applies) in [(JoinState::Entra, entra_joined), (JoinState::Hybrid, hybrid_joined)] {
            let in_force_with = |directory: &str| {
                let mut values = vec![(Setting::BackupDirectory, directory)];
                if setting != Setting::BackupDirectory {
                    values.push((setting, unusual(setting.info())));
                }
                if setting == Setting::PassphraseLength {
                    values.push((Setting::PasswordComplexity, "6"));
                }
                if name.starts_with("AutomaticAccountManagement") {
                    values.push((Setting::AutomaticAccountManagementEnabled, "true"));
                }
                let policy = resolve(&values, join);
                let state = policy.setting(setting);
                assert_eq!(state.reason == Reason::Explicit, state.source == Some(Source::Csp), "{name}");
                state.reason == Reason::Explicit
            };
            // AD-only settings apply on hybrid-joined devices with BackupDirectory 2 only
            assert_eq!(in_force_with("2"), applies, "{name} on {join}, directory 2");
            let both = entra_joined && hybrid_joined;
            assert_eq!(in_force_with("1"), both, "{name} on {join}, directory 1");
        }
    }
}

#[test]
fn every_node_is_in_the_applicability_table() {
    for node in NODES {
        if node.format() != crate::csp::NodeFormat::Node {
            assert!(APPLICABILITY.iter().any(|(name, ..)| *name == node.name()), "{}", node.name());
        }
    }
}

#[test]
fn defaults_are_the_published_ones() {
    let policy = resolve(&[(Setting::BackupDirectory, "2")], JoinState::Hybrid);
    for (setting, default) in [
        (Setting::PasswordAgeDays, Some("30")),
        (Setting::PasswordLength, Some("14")),
        (Setting::PassphraseLength, Some("6")),
        (Setting::PasswordComplexity, Some("4")),
        (Setting::AdministratorAccountName, None),
        (Setting::PostAuthenticationResetDelay, Some("24")),
        (Setting::PostAuthenticationActions, Some("3")),
        (Setting::ADPasswordEncryptionEnabled, Some("true")),
        (Setting::ADPasswordEncryptionPrincipal, None),
        (Setting::ADEncryptedPasswordHistorySize, Some("0")),
        (Setting::ADBackupDSRMPassword, Some("false")),
        (Setting::PasswordExpirationProtectionEnabled, Some("true")),
        (Setting::AutomaticAccountManagementEnabled, Some("false")),
        (Setting::AutomaticAccountManagementTarget, Some("1")),
        (Setting::AutomaticAccountManagementNameOrPrefix, Some("WLapsAdmin")),
        (Setting::AutomaticAccountManagementEnableAccount, Some("false")),
        (Setting::AutomaticAccountManagementRandomizeName, Some("false")),
    ] {
        let value = policy.setting(setting).value.as_ref().map(Value::to_string);
        assert_eq!(value.as_deref(), default, "{setting}");
        assert_eq!(policy.setting(setting).source, None, "{setting}");
    }
    assert_eq!(policy.account(), Account::BuiltIn);
    assert_eq!(policy.password_spec(), crate::password::PasswordSpec::default());
    let nothing = resolve(&[], JoinState::Entra);
    assert_eq!(nothing.backup_directory(), BackupDirectory::Disabled);
    assert_eq!(nothing.management(), Management::NoPolicy);
    assert_eq!(nothing.source(), None);
}

#[test]
fn the_first_source_with_one_value_wins_whole() {
    let gpo = set(Source::Gpo, &[(Setting::BackupDirectory, "2"), (Setting::PasswordLength, "20")]);
    let local = set(Source::Local, &[(Setting::PasswordAgeDays, "9")]);
    let one = csp(&[(Setting::PostAuthenticationResetDelay, "8")]);
    let sets = [local.clone(), gpo.clone(), one];
    let policy = EffectivePolicy::resolve(&sets, JoinState::Hybrid);
    assert_eq!(policy.source(), Some(Source::Csp));
    assert_eq!(policy.overridden_sources(), [Source::Gpo, Source::Local]);
    assert_eq!(policy.management(), Management::Disabled, "nothing merges");
    let length = policy.setting(Setting::PasswordLength);
    assert_eq!(length.value, Some(Value::Int(14)));
    assert_eq!(length.overridden, [(Source::Gpo, Given::Value(Value::Int(20)))]);
    let policy = EffectivePolicy::resolve(&[local, gpo, csp(&[])], JoinState::Hybrid);
    assert_eq!(policy.source(), Some(Source::Gpo));
    assert_eq!(policy.password_age_days(), 30);
    assert_eq!(policy.management(), Management::Managed(BackupDirectory::Ad));
}

#[test]
fn a_bad_value_alone_makes_a_source_win() {
    let bad = set(Source::Gpo, &[(Setting::PasswordLength, "1000")]);
    let local = set(Source::Local, &[(Setting::BackupDirectory, "1")]);
    let policy = EffectivePolicy::resolve(&[bad, local], JoinState::Entra);
    assert_eq!(policy.source(), Some(Source::Gpo));
}

#[test]
fn a_bad_value_becomes_the_default_and_is_not_clamped() {
    let policy = resolve(
        &[
            (Setting::BackupDirectory, "1"),
            (Setting::PasswordLength, "65"),
            (Setting::PasswordComplexity, "9"),
            (Setting::PasswordAgeDays, "366"),
            (Setting::PostAuthenticationActions, "2"),
        ],
        JoinState::Entra,
    );
    for (setting, default) in [
        (Setting::PasswordLength, 14),
        (Setting::PasswordComplexity, 4),
        (Setting::PasswordAgeDays, 30),
        (Setting::PostAuthenticationActions, 3),
    ] {
        let state = policy.setting(setting);
        assert_eq!(state.value, Some(Value::Int(default)), "{setting}");
        assert!(matches!(state.reason, Reason::BadValue { .. }), "{setting}");
        assert_eq!(state.source, None);
    }
}

#[test]
fn a_short_age_with_entra_becomes_seven() {
    for (given, directory, join, age, raised) in [
        ("6", "1", JoinState::Entra, 7, Some(6)),
        ("1", "1", JoinState::Hybrid, 7, Some(1)),
        ("0", "1", JoinState::Entra, 7, Some(0)),
        ("7", "1", JoinState::Entra, 7, None),
        ("1", "2", JoinState::Hybrid, 1, None),
        ("0", "2", JoinState::Hybrid, 30, None),
    ] {
        let policy = resolve(&[(Setting::BackupDirectory, directory), (Setting::PasswordAgeDays, given)], join);
        assert_eq!(policy.password_age_days(), age, "{given} in {directory}");
        assert_eq!(policy.age_days_raised_from(), raised, "{given} in {directory}");
    }
}

#[test]
fn principal_and_history_are_ignored_while_encryption_is_off() {
    let with = |encrypted: &str, principal: &str| {
        resolve(
            &[
                (Setting::BackupDirectory, "2"),
                (Setting::ADPasswordEncryptionEnabled, encrypted),
                (Setting::ADPasswordEncryptionPrincipal, principal),
                (Setting::ADEncryptedPasswordHistorySize, "6"),
            ],
            JoinState::Hybrid,
        )
    };
    let off = with("false", "isolated");
    assert_eq!(off.encryption(), Ok(Encryption::Off), "even a bad principal");
    for setting in [Setting::ADPasswordEncryptionPrincipal, Setting::ADEncryptedPasswordHistorySize] {
        assert!(matches!(
            off.setting(setting).reason,
            Reason::Unused { given: Some(_), because: Unused::EncryptionOff }
        ));
    }
    assert_eq!(
        with("true", "LAPSAdmins@contoso.com").encryption(),
        Ok(Encryption::On { principal: Some(Principal::Upn("LAPSAdmins@contoso.com".into())), history_size: 6 })
    );
    assert_eq!(
        with("true", "isolated").encryption(),
        Err(PrincipalError::Isolated.into()),
        "an invalid principal aborts, it does not fall back"
    );
    assert!(with("true", &"x".repeat(200)).encryption().is_err());
    assert_eq!(with("true", "").encryption(), Ok(Encryption::On { principal: None, history_size: 6 }));
}

#[test]
fn what_depends_on_another_setting_is_unused_without_it() {
    let because = |values: &[(Setting, &str)], setting: Setting| match &resolve(values, JoinState::Hybrid)
        .setting(setting)
        .reason
    {
        Reason::Unused { because, .. } => Some(*because),
        _ => None,
    };
    let entra = (Setting::BackupDirectory, "1");
    assert_eq!(because(&[(Setting::PasswordLength, "20")], Setting::PasswordLength), Some(Unused::Disabled));
    assert_eq!(
        because(&[entra, (Setting::ADEncryptedPasswordHistorySize, "3")], Setting::ADEncryptedPasswordHistorySize),
        Some(Unused::Directory(BackupDirectory::Entra))
    );
    let words = [entra, (Setting::PasswordComplexity, "6"), (Setting::PasswordLength, "20")];
    assert_eq!(because(&words, Setting::PasswordLength), Some(Unused::Complexity(6)));
    assert_eq!(because(&words, Setting::PassphraseLength), None);
    let characters = [entra, (Setting::PassphraseLength, "9")];
    assert_eq!(because(&characters, Setting::PassphraseLength), Some(Unused::Complexity(4)));
    let manual = [entra, (Setting::AutomaticAccountManagementTarget, "0")];
    assert_eq!(because(&manual, Setting::AutomaticAccountManagementTarget), Some(Unused::AutomaticOff));
    let automatic =
        [entra, (Setting::AutomaticAccountManagementEnabled, "true"), (Setting::AdministratorAccountName, "someone")];
    assert_eq!(because(&automatic, Setting::AdministratorAccountName), Some(Unused::AutomaticOn));
}

#[test]
fn accounts() {
    let account = |values: &[(Setting, &str)]| {
        let mut all = vec![(Setting::BackupDirectory, "1")];
        all.extend_from_slice(values);
        resolve(&all, JoinState::Entra).account()
    };
    assert_eq!(account(&[(Setting::AdministratorAccountName, "")]), Account::BuiltIn, "a blank name is none");
    assert_eq!(account(&[(Setting::AdministratorAccountName, " admin ")]), Account::Named(" admin ".into()));
    assert_eq!(
        account(&[
            (Setting::AutomaticAccountManagementEnabled, "true"),
            (Setting::AutomaticAccountManagementRandomizeName, "True"),
        ]),
        Account::Automatic(AutomaticAccount {
            built_in: false,
            name_or_prefix: "WLapsAdmin".into(),
            randomize_name: true,
            enable: false
        })
    );
}

#[test]
fn post_authentication() {
    let of = |source, values: &[(Setting, &str)]| {
        let mut all = vec![(Setting::BackupDirectory, "1")];
        all.extend_from_slice(values);
        EffectivePolicy::resolve(&[set(source, &all)], JoinState::Entra).post_authentication()
    };
    let default = of(Source::Csp, &[]).unwrap();
    assert_eq!((default.delay_hours, default.number()), (24, 3));
    for (actions, sessions, restart, processes) in
        [("1", false, false, false), ("3", true, false, false), ("5", false, true, false), ("11", true, false, true)]
    {
        let got = of(Source::Csp, &[(Setting::PostAuthenticationActions, actions)]).unwrap();
        assert_eq!(got.number().to_string(), actions);
        assert_eq!((got.end_sessions, got.restart, got.end_processes), (sessions, restart, processes));
    }
    assert_eq!(of(Source::Csp, &[(Setting::PostAuthenticationResetDelay, "0")]), None);
    assert_eq!(of(Source::Gpo, &[(Setting::PostAuthenticationActions, "0")]), None);
    assert_eq!(
        resolve(&[(Setting::PasswordLength, "9")], JoinState::Entra).post_authentication(),
        None,
        "nothing is managed, nothing is done"
    );
}

#[test]
fn join_state_and_directory_must_fit() {
    for join in JoinState::ALL {
        for (number, directory) in [("1", BackupDirectory::Entra), ("2", BackupDirectory::Ad)] {
            let policy = resolve(&[(Setting::BackupDirectory, number)], join);
            let expected = match (join, join.allows(directory)) {
                (JoinState::DomainController, _) => Management::DomainController,
                (_, true) => Management::Managed(directory),
                (_, false) => Management::JoinStateDoesNotFit { directory, join },
            };
            assert_eq!(policy.management(), expected, "{join} {directory}");
            assert_eq!(policy.backup_directory(), directory, "in force all the same");
        }
    }
}

#[test]
fn a_domain_controller_manages_its_dsrm_account_only() {
    let gpo = set(
        Source::Gpo,
        &[
            (Setting::BackupDirectory, "2"),
            (Setting::ADBackupDSRMPassword, "true"),
            (Setting::AdministratorAccountName, "someone"),
            (Setting::ADPasswordEncryptionPrincipal, "contoso\\group"),
            (Setting::ADEncryptedPasswordHistorySize, "2"),
        ],
    );
    let policy = EffectivePolicy::resolve(std::slice::from_ref(&gpo), JoinState::DomainController);
    assert_eq!(policy.management(), Management::Dsrm);
    assert_eq!(policy.post_authentication(), None);
    assert_eq!(policy.encryption(), Ok(Encryption::On { principal: None, history_size: 2 }), "always Domain Admins");
    let member = EffectivePolicy::resolve(&[gpo], JoinState::Ad);
    assert!(!member.backs_up_dsrm());
}

#[test]
fn a_legacy_policy_has_its_own_defaults() {
    use super::super::{LegacyMachine, RegistryData, RegistryValues};
    let mut key = RegistryValues::new();
    key.set("AdmPwdEnabled", RegistryData::Dword(1));
    key.set("PasswordLength", RegistryData::Dword(20));
    let machine = LegacyMachine { join: JoinState::Ad, product_installed: false };
    let legacy = key.legacy_policy_set(machine).unwrap();
    let policy = EffectivePolicy::resolve(std::slice::from_ref(&legacy), JoinState::Ad);
    assert_eq!(policy.source(), Some(Source::Legacy));
    assert_eq!(policy.management(), Management::Managed(BackupDirectory::Ad));
    assert_eq!(policy.encryption(), Ok(Encryption::Off));
    assert!(!policy.protects_expiration());
    assert_eq!(policy.post_authentication(), None);
    assert_eq!(policy.password_spec().count(), 20);
    assert_eq!(policy.setting(Setting::BackupDirectory).reason, Reason::Implied);
    // the published way out of emulation: BackupDirectory 0 in the local configuration
    let local = set(Source::Local, &[(Setting::BackupDirectory, "0")]);
    let policy = EffectivePolicy::resolve(&[legacy, local], JoinState::Ad);
    assert_eq!(policy.source(), Some(Source::Local));
    assert_eq!(policy.management(), Management::Disabled);
}

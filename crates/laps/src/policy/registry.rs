//! Policy from registry values: group policy, local configuration and legacy LAPS on Windows, and what a
//! `registry.pol` brings.

use super::{
    info::SettingInfo,
    set::PolicySet,
    setting::Setting,
    source::{JoinState, Source},
    value::{Value, ValueError},
};
use std::collections::BTreeMap;

/// The data of a registry value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistryData {
    /// REG_DWORD.
    Dword(u32),
    /// REG_SZ, without its terminator.
    Sz(String),
    /// Another type (its number), or data that does not fit its type.
    Other(u32),
}

/// The values of one registry key. Names are kept without regard to ASCII case, as the registry does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryValues(BTreeMap<String, RegistryData>);

impl RegistryValues {
    /// A key without values.
    pub fn new() -> Self {
        Self::default()
    }
    /// Sets a value.
    pub fn set(&mut self, name: &str, data: RegistryData) {
        self.0.insert(name.to_ascii_lowercase(), data);
    }
    /// Deletes a value.
    pub fn delete(&mut self, name: &str) {
        self.0.remove(&name.to_ascii_lowercase());
    }
    /// Deletes all values.
    pub fn clear(&mut self) {
        self.0.clear();
    }
    /// A value.
    pub fn value(&self, name: &str) -> Option<&RegistryData> {
        self.0.get(&name.to_ascii_lowercase())
    }

    /// Reads them as a source of policy (laps-behaviour.md 2.2). Names that are no settings are passed
    /// over: the key may hold other things.
    pub fn policy_set(&self, source: Source) -> PolicySet {
        let mut set = PolicySet::new(source);
        for info in &super::TABLE {
            if let Some(data) = self.value(info.name) {
                put(&mut set, info, data, source);
            }
        }
        set
    }

    /// Reads them as the policy of legacy Microsoft LAPS (laps-behaviour.md 2.5).
    pub fn legacy_policy_set(&self, machine: LegacyMachine) -> Result<PolicySet, LegacyOff> {
        match self.value("AdmPwdEnabled") {
            None => return Err(LegacyOff::NotConfigured),
            Some(RegistryData::Dword(1)) => {}
            Some(_) => return Err(LegacyOff::NotEnabled),
        }
        if machine.join == JoinState::DomainController {
            return Err(LegacyOff::DomainController);
        }
        if machine.product_installed {
            return Err(LegacyOff::ProductInstalled);
        }
        let mut set = PolicySet::new(Source::Legacy);
        for info in &super::TABLE {
            if let Some(data) = info.legacy_name.and_then(|name| self.value(name)) {
                match (info.setting, data) {
                    // the legacy product knows 1 to 4 only
                    (Setting::PasswordComplexity, RegistryData::Dword(number @ 5..)) => {
                        let error = ValueError::OutOfRange { allowed: "1, 2, 3 or 4".to_owned() };
                        set.put(info.setting, number.to_string(), Err(error));
                    }
                    _ => put(&mut set, info, data, Source::Legacy),
                }
            }
        }
        set.imply(Setting::BackupDirectory, Value::Int(2));
        set.imply(Setting::ADPasswordEncryptionEnabled, Value::Bool(false));
        set.imply(Setting::ADEncryptedPasswordHistorySize, Value::Int(0));
        set.imply(Setting::PostAuthenticationResetDelay, Value::Int(0));
        Ok(set)
    }
}

/// What decides whether legacy LAPS is emulated, beside its policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyMachine {
    /// What the machine is.
    pub join: JoinState,
    /// Whether the legacy client extension is registered and its file exists.
    pub product_installed: bool,
}

/// Why a legacy policy is not emulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LegacyOff {
    /// There is none.
    #[error("there is no legacy LAPS policy")]
    NotConfigured,
    /// It is there and not enabled.
    #[error("the legacy LAPS policy is not enabled (AdmPwdEnabled)")]
    NotEnabled,
    /// The machine is a domain controller.
    #[error("legacy LAPS does not manage domain controllers")]
    DomainController,
    /// The legacy product is installed and does the work itself (event 10033).
    #[error("the legacy LAPS product is installed; it manages the account itself")]
    ProductInstalled,
}

fn put(set: &mut PolicySet, info: &SettingInfo, data: &RegistryData, source: Source) {
    match data {
        RegistryData::Dword(number) => {
            set.put(info.setting, number.to_string(), info.parse_dword(*number, source));
        }
        RegistryData::Sz(text) => {
            set.put(info.setting, text.clone(), info.parse_sz(text, source));
        }
        RegistryData::Other(number) => {
            let error = ValueError::WrongType { expected: info.format.registry_type() };
            set.put(info.setting, format!("(type {number})"), Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Given;
    use super::*;

    fn key(values: &[(&str, RegistryData)]) -> RegistryValues {
        let mut key = RegistryValues::new();
        for (name, data) in values {
            key.set(name, data.clone());
        }
        key
    }
    fn dword(number: u32) -> RegistryData {
        RegistryData::Dword(number)
    }
    fn sz(text: &str) -> RegistryData {
        RegistryData::Sz(text.to_owned())
    }

    #[test]
    fn every_setting_is_read_from_its_value_of_its_type() {
        for info in &super::super::TABLE {
            let (good, wrong) = match info.format {
                super::super::Format::Chr => (sz("x"), dword(1)),
                _ => (dword(info.legal_number()), sz("1")),
            };
            let read = key(&[(&info.name.to_uppercase(), good)]).policy_set(Source::Gpo);
            assert!(matches!(read.get(info.setting), Some(Given::Value(_))), "{}", info.name);
            let read = key(&[(info.name, wrong)]).policy_set(Source::Gpo);
            assert!(
                matches!(read.get(info.setting), Some(Given::Bad { error: ValueError::WrongType { .. }, .. })),
                "{}",
                info.name
            );
        }
    }

    impl SettingInfo {
        fn legal_number(&self) -> u32 {
            match &self.allowed {
                super::super::Allowed::Range { max, .. } => *max,
                _ => 1,
            }
        }
    }

    #[test]
    fn other_names_do_not_make_a_policy() {
        let read = key(&[("Something", dword(1))]).policy_set(Source::Local);
        assert!(read.is_empty());
    }

    const MEMBER: LegacyMachine = LegacyMachine { join: JoinState::Ad, product_installed: false };

    #[test]
    fn legacy_values_map_to_settings() {
        let read = key(&[
            ("AdmPwdEnabled", dword(1)),
            ("AdminAccountName", sz("localadmin")),
            ("PasswordComplexity", dword(3)),
            ("PasswordLength", dword(20)),
            ("PasswordAgeDays", dword(14)),
            ("PwdExpirationProtectionEnabled", dword(1)),
        ])
        .legacy_policy_set(MEMBER)
        .unwrap();
        for (setting, given) in [
            (Setting::AdministratorAccountName, Given::Value(Value::Text("localadmin".into()))),
            (Setting::PasswordComplexity, Given::Value(Value::Int(3))),
            (Setting::PasswordLength, Given::Value(Value::Int(20))),
            (Setting::PasswordAgeDays, Given::Value(Value::Int(14))),
            (Setting::PasswordExpirationProtectionEnabled, Given::Value(Value::Bool(true))),
            (Setting::BackupDirectory, Given::Implied(Value::Int(2))),
            (Setting::ADPasswordEncryptionEnabled, Given::Implied(Value::Bool(false))),
        ] {
            assert_eq!(read.get(setting), Some(&given), "{setting}");
        }
        let read =
            key(&[("AdmPwdEnabled", dword(1)), ("PasswordComplexity", dword(6))]).legacy_policy_set(MEMBER).unwrap();
        assert!(matches!(read.get(Setting::PasswordComplexity), Some(Given::Bad { .. })));
    }

    #[test]
    fn when_legacy_is_not_emulated() {
        let on = key(&[("AdmPwdEnabled", dword(1))]);
        assert_eq!(key(&[("PasswordLength", dword(9))]).legacy_policy_set(MEMBER), Err(LegacyOff::NotConfigured));
        assert_eq!(key(&[("AdmPwdEnabled", dword(0))]).legacy_policy_set(MEMBER), Err(LegacyOff::NotEnabled));
        assert_eq!(
            on.legacy_policy_set(LegacyMachine { product_installed: true, ..MEMBER }),
            Err(LegacyOff::ProductInstalled)
        );
        assert_eq!(
            on.legacy_policy_set(LegacyMachine { join: JoinState::DomainController, ..MEMBER }),
            Err(LegacyOff::DomainController)
        );
    }
}

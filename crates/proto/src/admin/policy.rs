//! Policies: editing from the table of settings, history, preview, rings.

use crate::serde_text;
use laps::{
    id::DeviceId,
    policy::{Allowed, Condition, DefaultValue, SettingInfo, Source},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A setting as a form shows it: everything that the one table says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingDescription {
    /// The published name.
    pub name: String,
    /// A short label.
    pub label: String,
    /// One sentence of help.
    pub help: String,
    /// What else there is to know, one fact each.
    pub notes: Vec<String>,
    /// `int`, `bool`, `chr`.
    pub format: String,
    /// What is allowed, in words.
    pub allowed: String,
    /// The least number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
    /// The greatest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// The most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chars_max: Option<usize>,
    /// The values to choose from, with what they mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<SettingValue>,
    /// The default as a value; absent when the setting has its meaning by being absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The default in words.
    pub default_text: String,
    /// What its number counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What other settings must be for it to have effect, or for a narrower range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<SettingDependency>,
    /// It means something when the server is the backup directory (BackupDirectory 1).
    pub entra: bool,
    /// It means something when Active Directory is (BackupDirectory 2).
    pub ad: bool,
}

/// A value to choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SettingValue {
    /// The value.
    pub value: Value,
    /// What it means.
    pub meaning: String,
}

/// What another setting must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingDependency {
    /// The other setting.
    pub on: String,
    /// What it must be, in words.
    pub condition: String,
    /// The range that holds then, when the dependency narrows it; else there is no effect without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<(u32, u32)>,
}

impl SettingDescription {
    /// What a policy of the server can set: the settings that are nodes of the CSP, in the order of the table.
    pub fn table() -> Vec<Self> {
        laps::policy::Setting::in_csp().map(|setting| Self::of(setting.info())).collect()
    }

    fn of(info: &SettingInfo) -> Self {
        let (min, max) = match info.allowed {
            Allowed::Range { min, max } => (Some(min), Some(max)),
            _ => (None, None),
        };
        let value = |value: Value, meaning: &str| SettingValue { value, meaning: meaning.to_owned() };
        Self {
            name: info.name.to_owned(),
            label: info.label.to_owned(),
            help: info.help.to_owned(),
            notes: info.notes.iter().map(|note| (*note).to_owned()).collect(),
            format: info.format.dm_name().to_owned(),
            allowed: info.allowed_text(Source::Csp),
            min,
            max,
            chars_max: info.chars_max(),
            values: match &info.allowed {
                Allowed::Enum(list) => {
                    list.iter().filter(|item| item.in_csp).map(|item| value(item.value.into(), item.meaning)).collect()
                }
                Allowed::Bool { no, yes, .. } => vec![value(false.into(), no), value(true.into(), yes)],
                Allowed::Range { .. } | Allowed::Text { .. } => Vec::new(),
            },
            default: match info.default {
                DefaultValue::Int(number) => Some(number.into()),
                DefaultValue::Bool(yes) => Some(yes.into()),
                DefaultValue::Text(text) => Some(text.into()),
                DefaultValue::Absent(_) => None,
            },
            default_text: match info.default {
                DefaultValue::Int(number) => number.to_string(),
                DefaultValue::Bool(yes) => yes.to_string(),
                DefaultValue::Text(text) => text.to_owned(),
                DefaultValue::Absent(meaning) => format!("none: {meaning}"),
            },
            unit: info.unit.map(str::to_owned),
            dependencies: info
                .dependencies
                .iter()
                .map(|dependency| SettingDependency {
                    on: dependency.on.name().to_owned(),
                    condition: match dependency.condition {
                        Condition::Is(number) => format!("is {number}"),
                        Condition::IsTrue => "is true".to_owned(),
                        Condition::Within(from, to) => format!("is from {from} to {to}"),
                    },
                    range: dependency.range,
                })
                .collect(),
            entra: info.entra,
            ad: info.ad,
        }
    }
}

/// A change of a policy's settings. Values may be texts: they are read as the table says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PolicyEdit {
    /// Settings that get a value, by their CSP names.
    pub set: Map<String, Value>,
    /// Settings that are no longer set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
    /// The version that the change was made from; refused when another one was made since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The version that a policy goes back to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollBack {
    /// The version whose values the new one has.
    pub version: u32,
}

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVersion {
    /// Its number.
    pub version: u32,
    /// Its name then.
    pub name: String,
    /// Its settings.
    pub settings: Map<String, Value>,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub changed_date_time: Timestamp,
    /// By whom, as far as the audit log still says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
    /// What differs from the version before.
    pub changes: Vec<SettingChange>,
}

/// A setting that differs between two policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingChange {
    /// Its name.
    pub setting: String,
    /// Before; absent when it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// After; absent when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

impl SettingChange {
    /// What differs, in the order of names.
    pub fn between(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Self> {
        let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .filter(|name| before.get(*name) != after.get(*name))
            .map(|name| Self { setting: name.clone(), from: before.get(name).cloned(), to: after.get(name).cloned() })
            .collect()
    }
}

/// What to look at before a policy is sent: a stored policy, one of its versions, or other settings for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PreviewRequest {
    /// The policy by id or name; absent for one that does not exist yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// One of its versions; the newest when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// These settings instead of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
    /// On the devices of this group, as if it were assigned to it; on those that have the policy when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What a policy would do on the devices that it is for, by what they told about themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyPreview {
    /// Devices that it is for and that were looked at.
    pub devices: u64,
    /// There are more; so many were looked at.
    pub more: bool,
    /// Devices that have told nothing about themselves, so that nothing is known of them.
    pub unknown: u64,
    /// Devices that are disabled: nothing is sent to them.
    pub disabled: u64,
    /// Devices on which exactly this is in force.
    pub unchanged: u64,
    /// Devices that would take it and change, as far as is known.
    pub would_change: u64,
    /// Devices that would refuse it, or on which it would have no effect.
    pub would_refuse: u64,
    /// Devices whose delivery would be held, because policies disagree on them.
    pub would_hold: u64,
    /// Devices that somebody would be locked out of.
    pub locked_out: u64,
    /// Why, the most devices first.
    pub causes: Vec<PreviewCause>,
    /// Versions of agents, and how many devices have them.
    pub agents: BTreeMap<String, u64>,
}

/// Why devices would not do as a policy says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PreviewCause {
    /// `refused`, `held`, `locked_out`, `warning`.
    pub kind: String,
    /// Stable code.
    pub code: String,
    /// In a few words: `minimum length 16`.
    pub summary: String,
    /// The setting that brings it about.
    pub setting: String,
    /// What happens.
    pub text: String,
    /// What to do.
    pub remedy: String,
    /// On how many devices.
    pub devices: u64,
    /// Names of some, at most 5.
    pub names: Vec<String>,
}

/// One ring of a plan: exactly one of `percent` and `groups`, and one of the two limits, is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ring {
    /// So many of a hundred devices, those of the rings before included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// The members of these groups, by id or name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Hours before the next ring is reached.
    pub soak_hours: u32,
    /// More failing devices halt the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures_max: Option<u32>,
    /// More failing devices of a hundred that were reached halt the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures_percent_max: Option<u8>,
}

/// In which order new versions of a policy reach its devices; none: all at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingPlan {
    /// The rings; whoever is in none comes after the last.
    pub rings: Vec<Ring>,
}

/// How a version does that goes by rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The policy's name.
    pub policy: String,
    /// The version that devices keep until they are reached; 0 when they had none.
    pub former: u32,
    /// The version that goes by rings.
    pub wanted: u32,
    /// `running`, `halted`, `complete`, `rolled_back`.
    pub state: String,
    /// The rings, in their order.
    pub rings: Vec<Ring>,
    /// The last ring that was reached, from 1.
    pub ring: u32,
    /// Since when.
    #[serde(with = "serde_text::time")]
    pub ring_date_time: Timestamp,
    /// When the soak time of that ring is over.
    #[serde(with = "serde_text::time")]
    pub soaked_date_time: Timestamp,
    /// When it began.
    #[serde(with = "serde_text::time")]
    pub started_date_time: Timestamp,
    /// Why it stands so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// Devices of the rings that were reached.
    pub reached: u64,
    /// Those that took the version whole, without an error since.
    pub taken: u64,
    /// Those that refused it, are held, or had an error since.
    pub failed: u64,
    /// Names of failing devices, at most 20.
    pub failing: Vec<String>,
    /// The same for each ring, in their order; one more for the devices that no ring takes in.
    #[serde(default)]
    pub counts: Vec<RingCounts>,
}

/// How a version does in one ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingCounts {
    /// Devices of the ring that the policy is for.
    pub devices: u64,
    /// Those that took the version whole, without an error since.
    pub taken: u64,
    /// Those that refused it, are held, or had an error since.
    pub failed: u64,
}

/// A device whose delivery is held because policies disagree on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDevice {
    /// The device.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Which settings, and which policies say what about them.
    pub held: Value,
}

/// One setting on one device: what is assigned, what was sent, how the device answered, what is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceSetting {
    /// The setting.
    pub setting: String,
    /// The value that is assigned; of a conflict that of the first policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned: Option<Value>,
    /// The policies that assign it, with their versions: `Base (version 3)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// They disagree.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub conflict: bool,
    /// The value that was sent last; `null` for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Value>,
    /// The device's SyncML status for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The value of the last delivery that the device took whole; absent when another source rules on the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_force: Option<Value>,
    /// One word: `in_force`, `conflict`, `not_sent`, `sent`, `refused`, `leaving`; `overridden` when the device took it and
    /// another source rules there.
    pub state: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_says_everything_that_a_form_needs() {
        let table = SettingDescription::table();
        assert_eq!(table.len(), 17);
        let named = |name: &str| table.iter().find(|one| one.name == name).unwrap();
        let length = named("PasswordLength");
        assert_eq!((length.min, length.max, &length.default), (Some(8), Some(64), &Some(json!(14))));
        assert_eq!(named("BackupDirectory").values.len(), 3);
        assert!(named("AdministratorAccountName").default.is_none());
        assert!(table.iter().all(|one| !one.help.is_empty() && !one.label.is_empty() && !one.allowed.is_empty()));
        assert!(table.iter().any(|one| !one.dependencies.is_empty()));
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<Vec<SettingDescription>>(&text).unwrap(), table);
    }

    #[test]
    fn a_difference_names_what_changed() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let changes = SettingChange::between(&map(json!({"a": 1, "b": 2})), &map(json!({"b": 3, "c": 4})));
        let named: Vec<_> = changes.iter().map(|change| (change.setting.as_str(), &change.from, &change.to)).collect();
        assert_eq!(
            named,
            [("a", &Some(json!(1)), &None), ("b", &Some(json!(2)), &Some(json!(3))), ("c", &None, &Some(json!(4)))]
        );
    }
}

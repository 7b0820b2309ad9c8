//! Policies, what devices took of them, explanations, the audit log.

use crate::serde_text;
use laps::{
    id::{DeviceId, GroupId, PolicyId, SignInId, VersionId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A policy to make, or a new version of the policy of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyImport {
    /// Its name; 1 to 120 characters, unique without case.
    pub name: String,
    /// The settings by their CSP names (`BackupDirectory`, …): numbers, booleans, texts.
    pub settings: Map<String, Value>,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its id.
    #[serde(with = "serde_text::text")]
    pub id: PolicyId,
    /// Its name.
    pub name: String,
    /// 1 for the first, one more for each change.
    pub version: u32,
    /// The settings by their CSP names.
    pub settings: Map<String, Value>,
    /// The groups that it is assigned to, by name; `all` for all devices.
    pub groups: Vec<String>,
    /// The groups that it does not apply to, whatever else brings it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// When this version was made.
    #[serde(with = "serde_text::time")]
    pub changed_date_time: Timestamp,
    /// In the answer to an assignment: what it does on the devices of the group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<LintFinding>,
}

/// Assign or unassign a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assign {
    /// The group by id or name, or `all`.
    pub group: String,
    /// Assign it although it locks somebody out.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub confirmed: bool,
}

impl Assign {
    /// To a group, unless it locks somebody out.
    pub fn to(group: impl Into<String>) -> Self {
        Self { group: group.into(), confirmed: false }
    }
}

/// A policy to judge before it is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LintRequest {
    /// The settings by their CSP names.
    pub settings: Map<String, Value>,
    /// The policy of this name has them: a device has its other policies beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The group by id or name, or `all`.
    pub group: String,
}

/// What a policy would do on the devices of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintReport {
    /// Devices of the group that were looked at.
    pub devices: u64,
    /// How many of them have not told about themselves, so that nothing is known of them.
    pub unknown: u64,
    /// What was found, the gravest first.
    pub findings: Vec<LintFinding>,
}

/// Something that a policy does and its author may not want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LintFinding {
    /// Stable code.
    pub code: String,
    /// `error`, `warning`, `note`.
    pub severity: String,
    /// The setting that brings it about.
    pub setting: String,
    /// What happens.
    pub text: String,
    /// What to do next.
    pub remedy: String,
    /// On how many devices; absent when it holds on every machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<u64>,
    /// Names of some of them, at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl From<laps::policy::Lint> for LintFinding {
    fn from(lint: laps::policy::Lint) -> Self {
        Self {
            code: lint.code().to_owned(),
            severity: lint.severity().as_str().to_owned(),
            setting: lint.setting().name().to_owned(),
            text: lint.text().to_owned(),
            remedy: lint.remedy().to_owned(),
            devices: None,
            names: Vec::new(),
        }
    }
}

/// What a device said about itself last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceStatus {
    /// When something in it last changed.
    #[serde(with = "serde_text::time_option")]
    pub changed_date_time: Option<Timestamp>,
    /// The managed account, as it is named on the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `usable`, `disabled`, `expired`, `no_login_shell`, `not_administrator`, `missing`.
    pub usability: String,
    /// In what the account is not as it was set: words of rotation.md 10.
    pub drift: Vec<String>,
    /// The device holds repair of drift.
    pub repair_held: bool,
    /// Since when it counts as forked.
    #[serde(with = "serde_text::time_option")]
    pub forked_date_time: Option<Timestamp>,
    /// Two forks in 7 days: a clone, or a stolen identity.
    pub clone_suspected: bool,
    /// Its last error: event, code and text, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Something that happened to a device, seen by the server or told by the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEvent {
    /// Its place in the server's order.
    pub sequence: u64,
    /// When, by the server's clock.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
    /// What: `forked`, `clone_suspected`, `unknown_verifier`, `drift`, `repair_held`, …
    pub kind: String,
    /// More about it.
    pub detail: Value,
}

/// What policy a device has, and how it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevicePolicy {
    /// The policies that apply by assignment.
    pub assigned: Vec<Policy>,
    /// The source of policy that rules on the device, as it told: `csp` (what is delivered here), `gpo`, `local`,
    /// `legacy`. Absent when none has a value there, and when it never reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it told that.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub source_date_time: Option<Timestamp>,
    /// The last delivery that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<DeliveredPolicy>,
    /// The last delivery that the device took whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<DeliveredPolicy>,
    /// Why nothing new is sent: a conflict of policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Value>,
    /// Every setting that is assigned, was sent or is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<super::DeviceSetting>,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveredPolicy {
    /// Its place in the server's order.
    pub sequence: u64,
    /// When it was first sent.
    #[serde(with = "serde_text::time")]
    pub sent_date_time: Timestamp,
    /// When the device answered for all of it.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub answered_date_time: Option<Timestamp>,
    /// The wanted state that was sent.
    pub values: Value,
    /// The device's answer for every setting.
    pub statuses: Vec<SettingStatus>,
}

/// A device's answer for one setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingStatus {
    /// The node.
    pub uri: String,
    /// The SyncML status.
    pub status: u16,
}

/// A version of a password, without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// The version.
    #[serde(with = "serde_text::text")]
    pub id: VersionId,
    /// The device object that stored it.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// The account's lasting id.
    pub account_id: String,
    /// The account's name.
    pub account_name: String,
    /// `pending`, `current`, `superseded`, `abandoned`.
    pub state: String,
    /// Its place in the server's order.
    pub sequence: u64,
    /// `verifier` or `pam`, once proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// When it was stored.
    #[serde(with = "serde_text::time")]
    pub stored_date_time: Timestamp,
    /// When it was proven.
    #[serde(with = "serde_text::time_option")]
    pub proven_date_time: Option<Timestamp>,
    /// When it is due.
    #[serde(with = "serde_text::time_option")]
    pub expiration_date_time: Option<Timestamp>,
    /// Part of the live set.
    pub live: bool,
    /// Reported as installed.
    pub installed: bool,
    /// No longer rotated.
    pub released: bool,
}

/// A sign-in with the managed account, as the device told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasswordUse {
    /// Which.
    #[serde(with = "serde_text::text")]
    pub id: SignInId,
    /// The version whose password was used.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
    /// Name of the account.
    pub account_name: String,
    /// What asked for the password: `login`, `sshd`, `su`, ….
    pub service: String,
    /// From where, as the device knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When, by the device's clock.
    #[serde(with = "serde_text::time")]
    pub signed_in_date_time: Timestamp,
    /// When the device changes the password for it, by its clock; absent when policy lets nothing follow.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub deadline_date_time: Option<Timestamp>,
    /// When the server was told.
    #[serde(with = "serde_text::time")]
    pub reported_date_time: Timestamp,
    /// Who read that password last, when, and in which record; absent when nobody is known to have read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// Another password is installed by now.
    pub changed_since: bool,
}

/// An audit record as it is chained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its chain.
    pub chain: String,
    /// Its place in the chain.
    pub sequence: u64,
    /// When.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
    /// Entra's name of what was done.
    pub activity: String,
    /// `success` or `failure`.
    pub outcome: String,
    /// Who, for people.
    pub actor: String,
    /// To what.
    pub targets: Vec<AuditTarget>,
    /// Its hash, 64 hexadecimal digits.
    pub hash: String,
    /// More, as the record holds it.
    pub detail: Value,
}

/// To what something was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditTarget {
    /// `device`, `user`, …
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// The signed head of an audit chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The chain.
    pub chain: String,
    /// The last record's place.
    pub sequence: u64,
    /// The last record's hash, 64 hexadecimal digits.
    pub hash: String,
    /// The signed head as text, as devices keep it.
    pub signed: String,
    /// The public key that checks it: an uncompressed P-256 point, 130 hexadecimal digits.
    pub public_key: String,
}

/// A group named in a body: by id, by name, or all devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    /// All devices.
    All,
    /// By id.
    Id(GroupId),
    /// By name.
    Name(String),
}

impl GroupName {
    /// Reads it.
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case(super::ALL_DEVICES) {
            return Self::All;
        }
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

//! Coverage of the fleet, escrow, and the life of devices.

use crate::serde_text;
use laps::{id::DeviceId, time::Timestamp};
use serde::{Deserialize, Serialize};

/// How many devices lack a password, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Coverage {
    /// When it was made.
    #[serde(with = "serde_text::time_option")]
    pub made_date_time: Option<Timestamp>,
    /// Enabled and disabled devices that the caller reaches.
    pub devices: u64,
    /// Of these: with a password that is proven.
    pub proven: u64,
    /// With one that is stored and not proven.
    pub only_stored: u64,
    /// With none but that of a former device object.
    pub of_predecessor: u64,
    /// Without any.
    pub lacking: u64,
    /// The first broken link of each device, most devices first; devices of which none is broken are not in it.
    pub causes: Vec<CoverageCause>,
    /// Ages of proven passwords, youngest first.
    pub ages: Vec<CoverageAge>,
    /// From the request to rotate until the proof that met it, of the last 90 days.
    pub rotation_latency: Latency,
    /// From the store until the proof, of the passwords in force.
    pub proof_latency: Latency,
}

/// How many devices have a cause.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CoverageCause {
    /// Stable code of `explain`.
    pub code: String,
    /// Devices with it.
    pub devices: u64,
    /// Of these: without any password.
    pub lacking: u64,
    /// The cause, as it was said of one of them.
    pub cause: String,
    /// What to do next.
    pub remedy: String,
    /// Where the documentation says more.
    pub page: String,
}

/// How many passwords have an age.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CoverageAge {
    /// From so many days.
    pub days_from: u32,
    /// To less than so many; absent for the oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_below: Option<u32>,
    /// Passwords.
    pub devices: u64,
}

/// How long something took, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Latency {
    /// How many there were.
    pub count: u64,
    /// Half of them took at most this.
    pub p50_s: u64,
    /// 90 of 100.
    pub p90_s: u64,
    /// 99 of 100.
    pub p99_s: u64,
    /// The longest.
    pub max_s: u64,
}

/// A device with a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverageDevice {
    /// Its id.
    #[serde(with = "serde_text::text")]
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Stable code of `explain`.
    pub code: String,
    /// It has no password at all.
    pub lacks: bool,
    /// What is the matter.
    pub cause: String,
    /// What to do next.
    pub remedy: String,
    /// When it was heard of last.
    #[serde(default, with = "serde_text::time_option")]
    pub last_seen_date_time: Option<Timestamp>,
    /// When its password was proven.
    #[serde(default, with = "serde_text::time_option")]
    pub proven_date_time: Option<Timestamp>,
    /// When it is due.
    #[serde(default, with = "serde_text::time_option")]
    pub expiration_date_time: Option<Timestamp>,
}

/// An object that a machine may have had before it joined again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its id.
    #[serde(with = "serde_text::text")]
    pub id: DeviceId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Its operating system.
    pub operating_system: String,
    /// The system is the same as the new object's.
    pub same_system: bool,
    /// It said that it is the same machine (by the system's own number) as the new object.
    #[serde(default)]
    pub same_hardware: bool,
    /// A password of it can be read.
    pub has_password: bool,
    /// When it joined.
    #[serde(with = "serde_text::time")]
    pub registered_date_time: Timestamp,
    /// When it was heard of last: before the new one joined.
    #[serde(default, with = "serde_text::time_option")]
    pub last_seen_date_time: Option<Timestamp>,
}

/// An escrow export to make. Exactly one of `devices`, `group` and `all` says of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ExportRequest {
    /// age recipients (`age1…`), 1 to 16.
    pub recipients: Vec<String>,
    /// Ids of devices, at most 1,000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// A group of devices, by id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Every device, tombstones included.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub all: bool,
    /// Former passwords too.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub history: bool,
}

/// That somebody opened an archive; holds no password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drill {
    /// The archive's id.
    pub export: String,
    /// What stands only inside.
    pub proof: String,
    /// Devices that it holds.
    pub devices: u64,
    /// Passwords that it holds, each of which was read.
    pub versions: u64,
}

/// How escrow stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EscrowState {
    /// The newest exports, newest first, at most 20.
    pub exports: Vec<ExportSummary>,
    /// The key that archives are signed with: an uncompressed point of P-256, 130 hexadecimal digits.
    pub public_key: String,
    /// Recipients of the scheduled export.
    pub recipients: Vec<String>,
    /// Days between two scheduled exports; 0 is never.
    pub interval_days: u32,
    /// What a person should do, until it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<EscrowWarning>,
}

/// A warning about escrow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EscrowWarning {
    /// `escrow_none`, `escrow_not_drilled`, `escrow_drill_old`, `escrow_new_recipients`.
    pub code: String,
    /// What is the matter.
    pub text: String,
    /// What to do next.
    pub remedy: String,
}

/// An export, as the server remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportSummary {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub made_date_time: Timestamp,
    /// By whom.
    pub made_by: String,
    /// The server made it by itself.
    pub scheduled: bool,
    /// age recipients.
    pub recipients: Vec<String>,
    /// Devices in it.
    pub devices: u64,
    /// Passwords in it.
    pub versions: u64,
    /// When it was shown last that it opens.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub drilled_date_time: Option<Timestamp>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drilled_by: Option<String>,
}

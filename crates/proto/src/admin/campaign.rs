//! Campaigns: rotations of many devices, and the revocation of what a person was given.

use crate::serde_text;
use laps::{
    id::{CampaignId, DeviceId, PrincipalId, VersionId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// Devices that one request may name.
pub const CAMPAIGN_DEVICES_MAX: usize = 5_000;
/// Characters of a reason.
pub const REASON_CHARS_MAX: usize = 500;

/// Rotate many devices now: exactly one of `devices`, `group` and `all` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewCampaign {
    /// These devices, by id, at most [`CAMPAIGN_DEVICES_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// The devices of this group, by id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Every device in reach.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub all: bool,
    /// Why, at most [`REASON_CHARS_MAX`] characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Rotate everything that a person was given between two times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewRevocation {
    /// A user or a service principal: id, sign-in name or shown name; one that was deleted too.
    pub person: String,
    /// Only what was read from then on.
    #[serde(with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Only what was read before.
    #[serde(with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why, at most [`REASON_CHARS_MAX`] characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What a revocation would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevocationPreview {
    /// Whose reads are meant: the person and the programs that the person made.
    pub readers: Vec<Reader>,
    /// Devices of which something was disclosed.
    pub devices: u64,
    /// Of these, how many need nothing: a later version was proven.
    pub safe: u64,
    /// How many would be asked to rotate.
    pub to_rotate: u64,
    /// How many cannot be asked: disabled, deleted, backed up in Active Directory, …
    pub refused: u64,
    /// Names of some that would be asked, at most 20.
    pub names: Vec<String>,
}

/// Call a campaign off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CancelCampaign {
    /// Why, at most [`REASON_CHARS_MAX`] characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Somebody whose reads a revocation takes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reader {
    /// The principal.
    #[serde(with = "serde_text::text")]
    pub id: PrincipalId,
    /// Its name, as far as it is still known.
    pub name: String,
    /// It can still sign in; absent when it is not there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A rotation of many devices that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Campaign {
    /// Its id.
    #[serde(with = "serde_text::text")]
    pub id: CampaignId,
    /// `devices`, `group`, `all`, `revoke`.
    pub kind: String,
    /// What it is about, for people: a group's name, a person's name.
    pub about: String,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// Of a revocation: whose reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readers: Vec<Reader>,
    /// Of a revocation: reads from then on.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Of a revocation: reads before.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was asked for.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
    /// When all its devices were known.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub gathered_date_time: Option<Timestamp>,
    /// When no device was open any more.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub completed_date_time: Option<Timestamp>,
    /// When it was called off.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub cancelled_date_time: Option<Timestamp>,
    /// Who called it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// How many devices are in each state.
    pub counts: CampaignCounts,
}

/// How many devices of a campaign are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignCounts {
    /// Nothing that was disclosed opens them any more: nothing was asked.
    pub safe: u64,
    /// Not asked yet.
    pub waiting: u64,
    /// Asked; away ones stay here.
    pub requested: u64,
    /// A version that was stored after the request was proven.
    pub proven: u64,
    /// Cannot be asked.
    pub refused: u64,
    /// Not there any more.
    pub gone: u64,
    /// The campaign was called off before they had a new password.
    #[serde(default)]
    pub cancelled: u64,
}

impl CampaignCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.safe + self.waiting + self.requested + self.proven + self.refused + self.gone + self.cancelled
    }
}

/// A device of a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignDevice {
    /// The device.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// `safe`, `waiting`, `requested`, `proven`, `refused`, `gone`, `cancelled`.
    pub state: String,
    /// Why, as a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The place of its request in the server's order: met by the proof of a version stored after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// The version that met it.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionId>,
    /// Since when it is so.
    #[serde(with = "serde_text::time")]
    pub changed_date_time: Timestamp,
    /// Its last contact.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub last_seen_date_time: Option<Timestamp>,
}

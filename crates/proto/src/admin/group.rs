//! Groups of devices.

use crate::serde_text;
use laps::{id::GroupId, time::Timestamp};
use serde::{Deserialize, Serialize};

/// A group to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewGroup {
    /// Its name; 1 to 120 characters, unique without case.
    pub name: String,
    /// Its members are the devices that fit this; absent: those that are put in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<GroupFilter>,
}

/// A change of a group; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupChange {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Another filter; only for a group that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<GroupFilter>,
}

/// Which devices a filtered group has: those that fit every part that is there. Patterns are compared whole and
/// without case: `*` any characters, `?` one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct GroupFilter {
    /// Pattern of the device's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Pattern of the operating system with its version, such as `debian*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Pattern of the agent's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Joined then or later.
    #[serde(with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub joined_from: Option<Timestamp>,
    /// Joined before.
    #[serde(with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub joined_until: Option<Timestamp>,
}

/// A group of devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its id.
    #[serde(with = "serde_text::text")]
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Its members are the devices that fit this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<GroupFilter>,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
}

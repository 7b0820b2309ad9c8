//! Who may read what, and by which path.

use super::GroupFilter;
use crate::serde_text;
use laps::id::{DeviceId, GroupId, PrincipalId, RoleId};
use serde::{Deserialize, Serialize};

/// Whether somebody may read a device's password, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadAccess {
    /// Who.
    #[serde(with = "serde_text::text")]
    pub principal: PrincipalId,
    /// The sign-in name, or a program's shown name.
    pub name: String,
    /// `user` or `servicePrincipal`.
    pub kind: String,
    /// The device.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// Its name.
    pub device_name: String,
    /// Whether they may.
    pub may_read: bool,
    /// In one sentence.
    pub because: String,
    /// What rules of the device's groups ask for beside the right, each in a few words: a reason, a ticket, an
    /// approval. Empty when they ask for nothing, and of who may not read anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<String>,
    /// Everything that they have and that bears on it: what opens the way, and what does not and why.
    pub paths: Vec<AccessPath>,
}

/// One thing that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessPath {
    /// Whether it opens the way.
    pub allows: bool,
    /// In one sentence.
    pub because: String,
    /// The role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The role's id.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub role_id: Option<RoleId>,
    /// The application permission of a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// The group that the role is for; absent: the whole tenant.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_name: Option<String>,
    /// The filter that the group's members follow from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<GroupFilter>,
}

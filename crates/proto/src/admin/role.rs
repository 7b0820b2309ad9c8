//! Roles.

use crate::serde_text;
use laps::id::RoleId;
use serde::{Deserialize, Serialize};

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Its id; a built-in one's template id, which is Entra's where Entra has the role.
    #[serde(with = "serde_text::text")]
    pub id: RoleId,
    /// Its name.
    pub display_name: String,
    /// Whether it is one that cannot be changed.
    pub is_built_in: bool,
    /// What it allows, by the names of the actions.
    pub actions: Vec<String>,
}

/// A role to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewRole {
    /// Its name; 1 to 120 characters, unique without case, not that of a built-in role.
    pub display_name: String,
    /// What it allows, by the names of the actions.
    pub actions: Vec<String>,
}

/// A change of a role; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RoleChange {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<String>>,
}

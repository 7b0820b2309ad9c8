//! Join tokens, people, settings.

use crate::serde_text;
use core::fmt;
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A join token to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewJoinToken {
    /// What a person wants to remember of it; at most 200 characters.
    pub note: String,
    /// The group that its device enters, by id or name; absent: no group but all devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Hours until it ends, 1 to 168; absent: 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_hours: Option<u32>,
}

/// A new join token; the only time that it is shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct CreatedJoinToken {
    /// Its id, 32 hexadecimal digits.
    #[zeroize(skip)]
    pub id: String,
    /// The token. It names the server's fingerprint itself.
    pub token: String,
    /// Until when it can be used.
    #[zeroize(skip)]
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
    /// The server's address as it knows it.
    #[zeroize(skip)]
    pub server: String,
    /// SHA-256 of the CA certificate, 64 hexadecimal digits.
    #[zeroize(skip)]
    pub ca_fingerprint: String,
}

impl fmt::Debug for CreatedJoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedJoinToken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A join token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinToken {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// What a person wrote.
    pub note: String,
    /// The group that its device enters.
    #[serde(with = "serde_text::text_option")]
    pub group: Option<GroupId>,
    /// `usable`, `used`, `expired`, `revoked`.
    pub state: String,
    /// Who made it.
    #[serde(with = "serde_text::text")]
    pub created_by: PrincipalId,
    /// When.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
    /// Until when it can be used.
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
    /// The device that used it.
    #[serde(with = "serde_text::text_option")]
    pub used_by: Option<DeviceId>,
    /// When it was used.
    #[serde(with = "serde_text::time_option")]
    pub used_date_time: Option<Timestamp>,
}

/// A person to make; gets a one-time secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewUser {
    /// The sign-in name; 1 to 120 characters, unique without case.
    pub user_name: String,
    /// The shown name; absent: the sign-in name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// A role by Entra's name or template id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The group of devices that the role holds for, by id or name; absent: the whole tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A person's one-time secret; the only time that it is shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct CreatedUser {
    /// The person's id.
    #[zeroize(skip)]
    #[serde(with = "serde_text::text")]
    pub id: PrincipalId,
    /// The sign-in name.
    #[zeroize(skip)]
    pub user_name: String,
    /// Redeemed for a password at the first sign-in.
    pub one_time_secret: String,
    /// Until when it can be redeemed.
    #[zeroize(skip)]
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
}

impl fmt::Debug for CreatedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedUser").field("id", &self.id).field("user_name", &self.user_name).finish_non_exhaustive()
    }
}

/// A service principal to make; gets a client secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewServicePrincipal {
    /// The shown name.
    pub display_name: String,
    /// A role by Entra's name or template id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The group of devices that the role holds for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Application permissions by Graph's names, such as `DeviceLocalCredential.Read.All`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// Days until the secret ends, 1 to 730; absent: 365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_days: Option<u32>,
}

/// A service principal's secret; the only time that it is shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct CreatedServicePrincipal {
    /// Its id, which is also its client id.
    #[zeroize(skip)]
    #[serde(with = "serde_text::text")]
    pub client_id: PrincipalId,
    /// The tenant to sign in at.
    #[zeroize(skip)]
    pub tenant_id: String,
    /// The secret.
    pub client_secret: String,
    /// Until when it works.
    #[zeroize(skip)]
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
}

impl fmt::Debug for CreatedServicePrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedServicePrincipal").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// A person or a service principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Its id.
    #[serde(with = "serde_text::text")]
    pub id: PrincipalId,
    /// The sign-in name; a service principal's shown name.
    pub name: String,
    /// The shown name.
    pub display_name: String,
    /// Whether it may sign in.
    pub enabled: bool,
    /// `user` or `servicePrincipal`.
    pub kind: String,
    /// Its roles.
    pub roles: Vec<PersonRole>,
    /// Application permissions of a service principal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
}

/// A role that somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRole {
    /// By Entra's name.
    pub role: String,
    /// The group that it holds for; absent: the whole tenant.
    #[serde(default, with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
}

/// A role to give or to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssignment {
    /// Who.
    #[serde(with = "serde_text::text")]
    pub principal: PrincipalId,
    /// The role by Entra's name or template id.
    pub role: String,
    /// The group that it holds for, by id or name; absent: the whole tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// The tenant's settings. A PUT changes the members that it names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// The switch "Enable LAPS".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub laps_enabled: Option<bool>,
    /// Days that a deleted device's password stays readable, 0 to 365.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tombstone_days: Option<u32>,
    /// Versions that a device may store in 24 hours, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions_per_day: Option<u32>,
    /// Pending versions that a device may have, 1 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved_max: Option<u32>,
    /// Repairs of drift in 24 hours after which a device holds repair, 1 to 24.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repairs_per_day: Option<u32>,
    /// Shown only: since when what removes passwords waits, because the server's clock jumped.
    #[serde(with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub clock_held_date_time: Option<Timestamp>,
    /// age recipients of the scheduled escrow export, at most 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escrow_recipients: Option<Vec<String>>,
    /// Days between two scheduled exports, 0 to 365; 0 is never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escrow_interval_days: Option<u32>,
    /// Folder under the server's data directory that they are written to: letters, digits, `-` and `_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escrow_folder: Option<String>,
    /// Archives that are kept there, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escrow_kept: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let id = PrincipalId::from_random_bytes([1; 16]);
        let shown = [
            format!(
                "{:?}",
                CreatedJoinToken {
                    id: "1".into(),
                    token: "hunter2".into(),
                    expires_date_time: Timestamp::MAX,
                    server: String::new(),
                    ca_fingerprint: String::new(),
                }
            ),
            format!(
                "{:?}",
                CreatedUser {
                    id,
                    user_name: "ada".into(),
                    one_time_secret: "hunter2".into(),
                    expires_date_time: Timestamp::MAX,
                }
            ),
            format!(
                "{:?}",
                CreatedServicePrincipal {
                    client_id: id,
                    tenant_id: String::new(),
                    client_secret: "hunter2".into(),
                    expires_date_time: Timestamp::MAX,
                }
            ),
        ];
        for text in shown {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

//! The other entities of the Graph-compatible API (protocols.md 5.3).

use crate::serde_text;
use laps::{
    id::{DeviceId, PrincipalId, TenantId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// `device`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The object id.
    #[serde(with = "serde_text::text")]
    pub id: DeviceId,
    /// The device id.
    #[serde(with = "serde_text::text")]
    pub device_id: DeviceId,
    /// Its name.
    pub display_name: String,
    /// Enabled.
    pub account_enabled: bool,
    /// Operating system.
    pub operating_system: String,
    /// Its version.
    pub operating_system_version: String,
    /// `AzureAd`: joined to this directory.
    pub trust_type: String,
    /// It takes policy from this server.
    pub is_managed: bool,
    /// Whether it does what policy asks; unknown is null.
    pub is_compliant: Option<bool>,
    /// Last contact.
    #[serde(with = "serde_text::time_option")]
    pub approximate_last_sign_in_date_time: Option<Timestamp>,
    /// When it joined.
    #[serde(with = "serde_text::time_option")]
    pub registration_date_time: Option<Timestamp>,
    /// For a tombstone: when it was deleted.
    #[serde(with = "serde_text::time_option")]
    pub deleted_date_time: Option<Timestamp>,
    /// Empty.
    pub physical_ids: Vec<String>,
    /// Empty.
    pub alternative_security_ids: Vec<String>,
    /// Lapwing's word for the state: `enabled`, `disabled`, `deleted`, `purged`.
    #[serde(default)]
    pub state: String,
}

/// What `PATCH /devices/{id}` may change; `@odata.type` and other members are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DevicePatch {
    /// Enable or disable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_enabled: Option<bool>,
}

/// `managedDevice`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedDevice {
    /// Its id; here the same as the device id.
    #[serde(with = "serde_text::text")]
    pub id: DeviceId,
    /// Its name.
    pub device_name: String,
    /// The device id.
    #[serde(rename = "azureADDeviceId", with = "serde_text::text")]
    pub azure_ad_device_id: DeviceId,
    /// Operating system.
    pub operating_system: String,
    /// Its version.
    pub os_version: String,
    /// Last contact.
    #[serde(with = "serde_text::time_option")]
    pub last_sync_date_time: Option<Timestamp>,
    /// When it joined.
    #[serde(with = "serde_text::time_option")]
    pub enrolled_date_time: Option<Timestamp>,
    /// `unknown` until compliance is judged.
    pub compliance_state: String,
    /// `mdm`.
    pub management_agent: String,
    /// Empty when the device does not tell.
    pub serial_number: String,
    /// Empty: no user is tied to a device.
    pub user_principal_name: String,
    /// Requests to rotate, newest first.
    pub device_action_results: Vec<DeviceActionResult>,
}

/// How a remote action goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceActionResult {
    /// `rotateLocalAdminPassword`.
    pub action_name: String,
    /// `none`, `pending`, `done`, `failed`, `canceled`.
    pub action_state: String,
    /// When it was asked for.
    #[serde(with = "serde_text::time")]
    pub start_date_time: Timestamp,
    /// When it last changed.
    #[serde(with = "serde_text::time")]
    pub last_updated_date_time: Timestamp,
    /// Its place in the server's order: met by the proof of a version stored after it.
    #[serde(default)]
    pub sequence: u64,
    /// Lapwing's: why it is not met, a stable code of `explain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// Lapwing's: the same in words, with what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `deviceRegistrationPolicy`, with the tenant switch (laps-behaviour.md 8.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRegistrationPolicy {
    /// `deviceRegistrationPolicy`.
    #[serde(default = "registration_policy_id")]
    pub id: String,
    /// `Device Registration Policy`.
    #[serde(default = "registration_policy_name")]
    pub display_name: String,
    /// A sentence.
    #[serde(default)]
    pub description: String,
    /// Omitted is 0, as at the original.
    #[serde(default)]
    pub user_device_quota: u32,
    /// `notRequired` or `required`.
    #[serde(default = "not_required")]
    pub multi_factor_auth_configuration: String,
    /// Kept and given back; nothing depends on it.
    #[serde(default)]
    pub azure_ad_join: serde_json::Value,
    /// Kept and given back; nothing depends on it.
    #[serde(default)]
    pub azure_ad_registration: serde_json::Value,
    /// The tenant switch. A PUT without it turns it off: the resource is replaced.
    #[serde(default)]
    pub local_admin_password: LocalAdminPassword,
}

fn registration_policy_id() -> String {
    "deviceRegistrationPolicy".into()
}
fn registration_policy_name() -> String {
    "Device Registration Policy".into()
}
fn not_required() -> String {
    "notRequired".into()
}

impl Default for DeviceRegistrationPolicy {
    fn default() -> Self {
        Self {
            id: registration_policy_id(),
            display_name: registration_policy_name(),
            description: "Tenant-wide policy that manages initial provisioning controls".into(),
            user_device_quota: 0,
            multi_factor_auth_configuration: not_required(),
            azure_ad_join: serde_json::Value::Null,
            azure_ad_registration: serde_json::Value::Null,
            local_admin_password: LocalAdminPassword::default(),
        }
    }
}

/// "Enable LAPS".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalAdminPassword {
    /// On or off; off until a person turns it on.
    #[serde(default)]
    pub is_enabled: bool,
}

/// `directoryAudit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryAudit {
    /// `Directory_<chain>_<sequence>`.
    pub id: String,
    /// `Device`, `Policy`, …
    pub category: String,
    /// Entra's name of what was done.
    pub activity_display_name: String,
    /// When.
    #[serde(with = "serde_text::time")]
    pub activity_date_time: Timestamp,
    /// The request.
    pub correlation_id: String,
    /// `Device Registration Service`, …
    pub logged_by_service: String,
    /// Empty, as at the original.
    pub operation_type: String,
    /// `success`, `failure`.
    pub result: String,
    /// A sentence.
    pub result_reason: String,
    /// Who.
    pub initiated_by: AuditInitiator,
    /// To what.
    pub target_resources: Vec<AuditTarget>,
    /// More.
    pub additional_details: Vec<AuditKeyValue>,
}

/// Who did it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditInitiator {
    /// A person.
    pub user: Option<AuditUser>,
    /// A service principal, a device, or the server itself.
    pub app: Option<AuditApp>,
}

/// A person in an audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditUser {
    /// The object id.
    pub id: String,
    /// The sign-in name.
    pub user_principal_name: String,
    /// The address.
    pub ip_address: Option<String>,
}

/// A program in an audit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditApp {
    /// The object id, or the device's.
    pub service_principal_id: String,
    /// Its name.
    pub display_name: String,
}

/// To what it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditTarget {
    /// Its id.
    pub id: String,
    /// Its name.
    pub display_name: String,
    /// `Device`, `User`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Empty, as for a read.
    pub modified_properties: Vec<AuditKeyValue>,
}

/// A detail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditKeyValue {
    /// Its name.
    pub key: String,
    /// Its text.
    pub value: String,
}

/// `user`, as far as SDK smoke tests read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The object id.
    #[serde(with = "serde_text::text")]
    pub id: PrincipalId,
    /// The shown name.
    pub display_name: String,
    /// The sign-in name.
    pub user_principal_name: String,
    /// Roles that the person has, by Entra's names (Lapwing's property).
    #[serde(default)]
    pub roles: Vec<String>,
}

/// `organization`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// The tenant.
    #[serde(with = "serde_text::text")]
    pub id: TenantId,
    /// Its name.
    pub display_name: String,
    /// Empty.
    pub verified_domains: Vec<serde_json::Value>,
}

//! Entries for the audit log: who, what, to what, from where.

use super::{App, Error, Result};
use crate::audit::{Actor, AuditEntry, Outcome, Target};
use crate::authz::{Caller, Identity};
use serde::Serialize;
use serde_json::Value;
use std::net::IpAddr;

/// Entra's categories.
pub(super) mod category {
    pub(in crate::app) const DEVICE: &str = "Device";
    pub(in crate::app) const POLICY: &str = "Policy";
    pub(in crate::app) const GROUP: &str = "GroupManagement";
    pub(in crate::app) const USER: &str = "UserManagement";
    pub(in crate::app) const APPLICATION: &str = "ApplicationManagement";
    pub(in crate::app) const ROLE: &str = "RoleManagement";
    pub(in crate::app) const DIRECTORY: &str = "DirectoryManagement";
    pub(in crate::app) const SIGN_IN: &str = "Authentication";
}

/// Names of activities that the store does not name itself.
pub(super) mod activity {
    pub(in crate::app) const SIGN_IN: &str = proto::audit::SIGN_IN;
    pub(in crate::app) const SIGN_OUT: &str = "Sign out";
    pub(in crate::app) const APPROVE_DEVICE_CODE: &str = "Consent to device code";
    pub(in crate::app) const REDEEM_ONE_TIME: &str = "Redeem one-time secret";
    pub(in crate::app) const USE_RECOVERY_CODE: &str = "Use recovery code";
    pub(in crate::app) const ENROL_FACTOR: &str = "User registered security info";
    pub(in crate::app) const REMOVE_FACTOR: &str = "User deleted security info";
    pub(in crate::app) const RESET_FACTOR: &str = "Admin deleted security info";
    pub(in crate::app) const CHANGE_PASSWORD: &str = "Change password (self-service)";
    pub(in crate::app) const ADD_API_TOKEN: &str = "Add API token";
    pub(in crate::app) const REVOKE_API_TOKEN: &str = "Revoke API token";
    pub(in crate::app) const END_SESSION: &str = "End session";
    pub(in crate::app) const UNLOCK: &str = "Unlock account";
    pub(in crate::app) const ADD_PROVIDER: &str = "Add identity provider";
    pub(in crate::app) const REMOVE_PROVIDER: &str = "Delete identity provider";
    pub(in crate::app) const LINK_IDENTITY: &str = "Link identity";
    pub(in crate::app) const UNLINK_IDENTITY: &str = "Unlink identity";
    pub(in crate::app) const ADD_USER: &str = "Add user";
    pub(in crate::app) const UPDATE_USER: &str = "Update user";
    pub(in crate::app) const DELETE_USER: &str = "Delete user";
    pub(in crate::app) const ADD_SERVICE_PRINCIPAL: &str = "Add service principal";
    pub(in crate::app) const UPDATE_SERVICE_PRINCIPAL: &str = "Update service principal";
    pub(in crate::app) const DELETE_SERVICE_PRINCIPAL: &str = "Remove service principal";
    pub(in crate::app) const ADD_ROLE: &str = "Add member to role";
    pub(in crate::app) const REMOVE_ROLE: &str = "Remove member from role";
    pub(in crate::app) const ADD_ROLE_DEFINITION: &str = "Add role definition";
    pub(in crate::app) const UPDATE_ROLE_DEFINITION: &str = "Update role definition";
    pub(in crate::app) const DELETE_ROLE_DEFINITION: &str = "Delete role definition";
    pub(in crate::app) const ADD_GROUP: &str = "Add group";
    pub(in crate::app) const UPDATE_GROUP: &str = "Update group";
    pub(in crate::app) const DELETE_GROUP: &str = "Delete group";
    pub(in crate::app) const ADD_MEMBER: &str = "Add member to group";
    pub(in crate::app) const REMOVE_MEMBER: &str = "Remove member from group";
    pub(in crate::app) const SET_READING_RULE: &str = "Set reading rule of group";
    pub(in crate::app) const CLEAR_READING_RULE: &str = "Remove reading rule of group";
    pub(in crate::app) const REQUEST_ACCESS: &str = "Request access to device local administrator password";
    pub(in crate::app) const APPROVE_ACCESS: &str = "Approve access to device local administrator password";
    pub(in crate::app) const DENY_ACCESS: &str = "Deny access to device local administrator password";
    pub(in crate::app) const CANCEL_ACCESS: &str = "Cancel request for access to device local administrator password";
    pub(in crate::app) const NOTE_IRREGULARITY: &str = "Note irregularity of device";
    pub(in crate::app) const ADD_CHANNEL: &str = "Add notification channel";
    pub(in crate::app) const UPDATE_CHANNEL: &str = "Update notification channel";
    pub(in crate::app) const REMOVE_CHANNEL: &str = "Remove notification channel";
    pub(in crate::app) const TEST_CHANNEL: &str = "Test notification channel";
    pub(in crate::app) const DROP_NOTICES: &str = "Drop notifications";
    pub(in crate::app) const KEEP_SECRET: &str = "Keep secret of notification channel";
    pub(in crate::app) const FORGET_SECRET: &str = "Remove secret of notification channel";
    pub(in crate::app) const CREATE_POLICY: &str = "Create policy";
    pub(in crate::app) const UPDATE_POLICY: &str = "Update policy";
    pub(in crate::app) const DELETE_POLICY: &str = "Delete policy";
    pub(in crate::app) const ASSIGN_POLICY: &str = "Assign policy";
    pub(in crate::app) const UNASSIGN_POLICY: &str = "Unassign policy";
    pub(in crate::app) const EXCLUDE_POLICY: &str = "Exclude group from policy";
    pub(in crate::app) const INCLUDE_POLICY: &str = "Include group in policy";
    pub(in crate::app) const SET_RINGS: &str = "Set rings of policy";
    pub(in crate::app) const BEGIN_ROLLOUT: &str = "Begin policy rollout";
    pub(in crate::app) const ADVANCE_ROLLOUT: &str = "Advance policy rollout";
    pub(in crate::app) const HALT_ROLLOUT: &str = "Halt policy rollout";
    pub(in crate::app) const RESUME_ROLLOUT: &str = "Resume policy rollout";
    pub(in crate::app) const COMPLETE_ROLLOUT: &str = "Complete policy rollout";
    pub(in crate::app) const UPDATE_SETTINGS: &str = "Update server settings";
}

/// What something is done to.
pub(super) fn target(kind: &str, id: &impl ToString, name: &str) -> Target {
    Target { kind: kind.to_owned(), id: id.to_string(), name: name.to_owned() }
}

impl App {
    /// An entry for something that succeeds, in the same transaction as the verb that does it.
    pub(super) fn entry(
        &self,
        caller: &Caller,
        activity: &str,
        category: &str,
        target: Target,
        detail: impl Serialize,
    ) -> Result<AuditEntry> {
        let origin = &caller.origin;
        let client = Client {
            address: origin.address,
            client_request_id: origin.client_request_id.as_deref(),
            user_agent: origin.user_agent.as_deref(),
        };
        Ok(AuditEntry {
            id: self.random_bytes()?,
            at: self.now(),
            activity: activity.to_owned(),
            category: category.to_owned(),
            actor: actor(caller),
            target,
            outcome: Outcome::Success,
            request_id: origin.request_id.clone(),
            client: text(&client)?,
            detail: text(&detail)?,
        })
    }

    /// Appends an entry for something that was refused.
    pub(super) async fn record_refusal(
        &self,
        caller: &Caller,
        activity: &str,
        category: &str,
        target: Target,
        code: &str,
    ) -> Result<()> {
        let mut entry = self.entry(caller, activity, category, target, Value::Null)?;
        entry.outcome = Outcome::Failure(code.to_owned());
        Ok(self.store.append_audit(entry).await?)
    }
}

/// From where, as the record shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Client<'a> {
    address: Option<IpAddr>,
    client_request_id: Option<&'a str>,
    user_agent: Option<&'a str>,
}

fn text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn actor(caller: &Caller) -> Actor {
    match &caller.identity {
        Identity::Anonymous => Actor::Anonymous,
        Identity::User(principal) => Actor::User(principal.id, principal.name.clone()),
        Identity::App(principal) => Actor::Application(principal.id, principal.name.clone()),
        Identity::Device(device) => Actor::Device(device.device, device.device.to_string()),
        Identity::System(job) => Actor::System(job.name().to_owned()),
    }
}

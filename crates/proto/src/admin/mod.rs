//! Lapwing's own administration API, `/v1.0/lapwing/…`: what Graph has no words for.
//!
//! | verb | path | body → answer |
//! | --- | --- | --- |
//! | GET, POST | `joinTokens` | → [`List`] of [`JoinToken`]; [`NewJoinToken`] → [`CreatedJoinToken`] |
//! | DELETE | `joinTokens/{id}` | revokes |
//! | GET, POST | `groups` | → [`List`] of [`Group`]; [`NewGroup`] → [`Group`] |
//! | PATCH, DELETE | `groups/{id}` | [`GroupChange`] → [`Group`] |
//! | PUT, DELETE | `groups/{id}/members/{device}` | |
//! | GET, POST | `policies` | → [`List`] of [`Policy`]; [`PolicyImport`] → [`Policy`] |
//! | GET, DELETE | `policies/{id}` | → [`Policy`] |
//! | GET, POST | `campaigns` | → [`List`] of [`Campaign`]; [`NewCampaign`] → [`Campaign`] |
//! | GET | `campaigns/{id}`, `campaigns/{id}/devices` | → [`Campaign`]; → [`List`] of [`CampaignDevice`] |
//! | POST | `revocations`, `revocations/preview` | [`NewRevocation`] → [`Campaign`], [`RevocationPreview`] |
//! | GET | `settingsTable` | → [`List`] of [`SettingDescription`] |
//! | POST | `policies/{id}/edit`, `policies/{id}/rollBack` | [`PolicyEdit`], [`RollBack`] → [`Policy`] |
//! | GET | `policies/{id}/versions`, `policies/{id}/syncml` | → [`List`] of [`PolicyVersion`]; → a SyncML document |
//! | POST | `policies/{id}/exclude`, `policies/{id}/include` | [`Assign`] → [`Policy`] |
//! | GET, PUT | `policies/{id}/rings` | [`RingPlan`] |
//! | GET | `policies/{id}/rollout` | → [`Rollout`] |
//! | POST | `policies/{id}/rollout/{act}` | `halt`, `resume`, `complete`, `rollBack` → [`Rollout`] |
//! | GET | `policies/{id}/conflicts`, `conflicts` | → [`List`] of [`HeldDevice`] |
//! | POST | `preview` | [`PreviewRequest`] → [`PolicyPreview`] |
//! | POST | `lint` | [`LintRequest`] → [`LintReport`] |
//! | POST | `policies/{id}/assign`, `policies/{id}/unassign` | [`Assign`] → [`Policy`] |
//! | GET | `devices/{id}/explain` | → [`Explanation`] |
//! | GET | `devices/{id}/candidates` | → [`List`] of [`Candidate`] |
//! | GET | `reports/coverage`, `reports/coverage/{code}` | → [`Coverage`]; → [`List`] of [`CoverageDevice`] |
//! | GET | `escrow` | → [`EscrowState`] |
//! | POST | `escrow/export`, `escrow/drill` | [`ExportRequest`] → an archive ([`crate::escrow`]); [`Drill`] → [`EscrowState`] |
//! | GET | `devices/{id}/status` | → [`DeviceStatus`] |
//! | GET | `devices/{id}/events` | → list of [`DeviceEvent`] |
//! | GET | `devices/{id}/policy` | → [`DevicePolicy`] |
//! | GET | `devices/{id}/versions` | → [`List`] of [`Version`], without passwords |
//! | GET | `devices/{id}/uses` | → [`List`] of [`PasswordUse`] |
//! | POST | `devices/{id}/restore`, `devices/{id}/purge`, `devices/{id}/clearFork` | |
//! | GET | `audit`, `audit/head` | → [`List`] of [`AuditEntry`]; → [`AuditHead`] |
//! | GET, POST | `users` | → [`List`] of [`Person`]; [`NewUser`] → [`CreatedUser`] |
//! | POST, DELETE | `users/{id}/oneTimeSecret`, `users/{id}` | → [`CreatedUser`] |
//! | GET, POST | `servicePrincipals` | → [`List`] of [`Person`]; [`NewServicePrincipal`] → [`CreatedServicePrincipal`] |
//! | DELETE | `servicePrincipals/{id}` | |
//! | GET | `me/identityProviders` | → [`List`] of [`SignInProvider`] |
//! | GET, POST | `me/identities` | → [`List`] of [`LinkedIdentity`]; [`OwnLink`] → [`LinkedIdentity`] |
//! | POST | `me/identities/remove` | [`OwnUnlink`] |
//! | GET, POST | `roles` | → [`List`] of [`Role`]; [`NewRole`] → [`Role`] |
//! | GET, PATCH, DELETE | `roles/{id}` | → [`Role`]; [`RoleChange`] → [`Role`] |
//! | POST | `roleAssignments`, `roleAssignments/remove` | [`RoleAssignment`] |
//! | GET, PUT, DELETE | `groups/{id}/readingRule` | [`ReadingRule`] |
//! | GET | `readingRules` | → [`List`] of [`ReadingRule`] |
//! | GET | `devices/{id}/readingRule` | → [`DeviceReadingRule`] |
//! | POST | `devices/{id}/readingDone` | the rotation that follows a read is asked for now |
//! | GET, POST | `accessRequests` | → [`List`] of [`AccessRequest`]; [`NewAccessRequest`] → [`AccessRequest`] |
//! | POST | `accessRequests/{id}/approve`, `…/deny`, `…/cancel` | [`NewAccessAnswer`], or nothing → [`AccessRequest`] |
//! | GET, POST | `channels` | → [`List`] of [`Channel`]; [`NewChannel`] → [`CreatedChannel`] |
//! | DELETE, POST | `channels/{name}`; `channels/{name}/test`, `…/pause`, `…/resume` | |
//! | GET | `audit/export?since=…&until=…` | → [`List`] of [`crate::audit::Line`] |
//! | GET, PUT | `settings` | [`Settings`] |
//!
//! Errors have Graph's shape ([`crate::graph::ErrorBody`]) with Lapwing's stable code in `innerError.code`.
//! Lists page with `$skiptoken` as Graph's do.

mod account;
mod campaign;
mod directory;
mod explanation;
mod group;
mod life;
mod management;
mod notify;
mod policy;
mod provider;
mod reader;
mod reading;
mod role;
mod token;

pub use account::{
    ApiToken, BegunPasskey, ClientKey, CreatedApiToken, Factors, LinkedIdentity, NewApiToken, NewClientKey, NewPasskey,
    NewTotp, OneTimeCode, OwnLink, OwnUnlink, Passkey, PasskeyAnswer, PasskeySignIn, PasswordChange, RecoveryCodes,
    SignInProvider, SignInSession,
};
pub use campaign::{
    CAMPAIGN_DEVICES_MAX, Campaign, CampaignCounts, CampaignDevice, CancelCampaign, NewCampaign, NewRevocation,
    REASON_CHARS_MAX, Reader, RevocationPreview,
};
pub use directory::{
    CreatedJoinToken, CreatedServicePrincipal, CreatedUser, JoinToken, NewJoinToken, NewServicePrincipal, NewUser,
    Person, PersonRole, RoleAssignment, Settings,
};
pub use explanation::{Explanation, Link, Way};
pub use group::{Group, GroupChange, GroupFilter, NewGroup};
pub use life::{
    Candidate, Coverage, CoverageAge, CoverageCause, CoverageDevice, Drill, EscrowState, EscrowWarning, ExportRequest,
    ExportSummary, Latency,
};
pub use management::{
    Assign, AuditEntry, AuditHead, AuditTarget, DeliveredPolicy, DeviceEvent, DevicePolicy, DeviceStatus, GroupName,
    LintFinding, LintReport, LintRequest, PasswordUse, Policy, PolicyImport, SettingStatus, Version,
};
pub use provider::{Identity, IdentityProvider, NewIdentityProvider};
pub use reader::{AccessPath, ReadAccess};
pub use role::{NewRole, Role, RoleChange};

pub use notify::{Channel, CreatedChannel, MailSecurity, NewChannel, Receiver, SyslogFormat};
pub use policy::{
    DeviceSetting, HeldDevice, PolicyEdit, PolicyPreview, PolicyVersion, PreviewCause, PreviewRequest, Ring,
    RingCounts, RingPlan, RollBack, Rollout, SettingChange, SettingDependency, SettingDescription, SettingValue,
};
pub use reading::{
    AccessAnswer, AccessRequest, BREAK_GLASS_HEADER, DeviceReadingRule, JUSTIFICATION_CHARS_MAX, NewAccessAnswer,
    NewAccessRequest, REASON_HEADER, ReadingRule, TICKET_HEADER,
};
pub use token::{JoinTokenText, NotAJoinToken};

use serde::{Deserialize, Serialize};

/// The name that stands for the group of all devices wherever a group is asked for.
pub const ALL_DEVICES: &str = "all";

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The items.
    pub value: Vec<T>,
    /// The next page.
    #[serde(rename = "@odata.nextLink", default, skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
}

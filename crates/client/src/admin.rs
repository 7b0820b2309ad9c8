//! Lapwing's own administration API, `/v1.0/lapwing/…` (`proto::admin`).

use crate::{Error, SignedIn};
use laps::id::{DeviceId, GroupId, PolicyId, PrincipalId, RoleId};
use proto::admin::{
    ApiToken, Assign, AuditEntry, AuditHead, ClientKey, CreatedApiToken, CreatedJoinToken, CreatedServicePrincipal,
    CreatedUser, DeviceEvent, DevicePolicy, DeviceStatus, Explanation, Factors, Group, GroupChange, Identity,
    IdentityProvider, JoinToken, LinkedIdentity, LintReport, LintRequest, NewApiToken, NewClientKey, NewGroup,
    NewIdentityProvider, NewJoinToken, NewRole, NewServicePrincipal, NewTotp, NewUser, OneTimeCode, OwnLink, OwnUnlink,
    PasswordChange, PasswordUse, Person, Policy, PolicyImport, ReadAccess, RecoveryCodes, Role, RoleAssignment,
    RoleChange, Settings, SignInProvider, SignInSession, Version,
};
use reqwest::Method;

macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) -> $answer:ty = $how:ident $($rest:expr),+;)*) => {
        impl SignedIn {
            $($(#[$doc])*
            ///
            /// # Errors
            /// [`Error`].
            pub async fn $name(&self, $($arg: $type),*) -> Result<$answer, Error> {
                routes!(@$how self, $($rest),+)
            })*
        }
    };
    (@list $self:ident, $path:expr) => { $self.list(&format!("/v1.0/lapwing/{}", $path), &[]).await };
    (@get $self:ident, $path:expr) => { $self.get(&format!("/v1.0/lapwing/{}", $path), &[]).await };
    (@post $self:ident, $path:expr, $body:expr) => {
        $self.ask(Method::POST, &format!("/v1.0/lapwing/{}", $path), Some($body)).await
    };
    (@patch $self:ident, $path:expr, $body:expr) => {
        $self.ask(Method::PATCH, &format!("/v1.0/lapwing/{}", $path), Some($body)).await
    };
    (@order $self:ident, $path:expr, $body:expr) => {
        $self.act(Method::POST, &format!("/v1.0/lapwing/{}", $path), Some($body)).await
    };
    (@begin $self:ident, $path:expr) => {
        $self.ask::<(), _>(Method::POST, &format!("/v1.0/lapwing/{}", $path), None).await
    };
    (@put $self:ident, $path:expr, $body:expr) => {
        $self.act(Method::PUT, &format!("/v1.0/lapwing/{}", $path), Some($body)).await
    };
    (@act $self:ident, $method:expr, $path:expr) => {
        $self.act::<()>($method, &format!("/v1.0/lapwing/{}", $path), None).await
    };
}

routes! {
    /// Join tokens, without the tokens.
    join_tokens() -> Vec<JoinToken> = list "joinTokens";
    /// Makes a join token.
    create_join_token(new: &NewJoinToken) -> CreatedJoinToken = post "joinTokens", new;
    /// Revokes a join token by its id.
    revoke_join_token(id: &str) -> () = act Method::DELETE, format_args!("joinTokens/{}", segment(id));
    /// Groups of devices.
    groups() -> Vec<Group> = list "groups";
    /// Makes a group.
    create_group(new: &NewGroup) -> Group = post "groups", new;
    /// Gives a group another name or filter.
    change_group(id: GroupId, change: &GroupChange) -> Group = patch format_args!("groups/{id}"), change;
    /// Roles, built-in ones first.
    roles() -> Vec<Role> = list "roles";
    /// Makes a role.
    create_role(new: &NewRole) -> Role = post "roles", new;
    /// Changes a role that people made.
    change_role(id: RoleId, change: &RoleChange) -> Role = patch format_args!("roles/{id}"), change;
    /// Deletes a role that people made.
    delete_role(id: RoleId) -> () = act Method::DELETE, format_args!("roles/{id}");
    /// Gives a role.
    assign_role(assignment: &RoleAssignment) -> () = order "roleAssignments", assignment;
    /// Takes a role.
    unassign_role(assignment: &RoleAssignment) -> () = order "roleAssignments/remove", assignment;
    /// Deletes a group.
    delete_group(id: GroupId) -> () = act Method::DELETE, format_args!("groups/{id}");
    /// Puts a device into a group.
    add_to_group(id: GroupId, device: DeviceId) -> () = act Method::PUT, format_args!("groups/{id}/members/{device}");
    /// Takes a device out of a group.
    remove_from_group(id: GroupId, device: DeviceId) -> () =
        act Method::DELETE, format_args!("groups/{id}/members/{device}");
    /// Policies.
    policies() -> Vec<Policy> = list "policies";
    /// One policy.
    policy(id: PolicyId) -> Policy = get format_args!("policies/{id}");
    /// Makes a policy, or a new version of the one of that name.
    import_policy(import: &PolicyImport) -> Policy = post "policies", import;
    /// Deletes a policy.
    delete_policy(id: PolicyId) -> () = act Method::DELETE, format_args!("policies/{id}");
    /// Assigns a policy to a group.
    assign_policy(id: PolicyId, to: &Assign) -> Policy = post format_args!("policies/{id}/assign"), to;
    /// Takes the assignment back.
    unassign_policy(id: PolicyId, from: &Assign) -> Policy = post format_args!("policies/{id}/unassign"), from;
    /// What a policy would do on the devices of a group.
    lint_policy(request: &LintRequest) -> LintReport = post "lint", request;
    /// Why a device has no password, or an old one.
    explain(id: DeviceId) -> Explanation = get format_args!("devices/{id}/explain");
    /// What policy a device has, and how it answered.
    device_policy(id: DeviceId) -> DevicePolicy = get format_args!("devices/{id}/policy");
    /// What a device said about itself last.
    device_status(id: DeviceId) -> DeviceStatus = get format_args!("devices/{id}/status");
    /// What happened to a device, newest first.
    device_events(id: DeviceId) -> Vec<DeviceEvent> = list format_args!("devices/{id}/events");
    /// A person ends a fork.
    clear_fork(id: DeviceId) -> () = act Method::POST, format_args!("devices/{id}/clearFork");
    /// Versions of a device's passwords, without them.
    versions(id: DeviceId) -> Vec<Version> = list format_args!("devices/{id}/versions");
    /// Sign-ins with a device's passwords, newest first.
    uses(id: DeviceId) -> Vec<PasswordUse> = list format_args!("devices/{id}/uses");
    /// Brings a tombstone back.
    restore_device(id: DeviceId) -> () = act Method::POST, format_args!("devices/{id}/restore");
    /// The audit log as it is chained, oldest first.
    audit_entries() -> Vec<AuditEntry> = list "audit";
    /// The signed heads of the audit log, one for each chain.
    audit_heads() -> Vec<AuditHead> = list "audit/head";
    /// People.
    users() -> Vec<Person> = list "users";
    /// Makes a person, with a one-time secret.
    create_user(new: &NewUser) -> CreatedUser = post "users", new;
    /// Deletes a person.
    delete_user(id: PrincipalId) -> () = act Method::DELETE, format_args!("users/{id}");
    /// Lets a person sign in again.
    enable_user(id: PrincipalId) -> () = act Method::POST, format_args!("users/{id}/enable");
    /// Lets a person sign in no more; every session ends, API tokens are refused meanwhile.
    disable_user(id: PrincipalId) -> () = act Method::POST, format_args!("users/{id}/disable");
    /// Gives a person a new one-time secret; the password stops working.
    reset_user(id: PrincipalId) -> CreatedUser = begin format_args!("users/{id}/oneTimeSecret");
    /// Service principals.
    service_principals() -> Vec<Person> = list "servicePrincipals";
    /// Makes a service principal, with its secret.
    create_service_principal(new: &NewServicePrincipal) -> CreatedServicePrincipal = post "servicePrincipals", new;
    /// Deletes a service principal.
    delete_service_principal(id: PrincipalId) -> () = act Method::DELETE, format_args!("servicePrincipals/{id}");
    /// Whether somebody may read a device's password, and why.
    explain_access(id: PrincipalId, device: DeviceId) -> ReadAccess = get format_args!("access/{id}/{device}");
    /// Everybody who may.
    readers(device: DeviceId) -> Vec<ReadAccess> = list format_args!("devices/{device}/readers");
    /// What one signs in with beside the password.
    my_factors() -> Factors = get "me/factors";
    /// What somebody else does.
    factors(id: PrincipalId) -> Factors = get format_args!("users/{id}/factors");
    /// Another password for oneself.
    change_password(change: &PasswordChange) -> () = order "me/password", change;
    /// A new secret for a generator of one-time codes.
    begin_totp() -> NewTotp = begin "me/totp";
    /// The generator works: codes are asked for from now on.
    confirm_totp(code: &OneTimeCode) -> RecoveryCodes = post "me/totp/confirm", code;
    /// Codes are no longer asked for.
    remove_totp(code: &OneTimeCode) -> () = order "me/totp/remove", code;
    /// Takes the generator of somebody else away.
    reset_totp(id: PrincipalId) -> () = act Method::DELETE, format_args!("users/{id}/totp");
    /// Removes a passkey of one's own.
    remove_passkey(id: &str) -> () = act Method::DELETE, format_args!("me/passkeys/{}", segment(id));
    /// Removes every passkey of somebody else.
    reset_passkeys(id: PrincipalId) -> () = act Method::DELETE, format_args!("users/{id}/passkeys");
    /// The foreign providers with which people may sign in.
    my_identity_providers() -> Vec<SignInProvider> = list "me/identityProviders";
    /// One's own accounts there.
    my_identities() -> Vec<LinkedIdentity> = list "me/identities";
    /// Links one more.
    link_my_identity(link: &OwnLink) -> LinkedIdentity = post "me/identities", link;
    /// Takes a link away; every session ends.
    unlink_my_identity(link: &OwnUnlink) -> () = order "me/identities/remove", link;
    /// Where one is signed in.
    my_sessions() -> Vec<SignInSession> = list "me/sessions";
    /// Where somebody else is.
    sessions(id: PrincipalId) -> Vec<SignInSession> = list format_args!("users/{id}/sessions");
    /// Ends a session of one's own.
    end_my_session(session: &str) -> () = act Method::DELETE, format_args!("me/sessions/{}", segment(session));
    /// Ends a session of somebody else.
    end_session(id: PrincipalId, session: &str) -> () =
        act Method::DELETE, format_args!("users/{id}/sessions/{}", segment(session));
    /// Takes the lock of too many failures off a person.
    unlock_user(id: PrincipalId) -> () = act Method::POST, format_args!("users/{id}/unlock");
    /// Takes it off an address.
    unlock_address(address: std::net::IpAddr) -> () = act Method::POST, format_args!("addresses/{address}/unlock");
    /// One's own API tokens.
    my_api_tokens() -> Vec<ApiToken> = list "me/tokens";
    /// Everybody's.
    api_tokens() -> Vec<ApiToken> = list "apiTokens";
    /// Makes an API token of one's own.
    create_api_token(new: &NewApiToken) -> CreatedApiToken = post "me/tokens", new;
    /// Revokes one of one's own.
    revoke_my_api_token(id: &str) -> () = act Method::DELETE, format_args!("me/tokens/{}", segment(id));
    /// Revokes anybody's.
    revoke_api_token(id: &str) -> () = act Method::DELETE, format_args!("apiTokens/{}", segment(id));
    /// Keys of a service principal.
    client_keys(id: PrincipalId) -> Vec<ClientKey> = list format_args!("servicePrincipals/{id}/keys");
    /// Registers one.
    add_client_key(id: PrincipalId, new: &NewClientKey) -> ClientKey =
        post format_args!("servicePrincipals/{id}/keys"), new;
    /// Removes one.
    remove_client_key(id: PrincipalId, key: &str) -> () =
        act Method::DELETE, format_args!("servicePrincipals/{id}/keys/{}", segment(key));
    /// Foreign OpenID providers.
    identity_providers() -> Vec<IdentityProvider> = list "identityProviders";
    /// Sets one up.
    add_identity_provider(new: &NewIdentityProvider) -> IdentityProvider = post "identityProviders", new;
    /// Removes one with its links.
    remove_identity_provider(id: &str) -> () =
        act Method::DELETE, format_args!("identityProviders/{}", segment(id));
    /// The subjects that are a person.
    identities(id: PrincipalId) -> Vec<Identity> = list format_args!("users/{id}/identities");
    /// Says that a subject of a provider is this person.
    link_identity(id: PrincipalId, identity: &Identity) -> () = order format_args!("users/{id}/identities"), identity;
    /// Takes that back.
    unlink_identity(id: PrincipalId, identity: &Identity) -> () =
        order format_args!("users/{id}/identities/remove"), identity;
    /// The tenant's settings.
    settings() -> Settings = get "settings";
    /// Changes the settings that are named.
    change_settings(settings: &Settings) -> () = put "settings", settings;
}

/// A text of a person as one segment of a path: whatever could end the segment is taken out, and the server
/// says that there is no such thing.
fn segment(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

//! The table of routes: method, path, the identity it takes, its surface, its handler.
//!
//! A route exists only through a row, and the row's identity is enforced before its handler runs.

use super::context::Shared;
use super::{
    account, admin, campaigns, device, federation, graph, lapwing, life, notify, oauth, operator, page, policies,
    reading, roles,
};
use axum::routing::{MethodRouter, delete, get, patch, post, put};

/// Which identity a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Takes {
    /// None: public.
    Nothing,
    /// A secret in the body: client secret, code, refresh token, name and password.
    Secret,
    /// A join token in the body.
    JoinToken,
    /// The client certificate of a device.
    DeviceCertificate,
    /// An access token.
    Bearer,
    /// The cookie of a browser's session; what changes something also carries the session's form token.
    Cookie,
    /// From the machine itself nothing; from afar an access token.
    Operator,
}

/// The shape of a route's errors, and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Surface {
    /// Graph and Lapwing's administration API.
    Graph,
    /// The device API.
    Device,
    /// The wait channel of the device API.
    Wait,
    /// SyncML.
    Mdm,
    /// OAuth and OpenID.
    OAuth,
    /// Pages for people.
    Page,
    /// The admin centre.
    Admin,
    /// Probes and metrics.
    Operator,
}

impl Surface {
    /// The surface of a routed path; for requests that match no row too.
    pub(crate) fn of(path: &str) -> Self {
        let mut steps = path.split('/').skip(1);
        match steps.next().unwrap_or_default() {
            "v1.0" | "beta" | "myorganization" => Self::Graph,
            "device" if path == proto::device::path::WAIT => Self::Wait,
            "device" if path.starts_with("/device/v1") => Self::Device,
            "device" | "" => Self::Page,
            "mdm" => Self::Mdm,
            "admin" => Self::Admin,
            "healthz" | "readyz" | "metrics" => Self::Operator,
            _ => Self::OAuth,
        }
    }
    /// For the metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Device => "device",
            Self::Wait => "wait",
            Self::Mdm => "mdm",
            Self::OAuth => "oauth",
            Self::Page => "page",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }
    /// Most bytes of a request's body.
    pub(crate) const fn body_bytes_max(self) -> usize {
        match self {
            Self::Graph | Self::Admin => 256 * 1024,
            // One more than is taken, so that the refusal is the device API's own.
            Self::Device => proto::device::BODY_BYTES_MAX + 1,
            Self::Mdm => 1024 * 1024,
            Self::OAuth | Self::Page => 16 * 1024,
            Self::Wait | Self::Operator => 0,
        }
    }
}

/// A route, as a table shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// The path as it is documented; it matches without case.
    pub path: &'static str,
    /// The identity it takes.
    pub takes: Takes,
    /// The shape of its errors.
    pub surface: Surface,
}

pub(crate) struct Handled {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) takes: Takes,
    pub(crate) surface: Surface,
    pub(crate) handler: MethodRouter<Shared>,
}

/// Every route of the server.
pub fn routes() -> Vec<Row> {
    rows()
        .into_iter()
        .map(|row| Row { method: row.method, path: row.path, takes: row.takes, surface: row.surface })
        .collect()
}

macro_rules! table {
    ($($method:ident $verb:ident $path:literal $takes:ident $surface:ident $handler:path;)*) => {
        vec![$(Handled {
            method: stringify!($method),
            path: $path,
            takes: Takes::$takes,
            surface: Surface::$surface,
            handler: $verb($handler),
        },)*]
    };
}

#[rustfmt::skip]
pub(crate) fn rows() -> Vec<Handled> {
    let mut rows = table! {
        GET get "/healthz" Nothing Operator operator::alive;
        GET get "/readyz" Operator Operator operator::ready;
        GET get "/metrics" Operator Operator operator::metrics;

        GET get "/{tenant}/v2.0/.well-known/openid-configuration" Nothing OAuth oauth::metadata;
        GET get "/{tenant}/.well-known/openid-configuration" Nothing OAuth oauth::metadata;
        GET get "/{tenant}/discovery/v2.0/keys" Nothing OAuth oauth::keys;
        GET get "/{tenant}/discovery/keys" Nothing OAuth oauth::keys;
        GET get "/common/discovery/instance" Nothing OAuth oauth::instance;
        GET get "/common/UserRealm/{upn}" Nothing OAuth oauth::realm;
        POST post "/{tenant}/oauth2/v2.0/token" Secret OAuth oauth::token;
        POST post "/{tenant}/oauth2/token" Secret OAuth oauth::token_v1;
        POST post "/{tenant}/oauth2/v2.0/devicecode" Nothing OAuth oauth::device_code;
        POST post "/{tenant}/oauth2/devicecode" Nothing OAuth oauth::device_code;
        GET get "/{tenant}/oauth2/v2.0/logout" Nothing Page page::logout;

        GET get "/device" Nothing Page page::form;
        POST post "/device" Secret Page page::answer;

        POST post "/device/v1/join" JoinToken Device device::join;
        POST post "/device/v1/renew" DeviceCertificate Device device::renew;
        POST post "/device/v1/store" DeviceCertificate Device device::store;
        POST post "/device/v1/prove" DeviceCertificate Device device::prove;
        POST post "/device/v1/abandon" DeviceCertificate Device device::abandon;
        POST post "/device/v1/report" DeviceCertificate Device device::report;
        GET get "/device/v1/wait" DeviceCertificate Wait device::wait;

        POST post "/mdm" DeviceCertificate Mdm device::mdm;
        POST post "/mdm/{*rest}" DeviceCertificate Mdm device::mdm;
    };
    rows.extend(table! {
        GET get "/" Nothing Page admin::root;
        GET get "/admin/sign-in" Nothing Admin admin::sign_in_form;
        POST post "/admin/sign-in" Secret Admin admin::sign_in;
        POST post "/admin/sign-out" Cookie Admin admin::sign_out;
        GET get "/admin/assets/{file}" Nothing Admin admin::asset_file;
        GET get "/admin" Cookie Admin admin::start;
        GET get "/admin/coverage" Cookie Admin admin::coverage::coverage;
        GET get "/admin/coverage/devices" Cookie Admin admin::coverage::devices;
        POST post "/admin/sign-in/passkey" Secret Admin admin::sign_in_by_passkey;
        GET get "/admin/account" Cookie Admin admin::account::account;
        POST post "/admin/account/password" Cookie Admin admin::account::password;
        POST post "/admin/account/totp" Cookie Admin admin::account::totp;
        POST post "/admin/account/totp/confirm" Cookie Admin admin::account::confirm_totp;
        POST post "/admin/account/totp/remove" Cookie Admin admin::account::remove_totp;
        POST post "/admin/account/passkeys/begin" Cookie Admin admin::account::begin_passkey;
        POST post "/admin/account/passkeys" Cookie Admin admin::account::add_passkey;
        POST post "/admin/account/passkeys/{id}/remove" Cookie Admin admin::account::remove_passkey;
        POST post "/admin/account/sessions/{id}/end" Cookie Admin admin::account::end_session;
        POST post "/admin/account/identities" Cookie Admin admin::account::link_identity;
        POST post "/admin/account/identities/remove" Cookie Admin admin::account::unlink_identity;
        POST post "/admin/account/tokens" Cookie Admin admin::account::create_token;
        POST post "/admin/account/tokens/{id}/revoke" Cookie Admin admin::account::revoke_token;
        GET get "/admin/devices" Cookie Admin admin::devices;
        GET get "/admin/devices/{device}" Cookie Admin admin::device::device;
        POST post "/admin/devices/{device}/password" Cookie Admin admin::device::reveal;
        GET get "/admin/devices/{device}/history" Cookie Admin admin::device::history;
        GET get "/admin/devices/{device}/policy" Cookie Admin admin::device::policy;
        GET get "/admin/devices/{device}/events" Cookie Admin admin::device::events;
        GET get "/admin/devices/{device}/explain" Cookie Admin admin::device::explain;
        GET get "/admin/devices/{device}/rotation" Cookie Admin admin::device::rotation;
        POST post "/admin/devices/{device}/rotate" Cookie Admin admin::device::rotate;
        POST post "/admin/devices/{device}/enable" Cookie Admin admin::device::enable;
        POST post "/admin/devices/{device}/disable" Cookie Admin admin::device::disable;
        POST post "/admin/devices/{device}/delete" Cookie Admin admin::device::delete;
        POST post "/admin/devices/{device}/restore" Cookie Admin admin::device::restore;
        POST post "/admin/devices/{device}/purge" Cookie Admin admin::device::purge;
        POST post "/admin/devices/{device}/clear-fork" Cookie Admin admin::device::clear_fork;
        POST post "/admin/devices/{device}/predecessor" Cookie Admin admin::device::link;
        POST post "/admin/devices/{device}/access" Cookie Admin admin::device::ask;
        POST post "/admin/devices/{device}/read-done" Cookie Admin admin::device::read_done;
        GET get "/admin/access" Cookie Admin admin::access::access;
        GET get "/admin/access/all" Cookie Admin admin::access::all;
        POST post "/admin/access/{id}/approve" Cookie Admin admin::access::approve;
        POST post "/admin/access/{id}/deny" Cookie Admin admin::access::deny;
        POST post "/admin/access/{id}/cancel" Cookie Admin admin::access::cancel;
        GET get "/admin/access/rules" Cookie Admin admin::access::rules;
        GET get "/admin/access/rule" Cookie Admin admin::access::rule;
        POST post "/admin/access/rule" Cookie Admin admin::access::set;
        POST post "/admin/access/rule/clear" Cookie Admin admin::access::clear;
        GET get "/admin/rotations" Cookie Admin admin::rotations::list;
        POST post "/admin/rotations" Cookie Admin admin::rotations::start;
        POST post "/admin/rotations/preview" Cookie Admin admin::rotations::preview;
        POST post "/admin/rotations/revoke" Cookie Admin admin::rotations::revoke;
        GET get "/admin/rotations/{rotation}" Cookie Admin admin::rotations::one;
        POST post "/admin/rotations/{rotation}/cancel" Cookie Admin admin::rotations::cancel;
        GET get "/admin/policies" Cookie Admin admin::policies::list;
        POST post "/admin/policies" Cookie Admin admin::policies::save;
        GET get "/admin/policies/new" Cookie Admin admin::policies::new_form;
        POST post "/admin/policies/preview" Cookie Admin admin::policies::preview_form;
        GET get "/admin/policies/import" Cookie Admin admin::policies::import_form;
        POST post "/admin/policies/import" Cookie Admin admin::policies::import;
        GET get "/admin/policies/conflicts" Cookie Admin admin::policies::conflicts;
        GET get "/admin/policies/{policy}/export" Cookie Admin admin::policies::export;
        GET get "/admin/policies/{policy}/history" Cookie Admin admin::policies::history;
        POST post "/admin/policies/{policy}/roll-back" Cookie Admin admin::policies::roll_back;
        GET get "/admin/policies/{policy}/preview" Cookie Admin admin::policies::preview;
        GET get "/admin/policies/{policy}/rollout" Cookie Admin admin::policies::rollout;
        POST post "/admin/policies/{policy}/rollout" Cookie Admin admin::policies::act;
        POST post "/admin/policies/{policy}/rings" Cookie Admin admin::policies::set_rings;
        POST post "/admin/policies/{policy}/exclude" Cookie Admin admin::policies::exclude;
        POST post "/admin/policies/{policy}/include" Cookie Admin admin::policies::include;
        GET get "/admin/policies/{policy}" Cookie Admin admin::policies::one;
        GET get "/admin/policies/{policy}/edit" Cookie Admin admin::policies::edit_form;
        POST post "/admin/policies/{policy}/assign" Cookie Admin admin::policies::assign;
        POST post "/admin/policies/{policy}/unassign" Cookie Admin admin::policies::unassign;
        POST post "/admin/policies/{policy}/delete" Cookie Admin admin::policies::delete;
        GET get "/admin/people" Cookie Admin admin::people::people;
        POST post "/admin/people" Cookie Admin admin::people::create;
        POST post "/admin/people/{id}/reset" Cookie Admin admin::people::reset;
        POST post "/admin/people/{id}/enable" Cookie Admin admin::people::enable;
        POST post "/admin/people/{id}/disable" Cookie Admin admin::people::disable;
        POST post "/admin/people/{id}/delete" Cookie Admin admin::people::delete;
        POST post "/admin/programs" Cookie Admin admin::people::create_program;
        POST post "/admin/programs/{id}/delete" Cookie Admin admin::people::delete_program;
        POST post "/admin/roles" Cookie Admin admin::people::assign;
        POST post "/admin/roles/remove" Cookie Admin admin::people::unassign;
        GET get "/admin/people/{id}" Cookie Admin admin::person::one;
        POST post "/admin/people/{id}/reset-totp" Cookie Admin admin::person::reset_totp;
        POST post "/admin/people/{id}/reset-passkeys" Cookie Admin admin::person::reset_passkeys;
        POST post "/admin/people/{id}/unlock" Cookie Admin admin::person::unlock;
        POST post "/admin/people/{id}/sessions/end" Cookie Admin admin::person::end_session;
        POST post "/admin/people/{id}/tokens/revoke" Cookie Admin admin::person::revoke_token;
        POST post "/admin/people/{id}/identities" Cookie Admin admin::person::link;
        POST post "/admin/people/{id}/identities/remove" Cookie Admin admin::person::unlink;
        GET get "/admin/roles" Cookie Admin admin::roles::list;
        GET get "/admin/roles/new" Cookie Admin admin::roles::new_form;
        POST post "/admin/roles/save" Cookie Admin admin::roles::save;
        GET get "/admin/roles/{role}" Cookie Admin admin::roles::one;
        GET get "/admin/roles/{role}/edit" Cookie Admin admin::roles::edit_form;
        POST post "/admin/roles/{role}/delete" Cookie Admin admin::roles::delete;
        GET get "/admin/readers" Cookie Admin admin::readers::readers;
        GET get "/admin/groups" Cookie Admin admin::groups::list;
        POST post "/admin/groups" Cookie Admin admin::groups::create;
        GET get "/admin/groups/new" Cookie Admin admin::groups::new_form;
        GET get "/admin/groups/{group}" Cookie Admin admin::groups::one;
        POST post "/admin/groups/{group}/rename" Cookie Admin admin::groups::rename;
        POST post "/admin/groups/{group}/filter" Cookie Admin admin::groups::filter;
        POST post "/admin/groups/{group}/members" Cookie Admin admin::groups::add_member;
        POST post "/admin/groups/{group}/members/remove" Cookie Admin admin::groups::remove_member;
        POST post "/admin/groups/{group}/delete" Cookie Admin admin::groups::delete;
        GET get "/admin/join-tokens" Cookie Admin admin::join_tokens::list;
        POST post "/admin/join-tokens" Cookie Admin admin::join_tokens::create;
        POST post "/admin/join-tokens/{id}/revoke" Cookie Admin admin::join_tokens::revoke;
        GET get "/admin/audit" Cookie Admin admin::audit::audit;
        GET get "/admin/audit/proof" Cookie Admin admin::audit::proof;
        POST post "/admin/audit/proof" Cookie Admin admin::audit::prove;
        GET get "/admin/audit/export" Cookie Admin admin::audit::export;
        GET get "/admin/settings" Cookie Admin admin::settings::settings;
        POST post "/admin/settings" Cookie Admin admin::settings::save;
        POST post "/admin/settings/switch" Cookie Admin admin::settings::switch;
        POST post "/admin/settings/clock" Cookie Admin admin::settings::confirm_clock;
        GET get "/admin/settings/channels" Cookie Admin admin::settings::channels;
        POST post "/admin/settings/channels" Cookie Admin admin::settings::create;
        POST post "/admin/settings/channels/test" Cookie Admin admin::settings::test;
        POST post "/admin/settings/channels/pause" Cookie Admin admin::settings::pause;
        POST post "/admin/settings/channels/resume" Cookie Admin admin::settings::resume;
        POST post "/admin/settings/channels/remove" Cookie Admin admin::settings::remove;
        GET get "/admin/settings/escrow" Cookie Admin admin::settings::escrow;
        POST post "/admin/settings/escrow" Cookie Admin admin::settings::schedule;
    });
    rows.extend(table! {
        GET get "/v1.0/lapwing/joinTokens" Bearer Graph lapwing::join_tokens;
        POST post "/v1.0/lapwing/joinTokens" Bearer Graph lapwing::create_join_token;
        DELETE delete "/v1.0/lapwing/joinTokens/{id}" Bearer Graph lapwing::revoke_join_token;
        GET get "/v1.0/lapwing/groups" Bearer Graph lapwing::groups;
        POST post "/v1.0/lapwing/groups" Bearer Graph lapwing::create_group;
        DELETE delete "/v1.0/lapwing/groups/{group}" Bearer Graph lapwing::delete_group;
        PATCH patch "/v1.0/lapwing/groups/{group}" Bearer Graph roles::change_group;
        PUT put "/v1.0/lapwing/groups/{group}/members/{device}" Bearer Graph lapwing::add_member;
        DELETE delete "/v1.0/lapwing/groups/{group}/members/{device}" Bearer Graph lapwing::remove_member;
        GET get "/v1.0/lapwing/policies" Bearer Graph lapwing::policies;
        POST post "/v1.0/lapwing/policies" Bearer Graph lapwing::import_policy;
        GET get "/v1.0/lapwing/policies/{policy}" Bearer Graph lapwing::policy;
        DELETE delete "/v1.0/lapwing/policies/{policy}" Bearer Graph lapwing::delete_policy;
        POST post "/v1.0/lapwing/policies/{policy}/assign" Bearer Graph lapwing::assign_policy;
        POST post "/v1.0/lapwing/policies/{policy}/unassign" Bearer Graph lapwing::unassign_policy;
        GET get "/v1.0/lapwing/campaigns" Bearer Graph campaigns::list;
        POST post "/v1.0/lapwing/campaigns" Bearer Graph campaigns::create;
        GET get "/v1.0/lapwing/campaigns/{campaign}" Bearer Graph campaigns::one;
        GET get "/v1.0/lapwing/campaigns/{campaign}/devices" Bearer Graph campaigns::devices;
        POST post "/v1.0/lapwing/campaigns/{campaign}/cancel" Bearer Graph campaigns::cancel;
        POST post "/v1.0/lapwing/revocations" Bearer Graph campaigns::revoke;
        POST post "/v1.0/lapwing/revocations/preview" Bearer Graph campaigns::preview_revocation;
        GET get "/v1.0/lapwing/settingsTable" Bearer Graph policies::settings_table;
        GET get "/v1.0/lapwing/conflicts" Bearer Graph policies::conflicts;
        POST post "/v1.0/lapwing/preview" Bearer Graph policies::preview;
        POST post "/v1.0/lapwing/policies/{policy}/edit" Bearer Graph policies::edit;
        POST post "/v1.0/lapwing/policies/{policy}/rollBack" Bearer Graph policies::roll_back;
        GET get "/v1.0/lapwing/policies/{policy}/versions" Bearer Graph policies::versions;
        GET get "/v1.0/lapwing/policies/{policy}/syncml" Bearer Graph policies::syncml;
        POST post "/v1.0/lapwing/policies/{policy}/exclude" Bearer Graph policies::exclude;
        POST post "/v1.0/lapwing/policies/{policy}/include" Bearer Graph policies::include;
        GET get "/v1.0/lapwing/policies/{policy}/conflicts" Bearer Graph policies::conflicts_of;
        GET get "/v1.0/lapwing/policies/{policy}/rings" Bearer Graph policies::rings;
        PUT put "/v1.0/lapwing/policies/{policy}/rings" Bearer Graph policies::set_rings;
        GET get "/v1.0/lapwing/policies/{policy}/rollout" Bearer Graph policies::rollout;
        POST post "/v1.0/lapwing/policies/{policy}/rollout/{act}" Bearer Graph policies::act_on_rollout;
        POST post "/v1.0/lapwing/lint" Bearer Graph lapwing::lint;
        GET get "/v1.0/lapwing/devices/{device}/explain" Bearer Graph lapwing::explain;
        GET get "/v1.0/lapwing/devices/{device}/policy" Bearer Graph lapwing::device_policy;
        GET get "/v1.0/lapwing/devices/{device}/status" Bearer Graph lapwing::device_status;
        GET get "/v1.0/lapwing/devices/{device}/events" Bearer Graph lapwing::device_events;
        GET get "/v1.0/lapwing/devices/{device}/versions" Bearer Graph lapwing::versions;
        GET get "/v1.0/lapwing/devices/{device}/uses" Bearer Graph lapwing::uses;
        POST post "/v1.0/lapwing/devices/{device}/restore" Bearer Graph lapwing::restore_device;
        POST post "/v1.0/lapwing/devices/{device}/purge" Bearer Graph lapwing::purge_device;
        POST post "/v1.0/lapwing/devices/{device}/clearFork" Bearer Graph lapwing::clear_fork;
        PUT put "/v1.0/lapwing/devices/{device}/predecessor/{predecessor}" Bearer Graph lapwing::link_predecessor;
        GET get "/v1.0/lapwing/audit" Bearer Graph lapwing::audit;
        GET get "/v1.0/lapwing/audit/head" Bearer Graph lapwing::audit_heads;
        GET get "/v1.0/lapwing/users" Bearer Graph lapwing::users;
        POST post "/v1.0/lapwing/users" Bearer Graph lapwing::create_user;
        DELETE delete "/v1.0/lapwing/users/{id}" Bearer Graph lapwing::delete_user;
        POST post "/v1.0/lapwing/users/{id}/oneTimeSecret" Bearer Graph lapwing::reset_user;
        POST post "/v1.0/lapwing/users/{id}/enable" Bearer Graph lapwing::enable_user;
        POST post "/v1.0/lapwing/users/{id}/disable" Bearer Graph lapwing::disable_user;
        GET get "/v1.0/lapwing/servicePrincipals" Bearer Graph lapwing::service_principals;
        POST post "/v1.0/lapwing/servicePrincipals" Bearer Graph lapwing::create_service_principal;
        DELETE delete "/v1.0/lapwing/servicePrincipals/{id}" Bearer Graph lapwing::delete_service_principal;
        POST post "/v1.0/lapwing/roleAssignments" Bearer Graph lapwing::assign_role;
        POST post "/v1.0/lapwing/roleAssignments/remove" Bearer Graph lapwing::unassign_role;
        GET get "/v1.0/lapwing/settings" Bearer Graph lapwing::settings;
        PUT put "/v1.0/lapwing/settings" Bearer Graph lapwing::change_settings;
        POST post "/v1.0/lapwing/clock/confirm" Bearer Graph lapwing::confirm_clock;
    });
    rows.extend(table! {
        GET get "/v1.0/lapwing/readingRules" Bearer Graph reading::rules;
        GET get "/v1.0/lapwing/groups/{group}/readingRule" Bearer Graph reading::rule;
        PUT put "/v1.0/lapwing/groups/{group}/readingRule" Bearer Graph reading::set_rule;
        DELETE delete "/v1.0/lapwing/groups/{group}/readingRule" Bearer Graph reading::clear_rule;
        GET get "/v1.0/lapwing/devices/{device}/readingRule" Bearer Graph reading::device_rule;
        POST post "/v1.0/lapwing/devices/{device}/readingDone" Bearer Graph reading::done_reading;
        GET get "/v1.0/lapwing/accessRequests" Bearer Graph reading::access_requests;
        POST post "/v1.0/lapwing/accessRequests" Bearer Graph reading::request_access;
        POST post "/v1.0/lapwing/accessRequests/{id}/approve" Bearer Graph reading::approve_access;
        POST post "/v1.0/lapwing/accessRequests/{id}/deny" Bearer Graph reading::deny_access;
        POST post "/v1.0/lapwing/accessRequests/{id}/cancel" Bearer Graph reading::cancel_access;
        GET get "/v1.0/lapwing/audit/export" Bearer Graph reading::audit_export;
        GET get "/v1.0/lapwing/channels" Bearer Graph notify::channels;
        POST post "/v1.0/lapwing/channels" Bearer Graph notify::create_channel;
        DELETE delete "/v1.0/lapwing/channels/{name}" Bearer Graph notify::delete_channel;
        POST post "/v1.0/lapwing/channels/{name}/test" Bearer Graph notify::test_channel;
        POST post "/v1.0/lapwing/channels/{name}/pause" Bearer Graph notify::pause_channel;
        POST post "/v1.0/lapwing/channels/{name}/resume" Bearer Graph notify::resume_channel;
        GET get "/v1.0/lapwing/roles" Bearer Graph roles::roles;
        POST post "/v1.0/lapwing/roles" Bearer Graph roles::create_role;
        GET get "/v1.0/lapwing/roles/{role}" Bearer Graph roles::role;
        PATCH patch "/v1.0/lapwing/roles/{role}" Bearer Graph roles::change_role;
        DELETE delete "/v1.0/lapwing/roles/{role}" Bearer Graph roles::delete_role;
        GET get "/v1.0/lapwing/reports/coverage" Bearer Graph life::coverage;
        GET get "/v1.0/lapwing/reports/coverage/{code}" Bearer Graph life::coverage_devices;
        GET get "/v1.0/lapwing/devices/{device}/candidates" Bearer Graph life::candidates;
        GET get "/v1.0/lapwing/explain" Bearer Graph life::explain_named;
        GET get "/v1.0/lapwing/escrow" Bearer Graph life::escrow;
        POST post "/v1.0/lapwing/escrow/export" Bearer Graph life::export;
        POST post "/v1.0/lapwing/escrow/drill" Bearer Graph life::drill;
        GET get "/v1.0/lapwing/access/{id}/{device}" Bearer Graph roles::explain_access;
        GET get "/v1.0/lapwing/devices/{device}/readers" Bearer Graph roles::readers;
    });
    rows.extend(table! {
        GET get "/v1.0/lapwing/me/factors" Bearer Graph account::my_factors;
        POST post "/v1.0/lapwing/me/password" Bearer Graph account::change_password;
        POST post "/v1.0/lapwing/me/totp" Bearer Graph account::begin_totp;
        POST post "/v1.0/lapwing/me/totp/confirm" Bearer Graph account::confirm_totp;
        POST post "/v1.0/lapwing/me/totp/remove" Bearer Graph account::remove_totp;
        GET get "/v1.0/lapwing/me/sessions" Bearer Graph account::my_sessions;
        DELETE delete "/v1.0/lapwing/me/sessions/{session}" Bearer Graph account::end_my_session;
        GET get "/v1.0/lapwing/me/tokens" Bearer Graph account::my_api_tokens;
        POST post "/v1.0/lapwing/me/tokens" Bearer Graph account::create_api_token;
        DELETE delete "/v1.0/lapwing/me/tokens/{token}" Bearer Graph account::revoke_my_api_token;
        GET get "/v1.0/lapwing/apiTokens" Bearer Graph account::api_tokens;
        DELETE delete "/v1.0/lapwing/apiTokens/{token}" Bearer Graph account::revoke_api_token;
        GET get "/v1.0/lapwing/users/{id}/factors" Bearer Graph account::factors;
        DELETE delete "/v1.0/lapwing/users/{id}/totp" Bearer Graph account::reset_totp;
        GET get "/v1.0/lapwing/users/{id}/sessions" Bearer Graph account::sessions;
        DELETE delete "/v1.0/lapwing/users/{id}/sessions/{session}" Bearer Graph account::end_session;
        POST post "/v1.0/lapwing/users/{id}/unlock" Bearer Graph account::unlock_user;
        POST post "/v1.0/lapwing/addresses/{address}/unlock" Bearer Graph account::unlock_address;
        GET get "/v1.0/lapwing/servicePrincipals/{id}/keys" Bearer Graph account::client_keys;
        POST post "/v1.0/lapwing/servicePrincipals/{id}/keys" Bearer Graph account::add_client_key;
        DELETE delete "/v1.0/lapwing/servicePrincipals/{id}/keys/{key}" Bearer Graph account::remove_client_key;
        POST post "/v1.0/lapwing/me/passkeys/begin" Bearer Graph account::begin_passkey;
        POST post "/v1.0/lapwing/me/passkeys" Bearer Graph account::register_passkey;
        DELETE delete "/v1.0/lapwing/me/passkeys/{passkey}" Bearer Graph account::remove_my_passkey;
        DELETE delete "/v1.0/lapwing/users/{id}/passkeys" Bearer Graph account::reset_passkeys;
        POST post "/v1.0/lapwing/passkeys/begin" Nothing Graph account::begin_passkey_sign_in;
        POST post "/v1.0/lapwing/passkeys/answer" Secret Graph account::verify_by_passkey;
    });
    rows.extend(table! {
        GET get "/v1.0/lapwing/identityProviders" Bearer Graph federation::providers;
        POST post "/v1.0/lapwing/identityProviders" Bearer Graph federation::add_provider;
        DELETE delete "/v1.0/lapwing/identityProviders/{id}" Bearer Graph federation::remove_provider;
        GET get "/v1.0/lapwing/users/{id}/identities" Bearer Graph federation::identities;
        POST post "/v1.0/lapwing/users/{id}/identities" Bearer Graph federation::link;
        POST post "/v1.0/lapwing/users/{id}/identities/remove" Bearer Graph federation::unlink;
        GET get "/v1.0/lapwing/me/identityProviders" Bearer Graph federation::my_providers;
        GET get "/v1.0/lapwing/me/identities" Bearer Graph federation::my_identities;
        POST post "/v1.0/lapwing/me/identities" Bearer Graph federation::link_mine;
        POST post "/v1.0/lapwing/me/identities/remove" Bearer Graph federation::unlink_mine;
        GET get "/device/with/{provider}" Nothing Page federation::depart;
        GET get "/device/callback" Secret Page federation::arrive;
    });
    rows.extend(table! {
    });
    macro_rules! graph {
        ($($method:ident $verb:ident $path:literal $handler:path;)*) => {
            rows.extend(table! {
                $($method $verb $path Bearer Graph $handler;)*
            })
        };
    }
    graph! {
        GET get "/v1.0/directory/deviceLocalCredentials" graph::credentials;
        GET get "/beta/directory/deviceLocalCredentials" graph::credentials;
        GET get "/v1.0/deviceLocalCredentials" graph::credentials;
        GET get "/beta/deviceLocalCredentials" graph::credentials;
        GET get "/v1.0/directory/deviceLocalCredentials/{device}" graph::credential;
        GET get "/beta/directory/deviceLocalCredentials/{device}" graph::credential;
        GET get "/v1.0/deviceLocalCredentials/{device}" graph::credential;
        GET get "/beta/deviceLocalCredentials/{device}" graph::credential;
        GET get "/v1.0/devices" graph::devices;
        GET get "/beta/devices" graph::devices;
        GET get "/v1.0/devices/{device}" graph::device;
        GET get "/beta/devices/{device}" graph::device;
        PATCH patch "/v1.0/devices/{device}" graph::patch_device;
        PATCH patch "/beta/devices/{device}" graph::patch_device;
        DELETE delete "/v1.0/devices/{device}" graph::delete_device;
        DELETE delete "/beta/devices/{device}" graph::delete_device;
        GET get "/v1.0/deviceManagement/managedDevices" graph::managed_devices;
        GET get "/beta/deviceManagement/managedDevices" graph::managed_devices;
        GET get "/v1.0/deviceManagement/managedDevices/{device}" graph::managed_device;
        GET get "/beta/deviceManagement/managedDevices/{device}" graph::managed_device;
        POST post "/v1.0/deviceManagement/managedDevices/{device}/rotateLocalAdminPassword" graph::rotate;
        POST post "/beta/deviceManagement/managedDevices/{device}/rotateLocalAdminPassword" graph::rotate;
        GET get "/v1.0/policies/deviceRegistrationPolicy" graph::registration_policy;
        GET get "/beta/policies/deviceRegistrationPolicy" graph::registration_policy;
        PUT put "/v1.0/policies/deviceRegistrationPolicy" graph::set_registration_policy;
        PUT put "/beta/policies/deviceRegistrationPolicy" graph::set_registration_policy;
        GET get "/v1.0/auditLogs/directoryAudits" graph::audits;
        GET get "/beta/auditLogs/directoryAudits" graph::audits;
        GET get "/v1.0/me" graph::me;
        GET get "/beta/me" graph::me;
        GET get "/v1.0/organization" graph::organization;
        GET get "/beta/organization" graph::organization;
    };
    rows
}

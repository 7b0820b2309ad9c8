//! What stands around every page: navigation, who is signed in, notes; how pages are written and sent.

use super::shown::Shown;
use crate::app::browser::Browsing;
use crate::app::{App, Error, Kind};
use crate::authz::Origin;
use askama::Template;
use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use zeroize::Zeroizing;

/// Nothing but what the server itself serves; no script and no style in a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Bytes that a page is written into at once: growing would leave copies of a password behind.
const PAGE_BYTES: usize = 256 * 1024;

/// A part of the admin centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Coverage,
    Devices,
    Groups,
    Rotations,
    Access,
    Policies,
    People,
    Audit,
    Settings,
    Account,
}

/// Outlines of icons, in a square of 24.
mod icon {
    pub(super) const COVERAGE: &str = "M12 3v9h9M21 12a9 9 0 1 1-9-9";
    pub(super) const DEVICES: &str = "M4 5h16v10H4zM2 19h20M9 15v4M15 15v4";
    pub(super) const GROUPS: &str = "M3 7h7l2 3h9v10H3zM3 7V4h6l2 3";
    pub(super) const ROTATIONS: &str =
        "M20 11a8 8 0 0 0-14-4.500L3 9M3 4v5h5M4 13a8 8 0 0 0 14 4.500L21 15M21 20v-5h-5";
    pub(super) const ACCESS: &str = "M8 14a4 4 0 1 1 3.500-2L21 12v4h-3v-4M8 10h.01";
    pub(super) const POLICIES: &str = "M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h5";
    pub(super) const PEOPLE: &str =
        "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM2 21c0-4 3-6 7-6s7 2 7 6M16 4a4 4 0 0 1 0 7M18 15c2.500.6 4 2.500 4 6";
    pub(super) const AUDIT: &str = "M4 5h16M4 10h16M4 15h10M4 20h7M17 15v5l3-2z";
    pub(super) const SETTINGS: &str = "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4";
}

/// An entry of the navigation.
pub(crate) struct Place {
    pub(crate) href: &'static str,
    /// The outline of its icon, in a square of 24.
    pub(crate) icon: &'static str,
    pub(crate) label: &'static str,
    pub(crate) here: bool,
    /// What waits there for the person.
    pub(crate) waiting: usize,
}

/// A note at the head of a page.
pub(crate) struct Note {
    /// `good`, `warn`, `bad`, `info`.
    pub(crate) tone: &'static str,
    pub(crate) text: &'static str,
}

/// What stands around a page.
pub(crate) struct Shell {
    pub(crate) title: String,
    pub(crate) places: Vec<Place>,
    /// Who is signed in.
    pub(crate) person: Shown,
    pub(crate) form_token: String,
    pub(crate) note: Option<Note>,
    /// LAPS is off for the tenant.
    pub(crate) switch_off: bool,
    /// May open the settings.
    pub(crate) settings: bool,
}

impl Shell {
    pub(crate) async fn of(
        app: &App,
        browsing: &Browsing,
        title: &str,
        section: Section,
        note: Option<String>,
    ) -> Result<Self, Error> {
        let sections = app.sections(&browsing.caller).await?;
        let waiting = app.access_waiting(&browsing.caller).await?;
        let place = |wanted: bool, of: Section, href, icon, label| {
            let waiting = if of == Section::Access { waiting } else { 0 };
            wanted.then_some(Place { href, icon, label, here: of == section, waiting })
        };
        // Who asks for nothing and answers nothing sees what is asked of readers.
        let access = if sections.access { "/admin/access" } else { "/admin/access/rules" };
        let places = [
            place(sections.coverage, Section::Coverage, "/admin/coverage", icon::COVERAGE, "Coverage"),
            place(sections.devices, Section::Devices, "/admin/devices", icon::DEVICES, "Devices"),
            place(sections.groups, Section::Groups, "/admin/groups", icon::GROUPS, "Groups"),
            place(sections.rotations, Section::Rotations, "/admin/rotations", icon::ROTATIONS, "Rotations"),
            place(sections.access || sections.reading_rules, Section::Access, access, icon::ACCESS, "Access"),
            place(sections.policies, Section::Policies, "/admin/policies", icon::POLICIES, "Policies"),
            place(sections.people, Section::People, "/admin/people", icon::PEOPLE, "People and roles"),
            place(sections.audit, Section::Audit, "/admin/audit", icon::AUDIT, "Audit log"),
            place(sections.settings, Section::Settings, "/admin/settings", icon::SETTINGS, "Settings"),
        ];
        Ok(Self {
            title: title.to_owned(),
            places: places.into_iter().flatten().collect(),
            person: Shown::new(browsing.caller.principal().map_or("", |principal| principal.name.as_str())),
            form_token: browsing.form_token.clone(),
            note: note.as_deref().and_then(known_note),
            switch_off: !sections.laps_enabled,
            settings: sections.settings,
        })
    }
}

/// The notes that an address may ask for; never a text out of the address itself.
fn known_note(code: &str) -> Option<Note> {
    let (tone, text) = match code {
        "rotation" => ("info", "The device was asked for a new password."),
        "enabled" => ("good", "The device is enabled: it may store passwords again."),
        "disabled" => ("warn", "The device is disabled: what is stored stays readable, nothing new is taken."),
        "deleted" => ("warn", "The device was deleted. Its passwords stay readable until its tombstone ends."),
        "restored" => ("good", "The device is back."),
        "purged" => ("warn", "The device and its passwords were removed for good."),
        "fork_cleared" => ("good", "The fork is cleared."),
        "linked" => ("good", "The former object of this machine is linked."),
        "rotations_asked" => ("info", "The devices are asked now; those that are off stay on the list."),
        "rotation_cancelled" => {
            ("warn", "The rotation was called off. What is proven stays; what was only asked is taken back.")
        }
        "policy_saved" => ("good", "The policy was saved. Devices of its groups get it at their next check-in."),
        "policy_assigned" => ("good", "The policy was assigned."),
        "policy_unassigned" => ("warn", "The assignment was ended: devices of that group drop these settings."),
        "policy_excluded" => ("warn", "The group is left out: its devices drop these settings at their next check-in."),
        "policy_included" => ("good", "The group is not left out any more."),
        "policy_rolled_back" => ("good", "The values of that version are back, as a new version for all devices."),
        "rings_saved" => ("good", "The rings were saved. They hold for versions that are made from now on."),
        "rollout_changed" => ("info", "That is done; the table shows how the version stands."),
        "policy_deleted" => ("warn", "The policy was deleted."),
        "person_enabled" => ("good", "The person may sign in again."),
        "person_disabled" => ("warn", "The person may sign in no more; every session of that person has ended."),
        "person_deleted" => ("warn", "Deleted, with roles and sessions."),
        "totp_reset" => ("warn", "One-time codes are no longer asked for; the sessions of that person have ended."),
        "passkeys_reset" => ("warn", "The passkeys were removed; the sessions of that person have ended."),
        "unlocked" => ("good", "Unlocked: the person may try again."),
        "identity_linked_other" => ("good", "Linked: the person can sign in with that account from now on."),
        "identity_unlinked" => ("warn", "Unlinked; the sessions of that person have ended."),
        "role_given" => ("good", "The role was given. Sessions of that person have ended, so that it counts at once."),
        "role_taken" => ("warn", "The role was taken. Sessions of that person have ended, so that it counts at once."),
        "group_made" => ("good", "The group was made."),
        "group_renamed" => ("good", "The group has its new name."),
        "group_filtered" => ("good", "The filter was saved; members follow it from now on."),
        "group_deleted" => ("warn", "The group was deleted; its devices stay."),
        "member_added" => ("good", "The device is in the group."),
        "member_removed" => ("warn", "The device is no longer in the group."),
        "role_saved" => ("good", "The role was saved."),
        "role_deleted" => ("warn", "The role was deleted."),
        "join_token_revoked" => ("warn", "The join token was revoked: nothing joins with it any more."),
        "access_asked" => ("good", "Access was asked for. Those who may approve it see it under “Access”."),
        "access_approved" => ("good", "You approved the request."),
        "access_denied" => ("warn", "You denied the request."),
        "access_cancelled" => ("warn", "You took your request back."),
        "rule_set" => ("good", "The rule is set. It counts from the next read on."),
        "rule_cleared" => ("warn", "The rule is gone: nothing is asked of those who read there."),
        "reading_done" => ("info", "The device was asked for a new password; the one that you read ends with it."),
        "channel_made" => ("good", "The channel is told from now on. Send a test notice to see that it arrives."),
        "channel_paused" => ("warn", "The channel is paused. Nothing is lost: it goes on from where it is."),
        "channel_resumed" => ("good", "The channel goes on from where it was."),
        "channel_removed" => ("warn", "The channel was removed, with its secret."),
        "channel_tested" => ("good", "The receiver took a test notice."),
        "escrow_saved" => ("good", "The schedule was saved. The next export follows it."),
        "clock_confirmed" => ("good", "The clock is confirmed: what removes passwords by time goes on."),
        "laps_on" => ("good", "LAPS is on: devices may store new passwords."),
        "laps_off" => ("warn", "LAPS is off: devices cannot store new passwords."),
        "session_over" => ("good", "The session has ended; its tokens have stopped working."),
        "identity_linked" => ("good", "Linked: you can sign in with that account from now on."),
        "token_revoked" => ("warn", "The API token was revoked."),
        "settings_saved" => ("good", "The settings were saved."),
        _ => return None,
    };
    Some(Note { tone, text })
}

/// Writes a page into memory that is wiped after it was sent, and forbids everybody to keep it.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Result<Response, Error> {
    let mut text = Zeroizing::new(String::with_capacity(PAGE_BYTES));
    template.render_into(&mut *text).map_err(|error| Error::Internal(format!("a page cannot be written: {error}")))?;
    let mut response = Response::new(Body::from(Bytes::from_owner(text)));
    *response.status_mut() = status;
    super::super::no_store(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(response)
}

/// A whole page.
pub(crate) fn ok(template: &impl Template) -> Result<Response, Error> {
    page(StatusCode::OK, template)
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    title: &'static str,
    code: String,
    text: String,
    request: String,
    next: Vec<Way>,
    person: Option<Shown>,
}

/// A way on from an error.
struct Way {
    href: &'static str,
    label: &'static str,
}

/// An error as a page: what happened, its stable code, and a way on.
pub(crate) fn error_page(error: &Error, origin: &Origin, browsing: Option<&Browsing>) -> Response {
    let kind = error.kind();
    if matches!(kind, Kind::Internal | Kind::Unavailable) {
        tracing::error!(
            request = %origin.request_id, code = error.code(), error = %error.inside(),
            "a request failed"
        );
    }
    let (status, title) = heading(kind);
    let home = Way { href: "/admin", label: "To the start page" };
    let sign_in = Way { href: "/admin/sign-in", label: "Sign in" };
    let next = match kind {
        Kind::NotSignedIn => vec![sign_in],
        _ if browsing.is_none() => vec![sign_in, home],
        _ => vec![home],
    };
    let shown = ErrorPage {
        title,
        code: error.code().to_owned(),
        text: sentence(&error.text()),
        request: origin.request_id.clone(),
        next,
        person: browsing.and_then(|browsing| browsing.caller.principal()).map(|known| Shown::new(&known.name)),
    };
    let mut response = page(status, &shown).unwrap_or_else(|_| super::super::page::error(error, origin));
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

const fn heading(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid | Kind::HeaderMissing => (StatusCode::BAD_REQUEST, "That cannot be done so"),
        Kind::NotSignedIn => (StatusCode::UNAUTHORIZED, "Sign in again"),
        Kind::Denied => (StatusCode::FORBIDDEN, "Not allowed"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "Not found"),
        Kind::Method => (StatusCode::METHOD_NOT_ALLOWED, "Not found"),
        Kind::Conflict => (StatusCode::CONFLICT, "That does not go together"),
        Kind::Changed => (StatusCode::PRECONDITION_FAILED, "It changed meanwhile"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        Kind::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too many at once"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong"),
    }
}

/// A sentence of a refusal with a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut whole: String = match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    };
    if !whole.ends_with(['.', '!', '?']) {
        whole.push('.');
    }
    whole
}

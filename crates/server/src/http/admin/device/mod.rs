//! One device: its password on request, candidates, history, policy, events, why, and what can be done.

mod acts;
mod events;
mod explain;
mod panel;
mod policy;

pub(crate) use acts::{clear_fork, delete, disable, enable, link, purge, restore, rotate};
pub(crate) use events::events;
pub(crate) use explain::explain;
pub(crate) use panel::{ask, read_done, reveal};
pub(crate) use policy::policy;

use super::devices::{Badge, marks, password_badge, state_badge};
use super::shell::{Section, Shell, ok, sentence};
use super::shown::{Prose, Shown, When, words};
use super::visit::Visit;
use crate::app::Error;
use crate::app::inventory::{DeviceSheet, Rights};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use laps::id::DeviceId;
use laps::time::Timestamp;
use panel::Panel;
use proto::admin::Version;
use serde_json::Value;

/// So long a password that is stored is expected to become proven by itself, seconds.
const PROOF_TAKES_S: u64 = 120;

fn key(id: &str) -> Result<DeviceId, Error> {
    id.parse().map_err(|_| {
        Error::not_found("device_unknown", "there is no device with this id; look for it in the list of devices")
    })
}

/// The head of each page of a device.
struct Head {
    id: String,
    name: Shown,
    os: Shown,
    agent: Shown,
    state: Badge,
    password: Badge,
    marks: Vec<Badge>,
    seen: Option<When>,
    joined: When,
    deleted: Option<(When, When)>,
    forked: Option<When>,
    from_backup: Option<When>,
    audit_differs: Option<When>,
    groups: Vec<Shown>,
    predecessor: Option<(String, Shown)>,
    waits: bool,
    minutes: u32,
    rights: Rights,
    tab: &'static str,
    is: State,
}

/// The state of the device object, for what is offered.
struct State {
    enabled: bool,
    disabled: bool,
    deleted: bool,
    purged: bool,
}

/// A version in a table.
struct Row {
    account: Shown,
    state: Badge,
    proof: &'static str,
    stored: When,
    proven: Option<When>,
    due: Option<When>,
    installed: bool,
    released: bool,
    of_predecessor: bool,
    id: String,
}

/// How a request to rotate goes.
struct Progress {
    asked: When,
    stored: bool,
    proven: Option<When>,
    /// It ended without a proof: when, and why.
    closed: Option<(When, Shown)>,
    /// What keeps the device from meeting it.
    waits_for: Option<WaitsFor>,
}

/// Why a request to rotate is not met yet.
struct WaitsFor {
    cause: Shown,
    remedy: Prose,
    code: &'static str,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    shell: Shell,
    head: Head,
    panel: Panel,
    candidates: Vec<Row>,
    /// Passwords of accounts that policy has left.
    released: Vec<Row>,
    progress: Option<Progress>,
    /// Objects that the machine may have had before, for who may link one.
    former: Vec<Former>,
}

/// An object that the machine may have had before it joined.
struct Former {
    id: String,
    label: Shown,
}

#[derive(Template)]
#[template(path = "device_rotation.html")]
struct RotationPart {
    head: Head,
    progress: Option<Progress>,
}

#[derive(Template)]
#[template(path = "device_history.html")]
struct HistoryPage {
    shell: Shell,
    head: Head,
    rows: Vec<Row>,
}

fn head(sheet: &DeviceSheet, tab: &'static str, now: Timestamp) -> Head {
    let line = &sheet.line;
    Head {
        id: line.id.to_string(),
        name: Shown::new(&line.name),
        os: Shown::new(&line.os),
        agent: Shown::new(if line.agent_version.is_empty() { "unknown" } else { &line.agent_version }),
        state: state_badge(line.state),
        password: password_badge(line, now),
        marks: marks(line),
        seen: When::maybe(line.last_seen, now),
        joined: When::of(sheet.registered_at, now),
        deleted: sheet.deleted.map(|(at, until)| (When::of(at, now), When::of(until, now))),
        forked: When::maybe(sheet.forked_at, now),
        from_backup: When::maybe(line.from_backup_at, now),
        audit_differs: When::maybe(sheet.audit_differs_at, now),
        groups: sheet.groups.iter().map(|name| Shown::new(name)).collect(),
        predecessor: sheet.predecessor.as_ref().map(|(id, name)| (id.to_string(), Shown::new(name))),
        waits: sheet.waits,
        minutes: sheet.poll_after_s.div_ceil(60),
        rights: sheet.rights,
        tab,
        is: State {
            enabled: line.state == "enabled",
            disabled: line.state == "disabled",
            deleted: line.state == "deleted",
            purged: line.state == "purged",
        },
    }
}

fn version_badge(state: &str) -> Badge {
    match state {
        "current" => Badge::new("good", "Current"),
        "pending" => Badge::new("info", "Pending"),
        "superseded" => Badge::new("plain", "Superseded"),
        other => Badge::new("plain", words(other)),
    }
}

fn proof_text(proof: Option<&str>) -> &'static str {
    match proof {
        Some("pam") => "PAM sign-in",
        Some(_) => "Account database",
        None => "Not proven",
    }
}

fn row(version: &Version, device: DeviceId, now: Timestamp) -> Row {
    Row {
        account: Shown::new(&version.account_name),
        state: version_badge(&version.state),
        proof: proof_text(version.proof.as_deref()),
        stored: When::of(version.stored_date_time, now),
        proven: When::maybe(version.proven_date_time, now),
        due: When::maybe(version.expiration_date_time, now),
        installed: version.installed,
        released: version.released,
        of_predecessor: version.device != device,
        id: version.id.to_string(),
    }
}

/// The newest request to rotate, while it is of interest.
async fn progress(visit: &Visit, sheet: &DeviceSheet) -> Result<Option<Progress>, Error> {
    let now = visit.now;
    let Some(newest) = sheet.requests.first() else { return Ok(None) };
    let ended = newest.met_at.or(newest.closed.as_ref().map(|(at, _)| *at));
    if ended.is_some_and(|at| at.plus_ticks(laps::time::TICKS_PER_HOUR) <= now) {
        return Ok(None);
    }
    let stored = sheet.versions.iter().filter(|version| version.sequence > newest.sequence);
    let stored = stored.map(|version| version.stored_date_time).max();
    let waits_for = match ended {
        None => visit.app.request_waits_for(&visit.caller, sheet.line.id).await?,
        Some(_) => None,
    };
    // Between storing and proving a password is not proven, for a moment, and nothing is wrong.
    let is_on_its_way = stored.is_some_and(|at| at.plus_seconds(PROOF_TAKES_S) > now);
    Ok(Some(Progress {
        asked: When::of(newest.requested_at, now),
        stored: stored.is_some(),
        proven: When::maybe(newest.met_at, now),
        closed: newest.closed.as_ref().map(|(at, why)| (When::of(*at, now), Shown::cut(&sentence(why), 300))),
        waits_for: waits_for.filter(|cause| cause.code != "stored_not_proven" || !is_on_its_way).map(|cause| {
            WaitsFor { cause: Shown::cut(&cause.cause, 600), remedy: Prose::cut(&cause.remedy, 600), code: cause.code }
        }),
    }))
}

/// What may open the account now, best first; and what opens accounts that are no longer rotated.
fn candidates(sheet: &DeviceSheet, now: Timestamp) -> (Vec<Row>, Vec<Row>) {
    let live = sheet.versions.iter().filter(|version| version.live || version.device != sheet.line.id);
    live.map(|version| row(version, sheet.line.id, now)).partition(|row| !row.released)
}

/// The page of a device.
pub(crate) async fn device(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let sheet = visit.app.device_sheet(&visit.caller, key(&id)?).await?;
    whole(&visit, &sheet, Panel::closed(&visit, &sheet).await?, StatusCode::OK).await
}

async fn whole(visit: &Visit, sheet: &DeviceSheet, panel: Panel, status: StatusCode) -> Result<Response, Error> {
    let former = match sheet.rights.delete && matches!(sheet.line.state, "enabled" | "disabled") {
        true => visit.app.predecessor_candidates(&visit.caller, sheet.line.id).await?,
        false => Vec::new(),
    };
    let (candidates, released) = candidates(sheet, visit.now);
    let page = DevicePage {
        former: former
            .iter()
            .map(|one| {
                let seen = When::of(one.last_seen_date_time.unwrap_or(one.registered_date_time), visit.now);
                let password = if one.has_password { "with a password" } else { "without a password" };
                let alike = if one.same_hardware { "the same machine" } else { "the same name" };
                Former {
                    id: one.id.to_string(),
                    label: Shown::cut(
                        &format!("{}, {alike}, {}, {password}, last seen {}", one.name, one.state, seen.near),
                        300,
                    ),
                }
            })
            .collect(),
        shell: visit.shell(&Shown::new(&sheet.line.name).to_string(), Section::Devices).await?,
        head: head(sheet, "password", visit.now),
        panel,
        candidates,
        released,
        progress: progress(visit, sheet).await?,
    };
    super::shell::page(status, &page)
}

/// How the newest request to rotate goes.
pub(crate) async fn rotation(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let sheet = visit.app.device_sheet(&visit.caller, key(&id)?).await?;
    if !visit.part {
        return whole(&visit, &sheet, Panel::closed(&visit, &sheet).await?, StatusCode::OK).await;
    }
    ok(&RotationPart { head: head(&sheet, "password", visit.now), progress: progress(&visit, &sheet).await? })
}

/// What the pages of a device begin with.
async fn opened(visit: &Visit, id: &str) -> Result<(DeviceSheet, Shell), Error> {
    let sheet = visit.app.device_sheet(&visit.caller, key(id)?).await?;
    let shell = visit.shell(&Shown::new(&sheet.line.name).to_string(), Section::Devices).await?;
    Ok((sheet, shell))
}

/// Every version that is kept, without passwords.
pub(crate) async fn history(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let (sheet, shell) = opened(&visit, &id).await?;
    let rows = sheet.versions.iter().map(|version| row(version, sheet.line.id, visit.now)).collect();
    ok(&HistoryPage { shell, head: head(&sheet, "history", visit.now), rows })
}

fn text_of(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Shown::cut(&text, 200).to_string()
}

fn plain(text: String) -> String {
    if text.is_empty() { "—".into() } else { text }
}

//! One device: its password on request, candidates, history, policy, events, why, and what can be done.

use super::devices::{Badge, marks, password_badge, state_badge};
use super::password::Spelt;
use super::shell::{Section, Shell, ok};
use super::shown::{Prose, Shown, When, words};
use super::visit::{Visit, done, form};
use crate::app::inventory::{DeviceSheet, Rights};
use crate::app::{Error, Justification};
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use laps::id::DeviceId;
use laps::time::Timestamp;
use proto::admin::Version;
use proto::graph::DevicePatch;
use serde::Deserialize;
use serde_json::Value;

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

/// A password that was revealed.
struct Revealed {
    row: Row,
    spelt: Spelt,
}

/// How a request to rotate goes.
struct Progress {
    asked: When,
    stored: bool,
    proven: Option<When>,
}

/// The panel with the password.
struct Panel {
    /// None is stored.
    none: bool,
    shown: Vec<Revealed>,
    earlier: Vec<Revealed>,
    asks: Asks,
}

/// What the rules of the device's groups ask of who reads.
#[derive(Default)]
struct Asks {
    reason: bool,
    ticket: bool,
    /// How many others must approve.
    approvals: u8,
    /// Minutes from a read to the rotation that follows it.
    rotate_after_minutes: Option<u32>,
    /// The reader may pass over approval.
    break_glass: bool,
}

impl Asks {
    async fn of(visit: &Visit, sheet: &DeviceSheet) -> Result<Self, Error> {
        if !sheet.rights.reveal {
            return Ok(Self::default());
        }
        let rule = visit.app.device_reading_rule(&visit.caller, sheet.line.id).await?;
        Ok(Self {
            reason: rule.reason_required,
            ticket: rule.ticket_required,
            approvals: rule.approvals,
            rotate_after_minutes: rule.rotate_after_minutes,
            break_glass: sheet.rights.break_glass,
        })
    }
}

/// What a reader says beside what is to be read.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    reason: String,
    ticket: String,
    break_glass: Option<String>,
}

#[derive(Template)]
#[template(path = "device.html")]
struct DevicePage {
    shell: Shell,
    head: Head,
    panel: Panel,
    candidates: Vec<Row>,
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
#[template(path = "device_password.html")]
struct PasswordPart {
    head: Head,
    panel: Panel,
    shell: Token,
}

/// The form token, where a part of a page has no shell.
struct Token {
    form_token: String,
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

/// A setting as the policy of a device has it.
struct SettingRow {
    name: String,
    value: String,
    sources: Vec<Shown>,
    status: Badge,
    in_force: String,
}

#[derive(Template)]
#[template(path = "device_policy.html")]
struct PolicyPage {
    shell: Shell,
    head: Head,
    policies: Vec<(String, Shown, u32)>,
    settings: Vec<SettingRow>,
    sent: Option<When>,
    answered: Option<When>,
    held: Option<Shown>,
}

struct Event {
    at: When,
    what: Badge,
    detail: Shown,
}

#[derive(Template)]
#[template(path = "device_events.html")]
struct EventsPage {
    shell: Shell,
    head: Head,
    events: Vec<Event>,
    uses: Vec<Event>,
    next: Option<String>,
}

/// A link of the chain.
struct Link {
    tone: &'static str,
    sign: &'static str,
    name: String,
    text: Shown,
    remedy: Prose,
    code: String,
    broken: bool,
}

#[derive(Template)]
#[template(path = "device_explain.html")]
struct ExplainPage {
    shell: Shell,
    head: Head,
    summary: Shown,
    code: String,
    links: Vec<Link>,
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
fn progress(sheet: &DeviceSheet, now: Timestamp) -> Option<Progress> {
    let newest = sheet.requests.first()?;
    let recent = newest.met_at.is_none_or(|met| met.plus_ticks(laps::time::TICKS_PER_HOUR) > now);
    recent.then(|| Progress {
        asked: When::of(newest.requested_at, now),
        stored: sheet.versions.iter().any(|version| version.sequence > newest.sequence),
        proven: When::maybe(newest.met_at, now),
    })
}

async fn closed_panel(visit: &Visit, sheet: &DeviceSheet) -> Result<Panel, Error> {
    let none = !sheet.versions.iter().any(|version| version.live);
    Ok(Panel { none, shown: Vec::new(), earlier: Vec::new(), asks: Asks::of(visit, sheet).await? })
}

fn candidates(sheet: &DeviceSheet, now: Timestamp) -> Vec<Row> {
    let live = sheet.versions.iter().filter(|version| version.live || version.device != sheet.line.id);
    live.map(|version| row(version, sheet.line.id, now)).collect()
}

/// The page of a device.
pub(crate) async fn device(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let sheet = visit.app.device_sheet(&visit.caller, key(&id)?).await?;
    whole(&visit, &sheet, closed_panel(&visit, &sheet).await?).await
}

async fn whole(visit: &Visit, sheet: &DeviceSheet, panel: Panel) -> Result<Response, Error> {
    let former = match sheet.rights.delete && matches!(sheet.line.state, "enabled" | "disabled") {
        true => visit.app.predecessor_candidates(&visit.caller, sheet.line.id).await?,
        false => Vec::new(),
    };
    ok(&DevicePage {
        former: former
            .iter()
            .map(|one| {
                let seen = When::of(one.last_seen_date_time.unwrap_or(one.registered_date_time), visit.now);
                let password = if one.has_password { "with a password" } else { "without a password" };
                Former {
                    id: one.id.to_string(),
                    label: Shown::cut(
                        &format!("{}, {}, {password}, last seen {}", one.name, one.state, seen.near),
                        300,
                    ),
                }
            })
            .collect(),
        shell: visit.shell(&Shown::new(&sheet.line.name).to_string(), Section::Devices).await?,
        head: head(sheet, "password", visit.now),
        panel,
        candidates: candidates(sheet, visit.now),
        progress: progress(sheet, visit.now),
    })
}

/// Reveals the password: in place, or without a script as a whole page.
pub(crate) async fn reveal(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let id = key(&id)?;
    // Whoever may not see the device learns nothing of it.
    let sheet = visit.app.device_sheet(&visit.caller, id).await?;
    let said: Said = form(&body)?;
    let given = |text: String| Some(text).filter(|text| !text.trim().is_empty());
    let justification = Justification {
        reason: given(said.reason),
        ticket: given(said.ticket),
        break_glass: said.break_glass.is_some(),
    };
    let mut entity = visit.app.reveal(&visit.caller, id, &justification).await?;
    let (mut shown, mut earlier) = (Vec::new(), Vec::new());
    for version in entity.credentials.take().unwrap_or_default() {
        let live = version.live || version.of_predecessor;
        let revealed = Revealed {
            row: Row {
                account: Shown::new(&version.account_name),
                state: version_badge(&version.state),
                proof: proof_text(version.proof.as_deref()),
                stored: When::of(version.backup_date_time, visit.now),
                proven: When::maybe(version.proven_date_time, visit.now),
                due: When::maybe(version.expiration_date_time, visit.now),
                installed: version.installed,
                released: version.released,
                of_predecessor: version.of_predecessor,
                id: version.version_id.to_string(),
            },
            spelt: Spelt::of(&version.password),
        };
        if live { shown.push(revealed) } else { earlier.push(revealed) }
    }
    let panel = Panel { none: shown.is_empty() && earlier.is_empty(), shown, earlier, asks: Asks::default() };
    if visit.part {
        let shell = Token { form_token: visit.form_token.clone() };
        return ok(&PasswordPart { head: head(&sheet, "password", visit.now), panel, shell });
    }
    whole(&visit, &sheet, panel).await
}

/// How the newest request to rotate goes.
pub(crate) async fn rotation(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let sheet = visit.app.device_sheet(&visit.caller, key(&id)?).await?;
    if !visit.part {
        return whole(&visit, &sheet, closed_panel(&visit, &sheet).await?).await;
    }
    ok(&RotationPart { head: head(&sheet, "password", visit.now), progress: progress(&sheet, visit.now) })
}

/// Acts on a device: each is done, and its page is shown again with a note. A device that the caller may not
/// see is not there.
macro_rules! acts {
    ($($(#[$doc:meta])* $name:ident $note:literal |$app:ident, $caller:ident, $id:ident| $act:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
            let $id = key(&id)?;
            let ($app, $caller) = (&visit.app, &visit.caller);
            $app.device_sheet($caller, $id).await?;
            $act.await?;
            Ok(done(&format!("/admin/devices/{}", $id), $note))
        }
    )*};
}

acts! {
    /// Asks for a new password.
    rotate "rotation" |app, caller, id| app.request_rotation(caller, id);
    /// Lets it store passwords again.
    enable "enabled" |app, caller, id| app.patch_device(caller, id, &DevicePatch { account_enabled: Some(true) });
    /// Takes nothing new from it.
    disable "disabled" |app, caller, id| app.patch_device(caller, id, &DevicePatch { account_enabled: Some(false) });
    /// Makes it a tombstone.
    delete "deleted" |app, caller, id| app.delete_device(caller, id);
    /// Brings it back.
    restore "restored" |app, caller, id| app.restore_device(caller, id);
    /// Removes it and its passwords for good.
    purge "purged" |app, caller, id| app.purge_device(caller, id);
    /// Ends a fork.
    clear_fork "fork_cleared" |app, caller, id| app.clear_fork(caller, id);
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Linked {
    predecessor: String,
}

/// Says which object the machine had before.
pub(crate) async fn link(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let id = key(&id)?;
    visit.app.device_sheet(&visit.caller, id).await?;
    let Linked { predecessor } = form(&body)?;
    let former = key(predecessor.trim())?;
    visit.app.device_sheet(&visit.caller, former).await?;
    visit.app.link_predecessor(&visit.caller, id, former).await?;
    Ok(done(&format!("/admin/devices/{id}"), "linked"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Later {
    after: String,
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

/// What policy the device has, from where, and how it answered.
pub(crate) async fn policy(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let (sheet, shell) = opened(&visit, &id).await?;
    let now = visit.now;
    let found = visit.app.device_policy(&visit.caller, sheet.line.id).await?;
    let status_of = |name: &str| {
        let sent = found.sent.as_ref()?;
        sent.statuses.iter().find(|status| status.uri.rsplit('/').next() == Some(name)).map(|status| status.status)
    };
    let in_force = |name: &str| found.in_force.as_ref().and_then(|delivery| delivery.values["settings"].get(name));
    let mut settings: Vec<SettingRow> = Vec::new();
    for policy in &found.assigned {
        for (name, value) in &policy.settings {
            if let Some(known) = settings.iter_mut().find(|known| known.name == *name) {
                known.sources.push(Shown::new(&policy.name));
                continue;
            }
            let status = match (status_of(name), &found.sent) {
                (Some(status @ 200..=299), _) => Badge::new("good", format!("Taken ({status})")),
                (Some(status), _) => Badge::new("bad", format!("Refused ({status})")),
                (None, Some(sent)) if sent.answered_date_time.is_none() => Badge::new("info", "Sent, not answered"),
                _ => Badge::new("plain", "Not sent yet"),
            };
            settings.push(SettingRow {
                name: name.clone(),
                value: text_of(value),
                sources: vec![Shown::new(&policy.name)],
                status,
                in_force: in_force(name).map_or_else(|| "—".to_owned(), text_of),
            });
        }
    }
    ok(&PolicyPage {
        shell,
        head: head(&sheet, "policy", now),
        policies: found
            .assigned
            .iter()
            .map(|policy| (policy.id.to_string(), Shown::new(&policy.name), policy.version))
            .collect(),
        settings,
        sent: found.sent.as_ref().map(|sent| When::of(sent.sent_date_time, now)),
        answered: found.sent.as_ref().and_then(|sent| When::maybe(sent.answered_date_time, now)),
        held: found.held.as_ref().map(|held| Shown::cut(&text_of(held), 600)),
    })
}

fn text_of(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Shown::cut(&text, 200).to_string()
}

/// What happened to the device, and who signed in with its passwords.
pub(crate) async fn events(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let (sheet, shell) = opened(&visit, &id).await?;
    let now = visit.now;
    let Later { after } = visit.query()?;
    let list = format!("admin/devices/{}/events", sheet.line.id);
    let after = (!after.is_empty()).then(|| visit.app.open_page(&list, &after)).flatten();
    let listed = visit.app.device_events(&visit.caller, sheet.line.id, after, 50).await?;
    let tone = |kind: &str| match kind {
        "clone_suspected" | "unknown_verifier" | "state_damaged" => "bad",
        "forked" | "drift" | "repair_held" => "warn",
        "fork_cleared" => "good",
        _ => "plain",
    };
    let detail = |value: &Value| match value {
        Value::Object(members) if members.is_empty() => String::new(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| format!("{}: {}", words(key), text_of(value)))
            .collect::<Vec<_>>()
            .join(", "),
        Value::Null => String::new(),
        other => text_of(other),
    };
    let uses = visit.app.uses(&visit.caller, sheet.line.id).await.unwrap_or_default();
    let sealed = |cursor: &String| serde_urlencoded::to_string([("after", visit.app.seal_page(&list, cursor))]).ok();
    ok(&EventsPage {
        shell,
        head: head(&sheet, "events", now),
        events: listed
            .items
            .iter()
            .map(|event| Event {
                at: When::of(event.at, now),
                what: Badge::new(tone(&event.kind), words(&event.kind)),
                detail: Shown::cut(&plain(detail(&event.detail)), 400),
            })
            .collect(),
        uses: uses
            .iter()
            .map(|used| Event {
                at: When::of(used.signed_in_date_time, now),
                what: Badge::new("info", used.service.clone()),
                detail: Shown::cut(
                    &match &used.from {
                        Some(from) => format!("as {} from {from}", used.account_name),
                        None => format!("as {}", used.account_name),
                    },
                    400,
                ),
            })
            .collect(),
        next: listed
            .next
            .as_ref()
            .and_then(sealed)
            .map(|query| format!("/admin/devices/{}/events?{query}", sheet.line.id)),
    })
}

fn plain(text: String) -> String {
    if text.is_empty() { "—".into() } else { text }
}

/// Why there is no password, or an old one.
pub(crate) async fn explain(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let (sheet, shell) = opened(&visit, &id).await?;
    let found = visit.app.explain(&visit.caller, &sheet.line.id.to_string()).await?;
    let links = found
        .links
        .iter()
        .map(|link| {
            let (tone, sign) = match link.state.as_str() {
                "ok" | "holds" => ("good", "✓"),
                "broken" => ("bad", "✕"),
                _ => ("plain", "·"),
            };
            Link {
                tone,
                sign,
                name: words(&link.name),
                text: Shown::cut(if link.text.is_empty() { "not looked at" } else { &link.text }, 600),
                remedy: Prose::cut(&plain(link.remedy.clone()), 600),
                code: link.code.clone(),
                broken: tone == "bad",
            }
        })
        .collect();
    ok(&ExplainPage {
        shell,
        head: head(&sheet, "explain", visit.now),
        summary: Shown::cut(&found.summary, 800),
        code: found.code,
        links,
    })
}

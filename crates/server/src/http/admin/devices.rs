//! The list of devices: search, filters, and pages by key.

use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::Visit;
use crate::app::Error;
use crate::app::inventory::{DeviceLine, Freshness, InventoryQuery, Standing};
use askama::Template;
use axum::response::Response;
use laps::time::Timestamp;
use serde::Deserialize;

/// A badge: a word with a tone and a shape, so that colour is never alone.
pub(crate) struct Badge {
    /// `good`, `warn`, `bad`, `info`, `plain`.
    pub(crate) tone: &'static str,
    pub(crate) text: String,
}

impl Badge {
    pub(crate) fn new(tone: &'static str, text: impl Into<String>) -> Self {
        Self { tone, text: text.into() }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    search: String,
    state: String,
    group: String,
    seen: String,
    password: String,
}

/// A choice of a filter.
struct Choice {
    value: String,
    label: Shown,
    chosen: bool,
}

struct Line {
    id: String,
    name: Shown,
    os: Shown,
    state: Badge,
    password: Badge,
    stored: Option<When>,
    seen: Option<When>,
    marks: Vec<Badge>,
}

#[derive(Template)]
#[template(path = "devices.html")]
struct DevicesPage {
    shell: Shell,
    search: String,
    states: Vec<Choice>,
    groups: Vec<Choice>,
    freshness: Vec<Choice>,
    standing: Vec<Choice>,
    narrowed: bool,
    /// May see join tokens.
    may_join: bool,
    lines: Vec<Line>,
    later: bool,
    next: Option<String>,
}

pub(crate) fn state_badge(state: &str) -> Badge {
    match state {
        "enabled" => Badge::new("good", "Enabled"),
        "disabled" => Badge::new("warn", "Disabled"),
        "deleted" => Badge::new("bad", "Deleted"),
        _ => Badge::new("plain", "Purged"),
    }
}

/// How the password of a device stands, in a word.
pub(crate) fn password_badge(line: &DeviceLine, now: Timestamp) -> Badge {
    match (line.stored_at, line.proven_at, line.expires_at) {
        (None, ..) => Badge::new("bad", "Missing"),
        (_, None, _) => Badge::new("warn", "Not proven yet"),
        (.., Some(due)) if due < now => Badge::new("warn", "Overdue"),
        _ => Badge::new("good", "Proven"),
    }
}

pub(crate) fn marks(line: &DeviceLine) -> Vec<Badge> {
    let mut marks = Vec::new();
    if line.clone_suspected {
        marks.push(Badge::new("bad", "Cloned or stolen?"));
    } else if line.forked {
        marks.push(Badge::new("warn", "Forked"));
    }
    if line.from_backup_at.is_some() {
        marks.push(Badge::new("warn", "From a backup"));
    }
    marks
}

fn choices(chosen: &str, all: &[(&str, &str)]) -> Vec<Choice> {
    all.iter()
        .map(|(value, label)| Choice { value: (*value).to_owned(), label: Shown::new(label), chosen: *value == chosen })
        .collect()
}

/// The page.
pub(crate) async fn devices(visit: Visit) -> Result<Response, Error> {
    let asked: Asked = visit.query()?;
    let query = InventoryQuery {
        search: asked.search.clone(),
        state: asked.state.clone(),
        group: asked.group.clone(),
        freshness: match asked.seen.as_str() {
            "day" => Freshness::Today,
            "quiet7" => Freshness::QuietWeek,
            "quiet30" => Freshness::QuietMonth,
            "never" => Freshness::Never,
            _ => Freshness::Any,
        },
        standing: match asked.password.as_str() {
            "missing" => Standing::Missing,
            "overdue" => Standing::Overdue,
            "unproven" => Standing::Unproven,
            _ => Standing::Any,
        },
    };
    let after = visit.after("admin/devices")?;
    let later = after.is_some();
    let listed = visit.app.inventory(&visit.caller, &query, after).await?;
    let mut groups = choices(&asked.group, &[("", "Every group")]);
    if let Ok(known) = visit.app.groups(&visit.caller, None, 200).await {
        let all = laps::id::GroupId::from_bytes([0xff; 16]);
        groups.extend(known.items.into_iter().filter(|group| group.id != all).map(|group| Choice {
            chosen: asked.group == group.id.to_string(),
            value: group.id.to_string(),
            label: Shown::new(&group.name),
        }));
    }
    let kept = [
        ("search", asked.search.as_str()),
        ("state", &asked.state),
        ("group", &asked.group),
        ("seen", &asked.seen),
        ("password", &asked.password),
    ];
    let next = visit.next("/admin/devices", "admin/devices", &kept, listed.next);
    ok(&DevicesPage {
        shell: visit.shell("Devices", Section::Devices).await?,
        states: choices(
            &asked.state,
            &[
                ("", "Every state"),
                ("enabled", "Enabled"),
                ("disabled", "Disabled"),
                ("deleted", "Deleted"),
                ("purged", "Purged"),
            ],
        ),
        groups,
        freshness: choices(
            &asked.seen,
            &[
                ("", "Any time"),
                ("day", "In the last 24 hours"),
                ("quiet7", "Not for 7 days"),
                ("quiet30", "Not for 30 days"),
                ("never", "Never"),
            ],
        ),
        standing: choices(
            &asked.password,
            &[("", "Any"), ("missing", "Missing"), ("overdue", "Overdue"), ("unproven", "Not proven yet")],
        ),
        may_join: visit.app.may_read_join_tokens(&visit.caller).is_ok(),
        narrowed: query != InventoryQuery::default(),
        search: asked.search,
        lines: listed.items.iter().map(|line| shown(line, visit.now)).collect(),
        later,
        next,
    })
}

fn shown(line: &DeviceLine, now: Timestamp) -> Line {
    Line {
        id: line.id.to_string(),
        name: Shown::new(&line.name),
        os: Shown::new(&line.os),
        state: state_badge(line.state),
        password: password_badge(line, now),
        stored: When::maybe(line.stored_at, now),
        seen: When::maybe(line.last_seen, now),
        marks: marks(line),
    }
}

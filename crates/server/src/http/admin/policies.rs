//! Policies: the list, and what the pages of one policy share.

mod document;
mod form;
mod history;
mod one;
mod outcome;
mod rollout;

pub(crate) use document::{export, import, import_form};
pub(crate) use form::{edit_form, new_form, preview_form, save};
pub(crate) use history::{history, roll_back};
pub(crate) use one::{assign, conflicts, delete, exclude, include, one, unassign};
pub(crate) use outcome::preview;
pub(crate) use rollout::{act, rollout, set_rings};

use super::devices::Badge;
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When};
use super::visit::Visit;
use crate::app::{Error, Kind};
use askama::Template;
use axum::response::Response;
use http::StatusCode;
use laps::id::GroupId;
use laps::policy::{Allowed, SettingInfo, TABLE};
use proto::admin::{ALL_DEVICES, Policy};
use serde_json::Value;

/// Policies of one page of the list.
const POLICIES: u32 = 100;
/// Groups that a choice offers.
const GROUPS: u32 = 500;

struct Line {
    id: String,
    name: Shown,
    version: u32,
    settings: usize,
    groups: Vec<Shown>,
    changed: When,
    /// A version is on its way by rings.
    way: Option<Badge>,
}

impl Line {
    /// Whether anybody has the policy.
    fn badge(&self) -> Badge {
        if self.groups.is_empty() { Badge::new("plain", "Not assigned") } else { Badge::new("good", "Assigned") }
    }
}

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    shell: Shell,
    lines: Vec<Line>,
    next: Option<String>,
    /// Devices whose delivery is held.
    held: usize,
    may_write: bool,
}

/// A group that a form offers.
struct Group {
    value: String,
    label: Shown,
    chosen: bool,
}

/// What stands above each page of a policy.
struct Head {
    id: String,
    name: Shown,
    version: u32,
    changed: When,
    state: Badge,
    /// A version is on its way by rings.
    way: Option<Badge>,
    /// The page of the policy that is open.
    tab: &'static str,
    may_write: bool,
}

impl Head {
    async fn of(visit: &Visit, policy: &Policy, tab: &'static str) -> Result<Self, Error> {
        Ok(Self {
            id: policy.id.to_string(),
            name: Shown::new(&policy.name),
            version: policy.version,
            changed: When::of(policy.changed_date_time, visit.now),
            state: line(policy, None, visit).badge(),
            way: way(visit.app.open_rollouts(&visit.caller).await?.get(&policy.id)),
            tab,
            may_write: visit.app.sections(&visit.caller).await?.write_policies,
        })
    }
}

/// How a version stands that is on its way by rings.
fn way(state: Option<&&'static str>) -> Option<Badge> {
    match state {
        Some(&"halted") => Some(Badge::new("bad", "Halted")),
        Some(_) => Some(Badge::new("info", "On its way")),
        None => None,
    }
}

fn line(policy: &Policy, way: Option<Badge>, visit: &Visit) -> Line {
    Line {
        id: policy.id.to_string(),
        name: Shown::new(&policy.name),
        version: policy.version,
        settings: policy.settings.len(),
        groups: policy.groups.iter().map(|group| Shown::new(group_label(group))).collect(),
        changed: When::of(policy.changed_date_time, visit.now),
        way,
    }
}

fn group_label(group: &str) -> &str {
    if group == ALL_DEVICES { "All devices" } else { group }
}

/// The groups that a form offers, all devices among them or not; `chosen` are ids, names, or `all`.
async fn groups(visit: &Visit, with_all: bool, chosen: &[String]) -> Vec<Group> {
    let is_chosen = |one: &str| chosen.iter().any(|wanted| wanted == one);
    let all = Group { value: ALL_DEVICES.to_owned(), label: Shown::new("All devices"), chosen: is_chosen(ALL_DEVICES) };
    let mut offered: Vec<Group> = with_all.then_some(all).into_iter().collect();
    // Who may not list groups is offered all devices only.
    if let Ok(known) = visit.app.groups(&visit.caller, None, GROUPS).await {
        let every = GroupId::from_bytes([0xff; 16]);
        offered.extend(known.items.into_iter().filter(|group| group.id != every).map(|group| Group {
            chosen: is_chosen(&group.name) || is_chosen(&group.id.to_string()),
            label: Shown::new(&group.name),
            value: group.name,
        }));
    }
    offered
}

/// The list.
pub(crate) async fn list(visit: Visit) -> Result<Response, Error> {
    let after = visit.after("admin/policies")?;
    let listed = visit.app.policies(&visit.caller, after, POLICIES).await?;
    let open = visit.app.open_rollouts(&visit.caller).await?;
    ok(&PoliciesPage {
        shell: visit.shell("Policies", Section::Policies).await?,
        lines: listed.items.iter().map(|policy| line(policy, way(open.get(&policy.id)), &visit)).collect(),
        next: visit.next("/admin/policies", "admin/policies", &[], listed.next),
        held: visit.app.conflicts(&visit.caller, None).await?.len(),
        may_write: visit.app.sections(&visit.caller).await?.write_policies,
    })
}

/// A setting of the table.
fn info(name: &str) -> Option<&'static SettingInfo> {
    TABLE.iter().find(|info| info.name == name)
}

/// A value with what it means: `1`, `Microsoft Entra ID`.
struct ValueText {
    value: Shown,
    meaning: &'static str,
}

impl ValueText {
    fn of(setting: &str, value: &Value) -> Self {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(true) => "yes".into(),
            Value::Bool(false) => "no".into(),
            other => other.to_string(),
        };
        Self { value: Shown::new(&text), meaning: info(setting).map_or("", |info| meaning(info, value)) }
    }
}

fn meaning(info: &SettingInfo, value: &Value) -> &'static str {
    match &info.allowed {
        Allowed::Enum(values) => {
            values.iter().find(|one| value.as_u64() == Some(u64::from(one.value))).map_or("", |one| one.meaning)
        }
        Allowed::Bool { yes, no, .. } => match value {
            Value::Bool(true) => yes,
            Value::Bool(false) => no,
            _ => "",
        },
        _ => info.unit.unwrap_or_default(),
    }
}

/// A difference between two versions.
struct Change {
    label: &'static str,
    setting: Shown,
    from: Option<ValueText>,
    to: Option<ValueText>,
}

impl Change {
    fn of(change: &proto::admin::SettingChange) -> Self {
        let text = |value: &Value| ValueText::of(&change.setting, value);
        Self {
            label: info(&change.setting).map_or("", |info| info.label),
            setting: Shown::new(&change.setting),
            from: change.from.as_ref().map(text),
            to: change.to.as_ref().map(text),
        }
    }
}

/// The status of a form that is shown again with what is wrong with it; `None` for what is no matter of the form.
fn form_status(error: &Error) -> Option<StatusCode> {
    match error.kind() {
        Kind::Invalid => Some(StatusCode::UNPROCESSABLE_ENTITY),
        // A group that is not there any more; the page of a policy that is not there is an error of its own.
        Kind::NotFound => Some(StatusCode::NOT_FOUND),
        Kind::Conflict => Some(StatusCode::CONFLICT),
        Kind::Changed => Some(StatusCode::PRECONDITION_FAILED),
        _ => None,
    }
}

/// What is wrong, one line each.
fn mistakes(error: &Error) -> Vec<Shown> {
    error.text().lines().map(|mistake| Shown::cut(mistake, 400)).collect()
}

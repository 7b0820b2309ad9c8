//! A policy: its settings, what they would do, whom it is for and whom it leaves out, and where policies disagree.

use super::super::shell::{Section, Shell, ok, page};
use super::super::shown::{Prose, Shown};
use super::super::visit::{Visit, done, form};
use super::{Group, Head, ValueText, form_status, group_label, groups, info, mistakes};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use proto::admin::{ALL_DEVICES, Assign, HeldDevice, LintFinding, LintRequest, Policy};
use serde::Deserialize;
use serde_json::Value;

/// Devices that the page of one policy names of those that are held.
const HELD_SHOWN: usize = 10;
/// Devices of the page of all conflicts.
const HELD_LISTED: usize = 200;

/// A setting with its value in a policy.
struct SettingRow {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    text: ValueText,
}

struct Finding {
    tone: &'static str,
    text: Shown,
    remedy: Prose,
    devices: Shown,
}

/// A device that nothing new is sent to.
struct Held {
    device: String,
    name: Shown,
    why: Shown,
    said: Vec<Said>,
}

/// A setting in which policies disagree, and what each says.
struct Said {
    setting: Shown,
    policies: Vec<(String, Shown, Shown)>,
}

/// A form of this page that was refused.
#[derive(Default)]
struct Refused {
    /// `assign` or `exclude`.
    what: &'static str,
    group: String,
    mistakes: Vec<Shown>,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    shell: Shell,
    head: Head,
    rows: Vec<SettingRow>,
    assigned: Vec<Group>,
    groups: Vec<Group>,
    excluded: Vec<Group>,
    excludable: Vec<Group>,
    findings: Vec<Finding>,
    looked_at: String,
    held: Vec<Held>,
    held_count: usize,
    refused: Refused,
}

#[derive(Template)]
#[template(path = "policy_conflicts.html")]
struct ConflictsPage {
    shell: Shell,
    held: Vec<Held>,
    /// There are more.
    more: usize,
}

/// One policy.
pub(crate) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let policy = visit.app.policy(&visit.caller, &id).await?;
    shown(&visit, &policy, StatusCode::OK, Refused::default()).await
}

async fn shown(visit: &Visit, policy: &Policy, status: StatusCode, refused: Refused) -> Result<Response, Error> {
    let rows = policy.settings.iter().filter_map(|(name, value)| {
        let info = info(name)?;
        Some(SettingRow { name: info.name, label: info.label, help: info.help, text: ValueText::of(name, value) })
    });
    let request = LintRequest {
        settings: policy.settings.clone(),
        policy: Some(policy.name.clone()),
        group: policy.groups.first().cloned().unwrap_or_else(|| ALL_DEVICES.to_owned()),
    };
    let report = visit.app.lint_policy(&visit.caller, &request).await?;
    let conflicts = visit.app.conflicts(&visit.caller, Some(&policy.id.to_string())).await?;
    let chosen = |what: &str| if refused.what == what { vec![refused.group.clone()] } else { Vec::new() };
    let mut offered = groups(visit, true, &chosen("assign")).await;
    offered.retain(|group| !policy.groups.contains(&group.value));
    let mut excludable = groups(visit, false, &chosen("exclude")).await;
    excludable.retain(|group| !policy.excluded.contains(&group.value));
    let listed = |group: &String| Group { value: group.clone(), label: Shown::new(group_label(group)), chosen: false };
    let shown = PolicyPage {
        shell: visit.shell(&Shown::new(&policy.name).to_string(), Section::Policies).await?,
        head: Head::of(visit, policy, "settings").await?,
        rows: rows.collect(),
        assigned: policy.groups.iter().map(listed).collect(),
        groups: offered,
        excluded: policy.excluded.iter().map(listed).collect(),
        excludable,
        findings: report.findings.iter().map(finding).collect(),
        looked_at: match report.devices {
            1 => "1 device was looked at.".to_owned(),
            devices => {
                format!("{devices} devices were looked at, {} of them have not told about themselves.", report.unknown)
            }
        },
        held: conflicts.iter().take(HELD_SHOWN).map(held).collect(),
        held_count: conflicts.len(),
        refused,
    };
    page(status, &shown)
}

fn finding(found: &LintFinding) -> Finding {
    Finding {
        tone: match found.severity.as_str() {
            "error" => "bad",
            "warning" => "warn",
            _ => "info",
        },
        text: Shown::cut(&found.text, 400),
        remedy: Prose::cut(&found.remedy, 400),
        devices: Shown::cut(
            &match found.devices {
                None => "every device".to_owned(),
                Some(1) => format!("1 device: {}", found.names.join(", ")),
                Some(count) => format!("{count} devices, such as {}", found.names.join(", ")),
            },
            300,
        ),
    }
}

fn held(one: &HeldDevice) -> Held {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conflicts = one.held["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said = conflicts.iter().map(|conflict| Said {
        setting: Shown::new(&text(&conflict["setting"])),
        policies: conflict["policies"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|policy| {
                (text(&policy["id"]), Shown::new(&text(&policy["name"])), Shown::new(&text(&policy["value"])))
            })
            .collect(),
    });
    Held {
        device: one.device.to_string(),
        name: Shown::new(&one.name),
        why: Shown::cut(&text(&one.held["text"]), 300),
        said: said.collect(),
    }
}

/// Every device that is held.
pub(crate) async fn conflicts(visit: Visit) -> Result<Response, Error> {
    let found = visit.app.conflicts(&visit.caller, None).await?;
    ok(&ConflictsPage {
        shell: visit.shell("Conflicts of policies", Section::Policies).await?,
        held: found.iter().take(HELD_LISTED).map(held).collect(),
        more: found.len().saturating_sub(HELD_LISTED),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Assignment {
    group: String,
    confirmed: String,
}

/// To the page of the policy, or the page again with why not.
async fn answered(
    visit: &Visit,
    id: &str,
    result: Result<Policy, Error>,
    note: &str,
    what: &'static str,
    group: String,
) -> Result<Response, Error> {
    match result {
        Ok(policy) => Ok(done(&format!("/admin/policies/{}", policy.id), note)),
        Err(error) => match form_status(&error) {
            Some(status) => {
                let policy = visit.app.policy(&visit.caller, id).await?;
                shown(visit, &policy, status, Refused { what, group, mistakes: mistakes(&error) }).await
            }
            None => Err(error),
        },
    }
}

/// Assigns it to a group.
pub(crate) async fn assign(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Assignment = form(&body)?;
    let to = Assign { group: asked.group.clone(), confirmed: asked.confirmed == "yes" };
    let result = visit.app.assign_policy(&visit.caller, &id, &to, true).await;
    answered(&visit, &id, result, "policy_assigned", "assign", asked.group).await
}

/// Ends an assignment.
pub(crate) async fn unassign(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Assignment = form(&body)?;
    let policy = visit.app.assign_policy(&visit.caller, &id, &Assign::to(asked.group), false).await?;
    Ok(done(&format!("/admin/policies/{}", policy.id), "policy_unassigned"))
}

/// Leaves a group out of it.
pub(crate) async fn exclude(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Assignment = form(&body)?;
    let result = visit.app.exclude_policy(&visit.caller, &id, &Assign::to(asked.group.clone()), true).await;
    answered(&visit, &id, result, "policy_excluded", "exclude", asked.group).await
}

/// Takes a group in again.
pub(crate) async fn include(visit: Visit, Path(id): Path<String>, body: Bytes) -> Result<Response, Error> {
    let asked: Assignment = form(&body)?;
    let policy = visit.app.exclude_policy(&visit.caller, &id, &Assign::to(asked.group), false).await?;
    Ok(done(&format!("/admin/policies/{}", policy.id), "policy_included"))
}

/// Removes a policy that is not assigned.
pub(crate) async fn delete(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    visit.app.delete_policy(&visit.caller, &id).await?;
    Ok(done("/admin/policies", "policy_deleted"))
}

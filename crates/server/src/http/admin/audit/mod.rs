//! The audit log: what was done, by whom, to what, from where; each record with everything that it holds.

mod export;

pub(crate) use export::{export, proof, prove};

use super::devices::Badge;
use super::shell::{Section, Shell, ok};
use super::shown::{Shown, When, words};
use super::visit::Visit;
use crate::app::Error;
use askama::Template;
use axum::response::Response;
use proto::graph::DirectoryAudit;
use proto::graph::query::Query;
use serde::Deserialize;

/// Records of one page.
const RECORDS: &str = "50";
/// Activities that the form offers; any other can be asked for in the address.
const ACTIVITIES: [&str; 19] = [
    "Recover device local administrator password",
    "Update device local administrator password",
    "Rotate device local administrator password",
    "Use device local administrator password",
    "Export device local administrator passwords",
    "Request access to device local administrator password",
    "Approve access to device local administrator password",
    "Set reading rule of group",
    "Act without permission",
    "Note irregularity of device",
    "Sign in",
    "Add device",
    "Update device",
    "Delete device",
    "Create policy",
    "Update policy",
    "Assign policy",
    "Add user",
    "Add member to role",
];

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    activity: String,
    target: String,
    actor: String,
    from: String,
    until: String,
    outcome: String,
}

struct Choice {
    value: &'static str,
    chosen: bool,
}

struct Record {
    at: When,
    activity: Shown,
    outcome: Badge,
    who: Shown,
    target: Shown,
    /// Where the target has a page.
    href: Option<String>,
    details: Vec<(String, Shown)>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    shell: Shell,
    activities: Vec<Choice>,
    target: String,
    actor: String,
    from: String,
    until: String,
    outcome: String,
    narrowed: bool,
    later: bool,
    records: Vec<Record>,
    next: Option<String>,
}

fn quoted(text: &str) -> String {
    text.trim().replace('\'', "''")
}

/// A day of the form as the moment that it starts.
fn day(text: &str) -> Result<Option<String>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let moment = format!("{text}T00:00:00Z");
    match laps::time::Timestamp::parse_rfc3339(&moment) {
        Some(_) => Ok(Some(moment)),
        None => Err(Error::invalid("bad_day", "a day is written as 2026-11-22")),
    }
}

/// The page.
pub(crate) async fn audit(visit: Visit) -> Result<Response, Error> {
    let asked: Asked = visit.query()?;
    let mut conditions = Vec::new();
    for (path, value) in [
        ("activityDisplayName", &asked.activity),
        ("targetResources/id", &asked.target),
        ("initiatedBy/user/id", &asked.actor),
    ] {
        if value.chars().count() > 256 {
            return Err(Error::invalid("search_too_long", "search for at most 256 characters"));
        }
        if !value.trim().is_empty() {
            conditions.push(match path {
                "targetResources/id" => format!("targetResources/any(t:t/id eq '{}')", quoted(value)),
                path => format!("{path} eq '{}'", quoted(value)),
            });
        }
    }
    match asked.outcome.as_str() {
        "" => {}
        word @ ("success" | "failure") => conditions.push(format!("result eq '{word}'")),
        _ => return Err(Error::invalid("bad_outcome", "the outcome of an act is success or failure")),
    }
    if let Some(from) = day(&asked.from)? {
        conditions.push(format!("activityDateTime ge {from}"));
    }
    if let Some(until) = day(&asked.until)? {
        conditions.push(format!("activityDateTime le {}", until.replace("T00:00:00Z", "T23:59:59Z")));
    }
    let filter = conditions.join(" and ");
    let query = Query::parse([("$filter", filter.as_str()), ("$top", RECORDS)])
        .map_err(|error| Error::invalid("bad_query", error.to_string()))?;
    let after = visit.after("admin/audit")?;
    let later = after.is_some();
    let listed = visit.app.directory_audits(&visit.caller, &query, after).await?;
    let kept = [
        ("activity", asked.activity.as_str()),
        ("target", &asked.target),
        ("actor", &asked.actor),
        ("from", &asked.from),
        ("until", &asked.until),
        ("outcome", &asked.outcome),
    ];
    ok(&AuditPage {
        shell: visit.shell("Audit log", Section::Audit).await?,
        activities: ACTIVITIES.iter().map(|value| Choice { value, chosen: *value == asked.activity }).collect(),
        narrowed: !filter.is_empty(),
        later,
        records: listed.items.iter().map(|record| shown(record, &visit)).collect(),
        next: visit.next("/admin/audit", "admin/audit", &kept, listed.next),
        target: asked.target,
        actor: asked.actor,
        from: asked.from,
        until: asked.until,
        outcome: asked.outcome,
    })
}

fn shown(record: &DirectoryAudit, visit: &Visit) -> Record {
    let by = &record.initiated_by;
    let who = match (&by.user, &by.app) {
        (Some(user), _) => user.user_principal_name.clone(),
        (None, Some(app)) if !app.display_name.is_empty() => app.display_name.clone(),
        _ => "nobody who signed in".to_owned(),
    };
    let target = record.target_resources.first();
    let mut details = vec![
        ("Record".to_owned(), Shown::new(&record.id)),
        ("Category".to_owned(), Shown::new(&record.category)),
        ("Request".to_owned(), Shown::new(&record.correlation_id)),
    ];
    if !record.result_reason.is_empty() {
        details.push(("Result".to_owned(), Shown::cut(&record.result_reason, 300)));
    }
    if let Some(address) = by.user.as_ref().and_then(|user| user.ip_address.as_deref()) {
        details.push(("Address".to_owned(), Shown::new(address)));
    }
    if let Some(target) = target {
        details.push(("Target id".to_owned(), Shown::new(&target.id)));
    }
    details.extend(
        record.additional_details.iter().map(|detail| (words(&spaced(&detail.key)), Shown::cut(&detail.value, 300))),
    );
    Record {
        at: When::of(record.activity_date_time, visit.now),
        activity: Shown::new(&record.activity_display_name),
        outcome: match record.result.as_str() {
            "success" => Badge::new("good", "Done"),
            _ => Badge::new("bad", "Refused"),
        },
        who: Shown::new(&who),
        target: Shown::new(match target {
            Some(target) if !target.display_name.is_empty() => &target.display_name,
            Some(target) if !target.id.is_empty() => &target.id,
            _ => "—",
        }),
        href: target
            .filter(|target| target.kind.eq_ignore_ascii_case("device"))
            .and_then(|target| target.id.parse::<laps::id::DeviceId>().ok())
            .map(|id| format!("/admin/devices/{id}")),
        details,
    }
}

/// `deviceName` is "device name".
fn spaced(key: &str) -> String {
    if key.contains('-') {
        return key.to_owned();
    }
    let mut text = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

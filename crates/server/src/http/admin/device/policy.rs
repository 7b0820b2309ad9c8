//! The policy of a device: what it has, from where, and how it answered.

use super::super::devices::Badge;
use super::super::shell::{Shell, ok};
use super::super::shown::{Shown, When};
use super::super::visit::Visit;
use super::{Head, head, opened, text_of};
use crate::app::Error;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use proto::admin::DeviceSetting;
use serde_json::Value;

/// A setting as the policy of a device has it.
struct SettingRow {
    name: String,
    /// As it is assigned.
    value: String,
    sources: Vec<Shown>,
    sent: String,
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
    /// The source that rules on the device, when it is not this server's.
    ruled_by: Option<Shown>,
    /// When the device told which source that is, or that there is none.
    told: Option<When>,
}

/// What policy the device has, from where, and how it answered.
pub(crate) async fn policy(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let (sheet, shell) = opened(&visit, &id).await?;
    let now = visit.now;
    let found = visit.app.device_policy(&visit.caller, sheet.line.id).await?;
    let shown = |value: Option<&Value>| value.map_or_else(|| "—".to_owned(), text_of);
    let settings = found
        .settings
        .iter()
        .map(|row| SettingRow {
            name: row.setting.clone(),
            value: shown(row.assigned.as_ref()),
            sources: row.policies.iter().map(|policy| Shown::new(policy)).collect(),
            sent: match &row.sent {
                Some(Value::Null) => "deletion".to_owned(),
                sent => shown(sent.as_ref()),
            },
            status: status(row),
            in_force: shown(row.in_force.as_ref()),
        })
        .collect();
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
        ruled_by: found.source.as_deref().and_then(other_source),
        told: When::maybe(found.source_date_time, now),
        held: found.held.as_ref().map(|held| Shown::cut(&text_of(held), 600)),
    })
}

/// A source of policy other than this server, in words; `None` for this server's.
fn other_source(source: &str) -> Option<Shown> {
    let words = match source {
        "csp" => return None,
        "gpo" => "Group Policy",
        "local" => "its local configuration",
        "legacy" => "policy of the legacy Microsoft LAPS",
        other => other,
    };
    Some(Shown::new(words))
}

/// How a setting stands, in a few words, with the device's SyncML status where it gave one.
fn status(row: &DeviceSetting) -> Badge {
    let code = row.status.map(|code| format!(" ({code})")).unwrap_or_default();
    match row.state.as_str() {
        "in_force" => Badge::new("good", format!("In force{code}")),
        "overridden" => Badge::new("warn", format!("Taken{code}, not in force")),
        "conflict" => Badge::new("bad", "Policies disagree"),
        "refused" => Badge::new("bad", format!("Refused{code}")),
        "sent" if row.status.is_some() => Badge::new("good", format!("Taken{code}")),
        "sent" => Badge::new("info", "Sent, not answered"),
        "leaving" => Badge::new("warn", "Leaving"),
        _ => Badge::new("plain", "Not sent yet"),
    }
}

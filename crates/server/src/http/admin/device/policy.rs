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

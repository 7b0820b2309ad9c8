//! What happened to a device, and who signed in with its passwords.

use super::super::devices::Badge;
use super::super::shell::{Shell, ok};
use super::super::shown::{Shown, When, words};
use super::super::visit::Visit;
use super::{Head, head, opened, plain, text_of};
use crate::app::Error;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;

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

#[derive(Deserialize, Default)]
#[serde(default)]
struct Later {
    after: String,
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

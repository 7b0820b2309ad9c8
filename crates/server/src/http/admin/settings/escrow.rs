//! Escrow: how it stands, what was exported, and the schedule of exports.

use super::super::devices::Badge;
use super::super::shell::{Section, Shell, page, sentence};
use super::super::shown::{Shown, When};
use super::super::visit::{Visit, done, form};
use super::{Tabs, tabs};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::response::Response;
use http::StatusCode;
use proto::admin::{ExportSummary, Settings};
use serde::Deserialize;

/// An export that was made.
struct Export {
    id: String,
    made: When,
    by: Shown,
    recipients: usize,
    holds: String,
    drill: Badge,
    drilled: Option<(When, Shown)>,
}

#[derive(Template)]
#[template(path = "escrow.html")]
struct EscrowPage {
    shell: Shell,
    tabs: Tabs,
    /// What a person should do: what is the matter, and the remedy.
    warning: Option<(Shown, Shown)>,
    exports: Vec<Export>,
    /// The newest export, and the newest drill.
    last: Option<When>,
    last_drill: Option<When>,
    recipients: usize,
    interval_days: u32,
    typed: Typed,
    mistake: Option<Shown>,
    may_write: bool,
}

/// The form of the schedule.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Typed {
    recipients: String,
    interval_days: String,
    folder: String,
    kept: String,
}

impl Typed {
    fn of(now: &Settings) -> Self {
        Self {
            recipients: now.escrow_recipients.clone().unwrap_or_default().join("\n"),
            interval_days: now.escrow_interval_days.unwrap_or_default().to_string(),
            folder: now.escrow_folder.clone().unwrap_or_default(),
            kept: now.escrow_kept.unwrap_or_default().to_string(),
        }
    }

    fn change(&self) -> Result<Settings, Error> {
        let number = |what: &str, text: &str| {
            text.trim()
                .parse::<u32>()
                .map_err(|_| Error::invalid("bad_setting", format!("{what} must be a whole number; correct it")))
        };
        let recipients = self.recipients.split(|c: char| c.is_whitespace() || c == ',');
        Ok(Settings {
            escrow_recipients: Some(recipients.filter(|text| !text.is_empty()).map(str::to_owned).collect()),
            escrow_interval_days: Some(number("the days between two exports", &self.interval_days)?),
            escrow_folder: Some(self.folder.trim().to_owned()),
            escrow_kept: Some(number("the number of archives that are kept", &self.kept)?),
            ..Settings::default()
        })
    }
}

fn export(made: &ExportSummary, visit: &Visit) -> Export {
    let counted = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    Export {
        id: made.id.clone(),
        made: When::of(made.made_date_time, visit.now),
        by: if made.scheduled { Shown::new("the schedule") } else { Shown::new(&made.made_by) },
        recipients: made.recipients.len(),
        holds: format!("{} of {}", counted(made.versions, "password"), counted(made.devices, "device")),
        drill: match made.drilled_date_time {
            Some(_) => Badge::new("good", "Shown to open"),
            None => Badge::new("plain", "Not tried"),
        },
        drilled: made
            .drilled_date_time
            .map(|at| (When::of(at, visit.now), Shown::new(made.drilled_by.as_deref().unwrap_or_default()))),
    }
}

/// The page.
pub(crate) async fn escrow(visit: Visit) -> Result<Response, Error> {
    shown(&visit, None).await
}

async fn shown(visit: &Visit, wrong: Option<(Typed, Shown)>) -> Result<Response, Error> {
    let state = visit.app.escrow_state(&visit.caller).await?;
    let now = visit.app.settings(&visit.caller).await?;
    let (typed, mistake, status) = match wrong {
        None => (Typed::of(&now), None, StatusCode::OK),
        Some((typed, mistake)) => (typed, Some(mistake), StatusCode::UNPROCESSABLE_ENTITY),
    };
    let drills = state.exports.iter().filter_map(|export| export.drilled_date_time);
    let whole = EscrowPage {
        shell: visit.shell("Escrow", Section::Settings).await?,
        tabs: tabs(visit, "escrow").await?,
        warning: state
            .warning
            .as_ref()
            .map(|warning| (Shown::cut(&sentence(&warning.text), 300), Shown::cut(&warning.remedy, 300))),
        last: When::maybe(state.exports.first().map(|export| export.made_date_time), visit.now),
        last_drill: When::maybe(drills.max(), visit.now),
        exports: state.exports.iter().map(|made| export(made, visit)).collect(),
        recipients: state.recipients.len(),
        interval_days: state.interval_days,
        typed,
        mistake,
        may_write: visit.app.may_write_settings(&visit.caller).is_ok(),
    };
    page(status, &whole)
}

/// Saves the schedule.
pub(crate) async fn schedule(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_settings(&visit.caller)?;
    let typed: Typed = form(&body)?;
    match super::changed(&visit, typed.change()).await? {
        None => Ok(done("/admin/settings/escrow", "escrow_saved")),
        Some(mistake) => shown(&visit, Some((typed, mistake))).await,
    }
}

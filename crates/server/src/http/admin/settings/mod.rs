//! Settings of the tenant, first of all the switch "Enable LAPS"; who is told of reads; escrow.

mod channels;
mod escrow;

pub(crate) use channels::{channels, create, pause, remove, resume, test};
pub(crate) use escrow::{escrow, schedule};

use super::shell::{Section, Shell, page};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::{Error, Kind};
use askama::Template;
use axum::body::Bytes;
use axum::response::Response;
use http::StatusCode;
use proto::admin::Settings;
use serde::Deserialize;

/// The tabs of the section.
struct Tabs {
    here: &'static str,
    channels: bool,
    escrow: bool,
}

async fn tabs(visit: &Visit, here: &'static str) -> Result<Tabs, Error> {
    let sections = visit.app.sections(&visit.caller).await?;
    Ok(Tabs { here, channels: sections.write_settings, escrow: sections.escrow })
}

/// A setting that is a number.
struct Number {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    from: u32,
    to: u32,
    /// As it stands, or as it was typed.
    value: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    tabs: Tabs,
    on: bool,
    may_switch: bool,
    may_write: bool,
    /// Since when what removes passwords waits, because the clock jumped.
    held: Option<When>,
    /// The time by the server's clock.
    now: String,
    numbers: Vec<Number>,
    mistake: Option<Shown>,
}

/// The numbers, as the form has them.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Typed {
    tombstone_days: String,
    versions_per_day: String,
    unresolved_max: String,
    repairs_per_day: String,
    audit_days: String,
}

impl Typed {
    fn of(now: &Settings) -> Self {
        let text = |value: Option<u32>| value.map(|value| value.to_string()).unwrap_or_default();
        Self {
            tombstone_days: text(now.tombstone_days),
            versions_per_day: text(now.versions_per_day),
            unresolved_max: text(now.unresolved_max),
            repairs_per_day: text(now.repairs_per_day),
            audit_days: text(now.audit_days),
        }
    }

    /// What they change; what is left empty stays as it is.
    fn change(&self) -> Result<Settings, Error> {
        let number = |label: &str, text: &str| match text.trim() {
            "" => Ok(None),
            text => text
                .parse::<u32>()
                .map(Some)
                .map_err(|_| Error::invalid("bad_setting", format!("“{label}” must be a whole number; correct it"))),
        };
        let [tombstone, versions, unresolved, repairs, audit] = LABELS;
        Ok(Settings {
            tombstone_days: number(tombstone, &self.tombstone_days)?,
            versions_per_day: number(versions, &self.versions_per_day)?,
            unresolved_max: number(unresolved, &self.unresolved_max)?,
            repairs_per_day: number(repairs, &self.repairs_per_day)?,
            audit_days: number(audit, &self.audit_days)?,
            ..Settings::default()
        })
    }

    fn numbers(self) -> Vec<Number> {
        let number = |name, label, help, from, to, value| Number { name, label, help, from, to, value };
        let [tombstone, versions, unresolved, repairs, audit] = LABELS;
        vec![
            number(
                "tombstone_days",
                tombstone,
                "0 removes them with the device, as Entra does.",
                0,
                365,
                self.tombstone_days,
            ),
            number(
                "versions_per_day",
                versions,
                "Each rotation that a person asks for adds one.",
                1,
                1000,
                self.versions_per_day,
            ),
            number(
                "unresolved_max",
                unresolved,
                "More are refused, which is safe: the account stays as it is.",
                1,
                100,
                self.unresolved_max,
            ),
            number(
                "repairs_per_day",
                repairs,
                "A machine that is changed by another hand again and again is left alone and reported.",
                1,
                laps::drift::REPAIRS_PER_DAY_MAX,
                self.repairs_per_day,
            ),
            number(
                "audit_days",
                audit,
                "0 keeps all; else at least 30. A signed checkpoint stays, so that the rest still verifies.",
                0,
                3650,
                self.audit_days,
            ),
        ]
    }
}

const LABELS: [&str; 5] = [
    "Days that a deleted device's passwords stay readable",
    "Versions that a device may store in 24 hours",
    "Pending versions that a device may have",
    "Repairs of drift in 24 hours before a device holds repair",
    "Days that records of the audit log are kept",
];

/// The page.
pub(crate) async fn settings(visit: Visit) -> Result<Response, Error> {
    shown(&visit, None).await
}

/// With the numbers as they were typed, and what is wrong with them.
async fn shown(visit: &Visit, wrong: Option<(Typed, Shown)>) -> Result<Response, Error> {
    let now = visit.app.settings(&visit.caller).await?;
    let sections = visit.app.sections(&visit.caller).await?;
    let (typed, mistake, status) = match wrong {
        None => (Typed::of(&now), None, StatusCode::OK),
        Some((typed, mistake)) => (typed, Some(mistake), StatusCode::UNPROCESSABLE_ENTITY),
    };
    let whole = SettingsPage {
        shell: visit.shell("Settings", Section::Settings).await?,
        tabs: tabs(visit, "settings").await?,
        on: now.laps_enabled.unwrap_or_default(),
        may_switch: sections.write_switch,
        may_write: sections.write_settings,
        held: When::maybe(now.clock_held_date_time, visit.now),
        now: When::of(visit.now, visit.now).full,
        numbers: typed.numbers(),
        mistake,
    };
    page(status, &whole)
}

#[derive(Deserialize)]
struct Switch {
    laps: String,
}

/// Turns LAPS on or off.
pub(crate) async fn switch(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Switch = form(&body)?;
    let on = match asked.laps.as_str() {
        "on" => true,
        "off" => false,
        _ => return Err(Error::invalid("bad_form", "the switch is on or off")),
    };
    let change = Settings { laps_enabled: Some(on), ..Settings::default() };
    visit.app.change_settings(&visit.caller, &change).await?;
    Ok(done("/admin/settings", if on { "laps_on" } else { "laps_off" }))
}

/// Changes the numbers.
pub(crate) async fn save(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_settings(&visit.caller)?;
    let typed: Typed = form(&body)?;
    let changed = match typed.change() {
        Ok(change) => visit.app.change_settings(&visit.caller, &change).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(_) => Ok(done("/admin/settings", "settings_saved")),
        Err(error) if error.kind() == Kind::Invalid => {
            shown(&visit, Some((typed, Shown::cut(&error.text(), 400)))).await
        }
        Err(error) => Err(error),
    }
}

/// A person says that the server's clock is right.
pub(crate) async fn confirm_clock(visit: Visit) -> Result<Response, Error> {
    visit.app.confirm_clock(&visit.caller).await?;
    Ok(done("/admin/settings", "clock_confirmed"))
}

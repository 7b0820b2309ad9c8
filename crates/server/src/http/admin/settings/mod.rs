//! Settings of the tenant, first of all the switch "Enable LAPS"; who is told of reads; escrow.

mod channels;
mod escrow;

pub(crate) use channels::{channels, create, pause, remove, resume, test};
pub(crate) use escrow::{escrow, schedule};

use super::mistake::mistake;
use super::shell::{Section, Shell, page};
use super::shown::{Shown, When};
use super::visit::{Visit, done, form};
use crate::app::{AUDIT_DAYS_MIN, Error};
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

/// A setting that is a number: how the form tells of it, and what it takes (`App::change_settings` has the last word).
struct Bound {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    /// The smallest value but zero.
    from: u32,
    to: u32,
    /// Zero is taken too, and means something of its own.
    zero: bool,
}

const BOUNDS: [Bound; 5] = [
    Bound {
        name: "tombstone_days",
        label: "Days that a deleted device's passwords stay readable",
        help: "0 removes them with the device, as Entra does.",
        from: 1,
        to: 365,
        zero: true,
    },
    Bound {
        name: "versions_per_day",
        label: "Versions that a device may store in 24 hours",
        help: "Each rotation that a person asks for adds one.",
        from: 1,
        to: 1000,
        zero: false,
    },
    Bound {
        name: "unresolved_max",
        label: "Pending versions that a device may have",
        help: "More are refused, which is safe: the account stays as it is.",
        from: 1,
        to: 100,
        zero: false,
    },
    Bound {
        name: "repairs_per_day",
        label: "Repairs of drift in 24 hours before a device holds repair",
        help: "A machine that is changed by another hand again and again is left alone and reported.",
        from: 1,
        to: laps::drift::REPAIRS_PER_DAY_MAX,
        zero: false,
    },
    Bound {
        name: "audit_days",
        label: "Days that records of the audit log are kept",
        help: "0 keeps all. A signed checkpoint stays, so that the rest still verifies.",
        from: AUDIT_DAYS_MIN,
        to: 3650,
        zero: true,
    },
];

impl Bound {
    /// `0, or 30 to 3650`.
    fn taken(&self) -> String {
        let zero = if self.zero && self.from > 1 { "0, or " } else { "" };
        let from = if self.zero && self.from == 1 { 0 } else { self.from };
        format!("{zero}{from} to {}", self.to)
    }

    /// What was typed; nothing when it was left empty.
    fn read(&self, text: &str) -> Result<Option<u32>, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        match text.parse() {
            Ok(value) if (self.from..=self.to).contains(&value) || (self.zero && value == 0) => Ok(Some(value)),
            _ => Err(Error::invalid("bad_setting", format!("“{}” takes {}; correct it", self.label, self.taken()))),
        }
    }
}

/// A number in the form.
struct Number {
    bound: &'static Bound,
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
        let [tombstone, versions, unresolved, repairs, audit] = &BOUNDS;
        Ok(Settings {
            tombstone_days: tombstone.read(&self.tombstone_days)?,
            versions_per_day: versions.read(&self.versions_per_day)?,
            unresolved_max: unresolved.read(&self.unresolved_max)?,
            repairs_per_day: repairs.read(&self.repairs_per_day)?,
            audit_days: audit.read(&self.audit_days)?,
            ..Settings::default()
        })
    }

    fn numbers(self) -> Vec<Number> {
        let values =
            [self.tombstone_days, self.versions_per_day, self.unresolved_max, self.repairs_per_day, self.audit_days];
        BOUNDS.iter().zip(values).map(|(bound, value)| Number { bound, value }).collect()
    }
}

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
    match changed(&visit, typed.change()).await? {
        None => Ok(done("/admin/settings", "settings_saved")),
        Some(mistake) => shown(&visit, Some((typed, mistake))).await,
    }
}

/// Changes what a form asks for; answers with the mistake that belongs on the form.
async fn changed(visit: &Visit, asked: Result<Settings, Error>) -> Result<Option<Shown>, Error> {
    let changed = match asked {
        Ok(change) => visit.app.change_settings(&visit.caller, &change).await,
        Err(error) => Err(error),
    };
    changed.map_or_else(|error| mistake(error).map(Some), |_| Ok(None))
}

/// A person says that the server's clock is right.
pub(crate) async fn confirm_clock(visit: Visit) -> Result<Response, Error> {
    visit.app.confirm_clock(&visit.caller).await?;
    Ok(done("/admin/settings", "clock_confirmed"))
}

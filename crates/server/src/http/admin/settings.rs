//! Settings of the tenant, first of all the switch "Enable LAPS".

use super::shell::{Section, Shell, ok};
use super::visit::{Visit, done, form};
use crate::app::Error;
use askama::Template;
use axum::body::Bytes;
use axum::response::Response;
use proto::admin::Settings;
use serde::Deserialize;

/// A setting that is a number.
struct Number {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    from: u32,
    to: u32,
    value: u32,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    on: bool,
    may_switch: bool,
    may_write: bool,
    numbers: Vec<Number>,
}

fn numbers(now: &Settings) -> Vec<Number> {
    let number = |name, label, help, from, to, value: Option<u32>| Number {
        name,
        label,
        help,
        from,
        to,
        value: value.unwrap_or(from),
    };
    vec![
        number(
            "tombstone_days",
            "Days that a deleted device's passwords stay readable",
            "0 removes them with the device, as Entra does.",
            0,
            365,
            now.tombstone_days,
        ),
        number(
            "versions_per_day",
            "Versions that a device may store in 24 hours",
            "Each rotation that a person asks for adds one.",
            1,
            1000,
            now.versions_per_day,
        ),
        number(
            "unresolved_max",
            "Pending versions that a device may have",
            "More are refused, which is safe: the account stays as it is.",
            1,
            100,
            now.unresolved_max,
        ),
        number(
            "repairs_per_day",
            "Repairs of drift in 24 hours before a device holds repair",
            "A machine that is changed by another hand again and again is left alone and reported.",
            1,
            laps::drift::REPAIRS_PER_DAY_MAX,
            now.repairs_per_day,
        ),
    ]
}

/// The page.
pub(crate) async fn settings(visit: Visit) -> Result<Response, Error> {
    let now = visit.app.settings(&visit.caller).await?;
    let sections = visit.app.sections(&visit.caller).await?;
    ok(&SettingsPage {
        shell: visit.shell("Settings", Section::Settings).await?,
        on: now.laps_enabled.unwrap_or_default(),
        may_switch: sections.write_switch,
        may_write: sections.write_settings,
        numbers: numbers(&now),
    })
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

#[derive(Deserialize)]
struct Numbers {
    tombstone_days: u32,
    versions_per_day: u32,
    unresolved_max: u32,
    repairs_per_day: u32,
}

/// Changes the numbers.
pub(crate) async fn save(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let asked: Numbers = form(&body)?;
    let change = Settings {
        tombstone_days: Some(asked.tombstone_days),
        versions_per_day: Some(asked.versions_per_day),
        unresolved_max: Some(asked.unresolved_max),
        repairs_per_day: Some(asked.repairs_per_day),
        ..Settings::default()
    };
    visit.app.change_settings(&visit.caller, &change).await?;
    Ok(done("/admin/settings", "settings_saved"))
}

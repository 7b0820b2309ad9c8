//! `report coverage`: how many machines lack a password, and why.

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::{Args, Subcommand};
use laps::text::misleads;
use proto::admin::{Coverage, CoverageAge, CoverageDevice, Latency};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum ReportCommand {
    /// How many machines lack a password, by cause; ages of passwords; how long rotations take
    Coverage(CoverageReport),
}

#[derive(Debug, Args)]
pub(crate) struct CoverageReport {
    /// Also list the machines with this cause: a code, `lacking` (no password at all) or `any`
    #[arg(long, value_name = "CODE")]
    cause: Option<String>,
    /// One line for each machine with a cause, as CSV (RFC 4180)
    #[arg(long, conflicts_with_all = ["html", "output"])]
    csv: bool,
    /// A page that stands alone
    #[arg(long, conflicts_with = "output")]
    html: bool,
}

#[derive(Serialize)]
struct Reported<'a> {
    #[serde(flatten)]
    coverage: &'a Coverage,
    #[serde(rename = "deviceList", skip_serializing_if = "Option::is_none")]
    devices: Option<&'a [CoverageDevice]>,
}

/// `lapwing report …`.
pub(crate) async fn run(globals: &Globals, command: ReportCommand) -> Result<(), Failure> {
    let ReportCommand::Coverage(asked) = command;
    let signed_in = session::signed_in(globals).await?;
    if asked.csv {
        let devices = signed_in.coverage_devices(asked.cause.as_deref().unwrap_or("any")).await?;
        return output::data(&csv(&devices));
    }
    let coverage = signed_in.coverage().await?;
    let devices = match (&asked.cause, asked.html) {
        (Some(code), _) => Some(signed_in.coverage_devices(code).await?),
        (None, true) => Some(signed_in.coverage_devices("any").await?),
        (None, false) => None,
    };
    if asked.html {
        return output::data(&html(&coverage, devices.as_deref().unwrap_or_default()));
    }
    if globals.output == Form::Json {
        return output::json(&Reported { coverage: &coverage, devices: devices.as_deref() });
    }
    output::item(Form::Table, &coverage, figures(&coverage))?;
    if !coverage.causes.is_empty() {
        output::data("\n")?;
        output::table(
            &["machines", "lacking", "code", "cause", "next"],
            coverage.causes.iter().map(|cause| {
                vec![
                    cause.devices.to_string(),
                    cause.lacking.to_string(),
                    cause.code.clone(),
                    cause.cause.clone(),
                    cause.remedy.clone(),
                ]
            }),
        )?;
    }
    if let Some(devices) = devices {
        output::data("\n")?;
        output::table(
            &["name", "id", "state", "code", "last contact", "proven"],
            devices.iter().map(|device| {
                vec![
                    device.name.clone(),
                    device.id.to_string(),
                    device.state.clone(),
                    device.code.clone(),
                    super::time(device.last_seen_date_time),
                    super::time(device.proven_date_time),
                ]
            }),
        )?;
    }
    Ok(())
}

fn figures(coverage: &Coverage) -> Vec<(&'static str, String)> {
    vec![
        ("Machines", coverage.devices.to_string()),
        ("With a proven password", coverage.proven.to_string()),
        ("Stored, not proven", coverage.only_stored.to_string()),
        ("Of a former object only", coverage.of_predecessor.to_string()),
        ("Lacking", coverage.lacking.to_string()),
        ("Age of passwords", coverage.ages.iter().map(age).collect::<Vec<_>>().join("\n")),
        ("Rotation, asked to proven", latency(coverage.rotation_latency)),
        ("Rotation, stored to proven", latency(coverage.proof_latency)),
    ]
}

fn age(age: &CoverageAge) -> String {
    format!("{}: {}", days(age), age.devices)
}

fn days(age: &CoverageAge) -> String {
    match age.days_below {
        Some(below) if below == age.days_from + 1 => format!("{} days", age.days_from),
        Some(below) => format!("{} to {} days", age.days_from, below - 1),
        None => format!("{} days and more", age.days_from),
    }
}

fn latency(of: Latency) -> String {
    if of.count == 0 {
        return "none yet".into();
    }
    format!(
        "half in {} s, 90 % in {} s, 99 % in {} s, all in {} s ({})",
        of.p50_s, of.p90_s, of.p99_s, of.max_s, of.count
    )
}

/// A field of CSV. Names come from machines: what a spreadsheet would take for a formula is made text.
fn field(text: &str) -> String {
    let shown = |c: char| match c {
        c if misleads(c) => '\u{fffd}',
        c if c.is_control() => ' ',
        c => c,
    };
    let plain: String = text.chars().map(shown).collect();
    let guarded = if plain.starts_with(['=', '+', '-', '@']) { format!("'{plain}") } else { plain };
    format!("\"{}\"", guarded.replace('"', "\"\""))
}

fn csv(devices: &[CoverageDevice]) -> String {
    let mut text = String::from("id,name,state,lacks,code,cause,next,last_contact,proven,due\r\n");
    for device in devices {
        let fields = [
            device.id.to_string(),
            device.name.clone(),
            device.state.clone(),
            device.lacks.to_string(),
            device.code.clone(),
            device.cause.clone(),
            device.remedy.clone(),
            super::time(device.last_seen_date_time),
            super::time(device.proven_date_time),
            super::time(device.expiration_date_time),
        ];
        text.push_str(&fields.map(|text| field(&text)).join(","));
        text.push_str("\r\n");
    }
    text
}

/// Text in HTML. Marks that turn the direction of writing are shown as what they are.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if misleads(c) || c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1b1f24;\
                     background:#fff}table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{text-align:left;\
                     padding:.3rem .6rem;border-bottom:1px solid #d0d7de;vertical-align:top}meter{width:10rem}\
                     @media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}}";

fn rows(rows: impl Iterator<Item = Vec<String>>) -> String {
    rows.map(|row| {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        format!("<tr>{cells}</tr>\n")
    })
    .collect()
}

fn bar(part: u64, whole: u64) -> String {
    format!("<meter min=\"0\" max=\"{}\" value=\"{part}\">{part}</meter> {part}", whole.max(1))
}

fn html(coverage: &Coverage, devices: &[CoverageDevice]) -> String {
    let made = coverage.made_date_time.map(|at| at.to_string()).unwrap_or_default();
    let figures = rows(
        figures(coverage)
            .into_iter()
            .filter(|(name, _)| *name != "Age of passwords")
            .map(|(name, value)| vec![escaped(name), escaped(&value)]),
    );
    let causes = rows(coverage.causes.iter().map(|cause| {
        vec![
            bar(cause.devices, coverage.devices),
            cause.lacking.to_string(),
            escaped(&cause.code),
            escaped(&cause.cause),
            escaped(&cause.remedy),
        ]
    }));
    let ages = rows(coverage.ages.iter().map(|age| vec![escaped(&days(age)), bar(age.devices, coverage.proven)]));
    let machines = rows(devices.iter().map(|device| {
        vec![
            escaped(&device.name),
            device.id.to_string(),
            escaped(&device.state),
            escaped(&device.code),
            escaped(&super::time(device.last_seen_date_time)),
            escaped(&super::time(device.proven_date_time)),
        ]
    }));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Coverage</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n\
         <h1>Coverage</h1><p>{made}</p>\n<table>{figures}</table>\n\
         <h2>Causes</h2><table><tr><th>Machines</th><th>Lacking</th><th>Code</th><th>Cause</th><th>Next</th></tr>\n{causes}</table>\n\
         <h2>Age of passwords</h2><table><tr><th>Age</th><th>Machines</th></tr>\n{ages}</table>\n\
         <h2>Machines with a cause</h2><table><tr><th>Name</th><th>Id</th><th>State</th><th>Code</th><th>Last contact</th>\
         <th>Proven</th></tr>\n{machines}</table>\n</body></html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::id::DeviceId;

    fn hostile() -> CoverageDevice {
        CoverageDevice {
            id: DeviceId::from_bytes([1; 16]),
            name: "=cmd|' /C calc'!A1\"<script>\u{202e}\u{1b}[31m\n".into(),
            state: "enabled".into(),
            code: "overdue".into(),
            lacks: false,
            cause: "c".into(),
            remedy: "r".into(),
            last_seen_date_time: None,
            proven_date_time: None,
            expiration_date_time: None,
        }
    }

    #[test]
    fn names_are_harmless_in_csv_and_html() {
        let csv = csv(&[hostile()]);
        assert_eq!(csv.matches("\r\n").count(), 2, "{csv:?}");
        assert!(csv.contains("\"'=cmd|' /C calc'!A1\"\"<script>"), "{csv:?}");
        assert!(!csv.contains('\u{1b}') && !csv.contains('\u{202e}'));
        let html = html(&Coverage::default(), &[hostile()]);
        assert!(!html.contains("<script>") && !html.contains('\u{202e}') && !html.contains('\u{1b}'), "{html}");
        assert!(html.contains("&lt;script&gt;"));
    }

    #[test]
    fn ages_are_said_in_days() {
        let age = |days_from, days_below| days(&CoverageAge { days_from, days_below, devices: 0 });
        assert_eq!([age(0, Some(1)), age(1, Some(7)), age(90, None)], ["0 days", "1 to 6 days", "90 days and more"]);
    }
}

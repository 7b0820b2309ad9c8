//! `audit …`

use super::audit_verify::{self, Verify};
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::{Args, Subcommand, ValueEnum};
use laps::time::{TICKS_PER_DAY, TICKS_PER_SECOND, Timestamp};
use proto::{
    audit::{Line, cef, ocsf},
    graph::{AuditInitiator, DirectoryAudit},
};
use std::{
    fs::{self, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done, newest first
    List(List),
    /// Write the log into a file: as JSON lines, which can be verified without a server, or for a collector
    Export(Export),
    /// Check that nothing was changed, removed or swapped: of an exported file, with no server; or of the log as it is
    Verify(Verify),
    /// Print the public key that the log is signed with; keep it where the server cannot write
    Key,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only what was done to this machine: its id, or its name when no other has it
    #[arg(long)]
    device: Option<String>,
    /// Only what this person, program, machine or job did: a name or an id
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only activities that begin so
    #[arg(long)]
    activity: Option<String>,
    /// Only from then on: 2026-11-22, 2026-11-22T10:00:00Z, or 30m, 12h, 7d before now
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Only what was refused or failed
    #[arg(long)]
    failure: bool,
    /// At most so many records
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Only from then on: 2026-11-22, 2026-11-22T10:00:00Z, or 30m, 12h, 7d before now
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Only before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// The form of the lines
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// The file; it must not be there yet. `-` is standard output
    #[arg(long = "out", short = 'O', value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// JSON lines with everything that verification needs.
    Jsonl,
    /// Common Event Format.
    Cef,
    /// Open Cybersecurity Schema Framework, JSON lines.
    Ocsf,
}

/// `lapwing audit …`.
pub(crate) async fn run(globals: &Globals, command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::List(list) => {
            let signed_in = session::signed_in(globals).await?;
            let device = match &list.device {
                Some(device) => Some(super::device::find(&signed_in, device).await?.device_id.to_string()),
                None => None,
            };
            let filter = list.filter(device.as_deref());
            let records = signed_in.directory_audits(filter.as_deref(), Some(list.limit)).await?;
            output::list(
                globals.output,
                &records,
                &["time", "who", "activity", "to", "result", "why", "read and use"],
                row,
            )
        }
        AuditCommand::Export(export) => export.run(globals).await,
        AuditCommand::Verify(verify) => audit_verify::run(globals, &verify).await,
        AuditCommand::Key => {
            let signed_in = session::signed_in(globals).await?;
            let heads = signed_in.audit_heads().await?;
            let key = heads.first().map(|head| head.public_key.clone()).unwrap_or_default();
            output::data(&format!("{key}\n"))
        }
    }
}

impl List {
    fn filter(&self, device: Option<&str>) -> Option<String> {
        let quoted = |text: &str| text.replace('\'', "''");
        let mut terms = Vec::new();
        if let Some(device) = device {
            terms.push(format!("targetResources/any(t:t/id eq '{device}')"));
        }
        if let Some(actor) = &self.actor {
            let is_id = actor.parse::<laps::id::PrincipalId>().is_ok();
            terms.push(format!("initiatedBy/{} eq '{}'", if is_id { "id" } else { "name" }, quoted(actor)));
        }
        if let Some(activity) = &self.activity {
            terms.push(format!("startswith(activityDisplayName,'{}')", quoted(activity)));
        }
        if let Some(since) = self.since {
            terms.push(format!("activityDateTime ge {since}"));
        }
        if let Some(until) = self.until {
            terms.push(format!("activityDateTime lt {until}"));
        }
        if self.failure {
            terms.push("result eq 'failure'".to_owned());
        }
        (!terms.is_empty()).then(|| terms.join(" and "))
    }
}

impl Export {
    async fn run(&self, globals: &Globals) -> Result<(), Failure> {
        let signed_in = session::signed_in(globals).await?;
        let to_stdout = self.out.as_os_str() == "-";
        let failed = |error: std::io::Error| {
            Failure::failed("output_failed", format!("{}: {error}", self.out.display()))
                .next("choose another file with -O; nothing that is there is overwritten")
        };
        let mut file: Option<BufWriter<fs::File>> = None;
        if !to_stdout {
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.out).map_err(failed)?;
            file = Some(BufWriter::new(opened));
        }
        let (mut next, mut records) = (None, 0_u64);
        loop {
            let page = match signed_in.audit_export(self.since, self.until, next.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    // Half an export is none.
                    if file.take().is_some() {
                        let _ = fs::remove_file(&self.out);
                    }
                    return Err(error.into());
                }
            };
            let mut text = String::new();
            for line in &page.value {
                records += u64::from(matches!(line, Line::Record(_)));
                self.format.put(line, &mut text)?;
            }
            match &mut file {
                Some(file) => file.write_all(text.as_bytes()).map_err(failed)?,
                None => output::data(&text)?,
            }
            next = page.next_link;
            if next.is_none() {
                break;
            }
        }
        if let Some(file) = file {
            let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
            file.sync_all().map_err(failed)?;
            output::message(&format!("{records} records in {}", self.out.display()));
            if self.format == Format::Jsonl {
                output::message(&format!("  next: lapwing audit verify {}", self.out.display()));
            }
        }
        Ok(())
    }
}

impl Format {
    fn put(self, line: &Line, to: &mut String) -> Result<(), Failure> {
        let version = env!("CARGO_PKG_VERSION");
        let text = match (self, line) {
            (Self::Jsonl, line) => serde_json::to_string(line)
                .map_err(|error| Failure::failed("output_failed", format!("a record cannot be written: {error}")))?,
            (Self::Cef, Line::Record(record)) => cef(record, version),
            (Self::Ocsf, Line::Record(record)) => ocsf(record, version).to_string(),
            _ => return Ok(()),
        };
        to.push_str(&text);
        to.push('\n');
        Ok(())
    }
}

/// A time: a day, an RFC 3339 time, or so long before now.
fn time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(time) =
        Timestamp::parse_rfc3339(text).or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
    {
        return Ok(time);
    }
    let before = |unit: char, ticks: u64| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(session::now().minus_ticks(count.checked_mul(ticks)?))
    };
    before('m', 60 * TICKS_PER_SECOND)
        .or_else(|| before('h', 3_600 * TICKS_PER_SECOND))
        .or_else(|| before('d', TICKS_PER_DAY))
        .ok_or_else(|| "expected 2026-11-22, 2026-11-22T10:00:00Z, or 30m, 12h, 7d before now".to_owned())
}

fn row(record: &DirectoryAudit) -> Vec<String> {
    let targets: Vec<_> = record
        .target_resources
        .iter()
        .map(|target| if target.display_name.is_empty() { target.id.clone() } else { target.display_name.clone() })
        .collect();
    let detail = |key: &str| record.additional_details.iter().find(|detail| detail.key == key);
    let mut why: Vec<String> = Vec::new();
    if detail("breakGlass").is_some() {
        why.push("BREAK GLASS".to_owned());
    }
    why.extend(["reason", "ticket"].into_iter().filter_map(detail).map(|detail| detail.value.clone()));
    let result = if record.result == "success" { record.result.clone() } else { record.result_reason.clone() };
    vec![
        record.activity_date_time.to_string(),
        who(&record.initiated_by),
        record.activity_display_name.clone(),
        targets.join(", "),
        result,
        why.join("; "),
        pairing(record),
    ]
}

/// Beside a read whether a use followed, beside a use who had read: one without the other is worth a look.
fn pairing(record: &DirectoryAudit) -> String {
    let detail = |key: &str| record.additional_details.iter().find(|detail| detail.key == key);
    match (detail("use"), detail("read")) {
        (Some(used), _) if used.value == "none" => "read, not used".into(),
        (Some(used), _) => format!("used: {}", used.value),
        (None, Some(read)) if read.value == "none" => "USED, NOT READ".into(),
        (None, Some(read)) => format!("read by {}", read.value),
        (None, None) => String::new(),
    }
}

/// The name of who did it.
pub(crate) fn who(initiator: &AuditInitiator) -> String {
    match (&initiator.user, &initiator.app) {
        (Some(user), _) => user.user_principal_name.clone(),
        (None, Some(app)) => app.display_name.clone(),
        (None, None) => "nobody known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_filters() {
        assert_eq!(time("2026-11-22").unwrap().to_string(), "2026-11-22T00:00:00Z");
        assert_eq!(time("2026-11-22T10:00:00+01:00").unwrap().to_string(), "2026-11-22T09:00:00Z");
        assert!(time("2d").unwrap() < time("1h").unwrap());
        for bad in ["", "x", "5", "5y", "99999999999999999999d", "2026-13-01"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        let list = List {
            device: None,
            actor: Some("O'Brien".into()),
            activity: Some("Recover".into()),
            since: Some(time("2026-11-22").unwrap()),
            until: None,
            failure: true,
            limit: 1,
        };
        assert_eq!(
            list.filter(Some("x")).unwrap(),
            "targetResources/any(t:t/id eq 'x') and initiatedBy/name eq 'O''Brien' and \
             startswith(activityDisplayName,'Recover') and activityDateTime ge 2026-11-22T00:00:00Z and result eq 'failure'"
        );
    }
}

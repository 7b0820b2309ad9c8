//! `revoke`: rotates exactly what a person was given.

use super::rotation;
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::Args;
use laps::{text::harmless, time::Timestamp};
use proto::admin::{NewRevocation, RevocationPreview};
use std::time::Duration;

/// Rotate exactly the passwords that a person was given
///
/// The audit log names every version that the person, and the programs that the person made, were given: by reads
/// and by exports, those that were still being set included. A machine of which nothing of that opens any more is
/// left alone; each other one is asked, and is done only when a later version is proven. Machines that are away
/// stay on the list.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Sign-in name, shown name or id; somebody who was deleted too
    person: String,
    /// Only what was read from then on: 2026-11-22 or 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Only what was read before
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Why; it is written into the audit log
    #[arg(long, default_value = "")]
    reason: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Wait until every machine that can be asked has a new password, proven
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600, requires = "wait")]
    timeout: u64,
}

/// A day (its beginning, in UTC) or a time.
fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text)
        .or_else(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")))
        .ok_or_else(|| "expected a day or a time as 2026-11-22 or 2026-11-22T10:00:00Z".to_owned())
}

/// `lapwing revoke …`.
pub(crate) async fn run(globals: &Globals, revoke: Revoke) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    let new = NewRevocation { person: revoke.person, from: revoke.from, until: revoke.until, reason: revoke.reason };
    let preview = signed_in.preview_revocation(&new).await?;
    if revoke.dry_run {
        return shown(globals, &preview);
    }
    said(&preview);
    if !revoke.yes {
        rotation::agreed(&format!("rotate {} machines", preview.to_rotate))?;
    }
    let campaign = signed_in.revoke(&new).await?;
    let able: Vec<&str> = preview
        .readers
        .iter()
        .filter(|reader| reader.enabled == Some(true))
        .map(|reader| reader.name.as_str())
        .collect();
    if !able.is_empty() {
        output::message(&format!(
            "{} can still sign in and read again: disable who should not\n  next: lapwing user disable NAME",
            able.join(", ")
        ));
    }
    rotation::ended(globals, &signed_in, campaign, revoke.wait.then(|| Duration::from_secs(revoke.timeout))).await
}

fn said(preview: &RevocationPreview) {
    let readers: Vec<&str> = preview.readers.iter().map(|reader| reader.name.as_str()).collect();
    output::message(&format!(
        "passwords of {} machines were given to {}: {} need a new one, {} have one since, {} cannot be asked",
        preview.devices,
        readers.join(", "),
        preview.to_rotate,
        preview.safe,
        preview.refused
    ));
}

fn shown(globals: &Globals, preview: &RevocationPreview) -> Result<(), Failure> {
    if globals.output == Form::Json {
        return output::json(preview);
    }
    said(preview);
    for name in &preview.names {
        output::text(&format!("{}\n", harmless(name)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_and_a_time_are_understood() {
        let day = moment("2026-11-22").unwrap();
        assert_eq!(moment("2026-11-22T01:00:00+01:00"), Ok(day));
        assert!(moment("yesterday").is_err());
    }
}

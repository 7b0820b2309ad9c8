//! `ad expire`: lets passwords expire.

use super::{Access, connect::connect};
use crate::{arguments::Globals, failure::Failure, output};
use laps::time::Timestamp;
use serde::Serialize;
use std::time::{SystemTime, UNIX_EPOCH};

/// What the cmdlet answers.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    distinguished_name: String,
    status: &'static str,
}

/// `lapwing ad expire`.
pub(super) async fn expire(
    globals: &Globals,
    access: &Access,
    computers: &[String],
    at: Option<&str>,
) -> Result<(), Failure> {
    let at = match at {
        Some(text) => Timestamp::parse_rfc3339(text).ok_or_else(|| {
            Failure::wrong_use("time_malformed", format!("{text} is no time"))
                .next("write it as in 2026-11-22T10:00:00Z")
        })?,
        None => now(),
    };
    let connection = connect(access).await?;
    let mut rows = Vec::new();
    let mut first_failure = None;
    for computer in computers {
        match connection.expire(computer, at).await {
            Ok(distinguished_name) => rows.push(Row { distinguished_name, status: "PasswordReset" }),
            Err(error) => {
                let failure = Failure::from(error).about(computer);
                let failure = if failure.code() == "ad_no_rights" {
                    failure
                        .next("an administrator gives the right: lapwing ad permit reset OU --principal 'DOMAIN\\name'")
                } else {
                    failure
                };
                match &first_failure {
                    None => first_failure = Some(failure),
                    Some(_) => output::message(&failure.text()),
                }
            }
        }
    }
    if !rows.is_empty() {
        output::list(globals.output, &rows, &["DistinguishedName", "Status"], |row| {
            vec![row.distinguished_name.clone(), row.status.to_owned()]
        })?;
        output::message("the machines rotate at their next cycle");
    }
    first_failure.map_or(Ok(()), Err)
}

/// The time.
#[allow(clippy::disallowed_methods, reason = "this is where the command line asks for the time")]
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

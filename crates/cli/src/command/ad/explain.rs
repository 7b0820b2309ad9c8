//! `ad explain`: why there is no password, or an old one; as far as the directory shows.

use super::{Access, connect::settings};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output,
};
use ad::{Connection, admin::read_only};
use laps::{
    explain::{DomainEvidence, explain_domain},
    time::Timestamp,
};
use proto::admin::Explanation;

/// `lapwing ad explain`.
pub(super) async fn explain(globals: &Globals, access: &Access, computer: &str, now: Timestamp) -> Result<(), Failure> {
    let directory = match Connection::open(&settings(access)?, None).await {
        Ok(mut connection) => connection.evidence(computer).await?,
        // Row 28: it can be named although nothing can be asked.
        Err(error) => read_only(&error).ok_or(error)?,
    };
    let evidence = DomainEvidence { now, name: computer.to_owned(), machine: None, directory: Some(directory) };
    let explanation = Explanation::of(computer, &explain_domain(&evidence));
    match globals.output {
        Form::Json => output::json(&explanation),
        Form::Table => output::text(&explanation.text(computer)),
    }
}

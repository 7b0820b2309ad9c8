//! `ad schema …`

use super::{
    Access,
    connect::{confirm, connect, connect_to},
};
use crate::{arguments::Globals, failure::Failure, output};
use ad::{
    Connection,
    admin::schema::{Finding, State, Step},
};
use serde::Serialize;

/// A row of `schema check`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    kind: &'static str,
    name: &'static str,
    state: &'static str,
    differences: Vec<String>,
}

impl From<Finding> for Row {
    fn from(finding: Finding) -> Self {
        let (state, differences) = match finding.state {
            State::Present => ("Present", Vec::new()),
            State::Missing => ("Missing", Vec::new()),
            State::Different(differences) => ("Different", differences),
        };
        Self { kind: finding.kind, name: finding.name, state, differences }
    }
}

/// `lapwing ad schema check`.
pub(super) async fn check(globals: &Globals, access: &Access, legacy: bool) -> Result<(), Failure> {
    let connection = connect(access).await?;
    let schema = connection.forest_schema().await?;
    let rows: Vec<Row> = schema.check(legacy).into_iter().map(Row::from).collect();
    output::list(globals.output, &rows, &["kind", "name", "state", "differences"], |row| {
        vec![row.kind.to_owned(), row.name.to_owned(), row.state.to_owned(), row.differences.join("; ")]
    })?;
    let different = rows.iter().filter(|row| row.state == "Different").count();
    let missing = rows.iter().filter(|row| row.state == "Missing").count();
    match (different, missing) {
        (0, 0) => {
            output::message("the schema has everything that LAPS needs");
            Ok(())
        }
        (0, missing) => Err(Failure::failed("ad_schema_missing", format!("{missing} of {} are missing", rows.len()))
            .next("a schema administrator runs: lapwing ad schema extend")),
        (different, _) => Err(Failure::failed(
            "ad_schema_different",
            format!("{different} of {} are not as LAPS needs them", rows.len()),
        )
        .next("find out who made them; Lapwing does not change what is there")),
    }
}

/// `lapwing ad schema extend`.
pub(super) async fn extend(globals: &Globals, access: &Access, legacy: bool, yes: bool) -> Result<(), Failure> {
    let connection = on_schema_master(access).await?;
    let steps = connection.forest_schema().await?.extension(legacy).map_err(ad::admin::AdminError::from)?;
    if steps.is_empty() {
        output::message("the schema has everything that LAPS needs; nothing to do");
        return check_again(globals, &connection, legacy).await;
    }
    output::message(&format!("these changes are made on the schema master {}:\n", connection.controller().host));
    for step in &steps {
        output::message(&ldif(step));
    }
    confirm("A schema cannot be taken back. Extend it for the whole forest?", yes)?;
    for step in &steps {
        connection.extend(step).await.map_err(|error| {
            let failure = Failure::from(error);
            if failure.code() == "ad_no_rights" {
                failure.next(
                    "ask as a member of Schema Admins; what was added stays, and the same command goes on from there",
                )
            } else {
                failure
            }
        })?;
        output::message(&format!("done: {}", title(step)));
    }
    check_again(globals, &connection, legacy).await
}

/// The schema is written on one domain controller of the forest only.
async fn on_schema_master(access: &Access) -> Result<Connection, Failure> {
    let connection = connect(access).await?;
    match connection.schema_master().await? {
        Some(master) if master != connection.controller().host => connect_to(access, &master).await,
        _ => Ok(connection),
    }
}

async fn check_again(globals: &Globals, connection: &Connection, legacy: bool) -> Result<(), Failure> {
    let rows: Vec<Row> = connection.forest_schema().await?.check(legacy).into_iter().map(Row::from).collect();
    output::list(globals.output, &rows, &["kind", "name", "state"], |row| {
        vec![row.kind.to_owned(), row.name.to_owned(), row.state.to_owned()]
    })
}

fn title(step: &Step) -> String {
    match step {
        Step::Add { dn, .. } => dn.clone(),
        Step::UpdateNow => "the domain controller took the changes over".to_owned(),
        Step::MayContain { names, .. } => format!("computers may have {}", names.join(", ")),
    }
}

/// A step in the form that directory administrators know (RFC 2849).
fn ldif(step: &Step) -> String {
    match step {
        Step::Add { dn, attributes } => {
            let mut text = format!("dn: {dn}\nchangetype: add\n");
            for (name, value) in attributes {
                match core::str::from_utf8(value) {
                    Ok(value) => text.push_str(&format!("{name}: {value}\n")),
                    Err(_) => {
                        use base64::Engine as _;
                        let value = base64::engine::general_purpose::STANDARD.encode(value);
                        text.push_str(&format!("{name}:: {value}\n"));
                    }
                }
            }
            text
        }
        Step::UpdateNow => "dn:\nchangetype: modify\nadd: schemaUpdateNow\nschemaUpdateNow: 1\n-\n".to_owned(),
        Step::MayContain { dn, names } => {
            let names: String = names.iter().map(|name| format!("mayContain: {name}\n")).collect();
            format!("dn: {dn}\nchangetype: modify\nadd: mayContain\n{names}-\n")
        }
    }
}

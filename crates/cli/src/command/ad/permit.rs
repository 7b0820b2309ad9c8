//! `ad permit …` and `ad audit`: entries of access control lists, shown before they are written.

use super::{
    Access, Change, Outcome, PermitCommand, Whom,
    connect::{confirm, connect},
};
use crate::{arguments::Globals, failure::Failure, output};
use ad::{
    Connection, Sid,
    admin::{
        AdminError, List, Object,
        ace::flag,
        change::{self, Action, Direction},
        grant::{Grant, Purpose, SELF, audits, grants, words},
    },
};
use serde::Serialize;

/// What the cmdlets answer, and what became of each entry.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Done {
    name: String,
    distinguished_name: String,
    changes: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    action: &'static str,
    trustee: String,
    rights: String,
    about: &'static str,
}

/// `lapwing ad permit …`.
pub(super) async fn permit(globals: &Globals, access: &Access, command: PermitCommand) -> Result<(), Failure> {
    let (unit, principals, purpose, options) = match &command {
        PermitCommand::Own { unit, change } => (unit, None, Purpose::Store, change),
        PermitCommand::Read { whom: Whom { unit, principal }, change } => {
            (unit, Some(principal), Purpose::Read, change)
        }
        PermitCommand::Reset { whom: Whom { unit, principal }, change } => {
            (unit, Some(principal), Purpose::Reset, change)
        }
    };
    let mut connection = connect(access).await?;
    let object = connection.unit(unit).await?;
    let trustees = match principals {
        Some(principals) => resolve(&mut connection, principals).await?,
        None => SELF.parse().map(|sid| vec![sid]).unwrap_or_default(),
    };
    let schema = connection.forest_schema().await?;
    let mut wanted = Vec::new();
    for trustee in &trustees {
        wanted.extend(grants(&schema, purpose, trustee, options.legacy).map_err(AdminError::from)?);
    }
    let direction = if options.remove { Direction::Remove } else { Direction::Add };
    change(globals, &connection, object, List::Permissions, wanted, direction, options.yes).await
}

/// `lapwing ad audit`.
pub(super) async fn audit(
    globals: &Globals,
    access: &Access,
    unit: &str,
    principals: &[String],
    outcomes: &[Outcome],
    options: &Change,
) -> Result<(), Failure> {
    let is_none = outcomes.contains(&Outcome::None);
    if is_none && outcomes.len() > 1 {
        return Err(Failure::wrong_use("outcome_contradicts", "none does not go with success or failure"));
    }
    let mut connection = connect(access).await?;
    let object = connection.unit(unit).await?;
    let trustees = resolve(&mut connection, principals).await?;
    let schema = connection.forest_schema().await?;
    let flags = outcomes.iter().fold(0, |flags, outcome| match outcome {
        Outcome::Success => flags | flag::SUCCESS,
        Outcome::Failure => flags | flag::FAILURE,
        Outcome::None => flags,
    });
    // Taking away takes every form that this command writes.
    let all_forms = [flag::SUCCESS, flag::FAILURE, flag::SUCCESS | flag::FAILURE];
    let (forms, direction) = match is_none {
        true => (all_forms.to_vec(), Direction::Remove),
        false if options.remove => (vec![flags], Direction::Remove),
        false => (vec![flags], Direction::Add),
    };
    let mut wanted = Vec::new();
    for trustee in &trustees {
        for form in &forms {
            wanted.extend(audits(&schema, trustee, *form, options.legacy).map_err(AdminError::from)?);
        }
    }
    change(globals, &connection, object, List::Audit, wanted, direction, options.yes).await
}

async fn resolve(connection: &mut Connection, principals: &[String]) -> Result<Vec<Sid>, Failure> {
    let mut sids = Vec::new();
    for principal in principals {
        sids.push(connection.resolve_text(principal).await?);
    }
    Ok(sids)
}

/// Shows the changes, asks, writes them.
async fn change(
    globals: &Globals,
    connection: &Connection,
    object: Object,
    list: List,
    wanted: Vec<Grant>,
    direction: Direction,
    yes: bool,
) -> Result<(), Failure> {
    let changes = connection.planned(&object.dn, list, wanted, direction).await?;
    let mut rows = Vec::new();
    for change in &changes {
        // Entries that are not there need not be told of when they are taken away in several forms.
        if change.action == Action::Absent && list == List::Audit {
            continue;
        }
        rows.push(Row {
            action: word(change.action),
            trustee: connection.name_of(&change.grant.rule.trustee).await?,
            rights: rights(&change.grant),
            about: change.grant.about,
        });
    }
    if change::has_work(&changes) {
        output::message(&format!("on {}, for the computers below it:", object.dn));
        for row in &rows {
            output::message(&format!("  {:<8} {}: {} on {}", row.action, row.trustee, row.rights, row.about));
        }
        confirm("Write this?", yes)?;
        connection.carry_out(&object.dn, list, &changes).await.map_err(|error| {
            let failure = Failure::from(error);
            if failure.code() == "ad_no_rights" {
                failure.next(format!("ask as an administrator of {}", object.dn))
            } else {
                failure
            }
        })?;
    } else {
        output::message("nothing to do");
    }
    let done = Done { name: object.name, distinguished_name: object.dn, changes: rows };
    match globals.output {
        crate::arguments::Form::Json => output::json(&done),
        crate::arguments::Form::Table => {
            let fields = vec![
                ("Name", done.name.clone()),
                ("DistinguishedName", done.distinguished_name.clone()),
                ("Changes", lines(&done.changes)),
            ];
            output::item(globals.output, &done, fields)
        }
    }
}

fn lines(rows: &[Row]) -> String {
    let lines: Vec<_> =
        rows.iter().map(|row| format!("{}: {}, {} on {}", row.action, row.trustee, row.rights, row.about)).collect();
    lines.join("\n")
}

fn rights(grant: &Grant) -> String {
    let mut text = words(grant.rule.mask);
    for (bit, word) in [(flag::SUCCESS, "success"), (flag::FAILURE, "failure")] {
        if grant.rule.flags & bit != 0 {
            text.push_str(&format!(", {word}"));
        }
    }
    text
}

const fn word(action: Action) -> &'static str {
    match action {
        Action::Add => "Add",
        Action::Remove => "Remove",
        Action::Present => "Present",
        Action::Absent => "Absent",
        Action::WiderRemains => "WiderRemains",
    }
}

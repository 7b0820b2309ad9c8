//! `policy settings`: what each setting of a policy does, takes and is to be known for. Needs no server.

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output,
};
use laps::policy::{Allowed, Setting, SettingInfo, Source, TABLE};
use proto::reference::default_text;
use serde::Serialize;

/// A setting, as it is printed.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    help: &'static str,
    allowed: String,
    default: String,
    values: Vec<String>,
    notes: &'static [&'static str],
}

impl Row {
    fn of(info: &'static SettingInfo) -> Self {
        Self {
            name: info.name,
            help: info.help,
            allowed: info.allowed_text(Source::Gpo),
            default: default_text(info),
            values: match &info.allowed {
                Allowed::Enum(list) => list.iter().map(|item| format!("{}: {}", item.value, item.meaning)).collect(),
                Allowed::Bool { no, yes, .. } => vec![format!("false: {no}"), format!("true: {yes}")],
                Allowed::Range { .. } | Allowed::Text { .. } => Vec::new(),
            },
            notes: info.notes,
        }
    }
}

pub(super) fn run(globals: &Globals, setting: Option<&str>) -> Result<(), Failure> {
    let Some(name) = setting else {
        let rows: Vec<Row> = TABLE.iter().map(Row::of).collect();
        let columns = ["setting", "allowed", "default", "what it does"];
        return output::list(globals.output, &rows, &columns, |row| {
            vec![row.name.to_owned(), row.allowed.clone(), row.default.clone(), row.help.to_owned()]
        });
    };
    let found = Setting::from_name(name).ok_or_else(|| {
        Failure::wrong_use("setting_unknown", format!("there is no setting {name:?}"))
            .next("lapwing policy settings lists them")
    })?;
    let row = Row::of(found.info());
    if globals.output == Form::Json {
        return output::json(&row);
    }
    let fields = vec![
        ("setting", row.name.to_owned()),
        ("what it does", row.help.to_owned()),
        ("allowed", row.allowed),
        ("default", row.default),
        ("values", row.values.join("\n")),
        ("notes", row.notes.join("\n")),
    ];
    output::item(globals.output, &row.name, fields)
}

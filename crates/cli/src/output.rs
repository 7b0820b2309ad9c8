//! Data to stdout, as a table or as JSON; messages to stderr.

use crate::{arguments::Form, failure::Failure};
use comfy_table::{ContentArrangement, Table, presets};
use laps::text::harmless;
use serde::Serialize;
use std::io::{IsTerminal as _, Write as _};

/// A line or more for people, to stderr, [`printable`]. That nobody reads them is no failure.
pub(crate) fn message(text: &str) {
    raw_message(&printable(text));
}

/// A message that brings its own colour: whoever makes it has made what is in it [`printable`].
pub(crate) fn raw_message(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Lines for people to stdout, [`printable`].
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    data(&printable(text))
}

/// Data to stdout as it stands.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    bytes(text.as_bytes())
}

/// Data to stdout as it stands. A reader that went away (`| head`) is no failure: it has what it wanted.
pub(crate) fn bytes(data: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(data).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::failed("output_failed", format!("the output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// A value as JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed("output_failed", format!("the output cannot be written: {error}")))?;
    text.push('\n');
    data(&text)
}

/// Items: as JSON an array, else a table of `columns` with one row for each.
pub(crate) fn list<T: Serialize>(
    form: Form,
    items: &[T],
    columns: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<(), Failure> {
    match form {
        Form::Json => json(items),
        Form::Table if items.is_empty() => {
            message("none");
            Ok(())
        }
        Form::Table => table(columns, items.iter().map(row)),
    }
}

/// One item: as JSON an object, else names and values.
pub(crate) fn item<T: Serialize>(form: Form, item: &T, fields: Vec<(&str, String)>) -> Result<(), Failure> {
    if form == Form::Json {
        return json(item);
    }
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        let indent = format!("\n{:width$}  ", "");
        text.push_str(&format!("{name:width$}  {}\n", printable(value).replace('\n', &indent)));
    }
    data(&text)
}

/// A table without lines, so that it can be cut and pasted.
pub(crate) fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    data(&text)
}

/// Names come from machines and may hold anything: neither control characters nor marks that turn a line around reach
/// the terminal. Line feeds do: what must stay in one line goes through [`harmless`] first.
pub(crate) fn printable(text: &str) -> String {
    text.split('\n').map(harmless).collect::<Vec<_>>().join("\n")
}

/// Whether messages may be in colour: a terminal, and no NO_COLOR (no-color.org).
pub(crate) fn is_colourful() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\tc"), "a\u{fffd}[31mb\u{fffd}c");
        assert_eq!(printable("pc\u{202e}gpj\u{2066}\n\u{2028}b\u{9b}"), "pc\u{fffd}gpj\u{fffd}\n\u{fffd}b\u{fffd}");
    }
}

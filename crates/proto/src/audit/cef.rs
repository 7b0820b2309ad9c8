//! ArcSight's Common Event Format, version 0 (protocols.md 7).

use super::{Record, severity, shown};
use crate::hex;
use core::fmt::Write as _;

/// One line, without its end: `CEF:0|Lapwing|lapwingd|version|activity|name|severity|key=value …`.
pub fn cef(record: &Record, version: &str) -> String {
    let mut line = format!(
        "CEF:0|Lapwing|lapwingd|{}|{}|{}|{}|",
        header(version),
        header(&record.slug()),
        header(&record.activity),
        severity(record)
    );
    let mut extension = Extension { line: &mut line, first: true };
    extension.put("rt", &record.at.unix_ms().to_string());
    extension.put("externalId", &hex::encode(&record.id));
    extension.put("cat", &record.category);
    extension.put("outcome", if record.failure.is_some() { "failure" } else { "success" });
    extension.put("reason", record.failure.as_deref().unwrap_or_default());
    extension.put("suid", &record.actor.id);
    extension.put("suser", &record.actor.name);
    extension.put("src", &record.client_member("address").unwrap_or_default());
    extension.put("requestClientApplication", &record.client_member("userAgent").unwrap_or_default());
    if record.target.kind == "device" {
        extension.put("dhost", &record.target.name);
        extension.put("deviceExternalId", &record.target.id);
    } else {
        extension.put("duser", &record.target.name);
        extension.put("duid", &record.target.id);
    }
    extension.custom(1, "justification", &record.detail_member("reason").unwrap_or_default());
    extension.custom(2, "ticket", &record.detail_member("ticket").unwrap_or_default());
    extension.custom(3, "breakGlass", if record.is_break_glass() { "true" } else { "" });
    extension.custom(4, "requestId", &record.request_id);
    extension.put("cn1Label", "sequence");
    extension.put("cn1", &record.sequence.to_string());
    extension.put("msg", &record.detail);
    line
}

struct Extension<'a> {
    line: &'a mut String,
    first: bool,
}

impl Extension<'_> {
    fn put(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let space = if core::mem::take(&mut self.first) { "" } else { " " };
        // Writing to a String cannot fail.
        let _ = write!(self.line, "{space}{key}={}", extension(value));
    }
    fn custom(&mut self, number: u8, label: &str, value: &str) {
        if !value.is_empty() {
            self.put(&format!("cs{number}Label"), label);
            self.put(&format!("cs{number}"), value);
        }
    }
}

/// In the header `\` and `|` are escaped, and a line cannot end.
fn header(text: &str) -> String {
    let one_line = shown(text).replace(['\n', '\r'], " ");
    one_line.replace('\\', "\\\\").replace('|', "\\|")
}

/// In the extension `\`, `=` and ends of lines are escaped.
fn extension(text: &str) -> String {
    shown(text).replace('\\', "\\\\").replace('=', "\\=").replace('\n', "\\n").replace('\r', "\\r")
}

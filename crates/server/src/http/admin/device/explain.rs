//! Why a device has no password, or an old one.

use super::super::shell::{Shell, ok};
use super::super::shown::{Prose, Shown, words};
use super::super::visit::Visit;
use super::{Head, head, opened, plain};
use crate::app::Error;
use askama::Template;
use axum::extract::Path;
use axum::response::Response;

/// A link of the chain.
struct Link {
    tone: &'static str,
    sign: &'static str,
    name: String,
    text: Shown,
    remedy: Prose,
    code: String,
    broken: bool,
}

#[derive(Template)]
#[template(path = "device_explain.html")]
struct ExplainPage {
    shell: Shell,
    head: Head,
    summary: Shown,
    code: String,
    links: Vec<Link>,
}

/// Why there is no password, or an old one.
pub(crate) async fn explain(visit: Visit, Path(id): Path<String>) -> Result<Response, Error> {
    let (sheet, shell) = opened(&visit, &id).await?;
    let found = visit.app.explain(&visit.caller, &sheet.line.id.to_string()).await?;
    let links = found
        .links
        .iter()
        .map(|link| {
            let (tone, sign) = match link.state.as_str() {
                "ok" | "holds" => ("good", "✓"),
                "broken" => ("bad", "✕"),
                _ => ("plain", "·"),
            };
            Link {
                tone,
                sign,
                name: words(&link.name),
                text: Shown::cut(if link.text.is_empty() { "not looked at" } else { &link.text }, 600),
                remedy: Prose::cut(&plain(link.remedy.clone()), 600),
                code: link.code.clone(),
                broken: tone == "bad",
            }
        })
        .collect();
    ok(&ExplainPage {
        shell,
        head: head(&sheet, "explain", visit.now),
        summary: Shown::cut(&found.summary, 800),
        code: found.code,
        links,
    })
}

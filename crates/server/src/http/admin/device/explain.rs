//! Why a device has no password, or an old one.

use super::super::shell::{Shell, ok};
use super::super::shown::{Prose, Shown, When, words};
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
    /// When that was so.
    at: Option<When>,
    remedy: Prose,
    code: String,
    broken: bool,
}

/// What can be done when no password of its own can be read.
struct Way {
    tone: &'static str,
    title: String,
    text: Prose,
    /// What the page of the device offers for it.
    act: Option<&'static str>,
}

impl Way {
    fn of(way: &proto::admin::Way, may_link: bool) -> Self {
        let (tone, title, act) = match way.situation.as_str() {
            "former_password" => ("good", "The former object’s password can be read", Some("Show the candidates")),
            "former_object" => ("good", "It may have been here before", may_link.then_some("Link the former object…")),
            "agent_reachable" => ("good", "Its agent can be reached", None),
            "local_access_left" => ("info", "Somebody can still sign in to the machine", None),
            "no_local_access" => ("warn", "Nobody can sign in to the machine", None),
            other => {
                let text = Prose::cut(&way.text, 1_200);
                return Self { tone: "info", title: words(other), text, act: None };
            }
        };
        Self { tone, title: title.to_owned(), text: Prose::cut(&way.text, 1_200), act }
    }
}

#[derive(Template)]
#[template(path = "device_explain.html")]
struct ExplainPage {
    shell: Shell,
    head: Head,
    summary: Shown,
    code: String,
    /// The place of the documentation; empty when nothing is broken.
    page: String,
    ways: Vec<Way>,
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
                at: When::maybe(link.at, visit.now),
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
        page: found.page,
        ways: found.ways.iter().map(|way| Way::of(way, sheet.rights.delete)).collect(),
        links,
    })
}

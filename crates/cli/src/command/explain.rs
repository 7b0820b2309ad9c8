//! `explain DEVICE`

use super::device;
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use proto::admin::{Explanation, Link};

/// `lapwing explain DEVICE`.
pub(crate) async fn run(globals: &Globals, named: &str) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    // A machine that was purged has no device object to find, and is explained all the same.
    let id = match named.parse() {
        Ok(id) => id,
        Err(_) => device::find(&signed_in, named).await?.device_id,
    };
    let explanation = signed_in.explain(id).await?;
    match globals.output {
        Form::Json => output::json(&explanation),
        Form::Table => output::data(&text(named, &explanation)),
    }
}

/// The sentence about the machine as it was named, the broken link with its remedy, then the chain.
pub(crate) fn text(named: &str, explanation: &Explanation) -> String {
    let mut text = format!("{named}: {}\n", explanation.summary);
    let broken = explanation.links.iter().find(|link| link.state == "broken");
    if let Some(link) = broken {
        text.push_str(&format!("  cause: {}\n", link.text));
        if !link.remedy.is_empty() {
            text.push_str(&format!("  next:  {}\n", link.remedy));
        }
        text.push_str(&format!("  code:  {}\n", link.code));
    }
    let width = explanation.links.iter().map(|link| link.name.len()).max().unwrap_or(0);
    text.push('\n');
    for link in &explanation.links {
        text.push_str(format!("  {} {:width$}  {}\n", mark(link), link.name, seen(link)).as_str());
    }
    text
}

fn mark(link: &Link) -> &'static str {
    match link.state.as_str() {
        "ok" | "holds" => "✓",
        "broken" => "✗",
        _ => "·",
    }
}

fn seen(link: &Link) -> &str {
    if link.text.is_empty() && mark(link) == "·" { "not looked at" } else { &link.text }
}

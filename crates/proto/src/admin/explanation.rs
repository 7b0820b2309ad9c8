//! Why a password is missing, as programs read it and as people do.

use laps::explain::{self, Condition};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Why a device's password is as it is: the chain of links, the first broken one first to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The device, as asked for.
    pub device: String,
    /// The stable code of the first broken link; `ok` when none is.
    pub code: String,
    /// One sentence.
    pub summary: String,
    /// The chain, in order.
    pub links: Vec<Link>,
}

/// One link of an [`Explanation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What is looked at.
    pub name: String,
    /// `ok`, `broken`, `unknown`.
    pub state: String,
    /// Stable code.
    pub code: String,
    /// The cause, or what was found.
    pub text: String,
    /// What to do next; empty when there is nothing to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Explanation {
    /// From what `laps::explain` found; `device` as it was asked for.
    pub fn of(device: &str, found: &explain::Explanation) -> Self {
        let cause = found.cause.as_ref();
        let summary = match cause {
            Some(cause) => format!("{} {}", cause.cause, found.readable),
            None => found.readable.clone(),
        };
        let link = |finding: &explain::Finding| {
            let broken = cause.filter(|_| finding.condition == Condition::Broken);
            Link {
                name: finding.link.as_str().to_owned(),
                state: finding.condition.as_str().to_owned(),
                code: broken.map_or("", |cause| cause.code).to_owned(),
                text: match broken {
                    Some(cause) => format!("{}: {}", finding.seen, cause.cause),
                    None => finding.seen.clone(),
                },
                remedy: broken.map_or_else(String::new, |cause| cause.remedy.clone()),
            }
        };
        Self {
            device: device.to_owned(),
            code: cause.map_or("ok", |cause| cause.code).to_owned(),
            summary: summary.trim().to_owned(),
            links: found.chain.iter().map(link).collect(),
        }
    }

    /// For people: the sentence about the machine as it was named, the broken link with its remedy, then the chain.
    pub fn text(&self, named: &str) -> String {
        let mut text = format!("{named}: {}\n", self.summary);
        if let Some(link) = self.links.iter().find(|link| link.state == "broken") {
            let _ = writeln!(text, "  cause: {}", link.text);
            if !link.remedy.is_empty() {
                let _ = writeln!(text, "  next:  {}", link.remedy);
            }
            let _ = writeln!(text, "  code:  {}", link.code);
        }
        let width = self.links.iter().map(|link| link.name.len()).max().unwrap_or(0);
        text.push('\n');
        for link in &self.links {
            let _ = writeln!(text, "  {} {:width$}  {}", link.mark(), link.name, link.seen());
        }
        text
    }
}

impl Link {
    fn mark(&self) -> &'static str {
        match self.state.as_str() {
            "ok" | "holds" => "✓",
            "broken" => "✗",
            _ => "·",
        }
    }
    fn seen(&self) -> &str {
        if self.text.is_empty() && self.mark() == "·" { "not looked at" } else { &self.text }
    }
}

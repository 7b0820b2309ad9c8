//! Why a password is missing, as programs read it and as people do.

use crate::serde_text;
use laps::{
    explain::{self, Condition},
    text::harmless,
    time::Timestamp,
};
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
    /// What can be done when no password of the device's own can be read; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
    /// Where the documentation says more of the code; empty when nothing is broken.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub page: String,
}

/// A situation, and what can be done in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// `former_password`, `former_object`, `agent_reachable`, `local_access_left`, `no_local_access`.
    pub situation: String,
    /// What can be done, and what cannot.
    pub text: String,
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
    /// When that was so.
    #[serde(rename = "atDateTime", default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
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
                at: finding.at,
            }
        };
        Self {
            device: device.to_owned(),
            code: cause.map_or("ok", |cause| cause.code).to_owned(),
            summary: summary.trim().to_owned(),
            links: found.chain.iter().map(link).collect(),
            ways: found
                .ways
                .iter()
                .map(|way| Way { situation: way.situation.to_owned(), text: way.text.clone() })
                .collect(),
            page: cause.map(explain::Cause::page).unwrap_or_default(),
        }
    }

    /// For people: the sentence about the machine as it was named, the broken link with its remedy, then the chain. Much
    /// of it was said by the machine: no member of it makes a line of its own or reaches a terminal as a command.
    pub fn text(&self, named: &str) -> String {
        let mut text = format!("{}: {}\n", harmless(named), harmless(&self.summary));
        if let Some(link) = self.links.iter().find(|link| link.state == "broken") {
            let _ = writeln!(text, "  cause: {}", harmless(&link.text));
            if !link.remedy.is_empty() {
                let _ = writeln!(text, "  next:  {}", harmless(&link.remedy));
            }
            let _ = writeln!(text, "  code:  {}", harmless(&link.code));
            if !self.page.is_empty() {
                let _ = writeln!(text, "  more:  {}", harmless(&self.page));
            }
        }
        for way in &self.ways {
            let _ = writeln!(text, "  way:   {}", harmless(&way.text));
        }
        let width = self.links.iter().map(|link| link.name.len()).max().unwrap_or(0);
        text.push('\n');
        for link in &self.links {
            let at = link.at.map(|at| format!("  [{at}]")).unwrap_or_default();
            let _ = writeln!(text, "  {} {:width$}  {}{at}", link.mark(), harmless(&link.name), harmless(link.seen()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_says_makes_no_line_of_its_own() {
        let bad = "\u{1b}[2J\n  next:  run this\u{202e}";
        let link = Link {
            name: bad.into(),
            state: "broken".into(),
            code: bad.into(),
            text: bad.into(),
            remedy: bad.into(),
            at: None,
        };
        let told = Explanation {
            device: bad.into(),
            code: bad.into(),
            summary: bad.into(),
            links: vec![link],
            ways: vec![Way { situation: bad.into(), text: bad.into() }],
            page: bad.into(),
        };
        let text = told.text(bad);
        assert!(!text.chars().any(|c| c != '\n' && (c.is_control() || laps::text::misleads(c))), "{text:?}");
        let forged = |line: &&str| line.starts_with("  next:  run");
        assert_eq!((text.lines().count(), text.lines().find(forged)), (8, None), "{text}");
    }
}

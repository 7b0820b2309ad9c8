//! Reading rules: what a group asks of those who read passwords of its devices, and what follows a read.

use super::super::shell::{Section, Shell, ok, page};
use super::super::shown::Shown;
use super::super::visit::{Visit, done, form};
use super::{Tabs, tabs};
use crate::app::{Error, Kind};
use askama::Template;
use axum::body::Bytes;
use axum::response::Response;
use http::StatusCode;
use proto::admin::{ALL_DEVICES, ReadingRule};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Groups that the choice offers; any other is reached from its own page.
const GROUPS: u32 = 500;

/// A rule in the list.
struct Line {
    group: String,
    name: Shown,
    asks: String,
    pattern: Option<Shown>,
    approval: String,
    after: String,
}

struct Choice {
    value: String,
    label: Shown,
}

#[derive(Template)]
#[template(path = "reading_rules.html")]
struct RulesPage {
    shell: Shell,
    tabs: Tabs,
    lines: Vec<Line>,
    /// Groups without a rule.
    groups: Vec<Choice>,
    may_write: bool,
}

#[derive(Template)]
#[template(path = "reading_rule.html")]
struct RulePage {
    shell: Shell,
    group: String,
    name: Shown,
    is_set: bool,
    typed: Typed,
    mistake: Option<Shown>,
}

/// The form, as it was sent.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Typed {
    group: String,
    reason: Option<String>,
    ticket: Option<String>,
    pattern: String,
    approvals: String,
    approval_minutes: String,
    approval_reads: String,
    rotate_after_minutes: String,
}

impl Typed {
    fn of(rule: &ReadingRule) -> Self {
        let on = |yes: bool| yes.then(|| "yes".to_owned());
        Self {
            group: String::new(),
            reason: on(rule.reason_required),
            ticket: on(rule.ticket_required),
            pattern: rule.ticket_pattern.clone().unwrap_or_default(),
            approvals: rule.approvals.to_string(),
            approval_minutes: rule.approval_minutes.to_string(),
            approval_reads: rule.approval_reads.to_string(),
            rotate_after_minutes: rule.rotate_after_minutes.map(|minutes| minutes.to_string()).unwrap_or_default(),
        }
    }

    fn rule(&self) -> Result<ReadingRule, Error> {
        let number = |name: &str, text: &str| {
            text.trim()
                .parse::<u32>()
                .map_err(|_| Error::invalid("bad_reading_rule", format!("{name} must be a whole number; correct it")))
        };
        let approvals = number("the number of approvals", &self.approvals)?;
        let pattern = self.pattern.trim();
        let after = self.rotate_after_minutes.trim();
        Ok(ReadingRule {
            group: None,
            reason_required: self.reason.is_some(),
            ticket_required: self.ticket.is_some(),
            ticket_pattern: (!pattern.is_empty()).then(|| pattern.to_owned()),
            approvals: u8::try_from(approvals).unwrap_or(u8::MAX),
            approval_minutes: number("the minutes of a request", &self.approval_minutes)?,
            approval_reads: number("the reads of an approval", &self.approval_reads)?,
            rotate_after_minutes: match after {
                "" => None,
                text => Some(number("the minutes until the password changes", text)?),
            },
        })
    }
}

fn length(minutes: u32) -> String {
    match minutes {
        0 => "at once".to_owned(),
        minutes if minutes % 1_440 == 0 => format!("{} d", minutes / 1_440),
        minutes if minutes % 60 == 0 => format!("{} h", minutes / 60),
        minutes => format!("{minutes} min"),
    }
}

fn line(rule: &ReadingRule, names: &BTreeMap<String, String>) -> Line {
    let group = rule.group.map(|group| group.to_string()).unwrap_or_default();
    let asks = match (rule.reason_required, rule.ticket_required || rule.ticket_pattern.is_some()) {
        (true, true) => "Reason and ticket",
        (true, false) => "Reason",
        (false, true) => "Ticket",
        (false, false) => "—",
    };
    let approvals = match rule.approvals {
        0 => "—".to_owned(),
        many => format!(
            "{} for {}, within {}",
            if many == 1 { "One other".to_owned() } else { format!("{many} others") },
            if rule.approval_reads == 1 { "one read".to_owned() } else { format!("{} reads", rule.approval_reads) },
            length(rule.approval_minutes)
        ),
    };
    Line {
        name: Shown::new(names.get(&group).map_or(group.as_str(), String::as_str)),
        asks: asks.to_owned(),
        pattern: rule.ticket_pattern.as_deref().map(Shown::new),
        approval: approvals,
        after: match rule.rotate_after_minutes {
            None => "—".to_owned(),
            Some(0) => "Changes at once".to_owned(),
            Some(minutes) => format!("Changes after {}", length(minutes)),
        },
        group,
    }
}

/// The names of the groups by id, that of all devices among them.
async fn names(visit: &Visit) -> Result<BTreeMap<String, String>, Error> {
    let known = visit.app.groups(&visit.caller, None, GROUPS).await?;
    let mut names: BTreeMap<String, String> =
        known.items.into_iter().map(|group| (group.id.to_string(), group.name)).collect();
    names.insert(laps::id::GroupId::from_bytes([0xff; 16]).to_string(), "All devices".to_owned());
    Ok(names)
}

/// The rules of all groups.
pub(crate) async fn rules(visit: Visit) -> Result<Response, Error> {
    let rules = visit.app.reading_rules(&visit.caller).await?;
    let names = names(&visit).await?;
    let ruled = |id: &str| rules.iter().any(|rule| rule.group.is_some_and(|group| group.to_string() == id));
    let groups = names.iter().filter(|(id, _)| !ruled(id));
    let mut groups: Vec<Choice> =
        groups.map(|(id, name)| Choice { value: id.clone(), label: Shown::new(name) }).collect();
    groups.sort_by_key(|choice| choice.label.to_string().to_lowercase());
    ok(&RulesPage {
        shell: visit.shell("Reading rules", Section::Access).await?,
        tabs: tabs(&visit, "rules").await?,
        lines: rules.iter().map(|rule| line(rule, &names)).collect(),
        groups,
        may_write: visit.app.may_write_settings(&visit.caller).is_ok(),
    })
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Of {
    group: String,
}

/// The form for the rule of a group.
pub(crate) async fn rule(visit: Visit) -> Result<Response, Error> {
    visit.app.may_write_settings(&visit.caller)?;
    let Of { group } = visit.query()?;
    let rule = visit.app.reading_rule(&visit.caller, group.trim()).await?;
    edit(&visit, group.trim(), Typed::of(&rule), None).await
}

async fn edit(visit: &Visit, group: &str, typed: Typed, mistake: Option<Shown>) -> Result<Response, Error> {
    let rule = visit.app.reading_rule(&visit.caller, group).await?;
    let id = rule.group.map(|group| group.to_string()).unwrap_or_default();
    let rules = visit.app.reading_rules(&visit.caller).await?;
    let names = names(visit).await?;
    let status = if mistake.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let whole = RulePage {
        shell: visit.shell("Reading rule", Section::Access).await?,
        name: Shown::new(names.get(&id).map_or(group, String::as_str)),
        is_set: rules.iter().any(|one| one.group == rule.group),
        group: if group == ALL_DEVICES { group.to_owned() } else { id },
        typed,
        mistake,
    };
    page(status, &whole)
}

/// Sets the rule of a group.
pub(crate) async fn set(visit: Visit, body: Bytes) -> Result<Response, Error> {
    visit.app.may_write_settings(&visit.caller)?;
    let typed: Typed = form(&body)?;
    let group = typed.group.clone();
    let set = match typed.rule() {
        Ok(rule) => visit.app.set_reading_rule(&visit.caller, &group, &rule).await,
        Err(error) => Err(error),
    };
    match set {
        Ok(_) => Ok(done("/admin/access/rules", "rule_set")),
        Err(error) if error.kind() == Kind::Invalid => {
            edit(&visit, &group, typed, Some(Shown::cut(&error.text(), 400))).await
        }
        Err(error) => Err(error),
    }
}

/// Takes the rule of a group away.
pub(crate) async fn clear(visit: Visit, body: Bytes) -> Result<Response, Error> {
    let Of { group } = form(&body)?;
    visit.app.clear_reading_rule(&visit.caller, &group).await?;
    Ok(done("/admin/access/rules", "rule_cleared"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_gives_back_the_rule_that_it_shows() {
        let rule = ReadingRule {
            reason_required: true,
            ticket_pattern: Some("INC#####".into()),
            approvals: 2,
            approval_minutes: 90,
            approval_reads: 1,
            rotate_after_minutes: Some(0),
            ..ReadingRule::default()
        };
        for rule in [rule, ReadingRule::default()] {
            assert_eq!(Typed::of(&rule).rule().unwrap(), rule);
        }
        let bad = Typed { approvals: "two".into(), ..Typed::of(&ReadingRule::default()) };
        assert_eq!(bad.rule().unwrap_err().code(), "bad_reading_rule");
    }

    #[test]
    fn lengths_are_in_the_largest_unit_that_fits() {
        assert_eq!([0, 5, 60, 90, 480, 1_440].map(length), ["at once", "5 min", "1 h", "90 min", "8 h", "1 d"]);
    }
}

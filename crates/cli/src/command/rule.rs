//! `group rule …`: what a group asks of those who read passwords of its machines.

use super::group;
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::{Args, Subcommand};
use laps::id::GroupId;
use proto::admin::ReadingRule;

#[derive(Debug, Subcommand)]
pub(crate) enum RuleCommand {
    /// Show the rule of a group, or the rules of all groups
    Show {
        /// The group's id or name, or `all` for the group of all machines
        group: Option<String>,
    },
    /// Set what reading asks for; what is not named keeps its value
    Set(Set),
    /// Take the rule of a group away
    Clear {
        /// The group's id or name, or `all` for the group of all machines
        group: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The group's id or name, or `all` for the group of all machines
    group: String,
    /// Whether a reason must be given
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    reason: Option<bool>,
    /// Whether a ticket must be given
    #[arg(long, value_name = "YES|NO", value_parser = clap::builder::BoolishValueParser::new())]
    ticket: Option<bool>,
    /// What the ticket must look like: # is a digit, ? any character, * any run; empty takes it away
    #[arg(long, value_name = "PATTERN")]
    ticket_pattern: Option<String>,
    /// How many others must approve
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u8).range(0..=2))]
    approvals: Option<u8>,
    /// Minutes that a request for access lives at most
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(5..=10_080))]
    approval_minutes: Option<u32>,
    /// Reads that an approved request is good for
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    approval_reads: Option<u32>,
    /// Minutes from a read to the rotation that follows it
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(0..=10_080))]
    rotate_after: Option<u32>,
    /// No rotation follows a read
    #[arg(long, conflicts_with = "rotate_after")]
    no_rotation: bool,
}

/// `lapwing group rule …`.
pub(crate) async fn run(globals: &Globals, command: RuleCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        RuleCommand::Show { group: None } => {
            let groups = signed_in.groups().await?;
            let name = |id: Option<GroupId>| {
                let found = groups.iter().find(|group| Some(group.id) == id);
                found.map_or_else(|| id.map(|id| id.to_string()).unwrap_or_default(), |group| group.name.clone())
            };
            let rules = signed_in.reading_rules().await?;
            output::list(
                globals.output,
                &rules,
                &["group", "reason", "ticket", "approvals", "rotate after (min)"],
                |rule| {
                    vec![
                        name(rule.group),
                        yes(rule.reason_required).to_owned(),
                        rule.ticket_pattern.clone().unwrap_or_else(|| yes(rule.ticket_required).to_owned()),
                        rule.approvals.to_string(),
                        rule.rotate_after_minutes.map(|minutes| minutes.to_string()).unwrap_or_default(),
                    ]
                },
            )
        }
        RuleCommand::Show { group: Some(named) } => {
            let group = group::find_any(&signed_in, &named).await?;
            let rules = signed_in.reading_rules().await?;
            let rule = rules.into_iter().find(|rule| rule.group == Some(group.id)).unwrap_or_default();
            output::item(globals.output, &rule, fields(&rule))
        }
        RuleCommand::Set(set) => {
            let group = group::find_any(&signed_in, &set.group).await?;
            let rules = signed_in.reading_rules().await?;
            let now = rules.into_iter().find(|rule| rule.group == Some(group.id)).unwrap_or_default();
            let rule = signed_in.set_reading_rule(group.id, &set.over(now)).await?;
            output::message(&format!("this is asked of those who read passwords of machines in {}", group.name));
            output::item(globals.output, &rule, fields(&rule))
        }
        RuleCommand::Clear { group } => {
            let group = group::find_any(&signed_in, &group).await?;
            signed_in.clear_reading_rule(group.id).await?;
            output::message(&format!("{} asks for nothing any more", group.name));
            Ok(())
        }
    }
}

impl Set {
    fn over(&self, now: ReadingRule) -> ReadingRule {
        let pattern = match &self.ticket_pattern {
            Some(pattern) => Some(pattern.clone()).filter(|pattern| !pattern.is_empty()),
            None => now.ticket_pattern,
        };
        ReadingRule {
            group: None,
            reason_required: self.reason.unwrap_or(now.reason_required),
            ticket_required: self.ticket.unwrap_or(now.ticket_required),
            ticket_pattern: pattern,
            approvals: self.approvals.unwrap_or(now.approvals),
            approval_minutes: self.approval_minutes.unwrap_or(now.approval_minutes),
            approval_reads: self.approval_reads.unwrap_or(now.approval_reads),
            rotate_after_minutes: if self.no_rotation { None } else { self.rotate_after.or(now.rotate_after_minutes) },
        }
    }
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn fields(rule: &ReadingRule) -> Vec<(&'static str, String)> {
    let approved = |text: String| if rule.approvals == 0 { String::new() } else { text };
    vec![
        ("Reason", yes(rule.reason_required).to_owned()),
        ("Ticket", yes(rule.ticket_required || rule.ticket_pattern.is_some()).to_owned()),
        ("Ticket looks like", rule.ticket_pattern.clone().unwrap_or_default()),
        ("Approvals", rule.approvals.to_string()),
        ("Approval lives", approved(format!("{} minutes", rule.approval_minutes))),
        ("Approval is good for", approved(format!("{} reads", rule.approval_reads))),
        (
            "Rotation after a read",
            rule.rotate_after_minutes.map_or("no".to_owned(), |minutes| format!("after {minutes} minutes")),
        ),
    ]
}

//! `group …`

use super::device;
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::{Args, Subcommand};
use client::SignedIn;
use laps::time::Timestamp;
use proto::admin::{Group, GroupChange, GroupFilter, NewGroup};

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the groups
    List,
    /// Make a group; with a filter its members are the machines that fit, now and later
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        filter: FilterArguments,
    },
    /// Give a group another name, or a group with a filter another filter
    Change {
        /// The group's id or name
        group: String,
        /// The new name
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        filter: FilterArguments,
    },
    /// Delete a group; its machines stay
    Delete {
        /// Its id or name
        group: String,
    },
    /// Put a machine into a group
    Add {
        /// The group's id or name
        group: String,
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Take a machine out of a group
    Remove {
        /// The group's id or name
        group: String,
        /// The machine: its id, or its name when no other has it
        device: String,
    },
}

/// Every part that is given must fit; `*` stands for any characters, `?` for one, case does not matter.
#[derive(Debug, Args)]
pub(crate) struct FilterArguments {
    /// Machines whose name fits, such as 'kasse-*'
    #[arg(long, value_name = "PATTERN")]
    filter_name: Option<String>,
    /// Machines whose operating system with its version fits, such as 'debian*'
    #[arg(long, value_name = "PATTERN")]
    filter_os: Option<String>,
    /// Machines whose agent's version fits
    #[arg(long, value_name = "PATTERN")]
    filter_agent: Option<String>,
    /// Machines that joined at this time or later (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    filter_joined_from: Option<Timestamp>,
    /// Machines that joined before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    filter_joined_until: Option<Timestamp>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| "not a time; expected one such as 2026-11-21T10:00:00Z".to_owned())
}

impl FilterArguments {
    fn filter(self) -> Option<GroupFilter> {
        let filter = GroupFilter {
            name: self.filter_name,
            os: self.filter_os,
            agent_version: self.filter_agent,
            joined_from: self.filter_joined_from,
            joined_until: self.filter_joined_until,
        };
        (filter != GroupFilter::default()).then_some(filter)
    }
}

/// A filter in words.
fn words(filter: &GroupFilter) -> String {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    [
        ("name", filter.name.clone()),
        ("os", filter.os.clone()),
        ("agent", filter.agent_version.clone()),
        ("joined from", time(filter.joined_from)),
        ("joined until", time(filter.joined_until)),
    ]
    .into_iter()
    .filter_map(|(what, value)| value.map(|value| format!("{what} {value}")))
    .collect::<Vec<_>>()
    .join(", ")
}

/// `lapwing group …`.
pub(crate) async fn run(globals: &Globals, command: GroupCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        GroupCommand::List => {
            let groups = signed_in.groups().await?;
            output::list(globals.output, &groups, &["name", "id", "made", "filter"], |group| {
                let filter = group.filter.as_ref().map(words).unwrap_or_default();
                vec![group.name.clone(), group.id.to_string(), group.created_date_time.to_string(), filter]
            })
        }
        GroupCommand::Create { name, filter } => {
            let group = signed_in.create_group(&NewGroup { name, filter: filter.filter() }).await?;
            show(globals, &group)
        }
        GroupCommand::Change { group, name, filter } => {
            let found = find(&signed_in, &group).await?;
            let change = GroupChange { name, filter: filter.filter() };
            show(globals, &signed_in.change_group(found.id, &change).await?)
        }
        GroupCommand::Delete { group } => {
            let group = find(&signed_in, &group).await?;
            signed_in.delete_group(group.id).await?;
            output::message(&format!("the group {} is deleted", group.name));
            Ok(())
        }
        GroupCommand::Add { group, device } => {
            let (group, device) = (find(&signed_in, &group).await?, device::find(&signed_in, &device).await?);
            signed_in.add_to_group(group.id, device.device_id).await?;
            output::message(&format!("{} is in {}", device.display_name, group.name));
            Ok(())
        }
        GroupCommand::Remove { group, device } => {
            let (group, device) = (find(&signed_in, &group).await?, device::find(&signed_in, &device).await?);
            signed_in.remove_from_group(group.id, device.device_id).await?;
            output::message(&format!("{} is no longer in {}", device.display_name, group.name));
            Ok(())
        }
    }
}

fn show(globals: &Globals, group: &Group) -> Result<(), Failure> {
    let mut fields = vec![("Name", group.name.clone()), ("Id", group.id.to_string())];
    if let Some(filter) = &group.filter {
        fields.push(("Filter", words(filter)));
    }
    output::item(globals.output, group, fields)
}

async fn find(signed_in: &SignedIn, named: &str) -> Result<Group, Failure> {
    let groups = signed_in.groups().await?;
    groups
        .into_iter()
        .find(|group| group.id.to_string() == named || group.name.to_lowercase() == named.to_lowercase())
        .ok_or_else(|| {
            Failure::not_found("group_unknown", format!("no group has the id or name {named}"))
                .next("lapwing group list")
        })
}

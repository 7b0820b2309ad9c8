//! `group …`

use super::{device, rule};
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::Subcommand;
use client::SignedIn;
use proto::admin::{Group, NewGroup};

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// List the groups
    List,
    /// Make a group
    Create {
        /// Its name
        name: String,
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
    /// What a group asks of those who read passwords of its machines
    #[command(subcommand)]
    Rule(rule::RuleCommand),
    /// Take a machine out of a group
    Remove {
        /// The group's id or name
        group: String,
        /// The machine: its id, or its name when no other has it
        device: String,
    },
}

/// `lapwing group …`.
pub(crate) async fn run(globals: &Globals, command: GroupCommand) -> Result<(), Failure> {
    if let GroupCommand::Rule(command) = command {
        return rule::run(globals, command).await;
    }
    let signed_in = session::signed_in(globals).await?;
    match command {
        GroupCommand::Rule(_) => Ok(()),
        GroupCommand::List => {
            let groups = signed_in.groups().await?;
            output::list(globals.output, &groups, &["name", "id", "made"], |group| {
                vec![group.name.clone(), group.id.to_string(), group.created_date_time.to_string()]
            })
        }
        GroupCommand::Create { name } => {
            let group = signed_in.create_group(&NewGroup { name }).await?;
            let fields = vec![("Name", group.name.clone()), ("Id", group.id.to_string())];
            output::item(globals.output, &group, fields)
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

/// A group, that of all machines under the name `all` too.
pub(super) async fn find_any(signed_in: &SignedIn, named: &str) -> Result<Group, Failure> {
    let named = if named.eq_ignore_ascii_case(proto::admin::ALL_DEVICES) { "All devices" } else { named };
    find(signed_in, named).await
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

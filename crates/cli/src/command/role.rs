//! `role …`

use super::people;
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::{Args, Subcommand};
use client::SignedIn;
use proto::admin::{NewRole, Role, RoleAssignment, RoleChange};

#[derive(Debug, Subcommand)]
pub(crate) enum RoleCommand {
    /// List the roles, built-in ones first
    List,
    /// Show what a role allows
    Show {
        /// Its name or id
        role: String,
    },
    /// Make a role of your own
    Create {
        /// Its name
        name: String,
        /// An action that it allows, as `role show` prints them; may be repeated
        #[arg(long = "action", value_name = "ACTION", required = true)]
        actions: Vec<String>,
    },
    /// Change a role of your own; who has it signs in again when it allows something else
    Change {
        /// Its name or id
        role: String,
        /// The new name
        #[arg(long)]
        name: Option<String>,
        /// An action that it allows from now on, instead of those before; may be repeated
        #[arg(long = "action", value_name = "ACTION")]
        actions: Vec<String>,
    },
    /// Delete a role of your own that nobody has
    Delete {
        /// Its name or id
        role: String,
    },
    /// Give a role
    Assign(Assignment),
    /// Take a role back
    Unassign(Assignment),
}

#[derive(Debug, Args)]
pub(crate) struct Assignment {
    /// The role's name or id
    role: String,
    /// The person or program: its id or name
    to: String,
    /// The group of machines that it holds for; all when absent
    #[arg(long)]
    group: Option<String>,
}

/// `lapwing role …`.
pub(crate) async fn run(globals: &Globals, command: RoleCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        RoleCommand::List => {
            output::list(globals.output, &signed_in.roles().await?, &["name", "id", "built in", "actions"], |role| {
                let built_in = if role.is_built_in { "yes" } else { "no" };
                let number = role.actions.len().to_string();
                vec![role.display_name.clone(), role.id.to_string(), built_in.into(), number]
            })
        }
        RoleCommand::Show { role } => show(globals, &find(&signed_in, &role).await?),
        RoleCommand::Create { name, actions } => {
            show(globals, &signed_in.create_role(&NewRole { display_name: name, actions }).await?)
        }
        RoleCommand::Change { role, name, actions } => {
            let found = find(&signed_in, &role).await?;
            let actions = (!actions.is_empty()).then_some(actions);
            let change = RoleChange { display_name: name, actions };
            show(globals, &signed_in.change_role(found.id, &change).await?)
        }
        RoleCommand::Delete { role } => {
            let found = find(&signed_in, &role).await?;
            signed_in.delete_role(found.id).await?;
            output::message(&format!("the role {} is deleted", found.display_name));
            Ok(())
        }
        RoleCommand::Assign(asked) => {
            let (name, assignment) = assignment(&signed_in, asked).await?;
            signed_in.assign_role(&assignment).await?;
            output::message(&format!("{name} is {}", assignment.role));
            Ok(())
        }
        RoleCommand::Unassign(asked) => {
            let (name, assignment) = assignment(&signed_in, asked).await?;
            signed_in.unassign_role(&assignment).await?;
            output::message(&format!("{name} is no longer {}", assignment.role));
            Ok(())
        }
    }
}

async fn assignment(signed_in: &SignedIn, asked: Assignment) -> Result<(String, RoleAssignment), Failure> {
    let mut people = signed_in.users().await?;
    people.extend(signed_in.service_principals().await?);
    let principal = people::find(&people, &asked.to)?;
    Ok((asked.to, RoleAssignment { principal, role: asked.role, group: asked.group }))
}

fn show(globals: &Globals, role: &Role) -> Result<(), Failure> {
    let mut fields = vec![
        ("Name", role.display_name.clone()),
        ("Id", role.id.to_string()),
        ("Built in", if role.is_built_in { "yes" } else { "no" }.to_owned()),
    ];
    fields.extend(role.actions.iter().map(|action| ("Allows", action.clone())));
    output::item(globals.output, role, fields)
}

async fn find(signed_in: &SignedIn, named: &str) -> Result<Role, Failure> {
    let roles = signed_in.roles().await?;
    roles
        .into_iter()
        .find(|role| role.id.to_string() == named || role.display_name.to_lowercase() == named.to_lowercase())
        .ok_or_else(|| {
            Failure::not_found("role_unknown", format!("no role has the id or name {named}")).next("lapwing role list")
        })
}

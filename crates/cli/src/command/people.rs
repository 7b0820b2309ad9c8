//! `user …` and `principal …`

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::{Args, Subcommand};
use client::SignedIn;
use laps::id::PrincipalId;
use proto::admin::{CreatedUser, NewClientKey, NewServicePrincipal, NewUser, Person};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// List the people
    List,
    /// Make a person; prints the one-time secret of the first sign-in
    Create {
        /// The sign-in name
        name: String,
        /// The shown name; the sign-in name when absent
        #[arg(long, value_name = "NAME")]
        display_name: Option<String>,
        #[command(flatten)]
        role: RoleArguments,
    },
    /// Delete a person
    Delete {
        /// Its id or sign-in name
        name: String,
    },
    /// Let a person sign in no more; what the person was given is another matter: lapwing revoke
    Disable {
        /// Its id or sign-in name
        name: String,
    },
    /// Let a person sign in again
    Enable {
        /// Its id or sign-in name
        name: String,
    },
    /// Give a person who lost the password a new one-time secret, and print it; the password stops working
    Reset {
        /// Its id or sign-in name
        name: String,
    },
    /// What a person signs in with beside the password
    Factors {
        /// Its id or sign-in name
        name: String,
    },
    /// Take the one-time codes of a person away who lost the generator
    TotpReset {
        /// Its id or sign-in name
        name: String,
    },
    /// Remove the passkeys of a person who lost them
    PasskeyReset {
        /// Its id or sign-in name
        name: String,
    },
    /// Take the lock of too many failed sign-ins off a person
    Unlock {
        /// Its id or sign-in name
        #[arg(required_unless_present = "address")]
        name: Option<String>,
        /// Off an address instead
        #[arg(long, conflicts_with = "name")]
        address: Option<std::net::IpAddr>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PrincipalCommand {
    /// List the programs
    List,
    /// Make a program; prints its client secret
    Create {
        /// The shown name
        name: String,
        #[command(flatten)]
        role: RoleArguments,
        /// An application permission by Graph's name, such as DeviceLocalCredential.Read.All; may be repeated
        #[arg(long = "permission", value_name = "NAME")]
        permissions: Vec<String>,
        /// Days until the secret ends, 1 to 730; 365 when absent
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=730))]
        days: Option<u32>,
    },
    /// Delete a program
    Delete {
        /// Its id or name
        name: String,
    },
    /// Register a public key with which a program signs in by signed assertions
    KeyAdd {
        /// Its id or name
        name: String,
        /// A certificate or a public key, PEM
        file: std::path::PathBuf,
        /// Days until it ends, 1 to 730; 365 when absent
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=730))]
        days: Option<u32>,
    },
    /// List the keys of a program
    Keys {
        /// Its id or name
        name: String,
    },
    /// Remove a key of a program; its tokens stop working
    KeyRemove {
        /// Its id or name
        name: String,
        /// The key's id
        key: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RoleArguments {
    /// A role by Entra's name, such as "Cloud Device Administrator"
    #[arg(long)]
    role: Option<String>,
    /// The group of machines that the role holds for; all when absent
    #[arg(long, requires = "role")]
    group: Option<String>,
}

/// `lapwing user …`.
pub(crate) async fn user(globals: &Globals, command: UserCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        UserCommand::List => list(globals, &signed_in.users().await?),
        UserCommand::Create { name, display_name, role } => {
            let new = NewUser { user_name: name, display_name, role: role.role, group: role.group };
            handed_over(globals, &signed_in, &signed_in.create_user(&new).await?)
        }
        UserCommand::Delete { name } => {
            let id = find(&signed_in.users().await?, &name)?;
            signed_in.delete_user(id).await?;
            output::message(&format!("{name} is deleted"));
            Ok(())
        }
        UserCommand::Disable { name } => {
            signed_in.disable_user(find(&signed_in.users().await?, &name)?).await?;
            output::message(&format!(
                "{name} is disabled: every session has ended, API tokens are refused\n  \
                 next, if passwords that {name} was given shall change: lapwing revoke {name}"
            ));
            Ok(())
        }
        UserCommand::Enable { name } => {
            signed_in.enable_user(find(&signed_in.users().await?, &name)?).await?;
            output::message(&format!("{name} is enabled and may sign in again"));
            Ok(())
        }
        UserCommand::Reset { name } => {
            let id = find(&signed_in.users().await?, &name)?;
            handed_over(globals, &signed_in, &signed_in.reset_user(id).await?)
        }
        UserCommand::Factors { name } => {
            let id = find(&signed_in.users().await?, &name)?;
            super::account::show(globals, &signed_in.factors(id).await?)
        }
        UserCommand::TotpReset { name } => {
            signed_in.reset_totp(find(&signed_in.users().await?, &name)?).await?;
            output::message(&format!("{name} signs in without one-time codes"));
            Ok(())
        }
        UserCommand::PasskeyReset { name } => {
            signed_in.reset_passkeys(find(&signed_in.users().await?, &name)?).await?;
            output::message(&format!("{name} has no passkey"));
            Ok(())
        }
        UserCommand::Unlock { name, address } => {
            if let Some(address) = address {
                signed_in.unlock_address(address).await?;
            }
            if let Some(name) = name {
                signed_in.unlock_user(find(&signed_in.users().await?, &name)?).await?;
            }
            output::message("unlocked");
            Ok(())
        }
    }
}

/// A one-time secret as data, and what to do with it.
fn handed_over(globals: &Globals, signed_in: &SignedIn, created: &CreatedUser) -> Result<(), Failure> {
    if globals.output == Form::Json {
        return output::json(created);
    }
    output::data(&format!("{}\n", created.one_time_secret))?;
    output::message(&format!(
        "the one-time secret of {}, good until {}; hand it over, it is not shown again\n  \
         next, that person: lapwing login --server {} --here --user {}",
        created.user_name,
        created.expires_date_time,
        signed_in.client().server(),
        created.user_name
    ));
    Ok(())
}

/// `lapwing principal …`.
pub(crate) async fn principal(globals: &Globals, command: PrincipalCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        PrincipalCommand::List => list(globals, &signed_in.service_principals().await?),
        PrincipalCommand::Create { name, role, permissions, days } => {
            create_principal(
                globals,
                &signed_in,
                &NewServicePrincipal {
                    display_name: name,
                    role: role.role,
                    group: role.group,
                    permissions,
                    secret_days: days,
                },
            )
            .await
        }
        PrincipalCommand::Delete { name } => {
            let id = find(&signed_in.service_principals().await?, &name)?;
            signed_in.delete_service_principal(id).await?;
            output::message(&format!("{name} is deleted"));
            Ok(())
        }
        PrincipalCommand::KeyAdd { name, file, days } => {
            let id = find(&signed_in.service_principals().await?, &name)?;
            let pem = std::fs::read_to_string(&file)
                .map_err(|error| Failure::failed("file_unreadable", format!("{}: {error}", file.display())))?;
            let label = file.file_name().map_or_else(|| "key".into(), |name| name.to_string_lossy().into_owned());
            let key = signed_in.add_client_key(id, &NewClientKey { name: label, pem, days }).await?;
            let fields = vec![
                ("Id", key.id.clone()),
                ("Thumbprint", key.thumbprint.clone()),
                ("Ends", key.expires_date_time.to_string()),
            ];
            output::item(globals.output, &key, fields)
        }
        PrincipalCommand::Keys { name } => {
            let id = find(&signed_in.service_principals().await?, &name)?;
            let keys = signed_in.client_keys(id).await?;
            output::list(globals.output, &keys, &["id", "name", "thumbprint", "ends"], |key| {
                let ends = key.expires_date_time.to_string();
                vec![key.id.clone(), key.name.clone(), key.thumbprint.clone(), ends]
            })
        }
        PrincipalCommand::KeyRemove { name, key } => {
            let id = find(&signed_in.service_principals().await?, &name)?;
            signed_in.remove_client_key(id, &key).await?;
            output::message("removed");
            Ok(())
        }
    }
}

async fn create_principal(globals: &Globals, signed_in: &SignedIn, new: &NewServicePrincipal) -> Result<(), Failure> {
    let created = signed_in.create_service_principal(new).await?;
    if globals.output == Form::Json {
        return output::json(&created);
    }
    output::data(&format!("{}\n", created.client_secret))?;
    output::message(&format!(
        "the client secret of {} (client id {}, tenant {}), good until {}; it is not shown again\n  \
         next: lapwing login --server {} --client-id {} --secret-file FILE",
        new.display_name,
        created.client_id,
        created.tenant_id,
        created.expires_date_time,
        signed_in.client().server(),
        created.client_id
    ));
    Ok(())
}

fn list(globals: &Globals, people: &[Person]) -> Result<(), Failure> {
    output::list(globals.output, people, &["name", "id", "enabled", "roles"], |person| {
        let roles: Vec<_> = person
            .roles
            .iter()
            .map(|role| match role.group {
                Some(group) => format!("{} (group {group})", role.role),
                None => role.role.clone(),
            })
            .chain(person.permissions.iter().cloned())
            .collect();
        let enabled = if person.enabled { "yes" } else { "no" };
        vec![person.name.clone(), person.id.to_string(), enabled.into(), roles.join(", ")]
    })
}

pub(crate) fn find(people: &[Person], named: &str) -> Result<PrincipalId, Failure> {
    let is_named =
        |person: &&Person| person.id.to_string() == named || person.name.to_lowercase() == named.to_lowercase();
    let mut matching = people.iter().filter(is_named);
    match (matching.next(), matching.next()) {
        (Some(one), None) => Ok(one.id),
        (None, _) => Err(Failure::not_found("principal_unknown", format!("nobody has the id or name {named}"))),
        (Some(_), Some(_)) => {
            Err(Failure::failed("principal_ambiguous", format!("several have the name {named}"))
                .next("name it by its id"))
        }
    }
}

//! `provider …`: foreign OpenID providers that people sign in with.

use super::people;
use crate::{arguments::Globals, failure::Failure, output, session, terminal};
use clap::{Args, Subcommand};
use client::SignedIn;
use proto::admin::{Identity, NewIdentityProvider};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ProviderCommand {
    /// List the providers
    List,
    /// Set a provider up; register this server there with the redirect URI https://SERVER/device/callback
    Add {
        /// The name on the button
        name: String,
        /// Its issuer, an https URL as its discovery document has it
        #[arg(long, value_name = "URL")]
        issuer: String,
        /// The client id that it gave you
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// A file whose first line is the client secret that it gave you; - is standard input
        #[arg(long, value_name = "FILE|-")]
        secret_file: PathBuf,
        /// A certificate authority to trust for it, PEM; those of the server's machine when absent
        #[arg(long, value_name = "FILE")]
        provider_ca: Option<PathBuf>,
    },
    /// Remove a provider with its links
    Remove {
        /// Its id or name
        provider: String,
    },
    /// Say that a subject of a provider is a person here
    Link(LinkArguments),
    /// Take that back; the person's sessions end
    Unlink(LinkArguments),
    /// List the subjects that are a person
    Links {
        /// The person: id or sign-in name
        person: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LinkArguments {
    /// The provider's id or name
    provider: String,
    /// The subject, as the refusal of a first sign-in shows it
    subject: String,
    /// The person: id or sign-in name
    person: String,
}

/// `lapwing provider …`.
pub(crate) async fn run(globals: &Globals, command: ProviderCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        ProviderCommand::List => {
            let providers = signed_in.identity_providers().await?;
            output::list(globals.output, &providers, &["name", "id", "issuer", "client id"], |provider| {
                vec![provider.name.clone(), provider.id.clone(), provider.issuer.clone(), provider.client_id.clone()]
            })
        }
        ProviderCommand::Add { name, issuer, client_id, secret_file, provider_ca } => {
            let ca = match provider_ca {
                Some(file) => Some(
                    std::fs::read_to_string(&file)
                        .map_err(|error| Failure::failed("file_unreadable", format!("{}: {error}", file.display())))?,
                ),
                None => None,
            };
            let client_secret = terminal::secret_of(&secret_file)?.reveal().to_owned();
            let new = NewIdentityProvider { name, issuer, client_id, client_secret, ca };
            let made = signed_in.add_identity_provider(&new).await?;
            let fields = vec![("Name", made.name.clone()), ("Id", made.id.clone()), ("Issuer", made.issuer.clone())];
            output::item(globals.output, &made, fields)
        }
        ProviderCommand::Remove { provider } => {
            signed_in.remove_identity_provider(&find(&signed_in, &provider).await?).await?;
            output::message("removed");
            Ok(())
        }
        ProviderCommand::Link(asked) => {
            let provider = find(&signed_in, &asked.provider).await?;
            let person = people::find(&signed_in.users().await?, &asked.person)?;
            signed_in.link_identity(person, &Identity { provider, subject: asked.subject }).await?;
            output::message(&format!("{} signs in with it from now on", asked.person));
            Ok(())
        }
        ProviderCommand::Unlink(asked) => {
            let provider = find(&signed_in, &asked.provider).await?;
            let person = people::find(&signed_in.users().await?, &asked.person)?;
            signed_in.unlink_identity(person, &Identity { provider, subject: asked.subject }).await?;
            output::message("unlinked");
            Ok(())
        }
        ProviderCommand::Links { person } => {
            let person = people::find(&signed_in.users().await?, &person)?;
            let links = signed_in.identities(person).await?;
            output::list(globals.output, &links, &["provider", "subject"], |link| {
                vec![link.provider.clone(), link.subject.clone()]
            })
        }
    }
}

async fn find(signed_in: &SignedIn, named: &str) -> Result<String, Failure> {
    let providers = signed_in.identity_providers().await?;
    providers
        .into_iter()
        .find(|provider| provider.id == named || provider.name.to_lowercase() == named.to_lowercase())
        .map(|provider| provider.id)
        .ok_or_else(|| {
            Failure::not_found("identity_provider_unknown", format!("no provider has the id or name {named}"))
                .next("lapwing provider list")
        })
}

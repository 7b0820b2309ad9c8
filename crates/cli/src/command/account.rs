//! `session …`, `token …`, `account …`: where one is signed in, with what, and API tokens.

use super::{people, time};
use crate::{arguments::Form, arguments::Globals, failure::Failure, output, session, terminal};
use clap::Subcommand;
use client::SignedIn;
use laps::id::PrincipalId;
use proto::admin::{ApiToken, Factors, LinkedIdentity, NewApiToken, OneTimeCode, OwnLink, OwnUnlink, PasswordChange};
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List where you are signed in, or where somebody else is
    List {
        /// Somebody else: id or name
        #[arg(long)]
        user: Option<String>,
    },
    /// End a session: its tokens stop working at once
    End {
        /// Its id, as `list` shows it
        session: String,
        /// Whose, when it is not yours: id or name
        #[arg(long)]
        user: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make an API token for yourself; it is shown once
    Create {
        /// What to remember it by
        name: String,
        /// A Graph permission that it covers, such as DeviceLocalCredential.Read.All; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// Days until it ends, 1 to 365
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
        days: u32,
    },
    /// List your API tokens, without their text
    List {
        /// Everybody's
        #[arg(long)]
        all: bool,
    },
    /// Revoke an API token
    Revoke {
        /// Its id, as `list` shows it
        id: String,
        /// It is somebody else's
        #[arg(long)]
        other: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// What you sign in with beside the password
    Show,
    /// Change your password
    Password,
    /// Set up one-time codes: prints what to scan or type, then asks for a code
    Totp {
        /// The code, when the secret was set up with `account totp` before
        #[arg(long, value_name = "CODE")]
        confirm: Option<String>,
    },
    /// Stop one-time codes
    TotpRemove {
        /// A code of the generator, or a recovery code
        code: String,
    },
    /// Remove a passkey; your sessions end
    PasskeyRemove {
        /// Its id, as `show` prints it
        id: String,
    },
    /// List the accounts elsewhere with which you sign in
    Links,
    /// Sign in with an account elsewhere: prints where to prove it, then asks for the code that you get there
    Link {
        /// The provider's id or name; may be left out when there is one
        provider: Option<String>,
        /// The code, when you have it already
        #[arg(long, value_name = "CODE")]
        code: Option<String>,
        /// A file whose first line is your password here; - is standard input; asked for when absent
        #[arg(long, value_name = "FILE|-")]
        password_file: Option<PathBuf>,
    },
    /// Take such a link away; your sessions end
    Unlink {
        /// The provider's id or name
        provider: String,
        /// Who you are there, when several are linked
        subject: Option<String>,
        /// A file whose first line is your password here; - is standard input; asked for when absent
        #[arg(long, value_name = "FILE|-")]
        password_file: Option<PathBuf>,
    },
}

/// `lapwing session …`.
pub(crate) async fn session(globals: &Globals, command: SessionCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        SessionCommand::List { user } => {
            let sessions = match user {
                Some(user) => signed_in.sessions(find(&signed_in, &user).await?).await?,
                None => signed_in.my_sessions().await?,
            };
            output::list(globals.output, &sessions, &["id", "kind", "client", "last token", "ends"], |session| {
                vec![
                    session.id.clone(),
                    session.kind.clone(),
                    session.client.clone().unwrap_or_default(),
                    time(Some(session.created_date_time)),
                    time(Some(session.expires_date_time)),
                ]
            })
        }
        SessionCommand::End { session, user } => {
            match user {
                Some(user) => signed_in.end_session(find(&signed_in, &user).await?, &session).await?,
                None => signed_in.end_my_session(&session).await?,
            }
            output::message("ended");
            Ok(())
        }
    }
}

/// `lapwing token …`.
pub(crate) async fn token(globals: &Globals, command: TokenCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        TokenCommand::Create { name, scopes, days } => {
            let created = signed_in.create_api_token(&NewApiToken { name, scopes, days }).await?;
            if globals.output == Form::Json {
                return output::json(&created);
            }
            output::data(&format!("{}\n", created.token))?;
            output::message(&format!(
                "good until {}; it is not shown again. Send it as Authorization: Bearer\n\
                 withdraw it: lapwing token revoke {}",
                created.expires_date_time, created.id
            ));
            Ok(())
        }
        TokenCommand::List { all } => {
            let tokens = if all { signed_in.api_tokens().await? } else { signed_in.my_api_tokens().await? };
            list(globals, &tokens)
        }
        TokenCommand::Revoke { id, other } => {
            if other {
                signed_in.revoke_api_token(&id).await?;
            } else {
                signed_in.revoke_my_api_token(&id).await?;
            }
            output::message("revoked");
            Ok(())
        }
    }
}

fn list(globals: &Globals, tokens: &[ApiToken]) -> Result<(), Failure> {
    output::list(globals.output, tokens, &["id", "name", "user", "scopes", "ends", "last used"], |token| {
        vec![
            token.id.clone(),
            token.name.clone(),
            token.user.to_string(),
            token.scopes.join(" "),
            time(Some(token.expires_date_time)),
            time(token.last_used_date_time),
        ]
    })
}

/// `lapwing account …`.
pub(crate) async fn account(globals: &Globals, command: AccountCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        AccountCommand::Show => show(globals, &signed_in.my_factors().await?),
        AccountCommand::Password => {
            let current_password = terminal::ask_secret("Password until now")?.reveal().to_owned();
            let new_password = super::login::new_password()?.reveal().to_owned();
            signed_in.change_password(&PasswordChange { current_password, new_password }).await?;
            output::message("the password is changed; sign in again: lapwing login");
            Ok(())
        }
        AccountCommand::Totp { confirm: Some(code) } => confirm(globals, &signed_in, code).await,
        AccountCommand::Totp { confirm: None } => {
            let new = signed_in.begin_totp().await?;
            output::data(&format!("{}\n", new.uri))?;
            output::message(&format!("or type this secret into your generator: {}", new.secret));
            if !terminal::is_there() {
                output::message("next: lapwing account totp --confirm CODE");
                return Ok(());
            }
            let code = terminal::ask("Code that it shows now")?;
            confirm(globals, &signed_in, code).await
        }
        AccountCommand::TotpRemove { code } => {
            signed_in.remove_totp(&OneTimeCode { code }).await?;
            output::message("one-time codes are no longer asked for; sign in again: lapwing login");
            Ok(())
        }
        AccountCommand::PasskeyRemove { id } => {
            signed_in.remove_passkey(&id).await?;
            output::message("the passkey is removed; sign in again: lapwing login");
            Ok(())
        }
        AccountCommand::Links => {
            let links = signed_in.my_identities().await?;
            output::list(globals.output, &links, &["provider", "subject", "since"], |link| {
                vec![link.provider_name.clone(), link.subject.clone(), time(Some(link.linked_date_time))]
            })
        }
        AccountCommand::Link { provider, code, password_file } => {
            link(globals, &signed_in, provider.as_deref(), code, password_file.as_deref()).await
        }
        AccountCommand::Unlink { provider, subject, password_file } => {
            let named = |link: &&LinkedIdentity| {
                (link.provider == provider || link.provider_name.to_lowercase() == provider.to_lowercase())
                    && subject.as_ref().is_none_or(|subject| *subject == link.subject)
            };
            let links = signed_in.my_identities().await?;
            let mut matching = links.iter().filter(named);
            let link = match (matching.next(), matching.next()) {
                (Some(one), None) => one,
                (None, _) => {
                    return Err(Failure::not_found(
                        "identity_unknown",
                        format!("nothing at {provider} is linked to you"),
                    )
                    .next("lapwing account links"));
                }
                (Some(_), Some(_)) => {
                    return Err(Failure::wrong_use("identity_ambiguous", format!("several at {provider} are linked"))
                        .next("name the subject, too: lapwing account links"));
                }
            };
            let asked = OwnUnlink {
                provider: link.provider.clone(),
                subject: link.subject.clone(),
                current_password: own_password(password_file.as_deref())?,
            };
            signed_in.unlink_my_identity(&asked).await?;
            output::message("unlinked; sign in again: lapwing login");
            Ok(())
        }
    }
}

async fn link(
    globals: &Globals,
    signed_in: &SignedIn,
    provider: Option<&str>,
    code: Option<String>,
    password_file: Option<&Path>,
) -> Result<(), Failure> {
    let code = match code {
        Some(code) => code,
        None => {
            let known = signed_in.my_identity_providers().await?;
            let found = match provider {
                Some(named) => {
                    known.iter().find(|known| known.id == named || known.name.to_lowercase() == named.to_lowercase())
                }
                None if known.len() == 1 => known.first(),
                None => None,
            };
            let Some(found) = found else {
                let names: Vec<_> = known.iter().map(|known| known.name.as_str()).collect();
                return Err(Failure::not_found("identity_provider_unknown", "there is no such provider")
                    .next(format!("name one of: {}", names.join(", "))));
            };
            output::data(&format!("{}/device/with/{}?link=yes\n", signed_in.client().server(), found.id))?;
            output::message("open this address in a browser and sign in there: it shows you a code");
            if !terminal::is_there() {
                output::message("next: lapwing account link --code CODE");
                return Ok(());
            }
            terminal::ask("Code")?
        }
    };
    let asked = OwnLink { code, current_password: own_password(password_file)? };
    let linked = signed_in.link_my_identity(&asked).await?;
    let fields = vec![("Provider", linked.provider_name.clone()), ("Subject", linked.subject.clone())];
    output::item(globals.output, &linked, fields)
}

fn own_password(file: Option<&Path>) -> Result<String, Failure> {
    let password = match file {
        Some(file) => terminal::secret_of(file)?,
        None => terminal::ask_secret("Your password here")?,
    };
    Ok(password.reveal().to_owned())
}

async fn confirm(globals: &Globals, signed_in: &SignedIn, code: String) -> Result<(), Failure> {
    let codes = signed_in.confirm_totp(&OneTimeCode { code }).await?;
    if globals.output == Form::Json {
        return output::json(&codes);
    }
    output::data(&format!("{}\n", codes.recovery_codes.join("\n")))?;
    output::message("one-time codes are asked for from now on; keep these recovery codes, each works once");
    Ok(())
}

/// What somebody signs in with, as a table.
pub(crate) fn show(globals: &Globals, factors: &Factors) -> Result<(), Failure> {
    let mut fields = vec![
        ("One-time codes since", time(factors.totp_since)),
        ("Recovery codes left", factors.recovery_codes.to_string()),
    ];
    fields.extend(factors.passkeys.iter().map(|passkey| ("Passkey", format!("{} {}", passkey.name, passkey.id))));
    output::item(globals.output, factors, fields)
}

async fn find(signed_in: &SignedIn, named: &str) -> Result<PrincipalId, Failure> {
    people::find(&signed_in.users().await?, named)
}

//! `login`, `whoami`, `logout`.

use crate::{
    arguments::Globals,
    failure::Failure,
    output,
    session::{self, CLIENT_ID, Kind, Session},
    terminal,
};
use clap::Args;
use client::Client;
use proto::oauth::{Secret, TokenAnswer, Verification, VerificationResult};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Default, Args)]
pub(crate) struct Login {
    /// Type name and password here instead of in a browser
    #[arg(long, conflicts_with = "client_id")]
    here: bool,
    /// The sign-in name; asked for when absent
    #[arg(long, value_name = "NAME", requires = "here")]
    user: Option<String>,
    /// A file whose first line is the password or client secret; - is standard input
    #[arg(long, value_name = "FILE|-")]
    secret_file: Option<PathBuf>,
    /// At the first sign-in: a file whose first line is the password to set; - is standard input
    #[arg(long, value_name = "FILE|-", requires = "here")]
    new_password_file: Option<PathBuf>,
    /// The code of your generator, or a recovery code; asked for when absent
    #[arg(long, value_name = "CODE", requires = "here")]
    code: Option<String>,
    /// Sign in as a program: its client id
    #[arg(long, value_name = "ID", requires = "secret_file")]
    client_id: Option<String>,
}

/// `lapwing login`.
pub(crate) async fn login(globals: &Globals, login: &Login) -> Result<(), Failure> {
    if login.secret_file.is_some() && !login.here && login.client_id.is_none() {
        return Err(Failure::wrong_use("secret_of_whom", "--secret-file goes with --here or with --client-id")
            .next("lapwing login --here --user NAME --secret-file FILE"));
    }
    let client = session::client_to_sign_in(globals).await?;
    let (kind, client_id, answer) = match (&login.client_id, &login.secret_file) {
        (Some(client_id), Some(file)) => {
            let answer = client.client_credentials(client_id, &terminal::secret_of(file)?).await?;
            (Kind::ServicePrincipal, client_id.as_str(), answer)
        }
        _ if login.here => (Kind::Person, CLIENT_ID, by_password(&client, login).await?),
        _ => (Kind::Person, CLIENT_ID, by_browser(&client).await?),
    };
    let session = Session::begin(&client, kind, client_id, answer);
    session.save()?;
    let signed_in = client.signed_in(&session.access_token)?;
    let name = match kind {
        Kind::Person => signed_in.me().await?.user_principal_name,
        Kind::ServicePrincipal => client_id.to_owned(),
    };
    output::message(&format!("signed in at {} as {name}", session.server));
    Ok(())
}

/// Signs a person in on this terminal.
pub(crate) async fn here(globals: &Globals) -> Result<(), Failure> {
    login(globals, &Login { here: true, ..Login::default() }).await
}

async fn by_browser(client: &Client) -> Result<TokenAnswer, Failure> {
    let authorization = client.device_code(CLIENT_ID).await?;
    output::message(&format!(
        "Open {} in a browser and type the code {}\n(or sign in here: lapwing login --here). Waiting …",
        authorization.verification_uri, authorization.user_code
    ));
    Ok(client.wait_for_device_code(CLIENT_ID, &authorization).await?)
}

async fn by_password(client: &Client, login: &Login) -> Result<TokenAnswer, Failure> {
    let authorization = client.device_code(CLIENT_ID).await?;
    let mut verification = Verification {
        user_code: authorization.user_code.clone(),
        user_name: match &login.user {
            Some(user) => user.clone(),
            None if terminal::is_there() => terminal::ask("User name")?,
            None => return Err(Failure::wrong_use("user_missing", "who signs in is not known").next("add --user NAME")),
        },
        password: match &login.secret_file {
            Some(file) => terminal::secret_of(file)?,
            None => terminal::ask_secret("Password (at the first sign-in: the one-time secret)")?,
        },
        ..Verification::default()
    };
    loop {
        let answer = client.verify(&verification).await?;
        match answer.result {
            VerificationResult::Approved => break,
            VerificationResult::NewPasswordRequired | VerificationResult::NewPasswordUnfit => {
                let again = verification.new_password.is_some();
                output::message(&answer.message);
                verification.new_password = Some(match &login.new_password_file {
                    Some(file) if !again => terminal::secret_of(file)?,
                    None if terminal::is_there() => new_password()?,
                    _ => {
                        return Err(Failure::refused("new_password_required", answer.message)
                            .next("add --new-password-file FILE with the password to set"));
                    }
                });
            }
            VerificationResult::SecondFactorRequired | VerificationResult::SecondFactorWrong => {
                let wrong = answer.result == VerificationResult::SecondFactorWrong;
                verification.ticket = answer.ticket;
                verification.one_time_code = Some(match &login.code {
                    Some(code) if !wrong => code.clone(),
                    _ if terminal::is_there() => {
                        output::message(&answer.message);
                        terminal::ask("Code")?
                    }
                    Some(_) => return Err(Failure::refused("code_wrong", answer.message)),
                    None => return Err(Failure::refused("code_required", answer.message).next("add --code CODE")),
                });
            }
            VerificationResult::SignInFailed => return Err(Failure::refused("sign_in_failed", answer.message)),
            VerificationResult::LockedOut => return Err(Failure::refused("locked_out", answer.message)),
            VerificationResult::Refused => return Err(Failure::refused("authorization_declined", answer.message)),
            VerificationResult::CodeUnknown => return Err(Failure::failed("code_unknown", answer.message)),
        }
    }
    Ok(client.wait_for_device_code(CLIENT_ID, &authorization).await?)
}

pub(super) fn new_password() -> Result<Secret, Failure> {
    loop {
        let first = terminal::ask_secret("New password")?;
        if first == terminal::ask_secret("New password again")? {
            return Ok(first);
        }
        output::message("the two differ; type them again");
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Who {
    server: String,
    tenant: Option<String>,
    kind: Kind,
    name: String,
    id: String,
    roles: Vec<String>,
    token_ends: String,
}

/// `lapwing whoami`.
pub(crate) async fn whoami(globals: &Globals) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    let Some(session) = Session::load()? else {
        return Err(Failure::refused("not_signed_in", "nobody is signed in").next("lapwing login"));
    };
    super::escrow::warn(&signed_in).await;
    // Who may not see the tenant still sees who they are.
    let tenant = match signed_in.organization().await {
        Ok(organization) => organization.map(|organization| organization.id.to_string()),
        Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 403) => None,
        Err(error) => return Err(error.into()),
    };
    let (name, id, roles) = match session.kind {
        Kind::Person => {
            let me = signed_in.me().await?;
            (me.user_principal_name, me.id.to_string(), me.roles)
        }
        Kind::ServicePrincipal => (session.client_id.clone(), session.client_id.clone(), Vec::new()),
    };
    let who = Who {
        server: session.server,
        tenant,
        kind: session.kind,
        name,
        id,
        roles,
        token_ends: session.ends_at.to_string(),
    };
    let fields = vec![
        ("Name", who.name.clone()),
        ("Id", who.id.clone()),
        ("Roles", who.roles.join(", ")),
        ("Server", who.server.clone()),
        ("Tenant", who.tenant.clone().unwrap_or_default()),
        ("Token ends", who.token_ends.clone()),
    ];
    output::item(globals.output, &who, fields)
}

/// `lapwing logout`.
pub(crate) fn logout() -> Result<(), Failure> {
    output::message(if Session::forget()? { "signed out on this machine" } else { "nobody was signed in" });
    Ok(())
}

//! The connection to the directory, and what its failures mean on the command line.

use super::Access;
use crate::{failure::Failure, terminal};
use ad::{Connection, Credential, Dns, Error, Keytab, Security, Server, Settings, admin::AdminError};
use laps::password::Password;
use std::{net::SocketAddr, os::unix::process::CommandExt as _, path::Path, process::Command, time::Duration};

/// Longest wait for one step.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Connects.
pub(super) async fn connect(access: &Access) -> Result<Connection, Failure> {
    Ok(Connection::open(&settings(access)?, None).await?)
}

/// The same with another domain controller.
pub(super) async fn connect_to(access: &Access, host: &str) -> Result<Connection, Failure> {
    let server = Server { host: host.to_owned(), address: None };
    Ok(Connection::open(&Settings { server: Some(server), ..settings(access)? }, None).await?)
}

/// Where the directory is, and who asks.
pub(super) fn settings(access: &Access) -> Result<Settings, Failure> {
    let ca = access.ca.as_ref().map(Into::into);
    let security = match (access.ldaps, access.start_tls) {
        (true, _) => Security::Ldaps { ca },
        (_, true) => Security::StartTls { ca },
        _ if ca.is_some() => {
            return Err(Failure::wrong_use(
                "ca_without_tls",
                "certificates play no part in a connection that Kerberos seals",
            )
            .next("add --ldaps or --start-tls, or leave --ca away"));
        }
        _ => Security::Sealed,
    };
    let port = if access.ldaps { 636 } else { 389 };
    let server = access.server.as_ref().map(|host| Server {
        host: host.trim_end_matches('.').to_owned(),
        address: access.address.map(|address| SocketAddr::new(address, port)),
    });
    let domain = domain(access)?;
    Ok(Settings {
        domain,
        realm: None,
        server,
        site: None,
        security,
        credential: credential(access)?,
        timeout: TIMEOUT,
        dns: Dns::System,
    })
}

fn credential(access: &Access) -> Result<Credential, Failure> {
    if let Some(keytab) = &access.keytab {
        let path = std::path::absolute(keytab)
            .map_err(|error| Failure::wrong_use("ad_keytab_unreadable", format!("{}: {error}", keytab.display())))?;
        enter_environment(&path)?;
        return Ok(Credential::Keytab { path, principal: None });
    }
    let Some(user) = &access.user else { return Ok(Credential::Cache) };
    let secret = match &access.password_file {
        Some(file) => terminal::secret_of(file)?,
        None if terminal::is_there() => terminal::ask_secret(&format!("Password of {user}"))?,
        None => {
            return Err(Failure::wrong_use(
                "password_unasked",
                format!("the password of {user} is needed, and nobody can be asked"),
            )
            .next("add --password-file FILE, or get tickets with kinit and leave --user away"));
        }
    };
    Ok(Credential::Password { user: user.clone(), password: Password::new(secret.reveal().to_owned()) })
}

/// Kerberos takes the keytab of a client from the environment of a process only: the program starts itself again
/// with it, once.
fn enter_environment(keytab: &Path) -> Result<(), Failure> {
    let wanted = ad::keytab_environment(keytab);
    if wanted.iter().all(|(name, value)| std::env::var_os(name).as_ref() == Some(value)) {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Failure::failed("not_started_again", format!("this program cannot start itself again: {error}"))
    };
    let program = std::env::current_exe().map_err(failed)?;
    // Comes back only when it did not work.
    Err(failed(Command::new(program).args(std::env::args_os().skip(1)).envs(wanted).exec()))
}

/// The domain that was named, else the one of whoever asks.
fn domain(access: &Access) -> Result<String, Failure> {
    let behind_at = |principal: &str| principal.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let of_keytab = |path: &std::path::PathBuf| {
        let keytab = Keytab::open(path).ok()?;
        keytab.principals().find_map(behind_at)
    };
    let domain = match access {
        Access { domain: Some(domain), .. } => Some(domain.clone()),
        Access { user: Some(user), .. } if user.contains('@') => behind_at(user),
        Access { keytab: Some(keytab), .. } => of_keytab(keytab),
        Access { server: Some(server), .. } => server.split_once('.').map(|(_, domain)| domain.to_owned()),
        _ => ad::ticket_principal().as_deref().and_then(behind_at),
    };
    let domain =
        domain.map(|domain| domain.trim_end_matches('.').to_ascii_lowercase()).filter(|domain| !domain.is_empty());
    domain.ok_or_else(|| {
        Failure::refused("ad_no_tickets", "there are no Kerberos tickets, and no domain was named")
            .next("get tickets with kinit, or name a user: --user name@domain")
    })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let make = match &error {
            Error::NoRights { .. }
            | Error::PasswordWrong { .. }
            | Error::BindRefused { .. }
            | Error::AccountDisabled { .. }
            | Error::PasswordExpired { .. }
            | Error::NoTickets { .. }
            | Error::AccountUnknown { .. }
            | Error::KeyRefused { .. } => Self::refused,
            Error::ComputerUnknown { .. } | Error::PrincipalUnknown { .. } => Self::not_found,
            Error::PrincipalIsolated { .. } => Self::wrong_use,
            _ => Self::failed,
        };
        let failure = make(error.code(), error.to_string());
        match error {
            // Its remedy speaks of the policy, and of the machine's own rights.
            Error::PrincipalUnknown { .. } => failure.next("write it as DOMAIN\\name, name@domain or a SID"),
            Error::NoRights { .. } => failure.next("ask as an administrator of that object"),
            Error::ChangeRefused { .. } => failure.next("read the domain controller's reason; nothing was changed"),
            Error::Unknown { .. } => failure.next("run the command again: what was done already is not done twice"),
            other => failure.next(other.remedy()),
        }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        let make = match error {
            AdminError::Directory(error) => return error.into(),
            AdminError::NotFound { .. } => Self::not_found,
            AdminError::Ambiguous { .. } => Self::wrong_use,
            AdminError::ListHidden { .. } | AdminError::RootKeyHidden { .. } | AdminError::SchemaRefused { .. } => {
                Self::refused
            }
            _ => Self::failed,
        };
        make(error.code(), error.to_string()).next(error.remedy())
    }
}

/// Asks whether to go on with a change that was shown.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !terminal::is_there() {
        return Err(Failure::wrong_use("not_confirmed", "nothing was changed: nobody can be asked").next("add --yes"));
    }
    if terminal::confirm(question)? { Ok(()) } else { Err(Failure::failed("not_confirmed", "nothing was changed")) }
}

//! Kerberos, by the system's library: who the caller is, tickets for services, and what went wrong with them.
//!
//! Every call may talk to a Kerberos server and blocks: it runs on a thread of its own, with a limit.

use crate::{
    Error,
    keytab::Keytab,
    settings::{Credential, Settings},
};
use libgssapi::{
    context::{ClientCtx, CtxFlags},
    credential::{Cred, CredUsage},
    name::Name,
    oid::{GSS_MECH_KRB5, GSS_NT_KRB5_PRINCIPAL, OidSet},
};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::sync::oneshot;

/// Where the keys of the client are (MIT).
const KEYTAB_VARIABLE: &str = "KRB5_CLIENT_KTNAME";
/// Where tickets are kept.
const CACHE_VARIABLE: &str = "KRB5CCNAME";

/// What must stand in the environment of a process that signs in by a keytab, before its first thread starts: MIT
/// Kerberos takes the keytab of a client from nowhere else. The tickets stay in memory and are renewed there.
pub fn keytab_environment(keytab: &Path) -> [(&'static str, OsString); 2] {
    let mut name = OsString::from("FILE:");
    name.push(keytab);
    [(KEYTAB_VARIABLE, name), (CACHE_VARIABLE, OsString::from("MEMORY:lapwing"))]
}

/// Who the caller is, with the means to prove it.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) credential: Cred,
    /// What is known of the caller, for the words of errors.
    who: Who,
}

#[derive(Debug, Clone)]
struct Who {
    principal: String,
    realm: String,
    keytab: Option<(PathBuf, u32)>,
    limit: Duration,
}

impl Login {
    /// The realm of the domain.
    pub(crate) fn realm(&self) -> &str {
        &self.who.realm
    }

    /// Signs in.
    pub(crate) async fn new(settings: &Settings) -> Result<Self, Error> {
        let (realm, limit) = (settings.realm(), settings.timeout);
        let mut who = Who { principal: String::new(), realm: realm.clone(), keytab: None, limit };
        let mut password = None;
        match &settings.credential {
            Credential::Keytab { path, principal } => {
                let (account, version) = account(path, principal.as_deref(), &realm)?;
                for (variable, expected) in keytab_environment(path) {
                    if std::env::var_os(variable).as_ref() != Some(&expected) {
                        return Err(Error::Environment { variable, expected: expected.to_string_lossy().into_owned() });
                    }
                }
                who.principal = account;
                who.keytab = Some((path.clone(), version));
            }
            Credential::Cache => {}
            Credential::Password { user, password: secret } => {
                who.principal = in_realm(user, &realm);
                password = Some(secret.clone());
            }
        }
        let names = who.clone();
        let acquired = off_thread(limit, "signing in", move || {
            let name = if names.principal.is_empty() { None } else { Some(principal_name(&names.principal)?) };
            let mut mechanisms = OidSet::new()?;
            mechanisms.add(&GSS_MECH_KRB5)?;
            match &password {
                None => Cred::acquire(name.as_ref(), None, CredUsage::Initiate, Some(&mechanisms)),
                Some(password) => Cred::acquire_with_password(
                    name.as_ref(),
                    password.reveal(),
                    None,
                    CredUsage::Initiate,
                    Some(&mechanisms),
                ),
            }
        });
        let credential = acquired.await?.map_err(|error| who.error("signing in", None, error))?;
        Ok(Self { credential, who })
    }

    /// Gets the ticket of a service, so that what follows need not ask for it and its failures have their names.
    pub(crate) async fn ticket(&self, service: &str) -> Result<(), Error> {
        self.context(service, CtxFlags::GSS_C_MUTUAL_FLAG).await.map(|_| ())
    }

    /// Begins a context with a service, as in `ldap/dc1.laps.test`: the context and its first token.
    pub(crate) async fn context(&self, service: &str, flags: CtxFlags) -> Result<(ClientCtx, Vec<u8>), Error> {
        let service = in_realm(service, &self.who.realm);
        let (credential, target) = (self.credential.clone(), service.clone());
        let begun = off_thread(self.who.limit, "getting a ticket", move || {
            let mut context = ClientCtx::new(Some(credential), principal_name(&target)?, flags, Some(&GSS_MECH_KRB5));
            let token = context.step(None, None)?;
            Ok((context, token.map(|token| token.to_vec()).unwrap_or_default()))
        });
        begun.await?.map_err(|error| self.who.error("getting a ticket", Some(service), error))
    }

    /// What went wrong with a context that was begun.
    pub(crate) fn error(&self, doing: &'static str, error: libgssapi::error::Error) -> Error {
        self.who.error(doing, None, error)
    }
}

/// The account to sign in with, and the newest version of its keys.
fn account(path: &Path, principal: Option<&str>, realm: &str) -> Result<(String, u32), Error> {
    let keytab = Keytab::open(path)?;
    let wanted = match principal {
        Some(principal) => Some(in_realm(principal, realm)),
        None => keytab.machine_account(None, Some(realm)).map(str::to_owned),
    };
    let found = wanted.as_ref().and_then(|wanted| keytab.version(wanted).map(|version| (wanted.clone(), version)));
    found.ok_or_else(|| Error::KeytabWithoutAccount {
        path: path.to_owned(),
        wanted: wanted.unwrap_or_else(|| format!("a machine account of {realm}")),
        holds: keytab.principals().map(str::to_owned).collect(),
    })
}

/// With its realm; a realm that is given is written as realms are, in capitals.
fn in_realm(principal: &str, realm: &str) -> String {
    match principal.rsplit_once('@') {
        Some((name, own)) => format!("{name}@{}", own.to_ascii_uppercase()),
        None => format!("{principal}@{realm}"),
    }
}

fn principal_name(principal: &str) -> Result<Name, libgssapi::error::Error> {
    Name::new(principal.as_bytes(), Some(&GSS_NT_KRB5_PRINCIPAL))?.canonicalize(Some(&GSS_MECH_KRB5))
}

/// Runs what blocks on a thread of its own. The thread is not waited for after the limit: the library ends it by its
/// own limits.
async fn off_thread<T: Send + 'static>(
    limit: Duration,
    doing: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let failed = |detail: String| Error::Kerberos { doing, detail };
    let (done, answer) = oneshot::channel();
    let thread = std::thread::Builder::new().name("kerberos".to_owned());
    thread.spawn(move || done.send(work()).is_ok()).map_err(|error| failed(error.to_string()))?;
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(_)) => Err(failed("the library stopped".to_owned())),
        Err(_) => Err(failed("no answer in time".to_owned())),
    }
}

/// Codes of the Kerberos library, from the base of its table (RFC 4120 7.5.9 up to 127, MIT's own behind).
mod code {
    const BASE: i32 = -1_765_328_384;
    pub(super) const fn of(offset: i32) -> u32 {
        (BASE + offset) as u32
    }
    pub(super) const CLIENT_EXPIRED: u32 = of(1);
    pub(super) const CLIENT_UNKNOWN: u32 = of(6);
    pub(super) const SERVICE_UNKNOWN: u32 = of(7);
    pub(super) const CLIENT_REVOKED: u32 = of(18);
    pub(super) const PASSWORD_EXPIRED: u32 = of(23);
    pub(super) const PREAUTHENTICATION_FAILED: u32 = of(24);
    pub(super) const BAD_INTEGRITY: u32 = of(31);
    pub(super) const TICKET_EXPIRED: u32 = of(32);
    pub(super) const CLOCK_SKEW: u32 = of(37);
    pub(super) const CACHE_NOT_FOUND: u32 = of(141);
    pub(super) const REALM_UNKNOWN: u32 = of(154);
    pub(super) const KDC_UNREACHABLE: u32 = of(156);
    pub(super) const KEYTAB_KEY_NOT_FOUND: u32 = of(181);
    pub(super) const NO_CACHE_FILE: u32 = of(195);
}

impl Who {
    fn error(&self, doing: &'static str, service: Option<String>, error: libgssapi::error::Error) -> Error {
        let (principal, detail) = (self.principal.clone(), text(error));
        match error.minor {
            code::CLIENT_UNKNOWN => Error::AccountUnknown { principal },
            code::CLIENT_REVOKED | code::CLIENT_EXPIRED => Error::AccountDisabled { principal },
            code::PASSWORD_EXPIRED => Error::PasswordExpired { principal },
            code::CLOCK_SKEW => Error::ClockSkew,
            code::SERVICE_UNKNOWN => Error::ServiceUnknown { service: service.unwrap_or_default() },
            code::REALM_UNKNOWN | code::KDC_UNREACHABLE => Error::KdcUnreachable { realm: self.realm.clone(), detail },
            code::PREAUTHENTICATION_FAILED | code::BAD_INTEGRITY if service.is_none() => self.wrong_key(),
            code::PREAUTHENTICATION_FAILED => self.wrong_key(),
            code::CACHE_NOT_FOUND | code::NO_CACHE_FILE | code::TICKET_EXPIRED | code::KEYTAB_KEY_NOT_FOUND => {
                Error::NoTickets { detail }
            }
            _ => Error::Kerberos { doing, detail },
        }
    }

    fn wrong_key(&self) -> Error {
        let principal = self.principal.clone();
        match &self.keytab {
            Some((path, version)) => Error::KeytabOutdated { path: path.clone(), principal, version: *version },
            None => Error::PasswordWrong { principal },
        }
    }
}

/// What the library says, on one line.
fn text(error: libgssapi::error::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

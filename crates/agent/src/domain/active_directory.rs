//! [`Domain`] on a real domain: one connection for a cycle, the machine's own account, its own object.

use super::{Answer, Backup, Domain};
use crate::{
    platform,
    state::{DomainJoin, Security},
};
use ad::{Connection, Credential, Dns, Error, KeyCache, Keytab, Server, Settings};
use laps::{
    active_directory::{self, Form, Former, Placement, VersionChange, Wanted, WantedForm, has_arrived},
    cycle::Consulted,
    event,
    id::VersionId,
    rotation::{Failure, Outcome},
};
use std::{path::Path, time::Duration};

/// The longest that one step may take: a connection, a bind, a question and its answer.
const STEP_MAX: Duration = Duration::from_secs(15);

/// The domain that the machine has joined.
pub struct ActiveDirectory {
    join: DomainJoin,
    connection: Option<Connection>,
    keys: KeyCache,
}

/// Whose keys a keytab has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The DNS name of the domain: the realm in small letters.
    pub domain: String,
    /// The computer account, such as `WS01$`.
    pub computer: String,
}

/// What a look at the domain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The controller that answered.
    pub controller: String,
    /// msDS-Behavior-Version of the domain.
    pub functional_level: u32,
    /// The distinguished name of the computer object.
    pub computer: String,
    /// What will keep a backup from working, as far as it can be seen without one.
    pub warnings: Vec<Failure>,
}

fn failure(error: &Error) -> Failure {
    Failure::new(error.event(), error.code(), format!("{error}; {}", error.remedy()))
}

/// Whose keys a keytab has. `computer` and `domain` choose when there are several.
///
/// # Errors
/// A [`Failure`]: it cannot be read, or has no computer account that fits.
pub fn keys_of(keytab: &Path, computer: Option<&str>, domain: Option<&str>) -> Result<Keys, Failure> {
    let keys = Keytab::open(keytab).map_err(|error| failure(&error))?;
    let found = keys.machine_account(computer, domain).and_then(|principal| principal.rsplit_once('@'));
    let (computer, realm) = found.ok_or_else(|| {
        let has: Vec<&str> = keys.principals().collect();
        let text = format!(
            "{} has no key of a computer account that fits, only of: {}; join the machine to the domain with adcli or \
             realmd, or name its keytab with --keytab",
            keytab.display(),
            if has.is_empty() { "nobody".to_owned() } else { has.join(", ") }
        );
        Failure::new(event::BIND_FAILED, "keytab_without_account", text)
    })?;
    Ok(Keys { domain: realm.to_ascii_lowercase(), computer: computer.to_owned() })
}

/// Tells Kerberos which keytab is the machine's. Only while the process has one thread.
///
/// # Errors
/// A [`Failure`]: it has others.
pub fn use_keytab(keytab: &Path) -> Result<(), Failure> {
    platform::set_environment(&ad::keytab_environment(keytab)).map_err(|error| {
        Failure::new(event::AGENT_FAILED, "keytab_not_named", format!("Kerberos cannot be told of the keytab: {error}"))
    })
}

/// Looks at the domain without changing anything there.
///
/// # Errors
/// A [`Failure`]: no controller, no bind, no such computer.
pub async fn look(join: &DomainJoin) -> Result<Found, Failure> {
    let mut connection = Connection::open(&settings(join), None).await.map_err(|error| failure(&error))?;
    let mut warnings = Vec::new();
    let form = WantedForm::Encrypted { principal: None };
    let computer = match connection.computer(&join.computer, &form).await {
        Ok(found) => {
            if !found.object.has_version {
                warnings.push(Failure::new(
                    event::NO_ROLLBACK_DETECTION,
                    "schema_without_version",
                    "msLAPS-CurrentPasswordVersion is not in the schema; extend it: lapwing ad schema extend",
                ));
            }
            found.dn
        }
        Err(error @ Error::SchemaMissing { .. }) => {
            warnings.push(failure(&error));
            join.computer.clone()
        }
        Err(error) => return Err(failure(&error)),
    };
    warnings.extend(connection.can_encrypt().err().map(|error| failure(&error)));
    let functional_level = connection.domain().functional_level;
    Ok(Found { controller: connection.controller().host.clone(), functional_level, computer, warnings })
}

fn settings(join: &DomainJoin) -> Settings {
    Settings {
        domain: join.domain.clone(),
        realm: None,
        server: join.server.clone().map(|host| Server { host, address: join.server_address }),
        site: join.site.clone(),
        security: match join.security {
            Security::Sealed => ad::Security::Sealed,
            Security::Ldaps => ad::Security::Ldaps { ca: join.ca.clone() },
            Security::StartTls => ad::Security::StartTls { ca: join.ca.clone() },
        },
        credential: Credential::Keytab {
            path: join.keytab.clone(),
            principal: Some(format!("{}@{}", join.computer, join.domain.to_ascii_uppercase())),
        },
        timeout: STEP_MAX,
        dns: join.dns.map_or(Dns::System, Dns::Server),
    }
}

impl ActiveDirectory {
    /// A domain that nobody has spoken to yet.
    pub fn new(join: DomainJoin) -> Self {
        Self { join, connection: None, keys: KeyCache::default() }
    }

    async fn ask(&mut self, wanted: &Wanted, last: Option<(VersionId, &Placement)>) -> Result<Consulted, Failure> {
        let form = wanted.form.clone()?;
        let prefer = last.map(|(_, placement)| placement.controller.as_str());
        let opened = Connection::open(&settings(&self.join), prefer).await.map_err(|error| failure(&error))?;
        let connection = self.connection.insert(opened);
        if matches!(form, WantedForm::Encrypted { .. } | WantedForm::Dsrm) {
            connection.can_encrypt().map_err(|error| failure(&error))?;
        }
        let computer = connection.computer(&self.join.computer, &form).await.map_err(|error| failure(&error))?;
        let server_time = connection.server_time().await.map_err(|error| failure(&error))?;
        let kept = match &form {
            WantedForm::Encrypted { principal: Some(principal) } => {
                let sid = connection.resolve(principal).await.map_err(|error| failure(&error))?;
                Form::Encrypted { decryptor: sid.to_string() }
            }
            WantedForm::Encrypted { principal: None } => Form::Encrypted {
                decryptor: connection.domain().admins().map_err(|error| failure(&error))?.to_string(),
            },
            WantedForm::Dsrm => {
                Form::Dsrm { decryptor: connection.domain().admins().map_err(|error| failure(&error))?.to_string() }
            }
            WantedForm::Clear => Form::Clear,
            WantedForm::Legacy => Form::Legacy,
        };
        let controller = connection.controller().host.clone();
        Ok(Consulted { answer: active_directory::Answer::of(controller, kept, &computer.object, last), server_time })
    }

    async fn put(&mut self, backup: Backup<'_>) -> Outcome {
        // As long as an earlier modify may have arrived, no failure is a certain no.
        let no = |failure: Failure| if backup.in_doubt { Outcome::Unknown(failure) } else { Outcome::Refused(failure) };
        let Backup { intent, placement, .. } = &backup;
        if self.connection.as_ref().is_none_or(|open| open.controller().host != placement.controller) {
            match Connection::open(&settings(&self.join), Some(&placement.controller)).await {
                Ok(open) if open.controller().host == placement.controller => self.connection = Some(open),
                Ok(open) => {
                    let text = format!(
                        "{} does not answer, and {} may not have what it took; nothing is written elsewhere",
                        placement.controller,
                        open.controller().host
                    );
                    return no(Failure::new(event::AD_UPDATE_FAILED, "controller_gone", text));
                }
                Err(error) => return no(failure(&error)),
            }
        }
        let Some(connection) = &mut self.connection else {
            return no(Failure::new(event::POLICY_FAILED, "internal_error", "no connection; report this"));
        };
        // Read afresh: the history goes along as it stands now.
        let computer = match connection.computer(&self.join.computer, &wanted_of(&placement.form)).await {
            Ok(computer) => computer,
            Err(error) => {
                self.connection = None;
                return no(failure(&error));
            }
        };
        if backup.in_doubt && has_arrived(&computer.object, intent.version, intent.expires_at) {
            return Outcome::Done;
        }
        let made = connection.value(&mut self.keys, placement, &intent.account.name, backup.password).await;
        let value = match made {
            Ok(value) => value,
            Err(error) => return no(failure(&error)),
        };
        let mut update = active_directory::update(
            &computer.object,
            placement,
            intent.version,
            intent.expires_at,
            value,
            backup.history_max,
            backup.moved,
        );
        let mut done = connection.modify(&computer.dn, &update).await;
        if let (Err(Error::ChangedMeanwhile { .. }), Some(VersionChange { from: Former::NoneSeen, to })) =
            (&done, update.version)
            && connection.computer(&self.join.computer, &wanted_of(&placement.form)).await.ok()
                == Some(computer.clone())
        {
            // There is a version, and this machine may not see it.
            update.version = Some(VersionChange { from: Former::Unreadable, to });
            done = connection.modify(&computer.dn, &update).await;
        }
        match done {
            Ok(()) => Outcome::Done,
            Err(error) if error.is_unknown() => {
                self.connection = None;
                Outcome::Unknown(failure(&error))
            }
            // A modify of before may have arrived between reading and writing: the next attempt reads again.
            Err(error @ Error::ChangedMeanwhile { .. }) if backup.in_doubt => Outcome::Unknown(failure(&error)),
            Err(error) => no(failure(&error)),
        }
    }
}

fn wanted_of(form: &Form) -> WantedForm {
    match form {
        Form::Encrypted { .. } => WantedForm::Encrypted { principal: None },
        Form::Clear => WantedForm::Clear,
        Form::Legacy => WantedForm::Legacy,
        Form::Dsrm { .. } => WantedForm::Dsrm,
    }
}

impl Domain for ActiveDirectory {
    fn consult<'a>(
        &'a mut self,
        wanted: &'a Wanted,
        last: Option<(VersionId, &'a Placement)>,
    ) -> Answer<'a, Result<Consulted, Failure>> {
        Box::pin(self.ask(wanted, last))
    }

    fn store<'a>(&'a mut self, backup: Backup<'a>) -> Answer<'a, Outcome> {
        Box::pin(self.put(backup))
    }

    fn close(&mut self) {
        self.connection = None;
    }
}

//! The object of a machine: what it holds, and the one modify that is the backup (laps-behaviour.md 4.3, 4.9, 7.1).

use crate::{Connection, Error, ldap::Query};
use dpapi::value::EncryptedValue;
use laps::{
    active_directory::{
        Attribute, Former, Object, StoredValue, Update, VersionChange, WantedForm, guid_bytes, version_of,
    },
    time::Timestamp,
};
use ldap3::{Mod, Scope, ldap_escape};
use std::collections::HashSet;

/// noSuchAttribute (RFC 4511 4.1.9): a value that is to be taken away is not there.
const RESULT_NO_SUCH_VALUE: u32 = 16;
/// attributeOrValueExists.
const RESULT_VALUE_EXISTS: u32 = 20;

/// Which attributes the schema of the forest has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    names: Vec<String>,
}

impl Schema {
    /// Whether it has an attribute.
    pub fn has(&self, attribute: Attribute) -> bool {
        self.names.iter().any(|name| name.eq_ignore_ascii_case(attribute.name()))
    }
}

/// The object of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computer {
    /// Its distinguished name.
    pub dn: String,
    /// What it holds, as far as the caller may read it.
    pub object: Object,
}

impl Connection {
    /// Which attributes of LAPS the schema has; asked once for each connection.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn schema(&mut self) -> Result<&Schema, Error> {
        let schema = match self.schema.take() {
            Some(schema) => schema,
            None => {
                let wanted: String =
                    Attribute::ALL.map(|attribute| format!("(lDAPDisplayName={})", attribute.name())).concat();
                let query = Query {
                    doing: "reading the schema",
                    base: &self.domain.schema,
                    scope: Scope::OneLevel,
                    filter: &format!("(|{wanted})"),
                    attributes: &["lDAPDisplayName"],
                    descriptor_parts: None,
                };
                let found = self.session.search(query).await?;
                Schema { names: found.iter().filter_map(|e| e.text("lDAPDisplayName")).map(str::to_owned).collect() }
            }
        };
        Ok(self.schema.insert(schema))
    }

    /// The object of a machine by its account, as in `WS01$`, with what it holds of the wanted form.
    ///
    /// # Errors
    /// [`Error::ComputerUnknown`]; [`Error::SchemaMissing`] when the schema lacks what the form needs (event 10012);
    /// values of these attributes that are none of theirs are left out, but for encrypted ones, which are kept as
    /// they stand.
    pub async fn computer(&mut self, account: &str, form: &WantedForm) -> Result<Computer, Error> {
        let (expiry, password, history) = attributes(form);
        let schema = self.schema().await?;
        for attribute in [expiry, password].into_iter().chain(history) {
            if !schema.has(attribute) {
                return Err(Error::SchemaMissing { attribute: attribute.name() });
            }
        }
        let has_version = schema.has(Attribute::CurrentPasswordVersion) && !matches!(form, WantedForm::Legacy);
        let mut wanted = vec![expiry.name(), Attribute::CurrentPasswordVersion.name()];
        // In clear the encrypted values of another time are asked for too: they go.
        let history = history.or(matches!(form, WantedForm::Clear).then_some(Attribute::EncryptedPasswordHistory));
        let encrypted = match form {
            WantedForm::Clear => Some(Attribute::EncryptedPassword),
            WantedForm::Legacy => None,
            WantedForm::Encrypted { .. } | WantedForm::Dsrm => Some(password),
        };
        wanted.extend(encrypted.into_iter().chain(history).map(Attribute::name));
        let query = Query {
            doing: "reading the computer object",
            base: &self.domain.naming_context,
            scope: Scope::Subtree,
            filter: &format!("(&(objectClass=computer)(sAMAccountName={}))", ldap_escape(account)),
            attributes: &wanted,
            descriptor_parts: None,
        };
        let found = self.session.search(query).await?.into_iter().next();
        let entry = found.ok_or_else(|| Error::ComputerUnknown { account: account.to_owned() })?;
        let stored = |attribute: Attribute| entry.all(attribute.name()).iter().map(|bytes| stored(bytes));
        let object = Object {
            expires_at: entry.number(expiry.name()).map(Timestamp::from_ticks),
            version: entry.bytes(Attribute::CurrentPasswordVersion.name()).and_then(version_of),
            has_version,
            encrypted: encrypted.and_then(|attribute| stored(attribute).next()),
            history: history.into_iter().flat_map(stored).collect(),
        };
        Ok(Computer { dn: entry.dn.clone(), object })
    }

    /// Sends an update as one modify in which each part replaces: it may be sent again.
    ///
    /// # Errors
    /// [`Error::NoRights`] (event 10065), [`Error::ChangeRefused`] (10017): nothing was changed.
    /// [`Error::ChangedMeanwhile`]: nor then; the object has another version than the one that was read.
    /// [`Error::Unknown`]: it may have been made; ask this domain controller ([`Connection::controller`]) for the
    /// object again before anything else (rotation.md 9).
    pub async fn modify(&mut self, dn: &str, update: &Update) -> Result<(), Error> {
        let changes = update.changes.iter().map(|change| {
            Mod::Replace(change.attribute.name().as_bytes().to_vec(), change.values.iter().cloned().collect())
        });
        let name = || Attribute::CurrentPasswordVersion.name().as_bytes().to_vec();
        let one = |version| HashSet::from([guid_bytes(version).to_vec()]);
        let version = match update.version {
            // All or nothing: the object must still have the version that was read (RFC 4511 4.6).
            Some(VersionChange { from: Former::Version(from), to }) => {
                vec![Mod::Delete(name(), one(from)), Mod::Add(name(), one(to))]
            }
            Some(VersionChange { from: Former::NoneSeen, to }) => vec![Mod::Add(name(), one(to))],
            Some(VersionChange { from: Former::Unreadable, to }) => vec![Mod::Replace(name(), one(to))],
            None => Vec::new(),
        };
        let done = self.session.modify(dn, changes.chain(version).collect(), None).await;
        match done {
            Err(Error::ChangeRefused {
                controller, dn, result: RESULT_NO_SUCH_VALUE | RESULT_VALUE_EXISTS, ..
            }) if update.version.is_some_and(|version| version.from != Former::Unreadable) => {
                Err(Error::ChangedMeanwhile { controller, dn })
            }
            done => done,
        }
    }
}

/// Expiry, password and history of a form.
fn attributes(form: &WantedForm) -> (Attribute, Attribute, Option<Attribute>) {
    match form {
        WantedForm::Encrypted { .. } => {
            (Attribute::PasswordExpirationTime, Attribute::EncryptedPassword, Some(Attribute::EncryptedPasswordHistory))
        }
        WantedForm::Clear => (Attribute::PasswordExpirationTime, Attribute::Password, None),
        WantedForm::Legacy => (Attribute::LegacyExpirationTime, Attribute::LegacyPassword, None),
        WantedForm::Dsrm => (
            Attribute::PasswordExpirationTime,
            Attribute::EncryptedDsrmPassword,
            Some(Attribute::EncryptedDsrmPasswordHistory),
        ),
    }
}

fn stored(bytes: &[u8]) -> StoredValue {
    StoredValue {
        written_at: EncryptedValue::from_bytes(bytes).ok().map(|value| value.updated_at),
        bytes: bytes.to_vec(),
    }
}

//! Reading passwords as Get-LapsADPassword does (laps-behaviour.md 7.3, 7.4, 7.12, 9).

use super::{
    AdminError,
    attribute::{CLEAR, EXPIRY, LEGACY, LEGACY_EXPIRY},
    rights::{Place, Right, Verdict, verdict},
    schema::Schema,
};
use crate::{Connection, Entry, Wanted};
use dpapi::{
    Sid,
    blob::{Blob, open},
    gkdi::{RootKey, SeedKey},
    target_descriptor,
    value::{Credential, EncryptedValue, Holder},
};
use laps::{password::Password, time::Timestamp};
use std::{cmp::Reverse, collections::HashMap};
use uuid::Uuid;

/// Where a password was found, as the cmdlet names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nowhere.
    PasswordMissing,
    /// ms-Mcs-AdmPwd.
    LegacyLapsCleartextPassword,
    /// msLAPS-Password.
    CleartextPassword,
    /// msLAPS-EncryptedPassword.
    EncryptedPassword,
    /// msLAPS-EncryptedPasswordHistory.
    EncryptedPasswordHistory,
    /// msLAPS-EncryptedDSRMPassword.
    EncryptedDsrmPassword,
    /// msLAPS-EncryptedDSRMPasswordHistory.
    EncryptedDsrmPasswordHistory,
}

impl Source {
    /// The cmdlet's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordMissing => "PasswordMissing",
            Self::LegacyLapsCleartextPassword => "LegacyLapsCleartextPassword",
            Self::CleartextPassword => "CleartextPassword",
            Self::EncryptedPassword => "EncryptedPassword",
            Self::EncryptedPasswordHistory => "EncryptedPasswordHistory",
            Self::EncryptedDsrmPassword => "EncryptedDSRMPassword",
            Self::EncryptedDsrmPasswordHistory => "EncryptedDSRMPasswordHistory",
        }
    }
}

/// How decrypting went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decryption {
    /// There was nothing to decrypt.
    NotApplicable,
    /// It worked.
    Success,
    /// The caller is not among those who may.
    Unauthorized,
    /// It did not work: one sentence.
    Error(String),
}

impl Decryption {
    /// The cmdlet's word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotApplicable => "NotApplicable",
            Self::Success => "Success",
            Self::Unauthorized => "Unauthorized",
            Self::Error(_) => "Error",
        }
    }
}

/// A password as the cmdlet gives it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// ComputerName.
    pub computer: String,
    /// DistinguishedName.
    pub dn: String,
    /// Account; unknown when it could not be decrypted, and of legacy LAPS.
    pub account: Option<String>,
    /// Password.
    pub password: Option<Password>,
    /// PasswordUpdateTime.
    pub updated_at: Option<Timestamp>,
    /// ExpirationTimestamp; none for former passwords.
    pub expires_at: Option<Timestamp>,
    /// Source.
    pub source: Source,
    /// DecryptionStatus.
    pub decryption: Decryption,
    /// AuthorizedDecryptor: the name of the principal, or its SID.
    pub decryptor: Option<String>,
}

/// Why no password was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// The caller may read, and there is none.
    NotStored,
    /// The caller may not read these.
    NoRight(Vec<Right>),
    /// The caller may not read the permissions either, so that nobody can tell.
    Unknown,
}

/// Where keys to decrypt come from; those that were fetched are used again.
#[derive(Default)]
pub struct Keys {
    /// The newest of each principal, root key and L0.
    seeds: HashMap<(Sid, Uuid, u32), SeedKey>,
    roots: HashMap<Uuid, RootKey>,
    /// Whether they are computed from the root key.
    from_root_key: bool,
}

impl Keys {
    /// Keys that a domain controller gives to the caller.
    pub fn of_controller() -> Self {
        Self::default()
    }
    /// Keys that are computed from the root key, for those who may read it.
    pub fn of_root_key() -> Self {
        Self { from_root_key: true, ..Self::default() }
    }
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Keys({} seed keys, {} root keys, redacted)", self.seeds.len(), self.roots.len())
    }
}

impl Connection {
    /// The password of a computer, and its former ones, newest first.
    ///
    /// Of several the first counts: encrypted, of Directory Services Restore Mode, in clear, legacy.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] and those of the connection. That a password cannot be decrypted is no error but in
    /// [`Reading::decryption`]; that none is seen is [`Source::PasswordMissing`].
    pub async fn password_of(
        &mut self,
        identity: &str,
        with_history: bool,
        keys: &mut Keys,
    ) -> Result<Vec<Reading>, AdminError> {
        let attributes = [
            "name",
            EXPIRY,
            CLEAR,
            LEGACY,
            LEGACY_EXPIRY,
            Holder::Account.attribute(),
            Holder::Account.history_attribute(),
            Holder::Dsrm.attribute(),
            Holder::Dsrm.history_attribute(),
        ];
        let entry = self.computer_named(identity, &attributes).await?;
        let holder = [Holder::Account, Holder::Dsrm].into_iter().find(|holder| {
            !entry.all(holder.attribute()).is_empty() || !entry.all(holder.history_attribute()).is_empty()
        });
        let mut readings = Vec::new();
        match holder {
            Some(holder) => {
                if let Some(value) = entry.bytes(holder.attribute()) {
                    let source = match holder {
                        Holder::Account => Source::EncryptedPassword,
                        Holder::Dsrm => Source::EncryptedDsrmPassword,
                    };
                    readings.push(Reading {
                        expires_at: time(&entry, EXPIRY),
                        ..self.opened(&entry, value, source, keys).await?
                    });
                }
            }
            None => readings.extend(in_clear(&entry)),
        }
        if readings.is_empty() {
            readings.push(Reading { expires_at: time(&entry, EXPIRY), ..empty(&entry, Source::PasswordMissing) });
        }
        if let Some(holder) = holder.filter(|_| with_history) {
            let source = match holder {
                Holder::Account => Source::EncryptedPasswordHistory,
                Holder::Dsrm => Source::EncryptedDsrmPasswordHistory,
            };
            let mut former = entry.all(holder.history_attribute()).to_vec();
            former.sort_by_cached_key(|value| Reverse(EncryptedValue::from_bytes(value).ok().map(|v| v.updated_at)));
            for value in &former {
                readings.push(self.opened(&entry, value, source, keys).await?);
            }
        }
        Ok(readings)
    }

    /// Why no password of a computer was seen: by its permissions and the groups of the caller.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn absence(&self, dn: &str, schema: &Schema) -> Result<Absence, AdminError> {
        let token = self.own_token().await?;
        let descriptor = match self.permissions(dn).await {
            Ok(descriptor) => descriptor,
            Err(AdminError::ListHidden { .. }) => return Ok(Absence::Unknown),
            Err(error) => return Err(error),
        };
        let Some(dacl) = descriptor.dacl.filter(|_| !token.is_empty()) else { return Ok(Absence::Unknown) };
        let may = |right: &Right| matches!(verdict(schema, &dacl, &token, *right, Place::Object), Verdict::Allowed(_));
        let exists = |right: &Right| right.attribute().is_some_and(|name| schema.attribute(name).is_some());
        let missing: Vec<_> =
            Right::ALL.into_iter().filter(|right| right.is_reading() && exists(right) && !may(right)).collect();
        Ok(if missing.is_empty() { Absence::NotStored } else { Absence::NoRight(missing) })
    }

    /// An encrypted value, opened when that is possible.
    async fn opened(
        &mut self,
        entry: &Entry,
        value: &[u8],
        source: Source,
        keys: &mut Keys,
    ) -> Result<Reading, AdminError> {
        let mut reading = empty(entry, source);
        let value = match EncryptedValue::from_bytes(value) {
            Ok(value) => value,
            Err(error) => {
                reading.decryption = Decryption::Error(error.to_string());
                return Ok(reading);
            }
        };
        reading.updated_at = Some(value.updated_at);
        let blob = match Blob::from_bytes(value.blob) {
            Ok(blob) => blob,
            Err(error) => {
                reading.decryption = Decryption::Error(error.to_string());
                return Ok(reading);
            }
        };
        reading.decryptor = Some(self.name_of(&blob.principal).await?);
        let opened = match self.seed_key(&blob, keys).await {
            Ok(Some(seed)) => open(&blob, &seed).map_err(|error| error.to_string()),
            Ok(None) => {
                reading.decryption = Decryption::Unauthorized;
                return Ok(reading);
            }
            Err(error) => Err(error.to_string()),
        };
        let credential = opened.and_then(|clear| Credential::from_clear(&clear).map_err(|error| error.to_string()));
        match credential {
            Ok(credential) => {
                reading.account = Some(credential.account);
                reading.updated_at = Some(credential.updated_at);
                reading.password = Some(credential.password);
                reading.decryption = Decryption::Success;
            }
            Err(error) => reading.decryption = Decryption::Error(error),
        }
        Ok(reading)
    }

    /// The key that opens a blob; `None` when the caller is not among those who may.
    async fn seed_key(&mut self, blob: &Blob, keys: &mut Keys) -> Result<Option<SeedKey>, AdminError> {
        let (principal, id, index) = (&blob.principal, blob.key_id.root_key_id, blob.key_id.index);
        let place = (principal.clone(), id, index.l0());
        if let Some(seed) = keys.seeds.get(&place).filter(|seed| seed.index() >= index) {
            return Ok(Some(seed.clone()));
        }
        let seed = if keys.from_root_key {
            if !keys.roots.contains_key(&id) {
                keys.roots.insert(id, self.root_key(id).await?);
            }
            keys.roots.get(&id).map(|root| root.seed_key(&target_descriptor(principal), index))
        } else {
            // Those who may not decrypt get the public half only.
            self.group_key(principal, Wanted::Exactly { root_key_id: id, index }).await?.seed_key()
        };
        if let Some(seed) = &seed {
            keys.seeds.insert(place, seed.clone());
        }
        Ok(seed)
    }

    /// Sets when a computer's password expires; its distinguished name.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`crate::Error::NoRights`] through [`AdminError::Directory`].
    pub async fn expire(&self, identity: &str, at: Timestamp) -> Result<String, AdminError> {
        let entry = self.computer_named(identity, &["name"]).await?;
        let ticks = at.ticks().to_string().into_bytes();
        let change = ldap3::Mod::Replace(EXPIRY.as_bytes().to_vec(), [ticks].into());
        self.session.modify(&entry.dn, vec![change], None).await?;
        Ok(entry.dn)
    }
}

fn time(entry: &Entry, attribute: &str) -> Option<Timestamp> {
    entry.number(attribute).map(Timestamp::from_ticks)
}

fn empty(entry: &Entry, source: Source) -> Reading {
    Reading {
        computer: entry.text("name").unwrap_or_default().to_owned(),
        dn: entry.dn.clone(),
        account: None,
        password: None,
        updated_at: None,
        expires_at: None,
        source,
        decryption: Decryption::NotApplicable,
        decryptor: None,
    }
}

/// The password in clear, of Windows LAPS or of legacy LAPS.
fn in_clear(entry: &Entry) -> Option<Reading> {
    if let Some(value) = entry.bytes(CLEAR) {
        let reading = Reading { expires_at: time(entry, EXPIRY), ..empty(entry, Source::CleartextPassword) };
        let read = core::str::from_utf8(value).ok().and_then(|text| Credential::from_json(text).ok());
        return Some(match read {
            Some(credential) => Reading {
                account: Some(credential.account),
                updated_at: Some(credential.updated_at),
                password: Some(credential.password),
                ..reading
            },
            None => Reading {
                decryption: Decryption::Error(format!("the value of {CLEAR} is not the JSON of a password")),
                ..reading
            },
        });
    }
    let legacy = entry.text(LEGACY)?;
    Some(Reading {
        password: Some(Password::new(legacy.to_owned())),
        expires_at: time(entry, LEGACY_EXPIRY),
        ..empty(entry, Source::LegacyLapsCleartextPassword)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &str)]) -> Entry {
        let attrs = attributes.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])).collect();
        ldap3::SearchEntry { dn: "CN=WS01,DC=a".to_owned(), attrs, bin_attrs: Default::default() }.into()
    }

    #[test]
    fn clear_text_comes_before_legacy() {
        let json = r#"{"n":"Administrator","t":"1d8161b41c41cde","p":"secret"}"#;
        let both = entry(&[("name", "WS01"), (CLEAR, json), (LEGACY, "older"), (EXPIRY, "5"), (LEGACY_EXPIRY, "7")]);
        let reading = in_clear(&both).unwrap();
        assert_eq!((reading.source, reading.account.as_deref()), (Source::CleartextPassword, Some("Administrator")));
        assert_eq!(reading.password.unwrap().reveal(), "secret");
        assert_eq!(reading.expires_at, Some(Timestamp::from_ticks(5)));
        let legacy = in_clear(&entry(&[("name", "WS01"), (LEGACY, "older"), (LEGACY_EXPIRY, "7")])).unwrap();
        assert_eq!((legacy.source, legacy.account), (Source::LegacyLapsCleartextPassword, None));
        assert_eq!((legacy.password.unwrap().reveal(), legacy.updated_at), ("older", None));
        assert_eq!(legacy.expires_at, Some(Timestamp::from_ticks(7)));
        assert!(in_clear(&entry(&[("name", "WS01"), (EXPIRY, "5")])).is_none());
    }

    #[test]
    fn a_value_that_is_not_ours_is_an_error_without_its_text() {
        let reading = in_clear(&entry(&[(CLEAR, "canary, and no JSON")])).unwrap();
        assert_eq!(reading.decryption.name(), "Error");
        assert!(!format!("{reading:?}").contains("canary"));
        assert!(reading.password.is_none());
    }
}

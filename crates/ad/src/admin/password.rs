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
use std::{
    cmp::Reverse,
    collections::{HashMap, hash_map},
};
use uuid::Uuid;

/// What is read of a computer.
pub(crate) const ATTRIBUTES: [&str; 9] = [
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
        let entry = self.computer_named(identity, &ATTRIBUTES).await?;
        let mut readings = Vec::new();
        for Held { mut reading, blob } in held(&entry, with_history) {
            if let Some(blob) = blob {
                reading.decryptor = Some(self.name_of(&blob.principal).await?);
                let seed = self.seed_key(&blob, keys).await.map_err(|error| error.to_string());
                reading.open(&blob, seed);
            }
            readings.push(reading);
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

    /// The key that opens a blob; `None` when the caller is not among those who may.
    async fn seed_key(&mut self, blob: &Blob, keys: &mut Keys) -> Result<Option<SeedKey>, AdminError> {
        let (principal, id, index) = (&blob.principal, blob.key_id.root_key_id, blob.key_id.index);
        let place = (principal.clone(), id, index.l0());
        if let Some(seed) = keys.seeds.get(&place).filter(|seed| seed.index() >= index) {
            return Ok(Some(seed.clone()));
        }
        let seed = if keys.from_root_key {
            if let hash_map::Entry::Vacant(place) = keys.roots.entry(id) {
                place.insert(self.root_key(id).await?);
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

/// A value of a computer as it is told: complete, or with the blob that is to be opened.
pub(crate) struct Held {
    pub(crate) reading: Reading,
    pub(crate) blob: Option<Blob>,
}

impl From<Reading> for Held {
    fn from(reading: Reading) -> Self {
        Self { reading, blob: None }
    }
}

/// What a computer holds, the password first (there is always one entry, if only that it is missing), then the former
/// ones, newest first.
pub(crate) fn held(entry: &Entry, with_history: bool) -> Vec<Held> {
    let holder = [Holder::Account, Holder::Dsrm]
        .into_iter()
        .find(|holder| !entry.all(holder.attribute()).is_empty() || !entry.all(holder.history_attribute()).is_empty());
    let Some(holder) = holder else { return vec![in_clear(entry).unwrap_or_else(|| missing(entry)).into()] };
    let (source, former_source) = match holder {
        Holder::Account => (Source::EncryptedPassword, Source::EncryptedPasswordHistory),
        Holder::Dsrm => (Source::EncryptedDsrmPassword, Source::EncryptedDsrmPasswordHistory),
    };
    let mut all: Vec<Held> = match entry.bytes(holder.attribute()) {
        Some(value) => {
            let held = encrypted(entry, value, source);
            vec![Held { reading: Reading { expires_at: time(entry, EXPIRY), ..held.reading }, ..held }]
        }
        None => vec![missing(entry).into()],
    };
    if with_history {
        let mut former = entry.all(holder.history_attribute()).to_vec();
        former.sort_by_cached_key(|value| Reverse(EncryptedValue::from_bytes(value).ok().map(|v| v.updated_at)));
        all.extend(former.iter().map(|value| encrypted(entry, value, former_source)));
    }
    all
}

/// An encrypted value, not opened yet.
fn encrypted(entry: &Entry, value: &[u8], source: Source) -> Held {
    let mut reading = empty(entry, source);
    let blob = EncryptedValue::from_bytes(value).map_err(|error| error.to_string()).and_then(|value| {
        reading.updated_at = Some(value.updated_at);
        Blob::from_bytes(value.blob).map_err(|error| error.to_string())
    });
    match blob {
        Ok(blob) => Held { reading, blob: Some(blob) },
        Err(error) => Reading { decryption: Decryption::Error(error), ..reading }.into(),
    }
}

impl Reading {
    /// Opens the blob with a key, if there is one: `None` when the caller is not among those who may.
    pub(crate) fn open(&mut self, blob: &Blob, seed: Result<Option<SeedKey>, String>) {
        let opened = match seed {
            Ok(Some(seed)) => open(blob, &seed).map_err(|error| error.to_string()),
            Ok(None) => {
                self.decryption = Decryption::Unauthorized;
                return;
            }
            Err(error) => Err(error),
        };
        match opened.and_then(|clear| Credential::from_clear(&clear).map_err(|error| error.to_string())) {
            Ok(credential) => {
                self.account = Some(credential.account);
                self.updated_at = Some(credential.updated_at);
                self.password = Some(credential.password);
                self.decryption = Decryption::Success;
            }
            Err(error) => self.decryption = Decryption::Error(error),
        }
    }
}

fn missing(entry: &Entry) -> Reading {
    Reading { expires_at: time(entry, EXPIRY), ..empty(entry, Source::PasswordMissing) }
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

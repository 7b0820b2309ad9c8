//! A domain database that no domain controller serves: what was exported from it as LDIF, or what ldbsearch prints of
//! Samba's files (laps-behaviour.md 7.9). Whoever has the root keys opens every password.

mod ldif;

pub use ldif::LdifError;

use crate::{
    Entry,
    admin::{
        AdminError,
        password::{self, Held, Reading, Source, held},
        root_key,
    },
};
use dpapi::{
    Sid,
    blob::Blob,
    gkdi::{RootKey, SeedKey},
    target_descriptor,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The objects that are needed: root keys, everything that has a name and a SID, and the domains.
pub const FILTER: &str = "(|(objectClass=msKds-ProvRootKey)(sAMAccountName=*)(nETBIOSName=*))";
/// What else is needed of objects, beside what computers and root keys hold.
const NAMING: [&str; 8] =
    ["objectClass", "cn", "name", "sAMAccountName", "dNSHostName", "objectSid", "nETBIOSName", "nCName"];

/// The attributes that are needed.
pub fn attributes() -> impl Iterator<Item = &'static str> {
    NAMING.into_iter().chain(password::ATTRIBUTES).chain(root_key::ATTRIBUTES)
}

/// What is known of a domain.
#[derive(Default)]
pub struct Database {
    computers: Vec<Entry>,
    root_keys: BTreeMap<Uuid, Result<RootKey, String>>,
    /// Distinguished name and account name of users, groups and computers.
    accounts: BTreeMap<Sid, (String, String)>,
    /// Distinguished name and NetBIOS name.
    domains: Vec<(String, String)>,
}

impl Database {
    /// Adds the objects of a text; what is no computer, no root key and has no name does not count.
    ///
    /// # Errors
    /// [`LdifError`]: nothing of the text was added.
    pub fn add_ldif(&mut self, text: &str) -> Result<(), LdifError> {
        for entry in ldif::read(text)? {
            self.add(entry);
        }
        Ok(())
    }

    fn add(&mut self, entry: Entry) {
        let is = |class: &str| entry.all("objectClass").iter().any(|one| one.eq_ignore_ascii_case(class.as_bytes()));
        if is("msKds-ProvRootKey") {
            if let Some(id) = entry.text("cn").or(entry.text("name")).and_then(|id| id.parse().ok()) {
                let key = root_key::root_key(id, &entry).map_err(|error| error.to_string());
                self.root_keys.insert(id, key);
            }
            return;
        }
        if let (Some(name), Some(domain)) = (entry.text("nETBIOSName"), entry.text("nCName")) {
            // Samba's files have the object's ids before the name.
            let domain = domain.rsplit(';').next().unwrap_or_default();
            self.domains.push((domain.to_ascii_lowercase(), name.to_owned()));
        }
        if let (Some(sid), Some(name)) = (sid(&entry), entry.text("sAMAccountName")) {
            self.accounts.insert(sid, (entry.dn.to_ascii_lowercase(), name.to_owned()));
        }
        if is("computer") {
            self.computers.push(entry);
        }
    }

    /// How many computers and root keys it has.
    pub fn counts(&self) -> (usize, usize) {
        (self.computers.len(), self.root_keys.len())
    }

    /// The password of every computer that has one, and its former ones, newest first; of a computer that was deleted
    /// too, as long as the database remembers it.
    pub fn passwords(&self, with_history: bool) -> Vec<Reading> {
        let all = self.computers.iter().map(|computer| self.readings(computer, with_history));
        all.filter(|readings| readings.len() > 1 || readings.iter().any(|one| one.source != Source::PasswordMissing))
            .flatten()
            .collect()
    }

    /// The password of one computer, and its former ones, newest first.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], [`AdminError::Ambiguous`].
    pub fn password_of(&self, identity: &str, with_history: bool) -> Result<Vec<Reading>, AdminError> {
        let is_it = |computer: &&Entry| {
            let names =
                ["name", "cn", "sAMAccountName", "dNSHostName"].into_iter().filter_map(|name| computer.text(name));
            names.chain([computer.dn.as_str()]).any(|name| name.eq_ignore_ascii_case(identity))
        };
        let found: Vec<&Entry> = self.computers.iter().filter(is_it).collect();
        match found.as_slice() {
            [computer] => Ok(self.readings(computer, with_history)),
            [] => Err(AdminError::NotFound { kind: "computer", name: identity.to_owned() }),
            several => {
                let found = several.iter().map(|computer| computer.dn.clone()).collect();
                Err(AdminError::Ambiguous { name: identity.to_owned(), found })
            }
        }
    }

    fn readings(&self, computer: &Entry, with_history: bool) -> Vec<Reading> {
        let opened = held(computer, with_history).into_iter().map(|Held { mut reading, blob }| {
            if let Some(blob) = blob {
                reading.decryptor = Some(self.name_of(&blob.principal));
                reading.open(&blob, self.seed_key(&blob).map(Some));
            }
            reading
        });
        opened.collect()
    }

    fn seed_key(&self, blob: &Blob) -> Result<SeedKey, String> {
        let id = blob.key_id.root_key_id;
        match self.root_keys.get(&id) {
            Some(Ok(root)) => Ok(root.seed_key(&target_descriptor(&blob.principal), blob.key_id.index)),
            Some(Err(error)) => Err(format!("the root key {id} cannot be used: {error}")),
            None => Err(format!("the root key {id} is not in the database")),
        }
    }

    /// The name of a principal as Windows shows it; its SID when it is not known.
    fn name_of(&self, sid: &Sid) -> String {
        let Some((dn, name)) = self.accounts.get(sid) else { return sid.to_string() };
        // Of a domain and a domain below it the longer name fits.
        let domains = self.domains.iter().filter(|(domain, _)| dn.ends_with(domain.as_str()));
        match domains.max_by_key(|(domain, _)| domain.len()) {
            Some((_, domain)) => format!("{domain}\\{name}"),
            None => name.clone(),
        }
    }
}

impl core::fmt::Debug for Database {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Database({} computers, {} root keys, redacted)", self.computers.len(), self.root_keys.len())
    }
}

/// The SID, which ldbsearch prints as text when it knows the attribute, else as bytes.
fn sid(entry: &Entry) -> Option<Sid> {
    let bytes = entry.bytes("objectSid")?;
    Sid::from_bytes(bytes).ok().or_else(|| core::str::from_utf8(bytes).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::password::Decryption;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use dpapi::{
        blob::protect,
        gkdi::{Agreement, Hash, KeyIndex},
        value::{Credential, EncryptedValue},
    };
    use getrandom::SysRng;
    use laps::{password::Password, time::Timestamp};
    use rand_core::UnwrapErr;
    use zeroize::Zeroizing;

    const ADMINS: &str = "S-1-5-21-1-2-3-1103";

    /// An encrypted value under a root key of 64 equal bytes, in base64.
    fn value(root: u8, minutes: u64) -> String {
        let principal: Sid = ADMINS.parse().unwrap();
        let (id, at) =
            (Uuid::from_u128(root.into()), Timestamp::from_ticks(0x1d8_161b_41c4_1cde + minutes * 600_000_000));
        let key = Zeroizing::new([root; 64]);
        let root_key = RootKey::new(id, "SP800_108_CTR_HMAC", Hash::Sha512, Agreement::usual(), key).unwrap();
        let descriptor = target_descriptor(&principal);
        let envelope = root_key.public_envelope(&descriptor, KeyIndex::at(at), "laps.test", "laps.test").unwrap();
        let credential =
            Credential { account: "root".into(), updated_at: at, password: Password::new(format!("P-{minutes}")) };
        let blob = protect(&credential.to_clear(), &principal, &envelope, &mut UnwrapErr(SysRng)).unwrap().to_bytes();
        STANDARD.encode(EncryptedValue { updated_at: at, blob: &blob }.to_bytes())
    }

    /// The object of such a root key, as it stands in a database.
    fn root_key_object(root: u8) -> String {
        let id = Uuid::from_u128(root.into());
        let parameters = STANDARD.encode(Hash::Sha512.to_parameters());
        let group = STANDARD.encode(Agreement::usual().to_parameters());
        format!(
            "dn: CN={id},CN=Master Root Keys\nobjectClass: msKds-ProvRootKey\ncn: {id}\n\
             msKds-KDFAlgorithmID: SP800_108_CTR_HMAC\nmsKds-KDFParam:: {parameters}\n\
             msKds-SecretAgreementAlgorithmID: DH\nmsKds-SecretAgreementParam:: {group}\n\
             msKds-PrivateKeyLength: 512\nmsKds-PublicKeyLength: 2048\nmsKds-RootKeyData:: {}\n\n",
            STANDARD.encode([root; 64])
        )
    }

    fn database() -> Database {
        let (now, before, lost) = (value(1, 20), value(1, 10), value(2, 0));
        let sid = STANDARD.encode(ADMINS.parse::<Sid>().unwrap().to_bytes());
        let mut database = Database::default();
        let domain = format!(
            "dn: CN=WS01,DC=laps,DC=test\nobjectClass: top\nobjectClass: computer\nname: WS01\nsAMAccountName: WS01$\n\
             msLAPS-PasswordExpirationTime: 132000000000000000\nmsLAPS-EncryptedPassword:: {now}\n\
             msLAPS-EncryptedPasswordHistory:: {lost}\nmsLAPS-EncryptedPasswordHistory:: {before}\n\n\
             dn: CN=WS02,DC=laps,DC=test\nobjectClass: computer\nname: WS02\ndNSHostName: ws02.laps.test\n\n\
             dn: CN=Admins,DC=laps,DC=test\nobjectClass: group\nsAMAccountName: Admins\nobjectSid:: {sid}\n"
        );
        database.add_ldif(&domain).unwrap();
        let configuration =
            "dn: CN=LAPS,CN=Partitions\nnETBIOSName: LAPS\nnCName: <GUID=1>;<SID=2>;DC=laps,DC=test\n\n";
        database.add_ldif(&format!("{configuration}{}", root_key_object(1))).unwrap();
        database
    }

    #[test]
    fn passwords_open_with_the_root_keys_at_hand() {
        let database = database();
        assert_eq!(database.counts(), (2, 1));
        let all = database.passwords(true);
        let seen: Vec<_> =
            all.iter().map(|one| (one.source.name(), one.password.as_ref().map(Password::reveal))).collect();
        let former = Source::EncryptedPasswordHistory.name();
        assert_eq!(seen, [("EncryptedPassword", Some("P-20")), (former, Some("P-10")), (former, None)]);
        assert_eq!((all[0].account.as_deref(), all[0].decryptor.as_deref()), (Some("root"), Some("LAPS\\Admins")));
        assert_eq!(all[0].expires_at, Some(Timestamp::from_ticks(132_000_000_000_000_000)));
        let lost = Uuid::from_u128(2);
        assert_eq!(all[2].decryption, Decryption::Error(format!("the root key {lost} is not in the database")));
    }

    #[test]
    fn computers_are_found_by_every_name() {
        let database = database();
        for name in ["ws01", "WS01$", "cn=ws01,dc=laps,dc=test"] {
            assert_eq!(database.password_of(name, false).unwrap().len(), 1, "{name}");
        }
        let none = database.password_of("ws02.laps.test", true).unwrap();
        assert_eq!(none.iter().map(|one| one.source).collect::<Vec<_>>(), [Source::PasswordMissing]);
        assert!(matches!(database.password_of("WS03", false), Err(AdminError::NotFound { .. })));
    }

    #[test]
    fn a_root_key_that_cannot_be_used_is_named() {
        let mut database = database();
        let broken = root_key_object(1).replace("SP800_108_CTR_HMAC", "HKDF");
        database.add_ldif(&broken).unwrap();
        let reading = &database.password_of("WS01", false).unwrap()[0];
        assert!(matches!(&reading.decryption, Decryption::Error(error) if error.contains("HKDF")), "{reading:?}");
    }
}

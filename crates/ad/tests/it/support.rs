//! What the tests share: settings for the domain of the tests, and a backup as the agent makes it.

use crate::ad_lab::Lab;
use ad::{Connection, Credential, Dns, KeyCache, Security, Settings, Wanted};
use dpapi::{
    Sid,
    blob::{Blob, open, protect},
    gkdi::{EnvelopeKey, GroupKeyEnvelope, KeyIndex},
    value::{Credential as Secret, EncryptedValue},
};
use laps::{
    active_directory::{Form, Object, Placement, Replaces, Update, WantedForm, update},
    id::VersionId,
    password::Password,
    time::Timestamp,
};
use rand_core::UnwrapErr;
use std::time::{Duration, SystemTime};

/// The form that most tests ask for.
pub(crate) const ENCRYPTED: WantedForm = WantedForm::Encrypted { principal: None };

/// The system's random numbers.
pub(crate) fn rng() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// The time.
#[allow(clippy::disallowed_methods, reason = "a test is a shell")]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ms(i64::try_from(since.as_millis()).unwrap())
}

/// Settings for the domain of the tests, sealed, found by its own name server.
pub(crate) fn settings(lab: &Lab, credential: Credential) -> Settings {
    Settings {
        domain: lab.fact("DNS_DOMAIN").to_owned(),
        realm: None,
        server: None,
        site: None,
        security: Security::Sealed,
        credential,
        timeout: Duration::from_secs(10),
        dns: Dns::Server(lab.dns()),
    }
}

/// An account by the password that all of them have.
pub(crate) fn person(lab: &Lab, user: &str) -> Credential {
    Credential::Password { user: user.to_owned(), password: Password::new(lab.fact("PASSWORD").to_owned()) }
}

/// A connection of an account.
pub(crate) async fn open_as(lab: &Lab, user: &str) -> Connection {
    Connection::open(&settings(lab, person(lab, user)), None).await.unwrap()
}

/// An encrypted value of a password, as the agent makes it.
pub(crate) async fn encrypted(
    connection: &mut Connection,
    cache: &mut KeyCache,
    principal: &Sid,
    password: &str,
    at: Timestamp,
) -> Vec<u8> {
    let envelope = cache.newest(connection, principal, at).await.unwrap();
    let secret = Secret { account: "root".into(), updated_at: at, password: Password::new(password.to_owned()) };
    let blob = protect(&secret.to_clear(), principal, &envelope, &mut rng()).unwrap().to_bytes();
    EncryptedValue { updated_at: at, blob: &blob }.to_bytes()
}

/// The modify that puts a value on an object.
pub(crate) fn backup(
    object: &Object,
    principal: &Sid,
    value: Vec<u8>,
    at: Timestamp,
    history_max: usize,
) -> (Update, VersionId) {
    let mut version = [0; 16];
    getrandom::fill(&mut version).unwrap();
    let version = VersionId::from_bytes(version);
    let placement = Placement {
        controller: "dc1.laps.test".into(),
        form: Form::Encrypted { decryptor: principal.to_string() },
        written_at: at,
        replaces: Replaces::Any,
    };
    (update(object, &placement, version, at.plus_days(30), value, history_max, false), version)
}

/// Opens an encrypted value as its reader does: with the key that the domain controller gives for it.
pub(crate) async fn decrypt(connection: &mut Connection, value: &[u8]) -> Result<Secret, ad::Error> {
    let blob = Blob::from_bytes(EncryptedValue::from_bytes(value).unwrap().blob).unwrap();
    let wanted = Wanted::Exactly { root_key_id: blob.key_id.root_key_id, index: blob.key_id.index };
    let envelope = connection.group_key(&blob.principal, wanted).await?;
    let keys = envelope.seed_key().expect("a seed key");
    Ok(Secret::from_clear(&open(&blob, &keys).unwrap()).unwrap())
}

/// Whether the domain controller gives an account a key that opens a value.
pub(crate) async fn may_open(connection: &mut Connection, value: &[u8]) -> bool {
    let blob = Blob::from_bytes(EncryptedValue::from_bytes(value).unwrap().blob).unwrap();
    let wanted = Wanted::Exactly { root_key_id: blob.key_id.root_key_id, index: blob.key_id.index };
    let envelope = connection.group_key(&blob.principal, wanted).await.unwrap();
    envelope.seed_key().is_some()
}

/// A value as a machine wrote it in an earlier interval, in the public-key form; made with the keys of a reader.
pub(crate) async fn older(reader: &mut Connection, principal: &Sid, index: KeyIndex, password: &str) -> Vec<u8> {
    let newest = reader.group_key(principal, Wanted::Newest).await.unwrap();
    let wanted = Wanted::Exactly { root_key_id: newest.parameters.root_key_id, index };
    let seed = reader.group_key(principal, wanted).await.unwrap().seed_key().unwrap();
    let group = seed.group_key(newest.parameters.root_key_id, index).unwrap();
    let public = group.private_key().unwrap().public_key().unwrap();
    let envelope = GroupKeyEnvelope { index, key: EnvelopeKey::Public(public), ..newest };
    let at = index.starts_at();
    let secret = Secret { account: "root".into(), updated_at: at, password: Password::new(password.to_owned()) };
    let blob = protect(&secret.to_clear(), principal, &envelope, &mut rng()).unwrap().to_bytes();
    EncryptedValue { updated_at: at, blob: &blob }.to_bytes()
}

/// Runs one test of this program again as a process of its own: Kerberos reads its environment once. True inside
/// that process; outside it waits for it, shows what it printed, and fails with it.
pub(crate) fn is_child(test: &str, environment: &[(&str, &str)]) -> bool {
    const CHILD: &str = "LAPWING_TEST_CHILD";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{test}: {text}");
    false
}

/// The bytes of a keytab with one key of AES-256 that nobody has.
pub(crate) fn keytab_bytes(account: &str, realm: &str, version: u8) -> Vec<u8> {
    let mut entry = vec![0, 1];
    for part in [realm, account] {
        entry.extend((part.len() as u16).to_be_bytes());
        entry.extend(part.as_bytes());
    }
    entry.extend([0, 0, 0, 1, 0, 0, 0, 0, version, 0, 18, 0, 32]);
    entry.extend([0x5a; 32]);
    [&[5, 2][..], &(entry.len() as u32).to_be_bytes(), &entry].concat()
}

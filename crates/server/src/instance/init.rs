//! `lapwingd init`: CA, keys, database, the first administrator with a one-time secret.

use super::config::Config;
use super::{InstanceError, assemble, database, key_files, system};
use crate::app::{App, Clock, Random};
use crate::audit::{Actor, AuditEntry, Outcome, Target, activity};
use crate::authz::{BuiltIn, Caller, Job};
use crate::ca::Authority;
use crate::ca::head::HeadKey;
use crate::ca::keys::KeyDirectory;
use crate::oauth::TokenSigner;
use crate::seal::KeyId;
use crate::store::{NewTenant, Settings, Store, StoreError};
use laps::id::{Incarnation, TenantId};
use proto::admin::{Assign, CreatedJoinToken, CreatedUser, NewJoinToken, NewUser, PolicyImport};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

/// The sign-in name of the first administrator.
pub const ADMINISTRATOR: &str = "admin";

/// A server that was just made.
pub struct Initialised {
    /// The application over it.
    pub app: App,
    /// The first administrator and the one-time secret.
    pub administrator: CreatedUser,
}

/// Makes the data directory with CA, certificate and keys. Refuses a directory that holds a server.
pub fn make_keys(data: &Path, config: &Config) -> Result<(TenantId, KeyId), InstanceError> {
    if Config::path(data).exists() {
        return Err(InstanceError::Exists(data.to_owned()));
    }
    if KeyDirectory::of(data).has("ca.key") || database(data).exists() {
        return Err(InstanceError::BrokenOff(data.to_owned()));
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| InstanceError::file(data, error))?;
    let now = system::SystemClock.now();
    let tenant = TenantId::from_random_bytes(random()?);
    let keys = KeyDirectory::of(data);
    keys.create()?;
    let root = Authority::create(tenant, now)?;
    let authority = Authority::open(&root.certificate_pem, &root.key_pem)?;
    let server = authority.issue_server(&config.names, random()?, now)?;
    keys.write("server.crt", &server.certificate_pem)?;
    keys.write("server.key", &server.key_pem)?;
    keys.write("token.key", &TokenSigner::create()?)?;
    keys.write("audit.key", &HeadKey::create()?)?;
    let key = KeyId(random()?);
    key_files(data).add(key, &zeroize::Zeroizing::new(random()?))?;
    keys.write("ca.crt", &root.certificate_pem)?;
    // Last: with it the directory holds a server.
    keys.write("ca.key", &root.key_pem)?;
    Ok((tenant, key))
}

/// Writes the tenant into an empty store, makes the first administrator, and the configuration at the end.
pub async fn make_tenant(
    data: &Path,
    config: &Config,
    tenant: TenantId,
    key: KeyId,
    store: Arc<dyn Store>,
) -> Result<Initialised, InstanceError> {
    let now = system::SystemClock.now();
    let audit = AuditEntry {
        id: random()?,
        at: now,
        activity: activity::INITIALISE.to_owned(),
        category: "DirectoryManagement".to_owned(),
        actor: Actor::Operator("lapwingd init".to_owned()),
        target: Target { kind: "tenant".into(), id: tenant.to_string(), name: String::new() },
        outcome: Outcome::Success,
        request_id: "init".into(),
        client: "{}".into(),
        detail: "{}".into(),
    };
    let new = NewTenant {
        id: tenant,
        incarnation: Incarnation::from_random_bytes(random()?),
        key,
        settings: Settings::default(),
    };
    store.initialise(new, now, audit).await?;
    let app = assemble(data, config, store).await?;
    let administrator = app
        .create_user(
            &Caller::system(Job::Init),
            &NewUser {
                user_name: ADMINISTRATOR.into(),
                display_name: Some("Administrator".into()),
                role: Some(BuiltIn::GlobalAdministrator.name().into()),
                group: None,
            },
        )
        .await?;
    config.write(data)?;
    Ok(Initialised { app, administrator })
}

/// What `init --quick` does beyond: the switch on, a default policy for all devices, a join token.
pub async fn make_quick(app: &App) -> Result<CreatedJoinToken, InstanceError> {
    let caller = Caller::system(Job::Init);
    let switch_on = proto::admin::Settings { laps_enabled: Some(true), ..proto::admin::Settings::default() };
    app.change_settings(&caller, &switch_on).await?;
    let settings = [("BackupDirectory", 1), ("PasswordAgeDays", 30), ("PasswordComplexity", 4), ("PasswordLength", 20)]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let policy = app.import_policy(&caller, &PolicyImport { name: "Default".into(), settings }).await?;
    app.assign_policy(&caller, &policy.id.to_string(), &Assign::to(proto::admin::ALL_DEVICES), true).await?;
    let token = NewJoinToken { note: "made by lapwingd init --quick".into(), ..NewJoinToken::default() };
    Ok(app.create_join_token(&caller, &token).await?)
}

fn random<const N: usize>() -> Result<[u8; N], InstanceError> {
    let mut bytes = [0; N];
    system::SystemRandom.fill(&mut bytes).map_err(StoreError::from)?;
    Ok(bytes)
}

//! What the tests of the store begin with: a data directory, a device, a reader.

use laps::{
    id::{DeviceId, Incarnation, PrincipalId, TenantId, VersionId},
    password::Password,
    rotation::{Fingerprint, ProofKind},
    time::Timestamp,
};
use server::{
    audit::{Actor, AuditEntry, Outcome, Target, activity},
    ops::DataDirectory,
    seal::{KeyFiles, KeyId, Place, Sealer},
    store::{sqlite::SqliteStore, *},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

pub(crate) const TENANT: TenantId = TenantId::from_bytes([1; 16]);
pub(crate) const FIRST_KEY: KeyId = KeyId([0xa0; 16]);
pub(crate) const READER: PrincipalId = PrincipalId::from_bytes([7; 16]);
static NUMBER: AtomicU64 = AtomicU64::new(1);

/// A number that was not given before in this process.
pub(crate) fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn bytes16() -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&u64::from(std::process::id()).to_be_bytes());
    bytes[8..].copy_from_slice(&number().to_be_bytes());
    bytes
}

/// Seconds after a fixed moment.
pub(crate) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000).plus_seconds(seconds)
}

pub(crate) fn entry(now: Timestamp) -> AuditEntry {
    AuditEntry {
        id: bytes16(),
        at: now,
        activity: activity::UPDATE_PASSWORD.into(),
        category: "Device".into(),
        actor: Actor::System("test".into()),
        target: Target::default(),
        outcome: Outcome::Success,
        request_id: String::new(),
        client: String::new(),
        detail: "{}".into(),
    }
}

/// Random bytes from the system.
pub(crate) fn fill(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(std::io::Error::other)
}

pub(crate) fn sealer(keys: &Arc<KeyFiles>, active: KeyId) -> Sealer {
    let provider: Arc<dyn server::seal::KeyProvider> = Arc::<KeyFiles>::clone(keys);
    Sealer::new(provider, active, Arc::new(fill))
}

/// A data directory with an initialised database, its first key, and one reader.
pub(crate) struct Setting {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) data: DataDirectory,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) keys: Arc<KeyFiles>,
    pub(crate) sealer: Sealer,
}

impl Setting {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDirectory::new(directory.path());
        std::fs::create_dir(data.keys()).unwrap();
        let keys = Arc::new(KeyFiles::new(&data.keys()));
        keys.add(FIRST_KEY, &zeroize::Zeroizing::new([5; 32])).unwrap();
        let store = Arc::new(SqliteStore::create(&data.database()).unwrap());
        let settings =
            Settings { laps_enabled: true, versions_per_day: 100_000, unresolved_max: 100_000, ..Settings::default() };
        let tenant = NewTenant { id: TENANT, incarnation: Incarnation::from_bytes([2; 16]), key: FIRST_KEY, settings };
        store.initialise(tenant, at(0), entry(at(0))).await.unwrap();
        let reader = NewUser {
            id: READER,
            user_name: "reader".into(),
            display_name: "Reader".into(),
            one_time: None,
            password_hash: None,
        };
        store.create_user(reader, at(0), entry(at(0))).await.unwrap();
        let sealer = sealer(&keys, FIRST_KEY);
        Self { directory, data, store, keys, sealer }
    }

    /// A device that joined.
    pub(crate) async fn join(&self) -> DeviceId {
        join(&*self.store, at(1)).await
    }

    /// A pending version with this password.
    pub(crate) fn version(&self, device: DeviceId, password: &str) -> NewVersion {
        new_version(&self.sealer, device, password)
    }

    /// Stores and proves a password.
    pub(crate) async fn rotate(&self, device: DeviceId, password: &str, now: Timestamp) -> VersionId {
        let new = self.version(device, password);
        let version = new.version;
        self.store.store_pending(new, now, entry(now)).await.unwrap();
        let proof = Proof { device, version, kind: ProofKind::Verifier, set_at: None, expires_at: None };
        self.store.mark_proven(proof, now, entry(now)).await.unwrap();
        version
    }

    /// What a reader is given.
    pub(crate) async fn read(&self, store: &dyn Store, device: DeviceId) -> Result<Vec<Password>, StoreError> {
        let epoch = store.authorization(READER).await?.unwrap().epoch;
        let device_revision = store.device(device).await?.unwrap().revision;
        let reveal =
            Reveal { device, device_revision, principal: READER, epoch, reading: Reading::default(), history: true };
        let given = store.reveal(reveal, entry(at(2))).await?;
        Ok(given.iter().map(|one| self.sealer.unseal(&place(&one.version), &one.sealed).unwrap()).collect())
    }
}

pub(crate) fn place(version: &Version) -> Place {
    Place { tenant: TENANT, device: version.device, version: version.version, account: version.account_id.clone() }
}

pub(crate) fn new_version(sealer: &Sealer, device: DeviceId, password: &str) -> NewVersion {
    let version = VersionId::from_random_bytes(bytes16());
    let place = Place { tenant: TENANT, device, version, account: "0".into() };
    NewVersion {
        device,
        certificate: None,
        version,
        account_id: "0".into(),
        account_name: "root".into(),
        fingerprint: Fingerprint::from_bytes(bytes16()),
        expires_at: Some(at(86_400)),
        device_time: Some(at(1)),
        sealed: sealer.seal(&place, &Password::new(password.into())).unwrap(),
    }
}

pub(crate) async fn join(store: &dyn Store, now: Timestamp) -> DeviceId {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&bytes16());
    let token = NewJoinToken {
        id: bytes16(),
        hash,
        note: String::new(),
        group: None,
        created_by: READER,
        expires_at: now.plus_days(1),
    };
    store.create_join_token(token, now, entry(now)).await.unwrap();
    let id = DeviceId::from_random_bytes(bytes16());
    let certificate =
        NewCertificate { fingerprint: hash, serial: vec![1], not_before: now, not_after: now.plus_days(365) };
    let device = NewDevice {
        id,
        name: format!("machine-{}", number()),
        os: "Debian 13".into(),
        public_key: bytes16().to_vec(),
        hardware: None,
        predecessor: None,
        certificate,
    };
    store.join(hash, device, now, entry(now)).await.unwrap();
    id
}

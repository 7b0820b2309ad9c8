//! The server of these tests: the application over the store in memory.

use super::device::Device;
use laps::csp::{Options as TreeOptions, Tree};
use laps::id::{DeviceId, Incarnation, PrincipalId, TenantId};
use laps::time::Timestamp;
use proto::admin::{ALL_DEVICES, Assign, PolicyImport};
use proto::dm::{Limits, Message, Mode, policy, read};
use server::app::{App, Clock, NoRandomness, Options, Parts, Random};
use server::audit::{Actor, AuditEntry, Outcome, Target};
use server::authz::{Assignment, BuiltIn, Caller, DeviceIdentity, Identity, Origin, Principal, RoleScope, Scopes};
use server::ca::Authority;
use server::ca::head::HeadKey;
use server::oauth::{Passwords, TokenSigner};
use server::seal::{KeyFiles, KeyId, Sealer};
use server::store::{NewCertificate, NewDevice, NewJoinToken, NewTenant, Settings, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use testkit::memory::MemoryStore;

pub(crate) const START: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

#[derive(Default)]
pub(crate) struct Hands {
    pub(crate) seconds: AtomicU64,
    drawn: AtomicU64,
}

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        START.plus_seconds(self.seconds.load(Ordering::Relaxed))
    }
}

impl Random for Hands {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        bytes.fill(0);
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed) + 1;
        bytes.iter_mut().zip(drawn.to_le_bytes()).for_each(|(byte, drawn)| *byte = drawn);
        Ok(())
    }
}

pub(crate) fn entry() -> AuditEntry {
    AuditEntry {
        id: [9; 16],
        at: START,
        activity: "test".into(),
        category: "test".into(),
        actor: Actor::System("test".into()),
        target: Target::default(),
        outcome: Outcome::Success,
        request_id: "test".into(),
        client: "{}".into(),
        detail: "{}".into(),
    }
}

const PUBLISHED: &[u8] = include_bytes!("../../../../proto/tests/data/policy-entra.xml");

/// The application over the store in memory, with a person who may do everything.
pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) hands: Arc<Hands>,
    pub(crate) tenant: TenantId,
    pub(crate) admin: Caller,
    _keys: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let tenant = TenantId::from_random_bytes([1; 16]);
        let key = KeyId([1; 16]);
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyFiles::new(directory.path());
        keys.add(key, &zeroize::Zeroizing::new([7; 32])).unwrap();
        let store = Arc::new(MemoryStore::new());
        let settings = Settings { laps_enabled: true, ..Settings::default() };
        let new = NewTenant { id: tenant, incarnation: Incarnation::from_random_bytes([2; 16]), key, settings };
        store.initialise(new, START, entry()).await.unwrap();
        let hands = Arc::new(Hands::default());
        let identity = Authority::create(tenant, START).unwrap();
        let app = App::open(Parts {
            store: store.clone(),
            sealer: Arc::new(Sealer::new(
                Arc::new(keys),
                key,
                Arc::new(|bytes: &mut [u8]| {
                    bytes.fill(3);
                    Ok(())
                }),
            )),
            authority: Authority::open(&identity.certificate_pem, &identity.key_pem).unwrap(),
            head_key: HeadKey::open(&HeadKey::create().unwrap()).unwrap(),
            signer: TokenSigner::open(&TokenSigner::create().unwrap()).unwrap(),
            passwords: Passwords::new(1),
            clock: hands.clone(),
            random: hands.clone(),
            options: Options::new("https://mdm.example.test".into(), vec!["mdm.example.test".into()]),
        })
        .await
        .unwrap();
        let admin = Caller::new(
            Identity::User(Principal {
                id: PrincipalId::from_random_bytes([3; 16]),
                name: "ada@example.test".into(),
                assignments: vec![Assignment { role: BuiltIn::GlobalAdministrator.into(), scope: RoleScope::Tenant }],
                scopes: Scopes::all(),
                epoch: 1,
                client_id: String::new(),
            }),
            Origin::internal("test"),
        );
        Self { app, store, hands, tenant, admin, _keys: directory }
    }

    pub(crate) async fn device(&self, n: u8) -> Device {
        let id = DeviceId::from_random_bytes([n; 16]);
        let fingerprint = [n; 32];
        let (not_before, not_after) = (START, START.plus_days(365));
        let token = NewJoinToken {
            id: [n; 16],
            hash: [n; 32],
            note: String::new(),
            group: None,
            created_by: PrincipalId::from_random_bytes([3; 16]),
            expires_at: START.plus_days(1),
        };
        self.store.create_join_token(token, START, entry()).await.unwrap();
        let device = NewDevice {
            id,
            name: format!("machine-{n}"),
            os: "Debian 12".into(),
            public_key: vec![n],
            hardware: None,
            predecessor: None,
            certificate: NewCertificate { fingerprint, serial: vec![n], not_before, not_after },
        };
        self.store.join([n; 32], device, START, entry()).await.unwrap();
        let identity =
            Identity::Device(DeviceIdentity { tenant: self.tenant, device: id, fingerprint, not_before, not_after });
        Device {
            id,
            caller: Caller::new(identity, Origin::internal("test")),
            tree: Tree::new(TreeOptions::default()),
            sessions: 0,
        }
    }

    pub(crate) async fn policy(&self, name: &str, json: &str) {
        let settings = serde_json::from_str(json).unwrap();
        self.app.import_policy(&self.admin, &PolicyImport { name: name.into(), settings }).await.unwrap();
    }
    pub(crate) async fn assign(&self, name: &str, assigned: bool) {
        self.app.assign_policy(&self.admin, name, &Assign::to(ALL_DEVICES), assigned).await.unwrap();
    }
    pub(crate) async fn exchange(&self, device: &Device, body: &str) -> Message<'static> {
        let answer = self.app.mdm_exchange(&device.caller, body.as_bytes()).await.unwrap();
        let answer: &'static [u8] = answer.leak();
        read(answer, Mode::Wire, &Limits::default()).unwrap()
    }
}

/// The published document for Entra-joined devices, as a policy in JSON.
pub(crate) fn published() -> String {
    policy::json(&policy::values(&policy::import(PUBLISHED).unwrap()))
}

//! The server of a run: the real application over a store that can die, with a clock and a randomness of
//! the run's own.

use super::{
    backend::{Backend, Copy, Dies, Kind},
    dice::Dice,
    message::{Answer, Request},
};
use agent::state::{DeviceKey as _, SoftwareKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{Error, Refusal};
use laps::{
    id::{DeviceId, Incarnation, PrincipalId, TenantId},
    time::Timestamp,
};
use proto::{
    admin::{NewJoinToken, NewUser},
    device::{JoinRequest, Predecessor, RenewRequest, rejoin_statement},
    graph::DeviceLocalCredentials,
};
use rand_chacha::{ChaCha8Rng, rand_core::Rng as _};
use server::{
    app::{self, App, Clock, NoRandomness, Options, Parts, Random},
    audit::{Actor, AuditEntry, Outcome, Target},
    authz::{Assignment, BuiltIn, Caller, DeviceIdentity, Identity as Who, Job, Origin, Principal, RoleScope, Scopes},
    ca::{Authority, head::HeadKey},
    oauth::{Passwords, TokenSigner},
    seal::{KeyFiles, KeyId, Sealer},
    store::{NewTenant, Settings, Store},
};
use std::sync::{
    Arc, Mutex, OnceLock,
    atomic::{AtomicU64, Ordering},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

/// The tenant of every run.
pub(super) const TENANT: TenantId = TenantId::from_random_bytes([0x11; 16]);

/// The keys of every run's server: making them costs more than a run.
struct Material {
    certificate: String,
    key: Zeroizing<String>,
    head: Zeroizing<String>,
    token: Zeroizing<String>,
}

fn material() -> &'static Material {
    static MATERIAL: OnceLock<Material> = OnceLock::new();
    MATERIAL.get_or_init(|| {
        let authority = Authority::create(TENANT, super::START).unwrap();
        Material {
            certificate: authority.certificate_pem.to_string(),
            key: authority.key_pem.to_string().into(),
            head: HeadKey::create().unwrap(),
            token: TokenSigner::create().unwrap(),
        }
    })
}

struct SimClock(AtomicU64);
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ticks(self.0.load(Ordering::Relaxed))
    }
}

struct SimRandom(Mutex<ChaCha8Rng>);
impl Random for SimRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        self.0.lock().unwrap().fill_bytes(bytes);
        Ok(())
    }
}

/// What a machine is to the server, as its state directory keeps it.
#[derive(Clone)]
pub(super) struct Identity {
    /// What its certificate says.
    pub(super) certificate: DeviceIdentity,
    /// The incarnation that it joined.
    pub(super) incarnation: Incarnation,
    /// Its key, PKCS #8.
    pub(super) key: Arc<Zeroizing<Vec<u8>>>,
}

/// A backup.
pub(super) struct Backup {
    /// When it was taken, by the server's clock.
    pub(super) at: Timestamp,
    copy: Copy,
}

/// The simulated server.
pub(super) struct SimServer {
    backend: Backend,
    app: Option<App>,
    clock: Arc<SimClock>,
    random: Arc<SimRandom>,
    sealer: Arc<Sealer>,
    keys: Arc<KeyFiles>,
    _keys_directory: TempDir,
    runtime: Runtime,
    reader: PrincipalId,
    backups: Vec<Backup>,
    /// How far the server's clock is off, ticks.
    pub(super) clock_offset: i64,
    /// Where it dies, after so many more requests.
    pub(super) dies: Option<(u32, Dies)>,
    /// It died: the caller takes and counts it.
    pub(super) died: bool,
    /// A `store` was refused for too many unresolved versions since the caller last looked.
    pub(super) unresolved_refused: bool,
    /// Counts whatever may have changed the data.
    pub(super) generation: u64,
    requests: u64,
}

impl SimServer {
    /// A server with its first person, switch on.
    pub(super) fn new(kind: Kind, dice: &mut Dice) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let keys_directory = super::backend::scratch();
        let keys = Arc::new(KeyFiles::new(keys_directory.path()));
        let key = KeyId(dice.bytes());
        keys.add(key, &Zeroizing::new(dice.bytes())).unwrap();
        let random = Arc::new(SimRandom(Mutex::new(dice.fork())));
        let source = Arc::clone(&random);
        let fill = move |bytes: &mut [u8]| source.fill(bytes).map_err(std::io::Error::other);
        let mut server = Self {
            backend: Backend::new(kind),
            app: None,
            clock: Arc::new(SimClock(AtomicU64::new(super::START.ticks()))),
            random,
            sealer: Arc::new(Sealer::new(Arc::<KeyFiles>::clone(&keys), key, Arc::new(fill))),
            keys,
            _keys_directory: keys_directory,
            runtime,
            reader: PrincipalId::from_bytes([0; 16]),
            backups: Vec::new(),
            clock_offset: 0,
            dies: None,
            died: false,
            unresolved_refused: false,
            generation: 0,
            requests: 0,
        };
        let tenant = NewTenant {
            id: TENANT,
            incarnation: Incarnation::from_random_bytes(dice.bytes()),
            key,
            settings: Settings { laps_enabled: true, ..Settings::default() },
        };
        let entry = server.entry("initialise");
        server.runtime.block_on(server.store().initialise(tenant, super::START, entry)).unwrap();
        server.start();
        let reader = NewUser {
            user_name: "reader".into(),
            display_name: None,
            role: Some(BuiltIn::GlobalAdministrator.name().into()),
            group: None,
        };
        let made = server.runtime.block_on(server.app().create_user(&Caller::system(Job::Init), &reader)).unwrap();
        server.reader = made.id;
        server
    }

    /// The store behind it.
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.backend.store()
    }

    /// The store in memory, if that is what it runs on.
    pub(super) fn memory(&self) -> Option<&crate::memory::MemoryStore> {
        match &self.backend {
            Backend::Memory(store) => Some(store),
            Backend::Sqlite { .. } => None,
        }
    }

    /// Everything that its store has written.
    pub(super) fn written(&self) -> Vec<u8> {
        self.backend.bytes()
    }

    /// Waits for an answer of the store or the application.
    pub(super) fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.runtime.block_on(answer)
    }

    /// Whether it runs.
    pub(super) fn is_up(&self) -> bool {
        self.app.is_some()
    }

    /// The application; it runs.
    pub(super) fn app(&self) -> &App {
        self.app.as_ref().unwrap()
    }

    /// Lets its clock show what it shows at this time of the run.
    pub(super) fn tick(&self, now: Timestamp) {
        self.clock.0.store(now.ticks().saturating_add_signed(self.clock_offset), Ordering::Relaxed);
    }

    /// What its clock shows.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An entry for the audit log, for what no application does.
    pub(super) fn entry(&mut self, activity: &str) -> AuditEntry {
        let mut id = [0; 16];
        self.random.fill(&mut id).unwrap();
        AuditEntry {
            id,
            at: self.now(),
            activity: activity.into(),
            category: "Simulation".into(),
            actor: Actor::Operator("simulation".into()),
            target: Target::default(),
            outcome: Outcome::Success,
            request_id: "simulation".into(),
            client: "{}".into(),
            detail: "{}".into(),
        }
    }

    /// Starts it over what its store holds.
    pub(super) fn start(&mut self) {
        let material = material();
        let store = self.store();
        let active = self.runtime.block_on(store.keys()).unwrap().into_iter().find(|key| key.active).unwrap();
        self.sealer.set_active(active.id);
        let parts = Parts {
            store,
            sealer: Arc::clone(&self.sealer),
            authority: Authority::open(&material.certificate, &material.key).unwrap(),
            head_key: HeadKey::open(&material.head).unwrap(),
            signer: TokenSigner::open(&material.token).unwrap(),
            passwords: Passwords::new(1),
            clock: Arc::<SimClock>::clone(&self.clock),
            random: Arc::<SimRandom>::clone(&self.random),
            options: Options::new("https://lapwing.example".into(), vec!["lapwing.example".into()]),
        };
        self.app = Some(self.runtime.block_on(App::open(parts)).unwrap());
    }

    /// It dies between two requests.
    pub(super) fn crash(&mut self, dice: &mut Dice) {
        self.app = None;
        self.backend.kill(None, dice);
        self.generation += 1;
    }

    /// Carries out a request of a device. `None`: it died, and no answer comes.
    pub(super) fn handle(
        &mut self,
        caller: &Caller,
        request: &Request,
        dice: &mut Dice,
    ) -> Option<Result<Answer, Error>> {
        self.requests += 1;
        self.generation += 1;
        let dies = match &mut self.dies {
            Some((0, dies)) => {
                let dies = *dies;
                self.dies = None;
                self.backend.arm(dies);
                Some((dies, self.backend.log_length()))
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        };
        let answer = self.runtime.block_on(request.ask(self.app.as_ref().unwrap(), caller));
        if let Some((dies, log)) = dies {
            self.died = true;
            self.app = None;
            self.backend.kill((dies == Dies::BeforeCommit).then_some(log), dice);
            return None;
        }
        Some(answer.map_err(|error| self.refusal(&error)))
    }

    fn refusal(&mut self, error: &app::Error) -> Error {
        if matches!(error, app::Error::Store(server::store::StoreError::TooManyUnresolved)) {
            self.unresolved_refused = true;
        }
        let code = error.device_code();
        Error::Refused(Box::new(Refusal {
            status: code.http_status(),
            code: code.as_str().into(),
            message: error.text(),
            remedy: String::new(),
            request_id: String::new(),
            retry_after: None,
        }))
    }

    /// A machine joins, as the device that follows `former` if that is given.
    pub(super) fn join(&mut self, name: &str, former: Option<&Identity>) -> Result<Identity, app::Error> {
        self.generation += 1;
        let app = self.app.as_ref().unwrap();
        let key = SoftwareKey::generate().unwrap();
        let csr = key.request().unwrap();
        let predecessor = former.map(|former| Predecessor {
            device: former.certificate.device,
            signature: STANDARD
                .encode(SoftwareKey::from_pkcs8(&former.key).unwrap().sign(&rejoin_statement(&csr)).unwrap()),
        });
        self.runtime.block_on(async {
            let token = app.create_join_token(&Caller::system(Job::Init), &NewJoinToken::default()).await?;
            let request = JoinRequest {
                token: token.token.clone(),
                csr: STANDARD.encode(&csr),
                name: name.into(),
                os: "debian".into(),
                os_version: "13".into(),
                agent_version: "0.1.0".into(),
                hardware: String::new(),
                predecessor,
            };
            let joined = app.join(&anonymous(), &request).await?;
            Ok(Identity {
                certificate: device_identity(joined.device, &STANDARD.decode(&joined.certificate).unwrap()),
                incarnation: joined.incarnation,
                key: Arc::new(key.pkcs8()),
            })
        })
    }

    /// Renews a machine's certificate from half of its life, as the agent does before a cycle.
    /// True: it is another one now.
    pub(super) fn renew_if_due(&mut self, identity: &mut Identity) -> bool {
        let certificate = identity.certificate;
        let half = certificate.not_after.ticks_since(certificate.not_before) / 2;
        if self.app.is_none() || self.now() < certificate.not_before.plus_ticks(half) {
            return false;
        }
        let key = SoftwareKey::from_pkcs8(&identity.key).unwrap();
        let request = RenewRequest { csr: STANDARD.encode(key.request().unwrap()) };
        let caller = device_caller(certificate);
        if let Ok(answer) = self.runtime.block_on(self.app().renew(&caller, &request)) {
            self.generation += 1;
            identity.certificate = device_identity(certificate.device, &STANDARD.decode(&answer.certificate).unwrap());
            return true;
        }
        false
    }

    /// A person reads the passwords of a device; also the id of the request.
    pub(super) fn reveal(&mut self, device: DeviceId) -> (String, Result<DeviceLocalCredentials, app::Error>) {
        self.generation += 1;
        self.requests += 1;
        let caller = self.person();
        let id = caller.origin.request_id.clone();
        (id, self.runtime.block_on(self.app().reveal(&caller, device, &app::Justification::default())))
    }

    /// The person who may do everything, with a request id of its own.
    pub(super) fn person(&self) -> Caller {
        let known = self.runtime.block_on(self.store().authorization(self.reader)).unwrap().unwrap();
        let principal = Principal {
            id: self.reader,
            name: "reader".into(),
            assignments: vec![Assignment { role: BuiltIn::GlobalAdministrator.into(), scope: RoleScope::Tenant }],
            scopes: Scopes::all(),
            epoch: known.epoch,
            client_id: "simulation".into(),
        };
        let origin = Origin {
            request_id: format!("request-{}", self.requests),
            client_request_id: None,
            address: None,
            user_agent: Some("simulation".into()),
        };
        Caller::new(Who::User(principal), origin)
    }

    /// Takes a backup.
    pub(super) fn back_up(&mut self) {
        let at = self.now();
        let copy = self.backend.copy(at, self.requests);
        self.requests += 1;
        self.backups.push(Backup { at, copy });
    }

    /// How many backups there are.
    pub(super) fn backups(&self) -> usize {
        self.backups.len()
    }

    /// Puts a backup in the place of everything, as a new incarnation, and starts over it.
    pub(super) fn restore(&mut self, number: usize, incarnation: Incarnation) {
        self.generation += 1;
        self.app = None;
        let backup = &self.backups[number];
        let at = backup.at;
        self.backend.restore(&backup.copy, &self.runtime);
        let (now, entry) = (self.now(), self.entry("restore"));
        self.runtime.block_on(self.store().begin_incarnation(incarnation, at, now, entry)).unwrap();
        self.start();
    }

    /// A new key-encryption key, by the server's own rekey.
    pub(super) fn rekey(&mut self) {
        self.generation += 1;
        let (store, now, random) = (self.store(), self.now(), Arc::clone(&self.random));
        let mut fill = move |bytes: &mut [u8]| random.fill(bytes).map_err(std::io::Error::other);
        self.runtime.block_on(server::ops::rekey(&*store, &self.keys, 50, now, &mut fill, |_| {})).unwrap();
    }

    /// The incarnation of its data.
    pub(super) fn incarnation(&self) -> Incarnation {
        self.runtime.block_on(self.store().tenant()).unwrap().incarnation
    }
}

fn device_identity(device: DeviceId, der: &[u8]) -> DeviceIdentity {
    let validity = agent::effect::Validity::of(der).unwrap();
    DeviceIdentity {
        tenant: TENANT,
        device,
        fingerprint: server::ca::CaFingerprint::of(der).0,
        not_before: validity.not_before,
        not_after: validity.not_after,
    }
}

/// A device with its certificate, as the TLS edge names it.
pub(super) fn device_caller(certificate: DeviceIdentity) -> Caller {
    Caller::new(Who::Device(certificate), Origin::internal("device"))
}

fn anonymous() -> Caller {
    Caller::new(Who::Anonymous, Origin::internal("join"))
}

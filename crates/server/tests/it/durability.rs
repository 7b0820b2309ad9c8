//! `kill -9` of the real `lapwingd`, 200 times at random moments under 32 clients (issue 2, 19): no
//! acknowledged backup is lost, the store opens, the hash chain verifies.

use laps::id::VersionId;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use server::{
    audit::Verifier,
    authz::{Caller, Job},
    instance::database,
    store::{Store, VersionState, sqlite::SqliteStore},
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::{
    device::{self, FakeDevice},
    programs::Running,
};

const KILLS: usize = 200;
const CLIENTS: usize = 32;
/// Acknowledgements between two kills, at least.
const ACKNOWLEDGEMENTS_MIN: usize = 50;
/// How much later than that a kill comes at most, milliseconds.
const LATER_MS_MAX: u64 = 40;

/// The child process.
struct Lapwingd {
    running: Running,
    url: String,
}

impl Lapwingd {
    /// Starts it on port 0 and waits until it listens.
    async fn start(data: &Path) -> Self {
        let address_file = data.join("address");
        let _ = std::fs::remove_file(&address_file);
        let (place, file) = (data.to_str().unwrap(), address_file.to_str().unwrap());
        let run = ["--log", "error", "run", "--listen", "127.0.0.1:0", "--data", place, "--address-file", file];
        let mut running = Running::start(Path::new(env!("CARGO_BIN_EXE_lapwingd")), &run, &data.join("log"));
        loop {
            let address: Option<SocketAddr> =
                std::fs::read_to_string(&address_file).ok().and_then(|text| text.parse().ok());
            if let Some(address) = address {
                return Self { running, url: format!("https://localhost:{}", address.port()) };
            }
            assert!(running.is_alive(), "lapwingd did not start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.running.kill();
    }
}

/// What one client was told, and what it has not finished.
struct Ledger {
    device: FakeDevice,
    random: ChaCha8Rng,
    stored: Vec<VersionId>,
    proven: Vec<VersionId>,
    /// Not acknowledged as proven yet: resolved before anything else, as an agent does.
    intent: Option<VersionId>,
}

impl Ledger {
    /// Stores and proves until the server is gone.
    async fn work(&mut self, url: &str, acknowledged: &AtomicUsize, killed: &AtomicBool) {
        let client = self.device.client(url);
        loop {
            let version = *self.intent.get_or_insert_with(|| {
                let mut bytes = [0; 16];
                self.random.fill_bytes(&mut bytes);
                VersionId::from_random_bytes(bytes)
            });
            let done = match device::store(&client, version).await {
                Ok(_) => {
                    self.stored.push(version);
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                    device::prove(&client, version).await.map(drop)
                }
                Err(error) => Err(error),
            };
            match done {
                Ok(()) => {
                    self.proven.push(version);
                    self.intent = None;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    assert!(killed.load(Ordering::Relaxed), "refused by a living server: {error}");
                    return;
                }
            }
        }
    }

    /// Everything acknowledged is there, in the state that was acknowledged. True when the kill came between
    /// a commit and its acknowledgement: more is there than this client was told.
    async fn check(&self, store: &SqliteStore) -> bool {
        let kept = store.versions(self.device.id, true).await.unwrap();
        let states: HashMap<VersionId, VersionState> = kept.iter().map(|one| (one.version, one.state)).collect();
        for version in &self.stored {
            assert!(states.contains_key(version), "{version} was acknowledged and is lost");
        }
        for version in &self.proven {
            let state = states.get(version);
            assert!(
                matches!(state, Some(VersionState::Current | VersionState::Superseded)),
                "{version} was acknowledged as proven and is {state:?}"
            );
        }
        self.intent.is_some_and(|intent| match states.get(&intent) {
            Some(VersionState::Pending) => !self.stored.contains(&intent),
            state => state.is_some(),
        })
    }
}

/// Takes what the chain has grown by.
async fn verify(store: &SqliteStore, verifier: &mut Verifier) {
    loop {
        let records = store.audit_chain(1, verifier.head().sequence, 1000).await.unwrap();
        if records.is_empty() {
            return;
        }
        records.iter().for_each(|record| verifier.take(record).unwrap());
    }
}

/// Makes a data directory with the switch on, and a join token for each client.
async fn make(data: &Path) -> (Vec<u8>, Vec<String>) {
    let (_, made) = crate::harness::make(data).await;
    let app = made.app;
    let caller = Caller::system(Job::Init);
    let settings = proto::admin::Settings {
        laps_enabled: Some(true),
        versions_per_day: Some(1000),
        ..proto::admin::Settings::default()
    };
    app.change_settings(&caller, &settings).await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..CLIENTS {
        let token = app.create_join_token(&caller, &proto::admin::NewJoinToken::default()).await.unwrap();
        tokens.push(token.token.clone());
    }
    (app.authority().root().to_vec(), tokens)
}

fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    let drawn = || RandomState::new().hash_one(std::process::id());
    std::env::var_os("LAPWING_SEED").map_or_else(drawn, |seed| seed.to_string_lossy().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_minus_nine_loses_no_acknowledged_backup() {
    let (seed, began) = (seed(), Instant::now());
    println!("LAPWING_SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let data: PathBuf = directory.path().join("data");
    let (ca, tokens) = make(&data).await;
    let mut lapwingd = Lapwingd::start(&data).await;
    let mut ledgers = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        let device = FakeDevice::join(&lapwingd.url, &ca, token, &format!("client-{number}")).await;
        let random = ChaCha8Rng::seed_from_u64(random.next_u64());
        ledgers.push(Ledger { device, random, stored: Vec::new(), proven: Vec::new(), intent: None });
    }
    let (mut fewest, mut total, mut answers_lost) = (usize::MAX, 0, 0);
    let mut verifier = Verifier::new(1, None);
    for _ in 0..KILLS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let killed = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = ledgers
            .into_iter()
            .map(|mut ledger| {
                let (url, acknowledged, killed) =
                    (lapwingd.url.clone(), Arc::clone(&acknowledged), Arc::clone(&killed));
                tokio::spawn(async move {
                    ledger.work(&url, &acknowledged, &killed).await;
                    ledger
                })
            })
            .collect();
        while acknowledged.load(Ordering::Relaxed) < ACKNOWLEDGEMENTS_MIN {
            assert!(!clients.iter().all(tokio::task::JoinHandle::is_finished), "every client has failed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.next_u64() % (LATER_MS_MAX * 1000))).await;
        killed.store(true, Ordering::Relaxed);
        lapwingd.kill();
        ledgers = Vec::new();
        for client in clients {
            ledgers.push(client.await.unwrap());
        }
        let between = acknowledged.load(Ordering::Relaxed);
        fewest = fewest.min(between);
        total += between;
        lapwingd = Lapwingd::start(&data).await;
        let store = SqliteStore::open(&database(&data)).unwrap();
        for ledger in &ledgers {
            answers_lost += usize::from(ledger.check(&store).await);
        }
        verify(&store, &mut verifier).await;
    }
    lapwingd.kill();
    let store = SqliteStore::open(&database(&data)).unwrap();
    store.integrity().await.unwrap();
    let mut whole = Verifier::new(1, None);
    verify(&store, &mut whole).await;
    assert_eq!(whole.head(), verifier.head());
    println!(
        "{KILLS} kills, {CLIENTS} clients: {total} acknowledgements, at least {fewest} between two kills, none lost; \
         {answers_lost} commits whose answer was lost; {} audit records verify; {:.0?}",
        whole.head().sequence,
        began.elapsed()
    );
    assert!(fewest >= ACKNOWLEDGEMENTS_MIN);
    assert!(answers_lost > 0, "no kill came between a commit and its acknowledgement");
}

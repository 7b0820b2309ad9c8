//! Random lists of verbs give the same answers on both stores, and leave the same things behind.

use laps::{
    id::{DeviceId, VersionId},
    rotation::Fingerprint,
};
use proptest::prelude::*;
use server::store::{sqlite::SqliteStore, *};
use std::sync::Arc;
use testkit::{conformance::World, memory::MemoryStore};

/// Devices of a run; the last one follows the first.
const DEVICES: u8 = 3;
/// Versions that a run draws from: few, so that they come again.
const VERSIONS: u8 = 12;

#[derive(Debug, Clone)]
enum Verb {
    Store { device: u8, version: u8, account: u8 },
    Prove { device: u8, version: u8 },
    Abandon { device: u8, version: u8 },
    Report { device: u8, installed: Option<u8>, acknowledged: Option<u8>, intent: Option<u8> },
    Truth { device: u8 },
    Request { device: u8 },
    Release { device: u8 },
    Change { device: u8, change: DeviceChange },
    Purge { device: u8, by: PurgeBy },
    ClearFork { device: u8 },
    Reveal { device: u8, history: bool },
    Switch { on: bool },
    Restored,
    Trim,
    Pass { hours: u64 },
}

fn verbs() -> impl Strategy<Value = Vec<Verb>> {
    let device = || 0..DEVICES;
    let version = || 0..VERSIONS;
    let maybe = || proptest::option::of(0..VERSIONS);
    let change = prop_oneof![
        Just(DeviceChange::Enable),
        Just(DeviceChange::Disable),
        Just(DeviceChange::Delete),
        Just(DeviceChange::Restore)
    ];
    let by = prop_oneof![Just(PurgeBy::Person), Just(PurgeBy::Job)];
    let verb = prop_oneof![
        12 => (device(), version(), 0..2_u8).prop_map(|(device, version, account)| Verb::Store { device, version, account }),
        9 => (device(), version()).prop_map(|(device, version)| Verb::Prove { device, version }),
        2 => (device(), version()).prop_map(|(device, version)| Verb::Abandon { device, version }),
        4 => (device(), maybe(), maybe(), maybe())
            .prop_map(|(device, installed, acknowledged, intent)| Verb::Report { device, installed, acknowledged, intent }),
        3 => device().prop_map(|device| Verb::Truth { device }),
        3 => device().prop_map(|device| Verb::Request { device }),
        1 => device().prop_map(|device| Verb::Release { device }),
        2 => (device(), change).prop_map(|(device, change)| Verb::Change { device, change }),
        1 => (device(), by).prop_map(|(device, by)| Verb::Purge { device, by }),
        1 => device().prop_map(|device| Verb::ClearFork { device }),
        2 => (device(), any::<bool>()).prop_map(|(device, history)| Verb::Reveal { device, history }),
        1 => (0..4_u8).prop_map(|on| Verb::Switch { on: on > 0 }),
        1 => Just(Verb::Restored),
        3 => Just(Verb::Trim),
        5 => prop_oneof![1..30_u64, 200..1000_u64].prop_map(|hours| Verb::Pass { hours }),
    ];
    proptest::collection::vec(verb, 10..60)
}

/// A world with its devices.
struct Run {
    world: World,
    devices: Vec<DeviceId>,
}

impl Run {
    async fn new(store: Arc<dyn Store>) -> Self {
        let mut world = World::new(store).await;
        let first = world.device().await;
        let devices = vec![first, world.device().await, world.successor(first).await];
        Self { world, devices }
    }

    /// Carries out a verb; the answer as text.
    async fn apply(&mut self, verb: &Verb) -> String {
        let w = &mut self.world;
        let devices = self.devices.clone();
        let of = |device: u8| devices[usize::from(device)];
        let id = |number: u8| VersionId::from_bytes([number + 1; 16]);
        match *verb {
            Verb::Store { device, version, account } => {
                let new = NewVersion {
                    version: id(version),
                    account_id: account.to_string(),
                    fingerprint: Fingerprint::from_bytes([version + 1; 16]),
                    ..w.version(of(device))
                };
                format!("{:?}", w.put(new).await)
            }
            Verb::Prove { device, version } => format!("{:?}", w.prove(of(device), id(version)).await),
            Verb::Abandon { device, version } => format!("{:?}", w.abandon(of(device), id(version)).await),
            Verb::Report { device, installed, acknowledged, intent } => {
                let report = Report {
                    acknowledged: acknowledged.map(id),
                    intent: intent.map(id),
                    ..w.truth(of(device), installed.map(id)).await
                };
                format!("{:?}", w.report(report).await)
            }
            Verb::Truth { device } => {
                let current = w.store.versions(of(device), true).await.ok().and_then(|versions| {
                    let own = versions.into_iter().filter(|version| version.state == VersionState::Current);
                    own.filter(|version| !version.of_predecessor).max_by_key(|version| version.sequence)
                });
                let report = w.truth(of(device), current.map(|version| version.version)).await;
                format!("{:?}", w.report(report).await)
            }
            Verb::Request { device } => format!("{:?}", w.request(of(device)).await),
            Verb::Release { device } => {
                let entry = w.entry();
                format!("{:?}", w.store.release(of(device), w.now, entry).await)
            }
            Verb::Change { device, change } => format!("{:?}", w.change(of(device), change).await),
            Verb::Purge { device, by } => {
                let entry = w.entry();
                format!("{:?}", w.store.purge_device(of(device), by, w.now, entry).await)
            }
            Verb::ClearFork { device } => {
                let entry = w.entry();
                format!("{:?}", w.store.clear_fork(of(device), w.now, entry).await)
            }
            Verb::Reveal { device, history } => format!("{:?}", w.reveal(of(device), history).await),
            Verb::Switch { on } => format!("{:?}", w.settings(|settings| settings.laps_enabled = on).await),
            Verb::Restored => {
                let (incarnation, entry) = (laps::id::Incarnation::from_bytes(w.bytes16()), w.entry());
                format!("{:?}", w.store.begin_incarnation(incarnation, w.now, w.now, entry).await)
            }
            Verb::Trim => format!("{:?}", w.trim().await),
            Verb::Pass { hours } => {
                w.pass_hours(hours);
                String::new()
            }
        }
    }

    /// Everything that a reader can see, as text.
    async fn seen(&self) -> String {
        let w = &self.world;
        let mut seen = format!("{:?} {:?}", w.store.counts().await, w.store.audit_heads().await);
        seen += &format!("{:?}", w.store.purgeable(w.now, 10).await);
        seen += &format!("{:?}", w.store.credentials(DeviceFilter::default(), Page::first(10)).await);
        seen += &format!("{:?}", w.store.work_since(0, 1000).await);
        for device in &self.devices {
            seen += &format!("\n{:?}", w.store.device(*device).await);
            seen += &format!("{:?}", w.store.versions(*device, true).await);
            seen += &format!("{:?}", w.store.last_report(*device).await);
            seen += &format!("{:?}", w.store.rotation_requests(*device).await);
            seen += &format!("{:?}", w.events(*device).await);
        }
        seen
    }
}

async fn compare(list: &[Verb]) {
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::create(&directory.path().join("lapwing.db")).unwrap();
    let mut runs = [Run::new(Arc::new(MemoryStore::new())).await, Run::new(Arc::new(sqlite)).await];
    for (number, verb) in list.iter().enumerate() {
        let [memory, sqlite] = &mut runs;
        assert_eq!(memory.apply(verb).await, sqlite.apply(verb).await, "answer to verb {number}: {verb:?}");
        assert_eq!(memory.seen().await, sqlite.seen().await, "after verb {number}: {verb:?}");
    }
    for run in runs {
        run.world.finish().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn both_stores_answer_the_same(list in verbs()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(compare(&list));
    }
}

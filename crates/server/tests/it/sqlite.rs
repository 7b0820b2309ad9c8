//! What only the SQLite store has: files, versions of the schema, durability under SIGKILL.

use crate::setting::*;
use laps::{
    id::{DeviceId, VersionId},
    rotation::Fingerprint,
};
use server::{
    audit::Verifier,
    store::{sqlite::SqliteStore, *},
};
use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::Arc,
};

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let setting = Setting::new().await;
    let path = setting.data.database();
    drop(setting.store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let known: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    connection.pragma_update(None, "user_version", known + 1).unwrap();
    drop(connection);
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path).err().unwrap();
    assert_eq!(refused, StoreError::Newer { found: known + 1, known });
    assert_eq!(refused.code(), "database_newer");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_file_is_its_owners_only_and_is_never_made_twice() {
    let setting = Setting::new().await;
    let path = setting.data.database();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SqliteStore::create(&path).err(), Some(StoreError::Exists("database")));
    let nowhere = setting.directory.path().join("none.db");
    assert_eq!(SqliteStore::open(&nowhere).err(), Some(StoreError::NotInitialised));
    assert!(!nowhere.exists());
}

#[tokio::test]
async fn an_empty_database_is_brought_to_this_version_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("empty.db");
    std::fs::write(&path, b"").unwrap();
    for _ in 0..2 {
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.tenant().await, Err(StoreError::NotInitialised));
        assert_eq!(store.audit_heads().await, Ok(vec![]));
    }
    let connection = rusqlite::Connection::open(&path).unwrap();
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert!(version > 0);
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    // No file can be made there, not even by root.
    let refused = SqliteStore::create(std::path::Path::new("/sys/lapwing.db")).err().unwrap();
    assert_eq!((refused.code(), refused), ("database_read_only", StoreError::ReadOnly));
}

#[tokio::test]
async fn nothing_is_acknowledged_before_the_commit() {
    let setting = Setting::new().await;
    let device = setting.join().await;
    // Another process writes: the commit has to wait, and so has the acknowledgement.
    let other = rusqlite::Connection::open(setting.data.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let new = setting.version(device, "held up");
    let version = new.version;
    let mut verb = setting.store.store_pending(new, at(1), entry(at(1)));
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), &mut verb).await;
    assert!(early.is_err(), "acknowledged while it cannot be durable");
    assert_eq!(setting.store.versions(device, true).await, Ok(vec![]));
    other.execute_batch("ROLLBACK").unwrap();
    verb.await.unwrap();
    // What is acknowledged is seen by everybody.
    let seen: i64 = other
        .query_row("SELECT count(*) FROM version WHERE version = ?", [version.as_bytes()], |row| row.get(0))
        .unwrap();
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_full_database_refuses_before_anything_changes() {
    let setting = Setting::new().await;
    let device = setting.join().await;
    setting.rotate(device, "first", at(1)).await;
    // The engine's own bound on pages stands for a full disk: the same error at the same place.
    setting.store.limit_pages(1).await.unwrap();
    let mut stored = 0;
    let refused = loop {
        assert!(stored < 1000, "the bound holds");
        match setting.store.store_pending(setting.version(device, "next"), at(2), entry(at(2))).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, StoreError::DiskFull);
    // All or nothing, and reading goes on; a reveal cannot be recorded, so it is refused (I2).
    assert_eq!(setting.store.versions(device, true).await.unwrap().len(), 1 + stored);
    setting.store.integrity().await.unwrap();
    let mut refused_reveal = None;
    for _ in 0..100 {
        if let Err(error) = setting.read(&*setting.store, device).await {
            refused_reveal = Some(error);
            break;
        }
    }
    assert_eq!(refused_reveal, Some(StoreError::DiskFull));
    setting.store.limit_pages(1 << 20).await.unwrap();
    setting.store.store_pending(setting.version(device, "later"), at(3), entry(at(3))).await.unwrap();
}

#[tokio::test]
async fn concurrent_stores_share_commits_and_every_verb_has_its_own_savepoint() {
    let setting = Arc::new(Setting::new().await);
    let device = setting.join().await;
    let taken = setting.version(device, "taken");
    setting.store.store_pending(taken.clone(), at(1), entry(at(1))).await.unwrap();
    let commits_before = setting.store.commits();
    let tasks: Vec<_> = (0..200)
        .map(|index| {
            let setting = Arc::clone(&setting);
            // Every fourth one is refused in the middle of its batch.
            let new = if index % 4 == 0 {
                NewVersion { fingerprint: Fingerprint::from_bytes([9; 16]), ..taken.clone() }
            } else {
                setting.version(device, "fine")
            };
            tokio::spawn(async move { setting.store.store_pending(new, at(2), entry(at(2))).await })
        })
        .collect();
    let mut sequences = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            Ok(stored) => sequences.push(stored.sequence),
            Err(error) => assert_eq!((index % 4, error), (0, StoreError::VersionConflict)),
        }
    }
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), 150);
    assert_eq!(setting.store.versions(device, true).await.unwrap().len(), 151);
    let commits = setting.store.commits() - commits_before;
    assert!(commits < 150, "{commits} commits for 200 verbs");
}

#[tokio::test]
async fn what_is_the_same_as_before_costs_no_durable_write() {
    // Issue 2, point 21 (g).
    let setting = Setting::new().await;
    let device = setting.join().await;
    let version = setting.rotate(device, "one", at(1)).await;
    let report = Report {
        device,
        account_id: Some("0".into()),
        account_name: Some("root".into()),
        usability: "usable".into(),
        installed: None,
        acknowledged: Some(version),
        intent: None,
        last_error: None,
        evidence: "{}".into(),
        name: "m".into(),
        os: "Debian 13".into(),
        agent_version: "0.1.0".into(),
    };
    assert!(setting.store.report(report.clone(), at(2)).await.unwrap().written);
    let commits = setting.store.commits();
    for second in 3..20 {
        setting.store.note_seen(device, at(second));
        assert!(!setting.store.report(report.clone(), at(second)).await.unwrap().written);
    }
    assert_eq!(setting.store.commits(), commits);
    assert_eq!(setting.store.device(device).await.unwrap().unwrap().last_seen, Some(at(19)));
    assert_eq!(setting.store.flush_seen().await, Ok(1));
    assert_eq!(setting.store.flush_seen().await, Ok(0));
    drop(setting.store);
    let store = SqliteStore::open(&setting.data.database()).unwrap();
    assert_eq!(store.device(device).await.unwrap().unwrap().last_seen, Some(at(19)));
}

/// The child of [`sigkill_loses_no_acknowledged_version`]: stores until it is killed, and prints each
/// version after its acknowledgement.
#[test]
#[ignore = "run by sigkill_loses_no_acknowledged_version in a process of its own"]
fn child_that_stores() {
    use std::io::Write as _;
    let Some(root) = std::env::var_os("LAPWING_TEST_DATA") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let data = server::ops::DataDirectory::new(root.as_ref());
        let store = Arc::new(SqliteStore::open(&data.database()).unwrap());
        let keys = Arc::new(server::seal::KeyFiles::new(&data.keys()));
        let sealer = Arc::new(sealer(&keys, FIRST_KEY));
        let device = store.devices(DeviceFilter::default(), Page::first(1)).await.unwrap().items.remove(0).id;
        let mut tasks = tokio::task::JoinSet::<()>::new();
        for _ in 0..16 {
            let (store, sealer) = (Arc::clone(&store), Arc::clone(&sealer));
            tasks.spawn(async move {
                loop {
                    let new = new_version(&sealer, device, "a password");
                    let version = new.version;
                    store.store_pending(new, at(5), entry(at(5))).await.unwrap();
                    writeln!(std::io::stdout(), "stored {version}").unwrap();
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
    });
}

#[tokio::test]
async fn sigkill_loses_no_acknowledged_version() {
    let setting = Setting::new().await;
    let device: DeviceId = setting.join().await;
    let records_before = setting.store.audit_heads().await.unwrap()[0].sequence;
    drop(setting.store);
    let mut acknowledged: Vec<VersionId> = Vec::new();
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sqlite::child_that_stores", "--ignored", "--nocapture", "--test-threads=1"])
            .env("LAPWING_TEST_DATA", setting.directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wanted = 50 + round * 7;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < wanted {
            // The harness may print on the same line before the first one.
            let line = lines.next().expect("the child stores until it is killed").unwrap();
            if let Some((_, version)) = line.split_once("stored ") {
                acknowledged.push(version.parse().unwrap());
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was printed and not read yet was acknowledged all the same; a torn last line was not.
        for line in lines.map_while(Result::ok) {
            acknowledged.extend(line.split_once("stored ").and_then(|(_, version)| version.parse::<VersionId>().ok()));
        }
        let store = SqliteStore::open(&setting.data.database()).unwrap();
        store.integrity().await.unwrap();
        let stored = store.versions(device, true).await.unwrap();
        for version in &acknowledged {
            assert!(stored.iter().any(|row| row.version == *version), "{version} was acknowledged and is lost");
        }
        let mut verifier = Verifier::new(1, None);
        loop {
            let records = store.audit_chain(1, verifier.head().sequence, 1000).await.unwrap();
            if records.is_empty() {
                break;
            }
            records.iter().for_each(|record| verifier.take(record).unwrap());
        }
        // One record for each version that is stored, in the same transaction.
        assert_eq!(verifier.head().sequence - records_before, stored.len() as u64);
    }
    println!("{} acknowledgements over 10 kills, none lost", acknowledged.len());
    assert!(acknowledged.len() >= 500);
}

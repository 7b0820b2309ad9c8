//! The peer of (b): SQLite as the product's store has it (WAL, synchronous=FULL), one writer that takes what is queued,
//! commits once and answers all. `group_commit --dir DIR [--clients 32] [--seconds 4] [--rows 10000] [--writes one|all]`
//! prints its rate. `one` is one row for each store, the sealed record; `all` inserts every row that the product writes
//! for a store: the version with its index, the record of the audit log, the next sequence.

use anyhow::Result;
use rusqlite::{Connection, params};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Bytes of one sealed record: envelope, wrapped key, nonce, tag and a password.
const RECORD_BYTES: usize = 300;
const BATCH_MAX: usize = 1024;
const UPSERT: &str = "INSERT INTO record (id, blob, version, at) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (id) DO UPDATE SET blob = excluded.blob, version = version + 1, at = excluded.at";

/// The rows of a store as the product has them (its schema, without what is not written by a store).
const SCHEMA_ALL: &str = "
    CREATE TABLE sequence (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL) STRICT;
    INSERT INTO sequence VALUES (1, 0);
    CREATE TABLE version (device BLOB NOT NULL, version BLOB NOT NULL, account_id TEXT NOT NULL,
        account_name TEXT NOT NULL, state TEXT NOT NULL, sequence INTEGER NOT NULL, fingerprint BLOB NOT NULL,
        stored_at INTEGER NOT NULL, device_time INTEGER, expires_at INTEGER, kind INTEGER NOT NULL, key INTEGER NOT NULL,
        wrapped_key BLOB NOT NULL, nonce BLOB NOT NULL, ciphertext BLOB NOT NULL,
        PRIMARY KEY (device, version)) STRICT, WITHOUT ROWID;
    CREATE INDEX version_key ON version (key);
    CREATE TABLE audit (chain INTEGER NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL, at INTEGER NOT NULL,
        activity TEXT NOT NULL, category TEXT NOT NULL, actor_kind TEXT NOT NULL, actor_id TEXT NOT NULL,
        actor_name TEXT NOT NULL, target_kind TEXT NOT NULL, target_id TEXT NOT NULL, target_name TEXT NOT NULL,
        request_id TEXT NOT NULL, client TEXT NOT NULL, detail TEXT NOT NULL, disclosed BLOB NOT NULL,
        previous BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (chain, sequence)) STRICT, WITHOUT ROWID;";
const VERSION: &str = "INSERT INTO version VALUES (?1, ?2, '0', 'root', 'pending', ?3, ?2, 134000000000000000,
    134000000000000000, 134000000000000000, 1, 1, ?4, ?5, ?6)";
const AUDIT: &str = "INSERT INTO audit VALUES (1, ?1, ?2, 134000000000000000,
    'Update device local administrator password', 'Device', 'device', ?3, ?3, 'device', ?3, 'bench-1', ?3,
    '{\"address\":\"127.0.0.1\",\"clientRequestId\":null,\"userAgent\":\"lapwing-bench\"}',
    '{\"account\":\"root\",\"reasons\":[\"password_expired\"],\"state\":\"pending\",\"version\":\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\"}',
    x'', ?4, ?5)";
const DEVICES: i64 = 256;

struct Job {
    id: i64,
    blob: Vec<u8>,
    done: SyncSender<()>,
}

fn main() -> Result<()> {
    let dir = bench::argument("dir", ".");
    let (clients, rows) = (bench::number("clients", 32), bench::number("rows", 10_000) as i64);
    let slice = Duration::from_secs(bench::number("seconds", 4));
    let all = bench::argument("writes", "one") == "all";
    let store = open(&dir, rows)?;
    let (queue, jobs) = channel();
    let writer = std::thread::spawn(move || write(store, &jobs, if all { insert_all } else { upsert_one }));
    let (began, cpu) = (Instant::now(), bench::own_cpu_s());
    let until = began + slice;
    let clients: Vec<_> = (0..clients)
        .map(|client| {
            let queue = queue.clone();
            std::thread::spawn(move || submit(client as i64, rows, &queue, until))
        })
        .collect();
    drop(queue);
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?);
    }
    let elapsed = began.elapsed();
    let commits = writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    let seen = bench::load::seen(latencies, elapsed, bench::own_cpu_s() - cpu);
    println!(
        "{{\"peer\":\"sqlite-group-commit\",\"per_s\":{:.0},\"commits\":{commits},\"p50_us\":{:.0},\"p99_us\":{:.0},\"cpu_us\":{:.1}}}",
        seen.per_s, seen.p50_us, seen.p99_us, seen.server_us
    );
    Ok(())
}

fn open(dir: &str, rows: i64) -> Result<Connection> {
    std::fs::create_dir_all(dir)?;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{dir}/peer.db{suffix}"));
    }
    let mut store = Connection::open(format!("{dir}/peer.db"))?;
    store.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE record (id INTEGER PRIMARY KEY, blob BLOB NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL);",
    )?;
    store.execute_batch(SCHEMA_ALL)?;
    let fill = store.transaction()?;
    for id in 0..rows {
        fill.prepare_cached(UPSERT)?.execute(params![id, random()?, 1])?;
    }
    fill.commit()?;
    store.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(store)
}

fn upsert_one(store: &Connection, job: &Job) -> Result<()> {
    store.prepare_cached(UPSERT)?.execute(params![job.id, job.blob, 2])?;
    Ok(())
}

/// Device, version, keys and hashes are parts of the job's random bytes.
fn insert_all(store: &Connection, job: &Job) -> Result<()> {
    let part = |from: usize, bytes: usize| job.blob.get(from..from + bytes).unwrap_or_default();
    let device = (job.id % DEVICES).wrapping_mul(0x5851_f42d_4c95_7f2d).to_be_bytes().repeat(2);
    store.prepare_cached("UPDATE sequence SET last = last + 1 WHERE one = 1")?.execute([])?;
    let sequence: i64 = store.prepare_cached("SELECT last FROM sequence")?.query_row([], |row| row.get(0))?;
    let (version, wrapped, nonce, sealed) = (part(0, 16), part(16, 40), part(56, 12), part(68, 36));
    store.prepare_cached(VERSION)?.execute(params![device, version, sequence, wrapped, nonce, sealed])?;
    let text = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    store.prepare_cached(AUDIT)?.execute(params![sequence, version, text, part(104, 32), part(136, 32)])?;
    Ok(())
}

fn write(mut store: Connection, jobs: &Receiver<Job>, one: fn(&Connection, &Job) -> Result<()>) -> Result<u64> {
    let mut commits = 0;
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX - 1)).collect();
        let transaction = store.transaction()?;
        for job in &batch {
            one(&transaction, job)?;
        }
        transaction.commit()?;
        commits += 1;
        for job in batch {
            let _ = job.done.send(());
        }
    }
    Ok(commits)
}

fn submit(client: i64, rows: i64, queue: &Sender<Job>, until: Instant) -> Vec<f64> {
    let (done, answered) = sync_channel(1);
    let (mut latencies, mut id) = (Vec::new(), client * 7919);
    while Instant::now() < until {
        id = (id * 48_271 + 11) % rows.max(1);
        let Ok(blob) = random() else { break };
        let began = Instant::now();
        if queue.send(Job { id, blob, done: done.clone() }).is_err() || answered.recv().is_err() {
            break;
        }
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
    }
    latencies
}

fn random() -> Result<Vec<u8>> {
    let mut blob = vec![0; RECORD_BYTES];
    getrandom::fill(&mut blob).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(blob)
}

//! The peer of (b): SQLite as the product's store has it (WAL, synchronous=FULL), one writer that takes what is queued,
//! commits once and answers all. `group_commit --dir DIR [--clients 32] [--seconds 4] [--rows 10000]` prints its rate.

use anyhow::Result;
use rusqlite::{Connection, params};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Bytes of one sealed record: envelope, wrapped key, nonce, tag and a password.
const RECORD_BYTES: usize = 300;
const BATCH_MAX: usize = 1024;
const UPSERT: &str = "INSERT INTO record (id, blob, version, at) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (id) DO UPDATE SET blob = excluded.blob, version = version + 1, at = excluded.at";

struct Job {
    id: i64,
    blob: Vec<u8>,
    done: SyncSender<()>,
}

fn main() -> Result<()> {
    let dir = bench::argument("dir", ".");
    let (clients, rows) = (bench::number("clients", 32), bench::number("rows", 10_000) as i64);
    let slice = Duration::from_secs(bench::number("seconds", 4));
    let store = open(&dir, rows)?;
    let (queue, jobs) = channel();
    let writer = std::thread::spawn(move || write(store, &jobs));
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
    let fill = store.transaction()?;
    for id in 0..rows {
        fill.prepare_cached(UPSERT)?.execute(params![id, random()?, 1])?;
    }
    fill.commit()?;
    store.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(store)
}

fn write(mut store: Connection, jobs: &Receiver<Job>) -> Result<u64> {
    let mut commits = 0;
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX - 1)).collect();
        let transaction = store.transaction()?;
        for job in &batch {
            transaction.prepare_cached(UPSERT)?.execute(params![job.id, job.blob, 2])?;
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

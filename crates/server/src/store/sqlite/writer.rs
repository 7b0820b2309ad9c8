//! The one writer: a thread that carries out verbs in batches and acknowledges after the commit.
//!
//! While one batch is being made durable the next one gathers, so that the cost of `fsync` is shared
//! (group commit). Each verb has its own savepoint: one that is refused undoes only itself. Verbs that refuse before
//! they write anything ([`Undo::Nothing`]) need none.

use super::StoreError;
use rusqlite::Connection;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
};
use tokio::sync::{oneshot, watch};

/// The most verbs in one commit.
const BATCH_MAX: usize = 256;
/// Verbs that may wait; more are refused, so that a full queue shows instead of growing.
const QUEUE_MAX: usize = 8192;

/// The order of verbs within a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// A person waits for a password: before the writes of devices.
    Reveal,
    /// Everything else.
    Normal,
}

/// What has to be undone when a verb is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undo {
    /// What it wrote before.
    Writes,
    /// Nothing: it refuses before its first write. Should it fail behind that all the same, which only a fault of the
    /// database can do, the whole batch is undone and refused.
    Nothing,
}

/// What is left of a verb after it ran: tell it the fate of the commit.
type Acknowledge = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A verb: runs in its savepoint, or is told why it cannot, and says whether the savepoint stands.
type Run = Box<dyn FnOnce(Result<&Connection, StoreError>) -> (Result<(), StoreError>, Acknowledge) + Send>;

struct Job {
    lane: Lane,
    undo: Undo,
    run: Run,
}

/// The sending side of the writer.
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection, work: watch::Sender<u64>) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let commits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&commits);
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_batches(&connection, &jobs, &work, &counted))
            .map_err(|error| StoreError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), commits })
    }

    /// Commits since the start.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// Queues a verb; the receiver gets its answer when it is durable.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        lane: Lane,
        undo: Undo,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let (send, receive) = oneshot::channel();
        let run: Run = Box::new(move |connection| {
            let answer = connection.and_then(verb);
            let stands = answer.as_ref().map(|_| ()).map_err(StoreError::clone);
            let acknowledge: Acknowledge = Box::new(move |commit| {
                // Nobody may be waiting any more; what was committed stands all the same.
                let _ = send.send(answer.and_then(|value| commit.map(|()| value)));
            });
            (stands, acknowledge)
        });
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.try_send(Job { lane, undo, run }).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("the queue of the writer is full".into()),
            TrySendError::Disconnected(_) => closed(),
        })?;
        Ok(receive)
    }
}

impl Drop for Writer {
    /// Lets the writer finish what is queued.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the writer has stopped".into())
}

fn write_batches(connection: &Connection, jobs: &Receiver<Job>, work: &watch::Sender<u64>, commits: &AtomicU64) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    while let Ok(first) = jobs.recv() {
        batch.push(first);
        // Under load the threads that have verbs ready go first and share this commit; when there are none this
        // returns at once.
        std::thread::yield_now();
        batch.extend(jobs.try_iter().take(BATCH_MAX - 1));
        batch.sort_by_key(|job| job.lane);
        let (acknowledgements, outcome) = write_batch(connection, batch.drain(..));
        if outcome.is_ok() {
            commits.fetch_add(1, Ordering::Relaxed);
            let newest = connection
                .prepare_cached("SELECT coalesce(max(sequence), 0) FROM work")
                .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
            if let Ok(newest) = newest {
                work.send_if_modified(|known| {
                    let newer = newest as u64 > *known;
                    *known = (*known).max(newest as u64);
                    newer
                });
            }
        }
        for acknowledge in acknowledgements {
            acknowledge(outcome.clone());
        }
    }
    // What the next start would do anyway; a failure changes nothing that is durable.
    let _ = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
}

/// Runs the verbs in one transaction. An error means that none of them stands.
fn write_batch(connection: &Connection, jobs: impl Iterator<Item = Job>) -> (Vec<Acknowledge>, Result<(), StoreError>) {
    let mut acknowledgements = Vec::new();
    let mut outcome = statement(connection, "BEGIN IMMEDIATE");
    for job in jobs {
        let has_savepoint = job.undo == Undo::Writes;
        if outcome.is_ok() && has_savepoint {
            outcome = statement(connection, "SAVEPOINT verb");
        }
        let changes = connection.total_changes();
        let (stands, acknowledge) = (job.run)(outcome.clone().map(|()| connection));
        acknowledgements.push(acknowledge);
        if outcome.is_ok() {
            outcome = match stands {
                // A full disk or an I/O error makes SQLite undo the whole transaction by itself.
                Err(error) if connection.is_autocommit() => Err(error),
                Err(_) if has_savepoint => statement(connection, "ROLLBACK TO verb; RELEASE verb"),
                Ok(()) if has_savepoint => statement(connection, "RELEASE verb"),
                Err(error) if connection.total_changes() != changes => Err(error),
                _ => Ok(()),
            };
        }
    }
    let outcome = outcome.and_then(|()| statement(connection, "COMMIT"));
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    (acknowledgements, outcome)
}

fn statement(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    if sql.contains(';') {
        connection.execute_batch(sql)?;
    } else {
        connection.prepare_cached(sql)?.execute([])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Answered = oneshot::Receiver<Result<(), StoreError>>;

    /// Verbs in one batch: the writer is held up until all of them are queued.
    fn in_one_batch(queue: impl FnOnce(&Writer) -> Vec<Answered>) -> (Vec<Result<(), StoreError>>, i64) {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x INTEGER)").unwrap();
        let writer = Writer::start(connection, watch::channel(0).0).unwrap();
        let (begun, runs) = sync_channel::<()>(0);
        let (go, held) = sync_channel::<()>(0);
        let hold = move |_: &Connection| {
            begun.send(()).unwrap();
            held.recv().unwrap();
            Ok(())
        };
        let first = writer.submit(Lane::Normal, Undo::Nothing, hold).unwrap();
        runs.recv().unwrap();
        let queued = queue(&writer);
        go.send(()).unwrap();
        first.blocking_recv().unwrap().unwrap();
        let answers = queued.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
        let count = |tx: &Connection| Ok(tx.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?);
        let rows = writer.submit(Lane::Normal, Undo::Writes, count).unwrap().blocking_recv().unwrap().unwrap();
        (answers, rows)
    }

    fn insert(tx: &Connection) -> Result<(), StoreError> {
        tx.execute("INSERT INTO t VALUES (1)", [])?;
        Ok(())
    }

    fn insert_and_refuse(tx: &Connection) -> Result<(), StoreError> {
        insert(tx)?;
        Err(StoreError::Changed)
    }

    #[test]
    fn what_a_refused_verb_wrote_is_undone_alone() {
        let (answers, rows) = in_one_batch(|writer| {
            vec![
                writer.submit(Lane::Normal, Undo::Writes, insert).unwrap(),
                writer.submit(Lane::Normal, Undo::Writes, insert_and_refuse).unwrap(),
                writer.submit(Lane::Normal, Undo::Nothing, |_| Err(StoreError::Changed)).unwrap(),
                writer.submit(Lane::Normal, Undo::Nothing, insert).unwrap(),
            ]
        });
        assert_eq!(answers, [Ok(()), Err(StoreError::Changed), Err(StoreError::Changed), Ok(())]);
        assert_eq!(rows, 2);
    }

    #[test]
    fn a_verb_that_wrote_before_it_failed_takes_its_batch_with_it() {
        let (answers, rows) = in_one_batch(|writer| {
            vec![
                writer.submit(Lane::Normal, Undo::Writes, insert).unwrap(),
                writer.submit(Lane::Normal, Undo::Nothing, insert_and_refuse).unwrap(),
                writer.submit(Lane::Normal, Undo::Writes, insert).unwrap(),
            ]
        });
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        assert_eq!(rows, 0);
    }
}

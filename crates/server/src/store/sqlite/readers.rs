//! A few read connections, each used by one verb at a time, in a read transaction.

use super::{Answer, StoreError, open_reader};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{Semaphore, oneshot};

/// Read connections.
const READERS: usize = 4;

/// A verb with the place for its answer.
type Run = Box<dyn FnOnce(&Connection) + Send>;

/// The pool.
pub(super) struct Readers {
    connections: Arc<Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Readers {
    /// Opens the connections.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connections = (0..READERS).map(|_| open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { connections: Arc::new(Mutex::new(connections)), free: Arc::new(Semaphore::new(READERS)) })
    }

    /// Runs a verb that only reads, off the threads that serve requests. All of it sees one state.
    pub(super) fn read<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<'static, T> {
        let (send, receive) = oneshot::channel();
        let done = self.run(Box::new(move |connection| {
            // Nobody may be waiting any more.
            let _ = send.send(read_in_transaction(connection, verb));
        }));
        Box::pin(async move {
            done.await?;
            receive.await.unwrap_or_else(|_| Err(closed()))
        })
    }

    /// What is the same for every verb, and therefore compiled once.
    fn run(&self, run: Run) -> Answer<'static, ()> {
        let (connections, free) = (Arc::clone(&self.connections), Arc::clone(&self.free));
        Box::pin(async move {
            let permit = free.acquire_owned().await.map_err(|_| closed())?;
            let work = move || {
                let taken = connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = taken.ok_or_else(closed)?;
                run(&connection);
                connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                drop(permit);
                Ok(())
            };
            tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(closed()))
        })
    }
}

fn read_in_transaction<T>(
    connection: &Connection,
    verb: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let answer = verb(connection);
    connection.prepare_cached("ROLLBACK")?.execute([])?;
    answer
}

fn closed() -> StoreError {
    StoreError::Unavailable("the readers have stopped".into())
}

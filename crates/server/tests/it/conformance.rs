//! The conformance suite of testkit on both stores.

use server::store::{Store, sqlite::SqliteStore};
use std::sync::Arc;
use testkit::{memory::MemoryStore, store_conformance};

async fn in_memory() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new()), ())
}

async fn in_sqlite() -> (Arc<dyn Store>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(&directory.path().join("lapwing.db")).unwrap();
    (Arc::new(store), directory)
}

store_conformance!(memory, in_memory);
store_conformance!(sqlite, in_sqlite);

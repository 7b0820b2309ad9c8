//! Integration tests of the wire formats.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

mod dm_documents;
mod dm_fuzz;
mod dm_session;

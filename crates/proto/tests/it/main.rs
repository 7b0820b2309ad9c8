//! Integration tests of the wire formats.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

mod admx;
mod ddf;
mod dm_documents;
mod dm_fuzz;
mod dm_session;
mod reference;
mod tree;

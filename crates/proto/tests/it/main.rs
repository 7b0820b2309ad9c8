//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod admx;
mod ddf;
mod reference;
mod tree;
//! Integration tests of the wire formats.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

mod dm_documents;
mod dm_fuzz;
mod dm_session;

//! Integration tests of the wire formats.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod admx;
mod audit;
mod ddf;
mod dm_documents;
mod dm_fuzz;
mod dm_session;
mod reference;
mod tree;

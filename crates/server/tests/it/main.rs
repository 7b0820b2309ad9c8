//! Integration tests of the server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod conformance;
mod differential;
mod mdm;
mod ops;
mod setting;
mod sqlite;

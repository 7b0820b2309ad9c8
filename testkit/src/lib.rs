//! For tests only: the store in memory with the semantics of a crash, and the conformance suite of stores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails by panicking")]

pub mod conformance;
pub mod memory;

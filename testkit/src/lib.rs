//! For tests only: the store in memory with the semantics of a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails by panicking")]

pub mod memory;

//! For tests only: the store in memory with the semantics of a crash, the conformance suite of stores, a fake
//! device, the programs as processes, a real browser, the simulator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails by panicking")]

pub mod ad_lab;
pub mod browser;
pub mod conformance;
pub mod device;
pub mod memory;
pub mod programs;
pub mod sim;

//! Integration tests of the agent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step of a test ends the test")]

mod accounts;
mod cli;
mod cycle;
mod drift;
mod kill;
mod run;
mod world;

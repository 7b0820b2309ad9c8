//! Integration tests of the agent.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step of a test ends the test, and figures are printed"
)]

mod accounts;
mod cli;
mod cycle;
#[cfg(feature = "ad")]
mod domain_kill;
mod drift;
mod kill;
mod owned;
mod owned_kill;
mod run;
mod served;
mod sign_in;
mod synced;
mod world;

//! The program as it is run: arguments in, stdout, stderr and exit status out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

mod ad;
mod demo;
mod documents;
mod drift;
mod escrow;
mod explain;
mod generate;
mod manage;
mod people;
mod program;
mod published;
mod readme;
#[cfg(feature = "ad")]
mod recover;
mod signed_in;
mod usage;
mod watched;
mod world;

//! The program as it is run: arguments in, stdout, stderr and exit status out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod documents;
mod generate;
mod program;
mod usage;

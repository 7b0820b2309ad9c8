//! Integration tests: one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod active_directory;
mod csp;
mod directory;
mod drift;
mod explain;
mod explain_domain;
mod missing_password;
mod model;
mod owned;
mod rotation;

//! Integration tests of the formats and the cryptography of the Active Directory side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod domain;
mod fuzz;
mod hostile;
mod known_blobs;
mod python;
mod round_trip;
mod windows;

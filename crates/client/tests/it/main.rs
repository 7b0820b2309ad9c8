//! The client against a scripted server over real TLS.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod scripted;
mod tls;

//! Integration tests of the server: its store and operations, and the server from outside (real TLS on
//! port 0, the embedded store, plain HTTP clients).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod campaigns;
mod conformance;
mod device;
mod differential;
mod durability;
mod graph;
mod harness;
mod life;
mod matrix;
mod mdm;
mod ops;
mod policies;
mod routes;
mod setting;
mod sign_in;
mod sqlite;
mod uses;

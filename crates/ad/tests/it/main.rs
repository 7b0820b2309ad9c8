//! Everything against a real domain (testkit/ad-lab), and against servers that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[allow(dead_code, unreachable_pub, reason = "it is written for testkit, whose users need more of it")]
#[path = "../../../../testkit/src/ad_lab.rs"]
mod ad_lab;
mod admin;
mod alone;
mod backup;
mod faults;
mod finding;
mod key_service;
mod name_server;
mod proxy;
mod rights;
mod servers;
mod sign_in;
mod support;
mod two;

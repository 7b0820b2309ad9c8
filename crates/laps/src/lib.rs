//! The rules of LAPS, and nothing else.
//!
//! This crate decides: what a policy means, which writes a configuration tree takes, how a password
//! must look, when it is due, in which order a rotation goes, and why a password is missing. It has no
//! I/O, no clock, no randomness of its own, no async and no serde: callers pass in facts, the time and a
//! generator, and carry out what it answers.
//!
//! In contact with: `proto` (wire formats on top of these types), `server` and `agent` (the shells).
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod account;
pub mod active_directory;
pub mod csp;
pub mod cycle;
pub mod decide;
pub mod drift;
pub mod event;
pub mod explain;
pub mod id;
pub mod password;
pub mod policy;
pub mod post_auth;
pub mod rollout;
pub mod rotation;
pub mod text;
pub mod time;

//! Integration tests of the server: its store and operations, and the server from outside (real TLS on
//! port 0, the embedded store, plain HTTP clients).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod account;
mod admin;
mod admin_access;
mod admin_access_browser;
mod admin_account;
mod admin_account_browser;
mod admin_browser;
mod admin_groups;
mod admin_matrix;
mod admin_pages;
mod admin_policies;
mod admin_settings;
mod admit;
mod audit_export;
mod campaigns;
mod conformance;
mod device;
mod differential;
mod durability;
mod federation;
mod graph;
mod harness;
mod hostile_names;
mod life;
mod matrix;
mod mdm;
mod notify;
mod ops;
mod policies;
mod policies_browser;
mod readers;
mod reading;
mod routes;
mod setting;
mod sign_in;
mod sqlite;
mod uses;
mod witness;

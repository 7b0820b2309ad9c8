//! lapwingd: directory, management server and Graph-compatible API.
//!
//! `http` decodes, calls `app` and encodes; `app` decides with `authz` and uses `store`, `seal`,
//! `audit`, `ca` and `oauth`. Time, randomness and the store are given to `app`.
#![warn(missing_docs)]

pub mod app;
pub mod audit;
pub mod authz;
pub mod ca;
pub mod http;
pub mod instance;
pub mod oauth;
pub mod ops;
pub mod seal;
pub mod store;

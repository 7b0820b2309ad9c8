//! The formats of the cloud side, and nothing else: the device API, SyncML, Graph, OAuth2, and the
//! documents that are rendered from the table of settings.
//!
//! No I/O, no clock, no randomness. Modules do not import each other; each stands on `laps`.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin;
pub mod admx;
pub mod audit;
pub mod ddf;
pub mod device;
pub mod dm;
pub mod escrow;
pub mod graph;
pub mod hex;
pub mod oauth;
pub mod reference;
pub mod serde_text;
mod xml;

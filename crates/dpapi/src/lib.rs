//! The formats and cryptography of Lapwing's Active Directory side, and nothing else.
//!
//! [`gkdi`] derives group keys (MS-GKDI), [`blob`] protects and opens with them (DPAPI-NG), [`value`] is what LAPS
//! keeps in the directory's attributes, [`rpc`] are the messages by which a domain controller is asked for a key. No
//! I/O, no clock, no randomness of its own: bytes come in, bytes go out, and a random number generator is passed in.
//! Every decoder answers with the place and the expectation, never the bytes.
//!
//! In contact with: `ad`, which fetches keys and attributes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::indexing_slicing))]

pub mod blob;
mod descriptor;
pub mod gkdi;
mod reader;
pub mod rpc;
mod sid;
pub mod value;

pub use descriptor::target_descriptor;
pub use reader::FormatError;
pub use sid::{NotASid, Sid};

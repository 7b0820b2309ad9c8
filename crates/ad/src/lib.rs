//! Active Directory as the backup directory: finding a domain controller, Kerberos, LDAP that is sealed or inside TLS,
//! the group keys (MS-GKDI), the one modify that is the backup, and what administrators do around it.
//!
//! The only crate that needs C: the system's Kerberos (libkrb5), through `libgssapi`. The agent and `lapwing` use it
//! by their feature `ad`. The rules (which attributes, which history) are `laps`', the bytes of a protected password
//! and of the RPC messages are `dpapi`'s; this crate carries them.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin;
mod error;

pub use error::Error;

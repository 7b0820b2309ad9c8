//! Active Directory as the backup directory: finding a domain controller, Kerberos, LDAP that is sealed or inside TLS,
//! the group keys (MS-GKDI), the one modify that is the backup, and what administrators do around it.
//!
//! The only crate that needs C: the system's Kerberos (libkrb5), through `libgssapi`. The agent and `lapwing` use it
//! by their feature `ad`. The rules (which attributes, which history) are `laps`', the bytes of a protected password
//! and of the RPC messages are `dpapi`'s; this crate carries them.
//!
//! [`Connection::open`] comes first; what it needs to know are the [`Settings`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admin;
mod ber;
mod computer;
mod connection;
mod discovery;
mod error;
mod group_key;
mod kerberos;
mod keytab;
mod ldap;
pub mod offline;
mod ping;
mod principal;
mod sealed;
mod settings;
mod tickets;
mod tls;
mod value;

pub use computer::{Computer, Schema};
pub use connection::{Connection, Controller, Domain};
pub use dpapi::Sid;
pub use error::Error;
pub use group_key::{KeyCache, Wanted};
pub use kerberos::keytab_environment;
pub use keytab::Keytab;
pub use ldap::Entry;
pub use settings::{Credential, Dns, Security, Server, Settings};
pub use tickets::ticket_principal;

//! Where the directory is, and who the caller is there.

use core::fmt;
use laps::password::Password;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Everything that [`crate::Connection::open`] has to be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// DNS name of the domain, as in `laps.test`.
    pub domain: String,
    /// The Kerberos realm; without it the domain in capitals.
    pub realm: Option<String>,
    /// One domain controller and no other; without it they are found by DNS.
    pub server: Option<Server>,
    /// The site whose domain controllers are asked first; without it the one that the domain puts this machine in.
    pub site: Option<String>,
    /// How the connection is protected. There is no way to have none.
    pub security: Security,
    /// Who the caller is.
    pub credential: Credential,
    /// The longest that one step may take: a connection, a bind, a question and its answer.
    pub timeout: Duration,
    /// Who is asked for names. Kerberos has its own configuration (`krb5.conf`) for its servers.
    pub dns: Dns,
}

impl Settings {
    /// The Kerberos realm.
    pub fn realm(&self) -> String {
        self.realm.clone().unwrap_or_else(|| self.domain.to_ascii_uppercase())
    }
}

/// A domain controller that was named, not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its DNS name: Kerberos and certificates are checked against it.
    pub host: String,
    /// Where LDAP is spoken; without it what DNS has for the name, at the usual port.
    pub address: Option<SocketAddr>,
}

/// How LDAP is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Signed and sealed by Kerberos, on port 389.
    Sealed,
    /// Inside TLS from the first byte, on port 636.
    Ldaps {
        /// The certificate authorities to trust (PEM); without them those of the machine.
        ca: Option<PathBuf>,
    },
    /// Inside TLS that is begun on port 389.
    StartTls {
        /// The certificate authorities to trust (PEM); without them those of the machine.
        ca: Option<PathBuf>,
    },
}

/// Who the caller is.
#[derive(Clone)]
pub enum Credential {
    /// The account of this machine, by its keytab. [`crate::keytab_environment`] says what the process must find in
    /// its environment.
    Keytab {
        /// The keytab.
        path: PathBuf,
        /// The account with its realm, as in `WS01$@LAPS.TEST`; without it the one of the machine in the keytab.
        principal: Option<String>,
    },
    /// Whoever the tickets of the environment belong to (`kinit`).
    Cache,
    /// A person who types a password: Kerberos, or a simple bind where TLS protects it.
    Password {
        /// `name@domain`, or a name alone.
        user: String,
        /// The password.
        password: Password,
    },
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keytab { path, principal } => write!(f, "Keytab({}, {principal:?})", path.display()),
            Self::Cache => f.write_str("Cache"),
            Self::Password { user, .. } => write!(f, "Password({user:?}, redacted)"),
        }
    }
}

/// Who is asked for SRV records and addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dns {
    /// What the machine is set up with (`/etc/resolv.conf`, `/etc/hosts`).
    System,
    /// One name server.
    Server(SocketAddr),
}

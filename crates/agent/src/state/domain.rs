//! The Active Directory domain that the machine is joined to, and how its controllers are spoken to.

use super::{StateDir, StateError, durable};
use laps::id::{DeviceId, TenantId};
use proto::serde_text;
use serde::{Deserialize, Serialize};
use std::{net::SocketAddr, path::PathBuf};

const FILE: &str = "domain.json";

/// How a connection to a controller is protected. There is none in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Security {
    /// Kerberos signs and seals each message (port 389)
    Sealed,
    /// TLS from the start (port 636), with channel binding
    Ldaps,
    /// TLS on port 389, with channel binding
    StartTls,
}

/// What `join-domain` found and keeps. The keytab stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainJoin {
    /// The DNS name of the domain, which is its Kerberos realm in capitals.
    pub domain: String,
    /// The computer account, such as `WS01$`.
    pub computer: String,
    /// The keytab with its key.
    pub keytab: PathBuf,
    /// The one controller that is asked, by its DNS name; otherwise they are found by DNS.
    #[serde(default)]
    pub server: Option<String>,
    /// Where that controller listens for LDAP, when DNS does not say so.
    #[serde(default)]
    pub server_address: Option<SocketAddr>,
    /// The name server that is asked; otherwise those of the machine.
    #[serde(default)]
    pub dns: Option<SocketAddr>,
    /// The site whose controllers are preferred.
    #[serde(default)]
    pub site: Option<String>,
    /// How connections are protected.
    pub security: Security,
    /// Certificates that a controller's must lead to, PEM; otherwise the system's.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The machine is a domain controller itself.
    #[serde(default)]
    pub controller: bool,
    /// Names the domain where a server would name its tenant; made at the join.
    #[serde(with = "serde_text::text")]
    pub tenant: TenantId,
    /// Names the machine where a server would name the device object; made at the join.
    #[serde(with = "serde_text::text")]
    pub machine: DeviceId,
    /// The tree whose accounts are managed, when it is not the running system.
    #[serde(default)]
    pub prefix: Option<PathBuf>,
    /// The account database may be volatile: tests (rotation.md 6).
    #[serde(default)]
    pub volatile_ok: bool,
}

impl StateDir {
    /// The domain; `None` when the machine has joined none.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn domain(&self) -> Result<Option<DomainJoin>, StateError> {
        durable::read_json(&self.file(FILE))
    }

    /// Keeps it, durably, in place of the former one.
    ///
    /// # Errors
    /// [`StateError`]; the former one is still in force.
    pub fn write_domain(&self, domain: &DomainJoin) -> Result<(), StateError> {
        durable::write_json(&self.file(FILE), domain)
    }

    /// Leaves the domain. Success when there is none.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn leave_domain(&self) -> Result<(), StateError> {
        durable::remove(&self.file(FILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.domain().unwrap(), None);
        let join = DomainJoin {
            domain: "corp.example".into(),
            computer: "WS01$".into(),
            keytab: "/etc/krb5.keytab".into(),
            server: None,
            server_address: None,
            dns: None,
            site: Some("Default-First-Site-Name".into()),
            security: Security::StartTls,
            ca: None,
            controller: false,
            tenant: TenantId::from_random_bytes([1; 16]),
            machine: DeviceId::from_random_bytes([2; 16]),
            prefix: None,
            volatile_ok: false,
        };
        state.write_domain(&join).unwrap();
        assert_eq!(state.domain().unwrap(), Some(join));
        state.leave_domain().unwrap();
        state.leave_domain().unwrap();
        assert_eq!(state.domain().unwrap(), None);
    }
}

//! What the machine has joined: a server, a domain, or both.

use super::{DomainJoin, Identity, StateDir, StateError};
use laps::{
    id::{DeviceId, Incarnation, TenantId},
    policy::JoinState,
};
use std::path::PathBuf;

/// What a machine has joined. Joined to a server counts as Entra-joined, to a domain as AD-joined, to both as hybrid
/// (design.md 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The server's tenant; without a server, the join to the domain.
    pub tenant: TenantId,
    /// The server's device object; without a server, the machine in its domain.
    pub device: DeviceId,
    /// The incarnation of the server's data at the join.
    pub incarnation: Incarnation,
    /// What policy may ask for.
    pub join: JoinState,
    /// The tree whose accounts are managed, when it is not the running system.
    pub prefix: Option<PathBuf>,
    /// The account database may be volatile: demo and tests (rotation.md 6).
    pub volatile_ok: bool,
}

impl Membership {
    /// From what is stored; `None` when nothing was joined.
    pub fn of(server: Option<&Identity>, domain: Option<&DomainJoin>) -> Option<Self> {
        let join = match (server, domain) {
            (_, Some(domain)) if domain.controller => JoinState::DomainController,
            (Some(_), Some(_)) => JoinState::Hybrid,
            (Some(_), None) => JoinState::Entra,
            (None, _) => JoinState::Ad,
        };
        match (server, domain) {
            (Some(server), _) => Some(Self {
                tenant: server.tenant,
                device: server.device,
                incarnation: server.incarnation,
                join,
                prefix: server.prefix.clone(),
                volatile_ok: server.volatile_ok,
            }),
            (None, Some(domain)) => Some(Self {
                tenant: domain.tenant,
                device: domain.machine,
                // A domain has no incarnations; this one never changes.
                incarnation: Incarnation::from_bytes(*domain.machine.as_bytes()),
                join,
                prefix: domain.prefix.clone(),
                volatile_ok: domain.volatile_ok,
            }),
            (None, None) => None,
        }
    }
}

impl StateDir {
    /// What the machine has joined; `None` when nothing.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn membership(&self) -> Result<Option<Membership>, StateError> {
        Ok(Membership::of(self.identity()?.as_ref(), self.domain()?.as_ref()))
    }

    /// What policy is judged by: whatever was joined.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn join_state(&self) -> Result<JoinState, StateError> {
        Ok(self.membership()?.map_or(JoinState::None, |membership| membership.join))
    }
}

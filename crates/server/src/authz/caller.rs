//! Who asks: the first argument of every public function of `app`.

use super::{Action, Assignment, Scopes};
use laps::id::{DeviceId, PrincipalId, TenantId};
use laps::time::Timestamp;
use std::net::IpAddr;

/// Who asks, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub identity: Identity,
    /// From where; goes into the audit record.
    pub origin: Origin,
}

/// Who asks.
#[derive(Debug, Clone)]
pub enum Identity {
    /// Nobody has signed in.
    Anonymous,
    /// A person with an access token.
    User(Principal),
    /// A service principal with an access token.
    App(Principal),
    /// A device with a certificate of our CA. Chain and key are checked; time and state are `app`'s to judge.
    Device(DeviceIdentity),
    /// The server's own background work.
    System(Job),
}

/// A person or a service principal.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// A person's user principal name, a service principal's display name.
    pub name: String,
    /// Its roles as they are now (not as they were when the token was made).
    pub assignments: Vec<Assignment>,
    /// What a person's token covers; a service principal's application permissions.
    pub scopes: Scopes,
    /// The authorization epoch that the decision is made on; a reveal checks that it still holds.
    pub epoch: u64,
    /// The application that the token was issued to.
    pub client_id: String,
}

/// What a device certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// The tenant.
    pub tenant: TenantId,
    /// The device object.
    pub device: DeviceId,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// Its start.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

/// The server's own background work, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// `lapwingd init`.
    Init,
    /// Trims versions and tombstones whose time has passed.
    Retention,
    /// Signs heads of the audit log.
    SignHeads,
    /// Asks for the rotations that follow reads.
    AfterRead,
    /// Tells people of reads.
    Notify,
    /// Wraps data keys again.
    Rekey,
    /// A restored backup is taken into use.
    Restore,
    /// The scheduled escrow export.
    Export,
    /// Carries rotations of many devices on.
    Campaigns,
    /// Carries new versions of policies from ring to ring.
    Rollouts,
}

impl Job {
    /// Its name, as the audit log shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Retention => "retention",
            Self::SignHeads => "sign_heads",
            Self::AfterRead => "rotate_after_read",
            Self::Notify => "notify",
            Self::Rekey => "rekey",
            Self::Restore => "restore",
            Self::Export => "export",
            Self::Campaigns => "campaigns",
            Self::Rollouts => "rollouts",
        }
    }
    /// What the job may do beyond its own verbs.
    pub const fn may(self, action: Action) -> bool {
        match self {
            Self::Init => matches!(
                action,
                Action::PeopleWrite
                    | Action::SettingsWrite
                    | Action::RegistrationPolicyWrite
                    | Action::PolicyWrite
                    | Action::GroupWrite
                    | Action::JoinTokenWrite
            ),
            Self::Retention => matches!(action, Action::DeviceDelete),
            Self::SignHeads => matches!(action, Action::SettingsRead),
            Self::Export => matches!(action, Action::CredentialExport),
            Self::AfterRead | Self::Notify | Self::Rekey | Self::Restore | Self::Campaigns | Self::Rollouts => false,
        }
    }
}

/// Where a request came from. Every text is cut to 256 characters where it is taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The id that the server gave to the request; a UUID.
    pub request_id: String,
    /// The id that the client gave to it.
    pub client_request_id: Option<String>,
    /// The peer's address.
    pub address: Option<IpAddr>,
    /// The header `User-Agent`.
    pub user_agent: Option<String>,
}

impl Origin {
    /// Of work that comes from no request.
    pub fn internal(request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), client_request_id: None, address: None, user_agent: None }
    }
}

impl Caller {
    /// A caller.
    pub const fn new(identity: Identity, origin: Origin) -> Self {
        Self { identity, origin }
    }
    /// The server itself.
    pub fn system(job: Job) -> Self {
        Self::new(Identity::System(job), Origin::internal(job.name()))
    }
    /// The same origin with another identity: after a sign-in.
    pub fn with(&self, identity: Identity) -> Self {
        Self::new(identity, self.origin.clone())
    }
    /// The person or service principal, if it is one.
    pub const fn principal(&self) -> Option<&Principal> {
        match &self.identity {
            Identity::User(principal) | Identity::App(principal) => Some(principal),
            _ => None,
        }
    }
    /// The device, if it is one.
    pub const fn device(&self) -> Option<&DeviceIdentity> {
        match &self.identity {
            Identity::Device(device) => Some(device),
            _ => None,
        }
    }

    #[cfg(test)]
    pub(crate) fn device_for_test() -> Self {
        Self::new(
            Identity::Device(DeviceIdentity {
                tenant: TenantId::from_random_bytes([1; 16]),
                device: DeviceId::from_random_bytes([2; 16]),
                fingerprint: [4; 32],
                not_before: Timestamp::MIN,
                not_after: Timestamp::MAX,
            }),
            Origin::internal("test"),
        )
    }
}

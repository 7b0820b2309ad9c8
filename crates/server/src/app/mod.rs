//! What the server does: every decision, over the store, the sealing, the CA and the tokens.
//!
//! Every public function takes the [`Caller`] first and decides with `authz` before anything else.
//! Clock, randomness and store are given; nothing here reads the time, spawns or starts a thread.

mod access;
mod account;
mod admit;
mod alarm;
mod api_tokens;
mod audit_export;
pub mod audit_proof;
mod authenticate;
mod backup;
pub mod browser;
mod campaigns;
mod clients;
mod coverage;
mod credentials;
mod delivery;
mod devices;
mod drift;
mod error;
mod escrow;
mod explain;
mod federation;
pub mod group_sheet;
mod groups;
pub mod inventory;
mod jobs;
mod join;
mod kept;
mod lint;
mod log;
mod mdm;
mod metrics;
mod notify;
mod own_identity;
mod passkeys;
mod people;
mod policies;
mod policy_edit;
mod policy_preview;
mod readers;
mod reading;
mod record;
mod refusals;
mod revoke;
mod roles;
mod rollouts;
mod sealing;
mod sign_in;
mod tenant;
mod uses;
mod verification;
mod wait;
mod witness;

pub use admit::{Rate, Rates};
pub use credentials::Listed;
pub use error::{Error, Kind, Result};
pub use escrow::Archive;
pub use federation::{Arrival, Arrived, Departure, Outside, OutsideAnswer, OutsideRequest};
pub use metrics::Metrics;
pub use notify::{Destination, NotSent, Notice, Outlet, Sending};
pub use reading::Justification;
pub use refusals::Act;
pub use sign_in::TokenRefusal;
pub(crate) use tenant::AUDIT_DAYS_MIN;

use crate::authz::{self, Action, Caller, Target};
use crate::ca::Authority;
use crate::ca::head::HeadKey;
use crate::oauth::{Passwords, TokenSigner};
use crate::seal::Sealer;
use crate::store::{self, Store, StoreError};
use laps::id::{Incarnation, TenantId};
use laps::time::Timestamp;
use proto::hex::encode as hex;
use std::sync::Arc;

/// The clock that the server is given.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The randomness that the server is given.
pub trait Random: Send + Sync + 'static {
    /// Fills with random bytes; an error means that there are none, and nothing may go on.
    fn fill(&self, bytes: &mut [u8]) -> std::result::Result<(), NoRandomness>;
}

/// The generator of random bytes does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes")]
pub struct NoRandomness;

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Options {
    /// `https://HOST[:PORT]` as the server calls itself.
    pub url: String,
    /// Host names and addresses that it answers under.
    pub names: Vec<String>,
    /// Seconds between two check-ins of a device that does not wait.
    pub poll_after_s: u32,
    /// Devices that may hold a wait channel.
    pub waiters_max: usize,
    /// Seconds that a wait channel is held.
    pub wait_s: u64,
    /// Bounds on requests.
    pub rates: Rates,
}

impl Options {
    /// The usual values for a server at `url`.
    pub fn new(url: String, names: Vec<String>) -> Self {
        Self { url, names, poll_after_s: 3_600, waiters_max: 20_000, wait_s: 240, rates: Rates::default() }
    }
}

/// What an [`App`] is made of.
pub struct Parts {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Seals and unseals passwords.
    pub sealer: Arc<Sealer>,
    /// The certificate authority.
    pub authority: Authority,
    /// Signs heads of the audit log.
    pub head_key: HeadKey,
    /// Signs tokens.
    pub signer: TokenSigner,
    /// Hashes passwords of people.
    pub passwords: Passwords,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What the operator sets.
    pub options: Options,
}

/// The application.
pub struct App {
    store: Arc<dyn Store>,
    sealer: Arc<Sealer>,
    authority: Authority,
    head_key: HeadKey,
    signer: TokenSigner,
    passwords: Passwords,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    options: Options,
    tenant: TenantId,
    incarnation: Incarnation,
    waiters: wait::Waiters,
    admission: admit::Admission,
    management: mdm::Management,
    metrics: Metrics,
    outside: std::sync::OnceLock<Arc<dyn Outside>>,
    discovered: federation::Discoveries,
    outlet: std::sync::OnceLock<Arc<dyn Outlet>>,
    /// A read was recorded.
    reads: tokio::sync::Notify,
    refusals: refusals::Refusals,
}

impl App {
    /// Opens the application over a store that is initialised.
    pub async fn open(parts: Parts) -> Result<Self> {
        let tenant = parts.store.tenant().await?;
        Ok(Self {
            waiters: wait::Waiters::new(parts.options.waiters_max),
            admission: admit::Admission::new(parts.options.rates),
            management: mdm::Management::new(mdm::SESSIONS_MAX, mdm::SESSION.duration_s),
            metrics: Metrics::new(),
            outside: std::sync::OnceLock::new(),
            discovered: federation::Discoveries::default(),
            outlet: std::sync::OnceLock::new(),
            reads: tokio::sync::Notify::new(),
            refusals: refusals::Refusals::default(),
            tenant: tenant.id,
            incarnation: tenant.incarnation,
            store: parts.store,
            sealer: parts.sealer,
            authority: parts.authority,
            head_key: parts.head_key,
            signer: parts.signer,
            passwords: parts.passwords,
            clock: parts.clock,
            random: parts.random,
            options: parts.options,
        })
    }

    /// Gives the application the means to tell people of reads; channels fail before.
    pub fn notify_through(&self, outlet: Arc<dyn Outlet>) {
        // Given once, when the server is put together.
        let _ = self.outlet.set(outlet);
    }

    /// Gives the application the network; what needs it is refused before.
    pub fn reach_outside(&self, outside: Arc<dyn Outside>) {
        // Given once, when the server is put together.
        let _ = self.outside.set(outside);
    }

    /// Now, by the clock that the server was given.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
    /// The tenant of this server.
    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
    /// `https://HOST[:PORT]` as the server calls itself.
    pub fn url(&self) -> &str {
        &self.options.url
    }
    /// The counters.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }
    /// The certificate authority.
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }
    /// Whether a `Host` header names this server; the port does not matter.
    pub fn is_own_host(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        self.options.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
    /// A fresh id for a request: a UUID, or zeros when there is no randomness (nothing secret hangs on it).
    pub fn request_id(&self) -> String {
        laps::id::PrincipalId::from_random_bytes(self.random_bytes().unwrap_or_default()).to_string()
    }

    /// Signs the place where the next page of a list starts.
    pub fn seal_page(&self, list: &str, cursor: &str) -> String {
        self.signer.seal_page(list, cursor)
    }
    /// The place in a `$skiptoken` of this list; `None` when this server did not sign it.
    pub fn open_page(&self, list: &str, token: &str) -> Option<String> {
        self.signer.open_page(list, token)
    }

    fn random_bytes<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(bytes)
    }

    /// Decides for the whole tenant.
    fn require(&self, caller: &Caller, action: Action) -> Result<()> {
        Ok(authz::decide(caller, action, Target::Tenant)?)
    }

    /// A device for which the caller may do `action`. Who may not even see it learns nothing: the
    /// refusal is the same as for a device that is not there when no role covers it.
    async fn device_for(&self, caller: &Caller, action: Action, id: laps::id::DeviceId) -> Result<store::Device> {
        // A caller without any such right is told so before the store is asked.
        authz::reach(caller, action)?;
        let device = self.store.device(id).await?;
        match device {
            Some(device) => match authz::decide(caller, action, Target::Device(&device.groups)) {
                Ok(()) => Ok(device),
                Err(denied) => Err(out_of_scope(caller, denied, &device)),
            },
            None => Err(device_not_found(id)),
        }
    }
}

/// The refusal of an action on a device: who may not even see the device gets the answer for one that is not there.
fn out_of_scope(caller: &Caller, denied: authz::Denied, device: &store::Device) -> Error {
    let seen = [Action::DeviceRead, Action::CredentialRead]
        .into_iter()
        .any(|action| authz::decide(caller, action, Target::Device(&device.groups)).is_ok());
    if seen { denied.into() } else { device_not_found(device.id) }
}

fn device_not_found(id: laps::id::DeviceId) -> Error {
    Error::not_found(
        "device_unknown",
        format!("there is no device {id} in this directory; look it up with GET /v1.0/devices"),
    )
}

fn store_page(after: Option<String>, limit: u32) -> store::Page {
    store::Page::behind(after, limit)
}

impl From<NoRandomness> for StoreError {
    fn from(error: NoRandomness) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// An id in a path.
fn unhex16(text: &str) -> Option<[u8; 16]> {
    proto::hex::array(text)
}

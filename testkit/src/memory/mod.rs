//! The store in memory, with the semantics of a crash.
//!
//! A second, independent implementation of [`server::store::Store`]: plain maps, no SQL. What a verb
//! changes is durable when it is acknowledged. [`MemoryStore::fail_at`] breaks the n-th verb from now
//! on, before or after its change, as a crash of the server does: the caller gets no acknowledgement
//! and does not know. [`MemoryStore::crash`] loses what is only in memory.

mod campaigns;
mod channels;
mod devices;
mod exports;
mod groups;
mod means;
mod mutation;
mod people;
mod policies;
mod reading;
mod roles;
mod rollouts;
mod sessions;
mod state;
mod survey;
mod tenant;
mod uses;
mod versions;

use laps::{
    id::{CampaignId, DeviceId, GroupId, Incarnation, PolicyId, PrincipalId, RoleId, VersionId},
    rollout::Ring,
    time::Timestamp,
};
pub use mutation::StoreMutation;
use server::{
    audit::{AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, SignedHead},
    seal::{KeyId, Sealed},
    store::*,
};
use state::State;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Where a verb breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Nothing was changed.
    BeforeCommit,
    /// It was changed, and the acknowledgement is lost.
    AfterCommit,
}

/// The store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    seen: Mutex<BTreeMap<DeviceId, Timestamp>>,
    faults: Mutex<BTreeMap<u64, Break>>,
    verbs: Mutex<u64>,
    work: watch::Sender<u64>,
    mutated: mutation::Mutated,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryStore {
    /// An empty store, not initialised.
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            seen: Mutex::default(),
            faults: Mutex::default(),
            verbs: Mutex::new(0),
            work: watch::Sender::new(0),
            mutated: mutation::Mutated::default(),
        }
    }

    /// Breaks the verb that changes something `ahead` such verbs from now (0: the next one).
    pub fn fail_at(&self, ahead: u64, how: Break) {
        let at = *locked(&self.verbs) + ahead;
        locked(&self.faults).insert(at, how);
    }

    /// How many verbs that may change something were asked for until now.
    pub fn write_verbs(&self) -> u64 {
        *locked(&self.verbs)
    }

    /// What a crash loses: contacts that were not written, faults that did not come.
    pub fn crash(&self) {
        locked(&self.seen).clear();
        locked(&self.faults).clear();
        self.lose_unwritten();
    }

    /// Everything that it holds, as text, for a search in it. What is sealed is shown as its bytes are.
    pub fn text(&self) -> String {
        format!("{:?}", locked(&self.state))
    }

    /// A copy of everything durable, as a backup takes it.
    pub fn snapshot(&self) -> Self {
        let copy = Self { state: Mutex::new(locked(&self.state).clone()), ..Self::new() };
        copy.mutate(self.mutation());
        copy
    }

    fn read<T>(&self, verb: impl FnOnce(&State) -> Result<T, StoreError>) -> Answer<'_, T>
    where
        T: Send + 'static,
    {
        let answer = verb(&locked(&self.state));
        Box::pin(async move { answer })
    }

    /// A verb works on a copy, which takes the place of the state when it succeeds.
    fn write<T>(&self, verb: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Answer<'_, T>
    where
        T: Send + 'static,
    {
        let answer = self.transaction(verb);
        Box::pin(async move { answer })
    }

    fn write_device(&self, verb: impl FnOnce(&mut State) -> Result<Device, StoreError>) -> Answer<'_, Device> {
        let answer = self.transaction(verb).map(|device| self.with_seen(device));
        Box::pin(async move { answer })
    }

    /// A device's row with what is only in memory.
    fn with_seen(&self, mut device: Device) -> Device {
        device.last_seen = device.last_seen.max(locked(&self.seen).get(&device.id).copied());
        device
    }

    fn transaction<T>(&self, verb: impl FnOnce(&mut State) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let fault = {
            let mut verbs = locked(&self.verbs);
            let fault = locked(&self.faults).remove(&verbs);
            *verbs += 1;
            fault
        };
        let broken = || StoreError::Unavailable("injected fault".into());
        if fault == Some(Break::BeforeCommit) {
            return Err(broken());
        }
        let mut state = locked(&self.state);
        let mut copy = state.clone();
        let answer = verb(&mut copy)?;
        *state = copy;
        let newest = state.newest_work();
        drop(state);
        self.work.send_if_modified(|seen| core::mem::replace(seen, newest) != newest);
        if fault == Some(Break::AfterCommit) { Err(broken()) } else { Ok(answer) }
    }
}

/// `name(arguments) -> Type` for verbs that hand their arguments to the method of [`State`] with the same name.
macro_rules! verbs {
    ($(read $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* ; $(write $write:ident($($warg:ident: $wtype:ty),*) -> $wout:ty;)*) => {
        $(fn $name(&self, $($arg: $type),*) -> Answer<'_, $out> { self.read(|state| state.$name($($arg),*)) })*
        $(fn $write(&self, $($warg: $wtype),*) -> Answer<'_, $wout> { self.write(|state| state.$write($($warg),*)) })*
    };
}

impl Store for MemoryStore {
    fn ready(&self) -> Answer<'_, ()> {
        self.read(|_| Ok(()))
    }
    fn note_seen(&self, device: DeviceId, now: Timestamp) {
        let mut seen = locked(&self.seen);
        let at = seen.entry(device).or_insert(now);
        *at = now.max(*at);
    }
    fn flush_seen(&self) -> Answer<'_, u64> {
        let seen = core::mem::take(&mut *locked(&self.seen));
        if seen.is_empty() {
            return Box::pin(async { Ok(0) });
        }
        let answer = self.transaction(|state| Ok(state.write_seen(seen.clone())));
        if answer.is_err() {
            seen.into_iter().for_each(|(device, at)| self.note_seen(device, at));
        }
        Box::pin(async move { answer })
    }
    fn watch_work(&self) -> watch::Receiver<u64> {
        self.work.subscribe()
    }
    fn device(&self, id: DeviceId) -> Answer<'_, Option<Device>> {
        self.read(|state| Ok(state.device(id)?.map(|device| self.with_seen(device))))
    }
    fn device_by_certificate(&self, fingerprint: [u8; 32]) -> Answer<'_, Option<(Device, Certificate)>> {
        self.read(|state| {
            let found = state.device_by_certificate(fingerprint)?;
            Ok(found.map(|(device, certificate)| (self.with_seen(device), certificate)))
        })
    }
    fn devices(&self, filter: DeviceFilter, page: Page) -> Answer<'_, PageOf<Device>> {
        self.read(|state| Ok(state.devices(filter, page)?.map(|device| self.with_seen(device))))
    }
    fn survey(&self, filter: SurveyFilter, page: Page) -> Answer<'_, PageOf<Surveyed>> {
        self.read(|state| {
            let page = state.survey(filter, page)?;
            Ok(page.map(|of| Surveyed { device: self.with_seen(of.device), ..of }))
        })
    }
    fn change_device(
        &self,
        id: DeviceId,
        change: DeviceChange,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Device> {
        self.write_device(|state| state.change_device(id, change, now, audit))
    }
    fn link_predecessor(&self, device: DeviceId, predecessor: DeviceId, audit: AuditEntry) -> Answer<'_, Device> {
        self.write_device(|state| state.link_predecessor(device, predecessor, audit))
    }
    fn clear_fork(&self, device: DeviceId, now: Timestamp, audit: AuditEntry) -> Answer<'_, Device> {
        self.write_device(|state| state.clear_fork(device, now, audit))
    }
    fn store_pending(&self, version: NewVersion, now: Timestamp, audit: AuditEntry) -> Answer<'_, Stored> {
        let key = (version.device, version.version);
        let answer = self.write(|state| state.store_pending(version, now, audit));
        self.after_store(key);
        answer
    }
    fn mark_proven(&self, proof: Proof, now: Timestamp, audit: AuditEntry) -> Answer<'_, Proven> {
        let device = proof.device;
        self.write(|state| {
            let proven = state.mark_proven(proof, now, audit)?;
            self.after_proof(state, device);
            Ok(proven)
        })
    }
    fn abandon(
        &self,
        device: DeviceId,
        version: VersionId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Option<VersionState>> {
        self.write(|state| {
            let after = state.abandon(device, version, now, audit)?;
            self.after_abandon(state, (device, version));
            Ok(after)
        })
    }
    fn reveal(&self, reveal: Reveal, audit: AuditEntry) -> Answer<'_, Vec<SealedVersion>> {
        self.write(|state| self.reveal_unless_late(state, reveal, audit))
    }
    fn trim(&self, after: Option<String>, limit: u32, now: Timestamp, audit: AuditEntry) -> Answer<'_, Trimmed> {
        self.write(|state| {
            let trimmed = state.trim(after, limit, now, audit)?;
            self.after_trim(state);
            Ok(trimmed)
        })
    }

    verbs! {
        read tenant() -> Tenant;
        read counts() -> Counts;
        read keys() -> Vec<Key>;
        read wrapped_under(key: KeyId, limit: u32) -> Vec<WrappedKey>;
        read sealed_samples() -> Vec<SealedVersion>;
        read audit(filter: AuditFilter, page: Page) -> PageOf<AuditRecord>;
        read audit_chain(chain: u32, after: u64, limit: u32) -> Vec<AuditRecord>;
        read audit_heads() -> Vec<AuditHead>;
        read signed_heads() -> Vec<SignedHead>;
        read audit_checkpoints() -> Vec<AuditCheckpoint>;
        read join_tokens(page: Page) -> PageOf<JoinToken>;
        read check_join_token(hash: SecretHash, now: Timestamp) -> JoinToken;
        read certificates(device: DeviceId) -> Vec<Certificate>;
        read purgeable(now: Timestamp, limit: u32) -> Vec<DeviceId>;
        read device_events(device: DeviceId, page: Page) -> PageOf<DeviceEvent>;
        read uses(device: DeviceId, page: Page) -> PageOf<PasswordUse>;
        read last_read(device: DeviceId, version: VersionId) -> Option<AuditRecord>;
        read group(id: GroupId) -> Option<Group>;
        read groups(page: Page) -> PageOf<Group>;
        read last_report(device: DeviceId) -> Option<DeviceReport>;
        read versions(device: DeviceId, history: bool) -> Vec<Version>;
        read credentials(filter: DeviceFilter, page: Page) -> PageOf<CredentialSummary>;
        read rotation_requests(device: DeviceId) -> Vec<RotationRequest>;
        read exports(limit: u32) -> Vec<Export>;
        read export_of(device: DeviceId) -> Option<Export>;
        read last_drilled() -> Option<Export>;
        read work_since(after: u64, limit: u32) -> Vec<Work>;
        read campaign(id: CampaignId) -> Option<Campaign>;
        read campaigns(by: Option<PrincipalId>, page: Page) -> PageOf<Campaign>;
        read open_campaigns() -> Vec<Campaign>;
        read campaign_devices(id: CampaignId, state: Option<CampaignState>, page: Page) -> PageOf<CampaignDevice>;
        read exposures(filter: ExposureFilter, page: Page) -> PageOf<Chosen>;
        read readers(name: String) -> Vec<PrincipalId>;
        read policy(id: PolicyId) -> Option<Policy>;
        read policy_versions(id: PolicyId) -> Vec<Policy>;
        read policies(page: Page) -> PageOf<Policy>;
        read assignments(policy: Option<PolicyId>) -> Vec<Assignment>;
        read policies_for(device: DeviceId) -> Vec<AssignedPolicy>;
        read deliveries(device: DeviceId) -> Deliveries;
        read channels() -> Vec<Channel>;
        read audit_from(chain: u32, at: Timestamp) -> Option<u64>;
        read reading_rules() -> Vec<GroupRule>;
        read reading_rule_for(device: DeviceId) -> ReadingRule;
        read access_request(id: [u8; 16]) -> Option<AccessRequest>;
        read access_requests(filter: AccessFilter, page: Page) -> PageOf<AccessRequest>;
        read rotation_due(device: DeviceId) -> Option<DueRotation>;
        read rotations_due(now: Timestamp, limit: u32) -> Vec<DueRotation>;
        read exclusions(policy: Option<PolicyId>) -> Vec<Assignment>;
        read ring_plan(policy: PolicyId) -> Option<Vec<Ring>>;
        read rollout(policy: PolicyId) -> Option<Rollout>;
        read open_rollouts() -> Vec<Rollout>;
        read held_devices(page: Page) -> PageOf<HeldDevice>;
        read user(id: PrincipalId) -> Option<User>;
        read user_by_name(user_name: String) -> Option<User>;
        read users(page: Page) -> PageOf<User>;
        read service_principal(id: PrincipalId) -> Option<ServicePrincipal>;
        read service_principals(page: Page) -> PageOf<ServicePrincipal>;
        read secret(name: String) -> Option<Sealed>;
        read secrets_under(key: KeyId, limit: u32) -> Vec<WrappedSecret>;
        read factors(user: PrincipalId) -> Factors;
        read passkey(id: Vec<u8>) -> Option<Passkey>;
        read api_tokens(user: Option<PrincipalId>) -> Vec<ApiToken>;
        read client_keys(of: PrincipalId) -> Vec<ClientKey>;
        read identity_providers() -> Vec<IdentityProvider>;
        read linked_identity(provider: [u8; 16], subject: String) -> Option<IdentityLink>;
        read identity_links(user: PrincipalId) -> Vec<IdentityLink>;
        read sessions_of(principal: PrincipalId, now: Timestamp) -> Vec<Session>;
        read session_stands(principal: PrincipalId, family: [u8; 16]) -> bool;
        read custom_roles() -> Vec<CustomRole>;
        read role_assignments(principal: Option<PrincipalId>) -> Vec<RoleAssignment>;
        read authorization(principal: PrincipalId) -> Option<Authorization>;
        read session(kind: SessionKind, hash: SecretHash, now: Timestamp) -> Option<Session>;
        read device_code_by_user_code(user_code: String, now: Timestamp) -> Option<DeviceCode>;
        read lockout(key: String, now: Timestamp) -> Lockout;
        ;
        write note_event(device: DeviceId, kind: DeviceEventKind, detail: String, now: Timestamp) -> ();
        write initialise(tenant: NewTenant, now: Timestamp, audit: AuditEntry) -> ();
        write update_settings(settings: Settings, revision: u64, audit: AuditEntry) -> Tenant;
        write observe_clock(reading: ClockReading) -> bool;
        write confirm_clock(now: Timestamp, audit: AuditEntry) -> ();
        write begin_incarnation(incarnation: Incarnation, backup_at: Timestamp, now: Timestamp, audit: AuditEntry) -> ();
        write begin_rekey(key: KeyId, now: Timestamp, audit: AuditEntry) -> ();
        write rewrap(from: KeyId, to: KeyId, keys: Vec<WrappedKey>) -> u64;
        write retire_key(key: KeyId, now: Timestamp, audit: AuditEntry) -> u64;
        write append_audit(entry: AuditEntry) -> ();
        write put_signed_head(signed: SignedHead) -> ();
        write prune_audit(checkpoint: AuditCheckpoint, audit: AuditEntry) -> u64;
        write create_join_token(token: NewJoinToken, now: Timestamp, audit: AuditEntry) -> ();
        write revoke_join_token(id: [u8; 16], now: Timestamp, audit: AuditEntry) -> ();
        write join(token: SecretHash, device: NewDevice, now: Timestamp, audit: AuditEntry) -> Joined;
        write add_certificate(device: DeviceId, certificate: NewCertificate, public_key: Vec<u8>, audit: AuditEntry) -> ();
        write revoke_certificate(fingerprint: [u8; 32], now: Timestamp, audit: AuditEntry) -> ();
        write purge_device(id: DeviceId, by: PurgeBy, now: Timestamp, audit: AuditEntry) -> ();
        write create_group(id: GroupId, name: String, filter: Option<GroupFilter>, now: Timestamp, audit: AuditEntry) -> Group;
        write change_group_filter(id: GroupId, filter: GroupFilter, now: Timestamp, audit: AuditEntry) -> Group;
        write rename_group(id: GroupId, name: String, audit: AuditEntry) -> Group;
        write delete_group(id: GroupId, audit: AuditEntry) -> ();
        write add_member(group: GroupId, device: DeviceId, audit: AuditEntry) -> ();
        write remove_member(group: GroupId, device: DeviceId, audit: AuditEntry) -> ();
        write note_use(used: PasswordUse, audit: AuditEntry) -> bool;
        write report(report: Report, now: Timestamp) -> ReportAnswer;
        write close_requests(device: DeviceId, code: &'static str, now: Timestamp, audit: AuditEntry) -> u64;
        write disclose(disclosure: Disclosure, audit: AuditEntry) -> DisclosedPage;
        write record_export(export: NewExport, devices: Vec<DeviceId>, now: Timestamp, audit: AuditEntry) -> Export;
        write record_drill(export: [u8; 16], by: String, now: Timestamp, audit: AuditEntry) -> Export;
        write release(device: DeviceId, now: Timestamp, audit: AuditEntry) -> u64;
        write request_rotation(device: DeviceId, by: PrincipalId, now: Timestamp, audit: AuditEntry) -> RequestedRotation;
        write create_campaign(campaign: NewCampaign, now: Timestamp, audit: AuditEntry) -> Campaign;
        write gather_campaign(id: CampaignId, chosen: Vec<Chosen>, from: Option<String>, place: Option<String>, now: Timestamp) -> ();
        write ask_campaign(id: CampaignId, asked: Vec<Ask>, now: Timestamp) -> u64;
        write review_campaign(id: CampaignId, after: Option<String>, limit: u32, now: Timestamp) -> Option<String>;
        write cancel_campaign(id: CampaignId, by: String, now: Timestamp, audit: AuditEntry) -> Campaign;
        write call_off(id: CampaignId, devices: Vec<CallOff>, now: Timestamp) -> u64;
        write complete_campaign(id: CampaignId, now: Timestamp, audit: AuditEntry) -> bool;
        write create_policy(id: PolicyId, name: String, values: String, now: Timestamp, audit: AuditEntry) -> Policy;
        write exclude_policy(policy: PolicyId, group: GroupId, now: Timestamp, audit: AuditEntry) -> ();
        write include_policy(policy: PolicyId, group: GroupId, audit: AuditEntry) -> ();
        write set_ring_plan(policy: PolicyId, rings: Option<Vec<Ring>>, audit: AuditEntry) -> ();
        write begin_rollout(policy: PolicyId, rings: Vec<Ring>, now: Timestamp, audit: AuditEntry) -> Rollout;
        write change_rollout(from: Rollout, change: RolloutChange, detail: String, now: Timestamp, audit: AuditEntry) -> Rollout;
        write revise_policy(id: PolicyId, version: u32, name: String, values: String, spread: Spread, now: Timestamp, audit: AuditEntry) -> Policy;
        write delete_policy(id: PolicyId, audit: AuditEntry) -> ();
        write assign_policy(policy: PolicyId, group: GroupId, now: Timestamp, audit: AuditEntry) -> ();
        write unassign_policy(policy: PolicyId, group: GroupId, audit: AuditEntry) -> ();
        write record_delivery(delivery: NewDelivery, now: Timestamp) -> Delivery;
        write answer_delivery(device: DeviceId, sequence: u64, statuses: Vec<SettingStatus>, complete: bool, now: Timestamp) -> ();
        write hold_delivery(device: DeviceId, reason: String) -> ();
        write create_channel(new: NewChannel, now: Timestamp, audit: AuditEntry) -> ();
        write delete_channel(id: [u8; 16], audit: AuditEntry) -> ();
        write pause_channel(id: [u8; 16], paused: bool, audit: AuditEntry) -> bool;
        write advance_channel(id: [u8; 16], from: u64, to: u64, progress: ChannelProgress) -> bool;
        write set_reading_rule(group: GroupId, rule: Option<ReadingRule>, audit: AuditEntry) -> ();
        write request_access(new: NewAccessRequest, now: Timestamp, audit: AuditEntry) -> RequestedAccess;
        write answer_access(id: [u8; 16], answer: AccessAnswer, audit: AuditEntry) -> AccessRequest;
        write cancel_access(id: [u8; 16], by: PrincipalId, now: Timestamp, audit: AuditEntry) -> AccessRequest;
        write rotate_after_read(device: DeviceId, by: Timestamp, now: Timestamp, audit: AuditEntry) -> bool;
        write create_user(user: NewUser, now: Timestamp, audit: AuditEntry) -> User;
        write update_user(id: PrincipalId, change: UserChange, audit: AuditEntry) -> User;
        write delete_user(id: PrincipalId, audit: AuditEntry) -> ();
        write redeem_one_time(user: PrincipalId, secret: SecretHash, password_hash: String, now: Timestamp, audit: AuditEntry) -> User;
        write create_service_principal(principal: NewServicePrincipal, now: Timestamp, audit: AuditEntry) -> ServicePrincipal;
        write update_service_principal(id: PrincipalId, change: ServicePrincipalChange, audit: AuditEntry) -> ServicePrincipal;
        write delete_service_principal(id: PrincipalId, audit: AuditEntry) -> ();
        write put_secret(name: String, sealed: Sealed, audit: AuditEntry) -> ();
        write delete_secret(name: String, audit: AuditEntry) -> ();
        write rewrap_secrets(from: KeyId, to: KeyId, secrets: Vec<WrappedSecret>) -> u64;
        write enrol_totp(user: PrincipalId, secret: Sealed, recovery: Vec<SecretHash>, now: Timestamp, audit: AuditEntry) -> ();
        write remove_totp(user: PrincipalId, audit: AuditEntry) -> ();
        write use_recovery_code(user: PrincipalId, code: SecretHash, audit: AuditEntry) -> bool;
        write add_passkey(passkey: Passkey, audit: AuditEntry) -> ();
        write use_passkey(id: Vec<u8>, data: String, now: Timestamp) -> ();
        write remove_passkey(user: PrincipalId, id: Vec<u8>, audit: AuditEntry) -> ();
        write put_ticket(ticket: Ticket) -> ();
        write take_ticket(purpose: &'static str, hash: SecretHash, now: Timestamp) -> Option<String>;
        write create_api_token(token: ApiToken, audit: AuditEntry) -> ();
        write use_api_token(hash: SecretHash, now: Timestamp) -> Option<ApiToken>;
        write revoke_api_token(id: [u8; 16], audit: AuditEntry) -> ();
        write add_client_key(key: ClientKey, audit: AuditEntry) -> ();
        write remove_client_key(of: PrincipalId, id: [u8; 16], audit: AuditEntry) -> ();
        write add_identity_provider(provider: IdentityProvider, secret: Sealed, audit: AuditEntry) -> ();
        write remove_identity_provider(id: [u8; 16], audit: AuditEntry) -> ();
        write link_identity(link: IdentityLink, audit: AuditEntry) -> ();
        write unlink_identity(provider: [u8; 16], subject: String, audit: AuditEntry) -> ();
        write end_session(principal: PrincipalId, family: [u8; 16], audit: AuditEntry) -> ();
        write unlock(key: String, audit: AuditEntry) -> ();
        write create_role(role: CustomRole, audit: AuditEntry) -> CustomRole;
        write update_role(id: RoleId, change: CustomRoleChange, audit: AuditEntry) -> CustomRole;
        write delete_role(id: RoleId, audit: AuditEntry) -> ();
        write assign_role(assignment: RoleAssignment, audit: AuditEntry) -> ();
        write unassign_role(id: [u8; 16], audit: AuditEntry) -> ();
        write put_session(session: Session) -> ();
        write replace_session(old: SecretHash, new: SecretHash, expires_at: Timestamp, now: Timestamp) -> Replaced;
        write extend_session(kind: SessionKind, hash: SecretHash, expires_at: Timestamp, now: Timestamp) -> bool;
        write delete_session(kind: SessionKind, hash: SecretHash) -> ();
        write delete_sessions_of(principal: PrincipalId) -> u64;
        write create_device_code(code: DeviceCode) -> ();
        write answer_device_code(user_code: String, principal: Option<PrincipalId>, now: Timestamp, audit: AuditEntry) -> ();
        write poll_device_code(hash: SecretHash, client_id: String, now: Timestamp) -> DeviceCodePoll;
        write use_once(purpose: &'static str, key: SecretHash, expires_at: Timestamp, now: Timestamp) -> bool;
        write count_failure(key: String, rule: LockoutRule, now: Timestamp) -> Lockout;
        write count_guess(key: String, rule: LockoutRule, now: Timestamp) -> Option<Lockout>;
        write take_back_guess(key: String) -> ();
        write clear_failures(key: String) -> ();
        write sweep(now: Timestamp) -> u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::World;
    use std::sync::Arc;

    async fn world() -> (Arc<MemoryStore>, World) {
        let memory = Arc::new(MemoryStore::new());
        let world = World::new(Arc::clone(&memory) as Arc<dyn Store>).await;
        (memory, world)
    }

    fn broken<T>() -> Result<T, StoreError> {
        Err(StoreError::Unavailable("injected fault".into()))
    }

    #[tokio::test]
    async fn a_break_before_the_commit_changes_nothing() {
        let (memory, mut w) = world().await;
        let device = w.device().await;
        let new = w.version(device);
        let records = w.records().await;
        memory.fail_at(0, Break::BeforeCommit);
        assert_eq!(w.put(new.clone()).await, broken());
        assert_eq!((w.states(device).await, w.records().await), (vec![], records));
        assert!(!w.put(new.clone()).await.unwrap().again);
        memory.fail_at(0, Break::BeforeCommit);
        assert_eq!(w.prove(device, new.version).await, broken());
        assert_eq!(w.states(device).await, [(new.version, VersionState::Pending)]);
        // A reveal that was not recorded gives nothing out (rotation.md 4, I2).
        memory.fail_at(0, Break::BeforeCommit);
        assert_eq!(w.reveal(device, false).await, broken());
        w.finish().await;
    }

    #[tokio::test]
    async fn a_break_after_the_commit_loses_only_the_acknowledgement() {
        let (memory, mut w) = world().await;
        let device = w.device().await;
        let mut watch = memory.watch_work();
        let new = w.version(device);
        let records = w.records().await;
        memory.fail_at(0, Break::AfterCommit);
        assert_eq!(w.put(new.clone()).await, broken());
        assert_eq!(w.states(device).await, [(new.version, VersionState::Pending)]);
        assert_eq!(w.records().await, records + 1);
        assert!(w.put(new.clone()).await.unwrap().again, "the repeat is told so");
        memory.fail_at(0, Break::AfterCommit);
        assert_eq!(w.prove(device, new.version).await, broken());
        assert!(w.prove(device, new.version).await.unwrap().again);
        memory.fail_at(0, Break::AfterCommit);
        assert_eq!(w.request(device).await, broken());
        assert!(watch.has_changed().unwrap(), "what is durable wakes devices");
        watch.mark_unchanged();
        assert!(w.request(device).await.unwrap().again);
        w.finish().await;
    }

    #[tokio::test]
    async fn faults_hit_the_verb_that_they_are_set_for_and_end_with_a_crash() {
        let (memory, mut w) = world().await;
        let device = w.device().await;
        memory.fail_at(1, Break::BeforeCommit);
        let first = w.stored(device).await;
        assert_eq!(w.abandon(device, first).await, broken());
        assert_eq!(w.abandon(device, first).await, Ok(Some(VersionState::Abandoned)));
        // A crash loses contacts that were not written, and what was to break later; the rest stays.
        memory.note_seen(device, w.now);
        memory.fail_at(0, Break::BeforeCommit);
        memory.crash();
        assert_eq!(w.row(device).await.last_seen, None);
        assert_eq!(w.states(device).await, [(first, VersionState::Abandoned)]);
        w.stored(device).await;
        // A failed write of contacts keeps them for the next one.
        memory.note_seen(device, w.now);
        memory.fail_at(0, Break::BeforeCommit);
        assert_eq!(memory.flush_seen().await, broken());
        assert_eq!(memory.flush_seen().await, Ok(1));
        w.finish().await;
    }

    #[tokio::test]
    async fn a_snapshot_goes_its_own_way() {
        let (memory, mut w) = world().await;
        let device = w.device().await;
        let kept = w.stored(device).await;
        let backup = memory.snapshot();
        w.prove(device, kept).await.unwrap();
        let later = w.stored(device).await;
        let before = backup.versions(device, true).await.unwrap();
        assert_eq!(
            before.iter().map(|one| (one.version, one.state)).collect::<Vec<_>>(),
            [(kept, VersionState::Pending)]
        );
        assert_eq!(w.state(device, later).await, Some(VersionState::Pending));
        w.finish().await;
    }
}

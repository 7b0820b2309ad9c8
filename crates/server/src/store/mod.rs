//! What must not be lost: the trait of the store, and its rows.
//!
//! A verb is one transaction; it is acknowledged when it is durable, and an error means that nothing was
//! changed. Time and randomness are brought by the caller, so a store has no clock. A verb that changes
//! something on somebody's behalf takes the [`AuditEntry`] and appends it in the same transaction; a
//! repeat that changes nothing appends nothing.
//!
//! `app` calls this trait as `Arc<dyn Store>`. Implementations: SQLite here, in memory in testkit;
//! both pass the same conformance test.

mod campaign;
mod channel;
mod credential;
mod device;
mod error;
mod export;
mod group;
mod live;
mod means;
mod page;
mod password_use;
mod person;
mod policy;
mod reading;
mod rollout;
mod session;
pub mod sqlite;
mod survey;
mod tenant;

pub use campaign::{
    Ask, CANCELLED, CallOff, Campaign, CampaignCounts, CampaignDevice, CampaignKind, CampaignState, Chosen, Exposed,
    ExposureFilter, GONE_DELETED, GONE_PURGED, NewCampaign, REFUSED_DISABLED, REFUSED_RELEASED, SAFE_SUPERSEDED,
    exposed,
};
pub use channel::{CHANNELS_MAX, Channel, ChannelProgress, NewChannel};
pub use credential::{
    CredentialSummary, DeviceReport, KnownVersion, NewVersion, Proof, Proven, Report, ReportAnswer, RequestedRotation,
    Reveal, RotationRequest, SealedVersion, Stored, Trimmed, Version, VersionState, Work, WorkKind, WorkTarget,
};
pub use device::{
    ALL_DEVICES, Certificate, Device, DeviceChange, DeviceEvent, DeviceEventKind, DeviceFilter, DeviceState, JoinToken,
    Joined, NewCertificate, NewDevice, NewJoinToken, PurgeBy,
};
pub use error::{PurgeRefusal, StoreError};
pub use export::{DisclosedDevice, DisclosedPage, Disclosure, EscrowSettings, Export, NewExport};
pub use group::{Group, GroupFilter};
pub use live::{FORK_DAYS, KEEP_DAYS, KEEP_PROVEN, SUSPICION_DAYS, order_best_first, removable};
pub use means::{
    API_TOKENS_MAX, ApiToken, CLIENT_KEYS_MAX, ClientKey, Factors, IDENTITY_PROVIDERS_MAX, IdentityLink,
    IdentityProvider, PASSKEYS_MAX, Passkey, Ticket, USE_NOTED_S, WrappedSecret, provider_secret, totp_candidate,
    totp_secret,
};
pub use page::{Page, PageOf};
pub use password_use::{PasswordUse, USES_KEPT};
pub use person::{
    Authorization, CUSTOM_ROLES_MAX, ClientSecret, CustomRole, CustomRoleChange, GLOBAL_ADMINISTRATOR,
    NewServicePrincipal, NewUser, RoleAssignment, ServicePrincipal, ServicePrincipalChange, User, UserChange,
};
pub use policy::{AssignedPolicy, Assignment, Deliveries, Delivery, HeldDevice, NewDelivery, Policy, SettingStatus};
pub use reading::{
    ACCESS_KEPT_DAYS, ACCESS_OPEN_MAX, AccessAnswer, AccessFilter, AccessRequest, AccessState, BREAK_GLASS_MINUTES,
    DueRotation, GroupRule, NewAccessRequest, Reading, ReadingRule, RequestedAccess, Shortfall, ticket_matches,
};
pub use rollout::{Rollout, RolloutChange, RolloutState, Spread};
pub use session::{DeviceCode, DeviceCodePoll, Lockout, LockoutRule, Replaced, Session, SessionKind};
pub use survey::{SurveyFilter, Surveyed, SurveyedDelivery, SurveyedReport, SurveyedVersion};
pub use tenant::{ClockReading, Counts, NewTenant, Settings, Tenant};

use crate::{
    audit::{AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, SignedHead},
    seal::{KeyId, Sealed},
};
use core::pin::Pin;
use laps::{
    id::{CampaignId, DeviceId, GroupId, Incarnation, PolicyId, PrincipalId, RoleId, VersionId},
    rollout::Ring,
    time::Timestamp,
};

/// SHA-256 of a secret that holds at least 128 random bits; no salt is needed for such.
pub type SecretHash = [u8; 32];

/// What a verb gives: a future of its answer.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A key-encryption key as the store knows it: its name and whether it may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub id: KeyId,
    /// Since when it exists.
    pub created_at: Timestamp,
    /// New envelopes are sealed under the one active key.
    pub active: bool,
    /// When it was retired; a retired key wraps nothing.
    pub retired_at: Option<Timestamp>,
}

/// The place of an envelope, and the wrapped data key that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The device object.
    pub device: DeviceId,
    /// The version.
    pub version: VersionId,
    /// The wrapped data key.
    pub wrapped_key: [u8; 40],
}

/// The store.
#[allow(clippy::too_many_arguments, reason = "a verb names each fact it needs")]
pub trait Store: Send + Sync + 'static {
    // ---- tenant ---------------------------------------------------------------------------------

    /// Writes the tenant of a new data directory. [`StoreError::Exists`] when there is one.
    fn initialise(&self, tenant: NewTenant, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// The tenant. [`StoreError::NotInitialised`] before [`Store::initialise`].
    fn tenant(&self) -> Answer<'_, Tenant>;
    /// Replaces the settings. [`StoreError::Changed`] unless `revision` is the tenant's.
    fn update_settings(&self, settings: Settings, revision: u64, audit: AuditEntry) -> Answer<'_, Tenant>;
    /// Tells the store what the clock did; the answer is whether jobs that destroy are held
    /// (rotation.md 3): the clock moved by over 24 h from what the monotonic clock (or, at the first
    /// observation of a process, the last stored time) allows. Writes at most once an hour.
    fn observe_clock(&self, reading: ClockReading) -> Answer<'_, bool>;
    /// A person confirms that the clock is right; ends the hold.
    fn confirm_clock(&self, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Numbers for metrics.
    fn counts(&self) -> Answer<'_, Counts>;
    /// Whether the store can write now: [`StoreError::DiskFull`], [`StoreError::ReadOnly`] or
    /// [`StoreError::Unavailable`] if not. Changes nothing.
    fn ready(&self) -> Answer<'_, ()>;
    /// Makes the data a new incarnation after a restore (rotation.md 3): voids join tokens, sessions,
    /// device codes, API tokens and (by new epochs) bearer tokens, and marks every version as from the backup.
    fn begin_incarnation(
        &self,
        incarnation: Incarnation,
        backup_at: Timestamp,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ()>;

    // ---- key-encryption keys --------------------------------------------------------------------

    /// Every key-encryption key, oldest first.
    fn keys(&self) -> Answer<'_, Vec<Key>>;
    /// Makes `key` the active one. The former stays good until it is retired. `Exists` for a known id.
    fn begin_rekey(&self, key: KeyId, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Up to `limit` envelopes under `key`.
    fn wrapped_under(&self, key: KeyId, limit: u32) -> Answer<'_, Vec<WrappedKey>>;
    /// Puts data keys, wrapped anew, in the place of those under `from`. Rows that are gone or are no
    /// longer under `from` are left as they are. Answers how many were replaced.
    fn rewrap(&self, from: KeyId, to: KeyId, keys: Vec<WrappedKey>) -> Answer<'_, u64>;
    /// Retires `key` if no envelope is under it, in the same transaction; answers how many still are
    /// (0: retired). [`StoreError::InUse`] for the active key. A retired key stays so: again is success.
    fn retire_key(&self, key: KeyId, now: Timestamp, audit: AuditEntry) -> Answer<'_, u64>;
    /// One sealed version for each key that wraps any (for `check`).
    fn sealed_samples(&self) -> Answer<'_, Vec<SealedVersion>>;

    // ---- audit ----------------------------------------------------------------------------------

    /// Appends an entry for something that changes nothing here (a refusal, a sign-in).
    fn append_audit(&self, entry: AuditEntry) -> Answer<'_, ()>;
    /// Records, newest first. The cursor is the sequence.
    fn audit(&self, filter: AuditFilter, page: Page) -> Answer<'_, PageOf<AuditRecord>>;
    /// Records of a chain with a sequence over `after`, oldest first, for verification.
    fn audit_chain(&self, chain: u32, after: u64, limit: u32) -> Answer<'_, Vec<AuditRecord>>;
    /// The place of the earliest record of a chain from then on; `None` when all are older.
    fn audit_from(&self, chain: u32, at: Timestamp) -> Answer<'_, Option<u64>>;
    /// The end of every chain.
    fn audit_heads(&self) -> Answer<'_, Vec<AuditHead>>;
    /// Stores a signed head. [`StoreError::Changed`] if it is not a record of the chain.
    fn put_signed_head(&self, signed: SignedHead) -> Answer<'_, ()>;
    /// The newest signed head of every chain.
    fn signed_heads(&self) -> Answer<'_, Vec<SignedHead>>;
    /// Removes records up to the checkpoint's sequence and stores the checkpoint.
    /// [`StoreError::Changed`] if its hash is not the chain's, [`StoreError::ClockHeld`] while held.
    fn prune_audit(&self, checkpoint: AuditCheckpoint, audit: AuditEntry) -> Answer<'_, u64>;
    /// The checkpoint that each pruned chain starts from.
    fn audit_checkpoints(&self) -> Answer<'_, Vec<AuditCheckpoint>>;

    // ---- devices --------------------------------------------------------------------------------

    /// Stores a join token. [`StoreError::NotFound`] when its group does not exist.
    fn create_join_token(&self, token: NewJoinToken, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Join tokens in the order of their ids.
    fn join_tokens(&self, page: Page) -> Answer<'_, PageOf<JoinToken>>;
    /// Revokes a join token that was not used ([`StoreError::TokenUsed`]); again is success.
    fn revoke_join_token(&self, id: [u8; 16], now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Whether the token could be used now for a new device, without using it: asked before a
    /// certificate is made. `TokenUnknown`, `TokenRevoked`, `TokenUsed`, `TokenExpired`.
    fn check_join_token(&self, hash: SecretHash, now: Timestamp) -> Answer<'_, JoinToken>;
    /// Uses a join token and makes the device object, in one. The same token with the same public key
    /// gives the same object again, with the new certificate added, until the token expires or the
    /// device is no longer enabled. A predecessor that is gone meanwhile is left aside.
    fn join(&self, token: SecretHash, device: NewDevice, now: Timestamp, audit: AuditEntry) -> Answer<'_, Joined>;
    /// A device, tombstones and purged ones included.
    fn device(&self, id: DeviceId) -> Answer<'_, Option<Device>>;
    /// The device and certificate with this SHA-256, if it was issued here.
    fn device_by_certificate(&self, fingerprint: [u8; 32]) -> Answer<'_, Option<(Device, Certificate)>>;
    /// Devices in the order of their ids.
    fn devices(&self, filter: DeviceFilter, page: Page) -> Answer<'_, PageOf<Device>>;
    /// Certificates of a device, newest first.
    fn certificates(&self, device: DeviceId) -> Answer<'_, Vec<Certificate>>;
    /// Adds a renewed certificate, and the device's key when it is a new one.
    fn add_certificate(
        &self,
        device: DeviceId,
        certificate: NewCertificate,
        public_key: Vec<u8>,
        audit: AuditEntry,
    ) -> Answer<'_, ()>;
    /// Revokes a certificate; again is success.
    fn revoke_certificate(&self, fingerprint: [u8; 32], now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Changes the state. A change to the state that it has is success and changes nothing;
    /// [`StoreError::DeviceState`] when it cannot follow.
    fn change_device(
        &self,
        id: DeviceId,
        change: DeviceChange,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Device>;
    /// Removes a tombstone's passwords for good; its name stays (rotation.md 3, "Purge").
    /// [`StoreError::PurgeRefused`] for the predecessor of a device without a proven version, and for
    /// [`PurgeBy::Job`] before its time or when it has reported since; [`StoreError::ClockHeld`] for the
    /// job. `DeviceUnknown` when it was purged before.
    fn purge_device(&self, id: DeviceId, by: PurgeBy, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Tombstones that [`Store::purge_device`] would take from the job now, at most `limit`.
    fn purgeable(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<DeviceId>>;
    /// A person says which object the machine had before; again is success. [`StoreError::InUse`] for a
    /// circle.
    fn link_predecessor(&self, device: DeviceId, predecessor: DeviceId, audit: AuditEntry) -> Answer<'_, Device>;
    /// Notes an authentic contact. In memory only; [`Store::flush_seen`] writes.
    fn note_seen(&self, device: DeviceId, now: Timestamp);
    /// Writes noted contacts in one batch; answers how many. May be lost by a crash.
    fn flush_seen(&self) -> Answer<'_, u64>;
    /// Keeps something that a device told of itself, with more about it as JSON text. `DeviceUnknown`.
    fn note_event(&self, device: DeviceId, kind: DeviceEventKind, detail: String, now: Timestamp) -> Answer<'_, ()>;
    /// What happened to a device, newest first.
    fn device_events(&self, device: DeviceId, page: Page) -> Answer<'_, PageOf<DeviceEvent>>;
    /// Notes a sign-in with the password of a version, with its record; `false` when it was noted before, and
    /// nothing is changed then. Taken whatever the switch or the device's state. At most [`USES_KEPT`] of a
    /// device are kept, the newest. `DeviceUnknown`.
    fn note_use(&self, used: PasswordUse, audit: AuditEntry) -> Answer<'_, bool>;
    /// Uses of a device's passwords, newest first.
    fn uses(&self, device: DeviceId, page: Page) -> Answer<'_, PageOf<PasswordUse>>;
    /// The newest record of a successful reveal for `device` that gave `version` out, among its newest 1,000.
    fn last_read(&self, device: DeviceId, version: VersionId) -> Answer<'_, Option<AuditRecord>>;
    /// A person ends a fork: trimming goes on, the suspicion of a clone is gone.
    fn clear_fork(&self, device: DeviceId, now: Timestamp, audit: AuditEntry) -> Answer<'_, Device>;

    // ---- groups ---------------------------------------------------------------------------------

    /// Makes a group. [`StoreError::Exists`] for a known id or name. With a filter its members are the devices
    /// that fit, now and later: whenever membership changes, the device's revision counts on.
    fn create_group(
        &self,
        id: GroupId,
        name: String,
        filter: Option<GroupFilter>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Group>;
    /// Gives a filtered group another filter; its members follow in the same transaction.
    /// [`StoreError::Unfiltered`] for a group whose members people keep.
    fn change_group_filter(
        &self,
        id: GroupId,
        filter: GroupFilter,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Group>;
    /// A group; [`ALL_DEVICES`] is one, named "All devices".
    fn group(&self, id: GroupId) -> Answer<'_, Option<Group>>;
    /// Groups in the order of their ids, [`ALL_DEVICES`] last.
    fn groups(&self, page: Page) -> Answer<'_, PageOf<Group>>;
    /// Gives a group another name.
    fn rename_group(&self, id: GroupId, name: String, audit: AuditEntry) -> Answer<'_, Group>;
    /// Removes a group; its members stay devices. [`StoreError::InUse`] while a policy, a role or an
    /// unused join token names it.
    fn delete_group(&self, id: GroupId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Puts a device into a group; again is success. Counts the device's revision on.
    /// [`StoreError::Filtered`] for a filtered group.
    fn add_member(&self, group: GroupId, device: DeviceId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Takes a device out of a group; again is success. Counts the device's revision on.
    /// [`StoreError::Filtered`] for a filtered group.
    fn remove_member(&self, group: GroupId, device: DeviceId, audit: AuditEntry) -> Answer<'_, ()>;

    // ---- versions (rotation.md 3) ---------------------------------------------------------------

    /// `store`: new → pending. A certificate that is not of this device, or a purged device, is `DeviceUnknown`, a
    /// revoked one `CertificateRevoked`; one that the store does not know tells nothing (a restored store may be
    /// older). The same key, account and fingerprint gives the same answer, whatever
    /// else changed; the same key otherwise is [`StoreError::VersionConflict`]. Then refuses with
    /// `DeviceUnknown`, `DeviceDeleted`, `DeviceDisabled`, `SwitchOff`, `TooManyVersions`,
    /// `TooManyUnresolved` (released ones are not counted), `KeyRetired`, the first that holds.
    /// The name in the entry's target becomes the device's.
    fn store_pending(&self, version: NewVersion, now: Timestamp, audit: AuditEntry) -> Answer<'_, Stored>;
    /// `prove`: pending → current; the account's former current and every pending of a lower sequence →
    /// superseded; live sets of the device's other accounts → released; rotation requests of a lower
    /// sequence are met. Already current or superseded: success, nothing changed. Taken whatever the
    /// switch or the device's state. The version counts as installed until the next report. A proof that
    /// comes after that of a later version of another account makes its own account's version current
    /// and released, and nothing else. `VersionAbandoned`, `VersionUnknown`, `DeviceUnknown`.
    fn mark_proven(&self, proof: Proof, now: Timestamp, audit: AuditEntry) -> Answer<'_, Proven>;
    /// `abandon`: pending → abandoned. Anything else, an unknown version included: success, nothing
    /// changed. Answers the state after it, `None` for an unknown version.
    fn abandon(
        &self,
        device: DeviceId,
        version: VersionId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Option<VersionState>>;
    /// `report`. Durable only when something changed. Detects forks.
    fn report(&self, report: Report, now: Timestamp) -> Answer<'_, ReportAnswer>;
    /// What the device said last.
    fn last_report(&self, device: DeviceId) -> Answer<'_, Option<DeviceReport>>;
    /// Versions of a device without passwords, best first (rotation.md 3, end): the live set; with
    /// `history` superseded ones, then abandoned ones, newest first. A device with no proven version of
    /// its own shows its predecessor's live set (or what that one would show) behind its own, before the
    /// history, labelled. Empty for a purged device; `DeviceUnknown` for an unknown one.
    fn versions(&self, device: DeviceId, history: bool) -> Answer<'_, Vec<Version>>;
    /// Devices whose live set, as [`Store::versions`] shows it, is not empty, in the order of their ids,
    /// without tombstones. A page may hold fewer than `limit` before the last one.
    fn credentials(&self, filter: DeviceFilter, page: Page) -> Answer<'_, PageOf<CredentialSummary>>;
    /// Gives out sealed passwords: checks epoch and revision, reads, and appends `audit` with every
    /// version named, all in one transaction (I2). In it the rules of [`Store::reading_rule_for`] are held: a request
    /// for access that they ask for loses a read, and a rotation that they ask for is noted; a later read does not
    /// put it off. Unseal after the answer only. `AuthorizationChanged`, `Changed` (the device's revision, or the
    /// rules ask for more than `reading` brings), `DeviceUnknown`, `NoPassword`.
    fn reveal(&self, reveal: Reveal, audit: AuditEntry) -> Answer<'_, Vec<SealedVersion>>;
    /// Policy left the device's accounts: its live sets become released. Again is success. Answers how
    /// many versions were released.
    fn release(&self, device: DeviceId, now: Timestamp, audit: AuditEntry) -> Answer<'_, u64>;
    /// The retention job: goes on behind `after` over at most `limit` devices and removes what
    /// rotation.md 3 lets go. `audit` is appended when something was removed or a fork ended.
    /// [`StoreError::ClockHeld`].
    fn trim(&self, after: Option<String>, limit: u32, now: Timestamp, audit: AuditEntry) -> Answer<'_, Trimmed>;

    // ---- work for devices -----------------------------------------------------------------------

    /// A person asks for a rotation; adds one to the device's bound. An open request that no version
    /// has been stored for yet is given again. `DeviceUnknown`, `DeviceDeleted`, `DeviceDisabled`.
    fn request_rotation(
        &self,
        device: DeviceId,
        by: PrincipalId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, RequestedRotation>;
    /// Rotation requests of a device, newest first, at most 20.
    fn rotation_requests(&self, device: DeviceId) -> Answer<'_, Vec<RotationRequest>>;
    /// Pieces of work with a sequence over `after`, oldest first, at most `limit`. Work is kept a day.
    fn work_since(&self, after: u64, limit: u32) -> Answer<'_, Vec<Work>>;
    /// The sequence of the newest piece of work, watched: it changes after each commit that adds one.
    fn watch_work(&self) -> tokio::sync::watch::Receiver<u64>;

    // ---- evidence in bulk, escrow ---------------------------------------------------------------

    /// What is known of devices, in the order of their ids: everything that `explain` needs, read in bulk.
    fn survey(&self, filter: SurveyFilter, page: Page) -> Answer<'_, PageOf<Surveyed>>;
    /// Open requests of a device that no proof will meet are closed, with the code that says why. Again is success;
    /// answers how many were closed.
    fn close_requests(
        &self,
        device: DeviceId,
        code: &'static str,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, u64>;
    /// Gives out sealed passwords of many devices, a page at a time: checks the epoch, reads, and appends `audit` with
    /// every version named, all in one transaction (I2). Unseal after the answer only. Own versions of a device only:
    /// what its predecessor had is that one's. A page without a password appends nothing. `AuthorizationChanged`.
    fn disclose(&self, disclosure: Disclosure, audit: AuditEntry) -> Answer<'_, DisclosedPage>;
    /// Remembers an export before its archive leaves, and for each device in it that this is the newest.
    /// [`StoreError::Exists`] for a known id.
    fn record_export(
        &self,
        export: NewExport,
        devices: Vec<DeviceId>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Export>;
    /// Exports, newest first.
    fn exports(&self, limit: u32) -> Answer<'_, Vec<Export>>;
    /// The newest export that holds a password of the device; a purged device keeps it.
    fn export_of(&self, device: DeviceId) -> Answer<'_, Option<Export>>;
    /// The export that was last shown to open.
    fn last_drilled(&self) -> Answer<'_, Option<Export>>;
    /// Somebody showed that the archive opens. [`StoreError::NotFound`].
    fn record_drill(&self, export: [u8; 16], by: String, now: Timestamp, audit: AuditEntry) -> Answer<'_, Export>;

    // ---- campaigns (docs/revoke.md) -------------------------------------------------------------

    /// Makes a campaign without devices. [`StoreError::Exists`] for a known id.
    fn create_campaign(&self, campaign: NewCampaign, now: Timestamp, audit: AuditEntry) -> Answer<'_, Campaign>;
    /// Takes devices in and goes on to `place`; `None` when these were the last. A device that it has already is
    /// only told the higher `exposed`, while it waits. A device that is not there is left out.
    /// [`StoreError::Changed`] unless it was at `from`.
    fn gather_campaign(
        &self,
        id: CampaignId,
        chosen: Vec<Chosen>,
        from: Option<String>,
        place: Option<String>,
        now: Timestamp,
    ) -> Answer<'_, ()>;
    /// Asks devices that wait: each is judged by its state and by what of it is exposed, then asked as
    /// [`Store::request_rotation`] does, or told why not. Devices that do not wait are left as they are.
    /// Answers how many were asked.
    fn ask_campaign(&self, id: CampaignId, asked: Vec<Ask>, now: Timestamp) -> Answer<'_, u64>;
    /// Looks at the devices that are requested, refused or gone, at most `limit` behind `after`: one that was
    /// disabled or deleted since is told so, one that was and came back waits again (and its campaign is open
    /// again).
    /// Answers where the next look goes on.
    fn review_campaign(
        &self,
        id: CampaignId,
        after: Option<String>,
        limit: u32,
        now: Timestamp,
    ) -> Answer<'_, Option<String>>;
    /// Ends a campaign that is gathered, or called off, and has no open device; answers whether it did so now.
    fn complete_campaign(&self, id: CampaignId, now: Timestamp, audit: AuditEntry) -> Answer<'_, bool>;
    /// Calls a campaign off: nothing more is gathered or asked for it, and it can end before it is gathered.
    /// [`StoreError::Changed`] when it has ended or was called off before.
    fn cancel_campaign(&self, id: CampaignId, by: String, now: Timestamp, audit: AuditEntry) -> Answer<'_, Campaign>;
    /// Takes devices of a campaign that was called off from its list: one that waits or is requested becomes
    /// cancelled. Its request is closed, with its record, unless a person asked for it too or another campaign
    /// follows it. Answers how many were cancelled. [`StoreError::Changed`] when the campaign was not called off.
    fn call_off(&self, id: CampaignId, devices: Vec<CallOff>, now: Timestamp) -> Answer<'_, u64>;
    /// A campaign.
    fn campaign(&self, id: CampaignId) -> Answer<'_, Option<Campaign>>;
    /// Campaigns, newest first; only those of `by`, or all. The cursor is the sequence.
    fn campaigns(&self, by: Option<PrincipalId>, page: Page) -> Answer<'_, PageOf<Campaign>>;
    /// Campaigns that are not complete, oldest first, at most 100; their counts are not filled in.
    fn open_campaigns(&self) -> Answer<'_, Vec<Campaign>>;
    /// Devices of a campaign in the order of their ids; only those in `state`, or all.
    fn campaign_devices(
        &self,
        id: CampaignId,
        state: Option<CampaignState>,
        page: Page,
    ) -> Answer<'_, PageOf<CampaignDevice>>;
    /// What the readers were given, from the audit log, oldest first: each device object that a record names,
    /// with the highest sequence of its disclosed versions that are still kept. A device that joined again is
    /// named by its newest object. A page holds whole records, at most `limit`.
    fn exposures(&self, filter: ExposureFilter, page: Page) -> Answer<'_, PageOf<Chosen>>;
    /// Users and service principals of this name, without case, to whom the audit log says something was
    /// disclosed; deleted ones too. At most 10.
    fn readers(&self, name: String) -> Answer<'_, Vec<PrincipalId>>;

    // ---- policies -------------------------------------------------------------------------------

    /// Makes a policy, version 1. [`StoreError::Exists`] for a known id or name.
    fn create_policy(
        &self,
        id: PolicyId,
        name: String,
        values: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Policy>;
    /// Makes the next version, which reaches its devices as `spread` says. [`StoreError::Changed`] unless `version`
    /// is the newest; [`StoreError::InUse`] for rings while another version is on its way.
    fn revise_policy(
        &self,
        id: PolicyId,
        version: u32,
        name: String,
        values: String,
        spread: Spread,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Policy>;
    /// A policy in its newest version.
    fn policy(&self, id: PolicyId) -> Answer<'_, Option<Policy>>;
    /// Every version of a policy, newest first.
    fn policy_versions(&self, id: PolicyId) -> Answer<'_, Vec<Policy>>;
    /// Policies in their newest version, in the order of their ids.
    fn policies(&self, page: Page) -> Answer<'_, PageOf<Policy>>;
    /// Removes a policy. [`StoreError::InUse`] while it is assigned.
    fn delete_policy(&self, id: PolicyId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Assigns a policy to a group; again is success.
    fn assign_policy(&self, policy: PolicyId, group: GroupId, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Ends an assignment; again is success.
    fn unassign_policy(&self, policy: PolicyId, group: GroupId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Assignments of a policy, or all (`None`), at most [`Page::LIMIT_MAX`].
    fn assignments(&self, policy: Option<PolicyId>) -> Answer<'_, Vec<Assignment>>;
    /// A group that the policy does not apply to, whatever else brings it; again is success.
    fn exclude_policy(&self, policy: PolicyId, group: GroupId, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Ends an exclusion; again is success.
    fn include_policy(&self, policy: PolicyId, group: GroupId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Exclusions of a policy, or all (`None`), at most [`Page::LIMIT_MAX`].
    fn exclusions(&self, policy: Option<PolicyId>) -> Answer<'_, Vec<Assignment>>;
    /// Sets the rings that new versions go by; `None`: all at once.
    fn set_ring_plan(&self, policy: PolicyId, rings: Option<Vec<Ring>>, audit: AuditEntry) -> Answer<'_, ()>;
    /// The rings that new versions go by.
    fn ring_plan(&self, policy: PolicyId) -> Answer<'_, Option<Vec<Ring>>>;
    /// The newest version, which no device has yet, goes by rings. [`StoreError::InUse`] while a version is on its
    /// way.
    fn begin_rollout(
        &self,
        policy: PolicyId,
        rings: Vec<Ring>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Rollout>;
    /// The last version that went by rings.
    fn rollout(&self, policy: PolicyId) -> Answer<'_, Option<Rollout>>;
    /// Rollouts that are running or halted, in the order of their policies' ids, at most [`Page::LIMIT_MAX`].
    fn open_rollouts(&self) -> Answer<'_, Vec<Rollout>>;
    /// Changes a rollout that is as `from` says (its ring and state), with why as JSON text.
    /// [`StoreError::Changed`] when it is not, or cannot follow. Wakes the devices that may be reached by it.
    fn change_rollout(
        &self,
        from: Rollout,
        change: RolloutChange,
        detail: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, Rollout>;
    /// Devices whose delivery is held, in the order of their ids.
    fn held_devices(&self, page: Page) -> Answer<'_, PageOf<HeldDevice>>;
    /// The policies that apply to a device through its groups and are not excluded through one, in the order of
    /// their ids, each in the version that is for the device. A purged device is in no group but all devices.
    fn policies_for(&self, device: DeviceId) -> Answer<'_, Vec<AssignedPolicy>>;
    /// Notes what is sent to a device, before it is sent. The same digest as the last one sent gives
    /// that one again and writes nothing. Clears `held`.
    fn record_delivery(&self, delivery: NewDelivery, now: Timestamp) -> Answer<'_, Delivery>;
    /// The device answered. With `complete` (it took all of it) the delivery is in force. An answer for
    /// another than the last sent is ignored; the same answer again writes nothing.
    fn answer_delivery(
        &self,
        device: DeviceId,
        sequence: u64,
        statuses: Vec<SettingStatus>,
        complete: bool,
        now: Timestamp,
    ) -> Answer<'_, ()>;
    /// Nothing new is sent to the device, for this reason (JSON text). The same again writes nothing.
    fn hold_delivery(&self, device: DeviceId, reason: String) -> Answer<'_, ()>;
    /// What was delivered to a device.
    fn deliveries(&self, device: DeviceId) -> Answer<'_, Deliveries>;

    // ---- reading --------------------------------------------------------------------------------

    /// The rules of groups for those who read, in the order of the groups' ids.
    fn reading_rules(&self) -> Answer<'_, Vec<GroupRule>>;
    /// Sets the rule of a group, or takes it away; the same again is success and appends nothing. A group with a
    /// rule is not deleted.
    fn set_reading_rule(&self, group: GroupId, rule: Option<ReadingRule>, audit: AuditEntry) -> Answer<'_, ()>;
    /// The strictest of the rules that bear on a device: of its groups, and of the groups of those former objects of
    /// the machine whose passwords are shown with its own. `DeviceUnknown`.
    fn reading_rule_for(&self, device: DeviceId) -> Answer<'_, ReadingRule>;
    /// Asks for access. One of the same asker for the same device that still can be answered or used is given again.
    /// `DeviceUnknown`, `TooManyRequests`.
    fn request_access(&self, new: NewAccessRequest, now: Timestamp, audit: AuditEntry) -> Answer<'_, RequestedAccess>;
    /// A request for access.
    fn access_request(&self, id: [u8; 16]) -> Answer<'_, Option<AccessRequest>>;
    /// Requests for access, newest first. The cursor is the sequence.
    fn access_requests(&self, filter: AccessFilter, page: Page) -> Answer<'_, PageOf<AccessRequest>>;
    /// Approves or denies. Each person once; what was approved can still be denied. [`StoreError::NotFound`],
    /// `OwnRequest`, `AccessEnded`, [`StoreError::Exists`] for the same answer of the same person.
    fn answer_access(&self, id: [u8; 16], answer: AccessAnswer, audit: AuditEntry) -> Answer<'_, AccessRequest>;
    /// Its asker takes a request back; again is success. [`StoreError::NotFound`] for one of somebody else,
    /// `AccessEnded`.
    fn cancel_access(
        &self,
        id: [u8; 16],
        by: PrincipalId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, AccessRequest>;
    /// The rotation that reads of a device are followed by; gone when it was asked for, or when a version that was
    /// stored after the last read is proven.
    fn rotation_due(&self, device: DeviceId) -> Answer<'_, Option<DueRotation>>;
    /// Those that are due now, of enabled devices, the first due first, at most `limit`.
    fn rotations_due(&self, now: Timestamp, limit: u32) -> Answer<'_, Vec<DueRotation>>;
    /// Asks for the rotation that follows a read, as [`Store::request_rotation`] does, when it is due by `by`;
    /// `false` when there is none. `DeviceUnknown`, `DeviceDeleted`, `DeviceDisabled`.
    fn rotate_after_read(&self, device: DeviceId, by: Timestamp, now: Timestamp, audit: AuditEntry)
    -> Answer<'_, bool>;

    // ---- channels -------------------------------------------------------------------------------

    /// Channels by which people are told of reads, in the order of their names.
    fn channels(&self) -> Answer<'_, Vec<Channel>>;
    /// Makes a channel; it is told of what comes after its own record. [`StoreError::Exists`] for a known name,
    /// [`StoreError::InUse`] when there are [`CHANNELS_MAX`].
    fn create_channel(&self, new: NewChannel, now: Timestamp, audit: AuditEntry) -> Answer<'_, ()>;
    /// Removes a channel. [`StoreError::NotFound`].
    fn delete_channel(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()>;
    /// Pauses a channel, or resumes it from its place, to be tried at once; `false`, and nothing, when it was so
    /// already. [`StoreError::NotFound`].
    fn pause_channel(&self, id: [u8; 16], paused: bool, audit: AuditEntry) -> Answer<'_, bool>;
    /// Notes how a channel went on, from the record `from` to the record `to`; `false`, and nothing, when it does not
    /// stand at `from`.
    fn advance_channel(&self, id: [u8; 16], from: u64, to: u64, progress: ChannelProgress) -> Answer<'_, bool>;

    // ---- people ---------------------------------------------------------------------------------

    /// Makes a user. [`StoreError::Exists`] for a known id or name.
    fn create_user(&self, user: NewUser, now: Timestamp, audit: AuditEntry) -> Answer<'_, User>;
    /// A user.
    fn user(&self, id: PrincipalId) -> Answer<'_, Option<User>>;
    /// A user by sign-in name, compared without case.
    fn user_by_name(&self, user_name: String) -> Answer<'_, Option<User>>;
    /// Users in the order of their ids.
    fn users(&self, page: Page) -> Answer<'_, PageOf<User>>;
    /// Changes a user; ends the sessions unless only the shown name changed. A new one-time secret ends API tokens too.
    /// [`StoreError::LastAdministrator`].
    fn update_user(&self, id: PrincipalId, change: UserChange, audit: AuditEntry) -> Answer<'_, User>;
    /// Removes a user with roles and sessions. [`StoreError::LastAdministrator`].
    fn delete_user(&self, id: PrincipalId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Redeems the one-time secret for a password, once: `TokenUnknown`, `TokenExpired`.
    fn redeem_one_time(
        &self,
        user: PrincipalId,
        secret: SecretHash,
        password_hash: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, User>;
    /// Makes a service principal. [`StoreError::Exists`] for a known id.
    fn create_service_principal(
        &self,
        principal: NewServicePrincipal,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ServicePrincipal>;
    /// A service principal.
    fn service_principal(&self, id: PrincipalId) -> Answer<'_, Option<ServicePrincipal>>;
    /// Service principals in the order of their ids.
    fn service_principals(&self, page: Page) -> Answer<'_, PageOf<ServicePrincipal>>;
    /// Changes a service principal.
    fn update_service_principal(
        &self,
        id: PrincipalId,
        change: ServicePrincipalChange,
        audit: AuditEntry,
    ) -> Answer<'_, ServicePrincipal>;
    /// Removes a service principal with secrets and roles. [`StoreError::LastAdministrator`].
    fn delete_service_principal(&self, id: PrincipalId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Makes a role. [`StoreError::Exists`] for a known id or name, [`StoreError::TooMany`] beyond
    /// [`CUSTOM_ROLES_MAX`].
    fn create_role(&self, role: CustomRole, audit: AuditEntry) -> Answer<'_, CustomRole>;
    /// Changes a role. Other actions count the epochs of its holders on and end their sessions.
    fn update_role(&self, id: RoleId, change: CustomRoleChange, audit: AuditEntry) -> Answer<'_, CustomRole>;
    /// Removes a role. [`StoreError::InUse`] while somebody has it.
    fn delete_role(&self, id: RoleId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Every custom role, in the order of their names.
    fn custom_roles(&self) -> Answer<'_, Vec<CustomRole>>;
    /// Gives a role. The same (principal, role, scope) again is [`StoreError::Exists`]; a custom role that is not
    /// there is [`StoreError::NotFound`].
    fn assign_role(&self, assignment: RoleAssignment, audit: AuditEntry) -> Answer<'_, ()>;
    /// Takes a role. [`StoreError::LastAdministrator`].
    fn unassign_role(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()>;
    /// Role assignments of a principal, or all of them (`None`): whoever asks who has a role must see everybody.
    fn role_assignments(&self, principal: Option<PrincipalId>) -> Answer<'_, Vec<RoleAssignment>>;
    /// What a principal may do; `None` when there is no such principal.
    fn authorization(&self, principal: PrincipalId) -> Answer<'_, Option<Authorization>>;

    // ---- kept secrets ---------------------------------------------------------------------------

    /// Keeps a secret that must be read again, over the one of that name. `KeyRetired`.
    fn put_secret(&self, name: String, sealed: Sealed, audit: AuditEntry) -> Answer<'_, ()>;
    /// A kept secret.
    fn secret(&self, name: String) -> Answer<'_, Option<Sealed>>;
    /// Removes a kept secret; again is success.
    fn delete_secret(&self, name: String, audit: AuditEntry) -> Answer<'_, ()>;
    /// Up to `limit` kept secrets under `key`.
    fn secrets_under(&self, key: KeyId, limit: u32) -> Answer<'_, Vec<WrappedSecret>>;
    /// As [`Store::rewrap`], for kept secrets.
    fn rewrap_secrets(&self, from: KeyId, to: KeyId, secrets: Vec<WrappedSecret>) -> Answer<'_, u64>;

    // ---- means of signing in --------------------------------------------------------------------

    /// What a user can sign in with beside the password.
    fn factors(&self, user: PrincipalId) -> Answer<'_, Factors>;
    /// One-time passwords are asked for from now on: keeps the sealed secret and the hashes of the recovery codes.
    /// [`StoreError::Exists`] when they are already.
    fn enrol_totp(
        &self,
        user: PrincipalId,
        secret: Sealed,
        recovery: Vec<SecretHash>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ()>;
    /// They are no longer asked for; sessions end. Again is success.
    fn remove_totp(&self, user: PrincipalId, audit: AuditEntry) -> Answer<'_, ()>;
    /// Uses up a recovery code: whether it was one.
    fn use_recovery_code(&self, user: PrincipalId, code: SecretHash, audit: AuditEntry) -> Answer<'_, bool>;
    /// Registers a passkey. [`StoreError::Exists`], [`StoreError::TooMany`].
    fn add_passkey(&self, passkey: Passkey, audit: AuditEntry) -> Answer<'_, ()>;
    /// A passkey by its credential id.
    fn passkey(&self, id: Vec<u8>) -> Answer<'_, Option<Passkey>>;
    /// Notes a use of a passkey with its new data.
    fn use_passkey(&self, id: Vec<u8>, data: String, now: Timestamp) -> Answer<'_, ()>;
    /// Removes a passkey of a user; sessions end.
    fn remove_passkey(&self, user: PrincipalId, id: Vec<u8>, audit: AuditEntry) -> Answer<'_, ()>;
    /// Stores what a sign-in or an enrolment has come to.
    fn put_ticket(&self, ticket: Ticket) -> Answer<'_, ()>;
    /// Takes it, once: its data; `None` when it is not there or has run out.
    fn take_ticket(&self, purpose: &'static str, hash: SecretHash, now: Timestamp) -> Answer<'_, Option<String>>;
    /// Stores an API token of a user. [`StoreError::TooMany`].
    fn create_api_token(&self, token: ApiToken, audit: AuditEntry) -> Answer<'_, ()>;
    /// An API token that is good at `now`; notes its use, at most once in [`USE_NOTED_S`].
    fn use_api_token(&self, hash: SecretHash, now: Timestamp) -> Answer<'_, Option<ApiToken>>;
    /// API tokens of a user, or all (`None`), oldest first: at most [`API_TOKENS_MAX`] of each user.
    fn api_tokens(&self, user: Option<PrincipalId>) -> Answer<'_, Vec<ApiToken>>;
    /// Revokes an API token.
    fn revoke_api_token(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()>;
    /// Adds a public key to a service principal. [`StoreError::TooMany`].
    fn add_client_key(&self, key: ClientKey, audit: AuditEntry) -> Answer<'_, ()>;
    /// The public keys of a service principal.
    fn client_keys(&self, of: PrincipalId) -> Answer<'_, Vec<ClientKey>>;
    /// Removes one; tokens that it has end.
    fn remove_client_key(&self, of: PrincipalId, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()>;
    /// Foreign OpenID providers, by name.
    fn identity_providers(&self) -> Answer<'_, Vec<IdentityProvider>>;
    /// Sets one up with its sealed client secret. [`StoreError::Exists`] for a known issuer, [`StoreError::TooMany`].
    fn add_identity_provider(&self, provider: IdentityProvider, secret: Sealed, audit: AuditEntry) -> Answer<'_, ()>;
    /// Removes one with its links.
    fn remove_identity_provider(&self, id: [u8; 16], audit: AuditEntry) -> Answer<'_, ()>;
    /// Says which user a subject of a provider is. [`StoreError::Exists`] when the subject is linked.
    fn link_identity(&self, link: IdentityLink, audit: AuditEntry) -> Answer<'_, ()>;
    /// Takes a link away; sessions of the user end.
    fn unlink_identity(&self, provider: [u8; 16], subject: String, audit: AuditEntry) -> Answer<'_, ()>;
    /// Which user a subject is.
    fn linked_identity(&self, provider: [u8; 16], subject: String) -> Answer<'_, Option<IdentityLink>>;
    /// The links of a user.
    fn identity_links(&self, user: PrincipalId) -> Answer<'_, Vec<IdentityLink>>;

    // ---- signing in -----------------------------------------------------------------------------

    /// Stores a session.
    fn put_session(&self, session: Session) -> Answer<'_, ()>;
    /// A session that is good at `now`: not run out, not used up, its principal's epoch the same.
    fn session(&self, kind: SessionKind, hash: SecretHash, now: Timestamp) -> Answer<'_, Option<Session>>;
    /// Uses up `old` and puts `new` in its place; `new` keeps family, principal, epoch and data of the
    /// old one, so only its hash and times count (refresh tokens; RFC 9700 4.14).
    fn replace_session(
        &self,
        old: SecretHash,
        new: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, Replaced>;
    /// Moves the end of a good session; one that is not good stays so. Answers whether it is good.
    fn extend_session(
        &self,
        kind: SessionKind,
        hash: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool>;
    /// Ends a session; again is success.
    fn delete_session(&self, kind: SessionKind, hash: SecretHash) -> Answer<'_, ()>;
    /// Ends all sessions of a principal.
    fn delete_sessions_of(&self, principal: PrincipalId) -> Answer<'_, u64>;
    /// The sessions of a principal that are good at `now`, newest first.
    fn sessions_of(&self, principal: PrincipalId, now: Timestamp) -> Answer<'_, Vec<Session>>;
    /// Whether anything of a sign-in (a family of sessions) still stands.
    fn session_stands(&self, principal: PrincipalId, family: [u8; 16]) -> Answer<'_, bool>;
    /// Ends a sign-in with everything that follows from it.
    fn end_session(&self, principal: PrincipalId, family: [u8; 16], audit: AuditEntry) -> Answer<'_, ()>;
    /// A person forgets the failures of `key`; again is success.
    fn unlock(&self, key: String, audit: AuditEntry) -> Answer<'_, ()>;
    /// Stores a device code. [`StoreError::Exists`] when the user code is taken: draw another.
    fn create_device_code(&self, code: DeviceCode) -> Answer<'_, ()>;
    /// The open code that a person typed; `None` when it is not known, answered or run out.
    fn device_code_by_user_code(&self, user_code: String, now: Timestamp) -> Answer<'_, Option<DeviceCode>>;
    /// The person agrees (`Some`) or refuses (`None`). `TokenUnknown`, `TokenUsed`, `TokenExpired`.
    fn answer_device_code(
        &self,
        user_code: String,
        principal: Option<PrincipalId>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Answer<'_, ()>;
    /// The client asks; the person's answer is given once. `client_id` must be the one that made the code.
    fn poll_device_code(&self, hash: SecretHash, client_id: String, now: Timestamp) -> Answer<'_, DeviceCodePoll>;
    /// Notes `key` as used until `expires_at`; true the first time (replay caches). `purpose` keeps
    /// caches apart.
    fn use_once(
        &self,
        purpose: &'static str,
        key: SecretHash,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> Answer<'_, bool>;
    /// Counts a failure for `key` (a user name, a client id, a code …).
    fn count_failure(&self, key: String, rule: LockoutRule, now: Timestamp) -> Answer<'_, Lockout>;
    /// Counts a guess for `key` as a failure before it is looked at; `None`, and nothing is counted, while the key is
    /// locked. So of guesses that come at once no more are looked at than the rule lets fail.
    fn count_guess(&self, key: String, rule: LockoutRule, now: Timestamp) -> Answer<'_, Option<Lockout>>;
    /// Takes one guess back that was right, where the failures beside it stay; what that guess locked is open again.
    fn take_back_guess(&self, key: String) -> Answer<'_, ()>;
    /// The counter of `key`.
    fn lockout(&self, key: String, now: Timestamp) -> Answer<'_, Lockout>;
    /// Forgets the failures of `key`; writes nothing when there are none.
    fn clear_failures(&self, key: String) -> Answer<'_, ()>;
    /// Removes sessions, codes, replay keys, counters, API tokens and work whose time is over; answers how many.
    fn sweep(&self, now: Timestamp) -> Answer<'_, u64>;
}

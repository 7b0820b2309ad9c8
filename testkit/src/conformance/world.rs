//! What every conformance test starts from: a store with a tenant, a clock, and one administrator.

use laps::{
    id::{DeviceId, GroupId, Incarnation, PrincipalId, TenantId, VersionId},
    rotation::{Fingerprint, ProofKind},
    time::Timestamp,
};
use server::{
    audit::{Actor, AuditEntry, Outcome, Target, Verifier},
    seal::{EnvelopeKind, KeyId, Sealed},
    store::*,
};
use std::sync::Arc;

/// A store under test, its clock, and a source of names that never repeats.
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The server's time.
    pub now: Timestamp,
    /// The first key-encryption key.
    pub key: KeyId,
    /// A Global Administrator.
    pub admin: PrincipalId,
    drawn: u64,
}

impl World {
    /// Initialises the store, turns the switch on and makes the administrator.
    pub async fn new(store: Arc<dyn Store>) -> Self {
        let now = Timestamp::parse_rfc3339("2026-03-01T12:00:00Z").unwrap();
        let mut world = Self { store, now, key: KeyId([0; 16]), admin: PrincipalId::from_bytes([0; 16]), drawn: 0 };
        world.key = KeyId(world.bytes16());
        let tenant = NewTenant {
            id: TenantId::from_bytes(world.bytes16()),
            incarnation: Incarnation::from_bytes(world.bytes16()),
            key: world.key,
            settings: Settings { laps_enabled: true, ..Settings::default() },
        };
        let entry = world.entry();
        world.store.initialise(tenant, now, entry).await.unwrap();
        world.admin = world.user("admin").await;
        world.role(world.admin, GLOBAL_ADMINISTRATOR, None).await.unwrap();
        world
    }

    /// 16 bytes that were not drawn before; later ones are higher.
    pub fn bytes16(&mut self) -> [u8; 16] {
        self.drawn += 1;
        let mut bytes = [0x40; 16];
        bytes[8..].copy_from_slice(&self.drawn.to_be_bytes());
        bytes
    }

    /// 32 bytes that were not drawn before.
    pub fn bytes32(&mut self) -> [u8; 32] {
        let half = self.bytes16();
        core::array::from_fn(|index| half[index % 16])
    }

    /// An entry for the audit log.
    pub fn entry(&mut self) -> AuditEntry {
        AuditEntry {
            id: self.bytes16(),
            at: self.now,
            activity: "Conformance".into(),
            category: "Device".into(),
            actor: Actor::System("conformance".into()),
            target: Target::default(),
            outcome: Outcome::Success,
            request_id: self.drawn.to_string(),
            client: String::new(),
            detail: "{}".into(),
        }
    }

    /// Lets hours pass.
    pub fn pass_hours(&mut self, hours: u64) {
        self.now = self.now.plus_seconds(hours * 3600);
    }

    /// Lets days pass.
    pub fn pass_days(&mut self, days: u32) {
        self.now = self.now.plus_days(days);
    }

    /// Makes a user.
    pub async fn user(&mut self, name: &str) -> PrincipalId {
        let id = PrincipalId::from_bytes(self.bytes16());
        let new = NewUser {
            id,
            user_name: name.into(),
            display_name: name.into(),
            one_time: None,
            password_hash: Some("$argon2id$".into()),
        };
        let entry = self.entry();
        self.store.create_user(new, self.now, entry).await.unwrap().id
    }

    /// Gives a role; answers its id.
    pub async fn role(&mut self, to: PrincipalId, role: &str, scope: Option<GroupId>) -> Result<[u8; 16], StoreError> {
        let id = self.bytes16();
        let assignment = RoleAssignment { id, principal: to, role: role.into(), scope };
        let entry = self.entry();
        self.store.assign_role(assignment, entry).await.map(|()| id)
    }

    /// Makes a group.
    pub async fn group(&mut self, name: &str) -> GroupId {
        let id = GroupId::from_bytes(self.bytes16());
        let entry = self.entry();
        self.store.create_group(id, name.into(), None, self.now, entry).await.unwrap().id
    }

    /// Makes a join token that is good for 24 hours; answers its id and its hash.
    pub async fn token(&mut self, group: Option<GroupId>) -> ([u8; 16], SecretHash) {
        let (id, hash) = (self.bytes16(), self.bytes32());
        let token = NewJoinToken {
            id,
            hash,
            note: "for a test".into(),
            group,
            created_by: self.admin,
            expires_at: self.now.plus_days(1),
        };
        let entry = self.entry();
        self.store.create_join_token(token, self.now, entry).await.unwrap();
        (id, hash)
    }

    /// A certificate that is good for a year.
    pub fn certificate(&mut self) -> NewCertificate {
        NewCertificate {
            fingerprint: self.bytes32(),
            serial: self.bytes16().to_vec(),
            not_before: self.now,
            not_after: self.now.plus_days(365),
        }
    }

    /// What a new device brings.
    pub fn new_device(&mut self) -> NewDevice {
        let id = DeviceId::from_bytes(self.bytes16());
        NewDevice {
            id,
            name: format!("host-{}", self.drawn),
            os: "Debian 13".into(),
            public_key: self.bytes32().to_vec(),
            hardware: None,
            predecessor: None,
            certificate: self.certificate(),
        }
    }

    /// Joins a device.
    pub async fn device(&mut self) -> DeviceId {
        let new = self.new_device();
        self.joined(new).await
    }

    /// Joins a device that had another object before.
    pub async fn successor(&mut self, of: DeviceId) -> DeviceId {
        let new = NewDevice { predecessor: Some(of), ..self.new_device() };
        self.joined(new).await
    }

    async fn joined(&mut self, new: NewDevice) -> DeviceId {
        let (_, token) = self.token(None).await;
        let entry = self.entry();
        self.store.join(token, new, self.now, entry).await.unwrap().device.id
    }

    /// The row of a device.
    pub async fn row(&self, device: DeviceId) -> Device {
        self.store.device(device).await.unwrap().unwrap()
    }

    /// Changes the state of a device.
    pub async fn change(&mut self, device: DeviceId, change: DeviceChange) -> Result<Device, StoreError> {
        let entry = self.entry();
        self.store.change_device(device, change, self.now, entry).await
    }

    /// A version that was not stored before, of the account with uid 0.
    pub fn version(&mut self, device: DeviceId) -> NewVersion {
        let version = VersionId::from_bytes(self.bytes16());
        NewVersion {
            device,
            certificate: None,
            version,
            account_id: "0".into(),
            account_name: "root".into(),
            fingerprint: Fingerprint::from_bytes(*version.as_bytes()),
            expires_at: Some(self.now.plus_days(30)),
            device_time: Some(self.now),
            sealed: self.sealed(),
        }
    }

    /// An envelope under the first key. Nothing is in it: the store does not look inside.
    pub fn sealed(&mut self) -> Sealed {
        Sealed {
            kind: EnvelopeKind::Aes256GcmKw,
            key: self.key,
            wrapped_key: [7; 40],
            nonce: [9; 12],
            ciphertext: self.bytes32().to_vec(),
        }
    }

    /// `store`.
    pub async fn put(&mut self, new: NewVersion) -> Result<Stored, StoreError> {
        let entry = self.entry();
        self.store.store_pending(new, self.now, entry).await
    }

    /// `store` of a new version that must be taken.
    pub async fn stored(&mut self, device: DeviceId) -> VersionId {
        let new = self.version(device);
        let id = new.version;
        self.put(new).await.unwrap();
        id
    }

    /// `store` of a new version of another account.
    pub async fn stored_for(&mut self, device: DeviceId, account_id: &str) -> VersionId {
        let new = NewVersion { account_id: account_id.into(), account_name: "other".into(), ..self.version(device) };
        let id = new.version;
        self.put(new).await.unwrap();
        id
    }

    /// `prove`.
    pub async fn prove(&mut self, device: DeviceId, version: VersionId) -> Result<Proven, StoreError> {
        let proof = Proof { device, version, kind: ProofKind::Pam, set_at: Some(self.now), expires_at: None };
        let entry = self.entry();
        self.store.mark_proven(proof, self.now, entry).await
    }

    /// `store` and `prove`.
    pub async fn rotated(&mut self, device: DeviceId) -> VersionId {
        let version = self.stored(device).await;
        self.prove(device, version).await.unwrap();
        version
    }

    /// `abandon`.
    pub async fn abandon(&mut self, device: DeviceId, version: VersionId) -> Result<Option<VersionState>, StoreError> {
        let entry = self.entry();
        self.store.abandon(device, version, self.now, entry).await
    }

    /// A true report of a device whose account holds `installed`, and that knows of its proof.
    pub async fn truth(&self, device: DeviceId, installed: Option<VersionId>) -> Report {
        Report {
            device,
            account_id: Some("0".into()),
            account_name: Some("root".into()),
            usability: "usable".into(),
            installed: installed.map(|version| Fingerprint::from_bytes(*version.as_bytes())),
            acknowledged: installed,
            intent: None,
            last_error: None,
            evidence: "{}".into(),
            name: self.row(device).await.name,
            os: "Debian 13".into(),
            agent_version: "0.1.0".into(),
        }
    }

    /// `report`.
    pub async fn report(&self, report: Report) -> Result<ReportAnswer, StoreError> {
        self.store.report(report, self.now).await
    }

    /// The states of a device's versions, best first, history included.
    pub async fn states(&self, device: DeviceId) -> Vec<(VersionId, VersionState)> {
        let versions = self.store.versions(device, true).await.unwrap();
        versions.into_iter().map(|version| (version.version, version.state)).collect()
    }

    /// The ids of the live set, best first.
    pub async fn live(&self, device: DeviceId) -> Vec<VersionId> {
        let versions = self.store.versions(device, false).await.unwrap();
        versions.into_iter().map(|version| version.version).collect()
    }

    /// The state of one version.
    pub async fn state(&self, device: DeviceId, version: VersionId) -> Option<VersionState> {
        self.states(device).await.into_iter().find(|(known, _)| *known == version).map(|(_, state)| state)
    }

    /// `trim` over every device; answers how many versions went.
    pub async fn trim(&mut self) -> Result<u64, StoreError> {
        let (mut after, mut gone) = (None, 0);
        loop {
            let entry = self.entry();
            let trimmed = self.store.trim(after, 2, self.now, entry).await?;
            gone += trimmed.versions;
            after = trimmed.next;
            if after.is_none() {
                return Ok(gone);
            }
        }
    }

    /// `reveal` by the administrator, decided on what is true now.
    pub async fn reveal(&mut self, device: DeviceId, history: bool) -> Result<Vec<SealedVersion>, StoreError> {
        let epoch = self.epoch(self.admin).await;
        let device_revision = self.row(device).await.revision;
        let entry = self.entry();
        let reveal =
            Reveal { device, device_revision, principal: self.admin, epoch, reading: Reading::default(), history };
        self.store.reveal(reveal, entry).await
    }

    /// The epoch of a principal's rights.
    pub async fn epoch(&self, principal: PrincipalId) -> u64 {
        self.store.authorization(principal).await.unwrap().unwrap().epoch
    }

    /// `request_rotation` by the administrator.
    pub async fn request(&mut self, device: DeviceId) -> Result<RequestedRotation, StoreError> {
        let entry = self.entry();
        self.store.request_rotation(device, self.admin, self.now, entry).await
    }

    /// Changes the settings.
    pub async fn settings(&mut self, change: impl FnOnce(&mut Settings)) -> Tenant {
        let mut tenant = self.store.tenant().await.unwrap();
        change(&mut tenant.settings);
        let entry = self.entry();
        self.store.update_settings(tenant.settings, tenant.revision, entry).await.unwrap()
    }

    /// How many records the audit log has.
    pub async fn records(&self) -> u64 {
        self.store.counts().await.unwrap().audit_records
    }

    /// The events of a device, oldest first.
    pub async fn events(&self, device: DeviceId) -> Vec<DeviceEventKind> {
        let page = self.store.device_events(device, Page::first(1000)).await.unwrap();
        page.items.into_iter().rev().map(|event| event.kind).collect()
    }

    /// The end of every test: the audit chain verifies, record by record, up to its head (design.md 5).
    pub async fn finish(self) {
        let checkpoints = self.store.audit_checkpoints().await.unwrap();
        for head in self.store.audit_heads().await.unwrap() {
            let checkpoint = checkpoints.iter().find(|checkpoint| checkpoint.signed.head.chain == head.chain);
            let mut verifier = Verifier::new(head.chain, checkpoint);
            loop {
                let records = self.store.audit_chain(head.chain, verifier.head().sequence, 100).await.unwrap();
                if records.is_empty() {
                    break;
                }
                records.iter().for_each(|record| verifier.take(record).unwrap());
            }
            assert_eq!(verifier.head(), head, "the chain ends at its head");
        }
    }
}

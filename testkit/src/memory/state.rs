//! What the store in memory holds, and its audit log.

use laps::{
    id::{CampaignId, DeviceId, GroupId, PolicyId, PrincipalId, RoleId, VersionId},
    rollout::Ring,
    time::Timestamp,
};
use server::{
    audit::{AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, Disclosed, Outcome, SignedHead},
    store::*,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The one chain of this writer.
const CHAIN: u32 = 1;

/// A row of a version: what is shown and what is sealed.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) version: Version,
    pub(super) sealed: server::seal::Sealed,
}

/// A device's row and what only the store knows of it.
#[derive(Debug, Clone)]
pub(super) struct DeviceRow {
    pub(super) device: Device,
    /// The last report, and when something in it last changed.
    pub(super) report: Option<(Report, Timestamp)>,
    /// Since when the last error is the one that it is.
    pub(super) error_at: Option<Timestamp>,
    /// The version that was last reported or proven to be installed.
    pub(super) installed: Option<VersionId>,
    /// The last report showed it forked.
    pub(super) forked_now: bool,
    pub(super) deliveries: Deliveries,
}

#[derive(Debug, Clone)]
pub(super) struct UserRow {
    pub(super) user: User,
    pub(super) one_time: Option<SecretHash>,
}

#[derive(Debug, Clone)]
pub(super) struct CodeRow {
    pub(super) code: DeviceCode,
    pub(super) answer: Option<Option<PrincipalId>>,
    pub(super) asked_at: Option<Timestamp>,
}

/// A counter of failures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failures {
    pub(super) number: u32,
    pub(super) window_ends_at: Timestamp,
    pub(super) locked_until: Option<Timestamp>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) tenant: Option<Tenant>,
    pub(super) clock_seen: Option<Timestamp>,
    pub(super) keys: Vec<Key>,
    pub(super) sequence: u64,
    pub(super) devices: BTreeMap<DeviceId, DeviceRow>,
    pub(super) certificates: Vec<Certificate>,
    pub(super) tokens: BTreeMap<[u8; 16], (SecretHash, JoinToken)>,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) versions: BTreeMap<(DeviceId, VersionId), Row>,
    pub(super) events: Vec<DeviceEvent>,
    /// With their places in the order.
    pub(super) uses: Vec<(u64, PasswordUse)>,
    pub(super) requests: Vec<RotationRequest>,
    /// Those that were asked for one device alone.
    pub(super) alone: BTreeSet<u64>,
    pub(super) rules: BTreeMap<GroupId, ReadingRule>,
    /// Oldest first.
    pub(super) access: Vec<AccessRequest>,
    pub(super) channels: Vec<Channel>,
    pub(super) due: BTreeMap<DeviceId, DueRotation>,
    pub(super) exports: Vec<Export>,
    /// The sequence of the newest export that holds a password of a device.
    pub(super) exported: BTreeMap<DeviceId, u64>,
    pub(super) work: Vec<(Timestamp, Work)>,
    pub(super) campaigns: BTreeMap<CampaignId, super::campaigns::CampaignRow>,
    pub(super) policies: BTreeMap<PolicyId, Vec<Policy>>,
    pub(super) assignments: BTreeSet<Assignment>,
    pub(super) exclusions: BTreeSet<Assignment>,
    pub(super) ring_plans: BTreeMap<PolicyId, Vec<Ring>>,
    pub(super) rollouts: BTreeMap<PolicyId, Rollout>,
    pub(super) users: BTreeMap<PrincipalId, UserRow>,
    pub(super) service_principals: BTreeMap<PrincipalId, ServicePrincipal>,
    pub(super) roles: Vec<RoleAssignment>,
    pub(super) custom_roles: BTreeMap<RoleId, CustomRole>,
    pub(super) sessions: BTreeMap<(SessionKind, SecretHash), (Session, bool)>,
    pub(super) codes: BTreeMap<SecretHash, CodeRow>,
    pub(super) used: BTreeMap<(&'static str, SecretHash), Timestamp>,
    pub(super) failures: BTreeMap<String, Failures>,
    pub(super) means: super::means::Means,
    /// Shared between the copies that verbs work on: they never change.
    records: Vec<Arc<AuditRecord>>,
    head: Option<AuditHead>,
    signed: Option<SignedHead>,
    checkpoint: Option<AuditCheckpoint>,
}

/// A page of items that are sorted by key.
pub(super) fn page<T>(
    items: impl Iterator<Item = T>,
    page: &Page,
    key: impl Fn(&T) -> String,
) -> Result<PageOf<T>, StoreError> {
    // Every key of these lists is a UUID.
    let after = match &page.after {
        Some(after) => Some(after.parse::<GroupId>().map_err(|_| StoreError::BadCursor)?.to_string()),
        None => None,
    };
    let items = items.filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
    Ok(PageOf::cut(items.take(page.size() + 1).collect(), page.size(), key))
}

impl State {
    pub(super) fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    pub(super) fn newest_work(&self) -> u64 {
        self.work.last().map_or(0, |(_, work)| work.sequence)
    }

    pub(super) fn add_work(&mut self, target: WorkTarget, kind: WorkKind, now: Timestamp) -> u64 {
        let sequence = self.next_sequence();
        self.work.push((now, Work { sequence, target, kind }));
        sequence
    }

    pub(super) fn append(&mut self, entry: AuditEntry, disclosed: Vec<Disclosed>) {
        let head = self.head.unwrap_or(AuditHead::empty(CHAIN));
        let record = AuditRecord::chained(head, entry, disclosed);
        self.head = Some(record.head());
        self.records.push(Arc::new(record));
    }

    pub(super) fn append_audit(&mut self, entry: AuditEntry) -> Result<(), StoreError> {
        self.append(entry, Vec::new());
        Ok(())
    }

    pub(super) fn audit_count(&self) -> u64 {
        self.records.len() as u64
    }

    pub(super) fn audit(&self, filter: AuditFilter, page: Page) -> Result<PageOf<AuditRecord>, StoreError> {
        let after = match &page.after {
            Some(after) => after.parse().map_err(|_| StoreError::BadCursor)?,
            None => u64::MAX,
        };
        let shown = |record: &&Arc<AuditRecord>| {
            let entry = &record.entry;
            record.sequence < after
                && filter.activity.as_ref().is_none_or(|activity| *activity == entry.activity)
                && filter.actor.as_ref().is_none_or(|actor| *actor == entry.actor.id())
                && filter.target.as_ref().is_none_or(|target| *target == entry.target.id)
                && filter.from.is_none_or(|from| entry.at >= from)
                && filter.until.is_none_or(|until| entry.at < until)
                && filter.activity_prefix.as_ref().is_none_or(|prefix| {
                    let start: String = entry.activity.chars().take(prefix.chars().count()).collect();
                    start.eq_ignore_ascii_case(prefix)
                })
                && filter.actor_name.as_ref().is_none_or(|name| entry.actor.name().eq_ignore_ascii_case(name))
                && filter.category.as_ref().is_none_or(|category| category.eq_ignore_ascii_case(&entry.category))
                && filter.failed.is_none_or(|failed| failed == matches!(entry.outcome, Outcome::Failure(_)))
        };
        let items = self.records.iter().rev().filter(shown).take(page.size() + 1);
        let items = items.map(|record| AuditRecord::clone(record)).collect();
        Ok(PageOf::cut(items, page.size(), |record: &AuditRecord| record.sequence.to_string()))
    }

    pub(super) fn audit_chain(&self, chain: u32, after: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
        let wanted = self.records.iter().filter(|record| record.chain == chain && record.sequence > after);
        Ok(wanted.take(limit as usize).map(|record| AuditRecord::clone(record)).collect())
    }

    pub(super) fn audit_from(&self, chain: u32, at: Timestamp) -> Result<Option<u64>, StoreError> {
        let later = self.records.iter().filter(|record| record.chain == chain && record.entry.at >= at);
        Ok(later.min_by_key(|record| (record.entry.at, record.sequence)).map(|record| record.sequence))
    }

    pub(super) fn audit_heads(&self) -> Result<Vec<AuditHead>, StoreError> {
        Ok(self.head.into_iter().collect())
    }

    pub(super) fn audit_head(&self) -> AuditHead {
        self.head.unwrap_or(AuditHead::empty(CHAIN))
    }

    pub(super) fn put_signed_head(&mut self, signed: SignedHead) -> Result<(), StoreError> {
        let known = self.records.iter().any(|record| record.head() == signed.head);
        if !known {
            return Err(StoreError::Changed);
        }
        self.signed = Some(signed);
        Ok(())
    }

    pub(super) fn signed_heads(&self) -> Result<Vec<SignedHead>, StoreError> {
        Ok(self.signed.iter().cloned().collect())
    }

    pub(super) fn prune_audit(&mut self, checkpoint: AuditCheckpoint, audit: AuditEntry) -> Result<u64, StoreError> {
        self.refuse_while_clock_held()?;
        let head = checkpoint.signed.head;
        if !self.records.iter().any(|record| record.head() == head) {
            return Err(StoreError::Changed);
        }
        let before = self.records.len();
        self.records.retain(|record| record.sequence > head.sequence);
        let removed = (before - self.records.len()) as u64;
        self.checkpoint = Some(checkpoint);
        self.append(audit, Vec::new());
        Ok(removed)
    }

    pub(super) fn audit_checkpoints(&self) -> Result<Vec<AuditCheckpoint>, StoreError> {
        Ok(self.checkpoint.iter().cloned().collect())
    }
}

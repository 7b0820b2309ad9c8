//! Devices, certificates and join tokens.

use super::state::{DeviceRow, State, page};
use laps::{
    id::{DeviceId, GroupId},
    time::{TICKS_PER_DAY, Timestamp},
};
use server::{audit::AuditEntry, store::*};
use std::collections::BTreeMap;

impl State {
    pub(super) fn row(&self, id: DeviceId) -> Result<&DeviceRow, StoreError> {
        self.devices.get(&id).ok_or(StoreError::DeviceUnknown)
    }

    pub(super) fn row_mut(&mut self, id: DeviceId) -> Result<&mut DeviceRow, StoreError> {
        self.devices.get_mut(&id).ok_or(StoreError::DeviceUnknown)
    }

    /// The row of a device that can still speak: known and not purged.
    pub(super) fn speaking(&mut self, id: DeviceId) -> Result<&mut DeviceRow, StoreError> {
        match self.devices.get_mut(&id) {
            Some(row) if row.device.state != DeviceState::Purged => Ok(row),
            _ => Err(StoreError::DeviceUnknown),
        }
    }

    pub(super) fn create_join_token(
        &mut self,
        new: NewJoinToken,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if new.group.is_some_and(|group| !self.has_group(group)) {
            return Err(StoreError::NotFound("group"));
        }
        if let Some(group) = new.group {
            self.refuse_filtered(group)?;
        }
        if self.tokens.contains_key(&new.id) || self.token(new.hash).is_ok() {
            return Err(StoreError::Exists("join token"));
        }
        let token = JoinToken {
            id: new.id,
            note: new.note,
            group: new.group.filter(|group| *group != ALL_DEVICES),
            created_by: new.created_by,
            created_at: now,
            expires_at: new.expires_at,
            used_at: None,
            used_by: None,
            revoked_at: None,
        };
        self.tokens.insert(new.id, (new.hash, token));
        self.append_audit(audit)
    }

    pub(super) fn join_tokens(&self, wanted: Page) -> Result<PageOf<JoinToken>, StoreError> {
        page(self.tokens.values().map(|(_, token)| token.clone()), &wanted, |token| {
            GroupId::from_bytes(token.id).to_string()
        })
    }

    pub(super) fn revoke_join_token(
        &mut self,
        id: [u8; 16],
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let (_, token) = self.tokens.get_mut(&id).ok_or(StoreError::TokenUnknown)?;
        if token.used_at.is_some() {
            return Err(StoreError::TokenUsed);
        }
        if token.revoked_at.is_some() {
            return Ok(());
        }
        token.revoked_at = Some(now);
        self.append_audit(audit)
    }

    fn token(&self, hash: SecretHash) -> Result<&JoinToken, StoreError> {
        let found = self.tokens.values().find(|(known, _)| *known == hash);
        found.map(|(_, token)| token).ok_or(StoreError::TokenUnknown)
    }

    fn good_token(&self, hash: SecretHash, now: Timestamp) -> Result<JoinToken, StoreError> {
        let token = self.token(hash)?;
        match token {
            _ if token.revoked_at.is_some() => Err(StoreError::TokenRevoked),
            _ if now < token.expires_at => Ok(token.clone()),
            // Whoever brings a used one is told that first.
            _ if token.used_at.is_some() => Err(StoreError::TokenUsed),
            _ => Err(StoreError::TokenExpired),
        }
    }

    pub(super) fn check_join_token(&self, hash: SecretHash, now: Timestamp) -> Result<JoinToken, StoreError> {
        let token = self.good_token(hash, now)?;
        if token.used_at.is_some() { Err(StoreError::TokenUsed) } else { Ok(token) }
    }

    pub(super) fn join(
        &mut self,
        hash: SecretHash,
        new: NewDevice,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Joined, StoreError> {
        let token = self.good_token(hash, now)?;
        if let Some(device) = token.used_by {
            let device = self.row(device)?.device.clone();
            if device.public_key != new.public_key || device.state != DeviceState::Enabled {
                return Err(StoreError::TokenUsed);
            }
            self.keep_certificate(device.id, new.certificate)?;
            return Ok(Joined { device, again: true });
        }
        if self.devices.contains_key(&new.id) {
            return Err(StoreError::Exists("device"));
        }
        let predecessor = new.predecessor.filter(|former| self.speaking(*former).is_ok());
        let device = Device {
            id: new.id,
            name: new.name,
            os: new.os,
            agent_version: String::new(),
            state: DeviceState::Enabled,
            revision: 1,
            registered_at: now,
            last_seen: None,
            disabled_at: None,
            deleted_at: None,
            purged_at: None,
            reported_since_deletion: false,
            predecessor,
            hardware: new.hardware,
            public_key: new.public_key,
            groups: token.group.into_iter().filter(|group| *group != ALL_DEVICES).collect(),
            forked_at: None,
            clone_suspected: false,
            from_backup_at: None,
        };
        if let Some((_, token)) = self.tokens.get_mut(&token.id) {
            token.used_at = Some(now);
            token.used_by = Some(new.id);
        }
        let row = DeviceRow {
            device: device.clone(),
            report: None,
            installed: None,
            error_at: None,
            forked_now: false,
            deliveries: Deliveries::default(),
        };
        self.devices.insert(new.id, row);
        self.follow(new.id, now);
        self.keep_certificate(new.id, new.certificate)?;
        self.append_audit(audit)?;
        Ok(Joined { device: self.row(device.id)?.device.clone(), again: false })
    }

    fn keep_certificate(&mut self, device: DeviceId, new: NewCertificate) -> Result<(), StoreError> {
        if self.certificates.iter().any(|known| known.fingerprint == new.fingerprint) {
            return Err(StoreError::Exists("certificate"));
        }
        self.certificates.push(Certificate {
            device,
            fingerprint: new.fingerprint,
            serial: new.serial,
            not_before: new.not_before,
            not_after: new.not_after,
            revoked_at: None,
        });
        Ok(())
    }

    pub(super) fn device(&self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        Ok(self.devices.get(&id).map(|row| row.device.clone()))
    }

    pub(super) fn device_by_certificate(
        &self,
        fingerprint: [u8; 32],
    ) -> Result<Option<(Device, Certificate)>, StoreError> {
        let Some(certificate) = self.certificates.iter().find(|known| known.fingerprint == fingerprint) else {
            return Ok(None);
        };
        Ok(Some((self.row(certificate.device)?.device.clone(), certificate.clone())))
    }

    pub(super) fn shown(&self, filter: &DeviceFilter, row: &DeviceRow) -> bool {
        let device = &row.device;
        let name = device.name.to_lowercase();
        (if filter.states.is_empty() {
            device.state != DeviceState::Purged
        } else {
            filter.states.contains(&device.state)
        }) && filter.name.as_ref().is_none_or(|wanted| wanted.to_lowercase() == name)
            && filter.hardware.is_none_or(|wanted| device.hardware == Some(wanted))
            && filter.name_prefix.as_ref().is_none_or(|prefix| name.starts_with(&prefix.to_lowercase()))
            && filter
                .groups
                .as_ref()
                .is_none_or(|groups| groups.iter().any(|group| *group == ALL_DEVICES || device.groups.contains(group)))
    }

    pub(super) fn devices(&self, filter: DeviceFilter, wanted: Page) -> Result<PageOf<Device>, StoreError> {
        let shown = self.devices.values().filter(|row| self.shown(&filter, row));
        page(shown.map(|row| row.device.clone()), &wanted, |device| device.id.to_string())
    }

    pub(super) fn certificates(&self, device: DeviceId) -> Result<Vec<Certificate>, StoreError> {
        let mut own: Vec<_> = self.certificates.iter().filter(|known| known.device == device).cloned().collect();
        own.sort_by_key(|certificate| (core::cmp::Reverse(certificate.not_before), certificate.fingerprint));
        Ok(own)
    }

    pub(super) fn add_certificate(
        &mut self,
        device: DeviceId,
        certificate: NewCertificate,
        public_key: Vec<u8>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.speaking(device)?.device.public_key = public_key;
        self.keep_certificate(device, certificate)?;
        self.append_audit(audit)
    }

    pub(super) fn revoke_certificate(
        &mut self,
        fingerprint: [u8; 32],
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let found = self.certificates.iter_mut().find(|known| known.fingerprint == fingerprint);
        let certificate = found.ok_or(StoreError::NotFound("certificate"))?;
        if certificate.revoked_at.is_some() {
            return Ok(());
        }
        certificate.revoked_at = Some(now);
        self.append_audit(audit)
    }

    pub(super) fn change_device(
        &mut self,
        id: DeviceId,
        change: DeviceChange,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Device, StoreError> {
        use DeviceState::{Deleted, Disabled, Enabled, Purged};
        let device = &mut self.speaking(id)?.device;
        let next = match (change, device.state) {
            (DeviceChange::Restore, Deleted) => Enabled,
            (DeviceChange::Restore, state) | (_, state @ Purged) => return Err(StoreError::DeviceState(state.word())),
            (DeviceChange::Delete, _) => Deleted,
            (_, Deleted) => return Err(StoreError::DeviceState("deleted")),
            (DeviceChange::Enable, _) => Enabled,
            (DeviceChange::Disable, _) => Disabled,
        };
        if next == device.state {
            return Ok(device.clone());
        }
        device.state = next;
        device.revision += 1;
        device.disabled_at = (next == Disabled).then_some(now);
        device.deleted_at = (next == Deleted).then_some(now);
        device.reported_since_deletion = false;
        let device = device.clone();
        self.append_audit(audit)?;
        self.add_work(WorkTarget::Device(id), WorkKind::State, now);
        Ok(device)
    }

    fn purge_refusal(&self, row: &DeviceRow, by: PurgeBy, now: Timestamp) -> Option<StoreError> {
        let device = &row.device;
        let waiting = self.devices.values().any(|other| {
            other.device.predecessor == Some(device.id)
                && other.device.state != DeviceState::Purged
                && !self.has_proven(other.device.id)
        });
        if waiting {
            return Some(StoreError::PurgeRefused(PurgeRefusal::SuccessorUnproven));
        }
        if by == PurgeBy::Person {
            return None;
        }
        if self.tenant.as_ref().is_some_and(|tenant| tenant.clock_held_at.is_some()) {
            return Some(StoreError::ClockHeld);
        }
        if device.reported_since_deletion {
            return Some(StoreError::PurgeRefused(PurgeRefusal::Reported));
        }
        let days = self.tenant.as_ref().map_or(30, |tenant| tenant.settings.tombstone_days);
        let due = device.deleted_at.map(|at| at.plus_days(days));
        if due.is_none_or(|due| now < due) {
            return Some(StoreError::PurgeRefused(PurgeRefusal::NotDue));
        }
        None
    }

    pub(super) fn purge_device(
        &mut self,
        id: DeviceId,
        by: PurgeBy,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.speaking(id)?;
        let row = self.row(id)?;
        if row.device.state != DeviceState::Deleted {
            return Err(StoreError::DeviceState(row.device.state.word()));
        }
        if let Some(refusal) = self.purge_refusal(row, by, now) {
            return Err(refusal);
        }
        self.versions.retain(|(device, _), _| *device != id);
        self.requests.retain(|request| request.device != id);
        self.due.remove(&id);
        let row = self.row_mut(id)?;
        row.report = None;
        row.installed = None;
        row.device.groups.clear();
        row.device.last_seen = None;
        row.deliveries = Deliveries::default();
        row.device.state = DeviceState::Purged;
        row.device.revision += 1;
        row.device.purged_at = Some(now);
        self.append_audit(audit)
    }

    pub(super) fn purgeable(&self, now: Timestamp, limit: u32) -> Result<Vec<DeviceId>, StoreError> {
        let due = self.devices.values().filter(|row| {
            row.device.state == DeviceState::Deleted && self.purge_refusal(row, PurgeBy::Job, now).is_none()
        });
        let mut due: Vec<_> = due.map(|row| (row.device.deleted_at, row.device.id)).collect();
        due.sort_unstable();
        Ok(due.into_iter().map(|(_, id)| id).take(limit as usize).collect())
    }

    pub(super) fn link_predecessor(
        &mut self,
        id: DeviceId,
        predecessor: DeviceId,
        audit: AuditEntry,
    ) -> Result<Device, StoreError> {
        self.speaking(id)?;
        self.speaking(predecessor)?;
        if self.row(id)?.device.predecessor == Some(predecessor) {
            return self.row(id).map(|row| row.device.clone());
        }
        let mut at = Some(predecessor);
        while let Some(device) = at {
            if device == id {
                return Err(StoreError::InUse("itself: the chain of predecessors would be a circle"));
            }
            at = self.row(device)?.device.predecessor;
        }
        let device = &mut self.row_mut(id)?.device;
        device.predecessor = Some(predecessor);
        device.revision += 1;
        let device = device.clone();
        self.append_audit(audit)?;
        Ok(device)
    }

    pub(super) fn write_seen(&mut self, seen: BTreeMap<DeviceId, Timestamp>) -> u64 {
        let mut written = 0;
        for (id, at) in seen {
            if let Some(row) = self.devices.get_mut(&id) {
                row.device.last_seen = row.device.last_seen.max(Some(at));
                written += 1;
            }
        }
        written
    }

    pub(super) fn device_events(&self, device: DeviceId, wanted: Page) -> Result<PageOf<DeviceEvent>, StoreError> {
        let before = match &wanted.after {
            Some(after) => after.parse().map_err(|_| StoreError::BadCursor)?,
            None => u64::MAX,
        };
        let newest = self.events.iter().rev().filter(|event| event.device == device && event.sequence < before);
        let items = newest.take(wanted.size() + 1).cloned().collect();
        Ok(PageOf::cut(items, wanted.size(), |event: &DeviceEvent| event.sequence.to_string()))
    }

    pub(super) fn note_event(
        &mut self,
        device: DeviceId,
        kind: DeviceEventKind,
        detail: String,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.row(device)?;
        let sequence = self.next_sequence();
        self.events.push(DeviceEvent { sequence, device, at, kind, detail });
        Ok(())
    }

    pub(super) fn event(&mut self, device: DeviceId, kind: DeviceEventKind, at: Timestamp) {
        let sequence = self.next_sequence();
        self.events.push(DeviceEvent { sequence, device, at, kind, detail: "{}".into() });
    }

    /// Forks of the last 7 days.
    pub(super) fn recent_forks(&self, device: DeviceId, now: Timestamp) -> usize {
        let recent = |event: &&DeviceEvent| {
            event.device == device
                && event.kind == DeviceEventKind::Forked
                && now.ticks_since(event.at) < u64::from(SUSPICION_DAYS) * TICKS_PER_DAY
        };
        self.events.iter().filter(recent).count()
    }

    pub(super) fn clear_fork(&mut self, id: DeviceId, now: Timestamp, audit: AuditEntry) -> Result<Device, StoreError> {
        let device = &mut self.speaking(id)?.device;
        if device.forked_at.is_none() && !device.clone_suspected {
            return Ok(device.clone());
        }
        device.forked_at = None;
        device.clone_suspected = false;
        let device = device.clone();
        self.event(id, DeviceEventKind::ForkCleared, now);
        self.append_audit(audit)?;
        Ok(device)
    }
}

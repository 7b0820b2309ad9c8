//! The tenant, its clock and its keys.

use super::state::State;
use laps::{
    id::Incarnation,
    time::{TICKS_PER_DAY, TICKS_PER_SECOND, Timestamp},
};
use server::{audit::AuditEntry, seal::KeyId, store::*};

impl State {
    pub(super) fn initialise(&mut self, new: NewTenant, now: Timestamp, audit: AuditEntry) -> Result<(), StoreError> {
        if self.tenant.is_some() {
            return Err(StoreError::Exists("tenant"));
        }
        self.tenant = Some(Tenant {
            id: new.id,
            incarnation: new.incarnation,
            initialised_at: now,
            restored_from: None,
            restored_at: None,
            settings: new.settings,
            revision: 1,
            clock_held_at: None,
        });
        self.keys.push(Key { id: new.key, created_at: now, active: true, retired_at: None });
        self.clock_seen = Some(now);
        self.append_audit(audit)
    }

    pub(super) fn tenant(&self) -> Result<Tenant, StoreError> {
        self.tenant.clone().ok_or(StoreError::NotInitialised)
    }

    fn tenant_mut(&mut self) -> Result<&mut Tenant, StoreError> {
        self.tenant.as_mut().ok_or(StoreError::NotInitialised)
    }

    pub(super) fn update_settings(
        &mut self,
        settings: Settings,
        revision: u64,
        audit: AuditEntry,
    ) -> Result<Tenant, StoreError> {
        let tenant = self.tenant_mut()?;
        if tenant.revision != revision {
            return Err(StoreError::Changed);
        }
        tenant.settings = settings;
        tenant.revision += 1;
        let tenant = tenant.clone();
        self.append_audit(audit)?;
        Ok(tenant)
    }

    pub(super) fn observe_clock(&mut self, reading: ClockReading) -> Result<bool, StoreError> {
        let now = reading.now;
        if let Some(seen) = self.clock_seen {
            let allowed = seen.plus_ticks(reading.elapsed_s.unwrap_or(0).saturating_mul(TICKS_PER_SECOND));
            let moved = match reading.elapsed_s {
                Some(_) => now.ticks_since(allowed).max(allowed.ticks_since(now)),
                // At the first look only a step back, or a day ahead of the last stored time, is suspect.
                None => now.ticks_since(seen).max(seen.ticks_since(now)),
            };
            if moved > TICKS_PER_DAY {
                let tenant = self.tenant_mut()?;
                tenant.clock_held_at.get_or_insert(now);
            }
        }
        self.clock_seen = Some(now);
        Ok(self.tenant()?.clock_held_at.is_some())
    }

    pub(super) fn confirm_clock(&mut self, now: Timestamp, audit: AuditEntry) -> Result<(), StoreError> {
        self.tenant_mut()?.clock_held_at = None;
        self.clock_seen = Some(now);
        self.append_audit(audit)
    }

    pub(super) fn refuse_while_clock_held(&self) -> Result<(), StoreError> {
        match self.tenant()?.clock_held_at {
            Some(_) => Err(StoreError::ClockHeld),
            None => Ok(()),
        }
    }

    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let devices = |state| {
            self.devices.values().filter(|row: &&super::state::DeviceRow| row.device.state == state).count() as u64
        };
        let versions = |states: &[VersionState]| {
            self.versions.values().filter(|row| states.contains(&row.version.state)).count() as u64
        };
        Ok(Counts {
            devices_enabled: devices(DeviceState::Enabled),
            devices_disabled: devices(DeviceState::Disabled),
            devices_deleted: devices(DeviceState::Deleted),
            versions_pending: versions(&[VersionState::Pending]),
            versions_current: versions(&[VersionState::Current]),
            versions_history: versions(&[VersionState::Superseded, VersionState::Abandoned]),
            rotations_open: self.requests.iter().filter(|request| request.is_open()).count() as u64,
            audit_records: self.audit_count(),
        })
    }

    pub(super) fn begin_incarnation(
        &mut self,
        incarnation: Incarnation,
        backup_at: Timestamp,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let tenant = self.tenant_mut()?;
        tenant.incarnation = incarnation;
        tenant.restored_from = Some(backup_at);
        tenant.restored_at = Some(now);
        // So that no number is given twice.
        self.sequence += 1_000_000;
        for (_, token) in self.tokens.values_mut() {
            if token.used_at.is_none() {
                token.revoked_at.get_or_insert(now);
            }
        }
        self.sessions.clear();
        self.codes.clear();
        self.means.tickets.clear();
        // One that was revoked since the backup would be good again.
        self.means.tokens.clear();
        self.users.values_mut().for_each(|row| row.user.epoch += 1);
        self.service_principals.values_mut().for_each(|principal| principal.epoch += 1);
        for row in self.versions.values_mut() {
            row.version.from_backup_at = Some(backup_at);
        }
        for row in self.devices.values_mut() {
            row.device.from_backup_at = Some(backup_at);
        }
        self.append_audit(audit)
    }

    pub(super) fn keys(&self) -> Result<Vec<Key>, StoreError> {
        Ok(self.keys.clone())
    }

    pub(super) fn active_key(&self) -> Result<KeyId, StoreError> {
        self.keys.iter().find(|key| key.active).map(|key| key.id).ok_or(StoreError::NotInitialised)
    }

    pub(super) fn begin_rekey(&mut self, id: KeyId, now: Timestamp, audit: AuditEntry) -> Result<(), StoreError> {
        if self.keys.iter().any(|key| key.id == id) {
            return Err(StoreError::Exists("key"));
        }
        self.keys.iter_mut().for_each(|key| key.active = false);
        self.keys.push(Key { id, created_at: now, active: true, retired_at: None });
        self.append_audit(audit)
    }

    pub(super) fn wrapped_under(&self, key: KeyId, limit: u32) -> Result<Vec<WrappedKey>, StoreError> {
        let under = self.versions.values().filter(|row| row.sealed.key == key);
        Ok(under
            .take(limit as usize)
            .map(|row| WrappedKey {
                device: row.version.device,
                version: row.version.version,
                wrapped_key: row.sealed.wrapped_key,
            })
            .collect())
    }

    pub(super) fn rewrap(&mut self, from: KeyId, to: KeyId, keys: Vec<WrappedKey>) -> Result<u64, StoreError> {
        if !self.keys.iter().any(|key| key.id == to && key.retired_at.is_none()) {
            return Err(StoreError::KeyRetired { active: self.active_key()? });
        }
        let mut replaced = 0;
        for key in keys {
            if let Some(row) = self.versions.get_mut(&(key.device, key.version))
                && row.sealed.key == from
            {
                row.sealed.key = to;
                row.sealed.wrapped_key = key.wrapped_key;
                replaced += 1;
            }
        }
        Ok(replaced)
    }

    pub(super) fn retire_key(&mut self, id: KeyId, now: Timestamp, audit: AuditEntry) -> Result<u64, StoreError> {
        let left = self.versions.values().filter(|row| row.sealed.key == id).count() as u64
            + self.means.secrets.values().filter(|sealed| sealed.key == id).count() as u64;
        let key = self.keys.iter_mut().find(|key| key.id == id).ok_or(StoreError::NotFound("key"))?;
        if key.active {
            return Err(StoreError::InUse("new passwords: it is the active key"));
        }
        if left == 0 && key.retired_at.is_none() {
            key.retired_at = Some(now);
            self.append_audit(audit)?;
        }
        Ok(left)
    }

    pub(super) fn sealed_samples(&self) -> Result<Vec<SealedVersion>, StoreError> {
        let sample = |key: &Key| self.versions.values().find(|row| row.sealed.key == key.id);
        let samples = self.keys.iter().filter_map(sample);
        Ok(samples.map(|row| SealedVersion { version: row.version.clone(), sealed: row.sealed.clone() }).collect())
    }
}

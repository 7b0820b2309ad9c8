//! Escrow, in memory.

use super::state::State;
use laps::{id::DeviceId, time::Timestamp};
use server::{
    audit::{AuditEntry, Disclosed},
    store::*,
};

impl State {
    pub(super) fn close_requests(
        &mut self,
        device: DeviceId,
        code: &'static str,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<u64, StoreError> {
        let mut closed = 0;
        for request in &mut self.requests {
            if request.device == device && request.is_open() {
                request.closed = Some((now, code.to_owned()));
                closed += 1;
            }
        }
        if closed > 0 {
            self.append_audit(audit)?;
        }
        Ok(closed)
    }

    pub(super) fn disclose(&mut self, wanted: Disclosure, audit: AuditEntry) -> Result<DisclosedPage, StoreError> {
        if let Some((principal, epoch)) = wanted.by {
            self.refuse_other_epoch(principal, epoch)?;
        }
        let (found, next) = if wanted.devices.is_empty() {
            let page = Page::behind(wanted.after.map(|id| id.to_string()), wanted.limit);
            let page = self.devices(wanted.filter.clone(), page)?;
            (page.items, page.next.and_then(|next| next.parse().ok()))
        } else {
            let named = wanted.devices.iter().filter_map(|id| self.devices.get(id)).map(|row| row.device.clone());
            (named.filter(|device| wanted.reaches(device)).collect(), None)
        };
        let of_group = |device: &Device| {
            wanted.member_of.is_none_or(|group| group == ALL_DEVICES || device.groups.contains(&group))
        };
        let mut devices = Vec::new();
        for device in found.into_iter().filter(of_group) {
            let rows = self.ordered(device.id, wanted.history);
            let versions: Vec<_> =
                rows.into_iter().map(|row| SealedVersion { version: row.version, sealed: row.sealed }).collect();
            if !versions.is_empty() {
                devices.push(DisclosedDevice { device: device.id, name: device.name, state: device.state, versions });
            }
        }
        let disclosed: Vec<_> = devices
            .iter()
            .flat_map(|one| &one.versions)
            .map(|one| Disclosed { device: one.version.device, version: one.version.version })
            .collect();
        if !disclosed.is_empty() {
            self.append(audit, disclosed);
        }
        Ok(DisclosedPage { devices, next })
    }

    pub(super) fn record_export(
        &mut self,
        export: NewExport,
        devices: Vec<DeviceId>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Export, StoreError> {
        if self.exports.iter().any(|known| known.export.id == export.id) {
            return Err(StoreError::Exists("export"));
        }
        let sequence = self.next_sequence();
        let made = Export { export, sequence, made_at: now, drilled: None };
        self.exports.push(made.clone());
        for device in devices.into_iter().filter(|device| self.devices.contains_key(device)).collect::<Vec<_>>() {
            self.exported.insert(device, sequence);
        }
        self.append_audit(audit)?;
        Ok(made)
    }

    pub(super) fn exports(&self, limit: u32) -> Result<Vec<Export>, StoreError> {
        Ok(self.exports.iter().rev().take(limit as usize).cloned().collect())
    }

    pub(super) fn export_of(&self, device: DeviceId) -> Result<Option<Export>, StoreError> {
        let sequence = self.exported.get(&device);
        Ok(self.exports.iter().find(|export| Some(&export.sequence) == sequence).cloned())
    }

    pub(super) fn last_drilled(&self) -> Result<Option<Export>, StoreError> {
        let drilled = self.exports.iter().filter(|export| export.drilled.is_some());
        Ok(drilled.max_by_key(|export| (export.drilled.as_ref().map(|(at, _)| *at), export.sequence)).cloned())
    }

    pub(super) fn record_drill(
        &mut self,
        id: [u8; 16],
        by: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Export, StoreError> {
        let found = self.exports.iter_mut().find(|export| export.export.id == id);
        let export = found.ok_or(StoreError::NotFound("export"))?;
        export.drilled = Some((now, by));
        let export = export.clone();
        self.append_audit(audit)?;
        Ok(export)
    }
}

//! Uses of passwords, in memory.

use super::state::State;
use laps::id::{DeviceId, VersionId};
use server::{
    audit::{AuditEntry, AuditFilter, AuditRecord, Outcome, activity},
    store::*,
};

impl State {
    pub(super) fn note_use(&mut self, used: PasswordUse, audit: AuditEntry) -> Result<bool, StoreError> {
        self.speaking(used.device)?;
        if self.uses.iter().any(|(_, known)| known.device == used.device && known.id == used.id) {
            return Ok(false);
        }
        let (device, sequence) = (used.device, self.next_sequence());
        self.uses.push((sequence, used));
        let of_device = self.uses.iter().filter(|(_, known)| known.device == device).count();
        let too_many = of_device.saturating_sub(USES_KEPT as usize);
        let mut gone = 0;
        self.uses.retain(|(_, known)| {
            let goes = known.device == device && gone < too_many;
            gone += usize::from(goes);
            !goes
        });
        self.append_audit(audit)?;
        Ok(true)
    }

    pub(super) fn uses(&self, device: DeviceId, wanted: Page) -> Result<PageOf<PasswordUse>, StoreError> {
        let before = match &wanted.after {
            Some(after) => after.parse().map_err(|_| StoreError::BadCursor)?,
            None => u64::MAX,
        };
        let newest = self.uses.iter().rev().filter(|(sequence, used)| used.device == device && *sequence < before);
        let items: Vec<_> = newest.take(wanted.size() + 1).cloned().collect();
        Ok(PageOf::cut(items, wanted.size(), |(sequence, _)| sequence.to_string()).map(|(_, used)| used))
    }

    pub(super) fn last_read(&self, device: DeviceId, version: VersionId) -> Result<Option<AuditRecord>, StoreError> {
        let reads = AuditFilter {
            activity: Some(activity::RECOVER_PASSWORD.to_owned()),
            target: Some(device.to_string()),
            ..AuditFilter::default()
        };
        let reads = self.audit(reads, Page::first(1000))?.items;
        let gave_out = |record: &AuditRecord| {
            record.entry.outcome == Outcome::Success && record.disclosed.iter().any(|one| one.version == version)
        };
        Ok(reads.into_iter().find(gave_out))
    }
}

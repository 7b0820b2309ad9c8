//! Versions of passwords: the verbs of rotation.md 3.

use super::state::{Row, State, page};
use laps::{
    id::{DeviceId, PrincipalId, VersionId},
    time::{TICKS_PER_DAY, Timestamp},
};
use server::{
    audit::{AuditEntry, Disclosed},
    store::*,
};

fn known(version: impl core::borrow::Borrow<Version>) -> KnownVersion {
    let version = version.borrow();
    KnownVersion {
        version: version.version,
        sequence: version.sequence,
        account_id: version.account_id.clone(),
        account_name: version.account_name.clone(),
        fingerprint: version.fingerprint,
        expires_at: version.expires_at,
    }
}

/// Whether a version is part of its device's live set (rotation.md 1).
fn is_live(version: &Version, installed: Option<VersionId>) -> bool {
    matches!(version.state, VersionState::Pending | VersionState::Current) || installed == Some(version.version)
}

impl State {
    pub(super) fn has_proven(&self, device: DeviceId) -> bool {
        self.of(device).any(|row| row.version.proven_at.is_some())
    }

    fn of(&self, device: DeviceId) -> impl Iterator<Item = &Row> {
        self.versions.values().filter(move |row| row.version.device == device)
    }

    pub(super) fn store_pending(
        &mut self,
        new: NewVersion,
        now: Timestamp,
        mut audit: AuditEntry,
    ) -> Result<Stored, StoreError> {
        if let Some(certificate) =
            self.certificates.iter().find(|known| Some(known.fingerprint) == new.certificate).cloned()
        {
            if certificate.device != new.device {
                return Err(StoreError::DeviceUnknown);
            }
            self.speaking(new.device)?;
            if certificate.revoked_at.is_some() {
                return Err(StoreError::CertificateRevoked);
            }
        }
        audit.target.name = self.speaking(new.device)?.device.name.clone();
        if let Some(row) = self.versions.get(&(new.device, new.version)) {
            let known = &row.version;
            if (&known.account_id, &known.account_name, known.fingerprint)
                != (&new.account_id, &new.account_name, new.fingerprint)
            {
                return Err(StoreError::VersionConflict);
            }
            return Ok(Stored {
                sequence: known.sequence,
                state: known.state,
                stored_at: known.stored_at,
                again: true,
            });
        }
        match self.speaking(new.device)?.device.state {
            DeviceState::Deleted => return Err(StoreError::DeviceDeleted),
            DeviceState::Disabled => return Err(StoreError::DeviceDisabled),
            _ => {}
        }
        let settings = self.tenant()?.settings;
        if !settings.laps_enabled {
            return Err(StoreError::SwitchOff);
        }
        // What was stored while the clock was ahead, before it was set back, is not of these 24 hours.
        let recent = |at: Timestamp| at <= now && now.ticks_since(at) < TICKS_PER_DAY;
        let mut stored: Vec<_> =
            self.of(new.device).map(|row| row.version.stored_at).filter(|at| recent(*at)).collect();
        let asked =
            self.requests.iter().filter(|request| request.device == new.device && recent(request.requested_at)).count();
        if stored.len() >= settings.versions_per_day as usize + asked {
            stored.sort_unstable();
            let oldest = stored.first().copied().unwrap_or(now);
            return Err(StoreError::TooManyVersions { retry_at: oldest.plus_days(1) });
        }
        // Released ones are not counted: no rotation resolves them any more.
        let unresolved = |row: &&Row| row.version.state == VersionState::Pending && row.version.released_at.is_none();
        let pending = self.of(new.device).filter(unresolved).count();
        if pending >= settings.unresolved_max as usize {
            return Err(StoreError::TooManyUnresolved);
        }
        let usable = self.keys.iter().any(|key| key.id == new.sealed.key && key.retired_at.is_none());
        if !usable {
            return Err(StoreError::KeyRetired { active: self.active_key()? });
        }
        let sequence = self.next_sequence();
        let version = Version {
            device: new.device,
            version: new.version,
            account_id: new.account_id,
            account_name: new.account_name,
            state: VersionState::Pending,
            sequence,
            fingerprint: new.fingerprint,
            proof: None,
            stored_at: now,
            set_at: None,
            proven_at: None,
            ended_at: None,
            expires_at: new.expires_at,
            released_at: None,
            from_backup_at: None,
            installed: false,
            live: true,
            of_predecessor: false,
        };
        self.versions.insert((new.device, new.version), Row { version, sealed: new.sealed });
        self.append_audit(audit)?;
        Ok(Stored { sequence, state: VersionState::Pending, stored_at: now, again: false })
    }

    pub(super) fn mark_proven(
        &mut self,
        proof: Proof,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Proven, StoreError> {
        self.speaking(proof.device)?;
        let proven = match self.versions.get(&(proof.device, proof.version)) {
            None => return Err(StoreError::VersionUnknown),
            Some(row) => row.version.clone(),
        };
        match proven.state {
            VersionState::Abandoned => return Err(StoreError::VersionAbandoned),
            VersionState::Current | VersionState::Superseded => {
                return Ok(Proven { state: proven.state, again: true, requests_met: Vec::new() });
            }
            VersionState::Pending => {}
        }
        // A later version of another account was proven before: this proof tells of what policy has left.
        let late = self
            .of(proof.device)
            .any(|row| row.version.state == VersionState::Current && row.version.sequence > proven.sequence);
        let installed = self.row(proof.device)?.installed;
        let mut released = false;
        for row in self.versions.values_mut().filter(|row| row.version.device == proof.device) {
            let version = &mut row.version;
            if version.version == proof.version {
                version.state = VersionState::Current;
                version.proof = Some(proof.kind);
                version.proven_at = Some(now);
                version.set_at = proof.set_at;
                version.released_at = late.then_some(now);
                if proof.expires_at.is_some() {
                    version.expires_at = proof.expires_at;
                }
            } else if version.account_id == proven.account_id {
                // The account is rotated again, if it was not.
                version.released_at = None;
                let former = version.state == VersionState::Current;
                let older = version.state == VersionState::Pending && version.sequence < proven.sequence;
                if former || older {
                    version.state = VersionState::Superseded;
                    version.ended_at = Some(now);
                }
            } else if !late && is_live(version, installed) && version.released_at.is_none() {
                version.released_at = Some(now);
                released = true;
            }
        }
        if !late {
            self.row_mut(proof.device)?.installed = Some(proof.version);
        }
        let mut requests_met = Vec::new();
        let open = |request: &&mut RotationRequest| {
            request.device == proof.device && request.is_open() && request.sequence < proven.sequence
        };
        for request in self.requests.iter_mut().filter(open) {
            request.met_at = Some(now);
            request.met_by = Some(proof.version);
            requests_met.push(request.sequence);
        }
        if !requests_met.is_empty() {
            self.campaigns_met(proof.device, proof.version, proven.sequence, now);
        }
        if released {
            self.event(proof.device, DeviceEventKind::Released, now);
        }
        if self.due.get(&proof.device).is_some_and(|due| due.sequence < proven.sequence) {
            self.due.remove(&proof.device);
        }
        self.append_audit(audit)?;
        Ok(Proven { state: VersionState::Current, again: false, requests_met })
    }

    pub(super) fn abandon(
        &mut self,
        device: DeviceId,
        version: VersionId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Option<VersionState>, StoreError> {
        self.speaking(device)?;
        let Some(row) = self.versions.get_mut(&(device, version)) else { return Ok(None) };
        if row.version.state != VersionState::Pending {
            return Ok(Some(row.version.state));
        }
        row.version.state = VersionState::Abandoned;
        row.version.ended_at = Some(now);
        self.append_audit(audit)?;
        Ok(Some(VersionState::Abandoned))
    }

    pub(super) fn report(&mut self, report: Report, now: Timestamp) -> Result<ReportAnswer, StoreError> {
        let id = report.device;
        self.speaking(id)?;
        // Of several accounts the one that was proven of the latest version.
        let current = self.of(id).map(|row| &row.version).filter(|version| version.state == VersionState::Current);
        let current = current.max_by_key(|version| version.sequence).cloned();
        let installed_version = report.installed.and_then(|fingerprint| {
            let mut same: Vec<_> = self.of(id).filter(|row| row.version.fingerprint == fingerprint).collect();
            same.sort_by_key(|row| core::cmp::Reverse(row.version.sequence));
            same.first().map(|row| row.version.version)
        });
        let mut events = Vec::new();
        let mut written = false;

        let current_id = current.as_ref().map(|version| version.version);
        let forked = current_id != report.acknowledged && (current_id.is_none() || current_id != report.intent);
        if forked != self.row(id)?.forked_now {
            self.row_mut(id)?.forked_now = forked;
            written = true;
            if forked {
                events.push(DeviceEventKind::Forked);
                self.event(id, DeviceEventKind::Forked, now);
                let again = self.recent_forks(id, now) >= 2;
                let device = &mut self.row_mut(id)?.device;
                device.forked_at = Some(now);
                if again && !device.clone_suspected {
                    device.clone_suspected = true;
                    events.push(DeviceEventKind::CloneSuspected);
                    self.event(id, DeviceEventKind::CloneSuspected, now);
                }
            }
        }
        let row = self.row_mut(id)?;
        if row.device.from_backup_at.take().is_some() {
            written = true;
            events.push(DeviceEventKind::ReportedAfterRestore);
            self.event(id, DeviceEventKind::ReportedAfterRestore, now);
            for row in self.versions.values_mut().filter(|row| row.version.device == id) {
                row.version.from_backup_at = None;
            }
        }
        let row = self.row_mut(id)?;
        if row.device.state == DeviceState::Deleted && !row.device.reported_since_deletion {
            row.device.reported_since_deletion = true;
            written = true;
        }
        let installed_before = core::mem::replace(&mut row.installed, installed_version);
        let same = row.report.as_ref().is_some_and(|(before, _)| *before == report);
        if !same || installed_before != installed_version {
            written = true;
            let error_before = row.report.as_ref().and_then(|(before, _)| before.last_error.clone());
            if report.last_error != error_before || report.last_error.is_none() {
                row.error_at = report.last_error.is_some().then_some(now);
            }
            let said_before = row.report.as_ref().and_then(|(before, _)| before.installed);
            row.device.name.clone_from(&report.name);
            row.device.os.clone_from(&report.os);
            row.device.agent_version.clone_from(&report.agent_version);
            row.report = Some((report.clone(), now));
            let unknown = report.installed.is_some() && installed_version.is_none();
            if unknown && (report.installed != said_before || installed_before.is_some()) && self.has_proven(id) {
                events.push(DeviceEventKind::UnknownVerifier);
                self.event(id, DeviceEventKind::UnknownVerifier, now);
            }
            self.follow(id, now);
        }
        let mut unresolved: Vec<_> =
            self.of(id).filter(|row| row.version.state == VersionState::Pending).map(|row| &row.version).collect();
        unresolved.sort_by_key(|version| core::cmp::Reverse(version.sequence));
        Ok(ReportAnswer {
            current: current.as_ref().map(known),
            unresolved: unresolved.into_iter().map(known).collect(),
            store_refused: match self.row(id)?.device.state {
                DeviceState::Deleted => Some(StoreError::DeviceDeleted.code()),
                DeviceState::Disabled => Some(StoreError::DeviceDisabled.code()),
                _ if !self.tenant()?.settings.laps_enabled => Some(StoreError::SwitchOff.code()),
                _ => None,
            },
            incarnation: self.tenant()?.incarnation,
            audit_head: self.audit_head(),
            forked,
            rotate: self
                .requests
                .iter()
                .filter(|request| request.device == id && request.is_open())
                .map(|request| request.sequence)
                .max(),
            repairs_per_day: self.tenant()?.settings.repairs_per_day,
            events,
            written,
        })
    }

    pub(super) fn last_report(&self, device: DeviceId) -> Result<Option<DeviceReport>, StoreError> {
        Ok(self.devices.get(&device).and_then(|row| {
            let (report, changed_at) = row.report.clone()?;
            Some(DeviceReport { report, changed_at, error_at: row.error_at, installed_version: row.installed })
        }))
    }

    /// The rows of a device, best first.
    pub(super) fn ordered(&self, id: DeviceId, history: bool) -> Vec<Row> {
        let installed = self.devices.get(&id).and_then(|row| row.installed);
        let mut versions: Vec<Version> = self.of(id).map(|row| row.version.clone()).collect();
        for version in &mut versions {
            version.installed = Some(version.version) == installed;
        }
        order_best_first(&mut versions);
        versions.retain(|version| history || version.live);
        versions
            .into_iter()
            .filter_map(|version| {
                Some(Row { sealed: self.versions.get(&(id, version.version))?.sealed.clone(), version })
            })
            .collect()
    }

    fn readable(&self, id: DeviceId, history: bool) -> Vec<Row> {
        let mut rows = self.ordered(id, false);
        let predecessor = self.devices.get(&id).and_then(|row| row.device.predecessor);
        if let (Some(predecessor), false) = (predecessor, self.has_proven(id)) {
            rows.extend(self.readable(predecessor, false).into_iter().map(|mut row| {
                row.version.of_predecessor = true;
                row
            }));
        }
        if history {
            rows.extend(self.ordered(id, true).into_iter().filter(|row| !row.version.live));
        }
        rows
    }

    pub(super) fn versions(&self, device: DeviceId, history: bool) -> Result<Vec<Version>, StoreError> {
        self.row(device)?;
        Ok(self.readable(device, history).into_iter().map(|row| row.version).collect())
    }

    pub(super) fn credentials(
        &self,
        filter: DeviceFilter,
        wanted: Page,
    ) -> Result<PageOf<CredentialSummary>, StoreError> {
        let living = |row: &&super::state::DeviceRow| {
            matches!(row.device.state, DeviceState::Enabled | DeviceState::Disabled) && self.shown(&filter, row)
        };
        let summaries = self.devices.values().filter(living).filter_map(|row| {
            let readable = self.readable(row.device.id, true);
            let best = readable.first().map(|row| &row.version).filter(|best| best.live)?;
            Some(CredentialSummary {
                device: row.device.id,
                device_name: row.device.name.clone(),
                last_backup_at: readable.iter().map(|row| row.version.stored_at).max()?,
                refresh_at: best.expires_at,
            })
        });
        page(summaries, &wanted, |summary| summary.device.to_string())
    }

    pub(super) fn refuse_other_epoch(&self, principal: PrincipalId, epoch: u64) -> Result<(), StoreError> {
        if self.epoch_of(principal) == Some(epoch) { Ok(()) } else { Err(StoreError::AuthorizationChanged) }
    }

    pub(super) fn reveal(&mut self, reveal: Reveal, audit: AuditEntry) -> Result<Vec<SealedVersion>, StoreError> {
        self.refuse_other_epoch(reveal.principal, reveal.epoch)?;
        let device = &self.speaking(reveal.device)?.device;
        if device.revision != reveal.device_revision {
            return Err(StoreError::Changed);
        }
        self.admit(&reveal, audit.at)?;
        let rows = self.readable(reveal.device, reveal.history);
        if rows.is_empty() {
            return Err(StoreError::NoPassword);
        }
        let disclosed =
            rows.iter().map(|row| Disclosed { device: row.version.device, version: row.version.version }).collect();
        self.append(audit, disclosed);
        Ok(rows.into_iter().map(|row| SealedVersion { version: row.version, sealed: row.sealed }).collect())
    }

    pub(super) fn release(&mut self, device: DeviceId, now: Timestamp, audit: AuditEntry) -> Result<u64, StoreError> {
        let installed = self.speaking(device)?.installed;
        let mut released = 0;
        for row in self.versions.values_mut().filter(|row| row.version.device == device) {
            if is_live(&row.version, installed) && row.version.released_at.is_none() {
                row.version.released_at = Some(now);
                released += 1;
            }
        }
        if released > 0 {
            self.event(device, DeviceEventKind::Released, now);
            self.append_audit(audit)?;
        }
        Ok(released)
    }

    pub(super) fn trim(
        &mut self,
        after: Option<String>,
        limit: u32,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Trimmed, StoreError> {
        self.refuse_while_clock_held()?;
        let wanted = Page::behind(after, limit);
        let known = self.devices.values().filter(|row| row.device.state != DeviceState::Purged);
        let devices = page(known.map(|row| row.device.id), &wanted, DeviceId::to_string)?;
        let mut trimmed = Trimmed { next: devices.next, ..Trimmed::default() };
        for id in devices.items {
            let device = &mut self.row_mut(id)?.device;
            if let Some(at) = device.forked_at {
                if now < at.plus_days(FORK_DAYS) {
                    continue;
                }
                device.forked_at = None;
                trimmed.forks_ended += 1;
            }
            let versions: Vec<Version> = self.ordered(id, true).into_iter().map(|row| row.version).collect();
            let gone = removable(&versions, now);
            trimmed.versions += gone.len() as u64;
            self.versions.retain(|(device, version), _| *device != id || !gone.contains(version));
        }
        if trimmed.versions + trimmed.forks_ended > 0 {
            self.append_audit(audit)?;
        }
        Ok(trimmed)
    }

    pub(super) fn request_rotation(
        &mut self,
        device: DeviceId,
        by: PrincipalId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<RequestedRotation, StoreError> {
        let made = self.request_above(device, by, 0, now, audit)?;
        self.alone.insert(made.request.sequence);
        Ok(made)
    }

    /// The same among the devices of a campaign; a request of a sequence up to `above` is not given again.
    pub(super) fn request_above(
        &mut self,
        device: DeviceId,
        by: PrincipalId,
        above: u64,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<RequestedRotation, StoreError> {
        match self.speaking(device)?.device.state {
            DeviceState::Deleted => return Err(StoreError::DeviceDeleted),
            DeviceState::Disabled => return Err(StoreError::DeviceDisabled),
            _ => {}
        }
        let newest = self.of(device).map(|row| row.version.sequence).max().unwrap_or(0).max(above);
        let open = self
            .requests
            .iter()
            .find(|request| request.device == device && request.is_open() && request.sequence > newest);
        if let Some(request) = open {
            return Ok(RequestedRotation { request: request.clone(), again: true });
        }
        let sequence = self.next_sequence();
        let request = RotationRequest {
            sequence,
            device,
            requested_by: by,
            requested_at: now,
            met_at: None,
            met_by: None,
            closed: None,
        };
        self.requests.push(request.clone());
        self.add_work(WorkTarget::Device(device), WorkKind::Rotate, now);
        self.append_audit(audit)?;
        Ok(RequestedRotation { request, again: false })
    }

    pub(super) fn rotation_requests(&self, device: DeviceId) -> Result<Vec<RotationRequest>, StoreError> {
        let own = self.requests.iter().rev().filter(|request| request.device == device);
        Ok(own.take(20).cloned().collect())
    }

    pub(super) fn work_since(&self, after: u64, limit: u32) -> Result<Vec<Work>, StoreError> {
        let newer = self.work.iter().map(|(_, work)| work).filter(|work| work.sequence > after);
        Ok(newer.take(limit as usize).cloned().collect())
    }
}

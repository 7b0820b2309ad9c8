//! Reading rules, requests for access, and rotations that follow reads, in memory.

use super::state::State;
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::{TICKS_PER_DAY, Timestamp},
};
use server::{audit::AuditEntry, store::*};

impl State {
    pub(super) fn reading_rules(&self) -> Result<Vec<GroupRule>, StoreError> {
        Ok(self.rules.iter().map(|(group, rule)| GroupRule { group: *group, rule: rule.clone() }).collect())
    }

    pub(super) fn set_reading_rule(
        &mut self,
        group: GroupId,
        rule: Option<ReadingRule>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.group(group)?.ok_or(StoreError::NotFound("group"))?;
        let before = self.rules.get(&group).cloned();
        if before == rule {
            return Ok(());
        }
        match rule {
            Some(rule) => drop(self.rules.insert(group, rule)),
            None => drop(self.rules.remove(&group)),
        }
        self.append_audit(audit)
    }

    pub(super) fn reading_rule_for(&self, device: DeviceId) -> Result<ReadingRule, StoreError> {
        self.row(device)?;
        let shown = self.versions(device, true)?;
        let objects = shown.iter().map(|version| version.device).chain([device]);
        let groups: Vec<GroupId> =
            objects.filter_map(|id| self.devices.get(&id)).flat_map(|row| row.device.groups.clone()).collect();
        let bears = |group: &GroupId| *group == ALL_DEVICES || groups.contains(group);
        Ok(ReadingRule::strictest(self.rules.iter().filter(|(group, _)| bears(group)).map(|(_, rule)| rule.clone())))
    }

    /// The rules' part of a reveal.
    pub(super) fn admit(&mut self, reveal: &Reveal, now: Timestamp) -> Result<(), StoreError> {
        let rule = self.reading_rule_for(reveal.device)?;
        let reading = &reveal.reading;
        if rule.shortfall(reading).is_some() {
            return Err(StoreError::Changed);
        }
        if rule.approvals > 0 && !reading.break_glass {
            let good = |request: &&mut AccessRequest| {
                Some(request.asked.id) == reading.grant
                    && request.is_good(reveal.device, reveal.principal, rule.approvals, now)
            };
            self.access.iter_mut().find(good).ok_or(StoreError::Changed)?.reads_left -= 1;
        }
        if let Some(minutes) = rule.rotation_minutes(reading) {
            let sequence = self.next_sequence();
            let due_at = now.plus_seconds(u64::from(minutes) * 60);
            let (device, read_by) = (reveal.device, reveal.principal);
            let due = self.due.entry(device).or_insert(DueRotation { device, due_at, read_by, sequence });
            due.due_at = due.due_at.min(due_at);
            due.sequence = sequence;
        }
        Ok(())
    }

    pub(super) fn request_access(
        &mut self,
        new: NewAccessRequest,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<RequestedAccess, StoreError> {
        self.speaking(new.device)?;
        let lives = |request: &&AccessRequest| matches!(request.state(now), AccessState::Open | AccessState::Approved);
        let mine: Vec<_> =
            self.access.iter().filter(lives).filter(|request| request.asked.principal == new.principal).collect();
        if let Some(request) = mine.iter().find(|request| request.asked.device == new.device) {
            return Ok(RequestedAccess { request: (*request).clone(), again: true });
        }
        if mine.len() >= ACCESS_OPEN_MAX as usize {
            return Err(StoreError::TooManyRequests);
        }
        let request = AccessRequest {
            sequence: self.next_sequence(),
            reads_left: new.reads,
            asked: new,
            asked_at: now,
            cancelled_at: None,
            answers: Vec::new(),
        };
        self.access.push(request.clone());
        self.append_audit(audit)?;
        Ok(RequestedAccess { request, again: false })
    }

    pub(super) fn access_request(&self, id: [u8; 16]) -> Result<Option<AccessRequest>, StoreError> {
        Ok(self.access.iter().find(|request| request.asked.id == id).cloned())
    }

    pub(super) fn access_requests(
        &self,
        filter: AccessFilter,
        page: Page,
    ) -> Result<PageOf<AccessRequest>, StoreError> {
        let before = match &page.after {
            Some(after) => after.parse().map_err(|_| StoreError::BadCursor)?,
            None => u64::MAX,
        };
        let shown = |request: &&AccessRequest| {
            request.sequence < before
                && filter.device.is_none_or(|device| request.asked.device == device)
                && filter.principal.is_none_or(|principal| request.asked.principal == principal)
                && filter
                    .living_at
                    .is_none_or(|now| matches!(request.state(now), AccessState::Open | AccessState::Approved))
        };
        let items = self.access.iter().rev().filter(shown).take(page.size() + 1).cloned().collect();
        Ok(PageOf::cut(items, page.size(), |request: &AccessRequest| request.sequence.to_string()))
    }

    pub(super) fn answer_access(
        &mut self,
        id: [u8; 16],
        answer: AccessAnswer,
        audit: AuditEntry,
    ) -> Result<AccessRequest, StoreError> {
        let found = self.access.iter_mut().find(|request| request.asked.id == id);
        let request = found.ok_or(StoreError::NotFound("request for access"))?;
        if request.asked.principal == answer.principal {
            return Err(StoreError::OwnRequest);
        }
        match (request.state(answer.at), answer.approved) {
            (AccessState::Open, _) | (AccessState::Approved, false) => {}
            (state, _) => return Err(StoreError::AccessEnded(state.word())),
        }
        if request.answers.iter().any(|one| (one.principal, one.approved) == (answer.principal, answer.approved)) {
            return Err(StoreError::Exists("answer of yours"));
        }
        request.answers.retain(|one| one.principal != answer.principal);
        request.answers.push(answer);
        request.answers.sort_by_key(|one| (one.at, one.principal));
        let request = request.clone();
        self.append_audit(audit)?;
        Ok(request)
    }

    pub(super) fn cancel_access(
        &mut self,
        id: [u8; 16],
        by: PrincipalId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<AccessRequest, StoreError> {
        let found = self.access.iter_mut().find(|request| request.asked.id == id && request.asked.principal == by);
        let request = found.ok_or(StoreError::NotFound("request for access"))?;
        match request.state(now) {
            AccessState::Open | AccessState::Approved => request.cancelled_at = Some(now),
            AccessState::Cancelled => return Ok(request.clone()),
            state => return Err(StoreError::AccessEnded(state.word())),
        }
        let request = request.clone();
        self.append_audit(audit)?;
        Ok(request)
    }

    pub(super) fn sweep_access(&mut self, now: Timestamp) -> u64 {
        let before = self.access.len();
        let kept = u64::from(ACCESS_KEPT_DAYS) * TICKS_PER_DAY;
        self.access.retain(|request| request.asked.until >= now.minus_ticks(kept));
        (before - self.access.len()) as u64
    }

    pub(super) fn rotation_due(&self, device: DeviceId) -> Result<Option<DueRotation>, StoreError> {
        Ok(self.due.get(&device).cloned())
    }

    pub(super) fn rotations_due(&self, now: Timestamp, limit: u32) -> Result<Vec<DueRotation>, StoreError> {
        let enabled = |due: &&DueRotation| {
            self.devices.get(&due.device).is_some_and(|row| row.device.state == DeviceState::Enabled)
        };
        let mut found: Vec<_> = self.due.values().filter(|due| due.due_at <= now).filter(enabled).cloned().collect();
        found.sort_by_key(|due| (due.due_at, due.device));
        found.truncate(limit as usize);
        Ok(found)
    }

    pub(super) fn rotate_after_read(
        &mut self,
        device: DeviceId,
        by: Timestamp,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        let Some(due) = self.due.get(&device).filter(|due| due.due_at <= by).cloned() else {
            return Ok(false);
        };
        self.request_rotation(device, due.read_by, now, audit)?;
        self.due.remove(&device);
        Ok(true)
    }
}

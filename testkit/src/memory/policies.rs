//! Policies, assignments, deliveries.

use super::state::{State, page};
use laps::{
    id::{DeviceId, GroupId, PolicyId},
    time::Timestamp,
};
use server::{audit::AuditEntry, store::*};

impl State {
    pub(super) fn newest(&self, id: PolicyId) -> Option<&Policy> {
        self.policies.get(&id).and_then(|versions| versions.last())
    }

    fn policy_named(&self, name: &str, except: PolicyId) -> bool {
        self.policies
            .iter()
            .filter(|(id, _)| **id != except)
            .filter_map(|(_, versions)| versions.last())
            .any(|policy| policy.name.to_lowercase() == name.to_lowercase())
    }

    pub(super) fn create_policy(
        &mut self,
        id: PolicyId,
        name: String,
        values: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Policy, StoreError> {
        if self.policies.contains_key(&id) || self.policy_named(&name, id) {
            return Err(StoreError::Exists("policy"));
        }
        let policy = Policy { id, name, version: 1, values, changed_at: now };
        self.policies.insert(id, vec![policy.clone()]);
        self.append_audit(audit)?;
        Ok(policy)
    }

    #[allow(clippy::too_many_arguments, reason = "the verb names each fact it needs")]
    pub(super) fn revise_policy(
        &mut self,
        id: PolicyId,
        version: u32,
        name: String,
        values: String,
        spread: Spread,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Policy, StoreError> {
        let newest = self.newest(id).ok_or(StoreError::NotFound("policy"))?;
        if newest.version != version {
            return Err(StoreError::Changed);
        }
        if self.policy_named(&name, id) {
            return Err(StoreError::Exists("policy"));
        }
        let policy = Policy { id, name, version: version + 1, values, changed_at: now };
        self.spread(id, version, version + 1, spread, now)?;
        self.policies.entry(id).or_default().push(policy.clone());
        self.append_audit(audit)?;
        let groups: Vec<_> = self.assignments.iter().filter(|a| a.policy == id).map(|a| a.group).collect();
        for group in groups {
            self.add_work(WorkTarget::Group(group), WorkKind::Policy, now);
        }
        Ok(policy)
    }

    pub(super) fn policy(&self, id: PolicyId) -> Result<Option<Policy>, StoreError> {
        Ok(self.newest(id).cloned())
    }

    pub(super) fn policy_versions(&self, id: PolicyId) -> Result<Vec<Policy>, StoreError> {
        Ok(self.policies.get(&id).map(|versions| versions.iter().rev().cloned().collect()).unwrap_or_default())
    }

    pub(super) fn policies(&self, wanted: Page) -> Result<PageOf<Policy>, StoreError> {
        let newest = self.policies.values().filter_map(|versions| versions.last().cloned());
        page(newest, &wanted, |policy| policy.id.to_string())
    }

    pub(super) fn delete_policy(&mut self, id: PolicyId, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.policies.contains_key(&id) {
            return Err(StoreError::NotFound("policy"));
        }
        if self.assignments.iter().any(|assignment| assignment.policy == id) {
            return Err(StoreError::InUse("a group"));
        }
        self.policies.remove(&id);
        self.exclusions.retain(|exclusion| exclusion.policy != id);
        self.ring_plans.remove(&id);
        self.rollouts.remove(&id);
        self.append_audit(audit)
    }

    pub(super) fn assign_policy(
        &mut self,
        policy: PolicyId,
        group: GroupId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if !self.policies.contains_key(&policy) {
            return Err(StoreError::NotFound("policy"));
        }
        if !self.has_group(group) {
            return Err(StoreError::NotFound("group"));
        }
        if self.assignments.iter().any(|known| known.policy == policy && known.group == group) {
            return Ok(());
        }
        self.assignments.insert(Assignment { policy, group, assigned_at: now });
        self.append_audit(audit)?;
        self.add_work(WorkTarget::Group(group), WorkKind::Policy, now);
        Ok(())
    }

    pub(super) fn unassign_policy(
        &mut self,
        policy: PolicyId,
        group: GroupId,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        if !self.policies.contains_key(&policy) {
            return Err(StoreError::NotFound("policy"));
        }
        let before = self.assignments.len();
        self.assignments.retain(|known| known.policy != policy || known.group != group);
        if self.assignments.len() < before {
            let at = audit.at;
            self.append_audit(audit)?;
            self.add_work(WorkTarget::Group(group), WorkKind::Policy, at);
        }
        Ok(())
    }

    pub(super) fn assignments(&self, policy: Option<PolicyId>) -> Result<Vec<Assignment>, StoreError> {
        let wanted = self.assignments.iter().filter(|known| policy.is_none_or(|policy| known.policy == policy));
        Ok(wanted.take(Page::LIMIT_MAX as usize).copied().collect())
    }

    pub(super) fn policies_for(&self, device: DeviceId) -> Result<Vec<AssignedPolicy>, StoreError> {
        let groups = &self.row(device)?.device.groups;
        let applies = |group: &GroupId| *group == ALL_DEVICES || groups.contains(group);
        let assigned = self.policies.keys().filter_map(|id| {
            let brought: Vec<GroupId> = self
                .assignments
                .iter()
                .filter(|known| known.policy == *id && applies(&known.group))
                .map(|known| known.group)
                .collect();
            if self.exclusions.iter().any(|known| known.policy == *id && applies(&known.group)) {
                return None;
            }
            let open = self.rollouts.get(id).filter(|rollout| rollout.state.is_open());
            let version = match open {
                Some(rollout) => rollout.version_for(device, groups)?,
                None => self.newest(*id)?.version,
            };
            let policy = self.policies.get(id)?.iter().find(|policy| policy.version == version)?.clone();
            (!brought.is_empty()).then_some(AssignedPolicy { policy, groups: brought })
        });
        Ok(assigned.collect())
    }

    pub(super) fn record_delivery(&mut self, new: NewDelivery, now: Timestamp) -> Result<Delivery, StoreError> {
        let sent = self.speaking(new.device)?.deliveries.sent.clone();
        if let Some(sent) = sent.filter(|sent| sent.digest == new.digest) {
            self.row_mut(new.device)?.deliveries.held = None;
            return Ok(sent);
        }
        let sequence = self.next_sequence();
        let delivery = Delivery {
            sequence,
            digest: new.digest,
            values: new.values,
            sent_at: now,
            answered_at: None,
            statuses: Vec::new(),
        };
        let deliveries = &mut self.row_mut(new.device)?.deliveries;
        deliveries.sent = Some(delivery.clone());
        deliveries.held = None;
        Ok(delivery)
    }

    pub(super) fn answer_delivery(
        &mut self,
        device: DeviceId,
        sequence: u64,
        statuses: Vec<SettingStatus>,
        complete: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let deliveries = &mut self.speaking(device)?.deliveries;
        let in_force = deliveries.in_force.as_ref().is_some_and(|in_force| in_force.sequence == sequence);
        let Some(sent) = deliveries.sent.as_mut().filter(|sent| sent.sequence == sequence) else { return Ok(()) };
        if sent.answered_at.is_some() && sent.statuses == statuses && (in_force || !complete) {
            return Ok(());
        }
        sent.answered_at = Some(now);
        sent.statuses = statuses;
        if complete {
            deliveries.in_force = Some(sent.clone());
        }
        Ok(())
    }

    pub(super) fn hold_delivery(&mut self, device: DeviceId, reason: String) -> Result<(), StoreError> {
        self.speaking(device)?.deliveries.held = Some(reason);
        Ok(())
    }

    pub(super) fn deliveries(&self, device: DeviceId) -> Result<Deliveries, StoreError> {
        Ok(self.devices.get(&device).map(|row| row.deliveries.clone()).unwrap_or_default())
    }
}

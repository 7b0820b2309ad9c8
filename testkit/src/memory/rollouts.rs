//! Exclusions, rings and holds of policies, in memory.

use super::state::{State, page};
use laps::{
    id::{GroupId, PolicyId},
    rollout::Ring,
    time::Timestamp,
};
use server::{audit::AuditEntry, store::*};

impl State {
    fn expect_policy(&self, policy: PolicyId) -> Result<&Policy, StoreError> {
        self.newest(policy).ok_or(StoreError::NotFound("policy"))
    }

    pub(super) fn exclude_policy(
        &mut self,
        policy: PolicyId,
        group: GroupId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.expect_policy(policy)?;
        if !self.has_group(group) {
            return Err(StoreError::NotFound("group"));
        }
        if self.exclusions.iter().any(|known| known.policy == policy && known.group == group) {
            return Ok(());
        }
        self.exclusions.insert(Assignment { policy, group, assigned_at: now });
        self.append_audit(audit)?;
        self.add_work(WorkTarget::Group(group), WorkKind::Policy, now);
        Ok(())
    }

    pub(super) fn include_policy(
        &mut self,
        policy: PolicyId,
        group: GroupId,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.expect_policy(policy)?;
        let before = self.exclusions.len();
        self.exclusions.retain(|known| known.policy != policy || known.group != group);
        if self.exclusions.len() < before {
            let at = audit.at;
            self.append_audit(audit)?;
            self.add_work(WorkTarget::Group(group), WorkKind::Policy, at);
        }
        Ok(())
    }

    pub(super) fn exclusions(&self, policy: Option<PolicyId>) -> Result<Vec<Assignment>, StoreError> {
        let wanted = self.exclusions.iter().filter(|known| policy.is_none_or(|policy| known.policy == policy));
        Ok(wanted.take(Page::LIMIT_MAX as usize).copied().collect())
    }

    pub(super) fn set_ring_plan(
        &mut self,
        policy: PolicyId,
        rings: Option<Vec<Ring>>,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.expect_policy(policy)?;
        if self.ring_plans.get(&policy) == rings.as_ref() {
            return Ok(());
        }
        match rings {
            Some(rings) => self.ring_plans.insert(policy, rings),
            None => self.ring_plans.remove(&policy),
        };
        self.append_audit(audit)
    }

    pub(super) fn ring_plan(&self, policy: PolicyId) -> Result<Option<Vec<Ring>>, StoreError> {
        Ok(self.ring_plans.get(&policy).cloned())
    }

    fn begin(
        &mut self,
        policy: PolicyId,
        former: u32,
        wanted: u32,
        rings: Vec<Ring>,
        now: Timestamp,
    ) -> Result<Rollout, StoreError> {
        if self.rollouts.get(&policy).is_some_and(|open| open.state.is_open()) {
            return Err(StoreError::InUse("a version that is on its way by rings"));
        }
        let begun = Rollout {
            policy,
            former,
            wanted,
            rings,
            state: RolloutState::Running,
            ring: 0,
            ring_at: now,
            started_at: now,
            changed_at: now,
            detail: "{}".into(),
        };
        self.rollouts.insert(policy, begun.clone());
        Ok(begun)
    }

    /// How a new version reaches its devices.
    pub(super) fn spread(
        &mut self,
        policy: PolicyId,
        former: u32,
        wanted: u32,
        spread: Spread,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        match spread {
            Spread::Rings(rings) => self.begin(policy, former, wanted, rings, now).map(drop),
            Spread::AtOnce => {
                if let Some(open) = self.rollouts.get_mut(&policy).filter(|open| open.state.is_open()) {
                    open.state = RolloutState::RolledBack;
                    open.changed_at = now;
                }
                Ok(())
            }
        }
    }

    pub(super) fn begin_rollout(
        &mut self,
        policy: PolicyId,
        rings: Vec<Ring>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Rollout, StoreError> {
        let wanted = self.expect_policy(policy)?.version;
        let begun = self.begin(policy, 0, wanted, rings, now)?;
        self.append_audit(audit)?;
        Ok(begun)
    }

    pub(super) fn rollout(&self, policy: PolicyId) -> Result<Option<Rollout>, StoreError> {
        Ok(self.rollouts.get(&policy).cloned())
    }

    pub(super) fn open_rollouts(&self) -> Result<Vec<Rollout>, StoreError> {
        let open = self.rollouts.values().filter(|rollout| rollout.state.is_open());
        Ok(open.take(Page::LIMIT_MAX as usize).cloned().collect())
    }

    pub(super) fn change_rollout(
        &mut self,
        from: Rollout,
        change: RolloutChange,
        detail: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Rollout, StoreError> {
        let stored = self.rollouts.get_mut(&from.policy).ok_or(StoreError::NotFound("rollout"))?;
        if stored.ring != from.ring || stored.state != from.state || stored.wanted != from.wanted {
            return Err(StoreError::Changed);
        }
        let more = (stored.ring as usize) + 1 < stored.rings.len();
        match (stored.state, change) {
            (RolloutState::Running, RolloutChange::Advance) if more => {
                stored.ring += 1;
                stored.ring_at = now;
            }
            (RolloutState::Running, RolloutChange::Halt) => stored.state = RolloutState::Halted,
            (RolloutState::Halted, RolloutChange::Resume) => {
                stored.state = RolloutState::Running;
                stored.ring_at = now;
            }
            (RolloutState::Running | RolloutState::Halted, RolloutChange::Complete) => {
                stored.state = RolloutState::Complete;
            }
            _ => return Err(StoreError::Changed),
        }
        stored.changed_at = now;
        stored.detail = detail;
        let changed = stored.clone();
        if matches!(change, RolloutChange::Advance | RolloutChange::Complete) {
            let groups: Vec<_> =
                self.assignments.iter().filter(|known| known.policy == from.policy).map(|known| known.group).collect();
            for group in groups {
                self.add_work(WorkTarget::Group(group), WorkKind::Policy, now);
            }
        }
        self.append_audit(audit)?;
        Ok(changed)
    }

    pub(super) fn held_devices(&self, wanted: Page) -> Result<PageOf<HeldDevice>, StoreError> {
        let held = self.devices.values().filter_map(|row| {
            let living = matches!(row.device.state, DeviceState::Enabled | DeviceState::Disabled);
            let reason = row.deliveries.held.clone().filter(|_| living)?;
            Some(HeldDevice { device: row.device.id, name: row.device.name.clone(), reason })
        });
        page(held, &wanted, |held| held.device.to_string())
    }
}

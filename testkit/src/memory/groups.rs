//! Groups of devices.

use super::state::{State, page};
use laps::{
    id::{DeviceId, GroupId},
    time::Timestamp,
};
use server::{audit::AuditEntry, store::*};

fn same_name(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

impl State {
    pub(super) fn has_group(&self, id: GroupId) -> bool {
        id == ALL_DEVICES || self.groups.contains_key(&id)
    }

    pub(super) fn create_group(
        &mut self,
        id: GroupId,
        name: String,
        filter: Option<GroupFilter>,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Group, StoreError> {
        if self.has_group(id) || self.group_named(&name, None) {
            return Err(StoreError::Exists("group"));
        }
        let group = Group { id, name, filter: filter.filter(|filter| !filter.is_empty()), created_at: now };
        self.groups.insert(id, group.clone());
        self.follow_all(now);
        self.append_audit(audit)?;
        Ok(group)
    }

    pub(super) fn change_group_filter(
        &mut self,
        id: GroupId,
        filter: GroupFilter,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Group, StoreError> {
        if !self.has_group(id) {
            return Err(StoreError::NotFound("group"));
        }
        let group = self.groups.get_mut(&id).filter(|group| group.filter.is_some() && !filter.is_empty());
        let group = group.ok_or(StoreError::Unfiltered)?;
        group.filter = Some(filter);
        let group = group.clone();
        self.follow_all(now);
        self.append_audit(audit)?;
        Ok(group)
    }

    fn follow_all(&mut self, now: Timestamp) {
        let ids: Vec<_> = self.devices.keys().copied().collect();
        ids.into_iter().for_each(|id| self.follow(id, now));
    }

    /// Brings a device into the filtered groups that it fits, and out of the others.
    pub(super) fn follow(&mut self, id: DeviceId, now: Timestamp) {
        let Some(row) = self.devices.get_mut(&id).filter(|row| row.device.state != DeviceState::Purged) else {
            return;
        };
        let device = &mut row.device;
        let mut groups = device.groups.clone();
        groups.retain(|id| self.groups.get(id).is_some_and(|group| group.filter.is_none()));
        let fitting = self.groups.values().filter(|group| group.filter.as_ref().is_some_and(|f| f.fits(device)));
        groups.extend(fitting.map(|group| group.id));
        groups.sort_unstable();
        let changes = groups.iter().filter(|group| !device.groups.contains(group)).count()
            + device.groups.iter().filter(|group| !groups.contains(group)).count();
        if changes > 0 {
            device.groups = groups;
            device.revision += changes as u64;
            self.add_work(WorkTarget::Device(id), WorkKind::Policy, now);
        }
    }

    pub(super) fn refuse_filtered(&self, id: GroupId) -> Result<(), StoreError> {
        let filtered = self.groups.get(&id).is_some_and(|group| group.filter.is_some());
        if filtered { Err(StoreError::Filtered) } else { Ok(()) }
    }

    /// Refuses an unknown group, and the one that cannot be changed.
    fn refuse_fixed_group(&self, id: GroupId) -> Result<(), StoreError> {
        match id {
            ALL_DEVICES => Err(StoreError::InUse("the server: this group cannot be changed")),
            _ if self.groups.contains_key(&id) => Ok(()),
            _ => Err(StoreError::NotFound("group")),
        }
    }

    fn group_named(&self, name: &str, except: Option<GroupId>) -> bool {
        same_name(name, &self.all_devices().name)
            || self.groups.values().any(|group| Some(group.id) != except && same_name(&group.name, name))
    }

    fn all_devices(&self) -> Group {
        Group { id: ALL_DEVICES, name: "All devices".into(), filter: None, created_at: Timestamp::MIN }
    }

    pub(super) fn group(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        Ok(if id == ALL_DEVICES { Some(self.all_devices()) } else { self.groups.get(&id).cloned() })
    }

    pub(super) fn groups(&self, wanted: Page) -> Result<PageOf<Group>, StoreError> {
        let all = self.groups.values().cloned().chain([self.all_devices()]);
        page(all, &wanted, |group| group.id.to_string())
    }

    pub(super) fn rename_group(&mut self, id: GroupId, name: String, audit: AuditEntry) -> Result<Group, StoreError> {
        self.refuse_fixed_group(id)?;
        if self.group_named(&name, Some(id)) {
            return Err(StoreError::Exists("group"));
        }
        let group = self.groups.get_mut(&id).ok_or(StoreError::NotFound("group"))?;
        group.name = name;
        let group = group.clone();
        self.append_audit(audit)?;
        Ok(group)
    }

    pub(super) fn delete_group(&mut self, id: GroupId, audit: AuditEntry) -> Result<(), StoreError> {
        self.refuse_fixed_group(id)?;
        if self.assignments.iter().any(|assignment| assignment.group == id) {
            return Err(StoreError::InUse("a policy"));
        }
        if self.exclusions.iter().any(|exclusion| exclusion.group == id) {
            return Err(StoreError::InUse("the exclusion of a policy"));
        }
        if self.roles.iter().any(|role| role.scope == Some(id)) {
            return Err(StoreError::InUse("a role"));
        }
        if self
            .tokens
            .values()
            .any(|(_, token)| token.group == Some(id) && token.used_at.is_none() && token.revoked_at.is_none())
        {
            return Err(StoreError::InUse("a join token"));
        }
        if self.rules.contains_key(&id) {
            return Err(StoreError::InUse("a reading rule"));
        }
        self.groups.remove(&id);
        for (_, token) in self.tokens.values_mut().filter(|(_, token)| token.group == Some(id)) {
            token.group = None;
        }
        for row in self.devices.values_mut().filter(|row| row.device.groups.contains(&id)) {
            row.device.groups.retain(|group| *group != id);
            row.device.revision += 1;
        }
        self.append_audit(audit)
    }

    pub(super) fn add_member(&mut self, group: GroupId, id: DeviceId, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.has_group(group) {
            return Err(StoreError::NotFound("group"));
        }
        self.refuse_filtered(group)?;
        let device = &mut self.speaking(id)?.device;
        if group == ALL_DEVICES || device.groups.contains(&group) {
            return Ok(());
        }
        device.groups.push(group);
        device.groups.sort_unstable();
        self.membership_changed(id, audit)
    }

    pub(super) fn remove_member(&mut self, group: GroupId, id: DeviceId, audit: AuditEntry) -> Result<(), StoreError> {
        if !self.has_group(group) {
            return Err(StoreError::NotFound("group"));
        }
        self.refuse_filtered(group)?;
        self.speaking(id)?;
        self.refuse_fixed_group(group)?;
        let device = &mut self.row_mut(id)?.device;
        if !device.groups.contains(&group) {
            return Ok(());
        }
        device.groups.retain(|known| *known != group);
        self.membership_changed(id, audit)
    }

    fn membership_changed(&mut self, id: DeviceId, audit: AuditEntry) -> Result<(), StoreError> {
        self.row_mut(id)?.device.revision += 1;
        let at = audit.at;
        self.append_audit(audit)?;
        self.add_work(WorkTarget::Device(id), WorkKind::Policy, at);
        Ok(())
    }
}

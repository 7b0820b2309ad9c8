//! Groups of devices.

use super::credentials::Listed;
use super::record::{activity, category, target};
use super::{App, Error, Result, store_page};
use crate::authz::{Action, Caller};
use crate::store::{self, ALL_DEVICES, StoreError};
use laps::id::{DeviceId, GroupId};
use proto::admin::{Group, GroupChange, GroupFilter, GroupName, NewGroup};
use serde_json::json;

impl App {
    /// Groups.
    pub async fn groups(&self, caller: &Caller, after: Option<String>, limit: u32) -> Result<Listed<Group>> {
        self.require(caller, Action::GroupRead)?;
        let page = self.store.groups(store_page(after, limit)).await?;
        Ok(Listed::new(page.items.into_iter().map(entity).collect(), page.next))
    }

    /// Makes a group.
    pub async fn create_group(&self, caller: &Caller, new: &NewGroup) -> Result<Group> {
        self.require(caller, Action::GroupWrite)?;
        let name = checked_name(&new.name)?;
        let id = GroupId::from_random_bytes(self.random_bytes()?);
        let filter = new.filter.as_ref().map(checked_filter).transpose()?;
        let audit = self.entry(
            caller,
            activity::ADD_GROUP,
            category::GROUP,
            target("group", &id, &name),
            json!({"filter": new.filter}),
        )?;
        Ok(entity(self.store.create_group(id, name, filter, self.now(), audit).await?))
    }

    /// Gives a group another name, and a filtered one another filter.
    pub async fn change_group(&self, caller: &Caller, name: &str, change: &GroupChange) -> Result<Group> {
        self.require(caller, Action::GroupWrite)?;
        let mut group = self.stored_group(name).await?;
        let filter = change.filter.as_ref().map(checked_filter).transpose()?;
        if filter.is_some() {
            self.refuse_widening(caller, group.id)?;
        }
        if let Some(name) = &change.name {
            let name = checked_name(name)?;
            let audit = self.entry(
                caller,
                activity::UPDATE_GROUP,
                category::GROUP,
                target("group", &group.id, &group.name),
                json!({"name": name}),
            )?;
            group = self.store.rename_group(group.id, name, audit).await?;
        }
        if let Some(filter) = filter {
            self.guard_ruled_group(caller, group.id).await?;
            let audit = self.entry(
                caller,
                activity::UPDATE_GROUP,
                category::GROUP,
                target("group", &group.id, &group.name),
                json!({"filter": change.filter}),
            )?;
            group = self.store.change_group_filter(group.id, filter, self.now(), audit).await?;
        }
        Ok(entity(group))
    }

    /// Removes a group that nothing names any more.
    pub async fn delete_group(&self, caller: &Caller, name: &str) -> Result<()> {
        self.require(caller, Action::GroupWrite)?;
        let group = self.stored_group(name).await?;
        let audit = self.entry(
            caller,
            activity::DELETE_GROUP,
            category::GROUP,
            target("group", &group.id, &group.name),
            json!({}),
        )?;
        Ok(self.store.delete_group(group.id, audit).await?)
    }

    /// Puts a device into a group, or takes it out.
    pub async fn set_member(&self, caller: &Caller, name: &str, device: DeviceId, member: bool) -> Result<()> {
        self.require(caller, Action::GroupWrite)?;
        let group = self.stored_group(name).await?;
        if member {
            self.refuse_widening(caller, group.id)?;
        }
        self.guard_ruled_group(caller, group.id).await?;
        let device = self.store.device(device).await?.ok_or(StoreError::DeviceUnknown)?;
        let audit = self.entry(
            caller,
            if member { activity::ADD_MEMBER } else { activity::REMOVE_MEMBER },
            category::GROUP,
            target("group", &group.id, &group.name),
            json!({"device": device.id.to_string(), "deviceName": device.name}),
        )?;
        if member {
            self.store.add_member(group.id, device.id, audit).await?;
        } else {
            self.store.remove_member(group.id, device.id, audit).await?;
        }
        Ok(())
    }

    /// The group that a body or path names; `None` for all devices.
    pub(super) async fn group_named(&self, name: &str) -> Result<Option<store::Group>> {
        let unknown = || {
            Error::not_found(
                "group_unknown",
                format!(
                    "there is no group '{}'; list them with GET /v1.0/lapwing/groups",
                    name.chars().take(120).collect::<String>()
                ),
            )
        };
        match GroupName::parse(name) {
            GroupName::All => Ok(None),
            GroupName::Id(id) if id == ALL_DEVICES => Ok(None),
            GroupName::Id(id) => self.store.group(id).await?.map(Some).ok_or_else(unknown),
            GroupName::Name(name) => {
                let mut after = None;
                loop {
                    let page = self.store.groups(store_page(after, store::Page::LIMIT_MAX)).await?;
                    if let Some(found) = page.items.into_iter().find(|group| group.name.eq_ignore_ascii_case(&name)) {
                        return Ok((found.id != ALL_DEVICES).then_some(found));
                    }
                    after = page.next;
                    if after.is_none() {
                        return Err(unknown());
                    }
                }
            }
        }
    }

    pub(super) async fn stored_group(&self, name: &str) -> Result<store::Group> {
        self.group_named(name).await?.ok_or_else(|| {
            Error::invalid("all_devices_is_fixed", "the group of all devices has every device and cannot be changed")
        })
    }
}

/// A name of a group, policy, person or program: 1 to 120 printable characters, no space at its ends.
pub(super) fn checked_name(name: &str) -> Result<String> {
    let name = name.trim();
    // Marks of direction and width are not seen, and make one name look like another.
    if name.is_empty()
        || name.chars().count() > 120
        || name.chars().any(|c| c.is_control() || laps::text::is_invisible(c))
    {
        return Err(Error::invalid("bad_name", "the name must have 1 to 120 printable characters"));
    }
    if name.eq_ignore_ascii_case(proto::admin::ALL_DEVICES) {
        return Err(Error::invalid("bad_name", "the name 'all' stands for all devices; choose another one"));
    }
    Ok(name.to_owned())
}

/// Longest pattern of a filter, characters.
const PATTERN_CHARS_MAX: usize = 120;

/// A filter that asks for something, each pattern of 1 to 120 printable characters.
pub(super) fn checked_filter(asked: &GroupFilter) -> Result<store::GroupFilter> {
    for pattern in [&asked.name, &asked.os, &asked.agent_version].into_iter().flatten() {
        let chars = pattern.chars().count();
        if chars == 0 || chars > PATTERN_CHARS_MAX || pattern.chars().any(char::is_control) {
            return Err(Error::invalid(
                "bad_filter",
                format!(
                    "a pattern has 1 to {PATTERN_CHARS_MAX} printable characters; * stands for any of them, ? for one"
                ),
            ));
        }
    }
    let filter = store::GroupFilter {
        name: asked.name.clone(),
        os: asked.os.clone(),
        agent_version: asked.agent_version.clone(),
        joined_from: asked.joined_from,
        joined_until: asked.joined_until,
    };
    if filter.is_empty() {
        return Err(Error::invalid(
            "bad_filter",
            "the filter asks for nothing: name one of name, os, agentVersion, joinedFrom, joinedUntil",
        ));
    }
    Ok(filter)
}

/// A group as it is shown.
pub(super) fn entity(group: store::Group) -> Group {
    let filter = group.filter.map(wire_filter);
    Group { id: group.id, name: group.name, filter, created_date_time: group.created_at }
}

/// A filter as it is shown.
pub(super) fn wire_filter(filter: store::GroupFilter) -> GroupFilter {
    GroupFilter {
        name: filter.name,
        os: filter.os,
        agent_version: filter.agent_version,
        joined_from: filter.joined_from,
        joined_until: filter.joined_until,
    }
}

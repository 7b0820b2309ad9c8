//! Who may read what, and by which path: role, scope, group, filter, permission; and the reverse, who may read a device.

use super::people::unknown_principal;
use super::roles::assignments;
use super::{App, Result, groups, reading, store_page};
use crate::authz::{Action, Assignment, Caller, RoleScope, Target};
use crate::store::{self, Authorization, DeviceState, Group, Page, ReadingRule};
use laps::id::{DeviceId, GroupId, PrincipalId};
use proto::admin::{AccessPath, ReadAccess};
use std::collections::BTreeMap;

impl App {
    /// Whether a person or program may read a device's password, and why.
    pub async fn explain_access(
        &self,
        caller: &Caller,
        principal: PrincipalId,
        device: DeviceId,
    ) -> Result<ReadAccess> {
        self.require(caller, Action::PeopleRead)?;
        let device = self.device_for(caller, Action::DeviceRead, device).await?;
        let groups = self.groups_by_id().await?;
        let rule = self.store.reading_rule_for(device.id).await?;
        self.access_of(principal, &device, &groups, &rule).await?.ok_or_else(|| unknown_principal(principal))
    }

    /// Everybody who may read a device's password.
    pub async fn who_may_read(&self, caller: &Caller, device: DeviceId) -> Result<Vec<ReadAccess>> {
        self.require(caller, Action::PeopleRead)?;
        let device = self.device_for(caller, Action::DeviceRead, device).await?;
        let groups = self.groups_by_id().await?;
        let rule = self.store.reading_rule_for(device.id).await?;
        let mut readers = Vec::new();
        let (mut after, mut programs) = (None, false);
        loop {
            let page = store_page(after, Page::LIMIT_MAX);
            let (ids, next): (Vec<PrincipalId>, _) = if programs {
                let page = self.store.service_principals(page).await?;
                (page.items.into_iter().map(|item| item.id).collect(), page.next)
            } else {
                let page = self.store.users(page).await?;
                (page.items.into_iter().map(|item| item.id).collect(), page.next)
            };
            for id in ids {
                if let Some(access) =
                    self.access_of(id, &device, &groups, &rule).await?.filter(|access| access.may_read)
                {
                    readers.push(access);
                }
            }
            after = next;
            if after.is_none() {
                if programs {
                    return Ok(readers);
                }
                programs = true;
            }
        }
    }

    /// The person or program that is named by an id or a name.
    pub async fn principal_named(&self, caller: &Caller, named: &str) -> Result<PrincipalId> {
        self.require(caller, Action::PeopleRead)?;
        if let Ok(id) = named.parse() {
            return Ok(id);
        }
        if let Some(user) = self.store.user_by_name(named.to_owned()).await? {
            return Ok(user.id);
        }
        let wanted = named.to_lowercase();
        let mut after = None;
        loop {
            let page = self.store.service_principals(store_page(after, Page::LIMIT_MAX)).await?;
            if let Some(found) = page.items.iter().find(|program| program.name.to_lowercase() == wanted) {
                return Ok(found.id);
            }
            after = page.next;
            if after.is_none() {
                return Err(super::Error::not_found(
                    "principal_unknown",
                    "no person or program has this name or id; look it up in the list of people",
                ));
            }
        }
    }

    async fn groups_by_id(&self) -> Result<BTreeMap<GroupId, Group>> {
        let (mut all, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.store.groups(store_page(after, Page::LIMIT_MAX)).await?;
            all.extend(page.items.into_iter().map(|group| (group.id, group)));
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    async fn access_of(
        &self,
        id: PrincipalId,
        device: &store::Device,
        groups: &BTreeMap<GroupId, Group>,
        rule: &ReadingRule,
    ) -> Result<Option<ReadAccess>> {
        let Some(held) = self.store.authorization(id).await? else {
            return Ok(None);
        };
        let name = match self.store.user(id).await? {
            Some(user) => user.user_name,
            None => held.display_name.clone(),
        };
        let mut paths: Vec<AccessPath> =
            assignments(&held).iter().map(|assignment| by_role(assignment, device, groups)).collect();
        paths.extend(by_permission(&held, device));
        let open = paths.iter().find(|path| path.allows);
        let (may_read, because) = match (device.state, held.enabled, open) {
            (DeviceState::Purged, ..) => (false, "the device's passwords were purged: there is nothing to read".into()),
            (_, false, _) => (false, format!("{name} may not sign in: the account is disabled")),
            (_, true, Some(path)) => (true, path.because.clone()),
            (_, true, None) if paths.is_empty() => (false, format!("{name} has no role and no permission")),
            (_, true, None) => (false, "nothing that they have opens the way".into()),
        };
        let asked = match may_read {
            true => reading::asked(rule, held.is_user),
            false => Vec::new(),
        };
        Ok(Some(ReadAccess {
            asked,
            principal: id,
            name,
            kind: if held.is_user { "user" } else { "servicePrincipal" }.into(),
            device: device.id,
            device_name: device.name.clone(),
            may_read,
            because,
            paths,
        }))
    }
}

/// What reading this device's password takes: for a tombstone the stricter right too.
fn needed(device: &store::Device) -> &'static [Action] {
    match device.state {
        DeviceState::Deleted => &[Action::CredentialReveal, Action::CredentialRevealDeleted],
        _ => &[Action::CredentialReveal],
    }
}

fn by_role(held: &Assignment, device: &store::Device, groups: &BTreeMap<GroupId, Group>) -> AccessPath {
    let name = held.role.name();
    let group = match held.scope {
        RoleScope::Tenant => None,
        RoleScope::Group(id) => groups.get(&id),
    };
    let missing = needed(device).iter().find(|action| !held.role.allows(**action));
    let covers = held.scope.covers(Target::Device(&device.groups));
    let of = match group {
        None => "all devices".to_owned(),
        Some(group) if group.filter.is_some() => format!("the group {}, whose filter the device fits", group.name),
        Some(group) => format!("the group {}, which the device was put into", group.name),
    };
    let because = match (missing, covers, group) {
        (Some(action), ..) => format!("{name} does not allow {}", action.name()),
        (None, true, _) => format!("{name} for {of}"),
        (None, false, Some(group)) => {
            format!("{name} would allow it, but only for the group {}, and the device is not in it", group.name)
        }
        (None, false, None) => format!("{name} would allow it, but for another group"),
    };
    AccessPath {
        allows: missing.is_none() && covers,
        because,
        role: Some(name.to_owned()),
        role_id: Some(held.role.id()),
        permission: None,
        group: group.map(|group| group.id),
        group_name: group.map(|group| group.name.clone()),
        filter: group.and_then(|group| group.filter.clone()).map(groups::wire_filter),
    }
}

/// Application permissions of a program hold for the whole tenant.
fn by_permission(held: &Authorization, device: &store::Device) -> Vec<AccessPath> {
    let one = |permission: &String| {
        let opens = |action: &Action| action.permissions().contains(&permission.as_str());
        let bears = needed(device).iter().any(opens) && !held.is_user;
        bears.then(|| {
            let missing: Vec<&str> = needed(device)
                .iter()
                .filter(|action| !held.permissions.iter().any(|known| action.permissions().contains(&known.as_str())))
                .map(|action| action.name())
                .collect();
            AccessPath {
                allows: missing.is_empty(),
                because: match missing.as_slice() {
                    [] => format!("the application permission {permission} for all devices"),
                    missing => format!("the application permission {permission} does not allow {}", missing.join(", ")),
                },
                role: None,
                role_id: None,
                permission: Some(permission.clone()),
                group: None,
                group_name: None,
                filter: None,
            }
        })
    };
    held.permissions.iter().filter_map(one).collect()
}

//! A group as the admin centre shows it: what hangs on it, and whom a filter would take in before it is saved.

use super::groups::checked_filter;
use super::{App, Result, store_page};
use crate::authz::{self, Action, Caller, Target};
use crate::store::{self, ALL_DEVICES, DeviceFilter, Page};
use laps::id::{DeviceId, PrincipalId};
use proto::admin::{Group, GroupFilter};

/// Devices that a preview of a filter looks at; beyond that it says that it did not see all.
const LOOKED_AT_MAX: u64 = 200_000;
/// Devices that a preview names.
const NAMED_MAX: usize = 20;

/// Somebody whose role counts for the devices of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRole {
    /// The role's name.
    pub role: String,
    /// Who has it.
    pub principal: PrincipalId,
    /// The sign-in name, or a program's shown name.
    pub name: String,
}

/// What hangs on a group: it cannot be deleted while something does. `None` where the caller may not see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSheet {
    /// Policies that are assigned to it: id and name.
    pub policies: Option<Vec<(String, String)>>,
    /// Policies that leave it out: id and name.
    pub excluded: Option<Vec<(String, String)>>,
    /// Roles that count for its devices only.
    pub roles: Option<Vec<GroupRole>>,
    /// Join tokens that can still be used and put their device into it.
    pub join_tokens: Option<usize>,
    /// It asks something of those who read passwords of its devices.
    pub has_reading_rule: bool,
}

impl GroupSheet {
    /// Whether nothing of what the caller may see keeps the group from being deleted.
    pub fn is_free(&self) -> bool {
        let none = |list: &Option<Vec<(String, String)>>| list.as_ref().is_none_or(Vec::is_empty);
        none(&self.policies)
            && none(&self.excluded)
            && self.roles.as_ref().is_none_or(Vec::is_empty)
            && self.join_tokens.unwrap_or(0) == 0
            && !self.has_reading_rule
    }
}

/// Whom a filter takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPreview {
    /// Devices that fit.
    pub fitting: u64,
    /// Some of them: id and name.
    pub named: Vec<(DeviceId, String)>,
    /// Devices that were looked at.
    pub looked_at: u64,
    /// Every device was.
    pub is_whole: bool,
}

impl App {
    /// One group, by id or name.
    pub async fn group(&self, caller: &Caller, named: &str) -> Result<Group> {
        self.require(caller, Action::GroupRead)?;
        Ok(super::groups::entity(self.stored_group(named).await?))
    }

    /// What hangs on a group.
    pub async fn group_sheet(&self, caller: &Caller, named: &str) -> Result<GroupSheet> {
        self.require(caller, Action::GroupRead)?;
        let group = self.stored_group(named).await?.id;
        let may = |action| authz::decide(caller, action, Target::Tenant).is_ok();
        let mut sheet = GroupSheet {
            has_reading_rule: self.store.reading_rules().await?.iter().any(|rule| rule.group == group),
            ..GroupSheet::default()
        };
        if may(Action::PolicyRead) {
            let names = |all: Vec<store::Assignment>| async move {
                let mut named = Vec::new();
                for one in all.into_iter().filter(|one| one.group == group) {
                    let policy = self.store.policy(one.policy).await?;
                    named.push((one.policy.to_string(), policy.map(|policy| policy.name).unwrap_or_default()));
                }
                Ok::<_, super::Error>(named)
            };
            sheet.policies = Some(names(self.store.assignments(None).await?).await?);
            sheet.excluded = Some(names(self.store.exclusions(None).await?).await?);
        }
        if may(Action::PeopleRead) {
            let custom = self.role_names().await?;
            let mut roles = Vec::new();
            for held in self.store.role_assignments(None).await?.into_iter().filter(|held| held.scope == Some(group)) {
                let name = match self.store.user(held.principal).await? {
                    Some(user) => user.user_name,
                    None => self
                        .store
                        .service_principal(held.principal)
                        .await?
                        .map_or_else(|| held.principal.to_string(), |program| program.name),
                };
                let role = custom.get(&held.role).cloned().unwrap_or(held.role);
                roles.push(GroupRole { role, principal: held.principal, name });
            }
            sheet.roles = Some(roles);
        }
        if may(Action::JoinTokenRead) {
            sheet.join_tokens = Some(self.usable_join_tokens(group).await?);
        }
        Ok(sheet)
    }

    async fn usable_join_tokens(&self, group: laps::id::GroupId) -> Result<usize> {
        let (now, mut count, mut after) = (self.now(), 0, None);
        loop {
            let page = self.store.join_tokens(store_page(after, Page::LIMIT_MAX)).await?;
            let counts = |token: &&store::JoinToken| {
                token.group == Some(group)
                    && token.used_at.is_none()
                    && token.revoked_at.is_none()
                    && token.expires_at > now
            };
            count += page.items.iter().filter(counts).count();
            after = page.next;
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    /// Which devices a filter would take in now; nothing is changed.
    pub async fn preview_filter(&self, caller: &Caller, asked: &GroupFilter) -> Result<FilterPreview> {
        self.require(caller, Action::GroupWrite)?;
        self.require(caller, Action::DeviceRead)?;
        let filter = checked_filter(asked)?;
        let mut seen = FilterPreview { fitting: 0, named: Vec::new(), looked_at: 0, is_whole: false };
        let mut after = None;
        while seen.looked_at < LOOKED_AT_MAX {
            let page = self.store.devices(DeviceFilter::default(), store_page(after, Page::LIMIT_MAX)).await?;
            seen.looked_at += page.items.len() as u64;
            for device in page.items.into_iter().filter(|device| filter.fits(device)) {
                seen.fitting += 1;
                if seen.named.len() < NAMED_MAX {
                    seen.named.push((device.id, device.name));
                }
            }
            after = page.next;
            if after.is_none() {
                seen.is_whole = true;
                break;
            }
        }
        Ok(seen)
    }
}

/// Whether a group is that of all devices, which is fixed.
pub fn is_all_devices(group: &Group) -> bool {
    group.id == ALL_DEVICES
}

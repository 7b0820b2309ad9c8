//! Devices as the admin centre shows them: the searched list, and everything about one.

use super::credentials::Listed;
use super::devices::closed_because;
use super::{App, Error, Result, device_not_found};
use crate::authz::{self, Action, Caller, Denied, Reach, Target};
use crate::store::{self, DeviceEventKind, DeviceFilter, DeviceState, Page, PageOf, VersionState};
use laps::id::{DeviceId, GroupId};
use laps::time::Timestamp;
use proto::admin::{ALL_DEVICES, Version};
use std::collections::BTreeMap;

/// Devices of one page of the list.
const LINES: usize = 50;
/// Devices that are looked through for one page, when what is asked for is not in an index.
const LOOKED_THROUGH_MAX: usize = 2_000;
/// Events of a device that are looked through for what its page warns of.
const EVENTS_LOOKED_AT: u32 = 50;
/// Days for which the page of a device warns that the audit log does not hold what the device keeps.
const DIFFERS_DAYS: u32 = 30;
/// Longest search, characters.
const SEARCH_CHARS_MAX: usize = 256;

/// When a device was heard of last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Freshness {
    /// Whenever.
    #[default]
    Any,
    /// In the last 24 hours.
    Today,
    /// Not for 7 days.
    QuietWeek,
    /// Not for 30 days.
    QuietMonth,
    /// Never.
    Never,
}

impl Freshness {
    fn holds(self, last_seen: Option<Timestamp>, now: Timestamp) -> bool {
        let within = |days| last_seen.is_some_and(|seen| seen.plus_days(days) > now);
        match self {
            Self::Any => true,
            Self::Today => within(1),
            Self::QuietWeek => !within(7),
            Self::QuietMonth => !within(30),
            Self::Never => last_seen.is_none(),
        }
    }
}

/// How the password of a device stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standing {
    /// However.
    #[default]
    Any,
    /// None is stored.
    Missing,
    /// One is stored and past its time.
    Overdue,
    /// One is stored and not proven.
    Unproven,
}

/// What the list is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InventoryQuery {
    /// The start of a name, or an id; empty for all.
    pub search: String,
    /// Only this state: `enabled`, `disabled`, `deleted`, `purged`; empty for all but purged ones.
    pub state: String,
    /// Only members of this group, by id or name; empty for all.
    pub group: String,
    /// When they were heard of last.
    pub freshness: Freshness,
    /// How their password stands.
    pub standing: Standing,
}

/// A device in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLine {
    /// Its id.
    pub id: DeviceId,
    /// Its name, as it gave it.
    pub name: String,
    /// Operating system and version.
    pub os: String,
    /// Version of its agent; empty when it never said one.
    pub agent_version: String,
    /// `enabled`, `disabled`, `deleted`, `purged`.
    pub state: &'static str,
    /// Last authentic contact.
    pub last_seen: Option<Timestamp>,
    /// It counts as forked.
    pub forked: bool,
    /// Two forks in 7 days.
    pub clone_suspected: bool,
    /// Its passwords come from a restored backup of this time, and it has not reported since.
    pub from_backup_at: Option<Timestamp>,
    /// When its newest password was stored.
    pub stored_at: Option<Timestamp>,
    /// When its current password was proven.
    pub proven_at: Option<Timestamp>,
    /// When its best password is due.
    pub expires_at: Option<Timestamp>,
}

/// A request to rotate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its place in the server's order.
    pub sequence: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When a newly proven version met it.
    pub met_at: Option<Timestamp>,
    /// When it was closed without that, and why.
    pub closed: Option<(Timestamp, String)>,
}

/// What the caller may do to one device; for what is offered only, each act decides for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights {
    /// Read its passwords, as its state is.
    pub reveal: bool,
    /// Read them without the approval that its groups ask for.
    pub break_glass: bool,
    /// Ask it to rotate.
    pub rotate: bool,
    /// Enable and disable it, clear a fork.
    pub enable: bool,
    /// Delete, restore and purge it, link its predecessor.
    pub delete: bool,
}

/// Everything about one device but its passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSheet {
    /// As in the list.
    pub line: DeviceLine,
    /// When it joined.
    pub registered_at: Timestamp,
    /// When it was deleted, and when the tombstone ends.
    pub deleted: Option<(Timestamp, Timestamp)>,
    /// When it was purged.
    pub purged_at: Option<Timestamp>,
    /// Since when it counts as forked.
    pub forked_at: Option<Timestamp>,
    /// When it was seen last that the audit log does not hold what the device keeps of it, in the last 30 days.
    pub audit_differs_at: Option<Timestamp>,
    /// The names of its groups.
    pub groups: Vec<String>,
    /// The object that the machine had before, with its name.
    pub predecessor: Option<(DeviceId, String)>,
    /// It holds a wait channel: a wake reaches it at once.
    pub waits: bool,
    /// Seconds between two check-ins when it does not wait.
    pub poll_after_s: u32,
    /// Its versions best first, without passwords.
    pub versions: Vec<Version>,
    /// Requests to rotate, newest first.
    pub requests: Vec<Request>,
    /// What the caller may do.
    pub rights: Rights,
}

impl App {
    /// Devices that the caller may see, by key of their ids.
    pub async fn inventory(
        &self,
        caller: &Caller,
        query: &InventoryQuery,
        after: Option<String>,
    ) -> Result<Listed<DeviceLine>> {
        let scope = match authz::reach(caller, Action::DeviceRead)? {
            Reach::Tenant => None,
            Reach::Groups(groups) => Some(groups),
        };
        if query.search.chars().count() > SEARCH_CHARS_MAX {
            return Err(Error::invalid(
                "search_too_long",
                format!("search for at most {SEARCH_CHARS_MAX} characters: the start of a name, or an id"),
            ));
        }
        let states = match query.state.as_str() {
            "" => vec![DeviceState::Enabled, DeviceState::Disabled, DeviceState::Deleted],
            word => vec![DeviceState::from_word(word).ok_or_else(|| {
                Error::invalid("bad_state", "the state of a device is enabled, disabled, deleted or purged")
            })?],
        };
        let Some(groups) = self.narrowed(scope, &query.group).await? else {
            return Ok(Listed::new(Vec::new(), None));
        };
        let search = query.search.trim();
        if let Ok(id) = search.parse::<DeviceId>() {
            let found = self.store.device(id).await?.filter(|device| {
                states.contains(&device.state)
                    && groups.as_ref().is_none_or(|groups| device.groups.iter().any(|group| groups.contains(group)))
            });
            let mut lines = Vec::new();
            if let Some(device) = found {
                lines.push(self.line(&device).await?);
            }
            return Ok(Listed::new(lines, None));
        }
        let filter = DeviceFilter {
            states,
            name_prefix: (!search.is_empty()).then(|| search.to_owned()),
            groups,
            ..DeviceFilter::default()
        };
        self.lines(filter, query, after).await
    }

    async fn lines(
        &self,
        filter: DeviceFilter,
        query: &InventoryQuery,
        after: Option<String>,
    ) -> Result<Listed<DeviceLine>> {
        let now = self.now();
        let (mut lines, mut looked_through, mut after) = (Vec::new(), 0, after);
        loop {
            let size = (LINES - lines.len()) as u32;
            let PageOf { items, next } =
                self.store.devices(filter.clone(), Page::behind(after, size.max(LINES as u32 / 2))).await?;
            looked_through += items.len();
            for (place, device) in items.iter().enumerate() {
                if query.freshness.holds(device.last_seen, now) {
                    let line = self.line(device).await?;
                    if query.standing.holds(&line, now) {
                        lines.push(line);
                    }
                }
                if lines.len() == LINES {
                    let more = place + 1 < items.len() || next.is_some();
                    return Ok(Listed::new(lines, more.then(|| device.id.to_string())));
                }
            }
            match next {
                None => return Ok(Listed::new(lines, None)),
                Some(next) if looked_through >= LOOKED_THROUGH_MAX => return Ok(Listed::new(lines, Some(next))),
                next => after = next,
            }
        }
    }

    /// The groups that a list is narrowed to; `None` when nothing is left of the caller's scope.
    async fn narrowed(&self, scope: Option<Vec<GroupId>>, group: &str) -> Result<Option<Option<Vec<GroupId>>>> {
        if group.is_empty() {
            return Ok(Some(scope));
        }
        let chosen = match self.group_named(group).await {
            Ok(None) => return Ok(Some(scope)),
            Ok(Some(group)) => group.id,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(match scope {
            Some(scope) if !scope.contains(&chosen) => None,
            _ => Some(Some(vec![chosen])),
        })
    }

    /// One device with what the caller may do to it. One that the caller may not see is not there.
    pub async fn device_sheet(&self, caller: &Caller, id: DeviceId) -> Result<DeviceSheet> {
        let device = self.seen_device(caller, id).await?;
        let settings = self.store.tenant().await?.settings;
        let may = |action| authz::decide(caller, action, Target::Device(&device.groups)).is_ok();
        let rights = Rights {
            reveal: match device.state {
                DeviceState::Enabled | DeviceState::Disabled => may(Action::CredentialReveal),
                DeviceState::Deleted => may(Action::CredentialReveal) && may(Action::CredentialRevealDeleted),
                DeviceState::Purged => false,
            },
            break_glass: may(Action::BreakGlass),
            rotate: device.state == DeviceState::Enabled && may(Action::Rotate),
            enable: may(Action::DeviceEnable),
            delete: may(Action::DeviceDelete),
        };
        let versions = if may(Action::CredentialRead) { self.versions(caller, id).await? } else { Vec::new() };
        let requests = self.store.rotation_requests(id).await?;
        let predecessor = match device.predecessor {
            Some(former) => {
                let known = self.store.device(former).await?;
                Some((former, known.map(|known| known.name).unwrap_or_default()))
            }
            None => None,
        };
        Ok(DeviceSheet {
            line: self.line(&device).await?,
            registered_at: device.registered_at,
            deleted: device.deleted_at.map(|at| (at, at.plus_days(settings.tombstone_days))),
            purged_at: device.purged_at,
            forked_at: device.forked_at,
            audit_differs_at: self.audit_differs(id).await?,
            groups: self.group_names(&device.groups).await?,
            predecessor,
            waits: self.waiters.holds(id),
            poll_after_s: self.options.poll_after_s,
            versions,
            requests: requests
                .iter()
                .map(|request| Request {
                    sequence: request.sequence,
                    requested_at: request.requested_at,
                    met_at: request.met_at,
                    closed: request.closed.as_ref().map(|(at, code)| (*at, closed_because(code))),
                })
                .collect(),
            rights,
        })
    }

    /// A device that the caller may see. One out of the caller's scope gets the answer of an unknown one.
    pub(super) async fn seen_device(&self, caller: &Caller, id: DeviceId) -> Result<store::Device> {
        match self.device_for(caller, Action::DeviceRead, id).await {
            Err(Error::Denied(Denied::Group(_))) => Err(device_not_found(id)),
            other => other,
        }
    }

    async fn audit_differs(&self, id: DeviceId) -> Result<Option<Timestamp>> {
        let newest = self.store.device_events(id, Page::first(EVENTS_LOOKED_AT)).await?.items;
        let differs = newest.into_iter().find(|event| event.kind == DeviceEventKind::AuditLogDiffers);
        Ok(differs.map(|event| event.at).filter(|at| at.plus_days(DIFFERS_DAYS) > self.now()))
    }

    async fn group_names(&self, groups: &[GroupId]) -> Result<Vec<String>> {
        let mut names: BTreeMap<GroupId, String> = BTreeMap::new();
        for group in groups {
            let name = match self.store.group(*group).await? {
                Some(group) => group.name,
                None => group.to_string(),
            };
            names.insert(*group, name);
        }
        Ok(names.into_values().filter(|name| name != ALL_DEVICES).collect())
    }

    async fn line(&self, device: &store::Device) -> Result<DeviceLine> {
        let versions = self.store.versions(device.id, false).await?;
        let current = versions.iter().find(|version| version.state == VersionState::Current);
        Ok(DeviceLine {
            id: device.id,
            name: device.name.clone(),
            os: device.os.clone(),
            agent_version: device.agent_version.clone(),
            state: device.state.word(),
            last_seen: device.last_seen,
            forked: device.forked_at.is_some(),
            clone_suspected: device.clone_suspected,
            from_backup_at: device.from_backup_at,
            stored_at: versions.iter().map(|version| version.stored_at).max(),
            proven_at: current.and_then(|version| version.proven_at),
            expires_at: versions.first().and_then(|version| version.expires_at),
        })
    }
}

impl Standing {
    fn holds(self, line: &DeviceLine, now: Timestamp) -> bool {
        match self {
            Self::Any => true,
            Self::Missing => line.stored_at.is_none(),
            Self::Overdue => line.expires_at.is_some_and(|due| due < now),
            Self::Unproven => line.stored_at.is_some() && line.proven_at.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_by_the_last_contact() {
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let seen = |days: u64| Some(now.minus_ticks(days * laps::time::TICKS_PER_DAY + 1));
        for (freshness, at, expected) in [
            (Freshness::Any, None, true),
            (Freshness::Today, seen(0), true),
            (Freshness::Today, seen(1), false),
            (Freshness::QuietWeek, seen(6), false),
            (Freshness::QuietWeek, seen(7), true),
            (Freshness::QuietWeek, None, true),
            (Freshness::QuietMonth, seen(29), false),
            (Freshness::QuietMonth, seen(30), true),
            (Freshness::Never, seen(30), false),
            (Freshness::Never, None, true),
        ] {
            assert_eq!(freshness.holds(at, now), expected, "{freshness:?} {at:?}");
        }
    }
}

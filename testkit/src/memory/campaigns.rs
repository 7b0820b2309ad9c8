//! Campaigns, in memory.

use super::state::{State, page};
use laps::{
    id::{CampaignId, DeviceId, PrincipalId, VersionId},
    time::Timestamp,
};
use server::{
    audit::{Actor, AuditEntry, Outcome},
    store::*,
};
use std::collections::BTreeMap;

/// A device of a campaign, as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Row {
    exposed: Option<u64>,
    state: CampaignState,
    reason: Option<String>,
    request: Option<u64>,
    met_by: Option<VersionId>,
    changed_at: Timestamp,
}

/// A campaign and its devices.
#[derive(Debug, Clone)]
pub(super) struct CampaignRow {
    campaign: Campaign,
    devices: BTreeMap<DeviceId, Row>,
}

impl CampaignRow {
    fn shown(&self) -> Campaign {
        let mut campaign = self.campaign.clone();
        self.devices.values().for_each(|row| campaign.counts.add(row.state, 1));
        campaign
    }
}

/// Why a device in this state is not asked.
const fn barred(state: DeviceState) -> Option<(CampaignState, &'static str)> {
    match state {
        DeviceState::Enabled => None,
        DeviceState::Disabled => Some((CampaignState::Refused, REFUSED_DISABLED)),
        DeviceState::Deleted => Some((CampaignState::Gone, GONE_DELETED)),
        DeviceState::Purged => Some((CampaignState::Gone, GONE_PURGED)),
    }
}

impl State {
    fn campaign_row(&mut self, id: CampaignId) -> Result<&mut CampaignRow, StoreError> {
        self.campaigns.get_mut(&id).ok_or(StoreError::NotFound("campaign"))
    }

    pub(super) fn create_campaign(
        &mut self,
        new: NewCampaign,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Campaign, StoreError> {
        if !matches!(new.by, Actor::User(..) | Actor::Application(..)) {
            return Err(StoreError::NotFound("principal"));
        }
        if self.campaigns.contains_key(&new.id) {
            return Err(StoreError::Exists("campaign"));
        }
        let campaign = Campaign {
            sequence: self.next_sequence(),
            created_at: now,
            place: None,
            gathered_at: None,
            completed_at: None,
            cancelled: None,
            counts: CampaignCounts::default(),
            new,
        };
        let row = CampaignRow { campaign: campaign.clone(), devices: BTreeMap::new() };
        self.campaigns.insert(campaign.new.id, row);
        self.append_audit(audit)?;
        Ok(campaign)
    }

    pub(super) fn gather_campaign(
        &mut self,
        id: CampaignId,
        chosen: Vec<Chosen>,
        from: Option<String>,
        place: Option<String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let there: Vec<Chosen> = chosen.into_iter().filter(|one| self.devices.contains_key(&one.device)).collect();
        let row = self.campaign_row(id)?;
        if row.campaign.gathered_at.is_some() || row.campaign.cancelled.is_some() || row.campaign.place != from {
            return Err(StoreError::Changed);
        }
        for one in there {
            let new = Row {
                exposed: one.exposed,
                state: CampaignState::Waiting,
                reason: None,
                request: None,
                met_by: None,
                changed_at: now,
            };
            let known = row.devices.entry(one.device).or_insert(new);
            if known.state == CampaignState::Waiting && one.exposed.is_some() {
                known.exposed = known.exposed.max(one.exposed);
            }
        }
        row.campaign.gathered_at = place.is_none().then_some(now);
        row.campaign.place = place;
        Ok(())
    }

    pub(super) fn ask_campaign(&mut self, id: CampaignId, asked: Vec<Ask>, now: Timestamp) -> Result<u64, StoreError> {
        let row = self.campaign_row(id)?.clone();
        let by = row.campaign.principal().ok_or(StoreError::NotFound("principal"))?;
        let mut requested = 0;
        if row.campaign.cancelled.is_some() {
            return Ok(0);
        }
        for ask in asked {
            let Some(waiting) = row.devices.get(&ask.device).filter(|row| row.state == CampaignState::Waiting) else {
                continue;
            };
            let outcome = match self.judged(ask.device, waiting.exposed, ask.refused)? {
                Some((state, reason)) => (state, Some(reason), None),
                None => {
                    let above = waiting.exposed.unwrap_or(0);
                    let made = self.request_above(ask.device, by, above, now, ask.audit)?;
                    requested += 1;
                    (CampaignState::Requested, None, Some(made.request.sequence))
                }
            };
            if let Some(row) = self.campaign_row(id)?.devices.get_mut(&ask.device) {
                (row.state, row.reason) = (outcome.0, outcome.1);
                row.request = outcome.2.or(row.request);
                row.changed_at = now;
            }
        }
        Ok(requested)
    }

    /// Why nothing is asked of a device.
    fn judged(
        &self,
        device: DeviceId,
        disclosed: Option<u64>,
        refused: Option<String>,
    ) -> Result<Option<(CampaignState, String)>, StoreError> {
        let barred = barred(self.row(device)?.device.state);
        let is_gone = matches!(barred, Some((CampaignState::Gone, _)));
        let open = match disclosed {
            Some(sequence) => exposed(&self.versions(device, false)?, sequence),
            None => Exposed::Managed,
        };
        if open == Exposed::Nothing && !is_gone {
            return Ok(Some((CampaignState::Safe, SAFE_SUPERSEDED.to_owned())));
        }
        if let Some((state, code)) = barred {
            return Ok(Some((state, code.to_owned())));
        }
        if open == Exposed::Released {
            return Ok(Some((CampaignState::Refused, REFUSED_RELEASED.to_owned())));
        }
        Ok(refused.map(|code| (CampaignState::Refused, code)))
    }

    /// A proof of a version of this sequence met requests of the device.
    pub(super) fn campaigns_met(&mut self, device: DeviceId, version: VersionId, sequence: u64, now: Timestamp) {
        for row in self.campaigns.values_mut().filter_map(|campaign| campaign.devices.get_mut(&device)) {
            let later = |known: Option<u64>| known.is_none_or(|known| known < sequence);
            if row.state == CampaignState::Requested && later(row.request) && later(row.exposed) {
                row.state = CampaignState::Proven;
                row.reason = None;
                row.met_by = Some(version);
                row.changed_at = now;
            }
        }
    }

    pub(super) fn review_campaign(
        &mut self,
        id: CampaignId,
        after: Option<String>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let looked = self.campaign_devices(id, None, Page::behind(after, limit))?;
        if self.campaign_row(id)?.campaign.cancelled.is_some() {
            return Ok(looked.next);
        }
        for one in looked.items {
            let barred = barred(self.row(one.chosen.device)?.device.state);
            let changes = match barred {
                Some((state, code)) => {
                    matches!(one.state, CampaignState::Requested | CampaignState::Refused | CampaignState::Gone)
                        && (one.state != state || one.reason.as_deref() != Some(code))
                }
                None => {
                    one.state == CampaignState::Gone
                        || one.state == CampaignState::Refused && one.reason.as_deref() == Some(REFUSED_DISABLED)
                }
            };
            if !changes {
                continue;
            }
            let campaign = self.campaign_row(id)?;
            let Some(row) = campaign.devices.get_mut(&one.chosen.device) else { continue };
            row.changed_at = now;
            match barred {
                Some((state, code)) => (row.state, row.reason) = (state, Some(code.to_owned())),
                None => {
                    (row.state, row.reason) = (CampaignState::Waiting, None);
                    campaign.campaign.completed_at = None;
                }
            }
        }
        Ok(looked.next)
    }

    pub(super) fn complete_campaign(
        &mut self,
        id: CampaignId,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        let Some(row) = self.campaigns.get_mut(&id) else { return Ok(false) };
        let campaign = &mut row.campaign;
        if (campaign.gathered_at.is_none() && campaign.cancelled.is_none())
            || campaign.completed_at.is_some()
            || row.devices.values().any(|row| row.state.is_open())
        {
            return Ok(false);
        }
        campaign.completed_at = Some(now);
        self.append_audit(audit)?;
        Ok(true)
    }

    pub(super) fn cancel_campaign(
        &mut self,
        id: CampaignId,
        by: String,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<Campaign, StoreError> {
        let row = self.campaign_row(id)?;
        if row.campaign.completed_at.is_some() || row.campaign.cancelled.is_some() {
            return Err(StoreError::Changed);
        }
        row.campaign.cancelled = Some((now, by));
        let shown = row.shown();
        self.append_audit(audit)?;
        Ok(shown)
    }

    pub(super) fn call_off(
        &mut self,
        id: CampaignId,
        devices: Vec<CallOff>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        if self.campaign_row(id)?.campaign.cancelled.is_none() {
            return Err(StoreError::Changed);
        }
        let mut cancelled = 0;
        for one in devices {
            let row = self.campaign_row(id)?.devices.get_mut(&one.device);
            let Some(row) = row.filter(|row| row.state.is_open()) else { continue };
            (row.state, row.reason, row.changed_at) = (CampaignState::Cancelled, Some(CANCELLED.to_owned()), now);
            cancelled += 1;
            let wanted = row.request;
            let followed = self.campaigns.values().filter_map(|campaign| campaign.devices.get(&one.device));
            let followed =
                followed.into_iter().any(|row| row.state == CampaignState::Requested && row.request == wanted);
            let mine = |request: &&mut RotationRequest| {
                Some(request.sequence) == wanted && request.is_open() && !self.alone.contains(&request.sequence)
            };
            if let Some(request) = self.requests.iter_mut().find(mine).filter(|_| !followed) {
                request.closed = Some((now, CANCELLED.to_owned()));
                self.append_audit(one.audit)?;
            }
        }
        Ok(cancelled)
    }

    pub(super) fn campaign(&self, id: CampaignId) -> Result<Option<Campaign>, StoreError> {
        Ok(self.campaigns.get(&id).map(CampaignRow::shown))
    }

    pub(super) fn campaigns(&self, by: Option<PrincipalId>, wanted: Page) -> Result<PageOf<Campaign>, StoreError> {
        let before = match &wanted.after {
            Some(after) => after.parse().map_err(|_| StoreError::BadCursor)?,
            None => u64::MAX,
        };
        let mut found: Vec<Campaign> = self
            .campaigns
            .values()
            .filter(|row| row.campaign.sequence < before && by.is_none_or(|by| row.campaign.principal() == Some(by)))
            .map(CampaignRow::shown)
            .collect();
        found.sort_by_key(|campaign| core::cmp::Reverse(campaign.sequence));
        Ok(PageOf::cut(found, wanted.size(), |campaign| campaign.sequence.to_string()))
    }

    pub(super) fn open_campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let open = self.campaigns.values().map(|row| &row.campaign).filter(|campaign| campaign.completed_at.is_none());
        let mut open: Vec<Campaign> = open.cloned().collect();
        open.sort_by_key(|campaign| campaign.sequence);
        open.truncate(100);
        Ok(open)
    }

    pub(super) fn campaign_devices(
        &self,
        id: CampaignId,
        state: Option<CampaignState>,
        wanted: Page,
    ) -> Result<PageOf<CampaignDevice>, StoreError> {
        let rows = self.campaigns.get(&id).into_iter().flat_map(|campaign| &campaign.devices);
        let shown = rows.filter(|(_, row)| state.is_none_or(|state| row.state == state)).map(|(device, row)| {
            let known = self.devices.get(device).map(|row| &row.device);
            CampaignDevice {
                chosen: Chosen { device: *device, exposed: row.exposed },
                name: known.map(|known| known.name.clone()).unwrap_or_default(),
                state: row.state,
                reason: row.reason.clone(),
                request: row.request,
                met_by: row.met_by,
                changed_at: row.changed_at,
                last_seen: known.and_then(|known| known.last_seen),
            }
        });
        page(shown, &wanted, |one| one.chosen.device.to_string())
    }

    fn newest_object(&self, device: DeviceId) -> DeviceId {
        let living = |row: &&super::state::DeviceRow| {
            row.device.predecessor == Some(device)
                && matches!(row.device.state, DeviceState::Enabled | DeviceState::Disabled)
        };
        match self.devices.values().filter(living).max_by_key(|row| row.device.registered_at) {
            Some(next) => self.newest_object(next.device.id),
            None => device,
        }
    }

    pub(super) fn exposures(&self, filter: ExposureFilter, wanted: Page) -> Result<PageOf<Chosen>, StoreError> {
        let after: u64 = match &wanted.after {
            Some(after) => after.parse().map_err(|_| StoreError::BadCursor)?,
            None => 0,
        };
        let chain = self.audit_chain(1, after, u32::MAX)?.into_iter().filter(|record| {
            let by = match &record.entry.actor {
                Actor::User(id, _) | Actor::Application(id, _) => filter.readers.contains(id),
                _ => false,
            };
            by && !record.disclosed.is_empty()
                && record.entry.outcome == Outcome::Success
                && record.sequence <= filter.up_to
                && filter.from.is_none_or(|from| record.entry.at >= from)
                && filter.until.is_none_or(|until| record.entry.at < until)
        });
        let records = PageOf::cut(chain.collect(), wanted.size(), |record| record.sequence.to_string());
        let mut highest: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for one in records.items.iter().flat_map(|record| &record.disclosed) {
            let sequence = self.versions.get(&(one.device, one.version)).map_or(0, |row| row.version.sequence);
            let known = highest.entry(self.newest_object(one.device)).or_default();
            *known = sequence.max(*known);
        }
        let items = highest.into_iter().map(|(device, sequence)| Chosen { device, exposed: Some(sequence) }).collect();
        Ok(PageOf { items, next: records.next })
    }

    pub(super) fn readers(&self, name: String) -> Result<Vec<PrincipalId>, StoreError> {
        let mut found: Vec<PrincipalId> = self
            .audit_chain(1, 0, u32::MAX)?
            .iter()
            .filter(|record| !record.disclosed.is_empty())
            .filter_map(|record| match &record.entry.actor {
                Actor::User(id, known) | Actor::Application(id, known) if known.eq_ignore_ascii_case(&name) => {
                    Some(*id)
                }
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(10);
        Ok(found)
    }
}

//! Campaigns: rotations of many devices (docs/revoke.md).
//!
//! A campaign is durable from the start: what was asked for, how far its devices are gathered, how far each of
//! them is. [`App::carry_campaigns`] takes every step, a bounded one each second; the request that makes a
//! campaign takes the first ones itself, so that a small one is on its way when it is answered.

use super::credentials::Listed;
use super::record::{category, target};
use super::{App, Error, Kind, Result, store_page};
use crate::audit::{Actor, activity};
use crate::authz::{self, Action, Caller, Denied, Identity, Job, Reach, Target};
use crate::store::{
    self, Ask, CallOff, CampaignKind, CampaignState, Chosen, DeviceFilter, DeviceState, ExposureFilter, Page,
    StoreError,
};
use laps::id::{CampaignId, DeviceId, GroupId, PrincipalId};
use laps::time::Timestamp;
use proto::admin::{
    CAMPAIGN_DEVICES_MAX, Campaign, CampaignCounts, CampaignDevice, CancelCampaign, NewCampaign, REASON_CHARS_MAX,
    Reader,
};
use proto::device::Evidence;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Devices that are asked, and so woken, in one second at most: 100,000 take 8 minutes and 20 seconds.
const ASKED_PER_SECOND: u32 = 200;
/// Devices that one step gathers.
const GATHERED_AT_ONCE: u32 = 1_000;
/// Audit records that one step of a revocation reads.
pub(super) const RECORDS_AT_ONCE: u32 = 200;
/// Steps that the request which makes a campaign takes itself.
const FIRST_STEPS: u32 = 10;
/// Devices that one step takes off the list of a campaign that was called off.
const CALLED_OFF_AT_ONCE: u32 = 500;
/// Devices that are reviewed in one transaction.
const REVIEWED_AT_ONCE: u32 = 500;
/// Completed revocations that are still looked after: a device that comes back is asked.
const REVIEWED_MAX: u32 = 200;

/// A device that backs up into Active Directory is not asked.
const REFUSED_DIRECTORY: &str = "backup_in_active_directory";
/// A device on which policy manages no account is not asked.
const REFUSED_UNMANAGED: &str = "unmanaged";

/// What a campaign was asked for, as the store keeps it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Selector {
    /// A group's name, a person's name.
    pub(super) about: String,
    /// The devices that were named.
    pub(super) devices: Vec<String>,
    /// The group that was named.
    pub(super) group: Option<String>,
    /// The groups that the one who asked may rotate in; absent for all.
    pub(super) reach: Option<Vec<String>>,
    /// Whose reads.
    pub(super) readers: Vec<Reader>,
    #[serde(with = "proto::serde_text::time_option")]
    pub(super) from: Option<Timestamp>,
    #[serde(with = "proto::serde_text::time_option")]
    pub(super) until: Option<Timestamp>,
    /// The end of the audit log when it was asked for.
    pub(super) up_to: u64,
}

impl Selector {
    fn of(campaign: &store::Campaign) -> Result<Self> {
        serde_json::from_str(&campaign.new.selector).map_err(|error| Error::Internal(error.to_string()))
    }
    pub(super) fn exposures(&self) -> ExposureFilter {
        ExposureFilter {
            readers: self.readers.iter().map(|reader| reader.id).collect(),
            from: self.from,
            until: self.until,
            up_to: self.up_to,
        }
    }
}

fn ids<T: std::str::FromStr>(texts: &[String]) -> Vec<T> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

impl App {
    /// Rotates many devices: those that are named, a group's, or all in reach.
    pub async fn start_campaign(&self, caller: &Caller, new: &NewCampaign) -> Result<Campaign> {
        let reach = authz::reach(caller, Action::Rotate)?;
        let mut selector = Selector::default();
        if let Reach::Groups(groups) = &reach {
            selector.reach = Some(groups.iter().map(GroupId::to_string).collect());
        }
        let kind = match (!new.devices.is_empty(), &new.group, new.all) {
            (true, None, false) => {
                if new.devices.len() > CAMPAIGN_DEVICES_MAX {
                    return Err(Error::invalid(
                        "too_many_devices",
                        format!(
                            "one request names at most {CAMPAIGN_DEVICES_MAX} devices; use a group, or several requests"
                        ),
                    ));
                }
                // Each is decided on, so that an unknown one and one out of reach answer the same.
                for text in &new.devices {
                    let id = text.parse().map_err(|_| unknown_device(text))?;
                    self.device_for(caller, Action::Rotate, id).await.map_err(|error| match error {
                        Error::Denied(Denied::Group(_)) => super::device_not_found(id),
                        other => other,
                    })?;
                }
                selector.devices.clone_from(&new.devices);
                selector.about = format!("{} devices", new.devices.len());
                CampaignKind::Devices
            }
            (false, Some(name), false) => {
                let group = self.group_named(name).await?;
                selector.about = group.as_ref().map_or("all devices", |group| group.name.as_str()).to_owned();
                selector.group = group.map(|group| group.id.to_string());
                if selector.group.is_some() { CampaignKind::Group } else { CampaignKind::All }
            }
            (false, None, true) => {
                selector.about = "all devices".to_owned();
                CampaignKind::All
            }
            _ => {
                return Err(Error::invalid("bad_campaign", "name devices, or a group, or all: one of the three"));
            }
        };
        self.make_campaign(caller, kind, &new.reason, selector, activity::START_CAMPAIGN).await
    }

    pub(super) async fn make_campaign(
        &self,
        caller: &Caller,
        kind: CampaignKind,
        reason: &str,
        selector: Selector,
        activity: &str,
    ) -> Result<Campaign> {
        let reason = checked_reason(reason)?;
        let by = match &caller.identity {
            Identity::User(principal) => Actor::User(principal.id, principal.name.clone()),
            Identity::App(principal) => Actor::Application(principal.id, principal.name.clone()),
            _ => return Err(Denied::Kind(Action::Rotate).into()),
        };
        let id = CampaignId::from_random_bytes(self.random_bytes()?);
        let audit = self.entry(
            caller,
            activity,
            category::DEVICE,
            target("campaign", &id, &selector.about),
            json!({
                "kind": kind.word(),
                "reason": reason,
                "readers": selector.readers,
                "from": selector.from.map(|at| at.to_string()),
                "until": selector.until.map(|at| at.to_string()),
                "devices": selector.devices.len(),
                "group": selector.group,
            }),
        )?;
        let selector = serde_json::to_string(&selector).map_err(|error| Error::Internal(error.to_string()))?;
        let new = store::NewCampaign { id, kind, by, reason: reason.to_owned(), selector };
        let mut campaign = self.store.create_campaign(new, self.now(), audit).await?;
        for _ in 0..FIRST_STEPS {
            self.gather(&campaign).await?;
            campaign = self.stored_campaign(id).await?;
            if campaign.gathered_at.is_some() {
                self.ask(&campaign, ASKED_PER_SECOND).await?;
                break;
            }
        }
        campaign_entity(&self.stored_campaign(id).await?)
    }

    /// Calls a campaign off. Its devices are not asked any more, what they were asked is taken back where nobody else
    /// asked for it, and the campaign ends; what is proven stays so. Who may revoke calls off a revocation; another
    /// campaign who may rotate in the whole tenant, or who started it.
    pub async fn cancel_campaign(&self, caller: &Caller, id: CampaignId, asked: &CancelCampaign) -> Result<Campaign> {
        let reach = authz::reach(caller, Action::Rotate)?;
        let campaign = self.campaign_for(caller, id).await?;
        let own = caller.principal().map(|principal| principal.id) == campaign.principal();
        match (campaign.new.kind, reach) {
            (CampaignKind::Revoke, _) => authz::decide(caller, Action::Revoke, Target::Tenant)?,
            (_, Reach::Groups(_)) if !own => return Err(unknown_campaign()),
            _ => {}
        }
        let reason = checked_reason(&asked.reason)?;
        let by = caller.principal().map(|principal| principal.name.clone()).unwrap_or_default();
        let audit = self.entry(
            caller,
            activity::CANCEL_CAMPAIGN,
            category::DEVICE,
            target("campaign", &id, &Selector::of(&campaign)?.about),
            json!({"kind": campaign.new.kind.word(), "reason": reason, "counts": counts(&campaign)}),
        )?;
        let mut campaign =
            self.store.cancel_campaign(id, by, self.now(), audit).await.map_err(|error| match error {
                StoreError::Changed => Error::refused(
                    Kind::Conflict,
                    "campaign_ended",
                    "this rotation has ended or was called off before; there is nothing to call off",
                ),
                other => other.into(),
            })?;
        for _ in 0..FIRST_STEPS {
            if self.call_off(&campaign).await? == 0 {
                self.complete(&campaign).await?;
                break;
            }
            campaign = self.stored_campaign(id).await?;
        }
        campaign_entity(&self.stored_campaign(id).await?)
    }

    /// Campaigns, newest first: all for who may rotate or read the audit log in the whole tenant, else one's own.
    pub async fn campaigns(&self, caller: &Caller, after: Option<String>, limit: u32) -> Result<Listed<Campaign>> {
        let by = self.campaign_reach(caller)?;
        let page = self.store.campaigns(by, store_page(after, limit)).await?;
        let shown = page.items.iter().filter(|campaign| may_see(caller, campaign));
        Ok(Listed::new(shown.map(campaign_entity).collect::<Result<_>>()?, page.next))
    }

    /// One campaign, as far as it is.
    pub async fn campaign(&self, caller: &Caller, id: CampaignId) -> Result<Campaign> {
        campaign_entity(&self.campaign_for(caller, id).await?)
    }

    /// Devices of a campaign, in the order of their ids.
    pub async fn campaign_devices(
        &self,
        caller: &Caller,
        id: CampaignId,
        state: Option<&str>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Listed<CampaignDevice>> {
        let campaign = self.campaign_for(caller, id).await?;
        let state = match state {
            None => None,
            Some(word) => Some(CampaignState::from_word(&word.to_lowercase()).ok_or_else(|| {
                Error::invalid("bad_filter", "state is safe, waiting, requested, proven, refused, gone or cancelled")
            })?),
        };
        let page = self.store.campaign_devices(campaign.new.id, state, store_page(after, limit)).await?;
        Ok(Listed::new(page.items.into_iter().map(device_entity).collect(), page.next))
    }

    async fn stored_campaign(&self, id: CampaignId) -> Result<store::Campaign> {
        self.store.campaign(id).await?.ok_or_else(unknown_campaign)
    }

    async fn campaign_for(&self, caller: &Caller, id: CampaignId) -> Result<store::Campaign> {
        let by = self.campaign_reach(caller)?;
        let campaign = self.stored_campaign(id).await?;
        let own = by.is_none() || campaign.principal() == by;
        if own && may_see(caller, &campaign) { Ok(campaign) } else { Err(unknown_campaign()) }
    }

    /// Whose campaigns the caller may see; `None` for everybody's.
    fn campaign_reach(&self, caller: &Caller) -> Result<Option<PrincipalId>> {
        if authz::decide(caller, Action::AuditRead, Target::Tenant).is_ok() {
            return Ok(None);
        }
        Ok(match authz::reach(caller, Action::Rotate)? {
            Reach::Tenant => None,
            Reach::Groups(_) => caller.principal().map(|principal| principal.id),
        })
    }

    /// Takes the next step of every open campaign. The shell calls it once a second.
    pub async fn carry_campaigns(&self, caller: &Caller) -> Result<()> {
        Self::only(caller, Job::Campaigns)?;
        let mut budget = ASKED_PER_SECOND;
        for campaign in self.store.open_campaigns().await? {
            if campaign.cancelled.is_some() {
                if self.call_off(&campaign).await? == 0 {
                    self.complete(&campaign).await?;
                }
                continue;
            }
            if campaign.gathered_at.is_none() {
                self.gather(&campaign).await?;
                continue;
            }
            let asked = self.ask(&campaign, budget).await?;
            budget = budget.saturating_sub(asked);
            if asked == 0 && budget > 0 {
                self.complete(&campaign).await?;
            }
        }
        Ok(())
    }

    /// Looks whether devices of campaigns were disabled or deleted, or came back. A revocation is never
    /// forgotten: a device that comes back after its end is asked all the same.
    pub async fn review_campaigns(&self, caller: &Caller) -> Result<()> {
        Self::only(caller, Job::Campaigns)?;
        let now = self.now();
        for campaign in self.store.campaigns(None, Page::first(REVIEWED_MAX)).await?.items {
            let counts = &campaign.counts;
            let left = counts.of(CampaignState::Refused) + counts.of(CampaignState::Gone);
            let ended = campaign.completed_at.is_some();
            if campaign.cancelled.is_some() || ended && (campaign.new.kind != CampaignKind::Revoke || left == 0) {
                continue;
            }
            let mut after = None;
            loop {
                after = self.store.review_campaign(campaign.new.id, after, REVIEWED_AT_ONCE, now).await?;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// One step of gathering. Two steps at once are one: the second finds the place moved on.
    async fn gather(&self, campaign: &store::Campaign) -> Result<()> {
        let selector = Selector::of(campaign)?;
        let place = campaign.place.clone();
        let (chosen, next) = match campaign.new.kind {
            CampaignKind::Devices => {
                let named: Vec<DeviceId> = ids(&selector.devices);
                (named.into_iter().map(|device| Chosen { device, exposed: None }).collect(), None)
            }
            CampaignKind::Group | CampaignKind::All => {
                let reach: Option<Vec<GroupId>> = selector.reach.as_deref().map(ids);
                let group: Option<GroupId> = selector.group.as_deref().and_then(|group| group.parse().ok());
                let filter = DeviceFilter {
                    states: vec![DeviceState::Enabled, DeviceState::Disabled],
                    groups: group.map(|group| vec![group]).or_else(|| reach.clone()),
                    ..DeviceFilter::default()
                };
                let page = self.store.devices(filter, Page::behind(place.clone(), GATHERED_AT_ONCE)).await?;
                let within = |device: &&store::Device| {
                    reach.as_ref().is_none_or(|reach| device.groups.iter().any(|group| reach.contains(group)))
                };
                let chosen = page.items.iter().filter(within);
                (chosen.map(|device| Chosen { device: device.id, exposed: None }).collect(), page.next)
            }
            CampaignKind::Revoke => {
                let wanted = Page::behind(place.clone(), RECORDS_AT_ONCE);
                let page = self.store.exposures(selector.exposures(), wanted).await?;
                (page.items, page.next)
            }
        };
        match self.store.gather_campaign(campaign.new.id, chosen, place, next, self.now()).await {
            Err(StoreError::Changed) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Asks at most `most` devices that wait; answers how many were judged.
    async fn ask(&self, campaign: &store::Campaign, most: u32) -> Result<u32> {
        if most == 0 {
            return Ok(0);
        }
        let (id, now) = (campaign.new.id, self.now());
        let waiting = self.store.campaign_devices(id, Some(CampaignState::Waiting), Page::first(most)).await?.items;
        let job = Caller::system(Job::Campaigns);
        let mut asked = Vec::with_capacity(waiting.len());
        for one in waiting {
            let device = one.chosen.device;
            let mut audit = self.entry(
                &job,
                activity::ROTATE_PASSWORD,
                category::DEVICE,
                target("device", &device, &one.name),
                json!({"campaign": id.to_string()}),
            )?;
            // The job carries out what a person asked for.
            audit.actor = campaign.new.by.clone();
            asked.push(Ask { device, refused: self.refused_by_evidence(device).await?.map(str::to_owned), audit });
        }
        let judged = u32::try_from(asked.len()).unwrap_or(u32::MAX);
        if judged > 0 {
            self.store.ask_campaign(id, asked, now).await?;
        }
        Ok(judged)
    }

    /// Takes the next devices off the list of a campaign that was called off; answers how many.
    async fn call_off(&self, campaign: &store::Campaign) -> Result<u64> {
        let (id, job) = (campaign.new.id, Caller::system(Job::Campaigns));
        let by = campaign.cancelled.as_ref().map(|(_, by)| by.as_str());
        let mut devices = Vec::new();
        for state in [CampaignState::Waiting, CampaignState::Requested] {
            for one in self.store.campaign_devices(id, Some(state), Page::first(CALLED_OFF_AT_ONCE)).await?.items {
                let audit = self.entry(
                    &job,
                    activity::CLOSE_ROTATION,
                    category::DEVICE,
                    target("device", &one.chosen.device, &one.name),
                    json!({"reason": store::CANCELLED, "campaign": id.to_string(), "by": by}),
                )?;
                devices.push(CallOff { device: one.chosen.device, audit });
            }
        }
        if devices.is_empty() {
            return Ok(0);
        }
        Ok(self.store.call_off(id, devices, self.now()).await?)
    }

    async fn complete(&self, campaign: &store::Campaign) -> Result<()> {
        let id = campaign.new.id;
        // Cheap while something is open, which is nearly always.
        if !self.store.campaign_devices(id, Some(CampaignState::Requested), Page::first(1)).await?.items.is_empty() {
            return Ok(());
        }
        let campaign = self.stored_campaign(id).await?;
        let audit = self.entry(
            &Caller::system(Job::Campaigns),
            activity::COMPLETE_CAMPAIGN,
            category::DEVICE,
            target("campaign", &id, &Selector::of(&campaign)?.about),
            json!({
                "kind": campaign.new.kind.word(),
                "counts": counts(&campaign),
                "cancelledBy": campaign.cancelled.as_ref().map(|(_, by)| by),
            }),
        )?;
        self.store.complete_campaign(id, self.now(), audit).await?;
        Ok(())
    }

    /// Why a device is not asked, by what it told about itself.
    pub(super) async fn refused_by_evidence(&self, device: DeviceId) -> Result<Option<&'static str>> {
        let Some(report) = self.store.last_report(device).await? else { return Ok(None) };
        let evidence: Evidence = serde_json::from_str(&report.report.evidence).unwrap_or_default();
        Ok(match evidence {
            Evidence { backup_directory: 2, .. } => Some(REFUSED_DIRECTORY),
            Evidence { unmanaged: Some(_), .. } => Some(REFUSED_UNMANAGED),
            _ => None,
        })
    }
}

/// A revocation tells what somebody read: it is shown to who may make one or reads the audit log.
fn may_see(caller: &Caller, campaign: &store::Campaign) -> bool {
    campaign.new.kind != CampaignKind::Revoke
        || [Action::Revoke, Action::AuditRead]
            .into_iter()
            .any(|action| authz::decide(caller, action, Target::Tenant).is_ok())
}

/// A reason as a person gives it.
fn checked_reason(reason: &str) -> Result<&str> {
    let reason = reason.trim();
    if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
        return Err(Error::invalid(
            "bad_reason",
            format!("the reason has at most {REASON_CHARS_MAX} characters and no control characters"),
        ));
    }
    Ok(reason)
}

fn unknown_campaign() -> Error {
    Error::not_found(
        "campaign_unknown",
        "there is no rotation with this id; list them with GET /v1.0/lapwing/campaigns",
    )
}

fn unknown_device(text: &str) -> Error {
    Error::not_found(
        "device_unknown",
        format!(
            "'{}' is not a device id; look it up with GET /v1.0/devices",
            text.chars().take(80).collect::<String>()
        ),
    )
}

fn counts(campaign: &store::Campaign) -> CampaignCounts {
    let of = |state| campaign.counts.of(state);
    CampaignCounts {
        safe: of(CampaignState::Safe),
        waiting: of(CampaignState::Waiting),
        requested: of(CampaignState::Requested),
        proven: of(CampaignState::Proven),
        refused: of(CampaignState::Refused),
        gone: of(CampaignState::Gone),
        cancelled: of(CampaignState::Cancelled),
    }
}

fn campaign_entity(campaign: &store::Campaign) -> Result<Campaign> {
    let selector = Selector::of(campaign)?;
    Ok(Campaign {
        id: campaign.new.id,
        kind: campaign.new.kind.word().to_owned(),
        about: selector.about,
        requested_by: campaign.new.by.name().to_owned(),
        reason: campaign.new.reason.clone(),
        readers: selector.readers,
        from: selector.from,
        until: selector.until,
        created_date_time: campaign.created_at,
        gathered_date_time: campaign.gathered_at,
        completed_date_time: campaign.completed_at,
        cancelled_date_time: campaign.cancelled.as_ref().map(|(at, _)| *at),
        cancelled_by: campaign.cancelled.as_ref().map(|(_, by)| by.clone()),
        counts: counts(campaign),
    })
}

fn device_entity(one: store::CampaignDevice) -> CampaignDevice {
    CampaignDevice {
        device: one.chosen.device,
        name: one.name,
        state: one.state.word().to_owned(),
        text: one.reason.as_deref().map(|code| sentence(code).to_owned()),
        reason: one.reason,
        request: one.request,
        version: one.met_by,
        changed_date_time: one.changed_at,
        last_seen_date_time: one.last_seen,
    }
}

/// What a reason means, and what to do.
fn sentence(code: &str) -> &'static str {
    match code {
        store::SAFE_SUPERSEDED => "a later password was proven before; nothing is to be done",
        store::REFUSED_DISABLED => {
            "the device is disabled and cannot store a password; enable it, and it is asked at once"
        }
        store::REFUSED_RELEASED => {
            "policy has left the account whose password was disclosed, so no rotation changes it; change it by hand or disable the account on the machine"
        }
        store::GONE_DELETED => {
            "the device was deleted, and its password still opens the machine; restore it, and it is asked at once"
        }
        store::GONE_PURGED => "the device was removed for good; join the machine again, which rotates it",
        store::CANCELLED => {
            "the rotation was called off before this device had a new password; ask it again if that is still needed"
        }
        REFUSED_DIRECTORY => "the device keeps its password in Active Directory; rotate it there: lapwing ad expire",
        REFUSED_UNMANAGED => {
            "policy manages no account on the device, so it does not rotate; lapwing explain says what is missing"
        }
        _ => "see lapwing explain",
    }
}

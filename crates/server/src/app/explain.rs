//! Why a device has no password, or an old one: the evidence for `laps::explain`, gathered from the store, for one
//! device and for all of them.

use super::{App, Result, delivery, reading};
use crate::authz::{self, Action, Caller, Identity, Reach, Target};
use crate::store::{
    self, AssignedPolicy, Device, DeviceFilter, DeviceState, Page, Rollout, SurveyFilter, Surveyed, SurveyedDelivery,
    SurveyedReport,
};
use laps::drift::Drift;
use laps::explain::{self, Evidence, Namesake};
use laps::id::{DeviceId, GroupId};
use laps::time::Timestamp;
use proto::admin::{Candidate, Explanation};
use proto::device::Evidence as DeviceEvidence;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Objects of one name that an explanation lists.
const NAMESAKES_MAX: u32 = 20;

impl App {
    /// Explains a device, named by id or by name. Of a device that the caller may not see it says no more than of one
    /// that is not there.
    pub async fn explain(&self, caller: &Caller, device: &str) -> Result<Explanation> {
        let reach = authz::reach(caller, Action::Explain)?;
        let evidence = match self.named(&reach, device).await? {
            Named::One(found) if found.state == DeviceState::Purged => {
                let tombstone_days = self.store.tenant().await?.settings.tombstone_days;
                let export = self.exported(found.id).await?;
                Evidence { export, ..self.nothing_known(caller, &reach, object(&found, tombstone_days)).await? }
            }
            Named::One(found) => self.evidence(caller, &reach, &found).await?,
            Named::Several(found) => {
                let several = explain::Device::Several(found.iter().map(namesake).collect());
                self.nothing_known(caller, &reach, several).await?
            }
            Named::None => self.nothing_known(caller, &reach, explain::Device::Unknown).await?,
        };
        Ok(Explanation::of(device, &explain::explain(&evidence)))
    }

    /// What keeps a device from meeting a request to rotate; `None` when it only has to come.
    pub(super) async fn explain_request(&self, caller: &Caller, device: &Device) -> Result<Option<explain::Cause>> {
        let reach = authz::reach(caller, Action::DeviceRead)?;
        let evidence = self.evidence(caller, &reach, device).await?;
        Ok(explain::explain_request(&evidence))
    }

    async fn named(&self, reach: &Reach, device: &str) -> Result<Named> {
        if let Ok(id) = device.parse::<DeviceId>() {
            let found = self.store.device(id).await?.filter(|found| is_in_reach(reach, found));
            return Ok(found.map_or(Named::None, |found| Named::One(Box::new(found))));
        }
        // The living first: a machine that joined again has the name of its tombstone.
        for states in
            [&[DeviceState::Enabled, DeviceState::Disabled][..], &[DeviceState::Deleted], &[DeviceState::Purged]]
        {
            let mut found = self.of_name(reach, device, states).await?;
            match found.len() {
                0 => {}
                1 => return Ok(found.pop().map_or(Named::None, |found| Named::One(Box::new(found)))),
                _ => return Ok(Named::Several(found)),
            }
        }
        Ok(Named::None)
    }

    pub(super) async fn of_name(&self, reach: &Reach, name: &str, states: &[DeviceState]) -> Result<Vec<Device>> {
        self.alike(reach, states, DeviceFilter { name: Some(name.to_owned()), ..DeviceFilter::default() }).await
    }

    /// Devices that said that they are the same machine.
    pub(super) async fn of_hardware(
        &self,
        reach: &Reach,
        hardware: [u8; 32],
        states: &[DeviceState],
    ) -> Result<Vec<Device>> {
        self.alike(reach, states, DeviceFilter { hardware: Some(hardware), ..DeviceFilter::default() }).await
    }

    async fn alike(&self, reach: &Reach, states: &[DeviceState], filter: DeviceFilter) -> Result<Vec<Device>> {
        let filter = DeviceFilter { states: states.to_vec(), groups: groups_of(reach), ..filter };
        Ok(self.store.devices(filter, Page::first(NAMESAKES_MAX)).await?.items)
    }

    async fn exported(&self, device: DeviceId) -> Result<Option<explain::Export>> {
        let export = self.store.export_of(device).await?;
        Ok(export.map(|export| explain::Export { archive: super::hex(&export.export.id), at: export.made_at }))
    }

    async fn nothing_known(&self, caller: &Caller, reach: &Reach, device: explain::Device) -> Result<Evidence> {
        Ok(Evidence {
            now: self.now(),
            reader: reader(caller, reach, &[], Vec::new()),
            device,
            switch_on: self.store.tenant().await?.settings.laps_enabled,
            assigned: Vec::new(),
            conflicts: Vec::new(),
            delivery: None,
            report: None,
            fork: None,
            from_backup: None,
            credential: explain::Credential::default(),
            former: None,
            unlinked: Vec::new(),
            certificate: None,
            namesakes: Vec::new(),
            export: None,
        })
    }

    async fn evidence(&self, caller: &Caller, reach: &Reach, device: &Device) -> Result<Evidence> {
        let settings = self.store.tenant().await?.settings;
        let filter = SurveyFilter { device: Some(device.id), until: None, groups: None, met_since: Timestamp::MAX };
        let Some(surveyed) = self.store.survey(filter, Page::first(1)).await?.items.into_iter().next() else {
            return self.nothing_known(caller, reach, explain::Device::Unknown).await;
        };
        let others = self.of_name(reach, &device.name, &[DeviceState::Enabled, DeviceState::Disabled]).await?;
        let assigned = Assigned { number: 0, policies: self.store.policies_for(device.id).await? };
        let is_answered = assigned.is_answered(surveyed.sent.as_ref());
        let asked = reading::asked(
            &self.store.reading_rule_for(device.id).await?,
            matches!(caller.identity, Identity::User(_)),
        );
        let reader = reader(caller, reach, &device.groups, asked);
        let former = self.former(&surveyed).await?;
        let unlinked = match surveyed.pending_since.is_none() && surveyed.current.is_none() && former.is_none() {
            true => self.former_objects(reach, device).await?,
            false => Vec::new(),
        };
        Ok(Evidence {
            former,
            unlinked: unlinked.iter().filter(|one| one.has_password).map(unlinked_of).collect(),
            namesakes: others.iter().filter(|other| other.id != device.id).map(namesake).collect(),
            export: self.exported(device.id).await?,
            ..evidence_of(&surveyed, &assigned, is_answered, &settings, reader, self.now())
        })
    }

    /// What stands in for a device's own password: the live set of the machine's former object, as readers are given it.
    pub(super) async fn former(&self, of: &Surveyed) -> Result<Option<explain::Former>> {
        if of.device.predecessor.is_none() || of.current.is_some_and(|current| current.proven_at.is_some()) {
            return Ok(None);
        }
        let mut shown = self.store.versions(of.device.id, false).await?;
        shown.retain(|version| version.of_predecessor);
        let best = shown.iter().find(|version| version.proven_at.is_some()).or(shown.first());
        Ok(best.map(|version| explain::Former {
            id: version.device.to_string(),
            stored_at: version.stored_at,
            proven_at: version.proven_at,
        }))
    }
}

enum Named {
    None,
    One(Box<Device>),
    Several(Vec<Device>),
}

fn groups_of(reach: &Reach) -> Option<Vec<GroupId>> {
    match reach {
        Reach::Tenant => None,
        Reach::Groups(groups) => Some(groups.clone()),
    }
}

fn is_in_reach(reach: &Reach, device: &Device) -> bool {
    match reach {
        Reach::Tenant => true,
        Reach::Groups(groups) => device.groups.iter().any(|group| groups.contains(group)),
    }
}

/// The policies of devices that are in the same groups and that the same versions have reached.
pub(super) struct Assigned {
    number: usize,
    policies: Vec<AssignedPolicy>,
}

impl Assigned {
    fn is_answered(&self, sent: Option<&SurveyedDelivery>) -> bool {
        sent.is_some_and(|sent| sent.answered_at.is_some() && delivery::is_wanted(&self.policies, &sent.values))
    }
}

/// The groups of a device, and the versions on their way that have reached it.
type Place = (Vec<GroupId>, Vec<Option<u32>>);

/// What is worked out once for many devices: the policies of a set of groups, and whether a delivery is what they want.
#[derive(Default)]
pub(super) struct Assignments {
    of_groups: HashMap<Place, Arc<Assigned>>,
    /// Versions that are on their way by rings; read once.
    rollouts: Option<Vec<Rollout>>,
    wanted: HashMap<(usize, [u8; 32]), bool>,
}

impl Assignments {
    /// The policies of a device.
    pub(super) async fn of(&mut self, app: &App, device: &Device) -> Result<Arc<Assigned>> {
        let rollouts = match self.rollouts.take() {
            Some(known) => known,
            None => app.store.open_rollouts().await?,
        };
        let versions = rollouts.iter().map(|rollout| rollout.version_for(device.id, &device.groups)).collect();
        self.rollouts = Some(rollouts);
        let key = (device.groups.clone(), versions);
        if let Some(assigned) = self.of_groups.get(&key) {
            return Ok(Arc::clone(assigned));
        }
        let policies = app.store.policies_for(device.id).await?;
        let assigned = Arc::new(Assigned { number: self.of_groups.len(), policies });
        self.of_groups.insert(key, Arc::clone(&assigned));
        Ok(assigned)
    }

    /// Whether a device has answered for what is assigned to it now.
    pub(super) fn is_answered(&mut self, assigned: &Assigned, sent: Option<&SurveyedDelivery>) -> bool {
        let Some(sent) = sent.filter(|sent| sent.answered_at.is_some()) else { return false };
        *self
            .wanted
            .entry((assigned.number, sent.digest))
            .or_insert_with(|| delivery::is_wanted(&assigned.policies, &sent.values))
    }
}

/// The evidence that a survey gives; what stands elsewhere (a former object, namesakes, an export) is left empty.
pub(super) fn evidence_of(
    of: &Surveyed,
    assigned: &Assigned,
    is_answered: bool,
    settings: &store::Settings,
    reader: explain::Reader,
    now: Timestamp,
) -> Evidence {
    let device = &of.device;
    // The last that was answered, also when it was refused: its refusals are the cause.
    let answered = of.sent.as_ref().filter(|sent| sent.answered_at.is_some()).or(of.in_force.as_ref());
    Evidence {
        now,
        reader,
        device: object(device, settings.tombstone_days),
        switch_on: settings.laps_enabled,
        assigned: assigned.policies.iter().map(|assigned| assigned.policy.name.clone()).collect(),
        conflicts: of.held.as_deref().map(conflict_names).unwrap_or_default(),
        delivery: answered.map(|delivery| explain::Delivery {
            at: delivery.answered_at.unwrap_or(delivery.sent_at),
            up_to_date: is_answered,
            refused: delivery.refused.iter().map(|(uri, status)| (last_step(uri).to_owned(), *status)).collect(),
        }),
        report: of.report.as_ref().map(|report| reported(report, &device.name)),
        fork: device.forked_at.map(|at| explain::Fork { at, clone_suspected: device.clone_suspected }),
        from_backup: device.from_backup_at,
        credential: explain::Credential {
            pending_since: of.pending_since,
            proven_at: of.current.and_then(|current| current.proven_at),
            expires_at: of.current.and_then(|current| current.expires_at),
        },
        former: None,
        unlinked: Vec::new(),
        certificate: of.certificate.map(|(not_after, revoked_at)| explain::Certificate { not_after, revoked_at }),
        namesakes: Vec::new(),
        export: None,
    }
}

fn reader(caller: &Caller, reach: &Reach, groups: &[GroupId], asked: Vec<String>) -> explain::Reader {
    explain::Reader {
        asked,
        may_read: authz::decide(caller, Action::CredentialReveal, Target::Device(groups)).is_ok(),
        sees_all: *reach == Reach::Tenant,
        roles: caller
            .principal()
            .map(|principal| principal.assignments.iter().map(|assignment| assignment.role.name().to_owned()).collect())
            .unwrap_or_default(),
    }
}

fn namesake(device: &Device) -> Namesake {
    Namesake { id: device.id.to_string(), state: device.state.word().to_owned(), last_seen: device.last_seen }
}

fn unlinked_of(former: &Candidate) -> explain::Unlinked {
    explain::Unlinked {
        id: former.id.to_string(),
        state: former.state.clone(),
        same_machine: former.same_hardware,
        last_seen: former.last_seen_date_time,
    }
}

fn object(device: &Device, tombstone_days: u32) -> explain::Device {
    match device.state {
        DeviceState::Enabled => {
            explain::Device::Enabled { joined_at: device.registered_at, last_seen: device.last_seen }
        }
        DeviceState::Disabled => explain::Device::Disabled { at: device.disabled_at },
        DeviceState::Deleted => {
            let at = device.deleted_at.unwrap_or(device.registered_at);
            explain::Device::Deleted { at, purge_at: at.plus_days(tombstone_days) }
        }
        DeviceState::Purged => {
            explain::Device::Purged { at: device.purged_at.or(device.deleted_at).unwrap_or(device.registered_at) }
        }
    }
}

/// The evidence of a stored report, from its JSON text.
pub(super) fn device_evidence(report: &str) -> DeviceEvidence {
    serde_json::from_str(report).unwrap_or_default()
}

/// Whether a device keeps its password in Active Directory now, proven there.
pub(super) fn is_in_active_directory(evidence: &DeviceEvidence) -> bool {
    evidence.unmanaged.as_deref() == Some(laps::decide::Unmanaged::ActiveDirectory.as_str())
}

fn reported(report: &SurveyedReport, name: &str) -> explain::Report {
    let evidence = device_evidence(&report.evidence);
    let last_error = report.last_error.as_deref().and_then(|text| {
        let error: Value = serde_json::from_str(text).ok()?;
        Some((
            u32::try_from(error["event"].as_u64()?).ok()?,
            error["code"].as_str()?.to_owned(),
            error["text"].as_str()?.to_owned(),
        ))
    });
    let accounts = evidence.machine.iter().flat_map(|machine| &machine.accounts);
    let others = accounts.filter(|account| {
        account.enabled && account.administrator && report.account_name.as_ref() != Some(&account.name)
    });
    explain::Report {
        at: report.changed_at,
        other_administrators: others.map(|account| account.name.clone()).collect(),
        in_active_directory: is_in_active_directory(&evidence).then(|| name.to_owned()),
        policy_source: evidence.policy_source,
        backup_directory: evidence.backup_directory,
        join_state_mismatch: evidence.unmanaged.as_deref().is_some_and(|unmanaged| unmanaged.contains("join_state")),
        account_wanted: evidence.account_wanted,
        account_automatic: evidence.account_automatic,
        drift: evidence.drift.iter().filter_map(|word| Drift::parse(word)).collect(),
        repair_held: evidence.repair_held,
        account_found: report.account_found,
        account_enabled: report.usability != "disabled",
        last_error,
    }
}

/// The settings that a held delivery names: its members `conflicts[].setting`, or a list of names.
fn conflict_names(held: &str) -> Vec<String> {
    let value: Value = serde_json::from_str(held).unwrap_or_default();
    let list = value["conflicts"].as_array().or_else(|| value.as_array());
    list.into_iter()
        .flatten()
        .filter_map(|item| item["setting"].as_str().or_else(|| item.as_str()))
        .map(str::to_owned)
        .collect()
}

fn last_step(uri: &str) -> &str {
    uri.rsplit('/').next().unwrap_or(uri)
}

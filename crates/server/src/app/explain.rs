//! Why a device has no password, or an old one: the evidence for `laps::explain`, gathered from the store.

use super::{App, Result};
use crate::authz::{self, Action, Caller, Target};
use crate::store::{self, DeviceState, Page, VersionState};
use laps::drift::Drift;
use laps::explain::{self, Evidence};
use laps::id::DeviceId;
use proto::admin::Explanation;
use proto::device::Evidence as DeviceEvidence;
use serde_json::Value;

impl App {
    /// Explains a device, named by id or by name.
    pub async fn explain(&self, caller: &Caller, device: &str) -> Result<Explanation> {
        authz::reach(caller, Action::Explain)?;
        // Out of the caller's scope is as not there.
        let covered = |found: &store::Device| authz::decide(caller, Action::Explain, Target::Device(&found.groups));
        let found = self.find_device(device).await?.filter(|found| covered(found).is_ok());
        let evidence = match &found {
            // Nothing else is left of it.
            Some(found) if found.state == DeviceState::Purged => self.nothing_known(caller, object(found, 0)).await?,
            Some(found) => self.evidence(caller, found).await?,
            None => self.nothing_known(caller, explain::Device::Unknown).await?,
        };
        Ok(Explanation::of(device, &explain::explain(&evidence)))
    }

    async fn find_device(&self, device: &str) -> Result<Option<store::Device>> {
        if let Ok(id) = device.parse::<DeviceId>() {
            return Ok(self.store.device(id).await?);
        }
        let filter = |states: &[DeviceState]| store::DeviceFilter {
            states: states.to_vec(),
            name: Some(device.to_owned()),
            ..store::DeviceFilter::default()
        };
        // The living first: a machine that joined again has the name of its tombstone.
        for states in
            [&[DeviceState::Enabled, DeviceState::Disabled][..], &[DeviceState::Deleted], &[DeviceState::Purged]]
        {
            let page = self.store.devices(filter(states), Page::first(1)).await?;
            if let Some(found) = page.items.into_iter().next() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn nothing_known(&self, caller: &Caller, device: explain::Device) -> Result<Evidence> {
        Ok(Evidence {
            now: self.now(),
            reader: reader(caller, &[]),
            device,
            switch_on: self.store.tenant().await?.settings.laps_enabled,
            assigned: Vec::new(),
            conflicts: Vec::new(),
            delivery: None,
            report: None,
            fork: None,
            from_backup: None,
            credential: explain::Credential::default(),
        })
    }

    async fn evidence(&self, caller: &Caller, device: &store::Device) -> Result<Evidence> {
        let settings = self.store.tenant().await?.settings;
        let assigned = self.store.policies_for(device.id).await?;
        let deliveries = self.store.deliveries(device.id).await?;
        let report = self.store.last_report(device.id).await?;
        let versions = self.store.versions(device.id, false).await?;
        let up_to_date = super::delivery::is_answered(&assigned, &deliveries);
        let conflicts = deliveries.held.as_deref().map(conflict_names).unwrap_or_default();
        // The last that was answered, also when it was refused: its refusals are the cause.
        let answered =
            deliveries.sent.as_ref().filter(|sent| sent.answered_at.is_some()).or(deliveries.in_force.as_ref());
        let delivery = answered.map(|delivery| explain::Delivery {
            at: delivery.answered_at.unwrap_or(delivery.sent_at),
            up_to_date,
            refused: delivery
                .statuses
                .iter()
                .filter(|status| !(200..300).contains(&status.status))
                .map(|status| (last_step(&status.uri).to_owned(), status.status))
                .collect(),
        });
        let own = || versions.iter().filter(|version| version.device == device.id);
        let current = own().find(|version| version.state == VersionState::Current);
        Ok(Evidence {
            now: self.now(),
            reader: reader(caller, &device.groups),
            device: object(device, settings.tombstone_days),
            switch_on: settings.laps_enabled,
            assigned: assigned.into_iter().map(|assigned| assigned.policy.name).collect(),
            conflicts,
            delivery,
            report: report.map(|report| reported(report, &device.name)),
            fork: device.forked_at.map(|at| explain::Fork { at, clone_suspected: device.clone_suspected }),
            from_backup: device.from_backup_at,
            credential: explain::Credential {
                pending_since: own()
                    .filter(|version| version.state == VersionState::Pending)
                    .map(|version| version.stored_at)
                    .max(),
                proven_at: current.and_then(|version| version.proven_at),
                expires_at: current.and_then(|version| version.expires_at),
            },
        })
    }
}

fn reader(caller: &Caller, groups: &[laps::id::GroupId]) -> explain::Reader {
    explain::Reader {
        may_read: authz::decide(caller, Action::CredentialReveal, Target::Device(groups)).is_ok(),
        roles: caller
            .principal()
            .map(|principal| principal.assignments.iter().map(|assignment| assignment.role.name().to_owned()).collect())
            .unwrap_or_default(),
    }
}

fn object(device: &store::Device, tombstone_days: u32) -> explain::Device {
    match device.state {
        DeviceState::Enabled => {
            explain::Device::Enabled { joined_at: device.registered_at, last_seen: device.last_seen }
        }
        DeviceState::Disabled => explain::Device::Disabled { at: None },
        DeviceState::Deleted => {
            let at = device.deleted_at.unwrap_or(device.registered_at);
            explain::Device::Deleted { at, purge_at: at.plus_days(tombstone_days) }
        }
        DeviceState::Purged => {
            explain::Device::Purged { at: device.purged_at.or(device.deleted_at).unwrap_or(device.registered_at) }
        }
    }
}

fn reported(report: store::DeviceReport, name: &str) -> explain::Report {
    let evidence: DeviceEvidence = serde_json::from_str(&report.report.evidence).unwrap_or_default();
    let last_error = report.report.last_error.and_then(|text| {
        let error: Value = serde_json::from_str(&text).ok()?;
        Some((
            u32::try_from(error["event"].as_u64()?).ok()?,
            error["code"].as_str()?.to_owned(),
            error["text"].as_str()?.to_owned(),
        ))
    });
    explain::Report {
        at: report.changed_at,
        policy_source: evidence.policy_source,
        backup_directory: evidence.backup_directory,
        join_state_mismatch: evidence.unmanaged.as_deref().is_some_and(|unmanaged| unmanaged.contains("join_state")),
        in_active_directory: evidence
            .unmanaged
            .as_deref()
            .is_some_and(|unmanaged| unmanaged == laps::decide::Unmanaged::ActiveDirectory.as_str())
            .then(|| name.to_owned()),
        account_wanted: evidence.account_wanted,
        account_automatic: evidence.account_automatic,
        drift: evidence.drift.iter().filter_map(|word| Drift::parse(word)).collect(),
        repair_held: evidence.repair_held,
        account_found: report.report.account_id.is_some(),
        account_enabled: report.report.usability != "disabled",
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

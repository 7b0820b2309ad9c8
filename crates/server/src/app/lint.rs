//! Policies judged on the devices of a group before they are sent (`laps::policy::lint`).

use super::{App, Error, Kind, Result};
use crate::authz::{Action, Caller};
use crate::store::{ALL_DEVICES, AssignedPolicy, DeviceFilter, DeviceState, Page, Policy};
use laps::id::{DeviceId, GroupId, PolicyId};
use laps::policy::{EffectivePolicy, JoinState, Lint, Machine, MachineAccount, PolicySet, Severity, lint, lint_on};
use proto::admin::{LintFinding, LintReport, LintRequest};
use proto::device::Evidence;
use proto::dm::policy::import_json;
use std::collections::{BTreeMap, btree_map::Entry};

/// Devices that one policy is judged on; a larger group is judged on as many.
const DEVICES_MAX: u64 = 20_000;
/// Devices that a finding names.
const NAMES_MAX: usize = 5;

/// Policies in force together, by id and version.
type Together = Vec<(PolicyId, u32)>;

impl App {
    /// What a policy would do on the devices of a group.
    pub async fn lint_policy(&self, caller: &Caller, request: &LintRequest) -> Result<LintReport> {
        self.require(caller, Action::PolicyRead)?;
        let values = serde_json::Value::Object(request.settings.clone()).to_string();
        import_json(values.as_bytes()).map_err(|error| super::policies::refused(&error))?;
        let known = match &request.policy {
            Some(name) => match self.stored_policy(name).await {
                Ok(policy) => Some(policy),
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            },
            None => None,
        };
        let group = self.group_named(&request.group).await?.map_or(ALL_DEVICES, |group| group.id);
        let policy = Policy {
            id: known.as_ref().map_or(PolicyId::from_bytes([0; 16]), |known| known.id),
            name: known.map(|known| known.name).unwrap_or_default(),
            version: 0,
            values,
            changed_at: self.now(),
        };
        self.judge(&policy, group).await
    }

    /// Refuses an assignment that locks somebody out, unless that was confirmed; answers what else it does.
    pub(super) async fn lint_assignment(
        &self,
        policy: &Policy,
        group: GroupId,
        confirmed: bool,
    ) -> Result<Vec<LintFinding>> {
        let findings = self.judge(policy, group).await?.findings;
        let grave = findings.iter().find(|finding| finding.severity == Severity::Error.as_str());
        match grave {
            Some(grave) if !confirmed => Err(Error::refused(
                Kind::Conflict,
                "policy_locks_out",
                format!(
                    "on {} devices ({}): {} {} Or assign it all the same: confirmed",
                    grave.devices.unwrap_or_default(),
                    grave.names.join(", "),
                    grave.text,
                    grave.remedy
                ),
            )),
            _ => Ok(findings),
        }
    }

    async fn judge(&self, policy: &Policy, group: GroupId) -> Result<LintReport> {
        let alone = resolved(&[policy]);
        let mut report = LintReport::default();
        let mut on: BTreeMap<Lint, (u64, Vec<String>)> = BTreeMap::new();
        let mut effective: BTreeMap<Together, EffectivePolicy> = BTreeMap::new();
        let mut after = None;
        loop {
            let filter = DeviceFilter {
                states: vec![DeviceState::Enabled, DeviceState::Disabled],
                groups: (group != ALL_DEVICES).then(|| vec![group]),
                ..DeviceFilter::default()
            };
            let page = self.store.devices(filter, Page { after, limit: Page::LIMIT_MAX }).await?;
            for device in page.items {
                report.devices += 1;
                let Some(machine) = self.machine(device.id).await? else {
                    report.unknown += 1;
                    continue;
                };
                let others = self.store.policies_for(device.id).await?;
                let effective = match effective.entry(together(policy, &others)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        let others = others.iter().map(|other| &other.policy).filter(|other| other.id != policy.id);
                        new.insert(resolved(&others.chain([policy]).collect::<Vec<_>>()))
                    }
                };
                for found in lint_on(effective, &machine) {
                    let (count, names) = on.entry(found).or_default();
                    *count += 1;
                    if names.len() < NAMES_MAX {
                        names.push(device.name.clone());
                    }
                }
            }
            after = page.next;
            if after.is_none() || report.devices >= DEVICES_MAX {
                break;
            }
        }
        let of_devices = on.into_iter().map(|(found, (count, names))| {
            (found.severity(), LintFinding { devices: Some(count), names, ..found.into() })
        });
        let everywhere = lint(&alone).into_iter().map(|found| (found.severity(), found.into()));
        let mut findings: Vec<(Severity, LintFinding)> = of_devices.chain(everywhere).collect();
        findings.sort_by_key(|(severity, _)| core::cmp::Reverse(*severity));
        report.findings = findings.into_iter().map(|(_, finding)| finding).collect();
        Ok(report)
    }

    /// What a device told about itself; `None` when it has not.
    pub(super) async fn machine(&self, device: DeviceId) -> Result<Option<Machine>> {
        let Some(report) = self.store.last_report(device).await? else { return Ok(None) };
        let evidence: Evidence = serde_json::from_str(&report.report.evidence).unwrap_or_default();
        Ok(evidence.machine.map(|machine| Machine {
            length_min: machine.length_min,
            accounts: machine
                .accounts
                .into_iter()
                .map(|account| MachineAccount {
                    id: account.id,
                    name: account.name,
                    enabled: account.enabled,
                    administrator: account.administrator,
                })
                .collect(),
            complete: machine.complete,
        }))
    }
}

fn together(policy: &Policy, others: &[AssignedPolicy]) -> Together {
    let others = others.iter().map(|other| (other.policy.id, other.policy.version));
    others.filter(|(id, _)| *id != policy.id).chain([(policy.id, policy.version)]).collect()
}

/// What policies mean together. Where two differ nothing is delivered, and the later one in the list, which is
/// the one that is judged, counts here.
pub(super) fn resolved(policies: &[&Policy]) -> EffectivePolicy {
    let mut together = PolicySet::new(laps::policy::Source::Csp);
    for set in policies.iter().filter_map(|policy| import_json(policy.values.as_bytes()).ok()) {
        for (setting, value) in proto::dm::policy::values(&set) {
            together.set(setting, value);
        }
    }
    // A hybrid join fits both directories; what does not fit is told elsewhere.
    EffectivePolicy::resolve(&[together], JoinState::Hybrid)
}

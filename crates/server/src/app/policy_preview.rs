//! What a policy would do on the real devices, before it is sent.

use super::delivery;
use super::lint::resolved;
use super::policies::{checked_values, settings_of};
use super::policy_edit::unknown_version;
use super::{App, Error, Result};
use crate::authz::{Action, Caller};
use crate::store::{self, ALL_DEVICES, AssignedPolicy, DeviceFilter, DeviceState, Page};
use laps::id::{GroupId, PolicyId};
use laps::policy::{EffectivePolicy, Lint, Machine, Management, Severity, lint_on};
use proto::admin::{PolicyPreview, PreviewCause, PreviewRequest};
use proto::device::Evidence;
use std::collections::{BTreeMap, btree_map::Entry};

/// Devices that one preview looks at.
const DEVICES_MAX: u64 = 20_000;
/// Devices that a cause names.
const NAMES_MAX: usize = 5;
/// Versions of agents that are counted; further ones are counted together.
const AGENTS_MAX: usize = 20;

/// The causes found until now, by kind, code and summary.
#[derive(Default)]
struct Causes(BTreeMap<(&'static str, String, String), PreviewCause>);

impl Causes {
    fn add(&mut self, name: &str, cause: PreviewCause, kind: &'static str) {
        let key = (kind, cause.code.clone(), cause.summary.clone());
        let known = self.0.entry(key).or_insert_with(|| PreviewCause { kind: kind.to_owned(), ..cause });
        known.devices += 1;
        if known.names.len() < NAMES_MAX {
            known.names.push(name.to_owned());
        }
    }
}

impl App {
    /// What a policy would do on the devices that it is for, or on those of a group.
    pub async fn preview_policy(&self, caller: &Caller, request: &PreviewRequest) -> Result<PolicyPreview> {
        self.require(caller, Action::PolicyRead)?;
        let known = match &request.policy {
            Some(name) => Some(self.stored_policy(name).await?),
            None => None,
        };
        let values = match (&request.settings, request.version, &known) {
            (Some(settings), ..) => checked_values(settings)?,
            (None, Some(version), Some(known)) => {
                let mut all = self.store.policy_versions(known.id).await?.into_iter();
                all.find(|one| one.version == version).ok_or_else(|| unknown_version(version))?.values
            }
            (None, None, Some(known)) => known.values.clone(),
            (None, _, None) => {
                return Err(Error::invalid("bad_preview", "name a policy, or give the settings of a new one"));
            }
        };
        let policy = store::Policy {
            id: known.as_ref().map_or(PolicyId::from_bytes([0; 16]), |known| known.id),
            name: known.as_ref().map_or_else(|| "this policy".to_owned(), |known| known.name.clone()),
            version: 0,
            values,
            changed_at: self.now(),
        };
        let assigned: Vec<GroupId> = match (&request.group, &known) {
            (Some(name), _) => vec![self.group_named(name).await?.map_or(ALL_DEVICES, |group| group.id)],
            (None, Some(known)) => self.store.assignments(Some(known.id)).await?.iter().map(|one| one.group).collect(),
            (None, None) => vec![ALL_DEVICES],
        };
        let excluded: Vec<GroupId> = match &known {
            Some(known) => self.store.exclusions(Some(known.id)).await?.iter().map(|one| one.group).collect(),
            None => Vec::new(),
        };
        self.look(&policy, &assigned, &excluded).await
    }

    async fn look(&self, policy: &store::Policy, groups: &[GroupId], excluded: &[GroupId]) -> Result<PolicyPreview> {
        let mut preview = PolicyPreview::default();
        let mut causes = Causes::default();
        let mut effective: BTreeMap<Vec<(PolicyId, u32)>, EffectivePolicy> = BTreeMap::new();
        let mut after = None;
        if groups.is_empty() {
            return Ok(preview);
        }
        loop {
            let filter = DeviceFilter {
                states: vec![DeviceState::Enabled, DeviceState::Disabled],
                groups: (!groups.contains(&ALL_DEVICES)).then(|| groups.to_vec()),
                ..DeviceFilter::default()
            };
            let page = self.store.devices(filter, Page { after, limit: Page::LIMIT_MAX }).await?;
            for device in page.items {
                if device.groups.iter().any(|group| excluded.contains(group)) {
                    continue;
                }
                if preview.devices >= DEVICES_MAX {
                    preview.more = true;
                    break;
                }
                preview.devices += 1;
                self.look_at(policy, &device, &mut effective, &mut preview, &mut causes).await?;
            }
            after = page.next;
            preview.more |= after.is_some() && preview.devices >= DEVICES_MAX;
            if after.is_none() || preview.devices >= DEVICES_MAX {
                break;
            }
        }
        preview.causes = causes.0.into_values().collect();
        preview.causes.sort_by(|a, b| b.devices.cmp(&a.devices).then_with(|| a.code.cmp(&b.code)));
        Ok(preview)
    }

    async fn look_at(
        &self,
        policy: &store::Policy,
        device: &store::Device,
        effective: &mut BTreeMap<Vec<(PolicyId, u32)>, EffectivePolicy>,
        preview: &mut PolicyPreview,
        causes: &mut Causes,
    ) -> Result<()> {
        let agent = match preview.agents.len() >= AGENTS_MAX && !preview.agents.contains_key(&device.agent_version) {
            true => "other".to_owned(),
            false => device.agent_version.clone(),
        };
        *preview.agents.entry(agent).or_default() += 1;
        if device.state == DeviceState::Disabled {
            preview.disabled += 1;
            return Ok(());
        }
        let mut together: Vec<AssignedPolicy> = self.store.policies_for(device.id).await?;
        together.retain(|one| one.policy.id != policy.id);
        together.push(AssignedPolicy { policy: policy.clone(), groups: Vec::new() });
        let Some(wanted) = delivery::values_of(&together) else {
            preview.would_hold += 1;
            for cause in conflicts(&together) {
                causes.add(&device.name, cause, "held");
            }
            return Ok(());
        };
        let deliveries = self.store.deliveries(device.id).await?;
        if delivery::values_in_force(&deliveries) == wanted {
            preview.unchanged += 1;
            return Ok(());
        }
        let mut refuses = false;
        for (setting, value, status) in delivery::refused_before(&deliveries) {
            if value.is_some() && wanted.get(&setting) == value.as_ref() {
                refuses = true;
                let value = value.map(|value| value.to_string()).unwrap_or_default();
                causes.add(&device.name, refused_before(setting.name(), &value, status), "refused");
            }
        }
        let key = together.iter().map(|one| (one.policy.id, one.policy.version)).collect();
        let effective = match effective.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(resolved(&together.iter().map(|one| &one.policy).collect::<Vec<_>>())),
        };
        let report = self.store.last_report(device.id).await?;
        let evidence: Option<Evidence> = report.and_then(|report| serde_json::from_str(&report.report.evidence).ok());
        if let Some(cause) = evidence.as_ref().and_then(|evidence| no_effect(evidence, effective)) {
            refuses = true;
            causes.add(&device.name, cause, "refused");
        }
        match self.machine(device.id).await? {
            None => preview.unknown += 1,
            Some(machine) => {
                for lint in lint_on(effective, &machine) {
                    let kind = match (lint.severity(), lint) {
                        (Severity::Error, _) => "locked_out",
                        (_, Lint::LengthBelowRule | Lint::AccountMissing) => "refused",
                        _ => "warning",
                    };
                    refuses |= kind == "refused";
                    preview.locked_out += u64::from(kind == "locked_out");
                    causes.add(&device.name, of_lint(lint, policy, &machine), kind);
                }
            }
        }
        match refuses {
            true => preview.would_refuse += 1,
            false => preview.would_change += 1,
        }
        Ok(())
    }
}

/// Why the device would do nothing with it, by what it told: another source wins, or the directory does not fit.
fn no_effect(evidence: &Evidence, effective: &EffectivePolicy) -> Option<PreviewCause> {
    let directory = effective.backup_directory() as u8;
    let domain = evidence.machine.as_ref().and_then(|machine| machine.domain);
    let managed = matches!(effective.management(), Management::Managed(_));
    (managed && directory == 2 && domain == Some(false)).then(|| PreviewCause {
        code: "join_state_does_not_fit".into(),
        summary: "not joined to a domain".into(),
        setting: "BackupDirectory".into(),
        text: "BackupDirectory names Active Directory, and the machine has joined no domain: nothing is managed."
            .into(),
        remedy: "Set BackupDirectory to 1, or leave these machines out.".into(),
        ..PreviewCause::default()
    })
}

fn refused_before(setting: &str, value: &str, status: u16) -> PreviewCause {
    PreviewCause {
        code: "refused_before".into(),
        summary: format!("{setting} = {} was refused before", value.chars().take(80).collect::<String>()),
        setting: setting.to_owned(),
        text: format!("The machine answered its last delivery with status {status} for this value."),
        remedy: "Look at lapwing policy explain for one of them; its agent may be too old for this setting.".into(),
        ..PreviewCause::default()
    }
}

fn of_lint(lint: Lint, policy: &store::Policy, machine: &Machine) -> PreviewCause {
    let account = || {
        let settings = settings_of(&policy.values);
        let name = settings.get("AdministratorAccountName").and_then(|name| name.as_str().map(str::to_owned));
        name.map_or_else(|| "the built-in administrator".to_owned(), |name| format!("account {name}"))
    };
    let summary = match lint {
        Lint::LengthBelowRule => format!("minimum length {}", machine.length_min),
        Lint::AccountMissing => format!("{} is missing", account()),
        Lint::AccountDisabled => format!("{} cannot sign in", account()),
        Lint::AccountNotAdministrator => format!("{} is no administrator", account()),
        Lint::NoAdministratorLeft => "nobody else could sign in".to_owned(),
        other => other.code().replace('_', " "),
    };
    PreviewCause {
        code: lint.code().to_owned(),
        summary,
        setting: lint.setting().name().to_owned(),
        text: lint.text().to_owned(),
        remedy: lint.remedy().to_owned(),
        ..PreviewCause::default()
    }
}

/// The settings in which policies disagree, each as a cause.
fn conflicts(together: &[AssignedPolicy]) -> Vec<PreviewCause> {
    let Some(held) = delivery::conflict(together) else { return Vec::new() };
    let (code, text) = (held["code"].as_str().unwrap_or_default(), held["text"].as_str().unwrap_or_default());
    let cause = |summary: String, setting: &str| PreviewCause {
        code: code.to_owned(),
        summary,
        setting: setting.to_owned(),
        text: text.to_owned(),
        remedy: "Change one of the policies, or leave these machines out of one.".into(),
        ..PreviewCause::default()
    };
    let conflicts = held["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if conflicts.is_empty() {
        return vec![cause(code.replace('_', " "), "")];
    }
    conflicts
        .iter()
        .map(|conflict| {
            let setting = conflict["setting"].as_str().unwrap_or_default();
            let said: Vec<String> = conflict["policies"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|policy| {
                    let text = |member: &str| policy[member].as_str().unwrap_or_default().to_owned();
                    format!("{} says {}", text("name"), text("value"))
                })
                .collect();
            cause(format!("{setting}: {}", said.join(", ")), setting)
        })
        .collect()
}

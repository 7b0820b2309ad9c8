//! Policies: named, versioned, assigned to groups of devices (design.md 5, "Management").

use super::credentials::Listed;
use super::explain::device_evidence;
use super::groups::checked_name;
use super::record::{activity, category, target};
use super::{App, Error, Result, store_page};
use crate::authz::{Action, Caller};
use crate::store::{self, ALL_DEVICES, Page};
use laps::id::{DeviceId, GroupId, PolicyId};
use proto::admin::{self, Assign, DeliveredPolicy, DevicePolicy, Policy, PolicyImport, SettingStatus};
use proto::dm::policy::{ImportError, import_json, json as policy_json, values as policy_values};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The source of policy that deliveries are on a device.
const DELIVERED: &str = "csp";

impl App {
    /// Policies in their newest version.
    pub async fn policies(&self, caller: &Caller, after: Option<String>, limit: u32) -> Result<Listed<Policy>> {
        self.require(caller, Action::PolicyRead)?;
        let page = self.store.policies(store_page(after, limit)).await?;
        let groups = self.assigned_groups(None).await?;
        let excluded = self.excluded_groups(None).await?;
        let entities = page.items.into_iter().map(|policy| entity(policy, &groups, &excluded));
        Ok(Listed::new(entities.collect(), page.next))
    }

    /// One policy, by id or name.
    pub async fn policy(&self, caller: &Caller, name: &str) -> Result<Policy> {
        self.require(caller, Action::PolicyRead)?;
        let policy = self.stored_policy(name).await?;
        self.policy_entity(policy).await
    }

    /// Makes a policy, or the next version of the policy of that name. Every value is checked against
    /// the table of settings; with one mistake nothing is taken, and every mistake is named.
    pub async fn import_policy(&self, caller: &Caller, import: &PolicyImport) -> Result<Policy> {
        self.require(caller, Action::PolicyWrite)?;
        let name = checked_name(&import.name)?;
        let values = checked_values(&import.settings)?;
        let now = self.now();
        let former = match self.stored_policy(&name).await {
            Ok(policy) => Some(policy),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let policy = match former {
            Some(former) if same_settings(&former.values, &values) => former,
            Some(former) => self.revise(caller, former, name, values, json!({})).await?,
            None => {
                let id = PolicyId::from_random_bytes(self.random_bytes()?);
                let audit = self.entry(
                    caller,
                    activity::CREATE_POLICY,
                    category::POLICY,
                    target("policy", &id, &name),
                    json!({"settings": import.settings, "version": 1}),
                )?;
                self.store.create_policy(id, name, values, now, audit).await?
            }
        };
        self.policy_entity(policy).await
    }

    /// Removes a policy that is not assigned.
    pub async fn delete_policy(&self, caller: &Caller, name: &str) -> Result<()> {
        self.require(caller, Action::PolicyWrite)?;
        let policy = self.stored_policy(name).await?;
        let audit = self.entry(
            caller,
            activity::DELETE_POLICY,
            category::POLICY,
            target("policy", &policy.id, &policy.name),
            json!({}),
        )?;
        Ok(self.store.delete_policy(policy.id, audit).await?)
    }

    /// Assigns a policy to a group, or ends that.
    pub async fn assign_policy(&self, caller: &Caller, name: &str, to: &Assign, assigned: bool) -> Result<Policy> {
        self.require(caller, Action::PolicyWrite)?;
        let policy = self.stored_policy(name).await?;
        let group = self.group_named(&to.group).await?;
        let group_name = group.as_ref().map_or(admin::ALL_DEVICES, |group| group.name.as_str()).to_owned();
        let group = group.map_or(ALL_DEVICES, |group| group.id);
        let findings = match assigned {
            true => self.lint_assignment(&policy, group, to.confirmed).await?,
            false => Vec::new(),
        };
        if assigned {
            self.begin_with_rings(caller, &policy).await?;
        }
        let audit = self.entry(
            caller,
            if assigned { activity::ASSIGN_POLICY } else { activity::UNASSIGN_POLICY },
            category::POLICY,
            target("policy", &policy.id, &policy.name),
            json!({"group": group_name}),
        )?;
        if assigned {
            self.store.assign_policy(policy.id, group, self.now(), audit).await?;
        } else {
            self.store.unassign_policy(policy.id, group, audit).await?;
        }
        Ok(Policy { findings, ..self.policy_entity(policy).await? })
    }

    /// What policy a device has by assignment, what was delivered, and how it answered.
    pub async fn device_policy(&self, caller: &Caller, id: DeviceId) -> Result<DevicePolicy> {
        self.require(caller, Action::PolicyRead)?;
        self.device_for(caller, Action::DeviceRead, id).await?;
        let (groups, excluded) = (self.assigned_groups(None).await?, self.excluded_groups(None).await?);
        let policies = self.store.policies_for(id).await?;
        let deliveries = self.store.deliveries(id).await?;
        let mut settings = super::delivery::by_setting(&policies, &deliveries);
        let report = self.store.last_report(id).await?;
        let source = report.as_ref().and_then(|report| device_evidence(&report.report.evidence).policy_source);
        if source.as_ref().is_some_and(|source| source != DELIVERED) {
            for row in &mut settings {
                row.in_force = None;
                if row.state == "in_force" {
                    row.state = "overridden".to_owned();
                }
            }
        }
        Ok(DevicePolicy {
            source,
            source_date_time: report.map(|report| report.changed_at),
            assigned: policies.into_iter().map(|assigned| entity(assigned.policy, &groups, &excluded)).collect(),
            settings,
            sent: deliveries.sent.map(delivered),
            in_force: deliveries.in_force.map(delivered),
            held: deliveries.held.map(|held| serde_json::from_str(&held).unwrap_or(Value::String(held))),
        })
    }

    pub(super) async fn policy_entity(&self, policy: store::Policy) -> Result<Policy> {
        let groups = self.assigned_groups(Some(policy.id)).await?;
        let excluded = self.excluded_groups(Some(policy.id)).await?;
        Ok(entity(policy, &groups, &excluded))
    }

    pub(super) async fn stored_policy(&self, name: &str) -> Result<store::Policy> {
        let found = match name.parse::<PolicyId>() {
            Ok(id) => self.store.policy(id).await?,
            Err(_) => {
                let mut after = None;
                loop {
                    let page = self.store.policies(store_page(after, Page::LIMIT_MAX)).await?;
                    let found =
                        page.items.into_iter().find(|policy| policy.name.to_lowercase() == name.trim().to_lowercase());
                    after = page.next;
                    if found.is_some() || after.is_none() {
                        break found;
                    }
                }
            }
        };
        found.ok_or_else(|| {
            Error::not_found(
                "policy_unknown",
                format!(
                    "there is no policy '{}'; list them with GET /v1.0/lapwing/policies",
                    name.chars().take(120).collect::<String>()
                ),
            )
        })
    }

    /// The names of the groups that policies are assigned to.
    async fn assigned_groups(&self, policy: Option<PolicyId>) -> Result<BTreeMap<PolicyId, Vec<String>>> {
        self.names_of(self.store.assignments(policy).await?).await
    }

    /// The names of the groups that policies do not apply to.
    async fn excluded_groups(&self, policy: Option<PolicyId>) -> Result<BTreeMap<PolicyId, Vec<String>>> {
        self.names_of(self.store.exclusions(policy).await?).await
    }

    async fn names_of(&self, assignments: Vec<store::Assignment>) -> Result<BTreeMap<PolicyId, Vec<String>>> {
        let mut names: BTreeMap<GroupId, String> = BTreeMap::new();
        let mut by_policy: BTreeMap<PolicyId, Vec<String>> = BTreeMap::new();
        for assignment in assignments {
            let name = match names.get(&assignment.group) {
                Some(name) => name.clone(),
                None if assignment.group == ALL_DEVICES => admin::ALL_DEVICES.to_owned(),
                None => match self.store.group(assignment.group).await? {
                    Some(group) => group.name,
                    None => assignment.group.to_string(),
                },
            };
            names.insert(assignment.group, name.clone());
            by_policy.entry(assignment.policy).or_default().push(name);
        }
        Ok(by_policy)
    }
}

/// Every mistake of a policy document with node, value and allowed values.
pub(super) fn refused(error: &ImportError) -> Error {
    let mut text = match error {
        ImportError::Refused(mistakes) => {
            format!("{} of the settings cannot be taken; {}", mistakes.len(), error.next_step())
        }
        _ => format!("{error}; {}", error.next_step()),
    };
    if let ImportError::Refused(mistakes) = error {
        for mistake in mistakes {
            text.push_str(&format!("\n{}: {}", mistake.node.as_deref().unwrap_or("?"), mistake.message));
            if let Some(value) = &mistake.value {
                text.push_str(&format!("; got '{}'", value.chars().take(80).collect::<String>()));
            }
            if let Some(allowed) = &mistake.allowed {
                text.push_str(&format!("; allowed: {allowed}"));
            }
        }
    }
    Error::invalid(error.code(), text)
}

/// Settings as they are stored: checked against the table, numbers as numbers.
pub(super) fn checked_values(settings: &Map<String, Value>) -> Result<String> {
    let text = Value::Object(settings.clone()).to_string();
    let set = import_json(text.as_bytes()).map_err(|error| refused(&error))?;
    Ok(policy_json(&policy_values(&set)))
}

/// The settings of a stored policy.
pub(super) fn settings_of(values: &str) -> Map<String, Value> {
    serde_json::from_str(values).unwrap_or_default()
}

/// Whether two stored forms say the same.
pub(super) fn same_settings(a: &str, b: &str) -> bool {
    settings_of(a) == settings_of(b)
}

fn entity(
    policy: store::Policy,
    groups: &BTreeMap<PolicyId, Vec<String>>,
    excluded: &BTreeMap<PolicyId, Vec<String>>,
) -> Policy {
    Policy {
        settings: settings_of(&policy.values),
        excluded: excluded.get(&policy.id).cloned().unwrap_or_default(),
        groups: groups.get(&policy.id).cloned().unwrap_or_default(),
        id: policy.id,
        name: policy.name,
        version: policy.version,
        changed_date_time: policy.changed_at,
        findings: Vec::new(),
    }
}

fn delivered(delivery: store::Delivery) -> DeliveredPolicy {
    DeliveredPolicy {
        sequence: delivery.sequence,
        sent_date_time: delivery.sent_at,
        answered_date_time: delivery.answered_at,
        values: serde_json::from_str(&delivery.values).unwrap_or(Value::Null),
        statuses: delivery
            .statuses
            .into_iter()
            .map(|status| SettingStatus { uri: status.uri, status: status.status })
            .collect(),
    }
}

//! Delivery of policy: from what is assigned to one `Atomic` for the device (design.md 5, "Management").
//!
//! A delivery is the whole wanted state. Policies that do not go together hold it: the last complete one
//! stays in force, and never is a policy with a hole in it sent.

use crate::store::{AssignedPolicy, Deliveries, Delivery, NewDelivery, Policy, SettingStatus};
use laps::csp::{Node, Values};
use laps::id::DeviceId;
use laps::policy::{Setting, Value};
use proto::admin::DeviceSetting;
use proto::dm::policy::{self, ImportError};
use proto::dm::{Command, code};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What is to be done for a device.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    /// What is assigned is in force.
    InForce,
    /// Nothing new is sent, for this reason (JSON text).
    Held(String),
    /// This is sent.
    Send(Shipment),
}

/// A whole wanted state, and what must go.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shipment {
    /// What the device is to have.
    wanted: Values,
    /// What it may have from before and is not to have.
    removed: BTreeSet<Setting>,
}

impl Shipment {
    /// The one command that brings it about; `None` when there is nothing to do.
    pub(super) fn command(&self) -> Option<Command<'static>> {
        policy::delivery(&self.wanted, &self.removed)
    }

    /// What the commands inside [`Self::command`] are about, in their order; true means a `Replace`.
    fn nodes(&self) -> Vec<(Setting, bool)> {
        policy::delivered_nodes(&self.wanted, &self.removed)
    }

    /// How it is stored before it is sent.
    pub(super) fn row(&self, device: DeviceId) -> NewDelivery {
        let removed: Vec<&str> = self.removed.iter().map(|setting| setting.name()).collect();
        let settings = serde_json::from_str(&policy::json(&self.wanted)).unwrap_or(Json::Null);
        let values = json!({"settings": settings, "removed": removed}).to_string();
        NewDelivery { device, digest: Sha256::digest(values.as_bytes()).into(), values }
    }

    /// The same without the nodes that the device did not have any more: a `Delete` of such a node is a
    /// 404, and a 404 undoes the whole `Atomic` (laps-behaviour.md 1.8, rows 11 and 26). `statuses` are
    /// those of the commands inside, in their order. `None` when there was no such node.
    pub(super) fn without_lost(&self, statuses: &[Option<u16>]) -> Option<Self> {
        let nodes = self.nodes();
        let lost = nodes.iter().zip(statuses).filter_map(|((setting, is_replace), status)| {
            (!is_replace && *status == Some(code::NOT_FOUND)).then_some(*setting)
        });
        let lost: BTreeSet<Setting> = lost.collect();
        if lost.is_empty() {
            return None;
        }
        Some(Self { wanted: self.wanted.clone(), removed: self.removed.difference(&lost).copied().collect() })
    }

    /// The device's answer for each setting that it answered for.
    pub(super) fn statuses(&self, statuses: &[Option<u16>]) -> Vec<SettingStatus> {
        self.nodes()
            .iter()
            .zip(statuses)
            .filter_map(|((setting, _), status)| {
                Some(SettingStatus { uri: Node::Policy(*setting).uri(), status: (*status)? })
            })
            .collect()
    }

    /// How many commands are inside.
    pub(super) fn len(&self) -> usize {
        self.wanted.len() + self.removed.len()
    }
}

/// What is to be done for a device that `assigned` applies to and that was sent `deliveries`.
pub(super) fn plan(assigned: &[AssignedPolicy], deliveries: &Deliveries) -> Plan {
    let wanted = match wanted(assigned) {
        Ok(wanted) => wanted,
        Err(held) => return Plan::Held(held.to_string()),
    };
    let in_force = deliveries.in_force.as_ref().map(sent_before).unwrap_or_default();
    let open = deliveries
        .sent
        .as_ref()
        .filter(|sent| deliveries.in_force.as_ref().is_none_or(|in_force| in_force.sequence != sent.sequence));
    if open.is_none() && deliveries.held.is_none() && in_force.settings == wanted {
        return Plan::InForce;
    }
    // Everything that the device may have: what it took whole, and what it may have taken of the last.
    let mut there: BTreeSet<Setting> = in_force.settings.into_keys().collect();
    if let Some(open) = open.map(sent_before) {
        there.extend(open.settings.into_keys());
        there.extend(open.removed);
    }
    let removed = there.into_iter().filter(|setting| !wanted.contains_key(setting)).collect();
    Plan::Send(Shipment { wanted, removed })
}

/// Whether what was sent, in its stored text, is what the policies want.
pub(super) fn is_wanted(assigned: &[AssignedPolicy], values: &str) -> bool {
    wanted(assigned).is_ok_and(|wanted| sent_values(values).settings == wanted)
}

/// Whether the device has answered for exactly what is assigned now, by taking or by refusing it.
pub(super) fn is_answered(assigned: &[AssignedPolicy], deliveries: &Deliveries) -> bool {
    let sent = deliveries.sent.as_ref().filter(|sent| sent.answered_at.is_some());
    sent.is_some_and(|sent| is_wanted(assigned, &sent.values))
}

/// Whether the device took the last delivery whole.
pub(super) fn is_taken(deliveries: &Deliveries) -> bool {
    let in_force = deliveries.in_force.as_ref().map(|in_force| in_force.sequence);
    in_force.is_some() && deliveries.sent.as_ref().map(|sent| sent.sequence) == in_force
}

/// Why these policies would be held on a device, with what they conflict in; `None` when they go together.
pub(super) fn conflict(assigned: &[AssignedPolicy]) -> Option<Json> {
    wanted(assigned).err()
}

/// What a device is to have by these policies; `None` when they do not go together.
pub(super) fn values_of(assigned: &[AssignedPolicy]) -> Option<Values> {
    wanted(assigned).ok()
}

/// What is in force on a device.
pub(super) fn values_in_force(deliveries: &Deliveries) -> Values {
    deliveries.in_force.as_ref().map(sent_before).unwrap_or_default().settings
}

/// What the device refused of its last delivery, with the values that it refused.
pub(super) fn refused_before(deliveries: &Deliveries) -> Vec<(Setting, Option<Value>, u16)> {
    let Some(sent) = &deliveries.sent else { return Vec::new() };
    if sent.answered_at.is_none() || is_taken(deliveries) {
        return Vec::new();
    }
    let before = sent_before(sent);
    let of = |status: &SettingStatus| {
        let setting = Setting::from_name(status.uri.rsplit('/').next()?)?;
        // 215 and 216 are about the others of the same Atomic, not about this one.
        let own = !matches!(status.status, code::OK | 215 | 216);
        own.then(|| (setting, before.settings.get(&setting).cloned(), status.status))
    };
    sent.statuses.iter().filter_map(of).collect()
}

/// Every setting of a device: assigned, sent, status, in force.
pub(super) fn by_setting(assigned: &[AssignedPolicy], deliveries: &Deliveries) -> Vec<DeviceSetting> {
    let mut rows: BTreeMap<Setting, DeviceSetting> = BTreeMap::new();
    let json = |value: &Value| match value {
        Value::Int(number) => Json::from(*number),
        Value::Bool(yes) => Json::from(*yes),
        Value::Text(text) => Json::from(text.as_str()),
    };
    for AssignedPolicy { policy, .. } in assigned {
        let Ok(set) = policy::import_json(policy.values.as_bytes()) else { continue };
        for (setting, value) in policy::values(&set) {
            let row = rows.entry(setting).or_default();
            let value = json(&value);
            row.conflict |= row.assigned.as_ref().is_some_and(|first| *first != value);
            row.assigned.get_or_insert(value);
            row.policies.push(format!("{} (version {})", policy.name, policy.version));
        }
    }
    if let Some(sent) = &deliveries.sent {
        let before = sent_before(sent);
        for (setting, value) in &before.settings {
            rows.entry(*setting).or_default().sent = Some(json(value));
        }
        for setting in before.removed {
            rows.entry(setting).or_default().sent = Some(Json::Null);
        }
        for status in &sent.statuses {
            if let Some(setting) = status.uri.rsplit('/').next().and_then(Setting::from_name) {
                rows.entry(setting).or_default().status = Some(status.status);
            }
        }
    }
    for (setting, value) in values_in_force(deliveries) {
        rows.entry(setting).or_default().in_force = Some(json(&value));
    }
    let name = |(setting, mut row): (Setting, DeviceSetting)| {
        row.setting = setting.name().to_owned();
        row.state = state_of(&row).to_owned();
        row
    };
    rows.into_iter().map(name).collect()
}

/// One word for where a setting stands.
fn state_of(row: &DeviceSetting) -> &'static str {
    match (&row.assigned, &row.in_force) {
        _ if row.conflict => "conflict",
        (Some(assigned), Some(in_force)) if assigned == in_force => "in_force",
        (Some(assigned), _) if row.sent.as_ref() != Some(assigned) => "not_sent",
        (Some(_), _) => match row.status {
            // Taken, but the delivery as a whole was not: it is not in force.
            None | Some(200..=299) => "sent",
            Some(_) => "refused",
        },
        (None, _) => "leaving",
    }
}

/// Whether a delivery set anything.
pub(super) fn has_settings(delivery: &Delivery) -> bool {
    !sent_before(delivery).settings.is_empty()
}

#[derive(Debug, Default)]
struct SentBefore {
    settings: Values,
    removed: BTreeSet<Setting>,
}

fn sent_before(delivery: &Delivery) -> SentBefore {
    sent_values(&delivery.values)
}

fn sent_values(values: &str) -> SentBefore {
    let row: Json = serde_json::from_str(values).unwrap_or_default();
    let names = |row: &Json| -> BTreeSet<Setting> {
        row.as_array().into_iter().flatten().filter_map(|name| Setting::from_name(name.as_str()?)).collect()
    };
    let settings = match policy::import_json(row["settings"].to_string().as_bytes()) {
        Ok(set) => policy::values(&set),
        Err(_) => Values::new(),
    };
    SentBefore { settings, removed: names(&row["removed"]) }
}

/// What the policies want together, or why they do not go together.
fn wanted(assigned: &[AssignedPolicy]) -> Result<Values, Json> {
    let mut said: BTreeMap<Setting, Vec<(&Policy, Value)>> = BTreeMap::new();
    let mut unreadable = Vec::new();
    for AssignedPolicy { policy, .. } in assigned {
        match policy::import_json(policy.values.as_bytes()) {
            Ok(set) => {
                for (setting, value) in policy::values(&set) {
                    said.entry(setting).or_default().push((policy, value));
                }
            }
            Err(_) => unreadable.push(named(policy)),
        }
    }
    if !unreadable.is_empty() {
        return Err(json!({
            "code": "policy_unreadable",
            "text": "a policy holds settings that this server does not take; import it again",
            "conflicts": [],
            "policies": unreadable,
        }));
    }
    let conflicts: Vec<Json> = said
        .iter()
        .filter(|(_, said)| said.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a != b)))
        .map(|(setting, said)| who_says(*setting, said))
        .collect();
    if !conflicts.is_empty() {
        return Err(json!({
            "code": "policies_conflict",
            "text": "policies set one setting differently; change one of them, or assign only one",
            "conflicts": conflicts,
        }));
    }
    let wanted: Values =
        said.iter().filter_map(|(setting, said)| said.first().map(|(_, value)| (*setting, value.clone()))).collect();
    // Each is good alone; that they are good together is checked as the device will.
    if assigned.len() > 1
        && let Err(ImportError::Refused(refused)) = policy::import_json(policy::json(&wanted).as_bytes())
    {
        let conflicts: Vec<Json> = refused
            .iter()
            .filter_map(|refused| {
                let setting = Setting::from_name(refused.node.as_deref()?.rsplit('/').next()?)?;
                let mut conflict = who_says(setting, said.get(&setting)?);
                conflict["text"] = Json::from(refused.message.clone());
                Some(conflict)
            })
            .collect();
        return Err(json!({
            "code": "policies_do_not_fit",
            "text": "settings of different policies are not allowed together; change one of them, or assign only one",
            "conflicts": conflicts,
        }));
    }
    Ok(wanted)
}

fn named(policy: &Policy) -> Json {
    json!({"id": policy.id.to_string(), "name": policy.name})
}

fn who_says(setting: Setting, said: &[(&Policy, Value)]) -> Json {
    let policies: Vec<Json> = said
        .iter()
        .map(|(policy, value)| {
            let mut policy = named(policy);
            policy["value"] = Json::from(value.to_string());
            policy
        })
        .collect();
    let mut conflict = Map::new();
    conflict.insert("setting".into(), Json::from(setting.name()));
    conflict.insert("policies".into(), Json::Array(policies));
    Json::Object(conflict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ALL_DEVICES;
    use laps::id::PolicyId;
    use laps::time::Timestamp;

    fn policy(n: u8, values: &str) -> AssignedPolicy {
        AssignedPolicy {
            policy: Policy {
                id: PolicyId::from_random_bytes([n; 16]),
                name: format!("policy {n}"),
                version: 1,
                values: values.into(),
                changed_at: Timestamp::MIN,
            },
            groups: vec![ALL_DEVICES],
        }
    }
    fn sent(sequence: u64, shipment: &Shipment) -> Delivery {
        let row = shipment.row(DeviceId::from_random_bytes([1; 16]));
        Delivery {
            sequence,
            digest: row.digest,
            values: row.values,
            sent_at: Timestamp::MIN,
            answered_at: None,
            statuses: Vec::new(),
        }
    }
    fn shipment(plan: Plan) -> Shipment {
        match plan {
            Plan::Send(shipment) => shipment,
            other => panic!("not sent: {other:?}"),
        }
    }
    fn names(settings: &BTreeSet<Setting>) -> Vec<&'static str> {
        settings.iter().map(|setting| setting.name()).collect()
    }
    fn held(assigned: &[AssignedPolicy]) -> Json {
        match plan(assigned, &Deliveries::default()) {
            Plan::Held(reason) => serde_json::from_str(&reason).unwrap(),
            other => panic!("not held: {other:?}"),
        }
    }

    #[test]
    fn nothing_assigned_and_nothing_sent_is_in_force() {
        assert_eq!(plan(&[], &Deliveries::default()), Plan::InForce);
    }

    #[test]
    fn the_union_of_what_is_assigned_is_sent_once() {
        let assigned = [
            policy(1, r#"{"BackupDirectory":1,"PasswordLength":20}"#),
            policy(2, r#"{"PasswordLength":20,"PasswordAgeDays":14}"#),
        ];
        let first = shipment(plan(&assigned, &Deliveries::default()));
        assert_eq!(first.wanted.len(), 3);
        let row = sent(1, &first);
        // Sent and not answered: again the same.
        let unanswered = Deliveries { sent: Some(row.clone()), ..Deliveries::default() };
        assert_eq!(shipment(plan(&assigned, &unanswered)), first);
        let taken = Deliveries { sent: Some(row.clone()), in_force: Some(row), held: None };
        assert_eq!(plan(&assigned, &taken), Plan::InForce);
    }

    #[test]
    fn what_may_have_been_applied_is_deleted_too() {
        let old = shipment(plan(&[policy(1, r#"{"PasswordAgeDays":30}"#)], &Deliveries::default()));
        let lost = shipment(plan(&[policy(1, r#"{"PasswordLength":20}"#)], &Deliveries::default()));
        let deliveries = Deliveries { sent: Some(sent(2, &lost)), in_force: Some(sent(1, &old)), held: None };
        let next = shipment(plan(&[policy(3, r#"{"PasswordComplexity":4}"#)], &deliveries));
        assert_eq!(names(&next.removed), ["PasswordAgeDays", "PasswordLength"]);
        // The next one was not answered either: what it was to remove may still be there.
        let deliveries = Deliveries { sent: Some(sent(3, &next)), in_force: Some(sent(1, &old)), held: None };
        let last = shipment(plan(&[], &deliveries));
        assert_eq!(names(&last.removed), ["PasswordAgeDays", "PasswordComplexity", "PasswordLength"]);
        let deliveries = Deliveries { sent: Some(sent(4, &last)), in_force: Some(sent(4, &last)), held: None };
        assert_eq!(plan(&[], &deliveries), Plan::InForce);
    }

    #[test]
    fn a_node_that_the_device_lost_is_not_deleted_again() {
        let wanted = Values::from([(Setting::PasswordLength, Value::Int(20))]);
        let removed = BTreeSet::from([Setting::BackupDirectory, Setting::PasswordAgeDays]);
        let shipment = Shipment { wanted, removed };
        assert_eq!(shipment.len(), 3);
        let without = shipment.without_lost(&[Some(216), Some(404), Some(215)]).unwrap();
        assert_eq!(names(&without.removed), ["PasswordAgeDays"]);
        // A Replace that is refused with 404 is a refusal.
        assert_eq!(shipment.without_lost(&[Some(404), Some(215), None]), None);
    }

    #[test]
    fn policies_that_differ_are_named_and_hold_all() {
        let reason = held(&[
            policy(1, r#"{"BackupDirectory":1,"PasswordLength":20}"#),
            policy(2, r#"{"BackupDirectory":1,"PasswordLength":21}"#),
        ]);
        assert_eq!(reason["code"], "policies_conflict");
        let conflicts = reason["conflicts"].as_array().unwrap();
        assert_eq!((conflicts.len(), &conflicts[0]["setting"]), (1, &Json::from("PasswordLength")));
        assert_eq!(conflicts[0]["policies"][1]["name"], "policy 2");
        assert_eq!(conflicts[0]["policies"][1]["value"], "21");
    }

    #[test]
    fn policies_that_are_good_only_alone_hold_all() {
        // PasswordAgeDays starts at 7 when the cloud is the directory (laps-behaviour.md 1.8).
        let reason = held(&[policy(1, r#"{"BackupDirectory":1}"#), policy(2, r#"{"PasswordAgeDays":3}"#)]);
        assert_eq!(reason["code"], "policies_do_not_fit");
        assert_eq!(reason["conflicts"][0]["setting"], "PasswordAgeDays");
        assert_eq!(reason["conflicts"][0]["policies"][0]["name"], "policy 2");
    }

    #[test]
    fn a_policy_that_cannot_be_read_makes_no_hole() {
        let reason = held(&[policy(1, r#"{"BackupDirectory":1}"#), policy(2, r#"{"NoSuchSetting":3}"#)]);
        assert_eq!(reason["code"], "policy_unreadable");
        assert_eq!(reason["policies"][0]["name"], "policy 2");
    }

    #[test]
    fn a_delivery_after_a_conflict_ends_the_hold() {
        let assigned = [policy(1, r#"{"BackupDirectory":1}"#)];
        let row = sent(1, &shipment(plan(&assigned, &Deliveries::default())));
        let deliveries = Deliveries { sent: Some(row.clone()), in_force: Some(row), held: Some("{}".into()) };
        assert!(matches!(plan(&assigned, &deliveries), Plan::Send(_)));
    }
}

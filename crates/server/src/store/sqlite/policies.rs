//! Verbs of policies, assignments and deliveries.

use super::{
    StoreError, audit,
    column::{blob_list, folded, ticks, ticks_opt, time, time_opt},
    devices, groups, rollouts, tenant, work,
};
use crate::{
    audit::AuditEntry,
    store::{
        ALL_DEVICES, AssignedPolicy, Assignment, Deliveries, Delivery, NewDelivery, Page, PageOf, Policy,
        SettingStatus, Spread, WorkKind, WorkTarget,
    },
};
use laps::{
    id::{DeviceId, GroupId, PolicyId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const NEWEST: &str = "SELECT v.policy, v.name, v.version, v.settings, v.changed_at FROM policy AS p \
     JOIN policy_version AS v ON v.policy = p.id AND v.version = p.version";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Policy> {
    Ok(Policy {
        id: PolicyId::from_bytes(row.get(0)?),
        name: row.get(1)?,
        version: row.get(2)?,
        values: row.get(3)?,
        changed_at: time(row.get(4)?),
    })
}

/// A policy in its newest version.
pub(super) fn policy(tx: &Connection, id: PolicyId) -> Result<Option<Policy>, StoreError> {
    let found =
        tx.prepare_cached(&format!("{NEWEST} WHERE p.id = ?"))?.query_row([id.as_bytes()], from_row).optional()?;
    Ok(found)
}

pub(super) fn expect(tx: &Connection, id: PolicyId) -> Result<Policy, StoreError> {
    policy(tx, id)?.ok_or(StoreError::NotFound("policy"))
}

fn name_taken(tx: &Connection, name: &str, except: PolicyId) -> Result<bool, StoreError> {
    let taken = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM policy WHERE name_folded = ? AND id <> ?)",
        params![folded(name), except.as_bytes()],
        |row| row.get(0),
    )?;
    Ok(taken)
}

/// Makes a policy.
pub(super) fn create(
    tx: &Connection,
    id: PolicyId,
    name: &str,
    values: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Policy, StoreError> {
    if policy(tx, id)?.is_some() || name_taken(tx, name, id)? {
        return Err(StoreError::Exists("policy"));
    }
    tx.execute("INSERT INTO policy VALUES (?, ?, 1)", params![id.as_bytes(), folded(name)])?;
    insert_version(tx, id, 1, name, values, now)?;
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

fn insert_version(
    tx: &Connection,
    id: PolicyId,
    version: u32,
    name: &str,
    values: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO policy_version VALUES (?, ?, ?, ?, ?)",
        params![id.as_bytes(), version, name, values, ticks(now)],
    )?;
    Ok(())
}

/// What a new version of a policy says.
pub(super) struct Revision {
    /// The version that it was made from.
    pub(super) version: u32,
    /// Its name.
    pub(super) name: String,
    /// Its settings.
    pub(super) values: String,
    /// How it reaches its devices.
    pub(super) spread: Spread,
}

/// Makes the next version of a policy.
pub(super) fn revise(
    tx: &Connection,
    id: PolicyId,
    revision: &Revision,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Policy, StoreError> {
    if expect(tx, id)?.version != revision.version {
        return Err(StoreError::Changed);
    }
    if name_taken(tx, &revision.name, id)? {
        return Err(StoreError::Exists("policy"));
    }
    let next = revision.version.saturating_add(1);
    tx.execute(
        "UPDATE policy SET version = ?, name_folded = ? WHERE id = ?",
        params![next, folded(&revision.name), id.as_bytes()],
    )?;
    insert_version(tx, id, next, &revision.name, &revision.values, now)?;
    rollouts::spread(tx, id, revision.version, next, &revision.spread, now)?;
    for assignment in assignments(tx, Some(id))? {
        work::push(tx, WorkTarget::Group(assignment.group), WorkKind::Policy, now)?;
    }
    audit::append(tx, entry, Vec::new())?;
    expect(tx, id)
}

/// One version of a policy.
fn version_of(tx: &Connection, id: PolicyId, version: u32) -> Result<Policy, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT policy, name, version, settings, changed_at FROM policy_version WHERE policy = ? AND version = ?",
        )?
        .query_row(params![id.as_bytes(), version], from_row)
        .optional()?;
    found.ok_or(StoreError::NotFound("policy"))
}

/// Every version of a policy, newest first.
pub(super) fn versions(tx: &Connection, id: PolicyId) -> Result<Vec<Policy>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT policy, name, version, settings, changed_at FROM policy_version WHERE policy = ? \
             ORDER BY version DESC",
        )?
        .query_map([id.as_bytes()], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Policies in their newest version.
pub(super) fn policies(tx: &Connection, page: &Page) -> Result<PageOf<Policy>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<PolicyId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let size = page.size();
    let items = tx
        .prepare_cached(&format!("{NEWEST} WHERE p.id > ? ORDER BY p.id LIMIT ?"))?
        .query_map(params![after, size as i64 + 1], from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |policy| policy.id.to_string()))
}

/// Removes a policy that is not assigned.
pub(super) fn delete(tx: &Connection, id: PolicyId, entry: AuditEntry) -> Result<(), StoreError> {
    expect(tx, id)?;
    if !assignments(tx, Some(id))?.is_empty() {
        return Err(StoreError::InUse("a group"));
    }
    for table in ["exclusion", "ring_plan", "rollout", "policy_version"] {
        tx.execute(&format!("DELETE FROM {table} WHERE policy = ?"), [id.as_bytes()])?;
    }
    tx.execute("DELETE FROM policy WHERE id = ?", [id.as_bytes()])?;
    audit::append(tx, entry, Vec::new())
}

/// Assigns a policy to a group.
pub(super) fn assign(
    tx: &Connection,
    policy: PolicyId,
    group: GroupId,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    expect(tx, policy)?;
    groups::expect(tx, group)?;
    let added = tx.execute(
        "INSERT OR IGNORE INTO assignment VALUES (?, ?, ?)",
        params![policy.as_bytes(), group.as_bytes(), ticks(now)],
    )?;
    if added > 0 {
        work::push(tx, WorkTarget::Group(group), WorkKind::Policy, now)?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

/// Ends an assignment.
pub(super) fn unassign(tx: &Connection, policy: PolicyId, group: GroupId, entry: AuditEntry) -> Result<(), StoreError> {
    expect(tx, policy)?;
    let removed = tx
        .execute("DELETE FROM assignment WHERE policy = ? AND grp = ?", params![policy.as_bytes(), group.as_bytes()])?;
    if removed > 0 {
        work::push(tx, WorkTarget::Group(group), WorkKind::Policy, entry.at)?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

/// Assignments of one policy, or all.
pub(super) fn assignments(tx: &Connection, policy: Option<PolicyId>) -> Result<Vec<Assignment>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT policy, grp, assigned_at FROM assignment WHERE ?1 IS NULL OR policy = ?1 ORDER BY policy, grp \
             LIMIT ?2",
        )?
        .query_map(params![policy.map(|id| *id.as_bytes()), Page::LIMIT_MAX], |row| {
            Ok(Assignment {
                policy: PolicyId::from_bytes(row.get(0)?),
                group: GroupId::from_bytes(row.get(1)?),
                assigned_at: time(row.get(2)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// The policies that apply to a device.
pub(super) fn policies_for(tx: &Connection, device: DeviceId) -> Result<Vec<AssignedPolicy>, StoreError> {
    let groups = devices::device(tx, device)?.ok_or(StoreError::DeviceUnknown)?.groups;
    let own = blob_list(groups.iter().chain([&ALL_DEVICES]).map(GroupId::as_bytes));
    let pairs = tx
        .prepare(&format!(
            "SELECT policy, grp FROM assignment WHERE grp IN ({own}) AND policy NOT IN \
             (SELECT policy FROM exclusion WHERE grp IN ({own})) ORDER BY policy, grp"
        ))?
        .query_map([], |row| Ok((PolicyId::from_bytes(row.get(0)?), GroupId::from_bytes(row.get(1)?))))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut found: Vec<AssignedPolicy> = Vec::new();
    for (id, group) in pairs {
        match found.last_mut().filter(|last| last.policy.id == id) {
            Some(last) => last.groups.push(group),
            None => {
                let rollout = rollouts::rollout(tx, id)?.filter(|rollout| rollout.state.is_open());
                let policy = match rollout {
                    None => Some(expect(tx, id)?),
                    Some(rollout) => match rollout.version_for(device, &groups) {
                        Some(version) => Some(version_of(tx, id, version)?),
                        None => None,
                    },
                };
                found.extend(policy.map(|policy| AssignedPolicy { policy, groups: vec![group] }));
            }
        }
    }
    Ok(found)
}

fn delivery(tx: &Connection, device: DeviceId, in_force: bool) -> Result<Option<Delivery>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT sequence, digest, settings, sent_at, answered_at, statuses FROM delivery \
             WHERE device = ? AND in_force = ?",
        )?
        .query_row(params![device.as_bytes(), in_force], |row| {
            Ok((
                Delivery {
                    sequence: row.get::<_, i64>(0)? as u64,
                    digest: row.get(1)?,
                    values: row.get(2)?,
                    sent_at: time(row.get(3)?),
                    answered_at: time_opt(row.get(4)?),
                    statuses: Vec::new(),
                },
                row.get::<_, String>(5)?,
            ))
        })
        .optional()?;
    let Some((mut delivery, statuses)) = found else {
        return Ok(None);
    };
    delivery.statuses =
        self::statuses(&statuses)?.into_iter().map(|(uri, status)| SettingStatus { uri, status }).collect();
    Ok(Some(delivery))
}

/// Statuses from their column: URI and status.
pub(super) fn statuses(text: &str) -> Result<Vec<(String, u16)>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("statuses: {error}")))
}

fn put(tx: &Connection, device: DeviceId, in_force: bool, delivery: &Delivery) -> Result<(), StoreError> {
    let statuses: Vec<(&str, u16)> = delivery.statuses.iter().map(|one| (one.uri.as_str(), one.status)).collect();
    let statuses =
        serde_json::to_string(&statuses).map_err(|error| StoreError::Corrupt(format!("statuses: {error}")))?;
    tx.prepare_cached("INSERT OR REPLACE INTO delivery VALUES (?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        device.as_bytes(),
        in_force,
        delivery.sequence as i64,
        delivery.digest,
        delivery.values,
        ticks(delivery.sent_at),
        ticks_opt(delivery.answered_at),
        statuses
    ])?;
    Ok(())
}

/// The delivery that was sent last, when it is the same and nothing is held: it needs no write.
pub(super) fn same_delivery(tx: &Connection, new: &NewDelivery) -> Result<Option<Delivery>, StoreError> {
    devices::reachable(tx, new.device)?;
    if held(tx, new.device)?.is_some() {
        return Ok(None);
    }
    Ok(delivery(tx, new.device, false)?.filter(|sent| sent.digest == new.digest))
}

/// Notes what is sent to a device.
pub(super) fn record_delivery(tx: &Connection, new: &NewDelivery, now: Timestamp) -> Result<Delivery, StoreError> {
    devices::reachable(tx, new.device)?;
    tx.prepare_cached("DELETE FROM hold WHERE device = ?")?.execute([new.device.as_bytes()])?;
    if let Some(sent) = delivery(tx, new.device, false)?.filter(|sent| sent.digest == new.digest) {
        return Ok(sent);
    }
    let sent = Delivery {
        sequence: tenant::next_sequence(tx)?,
        digest: new.digest,
        values: new.values.clone(),
        sent_at: now,
        answered_at: None,
        statuses: Vec::new(),
    };
    put(tx, new.device, false, &sent)?;
    Ok(sent)
}

/// What the device's answer changes: the delivery with it, and whether it is now in force.
fn answered(
    tx: &Connection,
    device: DeviceId,
    sequence: u64,
    statuses: &[SettingStatus],
    complete: bool,
) -> Result<Option<Delivery>, StoreError> {
    devices::reachable(tx, device)?;
    let Some(sent) = delivery(tx, device, false)?.filter(|sent| sent.sequence == sequence) else {
        return Ok(None);
    };
    let in_force = delivery(tx, device, true)?.is_some_and(|in_force| in_force.sequence == sequence);
    let news = sent.answered_at.is_none() || sent.statuses != statuses || (complete && !in_force);
    Ok(news.then_some(sent))
}

/// Whether an answer would change something.
pub(super) fn is_news(
    tx: &Connection,
    device: DeviceId,
    sequence: u64,
    statuses: &[SettingStatus],
    complete: bool,
) -> Result<bool, StoreError> {
    Ok(answered(tx, device, sequence, statuses, complete)?.is_some())
}

/// The device answered.
pub(super) fn answer_delivery(
    tx: &Connection,
    device: DeviceId,
    sequence: u64,
    statuses: Vec<SettingStatus>,
    complete: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(mut sent) = answered(tx, device, sequence, &statuses, complete)? else {
        return Ok(());
    };
    sent.answered_at = Some(now);
    sent.statuses = statuses;
    put(tx, device, false, &sent)?;
    if complete {
        put(tx, device, true, &sent)?;
    }
    Ok(())
}

/// Why nothing new is sent to a device.
pub(super) fn held(tx: &Connection, device: DeviceId) -> Result<Option<String>, StoreError> {
    let found = tx
        .prepare_cached("SELECT reason FROM hold WHERE device = ?")?
        .query_row([device.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// Nothing new is sent to a device.
pub(super) fn hold(tx: &Connection, device: DeviceId, reason: &str) -> Result<(), StoreError> {
    devices::reachable(tx, device)?;
    tx.prepare_cached("INSERT OR REPLACE INTO hold VALUES (?, ?)")?.execute(params![device.as_bytes(), reason])?;
    Ok(())
}

/// What was delivered to a device.
pub(super) fn deliveries(tx: &Connection, device: DeviceId) -> Result<Deliveries, StoreError> {
    Ok(Deliveries {
        sent: delivery(tx, device, false)?,
        in_force: delivery(tx, device, true)?,
        held: held(tx, device)?,
    })
}

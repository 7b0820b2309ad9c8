//! Verbs of exclusions, rings and holds of policies.

use super::{
    StoreError, audit,
    column::{known, ticks, time},
    groups,
    policies::{assignments, expect},
    work,
};
use crate::{
    audit::AuditEntry,
    store::{
        Assignment, HeldDevice, Page, PageOf, Rollout, RolloutChange, RolloutState, Spread, WorkKind, WorkTarget,
        rollout::{plan_of, plan_text},
    },
};
use laps::{
    id::{DeviceId, GroupId, PolicyId},
    rollout::Ring,
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "policy, former, wanted, plan, state, ring, ring_at, started_at, changed_at, detail";

/// Excludes a group.
pub(super) fn exclude(
    tx: &Connection,
    policy: PolicyId,
    group: GroupId,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    expect(tx, policy)?;
    groups::expect(tx, group)?;
    let added = tx.execute(
        "INSERT OR IGNORE INTO exclusion VALUES (?, ?, ?)",
        params![policy.as_bytes(), group.as_bytes(), ticks(now)],
    )?;
    if added > 0 {
        work::push(tx, WorkTarget::Group(group), WorkKind::Policy, now)?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

/// Ends an exclusion.
pub(super) fn include(tx: &Connection, policy: PolicyId, group: GroupId, entry: AuditEntry) -> Result<(), StoreError> {
    expect(tx, policy)?;
    let removed =
        tx.execute("DELETE FROM exclusion WHERE policy = ? AND grp = ?", params![policy.as_bytes(), group.as_bytes()])?;
    if removed > 0 {
        work::push(tx, WorkTarget::Group(group), WorkKind::Policy, entry.at)?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

/// Exclusions of one policy, or all.
pub(super) fn exclusions(tx: &Connection, policy: Option<PolicyId>) -> Result<Vec<Assignment>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT policy, grp, excluded_at FROM exclusion WHERE ?1 IS NULL OR policy = ?1 ORDER BY policy, grp \
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

/// Sets the plan of a policy.
pub(super) fn set_plan(
    tx: &Connection,
    policy: PolicyId,
    rings: Option<&[Ring]>,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    expect(tx, policy)?;
    if plan(tx, policy)?.as_deref() == rings {
        return Ok(());
    }
    match rings {
        Some(rings) => {
            tx.execute("INSERT OR REPLACE INTO ring_plan VALUES (?, ?)", params![policy.as_bytes(), plan_text(rings)])?
        }
        None => tx.execute("DELETE FROM ring_plan WHERE policy = ?", [policy.as_bytes()])?,
    };
    audit::append(tx, entry, Vec::new())
}

/// The plan of a policy.
pub(super) fn plan(tx: &Connection, policy: PolicyId) -> Result<Option<Vec<Ring>>, StoreError> {
    let text: Option<String> = tx
        .prepare_cached("SELECT plan FROM ring_plan WHERE policy = ?")?
        .query_row([policy.as_bytes()], |row| row.get(0))
        .optional()?;
    text.map(|text| plan_of(&text).ok_or_else(|| StoreError::Corrupt("plan of rings".into()))).transpose()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Rollout> {
    Ok(Rollout {
        policy: PolicyId::from_bytes(row.get(0)?),
        former: row.get(1)?,
        wanted: row.get(2)?,
        rings: known(plan_of(row.get_ref(3)?.as_str()?), "plan of rings")?,
        state: known(RolloutState::from_word(row.get_ref(4)?.as_str()?), "state of a rollout")?,
        ring: row.get(5)?,
        ring_at: time(row.get(6)?),
        started_at: time(row.get(7)?),
        changed_at: time(row.get(8)?),
        detail: row.get(9)?,
    })
}

/// The last version of a policy that went by rings.
pub(super) fn rollout(tx: &Connection, policy: PolicyId) -> Result<Option<Rollout>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {COLUMNS} FROM rollout WHERE policy = ?"))?
        .query_row([policy.as_bytes()], from_row)
        .optional()?;
    Ok(found)
}

/// Rollouts that are running or halted.
pub(super) fn open(tx: &Connection) -> Result<Vec<Rollout>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM rollout WHERE state IN ('running', 'halted') ORDER BY policy LIMIT ?"
        ))?
        .query_map([Page::LIMIT_MAX], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

fn put(tx: &Connection, rollout: &Rollout) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR REPLACE INTO rollout VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
        rollout.policy.as_bytes(),
        rollout.former,
        rollout.wanted,
        plan_text(&rollout.rings),
        rollout.state.word(),
        rollout.ring,
        ticks(rollout.ring_at),
        ticks(rollout.started_at),
        ticks(rollout.changed_at),
        rollout.detail,
    ])?;
    Ok(())
}

fn begin(
    tx: &Connection,
    policy: PolicyId,
    (former, wanted): (u32, u32),
    rings: &[Ring],
    now: Timestamp,
) -> Result<Rollout, StoreError> {
    if rollout(tx, policy)?.is_some_and(|open| open.state.is_open()) {
        return Err(StoreError::InUse("a version that is on its way by rings"));
    }
    let begun = Rollout {
        policy,
        former,
        wanted,
        rings: rings.to_vec(),
        state: RolloutState::Running,
        ring: 0,
        ring_at: now,
        started_at: now,
        changed_at: now,
        detail: "{}".into(),
    };
    put(tx, &begun)?;
    Ok(begun)
}

/// How a new version reaches its devices.
pub(super) fn spread(
    tx: &Connection,
    policy: PolicyId,
    former: u32,
    wanted: u32,
    spread: &Spread,
    now: Timestamp,
) -> Result<(), StoreError> {
    match spread {
        Spread::Rings(rings) => begin(tx, policy, (former, wanted), rings, now).map(drop),
        Spread::AtOnce => match rollout(tx, policy)?.filter(|open| open.state.is_open()) {
            Some(open) => put(tx, &Rollout { state: RolloutState::RolledBack, changed_at: now, ..open }),
            None => Ok(()),
        },
    }
}

/// The newest version goes by rings to devices that have none.
pub(super) fn begin_first(
    tx: &Connection,
    policy: PolicyId,
    rings: &[Ring],
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Rollout, StoreError> {
    let wanted = expect(tx, policy)?.version;
    let begun = begin(tx, policy, (0, wanted), rings, now)?;
    audit::append(tx, entry, Vec::new())?;
    Ok(begun)
}

/// Changes a rollout.
pub(super) fn change(
    tx: &Connection,
    from: &Rollout,
    change: RolloutChange,
    detail: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Rollout, StoreError> {
    let mut stored = rollout(tx, from.policy)?.ok_or(StoreError::NotFound("rollout"))?;
    if (stored.ring, stored.state, stored.wanted) != (from.ring, from.state, from.wanted) || !stored.state.is_open() {
        return Err(StoreError::Changed);
    }
    let last = u32::try_from(stored.rings.len()).unwrap_or(u32::MAX).saturating_sub(1);
    match (change, stored.state) {
        (RolloutChange::Advance, RolloutState::Running) if stored.ring < last => {
            stored.ring += 1;
            stored.ring_at = now;
        }
        (RolloutChange::Halt, RolloutState::Running) => stored.state = RolloutState::Halted,
        (RolloutChange::Resume, RolloutState::Halted) => {
            stored.state = RolloutState::Running;
            stored.ring_at = now;
        }
        (RolloutChange::Complete, _) => stored.state = RolloutState::Complete,
        _ => return Err(StoreError::Changed),
    }
    stored.changed_at = now;
    stored.detail = detail.to_owned();
    put(tx, &stored)?;
    if matches!(change, RolloutChange::Advance | RolloutChange::Complete) {
        for assignment in assignments(tx, Some(from.policy))? {
            work::push(tx, WorkTarget::Group(assignment.group), WorkKind::Policy, now)?;
        }
    }
    audit::append(tx, entry, Vec::new())?;
    Ok(stored)
}

/// Devices that nothing new is sent to.
pub(super) fn held(tx: &Connection, page: &Page) -> Result<PageOf<HeldDevice>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<DeviceId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let size = page.size();
    let items = tx
        .prepare_cached(
            "SELECT h.device, d.name, h.reason FROM hold AS h JOIN device AS d ON d.id = h.device \
             WHERE h.device > ? AND d.state IN ('enabled', 'disabled') ORDER BY h.device LIMIT ?",
        )?
        .query_map(params![after, size as i64 + 1], |row| {
            Ok(HeldDevice { device: DeviceId::from_bytes(row.get(0)?), name: row.get(1)?, reason: row.get(2)? })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |held| held.device.to_string()))
}

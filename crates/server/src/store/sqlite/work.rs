//! Verbs of rotation requests and the outbox; events of devices.

use super::{
    StoreError, audit,
    column::{known, ticks, time, time_opt},
    devices, tenant,
};
use crate::{
    audit::AuditEntry,
    store::{
        DeviceEvent, DeviceEventKind, DeviceState, Page, PageOf, RequestedRotation, RotationRequest, Work, WorkKind,
        WorkTarget,
    },
};
use laps::{
    id::{DeviceId, GroupId, PrincipalId, VersionId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const REQUEST: &str = "sequence, device, requested_by, requested_at, met_at, met_by, closed_at, closed_code";
/// Requests that a list shows.
const REQUESTS_SHOWN: u32 = 20;

/// How a rotation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// For this device alone: no campaign ends the request.
    Alone,
    /// Among the devices of a campaign. A request of a sequence up to this is not given again.
    Among(u64),
}

/// A rotation is asked for.
pub(super) fn request_rotation(
    tx: &Connection,
    device: DeviceId,
    by: PrincipalId,
    asked: Asked,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<RequestedRotation, StoreError> {
    match devices::state(tx, device)? {
        None | Some(DeviceState::Purged) => return Err(StoreError::DeviceUnknown),
        Some(DeviceState::Deleted) => return Err(StoreError::DeviceDeleted),
        Some(DeviceState::Disabled) => return Err(StoreError::DeviceDisabled),
        Some(DeviceState::Enabled) => {}
    }
    let (alone, above) = match asked {
        Asked::Alone => (true, 0),
        Asked::Among(above) => (false, above),
    };
    // Repeats coalesce, unless a rotation has begun since: that one may already be past what is asked.
    let open = tx
        .prepare_cached(&format!(
            "SELECT {REQUEST} FROM request AS r WHERE device = ?1 AND met_at IS NULL AND closed_at IS NULL \
             AND sequence > ?2 AND NOT EXISTS \
             (SELECT 1 FROM version WHERE device = ?1 AND sequence > r.sequence) ORDER BY sequence DESC LIMIT 1"
        ))?
        .query_row(params![device.as_bytes(), above as i64], request)
        .optional()?;
    if let Some(request) = open {
        if alone {
            tx.prepare_cached("UPDATE request SET alone = 1 WHERE sequence = ? AND alone = 0")?
                .execute([request.sequence as i64])?;
        }
        return Ok(RequestedRotation { request, again: true });
    }
    let sequence = tenant::next_sequence(tx)?;
    tx.execute(
        "INSERT INTO request (sequence, device, requested_by, requested_at, alone) VALUES (?, ?, ?, ?, ?)",
        params![sequence as i64, device.as_bytes(), by.as_bytes(), ticks(now), alone],
    )?;
    push(tx, WorkTarget::Device(device), WorkKind::Rotate, now)?;
    audit::append(tx, entry, Vec::new())?;
    let request = RotationRequest {
        sequence,
        device,
        requested_by: by,
        requested_at: now,
        met_at: None,
        met_by: None,
        closed: None,
    };
    Ok(RequestedRotation { request, again: false })
}

/// Rotation requests of a device, newest first.
pub(super) fn requests(tx: &Connection, device: DeviceId) -> Result<Vec<RotationRequest>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {REQUEST} FROM request WHERE device = ? ORDER BY sequence DESC LIMIT ?"))?
        .query_map(params![device.as_bytes(), REQUESTS_SHOWN], request)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Closes the open requests of a device.
pub(super) fn close_requests(
    tx: &Connection,
    device: DeviceId,
    code: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<u64, StoreError> {
    let closed = tx
        .prepare_cached(
            "UPDATE request SET closed_at = ?, closed_code = ? WHERE device = ? AND met_at IS NULL AND closed_at IS NULL",
        )?
        .execute(params![ticks(now), code, device.as_bytes()])?;
    if closed > 0 {
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(closed as u64)
}

/// Open requests with a sequence below `below`, oldest first.
pub(super) fn open_requests(tx: &Connection, device: DeviceId, below: u64) -> Result<Vec<u64>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT sequence FROM request WHERE device = ? AND met_at IS NULL AND closed_at IS NULL AND sequence < ? \
             ORDER BY sequence",
        )?
        .query_map(params![device.as_bytes(), i64::try_from(below).unwrap_or(i64::MAX)], |row| row.get::<_, i64>(0))?
        .map(|sequence| sequence.map(|sequence| sequence as u64))
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Adds a piece of work.
pub(super) fn push(tx: &Connection, target: WorkTarget, kind: WorkKind, now: Timestamp) -> Result<(), StoreError> {
    let sequence = tenant::next_sequence(tx)?;
    let (device, group) = match target {
        WorkTarget::Device(device) => (Some(*device.as_bytes()), None),
        WorkTarget::Group(group) => (None, Some(*group.as_bytes())),
    };
    tx.prepare_cached("INSERT INTO work VALUES (?, ?, ?, ?, ?)")?.execute(params![
        sequence as i64,
        device,
        group,
        kind.word(),
        ticks(now)
    ])?;
    Ok(())
}

/// Work behind `after`, oldest first.
pub(super) fn since(tx: &Connection, after: u64, limit: u32) -> Result<Vec<Work>, StoreError> {
    let found = tx
        .prepare_cached("SELECT sequence, device, grp, kind FROM work WHERE sequence > ? ORDER BY sequence LIMIT ?")?
        .query_map(params![after as i64, limit], |row| {
            let device: Option<[u8; 16]> = row.get(1)?;
            let group: Option<[u8; 16]> = row.get(2)?;
            let target = device
                .map(|id| WorkTarget::Device(DeviceId::from_bytes(id)))
                .or(group.map(|id| WorkTarget::Group(GroupId::from_bytes(id))));
            Ok(Work {
                sequence: row.get::<_, i64>(0)? as u64,
                target: known(target, "target of work")?,
                kind: known(WorkKind::from_word(row.get_ref(3)?.as_str()?), "kind of work")?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Notes an event of a device.
pub(super) fn event(
    tx: &Connection,
    device: DeviceId,
    kind: DeviceEventKind,
    now: Timestamp,
    detail: &str,
) -> Result<(), StoreError> {
    let sequence = tenant::next_sequence(tx)?;
    tx.prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?)")?.execute(params![
        sequence as i64,
        device.as_bytes(),
        ticks(now),
        kind.word(),
        detail
    ])?;
    Ok(())
}

/// Events of a device, newest first.
pub(super) fn events(tx: &Connection, device: DeviceId, page: &Page) -> Result<PageOf<DeviceEvent>, StoreError> {
    let before: i64 = match &page.after {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| StoreError::BadCursor)?,
    };
    let size = page.size();
    let items = tx
        .prepare_cached(
            "SELECT sequence, at, kind, detail FROM event WHERE device = ? AND sequence < ? \
             ORDER BY sequence DESC LIMIT ?",
        )?
        .query_map(params![device.as_bytes(), before, size as i64 + 1], |row| {
            Ok(DeviceEvent {
                sequence: row.get::<_, i64>(0)? as u64,
                device,
                at: time(row.get(1)?),
                kind: known(DeviceEventKind::from_word(row.get_ref(2)?.as_str()?), "kind of event")?,
                detail: row.get(3)?,
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |event| event.sequence.to_string()))
}

fn request(row: &Row<'_>) -> rusqlite::Result<RotationRequest> {
    Ok(RotationRequest {
        sequence: row.get::<_, i64>(0)? as u64,
        device: DeviceId::from_bytes(row.get(1)?),
        requested_by: PrincipalId::from_bytes(row.get(2)?),
        requested_at: time(row.get(3)?),
        met_at: time_opt(row.get(4)?),
        met_by: row.get::<_, Option<[u8; 16]>>(5)?.map(VersionId::from_bytes),
        closed: time_opt(row.get(6)?).zip(row.get(7)?),
    })
}

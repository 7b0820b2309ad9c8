//! Verbs of reading rules, requests for access, and rotations that follow reads.

use super::{
    StoreError, audit,
    column::{ticks, ticks_opt, time, time_opt},
    devices, groups, tenant, versions, work,
};
use crate::{
    audit::AuditEntry,
    store::{
        ACCESS_KEPT_DAYS, ACCESS_OPEN_MAX, ALL_DEVICES, AccessAnswer, AccessFilter, AccessRequest, AccessState,
        DueRotation, GroupRule, NewAccessRequest, Page, PageOf, ReadingRule, RequestedAccess, Reveal,
    },
};
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const RULE: &str =
    "reason, ticket, ticket_pattern, approvals, approval_minutes, approval_reads, rotate_after_minutes, grp";
const REQUEST: &str = "sequence, id, device, principal, principal_name, reason, ticket, asked_at, until, approvals, \
     reads, reads_left, cancelled_at";

// ---- rules --------------------------------------------------------------------------------------

/// Every rule, in the order of the groups' ids.
pub(super) fn rules(tx: &Connection) -> Result<Vec<GroupRule>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {RULE} FROM reading_rule ORDER BY grp"))?
        .query_map([], |row| Ok(GroupRule { group: GroupId::from_bytes(row.get(7)?), rule: rule(row)? }))?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

fn one_rule(tx: &Connection, group: GroupId) -> Result<Option<ReadingRule>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {RULE} FROM reading_rule WHERE grp = ?"))?
        .query_row([group.as_bytes()], rule)
        .optional()?;
    Ok(found)
}

/// Whether a group has a rule.
pub(super) fn has_rule(tx: &Connection, group: GroupId) -> Result<bool, StoreError> {
    Ok(one_rule(tx, group)?.is_some())
}

/// Sets or takes away the rule of a group.
pub(super) fn set_rule(
    tx: &Connection,
    group: GroupId,
    rule: Option<&ReadingRule>,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    groups::expect(tx, group)?;
    if one_rule(tx, group)?.as_ref() == rule {
        return Ok(());
    }
    tx.execute("DELETE FROM reading_rule WHERE grp = ?", [group.as_bytes()])?;
    if let Some(rule) = rule {
        tx.execute(
            "INSERT INTO reading_rule VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                group.as_bytes(),
                rule.reason,
                rule.ticket,
                rule.ticket_patterns.first(),
                rule.approvals,
                rule.approval_minutes,
                rule.approval_reads,
                rule.rotate_after_minutes,
            ],
        )?;
    }
    audit::append(tx, entry, Vec::new())
}

/// The strictest of the rules that bear on a device: of its groups, and of the groups of those former objects of
/// the machine whose passwords are shown with its own.
pub(super) fn rule_for(tx: &Connection, device: DeviceId) -> Result<ReadingRule, StoreError> {
    let all = rules(tx)?;
    if all.is_empty() {
        return Ok(ReadingRule::default());
    }
    let mut objects = vec![device];
    objects.extend(versions::shown(tx, device, true)?.into_iter().map(|version| version.device));
    objects.sort_unstable();
    objects.dedup();
    let mut groups = vec![ALL_DEVICES];
    for object in objects {
        groups.extend(devices::device(tx, object)?.ok_or(StoreError::DeviceUnknown)?.groups);
    }
    Ok(ReadingRule::strictest(all.into_iter().filter(|one| groups.contains(&one.group)).map(|one| one.rule)))
}

/// Holds a reveal to the rules: what is not brought is [`StoreError::Changed`], a request for access is used, and
/// the rotation that follows is noted. Called inside the transaction of the reveal.
pub(super) fn admit(tx: &Connection, reveal: &Reveal, now: Timestamp) -> Result<(), StoreError> {
    let rule = rule_for(tx, reveal.device)?;
    let reading = &reveal.reading;
    if rule.shortfall(reading).is_some() {
        return Err(StoreError::Changed);
    }
    if let (Some(id), false, true) = (reading.grant, reading.break_glass, rule.approvals > 0) {
        let request = access(tx, id)?.ok_or(StoreError::Changed)?;
        if !request.is_good(reveal.device, reveal.principal, rule.approvals, now) {
            return Err(StoreError::Changed);
        }
        tx.prepare_cached("UPDATE access_request SET reads_left = reads_left - 1 WHERE id = ?")?.execute([id])?;
    }
    if let Some(minutes) = rule.rotation_minutes(reading) {
        let due_at = now.plus_seconds(u64::from(minutes) * 60);
        // A later read prolongs nothing; one with a shorter time, such as break-glass, counts.
        tx.prepare_cached(
            "INSERT INTO rotation_due VALUES (?1, ?2, ?3, ?4) ON CONFLICT (device) DO UPDATE SET \
             due_at = min(due_at, excluded.due_at), sequence = excluded.sequence",
        )?
        .execute(params![
            reveal.device.as_bytes(),
            ticks(due_at),
            reveal.principal.as_bytes(),
            tenant::next_sequence(tx)? as i64
        ])?;
    }
    Ok(())
}

// ---- requests for access ------------------------------------------------------------------------

/// Makes a request for access, or gives the asker's living one for the device.
pub(super) fn request(
    tx: &Connection,
    new: &NewAccessRequest,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<RequestedAccess, StoreError> {
    devices::reachable(tx, new.device)?;
    let mine = AccessFilter { device: None, principal: Some(new.principal), living_at: Some(now) };
    let living = list(tx, &mine, &Page::first(ACCESS_OPEN_MAX))?.items;
    if let Some(request) = living.iter().find(|request| request.asked.device == new.device) {
        return Ok(RequestedAccess { request: request.clone(), again: true });
    }
    if living.len() >= ACCESS_OPEN_MAX as usize {
        return Err(StoreError::TooManyRequests);
    }
    let sequence = tenant::next_sequence(tx)?;
    tx.execute(
        "INSERT INTO access_request VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        params![
            sequence as i64,
            new.id,
            new.device.as_bytes(),
            new.principal.as_bytes(),
            new.principal_name,
            new.reason,
            new.ticket,
            ticks(now),
            ticks(new.until),
            new.approvals,
            new.reads,
            new.reads,
        ],
    )?;
    audit::append(tx, entry, Vec::new())?;
    let request = access(tx, new.id)?.ok_or(StoreError::NotFound("request for access"))?;
    Ok(RequestedAccess { request, again: false })
}

/// A request for access.
pub(super) fn access(tx: &Connection, id: [u8; 16]) -> Result<Option<AccessRequest>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {REQUEST} FROM access_request WHERE id = ?"))?
        .query_row([id], from_row)
        .optional()?;
    found.map(|request| with_answers(tx, request)).transpose()
}

/// Requests for access, newest first.
pub(super) fn list(tx: &Connection, filter: &AccessFilter, page: &Page) -> Result<PageOf<AccessRequest>, StoreError> {
    let before: i64 = match &page.after {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| StoreError::BadCursor)?,
    };
    let size = page.size();
    let sql = format!(
        "SELECT {REQUEST} FROM access_request AS r WHERE sequence < ?1 AND (?2 IS NULL OR device = ?2) \
         AND (?3 IS NULL OR principal = ?3) AND (?4 IS NULL OR (until > ?4 AND cancelled_at IS NULL AND reads_left > 0 \
         AND NOT EXISTS (SELECT 1 FROM access_answer WHERE request = r.sequence AND approved = 0))) \
         ORDER BY sequence DESC LIMIT ?5"
    );
    let found = tx
        .prepare_cached(&sql)?
        .query_map(
            params![
                before,
                filter.device.map(|id| *id.as_bytes()),
                filter.principal.map(|id| *id.as_bytes()),
                ticks_opt(filter.living_at),
                size as i64 + 1
            ],
            from_row,
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let items = found.into_iter().map(|request| with_answers(tx, request)).collect::<Result<_, _>>()?;
    Ok(PageOf::cut(items, size, |request: &AccessRequest| request.sequence.to_string()))
}

/// Answers a request for access.
pub(super) fn answer(
    tx: &Connection,
    id: [u8; 16],
    answer: &AccessAnswer,
    entry: AuditEntry,
) -> Result<AccessRequest, StoreError> {
    let request = access(tx, id)?.ok_or(StoreError::NotFound("request for access"))?;
    if request.asked.principal == answer.principal {
        return Err(StoreError::OwnRequest);
    }
    match request.state(answer.at) {
        AccessState::Open => {}
        // What was approved can still be denied.
        AccessState::Approved if !answer.approved => {}
        state => return Err(StoreError::AccessEnded(state.word())),
    }
    let again = request.answers.iter().any(|one| one.principal == answer.principal && one.approved == answer.approved);
    if again {
        return Err(StoreError::Exists("answer of yours"));
    }
    tx.execute(
        "INSERT OR REPLACE INTO access_answer (request, principal, principal_name, approved, at, reason) \
         VALUES (?, ?, ?, ?, ?, ?)",
        params![
            request.sequence as i64,
            answer.principal.as_bytes(),
            answer.principal_name,
            answer.approved,
            ticks(answer.at),
            answer.reason,
        ],
    )?;
    audit::append(tx, entry, Vec::new())?;
    with_answers(tx, request)
}

/// Its asker takes a request back.
pub(super) fn cancel(
    tx: &Connection,
    id: [u8; 16],
    by: PrincipalId,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<AccessRequest, StoreError> {
    let request = access(tx, id)?
        .filter(|request| request.asked.principal == by)
        .ok_or(StoreError::NotFound("request for access"))?;
    match request.state(now) {
        AccessState::Open | AccessState::Approved => {}
        AccessState::Cancelled => return Ok(request),
        state => return Err(StoreError::AccessEnded(state.word())),
    }
    tx.execute("UPDATE access_request SET cancelled_at = ? WHERE id = ?", params![ticks(now), id])?;
    audit::append(tx, entry, Vec::new())?;
    Ok(AccessRequest { cancelled_at: Some(now), ..request })
}

/// Removes requests whose time has been over long enough.
pub(super) fn sweep(tx: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.minus_ticks(u64::from(ACCESS_KEPT_DAYS) * laps::time::TICKS_PER_DAY);
    Ok(tx.prepare_cached("DELETE FROM access_request WHERE until < ?")?.execute([ticks(before)])? as u64)
}

// ---- rotations that follow reads ----------------------------------------------------------------

/// The rotation that a device's reads are followed by.
pub(super) fn due(tx: &Connection, device: DeviceId) -> Result<Option<DueRotation>, StoreError> {
    let found = tx
        .prepare_cached("SELECT device, due_at, read_by, sequence FROM rotation_due WHERE device = ?")?
        .query_row([device.as_bytes()], due_row)
        .optional()?;
    Ok(found)
}

/// Rotations whose time has come, of devices that can rotate.
pub(super) fn all_due(tx: &Connection, now: Timestamp, limit: u32) -> Result<Vec<DueRotation>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT r.device, r.due_at, r.read_by, r.sequence FROM rotation_due AS r JOIN device AS d ON d.id = r.device \
             WHERE r.due_at <= ? AND d.state = 'enabled' ORDER BY r.due_at, r.device LIMIT ?",
        )?
        .query_map(params![ticks(now), limit], due_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Asks for the rotation that follows a read, when it is due by `by`.
pub(super) fn rotate(
    tx: &Connection,
    device: DeviceId,
    by: Timestamp,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<bool, StoreError> {
    let Some(due) = due(tx, device)?.filter(|due| due.due_at <= by) else {
        return Ok(false);
    };
    work::request_rotation(tx, device, due.read_by, work::Asked::Alone, now, entry)?;
    forget(tx, device, u64::MAX)?;
    Ok(true)
}

/// What was read before this place in the order is no longer due: a version of that place is proven, the device is
/// asked, or it is gone.
pub(super) fn forget(tx: &Connection, device: DeviceId, sequence: u64) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM rotation_due WHERE device = ? AND sequence < ?")?
        .execute(params![device.as_bytes(), i64::try_from(sequence).unwrap_or(i64::MAX)])?;
    Ok(())
}

fn due_row(row: &Row<'_>) -> rusqlite::Result<DueRotation> {
    Ok(DueRotation {
        device: DeviceId::from_bytes(row.get(0)?),
        due_at: time(row.get(1)?),
        read_by: PrincipalId::from_bytes(row.get(2)?),
        sequence: row.get::<_, i64>(3)? as u64,
    })
}

fn rule(row: &Row<'_>) -> rusqlite::Result<ReadingRule> {
    Ok(ReadingRule {
        reason: row.get(0)?,
        ticket: row.get(1)?,
        ticket_patterns: row.get::<_, Option<String>>(2)?.into_iter().collect(),
        approvals: row.get(3)?,
        approval_minutes: row.get(4)?,
        approval_reads: row.get(5)?,
        rotate_after_minutes: row.get(6)?,
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<AccessRequest> {
    Ok(AccessRequest {
        sequence: row.get::<_, i64>(0)? as u64,
        asked: NewAccessRequest {
            id: row.get(1)?,
            device: DeviceId::from_bytes(row.get(2)?),
            principal: PrincipalId::from_bytes(row.get(3)?),
            principal_name: row.get(4)?,
            reason: row.get(5)?,
            ticket: row.get(6)?,
            until: time(row.get(8)?),
            approvals: row.get(9)?,
            reads: row.get(10)?,
        },
        asked_at: time(row.get(7)?),
        reads_left: row.get(11)?,
        cancelled_at: time_opt(row.get(12)?),
        answers: Vec::new(),
    })
}

fn with_answers(tx: &Connection, mut request: AccessRequest) -> Result<AccessRequest, StoreError> {
    request.answers = tx
        .prepare_cached(
            "SELECT principal, principal_name, approved, at, reason FROM access_answer WHERE request = ? \
             ORDER BY at, principal",
        )?
        .query_map([request.sequence as i64], |row| {
            Ok(AccessAnswer {
                principal: PrincipalId::from_bytes(row.get(0)?),
                principal_name: row.get(1)?,
                approved: row.get(2)?,
                at: time(row.get(3)?),
                reason: row.get(4)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(request)
}

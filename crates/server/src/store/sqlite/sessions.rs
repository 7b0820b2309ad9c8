//! Verbs of sessions, device codes, replay caches and counters.

use super::{
    StoreError, audit,
    column::{known, ticks, time, time_opt},
};
use crate::{
    audit::AuditEntry,
    store::{DeviceCode, DeviceCodePoll, Lockout, LockoutRule, Replaced, SecretHash, Session, SessionKind},
};
use laps::{
    id::PrincipalId,
    time::{TICKS_PER_DAY, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub(super) const SESSION: &str = "s.hash, s.kind, s.family, s.principal, s.epoch, s.data, s.created_at, s.expires_at";
const CODE: &str = "hash, user_code, client_id, scope, created_at, expires_at, interval_s";
/// What a question before its time adds to the interval, seconds (RFC 8628 3.5).
const SLOW_DOWN_S: u32 = 5;

pub(super) fn session_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        hash: row.get(0)?,
        kind: known(SessionKind::from_word(row.get_ref(1)?.as_str()?), "kind of session")?,
        family: row.get(2)?,
        principal: PrincipalId::from_bytes(row.get(3)?),
        epoch: row.get::<_, i64>(4)? as u64,
        data: row.get(5)?,
        created_at: time(row.get(6)?),
        expires_at: time(row.get(7)?),
    })
}

/// Stores a session.
pub(super) fn put(tx: &Connection, session: &Session) -> Result<(), StoreError> {
    let inserted =
        tx.prepare_cached("INSERT OR IGNORE INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)")?.execute(params![
            session.hash,
            session.kind.word(),
            session.family,
            session.principal.as_bytes(),
            session.epoch as i64,
            session.data,
            ticks(session.created_at),
            ticks(session.expires_at)
        ])?;
    if inserted == 0 { Err(StoreError::Exists("session")) } else { Ok(()) }
}

/// A session that is good now.
pub(super) fn session(
    tx: &Connection,
    kind: SessionKind,
    hash: &SecretHash,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {SESSION} FROM session AS s JOIN principal AS p ON p.id = s.principal \
             WHERE s.hash = ? AND s.kind = ? AND s.used_at IS NULL AND s.expires_at > ? AND p.enabled \
             AND p.epoch = s.epoch"
        ))?
        .query_row(params![hash, kind.word(), ticks(now)], session_row)
        .optional()?;
    Ok(found)
}

/// Uses up a refresh token and puts the next in its place.
pub(super) fn replace(
    tx: &Connection,
    old: &SecretHash,
    new: SecretHash,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<Replaced, StoreError> {
    let kind = SessionKind::Refresh;
    let used: Option<(Option<i64>, [u8; 16])> = tx
        .prepare_cached("SELECT used_at, family FROM session WHERE hash = ? AND kind = ?")?
        .query_row(params![old, kind.word()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((Some(_), family)) = used {
        tx.execute("DELETE FROM session WHERE family = ?", [family])?;
        return Ok(Replaced::Reused);
    }
    let Some(former) = session(tx, kind, old, now)? else {
        return Ok(Replaced::Unknown);
    };
    tx.execute("UPDATE session SET used_at = ? WHERE hash = ? AND kind = ?", params![ticks(now), old, kind.word()])?;
    let session = Session { hash: new, created_at: now, expires_at, ..former };
    put(tx, &session)?;
    Ok(Replaced::Done(session))
}

/// Moves the end of a good session.
pub(super) fn extend(
    tx: &Connection,
    kind: SessionKind,
    hash: &SecretHash,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if session(tx, kind, hash, now)?.is_none() {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE session SET expires_at = ? WHERE hash = ? AND kind = ?")?.execute(params![
        ticks(expires_at),
        hash,
        kind.word()
    ])?;
    Ok(true)
}

/// Ends a session.
pub(super) fn delete(tx: &Connection, kind: SessionKind, hash: &SecretHash) -> Result<(), StoreError> {
    tx.execute("DELETE FROM session WHERE hash = ? AND kind = ?", params![hash, kind.word()])?;
    Ok(())
}

/// Ends all sessions of a principal.
pub(super) fn delete_of(tx: &Connection, principal: PrincipalId) -> Result<u64, StoreError> {
    Ok(tx.execute("DELETE FROM session WHERE principal = ?", [principal.as_bytes()])? as u64)
}

fn code_row(row: &Row<'_>) -> rusqlite::Result<DeviceCode> {
    Ok(DeviceCode {
        hash: row.get(0)?,
        user_code: row.get(1)?,
        client_id: row.get(2)?,
        scope: row.get(3)?,
        created_at: time(row.get(4)?),
        expires_at: time(row.get(5)?),
        interval_s: row.get(6)?,
    })
}

/// Stores a device code.
pub(super) fn create_code(tx: &Connection, code: &DeviceCode) -> Result<(), StoreError> {
    let inserted = tx.execute(
        "INSERT OR IGNORE INTO device_code VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
        params![
            code.hash,
            code.user_code,
            code.client_id,
            code.scope,
            ticks(code.created_at),
            ticks(code.expires_at),
            code.interval_s
        ],
    )?;
    if inserted == 0 { Err(StoreError::Exists("device code")) } else { Ok(()) }
}

/// The open code that a person typed.
pub(super) fn code_by_user_code(
    tx: &Connection,
    user_code: &str,
    now: Timestamp,
) -> Result<Option<DeviceCode>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {CODE} FROM device_code WHERE user_code = ? AND answered_at IS NULL AND expires_at > ?"
        ))?
        .query_row(params![user_code, ticks(now)], code_row)
        .optional()?;
    Ok(found)
}

/// A person agrees or refuses.
pub(super) fn answer_code(
    tx: &Connection,
    user_code: &str,
    principal: Option<PrincipalId>,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let (expires_at, answered): (i64, bool) = tx
        .query_row(
            "SELECT expires_at, answered_at IS NOT NULL FROM device_code WHERE user_code = ?",
            [user_code],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?
        .ok_or(StoreError::TokenUnknown)?;
    if answered {
        return Err(StoreError::TokenUsed);
    }
    if now >= time(expires_at) {
        return Err(StoreError::TokenExpired);
    }
    tx.execute(
        "UPDATE device_code SET answered_at = ?, principal = ? WHERE user_code = ?",
        params![ticks(now), principal.map(|id| *id.as_bytes()), user_code],
    )?;
    audit::append(tx, entry, Vec::new())
}

/// The client asks for the answer.
pub(super) fn poll_code(
    tx: &Connection,
    hash: &SecretHash,
    client_id: &str,
    now: Timestamp,
) -> Result<DeviceCodePoll, StoreError> {
    let found = tx
        .query_row(
            &format!(
                "SELECT {CODE}, polled_at, answered_at, principal FROM device_code WHERE hash = ? AND client_id = ?"
            ),
            params![hash, client_id],
            |row| {
                let principal: Option<[u8; 16]> = row.get(9)?;
                Ok((
                    code_row(row)?,
                    time_opt(row.get(7)?),
                    time_opt(row.get(8)?),
                    principal.map(PrincipalId::from_bytes),
                ))
            },
        )
        .optional()?;
    let Some((code, polled_at, answered_at, principal)) = found else {
        return Ok(DeviceCodePoll::Expired);
    };
    if now >= code.expires_at {
        return Ok(DeviceCodePoll::Expired);
    }
    if answered_at.is_some() {
        tx.execute("DELETE FROM device_code WHERE hash = ?", [hash])?;
        return Ok(match principal {
            Some(principal) => DeviceCodePoll::Approved { principal, code },
            None => DeviceCodePoll::Denied,
        });
    }
    let early = polled_at.is_some_and(|polled| now < polled.plus_seconds(u64::from(code.interval_s)));
    tx.execute(
        "UPDATE device_code SET polled_at = ?, interval_s = interval_s + ? WHERE hash = ?",
        params![ticks(now), if early { SLOW_DOWN_S } else { 0 }, hash],
    )?;
    Ok(if early { DeviceCodePoll::SlowDown } else { DeviceCodePoll::Pending })
}

/// Notes a key as used; true the first time.
pub(super) fn use_once(
    tx: &Connection,
    purpose: &str,
    key: &SecretHash,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let noted = tx
        .prepare_cached(
            "INSERT INTO used VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET expires_at = excluded.expires_at \
             WHERE used.expires_at <= ?4",
        )?
        .execute(params![purpose, key, ticks(expires_at), ticks(now)])?;
    Ok(noted > 0)
}

/// Counts a failure.
pub(super) fn count_failure(
    tx: &Connection,
    key: &str,
    rule: LockoutRule,
    now: Timestamp,
) -> Result<Lockout, StoreError> {
    let before = counter(tx, key, now)?;
    let failures = before.map_or(0, |(failures, _, _)| failures).saturating_add(1);
    let window_ends_at = before.map_or(now.plus_seconds(rule.window_s), |(_, ends, _)| ends);
    let locked_until = if failures >= rule.threshold {
        Some(now.plus_seconds(rule.lock_s))
    } else {
        before.and_then(|(_, _, locked)| locked)
    };
    // The counter lives as long as the lock, so that a failure after it locks anew.
    let window_ends_at = locked_until.map_or(window_ends_at, |until| window_ends_at.max(until));
    tx.execute(
        "INSERT OR REPLACE INTO failure VALUES (?, ?, ?, ?)",
        params![key, failures, ticks(window_ends_at), locked_until.map(ticks)],
    )?;
    Ok(Lockout { failures, locked_until: locked_until.filter(|until| *until > now) })
}

/// Counts a guess before it is looked at; `None` while the key is locked.
pub(super) fn count_guess(
    tx: &Connection,
    key: &str,
    rule: LockoutRule,
    now: Timestamp,
) -> Result<Option<Lockout>, StoreError> {
    if lockout(tx, key, now)?.locked_until.is_some() {
        return Ok(None);
    }
    count_failure(tx, key, rule, now).map(Some)
}

/// Takes one guess back.
pub(super) fn take_back_guess(tx: &Connection, key: &str) -> Result<(), StoreError> {
    // While a lock stands no guess is counted: the lock is of this one, or of one that was counted with it.
    tx.execute("UPDATE failure SET failures = failures - 1, locked_until = NULL WHERE key = ?", [key])?;
    tx.execute("DELETE FROM failure WHERE key = ? AND failures <= 0", [key])?;
    Ok(())
}

fn counter(
    tx: &Connection,
    key: &str,
    now: Timestamp,
) -> Result<Option<(u32, Timestamp, Option<Timestamp>)>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT failures, window_ends_at, locked_until FROM failure WHERE key = ? AND window_ends_at > ?",
        )?
        .query_row(params![key, ticks(now)], |row| Ok((row.get(0)?, time(row.get(1)?), time_opt(row.get(2)?))))
        .optional()?;
    Ok(found)
}

/// The counter of a key.
pub(super) fn lockout(tx: &Connection, key: &str, now: Timestamp) -> Result<Lockout, StoreError> {
    Ok(counter(tx, key, now)?.map_or(Lockout::default(), |(failures, _, locked)| Lockout {
        failures,
        locked_until: locked.filter(|until| *until > now),
    }))
}

/// Whether a key has a counter.
pub(super) fn has_failures(tx: &Connection, key: &str) -> Result<bool, StoreError> {
    let has =
        tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM failure WHERE key = ?)")?.query_row([key], |row| row.get(0))?;
    Ok(has)
}

/// Forgets failures.
pub(super) fn clear_failures(tx: &Connection, key: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM failure WHERE key = ?", [key])?;
    Ok(())
}

/// The same, by a person.
pub(super) fn unlock(tx: &Connection, key: &str, entry: AuditEntry) -> Result<(), StoreError> {
    if has_failures(tx, key)? {
        clear_failures(tx, key)?;
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(())
}

/// Removes what has run out.
pub(super) fn sweep(tx: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM session WHERE expires_at <= ?",
        "DELETE FROM device_code WHERE expires_at <= ?",
        "DELETE FROM used WHERE expires_at <= ?",
        "DELETE FROM ticket WHERE expires_at <= ?",
        "DELETE FROM api_token WHERE expires_at <= ?",
        "DELETE FROM failure WHERE window_ends_at <= ?",
    ] {
        removed += tx.execute(sql, [ticks(now)])?;
    }
    // The newest piece stays: its sequence is where a fresh start of the server goes on.
    removed += tx.execute(
        "DELETE FROM work WHERE at <= ? AND sequence < (SELECT max(sequence) FROM work)",
        [ticks(now.minus_ticks(TICKS_PER_DAY))],
    )?;
    Ok(removed as u64)
}

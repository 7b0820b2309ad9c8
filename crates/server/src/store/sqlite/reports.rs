//! Verbs of reports: what devices say, and what follows from it (rotation.md 3, `report`).

use super::{
    StoreError, audit,
    column::{fingerprint, folded, ticks, time, time_opt},
    devices, groups, tenant, versions, work,
};
use crate::store::{
    Device, DeviceEventKind, DeviceReport, DeviceState, KnownVersion, Report, ReportAnswer, SUSPICION_DAYS, Version,
    VersionState,
};
use laps::{
    id::{DeviceId, VersionId},
    time::{TICKS_PER_DAY, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// What a report comes to: the answer, and what must be written.
pub(super) struct Assessment {
    answer: ReportAnswer,
    device: Device,
    installed: Option<VersionId>,
    installed_changed: bool,
    report_changed: bool,
    device_changed: bool,
    fork_changed: bool,
}

impl Assessment {
    /// Nothing is to be written: the answer stands as it is.
    pub(super) fn settled(&self) -> bool {
        !(self.installed_changed
            || self.report_changed
            || self.device_changed
            || self.fork_changed
            || !self.answer.events.is_empty()
            || (self.device.state == DeviceState::Deleted && !self.device.reported_since_deletion))
    }
    /// The answer.
    pub(super) fn into_answer(self) -> ReportAnswer {
        self.answer
    }
}

/// Compares a report with what is stored; writes nothing.
pub(super) fn assess(tx: &Connection, report: &Report, now: Timestamp) -> Result<Assessment, StoreError> {
    let device = devices::device(tx, report.device)?.ok_or(StoreError::DeviceUnknown)?;
    if device.state == DeviceState::Purged {
        return Err(StoreError::DeviceUnknown);
    }
    let own = versions::own(tx, report.device)?;
    let tenant = tenant::tenant(tx)?;
    let before = last(tx, report.device)?;

    let installed = report.installed.and_then(|seen| {
        own.iter().filter(|version| version.fingerprint == seen).max_by_key(|version| version.sequence)
    });
    let newest = |state: VersionState| own.iter().filter(move |version| version.state == state);
    let current = newest(VersionState::Current).max_by_key(|version| version.sequence);
    let mut pending: Vec<&Version> = newest(VersionState::Pending).collect();
    pending.sort_by_key(|version| core::cmp::Reverse(version.sequence));

    let current_id = current.map(|version| version.version);
    let answer_lost = current_id.is_some() && report.intent == current_id;
    let forked = report.acknowledged != current_id && !answer_lost;
    let fork_open: bool = tx
        .prepare_cached("SELECT fork_open FROM device WHERE id = ?")?
        .query_row([report.device.as_bytes()], |row| row.get(0))?;

    let mut events = Vec::new();
    if forked && !fork_open {
        events.push(DeviceEventKind::Forked);
        if !device.clone_suspected && forks_since(tx, report.device, now)? > 0 {
            events.push(DeviceEventKind::CloneSuspected);
        }
    }
    if device.from_backup_at.is_some() {
        events.push(DeviceEventKind::ReportedAfterRestore);
    }
    let installed_before = before.as_ref().and_then(|before| before.report.installed);
    let installed_known_before = devices::installed(tx, report.device)?;
    // News when the machine holds another one than it last said, or a known one until now.
    if report.installed.is_some()
        && installed.is_none()
        && (report.installed != installed_before || installed_known_before.is_some())
        && own.iter().any(|version| version.proven_at.is_some())
    {
        events.push(DeviceEventKind::UnknownVerifier);
    }

    let installed = installed.map(|version| version.version);
    let store_refused = match device.state {
        DeviceState::Deleted | DeviceState::Purged => Some(StoreError::DeviceDeleted.code()),
        DeviceState::Disabled => Some(StoreError::DeviceDisabled.code()),
        DeviceState::Enabled if !tenant.settings.laps_enabled => Some(StoreError::SwitchOff.code()),
        DeviceState::Enabled => None,
    };
    let answer = ReportAnswer {
        current: current.map(known_version),
        unresolved: pending.into_iter().map(known_version).collect(),
        incarnation: tenant.incarnation,
        audit_head: audit::head(tx)?,
        forked,
        rotate: work::open_requests(tx, report.device, u64::MAX)?.pop(),
        repairs_per_day: tenant.settings.repairs_per_day,
        events,
        store_refused,
        written: false,
    };
    Ok(Assessment {
        answer,
        installed_changed: installed != installed_known_before,
        installed,
        report_changed: before.is_none_or(|before| before.report != *report),
        device_changed: device.name != report.name
            || device.os != report.os
            || device.agent_version != report.agent_version,
        fork_changed: forked != fork_open,
        device,
    })
}

/// `report`, with its writes.
pub(super) fn report(tx: &Connection, report: &Report, now: Timestamp) -> Result<ReportAnswer, StoreError> {
    let assessment = assess(tx, report, now)?;
    if assessment.settled() {
        return Ok(assessment.answer);
    }
    let says_something_new = assessment.report_changed || assessment.device_changed || assessment.installed_changed;
    let Assessment { mut answer, device, installed, device_changed, .. } = assessment;
    let has = |kind: DeviceEventKind| answer.events.contains(&kind);
    let id = report.device.as_bytes();
    tx.prepare_cached(
        "UPDATE device SET name = ?2, name_folded = ?3, os = ?4, agent_version = ?5, installed = ?6, fork_open = ?7, \
         forked_at = CASE WHEN ?8 THEN ?9 ELSE forked_at END, clone_suspected = clone_suspected OR ?10, \
         from_backup_at = NULL, reported_since_deletion = (state = 'deleted') WHERE id = ?1",
    )?
    .execute(params![
        id,
        report.name,
        folded(&report.name),
        report.os,
        report.agent_version,
        installed.map(|version| *version.as_bytes()),
        answer.forked,
        has(DeviceEventKind::Forked),
        ticks(now),
        has(DeviceEventKind::CloneSuspected),
    ])?;
    if device_changed {
        groups::follow(tx, report.device, now)?;
    }
    if device.from_backup_at.is_some() {
        tx.prepare_cached("UPDATE version SET from_backup_at = NULL WHERE device = ?")?.execute([id])?;
    }
    if says_something_new {
        note_error(tx, report, now)?;
        tx.prepare_cached("INSERT OR REPLACE INTO report VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?.execute(params![
            id,
            report.account_id,
            report.account_name,
            report.usability,
            report.installed.map(|fingerprint| *fingerprint.as_bytes()),
            report.acknowledged.map(|version| *version.as_bytes()),
            report.intent.map(|version| *version.as_bytes()),
            report.last_error,
            report.evidence,
            ticks(now),
        ])?;
    }
    for kind in &answer.events {
        work::event(tx, report.device, *kind, now, &event_detail(report, &answer))?;
    }
    answer.written = true;
    Ok(answer)
}

/// Notes since when the last error is the one that it is; before the report is written.
fn note_error(tx: &Connection, report: &Report, now: Timestamp) -> Result<(), StoreError> {
    let before: Option<String> = tx
        .prepare_cached("SELECT last_error FROM report WHERE device = ?")?
        .query_row([report.device.as_bytes()], |row| row.get(0))
        .optional()?
        .flatten();
    match &report.last_error {
        None => tx.prepare_cached("DELETE FROM device_error WHERE device = ?")?.execute([report.device.as_bytes()])?,
        same if *same == before => 0,
        Some(_) => tx
            .prepare_cached("INSERT OR REPLACE INTO device_error VALUES (?, ?)")?
            .execute(params![report.device.as_bytes(), ticks(now)])?,
    };
    Ok(())
}

/// The versions that an event is about, as JSON text.
fn event_detail(report: &Report, answer: &ReportAnswer) -> String {
    let text = |version: Option<VersionId>| version.map(|version| version.to_string());
    serde_json::json!({
        "acknowledged": text(report.acknowledged),
        "current": text(answer.current.as_ref().map(|current| current.version)),
    })
    .to_string()
}

fn forks_since(tx: &Connection, device: DeviceId, now: Timestamp) -> Result<u32, StoreError> {
    let since = now.minus_ticks(u64::from(SUSPICION_DAYS) * TICKS_PER_DAY);
    let forks = tx
        .prepare_cached("SELECT count(*) FROM event WHERE device = ? AND kind = ? AND at > ?")?
        .query_row(params![device.as_bytes(), DeviceEventKind::Forked.word(), ticks(since)], |row| row.get(0))?;
    Ok(forks)
}

/// A report with what its device is called; the device's id comes first.
const SELECT: &str = "SELECT r.device, r.account_id, r.account_name, r.usability, r.installed, r.acknowledged, r.intent, r.last_error, \
     r.evidence, d.name, d.os, d.agent_version, r.changed_at, d.installed, e.at FROM report AS r JOIN device AS d \
     ON d.id = r.device LEFT JOIN device_error AS e ON e.device = r.device";

/// A row of [`SELECT`].
fn from_row(row: &Row<'_>) -> rusqlite::Result<DeviceReport> {
    let version = |index: usize| -> rusqlite::Result<Option<VersionId>> {
        Ok(row.get::<_, Option<[u8; 16]>>(index)?.map(VersionId::from_bytes))
    };
    Ok(DeviceReport {
        report: Report {
            device: DeviceId::from_bytes(row.get(0)?),
            account_id: row.get(1)?,
            account_name: row.get(2)?,
            usability: row.get(3)?,
            installed: row.get::<_, Option<[u8; 16]>>(4)?.map(fingerprint),
            acknowledged: version(5)?,
            intent: version(6)?,
            last_error: row.get(7)?,
            evidence: row.get(8)?,
            name: row.get(9)?,
            os: row.get(10)?,
            agent_version: row.get(11)?,
        },
        changed_at: time(row.get(12)?),
        error_at: time_opt(row.get(14)?),
        installed_version: version(13)?,
    })
}

/// What a device said last.
pub(super) fn last(tx: &Connection, device: DeviceId) -> Result<Option<DeviceReport>, StoreError> {
    let found = tx
        .prepare_cached(&format!("{SELECT} WHERE r.device = ?"))?
        .query_row([device.as_bytes()], from_row)
        .optional()?;
    Ok(found)
}

fn known_version(version: &Version) -> KnownVersion {
    KnownVersion {
        version: version.version,
        sequence: version.sequence,
        account_id: version.account_id.clone(),
        account_name: version.account_name.clone(),
        fingerprint: version.fingerprint,
        expires_at: version.expires_at,
    }
}

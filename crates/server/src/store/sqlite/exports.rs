//! Verbs of escrow: disclosing in bulk, and what is remembered of exports and drills.

use super::{
    StoreError, audit,
    column::{ticks, time, time_opt},
    devices, tenant, versions,
};
use crate::{
    audit::{AuditEntry, Disclosed},
    store::{ALL_DEVICES, DisclosedDevice, DisclosedPage, Disclosure, Export, NewExport, Page},
};
use laps::{id::DeviceId, time::Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "e.sequence, e.id, e.made_at, e.made_by, e.scheduled, e.recipients, e.devices, e.versions, \
     e.proof_hash, e.drilled_at, e.drilled_by";

/// Gives out sealed passwords of many devices and appends the record that names them.
pub(super) fn disclose(tx: &Connection, wanted: &Disclosure, entry: AuditEntry) -> Result<DisclosedPage, StoreError> {
    if let Some((principal, epoch)) = wanted.by {
        versions::refuse_other_epoch(tx, principal, epoch)?;
    }
    let (found, next) = if wanted.devices.is_empty() {
        let page = Page::behind(wanted.after.map(|id| id.to_string()), wanted.limit);
        let page = devices::devices(tx, &wanted.filter, &page)?;
        (page.items, page.next.as_deref().and_then(|next| next.parse().ok()))
    } else {
        let mut found = Vec::with_capacity(wanted.devices.len());
        for id in &wanted.devices {
            found.extend(devices::device(tx, *id)?.filter(|device| wanted.reaches(device)));
        }
        (found, None)
    };
    let mut given = Vec::new();
    for device in found {
        if !wanted.member_of.is_none_or(|group| group == ALL_DEVICES || device.groups.contains(&group)) {
            continue;
        }
        let versions = versions::own_sealed(tx, device.id, wanted.history)?;
        if !versions.is_empty() {
            given.push(DisclosedDevice { device: device.id, name: device.name, state: device.state, versions });
        }
    }
    let disclosed: Vec<Disclosed> = given
        .iter()
        .flat_map(|one| &one.versions)
        .map(|one| Disclosed { device: one.version.device, version: one.version.version })
        .collect();
    if !disclosed.is_empty() {
        audit::append(tx, entry, disclosed)?;
    }
    Ok(DisclosedPage { devices: given, next })
}

/// Remembers an export, and for each of its devices that it is the newest.
pub(super) fn record(
    tx: &Connection,
    new: &NewExport,
    held: &[DeviceId],
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Export, StoreError> {
    let sequence = tenant::next_sequence(tx)?;
    let inserted = tx.execute(
        "INSERT OR IGNORE INTO export VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        params![
            sequence as i64,
            new.id,
            ticks(now),
            new.made_by,
            new.scheduled,
            new.recipients.join(" "),
            new.devices as i64,
            new.versions as i64,
            new.proof_hash
        ],
    )?;
    if inserted == 0 {
        return Err(StoreError::Exists("export"));
    }
    let mut holds = tx.prepare_cached(
        "INSERT INTO exported SELECT id, ?2 FROM device WHERE id = ?1 \
         ON CONFLICT (device) DO UPDATE SET export = excluded.export",
    )?;
    for device in held {
        holds.execute(params![device.as_bytes(), sequence as i64])?;
    }
    audit::append(tx, entry, Vec::new())?;
    Ok(Export { export: new.clone(), sequence, made_at: now, drilled: None })
}

/// Exports, newest first.
pub(super) fn list(tx: &Connection, limit: u32) -> Result<Vec<Export>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {COLUMNS} FROM export AS e ORDER BY e.sequence DESC LIMIT ?"))?
        .query_map([limit], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// The newest export that was shown to open.
pub(super) fn last_drilled(tx: &Connection) -> Result<Option<Export>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM export AS e WHERE e.drilled_at IS NOT NULL ORDER BY e.drilled_at DESC, e.sequence DESC \
             LIMIT 1"
        ))?
        .query_row([], from_row)
        .optional()?;
    Ok(found)
}

/// The newest export that holds a password of a device.
pub(super) fn of_device(tx: &Connection, device: DeviceId) -> Result<Option<Export>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM exported AS x JOIN export AS e ON e.sequence = x.export WHERE x.device = ?"
        ))?
        .query_row([device.as_bytes()], from_row)
        .optional()?;
    Ok(found)
}

/// Somebody showed that an archive opens.
pub(super) fn drill(
    tx: &Connection,
    id: [u8; 16],
    by: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Export, StoreError> {
    tx.execute("UPDATE export SET drilled_at = ?, drilled_by = ? WHERE id = ?", params![ticks(now), by, id])?;
    let found = tx
        .prepare_cached(&format!("SELECT {COLUMNS} FROM export AS e WHERE e.id = ?"))?
        .query_row([id], from_row)
        .optional()?
        .ok_or(StoreError::NotFound("export"))?;
    audit::append(tx, entry, Vec::new())?;
    Ok(found)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Export> {
    let drilled_by: Option<String> = row.get(10)?;
    Ok(Export {
        sequence: row.get::<_, i64>(0)? as u64,
        made_at: time(row.get(2)?),
        export: NewExport {
            id: row.get(1)?,
            made_by: row.get(3)?,
            scheduled: row.get(4)?,
            recipients: row.get_ref(5)?.as_str()?.split_ascii_whitespace().map(str::to_owned).collect(),
            devices: row.get::<_, i64>(6)? as u64,
            versions: row.get::<_, i64>(7)? as u64,
            proof_hash: row.get(8)?,
        },
        drilled: time_opt(row.get(9)?).zip(drilled_by),
    })
}

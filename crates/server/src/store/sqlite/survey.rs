//! The survey: what is known of devices, a page of them at a time, each table read once along its key.

use super::{
    StoreError,
    column::{ticks, time, time_opt},
    devices, policies,
};
use crate::store::{
    Device, DeviceFilter, DeviceState, Page, PageOf, SurveyFilter, Surveyed, SurveyedDelivery, SurveyedReport,
    SurveyedVersion,
};
use laps::id::{DeviceId, GroupId, VersionId};
use rusqlite::{Connection, Row, params};
use std::{collections::HashMap, sync::Arc};

/// Texts that many devices share.
#[derive(Default)]
struct Shared {
    values: HashMap<[u8; 32], Arc<str>>,
    refused: HashMap<String, Arc<[(String, u16)]>>,
}

/// A device that is being filled in.
struct Found {
    of: Surveyed,
    /// The version that was last reported installed.
    installed: Option<VersionId>,
    /// Which current version was taken: whether it is the installed one, and its place in the order.
    current: Option<(bool, i64)>,
}

pub(super) fn survey(tx: &Connection, filter: &SurveyFilter, page: &Page) -> Result<PageOf<Surveyed>, StoreError> {
    let found = match filter.device {
        Some(id) => match devices::device(tx, id)? {
            Some(device) => PageOf { items: vec![(device, devices::installed(tx, id)?)], next: None },
            None => PageOf { items: Vec::new(), next: None },
        },
        None => {
            let living = DeviceFilter {
                states: vec![DeviceState::Enabled, DeviceState::Disabled],
                groups: filter.groups.clone(),
                ..DeviceFilter::default()
            };
            devices::own_rows(tx, &living, page, filter.until)?
        }
    };
    let mut page = found.map(|(device, installed)| Found {
        of: Surveyed {
            device: Device { last_seen: None, groups: Vec::new(), ..device },
            pending_since: None,
            current: None,
            report: None,
            sent: None,
            in_force: None,
            held: None,
            certificate: None,
            rotations: Vec::new(),
        },
        installed,
        current: None,
    });
    if let (Some(first), Some(last)) = (page.items.first(), page.items.last()) {
        let range = (*first.of.device.id.as_bytes(), *last.of.device.id.as_bytes());
        fill(tx, filter, range, &mut page.items)?;
    }
    Ok(page.map(|found| found.of))
}

fn fill(
    tx: &Connection,
    filter: &SurveyFilter,
    range: ([u8; 16], [u8; 16]),
    items: &mut [Found],
) -> Result<(), StoreError> {
    let mut shared = Shared::default();
    each(
        tx,
        "SELECT device, at FROM seen WHERE device BETWEEN ?1 AND ?2 ORDER BY device",
        range,
        items,
        |row, found| {
            found.of.device.last_seen = time_opt(row.get(1)?);
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, grp FROM member WHERE device BETWEEN ?1 AND ?2 ORDER BY device, grp",
        range,
        items,
        |row, found| {
            found.of.device.groups.push(GroupId::from_bytes(row.get(1)?));
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, version, state = 'current', sequence, stored_at, proven_at, expires_at FROM version \
         WHERE device BETWEEN ?1 AND ?2 AND state IN ('pending', 'current') ORDER BY device",
        range,
        items,
        |row, found| {
            let stored_at = time(row.get(4)?);
            if !row.get::<_, bool>(2)? {
                found.of.pending_since = found.of.pending_since.max(Some(stored_at));
                return Ok(());
            }
            // The installed one before the highest of the order, as readers see them.
            let is_installed = found.installed == Some(VersionId::from_bytes(row.get(1)?));
            let place = Some((is_installed, row.get(3)?));
            if place > found.current {
                found.current = place;
                found.of.current = Some(SurveyedVersion {
                    stored_at,
                    proven_at: time_opt(row.get(5)?),
                    expires_at: time_opt(row.get(6)?),
                });
            }
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, changed_at, account_id IS NOT NULL, account_name, usability, last_error, evidence FROM report \
         WHERE device BETWEEN ?1 AND ?2 ORDER BY device",
        range,
        items,
        |row, found| {
            found.of.report = Some(SurveyedReport {
                changed_at: time(row.get(1)?),
                account_found: row.get(2)?,
                account_name: row.get(3)?,
                usability: row.get(4)?,
                last_error: row.get(5)?,
                evidence: row.get(6)?,
            });
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, in_force, digest, settings, sent_at, answered_at, statuses FROM delivery \
         WHERE device BETWEEN ?1 AND ?2 ORDER BY device, in_force",
        range,
        items,
        |row, found| {
            let delivery = delivery(row, &mut shared)?;
            if row.get(1)? {
                found.of.in_force = Some(delivery);
            } else {
                found.of.sent = Some(delivery);
            }
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, reason FROM hold WHERE device BETWEEN ?1 AND ?2 ORDER BY device",
        range,
        items,
        |row, found| {
            found.of.held = Some(row.get(1)?);
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, not_after, revoked_at FROM certificate WHERE device BETWEEN ?1 AND ?2 ORDER BY device, not_before",
        range,
        items,
        |row, found| {
            found.of.certificate = Some((time(row.get(1)?), time_opt(row.get(2)?)));
            Ok(())
        },
    )?;
    let since = ticks(filter.met_since);
    each(
        tx,
        &format!(
            "SELECT device, requested_at, met_at FROM request WHERE device BETWEEN ?1 AND ?2 AND met_at >= {since} \
             ORDER BY device, sequence"
        ),
        range,
        items,
        |row, found| {
            found.of.rotations.push((time(row.get(1)?), time(row.get(2)?)));
            Ok(())
        },
    )
}

/// Runs along the rows of a table and the devices of the page, both in the order of ids.
fn each(
    tx: &Connection,
    sql: &str,
    (first, last): ([u8; 16], [u8; 16]),
    items: &mut [Found],
    mut take: impl FnMut(&Row<'_>, &mut Found) -> rusqlite::Result<()>,
) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![first, last])?;
    let mut place = 0;
    while let Some(row) = rows.next()? {
        let device = DeviceId::from_bytes(row.get(0)?);
        while items.get(place).is_some_and(|found| found.of.device.id < device) {
            place += 1;
        }
        // A device that is not of the page: a tombstone, or out of the caller's scope.
        if let Some(found) = items.get_mut(place).filter(|found| found.of.device.id == device) {
            take(row, found)?;
        }
    }
    Ok(())
}

fn delivery(row: &Row<'_>, shared: &mut Shared) -> rusqlite::Result<SurveyedDelivery> {
    let digest: [u8; 32] = row.get(2)?;
    let values = match shared.values.get(&digest) {
        Some(values) => Arc::clone(values),
        None => {
            let values: Arc<str> = row.get_ref(3)?.as_str()?.into();
            shared.values.insert(digest, Arc::clone(&values));
            values
        }
    };
    let statuses = row.get_ref(6)?.as_str()?;
    let refused = match shared.refused.get(statuses) {
        Some(refused) => Arc::clone(refused),
        None => {
            let refused: Arc<[(String, u16)]> = policies::statuses(statuses)
                .map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, Box::new(error))
                })?
                .into_iter()
                .filter(|(_, status)| !(200..300).contains(status))
                .collect();
            shared.refused.insert(statuses.to_owned(), Arc::clone(&refused));
            refused
        }
    };
    Ok(SurveyedDelivery { digest, values, sent_at: time(row.get(4)?), answered_at: time_opt(row.get(5)?), refused })
}

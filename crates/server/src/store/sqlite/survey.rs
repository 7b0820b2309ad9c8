//! The survey: what is known of devices, a page of them at a time, each table read once along its key.

use super::{
    StoreError,
    column::{ticks, time, time_opt},
    devices, policies, reports,
};
use crate::store::{
    DeviceFilter, DeviceState, Page, PageOf, SurveyFilter, Surveyed, SurveyedDelivery, SurveyedVersion,
};
use laps::id::DeviceId;
use rusqlite::{Connection, Row, params};
use std::{collections::HashMap, sync::Arc};

/// Texts that many devices share.
#[derive(Default)]
struct Shared {
    values: HashMap<[u8; 32], Arc<str>>,
    refused: HashMap<String, Arc<[(String, u16)]>>,
}

pub(super) fn survey(tx: &Connection, filter: &SurveyFilter, page: &Page) -> Result<PageOf<Surveyed>, StoreError> {
    let found = match filter.device {
        Some(id) => PageOf { items: devices::device(tx, id)?.into_iter().collect(), next: None },
        None => {
            let living = DeviceFilter {
                states: vec![DeviceState::Enabled, DeviceState::Disabled],
                groups: filter.groups.clone(),
                ..DeviceFilter::default()
            };
            devices::devices(tx, &living, page)?
        }
    };
    let mut page = found.map(|device| Surveyed {
        device,
        pending_since: None,
        current: None,
        report: None,
        sent: None,
        in_force: None,
        held: None,
        certificate: None,
        rotations: Vec::new(),
    });
    let (Some(first), Some(last)) = (page.items.first(), page.items.last()) else { return Ok(page) };
    let range = (*first.device.id.as_bytes(), *last.device.id.as_bytes());
    fill(tx, filter, range, &mut page.items)?;
    Ok(page)
}

fn fill(
    tx: &Connection,
    filter: &SurveyFilter,
    range: ([u8; 16], [u8; 16]),
    items: &mut [Surveyed],
) -> Result<(), StoreError> {
    let mut shared = Shared::default();
    // The installed one first, then the highest of the order, as readers see them.
    each(
        tx,
        "SELECT v.device, v.state = 'current', v.stored_at, v.proven_at, v.expires_at FROM version AS v \
         JOIN device AS d ON d.id = v.device WHERE v.device BETWEEN ?1 AND ?2 AND v.state IN ('pending', 'current') \
         ORDER BY v.device, coalesce(v.version = d.installed, 0), v.sequence",
        range,
        items,
        |row, of| {
            let stored_at = time(row.get(2)?);
            if row.get(1)? {
                of.current = Some(SurveyedVersion {
                    stored_at,
                    proven_at: time_opt(row.get(3)?),
                    expires_at: time_opt(row.get(4)?),
                });
            } else {
                of.pending_since = of.pending_since.max(Some(stored_at));
            }
            Ok(())
        },
    )?;
    let sql = format!("{} WHERE r.device BETWEEN ?1 AND ?2 ORDER BY r.device", reports::SELECT);
    each(tx, &sql, range, items, |row, of| {
        of.report = Some(reports::from_row(row)?);
        Ok(())
    })?;
    each(
        tx,
        "SELECT device, in_force, digest, settings, sent_at, answered_at, statuses FROM delivery \
         WHERE device BETWEEN ?1 AND ?2 ORDER BY device, in_force",
        range,
        items,
        |row, of| {
            let delivery = delivery(row, &mut shared)?;
            if row.get(1)? {
                of.in_force = Some(delivery);
            } else {
                of.sent = Some(delivery);
            }
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, reason FROM hold WHERE device BETWEEN ?1 AND ?2 ORDER BY device",
        range,
        items,
        |row, of| {
            of.held = Some(row.get(1)?);
            Ok(())
        },
    )?;
    each(
        tx,
        "SELECT device, not_after, revoked_at FROM certificate WHERE device BETWEEN ?1 AND ?2 ORDER BY device, not_before",
        range,
        items,
        |row, of| {
            of.certificate = Some((time(row.get(1)?), time_opt(row.get(2)?)));
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
        |row, of| {
            of.rotations.push((time(row.get(1)?), time(row.get(2)?)));
            Ok(())
        },
    )
}

/// Runs along the rows of a table and the devices of the page, both in the order of ids.
fn each(
    tx: &Connection,
    sql: &str,
    (first, last): ([u8; 16], [u8; 16]),
    items: &mut [Surveyed],
    mut take: impl FnMut(&Row<'_>, &mut Surveyed) -> rusqlite::Result<()>,
) -> Result<(), StoreError> {
    let mut statement = tx.prepare_cached(sql)?;
    let mut rows = statement.query(params![first, last])?;
    let mut place = 0;
    while let Some(row) = rows.next()? {
        let device = DeviceId::from_bytes(row.get(0)?);
        while items.get(place).is_some_and(|of| of.device.id < device) {
            place += 1;
        }
        // A device that is not of the page: a tombstone, or out of the caller's scope.
        if let Some(of) = items.get_mut(place).filter(|of| of.device.id == device) {
            take(row, of)?;
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

//! Verbs of campaigns: rotations of many devices, followed until the last is proven.

use super::{
    StoreError, audit,
    column::{known, ticks, ticks_opt, time, time_opt},
    devices as device_rows, tenant, versions,
    work::{self, Asked},
};
use crate::{
    audit::{Actor, AuditEntry},
    store::{
        Ask, CANCELLED, CallOff, Campaign, CampaignCounts, CampaignDevice, CampaignKind, CampaignState, Chosen,
        DeviceState, Exposed, ExposureFilter, GONE_DELETED, GONE_PURGED, NewCampaign, Page, PageOf, REFUSED_DISABLED,
        REFUSED_RELEASED, SAFE_SUPERSEDED, exposed,
    },
};
use laps::{
    id::{CampaignId, DeviceId, PrincipalId, VersionId},
    time::Timestamp,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

const COLUMNS: &str = "id, sequence, kind, by_kind, by_id, by_name, reason, selector, created_at, place, gathered_at, \
     completed_at, cancelled_at, cancelled_by";
/// Open campaigns that are worked on.
const OPEN_MAX: u32 = 100;
/// Principals of one name.
const READERS_MAX: u32 = 10;
/// How many newer objects of a machine are followed.
const SUCCESSORS_MAX: usize = 8;

fn from_row(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    let (by, name) = (PrincipalId::from_bytes(row.get(4)?), row.get(5)?);
    let by = match row.get_ref(3)?.as_str()? {
        "application" => Actor::Application(by, name),
        _ => Actor::User(by, name),
    };
    Ok(Campaign {
        new: NewCampaign {
            id: CampaignId::from_bytes(row.get(0)?),
            kind: known(CampaignKind::from_word(row.get_ref(2)?.as_str()?), "kind of campaign")?,
            by,
            reason: row.get(6)?,
            selector: row.get(7)?,
        },
        sequence: row.get::<_, i64>(1)? as u64,
        created_at: time(row.get(8)?),
        place: row.get(9)?,
        gathered_at: time_opt(row.get(10)?),
        completed_at: time_opt(row.get(11)?),
        cancelled: time_opt(row.get(12)?).zip(row.get(13)?),
        counts: CampaignCounts::default(),
    })
}

fn with_counts(tx: &Connection, mut campaign: Campaign) -> Result<Campaign, StoreError> {
    let mut statement =
        tx.prepare_cached("SELECT state, count(*) FROM campaign_device WHERE campaign = ? GROUP BY state")?;
    let mut rows = statement.query([campaign.new.id.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let word: String = row.get(0)?;
        let state = known(CampaignState::from_word(&word), "state of a campaign's device")?;
        campaign.counts.add(state, row.get::<_, i64>(1)? as u64);
    }
    Ok(campaign)
}

/// A campaign.
pub(super) fn campaign(tx: &Connection, id: CampaignId) -> Result<Option<Campaign>, StoreError> {
    let found = tx
        .prepare_cached(&format!("SELECT {COLUMNS} FROM campaign WHERE id = ?"))?
        .query_row([id.as_bytes()], from_row)
        .optional()?;
    found.map(|found| with_counts(tx, found)).transpose()
}

/// Campaigns, newest first.
pub(super) fn campaigns(tx: &Connection, by: Option<PrincipalId>, page: &Page) -> Result<PageOf<Campaign>, StoreError> {
    let before: i64 = match &page.after {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| StoreError::BadCursor)?,
    };
    let size = page.size();
    let found = tx
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM campaign WHERE sequence < ?1 AND (?2 IS NULL OR by_id = ?2) \
             ORDER BY sequence DESC LIMIT ?3"
        ))?
        .query_map(params![before, by.map(|by| *by.as_bytes()), size as i64 + 1], from_row)?
        .collect::<Result<Vec<_>, _>>()?;
    let cut = PageOf::cut(found, size, |campaign| campaign.sequence.to_string());
    let items = cut.items.into_iter().map(|found| with_counts(tx, found)).collect::<Result<_, _>>()?;
    Ok(PageOf { items, next: cut.next })
}

/// Campaigns that are not complete, oldest first.
pub(super) fn open(tx: &Connection) -> Result<Vec<Campaign>, StoreError> {
    let found = tx
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM campaign WHERE completed_at IS NULL ORDER BY sequence LIMIT {OPEN_MAX}"
        ))?
        .query_map([], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Makes a campaign.
pub(super) fn create(
    tx: &Connection,
    new: &NewCampaign,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Campaign, StoreError> {
    let (Actor::User(by, name) | Actor::Application(by, name)) = &new.by else {
        return Err(StoreError::NotFound("principal"));
    };
    if campaign(tx, new.id)?.is_some() {
        return Err(StoreError::Exists("campaign"));
    }
    let sequence = tenant::next_sequence(tx)?;
    tx.execute(
        "INSERT INTO campaign VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL, NULL)",
        params![
            new.id.as_bytes(),
            sequence as i64,
            new.kind.word(),
            new.by.kind(),
            by.as_bytes(),
            name,
            new.reason,
            new.selector,
            ticks(now)
        ],
    )?;
    audit::append(tx, entry, Vec::new())?;
    campaign(tx, new.id)?.ok_or(StoreError::NotFound("campaign"))
}

/// Takes devices in.
pub(super) fn gather(
    tx: &Connection,
    id: CampaignId,
    chosen: &[Chosen],
    from: Option<&str>,
    place: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let campaign = campaign(tx, id)?.ok_or(StoreError::NotFound("campaign"))?;
    if campaign.gathered_at.is_some() || campaign.cancelled.is_some() || campaign.place.as_deref() != from {
        return Err(StoreError::Changed);
    }
    let mut insert = tx.prepare_cached(
        "INSERT INTO campaign_device SELECT ?1, id, 'waiting', NULL, ?3, NULL, NULL, ?4 FROM device WHERE id = ?2 \
         ON CONFLICT (campaign, device) DO UPDATE SET exposed = max(coalesce(exposed, 0), excluded.exposed) \
         WHERE state = 'waiting' AND excluded.exposed IS NOT NULL",
    )?;
    for one in chosen {
        let exposed = one.exposed.map(|sequence| sequence as i64);
        insert.execute(params![id.as_bytes(), one.device.as_bytes(), exposed, ticks(now)])?;
    }
    tx.prepare_cached("UPDATE campaign SET place = ?, gathered_at = ? WHERE id = ?")?.execute(params![
        place,
        place.is_none().then(|| ticks(now)),
        id.as_bytes()
    ])?;
    Ok(())
}

/// Changes a device of a campaign.
fn put(
    tx: &Connection,
    id: CampaignId,
    device: DeviceId,
    state: CampaignState,
    reason: Option<&str>,
    request: Option<u64>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE campaign_device SET state = ?, reason = ?, request = coalesce(?, request), changed_at = ? \
         WHERE campaign = ? AND device = ?",
    )?
    .execute(params![
        state.word(),
        reason,
        request.map(|request| request as i64),
        ticks(now),
        id.as_bytes(),
        device.as_bytes()
    ])?;
    Ok(())
}

/// Why a device in this state is not asked.
fn barred(state: Option<DeviceState>) -> Option<(CampaignState, &'static str)> {
    match state {
        Some(DeviceState::Enabled) => None,
        Some(DeviceState::Disabled) => Some((CampaignState::Refused, REFUSED_DISABLED)),
        Some(DeviceState::Deleted) => Some((CampaignState::Gone, GONE_DELETED)),
        Some(DeviceState::Purged) | None => Some((CampaignState::Gone, GONE_PURGED)),
    }
}

/// Asks devices that wait.
pub(super) fn ask(tx: &Connection, id: CampaignId, asked: Vec<Ask>, now: Timestamp) -> Result<u64, StoreError> {
    let campaign = campaign(tx, id)?.ok_or(StoreError::NotFound("campaign"))?;
    let by = campaign.principal().ok_or(StoreError::NotFound("principal"))?;
    if campaign.cancelled.is_some() {
        return Ok(0);
    }
    let mut requested = 0;
    for ask in asked {
        let waiting: Option<Option<i64>> = tx
            .prepare_cached(
                "SELECT exposed FROM campaign_device WHERE campaign = ? AND device = ? AND state = 'waiting'",
            )?
            .query_row(params![id.as_bytes(), ask.device.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(at) = waiting.map(|at| at.map(|at| at as u64)) else { continue };
        let judged = match at {
            Some(at) => match exposed(&versions::shown(tx, ask.device, false)?, at) {
                Exposed::Nothing => Some((CampaignState::Safe, SAFE_SUPERSEDED.to_owned())),
                Exposed::Released => Some((CampaignState::Refused, REFUSED_RELEASED.to_owned())),
                Exposed::Managed => None,
            },
            None => None,
        };
        let barred = barred(device_rows::state(tx, ask.device)?).map(|(state, code)| (state, code.to_owned()));
        let judged = match judged {
            // A tombstone's passwords open the machine all the same: only what is superseded is safe.
            Some(safe @ (CampaignState::Safe, _)) if !matches!(barred, Some((CampaignState::Gone, _))) => Some(safe),
            other => barred.or(other).or_else(|| Some((CampaignState::Refused, ask.refused?))),
        };
        match judged {
            Some((state, reason)) => put(tx, id, ask.device, state, Some(&reason), None, now)?,
            None => {
                let made = work::request_rotation(tx, ask.device, by, Asked::Among(at.unwrap_or(0)), now, ask.audit)?;
                put(tx, id, ask.device, CampaignState::Requested, None, Some(made.request.sequence), now)?;
                requested += 1;
            }
        }
    }
    Ok(requested)
}

/// A proof met requests of a device: what campaigns asked of it is done.
pub(super) fn met(
    tx: &Connection,
    device: DeviceId,
    version: VersionId,
    sequence: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.prepare_cached(
        "UPDATE campaign_device SET state = 'proven', reason = NULL, met_by = ?2, changed_at = ?4 WHERE device = ?1 \
         AND state = 'requested' AND request < ?3 AND coalesce(exposed, 0) < ?3",
    )?
    .execute(params![device.as_bytes(), version.as_bytes(), sequence as i64, ticks(now)])?;
    Ok(())
}

/// What a look at a campaign's devices found: whose row is not as the device is.
pub(super) fn look(tx: &Connection, id: CampaignId, page: &Page) -> Result<PageOf<CampaignDevice>, StoreError> {
    let seen = devices(tx, id, None, page)?;
    let mut changed = Vec::new();
    for one in seen.items {
        if reviewed(tx, &one)?.is_some() {
            changed.push(one);
        }
    }
    Ok(PageOf { items: changed, next: seen.next })
}

/// The state that a device should be in, when it is another one than its row has.
fn reviewed(
    tx: &Connection,
    one: &CampaignDevice,
) -> Result<Option<(CampaignState, Option<&'static str>)>, StoreError> {
    let barred = barred(device_rows::state(tx, one.chosen.device)?);
    Ok(match (one.state, barred) {
        (CampaignState::Requested | CampaignState::Refused | CampaignState::Gone, Some((state, code)))
            if one.state != state || one.reason.as_deref() != Some(code) =>
        {
            Some((state, Some(code)))
        }
        (CampaignState::Gone, None) => Some((CampaignState::Waiting, None)),
        // What a device told about itself is not looked at again: when that changes it rotates by itself.
        (CampaignState::Refused, None) if one.reason.as_deref() == Some(REFUSED_DISABLED) => {
            Some((CampaignState::Waiting, None))
        }
        _ => None,
    })
}

/// Puts rows right that a look found.
pub(super) fn review(
    tx: &Connection,
    id: CampaignId,
    found: &[CampaignDevice],
    now: Timestamp,
) -> Result<(), StoreError> {
    if campaign(tx, id)?.is_none_or(|campaign| campaign.cancelled.is_some()) {
        return Ok(());
    }
    for one in found {
        let Some((state, reason)) = reviewed(tx, one)? else { continue };
        put(tx, id, one.chosen.device, state, reason, None, now)?;
        if state.is_open() {
            tx.prepare_cached("UPDATE campaign SET completed_at = NULL WHERE id = ?")?.execute([id.as_bytes()])?;
        }
    }
    Ok(())
}

/// Ends a campaign.
pub(super) fn complete(tx: &Connection, id: CampaignId, now: Timestamp, entry: AuditEntry) -> Result<bool, StoreError> {
    let ended = tx
        .prepare_cached(
            "UPDATE campaign SET completed_at = ?2 WHERE id = ?1 AND completed_at IS NULL \
             AND (gathered_at IS NOT NULL OR cancelled_at IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM campaign_device WHERE campaign = ?1 AND state IN ('waiting', 'requested'))",
        )?
        .execute(params![id.as_bytes(), ticks(now)])?;
    if ended > 0 {
        audit::append(tx, entry, Vec::new())?;
    }
    Ok(ended > 0)
}

/// Calls a campaign off.
pub(super) fn cancel(
    tx: &Connection,
    id: CampaignId,
    by: &str,
    now: Timestamp,
    entry: AuditEntry,
) -> Result<Campaign, StoreError> {
    let known = campaign(tx, id)?.ok_or(StoreError::NotFound("campaign"))?;
    if known.completed_at.is_some() || known.cancelled.is_some() {
        return Err(StoreError::Changed);
    }
    tx.prepare_cached("UPDATE campaign SET cancelled_at = ?, cancelled_by = ? WHERE id = ?")?.execute(params![
        ticks(now),
        by,
        id.as_bytes()
    ])?;
    audit::append(tx, entry, Vec::new())?;
    Ok(Campaign { cancelled: Some((now, by.to_owned())), ..known })
}

/// Takes devices of a campaign that was called off from its list.
pub(super) fn call_off(
    tx: &Connection,
    id: CampaignId,
    devices: Vec<CallOff>,
    now: Timestamp,
) -> Result<u64, StoreError> {
    if campaign(tx, id)?.ok_or(StoreError::NotFound("campaign"))?.cancelled.is_none() {
        return Err(StoreError::Changed);
    }
    let mut cancelled = 0;
    for one in devices {
        let open: Option<Option<i64>> = tx
            .prepare_cached(
                "SELECT request FROM campaign_device WHERE campaign = ? AND device = ? \
                 AND state IN ('waiting', 'requested')",
            )?
            .query_row(params![id.as_bytes(), one.device.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(request) = open else { continue };
        put(tx, id, one.device, CampaignState::Cancelled, Some(CANCELLED), None, now)?;
        cancelled += 1;
        let closed = tx
            .prepare_cached(
                "UPDATE request SET closed_at = ?1, closed_code = ?2 WHERE sequence = ?3 AND alone = 0 \
                 AND met_at IS NULL AND closed_at IS NULL AND NOT EXISTS (SELECT 1 FROM campaign_device \
                 WHERE device = ?4 AND state = 'requested' AND request = ?3)",
            )?
            .execute(params![ticks(now), CANCELLED, request, one.device.as_bytes()])?;
        if closed > 0 {
            audit::append(tx, one.audit, Vec::new())?;
        }
    }
    Ok(cancelled)
}

/// Devices of a campaign.
pub(super) fn devices(
    tx: &Connection,
    id: CampaignId,
    state: Option<CampaignState>,
    page: &Page,
) -> Result<PageOf<CampaignDevice>, StoreError> {
    let after: [u8; 16] = match &page.after {
        None => [0; 16],
        Some(text) => *text.parse::<DeviceId>().map_err(|_| StoreError::BadCursor)?.as_bytes(),
    };
    let only = if state.is_some() { "AND c.state = ?4" } else { "AND ?4 IS NULL" };
    let size = page.size();
    let items = tx
        .prepare_cached(&format!(
            "SELECT c.device, d.name, c.state, c.reason, c.exposed, c.request, c.met_by, c.changed_at, s.at \
             FROM campaign_device AS c JOIN device AS d ON d.id = c.device LEFT JOIN seen AS s ON s.device = c.device \
             WHERE c.campaign = ?1 AND c.device > ?2 {only} ORDER BY c.device LIMIT ?3"
        ))?
        .query_map(params![id.as_bytes(), after, size as i64 + 1, state.map(CampaignState::word)], |row| {
            Ok(CampaignDevice {
                chosen: Chosen {
                    device: DeviceId::from_bytes(row.get(0)?),
                    exposed: row.get::<_, Option<i64>>(4)?.map(|sequence| sequence as u64),
                },
                name: row.get(1)?,
                state: known(CampaignState::from_word(row.get_ref(2)?.as_str()?), "state of a campaign's device")?,
                reason: row.get(3)?,
                request: row.get::<_, Option<i64>>(5)?.map(|sequence| sequence as u64),
                met_by: row.get::<_, Option<[u8; 16]>>(6)?.map(VersionId::from_bytes),
                changed_at: time(row.get(7)?),
                last_seen: time_opt(row.get(8)?),
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |one| one.chosen.device.to_string()))
}

/// The newest object of the machine that had this one.
fn newest_object(tx: &Connection, device: DeviceId) -> Result<DeviceId, StoreError> {
    let mut newest = device;
    for _ in 0..SUCCESSORS_MAX {
        let next: Option<[u8; 16]> = tx
            .prepare_cached(
                "SELECT id FROM device WHERE predecessor = ? AND state IN ('enabled', 'disabled') \
                 ORDER BY registered_at DESC, id LIMIT 1",
            )?
            .query_row([newest.as_bytes()], |row| row.get(0))
            .optional()?;
        let Some(next) = next else { break };
        newest = DeviceId::from_bytes(next);
    }
    Ok(newest)
}

/// What readers were given.
pub(super) fn exposures(tx: &Connection, filter: &ExposureFilter, page: &Page) -> Result<PageOf<Chosen>, StoreError> {
    let after: i64 = match &page.after {
        None => 0,
        Some(text) => text.parse().map_err(|_| StoreError::BadCursor)?,
    };
    let readers: Vec<String> = filter.readers.iter().map(|id| format!("'{id}'")).collect();
    let size = page.size();
    let sql = format!(
        "SELECT sequence, disclosed FROM audit WHERE actor_id IN ({}) AND length(disclosed) > 0 AND failure IS NULL \
         AND sequence > ? AND sequence <= ? AND (?3 IS NULL OR at >= ?3) AND (?4 IS NULL OR at < ?4) \
         ORDER BY sequence LIMIT ?5",
        readers.join(",")
    );
    let records = tx
        .prepare(&sql)?
        .query_map(
            params![
                after,
                i64::try_from(filter.up_to).unwrap_or(i64::MAX),
                ticks_opt(filter.from),
                ticks_opt(filter.until),
                size as i64 + 1
            ],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)),
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let records = PageOf::cut(records, size, |(sequence, _)| sequence.to_string());
    let mut highest: BTreeMap<DeviceId, u64> = BTreeMap::new();
    for (_, disclosed) in records.items {
        let disclosed = audit::decode_disclosed(&disclosed)
            .ok_or_else(|| StoreError::Corrupt("disclosed versions of an audit record".into()))?;
        for one in disclosed {
            let sequence = versions::one(tx, one.device, one.version)?.map_or(0, |version| version.sequence);
            let known = highest.entry(newest_object(tx, one.device)?).or_default();
            *known = sequence.max(*known);
        }
    }
    let items = highest.into_iter().map(|(device, sequence)| Chosen { device, exposed: Some(sequence) }).collect();
    Ok(PageOf { items, next: records.next })
}

/// Principals of a name to whom something was disclosed.
pub(super) fn readers(tx: &Connection, name: &str) -> Result<Vec<PrincipalId>, StoreError> {
    let found = tx
        .prepare_cached(
            "SELECT DISTINCT actor_id FROM audit WHERE length(disclosed) > 0 AND actor_kind IN ('user', 'application') \
             AND actor_name = ? COLLATE NOCASE ORDER BY actor_id LIMIT ?",
        )?
        .query_map(params![name, READERS_MAX], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
}

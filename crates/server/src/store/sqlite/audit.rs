//! Verbs of the audit log.

use super::{
    StoreError,
    column::{ticks, ticks_opt, time},
};
use crate::{
    audit::{
        Actor, AuditCheckpoint, AuditEntry, AuditFilter, AuditHead, AuditRecord, Disclosed, Outcome, SignedHead,
        Target, activity,
    },
    store::{Page, PageOf},
};
use laps::id::{DeviceId, VersionId};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The chain of this writer.
const CHAIN: u32 = 1;

const COLUMNS: &str = "chain, sequence, id, at, activity, category, actor_kind, actor_id, actor_name, target_kind, \
     target_id, target_name, failure, request_id, client, detail, disclosed, previous, hash";

/// Appends an entry, with the versions that it discloses.
pub(super) fn append(tx: &Connection, entry: AuditEntry, disclosed: Vec<Disclosed>) -> Result<(), StoreError> {
    let record = AuditRecord::chained(head(tx)?, entry, disclosed);
    let entry = &record.entry;
    let failure = match &entry.outcome {
        Outcome::Success => None,
        Outcome::Failure(code) => Some(code),
    };
    tx.prepare_cached("INSERT INTO audit VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")?.execute(params![
        record.chain,
        record.sequence as i64,
        entry.id,
        ticks(entry.at),
        entry.activity,
        entry.category,
        entry.actor.kind(),
        entry.actor.id(),
        entry.actor.name(),
        entry.target.kind,
        entry.target.id,
        entry.target.name,
        failure,
        entry.request_id,
        entry.client,
        entry.detail,
        encode_disclosed(&record.disclosed),
        record.previous,
        record.hash,
    ])?;
    Ok(())
}

/// The end of this writer's chain. Pruning always leaves its own record, so the chain is never without one.
pub(super) fn head(tx: &Connection) -> Result<AuditHead, StoreError> {
    let head = tx
        .prepare_cached("SELECT sequence, hash FROM audit WHERE chain = ? ORDER BY sequence DESC LIMIT 1")?
        .query_row([CHAIN], |row| {
            Ok(AuditHead { chain: CHAIN, sequence: row.get::<_, i64>(0)? as u64, hash: row.get(1)? })
        })
        .optional()?;
    Ok(head.unwrap_or(AuditHead::empty(CHAIN)))
}

/// Every chain's end.
pub(super) fn heads(tx: &Connection) -> Result<Vec<AuditHead>, StoreError> {
    let head = head(tx)?;
    Ok(if head.sequence == 0 { Vec::new() } else { vec![head] })
}

/// Records that the filter lets through, newest first.
pub(super) fn list(tx: &Connection, filter: &AuditFilter, page: &Page) -> Result<PageOf<AuditRecord>, StoreError> {
    let before = match &page.after {
        None => i64::MAX,
        Some(text) => text.parse().map_err(|_| StoreError::BadCursor)?,
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM audit WHERE chain = ?1 AND sequence < ?2 \
         AND (?3 IS NULL OR activity = ?3) AND (?4 IS NULL OR actor_id = ?4) AND (?5 IS NULL OR target_id = ?5) \
         AND (?6 IS NULL OR at >= ?6) AND (?7 IS NULL OR at < ?7) ORDER BY sequence DESC LIMIT ?8"
    );
    let size = page.size();
    let items = tx
        .prepare_cached(&sql)?
        .query_map(
            params![
                CHAIN,
                before,
                filter.activity,
                filter.actor,
                filter.target,
                ticks_opt(filter.from),
                ticks_opt(filter.until),
                size as i64 + 1
            ],
            record,
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(PageOf::cut(items, size, |record| record.sequence.to_string()))
}

/// Records of reads that are looked through for one version.
const READS_MAX: u32 = 1000;

/// Successful reveals for one device, newest first, at most [`READS_MAX`].
pub(super) fn reads(tx: &Connection, device: DeviceId) -> Result<Vec<AuditRecord>, StoreError> {
    // The activity stands in the text, so that the index of reads is used.
    let sql = format!(
        "SELECT {COLUMNS} FROM audit WHERE activity = '{}' AND failure IS NULL AND target_id = ? \
         ORDER BY sequence DESC LIMIT ?",
        activity::RECOVER_PASSWORD
    );
    let mut statement = tx.prepare_cached(&sql)?;
    let records = statement.query_map(params![device.to_string(), READS_MAX], record)?;
    Ok(records.collect::<Result<_, _>>()?)
}

/// Records of a chain behind `after`, oldest first.
pub(super) fn chain(tx: &Connection, chain: u32, after: u64, limit: u32) -> Result<Vec<AuditRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE chain = ? AND sequence > ? ORDER BY sequence LIMIT ?");
    let records =
        tx.prepare_cached(&sql)?.query_map(params![chain, after as i64, limit], record)?.collect::<Result<_, _>>()?;
    Ok(records)
}

/// Stores a signed head that is a record of its chain.
pub(super) fn put_signed_head(tx: &Connection, signed: &SignedHead) -> Result<(), StoreError> {
    put_signed(tx, "audit_head", signed)
}

fn put_signed(tx: &Connection, table: &str, signed: &SignedHead) -> Result<(), StoreError> {
    let hash: Option<[u8; 32]> = tx
        .prepare_cached("SELECT hash FROM audit WHERE chain = ? AND sequence = ?")?
        .query_row(params![signed.head.chain, signed.head.sequence as i64], |row| row.get(0))
        .optional()?;
    if hash != Some(signed.head.hash) {
        return Err(StoreError::Changed);
    }
    tx.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES (?,?,?,?,?)"))?.execute(params![
        signed.head.chain,
        signed.head.sequence as i64,
        signed.head.hash,
        ticks(signed.signed_at),
        signed.signature
    ])?;
    Ok(())
}

fn signed(tx: &Connection, table: &str) -> Result<Vec<SignedHead>, StoreError> {
    let heads = tx
        .prepare_cached(&format!("SELECT chain, sequence, hash, signed_at, signature FROM {table} ORDER BY chain"))?
        .query_map([], |row| {
            Ok(SignedHead {
                head: AuditHead { chain: row.get(0)?, sequence: row.get::<_, i64>(1)? as u64, hash: row.get(2)? },
                signed_at: time(row.get(3)?),
                signature: row.get(4)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(heads)
}

/// The newest signed head of every chain.
pub(super) fn signed_heads(tx: &Connection) -> Result<Vec<SignedHead>, StoreError> {
    signed(tx, "audit_head")
}

/// The checkpoint of every pruned chain.
pub(super) fn checkpoints(tx: &Connection) -> Result<Vec<AuditCheckpoint>, StoreError> {
    Ok(signed(tx, "audit_checkpoint")?.into_iter().map(|signed| AuditCheckpoint { signed }).collect())
}

/// Removes records up to the checkpoint and leaves it in their place.
pub(super) fn prune(tx: &Connection, checkpoint: &AuditCheckpoint, audit: AuditEntry) -> Result<u64, StoreError> {
    super::tenant::refuse_while_clock_held(tx)?;
    put_signed(tx, "audit_checkpoint", &checkpoint.signed)?;
    append(tx, audit, Vec::new())?;
    let head = checkpoint.signed.head;
    let removed = tx
        .prepare_cached("DELETE FROM audit WHERE chain = ? AND sequence <= ?")?
        .execute(params![head.chain, head.sequence as i64])?;
    Ok(removed as u64)
}

fn record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    let bad = |what: &'static str| {
        rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Blob,
            Box::new(StoreError::Corrupt(format!("audit record: {what}"))),
        )
    };
    let (kind, id, name): (String, String, String) = (row.get(6)?, row.get(7)?, row.get(8)?);
    let actor = match kind.as_str() {
        "user" => Actor::User(id.parse().map_err(|_| bad("actor"))?, name),
        "application" => Actor::Application(id.parse().map_err(|_| bad("actor"))?, name),
        "device" => Actor::Device(id.parse().map_err(|_| bad("actor"))?, name),
        "system" => Actor::System(name),
        "operator" => Actor::Operator(name),
        "anonymous" => Actor::Anonymous,
        _ => return Err(bad("actor")),
    };
    let outcome = row.get::<_, Option<String>>(12)?.map_or(Outcome::Success, Outcome::Failure);
    Ok(AuditRecord {
        chain: row.get(0)?,
        sequence: row.get::<_, i64>(1)? as u64,
        entry: AuditEntry {
            id: row.get(2)?,
            at: time(row.get(3)?),
            activity: row.get(4)?,
            category: row.get(5)?,
            actor,
            target: Target { kind: row.get(9)?, id: row.get(10)?, name: row.get(11)? },
            outcome,
            request_id: row.get(13)?,
            client: row.get(14)?,
            detail: row.get(15)?,
        },
        disclosed: decode_disclosed(&row.get::<_, Vec<u8>>(16)?).ok_or_else(|| bad("disclosed"))?,
        previous: row.get(17)?,
        hash: row.get(18)?,
    })
}

/// The stored form of a list of disclosed versions: 32 bytes each, device and version.
fn encode_disclosed(disclosed: &[Disclosed]) -> Vec<u8> {
    disclosed.iter().flat_map(|one| [*one.device.as_bytes(), *one.version.as_bytes()].concat()).collect()
}

/// Reads the stored form; `None` when it is not one.
pub(super) fn decode_disclosed(bytes: &[u8]) -> Option<Vec<Disclosed>> {
    let (pairs, rest) = bytes.as_chunks::<32>();
    rest.is_empty().then(|| {
        pairs
            .iter()
            .map(|pair| {
                let half = |from: usize| core::array::from_fn(|index| pair[from + index]);
                Disclosed { device: DeviceId::from_bytes(half(0)), version: VersionId::from_bytes(half(16)) }
            })
            .collect()
    })
}

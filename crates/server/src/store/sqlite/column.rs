//! Columns: how the types of the rows stand in SQLite.

use super::StoreError;
use laps::{
    rotation::{Fingerprint, ProofKind},
    time::Timestamp,
};

/// A time as it is stored: FILETIME ticks, which end before `i64` does.
pub(super) const fn ticks(time: Timestamp) -> i64 {
    time.ticks() as i64
}

/// An optional time as it is stored.
pub(super) fn ticks_opt(time: Option<Timestamp>) -> Option<i64> {
    time.map(ticks)
}

/// A time from its column.
pub(super) const fn time(ticks: i64) -> Timestamp {
    Timestamp::from_ticks(if ticks < 0 { 0 } else { ticks as u64 })
}

/// An optional time from its column.
pub(super) fn time_opt(ticks: Option<i64>) -> Option<Timestamp> {
    ticks.map(time)
}

/// A fingerprint from its column.
pub(super) const fn fingerprint(bytes: [u8; 16]) -> Fingerprint {
    Fingerprint::from_bytes(bytes)
}

/// The stored word of a kind of proof.
pub(super) const fn proof_word(kind: ProofKind) -> &'static str {
    match kind {
        ProofKind::Verifier => "verifier",
        ProofKind::Pam => "pam",
    }
}

/// A kind of proof from its word.
pub(super) fn proof_from_word(word: &str) -> Option<ProofKind> {
    match word {
        "verifier" => Some(ProofKind::Verifier),
        "pam" => Some(ProofKind::Pam),
        _ => None,
    }
}

/// A word that must be one of an enum's.
pub(super) fn known<T>(value: Option<T>, what: &str) -> rusqlite::Result<T> {
    value.ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            0,
            rusqlite::types::Type::Text,
            Box::new(StoreError::Corrupt(format!("unknown {what}"))),
        )
    })
}

/// A list of blobs as SQL literals, for `IN (…)`: they are made of ids, so nothing can be injected.
pub(super) fn blob_list<'a>(ids: impl Iterator<Item = &'a [u8; 16]>) -> String {
    ids.map(|id| {
        let digits: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("x'{digits}'")
    })
    .collect::<Vec<_>>()
    .join(",")
}

/// Text folded for comparison without case.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase()
}

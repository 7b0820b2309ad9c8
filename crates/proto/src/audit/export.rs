//! An export, and how it is verified with nothing but the server's public key.

use super::{Head, Record};
use crate::hex;
use crate::serde_text;
use laps::{id::TenantId, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Line {
    /// A part begins.
    Start(Start),
    /// A record.
    Record(Box<Record>),
    /// A part ends.
    End(End),
}

/// How a part begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The form of the export: 1.
    pub format: u32,
    /// The tenant.
    #[serde(with = "serde_text::text")]
    pub tenant: TenantId,
    /// The key that signs heads: an uncompressed P-256 point, 130 hexadecimal digits.
    pub public_key: String,
    /// The signed head that the first record follows; of sequence 0 when it is the first of its chain.
    pub after: String,
    /// The records up to there were removed because their time was over, and this is the checkpoint that was left.
    pub pruned: bool,
    /// When it was exported.
    #[serde(with = "serde_text::time")]
    pub exported_at: Timestamp,
}

/// How a part ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The signed head of its last record.
    pub head: String,
}

/// What is wrong with an export, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct Fault {
    /// The record or the line.
    pub place: String,
    /// What does not fit.
    pub what: String,
}

impl Fault {
    fn at(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }
}

/// A verified part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The tenant.
    pub tenant: TenantId,
    /// The head that it begins behind.
    pub after: Head,
    /// Whether what is before was pruned.
    pub pruned: bool,
    /// The head that it ends with.
    pub end: Head,
    /// The hashes of its records by their places.
    pub hashes: BTreeMap<u64, [u8; 32]>,
}

/// Verifies an export line by line. The signature check is brought: `is_signed(public key, statement, signature)`.
pub struct ExportVerifier<S> {
    is_signed: S,
    /// The key that is trusted; else each part's own.
    trusted: Option<Vec<u8>>,
    /// The keys that parts name.
    named: Vec<String>,
    lines: u64,
    open: Option<OpenPart>,
    parts: Vec<Part>,
}

struct OpenPart {
    start: Start,
    key: Vec<u8>,
    after: Head,
    sequence: u64,
    hash: [u8; 32],
    hashes: BTreeMap<u64, [u8; 32]>,
}

impl<S: Fn(&[u8], &[u8], &[u8]) -> bool> ExportVerifier<S> {
    /// With the key that is trusted, as it is published (hexadecimal digits); without one the export's own key is
    /// taken, and whoever can write the export could have made it.
    pub fn new(trusted: Option<Vec<u8>>, is_signed: S) -> Self {
        Self { is_signed, trusted, named: Vec::new(), lines: 0, open: None, parts: Vec::new() }
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// [`Fault`] with the record that does not fit.
    pub fn take(&mut self, text: &str) -> Result<(), Fault> {
        self.lines += 1;
        if text.trim().is_empty() {
            return Ok(());
        }
        let line: Line = serde_json::from_str(text)
            .map_err(|error| Fault::at(format!("line {}", self.lines), format!("it cannot be read ({error})")))?;
        match (line, self.open.take()) {
            (Line::Start(start), None) => self.open = Some(self.begin(start)?),
            (Line::Record(record), Some(mut part)) => {
                part.take(&record)?;
                self.open = Some(part);
            }
            (Line::End(end), Some(part)) => {
                let part = self.end(part, &end)?;
                self.parts.push(part);
            }
            (Line::Start(_), Some(part)) => {
                return Err(Fault::at(
                    format!("record {}", part.sequence),
                    "the export goes on without its signed end",
                ));
            }
            (_, None) => return Err(Fault::at(format!("line {}", self.lines), "it stands outside of a part")),
        }
        Ok(())
    }

    /// The parts, when all of the export was taken.
    ///
    /// # Errors
    /// [`Fault`] when it is empty or breaks off.
    pub fn finish(self) -> Result<Vec<Part>, Fault> {
        if let Some(part) = self.open {
            let what = "the export breaks off behind it: its signed end is missing";
            return Err(Fault::at(format!("record {}", part.sequence), what));
        }
        if self.parts.is_empty() {
            return Err(Fault::at("the export", "it is empty"));
        }
        Ok(self.parts)
    }

    /// The keys that the parts name, each once.
    pub fn keys(&self) -> &[String] {
        &self.named
    }

    /// Whether a head was signed with the trusted key, or a key that a part names.
    pub fn is_signed(&self, head: &Head) -> bool {
        let named = || self.named.iter().filter_map(|key| hex::decode(key)).collect::<Vec<_>>();
        let keys = self.trusted.as_ref().map_or_else(named, |key| vec![key.clone()]);
        keys.iter().any(|key| (self.is_signed)(key, &head.statement(), &head.signature))
    }

    fn begin(&mut self, start: Start) -> Result<OpenPart, Fault> {
        let place = || format!("line {}", self.lines);
        if start.format != 1 {
            return Err(Fault::at(place(), format!("its form is {}, this program knows 1", start.format)));
        }
        let key = hex::decode(&start.public_key).ok_or_else(|| Fault::at(place(), "its key cannot be read"))?;
        if self.trusted.as_ref().is_some_and(|trusted| *trusted != key) {
            return Err(Fault::at(place(), "it was made with another key than the one that is trusted"));
        }
        let after = Head::parse(&start.after).map_err(|error| Fault::at(place(), error.to_string()))?;
        if !(self.is_signed)(&key, &after.statement(), &after.signature) {
            let what = "the head that the export begins behind is not signed by the server";
            return Err(Fault::at(format!("record {}", after.sequence), what));
        }
        if !self.named.contains(&start.public_key) {
            self.named.push(start.public_key.clone());
        }
        Ok(OpenPart { key, sequence: after.sequence, hash: after.hash, after, hashes: BTreeMap::new(), start })
    }

    fn end(&self, part: OpenPart, end: &End) -> Result<Part, Fault> {
        let head =
            Head::parse(&end.head).map_err(|error| Fault::at(format!("line {}", self.lines), error.to_string()))?;
        let place = format!("record {}", head.sequence);
        if !(self.is_signed)(&part.key, &head.statement(), &head.signature) {
            return Err(Fault::at(place, "the head that the export ends with is not signed by the server"));
        }
        if head.chain != part.after.chain || head.sequence != part.sequence {
            let what = format!("the export's signed end, but its last record is {}", part.sequence);
            return Err(Fault::at(place, what));
        }
        if head.hash != part.hash {
            return Err(Fault::at(place, "it is not the record that the server signed"));
        }
        let Start { tenant, pruned, .. } = part.start;
        Ok(Part { tenant, pruned, after: part.after, end: head, hashes: part.hashes })
    }
}

impl OpenPart {
    fn take(&mut self, record: &Record) -> Result<(), Fault> {
        let broken = |what: &str| Err(Fault::at(format!("record {}", record.sequence), what));
        if record.chain != self.after.chain || record.sequence != self.sequence + 1 {
            let what = format!("it follows record {}: one is missing, or they are out of order", self.sequence);
            return broken(&what);
        }
        if record.previous != self.hash {
            return broken("it does not name the record before it");
        }
        if record.computed_hash() != record.hash {
            return broken("its contents were changed");
        }
        self.sequence = record.sequence;
        self.hash = record.hash;
        self.hashes.insert(record.sequence, record.hash);
        Ok(())
    }
}

/// Compares a verified export with a head that was kept elsewhere, such as by a device. The caller has checked that it
/// is signed.
///
/// # Errors
/// [`Fault`] when the log was rewritten or cut, or the export does not reach so far back.
pub fn compare_with_head(parts: &[Part], head: &Head) -> Result<(), Fault> {
    let place = format!("record {}", head.sequence);
    let of_chain: Vec<&Part> = parts.iter().filter(|part| part.after.chain == head.chain).collect();
    let found = of_chain.iter().find_map(|part| {
        let before = (part.after.sequence == head.sequence).then_some(part.after.hash);
        part.hashes.get(&head.sequence).copied().or(before)
    });
    match found {
        Some(hash) if hash == head.hash => Ok(()),
        Some(_) => Err(Fault::at(place, "it is not the one that was kept: the log was rewritten")),
        None => match of_chain.iter().map(|part| part.end.sequence).max() {
            Some(end) if end < head.sequence => {
                let what = format!(
                    "it was kept, but the export ends at record {end}: the log was cut, or not all of it exported"
                );
                Err(Fault::at(place, what))
            }
            Some(_) => Err(Fault::at(place, "the export does not reach so far back; it cannot be compared")),
            None => Err(Fault::at(place, format!("the export has no chain {}", head.chain))),
        },
    }
}

//! The hash chain: what a record's hash covers, and how a chain is verified.

use super::{AuditCheckpoint, AuditEntry, AuditHead, AuditRecord, Disclosed, Outcome};
use sha2::{Digest, Sha256};

/// Hashes fields so that no two lists of fields give the same bytes: every field is length-prefixed.
struct Fields(Sha256);

impl Fields {
    fn new() -> Self {
        Self(Sha256::new_with_prefix(b"lapwing/audit/1"))
    }
    fn bytes(mut self, field: &[u8]) -> Self {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
        self
    }
    fn text(self, field: &str) -> Self {
        self.bytes(field.as_bytes())
    }
    fn number(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }
}

/// hash = SHA-256("lapwing/audit/1" ‖ length-prefixed: previous, chain, sequence, every field of the entry,
/// every disclosed version).
fn hash(head: &AuditHead, sequence: u64, entry: &AuditEntry, disclosed: &[Disclosed]) -> [u8; 32] {
    let mut fields = Fields::new()
        .bytes(&head.hash)
        .number(u64::from(head.chain))
        .number(sequence)
        .bytes(&entry.id)
        .number(entry.at.ticks())
        .text(&entry.activity)
        .text(&entry.category)
        .text(entry.actor.kind())
        .text(&entry.actor.id())
        .text(entry.actor.name())
        .text(&entry.target.kind)
        .text(&entry.target.id)
        .text(&entry.target.name)
        .text(match &entry.outcome {
            Outcome::Success => "",
            Outcome::Failure(code) => code,
        })
        .text(&entry.request_id)
        .text(&entry.client)
        .text(&entry.detail)
        .number(disclosed.len() as u64);
    for version in disclosed {
        fields = fields.bytes(version.device.as_bytes()).bytes(version.version.as_bytes());
    }
    fields.0.finalize().into()
}

impl AuditRecord {
    /// The record that follows `head`.
    pub fn chained(head: AuditHead, entry: AuditEntry, disclosed: Vec<Disclosed>) -> Self {
        let sequence = head.sequence + 1;
        let hash = hash(&head, sequence, &entry, &disclosed);
        Self { chain: head.chain, sequence, entry, disclosed, previous: head.hash, hash }
    }

    /// The head of the chain that ends with this record.
    pub const fn head(&self) -> AuditHead {
        AuditHead { chain: self.chain, sequence: self.sequence, hash: self.hash }
    }
}

/// Where a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit chain {chain} is broken at record {sequence}: {what}")]
pub struct Broken {
    /// The chain.
    pub chain: u32,
    /// The first record that does not fit.
    pub sequence: u64,
    /// What does not fit.
    pub what: &'static str,
}

/// Verifies records of one chain, in order, piece by piece.
#[derive(Debug, Clone, Copy)]
pub struct Verifier {
    head: AuditHead,
}

impl Verifier {
    /// From the start of a chain, or from what pruning left of it.
    pub fn new(chain: u32, checkpoint: Option<&AuditCheckpoint>) -> Self {
        Self { head: checkpoint.map_or(AuditHead::empty(chain), |checkpoint| checkpoint.signed.head) }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// [`Broken`] when it does not follow the one before, or is not what was hashed.
    pub fn take(&mut self, record: &AuditRecord) -> Result<(), Broken> {
        let broken = |what| Broken { chain: self.head.chain, sequence: record.sequence, what };
        if record.chain != self.head.chain || record.sequence != self.head.sequence + 1 {
            return Err(broken("a record is missing or out of order"));
        }
        if record.previous != self.head.hash {
            return Err(broken("it does not name the record before it"));
        }
        if hash(&self.head, record.sequence, &record.entry, &record.disclosed) != record.hash {
            return Err(broken("its contents were changed"));
        }
        self.head = record.head();
        Ok(())
    }

    /// The head of what was taken.
    pub const fn head(&self) -> AuditHead {
        self.head
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Actor, Target};
    use laps::time::Timestamp;

    fn entry(detail: &str) -> AuditEntry {
        AuditEntry {
            id: [1; 16],
            at: Timestamp::from_unix_ms(0),
            activity: "a".into(),
            category: "c".into(),
            actor: Actor::Anonymous,
            target: Target::default(),
            outcome: Outcome::Success,
            request_id: String::new(),
            client: String::new(),
            detail: detail.into(),
        }
    }

    #[test]
    fn a_changed_removed_or_swapped_record_is_found() {
        let mut head = AuditHead::empty(1);
        let mut records = Vec::new();
        for detail in ["one", "two", "three"] {
            let record = AuditRecord::chained(head, entry(detail), Vec::new());
            head = record.head();
            records.push(record);
        }
        let verify = |records: &[AuditRecord]| {
            let mut verifier = Verifier::new(1, None);
            records.iter().try_for_each(|record| verifier.take(record)).map(|()| verifier.head())
        };
        assert_eq!(verify(&records), Ok(head));
        let mut changed = records.clone();
        changed[1].entry.detail = "2".into();
        assert_eq!(verify(&changed).unwrap_err().sequence, 2);
        let mut shortened = records.clone();
        shortened.remove(0);
        assert_eq!(verify(&shortened).unwrap_err().sequence, 2);
        let mut swapped = records;
        swapped.swap(1, 2);
        assert_eq!(verify(&swapped).unwrap_err().sequence, 3);
    }
}

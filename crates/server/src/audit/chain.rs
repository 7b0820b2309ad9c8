//! The hash chain: what a record's hash covers, and how a chain is verified.

use super::{AuditCheckpoint, AuditEntry, AuditHead, AuditRecord, Disclosed, Outcome};
use proto::audit::Covered;

/// The hash of the record that follows `head` (`proto::audit::Covered`).
fn hash(head: &AuditHead, sequence: u64, entry: &AuditEntry, disclosed: &[Disclosed]) -> [u8; 32] {
    let (actor_id, failure) = (
        entry.actor.id(),
        match &entry.outcome {
            Outcome::Success => "",
            Outcome::Failure(code) => code,
        },
    );
    let covered = Covered {
        previous: &head.hash,
        chain: head.chain,
        sequence,
        id: &entry.id,
        at: entry.at,
        activity: &entry.activity,
        category: &entry.category,
        actor: [entry.actor.kind(), &actor_id, entry.actor.name()],
        target: [&entry.target.kind, &entry.target.id, &entry.target.name],
        failure,
        request_id: &entry.request_id,
        client: &entry.client,
        detail: &entry.detail,
    };
    covered.hash(disclosed.iter().map(|one| (one.device.as_bytes(), one.version.as_bytes())))
}

impl AuditRecord {
    /// The record that follows `head`.
    pub fn chained(head: AuditHead, entry: AuditEntry, disclosed: Vec<Disclosed>) -> Self {
        let sequence = head.sequence + 1;
        let hash = hash(&head, sequence, &entry, &disclosed);
        Self { chain: head.chain, sequence, entry, disclosed, previous: head.hash, hash }
    }

    /// The record as it stands in an export.
    pub fn exported(&self) -> proto::audit::Record {
        let entry = &self.entry;
        proto::audit::Record {
            chain: self.chain,
            sequence: self.sequence,
            id: entry.id,
            at: entry.at,
            activity: entry.activity.clone(),
            category: entry.category.clone(),
            actor: proto::audit::Actor {
                kind: entry.actor.kind().to_owned(),
                id: entry.actor.id(),
                name: entry.actor.name().to_owned(),
            },
            target: proto::audit::Target {
                kind: entry.target.kind.clone(),
                id: entry.target.id.clone(),
                name: entry.target.name.clone(),
            },
            failure: match &entry.outcome {
                Outcome::Success => None,
                Outcome::Failure(code) => Some(code.clone()),
            },
            request_id: entry.request_id.clone(),
            client: entry.client.clone(),
            detail: entry.detail.clone(),
            disclosed: self
                .disclosed
                .iter()
                .map(|one| proto::audit::Disclosed { device: one.device, version: one.version })
                .collect(),
            previous: self.previous,
            hash: self.hash,
        }
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

    /// From behind a record that is taken as it is.
    pub const fn behind(head: AuditHead) -> Self {
        Self { head }
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

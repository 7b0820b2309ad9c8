//! How a chain is verified.

use super::{AuditCheckpoint, AuditHead, AuditRecord};

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
        if record.digest() != record.hash {
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
    use crate::audit::{Actor, AuditEntry, Outcome, Target};
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
            let record = AuditRecord::following(head, entry(detail), Vec::new());
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

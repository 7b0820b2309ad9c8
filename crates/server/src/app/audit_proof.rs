//! How the audit log stands by the server's own look at it, and by what devices kept of it.
//!
//! A server that is in other hands can say what it likes of itself: what binds it are the heads that devices keep,
//! and an export that is verified elsewhere.

use super::{App, Result, hex};
use crate::audit::{AuditHead, Verifier};
use crate::authz::{Action, Caller};
use laps::time::Timestamp;

/// Records that one look goes through, the newest.
const LOOKED_AT_MAX: u64 = 50_000;
/// Records that are read at once.
const CHUNK: u32 = 1_000;

/// How the chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditState {
    /// The place of the last record.
    pub last: u64,
    /// When its head was signed; `None` before the first record.
    pub signed_at: Option<Timestamp>,
    /// The signed head as devices keep it.
    pub head: String,
    /// The key that it is signed with, hexadecimal digits.
    pub public_key: String,
    /// The last record that was removed because its time was over; 0 for none.
    pub pruned: u64,
}

/// What looking through the newest records came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditProof {
    /// The first record that was looked at.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// What does not fit, and where.
    pub fault: Option<String>,
}

impl App {
    /// How the chain stands.
    pub async fn audit_state(&self, caller: &Caller) -> Result<AuditState> {
        self.require(caller, Action::AuditRead)?;
        let head = self.chain_head().await?;
        let signed = self.head_key.sign(head, self.now())?;
        Ok(AuditState {
            last: head.sequence,
            signed_at: (head.sequence > 0).then_some(signed.signed_at),
            head: super::log::head_text(&signed),
            public_key: hex(self.head_key.public_key()),
            pruned: self.pruned(head.chain).await?,
        })
    }

    /// Looks through the newest records: each names the one before it by its hash, none is missing, and the end is
    /// the head that was signed.
    pub async fn prove_audit(&self, caller: &Caller) -> Result<AuditProof> {
        self.require(caller, Action::AuditRead)?;
        let head = self.chain_head().await?;
        let behind = head.sequence.saturating_sub(LOOKED_AT_MAX).max(self.pruned(head.chain).await?);
        let mut verifier = Verifier::behind(self.head_at(head.chain, behind).await?);
        let wanted = self.store.signed_heads().await?;
        let wanted = wanted.iter().map(|signed| signed.head).find(|signed| signed.chain == head.chain);
        let proof = |fault: Option<String>| AuditProof { first: behind + 1, last: head.sequence, fault };
        while verifier.head().sequence < head.sequence {
            let records = self.store.audit_chain(head.chain, verifier.head().sequence, CHUNK).await?;
            if records.is_empty() {
                break;
            }
            for record in records.iter().take_while(|record| record.sequence <= head.sequence) {
                if let Err(broken) = verifier.take(record) {
                    return Ok(proof(Some(broken.to_string())));
                }
                if wanted.is_some_and(|signed| signed.sequence == record.sequence && signed.hash != record.hash) {
                    return Ok(proof(Some(format!("record {} is not the one that was signed", record.sequence))));
                }
            }
        }
        let ends = verifier.head();
        Ok(proof((ends != head).then(|| format!("the chain ends at record {}, before its own head", ends.sequence))))
    }

    /// The end of the chain that this server writes.
    async fn chain_head(&self) -> Result<AuditHead> {
        Ok(self.store.audit_heads().await?.first().copied().unwrap_or(AuditHead::empty(1)))
    }

    async fn pruned(&self, chain: u32) -> Result<u64> {
        let checkpoints = self.store.audit_checkpoints().await?;
        let kept = checkpoints.iter().find(|checkpoint| checkpoint.signed.head.chain == chain);
        Ok(kept.map_or(0, |checkpoint| checkpoint.signed.head.sequence))
    }
}

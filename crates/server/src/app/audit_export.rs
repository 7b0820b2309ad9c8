//! The audit log as it leaves the server: exports that are verified without one, and the checkpoints that stay when
//! old records go.

use super::credentials::Listed;
use super::record::{category, target};
use super::{App, Error, Result};
use crate::audit::{AuditCheckpoint, AuditHead, activity};
use crate::authz::{Action, Caller, Denied, Identity, Job};
use crate::ca::head::exported;
use laps::time::{TICKS_PER_DAY, Timestamp};
use proto::audit::{End, Line, Start};
use serde_json::json;

/// Records that go in one transaction.
const PRUNE_BATCH: u64 = 20_000;
/// Batches in one run of the job.
const PRUNE_BATCHES: u32 = 20;

impl App {
    /// A page of the export: lines, in the order in which they are verified. `since` and `until` (exclusive) are held
    /// by the time of the records; what is exported is always without gaps, and its ends are signed. The first page is
    /// given out only after the record of the export, in which `form` stands (`json`, `jsonl`, `cef`, `ocsf`); those
    /// that follow it belong to it.
    pub async fn audit_export(
        &self,
        caller: &Caller,
        form: &str,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        after: Option<String>,
        limit: u32,
    ) -> Result<Listed<Line>> {
        self.require(caller, Action::AuditRead)?;
        let mut lines = Vec::new();
        let (chain, behind, last) = match after {
            Some(cursor) => place(&cursor).ok_or_else(|| Error::invalid("bad_skiptoken", "start the export again"))?,
            None => {
                let heads = self.store.audit_heads().await?;
                let head = heads.first().copied().unwrap_or(AuditHead::empty(1));
                let (start, behind) = self.export_start(head, since).await?;
                let last = match until {
                    None => head.sequence,
                    Some(until) => self.store.audit_from(head.chain, until).await?.map_or(head.sequence, |at| at - 1),
                };
                lines.push(Line::Start(start));
                let last = last.max(behind);
                let audit = self.entry(
                    caller,
                    activity::EXPORT_AUDIT,
                    category::DIRECTORY,
                    target("tenant", &self.tenant, ""),
                    json!({
                        "form": form,
                        "since": since.map(|at| at.to_string()),
                        "until": until.map(|at| at.to_string()),
                        "chain": head.chain,
                        "after": behind,
                        "upTo": last,
                    }),
                )?;
                self.store.append_audit(audit).await?;
                (head.chain, behind, last)
            }
        };
        let records = self.store.audit_chain(chain, behind, limit).await?;
        let mut end = None;
        let mut reached = behind;
        for record in records.into_iter().take_while(|record| record.sequence <= last) {
            reached = record.sequence;
            end = Some(record.head());
            lines.push(Line::Record(Box::new(record.exported())));
        }
        if reached < last {
            if reached == behind {
                return Err(Error::refused(
                    super::Kind::Changed,
                    "changed_meanwhile",
                    "records were pruned while they were exported; start the export again",
                ));
            }
            return Ok(Listed::new(lines, Some(format!("{chain}:{reached}:{last}"))));
        }
        let end = match end {
            Some(end) => end,
            None => self.head_at(chain, reached).await?,
        };
        let head = self.head_key.sign_older(end, self.now())?;
        lines.push(Line::End(End { head: exported(&head).to_string() }));
        Ok(Listed::new(lines, None))
    }

    /// How an export begins that holds what was written since a time.
    async fn export_start(&self, head: AuditHead, since: Option<Timestamp>) -> Result<(Start, u64)> {
        let checkpoints = self.store.audit_checkpoints().await?;
        let checkpoint = checkpoints.into_iter().find(|checkpoint| checkpoint.signed.head.chain == head.chain);
        let first_kept = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.signed.head.sequence);
        let behind = match since {
            None => first_kept,
            Some(since) => {
                let from = self.store.audit_from(head.chain, since).await?.map_or(head.sequence, |from| from - 1);
                from.max(first_kept)
            }
        };
        let pruned = checkpoint.filter(|checkpoint| checkpoint.signed.head.sequence == behind);
        let (signed, pruned) = match pruned {
            Some(checkpoint) => (checkpoint.signed, true),
            None => (self.head_key.sign_older(self.head_at(head.chain, behind).await?, self.now())?, false),
        };
        let start = Start {
            format: 1,
            tenant: self.tenant,
            public_key: super::hex(self.head_key.public_key()),
            after: exported(&signed).to_string(),
            pruned,
            exported_at: self.now(),
        };
        Ok((start, behind))
    }

    /// The head of a chain as it was when a record was its last.
    pub(super) async fn head_at(&self, chain: u32, sequence: u64) -> Result<AuditHead> {
        if sequence == 0 {
            return Ok(AuditHead::empty(chain));
        }
        let record = self.store.audit_chain(chain, sequence - 1, 1).await?.into_iter().next();
        match record.filter(|record| record.sequence == sequence) {
            Some(record) => Ok(record.head()),
            None => {
                let checkpoints = self.store.audit_checkpoints().await?;
                let kept = checkpoints.into_iter().map(|checkpoint| checkpoint.signed.head);
                kept.into_iter()
                    .find(|head| (head.chain, head.sequence) == (chain, sequence))
                    .ok_or_else(|| Error::Internal(format!("the audit log has no record {sequence}")))
            }
        }
    }

    /// Removes records that are older than the tenant keeps them, and leaves a signed checkpoint; answers how many.
    pub async fn prune_audit(&self, caller: &Caller) -> Result<u64> {
        if !matches!(&caller.identity, Identity::System(Job::Retention)) {
            return Err(Denied::Kind(Action::SettingsWrite).into());
        }
        let days = self.store.tenant().await?.settings.audit_days;
        if days == 0 {
            return Ok(0);
        }
        let before = self.now().minus_ticks(u64::from(days) * TICKS_PER_DAY);
        let mut removed = 0;
        for head in self.store.audit_heads().await? {
            let last = self.store.audit_from(head.chain, before).await?.map_or(head.sequence, |from| from - 1);
            for _ in 0..PRUNE_BATCHES {
                let checkpoints = self.store.audit_checkpoints().await?;
                let kept = checkpoints.iter().find(|checkpoint| checkpoint.signed.head.chain == head.chain);
                let first = kept.map_or(0, |checkpoint| checkpoint.signed.head.sequence);
                if first >= last {
                    break;
                }
                let cut = self.head_at(head.chain, last.min(first + PRUNE_BATCH)).await?;
                let audit = self.entry(
                    caller,
                    activity::PRUNE_AUDIT,
                    category::DIRECTORY,
                    target("tenant", &self.tenant, ""),
                    json!({"chain": head.chain, "upTo": cut.sequence, "olderThan": before.to_string()}),
                )?;
                let checkpoint = AuditCheckpoint { signed: self.head_key.sign_older(cut, self.now())? };
                removed += self.store.prune_audit(checkpoint, audit).await?;
            }
        }
        Ok(removed)
    }
}

/// The cursor of an export: chain, last record sent, last record of the export.
fn place(cursor: &str) -> Option<(u32, u64, u64)> {
    let mut parts = cursor.split(':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

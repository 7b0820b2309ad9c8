//! `audit …`

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::Subcommand;
use proto::{
    admin::AuditEntry,
    graph::{AuditInitiator, DirectoryAudit},
};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List what was done, newest first
    List {
        /// Only what was done to this machine: its id, or its name when no other has it
        #[arg(long)]
        device: Option<String>,
        /// At most so many records
        #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50)]
        limit: usize,
    },
    /// Check that no record is missing and that the log ends where the server says
    Verify,
}

/// `lapwing audit …`.
pub(crate) async fn run(globals: &Globals, command: AuditCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        AuditCommand::List { device, limit } => {
            let filter = match device {
                Some(device) => {
                    let device = super::device::find(&signed_in, &device).await?;
                    Some(format!("targetResources/any(t:t/id eq '{}')", device.device_id))
                }
                None => None,
            };
            let records = signed_in.directory_audits(filter.as_deref(), Some(limit)).await?;
            output::list(globals.output, &records, &["time", "who", "activity", "to", "result"], row)
        }
        AuditCommand::Verify => {
            let (entries, head) = (signed_in.audit_entries().await?, signed_in.audit_head().await?);
            let chains = verify(&entries)?;
            // Records may have been added between the two answers; none may have gone.
            let end = chains.get(&head.chain).copied().unwrap_or(0);
            let at_head = entries.iter().find(|entry| entry.chain == head.chain && entry.sequence == head.sequence);
            if end < head.sequence {
                return Err(broken(&format!("it ends at record {end}, the signed head says {}", head.sequence)));
            }
            if at_head.is_some_and(|entry| entry.hash != head.hash) {
                return Err(broken(&format!("record {} is not the one of the signed head", head.sequence)));
            }
            let verified =
                Verified { records: entries.len(), chain: head.chain, sequence: head.sequence, hash: head.hash };
            if globals.output == Form::Json {
                return output::json(&verified);
            }
            output::data(&format!(
                "{} records, none missing; head of chain {}: {} {}\n",
                verified.records, verified.chain, verified.sequence, verified.hash
            ))?;
            output::message("the hashes themselves are checked on the server: lapwingd check");
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Verified {
    records: usize,
    chain: String,
    sequence: u64,
    hash: String,
}

fn broken(what: &str) -> Failure {
    Failure::failed("audit_log_broken", format!("the audit log is not whole: {what}")).next(
        "compare with the heads that machines keep (lapwing-agent status), and look who could write to the server",
    )
}

/// The last sequence of each chain, when every chain is without gaps.
fn verify(entries: &[AuditEntry]) -> Result<BTreeMap<String, u64>, Failure> {
    let mut chains = BTreeMap::<String, Vec<u64>>::new();
    for entry in entries {
        chains.entry(entry.chain.clone()).or_default().push(entry.sequence);
    }
    let mut ends = BTreeMap::new();
    for (chain, mut sequences) in chains {
        sequences.sort_unstable();
        for pair in sequences.windows(2) {
            if let [before, after] = pair
                && *after != before + 1
            {
                return Err(broken(&format!("in chain {chain}, record {after} follows record {before}")));
            }
        }
        ends.insert(chain, sequences.last().copied().unwrap_or(0));
    }
    Ok(ends)
}

fn row(record: &DirectoryAudit) -> Vec<String> {
    let targets: Vec<_> = record
        .target_resources
        .iter()
        .map(|target| if target.display_name.is_empty() { target.id.clone() } else { target.display_name.clone() })
        .collect();
    vec![
        record.activity_date_time.to_string(),
        who(&record.initiated_by),
        record.activity_display_name.clone(),
        targets.join(", "),
        record.result.clone(),
    ]
}

/// The name of who did it.
pub(crate) fn who(initiator: &AuditInitiator) -> String {
    match (&initiator.user, &initiator.app) {
        (Some(user), _) => user.user_principal_name.clone(),
        (None, Some(app)) => app.display_name.clone(),
        (None, None) => "nobody known".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::time::Timestamp;

    fn entry(chain: &str, sequence: u64) -> AuditEntry {
        AuditEntry {
            chain: chain.into(),
            sequence,
            at: Timestamp::MIN,
            activity: String::new(),
            outcome: String::new(),
            actor: String::new(),
            targets: vec![],
            hash: String::new(),
            detail: serde_json::Value::Null,
        }
    }

    #[test]
    fn a_gap_is_found_in_its_own_chain() {
        let ends = verify(&[entry("0", 2), entry("0", 1), entry("1", 7)]).unwrap();
        assert_eq!(ends, BTreeMap::from([("0".into(), 2), ("1".into(), 7)]));
        let failure = verify(&[entry("0", 1), entry("1", 2), entry("0", 3)]).unwrap_err();
        assert!(failure.text().contains("in chain 0, record 3 follows record 1"), "{}", failure.text());
    }
}

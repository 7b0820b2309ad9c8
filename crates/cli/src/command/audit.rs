//! `audit …`

use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::Subcommand;
use proto::{
    admin::{AuditEntry, AuditHead},
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
            output::list(globals.output, &records, &["time", "who", "activity", "to", "result", "read and use"], row)
        }
        AuditCommand::Verify => {
            // The heads first: records may be added between the two answers, none may go.
            let (heads, entries) = (signed_in.audit_heads().await?, signed_in.audit_entries().await?);
            let verified = verify(&entries, &heads)?;
            if globals.output == Form::Json {
                return output::json(&verified);
            }
            output::data(&format!("{} records, none missing\n", verified.records))?;
            for head in &verified.heads {
                output::data(&format!("head of chain {}: {} {}\n", head.chain, head.sequence, head.hash))?;
            }
            output::message("the hashes themselves are checked on the server: lapwingd check");
            Ok(())
        }
    }
}

#[derive(Debug, Serialize)]
struct Verified {
    records: usize,
    heads: Vec<AuditHead>,
}

fn broken(what: &str) -> Failure {
    Failure::failed("audit_log_broken", format!("the audit log is not whole: {what}")).next(
        "compare with the heads that machines keep (lapwing-agent status), and look who could write to the server",
    )
}

/// Every chain is without gaps and reaches its signed head, which is the record that it says.
fn verify(entries: &[AuditEntry], heads: &[AuditHead]) -> Result<Verified, Failure> {
    let mut chains = BTreeMap::<&str, BTreeMap<u64, &str>>::new();
    for entry in entries {
        chains.entry(&entry.chain).or_default().insert(entry.sequence, &entry.hash);
    }
    for (chain, records) in &chains {
        for (before, after) in records.keys().zip(records.keys().skip(1)) {
            if *after != before + 1 {
                return Err(broken(&format!("in chain {chain}, record {after} follows record {before}")));
            }
        }
    }
    for head in heads.iter().filter(|head| head.sequence > 0) {
        match chains.get(head.chain.as_str()).and_then(|records| records.get(&head.sequence)) {
            Some(hash) if *hash == head.hash => {}
            Some(_) => {
                return Err(broken(&format!(
                    "record {} of chain {} is not the one of its signed head",
                    head.sequence, head.chain
                )));
            }
            None => {
                return Err(broken(&format!(
                    "chain {} does not reach record {} of its signed head",
                    head.chain, head.sequence
                )));
            }
        }
    }
    Ok(Verified { records: entries.len(), heads: heads.to_vec() })
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
        pairing(record),
    ]
}

/// Beside a read whether a use followed, beside a use who had read: one without the other is worth a look.
fn pairing(record: &DirectoryAudit) -> String {
    let detail = |key: &str| record.additional_details.iter().find(|detail| detail.key == key);
    match (detail("use"), detail("read")) {
        (Some(used), _) if used.value == "none" => "read, not used".into(),
        (Some(used), _) => format!("used: {}", used.value),
        (None, Some(read)) if read.value == "none" => "USED, NOT READ".into(),
        (None, Some(read)) => format!("read by {}", read.value),
        (None, None) => String::new(),
    }
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
            hash: format!("{chain}/{sequence}"),
            detail: serde_json::Value::Null,
        }
    }

    fn head(chain: &str, sequence: u64) -> AuditHead {
        let hash = format!("{chain}/{sequence}");
        AuditHead { chain: chain.into(), sequence, hash, signed: String::new(), public_key: String::new() }
    }

    #[test]
    fn gaps_and_short_logs_are_found() {
        let whole = [entry("0", 2), entry("0", 1), entry("1", 7)];
        assert_eq!(verify(&whole, &[head("0", 2), head("1", 7), head("2", 0)]).unwrap().records, 3);
        // what was added after the heads were signed is no fault
        assert!(verify(&whole, &[head("0", 1)]).is_ok());
        let text = |outcome: Result<Verified, Failure>| outcome.unwrap_err().text();
        let gap = text(verify(&[entry("0", 1), entry("1", 2), entry("0", 3)], &[]));
        assert!(gap.contains("in chain 0, record 3 follows record 1"), "{gap}");
        assert!(text(verify(&whole, &[head("0", 3)])).contains("does not reach record 3"));
        let other = AuditHead { hash: "other".into(), ..head("0", 2) };
        assert!(text(verify(&whole, &[other])).contains("is not the one of its signed head"));
    }
}

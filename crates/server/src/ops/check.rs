//! `lapwingd check`: is everything there, whole, and readable?

use super::{DataDirectory, OpsError};
use crate::{
    audit::{AuditHead, Verifier},
    ca::{
        head::{HeadKey, is_signed_by},
        keys::KeyDirectory,
    },
    seal::{KeyFiles, KeyId, Place, Sealer},
    store::{Counts, Store, sqlite::SqliteStore},
};
use std::sync::Arc;

/// Records that are read at once.
const CHUNK: u32 = 1000;
/// The key that signs heads.
const AUDIT_KEY: &str = "audit.key";

/// Something that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable code.
    pub code: &'static str,
    /// What was found, and what to do.
    pub text: String,
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What the database holds.
    pub counts: Counts,
    /// The ends of the audit chains that verified.
    pub audit_heads: Vec<AuditHead>,
    /// Keys of which one envelope was opened.
    pub keys_opened: Vec<KeyId>,
    /// What is wrong; empty when all is well.
    pub findings: Vec<Finding>,
}

/// Opens the database, checks its pages and references, verifies the audit chains and their signed heads,
/// and opens one envelope of each key. Changes nothing but what opening a database changes.
///
/// # Errors
/// What opening gives; what is found wrong afterwards is in [`Checked::findings`].
pub async fn check(data: &DataDirectory, keys: &Arc<KeyFiles>) -> Result<Checked, OpsError> {
    let store = SqliteStore::open(&data.database())?;
    let mut findings = Vec::new();
    if let Err(error) = store.integrity().await {
        findings.push(Finding {
            code: error.code(),
            text: format!("The database is damaged ({error}). Restore the newest backup that checks."),
        });
    }
    let audit_heads = verify_audit(&store, data, &mut findings).await?;
    let keys_opened = open_samples(&store, keys, &mut findings).await?;
    Ok(Checked { counts: store.counts().await?, audit_heads, keys_opened, findings })
}

async fn verify_audit(
    store: &dyn Store,
    data: &DataDirectory,
    findings: &mut Vec<Finding>,
) -> Result<Vec<AuditHead>, OpsError> {
    let checkpoints = store.audit_checkpoints().await?;
    let signed = store.signed_heads().await?;
    let files = KeyDirectory::of(data.root());
    let key = if files.has(AUDIT_KEY) { Some(HeadKey::open(&files.read(AUDIT_KEY)?)?) } else { None };
    for head in signed.iter().chain(checkpoints.iter().map(|checkpoint| &checkpoint.signed)) {
        if let Some(key) = &key
            && !is_signed_by(head, key.public_key())
        {
            let text = format!("The signature on record {} of chain {} is false.", head.head.sequence, head.head.chain);
            findings.push(Finding { code: "audit_signature", text });
        }
    }
    if key.is_none() && !(signed.is_empty() && checkpoints.is_empty()) {
        let text = format!("{AUDIT_KEY} is missing in the key directory: signed heads were not verified.");
        findings.push(Finding { code: "audit_key", text });
    }
    let mut heads = Vec::new();
    for end in store.audit_heads().await? {
        let checkpoint = checkpoints.iter().find(|checkpoint| checkpoint.signed.head.chain == end.chain);
        let mut verifier = Verifier::new(end.chain, checkpoint);
        let wanted = signed.iter().find(|signed| signed.head.chain == end.chain).map(|signed| signed.head);
        let mut broken = None;
        'chain: loop {
            let records = store.audit_chain(end.chain, verifier.head().sequence, CHUNK).await?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                if let Err(error) = verifier.take(record) {
                    broken = Some(error.to_string());
                    break 'chain;
                }
                if wanted.is_some_and(|wanted| wanted.sequence == record.sequence && wanted.hash != record.hash) {
                    broken = Some(format!("record {} is not the one that was signed", record.sequence));
                    break 'chain;
                }
            }
        }
        if broken.is_none() && wanted.is_some_and(|wanted| wanted.sequence > verifier.head().sequence) {
            broken = Some("it ends before the record that was signed last".to_owned());
        }
        match broken {
            None => heads.push(verifier.head()),
            Some(what) => {
                let text = format!("The audit log was changed: {what}. Compare with the heads that devices keep.");
                findings.push(Finding { code: "audit_chain", text });
            }
        }
    }
    Ok(heads)
}

async fn open_samples(
    store: &dyn Store,
    keys: &Arc<KeyFiles>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<KeyId>, OpsError> {
    let tenant = store.tenant().await?.id;
    let mut opened = Vec::new();
    for sample in store.sealed_samples().await? {
        let key = sample.sealed.key;
        let provider: Arc<dyn crate::seal::KeyProvider> = Arc::<KeyFiles>::clone(keys);
        let sealer = Sealer::new(provider, key, Arc::new(|_: &mut [u8]| Err(std::io::ErrorKind::Unsupported.into())));
        let place = Place {
            tenant,
            device: sample.version.device,
            version: sample.version.version,
            account: sample.version.account_id,
        };
        match sealer.unseal(&place, &sample.sealed) {
            Ok(_) => opened.push(key),
            Err(error) => findings.push(Finding { code: "key", text: format!("Key {key}: {error}") }),
        }
    }
    Ok(opened)
}

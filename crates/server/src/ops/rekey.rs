//! `lapwingd rekey`: a new key-encryption key, every envelope re-wrapped, the old one retired.
//!
//! The server may run meanwhile. Killed anywhere, the next run finishes: every key that is neither active
//! nor retired is a rekey that did not end.

use super::{Fill, OpsError, entry, random};
use crate::{
    audit::activity,
    seal::{KeyFiles, KeyId, Sealer},
    store::{Store, StoreError, WrappedKey, WrappedSecret},
};
use laps::time::Timestamp;
use serde_json::json;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// The key that is active now.
    pub active: KeyId,
    /// Whether a former run that was broken off was finished instead of making a new key.
    pub resumed: bool,
    /// Envelopes that were wrapped anew.
    pub rewrapped: u64,
    /// Keys that were retired. Their files are still needed for backups of before.
    pub retired: Vec<KeyId>,
}

/// Makes a new key active, re-wraps in batches of `batch`, and retires the old one. When an earlier run
/// was broken off that one is finished, and no further key is made.
///
/// `progress` is called after each batch with the number of envelopes done so far.
///
/// # Errors
/// What store and keys give; what was done until then stands, and the next run goes on.
pub async fn rekey(
    store: &dyn Store,
    keys: &Arc<KeyFiles>,
    batch: u32,
    now: Timestamp,
    fill: Fill<'_>,
    mut progress: impl FnMut(u64) + Send,
) -> Result<Rekeyed, OpsError> {
    let tenant = store.tenant().await?.id;
    let known = store.keys().await?;
    let resumed = known.iter().any(|key| !key.active && key.retired_at.is_none());
    if !resumed {
        let new = KeyId(random(fill)?);
        // The file is there, durably, before anything can be wrapped by it.
        keys.add(new, &Zeroizing::new(random(fill)?))?;
        let audit = entry(fill, now, "rekey", activity::BEGIN_REKEY, tenant, json!({ "key": new.to_string() }))?;
        store.begin_rekey(new, now, audit).await?;
    }
    let known = store.keys().await?;
    let active = known.iter().find(|key| key.active).ok_or(StoreError::NotInitialised)?.id;
    let provider: Arc<dyn crate::seal::KeyProvider> = Arc::<KeyFiles>::clone(keys);
    let sealer = Sealer::new(provider, active, Arc::new(|_: &mut [u8]| Err(std::io::ErrorKind::Unsupported.into())));
    let mut rekeyed = Rekeyed { active, resumed, rewrapped: 0, retired: Vec::new() };
    for old in known.iter().filter(|key| !key.active && key.retired_at.is_none()).map(|key| key.id) {
        loop {
            let kept = store.secrets_under(old, batch.max(1)).await?;
            if !kept.is_empty() {
                let anew = kept
                    .into_iter()
                    .map(|secret| {
                        let wrapped_key = sealer.rewrap(old, active, &secret.wrapped_key)?;
                        Ok(WrappedSecret { wrapped_key, ..secret })
                    })
                    .collect::<Result<Vec<_>, OpsError>>()?;
                rekeyed.rewrapped += store.rewrap_secrets(old, active, anew).await?;
                progress(rekeyed.rewrapped);
                continue;
            }
            let wrapped = store.wrapped_under(old, batch.max(1)).await?;
            if wrapped.is_empty() {
                let audit = entry(fill, now, "rekey", activity::RETIRE_KEY, tenant, json!({ "key": old.to_string() }))?;
                // A store that was under way may have added one since: then once more.
                if store.retire_key(old, now, audit).await? == 0 {
                    rekeyed.retired.push(old);
                    break;
                }
                continue;
            }
            let anew = wrapped
                .into_iter()
                .map(|row| {
                    let wrapped_key = sealer.rewrap(old, active, &row.wrapped_key)?;
                    Ok(WrappedKey { wrapped_key, ..row })
                })
                .collect::<Result<Vec<_>, OpsError>>()?;
            rekeyed.rewrapped += store.rewrap(old, active, anew).await?;
            progress(rekeyed.rewrapped);
        }
    }
    Ok(rekeyed)
}

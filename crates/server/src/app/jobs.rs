//! Background work: what the shell calls now and then, each as `Caller::System`.

use super::record::{category, target};
use super::{App, Result};
use crate::audit::activity;
use crate::authz::{Action, Caller, Denied, Identity, Job};
use crate::store::{ClockReading, PurgeBy, StoreError};
use serde_json::json;

/// Devices that the retention job looks at in one transaction.
const TRIM_BATCH: u32 = 200;
/// Tombstones that are purged in one run.
const PURGE_BATCH: u32 = 100;

impl App {
    pub(super) fn only(caller: &Caller, job: Job) -> Result<()> {
        match &caller.identity {
            Identity::System(own) if *own == job => Ok(()),
            _ => Err(Denied::Kind(Action::DeviceDelete).into()),
        }
    }

    /// Tells the store what the clock did; the answer is whether jobs that destroy are held.
    pub async fn observe_clock(&self, caller: &Caller, elapsed_s: Option<u64>) -> Result<bool> {
        Self::only(caller, Job::Retention)?;
        Ok(self.store.observe_clock(ClockReading { now: self.now(), elapsed_s }).await?)
    }

    /// Writes noted contacts of devices.
    pub async fn flush_seen(&self, caller: &Caller) -> Result<u64> {
        Self::only(caller, Job::Retention)?;
        Ok(self.store.flush_seen().await?)
    }

    /// Removes sessions, codes, counters and work whose time is over.
    pub async fn sweep(&self, caller: &Caller) -> Result<u64> {
        Self::only(caller, Job::Retention)?;
        Ok(self.store.sweep(self.now()).await?)
    }

    /// Removes versions whose time is over (rotation.md 3), all devices once; answers how many.
    pub async fn trim(&self, caller: &Caller) -> Result<u64> {
        Self::only(caller, Job::Retention)?;
        let mut after = None;
        let mut removed = 0;
        loop {
            let audit = self.entry(
                caller,
                activity::TRIM_PASSWORDS,
                category::DEVICE,
                target("tenant", &self.tenant, ""),
                json!({}),
            )?;
            let trimmed = self.store.trim(after, TRIM_BATCH, self.now(), audit).await?;
            removed += trimmed.versions;
            after = trimmed.next;
            if after.is_none() {
                return Ok(removed);
            }
        }
    }

    /// Ends tombstones whose time is over; answers how many. One that is refused is left for the next run.
    pub async fn end_tombstones(&self, caller: &Caller) -> Result<u64> {
        Self::only(caller, Job::Retention)?;
        let now = self.now();
        let mut ended = 0;
        for device in self.store.purgeable(now, PURGE_BATCH).await? {
            let audit = self.entry(
                caller,
                activity::PURGE_DEVICE,
                category::DEVICE,
                target("device", &device, ""),
                json!({"by": "retention"}),
            )?;
            match self.store.purge_device(device, PurgeBy::Job, now, audit).await {
                Ok(()) => ended += 1,
                Err(StoreError::PurgeRefused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(ended)
    }
}

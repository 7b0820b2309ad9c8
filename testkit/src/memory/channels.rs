//! Channels, in memory.

use super::state::State;
use laps::time::Timestamp;
use server::{audit::AuditEntry, store::*};

impl State {
    pub(super) fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        let mut channels = self.channels.clone();
        channels.sort_by_key(|one| one.channel.name.to_lowercase());
        Ok(channels)
    }

    pub(super) fn create_channel(
        &mut self,
        new: NewChannel,
        now: Timestamp,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let name = new.name.to_lowercase();
        if self.channels.iter().any(|one| one.channel.id == new.id || one.channel.name.to_lowercase() == name) {
            return Err(StoreError::Exists("channel"));
        }
        if self.channels.len() >= CHANNELS_MAX as usize {
            return Err(StoreError::InUse("as many channels as there may be"));
        }
        self.append_audit(audit)?;
        self.channels.push(Channel {
            channel: new,
            created_at: now,
            position: self.audit_head().sequence,
            delivered_at: None,
            dropped: 0,
            failures: 0,
            retry_at: None,
            last_error: None,
            paused: false,
        });
        Ok(())
    }

    pub(super) fn delete_channel(&mut self, id: [u8; 16], audit: AuditEntry) -> Result<(), StoreError> {
        let before = self.channels.len();
        self.channels.retain(|one| one.channel.id != id);
        if self.channels.len() == before {
            return Err(StoreError::NotFound("channel"));
        }
        self.append_audit(audit)
    }

    pub(super) fn pause_channel(&mut self, id: [u8; 16], paused: bool, audit: AuditEntry) -> Result<bool, StoreError> {
        let found = self.channels.iter_mut().find(|one| one.channel.id == id);
        let channel = found.ok_or(StoreError::NotFound("channel"))?;
        if channel.paused == paused {
            return Ok(false);
        }
        channel.paused = paused;
        channel.retry_at = None;
        self.append_audit(audit)?;
        Ok(true)
    }

    pub(super) fn advance_channel(
        &mut self,
        id: [u8; 16],
        from: u64,
        to: u64,
        progress: ChannelProgress,
    ) -> Result<bool, StoreError> {
        let found = self.channels.iter_mut().find(|one| one.channel.id == id && one.position == from);
        let Some(channel) = found else {
            return Ok(false);
        };
        channel.position = to;
        match progress {
            ChannelProgress::Told { at } => {
                channel.delivered_at = at.or(channel.delivered_at);
                channel.failures = 0;
                channel.retry_at = None;
                channel.last_error = None;
            }
            ChannelProgress::Dropped(records) => channel.dropped += records,
            ChannelProgress::Failed { error, retry_at } => {
                channel.failures += 1;
                channel.last_error = Some(error);
                channel.retry_at = Some(retry_at);
            }
        }
        Ok(true)
    }
}

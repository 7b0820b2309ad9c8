//! Protections of the store that a test can take away, to show that the simulator's oracle sees what they
//! protect from. No store of the product has such a switch.

use super::{MemoryStore, locked, state::State};
use laps::id::{DeviceId, VersionId};
use server::{audit::AuditEntry, store::*};
use std::sync::Mutex;

/// One missing protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreMutation {
    /// `store` is acknowledged before it is durable: a crash loses what was stored since the last other verb.
    AcknowledgedBeforeDurable,
    /// `prove` removes the other versions of the device.
    ProveRemoves,
    /// `abandon` removes the version.
    AbandonRemoves,
    /// Retention removes what is superseded at once.
    TrimmedAtOnce,
    /// The record of a reveal is written later; a crash loses it.
    AuditedAfterAnswer,
}

/// The missing protection, and what it leaves unwritten.
#[derive(Debug, Default)]
pub(super) struct Mutated {
    which: Mutex<Option<StoreMutation>>,
    unwritten: Mutex<Vec<(DeviceId, VersionId)>>,
}

impl MemoryStore {
    /// Takes a protection away, or gives it back.
    pub fn mutate(&self, which: Option<StoreMutation>) {
        *locked(&self.mutated.which) = which;
    }

    pub(super) fn mutation(&self) -> Option<StoreMutation> {
        *locked(&self.mutated.which)
    }

    fn lacks(&self, which: StoreMutation) -> bool {
        self.mutation() == Some(which)
    }

    pub(super) fn after_store(&self, key: (DeviceId, VersionId)) {
        if self.lacks(StoreMutation::AcknowledgedBeforeDurable) {
            *locked(&self.mutated.unwritten) = vec![key];
        }
    }

    /// What a crash takes along.
    pub(super) fn lose_unwritten(&self) {
        let lost = core::mem::take(&mut *locked(&self.mutated.unwritten));
        locked(&self.state).versions.retain(|key, _| !lost.contains(key));
    }

    pub(super) fn after_proof(&self, state: &mut State, device: DeviceId) {
        locked(&self.mutated.unwritten).clear();
        if self.lacks(StoreMutation::ProveRemoves) {
            state.versions.retain(|(of, _), row| *of != device || row.version.state == VersionState::Current);
        }
    }

    pub(super) fn after_abandon(&self, state: &mut State, key: (DeviceId, VersionId)) {
        let abandoned = state.versions.get(&key).is_some_and(|row| row.version.state == VersionState::Abandoned);
        if abandoned && self.lacks(StoreMutation::AbandonRemoves) {
            state.versions.remove(&key);
        }
    }

    pub(super) fn after_trim(&self, state: &mut State) {
        if self.lacks(StoreMutation::TrimmedAtOnce) {
            state.versions.retain(|_, row| row.version.state != VersionState::Superseded);
        }
    }

    pub(super) fn reveal_unless_late(
        &self,
        state: &mut State,
        reveal: Reveal,
        audit: AuditEntry,
    ) -> Result<Vec<SealedVersion>, StoreError> {
        if self.lacks(StoreMutation::AuditedAfterAnswer) {
            // The record goes into a copy that no crash leaves anything of.
            return state.clone().reveal(reveal, audit);
        }
        state.reveal(reveal, audit)
    }
}

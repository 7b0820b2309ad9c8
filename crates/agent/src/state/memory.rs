//! What the agent remembers of the last rotation that the directory acknowledged.

use super::{
    StateDir, StateError, durable,
    placement::{self, PlacementForm},
};
use laps::{
    decide::Memory,
    drift::{Drift, Standing, Watch},
    id::{DeviceId, Incarnation, TenantId, VersionId},
    rotation::{AccountRef, Fingerprint},
    time::Timestamp,
};
use proto::serde_text;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct MemoryForm {
    #[serde(with = "serde_text::text")]
    tenant: TenantId,
    #[serde(with = "serde_text::text")]
    device: DeviceId,
    #[serde(with = "serde_text::text")]
    incarnation: Incarnation,
    #[serde(with = "serde_text::text")]
    version: VersionId,
    account_id: u32,
    account_name: String,
    /// Number of BackupDirectory.
    directory: u32,
    /// Where in Active Directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active_directory: Option<PlacementForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_in_cloud: Option<TextForm<VersionId>>,
    #[serde(with = "serde_text::time")]
    rotated_at: Timestamp,
    #[serde(with = "serde_text::time")]
    expires_at: Timestamp,
    #[serde(with = "serde_text::text")]
    fingerprint: Fingerprint,
    /// Absent in a file of before there was one.
    #[serde(default)]
    watch: WatchForm,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WatchForm {
    /// Enabled, administrator.
    standing: Option<(bool, bool)>,
    former: Vec<TextForm<Fingerprint>>,
    repairs: Vec<TimeForm>,
    held: bool,
    found: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    transparent,
    bound(serialize = "T: core::fmt::Display", deserialize = "T: core::str::FromStr, T::Err: core::fmt::Display")
)]
struct TextForm<T>(#[serde(with = "serde_text::text")] T);

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct TimeForm(#[serde(with = "serde_text::time")] Timestamp);

impl WatchForm {
    fn of(watch: &Watch) -> Self {
        Self {
            standing: watch.standing.map(|standing| (standing.enabled, standing.administrator)),
            former: watch.former.iter().copied().map(TextForm).collect(),
            repairs: watch.repairs.iter().copied().map(TimeForm).collect(),
            held: watch.held,
            found: watch.found.iter().map(|drift| drift.as_str().to_owned()).collect(),
        }
    }

    fn watch(self) -> Watch {
        Watch {
            standing: self.standing.map(|(enabled, administrator)| Standing { enabled, administrator }),
            former: self.former.into_iter().map(|former| former.0).collect(),
            repairs: self.repairs.into_iter().map(|at| at.0).collect(),
            held: self.held,
            // A kind that this version does not know is found anew by its own name.
            found: self.found.iter().filter_map(|word| Drift::parse(word)).collect(),
        }
    }
}

impl StateDir {
    /// The last rotation, if one is remembered.
    ///
    /// # Errors
    /// [`StateError`]. A damaged memory is told as such; the caller may go on without: that costs one rotation.
    pub fn memory(&self) -> Result<Option<Memory>, StateError> {
        let path = self.file("memory.json");
        let Some(form) = durable::read_json::<MemoryForm>(&path)? else {
            return Ok(None);
        };
        let destination = placement::destination(form.active_directory);
        if destination.directory() as u32 != form.directory {
            return Err(StateError::Damaged { path, what: "an unknown directory".into() });
        }
        Ok(Some(Memory {
            tenant: form.tenant,
            device: form.device,
            incarnation: form.incarnation,
            version: form.version,
            account: AccountRef { id: form.account_id, name: form.account_name },
            destination,
            left_in_cloud: form.left_in_cloud.map(|version| version.0),
            rotated_at: form.rotated_at,
            expires_at: form.expires_at,
            fingerprint: form.fingerprint,
            watch: form.watch.watch(),
        }))
    }

    /// Forgets it, durably: the next cycle rotates.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn forget(&self) -> Result<(), StateError> {
        durable::remove(&self.file("memory.json"))
    }

    /// Keeps it, durably.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn remember(&self, memory: &Memory) -> Result<(), StateError> {
        let form = MemoryForm {
            tenant: memory.tenant,
            device: memory.device,
            incarnation: memory.incarnation,
            version: memory.version,
            account_id: memory.account.id,
            account_name: memory.account.name.clone(),
            directory: memory.directory() as u32,
            active_directory: memory.destination.placement().map(PlacementForm::of),
            left_in_cloud: memory.left_in_cloud.map(TextForm),
            rotated_at: memory.rotated_at,
            expires_at: memory.expires_at,
            fingerprint: memory.fingerprint,
            watch: WatchForm::of(&memory.watch),
        };
        durable::write_json(&self.file("memory.json"), &form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::rotation::Destination;

    #[test]
    fn it_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.memory().unwrap(), None);
        let memory = Memory {
            tenant: TenantId::from_random_bytes([1; 16]),
            device: DeviceId::from_random_bytes([2; 16]),
            incarnation: Incarnation::from_random_bytes([3; 16]),
            version: VersionId::from_random_bytes([4; 16]),
            account: AccountRef { id: 1000, name: "ops".into() },
            destination: Destination::Cloud,
            left_in_cloud: None,
            rotated_at: Timestamp::from_unix_ms(1_800_000_000_000),
            expires_at: Timestamp::from_unix_ms(1_800_086_400_000),
            fingerprint: Fingerprint::from_bytes([5; 16]),
            watch: Watch {
                standing: Some(Standing { enabled: true, administrator: false }),
                former: vec![Fingerprint::from_bytes([6; 16])],
                repairs: vec![Timestamp::from_unix_ms(1_800_000_000_000)],
                held: true,
                found: vec![Drift::ChangedByHand, Drift::Disabled],
            },
        };
        state.remember(&memory).unwrap();
        assert_eq!(state.memory().unwrap(), Some(memory.clone()));

        // A file of the version before this one has nothing of drift.
        let text = std::fs::read_to_string(state.file("memory.json")).unwrap();
        let (before, _) = text.split_once(",\"watch\"").unwrap();
        std::fs::write(state.file("memory.json"), format!("{before}}}")).unwrap();
        assert_eq!(state.memory().unwrap(), Some(Memory { watch: Watch::default(), ..memory }));
    }
}

//! The journal: the one intent that may be unresolved (rotation.md 2, step 3). It has no password.

use super::{
    StateDir, StateError, durable,
    placement::{self, PlacementForm},
};
use laps::{
    id::{DeviceId, TenantId, VersionId},
    rotation::{AccountRef, Fingerprint, Intent},
    time::Timestamp,
};
use proto::serde_text;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IntentForm {
    #[serde(with = "serde_text::text")]
    tenant: TenantId,
    #[serde(with = "serde_text::text")]
    device: DeviceId,
    #[serde(with = "serde_text::text")]
    version: VersionId,
    account_id: u32,
    account_name: String,
    #[serde(with = "serde_text::text")]
    fingerprint: Fingerprint,
    #[serde(with = "serde_text::time")]
    expires_at: Timestamp,
    /// Where in Active Directory; absent: the server's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active_directory: Option<PlacementForm>,
}

impl IntentForm {
    fn intent(self) -> Intent {
        Intent {
            tenant: self.tenant,
            device: self.device,
            version: self.version,
            account: AccountRef { id: self.account_id, name: self.account_name },
            fingerprint: self.fingerprint,
            expires_at: self.expires_at,
            destination: placement::destination(self.active_directory),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct JournalForm {
    intent: IntentForm,
}

/// What the journal held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalFound {
    /// No intent is left.
    Empty,
    /// This one.
    Intent(Intent),
    /// It could not be read and was kept aside (event 20005). The server's answer to `report` rebuilds it.
    Damaged {
        /// What is wrong and where it was put.
        text: String,
    },
}

impl StateDir {
    /// Reads the journal. One that cannot be read is renamed to `journal.damaged`.
    ///
    /// # Errors
    /// [`StateError`]: a newer format, or the file system fails; then nothing may be rotated.
    pub fn journal(&self) -> Result<JournalFound, StateError> {
        let path = self.file("journal.json");
        match durable::read_json::<JournalForm>(&path) {
            Ok(None) => Ok(JournalFound::Empty),
            Ok(Some(form)) => Ok(JournalFound::Intent(form.intent.intent())),
            Err(StateError::Damaged { what, .. }) => {
                let aside = self.keep_aside("journal.json")?;
                Ok(JournalFound::Damaged {
                    text: format!(
                        "journal.json is damaged ({what}): the directory is asked what was set; kept as {aside:?}"
                    ),
                })
            }
            Err(other) => Err(other),
        }
    }

    /// The intent that is left, only looked at: a journal that cannot be read stays where it is, and counts as none.
    ///
    /// # Errors
    /// [`StateError`]: a newer format, or the file system fails.
    pub fn intent(&self) -> Result<Option<Intent>, StateError> {
        match durable::read_json::<JournalForm>(&self.file("journal.json")) {
            Ok(form) => Ok(form.map(|form| form.intent.intent())),
            Err(StateError::Damaged { .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Writes the intent; it is durable when this returns.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write_journal(&self, intent: &Intent) -> Result<(), StateError> {
        let intent = IntentForm {
            tenant: intent.tenant,
            device: intent.device,
            version: intent.version,
            account_id: intent.account.id,
            account_name: intent.account.name.clone(),
            fingerprint: intent.fingerprint,
            expires_at: intent.expires_at,
            active_directory: intent.destination.placement().map(PlacementForm::of),
        };
        durable::write_json(&self.file("journal.json"), &JournalForm { intent })
    }

    /// The intent is resolved.
    ///
    /// # Errors
    /// [`StateError`]: it is found again at the next start, which does no harm.
    pub fn clear_journal(&self) -> Result<(), StateError> {
        durable::remove(&self.file("journal.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn intent() -> Intent {
        Intent {
            tenant: TenantId::from_random_bytes([1; 16]),
            device: DeviceId::from_random_bytes([2; 16]),
            version: VersionId::from_random_bytes([3; 16]),
            account: AccountRef { id: 0, name: "root".into() },
            fingerprint: Fingerprint::from_bytes([4; 16]),
            expires_at: Timestamp::from_unix_ms(1_900_000_000_123),
            destination: laps::rotation::Destination::Cloud,
        }
    }

    #[test]
    fn the_intent_comes_back_and_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.journal().unwrap(), JournalFound::Empty);
        state.write_journal(&intent()).unwrap();
        assert_eq!(state.journal().unwrap(), JournalFound::Intent(intent()));
        assert_eq!(state.intent().unwrap(), Some(intent()));
        state.clear_journal().unwrap();
        state.clear_journal().unwrap();
        assert_eq!(state.journal().unwrap(), JournalFound::Empty);
    }

    /// rotation.md 5: the journal torn at every byte.
    #[test]
    fn a_torn_journal_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        state.write_journal(&intent()).unwrap();
        let whole = fs::read(state.file("journal.json")).unwrap();
        for length in 0..whole.len() {
            fs::write(state.file("journal.json"), &whole[..length]).unwrap();
            assert_eq!(state.intent().unwrap(), None);
            assert_eq!(fs::read(state.file("journal.json")).unwrap(), &whole[..length], "only looked at");
            assert!(matches!(state.journal().unwrap(), JournalFound::Damaged { .. }), "{length} bytes");
            assert_eq!(fs::read(state.file("journal.damaged")).unwrap(), &whole[..length]);
            assert_eq!(state.journal().unwrap(), JournalFound::Empty);
        }
    }
}

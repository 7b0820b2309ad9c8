//! Files of the state directory that cannot be read: kept aside, so that the agent starts all the same.
//!
//! What each one costs: `memory.json` one rotation, `policy.json` the policy until the next check-in,
//! `contact.json` nothing, `sign-ins.json` and `fingerprint.key` one rotation each. A damaged journal is kept aside when it is read
//! ([`StateDir::journal`]). `identity.json` and the device's key cannot be replaced: they say who the device is.

use super::{StateDir, StateError, durable, sign_in, sign_in::Kept};
use std::{fs, path::Path};

impl StateDir {
    /// Keeps aside what is damaged, under its name with the ending `.damaged`, and says so, one text for each.
    /// Only the owner of the lock may call it.
    ///
    /// # Errors
    /// [`StateError`]: a newer format, or the file system fails.
    pub fn mend(&self) -> Result<Vec<String>, StateError> {
        let mut kept = Vec::new();
        self.keep_aside_if_damaged("contact.json", self.contact().err(), &mut kept)?;
        self.keep_aside_if_damaged("policy.json", self.policy().err(), &mut kept)?;
        self.keep_aside_if_damaged("memory.json", self.memory().err(), &mut kept)?;
        self.mend_sign_ins(&mut kept)?;
        self.mend_fingerprint_key(&mut kept)?;
        Ok(kept)
    }

    /// Nobody knows any more who used the password: it is changed.
    fn mend_sign_ins(&self, kept: &mut Vec<String>) -> Result<(), StateError> {
        let before = kept.len();
        self.keep_aside_if_damaged(sign_in::FILE, self.sign_ins().err(), kept)?;
        if kept.len() > before {
            self.keep_sign_ins(&Kept { lost: true, ..Kept::default() })?;
        }
        Ok(())
    }

    fn keep_aside_if_damaged(
        &self,
        name: &str,
        error: Option<StateError>,
        kept: &mut Vec<String>,
    ) -> Result<(), StateError> {
        match error {
            None => Ok(()),
            Some(StateError::Damaged { what, .. }) => {
                kept.push(format!("{name} is damaged ({what}); kept as {:?}", self.keep_aside(name)?));
                Ok(())
            }
            Some(other) => Err(other),
        }
    }

    /// Without the key nobody can tell whether an intent was set (rotation.md 2, `CannotTell`): the intent is
    /// left pending at the directory, and a rotation overtakes it.
    fn mend_fingerprint_key(&self, kept: &mut Vec<String>) -> Result<(), StateError> {
        let path = self.file("fingerprint.key");
        let what = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == super::KEY_BYTES as u64 => return Ok(()),
            Ok(_) => "damaged",
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "gone",
            Err(error) => return Err(StateError::io(&path, "look at", &error)),
        };
        self.refuse_newer()?;
        // What was made with the key goes first: with a new key it would be misread.
        let mut with_it = Vec::new();
        for name in ["journal.json", "memory.json"] {
            if self.file(name).exists() {
                with_it.push(format!("{:?}", self.keep_aside(name)?));
            }
        }
        if what == "damaged" {
            with_it.push(format!("{:?}", self.keep_aside("fingerprint.key")?));
        }
        // A directory that is new has nothing of the kind.
        if !with_it.is_empty() {
            kept.push(format!(
                "fingerprint.key is {what}: what is set cannot be told, so that the password is changed; kept: {}",
                with_it.join(", ")
            ));
        }
        Ok(())
    }

    /// A journal or memory of a newer version is not this version's to take away.
    pub(super) fn refuse_newer(&self) -> Result<(), StateError> {
        for name in ["journal.json", "memory.json"] {
            if let Err(newer @ StateError::Newer { .. }) = durable::read_json::<serde::de::IgnoredAny>(&self.file(name))
            {
                return Err(newer);
            }
        }
        Ok(())
    }

    /// Renames a file of this directory, durably.
    pub(super) fn keep_aside(&self, name: &str) -> Result<std::path::PathBuf, StateError> {
        let path = self.file(name);
        let aside = self.file(Path::new(name).with_extension("damaged").to_string_lossy().as_ref());
        fs::rename(&path, &aside).map_err(|error| StateError::io(&path, "keep aside", &error))?;
        durable::sync_directory_of(&path)?;
        Ok(aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_kept_aside_and_what_is_newer_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.mend().unwrap(), Vec::<String>::new());
        state.fingerprint_key().unwrap();
        for name in ["contact", "policy", "memory"] {
            fs::write(state.file(&format!("{name}.json")), b"{\"format\":1,").unwrap();
        }
        assert_eq!(state.mend().unwrap().len(), 3);
        for name in ["contact", "policy", "memory"] {
            assert_eq!(fs::read(state.file(&format!("{name}.damaged"))).unwrap(), b"{\"format\":1,");
            assert!(!state.file(&format!("{name}.json")).exists());
        }
        assert_eq!(state.mend().unwrap(), Vec::<String>::new());
        fs::write(state.file("policy.json"), b"{\"format\":2}").unwrap();
        assert!(matches!(state.mend(), Err(StateError::Newer { .. })));
    }

    /// rotation.md 2: without the key an intent is neither proven nor abandoned.
    #[test]
    fn a_lost_fingerprint_key_takes_what_was_made_with_it_along() {
        for damage in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let state = StateDir::open(dir.path()).unwrap();
            state.fingerprint_key().unwrap();
            fs::write(state.file("journal.json"), b"{}").unwrap();
            let key = state.file("fingerprint.key");
            if damage {
                fs::write(&key, b"short").unwrap()
            } else {
                fs::remove_file(&key).unwrap()
            }
            assert_eq!(state.mend().unwrap().len(), 1);
            assert!(state.file("journal.damaged").exists() && !state.file("journal.json").exists());
            assert_eq!(state.file("fingerprint.damaged").exists(), damage);
            state.fingerprint_key().unwrap();
        }
    }
}

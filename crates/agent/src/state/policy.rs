//! The values of the configuration tree, and the result of the last reset that was asked for through it.

use super::{StateDir, StateError, durable};
use laps::{
    csp::{FaultKind, HResult, Storage, StorageFault, Values},
    policy::{Setting, Value},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ValueForm {
    Bool(bool),
    Int(u32),
    Text(String),
}

#[derive(Default, Serialize, Deserialize)]
struct PolicyForm {
    values: BTreeMap<String, ValueForm>,
    /// HRESULT of the last reset.
    reset_status: u32,
}

/// The file that keeps the configuration tree; the tree stores through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFile {
    path: PathBuf,
    reset_status: HResult,
}

impl StateDir {
    /// The stored values, the stored result of the last reset, and the file to store into.
    ///
    /// # Errors
    /// [`StateError`]: damaged, of a newer format, or with a setting that this version does not know.
    pub fn policy(&self) -> Result<(Values, HResult, PolicyFile), StateError> {
        let path = self.file("policy.json");
        let form: PolicyForm = durable::read_json(&path)?.unwrap_or_default();
        let mut values = Values::new();
        for (name, value) in form.values {
            let Some(setting) = Setting::from_name(&name) else {
                let what = format!("an unknown setting {:?}", name.chars().take(64).collect::<String>());
                return Err(StateError::Damaged { path, what });
            };
            let value = match value {
                ValueForm::Bool(yes) => Value::Bool(yes),
                ValueForm::Int(number) => Value::Int(number),
                ValueForm::Text(text) => Value::Text(text),
            };
            values.insert(setting, value);
        }
        let reset_status = HResult(form.reset_status);
        Ok((values, reset_status, PolicyFile { path, reset_status }))
    }
}

impl PolicyFile {
    fn write(&self, values: &Values) -> Result<(), StateError> {
        let values = values
            .iter()
            .map(|(setting, value)| {
                let value = match value {
                    Value::Bool(yes) => ValueForm::Bool(*yes),
                    Value::Int(number) => ValueForm::Int(*number),
                    Value::Text(text) => ValueForm::Text(text.clone()),
                };
                (setting.name().to_owned(), value)
            })
            .collect();
        durable::write_json(&self.path, &PolicyForm { values, reset_status: self.reset_status.0 })
    }

    /// Keeps the result of a reset that ended.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write_reset_status(&mut self, status: HResult, values: &Values) -> Result<(), StateError> {
        self.reset_status = status;
        self.write(values)
    }
}

impl Storage for PolicyFile {
    fn replace(&mut self, values: &Values) -> Result<(), StorageFault> {
        self.write(values).map_err(|error| match error {
            StateError::Full { .. } => StorageFault { kind: FaultKind::Full, maybe_changed: false },
            // The rename is done when only the sync of the directory fails.
            StateError::Io { action: "sync", .. } => StorageFault { kind: FaultKind::Unwritable, maybe_changed: true },
            _ => StorageFault { kind: FaultKind::Unwritable, maybe_changed: false },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_format_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (values, status, mut file) = state.policy().unwrap();
        assert!(values.is_empty());
        assert_eq!(status, HResult::OK);

        let mut values = Values::new();
        values.insert(Setting::BackupDirectory, Value::Int(1));
        values.insert(Setting::PasswordExpirationProtectionEnabled, Value::Bool(true));
        values.insert(Setting::AdministratorAccountName, Value::Text("1".into()));
        file.replace(&values).unwrap();
        file.write_reset_status(HResult::FAIL, &values).unwrap();
        let (read, status, _) = state.policy().unwrap();
        assert_eq!((read, status), (values, HResult::FAIL));
    }

    #[test]
    fn a_store_that_fails_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let (_, _, mut file) = state.policy().unwrap();
        drop(dir);
        let fault = file.replace(&Values::new()).unwrap_err();
        assert_eq!((fault.kind, fault.maybe_changed), (FaultKind::Unwritable, false));
    }
}

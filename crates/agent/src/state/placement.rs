//! Where a version went in Active Directory, as journal and memory keep it.

use laps::{
    active_directory::{Form, Placement, Replaces},
    id::VersionId,
    rotation::Destination,
    time::Timestamp,
};
use proto::serde_text;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlacementForm {
    controller: String,
    form: FormForm,
    #[serde(with = "serde_text::time")]
    written_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    installed: Option<ValueForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    never_set: Option<ValueForm>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum FormForm {
    Encrypted { decryptor: String },
    Clear,
    Legacy,
    Dsrm { decryptor: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueForm {
    #[serde(with = "serde_text::text")]
    version: VersionId,
    #[serde(with = "serde_text::time")]
    written_at: Timestamp,
}

impl PlacementForm {
    pub(super) fn of(placement: &Placement) -> Self {
        Self {
            controller: placement.controller.clone(),
            form: match placement.form.clone() {
                Form::Encrypted { decryptor } => FormForm::Encrypted { decryptor },
                Form::Clear => FormForm::Clear,
                Form::Legacy => FormForm::Legacy,
                Form::Dsrm { decryptor } => FormForm::Dsrm { decryptor },
            },
            written_at: placement.written_at,
            installed: match placement.replaces {
                Replaces::Installed { version, written_at } => Some(ValueForm { version, written_at }),
                Replaces::Any | Replaces::AnyBut { .. } => None,
            },
            never_set: match placement.replaces {
                Replaces::AnyBut { version, written_at } => Some(ValueForm { version, written_at }),
                Replaces::Any | Replaces::Installed { .. } => None,
            },
        }
    }
}

/// The destination of a stored form; without one it is the server's directory.
pub(super) fn destination(form: Option<PlacementForm>) -> Destination {
    let Some(form) = form else { return Destination::Cloud };
    Destination::ActiveDirectory(Placement {
        controller: form.controller,
        form: match form.form {
            FormForm::Encrypted { decryptor } => Form::Encrypted { decryptor },
            FormForm::Clear => Form::Clear,
            FormForm::Legacy => Form::Legacy,
            FormForm::Dsrm { decryptor } => Form::Dsrm { decryptor },
        },
        written_at: form.written_at,
        replaces: match (form.installed, form.never_set) {
            (Some(ValueForm { version, written_at }), _) => Replaces::Installed { version, written_at },
            (None, Some(ValueForm { version, written_at })) => Replaces::AnyBut { version, written_at },
            (None, None) => Replaces::Any,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_comes_back() {
        assert_eq!(destination(None), Destination::Cloud);
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        let version = VersionId::from_random_bytes([4; 16]);
        for form in [
            Form::Encrypted { decryptor: "S-1-5-21-1-2-3-512".into() },
            Form::Clear,
            Form::Legacy,
            Form::Dsrm { decryptor: "S-1-5-21-1-2-3-512".into() },
        ] {
            for replaces in [
                Replaces::Any,
                Replaces::Installed { version, written_at: at },
                Replaces::AnyBut { version, written_at: at },
            ] {
                let placement =
                    Placement { controller: "dc1.corp.example".into(), form: form.clone(), written_at: at, replaces };
                let text = serde_json::to_string(&PlacementForm::of(&placement)).unwrap();
                let read = serde_json::from_str(&text).unwrap();
                assert_eq!(destination(Some(read)), Destination::ActiveDirectory(placement), "{text}");
            }
        }
    }
}

//! `policy create|edit|export|history|diff|rollback|exclude|include|preview|conflicts`

use super::{
    policy::{document, find, settings, show},
    rotation::agreed,
};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::{Subcommand, ValueEnum};
use client::SignedIn;
use laps::policy::Setting;
use proto::{
    admin::{
        Assign, Policy, PolicyEdit, PolicyImport, PolicyPreview, PolicyVersion, PreviewRequest, RollBack, SettingChange,
    },
    dm::policy::{import_json, syncml, values},
};
use serde_json::{Map, Value};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyEditCommand {
    /// Make a policy of settings; `policy settings` lists them
    Create {
        /// Its name
        name: String,
        /// Settings with their values, as PasswordLength=20
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = pair)]
        settings: Vec<(String, String)>,
    },
    /// Change settings of a policy, which makes its next version
    Edit {
        /// Its id or name
        policy: String,
        /// Settings with their new values, as PasswordLength=20
        #[arg(value_name = "SETTING=VALUE", value_parser = pair, required_unless_present_any = ["unset", "rename"])]
        settings: Vec<(String, String)>,
        /// A setting that it no longer sets
        #[arg(long, value_name = "SETTING")]
        unset: Vec<String>,
        /// Another name
        #[arg(long, value_name = "NAME")]
        rename: Option<String>,
    },
    /// Print a policy as a document that `policy import` takes
    Export {
        /// Its id or name
        policy: String,
        /// One of its versions; the newest when absent
        #[arg(long)]
        version: Option<u32>,
        /// The form of the document
        #[arg(long, value_enum, default_value = "syncml")]
        format: DocumentForm,
    },
    /// Every version of a policy: when, by whom, what changed
    History {
        /// Its id or name
        policy: String,
    },
    /// What differs between two versions
    Diff {
        /// Its id or name
        policy: String,
        /// The one version
        from: u32,
        /// The other; the newest when absent
        to: Option<u32>,
    },
    /// Go back to an old version: a new version gets its values, on all machines at once
    Rollback {
        /// Its id or name
        policy: String,
        /// The version whose values it gets
        version: u32,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Leave the machines of a group out of a policy, whatever else brings it to them
    Exclude {
        /// Its id or name
        policy: String,
        /// The group's id or name
        #[arg(long)]
        group: String,
    },
    /// End an exclusion
    Include {
        /// Its id or name
        policy: String,
        /// The group's id or name
        #[arg(long)]
        group: String,
    },
    /// What a policy would do on the real machines, before it is sent: who would refuse it and why
    ///
    /// Judged by what the machines told about themselves: their own password rules, their accounts, what they refused
    /// before, the other policies that they have. Exit status 1 when somebody would be locked out.
    Preview {
        /// Its id or name; absent for a document that is no policy yet
        #[arg(required_unless_present = "file")]
        policy: Option<String>,
        /// One of its versions; the newest when absent
        #[arg(long, conflicts_with = "file", requires = "policy")]
        version: Option<u32>,
        /// The settings of this document instead of its own; - is standard input
        #[arg(long)]
        file: Option<PathBuf>,
        /// On the machines of this group; on those that have the policy when absent
        #[arg(long)]
        group: Option<String>,
    },
    /// Machines whose delivery is held because policies disagree on them
    Conflicts {
        /// Only those that this policy is part of: its id or name
        policy: Option<String>,
    },
}

/// The form of an exported policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentForm {
    /// For any OMA-DM tool.
    Syncml,
    /// A JSON object of settings.
    Json,
}

/// `SETTING=VALUE`, the setting's name without regard to case.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected SETTING=VALUE, as PasswordLength=20")?;
    Ok((setting(name)?, value.to_owned()))
}

fn setting(name: &str) -> Result<String, String> {
    let found = Setting::from_registry_name(name.trim()).filter(|setting| setting.info().in_csp);
    found
        .map(|setting| setting.name().to_owned())
        .ok_or_else(|| format!("there is no setting {name:?}; lapwing policy settings lists them"))
}

fn wanted(pairs: Vec<(String, String)>) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// `lapwing policy …`, what changes and judges policies.
pub(crate) async fn run(globals: &Globals, command: PolicyEditCommand) -> Result<(), Failure> {
    if let PolicyEditCommand::Preview { policy, version, file, group } = command {
        // What is wrong with the document is told before anybody is asked to sign in.
        let settings = file.map(|file| document(&file)).transpose()?.map(|set| settings(&set));
        let signed_in = session::signed_in(globals).await?;
        let preview = signed_in.preview_policy(&PreviewRequest { policy, version, settings, group }).await?;
        return previewed(globals, &preview);
    }
    let signed_in = session::signed_in(globals).await?;
    match command {
        PolicyEditCommand::Create { name, settings } => {
            if signed_in.policies().await?.iter().any(|policy| policy.name.to_lowercase() == name.to_lowercase()) {
                return Err(Failure::failed("policy_exists", format!("there is a policy {name} already"))
                    .next(format!("lapwing policy edit {name} SETTING=VALUE")));
            }
            let policy = signed_in.import_policy(&PolicyImport { name, settings: wanted(settings) }).await?;
            show(globals, &policy)
        }
        PolicyEditCommand::Edit { policy, settings, unset, rename } => {
            let before = find(&signed_in, &policy).await?;
            let unset = unset
                .iter()
                .map(|name| setting(name))
                .collect::<Result<_, _>>()
                .map_err(|text| Failure::wrong_use("setting_unknown", text))?;
            let edit = PolicyEdit { set: wanted(settings), unset, version: Some(before.version), name: rename };
            let after = signed_in.edit_policy(before.id, &edit).await?;
            changed(globals, &signed_in, &before, &after).await
        }
        PolicyEditCommand::Export { policy, version, format } => {
            let policy = find(&signed_in, &policy).await?;
            let settings = match version {
                None => policy.settings,
                Some(version) => version_of(&signed_in, &policy, version).await?.settings,
            };
            let json = Value::Object(settings);
            if format == DocumentForm::Json {
                return output::json(&json);
            }
            let set = import_json(json.to_string().as_bytes())
                .map_err(|error| Failure::failed(error.code(), error.to_string()).next(error.next_step()))?;
            output::data(&format!("{}\n", syncml(&values(&set))))
        }
        PolicyEditCommand::History { policy } => {
            let policy = find(&signed_in, &policy).await?;
            let versions = signed_in.policy_versions(policy.id).await?;
            output::list(globals.output, &versions, &["version", "made", "by", "what changed"], |one| {
                vec![
                    one.version.to_string(),
                    one.changed_date_time.to_string(),
                    one.changed_by.clone().unwrap_or_default(),
                    one.changes.iter().map(change_text).collect::<Vec<_>>().join(", "),
                ]
            })
        }
        PolicyEditCommand::Diff { policy, from, to } => {
            let policy = find(&signed_in, &policy).await?;
            let from = version_of(&signed_in, &policy, from).await?;
            let to = match to {
                Some(version) => version_of(&signed_in, &policy, version).await?.settings,
                None => policy.settings,
            };
            let changes = SettingChange::between(&from.settings, &to);
            output::list(globals.output, &changes, &["setting", "before", "after"], |change| {
                vec![change.setting.clone(), value_text(change.from.as_ref()), value_text(change.to.as_ref())]
            })
        }
        PolicyEditCommand::Rollback { policy, version, yes } => {
            let before = find(&signed_in, &policy).await?;
            let old = version_of(&signed_in, &before, version).await?;
            for change in SettingChange::between(&before.settings, &old.settings) {
                output::message(&change_text(&change));
            }
            if !yes {
                agreed(&format!("give {} the values of version {version}", before.name))?;
            }
            let after = signed_in.roll_back_policy(before.id, &RollBack { version }).await?;
            changed(globals, &signed_in, &before, &after).await
        }
        PolicyEditCommand::Exclude { policy, group } => {
            let policy = find(&signed_in, &policy).await?;
            let policy = signed_in.exclude_policy(policy.id, &Assign::to(group)).await?;
            output::message(&format!("{} leaves out: {}", policy.name, policy.excluded.join(", ")));
            Ok(())
        }
        PolicyEditCommand::Include { policy, group } => {
            let policy = find(&signed_in, &policy).await?;
            let policy = signed_in.include_policy(policy.id, &Assign::to(group)).await?;
            let excluded = if policy.excluded.is_empty() { "nobody".to_owned() } else { policy.excluded.join(", ") };
            output::message(&format!("{} leaves out: {excluded}", policy.name));
            Ok(())
        }
        PolicyEditCommand::Conflicts { policy } => {
            let id = match policy {
                Some(policy) => Some(find(&signed_in, &policy).await?.id),
                None => None,
            };
            let held = signed_in.conflicts(id).await?;
            output::list(globals.output, &held, &["machine", "id", "conflict"], |one| {
                vec![one.name.clone(), one.device.to_string(), conflict_text(&one.held)]
            })
        }
        PolicyEditCommand::Preview { .. } => Ok(()),
    }
}

async fn version_of(signed_in: &SignedIn, policy: &Policy, version: u32) -> Result<PolicyVersion, Failure> {
    let mut versions = signed_in.policy_versions(policy.id).await?.into_iter();
    versions.find(|one| one.version == version).ok_or_else(|| {
        Failure::not_found("policy_version_unknown", format!("{} has no version {version}", policy.name))
            .next(format!("lapwing policy history {}", policy.name))
    })
}

async fn changed(globals: &Globals, signed_in: &SignedIn, before: &Policy, after: &Policy) -> Result<(), Failure> {
    if globals.output == Form::Json {
        return output::json(after);
    }
    if before.version == after.version {
        output::message("nothing changed");
        return Ok(());
    }
    output::message(&format!("{} is at version {}", after.name, after.version));
    for change in SettingChange::between(&before.settings, &after.settings) {
        output::message(&format!("  {}", change_text(&change)));
    }
    if let Ok(rollout) = signed_in.rollout(after.id).await
        && rollout.wanted == after.version
        && rollout.state == "running"
    {
        output::message(&format!(
            "it goes by rings, and has reached ring 1 of {}\n  next: lapwing policy rollout show {}",
            rollout.rings.len(),
            after.name
        ));
    }
    Ok(())
}

fn value_text(value: Option<&Value>) -> String {
    match value {
        None => "not set".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn change_text(change: &SettingChange) -> String {
    format!("{}: {} -> {}", change.setting, value_text(change.from.as_ref()), value_text(change.to.as_ref()))
}

/// What a hold says, in one line.
pub(super) fn conflict_text(held: &Value) -> String {
    let conflicts = held["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let one = |conflict: &Value| {
        let said: Vec<String> = conflict["policies"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|policy| format!("{} says {}", value_text(policy.get("name")), value_text(policy.get("value"))))
            .collect();
        format!("{}: {}", value_text(conflict.get("setting")), said.join(", "))
    };
    match conflicts {
        [] => value_text(held.get("text").or(Some(held))),
        conflicts => conflicts.iter().map(one).collect::<Vec<_>>().join("; "),
    }
}

fn previewed(globals: &Globals, preview: &PolicyPreview) -> Result<(), Failure> {
    if globals.output == Form::Json {
        output::json(preview)?;
    } else {
        let more = if preview.more { " (there are more)" } else { "" };
        output::message(&format!("{} devices were looked at{more}", preview.devices));
        for (number, what) in [
            (preview.would_change, "would take it"),
            (preview.unchanged, "have it already"),
            (preview.would_refuse, "would refuse it"),
            (preview.would_hold, "would be held by a conflict"),
            (preview.locked_out, "would lock somebody out"),
            (preview.disabled, "are disabled and get nothing"),
            (preview.unknown, "have told nothing about themselves"),
        ] {
            if number > 0 {
                output::message(&format!("  {number} {what}"));
            }
        }
        for cause in &preview.causes {
            let verb = match cause.kind.as_str() {
                "refused" => "would refuse",
                "held" => "would be held",
                "locked_out" => "would lock somebody out",
                _ => "are to be looked at",
            };
            let more = if cause.devices > cause.names.len() as u64 { ", …" } else { "" };
            output::data(&format!(
                "{} devices {verb}: {}\n  {} ({}{more})\n  next: {}\n",
                cause.devices,
                cause.summary,
                cause.text,
                cause.names.join(", "),
                cause.remedy
            ))?;
        }
    }
    match preview.locked_out {
        0 => Ok(()),
        devices => {
            Err(Failure::failed("policy_locks_out", format!("somebody would be locked out of {devices} machines"))
                .next("change the policy, or leave these machines out"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_without_regard_to_case() {
        assert_eq!(pair("passwordlength=20"), Ok(("PasswordLength".into(), "20".into())));
        assert_eq!(pair("AdministratorAccountName=a=b"), Ok(("AdministratorAccountName".into(), "a=b".into())));
        assert!(pair("PasswordLength").is_err() && pair("NoSuch=1").is_err());
        assert!(pair("ADBackupDSRMPassword=true").is_err(), "it is no node of the CSP");
    }
}

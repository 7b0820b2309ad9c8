//! `policy …`

use super::{
    device, lint,
    policy_edit::{self, PolicyEditCommand},
    rollout::{self, RolloutCommand},
    settings_table,
};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::Subcommand;
use client::SignedIn;
use laps::{
    id::PolicyId,
    policy::{Given, PolicySet, Value},
};
use proto::{
    admin::{ALL_DEVICES, Assign, DevicePolicy, DeviceSetting, Policy, PolicyImport, Ring},
    dm::policy::{ImportError, import},
};
use serde_json::Map;
use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

/// Largest document that is read, in bytes; what it may hold is bounded more narrowly when it is read.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Make a policy of a document, or a new version of the policy of that name
    Import {
        /// SyncML, or a JSON object of settings; - is standard input
        file: PathBuf,
        /// Its name; the file's name without its ending when absent
        #[arg(long)]
        name: Option<String>,
    },
    /// List the policies
    List,
    /// Show a policy
    Show {
        /// Its id or name
        policy: String,
    },
    /// Give a policy to a group of machines
    Assign {
        /// Its id or name
        policy: String,
        /// The group's id or name; all machines when absent
        #[arg(long, default_value = ALL_DEVICES)]
        group: String,
        /// Assign it although it locks somebody out, and do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take a policy away from a group of machines
    Unassign {
        /// Its id or name
        policy: String,
        /// The group's id or name; all machines when absent
        #[arg(long, default_value = ALL_DEVICES)]
        group: String,
    },
    /// Delete a policy
    Delete {
        /// Its id or name
        policy: String,
    },
    /// Check a document: what it sets, what has no effect, what is wrong, whom it could lock out
    Lint {
        /// SyncML, or a JSON object of settings; - is standard input
        file: PathBuf,
        /// Ask the server what it would do on the machines of this group; all for every machine
        #[arg(long)]
        group: Option<String>,
        /// It is a new version of the policy of this name, and not one beside it
        #[arg(long, requires = "group")]
        name: Option<String>,
    },
    /// What the settings of a policy do, or one of them: values, default, and what to know about it
    Settings {
        /// Its name, as PostAuthenticationActions
        setting: Option<String>,
    },
    /// Which policy a machine has, setting by setting: assigned, sent, answered, in force
    Explain {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    #[command(flatten)]
    Edit(PolicyEditCommand),
    /// Show or set the rings that new versions go by
    Rings {
        /// Its id or name
        policy: String,
        /// A ring, in their order: 10%,soak=24h,failures=2% or group=pilot+lab,soak=4h,failures=0
        #[arg(long = "ring", value_parser = rollout::ring)]
        rings: Vec<Ring>,
        /// New versions go to all machines at once
        #[arg(long, conflicts_with = "rings")]
        clear: bool,
    },
    /// A version that is on its way by rings
    #[command(subcommand)]
    Rollout(RolloutCommand),
}

/// `lapwing policy …`.
pub(crate) async fn run(globals: &Globals, command: PolicyCommand) -> Result<(), Failure> {
    // What is wrong with the document is told before anybody is asked to sign in.
    let (file, name) = match command {
        PolicyCommand::Lint { file, group, name } => {
            return lint::run(globals, &document(&file)?, group, name).await;
        }
        PolicyCommand::Settings { setting } => return settings_table::run(globals, setting.as_deref()),
        PolicyCommand::Import { file, name } => (file, name),
        PolicyCommand::Edit(command) => return policy_edit::run(globals, command).await,
        PolicyCommand::Rings { policy, rings, clear } => return rollout::rings(globals, &policy, rings, clear).await,
        PolicyCommand::Rollout(command) => return rollout::run(globals, command).await,
        other => return on_server(globals, other).await,
    };
    let set = document(&file)?;
    let name = match (name, file.file_stem()) {
        (Some(name), _) => name,
        (None, Some(stem)) if file.as_os_str() != "-" => stem.to_string_lossy().into_owned(),
        _ => return Err(Failure::wrong_use("name_missing", "the policy has no name").next("add --name NAME")),
    };
    let signed_in = session::signed_in(globals).await?;
    let policy = signed_in.import_policy(&PolicyImport { name, settings: settings(&set) }).await?;
    show(globals, &policy)?;
    if policy.groups.is_empty() {
        output::message(&format!("  next: lapwing policy assign {} [--group GROUP]", quoted(&policy.name)));
    }
    Ok(())
}

async fn on_server(globals: &Globals, command: PolicyCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        PolicyCommand::List => {
            let policies = signed_in.policies().await?;
            output::list(globals.output, &policies, &["name", "id", "version", "settings", "assigned to"], |policy| {
                vec![
                    policy.name.clone(),
                    policy.id.to_string(),
                    policy.version.to_string(),
                    policy.settings.len().to_string(),
                    policy.groups.join(", "),
                ]
            })
        }
        PolicyCommand::Show { policy } => show(globals, &find(&signed_in, &policy).await?),
        PolicyCommand::Assign { policy, group, yes } => {
            let policy = find(&signed_in, &policy).await?;
            let confirmed = lint::before_assignment(&signed_in, &policy, &group, yes).await?;
            let policy = signed_in.assign_policy(policy.id, &Assign { group, confirmed }).await?;
            output::message(&format!("{} is assigned to: {}", policy.name, policy.groups.join(", ")));
            if signed_in.settings().await.is_ok_and(|settings| settings.laps_enabled == Some(false)) {
                output::message("LAPS is off, so nothing can be stored yet\n  next: lapwing setting laps on");
            }
            Ok(())
        }
        PolicyCommand::Unassign { policy, group } => {
            let id = find(&signed_in, &policy).await?.id;
            let policy = signed_in.unassign_policy(id, &Assign::to(group)).await?;
            let groups = if policy.groups.is_empty() { "nobody".to_owned() } else { policy.groups.join(", ") };
            output::message(&format!("{} is assigned to: {groups}", policy.name));
            Ok(())
        }
        PolicyCommand::Delete { policy } => {
            let policy = find(&signed_in, &policy).await?;
            signed_in.delete_policy(policy.id).await?;
            output::message(&format!("{} is deleted", policy.name));
            Ok(())
        }
        PolicyCommand::Explain { device } => {
            let device = device::find(&signed_in, &device).await?;
            let policy = signed_in.device_policy(device.device_id).await?;
            match globals.output {
                Form::Json => output::json(&policy),
                Form::Table => explain(&policy),
            }
        }
        PolicyCommand::Import { .. }
        | PolicyCommand::Lint { .. }
        | PolicyCommand::Settings { .. }
        | PolicyCommand::Edit(_)
        | PolicyCommand::Rings { .. }
        | PolicyCommand::Rollout(_) => Ok(()),
    }
}

fn explain(policy: &DevicePolicy) -> Result<(), Failure> {
    let names: Vec<_> =
        policy.assigned.iter().map(|policy| format!("{} (version {})", policy.name, policy.version)).collect();
    output::text(&format!("assigned: {}\n", if names.is_empty() { "none".into() } else { names.join(", ") }))?;
    if let Some(held) = &policy.held {
        output::text(&format!("held, because policies disagree: {}\n", policy_edit::conflict_text(held)))?;
    }
    if let Some((source, at)) = policy.source.as_ref().zip(policy.source_date_time) {
        let whose = if source == "csp" { "" } else { ", and nothing of what is delivered here" };
        output::data(&format!("in force on the machine: {source}{whose}, as it told at {at}\n"))?;
    }
    match &policy.sent {
        None => {
            output::text("delivered: never\n")?;
            output::message("  next: the machine takes it at its next check-in; see lapwing explain");
        }
        Some(sent) => {
            let answered = sent.answered_date_time.map_or("not answered".to_owned(), |at| format!("answered {at}"));
            output::text(&format!("delivered: {}, {answered}\n", sent.sent_date_time))?;
        }
    }
    if policy.settings.is_empty() {
        return Ok(());
    }
    let columns = ["setting", "assigned", "sent", "status", "in force", "state", "by"];
    output::table(&columns, policy.settings.iter().map(setting_row))
}

fn setting_row(row: &DeviceSetting) -> Vec<String> {
    let text = |value: &Option<serde_json::Value>| match value {
        None => "-".to_owned(),
        Some(serde_json::Value::Null) => "removed".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    vec![
        row.setting.clone(),
        text(&row.assigned),
        text(&row.sent),
        row.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        text(&row.in_force),
        row.state.replace('_', " "),
        row.policies.join(", "),
    ]
}

pub(crate) fn show(globals: &Globals, policy: &Policy) -> Result<(), Failure> {
    let settings: Vec<_> = policy.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let fields = vec![
        ("Name", policy.name.clone()),
        ("Id", policy.id.to_string()),
        ("Version", policy.version.to_string()),
        ("Changed", policy.changed_date_time.to_string()),
        ("Assigned to", policy.groups.join(", ")),
        ("Leaves out", policy.excluded.join(", ")),
        ("Settings", settings.join("\n")),
    ];
    output::item(globals.output, policy, fields)
}

/// A policy by its id, or by its name without regard to case.
pub(crate) async fn find(signed_in: &SignedIn, named: &str) -> Result<Policy, Failure> {
    if let Ok(id) = named.parse::<PolicyId>() {
        return Ok(signed_in.policy(id).await?);
    }
    let is_named = |policy: &Policy| policy.name.to_lowercase() == named.to_lowercase();
    signed_in.policies().await?.into_iter().find(is_named).ok_or_else(|| {
        Failure::not_found("policy_unknown", format!("no policy has the id or name {named}"))
            .next("lapwing policy list")
    })
}

/// Reads a document; every mistake in it is printed.
pub(crate) fn document(file: &Path) -> Result<PolicySet, Failure> {
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().take(DOCUMENT_BYTES_MAX).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(DOCUMENT_BYTES_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::failed("input_unread", format!("{}: {error}", file.display())))?;
    set_of(&bytes).map_err(|failure| match file.as_os_str() == "-" {
        true => failure,
        false => failure.about(&file.display().to_string()),
    })
}

/// A document's settings; every mistake in it is printed.
pub(crate) fn set_of(bytes: &[u8]) -> Result<PolicySet, Failure> {
    import(bytes).map_err(|error| {
        if let ImportError::Refused(refused) = &error {
            for one in refused {
                let node = one.node.as_deref().unwrap_or(one.command.as_str());
                let mut line = format!("{node}: {}", one.message);
                if let Some(value) = &one.value {
                    line.push_str(&format!("\n  value: {value}"));
                }
                if let Some(allowed) = &one.allowed {
                    line.push_str(&format!("\n  allowed: {allowed}"));
                }
                line.push_str(&format!("\n  status {}, code: {}", one.status, one.code));
                output::message(&line);
            }
        }
        Failure::failed(error.code(), error.to_string()).next(error.next_step())
    })
}

/// The settings as the administration API takes them.
pub(crate) fn settings(set: &PolicySet) -> Map<String, serde_json::Value> {
    set.iter()
        .filter_map(|(setting, given)| match given {
            Given::Value(value) | Given::Implied(value) => Some((setting.name().to_owned(), json(value))),
            Given::Bad { .. } => None, // an import that has one is refused whole
        })
        .collect()
}

pub(super) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(number) => (*number).into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Text(text) => text.clone().into(),
    }
}

fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

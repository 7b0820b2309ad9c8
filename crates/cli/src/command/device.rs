//! `device …`, and how a machine is named on the command line.

use super::time;
use crate::{arguments::Globals, failure::Failure, output, session};
use clap::Subcommand;
use client::SignedIn;
use laps::id::DeviceId;
use proto::{
    admin::{Candidate, DeviceStatus, PasswordUse},
    graph::{Device, DeviceActionResult, DeviceLocalCredentials},
};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// List the machines
    List,
    /// Show one machine, and what is stored for it
    Show {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// What happened to a machine: forks, drift, repairs that are held
    Events {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// End a fork: the machine is the only one with its identity again
    ClearFork {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Let a machine store passwords again
    Enable {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Refuse what a machine wants to store; its password stays readable
    Disable {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Delete a machine; its password stays readable for a time, and `restore` brings it back
    Delete {
        /// The machine: its id, or its name when no other has it
        device: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Bring a deleted machine back
    Restore {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Remove a deleted machine and its passwords for good
    Purge {
        /// The machine: its id, or its name when no other has it
        device: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// What is kept of a machine's passwords, without them: live ones first, then former ones
    Versions {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Device objects that a machine may have had before it joined again
    Candidates {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Say which device object a machine had before; until it has a proven password of its own, that one's is shown
    Link {
        /// The machine: its id, or its name when no other has it
        device: String,
        /// The id of its former object, see `candidates`
        predecessor: DeviceId,
    },
}

/// `lapwing device …`.
pub(crate) async fn run(globals: &Globals, command: DeviceCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        DeviceCommand::List => {
            let devices = signed_in.devices(None).await?;
            super::escrow::warn(&signed_in).await;
            output::list(globals.output, &devices, &["name", "id", "state", "last contact", "system"], |device| {
                vec![
                    device.display_name.clone(),
                    device.device_id.to_string(),
                    state(device),
                    time(device.approximate_last_sign_in_date_time),
                    system(device),
                ]
            })
        }
        DeviceCommand::Show { device } => show(globals, &signed_in, &device).await,
        DeviceCommand::Events { device } => {
            let device = find(&signed_in, &device).await?;
            let events = signed_in.device_events(device.device_id).await?;
            output::list(globals.output, &events, &["time", "event", "detail"], |event| {
                vec![event.at.to_string(), event.kind.clone(), detail(&event.detail)]
            })
        }
        DeviceCommand::ClearFork { device } => {
            let device = find(&signed_in, &device).await?;
            signed_in.clear_fork(device.device_id).await?;
            output::message(&format!("{} is no longer counted as forked", device.display_name));
            Ok(())
        }
        DeviceCommand::Enable { device } => {
            let device = find(&signed_in, &device).await?;
            signed_in.set_device_enabled(device.device_id, true).await?;
            output::message(&format!("{} is enabled", device.display_name));
            Ok(())
        }
        DeviceCommand::Disable { device } => {
            let device = find(&signed_in, &device).await?;
            signed_in.set_device_enabled(device.device_id, false).await?;
            let name = &device.display_name;
            output::message(&format!("{name} is disabled: it stores nothing new, and its password stays readable"));
            output::message(&format!("  undo: lapwing device enable {}", device.device_id));
            Ok(())
        }
        DeviceCommand::Delete { device, yes } => {
            let device = find(&signed_in, &device).await?;
            let name = &device.display_name;
            confirm(yes, &format!("Delete {name} ({})?", device.device_id), &format!("{name} was not deleted"))?;
            signed_in.delete_device(device.device_id).await?;
            output::message(&format!("{name} is deleted"));
            output::message(&format!("  undo: lapwing device restore {}", device.device_id));
            Ok(())
        }
        DeviceCommand::Restore { device } => {
            let device = find(&signed_in, &device).await?;
            signed_in.restore_device(device.device_id).await?;
            output::message(&format!("{} is back", device.display_name));
            Ok(())
        }
        DeviceCommand::Purge { device, yes } => {
            let device = find(&signed_in, &device).await?;
            let name = &device.display_name;
            let question = format!("Remove {name} ({}) and its passwords for good?", device.device_id);
            confirm(yes, &question, &format!("{name} was not purged"))?;
            signed_in.purge_device(device.device_id).await?;
            output::message(&format!("{name} is gone for good, and its passwords with it"));
            Ok(())
        }
        DeviceCommand::Versions { device } => {
            let device = find(&signed_in, &device).await?;
            let versions = signed_in.versions(device.device_id).await?;
            let columns = ["account", "state", "live", "stored", "proven", "due", "remarks", "version"];
            output::list(globals.output, &versions, &columns, |version| {
                let remarks = [
                    (version.installed, "installed"),
                    (version.released, "no longer rotated"),
                    (version.device != device.device_id, "of the former object"),
                ];
                let remarks: Vec<_> = remarks.iter().filter(|(holds, _)| *holds).map(|(_, remark)| *remark).collect();
                vec![
                    version.account_name.clone(),
                    version.state.clone(),
                    if version.live { "yes" } else { "" }.to_owned(),
                    version.stored_date_time.to_string(),
                    time(version.proven_date_time),
                    time(version.expiration_date_time),
                    remarks.join(", "),
                    version.id.to_string(),
                ]
            })
        }
        DeviceCommand::Candidates { device } => {
            let device = find(&signed_in, &device).await?;
            let candidates = signed_in.candidates(device.device_id).await?;
            let columns = ["id", "name", "state", "joined", "last contact", "system", "alike", "password"];
            output::list(globals.output, &candidates, &columns, |one| {
                vec![
                    one.id.to_string(),
                    one.name.clone(),
                    one.state.clone(),
                    one.registered_date_time.to_string(),
                    time(one.last_seen_date_time),
                    one.operating_system.clone(),
                    if one.same_hardware { "machine" } else { "name" }.to_owned(),
                    if one.has_password { "can be read" } else { "none" }.to_owned(),
                ]
            })?;
            offer(&device, &candidates);
            Ok(())
        }
        DeviceCommand::Link { device, predecessor } => {
            let device = find(&signed_in, &device).await?;
            signed_in.link_predecessor(device.device_id, predecessor).await?;
            output::message(&format!(
                "{} had the device object {predecessor} before; until it has a proven password of its own, that one's is shown",
                device.display_name
            ));
            Ok(())
        }
    }
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    device: Device,
    #[serde(rename = "localCredentials")]
    credentials: Option<DeviceLocalCredentials>,
    status: DeviceStatus,
    /// The request to rotate that is open, with what keeps the machine from meeting it.
    #[serde(rename = "openRequest", skip_serializing_if = "Option::is_none")]
    request: Option<DeviceActionResult>,
    /// Sign-ins with its passwords, newest first.
    #[serde(rename = "passwordUses")]
    uses: Vec<PasswordUse>,
}

async fn show(globals: &Globals, signed_in: &SignedIn, device: &str) -> Result<(), Failure> {
    let device = find(signed_in, device).await?;
    let credentials = match signed_in.credential_metadata(device.device_id).await {
        Ok(credentials) => Some(credentials),
        Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 404) => None,
        Err(error) => return Err(error.into()),
    };
    let status = signed_in.device_status(device.device_id).await?;
    let mut drift = status.drift.join(", ");
    if status.repair_held {
        drift.push_str(" (repair is held)");
    }
    let forked = match status.forked_date_time {
        Some(at) if status.clone_suspected => format!("{at}; a clone or a stolen identity is suspected"),
        at => time(at),
    };
    let account = status.account.as_ref().map(|name| format!("{name} ({})", status.usability));
    let uses = signed_in.uses(device.device_id).await?;
    let request = open_request(signed_in, &device).await?;
    let mut fields = vec![
        ("Name", device.display_name.clone()),
        ("Id", device.device_id.to_string()),
        ("State", state(&device)),
        ("System", system(&device)),
        ("Joined", time(device.registration_date_time)),
        ("Last contact", time(device.approximate_last_sign_in_date_time)),
        ("Deleted", time(device.deleted_date_time)),
        ("Password stored", credentials.as_ref().map_or("never".into(), |of| of.last_backup_date_time.to_string())),
        ("Password due", credentials.as_ref().map(|of| of.refresh_date_time.to_string()).unwrap_or_default()),
        ("Account", account.unwrap_or_else(|| status.usability.clone())),
        ("Drift", drift),
        ("Forked", forked),
        ("Last error", status.last_error.clone().unwrap_or_default()),
    ];
    if let Some(open) = &request {
        fields.push(("Asked to rotate", open.start_date_time.to_string()));
        let code = open.reason_code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let waits = open.reason.as_ref().map_or("the machine has to come".to_owned(), |why| format!("{why}{code}"));
        fields.push(("It waits", waits));
    }
    if let Some(last) = uses.first() {
        fields.push(("Last used", use_text(last)));
        fields.push(("Read before", last.read.clone().unwrap_or_else(|| "NO READ of this password is known".into())));
        fields.push(("Changed after use", deadline_text(last)));
    }
    if credentials.is_none() {
        // Those who may not see them are not told either.
        offer(&device, &signed_in.candidates(device.device_id).await.unwrap_or_default());
        output::message(&format!("no password is stored; why: lapwing explain {}", device.device_id));
    }
    output::item(globals.output, &Shown { device, credentials, status, request, uses }, fields)
}

/// The newest request to rotate that is neither met nor closed; none of a machine that is deleted.
async fn open_request(signed_in: &SignedIn, device: &Device) -> Result<Option<DeviceActionResult>, Failure> {
    let managed = match signed_in.managed_device(device.device_id).await {
        Ok(managed) => managed,
        Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 404) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let is_open = |action: &DeviceActionResult| matches!(action.action_state.as_str(), "pending" | "failed");
    Ok(managed.device_action_results.into_iter().find(is_open))
}

/// Asks before something that cannot be undone.
fn confirm(yes: bool, question: &str, undone: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !crate::terminal::is_there() {
        return Err(Failure::wrong_use("not_confirmed", format!("{undone}: nobody can be asked")).next("add --yes"));
    }
    if crate::terminal::confirm(question)? {
        return Ok(());
    }
    Err(Failure::failed("not_confirmed", undone))
}

/// Says that a machine may have had another object, and how a person links the two.
fn offer(device: &Device, candidates: &[Candidate]) {
    let readable = candidates.iter().filter(|one| one.has_password);
    for one in readable {
        output::message(&format!(
            "{} may have been {} before, of which a password can be read\n  link them: lapwing device link {} {}",
            device.display_name, one.id, device.device_id, one.id
        ));
    }
}

fn use_text(last: &PasswordUse) -> String {
    let from = last.from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
    format!("{}, account {} through {}{from}", last.signed_in_date_time, last.account_name, last.service)
}

fn deadline_text(last: &PasswordUse) -> String {
    match (last.changed_since, last.deadline_date_time) {
        (true, _) => "yes".into(),
        (false, Some(deadline)) => format!("not yet, due {deadline}"),
        (false, None) => "no: policy lets nothing follow a sign-in".into(),
    }
}

/// The members of an event's detail in one line.
fn detail(detail: &Value) -> String {
    let shown = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            Some(items.join(", "))
        }
        other => Some(other.to_string()),
    };
    let members = detail.as_object().into_iter().flatten();
    let members: Vec<_> = members.filter_map(|(name, value)| Some(format!("{name}: {}", shown(value)?))).collect();
    members.join("; ")
}

/// A machine by its id, or by its name when exactly one has it. A deleted one is found by name only when no
/// other has the name.
pub(crate) async fn find(signed_in: &SignedIn, named: &str) -> Result<Device, Failure> {
    if let Ok(id) = named.parse::<DeviceId>() {
        let error = match signed_in.device(id).await {
            Ok(device) => return Ok(device),
            Err(error) => error,
        };
        return match error.refusal().map(|refusal| refusal.code.as_str()) {
            Some("device_deleted") => {
                let filter = format!("deviceId eq '{id}' and state eq 'deleted'");
                signed_in.devices(Some(&filter)).await?.pop().ok_or_else(|| unknown(named))
            }
            Some("device_unknown") => Err(unknown(named)),
            _ => Err(error.into()),
        };
    }
    let filter = format!("displayName eq '{}'", named.replace('\'', "''"));
    let mut matching = signed_in.devices(Some(&filter)).await?;
    if matching.is_empty() {
        matching = signed_in.devices(Some(&format!("{filter} and state eq 'deleted'"))).await?;
    }
    match (matching.pop(), matching.as_slice()) {
        (None, _) => Err(unknown(named)),
        (Some(one), []) => Ok(one),
        (Some(last), others) => {
            let mut text = format!("{} machines have the name {named}:", others.len() + 1);
            for device in others.iter().chain([&last]) {
                text.push_str(&format!(
                    "\n  {}  {}  last contact {}",
                    device.device_id,
                    state(device),
                    device.approximate_last_sign_in_date_time.map_or("never".into(), |at| at.to_string())
                ));
            }
            Err(Failure::wrong_use("device_ambiguous", text).next("name the machine by its id"))
        }
    }
}

fn unknown(named: &str) -> Failure {
    Failure::not_found("device_unknown", format!("no machine has the id or name {named}"))
        .next("lapwing device list; a machine that never joined: lapwing join-token create")
}

fn state(device: &Device) -> String {
    match device.state.as_str() {
        "" if device.account_enabled => "enabled".into(),
        "" => "disabled".into(),
        state => state.to_owned(),
    }
}

fn system(device: &Device) -> String {
    format!("{} {}", device.operating_system, device.operating_system_version).trim().to_owned()
}

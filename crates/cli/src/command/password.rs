//! `password …`

use super::{device, rotation};
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session, terminal,
};
use clap::{Args, Subcommand};
use client::{Justification, SignedIn};
use laps::{id::DeviceId, text::harmless, time::Timestamp};
use proto::admin::NewCampaign;
use proto::graph::{CredentialVersion, Device, DeviceActionResult};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(crate) enum PasswordCommand {
    /// Print the password of a machine; it is written into the audit log
    ///
    /// One password on each line, those that may open the account best first: one, or several while a
    /// rotation is under way. What each is stands on stderr.
    Get {
        /// The machine: its id, or its name when no other has it
        device: String,
        /// Also former passwords
        #[arg(long)]
        history: bool,
        #[command(flatten)]
        why: Why,
    },
    /// Say that you are done with a password that is changed after reading: it is changed now
    Done {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Ask machines for a new password
    Rotate {
        /// The machines: their ids, or their names when no other has it
        #[arg(required_unless_present_any = ["group", "all"])]
        devices: Vec<String>,
        /// Every machine of this group
        #[arg(long, conflicts_with_all = ["devices", "all"])]
        group: Option<String>,
        /// Every machine in your reach
        #[arg(long, conflicts_with = "devices")]
        all: bool,
        /// Why, when it is about several; it is written into the audit log
        #[arg(long, default_value = "")]
        reason: String,
        /// Do not ask before a group or all machines are rotated
        #[arg(long)]
        yes: bool,
        /// Wait until the new password is stored, set and proven; shows how far it is
        #[arg(long)]
        wait: bool,
        /// Seconds to wait at most
        #[arg(long, value_name = "SECONDS", default_value_t = 120, requires = "wait")]
        timeout: u64,
    },
}

/// What is said beside what is to be read; it goes into the audit log.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// Why the password is needed
    #[arg(long)]
    reason: Option<String>,
    /// The ticket
    #[arg(long)]
    ticket: Option<String>,
    /// Read past approval, with a reason; the record is marked, and the password is changed after
    #[arg(long, requires = "reason")]
    break_glass: bool,
}

/// `lapwing password …`.
pub(crate) async fn run(globals: &Globals, command: PasswordCommand) -> Result<(), Failure> {
    match command {
        PasswordCommand::Get { device, history, why } => {
            let signed_in = session::signed_in_or_ask(globals).await?;
            let device = device::find(&signed_in, &device).await?;
            get(globals, &signed_in, &device, history, why).await
        }
        PasswordCommand::Done { device } => {
            let signed_in = session::signed_in(globals).await?;
            let device = device::find(&signed_in, &device).await?;
            signed_in.reading_done(device.device_id).await?;
            output::message(&format!("{} is asked for a new password", device.display_name));
            Ok(())
        }
        PasswordCommand::Rotate { devices, group, all, reason, yes, wait, timeout } => {
            let signed_in = session::signed_in(globals).await?;
            let wait = wait.then(|| Duration::from_secs(timeout));
            if let ([device], true) = (devices.as_slice(), reason.is_empty()) {
                let device = device::find(&signed_in, device).await?;
                return rotate(globals, &signed_in, &device, wait).await;
            }
            let mut new = NewCampaign { group, all, reason, ..NewCampaign::default() };
            for device in &devices {
                new.devices.push(device::find(&signed_in, device).await?.device_id.to_string());
            }
            rotation::start(globals, &signed_in, &new, yes, wait).await
        }
    }
}

/// A candidate as a program reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    account: &'a str,
    password: &'a str,
    state: &'a str,
    live: bool,
    proof: Option<&'a str>,
    #[serde(with = "proto::serde_text::time")]
    stored: Timestamp,
    #[serde(with = "proto::serde_text::time_option")]
    proven: Option<Timestamp>,
    #[serde(with = "proto::serde_text::time_option")]
    due: Option<Timestamp>,
    version: String,
}

async fn get(globals: &Globals, signed_in: &SignedIn, device: &Device, history: bool, why: Why) -> Result<(), Failure> {
    let Why { reason, ticket, break_glass } = why;
    let why = Justification { reason, ticket, break_glass };
    let credentials = signed_in.read(device.device_id, &why).await.map_err(|error| {
        let failure = Failure::from(error);
        let why = format!("why: lapwing explain {}", device.device_id);
        if failure.is_not_found() { failure.next(why) } else { failure }
    })?;
    let due = credentials.rotation_due_date_time;
    let all = credentials.credentials.unwrap_or_default();
    let wanted: Vec<_> = all.iter().filter(|version| history || version.live).collect();
    if wanted.is_empty() {
        let failure =
            Failure::not_found("password_none", format!("{} has no password that is in use", device.display_name));
        return Err(failure.next(format!("lapwing explain {}; former ones: add --history", device.device_id)));
    }
    if globals.output == Form::Json {
        let candidates: Vec<_> = wanted.into_iter().map(candidate).collect();
        return output::json(&candidates);
    }
    if wanted.len() > 1 && !history {
        output::message("a rotation is under way: one of these opens the account, try them in this order");
    }
    for version in wanted {
        output::message(&describe(&device.display_name, version));
        let mut line = Zeroizing::new(String::with_capacity(version.password.reveal().len() + 1));
        line.push_str(version.password.reveal());
        line.push('\n');
        output::data(&line)?;
    }
    if let Some(due) = due {
        let name = &device.display_name;
        output::message(&format!(
            "this password is changed at {due}; when you are done before: lapwing password done {name}"
        ));
    } else if terminal::is_there() {
        output::message(&format!("when you are done: lapwing password rotate {}", device.display_name));
    }
    Ok(())
}

fn candidate(version: &CredentialVersion) -> Candidate<'_> {
    Candidate {
        account: &version.account_name,
        password: version.password.reveal(),
        state: &version.state,
        live: version.live,
        proof: version.proof.as_deref(),
        stored: version.backup_date_time,
        proven: version.proven_date_time,
        due: version.expiration_date_time,
        version: version.version_id.to_string(),
    }
}

/// One line about a version, without its password.
pub(crate) fn describe(device: &str, version: &CredentialVersion) -> String {
    let mut text = format!("{device}, account {}: {}", version.account_name, version.state);
    let at = |at: Option<Timestamp>| at.map(|at| at.to_string());
    match (&version.proof, at(version.proven_date_time)) {
        (Some(proof), Some(proven)) => text.push_str(&format!(", proven {proven} ({proof})")),
        (None, Some(proven)) => text.push_str(&format!(", proven {proven}")),
        _ => text.push_str(&format!(", stored {}, not proven", version.backup_date_time)),
    }
    if let Some(due) = at(version.expiration_date_time).filter(|_| version.live && !version.released) {
        text.push_str(&format!(", due {due}"));
    }
    if version.released {
        text.push_str(", no longer rotated");
    }
    if version.of_predecessor {
        text.push_str(", of the machine's former device object");
    }
    if let Some(backup) = at(version.from_backup_date_time) {
        text.push_str(&format!(", from a backup of {backup}: may be stale"));
    }
    text
}

/// A device that is unreachable or not compliant does not rotate at once, and whoever asks is told so.
async fn say_why_it_waits(signed_in: &SignedIn, device: &Device) {
    let Ok(managed) = signed_in.managed_device(device.device_id).await else { return };
    let newest = managed.device_action_results.into_iter().find(|action| action.action_state == "pending");
    if let Some(reason) = newest.and_then(|action| action.reason) {
        output::message(&format!("  it waits: {}", harmless(&reason)));
    }
}

async fn rotate(
    globals: &Globals,
    signed_in: &SignedIn,
    device: &Device,
    wait: Option<Duration>,
) -> Result<(), Failure> {
    signed_in.rotate(device.device_id).await?;
    let name = &device.display_name;
    let Some(timeout) = wait else {
        output::message(&format!("{name} is asked for a new password"));
        say_why_it_waits(signed_in, device).await;
        output::message(&format!("  next: lapwing password rotate {name} --wait, or lapwing explain {name}"));
        return Ok(());
    };
    let done = wait_for_rotation(signed_in, device.device_id, timeout).await?.ok_or_else(|| {
        Failure::failed("rotation_pending", format!("{name} has not rotated within {} s", timeout.as_secs())).next(
            format!("the request stays: {name} rotates at its next contact; why it waits: lapwing explain {name}"),
        )
    })?;
    if done.action_state == "canceled" {
        return Err(Failure::failed(
            "rotation_closed",
            harmless(&done.reason.unwrap_or_else(|| "the request was closed".into())),
        )
        .next(format!("lapwing explain {name}")));
    }
    if done.action_state == "failed" {
        return Err(Failure::failed("rotation_failed", format!("{name} could not rotate"))
            .next(format!("lapwing explain {name}")));
    }
    output::message(&format!("{name} has a new password, proven"));
    output::message(&format!("  next: lapwing password get {name}"));
    if globals.output == Form::Json { output::json(&done) } else { Ok(()) }
}

/// Waits until the newest request to rotate is met or failed; `None` when the time is over first.
pub(crate) async fn wait_for_rotation(
    signed_in: &SignedIn,
    device: DeviceId,
    timeout: Duration,
) -> Result<Option<DeviceActionResult>, Failure> {
    let is_rotation = |action: &DeviceActionResult| action.action_name == "rotateLocalAdminPassword";
    let ends = Instant::now() + timeout;
    let mut asked = None;
    loop {
        let actions = signed_in.managed_device(device).await?.device_action_results;
        let newest = actions.iter().filter(|action| is_rotation(action)).map(|action| action.sequence).max();
        // Our request is the newest one at the first look; later ones of others do not matter.
        let ours = *asked.get_or_insert(newest.unwrap_or(0));
        let ended = actions.into_iter().find(|action| {
            is_rotation(action)
                && action.sequence == ours
                && matches!(action.action_state.as_str(), "done" | "failed" | "canceled")
        });
        if ended.is_some() {
            return Ok(ended);
        }
        if Instant::now() >= ends {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

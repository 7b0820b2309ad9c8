//! `export` and `escrow …`: archives of passwords, sealed with age to people's own keys.

use super::archive::{Archive, Reading};
use super::device;
use crate::{
    arguments::{Form, Globals},
    failure::Failure,
    output, session,
};
use clap::{Args, Subcommand};
use client::SignedIn;
use laps::id::DeviceId;
use proto::{
    admin::{Drill, EscrowState, ExportRequest, Settings},
    escrow::Entry,
};
use serde::Serialize;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// `lapwing export`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["device", "group", "all"])))]
pub(crate) struct Export {
    /// An age recipient (age1…), who can open the archive alone; several are allowed
    #[arg(long, value_name = "age1…", required = true)]
    to: Vec<String>,
    /// A machine: its id, or its name when no other has it; several are allowed
    #[arg(long, value_name = "DEVICE")]
    device: Vec<String>,
    /// The machines of a group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Every machine, deleted ones included
    #[arg(long)]
    all: bool,
    /// Also former passwords
    #[arg(long)]
    history: bool,
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EscrowCommand {
    /// Read an archive, without a server and without a network
    Open {
        /// The archive
        file: PathBuf,
        #[command(flatten)]
        with: With,
        /// Show the passwords of this machine, by its id or name
        #[arg(long, value_name = "DEVICE", conflicts_with = "all")]
        device: Option<String>,
        /// Show every password
        #[arg(long)]
        all: bool,
    },
    /// Show that an archive opens: read all of it here, and tell the server that it was done
    Drill {
        /// The archive
        file: PathBuf,
        #[command(flatten)]
        with: With,
    },
    /// Exports and drills, as the server remembers them
    Status,
    /// Let the server write an archive into its data directory again and again
    Schedule {
        /// An age recipient (age1…); several are allowed
        #[arg(long, value_name = "age1…")]
        to: Vec<String>,
        /// Days between two archives; 0 stops it
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(0..=365))]
        every_days: Option<u32>,
        /// Archives that are kept
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
        keep: Option<u32>,
        /// Folder under the data directory: letters, digits, - and _
        #[arg(long, value_name = "NAME")]
        folder: Option<String>,
    },
}

/// With what an archive is opened and judged.
#[derive(Debug, Args)]
pub(crate) struct With {
    /// A file with age identities (AGE-SECRET-KEY-1…), as age-keygen writes it
    #[arg(long, value_name = "KEYFILE")]
    identity: PathBuf,
    /// The server's key as it is known from elsewhere (`lapwing escrow status` shows it): 130 hexadecimal digits
    #[arg(long, value_name = "HEX")]
    server_key: Option<String>,
}

/// `lapwing export`.
pub(crate) async fn export(globals: &Globals, export: Export) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    let mut devices = Vec::with_capacity(export.device.len());
    for named in &export.device {
        devices.push(device::find(&signed_in, named).await?.device_id.to_string());
    }
    // Before anything is disclosed: a file that cannot be written would leave a record without an archive.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&export.file)
        .map_err(|error| unwritten(&export.file, &error))?;
    let request =
        ExportRequest { recipients: export.to, devices, group: export.group, all: export.all, history: export.history };
    let archive = match signed_in.export(&request).await {
        Ok(archive) => archive,
        Err(error) => {
            // Ours, and empty.
            let _ = fs::remove_file(&export.file);
            return Err(error.into());
        }
    };
    file.write_all(&archive).and_then(|()| file.sync_all()).map_err(|error| unwritten(&export.file, &error))?;
    drop(file);
    let head = Archive::open(&export.file)?.checked(None)?.head().clone();
    let manifest = &head.manifest;
    output::message(&format!(
        "{}: {} passwords of {} machines, sealed to {} recipients; each is named in the audit log",
        export.file.display(),
        manifest.versions,
        manifest.devices,
        manifest.recipients.len()
    ));
    output::message(&format!("  next: lapwing escrow drill {} --identity KEYFILE", export.file.display()));
    if globals.output == Form::Json { output::json(manifest) } else { Ok(()) }
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed("archive_unwritten", format!("{}: {error}", path.display()))
        .next("name a new file in a directory that you may write to, with --file")
}

/// `lapwing escrow …`.
pub(crate) async fn run(globals: &Globals, command: EscrowCommand) -> Result<(), Failure> {
    match command {
        EscrowCommand::Open { file, with, device, all } => open(globals, &file, &with, device.as_deref(), all),
        EscrowCommand::Drill { file, with } => {
            let read = read(&file, &with)?;
            let signed_in = session::signed_in(globals).await?;
            let drill = Drill {
                export: read.opening.export.clone(),
                proof: read.opening.proof.clone(),
                devices: read.devices,
                versions: read.entries.len() as u64,
            };
            let (devices, versions) = (drill.devices, drill.versions);
            // What was read goes nowhere.
            drop(read);
            let state = signed_in.record_drill(&drill).await?;
            output::message(&format!(
                "the archive opens: {versions} passwords of {devices} machines were read and none was sent; the server has \
                 recorded it"
            ));
            say_warning(&state);
            if globals.output == Form::Json { output::json(&state) } else { Ok(()) }
        }
        EscrowCommand::Status => {
            let state = session::signed_in(globals).await?.escrow_state().await?;
            status(globals, &state)
        }
        EscrowCommand::Schedule { to, every_days, keep, folder } => {
            let signed_in = session::signed_in(globals).await?;
            let change = Settings {
                escrow_recipients: (!to.is_empty()).then_some(to),
                escrow_interval_days: every_days,
                escrow_kept: keep,
                escrow_folder: folder,
                ..Settings::default()
            };
            signed_in.change_settings(&change).await?;
            let settings = signed_in.settings().await?;
            let recipients = settings.escrow_recipients.unwrap_or_default();
            output::message(&match settings.escrow_interval_days.unwrap_or(0) {
                0 => "no archive is written by itself; next: --every-days".to_owned(),
                _ if recipients.is_empty() => "there is no recipient yet; next: --to age1…".to_owned(),
                days => format!(
                    "every {days} days an archive for {} recipients is written into {} under the data directory; {} are kept",
                    recipients.len(),
                    settings.escrow_folder.unwrap_or_default(),
                    settings.escrow_kept.unwrap_or_default()
                ),
            });
            Ok(())
        }
    }
}

fn status(globals: &Globals, state: &EscrowState) -> Result<(), Failure> {
    if globals.output == Form::Table {
        output::message(&format!("the server's key: {}", state.public_key));
        output::message(&match state.interval_days {
            0 => "no archive is written by itself: lapwing escrow schedule".to_owned(),
            days => format!("every {days} days one is written for: {}", state.recipients.join(" ")),
        });
    }
    say_warning(state);
    if globals.output == Form::Json {
        return output::json(state);
    }
    let columns = ["made", "id", "by", "machines", "passwords", "recipients", "opened"];
    output::list(globals.output, &state.exports, &columns, |export| {
        vec![
            export.made_date_time.to_string(),
            export.id.clone(),
            if export.scheduled { "the server".into() } else { export.made_by.clone() },
            export.devices.to_string(),
            export.versions.to_string(),
            export.recipients.len().to_string(),
            match (&export.drilled_date_time, &export.drilled_by) {
                (Some(at), Some(by)) => format!("{at} by {by}"),
                _ => "never".into(),
            },
        ]
    })
}

fn say_warning(state: &EscrowState) {
    if let Some(warning) = &state.warning {
        output::message(&format!("warning: {}\n  next: {}\n  code: {}", warning.text, warning.remedy, warning.code));
    }
}

/// A warning about escrow, for those who can do something about it; nothing for others.
pub(crate) async fn warn(signed_in: &SignedIn) {
    if let Ok(state) = signed_in.escrow_state().await {
        say_warning(&state);
    }
}

fn read(file: &Path, with: &With) -> Result<Reading, Failure> {
    let archive = Archive::open(file)?.checked(with.server_key.as_deref())?;
    let manifest = &archive.head().manifest;
    output::message(&format!("{} of {}, made {}", manifest.export, manifest.server, manifest.made_date_time));
    output::message(match with.server_key {
        Some(_) => "the signature is that of the server's key that you named",
        None => {
            "the signature is that of the key in the archive itself; add --server-key to compare it with the server's \
             (lapwing escrow status shows it)"
        }
    });
    archive.read(&with.identity)
}

/// A version as a program reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    device: String,
    name: &'a str,
    device_state: &'a str,
    account: &'a str,
    state: &'a str,
    live: bool,
    #[serde(with = "proto::serde_text::time")]
    stored: laps::time::Timestamp,
    #[serde(with = "proto::serde_text::time_option")]
    proven: Option<laps::time::Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

fn open(globals: &Globals, file: &Path, with: &With, device: Option<&str>, all: bool) -> Result<(), Failure> {
    let read = read(file, with)?;
    let wanted: Vec<&Entry> = match device {
        Some(named) => of_device(&read.entries, named)?,
        None => read.entries.iter().collect(),
    };
    let shows = all || device.is_some();
    if globals.output == Form::Json {
        let shown: Vec<_> = wanted
            .iter()
            .map(|entry| Shown {
                device: entry.device.to_string(),
                name: &entry.name,
                device_state: &entry.device_state,
                account: &entry.account_name,
                state: &entry.state,
                live: entry.live,
                stored: entry.stored_date_time,
                proven: entry.proven_date_time,
                password: shows.then(|| entry.password.reveal()),
            })
            .collect();
        return output::json(&shown);
    }
    if device.is_some() {
        for entry in wanted {
            output::message(&described(entry));
            let mut line = Zeroizing::new(String::with_capacity(entry.password.reveal().len() + 1));
            line.push_str(entry.password.reveal());
            line.push('\n');
            output::data(&line)?;
        }
        return Ok(());
    }
    let mut columns = vec!["name", "id", "account", "state", "stored", "proven"];
    if all {
        columns.push("password");
    }
    output::table(
        &columns,
        wanted.into_iter().map(|entry| {
            let mut row = vec![
                entry.name.clone(),
                entry.device.to_string(),
                entry.account_name.clone(),
                entry.state.clone(),
                entry.stored_date_time.to_string(),
                super::time(entry.proven_date_time),
            ];
            if all {
                row.push(entry.password.reveal().to_owned());
            }
            row
        }),
    )?;
    if !all {
        output::message("  next: --device NAME|ID shows the passwords of one machine, --all every one");
    }
    Ok(())
}

fn described(entry: &Entry) -> String {
    let proven = match entry.proven_date_time {
        Some(at) => format!("proven {at}"),
        None => format!("stored {}, not proven", entry.stored_date_time),
    };
    output::printable(&format!("{}, account {}: {}, {proven}", entry.name, entry.account_name, entry.state))
}

/// The versions of one machine; a name that several have is refused with their ids.
fn of_device<'a>(entries: &'a [Entry], named: &str) -> Result<Vec<&'a Entry>, Failure> {
    let found: Vec<&Entry> = match named.parse::<DeviceId>() {
        Ok(id) => entries.iter().filter(|entry| entry.device == id).collect(),
        Err(_) => entries.iter().filter(|entry| entry.name.to_lowercase() == named.to_lowercase()).collect(),
    };
    let mut ids: Vec<DeviceId> = found.iter().map(|entry| entry.device).collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [] => Err(Failure::not_found(
            "device_unknown",
            format!("the archive holds no machine with the id or name {named}"),
        )
        .next("without --device the machines in it are listed")),
        [_] => Ok(found),
        several => {
            let list: Vec<String> = several.iter().map(ToString::to_string).collect();
            let text =
                format!("{} machines in the archive have the name {named}:\n  {}", several.len(), list.join("\n  "));
            Err(Failure::wrong_use("device_ambiguous", text).next("name the machine by its id"))
        }
    }
}

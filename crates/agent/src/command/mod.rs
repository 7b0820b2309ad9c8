//! The command line of `lapwing-agent`.
//!
//! Data on standard output, messages on standard error; exit 0 done, 1 failed, 2 wrong use, 3 not allowed,
//! 4 not found.

mod agent;
mod csp;
mod explain;
mod join;
#[cfg(feature = "ad")]
mod join_domain;
mod leave_domain;
mod pam;
mod policy;
mod show;

use crate::{
    events::Output as EventOutput,
    platform::{Durability, ManagedTree},
    state::{self, StateDir, StateError},
};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use std::{
    fmt::Display,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "lapwing-agent",
    version,
    about = "Gives this machine's local administrator account a new password regularly, and keeps it in the directory",
    propagate_version = true
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Join this machine to a server
    Join(join::Join),
    /// Use the Active Directory domain that this machine is joined to
    #[cfg(feature = "ad")]
    JoinDomain(join_domain::JoinDomain),
    /// Use the domain no more
    LeaveDomain(leave_domain::LeaveDomain),
    /// Run the agent (as a service)
    Run(agent::Run),
    /// Run one policy cycle now
    Cycle(agent::Now),
    /// Change the password now
    Reset(agent::Now),
    /// Show what this machine has joined, what it manages and how it went
    Status(show::Status),
    /// Why this machine has stored no password, or an old one, and what to do; asks nobody
    Explain(explain::Explain),
    /// Show the agent's events
    Events(show::Events),
    /// Work with the configuration tree (SyncML)
    Csp {
        #[command(subcommand)]
        command: csp::Csp,
    },
    /// Tell whether a password (on standard input) opens the managed account
    CheckPassword(show::CheckPassword),
    /// Show the policy in force
    Policy {
        #[command(subcommand)]
        command: policy::Policy,
    },
    /// Notice sign-ins with the managed account (PAM)
    Pam {
        #[command(subcommand)]
        command: pam::Pam,
    },
    /// Print the completions of a shell
    #[command(hide = true)]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory; made when it is not there
        directory: PathBuf,
    },
}

/// The state directory.
#[derive(Debug, Args)]
struct StateArgument {
    /// The state directory
    #[arg(long, value_name = "DIR", default_value = state::DEFAULT)]
    state: PathBuf,
}

/// The account tree.
#[derive(Debug, Args)]
struct TreeArguments {
    /// Manage the accounts of the tree below DIR instead of those of the running system
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
    /// Take an account database that does not survive a restart (demonstrations and tests)
    #[arg(long)]
    volatile_ok: bool,
}

/// How output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
struct OutputArgument {
    /// How the output is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Runs a command line; the exit code says how it went.
pub fn run(line: CommandLine) -> ExitCode {
    let done = match line.command {
        Command::Join(command) => command.run(),
        #[cfg(feature = "ad")]
        Command::JoinDomain(command) => command.run(),
        Command::LeaveDomain(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Cycle(command) => command.cycle(),
        Command::Reset(command) => command.reset(),
        Command::Status(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Events(command) => command.run(),
        Command::Csp { command } => command.run(),
        Command::CheckPassword(command) => command.run(),
        Command::Policy { command } => command.run(),
        Command::Pam { command } => command.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut CommandLine::command(), "lapwing-agent", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { directory } => manual(&directory),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            if !failed.text.is_empty() {
                say(format_args!("lapwing-agent: {} ({})", failed.text, failed.code));
            }
            ExitCode::from(failed.exit)
        }
    }
}

fn manual(directory: &Path) -> Result<(), Failed> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(CommandLine::command(), directory))
        .map_err(|error| Failed::new("file_unwritable", format_args!("cannot write into {directory:?}: {error}")))
}

/// A command that did not succeed: what is said on standard error, and the exit code.
#[derive(Debug)]
struct Failed {
    exit: u8,
    code: String,
    /// Empty when everything was said already.
    text: String,
}

impl Failed {
    fn new(code: impl Into<String>, text: impl Display) -> Self {
        Self { exit: 1, code: code.into(), text: text.to_string() }
    }
    /// Everything was said.
    const fn silent() -> Self {
        Self { exit: 1, code: String::new(), text: String::new() }
    }
    fn exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }
}

impl From<StateError> for Failed {
    fn from(error: StateError) -> Self {
        let exit = if matches!(error, StateError::Missing { .. }) { 4 } else { 1 };
        Self::new(error.code(), &error).exit(exit)
    }
}

impl From<crate::join::JoinError> for Failed {
    fn from(error: crate::join::JoinError) -> Self {
        Self::new(error.code().to_owned(), &error)
    }
}

impl From<crate::effect::StartError> for Failed {
    fn from(error: crate::effect::StartError) -> Self {
        let exit = if matches!(error, crate::effect::StartError::NotJoined) { 4 } else { 1 };
        Self::new(error.code(), &error).exit(exit)
    }
}

/// A message for people.
fn say(text: impl Display) {
    // Standard error that is closed is no reason to fail.
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Data. A reader that went away (`| head`) ends the output quietly.
fn print(text: impl Display) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

fn print_json(value: &serde_json::Value) {
    print(format_args!("{value:#}"));
}

/// A runtime of one thread.
fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::new("runtime", format_args!("the runtime cannot be started: {error}")))
}

const fn durability(volatile_ok: bool) -> Durability {
    if volatile_ok { Durability::VolatileOk } else { Durability::Required }
}

/// The tree that the arguments name, else the one of the join.
fn tree_of(arguments: &TreeArguments, joined: Option<&crate::state::Membership>) -> Result<ManagedTree, Failed> {
    let prefix = arguments.prefix.clone().or_else(|| joined.and_then(|joined| joined.prefix.clone()));
    Ok(ManagedTree::new(crate::join::tree_of(prefix.as_ref())?))
}

/// A state directory for a command that writes: locked, or refused with the owner named.
fn locked(path: &Path) -> Result<(StateDir, crate::state::Lock), Failed> {
    let state = StateDir::open(path)?;
    let lock = state.lock()?;
    Ok((state, lock))
}

/// Rows in columns.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.trim_end().to_owned()
    };
    let mut out = line(&mut head.iter().copied());
    for row in rows {
        out.push('\n');
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = table(&["a", "bb"], &[vec!["ccc".into(), "d".into()]]);
        assert_eq!(text, "a    bb\nccc  d");
    }
}

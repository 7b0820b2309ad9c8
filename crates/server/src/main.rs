//! lapwingd: arguments, logs, the process; everything else is in the library.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line: results on stdout, messages on stderr")]

mod command;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::filter::Targets;

/// Lapwing server: directory, policy and retrieval of local administrator passwords
#[derive(Debug, Parser)]
#[command(name = "lapwingd", version, about)]
struct Arguments {
    /// What is logged: error, warn, info, debug, or a filter such as info,lapwingd::request=off
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    log: Targets,
    /// How it is logged
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormat {
    /// One line of text
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a server: CA, keys, database, the first administrator's one-time secret
    Init(command::init::Init),
    /// Serve
    Run(command::run::Run),
    /// Write a backup of the database, while the server runs or not
    Backup(command::operate::Backup),
    /// Make a data directory from a backup: a new incarnation of the server's data
    Restore(command::operate::Restore),
    /// Make a new key-encryption key and wrap every data key anew; resumes one that was broken off
    Rekey(command::operate::Rekey),
    /// Keys of the server, to be kept elsewhere
    #[command(subcommand)]
    Kek(command::operate::Kek),
    /// Open the database, verify the audit log, unseal one password of each key
    Check(command::operate::Check),
    /// Completions for a shell, to stdout
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Manual pages, into a directory
    #[command(hide = true)]
    Man {
        /// The directory; it is made when it is missing
        directory: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log(&arguments);
    // Best effort: no core file holds a password (rotation.md 4, I3).
    command::keep_memory_private();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("lapwingd: the cryptography could not be set up");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("lapwingd: threads could not be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Init(init) => command::init::run(init).await,
            Command::Run(run) => command::run::run(run).await,
            Command::Backup(backup) => command::operate::backup(backup).await,
            Command::Restore(restore) => command::operate::restore(restore).await,
            Command::Rekey(rekey) => command::operate::rekey(rekey).await,
            Command::Kek(kek) => command::operate::kek(kek).await,
            Command::Check(check) => command::operate::check(check).await,
            Command::Completions { shell } => command::manual::completions::<Arguments>(shell),
            Command::Man { directory } => command::manual::pages::<Arguments>(&directory),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lapwingd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_log(arguments: &Arguments) {
    use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};
    let filter = arguments.log.clone();
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let log = match arguments.log_format {
        LogFormat::Text => log.with_ansi(false).with_filter(filter).boxed(),
        LogFormat::Json => log.json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry().with(log).init();
}

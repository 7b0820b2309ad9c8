//! lapwingd: arguments, logs, the process; everything else is in the library.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line: results on stdout, messages on stderr")]

mod command;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Lapwing server: directory, policy and retrieval of local administrator passwords
#[derive(Debug, Parser)]
#[command(name = "lapwingd", version, about)]
struct Arguments {
    /// What is logged: error, warn, info, debug, or a filter such as info,lapwingd::request=off
    #[arg(long, global = true, value_name = "FILTER", default_value = "info")]
    log: String,
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
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(&arguments.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}

//! lapwing: the command line.
//!
//! Data goes to stdout, messages to stderr. Exit status: 0 done, 1 failed, 2 wrong use, 3 refused, 4 not
//! found. Every command is a file under `command`; `session` keeps who is signed in, `failure` turns what
//! went wrong into a message and an exit status.
#![forbid(unsafe_code)]

mod arguments;
mod command;
mod demo;
mod failure;
mod output;
mod session;
mod terminal;

use arguments::{Arguments, Command};
use clap::Parser as _;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::failed("no_runtime", format!("this process cannot wait for events: {error}")).report();
        }
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    let globals = arguments.globals;
    match arguments.command {
        Command::Login(login) => command::login::login(&globals, &login).await,
        Command::Whoami => command::login::whoami(&globals).await,
        Command::Logout => command::login::logout(),
        Command::Device(command) => command::device::run(&globals, command).await,
        Command::JoinToken(command) => command::join_token::run(&globals, command).await,
        Command::Policy(command) => command::policy::run(&globals, command).await,
        Command::Group(command) => command::group::run(&globals, command).await,
        Command::Setting(command) => command::setting::run(&globals, command).await,
        Command::Password(command) => command::password::run(&globals, command).await,
        Command::Rotation(command) => command::rotation::run(&globals, command).await,
        Command::Revoke(revoke) => command::revoke::run(&globals, revoke).await,
        Command::Explain { device } => command::explain::run(&globals, &device).await,
        Command::Export(export) => command::escrow::export(&globals, export).await,
        Command::Escrow(command) => command::escrow::run(&globals, command).await,
        Command::Report(command) => command::report::run(&globals, command).await,
        Command::Audit(command) => command::audit::run(&globals, command).await,
        Command::User(command) => command::people::user(&globals, command).await,
        Command::Notify(command) => command::notify::run(&globals, command).await,
        Command::Access(command) => command::access::run(&globals, command).await,
        Command::Session(command) => command::account::session(&globals, command).await,
        Command::Token(command) => command::account::token(&globals, command).await,
        Command::Account(command) => command::account::account(&globals, command).await,
        Command::Provider(command) => command::provider::run(&globals, command).await,
        Command::Role(command) => command::role::run(&globals, command).await,
        Command::Principal(command) => command::people::principal(&globals, command).await,
        Command::Demo(demo) => demo::demo(&demo).await,
        Command::Generate(generate) => command::generate::run(&globals, &generate),
        Command::Ad(ad) => command::ad::run(&globals, ad).await,
        Command::Csp(command) => command::csp::run(command),
        Command::Completions { shell } => command::manual::completions(shell),
        Command::Man { directory } => command::manual::pages(&directory),
    }
}

//! What can be typed.

use crate::command;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Keeps a different local administrator password on every machine, and can always say why one is missing.
#[derive(Debug, Parser)]
#[command(
    name = "lapwing",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Exit status: 0 done, 1 failed, 2 wrong use, 3 refused, 4 not found."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Globals {
    /// The server, https://NAME or https://NAME:PORT; default: the one of the last sign-in
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub(crate) server: Option<String>,
    /// The server's CA: a certificate file, or its fingerprint as sha256:HEX; default: as at the last sign-in
    #[arg(long, global = true, value_name = "FILE|FINGERPRINT", help_heading = "Global options")]
    pub(crate) ca: Option<String>,
    /// How data is printed
    #[arg(long, short, global = true, value_enum, default_value = "table", help_heading = "Global options")]
    pub(crate) output: Form,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in; without options by a code that is typed into a browser
    Login(command::login::Login),
    /// Who is signed in, where, and with which roles
    Whoami,
    /// Forget the sign-in on this machine
    Logout,
    /// The machines of the directory
    #[command(subcommand)]
    Device(command::device::DeviceCommand),
    /// Tokens with which machines join
    #[command(subcommand)]
    JoinToken(command::join_token::JoinTokenCommand),
    /// What machines shall do
    #[command(subcommand)]
    Policy(command::policy::PolicyCommand),
    /// Groups of machines
    #[command(subcommand)]
    Group(command::group::GroupCommand),
    /// Settings of the tenant
    #[command(subcommand)]
    Setting(command::setting::SettingCommand),
    /// Read and rotate passwords
    #[command(subcommand)]
    Password(command::password::PasswordCommand),
    /// Rotations of many machines, and how they go on
    #[command(subcommand)]
    Rotation(command::rotation::RotationCommand),
    Revoke(command::revoke::Revoke),
    /// Why a machine has no password, or an old one, and what to do
    Explain {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Who may read passwords; requests to read them, and their approval
    #[command(subcommand)]
    Access(command::access::AccessCommand),
    /// Write passwords into an archive that is sealed with age; each is named in the audit log
    Export(command::escrow::Export),
    /// Archives of passwords: open them without a server, show that they open
    #[command(subcommand)]
    Escrow(command::escrow::EscrowCommand),
    /// Figures of the whole fleet
    #[command(subcommand)]
    Report(command::report::ReportCommand),
    /// Who did what
    #[command(subcommand)]
    Audit(command::audit::AuditCommand),
    /// People who sign in
    #[command(subcommand)]
    User(command::people::UserCommand),
    /// Who is told of reads
    #[command(subcommand)]
    Notify(command::notify::NotifyCommand),
    /// Where people are signed in
    #[command(subcommand)]
    Session(command::account::SessionCommand),
    /// API tokens: for scripts, scoped and expiring
    #[command(subcommand)]
    Token(command::account::TokenCommand),
    /// Your own password, one-time codes and passkeys
    #[command(subcommand)]
    Account(command::account::AccountCommand),
    /// Foreign OpenID providers that people sign in with
    #[command(subcommand)]
    Provider(command::provider::ProviderCommand),
    /// What people and programs may do
    #[command(subcommand)]
    Role(command::role::RoleCommand),
    /// Programs that sign in (service principals)
    #[command(subcommand)]
    Principal(command::people::PrincipalCommand),
    /// The whole job on this machine: real server, real agent, scratch accounts; nothing is installed
    Demo(crate::demo::Demo),
    /// Make passwords here, without a server: one on each line
    Generate(command::generate::Generate),
    /// Active Directory as the backup directory: schema, rights, passwords
    Ad(command::ad::Ad),
    /// Documents that describe the policy settings
    #[command(subcommand)]
    Csp(command::csp::CspCommand),
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

//! `ad …`: what an administrator does in Active Directory, from a Linux machine that need not be joined.
//!
//! The commands are always there, so that help, completions and manual pages are the same in every build. What they
//! do needs the system's Kerberos and is in builds with the feature `ad`; others say in one sentence how to get it.

#[cfg(feature = "ad")]
mod connect;
#[cfg(feature = "ad")]
mod expire;
#[cfg(feature = "ad")]
mod explain;
#[cfg(feature = "ad")]
mod get;
#[cfg(feature = "ad")]
mod permit;
#[cfg(feature = "ad")]
mod recover;
#[cfg(feature = "ad")]
mod rights;
#[cfg(feature = "ad")]
mod schema;

use crate::{arguments::Globals, failure::Failure};
use clap::{Args, Subcommand, ValueEnum};
use std::{net::IpAddr, path::PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Ad {
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(subcommand)]
    pub(crate) command: AdCommand,
}

/// Where the directory is, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Access {
    /// The domain, as in example.org; default: that of the tickets, the user, the keytab or --server
    #[arg(long, global = true, value_name = "DOMAIN", help_heading = "Directory")]
    pub(crate) domain: Option<String>,
    /// The domain controller, by its full name; default: one that DNS names
    #[arg(long, global = true, value_name = "NAME", help_heading = "Directory")]
    pub(crate) server: Option<String>,
    /// Its address, when DNS has another one or none
    #[arg(long, global = true, value_name = "ADDRESS", requires = "server", help_heading = "Directory")]
    pub(crate) address: Option<IpAddr>,
    /// LDAP inside TLS on port 636, instead of sealed by Kerberos on port 389
    #[arg(long, global = true, conflicts_with = "start_tls", help_heading = "Directory")]
    pub(crate) ldaps: bool,
    /// LDAP inside TLS that is begun on port 389
    #[arg(long, global = true, help_heading = "Directory")]
    pub(crate) start_tls: bool,
    /// The certificate authorities to trust, with --ldaps and --start-tls (PEM); default: those of the machine
    #[arg(long, global = true, value_name = "FILE", help_heading = "Directory")]
    pub(crate) ca: Option<String>,
    /// Who asks, as name@domain; the password is asked for. Default: whoever has tickets (kinit)
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "keytab", help_heading = "Directory")]
    pub(crate) user: Option<String>,
    /// Read the password of --user from the first line of a file, - for standard input
    #[arg(long, global = true, value_name = "FILE", requires = "user", help_heading = "Directory")]
    pub(crate) password_file: Option<PathBuf>,
    /// Ask as the machine whose keys are in this keytab
    #[arg(long, global = true, value_name = "FILE", help_heading = "Directory")]
    pub(crate) keytab: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdCommand {
    /// The attributes of LAPS in the schema of the forest
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Give rights on the computers below an organizational unit; shown before they are written
    #[command(subcommand)]
    Permit(PermitCommand),
    /// Who can read the passwords of the computers below an organizational unit, and by which entry
    Rights {
        /// The organizational unit: its distinguished name, or its name when no other has it
        unit: String,
        /// Also the computer objects below that have entries of their own
        #[arg(long)]
        computers: bool,
        /// Only what this one can do, by itself or through a group: DOMAIN\name, name@domain or a SID
        #[arg(long, value_name = "PRINCIPAL")]
        principal: Option<String>,
    },
    /// Write who reads passwords below an organizational unit into the domain controllers' security log
    Audit {
        /// The organizational unit: its distinguished name, or its name when no other has it
        unit: String,
        /// Whose reading: DOMAIN\name, name@domain or a SID; S-1-1-0 is everyone
        #[arg(long, value_name = "PRINCIPAL", required = true)]
        principal: Vec<String>,
        /// What is written; none takes the entries away
        #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', default_values = ["success", "failure"])]
        outcome: Vec<Outcome>,
        #[command(flatten)]
        change: Change,
    },
    /// Print the password of a computer
    ///
    /// As Get-LapsADPassword: the encrypted password, else that of Directory Services Restore Mode, else the one in
    /// clear text, else the legacy one. Exit status 3 when it may not be read or decrypted, 4 when there is none.
    Get {
        /// Computers: name, DNS name, account name ending in $, or distinguished name
        #[arg(required = true)]
        computer: Vec<String>,
        /// Also former passwords
        #[arg(long)]
        history: bool,
        /// Compute the keys from the domain's root key instead of asking a domain controller for them: for those who
        /// may read the root key, when the group that may decrypt is gone
        #[arg(long)]
        recovery_mode: bool,
    },
    /// Print passwords from a domain database, when no domain controller is up
    ///
    /// Reads Samba's database of a domain controller that is stopped, or of a backup, with ldbsearch (Debian: ldb-tools),
    /// or an export as LDIF. Encrypted passwords are opened with the root keys in the configuration partition. Nothing is
    /// written but a copy that is removed again. Exit status 4 when there is no password.
    Recover {
        /// Computers: name, DNS name, account name ending in $, or distinguished name; default: all that have a password
        computer: Vec<String>,
        /// Samba's private/sam.ldb, beside which lies sam.ldb.d with the partitions
        #[arg(long, value_name = "FILE", required_unless_present = "ldif")]
        database: Option<PathBuf>,
        /// An export with computers, root keys or both, - for standard input; can be given several times
        #[arg(long, value_name = "FILE")]
        ldif: Vec<PathBuf>,
        /// Also former passwords
        #[arg(long)]
        history: bool,
    },
    /// Why a computer has no password, or an old one, and what to do
    Explain {
        /// The computer: name, DNS name, account name ending in $, or distinguished name
        computer: String,
    },
    /// Let a password expire, so that the computer sets a new one
    Expire {
        /// Computers: name, DNS name, account name ending in $, or distinguished name
        #[arg(required = true)]
        computer: Vec<String>,
        /// When, as in 2026-11-22T10:00:00Z; default: now
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// What is there, what is missing, what differs
    Check {
        /// Also the two attributes of legacy Microsoft LAPS
        #[arg(long)]
        legacy: bool,
    },
    /// Add what is missing; takes the rights of Schema Admins, and cannot be undone
    Extend {
        /// Also the two attributes of legacy Microsoft LAPS
        #[arg(long)]
        legacy: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PermitCommand {
    /// Computers store their own passwords
    #[command(name = "self")]
    Own {
        /// The organizational unit: its distinguished name, or its name when no other has it
        unit: String,
        #[command(flatten)]
        change: Change,
    },
    /// People read passwords and expiry; decrypting is for the principal that the policy names
    Read {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        change: Change,
    },
    /// People let passwords expire
    Reset {
        #[command(flatten)]
        whom: Whom,
        #[command(flatten)]
        change: Change,
    },
}

/// Where, and to whom.
#[derive(Debug, Args)]
pub(crate) struct Whom {
    /// The organizational unit: its distinguished name, or its name when no other has it
    pub(crate) unit: String,
    /// To whom: DOMAIN\name, name@domain or a SID
    #[arg(long, value_name = "PRINCIPAL", required = true)]
    pub(crate) principal: Vec<String>,
}

/// How entries are changed.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Also for the attributes of legacy Microsoft LAPS
    #[arg(long)]
    pub(crate) legacy: bool,
    /// Take exactly these entries away again
    #[arg(long)]
    pub(crate) remove: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Which readings are written into the security log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Outcome {
    /// What was allowed.
    Success,
    /// What was refused.
    Failure,
    /// Nothing.
    None,
}

/// `lapwing ad …`.
#[cfg(feature = "ad")]
pub(crate) async fn run(globals: &Globals, ad: Ad) -> Result<(), Failure> {
    match ad.command {
        AdCommand::Schema(SchemaCommand::Check { legacy }) => schema::check(globals, &ad.access, legacy).await,
        AdCommand::Schema(SchemaCommand::Extend { legacy, yes }) => {
            schema::extend(globals, &ad.access, legacy, yes).await
        }
        AdCommand::Permit(command) => permit::permit(globals, &ad.access, command).await,
        AdCommand::Audit { unit, principal, outcome, change } => {
            permit::audit(globals, &ad.access, &unit, &principal, &outcome, &change).await
        }
        AdCommand::Rights { unit, computers, principal } => {
            rights::rights(globals, &ad.access, &unit, computers, principal.as_deref()).await
        }
        AdCommand::Get { computer, history, recovery_mode } => {
            get::get(globals, &ad.access, &computer, history, recovery_mode).await
        }
        AdCommand::Recover { computer, database, ldif, history } => {
            recover::recover(globals, database.as_deref(), &ldif, &computer, history)
        }
        AdCommand::Explain { computer } => {
            explain::explain(globals, &ad.access, &computer, crate::session::now()).await
        }
        AdCommand::Expire { computer, at } => expire::expire(globals, &ad.access, &computer, at.as_deref()).await,
    }
}

/// `lapwing ad …` in a build without it.
#[cfg(not(feature = "ad"))]
pub(crate) async fn run(_: &Globals, _: Ad) -> Result<(), Failure> {
    Err(Failure::failed("ad_not_built", "this lapwing was built without Active Directory, which needs libkrb5")
        .next("build it with: cargo build -p lapwing-cli --features ad"))
}

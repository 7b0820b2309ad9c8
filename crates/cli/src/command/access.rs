//! `access …`

use super::readers;
use crate::{arguments::Globals, failure::Failure, session};
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Whether somebody may read a machine's password, and by which path
    Explain {
        /// The person or program: its id or name
        person: String,
        /// The machine: its id, or its name when no other has it
        device: String,
    },
    /// Everybody who may read a machine's password, and by which path
    Who {
        /// The machine: its id, or its name when no other has it
        device: String,
    },
}

/// `lapwing access …`.
pub(crate) async fn run(globals: &Globals, command: AccessCommand) -> Result<(), Failure> {
    let signed_in = session::signed_in(globals).await?;
    match command {
        AccessCommand::Explain { person, device } => readers::explain(globals, &signed_in, &person, &device).await,
        AccessCommand::Who { device } => readers::who(globals, &signed_in, &device).await,
    }
}

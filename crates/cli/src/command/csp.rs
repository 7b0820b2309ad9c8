//! `csp …`

use crate::{failure::Failure, output};
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum CspCommand {
    /// Print the device description (DDF 1.2) of the LAPS CSP
    Ddf,
    /// Print the group policy template
    Admx {
        /// Print the texts (ADML) instead of the template (ADMX)
        #[arg(long, conflicts_with = "directory")]
        adml: bool,
        /// Write Lapwing.admx and en-US/Lapwing.adml into this directory instead
        #[arg(long, value_name = "DIR")]
        directory: Option<PathBuf>,
    },
}

/// `lapwing csp …`.
pub(crate) fn run(command: CspCommand) -> Result<(), Failure> {
    match command {
        CspCommand::Ddf => output::data(&proto::ddf::render()),
        CspCommand::Admx { adml: true, .. } => output::data(&proto::admx::render_adml()),
        CspCommand::Admx { directory: None, .. } => output::data(&proto::admx::render_admx()),
        CspCommand::Admx { directory: Some(directory), .. } => {
            let texts = directory.join("en-US");
            let write = || -> std::io::Result<()> {
                std::fs::create_dir_all(&texts)?;
                std::fs::write(directory.join("Lapwing.admx"), proto::admx::render_admx())?;
                std::fs::write(texts.join("Lapwing.adml"), proto::admx::render_adml())
            };
            write().map_err(|error| Failure::failed("output_failed", format!("{}: {error}", directory.display())))
        }
    }
}

//! `cargo xtask simulate`: the simulator of testkit, built for speed and run.

use anyhow::{Context as _, Result, bail};
use std::{path::Path, process::Command};

/// Builds and runs it with these arguments; its output goes through.
pub(crate) fn simulate(root: &Path, arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--locked", "--package", "lapwing-testkit", "--bin", "simulate", "--"])
        .args(arguments)
        .current_dir(root)
        .status()
        .context("run the simulator")?;
    if !status.success() {
        bail!("the simulator ended with {status}");
    }
    Ok(())
}

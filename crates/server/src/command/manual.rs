//! Completions and manual pages, generated from the arguments.

use anyhow::Context;
use clap::CommandFactory;
use std::io::Write as _;
use std::path::Path;

/// `lapwingd completions SHELL`.
pub(crate) fn completions<C: CommandFactory>(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut C::command(), "lapwingd", &mut script);
    std::io::stdout().write_all(&script).context("the script cannot be written")
}

/// `lapwingd man DIR`: one page for the program and one for each command.
pub(crate) fn pages<C: CommandFactory>(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(C::command(), directory))
        .with_context(|| format!("cannot write into {}", directory.display()))
}

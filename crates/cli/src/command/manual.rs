//! Completions and manual pages, generated from the arguments.

use crate::{arguments::Arguments, failure::Failure, output};
use clap::CommandFactory as _;
use std::path::Path;

/// `lapwing completions SHELL`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "lapwing", &mut script);
    output::bytes(&script)
}

/// `lapwing man DIR`: one page for the program and one for each command.
pub(crate) fn pages(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), directory))
        .map_err(|error| Failure::failed("output_failed", format!("{}: {error}", directory.display())))
}

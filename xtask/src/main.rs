//! The tasks of the project that are more than one line of shell: `cargo xtask TASK`.
//!
//! In contact with: `cargo metadata`, the source tree, the renderers of `proto`, `dpkg-deb`.
#![allow(clippy::print_stdout, reason = "the output of a task is its report")]

mod canary;
mod deps;
mod dist;
mod generate;
mod rules;
mod simulate;
mod source;

use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK
  check-deps           who may use whom, and what may not stand where
  check-rules          every rule of rotation.md has a test, and every test named for one exists
  generate [--check]   the reference pages and templates that come from the table of settings
  dist [--no-build] [--active-directory]
                       the three Debian packages, in dist/; with Active Directory they need libgssapi-krb5-2
  canary PLACE...      looks below PLACE for the passwords on standard input, in every form
  simulate [--seed N | --runs N [--start-seed N] [--seconds N]] [--sqlite | --memory]
                       rotations under every fault; --seed replays one run with its trace";

fn main() -> ExitCode {
    match task() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["check-deps"] => deps::check(&root()),
        ["check-rules"] => rules::check(&root()),
        ["canary", places @ ..] if !places.is_empty() => canary::scan(places),
        ["simulate", arguments @ ..] => simulate::simulate(&root(), arguments),
        ["generate"] => generate::generate(&root(), false),
        ["generate", "--check"] => generate::generate(&root(), true),
        ["dist", options @ ..] => dist::packages(&root(), &dist::Options::of(options)?),
        _ => bail!("{USAGE}"),
    }
}

/// The root of the workspace: the parent of this crate.
fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

//! `csp apply` and `csp get`: the configuration tree without a server (a tool for authors of policy).

use super::{EventOutput, Failed, StateArgument, TreeArguments, agent, locked, print, runtime, say, table};
use crate::{
    management::{Configuration, hresult_of},
    state::{StateDir, StateError},
};
use laps::csp::{Command, Effect, HResult, Rights, Verb, Volatile};
use proto::dm::{Limits, Mode, dispatch};
use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Csp {
    /// Process a SyncML document against the local tree and print the answer document
    Apply {
        /// The document, `-` for standard input
        #[arg(value_name = "FILE|-")]
        document: PathBuf,
        #[command(flatten)]
        state: StateArgument,
    },
    /// Read a node of the local tree
    Get {
        /// The node, such as ./Device/Vendor/MSFT/LAPS/Policies/PasswordLength
        #[arg(value_name = "URI")]
        uri: String,
        #[command(flatten)]
        state: StateArgument,
    },
}

impl Csp {
    pub(super) fn run(self) -> Result<(), Failed> {
        match self {
            Self::Apply { document, state } => apply(&document, &state.state),
            Self::Get { uri, state } => get(&uri, &state.state),
        }
    }
}

fn apply(document: &Path, state: &Path) -> Result<(), Failed> {
    let limits = Limits::default();
    let bytes = read(document, limits.message_bytes)?;
    let message = proto::dm::read(&bytes, Mode::Import, &limits)
        .map_err(|error| Failed::new(error.fault.code(), format_args!("{}: {error}", document.display())))?;
    let (state, _lock) = locked(state)?;
    let mut configuration = Configuration::load(&state)?;
    let joined = state.membership()?.is_some();
    let (tree, file) = configuration.parts();
    let applied = dispatch::apply(&message, tree, file, Rights::ALL);
    print(proto::dm::write(&applied.answer));
    if applied.effects.iter().any(|effect| matches!(effect, Effect::ResetRequested { .. })) {
        // The lock says that no agent runs, so this process carries the reset out.
        let status = if joined { reset(&state)? } else { HResult::NOT_SUPPORTED };
        configuration.finish_reset(status)?;
        if !joined {
            say("ResetPassword was accepted and not carried out: this machine has not joined a directory");
        }
    }
    if applied.refused.is_empty() {
        return Ok(());
    }
    let rows: Vec<Vec<String>> = applied
        .refused
        .iter()
        .map(|refused| {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            vec![
                refused.cmd_id.clone(),
                refused.command.clone(),
                or_dash(&refused.node),
                or_dash(&refused.value),
                or_dash(&refused.allowed),
                refused.status.to_string(),
                refused.code.to_owned(),
                refused.message.clone(),
            ]
        })
        .collect();
    say(table(&["CmdID", "command", "node", "value", "allowed", "status", "code", "why"], &rows));
    say("nothing of the document was applied");
    Err(Failed::silent())
}

/// A cycle with a new password, in this process.
fn reset(state: &StateDir) -> Result<HResult, Failed> {
    let tree = TreeArguments { prefix: None, volatile_ok: false };
    let mut runner = agent::runner(state.clone(), &tree, EventOutput::Stderr)?;
    let finish = runtime()?.block_on(runner.cycle(true, &mut || None))?.finish;
    Ok(finish.last_error.map_or(HResult::OK, |failure| hresult_of(&failure)))
}

fn get(uri: &str, state: &Path) -> Result<(), Failed> {
    // A tree that was never written is an empty tree.
    let mut configuration = match StateDir::existing(state) {
        Ok(state) => Configuration::load(&state)?,
        Err(StateError::Missing { .. }) => return Err(not_found(uri)),
        Err(error) => return Err(error.into()),
    };
    let executed = configuration.tree.execute(&mut Volatile, Rights::READ, &Command::new(Verb::Get, uri));
    match (executed.answer.results, executed.answer.refusal) {
        (Some(results), _) => {
            print(results.data);
            Ok(())
        }
        (None, Some(refusal)) => {
            let exit = if refusal.code == "not_set" || refusal.code == "node_unknown" { 4 } else { 1 };
            Err(Failed::new(refusal.code, refusal.message).exit(exit))
        }
        (None, None) => Err(not_found(uri)),
    }
}

fn not_found(uri: &str) -> Failed {
    Failed::new("not_set", format_args!("{uri} has no value here")).exit(4)
}

/// A document of at most one byte more than is allowed, so that the reader names the limit.
fn read(path: &Path, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    let not_there = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    read.map_err(|error| {
        let exit = if not_there(&error) { 4 } else { 1 };
        Failed::new("file_unreadable", format_args!("cannot read {path:?}: {error}")).exit(exit)
    })?;
    Ok(bytes)
}

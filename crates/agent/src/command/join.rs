//! `join`.

use super::{Failed, StateArgument, TreeArguments, durability, locked, print, runtime, say};
use crate::{
    clock::SystemClock,
    join::{self, Request},
    state::{self, Identity, StateDir},
};
use client::CaFingerprint;
use proto::admin::{JoinTokenText, NotAJoinToken};
use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// The longest token or CA file, in bytes.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// How long `--wait` waits for the first proven password.
const PROVEN_TIMEOUT: Duration = Duration::from_secs(120);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(super) struct Join {
    /// The server, https://NAME:PORT
    #[arg(long, value_name = "URL")]
    server: String,
    /// The join token (single use; a file keeps it out of the list of processes)
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    token: Option<String>,
    /// Read the join token from FILE, `-` for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The server's CA certificate (PEM or DER); without it the token's fingerprint pins the CA
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name of this machine [default: the host name]
    #[arg(long)]
    name: Option<String>,
    /// Start the agent and wait until the first password is proven
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    state: StateArgument,
    #[command(flatten)]
    tree: TreeArguments,
}

impl Join {
    pub(super) fn run(mut self) -> Result<(), Failed> {
        let token = self.token()?;
        let ca = match &self.ca {
            None => Vec::new(),
            Some(path) => {
                let ca = client::certificates(&bounded(path)?);
                if ca.is_empty() {
                    let text = format_args!("{path:?} holds no certificate; give the ca.pem that lapwingd made");
                    return Err(Failed::new("ca_file", text));
                }
                ca
            }
        };
        let (state, lock) = locked(&self.state.state)?;
        let request = Request {
            server: self.server.clone(),
            token,
            ca,
            name: self.name.clone().unwrap_or_else(join::host_name),
            prefix: self.tree.prefix.clone(),
            durability: durability(self.tree.volatile_ok),
        };
        let identity = runtime()?.block_on(join::join(&state, request, &SystemClock))?;
        say(format_args!("joined {} as {:?}, device {}", identity.server, identity.name, identity.device));
        drop(lock);
        if self.wait {
            self.start(&state)?;
            wait_for_proof(&state, &identity)?;
            say("the first password is set and proven; next:");
            let ca = identity.ca.first().map(|der| format!(" --ca sha256:{}", CaFingerprint::of(der)));
            print(format_args!(
                "lapwing password get {} --server {}{}",
                identity.name,
                identity.server,
                ca.unwrap_or_default()
            ));
        } else {
            say("next, start the agent:");
            let default = self.state.state == Path::new(state::DEFAULT);
            print(if default && booted() {
                "systemctl enable --now lapwing-agent".to_owned()
            } else {
                format!("lapwing-agent run --state {}", self.state.state.display())
            });
        }
        Ok(())
    }

    fn token(&mut self) -> Result<JoinTokenText, Failed> {
        let text = self.token_text()?;
        text.parse().map_err(|error| Failed::from(join::JoinError::Token(error)))
    }

    fn token_text(&mut self) -> Result<Zeroizing<String>, Failed> {
        if let Some(token) = self.token.take() {
            return Ok(Zeroizing::new(token));
        }
        let bytes = match &self.token_file {
            Some(path) => bounded(path)?,
            None => {
                let asked = rpassword::prompt_password("Join token: ");
                return asked.map(Zeroizing::new).map_err(|error| {
                    Failed::new("token_missing", format_args!("no token: {error}; use --token-file")).exit(2)
                });
            }
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| Failed::from(join::JoinError::Token(NotAJoinToken)))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// The service where there is one, else a process of its own.
    fn start(&self, state: &StateDir) -> Result<(), Failed> {
        let failed = |error: io::Error| {
            Failed::new("agent_not_started", format_args!("the agent could not be started: {error}"))
        };
        if state.path() == Path::new(state::DEFAULT) && booted() {
            let started =
                Command::new("systemctl").args(["enable", "--now", "lapwing-agent"]).status().map_err(failed)?;
            return if started.success() {
                Ok(())
            } else {
                Err(Failed::new(
                    "agent_not_started",
                    "systemctl could not start lapwing-agent; see `systemctl status lapwing-agent`",
                ))
            };
        }
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("run").arg("--state").arg(state.path()).args(["--log", "none"]);
        // It outlives this command and its terminal; what it says is in its ring of events.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let child = command.spawn().map_err(failed)?;
        say(format_args!("the agent runs: process {}", child.id()));
        Ok(())
    }
}

/// Waits for the first proof of this device object, and tells a failure as soon as a cycle ends with one
/// that waiting does not cure.
fn wait_for_proof(state: &StateDir, identity: &Identity) -> Result<(), Failed> {
    let until = Instant::now() + PROVEN_TIMEOUT;
    let mut told = None;
    loop {
        if state.memory()?.is_some_and(|memory| memory.device == identity.device) {
            return Ok(());
        }
        let last_error = state.contact()?.last_error.filter(|(_, at)| *at >= identity.joined_at.minus_ticks(0));
        if let Some((failure, _)) = last_error
            && told.as_ref() != Some(&failure)
        {
            say(format_args!("not yet: {} ({})", failure.text, failure.code));
            told = Some(failure);
        }
        if Instant::now() >= until {
            let text = "no password was proven within two minutes; see `lapwing-agent status` and `lapwing-agent events`, \
                        and on the server `lapwing explain`";
            return Err(Failed::new("not_proven", text));
        }
        std::thread::sleep(LOOK);
    }
}

fn booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// A small file, or standard input for `-`, in memory that is wiped.
fn bounded(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let read = if path == Path::new("-") {
        io::stdin().lock().take(FILE_BYTES_MAX).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failed::new("file_unreadable", format_args!("cannot read {path:?}: {error}")))?;
    Ok(bytes)
}

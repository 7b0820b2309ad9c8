//! The programs of the demo: started here, and ended here by their process ids.

use crate::failure::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
};

/// Time that a program gets to end by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The two programs beside this one.
pub(super) struct Programs {
    pub(super) server: PathBuf,
    pub(super) agent: PathBuf,
}

impl Programs {
    /// Beside the running executable, so that the three are of one build.
    pub(super) fn find() -> Result<Self, Failure> {
        let own = std::env::current_exe()
            .map_err(|error| Failure::failed("programs_missing", format!("where this program is: {error}")))?;
        let beside = |name: &str| {
            let path = own.with_file_name(name);
            if path.is_file() {
                return Ok(path);
            }
            Err(Failure::failed("programs_missing", format!("{} is not there", path.display()))
                .next("make demo builds the three programs; or install lapwingd and lapwing-agent beside lapwing"))
        };
        Ok(Self { server: beside("lapwingd")?, agent: beside("lapwing-agent")? })
    }
}

/// What a program that ended has said.
pub(super) struct Ended {
    pub(super) is_success: bool,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a program to its end, `input` on its standard input.
pub(super) async fn run<A: AsRef<OsStr>>(program: &Path, arguments: &[A], input: &[u8]) -> Result<Ended, Failure> {
    let failed = |error: std::io::Error| Failure::failed("program_failed", format!("{}: {error}", program.display()));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input closes it; its exit status tells what that means.
        let _ = stdin.write_all(input).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended { is_success: output.status.success(), out: text(output.stdout), err: text(output.stderr) })
}

/// A program that runs until the demo ends it.
pub(super) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it, everything that it says into a file.
    pub(super) fn start<A: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        arguments: &[A],
        log: PathBuf,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::failed("program_failed", format!("{name}: {error}"));
        let file = File::create(&log).map_err(failed)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(failed)?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        Ok(Self { name, child, log })
    }

    /// Fails when it has ended, with the last lines that it said.
    pub(super) fn still_runs(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let text = format!("{} ended with {status}:\n{}", self.name, self.last_lines());
                Err(Failure::failed("program_failed", text))
            }
            Err(error) => Err(Failure::failed("program_failed", format!("{}: {error}", self.name))),
        }
    }

    /// The last lines that it said.
    pub(super) fn last_lines(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let first = lines.len().saturating_sub(15);
        lines.get(first..).unwrap_or_default().iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Asks it to end, and makes it end when it does not.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(GRACE, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

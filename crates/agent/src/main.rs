//! lapwing-agent.

use agent::command::{CommandLine, run};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything secret is read: no core files, no reading of this memory by others (rotation.md 4, I3).
    // Where the kernel refuses, the agent is no worse than any other program.
    drop(agent::platform::forbid_core_dumps());
    run(CommandLine::parse())
}

//! Keeping the memory of the process to itself (rotation.md 4, I3).

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use std::io;

/// No core files, and no reading of this process's memory by others of its user. Call it first in `main`.
///
/// # Errors
/// The kernel refused one of the two.
pub fn forbid_core_dumps() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

//! The commands of lapwingd.

pub(crate) mod init;
pub(crate) mod manual;
pub(crate) mod operate;
pub(crate) mod run;
pub(crate) mod start;

use std::path::PathBuf;

/// Where the packages keep the server.
pub(crate) const DATA: &str = "/var/lib/lapwingd";

/// The data directory.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Data {
    /// The server's data directory
    #[arg(long, value_name = "DIR", default_value = DATA)]
    pub(crate) data: PathBuf,
}

/// No core files, and no other process of the same user looks into this one.
pub(crate) fn keep_memory_private() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if setrlimit(Resource::Core, none).is_err() || set_dumpable_behavior(DumpableBehavior::NotDumpable).is_err() {
        tracing::warn!(code = "dumpable", "core files could not be turned off");
    }
}

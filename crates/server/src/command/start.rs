//! Starting a server that was just made: the service where there is one, else a process of its own.

use anyhow::{Context as _, bail};
use server::instance::config::Config;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Gives everything in the data directory to the owner of the directory: the packages made it for the user
/// that the service runs as, and `init` is typed by root.
pub(crate) fn give_to_owner(data: &Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs::metadata(data)?;
    give(data, owner.uid(), owner.gid()).with_context(|| format!("{}: ownership", data.display()))
}

fn give(directory: &Path, uid: u32, gid: u32) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        lchown(entry.path(), Some(uid), Some(gid))?;
        if entry.file_type()?.is_dir() {
            give(&entry.path(), uid, gid)?;
        }
    }
    Ok(())
}

/// Starts it, returns when it listens, and says how it is ended.
pub(crate) fn start(data: &Path, config: &Config) -> anyhow::Result<String> {
    if data == Path::new(super::DATA) && Path::new("/run/systemd/system").is_dir() {
        let started = Command::new("systemctl").args(["enable", "--now", "lapwingd"]).status();
        if !started.context("systemctl")?.success() {
            bail!("systemctl could not start lapwingd; see: systemctl status lapwingd");
        }
        wait(config, || Ok(None))?;
        return Ok("lapwingd runs as a service; its log: journalctl -u lapwingd".into());
    }
    let log = data.join("lapwingd.log");
    let mut child = spawn(data, &log)?;
    wait(config, || child.try_wait()).with_context(|| {
        let said = fs::read_to_string(&log).unwrap_or_default();
        format!("lapwingd did not start: {}", said.trim_end().lines().last().unwrap_or_default())
    })?;
    Ok(format!("lapwingd runs: process {}; its log: {}", child.id(), log.display()))
}

/// It outlives this command and its terminal, and runs as the owner of the data directory.
fn spawn(data: &Path, log: &Path) -> anyhow::Result<Child> {
    let owner = fs::metadata(data)?;
    let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg("--data").arg(fs::canonicalize(data)?).current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    if rustix::process::geteuid().is_root() {
        lchown(log, Some(owner.uid()), Some(owner.gid()))?;
        if owner.uid() != 0 {
            command.uid(owner.uid()).gid(owner.gid());
        }
    }
    command.spawn().context("lapwingd run")
}

fn wait(
    config: &Config,
    mut ended: impl FnMut() -> std::io::Result<Option<std::process::ExitStatus>>,
) -> anyhow::Result<()> {
    let mut address: SocketAddr = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect_timeout(&address, LOOK).is_err() {
        if let Some(status) = ended()? {
            bail!("it ended with {status}");
        }
        if Instant::now() >= until {
            bail!("nothing listens on {address} after {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

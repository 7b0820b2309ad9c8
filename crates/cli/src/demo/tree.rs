//! The scratch directory of the demo, and account trees in it that look like small machines.

use crate::failure::Failure;
use rand_core::TryRng as _;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// A hash of a random password that nobody noted: the accounts have a password, and no one knows it.
const UNKNOWN: &str =
    "$6$lapwingdemo$GpEL0ZeZ1lYnxeQ4mwUIMxvECZS7hgCna.S.ZXISj6KN22HBjmmQ0qPPxnrqdTGDKuITCIkdjZIzRT9/1A434.";

/// A directory of mode 0700 that goes when it is dropped, unless it is kept.
pub(super) struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// A new one under the system's directory for temporary files.
    pub(super) fn create(keep: bool) -> Result<Self, Failure> {
        let name = getrandom::SysRng.try_next_u64().map_err(|error| {
            Failure::failed("no_randomness", format!("the system gives no random numbers: {error}"))
        })?;
        let path = std::env::temp_dir().join(format!("lapwing-demo-{name:016x}"));
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(|error| failed(&path, &error))?;
        Ok(Self { path, keep })
    }
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Makes an account tree; `administrator` is an account in the group sudo.
pub(super) fn account_tree(root: &Path, administrator: Option<&str>) -> Result<(), Failure> {
    let etc = root.join("etc");
    fs::create_dir_all(&etc).map_err(|error| failed(&etc, &error))?;
    let mut passwd = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada:/home/ada:/bin/bash\n".to_owned();
    let mut shadow = format!("root:{UNKNOWN}:20000:0:99999:7:::\nada:{UNKNOWN}:20000:0:99999:7:::\n");
    let mut group = "root:x:0:\nada:x:1000:\n".to_owned();
    let mut gshadow = "root:*::\nada:!::\n".to_owned();
    let mut members = "";
    if let Some(name) = administrator.filter(|name| *name != "root") {
        passwd.push_str(&format!("{name}:x:1001:1001:Local administrator:/home/{name}:/bin/bash\n"));
        shadow.push_str(&format!("{name}:{UNKNOWN}:20000:0:99999:7:::\n"));
        group.push_str(&format!("{name}:x:1001:\n"));
        gshadow.push_str(&format!("{name}:!::\n"));
        members = name;
    }
    group.push_str(&format!("sudo:x:27:{members}\n"));
    gshadow.push_str(&format!("sudo:*::{members}\n"));
    for (name, text, mode) in [
        ("passwd", passwd, 0o644),
        ("shadow", shadow, 0o640),
        ("group", group, 0o644),
        ("gshadow", gshadow, 0o640),
        ("login.defs", "ENCRYPT_METHOD YESCRYPT\n".to_owned(), 0o644),
    ] {
        write(&etc.join(name), text.as_bytes(), mode)?;
    }
    Ok(())
}

/// Writes a new file of this mode.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|error| failed(path, &error))
}

/// What the shadow file of a tree holds for an account.
pub(super) fn verifier(root: &Path, account: &str) -> Result<String, Failure> {
    let path = root.join("etc/shadow");
    let text = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
    let field = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(account)).then(|| fields.next().unwrap_or_default().to_owned())
    };
    text.lines()
        .find_map(field)
        .ok_or_else(|| Failure::failed("account_missing", format!("{} has no line for {account}", path.display())))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed("scratch_failed", format!("{}: {error}", path.display()))
        .next("set TMPDIR to a directory that can be written")
}

//! Whether a directory keeps what is written there: mountinfo of proc(5) and file system types.

use std::fs;
use std::path::Path;

const TMPFS_MAGIC: i64 = 0x0102_1994;
const RAMFS_MAGIC: i64 = 0x8584_58f6;
const OVERLAYFS_MAGIC: i64 = 0x794c_7630;

/// The kind of volatile storage that a directory is on, `None` when it is durable as far as can be told.
pub(super) fn volatile_kind(dir: &Path) -> Option<&'static str> {
    match file_system(dir)? {
        TMPFS_MAGIC => Some("tmpfs"),
        RAMFS_MAGIC => Some("ramfs"),
        OVERLAYFS_MAGIC => {
            let mountinfo = fs::read_to_string("/proc/self/mountinfo").ok()?;
            volatile_overlay(&mountinfo, &device(dir)?, |upper| {
                matches!(file_system(Path::new(upper)), Some(TMPFS_MAGIC | RAMFS_MAGIC))
            })
            .then_some("a volatile overlay")
        }
        _ => None,
    }
}

/// Whether the overlay of a device (`major:minor`) forgets: mounted `volatile`, or its upper directory is
/// in memory. An upper directory that cannot be seen from here (containers) counts as durable.
fn volatile_overlay(mountinfo: &str, device: &str, in_memory: impl Fn(&str) -> bool) -> bool {
    let options = mountinfo.lines().find_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        (mount.split(' ').nth(2)? == device).then_some(source.split(' ').nth(2)?)
    });
    let Some(options) = options else { return false };
    options.split(',').any(|option| match option.split_once('=') {
        Some(("upperdir", upper)) => in_memory(upper),
        _ => option == "volatile",
    })
}

fn file_system(dir: &Path) -> Option<i64> {
    rustix::fs::statfs(dir).ok().map(|found| found.f_type)
}

fn device(dir: &Path) -> Option<String> {
    let device = rustix::fs::stat(dir).ok()?.st_dev;
    Some(format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlays_are_judged_by_their_options() {
        let line = |options: &str| format!("30 1 0:27 / / rw,relatime shared:1 - overlay overlay rw,{options}\n");
        let volatile = |options: &str| volatile_overlay(&line(options), "0:27", |upper| upper == "/run/upper");
        assert!(volatile("lowerdir=/a,upperdir=/run/upper,workdir=/w"));
        assert!(!volatile("lowerdir=/a,upperdir=/data/upper,workdir=/w"));
        assert!(volatile("lowerdir=/a,upperdir=/data/upper,workdir=/w,volatile"));
        assert!(!volatile_overlay(&line("volatile"), "0:28", |_| true));
    }

    #[test]
    fn shared_memory_is_volatile() {
        // /dev/shm is a tmpfs wherever there is one.
        let shm = Path::new("/dev/shm");
        if file_system(shm) == Some(TMPFS_MAGIC) {
            assert_eq!(volatile_kind(shm), Some("tmpfs"));
        }
        assert_eq!(volatile_kind(Path::new("/nonexistent")), None);
    }
}

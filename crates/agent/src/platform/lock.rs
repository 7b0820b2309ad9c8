//! The locks of the account database: `.pwd.lock` of lckpwdf(3), and the lock files of shadow-utils.

use super::claim::Claim;
use super::error::AccountError;
use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the locks are waited for, as lckpwdf(3) does (rotation.md 7).
pub(super) const LOCK_WAIT: Duration = Duration::from_secs(15);
/// How often they are tried meanwhile.
const RETRY: Duration = Duration::from_millis(50);

/// What a new credential takes.
pub(super) const CREDENTIAL: &[&str] = &["passwd", "shadow"];
/// What a change of a whole account takes, in the order of shadow-utils.
pub(super) const WHOLE: &[&str] = &["passwd", "shadow", "group", "gshadow"];

/// The held locks; dropping them gives them up.
#[derive(Debug)]
pub(super) struct DatabaseLock {
    lock_files: Vec<PathBuf>,
    _pwd_lock: File,
}

impl DatabaseLock {
    /// Takes `.pwd.lock`, then the lock files of shadow-utils for these `files`, in their order.
    ///
    /// The claim is asked for because the first of the three keeps processes apart, not threads.
    pub(super) fn take(etc: &Path, files: &[&str], _claim: &Claim, wait: Duration) -> Result<Self, AccountError> {
        let deadline = Instant::now() + wait;
        let timed_out = |file: PathBuf, holder: String| AccountError::Locked { file, holder, waited_s: wait.as_secs() };
        let failed = |error| AccountError::writing(etc.to_owned(), error);
        let path = etc.join(".pwd.lock");
        let pwd_lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&path)
            .map_err(failed)?;
        loop {
            match fcntl_lock(&pwd_lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::ACCESS | Errno::INTR) if Instant::now() < deadline => {
                    std::thread::sleep(RETRY);
                }
                Err(Errno::AGAIN | Errno::ACCESS | Errno::INTR) => {
                    return Err(timed_out(path, "another program".into()));
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        let mut held = Self { lock_files: Vec::new(), _pwd_lock: pwd_lock };
        for name in files {
            let path = etc.join(format!("{name}.lock"));
            loop {
                match take_lock_file(etc, name, &path).map_err(failed)? {
                    Attempt::Taken => break,
                    Attempt::Held(_) if Instant::now() < deadline => std::thread::sleep(RETRY),
                    Attempt::Held(pid) => {
                        let holder =
                            pid.map_or("a program that does not name itself".into(), |pid| format!("process {pid}"));
                        return Err(timed_out(path, holder));
                    }
                }
            }
            held.lock_files.push(path);
        }
        Ok(held)
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        for path in self.lock_files.iter().rev() {
            let _ = fs::remove_file(path);
        }
    }
}

enum Attempt {
    Taken,
    Held(Option<i32>),
}

/// One attempt at a lock file as shadow-utils make it: a file with our pid, linked to the lock's name.
fn take_lock_file(etc: &Path, name: &str, path: &Path) -> io::Result<Attempt> {
    let own = etc.join(format!("{name}.{}", std::process::id()));
    let result = (|| {
        // O_EXCL: a file of this name is a leftover of a dead process with our pid.
        let _ = fs::remove_file(&own);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&own)?;
        // shadow-utils write the number with its terminating NUL.
        file.write_all(format!("{}\0", std::process::id()).as_bytes())?;
        match fs::hard_link(&own, path) {
            Ok(()) if file.metadata()?.nlink() == 2 => return Ok(Attempt::Taken),
            Ok(()) => {
                return Err(io::Error::other("the lock file has an unexpected number of links"));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let holder = match fs::read(path) {
            Ok(text) => pid_of(&text),
            // Given up in this very moment: the next attempt decides.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Attempt::Held(None));
            }
            Err(error) => return Err(error),
        };
        // Our own pid can only be a leftover of an earlier life with the same pid (containers): the claim
        // keeps this process from holding the lock twice.
        let ours = holder.and_then(|pid| u32::try_from(pid).ok()) == Some(std::process::id());
        let dead = |pid| Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH));
        if ours || holder.is_some_and(dead) {
            fs::remove_file(path)?;
        }
        Ok(Attempt::Held(holder))
    })();
    let _ = fs::remove_file(&own);
    result
}

/// The pid in a lock file.
fn pid_of(text: &[u8]) -> Option<i32> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim_end_matches('\0').trim().parse().ok().filter(|pid| *pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etc() -> (tempfile::TempDir, Claim) {
        let dir = tempfile::tempdir().unwrap();
        let claim = Claim::take(dir.path(), "a test").unwrap();
        (dir, claim)
    }

    /// rotation.md 7: "15 s at most", as long as lckpwdf(3) waits.
    #[test]
    fn the_locks_are_waited_for_as_lckpwdf_does() {
        assert_eq!(LOCK_WAIT, Duration::from_secs(15));
        let (dir, claim) = etc();
        fs::write(dir.path().join("passwd.lock"), "1\0").unwrap();
        let began = Instant::now();
        let wait = Duration::from_millis(120);
        assert_eq!(DatabaseLock::take(dir.path(), CREDENTIAL, &claim, wait).unwrap_err().code(), "account_db_locked");
        assert!(began.elapsed() >= wait);
    }

    #[test]
    fn the_lock_names_us_and_leaves_nothing_behind() {
        let (dir, claim) = etc();
        let lock = DatabaseLock::take(dir.path(), CREDENTIAL, &claim, LOCK_WAIT).unwrap();
        for name in ["passwd.lock", "shadow.lock"] {
            let text = fs::read(dir.path().join(name)).unwrap();
            assert_eq!(text, format!("{}\0", std::process::id()).as_bytes());
        }
        drop(lock);
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".lapwing.lock", ".pwd.lock"]);
    }

    #[test]
    fn a_lock_of_a_living_process_holds_and_one_of_a_dead_process_is_stale() {
        let (dir, claim) = etc();
        // Process 1 lives as long as the machine does.
        fs::write(dir.path().join("shadow.lock"), "1\0").unwrap();
        let error = DatabaseLock::take(dir.path(), CREDENTIAL, &claim, Duration::ZERO).unwrap_err();
        assert_eq!(error.code(), "account_db_locked");
        assert!(error.to_string().contains("process 1"), "{error}");
        assert!(!dir.path().join("passwd.lock").exists());

        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        fs::write(dir.path().join("shadow.lock"), format!("{}\0", child.id())).unwrap();
        fs::write(dir.path().join("passwd.lock"), std::process::id().to_string()).unwrap();
        assert!(DatabaseLock::take(dir.path(), CREDENTIAL, &claim, LOCK_WAIT).is_ok());
    }

    #[test]
    fn the_second_claim_names_the_first_owner() {
        let (dir, claim) = etc();
        let error = Claim::take(dir.path(), "another").unwrap_err();
        assert_eq!(error.code(), "account_db_claimed");
        assert!(error.to_string().contains("a test, process"), "{error}");
        drop(claim);
        assert!(Claim::take(dir.path(), "another").is_ok());
    }
}

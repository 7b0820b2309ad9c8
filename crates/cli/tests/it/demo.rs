//! `lapwing demo`: everything real, nothing left.

use crate::{program::Run, world::programs};
use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The steps, in their order.
const STEPS: &[&str] = &[
    "lapwingd serves https://127.0.0.1:",
    "signed in: admin (Global Administrator) and dana (Cloud Device Administrator)",
    "demo-pc-1 joined and its agent runs",
    "policy: the published example (7 settings), assigned to all machines; LAPS is on",
    "demo-pc-1 rotated: stored, set, proven; ContosoLocalLapsAdmin's new hash begins with $y$",
    "dana read the password through the Graph API: demo-pc-1, account ContosoLocalLapsAdmin: current, proven ",
    "the audit log says so: ",
    "dana \"Recover device local administrator password\" of demo-pc-1, success",
    "demo-pc-2 joined too and has no password; lapwing explain demo-pc-2:",
    "code:  account_not_found",
    "the password that was read opens ContosoLocalLapsAdmin; another does not",
    "the programs have ended, the scratch directory is removed",
];
/// In the dev profile, with other tests beside it; `ci/demo.sh` holds the release build to 15 s.
const LIMIT: Duration = Duration::from_secs(100);

/// Runs the demo of the programs of a directory in an empty place, and looks at what it said and left.
fn play(programs: &Path, place: &Path, uid: Option<u32>) {
    let home = place.join("home");
    fs::create_dir(&home).unwrap();
    let mut command = Command::new(programs.join("lapwing"));
    command.arg("demo").env_clear().env("HOME", &home).env("TMPDIR", &home).current_dir(&home);
    if let Some(uid) = uid {
        std::os::unix::fs::chown(&home, Some(uid), Some(uid)).unwrap();
        command.uid(uid).gid(uid);
    }
    let began = Instant::now();
    let run = Run::from(command.output().unwrap());
    assert_eq!(run.status, 0, "{}\n{}", run.out, run.err);
    assert!(began.elapsed() < LIMIT, "{}", run.err);
    let mut rest = run.err.as_str();
    for step in STEPS {
        rest = rest.split_once(step).unwrap_or_else(|| panic!("no {step:?} in its place in:\n{}", run.err)).1;
    }
    // Data on stdout: the password, and nothing else.
    assert_eq!((run.out.lines().count(), run.out.trim_end().chars().count()), (1, 32), "PasswordLength of the example");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "something was left behind");
    assert!(!still_runs(place), "a program was left running");
}

/// Whether a process names the place among its arguments.
fn still_runs(place: &Path) -> bool {
    let place = place.to_str().unwrap();
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        fs::read(process.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(place))
    })
}

#[test]
fn the_whole_job_is_done_and_nothing_is_left() {
    let place = TempDir::new().unwrap();
    play(programs(), place.path(), None);
}

#[test]
#[ignore = "needs root"]
fn nobody_can_play_it() {
    let place = TempDir::new().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Where the build stands, nobody may not be allowed to look.
    for name in ["lapwing", "lapwingd", "lapwing-agent"] {
        fs::copy(programs().join(name), place.path().join(name)).unwrap();
    }
    play(place.path(), place.path(), Some(65_534));
}

#[test]
fn a_policy_that_manages_nothing_is_told_before_anything_is_started() {
    let place = TempDir::new().unwrap();
    let policy = place.path().join("policy.json");
    fs::write(&policy, r#"{"BackupDirectory": 0}"#).unwrap();
    let run: Run = Command::new(programs().join("lapwing"))
        .args(["demo", "--policy", policy.to_str().unwrap()])
        .env_clear()
        .output()
        .unwrap()
        .into();
    assert_eq!(run.status, 2, "{run:?}");
    assert!(run.err.contains("code: policy_manages_nothing"), "{run:?}");
}

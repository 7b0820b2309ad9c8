//! Processes as /proc shows them (proc_pid_stat(5), proc_pid_status(5)): who descends from whom, and ending them.

use crate::sign_in::ProcessRef;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

/// How long each signal has until the next stronger one.
const PATIENCE: [(Signal, Duration); 3] = [
    (Signal::HUP, Duration::from_secs(2)),
    (Signal::TERM, Duration::from_secs(2)),
    (Signal::KILL, Duration::from_secs(2)),
];
/// How often it is looked whether a process is gone.
const LOOK: Duration = Duration::from_millis(20);

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    /// Its session's first process.
    pub(super) session: i32,
    /// Device number of its terminal; 0 without one.
    pub(super) terminal: u32,
    /// In clock ticks since boot.
    pub(super) started: u64,
    /// Real, effective and saved uid.
    pub(super) uids: [u32; 3],
    /// Its name, at most 15 bytes.
    pub(super) name: String,
    /// It has ended and waits for its parent.
    pub(super) zombie: bool,
}

impl Process {
    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name may hold blanks and parentheses: it ends at the last one.
        let (head, tail) = stat.rsplit_once(')')?;
        let (pid, name) = head.split_once('(')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        let uids: Vec<u32> = uids.split_whitespace().filter_map(|uid| uid.parse().ok()).collect();
        Some(Self {
            pid: pid.trim().parse().ok()?,
            name: name.to_owned(),
            zombie: matches!(fields.first(), Some(&("Z" | "X"))),
            parent: number(1)? as i32,
            session: number(3)? as i32,
            terminal: number(4)? as u32,
            started: fields.get(19)?.parse().ok()?,
            uids: [*uids.first()?, *uids.get(1)?, *uids.get(2)?],
        })
    }

    fn read(pid: i32) -> Option<Self> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read(format!("/proc/{pid}/status")).ok()?;
        Self::parse(&String::from_utf8_lossy(&stat), &String::from_utf8_lossy(&status))
    }

    pub(super) fn is(&self, process: &ProcessRef) -> bool {
        self.pid == process.pid && self.started == process.started
    }
    pub(super) fn reference(&self) -> ProcessRef {
        ProcessRef { pid: self.pid, started: self.started }
    }
}

/// A process that is there now; `None` when it is gone.
pub(super) fn alive(process: &ProcessRef) -> bool {
    Process::read(process.pid).is_some_and(|found| found.is(process) && !found.zombie)
}

/// The process that a hook should name as the root of the session's processes, looking up from the hook's
/// parent. sshd asks PAM in a child that ends; the process that stays is the one above it, which names itself
/// `[priv]`.
pub fn session_root(pam_application: i32) -> Option<ProcessRef> {
    let found = Process::read(pam_application)?;
    if found.name.starts_with("sshd")
        && let Some(parent) = Process::read(found.parent)
        && parent.name.starts_with("sshd")
        && fs::read(format!("/proc/{}/cmdline", parent.pid))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("[priv]"))
    {
        return Some(parent.reference());
    }
    Some(found.reference())
}

/// All processes at one moment.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    all: BTreeMap<i32, Process>,
}

impl Snapshot {
    pub(super) fn take() -> Self {
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = pids
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(Process::read)
            .filter(|process| !process.zombie)
            .map(|process| (process.pid, process))
            .collect();
        Self { all }
    }

    #[cfg(test)]
    pub(super) fn of(processes: Vec<Process>) -> Self {
        Self { all: processes.into_iter().map(|process| (process.pid, process)).collect() }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Process> {
        self.all.values()
    }

    pub(super) fn find(&self, process: &ProcessRef) -> Option<&Process> {
        self.all.get(&process.pid).filter(|found| found.is(process))
    }

    /// Whether `process` descends from one of `roots`; a root itself does not.
    pub(super) fn descends(&self, process: &Process, roots: &[ProcessRef]) -> bool {
        let mut at = process;
        // A chain of parents is never longer than there are processes.
        for _ in 0..self.all.len() {
            let Some(parent) = self.all.get(&at.parent) else {
                return false;
            };
            // A parent that began later is another process with its number.
            if parent.pid <= 1 || parent.started > at.started {
                return false;
            }
            if roots.iter().any(|root| parent.is(root)) {
                return true;
            }
            at = parent;
        }
        false
    }

    /// This process and those above it.
    pub(super) fn is_own(&self, process: &Process, own: i32) -> bool {
        let mut at = own;
        for _ in 0..=self.all.len() {
            if at == process.pid {
                return true;
            }
            match self.all.get(&at) {
                Some(found) => at = found.parent,
                None => return false,
            }
        }
        false
    }
}

/// Ends processes: SIGHUP, then SIGTERM, then SIGKILL, each to those that are left. Answers those that are still
/// there after all.
pub(super) fn end(processes: &[ProcessRef]) -> Vec<ProcessRef> {
    let mut left = processes.to_vec();
    for (signal, patience) in PATIENCE {
        left.retain(alive);
        for process in &left {
            // One that goes meanwhile is what is wanted.
            if let Some(pid) = Pid::from_raw(process.pid) {
                let _ = kill_process(pid, signal);
                // A stopped process takes no other signal than SIGKILL.
                let _ = kill_process(pid, Signal::CONT);
            }
        }
        let until = Instant::now() + patience;
        while !left.is_empty() && Instant::now() < until {
            std::thread::sleep(LOOK);
            left.retain(alive);
        }
        if left.is_empty() {
            break;
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_mislead() {
        let stat = "42 (a) b) (c)) S 7 42 40 34817 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987 1 2";
        let process = Process::parse(stat, "Name:\tx\nUid:\t1000\t0\t0\t0\n").unwrap();
        assert_eq!(process.name, "a) b) (c)");
        assert_eq!((process.pid, process.parent, process.session, process.terminal), (42, 7, 40, 34817));
        assert_eq!((process.started, process.uids), (987, [1000, 0, 0]));
        assert_eq!(Process::parse("42 (x", ""), None);
    }

    #[test]
    fn this_process_is_found_and_is_its_own() {
        let snapshot = Snapshot::take();
        let own = i32::try_from(std::process::id()).unwrap();
        let me = Process::read(own).unwrap();
        assert!(alive(&me.reference()));
        assert!(!alive(&ProcessRef { started: me.started + 1, ..me.reference() }));
        assert!(snapshot.is_own(&me, own));
        let parent = snapshot.all.get(&me.parent).map(Process::reference);
        if let Some(parent) = parent.filter(|parent| parent.pid > 1) {
            assert!(snapshot.descends(&me, &[parent]));
        }
        assert!(!snapshot.descends(&me, &[me.reference()]), "a root is not its own descendant");
    }

    #[test]
    fn processes_end_also_when_they_take_no_hang_up() {
        let mut child =
            std::process::Command::new("sh").args(["-c", "trap '' HUP TERM; sleep 60 & wait"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let me = Process::read(pid).unwrap().reference();
        let below = |snapshot: &Snapshot| -> Vec<ProcessRef> {
            snapshot.all().filter(|process| snapshot.descends(process, &[me])).map(Process::reference).collect()
        };
        let began = Instant::now();
        while below(&Snapshot::take()).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        let mut all = below(&Snapshot::take());
        all.push(me);
        // The trap may not be set yet when the first signal comes; gone is gone.
        assert_eq!(end(&all), []);
        child.wait().unwrap();
    }
}

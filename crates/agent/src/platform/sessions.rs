//! Sessions of the running Linux system: logind's, and those that processes make.

use super::{
    login1::Login1,
    processes::{self, Process, Snapshot},
};
use crate::sign_in::{Machine, ProcessRef, WitnessedSession};
use laps::{
    event,
    id::BootId,
    rotation::{AccountRef, Failure},
};
use std::{fs, fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, process::Command};

/// Programs that open a session for one person each. A service that asks PAM for many people and goes on
/// (a mail server, a web server) is none of them: its children are its own.
const SESSION_PROGRAMS: [&str; 10] =
    ["login", "sshd", "sshd-session", "su", "sudo", "doas", "runuser", "gdm-session-wor", "lightdm", "sddm-helper"];

/// This run of the machine. A machine that does not tell has always the same: attempts then count on.
pub fn boot() -> BootId {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().parse().unwrap_or(BootId::from_bytes([0; 16]))
}

/// The running system.
#[derive(Debug)]
pub struct RunningSystem {
    login1: Login1,
    own: i32,
    /// Processes that descended from sign-ins when it was looked last; they may have lost their parents since.
    seen: Vec<ProcessRef>,
}

impl Default for RunningSystem {
    fn default() -> Self {
        Self { login1: Login1::default(), own: i32::try_from(std::process::id()).unwrap_or(0), seen: Vec::new() }
    }
}

impl RunningSystem {
    /// What may be ended at all: never PID 1, the agent or what it runs in.
    fn may_end(&self, all: &Snapshot, process: &Process) -> bool {
        process.pid > 1 && !all.is_own(process, self.own)
    }

    /// Processes below the sign-ins that `roots` name. For uid 0 only below programs that open sessions.
    fn below(&self, all: &Snapshot, account: &AccountRef, roots: &[ProcessRef]) -> Vec<ProcessRef> {
        let roots: Vec<ProcessRef> = roots
            .iter()
            .filter(|root| all.find(root).is_some_and(|root| SESSION_PROGRAMS.contains(&root.name.as_str())))
            .copied()
            .collect();
        let ours = |process: &&Process| {
            self.may_end(all, process) && process.uids.contains(&account.id) && all.descends(process, &roots)
        };
        all.all().filter(ours).map(Process::reference).collect()
    }

    /// Interactive sessions of an account that is not uid 0: those whose first process is the account's and has
    /// a terminal, with all of the account's processes in them.
    fn interactive(&self, all: &Snapshot, account: &AccountRef) -> Vec<ProcessRef> {
        if account.id == 0 {
            return Vec::new();
        }
        let leaders: Vec<i32> = all
            .all()
            .filter(|process| process.pid == process.session && process.terminal != 0 && process.uids[0] == account.id)
            .map(|process| process.pid)
            .collect();
        let member = |process: &&Process| {
            self.may_end(all, process) && process.uids[0] == account.id && leaders.contains(&process.session)
        };
        all.all().filter(member).map(Process::reference).collect()
    }

    /// Every process of an account; for uid 0 those that were seen below a sign-in.
    fn remaining(&self, all: &Snapshot, account: &AccountRef, roots: &[ProcessRef]) -> Vec<ProcessRef> {
        let mut found = self.below(all, account, roots);
        let also = all.all().filter(|process| {
            self.may_end(all, process)
                && process.uids.contains(&account.id)
                && (account.id != 0 || self.seen.contains(&process.reference()))
        });
        for process in also.map(Process::reference) {
            if !found.contains(&process) {
                found.push(process);
            }
        }
        found
    }
}

fn still_there(left: &[ProcessRef]) -> Failure {
    let pids: Vec<String> = left.iter().take(10).map(|process| process.pid.to_string()).collect();
    Failure::new(
        event::POST_AUTHENTICATION_RETRY,
        "processes_left",
        format!("{} processes could not be ended: {}", left.len(), pids.join(", ")),
    )
}

/// Ends them and those that they began meanwhile.
fn end_all(mut find: impl FnMut() -> Vec<ProcessRef>) -> Result<usize, Failure> {
    let mut ended = 0;
    for _ in 0..3 {
        let found = find();
        if found.is_empty() {
            return Ok(ended);
        }
        let left = processes::end(&found);
        ended += found.len() - left.len();
    }
    let left = find();
    if left.is_empty() { Ok(ended) } else { Err(still_there(&left)) }
}

impl Machine for RunningSystem {
    fn boot(&self) -> BootId {
        boot()
    }

    fn is_alive(&self, process: &ProcessRef) -> bool {
        processes::alive(process)
    }

    fn observe(&mut self, account: &AccountRef, roots: &[ProcessRef]) {
        let all = Snapshot::take();
        self.seen.retain(|process| all.find(process).is_some());
        for process in self.below(&all, account, roots) {
            if !self.seen.contains(&process) {
                self.seen.push(process);
            }
        }
    }

    fn sessions(&mut self, account: &AccountRef) -> Vec<WitnessedSession> {
        self.login1.sessions_of(account.id)
    }

    fn warn(&mut self, account: &AccountRef, roots: &[ProcessRef], text: &str) -> usize {
        let all = Snapshot::take();
        let mut found = self.below(&all, account, roots);
        found.extend(self.interactive(&all, account));
        let mut terminals: Vec<u32> = found
            .iter()
            .filter_map(|process| Some(all.find(process)?.terminal))
            .filter(|device| *device != 0)
            .collect();
        terminals.sort_unstable();
        terminals.dedup();
        terminals.into_iter().filter_map(terminal_path).filter(|path| write_to_terminal(path, text)).count()
    }

    fn end_sessions(&mut self, account: &AccountRef, roots: &[ProcessRef]) -> Result<usize, Failure> {
        // logind ends what it knows, with all that is in the session's scope; the rest is ended by process.
        for session in self.login1.sessions_of(account.id) {
            let ours = account.id != 0 || roots.iter().any(|root| Some(root.pid) == session.leader);
            if ours {
                self.login1.terminate(&session.id);
            }
        }
        let roots = roots.to_vec();
        end_all(|| {
            let all = Snapshot::take();
            let mut found = self.below(&all, account, &roots);
            for process in self.interactive(&all, account) {
                if !found.contains(&process) {
                    found.push(process);
                }
            }
            found
        })
    }

    fn end_processes(&mut self, account: &AccountRef, roots: &[ProcessRef]) -> Result<usize, Failure> {
        let roots = roots.to_vec();
        end_all(|| self.remaining(&Snapshot::take(), account, &roots))
    }

    fn restart(&mut self) -> Result<(), Failure> {
        let logind = self.login1.reboot();
        let Err(first) = logind else { return Ok(()) };
        // Without logind the system's own command asks PID 1.
        let second = match Command::new("shutdown").args(["-r", "now"]).output() {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let text = format!("logind: {first}; shutdown -r now: {second}; restart the machine by hand");
        Err(Failure::new(event::RESTART_FAILED, "restart_failed", text))
    }
}

/// The file of a terminal, by its device number as proc_pid_stat(5) has it.
fn terminal_path(device: u32) -> Option<String> {
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    match major {
        4 if minor < 64 => Some(format!("/dev/tty{minor}")),
        136..=143 => Some(format!("/dev/pts/{}", minor + (major - 136) * 256)),
        _ => None,
    }
}

/// A terminal that nobody reads must not hold the agent.
fn write_to_terminal(path: &str, text: &str) -> bool {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(path);
    opened.and_then(|mut terminal| terminal.write_all(format!("\r\n\x07{text}\r\n").as_bytes())).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: [i32; 0] = [];

    fn process(pid: i32, parent: i32, uid: u32, session: i32, terminal: u32, name: &str) -> Process {
        let started = u64::try_from(pid).unwrap();
        Process { pid, parent, session, terminal, started, uids: [uid; 3], name: name.into(), zombie: false }
    }
    fn root_of(pid: i32) -> ProcessRef {
        ProcessRef { pid, started: u64::try_from(pid).unwrap() }
    }
    fn pids(mut found: Vec<ProcessRef>) -> Vec<i32> {
        found.sort_by_key(|process| process.pid);
        found.into_iter().map(|process| process.pid).collect()
    }
    fn account(id: u32) -> AccountRef {
        AccountRef { id, name: "x".into() }
    }

    /// A machine with services, two ssh sessions, a su to root, and the agent.
    fn machine() -> (RunningSystem, Snapshot) {
        let all = Snapshot::of(vec![
            process(1, 0, 0, 1, 0, "systemd"),
            process(2, 0, 0, 0, 0, "kthreadd"),
            process(3, 2, 0, 0, 0, "kworker"),
            process(10, 1, 0, 10, 0, "sshd"),
            process(11, 10, 0, 11, 0, "sshd"),
            process(12, 11, 1000, 11, 0, "sshd"),
            process(13, 12, 1000, 13, 34816, "bash"),
            process(14, 13, 0, 13, 34816, "su"),
            process(15, 14, 0, 13, 34816, "bash"),
            process(16, 15, 0, 16, 0, "sleep"),
            process(17, 15, 0, 13, 34816, "lapwing-agent"),
            process(20, 1, 0, 20, 0, "saslauthd"),
            process(21, 20, 0, 20, 0, "saslauthd"),
            process(30, 1, 1000, 30, 0, "cron-job"),
            process(31, 1, 0, 31, 0, "nohup-ed"),
        ]);
        (RunningSystem { login1: Login1::default(), own: 17, seen: Vec::new() }, all)
    }

    /// For uid 0 only what descends from the sign-in; never PID 1, the agent, or a service.
    #[test]
    fn uid_0_ends_below_the_sign_in_only() {
        let (mut system, all) = machine();
        // 15 stays too: the agent was started from it, and runs in it.
        assert_eq!(pids(system.below(&all, &account(0), &[root_of(14)])), [16]);
        system.own = 999;
        assert_eq!(pids(system.below(&all, &account(0), &[root_of(14)])), [15, 16, 17]);
        // A service that asked PAM is no session, and a number that was given again is another process.
        let reused = ProcessRef { pid: 14, started: 99 };
        assert_eq!(pids(system.below(&all, &account(0), &[root_of(20), root_of(1), reused])), NOBODY);
        assert_eq!(pids(system.interactive(&all, &account(0))), NOBODY);
        // Action 11: also what lost its parent since it was seen below the sign-in, and nothing else of root.
        assert_eq!(pids(system.remaining(&all, &account(0), &[])), NOBODY);
        system.seen = vec![root_of(31)];
        assert_eq!(pids(system.remaining(&all, &account(0), &[root_of(14)])), [15, 16, 17, 31]);
    }

    /// Action 3 ends interactive sessions; action 11 whatever runs as the account.
    #[test]
    fn another_account_ends_by_session_and_by_uid() {
        let (mut system, all) = machine();
        assert_eq!(pids(system.remaining(&all, &account(1000), &[])), [30], "never what the agent runs in");
        system.own = 999;
        assert_eq!(pids(system.interactive(&all, &account(1000))), [13]);
        assert_eq!(pids(system.below(&all, &account(1000), &[root_of(11)])), [12, 13]);
        assert_eq!(pids(system.remaining(&all, &account(1000), &[])), [12, 13, 30]);
    }

    #[test]
    fn terminals_by_their_numbers() {
        assert_eq!(terminal_path(34816).as_deref(), Some("/dev/pts/0"));
        assert_eq!(terminal_path(34819).as_deref(), Some("/dev/pts/3"));
        assert_eq!(terminal_path(1025).as_deref(), Some("/dev/tty1"));
        assert_eq!(terminal_path(0), None);
    }
}

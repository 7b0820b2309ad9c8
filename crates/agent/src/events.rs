//! Events: to the journal, the syslog or standard error, and always to the local ring.
//!
//! The journal gets fields of its own (systemd's native protocol: one datagram of `NAME=value` lines), so
//! that `journalctl LAPWING_EVENT=10020` finds them.

use crate::{
    clock::Clock,
    state::{EventRecord, EventRing},
};
use laps::{
    event::{self, Level},
    rotation::Failure,
};
use std::{io::Write as _, os::unix::net::UnixDatagram, path::Path};

const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";
const SYSLOG_SOCKET: &str = "/dev/log";
const IDENTIFIER: &str = "lapwing-agent";

/// Where events go beside the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Output {
    /// The journal when systemd started this process, else standard error.
    #[default]
    Auto,
    /// The journal's native socket.
    Journal,
    /// The syslog socket (RFC 3164).
    Syslog,
    /// Standard error, one line an event.
    Stderr,
    /// The ring alone.
    None,
}

#[derive(Debug)]
enum Sink {
    Journal(UnixDatagram),
    Syslog(UnixDatagram),
    Stderr,
    None,
}

impl Sink {
    fn open(output: Output) -> Self {
        let connect = |path: &str| {
            let socket = UnixDatagram::unbound().ok()?;
            socket.connect(Path::new(path)).ok()?;
            // A log that is stuck must not stop a rotation.
            socket.set_nonblocking(true).ok()?;
            Some(socket)
        };
        match output {
            Output::Auto if std::env::var_os("JOURNAL_STREAM").is_some() => {
                connect(JOURNAL_SOCKET).map_or(Self::Stderr, Self::Journal)
            }
            Output::Journal => connect(JOURNAL_SOCKET).map_or(Self::Stderr, Self::Journal),
            Output::Syslog => connect(SYSLOG_SOCKET).map_or(Self::Stderr, Self::Syslog),
            Output::Auto | Output::Stderr => Self::Stderr,
            Output::None => Self::None,
        }
    }
}

/// Takes the agent's events.
#[derive(Debug)]
pub struct EventLog<C> {
    ring: EventRing,
    sink: Sink,
    clock: C,
    ring_failed: bool,
}

impl<C: Clock> EventLog<C> {
    /// A log over a ring.
    pub fn new(ring: EventRing, output: Output, clock: C) -> Self {
        Self { ring, sink: Sink::open(output), clock, ring_failed: false }
    }

    /// Writes an event; never a secret. A log that fails is said once on standard error and stops nothing.
    pub fn write(&mut self, event: u32, text: &str) {
        let info = event::info(event);
        let level = info.map_or(Level::Information, |info| info.level);
        let text = if text.is_empty() { info.map_or("", |info| info.meaning) } else { text };
        let record =
            EventRecord { at: self.clock.now(), event, level: level.as_str().into(), text: text.replace('\n', " ") };
        match &self.sink {
            Sink::Journal(socket) => drop(socket.send(&journal_fields(&record, level))),
            Sink::Syslog(socket) => drop(socket.send(syslog_line(&record, level).as_bytes())),
            Sink::Stderr => drop(writeln!(std::io::stderr(), "{}", line(&record))),
            Sink::None => {}
        }
        if let Err(error) = self.ring.push(&record)
            && !self.ring_failed
        {
            self.ring_failed = true;
            drop(writeln!(std::io::stderr(), "{error}"));
        }
    }

    /// Writes a failure as its event.
    pub fn failure(&mut self, failure: &Failure) {
        self.write(failure.event, &format!("{}: {}", failure.code, failure.text));
    }
}

/// One event as a line for people.
pub fn line(record: &EventRecord) -> String {
    format!("{} {} {:<11} {}", record.at, record.event, record.level, record.text)
}

/// Severity of syslog (RFC 5424 6.2.1), which the journal uses too.
const fn severity(level: Level) -> u8 {
    match level {
        Level::Information => 6,
        Level::Warning => 4,
        Level::Error => 3,
    }
}

fn journal_fields(record: &EventRecord, level: Level) -> Vec<u8> {
    // Values hold no line feed: `write` replaced them, and the other fields are ours.
    format!(
        "MESSAGE={}\nPRIORITY={}\nSYSLOG_IDENTIFIER={IDENTIFIER}\nLAPWING_EVENT={}\n",
        record.text,
        severity(level),
        record.event
    )
    .into_bytes()
}

fn syslog_line(record: &EventRecord, level: Level) -> String {
    const FACILITY_AUTHPRIV: u8 = 10;
    let priority = FACILITY_AUTHPRIV * 8 + severity(level);
    format!("<{priority}>{IDENTIFIER}[{}]: {} {}", std::process::id(), record.event, record.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateDir;
    use laps::time::Timestamp;

    #[derive(Clone)]
    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(1_800_000_000_000)
        }
    }

    #[test]
    fn events_are_in_the_ring_with_their_level() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        let mut log = EventLog::new(state.events(), Output::None, Fixed);
        log.write(event::SET_FAILED, "one\ntwo");
        log.write(event::POLICY_SUCCEEDED, "");
        let read = state.events().read(10).unwrap();
        assert_eq!((read[0].level.as_str(), read[0].text.as_str()), ("error", "one two"));
        assert_eq!(read[1].text, "Policy processing succeeded.");
    }

    #[test]
    fn journal_and_syslog_forms() {
        let record = EventRecord { at: Fixed.now(), event: 10020, level: "information".into(), text: "set".into() };
        assert_eq!(
            journal_fields(&record, Level::Information),
            b"MESSAGE=set\nPRIORITY=6\nSYSLOG_IDENTIFIER=lapwing-agent\nLAPWING_EVENT=10020\n"
        );
        assert!(syslog_line(&record, Level::Error).starts_with("<83>lapwing-agent["));
    }
}

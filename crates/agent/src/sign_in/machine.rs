//! The machine on which sessions are ended, as the rules see it.

use super::ProcessRef;
use crate::platform;
use laps::{
    id::BootId,
    rotation::{AccountRef, Failure},
};

/// A session that the system's own session manager shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedSession {
    /// Its name there.
    pub id: String,
    /// The program that opened it: a PAM service.
    pub service: String,
    /// Its first process.
    pub leader: Option<i32>,
}

/// Sessions and processes of an account, and the machine itself. Linux in `platform`; another system brings its
/// own (on Windows: WTS sessions, SMB sessions, InitiateSystemShutdown).
///
/// `roots` are the processes in which people signed in. For uid 0 only what descends from them is ended: never
/// PID 1, the agent, or a service (laps-behaviour.md 5.3).
pub trait Machine {
    /// This run of the machine.
    fn boot(&self) -> BootId;
    /// Whether a process is still there.
    fn is_alive(&self, process: &ProcessRef) -> bool;
    /// Remembers which processes descend from `roots` now: they may lose their parents later.
    fn observe(&mut self, account: &AccountRef, roots: &[ProcessRef]);
    /// The account's sessions, as far as a session manager shows them; empty without one.
    fn sessions(&mut self, account: &AccountRef) -> Vec<WitnessedSession>;
    /// Writes to the terminals of the account's sessions; answers how many. Nothing waits for them.
    fn warn(&mut self, account: &AccountRef, roots: &[ProcessRef], text: &str) -> usize;
    /// Ends the account's interactive sessions; answers how many processes were ended.
    ///
    /// # Errors
    /// Some are still there.
    fn end_sessions(&mut self, account: &AccountRef, roots: &[ProcessRef]) -> Result<usize, Failure>;
    /// Ends every remaining process of the account; answers how many.
    ///
    /// # Errors
    /// Some are still there.
    fn end_processes(&mut self, account: &AccountRef, roots: &[ProcessRef]) -> Result<usize, Failure>;
    /// Restarts the machine, now.
    ///
    /// # Errors
    /// It does not.
    fn restart(&mut self) -> Result<(), Failure>;
}

/// A tree of accounts that is not the running system: nobody is signed in there.
#[derive(Debug, Clone, Copy)]
pub struct NoSessions {
    boot: BootId,
}

impl Default for NoSessions {
    fn default() -> Self {
        Self { boot: platform::boot() }
    }
}

impl Machine for NoSessions {
    fn boot(&self) -> BootId {
        self.boot
    }
    fn is_alive(&self, _: &ProcessRef) -> bool {
        false
    }
    fn observe(&mut self, _: &AccountRef, _: &[ProcessRef]) {}
    fn sessions(&mut self, _: &AccountRef) -> Vec<WitnessedSession> {
        Vec::new()
    }
    fn warn(&mut self, _: &AccountRef, _: &[ProcessRef], _: &str) -> usize {
        0
    }
    fn end_sessions(&mut self, _: &AccountRef, _: &[ProcessRef]) -> Result<usize, Failure> {
        Ok(0)
    }
    fn end_processes(&mut self, _: &AccountRef, _: &[ProcessRef]) -> Result<usize, Failure> {
        Ok(0)
    }
    fn restart(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

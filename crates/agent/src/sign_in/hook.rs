//! The hook's side: tells the agent of a sign-in within a hard limit, and never fails the sign-in.
//!
//! The agent answers when the notice lies in its inbox. An agent that is dead, stopped or busy gets it into the
//! inbox by the hook itself.

use super::{Inbox, Notice};
use crate::{
    run::{Request, Verb, socket_path},
    state::StateDir,
};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// How long the agent has to answer: far below what somebody who signs in would notice.
pub const ANSWER_LIMIT: Duration = Duration::from_millis(30);

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The running agent has it.
    Agent,
    /// It waits in the inbox.
    Inbox,
    /// Neither was possible: there is no state directory, or it cannot be written.
    Nobody,
}

/// Tells the agent of a sign-in.
pub fn tell(state: &StateDir, notice: &Notice) -> Told {
    if ask(state, notice).is_some() {
        return Told::Agent;
    }
    if Inbox::of(state).put(notice).is_ok() { Told::Inbox } else { Told::Nobody }
}

/// Nothing here waits longer than [`ANSWER_LIMIT`]: connecting does not block, and the rest has a time limit.
fn ask(state: &StateDir, notice: &Notice) -> Option<()> {
    let began = Instant::now();
    let way = socket_path(state).ok()?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    connect(&socket, &SocketAddrUnix::new(way.path()).ok()?).ok()?;
    let mut stream = UnixStream::from(socket);
    let mut line = serde_json::to_vec(&Request { verb: Verb::SignIn, sign_in: Some(notice.clone()) }).ok()?;
    line.push(b'\n');
    stream.set_nonblocking(false).ok()?;
    stream.set_write_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream.write_all(&line).ok()?;
    // No time left is a limit that the system refuses: the answer is then not waited for.
    stream.set_read_timeout(Some(ANSWER_LIMIT.checked_sub(began.elapsed())?)).ok()?;
    let mut answer = [0; 512];
    let read = stream.read(&mut answer).ok()?;
    let answer: crate::run::Answer = serde_json::from_slice(answer.get(..read)?).ok()?;
    answer.code.is_none().then_some(())
}

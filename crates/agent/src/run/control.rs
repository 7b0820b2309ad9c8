//! The agent's own socket: `reset` and `cycle` go to the running agent (rotation.md 6), and notices of sign-ins.
//!
//! One line of JSON each way: a [`Request`], and an [`Answer`] when it was carried out; a notice is carried out
//! when it lies in the inbox. The socket is mode
//! 0600 in a directory of mode 0700, and the peer's uid is checked.

use crate::{
    sign_in::{Inbox, Notice},
    state::{StateDir, StateError},
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{fs::PermissionsExt as _, net::UnixStream as BlockingStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{Notify, mpsc, oneshot},
};

const SOCKET: &str = "agent.sock";
/// The longest request or answer, in bytes.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024;
/// Requests that wait at the same time; more are refused.
const WAITING_MAX: usize = 16;
/// How long a peer may take to send its line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a command waits for a cycle.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);

/// What is asked of the running agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Run a cycle now.
    Cycle,
    /// Change the password now.
    Reset,
    /// Somebody signed in: [`Request::sign_in`].
    SignIn,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// The notice, with [`Verb::SignIn`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<Notice>,
}

/// How a cycle ended, for people and scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Versions that were proven.
    pub proven: Vec<String>,
    /// When the password is due, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Why the password was changed.
    pub reasons: Vec<String>,
    /// What went wrong: stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What went wrong and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Answer {
    /// Of a cycle that ended.
    pub fn of(finish: &laps::cycle::Finish) -> Self {
        Self {
            proven: finish.proven.iter().map(ToString::to_string).collect(),
            expires_at: finish.expires_at.map(|at| at.to_string()),
            reasons: finish.reasons.iter().map(ToString::to_string).collect(),
            code: finish.last_error.as_ref().map(|failure| failure.code.clone()),
            text: finish.last_error.as_ref().map(|failure| failure.text.clone()),
        }
    }

    /// Of a request that was not carried out.
    pub fn failed(code: &str, text: impl Into<String>) -> Self {
        Self { code: Some(code.into()), text: Some(text.into()), ..Self::default() }
    }
}

/// A request that came in, and where its answer goes.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) verb: Verb,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// A path by which the socket can be named although the directory's own path is too long for sockets
/// (108 bytes, unix(7)): through the open directory.
#[derive(Debug)]
pub struct Reachable {
    path: PathBuf,
    _directory: fs::File,
}

impl Reachable {
    /// The path, good for as long as this lives.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The path of the socket of a state directory.
///
/// # Errors
/// The directory cannot be opened.
pub fn socket_path(state: &StateDir) -> io::Result<Reachable> {
    let directory = fs::File::open(state.path())?;
    let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(SOCKET);
    Ok(Reachable { path, _directory: directory })
}

/// The listening socket; the file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    file: PathBuf,
    inbox: Inbox,
}

impl Control {
    /// Listens. The caller holds the lock of the directory, so a socket that is there belongs to nobody.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn listen(state: &StateDir) -> Result<Self, StateError> {
        let file = state.file(SOCKET);
        let failed =
            |error: io::Error| StateError::Io { path: file.clone(), action: "listen on", text: error.to_string() };
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let way = socket_path(state).map_err(failed)?;
        // Nobody else can enter the directory between bind and chmod.
        let listener = UnixListener::bind(&way.path).map_err(failed)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, file, inbox: Inbox::of(state) })
    }

    /// Takes requests for as long as it is awaited; `heard` is told of a sign-in.
    pub(super) async fn serve(self, to: mpsc::Sender<Incoming>, heard: Arc<Notify>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of file descriptors: let others close theirs.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let (to, heard, inbox) = (to.clone(), heard.clone(), self.inbox.clone());
            tokio::spawn(async move {
                // A peer that goes away in the middle hears nothing; there is nobody to tell.
                drop(converse(stream, to, &heard, &inbox).await);
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.file));
    }
}

async fn converse(mut stream: UnixStream, to: mpsc::Sender<Incoming>, heard: &Notify, inbox: &Inbox) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let answer = if peer != 0 && peer != rustix::process::geteuid().as_raw() {
        Answer::failed("not_allowed", "only the agent's own user may ask for that")
    } else {
        match tokio::time::timeout(REQUEST_TIMEOUT, request(&mut stream)).await {
            Ok(Some(Request { verb: Verb::SignIn, sign_in })) => match sign_in {
                Some(notice) => took(&notice, heard, inbox),
                None => Answer::failed("bad_request", "a notice of a sign-in needs the member sign_in"),
            },
            Ok(Some(request)) => {
                let (answer, answered) = oneshot::channel();
                match to.try_send(Incoming { verb: request.verb, answer }) {
                    Ok(()) => answered
                        .await
                        .unwrap_or_else(|_| Answer::failed("agent_stopped", "the agent stopped; start it again")),
                    Err(_) => Answer::failed("agent_busy", "too many requests wait already; try again"),
                }
            }
            Ok(None) | Err(_) => Answer::failed("bad_request", "expected one line of JSON: {\"verb\":\"cycle\"}"),
        }
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.shutdown().await
}

/// A notice is taken when it lies in the inbox: a cycle may run, and the agent may end.
fn took(notice: &Notice, heard: &Notify, inbox: &Inbox) -> Answer {
    if let Err(error) = notice.check() {
        return Answer::failed("bad_request", error.to_string());
    }
    match inbox.put(notice) {
        Ok(()) => {
            heard.notify_one();
            Answer::default()
        }
        Err(error) => Answer::failed("sign_in_not_kept", error.to_string()),
    }
}

async fn request(stream: &mut UnixStream) -> Option<Request> {
    let mut line = Vec::new();
    tokio::io::BufReader::new(stream.take(MESSAGE_BYTES_MAX)).read_until(b'\n', &mut line).await.ok()?;
    serde_json::from_slice(&line).ok()
}

/// The queue between the socket and the loop.
pub(super) fn queue() -> (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>) {
    mpsc::channel(WAITING_MAX)
}

/// The process id of the agent that runs on a state directory.
pub fn running(state: &StateDir) -> Option<i32> {
    let stream = BlockingStream::connect(socket_path(state).ok()?.path).ok()?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(peer.pid.as_raw_nonzero().get())
}

/// Asks the running agent; `None` when none runs.
///
/// # Errors
/// It runs and gives no answer.
pub fn ask(state: &StateDir, verb: Verb) -> io::Result<Option<Answer>> {
    let way = socket_path(state)?;
    let stream = match BlockingStream::connect(&way.path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut line = serde_json::to_vec(&Request { verb, sign_in: None })?;
    line.push(b'\n');
    (&stream).write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(&stream).take(MESSAGE_BYTES_MAX).read_until(b'\n', &mut answer)?;
    Ok(Some(serde_json::from_slice(&answer)?))
}

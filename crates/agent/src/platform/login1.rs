//! logind over D-Bus (org.freedesktop.login1(5)), through systemd's own `busctl`: it is there wherever logind is,
//! and three calls that are made a few times a day are no reason for a D-Bus library.

use crate::sign_in::WitnessedSession;
use serde_json::Value;
use std::{
    io::Read as _,
    process::{Command, Stdio},
    time::Duration,
};

const NAME: &str = "org.freedesktop.login1";
const PATH: &str = "/org/freedesktop/login1";
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
/// How long logind may take for one answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The session manager. Without one it shows nothing.
#[derive(Debug, Default)]
pub(super) struct Login1 {
    _private: (),
}

impl Login1 {
    /// Sessions of an account that are open.
    pub(super) fn sessions_of(&self, uid: u32) -> Vec<WitnessedSession> {
        let Ok(answer) = call(&["call", NAME, PATH, MANAGER, "ListSessions"]) else {
            return Vec::new();
        };
        listed(&answer, uid)
            .into_iter()
            .filter_map(|(id, path)| {
                // A session that closes lingers until its last process is gone.
                if property(&path, "State").ok()?.as_str() == Some("closing") {
                    return None;
                }
                let leader = property(&path, "Leader").ok().and_then(|value| i32::try_from(value.as_i64()?).ok());
                let service = property(&path, "Service").ok().and_then(|value| value.as_str().map(str::to_owned));
                Some(WitnessedSession { id, service: service.unwrap_or_default(), leader })
            })
            .collect()
    }

    /// Ends a session with everything in its scope. One that is gone is what is wanted.
    pub(super) fn terminate(&self, id: &str) {
        drop(call(&["call", NAME, PATH, MANAGER, "TerminateSession", "s", id]));
    }

    /// Restarts the machine.
    pub(super) fn reboot(&self) -> Result<(), String> {
        call(&["call", NAME, PATH, MANAGER, "Reboot", "b", "false"]).map(drop)
    }
}

/// (name, object path) of the sessions of `uid` in the answer to ListSessions: `a(susso)`.
fn listed(answer: &Value, uid: u32) -> Vec<(String, String)> {
    let sessions = answer["data"][0].as_array().into_iter().flatten();
    sessions
        .filter(|session| session[1].as_u64() == Some(u64::from(uid)))
        .filter_map(|session| Some((session[0].as_str()?.to_owned(), session[4].as_str()?.to_owned())))
        .collect()
}

fn property(path: &str, name: &str) -> Result<Value, String> {
    call(&["get-property", NAME, path, SESSION, name]).map(|mut value| value["data"].take())
}

fn call(arguments: &[&str]) -> Result<Value, String> {
    let seconds = format!("--timeout={}", PATIENCE.as_secs());
    let mut child = Command::new("busctl")
        .args(["--system", "--json=short", "--no-pager", "--allow-interactive-authorization=no", &seconds])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("busctl: {error}"))?;
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(|error| format!("busctl: {error}"))?;
    }
    let status = child.wait().map_err(|error| format!("busctl: {error}"))?;
    if !status.success() {
        return Err("the session manager does not answer".into());
    }
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer).map_err(|_| "the session manager's answer is not JSON".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_listed_by_uid() {
        let answer = serde_json::json!({"type": "a(susso)", "data": [[
            ["2", 1000, "ops", "seat0", "/org/freedesktop/login1/session/_32"],
            ["5", 0, "root", "", "/org/freedesktop/login1/session/_35"],
        ]]});
        assert_eq!(listed(&answer, 0), [("5".to_owned(), "/org/freedesktop/login1/session/_35".to_owned())]);
        assert_eq!(listed(&answer, 1), []);
        assert_eq!(listed(&Value::Null, 0), []);
    }
}

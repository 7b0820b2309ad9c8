//! What the PAM hook tells: one successful authentication.

use laps::{id::SignInId, time::Timestamp};
use proto::serde_text;
use serde::{Deserialize, Serialize};

/// The longest text of a notice, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// A process that cannot be mistaken for a later one with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessRef {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks since boot (proc_pid_stat(5), `starttime`).
    pub started: u64,
}

/// A successful authentication, as PAM tells it. It says nothing of the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Made by the hook: the same again is the same sign-in.
    #[serde(with = "serde_text::text")]
    pub id: SignInId,
    /// PAM_USER: whose password was found right.
    pub user: String,
    /// PAM_SERVICE.
    pub service: String,
    /// PAM_RHOST, else PAM_RUSER, else PAM_TTY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// When, by the device's clock.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
    /// The process whose children the session's processes will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
}

/// A message that is not a notice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotANotice {
    /// Not the JSON of one.
    #[error("it is not the JSON of a notice, at line {line} column {column}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A text is empty, too long, or holds control characters.
    #[error("its member {0:?} must have 1 to {TEXT_BYTES_MAX} printable bytes")]
    Text(&'static str),
}

impl Notice {
    /// Reads one, and checks it.
    ///
    /// # Errors
    /// [`NotANotice`]; it never shows the content.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotANotice> {
        let notice: Self = serde_json::from_slice(bytes)
            .map_err(|error| NotANotice::Malformed { line: error.line(), column: error.column() })?;
        notice.check()?;
        Ok(notice)
    }

    /// Checks the texts.
    ///
    /// # Errors
    /// [`NotANotice::Text`].
    pub fn check(&self) -> Result<(), NotANotice> {
        let texts = [("user", Some(&self.user)), ("service", Some(&self.service)), ("from", self.from.as_ref())];
        for (name, text) in texts {
            let Some(text) = text else { continue };
            if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
                return Err(NotANotice::Text(name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_notice_is_refused_without_showing_it() {
        let notice = Notice {
            id: SignInId::from_random_bytes([1; 16]),
            user: "root".into(),
            service: "su".into(),
            from: None,
            at: Timestamp::from_unix_ms(1_800_000_000_000),
            process: Some(ProcessRef { pid: 7, started: 8 }),
        };
        let line = serde_json::to_vec(&notice).unwrap();
        assert_eq!(Notice::decode(&line), Ok(notice.clone()));
        for bad in [&b""[..], b"{}", b"[]", b"{\"password\":\"hunter2\"}", &line[..line.len() - 1]] {
            let error = Notice::decode(bad).unwrap_err();
            assert!(matches!(error, NotANotice::Malformed { .. }));
            assert!(!error.to_string().contains("hunter2"));
        }
        for user in ["", "ro\not", &"x".repeat(257)] {
            let bad = Notice { user: user.into(), ..notice.clone() };
            assert_eq!(Notice::decode(&serde_json::to_vec(&bad).unwrap()), Err(NotANotice::Text("user")));
        }
    }
}

//! Sign-ins with the managed account, and what follows from them.

use super::{StateDir, StateError, durable};
use crate::sign_in::ProcessRef;
use laps::{
    id::{BootId, SignInId, VersionId},
    policy::PostAuthentication,
    post_auth::{Acting, Attempts, Schedule, Waiting},
    rotation::AccountRef,
    time::Timestamp,
};
use proto::{device::SignIn, serde_text};
use serde::{Deserialize, Serialize};

pub(super) const FILE: &str = "sign-ins.json";

/// What outlives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// What is due.
    pub schedule: Schedule,
    /// Sign-ins that no report has told, oldest first.
    pub unreported: Vec<SignIn>,
    /// Sign-ins that were taken: a repeated notice is known by them.
    pub recent: Vec<SignInId>,
    /// Processes in which people signed in.
    pub roots: Vec<ProcessRef>,
    /// An earlier file was damaged, and the password was not changed since.
    pub lost: bool,
}

#[derive(Serialize, Deserialize)]
struct AttemptsForm {
    count: u32,
    #[serde(default, with = "serde_text::text_option")]
    boot: Option<BootId>,
    #[serde(default, with = "serde_text::time_option")]
    last_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct ActionsForm {
    delay_hours: u32,
    /// The number of PostAuthenticationActions: 1, 3, 5, 11.
    actions: u32,
}

#[derive(Serialize, Deserialize)]
struct WaitingForm {
    account_id: u32,
    account_name: String,
    #[serde(with = "serde_text::text")]
    version: VersionId,
    #[serde(with = "serde_text::time")]
    signed_in_at: Timestamp,
    #[serde(with = "serde_text::time")]
    deadline: Timestamp,
    policy: ActionsForm,
    attempts: AttemptsForm,
}

#[derive(Serialize, Deserialize)]
struct ActingForm {
    account_id: u32,
    account_name: String,
    policy: ActionsForm,
    #[serde(with = "serde_text::text")]
    boot: BootId,
    #[serde(with = "serde_text::time")]
    at: Timestamp,
    attempts: AttemptsForm,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct KeptForm {
    waiting: Option<WaitingForm>,
    acting: Option<ActingForm>,
    unreported: Vec<SignIn>,
    recent: Vec<String>,
    roots: Vec<ProcessRef>,
    lost: bool,
}

impl From<&Attempts> for AttemptsForm {
    fn from(attempts: &Attempts) -> Self {
        Self { count: attempts.count, boot: attempts.boot, last_at: attempts.last_at }
    }
}

impl From<AttemptsForm> for Attempts {
    fn from(form: AttemptsForm) -> Self {
        Self { count: form.count, boot: form.boot, last_at: form.last_at }
    }
}

impl From<PostAuthentication> for ActionsForm {
    fn from(actions: PostAuthentication) -> Self {
        Self { delay_hours: actions.delay_hours, actions: actions.number() }
    }
}

impl From<ActionsForm> for PostAuthentication {
    fn from(form: ActionsForm) -> Self {
        Self {
            delay_hours: form.delay_hours,
            end_sessions: form.actions & 2 != 0,
            restart: form.actions & 4 != 0,
            end_processes: form.actions & 8 != 0,
        }
    }
}

impl StateDir {
    /// What is kept of sign-ins.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn sign_ins(&self) -> Result<Kept, StateError> {
        let form: KeptForm = durable::read_json(&self.file(FILE))?.unwrap_or_default();
        let account = |id, name| AccountRef { id, name };
        Ok(Kept {
            schedule: Schedule {
                waiting: form.waiting.map(|form| Waiting {
                    account: account(form.account_id, form.account_name),
                    version: form.version,
                    signed_in_at: form.signed_in_at,
                    deadline: form.deadline,
                    actions: form.policy.into(),
                    attempts: form.attempts.into(),
                }),
                acting: form.acting.map(|form| Acting {
                    account: account(form.account_id, form.account_name),
                    actions: form.policy.into(),
                    boot: form.boot,
                    at: form.at,
                    attempts: form.attempts.into(),
                }),
            },
            unreported: form.unreported,
            recent: form.recent.iter().filter_map(|text| text.parse().ok()).collect(),
            roots: form.roots,
            lost: form.lost,
        })
    }

    /// Keeps it, durably.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn keep_sign_ins(&self, kept: &Kept) -> Result<(), StateError> {
        let form = KeptForm {
            waiting: kept.schedule.waiting.as_ref().map(|waiting| WaitingForm {
                account_id: waiting.account.id,
                account_name: waiting.account.name.clone(),
                version: waiting.version,
                signed_in_at: waiting.signed_in_at,
                deadline: waiting.deadline,
                policy: waiting.actions.into(),
                attempts: (&waiting.attempts).into(),
            }),
            acting: kept.schedule.acting.as_ref().map(|acting| ActingForm {
                account_id: acting.account.id,
                account_name: acting.account.name.clone(),
                policy: acting.actions.into(),
                boot: acting.boot,
                at: acting.at,
                attempts: (&acting.attempts).into(),
            }),
            unreported: kept.unreported.clone(),
            recent: kept.recent.iter().map(ToString::to_string).collect(),
            roots: kept.roots.clone(),
            lost: kept.lost,
        };
        durable::write_json(&self.file(FILE), &form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.sign_ins().unwrap(), Kept::default());
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        let account = AccountRef { id: 0, name: "root".into() };
        let actions = PostAuthentication { delay_hours: 8, end_sessions: true, restart: false, end_processes: true };
        let attempts = Attempts { count: 3, boot: Some(BootId::from_bytes([1; 16])), last_at: Some(at) };
        let kept = Kept {
            schedule: Schedule {
                waiting: Some(Waiting {
                    account: account.clone(),
                    version: VersionId::from_bytes([2; 16]),
                    signed_in_at: at,
                    deadline: at.plus_seconds(28_800),
                    actions,
                    attempts,
                }),
                acting: Some(Acting { account, actions, boot: BootId::from_bytes([1; 16]), at, attempts }),
            },
            unreported: vec![SignIn {
                id: SignInId::from_bytes([3; 16]),
                version: VersionId::from_bytes([2; 16]),
                account_name: "root".into(),
                at,
                service: "login".into(),
                from: Some("tty1".into()),
                deadline: None,
            }],
            recent: vec![SignInId::from_bytes([3; 16])],
            roots: vec![ProcessRef { pid: 4, started: 5 }],
            lost: true,
        };
        state.keep_sign_ins(&kept).unwrap();
        assert_eq!(state.sign_ins().unwrap(), kept);
        std::fs::write(state.file(FILE), b"{").unwrap();
        assert!(matches!(state.sign_ins(), Err(StateError::Damaged { .. })));
        let text = state.mend().unwrap().concat();
        assert!(text.contains(FILE) && state.file("sign-ins.damaged").exists(), "{text}");
        assert_eq!(state.sign_ins().unwrap(), Kept { lost: true, ..Kept::default() });
        assert!(state.mend().unwrap().is_empty());
    }
}

//! `pam …`: the hook that notices sign-ins.

use super::{Failed, StateArgument, print, say};
use crate::{
    clock::{self, Clock as _, SystemClock},
    platform::{AuthStack, AuthStackError, HOOK_PROGRAM, HookLine, hook_line, session_root},
    run::running,
    sign_in::{Notice, tell},
    state::{self, StateDir},
};
use laps::id::SignInId;
use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

/// The longest that a sign-in waits for the hook after its own limits, whatever the disk does.
const HOOK_LIMIT: Duration = Duration::from_millis(60);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Pam {
    /// Put the hook into the system's PAM stack (the package does it by a profile of pam-auth-update)
    Install(Stack),
    /// Take the hook out of the system's PAM stack
    Remove(Stack),
    /// Tell whether sign-ins are noticed; exit code 1 when not
    Check(Stack),
    /// Tell the agent of a sign-in: run by pam_exec, as root
    #[command(hide = true)]
    Notify(StateArgument),
}

#[derive(Debug, clap::Args)]
pub(super) struct Stack {
    #[command(flatten)]
    state: StateArgument,
    /// Change the PAM stack of the tree below DIR instead of the running system's
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl Pam {
    pub(super) fn run(self) -> Result<(), Failed> {
        match self {
            Self::Install(stack) => stack.install(),
            Self::Remove(stack) => stack.remove(),
            Self::Check(stack) => stack.check(),
            Self::Notify(state) => notify(&state.state),
        }
    }
}

impl From<AuthStackError> for Failed {
    fn from(error: AuthStackError) -> Self {
        Self::new(error.code(), &error)
    }
}

impl Stack {
    fn stack(&self) -> Result<AuthStack, Failed> {
        Ok(AuthStack::of(crate::join::tree_of(self.prefix.as_ref())?))
    }

    fn line(&self) -> String {
        let state = (self.state.state != Path::new(state::DEFAULT)).then_some(self.state.state.as_path());
        hook_line(HOOK_PROGRAM, state)
    }

    fn install(&self) -> Result<(), Failed> {
        // PAM reads a line in words: a folder with blanks in its name would be cut in two.
        if self.state.state.to_string_lossy().contains(char::is_whitespace) {
            return Err(Failed::new("state_name", "the state directory has blanks in its name, which PAM cannot take"));
        }
        let changed = self.stack()?.install(&self.line())?;
        print(if changed { "sign-ins are noticed from now on" } else { "the hook was there already" });
        Ok(())
    }

    fn remove(&self) -> Result<(), Failed> {
        let changed = self.stack()?.remove()?;
        print(if changed { "the hook is gone; sign-ins are not noticed any more" } else { "the hook was not there" });
        Ok(())
    }

    fn check(&self) -> Result<(), Failed> {
        let stack = self.stack()?;
        match stack.check()? {
            HookLine::Right => {}
            HookLine::Absent => {
                return Err(Failed::new("pam_hook_absent", "sign-ins are not noticed; run: lapwing-agent pam install"));
            }
            HookLine::Twice => {
                return Err(Failed::new(
                    "pam_hook_twice",
                    "the hook is there more than once, so that sign-ins count twice; run: lapwing-agent pam remove",
                ));
            }
            HookLine::Wrong => {
                return Err(Failed::new(
                    "pam_hook_wrong",
                    "the hook stands where a wrong password reaches it, or could refuse a sign-in; run: lapwing-agent pam install",
                ));
            }
        }
        print("the hook runs after a right password and cannot refuse a sign-in");
        for service in stack.deaf_services() {
            say(format_args!(
                "lapwing-agent: sign-ins through {service} are not noticed: /etc/pam.d/{service} does not read common-auth"
            ));
        }
        if self.prefix.is_none() {
            let agent = StateDir::existing(&self.state.state).ok().and_then(|state| running(&state));
            print(match agent {
                Some(pid) => format!("the agent listens (process {pid})"),
                None => "the agent does not run; sign-ins wait for it".to_owned(),
            });
        }
        Ok(())
    }
}

/// What pam_exec(8) says in the environment; nothing secret is in it.
#[allow(clippy::disallowed_methods, reason = "pam_exec has no other way to say who signed in")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Always done in time, and always exit code 0 when PAM calls it: a sign-in is never refused or held.
fn notify(state: &Path) -> Result<(), Failed> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failed::new(
            "not_allowed",
            "only PAM, as root, may tell of a sign-in; nothing was told (in PAM: pam_exec.so needs the option seteuid)",
        )
        .exit(3));
    }
    let Some(kind) = variable("PAM_TYPE") else {
        return Err(Failed::new("not_pam", "this is run by pam_exec; there is no PAM_TYPE in the environment").exit(2));
    };
    // Only an authentication counts: sessions are opened without a password too.
    let (Some(user), true) = (variable("PAM_USER"), kind == "auth") else {
        return Ok(());
    };
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let notice = Notice {
        id: clock::random().map(SignInId::from_random_bytes).unwrap_or(SignInId::from_bytes([0; 16])),
        user,
        service: variable("PAM_SERVICE").unwrap_or_else(|| "unknown".into()),
        from: variable("PAM_RHOST").or_else(|| variable("PAM_RUSER")).or_else(|| variable("PAM_TTY")),
        at: SystemClock.now(),
        process: session_root(parent),
    };
    let (Ok(state), Ok(())) = (StateDir::existing(state), notice.check()) else {
        return Ok(());
    };
    // A disk that hangs holds the thread, not the sign-in.
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || done.send(tell(&state, &notice)).is_ok());
    match wait.recv_timeout(HOOK_LIMIT) {
        Ok(_) | Err(_) => Ok(()),
    }
}

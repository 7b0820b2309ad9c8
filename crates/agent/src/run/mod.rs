//! The background loop: when cycles run (laps-behaviour.md 4.1; design.md 5, "Waiting").
//!
//! At the start, hourly with jitter, when the password is due, at once when a file of policy changes, when
//! somebody asks through the socket or signs in with the managed account, and when the server wakes the device. Off the network nothing is
//! changed; the loop tries again with backoff. One thread, and one connection to the server: the wait
//! channel's, which the cycle after a wake goes on with.

mod control;
mod notify;
mod pace;

pub use control::{Answer, Control, Reachable, Request, Verb, ask, running, socket_path};

use crate::{
    clock::Clock,
    directory::Directory,
    effect::{Runner, Witness},
    sources,
};
use control::Incoming;
use laps::{decide::Reason, event};
use pace::{Pace, Went};
use std::{cell::RefCell, future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

/// How long one wait is held at most; the server answers earlier.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);
/// After a wake, the next wait begins this much later: a server that always wakes does not get a busy loop.
const WAKE_GAP: Duration = Duration::from_secs(2);
/// A sign-in is reported at once, unless another one was this short ago: then with it.
const SIGN_IN_GAP: Duration = Duration::from_secs(10);
/// How often the files of policy are looked at: two calls of stat.
const POLICY_LOOK: Duration = Duration::from_secs(20);

/// Why a cycle runs.
#[derive(Debug)]
enum Trigger {
    Start,
    Timer,
    Wake,
    PolicyFile,
    Asked(Incoming),
    /// Somebody signed in with the managed account.
    SignedIn,
    /// Something came too late for the cycle before.
    Again,
}

/// Runs until `shutdown` completes; a cycle that runs then is finished first.
pub async fn run<D: Directory, C: Clock + Clone, W: Witness>(
    mut runner: Runner<D, C, W>,
    control: Control,
    shutdown: impl Future<Output = ()>,
) {
    let (to, mut incoming) = control::queue();
    let heard = Arc::new(Notify::new());
    let serving = tokio::spawn(control.serve(to, heard.clone()));
    let watchdog = tokio::spawn(notify::watchdog());
    runner.events().write(event::AGENT_STARTED, concat!("lapwing-agent ", env!("CARGO_PKG_VERSION"), " has started"));
    notify::ready();
    let mut looped = Loop {
        runner,
        pace: Pace::default(),
        wait_pace: Pace::default(),
        wait_from: Instant::now(),
        heard,
        sign_in_from: Instant::now(),
    };
    tokio::pin!(shutdown);
    let mut trigger = Trigger::Start;
    loop {
        let next = looped.cycle(trigger, &mut incoming).await;
        trigger = tokio::select! {
            biased;
            () = &mut shutdown => break,
            trigger = looped.idle(next, &mut incoming) => trigger,
        };
    }
    notify::stopping();
    looped.runner.events().write(event::AGENT_STOPPED, "");
    serving.abort();
    watchdog.abort();
    // The socket's file goes when the task is gone.
    drop(serving.await);
}

/// What comes after a cycle.
enum NextCycle {
    Now,
    At(Instant),
}

struct Loop<D, C, W> {
    runner: Runner<D, C, W>,
    pace: Pace,
    wait_pace: Pace,
    wait_from: Instant,
    /// A notice lies in the inbox.
    heard: Arc<Notify>,
    /// When a sign-in may start the next cycle.
    sign_in_from: Instant,
}

impl<D: Directory, C: Clock + Clone, W: Witness> Loop<D, C, W> {
    async fn cycle(&mut self, trigger: Trigger, incoming: &mut mpsc::Receiver<Incoming>) -> NextCycle {
        self.runner.act_on_sign_ins();
        let mut reset = false;
        let mut waiting: Vec<oneshot::Sender<Answer>> = Vec::new();
        match trigger {
            Trigger::Start | Trigger::Again => {}
            Trigger::SignedIn => self.sign_in_from = Instant::now() + SIGN_IN_GAP,
            Trigger::Timer => self.runner.events().write(event::CYCLE_BACKGROUND, ""),
            Trigger::Wake => self.runner.events().write(event::CYCLE_BACKGROUND, "the server has work for this device"),
            Trigger::PolicyFile => self.runner.events().write(event::POLICY_CHANGED, "a file of policy changed"),
            Trigger::Asked(Incoming { verb, answer }) => {
                reset = verb == Verb::Reset;
                waiting.push(answer);
            }
        }
        let waiting = RefCell::new(waiting);
        let mut cycle_later = false;
        let mut asked = || match incoming.try_recv() {
            Ok(Incoming { verb: Verb::Reset, answer }) => {
                waiting.borrow_mut().push(answer);
                Some(Reason::AdministratorRequest)
            }
            Ok(Incoming { verb: Verb::Cycle | Verb::SignIn, answer }) => {
                // This cycle may be past what the request is about: one more is run, and this one answers.
                waiting.borrow_mut().push(answer);
                cycle_later = true;
                None
            }
            Err(_) => None,
        };
        let done = self.runner.cycle(reset, &mut asked).await;
        let (answer, went, again) = match done {
            Ok(done) => {
                let finish = done.finish;
                let went = if finish.offline || finish.unresolved {
                    Went::Unfinished
                } else {
                    let poll = self.runner.next().map(|next| Duration::from_secs(u64::from(next.poll_after_s)));
                    Went::Well(poll)
                };
                (Answer::of(&finish), went, done.again)
            }
            Err(error) => {
                self.runner.events().failure(&error.failure());
                (Answer::failed(error.code(), error.to_string()), Went::Unfinished, false)
            }
        };
        notify::status(&status_line(&answer));
        for waiting in waiting.into_inner() {
            // A command that was interrupted does not listen any more.
            drop(waiting.send(answer.clone()));
        }
        // The warning after a proven reset is given at once.
        self.runner.act_on_sign_ins();
        if cycle_later || again {
            return NextCycle::Now;
        }
        let mut after = self.pace.after(went);
        if let Some(due_in) = self.runner.due_in() {
            // The password falls due before the next poll: no need to be late.
            after = after.min(due_in.max(Duration::from_secs(60)));
        }
        if let Some(due_in) = self.runner.sign_ins_due_in() {
            after = after.min(due_in);
        }
        NextCycle::At(Instant::now() + after)
    }

    /// Waits for the next reason to run a cycle.
    async fn idle(&mut self, next: NextCycle, incoming: &mut mpsc::Receiver<Incoming>) -> Trigger {
        let NextCycle::At(at) = next else {
            return Trigger::Again;
        };
        let stamps = sources::stamps(self.runner.state());
        let Self { runner, wait_pace, wait_from, heard, sign_in_from, .. } = self;
        let action_at = runner.sign_ins_due_in().map(|due_in| runner.now().plus_seconds(due_in.as_secs()));
        let look = async {
            loop {
                sleep(POLICY_LOOK).await;
                if sources::stamps(runner.state()) != stamps {
                    return Trigger::PolicyFile;
                }
                // The machine was suspended: timers stood still, the clock did not.
                if action_at.is_some_and(|at| runner.now() >= at) {
                    return Trigger::Timer;
                }
            }
        };
        tokio::select! {
            biased;
            Some(asked) = incoming.recv() => Trigger::Asked(asked),
            () = sleep_until(at) => Trigger::Timer,
            trigger = look => trigger,
            () = signed_in(runner, heard, *sign_in_from) => Trigger::SignedIn,
            () = wake(runner, wait_pace, wait_from) => Trigger::Wake,
        }
    }
}

/// Waits for a sign-in with the managed account. The inbox is looked at without being told too: a hook that got
/// no answer in time has put its notice there itself.
async fn signed_in<D: Directory, C: Clock + Clone, W: Witness>(
    runner: &Runner<D, C, W>,
    heard: &Notify,
    from: Instant,
) {
    loop {
        tokio::select! {
            () = heard.notified() => {}
            () = sleep(POLICY_LOOK) => {}
        }
        if runner.sign_in_waits() {
            return sleep_until(from).await;
        }
    }
}

/// Holds the wait channel until the server wakes the device.
async fn wake<D: Directory, C: Clock + Clone, W: Witness>(
    runner: &Runner<D, C, W>,
    pace: &mut Pace,
    from: &mut Instant,
) {
    let Some(directory) = runner.directory().filter(|_| runner.next().is_some_and(|next| next.wait)) else {
        return std::future::pending().await;
    };
    loop {
        sleep_until(*from).await;
        match directory.wait(WAIT_MAX).await {
            Ok(answer) => {
                pace.recovered();
                *from = Instant::now() + WAKE_GAP;
                if answer.wake {
                    return;
                }
            }
            Err(_) => *from = Instant::now() + pace.retry(),
        }
    }
}

fn status_line(answer: &Answer) -> String {
    match (&answer.code, &answer.expires_at) {
        (Some(code), _) => format!("last cycle: {code}"),
        (None, Some(at)) => format!("password proven, due at {at}"),
        (None, None) => "no password is managed".into(),
    }
}

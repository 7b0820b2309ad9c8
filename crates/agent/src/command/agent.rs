//! `run`, `cycle`, `reset`.

use super::{
    EventOutput, Failed, Format, OutputArgument, StateArgument, TreeArguments, durability, locked, print, print_json,
    runtime, say, tree_of,
};
use crate::{
    clock::SystemClock,
    directory,
    domain::Domain,
    effect::{NoWitness, Parts, Runner, StartError},
    events::EventLog,
    platform::RunningSystem,
    run::{Answer, Control, Verb, ask, run},
    state::{DomainJoin, StateDir, StateError},
};
use client::Client;
use laps::event;
use tokio::signal::unix::{SignalKind, signal};

type AgentRunner = Runner<Client, SystemClock, NoWitness>;

#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    state: StateArgument,
    #[command(flatten)]
    tree: TreeArguments,
    /// Where events go beside the agent's own ring
    #[arg(long, value_enum, default_value_t = EventOutput::Auto)]
    log: EventOutput,
}

#[derive(Debug, clap::Args)]
pub(super) struct Now {
    #[command(flatten)]
    state: StateArgument,
    #[command(flatten)]
    tree: TreeArguments,
    #[command(flatten)]
    output: OutputArgument,
}

/// What an agent is made of, on a directory that this process has locked.
pub(super) fn runner(state: StateDir, tree: &TreeArguments, log: EventOutput) -> Result<AgentRunner, Failed> {
    let joined = state.membership()?.ok_or(StartError::NotJoined)?;
    let domain = state.domain()?;
    let mut events = EventLog::new(state.events(), log, SystemClock);
    let made = (|| {
        let managed = tree_of(tree, Some(&joined))?;
        let runs_here = managed.tree().is_running();
        let mut runner = Runner::new(Parts {
            events: EventLog::new(state.events(), log, SystemClock),
            state,
            tree: managed,
            durability: durability(tree.volatile_ok || joined.volatile_ok),
            connect: Box::new(directory::client_of),
            domain: speaker(domain.as_ref())?,
            clock: SystemClock,
            witness: NoWitness,
        })?;
        if runs_here {
            runner.ends_sessions_on(Box::new(RunningSystem::default()));
        }
        runner.claim().map_err(|failure| Failed::new(failure.code, failure.text))?;
        Ok(runner)
    })();
    made.inspect_err(|failed: &Failed| events.write(event::AGENT_FAILED, &format!("{}: {}", failed.code, failed.text)))
}

/// Who speaks to the domain.
#[cfg(feature = "ad")]
fn speaker(domain: Option<&DomainJoin>) -> Result<Option<Box<dyn Domain>>, Failed> {
    domain.map(super::join_domain::speaker).transpose()
}

/// Nobody does, in this build: a policy that asks for it is refused by name.
#[cfg(not(feature = "ad"))]
fn speaker(_: Option<&DomainJoin>) -> Result<Option<Box<dyn Domain>>, Failed> {
    Ok(None)
}

impl Run {
    pub(super) fn run(self) -> Result<(), Failed> {
        let (state, _lock) = locked(&self.state.state)?;
        let runner = runner(state.clone(), &self.tree, self.log)?;
        runtime()?.block_on(async {
            let control = Control::listen(&state)?;
            let stop = |kind| {
                signal(kind).map_err(|error| Failed::new("signals", format_args!("signals cannot be taken: {error}")))
            };
            let (mut terminate, mut interrupt) = (stop(SignalKind::terminate())?, stop(SignalKind::interrupt())?);
            let shutdown = async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            };
            run(runner, control, shutdown).await;
            Ok(())
        })
    }
}

impl Now {
    pub(super) fn cycle(self) -> Result<(), Failed> {
        let answer = self.ask_or_run(Verb::Cycle)?;
        self.tell(&answer, false)
    }

    pub(super) fn reset(self) -> Result<(), Failed> {
        let answer = self.ask_or_run(Verb::Reset)?;
        self.tell(&answer, true)
    }

    /// The running agent does it; without one, this process does.
    fn ask_or_run(&self, verb: Verb) -> Result<Answer, Failed> {
        let state = StateDir::existing(&self.state.state)?;
        let failed = |error: std::io::Error| {
            let text = format!("the running agent gave no answer: {error}; look at `lapwing-agent events`");
            Failed::new("agent_no_answer", text)
        };
        if let Some(answer) = ask(&state, verb).map_err(failed)? {
            return Ok(answer);
        }
        let _lock = match state.lock() {
            Ok(lock) => lock,
            Err(StateError::Locked { owner }) => {
                let text = format!("{owner} uses the state directory and does not listen; try again, or restart it");
                return Err(Failed::new("state_locked", text));
            }
            Err(error) => return Err(error.into()),
        };
        let log = if self.output.output == Format::Json { EventOutput::None } else { EventOutput::Stderr };
        let mut runner = runner(state, &self.tree, log)?;
        runtime()?.block_on(async {
            let done = runner.cycle(verb == Verb::Reset, &mut || None).await?;
            Ok(Answer::of(&done.finish))
        })
    }

    /// A reset succeeds only with a proven version; a cycle, when nothing went wrong.
    fn tell(&self, answer: &Answer, must_prove: bool) -> Result<(), Failed> {
        if self.output.output == Format::Json {
            print_json(&serde_json::to_value(answer).unwrap_or_default());
        } else {
            for version in &answer.proven {
                print(format_args!("version {version} is set and proven"));
            }
            if answer.proven.is_empty() && answer.code.is_none() {
                print("nothing was due");
            }
            if let Some(at) = &answer.expires_at {
                print(format_args!("the password is due at {at}"));
            }
        }
        match (&answer.code, &answer.text) {
            (Some(code), text) => Err(Failed::new(code.clone(), text.clone().unwrap_or_default())),
            (None, _) if must_prove && answer.proven.is_empty() => {
                say("lapwing-agent: no new password was proven; see `lapwing-agent events`");
                Err(Failed::silent())
            }
            (None, _) => Ok(()),
        }
    }
}

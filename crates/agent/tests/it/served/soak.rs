//! Agent and server as processes, both killed at random moments while the password is changed in a loop. After each
//! kill, when the server is up again, the machine is held still and every candidate that retrieval returns is tried
//! against the account: one opens it, or a password is lost (rotation.md 4, I1).
//!
//! `LAPWING_ROTATIONS` sets how many passwords are proven, `LAPWING_SEED` what is killed and after how long; what the
//! kill hits is decided by the machine that it runs on. `ci/soak.sh` does it with release builds.

use super::{Machine, Service, Tried};
use agent::{
    clock,
    run::{Verb, ask},
};
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{JoinHandle, sleep, spawn},
    time::{Duration, Instant},
};
use testkit::programs::{Running, until};

/// Without the variable: enough to see that it works, beside other tests and unoptimised.
const ROTATIONS: u64 = 25;
/// A machine keeps its versions for 30 days, and every retrieval returns them: a new machine takes over after so many.
const ROTATIONS_OF_A_MACHINE: usize = 100;

/// Asks the running agent for a new password again and again, for as long as it lives.
struct Asker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asker {
    /// `answered` counts the passwords that an answer named.
    fn of(machine: &Machine, answered: &Arc<AtomicU64>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (state, stopped, answered) = (machine.state.clone(), stop.clone(), answered.clone());
        let thread = spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match ask(&state, Verb::Reset) {
                    Ok(Some(answer)) => drop(answered.fetch_add(answer.proven.len() as u64, Ordering::Relaxed)),
                    // It was killed, or does not listen yet.
                    Ok(None) | Err(_) => sleep(Duration::from_millis(1)),
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[derive(Debug, Default)]
struct Figures {
    rotations: u64,
    machines: u64,
    agent_kills: u64,
    server_kills: u64,
    both_at_once: u64,
    in_a_rotation: u64,
    candidates: u64,
    more_than_one: u64,
    opened_by_the_best: u64,
    checks: u64,
    lost: u64,
}

impl Figures {
    fn take(&mut self, tried: &Tried, when: &str) {
        self.checks += 1;
        self.candidates += tried.candidates as u64;
        self.more_than_one += u64::from(tried.candidates > 1);
        self.opened_by_the_best += u64::from(tried.best);
        if tried.opening != 1 {
            self.lost += 1;
            println!("LOST {when}: {tried:?}");
        }
    }

    fn print(&self, took: Duration, seed: u64) {
        let seconds = took.as_secs_f64();
        println!(
            "soak: {} rotations proven on {} machines in {seconds:.0} s ({:.1} a second), seed {seed}",
            self.rotations,
            self.machines,
            self.rotations as f64 / seconds
        );
        println!(
            "soak: {} kills of the agent, {} of the server ({} of both at once); {} of the kills with an unresolved intent",
            self.agent_kills, self.server_kills, self.both_at_once, self.in_a_rotation
        );
        println!(
            "soak: {} checks, {} candidates tried, {} checks with more than one; the best opened in {}; lost: {}",
            self.checks, self.candidates, self.more_than_one, self.opened_by_the_best, self.lost
        );
    }
}

fn pid_of(agent: &Running) -> Pid {
    Pid::from_raw(i32::try_from(agent.id()).unwrap()).unwrap()
}

/// Holds the agent still; returns when it is.
fn hold(agent: &Running) {
    kill_process(pid_of(agent), Signal::STOP).unwrap();
    let held = waitpid(Some(pid_of(agent)), WaitOptions::UNTRACED).unwrap();
    assert!(held.is_some_and(|(_, status)| status.stopped()), "the agent ended by itself");
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var_os(name)?;
    Some(text.to_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number: {text:?}")))
}

#[test]
fn both_killed_at_random_moments_while_rotating() {
    let wanted = number("LAPWING_ROTATIONS").unwrap_or(ROTATIONS);
    let seed = number("LAPWING_SEED").unwrap_or_else(|| u32::from_be_bytes(clock::random().unwrap()).into());
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut figures = Figures::default();
    let mut service = Service::start();
    let began = Instant::now();
    while figures.rotations < wanted {
        let left = usize::try_from(wanted - figures.rotations).unwrap_or(usize::MAX);
        figures.machines += 1;
        figures.rotations += of_one_machine(&mut service, left.min(ROTATIONS_OF_A_MACHINE), &mut rng, &mut figures);
        if figures.machines % 10 == 0 && figures.rotations < wanted {
            figures.print(began.elapsed(), seed);
        }
    }
    figures.print(began.elapsed(), seed);
    assert_eq!(figures.lost, 0);
    assert!(figures.agent_kills > 0 && figures.server_kills > 0 && figures.in_a_rotation > 0, "{figures:?}");
}

/// Rotates a new machine's password so many times; how many were proven.
fn of_one_machine(service: &mut Service, wanted: usize, rng: &mut ChaCha20Rng, figures: &mut Figures) -> u64 {
    let machine = service.machine();
    let run = || machine.start(&["run", "--log", "stderr"]);
    let answered = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut agent = run();
    let asker = Asker::of(&machine, &answered);
    // I1 begins with the first proven version.
    until("the first passwords", || answered.load(Ordering::Relaxed) >= 2);
    let span = began.elapsed().mul_f64(1.5);
    let mut proven = 0;
    while proven < wanted {
        // From the start of the processes to some rotations later.
        sleep(span.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX)));
        let (agent_dies, server_dies) = [(true, false), (false, true), (true, true)][rng.next_u32() as usize % 3];
        // The agent stands still from here on, so that what is read and what is tried are of one moment.
        if server_dies {
            service.server.kill();
        }
        if agent_dies {
            agent.kill();
        } else {
            hold(&agent);
        }
        figures.agent_kills += u64::from(agent_dies);
        figures.server_kills += u64::from(server_dies);
        figures.both_at_once += u64::from(agent_dies && server_dies);
        figures.in_a_rotation += u64::from(machine.is_in_a_rotation());
        if server_dies {
            service.server.up();
        }
        let tried = service.try_candidates(&machine);
        let killed = [("agent", agent_dies), ("server", server_dies)].map(|(name, dies)| if dies { name } else { "" });
        figures.take(&tried, &format!("machine {} after {proven} rotations, killed {killed:?}", figures.machines));
        proven = tried.proven;
        if agent_dies {
            agent = run();
        } else {
            kill_process(pid_of(&agent), Signal::CONT).unwrap();
        }
    }
    // Without a fault it comes to rest, and one candidate is left.
    let before = answered.load(Ordering::Relaxed);
    until("the last password", || answered.load(Ordering::Relaxed) > before);
    drop(asker);
    agent.kill();
    let tried = service.try_candidates(&machine);
    figures.take(&tried, "at the end");
    assert_eq!(tried.states, ["current"], "at rest");
    tried.proven as u64
}

//! Runs the simulator: `cargo xtask simulate` calls this, built for speed.
//!
//! Usage: `simulate [--runs N] [--seconds N] [--start-seed N] [--sqlite | --memory]`, or `simulate --seed N`
//! for one run with its trace. Each seed also names a run into Active Directory, without a trace. `--mutation NAME` takes a protection away, to see it found. Ends with 1 when an invariant did not hold.
#![allow(clippy::print_stdout, reason = "its output is its report")]

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use testkit::sim::{
    Kind, Mutation, Options, Outcome, Tally,
    active_directory::{self, Counts, Domain},
    run,
};

/// Failing seeds that are shown; the rest is counted.
const SHOWN: usize = 20;

#[derive(Debug, Clone, Copy)]
struct Arguments {
    seed: Option<u64>,
    runs: u64,
    seconds: Option<u64>,
    start_seed: u64,
    store: Option<Kind>,
    mutation: Option<Mutation>,
}

fn arguments() -> Result<Arguments, String> {
    let mut asked = Arguments { seed: None, runs: 2_000, seconds: None, start_seed: 0, store: None, mutation: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        if word == "--mutation" {
            let name = words.next().unwrap_or_default();
            let known = Mutation::ALL.into_iter().find(|mutation| format!("{mutation:?}") == name);
            asked.mutation =
                Some(known.ok_or_else(|| format!("--mutation {name}: expected one of {:?}", Mutation::ALL))?);
            continue;
        }
        let mut number = || {
            let text = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            text.parse::<u64>().map_err(|_| format!("{word} {text}: not a number"))
        };
        match word.as_str() {
            "--seed" => asked.seed = Some(number()?),
            "--runs" => asked.runs = number()?,
            "--seconds" => asked.seconds = Some(number()?),
            "--start-seed" => asked.start_seed = number()?,
            "--sqlite" => asked.store = Some(Kind::Sqlite),
            "--memory" => asked.store = Some(Kind::Memory),
            other => {
                return Err(format!("{other}: expected --seed, --runs, --seconds, --start-seed, --sqlite or --memory"));
            }
        }
    }
    Ok(asked)
}

fn main() -> ExitCode {
    match arguments() {
        Err(text) => {
            eprintln!("simulate: {text}");
            ExitCode::from(2)
        }
        Ok(asked @ Arguments { seed: Some(seed), .. }) => one(seed, asked),
        Ok(asked) => many(asked),
    }
}

/// Replays one seed with its trace.
fn one(seed: u64, asked: Arguments) -> ExitCode {
    let Arguments { store, mutation, .. } = asked;
    let outcome = run(Options { store, mutation, trace: true, ..Options::new(seed) });
    for line in &outcome.trace {
        println!("{line}");
    }
    if let Err(loss) = active_directory::run(seed, Domain::of_seed(seed), None) {
        println!("seed {seed}, Active Directory: I1 does not hold: {loss}");
        return ExitCode::FAILURE;
    }
    match &outcome.loss {
        None => {
            println!(
                "seed {seed}: {} rotations, {} faults, nothing lost",
                outcome.tally.rotations,
                outcome.tally.faults_total()
            );
            ExitCode::SUCCESS
        }
        Some(loss) => {
            println!("seed {seed}: {} does not hold: {}", loss.invariant, loss.text);
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Found {
    tally: Tally,
    lost: Vec<(u64, String)>,
    busy: Duration,
}

/// Runs many seeds on every core, at least `runs`, and for at least `seconds`.
fn many(asked: Arguments) -> ExitCode {
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let found = Mutex::new(Found::default());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let in_time = asked.seconds.is_some_and(|seconds| began.elapsed().as_secs() < seconds);
                    if number >= asked.runs && !in_time {
                        return;
                    }
                    let run_began = busy(began);
                    let outcome = run(Options {
                        store: asked.store,
                        mutation: asked.mutation,
                        ..Options::new(asked.start_seed + number)
                    });
                    take(&found, &outcome, busy(began).saturating_sub(run_began));
                }
            });
        }
    });
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let in_domain = asked.mutation.is_some() || into_active_directory(asked);
    let in_cloud = report(&found, began.elapsed());
    if in_domain { in_cloud } else { ExitCode::FAILURE }
}

/// The same seeds into Active Directory (rotation.md 9). True: nothing was lost.
fn into_active_directory(asked: Arguments) -> bool {
    let (mut all, mut lost) = (Counts::default(), 0);
    for seed in (asked.start_seed..).take(usize::try_from(asked.runs).unwrap_or(usize::MAX)) {
        match active_directory::run(seed, Domain::of_seed(seed), None) {
            Ok(counts) => all.add(&counts),
            Err(loss) => {
                lost += 1;
                println!("seed {seed}, Active Directory: I1 does not hold: {loss}");
            }
        }
    }
    println!(
        "simulate: Active Directory: {} runs, {} rotations, {} crashes, {} answers lost, {} modifies late, {} waits, {lost} lost",
        asked.runs, all.rotations, all.crashes, all.lost_answers, all.late, all.waits,
    );
    lost == 0
}

/// How long this thread has had a core, as the kernel counts it; else the time since `began`.
fn busy(began: Instant) -> Duration {
    let counted = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = counted.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| began.elapsed(), Duration::from_nanos)
}

fn take(found: &Mutex<Found>, outcome: &Outcome, busy: Duration) {
    let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    found.tally.add(&outcome.tally);
    found.busy += busy;
    if let Some(loss) = &outcome.loss {
        if found.lost.len() < SHOWN {
            println!("seed {}: {} does not hold: {}", outcome.seed, loss.invariant, loss.text);
        }
        found.lost.push((outcome.seed, loss.text.clone()));
    }
}

fn report(found: &Found, elapsed: Duration) -> ExitCode {
    let Found { tally, lost, busy } = found;
    let list = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        counts.iter().map(|(kind, number)| format!("{kind} {number}")).collect::<Vec<_>>().join(", ")
    };
    println!("faults: {}", list(&tally.faults));
    println!("exceptions of I1 met (rotation.md 4): {}", list(&tally.exceptions));
    println!("I1 judged {} times, I4 on {} due cycles, {} steps", tally.checks, tally.due_cycles, tally.steps);
    if !lost.is_empty() {
        let seeds: Vec<String> = lost.iter().take(SHOWN).map(|(seed, _)| seed.to_string()).collect();
        println!("failing seeds: {} (replay one: cargo xtask simulate --seed N)", seeds.join(" "));
    }
    println!(
        "simulate: {} runs ({} on SQLite), {} rotations, {} faults of {} kinds, {:.0} rotations/s on one core, {:.0} s, {} lost",
        tally.runs,
        tally.sqlite_runs,
        tally.rotations,
        tally.faults_total(),
        tally.faults.len(),
        tally.rotations as f64 / busy.as_secs_f64(),
        elapsed.as_secs_f64(),
        lost.len(),
    );
    if lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! SIGKILL of the agent at each of the eight steps, between any two, and at random moments, against a real server;
//! after each death what retrieval returns is tried against the account (rotation.md 4, I1, and 5).
//!
//! At named points the child is this test binary again, with the agent and its own client inside; at random moments
//! it is the program `lapwing-agent`.

use super::{Machine, Service, UNKNOWN};
use crate::{
    kill::DiesAt,
    world::{Places, block_on},
};
use agent::directory;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const ROOT: &str = "LAPWING_TEST_SERVED_ROOT";
const POINT: &str = "LAPWING_TEST_SERVED_POINT";
/// The eight steps of rotation.md 2 as the machine's effects: 0 preflight (1, decide, has none), 2 to 8.
const STEPS: [&str; 8] = ["Preflight", "Generate", "Journal", "Store", "Set", "Prove", "Acknowledge", "Resolve"];

/// Not a test of its own: what the child does when its environment says so.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let places = Places { root: PathBuf::from(root) };
    let point = std::env::var_os(POINT).and_then(|point| point.to_str()?.parse().ok());
    let witness = DiesAt::new(point).noting(place_of_death(&places));
    let mut agent = places.agent_with(Box::new(directory::client_of), witness);
    let done = block_on(agent.cycle(true, &mut || None)).unwrap();
    assert_eq!(done.finish.last_error, None);
}

fn place_of_death(places: &Places) -> PathBuf {
    places.root.join("died")
}

/// Runs a child; where it died, or `None` when it came to its end before that.
fn dies(machine: &Machine, point: Option<u32>) -> Option<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["served::kill::child", "--exact"]).env(ROOT, &machine.places.root).env_remove(POINT);
    if let Some(point) = point {
        command.env(POINT, point.to_string());
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    match status.signal() {
        Some(9) => Some(fs::read_to_string(place_of_death(&machine.places)).unwrap()),
        None if status.success() => None,
        _ => panic!("the child ended with {status}"),
    }
}

/// A cycle without a fault, after which there is one candidate, and it opens the account.
fn settle(service: &mut Service, machine: &Machine, when: &str) {
    assert_eq!(dies(machine, None), None, "{when}");
    let tried = service.try_candidates(machine);
    assert_eq!((tried.candidates, tried.opening), (1, 1), "{when}: {tried:?}");
    assert_eq!(tried.states, ["current"], "{when}");
}

#[test]
fn killed_at_every_step_and_between_any_two() {
    let mut service = Service::start();
    let grown = service.machine();
    settle(&mut service, &grown, "at first");
    let (mut deaths, mut candidates) = (0, 0);
    // The first rotation of a machine, then every later one: both have all points.
    for fresh in [true, false] {
        let mut places = BTreeSet::new();
        for point in 0.. {
            let new = fresh.then(|| service.machine());
            let machine = new.as_ref().unwrap_or(&grown);
            let Some(place) = dies(machine, Some(point)) else { break };
            // Before its first proven version a machine may have none at all.
            if !fresh {
                let tried = service.try_candidates(machine);
                assert_eq!(tried.opening, 1, "I1, killed {place}: {tried:?}");
                candidates += tried.candidates;
            }
            settle(&mut service, machine, &format!("after the restart, killed {place}"));
            deaths += 1;
            places.insert(place);
        }
        for step in STEPS {
            for when in ["before", "after"] {
                assert!(places.contains(&format!("{when} {step}")), "no death {when} {step}: {places:?}");
            }
        }
    }
    println!("{deaths} deaths at named points, {candidates} candidates tried");
}

#[test]
fn the_program_killed_at_random_moments() {
    let mut service = Service::start();
    let machine = service.machine();
    settle(&mut service, &machine, "at first");
    let began = Instant::now();
    let mut whole = machine.start(&["reset"]);
    assert!(whole.ends_well());
    let whole = began.elapsed();
    let (mut deaths, mut begun) = (0, 0);
    for round in 0..40_u32 {
        let mut running = machine.start(&["reset"]);
        // Spread over the life of a process, so that each stretch of it is hit.
        std::thread::sleep(whole.mul_f64(f64::from(round % 20) / 20.0) + Duration::from_micros(u64::from(round) * 97));
        deaths += u32::from(running.is_alive());
        running.kill();
        begun += u32::from(machine.is_in_a_rotation());
        let tried = service.try_candidates(&machine);
        assert_eq!(tried.opening, 1, "I1, round {round}: {tried:?}");
    }
    settle(&mut service, &machine, "at the end");
    // The control: a password that another hand set is opened by no candidate, and the check sees it.
    let shadow = machine.places.tree().join("etc/shadow");
    let text = fs::read_to_string(&shadow).unwrap();
    let line = text.lines().find(|line| line.starts_with("ops:")).unwrap();
    fs::write(&shadow, text.replace(line, &format!("ops:{UNKNOWN}:20000:0:99999:7:::"))).unwrap();
    assert_eq!(service.try_candidates(&machine).opening, 0, "the check finds nothing wrong");
    println!("{deaths} deaths at random moments, {begun} of them with an unresolved intent");
    assert!(deaths >= 20, "only {deaths} of 40 processes were killed before their end");
}

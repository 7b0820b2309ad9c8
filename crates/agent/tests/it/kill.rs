//! SIGKILL at each of the eight steps, between any two, twice in a row, and at random moments; after each
//! death the machine is looked at, and after a restart I1 holds (rotation.md 4 and 5).
//!
//! The child is this test binary again, told by its environment where to die.

use crate::world::{Book, FileDirectory, Places, World, block_on};
use agent::effect::Witness;
use laps::cycle::{Effect, Outcome};
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::{
    ffi::OsStr,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Tells the child where its machine is.
pub(crate) const ROOT: &str = "LAPWING_TEST_ROOT";
const POINT: &str = "LAPWING_TEST_POINT";

/// Dies at the n-th point; every effect has one before it and one after it.
pub(crate) struct DiesAt {
    left: Option<u32>,
    note: Option<PathBuf>,
    effect: String,
}

impl DiesAt {
    /// Without a number it lives.
    pub(crate) fn new(point: Option<u32>) -> Self {
        Self { left: point, note: None, effect: String::new() }
    }
    /// Writes where it dies into a file first, such as `before Store`.
    pub(crate) fn noting(self, file: PathBuf) -> Self {
        Self { note: Some(file), ..self }
    }
    fn point(&mut self, when: &str) {
        match &mut self.left {
            Some(0) => {
                if let Some(note) = &self.note {
                    fs::write(note, format!("{when} {}", self.effect)).unwrap();
                }
                let _ = kill_process(getpid(), Signal::KILL);
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }
}

impl Witness for DiesAt {
    fn before(&mut self, effect: &Effect) {
        let whole = match effect {
            Effect::Rotation(step) => format!("{step:?}"),
            other => format!("{other:?}"),
        };
        self.effect = whole.chars().take_while(char::is_ascii_alphanumeric).collect();
        self.point("before");
    }
    fn after(&mut self, _: &Outcome) {
        self.point("after");
    }
}

/// Not a test of its own: what the child does when its environment says so.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let places = Places { root: PathBuf::from(root) };
    let left = std::env::var_os(POINT).and_then(|point| point.to_str()?.parse().ok());
    let directory = FileDirectory::new(places.book());
    let mut agent = places.agent(&directory, DiesAt::new(left));
    let done = block_on(agent.cycle(true, &mut || None)).unwrap();
    assert_eq!(done.finish.last_error, None);
}

fn spawn(places: &Places, point: Option<u32>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["kill::child", "--exact"]).env(ROOT, &places.root).stdout(Stdio::null()).stderr(Stdio::null());
    match point {
        Some(point) => command.env(POINT, OsStr::new(&point.to_string())),
        None => command.env_remove(POINT),
    };
    command.spawn().unwrap()
}

/// Runs a child; `true` when it died where it was told to, `false` when it came to its end before that.
fn dies(places: &Places, point: Option<u32>) -> bool {
    let status = spawn(places, point).wait().unwrap();
    match status.signal() {
        Some(9) => true,
        None if status.success() => false,
        _ => panic!("the child ended with {status}"),
    }
}

/// Comes to rest: a cycle without a fault, after which the current version opens the account.
fn settle(places: &Places, when: &str) {
    assert!(!dies(places, None), "{when}");
    let book = Book::read(&places.book());
    let row = book.current().unwrap_or_else(|| panic!("{when}: no current version"));
    assert!(
        places.opens(&row.account_name, row.account_id, &row.password),
        "{when}: the current version does not open"
    );
    places.check(when);
}

#[test]
fn killed_at_every_step_and_between_any_two() {
    let world = World::new();
    let places = &world.places;
    let mut points = 0;
    // The first rotation of a machine, then every later one: both have all points.
    for fresh in [true, false] {
        let mut point = 0;
        loop {
            let world = fresh.then(World::new);
            let places = world.as_ref().map_or(places, |world| &world.places);
            let died = dies(places, Some(point));
            places.check(&format!("after the death at point {point}"));
            settle(places, &format!("after the restart, killed at point {point}"));
            if !died {
                break;
            }
            point += 1;
        }
        // Eight steps, check-in, inspection, report and memory; each has two points.
        assert!(point >= 22, "only {point} points");
        points += point;
    }
    assert_eq!(places.password_on_disk(), None);
    println!("{points} deaths");
}

#[test]
fn killed_twice_in_a_row() {
    let world = World::new();
    let places = &world.places;
    settle(places, "first");
    let mut deaths = 0;
    // From the journal on there is something to recover.
    for first in 10..24 {
        for second in [0, 1, 2, 3, 5, 8, 13] {
            if dies(places, Some(first)) {
                deaths += 1;
                places.check(&format!("after the death at {first}"));
                deaths += u32::from(dies(places, Some(second)));
                places.check(&format!("after the deaths at {first} and {second}"));
            }
        }
        settle(places, &format!("after two deaths, the first at {first}"));
    }
    assert!(deaths > 100, "{deaths}");
}

#[test]
fn killed_at_random_moments() {
    let world = World::new();
    let places = &world.places;
    settle(places, "first");
    let began = std::time::Instant::now();
    assert!(!dies(places, None));
    let whole = began.elapsed();
    let mut deaths = 0;
    for round in 0..60_u32 {
        let mut child = spawn(places, None);
        // Spread over the life of a child, so that each stretch of it is hit.
        std::thread::sleep(whole.mul_f64(f64::from(round % 30) / 30.0) + Duration::from_micros(u64::from(round) * 37));
        if let Some(pid) = Pid::from_raw(i32::try_from(child.id()).unwrap()) {
            let _ = kill_process(pid, Signal::KILL);
        }
        deaths += u32::from(child.wait().unwrap().signal() == Some(9));
        places.check(&format!("round {round}"));
    }
    settle(places, "at the end");
    assert!(deaths >= 20, "only {deaths} of 60 children were killed before their end");
}

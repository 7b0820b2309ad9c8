//! SIGKILL between any two replacements of the account files, and at every step, while an account is made,
//! renamed or deleted (rotation.md 5, "within a rename too", and 7): after each death the account is wholly the
//! old or wholly the new one and I1 holds; after a restart no line of a name that nobody has is left.
//!
//! The child is this test binary again, told by its environment where to die.

use crate::owned::{owned, policy};
use crate::world::{Book, FileDirectory, Places, World, block_on};
use agent::{
    accounts::AccountFile,
    effect::Witness,
    platform::{ManagedTree, Tree},
};
use laps::cycle::{Effect, Outcome};
use proto::device::VersionState;
use rustix::process::{Signal, getpid, kill_process};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

const ROOT: &str = "LAPWING_TEST_OWNED_ROOT";
const POINT: &str = "LAPWING_TEST_OWNED_POINT";
const RESET: &str = "LAPWING_TEST_OWNED_RESET";
/// How many files were replaced before the death stands here.
const REPLACED: &str = "replaced";

/// Dies at the n-th point: before and after each effect, and after each replacement of a file.
struct DiesAt {
    left: Option<u32>,
    replaced: u32,
    note: PathBuf,
}

impl DiesAt {
    fn point(&mut self) {
        match &mut self.left {
            Some(0) => {
                fs::write(&self.note, self.replaced.to_string()).unwrap();
                let _ = kill_process(getpid(), Signal::KILL);
            }
            Some(left) => *left -= 1,
            None => {}
        }
    }
}

impl Witness for DiesAt {
    fn before(&mut self, _: &Effect) {
        self.point();
    }
    fn after(&mut self, _: &Outcome) {
        self.point();
    }
    fn replaced(&mut self, _: AccountFile) {
        self.replaced += 1;
        self.point();
    }
}

/// Not a test of its own: what the child does when its environment says so.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let places = Places { root: PathBuf::from(root) };
    let left = std::env::var_os(POINT).and_then(|point| point.to_str()?.parse().ok());
    let directory = FileDirectory::new(places.book());
    let note = places.root.join(REPLACED);
    let mut agent = places.agent(&directory, DiesAt { left, replaced: 0, note });
    let done = block_on(agent.cycle(std::env::var_os(RESET).is_some(), &mut || None)).unwrap();
    assert_eq!(done.finish.last_error, None);
}

/// Runs a child; `true` when it died where it was told to, `false` when it came to its end before that.
fn dies(places: &Places, point: Option<u32>, reset: bool) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["owned_kill::child", "--exact"]).env(ROOT, &places.root);
    command.stdout(Stdio::null()).stderr(Stdio::null()).env_remove(POINT).env_remove(RESET);
    if let Some(point) = point {
        command.env(POINT, point.to_string());
    }
    if reset {
        command.env(RESET, "1");
    }
    let status = command.status().unwrap();
    match status.signal() {
        Some(9) => true,
        None if status.success() => false,
        _ => panic!("the child ended with {status}"),
    }
}

/// What holds at every moment: the files are good, whoever has a passwd line has a shadow line, the uid stays,
/// and I1 (rotation.md 4): what opens the account is a version that the directory has and did not abandon.
fn check(places: &Places, when: &str) {
    let files = ManagedTree::new(Tree::below(&places.tree()).unwrap()).files().unwrap();
    for entry in files.passwd.lines() {
        assert!(files.shadow.named(&entry.name).is_some(), "{when}: {} has no shadow line", entry.name);
    }
    let own: Vec<_> = files.passwd.lines().iter().filter(|entry| entry.uid > 1000).collect();
    assert!(own.len() <= 1, "{when}: {own:?}");
    let book = Book::read(&places.book());
    if !book.ever_proven {
        return;
    }
    let opening = book.rows.iter().filter(|row| {
        row.state != VersionState::Abandoned && places.opens(&row.account_name, row.account_id, &row.password)
    });
    // With two accounts (a change of target) each may have its own.
    assert!(opening.count() >= 1, "I1 {when}: no version of the directory opens the account");
    let memory = agent::state::StateDir::open(&places.state()).unwrap().memory().unwrap();
    if let Some(memory) = memory {
        let standing = files.passwd.lines().iter().find(|entry| entry.uid == memory.account.id);
        if let Some(entry) = standing {
            let known = book.rows.iter().any(|row| {
                row.account_name == entry.name && places.opens(&row.account_name, row.account_id, &row.password)
            });
            assert!(known, "I1 {when}: {} is opened by no version under that name", entry.name);
        }
    }
}

/// After a restart: names of shadow, group and gshadow are names of passwd, and no change is left open.
fn settled(places: &Places, when: &str) {
    assert!(!dies(places, None, false), "{when}");
    let files = ManagedTree::new(Tree::below(&places.tree()).unwrap()).files().unwrap();
    let names: BTreeSet<&str> = files.passwd.lines().iter().map(|entry| entry.name.as_str()).collect();
    let shadow: BTreeSet<&str> = files.shadow.lines().iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, shadow, "{when}");
    for group in files.group.lines().iter().chain(files.gshadow.as_ref().unwrap().lines()) {
        for member in &group.members {
            assert!(names.contains(member.as_str()), "{when}: {member} is left in {}", group.name);
        }
    }
    let ownership = agent::state::StateDir::open(&places.state()).unwrap().ownership().unwrap();
    assert_eq!(ownership.change, None, "{when}");
    for entry in fs::read_dir(places.tree().join("etc")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // A lock file of a dead process is stale for whoever comes next.
        assert!(!name.starts_with(".lapwing-new"), "{when}: {name}");
    }
}

/// Dies at every point of one cycle, each time in a world that `prepare` brought to the same place.
fn die_everywhere(what: &str, reset: bool, prepare: impl Fn() -> World, after: impl Fn(&World, &str)) -> BTreeSet<u32> {
    let mut between = BTreeSet::new();
    let mut point = 0;
    loop {
        let world = prepare();
        let died = dies(&world.places, Some(point), reset);
        let when = format!("{what}, killed at point {point}");
        if died {
            check(&world.places, &when);
            between.insert(fs::read_to_string(world.places.root.join(REPLACED)).unwrap().parse().unwrap());
        }
        settled(&world.places, &when);
        check(&world.places, &format!("{when}, after the restart"));
        after(&world, &when);
        if !died {
            println!("{what}: {point} deaths, after {between:?} replacements");
            return between;
        }
        point += 1;
    }
}

const RANDOM: &str = "AutomaticAccountManagementRandomizeName = true\nAutomaticAccountManagementEnableAccount = true\n";

fn opens_current(world: &World, when: &str) {
    let book = world.directory.book();
    let row = book.current().unwrap_or_else(|| panic!("{when}: no current version"));
    assert!(world.places.opens(&row.account_name, row.account_id, &row.password), "{when}: {}", row.account_name);
}

#[test]
fn killed_while_an_account_is_made() {
    let between =
        die_everywhere("making", false, || owned("AutomaticAccountManagementEnableAccount = true\n"), opens_current);
    // shadow, group, gshadow, passwd; then the credential.
    assert!(between.is_superset(&(0..=5).collect()), "{between:?}");
}

#[test]
fn killed_while_an_account_is_renamed() {
    let prepare = || {
        let world = owned(RANDOM);
        assert!(!dies(&world.places, None, false));
        world
    };
    let between = die_everywhere("renaming", true, prepare, opens_current);
    // shadow, group, gshadow, passwd (the commit point), shadow, group, gshadow.
    assert!(between.is_superset(&(0..=7).collect()), "{between:?}");
}

#[test]
fn killed_while_an_account_is_deleted() {
    let prepare = || {
        let world = owned("AutomaticAccountManagementEnableAccount = true\n");
        assert!(!dies(&world.places, None, false));
        policy(&world, "AutomaticAccountManagementTarget = 0\nAutomaticAccountManagementEnableAccount = true\n");
        world
    };
    let gone = |world: &World, when: &str| {
        opens_current(world, when);
        assert!(!dies(&world.places, None, false), "{when}");
        let passwd = fs::read_to_string(world.places.tree().join("etc/passwd")).unwrap();
        assert!(!passwd.contains("WLapsAdmin"), "{when}");
    };
    let between = die_everywhere("deleting", false, prepare, gone);
    // The credential of uid 0 (without a rename it is no row of several), then passwd, shadow, group, gshadow.
    assert!(between.is_superset(&(1..=5).collect()), "{between:?}");
}

/// Two deaths in a row: the recovery is interrupted too.
#[test]
fn killed_while_a_rename_is_recovered() {
    let mut deaths = 0;
    for first in (12..26).step_by(2) {
        let world = owned(RANDOM);
        assert!(!dies(&world.places, None, false));
        if !dies(&world.places, Some(first), true) {
            continue;
        }
        for second in [0, 1, 2, 3] {
            deaths += u32::from(dies(&world.places, Some(second), false));
            check(&world.places, &format!("killed at {first}, then at {second}"));
        }
        settled(&world.places, &format!("killed at {first} and four times more"));
        opens_current(&world, &format!("killed at {first}"));
    }
    assert!(deaths >= 20, "{deaths}");
}

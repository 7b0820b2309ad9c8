//! Drift on a real account tree: what another hand, a snapshot or a clone did to the machine is found, named,
//! told and repaired (rotation.md 3 and 10), and a damaged state file stops nothing.

use crate::world::{Agent, Fault, Places, World, block_on};
use agent::{effect::Witness, state::StateDir};
use laps::{
    cycle::Finish,
    decide::Reason,
    drift::{Drift, REPAIRS_PER_DAY},
    event,
};
use proto::device::VersionState;
use std::{fs, path::Path};

/// A hash of a password that nobody noted.
const BY_HAND: &str =
    "$6$lapwingdemo$GpEL0ZeZ1lYnxeQ4mwUIMxvECZS7hgCna.S.ZXISj6KN22HBjmmQ0qPPxnrqdTGDKuITCIkdjZIzRT9/1A434.";

fn run<W: Witness>(agent: &mut Agent<W>) -> Finish {
    block_on(agent.cycle(false, &mut || None)).unwrap().finish
}

/// A machine whose account `ops`, an administrator, is enabled and managed, with its first password set.
fn managed() -> World {
    let world = World::new();
    write(&world, "etc/shadow", |text| text.replace("ops:!:", &format!("ops:{BY_HAND}:")));
    let policy = "BackupDirectory = 1\nAdministratorAccountName = \"ops\"\n";
    fs::write(world.places.state().join("policy/local.toml"), policy).unwrap();
    assert_eq!(run(&mut world.agent()).reasons, [Reason::FirstRotation]);
    assert_eq!(run(&mut world.agent()).reasons, [], "what was just set has not drifted");
    assert_eq!(told(&world), [""; 0]);
    world
}

fn write(world: &World, file: &str, change: impl FnOnce(String) -> String) {
    let path = world.places.tree().join(file);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

/// Another hand sets a password.
fn change_by_hand(world: &World, salt: &str) {
    write(world, "etc/shadow", |text| {
        let lines = text.lines().map(|line| match line.strip_prefix("ops:") {
            Some(rest) => {
                let (_, rest) = rest.split_once(':').unwrap();
                format!("ops:{}:{rest}\n", BY_HAND.replace("lapwingdemo", salt))
            }
            None => format!("{line}\n"),
        });
        lines.collect()
    });
}

fn told(world: &World) -> Vec<String> {
    world.directory.book().last_report.unwrap().evidence.drift
}

fn notes(world: &World, id: u32) -> Vec<String> {
    let records = world.places.events().into_iter().filter(|record| record.event == id);
    records.map(|record| record.text).collect()
}

fn current_opens(world: &World) -> bool {
    let book = world.directory.book();
    let row = book.current().unwrap();
    world.places.opens(&row.account_name, row.account_id, &row.password)
}

/// Reports that the directory was sent, in the order of the cycle, as words of drift.
fn cycle_and_reports(world: &World) -> (Finish, Vec<Vec<String>>) {
    let reports = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
    struct Reports(std::rc::Rc<std::cell::RefCell<Vec<Vec<String>>>>);
    impl Witness for Reports {
        fn before(&mut self, effect: &laps::cycle::Effect) {
            if let laps::cycle::Effect::Report(report) = effect {
                self.0.borrow_mut().push(report.drift.iter().map(ToString::to_string).collect());
            }
        }
    }
    let mut agent = world.places.agent(&world.directory, Reports(reports.clone()));
    let finish = run(&mut agent);
    let reports = reports.borrow().clone();
    (finish, reports)
}

/// rotation.md 10, rotation.md 4 I1 (a): the password was changed by another hand.
#[test]
fn a_password_that_was_changed_by_hand_is_found_told_and_repaired() {
    let world = managed();
    change_by_hand(&world, "lapwingother");
    assert!(!current_opens(&world));
    let (finish, reports) = cycle_and_reports(&world);
    assert_eq!(finish.reasons, [Reason::Drift(Drift::ChangedByHand)]);
    assert!(current_opens(&world));
    assert_eq!(reports, [vec!["changed_by_hand".to_owned()], vec![]], "told before, and that it is over");
    let book = world.directory.book();
    assert_eq!(book.rows.last().unwrap().reasons, ["drift_changed_by_hand"]);
    assert_eq!(notes(&world, event::DRIFT).len(), 1);
    assert_eq!(run(&mut world.agent()).reasons, []);
    assert_eq!(notes(&world, event::DRIFT).len(), 1, "no event without news");
}

/// A verifier that was taken away is a change by hand too.
#[test]
fn an_emptied_password_field_is_a_change_by_hand() {
    let world = managed();
    write(&world, "etc/shadow", |text| {
        let start = text.find("ops:").unwrap() + 4;
        let end = start + text[start..].find(':').unwrap();
        format!("{}{}", &text[..start], &text[end..])
    });
    assert_eq!(run(&mut world.agent()).reasons, [Reason::Drift(Drift::ChangedByHand)]);
    assert!(current_opens(&world));
}

/// rotation.md 5: a roll-back of /etc alone.
#[test]
fn a_restored_account_database_is_told_from_a_change_by_hand() {
    let world = managed();
    let shadow = fs::read(world.places.tree().join("etc/shadow")).unwrap();
    block_on(world.agent().cycle(true, &mut || None)).unwrap();
    fs::write(world.places.tree().join("etc/shadow"), &shadow).unwrap();
    let (finish, reports) = cycle_and_reports(&world);
    assert_eq!(finish.reasons, [Reason::Drift(Drift::RolledBack)]);
    assert_eq!(reports[0], ["rolled_back"]);
    assert!(current_opens(&world));
}

/// rotation.md 7 and 10: the built-in administrator under another name is the same account.
#[test]
fn a_renamed_built_in_administrator_rotates_under_its_new_name() {
    let world = World::new();
    run(&mut world.agent());
    for file in ["etc/passwd", "etc/shadow"] {
        write(&world, file, |text| text.replace("root:", "chef:"));
    }
    let finish = run(&mut world.agent());
    assert_eq!(finish.reasons, [Reason::Drift(Drift::Renamed)]);
    assert_eq!(world.directory.book().current().unwrap().account_name, "chef");
    assert!(current_opens(&world));
}

/// Policy asks for a name that is gone: told with what the account is called now, and nothing is set.
#[test]
fn a_renamed_account_that_policy_names_is_told_and_left() {
    let world = managed();
    for file in ["etc/passwd", "etc/shadow"] {
        write(&world, file, |text| text.replace("ops:", "chef:"));
    }
    let finish = run(&mut world.agent());
    assert_eq!(finish.reasons, []);
    assert_eq!(finish.last_error.unwrap().event, event::ACCOUNT_NOT_FOUND);
    assert_eq!(told(&world), ["renamed"]);
    assert!(notes(&world, event::DRIFT)[0].contains("\"chef\""), "{:?}", notes(&world, event::DRIFT));
    // Named as before, it is managed as before.
    for file in ["etc/passwd", "etc/shadow"] {
        write(&world, file, |text| text.replace("chef:", "ops:"));
    }
    assert_eq!(run(&mut world.agent()).last_error, None);
    assert_eq!(told(&world), [""; 0]);
    assert_eq!(notes(&world, event::DRIFT_OVER).len(), 1);
}

/// rotation.md 10: one rotation when it is found. In manual mode Lapwing never enables or promotes an account: it is
/// told further.
#[test]
fn a_disabled_or_demoted_account_is_rotated_once_and_told_until_it_is_as_it_was() {
    let world = managed();
    let group = fs::read(world.places.tree().join("etc/group")).unwrap();
    write(&world, "etc/group", |text| text.replace("sudo:x:27:ops", "sudo:x:27:"));
    assert_eq!(run(&mut world.agent()).reasons, [Reason::Drift(Drift::NotAdministrator)]);
    assert_eq!(told(&world), ["not_administrator"]);
    assert_eq!(run(&mut world.agent()).reasons, []);
    write(&world, "etc/shadow", |text| text.replace("ops:$", "ops:!$"));
    assert_eq!(run(&mut world.agent()).reasons, [Reason::Drift(Drift::Disabled)]);
    assert_eq!(told(&world), ["not_administrator", "disabled"]);
    assert_eq!(run(&mut world.agent()).reasons, []);
    assert_eq!(told(&world), ["not_administrator", "disabled"]);
    assert!(fs::read_to_string(world.places.tree().join("etc/shadow")).unwrap().contains("ops:!$"), "still locked");
    assert_eq!(notes(&world, event::DRIFT).len(), 2);
    fs::write(world.places.tree().join("etc/group"), group).unwrap();
    write(&world, "etc/shadow", |text| text.replace("ops:!$", "ops:$"));
    run(&mut world.agent());
    assert_eq!(told(&world), [""; 0]);
    assert_eq!(notes(&world, event::DRIFT_OVER).len(), 1);
}

/// A rotation that is due otherwise takes the account as it finds it.
#[test]
fn a_rotation_takes_a_disabled_account_as_it_finds_it() {
    let world = managed();
    write(&world, "etc/shadow", |text| text.replace("ops:$", "ops:!$"));
    run(&mut world.agent());
    assert_eq!(told(&world), ["disabled"]);
    block_on(world.agent().cycle(true, &mut || None)).unwrap();
    assert_eq!(told(&world), [""; 0]);
    assert!(fs::read_to_string(world.places.tree().join("etc/shadow")).unwrap().contains("ops:!$"), "still locked");
}

#[test]
fn a_deleted_account_is_told_and_not_made_again() {
    let world = managed();
    for file in ["etc/passwd", "etc/shadow"] {
        write(&world, file, |text| {
            text.lines().filter(|line| !line.starts_with("ops:")).map(|l| format!("{l}\n")).collect()
        });
    }
    assert_eq!(run(&mut world.agent()).reasons, []);
    assert_eq!(told(&world), ["deleted"]);
    assert!(!fs::read_to_string(world.places.tree().join("etc/passwd")).unwrap().contains("ops"));
    // Another account under the name: told, and its password is managed from now on.
    write(&world, "etc/passwd", |text| format!("{text}ops:x:1007:1007::/home/ops:/bin/sh\n"));
    write(&world, "etc/shadow", |text| format!("{text}ops:{BY_HAND}:20000:0:99999:7:::\n"));
    assert_eq!(run(&mut world.agent()).reasons, [Reason::AccountChanged, Reason::Drift(Drift::Deleted)]);
    assert!(current_opens(&world));
}

/// rotation.md 10: held after three repairs in 24 h, by a counter that outlives the process; rotations that are
/// otherwise due still run.
#[test]
fn repair_is_held_after_three_in_a_day() {
    let world = managed();
    for n in 0..REPAIRS_PER_DAY {
        change_by_hand(&world, &format!("lapwinghand{n}"));
        assert_eq!(run(&mut world.agent()).reasons, [Reason::Drift(Drift::ChangedByHand)], "repair {n}");
    }
    change_by_hand(&world, "lapwinghand9");
    let finish = run(&mut world.agent());
    assert_eq!(finish.reasons, []);
    let evidence = world.directory.book().last_report.unwrap().evidence;
    assert!(evidence.repair_held, "told in the same cycle");
    assert_eq!(evidence.drift, ["changed_by_hand"]);
    assert_eq!(notes(&world, event::REPAIR_HELD).len(), 1);
    assert_eq!(run(&mut world.agent()).reasons, [], "another process holds it too");
    assert_eq!(notes(&world, event::REPAIR_HELD).len(), 1);

    world.directory.change(|book| book.rotate_requested = Some(99));
    assert_eq!(run(&mut world.agent()).reasons, [Reason::DirectoryRequest]);
    assert!(current_opens(&world));

    // The bound is the directory's.
    let world = managed();
    world.directory.change(|book| book.repairs_per_day = Some(1));
    change_by_hand(&world, "lapwinghand0");
    assert_eq!(run(&mut world.agent()).reasons, [Reason::Drift(Drift::ChangedByHand)]);
    change_by_hand(&world, "lapwinghand1");
    assert_eq!(run(&mut world.agent()).reasons, []);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            _ => {} // the socket of an agent that runs
        }
    }
}

/// rotation.md 3, "forked": the whole machine was restored from a snapshot.
#[test]
fn a_machine_that_was_rolled_back_is_a_fork_and_rotates_at_once() {
    let world = managed();
    let snapshot = tempfile::tempdir().unwrap();
    copy(&world.places.root, snapshot.path());
    block_on(world.agent().cycle(true, &mut || None)).unwrap();
    for part in ["state", "tree"] {
        fs::remove_dir_all(world.places.root.join(part)).unwrap();
        copy(&snapshot.path().join(part), &world.places.root.join(part));
    }
    let finish = run(&mut world.agent());
    assert_eq!(finish.reasons, [Reason::DirectoryDiffers]);
    assert!(current_opens(&world));
    assert!(notes(&world, event::DRIFT)[0].contains("restored from a snapshot"));
}

/// rotation.md 5: /var alone rolled back. The agent's own newer password is no change by another hand.
#[test]
fn a_state_directory_that_was_rolled_back_is_a_fork_too() {
    let world = managed();
    let snapshot = tempfile::tempdir().unwrap();
    copy(&world.places.state(), &snapshot.path().join("state"));
    block_on(world.agent().cycle(true, &mut || None)).unwrap();
    fs::remove_dir_all(world.places.state()).unwrap();
    copy(&snapshot.path().join("state"), &world.places.state());
    let finish = run(&mut world.agent());
    assert_eq!(finish.reasons, [Reason::DirectoryDiffers]);
    assert!(current_opens(&world));
}

/// rotation.md 3: a clone. Each of the two finds the other's version, and both are told in turn.
#[test]
fn a_clone_and_its_original_each_rotate_when_the_other_did() {
    let world = managed();
    let copied = tempfile::tempdir().unwrap();
    for part in ["state", "tree"] {
        copy(&world.places.root.join(part), &copied.path().join(part));
    }
    let clone = Places { root: copied.path().canonicalize().unwrap() };
    let cycle = |places: &Places| run(&mut places.agent(&world.directory, agent::effect::NoWitness));
    block_on(world.agent().cycle(true, &mut || None)).unwrap();
    assert_eq!(cycle(&clone).reasons, [Reason::DirectoryDiffers]);
    assert_eq!(cycle(&world.places).reasons, [Reason::DirectoryDiffers]);
    assert!(current_opens(&world));
    let book = world.directory.book();
    let opening = |places: &Places| {
        let row = book.rows.iter().find(|row| places.opens("ops", 1000, &row.password));
        row.map(|row| row.state)
    };
    assert_eq!(opening(&world.places), Some(VersionState::Current));
    assert_eq!(opening(&clone), Some(VersionState::Superseded), "the clone's password is kept");
}

/// Issue "bad input": a damaged state file is kept aside with an event, and the agent goes on by rotating.
#[test]
fn damaged_state_files_are_kept_aside_and_cost_a_rotation_at_most() {
    for (file, rotates) in
        [("memory.json", true), ("contact.json", false), ("policy.json", false), ("fingerprint.key", true)]
    {
        let world = managed();
        fs::write(world.places.state().join(file), b"{\"format\":1,\"torn").unwrap();
        let finish = run(&mut world.agent());
        assert_eq!(!finish.proven.is_empty(), rotates, "{file}: {:?}", finish.last_error);
        assert!(current_opens(&world), "{file}");
        let aside = Path::new(file).with_extension("damaged");
        assert_eq!(fs::read(world.places.state().join(aside)).unwrap(), b"{\"format\":1,\"torn", "{file}");
        let events = notes(&world, event::STATE_DAMAGED);
        assert!(events.len() == 1 && events[0].contains(file), "{file}: {events:?}");
        assert_eq!(world.directory.book().damaged, events, "{file}: the directory is told once");
        assert_eq!(run(&mut world.agent()).reasons, [], "{file}: whole again");
    }
}

/// rotation.md 2, CannotTell: with the fingerprint key lost in the middle of a rotation the intent is left
/// pending and overtaken; it is not abandoned, for it is what opens the account.
#[test]
fn a_fingerprint_key_lost_in_the_middle_of_a_rotation_abandons_nothing() {
    for damage in [false, true] {
        let world = managed();
        world.directory.faults([Fault::None, Fault::None, Fault::RequestLost]);
        assert!(block_on(world.agent().cycle(true, &mut || None)).unwrap().finish.unresolved);
        let key = world.places.state().join("fingerprint.key");
        if damage {
            fs::write(&key, b"short").unwrap()
        } else {
            fs::remove_file(&key).unwrap()
        }
        // Off the network the account is as it is, and what opens it is still there.
        world.directory.faults([Fault::Unreachable]);
        run(&mut world.agent());
        world.places.check("with the key lost");
        let finish = run(&mut world.agent());
        assert_eq!((finish.proven.len(), finish.last_error), (1, None));
        assert!(current_opens(&world));
        let states: Vec<_> = world.directory.book().rows.iter().map(|row| row.state).collect();
        assert!(!states.contains(&VersionState::Abandoned), "{states:?}");
    }
}

/// rotation.md 6 and issue "bad input": a line twice or a malformed one is refused with its number, nothing is
/// stored, and the files stay byte for byte as they are.
#[test]
fn an_account_database_with_a_bad_line_is_refused_and_left() {
    let bad = [
        (
            "etc/passwd",
            "ada:x:1001:1001::/home/ada:/bin/sh\nada:x:1002:1002::/home/ada:/bin/sh\n",
            "line 4",
            "account_db_duplicate",
        ),
        ("etc/passwd", "ada:x:1001\n", "line 3", "account_db_malformed"),
        ("etc/passwd", "ada:x:many:1001::/home/ada:/bin/sh\n", "line 3", "account_db_malformed"),
        ("etc/passwd", "twin:x:1000:1000::/home/ops:/bin/sh\n", "line 3", "account_db_duplicate"),
        ("etc/shadow", "ops:!:20000:0:99999:7:::\n", "line 3", "account_db_duplicate"),
        ("etc/shadow", "ada:!:20000\n", "line 3", "account_db_malformed"),
    ];
    for (file, lines, number, code) in bad {
        let world = managed();
        write(&world, file, |text| text + lines);
        let files =
            || ["etc/passwd", "etc/shadow", "etc/group"].map(|file| fs::read(world.places.tree().join(file)).unwrap());
        let before = files();
        let done = block_on(world.agent().cycle(true, &mut || None)).unwrap().finish;
        let failure = done.last_error.unwrap();
        assert_eq!(failure.code, code, "{lines:?}: {failure}");
        assert!(failure.text.contains(number), "{lines:?}: {failure}");
        assert_eq!(files(), before, "{lines:?}");
        assert_eq!(world.directory.book().rows.len(), 1, "{lines:?}: nothing was stored");
        let told = world.directory.book().last_report.unwrap().last_error.unwrap();
        assert!(told.text.contains(number), "the directory knows the line: {}", told.text);
        assert!(StateDir::open(&world.places.state()).unwrap().memory().unwrap().is_some());
    }
}

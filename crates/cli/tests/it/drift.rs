//! Drift, forks and policies that lock somebody out: what a person sees of them, on a real server with real
//! machines.

use crate::world::{Machine, World};
use serde_json::Value;
use std::{fs, path::Path};

const POLICY: &str =
    r#"{"BackupDirectory": 1, "AdministratorAccountName": "localadmin", "PostAuthenticationActions": 1}"#;

fn etc(machine: &Machine, file: &str) -> std::path::PathBuf {
    Path::new(&machine.tree()).join("etc").join(file)
}

fn change(machine: &Machine, file: &str, change: impl FnOnce(String) -> String) {
    let path = etc(machine, file);
    fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
}

/// Another hand sets a password of `localadmin`.
fn change_by_hand(machine: &Machine, salt: &str) {
    change(machine, "shadow", |text| {
        let line = |line: &str| match line.strip_prefix("localadmin:") {
            Some(_) => format!(
                "localadmin:$6${salt}$GpEL0ZeZ1lYnxeQ4mwUIMxvECZS7hgCna.S.ZXISj6KN22HBjmmQ0qPPxnrqdTGDKuITCIkdjZIzRT9/1A434.:20000:0:99999:7:::\n"
            ),
            None => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    });
}

/// While this holds, no password that is made is accepted: drift is told and stays.
fn refuse_passwords(machine: &Machine, refuse: bool) {
    let security = etc(machine, "security");
    fs::create_dir_all(&security).unwrap();
    fs::write(security.join("pwquality.conf"), if refuse { "minlen = 90\n" } else { "" }).unwrap();
}

fn world() -> World {
    let world = World::start();
    world.done(&["setting", "laps", "on"]);
    world.policy("base", POLICY);
    world.done(&["policy", "assign", "base"]);
    world
}

/// A machine with its first password set.
fn machine(world: &World, name: &str) -> Machine {
    let machine = world.join(name);
    let cycle = machine.cycle();
    assert_eq!(cycle.status, 0, "{cycle:?}");
    assert_eq!(world.explained(&world.admin, name), "ok");
    machine
}

fn shown(world: &World, name: &str) -> Value {
    let run = world.done(&["device", "show", name, "--output", "json"]);
    serde_json::from_str::<Value>(&run.out).unwrap()["status"].clone()
}

fn events(world: &World, name: &str) -> Vec<(String, String)> {
    let run = world.done(&["device", "events", name, "--output", "json"]);
    let events: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let event = |event: &Value| (event["kind"].as_str().unwrap().to_owned(), event["detail"].to_string());
    events.iter().map(event).collect()
}

fn has_event(world: &World, name: &str, kind: &str, drift: &str) -> bool {
    events(world, name).iter().any(|(found, detail)| found == kind && detail.contains(drift))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// rotation.md 10: each kind of drift as the server shows it, and what ends it.
#[test]
fn drift_is_shown_explained_and_repaired() {
    let world = world();
    let code = |name: &str| world.explained(&world.admin, name);
    world.done(&["setting", "repairs-per-day", "10"]);
    let one = machine(&world, "pc-1");
    let shadow = fs::read(etc(&one, "shadow")).unwrap();

    change_by_hand(&one, "lapwinghand1");
    refuse_passwords(&one, true);
    one.cycle();
    assert_eq!(code("pc-1"), "changed_by_hand");
    assert_eq!(shown(&world, "pc-1")["drift"], serde_json::json!(["changed_by_hand"]));
    assert!(has_event(&world, "pc-1", "drift", "changed_by_hand") && has_event(&world, "pc-1", "unknown_verifier", ""));
    refuse_passwords(&one, false);
    one.cycle();
    assert_eq!(code("pc-1"), "ok");
    assert_eq!(shown(&world, "pc-1")["drift"], serde_json::json!([]), "told in the cycle that repaired it");

    fs::write(etc(&one, "shadow"), shadow).unwrap();
    refuse_passwords(&one, true);
    one.cycle();
    assert_eq!(code("pc-1"), "rolled_back");
    assert!(has_event(&world, "pc-1", "drift", "rolled_back"));
    refuse_passwords(&one, false);
    one.cycle();
    assert_eq!(code("pc-1"), "ok");

    change(&one, "group", |text| text.replace("sudo:x:27:localadmin", "sudo:x:27:"));
    let before = fs::read(etc(&one, "shadow")).unwrap();
    one.cycle();
    assert_eq!(code("pc-1"), "account_not_administrator");
    assert_ne!(fs::read(etc(&one, "shadow")).unwrap(), before, "rotated, and told further");
    change(&one, "group", |text| text.replace("sudo:x:27:", "sudo:x:27:localadmin"));
    change(&one, "shadow", |text| text.replace("localadmin:$", "localadmin:!$"));
    one.cycle();
    assert_eq!(code("pc-1"), "account_disabled_by_hand");
    world.done(&["password", "rotate", "pc-1"]);
    one.cycle();
    assert_eq!(code("pc-1"), "account_disabled", "a rotation takes it as it is; it stays told that it is disabled");
    change(&one, "shadow", |text| text.replace("localadmin:!$", "localadmin:$"));
    one.cycle();
    assert_eq!(code("pc-1"), "ok");

    for file in ["passwd", "shadow"] {
        change(&one, file, |text| text.replace("localadmin:", "chef:"));
    }
    one.cycle();
    assert_eq!(code("pc-1"), "account_renamed");
    for file in ["passwd", "shadow"] {
        change(&one, file, |text| text.lines().filter(|l| !l.starts_with("chef:")).map(|l| format!("{l}\n")).collect());
    }
    one.cycle();
    assert_eq!(code("pc-1"), "account_deleted");
    for drift in ["not_administrator", "disabled", "renamed", "deleted"] {
        assert!(has_event(&world, "pc-1", "drift", drift), "{drift}: {:?}", events(&world, "pc-1"));
    }
}

/// rotation.md 10: held after as many repairs as the tenant's setting allows.
#[test]
fn a_repair_that_is_held_is_explained() {
    let world = world();
    world.done(&["setting", "repairs-per-day", "1"]);
    assert!(world.done(&["setting", "show"]).out.contains("repairs-per-day"));
    let one = machine(&world, "pc-1");
    for salt in ["lapwinghand1", "lapwinghand2"] {
        change_by_hand(&one, salt);
        one.cycle();
    }
    assert_eq!(world.explained(&world.admin, "pc-1"), "repair_held");
    // The machine itself says the same, without the server.
    let on_the_machine = one.agent(&["status", "--explain"], "");
    assert!(on_the_machine.out.contains("code:  repair_held"), "{on_the_machine:?}");
    assert_eq!(shown(&world, "pc-1")["repairHeld"], true);
    assert!(has_event(&world, "pc-1", "repair_held", "changed_by_hand"));
    world.done(&["password", "rotate", "pc-1"]);
    one.cycle();
    assert_eq!(world.explained(&world.admin, "pc-1"), "ok", "what is asked for still runs");
}

/// Issue "bad input": a state file that cannot be read costs a rotation, and the server's administrator hears of it.
#[test]
fn a_damaged_state_file_is_told_to_the_server() {
    let world = world();
    let one = machine(&world, "pc-1");
    for file in ["fingerprint.key", "journal.json"] {
        fs::write(Path::new(&one.state()).join(file), b"{\"format\":1,\"torn").unwrap();
        assert_eq!(one.cycle().status, 0, "{file}");
        assert!(has_event(&world, "pc-1", "state_damaged", file), "{file}: {:?}", events(&world, "pc-1"));
        assert_eq!(world.explained(&world.admin, "pc-1"), "ok", "{file}: the password is known again");
    }
    one.cycle();
    let told = events(&world, "pc-1").into_iter().filter(|(kind, _)| kind == "state_damaged").count();
    assert_eq!(told, 2, "each is told once");
}

/// rotation.md 3: a roll-back, then a second one within 7 days, which is what a clone looks like.
#[test]
fn a_restored_machine_and_a_clone_are_explained_as_forks() {
    let world = world();
    let one = machine(&world, "pc-1");
    let snapshot = tempfile::tempdir().unwrap();
    copy(Path::new(&one.state()), &snapshot.path().join("state"));
    copy(Path::new(&one.tree()), &snapshot.path().join("tree"));
    let restore = || {
        for (part, to) in [("state", one.state()), ("tree", one.tree())] {
            fs::remove_dir_all(&to).unwrap();
            copy(&snapshot.path().join(part), Path::new(&to));
        }
    };
    world.done(&["password", "rotate", "pc-1"]);
    one.cycle();
    restore();
    refuse_passwords(&one, true);
    one.cycle();
    assert_eq!(world.explained(&world.admin, "pc-1"), "forked");
    refuse_passwords(&one, false);
    one.cycle();
    assert_eq!(world.explained(&world.admin, "pc-1"), "ok", "it rotated at once");
    let got = world.done(&["password", "get", "pc-1", "--output", "json"]).out;
    let got: Value = serde_json::from_str(&got).unwrap();
    assert!(one.is_opened_by(password(&got)), "what is stored opens it");

    restore();
    one.cycle();
    assert_eq!(world.explained(&world.admin, "pc-1"), "clone_suspected");
    let kinds: Vec<String> = events(&world, "pc-1").into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "forked").count(), 2, "{kinds:?}");
    assert!(shown(&world, "pc-1")["cloneSuspected"].as_bool().unwrap());
    world.done(&["device", "clear-fork", "pc-1"]);
    assert_eq!(world.explained(&world.admin, "pc-1"), "ok");
}

/// The first password of an answer, wherever it stands in it.
fn password(answer: &Value) -> &str {
    match answer {
        Value::Object(members) => members
            .get("password")
            .and_then(Value::as_str)
            .unwrap_or_else(|| members.values().map(password).find(|text| !text.is_empty()).unwrap_or_default()),
        Value::Array(items) => items.iter().map(password).find(|text| !text.is_empty()).unwrap_or_default(),
        _ => "",
    }
}

/// Issue 3, 12: with the number of machines concerned, before anything is sent.
#[test]
fn a_policy_that_locks_somebody_out_is_told_before_it_is_assigned() {
    let world = world();
    let (one, two) = (machine(&world, "pc-1"), machine(&world, "pc-2"));
    // Nobody but the managed account can sign in on pc-2, and its own rule is strict.
    change(&two, "shadow", |text| text.replace("root:$", "root:!$"));
    let security = etc(&two, "security");
    fs::create_dir_all(&security).unwrap();
    fs::write(security.join("pwquality.conf"), "minlen = 30\n").unwrap();
    assert_eq!((one.cycle().status, two.cycle().status), (0, 0));

    let lint = |settings: &str| {
        let run = world
            .admin
            .run_with(&["policy", "lint", "-", "--group", "all", "--name", "base", "--output", "json"], settings);
        let shown: Value = serde_json::from_str(&run.out).unwrap();
        let find = shown["findings"].as_array().unwrap().iter().map(|finding| {
            let text = |name: &str| finding[name].as_str().unwrap().to_owned();
            (text("code"), finding["devices"].as_u64(), finding["names"].to_string())
        });
        assert_eq!((shown["devices"].as_u64(), shown["unknown"].as_u64()), (Some(2), Some(0)));
        (run.status, find.collect::<Vec<_>>())
    };
    let has = |found: &[(String, Option<u64>, String)], code: &str, devices: Option<u64>, name: &str| {
        found.iter().any(|(c, d, names)| c == code && *d == devices && names.contains(name))
    };
    let (status, found) = lint(
        r#"{"BackupDirectory": 1, "AdministratorAccountName": "nobody-here", "PasswordComplexity": 2,
            "PostAuthenticationActions": 5, "PasswordLength": 20}"#,
    );
    assert_eq!(status, 0, "warnings only");
    assert!(has(&found, "account_missing", Some(2), "pc-1"), "{found:?}");
    assert!(has(&found, "length_below_machine_rule", Some(1), "pc-2"), "{found:?}");
    assert!(has(&found, "weak_complexity", None, "") && has(&found, "data_loss", None, ""), "{found:?}");

    // An account of its own, kept disabled: pc-2 has nobody else once localadmin is no administrator.
    change(&two, "group", |text| text.replace("sudo:x:27:localadmin", "sudo:x:27:"));
    two.cycle();
    let (status, found) = lint(
        r#"{"BackupDirectory": 1, "AutomaticAccountManagementEnabled": true, "PasswordLength": 40,
            "AutomaticAccountManagementEnableAccount": false}"#,
    );
    assert_eq!(status, 1, "somebody is locked out");
    assert!(has(&found, "no_administrator_left", Some(1), "pc-2"), "{found:?}");
}

#[test]
fn an_assignment_that_locks_somebody_out_needs_a_confirmation() {
    let world = world();
    let one = machine(&world, "pc-1");
    // root is the only administrator that is left.
    change(&one, "group", |text| text.replace("sudo:x:27:localadmin", "sudo:x:27:"));
    one.cycle();
    let locking = r#"{"BackupDirectory": 1, "AutomaticAccountManagementEnabled": true, "PostAuthenticationActions": 1,
        "AutomaticAccountManagementTarget": 0, "AutomaticAccountManagementEnableAccount": false}"#;
    world.policy("locking", locking);
    let run = world.admin.run(&["policy", "assign", "locking"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.err.contains("policy_locks_out") && run.err.contains("1 machine (pc-1)"), "{run:?}");
    assert!(!world.done(&["policy", "show", "locking"]).out.contains("all"), "it was not assigned");
    let run = world.done(&["policy", "assign", "locking", "--yes"]);
    assert!(run.err.contains("no other administrator"), "told all the same: {run:?}");
    assert!(world.done(&["policy", "show", "locking"]).out.contains("all"));
}

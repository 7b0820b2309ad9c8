//! Commands of people who are signed in, against a real server and a real agent.

use crate::{
    program::{Home, Run},
    world::{Machine, World, until},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

const POLICY: &str = r#"{"BackupDirectory": 1, "AdministratorAccountName": "localadmin", "PasswordLength": 20}"#;
/// A rotation of a connected machine takes under 10 s; here, beside other tests, this much is allowed.
const ROTATION_LIMIT: Duration = Duration::from_secs(100);

fn refused(run: &Run, status: i32, code: &str) {
    assert_eq!((run.status, run.out.as_str()), (status, ""), "{run:?}");
    assert!(run.err.contains(&format!("code: {code}")), "{code} {run:?}");
}

/// One server for all: each part goes on where the one before ended.
#[test]
fn what_people_do() {
    let world = World::start();
    sessions(&world);
    let dana = world.person("dana", "Cloud Device Administrator");
    let hana = world.person("hana", "Helpdesk Administrator");
    let mut machine = world.join("pc-1");
    world.policy("base", POLICY);
    let assigned = world.done(&["policy", "assign", "base"]);
    assert!(assigned.err.contains("next: lapwing setting laps on"), "{assigned:?}");
    world.done(&["setting", "laps", "on"]);
    machine.start();
    // Between the store and the proof a reader gets the pending version.
    until("pc-1 is proven", || dana.run(&["password", "get", "pc-1"]).err.contains(": current, proven "));
    reading(&dana, &hana, &machine);
    rotating(&world, &dana, &hana, &machine);
    names(&world, &dana);
    states(&world, &dana);
    auditing(&world, &machine);
    signing_out(&dana);
}

fn sessions(world: &World) {
    let directory = world.admin.path().join(".config/lapwing");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&directory.join("session.json"))), (0o700, 0o600));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing else beside the session");
    let text = fs::read_to_string(directory.join("session.json")).unwrap();
    assert!(!text.contains("correct horse") && !text.contains(&world.one_time), "no password in the session");

    let who = world.done(&["whoami"]);
    assert!(who.out.contains("admin") && who.out.contains("Global Administrator") && who.out.contains(&world.url));

    // The one-time secret is used up; a wrong password, and a server that is not the right one, get nothing.
    let again = world.login(&Home::new(), "admin", &world.one_time);
    refused(&again, 3, "sign_in_failed");
    let (other_ca, new) = ("00".repeat(32), Home::new());
    let login = ["login", "--here", "--user", "admin", "--secret-file", "-", "--server", &world.url, "--ca", &other_ca];
    let run = new.run_with(&login, "correct horse battery staple\n");
    assert_eq!(run.status, 1, "{run:?}");
    assert!(!new.path().join(".config").exists(), "nothing was written");
    // With the right one the chosen password signs in, elsewhere too.
    let ca = world.ca();
    let login = ["login", "--here", "--user", "admin", "--secret-file", "-", "--server", &world.url, "--ca", &ca];
    let run = new.run_with(&login, "correct horse battery staple\n");
    assert_eq!((run.status, run.err.contains("signed in at")), (0, true), "{run:?}");
}

fn reading(dana: &Home, hana: &Home, machine: &Machine) {
    let read = dana.run(&["password", "get", "pc-1"]);
    assert_eq!((read.status, read.out.lines().count()), (0, 1), "{read:?}");
    assert!(read.err.contains("pc-1, account localadmin: current, proven "), "{read:?}");
    let password = read.out.trim_end();
    assert_eq!(password.chars().count(), 20);
    assert!(machine.is_opened_by(password) && !machine.is_opened_by("something else"));

    // Helpdesk sees that there is one, and not which.
    refused(&hana.run(&["password", "get", "pc-1"]), 3, "role_missing");
    let shown = hana.run(&["device", "show", "pc-1"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    assert!(shown.out.contains("Password stored") && !shown.out.contains(password), "{shown:?}");
    refused(&hana.run(&["setting", "laps", "off"]), 3, "role_missing");
}

fn rotating(world: &World, dana: &Home, hana: &Home, machine: &Machine) {
    let former = dana.run(&["password", "get", "pc-1"]).out;
    refused(&hana.run(&["password", "rotate", "pc-1"]), 3, "role_missing");
    let began = Instant::now();
    let rotated = world.done(&["password", "rotate", "pc-1", "--wait", "--timeout", "100"]);
    assert!(began.elapsed() < ROTATION_LIMIT, "{:?}", began.elapsed());
    println!("rotate now to proven: {:.2} s", began.elapsed().as_secs_f64());
    assert!(rotated.err.contains("pc-1 has a new password, proven"), "{rotated:?}");
    assert!(rotated.err.contains("next: lapwing password get pc-1"), "{rotated:?}");

    let now = dana.run(&["password", "get", "pc-1"]).out;
    assert_ne!(now, former);
    assert!(machine.is_opened_by(now.trim_end()) && !machine.is_opened_by(former.trim_end()));
    let history = dana.run(&["password", "get", "pc-1", "--history"]);
    assert_eq!(history.out, format!("{now}{former}"), "best first");
    assert!(history.err.contains("superseded"), "{history:?}");
    let history = dana.run(&["password", "get", "pc-1", "--history", "--output", "json"]);
    let versions: serde_json::Value = serde_json::from_str(&history.out).unwrap();
    assert_eq!((&versions[0]["state"], &versions[1]["state"]), (&"current".into(), &"superseded".into()));
    assert_eq!(versions[1]["password"], former.trim_end());
    assert_eq!((&versions[0]["live"], &versions[1]["live"]), (&true.into(), &false.into()));
}

fn names(world: &World, dana: &Home) {
    let twins = [world.join("twin"), world.join("twin")];
    let run = dana.run(&["password", "get", "twin"]);
    refused(&run, 2, "device_ambiguous");
    for twin in &twins {
        assert!(run.err.contains(&twin.id), "{run:?}");
        assert_eq!(world.done(&["device", "show", &twin.id, "--output", "json"]).status, 0);
        // It has no password, and the way to the reason is named.
        let none = dana.run(&["password", "get", &twin.id]);
        assert_eq!((none.status, none.out.as_str()), (4, ""), "{none:?}");
        assert!(none.err.contains(&format!("lapwing explain {}", twin.id)), "{none:?}");
    }
    refused(&dana.run(&["password", "get", "no-such-machine"]), 4, "device_unknown");
    // Why there is no password of it: that is an answer, and not a failure.
    let unknown = dana.run(&["explain", "no-such-machine"]);
    assert!(unknown.status == 0 && unknown.out.contains("no device object"), "{unknown:?}");
    refused(&world.admin.run(&["policy", "show", "no-such-policy"]), 4, "policy_unknown");
    let list = dana.run(&["device", "list"]);
    assert_eq!(list.out.matches("twin").count(), 2, "{list:?}");
}

fn states(world: &World, dana: &Home) {
    let machine = world.join("pc-2");
    world.done(&["device", "disable", "pc-2"]);
    assert!(world.done(&["device", "show", "pc-2"]).out.contains("disabled"));
    world.done(&["device", "enable", "pc-2"]);
    refused(&world.admin.run(&["device", "delete", "pc-2"]), 2, "not_confirmed");
    let deleted = world.done(&["device", "delete", "pc-2", "--yes"]);
    assert!(deleted.err.contains(&format!("undo: lapwing device restore {}", machine.id)), "{deleted:?}");
    assert!(!dana.run(&["device", "list"]).out.contains("pc-2"));
    world.done(&["device", "restore", &machine.id]);
    assert!(world.done(&["device", "show", "pc-2"]).out.contains("enabled"));
}

fn auditing(world: &World, machine: &Machine) {
    let list = world.done(&["audit", "list", "--device", &machine.id]);
    let recovered = list.out.lines().find(|line| line.contains("Recover device local administrator password")).unwrap();
    assert!(recovered.contains("dana") && recovered.contains(&machine.name) && recovered.contains("success"));
    let verified = world.done(&["audit", "verify"]);
    assert!(verified.out.contains("none missing") && verified.out.contains("signed head"), "{verified:?}");
}

fn signing_out(dana: &Home) {
    assert_eq!(dana.run(&["logout"]).status, 0);
    assert!(!dana.path().join(".config/lapwing/session.json").exists());
    refused(&dana.run(&["password", "get", "pc-1"]), 3, "not_signed_in");
}

//! Policies and rotations of many machines on the command line, against a real server and real agents.

use crate::world::{World, until};

const POLICY: &str = r#"{"BackupDirectory": 1, "AdministratorAccountName": "localadmin"}"#;

#[test]
fn what_a_person_read_is_taken_back_and_nothing_else() {
    let world = World::start();
    world.done(&["setting", "laps", "on"]);
    world.policy("base", POLICY);
    world.done(&["policy", "assign", "base"]);
    let mallory = world.person("mallory", "Cloud Device Administrator");
    let (read, unread) = (world.join("read"), world.join("unread"));
    for machine in [&read, &unread] {
        let cycle = machine.cycle();
        assert_eq!(cycle.status, 0, "{cycle:?}");
    }
    let known = mallory.run(&["password", "get", "read"]).out;
    assert!(read.is_opened_by(known.trim_end()));
    let before = world.done(&["password", "get", "unread"]).out;

    let dry = world.done(&["revoke", "mallory", "--dry-run"]);
    assert_eq!(dry.out, "read\n", "{dry:?}");
    assert!(dry.err.contains("passwords of 1 machines were given to mallory: 1 need a new one"), "{dry:?}");
    let unasked = world.admin.run(&["revoke", "mallory"]);
    assert!(unasked.status == 2 && unasked.err.contains("code: not_confirmed"), "{unasked:?}");
    assert_eq!(world.admin.run(&["revoke", "nobody", "--yes"]).status, 4);
    assert_eq!(mallory.run(&["revoke", "admin", "--yes"]).status, 3);

    let revoked = world.done(&["revoke", "mallory", "--yes", "--reason", "laptop stolen"]);
    assert!(revoked.err.contains("mallory can still sign in"), "{revoked:?}");
    assert!(revoked.err.contains("0 of 1 proven, 1 requested"), "{revoked:?}");
    let cycle = read.cycle();
    assert_eq!(cycle.status, 0, "{cycle:?}");
    let list = world.done(&["rotation", "list", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let shown = world.done(&["rotation", "show", &id[..8], "--watch", "--timeout", "60"]);
    assert!(shown.out.contains("1 of 1 proven") && shown.out.contains("laptop stolen"), "{shown:?}");
    assert!(shown.out.contains("read") && !shown.out.contains("unread"), "{shown:?}");
    assert!(!read.is_opened_by(known.trim_end()), "what was read opens nothing any more");
    assert_eq!(world.done(&["password", "get", "unread"]).out, before, "nobody else was asked");
    let log = world.done(&["audit", "list"]).out;
    assert!(log.contains("Complete rotation of device local administrator passwords"), "{log}");
    // Again: everything is safe.
    let again = world.done(&["revoke", "mallory", "--dry-run"]);
    assert!(again.err.contains("0 need a new one, 1 have one since"), "{again:?}");
}

#[test]
fn many_machines_are_rotated_together() {
    let world = World::start();
    world.done(&["setting", "laps", "on"]);
    world.policy("base", POLICY);
    world.done(&["policy", "assign", "base"]);
    let (mut one, mut two) = (world.join("one"), world.join("two"));
    world.done(&["group", "create", "lab"]);
    world.done(&["group", "add", "lab", "one"]);
    for machine in [&mut one, &mut two] {
        machine.start();
    }
    for name in ["one", "two"] {
        until("it has a password", || world.admin.run(&["password", "get", name]).err.contains(": current, proven "));
    }
    let refused = world.admin.run(&["password", "rotate", "--all"]);
    assert!(refused.status == 2 && refused.err.contains("--yes"), "{refused:?}");
    let group = world.done(&["password", "rotate", "--group", "lab", "--yes", "--wait", "--timeout", "100"]);
    assert!(group.err.contains("1 of 1 proven"), "{group:?}");
    let both = world.done(&["password", "rotate", "one", "two", "--reason", "new image", "--wait", "--timeout", "100"]);
    assert!(both.err.contains("2 of 2 proven"), "{both:?}");
}

#[test]
fn a_policy_is_edited_previewed_and_taken_back() {
    let world = World::start();
    world.done(&["setting", "laps", "on"]);
    let machine = world.join("pc-1");
    world.done(&["policy", "create", "Base", "BackupDirectory=1", "administratoraccountname=localadmin"]);
    assert_eq!(world.admin.run(&["policy", "create", "base", "BackupDirectory=1"]).status, 1, "there is one");
    world.done(&["policy", "assign", "Base"]);
    machine.cycle();
    let edited = world.done(&["policy", "edit", "base", "PasswordLength=20", "PasswordAgeDays=14"]);
    assert!(edited.err.contains("version 2") && edited.err.contains("PasswordLength: not set -> 20"), "{edited:?}");
    let wrong = world.admin.run(&["policy", "edit", "base", "PasswordLength=3"]);
    assert!(wrong.status == 1 && wrong.err.contains("policy_refused"), "{wrong:?}");
    assert_eq!(world.admin.run(&["policy", "edit", "base", "Colour=red"]).status, 2);
    world.done(&["policy", "edit", "base", "--unset", "PasswordAgeDays"]);
    let history = world.done(&["policy", "history", "base"]).out;
    assert!(history.contains("PasswordAgeDays: 14 -> not set") && history.contains("admin"), "{history}");
    let diff = world.done(&["policy", "diff", "base", "1"]).out;
    assert!(diff.contains("PasswordLength") && !diff.contains("PasswordAgeDays"), "{diff}");

    // What is exported is imported again, in both forms.
    for form in ["syncml", "json"] {
        let document = world.done(&["policy", "export", "base", "--format", form]).out;
        let run = world.admin.run_with(&["policy", "import", "-", "--name", form], &document);
        assert_eq!(run.status, 0, "{run:?}");
        let settings = |name: &str| world.done(&["policy", "show", name, "--output", "json"]).out;
        let of = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["settings"].clone();
        assert_eq!(of(&settings(form)), of(&settings("base")));
    }

    let document = r#"{"BackupDirectory": 1, "AdministratorAccountName": "nobody-of-this-name"}"#;
    let seen = world.admin.run_with(&["policy", "preview", "base", "--file", "-"], document);
    assert_eq!(seen.status, 0, "{seen:?}");
    assert!(seen.out.contains("1 devices would refuse: account nobody-of-this-name is missing"), "{seen:?}");
    let back = world.done(&["policy", "rollback", "base", "1", "--yes"]);
    assert!(back.err.contains("version 4") && back.err.contains("PasswordLength: 20 -> not set"), "{back:?}");

    // Setting by setting on the machine, and a group that is left out.
    machine.cycle();
    let explained = world.done(&["policy", "explain", "pc-1"]).out;
    assert!(explained.contains("Base (version 4)") && explained.contains("in force"), "{explained}");
    world.done(&["group", "create", "kiosks"]);
    world.done(&["group", "add", "kiosks", "pc-1"]);
    let left_out = world.done(&["policy", "exclude", "base", "--group", "kiosks"]);
    assert!(left_out.err.contains("leaves out: kiosks"), "{left_out:?}");
    assert!(world.done(&["policy", "explain", "pc-1"]).out.contains("assigned: none"));
    world.done(&["policy", "include", "base", "--group", "kiosks"]);

    // Rings.
    let rings = world.done(&["policy", "rings", "base", "--ring", "group=kiosks,soak=24h,failures=0"]);
    assert!(rings.out.contains("group=kiosks,soak=24h,failures=0"), "{rings:?}");
    let edited = world.done(&["policy", "edit", "base", "PasswordLength=25"]);
    assert!(edited.err.contains("it goes by rings"), "{edited:?}");
    let show = world.done(&["policy", "rollout", "show", "base"]).out;
    assert!(show.contains("running") && show.contains("(reached)"), "{show}");
    assert!(world.done(&["policy", "rollout", "halt", "base"]).out.contains("halted"));
    assert!(world.done(&["policy", "rollout", "rollback", "base"]).out.contains("rolled_back"));
    assert!(world.done(&["policy", "conflicts"]).err.contains("none"));

    // Again, up to the end; then all at once.
    world.done(&["policy", "edit", "base", "PasswordLength=26"]);
    let show = world.done(&["policy", "rollout", "show", "base"]).out;
    assert!(show.contains("(reached), 1 machines, 0 took it, 0 failed"), "{show}");
    machine.cycle();
    let show = world.done(&["policy", "rollout", "show", "base", "--output", "json"]).out;
    let show: serde_json::Value = serde_json::from_str(&show).unwrap();
    assert_eq!((&show["counts"][0]["taken"], &show["state"]), (&1.into(), &"running".into()), "{show}");
    world.done(&["policy", "rollout", "halt", "base"]);
    assert_eq!(world.admin.run(&["policy", "rollout", "halt", "base"]).status, 1, "it is halted");
    assert!(world.done(&["policy", "rollout", "resume", "base"]).out.contains("running"));
    assert!(world.done(&["policy", "rollout", "complete", "base"]).out.contains("complete"));
    let cleared = world.done(&["policy", "rings", "base", "--clear"]);
    assert!(cleared.err.contains("to all machines at once"), "{cleared:?}");
    let at_once = world.done(&["policy", "edit", "base", "PasswordLength=27"]);
    assert!(!at_once.err.contains("by rings"), "{at_once:?}");

    // Two policies that contradict each other hold the machine, and both say so.
    world.done(&["policy", "create", "other", "PasswordLength=40"]);
    world.done(&["policy", "assign", "other"]);
    machine.cycle();
    for arguments in [&["policy", "conflicts"][..], &["policy", "conflicts", "base"], &["policy", "conflicts", "other"]]
    {
        let listed = world.done(arguments).out;
        assert!(listed.contains("pc-1") && listed.contains("PasswordLength"), "{listed}");
    }
    let seen = world.done(&["policy", "preview", "other", "--group", "all"]);
    assert!(seen.out.contains("PasswordLength"), "{seen:?}");
    world.done(&["policy", "unassign", "other"]);
    machine.cycle();
    assert!(world.done(&["policy", "conflicts"]).err.contains("none"));
}

#[test]
fn a_rotation_is_called_off() {
    let world = World::start();
    world.done(&["setting", "laps", "on"]);
    world.policy("base", POLICY);
    world.done(&["policy", "assign", "base"]);
    let (one, two) = (world.join("one"), world.join("two"));
    for machine in [&one, &two] {
        machine.cycle();
    }
    let before = world.done(&["password", "get", "two"]).out;
    world.done(&["password", "rotate", "--all", "--yes", "--reason", "by mistake"]);
    one.cycle();
    let list = world.done(&["rotation", "list", "--output", "json"]);
    let list: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let unasked = world.admin.run(&["rotation", "cancel", &id[..8]]);
    assert!(unasked.status == 2 && unasked.err.contains("code: not_confirmed"), "{unasked:?}");
    let help = world.person("hana", "Helpdesk Administrator");
    assert_eq!(help.run(&["rotation", "cancel", &id, "--yes"]).status, 3);
    let off = world.done(&["rotation", "cancel", &id[..8], "--yes", "--reason", "wrong machines"]);
    assert!(off.err.contains("called off: 1 of 2 proven, 1 called off"), "{off:?}");
    let shown = world.done(&["rotation", "show", &id]).out;
    assert!(shown.contains("by admin") && shown.contains("cancelled") && shown.contains("was called off"), "{shown}");
    two.cycle();
    assert_eq!(world.done(&["password", "get", "two"]).out, before, "it is not asked any more");
    let again = world.admin.run(&["rotation", "cancel", &id, "--yes"]);
    assert!(again.status == 1 && again.err.contains("code: campaign_ended"), "{again:?}");
    assert_eq!(world.admin.run(&["rotation", "cancel", "0000", "--yes"]).status, 4);
    let log = world.done(&["audit", "list"]).out;
    assert!(log.contains("Cancel rotation of device local") && log.contains("Close rotation request"), "{log}");
}

//! `lapwing explain`: every link of the chain broken for real, on a real server with real machines.

use crate::world::{World, until};
use std::fs;

const POLICY: &str = r#"{"BackupDirectory": 1, "AdministratorAccountName": "localadmin"}"#;

const ROOT: &str = "./Device/Vendor/MSFT/LAPS/Policies";

#[test]
fn each_link_broken_for_real_is_the_one_that_is_named() {
    let world = World::start();
    let dana = world.person("dana", "Cloud Device Administrator");
    let hana = world.person("hana", "Helpdesk Administrator");
    let code = |device: &str| world.explained(&dana, device);

    // No device object.
    assert_eq!(code("00000000-0000-4000-8000-000000000000"), "device_unknown");

    // The switch; then no policy; then one that was not delivered.
    let machine = world.join("pc-1");
    for group in ["one", "two", "three"] {
        world.done(&["group", "create", group]);
    }
    assert_eq!(code("pc-1"), "laps_disabled");
    world.done(&["setting", "laps", "on"]);
    assert_eq!(code("pc-1"), "policy_not_assigned");
    world.done(&["group", "add", "one", "pc-1"]);
    world.policy("base", &POLICY.replace("localadmin", "nobody-of-this-name"));
    world.done(&["policy", "assign", "base", "--group", "one"]);
    assert_eq!(code("pc-1"), "policy_not_delivered");

    // The account that the policy names.
    machine.cycle();
    assert_eq!(code("pc-1"), "account_not_found");
    world.policy("base", POLICY);
    assert_eq!(code("pc-1"), "policy_not_delivered", "the corrected policy was not delivered yet");

    // Stored, and the agent killed before it could set the password.
    machine.cycle_cut_short_by_a_lock(|| code("pc-1") == "stored_not_proven");
    assert_eq!(code("pc-1"), "stored_not_proven");
    let cycle = machine.cycle();
    assert_eq!(cycle.status, 0, "{cycle:?}");
    assert_eq!(code("pc-1"), "ok");

    // Nothing is missing, and Helpdesk may not read it.
    assert_eq!(world.explained(&hana, "pc-1"), "reader_not_allowed");

    // Two policies that disagree; a policy that switches backup off.
    let second = world.join("pc-2");
    world.done(&["group", "add", "one", "pc-2"]);
    world.done(&["group", "add", "two", "pc-2"]);
    world.policy("off", r#"{"BackupDirectory": 0}"#);
    world.done(&["policy", "assign", "off", "--group", "two"]);
    second.cycle();
    assert_eq!(code("pc-2"), "policy_conflict");
    world.done(&["group", "remove", "one", "pc-2"]);
    second.cycle();
    assert_eq!(code("pc-2"), "backup_disabled");

    // Local configuration on a machine where somebody took out what the server had delivered.
    let third = world.join("pc-3");
    world.done(&["group", "add", "three", "pc-3"]);
    world.done(&["policy", "assign", "base", "--group", "three"]);
    third.cycle();
    assert_eq!(code("pc-3"), "ok");
    let delete = |(id, setting): (usize, &str)| {
        format!("<Delete><CmdID>{id}</CmdID><Item><Target><LocURI>{ROOT}/{setting}</LocURI></Target></Item></Delete>")
    };
    let deletes = [(1, "BackupDirectory"), (2, "AdministratorAccountName")].map(delete).concat();
    let applied = third.agent(&["csp", "apply", "-"], &format!("<SyncML><SyncBody>{deletes}</SyncBody></SyncML>"));
    assert_eq!(applied.status, 0, "{applied:?}");
    let local = std::path::Path::new(&third.state()).join("policy");
    fs::create_dir_all(&local).unwrap();
    fs::write(local.join("local.toml"), "BackupDirectory = 1\nAdministratorAccountName = \"localadmin\"\n").unwrap();
    third.cycle();
    assert_eq!(code("pc-3"), "other_source_wins");

    // An account that policy manages automatically, on a machine that has yet to make it.
    let fourth = world.join("pc-4");
    world.done(&["group", "create", "four"]);
    world.done(&["group", "add", "four", "pc-4"]);
    world.policy(
        "automatic",
        r#"{"BackupDirectory": 1, "AutomaticAccountManagementEnabled": true,
            "AutomaticAccountManagementEnableAccount": true}"#,
    );
    world.done(&["policy", "assign", "automatic", "--group", "four"]);
    fourth.cycle_cut_short_by_a_lock(|| code("pc-4") == "account_not_made");
    assert_eq!(code("pc-4"), "account_not_made");
    let cycle = fourth.cycle();
    assert_eq!((cycle.status, code("pc-4").as_str()), (0, "ok"), "{cycle:?}");

    // The device object: disabled, deleted, brought back, gone for good.
    world.done(&["device", "disable", "pc-1"]);
    assert_eq!(code("pc-1"), "device_disabled");
    world.done(&["device", "enable", "pc-1"]);
    world.done(&["device", "delete", "pc-1", "--yes"]);
    assert_eq!(code(&machine.id), "device_deleted");
    world.done(&["device", "restore", &machine.id]);
    until("pc-1 is whole again", || code("pc-1") == "ok");
    world.done(&["setting", "tombstone-days", "0"]);
    world.done(&["device", "delete", "pc-1", "--yes"]);
    assert_eq!(code(&machine.id), "device_purged");
}

//! Reading under rules, and the audit log away from its server, as people do it.

use crate::{
    program::{Home, Run},
    world::{World, until},
};
use std::fs;

const POLICY: &str = r#"{"BackupDirectory": 1, "AdministratorAccountName": "localadmin", "PasswordLength": 20}"#;

fn refused(run: &Run, status: i32, code: &str) {
    assert_eq!((run.status, run.out.as_str()), (status, ""), "{run:?}");
    assert!(run.err.contains(&format!("code: {code}")), "{code} {run:?}");
}

#[test]
fn reading_under_rules_and_verifying_the_log() {
    let world = World::start();
    let dana = world.person("dana", "Cloud Device Administrator");
    let mut machine = world.join("pc-1");
    world.policy("base", POLICY);
    world.done(&["policy", "assign", "base"]);
    world.done(&["setting", "laps", "on"]);
    machine.start();
    until("pc-1 is proven", || dana.run(&["password", "get", "pc-1"]).err.contains(": current, proven "));
    rules(&world, &dana);
    approvals(&world, &dana);
    channels(&world);
    let kept = machine.agent(&["status"], "").out;
    let kept = kept.split_whitespace().find(|word| word.starts_with("1:")).expect("the device keeps a head").to_owned();
    log(&world, &kept);
}

fn rules(world: &World, dana: &Home) {
    world.done(&["group", "create", "servers"]);
    world.done(&["group", "add", "servers", "pc-1"]);
    let set =
        ["group", "rule", "set", "servers", "--reason", "yes", "--ticket-pattern", "INC####", "--rotate-after", "600"];
    let shown = world.done(&set);
    assert!(shown.out.contains("INC####") && shown.out.contains("after 600 minutes"), "{shown:?}");
    refused(&dana.run(&["group", "rule", "clear", "servers"]), 3, "role_missing");
    refused(&dana.run(&["password", "get", "pc-1"]), 3, "reason_required");
    let get = ["password", "get", "pc-1", "--reason", "disk full: ü", "--ticket"];
    refused(&dana.run(&[&get[..], &["x"]].concat()), 3, "ticket_malformed");
    let read = dana.run(&[&get[..], &["INC1234"]].concat());
    assert_eq!((read.status, read.out.lines().count()), (0, 1), "{read:?}");
    assert!(read.err.contains("lapwing password done pc-1"), "{read:?}");
    let listed = world.done(&["audit", "list", "--actor", "dana", "--activity", "Recover", "--since", "1h"]);
    assert!(listed.out.contains("disk full: ü; INC1234") && listed.out.contains("reason_required"), "{listed:?}");
    let failed = world.done(&["audit", "list", "--device", "pc-1", "--failure", "--output", "json"]);
    let failed: serde_json::Value = serde_json::from_str(&failed.out).unwrap();
    assert_eq!(failed.as_array().unwrap().len(), 2, "{failed}");
    let done = dana.run(&["password", "done", "pc-1"]);
    assert_eq!(done.status, 0, "{done:?}");
    refused(&dana.run(&["password", "done", "pc-1"]), 4, "no_rotation_due");
}

fn approvals(world: &World, dana: &Home) {
    world.done(&["group", "rule", "set", "servers", "--approvals", "1", "--ticket-pattern", "", "--reason", "no"]);
    let refusal = dana.run(&["password", "get", "pc-1"]);
    refused(&refusal, 3, "approval_required");
    assert!(refusal.err.contains("lapwing access request"), "{refusal:?}");
    let asked = dana.run(&["access", "request", "pc-1", "--reason", "outage", "--output", "json"]);
    assert_eq!(asked.status, 0, "{asked:?}");
    let asked: serde_json::Value = serde_json::from_str(&asked.out).unwrap();
    let id = asked["id"].as_str().unwrap();
    refused(&dana.run(&["access", "approve", id]), 3, "own_request");
    let listed = world.done(&["access", "list"]);
    assert!(listed.out.contains("outage") && listed.out.contains("0 of 1"), "{listed:?}");
    assert!(world.done(&["access", "approve", id]).err.contains("is approved"));
    let read = dana.run(&["password", "get", "pc-1"]);
    assert_eq!(read.status, 0, "{read:?}");
    let denied = world.done(&["access", "deny", id, "--reason", "not tonight"]);
    assert!(denied.err.contains("is denied") && denied.out.contains(": not tonight"), "{denied:?}");
    refused(&dana.run(&["password", "get", "pc-1"]), 3, "approval_required");
    assert!(dana.run(&["access", "list", "--all", "--output", "json"]).out.contains("not tonight"));
    let glass = dana.run(&["password", "get", "pc-1", "--break-glass"]);
    assert_eq!(glass.status, 2, "a reason belongs to it: {glass:?}");
    let glass = dana.run(&["password", "get", "pc-1", "--break-glass", "--reason", "fire"]);
    assert_eq!(glass.status, 0, "{glass:?}");
    assert!(world.done(&["audit", "list", "-n", "1", "--activity", "Recover"]).out.contains("BREAK GLASS; fire"));
}

fn channels(world: &World) {
    let made = world.done(&["notify", "add", "webhook", "soar", "--url", "https://127.0.0.1:9/", "--allow-private"]);
    assert!(made.out.starts_with("whsec_") && made.err.contains("lapwing notify test soar"), "{made:?}");
    assert!(world.done(&["notify", "pause", "soar"]).err.contains("lapwing notify resume soar"));
    assert!(world.done(&["notify", "list"]).out.contains("paused"));
    world.done(&["notify", "resume", "soar"]);
    assert!(!world.done(&["notify", "list"]).out.contains("paused"));
    refused(&world.admin.run(&["notify", "pause", "nobody"]), 4, "channel_unknown");
    world.done(&["notify", "remove", "soar"]);
}

fn log(world: &World, kept: &str) {
    let place = tempfile::TempDir::new().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let key = world.done(&["audit", "key"]).out;
    fs::write(at("key"), &key).unwrap();
    let exported = world.done(&["audit", "export", "-O", &at("log")]);
    assert!(exported.err.contains("lapwing audit verify"), "{exported:?}");
    assert_eq!(world.admin.run(&["audit", "export", "-O", &at("log")]).status, 1, "nothing is overwritten");
    // With no server, no sign-in, no network: somebody with the file and the key.
    let anywhere = Home::new();
    let verify = |file: &str, more: &[&str]| {
        anywhere.run(&[&["audit", "verify", &at(file), "--key", &at("key")], more].concat())
    };
    let whole = verify("log", &["--head", kept]);
    assert_eq!(whole.status, 0, "{whole:?}");
    assert!(whole.out.contains("none missing, none changed") && whole.out.contains("1 heads"), "{whole:?}");
    let text = fs::read_to_string(at("log")).unwrap();
    fs::write(at("changed"), text.replacen("\"dana\"", "\"eve\"", 1)).unwrap();
    let run = verify("changed", &[]);
    refused(&run, 1, "audit_log_broken");
    assert!(run.err.contains("record ") && run.err.contains("its contents were changed"), "{run:?}");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.remove(4);
    fs::write(at("removed"), lines.join("\n")).unwrap();
    assert!(verify("removed", &[]).err.contains("record 5: it follows record 3"));
    // A log that was made again: its own key does not help, and the device's head tells.
    let other = World::start();
    other.done(&["audit", "export", "-O", &at("other")]);
    assert!(verify("other", &[]).err.contains("another key"));
    let run = anywhere.run(&["audit", "verify", &at("other"), "--head", kept]);
    assert!(run.err.contains("is not signed with this key"), "{run:?}");
    // As the log is, from the server; and for collectors.
    let now = world.done(&["audit", "verify", "--head", kept]);
    assert!(now.out.contains("none missing") && now.err.contains("--key"), "{now:?}");
    let cef = world.done(&["audit", "export", "--format", "cef", "--since", "1h"]);
    assert!(cef.out.lines().all(|line| line.starts_with("CEF:0|Lapwing|lapwingd|")), "{cef:?}");
    let ocsf = world.done(&["audit", "export", "--format", "ocsf"]);
    for line in ocsf.out.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["class_uid"].is_number());
    }
}

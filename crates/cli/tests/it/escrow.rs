//! Escrow end to end: exported from a real server, opened when there is none any more; and archives that somebody
//! tampered with.

use crate::{
    program::{Home, Run},
    world::World,
};
use age::{secrecy::ExposeSecret as _, x25519};
use std::{fs, path::PathBuf};

const POLICY: &str = r#"{"BackupDirectory": 1, "AdministratorAccountName": "localadmin"}"#;

struct Place(tempfile::TempDir);

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn text(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }
    /// A key file as age-keygen writes it; answers its recipient.
    fn key(&self, name: &str) -> String {
        let identity = x25519::Identity::generate();
        let recipient = identity.to_public().to_string();
        let text = format!("# public key: {recipient}\n{}\n", identity.to_string().expose_secret());
        fs::write(self.file(name), text).unwrap();
        recipient
    }
}

fn code(run: &Run) -> &str {
    run.err.split_once("code: ").map_or("", |(_, rest)| rest.split([',', '\n']).next().unwrap_or_default())
}

#[test]
fn an_archive_opens_when_the_server_is_gone() {
    let mut world = World::start();
    world.done(&["setting", "laps", "on"]);
    world.policy("base", POLICY);
    world.done(&["policy", "assign", "base", "--group", "all"]);
    let (machine, other) = (world.join("pc-1"), world.join("pc-2"));
    for one in [&machine, &other] {
        let cycle = one.cycle();
        assert_eq!(cycle.status, 0, "{cycle:?}");
    }
    let password = world.done(&["password", "get", "pc-1"]).out.trim().to_owned();
    assert!(machine.is_opened_by(&password));

    let place = Place(tempfile::tempdir().unwrap());
    let (ada, ben) = (place.key("ada.key"), place.key("ben.key"));
    place.key("eve.key");
    let archive = place.text("all.escrow");
    let whoami = world.done(&["whoami"]);
    assert!(whoami.err.contains("escrow_none"), "{whoami:?}");
    let exported = world.done(&["export", "--to", &ada, "--to", &ben, "--all", "--file", &archive]);
    assert!(exported.err.contains("2 passwords of 2 machines"), "{exported:?}");
    let again = world.admin.run(&["export", "--to", &ada, "--all", "--file", &archive]);
    assert_eq!((again.status, code(&again)), (1, "archive_unwritten"), "nothing is overwritten");
    let no_role = world.person("dana", "Cloud Device Administrator");
    let refused = no_role.run(&["export", "--to", &ada, "--all", "--file", &place.text("no.escrow")]);
    assert_eq!((refused.status, place.file("no.escrow").exists()), (3, false), "{refused:?}");
    assert!(!no_role.run(&["whoami"]).err.contains("escrow"), "who cannot do anything is not warned");

    // A drill sends no password, and ends the warning.
    assert!(world.done(&["device", "list"]).err.contains("escrow_not_drilled"));
    let drilled = world.done(&["escrow", "drill", &archive, "--identity", &place.text("ben.key")]);
    assert!(drilled.err.contains("2 passwords of 2 machines"), "{drilled:?}");
    assert!(!drilled.out.contains(&password) && !drilled.err.contains(&password));
    assert!(!world.done(&["device", "list"]).err.contains("escrow"));
    let status = world.done(&["escrow", "status"]);
    assert!(status.out.contains(" by admin"), "{status:?}");
    let server_key =
        status.err.split("the server's key: ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    let audit = world.done(&["audit", "list"]).out;
    assert!(audit.contains("Export device local administrator passwords"), "{audit}");
    assert!(audit.contains("Test export of device local administrator passwords"), "{audit}");

    // No server, no network, a home that never signed in.
    world.stop();
    let offline = Home::new();
    let open = |file: &str, key: &str, more: &[&str]| {
        offline.run(&[&["escrow", "open", file, "--identity", &place.text(key)][..], more].concat())
    };
    let listed = open(&archive, "ada.key", &[]);
    assert_eq!(listed.status, 0, "{listed:?}");
    assert!(listed.out.contains("pc-1") && listed.out.contains(&machine.id), "{listed:?}");
    assert!(!listed.out.contains(&password) && !listed.err.contains(&password), "only when asked for");
    for named in ["pc-1", "PC-1", &machine.id] {
        for key in ["ada.key", "ben.key"] {
            let shown = open(&archive, key, &["--device", named, "--server-key", &server_key]);
            assert_eq!((shown.status, shown.out.trim()), (0, password.as_str()), "{shown:?}");
            assert!(shown.err.contains("server's key that you named"), "{shown:?}");
        }
    }
    assert!(machine.is_opened_by(open(&archive, "ada.key", &["--device", "pc-1"]).out.trim()));
    let all = open(&archive, "ada.key", &["--all", "--output", "json"]);
    let all: serde_json::Value = serde_json::from_str(&all.out).unwrap();
    assert!(all.as_array().unwrap().iter().any(|one| one["password"] == password.as_str()));
    let unknown = open(&archive, "ada.key", &["--device", "pc-3"]);
    assert_eq!((unknown.status, code(&unknown)), (4, "device_unknown"));

    // Hostile archives: the wrong recipient, cut, changed, signed by somebody else, and things that are none.
    let wrong = open(&archive, "eve.key", &["--device", "pc-1"]);
    assert_eq!((wrong.status, code(&wrong)), (3, "archive_not_for_you"), "{wrong:?}");
    let bytes = fs::read(&archive).unwrap();
    let refused = |name: &str, bytes: &[u8], wanted: &str, more: &[&str]| {
        fs::write(place.file(name), bytes).unwrap();
        let run = open(&place.text(name), "ada.key", &[&["--device", "pc-1"][..], more].concat());
        assert_eq!((run.status, code(&run), run.out.as_str()), (1, wanted, ""), "{name}: {run:?}");
    };
    for end in [0, 1, 20, 200, bytes.len() / 2, bytes.len() - 1] {
        refused(&format!("cut-{end}"), &bytes[..end], "archive_damaged", &[]);
    }
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    refused("changed", &changed, "archive_damaged", &[]);
    let head =
        String::from_utf8_lossy(&bytes[..bytes.iter().position(|byte| *byte == 0xff).unwrap_or(900)]).into_owned();
    let at = head.find("\"versions\":2").unwrap();
    let mut forged = bytes.clone();
    forged[at + 11] = b'1';
    refused("forged", &forged, "archive_forged", &[]);
    refused("foreign", &bytes, "archive_foreign", &["--server-key", &server_key.replace('a', "b")]);
    refused("age-only", b"age-encryption.org/v1\n", "archive_damaged", &[]);
    fs::write(place.file("no.key"), "AGE-SECRET-KEY-1NONSENSE\n").unwrap();
    assert_eq!(open(&archive, "no.key", &[]).status, 2);
}

/// A machine that joined again: names that two have are refused with their ids, everywhere.
#[test]
fn a_name_of_two_machines_is_never_guessed() {
    let world = World::start();
    let (one, two) = (world.join("pc-1"), world.join("pc-1"));
    for arguments in [
        &["device", "show", "pc-1"][..],
        &["device", "disable", "pc-1"],
        &["device", "delete", "pc-1", "--yes"],
        &["device", "purge", "pc-1", "--yes"],
        &["password", "get", "pc-1"],
        &["password", "rotate", "pc-1"],
        &["device", "candidates", "pc-1"],
    ] {
        let run = world.admin.run(arguments);
        assert_eq!((run.status, code(&run)), (2, "device_ambiguous"), "{arguments:?} {run:?}");
        assert!(run.err.contains(&one.id) && run.err.contains(&two.id), "{run:?}");
    }
    let explained = world.done(&["explain", "pc-1"]);
    assert!(explained.out.contains("code:  name_ambiguous"), "{explained:?}");
    assert!(explained.out.contains(&one.id) && explained.out.contains(&two.id), "{explained:?}");

    // Gone for good, by id, with a confirmation; a live one is not purged.
    let live = world.admin.run(&["device", "purge", &one.id, "--yes"]);
    assert_ne!(live.status, 0, "{live:?}");
    world.done(&["device", "delete", &one.id, "--yes"]);
    let unasked = world.admin.run(&["device", "purge", &one.id]);
    assert_eq!((unasked.status, code(&unasked)), (2, "not_confirmed"));
    world.done(&["device", "purge", &one.id, "--yes"]);
    assert_eq!(world.explained(&world.admin, &one.id), "device_purged");
    world.done(&["setting", "confirm-clock"]);
}

/// Coverage in its four forms.
#[test]
fn coverage_is_reported() {
    let world = World::start();
    world.done(&["setting", "laps", "on"]);
    world.join("=1+1");
    world.join("<b>pc</b>");
    let table = world.done(&["report", "coverage"]).out;
    assert!(table.contains("Lacking") && table.contains("policy_not_assigned"), "{table}");
    let json = world.done(&["report", "coverage", "--cause", "lacking", "--output", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["devices"], &json["lacking"]), (&2.into(), &2.into()), "{json}");
    assert_eq!(json["deviceList"].as_array().unwrap().len(), 2, "{json}");
    let csv = world.done(&["report", "coverage", "--csv"]).out;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains("\"'=1+1\"") && csv.starts_with("id,name,"), "{csv}");
    let html = world.done(&["report", "coverage", "--html"]).out;
    assert!(html.contains("&lt;b&gt;pc&lt;/b&gt;") && !html.contains("<b>pc"), "{html}");
}

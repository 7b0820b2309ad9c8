//! The program itself: exit codes, what goes where, what bad input gets.

use crate::world::{World, write_tree};
use agent::state::StateDir;
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

const PUBLISHED: &str = include_str!("../../../proto/tests/data/policy-entra.xml");
const URI: &str = "./Device/Vendor/MSFT/LAPS/Policies";

fn agent(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing-agent"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments does not read.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}
fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The point 7, on a machine that has not joined anything.
#[test]
fn a_published_document_is_applied_and_read_back_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let state = text(dir.path());
    let applied = agent(&["csp", "apply", "-", "--state", state], PUBLISHED.as_bytes());
    assert_eq!((code(&applied), err(&applied).as_str()), (0, ""));
    assert!(out(&applied).contains("<SyncML") && out(&applied).contains("<Data>200</Data>"), "{}", out(&applied));
    let get = |name: &str| agent(&["csp", "get", &format!("{URI}/{name}"), "--state", state], b"");
    assert_eq!(out(&get("AdministratorAccountName")), "ContosoLocalLapsAdmin\n");
    assert_eq!(out(&get("BackupDirectory")), "1\n");
    assert_eq!((code(&get("PassphraseLength")), code(&get("NoSuchNode"))), (4, 4));

    let shown = agent(&["policy", "show", "--state", state, "--output", "json"], b"");
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["source"], "CSP");
    assert_eq!(shown["settings"].as_array().unwrap().len(), 18);
}

/// Each refusal with node, value and allowed values; nothing is applied.
#[test]
fn a_refused_document_changes_nothing_and_names_every_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let state = text(dir.path());
    let document =
        |body: &str| format!("<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody>{body}<Final/></SyncBody></SyncML>");
    let replace = |id: u8, name: &str, value: &str| {
        format!(
            "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>{URI}/{name}</LocURI></Target>\
             <Data>{value}</Data></Item></Replace>"
        )
    };
    let body = [replace(1, "BackupDirectory", "1"), replace(2, "PasswordLength", "7"), replace(3, "NoSuchNode", "1")];
    let applied = agent(&["csp", "apply", "-", "--state", state], document(&body.concat()).as_bytes());
    assert_eq!(code(&applied), 1);
    for wanted in ["PasswordLength", "8 to 64", "NoSuchNode", "value_not_allowed", "nothing of the document"] {
        assert!(err(&applied).contains(wanted), "{wanted}: {}", err(&applied));
    }
    let get = agent(&["csp", "get", &format!("{URI}/BackupDirectory"), "--state", state], b"");
    assert_eq!(code(&get), 4, "nothing is half applied");
}

#[test]
fn hostile_documents_get_an_error_that_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let state = text(dir.path());
    let bomb = "<!DOCTYPE x [<!ENTITY a 'aaaa'>]><SyncML xmlns='SYNCML:SYNCML1.2'>&a;</SyncML>";
    let large = format!("<SyncML>{}</SyncML>", " ".repeat(3 << 20));
    for document in ["", "not xml", bomb, &large, "<SyncML><SyncBody>", "\u{0}"] {
        let applied = agent(&["csp", "apply", "-", "--state", state], document.as_bytes());
        assert_eq!(code(&applied), 1, "{}", err(&applied));
        assert!(err(&applied).contains("dm_") || err(&applied).contains('('), "{}", err(&applied));
        assert!(out(&applied).is_empty());
    }
    let missing = agent(&["csp", "apply", "/nonexistent/policy.xml", "--state", state], b"");
    assert_eq!(code(&missing), 4);
}

#[test]
fn two_agents_on_one_state_directory() {
    let world = World::new();
    let state = world.places.state();
    let lock = StateDir::open(&state).unwrap().lock().unwrap();
    let second = agent(&["run", "--state", text(&state)], b"");
    assert_eq!(code(&second), 1);
    assert!(err(&second).contains("state_locked") && err(&second).contains(&std::process::id().to_string()));
    let apply = agent(&["csp", "apply", "-", "--state", text(&state)], PUBLISHED.as_bytes());
    assert!(err(&apply).contains("state_locked"), "{}", err(&apply));
    drop(lock);
}

#[test]
fn a_machine_that_has_not_joined_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("none");
    for command in ["run", "cycle", "reset", "status"] {
        let output = agent(&[command, "--state", text(dir.path())], b"");
        assert_eq!(code(&output), 4, "{command}: {}", err(&output));
        assert!(err(&output).contains("not_joined"), "{command}: {}", err(&output));
    }
    for command in ["cycle", "status", "events"] {
        let output = agent(&[command, "--state", text(&missing)], b"");
        assert_eq!(code(&output), 4, "{command}: {}", err(&output));
        assert!(!missing.exists(), "{command} makes no directory");
    }
    assert_eq!(code(&agent(&["explode"], b"")), 2);
}

/// laps-behaviour.md 11.1, rows 7, 10 and 24, from the machine alone.
#[test]
fn explain_says_what_the_machine_knows() {
    let dir = tempfile::tempdir().unwrap();
    let state = text(dir.path());
    let explained = |state: &str, more: &[&str]| {
        let output = agent(&[&["explain", "--state", state, "--output", "json"][..], more].concat(), b"");
        assert_eq!(code(&output), 0, "{}", err(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let tree = dir.path().join("tree");
    write_tree(&tree);
    let prefix = ["--prefix", text(&tree)];
    assert_eq!(explained(state, &prefix)["code"], "no_policy_on_device");
    agent(&["csp", "apply", "-", "--state", state], PUBLISHED.as_bytes());
    let mismatch = explained(state, &prefix);
    assert_eq!(mismatch["code"], "join_state_mismatch", "{mismatch}");

    // Nothing was ever stored: what can be done is said, here where somebody is root.
    let way = &mismatch["ways"][0];
    assert_eq!(way["situation"], "local_access_left", "{mismatch}");
    assert!(way["text"].as_str().unwrap().contains("the join is to mend first"), "{mismatch}");

    let world = World::new();
    crate::world::block_on(world.agent().cycle(false, &mut || None)).unwrap();
    // Row 29: root of this tree was locked, and a rotation leaves it so.
    let shadow = world.places.tree().join("etc/shadow");
    let locked = explained(text(&world.places.state()), &[]);
    assert_eq!(locked["code"], "account_disabled", "{locked}");
    fs::write(&shadow, fs::read_to_string(&shadow).unwrap().replace("root:!", "root:")).unwrap();
    let healthy = explained(text(&world.places.state()), &[]);
    assert_eq!(healthy["code"], "ok", "{healthy}");
    assert!(healthy["summary"].as_str().unwrap().contains("lapwing password get m1"), "{healthy}");
    let status = agent(&["status", "--explain", "--state", text(&world.places.state()), "--output", "json"], b"");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["code"], &status["summary"]), (&healthy["code"], &healthy["summary"]), "{status}");
    let shown = agent(&["explain", "--state", text(&world.places.state())], b"");
    assert!(out(&shown).contains("✓ join_state") && out(&shown).starts_with("m1: "), "{}", out(&shown));
    assert_eq!(healthy["ways"], serde_json::Value::Null);

    // Row 23: a rotation that is in the journal and did not end is named, and the journal is only looked at.
    let kept = StateDir::existing(&world.places.state()).unwrap();
    let memory = kept.memory().unwrap().unwrap();
    kept.write_journal(&laps::rotation::Intent {
        tenant: memory.tenant,
        device: memory.device,
        version: laps::id::VersionId::from_random_bytes([7; 16]),
        account: memory.account.clone(),
        fingerprint: memory.fingerprint,
        expires_at: memory.expires_at,
        destination: memory.destination.clone(),
    })
    .unwrap();
    let journal = fs::read(kept.file("journal.json")).unwrap();
    let unproven = explained(text(&world.places.state()), &[]);
    assert_eq!(unproven["code"], "stored_not_proven", "{unproven}");
    let broken = unproven["links"].as_array().unwrap().iter().find(|link| link["state"] == "broken").unwrap();
    assert_eq!(broken["name"], "proven");
    assert!(broken["remedy"].as_str().unwrap().contains("lapwing-agent cycle"), "{broken}");
    assert_eq!(fs::read(kept.file("journal.json")).unwrap(), journal);
    // Of another device object it says nothing about this one; damaged, it stays where it is.
    fs::write(kept.file("journal.json"), b"{").unwrap();
    assert_eq!(explained(text(&world.places.state()), &[])["code"], "ok");
    assert_eq!(fs::read(kept.file("journal.json")).unwrap(), b"{");
}

/// What can refuse is asked before the token is used up.
#[test]
fn bad_input_of_a_join() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let tree = dir.path().join("tree");
    write_tree(&tree);
    let token = format!("lapwing-join.{}.{}", "a5".repeat(32), "A".repeat(43));
    let join = |token: &str, more: &[&str]| {
        let mut arguments =
            vec!["join", "--server", "https://localhost:1", "--token-file", "-", "--state", text(&state)];
        arguments.extend(more);
        agent(&arguments, token.as_bytes())
    };
    let prefix = ["--prefix", text(&tree), "--volatile-ok"];
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, "no certificate").unwrap();
    let other_ca = dir.path().join("other.der");
    fs::write(&other_ca, crate::world::certificate()).unwrap();
    for (output, wanted) in [
        (join("hunter2", &prefix), "join_token_malformed"),
        (join(&token, &["--prefix", text(&empty)]), "account_db_missing"),
        (join(&token, &["--prefix", "/nonexistent"]), "account_db_missing"),
        (join(&token, &[&prefix[..], &["--ca", text(&ca)]].concat()), "ca_file"),
        (join(&token, &[&prefix[..], &["--ca", text(&other_ca)]].concat()), "join_token_other_ca"),
        (join(&token, &prefix), "server_unreachable"),
    ] {
        assert_eq!(code(&output), 1);
        assert!(err(&output).contains(wanted), "{wanted}: {}", err(&output));
        assert!(!err(&output).contains("hunter2") && !err(&output).contains(&token), "a token is shown");
    }
    assert!(StateDir::open(&state).unwrap().identity().unwrap().is_none());
}

#[test]
fn status_events_and_check_password() {
    let world = World::new();
    let state = world.places.state();
    crate::world::block_on(world.agent().cycle(false, &mut || None)).unwrap();
    let status = agent(&["status", "--state", text(&state), "--output", "json"], b"");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!((&status["device_name"], &status["account"]), (&"m1".into(), &"root".into()));
    assert!(status["agent_pid"].is_null() && status["last_error"].is_null());

    let events = agent(&["events", "--state", text(&state), "--output", "json", "-n", "3"], b"");
    let events: Vec<serde_json::Value> = serde_json::from_slice(&events.stdout).unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["event"], laps::event::POLICY_SUCCEEDED);

    let password = &world.directory.book().rows[0].password;
    let check = |password: &str| agent(&["check-password", "--state", text(&state)], password.as_bytes());
    assert_eq!(code(&check(password)), 0);
    assert_eq!(code(&check(&format!("{password}\n"))), 0);
    let wrong = check("wrong horse");
    assert_eq!(code(&wrong), 1);
    assert!(!err(&wrong).contains("wrong horse") && out(&wrong).is_empty());
}

/// A state file of a newer version is refused, not guessed at.
#[test]
fn state_from_a_newer_version() {
    let world = World::new();
    drop(world.agent());
    let journal = world.places.state().join("journal.json");
    let mut started = world.agent();
    fs::write(&journal, b"{\"format\":99,\"intent\":{}}").unwrap();
    assert!(crate::world::block_on(started.cycle(false, &mut || None)).is_err());
    assert!(journal.exists(), "it is left where it is");
    // Without its key the agent begins afresh, but never over what a newer one wrote.
    fs::remove_file(world.places.state().join("fingerprint.key")).unwrap();
    let state = agent::state::StateDir::open(&world.places.state()).unwrap();
    assert!(matches!(state.fingerprint_key(), Err(agent::state::StateError::Newer { .. })));
    assert!(journal.exists(), "it is left where it is");
    fs::write(world.places.state().join("identity.json"), b"{\"format\":99}").unwrap();
    let run = agent(&["run", "--state", text(&world.places.state())], b"");
    assert!(err(&run).contains("state_newer"), "{}", err(&run));
}

/// sd_notify(3): READY although the server cannot be reached, the watchdog fed, STOPPING at SIGTERM.
#[test]
fn the_service_manager_is_told() {
    let world = World::new();
    let socket = world.places.state().join("notify");
    let listener = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    listener.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    // An identity that a client can be made of; nothing listens at its server.
    let state = StateDir::open(&world.places.state()).unwrap();
    let mut identity = state.identity().unwrap().unwrap();
    let key = agent::state::SoftwareKey::generate().unwrap();
    let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
        &rustls::pki_types::PrivatePkcs8KeyDer::from(key.pkcs8().to_vec()),
        &rcgen::PKCS_ECDSA_P256_SHA256,
    )
    .unwrap();
    let der = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
    let ca = crate::world::certificate();
    state.write_renewed(&mut identity, Some((der, &key)), vec![ca]).unwrap();

    let mut child = Command::new(env!("CARGO_BIN_EXE_lapwing-agent"))
        .args(["run", "--log", "none", "--state", text(&world.places.state())])
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "100000")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut buffer = [0; 500];
    let mut next = || {
        let length = listener.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut wanted = vec!["READY=1", "WATCHDOG=1", "STATUS=last cycle: server_"];
    while !wanted.is_empty() {
        let message = next();
        wanted.retain(|wanted| !message.starts_with(wanted));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    while !next().starts_with("STOPPING=1") {}
    assert!(child.wait().unwrap().success());
}

//! Exit status and messages of wrong use, and of a machine where nobody is signed in.

use crate::program::{Home, lapwing};

/// Every command that needs a sign-in.
const NEED_SIGN_IN: &[&[&str]] = &[
    &["whoami"],
    &["device", "list"],
    &["device", "show", "x"],
    &["device", "enable", "x"],
    &["device", "disable", "x"],
    &["device", "delete", "x", "--yes"],
    &["device", "restore", "x"],
    &["join-token", "create"],
    &["join-token", "list"],
    &["join-token", "revoke", "x"],
    &["policy", "list"],
    &["policy", "show", "x"],
    &["policy", "assign", "x"],
    &["policy", "unassign", "x"],
    &["policy", "delete", "x"],
    &["policy", "explain", "x"],
    &["group", "list"],
    &["group", "create", "x"],
    &["setting", "show"],
    &["setting", "laps", "on"],
    &["password", "get", "x"],
    &["password", "rotate", "x"],
    &["rotation", "list"],
    &["rotation", "show", "x"],
    &["rotation", "cancel", "x", "--yes"],
    &["revoke", "x"],
    &["policy", "create", "x", "PasswordLength=20"],
    &["policy", "edit", "x", "PasswordLength=20"],
    &["policy", "history", "x"],
    &["policy", "preview", "x"],
    &["policy", "rings", "x"],
    &["policy", "rollout", "show", "x"],
    &["explain", "x"],
    &["audit", "list"],
    &["audit", "verify"],
    &["user", "list"],
    &["user", "create", "x"],
    &["principal", "list"],
    &["principal", "create", "x"],
];

#[test]
fn without_a_sign_in_every_command_is_refused_and_says_how_to_sign_in() {
    for arguments in NEED_SIGN_IN {
        let run = lapwing(arguments);
        assert_eq!(run.status, 3, "{arguments:?} {run:?}");
        assert_eq!(run.out, "", "{arguments:?}");
        assert!(run.err.contains("nobody is signed in") && run.err.contains("next: lapwing login"), "{run:?}");
        assert!(run.err.contains("code: not_signed_in"), "{run:?}");
    }
    let run = lapwing(&["whoami", "--server", "https://a.test"]);
    assert!(run.err.contains("lapwing login --server https://a.test"), "{run:?}");
}

#[test]
fn wrong_use_is_2() {
    let wrong: &[&[&str]] = &[
        &[],
        &["no-such-command"],
        &["device"],
        &["setting", "laps", "maybe"],
        &["whoami", "--output", "xml"],
        &["login", "--client-id", "x"],
        &["login", "--secret-file", "-"],
        &["login"],
        &["login", "--server", "https://127.0.0.1:1"],
        &["login", "--server", "http://127.0.0.1:1", "--ca", &"00".repeat(32)],
        &["login", "--server", "https://127.0.0.1:1", "--ca", "/no/such/file"],
        &["generate"],
        &["generate", "--complexity", "9"],
        &["join-token", "create", "--hours", "169"],
    ];
    for arguments in wrong {
        let run = lapwing(arguments);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{arguments:?} {run:?}");
        assert!(!run.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_a_failure_with_a_next_step() {
    let home = Home::new();
    let ca = "ab".repeat(32);
    let login =
        ["login", "--here", "--user", "ada", "--secret-file", "-", "--server", "https://127.0.0.1:1", "--ca", &ca];
    let run = home.run_with(&login, "hunter2\n");
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.err.contains("no connection") && run.err.contains("next: check that lapwingd runs there"), "{run:?}");
    assert!(run.err.contains("code: server_unreachable"), "{run:?}");
    assert!(!run.err.contains("hunter2"));
    assert!(!home.path().join(".config").exists(), "nothing was written");
}

#[test]
fn nobody_signs_out_without_a_fuss() {
    let run = lapwing(&["logout"]);
    assert_eq!((run.status, run.err.as_str()), (0, "nobody was signed in\n"));
}

#[test]
fn a_session_that_cannot_be_read_counts_as_none() {
    let home = Home::new();
    let directory = home.path().join(".config/lapwing");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("session.json"), "{").unwrap();
    let run = home.run(&["whoami"]);
    assert_eq!(run.status, 3, "{run:?}");
    assert!(run.err.contains("not a session of this version"), "{run:?}");
}

#[test]
fn messages_have_no_colour_when_nobody_looks() {
    assert!(!lapwing(&["whoami"]).err.contains('\u{1b}'));
    assert!(!lapwing(&["--help"]).out.contains('\u{1b}'));
}

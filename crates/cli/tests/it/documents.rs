//! What is generated or checked without a server: completions, manual pages, DDF, ADMX, policy documents.

use crate::program::{Home, lapwing};

#[test]
fn completions_for_every_shell_name_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = lapwing(&["completions", shell]);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{shell}");
        for name in ["join-token", "explain", "rotate", "--complexity"] {
            assert!(run.out.contains(name.trim_start_matches('-')), "{shell} lacks {name}");
        }
    }
}

#[test]
fn completions_for_bash_are_bash() {
    let home = Home::new();
    let script = home.path().join("lapwing.bash");
    std::fs::write(&script, lapwing(&["completions", "bash"]).out).unwrap();
    let checked = std::process::Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let home = Home::new();
    let directory = home.path().join("man");
    let run = home.run(&["man", directory.to_str().unwrap()]);
    assert_eq!(run.status, 0, "{run:?}");
    for page in ["lapwing.1", "lapwing-password-get.1", "lapwing-generate.1", "lapwing-join-token-create.1"] {
        let text = std::fs::read_to_string(directory.join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}

/// Issue 3, 12: the help of each setting carries the published notes, without a server.
#[test]
fn the_help_of_a_setting_carries_its_notes() {
    let all = lapwing(&["policy", "settings"]);
    assert_eq!((all.status, all.err.as_str()), (0, ""));
    for (name, notes) in [
        ("PostAuthenticationActions", &["not saved is lost", "two minutes", "get round them"][..]),
        ("PasswordComplexity", &["1, 2 and 3 exist for compatibility", "Electronic Frontier Foundation"]),
        ("AdministratorAccountName", &["does not create it"]),
        ("AutomaticAccountManagementTarget", &["never renamed, expired or deleted"]),
        ("ADEncryptedPasswordHistorySize", &["Ignored while encryption is off"]),
        ("PasswordAgeDays", &["At least 7 with BackupDirectory 1"]),
    ] {
        assert!(all.out.contains(name), "{name}");
        let one = lapwing(&["policy", "settings", name]);
        let json = lapwing(&["policy", "settings", name, "--output", "json"]);
        assert_eq!((one.status, json.status), (0, 0), "{one:?}");
        for note in notes {
            assert!(one.out.contains(note) && json.out.contains(note), "{name}: {note}: {}", one.out);
        }
    }
    let wrong = lapwing(&["policy", "settings", "NoSuchSetting"]);
    assert_eq!(wrong.status, 2);
    assert!(wrong.err.contains("setting_unknown") && wrong.err.contains("lapwing policy settings"), "{wrong:?}");
}

#[test]
fn csp_documents_are_printed() {
    for (arguments, text) in [
        (&["csp", "ddf"][..], "<MgmtTree"),
        (&["csp", "admx"], "<policyDefinitions"),
        (&["csp", "admx", "--adml"], "<policyDefinitionResources"),
    ] {
        let run = lapwing(arguments);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(run.out.contains(text), "{arguments:?}");
    }
    let home = Home::new();
    let directory = home.path().join("PolicyDefinitions");
    assert_eq!(home.run(&["csp", "admx", "--directory", directory.to_str().unwrap()]).status, 0);
    assert!(directory.join("Lapwing.admx").exists() && directory.join("en-US/Lapwing.adml").exists());
}

const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/tests/data/policy-entra.xml");

#[test]
fn the_published_policy_passes_and_what_has_no_effect_is_marked() {
    let run = lapwing(&["policy", "lint", PUBLISHED]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.out.contains("ContosoLocalLapsAdmin") && run.err.contains("manages an account"), "{run:?}");
    let run = Home::new()
        .run_with(&["policy", "lint", "-"], r#"{"BackupDirectory": 2, "ADEncryptedPasswordHistorySize": 6}"#);
    assert!(run.out.contains("! \"6\" has no effect") && run.err.contains("Active Directory"), "{run:?}");
}

#[test]
fn bad_documents_name_node_value_and_allowed_values() {
    for (document, code, texts) in [
        (r#"{"PasswordLength": 700}"#, "policy_refused", &["Policies/PasswordLength", "value: 700", "8 to 64"][..]),
        (r#"{"NoSuchSetting": 1}"#, "policy_refused", &["NoSuchSetting", "node_unknown"]),
        ("plain text", "policy_not_syncml_or_json", &["expected < or {"]),
        ("{", "policy_not_json", &["line 1"]),
        ("{}", "policy_empty", &["at least one setting"]),
    ] {
        let run = Home::new().run_with(&["policy", "lint", "-"], document);
        assert_eq!((run.status, run.out.as_str()), (1, ""), "{document}");
        assert!(run.err.contains(&format!("code: {code}")), "{document} {run:?}");
        for text in texts {
            assert!(run.err.contains(text), "{document} lacks {text}: {run:?}");
        }
    }
    let run = lapwing(&["policy", "lint", "/no/such/file"]);
    assert!(run.status == 1 && run.err.contains("/no/such/file"), "{run:?}");
}

#[test]
fn a_bad_document_is_told_before_anybody_must_sign_in() {
    let run = Home::new().run_with(&["policy", "import", "-", "--name", "x"], r#"{"PasswordLength": 700}"#);
    assert!(run.status == 1 && run.err.contains("policy_refused"), "{run:?}");
    let run = Home::new().run_with(&["policy", "import", "-"], r#"{"PasswordLength": 20}"#);
    assert!(run.status == 2 && run.err.contains("add --name"), "{run:?}");
}

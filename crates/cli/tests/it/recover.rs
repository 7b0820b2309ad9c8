//! `lapwing ad recover`: a made-up domain as an export, and as a database made of it with Samba's tools.

use crate::program::{Home, Run};
use serde_json::Value;
use std::{fs, process::Command};

const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/data/domain.ldif");

fn recover(arguments: &[&str], input: &str) -> Run {
    let home = Home::new();
    let all: Vec<&str> = ["ad", "recover"].into_iter().chain(arguments.iter().copied()).collect();
    home.run_with(&all, input)
}

/// Source, password and status of each reading.
fn rows(run: &Run) -> Vec<(String, Option<String>, String)> {
    let rows: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let text = |row: &Value, key: &str| row[key].as_str().map(str::to_owned);
    let fields = |row| (text(row, "Source").unwrap(), text(row, "Password"), text(row, "DecryptionStatus").unwrap());
    rows.iter().map(fields).collect()
}

fn row(source: &str, password: Option<&str>, status: &str) -> (String, Option<String>, String) {
    (source.to_owned(), password.map(str::to_owned), status.to_owned())
}

#[test]
fn an_export_gives_its_passwords() {
    let run = recover(&["--ldif", EXPORT, "--output", "json"], "");
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(rows(&run), [row("EncryptedPassword", Some("P-20"), "Success")]);
    assert!(run.out.contains(r#""AuthorizedDecryptor": "LAPS\\Admins""#), "{run:?}");

    // One of the former ones is closed: all are printed, and the status says so.
    let text = fs::read_to_string(EXPORT).unwrap();
    let run = recover(&["WS01$", "--history", "--ldif", "-", "--output", "json"], &text);
    assert_eq!(run.status, 1, "{run:?}");
    let former = "EncryptedPasswordHistory";
    let expected = [
        row("EncryptedPassword", Some("P-20"), "Success"),
        row(former, Some("P-10"), "Success"),
        row(former, None, "Error"),
    ];
    assert_eq!(rows(&run), expected);
    let lost = "the root key 00000000-0000-0000-0000-000000000002 is not in the database";
    assert!(run.err.contains(lost) && run.err.contains("code: ad_decryption_failed"), "{run:?}");
}

#[test]
fn what_is_not_there_is_named() {
    for (arguments, input, status, code) in [
        (&["ws02.laps.test", "--ldif", EXPORT][..], "", 4, "password_none"),
        (&["ws03", "--ldif", EXPORT], "", 4, "ad_object_not_found"),
        (&["--ldif", "-"], "", 4, "ad_database_empty"),
        (&["--ldif", "-"], "dn: CN=a\ncanary", 1, "ad_ldif_malformed"),
        (&["--ldif", "/nowhere"], "", 1, "ad_database_unreadable"),
        (&["--database", "/nowhere/sam.ldb"], "", 1, "ad_database_unreadable"),
        (&[], "", 2, ""),
    ] {
        let run = recover(arguments, input);
        assert_eq!(run.status, status, "{arguments:?} {run:?}");
        assert!(run.err.contains(code) && !run.err.contains("canary"), "{arguments:?} {run:?}");
    }
}

/// What Samba keeps: a folder with a file for each partition, beside sam.ldb.
#[test]
fn a_database_of_samba_gives_its_passwords() {
    let folder = tempfile::TempDir::new().unwrap();
    let partitions = folder.path().join("sam.ldb.d");
    fs::create_dir(&partitions).unwrap();
    let file = partitions.join("DC=LAPS,DC=TEST.ldb");
    let Ok(made) = Command::new("ldbadd").arg("-H").arg(&file).arg(EXPORT).output() else {
        println!("SKIPPED recover::a_database_of_samba_gives_its_passwords: ldbadd is missing (Debian: ldb-tools)");
        return;
    };
    assert!(made.status.success(), "{made:?}");
    let (before, database) = (fs::read(&file).unwrap(), folder.path().join("sam.ldb"));
    let temporary = tempfile::TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["ad", "recover", "ws01", "--output", "json", "--database"])
        .arg(&database)
        .env("TMPDIR", temporary.path())
        .output();
    let run: Run = output.unwrap().into();
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(rows(&run), [row("EncryptedPassword", Some("P-20"), "Success")]);
    assert_eq!(fs::read(&file).unwrap(), before, "the database is as it was");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "the copy is gone");
}

//! Trees on disk, without any right beyond owning them.

use super::fixture::{Fixture, TODAY, named, password, verifier};
use agent::accounts::{FingerprintKey, Verifier};
use agent::platform::{AccountError, Durability, ManagedTree, PamAnswer};
use laps::account::Selection;
use laps::rotation::{Comparison, ProofKind};
use rustix::fs::{FlockOperation, XattrFlags, fcntl_lock, fsetxattr};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

fn code<T>(result: Result<T, AccountError>) -> (&'static str, u32) {
    match result {
        Ok(_) => ("none", 0),
        Err(error) => {
            assert!(!error.remedy().is_empty());
            (error.code(), error.event())
        }
    }
}

fn preflight(tree: &ManagedTree, selection: &Selection) -> (&'static str, u32) {
    code(tree.preflight(selection, Durability::VolatileOk, TODAY))
}

/// rotation.md 6 to 8 from end to end.
#[test]
fn a_password_is_set_and_proven() {
    let fixture = Fixture::new();
    let mut tree = fixture.tree();
    tree.claim("a test").unwrap();
    let before = fixture.shadow();
    let seen = tree.preflight(&named("ann"), Durability::VolatileOk, TODAY).unwrap();
    assert_eq!(fixture.shadow(), before, "the preflight changes nothing");
    assert_eq!(seen.account.id, 1000);
    assert!(seen.usability.usable());
    assert!(seen.administrators.as_ref().unwrap().member);

    let key = FingerprintKey::new([3; 32]);
    let new = verifier(&tree, "First-Example-1");
    let intended = key.fingerprint(&seen.account, &new).unwrap();
    assert_eq!(tree.compare(&seen.account, intended, Some(&key)), Comparison::Different);
    assert_eq!(tree.compare(&seen.account, intended, None), Comparison::CannotTell);

    tree.set(&seen, &new, TODAY).unwrap();
    let expected = before.replace("ann:$6$old$hash:19000:", &format!("ann:{}:{TODAY}:", new.as_str()));
    assert_eq!(fixture.shadow(), expected);
    assert_eq!(tree.compare(&seen.account, intended, Some(&key)), Comparison::Same);
    let after = tree.inspect(&named("ann"), TODAY).unwrap();
    assert_eq!(after.facts(Some(&key)).installed, Some(intended));
    assert_eq!(after.last_change_day, Some(i64::from(TODAY)));

    let proof = tree.prove(&seen.account, &password("First-Example-1")).unwrap();
    assert_eq!(proof.kind, ProofKind::Verifier);
    assert!(matches!(proof.pam, PamAnswer::CannotTell(_)));
    assert_eq!(code(tree.prove(&seen.account, &password("First-Example-2"))).0, "proof_failed");
}

/// rotation.md 2: what is set is never abandoned. An account that another hand renamed between step 5 and the
/// restart holds the password all the same; with another password it does not.
#[test]
fn a_credential_that_was_set_and_renamed_is_not_taken_for_never_set() {
    let fixture = Fixture::new();
    let mut tree = fixture.tree();
    let seen = tree.preflight(&named("ann"), Durability::VolatileOk, TODAY).unwrap();
    let key = FingerprintKey::new([3; 32]);
    let new = verifier(&tree, "First-Example-1");
    let intended = key.fingerprint(&seen.account, &new).unwrap();
    let rename = |path: &str| {
        let text = fs::read_to_string(fixture.etc(path)).unwrap();
        fs::write(fixture.etc(path), text.replace("ann:", "chef:")).unwrap();
    };
    tree.set(&seen, &new, TODAY).unwrap();
    rename("passwd");
    rename("shadow");
    assert_eq!(tree.compare(&seen.account, intended, Some(&key)), Comparison::CannotTell);
    let other = key.fingerprint(&seen.account, &verifier(&tree, "First-Example-2")).unwrap();
    assert_eq!(tree.compare(&seen.account, other, Some(&key)), Comparison::Different);
}

/// rotation.md 7: "Lock marks are kept", and the built-in administrator is the first line with uid 0.
#[test]
fn a_disabled_account_is_managed_and_stays_disabled() {
    let fixture = Fixture::new();
    let mut tree = fixture.tree();
    for selection in [Selection::BuiltIn, named("locked")] {
        let seen = tree.preflight(&selection, Durability::VolatileOk, TODAY).unwrap();
        assert!(seen.usability.disabled);
        let new = verifier(&tree, "Example-1");
        tree.set(&seen, &new, TODAY).unwrap();
        let line = format!("{}:!{}:{TODAY}:", seen.account.name, new.as_str());
        assert!(fixture.shadow().contains(&line));
        assert_eq!(tree.prove(&seen.account, &password("Example-1")).unwrap().kind, ProofKind::Verifier);
    }
    let locked = tree.inspect(&named("locked"), TODAY).unwrap();
    assert!(locked.usability.expired && locked.usability.shell_refuses);
    assert!(locked.facts(None).administrator, "by its primary group");
    assert_eq!(tree.inspect(&Selection::BuiltIn, TODAY).unwrap().account.name, "root");
}

#[test]
fn accounts_that_cannot_be_managed_have_codes() {
    let fixture = Fixture::new();
    let tree = fixture.tree();
    assert_eq!(preflight(&tree, &named("nobody-here")), ("account_not_found", 10013));
    assert_eq!(preflight(&tree, &named("plain")), ("account_not_shadowed", 10019));
    assert_eq!(preflight(&tree, &named("noshadow")), ("account_no_shadow_line", 10019));
    assert_eq!(preflight(&tree, &named("twin")), ("account_db_duplicate", 10019));
    assert_eq!(preflight(&tree, &named("ann")), ("none", 0));
    fs::write(fixture.etc("passwd"), "ann:x:1:1::/:\n").unwrap();
    assert_eq!(preflight(&tree, &Selection::BuiltIn), ("account_not_found", 10013));
}

#[test]
fn databases_that_are_not_safe_to_change_have_codes() {
    let fixture = Fixture::new();
    let tree = fixture.tree();
    let error = |name: &str, text: &str| {
        let before = fs::read(fixture.etc(name)).unwrap();
        fs::write(fixture.etc(name), [before.as_slice(), text.as_bytes()].concat()).unwrap();
        let error = tree.preflight(&named("ann"), Durability::VolatileOk, TODAY).unwrap_err();
        fs::write(fixture.etc(name), before).unwrap();
        (error.code(), error.to_string())
    };
    let (code, text) = error("passwd", "broken:x\n");
    assert_eq!(code, "account_db_malformed");
    assert!(text.contains("/etc/passwd line 11"), "{text}");
    let (code, text) = error("shadow", "ann:*:1:0:99999:7:::\n");
    assert_eq!(code, "account_db_duplicate");
    assert!(text.contains("/etc/shadow line 9") && text.contains("line 3"), "{text}");
    assert_eq!(error("shadow", "broken\n").0, "account_db_malformed");

    fs::write(fixture.etc("NIXOS"), "").unwrap();
    assert_eq!(preflight(&tree, &named("ann")).0, "account_db_generated");
    fs::remove_file(fixture.etc("NIXOS")).unwrap();
    fs::remove_file(fixture.etc("shadow")).unwrap();
    assert_eq!(preflight(&tree, &named("ann")).0, "account_db_missing");
    fs::create_dir(fixture.etc("shadow")).unwrap();
    assert_eq!(preflight(&tree, &named("ann")).0, "account_db_unreadable");
    let empty = tempfile::tempdir().unwrap();
    let empty = ManagedTree::new(agent::platform::Tree::below(empty.path()).unwrap());
    assert_eq!(preflight(&empty, &named("ann")).0, "account_db_missing");
}

/// rotation.md 7: "Re-read; stop if the account is not as it was in step 1".
#[test]
fn a_change_by_another_hand_stops_the_set() {
    let fixture = Fixture::new();
    let mut tree = fixture.tree();
    let seen = tree.inspect(&named("ann"), TODAY).unwrap();
    let new = verifier(&tree, "Example-1");
    let theirs = fixture.shadow().replace("$6$old$hash", "$6$new$hash");
    fs::write(fixture.etc("shadow"), &theirs).unwrap();
    let error = tree.set(&seen, &new, TODAY).unwrap_err();
    assert_eq!(error.code(), "account_changed");
    assert!(error.untouched());
    assert_eq!(fixture.shadow(), theirs);

    let seen = tree.inspect(&named("ann"), TODAY).unwrap();
    let passwd = fs::read_to_string(fixture.etc("passwd")).unwrap();
    fs::write(fixture.etc("passwd"), passwd.replace("ann:x:1000:", "ann:x:2000:")).unwrap();
    assert_eq!(code(tree.set(&seen, &new, TODAY)).0, "account_changed");
    assert_eq!(fixture.shadow(), theirs);
}

#[test]
fn of_many_at_once_one_sets() {
    let fixture = Fixture::new();
    let seen = fixture.tree().inspect(&named("ann"), TODAY).unwrap();
    let start = std::sync::Barrier::new(8);
    let results: Vec<_> = std::thread::scope(|scope| {
        let one = |n: usize| {
            let (mut tree, seen, start) = (fixture.tree(), &seen, &start);
            scope.spawn(move || {
                let new = Verifier::new(format!("$6$salt{n}$hash")).unwrap();
                start.wait();
                code(tree.set(seen, &new, TODAY)).0
            })
        };
        let threads: Vec<_> = (0..8).map(one).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|code| **code == "none").count(), 1, "{results:?}");
    assert!(results.iter().all(|code| matches!(*code, "none" | "account_changed" | "account_db_claimed")));
    assert_eq!(fixture.shadow().matches("$6$salt").count(), 1);
}

#[test]
fn a_second_agent_is_told_who_the_first_is() {
    let fixture = Fixture::new();
    let mut first = fixture.tree();
    first.claim("lapwing-agent with state in /var/lib/one").unwrap();
    first.claim("again is no harm").unwrap();
    let mut second = fixture.tree();
    let error = second.claim("two").unwrap_err();
    assert_eq!(error.code(), "account_db_claimed");
    assert!(error.to_string().contains("/var/lib/one"), "{error}");
    let seen = second.inspect(&named("ann"), TODAY).unwrap();
    assert_eq!(code(second.set(&seen, &verifier(&second, "x"), TODAY)).0, "account_db_claimed");
    drop(first);
    second.claim("two").unwrap();
}

#[test]
fn leftovers_of_a_crash_are_removed_at_the_claim() {
    let fixture = Fixture::new();
    fs::write(fixture.etc(".lapwing-new.shadow.4"), "half").unwrap();
    fixture.tree().claim("a test").unwrap();
    assert!(!fixture.etc(".lapwing-new.shadow.4").exists());
}

/// Holds `.pwd.lock` of the current directory as lckpwdf(3) does, until its standard input ends.
#[test]
#[ignore = "the child of set_waits_for_the_lock_of_another_process"]
fn child_holds_the_lock() {
    let file = File::create(".pwd.lock").unwrap();
    fcntl_lock(&file, FlockOperation::LockExclusive).unwrap();
    println!("held");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn set_waits_for_the_lock_of_another_process() {
    let fixture = Fixture::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "accounts::tree::child_holds_the_lock", "--ignored", "--nocapture"])
        .current_dir(fixture.root().join("etc"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line.ends_with("held")));

    let before = fixture.shadow();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut tree = fixture.tree();
        let seen = tree.inspect(&named("ann"), TODAY).unwrap();
        let new = verifier(&tree, "Example-1");
        scope.spawn(move || sender.send(code(tree.set(&seen, &new, TODAY)).0).unwrap());
        let early = receiver.recv_timeout(Duration::from_millis(300));
        assert_eq!(early, Err(mpsc::RecvTimeoutError::Timeout));
        assert_eq!(fixture.shadow(), before);
        drop(child.stdin.take());
        assert_eq!(receiver.recv_timeout(Duration::from_secs(15)), Ok("none"));
    });
    lines.for_each(drop);
    assert!(child.wait().unwrap().success());
    assert_ne!(fixture.shadow(), before);
}

/// rotation.md 7: "owner, mode, ACL, xattrs and SELinux label"; the label is an attribute, also where SELinux is off.
#[test]
fn owner_mode_acl_and_attributes_are_kept() {
    let fixture = Fixture::new();
    let path = fixture.etc("shadow");
    let root = rustix::process::geteuid().is_root();
    if root {
        std::os::unix::fs::chown(&path, Some(0), Some(42)).unwrap();
    } else {
        eprintln!("SKIPPED in owner_mode_acl_and_attributes_are_kept: another group (not root)");
    }
    // user::rw-, user:1234:r--, group::r--, mask::r--, other::--- in the kernel's form.
    let entries: [(u16, u16, u32); 5] =
        [(1, 6, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)];
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, rights, id) in entries {
        acl.extend([&tag.to_le_bytes()[..], &rights.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    let file = File::options().write(true).open(&path).unwrap();
    let attributes: [(&str, &[u8]); 3] = [
        ("user.lapwing", b"kept"),
        ("system.posix_acl_access", &acl),
        ("security.selinux", b"system_u:object_r:shadow_t:s0\0"),
    ];
    let supported: Vec<_> = attributes
        .into_iter()
        .filter(|(name, value)| match fsetxattr(&file, *name, value, XattrFlags::empty()) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("SKIPPED in owner_mode_acl_and_attributes_are_kept: {name} ({error})");
                false
            }
        })
        .collect();
    let before = fs::metadata(&path).unwrap();

    let mut tree = fixture.tree();
    let seen = tree.inspect(&named("ann"), TODAY).unwrap();
    tree.set(&seen, &verifier(&tree, "Example-1"), TODAY).unwrap();

    let after = fs::metadata(&path).unwrap();
    assert_ne!(before.ino(), after.ino(), "the file was replaced");
    assert_eq!((before.uid(), before.gid(), before.mode()), (after.uid(), after.gid(), after.mode()));
    for (name, value) in supported {
        let mut found = Vec::with_capacity(256);
        rustix::fs::getxattr(&path, name, rustix::buffer::spare_capacity(&mut found)).unwrap();
        assert_eq!(found, value, "{name}");
    }
}

#[test]
fn a_linked_shadow_file_is_replaced_where_it_is() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.root().join("data")).unwrap();
    fs::rename(fixture.etc("shadow"), fixture.root().join("data/shadow")).unwrap();
    symlink("/data/shadow", fixture.etc("shadow")).unwrap();
    let mut tree = fixture.tree();
    let seen = tree.preflight(&named("ann"), Durability::VolatileOk, TODAY).unwrap();
    tree.set(&seen, &verifier(&tree, "Example-1"), TODAY).unwrap();
    assert!(fs::symlink_metadata(fixture.etc("shadow")).unwrap().is_symlink());
    assert!(tree.prove(&seen.account, &password("Example-1")).is_ok());
}

#[test]
fn a_directory_without_write_permission_is_refused() {
    if rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED a_directory_without_write_permission_is_refused: root may write everywhere");
        return;
    }
    let fixture = Fixture::new();
    fs::set_permissions(fixture.root().join("etc"), fs::Permissions::from_mode(0o555)).unwrap();
    let refused = preflight(&fixture.tree(), &named("ann")).0;
    fs::set_permissions(fixture.root().join("etc"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(refused, "account_db_no_permission");
}

#[test]
fn the_machine_says_how_to_hash_and_what_a_password_must_be() {
    let fixture = Fixture::new();
    let tree = fixture.tree();
    assert!(verifier(&tree, "x").as_str().starts_with("$y$j9T$"), "the default");
    fs::write(fixture.etc("login.defs"), "ENCRYPT_METHOD SHA256\nPASS_MIN_LEN 10\n").unwrap();
    assert!(verifier(&tree, "x").as_str().starts_with("$5$"));
    fs::create_dir_all(fixture.etc("pam.d")).unwrap();
    fs::write(fixture.etc("pam.d/system-auth"), "password sufficient pam_unix.so sha512 shadow\n").unwrap();
    assert!(verifier(&tree, "x").as_str().starts_with("$6$"));
    assert!(tree.hash_choice().unwrap().source.contains("system-auth"));

    fs::create_dir_all(fixture.etc("security/pwquality.conf.d")).unwrap();
    fs::write(fixture.etc("security/pwquality.conf.d/10.conf"), "minlen = 20\nminclass = 4\n").unwrap();
    fs::write(fixture.etc("security/pwquality.conf"), "minlen = 12\n").unwrap();
    let verdict = |text: &str| tree.rules().unwrap().check(&password(text), "ann").map_err(|error| error.rule.name());
    assert_eq!(verdict("short-A1"), Err("PASS_MIN_LEN"));
    assert_eq!(verdict("elevenCh-12"), Err("minlen"));
    assert_eq!(verdict("nodigitshere-A"), Err("minclass"));
    assert_eq!(verdict("twelveChar-12"), Ok(()));
    let refused = tree.rules().unwrap().check(&password("x"), "ann").unwrap_err();
    assert_eq!(AccountError::from(refused).event(), 10027);
}

//! What needs root: mounts, full and read-only disks, PAM; in a private mount namespace.
//!
//! Each test starts this binary again under `unshare -m`, which runs the ignored child test beside it in
//! the current directory, a fresh one. Without the right to do so a test says that it was skipped.

use super::fixture::{self, TODAY, named, password, verifier};
use agent::platform::{
    AccountError, AccountPhase, Durability, ManagedTree, PamAnswer, Tree, Whole, forbid_core_dumps, install_pam_service,
};
use laps::account::Selection;
use laps::rotation::ProofKind;
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a child test after a shell script has prepared the namespace; the current directory is a fresh one
/// with the usual accounts below `tree`.
fn in_namespace(test: &str, script: &str) {
    let unshare = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    if !unshare(Command::new("unshare").args(["-m", "--propagation", "private", "true"])) {
        eprintln!("SKIPPED accounts::namespace::{test}: no right to make a mount namespace");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fixture::write(&dir.path().join("tree"));
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-ec"])
        .arg(format!("{script}\nexec \"$0\" --exact \"$1\" --ignored --nocapture"))
        .arg(std::env::current_exe().unwrap())
        .arg(format!("accounts::namespace::child_{test}"))
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    errors.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| eprintln!("{line}"));
    let ran = output.status.success() && text.contains("1 passed");
    assert!(ran, "{text}\n{}", errors);
}

/// Stops a child test that somebody runs by hand: the machine's own /etc is never touched.
fn assert_etc_is_a_copy() {
    let (etc, copy) = (fs::metadata("/etc").unwrap(), fs::metadata("copy").expect("run the test without child_"));
    assert_eq!((etc.dev(), etc.ino()), (copy.dev(), copy.ino()), "/etc is not the copy in a namespace");
}

fn tree() -> ManagedTree {
    ManagedTree::new(Tree::below(Path::new("tree")).unwrap())
}

fn refusal(durability: Durability) -> AccountError {
    tree().preflight(&named("ann"), durability, TODAY).unwrap_err()
}

#[test]
fn a_read_only_directory_is_refused() {
    in_namespace(
        "a_read_only_directory_is_refused",
        "mount --bind tree/etc tree/etc; mount -o remount,ro,bind tree/etc",
    );
}

#[test]
#[ignore = "child of the test of its name"]
fn child_a_read_only_directory_is_refused() {
    assert_eq!(refusal(Durability::VolatileOk).code(), "account_db_read_only");
    assert_eq!(tree().claim("a test").unwrap_err().code(), "account_db_read_only");
}

#[test]
fn a_mounted_file_is_refused() {
    in_namespace("a_mounted_file_is_refused", "cp tree/etc/shadow other; mount --bind other tree/etc/shadow");
}

#[test]
#[ignore = "child of the test of its name"]
fn child_a_mounted_file_is_refused() {
    assert_eq!(refusal(Durability::VolatileOk).code(), "account_db_mount_point");
}

#[test]
fn a_full_disk_changes_nothing() {
    in_namespace(
        "a_full_disk_changes_nothing",
        "cp -a tree/etc copy; mount -t tmpfs -o size=64k none tree/etc; cp -a copy/. tree/etc",
    );
}

#[test]
#[ignore = "child of the test of its name"]
fn child_a_full_disk_changes_nothing() {
    let mut tree = tree();
    let not_durable = refusal(Durability::Required);
    assert_eq!(not_durable.code(), "account_db_not_durable");
    assert!(not_durable.to_string().contains("tmpfs"));
    let seen = tree.preflight(&named("ann"), Durability::VolatileOk, TODAY).unwrap();
    let new = verifier(&tree, "Example-1");
    // The locks' own files take pages too: the claim is taken first, as a running agent has it.
    tree.claim("a test").unwrap();
    let before = fs::read("tree/etc/shadow").unwrap();
    let filled = fs::write("tree/etc/fill", vec![1_u8; 1 << 20]).unwrap_err();
    assert_eq!(filled.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(refusal(Durability::VolatileOk).code(), "account_db_no_space");
    let error = tree.set(&seen, &new, TODAY).unwrap_err();
    assert_eq!(error.code(), "account_db_no_space");
    assert!(error.untouched());
    assert_eq!(fs::read("tree/etc/shadow").unwrap(), before);
    fs::remove_file("tree/etc/fill").unwrap();
    tree.set(&seen, &new, TODAY).unwrap();
    let left: Vec<_> = fs::read_dir("tree/etc").unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 5, "{left:?}");
}

#[test]
fn a_volatile_overlay_is_refused() {
    in_namespace(
        "a_volatile_overlay_is_refused",
        "mkdir memory disk work lower; cp -a tree/etc/. lower; mount -t tmpfs none memory
         mkdir memory/upper memory/work
         if mount -t overlay -o lowerdir=lower,upperdir=memory/upper,workdir=memory/work none tree/etc
         then :; else echo overlay mounts are not possible here > no-overlay; fi",
    );
}

#[test]
#[ignore = "child of the test of its name"]
fn child_a_volatile_overlay_is_refused() {
    if Path::new("no-overlay").exists() {
        eprintln!("SKIPPED accounts::namespace::a_volatile_overlay_is_refused: no overlay file system");
        return;
    }
    let error = refusal(Durability::Required);
    assert_eq!(error.code(), "account_db_not_durable");
    assert!(error.to_string().contains("overlay"), "{error}");
    assert!(tree().preflight(&named("ann"), Durability::VolatileOk, TODAY).is_ok());
}

#[test]
fn an_immutable_file_is_refused() {
    in_namespace(
        "an_immutable_file_is_refused",
        "if chattr +i tree/etc/shadow; then :; else echo no attributes here > no-attributes; fi",
    );
}

#[test]
#[ignore = "child of the test of its name"]
fn child_an_immutable_file_is_refused() {
    if Path::new("no-attributes").exists() {
        eprintln!("SKIPPED accounts::namespace::an_immutable_file_is_refused: chattr +i is not possible here");
        return;
    }
    let error = refusal(Durability::VolatileOk);
    assert!(Command::new("chattr").args(["-i", "tree/etc/shadow"]).status().unwrap().success());
    assert_eq!(error.code(), "account_db_immutable");
}

/// rotation.md 8 on the running system: the service `lapwing`, real PAM, a copy of /etc bound over /etc.
#[test]
fn pam_proves_a_password() {
    in_namespace("pam_proves_a_password", "cp -a /etc copy; mount --bind copy /etc");
}

#[test]
#[ignore = "child of the test of its name"]
fn child_pam_proves_a_password() {
    assert_etc_is_a_copy();
    let append = |path: &str, line: &str| {
        let text = fs::read_to_string(path).unwrap();
        fs::write(path, text + line).unwrap();
    };
    append(
        "/etc/passwd",
        "lapwingtest:x:64242:64242::/:/bin/sh\nlapwinglocked:x:64243:64243::/:/bin/sh\nlapwingopen:x:64244:64244::/:/bin/sh\n",
    );
    append(
        "/etc/shadow",
        "lapwingtest:$6$old$hash:19000:0:99999:7:::\nlapwinglocked:!:19000:0:99999:7:::\nlapwingopen:$6$old$hash:19000:0:99999:7:::\n",
    );
    let mut tree = ManagedTree::new(Tree::running());
    tree.claim("a test").unwrap();
    let set = |tree: &mut ManagedTree, selection: &Selection, text: &str| {
        let seen = tree.preflight(selection, Durability::VolatileOk, TODAY).unwrap();
        let new = verifier(tree, text);
        tree.set(&seen, &new, TODAY).unwrap();
        seen.account
    };
    let account = set(&mut tree, &named("lapwingtest"), "Pam-Example-1");

    // Without the service's file the verifier is the proof, and the reason stands beside it.
    let proof = tree.prove(&account, &password("Pam-Example-1")).unwrap();
    assert_eq!(proof.kind, ProofKind::Verifier);
    assert!(matches!(&proof.pam, PamAnswer::CannotTell(reason) if reason.contains("missing")));

    install_pam_service(tree.tree()).unwrap();
    let proof = tree.prove(&account, &password("Pam-Example-1")).unwrap();
    assert_eq!((proof.kind, proof.pam), (ProofKind::Pam, PamAnswer::Opens(AccountPhase::Usable)));
    let wrong = tree.prove(&account, &password("Pam-Example-2")).unwrap_err();
    assert_eq!(wrong.code(), "proof_failed");

    // The next rotation: the former password no longer opens.
    set(&mut tree, &named("lapwingtest"), "Pam-Example-3");
    assert_eq!(tree.prove(&account, &password("Pam-Example-1")).unwrap_err().code(), "proof_failed");
    assert_eq!(tree.prove(&account, &password("Pam-Example-3")).unwrap().kind, ProofKind::Pam);

    // The account phase tells usability only.
    let shadow = fs::read_to_string("/etc/shadow").unwrap();
    let expired: Vec<_> = shadow
        .lines()
        .map(|line| if line.starts_with("lapwingtest:") { line.replace(":7:::", ":7::10:") } else { line.into() })
        .collect();
    fs::write("/etc/shadow", expired.join("\n") + "\n").unwrap();
    let proof = tree.prove(&account, &password("Pam-Example-3")).unwrap();
    assert_eq!((proof.kind, proof.pam), (ProofKind::Pam, PamAnswer::Opens(AccountPhase::Expired)));

    // A disabled account: the verifier is the proof.
    let locked = set(&mut tree, &named("lapwinglocked"), "Pam-Example-4");
    assert_eq!(tree.prove(&locked, &password("Pam-Example-4")).unwrap().kind, ProofKind::Verifier);

    // A service file that somebody changed is not used.
    fs::write("/etc/pam.d/lapwing", "auth sufficient pam_permit.so\naccount required pam_permit.so\n").unwrap();
    let proof = tree.prove(&account, &password("Pam-Example-3")).unwrap();
    assert!(matches!(&proof.pam, PamAnswer::CannotTell(reason) if reason.contains("other lines")));

    // Another program, run by an unprivileged user, sees the same.
    assert!(!su("lapwingtest", "Pam-Example-3"), "the account has expired");
    set(&mut tree, &named("lapwingopen"), "Pam-Example-6");
    assert!(su("lapwingopen", "Pam-Example-6"));
    assert!(!su("lapwingopen", "Pam-Example-3"));
    set(&mut tree, &named("lapwingopen"), "Pam-Example-7");
    assert!(su("lapwingopen", "Pam-Example-7"));
    assert!(!su("lapwingopen", "Pam-Example-6"), "the former password");

    // The built-in administrator of the running system.
    let root = set(&mut tree, &Selection::BuiltIn, "Pam-Example-5");
    assert_eq!(root.id, 0);
    assert!(tree.prove(&root, &password("Pam-Example-5")).is_ok());
}

/// rotation.md 7 on the running system: an account is made, opened, renamed and deleted by our own edits, and
/// real `su` and the C library see each; uid and home stay.
#[test]
fn a_whole_account_on_the_running_system() {
    in_namespace("a_whole_account_on_the_running_system", "cp -a /etc copy; mount --bind copy /etc");
}

#[test]
#[ignore = "child of the test of its name"]
fn child_a_whole_account_on_the_running_system() {
    assert_etc_is_a_copy();
    // Debian's sudo is not installed everywhere; its group is.
    let group = fs::read_to_string("/etc/group").unwrap();
    if !group.lines().any(|line| line.starts_with("sudo:")) {
        fs::write("/etc/group", group + "sudo:x:27:\n").unwrap();
    }
    let mut tree = ManagedTree::new(Tree::running());
    tree.claim("a test").unwrap();
    install_pam_service(tree.tree()).unwrap();
    let files = tree.preflight_whole(Durability::VolatileOk).unwrap();
    assert!(!tree.is_free(&files, "root") && tree.is_free(&files, "WLapsAdmin000001"));
    let new = tree.draft(&files, "WLapsAdmin000001", "WLapsAdmin").unwrap();
    tree.create(&new, TODAY, &mut |_| {}).unwrap();
    let id = |name: &str| {
        let output = Command::new("id").arg(name).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert!(id("WLapsAdmin000001").unwrap().contains("sudo"), "{:?}", id("WLapsAdmin000001"));
    assert!(!su("WLapsAdmin000001", ""), "locked until its password is set");

    let mut seen = tree.preflight(&named("WLapsAdmin000001"), Durability::VolatileOk, TODAY).unwrap();
    let mut former = Vec::new();
    for (name, text) in [
        ("WLapsAdmin000001", "Own-Example-1"),
        ("WLapsAdmin000002", "Own-Example-2"),
        ("WLapsAdmin000003", "Own-Example-3"),
    ] {
        let whole = Whole { name: name.into(), enabled: true };
        let new = verifier(&tree, text);
        tree.set_whole(&seen, &whole, &new, TODAY, &mut |_| {}).unwrap();
        seen = tree.inspect(&named(name), TODAY).unwrap();
        let proof = tree.prove(&seen.account, &password(text)).unwrap();
        assert_eq!((proof.kind, seen.account.id), (ProofKind::Pam, seen.account.id));
        assert!(su(name, text) && !su(name, "Own-Example-0"));
        assert!(id(name).unwrap().contains("sudo"));
        former.retain(|former: &&str| *former != name);
        for former in &former {
            assert_eq!(id(former), None, "{former} is gone");
        }
        former.push(name);
    }
    // shadow-utils find nothing to complain of in what we wrote; Debian's own files may have warnings.
    for check in ["pwck", "grpck"] {
        if let Ok(output) = Command::new(check).args(["-q", "-r"]).output() {
            let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(!text.lines().any(|line| line.contains("WLaps") && !line.contains("/home/WLapsAdmin")), "{text}");
        }
    }
    // Disabled: locked and expired, and no password opens it.
    let whole = Whole { name: "WLapsAdmin000003".into(), enabled: false };
    tree.set_whole(&seen, &whole, &verifier(&tree, "Own-Example-4"), TODAY, &mut |_| {}).unwrap();
    assert!(!su("WLapsAdmin000003", "Own-Example-4") && !su("WLapsAdmin000003", "Own-Example-3"));
    assert_eq!(tree.prove(&seen.account, &password("Own-Example-4")).unwrap().kind, ProofKind::Verifier);
    tree.remove(&seen.account, &mut |_| {}).unwrap();
    assert_eq!(id("WLapsAdmin000003"), None);
    for file in ["passwd", "shadow", "group", "gshadow"] {
        assert!(!fs::read_to_string(format!("/etc/{file}")).unwrap_or_default().contains("WLaps"), "{file}");
    }
}

/// Whether `su` opens the account for an unprivileged caller; the password goes in by a pipe.
fn su(name: &str, text: &str) -> bool {
    let mut child = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "su", name, "-c", "id -un"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let opened = output.status.success();
    assert_eq!(opened, String::from_utf8_lossy(&output.stdout).trim_end() == name);
    opened
}

/// rotation.md 6: "a name that NSS resolves to another uid"; accounts of other sources are not managed.
#[test]
fn names_of_other_sources_are_refused() {
    in_namespace(
        "names_of_other_sources_are_refused",
        r#"cp -a /etc copy; mount --bind copy /etc; mkdir -p /etc/userdb
        user() {
            echo "{\"userName\":\"$1\",\"uid\":$2,\"gid\":$2,\"disposition\":\"regular\"}" > /etc/userdb/$1.user
            ln -s $1.user /etc/userdb/$2.user
        }
        user lapwinghome 64300; user lapwingtwice 64301
        sed -i 's/^passwd:.*/passwd: systemd files/' /etc/nsswitch.conf
        echo 'lapwingtwice:x:64242:64242::/:/bin/sh' >> /etc/passwd
        echo 'lapwingtwice:*:19000:0:99999:7:::' >> /etc/shadow
        if getent passwd lapwinghome; then :; else echo no nss-systemd > no-source; fi"#,
    );
}

#[test]
#[ignore = "child of the test of its name"]
fn child_names_of_other_sources_are_refused() {
    if Path::new("no-source").exists() {
        eprintln!("SKIPPED accounts::namespace::names_of_other_sources_are_refused: no second source of names");
        return;
    }
    assert_etc_is_a_copy();
    let tree = ManagedTree::new(Tree::running());
    let refusal = |name: &str| tree.preflight(&named(name), Durability::VolatileOk, TODAY).unwrap_err();
    assert_eq!((refusal("lapwinghome").code(), refusal("lapwinghome").event()), ("account_not_local", 10013));
    let twice = refusal("lapwingtwice");
    assert_eq!((twice.code(), twice.event()), ("account_name_ambiguous", 10013));
    assert!(twice.to_string().contains("64242") && twice.to_string().contains("64301"), "{twice}");
    assert_eq!(refusal("lapwingnone").code(), "account_not_found");
}

/// rotation.md 4, I3: not dumpable, no core files. In a child, because the whole process is changed.
#[test]
fn the_process_leaves_no_core() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "accounts::namespace::child_the_process_leaves_no_core", "--ignored"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "child of the test of its name"]
fn child_the_process_leaves_no_core() {
    forbid_core_dumps().unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let limit = getrlimit(Resource::Core);
    assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
}

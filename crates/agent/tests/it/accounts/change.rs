//! Changes of whole accounts as rows of replacements: at every place where one can be interrupted, recovery gives
//! the files of before or of after, byte for byte (rotation.md 7).

use agent::accounts::{AccountFile, AccountFiles, Lock, NameChange, NewAccount, Replacement, Verifier};
use laps::account::{DESCRIPTION, Difference};
use laps::rotation::AccountRef;
use proptest::prelude::*;

const FILES: [AccountFile; 4] = [AccountFile::Passwd, AccountFile::Shadow, AccountFile::Group, AccountFile::Gshadow];

fn bytes(files: &AccountFiles) -> [Vec<u8>; 4] {
    FILES.map(|file| files.render(file))
}

fn applied(files: &AccountFiles, steps: &[Replacement]) -> AccountFiles {
    steps.iter().fold(files.clone(), |files, step| files.after(step).unwrap())
}

fn verifier(text: &str) -> Verifier {
    Verifier::new(format!("$6$salt${text}")).unwrap()
}

/// A tree with the managed account `own` (uid 1001) in some of its groups, with and without gshadow, a last line
/// feed, comments and NIS lines, other names that begin alike.
fn tree() -> impl Strategy<Value = AccountFiles> {
    (any::<[bool; 6]>(), "[a-z]{1,6}").prop_map(|([nis, feed, shadowed, admin, beside, field], other)| {
        let own = |yes: bool, text: &str| if yes { text.to_owned() } else { String::new() };
        let end = if feed { "\n" } else { "" };
        let nis_line = own(nis, "\n+::::::");
        let other = format!("zz{other}");
        let passwd = format!("# local\nroot:x:0:0::/root:/bin/sh\n{other}:x:1000:1000:A,,,:/:/bin/sh\nown:x:1001:27:{DESCRIPTION}:/home/own:/bin/sh\nown1:x:1002:1::/:/bin/sh{nis_line}{end}");
        let tail = own(field, "ff");
        let shadow = format!("root:*:1:0:9:7:::\n{other}:!:1:0:9:7:::\nown:!$6$salt$old:19000:1:2:3:4:5:{tail}\nown1:*:1:0:9:7:::{end}");
        let members = format!("{}own1{}", own(admin, "own,"), own(beside, ",zz"));
        let group = format!("root:x:0:\nsudo:x:27:{members}\nempty:x:5\nwheel:x:10:{other},own\nusers:x:100:{end}");
        let gshadow = format!("root:*::\nsudo:!:own:{members}\nwheel:!:root,own:own{end}");
        AccountFiles::read(
            passwd.as_bytes(),
            shadow.as_bytes(),
            group.as_bytes(),
            shadowed.then_some(gshadow.as_bytes()),
        )
        .unwrap()
    })
}

fn own() -> AccountRef {
    AccountRef { id: 1001, name: "own".into() }
}

/// Recovery after every prefix of a change.
fn check(before: &AccountFiles, steps: &[Replacement], change: &NameChange) {
    let after = applied(before, steps);
    assert_eq!(steps.iter().filter(|step| step.commits).count(), 1, "one commit point");
    for done in 0..=steps.len() {
        let broken_off = applied(before, &steps[..done]);
        // Whoever stands in passwd has exactly one line in shadow.
        for entry in broken_off.passwd.lines() {
            assert!(broken_off.shadow.named(&entry.name).is_some(), "after {done}: {}", entry.name);
        }
        let committed = steps[..done].iter().any(|step| step.commits);
        assert_eq!(broken_off.is_committed(change), committed, "after {done}");
        let recovery = broken_off.settle(change).unwrap();
        let wanted = if committed { &after } else { before };
        assert_eq!(bytes(&applied(&broken_off, &recovery)), bytes(wanted), "after {done} of {}", steps.len());
        // Recovery may be interrupted as well.
        for again in 0..recovery.len() {
            let twice = applied(&broken_off, &recovery[..again]);
            let rest = twice.settle(change).unwrap();
            assert_eq!(bytes(&applied(&twice, &rest)), bytes(wanted), "after {done}, then {again}");
        }
    }
    assert!(after.settle(change).unwrap().is_empty());
}

proptest! {
    #[test]
    fn an_interrupted_rename_is_undone_or_finished(files in tree(), enabled: bool) {
        let steps = files.set(&own(), "new", &verifier("new"), Lock::of(1001, enabled), 20_700).unwrap();
        let change = NameChange { id: 1001, from: Some("own".into()), to: Some("new".into()) };
        check(&files, &steps, &change);
        let after = applied(&files, &steps);
        let entry = after.passwd.named("new").unwrap();
        prop_assert_eq!((entry.uid, entry.gid), (1001, 27));
        let line = String::from_utf8(after.shadow.line_of(after.shadow.named("new").unwrap()).to_vec()).unwrap();
        let opening = if enabled { "new:$6$salt$new:20700:1:2:3:4::" } else { "new:!$6$salt$new:20700:1:2:3:4:1:" };
        prop_assert!(line.starts_with(opening), "{}", line);
        // Whatever it was a member or administrator of, it still is; nobody else's lines have changed.
        let renamed = |file: AccountFile| {
            let text = String::from_utf8(files.render(file)).unwrap();
            let parts = text.split_inclusive([':', ',', '\n']).map(|part| match part.trim_end_matches([':', ',', '\n']) {
                "own" => part.replace("own", "new"),
                _ => part.to_owned(),
            });
            parts.collect::<String>()
        };
        for file in [AccountFile::Passwd, AccountFile::Group, AccountFile::Gshadow] {
            prop_assert_eq!(String::from_utf8(after.render(file)).unwrap(), renamed(file));
        }
    }

    #[test]
    fn an_interrupted_creation_is_undone_or_finished(files in tree()) {
        let new = NewAccount {
            account: AccountRef { id: 1003, name: "new".into() },
            gid: 100,
            description: DESCRIPTION.into(),
            home: "/home/new".into(),
            shell: "/bin/sh".into(),
        };
        let steps = files.create(&new, 20_700).unwrap();
        let change = NameChange { id: 1003, from: None, to: Some("new".into()) };
        check(&files, &steps, &change);
        let after = applied(&files, &steps);
        let shape = after.shape(&new.account, 20_700).unwrap();
        prop_assert!(!shape.enabled && shape.expired && !shape.has_verifier && shape.administrator && shape.described);
        // Nobody else is touched: deleting it gives the files of before.
        prop_assert_eq!(bytes(&applied(&after, &after.remove(&new.account).unwrap())), bytes(&files));
    }

    #[test]
    fn an_interrupted_deletion_is_undone_or_finished(files in tree()) {
        let steps = files.remove(&own()).unwrap();
        let change = NameChange { id: 1001, from: Some("own".into()), to: None };
        check(&files, &steps, &change);
        let after = applied(&files, &steps);
        for file in FILES {
            let text = String::from_utf8(after.render(file)).unwrap();
            prop_assert!(text.split([':', ',', '\n']).all(|part| part != "own"), "{file}: {}", text);
        }
        prop_assert!(after.passwd.named("own1").is_some());
    }

    #[test]
    fn what_differs_is_put_right_once(files in tree(), enable: bool) {
        let wanted = laps::policy::AutomaticAccount {
            built_in: false, name_or_prefix: "own".into(), randomize_name: false, enable,
        };
        let differences = |files: &AccountFiles| {
            laps::account::differences(&wanted, &files.shape(&own(), 20_700).unwrap())
        };
        let steps = files.put_right(&own(), &differences(&files)).unwrap();
        let after = applied(&files, &steps);
        prop_assert_eq!(differences(&after), []);
        prop_assert!(after.put_right(&own(), &[]).unwrap().is_empty());
    }
}

/// Lines that an account of the name left before it was deleted by hand give the new one nothing.
#[test]
fn old_memberships_of_a_name_do_not_come_back() {
    let files = AccountFiles::read(
        b"own:x:1001:27::/:/bin/sh\n",
        b"new:$6$salt$theirs:1:0:9:7:::\nown:*:1:0:9:7:::\n",
        b"sudo:x:27:own\ndisk:x:6:new\n",
        Some(b"disk:!:new:new\n"),
    )
    .unwrap();
    let steps = files.set(&own(), "new", &verifier("new"), Lock::Open, 20_700).unwrap();
    let after = applied(&files, &steps);
    assert_eq!(after.render(AccountFile::Group), b"sudo:x:27:new\ndisk:x:6:\n");
    assert_eq!(after.render(AccountFile::Gshadow), b"disk:!::\n");
    assert_eq!(after.render(AccountFile::Shadow), b"new:$6$salt$new:20700:0:9:7:::\n");
}

#[test]
fn names_and_uids_of_others_are_not_taken() {
    let files = AccountFiles::read(
        b"root:x:0:0::/:\na:x:1000:1::/:\nb:x:1004:1::/:\nnobody:x:65534:1::/:\n",
        b"root:*:1:0:9:7:::\na:*:1:0:9:7:::\n",
        b"sudo:x:27:\n",
        None,
    )
    .unwrap();
    let a = AccountRef { id: 1000, name: "a".into() };
    assert!(files.set(&a, "b", &verifier("x"), Lock::Open, 1).is_err());
    assert!(files.remove(&AccountRef { id: 1001, name: "a".into() }).is_err(), "another uid: not that account");
    assert_eq!(files.free_uid(1000..=60_000, |_| false), Some(1005));
    assert_eq!(files.free_uid(1000..=60_000, |uid| uid < 2000), Some(2000));
    assert_eq!(files.free_uid(1000..=1004, |_| false), Some(1001));
    assert_eq!(files.free_uid(1004..=1004, |_| false), None);
    assert_eq!(files.put_right(&a, &[Difference::Disabled]).unwrap().len(), 0, "nothing is opened without a verifier");
}

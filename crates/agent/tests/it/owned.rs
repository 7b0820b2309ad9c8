//! The whole life of an account that automatic management owns (laps-behaviour.md 6, rotation.md 7): made,
//! renamed, kept in shape, deleted, on an account tree.

use crate::world::{Agent, Fault, World, block_on};
use agent::{
    effect::Witness,
    platform::{ManagedTree, Tree},
    state::StateDir,
};
use laps::{account::DESCRIPTION, cycle::Finish, decide::Reason, drift::Drift, event};
use proto::device::{Code, VersionState};
use std::fs;

pub(crate) const AUTOMATIC: &str =
    "BackupDirectory = 1\nPasswordLength = 20\nAutomaticAccountManagementEnabled = true\n";

pub(crate) fn run<W: Witness>(agent: &mut Agent<W>, reset: bool) -> Finish {
    block_on(agent.cycle(reset, &mut || None)).unwrap().finish
}

/// Policy of the machine: automatic management and these lines.
pub(crate) fn policy(world: &World, lines: &str) {
    fs::write(world.places.state().join("policy/local.toml"), format!("{AUTOMATIC}{lines}")).unwrap();
}

pub(crate) fn owned(lines: &str) -> World {
    let world = World::new();
    fs::write(world.places.tree().join("etc/gshadow"), "root:*::\nsudo:*::ops\n").unwrap();
    policy(&world, lines);
    world
}

fn etc(world: &World, name: &str) -> String {
    fs::read_to_string(world.places.tree().join("etc").join(name)).unwrap()
}

/// The fields of an account in passwd and shadow, and the groups that list it.
fn account(world: &World, name: &str) -> Option<(Vec<String>, Vec<String>)> {
    let line = |file: &str| -> Option<Vec<String>> {
        let text = etc(world, file);
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        Some(line.split(':').map(str::to_owned).collect())
    };
    Some((line("passwd")?, line("shadow")?))
}

fn members(world: &World, file: &str) -> String {
    let text = etc(world, file);
    text.lines().find(|line| line.starts_with("sudo:")).unwrap().rsplit(':').next().unwrap().to_owned()
}

fn opens_current(world: &World) -> String {
    let book = world.directory.book();
    let row = book.current().expect("a current version");
    assert!(world.places.opens(&row.account_name, row.account_id, &row.password), "{} is not opened", row.account_name);
    row.account_name.clone()
}

fn has_event(world: &World, id: u32) -> bool {
    world.places.events().iter().any(|record| record.event == id)
}

#[test]
fn an_account_is_made_disabled_by_default_and_the_next_cycle_has_nothing_to_do() {
    let world = owned("");
    let finish = run(&mut world.agent(), false);
    assert_eq!((finish.proven.len(), finish.last_error), (1, None));
    assert_eq!(opens_current(&world), "WLapsAdmin");
    let (passwd, shadow) = account(&world, "WLapsAdmin").unwrap();
    assert_eq!(passwd[1..5], ["x", "1001", "27", DESCRIPTION]);
    assert_eq!(passwd[5], "/home/WLapsAdmin");
    assert!(shadow[1].starts_with("!$"), "locked, with a verifier");
    assert_eq!(shadow[7], "1", "and expired");
    assert_eq!(
        (members(&world, "group").as_str(), members(&world, "gshadow").as_str()),
        ("ops,WLapsAdmin", "ops,WLapsAdmin")
    );
    let report = world.directory.book().last_report.unwrap();
    assert_eq!(report.account.unwrap().name, "WLapsAdmin", "the directory knows the account that was made");
    assert!(has_event(&world, event::ACCOUNT_CREATED));

    let before = (etc(&world, "passwd"), etc(&world, "shadow"), etc(&world, "group"));
    let finish = run(&mut world.agent(), false);
    assert_eq!((finish.proven.len(), finish.last_error), (0, None));
    assert_eq!((etc(&world, "passwd"), etc(&world, "shadow"), etc(&world, "group")), before);
}

/// laps-behaviour.md 6: prefix and six digits, new at each rotation; uid and home never change (rotation.md 7).
#[test]
fn a_random_name_is_new_at_each_rotation_and_uid_and_home_stay() {
    let world = owned(
        "AutomaticAccountManagementRandomizeName = true\nAutomaticAccountManagementEnableAccount = true\n\
        AutomaticAccountManagementNameOrPrefix = \"LongPrefixOf20Chars_\"\n",
    );
    let mut agent = world.agent();
    let mut names = Vec::new();
    for round in 0..3 {
        let finish = run(&mut agent, round > 0);
        assert_eq!((finish.proven.len(), finish.last_error), (1, None));
        let name = opens_current(&world);
        let digits = name.strip_prefix("LongPrefixOf20").unwrap();
        assert!(digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit()), "{name}");
        let (passwd, shadow) = account(&world, &name).unwrap();
        assert_eq!((passwd[2].as_str(), passwd[5].as_str()), ("1001", "/home/LongPrefixOf20"));
        assert!(shadow[1].starts_with('$') && shadow[7].is_empty(), "enabled");
        for file in ["passwd", "shadow", "group", "gshadow"] {
            let text = etc(&world, file);
            assert!(names.iter().all(|former: &String| !text.contains(former.as_str())), "{file}: {text}");
        }
        assert_eq!(members(&world, "gshadow"), format!("ops,{name}"));
        names.push(name);
    }
    assert!(names[0] != names[1] && names[1] != names[2]);
    assert_eq!(world.directory.book().last_report.unwrap().account.unwrap().name, names[2]);
    assert!(run(&mut agent, false).proven.is_empty(), "a name of its rule is no reason");
}

/// laps-behaviour.md 6, last part, and issue point 9: prefix and randomising are reasons; the account stays.
#[test]
fn a_change_of_name_or_randomising_rotates_and_renames() {
    let world = owned("AutomaticAccountManagementNameOrPrefix = \"first\"\nAdministratorAccountName = \"ops\"\n");
    run(&mut world.agent(), false);
    assert_eq!(opens_current(&world), "first", "AdministratorAccountName is ignored");
    for lines in [
        "AutomaticAccountManagementNameOrPrefix = \"second\"\n",
        "AutomaticAccountManagementNameOrPrefix = \"second\"\nAutomaticAccountManagementRandomizeName = true\n",
        "AutomaticAccountManagementNameOrPrefix = \"third\"\nAutomaticAccountManagementRandomizeName = true\n",
        "AutomaticAccountManagementNameOrPrefix = \"third\"\n",
    ] {
        policy(&world, lines);
        let finish = run(&mut world.agent(), false);
        assert_eq!(finish.reasons, [Reason::AccountNameChanged], "{lines}: {:?}", finish.last_error);
        let name = opens_current(&world);
        assert_eq!(account(&world, &name).unwrap().0[2], "1001", "{lines}");
        assert_eq!(etc(&world, "passwd").lines().count(), 3, "no second account");
        assert!(run(&mut world.agent(), false).proven.is_empty());
    }
    assert_eq!(opens_current(&world), "third");
    assert!(has_event(&world, event::ACCOUNT_RENAMED));
}

/// laps-behaviour.md 6: enabled or disabled, the group and the description are kept at each cycle; rotation.md 10:
/// a hand that disables it or takes it from the group is drift, and the password is changed.
#[test]
fn the_shape_is_kept_at_each_cycle() {
    for (enable, hand) in [("true", "!"), ("false", "")] {
        let world = owned(&format!("AutomaticAccountManagementEnableAccount = {enable}\n"));
        run(&mut world.agent(), false);
        run(&mut world.agent(), false); // how it stands is kept
        let good = (etc(&world, "passwd"), etc(&world, "shadow"), etc(&world, "group"), etc(&world, "gshadow"));
        let root = world.places.tree().join("etc");
        fs::write(root.join("passwd"), good.0.replace(DESCRIPTION, "mine,,,")).unwrap();
        fs::write(root.join("group"), good.2.replace(",WLapsAdmin", "").replace("x:27", "x:28")).unwrap();
        let shadow = good.1.lines().map(|line| match line.strip_prefix("WLapsAdmin:") {
            Some(rest) => format!("WLapsAdmin:{hand}{}\n", rest.trim_start_matches('!').replace("::1:", ":::")),
            None => format!("{line}\n"),
        });
        fs::write(root.join("shadow"), shadow.collect::<String>()).unwrap();
        let finish = run(&mut world.agent(), false);
        assert_eq!(finish.last_error, None);
        let mut reasons = vec![Reason::Drift(Drift::NotAdministrator)];
        reasons.extend((enable == "true").then_some(Reason::Drift(Drift::Disabled)));
        assert_eq!(finish.reasons, reasons);
        assert_eq!(etc(&world, "passwd"), good.0);
        let shadow = |text: &str| {
            let entry = text.lines().find(|line| line.starts_with("WLapsAdmin:")).unwrap();
            let fields: Vec<String> = entry.split(':').map(str::to_owned).collect();
            (fields[1].starts_with('!'), fields[2..].to_vec())
        };
        assert_eq!(shadow(&etc(&world, "shadow")), shadow(&good.1), "{enable}");
        assert_eq!(etc(&world, "group"), good.2.replace("x:27", "x:28"));
        assert!(has_event(&world, event::ACCOUNT_SHAPED));
        opens_current(&world);
    }
}

/// rotation.md 7: uid 0 is locked when policy wants it disabled, never expired, never renamed, never deleted.
#[test]
fn the_built_in_administrator_is_managed_in_full() {
    let world = owned(
        "AutomaticAccountManagementTarget = 0\nAutomaticAccountManagementEnableAccount = true\n\
        AutomaticAccountManagementRandomizeName = true\n",
    );
    assert_eq!(run(&mut world.agent(), false).last_error, None);
    assert_eq!(opens_current(&world), "root");
    let (passwd, shadow) = account(&world, "root").unwrap();
    assert_eq!(passwd[4], "root", "its description is left alone");
    assert!(shadow[1].starts_with('$') && shadow[7].is_empty());

    policy(&world, "AutomaticAccountManagementTarget = 0\n");
    assert_eq!(run(&mut world.agent(), false).last_error, None);
    let (_, shadow) = account(&world, "root").unwrap();
    assert!(shadow[1].starts_with("!$") && shadow[7].is_empty(), "locked, not expired: {shadow:?}");
    assert_eq!(opens_current(&world), "root", "the verifier stays");
}

/// The new account is proven before the old one goes, and only what the agent made goes.
#[test]
fn a_change_of_target_deletes_only_what_the_agent_made_and_only_after_the_proof() {
    let enabled = "AutomaticAccountManagementEnableAccount = true\n";
    let world = owned(enabled);
    run(&mut world.agent(), false);
    policy(&world, &format!("{enabled}AutomaticAccountManagementTarget = 0\n"));
    // While the directory refuses, the old one stays as it is and opens.
    world.directory.faults([Fault::None, Fault::Refused(Code::TooManyVersions)]);
    assert!(run(&mut world.agent(), false).last_error.is_some());
    assert_eq!(opens_current(&world), "WLapsAdmin");
    let finish = run(&mut world.agent(), false);
    assert_eq!((finish.reasons, finish.last_error), (vec![Reason::AccountChanged], None));
    assert_eq!(opens_current(&world), "root");
    // A second run finds nothing more to do, whichever of the two deleted it.
    run(&mut world.agent(), false);
    assert!(account(&world, "WLapsAdmin").is_none());
    for file in ["passwd", "shadow", "group", "gshadow"] {
        assert!(!etc(&world, file).contains("WLapsAdmin"), "{file}");
    }
    assert!(has_event(&world, event::ACCOUNT_REMOVED));

    // Back: a new account is made; uid 0 is neither deleted nor changed.
    let root = account(&world, "root").unwrap();
    policy(&world, enabled);
    assert_eq!(run(&mut world.agent(), false).last_error, None);
    assert_eq!(opens_current(&world), "WLapsAdmin");
    assert_eq!(account(&world, "root").unwrap(), root);
}

/// Never a moment with no working administrator where there was one.
#[test]
fn the_last_working_administrator_stays() {
    let world = owned("AutomaticAccountManagementEnableAccount = true\n");
    run(&mut world.agent(), false);
    // Policy takes the built-in administrator and keeps it disabled: nobody else could sign in.
    policy(&world, "AutomaticAccountManagementTarget = 0\n");
    run(&mut world.agent(), false);
    run(&mut world.agent(), false);
    assert!(account(&world, "WLapsAdmin").is_some() && has_event(&world, event::ACCOUNT_KEPT));
    // As soon as somebody else can, it goes.
    policy(&world, "AutomaticAccountManagementTarget = 0\nAutomaticAccountManagementEnableAccount = true\n");
    run(&mut world.agent(), false);
    run(&mut world.agent(), false);
    assert!(account(&world, "WLapsAdmin").is_none());
}

#[test]
fn when_policy_goes_the_account_goes_and_when_it_comes_back_it_is_made_again() {
    let world = owned("");
    run(&mut world.agent(), false);
    let file = world.places.state().join("policy/local.toml");
    // A source that cannot be read is no policy that has left.
    fs::write(&file, "NoSuchSetting = 1\n").unwrap();
    run(&mut world.agent(), false);
    assert!(account(&world, "WLapsAdmin").is_some());
    fs::write(&file, "").unwrap();
    let finish = run(&mut world.agent(), false);
    assert_eq!(finish.last_error, None);
    assert!(account(&world, "WLapsAdmin").is_none());
    assert_eq!(world.directory.book().last_report.unwrap().evidence.unmanaged.as_deref(), Some("no_policy"));
    policy(&world, "");
    let finish = run(&mut world.agent(), false);
    assert!(finish.reasons.contains(&Reason::AccountChanged) && finish.proven.len() == 1, "{finish:?}");
    assert_eq!(opens_current(&world), "WLapsAdmin");
}

/// In manual mode nothing is made, and what automatic management made goes once the named one is proven.
#[test]
fn back_to_manual_mode() {
    let world = owned("");
    run(&mut world.agent(), false);
    fs::write(
        world.places.state().join("policy/local.toml"),
        "BackupDirectory = 1\nAdministratorAccountName = \"ops\"\n",
    )
    .unwrap();
    let finish = run(&mut world.agent(), false);
    assert_eq!((finish.reasons, finish.last_error), (vec![Reason::AccountChanged], None));
    assert_eq!(opens_current(&world), "ops");
    assert!(account(&world, "ops").unwrap().1[1].starts_with('!'), "manual mode enables nothing");
    run(&mut world.agent(), false);
    assert!(account(&world, "WLapsAdmin").is_none());
}

#[test]
fn accounts_of_others_are_not_taken_over() {
    let world = owned("AutomaticAccountManagementNameOrPrefix = \"ops\"\n");
    let before = (etc(&world, "passwd"), etc(&world, "shadow"), etc(&world, "group"));
    let finish = run(&mut world.agent(), false);
    assert_eq!(finish.last_error.unwrap().code, "account_name_taken");
    assert_eq!((etc(&world, "passwd"), etc(&world, "shadow"), etc(&world, "group")), before);
    assert!(world.directory.book().rows.is_empty(), "nothing was stored");
    for (lines, code) in [
        ("AutomaticAccountManagementNameOrPrefix = \"not a name\"\n", "account_name_invalid"),
        (
            "AutomaticAccountManagementNameOrPrefix = \"9lives\"\nAutomaticAccountManagementRandomizeName = true\n",
            "account_name_invalid",
        ),
    ] {
        policy(&world, lines);
        assert_eq!(run(&mut world.agent(), false).last_error.unwrap().code, code);
    }
    assert_eq!(etc(&world, "passwd"), before.0);
}

/// Issue 3, "bad input": refused with the line's number, left byte for byte, nothing stored.
#[test]
fn malformed_and_duplicate_lines_are_refused_with_their_number() {
    for (file, line, code, place) in [
        ("passwd", "broken:x:12\n", "account_db_malformed", "/etc/passwd line 3"),
        ("passwd", "ops:x:1005:1005::/:/bin/sh\n", "account_db_duplicate", "/etc/passwd line 3"),
        ("shadow", "ops:*:1:0:9:7:::\n", "account_db_duplicate", "/etc/shadow line 3"),
        ("group", "sudo:x:99:\n", "account_db_duplicate", "/etc/group line 3"),
        ("group", "bad:x\n", "account_db_malformed", "/etc/group line 3"),
        ("gshadow", "bad\n", "account_db_malformed", "/etc/gshadow line 3"),
    ] {
        let world = owned("");
        let path = world.places.tree().join("etc").join(file);
        fs::write(&path, etc(&world, file) + line).unwrap();
        let before = ["passwd", "shadow", "group", "gshadow"].map(|file| etc(&world, file));
        let failure = run(&mut world.agent(), false).last_error.unwrap();
        assert_eq!(failure.code, code, "{line}");
        assert!(failure.text.contains(place), "{}", failure.text);
        assert_eq!(["passwd", "shadow", "group", "gshadow"].map(|file| etc(&world, file)), before);
        assert!(world.directory.book().rows.is_empty());
    }
}

#[test]
fn a_machine_without_the_group_of_administrators_is_refused() {
    let world = owned("");
    fs::write(world.places.tree().join("etc/group"), "root:x:0:\n").unwrap();
    let failure = run(&mut world.agent(), false).last_error.unwrap();
    assert_eq!((failure.code.as_str(), failure.event), ("administrators_group_missing", event::ACCOUNT_CHANGE_REFUSED));
}

/// The agent's state is lost: the account is found again by its description, and not recorded as made.
#[test]
fn a_lost_state_makes_no_second_account() {
    let world = owned("AutomaticAccountManagementRandomizeName = true\n");
    run(&mut world.agent(), false);
    fs::remove_file(world.places.state().join("accounts.json")).unwrap();
    fs::remove_file(world.places.state().join("memory.json")).unwrap();
    assert_eq!(run(&mut world.agent(), false).proven.len(), 1);
    assert_eq!(etc(&world, "passwd").lines().count(), 3);
    opens_current(&world);
    assert!(StateDir::open(&world.places.state()).unwrap().ownership().unwrap().created.is_empty());
    fs::write(world.places.state().join("policy/local.toml"), "").unwrap();
    run(&mut world.agent(), false);
    assert_eq!(etc(&world, "passwd").lines().count(), 3, "what the agent does not know to be its own is not deleted");

    // A damaged record is an event, is kept aside, and costs nothing more.
    policy(&world, "AutomaticAccountManagementRandomizeName = true\n");
    fs::write(world.places.state().join("accounts.json"), "{\"format\":1,").unwrap();
    assert_eq!(run(&mut world.agent(), true).last_error, None);
    assert!(world.places.state().join("accounts.damaged").exists() && has_event(&world, event::STATE_FAILED));
    opens_current(&world);
}

/// A deleted account is made again; a uid that went to somebody else is left alone.
#[test]
fn a_deleted_account_is_made_again() {
    let world = owned("");
    run(&mut world.agent(), false);
    let without = |file: &str| {
        let text: String = etc(&world, file)
            .lines()
            .filter(|line| !line.starts_with("WLapsAdmin:"))
            .map(|l| format!("{l}\n"))
            .collect();
        fs::write(world.places.tree().join("etc").join(file), text).unwrap();
    };
    without("passwd");
    without("shadow");
    let add = |file: &str, line: &str| {
        fs::write(world.places.tree().join("etc").join(file), etc(&world, file) + line).unwrap();
    };
    add("passwd", "ann:x:1001:1001:Ann:/home/ann:/bin/sh\n");
    add("shadow", "ann:$6$salt$hash:20000:0:99999:7:::\n");
    let finish = run(&mut world.agent(), false);
    assert!(finish.reasons.contains(&Reason::AccountChanged), "{finish:?}");
    assert_eq!(opens_current(&world), "WLapsAdmin");
    assert_eq!(account(&world, "WLapsAdmin").unwrap().0[2], "1002");
    assert_eq!(account(&world, "ann").unwrap().1[1], "$6$salt$hash");
    run(&mut world.agent(), false);
    assert!(account(&world, "ann").is_some());
    assert_eq!(world.directory.book().rows.last().unwrap().state, VersionState::Current);
    let tree = ManagedTree::new(Tree::below(&world.places.tree()).unwrap());
    assert!(tree.files().is_ok());
}

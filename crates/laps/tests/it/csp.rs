//! The 32 rows of laps-behaviour.md 1.8, and the semantics of Atomic.

use laps::csp::{
    Answer, Command, Commit, Effect, FaultKind, HResult, NodeStatus, Options, Rights, Storage, StorageFault, Tree,
    Values, Verb, Volatile,
};
use laps::policy::{Setting, Source, Value};

const LAPS: &str = "./Device/Vendor/MSFT/LAPS";
const RESET: &str = "./Device/Vendor/MSFT/LAPS/Actions/ResetPassword";
const RESET_STATUS: &str = "./Device/Vendor/MSFT/LAPS/Actions/ResetPasswordStatus";

fn policy(name: &str) -> String {
    format!("{LAPS}/Policies/{name}")
}

/// A tree with stored values.
fn tree_with(values: &[(Setting, u32)]) -> Tree {
    let values = values.iter().map(|(setting, number)| (*setting, Value::Int(*number))).collect();
    Tree::load(Options::default(), values, HResult::OK)
}
fn tree() -> Tree {
    tree_with(&[])
}

fn one(tree: &mut Tree, verb: Verb, uri: &str, data: Option<&str>) -> Answer {
    let command = Command { data, ..Command::new(verb, uri) };
    tree.execute(&mut Volatile, Rights::ALL, &command).answer
}
fn status(tree: &mut Tree, verb: Verb, uri: &str, data: Option<&str>) -> u16 {
    one(tree, verb, uri, data).status.code()
}
fn read(tree: &mut Tree, uri: &str) -> Option<String> {
    one(tree, Verb::Get, uri, None).results.map(|results| results.data)
}

/// Runs an Atomic; each child is a verb, a setting's name and its data.
fn atomic_on(tree: &mut Tree, storage: &mut dyn Storage, children: &[(Verb, &str, &str)]) -> Commit {
    let mut transaction = tree.begin(Rights::ALL);
    for (verb, name, data) in children {
        let uri = if name.starts_with('.') { (*name).to_owned() } else { policy(name) };
        transaction.apply(&Command { data: Some(*data).filter(|data| !data.is_empty()), ..Command::new(*verb, &uri) });
    }
    transaction.commit(storage)
}
fn atomic(tree: &mut Tree, children: &[(Verb, &str, &str)]) -> (u16, Vec<u16>) {
    codes(&atomic_on(tree, &mut Volatile, children))
}
fn codes(commit: &Commit) -> (u16, Vec<u16>) {
    let children = commit.answers.iter().map(|answer| answer.status.code());
    (commit.status.code(), children.collect())
}

/// A store that fails as told, one entry for each call; afterwards it works.
struct Faulty {
    faults: Vec<StorageFault>,
    stored: Vec<Values>,
}
impl Faulty {
    fn new(faults: &[(FaultKind, bool)]) -> Self {
        let faults = faults
            .iter()
            .rev()
            .map(|(kind, maybe_changed)| StorageFault { kind: *kind, maybe_changed: *maybe_changed });
        Self { faults: faults.collect(), stored: Vec::new() }
    }
}
impl Storage for Faulty {
    fn replace(&mut self, values: &Values) -> Result<(), StorageFault> {
        match self.faults.pop() {
            Some(fault) => Err(fault),
            None => {
                self.stored.push(values.clone());
                Ok(())
            }
        }
    }
}

#[test]
fn row_01_get_of_a_leaf_with_a_value() {
    let mut tree = tree();
    for (name, given, format, answered) in [
        ("PasswordLength", " 20 ", "int", "20"),
        ("ADPasswordEncryptionEnabled", "True", "bool", "true"),
        ("AdministratorAccountName", "a & b", "chr", "a & b"),
    ] {
        let uri = policy(name);
        assert_eq!(status(&mut tree, Verb::Add, &uri, Some(given)), 200);
        let answer = one(&mut tree, Verb::Get, &uri, None);
        assert_eq!(answer.status.code(), 200);
        let results = answer.results.unwrap();
        assert_eq!(results.format, format);
        assert_eq!(results.media_type, "text/plain");
        assert_eq!(results.data, answered);
    }
}

#[test]
fn row_02_get_of_a_leaf_without_a_value_synthesises_no_default() {
    for setting in Setting::in_csp() {
        assert_eq!(status(&mut tree(), Verb::Get, &policy(setting.name()), None), 404);
    }
}

#[test]
fn row_03_get_of_an_interior_node_lists_the_children_that_are_there() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20), (Setting::BackupDirectory, 1)]);
    for (node, children) in [
        ("", "Actions/Policies"),
        ("/Actions", "ResetPassword/ResetPasswordStatus"),
        ("/Policies", "BackupDirectory/PasswordLength"),
    ] {
        let answer = one(&mut tree, Verb::Get, &format!("{LAPS}{node}"), None);
        assert_eq!(answer.status.code(), 200);
        let results = answer.results.unwrap();
        assert_eq!((results.format, results.data.as_str()), ("node", children));
    }
    let mut empty = tree_with(&[]);
    assert_eq!(read(&mut empty, &format!("{LAPS}/Policies")).as_deref(), Some(""));
}

#[test]
fn row_04_get_of_the_reset_status_is_0_by_default() {
    assert_eq!(read(&mut tree(), RESET_STATUS).as_deref(), Some("0"));
}

#[test]
fn row_05_get_of_reset_password() {
    assert_eq!(status(&mut tree(), Verb::Get, RESET, None), 405);
}

#[test]
fn row_06_add_of_a_new_leaf() {
    let mut tree = tree();
    let uri = policy("PasswordLength");
    let executed = tree.execute(&mut Volatile, Rights::ALL, &Command::new(Verb::Add, &uri).with_data("20"));
    assert_eq!(executed.answer.status, NodeStatus::Ok);
    assert_eq!(executed.effect, Effect::PolicyChanged);
    assert_eq!(tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));
}

#[test]
fn row_07_add_of_a_leaf_with_a_value_leaves_it_untouched() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let uri = policy("PasswordLength");
    assert_eq!(status(&mut tree, Verb::Add, &uri, Some("30")), 418);
    assert_eq!(read(&mut tree, &uri).as_deref(), Some("20"));
}

#[test]
fn row_08_replace_of_a_leaf_with_a_value() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let uri = policy("PasswordLength");
    assert_eq!(status(&mut tree, Verb::Replace, &uri, Some("30")), 200);
    assert_eq!(read(&mut tree, &uri).as_deref(), Some("30"));
}

#[test]
fn row_09_replace_of_a_leaf_without_a_value_creates_it_unless_strict() {
    let uri = policy("PasswordLength");
    let mut lenient = tree();
    assert_eq!(status(&mut lenient, Verb::Replace, &uri, Some("30")), 200);
    assert_eq!(read(&mut lenient, &uri).as_deref(), Some("30"));
    let mut strict = Tree::new(Options { strict_replace: true, ..Options::default() });
    assert_eq!(status(&mut strict, Verb::Replace, &uri, Some("30")), 404);
    assert_eq!(status(&mut strict, Verb::Add, &uri, Some("30")), 200);
    assert_eq!(status(&mut strict, Verb::Replace, &uri, Some("31")), 200);
}

#[test]
fn row_10_delete_of_a_leaf_with_a_value() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let uri = policy("PasswordLength");
    assert_eq!(status(&mut tree, Verb::Delete, &uri, None), 200);
    assert_eq!(status(&mut tree, Verb::Get, &uri, None), 404);
    assert!(tree.policy_set().is_empty());
}

#[test]
fn row_11_delete_of_a_leaf_without_a_value() {
    assert_eq!(status(&mut tree(), Verb::Delete, &policy("PasswordLength"), None), 404);
}

#[test]
fn row_12_writes_on_interior_nodes_and_on_the_status() {
    for node in [LAPS, "./Device/Vendor/MSFT/LAPS/Policies", "./Device/Vendor/MSFT/LAPS/Actions", RESET_STATUS, RESET] {
        for verb in [Verb::Add, Verb::Replace, Verb::Delete] {
            assert_eq!(status(&mut tree(), verb, node, Some("1")), 405, "{verb} {node}");
        }
    }
}

#[test]
fn row_13_exec_of_reset_password_runs_later_and_tells_in_the_status_only() {
    let mut tree = tree();
    let reset = Command::new(Verb::Exec, RESET);
    let executed = tree.execute(&mut Volatile, Rights::ALL, &reset);
    assert_eq!(executed.answer.status.code(), 202);
    assert_eq!(executed.effect, Effect::ResetRequested { again: false });
    assert_eq!(read(&mut tree, RESET_STATUS).as_deref(), Some("-2147483638"));
    // an empty Data element is no payload; a second request coalesces and the status stays
    let executed = tree.execute(&mut Volatile, Rights::ALL, &reset.with_data(""));
    assert_eq!(executed.answer.status.code(), 202);
    assert_eq!(executed.effect, Effect::ResetRequested { again: true });
    assert_eq!(read(&mut tree, RESET_STATUS).as_deref(), Some("-2147483638"));
    tree.finish_reset(HResult::OK);
    assert_eq!(read(&mut tree, RESET_STATUS).as_deref(), Some("0"));
    // a payload is none of this node's format
    let executed = tree.execute(&mut Volatile, Rights::ALL, &reset.with_data("now"));
    assert_eq!(executed.answer.status.code(), 415);
    assert_eq!(executed.effect, Effect::None);
    assert_eq!(tree.reset_status(), HResult::OK);
}

#[test]
fn row_14_exec_of_any_other_node() {
    for node in laps::csp::NODES {
        if node.uri() != RESET {
            assert_eq!(status(&mut tree(), Verb::Exec, &node.uri(), None), 405, "{}", node.uri());
        }
    }
}

#[test]
fn row_15_exec_without_an_effective_policy() {
    let mut tree = tree();
    assert_eq!(status(&mut tree, Verb::Exec, RESET, None), 202);
    tree.finish_reset(HResult::NOT_SUPPORTED);
    assert_eq!(read(&mut tree, RESET_STATUS).as_deref(), Some("-2147024846"));
    assert_eq!(HResult::parse("-2147024846").unwrap().0, 0x8007_0032);
}

#[test]
fn row_16_format_or_type_mismatch() {
    let uri = policy("PasswordLength");
    let base = Command::new(Verb::Add, &uri).with_data("20");
    for (format, media_type, code) in [
        (Some("chr"), None, 415),
        (Some("bool"), Some("text/plain"), 415),
        (Some("int"), Some("application/xml"), 415),
        (Some("int"), Some("text/plain"), 200),
        (None, None, 200),
        (Some(" int "), Some("Text/Plain"), 200),
    ] {
        let command = Command { format, media_type, ..base };
        let executed = tree().execute(&mut Volatile, Rights::ALL, &command);
        assert_eq!(executed.answer.status.code(), code, "{format:?} {media_type:?}");
    }
}

#[test]
fn row_17_data_that_cannot_be_parsed() {
    for (name, data) in [("PasswordLength", "abc"), ("PasswordLength", ""), ("ADPasswordEncryptionEnabled", "maybe")] {
        let answer = one(&mut tree(), Verb::Add, &policy(name), Some(data));
        assert_eq!(answer.status.code(), 500, "{name} {data}");
        assert_eq!(answer.refusal.unwrap().code, "value_not_readable");
    }
}

#[test]
fn row_18_data_out_of_range_is_not_stored_and_the_refusal_says_what_is_allowed() {
    let mut tree = tree();
    let uri = policy("PasswordLength");
    let answer = one(&mut tree, Verb::Add, &uri, Some("65"));
    assert_eq!(answer.status.code(), 500);
    let refusal = answer.refusal.unwrap();
    assert_eq!(refusal.code, "value_not_allowed");
    assert_eq!(refusal.setting, Some(Setting::PasswordLength));
    assert_eq!(refusal.given.as_deref(), Some("65"));
    assert!(refusal.message.contains("8 to 64"), "{refusal}");
    assert_eq!(status(&mut tree, Verb::Get, &uri, None), 404);
    for (name, data) in [
        ("PasswordLength", "-1"),
        ("BackupDirectory", "3"),
        ("PostAuthenticationActions", "0"),
        ("PasswordComplexity", "9"),
    ] {
        assert_eq!(status(&mut tree, Verb::Add, &policy(name), Some(data)), 500, "{name}");
    }
}

#[test]
fn row_19_missing_data() {
    for verb in [Verb::Add, Verb::Replace] {
        assert_eq!(status(&mut tree(), verb, &policy("PasswordLength"), None), 412);
    }
}

#[test]
fn row_20_missing_target() {
    for verb in [Verb::Add, Verb::Replace, Verb::Delete, Verb::Get, Verb::Exec] {
        let command = Command { uri: None, ..Command::new(verb, "").with_data("20") };
        let executed = tree().execute(&mut Volatile, Rights::ALL, &command);
        assert_eq!(executed.answer.status.code(), 400, "{verb}");
    }
    // a child without CmdID is refused by the adapter and fails the Atomic
    let mut tree = tree();
    let mut transaction = tree.begin(Rights::ALL);
    transaction.refuse(Answer::status(NodeStatus::BadRequest));
    assert!(transaction.has_failed());
    assert_eq!(codes(&transaction.commit(&mut Volatile)), (507, vec![400]));
}

#[test]
fn row_21_unknown_node() {
    for uri in [
        policy("PasswordLenght"),
        policy("ADBackupDSRMPassword"),
        format!("{LAPS}/Policies/PasswordLength/Sub"),
        format!("{LAPS}/State"),
    ] {
        for verb in [Verb::Get, Verb::Add, Verb::Delete, Verb::Exec] {
            assert_eq!(status(&mut tree(), verb, &uri, Some("1")), 404, "{verb} {uri}");
        }
    }
}

#[test]
fn row_22_user_scope() {
    let uri = policy("PasswordLength").replace("./Device", "./User");
    for verb in [Verb::Get, Verb::Add] {
        assert_eq!(status(&mut tree(), verb, &uri, Some("20")), 404);
    }
}

#[test]
fn row_23_properties_and_lists() {
    for query in ["?prop=ACL", "?list=Struct", "?list=StructData", "?"] {
        for node in [LAPS.to_owned(), policy("PasswordLength")] {
            assert_eq!(status(&mut tree(), Verb::Get, &format!("{node}{query}"), None), 406);
        }
    }
}

#[test]
fn row_24_policy_writes_outside_an_atomic() {
    let mut tree = tree();
    for (name, data) in [("BackupDirectory", "1"), ("PasswordAgeDays", "7"), ("PasswordLength", "32")] {
        assert_eq!(status(&mut tree, Verb::Add, &policy(name), Some(data)), 200);
    }
    assert_eq!(tree.values().len(), 3);
}

#[test]
fn row_25_atomic_that_succeeds() {
    let mut tree = tree_with(&[(Setting::PasswordComplexity, 3)]);
    let mut storage = Faulty::new(&[]);
    let commit = atomic_on(
        &mut tree,
        &mut storage,
        &[
            (Verb::Add, "BackupDirectory", "1"),
            (Verb::Replace, "PasswordLength", "20"),
            (Verb::Delete, "PasswordComplexity", ""),
        ],
    );
    assert_eq!(codes(&commit), (200, vec![200, 200, 200]));
    assert!(commit.changed, "one notification for the whole commit");
    assert_eq!(storage.stored.len(), 1, "stored once");
    assert_eq!(&storage.stored[0], tree.values());
    assert_eq!(tree.values().len(), 2);
}

#[test]
fn row_26_atomic_with_a_failing_child() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let before = tree.values().clone();
    let mut storage = Faulty::new(&[]);
    let commit = atomic_on(
        &mut tree,
        &mut storage,
        &[
            (Verb::Add, "BackupDirectory", "1"),
            (Verb::Delete, "PasswordLength", ""),
            (Verb::Add, "PasswordAgeDays", "1000"),
            (Verb::Add, "PasswordComplexity", "4"),
            (Verb::Add, "NoSuchNode", "4"),
        ],
    );
    assert_eq!(codes(&commit), (507, vec![216, 216, 500, 215, 215]));
    assert!(!commit.changed);
    assert!(storage.stored.is_empty(), "nothing was written");
    assert_eq!(tree.values(), &before);
}

#[test]
fn row_27_rollback_fails() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let before = tree.values().clone();
    let children = [(Verb::Add, "BackupDirectory", "1"), (Verb::Replace, "PasswordLength", "30")];
    let mut storage = Faulty::new(&[(FaultKind::Unwritable, true), (FaultKind::Unwritable, true)]);
    let commit = atomic_on(&mut tree, &mut storage, &children);
    assert_eq!(codes(&commit), (516, vec![516, 516]));
    assert_eq!(tree.values(), &before);
    // when the former values can be written again it is an ordinary failure
    let mut storage = Faulty::new(&[(FaultKind::Unwritable, true)]);
    let commit = atomic_on(&mut tree, &mut storage, &children);
    assert_eq!(codes(&commit), (507, vec![216, 510]));
    assert_eq!(storage.stored, [before]);
}

#[test]
fn row_28_atomic_or_get_inside_an_atomic() {
    for (verb, target) in [(Verb::Atomic, LAPS), (Verb::Get, RESET_STATUS)] {
        let mut tree = tree();
        let children = [(Verb::Add, "BackupDirectory", "1"), (verb, target, ""), (Verb::Add, "PasswordLength", "20")];
        assert_eq!(atomic(&mut tree, &children), (507, vec![216, 500, 215]), "{verb}");
        assert!(tree.values().is_empty());
    }
}

#[test]
fn row_29_exec_inside_an_atomic() {
    let mut tree = tree();
    let children = [(Verb::Add, "BackupDirectory", "1"), (Verb::Exec, RESET, "")];
    assert_eq!(atomic(&mut tree, &children), (507, vec![216, 500]));
    assert_eq!(tree.reset_status(), HResult::OK, "no reset was submitted");
}

#[test]
fn row_30_caller_without_the_right() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let uri = policy("PasswordLength");
    let mut code = |rights, verb, uri: &str| {
        let command = Command::new(verb, uri).with_data("30");
        let executed = tree.execute(&mut Volatile, rights, &command);
        (executed.answer.status.code(), executed.effect)
    };
    for verb in [Verb::Add, Verb::Replace, Verb::Delete] {
        assert_eq!(code(Rights::READ, verb, &uri), (425, Effect::None), "{verb}");
    }
    assert_eq!(code(Rights::READ, Verb::Exec, RESET), (425, Effect::None));
    assert_eq!(code(Rights::READ, Verb::Get, &uri).0, 200);
    let none = Rights { read: false, ..Rights::READ };
    assert_eq!(code(none, Verb::Get, &uri).0, 425);
    let mut transaction = tree.begin(Rights::READ);
    transaction.apply(&Command::new(Verb::Replace, &uri).with_data("30"));
    assert_eq!(codes(&transaction.commit(&mut Volatile)), (507, vec![425]));
    assert_eq!(read(&mut tree, &uri).as_deref(), Some("20"));
}

/// The 213 for each chunk is given by the session that puts large objects together.
#[test]
fn row_31_value_too_large_or_of_another_size_than_announced() {
    let uri = policy("AdministratorAccountName");
    let mut tree = Tree::new(Options { data_bytes_max: 16, ..Options::default() });
    let base = Command::new(Verb::Add, &uri);
    let mut code = |command: &Command<'_>| {
        let executed = tree.execute(&mut Volatile, Rights::ALL, command);
        executed.answer.status.code()
    };
    assert_eq!(code(&base.with_data("seventeen letters")), 413);
    let announced = |size, data| Command { size: Some(size), ..base.with_data(data) };
    assert_eq!(code(&announced(17, "admin")), 413);
    assert_eq!(code(&announced(6, "admin")), 424);
    assert_eq!(code(&announced(4, "admin")), 424);
    assert_eq!(code(&announced(5, "admin")), 200);
}

#[test]
fn row_32_store_full_or_unwritable() {
    for (kind, code) in [(FaultKind::Full, 420), (FaultKind::Unwritable, 510)] {
        let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
        let before = tree.values().clone();
        let uri = policy("PasswordLength");
        let command = Command::new(Verb::Replace, &uri).with_data("30");
        let executed = tree.execute(&mut Faulty::new(&[(kind, false)]), Rights::ALL, &command);
        assert_eq!(executed.answer.status.code(), code);
        assert_eq!(executed.effect, Effect::None);
        let commit = atomic_on(
            &mut tree,
            &mut Faulty::new(&[(kind, false)]),
            &[(Verb::Add, "BackupDirectory", "1"), (Verb::Replace, "PasswordLength", "30")],
        );
        assert_eq!(codes(&commit), (507, vec![216, code]));
        assert_eq!(tree.values(), &before);
        // outside an Atomic there is no 516: the store is reported
        let mut twice = Faulty::new(&[(kind, true), (kind, true)]);
        let executed = tree.execute(&mut twice, Rights::ALL, &command);
        assert_eq!(executed.answer.status.code(), 510);
        assert_eq!(tree.values(), &before);
    }
}

#[test]
fn dependencies_are_judged_on_the_final_staged_state() {
    // order inside the Atomic does not matter
    let mut tree = tree();
    let children = [
        (Verb::Add, "PasswordAgeDays", "3"),
        (Verb::Add, "BackupDirectory", "1"),
        (Verb::Replace, "BackupDirectory", "2"),
    ];
    assert_eq!(atomic(&mut tree, &children), (200, vec![200, 200, 200]));
    // a dependency that is not met is no error: stored, and ignored when policy is evaluated
    let children = [(Verb::Add, "PassphraseLength", "3")];
    assert_eq!(atomic(&mut tree, &children), (200, vec![200]));
    let mut tree = tree_with(&[(Setting::BackupDirectory, 1)]);
    let children = [(Verb::Add, "ADEncryptedPasswordHistorySize", "6")];
    assert_eq!(atomic(&mut tree, &children), (200, vec![200]));
}

#[test]
fn an_age_below_seven_with_entra_fails_the_final_check() {
    let mut fresh = tree();
    let children =
        [(Verb::Add, "PasswordAgeDays", "6"), (Verb::Add, "PasswordLength", "20"), (Verb::Add, "BackupDirectory", "1")];
    let commit = atomic_on(&mut fresh, &mut Volatile, &children);
    assert_eq!(codes(&commit), (507, vec![500, 216, 216]));
    let refusal = commit.answers[0].refusal.as_ref().unwrap();
    assert_eq!(refusal.setting, Some(Setting::PasswordAgeDays));
    assert_eq!(refusal.given.as_deref(), Some("6"));
    assert!(fresh.values().is_empty());
    // the write that makes the stored age too short is at fault
    let mut tree = tree_with(&[(Setting::BackupDirectory, 2), (Setting::PasswordAgeDays, 1)]);
    let children = [(Verb::Replace, "BackupDirectory", "1")];
    assert_eq!(atomic(&mut tree, &children), (507, vec![500]));
    assert_eq!(status(&mut tree, Verb::Replace, &policy("BackupDirectory"), Some("1")), 500);
    let children = [(Verb::Replace, "BackupDirectory", "1"), (Verb::Delete, "PasswordAgeDays", "")];
    assert_eq!(atomic(&mut tree, &children), (200, vec![200, 200]));
}

#[test]
fn a_write_that_changes_nothing_stores_and_notifies_nothing() {
    let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
    let mut storage = Faulty::new(&[]);
    let commit = atomic_on(&mut tree, &mut storage, &[(Verb::Replace, "PasswordLength", "20")]);
    assert_eq!(codes(&commit), (200, vec![200]));
    assert!(!commit.changed);
    assert!(storage.stored.is_empty());
}

#[test]
fn a_dropped_transaction_changes_nothing() {
    let mut tree = tree();
    let uri = policy("PasswordLength");
    tree.begin(Rights::ALL).apply(&Command::new(Verb::Add, &uri).with_data("20"));
    assert!(tree.values().is_empty());
    assert_eq!(atomic(&mut tree, &[]), (200, vec![]));
}

#[test]
fn a_reset_that_was_pending_at_a_restart_was_aborted() {
    let mut tree = Tree::load(Options::default(), Values::new(), HResult::PENDING);
    assert_eq!(tree.reset_status().0, 0x8007_03E3);
    assert_eq!(read(&mut tree, RESET_STATUS).as_deref(), Some("-2147023901"));
}

#[test]
fn the_tree_is_the_csp_source_of_policy() {
    let tree = tree_with(&[(Setting::BackupDirectory, 1)]);
    let set = tree.policy_set();
    assert_eq!(set.source(), Source::Csp);
    assert_eq!(set.iter().count(), 1);
}

proptest::proptest! {
    /// Whatever an Atomic holds: it changes everything that it says or nothing.
    #[test]
    fn an_atomic_is_all_or_nothing(
        children in proptest::collection::vec((0usize..6, 0usize..4, "[0-9]{0,3}|true|x"), 0..8)
    ) {
        let verbs = [Verb::Add, Verb::Replace, Verb::Delete, Verb::Get, Verb::Exec, Verb::Atomic];
        let names = ["BackupDirectory", "PasswordAgeDays", "PasswordLength", "Nothing"];
        let mut tree = tree_with(&[(Setting::PasswordLength, 20)]);
        let before = tree.values().clone();
        let children: Vec<_> = children.iter().map(|(v, n, d)| (verbs[*v], names[*n], d.as_str())).collect();
        let commit = atomic_on(&mut tree, &mut Volatile, &children);
        proptest::prop_assert_eq!(commit.answers.len(), children.len());
        if commit.status == NodeStatus::Ok {
            proptest::prop_assert!(commit.answers.iter().all(|a| a.status == NodeStatus::Ok));
            proptest::prop_assert_eq!(commit.changed, tree.values() != &before);
        } else {
            proptest::prop_assert_eq!(tree.values(), &before);
            let culprits = commit.answers.iter()
                .filter(|a| !matches!(a.status, NodeStatus::RolledBack | NodeStatus::NotExecuted)).count();
            proptest::prop_assert_eq!(culprits, 1);
        }
    }
}

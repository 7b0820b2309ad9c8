//! The published LAPS documents (seeds/laps-csp.txt), byte for byte and defects and all.

use laps::csp::{Effect, Options, Rights, Tree, Volatile};
use laps::policy::{Given, Setting, Value};
use proto::dm::{Limits, Mode, dispatch, policy, read};

const ENTRA: &[u8] = include_bytes!("../data/policy-entra.xml");
const HYBRID: &[u8] = include_bytes!("../data/policy-hybrid.xml");

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

#[test]
fn the_document_for_entra_imports() {
    let set = policy::import(ENTRA).expect("a policy");
    let got: Vec<_> = set.iter().map(|(setting, given)| (setting, given.clone())).collect();
    let mut wanted = vec![
        (Setting::BackupDirectory, Value::Int(1)),
        (Setting::PasswordAgeDays, Value::Int(7)),
        (Setting::PasswordComplexity, Value::Int(4)),
        (Setting::PasswordLength, Value::Int(32)),
        (Setting::AdministratorAccountName, text("ContosoLocalLapsAdmin")),
        (Setting::PostAuthenticationResetDelay, Value::Int(8)),
        (Setting::PostAuthenticationActions, Value::Int(3)),
    ];
    wanted.sort_by_key(|(setting, _)| *setting);
    assert_eq!(got, wanted.into_iter().map(|(s, v)| (s, Given::Value(v))).collect::<Vec<_>>());
}

#[test]
fn the_document_for_hybrid_imports() {
    let set = policy::import(HYBRID).expect("a policy");
    let got: Vec<_> = set.iter().map(|(setting, given)| (setting, given.clone())).collect();
    let mut wanted = vec![
        (Setting::BackupDirectory, Value::Int(2)),
        (Setting::PasswordAgeDays, Value::Int(20)),
        (Setting::PasswordComplexity, Value::Int(3)),
        (Setting::PasswordLength, Value::Int(14)),
        (Setting::AdministratorAccountName, text("ContosoLocalLapsAdmin")),
        (Setting::PasswordExpirationProtectionEnabled, Value::Bool(true)),
        (Setting::ADPasswordEncryptionEnabled, Value::Bool(true)),
        (Setting::ADPasswordEncryptionPrincipal, text("LAPSAdmins@contoso.com")),
        (Setting::ADEncryptedPasswordHistorySize, Value::Int(6)),
        (Setting::PostAuthenticationResetDelay, Value::Int(4)),
        (Setting::PostAuthenticationActions, Value::Int(5)),
    ];
    wanted.sort_by_key(|(setting, _)| *setting);
    assert_eq!(got, wanted.into_iter().map(|(s, v)| (s, Given::Value(v))).collect::<Vec<_>>());
}

#[test]
fn both_apply_to_a_tree_and_their_escaped_final_counts() {
    for (document, commands) in [(ENTRA, 7), (HYBRID, 11)] {
        let message = read(document, Mode::Import, &Limits::default()).expect("readable");
        assert!(message.is_final);
        assert_eq!(message.commands.len(), commands);
        let mut tree = Tree::new(Options::default());
        let applied = dispatch::apply(&message, &mut tree, &mut Volatile, Rights::ALL);
        assert_eq!(applied.refused, []);
        assert_eq!(applied.effects, [Effect::PolicyChanged]);
        assert_eq!(tree.values().len(), commands);
    }
}

#[test]
fn neither_is_taken_from_the_wire() {
    for document in [ENTRA, HYBRID] {
        let error = read(document, Mode::Wire, &Limits::default()).expect_err("not strict");
        assert_eq!(error.code(), "syncml_not_syncml");
    }
}

#[test]
fn json_says_the_same_as_syncml() {
    let json = br#" {"BackupDirectory": 1, "PasswordAgeDays": "7", "PasswordComplexity": 4, "PasswordLength": 32,
        "AdministratorAccountName": "ContosoLocalLapsAdmin", "PostAuthenticationResetDelay": 8, "PostAuthenticationActions": 3}"#;
    assert_eq!(policy::import(json), policy::import(ENTRA));
}

#[test]
fn settings_survive_json() {
    for document in [ENTRA, HYBRID] {
        let set = policy::import(document).expect("a policy");
        let json = policy::json(&policy::values(&set));
        assert_eq!(policy::import(json.as_bytes()), Ok(set));
    }
}

fn refusals(document: &str) -> Vec<(String, Option<String>, Option<String>, &'static str)> {
    match policy::import(document.as_bytes()) {
        Err(policy::ImportError::Refused(refused)) => refused
            .into_iter()
            .map(|r| {
                let name = r.node.as_deref().and_then(|n| n.rsplit('/').next()).unwrap_or_default().to_owned();
                (name, r.value, r.allowed, r.code)
            })
            .collect(),
        other => panic!("must be refused: {other:?}"),
    }
}

#[test]
fn every_mistake_is_listed_with_node_value_and_allowed_values() {
    let own = |text: &str| Some(text.to_owned());
    assert_eq!(
        refusals(
            r#"{"PasswordLength": 7, "PasswordComplexity": 9, "Nothing": 1, "PasswordAgeDays": "soon",
                "ADPasswordEncryptionEnabled": "maybe", "BackupDirectory": true, "ADBackupDSRMPassword": true}"#
        ),
        [
            ("PasswordLength".into(), own("7"), own("a number from 8 to 64"), "value_not_allowed"),
            ("PasswordComplexity".into(), own("9"), own("1, 2, 3, 4, 5, 6, 7 or 8"), "value_not_allowed"),
            ("Nothing".into(), None, None, "node_unknown"),
            ("PasswordAgeDays".into(), own("soon"), own("a number from 1 to 365"), "value_not_readable"),
            ("ADPasswordEncryptionEnabled".into(), own("maybe"), own("true or false"), "value_not_readable"),
            ("BackupDirectory".into(), own("true"), own("0, 1 or 2"), "format_mismatch"),
            ("ADBackupDSRMPassword".into(), None, None, "node_unknown"),
        ]
    );
}

#[test]
fn settings_that_do_not_go_together_and_repeats_are_refused() {
    assert_eq!(refusals(r#"{"PasswordAgeDays": 3, "BackupDirectory": 1}"#)[0].0, "PasswordAgeDays");
    assert_eq!(refusals(r#"{"PasswordLength": 9, "PasswordLength": 10}"#)[0].3, "already_exists");
}

#[test]
fn a_policy_only_writes() {
    let node = "<Item><Target><LocURI>./Device/Vendor/MSFT/LAPS/Actions/ResetPassword</LocURI></Target></Item>";
    for verb in ["Exec", "Get", "Delete"] {
        let document = format!("<SyncML><SyncBody><{verb}><CmdID>1</CmdID>{node}</{verb}></SyncBody></SyncML>");
        assert_eq!(refusals(&document)[0].3, "policy_only_writes", "{verb}");
    }
}

#[test]
fn what_is_no_policy_has_its_code_and_next_step() {
    let large = vec![b'{'; (1 << 20) + 1];
    let cases: [(&[u8], &str); 8] = [
        (b"", "policy_not_syncml_or_json"),
        (b"PasswordLength=8", "policy_not_syncml_or_json"),
        (b"{", "policy_not_json"),
        (b"{\"PasswordLength\": [1]}", "policy_not_json"),
        (b"{}", "policy_empty"),
        (b"<SyncML><SyncBody/></SyncML>", "policy_empty"),
        (b"<SyncML><SyncBody></SyncML>", "syncml_not_xml"),
        (&large, "policy_too_large"),
    ];
    for (document, code) in cases {
        let error = policy::import(document).expect_err("no policy");
        assert_eq!(error.code(), code);
        assert!(!error.next_step().is_empty());
    }
}

#[test]
fn a_delivery_is_the_whole_wanted_state() {
    let mut tree = Tree::new(Options::default());
    let run = |tree: &mut Tree, command| {
        let message = proto::dm::Message { commands: vec![command], ..Default::default() };
        let text = proto::dm::write(&message).replace("<Atomic>", "<Atomic><CmdID>1</CmdID>");
        let text = ["Replace", "Delete"]
            .iter()
            .fold(text, |text, verb| text.replace(&format!("<{verb}>"), &format!("<{verb}><CmdID>2</CmdID>")));
        let message = read(text.as_bytes(), Mode::Wire, &Limits::default()).expect("readable");
        dispatch::apply(&message, tree, &mut Volatile, Rights::ALL).refused
    };
    let first = policy::values(&policy::import(HYBRID).expect("a policy"));
    let second = policy::values(&policy::import(ENTRA).expect("a policy"));
    assert_eq!(run(&mut tree, policy::delivery(&first, &Default::default()).expect("something")), []);
    assert_eq!(*tree.values(), first);
    let delivered = first.keys().copied().collect();
    assert_eq!(run(&mut tree, policy::delivery(&second, &delivered).expect("something")), []);
    assert_eq!(*tree.values(), second);
    assert_eq!(policy::delivered_nodes(&second, &delivered).iter().filter(|(_, replace)| !replace).count(), 4);
    assert_eq!(policy::delivery(&Default::default(), &Default::default()), None);
}

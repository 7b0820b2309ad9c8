use super::*;
use crate::dm::{Limits, Mode, read};
use laps::csp::{FaultKind, HResult, Options, StorageFault, Values};

const LAPS: &str = "./Device/Vendor/MSFT/LAPS";

fn tree() -> Tree {
    Tree::new(Options::default())
}

/// Runs the commands of a body over `/mdm`: `cmd_ref=status` of each answer, and the refusals.
fn run(tree: &mut Tree, body: &str) -> (Vec<String>, Vec<Effect>) {
    let text = format!("<SyncMl><SyncBody>{}</SyncBody></SyncMl>", body.replace("LAPS:", LAPS));
    let message = read(text.as_bytes(), Mode::Import, &Limits::default()).expect("readable");
    let mut store = Volatile;
    let mut dispatcher = Dispatcher::new(tree, &mut store, Rights::ALL);
    let answers = dispatcher.execute(&message.commands);
    let lines = answers
        .iter()
        .map(|a| {
            let data = a.result.as_ref().and_then(|item| item.data.as_deref()).map(|data| format!(" {data}"));
            format!("{}={}{}", a.cmd_ref, a.status, data.unwrap_or_default())
        })
        .collect();
    (lines, dispatcher.effects().to_vec())
}

fn applied(tree: &mut Tree, body: &str) -> (Vec<String>, Applied) {
    let text = format!("<SyncMl><SyncBody>{}</SyncBody></SyncMl>", body.replace("LAPS:", LAPS));
    let message = read(text.as_bytes(), Mode::Import, &Limits::default()).expect("readable");
    let applied = apply(&message, tree, &mut Volatile, Rights::ALL);
    let lines = applied
        .answer
        .commands
        .iter()
        .filter_map(|command| match command {
            Command::Status(status) => Some(format!("{}={}", status.cmd_ref, status.code)),
            _ => None,
        })
        .collect();
    (lines, applied)
}

fn write(verb: &str, id: u32, name: &str, value: &str) -> String {
    format!(
        "<{verb}><CmdID>{id}</CmdID><Item><Target><LocURI>LAPS:/Policies/{name}</LocURI></Target><Data>{value}</Data></Item></{verb}>"
    )
}

fn on(verb: &str, id: u32, node: &str) -> String {
    format!("<{verb}><CmdID>{id}</CmdID><Item><Target><LocURI>LAPS:/{node}</LocURI></Target></Item></{verb}>")
}

fn atomic(id: u32, inner: &str) -> String {
    format!("<Atomic><CmdID>{id}</CmdID>{inner}</Atomic>")
}

#[test]
fn row_24_writes_outside_an_atomic_stand_alone() {
    let mut tree = tree();
    let body = write("Add", 1, "BackupDirectory", "1")
        + &write("Add", 2, "PasswordLength", "7")
        + &write("Add", 3, "PasswordComplexity", "4");
    let (answers, effects) = run(&mut tree, &body);
    assert_eq!(answers, ["1=200", "2=500", "3=200"]);
    assert_eq!(effects, [Effect::PolicyChanged, Effect::PolicyChanged]);
    assert_eq!(tree.values().len(), 2);
}

#[test]
fn rows_25_and_26_atomic() {
    let mut tree = tree();
    let good = atomic(1, &(write("Add", 2, "BackupDirectory", "1") + &write("Replace", 3, "PasswordLength", " 20 ")));
    assert_eq!(
        run(&mut tree, &good),
        (vec!["1=200".into(), "2=200".into(), "3=200".into()], vec![Effect::PolicyChanged])
    );
    let bad = atomic(
        1,
        &(write("Replace", 2, "PasswordLength", "30")
            + &write("Replace", 3, "PasswordAgeDays", "9999")
            + &write("Replace", 4, "PasswordComplexity", "1")),
    );
    assert_eq!(run(&mut tree, &bad), (vec!["1=507".into(), "2=216".into(), "3=500".into(), "4=215".into()], vec![]));
    assert_eq!(run(&mut tree, &on("Get", 1, "Policies/PasswordLength")).0, ["1=200 20"]);
}

#[test]
fn rows_28_and_29_what_cannot_stand_in_an_atomic() {
    for inner in [on("Get", 2, "Policies"), on("Exec", 2, "Actions/ResetPassword")] {
        let (answers, effects) = run(&mut tree(), &atomic(1, &(inner + &write("Add", 3, "BackupDirectory", "1"))));
        assert_eq!(answers, ["1=507", "2=500", "3=215"]);
        assert_eq!(effects, []);
    }
    let nested =
        atomic(1, &(write("Add", 2, "BackupDirectory", "1") + &atomic(3, &write("Add", 4, "PasswordLength", "9"))));
    assert_eq!(run(&mut tree(), &nested).0, ["1=507", "2=216", "3=500", "4=215"]);
    let sequence =
        atomic(1, &format!("<Sequence><CmdID>2</CmdID>{}</Sequence>", write("Add", 3, "BackupDirectory", "1")));
    assert_eq!(run(&mut tree(), &sequence).0, ["1=200", "2=200", "3=200"]);
    let unknown = atomic(1, "<Copy><CmdID>2</CmdID></Copy>");
    assert_eq!(run(&mut tree(), &unknown).0, ["1=507", "2=400"]);
}

#[test]
fn row_20_a_command_without_a_number_or_an_item() {
    let mut tree = tree();
    assert_eq!(run(&mut tree, "<Get><Item><Target><LocURI>LAPS:</LocURI></Target></Item></Get>").0, ["=400"]);
    assert_eq!(run(&mut tree, "<Get><CmdID>1</CmdID></Get>").0, ["1=400"]);
    assert_eq!(run(&mut tree, "<Get><CmdID>1</CmdID><Item/></Get>").0, ["1=400"]);
    assert_eq!(run(&mut tree, "<Alert><CmdID>1</CmdID><Data>1100</Data></Alert>").0, ["1=406"]);
    assert_eq!(run(&mut tree, "<Put><CmdID>1</CmdID></Put>").0, ["1=400"]);
    assert_eq!(
        run(&mut tree, "<Replace><CmdID>1</CmdID><Item><Data>a</Data><MoreData/></Item></Replace>").0,
        ["1=406"]
    );
}

#[test]
fn rows_13_and_4_a_reset() {
    let mut tree = tree();
    let body = on("Exec", 1, "Actions/ResetPassword") + &on("Get", 2, "Actions/ResetPasswordStatus");
    let (answers, effects) = run(&mut tree, &body);
    assert_eq!(answers, ["1=202", "2=200 -2147483638"]);
    assert_eq!(effects, [Effect::ResetRequested { again: false }]);
    tree.finish_reset(HResult::OK);
    assert_eq!(run(&mut tree, &on("Get", 1, "Actions/ResetPasswordStatus")).0, ["1=200 0"]);
}

#[test]
fn items_of_one_command_share_a_status_or_have_their_own() {
    let item =
        |name: &str| format!("<Item><Target><LocURI>LAPS:/Policies/{name}</LocURI></Target><Data>8</Data></Item>");
    let command = |names: &[&str]| {
        format!("<Replace><CmdID>1</CmdID>{}</Replace>", names.iter().map(|n| item(n)).collect::<String>())
    };
    assert_eq!(run(&mut tree(), &command(&["PasswordAgeDays", "PasswordLength"])).0, ["1=200"]);
    assert_eq!(run(&mut tree(), &command(&["PasswordAgeDays", "Nothing"])).0, ["1=200", "1=404"]);
    let mut tree = tree();
    run(&mut tree, &command(&["PasswordAgeDays"]));
    let get = command(&["PasswordAgeDays", "PasswordAgeDays"]).replace("Replace", "Get").replace("<Data>8</Data>", "");
    assert_eq!(run(&mut tree, &get).0, ["1=200 8", "1=200 8"]);
}

#[test]
fn a_document_is_one_atomic_and_exec_waits_for_it() {
    let exec = on("Exec", 1, "Actions/ResetPassword");
    let get = on("Get", 9, "Policies/BackupDirectory");
    let mut good_tree = tree();
    let good = exec.clone() + &write("Add", 2, "BackupDirectory", "1") + &get;
    let (answers, result) = applied(&mut good_tree, &good);
    assert_eq!(answers, ["0=200", "1=202", "2=200", "9=200"]);
    assert_eq!(result.refused, []);
    assert_eq!(result.effects, [Effect::PolicyChanged, Effect::ResetRequested { again: false }]);
    assert!(result.answer.commands.iter().any(|c| matches!(c, Command::Results(r) if r.cmd_ref == "9")));

    let mut tree = tree();
    let bad = exec
        + &write("Add", 2, "BackupDirectory", "1")
        + &write("Add", 3, "PasswordLength", "7")
        + &write("Add", 4, "PasswordAgeDays", "abc")
        + &write("Add", 5, "PasswordComplexity", "4")
        + &get;
    let (answers, result) = applied(&mut tree, &bad);
    assert_eq!(answers, ["0=200", "1=215", "2=216", "3=500", "4=215", "5=215", "9=404"]);
    assert_eq!(result.effects, []);
    assert!(tree.values().is_empty());
    let shown: Vec<_> =
        result.refused.iter().map(|r| (r.cmd_id.as_str(), r.code, r.value.as_deref(), r.allowed.as_deref())).collect();
    // The second mistake is told too, though it answers 215 only.
    assert_eq!(
        shown,
        [
            ("3", "value_not_allowed", Some("7"), Some("a number from 8 to 64")),
            ("4", "value_not_readable", Some("abc"), Some("a number from 1 to 365")),
            ("9", "not_set", None, Some("0, 1 or 2")),
        ]
    );
}

#[test]
fn an_atomic_inside_a_document_falls_with_it() {
    let mut tree = tree();
    let body = atomic(1, &write("Add", 2, "BackupDirectory", "1")) + &write("Add", 3, "Nothing", "1");
    assert_eq!(applied(&mut tree, &body).0, ["0=200", "1=507", "2=216", "3=404"]);
    assert!(tree.values().is_empty());
    let body = atomic(1, &write("Add", 2, "BackupDirectory", "1"))
        + "<Sequence><CmdID>3</CmdID>"
        + &on("Get", 4, "Policies")
        + "</Sequence>";
    assert_eq!(applied(&mut tree, &body).0, ["0=200", "1=200", "2=200", "3=200", "4=200"]);
    let exec_inside = atomic(1, &on("Exec", 2, "Actions/ResetPassword"));
    assert_eq!(applied(&mut tree, &exec_inside).0, ["0=200", "1=507", "2=500"]);
}

struct Full;
impl Storage for Full {
    fn replace(&mut self, _: &Values) -> Result<(), StorageFault> {
        Err(StorageFault { kind: FaultKind::Full, maybe_changed: false })
    }
}

#[test]
fn row_32_a_store_that_takes_nothing() {
    let text = format!(
        "<SyncMl><SyncBody>{}</SyncBody></SyncMl>",
        write("Add", 1, "BackupDirectory", "1").replace("LAPS:", LAPS)
    );
    let message = read(text.as_bytes(), Mode::Import, &Limits::default()).expect("readable");
    let mut tree = tree();
    let applied = apply(&message, &mut tree, &mut Full, Rights::ALL);
    assert_eq!(applied.refused.iter().map(|r| (r.status, r.code)).collect::<Vec<_>>(), [(420, "store_full")]);
    assert!(tree.values().is_empty());
}

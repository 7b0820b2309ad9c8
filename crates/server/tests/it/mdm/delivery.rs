//! Policy is delivered whole, withdrawn, held and refused.

use super::server::{START, Server, published};
use laps::csp::{Effect, HResult, Options as TreeOptions, Tree};
use laps::policy::{Setting, Value};
use server::authz::Caller;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn the_published_document_is_delivered_and_in_force() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;

    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Atomic"), [("", 200)]);
    assert_eq!(seen.of("Replace").len(), 7);
    assert_eq!(seen.effects, [Effect::PolicyChanged]);
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(32)));
    assert_eq!(
        device.tree.values().get(&Setting::AdministratorAccountName),
        Some(&Value::Text("ContosoLocalLapsAdmin".into()))
    );

    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    let in_force = shown.in_force.unwrap();
    assert_eq!(shown.sent.unwrap(), in_force);
    assert_eq!(in_force.statuses.len(), 7);
    assert!(in_force.statuses.iter().all(|status| status.status == 200));
    assert_eq!(in_force.values["settings"]["PasswordAgeDays"], 7);
    assert_eq!(shown.held, None);
}

#[tokio::test]
async fn a_check_in_with_nothing_to_do_costs_no_durable_write() {
    let server = Server::new().await;
    let mut bare = server.device(1).await;
    let verbs = server.store.write_verbs();
    assert_eq!(bare.check_in(&server).await.messages, 1);
    assert_eq!(server.store.write_verbs(), verbs, "nothing was ever assigned");

    server.policy("cloud", &published()).await;
    server.assign("cloud", true).await;
    assert_eq!(bare.check_in(&server).await.messages, 2);
    let verbs = server.store.write_verbs();
    for _ in 0..3 {
        let seen = bare.check_in(&server).await;
        assert_eq!((seen.messages, seen.done.len()), (1, 0));
    }
    assert_eq!(server.store.write_verbs(), verbs, "what is assigned is in force");

    // The positive control: a change is written.
    server.assign("cloud", false).await;
    let verbs = server.store.write_verbs();
    bare.check_in(&server).await;
    assert_eq!(server.store.write_verbs(), verbs + 2, "the delivery and its answer");

    // The same reason to hold is written once.
    server.policy("one", r#"{"PasswordLength":20}"#).await;
    server.policy("two", r#"{"PasswordLength":21}"#).await;
    server.assign("one", true).await;
    server.assign("two", true).await;
    bare.check_in(&server).await;
    let verbs = server.store.write_verbs();
    bare.check_in(&server).await;
    assert_eq!(server.store.write_verbs(), verbs);
}

#[tokio::test]
async fn what_is_no_longer_assigned_is_deleted() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("length", r#"{"BackupDirectory":1,"PasswordLength":20}"#).await;
    server.policy("age", r#"{"PasswordAgeDays":14}"#).await;
    server.assign("length", true).await;
    server.assign("age", true).await;
    device.check_in(&server).await;
    assert_eq!(device.names(), ["BackupDirectory", "PasswordAgeDays", "PasswordLength"]);

    server.assign("length", false).await;
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Delete"), [("BackupDirectory", 200), ("PasswordLength", 200)]);
    assert_eq!(seen.of("Replace"), [("PasswordAgeDays", 200)]);
    assert_eq!(device.names(), ["PasswordAgeDays"]);

    server.assign("age", false).await;
    device.check_in(&server).await;
    assert!(device.names().is_empty());
    assert_eq!(device.check_in(&server).await.messages, 1);
}

#[tokio::test]
async fn what_the_device_lost_is_not_deleted_again() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("former", r#"{"BackupDirectory":1,"PasswordLength":20,"PasswordAgeDays":14}"#).await;
    server.assign("former", true).await;
    device.check_in(&server).await;
    // The machine went back to an image from before it was managed.
    device.tree = Tree::new(TreeOptions::default());
    server.assign("former", false).await;
    server.policy("next", r#"{"PasswordComplexity":4}"#).await;
    server.assign("next", true).await;
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Atomic").last(), Some(&("", 200)));
    assert_eq!(seen.of("Delete").iter().filter(|(_, status)| *status == 404).count(), 3);
    assert_eq!(device.names(), ["PasswordComplexity"]);
    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    assert_eq!(shown.in_force, shown.sent);
    assert_eq!(device.check_in(&server).await.messages, 1);
}

#[tokio::test]
async fn a_conflict_holds_the_whole_delivery() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", r#"{"BackupDirectory":1,"PasswordLength":20}"#).await;
    server.assign("cloud", true).await;
    device.check_in(&server).await;
    server.policy("other", r#"{"PasswordLength":21,"PasswordAgeDays":14}"#).await;
    server.assign("other", true).await;

    let seen = device.check_in(&server).await;
    assert_eq!((seen.messages, seen.done.len()), (1, 0));
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));
    assert_eq!(device.names(), ["BackupDirectory", "PasswordLength"], "the last complete policy stays, without a hole");
    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    let held = shown.held.unwrap();
    assert_eq!(held["code"], "policies_conflict");
    assert_eq!(held["conflicts"][0]["setting"], "PasswordLength");
    let names: Vec<_> =
        held["conflicts"][0]["policies"].as_array().unwrap().iter().map(|p| p["name"].clone()).collect();
    assert!(names.contains(&"cloud".into()) && names.contains(&"other".into()));
    let why = server.app.explain(&server.admin, &device.id.to_string()).await.unwrap();
    assert_eq!(why.code, "policy_conflict", "{why:?}");

    server.policy("other", r#"{"PasswordLength":20,"PasswordAgeDays":14}"#).await;
    device.check_in(&server).await;
    assert_eq!(device.names(), ["BackupDirectory", "PasswordAgeDays", "PasswordLength"]);
    assert_eq!(server.app.device_policy(&server.admin, device.id).await.unwrap().held, None);
}

#[tokio::test]
async fn a_refused_setting_is_recorded_and_the_former_policy_stays() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("cloud", r#"{"BackupDirectory":1,"PasswordLength":20}"#).await;
    server.assign("cloud", true).await;
    device.check_in(&server).await;
    let before = server.app.device_policy(&server.admin, device.id).await.unwrap().in_force.unwrap();

    // A client that takes short values only.
    let values = device.tree.values().clone();
    device.tree = Tree::load(TreeOptions { data_bytes_max: 2, ..TreeOptions::default() }, values, HResult::OK);
    server.policy("cloud", r#"{"AdministratorAccountName":"locadm","BackupDirectory":1,"PasswordLength":24}"#).await;
    let seen = device.check_in(&server).await;
    assert_eq!(seen.of("Atomic"), [("", 507)]);
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));

    let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
    assert_eq!(shown.in_force.as_ref(), Some(&before));
    let sent = shown.sent.unwrap();
    assert!(sent.answered_date_time.is_some());
    let statuses: Vec<_> =
        sent.statuses.iter().map(|status| (status.uri.rsplit('/').next().unwrap(), status.status)).collect();
    assert_eq!(statuses, [("AdministratorAccountName", 413), ("BackupDirectory", 215), ("PasswordLength", 215)]);
    let why = server.app.explain(&server.admin, &device.id.to_string()).await.unwrap();
    assert_eq!(why.code, "policy_refused", "{why:?}");

    // It is tried again at each session, and the same answer is not written again.
    let verbs = server.store.write_verbs();
    assert_eq!(device.check_in(&server).await.of("Atomic"), [("", 507)]);
    assert_eq!(server.app.device_policy(&server.admin, device.id).await.unwrap().sent.unwrap(), sent);
    assert!(server.store.write_verbs() <= verbs + 1, "the note of what is sent, which changes nothing");
}

/// A device whose configuration tree was lost (a damaged file that was kept aside) says so in its report, and
/// gets everything again.
#[tokio::test]
async fn a_device_that_lost_its_policy_gets_it_again() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("base", r#"{"BackupDirectory": 1, "PasswordLength": 20}"#).await;
    server.assign("base", true).await;
    assert_eq!(device.check_in(&server).await.of("Replace").len(), 2);
    let report = |policy_source: Option<&str>| proto::device::Report {
        account: None,
        installed_fingerprint: None,
        last_acknowledged: None,
        intent: None,
        incarnation: None,
        evidence: proto::device::Evidence {
            policy_source: policy_source.map(str::to_owned),
            ..proto::device::Evidence::default()
        },
        last_error: None,
        audit_head: None,
        sign_ins: Vec::new(),
        device_time: START,
    };
    let tell = async |caller: &Caller, policy_source| {
        server.hands.seconds.fetch_add(60, Ordering::Relaxed);
        server.app.report(caller, &report(policy_source)).await.unwrap();
    };
    tell(&device.caller, Some("csp")).await;
    assert!(device.check_in(&server).await.done.is_empty(), "what is in force is not sent again");
    device.tree = Tree::new(TreeOptions::default());
    tell(&device.caller, None).await;
    assert_eq!(device.check_in(&server).await.of("Replace").len(), 2);
    assert_eq!(device.tree.values().get(&Setting::PasswordLength), Some(&Value::Int(20)));
    tell(&device.caller, Some("csp")).await;
    assert!(device.check_in(&server).await.done.is_empty());
}

/// What the device took is not in force while another source rules there.
#[tokio::test]
async fn a_setting_that_another_source_overrides_is_not_in_force() {
    let server = Server::new().await;
    let mut device = server.device(1).await;
    server.policy("base", r#"{"BackupDirectory": 1, "PasswordLength": 20}"#).await;
    server.assign("base", true).await;
    device.check_in(&server).await;
    for (source, state) in [("csp", "in_force"), ("local", "overridden"), ("csp", "in_force")] {
        server.hands.seconds.fetch_add(60, Ordering::Relaxed);
        let report = proto::device::Report {
            account: None,
            installed_fingerprint: None,
            last_acknowledged: None,
            intent: None,
            incarnation: None,
            evidence: proto::device::Evidence {
                policy_source: Some(source.to_owned()),
                backup_directory: 1,
                ..proto::device::Evidence::default()
            },
            last_error: None,
            audit_head: None,
            sign_ins: Vec::new(),
            device_time: START,
        };
        server.app.report(&device.caller, &report).await.unwrap();
        let shown = server.app.device_policy(&server.admin, device.id).await.unwrap();
        assert_eq!(shown.source.as_deref(), Some(source));
        assert!(shown.source_date_time.is_some());
        for row in &shown.settings {
            assert_eq!((row.state.as_str(), row.in_force.is_some()), (state, state == "in_force"), "{row:?}");
        }
    }
}

//! New versions of a policy go from ring to ring, against devices with real sessions.

use super::device::Device;
use super::server::{START, Server};
use laps::csp::{HResult, Options as TreeOptions, Tree};
use laps::policy::{Setting, Value};
use proto::admin::{ALL_DEVICES, Assign, NewGroup, PolicyEdit, Ring, RingPlan, RollBack};
use server::authz::{Caller, Job};
use std::sync::atomic::Ordering;

const FIRST: &str = r#"{"BackupDirectory":1,"PasswordLength":20}"#;

/// A pilot machine, and one of the others.
async fn world(failures: u32) -> (Server, Device, Device) {
    let server = Server::new().await;
    let (pilot, other) = (server.device(1).await, server.device(2).await);
    server.app.create_group(&server.admin, &NewGroup { name: "pilot".into(), ..new_group() }).await.unwrap();
    server.app.set_member(&server.admin, "pilot", pilot.id, true).await.unwrap();
    server.policy("base", FIRST).await;
    server.assign("base", true).await;
    let ring = Ring { groups: vec!["pilot".into()], soak_hours: 24, failures_max: Some(failures), ..Ring::default() };
    server.app.set_ring_plan(&server.admin, "base", &RingPlan { rings: vec![ring] }).await.unwrap();
    (server, pilot, other)
}

fn new_group() -> NewGroup {
    serde_json::from_str(r#"{"name": "x"}"#).unwrap()
}

fn longer(length: u32) -> PolicyEdit {
    let mut edit = PolicyEdit::default();
    edit.set.insert("PasswordLength".into(), length.to_string().into());
    edit
}

fn length(device: &Device) -> Option<u32> {
    device.tree.values().get(&Setting::PasswordLength).and_then(Value::as_int)
}

async fn pass_hours(server: &Server, hours: u64) {
    server.hands.seconds.fetch_add(hours * 3_600, Ordering::Relaxed);
    server.app.carry_rollouts(&Caller::system(Job::Rollouts)).await.unwrap();
}

async fn state(server: &Server) -> (String, u32, [u64; 3]) {
    let rollout = server.app.rollout(&server.admin, "base").await.unwrap();
    (rollout.state, rollout.ring, [rollout.reached, rollout.taken, rollout.failed])
}

fn is(word: &str, ring: u32, numbers: [u64; 3]) -> (String, u32, [u64; 3]) {
    (word.to_owned(), ring, numbers)
}

#[tokio::test]
async fn a_version_reaches_the_others_when_the_pilot_took_it_and_the_soak_time_is_over() {
    let (server, mut pilot, mut other) = world(0).await;
    pilot.check_in(&server).await;
    other.check_in(&server).await;
    let edited = server.app.edit_policy(&server.admin, "base", &longer(24)).await.unwrap();
    assert_eq!(
        (edited.version, &edited.settings["PasswordLength"]),
        (2, &24.into()),
        "a text is read as the table says"
    );
    assert_eq!(state(&server).await, is("running", 1, [1, 0, 0]));
    pass_hours(&server, 30).await;
    assert_eq!(state(&server).await, is("running", 1, [1, 0, 0]), "nobody has tried it");
    other.check_in(&server).await;
    assert_eq!(length(&other), Some(20), "not reached: the former version stays");
    let shown = server.app.device_policy(&server.admin, other.id).await.unwrap();
    assert_eq!((shown.assigned[0].version, shown.settings[1].state.as_str()), (1, "in_force"));

    // While it is on its way nothing else is changed.
    let busy = server.app.edit_policy(&server.admin, "base", &longer(25)).await.unwrap_err();
    assert_eq!(busy.code(), "rollout_open");

    pilot.check_in(&server).await;
    assert_eq!(length(&pilot), Some(24));
    assert_eq!(state(&server).await, is("running", 1, [1, 1, 0]));
    pass_hours(&server, 1).await;
    assert_eq!(state(&server).await, is("complete", 1, [2, 1, 0]), "the last ring is behind");
    other.check_in(&server).await;
    assert_eq!(length(&other), Some(24));
}

#[tokio::test]
async fn failures_halt_it_and_a_person_decides() {
    let (server, mut pilot, mut other) = world(0).await;
    pilot.check_in(&server).await;
    other.check_in(&server).await;
    server.app.edit_policy(&server.admin, "base", &longer(24)).await.unwrap();
    // The pilot machine takes nothing longer than one character now.
    let values = pilot.tree.values().clone();
    pilot.tree = Tree::load(TreeOptions { data_bytes_max: 1, ..TreeOptions::default() }, values, HResult::OK);
    pilot.check_in(&server).await;
    let shown = server.app.device_policy(&server.admin, pilot.id).await.unwrap();
    let row = shown.settings.iter().find(|row| row.setting == "PasswordLength").unwrap();
    assert_eq!((&row.assigned, row.state.as_str(), row.status), (&Some(24.into()), "refused", Some(413)));
    assert_eq!((&row.sent, &row.in_force), (&Some(24.into()), &Some(20.into())));
    pass_hours(&server, 0).await;
    let rollout = server.app.rollout(&server.admin, "base").await.unwrap();
    assert_eq!((rollout.state.as_str(), rollout.failing.as_slice()), ("halted", &["machine-1".to_owned()][..]));
    pass_hours(&server, 100).await;
    assert_eq!(state(&server).await.0, "halted", "it does not go on by itself");
    other.check_in(&server).await;
    assert_eq!(length(&other), Some(20));
    let log = server.app.audit(&server.admin, None, 100).await.unwrap().items;
    let halt = log.iter().find(|record| record.activity == "Halt policy rollout").unwrap();
    assert_eq!((halt.actor.contains("rollouts"), &halt.detail["failed"]), (true, &1.into()), "{halt:?}");

    // A person goes on: that failure is known now, and the soak time begins again.
    server.app.act_on_rollout(&server.admin, "base", "resume").await.unwrap();
    pass_hours(&server, 0).await;
    assert_eq!(state(&server).await.0, "running");
    let twice = server.app.act_on_rollout(&server.admin, "base", "resume").await.unwrap_err();
    assert_eq!(twice.code(), "rollout_state");
    server.app.act_on_rollout(&server.admin, "base", "halt").await.unwrap();
    // And back.
    let back = server.app.act_on_rollout(&server.admin, "base", "rollBack").await.unwrap();
    assert_eq!(back.state, "rolled_back");
    let policy = server.app.policy(&server.admin, "base").await.unwrap();
    assert_eq!((policy.version, &policy.settings["PasswordLength"]), (3, &20.into()));
    pilot.tree = Tree::load(TreeOptions::default(), pilot.tree.values().clone(), HResult::OK);
    pilot.check_in(&server).await;
    other.check_in(&server).await;
    assert_eq!((length(&pilot), length(&other)), (Some(20), Some(20)));
    let none = server.app.act_on_rollout(&server.admin, "base", "complete").await.unwrap_err();
    assert_eq!(none.code(), "rollout_unknown");
}

#[tokio::test]
async fn a_failure_within_the_limit_stops_nothing_and_complete_gives_it_to_all() {
    let (server, mut pilot, mut other) = world(1).await;
    pilot.check_in(&server).await;
    server.app.edit_policy(&server.admin, "base", &longer(24)).await.unwrap();
    let values = pilot.tree.values().clone();
    pilot.tree = Tree::load(TreeOptions { data_bytes_max: 1, ..TreeOptions::default() }, values, HResult::OK);
    pilot.check_in(&server).await;
    pass_hours(&server, 48).await;
    assert_eq!(state(&server).await, is("running", 1, [1, 0, 1]), "nobody took it");
    server.app.act_on_rollout(&server.admin, "base", "complete").await.unwrap();
    other.check_in(&server).await;
    assert_eq!(length(&other), Some(24));
}

#[tokio::test]
async fn a_new_policy_goes_by_rings_from_its_first_assignment() {
    let (server, mut pilot, mut other) = world(0).await;
    let fresh = r#"{"PasswordAgeDays":14}"#;
    server.policy("fresh", fresh).await;
    let ring = Ring { percent: None, groups: vec!["pilot".into()], soak_hours: 1, ..Ring::default() };
    server.app.set_ring_plan(&server.admin, "fresh", &RingPlan { rings: vec![ring] }).await.unwrap();
    server.assign("fresh", true).await;
    pilot.check_in(&server).await;
    other.check_in(&server).await;
    assert_eq!((pilot.names().len(), other.names().len()), (3, 2));
    let back = server.app.act_on_rollout(&server.admin, "fresh", "rollBack").await.unwrap_err();
    assert_eq!(back.code(), "rollout_has_no_former");
}

#[tokio::test]
async fn an_excluded_group_loses_the_policy_and_history_goes_back() {
    let (server, mut pilot, _) = world(0).await;
    server.app.set_ring_plan(&server.admin, "base", &RingPlan::default()).await.unwrap();
    pilot.check_in(&server).await;
    assert_eq!(length(&pilot), Some(20));
    let left_out = server.app.exclude_policy(&server.admin, "base", &Assign::to("pilot"), true).await.unwrap();
    assert_eq!((left_out.excluded, left_out.groups), (vec!["pilot".to_owned()], vec![ALL_DEVICES.to_owned()]));
    pilot.check_in(&server).await;
    assert_eq!(pilot.names(), Vec::<&str>::new(), "what was delivered is deleted");
    server.app.exclude_policy(&server.admin, "base", &Assign::to("pilot"), false).await.unwrap();
    let all = server.app.exclude_policy(&server.admin, "base", &Assign::to(ALL_DEVICES), true).await.unwrap_err();
    assert_eq!(all.code(), "all_devices_excluded");

    server.app.edit_policy(&server.admin, "base", &longer(24)).await.unwrap();
    let mut edit = longer(30);
    edit.unset.push("BackupDirectory".into());
    server.app.edit_policy(&server.admin, "base", &edit).await.unwrap();
    let history = server.app.policy_versions(&server.admin, "base").await.unwrap();
    assert_eq!(history.iter().map(|one| one.version).collect::<Vec<_>>(), [3, 2, 1]);
    let changed: Vec<&str> = history[0].changes.iter().map(|change| change.setting.as_str()).collect();
    assert_eq!(changed, ["BackupDirectory", "PasswordLength"]);
    assert_eq!(history[1].changed_by.as_deref(), Some("ada@example.test"));
    assert_eq!(history[2].changed_date_time, START);
    let back = server.app.roll_back_policy(&server.admin, "base", &RollBack { version: 1 }).await.unwrap();
    assert_eq!((back.version, serde_json::Value::Object(back.settings).to_string()), (4, FIRST.to_owned()));
    let again = server.app.roll_back_policy(&server.admin, "base", &RollBack { version: 1 }).await.unwrap();
    assert_eq!(again.version, 4, "nothing to change");
    let unknown = server.app.roll_back_policy(&server.admin, "base", &RollBack { version: 9 }).await.unwrap_err();
    assert_eq!(unknown.code(), "policy_version_unknown");
}

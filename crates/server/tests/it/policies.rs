//! Policies over real TLS: editing from the table, preview on what devices told, what is refused.

use crate::harness::TestServer;
use proto::device::{Evidence, Machine, MachineAccount};
use reqwest::Method;
use serde_json::{Value, json};

const POLICIES: &str = "/v1.0/lapwing/policies";

pub(crate) fn told(length_min: u32, accounts: &[&str]) -> Evidence {
    let account = |(id, name): (usize, &&str)| MachineAccount {
        id: u32::try_from(id).unwrap(),
        name: (*name).to_owned(),
        enabled: true,
        administrator: true,
    };
    let accounts = accounts.iter().enumerate().map(account).collect();
    let machine = Machine { length_min, accounts, complete: true, domain: Some(false) };
    Evidence { machine: Some(machine), ..Evidence::default() }
}

#[tokio::test]
async fn a_policy_is_edited_from_the_table_and_exported() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let table = admin.get_ok("/v1.0/lapwing/settingsTable").await;
    let length = table["value"].as_array().unwrap().iter().find(|one| one["name"] == "PasswordLength").unwrap();
    assert_eq!((&length["min"], &length["max"], &length["default"]), (&json!(8), &json!(64), &json!(14)));

    let (status, made) = admin
        .post(POLICIES, json!({"name": "Base", "settings": {"BackupDirectory": "1", "PasswordLength": "20"}}))
        .await;
    assert_eq!((status.as_u16(), &made["settings"]["PasswordLength"]), (201, &json!(20)), "{made}");
    let base = format!("{POLICIES}/{}", made["id"].as_str().unwrap());
    let (status, edited) =
        admin.post(&format!("{base}/edit"), json!({"set": {"PasswordLength": 24}, "unset": [], "version": 1})).await;
    assert_eq!((status.as_u16(), &edited["version"]), (200, &json!(2)), "{edited}");
    let refused = async |body: Value| {
        let (status, answer) = admin.post(&format!("{base}/edit"), body).await;
        (status.as_u16(), answer["error"]["innerError"]["code"].as_str().unwrap_or_default().to_owned())
    };
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused(json!({"set": {"PasswordLength": 30}, "version": 1})).await.0, 412);
    assert_eq!(refused(json!({"set": {"PasswordLength": 7}})).await, is(400, "policy_refused"));
    assert_eq!(refused(json!({"set": {"NoSuchSetting": 1}})).await, is(400, "policy_refused"));
    assert_eq!(refused(json!({"set": {"PasswordLength": [1]}})).await.0, 400);
    assert_eq!(refused(json!({"unset": ["PasswordAgeDays"]})).await, is(400, "setting_not_set"));
    assert_eq!(refused(json!({"unset": ["PasswordLength", "BackupDirectory"]})).await, is(400, "policy_empty"));
    for name in ["", "a\u{202e}b", "a\u{0}b", "a\u{200b}b", &"x".repeat(4_000), "all"] {
        assert_eq!(refused(json!({"name": name})).await, is(400, "bad_name"), "{name:?}");
        let (status, _) = admin.post(POLICIES, json!({"name": name, "settings": {"PasswordLength": 20}})).await;
        assert_eq!(status, 400, "{name:?}");
    }
    // Markup is a name like another: it is data everywhere.
    assert_eq!(admin.post(&format!("{base}/edit"), json!({"name": "<b>Base</b>"})).await.1["name"], "<b>Base</b>");
    let large = json!({"set": {"AdministratorAccountName": "x".repeat(300_000)}});
    assert_eq!(admin.post(&format!("{base}/edit"), large).await.0, 413);

    let syncml = admin.ask(Method::GET, &format!("{base}/syncml"), None).await;
    assert_eq!(syncml.headers()["content-type"], "application/vnd.syncml.dm+xml");
    let set = proto::dm::policy::import(&syncml.bytes().await.unwrap()).unwrap();
    assert_eq!(
        proto::dm::policy::json(&proto::dm::policy::values(&set)),
        r#"{"BackupDirectory":1,"PasswordLength":24}"#
    );
    let history = admin.get_ok(&format!("{base}/versions")).await;
    assert_eq!(history["value"][1]["changes"], json!([{"setting": "PasswordLength", "from": 20, "to": 24}]));
    assert_eq!(history["value"][1]["changedBy"], "admin");
    let (status, back) = admin.post(&format!("{base}/rollBack"), json!({"version": 1})).await;
    assert_eq!((status.as_u16(), &back["settings"]["PasswordLength"]), (200, &json!(20)));

    // Rings that make no sense.
    for rings in [
        json!([{"percent": 0, "soakHours": 1}]),
        json!([{"percent": 101, "soakHours": 1}]),
        json!([{"percent": 50, "soakHours": 1}, {"percent": 10, "soakHours": 1}]),
        json!([{"soakHours": 1}]),
        json!([{"percent": 10, "groups": ["x"], "soakHours": 1}]),
        json!([{"groups": ["all"], "soakHours": 1}]),
        json!([{"percent": 10, "soakHours": 99_999}]),
        json!(vec![json!({"percent": 10, "soakHours": 1}); 11]),
    ] {
        let answer = admin.ask(Method::PUT, &format!("{base}/rings"), Some(json!({"rings": rings}))).await;
        assert_eq!(answer.status(), 400, "{rings}");
    }
    assert_eq!(admin.get(&format!("{base}/rollout")).await.0, 404);
    assert_eq!(admin.post(&format!("{base}/rollout/sideways"), json!({})).await.0, 400);
    let reader = server.program(Some("Helpdesk Administrator"), &[]).await;
    assert_eq!(reader.get(&format!("{base}/versions")).await.0, 200);
    assert_eq!(reader.post(&format!("{base}/edit"), json!({"set": {"PasswordLength": 9}})).await.0, 403);
    assert_eq!(reader.post(&format!("{base}/rollout/halt"), json!({})).await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn a_preview_says_who_would_refuse_and_why() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (strict, easy, silent) =
        (server.device("strict").await, server.device("easy").await, server.device("silent").await);
    assert_eq!(strict.report_told(told(16, &["root"])).await.status(), 200);
    assert_eq!(easy.report_told(told(8, &["root", "ops"])).await.status(), 200);
    let (_, made) =
        admin.post(POLICIES, json!({"name": "Base", "settings": {"BackupDirectory": 1, "PasswordLength": 14}})).await;
    let preview = async |body: Value| {
        let (status, answer) = admin.post("/v1.0/lapwing/preview", body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    };
    let nobody = preview(json!({"policy": "Base"})).await;
    assert_eq!(nobody["devices"], 0, "it is assigned to nobody");
    let seen = preview(json!({"policy": "Base", "group": "all"})).await;
    let numbers = |seen: &Value| {
        ["devices", "unknown", "wouldChange", "wouldRefuse", "wouldHold"].map(|name| seen[name].as_u64().unwrap())
    };
    assert_eq!(numbers(&seen), [3, 1, 2, 1, 0], "{seen}");
    let cause = &seen["causes"][0];
    assert_eq!((&cause["code"], &cause["summary"]), (&json!("length_below_machine_rule"), &json!("minimum length 16")));
    assert_eq!(
        (&cause["kind"], &cause["devices"], &cause["names"]),
        (&json!("refused"), &json!(1), &json!(["strict"]))
    );

    // Other settings for it, before they are stored.
    let longer = json!({"policy": "Base", "group": "all", "settings": {"BackupDirectory": 1, "PasswordLength": 20}});
    assert_eq!(numbers(&preview(longer).await), [3, 1, 3, 0, 0]);
    let named = json!({"group": "all", "settings": {"BackupDirectory": 1, "AdministratorAccountName": "ops", "PasswordLength": 20}});
    let seen = preview(named).await;
    assert_eq!(numbers(&seen), [3, 1, 2, 1, 0], "{seen}");
    assert!(seen["causes"].as_array().unwrap().iter().any(|cause| cause["code"] == "account_missing"), "{seen}");
    let domain = preview(json!({"group": "all", "settings": {"BackupDirectory": 2}})).await;
    assert!(
        domain["causes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|cause| cause["code"] == "join_state_does_not_fit" && cause["devices"] == 2),
        "{domain}"
    );

    // A conflict that would arise, and an exclusion that takes the device out of it.
    assert_eq!(admin.post(&format!("{POLICIES}/Base/assign"), json!({"group": "all"})).await.0, 200);
    let other = json!({"name": "Other", "settings": {"PasswordLength": 30}});
    assert_eq!(admin.post(POLICIES, other).await.0, 201);
    let seen = preview(json!({"policy": "Other", "group": "all"})).await;
    assert_eq!(numbers(&seen), [3, 0, 0, 0, 3], "{seen}");
    assert_eq!(seen["causes"][0]["summary"], "PasswordLength: Base says 14, Other says 30");
    assert_eq!(admin.post("/v1.0/lapwing/groups", json!({"name": "lab"})).await.0, 201);
    let groups = admin.get_ok("/v1.0/lapwing/groups").await;
    let lab = groups["value"].as_array().unwrap().iter().find(|group| group["name"] == "lab").unwrap();
    let add = format!("/v1.0/lapwing/groups/{}/members/{}", lab["id"].as_str().unwrap(), strict.id());
    assert_eq!(admin.ask(Method::PUT, &add, None).await.status(), 204);
    assert_eq!(
        admin.post(&format!("{POLICIES}/Base/exclude"), json!({"group": "lab"})).await.1["excluded"],
        json!(["lab"])
    );
    assert_eq!(numbers(&preview(json!({"policy": "Base"})).await)[0], 2);
    let seen = preview(json!({"policy": "Other", "group": "all"})).await;
    assert_eq!(numbers(&seen)[4], 2, "the excluded one has no conflict: {seen}");
    drop((made, silent));
    server.stop().await;
}

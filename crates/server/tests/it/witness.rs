//! What the audit log has beside what was done: acts that were refused, new names of machines, and heads that devices
//! keep and the log does not hold (docs/audit.md).

use crate::admin::{Browser, person};
use crate::harness::{Session, TestDevice, TestServer, make};
use laps::time::Timestamp;
use proto::audit::Head;
use proto::device::{Evidence, Report};
use reqwest::Method;
use serde_json::{Value, json};
use server::audit::AuditHead;
use server::ca::head::{HeadKey, exported};

/// Records of an activity, newest first: the outcome, the target, the detail.
async fn records(by: &Session<'_>, activity: &str) -> Vec<(String, String, Value)> {
    let found = by.get_ok("/v1.0/lapwing/audit?$top=500").await;
    let of = found["value"].as_array().unwrap().iter().filter(|record| record["activity"] == activity);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of.map(|record| (text(&record["outcome"]), text(&record["targets"][0]["id"]), record["detail"].clone())).collect()
}

/// The place of the last record.
async fn last(by: &Session<'_>) -> u64 {
    by.get_ok("/v1.0/lapwing/audit/head").await["value"][0]["sequence"].as_u64().unwrap()
}

async fn report(device: &TestDevice<'_>, audit_head: Option<String>, evidence: Evidence) -> Value {
    let report = Report {
        account: None,
        installed_fingerprint: None,
        last_acknowledged: None,
        intent: None,
        incarnation: Some(device.joined.incarnation),
        evidence,
        last_error: None,
        sign_ins: Vec::new(),
        audit_head,
        device_time: Timestamp::from_unix_ms(1_790_000_000_000),
    };
    let answer = device.post("/device/v1/report", serde_json::to_vec(&report).unwrap()).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

#[tokio::test]
async fn acts_that_were_refused_are_recorded_and_nobody_floods_the_log() {
    let server = TestServer::start_unbounded().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    let reader = server.program(Some("Security Reader"), &[]).await;
    let admin = server.program(Some("Global Administrator"), &[]).await;
    let path = format!("/v1.0/devices/{}", device.id());
    for _ in 0..3 {
        assert_eq!(reader.ask(Method::DELETE, &path, None).await.status(), 403);
    }
    assert_eq!(reader.ask(Method::PATCH, &path, Some(json!({"accountEnabled": false}))).await.status(), 403);
    // What changes nothing, and what is wrong otherwise, is no such act.
    assert_eq!(reader.ask(Method::GET, "/v1.0/lapwing/channels", None).await.status(), 403);
    assert_eq!(server.http.delete(server.at(&path)).send().await.unwrap().status(), 401);
    let found = records(&admin, "Act without permission").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[1].0.as_str(), &found[1].1), ("failure: role_missing", &device.id()));
    assert_eq!(found[1].2["act"], "DELETE /v1.0/devices/{device}");
    assert_eq!(found[1].2["needs"], "microsoft.directory/devices/delete");

    // On pages too.
    let help = person(&server, "help", "Helpdesk Administrator", None).await;
    let help = Browser::sign_in_first(&server, &help).await;
    let token = help.get("/admin/devices").await.form_token();
    let off = [("form_token", token.as_str()), ("laps", "off")];
    assert_eq!(help.send("/admin/settings/switch", &off).await.status, 403);
    let refused = help.send(&format!("/admin/devices/{}/disable", device.id()), &off[..1]).await;
    assert_eq!(refused.code(), "role_missing");
    assert_eq!(records(&admin, "Act without permission").await.len(), 4);

    // A refused read has its own record, and only that.
    device.rotate(1, "a password").await;
    let read = help.send(&format!("/admin/devices/{}/password", device.id()), &off[..1]).await;
    assert_eq!(read.status, 403);
    assert_eq!(records(&admin, "Act without permission").await.len(), 4);

    let before = last(&admin).await;
    for number in 0..200 {
        let path = format!("/v1.0/lapwing/groups/g{number}");
        assert_eq!(reader.ask(Method::DELETE, &path, None).await.status(), 403);
    }
    let after = last(&admin).await;
    assert!(after - before <= 60, "{} records of 200 refusals", after - before);
    server.stop().await;
}

#[tokio::test]
async fn a_renamed_machine_is_recorded() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let admin = server.program(Some("Global Administrator"), &[]).await;
    let told = |name: &str| Evidence { new_name: Some(name.into()), ..Evidence::default() };
    report(&device, None, told("kiosk <b>7</b>")).await;
    for name in ["kiosk <b>7</b>", "", "a\nb", &"x".repeat(1_000)] {
        report(&device, None, told(name)).await;
    }
    let found: Vec<_> = records(&admin, "Update device").await.into_iter().filter(|one| one.1 == device.id()).collect();
    assert_eq!(found.len(), 1, "once, and nothing that is no name: {found:?}");
    assert_eq!((&found[0].2["displayName"], &found[0].2["formerName"]), (&json!("kiosk <b>7</b>"), &json!("pc-1")));
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get(&format!("/admin/devices/{}/events", device.id())).await;
    assert!(page.text.contains("<h1><bdi>kiosk &#60;b&#62;7&#60;/b&#62;</bdi></h1>"), "{}", page.text);
    assert!(page.text.contains(">Renamed</span>"), "{}", page.text);
    assert!(browser.get("/admin/devices?search=kiosk").await.text.contains(&device.id()));
    // One that cannot make up its mind is not followed for ever.
    for number in 0..40 {
        report(&device, None, told(&format!("pc-{number}"))).await;
    }
    assert!(records(&admin, "Update device").await.len() <= 24);
    server.stop().await;
}

#[tokio::test]
async fn a_log_that_does_not_hold_what_a_device_keeps_shows() {
    let data = tempfile::tempdir().unwrap();
    let key = data.path().join("keys").join("audit.key");
    let (config, made) = make(data.path()).await;
    let key = HeadKey::open(&std::fs::read_to_string(key).unwrap()).unwrap();
    let server = TestServer::over(data, config, made).await;
    let device = server.device("pc-1").await;
    let admin = server.program(Some("Global Administrator"), &[]).await;
    let events = async || {
        let found = admin.get_ok(&format!("/v1.0/lapwing/devices/{}/events", device.id())).await;
        let differs = found["value"].as_array().unwrap().iter().filter(|event| event["kind"] == "audit_log_differs");
        differs.map(|event| event["detail"]["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let quiet = Evidence::default;
    let head = report(&device, None, quiet()).await["audit_head"].as_str().unwrap().to_owned();
    let kept = Head::parse(&head).unwrap();
    let head_of = |sequence: u64, hash: [u8; 32]| {
        let head = AuditHead { chain: kept.chain, sequence, hash };
        exported(&key.sign_older(head, kept.signed_at).unwrap()).to_string()
    };
    // What the log holds, the end of it or an older place; what nobody signed; what is no head.
    let mut forged = Head::parse(&head_of(kept.sequence + 100, [7; 32])).unwrap();
    forged.signature[0] ^= 1;
    for fine in [head.clone(), head_of(kept.sequence, kept.hash), forged.to_string(), "1:2:3".into(), "x".repeat(300)] {
        report(&device, Some(fine), quiet()).await;
    }
    assert_eq!(events().await, Vec::<String>::new());

    report(&device, Some(head_of(kept.sequence + 1_000, [7; 32])), quiet()).await;
    assert_eq!(events().await, ["cut"]);
    report(&device, Some(head_of(kept.sequence, [7; 32])), quiet()).await;
    assert_eq!(events().await, ["rewritten", "cut"]);
    let noted = records(&admin, "Note irregularity of device").await;
    assert_eq!(noted.len(), 2);
    assert_eq!(
        (&noted[0].2["event"], &noted[0].2["detail"]["record"]),
        (&json!("audit_log_differs"), &json!(kept.sequence))
    );
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get(&format!("/admin/devices/{}/events", device.id())).await;
    assert!(page.text.contains(">Audit log differs</span>"), "{}", page.text);
    assert!(page.text.contains("The audit log is not the one that this device keeps a head of"), "{}", page.text);
    server.stop().await;
}

//! Reading under the rules of groups (docs/reading-rules.md), from outside.

use crate::harness::{Session, TestDevice, TestServer};
use proto::admin::{CreatedUser, NewUser};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use server::authz::{Caller, Job};

/// A device with a password, in a group of its own.
async fn ruled<'a>(server: &'a TestServer, admin: &Session<'_>, rule: Value) -> TestDevice<'a> {
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    let (status, made) = admin.post("/v1.0/lapwing/groups", json!({"name": "servers"})).await;
    assert_eq!(status, 201, "{made}");
    let member = format!("/v1.0/lapwing/groups/servers/members/{}", device.id());
    assert_eq!(admin.ask(Method::PUT, &member, None).await.status(), 204);
    set(admin, rule).await;
    device
}

async fn set(admin: &Session<'_>, rule: Value) {
    let answer = admin.ask(Method::PUT, "/v1.0/lapwing/groups/servers/readingRule", Some(rule)).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

/// A read with headers.
async fn read(by: &Session<'_>, device: &TestDevice<'_>, headers: &[(&str, &str)]) -> (StatusCode, Value) {
    let url = by.server.at(&format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.id()));
    let mut request = by.server.http.get(url).bearer_auth(&by.token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn code(answer: &(StatusCode, Value)) -> &str {
    answer.1["error"]["innerError"]["code"].as_str().unwrap_or_default()
}

/// A person with a role, signed in.
async fn person<'a>(server: &'a TestServer, name: &str, role: &str) -> Session<'a> {
    let new = NewUser { user_name: name.into(), display_name: None, role: Some(role.into()), group: None };
    let made: CreatedUser = server.app.create_user(&Caller::system(Job::Init), &new).await.unwrap();
    let token = server.first_sign_in(&made, "https://graph.microsoft.com/.default").await;
    Session { server, token: token.access_token.reveal().to_owned() }
}

/// The details of the newest record of an activity.
async fn newest(admin: &Session<'_>, activity: &str) -> Vec<(String, String)> {
    let filter = format!("startswith(activityDisplayName,'{activity}')").replace(' ', "%20").replace('\'', "%27");
    let found = admin.get_ok(&format!("/v1.0/auditLogs/directoryAudits?$top=1&$filter={filter}")).await;
    let details = found["value"][0]["additionalDetails"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut details: Vec<_> = details.iter().map(|one| (text(&one["key"]), text(&one["value"]))).collect();
    details.push(("result".into(), found["value"][0]["resultReason"].as_str().unwrap_or_default().to_owned()));
    details
}

fn detail<'a>(details: &'a [(String, String)], key: &str) -> Option<&'a str> {
    details.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn a_reason_and_a_ticket_are_asked_for_and_recorded() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled(&server, &admin, json!({"reasonRequired": true, "ticketPattern": "INC####"})).await;
    let refused = read(&admin, &device, &[]).await;
    assert_eq!((refused.0.as_u16(), code(&refused)), (403, "reason_required"));
    assert!(refused.1["error"]["message"].as_str().unwrap().contains("--reason"), "{}", refused.1);
    assert_eq!(detail(&newest(&admin, "Recover").await, "result"), Some("reason_required"));
    assert_eq!(code(&read(&admin, &device, &[("Lapwing-Reason", "disk%20full")]).await), "ticket_required");
    let with = |ticket| [("Lapwing-Reason", "disk%20full%3A%20%C3%BC"), ("Lapwing-Ticket", ticket)];
    assert_eq!(code(&read(&admin, &device, &with("INC12")).await), "ticket_malformed");
    let given = read(&admin, &device, &with("inc1234")).await;
    assert_eq!(given.0, 200, "{}", given.1);
    let details = newest(&admin, "Recover").await;
    assert_eq!((detail(&details, "reason"), detail(&details, "ticket")), (Some("disk full: \u{fc}"), Some("inc1234")));
    // What would break a line or turn text around is refused, markup stays text.
    for bad in ["a%0Ab", "a%E2%80%AEb", "%ff", "%4", &"x".repeat(4_000)] {
        let refused = read(&admin, &device, &[("Lapwing-Reason", bad), ("Lapwing-Ticket", "INC1234")]).await;
        assert_eq!(refused.0, 400, "{bad}: {}", refused.1);
    }
    let markup = "%3Cscript%3Ealert(1)%3C/script%3E%20%7C%20a%3Db";
    assert_eq!(read(&admin, &device, &[("Lapwing-Reason", markup), ("Lapwing-Ticket", "INC1234")]).await.0, 200);
    assert_eq!(detail(&newest(&admin, "Recover").await, "reason"), Some("<script>alert(1)</script> | a=b"));
    // Metadata needs none of it.
    admin.get_ok(&format!("/v1.0/directory/deviceLocalCredentials/{}", device.id())).await;
    server.stop().await;
}

#[tokio::test]
async fn who_reads_does_not_loosen_the_rule() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled(&server, &admin, json!({"reasonRequired": true})).await;
    let dana = person(&server, "dana", "Cloud Device Administrator").await;
    let rule = "/v1.0/lapwing/groups/servers/readingRule";
    assert_eq!(dana.ask(Method::DELETE, rule, None).await.status(), 403);
    assert_eq!(dana.ask(Method::PUT, rule, Some(json!({}))).await.status(), 403);
    let member = format!("/v1.0/lapwing/groups/servers/members/{}", device.id());
    assert_eq!(dana.ask(Method::DELETE, &member, None).await.status(), 403, "out of the group, out of the rule");
    assert_eq!(dana.ask(Method::DELETE, "/v1.0/lapwing/groups/servers", None).await.status(), 409);
    assert_eq!(dana.get_ok(rule).await["reasonRequired"], true, "everybody may see it");
    for bad in [
        json!({"approvals": 3}),
        json!({"approvalMinutes": 4}),
        json!({"approvalReads": 0}),
        json!({"rotateAfterMinutes": 10_081}),
        json!({"ticketPattern": "a\nb"}),
        json!({"unknown": 1}),
    ] {
        assert_eq!(admin.ask(Method::PUT, rule, Some(bad.clone())).await.status(), 400, "{bad}");
    }
    assert_eq!(admin.ask(Method::DELETE, rule, None).await.status(), 204);
    assert_eq!(read(&dana, &device, &[]).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn others_approve_and_never_oneself() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled(&server, &admin, json!({"approvals": 2, "approvalReads": 1, "approvalMinutes": 30})).await;
    let dana = person(&server, "dana", "Cloud Device Administrator").await;
    let iris = person(&server, "iris", "Intune Administrator").await;
    let hana = person(&server, "hana", "Helpdesk Administrator").await;
    let refused = read(&dana, &device, &[]).await;
    assert_eq!((refused.0.as_u16(), code(&refused)), (403, "approval_required"));
    assert!(refused.1["error"]["message"].as_str().unwrap().contains("lapwing access request"), "{}", refused.1);

    let new = json!({"device": device.id(), "reason": "disk full", "minutes": 20});
    let (status, asked) = dana.post("/v1.0/lapwing/accessRequests", new.clone()).await;
    assert_eq!((status.as_u16(), &asked["state"]), (201, &json!("open")), "{asked}");
    let id = asked["id"].as_str().unwrap();
    assert_eq!(dana.post("/v1.0/lapwing/accessRequests", new.clone()).await.1["id"], id, "the same again");
    for bad in [
        json!({"device": device.id(), "reason": " "}),
        json!({"device": device.id(), "reason": "x", "minutes": 31}),
        json!({"device": device.id(), "reason": "a\u{202e}b"}),
    ] {
        assert_eq!(dana.post("/v1.0/lapwing/accessRequests", bad).await.0, 400);
    }
    let answer = async |by: &Session<'_>, word: &str| {
        let (status, body) = by.post(&format!("/v1.0/lapwing/accessRequests/{id}/{word}"), json!(null)).await;
        (status, body)
    };
    // Not oneself, not help desk, not a program.
    assert_eq!(code(&answer(&dana, "approve").await), "own_request");
    assert_eq!(code(&answer(&hana, "approve").await), "role_missing");
    let program = server.program(Some("Global Administrator"), &[]).await;
    assert_eq!(code(&answer(&program, "approve").await), "people_only");
    assert_eq!(code(&program.post("/v1.0/lapwing/accessRequests", new).await), "people_only");
    assert_eq!(code(&read(&program, &device, &[]).await), "approval_required");

    assert_eq!(answer(&iris, "approve").await.1["state"], "open");
    let waits = read(&dana, &device, &[]).await;
    assert!(waits.1["error"]["message"].as_str().unwrap().contains(id), "{}", waits.1);
    assert_eq!(answer(&iris, "approve").await.0, 409, "each once");
    let listed = admin.get_ok("/v1.0/lapwing/accessRequests").await;
    assert_eq!((&listed["value"][0]["id"], &listed["value"][0]["answers"][0]["byName"]), (&json!(id), &json!("iris")));
    assert_eq!(hana.get("/v1.0/lapwing/accessRequests").await.0, 403);
    assert_eq!(answer(&admin, "approve").await.1["state"], "approved");
    // Bound to the one who asked.
    assert_eq!(code(&read(&iris, &device, &[]).await), "approval_required");
    assert_eq!(read(&dana, &device, &[]).await.0, 200);
    let details = newest(&admin, "Recover").await;
    assert_eq!((detail(&details, "request"), detail(&details, "reason")), (Some(id), Some("disk full")));
    assert!(detail(&details, "approvedBy").unwrap().contains("iris"), "{details:?}");
    assert_eq!(code(&read(&dana, &device, &[]).await), "approval_required", "one read");
    server.stop().await;
}

#[tokio::test]
async fn break_glass_is_loud_and_followed_by_a_rotation() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled(&server, &admin, json!({"approvals": 1, "ticketRequired": true})).await;
    let dana = person(&server, "dana", "Cloud Device Administrator").await;
    let iris = person(&server, "iris", "Intune Administrator").await;
    let glass = ("Lapwing-Break-Glass", "true");
    assert_eq!(code(&read(&iris, &device, &[glass, ("Lapwing-Reason", "outage")]).await), "role_missing");
    assert_eq!(code(&read(&dana, &device, &[glass]).await), "reason_required");
    let (status, given) = read(&dana, &device, &[glass, ("Lapwing-Reason", "outage")]).await;
    assert_eq!(status, 200, "{given}");
    assert!(given["rotationDueDateTime"].is_string(), "{given}");
    let details = newest(&admin, "Recover").await;
    assert_eq!((detail(&details, "breakGlass"), detail(&details, "reason")), (Some("true"), Some("outage")));
    let rule = dana.get_ok(&format!("/v1.0/lapwing/devices/{}/readingRule", device.id())).await;
    assert_eq!(rule["rotationDueDateTime"], given["rotationDueDateTime"]);
    // Done before the grace is over.
    let done = format!("/v1.0/lapwing/devices/{}/readingDone", device.id());
    assert_eq!(dana.ask(Method::POST, &done, None).await.status(), 204);
    assert_eq!(code(&dana.post(&done, json!(null)).await), "no_rotation_due");
    let managed = admin.get_ok(&format!("/beta/deviceManagement/managedDevices/{}", device.id())).await;
    assert_eq!(managed["deviceActionResults"][0]["actionState"], "pending", "{managed}");
    server.stop().await;
}

#[tokio::test]
async fn the_job_asks_for_the_rotation_after_a_read() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let device = ruled(&server, &admin, json!({"rotateAfterMinutes": 0})).await;
    let job = Caller::system(Job::AfterRead);
    assert_eq!(server.app.rotate_after_reads(&job).await.unwrap(), 0);
    assert!(server.app.rotate_after_reads(&Caller::system(Job::Retention)).await.is_err());
    assert_eq!(read(&admin, &device, &[]).await.0, 200);
    assert_eq!(server.app.rotate_after_reads(&job).await.unwrap(), 1);
    assert_eq!(server.app.rotate_after_reads(&job).await.unwrap(), 0);
    let report: Value = device.report(Some(1)).await.json().await.unwrap();
    assert!(report["rotate_requested"].is_number(), "the device is told: {report}");
    assert_eq!(detail(&newest(&admin, "Rotate").await, "after"), Some("read"));
    // Met by a later version: nothing is left to ask for.
    device.rotate(2, "second").await;
    set(&admin, json!({"rotateAfterMinutes": 60})).await;
    assert!(read(&admin, &device, &[]).await.1["rotationDueDateTime"].is_string());
    device.rotate(3, "third").await;
    let rule = admin.get_ok(&format!("/v1.0/lapwing/devices/{}/readingRule", device.id())).await;
    assert!(rule.get("rotationDueDateTime").is_none(), "{rule}");
    server.stop().await;
}

//! Too many requests: by address, by account, by device. Who asks too often is told when to come back, and nothing that
//! was asked is done; everybody else is answered.

use crate::admin::Browser;
use crate::harness::{Session, TestServer};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use server::instance::config::RequestsPerSecond;

/// Ten seconds of the bound at once, and what comes in while a slow machine asks.
const ATTEMPTS: usize = 500;

/// What a refusal says: status, seconds to wait, body.
async fn told(answer: Response) -> (u16, Option<u64>, Value) {
    let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (answer.status().as_u16(), wait, answer.json().await.unwrap_or_default())
}

/// Asks until the first refusal.
async fn until_refused(mut ask: impl AsyncFnMut(usize) -> Response) -> (usize, (u16, Option<u64>, Value)) {
    for number in 0..ATTEMPTS {
        let answer = ask(number).await;
        if answer.status() == 429 {
            return (number, told(answer).await);
        }
    }
    panic!("{ATTEMPTS} requests were not too many");
}

async fn records(by: &Session<'_>) -> u64 {
    by.get_ok("/v1.0/lapwing/audit/head").await["value"][0]["sequence"].as_u64().unwrap()
}

#[tokio::test]
async fn an_account_that_asks_too_often_waits_and_others_do_not() {
    let bounds = RequestsPerSecond { account: Some(1), ..RequestsPerSecond::default() };
    let server = TestServer::start_bounded(bounds).await;
    let busy = server.program(Some("Global Administrator"), &[]).await;
    let quiet = server.program(Some("Global Administrator"), &["Device.Read.All"]).await;
    let make = async |number: usize| {
        let body = json!({"name": format!("group {number}")});
        busy.ask(Method::POST, "/v1.0/lapwing/groups", Some(body)).await
    };
    let before = records(&quiet).await;
    let (made, (status, wait, body)) = until_refused(make).await;
    assert!(made >= 10, "a burst of ten seconds is taken: {made}");
    assert_eq!((status, wait), (429, Some(10)), "{body}");
    assert_eq!(body["error"]["innerError"]["code"], "too_many_requests", "{body}");
    assert!(body["error"]["message"].as_str().unwrap().contains("Retry-After"), "{body}");
    assert_eq!(
        records(&quiet).await,
        before + u64::try_from(made).unwrap(),
        "one record for each that was done, none for the refused"
    );
    let groups = quiet.get_ok("/v1.0/lapwing/groups").await.to_string();
    assert!(groups.contains(&format!("\"group {}\"", made - 1)) && !groups.contains(&format!("\"group {made}\"")));
    // The pages of the admin centre count for the same bound, each person for one.
    let admin = Browser::sign_in_first(&server, &server.administrator).await;
    let mut status = 200;
    for _ in 0..ATTEMPTS {
        status = admin.get("/admin/devices").await.status.as_u16();
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 429);
    assert_eq!(quiet.get("/v1.0/devices").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_nobody_is_known_at_waits_and_who_signed_in_there_does_not() {
    let bounds = RequestsPerSecond { address: Some(1), ..RequestsPerSecond::default() };
    let server = TestServer::start_bounded(bounds).await;
    server.switch_on().await;
    let known = server.program(Some("Global Administrator"), &[]).await;
    let device = server.device("pc-1").await;
    let token = server.join_token().await;
    // Not signed in counts for the address, too.
    let nobody = async |_| server.http.get(server.at("/v1.0/devices")).bearer_auth("x.y.z").send().await.unwrap();
    let (_, (_, wait, body)) = until_refused(nobody).await;
    assert_eq!((wait, &body["error"]["innerError"]["code"]), (Some(10), &json!("too_many_requests")), "{body}");
    let before = records(&known).await;
    let join = async |_| server.join(&token, &rcgen::KeyPair::generate().unwrap(), "pc-2").await;
    // What came in since the refusal may let one through: it is the only one, the token is good once.
    let (joined, (_, wait, body)) = until_refused(join).await;
    assert_eq!((wait, &body["error"]["code"]), (Some(10), &json!("too_many_requests")), "{body}");
    if joined == 0 {
        assert_eq!(records(&known).await, before, "nothing was written");
    }
    let form = [("client_id", "test-client"), ("scope", "Device.Read.All")];
    let code =
        async |_| server.http.post(server.at("/common/oauth2/v2.0/devicecode")).form(&form).send().await.unwrap();
    let (_, (_, wait, _)) = until_refused(code).await;
    assert_eq!(wait, Some(10));
    assert_eq!(known.get("/v1.0/devices").await.0, 200, "the same address, and somebody is known");
    device.rotate(1, "a password").await;
    server.stop().await;
}

#[tokio::test]
async fn a_device_that_asks_too_often_waits_and_others_do_not() {
    let bounds = RequestsPerSecond { device: Some(1), ..RequestsPerSecond::default() };
    let server = TestServer::start_bounded(bounds).await;
    server.switch_on().await;
    let (busy, quiet) = (server.device("pc-1").await, server.device("pc-2").await);
    let reader = server.program(Some("Global Administrator"), &[]).await;
    let (_, (_, wait, body)) = until_refused(async |_| busy.report(None).await).await;
    assert_eq!((wait, &body["error"]["code"]), (Some(10), &json!("too_many_requests")), "{body}");
    assert!(body["error"]["remedy"].as_str().unwrap().contains("Retry-After"), "{body}");
    let before = records(&reader).await;
    let (stored, _) = until_refused(async |_| busy.store(1, "a password").await).await;
    // The same again is one version and one record.
    assert_eq!(records(&reader).await, before + u64::from(stored > 0));
    quiet.rotate(2, "a password").await;
    server.stop().await;
}

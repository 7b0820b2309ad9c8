//! What comes back: refusals, waiting, limits, and a store whose password is on the wire once.

use crate::scripted::{Ca, Seen, answer, serve};
use client::{Client, Error, Settings, Trust};
use laps::{
    id::VersionId,
    password::Password,
    rotation::{AccountRef, Fingerprint},
    time::Timestamp,
};
use proto::{
    device::{Code, Store},
    oauth::{Secret, Verification, VerificationResult},
};
use std::{sync::Arc, time::Duration};

async fn client(answers: Vec<String>) -> (Client, Arc<Seen>) {
    let ca = Ca::new();
    let (address, seen) = serve(&ca, ca.issue(|_| {}), answers).await;
    (Client::new(&Settings::new(&address, Trust::Pinned(vec![ca.der]))).unwrap(), seen)
}

fn store() -> Store {
    Store {
        version: VersionId::from_random_bytes([1; 16]),
        account: AccountRef { id: 0, name: "root".into() },
        fingerprint: Fingerprint::from_bytes([2; 16]),
        expires_at: Timestamp::from_unix_ms(0),
        device_time: Timestamp::from_unix_ms(0),
        reasons: vec![],
    }
}

const ACKNOWLEDGED: &str =
    r#"{"sequence":7,"state":"pending","stored_at":"2026-11-21T10:00:00Z","server_time":"2026-11-21T10:00:00Z"}"#;

#[tokio::test]
async fn a_store_is_repeated_after_a_short_retry_after_with_the_same_body() {
    let busy = r#"{"error":{"code":"unavailable","message":"m","remedy":"r","request_id":"i"}}"#;
    let answers = vec![answer("503 Busy", "retry-after: 0\r\n", busy), answer("200 OK", "", ACKNOWLEDGED)];
    let (client, seen) = client(answers).await;
    let stored = client.store(&store(), &Password::new("pa$$w\u{f6}rd".into())).await.unwrap();
    assert_eq!(stored.sequence, 7);
    let requests = seen.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    assert!(requests[0].0.starts_with("POST /device/v1/store HTTP/1.1\r\n"));
    assert!(requests[0].0.contains("pa$$w\u{f6}rd"));
}

#[tokio::test]
async fn a_long_retry_after_is_handed_on() {
    let busy = r#"{"error":{"code":"too_many_versions","message":"m","remedy":"r","request_id":"i"}}"#;
    let (client, seen) = client(vec![answer("429 Slow", "retry-after: 3600\r\n", busy)]).await;
    let error = client.store(&store(), &Password::new("x".into())).await.unwrap_err();
    assert_eq!(error.device_code(), Some(Code::TooManyVersions));
    assert_eq!((error.retry_after(), error.is_final()), (Some(Duration::from_secs(3600)), true));
    assert_eq!((error.request_id(), error.remedy()), (Some("i"), "r"));
    assert_eq!(seen.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn answers_that_are_none_of_ours() {
    let (client, _) = client(vec![
        answer("200 OK", "", "<html>"),
        answer("404 Not Found", "", "<html>"),
        answer("502 Bad Gateway", "", "<html>"),
        answer("302 Found", "location: https://elsewhere.test/\r\n", ""),
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1_u64 << 40),
    ])
    .await;
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        outcomes.push(client.wait(Duration::from_secs(10)).await.unwrap_err());
    }
    let [html, unknown, gateway, moved, endless] = &outcomes[..] else { unreachable!() };
    assert!(matches!(html, Error::Malformed(_)), "{html}");
    assert!(matches!(unknown, Error::Malformed(_)), "{unknown}");
    assert_eq!(gateway.code(), "gateway_answered");
    assert!(matches!(moved, Error::Malformed(_)), "a redirect is not followed: {moved}");
    assert!(endless.to_string().contains("larger than"), "{endless}");
}

#[tokio::test]
async fn a_sign_in_that_fails_says_so_in_its_own_words() {
    let failed = r#"{"result":"sign_in_failed","message":"wrong name or password"}"#;
    let (client, seen) = client(vec![answer("401 Unauthorized", "", failed)]).await;
    let verification = Verification {
        user_code: "ABCD-EFGH".into(),
        user_name: "ada".into(),
        password: Secret::new("a&b".into()),
        ..Verification::default()
    };
    let answer = client.verify(&verification).await.unwrap();
    assert_eq!(answer.result, VerificationResult::SignInFailed);
    let request = &seen.requests.lock().unwrap()[0].0;
    assert!(request.ends_with("user_code=ABCD-EFGH&user_name=ada&password=a%26b"), "{request}");
    assert!(request.contains("accept: application/json"));
}

#[tokio::test]
async fn lists_follow_their_pages_but_not_to_another_server() {
    let (client, seen) = client(vec![
        answer("200 OK", "", r#"{"value":[],"@odata.nextLink":"https://elsewhere.test/v1.0/lapwing/groups"}"#),
        answer("401 Unauthorized", "", r#"{"error":{"code":"InvalidAuthenticationToken","message":"m"}}"#),
    ])
    .await;
    let signed_in = client.signed_in(&Secret::new("t0ken".into())).unwrap();
    assert!(matches!(signed_in.groups().await, Err(Error::Malformed(_))));
    assert_eq!(signed_in.groups().await.unwrap_err().code(), "InvalidAuthenticationToken");
    assert!(seen.requests.lock().unwrap()[0].0.contains("authorization: Bearer t0ken"));
    assert!(!format!("{signed_in:?}").contains("t0ken"));
}

//! The device API: join, renewal, the verbs, whose certificate is taken for what.

use crate::harness::{TestServer, csr, version};
use base64::{Engine, engine::general_purpose::STANDARD};
use laps::id::{DeviceId, TenantId};
use laps::time::Timestamp;
use proto::device::{JoinAnswer, RenewAnswer, ReportAnswer, StoreAnswer, VersionState, WaitAnswer};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use server::ca::Authority;

async fn refused(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    assert!(!body["error"]["remedy"].as_str().unwrap().is_empty(), "{body}");
    (status, body["error"]["code"].as_str().unwrap().to_owned())
}
fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[tokio::test]
async fn a_join_token_makes_one_device_and_a_lost_answer_is_given_again() {
    let server = TestServer::start().await;
    let token = server.join_token().await;
    let key = rcgen::KeyPair::generate().unwrap();
    let first: JoinAnswer = server.join(&token, &key, "pc-1").await.json().await.unwrap();
    let again: JoinAnswer = server.join(&token, &key, "pc-1").await.json().await.unwrap();
    assert_eq!(first.device, again.device);
    let other = rcgen::KeyPair::generate().unwrap();
    assert_eq!(refused(server.join(&token, &other, "pc-1").await).await, is(401, "join_token_used"));
    let cut = &token[..token.len() - 1];
    for (bad, code) in [("", "join_token_unknown"), (cut, "join_token_unknown"), ("x.y", "join_token_unknown")] {
        assert_eq!(refused(server.join(bad, &other, "pc-1").await).await, is(401, code), "{bad}");
    }
    let elsewhere = token.replacen("lapwing-join.", "lapwing-join.00", 1);
    let elsewhere = format!("{}{}", &elsewhere[..77], &elsewhere[79..]);
    assert_eq!(refused(server.join(&elsewhere, &other, "pc-1").await).await, is(401, "join_token_unknown"));
    let token = server.join_token().await;
    assert_eq!(refused(server.join(&token, &other, " ").await).await, is(400, "bad_request"));
    let body = json!({"token": token, "csr": "AAAA", "name": "pc-2"});
    let answer = server.http.post(server.at("/device/v1/join")).json(&body).send().await.unwrap();
    assert_eq!(refused(answer).await, is(400, "csr_refused"));
    server.stop().await;
}

#[tokio::test]
async fn store_prove_and_report_to_the_letter() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    assert_eq!(refused(device.store(1, "one").await).await, is(403, "laps_disabled"));
    server.switch_on().await;
    let stored: StoreAnswer = device.store(1, "one").await.json().await.unwrap();
    assert_eq!(stored.state, VersionState::Pending);
    let again: StoreAnswer = device.store(1, "one").await.json().await.unwrap();
    assert_eq!((again.sequence, again.stored_at), (stored.sequence, stored.stored_at));
    let mut changed = version(1);
    changed.account.id = 7;
    let body = changed.encode(&laps::password::Password::new("one".into())).to_vec();
    assert_eq!(refused(device.post("/device/v1/store", body).await).await, is(409, "version_conflict"));
    assert_eq!(refused(device.prove(9).await).await, is(404, "version_unknown"));
    assert_eq!(device.prove(1).await.status(), 200);
    assert_eq!(device.prove(1).await.status(), 200, "again is success");

    device.store(2, "two").await;
    let abandon = json!({"version": version(2).version.to_string(), "reason": "quality"}).to_string();
    assert_eq!(device.post("/device/v1/abandon", abandon).await.status(), 200);
    assert_eq!(refused(device.prove(2).await).await, is(409, "version_abandoned"));

    let report: ReportAnswer = device.report(Some(1)).await.json().await.unwrap();
    let current = report.current.unwrap();
    assert_eq!((current.version, current.account_name.as_str()), (version(1).version, "root"));
    assert!(report.unresolved.is_empty() && report.store_refused.is_none() && report.next.wait);
    assert!(report.audit_head.unwrap().starts_with("1:"));
    server.stop().await;
}

/// rotation.md 3, "released": policy has left the account, or the password is in Active Directory now (9). A policy
/// that cannot be carried out has not left it.
#[tokio::test]
async fn a_report_that_policy_has_left_releases_the_live_set() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    server.switch_on().await;
    device.rotate(1, "one").await;
    let reader = server.admin().await;
    let path = format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.id());
    let released = async || {
        let answer = reader.get_ok(&path).await;
        let credentials = answer["credentials"].as_array().unwrap();
        credentials.iter().filter(|version| version["released"] == true).count()
    };
    assert_eq!(device.report_unmanaged(Some(1), "join_state_mismatch").await.status(), 200);
    assert_eq!(released().await, 0);
    for _ in 0..2 {
        assert_eq!(device.report_unmanaged(Some(1), "no_policy").await.status(), 200);
        assert_eq!(released().await, 1);
    }
    // A later proof of the account ends it.
    device.rotate(2, "two").await;
    assert_eq!(released().await, 0);
    // What was stored stays readable, and `explain` says where the password is now.
    assert_eq!(device.report_unmanaged(Some(2), "active_directory").await.status(), 200);
    assert_eq!(released().await, 1);
    let explained = reader.get_ok(&format!("/v1.0/lapwing/devices/{}/explain", device.id())).await;
    assert_eq!(explained["code"], "in_active_directory", "{explained}");
    let links = explained["links"].as_array().unwrap();
    let broken = links.iter().find(|link| link["state"] == "broken").unwrap();
    assert_eq!(
        (&broken["name"], &broken["remedy"]),
        (&"backup_directory".into(), &"Read it there: lapwing ad get pc-1".into())
    );
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_and_errors_show_nothing_of_them() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    assert_eq!(refused(device.post("/device/v1/store", vec![b' '; 5000]).await).await, is(413, "body_too_large"));
    let answer = device.post("/device/v1/store", "{\"secret\":{\"kind\":\"plain\",\"password\":\"hunter2\"}").await;
    assert_eq!(answer.status(), 400);
    assert!(!answer.text().await.unwrap().contains("hunter2"));
    let answer = device.post("/device/v1/prove", "{\"version\":\"hunter2\"}").await;
    assert!(!answer.text().await.unwrap().contains("hunter2"));
    server.stop().await;
}

#[tokio::test]
async fn disabled_and_deleted_devices_may_tell_the_truth_and_no_more() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "one").await;
    device.store(2, "two").await;
    let admin = server.admin().await;
    let path = format!("/v1.0/devices/{}", device.id());
    let off = admin.ask(Method::PATCH, &path, Some(json!({"accountEnabled": false}))).await;
    assert_eq!(off.status(), 204);
    assert_eq!(refused(device.store(3, "three").await).await, is(403, "device_disabled"));
    let renew = json!({"csr": csr(&device.key)}).to_string();
    assert_eq!(refused(device.post("/device/v1/renew", renew.clone()).await).await, is(403, "device_disabled"));
    assert_eq!(device.prove(2).await.status(), 200);
    let report: ReportAnswer = device.report(Some(2)).await.json().await.unwrap();
    assert_eq!(report.store_refused.as_deref(), Some("device_disabled"));
    assert_eq!(admin.ask(Method::DELETE, &path, None).await.status(), 204);
    assert_eq!(refused(device.store(3, "three").await).await, is(403, "device_deleted"));
    assert_eq!(device.report(Some(2)).await.status(), 200);
    let restore = format!("/v1.0/lapwing/devices/{}/restore", device.id());
    assert_eq!(admin.post(&restore, json!({})).await.1["state"], "enabled");
    device.rotate(3, "three").await;
    server.stop().await;
}

#[tokio::test]
async fn without_a_certificate_of_this_server_nothing_is_taken() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let answer = server.http.post(server.at("/device/v1/report")).body("{}").send().await.unwrap();
    assert_eq!(refused(answer).await, is(401, "certificate_required"));

    // Of another authority: TLS itself refuses it.
    let tenant = TenantId::from_random_bytes([9; 16]);
    let now = Timestamp::from_unix_ms(1_790_000_000_000);
    let foreign = Authority::create(tenant, now).unwrap();
    let foreign = Authority::open(&foreign.certificate_pem, &foreign.key_pem).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let csr_der = STANDARD.decode(csr(&key)).unwrap();
    let device = DeviceId::from_random_bytes([8; 16]);
    let issued = foreign.issue_device(&csr_der, server.app.tenant(), device, [1; 16], now).unwrap();
    let http = server.with_identity(&issued.der, &key);
    assert!(http.post(server.at("/device/v1/report")).body("{}").send().await.is_err());

    // Of this authority, but for nobody that the server knows.
    let issued = server.app.authority().issue_device(&csr_der, server.app.tenant(), device, [1; 16], now).unwrap();
    let http = server.with_identity(&issued.der, &key);
    let answer = http.get(server.at("/device/v1/wait")).send().await.unwrap();
    assert_eq!(refused(answer).await, is(403, "device_unknown"));

    // Of this authority, for another tenant.
    let issued = server.app.authority().issue_device(&csr_der, tenant, device, [1; 16], now).unwrap();
    let http = server.with_identity(&issued.der, &key);
    let answer = http.get(server.at("/device/v1/wait")).send().await.unwrap();
    assert_eq!(refused(answer).await, is(401, "certificate_required"));
    server.stop().await;
}

#[tokio::test]
async fn an_expired_certificate_may_only_renew_and_report() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let mut device = server.device("pc-1").await;
    let csr_der = STANDARD.decode(csr(&device.key)).unwrap();
    let long_ago = Timestamp::parse_rfc3339("2020-01-01T00:00:00Z").unwrap();
    let expired = server
        .app
        .authority()
        .issue_device(&csr_der, server.app.tenant(), device.joined.device, [5; 16], long_ago)
        .unwrap();
    device.http = server.with_identity(&expired.der, &device.key);
    assert_eq!(refused(device.store(1, "one").await).await, is(403, "certificate_expired"));
    assert_eq!(refused(device.prove(1).await).await, is(403, "certificate_expired"));
    let wait = device.http.get(server.at("/device/v1/wait")).send().await.unwrap();
    assert_eq!(refused(wait).await, is(403, "certificate_expired"));
    let report: ReportAnswer = device.report(None).await.json().await.unwrap();
    assert_eq!(report.store_refused.as_deref(), Some("certificate_expired"));

    let new_key = rcgen::KeyPair::generate().unwrap();
    let answer = device.post("/device/v1/renew", json!({"csr": csr(&new_key)}).to_string()).await;
    let renewed: RenewAnswer = answer.json().await.unwrap();
    device.http = server.with_identity(&STANDARD.decode(&renewed.certificate).unwrap(), &new_key);
    device.rotate(1, "one").await;
    server.stop().await;
}

#[tokio::test]
async fn a_request_to_rotate_wakes_the_waiting_device() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "one").await;
    let admin = server.admin().await;
    assert_eq!(device.report(Some(1)).await.status(), 200);
    let wait = tokio::spawn(device.http.get(server.at("/device/v1/wait")).send());
    while server.app.waiting_devices() == 0 {
        tokio::task::yield_now().await;
    }
    let rotate = format!("/beta/deviceManagement/managedDevices/{}/rotateLocalAdminPassword", device.id());
    assert_eq!(admin.ask(Method::POST, &rotate, None).await.status(), 204);
    let woken: WaitAnswer = wait.await.unwrap().unwrap().json().await.unwrap();
    assert!(woken.wake);
    let report: ReportAnswer = device.report(Some(1)).await.json().await.unwrap();
    assert!(report.rotate_requested.is_some());
    let managed = format!("/v1.0/deviceManagement/managedDevices/{}", device.id());
    assert_eq!(admin.get_ok(&managed).await["deviceActionResults"][0]["actionState"], "pending");
    device.rotate(2, "two").await;
    assert_eq!(admin.get_ok(&managed).await["deviceActionResults"][0]["actionState"], "done");
    let report: ReportAnswer = device.report(Some(2)).await.json().await.unwrap();
    assert_eq!(report.rotate_requested, None);
    server.stop().await;
}

#[tokio::test]
async fn stopping_lets_waiting_devices_go() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    assert_eq!(device.report(None).await.status(), 200);
    let wait = tokio::spawn(device.http.get(server.at("/device/v1/wait")).send());
    while server.app.waiting_devices() == 0 {
        tokio::task::yield_now().await;
    }
    drop(device);
    server.stop().await;
    assert_eq!(wait.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_re_join_proves_its_predecessor_with_the_old_key() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "the old one").await;
    let new_key = rcgen::KeyPair::generate().unwrap();
    let csr_text = csr(&new_key);
    let statement = proto::device::rejoin_statement(&STANDARD.decode(&csr_text).unwrap());
    let old = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, device.key.serialized_der()).unwrap();
    let signature = old.sign(&aws_lc_rs::rand::SystemRandom::new(), &statement).unwrap();
    let join = async |signature: &[u8]| -> JoinAnswer {
        let body = json!({
            "token": server.join_token().await, "csr": csr_text, "name": "pc-1",
            "predecessor": {"device": device.id(), "signature": STANDARD.encode(signature)},
        });
        server.http.post(server.at("/device/v1/join")).json(&body).send().await.unwrap().json().await.unwrap()
    };
    let joined = join(signature.as_ref()).await;
    assert_ne!(joined.device, device.joined.device);
    let reader = server.program(Some("Cloud Device Administrator"), &[]).await;
    let select = |id: DeviceId| format!("/v1.0/directory/deviceLocalCredentials/{id}?$select=credentials");
    let read = reader.get_ok(&select(joined.device)).await;
    assert_eq!(read["credentials"][0]["ofPredecessor"], true, "{read}");
    assert_eq!(read["credentials"][0]["passwordBase64"], STANDARD.encode("the old one"));

    let mut forged = signature.as_ref().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let stranger = join(&forged).await;
    assert_eq!(reader.get(&select(stranger.device)).await.0, 404, "no proof, no predecessor");
    server.stop().await;
}

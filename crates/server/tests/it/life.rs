//! Why a password is missing, coverage, the life of a device and escrow, over TLS.

use crate::harness::{TestServer, version};
use age::{Decryptor, x25519};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use laps::time::Timestamp;
use proto::device::{Evidence, LastError, Report};
use proto::escrow::{Entry, Head, Opening, read_line};
use proto::hex::encode as hex;
use reqwest::Method;
use serde_json::{Value, json};
use server::authz::{Caller, Job};
use std::io::{BufRead as _, BufReader, Read as _};

const LAPWING: &str = "/v1.0/lapwing";

fn code(answer: &(reqwest::StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["error"]["innerError"]["code"].as_str().unwrap_or_default())
}

fn report(evidence: Evidence, last_error: Option<LastError>, installed: Option<u8>) -> Vec<u8> {
    let body = Report {
        account: None,
        installed_fingerprint: installed.map(|n| version(n).fingerprint),
        last_acknowledged: installed.map(|n| version(n).version),
        intent: None,
        incarnation: None,
        evidence,
        last_error,
        sign_ins: Vec::new(),
        audit_head: None,
        device_time: Timestamp::from_unix_ms(1_790_000_000_000),
    };
    serde_json::to_vec(&body).unwrap()
}

/// Row 2: by name several objects are listed with their ids; by id the former one points to the one of now.
#[tokio::test]
async fn row_02_one_name_of_two_objects() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (old, new) = (server.device("PC-1").await, server.device("pc-1").await);
    let admin = server.admin().await;
    let named = admin.get_ok(&format!("{LAPWING}/explain?device=pc-1")).await;
    assert_eq!(named["code"], "name_ambiguous");
    assert!(named["links"][0]["text"].as_str().unwrap().contains(&old.id()), "{named}");
    assert!(named["links"][0]["text"].as_str().unwrap().contains(&new.id()), "{named}");
    assert_eq!(new.report(None).await.status(), 200);
    let by_id = admin.get_ok(&format!("{LAPWING}/devices/{}/explain", old.id())).await;
    assert_eq!(by_id["code"], "stale_object", "{by_id}");
    assert_eq!(admin.get(&format!("{LAPWING}/explain")).await.0, 400);
    server.stop().await;
}

/// Row 6: a read without `$select=credentials` gives no password, by design.
#[tokio::test]
async fn row_06_no_select_no_password() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("m1").await;
    device.rotate(1, "first-password").await;
    let admin = server.admin().await;
    let path = format!("/v1.0/directory/deviceLocalCredentials/{}", device.id());
    assert!(admin.get_ok(&path).await.get("credentials").is_none());
    assert!(admin.get_ok(&format!("{path}?$select=credentials")).await["credentials"].is_array());
    server.stop().await;
}

/// "You may not see it" and "it is not there" differ for those who may know, and for nobody else.
#[tokio::test]
async fn out_of_scope_is_as_if_it_were_not_there() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (mine, other) = (server.device("mine").await, server.device("other").await);
    other.rotate(1, "first-password").await;
    let admin = server.admin().await;
    assert_eq!(admin.post(&format!("{LAPWING}/groups"), json!({"name": "kiosks"})).await.0, 201);
    let member = format!("{LAPWING}/groups/kiosks/members/{}", mine.id());
    assert_eq!(admin.ask(Method::PUT, &member, None).await.status(), 204);
    let (_, made) = admin
        .post(
            &format!("{LAPWING}/servicePrincipals"),
            json!({"displayName": "tool", "role": "Helpdesk Administrator", "group": "kiosks"}),
        )
        .await;
    let scoped = server.client_token(&serde_json::from_value(made).unwrap()).await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    let answers = [
        scoped.get_ok(&format!("{LAPWING}/devices/{}/explain", other.id())).await,
        scoped.get_ok(&format!("{LAPWING}/devices/{unknown}/explain")).await,
    ];
    // When it was asked is all that differs.
    let untimed = |mut links: Value| {
        for link in links.as_array_mut().unwrap() {
            link.as_object_mut().unwrap().remove("atDateTime");
        }
        links
    };
    let same = |answer: &Value| (answer["code"].clone(), answer["summary"].clone(), untimed(answer["links"].clone()));
    assert_eq!(same(&answers[0]), same(&answers[1]));
    assert_eq!(answers[0]["code"], "device_unknown");
    assert!(answers[0]["summary"].as_str().unwrap().contains("out of your groups"));
    for name in ["other", "nobody"] {
        assert_eq!(scoped.get_ok(&format!("{LAPWING}/explain?device={name}")).await["code"], "device_unknown");
    }
    // Who sees the whole tenant is told apart: it is there and not for you, it is not there.
    let helpdesk = server.program(Some("Helpdesk Administrator"), &[]).await;
    let explained = async |id: &str| helpdesk.get_ok(&format!("{LAPWING}/devices/{id}/explain")).await["code"].clone();
    assert_eq!(explained(unknown).await, "device_unknown");
    assert_ne!(explained(&other.id()).await, "device_unknown");
    // Coverage counts what the caller reaches, and nothing else.
    let coverage = async |who: &crate::harness::Session<'_>| {
        let coverage = who.get_ok(&format!("{LAPWING}/reports/coverage")).await;
        (coverage["devices"].clone(), coverage["proven"].clone(), coverage["lacking"].clone())
    };
    assert_eq!(coverage(&scoped).await, (json!(1), json!(0), json!(1)));
    assert_eq!(coverage(&admin).await, (json!(2), json!(1), json!(1)));
    let listed = scoped.get_ok(&format!("{LAPWING}/reports/coverage/any")).await;
    assert_eq!(listed["value"].as_array().unwrap().len(), 1, "{listed}");
    server.stop().await;
}

/// The device's last error comes with its check-in, and explains what is missing.
#[tokio::test]
async fn the_last_error_of_a_check_in_is_the_cause() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("m1").await;
    let admin = server.admin().await;
    let evidence =
        Evidence { policy_source: Some("local".into()), backup_directory: 1, unmanaged: None, ..Evidence::default() };
    let error = |event: u32, code: &str| LastError {
        event,
        code: code.into(),
        text: "pwquality refuses it".into(),
        at: Timestamp::from_unix_ms(1_790_000_000_000),
    };
    let explained = async || admin.get_ok(&format!("{LAPWING}/devices/{}/explain", device.id())).await;
    for (event, said, wanted) in
        [(20001, "account_db_generated", "machine_unsupported"), (20001, "account_db_locked", "device_error")]
    {
        let body = report(evidence.clone(), Some(error(event, said)), None);
        assert_eq!(device.post("/device/v1/report", body).await.status(), 200);
        let told = explained().await;
        assert_eq!(told["code"], wanted, "{told}");
        assert!(told["summary"].as_str().unwrap().contains("pwquality refuses it"));
        assert_eq!(told["page"], format!("docs/explain.md#{wanted}"));
    }
    let lacking = admin.get_ok(&format!("{LAPWING}/reports/coverage/lacking")).await;
    assert_eq!(lacking["value"][0]["code"], "device_error", "{lacking}");
    // A cycle that went well takes it back.
    assert_eq!(device.post("/device/v1/report", report(evidence, None, None)).await.status(), 200);
    assert_ne!(explained().await["code"], "device_error");
    server.stop().await;
}

/// Row 31, and what is kept in the other directory: refused when asked for, closed with a reason when it came to be so.
#[tokio::test]
async fn rotate_now_of_a_device_in_active_directory() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("m1").await;
    device.rotate(1, "first-password").await;
    let admin = server.admin().await;
    let rotate = format!("/beta/deviceManagement/managedDevices/{}/rotateLocalAdminPassword", device.id());
    let actions = async || {
        let path = format!("/beta/deviceManagement/managedDevices/{}", device.id());
        admin.get_ok(&path).await["deviceActionResults"].clone()
    };
    assert_eq!(admin.ask(Method::POST, &rotate, None).await.status(), 204);
    let waiting = actions().await;
    assert_eq!(waiting[0]["actionState"], "pending");
    // The device manages nothing yet, and the list says so.
    assert!(waiting[0]["reasonCode"].is_string() && waiting[0]["reason"].is_string(), "{waiting}");
    let moved = Evidence { unmanaged: Some("active_directory".into()), backup_directory: 2, ..Evidence::default() };
    let answer = device.post("/device/v1/report", report(moved, None, Some(1))).await;
    let answer: proto::device::ReportAnswer = answer.json().await.unwrap();
    assert_eq!(answer.rotate_requested, None);
    let closed = actions().await;
    assert_eq!(
        (&closed[0]["actionState"], &closed[0]["reasonCode"]),
        (&json!("canceled"), &json!("in_active_directory")),
        "{closed}"
    );
    let refused = admin.post(&rotate, json!({})).await;
    assert_eq!(code(&refused), (409, "in_active_directory"), "{refused:?}");
    assert_eq!(
        admin.get_ok(&format!("{LAPWING}/devices/{}/explain", device.id())).await["code"],
        "in_active_directory"
    );
    server.stop().await;
}

/// Retention 0 behaves as Entra does: the password goes with the device object, at once and for good.
#[tokio::test]
async fn retention_0_loses_the_password_with_the_object() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (gone, kept) = (server.device("gone").await, server.device("kept").await);
    gone.rotate(1, "first-password").await;
    kept.rotate(1, "other-password").await;
    let admin = server.admin().await;
    let read = |id: String| format!("/v1.0/directory/deviceLocalCredentials/{id}?$select=credentials");
    // With the usual retention it stays readable, to the stricter role only, and comes back.
    assert_eq!(admin.ask(Method::DELETE, &format!("/v1.0/devices/{}", kept.id()), None).await.status(), 204);
    let reader = server.program(Some("Cloud Device Administrator"), &[]).await;
    assert_eq!(reader.get(&read(kept.id())).await.0, 403);
    assert_eq!(admin.get(&read(kept.id())).await.0, 200);
    let restored = admin.post(&format!("{LAPWING}/devices/{}/restore", kept.id()), json!({})).await;
    assert_eq!(restored.0, 200);
    assert_eq!(reader.get(&read(kept.id())).await.0, 200);
    let settings = admin.ask(Method::PUT, &format!("{LAPWING}/settings"), Some(json!({"tombstoneDays": 0}))).await;
    assert_eq!(settings.status(), 200);
    assert_eq!(admin.ask(Method::DELETE, &format!("/v1.0/devices/{}", gone.id()), None).await.status(), 204);
    assert_eq!(code(&admin.get(&read(gone.id())).await), (404, "device_purged"));
    let back = admin.post(&format!("{LAPWING}/devices/{}/restore", gone.id()), json!({})).await;
    assert_eq!(back.0, 404, "{back:?}");
    let explained = admin.get_ok(&format!("{LAPWING}/devices/{}/explain", gone.id())).await;
    assert_eq!(explained["code"], "device_purged");
    assert_eq!(gone.store(2, "second-password").await.status(), 403, "a new object is needed");
    server.stop().await;
}

/// A machine that lost its old key: the server offers its former object, a person links the two, and it is audited.
#[tokio::test]
async fn a_former_object_is_offered_and_linked_by_a_person() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let former = server.device("pc-1").await;
    former.rotate(1, "former-password").await;
    let stranger = server.device("pc-2").await;
    stranger.rotate(1, "x-password-x").await;
    let new = server.device("PC-1").await;
    let admin = server.admin().await;
    let candidates = format!("{LAPWING}/devices/{}/candidates", new.id());
    let offered = admin.get_ok(&candidates).await;
    let ids: Vec<_> = offered["value"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, [json!(former.id())], "the same name only: {offered}");
    assert_eq!(offered["value"][0]["hasPassword"], true);
    // The machine itself is known by its number, whatever it is called now, and comes first.
    let machine = "0a".repeat(32);
    let renamed_from = server.device_on(&machine, "old-name").await;
    let same_name = server.device("new-name").await;
    let renamed = server.device_on(&machine, "new-name").await;
    server.device_on(&"0b".repeat(32), "new-name").await;
    let offered = admin.get_ok(&format!("{LAPWING}/devices/{}/candidates", renamed.id())).await;
    let alike: Vec<_> = offered["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["id"].clone(), one["sameHardware"].clone()))
        .collect();
    assert_eq!(alike, [(json!(renamed_from.id()), json!(true)), (json!(same_name.id()), json!(false))], "{offered}");
    let key = rcgen::KeyPair::generate().unwrap();
    let refused = server.join_on("0a0a", &server.join_token().await, &key, "pc-9").await;
    assert_eq!(refused.status(), 400, "a number that is none");
    // Nobody may link by reading only.
    let helpdesk = server.program(Some("Helpdesk Administrator"), &[]).await;
    // Before anybody has linked them, what explains the missing password names the former object as a way.
    let explained = async || admin.get_ok(&format!("{LAPWING}/devices/{}/explain", new.id())).await;
    let way = |told: &Value, situation: &str| {
        let ways = told["ways"].as_array().cloned().unwrap_or_default();
        ways.iter().find(|way| way["situation"] == situation).map(|way| way["text"].as_str().unwrap().to_owned())
    };
    let told = explained().await;
    assert!(way(&told, "former_object").unwrap().contains(&former.id()), "{told}");
    assert!(!told.to_string().contains(&stranger.id()), "of another name: {told}");
    assert_eq!(way(&told, "former_password"), None);
    let covered = async || {
        let found = admin.get_ok(&format!("{LAPWING}/reports/coverage")).await;
        (found["ofPredecessor"].as_u64().unwrap_or_default(), found["lacking"].as_u64().unwrap())
    };
    let (stands_in, lacking) = covered().await;
    let link = format!("{LAPWING}/devices/{}/predecessor/{}", new.id(), former.id());
    assert_eq!(helpdesk.ask(Method::PUT, &link, None).await.status(), 403);
    assert_eq!(admin.ask(Method::PUT, &link, None).await.status(), 200);
    let read = format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", new.id());
    let shown = admin.get_ok(&read).await;
    assert_eq!(shown["credentials"][0]["ofPredecessor"], true, "{shown}");
    assert_eq!(shown["credentials"][0]["passwordBase64"], STANDARD.encode("former-password"));
    // What explains it says what is given out, and coverage counts the same.
    let told = explained().await;
    let summary = told["summary"].as_str().unwrap();
    assert!(summary.contains(&former.id()) && summary.contains("can be read by those who may, labelled so"), "{told}");
    assert_ne!(told["code"], "ok", "its own is missing all the same");
    assert!(way(&told, "former_password").unwrap().contains("try it first"), "{told}");
    assert_eq!(way(&told, "former_object"), None);
    assert_eq!(covered().await, (stands_in + 1, lacking - 1));
    let listed = admin.get_ok(&format!("{LAPWING}/reports/coverage/lacking")).await;
    assert!(!listed.to_string().contains(&new.id()), "{listed}");
    assert_eq!(admin.get_ok(&candidates).await["value"], json!([]), "it has one now");
    let audits = admin.get_ok("/v1.0/auditLogs/directoryAudits?$top=20").await;
    assert!(audits.to_string().contains(&former.id()), "the link is audited");
    // A circle is refused; the former one in need is never purged.
    let circle = format!("{LAPWING}/devices/{}/predecessor/{}", former.id(), new.id());
    assert_eq!(admin.ask(Method::PUT, &circle, None).await.status(), 409);
    assert_eq!(admin.ask(Method::DELETE, &format!("/v1.0/devices/{}", former.id()), None).await.status(), 204);
    let purge = admin.post(&format!("{LAPWING}/devices/{}/purge", former.id()), json!({})).await;
    assert_eq!(purge.0, 409, "{purge:?}");
    assert_eq!(admin.get(&read).await.0, 200);
    assert!(explained().await["summary"].as_str().unwrap().contains(&former.id()), "as long as it is given out");
    server.stop().await;
}

/// A device that is disabled says since when; every link that was looked at says when that was so.
#[tokio::test]
async fn a_disabled_device_says_since_when() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first-password").await;
    let admin = server.admin().await;
    let patch = async |enabled: bool| {
        let body = json!({"accountEnabled": enabled});
        admin.ask(Method::PATCH, &format!("/v1.0/devices/{}", device.id()), Some(body)).await.status()
    };
    let explained = async || admin.get_ok(&format!("{LAPWING}/devices/{}/explain", device.id())).await;
    let state = |told: &Value| {
        told["links"].as_array().unwrap().iter().find(|link| link["name"] == "device_state").cloned().unwrap()
    };
    assert_eq!(patch(false).await, 204);
    let told = explained().await;
    assert_eq!(told["code"], "device_disabled");
    let since = state(&told)["atDateTime"].clone();
    assert!(since.is_string(), "{told}");
    assert_eq!(patch(false).await, 204);
    assert_eq!(state(&explained().await)["atDateTime"], since, "the time of the act, not of the question");
    assert_eq!(patch(true).await, 204);
    let told = explained().await;
    for link in told["links"].as_array().unwrap() {
        let is_looked_at = matches!(link["state"].as_str().unwrap(), "holds" | "broken");
        assert_eq!(link["atDateTime"].is_string(), is_looked_at, "{link}");
    }
    server.stop().await;
}

/// A request to rotate says what keeps the device from it only as far as who asks may see.
#[tokio::test]
async fn what_a_request_waits_for_names_no_device_out_of_reach() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (old, new) = (server.device("pc-1").await, server.device("PC-1").await);
    assert_eq!(new.report(None).await.status(), 200);
    let admin = server.admin().await;
    assert_eq!(admin.post(&format!("{LAPWING}/groups"), json!({"name": "mine"})).await.0, 201);
    let member = format!("{LAPWING}/groups/mine/members/{}", old.id());
    assert_eq!(admin.ask(Method::PUT, &member, None).await.status(), 204);
    let rotate = format!("/beta/deviceManagement/managedDevices/{}/rotateLocalAdminPassword", old.id());
    assert_eq!(admin.ask(Method::POST, &rotate, None).await.status(), 204);
    let managed = format!("/beta/deviceManagement/managedDevices/{}", old.id());
    assert!(admin.get_ok(&managed).await["deviceActionResults"].to_string().contains(&new.id()));
    let new_program = json!({"displayName": "scoped", "role": "Intune Administrator", "group": "mine"});
    let (status, made) = admin.post(&format!("{LAPWING}/servicePrincipals"), new_program).await;
    assert_eq!(status, 201, "{made}");
    let scoped = server.client_token(&serde_json::from_value(made).unwrap()).await;
    let seen = scoped.get_ok(&managed).await["deviceActionResults"].clone();
    assert!(seen[0]["reasonCode"].is_string() && !seen.to_string().contains(&new.id()), "{seen}");
    server.stop().await;
}

/// What an archive holds, by one of its identities.
fn opened(archive: &[u8], identity: &x25519::Identity) -> Option<(Opening, Vec<Entry>)> {
    let head = Head::read(archive).unwrap();
    let decryptor = Decryptor::new_buffered(BufReader::new(&archive[head.bytes..])).unwrap();
    let mut lines =
        BufReader::new(decryptor.decrypt(std::iter::once(identity as &dyn age::Identity)).ok()?).split(b'\n');
    let opening = read_line(&lines.next().unwrap().unwrap(), 0).unwrap();
    let entries = lines.enumerate().map(|(n, line)| read_line(&line.unwrap(), n as u64 + 1).unwrap()).collect();
    Some((opening, entries))
}

#[tokio::test]
async fn an_export_is_sealed_signed_recorded_and_drilled() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (one, two) = (server.device("m1").await, server.device("m2").await);
    one.rotate(1, "first-password").await;
    one.rotate(2, "second-password").await;
    two.rotate(1, "other-password").await;
    let admin = server.admin().await;
    let (ada, ben, eve) = (x25519::Identity::generate(), x25519::Identity::generate(), x25519::Identity::generate());
    let to = json!([ada.to_public().to_string(), ben.to_public().to_string()]);
    let export = format!("{LAPWING}/escrow/export");
    let state = async || admin.get_ok(&format!("{LAPWING}/escrow")).await;
    assert_eq!(state().await["warning"]["code"], "escrow_none");

    // Nobody but a Global Administrator; the refusal is recorded.
    for role in ["Cloud Device Administrator", "Intune Administrator", "Helpdesk Administrator", "Security Reader"] {
        let program = server.program(Some(role), &[]).await;
        assert_eq!(program.post(&export, json!({"recipients": to, "all": true})).await.0, 403, "{role}");
        assert_eq!(program.get(&format!("{LAPWING}/escrow")).await.0, 403, "{role}");
    }
    let bad = [
        (json!({"all": true}), "bad_recipient"),
        (json!({"recipients": ["age1x"], "all": true}), "bad_recipient"),
        (json!({"recipients": to}), "bad_export"),
        (json!({"recipients": to, "all": true, "group": "all"}), "bad_export"),
        (json!({"recipients": to, "devices": ["m1"]}), "bad_export"),
        (json!({"recipients": to, "all": true, "x": 1}), "bad_body"),
    ];
    for (body, wanted) in bad {
        let answer = admin.post(&export, body.clone()).await;
        assert_eq!(code(&answer), (400, wanted), "{body}: {answer:?}");
    }

    let answer = admin.ask(Method::POST, &export, Some(json!({"recipients": to, "all": true}))).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-disposition"].to_str().unwrap().contains(".escrow"));
    let archive = answer.bytes().await.unwrap();
    for secret in ["first-password", "second-password", "other-password"] {
        assert!(!archive.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret} in clear");
    }
    let head = Head::read(&archive).unwrap();
    let manifest = &head.manifest;
    assert_eq!((manifest.devices, manifest.versions), (2, 2), "live versions");
    assert_eq!(manifest.incarnation, one.joined.incarnation);
    let signature = aws_lc_rs::signature::UnparsedPublicKey::new(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED,
        proto::hex::decode(&manifest.public_key).unwrap(),
    );
    signature.verify(&proto::escrow::statement(&head.manifest_line), &head.signature).unwrap();
    assert_eq!(json!(manifest.public_key), state().await["publicKey"]);
    assert!(opened(&archive, &eve).is_none(), "a stranger");
    let (opening, entries) = opened(&archive, &ada).unwrap();
    assert_eq!(opened(&archive, &ben).unwrap().1, entries, "every recipient alone");
    let passwords: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.password.reveal())).collect();
    assert!(passwords.contains(&("m1", "second-password")) && passwords.contains(&("m2", "other-password")));

    // Every version stands in the audit log, in the name of who asked, before the archive left.
    let audits = admin.get_ok("/v1.0/auditLogs/directoryAudits?$top=50").await.to_string();
    for entry in &entries {
        assert!(audits.contains(&entry.version.to_string()), "{entry:?}");
    }
    assert!(audits.contains("Export device local administrator passwords"));

    // A drill: a proof that is made up, one that is incomplete, the true one.
    assert_eq!(state().await["warning"]["code"], "escrow_not_drilled");
    let drill = format!("{LAPWING}/escrow/drill");
    let told = |proof: &str, versions: u64| json!({"export": manifest.export, "proof": proof, "devices": 2, "versions": versions});
    assert_eq!(code(&admin.post(&drill, told(&hex(&[0; 32]), 2)).await), (409, "drill_not_proven"));
    assert_eq!(code(&admin.post(&drill, told(&opening.proof, 1)).await), (409, "drill_incomplete"));
    let unknown = json!({"export": "00".repeat(16), "proof": opening.proof, "devices": 2, "versions": 2});
    assert_eq!(code(&admin.post(&drill, unknown).await), (404, "export_unknown"));
    let (status, done) = admin.post(&drill, told(&opening.proof, 2)).await;
    assert_eq!((status.as_u16(), done.get("warning")), (200, None), "{done}");
    assert!(done["exports"][0]["drilledDateTime"].is_string());

    // New recipients: nobody has shown that they can open it.
    let answer = admin
        .ask(Method::POST, &export, Some(json!({"recipients": [eve.to_public().to_string()], "devices": [one.id()]})))
        .await;
    let archive = answer.bytes().await.unwrap();
    assert_eq!(opened(&archive, &eve).unwrap().1.len(), 1);
    assert_eq!(state().await["warning"]["code"], "escrow_new_recipients");

    // A device that is gone: the archive is named, with its date.
    let settings = admin.ask(Method::PUT, &format!("{LAPWING}/settings"), Some(json!({"tombstoneDays": 0}))).await;
    assert_eq!(settings.status(), 200);
    assert_eq!(admin.ask(Method::DELETE, &format!("/v1.0/devices/{}", two.id()), None).await.status(), 204);
    let explained = admin.get_ok(&format!("{LAPWING}/devices/{}/explain", two.id())).await;
    let said = explained["summary"].as_str().unwrap();
    assert!(said.contains(&manifest.export) && said.contains(&manifest.made_date_time.to_string()), "{explained}");
    server.stop().await;
}

/// The scheduled export: a file under the data directory, for its recipients, and so many are kept.
#[tokio::test]
async fn the_scheduled_export_becomes_a_file() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let admin = server.admin().await;
    let data = tempfile::tempdir().unwrap();
    let run = async || server::instance::escrow::export_when_due(&server.app, data.path()).await.unwrap();
    assert_eq!(run().await, None, "no schedule");
    let ada = x25519::Identity::generate();
    let change = async |body: Value| admin.ask(Method::PUT, &format!("{LAPWING}/settings"), Some(body)).await.status();
    assert_eq!(change(json!({"escrowRecipients": ["nobody"]})).await, 400);
    assert_eq!(change(json!({"escrowFolder": "../x"})).await, 400);
    let to = [ada.to_public().to_string()];
    assert_eq!(change(json!({"escrowRecipients": to, "escrowIntervalDays": 7, "escrowKept": 1})).await, 200);
    assert_eq!(run().await, None, "no password yet");
    server.device("m1").await.rotate(1, "first-password").await;
    let first = run().await.unwrap();
    let mut archive = Vec::new();
    std::fs::File::open(&first).unwrap().read_to_end(&mut archive).unwrap();
    assert_eq!(opened(&archive, &ada).unwrap().1[0].password.reveal(), "first-password");
    assert_eq!(run().await, None, "not due again");
    // Other recipients: at once, and the older file goes.
    let ben = x25519::Identity::generate();
    assert_eq!(change(json!({"escrowRecipients": [ben.to_public().to_string()]})).await, 200);
    let second = run().await.unwrap();
    assert!(second.exists() && (first == second || !first.exists()));
    let files = std::fs::read_dir(data.path().join("escrow")).unwrap().count();
    assert_eq!(files, 1);
    let refused = server.app.scheduled_export(&Caller::system(Job::Retention)).await;
    assert!(refused.is_err(), "another job");
    server.stop().await;
}

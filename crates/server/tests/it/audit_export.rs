//! The audit log as it leaves the server: questions, exports, checkpoints (docs/audit.md).

use crate::harness::{Session, TestServer};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use proto::audit::{ExportVerifier, Fault, Head, Line, Part, compare_with_head};
use serde_json::Value;
use server::audit::{Actor, AuditEntry, Outcome, Target};
use server::authz::{Caller, Job};
use server::instance::{config::Config, database, init};
use server::store::{Store, sqlite::SqliteStore};
use std::sync::Arc;

/// Every page of an export.
async fn export(by: &Session<'_>, query: &str) -> Vec<Line> {
    let mut path = format!("/v1.0/lapwing/audit/export?{query}");
    let mut lines = Vec::new();
    loop {
        let page = by.get_ok(&path).await;
        lines
            .extend(page["value"].as_array().unwrap().iter().map(|line| serde_json::from_value(line.clone()).unwrap()));
        match page["@odata.nextLink"].as_str() {
            Some(link) => path = link.strip_prefix(&by.server.url).unwrap().to_owned(),
            None => return lines,
        }
    }
}

fn verify(lines: &[Line], key: Option<Vec<u8>>) -> Result<Vec<Part>, Fault> {
    let mut verifier = ExportVerifier::new(key, |key: &[u8], statement: &[u8], signature: &[u8]| {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(statement, signature).is_ok()
    });
    for line in lines {
        verifier.take(&serde_json::to_string(line).unwrap())?;
    }
    verifier.finish()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn an_export_is_verified_without_the_server() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    let admin = server.admin().await;
    admin.get_ok(&format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.id())).await;
    // What the device keeps.
    let report: Value = device.report(Some(1)).await.json().await.unwrap();
    let kept = Head::parse(report["audit_head"].as_str().unwrap()).unwrap();
    let heads = admin.get_ok("/v1.0/lapwing/audit/head").await;
    let key = unhex(heads["value"][0]["public_key"].as_str().unwrap());

    let lines = export(&admin, "$top=3").await;
    let parts = verify(&lines, Some(key.clone())).unwrap();
    assert_eq!((parts.len(), parts[0].after.sequence), (1, 0));
    assert!(parts[0].hashes.len() > 5);
    assert_eq!(compare_with_head(&parts, &kept), Ok(()));
    let whole: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    assert!(whole.iter().any(|line| line.contains("Recover device local administrator password")));
    assert!(!whole.iter().any(|line| line.contains("Zmlyc3Q")), "no password");

    // A part by time, and an empty one.
    let at = parts[0].hashes.len() / 2;
    let Line::Record(middle) = &lines[at + 1] else { panic!() };
    let part = verify(&export(&admin, &format!("since={}", middle.at)).await, Some(key.clone())).unwrap();
    assert!(part[0].after.sequence < middle.sequence && part[0].hashes.contains_key(&middle.sequence));
    let before = verify(&export(&admin, &format!("until={}", middle.at)).await, Some(key.clone())).unwrap();
    assert!(before[0].end.sequence < middle.sequence);
    let none = verify(&export(&admin, "since=2999-01-01T00:00:00Z").await, Some(key.clone())).unwrap();
    assert!(none[0].hashes.is_empty());
    assert_eq!(admin.get("/v1.0/lapwing/audit/export?since=yesterday").await.0, 400);

    // Changed in the file, and found.
    let mut changed = lines.clone();
    if let Line::Record(record) = &mut changed[2] {
        record.actor.name = "somebody else".into();
    }
    assert_eq!(verify(&changed, Some(key)).unwrap_err().to_string(), "record 2: its contents were changed");
    server.stop().await;
}

/// The whole log leaves the server: who took it, in what form and how far is itself a record, one for each export.
#[tokio::test]
async fn an_export_is_recorded_once() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let exports = async || {
        let filter = "activityDisplayName%20eq%20'Export%20audit%20log'";
        let found = admin.get_ok(&format!("/v1.0/auditLogs/directoryAudits?$filter={filter}")).await;
        found["value"].as_array().unwrap().clone()
    };
    let lines = export(&admin, "$top=2&since=2020-01-01T00:00:00Z").await;
    let parts = verify(&lines, None).unwrap();
    assert!(parts[0].hashes.len() > 4, "more than one page");
    let found = exports().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["initiatedBy"]["user"]["userPrincipalName"], "admin");
    let detail = |name: &str| {
        let all = found[0]["additionalDetails"].as_array().unwrap();
        all.iter().find(|one| one["key"] == name).map(|one| one["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(detail("form").as_deref(), Some("json"));
    assert!(detail("since").unwrap().starts_with("2020-01-01T00:00:00"));
    assert_eq!(detail("upTo"), Some(parts[0].end.sequence.to_string()));

    // What is refused is none; the pages of the admin centre say their form.
    assert_eq!(admin.get("/v1.0/lapwing/audit/export?since=yesterday").await.0, 400);
    let nobody = server.program(Some("Helpdesk Administrator"), &[]).await;
    assert_eq!(nobody.get("/v1.0/lapwing/audit/export").await.0, 403);
    assert_eq!(exports().await.len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn pruning_leaves_a_log_that_verifies() {
    let data = tempfile::tempdir().unwrap();
    let config = Config::of("localhost", Some("127.0.0.1:0".parse().unwrap()));
    let (tenant, key) = init::make_keys(data.path(), &config).unwrap();
    let store = Arc::new(SqliteStore::create(&database(data.path())).unwrap());
    let old = laps::time::Timestamp::parse_rfc3339("2020-01-01T00:00:00Z").unwrap();
    for number in 0..5_u8 {
        let entry = AuditEntry {
            id: [number; 16],
            at: old,
            activity: "Long ago".into(),
            category: "Device".into(),
            actor: Actor::System("test".into()),
            target: Target::default(),
            outcome: Outcome::Success,
            request_id: String::new(),
            client: "{}".into(),
            detail: "{}".into(),
        };
        store.append_audit(entry).await.unwrap();
    }
    let made = init::make_tenant(data.path(), &config, tenant, key, store).await.unwrap();
    let server = TestServer::over(data, config, made).await;
    let admin = server.admin().await;
    let job = Caller::system(Job::Retention);
    assert_eq!(server.app.prune_audit(&job).await.unwrap(), 0, "off unless set");
    let set = async |days: u32| {
        let body = serde_json::json!({"auditDays": days});
        admin.ask(reqwest::Method::PUT, "/v1.0/lapwing/settings", Some(body)).await.status().as_u16()
    };
    assert_eq!((set(29).await, set(90).await), (400, 200));
    assert_eq!(server.app.prune_audit(&job).await.unwrap(), 5);
    assert_eq!(server.app.prune_audit(&job).await.unwrap(), 0);
    let lines = export(&admin, "").await;
    let parts = verify(&lines, None).unwrap();
    assert_eq!((parts[0].after.sequence, parts[0].pruned), (5, true));
    let Line::Start(start) = &lines[0] else { panic!() };
    assert!(start.pruned);
    assert!(lines.iter().any(|line| matches!(line, Line::Record(record) if record.activity == "Prune audit log")));
    server.stop().await;
}

#[tokio::test]
async fn questions_are_answered_as_graph_answers_them() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    let other = server.device("pc-2").await;
    device.rotate(1, "first").await;
    other.rotate(2, "other").await;
    let admin = server.admin().await;
    for id in [device.id(), other.id()] {
        admin.get_ok(&format!("/v1.0/directory/deviceLocalCredentials/{id}?$select=credentials")).await;
    }
    let nobody = server.program(Some("Helpdesk Administrator"), &[]).await;
    assert_eq!(
        nobody.get(&format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.id())).await.0,
        403
    );
    let count = async |filter: &str| {
        let filter: String = filter
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect();
        let found = admin.get_ok(&format!("/v1.0/auditLogs/directoryAudits?$filter={filter}")).await;
        found["value"].as_array().unwrap().len()
    };
    let recover = "activityDisplayName eq 'Recover device local administrator password'";
    assert_eq!(count(recover).await, 3);
    assert_eq!(count("startswith(activityDisplayName,'Recover device')").await, 3);
    assert_eq!(count(&format!("{recover} and result eq 'failure'")).await, 1);
    assert_eq!(count(&format!("{recover} and result eq 'success'")).await, 2);
    let to = format!("targetResources/any(t:t/id eq '{}')", device.id());
    assert_eq!(count(&format!("{recover} and {to}")).await, 2);
    assert_eq!(count(&format!("{recover} and initiatedBy/user/userPrincipalName eq 'ADMIN'")).await, 2);
    assert_eq!(count(&format!("{recover} and initiatedBy/name eq 'admin'")).await, 2);
    assert_eq!(count(&format!("{recover} and loggedByService eq 'Device Registration Service'")).await, 3);
    assert_eq!(count(&format!("{recover} and loggedByService eq 'Core Directory'")).await, 0);
    assert_eq!(count("activityDateTime ge 2999-01-01T00:00:00Z").await, 0);
    assert!(count("activityDateTime le 2999-01-01T00:00:00Z and category eq 'Device'").await > 4);
    let one = admin.get_ok("/v1.0/auditLogs/directoryAudits?$top=1").await;
    let id = one["value"][0]["correlationId"].as_str().unwrap();
    assert_eq!(count(&format!("correlationId eq '{id}'")).await, 1);
    assert_eq!(admin.get("/v1.0/auditLogs/directoryAudits?$filter=nothing%20eq%201").await.0, 400);
    server.stop().await;
}

/// A read whose record cannot be written is refused (design.md 5, "Audit"): here the database has no room for it.
#[tokio::test]
async fn without_a_record_nothing_is_read() {
    let data = tempfile::tempdir().unwrap();
    let config = Config::of("localhost", Some("127.0.0.1:0".parse().unwrap()));
    let (tenant, key) = init::make_keys(data.path(), &config).unwrap();
    let store = Arc::new(SqliteStore::create(&database(data.path())).unwrap());
    let kept: Arc<SqliteStore> = Arc::clone(&store);
    let made = init::make_tenant(data.path(), &config, tenant, key, store).await.unwrap();
    let server = TestServer::over(data, config, made).await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    let admin = server.admin().await;
    let path = format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.id());
    admin.get_ok(&path).await;
    kept.limit_pages(1).await.unwrap();
    let mut refused = None;
    // What is left of the last page takes a few records.
    for _ in 0..200 {
        let (status, body) = admin.get(&path).await;
        if status != 200 {
            refused = Some((status.as_u16(), body));
            break;
        }
    }
    let (status, body) = refused.expect("a full disk refuses");
    assert_eq!(status, 503, "{body}");
    assert!(!body.to_string().contains("passwordBase64"));
    // The same holds for the log itself.
    let mut refused = None;
    for _ in 0..200 {
        let (status, body) = admin.get("/v1.0/lapwing/audit/export").await;
        if status != 200 {
            refused = Some((status.as_u16(), body));
            break;
        }
    }
    let (status, body) = refused.expect("a full disk refuses");
    assert_eq!((status, body.get("value")), (503, None), "{body}");
    server.stop().await;
}

//! Sign-ins that devices tell, paired with the record of the read (laps-behaviour.md 5).

use crate::harness::{TestServer, version};
use laps::{id::SignInId, time::Timestamp};
use proto::{
    admin::{List, PasswordUse},
    device::{Report, SignIn},
    graph::{Collection, DirectoryAudit},
};

fn sign_in(n: u8, of: u8) -> SignIn {
    SignIn {
        id: SignInId::from_random_bytes([n; 16]),
        version: version(of).version,
        account_name: "root".into(),
        at: Timestamp::from_unix_ms(1_790_000_000_000),
        service: "sshd".into(),
        from: Some("192.0.2.7".into()),
        deadline: Some(Timestamp::from_unix_ms(1_790_003_600_000)),
    }
}

fn report(sign_ins: Vec<SignIn>) -> Vec<u8> {
    let body = Report {
        account: None,
        installed_fingerprint: None,
        last_acknowledged: None,
        intent: None,
        incarnation: None,
        evidence: proto::device::Evidence::default(),
        last_error: None,
        sign_ins,
        audit_head: None,
        device_time: Timestamp::from_unix_ms(1_790_000_000_000),
    };
    serde_json::to_vec(&body).unwrap()
}

/// (activity, detail) of records, newest first, by the key of the detail.
fn details(audits: &Collection<DirectoryAudit>, key: &str) -> Vec<String> {
    let of = |audit: &DirectoryAudit| {
        audit.additional_details.iter().find(|one| one.key == key).map(|one| one.value.clone())
    };
    audits.value.iter().filter_map(of).collect()
}

/// A use without a read and a read without a use are both visible; the same report again is nothing.
#[tokio::test]
async fn reads_and_uses_are_paired_in_the_audit_log() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("m1").await;
    device.rotate(1, "first-password").await;
    let reader = server.admin().await;
    let audits = async || -> Collection<DirectoryAudit> {
        serde_json::from_value(reader.get_ok("/v1.0/auditLogs/directoryAudits?$top=50").await).unwrap()
    };
    let read = async || {
        let path = format!("/v1.0/directory/deviceLocalCredentials/{}?$select=credentials", device.joined.device);
        reader.get_ok(&path).await;
    };

    // Used, and nobody has read it.
    for _ in 0..2 {
        assert_eq!(device.post("/device/v1/report", report(vec![sign_in(1, 1)])).await.status(), 200);
    }
    assert_eq!(details(&audits().await, "read"), ["none"]);

    // Read, and not used since.
    read().await;
    assert_eq!(details(&audits().await, "use"), ["none"]);

    // Used after it was read: both sides say so.
    assert_eq!(device.post("/device/v1/report", report(vec![sign_in(2, 1)])).await.status(), 200);
    let seen = audits().await;
    let named = details(&seen, "read");
    assert_eq!((named.len(), named[1].as_str()), (2, "none"));
    assert!(named[0].contains("admin") && named[0].contains("record 1:"), "{}", named[0]);
    let used = details(&seen, "use");
    assert!(used[0].starts_with("sshd at 2026-"), "{used:?}");

    // Another password: its read is another one.
    device.rotate(2, "second-password").await;
    assert_eq!(device.post("/device/v1/report", report(vec![sign_in(3, 2)])).await.status(), 200);
    assert_eq!(details(&audits().await, "read")[0], "none");

    let uses = reader.get_ok(&format!("/v1.0/lapwing/devices/{}/uses", device.joined.device)).await;
    let uses: List<PasswordUse> = serde_json::from_value(uses).unwrap();
    let shown: Vec<_> = uses.value.iter().map(|used| (used.id, used.read.is_some(), used.changed_since)).collect();
    let id = |n: u8| SignInId::from_random_bytes([n; 16]);
    assert_eq!(shown, [(id(3), false, false), (id(2), true, true), (id(1), true, true)]);
}

/// More than a report may tell, and texts that are too long: what is over is left out, and the report is taken.
#[tokio::test]
async fn a_report_with_too_much_is_taken_within_bounds() {
    let server = TestServer::start().await;
    let device = server.device("m1").await;
    let long = SignIn { service: "x".repeat(1000), from: Some("\u{7}y".into()), ..sign_in(1, 1) };
    let many = (2..8).map(|n| SignIn { from: None, ..sign_in(n, 1) });
    let body = report(std::iter::once(long).chain(many).collect());
    assert!(body.len() <= proto::device::BODY_BYTES_MAX, "{}", body.len());
    assert_eq!(device.post("/device/v1/report", body).await.status(), 200);
    let reader = server.admin().await;
    let uses = reader.get_ok(&format!("/v1.0/lapwing/devices/{}/uses", device.joined.device)).await;
    let uses: List<PasswordUse> = serde_json::from_value(uses).unwrap();
    assert_eq!(uses.value.len(), proto::device::SIGN_INS_MAX);
    let first = uses.value.last().unwrap();
    assert_eq!((first.service.len(), first.from.as_deref()), (64, Some("\u{fffd}y")));
}

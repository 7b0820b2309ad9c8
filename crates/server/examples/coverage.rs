//! `coverage N`: a directory of N devices, made through the store's own verbs, and how long coverage over it takes, five
//! times, in seconds, a line each.
//! One in ten has no password, one in a hundred an error, one in fifty a refused delivery.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement, not a part of the product"
)]

use laps::{
    id::{DeviceId, PolicyId, PrincipalId, VersionId},
    rotation::{Fingerprint, ProofKind},
    time::Timestamp,
};
use server::{
    app::App,
    audit::{Actor, AuditEntry, Outcome, Target},
    authz::{Caller, Identity, Origin, Principal, Scopes},
    instance::{config::Config, database, init},
    seal::{EnvelopeKind, KeyId, Sealed},
    store::{sqlite::SqliteStore, *},
};
use std::{sync::Arc, time::Instant};
use tokio::task::JoinSet;

/// Devices that are made at the same time: the store commits them in groups.
const AT_ONCE: u64 = 2_000;

fn entry(n: u64, now: Timestamp) -> AuditEntry {
    AuditEntry {
        id: bytes(n),
        at: now,
        activity: "Measure".into(),
        category: "Device".into(),
        actor: Actor::System("measure".into()),
        target: Target::default(),
        outcome: Outcome::Success,
        request_id: String::new(),
        client: "{}".into(),
        detail: "{}".into(),
    }
}

fn bytes(n: u64) -> [u8; 16] {
    // Spread, as random ids are.
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mixed.to_be_bytes());
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes
}

fn wide(n: u64) -> [u8; 32] {
    let half = bytes(n);
    core::array::from_fn(|at| half[at % 16])
}

async fn device(store: Arc<dyn Store>, key: KeyId, n: u64, now: Timestamp) {
    let token = NewJoinToken {
        id: bytes(n),
        hash: wide(n),
        note: String::new(),
        group: None,
        created_by: PrincipalId::from_bytes([0; 16]),
        expires_at: now.plus_days(1),
    };
    store.create_join_token(token, now, entry(n, now)).await.unwrap();
    let id = DeviceId::from_bytes(bytes(n));
    let new = NewDevice {
        id,
        name: format!("pc-{n:06}"),
        os: "Debian 13".into(),
        public_key: vec![4; 91],
        hardware: None,
        predecessor: None,
        certificate: NewCertificate {
            fingerprint: wide(n),
            serial: bytes(n).to_vec(),
            not_before: now,
            not_after: now.plus_days(365),
        },
    };
    store.join(wide(n), new, now, entry(n, now)).await.unwrap();
    let version = VersionId::from_bytes(bytes(n));
    if !n.is_multiple_of(10) {
        let new = NewVersion {
            device: id,
            certificate: None,
            version,
            account_id: "0".into(),
            account_name: "root".into(),
            fingerprint: Fingerprint::from_bytes(bytes(n)),
            expires_at: Some(now.plus_days(30)),
            device_time: Some(now),
            sealed: Sealed {
                kind: EnvelopeKind::Aes256GcmKw,
                key,
                wrapped_key: [1; 40],
                nonce: [2; 12],
                ciphertext: vec![3; 40],
            },
        };
        store.store_pending(new, now, entry(n, now)).await.unwrap();
        let proof = Proof { device: id, version, kind: ProofKind::Pam, set_at: Some(now), expires_at: None };
        store.mark_proven(proof, now.plus_seconds(n % 60), entry(n, now)).await.unwrap();
    }
    let values = r#"{"settings":{"BackupDirectory":1},"removed":[]}"#.to_owned();
    let sent = store.record_delivery(NewDelivery { device: id, digest: [7; 32], values }, now).await.unwrap();
    let statuses: Vec<_> = ["BackupDirectory", "PasswordLength", "PasswordAgeDays", "PasswordComplexity"]
        .iter()
        .enumerate()
        .map(|(place, name)| SettingStatus {
            uri: format!("./Device/Vendor/MSFT/LAPS/Policies/{name}"),
            status: if place == 1 && n.is_multiple_of(50) { 500 } else { 200 },
        })
        .collect();
    store.answer_delivery(id, sent.sequence, statuses, !n.is_multiple_of(50), now).await.unwrap();
    let evidence = format!(
        r#"{{"policy_source":"csp","backup_directory":1,"agent_version":"0.1.0","machine":{{"length_min":8,"accounts":[{{"id":0,"name":"root","enabled":true,"admin":true}},{{"id":1000,"name":"user{n}","enabled":true,"admin":false}}],"complete":true}}}}"#
    );
    let report = Report {
        device: id,
        account_id: Some("0".into()),
        account_name: Some("root".into()),
        usability: "usable".into(),
        installed: (!n.is_multiple_of(10)).then(|| Fingerprint::from_bytes(bytes(n))),
        acknowledged: (!n.is_multiple_of(10)).then_some(version),
        intent: None,
        last_error: (n.is_multiple_of(100))
            .then(|| r#"{"event":10027,"code":"password_refused","text":"pwquality refuses it"}"#.into()),
        evidence,
        name: format!("pc-{n:06}"),
        os: "Debian 13".into(),
        agent_version: "0.1.0".into(),
    };
    store.report(report, now).await.unwrap();
    store.note_seen(id, now);
}

async fn filled(data: &std::path::Path, count: u64) -> App {
    let config = Config::of("localhost", Some("127.0.0.1:0".parse().unwrap()));
    let (tenant, key) = init::make_keys(data, &config).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::create(&database(data)).unwrap());
    let made = init::make_tenant(data, &config, tenant, key, Arc::clone(&store)).await.unwrap();
    let now = made.app.now();
    let mut tenant = store.tenant().await.unwrap();
    tenant.settings.laps_enabled = true;
    store.update_settings(tenant.settings, tenant.revision, entry(0, now)).await.unwrap();
    let policy = PolicyId::from_bytes([5; 16]);
    let values = r#"{"BackupDirectory":1}"#.to_owned();
    store.create_policy(policy, "base".into(), values, now, entry(0, now)).await.unwrap();
    store.assign_policy(policy, ALL_DEVICES, now, entry(0, now)).await.unwrap();
    let key = store.keys().await.unwrap()[0].id;
    let mut running = JoinSet::new();
    for n in 1..=count {
        running.spawn(device(Arc::clone(&store), key, n, now));
        if n % AT_ONCE == 0 || n == count {
            while let Some(done) = running.join_next().await {
                done.unwrap();
            }
        }
    }
    store.flush_seen().await.unwrap();
    made.app
}

#[tokio::main]
async fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let data = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let app = filled(data.path(), count).await;
    eprintln!("{count} devices made in {:.1} s", begun.elapsed().as_secs_f64());
    let principal = Principal {
        id: PrincipalId::from_bytes([9; 16]),
        name: "measure".into(),
        assignments: Vec::new(),
        scopes: Scopes::parse("Device.Read.All"),
        epoch: 1,
        client_id: String::new(),
    };
    let caller = Caller::new(Identity::App(principal), Origin::internal("measure"));
    for _ in 0..5 {
        let begun = Instant::now();
        let coverage = app.coverage(&caller).await.unwrap();
        println!("{:.3}", begun.elapsed().as_secs_f64());
        assert_eq!(coverage.devices, count);
        eprintln!(
            "{} proven, {} lacking, causes {:?}",
            coverage.proven,
            coverage.lacking,
            coverage.causes.iter().map(|cause| (&cause.code, cause.devices)).collect::<Vec<_>>()
        );
    }
}

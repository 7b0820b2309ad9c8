//! A rotation of many devices goes in batches, and survives whatever stops the server between two of them.

use super::server::{START, Server, entry};
use laps::id::{DeviceId, PrincipalId};
use proto::admin::NewCampaign;
use server::authz::{Caller, Job};
use server::store::{NewCertificate, NewDevice, NewJoinToken, Store};

async fn joined(server: &Server, n: u16) {
    let mut bytes = [0x40; 16];
    bytes[14..].copy_from_slice(&n.to_be_bytes());
    let hash = core::array::from_fn(|index| bytes[index % 16]);
    let token = NewJoinToken {
        id: bytes,
        hash,
        note: String::new(),
        group: None,
        created_by: PrincipalId::from_random_bytes([3; 16]),
        expires_at: START.plus_days(1),
    };
    server.store.create_join_token(token, START, entry()).await.unwrap();
    let device = NewDevice {
        id: DeviceId::from_bytes(bytes),
        name: format!("machine-{n}"),
        os: "Debian 12".into(),
        public_key: bytes.to_vec(),
        hardware: None,
        predecessor: None,
        certificate: NewCertificate {
            fingerprint: hash,
            serial: bytes.to_vec(),
            not_before: START,
            not_after: START.plus_days(365),
        },
    };
    server.store.join(hash, device, START, entry()).await.unwrap();
}

#[tokio::test]
async fn at_most_two_hundred_devices_are_woken_in_a_second() {
    let server = Server::new().await;
    for n in 0..450 {
        joined(&server, n).await;
    }
    let job = Caller::system(Job::Campaigns);
    let all = NewCampaign { all: true, reason: "a test".into(), ..NewCampaign::default() };
    let begun = server.app.start_campaign(&server.admin, &all).await.unwrap();
    assert_eq!((begun.counts.requested, begun.counts.waiting), (200, 250));
    // A second one shares the same budget, and coalesces with what is open.
    let second = NewCampaign { all: true, ..NewCampaign::default() };
    server.app.start_campaign(&server.admin, &second).await.unwrap();
    let mut requested = vec![];
    for _ in 0..4 {
        let work = *server.store.watch_work().borrow();
        server.app.carry_campaigns(&job).await.unwrap();
        let woken = server.store.work_since(work, 1_000).await.unwrap().len();
        assert!(woken <= 200, "{woken} wakes in a second");
        requested.push(server.app.campaign(&server.admin, begun.id).await.unwrap().counts.requested);
    }
    assert_eq!(requested, [400, 450, 450, 450]);
    assert_eq!(server.store.counts().await.unwrap().rotations_open, 450, "each is asked once");
    let listed = server.app.campaigns(&server.admin, None, 10).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    assert!(listed.items.iter().all(|campaign| campaign.completed_date_time.is_none()));
    assert!(server.app.carry_campaigns(&server.admin).await.is_err(), "it is the server's own work");
}

//! Two real domain controllers that do not replicate, of which only the first gives group keys: replication lag and
//! fail-over.

use crate::{
    ad_lab::Lab,
    name_server::{ALL, NameServer, Record, found_by},
    support::{ENCRYPTED, backup, decrypt, encrypted, now},
};
use ad::{Connection, Error, KeyCache, Wanted};
use laps::active_directory::has_arrived;

async fn both(lab: &Lab, test: &str) -> Option<NameServer> {
    let Some(second) = lab.second_address() else {
        println!("SKIPPED {test}: the domain has one domain controller (LAB_SECOND=1 makes two)");
        return None;
    };
    let names = NameServer::with([
        (ALL, Record::Service(vec![(0, "dc1.laps.test"), (1, "dc2.laps.test")])),
        ("dc1.laps.test", Record::Address(lab.address())),
        ("dc2.laps.test", Record::Address(second)),
    ]);
    Some(names.await)
}

/// rotation.md 9: what one domain controller took, another does not have yet; the one that took it is asked first.
/// Keys come from the one that has them, whichever is in use.
#[tokio::test]
async fn a_change_stays_where_it_was_made_until_it_replicates() {
    let Some(lab) = Lab::running("a_change_stays_where_it_was_made_until_it_replicates") else { return };
    let Some(names) = both(&lab, "a_change_stays_where_it_was_made_until_it_replicates").await else { return };
    let settings = found_by(&lab, &names, "SRV01$");
    let mut second = Connection::open(&settings, Some("dc2.laps.test")).await.unwrap();
    assert_eq!(second.controller().host, "dc2.laps.test");
    assert_eq!(Some(second.controller().address), lab.second_address());
    // The second one has no such service: the key comes from the first.
    let admins = second.resolve_text("LAPS\\LAPSAdmins").await.unwrap();
    let (mut cache, at) = (KeyCache::default(), now());
    let value = encrypted(&mut second, &mut cache, &admins, "On-The-Second-1", at).await;
    let before = second.computer("SRV01$", &ENCRYPTED).await.unwrap();
    let (update, version) = backup(&before.object, &admins, value, at, 3);
    second.modify(&before.dn, &update).await.unwrap();

    let mut first = Connection::open(&settings, None).await.unwrap();
    assert_eq!(first.controller().host, "dc1.laps.test");
    let lagging = first.computer("SRV01$", &ENCRYPTED).await.unwrap().object;
    assert!(!has_arrived(&lagging, version, at.plus_days(30)));
    let mut again = Connection::open(&settings, Some("dc2.laps.test")).await.unwrap();
    let there = again.computer("SRV01$", &ENCRYPTED).await.unwrap().object;
    assert!(has_arrived(&there, version, at.plus_days(30)));
    // Its reader opens it there, with the key of the first.
    let reader = found_by(&lab, &names, "laps.admin");
    let mut reader = Connection::open(&reader, Some("dc2.laps.test")).await.unwrap();
    let secret = decrypt(&mut reader, &there.encrypted.unwrap().bytes).await.unwrap();
    assert_eq!(secret.password.reveal(), "On-The-Second-1");
}

/// The first domain controller dies: the second one takes over, with the key of the cache; without it there is none,
/// and that is said.
#[tokio::test]
async fn the_second_controller_takes_over() {
    // Its name is that of a test that runs alone.
    let Some(lab) = Lab::running_alone("the_second_controller_takes_over") else { return };
    let Some(names) = both(&lab, "the_second_controller_takes_over").await else { return };
    let settings = found_by(&lab, &names, "SRV01$");
    let mut first = Connection::open(&settings, None).await.unwrap();
    assert_eq!(first.controller().host, "dc1.laps.test");
    let admins = first.domain().admins().unwrap();
    let (mut cache, at) = (KeyCache::default(), now());
    cache.newest(&mut first, &admins, at).await.unwrap();
    lab.kill();

    let mut second = Connection::open(&settings, Some("dc1.laps.test")).await.unwrap();
    assert_eq!(second.controller().host, "dc2.laps.test");
    let error = second.group_key(&admins, Wanted::Newest).await.unwrap_err();
    assert!(matches!(&error, Error::NoKeyService { controller, .. } if controller == "dc2.laps.test"), "{error:?}");
    let value = encrypted(&mut second, &mut cache, &admins, "From-The-Cache-1", at).await;
    let computer = second.computer("SRV01$", &ENCRYPTED).await.unwrap();
    let (update, version) = backup(&computer.object, &admins, value, at, 3);
    second.modify(&computer.dn, &update).await.unwrap();
    let after = second.computer("SRV01$", &ENCRYPTED).await.unwrap().object;
    assert!(has_arrived(&after, version, at.plus_days(30)));
    lab.restart();
}

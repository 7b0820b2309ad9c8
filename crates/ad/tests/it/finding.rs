//! Finding a domain controller: sites, priorities, those that are dead, the one that took the last modify.

use crate::{
    ad_lab::Lab,
    name_server::{ALL, NameServer, Record, found_by},
    support::{person, settings},
};
use ad::{Connection, Error, Settings, Wanted};

const SITE: &str = "_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.laps.test";

/// The domain says which site the machine is in, and the site's own are asked first.
#[tokio::test]
async fn the_site_comes_from_the_domain() {
    let Some(lab) = Lab::running("the_site_comes_from_the_domain") else { return };
    let connection = Connection::open(&settings(&lab, person(&lab, "laps.reader")), None).await.unwrap();
    assert_eq!(connection.controller().site.as_deref(), Some("Default-First-Site-Name"));
    let names = NameServer::with([
        (ALL, Record::Service(vec![(0, "dc1.laps.test"), (0, "dead.laps.test")])),
        (SITE, Record::Service(vec![(0, "dc1.laps.test")])),
        ("dc1.laps.test", Record::Address(lab.address())),
        ("dead.laps.test", Record::Address("127.0.0.2".parse().unwrap())),
    ]);
    let names = names.await;
    Connection::open(&found_by(&lab, &names, "laps.reader"), None).await.unwrap();
    assert!(names.asked().contains(&SITE.to_lowercase()), "{:?}", names.asked());
    // A site of the settings is taken at its word.
    let elsewhere = Settings { site: Some("Berlin".into()), ..found_by(&lab, &names, "laps.reader") };
    Connection::open(&elsewhere, None).await.unwrap();
    assert!(names.asked().contains(&"_ldap._tcp.berlin._sites.dc._msdcs.laps.test".to_owned()), "{:?}", names.asked());
}

/// Dead, unknown and pretending domain controllers are passed over; all that was tried is told when none is left.
/// Keys come from another domain controller when the one in use has no service for them.
#[tokio::test]
async fn a_dead_controller_is_passed_over() {
    let Some(lab) = Lab::running("a_dead_controller_is_passed_over") else { return };
    let dead = Record::Address("127.0.0.2".parse().unwrap());
    let targets = vec![(0, "dead.laps.test"), (1, "gone.laps.test"), (2, "other.laps.test"), (3, "dc1.laps.test")];
    let names = NameServer::with([
        (ALL, Record::Service(targets)),
        ("dead.laps.test", dead.clone()),
        // It answers, and Kerberos knows no such service.
        ("other.laps.test", Record::Address(lab.address())),
        ("dc1.laps.test", Record::Address(lab.address())),
    ]);
    let names = names.await;
    let mut connection = Connection::open(&found_by(&lab, &names, "laps.reader"), None).await.unwrap();
    assert_eq!(connection.controller().host, "dc1.laps.test");
    let admins = connection.domain().admins().unwrap();
    connection.group_key(&admins, Wanted::Newest).await.unwrap();
    // The one that took the last modify is asked first.
    let connection = Connection::open(&found_by(&lab, &names, "laps.reader"), Some("DC1.laps.test")).await.unwrap();
    assert_eq!(connection.controller().host, "dc1.laps.test");

    let names = NameServer::with([
        (ALL, Record::Service(vec![(0, "dead.laps.test"), (1, "gone.laps.test")])),
        ("dead.laps.test", dead),
    ]);
    let names = names.await;
    let Err(error) = Connection::open(&found_by(&lab, &names, "laps.reader"), None).await else { panic!("connected") };
    let Error::NoneUsable { tried, .. } = &error else { panic!("{error:?}") };
    let tried: Vec<_> = tried.iter().map(|(host, error)| (host.as_str(), error.code())).collect();
    assert_eq!(tried, [("dead.laps.test", "ad_unreachable"), ("gone.laps.test", "ad_name_unresolved")]);
    assert_eq!(error.event(), 10056);

    let names = NameServer::with([]).await;
    let Err(error) = Connection::open(&found_by(&lab, &names, "laps.reader"), None).await else { panic!("connected") };
    assert_eq!((error.code(), error.event()), ("ad_controller_not_found", 10056));
    assert!(error.remedy().contains(ALL));
}

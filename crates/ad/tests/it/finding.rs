//! Finding a domain controller: sites, priorities, those that are dead, the one that took the last modify.

use crate::{
    ad_lab::Lab,
    support::{person, settings},
};
use ad::{Connection, Dns, Error, Settings, Wanted};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::UdpSocket;

/// What a name has: SRV records with priority and target, or an address.
#[derive(Clone)]
enum Record {
    Service(Vec<(u16, &'static str)>),
    Address(IpAddr),
}

/// A name server with a few names; it remembers what it was asked.
struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    async fn with(records: impl IntoIterator<Item = (&'static str, Record)>) -> Self {
        let records: BTreeMap<String, Record> =
            records.into_iter().map(|(name, of)| (name.to_lowercase(), of)).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut bytes = [0; 1500];
            while let Ok((count, from)) = socket.recv_from(&mut bytes).await {
                let (name, end) = question(&bytes[..count]);
                let kind = u16::from_be_bytes([bytes[end], bytes[end + 1]]);
                log.lock().unwrap().push(name.clone());
                let answers: Vec<Vec<u8>> = match records.get(&name) {
                    Some(Record::Service(targets)) if kind == 33 => {
                        targets.iter().map(|(p, t)| service(*p, t)).collect()
                    }
                    Some(Record::Address(IpAddr::V4(ip))) if kind == 1 => vec![ip.octets().to_vec()],
                    _ => Vec::new(),
                };
                // No such name, when it is none.
                let code = if records.contains_key(&name) { 0 } else { 3 };
                let mut answer = [&bytes[..2], &[0x85, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]].concat();
                answer.extend(&bytes[12..end + 4]);
                for data in answers {
                    answer.extend([&[0xc0, 12][..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60]].concat());
                    answer.extend((data.len() as u16).to_be_bytes());
                    answer.extend(data);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn question(bytes: &[u8]) -> (String, usize) {
    let (mut labels, mut at) = (Vec::new(), 12);
    while bytes[at] != 0 {
        let end = at + 1 + usize::from(bytes[at]);
        labels.push(String::from_utf8_lossy(&bytes[at + 1..end]).to_lowercase());
        at = end;
    }
    (labels.join("."), at + 1)
}

fn service(priority: u16, target: &str) -> Vec<u8> {
    let mut data = [&priority.to_be_bytes()[..], &[0, 100, 1, 133]].concat();
    for label in target.split('.') {
        data.push(label.len() as u8);
        data.extend(label.as_bytes());
    }
    data.push(0);
    data
}

const ALL: &str = "_ldap._tcp.dc._msdcs.laps.test";
const SITE: &str = "_ldap._tcp.Default-First-Site-Name._sites.dc._msdcs.laps.test";

fn found_by(lab: &Lab, names: &NameServer) -> Settings {
    Settings {
        dns: Dns::Server(names.address),
        timeout: Duration::from_secs(3),
        ..settings(lab, person(lab, "laps.reader"))
    }
}

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
    Connection::open(&found_by(&lab, &names), None).await.unwrap();
    assert!(names.asked().contains(&SITE.to_lowercase()), "{:?}", names.asked());
    // A site of the settings is taken at its word.
    let elsewhere = Settings { site: Some("Berlin".into()), ..found_by(&lab, &names) };
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
    let mut connection = Connection::open(&found_by(&lab, &names), None).await.unwrap();
    assert_eq!(connection.controller().host, "dc1.laps.test");
    let admins = connection.domain().admins().unwrap();
    connection.group_key(&admins, Wanted::Newest).await.unwrap();
    // The one that took the last modify is asked first.
    let connection = Connection::open(&found_by(&lab, &names), Some("DC1.laps.test")).await.unwrap();
    assert_eq!(connection.controller().host, "dc1.laps.test");

    let names = NameServer::with([
        (ALL, Record::Service(vec![(0, "dead.laps.test"), (1, "gone.laps.test")])),
        ("dead.laps.test", dead),
    ]);
    let names = names.await;
    let Err(error) = Connection::open(&found_by(&lab, &names), None).await else { panic!("connected") };
    let Error::NoneUsable { tried, .. } = &error else { panic!("{error:?}") };
    let tried: Vec<_> = tried.iter().map(|(host, error)| (host.as_str(), error.code())).collect();
    assert_eq!(tried, [("dead.laps.test", "ad_unreachable"), ("gone.laps.test", "ad_name_unresolved")]);
    assert_eq!(error.event(), 10056);

    let names = NameServer::with([]).await;
    let Err(error) = Connection::open(&found_by(&lab, &names), None).await else { panic!("connected") };
    assert_eq!((error.code(), error.event()), ("ad_controller_not_found", 10056));
    assert!(error.remedy().contains(ALL));
}

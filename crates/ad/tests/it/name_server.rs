//! A name server that says what a test wants, and remembers what it was asked.

use crate::{
    ad_lab::Lab,
    support::{person, settings},
};
use ad::{Dns, Settings};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::UdpSocket;

/// Where all domain controllers stand.
pub(crate) const ALL: &str = "_ldap._tcp.dc._msdcs.laps.test";

/// Settings that ask this name server.
pub(crate) fn found_by(lab: &Lab, names: &NameServer, user: &str) -> Settings {
    Settings { dns: Dns::Server(names.address), timeout: Duration::from_secs(3), ..settings(lab, person(lab, user)) }
}

/// What a name has: SRV records with priority and target, or an address.
#[derive(Clone)]
pub(crate) enum Record {
    Service(Vec<(u16, &'static str)>),
    Address(IpAddr),
}

/// A name server with a few names; it remembers what it was asked.
pub(crate) struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    pub(crate) async fn with(records: impl IntoIterator<Item = (&'static str, Record)>) -> Self {
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

    pub(crate) fn asked(&self) -> Vec<String> {
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

//! Services for group keys that are missing, half, or pretending.

use crate::{
    ad_lab::Lab,
    proxy::Proxy,
    support::{person, settings},
};
use ad::{Connection, Error, Server, Settings, Wanted};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// LDAP of the domain controller at an address where its endpoint mapper is ours; answers one after the other.
async fn elsewhere(lab: &Lab, address: &str, answers: &'static [&'static [u8]]) -> Settings {
    let proxy = Proxy::at(address, SocketAddr::new(lab.address(), 389)).await;
    let listener = TcpListener::bind((address, 135)).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            for answer in answers {
                let _ = stream.read(&mut bytes).await;
                let _ = stream.write_all(answer).await;
            }
        }
    });
    Settings {
        server: Some(Server { host: lab.fact("DC_HOST").into(), address: Some(proxy.address()) }),
        timeout: Duration::from_secs(2),
        ..settings(lab, person(lab, "laps.reader"))
    }
}

/// The answer to a bind: one context, accepted, NDR.
const ACCEPTED: &[u8] = &[
    5, 0, 12, 3, 16, 0, 0, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0xd0, 0x16, 0xd0, 0x16, 1, 0, 0, 0, 4, 0, b'1', b'3', b'5', 0,
    0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10,
    0x48, 0x60, 2, 0, 0, 0,
];

/// Samba without the stand-in, a mapper that cuts its answer short or refuses, one that lies about lengths.
#[tokio::test]
async fn a_controller_without_group_keys_is_told_apart_from_one_that_is_broken() {
    let Some(lab) = Lab::running("a_controller_without_group_keys") else { return };
    // EPT_S_NOT_REGISTERED: no towers.
    const NOT_REGISTERED: &[u8] = &[
        5, 0, 2, 3, 16, 0, 0, 0, 64, 0, 0, 0, 2, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xd6, 0xa0, 0xc9, 0x16,
    ];
    const REFUSED: &[u8] = &[5, 0, 13, 3, 16, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0];
    const FAULT: &[u8] =
        &[5, 0, 3, 3, 16, 0, 0, 0, 32, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
    let cases: [(&str, &'static [&'static [u8]], &str); 6] = [
        ("127.0.71.1", &[ACCEPTED, NOT_REGISTERED], "ad_no_key_service"),
        ("127.0.71.2", &[REFUSED], "ad_no_key_service"),
        ("127.0.71.3", &[ACCEPTED, FAULT], "ad_no_key_service"),
        ("127.0.71.4", &[b"\x05\x00\x0c\x03\x10\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00"], "ad_answer_malformed"),
        ("127.0.71.5", &[&[5, 0, 12]], "ad_connection_broke_off"),
        ("127.0.71.6", &[ACCEPTED, b"HTTP/1.1 400 Bad Request"], "ad_answer_malformed"),
    ];
    for (address, answers, code) in cases {
        let settings = elsewhere(&lab, address, answers).await;
        let mut connection = Connection::open(&settings, None).await.unwrap();
        let admins = connection.domain().admins().unwrap();
        let error = connection.group_key(&admins, Wanted::Newest).await.unwrap_err();
        assert_eq!(error.code(), code, "{address}: {error:?}");
        assert_ne!(error.remedy(), "");
    }
    // Nothing listens there at all.
    let proxy = Proxy::at("127.0.71.9", SocketAddr::new(lab.address(), 389)).await;
    let server = Some(Server { host: lab.fact("DC_HOST").into(), address: Some(proxy.address()) });
    let without = Settings { server, ..settings(&lab, person(&lab, "laps.reader")) };
    let mut connection = Connection::open(&without, None).await.unwrap();
    let admins = connection.domain().admins().unwrap();
    let error = connection.group_key(&admins, Wanted::Newest).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    // A root key that the domain does not have.
    let wanted = Wanted::Exactly {
        root_key_id: uuid::Uuid::from_u128(7),
        index: dpapi::gkdi::KeyIndex::new(361, 1, 1).unwrap(),
    };
    let mut reader = crate::support::open_as(&lab, "laps.reader").await;
    let error = reader.group_key(&admins, wanted).await.unwrap_err();
    assert!(matches!(error, Error::KeyRefused { .. }), "{error:?}");
}

//! Servers that are not what they should be: in the wrong TLS, under the wrong name, slow, half, or pretending.

use crate::{
    ad_lab::Lab,
    support::{ENCRYPTED, person, settings},
};
use ad::{Connection, Error, Security, Server, Settings};
use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

async fn refused(settings: &Settings) -> Error {
    match Connection::open(settings, None).await {
        Ok(_) => panic!("connected"),
        Err(error) => error,
    }
}

fn ca(lab: &Lab) -> Option<PathBuf> {
    Some(lab.fact("CA_FILE").into())
}

/// LDAPS and StartTLS: Kerberos bound to the channel (the domain controller takes it in no other way), and the
/// simple bind of a person.
#[tokio::test]
async fn tls_protects_kerberos_and_the_simple_bind() {
    let Some(lab) = Lab::running("tls_protects_kerberos_and_the_simple_bind") else { return };
    for security in [Security::Ldaps { ca: ca(&lab) }, Security::StartTls { ca: ca(&lab) }] {
        let keytab = ad::Credential::Keytab { path: lab.keytab("ws01"), principal: None };
        let machine = Settings { security: security.clone(), ..settings(&lab, keytab) };
        let mut machine = Connection::open(&machine, None).await.unwrap();
        assert_eq!(machine.computer("WS01$", &ENCRYPTED).await.unwrap().dn, lab.fact("DN_WS01"));
        let reader = Settings { security: security.clone(), ..settings(&lab, person(&lab, "laps.reader@laps.test")) };
        let reader = Connection::open(&reader, None).await.unwrap();
        assert_eq!(reader.controller().host, lab.fact("DC_HOST"));
        let wrong = laps::password::Password::new("wrong".into());
        let wrong = ad::Credential::Password { user: "laps.reader@laps.test".into(), password: wrong };
        let wrong = Settings { security, ..settings(&lab, wrong) };
        assert_eq!(refused(&wrong).await.code(), "ad_password_wrong");
    }
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused() {
    let Some(lab) = Lab::running("a_certificate_that_does_not_fit_is_refused") else { return };
    let wrong: PathBuf = lab.fact("WRONG_CA_FILE").into();
    let plain = settings(&lab, person(&lab, "laps.reader"));
    // In a domain with one domain controller its error is the first of those that were tried.
    let first = |error: Error| match error {
        Error::NoneUsable { mut tried, .. } => tried.remove(0).1,
        other => other,
    };
    for security in [
        Security::Ldaps { ca: Some(wrong.clone()) },
        Security::StartTls { ca: Some(wrong) },
        Security::Ldaps { ca: None },
    ] {
        let error = first(refused(&Settings { security, ..plain.clone() }).await);
        assert!(matches!(error, Error::CaUnknown { .. }), "{error:?}");
    }
    let unreadable = Settings { security: Security::Ldaps { ca: Some("/nonexistent".into()) }, ..plain.clone() };
    assert_eq!(refused(&unreadable).await.code(), "ad_ca_unusable");
    let key = Settings { security: Security::Ldaps { ca: Some(lab.keytab("ws01")) }, ..plain.clone() };
    assert_eq!(refused(&key).await.code(), "ad_ca_unusable");
    let server =
        |host: &str, port| Some(Server { host: host.into(), address: Some(SocketAddr::new(lab.address(), port)) });
    for (security, port) in [(Security::Ldaps { ca: ca(&lab) }, 636), (Security::StartTls { ca: ca(&lab) }, 389)] {
        let other = Settings { server: server("dc7.laps.test", port), security, ..plain.clone() };
        let error = refused(&other).await;
        assert!(matches!(&error, Error::CertificateName { controller } if controller == "dc7.laps.test"), "{error:?}");
    }
}

/// Another domain controller than the one that was asked for: Kerberos has no service of that name, or the one that
/// answers says another.
#[tokio::test]
async fn who_answers_under_anothers_name_is_refused() {
    let Some(lab) = Lab::running("who_answers_under_anothers_name_is_refused") else { return };
    let address = SocketAddr::new(lab.address(), 389);
    let named = |host: &str| Settings {
        server: Some(Server { host: host.into(), address: Some(address) }),
        ..settings(&lab, person(&lab, "laps.reader"))
    };
    let error = refused(&named("dc7.laps.test")).await;
    assert!(
        matches!(&error, Error::ServiceUnknown { service } if service == "ldap/dc7.laps.test@LAPS.TEST"),
        "{error:?}"
    );
    let error = refused(&named("dc1")).await;
    assert!(matches!(&error, Error::WrongController { answered, .. } if answered == "dc1.laps.test"), "{error:?}");
    // A real service of the domain that is another's: the domain controller cannot read its ticket.
    let error = refused(&named("bare01.laps.test")).await;
    assert!(matches!(&error, Error::ServiceUnknown { .. } | Error::BindRefused { .. }), "{error:?}");
}

/// A listener that treats every connection in one way.
async fn pretender(answer: &'static [u8], then_close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(answer).await;
            if !then_close {
                // Until the client has had enough.
                while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
            }
        }
    });
    address
}

fn at(lab: &Lab, address: SocketAddr) -> Settings {
    Settings {
        server: Some(Server { host: lab.fact("DC_HOST").into(), address: Some(address) }),
        timeout: Duration::from_millis(1500),
        ..settings(lab, person(lab, "laps.reader"))
    }
}

/// A bind that "succeeds" at its first message would leave the connection clear: nothing is sent on it.
#[tokio::test]
async fn a_bind_that_ends_early_does_not_leave_the_connection_clear() {
    let Some(lab) = Lab::running("a_bind_that_ends_early_does_not_leave_the_connection_clear") else { return };
    // LDAPMessage 1, bindResponse success.
    let address = pretender(&[0x30, 12, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0], false).await;
    let error = refused(&at(&lab, address)).await;
    assert!(matches!(error, Error::NotSealed { .. }), "{error:?}");
}

/// Slow, half and nonsense: each ends within the limit with an error.
#[tokio::test]
async fn a_server_that_is_slow_or_half_ends_in_an_error() {
    let Some(lab) = Lab::running("a_server_that_is_slow_or_half_ends_in_an_error") else { return };
    let silent = at(&lab, pretender(&[], false).await);
    let began = Instant::now();
    let error = refused(&silent).await;
    assert!(matches!(error, Error::TimedOut { doing: "binding", .. }), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    for (answer, what) in [
        (&[0x30, 0x84, 0, 0, 1, 0, 2, 1, 1, 0x61][..], "cut short"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "another protocol"),
        (&[0x30, 5, 2, 1, 1, 0x61, 0], "an empty answer"),
        (&[0x30, 5, 2, 1, 1, 0x65, 0], "the answer to a search"),
        (&[0x30, 0], "an empty message"),
        (&[0x30, 3, 4, 1, 0], "no number"),
    ] {
        let error = refused(&at(&lab, pretender(answer, true).await)).await;
        assert!(
            matches!(error, Error::BrokeOff { .. } | Error::Malformed { .. } | Error::TimedOut { .. }),
            "{what}: {error:?}"
        );
        assert_ne!(error.remedy(), "");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(refused(&at(&lab, nobody)).await, Error::Unreachable { .. }));
}

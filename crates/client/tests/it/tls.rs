//! The right server, the wrong one, and the client's own certificate.

use crate::scripted::{Ca, answer, serve};
use client::{CaFingerprint, Cause, Client, Error, Identity, Settings, Trust};
use laps::time::Timestamp;
use std::{sync::atomic::Ordering, time::Duration};
use zeroize::Zeroizing;

fn ok() -> String {
    answer("200 OK", "", r#"{"wake":true}"#)
}

async fn wait(settings: &Settings) -> Result<bool, Error> {
    let client = Client::new(settings).unwrap();
    client.wait(Duration::from_secs(10)).await.map(|answer| answer.wake)
}

fn cause(outcome: Result<bool, Error>) -> Cause {
    match outcome {
        Err(Error::NoAnswer(none)) => none.cause,
        other => unreachable!("expected no answer, got {other:?}"),
    }
}

#[tokio::test]
async fn a_pinned_ca_and_a_fingerprint_find_the_same_server() {
    let ca = Ca::new();
    let (address, seen) = serve(&ca, ca.issue(|_| {}), vec![ok(), ok(), ok()]).await;
    let pinned = Settings::new(&address, Trust::Pinned(vec![ca.der.clone()]));
    assert_eq!(wait(&pinned).await, Ok(true));
    let by_print = Settings::new(&address, Trust::Fingerprint(CaFingerprint::of(&ca.der)));
    let client = Client::new(&by_print).unwrap();
    assert_eq!(client.ca_certificate(), None);
    for _ in 0..2 {
        assert!(client.wait(Duration::from_secs(10)).await.unwrap().wake);
    }
    assert_eq!(client.ca_certificate().as_deref(), Some(&*ca.der));
    assert_eq!(seen.connections.load(Ordering::SeqCst), 2, "the second client reuses its connection");
    assert_eq!(client::shown_ca_certificate(&address).await, Ok(ca.der));
}

#[tokio::test]
async fn another_ca_is_told_from_another_name_and_from_a_wrong_time() {
    let ca = Ca::new();
    let (address, seen) = serve(&ca, ca.issue(|_| {}), vec![ok()]).await;
    for trust in [Trust::Pinned(vec![Ca::new().der]), Trust::Fingerprint(CaFingerprint::of(b"other"))] {
        assert_eq!(cause(wait(&Settings::new(&address, trust)).await), Cause::WrongCa);
    }
    let mut late = Settings::new(&address, Trust::Pinned(vec![ca.der.clone()]));
    late.clock_floor = Some(Timestamp::MAX);
    assert_eq!(cause(wait(&late).await), Cause::Expired);
    assert!(seen.requests.lock().unwrap().is_empty(), "nothing was sent to a server that is not trusted");

    let named =
        ca.issue(|params| params.subject_alt_names = vec![rcgen::SanType::DnsName("a.test".try_into().unwrap())]);
    let (address, _) = serve(&ca, named, vec![ok()]).await;
    let outcome = wait(&Settings::new(&address, Trust::Pinned(vec![ca.der.clone()]))).await;
    let Err(error) = &outcome else { unreachable!() };
    assert!(error.to_string().contains("another name"), "{error}");
    assert!(matches!(cause(outcome), Cause::WrongName(_)));

    let expired = ca.issue(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let (address, _) = serve(&ca, expired, vec![ok()]).await;
    for trust in [Trust::Pinned(vec![ca.der.clone()]), Trust::Fingerprint(CaFingerprint::of(&ca.der))] {
        assert_eq!(cause(wait(&Settings::new(&address, trust)).await), Cause::Expired);
    }
}

#[tokio::test]
async fn the_device_certificate_is_shown_and_its_refusal_is_told() {
    let ca = Ca::new();
    let (address, seen) = serve(&ca, ca.issue(|_| {}), vec![ok()]).await;
    let mut settings = Settings::new(&address, Trust::Pinned(vec![ca.der.clone()]));
    let (certificate, key) = ca.issue(|_| {});
    settings.identity = Some(Identity { chain: vec![certificate], key: Zeroizing::new(key) });
    assert_eq!(wait(&settings).await, Ok(true));
    assert!(seen.requests.lock().unwrap()[0].1);

    let (certificate, key) = Ca::new().issue(|_| {});
    settings.identity = Some(Identity { chain: vec![certificate], key: Zeroizing::new(key) });
    assert!(matches!(cause(wait(&settings).await), Cause::ClientCertificate(_)));
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_two_things() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let mut settings = Settings::new(&address, Trust::Pinned(vec![Ca::new().der]));
    settings.timeout = Duration::from_millis(200);
    let client = Client::new(&settings).unwrap();
    let Err(Error::NoAnswer(none)) = client.wait(settings.timeout).await else { unreachable!() };
    assert!(matches!(none.cause, Cause::TimedOut(_)), "{none}");
    drop(listener);
    let Err(Error::NoAnswer(none)) = client.wait(settings.timeout).await else { unreachable!() };
    assert!(matches!(none.cause, Cause::Unreachable(_)) && !none.was_sent(), "{none}");
}

//! What breaks around the modify: answers that are lost, domain controllers that are gone, keys that change, values
//! that are not ours (rotation.md 9).

use crate::{
    ad_lab::{Lab, base64},
    proxy::Proxy,
    support::{ENCRYPTED, backup, decrypt, encrypted, now, older, open_as, person, settings},
};
use ad::{Connection, Error, KeyCache, Server, Settings};
use dpapi::gkdi::KeyIndex;
use laps::{
    active_directory::{Attribute, Change, Update, has_arrived},
    time::TICKS_PER_HOUR,
};
use std::{net::SocketAddr, time::Duration};

fn through(lab: &Lab, proxy: &Proxy, user: &str) -> Settings {
    Settings {
        server: Some(Server { host: lab.fact("DC_HOST").into(), address: Some(proxy.address()) }),
        timeout: Duration::from_secs(2),
        ..settings(lab, person(lab, user))
    }
}

/// rotation.md 9: a modify whose answer was lost is unknown until the same domain controller was asked; the same
/// modify may be sent again, and the history does not get the value twice.
#[tokio::test]
async fn a_lost_answer_is_unknown_until_the_same_controller_is_asked() {
    let Some(lab) = Lab::running("a_lost_answer_is_unknown_until_the_same_controller_is_asked") else { return };
    let dn = lab.make_computer("LOST", "Workstations");
    let proxy = Proxy::to(SocketAddr::new(lab.address(), 389)).await;
    let mut cache = KeyCache::default();
    let admins = open_as(&lab, "LOST$").await.domain().admins().unwrap();
    // What happens to the request, and whether the domain controller has made the change then.
    for (what, arrives) in [("cut before the request", false), ("cut after the request", true), ("answer held", true)] {
        let mut machine = Connection::open(&through(&lab, &proxy, "LOST$"), None).await.unwrap();
        let before = machine.computer("LOST$", &ENCRYPTED).await.unwrap().object;
        let at = now();
        let value = encrypted(&mut machine, &mut cache, &admins, "Lost-Answer-1", at).await;
        let (update, version) = backup(&before, &admins, value, at, 12);
        match what {
            "cut before the request" => proxy.swallow_requests(),
            "cut after the request" => proxy.cut_answers(),
            _ => proxy.hold_answers(),
        }
        let error = machine.modify(&dn, &update).await.unwrap_err();
        assert!(error.is_unknown(), "{what}: {error:?}");
        assert_eq!((error.code(), error.event()), ("ad_change_unknown", 10017));
        drop(machine);
        proxy.pass();

        let mut again = Connection::open(&through(&lab, &proxy, "LOST$"), None).await.unwrap();
        assert_eq!(again.controller().host, lab.fact("DC_HOST"));
        let after = again.computer("LOST$", &ENCRYPTED).await.unwrap().object;
        assert_eq!(has_arrived(&after, version, at.plus_days(30)), arrives, "{what}");
        if !arrives {
            assert_eq!(after, before, "{what}");
        }
        // The same modify again, whether it was made or not: it is there once.
        match again.modify(&dn, &update).await {
            Ok(()) => assert!(!arrives, "{what}"),
            Err(error) => assert!(arrives && matches!(error, Error::ChangedMeanwhile { .. }), "{what}: {error:?}"),
        }
        let after = again.computer("LOST$", &ENCRYPTED).await.unwrap().object;
        assert!(has_arrived(&after, version, at.plus_days(30)), "{what}");
        assert_eq!(after.history.len(), before.history.len() + usize::from(before.encrypted.is_some()), "{what}");
    }
}

/// A modify that was held up somewhere does not undo a later one: the object must have the version that was read.
#[tokio::test]
async fn a_modify_of_an_older_reading_is_refused_whole() {
    let Some(lab) = Lab::running("a_modify_of_an_older_reading_is_refused_whole") else { return };
    let dn = lab.make_computer("LATE", "Workstations");
    let mut machine = open_as(&lab, "LATE$").await;
    let admins = machine.resolve_text("LAPS\\LAPSAdmins").await.unwrap();
    let mut cache = KeyCache::default();
    let mut prepared = Vec::new();
    for password in ["First-1", "Late-2", "Third-3"] {
        let object = machine.computer("LATE$", &ENCRYPTED).await.unwrap().object;
        let value = encrypted(&mut machine, &mut cache, &admins, password, now()).await;
        let (update, _) = backup(&object, &admins, value, now(), 3);
        if password != "Late-2" {
            machine.modify(&dn, &update).await.unwrap();
        }
        prepared.push(update);
    }
    let before = machine.computer("LATE$", &ENCRYPTED).await.unwrap();
    let error = machine.modify(&dn, &prepared[1]).await.unwrap_err();
    assert!(matches!(error, Error::ChangedMeanwhile { .. }), "{error:?}");
    assert_eq!((error.code(), error.event(), error.is_unknown()), ("ad_changed_meanwhile", 10017, false));
    assert_eq!(machine.computer("LATE$", &ENCRYPTED).await.unwrap(), before, "nothing of it was made");
}

/// A connection that was lost before the modify was handed over: certainly not made.
#[tokio::test]
async fn a_connection_that_has_ended_takes_no_modify() {
    let Some(lab) = Lab::running("a_connection_that_has_ended_takes_no_modify") else { return };
    let dn = lab.make_computer("ENDED", "Workstations");
    let proxy = Proxy::to(SocketAddr::new(lab.address(), 389)).await;
    let mut machine = Connection::open(&through(&lab, &proxy, "ENDED$"), None).await.unwrap();
    proxy.cut_answers();
    // The question tells that it is over.
    assert!(machine.computer("ENDED$", &ENCRYPTED).await.is_err());
    let change = Change { attribute: Attribute::PasswordExpirationTime, values: vec![b"0".to_vec()] };
    let error = machine.modify(&dn, &Update { changes: vec![change], version: None }).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

/// laps-behaviour.md 4.9: twelve entries, then a setting that shrinks; each opens for its reader.
#[tokio::test]
async fn the_history_fills_and_shrinks_and_opens() {
    let Some(lab) = Lab::running("the_history_fills_and_shrinks_and_opens") else { return };
    let dn = lab.make_computer("HISTORY", "Workstations");
    let mut machine = open_as(&lab, "HISTORY$").await;
    let admins = machine.resolve_text("LAPS\\LAPSAdmins").await.unwrap();
    let mut cache = KeyCache::default();
    let start = now();
    for (n, history_max, kept) in
        (0..14).map(|n| (n, 12, n.min(12))).chain([(14, 3, 3), (15, 3, 3), (16, 0, 0), (17, 2, 1)])
    {
        let at = start.plus_seconds(n);
        let value = encrypted(&mut machine, &mut cache, &admins, &format!("Password-{n}"), at).await;
        let object = machine.computer("HISTORY$", &ENCRYPTED).await.unwrap().object;
        let (update, _) = backup(&object, &admins, value, at, history_max);
        machine.modify(&dn, &update).await.unwrap();
        let mut history = machine.computer("HISTORY$", &ENCRYPTED).await.unwrap().object.history;
        assert_eq!(history.len() as u64, kept, "after {n}");
        history.sort_by_key(|value| value.written_at);
        let times: Vec<_> = history.iter().map(|value| value.written_at).collect();
        let expected: Vec<_> = (n - kept..n).map(|n| Some(start.plus_seconds(n))).collect();
        assert_eq!(times, expected, "after {n}");
        if n == 13 {
            let mut reader = open_as(&lab, "laps.admin").await;
            for (value, m) in history.iter().zip(1..) {
                let secret = decrypt(&mut reader, &value.bytes).await.unwrap();
                assert_eq!(secret.password.reveal(), format!("Password-{m}"));
            }
        }
    }
}

/// A value of 20 kB that is none of LAPS: it is no obstacle, and nothing of the history is lost over it. What is
/// larger than anything that may be read is an error with its name.
#[tokio::test]
async fn a_hostile_value_does_not_stop_a_backup() {
    let Some(lab) = Lab::running("a_hostile_value_does_not_stop_a_backup") else { return };
    let dn = lab.make_computer("HOSTILE", "Workstations");
    let mut machine = open_as(&lab, "HOSTILE$").await;
    let admins = machine.resolve_text("LAPS\\LAPSAdmins").await.unwrap();
    let mut cache = KeyCache::default();
    let written = |bytes: usize| Update {
        changes: vec![Change { attribute: Attribute::EncryptedPassword, values: vec![vec![0xff; bytes]] }],
        version: None,
    };
    let at = now();
    let value = encrypted(&mut machine, &mut cache, &admins, "Before-1", at).await;
    let object = machine.computer("HOSTILE$", &ENCRYPTED).await.unwrap().object;
    let (update, _) = backup(&object, &admins, value, at, 2);
    machine.modify(&dn, &update).await.unwrap();
    machine.modify(&dn, &written(20_000)).await.unwrap();

    let object = machine.computer("HOSTILE$", &ENCRYPTED).await.unwrap().object;
    assert_eq!(object.encrypted.as_ref().map(|value| (value.written_at, value.bytes.len())), Some((None, 20_000)));
    let later = at.plus_seconds(5);
    let value = encrypted(&mut machine, &mut cache, &admins, "After-1", later).await;
    let (update, version) = backup(&object, &admins, value.clone(), later, 2);
    machine.modify(&dn, &update).await.unwrap();
    let object = machine.computer("HOSTILE$", &ENCRYPTED).await.unwrap().object;
    assert!(has_arrived(&object, version, later.plus_days(30)));
    assert_eq!(object.encrypted.unwrap().bytes, value);

    // More than one message holds is not sent at all, and so certainly not made.
    let error = machine.modify(&dn, &written(70_000)).await.unwrap_err();
    assert!(matches!(error, Error::ChangeTooLarge { .. }) && !error.is_unknown(), "{error:?}");
    let large = base64(&[0xff; 70_000]);
    let large = format!(
        "dn: {dn}\nchangetype: modify\nreplace: msLAPS-EncryptedPassword\nmsLAPS-EncryptedPassword:: {large}\n"
    );
    assert!(lab.ldap("ldapmodify", &[], &large).0);
    let error = machine.computer("HOSTILE$", &ENCRYPTED).await.unwrap_err();
    assert!(matches!(error, Error::ValueTooLarge { bytes: 70_000, .. }), "{error:?}");
    assert!(error.remedy().contains("clear the attribute"));
}

/// A key ends with its interval, and what was made in an earlier one still opens.
#[tokio::test]
async fn the_group_key_changes_between_writing_and_reading() {
    let Some(lab) = Lab::running("the_group_key_changes_between_writing_and_reading") else { return };
    let mut machine = open_as(&lab, "WS02$").await;
    let admins = machine.resolve_text("LAPS\\LAPSAdmins").await.unwrap();
    let (mut cache, at) = (KeyCache::default(), now());
    let envelope = cache.newest(&mut machine, &admins, at).await.unwrap();
    assert_eq!(envelope.index, KeyIndex::at(at));
    assert!(cache.has(&admins, at) && !cache.has(&admins, envelope.index.ends_at()));
    assert!(!cache.has(&machine.domain().admins().unwrap(), at));
    // What a machine wrote one interval, one L1 and many intervals ago.
    let mut reader = open_as(&lab, "laps.admin").await;
    for hours in [10, 320, 1000] {
        let index = KeyIndex::at(at.minus_ticks(hours * TICKS_PER_HOUR));
        let value = older(&mut reader, &admins, index, "From-Before-1").await;
        assert_eq!(decrypt(&mut reader, &value).await.unwrap().password.reveal(), "From-Before-1", "{hours} hours ago");
    }
    // One of the future is refused by the domain controller.
    let wanted = ad::Wanted::Exactly {
        root_key_id: envelope.parameters.root_key_id,
        index: KeyIndex::at(at.plus_ticks(20 * TICKS_PER_HOUR)),
    };
    let error = reader.group_key(&admins, wanted).await.unwrap_err();
    assert!(matches!(error, Error::KeyRefused { .. }), "{error:?}");
}

/// Several hundred objects: pages whose answers span sealed frames (Samba's end at 64 KiB).
#[tokio::test]
async fn many_objects_come_through_a_sealed_connection() {
    let Some(lab) = Lab::running("many_objects_come_through_a_sealed_connection") else { return };
    const COUNT: usize = 620;
    let unit = format!("OU=Many,{}", lab.fact("BASE_DN"));
    let mut ldif = format!("dn: {unit}\nobjectClass: organizationalUnit\n\n");
    for n in 0..COUNT {
        ldif += &format!(
            "dn: CN=A-COMPUTER-WITH-A-LONG-NAME-{n:04},{unit}\nobjectClass: computer\nsAMAccountName: MANY{n:04}$\nuserAccountControl: 4096\n\n"
        );
    }
    // On a domain that is used again they are there already.
    lab.ldap("ldapadd", &["-c"], &ldif);
    let mut reader = open_as(&lab, "plain.user").await;
    let found = reader.computers_below(&unit).await.unwrap();
    assert_eq!(found.len(), COUNT);
    // The connection is good for more.
    assert!(reader.computer("MANY0619$", &ENCRYPTED).await.unwrap().dn.ends_with(&unit));
}

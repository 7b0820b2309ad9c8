//! What takes the domain controller down or changes what it is: run alone, behind the others (ci/e2e-ad.sh).

use crate::{
    ad_lab::Lab,
    proxy::Proxy,
    support::{ENCRYPTED, backup, encrypted, now, open_as, person, settings},
};
use ad::{Connection, Error, KeyCache, Server, Settings};
use laps::active_directory::has_arrived;
use std::{net::SocketAddr, time::Duration};

/// rotation.md 9: the domain controller dies around the modify. Before it, in the middle of it, between making it
/// and saying so: what the machine is told, and what the domain controller has when it is back.
#[tokio::test]
async fn the_controller_is_killed_around_the_modify() {
    let Some(lab) = Lab::running_alone("the_controller_is_killed_around_the_modify") else { return };
    let dn = lab.make_computer("KILLED", "Workstations");
    let proxy = Proxy::to(SocketAddr::new(lab.address(), 389)).await;
    let through = Settings {
        server: Some(Server { host: lab.fact("DC_HOST").into(), address: Some(proxy.address()) }),
        timeout: Duration::from_secs(2),
        ..settings(&lab, person(&lab, "KILLED$"))
    };
    let mut cache = KeyCache::default();
    for (when, arrives) in
        [("before the modify", false), ("while it is on its way", false), ("before the answer", true)]
    {
        let mut machine = Connection::open(&through, None).await.unwrap();
        let admins = machine.domain().admins().unwrap();
        let before = machine.computer("KILLED$", &ENCRYPTED).await.unwrap().object;
        let at = now();
        let value = encrypted(&mut machine, &mut cache, &admins, "Killed-1", at).await;
        let (update, version) = backup(&before, &admins, value, at, 12);
        match when {
            "before the modify" => lab.kill(),
            "while it is on its way" => lab.freeze(),
            _ => proxy.hold_answers(),
        }
        let sent = update.clone();
        let object = dn.clone();
        let modify = tokio::spawn(async move { machine.modify(&object, &sent).await });
        match when {
            "before the modify" => {}
            "while it is on its way" => {
                proxy.request_passed().await;
                lab.kill();
            }
            _ => {
                proxy.answer_held().await;
                lab.kill();
            }
        }
        let error = modify.await.unwrap().unwrap_err();
        assert!(error.is_unknown() || when == "before the modify", "{when}: {error:?}");
        // Nobody is there: the same domain controller is waited for, not another asked.
        proxy.pass();
        let Err(gone) = Connection::open(&through, Some(lab.fact("DC_HOST"))).await else {
            panic!("{when}: connected")
        };
        assert!(!gone.is_unknown(), "{gone:?}");
        lab.restart();

        let mut again = Connection::open(&through, Some(lab.fact("DC_HOST"))).await.unwrap();
        let after = again.computer("KILLED$", &ENCRYPTED).await.unwrap().object;
        assert_eq!(has_arrived(&after, version, at.plus_days(30)), arrives, "{when}");
        if !arrives {
            assert_eq!(after, before, "{when}");
        }
        // The same modify again: it is there once, whether it was made before or is now.
        match again.modify(&dn, &update).await {
            Ok(()) => assert!(!arrives, "{when}"),
            Err(error) => assert!(arrives && matches!(error, Error::ChangedMeanwhile { .. }), "{when}: {error:?}"),
        }
        let after = again.computer("KILLED$", &ENCRYPTED).await.unwrap().object;
        assert!(has_arrived(&after, version, at.plus_days(30)), "{when}");
        assert_eq!(after.history.len(), before.history.len() + usize::from(before.encrypted.is_some()), "{when}");
    }
}

/// A domain controller that says it is read-only is not used. Samba is made to say so; a real one is not to be had
/// in the test domain.
#[tokio::test]
async fn a_read_only_controller_is_refused() {
    let Some(lab) = Lab::running_alone("a_read_only_controller_is_refused") else { return };
    lab.kill();
    lab.change_offline("dn: @ROOTDSE\nchangetype: modify\nadd: supportedCapabilities\nsupportedCapabilities: 1.2.840.113556.1.4.1920\n");
    lab.restart();
    let Err(error) = Connection::open(&settings(&lab, person(&lab, "WS02$")), None).await else { panic!("connected") };
    let Error::NoneUsable { tried, .. } = &error else { panic!("{error:?}") };
    assert!(
        matches!(tried.as_slice(), [(_, Error::ReadOnly { controller })] if controller == "dc1.laps.test"),
        "{error:?}"
    );
    assert_eq!(error.event(), 10056);
    assert!(error.remedy().contains("writable"), "{}", error.remedy());
    lab.reset();
    open_as(&lab, "WS02$").await;
}

/// An older domain: the level is read, so that whoever encrypts can refuse (event 10006). A schema without versions
/// is noticed (event 10108), one without LAPS is an error (event 10012).
#[tokio::test]
async fn an_older_level_and_an_older_schema_are_noticed() {
    let Some(lab) = Lab::running_alone("an_older_level_and_an_older_schema_are_noticed") else { return };
    lab.kill();
    lab.change_offline(
        "dn: DC=laps,DC=test\nchangetype: modify\nreplace: msDS-Behavior-Version\nmsDS-Behavior-Version: 6\n",
    );
    // The same attribute under a name that nobody looks for.
    let renamed = |cn: &str, name: &str| {
        format!(
            "dn: CN={cn},CN=Schema,CN=Configuration,DC=laps,DC=test\nchangetype: modify\nreplace: lDAPDisplayName\nlDAPDisplayName: {name}\n"
        )
    };
    lab.change_offline(&renamed("ms-LAPS-CurrentPasswordVersion", "hiddenVersion"));
    lab.restart();
    let mut machine = open_as(&lab, "WS02$").await;
    assert_eq!(machine.domain().functional_level, 6);
    assert!(!machine.computer("WS02$", &ENCRYPTED).await.unwrap().object.has_version);
    lab.kill();
    lab.change_offline(&renamed("ms-LAPS-EncryptedPassword", "hiddenPassword"));
    lab.restart();
    let error = open_as(&lab, "WS02$").await.computer("WS02$", &ENCRYPTED).await.unwrap_err();
    assert!(matches!(error, Error::SchemaMissing { attribute: "msLAPS-EncryptedPassword" }), "{error:?}");
    assert_eq!(error.event(), 10012);
    lab.reset();
}

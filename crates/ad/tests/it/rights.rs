//! Who may do what in the directory, and what the others see of it (laps-behaviour.md 7.2).

use crate::{
    ad_lab::Lab,
    support::{ENCRYPTED, backup, decrypt, encrypted, now, open_as},
};
use ad::{Error, KeyCache};
use laps::active_directory::{Attribute, Change, Update, WantedForm};

/// One machine may not touch another, and one without rights gets the remedy (event 10065).
#[tokio::test]
async fn a_machine_writes_to_itself_only() {
    let Some(lab) = Lab::running("a_machine_writes_to_itself_only") else { return };
    let (own, _) = (lab.make_computer("OWN", "Workstations"), lab.make_computer("OTHER", "Workstations"));
    let mut machine = open_as(&lab, "OWN$").await;
    let other = machine.computer("OTHER$", &ENCRYPTED).await.unwrap();
    let admins = machine.domain().admins().unwrap();
    let at = now();
    let value = encrypted(&mut machine, &mut KeyCache::default(), &admins, "Password-of-OWN", at).await;
    let (update, _) = backup(&other.object, &admins, value.clone(), at, 3);
    let error = machine.modify(&other.dn, &update).await.unwrap_err();
    assert!(matches!(&error, Error::NoRights { dn, .. } if *dn == other.dn), "{error:?}");
    assert!(!error.is_unknown());
    machine.modify(&own, &update).await.unwrap();
    // What it wrote it may read, for the history; another machine sees nothing of it.
    let mut other = open_as(&lab, "OTHER$").await;
    let seen = other.computer("OWN$", &ENCRYPTED).await.unwrap().object;
    assert_eq!((seen.encrypted, seen.version, seen.history.len()), (None, None, 0));
    assert_eq!(machine.computer("OWN$", &ENCRYPTED).await.unwrap().object.encrypted.unwrap().bytes, value);

    let mut bare = open_as(&lab, "BARE01$").await;
    let computer = bare.computer("BARE01$", &ENCRYPTED).await.unwrap();
    assert_eq!(computer.dn, lab.fact("DN_BARE01"));
    let (update, _) = backup(&computer.object, &admins, value, at, 0);
    let error = bare.modify(&computer.dn, &update).await.unwrap_err();
    assert_eq!((error.code(), error.event()), ("ad_no_rights", 10065));
    assert!(error.remedy().ends_with("lapwing ad permit self 'OU=NoLapsRights,DC=laps,DC=test'"), "{}", error.remedy());
}

/// Confidential means: no value, and no filter that finds it either.
#[tokio::test]
async fn who_may_not_read_sees_nothing_in_filters_too() {
    let Some(lab) = Lab::running("who_may_not_read_sees_nothing_in_filters_too") else { return };
    let dn = lab.make_computer("HIDDEN", "Workstations");
    let mut machine = open_as(&lab, "HIDDEN$").await;
    let admins = machine.resolve_text("LAPSAdmins@laps.test").await.unwrap();
    let at = now();
    let value = encrypted(&mut machine, &mut KeyCache::default(), &admins, "Hidden-1", at).await;
    let computer = machine.computer("HIDDEN$", &ENCRYPTED).await.unwrap();
    let (mut update, _) = backup(&computer.object, &admins, value, at, 3);
    update.changes.push(Change {
        attribute: Attribute::Password,
        values: vec![b"{\"n\":\"root\",\"t\":\"1\",\"p\":\"Clear-1\"}".to_vec()],
    });
    machine.modify(&dn, &update).await.unwrap();
    let filter = "(|(msLAPS-EncryptedPassword=*)(msLAPS-Password=*)(msLAPS-CurrentPasswordVersion=*))";
    let base = lab.fact("BASE_DN");
    for (user, may) in [(lab.fact("LAPS_ADMIN"), true), (lab.fact("HELPDESK"), false), (lab.fact("PLAIN_USER"), false)]
    {
        let (done, found) =
            lab.ldap_as(user, "ldapsearch", &["-LLL", "-b", base, &format!("(&(cn=HIDDEN){filter})"), "cn"], "");
        assert_eq!((done, found.contains("cn: HIDDEN")), (true, may), "{user}: {found}");
        let mut person = open_as(&lab, user).await;
        let seen = person.computer("HIDDEN$", &ENCRYPTED).await.unwrap().object;
        assert_eq!(seen.encrypted.is_some(), may, "{user}");
        // When it is due is no secret.
        assert_eq!(seen.expires_at, Some(at.plus_days(30)), "{user}");
    }
}

/// A member of the principal decrypts; who may read the attribute and is no member gets no key that opens it.
#[tokio::test]
async fn only_members_of_the_principal_decrypt() {
    let Some(lab) = Lab::running("only_members_of_the_principal_decrypt") else { return };
    lab.make_computer("MEMBERS", "Workstations");
    let mut machine = open_as(&lab, "MEMBERS$").await;
    let admins = machine.resolve_text("LAPS.TEST\\LAPSAdmins").await.unwrap();
    let at = now();
    let value = encrypted(&mut machine, &mut KeyCache::default(), &admins, "For-Admins-1", at).await;
    let mut member = open_as(&lab, "laps.admin").await;
    assert_eq!(decrypt(&mut member, &value).await.unwrap().password.reveal(), "For-Admins-1");
    for outsider in ["laps.reader", "MEMBERS$", "domain.admin"] {
        let mut outsider = open_as(&lab, outsider).await;
        // The machine itself cannot open what it wrote.
        assert!(!crate::support::may_open(&mut outsider, &value).await);
    }
}

/// laps-behaviour.md 4.3 step 9; events 10034 and 10035.
#[tokio::test]
async fn principals_are_found_by_every_kind_of_name() {
    let Some(lab) = Lab::running("principals_are_found_by_every_kind_of_name") else { return };
    let mut connection = open_as(&lab, "WS02$").await;
    let sid = lab.fact("SID_LAPSADMINS");
    for name in [sid, "LAPS\\LAPSAdmins", "laps\\lapsadmins", "LAPS.TEST\\LAPSAdmins", "LAPSAdmins@laps.test"] {
        assert_eq!(connection.resolve_text(name).await.unwrap().to_string(), sid, "{name}");
    }
    assert_eq!(connection.resolve_text("BUILTIN\\Administrators").await.unwrap().to_string(), "S-1-5-32-544");
    let admins = format!("{}-512", lab.fact("DOMAIN_SID"));
    assert_eq!(connection.domain().admins().unwrap().to_string(), admins);
    assert_eq!(connection.resolve_text("LAPS\\Domain Admins").await.unwrap().to_string(), admins);
    for (name, event) in [
        ("LAPSAdmins", 10034),
        ("LAPS\\nobody", 10035),
        ("nobody@laps.test", 10035),
        ("OTHER\\LAPSAdmins", 10035),
        ("someone@other.test", 10035),
        ("LAPS\\*", 10035),
        ("LAPS\\LAPSAdmins)(cn=*", 10035),
        ("\"LAPS\\LAPSAdmins\"", 10035),
    ] {
        let error = connection.resolve_text(name).await.unwrap_err();
        assert_eq!(error.event(), event, "{name}: {error}");
        assert_ne!(error.remedy(), "");
    }
}

/// Clear text and legacy: the machine writes what it may not read.
#[tokio::test]
async fn the_other_forms_are_written_too() {
    let Some(lab) = Lab::running("the_other_forms_are_written_too") else { return };
    let dn = lab.make_computer("FORMS", "Servers");
    let mut machine = open_as(&lab, "FORMS$").await;
    let at = now();
    for (form, attribute, expiry) in [
        (WantedForm::Clear, Attribute::Password, Attribute::PasswordExpirationTime),
        (WantedForm::Legacy, Attribute::LegacyPassword, Attribute::LegacyExpirationTime),
    ] {
        let one = |attribute, value: &str| Change { attribute, values: vec![value.into()] };
        let changes = vec![one(attribute, "Clear-Text-1"), one(expiry, &at.ticks().to_string())];
        machine.modify(&dn, &Update { changes, version: None }).await.unwrap();
        let computer = machine.computer("FORMS$", &form).await.unwrap();
        assert_eq!(computer.object.expires_at, Some(at));
        let (_, seen) =
            lab.ldap_as(lab.fact("LAPS_READER"), "ldapsearch", &["-LLL", "-b", &dn, "(cn=*)", attribute.name()], "");
        assert!(seen.contains(&format!("{}: Clear-Text-1", attribute.name())), "{seen}");
        let (_, seen) =
            lab.ldap_as("FORMS$@LAPS.TEST", "ldapsearch", &["-LLL", "-b", &dn, "(cn=*)", attribute.name()], "");
        assert!(!seen.contains("Clear-Text-1"), "{seen}");
    }
}

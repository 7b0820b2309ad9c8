//! From a keytab to a password that its reader opens: the whole way of one backup.

use crate::{
    ad_lab::Lab,
    support::{ENCRYPTED, backup, decrypt, encrypted, now, open_as, settings},
};
use ad::{Connection, Credential, KeyCache};
use laps::active_directory::has_arrived;

/// laps-behaviour.md 4.3, all of it: sealed with the machine's keytab, one modify, read back by a reader.
#[tokio::test]
async fn a_backup_is_read_by_its_reader() {
    let Some(lab) = Lab::running("a_backup_is_read_by_its_reader") else { return };
    let credential = Credential::Keytab { path: lab.keytab("ws01"), principal: None };
    let mut machine = Connection::open(&settings(&lab, credential), None).await.unwrap();
    assert_eq!(machine.controller().host, "dc1.laps.test");
    assert_eq!(machine.domain().functional_level, 7);
    assert_eq!(machine.domain().netbios_name, "LAPS");
    assert_eq!(machine.domain().sid.to_string(), lab.fact("DOMAIN_SID"));

    let readers = machine.resolve_text("LAPS\\LAPSAdmins").await.unwrap();
    assert_eq!(readers.to_string(), lab.fact("SID_LAPSADMINS"));
    let computer = machine.computer("WS01$", &ENCRYPTED).await.unwrap();
    assert_eq!(computer.dn, lab.fact("DN_WS01"));
    let (mut cache, at) = (KeyCache::default(), now());
    let value = encrypted(&mut machine, &mut cache, &readers, "Correct-Horse-7", at).await;
    assert!(cache.has(&readers, at));
    let (update, version) = backup(&computer.object, &readers, value.clone(), at, 3);
    machine.modify(&computer.dn, &update).await.unwrap();
    let after = machine.computer("WS01$", &ENCRYPTED).await.unwrap().object;
    assert!(has_arrived(&after, version, at.plus_days(30)));
    assert_eq!(after.encrypted.unwrap().bytes, value);

    let mut reader = open_as(&lab, "laps.admin").await;
    let seen = reader.computer("WS01$", &ENCRYPTED).await.unwrap().object;
    let secret = decrypt(&mut reader, &seen.encrypted.unwrap().bytes).await.unwrap();
    assert_eq!((secret.account.as_str(), secret.password.reveal(), secret.updated_at), ("root", "Correct-Horse-7", at));
}

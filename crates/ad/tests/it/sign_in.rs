//! Who the caller is: keytabs, passwords, tickets, clocks, and what each fault is called.

use crate::{
    ad_lab::Lab,
    support::{is_child, keytab_bytes, open_as, person, settings},
};
use ad::{Connection, Credential, Error};
use laps::password::Password;
use std::path::Path;

async fn refused(lab: &Lab, credential: Credential) -> Error {
    match Connection::open(&settings(lab, credential), None).await {
        Ok(_) => panic!("signed in"),
        Err(error) => error,
    }
}

/// Keytabs that cannot be used are told apart before anybody is asked.
#[tokio::test]
async fn a_keytab_that_does_not_fit_is_refused() {
    let Some(lab) = Lab::running("a_keytab_that_does_not_fit_is_refused") else { return };
    let folder = tempfile::tempdir().unwrap();
    let keytab = |path: &Path, principal: Option<&str>| Credential::Keytab {
        path: path.to_owned(),
        principal: principal.map(str::to_owned),
    };
    let error = refused(&lab, keytab(&lab.keytab("srv01"), Some("WS01$"))).await;
    let Error::KeytabWithoutAccount { wanted, holds, .. } = &error else { panic!("{error}") };
    assert_eq!((wanted.as_str(), holds.as_slice()), ("WS01$@LAPS.TEST", &["SRV01$@LAPS.TEST".to_owned()][..]));
    assert_eq!((error.code(), error.event()), ("ad_keytab_without_account", 10057));

    let other = folder.path().join("other.keytab");
    std::fs::write(&other, keytab_bytes("WS01$", "ELSEWHERE.TEST", 1)).unwrap();
    assert_eq!(refused(&lab, keytab(&other, None)).await.code(), "ad_keytab_without_account");
    let garbage = folder.path().join("garbage.keytab");
    std::fs::write(&garbage, b"\x05\x02\x00\x00\xff\xff no keytab").unwrap();
    let error = refused(&lab, keytab(&garbage, None)).await;
    assert!(matches!(error, Error::KeytabMalformed { offset: 6, .. }), "{error}");
    assert_eq!(refused(&lab, keytab(&folder.path().join("none"), None)).await.code(), "ad_keytab_unreadable");
    // The process must have been started with it.
    let error = refused(&lab, keytab(&lab.keytab("srv01"), None)).await;
    assert!(matches!(error, Error::Environment { variable: "KRB5_CLIENT_KTNAME", .. }), "{error}");
}

/// The keytab of a machine whose password was changed elsewhere.
#[tokio::test]
async fn an_outdated_keytab_is_named() {
    const TEST: &str = "sign_in::an_outdated_keytab_is_named";
    let Some(lab) = Lab::running(TEST) else { return };
    let path = std::env::temp_dir().join("lapwing-ad-outdated.keytab");
    std::fs::write(&path, keytab_bytes("WS02$", "LAPS.TEST", 7)).unwrap();
    let name = format!("FILE:{}", path.display());
    if !is_child(TEST, &[("KRB5_CLIENT_KTNAME", &name)]) {
        return;
    }
    let error = refused(&lab, Credential::Keytab { path, principal: None }).await;
    assert!(
        matches!(&error, Error::KeytabOutdated { principal, version: 7, .. } if principal == "WS02$@LAPS.TEST"),
        "{error:?}"
    );
    assert!(error.remedy().contains("join the machine again"), "{}", error.remedy());
}

#[tokio::test]
async fn an_account_that_is_gone_or_disabled_is_named() {
    const TEST: &str = "sign_in::an_account_that_is_gone_or_disabled_is_named";
    let Some(lab) = Lab::running(TEST) else { return };
    let path = std::env::temp_dir().join("lapwing-ad-gone.keytab");
    std::fs::write(&path, keytab_bytes("GONE$", "LAPS.TEST", 1)).unwrap();
    let name = format!("FILE:{}", path.display());
    if !is_child(TEST, &[("KRB5_CLIENT_KTNAME", &name)]) {
        return;
    }
    let error = refused(&lab, Credential::Keytab { path, principal: None }).await;
    assert!(matches!(&error, Error::AccountUnknown { principal } if principal == "GONE$@LAPS.TEST"), "{error:?}");
    let dn = lab.make_computer("DISABLED", "Workstations");
    let change = format!("dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 4098\n");
    assert!(lab.ldap("ldapmodify", &[], &change).0);
    assert_eq!(refused(&lab, person(&lab, "DISABLED$")).await.code(), "ad_account_disabled");
}

#[tokio::test]
async fn a_wrong_password_and_a_right_one() {
    let Some(lab) = Lab::running("a_wrong_password_and_a_right_one") else { return };
    let wrong = Credential::Password { user: "laps.reader".into(), password: Password::new("wrong".into()) };
    let error = refused(&lab, wrong).await;
    assert!(matches!(&error, Error::PasswordWrong { principal } if principal == "laps.reader@LAPS.TEST"), "{error:?}");
    assert_eq!(refused(&lab, person(&lab, "no.body")).await.code(), "ad_account_unknown");
    let connection = open_as(&lab, "laps.reader@laps.test").await;
    assert!(connection.server_time().await.unwrap() > laps::time::Timestamp::from_unix_ms(0));
}

#[tokio::test]
async fn no_tickets_and_no_kerberos_server_are_told_apart() {
    const TEST: &str = "sign_in::no_tickets_and_no_kerberos_server_are_told_apart";
    let Some(lab) = Lab::running(TEST) else { return };
    let folder = std::env::temp_dir().join("lapwing-ad-no-kdc.conf");
    let config = std::fs::read_to_string(std::env::var_os("KRB5_CONFIG").unwrap()).unwrap();
    // Nothing listens there.
    let of_kdc = |line: &&str| line.trim_start().starts_with("kdc = ");
    let config = config.lines().filter(|line| !of_kdc(line)).collect::<Vec<_>>().join("\n");
    let config = config.replace("LAPS.TEST = {", "LAPS.TEST = {\nkdc = 127.0.0.1:1");
    std::fs::write(&folder, config).unwrap();
    let config = folder.to_string_lossy().into_owned();
    if !is_child(TEST, &[("KRB5_CLIENT_KTNAME", "FILE:/nonexistent"), ("KRB5_CONFIG", &config)]) {
        return;
    }
    assert_eq!(refused(&lab, Credential::Cache).await.code(), "ad_no_tickets");
    let error = refused(&lab, person(&lab, "laps.admin")).await;
    assert!(matches!(&error, Error::KdcUnreachable { realm, .. } if realm == "LAPS.TEST"), "{error:?}");
}

/// A clock that is off by more than the domain allows, in a Kerberos that does not correct it by itself.
#[tokio::test]
async fn a_clock_that_is_off_is_named() {
    const TEST: &str = "sign_in::a_clock_that_is_off_is_named";
    let Some(lab) = Lab::running(TEST) else { return };
    let library = Path::new("/usr/lib").join(format!("{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH));
    if !library.exists() {
        println!("SKIPPED {TEST}: libfaketime is not installed");
        return;
    }
    let path = std::env::temp_dir().join("lapwing-ad-clock.conf");
    let config = std::fs::read_to_string(std::env::var_os("KRB5_CONFIG").unwrap()).unwrap();
    std::fs::write(&path, config.replace("[libdefaults]", "[libdefaults]\nkdc_timesync = 0")).unwrap();
    let (config, library) = (path.to_string_lossy().into_owned(), library.to_string_lossy().into_owned());
    if !is_child(TEST, &[("KRB5_CONFIG", &config), ("LD_PRELOAD", &library), ("FAKETIME", "+20m")]) {
        return;
    }
    let error = refused(&lab, person(&lab, "laps.reader")).await;
    assert!(matches!(error, Error::ClockSkew), "{error:?}");
    assert!(error.remedy().contains("clock"));
}

//! What administrators do, against the real domain: rights that are given and taken away, and passwords of every form
//! as each kind of reader sees them.

use crate::{
    ad_lab::{Lab, base64},
    support::{encrypted, now, open_as, person, settings},
};
use ad::{
    Connection, Error, KeyCache, Security, Settings, Sid,
    admin::{
        AdminError, List,
        ace::flag,
        change::{Action, Change, Direction},
        grant::{Grant, Purpose, SELF, audits, grants},
        password::{Absence, Decryption, Keys, Reading, Source},
        rights::{Basis, Place, Reach, Right, Verdict, holders, verdict},
        schema::State,
    },
};
use laps::time::Timestamp;

/// An organizational unit of the test's own with one computer in it; both names.
fn unit_with_computer(lab: &Lab, name: &str) -> (String, String) {
    let base = lab.fact("BASE_DN");
    let unit = format!("OU={name},{base}");
    let dn = format!("CN={name},{unit}");
    lab.ldap("ldapdelete", &["-r", &unit], "");
    let quoted: Vec<u8> = format!("\"{}\"", lab.fact("PASSWORD")).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let made = lab.ldap(
        "ldapadd",
        &[],
        &format!(
            "dn: {unit}\nobjectClass: organizationalUnit\n\ndn: {dn}\nobjectClass: computer\nsAMAccountName: {name}$\n\
             dNSHostName: {name}.laps.test\nuserAccountControl: 4096\nunicodePwd:: {}\n",
            base64(&quoted)
        ),
    );
    assert!(made.0, "{}", made.1);
    (unit, dn)
}

/// Puts values on an object as the domain's Administrator.
fn put(lab: &Lab, dn: &str, values: &[(&str, &[u8])]) {
    let mut text = format!("dn: {dn}\nchangetype: modify\n");
    for (attribute, value) in values {
        text.push_str(&format!("replace: {attribute}\n{attribute}:: {}\n-\n", base64(value)));
    }
    let changed = lab.ldap("ldapmodify", &[], &text);
    assert!(changed.0, "{}", changed.1);
}

/// Whether a computer may write its own expiry and read its own encrypted attributes.
fn writes_its_own(lab: &Lab, name: &str, dn: &str) -> bool {
    let text = format!(
        "dn: {dn}\nchangetype: modify\nreplace: msLAPS-PasswordExpirationTime\nmsLAPS-PasswordExpirationTime: 133000000000000000\n-\n\
         replace: msLAPS-EncryptedPassword\nmsLAPS-EncryptedPassword: x\n-\nreplace: msLAPS-Password\nmsLAPS-Password: x\n-\n"
    );
    let (done, said) = lab.ldap_as(&format!("{name}$@LAPS.TEST"), "ldapmodify", &[], &text);
    assert!(done || said.contains("Insufficient access (50)"), "{said}");
    done
}

async fn wanted(connection: &Connection, purpose: Purpose, trustee: &Sid) -> Vec<Grant> {
    grants(&connection.forest_schema().await.unwrap(), purpose, trustee, true).unwrap()
}

fn actions(changes: &[Change]) -> Vec<Action> {
    changes.iter().map(|change| change.action).collect()
}

/// laps-behaviour.md 7.2 and 11.1, row 15: a computer without rights gets them, and loses exactly these again.
#[tokio::test]
async fn rights_of_computers_are_given_and_taken_away_exactly() {
    let Some(lab) = Lab::running("rights_of_computers_are_given_and_taken_away_exactly") else { return };
    let (unit, dn) = unit_with_computer(&lab, "PermitSelf");
    let admin = open_as(&lab, "domain.admin").await;
    assert!(!writes_its_own(&lab, "PermitSelf", &dn));
    let before = admin.permissions(&unit).await.unwrap();
    let wanted = wanted(&admin, Purpose::Store, &SELF.parse().unwrap()).await;

    let changes = admin.planned(&unit, List::Permissions, wanted.clone(), Direction::Add).await.unwrap();
    assert_eq!(actions(&changes), [Action::Add; 5]);
    assert_eq!(admin.permissions(&unit).await.unwrap(), before, "a plan writes nothing");
    admin.carry_out(&unit, List::Permissions, &changes).await.unwrap();
    assert!(writes_its_own(&lab, "PermitSelf", &dn));
    let again = admin.planned(&unit, List::Permissions, wanted.clone(), Direction::Add).await.unwrap();
    assert_eq!(actions(&again), [Action::Present; 5]);
    // Another computer's attributes stay closed.
    let other = lab.fact("DN_WS01").to_owned();
    assert!(!writes_its_own(&lab, "PermitSelf", &other));

    let back = admin.planned(&unit, List::Permissions, wanted, Direction::Remove).await.unwrap();
    admin.carry_out(&unit, List::Permissions, &back).await.unwrap();
    assert_eq!(admin.permissions(&unit).await.unwrap(), before, "exactly as it was");
    assert!(!writes_its_own(&lab, "PermitSelf", &dn));

    let plain = open_as(&lab, "plain.user").await;
    let error = plain.carry_out(&unit, List::Permissions, &changes).await.unwrap_err();
    assert!(matches!(error, AdminError::Directory(Error::NoRights { .. })), "{error}");
}

/// laps-behaviour.md 7.2: reading takes the entries; decrypting takes being the principal; both are needed.
#[tokio::test]
async fn a_new_group_reads_what_it_is_permitted_to() {
    let Some(lab) = Lab::running("a_new_group_reads_what_it_is_permitted_to") else { return };
    let (unit, dn) = unit_with_computer(&lab, "PermitRead");
    let base = lab.fact("BASE_DN");
    let (group, member) = (format!("CN=PermitReaders,OU=People,{base}"), format!("CN=plain.user,OU=People,{base}"));
    lab.ldap("ldapdelete", &[&group], "");
    let made = lab.ldap(
        "ldapadd",
        &[],
        &format!("dn: {group}\nobjectClass: group\nsAMAccountName: PermitReaders\nmember: {member}\n"),
    );
    assert!(made.0, "{}", made.1);

    let mut admin = open_as(&lab, "domain.admin").await;
    let readers = admin.resolve_text("LAPS\\PermitReaders").await.unwrap();
    let value = encrypted(&mut admin, &mut KeyCache::default(), &readers, "Group-Secret-1", now()).await;
    put(&lab, &dn, &[("msLAPS-EncryptedPassword", &value), ("msLAPS-PasswordExpirationTime", b"133000000000000000")]);

    let mut person = open_as(&lab, "plain.user").await;
    let schema = person.forest_schema().await.unwrap();
    let seen = person.password_of("PermitRead", true, &mut Keys::of_controller()).await.unwrap();
    assert_eq!((seen.len(), seen[0].source), (1, Source::PasswordMissing));
    assert_eq!(
        person.absence(&dn, &schema).await.unwrap(),
        Absence::NoRight(vec![Right::ReadClearText, Right::ReadEncrypted, Right::ReadLegacy])
    );

    let wanted = wanted(&admin, Purpose::Read, &readers).await;
    let changes = admin.planned(&unit, List::Permissions, wanted, Direction::Add).await.unwrap();
    admin.carry_out(&unit, List::Permissions, &changes).await.unwrap();
    // A connection keeps the groups that it was opened with.
    let mut person = open_as(&lab, "plain.user").await;
    let seen = person.password_of("permitread.laps.test", true, &mut Keys::of_controller()).await.unwrap();
    let [reading] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((reading.source, &reading.decryption), (Source::EncryptedPassword, &Decryption::Success));
    assert_eq!(reading.password.as_ref().unwrap().reveal(), "Group-Secret-1");
    assert_eq!(reading.decryptor.as_deref(), Some("LAPS\\PermitReaders"));
    assert_eq!(reading.expires_at, Some(Timestamp::from_ticks(133_000_000_000_000_000)));

    // The domain's administrators read the value and are not its principal.
    let seen = admin.password_of("PermitRead$", false, &mut Keys::of_controller()).await.unwrap();
    assert_eq!(seen[0].decryption, Decryption::Unauthorized);
    assert_eq!(
        (seen[0].password.is_none(), seen[0].account.is_none(), seen[0].updated_at.is_some()),
        (true, true, true)
    );
    // They may read the root key, though: the last resort when the group is gone.
    let seen = admin.password_of(&dn, false, &mut Keys::of_root_key()).await.unwrap();
    assert_eq!(seen[0].password.as_ref().unwrap().reveal(), "Group-Secret-1");
    let seen = person.password_of("PermitRead", false, &mut Keys::of_root_key()).await.unwrap();
    assert_eq!(seen[0].decryption.name(), "Error");
    assert!(matches!(&seen[0].decryption, Decryption::Error(said) if said.contains("may not read it")), "{seen:?}");

    // By which entry, and through whom.
    let permissions = admin.permissions(&unit).await.unwrap();
    let person = sid_of(&mut admin, "LAPS\\plain.user").await;
    let token = admin.token_of(&person).await.unwrap();
    let given =
        verdict(&schema, permissions.dacl.as_ref().unwrap(), &token, Right::ReadEncrypted, Place::ComputerBelow);
    assert!(matches!(given, Verdict::Allowed(rule) if rule.trustee == readers), "{given:?}");
}

async fn sid_of(connection: &mut Connection, name: &str) -> Sid {
    connection.resolve_text(name).await.unwrap()
}

/// laps-behaviour.md 9, Find-LapsADExtendedRights.
#[tokio::test]
async fn rights_name_the_entry_that_gives_them() {
    let Some(lab) = Lab::running("rights_name_the_entry_that_gives_them") else { return };
    let admin = open_as(&lab, "plain.user").await;
    let schema = admin.forest_schema().await.unwrap();
    let unit = admin.unit("LapsLab").await.unwrap();
    assert_eq!(unit.dn, lab.fact("LAB_OU"));
    let found = holders(&schema, &admin.permissions(&unit.dn).await.unwrap());
    let of = |sid: &str| found.iter().filter(|holder| holder.trustee.to_string() == sid).collect::<Vec<_>>();
    let group = of(lab.fact("SID_LAPSADMINS"));
    assert!(group.iter().all(|holder| holder.reach == Reach::Computers && !holder.is_inherited));
    let bases: Vec<_> = group.iter().map(|holder| (&holder.basis, holder.rights[0])).collect();
    assert!(bases.contains(&(&Basis::PropertySet, Right::ReadEncrypted)), "{bases:?}");
    assert!(bases.contains(&(&Basis::Attribute("msLAPS-Password".to_owned()), Right::ReadClearText)), "{bases:?}");
    let admins = of(&format!("{}-512", lab.fact("DOMAIN_SID")));
    assert!(admins.iter().any(|holder| holder.basis == Basis::FullControl && holder.rights == Right::ALL));
    let help_desk = of(lab.fact("SID_HELPDESK"));
    assert!(help_desk.iter().all(|holder| holder.rights == [Right::SetExpiry]), "{help_desk:?}");
    assert_eq!(admin.name_of(&help_desk[0].trustee).await.unwrap(), "LAPS\\Helpdesk");
    assert_eq!(admin.name_of(&"S-1-5-32-544".parse().unwrap()).await.unwrap(), "BUILTIN\\Administrators");
    assert_eq!(admin.name_of(&"S-1-5-21-1-2-3-4".parse().unwrap()).await.unwrap(), "S-1-5-21-1-2-3-4");
    assert!(admin.computers_below(&unit.dn).await.unwrap().iter().any(|computer| computer.name == "WS01"));
    let error = admin.unit("NoSuchUnit").await.unwrap_err();
    assert!(matches!(error, AdminError::NotFound { .. }), "{error}");
}

fn shape(readings: &[Reading]) -> Vec<(Source, &'static str, Option<&str>)> {
    readings
        .iter()
        .map(|reading| {
            (reading.source, reading.decryption.name(), reading.password.as_ref().map(|password| password.reveal()))
        })
        .collect()
}

/// laps-behaviour.md 7.3, 7.4, 7.12, 9: each form, in its order, as each kind of reader sees it.
#[tokio::test]
async fn every_form_of_a_password_is_read_by_those_who_may() {
    let Some(lab) = Lab::running("every_form_of_a_password_is_read_by_those_who_may") else { return };
    let dn = lab.make_computer("GetForms", "Workstations");
    let mut reader = open_as(&lab, "laps.admin").await;
    let readers = sid_of(&mut reader, "LAPS\\LAPSAdmins").await;
    let schema = reader.forest_schema().await.unwrap();
    let mut keys = Keys::of_controller();
    assert_eq!(
        shape(&reader.password_of("GetForms", true, &mut keys).await.unwrap()),
        [(Source::PasswordMissing, "NotApplicable", None)]
    );
    assert_eq!(reader.absence(&dn, &schema).await.unwrap(), Absence::NotStored);

    put(&lab, &dn, &[("ms-Mcs-AdmPwd", b"legacy"), ("ms-Mcs-AdmPwdExpirationTime", b"133000000000000000")]);
    let seen = reader.password_of("GetForms", true, &mut keys).await.unwrap();
    assert_eq!(shape(&seen), [(Source::LegacyLapsCleartextPassword, "NotApplicable", Some("legacy"))]);
    assert_eq!((seen[0].account.as_deref(), seen[0].expires_at.is_some()), (None, true));

    put(&lab, &dn, &[("msLAPS-Password", br#"{"n":"Administrator","t":"1d8161b41c41cde","p":"clear"}"#)]);
    let seen = reader.password_of("GetForms", true, &mut keys).await.unwrap();
    assert_eq!(shape(&seen), [(Source::CleartextPassword, "NotApplicable", Some("clear"))]);
    assert_eq!(seen[0].updated_at, Some(Timestamp::from_ticks(0x1d8_161b_41c4_1cde)));

    let mut cache = KeyCache::default();
    let at = now();
    let mut values = Vec::new();
    for (place, password) in ["dsrm", "dsrm before", "current", "newer", "older"].iter().enumerate() {
        let at = at.minus_ticks(u64::try_from(place).unwrap() * 10_000_000);
        values.push(encrypted(&mut reader, &mut cache, &readers, password, at).await);
    }
    put(
        &lab,
        &dn,
        &[("msLAPS-EncryptedDSRMPassword", &values[0]), ("msLAPS-EncryptedDSRMPasswordHistory", &values[1])],
    );
    let seen = reader.password_of("GetForms", true, &mut keys).await.unwrap();
    let dsrm = [
        (Source::EncryptedDsrmPassword, "Success", Some("dsrm")),
        (Source::EncryptedDsrmPasswordHistory, "Success", Some("dsrm before")),
    ];
    assert_eq!(shape(&seen), dsrm);

    let history = format!(
        "dn: {dn}\nchangetype: modify\nreplace: msLAPS-EncryptedPassword\nmsLAPS-EncryptedPassword:: {}\n-\n\
         replace: msLAPS-EncryptedPasswordHistory\nmsLAPS-EncryptedPasswordHistory:: {}\nmsLAPS-EncryptedPasswordHistory:: {}\n-\n",
        base64(&values[2]),
        base64(&values[4]),
        base64(&values[3])
    );
    assert!(lab.ldap("ldapmodify", &[], &history).0);
    let seen = reader.password_of("GetForms", true, &mut keys).await.unwrap();
    let all = [
        (Source::EncryptedPassword, "Success", Some("current")),
        (Source::EncryptedPasswordHistory, "Success", Some("newer")),
        (Source::EncryptedPasswordHistory, "Success", Some("older")),
    ];
    assert_eq!(shape(&seen), all);
    assert_eq!((seen[0].account.as_deref(), seen[0].decryptor.as_deref()), (Some("root"), Some("LAPS\\LAPSAdmins")));
    assert_eq!(shape(&reader.password_of("GetForms", false, &mut keys).await.unwrap()), all[..1]);

    // Readers who are not the principal, and people who may not read at all.
    let mut other = open_as(&lab, "laps.reader").await;
    let seen = other.password_of("GetForms", true, &mut Keys::of_controller()).await.unwrap();
    assert!(
        seen.len() == 3 && seen.iter().all(|one| one.decryption == Decryption::Unauthorized && one.password.is_none())
    );
    for person in ["help.desk", "plain.user"] {
        let mut person = open_as(&lab, person).await;
        let seen = person.password_of("GetForms", true, &mut Keys::of_controller()).await.unwrap();
        assert_eq!(shape(&seen), [(Source::PasswordMissing, "NotApplicable", None)]);
        let Absence::NoRight(rights) = person.absence(&dn, &schema).await.unwrap() else {
            panic!("a right is missing")
        };
        assert_eq!(rights, [Right::ReadClearText, Right::ReadEncrypted, Right::ReadLegacy]);
    }
    let error = reader.password_of("no-such-computer", false, &mut keys).await.unwrap_err();
    assert!(matches!(error, AdminError::NotFound { kind: "computer", .. }), "{error}");
}

#[tokio::test]
async fn values_that_are_not_ours_are_errors_of_the_reading() {
    let Some(lab) = Lab::running("values_that_are_not_ours_are_errors_of_the_reading") else { return };
    let dn = lab.make_computer("GetHostile", "Workstations");
    let mut reader = open_as(&lab, "laps.admin").await;
    let mut keys = Keys::of_controller();
    let readers = sid_of(&mut reader, "LAPS\\LAPSAdmins").await;
    let whole = encrypted(&mut reader, &mut KeyCache::default(), &readers, "canary", now()).await;
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    for value in [&vec![0x41; 20_000], &b"short".to_vec(), &whole[..whole.len() - 40].to_vec(), &changed] {
        put(&lab, &dn, &[("msLAPS-EncryptedPassword", value)]);
        let seen = reader.password_of("GetHostile", false, &mut keys).await.unwrap();
        assert_eq!((seen[0].decryption.name(), seen[0].password.is_none()), ("Error", true));
        assert!(!format!("{seen:?}").contains("canary"));
    }
    put(&lab, &dn, &[("msLAPS-EncryptedPassword", &whole)]);
    let seen = reader.password_of("GetHostile", false, &mut keys).await.unwrap();
    assert_eq!(seen[0].password.as_ref().unwrap().reveal(), "canary");
}

/// laps-behaviour.md 9, Set-LapsADPasswordExpirationTime.
#[tokio::test]
async fn the_help_desk_sets_the_expiry_and_nobody_else() {
    let Some(lab) = Lab::running("the_help_desk_sets_the_expiry_and_nobody_else") else { return };
    let dn = lab.make_computer("Expire", "Workstations");
    let at = now();
    let help_desk = open_as(&lab, "help.desk").await;
    assert_eq!(help_desk.expire("Expire", at).await.unwrap(), dn);
    let mut reader = open_as(&lab, "laps.reader").await;
    let seen = reader.password_of("Expire", false, &mut Keys::of_controller()).await.unwrap();
    assert_eq!(seen[0].expires_at, Some(at));
    let error = open_as(&lab, "plain.user").await.expire("Expire", at).await.unwrap_err();
    assert!(matches!(error, AdminError::Directory(Error::NoRights { .. })), "{error}");
}

/// laps-behaviour.md 9, Set-LapsADAuditing.
#[tokio::test]
async fn reading_is_audited_and_not_audited_any_more() {
    let Some(lab) = Lab::running("reading_is_audited_and_not_audited_any_more") else { return };
    let (unit, _) = unit_with_computer(&lab, "Audited");
    let admin = open_as(&lab, "domain.admin").await;
    let schema = admin.forest_schema().await.unwrap();
    let everyone = "S-1-1-0".parse().unwrap();
    let wanted = audits(&schema, &everyone, flag::SUCCESS | flag::FAILURE, false).unwrap();
    let changes = admin.planned(&unit, List::Audit, wanted.clone(), Direction::Add).await.unwrap();
    assert_eq!(actions(&changes), [Action::Add; 2]);
    admin.carry_out(&unit, List::Audit, &changes).await.unwrap();
    let again = admin.planned(&unit, List::Audit, wanted.clone(), Direction::Add).await.unwrap();
    assert_eq!(actions(&again), [Action::Present; 2]);
    let back = admin.planned(&unit, List::Audit, wanted.clone(), Direction::Remove).await.unwrap();
    admin.carry_out(&unit, List::Audit, &back).await.unwrap();
    let gone = admin.planned(&unit, List::Audit, wanted, Direction::Add).await.unwrap();
    assert_eq!(actions(&gone), [Action::Add; 2]);
    let error =
        open_as(&lab, "plain.user").await.planned(&unit, List::Audit, Vec::new(), Direction::Add).await.unwrap_err();
    assert!(matches!(error, AdminError::ListHidden { list: "audit entries", .. }), "{error}");
}

/// laps-behaviour.md 7.1.
#[tokio::test]
async fn the_schema_of_the_domain_is_complete() {
    let Some(lab) = Lab::running("the_schema_of_the_domain_is_complete") else { return };
    let reader = open_as(&lab, "plain.user").await;
    let schema = reader.forest_schema().await.unwrap();
    let findings = schema.check(true);
    assert!(findings.iter().all(|finding| finding.state == State::Present), "{findings:?}");
    assert_eq!(schema.extension(true), Ok(Vec::new()));
    assert_eq!(reader.schema_master().await.unwrap().as_deref(), Some("dc1.laps.test"));
}

/// laps-behaviour.md 7.1: a forest that nobody extended, with an interruption on the way.
#[tokio::test]
async fn a_forest_that_nobody_extended_is_extended() {
    let Some(lab) = Lab::bare("a_forest_that_nobody_extended_is_extended") else { return };
    let tls = Security::Ldaps { ca: Some(lab.fact("CA_FILE").into()) };
    let open = |user: &'static str| {
        let settings = Settings { security: tls.clone(), ..settings(&lab, person(&lab, user)) };
        async move { Connection::open(&settings, None).await.unwrap() }
    };
    let plain = open("plain.user@LAPS.TEST").await;
    let schema = plain.forest_schema().await.unwrap();
    let missing = grants(&schema, Purpose::Store, &SELF.parse().unwrap(), false).unwrap_err();
    assert!(missing.to_string().contains("msLAPS-Password"), "{missing}");
    let steps = schema.extension(false).unwrap();
    let error = plain.extend(&steps[0]).await.unwrap_err();
    assert!(matches!(error, AdminError::Directory(Error::NoRights { .. })), "{error}");

    let admin = open("Administrator@LAPS.TEST").await;
    for step in &steps[..3] {
        admin.extend(step).await.unwrap();
    }
    // Somebody else goes on: with the rest, and then the legacy attributes.
    let admin = open("Administrator@LAPS.TEST").await;
    for with_legacy in [false, true] {
        let rest = admin.forest_schema().await.unwrap().extension(with_legacy).unwrap();
        for step in &rest {
            admin.extend(step).await.unwrap();
        }
        let schema = admin.forest_schema().await.unwrap();
        assert!(schema.check(with_legacy).iter().all(|finding| finding.state == State::Present));
        assert_eq!(schema.extension(with_legacy), Ok(Vec::new()));
        let unit = admin.unit("LapsLab").await.unwrap();
        let wanted = grants(&schema, Purpose::Store, &SELF.parse().unwrap(), with_legacy).unwrap();
        let changes = admin.planned(&unit.dn, List::Permissions, wanted, Direction::Add).await.unwrap();
        assert!(actions(&changes).contains(&Action::Add));
        admin.carry_out(&unit.dn, List::Permissions, &changes).await.unwrap();
    }
    assert!(writes_its_own(&lab, "WS01", lab.fact("DN_WS01")));
}

//! `lapwing ad …`: what it prints and how it ends, against the real domain (testkit/ad-lab) when one runs.

use crate::program::{Run, lapwing};

#[cfg(not(feature = "ad"))]
#[test]
fn a_build_without_it_says_how_to_get_it() {
    for arguments in [&["ad", "get", "ws01"][..], &["ad", "schema", "check"], &["ad", "permit", "self", "Workstations"]]
    {
        let run = lapwing(arguments);
        assert_eq!((run.status, run.out.as_str()), (1, ""), "{run:?}");
        assert!(run.err.contains("without Active Directory") && run.err.contains("--features ad"), "{run:?}");
        assert!(run.err.contains("code: ad_not_built"), "{run:?}");
    }
}

#[test]
fn wrong_use_is_2_in_every_build() {
    let wrong: &[&[&str]] = &[
        &["ad"],
        &["ad", "get"],
        &["ad", "permit", "read", "Workstations"],
        &["ad", "audit", "Workstations"],
        &["ad", "get", "ws01", "--ldaps", "--start-tls"],
        &["ad", "get", "ws01", "--user", "a@b", "--keytab", "c"],
        &["ad", "get", "ws01", "--address", "127.0.0.1"],
        &["ad", "rights", "X", "--address", "nowhere", "--server", "dc1.a.test"],
    ];
    for arguments in wrong {
        let Run { status, out, err } = lapwing(arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?} {err}");
    }
}

#[cfg(feature = "ad")]
mod built {
    use crate::program::{Home, Run};
    use std::process::{Command, Stdio};
    use testkit::ad_lab::{Lab, base64};

    /// The program with the environment that Kerberos needs and nothing else.
    fn ad(lab: Option<&Lab>, cache: &str, arguments: &[&str]) -> Run {
        let home = Home::new();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
        command.arg("ad").args(arguments).env_clear().env("HOME", home.path()).stdin(Stdio::null());
        command.env("KRB5CCNAME", cache);
        if let Some(lab) = lab {
            let (host, address) = (lab.fact("DC_HOST"), lab.fact("DC_IP"));
            command.args(["--server", host, "--address", address]);
            command.env("KRB5_CONFIG", std::env::var_os("KRB5_CONFIG").unwrap());
        }
        command.output().unwrap().into()
    }

    /// The same as somebody of the domain, with tickets.
    fn ad_as(lab: &Lab, user: &str, arguments: &[&str]) -> Run {
        let tickets = tempfile::TempDir::new().unwrap();
        let cache = format!("FILE:{}/cache", tickets.path().display());
        let mut kinit = Command::new("kinit");
        kinit.args(["-c", &cache, &format!("{user}@LAPS.TEST")]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut kinit = kinit.spawn().unwrap();
        std::io::Write::write_all(&mut kinit.stdin.take().unwrap(), format!("{}\n", lab.fact("PASSWORD")).as_bytes())
            .unwrap();
        assert!(kinit.wait().unwrap().success());
        ad(Some(lab), &cache, arguments)
    }

    fn put(lab: &Lab, dn: &str, attribute: &str, value: &str) {
        let text = format!(
            "dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}:: {}\n-\n",
            base64(value.as_bytes())
        );
        let (done, said) = lab.ldap("ldapmodify", &[], &text);
        assert!(done, "{said}");
    }

    fn json(run: &Run) -> serde_json::Value {
        serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }

    #[test]
    fn without_tickets_it_says_how_to_get_them() {
        let run = ad(None, "FILE:/nonexistent/cache", &["get", "ws01"]);
        assert_eq!(run.status, 3, "{run:?}");
        assert!(run.err.contains("next: get tickets with kinit") && run.err.contains("code: ad_no_tickets"), "{run:?}");
        let run = ad(None, "FILE:/nonexistent/cache", &["get", "ws01", "--ca", "ca.pem"]);
        assert_eq!(run.status, 2, "{run:?}");
        assert!(run.err.contains("add --ldaps or --start-tls"), "{run:?}");
        let run = ad(None, "FILE:/nonexistent/cache", &["get", "ws01", "--user", "ada@a.test"]);
        assert_eq!(run.status, 2, "{run:?}");
        assert!(run.err.contains("--password-file"), "{run:?}");
    }

    /// laps-behaviour.md 9: the fields of Get-LapsADPassword; 11.1, rows 26 and 27.
    #[test]
    fn get_has_the_fields_of_the_cmdlet_and_tells_missing_from_hidden() {
        let Some(lab) = Lab::running("get_has_the_fields_of_the_cmdlet_and_tells_missing_from_hidden") else { return };
        let dn = lab.make_computer("CliGet", "Workstations");
        let run = ad_as(&lab, "laps.admin", &["get", "CliGet"]);
        assert_eq!(run.status, 4, "{run:?}");
        assert!(run.out.contains("PasswordMissing") && run.err.contains("code: password_none"), "{run:?}");

        let stored = r#"{"n":"Administrator","t":"1d8161b41c41cde","p":"canary-7"}"#;
        put(&lab, &dn, "msLAPS-Password", stored);
        put(&lab, &dn, "msLAPS-PasswordExpirationTime", "133000000000000000");
        let run = ad_as(&lab, "laps.admin", &["get", "CliGet", "--output", "json"]);
        assert_eq!(run.status, 0, "{run:?}");
        let wanted = serde_json::json!([{
            "ComputerName": "CliGet",
            "DistinguishedName": dn,
            "Account": "Administrator",
            "Password": "canary-7",
            "PasswordUpdateTime": "2022-01-30T20:52:13.0729182Z",
            "ExpirationTimestamp": "2022-06-18T04:26:40Z",
            "Source": "CleartextPassword",
            "DecryptionStatus": "NotApplicable",
            "AuthorizedDecryptor": null,
        }]);
        assert_eq!(json(&run), wanted);
        let run = ad_as(&lab, "laps.admin", &["get", "cliget$"]);
        assert!(run.out.contains("Password             canary-7\n"), "{run:?}");
        assert!(!run.err.contains("canary-7"), "{run:?}");

        let run = ad_as(&lab, "plain.user", &["get", "CliGet"]);
        assert_eq!(run.status, 3, "{run:?}");
        assert!(run.err.contains("may not read msLAPS-Password, msLAPS-EncryptedPassword"), "{run:?}");
        assert!(run.err.contains("lapwing ad permit read 'OU=Workstations,"), "{run:?}");
        assert!(!format!("{run:?}").contains("canary-7"), "{run:?}");
        let run = ad_as(&lab, "laps.admin", &["get", "no-such", "CliGet"]);
        assert_eq!(run.status, 4, "{run:?}");
        assert!(run.out.contains("canary-7") && run.err.contains("code: ad_object_not_found"), "{run:?}");
        put(&lab, &dn, "msLAPS-EncryptedPassword", "not ours");
        let run = ad_as(&lab, "laps.admin", &["get", "CliGet"]);
        assert_eq!(run.status, 1, "{run:?}");
        assert!(
            run.out.contains("DecryptionStatus     Error") && run.err.contains("code: ad_decryption_failed"),
            "{run:?}"
        );
    }

    #[test]
    fn rights_are_shown_then_written_and_taken_away_again() {
        let Some(lab) = Lab::running("rights_are_shown_then_written_and_taken_away_again") else { return };
        let unit = format!("OU=CliPermit,{}", lab.fact("BASE_DN"));
        lab.ldap("ldapdelete", &["-r", &unit], "");
        assert!(lab.ldap("ldapadd", &[], &format!("dn: {unit}\nobjectClass: organizationalUnit\n")).0);
        let actions = |run: &Run| {
            assert_eq!(run.status, 0, "{run:?}");
            let done = json(run);
            assert_eq!((done["Name"].as_str(), done["DistinguishedName"].as_str()), (Some("CliPermit"), Some(&*unit)));
            let changes = done["Changes"].as_array().unwrap();
            changes.iter().map(|change| change["Action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let permit = |more: &[&str]| {
            let all = [&["permit", "read", "CliPermit", "--principal", "LAPS\\Helpdesk", "-o", "json"], more].concat();
            ad_as(&lab, "domain.admin", &all)
        };
        let run = permit(&[]);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{run:?}");
        assert!(run.err.contains("Add      LAPS\\Helpdesk: read, control access on msLAPS-Password"), "{run:?}");
        assert!(run.err.contains("nothing was changed") && run.err.contains("next: add --yes"), "{run:?}");

        assert_eq!(actions(&permit(&["--yes"])), ["Add"; 3]);
        assert_eq!(actions(&permit(&["--yes"])), ["Present"; 3]);
        let run = ad_as(&lab, "plain.user", &["rights", "CliPermit", "-o", "json"]);
        let rights = json(&run);
        let holders = rights[0]["ExtendedRightHolders"].as_array().unwrap();
        for holder in ["LAPS\\Helpdesk", "LAPS\\Domain Admins", "NT AUTHORITY\\SYSTEM"] {
            assert!(holders.iter().any(|name| name == holder), "{run:?}");
        }
        let run = ad_as(&lab, "plain.user", &["rights", "CliPermit", "--principal", "LAPS\\help.desk", "-o", "json"]);
        let effective = json(&run)[0]["Effective"].clone();
        let answer =
            |right: &str| effective.as_array().unwrap().iter().find(|row| row["Right"] == right).unwrap().clone();
        assert_eq!(answer("ReadEncrypted")["Reason"], "through LAPS\\Helpdesk");
        assert_eq!(
            (&answer("ReadEncrypted")["Allowed"], &answer("SetExpiry")["Allowed"]),
            (&true.into(), &false.into())
        );

        assert_eq!(actions(&permit(&["--remove", "--yes"])), ["Remove"; 3]);
        assert_eq!(actions(&permit(&["--remove", "--yes"])), ["Absent"; 3]);
        let audit = |more: &[&str]| {
            let all = [&["audit", "CliPermit", "--principal", "S-1-1-0", "--yes", "-o", "json"], more].concat();
            ad_as(&lab, "domain.admin", &all)
        };
        assert_eq!(actions(&audit(&[])), ["Add"; 2]);
        assert_eq!(actions(&audit(&["--outcome", "none"])), ["Remove"; 2]);
        let run = ad_as(&lab, "plain.user", &["permit", "self", "CliPermit", "--yes"]);
        assert_eq!(run.status, 3, "{run:?}");
        assert!(run.err.contains("code: ad_no_rights"), "{run:?}");
        let run = ad_as(&lab, "domain.admin", &["permit", "reset", "CliPermit", "--principal", "Helpdesk", "--yes"]);
        assert_eq!(run.status, 2, "{run:?}");
        assert!(run.err.contains("code: ad_principal_isolated"), "{run:?}");
    }

    #[test]
    fn each_way_to_sign_in_reaches_the_directory() {
        let Some(lab) = Lab::running("each_way_to_sign_in_reaches_the_directory") else { return };
        let none = "FILE:/nonexistent/cache";
        let keytab = lab.keytab("ws02").display().to_string();
        let run = ad(Some(&lab), none, &["rights", "LapsLab", "--keytab", &keytab]);
        assert_eq!(run.status, 0, "{run:?}");
        assert!(run.out.contains("LAPS\\LAPSAdmins"), "{run:?}");

        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, lab.fact("PASSWORD")).unwrap();
        let (file, ca) = (file.display().to_string(), lab.fact("CA_FILE"));
        let person = ["--user", "plain.user@laps.test", "--password-file", &file];
        for way in [&["--ldaps", "--ca", ca][..], &["--start-tls", "--ca", ca], &[]] {
            let run = ad(Some(&lab), none, &[&["schema", "check"][..], &person, way].concat());
            assert_eq!(run.status, 0, "{way:?} {run:?}");
        }
        let run = ad(
            Some(&lab),
            none,
            &[&["schema", "check", "--ldaps", "--ca", lab.fact("WRONG_CA_FILE")][..], &person].concat(),
        );
        assert_eq!(run.status, 1, "{run:?}");
        assert!(run.err.contains("code: ad_ca_unknown"), "{run:?}");
        std::fs::write(folder.path().join("password"), "wrong").unwrap();
        let run = ad(Some(&lab), none, &[&["schema", "check"][..], &person].concat());
        assert_eq!(run.status, 3, "{run:?}");
        assert!(run.err.contains("code: ad_password_wrong"), "{run:?}");
    }

    #[test]
    fn expiring_is_for_the_help_desk() {
        let Some(lab) = Lab::running("expiring_is_for_the_help_desk") else { return };
        let dn = lab.make_computer("CliExpire", "Workstations");
        let at = ["expire", "CliExpire", "--at", "2026-11-22T10:00:00Z", "-o", "json"];
        let run = ad_as(&lab, "help.desk", &at);
        assert_eq!(run.status, 0, "{run:?}");
        assert_eq!(json(&run), serde_json::json!([{ "DistinguishedName": dn, "Status": "PasswordReset" }]));
        let run = ad_as(&lab, "laps.reader", &["get", "CliExpire"]);
        assert!(run.out.contains("ExpirationTimestamp  2026-11-22T10:00:00Z"), "{run:?}");
        let run = ad_as(&lab, "plain.user", &at);
        assert_eq!(run.status, 3, "{run:?}");
        assert!(run.err.contains("lapwing ad permit reset"), "{run:?}");
        let run = ad_as(&lab, "help.desk", &["expire", "CliExpire", "--at", "tomorrow"]);
        assert_eq!(run.status, 2, "{run:?}");
    }

    /// laps-behaviour.md 11.1, as far as the directory shows it.
    #[test]
    fn explain_names_the_link_that_is_broken() {
        let Some(lab) = Lab::running("explain_names_the_link_that_is_broken") else { return };
        let code = |user: &str, computer: &str| {
            let run = ad_as(&lab, user, &["explain", computer, "-o", "json"]);
            assert_eq!(run.status, 0, "{run:?}");
            json(&run)["code"].as_str().unwrap().to_owned()
        };
        assert_eq!(code("laps.admin", "no-such-computer"), "computer_unknown");
        let dn = lab.make_computer("CliExplain", "Workstations");
        lab.make_computer("CliBare", "NoLapsRights");
        // Row 15, of a computer that was moved out of the unit with rights; then 27 and 24.
        assert_eq!(code("domain.admin", "CliBare"), "computer_may_not_store");
        assert_eq!(code("laps.admin", "CliExplain"), "not_stored_yet");
        put(&lab, &dn, "msLAPS-Password", r#"{"n":"root","t":"1d8161b41c41cde","p":"canary-8"}"#);
        assert_eq!(code("laps.admin", "CliExplain"), "ok");
        assert_eq!(code("plain.user", "CliExplain"), "reader_may_not_read");
        put(&lab, &dn, "msLAPS-PasswordExpirationTime", "133000000000000000");
        let run = ad_as(&lab, "laps.admin", &["explain", "CliExplain"]);
        assert!(run.out.contains("✗ still_fits") && run.out.contains("code:  overdue"), "{run:?}");
        assert!(!format!("{run:?}").contains("canary-8"), "{run:?}");
        // Row 26: a value that does not open; then 3.
        put(&lab, &dn, "msLAPS-EncryptedPassword", "not ours");
        assert_eq!(code("laps.admin", "CliExplain"), "decryption_failed");
        put(&lab, &dn, "userAccountControl", "4098");
        assert_eq!(code("laps.admin", "CliExplain"), "computer_disabled");
    }
}

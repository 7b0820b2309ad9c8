//! Each link of the chain of Active Directory, broken one at a time: the rows of laps-behaviour.md 11.1.

use laps::{
    drift::Drift,
    explain::{
        ComputerObject, Condition, Decryption, Directory, DomainEvidence, KeptIn, Link, Machine, Report, StoredForm,
        explain_domain,
    },
    time::Timestamp,
};

fn at(hours: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000).plus_seconds(hours * 3600)
}

fn machine() -> Machine {
    Machine {
        report: Report {
            at: at(99),
            policy_source: Some("gpo".into()),
            backup_directory: 2,
            join_state_mismatch: false,
            in_active_directory: None,
            account_wanted: None,
            account_automatic: false,
            account_found: true,
            account_enabled: true,
            other_administrators: vec![],
            drift: vec![],
            repair_held: false,
            last_error: None,
        },
        ignored_sources: vec![],
        joined_server: true,
        joined_domain: true,
        kept: Some((KeptIn::ActiveDirectory, at(50))),
        expires_at: Some(at(1000)),
        begun: None,
    }
}

fn directory() -> Directory {
    Directory {
        controller: "dc1.a.test".into(),
        is_read_only: false,
        schema_lacks: vec![],
        functional_level: 7,
        computer: Some(ComputerObject {
            dn: "CN=WS01,OU=X,DC=a,DC=test".into(),
            is_enabled: true,
            is_controller: false,
            cannot_write: Some(vec![]),
            cannot_read: Some(vec![]),
            forms: vec![(StoredForm::Encrypted, Some(at(50)))],
            expires_at: Some(at(1000)),
            decryptor: Some("A\\Domain Admins".into()),
            decryption: Some(Decryption::Success),
        }),
    }
}

fn healthy() -> DomainEvidence {
    DomainEvidence { now: at(100), name: "ws01".into(), machine: Some(machine()), directory: Some(directory()) }
}

fn error(evidence: &mut DomainEvidence, event: u32) {
    evidence.machine.as_mut().unwrap().report.last_error = Some((event, "code_of_it".into(), "what it said".into()));
}

fn object(evidence: &mut DomainEvidence) -> &mut ComputerObject {
    evidence.directory.as_mut().unwrap().computer.as_mut().unwrap()
}

/// A machine whose password a server keeps.
fn by_server(evidence: &mut DomainEvidence) {
    evidence.directory = None;
    let machine = evidence.machine.as_mut().unwrap();
    machine.report.backup_directory = 1;
    machine.kept = Some((KeptIn::Server, at(60)));
}

fn nothing_stored(evidence: &mut DomainEvidence) {
    let object = object(evidence);
    object.forms.clear();
    object.decryption = None;
}

type Break = fn(&mut DomainEvidence);

/// Row of laps-behaviour.md 11.1, link, code, and what breaks it.
const ROWS: &[(u32, Link, &str, Break)] = &[
    (7, Link::PolicyInForce, "no_policy_on_device", |e| e.machine.as_mut().unwrap().report.policy_source = None),
    (7, Link::BackupDirectory, "backup_disabled", |e| e.machine.as_mut().unwrap().report.backup_directory = 0),
    (8, Link::BackupDirectory, "other_source_wins", |e| {
        let machine = e.machine.as_mut().unwrap();
        (machine.report.backup_directory, machine.ignored_sources) = (0, vec!["local".into()]);
    }),
    (10, Link::JoinState, "join_state_mismatch", |e| {
        let machine = e.machine.as_mut().unwrap();
        (machine.report.join_state_mismatch, machine.joined_domain) = (true, false);
    }),
    (12, Link::AccountExists, "account_not_found", |e| {
        error(e, 10013);
        e.machine.as_mut().unwrap().report.account_found = false;
    }),
    (13, Link::FunctionalLevel, "functional_level_too_low", |e| error(e, 10006)),
    (13, Link::FunctionalLevel, "functional_level_too_low", |e| {
        e.directory.as_mut().unwrap().functional_level = 6;
        nothing_stored(e);
    }),
    (14, Link::Schema, "schema_not_extended", |e| error(e, 10012)),
    (14, Link::Schema, "directory_query_failed", |e| error(e, 10011)),
    (14, Link::Schema, "schema_not_extended", |e| {
        e.directory.as_mut().unwrap().schema_lacks = vec!["msLAPS-Password".into(), "msLAPS-EncryptedPassword".into()];
        nothing_stored(e);
    }),
    (15, Link::ComputerMayStore, "computer_may_not_store", |e| error(e, 10065)),
    (15, Link::ComputerMayStore, "computer_may_not_store", |e| {
        object(e).cannot_write = Some(vec!["msLAPS-EncryptedPassword".into()]);
    }),
    (16, Link::Stored, "directory_refused", |e| {
        nothing_stored(e);
        error(e, 10017);
    }),
    (17, Link::Principal, "principal_isolated", |e| error(e, 10034)),
    (17, Link::Principal, "principal_unknown", |e| error(e, 10035)),
    (18, Link::Controller, "no_controller", |e| error(e, 10056)),
    (18, Link::Controller, "bind_failed", |e| error(e, 10057)),
    (19, Link::ServerAnswers, "server_unreachable", |e| {
        by_server(e);
        error(e, 10025);
    }),
    (20, Link::ServerAnswers, "not_authenticated", |e| {
        by_server(e);
        error(e, 10026);
    }),
    (21, Link::ServerTakes, "directory_refused", |e| {
        by_server(e);
        error(e, 10028);
    }),
    (21, Link::ServerTakes, "laps_disabled", |e| {
        by_server(e);
        e.machine.as_mut().unwrap().report.last_error = Some((10059, "laps_disabled".into(), "the switch".into()));
    }),
    (3, Link::ServerTakes, "device_disabled", |e| {
        by_server(e);
        e.machine.as_mut().unwrap().report.last_error = Some((10059, "device_disabled".into(), "it is".into()));
    }),
    (1, Link::ServerTakes, "device_deleted", |e| {
        by_server(e);
        e.machine.as_mut().unwrap().report.last_error = Some((10059, "device_deleted".into(), "it is".into()));
    }),
    (22, Link::Stored, "password_not_acceptable", |e| {
        nothing_stored(e);
        error(e, 10027);
    }),
    (23, Link::Stored, "set_failed", |e| {
        nothing_stored(e);
        error(e, 10019);
    }),
    (23, Link::Proven, "stored_not_proven", |e| {
        by_server(e);
        e.machine.as_mut().unwrap().begun = Some(KeptIn::Server);
    }),
    (26, Link::PersonMayDecrypt, "decryption_unauthorized", |e| object(e).decryption = Some(Decryption::Unauthorized)),
    (26, Link::PersonMayDecrypt, "decryption_failed", |e| {
        object(e).decryption = Some(Decryption::Failed("the blob does not open".into()));
    }),
    (27, Link::PersonMayRead, "reader_may_not_read", |e| {
        nothing_stored(e);
        object(e).cannot_read = Some(vec!["msLAPS-Password".into()]);
    }),
    (27, Link::Stored, "not_stored_yet", nothing_stored),
    (28, Link::Controller, "read_only_controller", |e| e.directory.as_mut().unwrap().is_read_only = true),
    (29, Link::AsSet, "rolled_back", |e| e.machine.as_mut().unwrap().report.drift = vec![Drift::RolledBack]),
    (29, Link::StillFits, "account_disabled", |e| e.machine.as_mut().unwrap().report.account_enabled = false),
    (30, Link::StillFits, "overdue", |e| object(e).expires_at = Some(at(10))),
    (30, Link::StillFits, "device_error", |e| error(e, 10017)),
    (35, Link::Stored, "dsrm_not_stored", |e| {
        nothing_stored(e);
        object(e).is_controller = true;
    }),
    (1, Link::ComputerObject, "computer_unknown", |e| e.directory.as_mut().unwrap().computer = None),
    (3, Link::ComputerObject, "computer_disabled", |e| object(e).is_enabled = false),
];

#[test]
fn every_row_is_the_first_broken_link_of_some_evidence() {
    for (row, link, code, breaks) in ROWS {
        let mut evidence = healthy();
        breaks(&mut evidence);
        let explanation = explain_domain(&evidence);
        for finding in &explanation.chain {
            let is_looked_at = matches!(finding.condition, Condition::Holds | Condition::Broken);
            assert_eq!(finding.at.is_some(), is_looked_at, "row {row}: {finding:?}");
        }
        let cause = explanation.cause.unwrap_or_else(|| panic!("row {row}: nothing is broken"));
        let broken = explanation.chain.iter().find(|finding| finding.condition == Condition::Broken).unwrap();
        assert_eq!((broken.link, cause.code), (*link, *code), "row {row}: {broken:?}");
        assert!(!cause.cause.is_empty() && !cause.remedy.is_empty() && !broken.seen.is_empty(), "row {row}");
        assert_eq!(explanation.chain.len(), Link::DOMAIN.len());
    }
}

#[test]
fn every_code_is_in_the_docs() {
    let page = include_str!("../../../../docs/explain.md");
    for (row, _, code, _) in ROWS {
        assert!(page.contains(&format!("<a id=\"{code}\">")), "row {row}: {code} has no place in the docs");
    }
}

/// Row 24: nothing is wrong.
#[test]
fn a_healthy_chain_misses_nothing_from_each_place() {
    let whole = healthy();
    let from_afar = DomainEvidence { machine: None, ..healthy() };
    let on_the_machine = DomainEvidence { directory: None, ..healthy() };
    for evidence in [&whole, &from_afar, &on_the_machine] {
        let explanation = explain_domain(evidence);
        assert_eq!(explanation.cause, None);
        assert!(explanation.readable.contains("lapwing ad get ws01"), "{}", explanation.readable);
    }
}

/// Rows 9 and 36: two directories, and what is left in the one of before.
#[test]
fn the_directory_that_counts_is_named_with_what_is_left_in_the_other() {
    let mut evidence = healthy();
    evidence.directory = None;
    let machine = evidence.machine.as_mut().unwrap();
    machine.report.backup_directory = 1;
    machine.kept = Some((KeptIn::Server, at(60)));
    let explanation = explain_domain(&evidence);
    assert_eq!(explanation.cause, None);
    assert!(explanation.readable.contains("lapwing password get ws01"), "{}", explanation.readable);
    let needed = |link| explanation.chain.iter().find(|finding| finding.link == link).unwrap().seen.clone();
    assert!(needed(Link::Controller).contains("a server keeps the password"));

    let seen = |evidence: &DomainEvidence, link| {
        let explanation = explain_domain(evidence);
        explanation.chain.into_iter().find(|finding| finding.link == link).unwrap().seen
    };
    let mut moving = healthy();
    moving.machine.as_mut().unwrap().kept = Some((KeptIn::Server, at(60)));
    assert!(seen(&moving, Link::JoinState).contains("still kept by the server"));
    let mut mixed = healthy();
    object(&mut mixed).forms.push((StoredForm::Legacy, None));
    assert!(seen(&mixed, Link::Stored).contains("of another time, a password of legacy LAPS"));
}

/// Row 9: a machine that has joined the other directory.
#[test]
fn the_remedy_for_a_wrong_join_fits_the_directory() {
    for (number, word) in [(2, "join-domain"), (1, "lapwing-agent join`")] {
        let mut evidence = healthy();
        let report = &mut evidence.machine.as_mut().unwrap().report;
        (report.backup_directory, report.join_state_mismatch) = (number, true);
        let cause = explain_domain(&evidence).cause.unwrap();
        assert_eq!(cause.code, "join_state_mismatch");
        assert!(cause.remedy.contains(word), "{}", cause.remedy);
    }
}

/// What can be done with and without local access, asked on the machine and asked of the directory.
#[test]
fn where_nothing_was_ever_stored_the_ways_are_named() {
    let way = |evidence: &DomainEvidence, situation: &str| {
        let ways = explain_domain(evidence).ways;
        ways.into_iter().find(|way| way.situation == situation).map(|way| way.text)
    };
    let mut here = healthy();
    by_server(&mut here);
    here.machine.as_mut().unwrap().kept = None;
    error(&mut here, 10025);
    let text = way(&here, "local_access_left").unwrap();
    assert!(text.contains("as root you need no password") && text.contains("lapwing-agent cycle"), "{text}");
    assert!(text.contains("the policy is in order") && text.contains("the way to the directory is to mend first"));
    assert!(way(&here, "no_local_access").unwrap().contains("cannot be recovered"));
    let mut afar = DomainEvidence { machine: None, ..healthy() };
    nothing_stored(&mut afar);
    assert!(way(&afar, "local_access_left").unwrap().contains("can still sign in"));
    for readable in [&healthy(), &DomainEvidence { machine: None, ..healthy() }] {
        assert_eq!(explain_domain(readable).ways, vec![]);
    }
}

/// The first rotation of a machine that did not end: nothing is known to be set, and something may be stored.
#[test]
fn a_first_rotation_that_did_not_end_is_named() {
    let mut evidence = healthy();
    by_server(&mut evidence);
    let machine = evidence.machine.as_mut().unwrap();
    (machine.kept, machine.begun) = (None, Some(KeptIn::Server));
    let explanation = explain_domain(&evidence);
    assert_eq!(explanation.cause.unwrap().code, "stored_not_proven");
    assert!(explanation.readable.contains("one may be stored"), "{}", explanation.readable);
    assert_eq!(explanation.ways, vec![]);
}

//! Each link of the chain, broken one at a time.

use laps::{
    drift::Drift,
    explain::{
        Certificate, Condition, Credential, Delivery, Device, Evidence, Explanation, Fork, Link, Namesake, Reader,
        Report, explain,
    },
    time::Timestamp,
};

pub(crate) fn at(hours: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000).plus_seconds(hours * 3600)
}

pub(crate) fn healthy() -> Evidence {
    Evidence {
        now: at(100),
        reader: Reader {
            may_read: true,
            sees_all: true,
            roles: vec!["Cloud Device Administrator".into()],
            asked: vec![],
        },
        device: Device::Enabled { joined_at: at(0), last_seen: Some(at(99)) },
        switch_on: true,
        assigned: vec!["default".into()],
        conflicts: vec![],
        delivery: Some(Delivery { at: at(1), up_to_date: true, refused: vec![] }),
        report: Some(Report {
            at: at(99),
            policy_source: Some("csp".into()),
            backup_directory: 1,
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
        }),
        fork: None,
        from_backup: None,
        credential: Credential { pending_since: None, proven_at: Some(at(2)), expires_at: Some(at(1000)) },
        former: None,
        unlinked: vec![],
        certificate: Some(Certificate { not_after: at(8000), revoked_at: None }),
        namesakes: vec![],
        export: None,
    }
}

fn namesake() -> Namesake {
    Namesake { id: "0000-new".into(), state: "enabled".into(), last_seen: Some(at(100)) }
}

type Break = fn(&mut Evidence);

#[test]
fn every_link_is_the_first_broken_one_of_some_evidence() {
    let rows: &[(Link, &str, Break)] = &[
        (Link::DeviceObject, "device_unknown", |e| e.device = Device::Unknown),
        (Link::DeviceObject, "device_purged", |e| e.device = Device::Purged { at: at(5) }),
        (Link::DeviceObject, "device_deleted", |e| e.device = Device::Deleted { at: at(5), purge_at: at(725) }),
        (Link::DeviceState, "device_disabled", |e| e.device = Device::Disabled { at: Some(at(5)) }),
        (Link::PersonMayRead, "reader_not_allowed", |e| e.reader.may_read = false),
        (Link::TenantSwitch, "laps_disabled", |e| e.switch_on = false),
        (Link::PolicyAssigned, "policy_conflict", |e| e.conflicts = vec!["PasswordLength".into()]),
        (Link::PolicyAssigned, "policy_not_assigned", |e| {
            e.assigned.clear();
            e.report.as_mut().unwrap().backup_directory = 0;
        }),
        (Link::PolicyDelivered, "policy_not_delivered", |e| e.delivery = None),
        (Link::PolicyDelivered, "policy_not_delivered", |e| e.delivery.as_mut().unwrap().up_to_date = false),
        (Link::PolicyAccepted, "policy_refused", |e| {
            e.delivery.as_mut().unwrap().refused = vec![("PasswordLength".into(), 500)];
        }),
        (Link::SourceWon, "never_reported", |e| e.report = None),
        (Link::SourceWon, "other_source_wins", |e| e.report.as_mut().unwrap().policy_source = Some("local".into())),
        (Link::SourceWon, "no_policy_on_device", |e| e.report.as_mut().unwrap().policy_source = None),
        (Link::BackupDirectory, "backup_disabled", |e| e.report.as_mut().unwrap().backup_directory = 0),
        (Link::BackupDirectory, "in_active_directory", |e| {
            let report = e.report.as_mut().unwrap();
            (report.backup_directory, report.in_active_directory) = (2, Some("pc-1".into()));
            report.policy_source = Some("gpo".into());
        }),
        (Link::JoinState, "join_state_mismatch", |e| e.report.as_mut().unwrap().join_state_mismatch = true),
        (Link::AccountExists, "account_not_found", |e| e.report.as_mut().unwrap().account_found = false),
        (Link::AccountExists, "machine_unsupported", |e| {
            let report = e.report.as_mut().unwrap();
            report.account_found = false;
            report.last_error = Some((20001, "account_db_not_durable".into(), "tmpfs".into()));
        }),
        (Link::AccountExists, "account_not_made", |e| {
            let report = e.report.as_mut().unwrap();
            (report.account_found, report.account_automatic) = (false, true);
            // Of the policy before, which named an account.
            report.last_error = Some((10013, "account_not_found".into(), "no such account".into()));
        }),
        (Link::AccountExists, "device_error", |e| {
            let report = e.report.as_mut().unwrap();
            (report.account_found, report.account_automatic) = (false, true);
            report.last_error = Some((20046, "name_taken".into(), "another account has the name".into()));
        }),
        (Link::Stored, "not_stored_yet", |e| e.credential = Credential::default()),
        (Link::Generated, "password_not_acceptable", |e| {
            e.credential = Credential::default();
            e.report.as_mut().unwrap().last_error = Some((10027, "password_refused".into(), "pwquality".into()));
        }),
        (Link::Stored, "directory_refused", |e| {
            e.credential = Credential::default();
            e.report.as_mut().unwrap().last_error = Some((10059, "too_many_versions".into(), "later".into()));
        }),
        (Link::Set, "set_failed", |e| {
            e.credential.pending_since = Some(at(50));
            e.report.as_mut().unwrap().last_error = Some((10019, "account_set_failed".into(), "no space".into()));
        }),
        (Link::DeviceObject, "name_ambiguous", |e| e.device = Device::Several(vec![namesake(), namesake()])),
        (Link::DeviceObject, "stale_object", |e| {
            (e.credential, e.namesakes) = (Credential::default(), vec![namesake()]);
        }),
        (Link::Join, "certificate_revoked", |e| e.certificate.as_mut().unwrap().revoked_at = Some(at(9))),
        (Link::Join, "certificate_expired", |e| e.certificate.as_mut().unwrap().not_after = at(9)),
        (Link::StillFits, "post_authentication_failed", |e| {
            e.report.as_mut().unwrap().last_error = Some((10043, "server_unreachable".into(), "no answer".into()));
        }),
        (Link::StillFits, "device_unreachable", |e| {
            e.credential.expires_at = Some(at(1));
            e.device = Device::Enabled { joined_at: at(0), last_seen: Some(at(2)) };
        }),
        (Link::Proven, "stored_not_proven", |e| e.credential.pending_since = Some(at(50))),
        (Link::AccountExists, "account_deleted", |e| {
            let report = e.report.as_mut().unwrap();
            (report.account_found, report.drift) = (false, vec![Drift::Deleted]);
        }),
        (Link::AccountExists, "account_renamed", |e| {
            let report = e.report.as_mut().unwrap();
            (report.account_found, report.drift) = (false, vec![Drift::Renamed]);
        }),
        (Link::AsSet, "changed_by_hand", |e| e.report.as_mut().unwrap().drift = vec![Drift::ChangedByHand]),
        (Link::AsSet, "rolled_back", |e| e.report.as_mut().unwrap().drift = vec![Drift::RolledBack]),
        (Link::AsSet, "account_renamed", |e| e.report.as_mut().unwrap().drift = vec![Drift::Renamed]),
        (Link::AsSet, "account_not_administrator", |e| {
            e.report.as_mut().unwrap().drift = vec![Drift::NotAdministrator];
        }),
        (Link::AsSet, "account_disabled_by_hand", |e| {
            let report = e.report.as_mut().unwrap();
            (report.account_enabled, report.drift) = (false, vec![Drift::Disabled]);
        }),
        (Link::AsSet, "repair_held", |e| {
            let report = e.report.as_mut().unwrap();
            (report.repair_held, report.drift) = (true, vec![Drift::ChangedByHand]);
        }),
        (Link::AsSet, "forked", |e| e.fork = Some(Fork { at: at(90), clone_suspected: false })),
        (Link::AsSet, "clone_suspected", |e| e.fork = Some(Fork { at: at(1), clone_suspected: true })),
        (Link::AsSet, "from_backup", |e| e.from_backup = Some(at(1))),
        (Link::StillFits, "account_disabled", |e| e.report.as_mut().unwrap().account_enabled = false),
        (Link::StillFits, "overdue", |e| e.credential.expires_at = Some(at(50))),
    ];
    for (link, code, break_it) in rows {
        let mut evidence = healthy();
        break_it(&mut evidence);
        let explanation = explain(&evidence);
        assert_eq!(laps::explain::cause(&evidence), explanation.cause, "{code}");
        let cause = explanation.cause.clone().unwrap_or_else(|| panic!("{code}: nothing is broken"));
        assert_eq!(cause.code, *code);
        assert!(!cause.cause.is_empty() && !cause.remedy.is_empty());
        each_has_a_time(&explanation);
        let broken: Vec<_> = explanation.chain.iter().filter(|f| f.condition == Condition::Broken).collect();
        assert_eq!(broken.iter().map(|f| f.link).collect::<Vec<_>>(), [*link], "{code}");
        assert!(
            explanation
                .chain
                .iter()
                .skip_while(|f| f.link != *link)
                .skip(1)
                .all(|f| f.condition == Condition::NotReached)
        );
    }
    let page = include_str!("../../../../docs/explain.md");
    for (_, code, _) in rows {
        assert!(page.contains(&format!("<a id=\"{code}\">")), "{code} has no place in the docs");
    }
    for link in Link::ALL {
        assert!(rows.iter().any(|(broken, _, _)| broken == link), "{link:?} is never broken");
    }
}

/// rotation.md 2, step 6: "set, not proven" is reported with the reason, and the reader is told it.
#[test]
fn a_proof_that_is_missing_is_explained_by_what_the_device_reports() {
    let mut evidence = healthy();
    evidence.credential.pending_since = Some(at(50));
    let quiet = explain(&evidence).cause.unwrap().cause;
    evidence.report.as_mut().unwrap().last_error = Some((20002, "not_proven".into(), "PAM refuses it".into()));
    let told = explain(&evidence).cause.unwrap();
    assert_eq!(told.code, "stored_not_proven");
    assert_eq!(told.cause, format!("{quiet} It reports event 20002, not_proven: PAM refuses it"));
}

/// What automatic management makes again is not for a person to make.
#[test]
fn an_automatic_account_that_is_missing_is_made_by_the_device() {
    let mut evidence = healthy();
    let report = evidence.report.as_mut().unwrap();
    (report.account_found, report.account_automatic) = (false, true);
    report.account_wanted = Some("WLapsAdmin".into());
    let cause = explain(&evidence).cause.unwrap();
    assert!(cause.cause.contains("WLapsAdmin") && cause.remedy.contains("lapwing-agent cycle"), "{cause:?}");
    evidence.report.as_mut().unwrap().drift = vec![Drift::Deleted];
    let cause = explain(&evidence).cause.unwrap();
    assert_eq!(cause.code, "account_deleted");
    assert!(cause.remedy.contains("makes it again"), "{cause:?}");
}

/// "Each with what was seen and when": of every link that was looked at.
fn each_has_a_time(explanation: &Explanation) {
    for finding in &explanation.chain {
        let is_looked_at = matches!(finding.condition, Condition::Holds | Condition::Broken);
        assert_eq!(finding.at.is_some(), is_looked_at, "{finding:?}");
        assert_eq!(!finding.seen.is_empty(), finding.condition != Condition::NotReached, "{finding:?}");
        assert!(finding.at.is_none_or(|seen| seen <= at(100)), "nothing is seen in the future: {finding:?}");
    }
}

/// What is kept of the directory's own state was so when it was asked; what is not known of long ago is said.
#[test]
fn every_link_that_is_looked_at_has_a_time() {
    each_has_a_time(&explain(&healthy()));
    let others: &[Break] = &[
        |e| e.device = Device::Disabled { at: None },
        |e| e.device = Device::Enabled { joined_at: at(0), last_seen: None },
        |e| e.reader.sees_all = false,
        |e| (e.device, e.reader.sees_all) = (Device::Unknown, false),
        |e| e.assigned.clear(),
        |e| (e.assigned, e.delivery) = (vec![], None),
        |e| e.credential.expires_at = None,
        |e| e.credential.pending_since = Some(at(1)),
        |e| e.namesakes = vec![namesake()],
        |e| e.certificate = None,
        |e| {
            let report = e.report.as_mut().unwrap();
            (report.in_active_directory, e.delivery) = (Some("pc-1".into()), None);
        },
    ];
    for change in others {
        let mut evidence = healthy();
        change(&mut evidence);
        each_has_a_time(&explain(&evidence));
    }
    let mut evidence = healthy();
    evidence.device = Device::Disabled { at: Some(at(5)) };
    let state = explain(&evidence).chain.into_iter().find(|finding| finding.link == Link::DeviceState).unwrap();
    assert_eq!(state.at, Some(at(5)));
}

/// What rules of groups ask for beside the right stands with the right.
#[test]
fn what_a_reader_has_to_bring_is_said() {
    let mut evidence = healthy();
    evidence.reader.asked = vec!["a reason".into(), "the approval of 1 other".into()];
    let explanation = explain(&evidence);
    assert_eq!(explanation.cause, None);
    let last = explanation.chain.last().unwrap();
    let words =
        "allowed by Cloud Device Administrator; a rule of its groups also asks for a reason, the approval of 1 other";
    assert_eq!((last.link, last.seen.as_str()), (Link::PersonMayRead, words));
}

#[test]
fn a_healthy_chain_misses_nothing() {
    let explanation = explain(&healthy());
    assert_eq!(explanation.cause, None);
    assert!(explanation.chain.iter().all(|finding| finding.condition == Condition::Holds));
    assert_eq!(explanation.chain.len(), Link::ALL.len());
}

#[test]
fn a_fork_that_a_rotation_has_ended_breaks_nothing() {
    let mut evidence = healthy();
    evidence.fork = Some(Fork { at: at(1), clone_suspected: false });
    assert_eq!(explain(&evidence).cause, None);
}

#[test]
fn an_older_pending_version_does_not_break_the_proof() {
    let mut evidence = healthy();
    evidence.credential.pending_since = Some(at(1));
    assert_eq!(explain(&evidence).cause, None);
}

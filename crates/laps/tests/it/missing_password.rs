//! The decision table laps-behaviour.md 11.1, row by row as far as it concerns the directory of a server or the
//! agent (the rows of Active Directory are in `explain_domain`), and the seed `missing-password`, statement by statement.

use crate::explain::{at, healthy};
use laps::{
    drift::Drift,
    explain::{
        Cause, Certificate, Condition, Credential, Device, Evidence, Explanation, Export, Former, Link, Namesake,
        Unlinked, explain, explain_request,
    },
};

fn told(breaks: impl FnOnce(&mut Evidence)) -> (Explanation, Cause) {
    let mut evidence = healthy();
    breaks(&mut evidence);
    let explanation = explain(&evidence);
    let cause = explanation.cause.clone().expect("nothing is broken");
    (explanation, cause)
}

fn code(breaks: impl FnOnce(&mut Evidence)) -> &'static str {
    told(breaks).1.code
}

fn error(evidence: &mut Evidence, event: u32, code: &str) {
    evidence.report.as_mut().unwrap().last_error = Some((event, code.into(), "what it said".into()));
}

fn nothing_stored(evidence: &mut Evidence) {
    evidence.credential = Credential::default();
}

fn way<'a>(explanation: &'a Explanation, situation: &str) -> &'a str {
    let found = explanation.ways.iter().find(|way| way.situation == situation);
    &found.unwrap_or_else(|| panic!("no way {situation}: {:?}", explanation.ways)).text
}

// ---- 11.1 -------------------------------------------------------------------------------------------

#[test]
fn row_01_no_device_object() {
    assert_eq!(code(|e| e.device = Device::Unknown), "device_unknown");
    assert_eq!(code(|e| e.device = Device::Purged { at: at(5) }), "device_purged");
}

#[test]
fn row_02_two_objects_with_one_name() {
    let new = Namesake { id: "11-22".into(), state: "enabled".into(), last_seen: Some(at(100)) };
    let old = Namesake { id: "33-44".into(), state: "disabled".into(), last_seen: None };
    let (_, by_name) = told(|e| e.device = Device::Several(vec![new.clone(), old.clone()]));
    assert_eq!(by_name.code, "name_ambiguous");
    assert!(by_name.remedy.contains("by id"), "{by_name:?}");
    let (explanation, by_id) = told(|e| {
        nothing_stored(e);
        e.namesakes = vec![new.clone()];
    });
    assert_eq!(by_id.code, "stale_object");
    assert!(by_id.remedy.contains("lapwing explain 11-22"), "{by_id:?}");
    assert!(explanation.chain.first().unwrap().seen.contains("11-22"));
    // One that was heard of before is the former one: this object is looked at further.
    assert_eq!(
        code(|e| {
            nothing_stored(e);
            e.namesakes = vec![old.clone()];
        }),
        "not_stored_yet"
    );
    // A stored password is not missing, whatever other objects are called.
    let mut evidence = healthy();
    evidence.namesakes = vec![new];
    assert_eq!(explain(&evidence).cause, None);
}

#[test]
fn row_03_the_object_is_disabled() {
    assert_eq!(code(|e| e.device = Device::Disabled { at: None }), "device_disabled");
}

#[test]
fn row_04_the_switch_is_off() {
    assert_eq!(code(|e| e.switch_on = false), "laps_disabled");
    // As the device was told, before anybody turned it on.
    assert_eq!(
        code(|e| {
            nothing_stored(e);
            error(e, 10059, "laps_disabled");
        }),
        "laps_disabled"
    );
}

#[test]
fn row_05_a_role_of_metadata_only() {
    let (explanation, cause) = told(|e| e.reader.may_read = false);
    assert_eq!(cause.code, "reader_not_allowed");
    assert!(cause.remedy.contains("Cloud Device Administrator"));
    assert!(explanation.readable.contains("by those who may"), "it is there, and this person may not see it");
    // Not there is another answer to the same person.
    assert_eq!(
        code(|e| {
            e.reader.may_read = false;
            nothing_stored(e);
        }),
        "not_stored_yet"
    );
}

#[test]
fn row_07_no_policy_or_backup_off() {
    let none = |e: &mut Evidence| {
        e.assigned.clear();
        e.report.as_mut().unwrap().backup_directory = 0;
    };
    assert_eq!(code(none), "policy_not_assigned");
    assert_eq!(code(|e| e.report.as_mut().unwrap().policy_source = None), "no_policy_on_device");
    assert_eq!(code(|e| e.report.as_mut().unwrap().backup_directory = 0), "backup_disabled");
}

#[test]
fn row_08_another_root_rules() {
    for source in ["gpo", "local"] {
        assert_eq!(code(|e| e.report.as_mut().unwrap().policy_source = Some(source.into())), "other_source_wins");
    }
}

#[test]
fn row_09_the_password_is_in_the_other_directory() {
    let (_, cause) = told(|e| {
        let report = e.report.as_mut().unwrap();
        (report.backup_directory, report.in_active_directory) = (2, Some("pc-1".into()));
    });
    assert_eq!(cause.code, "in_active_directory");
    assert!(cause.remedy.contains("lapwing ad get pc-1"));
}

#[test]
fn row_10_the_directory_does_not_fit_the_join() {
    assert_eq!(code(|e| e.report.as_mut().unwrap().join_state_mismatch = true), "join_state_mismatch");
}

#[test]
fn row_11_a_machine_that_cannot_be_managed() {
    for word in ["account_db_generated", "account_db_not_durable", "account_not_local"] {
        let breaks = |e: &mut Evidence| {
            nothing_stored(e);
            error(e, 20001, word);
        };
        assert_eq!(code(breaks), "machine_unsupported", "{word}");
    }
}

#[test]
fn row_12_the_account_does_not_exist() {
    let (_, cause) = told(|e| {
        let report = e.report.as_mut().unwrap();
        (report.account_found, report.account_wanted) = (false, Some("Admin ".into()));
        error(e, 10013, "account_not_found");
    });
    assert_eq!(cause.code, "account_not_found");
    assert!(cause.cause.contains("\"Admin \""), "blanks at the ends show: {cause:?}");
}

#[test]
fn row_19_the_server_cannot_be_reached() {
    // What the device could not tell shows here as silence; on the machine it is `server_unreachable`.
    assert_eq!(
        code(|e| {
            nothing_stored(e);
            e.device = Device::Enabled { joined_at: at(0), last_seen: Some(at(2)) };
        }),
        "device_unreachable"
    );
}

#[test]
fn row_20_the_device_is_not_authenticated() {
    assert_eq!(
        code(|e| e.certificate = Some(Certificate { not_after: at(9), revoked_at: None })),
        "certificate_expired"
    );
    assert_eq!(
        code(|e| e.certificate = Some(Certificate { not_after: at(9000), revoked_at: Some(at(1)) })),
        "certificate_revoked"
    );
    assert_eq!(
        code(|e| {
            nothing_stored(e);
            error(e, 10026, "certificate_required");
        }),
        "not_authenticated"
    );
}

#[test]
fn row_21_the_directory_refused() {
    for (word, wanted) in [
        ("device_disabled", "device_disabled"),
        ("device_deleted", "device_deleted"),
        ("laps_disabled", "laps_disabled"),
        ("too_many_versions", "directory_refused"),
    ] {
        let breaks = |e: &mut Evidence| {
            nothing_stored(e);
            error(e, 10028, word);
        };
        assert_eq!(code(breaks), wanted, "{word}");
    }
}

#[test]
fn row_22_no_acceptable_password() {
    let breaks = |e: &mut Evidence| {
        nothing_stored(e);
        error(e, 10027, "password_refused");
    };
    let (explanation, cause) = told(breaks);
    assert_eq!(cause.code, "password_not_acceptable");
    let broken = explanation.chain.iter().find(|finding| finding.condition == Condition::Broken).unwrap();
    assert_eq!((broken.link, broken.at), (Link::Generated, Some(at(99))), "with what was seen and when");
}

#[test]
fn row_23_the_password_could_not_be_set() {
    let breaks = |e: &mut Evidence| {
        e.credential.pending_since = Some(at(50));
        error(e, 10019, "account_set_failed");
    };
    assert_eq!(code(breaks), "set_failed");
    // The next rotation went well.
    let mut evidence = healthy();
    error(&mut evidence, 10019, "account_set_failed");
    assert_eq!(explain(&evidence).cause, None);
}

#[test]
fn row_24_not_due_is_nothing_wrong() {
    let explanation = explain(&healthy());
    assert_eq!((explanation.cause, explanation.ways), (None, vec![]));
}

#[test]
fn row_25_legacy_policy_rules() {
    assert_eq!(code(|e| e.report.as_mut().unwrap().policy_source = Some("legacy".into())), "other_source_wins");
}

#[test]
fn row_29_a_password_that_does_not_open() {
    assert_eq!(code(|e| e.report.as_mut().unwrap().drift = vec![Drift::RolledBack]), "rolled_back");
    assert_eq!(code(|e| e.report.as_mut().unwrap().account_enabled = false), "account_disabled");
    assert_eq!(code(|e| e.credential.pending_since = Some(at(50))), "stored_not_proven");
}

#[test]
fn row_30_an_expired_password_stays_valid() {
    let (_, cause) = told(|e| e.credential.expires_at = Some(at(50)));
    assert_eq!(cause.code, "overdue");
    assert!(cause.cause.contains("stays valid"));
}

#[test]
fn row_31_rotate_now_that_stays_pending() {
    let why = |breaks: fn(&mut Evidence)| {
        let mut evidence = healthy();
        breaks(&mut evidence);
        explain_request(&evidence).map(|cause| cause.code)
    };
    assert_eq!(why(|_| {}), None, "the device only has to come");
    assert_eq!(why(|e| e.credential.expires_at = Some(at(50))), None, "that is what the rotation mends");
    assert_eq!(why(|e| e.reader.may_read = false), None);
    let offline = |e: &mut Evidence| e.device = Device::Enabled { joined_at: at(0), last_seen: Some(at(2)) };
    assert_eq!(why(offline), Some("device_unreachable"));
    assert_eq!(why(|e| e.report.as_mut().unwrap().policy_source = None), Some("no_policy_on_device"));
    assert_eq!(why(nothing_stored), Some("not_stored_yet"), "never backed up");
    assert_eq!(why(|e| e.delivery.as_mut().unwrap().up_to_date = false), Some("policy_not_delivered"));
    assert_eq!(
        why(|e| {
            let report = e.report.as_mut().unwrap();
            (report.backup_directory, report.in_active_directory) = (2, Some("pc-1".into()));
        }),
        Some("in_active_directory")
    );
}

#[test]
fn row_33_what_follows_a_sign_in_failed() {
    for event in [10043, 10048, 10049] {
        assert_eq!(code(|e| error(e, event, "server_unreachable")), "post_authentication_failed", "{event}");
    }
}

#[test]
fn row_36_what_the_other_directory_keeps_is_stale() {
    let (explanation, _) = told(|e| {
        let report = e.report.as_mut().unwrap();
        (report.backup_directory, report.in_active_directory) = (2, Some("pc-1".into()));
    });
    assert!(explanation.readable.contains("of the time before"), "{}", explanation.readable);
    assert_eq!(explanation.ways, vec![], "nothing is missing there");
}

// ---- the seed ---------------------------------------------------------------------------------------

/// "When the backup is missing, the existing password value cannot be recovered."
#[test]
fn seed_what_was_never_stored_cannot_be_recovered() {
    let (explanation, _) = told(nothing_stored);
    assert!(way(&explanation, "no_local_access").contains("cannot be recovered"));
}

/// "If the device object was deleted … permanently lost … unless it was exported and stored externally beforehand."
#[test]
fn seed_device_deleted_is_lost_unless_in_the_tombstone_or_an_export() {
    let (_, tombstone) = told(|e| e.device = Device::Deleted { at: at(5), purge_at: at(725) });
    assert!(tombstone.cause.contains(&at(725).to_string()) && tombstone.remedy.contains("lapwing device restore"));
    let (_, lost) = told(|e| e.device = Device::Purged { at: at(5) });
    assert!(lost.cause.contains("cannot give them back") && lost.cause.contains("No escrow export"), "{lost:?}");
    let export = Export { archive: "7f3a".into(), at: at(3) };
    let (explanation, exported) = told(|e| {
        (e.device, e.export) = (Device::Purged { at: at(5) }, Some(export));
        nothing_stored(e);
    });
    assert!(exported.cause.contains("escrow export 7f3a") && exported.cause.contains(&at(3).to_string()));
    assert!(way(&explanation, "no_local_access").contains("escrow export 7f3a"));
}

/// "To use LAPS again … it must appear as a new device object and then receive a valid LAPS policy."
#[test]
fn seed_the_way_back_is_a_new_object_then_policy_then_rotation() {
    let (_, cause) = told(|e| e.device = Device::Purged { at: at(5) });
    let place = |word: &str| cause.remedy.find(word).unwrap_or_else(|| panic!("{word}: {}", cause.remedy));
    assert!(place("new device object") < place("policy") && place("policy") < place("new password"));
}

/// "Ensure Enable Local Administrator Password Solution is set to Yes."
#[test]
fn seed_the_switch_is_off() {
    let (_, cause) = told(|e| e.switch_on = false);
    assert!(cause.remedy.contains("lapwing setting laps on"));
}

/// "Confirm that the policy BackUpDirectory is set … to either Entra ID or AD, but not both."
#[test]
fn seed_the_backup_directory_is_wrong() {
    assert_eq!(code(|e| e.report.as_mut().unwrap().backup_directory = 0), "backup_disabled");
    assert_eq!(code(|e| e.report.as_mut().unwrap().join_state_mismatch = true), "join_state_mismatch");
}

/// "Confirm that a policy is assigned to those devices."
#[test]
fn seed_the_policy_is_not_assigned() {
    let (_, cause) = told(|e| {
        e.assigned.clear();
        e.report.as_mut().unwrap().backup_directory = 0;
    });
    assert_eq!(cause.code, "policy_not_assigned");
    assert!(cause.remedy.contains("lapwing policy assign"));
}

/// "CSP-based policy overrides other LAPS sources": where it does, nothing is broken, and where another source is in
/// force although a policy is assigned, that is named.
#[test]
fn seed_csp_overrides_group_policy() {
    let explanation = explain(&healthy());
    let won = explanation.chain.iter().find(|finding| finding.link == Link::SourceWon).unwrap();
    assert_eq!((won.condition, won.seen.as_str()), (Condition::Holds, "csp is in force"));
    let (_, cause) = told(|e| e.report.as_mut().unwrap().policy_source = Some("gpo".into()));
    assert!(cause.cause.contains("never merged"), "{cause:?}");
}

/// "… and the device is in an enabled state."
#[test]
fn seed_the_device_is_disabled() {
    let (_, cause) = told(|e| e.device = Device::Disabled { at: Some(at(3)) });
    assert!(cause.remedy.contains("lapwing device enable"));
}

/// "A manual rotation can also be triggered if the device is reachable …"
#[test]
fn seed_the_device_is_unreachable() {
    let mut evidence = healthy();
    evidence.device = Device::Enabled { joined_at: at(0), last_seen: Some(at(20)) };
    let cause = explain_request(&evidence).unwrap();
    assert_eq!(cause.code, "device_unreachable");
    assert!(cause.cause.contains(&at(20).to_string()), "{cause:?}");
    // Its password is there all the same.
    assert_eq!(explain(&evidence).cause, None);
}

/// "… and compliant with policy": the last delivery was not accepted in full.
#[test]
fn seed_the_device_is_not_compliant() {
    let mut evidence = healthy();
    evidence.delivery.as_mut().unwrap().refused = vec![("PasswordLength".into(), 500)];
    let cause = explain_request(&evidence).unwrap();
    assert_eq!(cause.code, "policy_refused");
    assert_eq!(explain(&evidence).cause, Some(cause));
}

/// "No rebuild required if local access is still possible": join, enabled, switch, policy, then rotate.
#[test]
fn seed_local_access_left_needs_no_rebuild() {
    let (explanation, _) = told(|e| {
        e.switch_on = false;
        nothing_stored(e);
        e.report.as_mut().unwrap().other_administrators = vec!["ada".into()];
    });
    let text = way(&explanation, "local_access_left");
    let place = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(text.contains("no rebuild is needed"));
    assert!(place("the join is in order") < place("the switch is to mend first"), "{text}");
    assert!(place("the switch") < place("the policy") && place("the policy") < place("then rotate"), "{text}");
    assert!(text.contains("ada"), "whom the device told of: {text}");
    // The agent is root and can be reached: nobody has to sign in at all.
    assert!(way(&explanation, "agent_reachable").contains("Nobody has to sign in"));
}

/// "When local admin access is completely lost": OS-level recovery or rebuild.
#[test]
fn seed_no_local_access_left() {
    let (explanation, _) = told(|e| {
        nothing_stored(e);
        e.device = Device::Enabled { joined_at: at(0), last_seen: Some(at(2)) };
    });
    let text = way(&explanation, "no_local_access");
    assert!(text.contains("recovery media") && text.contains("rebuild"), "{text}");
    assert!(explanation.ways.iter().all(|way| way.situation != "agent_reachable"));
}

// ---- rotation.md 3, "Re-join" -----------------------------------------------------------------------

fn former() -> Former {
    Former { id: "55-66".into(), stored_at: at(1), proven_at: Some(at(2)) }
}

/// Until the new object has a proven password of its own the former one's is given out: its own is missing still, and
/// what can be read is said.
#[test]
fn the_former_objects_password_stands_in() {
    let (explanation, cause) = told(|e| {
        nothing_stored(e);
        e.former = Some(former());
    });
    assert_eq!(cause.code, "not_stored_yet");
    let stored = explanation.chain.iter().find(|finding| finding.link == Link::Stored).unwrap();
    assert_eq!(stored.condition, Condition::Broken);
    assert!(stored.seen.contains("former object 55-66") && stored.seen.contains(&at(2).to_string()), "{stored:?}");
    let readable = &explanation.readable;
    assert!(readable.contains("55-66") && readable.contains("can be read by those who may, labelled so"), "{readable}");
    assert_eq!(explanation.ways.first().unwrap().situation, "former_password");
    assert!(way(&explanation, "former_password").contains("try it first"));
    assert!(way(&explanation, "no_local_access").contains("the former object's password does not open it"));
    // The machine itself says what keeps it from storing.
    let (explanation, cause) = told(|e| {
        nothing_stored(e);
        error(e, 10059, "too_many_versions");
        e.former = Some(former());
    });
    assert_eq!(cause.code, "directory_refused");
    assert!(explanation.readable.contains("55-66"));
    // Stored and not proven: both may open it.
    let (explanation, cause) = told(|e| {
        e.credential = Credential { pending_since: Some(at(50)), ..Credential::default() };
        e.former = Some(former());
    });
    assert_eq!(cause.code, "stored_not_proven");
    assert!(cause.remedy.contains("then that of the former object"), "{cause:?}");
    assert!(explanation.readable.contains("behind it that of the former object 55-66"), "{}", explanation.readable);
    assert_eq!(explanation.ways, vec![], "one of its own can be read");
}

/// Where the old key is gone nobody has linked the two: the answer names the objects that may be the former one.
#[test]
fn a_former_object_that_nobody_has_linked_is_a_way() {
    let other = Unlinked { id: "77-88".into(), state: "deleted".into(), same_machine: true, last_seen: Some(at(3)) };
    let (explanation, _) = told(|e| {
        nothing_stored(e);
        e.unlinked = vec![other.clone(), Unlinked { id: "99-00".into(), same_machine: false, ..other.clone() }];
    });
    let text = way(&explanation, "former_object");
    assert!(
        text.contains("77-88 (the same machine, deleted, last heard of at") && text.contains("99-00 (the same name")
    );
    assert!(text.contains("lapwing device link"), "{text}");
    assert!(way(&explanation, "no_local_access").contains("no former object is this machine"));
    // Nothing is missing where a password of its own can be read.
    let mut evidence = healthy();
    evidence.unlinked = vec![other];
    assert_eq!(explain(&evidence).ways, vec![]);
}

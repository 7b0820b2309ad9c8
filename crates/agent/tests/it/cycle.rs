//! Whole cycles on a real account tree: the eight steps, and every way in which the directory can fail.

use crate::world::{Agent, Fault, World, block_on};
use agent::effect::Witness;
use agent::state::{Contact, JournalFound, StateDir};
use laps::{cycle::Finish, decide::Reason, event};
use proto::device::{Code, VersionState};
use proto::dm;
use std::fs;

fn run<W: Witness>(agent: &mut Agent<W>, reset: bool) -> Finish {
    block_on(agent.cycle(reset, &mut || None)).unwrap().finish
}

fn states(world: &World) -> Vec<VersionState> {
    world.directory.book().rows.iter().map(|row| row.state).collect()
}

fn opens_current(world: &World) -> bool {
    let book = world.directory.book();
    let row = book.current().expect("a current version");
    world.places.opens(&row.account_name, row.account_id, &row.password)
}

#[test]
fn the_first_cycle_sets_and_proves_a_password_and_the_next_has_nothing_to_do() {
    let world = World::new();
    let mut agent = world.agent();
    let finish = run(&mut agent, false);
    assert_eq!((finish.proven.len(), finish.last_error), (1, None));
    assert_eq!(finish.reasons, [Reason::FirstRotation]);
    assert!(opens_current(&world));
    let book = world.directory.book();
    assert_eq!(book.rows[0].password.len(), 20, "the policy's length");
    assert_eq!(book.rows[0].reasons, ["first_rotation"]);
    let evidence = book.last_report.unwrap().evidence;
    assert_eq!((evidence.policy_source.as_deref(), evidence.backup_directory), (Some("local"), 1));
    assert_eq!(StateDir::open(&world.places.state()).unwrap().journal().unwrap(), JournalFound::Empty);
    assert_eq!(world.places.password_on_disk(), None);
    let planted = world.places.state().join("planted");
    fs::write(&planted, format!("x{}x", book.rows[0].password)).unwrap();
    assert_eq!(world.places.password_on_disk(), Some(planted), "the scan finds one that is there");

    let finish = run(&mut agent, false);
    assert_eq!((finish.proven.len(), finish.last_error), (0, None));
    assert_eq!(world.directory.book().rows.len(), 1);

    // A new process knows it too.
    drop(agent);
    assert!(run(&mut world.agent(), false).proven.is_empty());

    let mut agent = world.agent();
    let former = world.directory.book().rows[0].password.clone();
    assert_eq!(run(&mut agent, true).reasons, [Reason::AdministratorRequest]);
    assert!(opens_current(&world) && !world.places.opens("root", 0, &former));
    assert_eq!(states(&world), [VersionState::Superseded, VersionState::Current]);
}

/// rotation.md 1, "fingerprint": its key is on the device only. Nothing that was sent holds it, in any usual form.
#[test]
fn the_fingerprint_key_is_never_sent() {
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
    let world = World::new();
    run(&mut world.agent(), false);
    let key = fs::read(world.places.state().join("fingerprint.key")).unwrap();
    assert_eq!(key.len(), 32);
    let sent = fs::read(world.places.book()).unwrap();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.contains("\"fingerprint\":\""), "what is looked through is what was sent");
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = serde_json::to_string(&key).unwrap();
    for form in [&hex, &STANDARD_NO_PAD.encode(&key), &list] {
        assert!(!sent.to_lowercase().contains(&form.to_lowercase()));
    }
}

#[test]
fn a_renamed_machine_tells_its_new_name_once() {
    let world = World::new();
    run(&mut world.agent(), false);
    let told = || world.directory.book().last_report.unwrap().evidence.new_name;
    assert_eq!(told(), None, "the name of the join is known");
    let state = StateDir::open(&world.places.state()).unwrap();
    let contact = state.contact().unwrap();
    let name = agent::join::host_name();
    assert_eq!(contact.host_name.as_deref(), Some(name.as_str()));
    state.write_contact(&Contact { host_name: Some("its-former-name".into()), ..contact }).unwrap();
    run(&mut world.agent(), false);
    assert_eq!(told(), Some(name));
    run(&mut world.agent(), false);
    assert_eq!(told(), None);
}

/// laps-behaviour.md 10: the sequence of a good cycle with the cloud directory.
#[test]
fn the_events_of_a_good_cycle() {
    let world = World::new();
    run(&mut world.agent(), false);
    let ids: Vec<u32> = world.places.events().iter().map(|record| record.event).collect();
    let published = [10003, 10022, 10015, 10030, 10029, 10020, 10004];
    let seen: Vec<u32> = ids.iter().copied().filter(|id| published.contains(id)).collect();
    assert_eq!(seen, published);
    assert!(ids.contains(&event::PROVEN) && ids.contains(&event::ACCOUNT_DISABLED), "{ids:?}");
}

/// rotation.md 2, step 4, and 3: `store` is idempotent, so a lost answer is asked for again.
#[test]
fn a_lost_store_is_repeated_and_stored_once() {
    for fault in [Fault::RequestLost, Fault::AnswerLost, Fault::Refused(Code::Internal)] {
        let world = World::new();
        world.directory.faults([Fault::None, fault, fault]);
        let finish = run(&mut world.agent(), false);
        assert_eq!(finish.proven.len(), 1, "{fault:?}: {:?}", finish.last_error);
        assert_eq!(states(&world), [VersionState::Current], "{fault:?}");
    }
}

/// rotation.md 2, step 4: a refused store leaves the account untouched, and the directory hears why.
#[test]
fn a_refused_store_changes_nothing() {
    for code in [Code::LapsDisabled, Code::DeviceDisabled, Code::TooManyVersions, Code::Unavailable] {
        let world = World::new();
        let shadow = fs::read(world.places.tree().join("etc/shadow")).unwrap();
        world.directory.faults([Fault::None, Fault::Refused(code)]);
        let finish = run(&mut world.agent(), false);
        assert_eq!(finish.last_error.unwrap().code, code.as_str());
        assert!(!finish.unresolved && finish.proven.is_empty());
        assert_eq!(fs::read(world.places.tree().join("etc/shadow")).unwrap(), shadow);
        let told = world.directory.book().last_report.unwrap().last_error.unwrap();
        assert_eq!(told.code, code.as_str());
        assert!(run(&mut world.agent(), false).proven.len() == 1, "the next cycle makes up for it");
    }
}

/// rotation.md 1, "live set": readers are shown first what was last reported installed, so a report after a rotation
/// names what is there then.
#[test]
fn the_last_report_of_a_rotation_tells_what_it_set() {
    let world = World::new();
    let mut agent = world.agent();
    run(&mut agent, false);
    let reported = || world.directory.book().last_report.unwrap().installed_fingerprint;
    // That a failure is over is told at the end of the cycle that rotates.
    world.directory.faults([Fault::Unreachable]);
    assert!(run(&mut agent, false).last_error.is_some());
    assert_eq!(run(&mut agent, true).last_error, None);
    assert_eq!(reported(), Some(world.directory.book().current().unwrap().fingerprint));
    // Set, and the proof lost: what is there is the pending one.
    world.directory.faults([Fault::None, Fault::None, Fault::RequestLost]);
    assert!(run(&mut agent, true).unresolved);
    let book = world.directory.book();
    let pending = book.rows.iter().find(|row| row.state == VersionState::Pending).unwrap();
    assert_eq!(reported(), Some(pending.fingerprint));
}

/// rotation.md 2, end: a lost proof is repeated by the next cycle, of this process or another one.
#[test]
fn a_lost_proof_is_told_again() {
    for same_process in [true, false] {
        for fault in [Fault::RequestLost, Fault::AnswerLost, Fault::Refused(Code::DeviceDisabled)] {
            let world = World::new();
            let mut agent = world.agent();
            world.directory.faults([Fault::None, Fault::None, fault]);
            let finish = run(&mut agent, false);
            assert!(finish.unresolved, "{fault:?}");
            world.places.check("after a lost proof");
            if !same_process {
                drop(agent);
                agent = world.agent();
            }
            let finish = run(&mut agent, false);
            assert!(!finish.unresolved, "{fault:?}");
            assert_eq!(states(&world), [VersionState::Current]);
            assert!(opens_current(&world));
        }
    }
}

/// rotation.md 11: a recovery that ends unproven, before the check-in, reports the account that it is about, what
/// is set, and the policy that is in force.
#[test]
fn a_recovery_that_ends_unproven_names_the_account() {
    let world = World::new();
    world.directory.faults([Fault::None, Fault::None, Fault::RequestLost]);
    assert!(run(&mut world.agent(), false).unresolved);
    world.directory.change(|book| book.last_report = None);
    world.directory.faults([Fault::RequestLost]);
    let finish = run(&mut world.agent(), false);
    assert!(finish.unresolved);
    let book = world.directory.book();
    let (report, row) = (book.last_report.unwrap(), &book.rows[0]);
    let account = report.account.unwrap();
    assert_eq!((account.id, account.name.as_str(), report.intent), (0, "root", Some(row.version)));
    assert_eq!(report.installed_fingerprint, Some(row.fingerprint), "what is set is known");
    assert_eq!((report.evidence.policy_source.as_deref(), report.evidence.backup_directory), (Some("local"), 1));
    assert_eq!(report.evidence.unmanaged, None, "nothing is released");
    assert_eq!(report.last_error.unwrap().code, finish.last_error.unwrap().code);
}

/// rotation.md 3: an abandoned or unknown version is overtaken at once.
#[test]
fn a_version_that_the_directory_gave_up_is_overtaken_in_the_same_cycle() {
    for code in [Code::VersionAbandoned, Code::VersionUnknown] {
        let world = World::new();
        world.directory.faults([Fault::None, Fault::None, Fault::Refused(code)]);
        let finish = run(&mut world.agent(), false);
        assert_eq!(finish.reasons, [Reason::Overtaken], "{code:?}");
        assert!(opens_current(&world));
    }
}

/// laps-behaviour.md 4.3: off the network nothing is changed, whatever is due.
#[test]
fn off_the_network_nothing_is_changed() {
    let world = World::new();
    run(&mut world.agent(), false);
    let shadow = fs::read(world.places.tree().join("etc/shadow")).unwrap();
    world.directory.faults([Fault::Unreachable]);
    let finish = run(&mut world.agent(), true);
    assert!(finish.offline);
    assert_eq!(finish.last_error.unwrap().event, event::DISCOVERY_FAILED);
    assert_eq!(fs::read(world.places.tree().join("etc/shadow")).unwrap(), shadow);
}

/// Event 10013; the account is never created in manual mode.
#[test]
fn a_missing_account_is_reported_and_not_created() {
    let world = World::new();
    let policy = "BackupDirectory = 1\nAdministratorAccountName = nobody-here\n";
    fs::write(world.places.state().join("policy/local.toml"), policy).unwrap();
    let finish = run(&mut world.agent(), false);
    assert_eq!(finish.last_error.unwrap().event, event::ACCOUNT_NOT_FOUND);
    let report = world.directory.book().last_report.unwrap();
    assert_eq!(report.evidence.account_wanted.as_deref(), Some("nobody-here"));
    assert_eq!(report.last_error.unwrap().event, event::ACCOUNT_NOT_FOUND);
    assert!(!fs::read_to_string(world.places.tree().join("etc/passwd")).unwrap().contains("nobody-here"));
}

/// Event 10027: the machine's own rules are read before anything is stored.
#[test]
fn a_rule_of_the_machine_that_no_password_meets_stops_before_the_store() {
    let world = World::new();
    let security = world.places.tree().join("etc/security");
    fs::create_dir_all(&security).unwrap();
    fs::write(security.join("pwquality.conf"), "minlen = 90\n").unwrap();
    let finish = run(&mut world.agent(), false);
    assert_eq!(finish.last_error.unwrap().event, event::NO_ACCEPTABLE_PASSWORD);
    assert!(world.directory.book().rows.is_empty());
}

/// A full or read-only disk is refused before anything is changed (here: a state directory that is gone).
#[test]
fn a_state_directory_that_takes_no_files_stops_at_the_preflight() {
    let world = World::new();
    let mut agent = world.agent();
    run(&mut agent, false);
    fs::remove_dir_all(world.places.state()).unwrap();
    fs::write(world.places.state(), "not a directory").unwrap();
    let done = block_on(agent.cycle(true, &mut || None));
    match done {
        Ok(done) => assert_eq!(done.finish.last_error.unwrap().event, event::STATE_FAILED),
        Err(error) => assert_eq!(error.failure().event, event::STATE_FAILED),
    }
    assert_eq!(world.directory.book().rows.len(), 1);
}

/// rotation.md 2, end: a lost journal is rebuilt from the answer to `report`.
#[test]
fn a_lost_journal_is_rebuilt() {
    for torn in [false, true] {
        let world = World::new();
        run(&mut world.agent(), false);
        world.directory.faults([Fault::None, Fault::None, Fault::RequestLost]);
        assert!(run(&mut world.agent(), true).unresolved);
        let journal = world.places.state().join("journal.json");
        if torn {
            fs::write(&journal, b"{\"format\":1,\"int").unwrap();
        } else {
            fs::remove_file(&journal).unwrap();
        }
        let finish = run(&mut world.agent(), false);
        assert_eq!(finish.last_error, None);
        assert_eq!(states(&world), [VersionState::Superseded, VersionState::Current]);
        assert!(opens_current(&world));
        let mut damaged = world.places.events();
        damaged.retain(|record| record.event == event::JOURNAL_DAMAGED);
        assert_eq!(damaged.len(), usize::from(torn));
        let told: Vec<_> = damaged.into_iter().map(|record| record.text).collect();
        assert_eq!(world.directory.book().damaged, told, "the directory is told once");
    }
}

/// Policy by SyncML, then ResetPassword over the session: pending, then the result in an alert.
#[test]
fn policy_and_reset_come_over_the_management_session() {
    let world = World::new();
    let node = |name: &str| format!("./Device/Vendor/MSFT/LAPS/{name}");
    let replace = |name: &str, format: &'static str, data: &'static str| {
        dm::Command::set(dm::Verb::Replace, node(name), format, data)
    };
    world.directory.policy.borrow_mut().push(dm::Command::atomic(vec![
        replace("Policies/BackupDirectory", "int", "1"),
        replace("Policies/AdministratorAccountName", "chr", "ops"),
        replace("Policies/PasswordComplexity", "int", "6"),
    ]));
    let mut agent = world.agent();
    let finish = run(&mut agent, false);
    assert_eq!(finish.proven.len(), 1, "{:?}", finish.last_error);
    let book = world.directory.book();
    assert_eq!(book.rows[0].account_name, "ops");
    assert!(opens_current(&world));
    assert_eq!(book.last_report.unwrap().evidence.policy_source.as_deref(), Some("csp"));
    assert!(world.places.events().iter().any(|record| record.event == event::POLICY_CHANGED));

    world.directory.policy.borrow_mut().push(dm::Command::request(dm::Verb::Exec, node("Actions/ResetPassword")));
    let finish = run(&mut agent, false);
    assert_eq!(finish.reasons, [Reason::CspRequest]);
    assert!(!agent.reset_is_pending());
    let alerts = world.directory.alerts.borrow().clone();
    assert_eq!(alerts.last(), Some(&(node("Actions/ResetPasswordStatus"), "0".to_owned())));

    // The values are the stored ones: a new process has them without a session.
    drop(agent);
    assert!(run(&mut world.agent(), false).proven.is_empty());
}

/// Row 15 of laps-behaviour.md 1.8: a reset with nothing to manage fails with ERROR_NOT_SUPPORTED.
#[test]
fn a_reset_without_a_policy_is_answered_as_not_supported() {
    let world = World::new();
    fs::write(world.places.state().join("policy/local.toml"), "").unwrap();
    let exec = dm::Command::request(dm::Verb::Exec, "./Device/Vendor/MSFT/LAPS/Actions/ResetPassword");
    world.directory.policy.borrow_mut().push(exec);
    run(&mut world.agent(), false);
    let alerts = world.directory.alerts.borrow().clone();
    assert_eq!(alerts.last().unwrap().1, laps::csp::HResult::NOT_SUPPORTED.to_string());
}

/// A request of the directory is met by a proof, and only by one (rotation.md 2).
#[test]
fn a_request_of_the_directory_rotates_once() {
    let world = World::new();
    let mut agent = world.agent();
    run(&mut agent, false);
    world.directory.change(|book| book.rotate_requested = Some(1));
    assert_eq!(run(&mut agent, false).reasons, [Reason::DirectoryRequest]);
    assert!(run(&mut agent, false).proven.is_empty());
}

/// rotation.md 2, end: a request during a rotation sets once more.
#[test]
fn a_request_in_the_middle_is_not_lost() {
    let world = World::new();
    let mut agent = world.agent();
    let mut count = 0;
    let mut asked = || {
        count += 1;
        (count == 12).then_some(Reason::AdministratorRequest)
    };
    let done = block_on(agent.cycle(false, &mut asked)).unwrap();
    assert_eq!(done.finish.proven.len(), 2);
    assert!(opens_current(&world));
}

/// design.md 5: an expired certificate may renew, and the new one is in force with its key.
#[test]
fn a_certificate_is_renewed_from_half_of_its_life() {
    let world = World::new();
    let state = StateDir::open(&world.places.state()).unwrap();
    let mut identity = state.identity().unwrap().unwrap();
    let mut params = rcgen::CertificateParams::new(["device".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let pair = rcgen::KeyPair::generate().unwrap();
    let old = params.self_signed(&pair).unwrap().der().to_vec();
    let key = agent::state::SoftwareKey::generate().unwrap();
    state.write_renewed(&mut identity, Some((old, &key)), Vec::new()).unwrap();

    // While the server gives none, the agent goes on with the old one.
    let finish = run(&mut world.agent(), false);
    assert_eq!(finish.proven.len(), 1, "{:?}", finish.last_error);
    let new = crate::world::certificate();
    *world.directory.certificate.borrow_mut() = Some(new.clone());
    run(&mut world.agent(), false);
    let identity = state.identity().unwrap().unwrap();
    assert_eq!(identity.certificate, new);
    use agent::state::DeviceKey as _;
    assert_ne!(state.device_key(&identity).unwrap().public(), key.public());
    assert!(world.places.events().iter().any(|record| record.event == event::CERTIFICATE_RENEWED));
}

/// rotation.md 6: one agent per account tree, and the owner is named.
#[test]
fn two_agents_with_two_state_directories_on_one_tree() {
    let world = World::new();
    let _first = world.agent();
    let tree = agent::platform::Tree::below(&world.places.tree()).unwrap();
    let mut second = agent::platform::ManagedTree::new(tree);
    let refusal = second.claim("another").unwrap_err();
    assert_eq!(refusal.code(), "account_db_claimed");
    assert!(refusal.to_string().contains(&*world.places.state().to_string_lossy()), "{refusal}");
}

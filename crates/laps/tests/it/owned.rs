//! A cycle with automatic account management (laps-behaviour.md 6): what is asked of the shell, and when.

use laps::{
    account::{AccountFacts, Difference, Selection},
    cycle::{CheckedIn, Cycle, Effect, Outcome, Removal, Start, Tick, Turn},
    decide::{Facts, Manage, Memory, Plan, Reason, Target, Unmanaged, View, reasons},
    drift::{Drift, Standing, Trace},
    event,
    id::{DeviceId, Incarnation, TenantId, VersionId},
    policy::AutomaticAccount,
    rotation::{self, AccountRef, Comparison, Destination, Failure, Fingerprint, Intent, ProofKind},
    time::Timestamp,
};

const NOW: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const TENANT: TenantId = TenantId::from_random_bytes([8; 16]);
const DEVICE: DeviceId = DeviceId::from_random_bytes([9; 16]);
const INCARNATION: Incarnation = Incarnation::from_random_bytes([1; 16]);
const FORMER: VersionId = VersionId::from_random_bytes([2; 16]);
const FRESH: VersionId = VersionId::from_random_bytes([3; 16]);

fn wanted(random: bool) -> AutomaticAccount {
    AutomaticAccount { built_in: false, name_or_prefix: "adm".into(), randomize_name: random, enable: true }
}

fn manage(selection: Selection) -> Manage {
    Manage { target: Target::Cloud, selection, age_days: 30 }
}

fn facts(id: u32, name: &str) -> AccountFacts {
    AccountFacts {
        account: AccountRef { id, name: name.into() },
        enabled: true,
        expired: false,
        no_login_shell: false,
        administrator: true,
        installed: Some(Fingerprint::from_bytes([5; 16])),
    }
}

fn memory(id: u32, name: &str) -> Memory {
    Memory {
        tenant: TENANT,
        device: DEVICE,
        incarnation: INCARNATION,
        version: FORMER,
        account: AccountRef { id, name: name.into() },
        destination: Destination::Cloud,
        left_in_cloud: None,
        rotated_at: NOW,
        expires_at: NOW.plus_days(30),
        fingerprint: Fingerprint::from_bytes([5; 16]),
        watch: laps::drift::Watch::default(),
    }
}

fn start(memory: Option<Memory>, created: &[u32]) -> Start {
    Start {
        tenant: TENANT,
        device: DEVICE,
        has_server: true,
        intent: None,
        secret_held: false,
        memory,
        joined_incarnation: INCARNATION,
        last_error: None,
        reset: false,
        signed_in: None,
        created: created.to_vec(),
    }
}

/// A directory on which all is well and nothing is asked for.
fn view(current: Option<VersionId>) -> View {
    View {
        current,
        unresolved: Vec::new(),
        incarnation: INCARNATION,
        rotate_requested: false,
        repairs_per_day: laps::drift::REPAIRS_PER_DAY,
        store_refused: None,
        server_time: NOW,
        active_directory: None,
    }
}

/// Answers every effect as a machine and a directory do on which all goes well; collects what was asked.
fn drive(start: Start, plan: &Plan, found: Option<AccountFacts>) -> (Vec<Effect>, Vec<u32>) {
    let mut current = start.memory.as_ref().map(|memory| memory.version);
    let mut found = found;
    let (mut cycle, mut turn) = Cycle::start(start);
    let (mut asked, mut events) = (Vec::new(), Vec::new());
    loop {
        let Turn { notes, effect } = turn;
        events.extend(notes.iter().map(|note| note.event));
        asked.push(effect.clone());
        let outcome = match &effect {
            Effect::Finish(_) => return (asked, events),
            Effect::CheckIn { .. } => Outcome::CheckedIn(CheckedIn { plan: plan.clone(), reset: false, failure: None }),
            Effect::Shape(_) => Outcome::Shaped(Ok(vec![Difference::NotAdministrator])),
            Effect::Inspect(_) => found.clone().map_or(Outcome::AccountAbsent, |facts| Outcome::Inspected(Ok(facts))),
            Effect::Report(_) => Outcome::Reported(Ok(view(current))),
            Effect::Trace(_) => Outcome::Traced(None),
            Effect::Consult { .. } => unreachable!("policy names the cloud directory"),
            Effect::Remember(_) => Outcome::Done,
            Effect::Remove(ids) => Outcome::Removed(Ok(Removal {
                removed: ids.iter().map(|id| AccountRef { id: *id, name: "old".into() }).collect(),
                kept: Vec::new(),
            })),
            Effect::Rotation(effect) => Outcome::Rotation(match effect {
                rotation::Effect::Generate { .. } => {
                    let account = found.get_or_insert_with(|| facts(1001, "adm123456"));
                    let fingerprint = Fingerprint::from_bytes([6; 16]);
                    account.installed = Some(fingerprint);
                    rotation::Outcome::Generated { account: account.account.clone(), fingerprint }
                }
                rotation::Effect::Prove(_) => rotation::Outcome::Proven(ProofKind::Verifier),
                rotation::Effect::Acknowledge { version, .. } => {
                    current = Some(*version);
                    rotation::Outcome::Done
                }
                rotation::Effect::Compare(_) => rotation::Outcome::Compared(Comparison::CannotTell),
                _ => rotation::Outcome::Done,
            }),
        };
        turn = cycle.on(outcome, Tick { now: NOW, fresh: FRESH });
    }
}

fn names(asked: &[Effect]) -> Vec<&'static str> {
    asked
        .iter()
        .map(|effect| match effect {
            Effect::CheckIn { .. } => "check_in",
            Effect::Shape(_) => "shape",
            Effect::Inspect(_) => "inspect",
            Effect::Trace(_) => "trace",
            Effect::Report(_) => "report",
            Effect::Consult { .. } => "consult",
            Effect::Rotation(rotation::Effect::Generate { .. }) => "generate",
            Effect::Rotation(_) => "rotation",
            Effect::Remember(_) => "remember",
            Effect::Remove(_) => "remove",
            Effect::Finish(_) => "finish",
        })
        .collect()
}

/// rotation.md 2, step 2: the account is made by the rotation; the directory hears of it in the same cycle.
#[test]
fn an_absent_account_is_made_by_a_rotation_and_reported() {
    let plan = Plan::Manage(manage(Selection::Automatic(wanted(true))));
    let (asked, events) = drive(start(None, &[]), &plan, None);
    let names = names(&asked);
    assert_eq!(names[..4], ["check_in", "shape", "inspect", "report"]);
    assert!(names.contains(&"generate"));
    assert_eq!(names[names.len() - 4..], ["rotation", "inspect", "report", "finish"]);
    let Effect::Report(report) = &asked[asked.len() - 2] else { panic!("{names:?}") };
    assert_eq!(report.account.as_ref().unwrap().account.name, "adm123456");
    assert!(events.contains(&event::ACCOUNT_SHAPED));
    let Some(Effect::Finish(finish)) = asked.last() else { panic!() };
    assert_eq!((&finish.reasons[..], finish.proven.len()), (&[Reason::FirstRotation][..], 1));
}

#[test]
fn nothing_is_due_for_an_account_that_fits() {
    let plan = Plan::Manage(manage(Selection::Automatic(wanted(true))));
    let memory = memory(1001, "adm654321");
    let (asked, _) = drive(start(Some(memory), &[1001]), &plan, Some(facts(1001, "adm654321")));
    // How it stands is kept, to measure drift by.
    assert_eq!(names(&asked), ["check_in", "shape", "inspect", "report", "remember", "finish"]);
}

/// rotation.md 10: what another hand did to an account that automatic management owns is undone before it is looked
/// at, and is drift all the same: event, report, rotation. What policy itself has changed is none.
#[test]
fn drift_that_shaping_undoes_is_told_and_rotated() {
    let plan = Plan::Manage(manage(Selection::Automatic(wanted(true))));
    let mut memory = memory(1001, "adm654321");
    memory.watch.standing = Some(Standing { enabled: true, administrator: false });
    let (asked, events) = drive(start(Some(memory.clone()), &[1001]), &plan, Some(facts(1001, "adm654321")));
    assert!(!names(&asked).contains(&"generate") && !events.contains(&event::DRIFT));

    memory.watch.standing = Some(Standing { enabled: true, administrator: true });
    let (asked, events) = drive(start(Some(memory), &[1001]), &plan, Some(facts(1001, "adm654321")));
    assert!(events.contains(&event::DRIFT));
    let reports = asked.iter().filter_map(|effect| match effect {
        Effect::Report(report) => Some(report.drift.clone()),
        _ => None,
    });
    assert_eq!(reports.collect::<Vec<_>>(), [vec![Drift::NotAdministrator], Vec::new()]);
    let Some(Effect::Finish(finish)) = asked.last() else { panic!() };
    assert_eq!(finish.reasons, [Reason::Drift(Drift::NotAdministrator)]);
}

/// The new account is proven before the old one goes.
#[test]
fn an_account_that_policy_has_left_goes_after_the_proof_of_the_new_one() {
    let plan = Plan::Manage(manage(Selection::BuiltIn));
    let (asked, events) = drive(start(Some(memory(1001, "adm")), &[1001]), &plan, Some(facts(0, "root")));
    let names = names(&asked);
    let at = |name: &str| names.iter().position(|other| *other == name);
    assert!(at("remember") < at("remove") && at("remove").is_some(), "{names:?}");
    assert!(asked.contains(&Effect::Remove(vec![1001])));
    assert!(events.contains(&event::ACCOUNT_REMOVED));

    // Nothing goes while the new one cannot be proven: here it is not even found.
    let (asked, _) =
        drive(start(Some(memory(1001, "adm")), &[1001]), &Plan::Unmanaged(Unmanaged::JoinStateMismatch), None);
    assert!(!self::names(&asked).contains(&"remove"));
}

#[test]
fn when_policy_is_gone_the_account_goes_and_the_password_is_due_when_it_comes_back() {
    for why in [Unmanaged::NoPolicy, Unmanaged::BackupDisabled] {
        let (asked, _) = drive(start(Some(memory(1001, "adm")), &[1001]), &Plan::Unmanaged(why), None);
        assert_eq!(names(&asked), ["check_in", "report", "remember", "remove", "finish"]);
        let Some(Effect::Remember(kept)) = asked.get(2) else { panic!() };
        assert_eq!(kept.expires_at, kept.rotated_at);
    }
}

/// rotation.md 3, "released": a cycle that ends before the check-in does not say that policy has left.
#[test]
fn a_cycle_that_cannot_resolve_its_intent_says_nothing_of_policy() {
    let intent = Intent {
        tenant: TENANT,
        device: DEVICE,
        version: FRESH,
        account: AccountRef { id: 1001, name: "adm".into() },
        fingerprint: Fingerprint::from_bytes([6; 16]),
        expires_at: NOW,
        destination: Destination::Cloud,
    };
    let tick = Tick { now: NOW, fresh: FRESH };
    let lost = Failure::new(event::DISCOVERY_FAILED, "unreachable", "no answer");
    let unresolved = || {
        let start = Start { intent: Some(intent.clone()), ..start(Some(memory(1001, "adm")), &[1001]) };
        let (mut cycle, turn) = Cycle::start(start);
        assert!(matches!(turn.effect, Effect::Rotation(rotation::Effect::Compare(_))));
        let turn = cycle.on(Outcome::Rotation(rotation::Outcome::Unknown(lost.clone())), tick);
        assert_eq!(turn.effect, Effect::Trace(AccountRef { id: 1001, name: "adm".into() }));
        cycle
    };
    let report = |turn: Turn| match turn.effect {
        Effect::Report(report) => report,
        other => panic!("{other:?}"),
    };
    // The report names the account that the intent is about, by its uid: a rename may have been done or not.
    for (trace, name) in [(Some(Trace::Named("adm123456".into())), "adm123456"), (None, "adm")] {
        let mut cycle = unresolved();
        let turn = cycle.on(Outcome::Traced(trace), tick);
        assert_eq!(turn.effect, Effect::Inspect(Selection::Named(name.into())));
        let report = report(cycle.on(Outcome::Inspected(Ok(facts(1001, name))), tick));
        assert_eq!(report.account, Some(facts(1001, name)));
        assert_eq!(
            (report.unmanaged, report.intent, report.last_error.unwrap().code),
            (None, Some(FRESH), lost.code.clone())
        );
    }
    // One that is gone, or that cannot be looked at, is not named.
    let gone = report(unresolved().on(Outcome::Traced(Some(Trace::Gone)), tick));
    assert_eq!((gone.account, gone.unmanaged), (None, None));
    let mut cycle = unresolved();
    cycle.on(Outcome::Traced(None), tick);
    let failure = Failure::new(event::SET_FAILED, "account_db_unreadable", "");
    let turn = cycle.on(Outcome::Inspected(Err(failure)), tick);
    assert_eq!(turn.notes[0].event, event::SET_FAILED);
    let unread = report(turn);
    assert_eq!((unread.account, unread.unmanaged, unread.last_error.unwrap().code), (None, None, lost.code.clone()));
}

/// Issue 3, point 9: target, prefix and randomising are reasons; a hand-changed name is one too.
#[test]
fn a_name_that_policy_does_not_give_is_a_reason() {
    let view = view(Some(FORMER));
    let found = |random: bool, name: Option<&str>| {
        let account = name.map(|name| AccountRef { id: 1001, name: name.into() });
        let (manage, memory) = (manage(Selection::Automatic(wanted(random))), memory(1001, "adm"));
        reasons(&Facts {
            now: NOW,
            device: DEVICE,
            manage: &manage,
            account: account.as_ref(),
            memory: Some(&memory),
            view: &view,
        })
    };
    assert_eq!(found(false, Some("adm")), []);
    assert_eq!(found(true, Some("adm123456")), []);
    for (random, name) in [(true, "adm"), (false, "adm123456"), (false, "other"), (true, "other123456")] {
        assert_eq!(found(random, Some(name)), [Reason::AccountNameChanged], "{name}");
    }
    assert_eq!(found(false, None), [Reason::AccountChanged]);
}

/// rotation.md 3, `release`: only a policy that has left releases. A policy file that was damaged, and a session that
/// did not bring the policy again, say nothing of it.
#[test]
fn a_policy_that_was_lost_is_not_said_to_have_left() {
    let lost = || Failure::new(event::POLICY_FAILED, "offline", "no answer");
    for (failure, said) in [(None, Some(Unmanaged::NoPolicy)), (Some(lost()), None)] {
        let (mut cycle, _) = Cycle::start(start(Some(memory(0, "root")), &[]));
        let plan = Plan::Unmanaged(Unmanaged::NoPolicy);
        let checked_in = CheckedIn { plan, reset: false, failure };
        let turn = cycle.on(Outcome::CheckedIn(checked_in), Tick { now: NOW, fresh: FRESH });
        let Effect::Report(report) = turn.effect else { panic!("{turn:?}") };
        assert_eq!(report.unmanaged, said);
        let view = view(Some(FORMER));
        let turn = cycle.on(Outcome::Reported(Ok(view)), Tick { now: NOW, fresh: FRESH });
        // What has left is due when it comes back.
        assert_eq!(matches!(turn.effect, Effect::Remember(_)), said.is_some(), "{turn:?}");
    }
}

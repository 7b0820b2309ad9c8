//! laps-behaviour.md 5 and rotation.md 10, rule by rule.

use super::*;

const BOOT: BootId = BootId::from_bytes([1; 16]);
const LATER_BOOT: BootId = BootId::from_bytes([2; 16]);
const USED: VersionId = VersionId::from_bytes([3; 16]);
const NEW: VersionId = VersionId::from_bytes([4; 16]);

fn t(seconds: u64) -> Timestamp {
    Timestamp::from_unix_ms(1_800_000_000_000).plus_seconds(seconds)
}

fn account(id: u32) -> AccountRef {
    AccountRef { id, name: "ops".into() }
}

fn policy(delay_hours: u32, actions: u32) -> Option<PostAuthentication> {
    (delay_hours != 0 && actions != 0).then_some(PostAuthentication {
        delay_hours,
        end_sessions: actions & 2 != 0,
        restart: actions & 4 != 0,
        end_processes: actions & 8 != 0,
    })
}

fn signed_in(actions: u32) -> Schedule {
    let mut schedule = Schedule::default();
    assert_eq!(schedule.sign_in(&account(1000), USED, t(0), policy(1, actions)), Heard::Scheduled(t(3600)));
    schedule
}

fn ended(now: Timestamp, managed: Managed<'_>, proven: VersionId, refused: bool) -> Ended<'_> {
    Ended { now, boot: BOOT, managed, proven: Some(proven), refused }
}

/// Delay 0 and action 0 disable; the delay is in hours.
#[test]
fn the_delay_is_in_hours_and_none_disables() {
    for hours in [1, 8, 24] {
        let heard = Schedule::default().sign_in(&account(0), USED, t(0), policy(hours, 3));
        assert_eq!(heard, Heard::Scheduled(t(u64::from(hours) * 3600)));
    }
    for (hours, actions) in [(0, 3), (8, 0)] {
        let mut schedule = Schedule::default();
        assert_eq!(schedule.sign_in(&account(0), USED, t(0), policy(hours, actions)), Heard::Nothing);
        assert_eq!(schedule, Schedule::default());
    }
}

/// The first sign-in counts; later ones do not move the deadline, whatever the policy says by then.
#[test]
fn later_sign_ins_do_not_move_the_deadline() {
    let mut schedule = signed_in(3);
    let before = schedule.clone();
    for policy in [policy(1, 3), policy(24, 5), None] {
        assert_eq!(schedule.sign_in(&account(1000), USED, t(3599), policy), Heard::Standing(t(3600)));
    }
    assert_eq!(schedule, before);
    // Another rotation came in between, and somebody used its password too: it is changed at the same deadline.
    assert_eq!(schedule.sign_in(&account(1000), NEW, t(3599), policy(1, 1)), Heard::Standing(t(3600)));
    assert!(schedule.waiting.as_ref().unwrap().asks_for_reset(t(3600), &account(1000), Some(NEW)));
    // Another account's sign-in is a first one.
    assert_eq!(schedule.sign_in(&account(1001), NEW, t(4000), policy(1, 1)), Heard::Scheduled(t(7600)));
}

/// The order: nothing is ended before another password is proven.
#[test]
fn the_reset_is_proven_before_anything_ends() {
    for (actions, after) in [(3, 120), (11, 120), (5, 60)] {
        let mut schedule = signed_in(actions);
        let waiting = schedule.waiting.clone().unwrap();
        let account = account(1000);
        assert_eq!(waiting.due(t(0), BOOT), Due::At(t(3600)));
        assert!(!waiting.asks_for_reset(t(3599), &account, Some(USED)));
        assert!(waiting.asks_for_reset(t(3600), &account, Some(USED)));

        // A cycle that did not prove another one ends nothing, refused or off the network.
        for refused in [true, false] {
            schedule.turn(&ended(t(3601), Managed::Account(&account), USED, refused));
            assert_eq!(schedule.acting, None);
        }
        let turned = schedule.turn(&ended(t(3700), Managed::Account(&account), NEW, false));
        assert!(matches!(turned, Turned::Reset(_)));
        let acting = schedule.acting.clone().unwrap();
        assert_eq!(schedule.waiting, None);
        assert_eq!(acting.due(t(3700), BOOT), Due::At(t(3700 + after)));
        assert_eq!(acting.due(t(3700 + after), BOOT), Due::Now);
        assert!(!acting.is_over(BOOT) && acting.is_over(LATER_BOOT));
    }
    let mut schedule = signed_in(1);
    schedule.turn(&ended(t(3700), Managed::Account(&account(1000)), NEW, false));
    assert_eq!(schedule, Schedule::default(), "action 1 is the reset alone");
}

/// Another rotation came in between: the reset is skipped, the rest keeps its time.
#[test]
fn a_rotation_in_between_meets_the_reset() {
    let mut schedule = signed_in(3);
    let account = account(1000);
    assert_eq!(schedule.turn(&ended(t(100), Managed::Account(&account), NEW, false)), Turned::Unchanged);
    assert_eq!(schedule.acting, None, "sessions keep their time");
    assert!(!schedule.waiting.as_ref().unwrap().asks_for_reset(t(3600), &account, Some(NEW)));
    assert!(matches!(schedule.turn(&ended(t(3600), Managed::Account(&account), NEW, false)), Turned::Reset(_)));
    assert_eq!(schedule.acting.unwrap().at, t(3720));

    let mut schedule = signed_in(1);
    assert!(matches!(schedule.turn(&ended(t(100), Managed::Account(&account), NEW, false)), Turned::Reset(_)));
    assert_eq!(schedule, Schedule::default());
}

/// Dropped when the account is no longer managed; kept when that cannot be told.
#[test]
fn an_account_that_is_not_managed_any_more_is_dropped() {
    for managed in [Managed::Nobody, Managed::Account(&account(1001))] {
        let mut schedule = signed_in(11);
        assert!(matches!(schedule.turn(&ended(t(3600), managed, USED, true)), Turned::Dropped(_)));
        assert_eq!(schedule, Schedule::default());
    }
    let mut schedule = signed_in(11);
    assert_eq!(schedule.turn(&ended(t(3600), Managed::Unknown, USED, true)), Turned::Refused(1));
    assert!(schedule.waiting.is_some());
}

/// rotation.md 10: only refusals count; off the network the deadline stays due. At most 100 in one run of the
/// machine, five minutes apart; the next run begins anew.
#[test]
fn refusals_count_and_have_a_limit_in_each_boot() {
    let mut schedule = signed_in(1);
    let account = account(1000);
    let mut now = t(3600);
    for _ in 0..1000 {
        assert_eq!(schedule.turn(&ended(now, Managed::Account(&account), USED, false)), Turned::Unchanged);
        assert_eq!(schedule.waiting.as_ref().unwrap().due(now, BOOT), Due::Now, "at the first contact");
    }
    for count in 1..ATTEMPTS_MAX {
        assert_eq!(schedule.turn(&ended(now, Managed::Account(&account), USED, true)), Turned::Refused(count));
        let next = now.plus_seconds(300);
        assert_eq!(schedule.waiting.as_ref().unwrap().due(now, BOOT), Due::At(next));
        now = next;
    }
    let last = schedule.turn(&ended(now, Managed::Account(&account), USED, true));
    assert_eq!(last, Turned::GivenUp(ATTEMPTS_MAX));
    let waiting = schedule.waiting.as_ref().unwrap();
    assert_eq!(waiting.due(now.plus_days(1), BOOT), Due::Never);
    assert_eq!(waiting.due(now, LATER_BOOT), Due::Now);
    let again = Ended { boot: LATER_BOOT, ..ended(now, Managed::Account(&account), USED, true) };
    assert_eq!(schedule.turn(&again), Turned::Refused(1));
}

/// A deadline that passed while the machine was off is due at once; a clock that was set back does not put it
/// off for years.
#[test]
fn clocks_and_restarts() {
    let schedule = signed_in(3);
    let waiting = schedule.waiting.unwrap();
    assert_eq!(waiting.due(t(1_000_000), LATER_BOOT), Due::Now);
    assert_eq!(waiting.due(t(0).minus_ticks(301 * TICKS_PER_SECOND), BOOT), Due::Now);
    assert_eq!(waiting.due(t(0).minus_ticks(300 * TICKS_PER_SECOND), BOOT), Due::At(t(3600)));
    let acting = Acting::after(&waiting, t(3600), BOOT).unwrap();
    assert_eq!(acting.due(t(0), BOOT), Due::Now, "two minutes are not made an hour");
}

/// An action that fails is tried again, with the same limit.
#[test]
fn actions_that_fail_have_the_same_limit() {
    let mut schedule = signed_in(5);
    let account = account(1000);
    schedule.turn(&ended(t(3600), Managed::Account(&account), NEW, false));
    let mut now = t(3660);
    for count in 1..=ATTEMPTS_MAX {
        assert_eq!(schedule.acting.as_ref().unwrap().due(now, BOOT), Due::Now);
        assert_eq!(schedule.act_failed(now, BOOT), (count, count == ATTEMPTS_MAX));
        now = now.plus_seconds(RETRY_AFTER_SECONDS);
    }
    assert_eq!(schedule.acting.unwrap().due(now, BOOT), Due::Never);
}

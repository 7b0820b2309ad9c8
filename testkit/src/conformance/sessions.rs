//! Sessions, refresh tokens, device codes, replay caches, counters (design.md 5, "Store").

use super::World;
use laps::id::PrincipalId;
use server::store::*;

async fn session(w: &mut World, kind: SessionKind) -> Session {
    let session = Session {
        hash: w.bytes32(),
        kind,
        family: w.bytes16(),
        principal: w.admin,
        epoch: w.epoch(w.admin).await,
        data: r#"{"client":"x"}"#.into(),
        created_at: w.now,
        expires_at: w.now.plus_days(1),
    };
    w.store.put_session(session.clone()).await.unwrap();
    session
}

/// A session is good until it runs out, and while its principal's rights are those of its start.
pub async fn a_session_ends_with_time_and_epoch(mut w: World) {
    let one = session(&mut w, SessionKind::Cookie).await;
    let get = async |w: &World, one: &Session| w.store.session(one.kind, one.hash, w.now).await.unwrap();
    assert_eq!(get(&w, &one).await, Some(one.clone()));
    assert_eq!(w.store.session(SessionKind::Refresh, one.hash, w.now).await, Ok(None), "another kind");
    assert_eq!(w.store.put_session(one.clone()).await, Err(StoreError::Exists("session")));
    w.pass_days(1);
    assert_eq!(get(&w, &one).await, None);
    let two = session(&mut w, SessionKind::Cookie).await;
    w.role(w.admin, "Security Reader", None).await.unwrap();
    assert_eq!(get(&w, &two).await, None);
    let three = session(&mut w, SessionKind::Cookie).await;
    w.store.delete_session(three.kind, three.hash).await.unwrap();
    w.store.delete_session(three.kind, three.hash).await.unwrap();
    assert_eq!(get(&w, &three).await, None);
    session(&mut w, SessionKind::Cookie).await;
    session(&mut w, SessionKind::Refresh).await;
    assert_eq!(
        w.store.delete_sessions_of(w.admin).await,
        Ok(2),
        "those of an older epoch went with the change of roles"
    );
    w.finish().await;
}

/// The end of a good session moves; what is over does not come back.
pub async fn a_session_is_extended(mut w: World) {
    let one = session(&mut w, SessionKind::Cookie).await;
    let extend = async |w: &World, kind, until| w.store.extend_session(kind, one.hash, until, w.now).await.unwrap();
    let until = w.now.plus_days(2);
    assert!(!extend(&w, SessionKind::Refresh, until).await, "another kind");
    assert!(extend(&w, SessionKind::Cookie, until).await);
    w.pass_days(1);
    let later = Session { expires_at: until, ..one.clone() };
    assert_eq!(w.store.session(one.kind, one.hash, w.now).await, Ok(Some(later)));
    w.pass_days(1);
    let again = w.now.plus_days(1);
    assert!(!extend(&w, SessionKind::Cookie, again).await, "run out");
    assert_eq!(w.store.session(one.kind, one.hash, w.now).await, Ok(None));
    w.finish().await;
}

/// RFC 9700 4.14: each use of a refresh token replaces it.
pub async fn a_refresh_token_is_replaced(mut w: World) {
    let old = session(&mut w, SessionKind::Refresh).await;
    w.pass_hours(1);
    let (hash, until) = (w.bytes32(), w.now.plus_days(2));
    let new = Session { hash, created_at: w.now, expires_at: until, ..old.clone() };
    assert_eq!(w.store.replace_session(old.hash, hash, until, w.now).await, Ok(Replaced::Done(new.clone())));
    assert_eq!(w.store.session(old.kind, old.hash, w.now).await, Ok(None));
    assert_eq!(w.store.session(new.kind, new.hash, w.now).await, Ok(Some(new)));
    let cookie = session(&mut w, SessionKind::Cookie).await;
    for unknown in [[1; 32], cookie.hash] {
        let next = w.bytes32();
        assert_eq!(w.store.replace_session(unknown, next, until, w.now).await, Ok(Replaced::Unknown));
    }
    let stale = session(&mut w, SessionKind::Refresh).await;
    let next = w.bytes32();
    assert_eq!(w.store.replace_session(stale.hash, next, until, stale.expires_at).await, Ok(Replaced::Unknown));
    w.role(w.admin, "Security Reader", None).await.unwrap();
    let next = w.bytes32();
    assert_eq!(w.store.replace_session(hash, next, until, w.now).await, Ok(Replaced::Unknown));
    w.finish().await;
}

/// RFC 9700 4.14: reuse of a refresh token ends its family, and no other.
pub async fn reuse_of_a_refresh_token_ends_the_family(mut w: World) {
    let first = session(&mut w, SessionKind::Refresh).await;
    let other = session(&mut w, SessionKind::Refresh).await;
    let (second, third, thief) = (w.bytes32(), w.bytes32(), w.bytes32());
    let until = w.now.plus_days(1);
    w.store.replace_session(first.hash, second, until, w.now).await.unwrap();
    w.store.replace_session(second, third, until, w.now).await.unwrap();
    assert_eq!(w.store.replace_session(first.hash, thief, until, w.now).await, Ok(Replaced::Reused));
    for ended in [first.hash, second, third, thief] {
        assert_eq!(w.store.session(SessionKind::Refresh, ended, w.now).await, Ok(None));
    }
    let next = w.bytes32();
    assert_eq!(w.store.replace_session(third, next, until, w.now).await, Ok(Replaced::Unknown));
    assert!(w.store.session(SessionKind::Refresh, other.hash, w.now).await.unwrap().is_some());
    w.finish().await;
}

fn code(w: &mut World, user_code: &str) -> DeviceCode {
    DeviceCode {
        hash: w.bytes32(),
        user_code: user_code.into(),
        client_id: "cli".into(),
        scope: "openid".into(),
        created_at: w.now,
        expires_at: w.now.plus_seconds(900),
        interval_s: 5,
    }
}

async fn answer(w: &mut World, user_code: &str, by: Option<PrincipalId>) -> Result<(), StoreError> {
    let entry = w.entry();
    w.store.answer_device_code(user_code.into(), by, w.now, entry).await
}

/// RFC 8628: a code is answered once, the answer is given once, to the client that asked.
pub async fn a_device_code_is_answered_once(mut w: World) {
    let (agreed, refused, late) = (code(&mut w, "AAAA"), code(&mut w, "BBBB"), code(&mut w, "CCCC"));
    for one in [&agreed, &refused, &late] {
        w.store.create_device_code(one.clone()).await.unwrap();
    }
    let taken = code(&mut w, "AAAA");
    assert_eq!(w.store.create_device_code(taken).await, Err(StoreError::Exists("device code")));
    assert_eq!(w.store.device_code_by_user_code("AAAA".into(), w.now).await, Ok(Some(agreed.clone())));
    assert_eq!(w.store.device_code_by_user_code("ZZZZ".into(), w.now).await, Ok(None));
    let admin = w.admin;
    answer(&mut w, "AAAA", Some(admin)).await.unwrap();
    answer(&mut w, "BBBB", None).await.unwrap();
    assert_eq!(answer(&mut w, "AAAA", None).await, Err(StoreError::TokenUsed));
    assert_eq!(answer(&mut w, "ZZZZ", Some(admin)).await, Err(StoreError::TokenUnknown));
    assert_eq!(w.store.device_code_by_user_code("AAAA".into(), w.now).await, Ok(None));
    let poll = async |w: &World, one: &DeviceCode, client: &str| {
        w.store.poll_device_code(one.hash, client.into(), w.now).await.unwrap()
    };
    assert_eq!(poll(&w, &agreed, "other").await, DeviceCodePoll::Expired);
    let approved = DeviceCodePoll::Approved { principal: admin, code: agreed.clone() };
    assert_eq!(poll(&w, &agreed, "cli").await, approved);
    assert_eq!(poll(&w, &agreed, "cli").await, DeviceCodePoll::Expired);
    assert_eq!(poll(&w, &refused, "cli").await, DeviceCodePoll::Denied);
    assert_eq!(w.store.poll_device_code([1; 32], "cli".into(), w.now).await, Ok(DeviceCodePoll::Expired));
    w.now = late.expires_at;
    assert_eq!(answer(&mut w, "CCCC", Some(admin)).await, Err(StoreError::TokenExpired));
    assert_eq!(poll(&w, &late, "cli").await, DeviceCodePoll::Expired);
    assert_eq!(w.store.device_code_by_user_code("CCCC".into(), w.now).await, Ok(None));
    w.finish().await;
}

/// RFC 8628 3.5: who asks too early waits 5 seconds longer from then on.
pub async fn polling_too_early_slows_down(mut w: World) {
    let one = code(&mut w, "AAAA");
    w.store.create_device_code(one.clone()).await.unwrap();
    let start = w.now;
    for (at_s, expected) in [
        (0, DeviceCodePoll::Pending),
        (5, DeviceCodePoll::Pending),
        (9, DeviceCodePoll::SlowDown),
        (18, DeviceCodePoll::SlowDown),
        (33, DeviceCodePoll::Pending),
    ] {
        let now = start.plus_seconds(at_s);
        let answer = w.store.poll_device_code(one.hash, "cli".into(), now).await.unwrap();
        assert_eq!(answer, expected, "after {at_s} s");
    }
    w.finish().await;
}

/// design.md 5: replay caches sit behind a verb.
pub async fn a_replay_is_seen(mut w: World) {
    let (key, until) = (w.bytes32(), w.now.plus_seconds(60));
    assert_eq!(w.store.use_once("proof", key, until, w.now).await, Ok(true));
    assert_eq!(w.store.use_once("proof", key, until, w.now).await, Ok(false));
    assert_eq!(w.store.use_once("other", key, until, w.now).await, Ok(true), "caches are kept apart");
    assert_eq!(w.store.use_once("proof", key, until.plus_seconds(60), until).await, Ok(true), "it has run out");
    assert_eq!(w.store.use_once("proof", key, until.plus_seconds(60), until).await, Ok(false));
    w.finish().await;
}

/// design.md 5: lock-out counters sit behind a verb.
pub async fn failures_lock_out(w: World) {
    let rule = LockoutRule { threshold: 3, window_s: 600, lock_s: 900 };
    let start = w.now;
    let fail = async |at_s: u64| w.store.count_failure("user:a".into(), rule, start.plus_seconds(at_s)).await.unwrap();
    let look = async |at_s: u64| w.store.lockout("user:a".into(), start.plus_seconds(at_s)).await.unwrap();
    let free = |failures| Lockout { failures, locked_until: None };
    assert_eq!(look(0).await, free(0));
    assert_eq!(fail(0).await, free(1));
    assert_eq!(fail(300).await, free(2));
    assert_eq!(look(599).await, free(2));
    assert_eq!(look(600).await, free(0), "the window is over");
    assert_eq!(fail(600).await, free(1));
    assert_eq!(fail(601).await, free(2));
    let locked = Lockout { failures: 3, locked_until: Some(start.plus_seconds(602 + 900)) };
    assert_eq!(fail(602).await, locked);
    assert_eq!(look(1501).await, locked);
    assert_eq!(look(1502).await, free(0));
    assert_eq!(w.store.lockout("user:b".into(), start).await, Ok(free(0)), "others are not touched");
    fail(2000).await;
    w.store.clear_failures("user:a".into()).await.unwrap();
    assert_eq!(look(2000).await, free(0));
    w.store.clear_failures("user:a".into()).await.unwrap();
    w.finish().await;
}

/// A guess counts before it is looked at, and not while the key is locked; a right one is taken back.
pub async fn a_guess_is_counted_before_it_is_looked_at(w: World) {
    let rule = LockoutRule { threshold: 3, window_s: 1_800, lock_s: 900 };
    let start = w.now;
    let guess = async |at_s: u64| w.store.count_guess("user:a".into(), rule, start.plus_seconds(at_s)).await.unwrap();
    let back = async || w.store.take_back_guess("user:a".into()).await.unwrap();
    let look = async |at_s: u64| w.store.lockout("user:a".into(), start.plus_seconds(at_s)).await.unwrap();
    let free = |failures| Lockout { failures, locked_until: None };
    let locked = |failures, at_s: u64| Lockout { failures, locked_until: Some(start.plus_seconds(at_s)) };
    back().await;
    assert_eq!(look(0).await, free(0), "nothing to take back");
    assert_eq!(guess(0).await, Some(free(1)));
    back().await;
    assert_eq!(look(0).await, free(0));
    assert_eq!(guess(1).await, Some(free(1)));
    assert_eq!(guess(2).await, Some(free(2)));
    assert_eq!(guess(3).await, Some(locked(3, 903)));
    assert_eq!(guess(4).await, None, "locked: it is not looked at");
    assert_eq!(look(4).await, locked(3, 903), "and does not count");
    back().await;
    assert_eq!(look(5).await, free(2), "the third was right: two failures lock nothing");
    assert_eq!(guess(6).await, Some(locked(3, 906)));
    // A lock that is over lets one more be looked at.
    assert_eq!(guess(906).await, Some(locked(4, 1_806)));
    assert_eq!(guess(907).await, None);
    back().await;
    assert_eq!(look(908).await, free(3));
    w.store.clear_failures("user:a".into()).await.unwrap();
    assert_eq!(look(908).await, free(0));
    w.finish().await;
}

/// A code that was agreed to and not fetched yet ends with the rights of who agreed; one of somebody else stays.
pub async fn an_answer_ends_with_the_rights_of_who_gave_it(mut w: World) {
    let (ada, bob) = (w.user("ada").await, w.user("bob").await);
    let reset = UserChange { one_time: Some(([1; 32], w.now.plus_days(1))), ..UserChange::default() };
    for round in 0..3 {
        let (hers, his) = (code(&mut w, &format!("AAA{round}")), code(&mut w, &format!("BBB{round}")));
        for (one, by) in [(&hers, ada), (&his, bob)] {
            w.store.create_device_code(one.clone()).await.unwrap();
            answer(&mut w, &one.user_code, Some(by)).await.unwrap();
        }
        let entry = w.entry();
        match round {
            0 => drop(w.store.update_user(ada, reset.clone(), entry).await.unwrap()),
            1 => drop(w.store.redeem_one_time(ada, [1; 32], "$argon2id$".into(), w.now, entry).await.unwrap()),
            _ => drop(w.role(ada, "Security Reader", None).await.unwrap()),
        }
        let ended = w.store.poll_device_code(hers.hash, "cli".into(), w.now).await;
        assert_eq!(ended, Ok(DeviceCodePoll::Expired), "round {round}");
        let stands = w.store.poll_device_code(his.hash, "cli".into(), w.now).await;
        assert_eq!(stands, Ok(DeviceCodePoll::Approved { principal: bob, code: his }), "round {round}");
    }
    w.finish().await;
}

/// The sweep removes what is over and nothing else; the newest piece of work stays.
pub async fn the_sweep_removes_what_is_over(mut w: World) {
    let device = w.device().await;
    let kept = session(&mut w, SessionKind::Cookie).await;
    let over = Session { hash: w.bytes32(), expires_at: w.now.plus_seconds(60), ..kept.clone() };
    w.store.put_session(over).await.unwrap();
    let short = code(&mut w, "AAAA");
    w.store.create_device_code(short).await.unwrap();
    let key = w.bytes32();
    w.store.use_once("proof", key, w.now.plus_seconds(60), w.now).await.unwrap();
    let rule = LockoutRule { threshold: 3, window_s: 600, lock_s: 900 };
    w.store.count_failure("k".into(), rule, w.now).await.unwrap();
    for (number, days) in [(1, 0), (2, 9)] {
        let token = ApiToken {
            id: w.bytes16(),
            hash: w.bytes32(),
            principal: w.admin,
            name: format!("token {number}"),
            scope: "Device.Read.All".into(),
            created_at: w.now,
            expires_at: w.now.plus_days(days).plus_seconds(60),
            used_at: None,
        };
        let entry = w.entry();
        w.store.create_api_token(token, entry).await.unwrap();
    }
    assert_eq!(w.store.sweep(w.now).await, Ok(0));
    w.pass_hours(1);
    assert_eq!(w.store.sweep(w.now).await, Ok(5));
    let tokens = w.store.api_tokens(None).await.unwrap();
    assert_eq!(tokens.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["token 2"]);
    assert_eq!(w.store.session(kept.kind, kept.hash, w.now).await, Ok(Some(kept)));
    w.change(device, DeviceChange::Disable).await.unwrap();
    w.change(device, DeviceChange::Enable).await.unwrap();
    w.pass_days(2);
    assert_eq!(w.store.sweep(w.now).await, Ok(2), "the session, and one of two pieces of work");
    assert_eq!(w.store.work_since(0, 10).await.unwrap().len(), 1);
    w.finish().await;
}

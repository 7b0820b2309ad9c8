//! Means of signing in beside a password, API tokens, sessions as people see them, kept secrets.

use super::World;
use laps::id::PrincipalId;
use server::{seal::KeyId, store::*};

/// A rekey carries kept secrets along, and retires the old key only when none is under it.
pub async fn a_rekey_carries_kept_secrets(mut w: World) {
    let sealed = w.sealed();
    let old = sealed.key;
    let entry = w.entry();
    w.store.put_secret("webhook/1".into(), sealed.clone(), entry).await.unwrap();
    assert_eq!(w.store.secret("webhook/1".into()).await, Ok(Some(sealed.clone())));
    let (new, entry) = (KeyId(w.bytes16()), w.entry());
    w.store.begin_rekey(new, w.now, entry).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.retire_key(old, w.now, entry).await, Ok(1));
    let under = w.store.secrets_under(old, 10).await.unwrap();
    assert_eq!(under, [WrappedSecret { name: "webhook/1".into(), wrapped_key: sealed.wrapped_key }]);
    let anew = vec![WrappedSecret { wrapped_key: [9; 40], ..under[0].clone() }];
    assert_eq!(w.store.rewrap_secrets(old, new, anew.clone()).await, Ok(1));
    assert_eq!(w.store.rewrap_secrets(old, new, anew).await, Ok(0));
    let entry = w.entry();
    assert_eq!(w.store.retire_key(old, w.now, entry).await, Ok(0));
    let kept = w.store.secret("webhook/1".into()).await.unwrap().unwrap();
    assert_eq!((kept.key, kept.wrapped_key, kept.ciphertext), (new, [9; 40], sealed.ciphertext.clone()));
    let entry = w.entry();
    let refused = w.store.put_secret("webhook/2".into(), sealed, entry).await;
    assert_eq!(refused, Err(StoreError::KeyRetired { active: new }));
    for expected in [1, 0] {
        let (records, entry) = (w.records().await, w.entry());
        w.store.delete_secret("webhook/1".into(), entry).await.unwrap();
        assert_eq!(w.records().await, records + expected);
    }
    w.finish().await;
}

/// One generator for a user; recovery codes work once; taking it away ends sessions; removing the user leaves nothing.
pub async fn a_generator_is_enrolled_once(mut w: World) {
    let user = w.user("ada").await;
    assert_eq!(w.store.factors(user).await, Ok(Factors::default()));
    let enrol = async |w: &mut World| {
        let (sealed, entry) = (w.sealed(), w.entry());
        w.store.enrol_totp(user, sealed, vec![[1; 32], [2; 32]], w.now, entry).await
    };
    enrol(&mut w).await.unwrap();
    assert_eq!(enrol(&mut w).await, Err(StoreError::Exists("one-time password generator")));
    let factors = w.store.factors(user).await.unwrap();
    assert_eq!((factors.totp_since, factors.recovery_codes), (Some(w.now), 2));
    assert!(w.store.secret(totp_secret(user)).await.unwrap().is_some());
    for (code, expected) in [([1; 32], true), ([1; 32], false), ([3; 32], false)] {
        let entry = w.entry();
        assert_eq!(w.store.use_recovery_code(user, code, entry).await, Ok(expected));
    }
    let epoch = w.epoch(user).await;
    let entry = w.entry();
    w.store.remove_totp(user, entry).await.unwrap();
    assert_eq!((w.store.factors(user).await.unwrap(), w.epoch(user).await), (Factors::default(), epoch + 1));
    assert_eq!(w.store.secret(totp_secret(user)).await, Ok(None));
    enrol(&mut w).await.unwrap();
    let entry = w.entry();
    w.store.delete_user(user, entry).await.unwrap();
    assert_eq!(w.store.secret(totp_secret(user)).await, Ok(None));
    let (entry, sealed) = (w.entry(), w.sealed());
    let missing = w.store.enrol_totp(user, sealed, vec![], w.now, entry).await;
    assert_eq!(missing, Err(StoreError::NotFound("user")));
    w.finish().await;
}

/// Passkeys are found by their id, belong to one user, and note their use.
pub async fn passkeys_belong_to_a_user(mut w: World) {
    let (ada, bob) = (w.user("ada").await, w.user("bob").await);
    let passkey = |principal: PrincipalId, id: &[u8]| Passkey {
        id: id.to_vec(),
        principal,
        name: "key".into(),
        data: "{}".into(),
        created_at: w.now,
        used_at: None,
    };
    let (first, second) = (passkey(ada, b"one"), passkey(bob, b"two"));
    for new in [&first, &second] {
        let entry = w.entry();
        w.store.add_passkey(new.clone(), entry).await.unwrap();
    }
    let entry = w.entry();
    let taken = w.store.add_passkey(Passkey { principal: bob, ..first.clone() }, entry).await;
    assert_eq!(taken, Err(StoreError::Exists("passkey")));
    w.store.use_passkey(b"one".to_vec(), "{\"counter\":1}".into(), w.now).await.unwrap();
    let found = w.store.passkey(b"one".to_vec()).await.unwrap().unwrap();
    assert_eq!((found.principal, found.data.as_str(), found.used_at), (ada, "{\"counter\":1}", Some(w.now)));
    assert_eq!(w.store.factors(bob).await.unwrap().passkeys, [second]);
    let entry = w.entry();
    let others = w.store.remove_passkey(bob, b"one".to_vec(), entry).await;
    assert_eq!(others, Err(StoreError::NotFound("passkey")));
    let entry = w.entry();
    let epoch = w.epoch(ada).await;
    w.store.remove_passkey(ada, b"one".to_vec(), entry).await.unwrap();
    assert_eq!(w.epoch(ada).await, epoch + 1, "sessions end with it");
    assert_eq!(w.store.passkey(b"one".to_vec()).await, Ok(None));
    w.finish().await;
}

/// What a sign-in has come to is taken once, in time, and for its purpose.
pub async fn a_ticket_is_taken_once(mut w: World) {
    let hash = w.bytes32();
    let ticket = Ticket { hash, purpose: "one", data: "facts".into(), expires_at: w.now.plus_days(1) };
    w.store.put_ticket(ticket.clone()).await.unwrap();
    assert_eq!(w.store.put_ticket(ticket.clone()).await, Err(StoreError::Exists("ticket")));
    assert_eq!(w.store.take_ticket("two", hash, w.now).await, Ok(None));
    assert_eq!(w.store.take_ticket("one", hash, w.now).await, Ok(Some("facts".into())));
    assert_eq!(w.store.take_ticket("one", hash, w.now).await, Ok(None));
    w.store.put_ticket(ticket).await.unwrap();
    w.pass_days(1);
    assert_eq!(w.store.take_ticket("one", hash, w.now).await, Ok(None), "run out");
    w.finish().await;
}

/// An API token is good until it runs out, is revoked, the server is restored, or the user gets a new one-time secret.
pub async fn an_api_token_ends(mut w: World) {
    let user = w.user("ada").await;
    let make = async |w: &mut World| {
        let token = ApiToken {
            id: w.bytes16(),
            hash: w.bytes32(),
            principal: user,
            name: "ci".into(),
            scope: "Device.Read.All".into(),
            created_at: w.now,
            expires_at: w.now.plus_days(30),
            used_at: None,
        };
        let entry = w.entry();
        w.store.create_api_token(token.clone(), entry).await.unwrap();
        token
    };
    let token = make(&mut w).await;
    let used = w.store.use_api_token(token.hash, w.now).await.unwrap().unwrap();
    assert_eq!(used, ApiToken { used_at: Some(w.now), ..token.clone() });
    let first = w.now;
    w.now = w.now.plus_seconds(USE_NOTED_S - 1);
    assert_eq!(w.store.use_api_token(token.hash, w.now).await.unwrap().unwrap().used_at, Some(first));
    w.now = w.now.plus_seconds(1);
    assert_eq!(w.store.use_api_token(token.hash, w.now).await.unwrap().unwrap().used_at, Some(w.now));
    let other = make(&mut w).await;
    assert_eq!(w.store.api_tokens(Some(user)).await.unwrap().len(), 2);
    let entry = w.entry();
    w.store.revoke_api_token(other.id, entry).await.unwrap();
    assert_eq!(w.store.use_api_token(other.hash, w.now).await, Ok(None));
    let entry = w.entry();
    assert_eq!(w.store.revoke_api_token(other.id, entry).await, Err(StoreError::NotFound("API token")));
    let entry = w.entry();
    let change = UserChange { one_time: Some(([1; 32], w.now.plus_days(1))), ..UserChange::default() };
    w.store.update_user(user, change, entry).await.unwrap();
    assert_eq!(w.store.use_api_token(token.hash, w.now).await, Ok(None));
    let late = make(&mut w).await;
    let (entry, incarnation) = (w.entry(), laps::id::Incarnation::from_bytes(w.bytes16()));
    w.store.begin_incarnation(incarnation, w.now, w.now, entry).await.unwrap();
    assert_eq!(w.store.use_api_token(late.hash, w.now).await, Ok(None), "of before the restore");
    let last = make(&mut w).await;
    w.pass_days(30);
    assert_eq!(w.store.use_api_token(last.hash, w.now).await, Ok(None), "run out");
    w.finish().await;
}

/// A sign-in is listed while it stands, and ends with everything that follows from it.
pub async fn a_person_ends_a_session(mut w: World) {
    let (ada, bob) = (w.user("ada").await, w.user("bob").await);
    let family = w.bytes16();
    let session = Session {
        hash: w.bytes32(),
        kind: SessionKind::Refresh,
        family,
        principal: ada,
        epoch: w.epoch(ada).await,
        data: "{}".into(),
        created_at: w.now,
        expires_at: w.now.plus_days(1),
    };
    w.store.put_session(session.clone()).await.unwrap();
    let next = w.bytes32();
    w.store.replace_session(session.hash, next, w.now.plus_days(1), w.now).await.unwrap();
    let listed = w.store.sessions_of(ada, w.now).await.unwrap();
    assert_eq!(listed.iter().map(|one| (one.hash, one.family)).collect::<Vec<_>>(), [(next, family)]);
    assert_eq!(w.store.session_stands(ada, family).await, Ok(true));
    assert_eq!(w.store.session_stands(bob, family).await, Ok(false));
    let entry = w.entry();
    assert_eq!(w.store.end_session(bob, family, entry).await, Err(StoreError::NotFound("session")));
    let entry = w.entry();
    w.store.end_session(ada, family, entry).await.unwrap();
    assert_eq!(w.store.session_stands(ada, family).await, Ok(false));
    assert_eq!(w.store.session(SessionKind::Refresh, next, w.now).await, Ok(None));
    w.finish().await;
}

/// Keys of a program: added, listed, removed; removing one ends what it was given.
pub async fn programs_have_keys(mut w: World) {
    let id = PrincipalId::from_bytes(w.bytes16());
    let entry = w.entry();
    let new = NewServicePrincipal { id, name: "sync".into(), permissions: vec![] };
    w.store.create_service_principal(new, w.now, entry).await.unwrap();
    let key = ClientKey {
        id: w.bytes16(),
        principal: id,
        name: "first".into(),
        public_key: vec![1, 2, 3],
        expires_at: w.now.plus_days(1),
    };
    let entry = w.entry();
    w.store.add_client_key(key.clone(), entry).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.add_client_key(key.clone(), entry).await, Err(StoreError::Exists("key")));
    assert_eq!(w.store.client_keys(id).await, Ok(vec![key.clone()]));
    let user = w.user("ada").await;
    let entry = w.entry();
    let of_user = ClientKey { id: w.bytes16(), principal: user, ..key.clone() };
    let refused = w.store.add_client_key(of_user, entry).await;
    assert_eq!(refused, Err(StoreError::NotFound("service principal")));
    let epoch = w.epoch(id).await;
    let entry = w.entry();
    w.store.remove_client_key(id, key.id, entry).await.unwrap();
    assert_eq!((w.store.client_keys(id).await.unwrap(), w.epoch(id).await), (vec![], epoch + 1));
    w.finish().await;
}

/// A subject of a provider is one user; removing the provider removes its links and its secret.
pub async fn a_subject_is_one_user(mut w: World) {
    let (ada, bob) = (w.user("ada").await, w.user("bob").await);
    let provider = IdentityProvider {
        id: w.bytes16(),
        name: "Example".into(),
        issuer: "https://id.example.test".into(),
        client_id: "lapwing".into(),
        ca: Some("-----BEGIN".into()),
        created_at: w.now,
    };
    let (sealed, entry) = (w.sealed(), w.entry());
    w.store.add_identity_provider(provider.clone(), sealed.clone(), entry).await.unwrap();
    assert_eq!(w.store.secret(provider_secret(provider.id)).await, Ok(Some(sealed.clone())));
    assert_eq!(w.store.identity_providers().await, Ok(vec![provider.clone()]));
    let (again, entry) = (IdentityProvider { id: w.bytes16(), ..provider.clone() }, w.entry());
    let refused = w.store.add_identity_provider(again, sealed, entry).await;
    assert_eq!(refused, Err(StoreError::Exists("identity provider")));
    let link = |principal| IdentityLink { provider: provider.id, subject: "sub".into(), principal, linked_at: w.now };
    let (one, other) = (link(ada), link(bob));
    let entry = w.entry();
    w.store.link_identity(one.clone(), entry).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.link_identity(other, entry).await, Err(StoreError::Exists("link of this subject")));
    assert_eq!(w.store.linked_identity(provider.id, "sub".into()).await, Ok(Some(one.clone())));
    assert_eq!(w.store.linked_identity(provider.id, "SUB".into()).await, Ok(None));
    assert_eq!(w.store.identity_links(ada).await, Ok(vec![one.clone()]));
    let epoch = w.epoch(ada).await;
    let entry = w.entry();
    w.store.unlink_identity(provider.id, "sub".into(), entry).await.unwrap();
    assert_eq!(w.epoch(ada).await, epoch + 1);
    let entry = w.entry();
    w.store.link_identity(one, entry).await.unwrap();
    let entry = w.entry();
    w.store.remove_identity_provider(provider.id, entry).await.unwrap();
    assert_eq!(w.store.identity_links(ada).await, Ok(vec![]));
    assert_eq!(w.store.secret(provider_secret(provider.id)).await, Ok(None));
    w.finish().await;
}

/// A person takes a lock off; without one nothing is written.
pub async fn a_person_unlocks(mut w: World) {
    let rule = LockoutRule { threshold: 1, window_s: 600, lock_s: 300 };
    w.store.count_failure("user:ada".into(), rule, w.now).await.unwrap();
    for expected in [1, 0] {
        let (records, entry) = (w.records().await, w.entry());
        w.store.unlock("user:ada".into(), entry).await.unwrap();
        assert_eq!(w.records().await, records + expected);
    }
    assert_eq!(w.store.lockout("user:ada".into(), w.now).await, Ok(Lockout::default()));
    w.finish().await;
}

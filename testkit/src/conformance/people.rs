//! Users, service principals, roles (design.md 5, "People and roles").

use super::World;
use laps::id::{GroupId, PrincipalId};
use server::store::*;

/// Sign-in names are unique without case.
pub async fn user_names_are_unique_without_case(mut w: World) {
    let id = w.user("Zoë").await;
    let new = NewUser {
        id: PrincipalId::from_bytes(w.bytes16()),
        user_name: "ZOË".into(),
        display_name: "another".into(),
        one_time: None,
        password_hash: None,
    };
    let entry = w.entry();
    assert_eq!(w.store.create_user(new.clone(), w.now, entry).await, Err(StoreError::Exists("user")));
    let entry = w.entry();
    let same_id = NewUser { id, user_name: "other".into(), ..new };
    assert_eq!(w.store.create_user(same_id, w.now, entry).await, Err(StoreError::Exists("user")));
    assert_eq!(w.store.user_by_name("zOË".into()).await.unwrap().map(|user| user.id), Some(id));
    assert_eq!(w.store.user_by_name("nobody".into()).await, Ok(None));
    w.finish().await;
}

/// design.md 5: `init` prints a one-time secret; it is redeemed for a password once.
pub async fn the_one_time_secret_works_once(mut w: World) {
    let (id, secret) = (PrincipalId::from_bytes(w.bytes16()), w.bytes32());
    let new = NewUser {
        id,
        user_name: "new".into(),
        display_name: "New".into(),
        one_time: Some((secret, w.now.plus_days(1))),
        password_hash: None,
    };
    let entry = w.entry();
    let made = w.store.create_user(new, w.now, entry).await.unwrap();
    assert_eq!((made.one_time_until, made.epoch), (Some(w.now.plus_days(1)), 1));
    let redeem = async |w: &mut World, secret| {
        let entry = w.entry();
        w.store.redeem_one_time(id, secret, "$new$".into(), w.now, entry).await
    };
    assert_eq!(redeem(&mut w, [1; 32]).await, Err(StoreError::TokenUnknown));
    let redeemed = redeem(&mut w, secret).await.unwrap();
    assert_eq!((redeemed.password_hash.as_deref(), redeemed.one_time_until, redeemed.epoch), (Some("$new$"), None, 2));
    assert_eq!(redeem(&mut w, secret).await, Err(StoreError::TokenUnknown));
    // A new secret stops the password until it is redeemed; it runs out.
    let change = UserChange { one_time: Some((secret, w.now.plus_days(1))), ..UserChange::default() };
    let entry = w.entry();
    assert_eq!(w.store.update_user(id, change, entry).await.unwrap().password_hash, None);
    w.pass_days(1);
    assert_eq!(redeem(&mut w, secret).await, Err(StoreError::TokenExpired));
    let change = UserChange { one_time: Some((secret, w.now.plus_days(1))), ..UserChange::default() };
    let entry = w.entry();
    w.store.update_user(id, change, entry).await.unwrap();
    let entry = w.entry();
    let off = UserChange { enabled: Some(false), ..UserChange::default() };
    w.store.update_user(id, off, entry).await.unwrap();
    assert_eq!(redeem(&mut w, secret).await, Err(StoreError::TokenUnknown), "a disabled user redeems nothing");
    w.finish().await;
}

async fn session(w: &mut World, principal: PrincipalId) -> SecretHash {
    let hash = w.bytes32();
    let session = Session {
        hash,
        kind: SessionKind::Cookie,
        family: w.bytes16(),
        principal,
        epoch: w.epoch(principal).await,
        data: "{}".into(),
        created_at: w.now,
        expires_at: w.now.plus_days(1),
    };
    w.store.put_session(session).await.unwrap();
    hash
}

/// Every change that bears on what a user may do makes a new epoch and ends sessions; the shown name does not.
pub async fn a_change_of_rights_voids_sessions(mut w: World) {
    let user = w.user("u").await;
    let group = w.group("g").await;
    let mut role = [0; 16];
    for step in 0..6 {
        let hash = session(&mut w, user).await;
        let epoch = w.epoch(user).await;
        let change = match step {
            0 => Some(UserChange { display_name: Some("other".into()), ..UserChange::default() }),
            1 => Some(UserChange { password_hash: Some("$2$".into()), ..UserChange::default() }),
            2 => Some(UserChange { enabled: Some(false), ..UserChange::default() }),
            3 => Some(UserChange { enabled: Some(true), ..UserChange::default() }),
            _ => None,
        };
        match change {
            Some(change) => {
                let entry = w.entry();
                w.store.update_user(user, change, entry).await.unwrap();
            }
            None if step == 4 => role = w.role(user, "Security Reader", Some(group)).await.unwrap(),
            None => {
                let entry = w.entry();
                w.store.unassign_role(role, entry).await.unwrap();
            }
        }
        let kept = w.store.session(SessionKind::Cookie, hash, w.now).await.unwrap().is_some();
        assert_eq!((kept, w.epoch(user).await - epoch), (step == 0, u64::from(step != 0)), "step {step}");
    }
    let hash = session(&mut w, user).await;
    let entry = w.entry();
    w.store.delete_user(user, entry).await.unwrap();
    assert_eq!(w.store.session(SessionKind::Cookie, hash, w.now).await, Ok(None));
    assert_eq!(w.store.authorization(user).await, Ok(None));
    w.finish().await;
}

/// The last enabled Global Administrator of the whole tenant stays.
pub async fn the_last_global_administrator_stays(mut w: World) {
    let (admin, group) = (w.admin, w.group("g").await);
    let scoped = w.user("scoped").await;
    w.role(scoped, GLOBAL_ADMINISTRATOR, Some(group)).await.unwrap();
    let role = w.store.role_assignments(Some(admin)).await.unwrap()[0].id;
    let off = UserChange { enabled: Some(false), ..UserChange::default() };
    let last = Err(StoreError::LastAdministrator);
    let before = (w.records().await, w.store.user(admin).await);
    let entry = w.entry();
    assert_eq!(w.store.update_user(admin, off.clone(), entry).await.map(drop), last);
    let entry = w.entry();
    assert_eq!(w.store.delete_user(admin, entry).await, last);
    let entry = w.entry();
    assert_eq!(w.store.unassign_role(role, entry).await, last);
    assert_eq!((w.records().await, w.store.user(admin).await), before);
    // With a second one the first may go, and then the second is the last.
    let second = w.user("second").await;
    w.role(second, GLOBAL_ADMINISTRATOR, Some(ALL_DEVICES)).await.unwrap();
    let entry = w.entry();
    w.store.update_user(admin, off.clone(), entry).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.update_user(second, off, entry).await.map(drop), last);
    let entry = w.entry();
    assert_eq!(w.store.delete_user(second, entry).await, last, "a disabled one does not count");
    let entry = w.entry();
    w.store.delete_user(admin, entry).await.unwrap();
    w.finish().await;
}

/// The same (principal, role, scope) is given once; unknown principals and groups are refused.
pub async fn roles_are_given_once(mut w: World) {
    let (user, group) = (w.user("u").await, w.group("g").await);
    w.role(user, "Security Reader", Some(group)).await.unwrap();
    w.role(user, "Security Reader", None).await.unwrap();
    let twice = Err(StoreError::Exists("role assignment"));
    assert_eq!(w.role(user, "Security Reader", None).await, twice);
    assert_eq!(w.role(user, "Security Reader", Some(ALL_DEVICES)).await, twice, "all devices is the whole tenant");
    let missing = GroupId::from_bytes([1; 16]);
    assert_eq!(w.role(user, "Security Reader", Some(missing)).await, Err(StoreError::NotFound("group")));
    let nobody = PrincipalId::from_bytes([1; 16]);
    assert!(matches!(w.role(nobody, "Security Reader", None).await, Err(StoreError::NotFound(_))));
    let held = w.store.authorization(user).await.unwrap().unwrap();
    assert_eq!((held.roles.len(), held.is_user, held.enabled), (2, true, true));
    assert_eq!(w.store.role_assignments(None).await.unwrap().len(), 3);
    let entry = w.entry();
    assert_eq!(w.store.unassign_role([1; 16], entry).await, Err(StoreError::NotFound("role assignment")));
    w.finish().await;
}

/// Service principals have permissions and secrets; a removed secret or permission makes a new epoch.
pub async fn service_principals_have_secrets(mut w: World) {
    let id = PrincipalId::from_bytes(w.bytes16());
    let permissions = vec!["DeviceLocalCredential.Read.All".to_owned(), "Device.Read.All".to_owned()];
    let new = NewServicePrincipal { id, name: "script".into(), permissions: permissions.clone() };
    let entry = w.entry();
    let made = w.store.create_service_principal(new.clone(), w.now, entry).await.unwrap();
    assert_eq!((made.permissions, made.epoch, made.enabled), (permissions, 1, true));
    let entry = w.entry();
    let twice = w.store.create_service_principal(new, w.now, entry).await;
    assert_eq!(twice, Err(StoreError::Exists("service principal")));
    let secret =
        ClientSecret { id: w.bytes16(), hash: w.bytes32(), hint: "abc".into(), expires_at: w.now.plus_days(9) };
    let add = ServicePrincipalChange { add_secret: Some(secret.clone()), ..ServicePrincipalChange::default() };
    let entry = w.entry();
    let changed = w.store.update_service_principal(id, add.clone(), entry).await.unwrap();
    assert_eq!((changed.secrets, changed.epoch), (vec![secret.clone()], 1));
    let entry = w.entry();
    let twice = w.store.update_service_principal(id, add, entry).await;
    assert_eq!(twice, Err(StoreError::Exists("client secret")));
    let remove = ServicePrincipalChange { remove_secret: Some(secret.id), ..ServicePrincipalChange::default() };
    let entry = w.entry();
    let changed = w.store.update_service_principal(id, remove, entry).await.unwrap();
    assert_eq!((changed.secrets, changed.epoch), (vec![], 2));
    let entry = w.entry();
    let none = ServicePrincipalChange { permissions: Some(vec![]), ..ServicePrincipalChange::default() };
    assert_eq!(w.store.update_service_principal(id, none, entry).await.unwrap().epoch, 3);
    assert!(!w.store.authorization(id).await.unwrap().unwrap().is_user);
    assert_eq!(w.store.user(id).await, Ok(None));
    let entry = w.entry();
    w.store.delete_service_principal(id, entry).await.unwrap();
    let entry = w.entry();
    let gone = w.store.delete_service_principal(id, entry).await;
    assert_eq!(gone, Err(StoreError::NotFound("service principal")));
    w.finish().await;
}

/// Lists of people page by key.
pub async fn lists_of_people_page_by_key(mut w: World) {
    for number in 0..7 {
        w.user(&format!("user-{number}")).await;
        let new = NewServicePrincipal {
            id: PrincipalId::from_bytes(w.bytes16()),
            name: format!("app-{number}"),
            permissions: vec![],
        };
        let entry = w.entry();
        w.store.create_service_principal(new, w.now, entry).await.unwrap();
    }
    let (mut after, mut users) = (None, Vec::new());
    loop {
        let page = w.store.users(Page::behind(after, 3)).await.unwrap();
        users.extend(page.items.into_iter().map(|user| user.user_name));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(users.len(), 8);
    assert_eq!((users[0].as_str(), users[7].as_str()), ("admin", "user-6"));
    let first = w.store.service_principals(Page::first(4)).await.unwrap();
    let rest = w.store.service_principals(Page::behind(first.next, 4)).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (4, 3, None));
    let bad = Page::behind(Some("x".into()), 3);
    assert_eq!(w.store.users(bad).await, Err(StoreError::BadCursor));
    w.finish().await;
}

/// Lists of everybody's roles and API tokens are whole, however many there are.
pub async fn nobody_is_left_out_of_a_list_of_all(mut w: World) {
    let (ada, more) = (w.user("ada").await, Page::LIMIT_MAX as usize + 1);
    for number in 0..more {
        w.role(ada, &format!("role {number}"), None).await.unwrap();
    }
    assert_eq!(w.store.role_assignments(None).await.unwrap().len(), more + 1);
    assert_eq!(w.store.authorization(ada).await.unwrap().unwrap().roles.len(), more);
    let mut user = ada;
    for number in 0..more {
        if number % API_TOKENS_MAX == 0 {
            user = w.user(&format!("user {number}")).await;
        }
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
        w.store.create_api_token(token, entry).await.unwrap();
    }
    assert_eq!(w.store.api_tokens(None).await.unwrap().len(), more);
    w.finish().await;
}

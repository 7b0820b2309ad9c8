//! Roles that people made.

use super::World;
use laps::id::RoleId;
use server::store::*;

async fn role(w: &mut World, name: &str) -> CustomRole {
    let role = CustomRole {
        id: RoleId::from_bytes(w.bytes16()),
        name: name.into(),
        actions: vec!["one".into(), "two".into()],
        created_at: w.now,
    };
    let entry = w.entry();
    w.store.create_role(role, entry).await.unwrap()
}

/// Other actions void what holders were given; another name does not. A decision reads the role with its actions.
pub async fn a_custom_role_counts_its_holders_on(mut w: World) {
    let (held, user, other) = (role(&mut w, "Readers").await, w.user("ada").await, w.user("bob").await);
    w.role(user, &held.id.to_string(), None).await.unwrap();
    let (epoch, others) = (w.epoch(user).await, w.epoch(other).await);
    let authorization = w.store.authorization(user).await.unwrap().unwrap();
    assert_eq!(authorization.custom, core::slice::from_ref(&held));
    let change = CustomRoleChange { name: Some("Reader".into()), actions: Some(held.actions.clone()) };
    let entry = w.entry();
    assert_eq!(w.store.update_role(held.id, change, entry).await.unwrap().name, "Reader");
    assert_eq!(w.epoch(user).await, epoch, "what it allows is the same");
    let change = CustomRoleChange { name: None, actions: Some(vec!["one".into()]) };
    let entry = w.entry();
    w.store.update_role(held.id, change, entry).await.unwrap();
    assert_eq!((w.epoch(user).await, w.epoch(other).await), (epoch + 1, others));
    let authorization = w.store.authorization(user).await.unwrap().unwrap();
    assert_eq!(authorization.custom[0].actions, ["one"]);
    w.finish().await;
}

/// A role that somebody has is not removed; one that is not there is not given.
pub async fn a_held_role_stays(mut w: World) {
    let (held, user) = (role(&mut w, "Readers").await, w.user("ada").await);
    let missing = RoleId::from_bytes([9; 16]).to_string();
    assert_eq!(w.role(user, &missing, None).await, Err(StoreError::NotFound("role")));
    let assignment = w.role(user, &held.id.to_string(), None).await.unwrap();
    let entry = w.entry();
    assert_eq!(w.store.delete_role(held.id, entry).await, Err(StoreError::InUse("a role assignment")));
    let entry = w.entry();
    w.store.unassign_role(assignment, entry).await.unwrap();
    let entry = w.entry();
    w.store.delete_role(held.id, entry).await.unwrap();
    assert_eq!(w.store.custom_roles().await, Ok(vec![]));
    let entry = w.entry();
    assert_eq!(w.store.delete_role(held.id, entry).await, Err(StoreError::NotFound("role")));
    w.finish().await;
}

/// Names are unique without case, and listed by name.
pub async fn role_names_are_unique_without_case(mut w: World) {
    let (b, a) = (role(&mut w, "Zoë").await, role(&mut w, "abc").await);
    assert_eq!(w.store.custom_roles().await, Ok(vec![a.clone(), b.clone()]));
    let entry = w.entry();
    let same = CustomRole { id: RoleId::from_bytes(w.bytes16()), name: "ZOË".into(), ..a.clone() };
    assert_eq!(w.store.create_role(same, entry).await, Err(StoreError::Exists("role")));
    let entry = w.entry();
    let change = CustomRoleChange { name: Some("zoë".into()), actions: None };
    assert_eq!(w.store.update_role(a.id, change, entry).await, Err(StoreError::Exists("role")));
    w.finish().await;
}

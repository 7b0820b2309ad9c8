//! Routes of roles, of what groups are made of, and of who may read what.

use super::asked::Who;
use super::from_json;
use super::graph::device_key;
use super::lapwing::{Answer, created, done, ok, principal};
use axum::body::Bytes;
use axum::extract::Path;
use proto::admin::List;

pub(crate) async fn roles(who: Who) -> Answer {
    ok(&List { value: who.app.roles(&who.caller).await?, next_link: None })
}

pub(crate) async fn role(who: Who, Path(role): Path<String>) -> Answer {
    ok(&who.app.role(&who.caller, &role).await?)
}

pub(crate) async fn create_role(who: Who, body: Bytes) -> Answer {
    created(&who.app.create_role(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn change_role(who: Who, Path(role): Path<String>, body: Bytes) -> Answer {
    ok(&who.app.change_role(&who.caller, &role, &from_json(&body)?).await?)
}

pub(crate) async fn delete_role(who: Who, Path(role): Path<String>) -> Answer {
    who.app.delete_role(&who.caller, &role).await?;
    done()
}

pub(crate) async fn change_group(who: Who, Path(group): Path<String>, body: Bytes) -> Answer {
    ok(&who.app.change_group(&who.caller, &group, &from_json(&body)?).await?)
}

pub(crate) async fn explain_access(who: Who, Path((id, device)): Path<(String, String)>) -> Answer {
    ok(&who.app.explain_access(&who.caller, principal(&id)?, device_key(&device)?).await?)
}

pub(crate) async fn readers(who: Who, Path(device): Path<String>) -> Answer {
    ok(&List { value: who.app.readers(&who.caller, device_key(&device)?).await?, next_link: None })
}

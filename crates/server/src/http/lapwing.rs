//! Lapwing's own administration routes, `/v1.0/lapwing/…` (`proto::admin`).

use super::asked::{Asked, Who};
use super::graph::device_key;
use super::{from_json, json_response, no_store};
use crate::app::Error;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use laps::id::PrincipalId;
use proto::admin::{Assign, List};
use proto::graph::CONTENT_TYPE;
use serde::Serialize;

pub(super) type Answer = Result<Response, Error>;

pub(super) fn ok<T: Serialize>(body: &T) -> Answer {
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, body))
}
/// Something new that holds a secret which is shown this once.
pub(super) fn created<T: Serialize>(body: &T) -> Answer {
    let mut response = json_response(StatusCode::CREATED, CONTENT_TYPE, body);
    no_store(&mut response);
    Ok(response)
}
pub(super) fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}
pub(super) fn principal(id: &str) -> Result<PrincipalId, Error> {
    id.parse().map_err(|_| {
        Error::not_found("principal_unknown", "there is nobody with this id; list them with GET /v1.0/lapwing/users")
    })
}

macro_rules! lists {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(asked: Asked) -> Answer {
            asked.only_pages()?;
            let page = asked.app.$name(&asked.caller, asked.after()?, asked.query.page()).await?;
            ok(&List { value: page.items, next_link: asked.next_link(page.next) })
        }
    )*};
}
lists! { join_tokens groups policies audit users service_principals }

macro_rules! creates {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(who: Who, body: Bytes) -> Answer {
            created(&who.app.$name(&who.caller, &from_json(&body)?).await?)
        }
    )*};
}
creates! { create_join_token create_group import_policy create_user create_service_principal }

macro_rules! of_device {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(who: Who, Path(key): Path<String>) -> Answer {
            ok(&who.app.$name(&who.caller, device_key(&key)?).await?)
        }
    )*};
}
of_device! { device_policy device_status restore_device clear_fork }

pub(crate) async fn device_events(asked: Asked, Path(key): Path<String>) -> Answer {
    let page = asked.app.device_events(&asked.caller, device_key(&key)?, asked.after()?, asked.query.page()).await?;
    ok(&List { value: page.items, next_link: asked.next_link(page.next) })
}

pub(crate) async fn revoke_join_token(who: Who, Path(id): Path<String>) -> Answer {
    who.app.revoke_join_token(&who.caller, &id).await?;
    done()
}

pub(crate) async fn delete_group(who: Who, Path(group): Path<String>) -> Answer {
    who.app.delete_group(&who.caller, &group).await?;
    done()
}

pub(crate) async fn add_member(who: Who, Path((group, device)): Path<(String, String)>) -> Answer {
    who.app.set_member(&who.caller, &group, device_key(&device)?, true).await?;
    done()
}

pub(crate) async fn remove_member(who: Who, Path((group, device)): Path<(String, String)>) -> Answer {
    who.app.set_member(&who.caller, &group, device_key(&device)?, false).await?;
    done()
}

pub(crate) async fn policy(who: Who, Path(policy): Path<String>) -> Answer {
    ok(&who.app.policy(&who.caller, &policy).await?)
}

pub(crate) async fn delete_policy(who: Who, Path(policy): Path<String>) -> Answer {
    who.app.delete_policy(&who.caller, &policy).await?;
    done()
}

pub(crate) async fn assign_policy(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let assign: Assign = from_json(&body)?;
    ok(&who.app.assign_policy(&who.caller, &policy, &assign, true).await?)
}

pub(crate) async fn unassign_policy(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let assign: Assign = from_json(&body)?;
    ok(&who.app.assign_policy(&who.caller, &policy, &assign, false).await?)
}

pub(crate) async fn lint(who: Who, body: Bytes) -> Answer {
    ok(&who.app.lint_policy(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn explain(who: Who, Path(device): Path<String>) -> Answer {
    ok(&who.app.explain(&who.caller, &device).await?)
}

pub(crate) async fn versions(who: Who, Path(key): Path<String>) -> Answer {
    ok(&List { value: who.app.versions(&who.caller, device_key(&key)?).await?, next_link: None })
}

pub(crate) async fn uses(who: Who, Path(key): Path<String>) -> Answer {
    ok(&List { value: who.app.uses(&who.caller, device_key(&key)?).await?, next_link: None })
}

pub(crate) async fn purge_device(who: Who, Path(key): Path<String>) -> Answer {
    who.app.purge_device(&who.caller, device_key(&key)?).await?;
    done()
}

pub(crate) async fn link_predecessor(who: Who, Path((device, predecessor)): Path<(String, String)>) -> Answer {
    ok(&who.app.link_predecessor(&who.caller, device_key(&device)?, device_key(&predecessor)?).await?)
}

pub(crate) async fn audit_heads(who: Who) -> Answer {
    ok(&List { value: who.app.audit_heads(&who.caller).await?, next_link: None })
}

pub(crate) async fn delete_user(who: Who, Path(id): Path<String>) -> Answer {
    who.app.delete_user(&who.caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn reset_user(who: Who, Path(id): Path<String>) -> Answer {
    created(&who.app.reset_user(&who.caller, principal(&id)?).await?)
}

pub(crate) async fn enable_user(who: Who, Path(id): Path<String>) -> Answer {
    who.app.enable_user(&who.caller, principal(&id)?, true).await?;
    done()
}

pub(crate) async fn disable_user(who: Who, Path(id): Path<String>) -> Answer {
    who.app.enable_user(&who.caller, principal(&id)?, false).await?;
    done()
}

pub(crate) async fn delete_service_principal(who: Who, Path(id): Path<String>) -> Answer {
    who.app.delete_service_principal(&who.caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn assign_role(who: Who, body: Bytes) -> Answer {
    who.app.assign_role(&who.caller, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn unassign_role(who: Who, body: Bytes) -> Answer {
    who.app.unassign_role(&who.caller, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn settings(who: Who) -> Answer {
    ok(&who.app.settings(&who.caller).await?)
}

pub(crate) async fn change_settings(who: Who, body: Bytes) -> Answer {
    ok(&who.app.change_settings(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn confirm_clock(who: Who) -> Answer {
    who.app.confirm_clock(&who.caller).await?;
    done()
}

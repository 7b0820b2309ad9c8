//! Lapwing's own administration routes, `/v1.0/lapwing/…` (`proto::admin`).

use super::context::{Base, Shared};
use super::graph::{Asked, asked, device_key};
use super::{from_json, json_response, no_store};
use crate::app::{Error, Listed};
use crate::authz::Caller;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use laps::id::PrincipalId;
use proto::admin::{Assign, List};
use proto::graph::CONTENT_TYPE;
use serde::Serialize;

type Who = Extension<Caller>;
type Answer = Result<Response, Error>;

fn ok<T: Serialize>(body: &T) -> Answer {
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, body))
}
/// Something new that holds a secret which is shown this once.
fn created<T: Serialize>(body: &T) -> Answer {
    let mut response = json_response(StatusCode::CREATED, CONTENT_TYPE, body);
    no_store(&mut response);
    Ok(response)
}
fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}
fn listed<T: Serialize>(shared: &Shared, asked: &Asked, listed: Listed<T>) -> Answer {
    ok(&List { value: listed.items, next_link: asked.next_link(shared, listed.next) })
}
fn principal(id: &str) -> Result<PrincipalId, Error> {
    id.parse().map_err(|_| {
        Error::not_found("principal_unknown", "there is nobody with this id; list them with GET /v1.0/lapwing/users")
    })
}

macro_rules! lists {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(
            State(shared): State<Shared>,
            Extension(caller): Who,
            Extension(base): Extension<Base>,
            uri: OriginalUri,
        ) -> Answer {
            let asked = asked!(base, uri);
            let after = asked.after(&shared)?;
            let page = shared.app.$name(&caller, after, asked.query.page()).await?;
            listed(&shared, &asked, page)
        }
    )*};
}
lists! { join_tokens groups policies audit users service_principals }

macro_rules! creates {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(
            State(shared): State<Shared>,
            Extension(caller): Who,
            body: Bytes,
        ) -> Answer {
            created(&shared.app.$name(&caller, &from_json(&body)?).await?)
        }
    )*};
}
creates! { create_join_token create_group import_policy create_user create_service_principal }

macro_rules! of_device {
    ($($name:ident)*) => {$(
        pub(crate) async fn $name(
            State(shared): State<Shared>,
            Extension(caller): Who,
            Path(key): Path<String>,
        ) -> Answer {
            ok(&shared.app.$name(&caller, device_key(&key)?).await?)
        }
    )*};
}
of_device! { device_policy device_status restore_device clear_fork }

pub(crate) async fn device_events(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    Path(key): Path<String>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let after = asked.after(&shared)?;
    let page = shared.app.device_events(&caller, device_key(&key)?, after, asked.query.page()).await?;
    listed(&shared, &asked, page)
}

pub(crate) async fn revoke_join_token(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(id): Path<String>,
) -> Answer {
    shared.app.revoke_join_token(&caller, &id).await?;
    done()
}

pub(crate) async fn delete_group(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(group): Path<String>,
) -> Answer {
    shared.app.delete_group(&caller, &group).await?;
    done()
}

pub(crate) async fn add_member(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path((group, device)): Path<(String, String)>,
) -> Answer {
    shared.app.set_member(&caller, &group, device_key(&device)?, true).await?;
    done()
}

pub(crate) async fn remove_member(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path((group, device)): Path<(String, String)>,
) -> Answer {
    shared.app.set_member(&caller, &group, device_key(&device)?, false).await?;
    done()
}

pub(crate) async fn policy(State(shared): State<Shared>, Extension(caller): Who, Path(policy): Path<String>) -> Answer {
    ok(&shared.app.policy(&caller, &policy).await?)
}

pub(crate) async fn delete_policy(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(policy): Path<String>,
) -> Answer {
    shared.app.delete_policy(&caller, &policy).await?;
    done()
}

pub(crate) async fn assign_policy(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(policy): Path<String>,
    body: Bytes,
) -> Answer {
    let assign: Assign = from_json(&body)?;
    ok(&shared.app.assign_policy(&caller, &policy, &assign, true).await?)
}

pub(crate) async fn unassign_policy(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(policy): Path<String>,
    body: Bytes,
) -> Answer {
    let assign: Assign = from_json(&body)?;
    ok(&shared.app.assign_policy(&caller, &policy, &assign, false).await?)
}

pub(crate) async fn lint(State(shared): State<Shared>, Extension(caller): Who, body: Bytes) -> Answer {
    ok(&shared.app.lint_policy(&caller, &from_json(&body)?).await?)
}

pub(crate) async fn explain(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(device): Path<String>,
) -> Answer {
    ok(&shared.app.explain(&caller, &device).await?)
}

pub(crate) async fn versions(State(shared): State<Shared>, Extension(caller): Who, Path(key): Path<String>) -> Answer {
    ok(&List { value: shared.app.versions(&caller, device_key(&key)?).await?, next_link: None })
}

pub(crate) async fn purge_device(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(key): Path<String>,
) -> Answer {
    shared.app.purge_device(&caller, device_key(&key)?).await?;
    done()
}

pub(crate) async fn link_predecessor(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path((device, predecessor)): Path<(String, String)>,
) -> Answer {
    ok(&shared.app.link_predecessor(&caller, device_key(&device)?, device_key(&predecessor)?).await?)
}

pub(crate) async fn audit_heads(State(shared): State<Shared>, Extension(caller): Who) -> Answer {
    ok(&List { value: shared.app.audit_heads(&caller).await?, next_link: None })
}

pub(crate) async fn delete_user(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(id): Path<String>,
) -> Answer {
    shared.app.delete_user(&caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn reset_user(State(shared): State<Shared>, Extension(caller): Who, Path(id): Path<String>) -> Answer {
    created(&shared.app.reset_user(&caller, principal(&id)?).await?)
}

pub(crate) async fn enable_user(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(id): Path<String>,
) -> Answer {
    shared.app.enable_user(&caller, principal(&id)?, true).await?;
    done()
}

pub(crate) async fn disable_user(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(id): Path<String>,
) -> Answer {
    shared.app.enable_user(&caller, principal(&id)?, false).await?;
    done()
}

pub(crate) async fn delete_service_principal(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(id): Path<String>,
) -> Answer {
    shared.app.delete_service_principal(&caller, principal(&id)?).await?;
    done()
}

pub(crate) async fn assign_role(State(shared): State<Shared>, Extension(caller): Who, body: Bytes) -> Answer {
    shared.app.assign_role(&caller, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn unassign_role(State(shared): State<Shared>, Extension(caller): Who, body: Bytes) -> Answer {
    shared.app.unassign_role(&caller, &from_json(&body)?).await?;
    done()
}

pub(crate) async fn settings(State(shared): State<Shared>, Extension(caller): Who) -> Answer {
    ok(&shared.app.settings(&caller).await?)
}

pub(crate) async fn change_settings(State(shared): State<Shared>, Extension(caller): Who, body: Bytes) -> Answer {
    ok(&shared.app.change_settings(&caller, &from_json(&body)?).await?)
}

pub(crate) async fn confirm_clock(State(shared): State<Shared>, Extension(caller): Who) -> Answer {
    shared.app.confirm_clock(&caller).await?;
    done()
}

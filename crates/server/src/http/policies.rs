//! Editing, history, preview, exclusions and rings of policies (`proto::admin`).

use super::asked::Who;
use super::from_json;
use super::lapwing::{Answer, ok};
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::IntoResponse;
use http::header;
use proto::admin::{Assign, List, PolicyEdit, RingPlan, RollBack};

/// SyncML's content type.
const SYNCML: &str = "application/vnd.syncml.dm+xml";

pub(crate) async fn settings_table(who: Who) -> Answer {
    ok(&List { value: who.app.settings_table(&who.caller).await?, next_link: None })
}

pub(crate) async fn edit(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let edit: PolicyEdit = from_json(&body)?;
    ok(&who.app.edit_policy(&who.caller, &policy, &edit).await?)
}

pub(crate) async fn roll_back(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let to: RollBack = from_json(&body)?;
    ok(&who.app.roll_back_policy(&who.caller, &policy, &to).await?)
}

pub(crate) async fn versions(who: Who, Path(policy): Path<String>) -> Answer {
    ok(&List { value: who.app.policy_versions(&who.caller, &policy).await?, next_link: None })
}

pub(crate) async fn syncml(who: Who, Path(policy): Path<String>) -> Answer {
    let text = who.app.policy_syncml(&who.caller, &policy, None).await?;
    Ok(([(header::CONTENT_TYPE, SYNCML)], text).into_response())
}

pub(crate) async fn exclude(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let from: Assign = from_json(&body)?;
    ok(&who.app.exclude_policy(&who.caller, &policy, &from, true).await?)
}

pub(crate) async fn include(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let from: Assign = from_json(&body)?;
    ok(&who.app.exclude_policy(&who.caller, &policy, &from, false).await?)
}

pub(crate) async fn conflicts(who: Who) -> Answer {
    ok(&List { value: who.app.conflicts(&who.caller, None).await?, next_link: None })
}

pub(crate) async fn conflicts_of(who: Who, Path(policy): Path<String>) -> Answer {
    ok(&List { value: who.app.conflicts(&who.caller, Some(&policy)).await?, next_link: None })
}

pub(crate) async fn preview(who: Who, body: Bytes) -> Answer {
    ok(&who.app.preview_policy(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn rings(who: Who, Path(policy): Path<String>) -> Answer {
    ok(&who.app.ring_plan(&who.caller, &policy).await?)
}

pub(crate) async fn set_rings(who: Who, Path(policy): Path<String>, body: Bytes) -> Answer {
    let plan: RingPlan = from_json(&body)?;
    ok(&who.app.set_ring_plan(&who.caller, &policy, &plan).await?)
}

pub(crate) async fn rollout(who: Who, Path(policy): Path<String>) -> Answer {
    ok(&who.app.rollout(&who.caller, &policy).await?)
}

pub(crate) async fn act_on_rollout(who: Who, Path((policy, act)): Path<(String, String)>) -> Answer {
    ok(&who.app.act_on_rollout(&who.caller, &policy, &act).await?)
}

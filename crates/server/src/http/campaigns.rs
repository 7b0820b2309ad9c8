//! Campaigns: rotations of many devices, and the revocation of what a person was given (`proto::admin`).

use super::asked::{Asked, Who};
use super::from_json;
use super::lapwing::{Answer, ok};
use crate::app::Error;
use axum::body::Bytes;
use axum::extract::Path;
use laps::id::CampaignId;
use proto::admin::List;
use proto::graph::filter::Operator;

fn key(text: &str) -> Result<CampaignId, Error> {
    text.parse().map_err(|_| {
        Error::not_found(
            "campaign_unknown",
            "there is no rotation with this id; list them with GET /v1.0/lapwing/campaigns",
        )
    })
}

pub(crate) async fn list(asked: Asked) -> Answer {
    asked.only_pages()?;
    let page = asked.app.campaigns(&asked.caller, asked.after()?, asked.query.page()).await?;
    ok(&List { value: page.items, next_link: asked.next_link(page.next) })
}

pub(crate) async fn create(who: Who, body: Bytes) -> Answer {
    ok(&who.app.start_campaign(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn revoke(who: Who, body: Bytes) -> Answer {
    ok(&who.app.revoke(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn preview_revocation(who: Who, body: Bytes) -> Answer {
    ok(&who.app.preview_revocation(&who.caller, &from_json(&body)?).await?)
}

pub(crate) async fn one(who: Who, Path(id): Path<String>) -> Answer {
    ok(&who.app.campaign(&who.caller, key(&id)?).await?)
}

pub(crate) async fn cancel(who: Who, Path(id): Path<String>, body: Bytes) -> Answer {
    ok(&who.app.cancel_campaign(&who.caller, key(&id)?, &from_json(&body)?).await?)
}

pub(crate) async fn devices(asked: Asked, Path(id): Path<String>) -> Answer {
    let filter = asked.query.filter.as_ref();
    let state = filter.and_then(|filter| filter.value_of("state", Operator::Equal));
    if filter.is_some() && state.is_none() {
        return Err(Error::invalid("bad_filter", "this list takes $filter=state eq 'requested' and no other filter"));
    }
    let (after, page) = (asked.after()?, asked.query.page());
    let page = asked.app.campaign_devices(&asked.caller, key(&id)?, state, after, page).await?;
    ok(&List { value: page.items, next_link: asked.next_link(page.next) })
}

//! Channels by which people are told of reads, under `/v1.0/lapwing/channels`.

use super::asked::Who;
use super::{from_json, json_response, no_store};
use crate::app::Error;
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use proto::admin::List;
use proto::graph::CONTENT_TYPE;

type Answer = Result<Response, Error>;

pub(crate) async fn channels(who: Who) -> Answer {
    let value = who.app.channels(&who.caller).await?;
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &List { value, next_link: None }))
}

pub(crate) async fn create_channel(who: Who, body: Bytes) -> Answer {
    let made = who.app.create_channel(&who.caller, &from_json(&body)?).await?;
    let mut response = json_response(StatusCode::CREATED, CONTENT_TYPE, &made);
    no_store(&mut response);
    Ok(response)
}

pub(crate) async fn delete_channel(who: Who, Path(name): Path<String>) -> Answer {
    who.app.delete_channel(&who.caller, &name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn pause_channel(who: Who, Path(name): Path<String>) -> Answer {
    who.app.pause_channel(&who.caller, &name, true).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn resume_channel(who: Who, Path(name): Path<String>) -> Answer {
    who.app.pause_channel(&who.caller, &name, false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn test_channel(who: Who, Path(name): Path<String>) -> Answer {
    who.app.test_channel(&who.caller, &name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

//! Coverage, escrow and the life of devices, `/v1.0/lapwing/…`.

use super::asked::{Asked, Who};
use super::graph::device_key;
use super::{from_json, json_response, no_store, of_type};
use crate::app::Error;
use axum::body::Bytes;
use axum::extract::{Path, Query};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use proto::admin::List;
use proto::graph::CONTENT_TYPE;

type Answer = Result<Response, Error>;

pub(crate) async fn coverage(who: Who) -> Answer {
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &who.app.coverage(&who.caller).await?))
}

pub(crate) async fn coverage_devices(asked: Asked, Path(code): Path<String>) -> Answer {
    asked.only_pages()?;
    let page = asked.app.coverage_devices(&asked.caller, &code, asked.after()?, asked.query.page()).await?;
    let list = List { value: page.items, next_link: asked.next_link(page.next) };
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &list))
}

/// `?device=`: an id or a name.
#[derive(serde::Deserialize)]
pub(crate) struct Named {
    device: Option<String>,
}

pub(crate) async fn explain_named(who: Who, Query(named): Query<Named>) -> Answer {
    let Some(device) = named.device else {
        return Err(Error::invalid("bad_query", "name the device: ?device=ID or ?device=NAME"));
    };
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &who.app.explain(&who.caller, &device).await?))
}

pub(crate) async fn candidates(who: Who, Path(key): Path<String>) -> Answer {
    let value = who.app.predecessor_candidates(&who.caller, device_key(&key)?).await?;
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &List { value, next_link: None }))
}

pub(crate) async fn escrow(who: Who) -> Answer {
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &who.app.escrow_state(&who.caller).await?))
}

pub(crate) async fn drill(who: Who, body: Bytes) -> Answer {
    let state = who.app.record_drill(&who.caller, &from_json(&body)?).await?;
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, &state))
}

/// The archive. What is in it is sealed; the head holds no name of a device.
pub(crate) async fn export(who: Who, body: Bytes) -> Answer {
    let archive = who.app.export(&who.caller, &from_json(&body)?).await?;
    let mut response = of_type(StatusCode::OK, "application/octet-stream", archive.bytes.into());
    no_store(&mut response);
    // A name of letters, digits, `-` and `.` only.
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", archive.name)) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

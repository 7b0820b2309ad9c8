//! The device API (`proto::device`): bodies of at most 4096 bytes, read into a buffer that is wiped.

use super::asked::Who;
use super::{json_response_without_secret, no_store, problem};
use crate::app::Error;
use crate::authz::Origin;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use proto::device::{BODY_BYTES_MAX, Code, Store, StoreDecodeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;
use zeroize::Zeroizing;

type Answer = Result<Response, Error>;

fn ok<T: Serialize>(body: &T) -> Response {
    let mut response = json_response_without_secret(StatusCode::OK, "application/json", body);
    no_store(&mut response);
    response
}

/// The whole body in a buffer that is wiped and never grows: growing would leave copies behind.
async fn whole(mut body: Body) -> Result<Zeroizing<Vec<u8>>, Error> {
    // The length that was announced is never exceeded (HTTP); without one it may be the largest.
    let bytes = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(BODY_BYTES_MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes.min(BODY_BYTES_MAX)));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Error::device(Code::BadRequest, "the body broke off"))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if bytes.len() + data.len() > BODY_BYTES_MAX {
            return Err(Error::device(Code::TooLarge, format!("the body is larger than {BODY_BYTES_MAX} bytes")));
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Error> {
    super::from_json(&whole(body).await?)
}

pub(crate) async fn join(who: Who, body: Body) -> Answer {
    Ok(ok(&who.app.join(&who.caller, &read(body).await?).await?))
}

pub(crate) async fn renew(who: Who, body: Body) -> Answer {
    Ok(ok(&who.app.renew(&who.caller, &read(body).await?).await?))
}

pub(crate) async fn store(who: Who, body: Body) -> Answer {
    let (version, password) = Store::decode(&whole(body).await?).map_err(|error| {
        let code = match error {
            StoreDecodeError::TooLarge { .. } => Code::TooLarge,
            _ => Code::BadRequest,
        };
        Error::device(code, error.to_string())
    })?;
    let answer = who.app.store_version(&who.caller, &version, &password).await?;
    Ok(ok(&answer))
}

pub(crate) async fn prove(who: Who, body: Body) -> Answer {
    let proof = read(body).await?;
    Ok(ok(&who.app.prove_version(&who.caller, &proof).await?))
}

pub(crate) async fn abandon(who: Who, body: Body) -> Answer {
    let abandon = read(body).await?;
    Ok(ok(&who.app.abandon_version(&who.caller, &abandon).await?))
}

pub(crate) async fn report(who: Who, body: Body) -> Answer {
    let report = read(body).await?;
    Ok(ok(&who.app.report(&who.caller, &report).await?))
}

pub(crate) async fn wait(who: Who) -> Answer {
    let elapsed = tokio::time::sleep(Duration::from_secs(who.app.wait_s()));
    Ok(ok(&who.app.wait(&who.caller, elapsed).await?))
}

/// One SyncML message. The path behind `/mdm` and the query do not matter (protocols.md 1.1).
pub(crate) async fn mdm(who: Who, headers: HeaderMap, body: Bytes) -> Answer {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !proto::dm::is_syncml_xml(kind) {
        let text = "send SyncML as application/vnd.syncml.dm+xml; WBXML is not taken";
        return Ok(problem::as_text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let reply = who.app.mdm_exchange(&who.caller, &body).await?;
    let mut response = Response::new(Body::from(reply));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(proto::dm::CONTENT_TYPE));
    no_store(&mut response);
    Ok(response)
}

/// An error on the SyncML surface: without a good certificate 401 with an empty body (protocols.md 1.1),
/// otherwise the device API's shape with the error's own code.
pub(crate) fn mdm_error(error: &Error, origin: &Origin) -> Response {
    match error.device_code() {
        Code::CertificateRequired | Code::DeviceUnknown => StatusCode::UNAUTHORIZED.into_response(),
        _ => problem::as_mdm(error, origin),
    }
}

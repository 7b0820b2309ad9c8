//! The edge: decodes, calls `app`, encodes. Every route is a [`Row`] that says which identity it takes;
//! what has no row is not there.

mod account;
mod admin;
mod asked;
mod campaigns;
mod context;
mod device;
mod federation;
mod graph;
mod identity;
mod lapwing;
mod life;
pub mod listener;
mod notify;
mod oauth;
mod operator;
mod page;
mod path;
mod policies;
mod problem;
mod reading;
mod roles;
mod rows;

pub use context::Shared;
pub use rows::{Row, Surface, Takes, routes};

use crate::app::{App, Error, Kind};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The whole of the server's routes over `app`.
pub fn router(app: Arc<App>) -> Router {
    let shared = Shared { app };
    let mut router = Router::new();
    for row in rows::rows() {
        let handler = row
            .handler
            .layer(DefaultBodyLimit::max(row.surface.body_bytes_max()))
            .layer(from_fn_with_state((shared.clone(), row.takes), identity::require));
        router = router.route(&row.path.to_ascii_lowercase(), handler);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(shared.clone(), context::surround))
        .with_state(shared)
}

async fn not_found(uri: Uri) -> Error {
    Error::not_found(
        "no_such_route",
        format!(
            "{} is not served here; see the list of routes in the documentation",
            uri.path().chars().take(200).collect::<String>()
        ),
    )
}

async fn wrong_method() -> Error {
    Error::refused(Kind::Method, "wrong_method", "this path is served with another method")
}

/// An error leaves its handler unencoded; `context::surround` gives it the shape of its surface.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// The routed form of a URI's path, when it differs.
fn routed_uri(uri: &Uri) -> Option<Uri> {
    let routed = match path::routed(uri.path()) {
        std::borrow::Cow::Borrowed(_) => return None,
        std::borrow::Cow::Owned(routed) => routed,
    };
    let text = match uri.query() {
        Some(query) => format!("{routed}?{query}"),
        None => routed,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// A JSON answer in a buffer that is wiped after it was sent.
fn json_response<T: Serialize>(status: StatusCode, content_type: &'static str, body: &T) -> Response {
    // Large enough for nearly every answer at once: growing would leave copies of a secret behind.
    let mut buffer = zeroize::Zeroizing::new(Vec::with_capacity(16 * 1024));
    if serde_json::to_writer(&mut *buffer, body).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    of_type(status, content_type, Bytes::from_owner(buffer))
}

/// A JSON answer that holds no secret, and need not be wiped.
fn json_response_without_secret<T: Serialize>(status: StatusCode, content_type: &'static str, body: &T) -> Response {
    match serde_json::to_vec(body) {
        Ok(buffer) => of_type(status, content_type, buffer.into()),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn of_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Secrets and personal data are not kept by anybody on the way.
fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}

/// Reads a JSON body; what is wrong is said with its place and never with its content.
fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "does not hold the members that this route takes",
            _ => "is not JSON",
        };
        Error::invalid(
            "bad_body",
            format!("the body {what} (line {}, column {}); correct it and send it again", error.line(), error.column()),
        )
    })
}

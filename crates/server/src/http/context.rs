//! Around every request: its id, where it came from, the base of its links, one line in the log, and
//! the shape of its error. Bodies and query strings are never logged.

use super::listener::Peer;
use super::{Surface, problem};
use crate::app::browser::Browsing;
use crate::app::{App, Error, Kind};
use crate::authz::Origin;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::sync::Arc;
use std::time::Duration;

/// What every handler has.
#[derive(Clone)]
pub struct Shared {
    /// The application.
    pub app: Arc<App>,
}

/// `https://HOST[:PORT]` as the caller wrote it, when it is one of the server's names, else as the
/// server calls itself. Links stay on the host that the caller used (protocols.md 5.1).
#[derive(Debug, Clone)]
pub(crate) struct Base(pub(crate) String);

/// Longest of a header that is taken in, characters.
const HEADER_CHARS_MAX: usize = 256;
/// Longest that a request may take, except where devices wait.
const REQUEST_S: u64 = 60;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The outermost layer.
pub(crate) async fn surround(
    State(shared): State<Shared>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let app = &shared.app;
    let started = app.now();
    let origin = origin(app, &request);
    let base = Base(base(app, request.headers()));
    let surface = Surface::of(request.uri().path());
    let method = request.method().clone();
    request.extensions_mut().insert(origin.clone());
    request.extensions_mut().insert(base);
    let limit = Duration::from_secs(if surface == Surface::Wait { 900 } else { REQUEST_S });
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            use axum::response::IntoResponse;
            Error::refused(Kind::Unavailable, "request_timeout", "the request took too long; try again").into_response()
        }
    };
    let now = app.now();
    let browsing = response.extensions_mut().remove::<Browsing>();
    if let Some(error) = response.extensions_mut().remove::<Arc<Error>>() {
        response = surface.encode_error(&error, &origin, now, browsing.as_ref());
    } else if let Some(error) = refused_before_handler(surface, &response) {
        response = surface.encode_error(&error, &origin, now, browsing.as_ref());
    }
    let set = |response: &mut Response, name: &HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(&mut response, &REQUEST_ID, &origin.request_id);
    if let Some(id) = &origin.client_request_id {
        set(&mut response, &CLIENT_REQUEST_ID, id);
    }
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    let route = matched.as_ref().map_or("-", MatchedPath::as_str);
    let status = response.status().as_u16();
    app.metrics().request(surface.word(), status);
    tracing::info!(
        target: "lapwingd::request",
        request = %origin.request_id,
        %method,
        route,
        status,
        ms = now.ticks_since(started) / 10_000,
        "request"
    );
    response
}

/// What the framework refused before a handler ran (a body that is too large, a path that is not UTF-8)
/// comes as plain text; it gets the shape of its surface too.
fn refused_before_handler(surface: Surface, response: &Response) -> Option<Error> {
    let plain =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !plain || matches!(surface, Surface::Page | Surface::Operator) {
        return None;
    }
    match response.status().as_u16() {
        413 => Some(Error::refused(Kind::TooLarge, "body_too_large", "the body is larger than this route takes")),
        400 | 415 | 422 => Some(Error::invalid("bad_request", "the path, the query string or the body cannot be read")),
        _ => None,
    }
}

impl Surface {
    fn encode_error(
        self,
        error: &Error,
        origin: &Origin,
        now: laps::time::Timestamp,
        browsing: Option<&Browsing>,
    ) -> Response {
        match self {
            Self::Graph => problem::as_graph(error, origin, now),
            Self::Device | Self::Wait => problem::as_device(error, origin),
            Self::OAuth => super::oauth::error(error, origin, now),
            Self::Mdm => super::device::mdm_error(error, origin),
            Self::Admin => super::admin::error_page(error, origin, browsing),
            Self::Page | Self::Operator => super::page::error(error, origin),
        }
    }
}

fn origin(app: &App, request: &Request) -> Origin {
    let headers = request.headers();
    let text = |name: &HeaderName| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(short).filter(|text| !text.is_empty())
    };
    // MSAL puts it into the query string of the token endpoint (protocols.md 4.3)
    let in_query = || {
        request.uri().query()?.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            (name == "client-request-id").then(|| short(value))
        })
    };
    Origin {
        request_id: app.request_id(),
        client_request_id: text(&CLIENT_REQUEST_ID)
            .or_else(in_query)
            .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic())),
        address: request.extensions().get::<Peer>().map(|peer| peer.address.ip().to_canonical()),
        user_agent: text(&header::USER_AGENT),
    }
}

fn short(text: &str) -> String {
    text.chars().take(HEADER_CHARS_MAX).collect()
}

fn base(app: &App, headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| app.is_own_host(host));
    match host {
        Some(host) => format!("https://{}", host.to_ascii_lowercase()),
        None => app.url().to_owned(),
    }
}

//! Errors of `app` in the three shapes of the edges: Graph's, the device API's, OAuth's.
//!
//! Everywhere a stable code, a plain sentence with what to do next, and the request id. What went wrong
//! inside is logged and never sent.

use crate::app::{Error, Kind};
use crate::authz::Origin;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use laps::time::Timestamp;
use proto::{device, graph, oauth};

/// Graph's code for a kind.
const fn graph_code(kind: Kind) -> graph::Code {
    match kind {
        Kind::Invalid => graph::Code::BadRequest,
        Kind::HeaderMissing => graph::Code::InvalidRequest,
        Kind::NotSignedIn => graph::Code::InvalidAuthenticationToken,
        Kind::Denied => graph::Code::AuthorizationDenied,
        Kind::NotFound => graph::Code::ResourceNotFound,
        Kind::Method => graph::Code::MethodNotAllowed,
        Kind::Conflict => graph::Code::Conflict,
        Kind::Changed => graph::Code::PreconditionFailed,
        Kind::TooLarge => graph::Code::TooLarge,
        Kind::TooMany => graph::Code::TooManyRequests,
        Kind::Unavailable => graph::Code::ServiceUnavailable,
        Kind::Internal => graph::Code::InternalServerError,
    }
}

fn log(error: &Error, origin: &Origin) {
    match error.kind() {
        Kind::Internal | Kind::Unavailable => tracing::error!(
            request = %origin.request_id, code = error.code(), error = %error.inside(),
            "a request failed"
        ),
        _ => tracing::debug!(request = %origin.request_id, code = error.code(), "a request was refused"),
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn with_retry(mut response: Response, error: &Error) -> Response {
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// In Graph's shape (protocols.md 5.1).
pub(crate) fn as_graph(error: &Error, origin: &Origin, now: Timestamp) -> Response {
    log(error, origin);
    let code = graph_code(error.kind());
    let body = graph::ErrorBody {
        error: graph::ErrorDetail {
            code: code.word().into(),
            message: error.text(),
            inner_error: Some(graph::InnerError {
                code: error.code().into(),
                date: now.to_string(),
                request_id: origin.request_id.clone(),
                client_request_id: origin.client_request_id.clone().unwrap_or_else(|| origin.request_id.clone()),
            }),
        },
    };
    let mut response = super::json_response(status(code.http_status()), graph::CONTENT_TYPE, &body);
    if error.kind() == Kind::NotSignedIn {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    with_retry(response, error)
}

/// In the device API's shape, with a code of the device API.
pub(crate) fn as_device(error: &Error, origin: &Origin) -> Response {
    device_shape(error, error.device_code().as_str(), origin)
}

/// In the device API's shape, with the error's own code: what is wrong with a SyncML document has more
/// names than the device API.
pub(crate) fn as_mdm(error: &Error, origin: &Origin) -> Response {
    device_shape(error, error.code(), origin)
}

fn device_shape(error: &Error, name: &str, origin: &Origin) -> Response {
    log(error, origin);
    let code = error.device_code();
    let body = device::ErrorBody {
        error: device::ErrorDetail {
            code: name.into(),
            message: error.text(),
            remedy: device_remedy(code).into(),
            request_id: origin.request_id.clone(),
        },
    };
    with_retry(super::json_response(status(code.http_status()), "application/json", &body), error)
}

/// What the operator of a device does about a refusal.
const fn device_remedy(code: device::Code) -> &'static str {
    use device::Code as C;
    match code {
        C::BadRequest => "update the agent: its request is not one that this server takes",
        C::TooLarge => "send a body of at most 4096 bytes",
        C::JoinTokenUnknown => {
            "check that the whole token was copied and that it is for this server, or make a new one: lapwing join-token create"
        }
        C::JoinTokenUsed | C::JoinTokenExpired => "make a new join token: lapwing join-token create",
        C::CsrRefused => "send a PKCS #10 request with an ECDSA P-256 key",
        C::CertificateRequired => "use the device certificate of this server; join again if it is lost",
        C::CertificateExpired => "renew the certificate first",
        C::DeviceUnknown => "join again with a new join token",
        C::DeviceDeleted => "an administrator can bring the device back (lapwing device restore), or join again",
        C::DeviceDisabled => "an administrator can enable the device: lapwing device enable",
        C::LapsDisabled => "an administrator can turn it on: lapwing setting laps on",
        C::VersionConflict => "make a new version with a new id",
        C::VersionAbandoned | C::VersionUnknown => "rotate now",
        C::TooManyVersions => "wait; an administrator can ask for a rotation, which makes room for one more",
        C::TooManyRequests => "wait as long as Retry-After says",
        C::Unavailable => "nothing was changed; try again later",
        _ => "try again later; the request id finds the cause in the server's log",
    }
}

/// In OAuth's shape, as Entra answers (protocols.md 4.3).
pub(crate) fn as_oauth(kind: oauth::TokenErrorKind, text: &str, origin: &Origin, now: Timestamp) -> Response {
    let timestamp = now.to_string();
    let seconds = timestamp.get(..19).unwrap_or(&timestamp).replace('T', " ");
    let correlation = origin.client_request_id.clone().unwrap_or_else(|| origin.request_id.clone());
    let body = oauth::TokenError {
        error: kind.word().into(),
        error_description: format!(
            "AADSTS{}: {text} Trace ID: {} Correlation ID: {correlation} Timestamp: {seconds}Z",
            kind.number(),
            origin.request_id,
        ),
        error_codes: vec![kind.number()],
        timestamp: format!("{seconds}Z"),
        trace_id: origin.request_id.clone(),
        correlation_id: correlation,
    };
    let mut response = super::json_response(status(kind.http_status()), "application/json", &body);
    super::no_store(&mut response);
    response
}

/// As plain text, for pages and probes.
pub(crate) fn as_text(code: StatusCode, text: &str) -> Response {
    (code, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n")).into_response()
}

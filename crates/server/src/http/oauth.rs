//! OAuth and OpenID (protocols.md 4): metadata, keys, tokens, device codes, and the discovery questions.

use super::context::{Base, Shared};
use super::{json_response, no_store, problem};
use crate::app::{Error, Kind, TokenRefusal};
use crate::authz::{Caller, Origin};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode, header};
use laps::time::Timestamp;
use proto::oauth::{InstanceDiscovery, InstanceMetadata, Secret, TokenErrorKind, TokenRequest, UserRealm};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

type Who = Extension<Caller>;

fn ok<T: Serialize>(body: &T) -> Response {
    json_response(StatusCode::OK, "application/json; charset=utf-8", body)
}

fn refusal(shared: &Shared, caller: &Caller, refusal: TokenRefusal) -> Response {
    match refusal {
        TokenRefusal::Refused(kind, text) => problem::as_oauth(kind, &text, &caller.origin, shared.app.now()),
        TokenRefusal::Failed(error) => error.into_response(),
    }
}

/// An error of `app` on an OAuth route.
pub(crate) fn error(error: &Error, origin: &Origin, now: Timestamp) -> Response {
    if error.kind() == Kind::NotFound {
        return problem::as_text(StatusCode::NOT_FOUND, &error.text());
    }
    let kind = match error.kind() {
        Kind::Internal | Kind::Unavailable | Kind::TooMany => {
            tracing::error!(
                request = %origin.request_id, code = error.code(), error = %error.inside(),
                "a sign-in failed"
            );
            TokenErrorKind::TemporarilyUnavailable
        }
        _ => TokenErrorKind::InvalidRequest,
    };
    let mut response = problem::as_oauth(kind, &error.text(), origin, now);
    if error.kind() == Kind::TooMany {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    if let Some(seconds) = error.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, http::HeaderValue::from(seconds));
    }
    response
}

pub(crate) async fn metadata(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(Base(base)): Extension<Base>,
    Path(tenant): Path<String>,
) -> Response {
    match shared.app.oidc_metadata(&caller, &tenant, &base) {
        Ok(metadata) => ok(&metadata),
        Err(error) => refusal(&shared, &caller, error),
    }
}

pub(crate) async fn keys(State(shared): State<Shared>, Extension(caller): Who) -> Response {
    ok(&shared.app.token_keys(&caller))
}

/// This host is its own authority (protocols.md 0).
pub(crate) async fn instance(State(shared): State<Shared>, Extension(Base(base)): Extension<Base>) -> Response {
    let host = base.strip_prefix("https://").unwrap_or(&base).to_owned();
    ok(&InstanceDiscovery {
        tenant_discovery_endpoint: format!("{base}/{}/v2.0/.well-known/openid-configuration", shared.app.tenant()),
        api_version: "1.1".into(),
        metadata: vec![InstanceMetadata {
            preferred_network: host.clone(),
            preferred_cache: host.clone(),
            aliases: vec![host],
        }],
    })
}

/// Every user is managed here; the answer does not tell who exists.
pub(crate) async fn realm(Extension(Base(base)): Extension<Base>, Path(upn): Path<String>) -> Response {
    let host = base.strip_prefix("https://").unwrap_or(&base);
    ok(&UserRealm {
        ver: "1.0".into(),
        account_type: "Managed".into(),
        domain_name: upn.rsplit_once('@').map_or(host, |(_, domain)| domain).into(),
        cloud_instance_name: host.into(),
        cloud_audience_urn: "urn:federation:MicrosoftOnline".into(),
    })
}

/// The form of a token request, with the client of an `Authorization: Basic` header put into it.
fn token_request(headers: &HeaderMap, body: &[u8]) -> Result<TokenRequest, Error> {
    let mut request: TokenRequest = form(body)?;
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, text)| STANDARD.decode(text.trim()).ok())
        .map(Zeroizing::new);
    if let Some((id, secret)) =
        basic.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok()).and_then(|text| text.split_once(':'))
    {
        request.client_id.get_or_insert_with(|| id.to_owned());
        request.client_secret.get_or_insert_with(|| Secret::new(secret.to_owned()));
    }
    Ok(request)
}

/// Reads a form-encoded body; what is wrong is said without its content.
pub(crate) fn form<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_urlencoded::from_bytes(body).map_err(|_| {
        Error::invalid(
            "bad_form",
            "The request body is not a form (application/x-www-form-urlencoded) with the members of this route.",
        )
    })
}

pub(crate) async fn token(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(Base(base)): Extension<Base>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = match token_request(&headers, &body) {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    match shared.app.token(&caller, &tenant, &request, &base).await {
        Ok(answer) => {
            let mut response = ok(&answer);
            no_store(&mut response);
            response
        }
        Err(error) => refusal(&shared, &caller, error),
    }
}

/// The v1 endpoint: numbers as text, with `expires_on` and `resource` (protocols.md 4.3).
pub(crate) async fn token_v1(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(Base(base)): Extension<Base>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = match token_request(&headers, &body) {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    match shared.app.token(&caller, &tenant, &request, &base).await {
        Ok(answer) => {
            let expires_on =
                shared.app.now().unix_ms() / 1000 + i64::try_from(answer.expires_in).unwrap_or(i64::MAX / 2);
            let mut old = json!({
                "expires_in": answer.expires_in.to_string(),
                "ext_expires_in": answer.ext_expires_in.to_string(),
                "expires_on": expires_on.to_string(),
                "not_before": (expires_on - 3_600).to_string(),
                "resource": request.resource,
                "token_type": answer.token_type,
                "scope": answer.scope,
                "client_info": answer.client_info,
            });
            if let Value::Object(members) = &mut old {
                let mut put = |name: &str, secret: Option<&Secret>| {
                    if let Some(secret) = secret {
                        members.insert(name.into(), secret.reveal().into());
                    }
                };
                put("access_token", Some(&answer.access_token));
                put("refresh_token", answer.refresh_token.as_ref());
                put("id_token", answer.id_token.as_ref());
            }
            let mut response = ok(&old);
            no_store(&mut response);
            response
        }
        Err(error) => refusal(&shared, &caller, error),
    }
}

#[derive(Deserialize, Default)]
pub(crate) struct DeviceCodeForm {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    resource: Option<String>,
}

pub(crate) async fn device_code(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(Base(base)): Extension<Base>,
    Path(tenant): Path<String>,
    Query(query): Query<DeviceCodeForm>,
    body: Bytes,
) -> Response {
    let form: DeviceCodeForm = match form(&body) {
        Ok(form) => form,
        Err(error) => return error.into_response(),
    };
    let client_id = if form.client_id.is_empty() { query.client_id } else { form.client_id };
    let resource = form.resource.or(query.resource);
    let scope = form.scope.or(query.scope).unwrap_or_else(|| {
        resource.map_or_else(String::new, |resource| format!("{}/.default", resource.trim_end_matches('/')))
    });
    match shared.app.device_code(&caller, &tenant, &client_id, &scope, &base).await {
        Ok(answer) => {
            let mut response = ok(&answer);
            no_store(&mut response);
            response
        }
        Err(error) => refusal(&shared, &caller, error),
    }
}

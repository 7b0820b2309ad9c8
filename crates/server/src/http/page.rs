//! The verification page of the device code (RFC 8628 3.3): plain forms, no script.
//!
//! It sets no cookie and acts only with a name and a password in the form itself, so a page of somebody
//! else has nothing to ride on; forms of other origins are refused all the same.

use super::admin::page;
use super::context::{Base, Shared};
use super::{json_response, no_store, oauth, problem};
use crate::app::Error;
use crate::authz::{Caller, Origin};
use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use proto::oauth::{Secret, Verification, VerificationAnswer, VerificationResult};
use serde::Deserialize;

#[derive(Deserialize, Default)]
pub(crate) struct Typed {
    #[serde(default)]
    code: String,
}

/// A page without script, in the look of the admin centre's sign-in. Its referrer policy stays `same-origin`: with
/// `no-referrer` browsers send `Origin: null` with a form, and [`is_own_form`] could not tell it from a foreign one.
pub(super) fn plain(status: StatusCode, template: &impl Template) -> Result<Response, Error> {
    let mut response = page(status, template)?;
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    Ok(response)
}

pub(super) const TITLE: &str = "Sign in";

/// What stands at the head of a form, and whether it is a mistake.
type Note<'a> = Option<(&'a str, bool)>;

#[derive(Template)]
#[template(path = "code/said.html")]
struct Said<'a> {
    title: &'static str,
    text: &'a str,
}

#[derive(Template)]
#[template(path = "code/sign_in.html")]
struct SignIn<'a> {
    title: &'static str,
    note: Note<'a>,
    code: &'a str,
    name: &'a str,
    /// Address and name of each foreign provider.
    providers: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "code/password.html")]
struct NewPassword<'a> {
    title: &'static str,
    note: Note<'a>,
    code: &'a str,
    name: &'a str,
}

#[derive(Template)]
#[template(path = "code/second_factor.html")]
struct SecondFactor<'a> {
    title: &'static str,
    note: Note<'a>,
    code: &'a str,
    ticket: &'a str,
}

/// The form, with the code filled in when the link carries it.
pub(crate) async fn form(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Query(typed): Query<Typed>,
) -> Result<Response, Error> {
    let code: String = typed.code.chars().take(20).collect();
    let client = shared.app.code_client(&caller, &code).await?;
    let providers = shared.app.sign_in_providers(&caller).await?;
    let asks = client.map(|client| format!("The program {client} asks to sign in as you."));
    let query = serde_urlencoded::to_string([("user_code", &code)]).unwrap_or_default();
    let providers = providers.into_iter().map(|(id, name)| (format!("/device/with/{id}?{query}"), name)).collect();
    let note = asks.as_deref().map(|asks| (asks, false));
    plain(StatusCode::OK, &SignIn { title: TITLE, note, code: &code, name: "", providers })
}

/// The answer to the form; as JSON for a program that asks for it.
pub(crate) async fn answer(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Extension(Base(base)): Extension<Base>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Error> {
    if !is_own_form(&headers, &base) {
        return Ok(problem::as_text(
            StatusCode::FORBIDDEN,
            "this form was not sent from this server's own page; open /device and send it from there",
        ));
    }
    let form: Verification = oauth::form(&body)?;
    let answer = shared.app.verify(&caller, &form).await?;
    let status = match answer.result {
        VerificationResult::Approved | VerificationResult::Refused => StatusCode::OK,
        VerificationResult::NewPasswordRequired
        | VerificationResult::NewPasswordUnfit
        | VerificationResult::SecondFactorRequired
        | VerificationResult::SecondFactorWrong => StatusCode::UNPROCESSABLE_ENTITY,
        VerificationResult::SignInFailed => StatusCode::FORBIDDEN,
        VerificationResult::LockedOut => StatusCode::TOO_MANY_REQUESTS,
        VerificationResult::CodeUnknown => StatusCode::NOT_FOUND,
    };
    let wants_json = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("application/json"));
    if wants_json {
        let mut response = json_response(status, "application/json", &answer);
        no_store(&mut response);
        return Ok(response);
    }
    as_page(status, &form, &answer)
}

fn as_page(status: StatusCode, form: &Verification, answer: &VerificationAnswer) -> Result<Response, Error> {
    let (code, name, title, text) = (form.user_code.as_str(), form.user_name.as_str(), TITLE, answer.message.as_str());
    match answer.result {
        VerificationResult::Approved | VerificationResult::Refused => plain(status, &Said { title, text }),
        VerificationResult::NewPasswordRequired | VerificationResult::NewPasswordUnfit => {
            let note = Some((text, answer.result == VerificationResult::NewPasswordUnfit));
            plain(status, &NewPassword { title, note, code, name })
        }
        VerificationResult::SecondFactorRequired | VerificationResult::SecondFactorWrong => {
            let note = Some((text, answer.result == VerificationResult::SecondFactorWrong));
            let ticket = answer.ticket.as_ref().map(Secret::reveal).unwrap_or_default();
            plain(status, &SecondFactor { title, note, code, ticket })
        }
        _ => plain(status, &SignIn { title, note: Some((text, true)), code, name, providers: Vec::new() }),
    }
}

/// Browsers say where a form came from; programs say nothing.
pub(crate) fn is_own_form(headers: &HeaderMap, base: &str) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site = header("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    let origin = header("origin").is_none_or(|origin| origin.eq_ignore_ascii_case(base));
    site && origin
}

/// Nothing is kept here that a sign-out would end.
pub(crate) async fn logout() -> Result<Response, Error> {
    let text = "This server keeps no session in your browser. Close your programs to end theirs.";
    plain(StatusCode::OK, &Said { title: "Signed out", text })
}

/// An error on a page or a probe: one line of plain text.
pub(crate) fn error(error: &Error, origin: &Origin) -> Response {
    use crate::app::Kind;
    let status = match error.kind() {
        Kind::Invalid | Kind::HeaderMissing => StatusCode::BAD_REQUEST,
        Kind::NotSignedIn => StatusCode::UNAUTHORIZED,
        Kind::Denied => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Changed => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::TooMany => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status.is_server_error() {
        tracing::error!(
            request = %origin.request_id, code = error.code(), error = %error.inside(),
            "a request failed"
        );
    }
    problem::as_text(status, &format!("{}: {} (request {})", error.code(), error.text(), origin.request_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn what_people_typed_is_escaped() {
        let (code, name) = ("\"><script>", "<b>'&");
        let page = SignIn { title: TITLE, note: None, code, name, providers: Vec::new() }.render().unwrap();
        assert!(!page.contains("<script") && !page.contains("<b>"));
        assert!(page.contains("&#34;&#62;&#60;script&#62;"));
    }

    #[test]
    fn forms_of_other_origins_are_not_ours() {
        let from = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            is_own_form(&headers, "https://h:1")
        };
        assert!(from(&[]));
        assert!(from(&[("origin", "https://h:1"), ("sec-fetch-site", "same-origin")]));
        assert!(!from(&[("origin", "https://evil.test")]));
        assert!(!from(&[("origin", "null")]));
        assert!(!from(&[("sec-fetch-site", "cross-site")]));
    }
}

//! The verification page of the device code (RFC 8628 3.3): one plain form, no script.
//!
//! It sets no cookie and acts only with a name and a password in the form itself, so a page of somebody
//! else has nothing to ride on; forms of other origins are refused all the same.

use super::admin::ASSETS;
use super::context::{Base, Shared};
use super::{json_response, no_store, oauth, problem};
use crate::app::Error;
use crate::authz::{Caller, Origin};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use proto::oauth::{Secret, Verification, VerificationAnswer, VerificationResult};
use serde::Deserialize;

#[derive(Deserialize, Default)]
pub(crate) struct Typed {
    #[serde(default)]
    code: String,
}

pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}

/// A page in the look of the admin centre's sign-in; `body` is markup.
pub(super) fn html(status: StatusCode, title: &str, body: &str) -> Response {
    let (style, icon) = (&ASSETS.style, ASSETS.icon.path.as_str());
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title><link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\">\
<link rel=\"stylesheet\" href=\"{}\" integrity=\"{}\"></head><body class=\"gate\"><main>\
<p class=\"brand\"><img src=\"{icon}\" width=\"40\" height=\"40\" alt=\"\"><span>Lapwing</span></p>\
<div class=\"card stack\"><h1>{title}</h1>\n{body}\n</div></main></body></html>\n",
        style.path, style.integrity
    );
    let mut response = (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response();
    no_store(&mut response);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    );
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    response
}

/// A note at the head of a form.
pub(super) fn note(text: &str, bad: bool) -> String {
    let (tone, role) = if bad { ("bad", "alert") } else { ("info", "status") };
    format!("<p class=\"note {tone}\" role=\"{role}\">{}</p>", escaped(text))
}

fn sign_in_form(code: &str, name: &str, note: Option<(&str, bool)>) -> String {
    let note = note.map_or_else(String::new, |(text, bad)| self::note(text, bad));
    format!(
        "{note}<p>Go on only if you started this sign-in yourself. The program that shows the code gets your rights.</p>\
<form method=\"post\" action=\"/device\" autocomplete=\"off\" class=\"stack\">\
<div class=\"field\"><label for=\"c\">Code</label><input id=\"c\" name=\"user_code\" value=\"{}\" required maxlength=\"20\" autocapitalize=\"characters\" spellcheck=\"false\"></div>\
<div class=\"field\"><label for=\"u\">User name</label><input id=\"u\" name=\"user_name\" value=\"{}\" required maxlength=\"120\" autocomplete=\"username\"></div>\
<div class=\"field\"><label for=\"p\">Password, or one-time secret at the first sign-in</label><input id=\"p\" name=\"password\" type=\"password\" required maxlength=\"256\" autocomplete=\"current-password\"></div>\
<button class=\"main wide\" name=\"answer\" value=\"agree\">Sign in</button><button class=\"wide\" name=\"answer\" value=\"refuse\">Refuse</button></form>",
        escaped(code),
        escaped(name)
    )
}

fn new_password_form(form: &Verification, text: &str, bad: bool) -> String {
    format!(
        "{}\
<form method=\"post\" action=\"/device\" autocomplete=\"off\" class=\"stack\">\
<input type=\"hidden\" name=\"user_code\" value=\"{}\"><input type=\"hidden\" name=\"user_name\" value=\"{}\">\
<div class=\"field\"><label for=\"p\">One-time secret</label><input id=\"p\" name=\"password\" type=\"password\" required maxlength=\"256\"></div>\
<div class=\"field\"><label for=\"n\">New password, at least 12 characters</label><input id=\"n\" name=\"new_password\" type=\"password\" required minlength=\"12\" maxlength=\"256\" autocomplete=\"new-password\"></div>\
<div class=\"field\"><label for=\"m\">The same again</label><input id=\"m\" name=\"new_password_again\" type=\"password\" required minlength=\"12\" maxlength=\"256\" autocomplete=\"new-password\"></div>\
<button class=\"main wide\">Set the password and sign in</button></form>",
        note(text, bad),
        escaped(&form.user_code),
        escaped(&form.user_name)
    )
}

fn second_factor_form(form: &Verification, ticket: &str, text: &str, bad: bool) -> String {
    format!(
        "{}\
<form method=\"post\" action=\"/device\" autocomplete=\"off\" class=\"stack\">\
<input type=\"hidden\" name=\"user_code\" value=\"{}\"><input type=\"hidden\" name=\"ticket\" value=\"{}\">\
<div class=\"field\"><label for=\"o\">Code of your generator, or a recovery code</label><input id=\"o\" name=\"one_time_code\" required maxlength=\"30\" autocomplete=\"one-time-code\" spellcheck=\"false\" autofocus></div>\
<button class=\"main wide\" name=\"answer\" value=\"agree\">Sign in</button><button class=\"wide\" name=\"answer\" value=\"refuse\">Refuse</button></form>",
        note(text, bad),
        escaped(&form.user_code),
        escaped(ticket)
    )
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
    let note = client.map(|client| format!("The program {client} asks to sign in as you."));
    Ok(html(
        StatusCode::OK,
        "Sign in to Lapwing",
        &format!(
            "{}{}",
            sign_in_form(&code, "", note.as_deref().map(|note| (note, false))),
            provider_links(&code, &providers)
        ),
    ))
}

/// A way to each foreign provider. A link and no form: the policy of the page lets no form end elsewhere.
fn provider_links(code: &str, providers: &[(String, String)]) -> String {
    if providers.is_empty() {
        return String::new();
    }
    if code.is_empty() {
        return "<form method=\"get\" action=\"/device\" class=\"stack\"><div class=\"field\"><label for=\"e\">Or sign in elsewhere: the code first</label>\
<input id=\"e\" name=\"code\" required maxlength=\"20\" autocapitalize=\"characters\" spellcheck=\"false\"></div>\
<button class=\"wide\">Go on</button></form>"
            .to_owned();
    }
    let query = serde_urlencoded::to_string([("user_code", code)]).unwrap_or_default();
    providers.iter().fold(String::new(), |out, (id, name)| {
        format!(
            "{out}<p><a class=\"button wide\" href=\"/device/with/{}?{}\"><span>Sign in with <bdi>{}</bdi></span></a></p>",
            escaped(id),
            escaped(&query),
            escaped(name)
        )
    })
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
    Ok(as_page(status, &form, &answer))
}

fn as_page(status: StatusCode, form: &Verification, answer: &VerificationAnswer) -> Response {
    let title = "Sign in to Lapwing";
    let text = answer.message.as_str();
    match answer.result {
        VerificationResult::Approved | VerificationResult::Refused => html(status, title, &note(text, false)),
        VerificationResult::NewPasswordRequired => html(status, title, &new_password_form(form, text, false)),
        VerificationResult::NewPasswordUnfit => html(status, title, &new_password_form(form, text, true)),
        VerificationResult::SecondFactorRequired | VerificationResult::SecondFactorWrong => {
            let bad = answer.result == VerificationResult::SecondFactorWrong;
            let ticket = answer.ticket.as_ref().map(Secret::reveal).unwrap_or_default();
            html(status, title, &second_factor_form(form, ticket, text, bad))
        }
        _ => html(status, title, &sign_in_form(&form.user_code, &form.user_name, Some((text, true)))),
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
pub(crate) async fn logout() -> Response {
    html(
        StatusCode::OK,
        "Signed out",
        "<p>This server keeps no session in your browser. Close your programs to end theirs.</p>",
    )
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

    #[test]
    fn what_people_typed_is_escaped() {
        let page = sign_in_form("\"><script>", "<b>'&", None);
        assert!(!page.contains("<script>") && !page.contains("<b>"));
        assert!(page.contains("&quot;&gt;&lt;script&gt;"));
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

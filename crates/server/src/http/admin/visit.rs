//! A visit of a page: the cookie, the form token, and what every handler of a page is given.
//!
//! The cookie is `SameSite=Lax`, not `Strict`: links in mails and tickets, and the way back from a foreign
//! sign-in, have to find the session. It lets nothing through that changes: that is always a POST, and a POST
//! needs the form token and the page's own origin.

use super::super::context::{Base, Shared};
use super::super::page::is_own_form;
use super::super::rows::Surface;
use super::shell::{Section, Shell};
use crate::app::browser::Browsing;
use crate::app::{App, Error, Kind};
use crate::authz::Caller;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use laps::time::Timestamp;
use proto::oauth::Secret;
use serde::{Deserialize, de::DeserializeOwned};
use std::sync::Arc;

/// The cookie; the prefix binds it to this host, to https and to the whole path.
const COOKIE: &str = "__Host-lapwing";
/// The field of every form that changes something.
pub(crate) const FORM_TOKEN: &str = "form_token";
/// The header that may carry it instead.
const FORM_TOKEN_HEADER: &str = "lapwing-form-token";

/// The cookie of a new session, or with `None` the end of it.
pub(crate) fn set_cookie(response: &mut Response, cookie: Option<&Secret>) {
    let text = match cookie {
        Some(cookie) => format!("{COOKIE}={}; Path=/; Secure; HttpOnly; SameSite=Lax", cookie.reveal()),
        None => format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"),
    };
    if let Ok(mut value) = HeaderValue::from_str(&text) {
        value.set_sensitive(true);
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// htmx asks for a part of a page.
fn is_part(headers: &HeaderMap) -> bool {
    headers.contains_key("hx-request")
}

/// Makes the caller of a request with a cookie, or refuses it: before its handler runs.
pub(crate) async fn require(shared: &Shared, nobody: Caller, request: Request, next: Next) -> Response {
    let app = &shared.app;
    let (method, uri, part) = (request.method().clone(), request.uri().clone(), is_part(request.headers()));
    let refuse = |error: Error| {
        let error = app.admit(&nobody).err().unwrap_or(error);
        if method == Method::GET && error.kind() == Kind::NotSignedIn {
            return to_sign_in(&uri, &error, part);
        }
        error.into_response()
    };
    let Some(cookie) = cookie(request.headers()).filter(|cookie| !cookie.is_empty()) else {
        return refuse(Error::not_signed_in("sign in first; this page is for people of this server"));
    };
    let browsing = match app.browser_session(&nobody, cookie).await {
        Ok(browsing) => browsing,
        Err(error) => return refuse(error),
    };
    let answer = match app.admit(&browsing.caller) {
        Ok(()) => checked(app, &browsing, request).await,
        Err(error) => Err(error),
    };
    let mut response = match answer {
        Ok(mut request) => {
            request.extensions_mut().insert(browsing.caller.clone());
            request.extensions_mut().insert(browsing.clone());
            next.run(request).await
        }
        Err(error) => error.into_response(),
    };
    // An error is shown as a page of this session.
    response.extensions_mut().insert(browsing);
    response
}

/// A request that changes something comes from a page of ours, with the token of its session.
async fn checked(app: &App, browsing: &Browsing, request: Request) -> Result<Request, Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    let base = request.extensions().get::<Base>().map(|base| base.0.clone()).unwrap_or_default();
    if !is_own_form(request.headers(), &base) {
        return Err(foreign_form());
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, Surface::Admin.body_bytes_max())
        .await
        .map_err(|_| Error::refused(Kind::TooLarge, "body_too_large", "the form is larger than this page takes"))?;
    let in_form = bytes
        .split(|byte| *byte == b'&')
        .find_map(|pair| pair.strip_prefix(FORM_TOKEN.as_bytes())?.strip_prefix(b"="))
        .and_then(|token| core::str::from_utf8(token).ok());
    let in_header = parts.headers.get(FORM_TOKEN_HEADER).and_then(|token| token.to_str().ok());
    app.check_form(browsing, in_header.or(in_form))?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// A form that another site sent.
pub(crate) fn foreign_form() -> Error {
    Error::refused(
        Kind::Denied,
        "foreign_form",
        "this form was not sent from this server's own page; nothing was changed. Open the page here and send it \
         from there",
    )
}

/// To the sign-in, and from there back to where the person wanted to go.
fn to_sign_in(uri: &Uri, error: &Error, part: bool) -> Response {
    let next = uri.path_and_query().map_or("/admin", |wanted| wanted.as_str());
    let pairs = [("next", next), ("why", error.code())];
    let query = serde_urlencoded::to_string(pairs).unwrap_or_default();
    let place = format!("/admin/sign-in?{query}");
    if !part {
        return Redirect::to(&place).into_response();
    }
    // A part of a page is no place for a sign-in: the whole page goes there.
    let mut response = StatusCode::OK.into_response();
    if let Ok(place) = HeaderValue::from_str("/admin/sign-in?why=session_ended") {
        response.headers_mut().insert(HeaderName::from_static("hx-redirect"), place);
    }
    response
}

/// The visit of a page by somebody who is signed in.
pub(crate) struct Visit {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    /// For the forms of the page.
    pub(crate) form_token: String,
    /// Only a part of the page is asked for.
    pub(crate) part: bool,
    pub(crate) now: Timestamp,
    pub(crate) browsing: Browsing,
    uri: Uri,
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        let browsing = parts.extensions.get::<Browsing>().cloned().ok_or_else(|| {
            Error::refused(Kind::Internal, "internal_error", "the request passed no layer that knows its session")
        })?;
        Ok(Self {
            app: Arc::clone(&shared.app),
            caller: browsing.caller.clone(),
            form_token: browsing.form_token.clone(),
            part: is_part(&parts.headers),
            now: shared.app.now(),
            browsing,
            uri: parts.uri.clone(),
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Place {
    after: String,
}

impl Visit {
    /// The query string, as the page's own form sends it.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_urlencoded::from_str(self.uri.query().unwrap_or_default())
            .map_err(|_| Error::invalid("bad_query", "the address of the page cannot be read; start again without it"))
    }
    /// The place in a list that the sealed token `after` of the address names; `None` is its begin.
    pub(crate) fn after(&self, list: &str) -> Result<Option<String>, Error> {
        let Place { after } = self.query()?;
        match after.as_str() {
            "" => Ok(None),
            token => self.app.open_page(list, token).map(Some).ok_or_else(|| {
                Error::invalid("bad_page", "this page of the list is not known; start again with the first one")
            }),
        }
    }
    /// The address of the next page of a list, with what it was narrowed by.
    pub(crate) fn next(
        &self,
        place: &str,
        list: &str,
        kept: &[(&str, &str)],
        cursor: Option<String>,
    ) -> Option<String> {
        let sealed = self.app.seal_page(list, &cursor?);
        let mut pairs = kept.to_vec();
        pairs.push(("after", &sealed));
        Some(format!("{place}?{}", serde_urlencoded::to_string(pairs).ok()?))
    }
    /// What stands around the page.
    pub(crate) async fn shell(&self, title: &str, section: Section) -> Result<Shell, Error> {
        let note = self.query::<Vec<(String, String)>>()?.into_iter().find(|(name, _)| name == "note");
        Shell::of(&self.app, &self.browsing, title, section, note.map(|(_, code)| code)).await
    }
}

/// The fields of a form.
pub(crate) fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_urlencoded::from_bytes(body).map_err(|_| {
        Error::invalid("bad_form", "the form does not have the fields of this page; open the page again and send it")
    })
}

/// After something was done: the page that shows it, with a note.
pub(crate) fn done(place: &str, note: &str) -> Response {
    let mark = if place.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{place}{mark}note={note}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(text));
            cookie(&headers).map(str::to_owned)
        };
        assert_eq!(of("a=b; __Host-lapwing=x.y; c=d").as_deref(), Some("x.y"));
        assert_eq!(of("__Host-lapwing2=x; lapwing=y"), None);
    }
}

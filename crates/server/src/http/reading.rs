//! Reading rules, requests for access, and the export of the audit log, under `/v1.0/lapwing/…`.

use super::asked::{Asked, Who};
use super::graph::device_key;
use super::{from_json, json_response};
use crate::app::{Error, Justification};
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use laps::time::Timestamp;
use proto::admin::{BREAK_GLASS_HEADER, List, NewAccessAnswer, REASON_HEADER, TICKET_HEADER};
use proto::graph::CONTENT_TYPE;
use serde::Serialize;

type Answer = Result<Response, Error>;

fn ok<T: Serialize>(body: &T) -> Answer {
    Ok(json_response(StatusCode::OK, CONTENT_TYPE, body))
}

fn done() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What the headers of a read say beside what is to be read.
pub(crate) fn justification(headers: &HeaderMap) -> Result<Justification, Error> {
    let text = |name: &'static str| match headers.get(name) {
        None => Ok(None),
        Some(value) => percent_decoded(value.as_bytes()).map(Some).ok_or_else(|| {
            Error::invalid(
                "bad_header",
                format!("the header {name} is not percent-encoded UTF-8; encode it and ask again"),
            )
        }),
    };
    let break_glass = match text(BREAK_GLASS_HEADER)?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Error::invalid("bad_header", format!("the header {BREAK_GLASS_HEADER} is true or false")));
        }
    };
    Ok(Justification { reason: text(REASON_HEADER)?, ticket: text(TICKET_HEADER)?, break_glass })
}

/// Text from its percent-encoded form; `None` when it is not one, or not UTF-8.
fn percent_decoded(bytes: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let digits =
            core::str::from_utf8(rest.get(..2)?).ok().filter(|two| two.bytes().all(|c| c.is_ascii_hexdigit()))?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(decoded).ok()
}

pub(crate) async fn rules(who: Who) -> Answer {
    ok(&List { value: who.app.reading_rules(&who.caller).await?, next_link: None })
}

pub(crate) async fn rule(who: Who, Path(group): Path<String>) -> Answer {
    ok(&who.app.reading_rule(&who.caller, &group).await?)
}

pub(crate) async fn set_rule(who: Who, Path(group): Path<String>, body: Bytes) -> Answer {
    ok(&who.app.set_reading_rule(&who.caller, &group, &from_json(&body)?).await?)
}

pub(crate) async fn clear_rule(who: Who, Path(group): Path<String>) -> Answer {
    who.app.clear_reading_rule(&who.caller, &group).await?;
    done()
}

pub(crate) async fn device_rule(who: Who, Path(key): Path<String>) -> Answer {
    ok(&who.app.device_reading_rule(&who.caller, device_key(&key)?).await?)
}

pub(crate) async fn done_reading(who: Who, Path(key): Path<String>) -> Answer {
    who.app.reading_done(&who.caller, device_key(&key)?).await?;
    done()
}

pub(crate) async fn access_requests(asked: Asked) -> Answer {
    asked.only_pages()?;
    let living = asked.option("all").is_none_or(|all| all != "true");
    let page = asked.app.access_requests(&asked.caller, living, asked.after()?, asked.query.page()).await?;
    ok(&List { value: page.items, next_link: asked.next_link(page.next) })
}

pub(crate) async fn request_access(who: Who, body: Bytes) -> Answer {
    let made = who.app.request_access(&who.caller, &from_json(&body)?).await?;
    Ok(json_response(StatusCode::CREATED, CONTENT_TYPE, &made))
}

/// The reason of an answer; a body may be left out.
fn answer_reason(body: &[u8]) -> Result<Option<String>, Error> {
    let said: Option<NewAccessAnswer> = if body.is_empty() { None } else { from_json(body)? };
    Ok(said.and_then(|said| said.reason))
}

pub(crate) async fn approve_access(who: Who, Path(id): Path<String>, body: Bytes) -> Answer {
    ok(&who.app.answer_access(&who.caller, &id, true, answer_reason(&body)?.as_deref()).await?)
}

pub(crate) async fn deny_access(who: Who, Path(id): Path<String>, body: Bytes) -> Answer {
    ok(&who.app.answer_access(&who.caller, &id, false, answer_reason(&body)?.as_deref()).await?)
}

pub(crate) async fn cancel_access(who: Who, Path(id): Path<String>) -> Answer {
    ok(&who.app.cancel_access(&who.caller, &id).await?)
}

pub(crate) async fn audit_export(asked: Asked) -> Answer {
    asked.only_pages()?;
    let time = |name: &str| match asked.option(name) {
        None => Ok(None),
        Some(text) => Timestamp::parse_rfc3339(text).map(Some).ok_or_else(|| {
            Error::invalid("bad_query", format!("{name} is not an RFC 3339 time, such as 2026-11-22T10:00:00Z"))
        }),
    };
    let (since, until) = (time("since")?, time("until")?);
    let page = asked.app.audit_export(&asked.caller, "json", since, until, asked.after()?, asked.query.page()).await?;
    ok(&List { value: page.items, next_link: asked.next_link(page.next) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_percent_encoded() {
        assert_eq!(percent_decoded(b"disk%20full%3a %c3%bc").as_deref(), Some("disk full: \u{fc}"));
        for bad in [&b"%"[..], b"%4", b"%zz", b"%+1", b"%ff", b"\xfc"] {
            assert_eq!(percent_decoded(bad), None, "{bad:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(REASON_HEADER, "a%0Ab".parse().unwrap());
        headers.insert(BREAK_GLASS_HEADER, "true".parse().unwrap());
        let found = justification(&headers).unwrap();
        assert_eq!((found.reason.as_deref(), found.ticket, found.break_glass), (Some("a\nb"), None, true));
        headers.insert(BREAK_GLASS_HEADER, "yes".parse().unwrap());
        assert!(justification(&headers).is_err());
    }
}

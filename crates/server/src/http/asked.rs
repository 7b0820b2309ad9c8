//! What a handler is given: who asks ([`Who`]), and on Graph's routes what is asked for and where links point
//! ([`Asked`]).

use super::context::{Base, Shared};
use super::json_response;
use super::path::routed;
use crate::app::{App, Error, Kind, Listed};
use crate::authz::Caller;
use axum::extract::{FromRequestParts, OriginalUri};
use axum::response::Response;
use http::request::Parts;
use http::{StatusCode, Uri};
use proto::graph::query::Query;
use proto::graph::{CONTENT_TYPE, Collection, Entity};
use serde::Serialize;
use std::sync::Arc;

type Pairs = Vec<(String, String)>;

/// The application, and who asks it.
pub(crate) struct Who {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
}

impl FromRequestParts<Shared> for Who {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        Ok(Self { app: Arc::clone(&shared.app), caller: extension(parts)? })
    }
}

/// What the layers around the handlers put into every request.
fn extension<T: Clone + Send + Sync + 'static>(parts: &Parts) -> Result<T, Error> {
    parts.extensions.get().cloned().ok_or_else(|| {
        Error::refused(Kind::Internal, "internal_error", "the request passed no layer that says who asks")
    })
}

/// A request to a list or an entity of Graph: who asks, the query options, and where links point to.
pub(crate) struct Asked {
    pub(crate) app: Arc<App>,
    pub(crate) caller: Caller,
    pub(crate) query: Query,
    /// The name of the list.
    list: String,
    base: String,
    /// As the caller wrote it.
    path: String,
    version: &'static str,
    /// Query options other than `$skiptoken`, for the next link.
    kept: Pairs,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        let Who { app, caller } = Who::from_request_parts(parts, shared).await?;
        let Base(base) = extension(parts)?;
        let Ok(OriginalUri(uri)) = OriginalUri::from_request_parts(parts, shared).await;
        let (query, kept) = options(&uri)?;
        let list = list(uri.path(), &query);
        let version = version(uri.path());
        Ok(Self { app, caller, query, list, base, path: uri.path().to_owned(), version, kept })
    }
}

impl Asked {
    /// Where the page starts.
    pub(crate) fn after(&self) -> Result<Option<String>, Error> {
        let Some(token) = &self.query.skiptoken else {
            return Ok(None);
        };
        match self.app.open_page(&self.list, token) {
            Some(cursor) => Ok(Some(cursor)),
            None => Err(Error::invalid("bad_skiptoken", "the $skiptoken is not of this list; start again without it")),
        }
    }

    /// The link to the next page, on the host that the caller used.
    pub(crate) fn next_link(&self, next: Option<String>) -> Option<String> {
        let mut pairs = self.kept.clone();
        pairs.push(("$skiptoken".into(), self.app.seal_page(&self.list, &next?)));
        let query = serde_urlencoded::to_string(&pairs).ok()?;
        Some(format!("{}{}?{query}", self.base, self.path))
    }

    /// An option of the query string that is not OData's.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        self.kept.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Refuses the options that a list of Lapwing's own does not know.
    pub(crate) fn only_pages(&self) -> Result<(), Error> {
        let asked = [
            ("$filter", self.query.filter.is_some()),
            ("$orderby", self.query.order_by.is_some()),
            ("$count", self.query.count),
        ];
        match asked.into_iter().find(|(_, asked)| *asked) {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid(
                "bad_query",
                format!("{name} is not supported on this list; expected $top and $skiptoken"),
            )),
        }
    }

    fn context(&self, rest: &str) -> String {
        format!("{}/{}/$metadata#{rest}", self.base, self.version)
    }

    /// A page of a list of Graph.
    pub(crate) fn collection<T: Serialize>(&self, name: &str, listed: Listed<T>) -> Response {
        let whole = self.query.count && listed.next.is_none() && self.query.skiptoken.is_none();
        let count = listed.count.or_else(|| whole.then_some(listed.items.len() as u64));
        json_response(
            StatusCode::OK,
            CONTENT_TYPE,
            &Collection {
                context: self.context(name),
                count,
                next_link: self.next_link(listed.next),
                value: listed.items,
            },
        )
    }

    /// One thing of Graph.
    pub(crate) fn entity<T: Serialize>(&self, name: &str, entity: T) -> Response {
        json_response(
            StatusCode::OK,
            CONTENT_TYPE,
            &Entity { context: self.context(&format!("{name}/$entity")), entity },
        )
    }
}

/// The query options, and those that the next link repeats.
fn options(uri: &Uri) -> Result<(Query, Pairs), Error> {
    let mut pairs: Pairs = serde_urlencoded::from_str(uri.query().unwrap_or(""))
        .map_err(|_| Error::invalid("bad_query", "the query string cannot be read"))?;
    let query = Query::parse(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .map_err(|error| Error::invalid("bad_query", error.to_string()))?;
    pairs.retain(|(name, _)| !name.trim_start_matches('$').eq_ignore_ascii_case("skiptoken"));
    Ok((query, pairs))
}

fn version(path: &str) -> &'static str {
    if routed(path).starts_with("/beta/") { "beta" } else { "v1.0" }
}

/// The name of the list that a `$skiptoken` is signed for: a token of one list or filter is not good for
/// another.
fn list(path: &str, query: &Query) -> String {
    format!(
        "{}?{}",
        routed(path).split('/').skip(2).collect::<Vec<_>>().join("/"),
        query.filter_text.as_deref().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uri: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        list(uri.path(), &options(&uri).unwrap().0)
    }

    #[test]
    fn a_list_is_the_same_list_however_it_is_spelt() {
        let one = named("/Beta/directory/deviceLocalCredentials?$top=2");
        assert_eq!(one, named("//v1.0/directory//devicelocalcredentials"));
        assert_ne!(one, named("/beta/devices"));
        assert_ne!(one, named("/beta/directory/deviceLocalCredentials?$filter=deviceName+eq+'x'"));
        assert_eq!(version("/Beta/directory/deviceLocalCredentials"), "beta");
    }

    #[test]
    fn the_next_link_repeats_all_but_the_place() {
        let (query, kept) = options(&"/v1.0/devices?$Top=2&%24skipToken=x&note=y".parse().unwrap()).unwrap();
        assert_eq!((query.top, query.skiptoken.as_deref()), (Some(2), Some("x")));
        assert_eq!(kept, [("$Top".to_owned(), "2".to_owned()), ("note".into(), "y".into())]);
    }
}

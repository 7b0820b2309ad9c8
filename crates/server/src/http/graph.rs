//! The Graph-compatible routes (protocols.md 5).

use super::context::{Base, Shared};
use super::path::routed;
use super::{from_json, json_response, no_store};
use crate::app::{Error, Listed};
use crate::authz::Caller;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri};
use laps::id::DeviceId;
use proto::graph::query::Query;
use proto::graph::{CONTENT_TYPE, Collection, Entity};
use serde::Serialize;

type Who = Extension<Caller>;
type Answer = Result<Response, Error>;

/// What a Graph route needs to know of its request: the query options and where its links point to.
pub(crate) struct Asked {
    pub(crate) query: Query,
    base: String,
    /// As the caller wrote it.
    path: String,
    version: &'static str,
    /// Query options other than `$skiptoken`, for the next link.
    kept: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn new(base: &str, uri: &Uri) -> Result<Self, Error> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(uri.query().unwrap_or(""))
            .map_err(|_| Error::invalid("bad_query", "the query string cannot be read"))?;
        let query = Query::parse(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .map_err(|error| Error::invalid("bad_query", error.to_string()))?;
        Ok(Self {
            query,
            base: base.to_owned(),
            path: uri.path().to_owned(),
            version: if routed(uri.path()).starts_with("/beta/") { "beta" } else { "v1.0" },
            kept: pairs
                .into_iter()
                .filter(|(name, _)| !name.trim_start_matches('$').eq_ignore_ascii_case("skiptoken"))
                .collect(),
        })
    }

    /// The name of the list that a `$skiptoken` is signed for: a token of one list or filter is not good
    /// for another.
    fn list(&self) -> String {
        format!(
            "{}?{}",
            routed(&self.path).split('/').skip(2).collect::<Vec<_>>().join("/"),
            self.query.filter_text.as_deref().unwrap_or_default()
        )
    }

    /// Where the page starts.
    pub(crate) fn after(&self, shared: &Shared) -> Result<Option<String>, Error> {
        let Some(token) = &self.query.skiptoken else {
            return Ok(None);
        };
        match shared.app.open_page(&self.list(), token) {
            Some(cursor) => Ok(Some(cursor)),
            None => Err(Error::invalid("bad_skiptoken", "the $skiptoken is not of this list; start again without it")),
        }
    }

    /// The link to the next page, on the host that the caller used.
    pub(crate) fn next_link(&self, shared: &Shared, next: Option<String>) -> Option<String> {
        let mut pairs = self.kept.clone();
        pairs.push(("$skiptoken".into(), shared.app.seal_page(&self.list(), &next?)));
        let query = serde_urlencoded::to_string(&pairs).ok()?;
        Some(format!("{}{}?{query}", self.base, self.path))
    }

    fn context(&self, rest: &str) -> String {
        format!("{}/{}/$metadata#{rest}", self.base, self.version)
    }

    pub(crate) fn collection<T: Serialize>(&self, shared: &Shared, name: &str, listed: Listed<T>) -> Response {
        let count = (self.query.count && listed.next.is_none() && self.query.skiptoken.is_none())
            .then_some(listed.items.len() as u64);
        json_response(
            StatusCode::OK,
            CONTENT_TYPE,
            &Collection {
                context: self.context(name),
                count,
                next_link: self.next_link(shared, listed.next),
                value: listed.items,
            },
        )
    }

    fn entity<T: Serialize>(&self, name: &str, entity: T) -> Response {
        json_response(
            StatusCode::OK,
            CONTENT_TYPE,
            &Entity { context: self.context(&format!("{name}/$entity")), entity },
        )
    }
}

/// A device in a path: its id, or `deviceId=<id>` (from `devices(deviceId='…')`).
pub(crate) fn device_key(key: &str) -> Result<DeviceId, Error> {
    let id = key.strip_prefix("deviceid=").or_else(|| key.strip_prefix("id=")).unwrap_or(key);
    id.parse().map_err(|_| {
        Error::not_found(
            "device_unknown",
            format!(
                "'{}' is not a device id; look it up with GET /v1.0/devices?$filter=displayName eq 'NAME'",
                key.chars().take(80).collect::<String>()
            ),
        )
    })
}

macro_rules! asked {
    ($base:ident, $uri:ident) => {
        Asked::new(&$base.0, &$uri.0)?
    };
}
pub(crate) use asked;

pub(crate) async fn credentials(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    // `credentials` never comes with the list, selected or not (laps-behaviour.md 8.2).
    let after = asked.after(&shared)?;
    let listed = shared.app.credentials(&caller, &asked.query, after).await?;
    Ok(asked.collection(&shared, "directory/deviceLocalCredentials", listed))
}

pub(crate) async fn credential(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    Path(key): Path<String>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let reveal = asked.query.selects("credentials");
    let entity = shared.app.credential(&caller, device_key(&key)?, reveal).await?;
    let name =
        if reveal { "directory/deviceLocalCredentials(credentials)" } else { "directory/deviceLocalCredentials" };
    let mut response = asked.entity(name, entity);
    no_store(&mut response);
    Ok(response)
}

pub(crate) async fn devices(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let after = asked.after(&shared)?;
    let listed = shared.app.devices(&caller, &asked.query, after).await?;
    Ok(asked.collection(&shared, "devices", listed))
}

pub(crate) async fn device(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    Path(key): Path<String>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let device = shared.app.device(&caller, device_key(&key)?).await?;
    Ok(asked.entity("devices", device))
}

pub(crate) async fn patch_device(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(key): Path<String>,
    body: Bytes,
) -> Answer {
    let patch = from_json(&body)?;
    shared.app.patch_device(&caller, device_key(&key)?, &patch).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn delete_device(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Path(key): Path<String>,
) -> Answer {
    shared.app.delete_device(&caller, device_key(&key)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn managed_devices(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let after = asked.after(&shared)?;
    let listed = shared.app.managed_devices(&caller, &asked.query, after).await?;
    Ok(asked.collection(&shared, "deviceManagement/managedDevices", listed))
}

pub(crate) async fn managed_device(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    Path(key): Path<String>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let device = shared.app.managed_device(&caller, device_key(&key)?).await?;
    Ok(asked.entity("deviceManagement/managedDevices", device))
}

pub(crate) async fn rotate(State(shared): State<Shared>, Extension(caller): Who, Path(key): Path<String>) -> Answer {
    let sequence = shared.app.request_rotation(&caller, device_key(&key)?).await?;
    // The request's place in the server's order: met by the proof of a version stored after it.
    Ok((StatusCode::NO_CONTENT, [("lapwing-rotation-sequence", sequence.to_string())]).into_response())
}

pub(crate) async fn registration_policy(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let policy = shared.app.registration_policy(&caller).await?;
    Ok(asked.entity("policies/deviceRegistrationPolicy", policy))
}

pub(crate) async fn set_registration_policy(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
    body: Bytes,
) -> Answer {
    let asked = asked!(base, uri);
    let policy = from_json(&body)?;
    let policy = shared.app.set_registration_policy(&caller, &policy).await?;
    Ok(asked.entity("policies/deviceRegistrationPolicy", policy))
}

pub(crate) async fn audits(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let after = asked.after(&shared)?;
    let listed = shared.app.directory_audits(&caller, &asked.query, after).await?;
    Ok(asked.collection(&shared, "auditLogs/directoryAudits", listed))
}

pub(crate) async fn me(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let user = shared.app.me(&caller).await?;
    Ok(asked.entity("users", user))
}

pub(crate) async fn organization(
    State(shared): State<Shared>,
    Extension(caller): Who,
    Extension(base): Extension<Base>,
    uri: OriginalUri,
) -> Answer {
    let asked = asked!(base, uri);
    let organization = shared.app.organization(&caller).await?;
    let listed = Listed { items: vec![organization], next: None };
    Ok(asked.collection(&shared, "organization", listed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str) -> Asked {
        Asked::new("https://h:1", &uri.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_list_is_the_same_list_however_it_is_spelt() {
        let one = asked("/Beta/directory/deviceLocalCredentials?$top=2");
        assert_eq!(one.list(), asked("//v1.0/directory//devicelocalcredentials").list());
        assert_ne!(one.list(), asked("/beta/devices").list());
        assert_eq!(one.version, "beta");
        // Links keep the caller's spelling.
        assert_eq!(one.path, "/Beta/directory/deviceLocalCredentials");
    }
}

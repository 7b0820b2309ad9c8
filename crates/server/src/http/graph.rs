//! The Graph-compatible routes (protocols.md 5).

use super::asked::{Asked, Who};
use super::{from_json, no_store, reading};
use crate::app::{Error, Listed};
use axum::body::Bytes;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use laps::id::DeviceId;

type Answer = Result<Response, Error>;

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

pub(crate) async fn credentials(asked: Asked) -> Answer {
    // `credentials` never comes with the list, selected or not (laps-behaviour.md 8.2).
    let listed = asked.app.credentials(&asked.caller, &asked.query, asked.after()?).await?;
    Ok(asked.collection("directory/deviceLocalCredentials", listed))
}

pub(crate) async fn credential(asked: Asked, Path(key): Path<String>, headers: HeaderMap) -> Answer {
    let device = device_key(&key)?;
    let (entity, name) = if asked.query.selects("credentials") {
        let read = asked.app.reveal(&asked.caller, device, &reading::justification(&headers)?).await?;
        (read, "directory/deviceLocalCredentials(credentials)")
    } else {
        (asked.app.credential(&asked.caller, device).await?, "directory/deviceLocalCredentials")
    };
    let mut response = asked.entity(name, entity);
    no_store(&mut response);
    Ok(response)
}

pub(crate) async fn devices(asked: Asked) -> Answer {
    let listed = asked.app.devices(&asked.caller, &asked.query, asked.after()?).await?;
    Ok(asked.collection("devices", listed))
}

pub(crate) async fn device(asked: Asked, Path(key): Path<String>) -> Answer {
    let device = asked.app.device(&asked.caller, device_key(&key)?).await?;
    Ok(asked.entity("devices", device))
}

pub(crate) async fn patch_device(who: Who, Path(key): Path<String>, body: Bytes) -> Answer {
    let patch = from_json(&body)?;
    who.app.patch_device(&who.caller, device_key(&key)?, &patch).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn delete_device(who: Who, Path(key): Path<String>) -> Answer {
    who.app.delete_device(&who.caller, device_key(&key)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn managed_devices(asked: Asked) -> Answer {
    let listed = asked.app.managed_devices(&asked.caller, &asked.query, asked.after()?).await?;
    Ok(asked.collection("deviceManagement/managedDevices", listed))
}

pub(crate) async fn managed_device(asked: Asked, Path(key): Path<String>) -> Answer {
    let device = asked.app.managed_device(&asked.caller, device_key(&key)?).await?;
    Ok(asked.entity("deviceManagement/managedDevices", device))
}

pub(crate) async fn rotate(who: Who, Path(key): Path<String>) -> Answer {
    let sequence = who.app.request_rotation(&who.caller, device_key(&key)?).await?;
    // The request's place in the server's order: met by the proof of a version stored after it.
    Ok((StatusCode::NO_CONTENT, [("lapwing-rotation-sequence", sequence.to_string())]).into_response())
}

pub(crate) async fn registration_policy(asked: Asked) -> Answer {
    let policy = asked.app.registration_policy(&asked.caller).await?;
    Ok(asked.entity("policies/deviceRegistrationPolicy", policy))
}

pub(crate) async fn set_registration_policy(asked: Asked, body: Bytes) -> Answer {
    let policy = from_json(&body)?;
    let policy = asked.app.set_registration_policy(&asked.caller, &policy).await?;
    Ok(asked.entity("policies/deviceRegistrationPolicy", policy))
}

pub(crate) async fn audits(asked: Asked) -> Answer {
    let listed = asked.app.directory_audits(&asked.caller, &asked.query, asked.after()?).await?;
    Ok(asked.collection("auditLogs/directoryAudits", listed))
}

pub(crate) async fn me(asked: Asked) -> Answer {
    let user = asked.app.me(&asked.caller).await?;
    Ok(asked.entity("users", user))
}

pub(crate) async fn organization(asked: Asked) -> Answer {
    let organization = asked.app.organization(&asked.caller).await?;
    Ok(asked.collection("organization", Listed::new(vec![organization], None)))
}

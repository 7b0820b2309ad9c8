//! The Graph-compatible API (protocols.md 5): entities, collections, errors, and the part of OData
//! that its callers use ([`query`], [`filter`]).
//!
//! Passwords stand in [`laps::password::Password`] and never in `Debug`.

mod credential;
mod device;
pub mod filter;
pub mod query;

pub use credential::{CredentialVersion, DeviceLocalCredentials};
pub use device::{
    AuditApp, AuditInitiator, AuditKeyValue, AuditTarget, AuditUser, Device, DeviceActionResult, DevicePatch,
    DeviceRegistrationPolicy, DirectoryAudit, LocalAdminPassword, ManagedDevice, Organization, User,
};

use serde::{Deserialize, Serialize};

/// The content type of every answer (protocols.md 5.1).
pub const CONTENT_TYPE: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// A single entity: flat, with its context.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entity<T> {
    /// `…/$metadata#…/$entity`.
    #[serde(rename = "@odata.context")]
    pub context: String,
    /// The entity.
    #[serde(flatten)]
    pub entity: T,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collection<T> {
    /// `…/$metadata#…`.
    #[serde(rename = "@odata.context", default, skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// How many there are, when `$count=true` asked for it.
    #[serde(rename = "@odata.count", default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The next page.
    #[serde(rename = "@odata.nextLink", default, skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    /// The entities.
    pub value: Vec<T>,
}

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Its one member.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDetail {
    /// Graph's code ([`Code`]).
    pub code: String,
    /// A plain sentence and the next step.
    pub message: String,
    /// Ids, and Lapwing's own stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_error: Option<InnerError>,
}

/// Where to look further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InnerError {
    /// Lapwing's stable code, finer than Graph's.
    #[serde(default)]
    pub code: String,
    /// When, by the server's clock.
    pub date: String,
    /// The server's id of the request.
    #[serde(rename = "request-id")]
    pub request_id: String,
    /// The client's id of the request.
    #[serde(rename = "client-request-id")]
    pub client_request_id: String,
}

/// Graph's error codes that this server uses, with their HTTP status (protocols.md 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// 400.
    BadRequest,
    /// 400: a header that must be there is missing.
    InvalidRequest,
    /// 401: no token, or not a good one.
    InvalidAuthenticationToken,
    /// 403.
    AuthorizationDenied,
    /// 404.
    ResourceNotFound,
    /// 405.
    MethodNotAllowed,
    /// 409.
    Conflict,
    /// 412: changed meanwhile.
    PreconditionFailed,
    /// 413.
    TooLarge,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalServerError,
    /// 503.
    ServiceUnavailable,
}

impl Code {
    /// The text in the answer.
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadRequest | Self::MethodNotAllowed | Self::TooLarge => "Request_BadRequest",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidAuthenticationToken => "InvalidAuthenticationToken",
            Self::AuthorizationDenied => "Authorization_RequestDenied",
            Self::ResourceNotFound => "Request_ResourceNotFound",
            Self::Conflict => "Conflict",
            Self::PreconditionFailed => "PreconditionFailed",
            Self::TooManyRequests => "TooManyRequests",
            Self::InternalServerError => "InternalServerError",
            Self::ServiceUnavailable => "ServiceUnavailable",
        }
    }
    /// HTTP status.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::BadRequest | Self::InvalidRequest => 400,
            Self::InvalidAuthenticationToken => 401,
            Self::AuthorizationDenied => 403,
            Self::ResourceNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::PreconditionFailed => 412,
            Self::TooLarge => 413,
            Self::TooManyRequests => 429,
            Self::InternalServerError => 500,
            Self::ServiceUnavailable => 503,
        }
    }
}

//! The token endpoint: what clients send in its many spellings, and what they get.

use super::Secret;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The members of a token request that are read; all others are ignored (protocols.md 4.3).
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct TokenRequest {
    /// The grant, in any of its spellings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// The client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The client's secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// The kind of the assertion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_assertion_type: Option<String>,
    /// A signed assertion in the place of the secret (RFC 7523).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_assertion: Option<Secret>,
    /// Scopes, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The v1 endpoint's resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The device code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_code: Option<Secret>,
    /// The device code again, as the v1 endpoint spells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Secret>,
    /// The refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// `1`: the client wants `client_info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<String>,
}

/// What a service principal proves itself with.
#[derive(Debug, Clone)]
pub enum ClientProof {
    /// A secret.
    Secret(Secret),
    /// An assertion that it signed (RFC 7523).
    Assertion(Secret),
}

/// The one kind of assertion that is taken.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client asks for, understood.
#[derive(Debug, Clone)]
pub enum Grant {
    /// RFC 6749 4.4.
    ClientCredentials {
        /// The service principal.
        client_id: String,
        /// What it proves itself with.
        proof: ClientProof,
    },
    /// RFC 8628 3.4.
    DeviceCode {
        /// The client.
        client_id: String,
        /// The code.
        device_code: Secret,
    },
    /// RFC 6749 6.
    RefreshToken {
        /// The client.
        client_id: String,
        /// The token.
        refresh_token: Secret,
    },
}

/// A token request that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRequestError {
    /// A member is missing.
    #[error("the request body must contain '{0}'")]
    Missing(&'static str),
    /// A grant that this server does not have.
    #[error("the grant '{0}' is not supported; expected client_credentials, device_code or refresh_token")]
    UnsupportedGrant(String),
}

impl TokenRequest {
    /// Understands the request. Both spellings of the device code grant are taken: RFC 8628's and
    /// msal-node's plain `device_code` (protocols.md 4.3).
    pub fn grant(&self) -> Result<Grant, TokenRequestError> {
        let grant_type = self.grant_type.as_deref().ok_or(TokenRequestError::Missing("grant_type"))?;
        let client_id =
            self.client_id.clone().filter(|id| !id.is_empty()).ok_or(TokenRequestError::Missing("client_id"));
        match grant_type {
            "client_credentials" => Ok(Grant::ClientCredentials {
                client_id: client_id?,
                proof: match (&self.client_assertion, &self.client_secret) {
                    (Some(assertion), _) if self.client_assertion_type.as_deref() == Some(JWT_BEARER) => {
                        ClientProof::Assertion(assertion.clone())
                    }
                    (Some(_), _) => return Err(TokenRequestError::Missing("client_assertion_type")),
                    (None, Some(secret)) => ClientProof::Secret(secret.clone()),
                    (None, None) => return Err(TokenRequestError::Missing("client_secret")),
                },
            }),
            "device_code" | "urn:ietf:params:oauth:grant-type:device_code" => Ok(Grant::DeviceCode {
                client_id: client_id?,
                device_code: self
                    .device_code
                    .clone()
                    .or_else(|| self.code.clone())
                    .ok_or(TokenRequestError::Missing("device_code"))?,
            }),
            "refresh_token" => Ok(Grant::RefreshToken {
                client_id: client_id?,
                refresh_token: self.refresh_token.clone().ok_or(TokenRequestError::Missing("refresh_token"))?,
            }),
            other => Err(TokenRequestError::UnsupportedGrant(other.chars().take(80).collect())),
        }
    }
}

/// A token answer. The v1 endpoint sends its numbers as text, with `expires_on` and `resource`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// `Bearer`.
    pub token_type: String,
    /// Seconds.
    pub expires_in: u64,
    /// Seconds; the same.
    pub ext_expires_in: u64,
    /// The access token, a JWT.
    pub access_token: Secret,
    /// For people that asked for `offline_access` or by device code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
    /// What the token covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// MSAL's account cache; see [`client_info`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_info: Option<String>,
}

/// base64url of `{"uid":…,"utid":…}`.
pub fn client_info(object: &str, tenant: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{{\"uid\":\"{object}\",\"utid\":\"{tenant}\"}}"))
}

/// What went wrong at the token or device code endpoint: OAuth's word, Entra's number, HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenErrorKind {
    /// A member is missing or malformed.
    InvalidRequest,
    /// No such client, or its secret is wrong or has run out.
    InvalidClient,
    /// The code or token is not good (any more).
    InvalidGrant,
    /// The grant is not supported.
    UnsupportedGrantType,
    /// The tenant of the URL is not this server's.
    TenantUnknown,
    /// RFC 8628: no answer yet.
    AuthorizationPending,
    /// RFC 8628: asked too early.
    SlowDown,
    /// RFC 8628: the person refused.
    AuthorizationDeclined,
    /// RFC 8628: the code has run out.
    ExpiredToken,
    /// Too many failures.
    LockedOut,
    /// The server cannot answer now.
    TemporarilyUnavailable,
}

impl TokenErrorKind {
    /// OAuth's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant | Self::LockedOut => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::TenantUnknown => "invalid_tenant",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AuthorizationDeclined => "authorization_declined",
            Self::ExpiredToken => "expired_token",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
    /// The number behind `AADSTS` that clients and people look up.
    pub const fn number(self) -> u32 {
        match self {
            Self::InvalidRequest => 900_144,
            Self::InvalidClient => 7_000_215,
            Self::InvalidGrant => 70_008,
            Self::UnsupportedGrantType => 70_003,
            Self::TenantUnknown => 90_002,
            Self::AuthorizationPending => 70_016,
            Self::SlowDown => 70_019,
            Self::AuthorizationDeclined => 70_018,
            Self::ExpiredToken => 70_020,
            Self::LockedOut => 50_053,
            Self::TemporarilyUnavailable => 90_033,
        }
    }
    /// HTTP status.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

/// An error of the token endpoint, in the shape that the SDKs read (protocols.md 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenError {
    /// OAuth's word.
    pub error: String,
    /// `AADSTS<number>: <sentence>`.
    #[serde(default)]
    pub error_description: String,
    /// The numbers.
    #[serde(default)]
    pub error_codes: Vec<u32>,
    /// When, as `2026-11-21 10:00:00Z`.
    #[serde(default)]
    pub timestamp: String,
    /// The server's request id.
    #[serde(default)]
    pub trace_id: String,
    /// The client's request id, else the server's.
    #[serde(default)]
    pub correlation_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_device_code_grant() {
        for grant_type in ["device_code", "urn:ietf:params:oauth:grant-type:device_code"] {
            for field in ["device_code", "code"] {
                let request: TokenRequest = serde_json::from_value(serde_json::json!({
                    "grant_type": grant_type, "client_id": "c", field: "d", "unknown": "x"
                }))
                .unwrap();
                let Ok(Grant::DeviceCode { device_code, .. }) = request.grant() else {
                    unreachable!("{grant_type} {field}")
                };
                assert_eq!(device_code.reveal(), "d");
            }
        }
    }

    #[test]
    fn the_password_grant_is_off() {
        let request = TokenRequest {
            grant_type: Some("password".into()),
            client_id: Some("c".into()),
            ..TokenRequest::default()
        };
        assert_eq!(request.grant().unwrap_err(), TokenRequestError::UnsupportedGrant("password".into()));
    }
}

//! OAuth 2.0 and OpenID Connect as the Microsoft SDKs use them (protocols.md 4): the metadata
//! document, keys, device code (RFC 8628), token requests and answers, errors, discovery stubs.
//!
//! Secrets stand in [`Secret`]: wiped when dropped, never in `Debug`.

mod token;

pub use token::{
    ClientProof, Grant, TokenAnswer, TokenError, TokenErrorKind, TokenRequest, TokenRequestError, client_info,
};

use core::fmt;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// A bearer secret as text: client secret, code, access or refresh token.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
    /// The text in clear.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(Self::new)
    }
}

/// The OpenID provider metadata (protocols.md 4.2). The issuer is the tenant's GUID under every alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// `https://HOST/<tenant>/v2.0`.
    pub issuer: String,
    /// The browser's sign-in page.
    pub authorization_endpoint: String,
    /// `https://HOST/<tenant>/oauth2/v2.0/token`.
    pub token_endpoint: String,
    /// RFC 8628.
    pub device_authorization_endpoint: String,
    /// The keys that sign tokens.
    pub jwks_uri: String,
    /// RP-initiated logout.
    pub end_session_endpoint: String,
    /// `code`.
    pub response_types_supported: Vec<String>,
    /// `query`, `fragment`, `form_post`.
    pub response_modes_supported: Vec<String>,
    /// `pairwise`.
    pub subject_types_supported: Vec<String>,
    /// `RS256`.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// Scopes.
    pub scopes_supported: Vec<String>,
    /// How clients may prove themselves.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// Grants.
    pub grant_types_supported: Vec<String>,
    /// Claims.
    pub claims_supported: Vec<String>,
}

impl Metadata {
    /// The document of a server at `base` (`https://HOST[:PORT]`, no slash at its end) for a tenant.
    pub fn of(base: &str, tenant: &str) -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        let at = |rest: &str| format!("{base}/{tenant}/{rest}");
        Self {
            issuer: at("v2.0"),
            authorization_endpoint: at("oauth2/v2.0/authorize"),
            token_endpoint: at("oauth2/v2.0/token"),
            device_authorization_endpoint: at("oauth2/v2.0/devicecode"),
            jwks_uri: at("discovery/v2.0/keys"),
            end_session_endpoint: at("oauth2/v2.0/logout"),
            response_types_supported: list(&["code"]),
            response_modes_supported: list(&["query", "fragment", "form_post"]),
            subject_types_supported: list(&["pairwise"]),
            id_token_signing_alg_values_supported: list(&["RS256"]),
            scopes_supported: list(&["openid", "profile", "email", "offline_access"]),
            token_endpoint_auth_methods_supported: list(&[
                "client_secret_post",
                "client_secret_basic",
                "private_key_jwt",
            ]),
            grant_types_supported: list(&[
                "client_credentials",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
            ]),
            claims_supported: list(&[
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "nbf",
                "name",
                "preferred_username",
                "oid",
                "tid",
                "ver",
            ]),
        }
    }
}

/// The set of public keys (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// The keys.
    pub keys: Vec<Key>,
}

/// One RSA public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// `RSA`.
    pub kty: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// `RS256`.
    pub alg: String,
    /// The key's id; tokens name it.
    pub kid: String,
    /// Modulus, base64url.
    pub n: String,
    /// Exponent, base64url.
    pub e: String,
}

/// Answer of the device code endpoint (RFC 8628 3.2). The v1 endpoint spells `verification_url`:
/// both are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceAuthorization {
    /// What the person types.
    pub user_code: String,
    /// What the client polls with.
    pub device_code: Secret,
    /// Where the person goes.
    pub verification_uri: String,
    /// The same, as the v1 endpoint spells it.
    #[serde(default)]
    pub verification_url: String,
    /// The same with the code filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<String>,
    /// Seconds until both codes end.
    pub expires_in: u64,
    /// Seconds between two polls.
    pub interval: u64,
    /// A sentence for the person.
    pub message: String,
}

/// What a person posts to the verification page, `POST /device`, form-encoded. A program that reads
/// the password itself may post it too, with `Accept: application/json`, and gets [`VerificationAnswer`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verification {
    /// The code that the client showed; case and hyphens do not matter.
    #[serde(default)]
    pub user_code: String,
    /// The person's sign-in name.
    #[serde(default)]
    pub user_name: String,
    /// The password, or at the first sign-in the one-time secret.
    #[serde(default)]
    pub password: Secret,
    /// At the first sign-in: the password that the person chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password: Option<Secret>,
    /// The same again, when a person typed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_password_again: Option<Secret>,
    /// What the step before gave, when a second factor is asked for; in the place of name and password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Secret>,
    /// The code of the person's generator, or a recovery code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_time_code: Option<String>,
    /// `refuse` ends the code instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// How a [`Verification`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationResult {
    /// The client gets its token at the next poll.
    Approved,
    /// The person refused.
    Refused,
    /// The one-time secret is right: choose a password now.
    NewPasswordRequired,
    /// The chosen password is not good enough; the message says why.
    NewPasswordUnfit,
    /// The password is right: send the ticket of this answer with a one-time code.
    SecondFactorRequired,
    /// The one-time code is wrong or was used: the same again, with the new ticket.
    SecondFactorWrong,
    /// Wrong name or password, or no such user.
    SignInFailed,
    /// Too many failures; try later.
    LockedOut,
    /// No such code, or it has run out.
    CodeUnknown,
}

/// Answer to [`Verification`] for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerificationAnswer {
    /// How it ended.
    pub result: VerificationResult,
    /// A plain sentence, with the next step.
    pub message: String,
    /// What the next step is sent with, when a second factor is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Secret>,
}

/// Answer to instance discovery (protocols.md 0): this host is its own authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceDiscovery {
    /// The metadata document.
    pub tenant_discovery_endpoint: String,
    /// `1.1`.
    #[serde(rename = "api-version")]
    pub api_version: String,
    /// The one authority.
    pub metadata: Vec<InstanceMetadata>,
}

/// One authority in [`InstanceDiscovery`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceMetadata {
    /// Host for the network.
    pub preferred_network: String,
    /// Host for the cache.
    pub preferred_cache: String,
    /// Its names.
    pub aliases: Vec<String>,
}

/// Answer to the user realm question: every user is managed here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserRealm {
    /// `1.0`.
    pub ver: String,
    /// `Managed`.
    pub account_type: String,
    /// The part behind `@`.
    pub domain_name: String,
    /// Host of the authority.
    pub cloud_instance_name: String,
    /// Audience URN.
    pub cloud_audience_urn: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_is_the_fourth_part_of_the_token_endpoint() {
        // protocols.md 4.2: pytune takes it from there
        let metadata = Metadata::of("https://h:1", "TENANT");
        assert_eq!(metadata.token_endpoint.split('/').nth(3), Some("TENANT"));
        assert_eq!(metadata.issuer, "https://h:1/TENANT/v2.0");
    }

    #[test]
    fn secrets_do_not_show() {
        let form = Verification {
            password: Secret::new("hunter2".into()),
            new_password: Some(Secret::new("hunter2".into())),
            ..Verification::default()
        };
        assert!(!format!("{form:?}").contains("hunter2"));
    }
}

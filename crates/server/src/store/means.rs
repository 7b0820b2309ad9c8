//! Means of signing in beside a password, and what is given out to those who did.

use super::SecretHash;
use laps::{id::PrincipalId, time::Timestamp};

/// The name of a user's one-time password secret among the kept secrets.
pub fn totp_secret(user: PrincipalId) -> String {
    format!("totp/{user}")
}
/// The same while the user has not shown yet that the generator works.
pub fn totp_candidate(user: PrincipalId) -> String {
    format!("totp-candidate/{user}")
}

/// The name of a provider's client secret among the kept secrets.
pub fn provider_secret(provider: [u8; 16]) -> String {
    format!("oidc/{}", PrincipalId::from_bytes(provider))
}

/// The place of a kept secret, and the wrapped data key that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedSecret {
    /// Its name.
    pub name: String,
    /// The wrapped data key.
    pub wrapped_key: [u8; 40],
}

/// What a user can sign in with beside the password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Factors {
    /// Since when a one-time password is asked for.
    pub totp_since: Option<Timestamp>,
    /// Recovery codes that are left.
    pub recovery_codes: u32,
    /// Passkeys, oldest first.
    pub passkeys: Vec<Passkey>,
}

/// A passkey (WebAuthn credential).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The credential id.
    pub id: Vec<u8>,
    /// Whose.
    pub principal: PrincipalId,
    /// What the user calls it.
    pub name: String,
    /// Public key, counter and so on, as JSON text of the caller's.
    pub data: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it was used last.
    pub used_at: Option<Timestamp>,
}

/// Most passkeys of a user.
pub const PASSKEYS_MAX: usize = 20;

/// What a sign-in or an enrolment has come to: taken once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// SHA-256 of the secret that the client holds.
    pub hash: SecretHash,
    /// Keeps kinds apart.
    pub purpose: &'static str,
    /// The caller's own facts, as JSON text.
    pub data: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// An API token of a user, without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id.
    pub id: [u8; 16],
    /// SHA-256 of the token.
    pub hash: SecretHash,
    /// Whose.
    pub principal: PrincipalId,
    /// What the user calls it.
    pub name: String,
    /// The Graph permissions that it covers, separated by spaces.
    pub scope: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// When it was used last, to within [`USE_NOTED_S`].
    pub used_at: Option<Timestamp>,
}

/// Most API tokens of a user.
pub const API_TOKENS_MAX: usize = 50;
/// Seconds in which several uses of an API token are noted as one.
pub const USE_NOTED_S: u64 = 600;

/// A public key of a service principal, for signed assertions (RFC 7523).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Its id.
    pub id: [u8; 16],
    /// Whose.
    pub principal: PrincipalId,
    /// What a person calls it.
    pub name: String,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// Most keys of a service principal.
pub const CLIENT_KEYS_MAX: usize = 10;

/// A foreign OpenID provider that people may sign in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Its id.
    pub id: [u8; 16],
    /// The name on the button.
    pub name: String,
    /// Its issuer: an `https` URL, compared byte by byte.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// A certificate authority to trust for it, PEM; else those of the machine.
    pub ca: Option<String>,
    /// When it was set up.
    pub created_at: Timestamp,
}

/// Most providers.
pub const IDENTITY_PROVIDERS_MAX: usize = 10;

/// A subject of a provider that is a user here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityLink {
    /// The provider.
    pub provider: [u8; 16],
    /// The provider's subject.
    pub subject: String,
    /// The user.
    pub principal: PrincipalId,
    /// When they were linked.
    pub linked_at: Timestamp,
}

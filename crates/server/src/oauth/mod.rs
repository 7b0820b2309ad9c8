//! The provider side of OAuth 2.0 and OpenID Connect: tokens ([`token`]), passwords of people
//! ([`password`]), their one-time passwords ([`totp`]), assertions of programs ([`assertion`]), codes and other
//! random texts ([`secret`]). What a sign-in means is decided in `app`.

pub mod assertion;
pub mod password;
pub mod relying;
pub mod secret;
pub mod token;
pub mod totp;

pub use password::{PasswordError, Passwords};
pub use token::{AccessClaims, IdClaims, TokenSigner};

/// The claim `aud`: one, or several (RFC 7519 4.1.3).
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// What can go wrong with keys and tokens.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The signing key cannot be read or made.
    #[error("token signing key: {0}")]
    Key(String),
    /// A token could not be signed.
    #[error("token: {0}")]
    Sign(String),
}

//! One's own account: what one signs in with, where one is signed in, API tokens.

use crate::serde_text;
use core::fmt;
use laps::{id::PrincipalId, time::Timestamp};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a person signs in with beside the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Factors {
    /// Since when a one-time code is asked for.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub totp_since: Option<Timestamp>,
    /// Recovery codes that are left.
    pub recovery_codes: u32,
    /// Passkeys.
    pub passkeys: Vec<Passkey>,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Passkey {
    /// Its credential id, hexadecimal digits.
    pub id: String,
    /// What the person calls it.
    pub name: String,
    /// When it was registered.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
    /// When it was used last.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub last_used_date_time: Option<Timestamp>,
}

/// A ceremony of WebAuthn that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunPasskey {
    /// To be sent with the authenticator's answer; good once, for five minutes.
    pub ticket: String,
    /// What the browser is asked with: the argument of `navigator.credentials.create` or `get`, bytes as base64url.
    pub options: serde_json::Value,
}

/// The answer of an authenticator to a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewPasskey {
    /// Of the beginning.
    pub ticket: String,
    /// What to remember it by; 1 to 120 characters.
    pub name: String,
    /// What the browser gave, bytes as base64url.
    pub credential: serde_json::Value,
}

/// Who wants to sign in with a passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeySignIn {
    /// The sign-in name.
    pub user_name: String,
}

/// The answer of an authenticator to a device code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyAnswer {
    /// Of the beginning.
    pub ticket: String,
    /// What the browser gave, bytes as base64url.
    pub credential: serde_json::Value,
    /// The code that the program shows.
    pub user_code: String,
    /// The program does not get access.
    #[serde(default)]
    pub refuse: bool,
}

/// A new secret for a generator of one-time codes; the only time that it is shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct NewTotp {
    /// Base32, to type.
    pub secret: String,
    /// `otpauth://…`, to scan.
    pub uri: String,
    /// The same as a QR code, SVG.
    pub qr_svg: String,
}

/// A code of the generator: shows that it works, or that one has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeCode {
    /// Six digits, or a recovery code.
    pub code: String,
}

/// Recovery codes; the only time that they are shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodes {
    /// Each works once, in the place of a one-time code.
    pub recovery_codes: Vec<String>,
}

/// Another password for oneself.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct PasswordChange {
    /// The one until now.
    pub current_password: String,
    /// The one from now on.
    pub new_password: String,
}

/// An account at a foreign provider with which a person signs in here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkedIdentity {
    /// The provider's id, 32 hexadecimal digits.
    pub provider: String,
    /// The name on its button.
    pub provider_name: String,
    /// Who the person is there.
    pub subject: String,
    /// When they were linked.
    #[serde(with = "serde_text::time")]
    pub linked_date_time: Timestamp,
}

/// A foreign provider, as everybody sees it on the sign-in page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInProvider {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The name on its button.
    pub name: String,
}

/// A link of one's own to make.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct OwnLink {
    /// The code that the way to the provider and back gave (`/device/with/{provider}?link=yes`).
    pub code: String,
    /// The password here, once more.
    pub current_password: String,
}

/// A link of one's own to take away.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct OwnUnlink {
    /// The provider's id.
    pub provider: String,
    /// The subject there.
    pub subject: String,
    /// The password here, once more.
    pub current_password: String,
}

/// Where a person or a program is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInSession {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// `cookie` (a browser) or `refresh` (a program).
    pub kind: String,
    /// The program, as it names itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// When it was used last to get a token; a browser's: when it began.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
    /// Until when it stands without being used.
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
}

/// An API token to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewApiToken {
    /// What to remember it by; 1 to 120 characters.
    pub name: String,
    /// The Graph permissions that it covers, such as `DeviceLocalCredential.Read.All`; at least one.
    pub scopes: Vec<String>,
    /// Days until it ends, 1 to 365.
    pub days: u32,
}

/// A new API token; the only time that it is shown.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiToken {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The token: send it as `Authorization: Bearer`.
    pub token: String,
    /// Until when it works.
    #[zeroize(skip)]
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
}

/// An API token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiToken {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// Whose it is.
    #[serde(with = "serde_text::text")]
    pub user: PrincipalId,
    /// What the person calls it.
    pub name: String,
    /// The Graph permissions that it covers.
    pub scopes: Vec<String>,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
    /// Until when it works.
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
    /// When it was used last, to within ten minutes.
    #[serde(default, with = "serde_text::time_option", skip_serializing_if = "Option::is_none")]
    pub last_used_date_time: Option<Timestamp>,
}

/// A public key for a service principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewClientKey {
    /// What to remember it by.
    pub name: String,
    /// A certificate or a public key (RSA of 2048 bits or more, or P-256), PEM.
    pub pem: String,
    /// Days until it ends, 1 to 730; absent: 365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
}

/// A public key of a service principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientKey {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// SHA-256 of the key (SubjectPublicKeyInfo), hexadecimal.
    pub thumbprint: String,
    /// Until when it works.
    #[serde(with = "serde_text::time")]
    pub expires_date_time: Timestamp,
}

macro_rules! redacted {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    )*};
}
redacted! { NewTotp RecoveryCodes PasswordChange OwnLink OwnUnlink CreatedApiToken }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let secret = || "hunter2".to_owned();
        let shown = [
            format!("{:?}", NewTotp { secret: secret(), uri: secret(), qr_svg: secret() }),
            format!("{:?}", RecoveryCodes { recovery_codes: vec![secret()] }),
            format!("{:?}", PasswordChange { current_password: secret(), new_password: secret() }),
            format!("{:?}", OwnLink { code: secret(), current_password: secret() }),
            format!("{:?}", OwnUnlink { provider: secret(), subject: secret(), current_password: secret() }),
            format!("{:?}", CreatedApiToken { id: secret(), token: secret(), expires_date_time: Timestamp::MAX }),
        ];
        for text in shown {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

//! Foreign OpenID providers.

use crate::serde_text;
use core::fmt;
use laps::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A provider to set up.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct NewIdentityProvider {
    /// The name on the button; 1 to 120 characters.
    pub name: String,
    /// Its issuer, an `https` URL, byte for byte as its discovery document has it.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// Our client secret there.
    pub client_secret: String,
    /// A certificate authority to trust for it, PEM; absent: those of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl fmt::Debug for NewIdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewIdentityProvider")
            .field("name", &self.name)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// A provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityProvider {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The name on the button.
    pub name: String,
    /// Its issuer.
    pub issuer: String,
    /// Our client id there.
    pub client_id: String,
    /// When it was set up.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
}

/// A subject of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The provider's id.
    pub provider: String,
    /// Its subject.
    pub subject: String,
}

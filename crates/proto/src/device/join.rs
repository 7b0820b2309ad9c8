//! Join and renewal of the device certificate.

use crate::serde_text;
use core::fmt;
use laps::{
    id::{DeviceId, Incarnation, TenantId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What a re-joining agent signs with its old device key, so that the server can set `predecessor`
/// (rotation.md 3): this prefix, then the new certificate request in DER.
pub fn rejoin_statement(csr_der: &[u8]) -> Vec<u8> {
    [b"lapwing/rejoin/1".as_slice(), csr_der].concat()
}

/// What is digested of a machine's own number, so that the server holds nothing that an inventory would: this prefix, then
/// the number of the system (SMBIOS 7.2.1, "UUID") as it is written, in lower case.
pub fn hardware_statement(number: &str) -> Vec<u8> {
    [b"lapwing/hardware/1".as_slice(), number.trim().to_ascii_lowercase().as_bytes()].concat()
}

/// Body of [`super::path::JOIN`].
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct JoinRequest {
    /// The join token, as it was printed.
    pub token: String,
    /// PKCS #10 request, DER in base64. The server takes only its public key (ECDSA P-256).
    #[zeroize(skip)]
    pub csr: String,
    /// The name of the machine, for people; at most 255 characters.
    #[zeroize(skip)]
    pub name: String,
    /// Operating system, as `ID` of os-release (`debian`).
    #[zeroize(skip)]
    #[serde(default)]
    pub os: String,
    /// Its version, as `VERSION_ID` of os-release (`12`).
    #[zeroize(skip)]
    #[serde(default)]
    pub os_version: String,
    /// Version of the agent.
    #[zeroize(skip)]
    #[serde(default)]
    pub agent_version: String,
    /// What machine this is, so that a person is offered its former object when the system was laid down anew and the
    /// old key is gone: SHA-256 over [`hardware_statement`] in 64 hexadecimal digits, empty when the machine has no such
    /// number. Only ever compared.
    #[zeroize(skip)]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hardware: String,
    /// Proof that this machine was another device object before, when it has one.
    #[zeroize(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Predecessor>,
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinRequest").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Signed by the old device key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Predecessor {
    /// The device object that the machine was.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// ECDSA P-256 with SHA-256 over [`rejoin_statement`], ASN.1 DER in base64.
    pub signature: String,
}

/// Answer to a join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// The tenant of the server.
    #[serde(with = "serde_text::text")]
    pub tenant: TenantId,
    /// The new device object.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// The device certificate, DER in base64.
    pub certificate: String,
    /// The CA certificates to pin, DER in base64, newest first.
    pub ca: Vec<String>,
    /// The incarnation of the server's data.
    #[serde(with = "serde_text::text")]
    pub incarnation: Incarnation,
    /// The server's clock.
    #[serde(with = "serde_text::time")]
    pub server_time: Timestamp,
}

/// Body of [`super::path::RENEW`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewRequest {
    /// PKCS #10 request, DER in base64; a new key or the old one.
    pub csr: String,
}

/// Answer to a renewal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewAnswer {
    /// The device certificate, DER in base64.
    pub certificate: String,
    /// The CA certificates to pin, DER in base64, newest first.
    pub ca: Vec<String>,
    /// The server's clock.
    #[serde(with = "serde_text::time")]
    pub server_time: Timestamp,
}

//! A record, and a signed head, as they stand in an export.

use super::{Covered, hex_bytes};
use crate::hex;
use crate::serde_text;
use core::fmt;
use laps::{
    id::{DeviceId, VersionId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A record with everything that its hash covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The chain.
    pub chain: u32,
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// Its id, 32 hexadecimal digits.
    #[serde(with = "hex_bytes")]
    pub id: [u8; 16],
    /// The server's time.
    #[serde(with = "serde_text::time")]
    pub at: Timestamp,
    /// What was done.
    pub activity: String,
    /// Entra's category.
    pub category: String,
    /// Who did it.
    pub actor: Actor,
    /// What it was done to.
    pub target: Target,
    /// The stable code of why it failed; absent when it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// From where, as JSON text; the hash covers the text.
    pub client: String,
    /// More, as JSON text; the hash covers the text.
    pub detail: String,
    /// The versions that were given out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disclosed: Vec<Disclosed>,
    /// The hash of the record before, 64 hexadecimal digits.
    #[serde(with = "hex_bytes")]
    pub previous: [u8; 32],
    /// Its own.
    #[serde(with = "hex_bytes")]
    pub hash: [u8; 32],
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `user`, `application`, `device`, `system`, `operator`, `anonymous`.
    pub kind: String,
    /// The id.
    pub id: String,
    /// The name at the time.
    pub name: String,
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `device`, `policy`, `user`, …
    pub kind: String,
    /// The id.
    pub id: String,
    /// The name at the time.
    pub name: String,
}

/// A version that was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disclosed {
    /// The device object that it belongs to.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// The version.
    #[serde(with = "serde_text::text")]
    pub version: VersionId,
}

impl Record {
    /// The hash that its contents give.
    pub fn computed_hash(&self) -> [u8; 32] {
        let covered = Covered {
            previous: &self.previous,
            chain: self.chain,
            sequence: self.sequence,
            id: &self.id,
            at: self.at,
            activity: &self.activity,
            category: &self.category,
            actor: [&self.actor.kind, &self.actor.id, &self.actor.name],
            target: [&self.target.kind, &self.target.id, &self.target.name],
            failure: self.failure.as_deref().unwrap_or_default(),
            request_id: &self.request_id,
            client: &self.client,
            detail: &self.detail,
        };
        covered.hash(self.disclosed.iter().map(|one| (one.device.as_bytes(), one.version.as_bytes())))
    }

    /// Where the request came from: `address`, `userAgent`, `clientRequestId`.
    pub fn client_member(&self, name: &str) -> Option<String> {
        member(&self.client, name)
    }

    /// A text of the detail.
    pub fn detail_member(&self, name: &str) -> Option<String> {
        member(&self.detail, name)
    }

    /// Whether somebody read past approval.
    pub fn is_break_glass(&self) -> bool {
        serde_json::from_str::<Value>(&self.detail).is_ok_and(|detail| detail["breakGlass"] == Value::Bool(true))
    }

    /// A name for programs: the activity in lower case with hyphens.
    pub(super) fn slug(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        self.activity.chars().take(80).map(plain).collect()
    }
}

fn member(text: &str, name: &str) -> Option<String> {
    match serde_json::from_str::<Value>(text).ok()?.get_mut(name)?.take() {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// A signed head of a chain: `chain:sequence:hash:ticks:signature`, hash and signature in hexadecimal, as devices
/// keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: u32,
    /// The place of its last record; 0 before the first.
    pub sequence: u64,
    /// The hash of that record; zeros before the first.
    pub hash: [u8; 32],
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The signature: ECDSA P-256 with SHA-256, fixed length.
    pub signature: Vec<u8>,
}

/// A text that is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a head of an audit log: expected CHAIN:SEQUENCE:HASH:TIME:SIGNATURE")]
pub struct NotAHead;

impl Head {
    /// Reads it.
    ///
    /// # Errors
    /// [`NotAHead`].
    pub fn parse(text: &str) -> Result<Self, NotAHead> {
        let mut parts = text.trim().split(':');
        let mut next = || parts.next().ok_or(NotAHead);
        let head = Self {
            chain: next()?.parse().map_err(|_| NotAHead)?,
            sequence: next()?.parse().map_err(|_| NotAHead)?,
            hash: hex::array(next()?).ok_or(NotAHead)?,
            signed_at: Timestamp::from_ticks(next()?.parse().map_err(|_| NotAHead)?),
            signature: hex::decode(next()?).filter(|bytes| bytes.len() <= 128).ok_or(NotAHead)?,
        };
        if parts.next().is_some() { Err(NotAHead) } else { Ok(head) }
    }

    /// What is signed: `lapwing/audit-head/1`, then chain (4 bytes), sequence (8), hash (32) and the time in ticks
    /// (8), big-endian.
    pub fn statement(&self) -> Vec<u8> {
        let mut bytes = b"lapwing/audit-head/1".to_vec();
        bytes.extend(self.chain.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.hash);
        bytes.extend(self.signed_at.ticks().to_be_bytes());
        bytes
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hash, signature) = (hex::encode(&self.hash), hex::encode(&self.signature));
        write!(f, "{}:{}:{hash}:{}:{signature}", self.chain, self.sequence, self.signed_at.ticks())
    }
}

//! What the hash of a record covers.

use laps::time::Timestamp;
use sha2::{Digest, Sha256};

/// The parts of a record that its hash covers, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Covered<'a> {
    /// The hash of the record before.
    pub previous: &'a [u8; 32],
    /// The chain.
    pub chain: u32,
    /// The place in the chain.
    pub sequence: u64,
    /// The record's id.
    pub id: &'a [u8; 16],
    /// When.
    pub at: Timestamp,
    /// What was done.
    pub activity: &'a str,
    /// Entra's category.
    pub category: &'a str,
    /// Who: kind, id, name.
    pub actor: [&'a str; 3],
    /// To what: kind, id, name.
    pub target: [&'a str; 3],
    /// The code of the failure; empty for a success.
    pub failure: &'a str,
    /// The request's id.
    pub request_id: &'a str,
    /// From where, as JSON text.
    pub client: &'a str,
    /// More, as JSON text.
    pub detail: &'a str,
}

/// Hashes fields so that no two lists of fields give the same bytes: every field is length-prefixed.
struct Fields(Sha256);

impl Fields {
    fn new() -> Self {
        Self(Sha256::new_with_prefix(b"lapwing/audit/1"))
    }
    fn bytes(mut self, field: &[u8]) -> Self {
        self.0.update((field.len() as u64).to_be_bytes());
        self.0.update(field);
        self
    }
    fn text(self, field: &str) -> Self {
        self.bytes(field.as_bytes())
    }
    fn number(self, field: u64) -> Self {
        self.bytes(&field.to_be_bytes())
    }
}

impl Covered<'_> {
    /// hash = SHA-256("lapwing/audit/1" ‖ length-prefixed: previous, chain, sequence, every field of the entry,
    /// every disclosed version: device and version, 16 bytes each).
    pub fn hash<'a>(&self, disclosed: impl ExactSizeIterator<Item = (&'a [u8; 16], &'a [u8; 16])>) -> [u8; 32] {
        let mut fields = Fields::new()
            .bytes(self.previous)
            .number(u64::from(self.chain))
            .number(self.sequence)
            .bytes(self.id)
            .number(self.at.ticks())
            .text(self.activity)
            .text(self.category);
        for text in self.actor.into_iter().chain(self.target) {
            fields = fields.text(text);
        }
        fields = fields
            .text(self.failure)
            .text(self.request_id)
            .text(self.client)
            .text(self.detail)
            .number(disclosed.len() as u64);
        for (device, version) in disclosed {
            fields = fields.bytes(device).bytes(version);
        }
        fields.0.finalize().into()
    }
}

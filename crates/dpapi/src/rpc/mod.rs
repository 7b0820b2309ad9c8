//! The messages of DCE/RPC that it takes to ask a domain controller for a group key (MS-RPCE, C706, MS-GKDI 3.1.4):
//! [`endpoint`] finds the port, [`get_key`] asks. They are bytes only: who uses them sends, receives, and does the
//! security mechanism's part.
//!
//! A call: [`bind()`] with the first token, [`Fragment`] and [`BindAck`], [`alter_context`] or [`auth3`] with the next
//! tokens, then [`SealedRequest`], and [`Fragment::sealed`] and [`Stub`] for the answer.

mod bind;
pub mod endpoint;
mod fragment;
pub mod get_key;
mod ndr;
mod request;

pub use bind::{BindAck, BindError, alter_context, auth3, bind};
pub use fragment::{Fragment, HEADER_BYTES, Kind, Sealed, fragment_bytes};
pub use request::{SealedRequest, Stub, TooLong, request};

use uuid::Uuid;

/// The longest fragment that is sent and taken, bytes: what Windows offers.
pub const FRAGMENT_BYTES_MAX: usize = 5840;

/// An interface and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    id: Uuid,
    major: u16,
    minor: u16,
}

impl Interface {
    /// The endpoint mapper, `epm` 3.0.
    pub const ENDPOINT_MAPPER: Self =
        Self { id: Uuid::from_u128(0xe1af8308_5d1f_11c9_91a4_08002b14a0fa), major: 3, minor: 0 };
    /// Group keys, `ISDKey` 1.0 (MS-GKDI 1.9).
    pub const GROUP_KEYS: Self =
        Self { id: Uuid::from_u128(0xb9785960_524f_11df_8b6d_83dcded72085), major: 1, minor: 0 };

    fn to_bytes(self) -> [u8; 20] {
        syntax_bytes(self.id, self.major, self.minor)
    }
}

/// How arguments are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// NDR 2.0: sizes and pointers of 4 bytes.
    Ndr,
    /// NDR64 1.0: of 8 bytes.
    Ndr64,
}

impl Syntax {
    fn to_bytes(self) -> [u8; 20] {
        match self {
            Self::Ndr => syntax_bytes(Uuid::from_u128(0x8a885d04_1ceb_11c9_9fe8_08002b104860), 2, 0),
            Self::Ndr64 => syntax_bytes(Uuid::from_u128(0x71710533_beba_4937_8319_b5dbef9ccc36), 1, 0),
        }
    }
}

fn syntax_bytes(id: Uuid, major: u16, minor: u16) -> [u8; 20] {
    let mut bytes = [0; 20];
    let parts = id.to_bytes_le().into_iter().chain(major.to_le_bytes()).chain(minor.to_le_bytes());
    for (to, from) in bytes.iter_mut().zip(parts) {
        *to = from;
    }
    bytes
}

/// The security mechanism of a connection, as every message names it (MS-RPCE 2.2.1.1.7, 2.2.1.1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Security {
    /// The mechanism.
    pub mechanism: Mechanism,
    /// Any number; the same in all messages of a connection.
    pub context_id: u32,
}

/// A security mechanism. The level is always packet privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// SPNEGO.
    Spnego,
    /// Kerberos.
    Kerberos,
}

impl Security {
    /// The trailer that stands before a token, with the padding before it.
    fn trailer(self, padding_bytes: u8) -> [u8; 8] {
        const PACKET_PRIVACY: u8 = 6;
        let mechanism = match self.mechanism {
            Mechanism::Spnego => 9,
            Mechanism::Kerberos => 16,
        };
        let [a, b, c, d] = self.context_id.to_le_bytes();
        [mechanism, PACKET_PRIVACY, padding_bytes, 0, a, b, c, d]
    }
}

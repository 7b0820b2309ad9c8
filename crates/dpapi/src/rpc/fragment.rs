//! What every message has: the header, and the trailer of the security mechanism (C706 12.6, MS-RPCE 2.2.2).

use super::FRAGMENT_BYTES_MAX;
use crate::reader::{FormatError, Reader};

/// Bytes of the common header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of the security trailer, before the token.
const TRAILER_BYTES: usize = 8;
/// Bytes of a response before its stub.
const RESPONSE_HEADER_BYTES: usize = 24;
/// Little-endian, ASCII, IEEE.
const DATA_REPRESENTATION: [u8; 4] = [0x10, 0, 0, 0];
const FIRST: u8 = 1;
const LAST: u8 = 2;
/// Header and trailer are signed too.
pub(super) const HEADER_SIGNING: u8 = 4;

/// The kinds of message that a client sends or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A call.
    Request = 0,
    /// Its answer.
    Response = 2,
    /// The answer that it failed.
    Fault = 3,
    /// Opens a connection.
    Bind = 11,
    /// Its answer.
    BindAck = 12,
    /// Its refusal.
    BindNak = 13,
    /// Carries a further token.
    AlterContext = 14,
    /// Its answer.
    AlterContextResponse = 15,
    /// Carries the last token, and has no answer.
    Auth3 = 16,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Request,
        Self::Response,
        Self::Fault,
        Self::Bind,
        Self::BindAck,
        Self::BindNak,
        Self::AlterContext,
        Self::AlterContextResponse,
        Self::Auth3,
    ];
}

/// The header of a message that is one fragment.
pub(super) fn header(kind: Kind, flags: u8, fragment_bytes: u16, token_bytes: u16, call_id: u32) -> Vec<u8> {
    let mut bytes = vec![5, 0, kind as u8, FIRST | LAST | flags];
    bytes.extend_from_slice(&DATA_REPRESENTATION);
    bytes.extend_from_slice(&fragment_bytes.to_le_bytes());
    bytes.extend_from_slice(&token_bytes.to_le_bytes());
    bytes.extend_from_slice(&call_id.to_le_bytes());
    bytes
}

/// How long a fragment is, all in all, from its first [`HEADER_BYTES`] bytes.
///
/// # Errors
/// [`FormatError`] when they are no header of this protocol, or the fragment is longer than was offered.
pub fn fragment_bytes(head: &[u8; HEADER_BYTES]) -> Result<usize, FormatError> {
    let mut reader = Reader::new("RPC header", head);
    reader.exactly(&[5, 0], "version 5.0")?;
    reader.take(2, "kind and flags")?;
    reader.exactly(&DATA_REPRESENTATION, "little-endian data")?;
    let length = usize::from(reader.u16("the length of the fragment")?);
    if (HEADER_BYTES..=FRAGMENT_BYTES_MAX).contains(&length) {
        return Ok(length);
    }
    Err(reader.error(8, "a length from 16 to 5840 bytes"))
}

/// One received fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Its kind.
    pub kind: Kind,
    /// Whether the server signs headers: set in the answer to a bind.
    pub header_signing: bool,
    /// The call that it belongs to.
    pub call_id: u32,
    pub(super) first: bool,
    pub(super) last: bool,
    /// Behind the header, without padding and security trailer. Of a sealed response, still sealed.
    pub(super) body: &'a [u8],
    /// The token of the security mechanism.
    pub token: Option<&'a [u8]>,
    whole: &'a [u8],
    padding_bytes: usize,
}

/// The parts of a sealed response, in the order in which the security mechanism takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed<'a> {
    /// Signed when headers are signed.
    pub header: &'a [u8],
    /// Sealed.
    pub data: &'a [u8],
    /// Signed when headers are signed.
    pub trailer: &'a [u8],
    /// The signature.
    pub token: &'a [u8],
    /// How many bytes at the end of the opened data are padding.
    pub padding_bytes: usize,
}

impl<'a> Fragment<'a> {
    /// Reads one whole fragment.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("RPC fragment", bytes);
        let head = reader.array("a header of 16 bytes")?;
        if fragment_bytes(&head)? != bytes.len() {
            return Err(reader.error(8, "the length of this fragment"));
        }
        let [_, _, kind, flags, _, _, _, _, _, _, token_low, token_high, a, b, c, d] = head;
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind);
        let kind = kind.ok_or_else(|| reader.error(2, "a known kind of message"))?;
        let token_bytes = usize::from(u16::from_le_bytes([token_low, token_high]));
        let (mut body, mut token, mut padding_bytes) = (reader.rest(), None, 0);
        if token_bytes > 0 {
            let error = FormatError {
                structure: "RPC fragment",
                offset: 10,
                expected: "a token that fits into the fragment, with its trailer and padding",
            };
            let split = body.len().checked_sub(token_bytes).ok_or(error)?;
            token = body.get(split..);
            let trailer_at = split.checked_sub(TRAILER_BYTES).ok_or(error)?;
            padding_bytes = body.get(trailer_at.saturating_add(2)).map_or(0, |padding| usize::from(*padding));
            let end = trailer_at.checked_sub(padding_bytes).ok_or(error)?;
            body = body.get(..end).ok_or(error)?;
        }
        Ok(Self {
            kind,
            header_signing: flags & HEADER_SIGNING != 0,
            call_id: u32::from_le_bytes([a, b, c, d]),
            first: flags & FIRST != 0,
            last: flags & LAST != 0,
            body,
            token,
            whole: bytes,
            padding_bytes,
        })
    }

    /// The parts of a sealed response.
    ///
    /// # Errors
    /// [`FormatError`] when it is no response, or not sealed.
    pub fn sealed(&self) -> Result<Sealed<'a>, FormatError> {
        let error = |offset, expected| FormatError { structure: "sealed RPC response", offset, expected };
        if self.kind != Kind::Response {
            return Err(error(2, "a response"));
        }
        let token = self.token.ok_or_else(|| error(10, "a token: nothing is taken that is not sealed"))?;
        let (header, rest) =
            self.whole.split_at_checked(RESPONSE_HEADER_BYTES).ok_or_else(|| error(16, "a header of 24 bytes"))?;
        let (data, trailer) = rest
            .len()
            .checked_sub(token.len().saturating_add(TRAILER_BYTES))
            .and_then(|end| rest.split_at_checked(end))
            .ok_or_else(|| error(RESPONSE_HEADER_BYTES, "data before the trailer"))?;
        let trailer = trailer.get(..TRAILER_BYTES).unwrap_or_default();
        if self.padding_bytes > data.len() {
            return Err(error(data.len().saturating_add(RESPONSE_HEADER_BYTES + 2), "no more padding than data"));
        }
        Ok(Sealed { header, data, trailer, token, padding_bytes: self.padding_bytes })
    }

    /// The status of a fault; `None` for another kind.
    ///
    /// # Errors
    /// [`FormatError`] when it is cut short.
    pub fn fault(&self) -> Result<Option<u32>, FormatError> {
        if self.kind != Kind::Fault {
            return Ok(None);
        }
        let mut reader = Reader::new("RPC fault", self.body);
        let status = reader.take(8, "8 bytes before the status").and_then(|_| reader.u32("a status"));
        status.map(Some).map_err(|error| error.inside(HEADER_BYTES))
    }
}

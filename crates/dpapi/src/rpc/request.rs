//! A call and its answer (C706 12.6.4.9 and 10), clear for the endpoint mapper, sealed for keys.

use super::{
    FRAGMENT_BYTES_MAX, Fragment, Interface, Kind, Security, Syntax,
    fragment::{HEADER_BYTES, header},
};
use crate::reader::{FormatError, length_u32};
use zeroize::Zeroizing;

/// Bytes of a request before its stub.
const REQUEST_HEADER_BYTES: usize = 24;
/// Sealed data ends on this boundary (MS-RPCE 2.2.2.11.1).
const SEALED_UNIT: usize = 16;
/// More than the largest group key envelope with a public key has.
const STUB_BYTES_MAX: usize = 16 * 1024;
const VERIFICATION_SIGNATURE: [u8; 8] = [0x8a, 0xe3, 0x13, 0x71, 0x02, 0xf4, 0x36, 0x71];

/// A message that does not fit into one fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message does not fit into one fragment of {FRAGMENT_BYTES_MAX} bytes")]
pub struct TooLong;

/// The header of a request: the common one, then length of the stub, context, number of the operation.
fn request_header(
    fragment_bytes: usize,
    token_bytes: usize,
    call_id: u32,
    stub: &[u8],
    context: u16,
    operation: u16,
) -> Result<Vec<u8>, TooLong> {
    let all = u16::try_from(fragment_bytes).ok().filter(|all| usize::from(*all) <= FRAGMENT_BYTES_MAX);
    let token_bytes = u16::try_from(token_bytes).map_err(|_| TooLong)?;
    let mut bytes = header(Kind::Request, 0, all.ok_or(TooLong)?, token_bytes, call_id);
    bytes.extend_from_slice(&length_u32(stub).to_le_bytes());
    bytes.extend_from_slice(&context.to_le_bytes());
    bytes.extend_from_slice(&operation.to_le_bytes());
    Ok(bytes)
}

/// A call that is not sealed.
///
/// # Errors
/// [`TooLong`].
pub fn request(call_id: u32, context: u16, operation: u16, stub: &[u8]) -> Result<Vec<u8>, TooLong> {
    let all = stub.len().saturating_add(REQUEST_HEADER_BYTES);
    let mut bytes = request_header(all, 0, call_id, stub, context, operation)?;
    bytes.extend_from_slice(stub);
    Ok(bytes)
}

/// A call whose stub is to be sealed: the parts in the order in which the security mechanism takes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRequest {
    /// Signed when headers are signed.
    pub header: Vec<u8>,
    /// To be sealed in place.
    pub data: Vec<u8>,
    /// Signed when headers are signed.
    pub trailer: [u8; 8],
    token_bytes: usize,
}

impl SealedRequest {
    /// A call; `token_bytes` is how long the mechanism's signature will be. The stub gets the verification trailer
    /// that names interface and layout (MS-RPCE 2.2.2.13), and padding.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn new(
        call_id: u32,
        interface: Interface,
        (context, syntax): (u16, Syntax),
        operation: u16,
        stub: &[u8],
        security: Security,
        token_bytes: usize,
    ) -> Result<Self, TooLong> {
        let mut data = stub.to_vec();
        data.resize(data.len().next_multiple_of(4), 0);
        data.extend_from_slice(&verification_trailer(interface, syntax));
        let unpadded = data.len();
        data.resize(unpadded.next_multiple_of(SEALED_UNIT), 0);
        let padding = data.len().saturating_sub(unpadded);
        let trailer = security.trailer(padding as u8);
        let all =
            REQUEST_HEADER_BYTES.saturating_add(data.len()).saturating_add(trailer.len()).saturating_add(token_bytes);
        let hint = data.get(..unpadded).unwrap_or_default();
        let header = request_header(all, token_bytes, call_id, hint, context, operation)?;
        Ok(Self { header, data, trailer, token_bytes })
    }

    /// The message, after the data was sealed in place; `None` when a length is not the announced one.
    pub fn into_bytes(self, token: &[u8]) -> Option<Vec<u8>> {
        let bytes = [&self.header[..], &self.data, &self.trailer, token].concat();
        let whole = Fragment::from_bytes(&bytes).is_ok_and(|fragment| fragment.token == Some(token));
        (whole && token.len() == self.token_bytes).then_some(bytes)
    }
}

/// That headers are signed, and which interface is called in which layout: 8, 8 and 44 bytes.
fn verification_trailer(interface: Interface, syntax: Syntax) -> Vec<u8> {
    const BITMASK: u16 = 1;
    const CONTEXT: u16 = 2;
    const END: u16 = 0x4000;
    let mut bytes = VERIFICATION_SIGNATURE.to_vec();
    bytes.extend_from_slice(&BITMASK.to_le_bytes());
    bytes.extend_from_slice(&4_u16.to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&(CONTEXT | END).to_le_bytes());
    bytes.extend_from_slice(&40_u16.to_le_bytes());
    bytes.extend_from_slice(&interface.to_bytes());
    bytes.extend_from_slice(&syntax.to_bytes());
    bytes
}

/// The answer to one call, put together from its fragments; wiped when dropped, for it holds keys.
pub struct Stub {
    call_id: u32,
    bytes: Zeroizing<Vec<u8>>,
    begun: bool,
    whole: bool,
}

impl Stub {
    /// For the answer to a call.
    pub fn new(call_id: u32) -> Self {
        // All at once: growing it would leave copies of keys behind.
        let bytes = Zeroizing::new(Vec::with_capacity(STUB_BYTES_MAX));
        Self { call_id, bytes, begun: false, whole: false }
    }

    /// Adds a fragment that is not sealed. True when the answer is whole.
    ///
    /// # Errors
    /// [`FormatError`] for another kind or call, a first fragment that is none, or more than 16 KiB.
    pub fn push(&mut self, fragment: &Fragment<'_>) -> Result<bool, FormatError> {
        let Some(data) = fragment.body.get(REQUEST_HEADER_BYTES - HEADER_BYTES..) else {
            return Err(error(HEADER_BYTES, "8 bytes before the stub"));
        };
        self.push_opened(fragment, data, 0)
    }

    /// Adds the opened data of a sealed fragment, of which `padding_bytes` at the end are padding. True when the
    /// answer is whole.
    ///
    /// # Errors
    /// As [`Stub::push`].
    pub fn push_opened(
        &mut self,
        fragment: &Fragment<'_>,
        data: &[u8],
        padding_bytes: usize,
    ) -> Result<bool, FormatError> {
        if fragment.kind != Kind::Response {
            return Err(error(2, "a response"));
        }
        if fragment.call_id != self.call_id {
            return Err(error(12, "the answer to this call"));
        }
        if self.whole || fragment.first == self.begun {
            return Err(error(3, "the next fragment of this answer"));
        }
        let end = data.len().checked_sub(padding_bytes);
        let data = end.and_then(|end| data.get(..end)).ok_or_else(|| error(24, "no more padding than data"))?;
        if self.bytes.len().saturating_add(data.len()) > STUB_BYTES_MAX {
            return Err(error(24, "an answer of at most 16 KiB"));
        }
        self.begun = true;
        self.bytes.extend_from_slice(data);
        self.whole = fragment.last;
        Ok(self.whole)
    }

    /// What has come so far: the stub, when it is whole.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl core::fmt::Debug for Stub {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Stub(call {}, {} bytes, redacted)", self.call_id, self.bytes.len())
    }
}

fn error(offset: usize, expected: &'static str) -> FormatError {
    FormatError { structure: "RPC response", offset, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::Mechanism;

    const SECURITY: Security = Security { mechanism: Mechanism::Kerberos, context_id: 1 };

    #[test]
    fn a_sealed_request_has_its_trailers_and_boundaries() {
        let context = (1, Syntax::Ndr64);
        let made = SealedRequest::new(9, Interface::GROUP_KEYS, context, 0, b"stub!", SECURITY, 76).unwrap();
        // 5 bytes on a boundary of 4, the verification trailer of 60, padding to 16.
        assert_eq!((made.header.len(), made.data.len(), made.trailer), (24, 80, [16, 6, 12, 0, 1, 0, 0, 0]));
        assert_eq!(made.data[..8], *b"stub!\0\0\0");
        assert_eq!(made.data[8..16], VERIFICATION_SIGNATURE);
        assert_eq!(made.header[16..], [68, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(made.clone().into_bytes(&[0; 75]), None);
        let bytes = made.into_bytes(&[7; 76]).unwrap();
        let read = Fragment::from_bytes(&bytes).unwrap();
        assert_eq!((read.kind, read.call_id, read.token), (Kind::Request, 9, Some(&[7; 76][..])));
        assert_eq!(read.body.len(), 8 + 68);
        let long = SealedRequest::new(9, Interface::GROUP_KEYS, context, 0, &[0; 5700], SECURITY, 76);
        assert_eq!(long, Err(TooLong));
    }

    /// One fragment of an answer as a server sends it.
    fn response(flags: u8, call_id: u32, stub: &[u8], token: Option<(&[u8], u8)>) -> Vec<u8> {
        let mut rest = vec![0; 8];
        rest.extend_from_slice(stub);
        if let Some((token, padding)) = token {
            rest.extend(core::iter::repeat_n(0, usize::from(padding)));
            rest.extend_from_slice(&SECURITY.trailer(padding));
            rest.extend_from_slice(token);
        }
        let token_bytes = token.map_or(0, |(token, _)| token.len()) as u16;
        let mut bytes = header(Kind::Response, 0, (HEADER_BYTES + rest.len()) as u16, token_bytes, call_id);
        bytes[3] = flags;
        bytes.extend_from_slice(&rest);
        bytes
    }

    #[test]
    fn an_answer_is_put_together_in_order() {
        let (first, middle, last) =
            (response(1, 4, b"ab", None), response(0, 4, b"cd", None), response(2, 4, b"e", None));
        let mut stub = Stub::new(4);
        fn read(bytes: &[u8]) -> Fragment<'_> {
            Fragment::from_bytes(bytes).unwrap()
        }
        assert_eq!(stub.push(&read(&middle)).unwrap_err().offset, 3);
        assert_eq!(stub.push(&read(&response(3, 5, b"x", None))).unwrap_err().offset, 12);
        assert_eq!(stub.push(&read(&first)), Ok(false));
        assert_eq!(stub.push(&read(&first)).unwrap_err().offset, 3);
        assert_eq!(stub.push(&read(&middle)), Ok(false));
        assert_eq!(stub.push(&read(&last)), Ok(true));
        assert_eq!(stub.bytes(), b"abcde");
        assert!(stub.push(&read(&last)).is_err());
        let mut stub = Stub::new(4);
        let large = response(1, 4, &[0; 5000], None);
        assert_eq!(stub.push(&read(&large)), Ok(false));
        let more = response(0, 4, &[0; 5000], None);
        assert_eq!((stub.push(&read(&more)), stub.push(&read(&more))), (Ok(false), Ok(false)));
        assert!(stub.push(&read(&more)).is_err());
    }

    #[test]
    fn a_sealed_answer_comes_apart_and_what_is_not_sealed_is_refused() {
        let bytes = response(3, 4, b"sealed data.", Some((b"signature", 4)));
        let fragment = Fragment::from_bytes(&bytes).unwrap();
        let sealed = fragment.sealed().unwrap();
        assert_eq!((sealed.header, sealed.trailer), (&bytes[..24], &SECURITY.trailer(4)[..]));
        assert_eq!((sealed.data, sealed.token), (&b"sealed data.\0\0\0\0"[..], &b"signature"[..]));
        let mut stub = Stub::new(4);
        assert_eq!(stub.push_opened(&fragment, sealed.data, sealed.padding_bytes), Ok(true));
        assert_eq!(stub.bytes(), b"sealed data.");
        assert_eq!(Fragment::from_bytes(&response(3, 4, b"x", None)).unwrap().sealed().unwrap_err().offset, 10);
        // A token that is longer than the fragment, and padding that is longer than the data.
        let mut long = bytes.clone();
        long[10] = 0xff;
        assert_eq!(Fragment::from_bytes(&long).unwrap_err().offset, 10);
        let mut padded = bytes.clone();
        let at = bytes.len() - 9 - 8 + 2;
        padded[at] = 0xff;
        assert!(Fragment::from_bytes(&padded).is_err());
        padded[at] = 20;
        assert!(Fragment::from_bytes(&padded).unwrap().sealed().is_err());
    }
}

//! Opening a connection to an interface (C706 12.6.4.3 and 4, MS-RPCE 2.2.2.11 to 2.2.2.13).

use super::{
    FRAGMENT_BYTES_MAX, Fragment, Interface, Kind, Security, Syntax,
    fragment::{HEADER_BYTES, HEADER_SIGNING, header},
    request::TooLong,
};
use crate::reader::{FormatError, Reader};

/// The first message: offers an interface in layouts, the best first, each as a context of its own. With a token of
/// the security mechanism it asks for signed headers.
///
/// # Errors
/// [`TooLong`] when the token does not fit into a fragment.
pub fn bind(
    call_id: u32,
    interface: Interface,
    syntaxes: &[Syntax],
    token: Option<(Security, &[u8])>,
) -> Result<Vec<u8>, TooLong> {
    let flags = if token.is_some() { HEADER_SIGNING } else { 0 };
    message(Kind::Bind, flags, call_id, &contexts(interface, syntaxes), token)
}

/// The message with a further token, when the mechanism has more to say and expects an answer.
///
/// # Errors
/// [`TooLong`] when the token does not fit into a fragment.
pub fn alter_context(
    call_id: u32,
    interface: Interface,
    syntaxes: &[Syntax],
    security: Security,
    token: &[u8],
) -> Result<Vec<u8>, TooLong> {
    message(Kind::AlterContext, 0, call_id, &contexts(interface, syntaxes), Some((security, token)))
}

/// The message with the last token, which has no answer.
///
/// # Errors
/// [`TooLong`] when the token does not fit into a fragment.
pub fn auth3(call_id: u32, security: Security, token: &[u8]) -> Result<Vec<u8>, TooLong> {
    // Four bytes that mean nothing (MS-RPCE 2.2.2.5).
    message(Kind::Auth3, 0, call_id, &[0; 4], Some((security, token)))
}

fn contexts(interface: Interface, syntaxes: &[Syntax]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&(FRAGMENT_BYTES_MAX as u16).to_le_bytes());
    body.extend_from_slice(&(FRAGMENT_BYTES_MAX as u16).to_le_bytes());
    // No association group yet.
    body.extend_from_slice(&[0; 4]);
    let offered = syntaxes.len().min(usize::from(u8::MAX));
    body.extend_from_slice(&[offered as u8, 0, 0, 0]);
    for (id, syntax) in (0_u16..).zip(syntaxes.iter().take(offered)) {
        body.extend_from_slice(&id.to_le_bytes());
        body.extend_from_slice(&[1, 0]);
        body.extend_from_slice(&interface.to_bytes());
        body.extend_from_slice(&syntax.to_bytes());
    }
    body
}

/// A message that is not sealed: header, body, and the token with its trailer on a boundary of four.
fn message(
    kind: Kind,
    flags: u8,
    call_id: u32,
    body: &[u8],
    token: Option<(Security, &[u8])>,
) -> Result<Vec<u8>, TooLong> {
    let mut rest = body.to_vec();
    if let Some((security, token)) = token {
        let padding = rest.len().next_multiple_of(4).saturating_sub(rest.len());
        rest.extend(core::iter::repeat_n(0, padding));
        rest.extend_from_slice(&security.trailer(padding as u8));
        rest.extend_from_slice(token);
    }
    let token_bytes = u16::try_from(token.map_or(0, |(_, token)| token.len())).map_err(|_| TooLong)?;
    let fragment_bytes = rest.len().saturating_add(HEADER_BYTES);
    let fragment_bytes = u16::try_from(fragment_bytes).ok().filter(|all| usize::from(*all) <= FRAGMENT_BYTES_MAX);
    let mut bytes = header(kind, flags, fragment_bytes.ok_or(TooLong)?, token_bytes, call_id);
    bytes.extend_from_slice(&rest);
    Ok(bytes)
}

/// The answer to [`bind`] and [`alter_context`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindAck {
    /// For each layout that was offered, whether it was accepted.
    accepted: Vec<bool>,
}

/// Why a connection did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Not the answer that was expected.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// Refused.
    #[error("the server refused the connection, reason {reason} (C706 12.6.3.1)")]
    Refused {
        /// The reason of the refusal.
        reason: u16,
    },
    /// Refused with a fault, as some servers do when they do not accept the credentials.
    #[error("the server refused the connection with fault {status:#010x}")]
    Fault {
        /// The status of the fault.
        status: u32,
    },
}

impl BindAck {
    /// Reads the answer.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn from_fragment(fragment: &Fragment<'_>) -> Result<Self, BindError> {
        if let Some(status) = fragment.fault()? {
            return Err(BindError::Fault { status });
        }
        let mut reader = Reader::new("answer to an RPC bind", fragment.body);
        let inside = |error: FormatError| error.inside(HEADER_BYTES);
        match fragment.kind {
            Kind::BindNak => {
                let reason = reader.u16("a reason").map_err(inside)?;
                return Err(BindError::Refused { reason });
            }
            Kind::BindAck | Kind::AlterContextResponse => {}
            _ => return Err(BindError::Format(FormatError { offset: 2, ..reader.error(0, "the answer to a bind") })),
        }
        Ok(Self { accepted: results(&mut reader).map_err(inside)? })
    }

    /// The context to call in, and its layout: the first of those offered that was accepted.
    pub fn context(&self, offered: &[Syntax]) -> Option<(u16, Syntax)> {
        let pairs = (0_u16..).zip(offered).zip(&self.accepted);
        pairs.filter(|(_, accepted)| **accepted).map(|((id, syntax), _)| (id, *syntax)).next()
    }
}

fn results(reader: &mut Reader<'_>) -> Result<Vec<bool>, FormatError> {
    reader.take(8, "fragment lengths and association group")?;
    let address_bytes = usize::from(reader.u16("the length of the secondary address")?);
    reader.take(address_bytes, "the secondary address")?;
    reader.align(4, "padding to four bytes")?;
    let [count, ..] = reader.array::<4>("the number of results")?;
    let mut accepted = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let result = reader.u16("a result")?;
        reader.take(22, "reason and transfer syntax")?;
        accepted.push(result == 0);
    }
    Ok(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::{Mechanism, fragment_bytes};

    const SECURITY: Security = Security { mechanism: Mechanism::Spnego, context_id: 7 };

    /// C706 12.6.4.3, field by field.
    #[test]
    fn a_bind_stands_field_by_field() {
        let bytes = bind(3, Interface::GROUP_KEYS, &[Syntax::Ndr], Some((SECURITY, b"tokens"))).unwrap();
        let expected = [
            &[5, 0, 11, 7, 0x10, 0, 0, 0, 86, 0, 6, 0, 3, 0, 0, 0][..],
            &[0xd0, 0x16, 0xd0, 0x16, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0],
            &[0x60, 0x59, 0x78, 0xb9, 0x4f, 0x52, 0xdf, 0x11, 0x8b, 0x6d, 0x83, 0xdc, 0xde, 0xd7, 0x20, 0x85],
            &[1, 0, 0, 0],
            &[0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60],
            &[2, 0, 0, 0],
            &[9, 6, 0, 0, 7, 0, 0, 0],
            b"tokens",
        ]
        .concat();
        assert_eq!(bytes, expected);
        assert_eq!(fragment_bytes(bytes[..16].try_into().unwrap()), Ok(bytes.len()));
        let read = Fragment::from_bytes(&bytes).unwrap();
        assert_eq!((read.kind, read.call_id, read.token), (Kind::Bind, 3, Some(&b"tokens"[..])));
        assert_eq!((read.header_signing, read.body.len()), (true, 56));
        assert_eq!(bind(3, Interface::GROUP_KEYS, &[Syntax::Ndr], Some((SECURITY, &[0; 5800]))), Err(TooLong));
        assert_eq!(auth3(3, SECURITY, b"x").unwrap()[16..], [0, 0, 0, 0, 9, 6, 0, 0, 7, 0, 0, 0, b'x']);
    }

    fn answer(kind: Kind, body: &[u8]) -> Vec<u8> {
        message(kind, 0, 3, body, None).unwrap()
    }

    #[test]
    fn the_first_accepted_layout_is_chosen() {
        let mut body = vec![0xd0, 0x16, 0xd0, 0x16, 4, 3, 2, 1, 4, 0, b'1', b'3', b'5', 0, 0, 0, 2, 0, 0, 0];
        body.extend([2, 0, 2, 0].into_iter().chain([0; 20]));
        body.extend([0, 0, 0, 0].into_iter().chain(Syntax::Ndr.to_bytes()));
        let bytes = answer(Kind::BindAck, &body);
        let ack = BindAck::from_fragment(&Fragment::from_bytes(&bytes).unwrap()).unwrap();
        assert_eq!(ack.context(&[Syntax::Ndr64, Syntax::Ndr]), Some((1, Syntax::Ndr)));
        assert_eq!(ack.context(&[Syntax::Ndr64]), None);
        for end in 0..body.len() {
            let bytes = answer(Kind::BindAck, &body[..end]);
            let error = BindAck::from_fragment(&Fragment::from_bytes(&bytes).unwrap()).unwrap_err();
            let BindError::Format(error) = error else { panic!("{error}") };
            assert!((16..=bytes.len()).contains(&error.offset), "{error}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let read = |bytes: &[u8]| BindAck::from_fragment(&Fragment::from_bytes(bytes).unwrap()).unwrap_err();
        assert_eq!(read(&answer(Kind::BindNak, &[4, 0, 0])), BindError::Refused { reason: 4 });
        let fault = [0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(read(&answer(Kind::Fault, &fault)), BindError::Fault { status: 5 });
        assert!(matches!(read(&answer(Kind::Response, &fault)), BindError::Format(_)));
    }
}

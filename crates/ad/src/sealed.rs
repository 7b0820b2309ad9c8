//! LDAP sealed by Kerberos on a clear connection: the bind with GSSAPI (RFC 4752), and everything after it inside
//! sealed frames.
//!
//! `ldap3` could do this itself, but three things speak against it: it takes a bind that is answered "success" too
//! early for one, and goes on in clear; its check whether sealing is offered (`buf[0] | needed_layer == 0`) can never
//! fail; and it loses what spans two frames, or stands in one before another (Samba's frames end at 64 KiB). So it is
//! given one end of a socket pair, and what goes between that and the network passes through here: nothing can be
//! sent that is not sealed.

use crate::{
    Error,
    ber::{element, header, tagged},
    kerberos::Login,
};
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream, UnixStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
        unix,
    },
};

const DOING: &str = "binding";
/// Results of RFC 4511 A.1.
const RESULT_SUCCESS: u32 = 0;
const RESULT_IN_PROGRESS: u32 = 14;
/// The security layer that is asked for: confidentiality (RFC 4752 3.3).
const LAYER_SEALED: u8 = 4;
/// The longest frame that is taken, as OpenLDAP announces it: bytes.
const FRAME_BYTES_MAX: usize = 0x9f_ffb8;
/// The longest answer to a bind that is taken, bytes: a token with the groups of its bearer is some 12 KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// What sealing adds to a frame, with room: header, confounder, checksum.
const OVERHEAD_BYTES: usize = 256;
/// The most that goes into one frame, bytes.
const CHUNK_BYTES_MAX: usize = 32 * 1024;

/// What a bind was answered with.
pub(crate) struct Answer {
    pub(crate) result: u32,
    pub(crate) text: String,
    token: Vec<u8>,
}

/// Why there is no sealed connection.
pub(crate) enum Refused {
    /// The domain controller said no.
    Answered(Answer),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Binds on a connection, and gives the end on which LDAP is spoken as if in clear.
pub(crate) async fn open(
    controller: &str,
    mut stream: TcpStream,
    login: &Login,
) -> Result<std::os::unix::net::UnixStream, Refused> {
    let flags = CtxFlags::GSS_C_MUTUAL_FLAG
        | CtxFlags::GSS_C_REPLAY_FLAG
        | CtxFlags::GSS_C_SEQUENCE_FLAG
        | CtxFlags::GSS_C_CONF_FLAG
        | CtxFlags::GSS_C_INTEG_FLAG;
    let (mut context, token) = login.context(&format!("ldap/{controller}"), flags).await?;
    let not_sealed = || Error::NotSealed { controller: controller.to_owned() };
    let kerberos = |error| login.error(DOING, error);

    let answer = ask(controller, &mut stream, 1, Some(&token)).await?;
    let answer = answer.in_progress(not_sealed)?;
    context.step(Some(&answer), None).map_err(kerberos)?;
    // Both sides are proven, and can seal, before anything else is said.
    let needed = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_CONF_FLAG;
    if !context.is_complete() || !context.flags().map_err(kerberos)?.contains(needed) {
        return Err(not_sealed().into());
    }
    let answer = ask(controller, &mut stream, 2, None).await?;
    let offered = context.unwrap(&answer.in_progress(not_sealed)?).map_err(kerberos)?;
    let [layers, a, b, c] = <[u8; 4]>::try_from(&offered[..]).map_err(|_| not_sealed())?;
    let frame_bytes = u32::from_be_bytes([0, a, b, c]) as usize;
    if layers & LAYER_SEALED == 0 || frame_bytes <= OVERHEAD_BYTES {
        return Err(not_sealed().into());
    }
    let [_, a, b, c] = (FRAME_BYTES_MAX as u32).to_be_bytes();
    let chosen = context.wrap(false, &[LAYER_SEALED, a, b, c]).map_err(kerberos)?;
    let answer = ask(controller, &mut stream, 3, Some(&chosen)).await?;
    if answer.result != RESULT_SUCCESS {
        return Err(Refused::Answered(answer));
    }

    let broke = |error: std::io::Error| Error::BrokeOff {
        controller: controller.to_owned(),
        doing: DOING,
        detail: error.to_string(),
    };
    let (inner, outer) = UnixStream::pair().map_err(broke)?;
    let (from_client, to_client) = inner.into_split();
    let (from_server, to_server) = stream.into_split();
    let context = Arc::new(Mutex::new(context));
    let chunk_bytes = CHUNK_BYTES_MAX.min(frame_bytes - OVERHEAD_BYTES);
    // Each ends with its reading side, and tells its writing side so.
    tokio::spawn(seal(Arc::clone(&context), from_client, to_server, chunk_bytes));
    tokio::spawn(unseal(context, from_server, to_client));
    Ok(outer.into_std().map_err(broke)?)
}

impl Answer {
    /// The token of an answer that goes on.
    fn in_progress(self, not_sealed: impl Fn() -> Error) -> Result<Vec<u8>, Refused> {
        match self.result {
            RESULT_IN_PROGRESS => Ok(self.token),
            // Success before there is a layer: whoever it is, nothing is said to him.
            RESULT_SUCCESS => Err(not_sealed().into()),
            _ => Err(Refused::Answered(self)),
        }
    }
}

/// One bind request and its answer, in clear.
async fn ask(controller: &str, stream: &mut TcpStream, id: u8, token: Option<&[u8]>) -> Result<Answer, Error> {
    let broke = |error: std::io::Error| Error::BrokeOff {
        controller: controller.to_owned(),
        doing: DOING,
        detail: error.to_string(),
    };
    let malformed = || Error::Malformed {
        controller: controller.to_owned(),
        doing: DOING,
        detail: "not the answer to a bind".to_owned(),
    };
    let token = token.map(|token| tagged(4, token)).unwrap_or_default();
    let mechanism = tagged(0xa3, &[tagged(4, b"GSSAPI"), token].concat());
    let bind = [vec![2, 1, 3], tagged(4, b""), mechanism].concat();
    let message = tagged(0x30, &[vec![2, 1, id], tagged(0x60, &bind)].concat());
    stream.write_all(&message).await.map_err(broke)?;

    let mut bytes = Vec::new();
    loop {
        let whole = header(&bytes).map(|(header, contents)| header.saturating_add(contents));
        if whole.is_some_and(|whole| whole <= bytes.len()) {
            break;
        }
        // Six bytes are a header of any kind.
        let is_none = bytes.first().is_some_and(|tag| *tag != 0x30) || (whole.is_none() && bytes.len() >= 6);
        if is_none || whole.is_some_and(|whole| whole > ANSWER_BYTES_MAX) {
            return Err(malformed());
        }
        if stream.read_buf(&mut bytes).await.map_err(broke)? == 0 {
            return Err(broke(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
    answer(&bytes, id).ok_or_else(malformed)
}

/// LDAPMessage with a bindResponse.
fn answer(bytes: &[u8], id: u8) -> Option<Answer> {
    let (message, _) = element(bytes, 0x30)?;
    let (number, rest) = element(message, 2)?;
    if number != [id] {
        return None;
    }
    let (response, _) = element(rest, 0x61)?;
    let (result, rest) = element(response, 10)?;
    let (_, rest) = element(rest, 4)?;
    let (text, rest) = element(rest, 4)?;
    // Referrals may stand before the token.
    let rest = element(rest, 0xa3).map_or(rest, |(_, rest)| rest);
    let token = element(rest, 0x87).map(|(token, _)| token.to_vec()).unwrap_or_default();
    let result = result.iter().fold(0, |result, byte| result << 8 | u32::from(*byte));
    Some(Answer { result, text: String::from_utf8_lossy(text).into_owned(), token })
}

fn lock(context: &Mutex<ClientCtx>) -> std::sync::MutexGuard<'_, ClientCtx> {
    context.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn seal(
    context: Arc<Mutex<ClientCtx>>,
    mut from: unix::OwnedReadHalf,
    mut to: OwnedWriteHalf,
    chunk_bytes: usize,
) -> Option<()> {
    let mut clear = zeroize::Zeroizing::new(vec![0; chunk_bytes]);
    loop {
        let count = from.read(&mut clear).await.ok().filter(|count| *count > 0)?;
        let frame = {
            let sealed = lock(&context).wrap(true, clear.get(..count)?).ok()?;
            [&u32::try_from(sealed.len()).ok()?.to_be_bytes()[..], &sealed].concat()
        };
        to.write_all(&frame).await.ok()?;
    }
}

async fn unseal(context: Arc<Mutex<ClientCtx>>, mut from: OwnedReadHalf, mut to: unix::OwnedWriteHalf) -> Option<()> {
    loop {
        let length = from.read_u32().await.ok().and_then(|length| usize::try_from(length).ok());
        let length = length.filter(|length| *length <= FRAME_BYTES_MAX)?;
        // Grown as it comes, so that a length that lies takes no memory.
        let mut frame = Vec::new();
        (&mut from).take(length as u64).read_to_end(&mut frame).await.ok().filter(|count| *count == length)?;
        if !is_sealed(&frame) {
            return None;
        }
        let clear = {
            let clear = lock(&context).unwrap(&frame).ok()?;
            zeroize::Zeroizing::new(clear.to_vec())
        };
        to.write_all(&clear).await.ok()?;
    }
}

/// Whether a frame is sealed, not only signed: the flag of RFC 4121 4.2.6.2. Frames of the older kinds of key have
/// another form.
fn is_sealed(frame: &[u8]) -> bool {
    match frame {
        [5, 4, flags, ..] => flags & 2 != 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_a_bind_are_read() {
        let inner = [vec![10, 1, 14], tagged(4, b"DC=a"), tagged(4, b"why"), tagged(0xa3, b""), tagged(0x87, b"token")];
        let message = tagged(0x30, &[vec![2, 1, 2], tagged(0x61, &inner.concat())].concat());
        let read = answer(&message, 2).unwrap();
        assert_eq!((read.result, read.text.as_str(), read.token.as_slice()), (14, "why", &b"token"[..]));
        assert!(answer(&message, 1).is_none());
        for end in 0..message.len() {
            assert!(answer(&message[..end], 2).is_none(), "{end}");
        }
    }

    #[test]
    fn a_frame_that_is_only_signed_is_not_taken() {
        assert!(is_sealed(&[5, 4, 3, 0xff]));
        assert!(!is_sealed(&[5, 4, 1, 0xff]));
    }
}

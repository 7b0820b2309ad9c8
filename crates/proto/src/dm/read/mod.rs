//! The reader: one pass over the tokens, borrowing from the text; tolerant where real peers are odd
//! (protocols.md 1.2), closed to document types, entities and anything over a limit.

mod parts;
mod token;

use super::fault::{Fault, Limits, ReadError};
use super::message::{Header, Message};
use token::{Tokens, local};

/// How much oddity is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A message of a peer: the root is `SyncML` and there is a header.
    Wire,
    /// A policy document written by a person: `SyncMl`, `CmdId`, no header and a `<Final/>` that is
    /// escaped are taken too, as the published LAPS examples have them (laps-behaviour.md 1.6).
    Import,
}

/// Reads one document. What a command lacks is left for its status (400, 412); what makes the whole
/// message useless is an error with a stable code, the byte and what was expected.
pub fn read<'a>(bytes: &'a [u8], mode: Mode, limits: &Limits) -> Result<Message<'a>, ReadError> {
    if bytes.len() > limits.message_bytes {
        let fault = Fault::Limit { limit: "message_bytes", max: limits.message_bytes };
        return Err(ReadError { offset: to_u64(limits.message_bytes), fault });
    }
    let text = core::str::from_utf8(bytes)
        .map_err(|e| ReadError { offset: to_u64(e.valid_up_to()), fault: Fault::Encoding })?;
    let mut tokens = Tokens::new(text, *limits);
    document(&mut tokens, mode).map_err(|fault| ReadError { offset: tokens.offset(), fault })
}

fn to_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn document<'a>(tokens: &mut Tokens<'a>, mode: Mode) -> Result<Message<'a>, Fault> {
    const ROOT: Fault = Fault::NotSyncMl { expected: "the root element SyncML" };
    let root = tokens.root()?;
    let name = local(&root);
    if !(name == "SyncML" || (mode == Mode::Import && name == "SyncMl")) {
        return Err(ROOT);
    }
    token::check_namespace(&root)?;

    let mut header = None;
    let mut body = None;
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "SyncHdr" => header = Some(parts::header(tokens)?),
            "SyncBody" if body.is_some() => {
                return Err(Fault::NotSyncMl { expected: "one SyncBody" });
            }
            "SyncBody" => body = Some(parts::body(tokens, mode)?),
            _ => tokens.skip()?,
        }
    }
    tokens.end()?;

    let header = match (header, mode) {
        (Some(header), _) => header,
        (None, Mode::Import) => Header::default(),
        (None, Mode::Wire) => {
            return Err(Fault::Missing { element: "SyncHdr", parent: "SyncML" });
        }
    };
    let (commands, is_final) = body.ok_or(Fault::Missing { element: "SyncBody", parent: "SyncML" })?;
    Ok(Message { header, commands, is_final })
}

#[cfg(test)]
mod tests;

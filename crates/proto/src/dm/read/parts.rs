//! The parts of a message, each from its open start tag to its end.

use super::super::fault::Fault;
use super::super::message::{
    Alert, Chal, Command, Cred, Group, GroupKind, Header, Item, Meta, Request, Results, Status, Text, Verb,
};
use super::Mode;
use super::token::{Tokens, local, original_error};
use std::borrow::Cow;

type Parsed<T> = Result<T, Fault>;

/// `SessionID` is opaque text of at most this many characters (protocols.md 1.3).
const SESSION_ID_CHARS: usize = 64;

pub(super) fn header<'a>(tokens: &mut Tokens<'a>) -> Parsed<Header<'a>> {
    let mut header = Header { msg_id: 0, ..Header::default() };
    let (mut session_id, mut dtd, mut proto) = (None, None, None);
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "VerDTD" => dtd = Some(tokens.text()?),
            "VerProto" => proto = Some(tokens.text()?),
            "SessionID" => session_id = Some(tokens.text()?),
            "MsgID" => {
                header.msg_id = number(&tokens.text()?)
                    .filter(|n| *n > 0)
                    .ok_or(Fault::Value { element: "MsgID", expected: "a whole number from 1 to 4294967295" })?;
            }
            "Target" => header.target = address(tokens)?.unwrap_or_default(),
            "Source" => header.source = address(tokens)?.unwrap_or_default(),
            "Cred" => header.cred = Some(Box::new(cred(tokens)?)),
            "Meta" => meta(tokens, &mut header.meta)?,
            _ => tokens.skip()?,
        }
    }
    let session_id = session_id.ok_or(Fault::Missing { element: "SessionID", parent: "SyncHdr" })?;
    if session_id.is_empty() || session_id.chars().count() > SESSION_ID_CHARS {
        return Err(Fault::Value { element: "SessionID", expected: "1 to 64 characters" });
    }
    if header.msg_id == 0 {
        return Err(Fault::Missing { element: "MsgID", parent: "SyncHdr" });
    }
    header.session_id = session_id;
    header.ver_dtd = dtd.ok_or(Fault::Missing { element: "VerDTD", parent: "SyncHdr" })?;
    header.ver_proto = proto.ok_or(Fault::Missing { element: "VerProto", parent: "SyncHdr" })?;
    Ok(header)
}

/// The commands of `SyncBody`, and whether `Final` was there.
pub(super) fn body<'a>(tokens: &mut Tokens<'a>, mode: Mode) -> Parsed<(Vec<Command<'a>>, bool)> {
    let mut commands = Vec::with_capacity(16);
    let mut is_final = false;
    loop {
        let child = tokens.child_or_text(|text| match mode {
            // The published examples end with an escaped element (laps-behaviour.md 1.6).
            Mode::Import if text == "<Final/>" => {
                is_final = true;
                Ok(())
            }
            _ => Err(Fault::Xml { expected: "elements only, no text between them" }),
        })?;
        let Some(child) = child else {
            return Ok((commands, is_final));
        };
        match local(&child) {
            "Final" => {
                tokens.skip()?;
                is_final = true;
            }
            name => commands.push(command(tokens, name, mode)?),
        }
    }
}

fn command<'a>(tokens: &mut Tokens<'a>, name: &str, mode: Mode) -> Parsed<Command<'a>> {
    tokens.count_command()?;
    match name {
        "Replace" => request(tokens, Verb::Replace, mode),
        "Get" => request(tokens, Verb::Get, mode),
        "Status" => status(tokens, mode),
        "Add" => request(tokens, Verb::Add, mode),
        "Delete" => request(tokens, Verb::Delete, mode),
        "Exec" => request(tokens, Verb::Exec, mode),
        "Results" => results(tokens, mode),
        "Alert" => alert(tokens, mode),
        "Atomic" => group(tokens, GroupKind::Atomic, mode),
        "Sequence" => group(tokens, GroupKind::Sequence, mode),
        _ => unknown(tokens, name, mode),
    }
}

fn is_cmd_id(name: &str, mode: Mode) -> bool {
    name == "CmdID" || (mode == Mode::Import && name == "CmdId")
}

fn request<'a>(tokens: &mut Tokens<'a>, verb: Verb, mode: Mode) -> Parsed<Command<'a>> {
    let mut request = Request { verb, id: Cow::Borrowed(""), meta: Meta::default(), items: Vec::new() };
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Item" => {
                if request.items.is_empty() {
                    request.items.reserve_exact(1);
                }
                request.items.push(item(tokens)?);
            }
            "Meta" => meta(tokens, &mut request.meta)?,
            name if is_cmd_id(name, mode) => request.id = tokens.text()?,
            _ => tokens.skip()?,
        }
    }
    Ok(Command::Request(request))
}

fn alert<'a>(tokens: &mut Tokens<'a>, mode: Mode) -> Parsed<Command<'a>> {
    let mut alert = Alert::default();
    let mut code = None;
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Data" => code = number(&tokens.text()?),
            "Item" => alert.items.push(item(tokens)?),
            name if is_cmd_id(name, mode) => alert.id = tokens.text()?,
            _ => tokens.skip()?,
        }
    }
    Ok(match code {
        Some(code) => Command::Alert(Alert { code, ..alert }),
        None => Command::Unknown { name: Cow::Borrowed("Alert"), id: alert.id },
    })
}

fn group<'a>(tokens: &mut Tokens<'a>, kind: GroupKind, mode: Mode) -> Parsed<Command<'a>> {
    let mut group = Group { kind, id: Cow::Borrowed(""), meta: Meta::default(), commands: Vec::new() };
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Meta" => meta(tokens, &mut group.meta)?,
            name if is_cmd_id(name, mode) => group.id = tokens.text()?,
            // Recursion is bounded by the depth limit.
            name => group.commands.push(command(tokens, name, mode)?),
        }
    }
    Ok(Command::Group(group))
}

fn status<'a>(tokens: &mut Tokens<'a>, mode: Mode) -> Parsed<Command<'a>> {
    let mut status = Status::default();
    let (mut msg_ref, mut code) = (None, None);
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "MsgRef" => msg_ref = number(&tokens.text()?),
            "CmdRef" => status.cmd_ref = tokens.text()?,
            "Cmd" => status.cmd = tokens.text()?,
            "TargetRef" => status.target_refs.push(tokens.text()?),
            "SourceRef" => status.source_refs.push(tokens.text()?),
            "Chal" => status.chal = Some(Box::new(chal(tokens)?)),
            "Data" => {
                status.original_error = original_error(&child)?;
                code = number(&tokens.text()?);
            }
            "Item" => status.items.push(item(tokens)?),
            name if is_cmd_id(name, mode) => status.id = tokens.text()?,
            _ => tokens.skip()?,
        }
    }
    Ok(match (msg_ref, code) {
        (Some(msg_ref), Some(code)) => Command::Status(Status { msg_ref, code, ..status }),
        _ => Command::Unknown { name: Cow::Borrowed("Status"), id: status.id },
    })
}

fn results<'a>(tokens: &mut Tokens<'a>, mode: Mode) -> Parsed<Command<'a>> {
    let mut results = Results::default();
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "MsgRef" => results.msg_ref = number(&tokens.text()?),
            "CmdRef" => results.cmd_ref = tokens.text()?,
            "Meta" => meta(tokens, &mut results.meta)?,
            "TargetRef" => results.target_ref = Some(tokens.text()?),
            "SourceRef" => results.source_ref = Some(tokens.text()?),
            "Item" => results.items.push(item(tokens)?),
            name if is_cmd_id(name, mode) => results.id = tokens.text()?,
            _ => tokens.skip()?,
        }
    }
    Ok(Command::Results(results))
}

fn unknown<'a>(tokens: &mut Tokens<'a>, name: &str, mode: Mode) -> Parsed<Command<'a>> {
    // The name comes back in the answer's Cmd: short and plain, or not at all.
    let plain = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    let name = Cow::Owned(if plain { name } else { "Unknown" }.to_owned());
    let mut id = Cow::Borrowed("");
    // Text directly inside does not matter: the element is refused anyway.
    while let Some(child) = tokens.child_or_text(|_| Ok(()))? {
        if is_cmd_id(local(&child), mode) { id = tokens.text()? } else { tokens.skip()? }
    }
    Ok(Command::Unknown { name, id })
}

fn item<'a>(tokens: &mut Tokens<'a>) -> Parsed<Item<'a>> {
    tokens.count_item()?;
    let mut item = Item::default();
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Target" => item.target = address(tokens)?,
            "Source" => item.source = address(tokens)?,
            "Meta" => meta(tokens, &mut item.meta)?,
            "Data" => item.data = Some(tokens.data()?),
            "MoreData" => {
                tokens.skip()?;
                item.more_data = true;
            }
            // Beside Meta instead of in it: MS-MDM's own sample of a synctype alert.
            "Type" if item.meta.kind.is_none() => item.meta.kind = Some(tokens.text()?),
            "Format" if item.meta.format.is_none() => item.meta.format = Some(tokens.text()?),
            _ => tokens.skip()?,
        }
    }
    Ok(item)
}

/// The `LocURI` of `Target` or `Source`.
fn address<'a>(tokens: &mut Tokens<'a>) -> Parsed<Option<Text<'a>>> {
    let mut uri = None;
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "LocURI" => uri = Some(tokens.text()?),
            _ => tokens.skip()?,
        }
    }
    Ok(uri)
}

fn meta<'a>(tokens: &mut Tokens<'a>, meta: &mut Meta<'a>) -> Parsed<()> {
    const BYTES: &str = "a whole number of bytes";
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Format" => meta.format = Some(tokens.text()?),
            "Type" => meta.kind = Some(tokens.text()?),
            "Mark" => meta.mark = Some(tokens.text()?),
            "NextNonce" => meta.next_nonce = Some(tokens.text()?),
            "Size" => {
                meta.size = Some(number(&tokens.text()?).ok_or(Fault::Value { element: "Size", expected: BYTES })?);
            }
            "MaxMsgSize" => {
                meta.max_msg_size =
                    Some(number(&tokens.text()?).ok_or(Fault::Value { element: "MaxMsgSize", expected: BYTES })?);
            }
            "MaxObjSize" => {
                meta.max_obj_size =
                    Some(number(&tokens.text()?).ok_or(Fault::Value { element: "MaxObjSize", expected: BYTES })?);
            }
            _ => tokens.skip()?,
        }
    }
    Ok(())
}

fn cred<'a>(tokens: &mut Tokens<'a>) -> Parsed<Cred<'a>> {
    let mut cred = Cred::default();
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Meta" => meta(tokens, &mut cred.meta)?,
            "Data" => cred.data = tokens.text()?,
            _ => tokens.skip()?,
        }
    }
    Ok(cred)
}

fn chal<'a>(tokens: &mut Tokens<'a>) -> Parsed<Chal<'a>> {
    let mut chal = Chal::default();
    while let Some(child) = tokens.child()? {
        match local(&child) {
            "Meta" => meta(tokens, &mut chal.meta)?,
            _ => tokens.skip()?,
        }
    }
    Ok(chal)
}

fn number<T: core::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

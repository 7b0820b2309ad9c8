//! Commands that wait to be sent: numbering, filling a message up to the peer's size, chunks.

use super::message::{Command, Item};
use super::object;
use super::write::encoded_len;
use std::borrow::Cow;
use std::collections::VecDeque;

/// Bytes kept free in each message for header, body and the element names around a chunk.
const FRAME_BYTES: usize = 1024;
/// Bytes of a `CmdID`, which a command gets only when it is moved.
const CMD_ID_BYTES: usize = 27;
/// The least bytes of data in a chunk, whatever the peer says of its sizes.
const CHUNK_BYTES_MIN: usize = 64;

/// Gives the `CmdID`s of one message, from 1.
#[derive(Debug, Default)]
pub(super) struct Ids(u32);

impl Ids {
    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }
    pub(super) fn next_text(&mut self) -> Cow<'static, str> {
        Cow::Owned(self.next().to_string())
    }
}

/// A command that was put into a message: its `CmdID` and, when it was queued with one, its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) cmd_id: u32,
    pub(super) ticket: u32,
}

#[derive(Debug)]
struct Entry {
    command: Command<'static>,
    ticket: Option<u32>,
    begun: bool,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Entry>,
}

impl Outbox {
    /// Queues a command; its commands inside have the tickets after `ticket`, in document order.
    pub(super) fn push(&mut self, command: Command<'static>, ticket: Option<u32>) {
        self.waiting.push_back(Entry { command, ticket, begun: false });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A chunk went out and the rest of its object waits.
    pub(super) fn is_inside_object(&self) -> bool {
        self.waiting.front().is_some_and(|entry| entry.begun)
    }

    /// Gives up the rest of the object of which a chunk went out.
    pub(super) fn drop_object(&mut self) {
        if self.is_inside_object() {
            self.waiting.pop_front();
        }
    }

    /// Moves commands into a message while they fit into what is left of `message_bytes`.
    pub(super) fn fill(
        &mut self,
        commands: &mut Vec<Command<'static>>,
        ids: &mut Ids,
        message_bytes: usize,
        sent: &mut Vec<Sent>,
    ) {
        let used: usize = commands.iter().map(encoded_len).sum();
        let mut room = message_bytes.saturating_sub(FRAME_BYTES).saturating_sub(used);
        let mut moved = false;
        while let Some(entry) = self.waiting.front_mut() {
            let length = encoded_len(&entry.command)
                .saturating_add(CMD_ID_BYTES.saturating_mul(to_usize(count(&entry.command))));
            if length > room {
                let bytes = room.saturating_sub(FRAME_BYTES).max(CHUNK_BYTES_MIN);
                if !moved && let Some(chunk) = split(&mut entry.command, bytes, !entry.begun) {
                    entry.begun = true;
                    let ticket = entry.ticket;
                    commands.push(numbered(chunk, ids, ticket, sent));
                    return;
                }
                if moved {
                    return;
                }
            }
            let Some(entry) = self.waiting.pop_front() else {
                return;
            };
            commands.push(numbered(entry.command, ids, entry.ticket, sent));
            room = room.saturating_sub(length);
            moved = true;
        }
    }
}

/// Cuts the first chunk off a command with one item; the command keeps the rest.
fn split(command: &mut Command<'static>, bytes: usize, first: bool) -> Option<Command<'static>> {
    let cut = |items: &mut Vec<Item<'static>>| {
        let [item] = items.as_mut_slice() else {
            return None;
        };
        let (chunk, rest) = object::split(item, bytes, first)?;
        *item = rest;
        Some(vec![chunk])
    };
    match command {
        Command::Request(request) => {
            let items = cut(&mut request.items)?;
            Some(Command::Request(super::Request {
                items,
                meta: request.meta.clone(),
                id: Cow::Borrowed(""),
                verb: request.verb,
            }))
        }
        Command::Results(results) => {
            let items = cut(&mut results.items)?;
            Some(Command::Results(super::Results { items, ..results.clone() }))
        }
        _ => None,
    }
}

fn numbered(
    mut command: Command<'static>,
    ids: &mut Ids,
    ticket: Option<u32>,
    sent: &mut Vec<Sent>,
) -> Command<'static> {
    let mut next = ticket;
    number(&mut command, ids, &mut next, sent);
    command
}

fn number(command: &mut Command<'static>, ids: &mut Ids, ticket: &mut Option<u32>, sent: &mut Vec<Sent>) {
    let cmd_id = ids.next();
    command.set_id(Cow::Owned(cmd_id.to_string()));
    if let Some(ticket) = ticket {
        sent.push(Sent { cmd_id, ticket: *ticket });
        *ticket = ticket.saturating_add(1);
    }
    if let Command::Group(group) = command {
        group.commands.iter_mut().for_each(|inner| number(inner, ids, ticket, sent));
    }
}

/// How many commands there are in one, itself included.
pub(super) fn count(command: &Command<'_>) -> u32 {
    match command {
        Command::Group(group) => group.commands.iter().map(count).fold(1, u32::saturating_add),
        _ => 1,
    }
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

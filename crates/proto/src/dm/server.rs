//! The server's side of a session: package 1 in, statuses and queued commands out, answers in, end
//! (OMA-TS-DM_Protocol 1.2, 8; protocols.md 1.4).
//!
//! The caller keys sessions by the device's identity (its certificate) and the `SessionID`; nothing in a
//! message says who the device is.

use super::message::{Alert, Command, Header, Item, Message, Meta, Request, Results, Status, Verb};
use super::object::{Assembler, Taken};
use super::outbox::{Ids, Outbox, Sent, count};
use super::session::{Arrival, Progress, SessionError, SessionLimits};
use super::{alert, code};
use laps::time::Timestamp;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A queued command. Tickets count up in the order of queueing; inside a group the group comes first, then
/// what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u32);

impl Ticket {
    /// The ticket `n` places after this one, for the commands inside a group that was queued: the first
    /// has `n` = 1.
    pub const fn plus(self, n: u32) -> Self {
        Self(self.0.saturating_add(n))
    }
}

/// A command's status, as the device reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which command.
    pub ticket: Ticket,
    /// The status code, see [`super::code`].
    pub status: u16,
    /// The HRESULT behind it, as text, when the device gave one.
    pub original_error: Option<String>,
}

/// A node that a `Get` read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which command.
    pub ticket: Ticket,
    /// The node.
    pub uri: String,
    /// Format, when the device gave one.
    pub format: Option<String>,
    /// The value; empty when there was none.
    pub data: String,
}

/// An alert of the device that is not part of the protocol itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The alert code: 1200, 1201, 1224, 1226, …
    pub code: u16,
    /// Type of its first item: what the alert is about.
    pub kind: Option<String>,
    /// Source of its first item.
    pub source: Option<String>,
    /// Data of its first item.
    pub data: Option<String>,
}

/// What one message of the device said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Received {
    /// The same message came before; [`ServerSession::reply`] repeats its answer, nothing else happens.
    pub is_repeat: bool,
    /// `./DevInfo` and other leaves that the device sent with `Replace`: (URI, value).
    pub device_info: Vec<(String, String)>,
    /// Alerts, in order.
    pub notices: Vec<Notice>,
    /// Statuses of queued commands.
    pub outcomes: Vec<Outcome>,
    /// Results of queued `Get`s.
    pub readings: Vec<Reading>,
    /// The package ends with this message: the time to queue commands.
    pub is_final: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// The next reply is the last one.
    Closing,
    Ended,
}

/// One session with one device.
#[derive(Debug)]
pub struct ServerSession {
    limits: SessionLimits,
    server_uri: String,
    device_uri: String,
    progress: Progress,
    phase: Phase,
    outbox: Outbox,
    next_ticket: u32,
    /// (MsgID, CmdID) of what was sent and not answered.
    outstanding: BTreeMap<(u32, u32), Ticket>,
    /// (MsgID, CmdID) of the `Get`s that succeeded: their results follow.
    reads: BTreeMap<(u32, u32), Ticket>,
    assembler: Assembler,
    peer_message_bytes: usize,
    /// What the last message asks for; taken by `reply`.
    due: Vec<Command<'static>>,
    package_ended: bool,
    last_reply: Option<Message<'static>>,
}

impl ServerSession {
    /// Opens a session for a device's first message. `server_uri` is the server's own address.
    pub fn open(server_uri: &str, first: &Header<'_>, limits: SessionLimits, now: Timestamp) -> Self {
        Self {
            server_uri: server_uri.to_owned(),
            device_uri: first.source.clone().into_owned(),
            progress: Progress::new(first.session_id.clone().into_owned(), now),
            phase: Phase::Open,
            outbox: Outbox::default(),
            next_ticket: 0,
            outstanding: BTreeMap::new(),
            reads: BTreeMap::new(),
            assembler: Assembler::new(limits.object_bytes),
            peer_message_bytes: limits.message_bytes,
            due: Vec::new(),
            package_ended: false,
            last_reply: None,
            limits,
        }
    }

    /// Nothing more will be sent or taken.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    /// Commands that are queued now will be sent: neither side has ended the session.
    pub fn takes_commands(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Queues a command for the next reply that has room; `CmdID`s are given by the session.
    pub fn queue(&mut self, command: Command<'static>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(count(&command));
        self.outbox.push(command, Some(ticket.0));
        ticket
    }

    /// Commands that were sent and that the device has not answered yet.
    pub fn unanswered(&self) -> impl Iterator<Item = Ticket> {
        self.outstanding.values().copied()
    }

    /// Takes a message of the device. Then the caller queues what it wants and calls [`Self::reply`].
    pub fn receive(&mut self, message: &Message<'_>, now: Timestamp) -> Result<Received, SessionError> {
        if self.phase == Phase::Ended && message.header.msg_id > self.progress.last_msg_id() {
            return Err(SessionError::Ended);
        }
        if self.progress.arrive(&message.header, now, &self.limits)? == Arrival::Repeat {
            return Ok(Received { is_repeat: true, ..Received::default() });
        }
        self.last_reply = None;
        self.due.clear();
        self.package_ended = message.is_final;
        if let Some(bytes) = message.header.meta.max_msg_size.and_then(|n| usize::try_from(n).ok()) {
            self.peer_message_bytes = bytes.min(self.limits.message_bytes);
        }
        let header = &message.header;
        let mut received = Received { is_final: message.is_final, ..Received::default() };
        let status = if header.ver_dtd != Header::VER_DTD {
            code::DTD_UNSUPPORTED
        } else if header.ver_proto != Header::VER_PROTO {
            code::PROTOCOL_UNSUPPORTED
        } else {
            code::OK
        };
        self.due.push(Command::Status(Status {
            msg_ref: header.msg_id,
            cmd_ref: Cow::Borrowed("0"),
            cmd: Cow::Borrowed("SyncHdr"),
            target_refs: owned_ref(&header.target),
            source_refs: owned_ref(&header.source),
            code: status,
            ..Status::default()
        }));
        if status != code::OK {
            self.phase = Phase::Closing;
            return Ok(received);
        }
        for command in &message.commands {
            self.take(command, header.msg_id, &mut received);
        }
        Ok(received)
    }

    /// The answer to the last message: its statuses, and as many queued commands as fit. When there is
    /// nothing left to say the session ends with it.
    pub fn reply(&mut self) -> Message<'static> {
        if let Some(reply) = &self.last_reply {
            return reply.clone();
        }
        let msg_id = self.progress.last_msg_id();
        let mut ids = Ids::default();
        let mut commands = core::mem::take(&mut self.due);
        for command in &mut commands {
            command.set_id(ids.next_text());
        }
        if self.phase == Phase::Open {
            let mut sent = Vec::new();
            if self.package_ended || self.outbox.is_inside_object() {
                self.outbox.fill(&mut commands, &mut ids, self.peer_message_bytes, &mut sent);
                if sent.is_empty() && self.outbox.is_empty() {
                    self.phase = Phase::Closing;
                }
            } else {
                // The package goes on: ask for its next message and say nothing of our own.
                commands.push(Command::Alert(Alert {
                    id: ids.next_text(),
                    code: alert::NEXT_MESSAGE,
                    items: Vec::new(),
                }));
            }
            self.outstanding.extend(sent.into_iter().map(|Sent { cmd_id, ticket }| ((msg_id, cmd_id), Ticket(ticket))));
        }
        if self.phase == Phase::Closing {
            self.phase = Phase::Ended;
        }
        let size = |n: usize| u64::try_from(n).ok();
        let header = Header {
            session_id: Cow::Owned(self.progress.session_id.clone()),
            // One to one with the device's messages, so the device's number is the server's own count;
            // clients compute MsgRef from that (protocols.md 1.3).
            msg_id,
            target: Cow::Owned(self.device_uri.clone()),
            source: Cow::Owned(self.server_uri.clone()),
            meta: Meta {
                max_msg_size: size(self.limits.message_bytes),
                max_obj_size: size(self.limits.object_bytes),
                ..Meta::default()
            },
            ..Header::default()
        };
        let reply = Message { header, commands, is_final: !self.outbox.is_inside_object() };
        self.last_reply = Some(reply.clone());
        reply
    }

    fn take(&mut self, command: &Command<'_>, msg_ref: u32, received: &mut Received) {
        match command {
            Command::Status(status) => self.take_status(status, received),
            Command::Results(results) => self.take_results(results, msg_ref, received),
            Command::Alert(alert) => {
                self.take_alert(alert, received);
                self.answer(command, msg_ref, code::OK);
            }
            // Only device information comes this way; items name their node by Source.
            Command::Request(Request { verb: Verb::Replace, id, items, .. }) if !id.is_empty() => {
                let mut status = code::OK;
                for item in items {
                    match self.assemble(item) {
                        Ok(Some(item)) => received.device_info.extend(leaf(&item)),
                        Ok(None) => status = code::CHUNK_BUFFERED,
                        Err(refused) => status = refused,
                    }
                }
                self.answer(command, msg_ref, status);
            }
            // A Status or Results that cannot be understood has no answer either.
            Command::Unknown { name, .. } if name == "Status" || name == "Results" => {}
            Command::Unknown { .. } => self.answer(command, msg_ref, code::BAD_REQUEST),
            Command::Request(request) if request.id.is_empty() => {
                self.answer(command, msg_ref, code::BAD_REQUEST);
            }
            Command::Request(_) | Command::Group(_) => {
                self.answer(command, msg_ref, code::NOT_IMPLEMENTED);
            }
        }
    }

    fn take_status(&mut self, status: &Status<'_>, received: &mut Received) {
        let Ok(cmd_ref) = status.cmd_ref.parse::<u32>() else {
            return;
        };
        let key = (status.msg_ref, cmd_ref);
        if status.code == code::CHUNK_BUFFERED {
            // A chunk of an object that goes on: the last one decides.
            self.outstanding.remove(&key);
            return;
        }
        let Some(ticket) = self.outstanding.remove(&key) else {
            return;
        };
        if self.outbox.is_inside_object() && status.code >= 300 {
            self.outbox.drop_object();
        }
        received.outcomes.push(Outcome {
            ticket,
            status: status.code,
            original_error: status.original_error.as_deref().map(str::to_owned),
        });
        if status.code < 300 {
            self.reads.insert(key, ticket);
        }
    }

    fn take_results(&mut self, results: &Results<'_>, msg_ref: u32, received: &mut Received) {
        let Ok(cmd_ref) = results.cmd_ref.parse::<u32>() else {
            return;
        };
        let key = (results.msg_ref.unwrap_or(1), cmd_ref);
        let Some(ticket) = self.reads.get(&key).or_else(|| self.outstanding.get(&key)).copied() else {
            return;
        };
        for item in &results.items {
            let status = match self.assemble(item) {
                Ok(Some(item)) => {
                    received.readings.push(Reading {
                        ticket,
                        uri: uri_of(&item),
                        format: item.meta.format.as_deref().or(results.meta.format.as_deref()).map(str::to_owned),
                        data: item.data.as_deref().unwrap_or_default().to_owned(),
                    });
                    continue;
                }
                Ok(None) => code::CHUNK_BUFFERED,
                Err(refused) => refused,
            };
            // Results have no status of their own, their chunks do (protocols.md 1.7).
            self.due.push(Command::Status(Status {
                msg_ref,
                cmd_ref: Cow::Owned(results.id.clone().into_owned()),
                cmd: Cow::Borrowed("Results"),
                code: status,
                ..Status::default()
            }));
        }
    }

    fn take_alert(&mut self, alert: &Alert<'_>, received: &mut Received) {
        match alert.code {
            alert::NEXT_MESSAGE => {}
            alert::SESSION_ABORT => self.phase = Phase::Closing,
            alert::NO_END_OF_DATA => self.outbox.drop_object(),
            code => {
                let item = alert.items.first();
                let own = |text: Option<&Cow<'_, str>>| text.map(|text| text.clone().into_owned());
                received.notices.push(Notice {
                    code,
                    kind: own(item.and_then(|item| item.meta.kind.as_ref())),
                    source: own(item.and_then(|item| item.source.as_ref())),
                    data: own(item.and_then(|item| item.data.as_ref())),
                });
            }
        }
    }

    /// The item itself, a whole object, nothing yet (a chunk), or the status that refuses it.
    fn assemble<'i>(&mut self, item: &'i Item<'i>) -> Result<Option<Cow<'i, Item<'i>>>, u16> {
        if let Some(uri) = self.assembler.interrupted_by(item) {
            self.due.push(Command::Alert(no_end(uri)));
        }
        match self.assembler.take(item) {
            Taken::Whole => Ok(Some(Cow::Borrowed(item))),
            Taken::Complete(item) => Ok(Some(Cow::Owned(*item))),
            Taken::Buffered => Ok(None),
            Taken::Refused(status) => Err(status),
        }
    }

    fn answer(&mut self, command: &Command<'_>, msg_ref: u32, status: u16) {
        self.due.push(Command::Status(Status {
            msg_ref,
            cmd_ref: Cow::Owned(command.id().to_owned()),
            cmd: Cow::Owned(command.name().to_owned()),
            code: status,
            ..Status::default()
        }));
    }
}

/// Alert 1225: the object at `uri` was given up because another one began.
pub(super) fn no_end(uri: String) -> Alert<'static> {
    let item = Item { source: Some(Cow::Owned(uri)), ..Item::default() };
    Alert { id: Cow::Borrowed(""), code: alert::NO_END_OF_DATA, items: vec![item] }
}

pub(super) fn owned_ref(uri: &str) -> Vec<Cow<'static, str>> {
    if uri.is_empty() { Vec::new() } else { vec![Cow::Owned(uri.to_owned())] }
}

fn uri_of(item: &Item<'_>) -> String {
    item.source.as_deref().or(item.target.as_deref()).unwrap_or_default().to_owned()
}

/// A leaf of the device information; interior nodes (libdmclient lists them) have no value.
fn leaf(item: &Item<'_>) -> Option<(String, String)> {
    let data = item.data.as_deref()?;
    let is_node = item.meta.format.as_deref() == Some("node");
    (!is_node).then(|| (uri_of(item), data.trim().to_owned()))
}

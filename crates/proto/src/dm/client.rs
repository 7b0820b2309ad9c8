//! The device's side of a session: opens it, hands commands to the tree, sends statuses and results
//! (OMA-TS-DM_Protocol 1.2, 8; protocols.md 1.4).

use super::dispatch::Executor;
use super::message::{Alert, Command, Header, Item, Message, Meta, Request, Status, Verb};
use super::object::{Assembler, Taken};
use super::outbox::{Ids, Outbox};
use super::server::{no_end, owned_ref};
use super::session::{Arrival, Progress, SessionError, SessionLimits};
use super::{alert, code};
use laps::time::Timestamp;
use std::borrow::Cow;

/// The five leaves of `./DevInfo` that open every session (OMA-TS-DM_StdObj 1.2, 5.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// `DevId`: a name of the device that does not change.
    pub device_id: String,
    /// `Man`: the maker.
    pub manufacturer: String,
    /// `Mod`: the model.
    pub model: String,
    /// `DmV`: the version of the management client.
    pub client_version: String,
    /// `Lang`: the language, such as `en-US`.
    pub language: String,
}

/// Something that the device reports when it opens a session: an alert 1226 (protocols.md 1.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The node that it is about.
    pub source: String,
    /// Type, such as `Reversed-Domain-Name:…`.
    pub kind: String,
    /// Format of the data.
    pub format: String,
    /// The value.
    pub data: String,
}

/// What opens a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The device's own address: `Source` of every message.
    pub device_uri: String,
    /// The server's address: `Target` of every message.
    pub server_uri: String,
    /// A `SessionID` that this device has not used lately.
    pub session_id: String,
    /// The server asked for the session (a wake): alert 1200, else 1201.
    pub is_server_initiated: bool,
    /// Who is signed in: `user`, `others` or `none`.
    pub login: &'static str,
    /// The device information.
    pub info: DeviceInfo,
    /// What happened since the last session.
    pub events: Vec<Event>,
}

/// What to do after a message of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this and wait for the answer.
    Send(Box<Message<'static>>),
    /// The session is over.
    End {
        /// The server broke it off (alert 1223).
        is_aborted: bool,
    },
}

/// One session of a device with its server.
#[derive(Debug)]
pub struct ClientSession {
    limits: SessionLimits,
    device_uri: String,
    server_uri: String,
    progress: Progress,
    msg_id: u32,
    outbox: Outbox,
    assembler: Assembler,
    peer_message_bytes: usize,
    is_ended: bool,
}

impl ClientSession {
    /// Opens a session: the first message to send (package 1).
    pub fn open(opening: Opening, limits: SessionLimits, now: Timestamp) -> (Self, Message<'static>) {
        let mut session = Self {
            device_uri: opening.device_uri,
            server_uri: opening.server_uri,
            progress: Progress::new(opening.session_id, now),
            msg_id: 0,
            outbox: Outbox::default(),
            assembler: Assembler::new(limits.object_bytes),
            peer_message_bytes: limits.message_bytes,
            is_ended: false,
            limits,
        };
        let start = if opening.is_server_initiated { alert::SERVER_INITIATED } else { alert::CLIENT_INITIATED };
        let mut commands = vec![notice(start, Vec::new())];
        commands.push(notice(
            alert::CLIENT_EVENT,
            vec![Item {
                meta: Meta { kind: Some(Cow::Borrowed("com.microsoft/MDM/LoginStatus")), ..Meta::default() },
                data: Some(Cow::Borrowed(opening.login)),
                ..Item::default()
            }],
        ));
        for event in opening.events {
            let meta = Meta { kind: Some(event.kind.into()), format: Some(event.format.into()), ..Meta::default() };
            let item =
                Item { source: Some(event.source.into()), meta, data: Some(event.data.into()), ..Item::default() };
            commands.push(notice(alert::GENERIC, vec![item]));
        }
        let info = opening.info;
        let leaf = |name: &'static str, value: String| Item {
            source: Some(Cow::Borrowed(name)),
            data: Some(Cow::Owned(value)),
            ..Item::default()
        };
        commands.push(Command::Request(Request {
            verb: Verb::Replace,
            id: Cow::Borrowed(""),
            meta: Meta::default(),
            items: vec![
                leaf("./DevInfo/DevId", info.device_id),
                leaf("./DevInfo/Man", info.manufacturer),
                leaf("./DevInfo/Mod", info.model),
                leaf("./DevInfo/DmV", info.client_version),
                leaf("./DevInfo/Lang", info.language),
            ],
        }));
        let mut ids = Ids::default();
        commands.iter_mut().for_each(|command| command.set_id(ids.next_text()));
        let message = session.message(commands, true);
        (session, message)
    }

    /// Takes the server's answer, carries out its commands, and says what to do next.
    pub fn receive(
        &mut self,
        message: Message<'_>,
        now: Timestamp,
        executor: &mut impl Executor,
    ) -> Result<Step, SessionError> {
        if self.is_ended {
            return Err(SessionError::Ended);
        }
        let header = &message.header;
        if self.progress.arrive(header, now, &self.limits)? == Arrival::Repeat {
            // Its commands were carried out already; a client never repeats on its own.
            return Err(SessionError::OutOfOrder);
        }
        if header.ver_dtd != Header::VER_DTD || header.ver_proto != Header::VER_PROTO {
            return Err(SessionError::Version);
        }
        if let Some(bytes) = header.meta.max_msg_size.and_then(|n| usize::try_from(n).ok()) {
            self.peer_message_bytes = bytes.min(self.limits.message_bytes);
        }
        let refused = message.commands.iter().find_map(|command| match command {
            Command::Status(status) if status.cmd_ref == "0" && status.code >= 300 => Some(status.code),
            _ => None,
        });
        if let Some(status) = refused {
            self.is_ended = true;
            return Err(SessionError::Refused { status });
        }
        if message.commands.iter().any(|command| matches!(command, Command::Alert(a) if a.code == alert::SESSION_ABORT))
        {
            self.is_ended = true;
            return Ok(Step::End { is_aborted: true });
        }

        let mut due = vec![header_status(header)];
        let msg_ref = header.msg_id;
        let package_ended = message.is_final;
        let is_inside_object = self.outbox.is_inside_object();
        self.answer(message.commands, msg_ref, executor, &mut due);
        let mut ids = Ids::default();
        let mut commands = Vec::with_capacity(due.len());
        // Statuses first, then results, as many as the server takes at once; what is left over from the
        // last message goes on before new results.
        let waits = !self.outbox.is_empty();
        for (n, mut command) in due.into_iter().enumerate() {
            if n == 0 || (waits && !matches!(command, Command::Results(_))) {
                command.set_id(ids.next_text());
                commands.push(command);
            } else {
                self.outbox.push(command, None);
            }
        }
        self.outbox.fill(&mut commands, &mut ids, self.peer_message_bytes, &mut Vec::new());
        let is_final = self.outbox.is_empty() && package_ended;
        if !package_ended && !is_inside_object && self.outbox.is_empty() {
            let next = Alert { id: ids.next_text(), code: alert::NEXT_MESSAGE, items: Vec::new() };
            commands.push(Command::Alert(next));
        }
        if commands.len() <= 1 {
            // A client never sends the header's status alone: the server had nothing more to say.
            self.is_ended = true;
            return Ok(Step::End { is_aborted: false });
        }
        Ok(Step::Send(Box::new(self.message(commands, is_final))))
    }

    fn message(&mut self, commands: Vec<Command<'static>>, is_final: bool) -> Message<'static> {
        self.msg_id = self.msg_id.saturating_add(1);
        let size = |n: usize| u64::try_from(n).ok();
        let header = Header {
            session_id: Cow::Owned(self.progress.session_id.clone()),
            msg_id: self.msg_id,
            target: Cow::Owned(self.server_uri.clone()),
            source: Cow::Owned(self.device_uri.clone()),
            meta: Meta {
                max_msg_size: size(self.limits.message_bytes),
                max_obj_size: size(self.limits.object_bytes),
                ..Meta::default()
            },
            ..Header::default()
        };
        Message { header, commands, is_final }
    }

    /// Statuses in the order of the commands, then results.
    fn answer(
        &mut self,
        commands: Vec<Command<'_>>,
        msg_ref: u32,
        executor: &mut impl Executor,
        due: &mut Vec<Command<'static>>,
    ) {
        let mut results = Vec::new();
        let mut wanted = Vec::new();
        for command in commands {
            match command {
                Command::Alert(alert) => {
                    flush(executor, &mut wanted, msg_ref, due, &mut results);
                    let status = match alert.code {
                        alert::NEXT_MESSAGE => code::OK,
                        alert::NO_END_OF_DATA => {
                            self.outbox.drop_object();
                            code::OK
                        }
                        _ => code::NOT_SUPPORTED,
                    };
                    due.push(answered(msg_ref, &alert.id, "Alert", status));
                }
                Command::Status(status) => {
                    if status.cmd == "Results" && status.code >= 300 {
                        self.outbox.drop_object();
                    }
                }
                Command::Results(_) => {}
                Command::Unknown { name, .. } if name == "Status" || name == "Results" => {}
                Command::Request(request) => match self.assemble(&request, due) {
                    Taken::Whole => wanted.push(Command::Request(request)),
                    Taken::Complete(item) => {
                        wanted.push(Command::Request(Request { items: vec![*item], ..request }));
                    }
                    taken => {
                        flush(executor, &mut wanted, msg_ref, due, &mut results);
                        let status = match taken {
                            Taken::Refused(status) => status,
                            _ => code::CHUNK_BUFFERED,
                        };
                        due.push(answered(msg_ref, &request.id, request.verb.name(), status));
                    }
                },
                Command::Group(_) | Command::Unknown { .. } => wanted.push(command),
            }
        }
        flush(executor, &mut wanted, msg_ref, due, &mut results);
        due.append(&mut results);
    }

    /// Puts chunks together. Only a command with one item can be one.
    fn assemble(&mut self, request: &Request<'_>, due: &mut Vec<Command<'static>>) -> Taken {
        let [item] = request.items.as_slice() else {
            return Taken::Whole;
        };
        if let Some(uri) = self.assembler.interrupted_by(item) {
            due.push(Command::Alert(no_end(uri)));
        }
        self.assembler.take(item)
    }
}

fn header_status(header: &Header<'_>) -> Command<'static> {
    Command::Status(Status {
        msg_ref: header.msg_id,
        cmd_ref: Cow::Borrowed("0"),
        cmd: Cow::Borrowed("SyncHdr"),
        target_refs: owned_ref(&header.target),
        source_refs: owned_ref(&header.source),
        code: code::OK,
        ..Status::default()
    })
}

/// Runs the commands gathered so far, so that answers keep the order of the commands.
fn flush(
    executor: &mut impl Executor,
    wanted: &mut Vec<Command<'_>>,
    msg_ref: u32,
    due: &mut Vec<Command<'static>>,
    results: &mut Vec<Command<'static>>,
) {
    if wanted.is_empty() {
        return;
    }
    for answer in executor.execute(wanted) {
        results.extend(answer.results(msg_ref).map(Command::Results));
        due.push(Command::Status(answer.status(msg_ref)));
    }
    wanted.clear();
}

fn answered(msg_ref: u32, id: &str, cmd: &str, status: u16) -> Command<'static> {
    Command::Status(Status {
        msg_ref,
        cmd_ref: Cow::Owned(id.to_owned()),
        cmd: Cow::Owned(cmd.to_owned()),
        code: status,
        ..Status::default()
    })
}

fn notice(code: u16, items: Vec<Item<'static>>) -> Command<'static> {
    Command::Alert(Alert { id: Cow::Borrowed(""), code, items })
}

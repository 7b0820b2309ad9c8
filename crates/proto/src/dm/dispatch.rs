//! From commands to the LAPS tree: the one adapter between SyncML and [`laps::csp`]. The agent's session,
//! `csp apply`, the fake device and `policy import` all go through it.

use super::message::{Command, GroupKind, Header, Item, Message, Meta, Request, Results, Status, Text, Verb};
use super::outbox::Ids;
use laps::csp::{self, Effect, NodeStatus, Refusal, Rights, Storage, Transaction, Tree, Volatile};
use laps::policy::Source;
use std::borrow::Cow;

/// How one command went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'c> {
    /// `CmdID` of the command; empty when it had none.
    pub cmd_ref: &'c str,
    /// The element name of the command.
    pub cmd: &'c str,
    /// The node, when the answer is about one.
    pub target: Option<&'c str>,
    /// The status code, see [`super::code`].
    pub status: u16,
    /// What a `Get` read, when it succeeded.
    pub result: Option<Item<'c>>,
}

/// What carries out the commands of one message. The answers come in the order of the commands; an
/// `Atomic` or `Sequence` has one itself, before those of its commands.
pub trait Executor {
    /// Carries out commands in order.
    fn execute<'c>(&mut self, commands: &'c [Command<'_>]) -> Vec<Answer<'c>>;
}

/// A command that was refused, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// `CmdID` of the command; empty when it had none.
    pub cmd_id: String,
    /// The element name of the command.
    pub command: String,
    /// The node, as it was written.
    pub node: Option<String>,
    /// The value, as it was written (settings are not secret), shortened.
    pub value: Option<String>,
    /// The values that the node takes, in words, when it is a setting.
    pub allowed: Option<String>,
    /// The status code.
    pub status: u16,
    /// The stable code of the reason.
    pub code: &'static str,
    /// A plain sentence: what is wrong, what was expected.
    pub message: String,
}

/// Carries out commands on a tree, by the rules of laps-behaviour.md 1.8: each command outside an `Atomic`
/// is its own transaction (row 24).
pub struct Dispatcher<'t> {
    tree: &'t mut Tree,
    storage: &'t mut dyn Storage,
    rights: Rights,
    effects: Vec<Effect>,
    refused: Vec<Refused>,
}

/// A command that was put into a transaction, and how many answers are its.
struct Slot<'c> {
    command: &'c Command<'c>,
    staged: usize,
}

impl<'t> Dispatcher<'t> {
    /// For a tree, its store and what the caller may do.
    pub fn new(tree: &'t mut Tree, storage: &'t mut dyn Storage, rights: Rights) -> Self {
        Self { tree, storage, rights, effects: Vec::new(), refused: Vec::new() }
    }

    /// What must be done because of the commands so far, in order; [`Effect::None`] is left out.
    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    /// What was refused so far, in order.
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    fn run<'c>(&mut self, command: &'c Command<'_>, answers: &mut Vec<Answer<'c>>) {
        if let Some(refusal) = malformed(command) {
            self.note(command, None, &refusal);
            answers.push(answer(command, refusal.status));
            return;
        }
        match command {
            Command::Request(request) => self.run_request(command, request, answers),
            Command::Group(group) if group.kind == GroupKind::Sequence => {
                answers.push(answer(command, NodeStatus::Ok));
                group.commands.iter().for_each(|inner| self.run(inner, answers));
            }
            Command::Group(group) => {
                let mut transaction = self.tree.begin(self.rights);
                let mut slots = Vec::with_capacity(group.commands.len());
                group.commands.iter().for_each(|inner| stage(&mut transaction, inner, &mut slots));
                let commit = transaction.commit(self.storage);
                answers.push(answer(command, commit.status));
                if commit.changed {
                    self.effects.push(Effect::PolicyChanged);
                }
                let mut results = commit.answers.into_iter();
                for slot in slots {
                    let results: Vec<_> = results.by_ref().take(slot.staged).collect();
                    self.settle(slot.command, results, answers);
                }
            }
            Command::Alert(_) | Command::Status(_) | Command::Results(_) | Command::Unknown { .. } => {}
        }
    }

    fn run_request<'c>(&mut self, command: &'c Command<'_>, request: &'c Request<'_>, answers: &mut Vec<Answer<'c>>) {
        let mut run = |item: &Item<'_>| {
            let executed = self.tree.execute(self.storage, self.rights, &csp_command(request, item));
            if executed.effect != Effect::None {
                self.effects.push(executed.effect);
            }
            executed.answer
        };
        // Almost every command has one item: no list for that.
        if let [item] = request.items.as_slice() {
            let result = run(item);
            self.push(command, request.id.as_ref(), Some(item), result, answers);
        } else {
            let results = request.items.iter().map(run).collect();
            self.settle(command, results, answers);
        }
    }

    /// Answers for one command: one when all its items have the same status and nothing was read, else
    /// one for each item.
    fn settle<'c>(&mut self, command: &'c Command<'_>, results: Vec<csp::Answer>, answers: &mut Vec<Answer<'c>>) {
        let items: &[Item<'_>] = match command {
            Command::Request(request) => &request.items,
            _ => &[],
        };
        let same = results.windows(2).all(|pair| match pair {
            [a, b] => a.status == b.status && a.results.is_none() && b.results.is_none(),
            _ => true,
        });
        if same && results.len() > 1 {
            let status = results.first().map_or(NodeStatus::BadRequest, |result| result.status);
            for (result, item) in results.iter().zip(items) {
                self.note(command, Some(item), result);
            }
            answers.push(answer(command, status));
            return;
        }
        for (n, result) in results.into_iter().enumerate() {
            self.push(command, command.id(), items.get(n), result, answers);
        }
    }

    fn push<'c>(
        &mut self,
        command: &'c Command<'_>,
        cmd_ref: &'c str,
        item: Option<&'c Item<'_>>,
        result: csp::Answer,
        answers: &mut Vec<Answer<'c>>,
    ) {
        self.note(command, item, &result);
        let target = item.and_then(|item| item.target.as_deref());
        answers.push(Answer {
            cmd_ref,
            cmd: command.name(),
            target,
            status: result.status.code(),
            result: result.results.map(|read| Item {
                source: target.map(Cow::Borrowed),
                meta: Meta {
                    format: Some(Cow::Borrowed(read.format)),
                    kind: Some(Cow::Borrowed(read.media_type)),
                    ..Meta::default()
                },
                data: Some(Cow::Owned(read.data)),
                ..Item::default()
            }),
        });
    }

    fn note(&mut self, command: &Command<'_>, item: Option<&Item<'_>>, result: &csp::Answer) {
        self.refused.extend(refused(command, item, result));
    }
}

impl Executor for Dispatcher<'_> {
    fn execute<'c>(&mut self, commands: &'c [Command<'_>]) -> Vec<Answer<'c>> {
        let mut answers = Vec::with_capacity(commands.len());
        commands.iter().for_each(|command| self.run(command, &mut answers));
        answers
    }
}

/// A document that was applied whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The answer document.
    pub answer: Message<'static>,
    /// What was refused. When something was, nothing of the document is in force and nothing was executed.
    /// Mistakes after the first one are listed too, though they only answer 215.
    pub refused: Vec<Refused>,
    /// What must be done now, in order.
    pub effects: Vec<Effect>,
}

/// Carries out a document of a person (`csp apply`): all its writes, wherever they stand, are one implied
/// `Atomic`; what reads runs after it, and `Exec` only when it was committed (else 215).
pub fn apply(document: &Message<'_>, tree: &mut Tree, storage: &mut dyn Storage, rights: Rights) -> Applied {
    let mut refused_all = Vec::new();
    let before = tree.clone();

    let mut transaction = tree.begin(rights);
    let mut slots = Vec::new();
    document.commands.iter().for_each(|command| stage_implied(&mut transaction, command, &mut slots));
    let commit = transaction.commit(storage);
    let is_committed = commit.status.is_success();

    let mut dispatcher = Dispatcher::new(tree, storage, rights);
    if commit.changed {
        dispatcher.effects.push(Effect::PolicyChanged);
    }
    let mut answers = Vec::new();
    let mut results = commit.answers.into_iter();
    for slot in slots {
        let command = slot.command;
        let results: Vec<_> = results.by_ref().take(slot.staged).collect();
        match command {
            Command::Request(request) if slot.staged == 0 => {
                if request.verb == Verb::Exec && !is_committed {
                    answers.push(answer(command, NodeStatus::NotExecuted));
                } else {
                    dispatcher.run_request(command, request, &mut answers);
                }
            }
            Command::Group(group)
                if group.kind == GroupKind::Atomic
                    && results.iter().all(|result| result.status == NodeStatus::RolledBack) =>
            {
                answers.push(answer(command, commit.status));
            }
            _ => {
                refused_all.extend(hidden(command, &results, &before, rights));
                dispatcher.settle(command, results, &mut answers);
            }
        }
        refused_all.append(&mut dispatcher.refused);
    }
    let effects = dispatcher.effects;
    Applied { answer: answer_document(document, answers), refused: refused_all, effects }
}

/// Mistakes in commands that an earlier mistake kept from being looked at.
fn hidden(command: &Command<'_>, results: &[csp::Answer], before: &Tree, rights: Rights) -> Vec<Refused> {
    let Command::Request(request) = command else {
        return Vec::new();
    };
    let look = |(item, result): (&Item<'_>, &csp::Answer)| {
        if result.status != NodeStatus::NotExecuted {
            return None;
        }
        let executed = before.clone().execute(&mut Volatile, rights, &csp_command(request, item));
        // Whether a node is there may depend on the commands before.
        let depends = matches!(executed.answer.refusal.as_ref()?.code, "already_exists" | "not_set");
        if depends { None } else { refused(command, Some(item), &executed.answer) }
    };
    request.items.iter().zip(results).filter_map(look).collect()
}

/// A command at the top of a document or in a `Sequence` there.
fn stage_implied<'c>(transaction: &mut Transaction<'_>, command: &'c Command<'c>, slots: &mut Vec<Slot<'c>>) {
    match command {
        Command::Request(Request { verb: Verb::Get | Verb::Exec, .. }) if malformed(command).is_none() => {
            slots.push(Slot { command, staged: 0 });
        }
        Command::Group(group) if malformed(command).is_none() => {
            transaction.refuse(csp::Answer::status(NodeStatus::Ok));
            slots.push(Slot { command, staged: 1 });
            for inner in &group.commands {
                match group.kind {
                    GroupKind::Atomic => stage(transaction, inner, slots),
                    GroupKind::Sequence => stage_implied(transaction, inner, slots),
                }
            }
        }
        _ => stage(transaction, command, slots),
    }
}

/// A command inside an `Atomic`.
fn stage<'c>(transaction: &mut Transaction<'_>, command: &'c Command<'c>, slots: &mut Vec<Slot<'c>>) {
    if let Some(refusal) = malformed(command) {
        transaction.refuse(refusal);
        slots.push(Slot { command, staged: 1 });
        return;
    }
    match command {
        Command::Request(request) => {
            request.items.iter().for_each(|item| transaction.apply(&csp_command(request, item)));
            slots.push(Slot { command, staged: request.items.len() });
        }
        Command::Group(group) => {
            match group.kind {
                GroupKind::Atomic => transaction.apply(&csp::Command {
                    verb: csp::Verb::Atomic,
                    uri: None,
                    format: None,
                    media_type: None,
                    size: None,
                    data: None,
                }),
                GroupKind::Sequence => transaction.refuse(csp::Answer::status(NodeStatus::Ok)),
            }
            slots.push(Slot { command, staged: 1 });
            group.commands.iter().for_each(|inner| stage(transaction, inner, slots));
        }
        Command::Alert(_) | Command::Status(_) | Command::Results(_) | Command::Unknown { .. } => {}
    }
}

/// What the tree need not be asked about: a command without `CmdID` or items, one that cannot stand there,
/// a chunk where chunks cannot be put together.
fn malformed(command: &Command<'_>) -> Option<csp::Answer> {
    let refuse = |status, code, message: &str| {
        let refusal = Refusal { code, setting: None, given: None, message: message.to_owned() };
        Some(csp::Answer { status, results: None, refusal: Some(Box::new(refusal)) })
    };
    if command.id().is_empty() {
        return refuse(NodeStatus::BadRequest, "cmd_id_missing", "the command has no CmdID: expected one");
    }
    match command {
        Command::Request(request) => {
            let items = request.items.as_slice();
            if items.is_empty() {
                refuse(NodeStatus::BadRequest, "item_missing", "the command has no Item: expected at least one")
            } else if request.verb == Verb::Exec && items.len() > 1 {
                refuse(NodeStatus::BadRequest, "item_too_many", "Exec has several Items: expected one")
            } else if items.iter().any(|item| item.more_data) {
                refuse(
                    NodeStatus::FeatureNotSupported,
                    "chunk_not_expected",
                    "a chunk of a large object (MoreData) cannot stand here: expected the whole value",
                )
            } else {
                None
            }
        }
        Command::Group(_) => None,
        Command::Alert(_) => {
            refuse(NodeStatus::FeatureNotSupported, "alert_not_supported", "this Alert is not supported")
        }
        Command::Status(_) | Command::Results(_) | Command::Unknown { .. } => refuse(
            NodeStatus::BadRequest,
            "command_unknown",
            "no such command: expected Add, Replace, Delete, Get, Exec, Atomic or Sequence",
        ),
    }
}

fn csp_command<'i>(request: &'i Request<'_>, item: &'i Item<'_>) -> csp::Command<'i> {
    csp::Command {
        verb: match request.verb {
            Verb::Add => csp::Verb::Add,
            Verb::Replace => csp::Verb::Replace,
            Verb::Delete => csp::Verb::Delete,
            Verb::Get => csp::Verb::Get,
            Verb::Exec => csp::Verb::Exec,
        },
        uri: item.target.as_deref(),
        format: request.format_of(item),
        media_type: request.kind_of(item),
        size: item.meta.size,
        // White space around a value does not count (protocols.md 1.2), unless its size was announced.
        data: match item.meta.size {
            Some(_) => item.data.as_deref(),
            None => item.data.as_deref().map(str::trim),
        },
    }
}

fn answer<'c>(command: &'c Command<'_>, status: NodeStatus) -> Answer<'c> {
    let target = match command {
        Command::Request(request) => match request.items.as_slice() {
            [item] => item.target.as_deref(),
            _ => None,
        },
        _ => None,
    };
    Answer { cmd_ref: command.id(), cmd: command.name(), target, status: status.code(), result: None }
}

fn refused(command: &Command<'_>, item: Option<&Item<'_>>, result: &csp::Answer) -> Option<Refused> {
    let status = result.status;
    let undone = matches!(status, NodeStatus::NotExecuted | NodeStatus::RolledBack);
    if status.is_success() || undone {
        return None;
    }
    let refusal = result.refusal.as_deref();
    let (code, message) = match refusal {
        Some(refusal) => (refusal.code, refusal.message.clone()),
        None => ("command_not_allowed", format!("{} is not allowed there", command.name())),
    };
    let setting = refusal.and_then(|refusal| refusal.setting);
    Some(Refused {
        cmd_id: command.id().to_owned(),
        command: command.name().to_owned(),
        node: item.and_then(|item| item.target.as_deref()).map(str::to_owned),
        value: refusal.and_then(|refusal| refusal.given.clone()),
        allowed: setting.map(|setting| setting.info().allowed_text(Source::Csp)),
        status: status.code(),
        code,
        message,
    })
}

/// Statuses in the order of the commands, then results.
fn answer_document(document: &Message<'_>, answers: Vec<Answer<'_>>) -> Message<'static> {
    let own = |text: &str| -> Text<'static> { Cow::Owned(text.to_owned()) };
    let header = &document.header;
    let mut ids = Ids::default();
    let mut commands = vec![Command::Status(Status {
        id: ids.next_text(),
        msg_ref: header.msg_id,
        cmd_ref: Cow::Borrowed("0"),
        cmd: Cow::Borrowed("SyncHdr"),
        code: NodeStatus::Ok.code(),
        ..Status::default()
    })];
    let mut results = Vec::new();
    for answer in answers {
        results.extend(answer.results(header.msg_id));
        let mut status = answer.status(header.msg_id);
        status.id = ids.next_text();
        commands.push(Command::Status(status));
    }
    for mut result in results {
        result.id = ids.next_text();
        commands.push(Command::Results(result));
    }
    let header = Header {
        session_id: own(&header.session_id),
        msg_id: header.msg_id,
        target: own(&header.source),
        source: own(&header.target),
        ..Header::default()
    };
    Message { header, commands, is_final: true }
}

impl Answer<'_> {
    /// The `Status` that says it, `CmdID` still to be given.
    pub(super) fn status(&self, msg_ref: u32) -> Status<'static> {
        Status {
            msg_ref,
            cmd_ref: Cow::Owned(self.cmd_ref.to_owned()),
            cmd: Cow::Owned(self.cmd.to_owned()),
            target_refs: self.target.iter().map(|target| Cow::Owned((*target).to_owned())).collect(),
            code: self.status,
            ..Status::default()
        }
    }

    /// The `Results` with what was read, `CmdID` still to be given.
    pub(super) fn results(&self, msg_ref: u32) -> Option<Results<'static>> {
        let own = |text: &Option<Text<'_>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
        let item = self.result.as_ref()?;
        let meta = Meta { format: own(&item.meta.format), kind: own(&item.meta.kind), ..Meta::default() };
        Some(Results {
            msg_ref: Some(msg_ref),
            cmd_ref: Cow::Owned(self.cmd_ref.to_owned()),
            items: vec![Item { source: own(&item.source), meta, data: own(&item.data), ..Item::default() }],
            ..Results::default()
        })
    }
}

#[cfg(test)]
mod tests;

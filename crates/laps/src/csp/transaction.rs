//! Staging, checking, committing.

use super::{
    command::{Answer, Command, Refusal, Results, Verb},
    locuri::LocUri,
    node::{NODES, Node},
    status::NodeStatus,
    storage::{FaultKind, Storage},
    tree::{Rights, Tree, Values},
};
use crate::policy::{AGE_DAYS_MIN_ENTRA, BackupDirectory, Setting, SettingInfo, Source, Value};

/// The media type of every leaf.
const MEDIA_TYPE: &str = "text/plain";
/// How many characters of a refused value a refusal shows.
const GIVEN_CHARS_MAX: usize = 100;

/// What is to change: one write of each setting; `None` deletes. A handful: searched from the end.
type Changes = Vec<(Setting, Option<Value>)>;

/// An Atomic being staged. Dropping it without [`Transaction::commit`] leaves the tree as it was.
#[derive(Debug)]
pub struct Transaction<'t> {
    tree: &'t mut Tree,
    rights: Rights,
    changes: Changes,
    children: Vec<Child>,
    failed: bool,
}

#[derive(Debug)]
struct Child {
    answer: Answer,
    /// The setting that it wrote.
    wrote: Option<Setting>,
}

/// How an Atomic ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The status of the Atomic itself: 200, 507 or 516.
    pub status: NodeStatus,
    /// The final answers of the children, in the order in which they were applied.
    pub answers: Vec<Answer>,
    /// Whether the explicit values are others than before: then run one cycle.
    pub changed: bool,
}

impl<'t> Transaction<'t> {
    pub(super) fn new(tree: &'t mut Tree, rights: Rights) -> Self {
        Self { tree, rights, changes: Changes::new(), children: Vec::new(), failed: false }
    }

    /// Stages the next child. After the first failure the others are not executed (215).
    pub fn apply(&mut self, command: &Command<'_>) {
        if self.failed {
            return self.push(Answer::status(NodeStatus::NotExecuted), None);
        }
        match command.verb {
            Verb::Add | Verb::Replace | Verb::Delete => {
                let (answer, wrote) = match self.write(command) {
                    Ok(setting) => (Answer::status(NodeStatus::Ok), Some(setting)),
                    Err(answer) => (answer, None),
                };
                self.push(answer, wrote);
            }
            Verb::Get | Verb::Exec | Verb::Atomic => self.push(
                refused(
                    NodeStatus::CommandFailed,
                    "not_in_atomic",
                    format!("{} cannot stand inside an Atomic", command.verb),
                ),
                None,
            ),
        }
    }

    /// Adds a child that the adapter answered itself (no CmdID, an unknown command). Unless its status
    /// is a success it fails the Atomic.
    pub fn refuse(&mut self, answer: Answer) {
        let answer = if self.failed { Answer::status(NodeStatus::NotExecuted) } else { answer };
        self.push(answer, None);
    }

    /// Whether a child has failed already.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    fn push(&mut self, answer: Answer, wrote: Option<Setting>) {
        self.failed |= !answer.status.is_success();
        self.children.push(Child { answer, wrote });
    }

    /// Checks the final staged state, stores it, and makes it the tree's. On any failure nothing changes.
    pub fn commit(mut self, storage: &mut dyn Storage) -> Commit {
        if !self.failed {
            self.check_final_state();
        }
        if self.failed {
            return self.undone(NodeStatus::AtomicFailed, NodeStatus::RolledBack);
        }
        let changed = self.changes.iter().any(|(setting, value)| self.tree.values.get(setting) != value.as_ref());
        let former = exchange(&mut self.tree.values, core::mem::take(&mut self.changes));
        if changed && let Err(fault) = storage.replace(&self.tree.values) {
            exchange(&mut self.tree.values, former);
            if fault.maybe_changed && storage.replace(&self.tree.values).is_err() {
                for child in &mut self.children {
                    child.answer = refused(
                        NodeStatus::RollbackFailed,
                        "rollback_failed",
                        "the store failed, and its former state could not be written again".to_owned(),
                    );
                }
                return self.undone(NodeStatus::RollbackFailed, NodeStatus::RollbackFailed);
            }
            let (status, code) = match fault.kind {
                FaultKind::Full => (NodeStatus::DeviceFull, "store_full"),
                FaultKind::Unwritable => (NodeStatus::StoreFailed, "store_unwritable"),
            };
            if let Some(child) = self.children.iter_mut().rfind(|child| child.wrote.is_some()) {
                child.answer = refused(status, code, format!("{fault}; nothing was changed"));
            }
            return self.undone(NodeStatus::AtomicFailed, NodeStatus::RolledBack);
        }
        Commit {
            status: NodeStatus::Ok,
            answers: self.children.into_iter().map(|child| child.answer).collect(),
            changed,
        }
    }

    /// The rules that bind several settings (laps-behaviour.md 1.8, Atomic semantics, point 3).
    fn check_final_state(&mut self) {
        let int = |setting| self.value_of(setting).and_then(Value::as_int);
        let entra = int(Setting::BackupDirectory) == Some(BackupDirectory::Entra as u32);
        let Some(age) = int(Setting::PasswordAgeDays) else {
            return;
        };
        if !entra || age >= AGE_DAYS_MIN_ENTRA {
            return;
        }
        let writer_of = |setting| self.children.iter().rposition(|child| child.wrote == Some(setting));
        let at_fault = [Setting::PasswordAgeDays, Setting::BackupDirectory]
            .into_iter()
            .find_map(|setting| Some((setting, writer_of(setting)?)));
        let Some((setting, index)) = at_fault else {
            return; // neither was touched: the stored state is not this Atomic's doing
        };
        self.children[index].answer = of_setting(
            NodeStatus::CommandFailed,
            "value_not_allowed",
            setting,
            int(setting).map(|number| number.to_string()).as_deref(),
            format!("PasswordAgeDays is {age}: expected {AGE_DAYS_MIN_ENTRA} to 365 while BackupDirectory is 1"),
        );
        self.failed = true;
    }

    /// Stages an Add, Replace or Delete; the setting that it writes.
    fn write(&mut self, command: &Command<'_>) -> Result<Setting, Answer> {
        let Node::Policy(setting) = self.view().target(command)? else {
            return Err(Answer::status(NodeStatus::NotAllowed));
        };
        let present = self.value_of(setting).is_some();
        match command.verb {
            Verb::Delete if !present => return Err(not_set(setting)),
            Verb::Delete => {
                self.change(setting, None);
                return Ok(setting);
            }
            Verb::Add if present => {
                return Err(of_setting(
                    NodeStatus::AlreadyExists,
                    "already_exists",
                    setting,
                    command.data,
                    format!("{setting} has a value already: use Replace"),
                ));
            }
            Verb::Replace if !present && self.tree.options.strict_replace => {
                return Err(not_set(setting));
            }
            _ => {}
        }
        let value = self.view().value(setting.info(), command)?;
        self.change(setting, Some(value));
        Ok(setting)
    }

    fn change(&mut self, setting: Setting, to: Option<Value>) {
        match self.changes.iter_mut().rfind(|(changed, _)| *changed == setting) {
            Some((_, change)) => *change = to,
            None => self.changes.push((setting, to)),
        }
    }

    fn view(&self) -> View<'_> {
        View::new(self.tree, self.rights)
    }

    /// The value that a setting has once the changes are made.
    fn value_of(&self, setting: Setting) -> Option<&Value> {
        match self.changes.iter().rfind(|(changed, _)| *changed == setting) {
            Some((_, change)) => change.as_ref(),
            None => self.tree.values.get(&setting),
        }
    }

    fn undone(self, status: NodeStatus, done_before: NodeStatus) -> Commit {
        Commit {
            status,
            answers: self
                .children
                .into_iter()
                .map(|child| match child.answer.status {
                    done if done.is_success() => Answer::status(done_before),
                    _ => child.answer,
                })
                .collect(),
            changed: false,
        }
    }
}

/// Makes the changes; returns those that undo them.
fn exchange(values: &mut Values, changes: Changes) -> Changes {
    let exchange_one = |(setting, value)| match value {
        Some(value) => (setting, values.insert(setting, value)),
        None => (setting, values.remove(&setting)),
    };
    changes.into_iter().map(exchange_one).collect()
}

/// The tree as one caller sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'t> {
    tree: &'t Tree,
    rights: Rights,
}

impl<'t> View<'t> {
    pub(super) fn new(tree: &'t Tree, rights: Rights) -> Self {
        Self { tree, rights }
    }

    /// A Get.
    pub(super) fn read(&self, command: &Command<'_>) -> Answer {
        let node = match self.target(command) {
            Ok(node) => node,
            Err(answer) => return answer,
        };
        let data = match node {
            Node::Laps | Node::Actions | Node::Policies => self.child_names(node),
            Node::ResetPasswordStatus => self.tree.reset.to_string(),
            Node::Policy(setting) => match self.tree.values.get(&setting) {
                Some(value) => value.to_string(),
                None => return not_set(setting),
            },
            Node::ResetPassword => return Answer::status(NodeStatus::NotAllowed),
        };
        Answer {
            status: NodeStatus::Ok,
            results: Some(Results { format: node.format().dm_name(), media_type: MEDIA_TYPE, data }),
            refusal: None,
        }
    }

    /// An Exec: 202, or why not. Carries nothing out.
    pub(super) fn exec(&self, command: &Command<'_>) -> Answer {
        match self.target(command) {
            Ok(_) if command.data.is_some_and(|data| !data.is_empty()) => {
                refused(NodeStatus::UnsupportedFormat, "data_not_expected", "ResetPassword takes no data".to_owned())
            }
            Ok(_) => Answer::status(NodeStatus::Accepted),
            Err(answer) => answer,
        }
    }

    /// The node that a command names, if the node takes the verb and the caller may use it.
    fn target(&self, command: &Command<'_>) -> Result<Node, Answer> {
        let Some(uri) = command.uri else {
            return Err(refused(
                NodeStatus::BadRequest,
                "target_missing",
                format!("{} has no Target/LocURI", command.verb),
            ));
        };
        let LocUri(node) = LocUri::parse(uri)
            .map_err(|error| refused(error.status(), error.code(), format!("{error}: {}", shortened(uri))))?;
        let access = node.access();
        let (takes, may) = match command.verb {
            Verb::Add | Verb::Replace | Verb::Delete => (access.write, self.rights.write),
            Verb::Get => (access.get, self.rights.read),
            Verb::Exec => (access.exec, self.rights.exec),
            Verb::Atomic => (false, false),
        };
        if !takes {
            return Err(refused(
                NodeStatus::NotAllowed,
                "command_not_allowed",
                format!("{} does not take {}", node.name(), command.verb),
            ));
        }
        if !may {
            return Err(refused(
                NodeStatus::PermissionDenied,
                "permission_denied",
                format!("the caller may not use {} on {}", command.verb, node.name()),
            ));
        }
        Ok(node)
    }

    /// The value that an Add or Replace gives.
    fn value(&self, info: &SettingInfo, command: &Command<'_>) -> Result<Value, Answer> {
        let refuse = |status, code, message| of_setting(status, code, info.setting, command.data, message);
        let Some(data) = command.data else {
            return Err(refuse(NodeStatus::Incomplete, "data_missing", format!("{} without Data", command.verb)));
        };
        let bytes_max = self.tree.options.data_bytes_max;
        let announced = command.size.unwrap_or(0);
        if data.len() > bytes_max || announced > bytes_max as u64 {
            return Err(refuse(
                NodeStatus::TooLarge,
                "value_too_large",
                format!("{} takes at most {bytes_max} bytes", info.name),
            ));
        }
        if let Some(size) = command.size
            && size != data.len() as u64
        {
            return Err(refuse(
                NodeStatus::SizeMismatch,
                "size_mismatch",
                format!("{size} bytes were announced and {} came", data.len()),
            ));
        }
        let format = info.format.dm_name();
        if let Some(given) = command.format.map(str::trim)
            && !given.is_empty()
            && given != format
        {
            return Err(refuse(
                NodeStatus::UnsupportedFormat,
                "format_mismatch",
                format!("{} has format {format}, not {}", info.name, shortened(given)),
            ));
        }
        if let Some(given) = command.media_type.map(str::trim)
            && !given.is_empty()
            && !given.eq_ignore_ascii_case(MEDIA_TYPE)
        {
            return Err(refuse(
                NodeStatus::UnsupportedFormat,
                "media_type_mismatch",
                format!("{} has type {MEDIA_TYPE}, not {}", info.name, shortened(given)),
            ));
        }
        info.parse(data, Source::Csp).map_err(|error| {
            let code = if error.is_unparsable() { "value_not_readable" } else { "value_not_allowed" };
            refuse(NodeStatus::CommandFailed, code, format!("{}: {error}", info.name))
        })
    }

    /// The names of the children that are there, joined with `/`. Published names need no encoding.
    fn child_names(&self, parent: Node) -> String {
        let names: Vec<&str> = NODES
            .iter()
            .filter(|node| node.parent() == Some(parent))
            .filter(|node| match node {
                Node::Policy(setting) => self.tree.values.contains_key(setting),
                _ => true,
            })
            .map(|node| node.name())
            .collect();
        names.join("/")
    }
}

fn refused(status: NodeStatus, code: &'static str, message: String) -> Answer {
    Answer { status, results: None, refusal: Some(Box::new(Refusal { code, setting: None, given: None, message })) }
}

fn of_setting(
    status: NodeStatus,
    code: &'static str,
    setting: Setting,
    given: Option<&str>,
    message: String,
) -> Answer {
    Answer {
        status,
        results: None,
        refusal: Some(Box::new(Refusal { code, setting: Some(setting), given: given.map(shortened), message })),
    }
}

fn not_set(setting: Setting) -> Answer {
    of_setting(NodeStatus::NotFound, "not_set", setting, None, format!("{setting} has no value"))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(GIVEN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

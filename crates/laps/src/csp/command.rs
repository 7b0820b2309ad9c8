//! What goes into the tree and what comes out.

use super::status::NodeStatus;
use crate::policy::Setting;
use core::fmt;

/// A verb of OMA DM 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Gives a node without a value one.
    Add,
    /// Gives a node a new value.
    Replace,
    /// Removes a node's value.
    Delete,
    /// Reads.
    Get,
    /// Runs an action.
    Exec,
    /// An Atomic inside an Atomic: only there to be refused.
    Atomic,
}

impl Verb {
    /// The name in SyncML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Replace => "Replace",
            Self::Delete => "Delete",
            Self::Get => "Get",
            Self::Exec => "Exec",
            Self::Atomic => "Atomic",
        }
    }
}
impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One command on one item. Texts are as received, entities resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// What to do.
    pub verb: Verb,
    /// Target/LocURI, if there is one.
    pub uri: Option<&'a str>,
    /// Meta/Format, if there is one; without it the node's own format is meant.
    pub format: Option<&'a str>,
    /// Meta/Type, if there is one.
    pub media_type: Option<&'a str>,
    /// Meta/Size of a large object, in bytes: what the sender announced.
    pub size: Option<u64>,
    /// Data (of a large object: all chunks together), if there is an element; `Some("")` when it is empty.
    pub data: Option<&'a str>,
}

impl<'a> Command<'a> {
    /// A command with a target and nothing else.
    pub const fn new(verb: Verb, uri: &'a str) -> Self {
        Self { verb, uri: Some(uri), format: None, media_type: None, size: None, data: None }
    }
    /// The same with data.
    pub const fn with_data(self, data: &'a str) -> Self {
        Self { data: Some(data), ..self }
    }
}

/// What a Get returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// Meta/Format.
    pub format: &'static str,
    /// Meta/Type.
    pub media_type: &'static str,
    /// Data: the value, or the names of the children joined with `/`.
    pub data: String,
}

/// Why a command was refused, for people: stable code, node, value, what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// A stable code, such as `value_not_allowed`.
    pub code: &'static str,
    /// The setting, if the command named one.
    pub setting: Option<Setting>,
    /// The value as it was given (settings are not secret), if one was.
    pub given: Option<String>,
    /// A plain sentence: what is wrong, what was expected.
    pub message: String,
}
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The answer to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: NodeStatus,
    /// Of a Get that succeeded.
    pub results: Option<Results>,
    /// Of a command that was refused. Commands that an Atomic undid or left out have none.
    pub refusal: Option<Box<Refusal>>,
}

impl Answer {
    /// A bare status.
    pub const fn status(status: NodeStatus) -> Self {
        Self { status, results: None, refusal: None }
    }
}

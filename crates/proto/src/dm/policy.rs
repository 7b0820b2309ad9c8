//! Policy documents: from a SyncML or JSON file to explicit settings, and from settings to the commands
//! that deliver them.

use super::dispatch::{self, Refused};
use super::fault::{Limits, ReadError};
use super::message::{Command, Header, Message, Verb};
use super::read::{Mode, read};
use laps::csp::{Node, Options, Rights, Tree, Values, Volatile};
use laps::policy::{PolicySet, Setting, Source};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Why a document is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Neither SyncML (first character `<`) nor JSON (first character `{`).
    #[error("the document is neither SyncML nor JSON; expected < or {{ as its first character")]
    NeitherForm,
    /// It cannot be read as SyncML.
    #[error(transparent)]
    SyncMl(#[from] ReadError),
    /// It is larger than [`Limits::message_bytes`].
    #[error("the document is over the limit message_bytes; expected at most {max}")]
    TooLarge {
        /// The bound.
        max: usize,
    },
    /// It cannot be read as JSON.
    #[error("the document is not a JSON object of settings (line {line}, column {column})")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// It sets nothing.
    #[error("the document sets no policy; expected at least one setting")]
    Empty,
    /// It names what is not there or gives values that are not allowed. Nothing of it was taken.
    #[error("{} of the document's settings cannot be taken; nothing was applied", .0.len())]
    Refused(Vec<Refused>),
}

impl ImportError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NeitherForm => "policy_not_syncml_or_json",
            Self::SyncMl(error) => error.code(),
            Self::TooLarge { .. } => "policy_too_large",
            Self::Json { .. } => "policy_not_json",
            Self::Empty => "policy_empty",
            Self::Refused(_) => "policy_refused",
        }
    }

    /// What the author of the document does next.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::NeitherForm => "give a SyncML document or a JSON object such as {\"BackupDirectory\": 1}",
            Self::SyncMl(error) => error.fault.next_step(),
            Self::TooLarge { .. } => "split the document into smaller ones",
            Self::Json { .. } => "correct the JSON at the given line and column and try again",
            Self::Empty => "add the settings that the policy is to have",
            Self::Refused(_) => "correct the listed settings and try again; nothing was applied",
        }
    }
}

/// Reads a policy document, SyncML or JSON by its first character. Every mistake is listed, each with
/// node, value and allowed values, and then nothing is taken.
pub fn import(bytes: &[u8]) -> Result<PolicySet, ImportError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match text.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'<') => import_syncml(bytes),
        Some(b'{') => import_json(text),
        _ => Err(ImportError::NeitherForm),
    }
}

/// Reads a policy from a SyncML document: `Add` and `Replace` of settings, in an `Atomic` or not.
pub fn import_syncml(bytes: &[u8]) -> Result<PolicySet, ImportError> {
    let document = read(bytes, Mode::Import, &Limits::default())?;
    let mut strange = Vec::new();
    document.commands.iter().for_each(|command| only_writes(command, &mut strange));
    settle(&document, strange)
}

/// Reads a policy from a JSON object: names of settings to numbers, truth values or texts.
pub fn import_json(bytes: &[u8]) -> Result<PolicySet, ImportError> {
    let max = Limits::default().message_bytes;
    if bytes.len() > max {
        return Err(ImportError::TooLarge { max });
    }
    let Pairs(pairs) = serde_json::from_slice(bytes)
        .map_err(|error| ImportError::Json { line: error.line(), column: error.column() })?;
    // By way of the tree, so that there is one way to check. A name that is said twice is refused there.
    let commands = pairs.into_iter().zip(1u32..).map(|((name, value), id)| {
        let node = format!("{}/{name}", Node::Policies.uri());
        let format = match Setting::from_name(&name) {
            Some(setting) if value.fits(setting) => setting.info().format.dm_name(),
            _ => value.format(),
        };
        let mut command = Command::set(Verb::Add, node, format, value.text());
        command.set_id(Cow::Owned(id.to_string()));
        command
    });
    settle(&Message { commands: commands.collect(), ..Message::default() }, Vec::new())
}

/// What is in force after the document, on a device that had nothing.
fn settle(document: &Message<'_>, mut refused: Vec<Refused>) -> Result<PolicySet, ImportError> {
    let mut tree = Tree::new(Options::default());
    refused.extend(dispatch::apply(document, &mut tree, &mut Volatile, Rights { exec: false, ..Rights::ALL }).refused);
    if !refused.is_empty() {
        return Err(ImportError::Refused(refused));
    }
    let set = tree.policy_set();
    if set.is_empty() { Err(ImportError::Empty) } else { Ok(set) }
}

/// A policy says what is wanted; it neither reads nor deletes nor acts.
fn only_writes(command: &Command<'_>, strange: &mut Vec<Refused>) {
    match command {
        Command::Group(group) => group.commands.iter().for_each(|inner| only_writes(inner, strange)),
        Command::Request(request) if matches!(request.verb, Verb::Delete | Verb::Get | Verb::Exec) => {
            strange.push(Refused {
                cmd_id: request.id.clone().into_owned(),
                command: request.verb.name().to_owned(),
                node: request.items.first().and_then(|item| item.target.as_deref()).map(str::to_owned),
                value: None,
                allowed: None,
                status: super::code::NOT_ALLOWED,
                code: "policy_only_writes",
                message: format!("{} is not part of a policy: expected Add or Replace", request.verb.name()),
            });
        }
        _ => {}
    }
}

/// The delivery of a policy: one `Atomic` with a `Replace` for every wanted value and a `Delete` for every
/// setting in `delivered` that is not wanted (design.md 5, "Management"). `None` when there is neither.
///
/// The commands inside are in the order of `wanted`, then of `delivered`; [`delivered_nodes`] names them.
pub fn delivery(wanted: &Values, delivered: &BTreeSet<Setting>) -> Option<Command<'static>> {
    let uri = |setting: Setting| Node::Policy(setting).uri();
    let replaces = wanted.iter().map(|(setting, value)| {
        Command::set(Verb::Replace, uri(*setting), value.format().dm_name(), value.to_string())
    });
    let deletes = obsolete(wanted, delivered).map(|setting| Command::request(Verb::Delete, uri(setting)));
    let commands: Vec<_> = replaces.chain(deletes).collect();
    if commands.is_empty() { None } else { Some(Command::atomic(commands)) }
}

/// The settings that the commands inside a [`delivery`] are about, in their order; true means a `Replace`.
pub fn delivered_nodes(wanted: &Values, delivered: &BTreeSet<Setting>) -> Vec<(Setting, bool)> {
    let replaces = wanted.keys().map(|setting| (*setting, true));
    replaces.chain(obsolete(wanted, delivered).map(|setting| (setting, false))).collect()
}

fn obsolete(wanted: &Values, delivered: &BTreeSet<Setting>) -> impl Iterator<Item = Setting> {
    delivered.iter().copied().filter(|setting| !wanted.contains_key(setting))
}

/// "Rotate now": `Exec` of ResetPassword, then `Get` of ResetPasswordStatus (laps-behaviour.md 1.5). Only a
/// newly proven version proves the rotation.
pub fn rotate_now() -> [Command<'static>; 2] {
    [
        Command::request(Verb::Exec, Node::ResetPassword.uri()),
        Command::request(Verb::Get, Node::ResetPasswordStatus.uri()),
    ]
}

/// The explicit values of an imported policy.
pub fn values(set: &PolicySet) -> Values {
    set.iter()
        .filter_map(|(setting, given)| match given {
            laps::policy::Given::Value(value) => Some((setting, value.clone())),
            _ => None,
        })
        .filter(|(setting, _)| setting.info().is_in(Source::Csp))
        .collect()
}

/// The JSON object of settings that [`import_json`] reads back: names to numbers, truth values, texts.
pub fn json(values: &Values) -> String {
    let object: serde_json::Map<_, _> = values
        .iter()
        .map(|(setting, value)| {
            let value = match value {
                laps::policy::Value::Int(number) => (*number).into(),
                laps::policy::Value::Bool(yes) => (*yes).into(),
                laps::policy::Value::Text(text) => text.as_str().into(),
            };
            (setting.name().to_owned(), value)
        })
        .collect();
    serde_json::Value::Object(object).to_string()
}

/// The SyncML document of a policy that [`import_syncml`] reads back: one `Atomic` with a `Replace` of every value.
/// Blanks at the ends of a text are the one thing that it cannot hold: the reader takes those for layout.
pub fn syncml(values: &Values) -> String {
    let mut commands: Vec<Command<'static>> = values
        .iter()
        .map(|(setting, value)| {
            let uri = Node::Policy(*setting).uri();
            Command::set(Verb::Replace, uri, value.format().dm_name(), value.to_string())
        })
        .collect();
    for (command, id) in commands.iter_mut().zip(2_u32..) {
        command.set_id(Cow::Owned(id.to_string()));
    }
    let mut atomic = Command::atomic(commands);
    atomic.set_id(Cow::Borrowed("1"));
    let header = Header {
        session_id: Cow::Borrowed("1"),
        msg_id: 1,
        target: Cow::Borrowed("device"),
        source: Cow::Borrowed("policy"),
        ..Header::default()
    };
    super::write(&Message { header, commands: vec![atomic], is_final: true })
}

/// One value in JSON.
#[derive(Debug)]
enum Scalar {
    Int(i64),
    Bool(bool),
    Text(String),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Int(number) => number.to_string(),
            Self::Bool(yes) => yes.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
    fn format(&self) -> &'static str {
        match self {
            Self::Int(_) => "int",
            Self::Bool(_) => "bool",
            Self::Text(_) => "chr",
        }
    }
    /// A number or truth value may also be written as a text.
    fn fits(&self, setting: Setting) -> bool {
        matches!(self, Self::Text(_)) || self.format() == setting.info().format.dm_name()
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl Visitor<'_> for One {
            type Value = Scalar;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a whole number, true, false or a text")
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Int(number))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Int(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            fn visit_bool<E>(self, yes: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(yes))
            }
            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(One)
    }
}

/// The members of an object in their order, those that come twice included.
struct Pairs(Vec<(String, Scalar)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object of settings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use laps::policy::{Allowed, Value};
    use proptest::prelude::*;

    /// Some allowed value of a setting.
    fn value(setting: Setting) -> BoxedStrategy<Value> {
        match &setting.info().allowed {
            Allowed::Range { min, max } => (*min..=*max).prop_map(Value::Int).boxed(),
            Allowed::Enum(list) => {
                let values: Vec<u32> = list.iter().filter(|item| item.in_csp).map(|item| item.value).collect();
                proptest::sample::select(values).prop_map(Value::Int).boxed()
            }
            Allowed::Bool { .. } => any::<bool>().prop_map(Value::Bool).boxed(),
            Allowed::Text { .. } => "[!-~äß€]([ -~äß€]{0,9}[!-~äß€])?".prop_map(Value::Text).boxed(),
        }
    }

    fn policy() -> impl Strategy<Value = Values> {
        let all: Vec<_> = Setting::in_csp().map(|setting| proptest::option::of(value(setting))).collect();
        all.prop_map(|values| {
            Setting::in_csp().zip(values).filter_map(|(setting, value)| Some((setting, value?))).collect()
        })
    }

    proptest! {
        /// What is exported is read back, in both forms; what the tree refuses together it refuses in both.
        #[test]
        fn export_and_import_are_one(wanted in policy()) {
            let (xml, json) = (import(syncml(&wanted).as_bytes()), import(json(&wanted).as_bytes()));
            match json {
                Ok(set) => {
                    prop_assert_eq!(&values(&set), &wanted);
                    prop_assert_eq!(values(&xml.unwrap()), wanted);
                }
                Err(_) => prop_assert!(xml.is_err()),
            }
        }
    }
}

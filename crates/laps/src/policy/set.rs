//! The explicit values of one source.

use super::{
    setting::Setting,
    source::Source,
    value::{Value, ValueError},
};
use std::collections::BTreeMap;

/// What a source says about a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// An allowed value.
    Value(Value),
    /// A value that the source does not name but means (legacy LAPS means Active Directory).
    Implied(Value),
    /// Something that is not an allowed value; it counts as explicit, and the default is used.
    Bad {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
}

/// The explicit values of one source, the bad ones included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySet {
    source: Source,
    given: BTreeMap<Setting, Given>,
}

impl PolicySet {
    /// A source that sets nothing.
    pub fn new(source: Source) -> Self {
        Self { source, given: BTreeMap::new() }
    }
    /// Which source.
    pub fn source(&self) -> Source {
        self.source
    }
    /// Whether it sets nothing.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }
    /// What it says about a setting.
    pub fn get(&self, setting: Setting) -> Option<&Given> {
        self.given.get(&setting)
    }
    /// Everything that it says.
    pub fn iter(&self) -> impl Iterator<Item = (Setting, &Given)> {
        self.given.iter().map(|(setting, given)| (*setting, given))
    }
    /// Sets a value; one that is not allowed from this source is kept as bad.
    pub fn set(&mut self, setting: Setting, value: Value) {
        let text = value.to_string();
        let checked = setting.info().check(value, self.source);
        self.put(setting, text, checked);
    }
    /// Sets what was read from a text, a DWORD, a string.
    pub fn put(&mut self, setting: Setting, text: String, read: Result<Value, ValueError>) {
        let given = match read {
            Ok(value) => Given::Value(value),
            Err(error) => Given::Bad { text, error },
        };
        self.given.insert(setting, given);
    }
    /// Adds a value that the source means without naming it.
    pub(super) fn imply(&mut self, setting: Setting, value: Value) {
        self.given.entry(setting).or_insert(Given::Implied(value));
    }
    /// Takes a setting out.
    pub fn remove(&mut self, setting: Setting) {
        self.given.remove(&setting);
    }
}

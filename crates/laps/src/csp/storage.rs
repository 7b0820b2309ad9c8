//! Where the tree keeps its values.

use super::tree::Values;

/// What went wrong in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No room.
    Full,
    /// Read-only, or an I/O error.
    Unwritable,
}

/// The store could not take the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the store of the configuration tree {}", match self.kind {
    FaultKind::Full => "is full",
    FaultKind::Unwritable => "cannot be written",
})]
pub struct StorageFault {
    /// What.
    pub kind: FaultKind,
    /// Whether the stored values may have become the new ones all the same (a rename that could not be
    /// made durable). The tree then writes the former ones again.
    pub maybe_changed: bool,
}

/// The persistent values of the tree. The shell implements it (a file, a table).
pub trait Storage {
    /// Makes `values` the stored ones, all or nothing, durably.
    fn replace(&mut self, values: &Values) -> Result<(), StorageFault>;
}

/// Keeps nothing: for tools that only check a document.
#[derive(Debug, Clone, Copy, Default)]
pub struct Volatile;

impl Storage for Volatile {
    fn replace(&mut self, _: &Values) -> Result<(), StorageFault> {
        Ok(())
    }
}

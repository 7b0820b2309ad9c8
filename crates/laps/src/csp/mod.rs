//! The LAPS configuration tree (CSP): nodes, access rights, verbs, staging and Atomic.
//!
//! No XML here: the SyncML adapter turns commands of a session into [`Command`]s and [`Answer`]s into
//! Status and Results. Every status is a row of laps-behaviour.md 1.8.
//!
//! How an adapter uses it:
//! - a command outside an Atomic: [`Tree::execute`]; it is its own transaction;
//! - an Atomic: [`Tree::begin`], then [`Transaction::apply`] for each child in order ([`Transaction::refuse`]
//!   for a child that the adapter itself refuses, [`Verb::Atomic`] for a nested one), then
//!   [`Transaction::commit`], which returns the status of the Atomic and of every child.
//! - [`Effect`]s tell what the caller must do afterwards: run one cycle, start a reset.

mod command;
mod hresult;
mod locuri;
mod node;
mod status;
mod storage;
mod transaction;
mod tree;

pub use command::{Answer, Command, Refusal, Results, Verb};
pub use hresult::HResult;
pub use locuri::{LocUri, LocUriError};
pub use node::{Access, NODES, Node, NodeFormat};
pub use status::NodeStatus;
pub use storage::{FaultKind, Storage, StorageFault, Volatile};
pub use transaction::{Commit, Transaction};
pub use tree::{Effect, Executed, Options, Rights, Tree, Values};

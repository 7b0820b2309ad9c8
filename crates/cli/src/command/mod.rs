//! The commands, one file for each.

pub(crate) mod access;
pub(crate) mod account;
pub(crate) mod ad;
mod archive;
pub(crate) mod audit;
mod audit_verify;
pub(crate) mod csp;
pub(crate) mod device;
pub(crate) mod escrow;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod group;
pub(crate) mod join_token;
mod lint;
pub(crate) mod login;
pub(crate) mod manual;
pub(crate) mod notify;
pub(crate) mod password;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod policy_edit;
pub(crate) mod provider;
mod readers;
pub(crate) mod report;
pub(crate) mod revoke;
pub(crate) mod role;
pub(crate) mod rollout;
pub(crate) mod rotation;
mod rule;
pub(crate) mod setting;
mod settings_table;

/// A time, or nothing.
fn time(at: Option<laps::time::Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

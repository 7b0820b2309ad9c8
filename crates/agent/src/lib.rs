//! lapwing-agent: joins, takes policy, rotates, backs up.
#![warn(missing_docs)]

pub mod accounts;
pub mod platform;

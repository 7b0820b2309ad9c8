//! lapwing-agent: joins, takes policy, rotates, backs up.
//!
//! [`run`] feeds events to `laps::cycle`; [`effect`] carries out what it answers; [`platform`] is the only
//! part that touches accounts, [`state`] the only one that remembers, [`directory`] the only one that
//! speaks to the server.
#![warn(missing_docs)]

pub mod accounts;
pub mod clock;
pub mod command;

pub mod directory;
pub mod domain;
pub mod effect;
pub mod events;
pub mod join;

pub mod management;
pub mod platform;
pub mod run;
pub mod sign_in;

pub mod sources;
pub mod state;

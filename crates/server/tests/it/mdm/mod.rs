//! The management server against a device: a real session of the client's side over a real tree.

mod delivery;
mod device;
mod many;
mod reset;
mod rollouts;
mod server;
mod session;

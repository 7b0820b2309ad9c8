//! The server that the device has joined, and how it is reached.

use super::Connect;
use crate::state::Identity;

/// A joined server.
pub(super) struct Server<D> {
    /// Who the device is there.
    pub(super) identity: Identity,
    /// Makes the client.
    pub(super) connect: Connect<D>,
    /// The client.
    pub(super) directory: D,
    /// The stored identity is newer than the client.
    pub(super) changed: bool,
}

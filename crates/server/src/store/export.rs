//! Escrow: what is disclosed in bulk, and what is remembered of it.

use super::{ALL_DEVICES, Device, DeviceFilter, SealedVersion, SecretHash};
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};

/// The scheduled export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EscrowSettings {
    /// age recipients (`age1…`).
    pub recipients: Vec<String>,
    /// Days between two exports; 0 is never.
    pub interval_days: u32,
    /// Folder under the data directory.
    pub folder: String,
    /// Archives that are kept in it, the newest.
    pub kept: u32,
}

impl Default for EscrowSettings {
    fn default() -> Self {
        Self { recipients: Vec::new(), interval_days: 0, folder: "escrow".into(), kept: 4 }
    }
}

/// What is disclosed in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// Who reads, with the authorization epoch of the decision; `None` for the server's own job.
    pub by: Option<(PrincipalId, u64)>,
    /// The devices that the caller reaches.
    pub filter: DeviceFilter,
    /// Only members of this group too.
    pub member_of: Option<GroupId>,
    /// Only these; empty means all.
    pub devices: Vec<DeviceId>,
    /// Also superseded and abandoned versions.
    pub history: bool,
    /// Goes on behind this device.
    pub after: Option<DeviceId>,
    /// Most devices that are looked at.
    pub limit: u32,
}

impl Disclosure {
    /// Whether the caller reaches a device that was named.
    pub fn reaches(&self, device: &Device) -> bool {
        self.filter.states.contains(&device.state)
            && self.filter.groups.as_ref().is_none_or(|groups| {
                groups.contains(&ALL_DEVICES) || device.groups.iter().any(|group| groups.contains(group))
            })
    }
}

/// A device with what is disclosed of it: its own versions, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisclosedDevice {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: super::DeviceState,
    /// Its versions; not empty.
    pub versions: Vec<SealedVersion>,
}

/// Answer of [`disclose`](super::Store::disclose).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisclosedPage {
    /// Devices with a password, in the order of their ids.
    pub devices: Vec<DisclosedDevice>,
    /// Where the next page goes on; `None` when this is the last.
    pub next: Option<DeviceId>,
}

/// An export that is made and whose archive is about to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExport {
    /// Its id.
    pub id: [u8; 16],
    /// Who made it, as text.
    pub made_by: String,
    /// The server made it by itself.
    pub scheduled: bool,
    /// age recipients.
    pub recipients: Vec<String>,
    /// Devices in it.
    pub devices: u64,
    /// Versions in it.
    pub versions: u64,
    /// SHA-256 of what only stands inside the archive: who knows it has opened it.
    pub proof_hash: SecretHash,
}

/// An export, as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What it is.
    pub export: NewExport,
    /// Its place in the server's order.
    pub sequence: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// When it was shown last that it opens, and by whom.
    pub drilled: Option<(Timestamp, String)>,
}

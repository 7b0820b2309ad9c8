//! Policies, their assignment, and what was delivered.

use laps::{
    id::{DeviceId, GroupId, PolicyId},
    time::Timestamp,
};

/// A policy in one of its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// Its name, unique without case.
    pub name: String,
    /// 1 for the first, one more for each change.
    pub version: u32,
    /// The settings, as JSON text; opaque here.
    pub values: String,
    /// When this version was made.
    pub changed_at: Timestamp,
}

/// A policy that applies to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedPolicy {
    /// The policy in the version that is for the device: the newest, or the former one while the newest has not
    /// reached it.
    pub policy: Policy,
    /// The groups that bring it, [`ALL_DEVICES`](super::ALL_DEVICES) included.
    pub groups: Vec<GroupId>,
}

/// An assignment of a policy to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    /// The policy.
    pub policy: PolicyId,
    /// The group; [`ALL_DEVICES`](super::ALL_DEVICES) for all.
    pub group: GroupId,
    /// Since when.
    pub assigned_at: Timestamp,
}

/// A whole wanted state that was sent to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the server's order.
    pub sequence: u64,
    /// Digest of the wanted state; equal digests need no new delivery.
    pub digest: [u8; 32],
    /// What was sent, as JSON text; opaque here. The next delivery deletes what is no longer in it.
    pub values: String,
    /// When it was first sent.
    pub sent_at: Timestamp,
    /// When the device answered for all of it; `None` while it has not.
    pub answered_at: Option<Timestamp>,
    /// The device's answer for every setting, in the order of sending.
    pub statuses: Vec<SettingStatus>,
}

/// A device's answer for one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingStatus {
    /// The node's URI.
    pub uri: String,
    /// The SyncML status.
    pub status: u16,
}

/// What was delivered to a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// The last that was sent, answered or not.
    pub sent: Option<Delivery>,
    /// The last that the device took whole: what is in force.
    pub in_force: Option<Delivery>,
    /// Why nothing new is sent (a conflict), as JSON text.
    pub held: Option<String>,
}

/// A device that nothing new is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDevice {
    /// The device.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// Why, as JSON text.
    pub reason: String,
}

/// Where a delivery goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The device.
    pub device: DeviceId,
    /// Digest of the wanted state.
    pub digest: [u8; 32],
    /// What is sent, as JSON text.
    pub values: String,
}

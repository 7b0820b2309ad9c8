//! What is known of devices, read in bulk: the evidence of `explain` for one device and for all of them.

use super::{Device, DeviceReport};
use laps::{
    id::{DeviceId, GroupId},
    time::Timestamp,
};
use std::sync::Arc;

/// Which devices are surveyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyFilter {
    /// Only this one, whatever its state; else every enabled or disabled one.
    pub device: Option<DeviceId>,
    /// Only those up to this id, itself included.
    pub until: Option<DeviceId>,
    /// Only members of one of these groups (the caller's scope); `None` means the whole tenant.
    pub groups: Option<Vec<GroupId>>,
    /// From when on met requests to rotate are told.
    pub met_since: Timestamp,
}

/// What the store knows of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The device.
    pub device: Device,
    /// When its newest pending version was stored.
    pub pending_since: Option<Timestamp>,
    /// Its current version.
    pub current: Option<SurveyedVersion>,
    /// What it said last.
    pub report: Option<SurveyedReport>,
    /// The last delivery that was sent.
    pub sent: Option<SurveyedDelivery>,
    /// The last that it took whole.
    pub in_force: Option<SurveyedDelivery>,
    /// Why nothing new is sent, as JSON text.
    pub held: Option<String>,
    /// Its newest certificate: the end, and when it was revoked.
    pub certificate: Option<(Timestamp, Option<Timestamp>)>,
    /// Requests to rotate that were met: asked, met.
    pub rotations: Vec<(Timestamp, Timestamp)>,
}

/// What a device said last, as a survey tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedReport {
    /// When that changed last.
    pub changed_at: Timestamp,
    /// Whether the managed account is there.
    pub account_found: bool,
    /// Its name.
    pub account_name: Option<String>,
    /// Whether it can be used, a word of rotation.md.
    pub usability: String,
    /// The last error, as JSON text.
    pub last_error: Option<String>,
    /// Evidence of the device, as JSON text.
    pub evidence: String,
}

impl From<DeviceReport> for SurveyedReport {
    fn from(said: DeviceReport) -> Self {
        Self {
            changed_at: said.changed_at,
            account_found: said.report.account_id.is_some(),
            account_name: said.report.account_name,
            usability: said.report.usability,
            last_error: said.report.last_error,
            evidence: said.report.evidence,
        }
    }
}

/// A current version, as a survey tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyedVersion {
    /// When it was stored.
    pub stored_at: Timestamp,
    /// When it was proven.
    pub proven_at: Option<Timestamp>,
    /// When it is due.
    pub expires_at: Option<Timestamp>,
}

/// A delivery, as a survey tells of it. Equal texts are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedDelivery {
    /// Digest of the wanted state.
    pub digest: [u8; 32],
    /// What was sent, as JSON text.
    pub values: Arc<str>,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When the device answered for all of it.
    pub answered_at: Option<Timestamp>,
    /// What the device did not take: URI and status outside 200 to 299.
    pub refused: Arc<[(String, u16)]>,
}

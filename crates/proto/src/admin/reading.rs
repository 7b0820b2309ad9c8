//! Reading rules of groups, and requests for access.

use crate::serde_text;
use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// The header of a read that holds the reason, percent-encoded UTF-8.
pub const REASON_HEADER: &str = "lapwing-reason";
/// The header of a read that holds the ticket, percent-encoded UTF-8.
pub const TICKET_HEADER: &str = "lapwing-ticket";
/// The header of a read that passes over approval: `true`.
pub const BREAK_GLASS_HEADER: &str = "lapwing-break-glass";
/// Longest reason or ticket, characters.
pub const JUSTIFICATION_CHARS_MAX: usize = 500;

/// What a group asks of those who read passwords of its devices. What is left out is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReadingRule {
    /// The group; set by the server.
    #[serde(with = "serde_text::text_option", skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// A reason must be given.
    pub reason_required: bool,
    /// A ticket must be given.
    pub ticket_required: bool,
    /// A pattern that the ticket must match: `#` is a digit, `?` any character, `*` any run; implies a ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket_pattern: Option<String>,
    /// How many others must approve, 0 to 2.
    pub approvals: u8,
    /// Minutes that a request for access lives at most, 5 to 10,080.
    pub approval_minutes: u32,
    /// Reads that an approved request is good for, 1 to 100.
    pub approval_reads: u32,
    /// Minutes from a read to the rotation that follows it, 0 to 10,080; absent: none follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_after_minutes: Option<u32>,
}

impl Default for ReadingRule {
    fn default() -> Self {
        Self {
            group: None,
            reason_required: false,
            ticket_required: false,
            ticket_pattern: None,
            approvals: 0,
            approval_minutes: 480,
            approval_reads: 3,
            rotate_after_minutes: None,
        }
    }
}

/// What a device's groups ask together: the strictest of each setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceReadingRule {
    /// A reason must be given.
    pub reason_required: bool,
    /// A ticket must be given.
    pub ticket_required: bool,
    /// Patterns that the ticket must match, all of them.
    pub ticket_patterns: Vec<String>,
    /// How many others must approve.
    pub approvals: u8,
    /// Minutes that a request for access lives at most.
    pub approval_minutes: u32,
    /// Reads that an approved request is good for.
    pub approval_reads: u32,
    /// Minutes from a read to the rotation that follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_after_minutes: Option<u32>,
    /// When the rotation that follows a read is asked for, while one is due.
    #[serde(with = "serde_text::time_option", default, skip_serializing_if = "Option::is_none")]
    pub rotation_due_date_time: Option<Timestamp>,
}

/// Asks for access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAccessRequest {
    /// The device.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// Why.
    pub reason: String,
    /// The ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// Minutes that it may live; absent: as long as the rules let it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
}

/// A request for access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessRequest {
    /// Its id, 32 hexadecimal digits.
    pub id: String,
    /// The device.
    #[serde(with = "serde_text::text")]
    pub device: DeviceId,
    /// The device's name.
    pub device_name: String,
    /// Who asks.
    #[serde(with = "serde_text::text")]
    pub requested_by: PrincipalId,
    /// The name of who asks.
    pub requested_by_name: String,
    /// Why.
    pub reason: String,
    /// The ticket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub requested_date_time: Timestamp,
    /// Until when it can be approved and used.
    #[serde(with = "serde_text::time")]
    pub expiration_date_time: Timestamp,
    /// `open`, `approved`, `denied`, `cancelled`, `used`, `expired`.
    pub state: String,
    /// How many others must approve.
    pub approvals_needed: u8,
    /// Reads that are left.
    pub reads_left: u32,
    /// The answers.
    pub answers: Vec<AccessAnswer>,
}

/// An answer to a request for access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessAnswer {
    /// Who answered.
    #[serde(with = "serde_text::text")]
    pub by: PrincipalId,
    /// The name of who answered.
    pub by_name: String,
    /// Approved or denied.
    pub approved: bool,
    /// When.
    #[serde(with = "serde_text::time")]
    pub date_time: Timestamp,
    /// Why, as who answered said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An answer to a request for access, as it is given; the body may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NewAccessAnswer {
    /// Why; at most 500 characters. The asker reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

//! Channels by which people are told of reads.

use crate::serde_text;
use laps::time::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A new channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewChannel {
    /// Its name.
    pub name: String,
    /// Told of every record of the audit log, not of reads only.
    #[serde(default)]
    pub everything: bool,
    /// Where and how.
    #[zeroize(skip)]
    pub to: Receiver,
    /// The key of a webhook (at least 24 characters; absent: one is made and shown once), or the password of a mail
    /// account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl core::fmt::Debug for NewChannel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NewChannel").field("name", &self.name).field("to", &self.to).finish_non_exhaustive()
    }
}

/// Where a channel leads, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub enum Receiver {
    /// HTTPS POST of a CloudEvent, signed as Standard Webhooks has it.
    #[serde(rename_all = "camelCase")]
    Webhook {
        /// `https://…`.
        url: String,
        /// Certificates that are trusted instead of the machine's own, PEM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<String>,
        /// Addresses of private networks and of the server itself may be reached.
        #[serde(default)]
        allow_private: bool,
    },
    /// Mail by SMTP.
    #[serde(rename_all = "camelCase")]
    Mail {
        /// The mail server.
        host: String,
        /// Its port.
        port: u16,
        /// Whether TLS begins with STARTTLS (usual on 587) or at once (465).
        security: MailSecurity,
        /// The sender.
        from: String,
        /// The receivers.
        to: Vec<String>,
        /// The name of the account.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// Certificates that are trusted instead of the machine's own, PEM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<String>,
    },
    /// Syslog over TLS (RFC 5424 and RFC 5425).
    #[serde(rename_all = "camelCase")]
    Syslog {
        /// The collector.
        host: String,
        /// Its port, usually 6514.
        port: u16,
        /// The form of the message.
        format: SyslogFormat,
        /// Certificates that are trusted instead of the machine's own, PEM.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<String>,
    },
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MailSecurity {
    /// STARTTLS, required.
    Starttls,
    /// TLS from the first byte.
    Tls,
}

/// The form of a syslog message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SyslogFormat {
    /// The record as JSON, as exports have it.
    Json,
    /// Common Event Format.
    Cef,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Told of every record of the audit log, not of reads only.
    pub everything: bool,
    /// Where and how.
    pub to: Receiver,
    /// When it was made.
    #[serde(with = "serde_text::time")]
    pub created_date_time: Timestamp,
    /// Records behind the one that it was told of last.
    pub waiting: u64,
    /// When it was told last.
    #[serde(with = "serde_text::time_option", default, skip_serializing_if = "Option::is_none")]
    pub delivered_date_time: Option<Timestamp>,
    /// Records that it was not told of, because they were too old or too many.
    pub dropped: u64,
    /// Attempts that failed since it was told last.
    pub failures: u32,
    /// When it is tried again.
    #[serde(with = "serde_text::time_option", default, skip_serializing_if = "Option::is_none")]
    pub retry_date_time: Option<Timestamp>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Told of nothing until somebody resumes it.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub paused: bool,
}

/// A channel that was made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase")]
pub struct CreatedChannel {
    /// Its name.
    pub name: String,
    /// The key of a webhook, when the server made one; the only time that it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

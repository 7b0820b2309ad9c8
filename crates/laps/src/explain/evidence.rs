//! What is known about a device when somebody asks why its password is missing.
//!
//! Evidence is gathered by the shells (server, agent, later the AD tools); this module only says what it is.

use crate::{drift::Drift, time::Timestamp};

/// All that is known. Times are the server's unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Now.
    pub now: Timestamp,
    /// What the person who asks may do.
    pub reader: Reader,
    /// The device object.
    pub device: Device,
    /// The tenant switch "Enable LAPS".
    pub switch_on: bool,
    /// Names of the policies assigned to a group of the device.
    pub assigned: Vec<String>,
    /// Settings on which two assigned policies differ: the delivery is held (design.md 5, "Management").
    pub conflicts: Vec<String>,
    /// The last delivery that the device answered.
    pub delivery: Option<Delivery>,
    /// The last report of the device.
    pub report: Option<Report>,
    /// The device is forked, or was and nobody has cleared it (rotation.md 1).
    pub fork: Option<Fork>,
    /// What is stored comes from a backup of this time, and the device has not reported since (rotation.md 3).
    pub from_backup: Option<Timestamp>,
    /// What the directory holds of this object's own.
    pub credential: Credential,
    /// What stands in for it: the live set of the machine's former object, which is given out as long as this one has
    /// nothing proven of its own (rotation.md 3).
    pub former: Option<Former>,
    /// Objects that the machine may have had before, of which a password can be read, and that nobody has linked.
    pub unlinked: Vec<Unlinked>,
    /// The newest certificate of the device; `None` when it is not looked at.
    pub certificate: Option<Certificate>,
    /// Other device objects with the same name that the person may see.
    pub namesakes: Vec<Namesake>,
    /// The newest escrow export that holds a password of the device.
    pub export: Option<Export>,
}

impl Evidence {
    /// Whether a password of this object's own can be read.
    pub(super) const fn has_password(&self) -> bool {
        self.credential.proven_at.is_some() || self.credential.pending_since.is_some()
    }
}

/// A password of the object that a machine had before it joined again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The former object's id, as text.
    pub id: String,
    /// When its best password was stored.
    pub stored_at: Timestamp,
    /// When that was proven.
    pub proven_at: Option<Timestamp>,
}

impl Former {
    /// When it was proven, or that it never was, in words.
    pub(super) fn proven(&self) -> String {
        match self.proven_at {
            Some(at) => format!("proven at {at}"),
            None => format!("stored at {} and not proven", self.stored_at),
        }
    }
}

/// An object that a machine may have had before it joined again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlinked {
    /// Its id, as text.
    pub id: String,
    /// Its state: `enabled`, `disabled`, `deleted`.
    pub state: String,
    /// It said that it is the same machine; otherwise it has the same name only.
    pub same_machine: bool,
    /// When it was heard of last.
    pub last_seen: Option<Timestamp>,
}

/// The certificate that a device speaks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// Its end.
    pub not_after: Timestamp,
    /// When a person revoked it.
    pub revoked_at: Option<Timestamp>,
}

/// A device object with the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namesake {
    /// Its id, as text.
    pub id: String,
    /// Its state: `enabled`, `disabled`, `deleted`.
    pub state: String,
    /// When it was heard of last.
    pub last_seen: Option<Timestamp>,
}

/// An escrow export, as the directory remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its id, which its file's name carries.
    pub archive: String,
    /// When it was made.
    pub at: Timestamp,
}

/// What the person who asks may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// A role allows `deviceLocalCredentials/password/read` for this device.
    pub may_read: bool,
    /// The person's reach is the whole tenant: what is not seen is not there.
    pub sees_all: bool,
    /// The roles that the person holds, by display name.
    pub roles: Vec<String>,
    /// What rules of the device's groups ask for beside the right, each in a few words.
    pub asked: Vec<String>,
}

/// The device object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The directory has never had an object with this id or name.
    Unknown,
    /// Several objects have the name that was asked for.
    Several(Vec<Namesake>),
    /// It was removed for good; its passwords went with it.
    Purged {
        /// When.
        at: Timestamp,
    },
    /// A tombstone.
    Deleted {
        /// When it was deleted.
        at: Timestamp,
        /// Until when it can be restored.
        purge_at: Timestamp,
    },
    /// It exists and is disabled.
    Disabled {
        /// When it was disabled; `None` of one that was disabled before the directory kept that.
        at: Option<Timestamp>,
    },
    /// It exists and is enabled.
    Enabled {
        /// When it joined.
        joined_at: Timestamp,
        /// When it was heard of last.
        last_seen: Option<Timestamp>,
    },
}

/// A delivery of policy, as the device answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it was answered.
    pub at: Timestamp,
    /// It is what is assigned now.
    pub up_to_date: bool,
    /// Settings that the device refused: name and status.
    pub refused: Vec<(String, u16)>,
}

/// What the device said about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// When it arrived.
    pub at: Timestamp,
    /// The source of policy that won on the device (`csp`, `gpo`, `local`, `legacy`); `None` when none has a value.
    pub policy_source: Option<String>,
    /// BackupDirectory in force there.
    pub backup_directory: u8,
    /// `backup_directory` does not fit what the device has joined.
    pub join_state_mismatch: bool,
    /// The password is in Active Directory now, proven there: the name of the machine to look for.
    pub in_active_directory: Option<String>,
    /// The account that policy asks for; `None` for the built-in administrator.
    pub account_wanted: Option<String>,
    /// Policy manages the account automatically: when it is not there, the device makes it.
    pub account_automatic: bool,
    /// The account was found.
    pub account_found: bool,
    /// The account is not locked.
    pub account_enabled: bool,
    /// Other local accounts that are administrators and that a password can open, as far as the device told.
    pub other_administrators: Vec<String>,
    /// In what the account is not as it was set (rotation.md 10).
    pub drift: Vec<Drift>,
    /// The device holds repair of drift.
    pub repair_held: bool,
    /// The last error: event, stable code, text.
    pub last_error: Option<(u32, String, String)>,
}

/// A fork of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// When it was seen.
    pub at: Timestamp,
    /// It was the second in 7 days: a clone, or a stolen identity.
    pub clone_suspected: bool,
}

/// What the directory holds of the device's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Credential {
    /// When the newest pending version was stored.
    pub pending_since: Option<Timestamp>,
    /// When the current version was proven.
    pub proven_at: Option<Timestamp>,
    /// When the current version is due.
    pub expires_at: Option<Timestamp>,
}

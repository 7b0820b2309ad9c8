//! Campaigns: rotations of many devices that somebody asked for, followed until the last is proven.

use super::Version;
use crate::audit::{Actor, AuditEntry};
use laps::{
    id::{CampaignId, DeviceId, PrincipalId, VersionId},
    time::Timestamp,
};

/// What a campaign is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CampaignKind {
    /// Devices that were named.
    Devices,
    /// The devices of a group.
    Group,
    /// Every device in reach.
    All,
    /// The devices whose passwords somebody was given.
    Revoke,
}

impl CampaignKind {
    const ALL: [Self; 4] = [Self::Devices, Self::Group, Self::All, Self::Revoke];
    /// The stored and shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Group => "group",
            Self::All => "all",
            Self::Revoke => "revoke",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// How far a device of a campaign is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CampaignState {
    /// Nothing that was disclosed opens it any more: nothing was asked of it.
    Safe,
    /// Not asked yet.
    Waiting,
    /// Asked; stays so while the device is away.
    Requested,
    /// A version that was stored after the request was proven (rotation.md 2).
    Proven,
    /// It cannot be asked; the reason says why.
    Refused,
    /// The device object is not there any more; the reason says why.
    Gone,
    /// Somebody called the campaign off before it was proven.
    Cancelled,
}

impl CampaignState {
    /// Every state, in the order that they are shown in.
    pub const ALL: [Self; 7] =
        [Self::Safe, Self::Waiting, Self::Requested, Self::Proven, Self::Refused, Self::Gone, Self::Cancelled];
    /// The stored and shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Waiting => "waiting",
            Self::Requested => "requested",
            Self::Proven => "proven",
            Self::Refused => "refused",
            Self::Gone => "gone",
            Self::Cancelled => "cancelled",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
    /// Whether something is still to come: a campaign is complete when no device is open.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Requested)
    }
}

/// A campaign to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCampaign {
    /// Its id.
    pub id: CampaignId,
    /// What it is about.
    pub kind: CampaignKind,
    /// Who asked: a user or a service principal.
    pub by: Actor,
    /// Why, in that person's words.
    pub reason: String,
    /// What was asked for, as JSON text; opaque here.
    pub selector: String,
}

/// A campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Campaign {
    /// What it was made from.
    pub new: NewCampaign,
    /// Its place in the server's order.
    pub sequence: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// How far its devices were gathered; opaque here.
    pub place: Option<String>,
    /// When all its devices were gathered.
    pub gathered_at: Option<Timestamp>,
    /// When no device was open any more.
    pub completed_at: Option<Timestamp>,
    /// When it was called off, and by whom.
    pub cancelled: Option<(Timestamp, String)>,
    /// How many devices are in each state.
    pub counts: CampaignCounts,
}

impl Campaign {
    /// Who asked, as requests to rotate name it.
    pub const fn principal(&self) -> Option<PrincipalId> {
        match &self.new.by {
            Actor::User(id, _) | Actor::Application(id, _) => Some(*id),
            _ => None,
        }
    }
}

/// How many devices of a campaign are in each state, in the order of [`CampaignState::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CampaignCounts([u64; 7]);

impl CampaignCounts {
    /// Counts `number` more in `state`.
    pub const fn add(&mut self, state: CampaignState, number: u64) {
        self.0[state as usize] += number;
    }
    /// How many are in `state`.
    pub const fn of(&self, state: CampaignState) -> u64 {
        self.0[state as usize]
    }
    /// How many there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
    /// How many are open.
    pub const fn open(&self) -> u64 {
        self.of(CampaignState::Waiting) + self.of(CampaignState::Requested)
    }
}

/// A device that a campaign takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// The device.
    pub device: DeviceId,
    /// The highest sequence of its versions that were disclosed; only the proof of a later one is good enough.
    /// `None` when it is to rotate whatever it has.
    pub exposed: Option<u64>,
}

/// A device of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignDevice {
    /// The device, and what was disclosed of it.
    pub chosen: Chosen,
    /// Its name now.
    pub name: String,
    /// How far it is.
    pub state: CampaignState,
    /// Why it is safe, refused or gone: a stable code.
    pub reason: Option<String>,
    /// The request that was made for it.
    pub request: Option<u64>,
    /// The version that met it.
    pub met_by: Option<VersionId>,
    /// Since when it is so.
    pub changed_at: Timestamp,
    /// Its last contact that was written.
    pub last_seen: Option<Timestamp>,
}

/// A waiting device that is to be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The device.
    pub device: DeviceId,
    /// It cannot be asked, by what it told about itself: a stable code.
    pub refused: Option<String>,
    /// The record of the request.
    pub audit: AuditEntry,
}

/// A device of a campaign that was called off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOff {
    /// The device.
    pub device: DeviceId,
    /// The record of its request's end, if that is closed.
    pub audit: AuditEntry,
}

/// Whose reads, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExposureFilter {
    /// Principals.
    pub readers: Vec<PrincipalId>,
    /// Only from then on.
    pub from: Option<Timestamp>,
    /// Only before.
    pub until: Option<Timestamp>,
    /// Only records of the audit log up to this place.
    pub up_to: u64,
}

/// What still opens of what was disclosed, on one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposed {
    /// Nothing: a later version was proven for every account.
    Nothing,
    /// Passwords of accounts that policy has left only: no rotation changes them.
    Released,
    /// A password of the managed account.
    Managed,
}

/// What of a device's live set (its predecessor's included, as [`versions`](super::Store::versions) shows it)
/// was disclosed when every version up to the sequence `exposed` was.
pub fn exposed(live: &[Version], exposed: u64) -> Exposed {
    let mut open = live.iter().filter(|version| version.live && version.sequence <= exposed).peekable();
    if open.peek().is_none() {
        Exposed::Nothing
    } else if open.all(|version| version.released_at.is_some()) {
        Exposed::Released
    } else {
        Exposed::Managed
    }
}

/// The code of a device that is disabled: it may not store, so it is not asked.
pub const REFUSED_DISABLED: &str = "device_disabled";
/// The code of a device whose disclosed passwords are of accounts that policy has left.
pub const REFUSED_RELEASED: &str = "account_released";
/// The code of a device, and of a request, whose campaign was called off.
pub const CANCELLED: &str = "campaign_cancelled";
/// The code of a tombstone.
pub const GONE_DELETED: &str = "device_deleted";
/// The code of a device that was removed for good.
pub const GONE_PURGED: &str = "device_purged";
/// The code of a device of which nothing that was disclosed opens any more.
pub const SAFE_SUPERSEDED: &str = "superseded";

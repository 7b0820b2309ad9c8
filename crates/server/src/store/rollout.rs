//! A version of a policy that goes by rings ([`laps::rollout`]), as it is kept.

use laps::{
    id::{DeviceId, GroupId, PolicyId},
    rollout::{Limit, Ring, Who, ring_of},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};

/// How a rollout stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// It goes on by itself.
    Running,
    /// Failures passed the limit, or a person stopped it: nobody else gets the version.
    Halted,
    /// The version is that of every device.
    Complete,
    /// Another version took its place before it was complete.
    RolledBack,
}

impl RolloutState {
    const ALL: [Self; 4] = [Self::Running, Self::Halted, Self::Complete, Self::RolledBack];
    /// The stored and shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Halted => "halted",
            Self::Complete => "complete",
            Self::RolledBack => "rolled_back",
        }
    }
    /// From the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
    /// Devices outside the rings that were reached keep the former version.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Halted)
    }
}

/// The last version of a policy that went by rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// The policy.
    pub policy: PolicyId,
    /// The version that devices keep until they are reached; 0 when they had none.
    pub former: u32,
    /// The version that goes by rings.
    pub wanted: u32,
    /// The plan as it was at the start.
    pub rings: Vec<Ring>,
    /// How it stands.
    pub state: RolloutState,
    /// The index of the last ring that was reached.
    pub ring: u32,
    /// Since when.
    pub ring_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When something about it changed.
    pub changed_at: Timestamp,
    /// Why it stands so, as JSON text; opaque here.
    pub detail: String,
}

impl Rollout {
    /// The version that is for a device of these groups; `None` for none.
    pub fn version_for(&self, device: DeviceId, groups: &[GroupId]) -> Option<u32> {
        let reached = !self.state.is_open()
            || ring_of(&self.rings, self.policy, device, groups) <= usize::try_from(self.ring).unwrap_or(usize::MAX);
        Some(if reached { self.wanted } else { self.former }).filter(|version| *version > 0)
    }
}

/// How a new version of a policy reaches its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spread {
    /// All at once. An open rollout is rolled back by it.
    AtOnce,
    /// By these rings.
    Rings(Vec<Ring>),
}

/// What happens to a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutChange {
    /// The next ring is reached.
    Advance,
    /// It stops.
    Halt,
    /// It goes on.
    Resume,
    /// Every device gets the version.
    Complete,
}

/// The stored form of a ring.
#[derive(Debug, Serialize, Deserialize)]
struct Row {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    soak_hours: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failures: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failures_percent: Option<u8>,
}

/// A plan as text.
pub(crate) fn plan_text(rings: &[Ring]) -> String {
    let rows: Vec<Row> = rings
        .iter()
        .map(|ring| Row {
            percent: match ring.who {
                Who::Percent(share) => Some(share),
                Who::Groups(_) => None,
            },
            groups: match &ring.who {
                Who::Groups(groups) => groups.iter().map(GroupId::to_string).collect(),
                Who::Percent(_) => Vec::new(),
            },
            soak_hours: ring.soak_hours,
            failures: match ring.limit {
                Limit::Devices(most) => Some(most),
                Limit::Percent(_) => None,
            },
            failures_percent: match ring.limit {
                Limit::Percent(most) => Some(most),
                Limit::Devices(_) => None,
            },
        })
        .collect();
    // These rows have no failing case.
    serde_json::to_string(&rows).unwrap_or_default()
}

/// A plan from its text; `None` when it is not one.
pub(crate) fn plan_of(text: &str) -> Option<Vec<Ring>> {
    let rows: Vec<Row> = serde_json::from_str(text).ok()?;
    rows.into_iter()
        .map(|row| {
            let who = match row.percent {
                Some(share) => Who::Percent(share),
                None => Who::Groups(row.groups.iter().map(|group| group.parse().ok()).collect::<Option<_>>()?),
            };
            let limit = match (row.failures, row.failures_percent) {
                (Some(most), _) => Limit::Devices(most),
                (None, most) => Limit::Percent(most?),
            };
            Some(Ring { who, soak_hours: row.soak_hours, limit })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_back() {
        let rings = vec![
            Ring { who: Who::Groups(vec![GroupId::from_bytes([7; 16])]), soak_hours: 4, limit: Limit::Devices(0) },
            Ring { who: Who::Percent(10), soak_hours: 24, limit: Limit::Percent(5) },
        ];
        assert_eq!(plan_of(&plan_text(&rings)), Some(rings));
        assert_eq!(plan_of("[{}]"), None);
    }
}

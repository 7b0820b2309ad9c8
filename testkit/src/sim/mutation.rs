//! Protections that can be taken away, to show that the oracle sees what they protect from.

use crate::memory::StoreMutation;

/// One missing protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// The agent sets the password before the store is acknowledged (rotation.md 2, steps 4 and 5).
    SetBeforeStored,
    /// The agent syncs neither journal nor account database (steps 3 and 5).
    NothingSynced,
    /// After a crash the agent calls what it finds set, without making it durable first. So it was until the
    /// simulator found it.
    ComparedUnsynced,
    /// The agent takes a new fingerprint key and keeps the journal of the old one. So it was until the simulator
    /// found it.
    KeyMadeAnew,
    /// After a crash the agent takes a version for never set because another hand renamed the account since. So it
    /// was until the simulator found it.
    RenamedAbandoned,
    /// The agent deletes an account that policy has left before the one that policy wants is proven, whoever else
    /// could sign in (docs/design/automatic-account.md).
    OldGoesFirst,
    /// The agent rotates in an account database that a restart takes away (section 6).
    VolatileTaken,
    /// The agent remembers a password as due years later (I4).
    ExpiryForgotten,
    /// The agent writes the password into an event (I3).
    PasswordInEvent,
    /// The server acknowledges a `store` before it is durable (step 4).
    AcknowledgedBeforeDurable,
    /// Retention removes what is superseded at once (section 3).
    TrimmedAtOnce,
    /// `abandon` removes the version: an act of a device removes one (section 3).
    AbandonRemoves,
    /// `prove` removes the account's other versions: the same.
    ProveRemoves,
    /// A reveal is answered before its audit record is durable (I2).
    AuditedAfterAnswer,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Self; 14] = [
        Self::SetBeforeStored,
        Self::NothingSynced,
        Self::ComparedUnsynced,
        Self::KeyMadeAnew,
        Self::RenamedAbandoned,
        Self::OldGoesFirst,
        Self::VolatileTaken,
        Self::ExpiryForgotten,
        Self::PasswordInEvent,
        Self::AcknowledgedBeforeDurable,
        Self::TrimmedAtOnce,
        Self::AbandonRemoves,
        Self::ProveRemoves,
        Self::AuditedAfterAnswer,
    ];

    /// The invariant that must be found broken.
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::OldGoesFirst => "administrator",
            Self::ExpiryForgotten => "I4",
            Self::PasswordInEvent => "I3",
            Self::AuditedAfterAnswer => "I2",
            Self::SetBeforeStored
            | Self::NothingSynced
            | Self::ComparedUnsynced
            | Self::KeyMadeAnew
            | Self::RenamedAbandoned
            | Self::VolatileTaken
            | Self::AcknowledgedBeforeDurable
            | Self::TrimmedAtOnce
            | Self::AbandonRemoves
            | Self::ProveRemoves => "I1",
        }
    }

    /// The store's part of it.
    pub(super) const fn of_store(self) -> Option<StoreMutation> {
        match self {
            Self::AcknowledgedBeforeDurable => Some(StoreMutation::AcknowledgedBeforeDurable),
            Self::TrimmedAtOnce => Some(StoreMutation::TrimmedAtOnce),
            Self::AbandonRemoves => Some(StoreMutation::AbandonRemoves),
            Self::ProveRemoves => Some(StoreMutation::ProveRemoves),
            Self::AuditedAfterAnswer => Some(StoreMutation::AuditedAfterAnswer),
            Self::SetBeforeStored
            | Self::NothingSynced
            | Self::ComparedUnsynced
            | Self::KeyMadeAnew
            | Self::RenamedAbandoned
            | Self::OldGoesFirst
            | Self::VolatileTaken
            | Self::ExpiryForgotten
            | Self::PasswordInEvent => None,
        }
    }
}

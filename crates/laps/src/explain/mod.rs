//! Why is there no password, or an old one; and what to do.
//!
//! [`explain`] walks a chain of links from the device object to the proven password and stops at the
//! first broken one. Each link says what was seen and when; the broken one names its cause, its remedy
//! and a stable code (the rows of laps-behaviour.md 11.1 that concern the cloud directory). [`explain_domain`] does
//! the same for Active Directory, from what the directory shows, from what the machine knows, or from both.

mod chain;
mod device_says;
mod domain;
mod evidence;
mod way;

pub use chain::{UNREACHABLE_DAYS, cause, explain, explain_request};
pub use domain::{ComputerObject, Decryption, Directory, DomainEvidence, KeptIn, Machine, StoredForm, explain_domain};
pub use evidence::{
    Certificate, Credential, Delivery, Device, Evidence, Export, Fork, Former, Namesake, Reader, Report, Unlinked,
};
pub use way::Way;

use crate::time::Timestamp;

macro_rules! links {
    ({ $($(#[$doc:meta])* $name:ident = $word:literal;)* } { $($(#[$more_doc:meta])* $more:ident = $more_word:literal;)* }) => {
        /// The links of the chains.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Link { $($(#[$doc])* $name,)* $($(#[$more_doc])* $more,)* }
        impl Link {
            /// Every link of the chain of a server's directory, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// A stable word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* $(Self::$more => $more_word,)* }
            }
        }
    };
}

links! {
    {
        /// The directory has a device object.
        DeviceObject = "device_object";
        /// It is enabled.
        DeviceState = "device_state";
        /// Its certificate is good: the machine can speak as this device.
        Join = "join";
        /// The tenant switch "Enable LAPS" is on.
        TenantSwitch = "tenant_switch";
        /// A policy is assigned, without a conflict.
        PolicyAssigned = "policy_assigned";
        /// It was delivered.
        PolicyDelivered = "policy_delivered";
        /// The device took every setting.
        PolicyAccepted = "policy_accepted";
        /// The CSP is the source that won on the device.
        SourceWon = "source_won";
        /// BackupDirectory is not 0.
        BackupDirectory = "backup_directory";
        /// BackupDirectory fits what the device has joined.
        JoinState = "join_state";
        /// The managed account exists.
        AccountExists = "account_exists";
        /// A password could be made that the machine takes.
        Generated = "generated";
        /// A password was stored.
        Stored = "stored";
        /// It was set on the machine.
        Set = "set";
        /// It was proven to open the account.
        Proven = "proven";
        /// The account is as it was set, and the machine is the one that set it.
        AsSet = "as_set";
        /// It is not overdue, and the account can be used.
        StillFits = "still_fits";
        /// The person who asks may read it. Last, so that somebody who may only see metadata still learns why
        /// a password is missing.
        PersonMayRead = "person_may_read";
    }
    {
        /// A policy is in force on the machine.
        PolicyInForce = "policy_in_force";
        /// The server answers, and knows the machine.
        ServerAnswers = "server_answers";
        /// The server takes what the machine stores.
        ServerTakes = "server_takes";
        /// A writable domain controller answers.
        Controller = "controller";
        /// The schema has the attributes of LAPS.
        Schema = "schema";
        /// The domain's functional level allows encryption.
        FunctionalLevel = "functional_level";
        /// The principal that shall decrypt exists.
        Principal = "principal";
        /// The domain has an enabled object of the computer.
        ComputerObject = "computer_object";
        /// The computer may write its own attributes.
        ComputerMayStore = "computer_may_store";
        /// The person who asks may decrypt.
        PersonMayDecrypt = "person_may_decrypt";
    }
}

impl Link {
    /// Every link of the chain of a machine that keeps its password in Active Directory, in order.
    pub const DOMAIN: &[Self] = &[
        Self::PolicyInForce,
        Self::BackupDirectory,
        Self::JoinState,
        Self::AccountExists,
        Self::ServerAnswers,
        Self::ServerTakes,
        Self::Controller,
        Self::Schema,
        Self::FunctionalLevel,
        Self::Principal,
        Self::ComputerObject,
        Self::ComputerMayStore,
        Self::PersonMayRead,
        Self::Stored,
        Self::Proven,
        Self::PersonMayDecrypt,
        Self::AsSet,
        Self::StillFits,
    ];
}

/// How a link was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It holds.
    Holds,
    /// It is broken; the chain stops here.
    Broken,
    /// Not looked at, because an earlier one is broken.
    NotReached,
    /// It cannot be seen from where this was asked.
    NotSeen,
}

impl Condition {
    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::NotReached => "not_reached",
            Self::NotSeen => "not_seen",
        }
    }
}

/// One link as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The link.
    pub link: Link,
    /// How it was found.
    pub condition: Condition,
    /// What was seen; empty when it was not reached.
    pub seen: String,
    /// When that was so, for each link that was looked at. What the directory itself keeps (the switch, assignments,
    /// roles) was so when it was asked.
    pub at: Option<Timestamp>,
}

/// Why the first broken link is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Stable code; also the anchor of `docs/explain.md`.
    pub code: &'static str,
    /// What is the matter.
    pub cause: String,
    /// What to do next.
    pub remedy: String,
}

impl Cause {
    /// Where the documentation says more.
    pub fn page(&self) -> String {
        format!("docs/explain.md#{}", self.code)
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Every link, in order.
    pub chain: Vec<Finding>,
    /// The first broken link's cause; `None` when nothing is missing.
    pub cause: Option<Cause>,
    /// What can be read all the same, in one sentence.
    pub readable: String,
    /// What can be done when somebody has to get into the machine and no password of its own can be read; empty
    /// otherwise.
    pub ways: Vec<Way>,
}

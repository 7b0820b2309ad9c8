//! One rotation: the eight steps of rotation.md 2, and the recovery of one that was interrupted.
//!
//! [`Rotation`] is a state machine. The shell carries out one [`Effect`] at a time and answers with an
//! [`Outcome`]; the machine says what comes next or how it ended. It never holds a password: effects
//! name the version, and the shell keeps the one secret in memory from [`Effect::Generate`] until
//! [`Effect::Resolve`].

mod machine;
mod version;

pub use machine::{Finish, Rotation, Step};
pub use version::{AccountRef, Comparison, Destination, Failure, Fingerprint, Intent, NotAFingerprint, ProofKind};

use crate::id::VersionId;

/// What the shell is to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Step 0: may the account database be written, durably? (rotation.md 6)
    Preflight,
    /// Step 2: bring the account into shape, generate, check against the machine's own rules, compute
    /// the verifier with a fresh salt. The shell keeps the password. Answer: [`Outcome::Generated`].
    Generate {
        /// The version that the new password becomes.
        version: VersionId,
    },
    /// Step 3: write the intent and sync it and its directory.
    Journal(Intent),
    /// Step 4: send it to the directory; answered only by the durable acknowledgement. Active Directory: one modify,
    /// at the controller of the intent; when an earlier answer was lost, that controller is read first, and the
    /// modify is made again only if it has not arrived (rotation.md 9).
    Store(Intent),
    /// Step 5: set it locally. (rotation.md 7)
    Set(Intent),
    /// Does the account database hold this version? Answer: [`Outcome::Compared`].
    Compare(Intent),
    /// Step 6: prove it with the password that the shell holds. Answer: [`Outcome::Proven`]. (rotation.md 8)
    Prove(Intent),
    /// Step 7: tell the cloud directory that the version is proven.
    Acknowledge {
        /// The version that is set.
        version: VersionId,
        /// How that was proven.
        kind: ProofKind,
    },
    /// Tell the cloud directory that the version was never set.
    Abandon {
        /// The version that was not set.
        version: VersionId,
        /// Why, as a stable code.
        reason: &'static str,
    },
    /// Step 8: the intent is resolved; drop the secret and clear the journal.
    Resolve {
        /// The version of the intent.
        version: VersionId,
    },
}

/// What became of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, durably.
    Done,
    /// [`Effect::Generate`]: the fingerprint of the account with its new verifier.
    Generated {
        /// The account, with the name that it has after step 5.
        account: AccountRef,
        /// Fingerprint of (uid, name, new verifier).
        fingerprint: Fingerprint,
    },
    /// [`Effect::Compare`].
    Compared(Comparison),
    /// [`Effect::Prove`].
    Proven(ProofKind),
    /// A definite no: nothing was changed by the effect.
    Refused(Failure),
    /// No answer: it may have happened or not.
    Unknown(Failure),
}

/// What to do after an [`Outcome`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Carry this out.
    Do(Effect),
    /// The rotation is over.
    Finished(Finish),
}

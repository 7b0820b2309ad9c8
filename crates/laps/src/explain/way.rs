//! What can be done when somebody has to get into a machine and no password of it can be read
//! (laps-behaviour.md 11.2).

use super::{Condition, Device, Evidence, Explanation, Export, Link, chain::UNREACHABLE_DAYS};
use crate::time::TICKS_PER_DAY;

/// A situation, and what can be done in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Stable word: `agent_reachable`, `local_access_left`, `no_local_access`.
    pub situation: &'static str,
    /// What can be done, and what cannot.
    pub text: String,
}

/// The ways that are open; none when a password can be read.
pub(super) fn ways(evidence: &Evidence, explanation: &Explanation) -> Vec<Way> {
    let is_readable = evidence.has_password()
        && !matches!(evidence.device, Device::Unknown | Device::Several(_) | Device::Purged { .. });
    // Of a device that is not known, or kept elsewhere, nothing is missing here that could be done about.
    let elsewhere = explanation.cause.as_ref().is_some_and(|cause| {
        matches!(cause.code, "name_ambiguous" | "device_unknown" | "in_active_directory" | "stale_object")
    });
    if is_readable || elsewhere || explanation.cause.is_none() {
        return Vec::new();
    }
    let mut ways = Vec::new();
    if let Device::Enabled { last_seen: Some(seen), .. } = evidence.device
        && evidence.now.ticks_since(seen) <= u64::from(UNREACHABLE_DAYS) * TICKS_PER_DAY
    {
        ways.push(Way {
            situation: "agent_reachable",
            text: format!(
                "The agent of the machine was heard of at {seen}: it makes and stores a password by itself as soon as the broken \
                 link is mended. Nobody has to sign in there, and nothing has to be rebuilt."
            ),
        });
    }
    let known = match evidence.report.as_ref().map(|report| (&report.other_administrators, report.at)) {
        Some((names, at)) if !names.is_empty() => {
            format!(" The device told at {at} that these administrators can sign in: {}.", names.join(", "))
        }
        _ => String::new(),
    };
    ways.push(Way {
        situation: "local_access_left",
        text: format!(
            "If somebody can still sign in to the machine as an administrator, no rebuild is needed: {}; then rotate \
             (`lapwing-agent cycle` there, or `lapwing password rotate`). That stores a new password; the missing one stays \
             unknown.{known}",
            steps(explanation)
        ),
    });
    let export = match &evidence.export {
        Some(Export { archive, at }) => format!(
            " An earlier password may open it: the escrow export {archive} of {at} (lapwing escrow open FILE --identity KEYFILE)."
        ),
        None => String::new(),
    };
    ways.push(Way {
        situation: "no_local_access",
        text: format!(
            "If nobody can sign in: a password that was never stored, or was purged, cannot be recovered by this server or by \
             anybody.{export} What is left is to reset a password from recovery media, or to rebuild the machine; then join it \
             again."
        ),
    });
    ways
}

/// Join, switch, policy: what of it stands and what has to be mended, in this order (the seed).
fn steps(explanation: &Explanation) -> String {
    let condition = |wanted: &[Link]| {
        let of = |finding: &&super::Finding| wanted.contains(&finding.link);
        let findings = || explanation.chain.iter().filter(of);
        if findings().any(|finding| finding.condition == Condition::Broken) {
            "to mend first"
        } else if findings().all(|finding| finding.condition == Condition::Holds) {
            "in order"
        } else {
            "to look at"
        }
    };
    let parts = [
        ("the join", condition(&[Link::DeviceObject, Link::DeviceState])),
        ("the switch", condition(&[Link::TenantSwitch])),
        (
            "the policy",
            condition(&[
                Link::PolicyAssigned,
                Link::PolicyDelivered,
                Link::PolicyAccepted,
                Link::SourceWon,
                Link::BackupDirectory,
                Link::JoinState,
            ]),
        ),
    ];
    parts.map(|(what, how)| format!("{what} is {how}")).join(", ")
}

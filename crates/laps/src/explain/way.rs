//! What can be done when somebody has to get into a machine and no password of it can be read
//! (laps-behaviour.md 11.2).

use super::{Condition, Device, Evidence, Explanation, Export, Link, Unlinked, chain::UNREACHABLE_DAYS};
use crate::time::TICKS_PER_DAY;

/// A situation, and what can be done in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Stable word: `former_password`, `former_object`, `agent_reachable`, `local_access_left`, `no_local_access`.
    pub situation: &'static str,
    /// What can be done, and what cannot.
    pub text: String,
}

/// The ways that are open; none when a password of the device's own can be read.
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
    if let Some(former) = &evidence.former {
        ways.push(Way {
            situation: "former_password",
            text: format!(
                "The password of the former object {}, {}, is given out in its place, and labelled so (`lapwing password get`): \
                 try it first. It opens the machine unless that was installed anew.",
                former.id,
                former.proven()
            ),
        });
    }
    if !evidence.unlinked.is_empty() {
        ways.push(Way {
            situation: "former_object",
            text: format!(
                "The machine may have been here before, under an object of which a password can be read: {}. If it is the same \
                 machine, link the two (`lapwing device link DEVICE FORMER`): that password is then given out here until there is \
                 one of its own.",
                evidence.unlinked.iter().map(unlinked).collect::<Vec<_>>().join("; ")
            ),
        });
    }
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
    let tried = match (&evidence.former, evidence.unlinked.is_empty()) {
        (Some(_), _) => " and the former object's password does not open it",
        (None, false) => ", and no former object is this machine",
        (None, true) => "",
    };
    ways.push(Way {
        situation: "no_local_access",
        text: format!(
            "If nobody can sign in{tried}: a password that was never stored, or was purged, cannot be recovered by this server or by \
             anybody.{export} What is left is to reset a password from recovery media, or to rebuild the machine; then join it \
             again."
        ),
    });
    ways
}

/// The ways of a machine that asks about itself, or that a directory is asked about (`is_here` tells which), when no
/// password of it was ever stored.
pub(super) fn ways_of_machine(is_here: bool, explanation: &Explanation) -> Vec<Way> {
    let who = if is_here {
        "You are on the machine: as root you need no password, and no rebuild"
    } else {
        "If somebody can still sign in to the machine as an administrator, no rebuild is needed"
    };
    vec![
        Way {
            situation: "local_access_left",
            text: format!(
                "{who}: {}; then rotate (`lapwing-agent cycle` there). That makes, stores and proves a new password; the missing \
                 one stays unknown.",
                parts_of_machine(explanation)
            ),
        },
        Way {
            situation: "no_local_access",
            text: "If nobody can sign in: a password that was never stored cannot be recovered by a directory or by anybody. \
                   What is left is to reset a password from recovery media, or to rebuild the machine; then join it again."
                .into(),
        },
    ]
}

fn unlinked(former: &Unlinked) -> String {
    let alike = if former.same_machine { "the same machine" } else { "the same name" };
    let seen = former.last_seen.map_or("never heard of".into(), |at| format!("last heard of at {at}"));
    format!("{} ({alike}, {}, {seen})", former.id, former.state)
}

/// Join, switch, policy: what of it stands and what has to be mended, in this order (the seed).
fn steps(explanation: &Explanation) -> String {
    let policy = [
        Link::PolicyAssigned,
        Link::PolicyDelivered,
        Link::PolicyAccepted,
        Link::SourceWon,
        Link::BackupDirectory,
        Link::JoinState,
    ];
    stand(
        explanation,
        &[
            ("the join", &[Link::DeviceObject, Link::DeviceState]),
            ("the switch", &[Link::TenantSwitch]),
            ("the policy", &policy),
        ],
    )
}

/// The same of the other chain.
fn parts_of_machine(explanation: &Explanation) -> String {
    let directory = [
        Link::ServerAnswers,
        Link::ServerTakes,
        Link::Controller,
        Link::Schema,
        Link::FunctionalLevel,
        Link::Principal,
        Link::ComputerObject,
        Link::ComputerMayStore,
    ];
    stand(
        explanation,
        &[
            ("the policy", &[Link::PolicyInForce, Link::BackupDirectory]),
            ("the join", &[Link::JoinState]),
            ("the account", &[Link::AccountExists]),
            ("the way to the directory", &directory),
        ],
    )
}

fn stand(explanation: &Explanation, parts: &[(&str, &[Link])]) -> String {
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
    parts.iter().map(|(what, links)| format!("{what} is {}", condition(links))).collect::<Vec<_>>().join(", ")
}

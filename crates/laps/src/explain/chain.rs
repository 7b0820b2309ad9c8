//! The walk along the chain.

use super::{
    Cause, Condition, Device, Evidence, Explanation, Export, Finding, Link, Namesake, Report,
    device_says::{device_says, is_of_generating, is_of_post_authentication, is_of_setting},
    way,
};
use crate::{
    drift::Drift,
    time::{TICKS_PER_DAY, Timestamp},
};

const NOT_SEEN: &str = "not looked at from here";

/// A device that was not heard of for so long counts as unreachable, days.
pub const UNREACHABLE_DAYS: u32 = 3;
/// Causes that end when the device comes: of one that does not come, that is the cause.
const WAIT_FOR_THE_DEVICE: [&str; 5] =
    ["policy_not_delivered", "account_not_made", "not_stored_yet", "stored_not_proven", "overdue"];

/// Walks the chain and stops at the first broken link.
pub fn explain(evidence: &Evidence) -> Explanation {
    let mut explanation = walk(Link::ALL, readable(evidence), |link| look(link, evidence));
    if let Some(cause) = &mut explanation.cause
        && WAIT_FOR_THE_DEVICE.contains(&cause.code)
        && let Some(since) = unreachable_since(evidence)
    {
        *cause = unreachable(since, &cause.cause);
    }
    explanation.ways = way::ways(evidence, &explanation);
    explanation
}

/// Only the cause of the first broken link, for many devices at once.
pub fn cause(evidence: &Evidence) -> Option<Cause> {
    let cause = Link::ALL.iter().find_map(|link| match look(*link, evidence) {
        Look::Broken { cause, .. } => Some(cause),
        Look::Holds { .. } | Look::NotSeen => None,
    })?;
    match unreachable_since(evidence) {
        Some(since) if WAIT_FOR_THE_DEVICE.contains(&cause.code) => Some(unreachable(since, &cause.cause)),
        _ => Some(cause),
    }
}

/// Why a request to rotate is not met yet: what keeps the device from it, or `None` when it only has to come.
pub fn explain_request(evidence: &Evidence) -> Option<Cause> {
    // Who may read does not matter to a rotation, and what is wrong with the password is what it mends.
    let matters = |link: Link| link < Link::AsSet;
    let explanation = explain(evidence);
    let broken = explanation.chain.iter().find(|finding| finding.condition == Condition::Broken);
    match (broken, explanation.cause) {
        (Some(broken), Some(cause)) if matters(broken.link) => Some(cause),
        _ => unreachable_since(evidence).map(|since| unreachable(since, "The request waits for it.")),
    }
}

/// When the device was heard of last, if that is too long ago to wait for it.
fn unreachable_since(evidence: &Evidence) -> Option<Timestamp> {
    let Device::Enabled { joined_at, last_seen } = &evidence.device else { return None };
    let last = last_seen.unwrap_or(*joined_at);
    (evidence.now.ticks_since(last) > u64::from(UNREACHABLE_DAYS) * TICKS_PER_DAY).then_some(last)
}

fn unreachable(since: Timestamp, waits: &str) -> Cause {
    Cause {
        code: "device_unreachable",
        cause: format!("The device was heard of last at {since}. {waits}"),
        remedy: "Bring it online: it has to reach this server over HTTPS. On the machine `systemctl status lapwing-agent` \
                 says whether the agent runs, `lapwing-agent status --explain` what keeps it, `lapwing-agent cycle` tries at once."
            .into(),
    }
}

/// Looks at one link after another, until one is broken.
pub(super) fn walk(links: &[Link], readable: String, look: impl Fn(Link) -> Look) -> Explanation {
    let (mut chain, mut cause) = (Vec::with_capacity(links.len()), None);
    for link in links {
        let (condition, seen, at) = match cause {
            Some(_) => (Condition::NotReached, String::new(), None),
            None => match look(*link) {
                Look::Holds { seen, at } => (Condition::Holds, seen, at),
                Look::NotSeen => (Condition::NotSeen, NOT_SEEN.to_owned(), None),
                Look::Broken { seen, at, cause: found } => {
                    cause = Some(found);
                    (Condition::Broken, seen, at)
                }
            },
        };
        chain.push(Finding { link: *link, condition, seen, at });
    }
    Explanation { chain, cause, readable, ways: Vec::new() }
}

pub(super) enum Look {
    Holds { seen: String, at: Option<Timestamp> },
    NotSeen,
    Broken { seen: String, at: Option<Timestamp>, cause: Cause },
}

pub(super) fn holds(seen: impl Into<String>, at: Option<Timestamp>) -> Look {
    Look::Holds { seen: seen.into(), at }
}

pub(super) fn broken(
    seen: impl Into<String>,
    at: Option<Timestamp>,
    code: &'static str,
    cause: impl Into<String>,
    remedy: impl Into<String>,
) -> Look {
    Look::Broken { seen: seen.into(), at, cause: Cause { code, cause: cause.into(), remedy: remedy.into() } }
}

fn look(link: Link, evidence: &Evidence) -> Look {
    let is_elsewhere = evidence.report.as_ref().is_some_and(|report| report.in_active_directory.is_some());
    match link {
        // What this server would need does not matter to a password that is kept elsewhere.
        Link::TenantSwitch | Link::PolicyAssigned | Link::PolicyDelivered | Link::PolicyAccepted | Link::SourceWon
            if is_elsewhere =>
        {
            let at = evidence.report.as_ref().map(|report| report.at);
            holds("not needed: the machine keeps its password in Active Directory", at)
        }
        Link::DeviceObject => device_object(evidence),
        Link::DeviceState => device_state(evidence),
        Link::Join => join(evidence),
        Link::PersonMayRead => person_may_read(evidence),
        Link::TenantSwitch => tenant_switch(evidence),
        Link::PolicyAssigned => policy_assigned(evidence),
        Link::PolicyDelivered => policy_delivered(evidence),
        Link::PolicyAccepted => policy_accepted(evidence),
        Link::SourceWon => source_won(evidence),
        Link::BackupDirectory => backup_directory(evidence),
        Link::JoinState => join_state(evidence),
        Link::AccountExists => account_exists(evidence.report.as_ref()),
        Link::Generated => generated(evidence),
        Link::Stored => stored(evidence),
        Link::Set => set(evidence),
        Link::Proven => proven(evidence),
        Link::AsSet => as_set(evidence),
        Link::StillFits => still_fits(evidence),
        // Of the other chain.
        Link::PolicyInForce
        | Link::ServerAnswers
        | Link::ServerTakes
        | Link::Controller
        | Link::Schema
        | Link::FunctionalLevel
        | Link::Principal
        | Link::ComputerObject
        | Link::ComputerMayStore
        | Link::PersonMayDecrypt => holds("", None),
    }
}

/// The way back of a machine whose device object is gone (the seed: "it must appear as a new device object").
const NEW_OBJECT: &str = "Join the machine again (`lapwing join-token create`, then `lapwing-agent join` there): it becomes a new \
                          device object, policy has to reach that one, and its first cycle makes and stores a new password.";

/// What an escrow export can give, as a sentence; that there is none, otherwise.
fn exported(export: Option<&Export>) -> String {
    match export {
        Some(Export { archive, at }) => format!(
            "The escrow export {archive} of {at} holds a password of it: lapwing escrow open FILE --identity KEYFILE --device …"
        ),
        None => "No escrow export of this server holds a password of it.".into(),
    }
}

fn others(namesakes: &[Namesake]) -> String {
    let one = |other: &Namesake| {
        let seen = other.last_seen.map_or("never heard of".into(), |at| format!("last heard of at {at}"));
        format!("{} ({}, {seen})", other.id, other.state)
    };
    namesakes.iter().map(one).collect::<Vec<_>>().join(", ")
}

// Rows 1 and 2.
fn device_object(evidence: &Evidence) -> Look {
    match &evidence.device {
        Device::Unknown if !evidence.reader.sees_all => broken(
            "no device object with this id or name that you may see",
            Some(evidence.now),
            "device_unknown",
            "There is no such device object among those that your role reaches: it does not exist, or is out of your groups.",
            "Ask somebody whose role holds for the whole tenant; look at yours with `lapwing device list`.",
        ),
        Device::Unknown => broken(
            "no device object with this id or name",
            Some(evidence.now),
            "device_unknown",
            "The machine has not joined this directory, or joined another one, or the name is another.",
            "Look it up with `lapwing device list`; if it is not there, make a join token \
             (`lapwing join-token create`) and run `lapwing-agent join` on the machine.",
        ),
        Device::Several(namesakes) => broken(
            format!("{} device objects have this name: {}", namesakes.len(), others(namesakes)),
            Some(evidence.now),
            "name_ambiguous",
            "Several device objects have this name; often a machine that has joined again, beside its former object.",
            "Ask by id. `lapwing-agent status` on the machine says which one it is now.",
        ),
        Device::Purged { at } => broken(
            "the device object was purged",
            Some(*at),
            "device_purged",
            format!(
                "The device object was removed for good, and its passwords with it: this server cannot give them back. {}",
                exported(evidence.export.as_ref())
            ),
            NEW_OBJECT,
        ),
        Device::Deleted { at, purge_at } => broken(
            "the device object was deleted",
            Some(*at),
            "device_deleted",
            format!(
                "The device object is a tombstone; its passwords are kept until {purge_at}, and lost after that. {}",
                exported(evidence.export.as_ref())
            ),
            format!("Restore the device object (`lapwing device restore`) before that time. After it: {NEW_OBJECT}"),
        ),
        Device::Disabled { .. } | Device::Enabled { .. } => {
            let (at, seen) = match &evidence.device {
                Device::Enabled { joined_at, last_seen } => (Some(*joined_at), last_seen.unwrap_or(*joined_at)),
                _ => (Some(evidence.now), Timestamp::MIN),
            };
            let newer = evidence.namesakes.iter().find(|other| other.last_seen.is_some_and(|at| at > seen));
            match newer {
                Some(newer) if !evidence.has_password() => broken(
                    format!(
                        "another device object has this name and was heard of later: {}",
                        others(&evidence.namesakes)
                    ),
                    at,
                    "stale_object",
                    "This looks like the former object of a machine that has joined again: it stores its password under the \
                     new one.",
                    format!(
                        "Look at the other one: lapwing explain {}. `lapwing-agent status` on the machine says which it is.",
                        newer.id
                    ),
                ),
                _ if evidence.namesakes.is_empty() => holds("the device object exists", at),
                _ => {
                    let seen =
                        format!("the device object exists; others have its name: {}", others(&evidence.namesakes));
                    holds(seen, at)
                }
            }
        }
    }
}

// Row 3.
fn device_state(evidence: &Evidence) -> Look {
    match &evidence.device {
        Device::Disabled { at } => broken(
            if at.is_some() { "disabled" } else { "disabled; since when was not kept" },
            at.or(Some(evidence.now)),
            "device_disabled",
            "A disabled device cannot store a new password; its last one stays readable and is not changed.",
            "Enable it (`lapwing device enable`), then wait for its next check-in or ask for a rotation.",
        ),
        Device::Enabled { joined_at, last_seen } => {
            let seen =
                if last_seen.is_some() { "enabled, and heard of" } else { "enabled, not heard of since it joined" };
            holds(seen, last_seen.or(Some(*joined_at)))
        }
        Device::Unknown | Device::Several(_) | Device::Purged { .. } | Device::Deleted { .. } => holds("", None),
    }
}

// Row 20.
fn join(evidence: &Evidence) -> Look {
    let Some(certificate) = evidence.certificate else { return Look::NotSeen };
    if let Some(at) = certificate.revoked_at {
        return broken(
            "its certificate was revoked",
            Some(at),
            "certificate_revoked",
            "The certificate of the device was revoked: nothing that it says is taken.",
            NEW_OBJECT,
        );
    }
    if evidence.now > certificate.not_after {
        return broken(
            "its certificate has run out",
            Some(certificate.not_after),
            "certificate_expired",
            "The certificate of the device has run out; with it the device may only renew it and report.",
            "Start the agent on the machine (`systemctl start lapwing-agent`): it renews the certificate by itself at its \
             first contact.",
        );
    }
    holds(format!("its certificate is good until {}", certificate.not_after), Some(evidence.now))
}

// Row 5.
fn person_may_read(evidence: &Evidence) -> Look {
    let reader = &evidence.reader;
    let roles = if reader.roles.is_empty() { "no role".to_owned() } else { reader.roles.join(", ") };
    if reader.may_read {
        let asked = match reader.asked.as_slice() {
            [] => String::new(),
            asked => format!("; a rule of its groups also asks for {}", asked.join(", ")),
        };
        return holds(format!("allowed by {roles}{asked}"), Some(evidence.now));
    }
    broken(
        roles,
        Some(evidence.now),
        "reader_not_allowed",
        "Your roles do not allow reading local administrator passwords of this device.",
        "Ask for the role Cloud Device Administrator or Intune Administrator, or ask someone who has it.",
    )
}

// Row 4.
fn tenant_switch(evidence: &Evidence) -> Look {
    if evidence.switch_on {
        return holds("Enable LAPS is on", Some(evidence.now));
    }
    broken(
        "Enable LAPS is off",
        Some(evidence.now),
        "laps_disabled",
        "The tenant switch is off: the directory takes no password from any device.",
        "Turn it on (`lapwing setting laps on`); devices rotate at their next check-in.",
    )
}

// Row 7.
fn policy_assigned(evidence: &Evidence) -> Look {
    if !evidence.conflicts.is_empty() {
        return broken(
            format!("{} disagree", evidence.assigned.join(", ")),
            Some(evidence.now),
            "policy_conflict",
            format!(
                "Assigned policies set {} differently; the delivery is held and the last complete policy stays in force.",
                evidence.conflicts.join(", ")
            ),
            "Make the policies agree, or unassign one of them (`lapwing policy unassign`).",
        );
    }
    if !evidence.assigned.is_empty() {
        return holds(evidence.assigned.join(", "), Some(evidence.now));
    }
    // A machine can have its policy from another source, such as local configuration.
    if let Some(report) = evidence.report.as_ref().filter(|report| report.backup_directory != 0) {
        return holds("none assigned; the device has policy of another source", Some(report.at));
    }
    broken(
        "no policy is assigned to a group of this device",
        Some(evidence.now),
        "policy_not_assigned",
        "Without a policy the device manages no account.",
        "Assign one: `lapwing policy list`, then `lapwing policy assign POLICY --group GROUP`.",
    )
}

fn policy_delivered(evidence: &Evidence) -> Look {
    if evidence.assigned.is_empty() {
        return holds("nothing to deliver", Some(evidence.now));
    }
    match &evidence.delivery {
        Some(delivery) if delivery.up_to_date => holds("the assigned policy was delivered", Some(delivery.at)),
        Some(delivery) => broken(
            "an older policy was delivered",
            Some(delivery.at),
            "policy_not_delivered",
            "The device has not checked in since the policy was changed.",
            "Bring the device online; on the machine `lapwing-agent cycle` checks in at once.",
        ),
        None => broken(
            "no delivery was answered yet",
            Some(evidence.now),
            "policy_not_delivered",
            "The device has not checked in since the policy was assigned.",
            "Bring the device online; on the machine `lapwing-agent cycle` checks in at once.",
        ),
    }
}

fn policy_accepted(evidence: &Evidence) -> Look {
    let Some(delivery) = &evidence.delivery else { return holds("nothing was delivered", Some(evidence.now)) };
    if delivery.refused.is_empty() {
        return holds("the device took every setting", Some(delivery.at));
    }
    let refused: Vec<String> = delivery.refused.iter().map(|(name, status)| format!("{name} ({status})")).collect();
    broken(
        format!("refused: {}", refused.join(", ")),
        Some(delivery.at),
        "policy_refused",
        "The device refused a setting, and with it the whole delivery; the policy before it stays in force.",
        "Correct the value (`lapwing policy lint` names the allowed ones) and assign the policy again.",
    )
}

// Row 8.
fn source_won(evidence: &Evidence) -> Look {
    let Some(report) = &evidence.report else {
        return broken(
            "the device has never reported",
            Some(evidence.now),
            "never_reported",
            "The device has joined and was not heard of since.",
            "Start the agent on the machine (`systemctl start lapwing-agent`), or look at `lapwing-agent status` there.",
        );
    };
    match report.policy_source.as_deref() {
        Some(source) if source != "csp" && !evidence.assigned.is_empty() => broken(
            format!("{source} is in force on the device"),
            Some(report.at),
            "other_source_wins",
            format!(
                "The device takes its policy from {source}; sources are never merged, and the one that wins, wins whole."
            ),
            "Remove that source on the machine, or move its settings into the assigned policy \
             (`lapwing-agent policy show` lists them).",
        ),
        Some(source) => holds(format!("{source} is in force"), Some(report.at)),
        None => broken(
            "no source has a value on the device",
            Some(report.at),
            "no_policy_on_device",
            "The device holds no policy.",
            "Assign a policy and let the device check in.",
        ),
    }
}

// Rows 7 (BackupDirectory 0), 9 and 36.
fn backup_directory(evidence: &Evidence) -> Look {
    if let Some(report) = &evidence.report
        && let Some(name) = &report.in_active_directory
    {
        return broken(
            "BackupDirectory is 2, and the machine keeps its password in Active Directory",
            Some(report.at),
            "in_active_directory",
            "The password is now in Active Directory, set and proven; what is stored here is of the time before.",
            format!("Read it there: lapwing ad get {name}"),
        );
    }
    match &evidence.report {
        Some(report) if report.backup_directory == 0 => broken(
            "BackupDirectory is 0",
            Some(report.at),
            "backup_disabled",
            "The policy in force disables backup: no password is made or stored.",
            "Set BackupDirectory to 1 in the policy.",
        ),
        Some(report) => holds(format!("BackupDirectory is {}", report.backup_directory), Some(report.at)),
        None => holds("", None),
    }
}

// Rows 9 and 10.
fn join_state(evidence: &Evidence) -> Look {
    match &evidence.report {
        Some(report) if report.join_state_mismatch => broken(
            format!("BackupDirectory {} on a device that has not joined that directory", report.backup_directory),
            Some(report.at),
            "join_state_mismatch",
            "The policy names a directory that the device has not joined, so it manages no password.",
            "Set BackupDirectory to 1, or join the machine to Active Directory.",
        ),
        Some(report) => holds("BackupDirectory fits the join", Some(report.at)),
        None => holds("", None),
    }
}

// Row 12.
pub(super) fn account_exists(report: Option<&Report>) -> Look {
    let Some(report) = report else { return holds("", None) };
    let wanted = report
        .account_wanted
        .as_ref()
        .map_or_else(|| "the built-in administrator".to_owned(), |name| format!("account {name:?}"));
    if report.account_found {
        return holds(format!("{wanted} exists"), Some(report.at));
    }
    if let Some(lost) = lost(report, &wanted) {
        return lost;
    }
    match &report.last_error {
        // The account database could not be looked into at all.
        Some((event, code, text)) if *event != crate::event::ACCOUNT_NOT_FOUND => {
            device_says(report.at, *event, code, text)
        }
        _ if report.account_automatic => broken(
            format!("{wanted} is not made yet"),
            Some(report.at),
            "account_not_made",
            format!("Policy manages {wanted} automatically, and the device has yet to make it."),
            "Wait for the end of its cycle, or run `lapwing-agent cycle` on the machine, which makes the account; \
             `lapwing-agent events` there says what keeps it from that.",
        ),
        _ => broken(
            format!("{wanted} was not found"),
            Some(report.at),
            "account_not_found",
            format!("The policy names {wanted}, which does not exist on the machine (event 10013)."),
            "Create the account, correct AdministratorAccountName in the policy, or clear it to manage the \
             built-in administrator.",
        ),
    }
}

/// The account was managed until another hand removed or renamed it (rotation.md 10).
fn lost(report: &Report, wanted: &str) -> Option<Look> {
    let remedy = "Give the machine the account back as it was, or correct AdministratorAccountName in the policy; in \
                  manual mode Lapwing neither creates nor renames an account.";
    if report.drift.contains(&Drift::Renamed) {
        let cause = format!("{wanted} was renamed on the machine; the stored password is that of its new name.");
        return Some(broken(format!("{wanted} was renamed"), Some(report.at), "account_renamed", cause, remedy));
    }
    if report.drift.contains(&Drift::Deleted) {
        let cause = format!("{wanted} was managed and is gone: another hand deleted it.");
        let remedy = if report.account_automatic {
            "The device makes it again with its next rotation; `lapwing-agent cycle` on the machine does that at once."
        } else {
            remedy
        };
        return Some(broken(format!("{wanted} was deleted"), Some(report.at), "account_deleted", cause, remedy));
    }
    None
}

// Rows 11 and 22: what keeps the device from making one.
fn generated(evidence: &Evidence) -> Look {
    match &evidence.report {
        Some(report) if !evidence.has_password() => match &report.last_error {
            Some((event, code, text)) if is_of_generating(*event) => device_says(report.at, *event, code, text),
            _ => holds("nothing keeps the device from making a password", Some(report.at)),
        },
        Some(report) => holds("the device made a password", Some(report.at)),
        None => holds("", None),
    }
}

// Rows 4, 21 and 24.
fn stored(evidence: &Evidence) -> Look {
    let credential = &evidence.credential;
    if let Some(at) = credential.proven_at.or(credential.pending_since) {
        return holds("a password was stored", Some(at));
    }
    let look = match &evidence.report {
        Some(report) => match &report.last_error {
            Some((event, code, text)) => device_says(report.at, *event, code, text),
            None => broken(
                "no password was stored",
                Some(evidence.now),
                "not_stored_yet",
                "The device has reported and has not stored a password yet.",
                "Wait for its next cycle, or run `lapwing-agent cycle` on the machine.",
            ),
        },
        None => holds("", None),
    };
    match (&evidence.former, look) {
        (Some(former), Look::Broken { seen, at, cause }) => {
            let of = format!("that of the former object {}, {}, stands in", former.id, former.proven());
            Look::Broken { seen: format!("{seen}; {of}"), at, cause }
        }
        (_, look) => look,
    }
}

// Row 23.
fn set(evidence: &Evidence) -> Look {
    let credential = &evidence.credential;
    let waits = credential.pending_since.is_some_and(|since| credential.proven_at.is_none_or(|at| at <= since));
    match evidence.report.as_ref().and_then(|report| Some((report.at, report.last_error.as_ref()?))) {
        Some((at, (event, code, text))) if waits && is_of_setting(*event) => device_says(at, *event, code, text),
        _ if waits => holds("the device has not said that it could not be set", credential.pending_since),
        _ => holds("nothing waits to be set", credential.proven_at),
    }
}

const NOT_PROVEN: &str =
    "The device stored a password and has not said that it is set: it may be the new one or the one before.";

fn proven(evidence: &Evidence) -> Look {
    let credential = &evidence.credential;
    match (credential.proven_at, credential.pending_since) {
        (Some(at), None) => holds("the current password is proven", Some(at)),
        (Some(at), Some(since)) if at > since => holds("the current password is proven", Some(at)),
        (before, Some(since)) => broken(
            "a newer password is stored and not proven",
            Some(since),
            "stored_not_proven",
            match evidence.report.as_ref().and_then(|report| report.last_error.as_ref()) {
                Some((event, code, text)) => format!("{NOT_PROVEN} It reports event {event}, {code}: {text}"),
                None => NOT_PROVEN.to_owned(),
            },
            if before.is_some() {
                "Try the candidates in the order they are shown; the device resolves it at its next contact."
            } else if evidence.former.is_some() {
                "Try the stored password, then that of the former object; the device resolves it at its next contact."
            } else {
                "Try the stored password; the device resolves it at its next contact."
            },
        ),
        (None, None) => holds("", None),
    }
}

// rotation.md 4, exceptions (a) to (c) of I1, and 10.
fn as_set(evidence: &Evidence) -> Look {
    if let Some(at) = evidence.from_backup {
        return broken(
            "the server was restored, and the device has not reported since",
            Some(at),
            "from_backup",
            format!("What is stored comes from a backup of {at}; the machine may have changed its password since."),
            "Bring the device online: it rotates at its first contact. Until then try every candidate.",
        );
    }
    if let Some(fork) = evidence.fork {
        if fork.clone_suspected {
            return broken(
                "two forks in 7 days",
                Some(fork.at),
                "clone_suspected",
                "Two machines speak as this device: it was cloned, or its identity was stolen. Each of them sets a \
                 password of its own in turn.",
                "Join the copy anew (`lapwing-agent join` with an empty state directory), or disable this device; \
                 then clear the fork (`lapwing device clear-fork`).",
            );
        }
        if evidence.credential.proven_at.is_none_or(|proven| proven < fork.at) {
            return broken(
                "the device is forked",
                Some(fork.at),
                "forked",
                "The machine does not know the current version: it was restored from a snapshot or cloned. It may \
                 hold an earlier password.",
                "Wait for its next cycle, which changes the password; until then try the candidates of \
                 `lapwing password get --history`.",
            );
        }
    }
    drifted(evidence.report.as_ref())
}

/// What another hand did with the account since it was set (rotation.md 10).
pub(super) fn drifted(report: Option<&Report>) -> Look {
    let Some(report) = report else { return holds("", None) };
    let Some(drift) = report.drift.first() else { return holds("the account is as it was set", Some(report.at)) };
    if report.repair_held {
        return broken(
            format!("{drift}, and repair is held"),
            Some(report.at),
            "repair_held",
            "The password is changed by another hand as often as Lapwing repairs it; the stored one may not open the \
             account. Repair is held and tried once a day (event 20021).",
            "Find out what changes the account (a script, a configuration management, an image that is restored), \
             end it, and ask for a rotation (`lapwing password rotate`).",
        );
    }
    let (code, cause, remedy) = match drift {
        Drift::ChangedByHand => (
            "changed_by_hand",
            "The password was changed on the machine by another hand; the stored one does not open the account.",
            "Wait for the repair, which is a rotation, or ask for one (`lapwing password rotate`).",
        ),
        Drift::RolledBack => (
            "rolled_back",
            "The account database was restored from a snapshot and holds an earlier password.",
            "Try the candidates of `lapwing password get --history`; the device changes the password at its next \
             cycle.",
        ),
        Drift::Renamed | Drift::Deleted => (
            "account_renamed",
            "The account was renamed on the machine; its password is stored under the former name.",
            "Sign in with the new name; the device rotates at its next cycle and stores it.",
        ),
        Drift::NotAdministrator => (
            "account_not_administrator",
            "The password is right; the account was removed from the administrators' group since it was set.",
            "Put the account into the group again, or ask for a rotation to take it as it is.",
        ),
        Drift::Disabled => (
            "account_disabled_by_hand",
            "The password is right, and does not open: the account was disabled on the machine since it was set.",
            "Enable the account on the machine, or ask for a rotation to take it as it is.",
        ),
    };
    broken(drift.text(), Some(report.at), code, cause, remedy)
}

// Rows 24, 29 and 30.
fn still_fits(evidence: &Evidence) -> Look {
    if let Some(report) = &evidence.report
        && report.account_found
        && !report.account_enabled
    {
        return broken(
            "the account is disabled on the machine",
            Some(report.at),
            "account_disabled",
            "The password is right, and does not open: the account is disabled.",
            "Enable the account on the machine; when policy manages it automatically, set \
             AutomaticAccountManagementEnableAccount to true.",
        );
    }
    // Row 33.
    if let Some(report) = &evidence.report
        && let Some((event, code, text)) = &report.last_error
        && is_of_post_authentication(*event)
    {
        return device_says(report.at, *event, code, text);
    }
    match evidence.credential.expires_at {
        // One day: devices check in hourly, and off the network an expired password stays valid.
        Some(due) if evidence.now.ticks_since(due) > TICKS_PER_DAY => {
            let seen = match &evidence.report {
                Some(report) => match &report.last_error {
                    Some((event, code, text)) => return device_says(report.at, *event, code, text),
                    None => "overdue",
                },
                None => "overdue",
            };
            broken(
                seen,
                Some(due),
                "overdue",
                "The password is past its age and the device has not changed it; it stays valid until it does.",
                "Bring the device online; on the machine `lapwing-agent cycle` checks in at once.",
            )
        }
        Some(due) => holds(format!("nothing is missing; the password is due at {due}"), Some(evidence.now)),
        None => holds("nothing is missing", Some(evidence.now)),
    }
}

fn readable(evidence: &Evidence) -> String {
    match &evidence.device {
        Device::Unknown => "Nothing can be read: the directory has no such device.".into(),
        Device::Several(_) => "Which of them is meant is not known.".into(),
        Device::Purged { .. } => "Nothing can be read: the passwords are gone for good.".into(),
        _ if evidence.report.as_ref().is_some_and(|report| report.in_active_directory.is_some()) => {
            "What the server keeps is of the time before, and no longer rotated.".into()
        }
        _ => match (evidence.credential.proven_at, evidence.credential.pending_since, &evidence.former) {
            (Some(at), ..) => format!("A password proven at {at} can be read by those who may."),
            (None, Some(at), None) => format!("A password stored at {at}, not proven, can be read by those who may."),
            (None, Some(at), Some(former)) => format!(
                "A password stored at {at}, not proven, can be read by those who may; behind it that of the former object {}, \
                 {}, labelled so.",
                former.id,
                former.proven()
            ),
            (None, None, Some(former)) => format!(
                "No password of this object's own is stored; that of the former object {}, {}, can be read by those who may, \
                 labelled so.",
                former.id,
                former.proven()
            ),
            (None, None, None) => "No password of this device is stored.".into(),
        },
    }
}

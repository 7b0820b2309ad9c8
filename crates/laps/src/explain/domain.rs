//! The chain of a machine that keeps its password in Active Directory (laps-behaviour.md 11.1).
//!
//! It is walked with what is known: from an administrator's place that is the directory, on the machine its own state,
//! with both everything. A link of which nothing is known says so, and does not stop the walk.

use super::{
    Condition, Explanation, Link, Report,
    chain::{Look, account_exists, broken, drifted, holds, walk},
    device_says::device_says,
    way,
};
use crate::{
    active_directory::ENCRYPTION_LEVEL_MIN,
    event,
    time::{TICKS_PER_DAY, Timestamp},
};

/// All that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainEvidence {
    /// Now.
    pub now: Timestamp,
    /// The machine as it was named; for remedies.
    pub name: String,
    /// What the machine says of itself.
    pub machine: Option<Machine>,
    /// What the directory holds.
    pub directory: Option<Directory>,
}

/// What the machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// As it would report.
    pub report: Report,
    /// Sources of policy that have values and do not count, since another one won.
    pub ignored_sources: Vec<String>,
    /// Whether it has joined a server.
    pub joined_server: bool,
    /// Whether it has joined a domain.
    pub joined_domain: bool,
    /// Where the password in force is kept, and since when it is proven.
    pub kept: Option<(KeptIn, Timestamp)>,
    /// When it is due.
    pub expires_at: Option<Timestamp>,
    /// A rotation is begun in the machine's journal and not ended, and where its password goes: it is stored, or was
    /// about to be, and is not known to be set.
    pub begun: Option<KeptIn>,
}

/// Where a password is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptIn {
    /// By a server.
    Server,
    /// In Active Directory.
    ActiveDirectory,
}

/// What the directory holds, as the person who asks sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The domain controller that was asked.
    pub controller: String,
    /// It is a read-only one.
    pub is_read_only: bool,
    /// Attributes of Windows LAPS that the schema lacks.
    pub schema_lacks: Vec<String>,
    /// msDS-Behavior-Version of the domain.
    pub functional_level: u32,
    /// The computer object; `None` when it is not found.
    pub computer: Option<ComputerObject>,
}

/// A computer object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComputerObject {
    /// Its distinguished name.
    pub dn: String,
    /// The account is enabled.
    pub is_enabled: bool,
    /// It is a domain controller.
    pub is_controller: bool,
    /// What the computer may not write of its own attributes; `None` when the permissions are hidden.
    pub cannot_write: Option<Vec<String>>,
    /// What the person who asks may not read; `None` when the permissions are hidden.
    pub cannot_read: Option<Vec<String>>,
    /// The forms that were seen, the one that counts first, with the time of the update where it is known.
    pub forms: Vec<(StoredForm, Option<Timestamp>)>,
    /// When the password expires.
    pub expires_at: Option<Timestamp>,
    /// The principal that may decrypt.
    pub decryptor: Option<String>,
    /// How decrypting went; `None` when there was nothing to decrypt.
    pub decryption: Option<Decryption>,
}

/// A form of a stored password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredForm {
    /// Encrypted.
    Encrypted,
    /// Of Directory Services Restore Mode, encrypted.
    Dsrm,
    /// In clear.
    Clear,
    /// In clear, of legacy LAPS.
    Legacy,
}

impl StoredForm {
    const fn words(self) -> &'static str {
        match self {
            Self::Encrypted => "an encrypted password",
            Self::Dsrm => "an encrypted password of Directory Services Restore Mode",
            Self::Clear => "a password in clear",
            Self::Legacy => "a password of legacy LAPS",
        }
    }
}

/// How decrypting went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decryption {
    /// It worked.
    Success,
    /// The person is not among those who may.
    Unauthorized,
    /// It did not work: one sentence.
    Failed(String),
}

/// Walks the chain and stops at the first broken link.
pub fn explain_domain(evidence: &DomainEvidence) -> Explanation {
    let mut explanation = walk(Link::DOMAIN, readable(evidence), |link| look(link, evidence));
    for finding in &mut explanation.chain {
        // Directory and machine are asked now; what has no older time of its own was so now.
        if matches!(finding.condition, Condition::Holds | Condition::Broken) {
            finding.at = finding.at.or(Some(evidence.now));
        }
    }
    let is_readable = match (evidence.computer(), &evidence.machine) {
        (Some(computer), _) => !computer.forms.is_empty(),
        (None, Some(machine)) => machine.kept.is_some() || machine.begun.is_some(),
        // Not of this domain: nothing is known of it.
        (None, None) => true,
    };
    if !is_readable && explanation.cause.is_some() {
        explanation.ways = way::ways_of_machine(evidence.directory.is_none(), &explanation);
    }
    explanation
}

impl DomainEvidence {
    fn report(&self) -> Option<&Report> {
        self.machine.as_ref().map(|machine| &machine.report)
    }
    fn computer(&self) -> Option<&ComputerObject> {
        self.directory.as_ref().and_then(|directory| directory.computer.as_ref())
    }
    /// The parent of the computer object.
    fn unit(&self) -> &str {
        self.computer().and_then(|computer| computer.dn.split_once(',')).map_or("OU", |(_, unit)| unit)
    }
    /// Whether the machine keeps its password by a server.
    fn is_of_server(&self) -> bool {
        self.report().is_some_and(|report| report.backup_directory == 1)
    }
    /// The last error of the machine when it is one of these events.
    fn error(&self, events: &[u32]) -> Option<(Timestamp, &(u32, String, String))> {
        let report = self.report()?;
        let error = report.last_error.as_ref().filter(|(event, ..)| events.contains(event))?;
        Some((report.at, error))
    }
}

const CONTROLLER_EVENTS: [u32; 2] = [event::NO_CONTROLLER, event::BIND_FAILED];
const SCHEMA_EVENTS: [u32; 2] = [event::SCHEMA_MISSING, event::AD_QUERY_FAILED];
const PRINCIPAL_EVENTS: [u32; 2] = [event::PRINCIPAL_ISOLATED, event::PRINCIPAL_UNKNOWN];

fn look(link: Link, evidence: &DomainEvidence) -> Look {
    // A machine whose password a server keeps needs nothing of the domain.
    let of_domain = [
        Link::Controller,
        Link::Schema,
        Link::FunctionalLevel,
        Link::Principal,
        Link::ComputerObject,
        Link::ComputerMayStore,
        Link::PersonMayRead,
        Link::PersonMayDecrypt,
    ];
    if of_domain.contains(&link) && evidence.is_of_server() {
        return holds("not needed: BackupDirectory is 1, a server keeps the password", None);
    }
    match link {
        Link::PolicyInForce => policy_in_force(evidence),
        Link::BackupDirectory => backup_directory(evidence),
        Link::JoinState => join_state(evidence),
        Link::AccountExists => match evidence.report() {
            // What keeps the machine from its work before it looks for the account is named by its own link.
            Some(report) if report.last_error.as_ref().is_none_or(|(event, ..)| *event == event::ACCOUNT_NOT_FOUND) => {
                account_exists(Some(report))
            }
            Some(report) => holds("not looked at, for the machine reports another error", Some(report.at)),
            None => Look::NotSeen,
        },
        Link::ServerAnswers => server_answers(evidence),
        Link::ServerTakes => server_takes(evidence),
        Link::Controller => controller(evidence),
        Link::Schema => schema(evidence),
        Link::FunctionalLevel => functional_level(evidence),
        Link::Principal => principal(evidence),
        Link::ComputerObject => computer_object(evidence),
        Link::ComputerMayStore => computer_may_store(evidence),
        Link::PersonMayRead => person_may_read(evidence),
        Link::Stored => stored(evidence),
        Link::PersonMayDecrypt => person_may_decrypt(evidence),
        Link::Proven => proven(evidence),
        Link::AsSet => match evidence.report() {
            Some(report) => drifted(Some(report)),
            None => Look::NotSeen,
        },
        Link::StillFits => still_fits(evidence),
        // Of the other chain.
        Link::DeviceObject
        | Link::DeviceState
        | Link::Join
        | Link::TenantSwitch
        | Link::PolicyAssigned
        | Link::PolicyDelivered
        | Link::PolicyAccepted
        | Link::SourceWon
        | Link::Generated
        | Link::Set => holds("", None),
    }
}

// Row 7.
fn policy_in_force(evidence: &DomainEvidence) -> Look {
    let Some(machine) = &evidence.machine else { return Look::NotSeen };
    match &machine.report.policy_source {
        Some(source) => holds(format!("{source} is in force"), Some(machine.report.at)),
        None => broken(
            "no source has a value on the machine",
            Some(machine.report.at),
            "no_policy_on_device",
            "The machine holds no policy, and manages no account.",
            "Assign a policy (`lapwing policy assign`), link a group policy to its organizational unit, or write one in \
             /etc/lapwing; `lapwing-agent policy show` lists what was found.",
        ),
    }
}

// Rows 7 and 8.
fn backup_directory(evidence: &DomainEvidence) -> Look {
    let Some(machine) = &evidence.machine else { return Look::NotSeen };
    let (report, at) = (&machine.report, Some(machine.report.at));
    let source = report.policy_source.as_deref().unwrap_or("nobody");
    match report.backup_directory {
        0 if machine.ignored_sources.is_empty() => broken(
            "BackupDirectory is 0",
            at,
            "backup_disabled",
            "The policy in force disables backup: no password is made or stored.",
            "Set BackupDirectory to 2 (Active Directory) or 1 (a server) in the policy.",
        ),
        0 => broken(
            format!("{source} is in force with BackupDirectory 0; {} is ignored", machine.ignored_sources.join(", ")),
            at,
            "other_source_wins",
            format!(
                "The machine takes its policy from {source}; sources are never merged, and the one that wins, wins whole."
            ),
            "Remove that source, or move all settings into it (`lapwing-agent policy show` lists them).",
        ),
        number => holds(format!("BackupDirectory is {number}"), at),
    }
}

// Rows 9, 10 and 36.
fn join_state(evidence: &DomainEvidence) -> Look {
    let Some(machine) = &evidence.machine else { return Look::NotSeen };
    let (report, at) = (&machine.report, Some(machine.report.at));
    let has = match (machine.joined_server, machine.joined_domain) {
        (true, true) => "a server and a domain",
        (true, false) => "a server and no domain",
        (false, true) => "a domain and no server",
        (false, false) => "neither a server nor a domain",
    };
    if report.join_state_mismatch {
        let remedy = if report.backup_directory == 2 {
            "Join the domain and tell the agent (`lapwing-agent join-domain`), or set BackupDirectory to 1."
        } else {
            "Join the server (`lapwing-agent join`), or set BackupDirectory to 2."
        };
        return broken(
            format!("BackupDirectory is {}, and the machine has joined {has}", report.backup_directory),
            at,
            "join_state_mismatch",
            "The policy names a directory that the machine has not joined, so it manages no password.",
            remedy,
        );
    }
    let elsewhere = match (machine.kept, report.backup_directory) {
        (Some((KeptIn::Server, _)), 2) => {
            "; the password in force is still kept by the server, the next cycle moves it"
        }
        (Some((KeptIn::ActiveDirectory, _)), 1) => {
            "; the password in force is still in Active Directory, the next cycle moves it"
        }
        _ => "",
    };
    holds(format!("the machine has joined {has}{elsewhere}"), at)
}

const NO_SERVER: &str = "not needed: no server keeps the password";

// Rows 19 and 20.
fn server_answers(evidence: &DomainEvidence) -> Look {
    if evidence.machine.is_none() {
        return Look::NotSeen;
    }
    match evidence.error(&[event::DISCOVERY_FAILED, event::AUTHENTICATION_FAILED]) {
        _ if !evidence.is_of_server() => holds(NO_SERVER, None),
        Some((at, (event, code, text))) => device_says(at, *event, code, text),
        None => holds("the last contact with the server was well", evidence.report().map(|report| report.at)),
    }
}

// Rows 1, 3, 4 and 21, as the machine sees them.
fn server_takes(evidence: &DomainEvidence) -> Look {
    if evidence.machine.is_none() {
        return Look::NotSeen;
    }
    match evidence.error(&[event::DIRECTORY_REFUSED, event::BACKUP_FAILED]) {
        _ if !evidence.is_of_server() => holds(NO_SERVER, None),
        Some((at, (event, code, text))) => device_says(at, *event, code, text),
        None => holds("the server has refused nothing", evidence.report().map(|report| report.at)),
    }
}

// Rows 18 and 28.
fn controller(evidence: &DomainEvidence) -> Look {
    if let Some((at, (event, code, text))) = evidence.error(&CONTROLLER_EVENTS) {
        let (own, remedy) = if *event == event::NO_CONTROLLER {
            ("no_controller", "Check the network and DNS: a domain controller has to answer at ports 88, 389 and 135.")
        } else {
            (
                "bind_failed",
                "Check the machine's keytab and clock (`klist -k`, `chronyc tracking`); if the domain has changed the machine's password, join it again.",
            )
        };
        return broken(format!("event {event}: {code}"), Some(at), own, format!("The machine reports: {text}"), remedy);
    }
    match &evidence.directory {
        Some(directory) if directory.is_read_only => broken(
            format!("{} is a read-only domain controller", directory.controller),
            None,
            "read_only_controller",
            "Read-only domain controllers do not hold the password attributes.",
            "Ask a writable one: --server.",
        ),
        Some(directory) => holds(format!("{} answers", directory.controller), None),
        None => Look::NotSeen,
    }
}

// Row 14.
fn schema(evidence: &DomainEvidence) -> Look {
    let remedy = "Extend the schema (`lapwing ad schema check`, then `extend`), and wait until it has replicated.";
    if let Some((at, (event, code, text))) = evidence.error(&SCHEMA_EVENTS) {
        let (own, remedy) = if *event == event::SCHEMA_MISSING {
            ("schema_not_extended", remedy)
        } else {
            (
                "directory_query_failed",
                "Read the domain controller's reason; `lapwing ad schema check` asks it the same.",
            )
        };
        return broken(format!("event {event}: {code}"), Some(at), own, format!("The machine reports: {text}"), remedy);
    }
    let Some(directory) = &evidence.directory else { return Look::NotSeen };
    let only_version = directory.schema_lacks.iter().all(|name| name == "msLAPS-CurrentPasswordVersion");
    match &directory.schema_lacks[..] {
        [] => holds("the schema has every attribute", None),
        [_] if only_version => holds(
            "the schema has every attribute but msLAPS-CurrentPasswordVersion: no detection of rollback (event 10108)",
            None,
        ),
        lacks if evidence.computer().is_none_or(|computer| computer.forms.is_empty()) => broken(
            format!("the schema lacks {}", lacks.join(", ")),
            None,
            "schema_not_extended",
            "The forest was not extended for LAPS: there is no place for a password (event 10012).",
            remedy,
        ),
        lacks => holds(format!("the schema lacks {}, and a password is there", lacks.join(", ")), None),
    }
}

// Row 13.
fn functional_level(evidence: &DomainEvidence) -> Look {
    let cause = "Passwords are encrypted by default, which needs the level of Windows Server 2016; they are never stored \
                 in clear instead by themselves (event 10006).";
    let remedy = "Raise the domain functional level, or set ADPasswordEncryptionEnabled to 0.";
    if let Some((at, (event, code, _))) = evidence.error(&[event::ENCRYPTION_NOT_POSSIBLE]) {
        return broken(format!("event {event}: {code}"), Some(at), "functional_level_too_low", cause, remedy);
    }
    let Some(directory) = &evidence.directory else { return Look::NotSeen };
    let (level, is_stored) =
        (directory.functional_level, evidence.computer().is_some_and(|computer| !computer.forms.is_empty()));
    if level < ENCRYPTION_LEVEL_MIN && !is_stored {
        return broken(
            format!("the domain functional level is {level}, below {ENCRYPTION_LEVEL_MIN}"),
            None,
            "functional_level_too_low",
            cause,
            remedy,
        );
    }
    holds(format!("the domain functional level is {level}"), None)
}

// Row 17.
fn principal(evidence: &DomainEvidence) -> Look {
    if let Some((at, (event, code, text))) = evidence.error(&PRINCIPAL_EVENTS) {
        let own = if *event == event::PRINCIPAL_ISOLATED { "principal_isolated" } else { "principal_unknown" };
        return broken(
            format!("event {event}: {code}"),
            Some(at),
            own,
            format!("The machine reports: {text}"),
            "Write ADPasswordEncryptionPrincipal as DOMAIN\\group, name@domain or a SID, without quotation marks.",
        );
    }
    if evidence.machine.is_some() { holds("the principal is known", None) } else { Look::NotSeen }
}

fn computer_object(evidence: &DomainEvidence) -> Look {
    let Some(directory) = &evidence.directory else { return Look::NotSeen };
    match &directory.computer {
        None => broken(
            "no computer object of this name",
            None,
            "computer_unknown",
            "The domain has no such computer, or this account may not see it. With a deleted object its password is gone.",
            "Look the name up; join the machine again if its object was deleted, or restore the object from the recycle bin.",
        ),
        Some(computer) if !computer.is_enabled => broken(
            format!("{} is disabled", computer.dn),
            None,
            "computer_disabled",
            "The computer cannot sign in to the domain, so it cannot store a new password; its last one stays.",
            "Enable the computer object.",
        ),
        Some(computer) => holds(computer.dn.clone(), None),
    }
}

// Row 15.
fn computer_may_store(evidence: &DomainEvidence) -> Look {
    let remedy = format!("Give computers the right: lapwing ad permit self '{}'", evidence.unit());
    let cause = "The computer may not write its own attributes, often since it was moved to another organizational unit (event 10065).";
    if let Some((at, (event, code, _))) = evidence.error(&[event::INSUFFICIENT_RIGHTS]) {
        return broken(format!("event {event}: {code}"), Some(at), "computer_may_not_store", cause, remedy);
    }
    match evidence.computer().map(|computer| &computer.cannot_write) {
        Some(Some(cannot)) if !cannot.is_empty() => {
            broken(format!("it may not write {}", cannot.join(", ")), None, "computer_may_not_store", cause, remedy)
        }
        Some(Some(_)) => holds("the computer may write its own attributes", None),
        Some(None) => holds("the permissions of the object cannot be read by this account", None),
        None => Look::NotSeen,
    }
}

// Row 27: confidential attributes look absent.
fn person_may_read(evidence: &DomainEvidence) -> Look {
    let Some(computer) = evidence.computer() else { return Look::NotSeen };
    match &computer.cannot_read {
        Some(cannot) if !cannot.is_empty() && computer.forms.is_empty() => {
            let expiry =
                if computer.expires_at.is_some() { "; it has an expiry, so there may well be one" } else { "" };
            broken(
                format!("this account may not read {}{expiry}", cannot.join(", ")),
                None,
                "reader_may_not_read",
                "The password attributes are confidential: to those without the right they look absent.",
                format!(
                    "An administrator gives the right: lapwing ad permit read '{}' --principal 'DOMAIN\\name'",
                    evidence.unit()
                ),
            )
        }
        Some(_) => holds("this account may read", None),
        None => holds("the permissions of the object cannot be read by this account", None),
    }
}

// Rows 16, 22, 23, 24 and 35.
fn stored(evidence: &DomainEvidence) -> Look {
    if let Some(computer) = evidence.computer()
        && let Some((form, at)) = computer.forms.first()
    {
        let others: Vec<_> = computer.forms.iter().skip(1).map(|(form, _)| form.words()).collect();
        // Row 36.
        let older = if others.is_empty() {
            String::new()
        } else {
            format!("; beside it, of another time, {}", others.join(", "))
        };
        return holds(format!("{}{older}", form.words()), *at);
    }
    if let Some((at, (event, code, text))) =
        evidence.report().and_then(|report| Some((report.at, report.last_error.as_ref()?)))
    {
        let seen = format!("event {event}: {code}");
        let said = format!("The machine reports: {text}");
        return match *event {
            event::AD_UPDATE_FAILED => broken(
                seen,
                Some(at),
                "directory_refused",
                said,
                "The password on the machine was not changed. Read the domain controller's reason; the machine tries again at its next cycle.",
            ),
            event::NO_ACCEPTABLE_PASSWORD => broken(
                seen,
                Some(at),
                "password_not_acceptable",
                said,
                "Raise PasswordLength or PasswordComplexity, or repair the machine's password checks (pam_pwquality).",
            ),
            event::SET_FAILED => broken(
                seen,
                Some(at),
                "set_failed",
                said,
                "Mend what it names on the machine; the next cycle rotates again. Until then the password before is in force.",
            ),
            _ => device_says(at, *event, code, text),
        };
    }
    match (&evidence.machine, evidence.computer()) {
        (Some(Machine { kept: Some((KeptIn::ActiveDirectory, at)), .. }), None) => {
            holds("a password was stored in Active Directory", Some(*at))
        }
        (Some(Machine { kept: Some((KeptIn::Server, at)), .. }), None) => {
            holds("a password was stored by the server", Some(*at))
        }
        (Some(Machine { begun: Some(_), report, .. }), None) => {
            holds("a password is stored, or was about to be", Some(report.at))
        }
        (_, Some(computer)) if computer.is_controller => broken(
            "the domain controller has stored no password of Directory Services Restore Mode",
            None,
            "dsrm_not_stored",
            "Domain controllers store that password only when policy asks for it, encrypted.",
            "Set ADBackupDSRMPassword to 1 with BackupDirectory 2 and encryption, and let the domain controller take the policy.",
        ),
        _ => broken(
            "no password was stored",
            None,
            "not_stored_yet",
            "Nothing keeps the computer from storing a password, as far as can be seen from here, and it has not done so.",
            "On the machine: `lapwing-agent explain` says why, `lapwing-agent cycle` tries at once. It may keep its password by a \
             server instead (`lapwing explain`).",
        ),
    }
}

// Row 23, as the machine's journal knows it (rotation.md 2).
fn proven(evidence: &DomainEvidence) -> Look {
    let Some(machine) = &evidence.machine else { return Look::NotSeen };
    let at = machine.report.at;
    let Some(kept) = machine.begun else {
        return holds("no rotation is left unfinished", machine.kept.map(|(_, since)| since).or(Some(at)));
    };
    let (by, read) = match kept {
        KeptIn::Server => ("the server", format!("lapwing password get {}", evidence.name)),
        KeptIn::ActiveDirectory => ("Active Directory", format!("lapwing ad get {} --history", evidence.name)),
    };
    broken(
        "a rotation is begun and not ended",
        Some(at),
        "stored_not_proven",
        format!(
            "The machine began to change the password and has not proven the new one: it is stored by {by}, or was about to \
             be, and the account has it or the one before."
        ),
        format!(
            "`lapwing-agent cycle` (as root) ends it, whichever it is. Until then try what `{read}` shows, in its order."
        ),
    )
}

// Row 26.
fn person_may_decrypt(evidence: &DomainEvidence) -> Look {
    let Some(computer) = evidence.computer() else { return Look::NotSeen };
    let decryptor = computer.decryptor.as_deref().unwrap_or("somebody else");
    match &computer.decryption {
        None => holds("nothing to decrypt", None),
        Some(Decryption::Success) => holds(format!("decrypted as a member of {decryptor}"), None),
        Some(Decryption::Unauthorized) => broken(
            format!("only {decryptor} may decrypt"),
            None,
            "decryption_unauthorized",
            "This account may read the value and is not among those that it was encrypted for.",
            format!(
                "Ask as a member of {decryptor}; for the next password, change ADPasswordEncryptionPrincipal and let it expire."
            ),
        ),
        Some(Decryption::Failed(text)) => broken(
            "the value does not open",
            None,
            "decryption_failed",
            text.clone(),
            format!(
                "Domain administrators: lapwing ad get {} --recovery-mode; else let it expire, and the machine stores a new one.",
                evidence.name
            ),
        ),
    }
}

// Rows 24, 29 and 30.
fn still_fits(evidence: &DomainEvidence) -> Look {
    if let Some(report) = evidence.report() {
        if report.account_found && !report.account_enabled {
            return broken(
                "the account is disabled on the machine",
                Some(report.at),
                "account_disabled",
                "The password is right, and does not open: the account is disabled.",
                "Enable the account on the machine; when policy manages it automatically, set \
                 AutomaticAccountManagementEnableAccount to true.",
            );
        }
        if let Some((event, code, text)) = &report.last_error {
            return device_says(report.at, *event, code, text);
        }
    }
    let due = evidence.computer().and_then(|computer| computer.expires_at);
    let due = due.or(evidence.machine.as_ref().and_then(|machine| machine.expires_at));
    match due {
        // One day: machines look hourly, and off the network an expired password stays valid.
        Some(due) if evidence.now.ticks_since(due) > TICKS_PER_DAY => broken(
            "overdue",
            Some(due),
            "overdue",
            "The password is past its expiry and the machine has not changed it; it stays valid until it does.",
            "Bring the machine online; `lapwing-agent explain` there says what keeps it, `lapwing-agent cycle` tries at once.",
        ),
        due => {
            let due = due.map(|due| format!("; the password is due at {due}")).unwrap_or_default();
            holds(
                format!(
                    "nothing is missing{due}; one that does not open is one for --history (a machine put back to a snapshot)"
                ),
                Some(evidence.now),
            )
        }
    }
}

fn readable(evidence: &DomainEvidence) -> String {
    let name = &evidence.name;
    match (evidence.computer(), &evidence.machine) {
        (Some(computer), _) => match (computer.forms.first(), &computer.decryption) {
            (Some(_), None | Some(Decryption::Success)) => format!("A password can be read: lapwing ad get {name}"),
            (Some((form, _)), Some(_)) => format!("The directory holds {}.", form.words()),
            (None, _) => "No password of this computer is seen in the directory.".to_owned(),
        },
        (None, Some(Machine { kept: Some((KeptIn::ActiveDirectory, at)), .. })) => {
            format!("The password in force, proven at {at}, is in Active Directory: lapwing ad get {name}")
        }
        (None, Some(Machine { kept: Some((KeptIn::Server, at)), .. })) => {
            format!("The password in force, proven at {at}, is kept by the server: lapwing password get {name}")
        }
        (None, Some(Machine { begun: Some(_), .. })) => {
            "This machine has no proven password; one may be stored, of a rotation that is not ended.".to_owned()
        }
        (None, Some(_)) => "This machine has stored no password.".to_owned(),
        (None, None) => "Nothing can be read: the domain has no such computer.".to_owned(),
    }
}

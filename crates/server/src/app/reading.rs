//! Rules of groups for those who read passwords: what a reader must bring, and what follows a read.

use super::record::{activity as own, category, target};
use super::{App, Error, Kind, Result};
use crate::audit::activity;
use crate::authz::{self, Action, Caller, Denied, Identity, Job};
use crate::store::{self, ALL_DEVICES, AccessFilter, AccessState, Page, Reading, ReadingRule, Shortfall, StoreError};
use laps::id::{DeviceId, GroupId};
use laps::text::misleads;
use laps::time::Timestamp;
use proto::admin::{self, DeviceReadingRule, JUSTIFICATION_CHARS_MAX};
use serde_json::json;

/// Rotations that one run of the job asks for.
const ROTATIONS_BATCH: u32 = 500;
/// Minutes that a rule may name: a week.
const MINUTES_MAX: u32 = 10_080;
/// Longest pattern of a ticket, characters.
const PATTERN_CHARS_MAX: usize = 100;

/// What a reader says beside what is to be read, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Justification {
    /// Why.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// Approval shall be passed over.
    pub break_glass: bool,
}

/// A reason or ticket: trimmed, at most 500 characters, nothing that breaks a line or turns text around.
pub(super) fn checked_text(name: &'static str, text: Option<&str>) -> Result<Option<String>> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let code = if name == "ticket" { "bad_ticket" } else { "bad_reason" };
    if text.chars().count() > JUSTIFICATION_CHARS_MAX {
        return Err(Error::invalid(
            code,
            format!("the {name} has more than {JUSTIFICATION_CHARS_MAX} characters; shorten it"),
        ));
    }
    if text.chars().any(|c| c.is_control() || misleads(c)) {
        return Err(Error::invalid(
            code,
            format!("the {name} holds control characters, line breaks or marks that turn text around; leave them out"),
        ));
    }
    Ok(Some(text.to_owned()))
}

impl Justification {
    /// Checked, without a grant.
    pub(super) fn checked(&self) -> Result<Reading> {
        Ok(Reading {
            reason: checked_text("reason", self.reason.as_deref())?,
            ticket: checked_text("ticket", self.ticket.as_deref())?,
            grant: None,
            break_glass: self.break_glass,
        })
    }
}

impl App {
    /// Completes what the reader brings with a request for access that was approved, and refuses what falls short of
    /// the device's rules.
    pub(super) async fn admitted(
        &self,
        caller: &Caller,
        device: &store::Device,
        brought: &Reading,
    ) -> Result<(Reading, Option<store::AccessRequest>)> {
        if brought.break_glass {
            authz::decide(caller, Action::BreakGlass, authz::Target::Device(&device.groups))?;
        }
        let rule = self.store.reading_rule_for(device.id).await?;
        let mut reading = brought.clone();
        let mut waiting = None;
        let mut used = None;
        if let (1.., false, Some(principal)) = (rule.approvals, brought.break_glass, caller.principal()) {
            let now = self.now();
            let mine = AccessFilter { device: Some(device.id), principal: Some(principal.id), living_at: Some(now) };
            let living = self.store.access_requests(mine, Page::first(Page::LIMIT_MAX)).await?.items;
            used = living.iter().find(|one| one.is_good(device.id, principal.id, rule.approvals, now)).cloned();
            waiting = living.into_iter().next();
            reading.grant = used.as_ref().map(|request| request.asked.id);
            if let (None, Some(request)) = (&reading.reason, &used) {
                // What was approved was approved for this reason.
                reading.reason = Some(request.asked.reason.clone());
                reading.ticket = reading.ticket.or_else(|| request.asked.ticket.clone());
            }
        }
        match rule.shortfall(&reading) {
            None => Ok((reading, used)),
            Some(shortfall) => Err(refusal(device, &shortfall, waiting.as_ref(), self.now(), brought.break_glass)),
        }
    }

    /// The rules of all groups.
    pub async fn reading_rules(&self, caller: &Caller) -> Result<Vec<admin::ReadingRule>> {
        self.require(caller, Action::GroupRead)?;
        Ok(self.store.reading_rules().await?.into_iter().map(|one| wire(one.group, &one.rule)).collect())
    }

    /// The rule of a group; one that asks for nothing where none is set.
    pub async fn reading_rule(&self, caller: &Caller, group: &str) -> Result<admin::ReadingRule> {
        self.require(caller, Action::GroupRead)?;
        let (id, _) = self.ruled_group(group).await?;
        let found = self.store.reading_rules().await?.into_iter().find(|one| one.group == id);
        Ok(wire(id, &found.map(|one| one.rule).unwrap_or_default()))
    }

    /// Sets the rule of a group.
    pub async fn set_reading_rule(
        &self,
        caller: &Caller,
        group: &str,
        rule: &admin::ReadingRule,
    ) -> Result<admin::ReadingRule> {
        self.require(caller, Action::SettingsWrite)?;
        let (id, name) = self.ruled_group(group).await?;
        let rule = checked_rule(rule)?;
        let shown = wire(id, &rule);
        let audit = self.entry(
            caller,
            own::SET_READING_RULE,
            category::GROUP,
            target("group", &id, &name),
            serde_json::to_value(&shown).unwrap_or_default(),
        )?;
        self.store.set_reading_rule(id, Some(rule), audit).await?;
        Ok(shown)
    }

    /// Takes the rule of a group away; again is success.
    pub async fn clear_reading_rule(&self, caller: &Caller, group: &str) -> Result<()> {
        self.require(caller, Action::SettingsWrite)?;
        let (id, name) = self.ruled_group(group).await?;
        let audit =
            self.entry(caller, own::CLEAR_READING_RULE, category::GROUP, target("group", &id, &name), json!({}))?;
        Ok(self.store.set_reading_rule(id, None, audit).await?)
    }

    /// What the groups of a device ask together, and the rotation that its reads are followed by.
    pub async fn device_reading_rule(&self, caller: &Caller, id: DeviceId) -> Result<DeviceReadingRule> {
        self.device_for(caller, Action::CredentialRead, id).await?;
        let rule = self.store.reading_rule_for(id).await?;
        Ok(DeviceReadingRule {
            reason_required: rule.reason,
            ticket_required: rule.ticket || !rule.ticket_patterns.is_empty(),
            ticket_patterns: rule.ticket_patterns,
            approvals: rule.approvals,
            approval_minutes: rule.approval_minutes,
            approval_reads: rule.approval_reads,
            rotate_after_minutes: rule.rotate_after_minutes,
            rotation_due_date_time: self.store.rotation_due(id).await?.map(|due| due.due_at),
        })
    }

    /// The reader is done with the password: the rotation that follows the read is asked for now.
    pub async fn reading_done(&self, caller: &Caller, id: DeviceId) -> Result<()> {
        let device = self.device_for(caller, Action::CredentialReveal, id).await?;
        let audit = self.entry(
            caller,
            activity::ROTATE_PASSWORD,
            category::DEVICE,
            target("device", &id, &device.name),
            json!({"after": "read", "done": true}),
        )?;
        if self.store.rotate_after_read(id, Timestamp::MAX, self.now(), audit).await? {
            return Ok(());
        }
        Err(Error::not_found(
            "no_rotation_due",
            format!("no rotation is due after a read of {}; ask for one: lapwing password rotate {id}", device.name),
        ))
    }

    /// Asks for the rotations whose grace after a read is over; answers how many.
    pub async fn rotate_after_reads(&self, caller: &Caller) -> Result<u64> {
        if !matches!(&caller.identity, Identity::System(Job::AfterRead)) {
            return Err(Denied::Kind(Action::Rotate).into());
        }
        let now = self.now();
        let mut asked = 0;
        for due in self.store.rotations_due(now, ROTATIONS_BATCH).await? {
            let audit = self.entry(
                caller,
                activity::ROTATE_PASSWORD,
                category::DEVICE,
                target("device", &due.device, ""),
                json!({"after": "read", "readBy": due.read_by.to_string()}),
            )?;
            match self.store.rotate_after_read(due.device, now, now, audit).await {
                Ok(done) => asked += u64::from(done),
                // Changed since the list was made: it stays due.
                Err(StoreError::DeviceDisabled | StoreError::DeviceDeleted | StoreError::DeviceUnknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(asked)
    }

    /// Changing who is in a group with a rule changes what is asked of readers, so it takes the same right.
    pub(super) async fn guard_ruled_group(&self, caller: &Caller, group: GroupId) -> Result<()> {
        if self.store.reading_rules().await?.iter().any(|one| one.group == group) {
            self.require(caller, Action::SettingsWrite)?;
        }
        Ok(())
    }

    async fn ruled_group(&self, name: &str) -> Result<(GroupId, String)> {
        let group = self.group_named(name).await?;
        Ok(group.map_or_else(|| (ALL_DEVICES, "All devices".to_owned()), |group| (group.id, group.name)))
    }
}

fn wire(group: GroupId, rule: &ReadingRule) -> admin::ReadingRule {
    admin::ReadingRule {
        group: Some(group),
        reason_required: rule.reason,
        ticket_required: rule.ticket,
        ticket_pattern: rule.ticket_patterns.first().cloned(),
        approvals: rule.approvals,
        approval_minutes: rule.approval_minutes,
        approval_reads: rule.approval_reads,
        rotate_after_minutes: rule.rotate_after_minutes,
    }
}

fn checked_rule(rule: &admin::ReadingRule) -> Result<ReadingRule> {
    let bad = |text: String| Error::invalid("bad_reading_rule", text);
    if rule.approvals > 2 {
        return Err(bad(format!("approvals is {}, expected 0 to 2", rule.approvals)));
    }
    if !(5..=MINUTES_MAX).contains(&rule.approval_minutes) {
        return Err(bad(format!("approvalMinutes is {}, expected 5 to {MINUTES_MAX}", rule.approval_minutes)));
    }
    if !(1..=100).contains(&rule.approval_reads) {
        return Err(bad(format!("approvalReads is {}, expected 1 to 100", rule.approval_reads)));
    }
    if rule.rotate_after_minutes.is_some_and(|minutes| minutes > MINUTES_MAX) {
        return Err(bad(format!("rotateAfterMinutes is more than {MINUTES_MAX}")));
    }
    let pattern = rule.ticket_pattern.as_deref().map(str::trim).filter(|pattern| !pattern.is_empty());
    if let Some(pattern) = pattern
        && (pattern.chars().count() > PATTERN_CHARS_MAX || pattern.chars().any(char::is_control))
    {
        return Err(bad(format!("ticketPattern must have at most {PATTERN_CHARS_MAX} printable characters")));
    }
    Ok(ReadingRule {
        reason: rule.reason_required,
        ticket: rule.ticket_required,
        ticket_patterns: pattern.map(str::to_owned).into_iter().collect(),
        approvals: rule.approvals,
        approval_minutes: rule.approval_minutes,
        approval_reads: rule.approval_reads,
        rotate_after_minutes: rule.rotate_after_minutes,
    })
}

/// What a rule asks of a reader beside the right to read, each in a few words; empty when it asks for nothing.
pub(super) fn asked(rule: &ReadingRule, is_person: bool) -> Vec<String> {
    let mut asked = Vec::new();
    if rule.reason {
        asked.push("a reason".to_owned());
    }
    match rule.ticket_patterns.as_slice() {
        [] if rule.ticket => asked.push("a ticket".to_owned()),
        [] => {}
        patterns => asked.push(format!("a ticket like {}", patterns.join(" and "))),
    }
    if rule.approvals > 0 {
        let who =
            if rule.approvals == 1 { "one other person".to_owned() } else { format!("{} others", rule.approvals) };
        let programs = if is_person { "" } else { " (which no program can ask for, so programs are refused)" };
        asked.push(format!("the approval of {who}{programs}"));
    }
    asked
}

/// Why a read is refused, and what to do.
pub(super) fn refusal(
    device: &store::Device,
    shortfall: &Shortfall,
    waiting: Option<&store::AccessRequest>,
    now: Timestamp,
    break_glass: bool,
) -> Error {
    let (name, id) = (&device.name, device.id);
    let (code, text) = match shortfall {
        Shortfall::Reason if break_glass => {
            ("reason_required", "a read past approval needs a reason: say why with --reason".to_owned())
        }
        Shortfall::Reason => (
            "reason_required",
            format!("reading a password of {name} needs a reason: give it with --reason (header Lapwing-Reason)"),
        ),
        Shortfall::Ticket => (
            "ticket_required",
            format!("reading a password of {name} needs a ticket: give it with --ticket (header Lapwing-Ticket)"),
        ),
        Shortfall::TicketPattern(pattern) => (
            "ticket_malformed",
            format!("the ticket must look like {pattern} (# is a digit, ? any character, * any run); correct it"),
        ),
        Shortfall::Approval(needed) => {
            let text = match waiting {
                Some(request) if request.state(now) == AccessState::Open => format!(
                    "reading a password of {name} needs the approval of {needed}; your request {} has {} and waits until {}",
                    super::hex(&request.asked.id),
                    request.answers.len(),
                    request.asked.until
                ),
                _ => format!(
                    "reading a password of {name} needs the approval of {needed} other{}; ask for it: \
                     lapwing access request {id} --reason WHY",
                    if *needed == 1 { "" } else { "s" }
                ),
            };
            ("approval_required", text)
        }
    };
    Error::refused(Kind::Denied, code, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_asks_is_said_in_words() {
        assert_eq!(asked(&ReadingRule::default(), true), Vec::<String>::new());
        let rule = ReadingRule {
            reason: true,
            ticket: true,
            ticket_patterns: vec!["INC-####".into()],
            approvals: 1,
            ..ReadingRule::default()
        };
        assert_eq!(asked(&rule, true), ["a reason", "a ticket like INC-####", "the approval of one other person"]);
        assert!(asked(&rule, false).iter().any(|one| one.contains("programs are refused")));
        let any = ReadingRule { ticket: true, approvals: 2, ..ReadingRule::default() };
        assert_eq!(asked(&any, true), ["a ticket", "the approval of 2 others"]);
    }

    #[test]
    fn hostile_reasons_are_refused_or_stay_text() {
        let check = |text: &str| checked_text("reason", Some(text));
        assert_eq!(check("  ").unwrap(), None);
        assert_eq!(check(" <script>alert(1)</script> ").unwrap().as_deref(), Some("<script>alert(1)</script>"));
        assert_eq!(check("שלום \u{200f}x").unwrap().as_deref(), Some("שלום \u{200f}x"));
        assert!(check(&"ü".repeat(500)).is_ok());
        for bad in ["a\nb", "a\rb", "a\0b", "a\u{1b}[31m", "a\u{202e}b", "a\u{2066}b", "a\u{2028}b", &"x".repeat(4_000)]
        {
            assert_eq!(check(bad).unwrap_err().code(), "bad_reason", "{bad:?}");
        }
        assert_eq!(checked_text("ticket", Some("a\tb")).unwrap_err().code(), "bad_ticket");
    }
}

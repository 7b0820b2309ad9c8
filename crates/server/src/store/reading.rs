//! What reading a password asks for: rules of groups, requests for access and their approval, and the rotation that
//! follows a read.

use laps::{
    id::{DeviceId, GroupId, PrincipalId},
    time::Timestamp,
};

/// Minutes after a break-glass read until the password is changed, where no rule says less.
pub const BREAK_GLASS_MINUTES: u32 = 60;
/// Requests for access of one reader that may be open at once.
pub const ACCESS_OPEN_MAX: u32 = 20;
/// Days that a request for access is kept after its time is over.
pub const ACCESS_KEPT_DAYS: u32 = 90;

/// What a group asks of those who read passwords of its devices. The default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingRule {
    /// A reason must be given.
    pub reason: bool,
    /// A ticket must be given.
    pub ticket: bool,
    /// Patterns that the ticket must match, all of them: `#` is a digit, `?` any character, `*` any run of characters.
    pub ticket_patterns: Vec<String>,
    /// How many others must approve, 0 to 2.
    pub approvals: u8,
    /// Minutes that a request for access lives at most, from when it was made.
    pub approval_minutes: u32,
    /// Reads that an approved request is good for.
    pub approval_reads: u32,
    /// Minutes after a read until the device is asked to rotate; `None` leaves it to policy.
    pub rotate_after_minutes: Option<u32>,
}

impl Default for ReadingRule {
    fn default() -> Self {
        Self {
            reason: false,
            ticket: false,
            ticket_patterns: Vec::new(),
            approvals: 0,
            approval_minutes: 480,
            approval_reads: 3,
            rotate_after_minutes: None,
        }
    }
}

/// The rule of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRule {
    /// The group.
    pub group: GroupId,
    /// Its rule.
    pub rule: ReadingRule,
}

/// What a reader brings beside the right to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Why.
    pub reason: Option<String>,
    /// The ticket.
    pub ticket: Option<String>,
    /// The request for access that is used.
    pub grant: Option<[u8; 16]>,
    /// Approval is passed over, loudly.
    pub break_glass: bool,
}

/// What a rule asks for and a reader did not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortfall {
    /// A reason.
    Reason,
    /// A ticket.
    Ticket,
    /// A ticket that matches this pattern.
    TicketPattern(String),
    /// The approval of so many others.
    Approval(u8),
}

impl ReadingRule {
    /// The strictest of each setting.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.ticket_patterns.extend(other.ticket_patterns);
        self.ticket_patterns.sort();
        self.ticket_patterns.dedup();
        // How long and how often counts only beside an approval that is asked for.
        let (minutes, reads) = match (self.approvals, other.approvals) {
            (_, 0) => (self.approval_minutes, self.approval_reads),
            (0, _) => (other.approval_minutes, other.approval_reads),
            _ => (self.approval_minutes.min(other.approval_minutes), self.approval_reads.min(other.approval_reads)),
        };
        Self {
            reason: self.reason || other.reason,
            ticket: self.ticket || other.ticket,
            ticket_patterns: self.ticket_patterns,
            approvals: self.approvals.max(other.approvals),
            approval_minutes: minutes,
            approval_reads: reads,
            rotate_after_minutes: match (self.rotate_after_minutes, other.rotate_after_minutes) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }

    /// The strictest of all.
    pub fn strictest(rules: impl IntoIterator<Item = Self>) -> Self {
        rules.into_iter().fold(Self::default(), Self::and)
    }

    /// What is missing of what reads are asked for, the first that is. Break-glass passes over ticket and approval and
    /// always needs a reason.
    pub fn shortfall(&self, reading: &Reading) -> Option<Shortfall> {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        if (self.reason || reading.break_glass) && !given(&reading.reason) {
            return Some(Shortfall::Reason);
        }
        if reading.break_glass {
            return None;
        }
        self.ticket_shortfall(reading.ticket.as_deref())
            .or_else(|| (self.approvals > 0 && reading.grant.is_none()).then_some(Shortfall::Approval(self.approvals)))
    }

    /// What is missing of the ticket.
    pub fn ticket_shortfall(&self, ticket: Option<&str>) -> Option<Shortfall> {
        let ticket = ticket.unwrap_or_default();
        if (self.ticket || !self.ticket_patterns.is_empty()) && ticket.trim().is_empty() {
            return Some(Shortfall::Ticket);
        }
        let missed = self.ticket_patterns.iter().find(|pattern| !ticket_matches(pattern, ticket))?;
        Some(Shortfall::TicketPattern(missed.clone()))
    }

    /// Minutes from this read to the rotation that follows it, if one does.
    pub fn rotation_minutes(&self, reading: &Reading) -> Option<u32> {
        match (reading.break_glass, self.rotate_after_minutes) {
            (true, minutes) => Some(minutes.unwrap_or(BREAK_GLASS_MINUTES).min(BREAK_GLASS_MINUTES)),
            (false, minutes) => minutes,
        }
    }
}

/// Whether a ticket matches a pattern, letters without case: `#` is a digit, `?` any character, `*` any run.
pub fn ticket_matches(pattern: &str, ticket: &str) -> bool {
    let fits = |wanted: char, found: char| match wanted {
        '#' => found.is_ascii_digit(),
        '?' => true,
        _ => wanted == found || wanted.to_lowercase().eq(found.to_lowercase()),
    };
    let (pattern, ticket): (Vec<char>, Vec<char>) = (pattern.chars().collect(), ticket.chars().collect());
    let (mut at, mut from) = (0, 0);
    // Where the last `*` stands, and how far it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while from < ticket.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if fits(*wanted, ticket[from]) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((stood, eaten)) => {
                    star = Some((stood, eaten + 1));
                    at = stood + 1;
                    from = eaten + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// A request to read passwords of a device, as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccessRequest {
    /// 16 random bytes.
    pub id: [u8; 16],
    /// The device.
    pub device: DeviceId,
    /// Who asks.
    pub principal: PrincipalId,
    /// The name at the time.
    pub principal_name: String,
    /// Why.
    pub reason: String,
    /// The ticket.
    pub ticket: Option<String>,
    /// Until when it can be approved and used.
    pub until: Timestamp,
    /// How many others must approve.
    pub approvals: u8,
    /// Reads that it is good for.
    pub reads: u32,
}

/// An answer to a request for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessAnswer {
    /// Who answered.
    pub principal: PrincipalId,
    /// The name at the time.
    pub principal_name: String,
    /// Approved or denied.
    pub approved: bool,
    /// When.
    pub at: Timestamp,
    /// Why, as who answered said it.
    pub reason: Option<String>,
}

/// A request for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Its place in the server's order.
    pub sequence: u64,
    /// What was asked.
    pub asked: NewAccessRequest,
    /// When.
    pub asked_at: Timestamp,
    /// Reads that are left.
    pub reads_left: u32,
    /// When its asker took it back.
    pub cancelled_at: Option<Timestamp>,
    /// The answers, in their order.
    pub answers: Vec<AccessAnswer>,
}

/// Where a request for access stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessState {
    /// It waits for answers.
    Open,
    /// It can be used.
    Approved,
    /// Somebody denied it.
    Denied,
    /// Its asker took it back.
    Cancelled,
    /// Its reads are used up.
    Used,
    /// Its time is over.
    Expired,
}

impl AccessState {
    /// The shown word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Used => "used",
            Self::Expired => "expired",
        }
    }
}

impl AccessRequest {
    /// Where it stands.
    pub fn state(&self, now: Timestamp) -> AccessState {
        if self.answers.iter().any(|answer| !answer.approved) {
            AccessState::Denied
        } else if self.cancelled_at.is_some() {
            AccessState::Cancelled
        } else if self.reads_left == 0 {
            AccessState::Used
        } else if self.asked.until <= now {
            AccessState::Expired
        } else if self.answers.len() >= usize::from(self.asked.approvals) {
            AccessState::Approved
        } else {
            AccessState::Open
        }
    }

    /// Whether it lets this person read this device under a rule that asks for so many approvals.
    pub fn is_good(&self, device: DeviceId, principal: PrincipalId, approvals: u8, now: Timestamp) -> bool {
        self.asked.device == device
            && self.asked.principal == principal
            && self.state(now) == AccessState::Approved
            && self.answers.len() >= usize::from(approvals)
    }
}

/// Answer of [`request_access`](super::Store::request_access).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedAccess {
    /// The request.
    pub request: AccessRequest,
    /// The asker had one for this device already that waits or can be used: that one is given.
    pub again: bool,
}

/// Which requests for access a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessFilter {
    /// Only for this device.
    pub device: Option<DeviceId>,
    /// Only by this person.
    pub principal: Option<PrincipalId>,
    /// Only those whose time is not over, that were neither denied nor cancelled, and have reads left.
    pub living_at: Option<Timestamp>,
}

/// A rotation that follows a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueRotation {
    /// The device.
    pub device: DeviceId,
    /// When it is asked for.
    pub due_at: Timestamp,
    /// Who read.
    pub read_by: PrincipalId,
    /// The place of the read in the server's order: a version stored after it and proven makes this needless.
    pub sequence: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_match_patterns() {
        for (pattern, ticket, expected) in [
            ("INC#######", "INC0012345", true),
            ("INC#######", "inc0012345", true),
            ("INC#######", "INC001234", false),
            ("INC#######", "INC00123456", false),
            ("INC#######", "INC001234x", false),
            ("*-#*", "OPS-7", true),
            ("*-#*", "OPS-", false),
            ("A?C", "A\u{202e}C", true),
            ("a*b*c", "aXXbYYbZc", true),
            ("a*b*c", "aXXc", false),
            ("", "", true),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(ticket_matches(pattern, ticket), expected, "{pattern} {ticket}");
        }
        // No pattern takes more than the product of the lengths.
        assert!(!ticket_matches(&"*a".repeat(60), &"a".repeat(59)));
    }

    #[test]
    fn the_strictest_of_each_setting_counts() {
        let one = ReadingRule { reason: true, approvals: 1, approval_minutes: 60, ..ReadingRule::default() };
        let two = ReadingRule {
            ticket_patterns: vec!["INC#*".into()],
            approvals: 2,
            approval_minutes: 600,
            approval_reads: 1,
            rotate_after_minutes: Some(30),
            ..ReadingRule::default()
        };
        // Says nothing of approval: its short time does not count.
        let three = ReadingRule { approval_minutes: 5, rotate_after_minutes: Some(45), ..ReadingRule::default() };
        let rule = ReadingRule::strictest([one.clone(), two.clone(), three.clone()]);
        assert_eq!(rule, ReadingRule::strictest([three, two, one]));
        assert!(rule.reason && !rule.ticket);
        assert_eq!((rule.approvals, rule.approval_minutes, rule.approval_reads), (2, 60, 1));
        assert_eq!(rule.rotate_after_minutes, Some(30));
        let mut reading = Reading::default();
        assert_eq!(rule.shortfall(&reading), Some(Shortfall::Reason));
        reading.reason = Some(" ".into());
        assert_eq!(rule.shortfall(&reading), Some(Shortfall::Reason));
        reading.reason = Some("disk full".into());
        assert_eq!(rule.shortfall(&reading), Some(Shortfall::Ticket));
        reading.ticket = Some("INC".into());
        assert_eq!(rule.shortfall(&reading), Some(Shortfall::TicketPattern("INC#*".into())));
        reading.ticket = Some("INC4".into());
        assert_eq!(rule.shortfall(&reading), Some(Shortfall::Approval(2)));
        reading.grant = Some([1; 16]);
        assert_eq!(rule.shortfall(&reading), None);
        assert_eq!(rule.rotation_minutes(&reading), Some(30));
        let glass = Reading { break_glass: true, ..Reading::default() };
        assert_eq!(ReadingRule::default().shortfall(&glass), Some(Shortfall::Reason));
        let glass = Reading { reason: Some("outage".into()), ..glass };
        assert_eq!(rule.shortfall(&glass), None);
        assert_eq!(ReadingRule::default().rotation_minutes(&glass), Some(BREAK_GLASS_MINUTES));
        assert_eq!(ReadingRule::default().rotation_minutes(&Reading::default()), None);
    }
}

//! What every channel is told of beside reads, because somebody must decide: a version of a policy that was halted,
//! a device that does not hold what this server holds as current, a log that was cut or changed, a person who waits for
//! access (docs/notifications.md).

use super::record::activity;
use crate::store::DeviceEventKind;
use serde_json::Value;

/// A record of the audit log that somebody must look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alarm {
    /// A version of a policy that goes by rings was halted, by itself or by a person.
    Halted,
    /// A device is forked (rotation.md 1).
    Forked,
    /// A device was forked twice in a short time: there may be two of it.
    CloneSuspected,
    /// A device keeps a head of the audit log that the log does not hold: it was cut, changed or set back.
    LogDiffers,
    /// A person waits for the approval of others.
    AccessAsked,
}

impl Alarm {
    /// By the activity of a record and its detail, JSON text; `None` for all others.
    pub(super) fn of(named: &str, detail: &str) -> Option<Self> {
        match named {
            activity::HALT_ROLLOUT => Some(Self::Halted),
            // A refused one names a code and waits for nobody.
            activity::REQUEST_ACCESS => {
                let detail: Value = serde_json::from_str(detail).ok()?;
                detail["request"].is_string().then_some(Self::AccessAsked)
            }
            activity::NOTE_IRREGULARITY => {
                let detail: Value = serde_json::from_str(detail).unwrap_or_default();
                match detail["event"].as_str().and_then(DeviceEventKind::from_word)? {
                    DeviceEventKind::Forked => Some(Self::Forked),
                    DeviceEventKind::CloneSuspected => Some(Self::CloneSuspected),
                    DeviceEventKind::AuditLogDiffers => Some(Self::LogDiffers),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The type of its CloudEvent.
    pub(super) const fn event(self) -> &'static str {
        match self {
            Self::Halted => "lapwing.rollout.halted",
            Self::Forked => "lapwing.device.forked",
            Self::CloneSuspected => "lapwing.device.cloneSuspected",
            Self::LogDiffers => "lapwing.device.auditLogDiffers",
            Self::AccessAsked => "lapwing.access.requested",
        }
    }

    /// One line: `who` did it, `what` it is about.
    pub(super) fn subject(self, who: &str, what: &str, detail: &str) -> String {
        let detail: Value = serde_json::from_str(detail).unwrap_or_default();
        match self {
            Self::Halted => {
                let number = |name: &str| detail[name].as_u64().unwrap_or_default();
                let which =
                    format!("HALTED: version {} of policy {what} in ring {}", number("version"), number("ring"));
                match detail["by"].as_str() {
                    Some(_) => format!("{which}, by {who}"),
                    None => format!("{which}: {} of {} machines failed", number("failed"), number("reached")),
                }
            }
            Self::Forked => format!("FORKED: {what} does not hold the password that this server holds as current"),
            Self::LogDiffers => {
                format!("LOG DIFFERS: {what} keeps a head of the audit log that this server does not hold")
            }
            Self::AccessAsked => format!("WAITING: {who} asks for access to the password of {what}"),
            Self::CloneSuspected => format!("FORKED AGAIN: there may be two machines that say they are {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_must_decide_is_an_alarm_and_nothing_else_is() {
        let by_itself = r#"{"ring":1,"reached":4,"taken":1,"failed":2,"version":3}"#;
        assert_eq!(Alarm::of("Halt policy rollout", by_itself), Some(Alarm::Halted));
        assert_eq!(
            Alarm::Halted.subject("job rollouts", "Base", by_itself),
            "HALTED: version 3 of policy Base in ring 1: 2 of 4 machines failed"
        );
        let by_hand = r#"{"by":"ada","ring":2,"version":3}"#;
        assert_eq!(Alarm::Halted.subject("ada", "Base", by_hand), "HALTED: version 3 of policy Base in ring 2, by ada");
        let irregular = "Note irregularity of device";
        assert_eq!(Alarm::of(irregular, r#"{"event":"forked"}"#), Some(Alarm::Forked));
        assert_eq!(Alarm::of(irregular, r#"{"event":"clone_suspected"}"#), Some(Alarm::CloneSuspected));
        assert_eq!(Alarm::of(irregular, r#"{"event":"audit_log_differs"}"#), Some(Alarm::LogDiffers));
        let asks = "Request access to device local administrator password";
        assert_eq!(Alarm::of(asks, r#"{"request":"00","reason":"disk"}"#), Some(Alarm::AccessAsked));
        assert_eq!(
            Alarm::AccessAsked.subject("ada", "pc-1", "{}"),
            "WAITING: ada asks for access to the password of pc-1"
        );
        assert_eq!(Alarm::of(asks, r#"{"code":"reason_missing"}"#), None, "a refused one waits for nobody");
        for detail in [r#"{"event":"drift"}"#, r#"{"event":7}"#, "", "["] {
            assert_eq!(Alarm::of(irregular, detail), None, "{detail}");
        }
        assert_eq!(Alarm::of("Resume policy rollout", by_itself), None);
    }
}

//! What a device's last error comes to: cause, remedy and code by its event (laps-behaviour.md 10 and 11.1).

use super::chain::{Look, broken};
use crate::{event, time::Timestamp};

/// Codes of the preflight that say that this machine cannot be managed as it is (row 11).
const UNSUPPORTED: [&str; 6] = [
    "account_db_generated",
    "account_db_immutable",
    "account_db_mount_point",
    "account_db_not_durable",
    "account_db_read_only",
    "account_not_local",
];

/// It keeps the device from making a password that the machine takes.
pub(super) const fn is_of_generating(event: u32) -> bool {
    matches!(event, event::NO_ACCEPTABLE_PASSWORD | event::PREFLIGHT_REFUSED)
}

/// It keeps the device from setting a password that is stored.
pub(super) const fn is_of_setting(event: u32) -> bool {
    matches!(event, event::SET_FAILED)
}

/// What was to follow a sign-in with the password did not.
pub(super) const fn is_of_post_authentication(event: u32) -> bool {
    matches!(event, event::POST_AUTHENTICATION_RETRY | event::POST_AUTHENTICATION_GIVEN_UP | event::RESTART_FAILED)
}

/// The broken link that a device's last error makes.
pub(super) fn device_says(at: Timestamp, event: u32, code: &str, text: &str) -> Look {
    let (own, remedy) = match (event, code) {
        (event::NO_ACCEPTABLE_PASSWORD, _) => (
            "password_not_acceptable",
            "Raise PasswordLength or PasswordComplexity, or repair the machine's password checks (pam_pwquality).",
        ),
        (event::PREFLIGHT_REFUSED, code) if UNSUPPORTED.contains(&code) => (
            "machine_unsupported",
            "The account database of this machine cannot be changed so that it lasts: mend what the error names (`lapwing-agent \
             events` on the machine), or manage the account where its files come from.",
        ),
        (event::SET_FAILED, _) => (
            "set_failed",
            "Mend what it names on the machine; the next cycle rotates again. Until then the password before is in force.",
        ),
        (event::DISCOVERY_FAILED, _) => (
            "server_unreachable",
            "Check name resolution, the proxy and the firewall of the machine: it has to reach the server's address over HTTPS \
             (`lapwing-agent status` shows it).",
        ),
        (event::AUTHENTICATION_FAILED, _) => (
            "not_authenticated",
            "The server does not know this machine as a device: `lapwing device show` says whether the object is deleted or \
             disabled; otherwise join the machine again (`lapwing join-token create`, `lapwing-agent join`).",
        ),
        (event::DIRECTORY_REFUSED | event::BACKUP_FAILED, "laps_disabled") => (
            "laps_disabled",
            "Turn the tenant switch on (`lapwing setting laps on`); the device rotates at its next check-in.",
        ),
        (event::DIRECTORY_REFUSED | event::BACKUP_FAILED, "device_disabled") => {
            ("device_disabled", "Enable the device (`lapwing device enable`), then wait for its next check-in.")
        }
        (event::DIRECTORY_REFUSED | event::BACKUP_FAILED, "device_deleted" | "device_unknown") => (
            "device_deleted",
            "Restore the device object (`lapwing device restore`), or join the machine again: it becomes a new object, policy \
             has to reach that one, and its first cycle stores a new password.",
        ),
        (event::DIRECTORY_REFUSED | event::BACKUP_FAILED, _) => (
            "directory_refused",
            "The password on the machine was not changed. Mend what the refusal names; the device tries again at its next cycle.",
        ),
        (event::POST_AUTHENTICATION_RETRY | event::POST_AUTHENTICATION_GIVEN_UP | event::RESTART_FAILED, _) => (
            "post_authentication_failed",
            "The password that somebody signed in with is still in force. Restore the machine's way to its directory, or restart \
             it; `lapwing-agent events` there says what was tried.",
        ),
        _ => (
            "device_error",
            "Mend what the event names; the device tries again at its next cycle (`lapwing-agent events` on the machine shows \
             more).",
        ),
    };
    broken(format!("event {event}: {code}"), Some(at), own, format!("The device reports: {text}"), remedy)
}

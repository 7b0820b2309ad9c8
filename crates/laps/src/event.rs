//! The events of the agent: ids, levels and meanings of laps-behaviour.md 10 (channel
//! `Microsoft-Windows-LAPS/Operational`), and ours beside them.
//!
//! Ids below 20000 are the published ones; 20001 and up are Lapwing's own, for what Windows has no event.

/// How serious an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// For the record.
    Information,
    /// Something is not as it should be, and management goes on.
    Warning,
    /// Something was not done.
    Error,
}

impl Level {
    /// Lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Information => "information",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One row of the table of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventInfo {
    /// Its id.
    pub id: u32,
    /// How serious it is.
    pub level: Level,
    /// What it says when nothing is known beyond the id.
    pub meaning: &'static str,
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $level:ident, $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $name: u32 = $id;)*

        /// Every event, by id.
        pub const TABLE: &[EventInfo] = &[
            $(EventInfo { id: $id, level: Level::$level, meaning: $meaning },)*
        ];
    };
}

events! {
    AGENT_STARTED = 10000, Information, "The agent has started.";
    AGENT_FAILED = 10001, Error, "The agent could not start.";
    AGENT_STOPPED = 10002, Information, "The agent has stopped.";
    POLICY_BEGIN = 10003, Information, "Policy processing begins.";
    POLICY_SUCCEEDED = 10004, Information, "Policy processing succeeded.";
    POLICY_FAILED = 10005, Error, "Policy processing failed.";
    ENCRYPTION_NOT_POSSIBLE = 10006, Error, "The domain's functional level is below 2016: passwords cannot be encrypted.";
    NO_ACCOUNT_MANAGED = 10007, Information, "The policy does not make this machine manage any account.";
    NOT_ON_CONTROLLERS = 10008, Information, "The policy does not ask for the recovery account of this domain controller.";
    BACKUP_TO_AD = 10009, Information, "The backup directory is Active Directory.";
    BACKUP_TO_CLOUD = 10010, Information, "The backup directory is the cloud directory.";
    AD_QUERY_FAILED = 10011, Error, "Active Directory could not be asked.";
    SCHEMA_MISSING = 10012, Error, "The schema of Active Directory has no LAPS attributes.";
    ACCOUNT_NOT_FOUND = 10013, Error, "The managed account was not found.";
    ADMINISTRATOR_UPDATE = 10014, Information, "An administrator asked for a new password.";
    UPDATE_NEEDED = 10015, Information, "The password needs an update.";
    UPDATE_NOT_NEEDED = 10016, Information, "The password needs no update now.";
    AD_UPDATE_FAILED = 10017, Error, "Active Directory did not take the new password; the current one was not changed.";
    AD_UPDATED = 10018, Information, "Active Directory has the new password.";
    SET_FAILED = 10019, Error, "The local password could not be set.";
    SET_SUCCEEDED = 10020, Information, "The local password was set.";
    POLICY_AD = 10021, Information, "The policy in force, for Active Directory.";
    POLICY_CLOUD = 10022, Information, "The policy in force, for the cloud directory.";
    POLICY_LEGACY = 10023, Information, "The policy in force, from legacy LAPS.";
    POLICY_DISABLED = 10024, Information, "The policy in force disables backup.";
    DISCOVERY_FAILED = 10025, Error, "The directory could not be reached.";
    AUTHENTICATION_FAILED = 10026, Error, "The device could not authenticate itself.";
    NO_ACCEPTABLE_PASSWORD = 10027, Error, "No password could be made that the machine's own rules accept.";
    BACKUP_FAILED = 10028, Error, "The directory did not take the new password; the current one was not changed.";
    BACKUP_SUCCEEDED = 10029, Information, "The directory has the new password.";
    BACKUP_SENDING = 10030, Information, "The new password is sent to the directory.";
    PRINCIPAL_ISOLATED = 10034, Error, "The principal that may decrypt is a name without a domain.";
    PRINCIPAL_UNKNOWN = 10035, Error, "The principal that may decrypt cannot be found.";
    SIGNED_IN = 10041, Information, "Somebody signed in with the managed account; the password will be changed.";
    GRACE_OVER = 10042, Information, "The time after a sign-in is over; the password is changed.";
    POST_AUTHENTICATION_RETRY = 10043, Error, "The password could not be changed after a sign-in; it is tried again.";
    POST_AUTHENTICATION_DONE = 10044, Information, "What follows a sign-in is done.";
    POST_AUTHENTICATION_GIVEN_UP = 10048, Error, "What follows a sign-in failed too often; it is tried again after the next start.";
    RESTART_FAILED = 10049, Error, "The machine could not be restarted after a sign-in.";
    UPDATE_POST_AUTHENTICATION = 10051, Information, "The password is changed because somebody signed in with the account.";
    CYCLE_BACKGROUND = 10052, Information, "Background cycle.";
    POLICY_CHANGED = 10054, Information, "The policy has changed.";
    CONTROLLER_FOUND = 10055, Information, "The domain controller in use.";
    NO_CONTROLLER = 10056, Error, "No writable domain controller was found.";
    BIND_FAILED = 10057, Error, "The domain controller did not accept this machine.";
    AGE_RAISED = 10058, Warning, "PasswordAgeDays is below 7 with the cloud directory; 7 is used.";
    DIRECTORY_REFUSED = 10059, Error, "The directory returned a failure.";
    INSUFFICIENT_RIGHTS = 10065, Error, "This machine may not write its own LAPS attributes.";
    ACCOUNT_DISABLED = 10067, Warning, "The managed account is disabled.";
    NO_ROLLBACK_DETECTION = 10108, Warning, "The schema has no attribute for the password version; a restored machine is not noticed by it.";
    PREFLIGHT_REFUSED = 20001, Error, "The account database cannot be changed safely; nothing was stored.";
    SET_NOT_PROVEN = 20002, Error, "The new password is set, not proven; it is tried again.";
    PROVEN = 20003, Information, "The new password is set and proven.";
    RECOVERED = 20004, Warning, "An interrupted rotation was recovered.";
    JOURNAL_DAMAGED = 20005, Error, "The journal could not be read; it was kept aside.";
    CLOCK_SKEW = 20006, Warning, "The clock differs from the server's by over five minutes; server time decides the expiry.";
    JOIN_STATE_MISMATCH = 20007, Error, "BackupDirectory does not fit the join state; no password is managed.";
    CONFIGURATION_REFUSED = 20008, Error, "A part of the delivered policy was refused.";
    CERTIFICATE_RENEWED = 20009, Information, "The device certificate was renewed.";
    INCARNATION_CHANGED = 20010, Warning, "The server was restored from a backup; the password is changed.";
    DRIFT = 20011, Warning, "The account is not as it was set.";
    STATE_FAILED = 20012, Error, "The agent's own state could not be written.";
    REPAIR_HELD = 20021, Error, "Drift comes back as often as it is repaired; repair is held, and tried once a day.";
    DRIFT_OVER = 20022, Information, "The account is as it was set again.";
    STATE_DAMAGED = 20023, Error, "A file of the agent's own state could not be read; it was kept aside.";
    SIGNED_IN_AGAIN = 20030, Information, "Somebody signed in with the managed account.";
    POST_AUTHENTICATION_DROPPED = 20031, Information, "What was to follow a sign-in is dropped.";
    SESSION_UNEXPLAINED = 20032, Warning, "The managed account has a session that no sign-in with its password explains.";
    SIGN_IN_REFUSED = 20033, Warning, "A notice of a sign-in was not one and is left aside.";
    SESSIONS_END = 20034, Warning, "Sessions of the managed account are warned: they end soon.";
    ACCOUNT_CREATED = 20040, Information, "The managed account was made.";
    ACCOUNT_RENAMED = 20041, Information, "The managed account was renamed.";
    ACCOUNT_SHAPED = 20042, Warning, "The managed account was brought into the shape that policy wants.";
    ACCOUNT_REMOVED = 20043, Information, "An account that the agent had made was deleted.";
    ACCOUNT_KEPT = 20044, Warning, "An account that policy has left stays: it is the last administrator that works.";
    ACCOUNT_CHANGE_RECOVERED = 20045, Warning, "An interrupted change of the account database was finished or undone.";
    ACCOUNT_CHANGE_REFUSED = 20046, Error, "The account that policy wants cannot be made or named.";
}

/// The row of an id; `None` for an id that is not in the table.
pub fn info(id: u32) -> Option<&'static EventInfo> {
    TABLE.binary_search_by_key(&id, |event| event.id).ok().and_then(|index| TABLE.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_id_is_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.id < b.id));
        for event in TABLE {
            assert_eq!(info(event.id), Some(event));
        }
        assert_eq!(info(1), None);
    }
}

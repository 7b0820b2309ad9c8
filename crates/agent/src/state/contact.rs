//! What the last contacts with the server left behind.

use super::{StateDir, StateError, durable};
use laps::{
    rotation::Failure,
    time::{TICKS_PER_HOUR, Timestamp},
};
use proto::serde_text;
use serde::{Deserialize, Serialize};

/// How stale the stored server time may become before it is written again.
const SERVER_TIME_GRAIN_TICKS: u64 = TICKS_PER_HOUR;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ErrorForm {
    event: u32,
    code: String,
    text: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct ContactForm {
    last_error: Option<ErrorForm>,
    #[serde(with = "serde_text::time_option")]
    last_error_at: Option<Timestamp>,
    #[serde(with = "serde_text::time_option")]
    server_time: Option<Timestamp>,
    audit_head: Option<String>,
    damaged: Vec<String>,
    host_name: Option<String>,
}

/// Last error, newest server time, newest audit head, what is to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// The failure that ended the last cycle, until one ends well; and when it was.
    pub last_error: Option<(Failure, Timestamp)>,
    /// The newest time that the server has told; certificates are judged by the later of it and the clock.
    pub server_time: Option<Timestamp>,
    /// The newest signed audit head that the server has told.
    pub audit_head: Option<String>,
    /// What was said of state files that could not be read, until a report has told it.
    pub damaged: Vec<String>,
    /// The machine's name when the server was told last; a new one is told, one that was chosen at the join is not.
    pub host_name: Option<String>,
}

impl Contact {
    /// The later of the device's clock and the newest server time (design.md 5).
    pub fn judging_time(&self, now: Timestamp) -> Timestamp {
        self.server_time.map_or(now, |server| server.max(now))
    }

    /// Whether `newer` must be written over this: times that only moved a little are not worth a sync.
    pub fn is_outdated_by(&self, newer: &Self) -> bool {
        let moved = match (self.server_time, newer.server_time) {
            (Some(old), Some(new)) => new.ticks_since(old) >= SERVER_TIME_GRAIN_TICKS,
            (old, new) => old != new,
        };
        let failure = |contact: &Self| contact.last_error.as_ref().map(|(failure, _)| failure.clone());
        moved
            || self.audit_head != newer.audit_head
            || self.damaged != newer.damaged
            || self.host_name != newer.host_name
            || failure(self) != failure(newer)
    }
}

impl StateDir {
    /// What the last contacts left; the default when there was none.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn contact(&self) -> Result<Contact, StateError> {
        let form: ContactForm = durable::read_json(&self.file("contact.json"))?.unwrap_or_default();
        Ok(Contact {
            last_error: form.last_error.map(|error| {
                let at = form.last_error_at.unwrap_or(Timestamp::MIN);
                (Failure::new(error.event, error.code, error.text), at)
            }),
            server_time: form.server_time,
            audit_head: form.audit_head,
            damaged: form.damaged,
            host_name: form.host_name,
        })
    }

    /// Keeps it.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn write_contact(&self, contact: &Contact) -> Result<(), StateError> {
        let form = ContactForm {
            last_error: contact.last_error.as_ref().map(|(failure, _)| ErrorForm {
                event: failure.event,
                code: failure.code.clone(),
                text: failure.text.clone(),
            }),
            last_error_at: contact.last_error.as_ref().map(|(_, at)| *at),
            server_time: contact.server_time,
            audit_head: contact.audit_head.clone(),
            damaged: contact.damaged.clone(),
            host_name: contact.host_name.clone(),
        };
        durable::write_json(&self.file("contact.json"), &form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_small_moves_of_time_are_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(state.contact().unwrap(), Contact::default());
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        let contact = Contact {
            last_error: Some((Failure::new(10013, "account_not_found", "no such account"), at)),
            server_time: Some(at),
            audit_head: Some("head".into()),
            damaged: vec!["memory.json".into()],
            host_name: Some("pc-1".into()),
        };
        state.write_contact(&contact).unwrap();
        assert_eq!(state.contact().unwrap(), contact);

        let with_time = |server_time| Contact { server_time: Some(server_time), ..contact.clone() };
        assert!(!contact.is_outdated_by(&with_time(at.plus_seconds(3599))));
        assert!(contact.is_outdated_by(&with_time(at.plus_seconds(3600))));
        assert!(contact.is_outdated_by(&Contact { last_error: None, ..contact.clone() }));
        assert!(contact.is_outdated_by(&Contact { damaged: Vec::new(), ..contact.clone() }));
        assert!(contact.is_outdated_by(&Contact { host_name: Some("pc-2".into()), ..contact.clone() }));
        assert_eq!(contact.judging_time(Timestamp::MIN), at);
    }
}

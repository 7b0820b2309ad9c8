//! Two domain controllers with one computer object: each attribute is replicated by itself, and the newer one wins
//! (MS-DRSR 4.1.10.6.8; version and time are one stamp here).

use laps::{
    active_directory::{Attribute, Former, Object, StoredValue, Update, VersionChange, version_of},
    id::VersionId,
    time::Timestamp,
};

/// An attribute and the order of its last change.
#[derive(Debug, Clone, Default)]
struct Stamped<T> {
    value: T,
    stamp: u64,
}

impl<T: Clone> Stamped<T> {
    fn put(&mut self, value: T, stamp: u64) {
        *self = Self { value, stamp };
    }
    fn newer(&mut self, other: &mut Self) {
        if self.stamp < other.stamp {
            self.clone_from(other);
        } else {
            other.clone_from(self);
        }
    }
}

/// The computer object on one controller.
#[derive(Debug, Clone, Default)]
struct Copy {
    expires_at: Stamped<Option<Timestamp>>,
    version: Stamped<Option<VersionId>>,
    encrypted: Stamped<Option<StoredValue>>,
    history: Stamped<Vec<StoredValue>>,
}

/// Why a modify was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The object has another version than the one that was read.
    ChangedMeanwhile,
    /// The controller is gone.
    Gone,
}

/// The controllers.
pub(super) struct Controllers {
    copies: [Option<Copy>; 2],
    stamp: u64,
    /// The schema has msLAPS-CurrentPasswordVersion.
    pub(super) has_version: bool,
    /// The machine may read what it wrote.
    pub(super) readable: bool,
}

impl Controllers {
    pub(super) fn new(has_version: bool, readable: bool) -> Self {
        Self { copies: [Some(Copy::default()), Some(Copy::default())], stamp: 0, has_version, readable }
    }

    pub(super) fn alive(&self) -> Vec<usize> {
        (0..2).filter(|index| self.copies[*index].is_some()).collect()
    }

    /// What the machine may see there.
    pub(super) fn object(&self, controller: usize) -> Option<Object> {
        let copy = self.copies[controller].as_ref()?;
        let seen = |value: Option<StoredValue>| value.filter(|_| self.readable);
        Some(Object {
            expires_at: copy.expires_at.value,
            version: copy.version.value.filter(|_| self.readable),
            has_version: self.has_version,
            encrypted: seen(copy.encrypted.value.clone()),
            history: if self.readable { copy.history.value.clone() } else { Vec::new() },
        })
    }

    /// Whether people who may read find this version there: as the password or in its history.
    pub(super) fn holds(&self, controller: usize, version: VersionId) -> bool {
        self.copies[controller].as_ref().is_some_and(|copy| {
            let values = copy.encrypted.value.iter().chain(&copy.history.value);
            values.into_iter().any(|value| value.bytes == version.as_bytes())
        })
    }

    /// One LDAP modify: all of it or nothing. A value of the model is its version.
    pub(super) fn modify(&mut self, controller: usize, update: &Update, written_at: Timestamp) -> Result<(), Refused> {
        self.stamp += 1;
        let (stamp, has_version) = (self.stamp, self.has_version);
        let copy = self.copies[controller].as_mut().ok_or(Refused::Gone)?;
        if let Some(VersionChange { from, to }) = update.version {
            assert!(has_version, "a version for a schema without versions");
            let fits = match from {
                Former::Version(from) => copy.version.value == Some(from),
                Former::NoneSeen => copy.version.value.is_none(),
                Former::Unreadable => true,
            };
            if !fits {
                return Err(Refused::ChangedMeanwhile);
            }
            copy.version.put(Some(to), stamp);
        }
        let known: Vec<StoredValue> = copy.history.value.iter().chain(&copy.encrypted.value).cloned().collect();
        for change in &update.changes {
            match change.attribute {
                Attribute::EncryptedPassword => {
                    let bytes = change.values[0].clone();
                    copy.encrypted.put(Some(StoredValue { written_at: Some(written_at), bytes }), stamp);
                }
                Attribute::EncryptedPasswordHistory => {
                    let value = |bytes: &Vec<u8>| known.iter().find(|had| had.bytes == *bytes).cloned();
                    copy.history.put(change.values.iter().filter_map(value).collect(), stamp);
                }
                Attribute::PasswordExpirationTime => {
                    let ticks = String::from_utf8(change.values[0].clone()).unwrap().parse().unwrap();
                    copy.expires_at.put(Some(Timestamp::from_ticks(ticks)), stamp);
                }
                Attribute::Password => {} // taken away; this domain never had it
                other => panic!("{other:?} in an update of the encrypted form"),
            }
        }
        Ok(())
    }

    /// A person sets the expiry, at any controller (laps-behaviour.md 4.4).
    pub(super) fn expire(&mut self, controller: usize, at: Timestamp) {
        self.stamp += 1;
        if let Some(copy) = &mut self.copies[controller] {
            copy.expires_at.put(Some(at), self.stamp);
        }
    }

    pub(super) fn replicate(&mut self) {
        if let [Some(one), Some(other)] = &mut self.copies {
            one.expires_at.newer(&mut other.expires_at);
            one.version.newer(&mut other.version);
            one.encrypted.newer(&mut other.encrypted);
            one.history.newer(&mut other.history);
        }
    }

    /// A controller is lost for good. True: it had something that the other one has not.
    pub(super) fn lose(&mut self, controller: usize) -> bool {
        let lost = self.copies[controller].take();
        let stamp = |copy: &Option<Copy>| copy.as_ref().map_or(0, |copy| copy.encrypted.stamp);
        stamp(&lost) > stamp(&self.copies[1 - controller])
    }

    /// The number of a controller's name.
    pub(super) fn number(name: &str) -> usize {
        usize::from(name == "dc2")
    }

    pub(super) const fn name(controller: usize) -> &'static str {
        if controller == 0 { "dc1" } else { "dc2" }
    }

    /// The version in a value of the model.
    pub(super) fn value(version: VersionId) -> Vec<u8> {
        debug_assert!(version_of(version.as_bytes()).is_some());
        version.as_bytes().to_vec()
    }
}

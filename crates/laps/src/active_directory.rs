//! Active Directory as the backup directory: what the computer object holds, and the one modify that gives it a
//! new password (rotation.md 9; laps-behaviour.md 4.3, 4.9 and 7).
//!
//! Values are bytes here: `dpapi` makes and opens them, `ad` sends them.

use crate::{
    id::VersionId,
    policy::Principal,
    rotation::Failure,
    time::{TICKS_PER_DAY, TICKS_PER_HOUR, Timestamp},
};
use core::cmp::Reverse;

/// The functional level of a domain from which on passwords can be encrypted: Windows Server 2016 (MS-ADTS 6.1.4.3).
pub const ENCRYPTION_LEVEL_MIN: u32 = 7;
/// The largest value of LAPS, in bytes; an ordinary one has 1.3 kB (laps-behaviour.md 7.5).
const VALUE_BYTES_MAX: usize = 16 * 1024;
/// A controller that did not take the last modify and does not have its version is not written to for so long:
/// longer than the three hours between two sites' replications (MS-ADTS 6.1.1.2.2.2.2, default of `replInterval`).
pub const REPLICATION_TICKS_MAX: u64 = 4 * TICKS_PER_HOUR;

/// An attribute of a computer object (laps-behaviour.md 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// When the password is due: FILETIME, UTC.
    PasswordExpirationTime,
    /// The password in clear, JSON.
    Password,
    /// The password, encrypted.
    EncryptedPassword,
    /// Earlier ones, encrypted.
    EncryptedPasswordHistory,
    /// The recovery password of a domain controller, encrypted.
    EncryptedDsrmPassword,
    /// Earlier ones, encrypted.
    EncryptedDsrmPasswordHistory,
    /// 16 random bytes that change with the password; only in the newest schema.
    CurrentPasswordVersion,
    /// Legacy LAPS: the password in clear.
    LegacyPassword,
    /// Legacy LAPS: when it is due, FILETIME, UTC.
    LegacyExpirationTime,
}

impl Attribute {
    /// Every attribute.
    pub const ALL: [Self; 9] = [
        Self::PasswordExpirationTime,
        Self::Password,
        Self::EncryptedPassword,
        Self::EncryptedPasswordHistory,
        Self::EncryptedDsrmPassword,
        Self::EncryptedDsrmPasswordHistory,
        Self::CurrentPasswordVersion,
        Self::LegacyPassword,
        Self::LegacyExpirationTime,
    ];

    /// Its lDAPDisplayName.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordExpirationTime => "msLAPS-PasswordExpirationTime",
            Self::Password => "msLAPS-Password",
            Self::EncryptedPassword => "msLAPS-EncryptedPassword",
            Self::EncryptedPasswordHistory => "msLAPS-EncryptedPasswordHistory",
            Self::EncryptedDsrmPassword => "msLAPS-EncryptedDSRMPassword",
            Self::EncryptedDsrmPasswordHistory => "msLAPS-EncryptedDSRMPasswordHistory",
            Self::CurrentPasswordVersion => "msLAPS-CurrentPasswordVersion",
            Self::LegacyPassword => "ms-Mcs-AdmPwd",
            Self::LegacyExpirationTime => "ms-Mcs-AdmPwdExpirationTime",
        }
    }
}

/// How a password is kept on the computer object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Form {
    /// Encrypted for one principal, with a history.
    Encrypted {
        /// The SID of the principal that may decrypt, `S-1-…`.
        decryptor: String,
    },
    /// In clear.
    Clear,
    /// In clear, where legacy LAPS keeps it.
    Legacy,
    /// The recovery password of a domain controller, encrypted for Domain Admins.
    Dsrm {
        /// Their SID.
        decryptor: String,
    },
}

impl Form {
    /// The attribute that holds the password.
    pub const fn attribute(&self) -> Attribute {
        match self {
            Self::Encrypted { .. } => Attribute::EncryptedPassword,
            Self::Clear => Attribute::Password,
            Self::Legacy => Attribute::LegacyPassword,
            Self::Dsrm { .. } => Attribute::EncryptedDsrmPassword,
        }
    }
    /// The attribute that holds when it is due.
    pub const fn expiry(&self) -> Attribute {
        match self {
            Self::Legacy => Attribute::LegacyExpirationTime,
            _ => Attribute::PasswordExpirationTime,
        }
    }
    /// The SID of the principal that may decrypt.
    pub fn decryptor(&self) -> Option<&str> {
        match self {
            Self::Encrypted { decryptor } | Self::Dsrm { decryptor } => Some(decryptor),
            Self::Clear | Self::Legacy => None,
        }
    }
}

/// What policy asks for; a principal is not a SID yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedForm {
    /// Encrypted.
    Encrypted {
        /// Who may decrypt; `None` is Domain Admins of the machine's domain.
        principal: Option<Principal>,
    },
    /// In clear.
    Clear,
    /// As legacy LAPS keeps it.
    Legacy,
    /// The recovery password of a domain controller; always for Domain Admins (laps-behaviour.md 7.12).
    Dsrm,
}

/// What policy asks for of Active Directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How the password is kept; an error stops the backup (laps-behaviour.md 2.4, rule 3).
    pub form: Result<WantedForm, Failure>,
    /// Earlier passwords that are kept, 0 to 12; only with encryption.
    pub history_max: usize,
    /// An expiry beyond the greatest age causes a rotation.
    pub protects_expiration: bool,
}

/// An encrypted value, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// When it was written, from its header (laps-behaviour.md 7.4); `None`: it has none.
    pub written_at: Option<Timestamp>,
    /// The whole value.
    pub bytes: Vec<u8>,
}

/// What a computer object holds, as far as the machine itself may read it. Clear text it may not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    /// msLAPS-PasswordExpirationTime, or the legacy one when the legacy form is asked for.
    pub expires_at: Option<Timestamp>,
    /// msLAPS-CurrentPasswordVersion.
    pub version: Option<VersionId>,
    /// The schema has msLAPS-CurrentPasswordVersion.
    pub has_version: bool,
    /// The encrypted password (the recovery password, when that is asked for).
    pub encrypted: Option<StoredValue>,
    /// Its history, in no order.
    pub history: Vec<StoredValue>,
}

/// Where one version goes, decided before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placement {
    /// The DNS name of the domain controller that takes it. While the modify is unknown no other one is asked
    /// (rotation.md 9).
    pub controller: String,
    /// How it is kept.
    pub form: Form,
    /// When it is written: the time in the value.
    pub written_at: Timestamp,
    /// What may go into the history when this takes its place.
    pub replaces: Replaces,
}

/// Which value goes into the history. One that was never set must not: with a history of one entry, two crashes
/// in a row would push out the password that is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replaces {
    /// Whatever stands there: the machine cannot tell what is installed.
    Any,
    /// Only the value of this version, which is installed.
    Installed {
        /// The version.
        version: VersionId,
        /// The time in its value, for a schema without versions.
        written_at: Timestamp,
    },
    /// Anything but this version, which was never set; what is installed the machine does not know.
    AnyBut {
        /// The version.
        version: VersionId,
        /// The time in its value.
        written_at: Timestamp,
    },
}

impl Replaces {
    fn admits(self, object: &Object) -> bool {
        match self {
            Self::Any => true,
            Self::Installed { version, written_at } => is_stored(object, version, written_at),
            Self::AnyBut { version, written_at } => !is_stored(object, version, written_at),
        }
    }
}

/// Whether the object holds this version: by its version, or, where the schema has none, by the time in the value. A
/// machine that may read neither sees the expiry, and takes it for its own: it would rotate in each cycle otherwise.
pub fn is_stored(object: &Object, version: VersionId, written_at: Timestamp) -> bool {
    match (object.version, &object.encrypted) {
        (Some(found), _) => found == version,
        (None, Some(value)) => value.written_at == Some(written_at),
        (None, None) => object.expires_at.is_some(),
    }
}

/// Whether a modify whose answer was lost has arrived: by the version, else by the expiry (rotation.md 9).
pub fn has_arrived(object: &Object, version: VersionId, expires_at: Timestamp) -> bool {
    if object.has_version { object.version == Some(version) } else { object.expires_at == Some(expires_at) }
}

/// New values of one attribute, in place of all that it has; none removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which attribute.
    pub attribute: Attribute,
    /// All of its values.
    pub values: Vec<Vec<u8>>,
}

/// One LDAP modify. Each part replaces, so that the same one may be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// What is replaced.
    pub changes: Vec<Change>,
    /// The new version, where the schema has versions.
    pub version: Option<VersionChange>,
}

/// How msLAPS-CurrentPasswordVersion changes. When the one that was read is taken away and the new one put in its place
/// (RFC 4511 4.6, delete and add of values), the whole modify fails if the object has changed since: a modify that was
/// held up somewhere cannot undo a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionChange {
    /// What the new one takes the place of.
    pub from: Former,
    /// The new one.
    pub to: VersionId,
}

/// The version that an object has before a modify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former {
    /// This one; the modify fails when it is not there any more.
    Version(VersionId),
    /// None that can be seen; the modify fails when there is one.
    NoneSeen,
    /// One that the machine may not read: whatever it is, it is replaced.
    Unreadable,
}

/// The modify that puts `value` on an object. `history_max`: entries that are kept. `moved`: the object may hold a
/// password in another form (what the machine wrote last is not known, or was kept otherwise); it goes.
pub fn update(
    object: &Object,
    placement: &Placement,
    version: VersionId,
    expires_at: Timestamp,
    value: Vec<u8>,
    history_max: usize,
    moved: bool,
) -> Update {
    let one = |attribute, value: Vec<u8>| Change { attribute, values: vec![value] };
    let mut changes = vec![
        one(placement.form.attribute(), value),
        one(placement.form.expiry(), expires_at.ticks().to_string().into()),
    ];
    let none = |attribute| Change { attribute, values: Vec::new() };
    let (kept, standing) = match placement.form {
        Form::Legacy => return Update { changes, version: None },
        Form::Dsrm { .. } => (Attribute::EncryptedDsrmPasswordHistory, None),
        Form::Encrypted { .. } => (Attribute::EncryptedPasswordHistory, moved.then_some(Attribute::Password)),
        Form::Clear => (
            Attribute::EncryptedPasswordHistory,
            (moved || object.encrypted.is_some()).then_some(Attribute::EncryptedPassword),
        ),
    };
    // In clear no history is kept (laps-behaviour.md 2.4, rule 10).
    let history_max = if matches!(placement.form, Form::Clear) { 0 } else { history_max };
    let history = history(object, placement.replaces, history_max);
    if history.len() != object.history.len()
        || !history.iter().all(|kept| object.history.iter().any(|had| had == *kept))
    {
        changes.push(Change { attribute: kept, values: history.iter().map(|value| value.bytes.clone()).collect() });
    }
    changes.extend(standing.map(none));
    let from = object.version.map_or(Former::NoneSeen, Former::Version);
    Update { changes, version: object.has_version.then_some(VersionChange { from, to: version }) }
}

/// The history after a rotation: what stood there joins it as it stands, the oldest go (laps-behaviour.md 4.9). A
/// value that is there already is not added again. Newest first.
fn history(object: &Object, replaces: Replaces, history_max: usize) -> Vec<&StoredValue> {
    let standing = object.encrypted.as_ref().filter(|_| replaces.admits(object));
    // What is no value of LAPS and larger than any of them is not carried on: the modify would become too large.
    let mut kept: Vec<&StoredValue> = object
        .history
        .iter()
        .filter(|value| value.written_at.is_some() || value.bytes.len() <= VALUE_BYTES_MAX)
        .collect();
    kept.extend(standing.filter(|value| !object.history.iter().any(|had| had.bytes == value.bytes)));
    // What has no time is taken for the oldest: it is not of LAPS.
    kept.sort_by_key(|value| Reverse(value.written_at));
    kept.truncate(history_max);
    kept
}

/// A version as msLAPS-CurrentPasswordVersion has it: a GUID in the byte order of Windows (MS-DTYP 2.3.4.2).
pub const fn guid_bytes(version: VersionId) -> [u8; 16] {
    let b = version.as_bytes();
    [b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]
}

/// [`guid_bytes`] back; `None` when these are not 16 bytes.
pub fn version_of(guid: &[u8]) -> Option<VersionId> {
    let bytes: [u8; 16] = guid.try_into().ok()?;
    // The order is its own inverse.
    Some(VersionId::from_bytes(guid_bytes(VersionId::from_bytes(bytes))))
}

/// What a domain controller answered about this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The DNS name of the domain controller that was asked.
    pub controller: String,
    /// How the password is to be kept there, with the principal as a SID.
    pub form: Form,
    /// When the password is due there; a person may have set it.
    pub expires_at: Option<Timestamp>,
    /// Whether it holds a password in that form; `None` when the machine may not see that.
    pub has_password: Option<bool>,
    /// It holds what this machine set last ([`is_stored`]).
    pub holds_last: bool,
    /// The schema knows versions; without them a restored machine is not noticed (event 10108).
    pub has_version: bool,
    /// The machine may read what it wrote; otherwise no history can be kept.
    pub is_readable: bool,
}

impl Answer {
    /// What follows from a computer object; `form` is how the password is to be kept, `last` what this machine wrote last.
    pub fn of(controller: String, form: Form, object: &Object, last: Option<(VersionId, &Placement)>) -> Self {
        let encrypted = form.decryptor().is_some();
        let wrote = last.filter(|(_, placement)| placement.form.attribute() == form.attribute());
        Self {
            controller,
            expires_at: object.expires_at,
            // A value that may not be read looks like one that is not there.
            has_password: (encrypted && object.version.is_some()).then_some(object.encrypted.is_some()),
            holds_last: last.is_some_and(|(version, placement)| is_stored(object, version, placement.written_at)),
            has_version: object.has_version || form == Form::Legacy,
            is_readable: !encrypted || wrote.is_none() || object.encrypted.is_some() || object.version.is_some(),
            form,
        }
    }
}

/// Whether an expiry lies farther ahead than the greatest age, in whole days (laps-behaviour.md 4.4).
pub fn is_beyond(expires_at: Timestamp, now: Timestamp, age_days: u32) -> bool {
    expires_at.ticks_since(now) / TICKS_PER_DAY > u64::from(age_days)
}

/// Whether another controller than the one that took the last password must not be written to yet: what was
/// written there may still be on its way, and would be lost (rotation.md 9).
pub fn is_replicating(answer: &Answer, last: &Placement, now: Timestamp) -> bool {
    !answer.holds_last
        && !answer.controller.eq_ignore_ascii_case(&last.controller)
        && now.ticks_since(last.written_at) < REPLICATION_TICKS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(n: u8) -> VersionId {
        VersionId::from_bytes([n; 16])
    }
    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_ms(1_800_000_000_000).plus_seconds(seconds)
    }
    fn value(n: u8) -> StoredValue {
        StoredValue { written_at: Some(at(u64::from(n))), bytes: vec![n] }
    }
    fn placement(form: Form, replaces: Replaces) -> Placement {
        Placement { controller: "dc1.corp.example".into(), form, written_at: at(100), replaces }
    }
    fn encrypted() -> Form {
        Form::Encrypted { decryptor: "S-1-5-32-544".into() }
    }
    fn installed(n: u8) -> Replaces {
        Replaces::Installed { version: version(n), written_at: at(u64::from(n)) }
    }
    fn object(current: u8, history: &[u8]) -> Object {
        Object {
            expires_at: None,
            version: Some(version(current)),
            has_version: true,
            encrypted: Some(value(current)),
            history: history.iter().copied().map(value).collect(),
        }
    }
    fn values(update: &Update, attribute: Attribute) -> Option<Vec<Vec<u8>>> {
        update.changes.iter().find(|change| change.attribute == attribute).map(|change| change.values.clone())
    }
    fn after(object: &Object, form: Form, replaces: Replaces, history_max: usize) -> Update {
        update(object, &placement(form, replaces), version(100), at(1000), vec![100], history_max, false)
    }

    /// laps-behaviour.md 4.9: appended as it stands, the oldest by time go, 0 keeps none; 2.4, rule 10.
    #[test]
    fn the_history_is_appended_and_trimmed_by_time() {
        let had = object(9, &[3, 8, 5]);
        let kept = |max| values(&after(&had, encrypted(), installed(9), max), Attribute::EncryptedPasswordHistory);
        assert_eq!(kept(12), Some(vec![vec![9], vec![8], vec![5], vec![3]]));
        assert_eq!(kept(2), Some(vec![vec![9], vec![8]]));
        assert_eq!(kept(0), Some(vec![]));
        let clear = after(&had, Form::Clear, Replaces::Any, 12);
        assert_eq!(values(&clear, Attribute::EncryptedPasswordHistory), Some(vec![]));
        assert_eq!(values(&clear, Attribute::EncryptedPassword), Some(vec![]));
        assert_eq!(values(&clear, Attribute::Password), Some(vec![vec![100]]));
        let new = after(&Object::default(), encrypted(), Replaces::Any, 12);
        assert_eq!(values(&new, Attribute::EncryptedPasswordHistory), None);
    }

    /// rotation.md 9: history never twice; docs/design/rotation.md 11: nothing that was never set.
    #[test]
    fn what_was_never_set_is_not_kept() {
        let had = object(9, &[8]);
        let history = |replaces| values(&after(&had, encrypted(), replaces, 1), Attribute::EncryptedPasswordHistory);
        assert_eq!(history(installed(8)), None, "9 was never set, 8 is installed: the history stays as it is");
        assert_eq!(history(Replaces::Any), Some(vec![vec![9]]));
        assert_eq!(history(Replaces::AnyBut { version: version(9), written_at: at(9) }), None);
        assert!(!is_stored(&Object::default(), version(9), at(9)), "nothing was ever written");
        let hidden = Object { expires_at: Some(at(1)), ..Object::default() };
        assert!(is_stored(&hidden, version(9), at(9)), "what cannot be read is taken for right");
        let without = Object { has_version: false, version: None, ..had.clone() };
        assert_eq!(
            values(&after(&without, encrypted(), installed(9), 1), Attribute::EncryptedPasswordHistory),
            Some(vec![vec![9]])
        );
        assert_eq!(values(&after(&without, encrypted(), installed(8), 1), Attribute::EncryptedPasswordHistory), None);
        let twice = object(9, &[9, 8]);
        assert_eq!(values(&after(&twice, encrypted(), installed(9), 12), Attribute::EncryptedPasswordHistory), None);
    }

    #[test]
    fn the_version_and_the_expiry_go_along() {
        let update = after(&object(9, &[]), encrypted(), installed(9), 0);
        assert_eq!(update.version, Some(VersionChange { from: Former::Version(version(9)), to: version(100) }));
        let due = at(1000).ticks().to_string().into_bytes();
        assert_eq!(values(&update, Attribute::PasswordExpirationTime), Some(vec![due.clone()]));
        let legacy = after(&object(9, &[]), Form::Legacy, Replaces::Any, 12);
        assert_eq!(values(&legacy, Attribute::LegacyExpirationTime), Some(vec![due]));
        assert_eq!(legacy.changes.len(), 2);
        let without = after(&Object { has_version: false, ..object(9, &[]) }, encrypted(), Replaces::Any, 0);
        assert_eq!(without.version, None);
        let recovery = after(&object(9, &[]), Form::Dsrm { decryptor: "S-1-5-32-544".into() }, Replaces::Any, 3);
        assert_eq!(values(&recovery, Attribute::EncryptedDsrmPasswordHistory), Some(vec![vec![9]]));
        assert_eq!(values(&recovery, Attribute::EncryptedPassword), None);
    }

    /// What was kept in another form goes, so that nobody reads an old password for the new one.
    #[test]
    fn another_form_is_removed() {
        let placement = placement(encrypted(), Replaces::Any);
        let update = update(&Object::default(), &placement, version(1), at(1), vec![1], 0, true);
        assert_eq!(values(&update, Attribute::Password), Some(vec![]));
    }

    #[test]
    fn guids_are_in_the_order_of_windows() {
        let version: VersionId = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        let guid = [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(guid_bytes(version), guid);
        assert_eq!(version_of(&guid), Some(version));
        assert_eq!(version_of(&guid[1..]), None);
    }

    /// rotation.md 9: a lost answer is settled by the version, else by the expiry.
    #[test]
    fn what_tells_whether_a_modify_arrived() {
        let with = Object { expires_at: Some(at(5)), ..object(7, &[]) };
        assert!(has_arrived(&with, version(7), at(6)) && !has_arrived(&with, version(8), at(5)));
        let without = Object { has_version: false, version: None, ..with };
        assert!(has_arrived(&without, version(8), at(5)) && !has_arrived(&without, version(7), at(6)));
    }

    /// laps-behaviour.md 4.4, "compared in whole days"; the password's own expiry is never beyond.
    #[test]
    fn an_expiry_too_far_ahead() {
        assert!(!is_beyond(at(0).plus_days(30), at(0), 30));
        assert!(!is_beyond(at(0).plus_days(31).minus_ticks(1), at(0), 30));
        assert!(is_beyond(at(0).plus_days(31), at(0), 30));
        assert!(!is_beyond(at(0), at(7), 30));
    }

    /// rotation.md 9: a modify goes to no controller that may not have the last one yet.
    #[test]
    fn another_controller_waits_for_replication() {
        let last = placement(encrypted(), Replaces::Any);
        let answer = |controller: &str, holds_last| Answer {
            controller: controller.into(),
            form: encrypted(),
            expires_at: None,
            has_password: Some(true),
            holds_last,
            has_version: true,
            is_readable: true,
        };
        assert!(is_replicating(&answer("dc2.corp.example", false), &last, at(200)));
        assert!(!is_replicating(&answer("dc2.corp.example", true), &last, at(200)));
        assert!(!is_replicating(&answer("DC1.corp.example", false), &last, at(200)));
        let later = at(100).plus_ticks(REPLICATION_TICKS_MAX);
        assert!(!is_replicating(&answer("dc2.corp.example", false), &last, later));
    }
}

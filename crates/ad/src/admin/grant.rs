//! The entries that give the rights of LAPS, and no more (laps-behaviour.md 7.2), and those that audit reading.
//!
//! The password attributes are confidential: reading one takes the control access right besides the right to read it
//! (MS-ADTS 3.1.1.4.4). All entries hold for the computer objects below the object that carries them.

use super::{
    ace::{Effect, ObjectTypes, Rule, flag, mask},
    attribute::{CLEAR, CONFIDENTIAL, EXPIRY, LEGACY, LEGACY_EXPIRY, PROPERTY_SET, PROPERTY_SET_NAME, wanted},
    schema::Schema,
};
use dpapi::Sid;
use std::fmt::Write as _;
use uuid::Uuid;

/// S-1-5-10: the computer itself.
pub const SELF: &str = "S-1-5-10";

/// What somebody is to be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A computer stores its own password and expiry.
    Store,
    /// People read passwords and expiry.
    Read,
    /// People set the expiry, so that the computer rotates.
    Reset,
}

/// An entry and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The entry.
    pub rule: Rule,
    /// lDAPDisplayName, or the name of the property set.
    pub about: &'static str,
}

/// Attributes are not in the schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the schema has no {}", .0.join(", "))]
pub struct NotInSchema(pub Vec<&'static str>);

/// The rights of an entry in words.
pub fn words(bits: u32) -> String {
    let bits = mask::specific(bits);
    if bits & mask::FULL_CONTROL == mask::FULL_CONTROL {
        return "full control".to_owned();
    }
    let mut text = String::new();
    for (bit, word) in [
        (mask::READ_PROPERTY, "read"),
        (mask::WRITE_PROPERTY, "write"),
        (mask::CONTROL_ACCESS, "control access"),
        (mask::WRITE_DAC, "change permissions"),
        (mask::WRITE_OWNER, "take ownership"),
    ] {
        if bits & bit != 0 {
            let _ = write!(text, "{}{word}", if text.is_empty() { "" } else { ", " });
        }
    }
    text
}

/// The parts of LAPS that entries name: each with the GUID and whether it is confidential.
struct Targets {
    expiry: Vec<(&'static str, Uuid)>,
    clear: Vec<(&'static str, Uuid, bool)>,
    encrypted: Vec<(&'static str, Uuid)>,
}

fn targets(schema: &Schema, with_legacy: bool) -> Result<Targets, NotInSchema> {
    let mut missing = Vec::new();
    let mut known = |name| {
        let found = schema.attribute(name);
        if found.is_none() {
            missing.push(name);
        }
        found.map(|found| (name, found.guid, found.search_flags & CONFIDENTIAL != 0))
    };
    let legacy = |name| with_legacy.then_some(name);
    let expiry = [Some(EXPIRY), legacy(LEGACY_EXPIRY)].into_iter().flatten().filter_map(&mut known).collect::<Vec<_>>();
    let clear = [Some(CLEAR), legacy(LEGACY)].into_iter().flatten().filter_map(&mut known).collect();
    let mut encrypted = vec![(PROPERTY_SET_NAME, PROPERTY_SET)];
    // One that this forest keeps outside the property set needs an entry of its own. The newest may be absent:
    // the schema of older forests lacks it.
    for attribute in wanted(false).filter(|attribute| attribute.is_in_property_set) {
        match schema.attribute(attribute.name) {
            Some(found) if found.property_set == Some(PROPERTY_SET) => {}
            Some(found) => encrypted.push((attribute.name, found.guid)),
            None if attribute.is_published => missing.push(attribute.name),
            None => {}
        }
    }
    if schema.property_set.is_none() {
        missing.push(PROPERTY_SET_NAME);
    }
    if !missing.is_empty() {
        return Err(NotInSchema(missing));
    }
    let expiry = expiry.into_iter().map(|(name, guid, _)| (name, guid)).collect();
    Ok(Targets { expiry, clear, encrypted })
}

/// The entries for a purpose.
///
/// # Errors
/// [`NotInSchema`] when the directory was not extended.
pub fn grants(schema: &Schema, purpose: Purpose, trustee: &Sid, with_legacy: bool) -> Result<Vec<Grant>, NotInSchema> {
    let targets = targets(schema, with_legacy)?;
    let grant = |about, guid, bits| Grant {
        about,
        rule: Rule {
            effect: Effect::Allow,
            flags: flag::CONTAINER_INHERIT | flag::INHERIT_ONLY,
            mask: bits,
            object: Some(ObjectTypes { about: Some(guid), inherited_by: Some(schema.computer) }),
            trustee: trustee.clone(),
        },
    };
    let (read, write) = (mask::READ_PROPERTY, mask::WRITE_PROPERTY);
    let secret = |confidential: bool| if confidential { mask::CONTROL_ACCESS } else { 0 };
    let expiry = targets.expiry.iter().copied();
    let clear = targets.clear.iter().copied();
    let encrypted = targets.encrypted.iter().copied();
    Ok(match purpose {
        // The computer reads the encrypted attributes, because it keeps the history; the clear ones it only writes.
        Purpose::Store => expiry
            .map(|(name, guid)| grant(name, guid, read | write))
            .chain(clear.map(|(name, guid, _)| grant(name, guid, write)))
            .chain(encrypted.map(|(name, guid)| grant(name, guid, read | write | mask::CONTROL_ACCESS)))
            .collect(),
        Purpose::Read => expiry
            .map(|(name, guid)| grant(name, guid, read))
            .chain(clear.map(|(name, guid, confidential)| grant(name, guid, read | secret(confidential))))
            .chain(encrypted.map(|(name, guid)| grant(name, guid, read | mask::CONTROL_ACCESS)))
            .collect(),
        Purpose::Reset => expiry.map(|(name, guid)| grant(name, guid, read | write)).collect(),
    })
}

/// The entries of the system list that write each reading of a password by `trustee` into the security log.
///
/// # Errors
/// [`NotInSchema`].
pub fn audits(schema: &Schema, trustee: &Sid, outcomes: u8, with_legacy: bool) -> Result<Vec<Grant>, NotInSchema> {
    let reading = grants(schema, Purpose::Read, trustee, with_legacy)?;
    let secrets = reading.into_iter().filter(|grant| grant.rule.mask & mask::CONTROL_ACCESS != 0);
    Ok(secrets
        .map(|grant| Grant {
            rule: Rule {
                effect: Effect::Audit,
                flags: flag::CONTAINER_INHERIT | flag::INHERIT_ONLY | outcomes,
                ..grant.rule
            },
            ..grant
        })
        .collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{attribute::COMPUTER_CLASS, schema::AttributeFound, schema::PropertySetFound};
    use super::*;

    /// A directory with both schemas; the GUID of an attribute is its place in the table.
    pub(crate) fn extended() -> Schema {
        let attributes = wanted(true).enumerate().map(|(index, attribute)| AttributeFound {
            name: attribute.name.to_owned(),
            search_flags: attribute.search_flags,
            guid: guid(index),
            property_set: attribute.is_in_property_set.then_some(PROPERTY_SET),
            ..AttributeFound::default()
        });
        Schema {
            computer: COMPUTER_CLASS,
            attributes: attributes.collect(),
            property_set: Some(PropertySetFound::default()),
            ..Schema::default()
        }
    }

    pub(crate) fn guid(index: usize) -> Uuid {
        Uuid::from_u128(0x1000 + index as u128)
    }

    fn summary(grants: &[Grant]) -> Vec<(&'static str, String)> {
        grants.iter().map(|grant| (grant.about, words(grant.rule.mask))).collect()
    }

    fn row(about: &'static str, words: &str) -> (&'static str, String) {
        (about, words.to_owned())
    }

    /// laps-behaviour.md 7.2.
    #[test]
    fn each_purpose_gets_the_least_rights() {
        let me = SELF.parse().unwrap();
        let of = |purpose, legacy| summary(&grants(&extended(), purpose, &me, legacy).unwrap());
        let store =
            [row(EXPIRY, "read, write"), row(CLEAR, "write"), row(PROPERTY_SET_NAME, "read, write, control access")];
        assert_eq!(of(Purpose::Store, false), store);
        let read = [
            row(EXPIRY, "read"),
            row(LEGACY_EXPIRY, "read"),
            row(CLEAR, "read, control access"),
            row(LEGACY, "read, control access"),
            row(PROPERTY_SET_NAME, "read, control access"),
        ];
        assert_eq!(of(Purpose::Read, true), read);
        assert_eq!(of(Purpose::Reset, true), [row(EXPIRY, "read, write"), row(LEGACY_EXPIRY, "read, write")]);
        for grant in grants(&extended(), Purpose::Read, &me, true).unwrap() {
            assert_eq!(grant.rule.flags, 0x0a);
            assert_eq!(grant.rule.inherited_by(), Some(COMPUTER_CLASS));
        }
    }

    #[test]
    fn an_attribute_outside_the_property_set_gets_its_own_entry() {
        let mut schema = extended();
        schema.attributes[6].property_set = None;
        let grants = grants(&schema, Purpose::Store, &SELF.parse().unwrap(), false).unwrap();
        let last = grants.last().unwrap();
        assert_eq!((last.about, last.rule.about()), ("msLAPS-CurrentPasswordVersion", Some(guid(6))));
    }

    #[test]
    fn a_schema_that_was_not_extended_is_named() {
        let error = grants(&Schema::default(), Purpose::Reset, &SELF.parse().unwrap(), false).unwrap_err();
        assert!(error.to_string().starts_with("the schema has no msLAPS-PasswordExpirationTime, msLAPS-Password,"));
        let mut older = extended();
        older.attributes.truncate(6);
        assert!(grants(&older, Purpose::Store, &SELF.parse().unwrap(), false).is_ok());
    }

    #[test]
    fn audits_are_about_what_is_secret() {
        let everyone = "S-1-1-0".parse().unwrap();
        let audits = audits(&extended(), &everyone, flag::SUCCESS | flag::FAILURE, false).unwrap();
        assert_eq!(audits.iter().map(|audit| audit.about).collect::<Vec<_>>(), [CLEAR, PROPERTY_SET_NAME]);
        assert!(audits.iter().all(|audit| audit.rule.effect == Effect::Audit && audit.rule.flags == 0xca));
    }
}

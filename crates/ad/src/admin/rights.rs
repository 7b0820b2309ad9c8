//! Who can do what with the passwords below an object, and by which entry.
//!
//! As the cmdlet Find-LapsADExtendedRights (laps-behaviour.md 7.2, 9), reading counts by the control access right: on
//! the attribute, on its property set, on everything ("all extended rights"), or within full control. What takes
//! precedence is settled as a domain controller does it (MS-ADTS 5.1.3.3): the first entry that decides a bit.

use super::{
    ace::{Effect, Rule, mask},
    attribute::{CLEAR, ENCRYPTED, EXPIRY, LEGACY},
    descriptor::{Acl, SecurityDescriptor},
    schema::Schema,
};
use dpapi::Sid;
use std::collections::BTreeSet;
use uuid::Uuid;

/// What somebody can do with the passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Read msLAPS-Password.
    ReadClearText,
    /// Read the encrypted attributes; to decrypt takes more.
    ReadEncrypted,
    /// Read ms-Mcs-AdmPwd.
    ReadLegacy,
    /// Set the expiry, so that the computer rotates.
    SetExpiry,
    /// Give oneself every other right.
    ChangePermissions,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::ReadClearText, Self::ReadEncrypted, Self::ReadLegacy, Self::SetExpiry, Self::ChangePermissions];

    /// Its name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadClearText => "ReadClearText",
            Self::ReadEncrypted => "ReadEncrypted",
            Self::ReadLegacy => "ReadLegacy",
            Self::SetExpiry => "SetExpiry",
            Self::ChangePermissions => "ChangePermissions",
        }
    }
    /// Whether it is about reading a password.
    pub const fn is_reading(self) -> bool {
        matches!(self, Self::ReadClearText | Self::ReadEncrypted | Self::ReadLegacy)
    }
    /// The attribute that it is about; `None`: the object.
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::ReadClearText => Some(CLEAR),
            Self::ReadEncrypted => Some(ENCRYPTED),
            Self::ReadLegacy => Some(LEGACY),
            Self::SetExpiry => Some(EXPIRY),
            Self::ChangePermissions => None,
        }
    }
    /// The bit that decides: reading is rarely what is missing, control access is.
    const fn deciding(self) -> u32 {
        match self {
            Self::ReadClearText | Self::ReadEncrypted | Self::ReadLegacy => mask::CONTROL_ACCESS,
            Self::SetExpiry => mask::WRITE_PROPERTY,
            Self::ChangePermissions => mask::WRITE_DAC,
        }
    }
    /// All bits that it takes.
    const fn needed(self) -> u32 {
        match self {
            Self::ReadClearText | Self::ReadEncrypted | Self::ReadLegacy => mask::CONTROL_ACCESS | mask::READ_PROPERTY,
            Self::SetExpiry => mask::WRITE_PROPERTY,
            Self::ChangePermissions => mask::WRITE_DAC,
        }
    }
}

/// For whom of the tree an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The object itself only.
    Object,
    /// The computers below only.
    Computers,
    /// Both.
    Both,
}

/// What an entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Being the owner.
    Owner,
    /// Everything.
    FullControl,
    /// All extended rights, or all properties.
    Everything,
    /// The property set of the encrypted attributes.
    PropertySet,
    /// An attribute, by lDAPDisplayName.
    Attribute(String),
}

/// Somebody who holds rights, by one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who.
    pub trustee: Sid,
    /// Allow or deny.
    pub effect: Effect,
    /// What the entry gives or refuses.
    pub rights: Vec<Right>,
    /// Those of them that an entry before it takes away again, from the same trustee or from all.
    pub overruled: Vec<Right>,
    /// What the entry names.
    pub basis: Basis,
    /// Whether a parent gave it.
    pub is_inherited: bool,
    /// For whom it holds.
    pub reach: Reach,
    /// Its mask.
    pub mask: u32,
}

/// Attributes of the directory under the names by which entries of lists know them.
struct Names<'a>(&'a Schema);

impl Names<'_> {
    /// Whether an entry about `about` is about what `right` needs.
    fn is_about(&self, about: Option<Uuid>, right: Right) -> bool {
        let Some(about) = about else { return true };
        let attribute = right.attribute().and_then(|name| self.0.attribute(name));
        attribute.is_some_and(|found| found.guid == about || found.property_set == Some(about))
    }
    fn exists(&self, right: Right) -> bool {
        right.attribute().is_none_or(|name| self.0.attribute(name).is_some())
    }
}

fn reach(rule: &Rule, computer: Uuid) -> Option<Reach> {
    match (rule.is_effective(), rule.is_inherited_by(computer)) {
        (true, true) => Some(Reach::Both),
        (true, false) => Some(Reach::Object),
        (false, true) => Some(Reach::Computers),
        (false, false) => None,
    }
}

/// Everybody who holds a right, in the order of the list; the owner first.
pub fn holders(schema: &Schema, descriptor: &SecurityDescriptor) -> Vec<Holder> {
    let names = Names(schema);
    let Some(dacl) = &descriptor.dacl else { return Vec::new() };
    let mut holders: Vec<Holder> = owner(descriptor).into_iter().collect();
    for (place, rule) in dacl.rules().enumerate() {
        let Some(reach) = reach(rule, schema.computer) else { continue };
        let bits = mask::specific(rule.mask);
        let gives =
            |right: Right| names.exists(right) && bits & right.deciding() != 0 && names.is_about(rule.about(), right);
        let rights: Vec<_> = Right::ALL.into_iter().filter(|right| gives(*right)).collect();
        if rights.is_empty() {
            continue;
        }
        let is_overruled = |right: &Right| {
            rule.effect == Effect::Allow
                && dacl.rules().take(place).any(|earlier| refuses(&names, earlier, rule, *right, schema.computer))
        };
        let overruled = rights.iter().copied().filter(is_overruled).collect();
        let basis = match rule.about() {
            None if bits & mask::FULL_CONTROL == mask::FULL_CONTROL => Basis::FullControl,
            None => Basis::Everything,
            Some(about) => schema
                .attributes
                .iter()
                .find(|found| found.guid == about)
                .map_or(Basis::PropertySet, |found| Basis::Attribute(found.name.clone())),
        };
        holders.push(Holder {
            trustee: rule.trustee.clone(),
            effect: rule.effect,
            rights,
            overruled,
            basis,
            is_inherited: rule.is_inherited(),
            reach,
            mask: rule.mask,
        });
    }
    holders
}

/// Whether `earlier` refuses what `later` gives, wherever `later` holds.
fn refuses(names: &Names<'_>, earlier: &Rule, later: &Rule, right: Right, computer: Uuid) -> bool {
    let of_all = ["S-1-1-0", "S-1-5-11"].contains(&earlier.trustee.to_string().as_str());
    let reaches = match (reach(earlier, computer), reach(later, computer)) {
        (Some(Reach::Both), _) => true,
        (Some(earlier), Some(later)) => earlier == later,
        _ => false,
    };
    earlier.effect == Effect::Deny
        && (of_all || earlier.trustee == later.trustee)
        && reaches
        && mask::specific(earlier.mask) & right.needed() != 0
        && names.is_about(earlier.about(), right)
}

/// The owner can change the list, unless an entry for OWNER RIGHTS says what owners can (MS-DTYP 2.5.3.2).
fn owner(descriptor: &SecurityDescriptor) -> Option<Holder> {
    let is_limited = descriptor
        .dacl
        .iter()
        .flat_map(Acl::rules)
        .any(|rule| rule.is_effective() && rule.trustee.to_string() == "S-1-3-4");
    let owner = descriptor.owner.clone().filter(|_| !is_limited)?;
    Some(Holder {
        trustee: owner,
        effect: Effect::Allow,
        rights: vec![Right::ChangePermissions],
        overruled: Vec::new(),
        basis: Basis::Owner,
        is_inherited: false,
        reach: Reach::Object,
        mask: mask::WRITE_DAC,
    })
}

/// The answer for one person or computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// Allowed, by this entry (the last one that was needed).
    Allowed(&'a Rule),
    /// Refused by this entry.
    Denied(&'a Rule),
    /// Nothing gives it: these bits are missing.
    Missing(u32),
}

/// Where a list is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the object itself.
    Object,
    /// On a computer below that has no entries of its own.
    ComputerBelow,
}

/// Whether somebody with the SIDs `token` has a right (MS-ADTS 5.1.3.3): the first entry that decides a bit counts.
pub fn verdict<'a>(schema: &Schema, dacl: &'a Acl, token: &BTreeSet<Sid>, right: Right, place: Place) -> Verdict<'a> {
    let names = Names(schema);
    judge(schema, dacl, token, right.needed(), place, |rule| names.is_about(rule.about(), right))
}

/// Whether somebody with the SIDs `token` may write an attribute of the object itself.
pub fn may_write(schema: &Schema, dacl: &Acl, token: &BTreeSet<Sid>, attribute: &str) -> bool {
    let Some(found) = schema.attribute(attribute) else { return false };
    let is_about =
        |rule: &Rule| rule.about().is_none_or(|about| found.guid == about || found.property_set == Some(about));
    matches!(judge(schema, dacl, token, mask::WRITE_PROPERTY, Place::Object, is_about), Verdict::Allowed(_))
}

fn judge<'a>(
    schema: &Schema,
    dacl: &'a Acl,
    token: &BTreeSet<Sid>,
    needed: u32,
    place: Place,
    is_about: impl Fn(&Rule) -> bool,
) -> Verdict<'a> {
    let mut missing = needed;
    let holds = |rule: &Rule| match place {
        Place::Object => rule.is_effective(),
        Place::ComputerBelow => rule.is_inherited_by(schema.computer),
    };
    for rule in dacl.rules().filter(|rule| holds(rule) && token.contains(&rule.trustee)) {
        let bits = mask::specific(rule.mask) & missing;
        if bits == 0 || !is_about(rule) {
            continue;
        }
        match rule.effect {
            Effect::Deny => return Verdict::Denied(rule),
            Effect::Allow => missing &= !bits,
            Effect::Audit => {}
        }
        if missing == 0 {
            return Verdict::Allowed(rule);
        }
    }
    Verdict::Missing(missing)
}

#[cfg(test)]
mod tests {
    use super::super::{
        ace::{ObjectTypes, flag},
        attribute::{COMPUTER_CLASS, PROPERTY_SET},
        grant::{
            Purpose, grants,
            tests::{extended, guid},
        },
    };
    use super::*;

    const GROUP: &str = "S-1-5-21-1-2-3-1104";
    const ADMINS: &str = "S-1-5-21-1-2-3-512";

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    fn rule(effect: Effect, who: &str, mask: u32, about: Option<Uuid>) -> Rule {
        let object = about.map(|about| ObjectTypes { about: Some(about), inherited_by: None });
        Rule { effect, flags: flag::CONTAINER_INHERIT, mask, object, trustee: sid(who) }
    }

    fn descriptor(rules: Vec<Rule>) -> SecurityDescriptor {
        let mut dacl = Acl::default();
        dacl.aces = rules.into_iter().map(Into::into).collect();
        let mut descriptor = SecurityDescriptor::default();
        descriptor.dacl = Some(dacl);
        descriptor
    }

    #[test]
    fn what_permit_gives_is_what_rights_lists() {
        let mut rules = Vec::new();
        for (purpose, rights) in [
            (Purpose::Read, vec![Right::ReadClearText, Right::ReadEncrypted, Right::ReadLegacy]),
            (Purpose::Reset, vec![Right::SetExpiry]),
        ] {
            let given = grants(&extended(), purpose, &sid(GROUP), true).unwrap();
            rules.extend(given.into_iter().map(|grant| grant.rule));
            let found = holders(&extended(), &descriptor(rules.split_off(0)));
            let mut all: Vec<_> = found.iter().flat_map(|holder| holder.rights.clone()).collect();
            all.sort();
            all.dedup();
            assert_eq!(all, rights);
            assert!(found.iter().all(|holder| holder.reach == Reach::Computers && holder.trustee == sid(GROUP)));
        }
    }

    #[test]
    fn each_way_to_a_password_is_found() {
        let all = mask::CONTROL_ACCESS;
        let found = holders(
            &extended(),
            &descriptor(vec![
                rule(Effect::Allow, GROUP, all, None),
                rule(Effect::Allow, GROUP, all, Some(guid(1))),
                rule(Effect::Allow, GROUP, all | mask::READ_PROPERTY, Some(PROPERTY_SET)),
                Rule { flags: flag::INHERITED, ..rule(Effect::Allow, ADMINS, mask::FULL_CONTROL, None) },
                rule(Effect::Allow, GROUP, 0x1000_0000, None),
                // None of these reads a password.
                rule(Effect::Allow, GROUP, mask::READ_PROPERTY, None),
                rule(Effect::Allow, GROUP, all, Some(Uuid::nil())),
                Rule { flags: flag::INHERIT_ONLY, ..rule(Effect::Allow, GROUP, all, None) },
                Rule {
                    flags: flag::INHERIT_ONLY | flag::CONTAINER_INHERIT,
                    object: Some(ObjectTypes { about: None, inherited_by: Some(Uuid::nil()) }),
                    ..rule(Effect::Allow, GROUP, all, None)
                },
            ]),
        );
        let reading = [Right::ReadClearText, Right::ReadEncrypted, Right::ReadLegacy];
        let bases: Vec<_> = found.iter().map(|holder| holder.basis.clone()).collect();
        assert_eq!(
            bases,
            [
                Basis::Everything,
                Basis::Attribute("msLAPS-Password".to_owned()),
                Basis::PropertySet,
                Basis::FullControl,
                Basis::FullControl
            ]
        );
        assert_eq!(found[0].rights, reading);
        assert_eq!(found[1].rights, [Right::ReadClearText]);
        assert_eq!(found[2].rights, [Right::ReadEncrypted]);
        assert_eq!(found[3].rights, Right::ALL);
        assert!(found[3].is_inherited && found[3].reach == Reach::Object);
        assert_eq!(found[4].reach, Reach::Both);
    }

    #[test]
    fn an_entry_that_refuses_counts_when_it_stands_before() {
        let deny = rule(Effect::Deny, GROUP, mask::CONTROL_ACCESS, Some(guid(1)));
        let allow = rule(Effect::Allow, GROUP, mask::CONTROL_ACCESS | mask::READ_PROPERTY, None);
        let found = holders(&extended(), &descriptor(vec![deny.clone(), allow.clone()]));
        assert_eq!((found[0].effect, found[0].rights.as_slice()), (Effect::Deny, &[Right::ReadClearText][..]));
        assert_eq!(found[1].overruled, [Right::ReadClearText]);
        let found = holders(&extended(), &descriptor(vec![allow.clone(), deny.clone()]));
        assert!(found[0].overruled.is_empty());
        let for_all = Rule { trustee: sid("S-1-1-0"), ..deny.clone() };
        assert_eq!(holders(&extended(), &descriptor(vec![for_all, allow.clone()]))[1].overruled.len(), 1);
        let of_another = Rule { trustee: sid(ADMINS), ..deny.clone() };
        assert!(holders(&extended(), &descriptor(vec![of_another, allow.clone()]))[1].overruled.is_empty());
        let elsewhere = Rule { flags: 0, ..deny };
        assert!(holders(&extended(), &descriptor(vec![elsewhere, allow]))[1].overruled.is_empty());
    }

    #[test]
    fn the_owner_can_change_permissions_unless_limited() {
        let mut owned = descriptor(Vec::new());
        owned.owner = Some(sid(ADMINS));
        let found = holders(&extended(), &owned);
        assert_eq!((&found[0].basis, found[0].rights[0]), (&Basis::Owner, Right::ChangePermissions));
        let limited = rule(Effect::Allow, "S-1-3-4", mask::READ_PROPERTY, None);
        owned.dacl.as_mut().unwrap().insert(limited);
        assert!(holders(&extended(), &owned).is_empty());
    }

    #[test]
    fn a_verdict_names_what_decided_or_what_is_missing() {
        let schema = extended();
        let read = rule(Effect::Allow, "S-1-5-11", mask::READ_PROPERTY, None);
        let control = rule(Effect::Allow, GROUP, mask::CONTROL_ACCESS, Some(PROPERTY_SET));
        let list = descriptor(vec![read.clone(), control.clone()]).dacl.unwrap();
        let token = |sids: &[&str]| sids.iter().map(|text| sid(text)).collect::<BTreeSet<_>>();
        let of = |sids, right| verdict(&schema, &list, &token(sids), right, Place::ComputerBelow);
        assert_eq!(of(&[GROUP, "S-1-5-11"], Right::ReadEncrypted), Verdict::Allowed(&control));
        assert_eq!(of(&[GROUP, "S-1-5-11"], Right::ReadClearText), Verdict::Missing(mask::CONTROL_ACCESS));
        assert_eq!(of(&[GROUP], Right::ReadEncrypted), Verdict::Missing(mask::READ_PROPERTY));
        let writing = rule(Effect::Allow, GROUP, mask::WRITE_PROPERTY, Some(PROPERTY_SET));
        let own = descriptor(vec![writing]).dacl.unwrap();
        assert!(may_write(&schema, &own, &token(&[GROUP]), ENCRYPTED));
        assert!(
            !may_write(&schema, &own, &token(&[GROUP]), CLEAR) && !may_write(&schema, &own, &token(&[]), ENCRYPTED)
        );
        let deny = rule(Effect::Deny, GROUP, mask::CONTROL_ACCESS, None);
        let list = descriptor(vec![deny.clone(), read, control]).dacl.unwrap();
        let of = verdict(&schema, &list, &token(&[GROUP, "S-1-5-11"]), Right::ReadEncrypted, Place::Object);
        assert_eq!(of, Verdict::Denied(&deny));
        assert_eq!(schema.computer, COMPUTER_CLASS);
    }
}

//! Security descriptors in the self-relative form (MS-DTYP 2.4.6), and the lists in them (2.4.5).
//!
//! What is read and written again is the same to a reader of it: entries keep their bytes and their order. A new
//! entry goes to its canonical place and moves nothing else.

use super::ace::{Ace, Rule};
use dpapi::{FormatError, Sid};

/// Longest descriptor that is read: each of the two lists has at most 64 KiB, the SIDs 68 bytes each.
const BYTES_MAX: usize = 2 * 65_536 + 1024;
const HEADER_BYTES: usize = 20;
const ACL_HEADER_BYTES: usize = 8;
/// Revision of lists without and with object entries.
const ACL_REVISION: u8 = 2;
const ACL_REVISION_DS: u8 = 4;

const DACL_PRESENT: u16 = 0x0004;
const SACL_PRESENT: u16 = 0x0010;
const DACL_PROTECTED: u16 = 0x1000;
const SELF_RELATIVE: u16 = 0x8000;

/// A list of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Acl {
    revision: u8,
    /// In the order in which a domain controller goes through them.
    pub aces: Vec<Ace>,
}

/// A security descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SecurityDescriptor {
    resource_manager: u8,
    control: u16,
    /// Who owns the object; absent when it was not asked for.
    pub owner: Option<Sid>,
    /// The primary group.
    pub group: Option<Sid>,
    /// What is audited.
    pub sacl: Option<Acl>,
    /// Who may do what. `None` in a descriptor that says it has one: no protection at all.
    pub dacl: Option<Acl>,
}

/// The list became longer than a list can be (64 KiB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access control list would be longer than 65535 bytes")]
pub struct ListTooLong;

fn error(offset: usize, expected: &'static str) -> FormatError {
    FormatError { structure: "security descriptor", offset, expected }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

impl Acl {
    /// The entries that are understood.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.aces.iter().filter_map(Ace::rule)
    }
    /// Whether the entries stand in the canonical order (MS-ADTS 5.1.3.1).
    pub fn is_canonical(&self) -> bool {
        self.aces.is_sorted_by_key(Ace::rank)
    }
    /// Puts an entry before the first one that has to stand behind it; nothing else moves.
    pub fn insert(&mut self, rule: Rule) {
        let ace = Ace::Rule(rule);
        let at = self.aces.iter().position(|other| other.rank() > ace.rank()).unwrap_or(self.aces.len());
        self.aces.insert(at, ace);
    }
    /// Removes the entries that are exactly this one; how many there were.
    pub fn remove(&mut self, rule: &Rule) -> usize {
        let before = self.aces.len();
        self.aces.retain(|ace| ace.rule() != Some(rule));
        before - self.aces.len()
    }

    /// The list at the beginning of `bytes`; `offset` is where that is.
    fn from_bytes(bytes: &[u8], offset: usize) -> Result<Self, FormatError> {
        let error = |at: usize, expected| FormatError {
            structure: "access control list",
            offset: offset.saturating_add(at),
            expected,
        };
        let (Some(revision), Some(size), Some(count)) = (bytes.first(), u16_at(bytes, 2), u16_at(bytes, 4)) else {
            return Err(error(0, "the header of a list, 8 bytes"));
        };
        if ![ACL_REVISION, ACL_REVISION_DS].contains(revision) {
            return Err(error(0, "revision 2 or 4"));
        }
        let own = bytes.get(..usize::from(size)).ok_or(error(2, "a list that ends inside the descriptor"))?;
        let mut rest = own.get(ACL_HEADER_BYTES..).ok_or(error(2, "a list of 8 bytes or more"))?;
        let mut aces = Vec::with_capacity(usize::from(count).min(rest.len() / 4));
        for _ in 0..count {
            let at = offset.saturating_add(own.len() - rest.len());
            let (ace, behind) = Ace::first_of(rest, at)?;
            aces.push(ace);
            rest = behind;
        }
        Ok(Self { revision: *revision, aces })
    }
    fn to_bytes(&self) -> Result<Vec<u8>, ListTooLong> {
        let has_objects = self.rules().any(|rule| rule.object.is_some());
        let revision = if has_objects { ACL_REVISION_DS } else { self.revision.max(ACL_REVISION) };
        let body = self.aces.iter().flat_map(Ace::to_bytes).collect::<Vec<_>>();
        let size = u16::try_from(ACL_HEADER_BYTES + body.len()).map_err(|_| ListTooLong)?;
        let count = u16::try_from(self.aces.len()).map_err(|_| ListTooLong)?;
        let mut bytes = vec![revision, 0];
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }
}

impl SecurityDescriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// [`FormatError`] with the place and what was expected.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > BYTES_MAX {
            return Err(error(BYTES_MAX, "at most 132096 bytes"));
        }
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(error(bytes.len(), "a header of 20 bytes"));
        };
        if header[0] != 1 {
            return Err(error(0, "revision 1"));
        }
        let control = u16::from_le_bytes([header[2], header[3]]);
        if control & SELF_RELATIVE == 0 {
            return Err(error(2, "the self-relative form"));
        }
        let part = |at: usize| {
            let offset = header.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b));
            // Wider than usize nowhere that this runs; such an offset lies behind the end all the same.
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            match offset {
                0 => Ok(None),
                offset if offset < HEADER_BYTES => Err(error(at, "a place behind the header")),
                offset => match bytes.get(offset..) {
                    Some(rest) if !rest.is_empty() => Ok(Some((offset, rest))),
                    _ => Err(error(at, "a place inside the descriptor")),
                },
            }
        };
        let sid = |at: usize| match part(at)? {
            None => Ok(None),
            Some((offset, rest)) => {
                let length = rest.get(1).map_or(0, |count| 8 + 4 * usize::from(*count));
                let own = rest.get(..length).ok_or(error(offset, "a SID that ends inside the descriptor"))?;
                Sid::from_bytes(own)
                    .map(Some)
                    .map_err(|error| FormatError { offset: error.offset.saturating_add(offset), ..error })
            }
        };
        let list = |at: usize, present: u16| match part(at)? {
            Some((offset, rest)) if control & present != 0 => Acl::from_bytes(rest, offset).map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            resource_manager: header[1],
            control,
            owner: sid(4)?,
            group: sid(8)?,
            sacl: list(12, SACL_PRESENT)?,
            dacl: list(16, DACL_PRESENT)?,
        })
    }

    /// Writes the descriptor: header, system list, discretionary list, owner, group.
    ///
    /// # Errors
    /// [`ListTooLong`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ListTooLong> {
        let sacl = self.sacl.as_ref().map(Acl::to_bytes).transpose()?;
        let dacl = self.dacl.as_ref().map(Acl::to_bytes).transpose()?;
        let parts = [sacl, dacl, self.owner.as_ref().map(Sid::to_bytes), self.group.as_ref().map(Sid::to_bytes)];
        let mut at = HEADER_BYTES;
        let places = parts.each_ref().map(|part| {
            let own = part.as_ref().map(|part| (at, part));
            at += part.as_ref().map_or(0, Vec::len);
            // At most 132096, see BYTES_MAX.
            own.map_or(0, |(at, _)| u32::try_from(at).unwrap_or_default())
        });
        let [sacl, dacl, owner, group] = places;
        let mut control = self.control | SELF_RELATIVE;
        for (list, present) in [(&self.sacl, SACL_PRESENT), (&self.dacl, DACL_PRESENT)] {
            if list.is_some() {
                control |= present;
            }
        }
        let mut bytes = vec![1, self.resource_manager];
        bytes.extend_from_slice(&control.to_le_bytes());
        for place in [owner, group, sacl, dacl] {
            bytes.extend_from_slice(&place.to_le_bytes());
        }
        bytes.extend(parts.into_iter().flatten().flatten());
        Ok(bytes)
    }

    /// Whether the object has no protection at all: a list is said to be there and is not (MS-DTYP 2.5.3).
    pub fn is_unprotected(&self) -> bool {
        self.control & DACL_PRESENT != 0 && self.dacl.is_none()
    }
    /// Whether nothing is inherited from the parent.
    pub fn is_inheritance_blocked(&self) -> bool {
        self.control & DACL_PROTECTED != 0
    }
}

#[cfg(test)]
mod tests {
    use super::super::ace::{Effect, ObjectTypes, flag, mask};
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn sid(text: &str) -> Sid {
        text.parse().unwrap()
    }

    fn rule(effect: Effect, flags: u8, object: Option<ObjectTypes>) -> Rule {
        Rule { effect, flags, mask: mask::READ_PROPERTY, object, trustee: sid("S-1-5-10") }
    }

    /// O:BAG:SYD:(A;;RPWP;;;SY)(OA;CIIO;CR;<guid>;<guid>;PS), laid out by hand with the owner first.
    fn laid_out_by_hand() -> Vec<u8> {
        let mut bytes = vec![1, 0, 0x04, 0x84];
        for place in [20_u32, 36, 0, 48] {
            bytes.extend_from_slice(&place.to_le_bytes());
        }
        bytes.extend_from_slice(&sid("S-1-5-32-544").to_bytes());
        bytes.extend_from_slice(&sid("S-1-5-18").to_bytes());
        bytes.extend_from_slice(&[4, 0, 84, 0, 2, 0, 0, 0]);
        bytes.extend_from_slice(&[0, 0, 20, 0, 0x30, 0, 0, 0]);
        bytes.extend_from_slice(&sid("S-1-5-18").to_bytes());
        bytes.extend_from_slice(&[5, 0x0a, 56, 0, 0, 1, 0, 0, 3, 0, 0, 0]);
        bytes.extend_from_slice(&[0x11; 16]);
        bytes.extend_from_slice(&[0x22; 16]);
        bytes.extend_from_slice(&sid("S-1-5-10").to_bytes());
        bytes
    }

    #[test]
    fn a_descriptor_laid_out_by_hand_is_read() {
        let bytes = laid_out_by_hand();
        let read = SecurityDescriptor::from_bytes(&bytes).unwrap();
        assert_eq!(read.owner, Some(sid("S-1-5-32-544")));
        assert_eq!(read.group, Some(sid("S-1-5-18")));
        assert_eq!(read.sacl, None);
        let dacl = read.dacl.as_ref().unwrap();
        let types = ObjectTypes {
            about: Some(Uuid::from_bytes_le([0x11; 16])),
            inherited_by: Some(Uuid::from_bytes_le([0x22; 16])),
        };
        assert_eq!(
            dacl.rules().cloned().collect::<Vec<_>>(),
            [
                Rule { effect: Effect::Allow, flags: 0, mask: 0x30, object: None, trustee: sid("S-1-5-18") },
                Rule {
                    effect: Effect::Allow,
                    flags: flag::CONTAINER_INHERIT | flag::INHERIT_ONLY,
                    mask: mask::CONTROL_ACCESS,
                    object: Some(types),
                    trustee: sid("S-1-5-10")
                },
            ]
        );
        let written = read.to_bytes().unwrap();
        assert_eq!(written.len(), bytes.len());
        assert_eq!(SecurityDescriptor::from_bytes(&written), Ok(read));
    }

    #[test]
    fn lengths_and_places_that_lie_are_refused() {
        let bytes = laid_out_by_hand();
        for end in 0..bytes.len() {
            let error = SecurityDescriptor::from_bytes(&bytes[..end]).unwrap_err();
            assert!(error.offset <= bytes.len(), "{error}");
        }
        let with = |at: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = byte;
            SecurityDescriptor::from_bytes(&bytes).unwrap_err()
        };
        assert_eq!(with(0, 2).offset, 0);
        assert_eq!(with(3, 0).expected, "the self-relative form");
        assert_eq!(with(4, 19).expected, "a place behind the header");
        assert_eq!(with(18, 1).expected, "a place inside the descriptor");
        assert_eq!(with(48, 3).expected, "revision 2 or 4");
        assert_eq!(with(50, 7).expected, "a list of 8 bytes or more");
        assert_eq!(with(50, 85).expected, "a list that ends inside the descriptor");
        assert_eq!(with(52, 3).expected, "as many entries as the count says");
        assert_eq!(with(58, 3).expected, "an entry of 4 bytes or more");
        assert_eq!(with(78, 57).expected, "an entry that ends inside the list");
        assert_eq!(SecurityDescriptor::from_bytes(&vec![0; BYTES_MAX + 1]).unwrap_err().offset, BYTES_MAX);
    }

    #[test]
    fn entries_that_are_not_understood_keep_their_bytes() {
        let mut bytes = laid_out_by_hand();
        bytes[56] = 9; // conditional
        bytes[84] = 7; // a flag that nobody knows
        let read = SecurityDescriptor::from_bytes(&bytes).unwrap();
        let dacl = read.dacl.as_ref().unwrap();
        assert_eq!(dacl.aces, [Ace::Other(bytes[56..76].to_vec()), Ace::Other(bytes[76..132].to_vec())]);
        assert_eq!(SecurityDescriptor::from_bytes(&read.to_bytes().unwrap()), Ok(read));
    }

    #[test]
    fn a_new_entry_goes_to_its_canonical_place_and_comes_out_again_exactly() {
        let object = Some(ObjectTypes::default());
        let inherited = Ace::Rule(rule(Effect::Deny, flag::INHERITED, None));
        let aces = [
            rule(Effect::Deny, 0, None).into(),
            rule(Effect::Deny, 0, object).into(),
            rule(Effect::Allow, 0, None).into(),
            rule(Effect::Allow, 0, object).into(),
            inherited,
        ];
        let list = Acl { revision: ACL_REVISION_DS, aces: aces.to_vec() };
        assert!(list.is_canonical());
        for (effect, object, place) in
            [(Effect::Deny, None, 1), (Effect::Deny, object, 2), (Effect::Allow, None, 3), (Effect::Allow, object, 4)]
        {
            let mut changed = list.clone();
            let new = Rule { mask: mask::WRITE_DAC, ..rule(effect, 0, object) };
            changed.insert(new.clone());
            assert!(changed.is_canonical());
            assert_eq!(changed.aces[place].rule(), Some(&new));
            assert_eq!(changed.remove(&new), 1);
            assert_eq!(changed, list);
            assert_eq!(changed.remove(&new), 0);
        }
        let reversed = Acl { revision: 4, aces: aces.into_iter().rev().collect() };
        assert!(!reversed.is_canonical());
    }

    #[test]
    fn no_list_where_one_is_announced_is_no_protection() {
        let open = SecurityDescriptor { control: DACL_PRESENT, ..SecurityDescriptor::default() };
        let read = SecurityDescriptor::from_bytes(&open.to_bytes().unwrap()).unwrap();
        assert!(read.is_unprotected());
        let unasked = SecurityDescriptor::default().to_bytes().unwrap();
        assert!(!SecurityDescriptor::from_bytes(&unasked).unwrap().is_unprotected());
    }

    #[test]
    fn a_list_that_grows_too_long_is_refused() {
        let aces = vec![Ace::Other([vec![9, 0, 0xe8, 3], vec![0; 996]].concat()); 66];
        let descriptor = SecurityDescriptor { dacl: Some(Acl { revision: 2, aces }), ..SecurityDescriptor::default() };
        assert_eq!(descriptor.to_bytes(), Err(ListTooLong));
    }

    fn any_ace() -> impl Strategy<Value = Ace> {
        let effect = prop_oneof![Just(Effect::Allow), Just(Effect::Deny), Just(Effect::Audit)];
        let guid = || prop::option::of(any::<[u8; 16]>().prop_map(Uuid::from_bytes_le));
        let object =
            prop::option::of((guid(), guid()).prop_map(|(about, inherited_by)| ObjectTypes { about, inherited_by }));
        let trustee = prop::collection::vec(any::<u32>(), 1..=15)
            .prop_map(|ids| sid(&ids.iter().fold("S-1-5".to_owned(), |text, id| format!("{text}-{id}"))));
        let rule =
            (effect, any::<u8>(), any::<u32>(), object, trustee).prop_map(|(effect, flags, mask, object, trustee)| {
                Ace::Rule(Rule { effect, flags, mask, object, trustee })
            });
        let other = prop::collection::vec(any::<u8>(), 0..40).prop_map(|body| {
            let size = u8::try_from(4 + body.len()).unwrap();
            Ace::Other([vec![9, 0, size, 0], body].concat())
        });
        prop_oneof![4 => rule, 1 => other]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            control in any::<u16>(),
            lists in prop::array::uniform2(prop::option::of(prop::collection::vec(any_ace(), 0..12))),
            owner in any::<bool>(),
        ) {
            let [sacl, dacl] = lists.map(|aces| aces.map(|aces| Acl { revision: ACL_REVISION_DS, aces }));
            let mut control = control | SELF_RELATIVE;
            for (list, bit) in [(&sacl, SACL_PRESENT), (&dacl, DACL_PRESENT)] {
                if list.is_some() {
                    control |= bit;
                }
            }
            let owner = owner.then(|| sid("S-1-5-32-544"));
            let descriptor = SecurityDescriptor { resource_manager: 0, control, owner, group: None, sacl, dacl };
            let bytes = descriptor.to_bytes().unwrap();
            prop_assert_eq!(SecurityDescriptor::from_bytes(&bytes), Ok(descriptor));
        }

        #[test]
        fn hostile_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = SecurityDescriptor::from_bytes(&bytes).map(|read| read.to_bytes());
        }

        #[test]
        fn a_descriptor_with_wrong_bytes_is_read_or_refused(
            at in 0_usize..132, byte in any::<u8>(), more in 0_usize..132, other in any::<u8>(),
        ) {
            let mut bytes = laid_out_by_hand();
            bytes[at] = byte;
            bytes[more] = other;
            if let Ok(read) = SecurityDescriptor::from_bytes(&bytes) {
                let again = SecurityDescriptor::from_bytes(&read.to_bytes().unwrap()).unwrap();
                prop_assert_eq!(again.dacl, read.dacl);
            }
        }
    }
}

//! Access control entries (MS-DTYP 2.4.4).

use dpapi::{FormatError, Sid};
use uuid::Uuid;

/// The bits of an access mask that count for objects of the directory (MS-ADTS 5.1.3.2).
pub mod mask {
    /// Make children.
    pub const CREATE_CHILD: u32 = 0x1;
    /// Read a property (RP).
    pub const READ_PROPERTY: u32 = 0x10;
    /// Write a property (WP).
    pub const WRITE_PROPERTY: u32 = 0x20;
    /// An extended right, and reading of confidential attributes (CR).
    pub const CONTROL_ACCESS: u32 = 0x100;
    /// Change the discretionary list (WD).
    pub const WRITE_DAC: u32 = 0x4_0000;
    /// Become the owner (WO).
    pub const WRITE_OWNER: u32 = 0x8_0000;
    /// Everything that an object of the directory knows.
    pub const FULL_CONTROL: u32 = 0xf_01ff;
    const GENERIC: [(u32, u32); 4] =
        [(0x1000_0000, FULL_CONTROL), (0x8000_0000, 0x2_0094), (0x4000_0000, 0x2_0028), (0x2000_0000, 0x2_0004)];

    /// With the generic bits replaced by what they mean for objects of the directory (MS-ADTS 5.1.3.2).
    pub fn specific(mask: u32) -> u32 {
        let meant = GENERIC.iter().filter(|(bit, _)| mask & bit != 0).fold(0, |all, (_, bits)| all | bits);
        (mask & 0x0fff_ffff) | meant
    }
}

/// The bits of the flags of an entry (MS-DTYP 2.4.4.1).
pub mod flag {
    /// Children that are containers inherit it (CI); every object of the directory is one.
    pub const CONTAINER_INHERIT: u8 = 0x02;
    /// Only the children of the object have it, not their own children (NP).
    pub const NO_PROPAGATE: u8 = 0x04;
    /// It holds for those who inherit it only (IO).
    pub const INHERIT_ONLY: u8 = 0x08;
    /// It was inherited (ID).
    pub const INHERITED: u8 = 0x10;
    /// Audit what was allowed (SA).
    pub const SUCCESS: u8 = 0x40;
    /// Audit what was refused (FA).
    pub const FAILURE: u8 = 0x80;
}

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It refuses.
    Deny,
    /// It writes into the security log; stands in the system list.
    Audit,
}

/// The object types of an object entry. An entry without them is one of the plain kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ObjectTypes {
    /// Attribute, property set, extended right or class that it is about; all when `None`.
    pub about: Option<Uuid>,
    /// The class of objects that inherit it; all when `None`.
    pub inherited_by: Option<Uuid>,
}

/// An entry whose meaning is known here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// What it does.
    pub effect: Effect,
    /// [`flag`].
    pub flags: u8,
    /// [`mask`].
    pub mask: u32,
    /// Set in object entries, even when they name neither type.
    pub object: Option<ObjectTypes>,
    /// Whom it concerns.
    pub trustee: Sid,
}

/// An entry: one that is understood, or one that is kept as it is (conditional, mandatory label, malformed inside).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ace {
    /// Understood; re-encoding gives the same bytes.
    Rule(Rule),
    /// The bytes with their header.
    Other(Vec<u8>),
}

const ABOUT_PRESENT: u32 = 1;
const INHERITED_BY_PRESENT: u32 = 2;
/// Type, flags, size.
const HEADER_BYTES: usize = 4;

impl Rule {
    /// The attribute, property set or right that it is about; `None`: all of them.
    pub fn about(&self) -> Option<Uuid> {
        self.object.and_then(|types| types.about)
    }
    /// The class that inherits it; `None`: every class.
    pub fn inherited_by(&self) -> Option<Uuid> {
        self.object.and_then(|types| types.inherited_by)
    }
    /// Whether a parent gave it to the object.
    pub fn is_inherited(&self) -> bool {
        self.flags & flag::INHERITED != 0
    }
    /// Whether it holds for the object itself.
    pub fn is_effective(&self) -> bool {
        self.flags & flag::INHERIT_ONLY == 0
    }
    /// Whether objects of `class` below inherit it.
    pub fn is_inherited_by(&self, class: Uuid) -> bool {
        self.flags & flag::CONTAINER_INHERIT != 0 && self.inherited_by().is_none_or(|only| only == class)
    }
    /// Whether it says the same as `wanted` and maybe more: for the same trustee, with all its bits, at least as wide.
    /// Only an entry that the object has of its own counts, since another may vanish with the parent's.
    pub fn covers(&self, wanted: &Self) -> bool {
        let wider = |mine: Option<Uuid>, theirs: Option<Uuid>| mine.is_none() || mine == theirs;
        let inherits = flag::CONTAINER_INHERIT & wanted.flags;
        self.effect == wanted.effect
            && self.trustee == wanted.trustee
            && !self.is_inherited()
            && mask::specific(self.mask) & wanted.mask == wanted.mask
            && self.flags & inherits == inherits
            && (self.flags & flag::NO_PROPAGATE) <= (wanted.flags & flag::NO_PROPAGATE)
            && (self.is_effective() || !wanted.is_effective())
            && (self.flags & wanted.flags & (flag::SUCCESS | flag::FAILURE))
                == wanted.flags & (flag::SUCCESS | flag::FAILURE)
            && wider(self.about(), wanted.about())
            && wider(self.inherited_by(), wanted.inherited_by())
    }
    /// The place in a canonical list (MS-ADTS 5.1.3.1): the object's own before inherited ones, refusing before
    /// allowing, plain before object entries. Inherited ones keep the order in which they came.
    fn rank(&self) -> u8 {
        match (self.is_inherited(), self.effect, self.object.is_some()) {
            (true, ..) => 4,
            (_, Effect::Deny, false) => 0,
            (_, Effect::Deny, true) => 1,
            (_, _, false) => 2,
            (_, _, true) => 3,
        }
    }
    fn type_number(&self) -> u8 {
        match (self.effect, self.object.is_some()) {
            (Effect::Allow, false) => 0,
            (Effect::Deny, false) => 1,
            (Effect::Audit, false) => 2,
            (Effect::Allow, true) => 5,
            (Effect::Deny, true) => 6,
            (Effect::Audit, true) => 7,
        }
    }
    fn to_bytes(&self) -> Vec<u8> {
        let mut body = self.mask.to_le_bytes().to_vec();
        if let Some(types) = self.object {
            let present = |part: Option<Uuid>, bit| if part.is_some() { bit } else { 0 };
            let flags = present(types.about, ABOUT_PRESENT) | present(types.inherited_by, INHERITED_BY_PRESENT);
            body.extend_from_slice(&flags.to_le_bytes());
            for part in [types.about, types.inherited_by].into_iter().flatten() {
                body.extend_from_slice(&part.to_bytes_le());
            }
        }
        body.extend_from_slice(&self.trustee.to_bytes());
        // At most 4 + 4 + 32 + 68 bytes.
        let size = u16::try_from(HEADER_BYTES + body.len()).unwrap_or_default();
        let mut bytes = vec![self.type_number(), self.flags];
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let (effect, is_object) = match header[0] {
            0 => (Effect::Allow, false),
            1 => (Effect::Deny, false),
            2 => (Effect::Audit, false),
            5 => (Effect::Allow, true),
            6 => (Effect::Deny, true),
            7 => (Effect::Audit, true),
            _ => return None,
        };
        let (mask, mut rest) = body.split_first_chunk::<4>()?;
        let mut object = None;
        if is_object {
            let (present, types) = rest.split_first_chunk::<4>()?;
            let present = u32::from_le_bytes(*present);
            rest = types;
            let mut part = |bit| {
                if present & bit == 0 {
                    return Some(None);
                }
                let (guid, behind) = rest.split_first_chunk::<16>()?;
                rest = behind;
                Some(Some(Uuid::from_bytes_le(*guid)))
            };
            object = Some(ObjectTypes { about: part(ABOUT_PRESENT)?, inherited_by: part(INHERITED_BY_PRESENT)? });
        }
        let trustee = Sid::from_bytes(rest).ok()?;
        Some(Self { effect, flags: header[1], mask: u32::from_le_bytes(*mask), object, trustee })
    }
}

impl Ace {
    /// The entry when it is understood.
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Other(_) => None,
        }
    }
    /// The flags, of any entry.
    pub fn flags(&self) -> u8 {
        match self {
            Self::Rule(rule) => rule.flags,
            Self::Other(bytes) => bytes.get(1).copied().unwrap_or_default(),
        }
    }
    /// The place in a canonical list; one that is not understood counts as the last of its half.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Rule(rule) => rule.rank(),
            Self::Other(_) if self.flags() & flag::INHERITED != 0 => 4,
            Self::Other(_) => 3,
        }
    }
    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Rule(rule) => rule.to_bytes(),
            Self::Other(bytes) => bytes.clone(),
        }
    }
    /// The first entry of `bytes`, and what stands behind it. What is not understood inside is kept as it is.
    ///
    /// # Errors
    /// [`FormatError`] when the length in its header is short or goes beyond the end. `offset` is where it begins.
    pub(super) fn first_of(bytes: &[u8], offset: usize) -> Result<(Self, &[u8]), FormatError> {
        let error = |at: usize, expected| FormatError {
            structure: "access control list",
            offset: offset.saturating_add(at),
            expected,
        };
        let size = match bytes {
            [_, _, low, high, ..] => usize::from(u16::from_le_bytes([*low, *high])),
            _ => return Err(error(0, "as many entries as the count says")),
        };
        if size < HEADER_BYTES {
            return Err(error(2, "an entry of 4 bytes or more"));
        }
        let (own, rest) = bytes.split_at_checked(size).ok_or(error(2, "an entry that ends inside the list"))?;
        let ace = match Rule::from_bytes(own) {
            // Bytes that would be lost (behind the SID, unknown bits) are a reason to keep it as it is.
            Some(rule) if rule.to_bytes() == own => Self::Rule(rule),
            _ => Self::Other(own.to_vec()),
        };
        Ok((ace, rest))
    }
}

impl From<Rule> for Ace {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}

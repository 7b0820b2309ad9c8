//! The attributes of LAPS in the directory, and their property set (laps-behaviour.md 7.1).

use laps::active_directory::Attribute as Name;
use uuid::{Uuid, uuid};

/// rightsGuid of the property set ms-LAPS-Encrypted-Password-Attributes.
pub const PROPERTY_SET: Uuid = uuid!("f3531ec6-6330-4f8e-8d39-7a671fbac605");
/// cn and displayName of the property set.
pub const PROPERTY_SET_NAME: &str = "ms-LAPS-Encrypted-Password-Attributes";
/// validAccesses of the property set: read and write properties.
pub const PROPERTY_SET_ACCESSES: u32 = 0x30;
/// schemaIDGUID of the class computer; the same in every forest (MS-ADSC 2.21).
pub const COMPUTER_CLASS: Uuid = uuid!("bf967a86-0de6-11d0-a285-00aa003049e2");

/// Who cannot be told from searchFlags alone: readers need the control access right (MS-ADTS 2.2.9).
pub const CONFIDENTIAL: u32 = 0x80;
/// Preserve on delete, confidential, never audit the value, kept from read-only domain controllers.
const SECRET: u32 = 0x388;

/// The syntax of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// 64 bit integer: a time.
    LargeInteger,
    /// Printable text.
    Text,
    /// Bytes.
    Octets,
}

impl Syntax {
    /// attributeSyntax.
    pub const fn oid(self) -> &'static str {
        match self {
            Self::LargeInteger => "2.5.5.16",
            Self::Text => "2.5.5.5",
            Self::Octets => "2.5.5.10",
        }
    }
    /// oMSyntax.
    pub const fn om(self) -> u32 {
        match self {
            Self::LargeInteger => 65,
            Self::Text => 19,
            Self::Octets => 4,
        }
    }
}

/// Which product brought an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Windows LAPS.
    Windows,
    /// Legacy Microsoft LAPS.
    Legacy,
}

/// What an attribute has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    /// lDAPDisplayName.
    pub name: &'static str,
    /// cn, below the schema.
    pub cn: &'static str,
    /// attributeID.
    pub oid: &'static str,
    /// attributeSyntax and oMSyntax.
    pub syntax: Syntax,
    /// isSingleValued.
    pub is_single_valued: bool,
    /// searchFlags.
    pub search_flags: u32,
    /// Whether it is of the property set.
    pub is_in_property_set: bool,
    /// rangeLower and rangeUpper.
    pub octets: Option<u32>,
    /// Whether flags, range and property set are published; if not, others than ours are no difference.
    pub is_published: bool,
    /// Windows LAPS or legacy.
    pub generation: Generation,
}

/// msLAPS-PasswordExpirationTime.
pub const EXPIRY: &str = Name::PasswordExpirationTime.name();
/// msLAPS-Password.
pub const CLEAR: &str = Name::Password.name();
/// msLAPS-EncryptedPassword.
pub const ENCRYPTED: &str = Name::EncryptedPassword.name();
/// ms-Mcs-AdmPwd.
pub const LEGACY: &str = Name::LegacyPassword.name();
/// ms-Mcs-AdmPwdExpirationTime.
pub const LEGACY_EXPIRY: &str = Name::LegacyExpirationTime.name();

const fn time(name: &'static str, cn: &'static str, oid: &'static str) -> Attribute {
    Attribute {
        name,
        cn,
        oid,
        syntax: Syntax::LargeInteger,
        is_single_valued: true,
        search_flags: 0,
        is_in_property_set: false,
        octets: None,
        is_published: true,
        generation: Generation::Windows,
    }
}

const fn encrypted(name: &'static str, cn: &'static str, oid: &'static str, is_single_valued: bool) -> Attribute {
    Attribute {
        syntax: Syntax::Octets,
        is_single_valued,
        search_flags: SECRET,
        is_in_property_set: true,
        ..time(name, cn, oid)
    }
}

/// All of them, in the order in which they are made.
pub const ATTRIBUTES: [Attribute; 9] = [
    time(EXPIRY, "ms-LAPS-PasswordExpirationTime", "1.2.840.113556.1.6.44.1.1"),
    Attribute {
        syntax: Syntax::Text,
        search_flags: SECRET,
        ..time(CLEAR, "ms-LAPS-Password", "1.2.840.113556.1.6.44.1.2")
    },
    encrypted(ENCRYPTED, "ms-LAPS-EncryptedPassword", "1.2.840.113556.1.6.44.1.3", true),
    encrypted(
        Name::EncryptedPasswordHistory.name(),
        "ms-LAPS-EncryptedPasswordHistory",
        "1.2.840.113556.1.6.44.1.4",
        false,
    ),
    encrypted(Name::EncryptedDsrmPassword.name(), "ms-LAPS-EncryptedDSRMPassword", "1.2.840.113556.1.6.44.1.5", true),
    encrypted(
        Name::EncryptedDsrmPasswordHistory.name(),
        "ms-LAPS-EncryptedDSRMPasswordHistory",
        "1.2.840.113556.1.6.44.1.6",
        false,
    ),
    Attribute {
        octets: Some(16),
        is_published: false,
        ..encrypted(
            Name::CurrentPasswordVersion.name(),
            "ms-LAPS-CurrentPasswordVersion",
            "1.2.840.113556.1.6.44.1.7",
            true,
        )
    },
    Attribute {
        syntax: Syntax::Text,
        search_flags: SECRET,
        generation: Generation::Legacy,
        ..time(LEGACY, "ms-Mcs-AdmPwd", "1.2.840.113556.1.8000.2554.50051.45980.28112.18903.35903.6685103.1224907.2.1")
    },
    Attribute {
        generation: Generation::Legacy,
        ..time(
            LEGACY_EXPIRY,
            "ms-Mcs-AdmPwdExpirationTime",
            "1.2.840.113556.1.8000.2554.50051.45980.28112.18903.35903.6685103.1224907.2.2",
        )
    },
];

/// Those of Windows LAPS, and the legacy two when they are asked for.
pub fn wanted(with_legacy: bool) -> impl Iterator<Item = &'static Attribute> {
    ATTRIBUTES.iter().filter(move |attribute| with_legacy || attribute.generation == Generation::Windows)
}

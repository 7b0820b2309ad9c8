//! Identifiers: UUIDs (RFC 9562) with a type for each thing that they name.

use core::{fmt, str::FromStr};
use uuid::Uuid;

/// A text that is not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID: expected 32 hexadecimal digits in groups of 8-4-4-4-12")]
pub struct NotAUuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// From 16 bytes in the order of RFC 9562.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
            /// A version 4 UUID made of 16 random bytes that the caller drew.
            pub const fn from_random_bytes(bytes: [u8; 16]) -> Self {
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }
            /// The 16 bytes in the order of RFC 9562.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.0.as_hyphenated(), f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = NotAUuid;
            fn from_str(text: &str) -> Result<Self, NotAUuid> {
                Uuid::try_parse(text).map(Self).map_err(|_| NotAUuid)
            }
        }
    };
}

id! {
    /// The tenant that a data directory belongs to, fixed when the server is initialised.
    TenantId
}
id! {
    /// A device object. Re-joining makes a new one.
    DeviceId
}
id! {
    /// One password of one account; made by the agent (rotation.md 1, "version").
    VersionId
}
id! {
    /// An incarnation of a server's data: a restore of a backup makes a new one.
    Incarnation
}
id! {
    /// A user or a service principal.
    PrincipalId
}
id! {
    /// A group of devices.
    GroupId
}
id! {
    /// A role of people and programs; built-in ones have the template ids of Entra.
    RoleId
}
id! {
    /// A named policy.
    PolicyId
}
id! {
    /// A rotation of many devices that somebody asked for.
    CampaignId
}
id! {
    /// One sign-in with a managed account; made where it is noticed, so that a repeat is known as one.
    SignInId
}
id! {
    /// One run of the managed machine, from boot to shutdown (Linux: `/proc/sys/kernel/random/boot_id`).
    BootId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let id = DeviceId::from_random_bytes([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(DeviceId::from_bytes(*id.as_bytes()), id);
        assert_eq!("not-a-uuid".parse::<DeviceId>(), Err(NotAUuid));
    }
}

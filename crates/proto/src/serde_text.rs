//! How the types of `laps` stand in JSON: identifiers and times as text, fingerprints as hexadecimal.
//!
//! `laps` has no serde, so fields name these functions with `#[serde(with = …)]`.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Anything with `Display` and `FromStr`: identifiers, fingerprints.
pub mod text {
    use super::*;
    use core::{fmt::Display, str::FromStr};

    /// As its `Display` text.
    pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }
    /// From its `FromStr` text.
    pub fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// [`text`] for an optional value: JSON `null` or absent when there is none.
pub mod text_option {
    use super::*;
    use core::{fmt::Display, str::FromStr};

    /// As its `Display` text, or `null`.
    pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }
    /// From its `FromStr` text, or `null`.
    pub fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// [`laps::time::Timestamp`] as RFC 3339 text in UTC.
pub mod time {
    use super::*;
    use laps::time::Timestamp;

    /// As RFC 3339 text.
    pub fn serialize<S: Serializer>(value: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }
    /// From RFC 3339 text with any offset.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("expected an RFC 3339 time"))
    }
}

/// [`time`] for an optional value.
pub mod time_option {
    use super::*;
    use laps::time::Timestamp;

    /// As RFC 3339 text, or `null`.
    pub fn serialize<S: Serializer>(value: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }
    /// From RFC 3339 text, or `null`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let text = Option::<std::borrow::Cow<'de, str>>::deserialize(from)?;
        text.map(|text| Timestamp::parse_rfc3339(&text).ok_or_else(|| D::Error::custom("expected an RFC 3339 time")))
            .transpose()
    }
}

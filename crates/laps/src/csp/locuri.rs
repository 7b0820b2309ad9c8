//! LocURIs: the addresses of nodes.

use super::node::Node;
use super::status::NodeStatus;

/// What the addresses of settings begin with.
const POLICIES: &str = "./Device/Vendor/MSFT/LAPS/Policies/";
/// The longest LocURI that is read, in bytes.
const URI_BYTES_MAX: usize = 1024;

/// The most segments of the address of a node: Device, Vendor, MSFT, LAPS, two below, and one too many.
const NAMES_MAX: usize = 7;

/// The address of a node of this tree.
///
/// Device scope only: `./Device/Vendor/MSFT/LAPS/…`, `./Vendor/MSFT/LAPS/…`, and both without `./`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LocUri(pub Node);

/// Why a text is not the address of a node of this tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocUriError {
    /// More than 1,024 bytes.
    #[error("the LocURI is longer than 1024 bytes")]
    TooLong,
    /// A leading `/`, an escaped `/`, an empty, `.` or `..` segment, or a broken percent escape.
    #[error("the LocURI is malformed: expected ./Device/Vendor/MSFT/LAPS/…")]
    Malformed,
    /// `?prop=…`, `?list=…`.
    #[error("properties and lists of nodes are not supported")]
    Query,
    /// `./User/…`.
    #[error("LAPS has no user scope: use ./Device/Vendor/MSFT/LAPS/…")]
    UserScope,
    /// Not a node of this tree.
    #[error("no such node under ./Device/Vendor/MSFT/LAPS")]
    Unknown,
}

impl LocUriError {
    /// The status (laps-behaviour.md 1.8, rows 20 to 23).
    pub const fn status(self) -> NodeStatus {
        match self {
            Self::TooLong => NodeStatus::UriTooLong,
            Self::Malformed => NodeStatus::BadRequest,
            Self::Query => NodeStatus::FeatureNotSupported,
            Self::UserScope | Self::Unknown => NodeStatus::NotFound,
        }
    }
    /// A stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooLong => "uri_too_long",
            Self::Malformed => "uri_malformed",
            Self::Query => "uri_query_not_supported",
            Self::UserScope => "uri_user_scope",
            Self::Unknown => "node_unknown",
        }
    }
}

impl LocUri {
    /// Reads an address. Segments are percent-decoded; names are compared with regard to case.
    pub fn parse(text: &str) -> Result<Self, LocUriError> {
        // As almost every address is written; the long way gives the same answer.
        if let Some(node) = text.strip_prefix(POLICIES).and_then(Node::policy) {
            return Ok(Self(node));
        }
        if text.len() > URI_BYTES_MAX {
            return Err(LocUriError::TooLong);
        }
        let (path, query) = match text.split_once('?') {
            Some((path, _)) => (path, true),
            None => (text, false),
        };
        let path = path.strip_prefix("./").unwrap_or(path);
        let decoded;
        let path = if path.contains('%') {
            decoded = percent_decode(path).ok_or(LocUriError::Malformed)?;
            decoded.as_str()
        } else {
            path
        };
        let mut names = [""; NAMES_MAX];
        let mut count = 0;
        for name in path.split('/') {
            if matches!(name, "" | "." | "..") {
                return Err(LocUriError::Malformed);
            }
            if let Some(place) = names.get_mut(count) {
                *place = name;
            }
            count += 1;
        }
        let names = names.get(..count).ok_or(LocUriError::Unknown)?;
        let names = match names {
            ["User", ..] => return Err(LocUriError::UserScope),
            ["Device", rest @ ..] => rest,
            rest => rest,
        };
        let node = match names {
            ["Vendor", "MSFT", "LAPS", below @ ..] => Node::from_names(below),
            _ => None,
        };
        match node {
            None => Err(LocUriError::Unknown),
            Some(_) if query => Err(LocUriError::Query),
            Some(node) => Ok(Self(node)),
        }
    }
}

/// Decodes percent escapes. An escaped `/` belongs to a name, and no node has one: malformed.
fn percent_decode(path: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                match (high * 16 + low) as u8 {
                    b'/' => return None,
                    other => other,
                }
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Setting;

    #[test]
    fn every_form_of_every_node() {
        for node in super::super::NODES {
            let uri = node.uri();
            let below = uri.strip_prefix("./Device/").unwrap();
            for text in [
                uri.clone(),
                format!("./{below}"),
                below.to_owned(),
                uri.strip_prefix("./").unwrap().to_owned(),
                uri.replace("LAPS", "%4c%41PS"),
            ] {
                assert_eq!(LocUri::parse(&text), Ok(LocUri(node)), "{text}");
            }
        }
        assert_eq!(
            LocUri::parse("./Vendor/MSFT/LAPS/Policies/PasswordLength"),
            Ok(LocUri(Node::Policy(Setting::PasswordLength)))
        );
    }

    #[test]
    fn what_is_not_an_address() {
        let laps = "./Device/Vendor/MSFT/LAPS";
        for (text, error) in [
            ("", LocUriError::Malformed),
            ("/Device/Vendor/MSFT/LAPS", LocUriError::Malformed),
            ("./Device/Vendor/MSFT/LAPS/", LocUriError::Malformed),
            ("./Device//Vendor/MSFT/LAPS", LocUriError::Malformed),
            ("./Device/Vendor/../Vendor/MSFT/LAPS", LocUriError::Malformed),
            ("./Device/Vendor/MSFT/LAPS/%2e%2e", LocUriError::Malformed),
            ("./Device/Vendor/MSFT/LAPS/%4", LocUriError::Malformed),
            ("./Device/Vendor/MSFT/LAPS/%+4", LocUriError::Malformed),
            ("./Device/Vendor/MSFT/LAPS/%ff", LocUriError::Malformed),
            ("./User/Vendor/MSFT/LAPS", LocUriError::UserScope),
            ("./Device/Vendor/MSFT", LocUriError::Unknown),
            ("./Device/Device/Vendor/MSFT/LAPS", LocUriError::Unknown),
            ("./Device/Vendor/MSFT/LAPS/policies", LocUriError::Unknown),
            ("./Device/Vendor/MSFT/LAPS/Policies/ADBackupDSRMPassword", LocUriError::Unknown),
            ("./Device/Vendor/MSFT/LAPS/Policies%2FPasswordLength", LocUriError::Malformed),
            ("./Device/Vendor/MSFT/LAPS?prop=ACL", LocUriError::Query),
            ("./Device/Vendor/MSFT/LAPS?list=Struct", LocUriError::Query),
            ("./Device/Vendor/MSFT/BitLocker?prop=ACL", LocUriError::Unknown),
        ] {
            assert_eq!(LocUri::parse(text), Err(error), "{text}");
        }
        let long = format!("{laps}/{}", "a".repeat(1024));
        assert_eq!(LocUri::parse(&long), Err(LocUriError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,80}", tail in "[%/.?0-9a-fA-F]{0,20}") {
            let _ = LocUri::parse(&text);
            let _ = LocUri::parse(&format!("./Device/Vendor/MSFT/LAPS{tail}"));
        }
    }
}

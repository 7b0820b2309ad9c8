//! Records of the audit log outside of the server: the export that is verified without one, and the forms that other
//! systems collect (CEF, OCSF; protocols.md 7).
//!
//! An export is a file of JSON lines. Each part of it begins with a [`Start`], goes on with the [`Record`]s of one
//! chain in their order, and ends with an [`End`]:
//!
//! ```text
//! {"type":"start","format":1,"tenant":"…","publicKey":"04…","after":"1:0:00…:132…:30…",…}
//! {"type":"record","chain":1,"sequence":1,"at":"…","activity":"…",…,"previous":"…","hash":"…"}
//! {"type":"end","head":"1:1:5f…:132…:9c…"}
//! ```

mod cef;
mod chain;
mod export;
mod ocsf;
mod record;

pub use cef::cef;
pub use chain::Covered;
pub use export::{End, ExportVerifier, Fault, Line, Part, Start, compare_with_head};
pub use ocsf::ocsf;
pub use record::{Actor, Disclosed, Head, NotAHead, Record, Target};

/// Entra's name of a back-up by a device.
pub const UPDATE_PASSWORD: &str = "Update device local administrator password";
/// Entra's name of a read.
pub const RECOVER_PASSWORD: &str = "Recover device local administrator password";
/// Lapwing's name of a requested rotation.
pub const ROTATE_PASSWORD: &str = "Rotate device local administrator password";
/// Lapwing's name of a sign-in of a person.
pub const SIGN_IN: &str = "Sign in";

/// Longest text that goes into one member of CEF or OCSF, characters; the JSON lines hold the whole.
const SHOWN_CHARS_MAX: usize = 1_000;

/// A text that cannot break the line that it stands in, nor turn it around on a screen: control characters but line
/// feeds and carriage returns (which each form escapes in its own way), separators of lines and marks of direction
/// become U+FFFD. Cut at a length that collectors take.
fn shown(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\r' => c,
        // The implicit marks too: a line for a collector needs none of them.
        '\u{61c}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
        c if c.is_control() || laps::text::misleads(c) => '\u{fffd}',
        c => c,
    };
    text.chars().take(SHOWN_CHARS_MAX).map(harmless).collect()
}

/// How grave a record is, 0 to 10 as in CEF.
fn severity(record: &Record) -> u8 {
    if record.is_break_glass() {
        return 9;
    }
    match (record.failure.is_some(), record.activity.as_str()) {
        (true, RECOVER_PASSWORD) => 7,
        (true, _) => 5,
        (false, RECOVER_PASSWORD) => 5,
        _ => 3,
    }
}

/// So many bytes of hexadecimal digits, in JSON.
mod hex_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<const N: usize, S: Serializer>(bytes: &[u8; N], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&crate::hex::encode(bytes))
    }
    pub(super) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(from: D) -> Result<[u8; N], D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        crate::hex::array(&text).ok_or_else(|| D::Error::custom(format!("expected {} hexadecimal digits", N * 2)))
    }
}

//! LDIF (RFC 2849) of objects, as ldbsearch, ldapsearch and ldifde print it.

use crate::Entry;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ldap3::SearchEntry;
use std::collections::HashMap;
use zeroize::Zeroizing;

/// A text that is not LDIF of objects. It never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("LDIF, line {line}: expected {expected}")]
pub struct LdifError {
    /// The line, from 1.
    pub line: usize,
    /// What should have been there.
    pub expected: &'static str,
}

/// The objects of a text. Comments and groups of lines that do not begin with a distinguished name, such as the summary
/// that a search ends with, do not count.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, LdifError> {
    let (mut entries, mut entry) = (Vec::new(), None);
    let mut lines = (1..).zip(text.lines()).peekable();
    while let Some((line, first)) = lines.next() {
        let first = first.strip_suffix('\r').unwrap_or(first);
        // A line that begins with a space goes on with the one before it.
        let mut whole = Zeroizing::new(first.to_owned());
        while let Some((_, more)) = lines.next_if(|(_, next)| next.starts_with(' ')) {
            whole.push_str(more.strip_suffix('\r').unwrap_or(more).get(1..).unwrap_or_default());
        }
        if whole.is_empty() {
            entries.extend(entry.take().map(Entry::from));
        } else if !whole.starts_with('#') {
            attribute(&whole, &mut entry).map_err(|expected| LdifError { line, expected })?;
        }
    }
    entries.extend(entry.map(Entry::from));
    Ok(entries)
}

/// Takes one attribute in: the distinguished name begins an object.
fn attribute(line: &str, entry: &mut Option<SearchEntry>) -> Result<(), &'static str> {
    let (name, value) = line.split_once(':').ok_or("an attribute, a colon and a value")?;
    let value = match value.strip_prefix(':') {
        Some(encoded) => STANDARD.decode(encoded.trim()).map_err(|_| "base64 behind two colons")?,
        None if value.starts_with('<') => return Err("a value: those in files of their own are not read"),
        None => value.trim_start_matches(' ').as_bytes().to_vec(),
    };
    if name.eq_ignore_ascii_case("dn") {
        let dn = String::from_utf8(value).map_err(|_| "a distinguished name in UTF-8")?;
        if entry.replace(SearchEntry { dn, attrs: HashMap::new(), bin_attrs: HashMap::new() }).is_some() {
            return Err("an empty line between two objects");
        }
    } else if let Some(entry) = entry {
        // Behind a semicolon stand options, as of an attribute that came in parts.
        let name = name.split(';').next().unwrap_or_default();
        entry.bin_attrs.entry(name.to_owned()).or_default().push(value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_read_with_folded_and_encoded_values() {
        let text = "# record 1\ndn: CN=WS01,DC=laps,\n DC=test\nobjectClass: top\nobjectClass: computer\n\
            msLAPS-EncryptedPassword:: AAEC\n Aw==\nmember;range=0-1: a\n# a comment\n  that goes on\ncn: x: y\n\n\
            dn:: Q049w6Q=\r\ncn:\r\n\r\n# returned 1 records\nsearch: 2\nresult: 0 Success\n";
        let entries = read(text).unwrap();
        assert_eq!(
            entries.iter().map(|entry| entry.dn.as_str()).collect::<Vec<_>>(),
            ["CN=WS01,DC=laps,DC=test", "CN=ä"]
        );
        assert_eq!(entries[0].all("objectclass"), [b"top".to_vec(), b"computer".to_vec()]);
        assert_eq!(entries[0].bytes("msLAPS-EncryptedPassword"), Some(&[0, 1, 2, 3][..]));
        assert_eq!((entries[0].text("member"), entries[0].text("cn")), (Some("a"), Some("x: y")));
        assert_eq!(entries[1].text("cn"), Some(""));
    }

    #[test]
    fn what_is_no_ldif_is_named_by_its_line() {
        for (text, line, expected) in [
            ("dn: a\ncanary", 2, "an attribute, a colon and a value"),
            ("dn: a\n\ndn: b\ncn:: %", 4, "base64 behind two colons"),
            ("dn: a\ncn:< file:///etc/shadow", 2, "a value: those in files of their own are not read"),
            ("dn: a\ndn: b", 2, "an empty line between two objects"),
            ("dn:: /w==", 1, "a distinguished name in UTF-8"),
        ] {
            assert_eq!(read(text).unwrap_err(), LdifError { line, expected }, "{text}");
        }
        assert!(read("").unwrap().is_empty());
    }
}

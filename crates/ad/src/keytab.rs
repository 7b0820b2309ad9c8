//! What a keytab holds: which accounts, with which versions of their keys. The keys themselves are skipped.
//!
//! Kerberos would say "not found" or "preauthentication failed" only; this says beforehand what is in the file.
//! The format is MIT's, version 2 (`0x0502`): big-endian, entries with a length, negative for a hole.

use crate::Error;
use std::{collections::BTreeMap, path::Path};

/// The largest keytab that is read, bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The accounts of a keytab, each with the newest version of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keytab {
    versions: BTreeMap<String, u32>,
}

impl Keytab {
    /// Reads a keytab.
    ///
    /// # Errors
    /// [`Error::KeytabUnreadable`], [`Error::KeytabMalformed`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let unreadable = |detail: String| Error::KeytabUnreadable { path: path.to_owned(), detail };
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > FILE_BYTES_MAX {
            return Err(unreadable(format!("{size} bytes are too many for a keytab")));
        }
        let bytes = zeroize::Zeroizing::new(std::fs::read(path).map_err(|error| unreadable(error.to_string()))?);
        Self::from_bytes(&bytes).map_err(|offset| Error::KeytabMalformed { path: path.to_owned(), offset })
    }

    /// From the bytes of a keytab.
    ///
    /// # Errors
    /// The offset of the first byte that is none of a keytab.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, usize> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.take(2)? != [5, 2] {
            return Err(0);
        }
        let mut versions: BTreeMap<String, u32> = BTreeMap::new();
        while reader.at < bytes.len() {
            let length = reader.i32()?;
            let entry = reader.take(length.unsigned_abs() as usize)?;
            let start = reader.at - entry.len();
            if length > 0 {
                let (principal, version) = principal(entry).map_err(|at| start + at)?;
                let newest = versions.entry(principal).or_default();
                *newest = version.max(*newest);
            }
        }
        Ok(Self { versions })
    }

    /// The accounts, each `name@REALM`.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.versions.keys().map(String::as_str)
    }

    /// The newest version of an account's keys; `None` when the keytab has none. Names are compared as they stand.
    pub fn version(&self, principal: &str) -> Option<u32> {
        self.versions.get(principal).copied()
    }

    /// The computer account: the first name that ends in `$` and has no service before it, of this computer and realm
    /// where they are given (letter case does not count).
    pub fn machine_account(&self, computer: Option<&str>, realm: Option<&str>) -> Option<&str> {
        self.principals().find(|principal| {
            principal.rsplit_once('@').is_some_and(|(name, in_realm)| {
                name.ends_with('$')
                    && !name.contains('/')
                    && computer.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))
                    && realm.is_none_or(|wanted| wanted.eq_ignore_ascii_case(in_realm))
            })
        })
    }
}

/// Name and key version of one entry.
fn principal(entry: &[u8]) -> Result<(String, u32), usize> {
    let mut reader = Reader { bytes: entry, at: 0 };
    let count = reader.u16()?;
    let realm = reader.text()?;
    let mut name = String::new();
    for index in 0..count {
        if index > 0 {
            name.push('/');
        }
        name.push_str(&reader.text()?);
    }
    // Type of name and time.
    reader.take(8)?;
    let short = u32::from(reader.take(1)?.first().copied().unwrap_or_default());
    // Type of key, and the key.
    reader.take(2)?;
    let key_bytes = reader.u16()?;
    reader.take(usize::from(key_bytes))?;
    // A version of 32 bits may follow, and counts when it is not zero.
    let long = reader.i32().ok().and_then(|version| u32::try_from(version).ok()).filter(|version| *version != 0);
    Ok((format!("{name}@{realm}"), long.unwrap_or(short)))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], usize> {
        let end = self.at.checked_add(count).ok_or(self.at)?;
        let taken = self.bytes.get(self.at..end).ok_or(self.at)?;
        self.at = end;
        Ok(taken)
    }
    fn i32(&mut self) -> Result<i32, usize> {
        let at = self.at;
        Ok(i32::from_be_bytes(self.take(4)?.try_into().map_err(|_| at)?))
    }
    fn u16(&mut self) -> Result<u16, usize> {
        let at = self.at;
        Ok(u16::from_be_bytes(self.take(2)?.try_into().map_err(|_| at)?))
    }
    fn text(&mut self) -> Result<String, usize> {
        let at = self.at;
        let length = self.u16()?;
        let text = core::str::from_utf8(self.take(usize::from(length))?).map_err(|_| at)?;
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[&str], short: u8, long: Option<u32>) -> Vec<u8> {
        let mut bytes = (name.len() as u16).to_be_bytes().to_vec();
        for part in ["LAPS.TEST"].iter().chain(name) {
            bytes.extend((part.len() as u16).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, short, 0, 18, 0, 4, 1, 2, 3, 4]);
        bytes.extend(long.into_iter().flat_map(u32::to_be_bytes));
        [&(bytes.len() as u32).to_be_bytes()[..], &bytes].concat()
    }

    #[test]
    fn accounts_have_their_newest_version() {
        let hole = [&(-3_i32).to_be_bytes()[..], &[9, 9, 9]].concat();
        let parts =
            [entry(&["WS01$"], 3, None), hole, entry(&["host", "ws01"], 7, None), entry(&["WS01$"], 1, Some(300))];
        let bytes = [&[5, 2][..], &parts.concat()].concat();
        let keytab = Keytab::from_bytes(&bytes).unwrap();
        assert_eq!(keytab.principals().collect::<Vec<_>>(), ["WS01$@LAPS.TEST", "host/ws01@LAPS.TEST"]);
        assert_eq!(keytab.version("WS01$@LAPS.TEST"), Some(300));
        assert_eq!(keytab.version("host/ws01@LAPS.TEST"), Some(7));
        assert_eq!(keytab.machine_account(None, Some("laps.test")), Some("WS01$@LAPS.TEST"));
        assert_eq!(keytab.machine_account(None, Some("OTHER.TEST")), None);
    }

    #[test]
    fn what_is_no_keytab_is_refused_with_its_place() {
        assert_eq!(Keytab::from_bytes(b""), Err(0));
        assert_eq!(Keytab::from_bytes(b"-----BEGIN"), Err(0));
        let bytes = [&[5, 2][..], &entry(&["WS01$"], 3, None)].concat();
        for end in 3..bytes.len() {
            assert!(Keytab::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        // A length that lies, in either direction.
        assert_eq!(Keytab::from_bytes(&[5, 2, 0x7f, 0xff, 0xff, 0xff]), Err(6));
        assert_eq!(Keytab::from_bytes(&[5, 2, 0x80, 0, 0, 0]), Err(6));
        assert!(Keytab::from_bytes(&[5, 2, 0, 0, 0, 4, 0, 1, 0xff, 0xff]).is_err());
    }
}

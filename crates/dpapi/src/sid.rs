//! Security identifiers (MS-DTYP 2.4.2).

use crate::reader::{FormatError, Reader};
use core::{fmt, str::FromStr};

/// The most sub-authorities (MS-DTYP 2.4.2.2).
const SUB_AUTHORITIES_MAX: usize = 15;
/// The identifier authority has 48 bits.
const AUTHORITY_MAX: u64 = 0xffff_ffff_ffff;

/// A security identifier with 1 to 15 sub-authorities.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    authority: u64,
    sub_authorities: Vec<u32>,
}

/// A text that is not a SID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a SID: expected S-1-, an authority and 1 to 15 numbers of 32 bits, as in S-1-5-21-1-2-3-512")]
pub struct NotASid;

impl Sid {
    /// The bytes of MS-DTYP 2.4.2.2: 8 and 4 for each sub-authority.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1, u8::try_from(self.sub_authorities.len()).unwrap_or_default()];
        bytes.extend_from_slice(&self.authority.to_be_bytes()[2..]);
        for sub_authority in &self.sub_authorities {
            bytes.extend_from_slice(&sub_authority.to_le_bytes());
        }
        bytes
    }
    /// From the bytes of MS-DTYP 2.4.2.2.
    ///
    /// # Errors
    /// [`FormatError`] for another revision, a wrong count, or bytes behind it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("SID", bytes);
        reader.exactly(&[1], "revision 1")?;
        let count = usize::from(reader.u8("a count of sub-authorities")?);
        if !(1..=SUB_AUTHORITIES_MAX).contains(&count) {
            return Err(reader.error(1, "1 to 15 sub-authorities"));
        }
        let [a, b, c, d, e, f] = reader.array("an authority of 6 bytes")?;
        let authority = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        let mut sub_authorities = Vec::with_capacity(count);
        for _ in 0..count {
            sub_authorities.push(reader.u32("a sub-authority")?);
        }
        reader.finish()?;
        Ok(Self { authority, sub_authorities })
    }
    /// The last number: the relative identifier.
    pub fn relative_id(&self) -> Option<u32> {
        self.sub_authorities.last().copied()
    }
}

impl FromStr for Sid {
    type Err = NotASid;
    fn from_str(text: &str) -> Result<Self, NotASid> {
        let mut parts = text.strip_prefix("S-1-").ok_or(NotASid)?.split('-');
        let authority = match parts.next().ok_or(NotASid)? {
            hex if hex.starts_with("0x") => digits(hex.get(2..).unwrap_or_default(), 16),
            decimal => digits(decimal, 10),
        };
        let authority = authority.filter(|authority| *authority <= AUTHORITY_MAX).ok_or(NotASid)?;
        let sub_authorities = parts
            .map(|part| digits(part, 10).and_then(|number| u32::try_from(number).ok()).ok_or(NotASid))
            .take(SUB_AUTHORITIES_MAX + 1)
            .collect::<Result<Vec<_>, _>>()?;
        if !(1..=SUB_AUTHORITIES_MAX).contains(&sub_authorities.len()) {
            return Err(NotASid);
        }
        Ok(Self { authority, sub_authorities })
    }
}

/// Digits only: `from_str_radix` alone takes a sign too.
fn digits(text: &str, radix: u32) -> Option<u64> {
    let plain = text.chars().all(|c| c.is_digit(radix));
    plain.then(|| u64::from_str_radix(text, radix).ok()).flatten()
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // MS-DTYP 2.4.2.1: hexadecimal from 2^32 on.
        if self.authority > u64::from(u32::MAX) {
            write!(f, "S-1-0x{:012X}", self.authority)?;
        } else {
            write!(f, "S-1-{}", self.authority)?;
        }
        self.sub_authorities.iter().try_for_each(|sub_authority| write!(f, "-{sub_authority}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_both_ways() {
        for text in ["S-1-1-0", "S-1-5-18", "S-1-5-21-1111111111-2222222222-3333333333-512", "S-1-0x0001FFFFFFFF-7"] {
            let sid: Sid = text.parse().unwrap();
            assert_eq!(sid.to_string(), text);
            assert_eq!(Sid::from_bytes(&sid.to_bytes()), Ok(sid));
        }
        assert_eq!("S-1-5-18".parse::<Sid>().unwrap().to_bytes(), [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_sid_is_refused() {
        let long = format!("S-1-5{}", "-1".repeat(16));
        for text in ["", "S-1-5", "S-2-5-18", "S-1-5-", "S-1-5-+1", "S-1-5--1", "S-1-5-4294967296", "S-1-0x-1", &long] {
            assert_eq!(text.parse::<Sid>(), Err(NotASid), "{text}");
        }
        assert_eq!(Sid::from_bytes(&[2, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]).unwrap_err().offset, 0);
        assert_eq!(Sid::from_bytes(&[1, 16, 0, 0, 0, 0, 0, 5]).unwrap_err().offset, 1);
        assert_eq!(Sid::from_bytes(&[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0]).unwrap_err().offset, 8);
        assert_eq!(Sid::from_bytes(&[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0, 0]).unwrap_err().offset, 12);
    }
}

//! The few elements of BER (X.690) that are written and read here and not by `ldap3`: the LDAP ping and the sealed
//! bind.

/// Tag, length, contents.
pub(crate) fn tagged(tag: u8, contents: &[u8]) -> Vec<u8> {
    // Always the long form: what is written here is far below 4 GiB.
    let [a, b, c, d] = u32::try_from(contents.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag, 0x84, a, b, c, d][..], contents].concat()
}

/// The contents of an element with this tag, and what follows it.
pub(crate) fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (header, contents) = header(bytes)?;
    let (_, rest) = bytes.split_at_checked(header)?;
    (bytes.first() == Some(&tag)).then(|| rest.split_at_checked(contents)).flatten()
}

/// How long tag and length are, and the contents; `None` when the header is not whole or not of this kind.
pub(crate) fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        short @ 0..=0x7f => Some((2, usize::from(short))),
        long @ 0x81..=0x84 => {
            let digits = bytes.get(2..2 + usize::from(long & 0x7f))?;
            Some((2 + digits.len(), digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_in_both_forms() {
        assert_eq!(element(&[4, 1, 7, 9], 4), Some((&[7][..], &[9][..])));
        assert_eq!(element(&[4, 0x81, 1, 7], 4), Some((&[7][..], &[][..])));
        assert_eq!(element(&tagged(0x30, b"ab"), 0x30), Some((&b"ab"[..], &[][..])));
        for bytes in
            [&[][..], &[4], &[4, 0x80], &[4, 0x85, 0, 0, 0, 0, 0], &[4, 0x84, 0xff, 0xff, 0xff, 0xff, 0], &[4, 2, 7]]
        {
            assert_eq!(element(bytes, 4), None, "{bytes:?}");
        }
        assert_eq!(element(&[5, 0], 4), None);
    }
}

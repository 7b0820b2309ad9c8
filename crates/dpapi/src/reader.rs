//! Reading little-endian structures, with errors that name the place.

/// Bytes that are not the structure they were taken for. It never shows the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{structure}: at byte {offset}, expected {expected}")]
pub struct FormatError {
    /// What was being read.
    pub structure: &'static str,
    /// Where, in bytes from the start of the input that the decoder was given.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
}

impl FormatError {
    /// The same error, for an input that begins `offset` bytes later in what encloses it.
    pub(crate) fn inside(self, offset: usize) -> Self {
        Self { offset: self.offset.saturating_add(offset), ..self }
    }
}

/// A position in bytes. Nothing it does can run over the end.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    structure: &'static str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(structure: &'static str, bytes: &'a [u8]) -> Self {
        Self { structure, bytes, at: 0 }
    }
    /// Refuses an input of more bytes, at the first that is too many.
    pub(crate) fn at_most(&self, bytes_max: usize, expected: &'static str) -> Result<(), FormatError> {
        if self.bytes.len() <= bytes_max { Ok(()) } else { Err(self.error(bytes_max, expected)) }
    }
    /// Bytes read so far.
    pub(crate) fn at(&self) -> usize {
        self.at
    }
    /// An error at `offset`.
    pub(crate) fn error(&self, offset: usize, expected: &'static str) -> FormatError {
        FormatError { structure: self.structure, offset, expected }
    }
    pub(crate) fn take(&mut self, length: usize, expected: &'static str) -> Result<&'a [u8], FormatError> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or_else(|| self.error(self.at, expected))?;
        self.at = self.at.saturating_add(length);
        Ok(taken)
    }
    pub(crate) fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], FormatError> {
        let at = self.at;
        self.take(N, expected)?.try_into().map_err(|_| self.error(at, expected))
    }
    pub(crate) fn u8(&mut self, expected: &'static str) -> Result<u8, FormatError> {
        self.array(expected).map(u8::from_le_bytes)
    }
    pub(crate) fn u16(&mut self, expected: &'static str) -> Result<u16, FormatError> {
        self.array(expected).map(u16::from_le_bytes)
    }
    pub(crate) fn u32(&mut self, expected: &'static str) -> Result<u32, FormatError> {
        self.array(expected).map(u32::from_le_bytes)
    }
    /// A length field of 32 bits.
    pub(crate) fn length(&mut self, expected: &'static str) -> Result<usize, FormatError> {
        let at = self.at;
        usize::try_from(self.u32(expected)?).map_err(|_| self.error(at, expected))
    }
    /// Bytes that are always the same.
    pub(crate) fn exactly(&mut self, bytes: &[u8], expected: &'static str) -> Result<(), FormatError> {
        let at = self.at;
        if self.take(bytes.len(), expected)? == bytes { Ok(()) } else { Err(self.error(at, expected)) }
    }
    /// UTF-16LE with one NUL, at its end, in `length` bytes; no bytes are the empty text.
    pub(crate) fn wide(&mut self, length: usize, expected: &'static str) -> Result<String, FormatError> {
        let at = self.at;
        let bytes = self.take(length, expected)?;
        if bytes.is_empty() {
            return Ok(String::new());
        }
        let mut units: Vec<u16> = bytes.as_chunks().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let terminated = length.is_multiple_of(2) && units.pop() == Some(0) && !units.contains(&0);
        let text = terminated.then(|| String::from_utf16(&units).ok()).flatten();
        text.ok_or_else(|| self.error(at, expected))
    }
    /// Goes on to the next multiple of `unit`; what is passed over does not count.
    pub(crate) fn align(&mut self, unit: usize, expected: &'static str) -> Result<(), FormatError> {
        self.take(self.at.next_multiple_of(unit).saturating_sub(self.at), expected).map(|_| ())
    }
    /// What has not been read.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at = self.bytes.len();
        rest
    }
    /// The end, and nothing behind it.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.error(self.at, "the end")) }
    }
}

/// UTF-16LE with a NUL at its end.
pub(crate) fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// The length as the 32 bits of a length field. Nothing that this crate encodes comes near the limit.
pub(crate) fn length_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_over_the_end_names_the_place() {
        let mut reader = Reader::new("thing", &[1, 0, 0, 0, 9]);
        assert_eq!(reader.u32("a number"), Ok(1));
        let error = reader.u32("another number").unwrap_err();
        assert_eq!(error.to_string(), "thing: at byte 4, expected another number");
        assert_eq!(error.inside(10).offset, 14);
        assert!(reader.take(usize::MAX, "all").is_err());
        assert_eq!(reader.u8("a byte"), Ok(9));
        reader.finish().unwrap();
    }

    #[test]
    fn wide_text_ends_with_its_only_nul() {
        let bytes = wide("corp\u{1f426}");
        assert_eq!(Reader::new("text", &bytes).wide(bytes.len(), "text").unwrap(), "corp\u{1f426}");
        for bad in [&b"a\0"[..], b"a\0\0", b"a\0\0\0\0\0", b"\x00\xd8\0\0"] {
            assert_eq!(Reader::new("text", bad).wide(bad.len(), "text").unwrap_err().offset, 0);
        }
        assert_eq!(Reader::new("text", b"").wide(0, "text").unwrap(), "");
    }
}

//! The few shapes of NDR that two operations need (C706 14, MS-RPCE 2.2.5).

use super::Syntax;
use crate::reader::{FormatError, Reader};

/// Writes a stub.
pub(super) struct NdrWriter {
    syntax: Syntax,
    bytes: Vec<u8>,
}

impl NdrWriter {
    pub(super) fn new(syntax: Syntax) -> Self {
        Self { syntax, bytes: Vec::new() }
    }
    fn align(&mut self, unit: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(unit), 0);
    }
    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }
    pub(super) fn i32(&mut self, number: i32) {
        self.align(4);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }
    /// A size, or the mark of a pointer: 0 is none.
    pub(super) fn long(&mut self, number: u32) {
        match self.syntax {
            Syntax::Ndr => self.u32(number),
            Syntax::Ndr64 => {
                self.align(8);
                self.bytes.extend_from_slice(&u64::from(number).to_le_bytes());
            }
        }
    }
    /// Bytes as they are, on a boundary.
    pub(super) fn raw(&mut self, unit: usize, bytes: &[u8]) {
        self.align(unit);
        self.bytes.extend_from_slice(bytes);
    }
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads a stub.
pub(super) struct NdrReader<'a> {
    syntax: Syntax,
    pub(super) reader: Reader<'a>,
}

impl<'a> NdrReader<'a> {
    pub(super) fn new(structure: &'static str, syntax: Syntax, stub: &'a [u8]) -> Self {
        Self { syntax, reader: Reader::new(structure, stub) }
    }
    pub(super) fn u32(&mut self, expected: &'static str) -> Result<u32, FormatError> {
        self.reader.align(4, expected)?;
        self.reader.u32(expected)
    }
    /// A size, or the mark of a pointer.
    pub(super) fn long(&mut self, expected: &'static str) -> Result<u64, FormatError> {
        match self.syntax {
            Syntax::Ndr => self.u32(expected).map(u64::from),
            Syntax::Ndr64 => {
                self.reader.align(8, expected)?;
                self.reader.array(expected).map(u64::from_le_bytes)
            }
        }
    }
}

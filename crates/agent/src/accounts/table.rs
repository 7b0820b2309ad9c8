//! A file of lines with colon-separated fields, every byte of it kept.

use std::fmt;

/// One of the four files of the account database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountFile {
    /// passwd(5): names, uids, shells.
    Passwd,
    /// shadow(5): verifiers and ages.
    Shadow,
    /// group(5): groups and their members.
    Group,
    /// gshadow(5): group passwords, administrators and members.
    Gshadow,
}

impl AccountFile {
    /// The path below the root of a tree.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Passwd => "etc/passwd",
            Self::Shadow => "etc/shadow",
            Self::Group => "etc/group",
            Self::Gshadow => "etc/gshadow",
        }
    }
}

impl fmt::Display for AccountFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.path())
    }
}

/// A line that makes the database unsafe to change (rotation.md 6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}: {kind}")]
pub struct Defect {
    /// The file.
    pub file: AccountFile,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: DefectKind,
}

/// What is wrong with a line. Texts never hold a field's content except a name's line number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefectKind {
    /// The line does not have the fields that the format asks for.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The name stands on an earlier line too.
    #[error("the name stands on line {first} already")]
    DuplicateName {
        /// The earlier line, counted from 1.
        first: usize,
    },
    /// The uid stands on an earlier line too.
    #[error("the uid stands on line {first} already")]
    DuplicateUid {
        /// The earlier line, counted from 1.
        first: usize,
    },
}

/// A value that cannot stand in a field: it holds a colon, a line feed or a NUL, or the field is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a field of the account database cannot hold a colon, a line feed or a NUL, and must exist")]
pub struct NotAField;

/// Lines of colon-separated fields. `render(parse(bytes)) == bytes` for every input.
#[derive(Clone, PartialEq, Eq)]
pub struct Table {
    /// The pieces between line feeds; an input that ends in a line feed has an empty last piece.
    lines: Vec<Vec<u8>>,
}

impl Table {
    /// Takes any bytes apart.
    pub fn parse(bytes: &[u8]) -> Self {
        Self { lines: bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect() }
    }

    /// The bytes of the whole file.
    pub fn render(&self) -> Vec<u8> {
        self.lines.join(&b'\n')
    }

    /// The bytes of a line without its line feed; `line` counts from 1.
    pub fn line(&self, line: usize) -> Option<&[u8]> {
        Some(self.lines.get(line.checked_sub(1)?)?.as_slice())
    }

    /// Lines that describe an account or a group, with their number (from 1) and fields. Left out, and
    /// kept byte for byte: empty lines, comments (`#`) and lines of the NIS compat mode (`+`, `-`).
    pub fn entries(&self) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
        self.lines.iter().enumerate().filter_map(|(index, line)| {
            let blank = line.iter().all(u8::is_ascii_whitespace);
            let unusual = matches!(line.first(), Some(b'#' | b'+' | b'-'));
            (!blank && !unusual).then(|| (index + 1, line.split(|b| *b == b':').collect()))
        })
    }

    /// The line of the last entry; 0 when there is none. New entries go behind it, before lines of NIS.
    pub fn last_entry(&self) -> usize {
        self.entries().map(|(line, _)| line).last().unwrap_or(0)
    }

    /// The fields of a line.
    pub fn fields(&self, line: usize) -> Vec<Vec<u8>> {
        self.line(line).unwrap_or_default().split(|b| *b == b':').map(<[u8]>::to_vec).collect()
    }

    /// Puts a line of these fields behind a line (from 1); 0 is the start of the file.
    pub fn insert_after(&mut self, line: usize, fields: &[Vec<u8>]) -> Result<(), NotAField> {
        let text = joined(fields)?;
        if line > self.lines.len() {
            return Err(NotAField);
        }
        self.lines.insert(line, text);
        Ok(())
    }

    /// Replaces all fields of a line (from 1).
    pub fn set_fields(&mut self, line: usize, fields: &[Vec<u8>]) -> Result<(), NotAField> {
        let text = joined(fields)?;
        *line.checked_sub(1).and_then(|index| self.lines.get_mut(index)).ok_or(NotAField)? = text;
        Ok(())
    }

    /// Removes a line (from 1).
    pub fn remove(&mut self, line: usize) -> Result<(), NotAField> {
        match line.checked_sub(1) {
            Some(index) if index < self.lines.len() => drop(self.lines.remove(index)),
            _ => return Err(NotAField),
        }
        Ok(())
    }

    /// Replaces one field (from 0) of one line (from 1); every other byte stays.
    pub fn set_field(&mut self, line: usize, field: usize, value: &[u8]) -> Result<(), NotAField> {
        if value.iter().any(|b| matches!(b, b':' | b'\n' | 0)) {
            return Err(NotAField);
        }
        let text = line.checked_sub(1).and_then(|index| self.lines.get_mut(index)).ok_or(NotAField)?;
        let mut start = 0;
        for _ in 0..field {
            let colon = text[start..].iter().position(|b| *b == b':').ok_or(NotAField)?;
            start += colon + 1;
        }
        let end = text[start..].iter().position(|b| *b == b':').map_or(text.len(), |colon| start + colon);
        text.splice(start..end, value.iter().copied());
        Ok(())
    }
}

fn joined(fields: &[Vec<u8>]) -> Result<Vec<u8>, NotAField> {
    if fields.iter().flatten().any(|b| matches!(b, b':' | b'\n' | 0)) { Err(NotAField) } else { Ok(fields.join(&b':')) }
}

/// A name as the formats allow it: not empty, UTF-8, no control characters, no space at its ends.
pub(super) fn name(field: &[u8]) -> Result<&str, DefectKind> {
    let text = std::str::from_utf8(field).map_err(|_| DefectKind::Malformed("the name is not UTF-8"))?;
    if text.is_empty() {
        return Err(DefectKind::Malformed("the name is empty"));
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(DefectKind::Malformed("the name holds blanks at its ends or control characters"));
    }
    Ok(text)
}

/// A number of decimal digits that fits `u32`.
pub(super) fn number(field: &[u8]) -> Option<u32> {
    let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
    if digits { std::str::from_utf8(field).ok()?.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusual_lines_are_kept_and_are_no_entries() {
        let text = b"# note\n\nroot:x:0\n+nis::::\n-@group\nlast:x";
        let table = Table::parse(text);
        assert_eq!(table.render(), text);
        let names: Vec<_> = table.entries().map(|(line, fields)| (line, fields[0].to_vec())).collect();
        assert_eq!(names, [(3, b"root".to_vec()), (6, b"last".to_vec())]);
    }

    #[test]
    fn one_field_changes_and_nothing_else() {
        let mut table = Table::parse(b"a:1:2:3\nb:1::\n");
        table.set_field(2, 2, b"new").unwrap();
        table.set_field(1, 0, b"z").unwrap();
        table.set_field(1, 3, b"").unwrap();
        assert_eq!(table.render(), b"z:1:2:\nb:1:new:\n");
        assert_eq!(table.set_field(1, 4, b"x"), Err(NotAField));
        assert_eq!(table.set_field(0, 0, b"x"), Err(NotAField));
        assert_eq!(table.set_field(1, 0, b"x:y"), Err(NotAField));
        assert_eq!(table.set_field(1, 0, b"x\n"), Err(NotAField));
    }
}

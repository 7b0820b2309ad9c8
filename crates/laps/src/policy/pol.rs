//! `registry.pol`, the file that carries group policy (MS-GPREG 2.2.1).
//!
//! Header `PReg`, version 1, then entries `[key;value;type;size;data]`: brackets, semicolons and names in
//! UTF-16LE, type and size as 32-bit little-endian numbers.

use super::registry::{RegistryData, RegistryValues};

/// The largest file that is read, in bytes.
pub const POL_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The largest data of one entry, in bytes (MS-GPREG: 65,535).
const DATA_BYTES_MAX: u32 = 65_535;
/// The longest key or value name, in UTF-16 units, without the terminator.
const NAME_UNITS_MAX: usize = 1024;
const REG_SZ: u32 = 1;
const REG_EXPAND_SZ: u32 = 2;
const REG_DWORD: u32 = 4;

/// An entry of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolEntry {
    /// The key below HKEY_LOCAL_MACHINE.
    pub key: String,
    /// The value's name, or an instruction such as `**del.NAME`.
    pub name: String,
    /// The registry type number.
    pub kind: u32,
    /// The data.
    pub data: Vec<u8>,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("registry.pol: {kind} at byte {offset}")]
pub struct PolError {
    /// What.
    pub kind: PolErrorKind,
    /// Where, in bytes from the start of the file.
    pub offset: usize,
}

/// What can be wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolErrorKind {
    /// More than [`POL_BYTES_MAX`].
    #[error("the file is larger than 16 MiB")]
    TooLarge,
    /// Not `PReg`.
    #[error("no PReg signature")]
    Signature,
    /// Not version 1.
    #[error("unknown version, expected 1,")]
    Version,
    /// The file ends inside an entry.
    #[error("the file ends inside an entry,")]
    Truncated,
    /// Another character than the one that must stand here.
    #[error("expected '{0}'")]
    Expected(char),
    /// A name without end, or longer than 1,024 characters.
    #[error("a name of more than 1024 characters")]
    NameTooLong,
    /// A name that is not UTF-16.
    #[error("a name that is not UTF-16")]
    NotUtf16,
    /// Data of more than 65,535 bytes.
    #[error("an entry of more than 65535 bytes")]
    DataTooLarge,
}

/// A parsed file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolFile {
    /// The entries, in the order of the file, which is the order in which they apply.
    pub entries: Vec<PolEntry>,
}

impl PolFile {
    /// Parses a whole file. Any malformed byte makes the file an error: half a policy is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolError> {
        let mut reader = Reader { bytes, offset: 0 };
        if bytes.len() > POL_BYTES_MAX {
            return reader.fail(PolErrorKind::TooLarge);
        }
        if reader.take(4) != Ok(b"PReg".as_slice()) {
            return PolError::at(0, PolErrorKind::Signature);
        }
        if reader.number()? != 1 {
            return PolError::at(4, PolErrorKind::Version);
        }
        let mut entries = Vec::new();
        while reader.offset < bytes.len() {
            entries.push(reader.entry()?);
        }
        Ok(Self { entries })
    }

    /// Applies the entries of one key, in order, on the values that it has already (of weaker group
    /// policies). The delete forms of MS-GPREG are obeyed: `**del.NAME`, `**delvals.`, `**DeleteValues`,
    /// and `**DeleteKeys` of the parent; `**soft.NAME` sets only what is not there.
    pub fn apply(&self, key: &str, values: &mut RegistryValues) {
        for entry in &self.entries {
            if entry.key.eq_ignore_ascii_case(key) {
                entry.apply(values);
            } else if let Some(below) = strip_prefix_ignoring_case(key, &entry.key)
                && entry.name.eq_ignore_ascii_case("**deletekeys")
            {
                let child = below.trim_start_matches('\\').split('\\').next().unwrap_or("");
                let doomed = entry.text().unwrap_or_default();
                if below.starts_with('\\') && doomed.split(';').any(|name| name.trim().eq_ignore_ascii_case(child)) {
                    values.clear();
                }
            }
        }
    }
}

impl PolEntry {
    fn apply(&self, values: &mut RegistryValues) {
        if let Some(name) = strip_prefix_ignoring_case(&self.name, "**del.") {
            values.delete(name);
        } else if let Some(name) = strip_prefix_ignoring_case(&self.name, "**soft.") {
            if values.value(name).is_none() {
                values.set(name, self.registry_data());
            }
        } else if self.name.eq_ignore_ascii_case("**delvals.") {
            values.clear();
        } else if self.name.eq_ignore_ascii_case("**deletevalues") {
            for name in self.text().unwrap_or_default().split(';') {
                values.delete(name.trim());
            }
        } else if !self.name.starts_with("**") && !self.name.is_empty() {
            values.set(&self.name, self.registry_data());
        }
    }

    fn registry_data(&self) -> RegistryData {
        match (self.kind, <[u8; 4]>::try_from(self.data.as_slice())) {
            (REG_DWORD, Ok(bytes)) => RegistryData::Dword(u32::from_le_bytes(bytes)),
            (REG_SZ, _) => match self.text() {
                Some(text) => RegistryData::Sz(text),
                None => RegistryData::Other(self.kind),
            },
            _ => RegistryData::Other(self.kind),
        }
    }

    /// Text data up to its terminator.
    fn text(&self) -> Option<String> {
        if !matches!(self.kind, REG_SZ | REG_EXPAND_SZ) || !self.data.len().is_multiple_of(2) {
            return None;
        }
        let units: Vec<u16> = self
            .data
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        String::from_utf16(&units).ok()
    }
}

impl PolError {
    fn at<T>(offset: usize, kind: PolErrorKind) -> Result<T, Self> {
        Err(Self { kind, offset })
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn fail<T>(&self, kind: PolErrorKind) -> Result<T, PolError> {
        PolError::at(self.offset, kind)
    }
    fn take(&mut self, count: usize) -> Result<&'a [u8], PolError> {
        let taken = self.offset.checked_add(count).and_then(|end| self.bytes.get(self.offset..end));
        match taken {
            Some(taken) => {
                self.offset += count;
                Ok(taken)
            }
            None => self.fail(PolErrorKind::Truncated),
        }
    }
    fn unit(&mut self) -> Result<u16, PolError> {
        let pair = self.take(2)?;
        Ok(u16::from_le_bytes([pair[0], pair[1]]))
    }
    fn number(&mut self) -> Result<u32, PolError> {
        let four = self.take(4)?;
        Ok(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
    }
    fn expect(&mut self, wanted: char) -> Result<(), PolError> {
        let offset = self.offset;
        if self.unit()? == wanted as u16 { Ok(()) } else { PolError::at(offset, PolErrorKind::Expected(wanted)) }
    }
    /// A name up to its terminator (a zero unit).
    fn name(&mut self) -> Result<String, PolError> {
        let start = self.offset;
        let mut units = Vec::new();
        loop {
            match self.unit()? {
                0 => break,
                _ if units.len() == NAME_UNITS_MAX => {
                    return PolError::at(start, PolErrorKind::NameTooLong);
                }
                unit => units.push(unit),
            }
        }
        match String::from_utf16(&units) {
            Ok(name) => Ok(name),
            Err(_) => PolError::at(start, PolErrorKind::NotUtf16),
        }
    }
    fn entry(&mut self) -> Result<PolEntry, PolError> {
        self.expect('[')?;
        let key = self.name()?;
        self.expect(';')?;
        let name = self.name()?;
        self.expect(';')?;
        let kind = self.number()?;
        self.expect(';')?;
        let offset = self.offset;
        let size = self.number()?;
        if size > DATA_BYTES_MAX {
            return PolError::at(offset, PolErrorKind::DataTooLarge);
        }
        self.expect(';')?;
        let data = self.take(size as usize)?.to_vec();
        self.expect(']')?;
        Ok(PolEntry { key, name, kind, data })
    }
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::super::{Given, Setting, Source, Value};
    use super::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }
    fn header() -> Vec<u8> {
        let mut file = b"PReg".to_vec();
        file.extend(1u32.to_le_bytes());
        file
    }
    fn entry(file: &mut Vec<u8>, key: &str, name: &str, kind: u32, data: &[u8]) {
        file.extend(utf16("["));
        file.extend(utf16(&format!("{key}\0;{name}\0;")));
        file.extend(kind.to_le_bytes());
        file.extend(utf16(";"));
        file.extend((data.len() as u32).to_le_bytes());
        file.extend(utf16(";"));
        file.extend(data);
        file.extend(utf16("]"));
    }
    fn laps() -> &'static str {
        Source::Gpo.registry_key()
    }
    fn values(file: &[u8]) -> RegistryValues {
        let mut values = RegistryValues::new();
        PolFile::parse(file).unwrap().apply(laps(), &mut values);
        values
    }

    #[test]
    fn a_policy_of_every_type() {
        let mut file = header();
        entry(&mut file, laps(), "BackupDirectory", REG_DWORD, &2u32.to_le_bytes());
        entry(&mut file, &laps().to_uppercase(), "AdministratorAccountName", REG_SZ, &utf16("admin;[x]\0"));
        entry(&mut file, r"Software\Other", "PasswordLength", REG_DWORD, &9u32.to_le_bytes());
        entry(&mut file, laps(), "PasswordAgeDays", REG_DWORD, &[1, 2]);
        let set = values(&file).policy_set(Source::Gpo);
        assert_eq!(set.get(Setting::BackupDirectory), Some(&Given::Value(Value::Int(2))));
        assert_eq!(set.get(Setting::AdministratorAccountName), Some(&Given::Value(Value::Text("admin;[x]".into()))));
        assert_eq!(set.get(Setting::PasswordLength), None);
        assert!(matches!(set.get(Setting::PasswordAgeDays), Some(Given::Bad { .. })));
    }

    #[test]
    fn delete_forms() {
        let number = 9u32.to_le_bytes();
        let base = || {
            let mut file = header();
            entry(&mut file, laps(), "PasswordLength", REG_DWORD, &number);
            entry(&mut file, laps(), "PasswordAgeDays", REG_DWORD, &number);
            file
        };
        let left = |file: &[u8]| {
            let values = values(file);
            (values.value("PasswordLength").is_some(), values.value("PasswordAgeDays").is_some())
        };
        assert_eq!(left(&base()), (true, true));
        let mut file = base();
        entry(&mut file, laps(), "**Del.passwordlength", REG_SZ, &utf16(" \0"));
        assert_eq!(left(&file), (false, true));
        let mut file = base();
        entry(&mut file, laps(), "**delvals.", REG_SZ, &utf16(" \0"));
        assert_eq!(left(&file), (false, false));
        let mut file = base();
        entry(&mut file, laps(), "**DeleteValues", REG_SZ, &utf16("PasswordAgeDays;Nothing\0"));
        assert_eq!(left(&file), (true, false));
        let parent = laps().strip_suffix(r"\LAPS").unwrap();
        let mut file = base();
        entry(&mut file, parent, "**DeleteKeys", REG_SZ, &utf16("Other;laps\0"));
        assert_eq!(left(&file), (false, false));
        let mut file = base();
        entry(&mut file, parent, "**DeleteKeys", REG_SZ, &utf16("Other\0"));
        assert_eq!(left(&file), (true, true));
        // an instruction that is not known changes nothing and sets nothing
        let mut file = base();
        entry(&mut file, laps(), "**SecureKey", REG_DWORD, &1u32.to_le_bytes());
        assert_eq!(left(&file), (true, true));
    }

    #[test]
    fn a_deletion_of_a_stronger_policy_takes_the_weaker_value_away() {
        let mut weak = header();
        entry(&mut weak, laps(), "BackupDirectory", REG_DWORD, &2u32.to_le_bytes());
        let mut strong = header();
        entry(&mut strong, laps(), "**del.BackupDirectory", REG_SZ, &utf16(" \0"));
        let mut values = RegistryValues::new();
        for file in [&weak, &strong] {
            PolFile::parse(file).unwrap().apply(laps(), &mut values);
        }
        assert!(values.policy_set(Source::Gpo).is_empty());
    }

    #[test]
    fn soft_values_give_way() {
        let mut file = header();
        entry(&mut file, laps(), "**soft.PasswordLength", REG_DWORD, &20u32.to_le_bytes());
        entry(&mut file, laps(), "**soft.PasswordLength", REG_DWORD, &30u32.to_le_bytes());
        assert_eq!(values(&file).value("PasswordLength"), Some(&RegistryData::Dword(20)));
    }

    #[test]
    fn errors_name_their_place() {
        let mut good = header();
        entry(&mut good, "K", "V", REG_DWORD, &1u32.to_le_bytes());
        let error = |bytes: &[u8]| PolFile::parse(bytes).unwrap_err();
        assert_eq!(error(b"").kind, PolErrorKind::Signature);
        assert_eq!(error(b"Preg\x01\0\0\0").kind, PolErrorKind::Signature);
        assert_eq!(error(b"PReg\x02\0\0\0").kind, PolErrorKind::Version);
        let mut bad = good.clone();
        bad[8] = b'(';
        assert_eq!(error(&bad), PolError { kind: PolErrorKind::Expected('['), offset: 8 });
        for end in 9..good.len() {
            assert_eq!(error(&good[..end]).kind, PolErrorKind::Truncated, "{end}");
        }
        let mut huge = header();
        huge.extend(utf16("[K\0;V\0;"));
        huge.extend(REG_DWORD.to_le_bytes());
        huge.extend(utf16(";"));
        huge.extend(u32::MAX.to_le_bytes());
        huge.extend(utf16(";"));
        assert_eq!(error(&huge).kind, PolErrorKind::DataTooLarge);
        let mut long = header();
        long.extend(utf16("["));
        long.extend(utf16(&"k".repeat(NAME_UNITS_MAX + 1)));
        long.extend(utf16("\0"));
        assert_eq!(error(&long).kind, PolErrorKind::NameTooLong);
        let mut lone = header();
        lone.extend(utf16("["));
        lone.extend([0x00, 0xD8, 0, 0]);
        assert_eq!(error(&lone).kind, PolErrorKind::NotUtf16);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(mut tail in proptest::collection::vec(0u8.., 0..200)) {
            let mut file = header();
            file.append(&mut tail);
            if let Ok(parsed) = PolFile::parse(&file) {
                parsed.apply(laps(), &mut RegistryValues::new());
            }
        }

        #[test]
        fn what_was_written_is_read(
            names in proptest::collection::vec(("[ -~]{0,20}", "[ -~]{1,20}", 0u32..12, proptest::collection::vec(0u8.., 0..40)), 0..6)
        ) {
            let mut file = header();
            for (key, name, kind, data) in &names {
                entry(&mut file, key, name, *kind, data);
            }
            let read: Vec<_> = PolFile::parse(&file).unwrap().entries.into_iter()
                .map(|e| (e.key, e.name, e.kind, e.data)).collect();
            proptest::prop_assert_eq!(read, names);
        }
    }
}

//! shadow(5): verifiers and their ages.

use super::table::{AccountFile, Defect, DefectKind, NotAField, Table, name};
use super::verifier::{PasswordField, Verifier};
use std::collections::HashMap;

/// A shadow file whose entries are all well-formed and whose names are unique.
#[derive(Clone)]
pub struct Shadow {
    table: Table,
    lines: Vec<ShadowLine>,
}

/// One account of a shadow file. Days count from 1970-01-01; `None` is an empty field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowLine {
    /// The line, counted from 1.
    pub line: usize,
    /// The account's name.
    pub name: String,
    /// The password field.
    pub password: PasswordField,
    /// The day of the last change; 0 asks for a change at the next sign-in.
    pub last_change_day: Option<i64>,
    /// Days after which a password must be changed.
    pub max_days: Option<i64>,
    /// Days after that during which it can still be changed.
    pub inactive_days: Option<i64>,
    /// The day from which the account is expired.
    pub expire_day: Option<i64>,
}

/// A day of expiry that is long past (shadow(5), field 8). Not 0: some readers take that for "none".
const EXPIRED: &str = "1";

/// How an account that is managed as a whole is kept (rotation.md 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// No lock mark, no expiry.
    Open,
    /// Locked and expired.
    LockedAndExpired,
    /// Locked and not expired: uid 0 is never expired.
    Locked,
}

impl Lock {
    /// How the account of a uid is kept.
    pub const fn of(id: u32, enabled: bool) -> Self {
        match (enabled, id) {
            (true, _) => Self::Open,
            (false, 0) => Self::Locked,
            (false, _) => Self::LockedAndExpired,
        }
    }
    const fn enabled(self) -> bool {
        matches!(self, Self::Open)
    }
    const fn expiry(self) -> &'static str {
        match self {
            Self::Open | Self::Locked => "",
            Self::LockedAndExpired => EXPIRED,
        }
    }
}

impl Shadow {
    /// Reads a shadow file. A malformed entry or a second line with the same name is refused with its line
    /// number. Entries of 5 (the old form), 8 and 9 fields are taken, as the C library takes them.
    pub fn read(bytes: &[u8]) -> Result<Self, Defect> {
        let table = Table::parse(bytes);
        let mut lines = Vec::new();
        let mut seen = HashMap::new();
        for (line, fields) in table.entries() {
            let defect = |kind| Defect { file: AccountFile::Shadow, line, kind };
            if !matches!(fields.len(), 5 | 8 | 9) {
                return Err(defect(DefectKind::Malformed("nine fields are expected")));
            }
            let account = name(fields[0]).map_err(defect)?.to_owned();
            if let Some(first) = seen.insert(account.clone(), line) {
                return Err(defect(DefectKind::DuplicateName { first }));
            }
            let days = |index: usize| match fields.get(index).copied() {
                None | Some(b"") => Ok(None),
                Some(field) => match std::str::from_utf8(field).map(str::parse::<i64>) {
                    // -1 is how the C library writes "no value".
                    Ok(Ok(-1)) => Ok(None),
                    Ok(Ok(days)) => Ok(Some(days)),
                    _ => Err(defect(DefectKind::Malformed("a field of days is not a number"))),
                },
            };
            lines.push(ShadowLine {
                line,
                name: account,
                password: PasswordField::read(fields[1]),
                last_change_day: days(2)?,
                max_days: days(4)?,
                inactive_days: days(6)?,
                expire_day: days(7)?,
            });
        }
        Ok(Self { table, lines })
    }

    /// The bytes of the whole file.
    pub fn render(&self) -> Vec<u8> {
        self.table.render()
    }

    /// The accounts in the order of the file.
    pub fn lines(&self) -> &[ShadowLine] {
        &self.lines
    }

    /// The account of that name.
    pub fn named(&self, name: &str) -> Option<&ShadowLine> {
        self.lines.iter().find(|entry| entry.name == name)
    }

    /// The bytes of an account's line.
    pub fn line_of(&self, entry: &ShadowLine) -> &[u8] {
        self.table.line(entry.line).unwrap_or_default()
    }

    /// The file with one more account behind the others, locked and expired.
    pub(super) fn with_locked(&self, name: &str, today: u32) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        let today = today.to_string();
        let fields = [name, "!", &today, "0", "99999", "7", "", EXPIRED, ""];
        table.insert_after(table.last_entry(), &fields.map(|field| field.as_bytes().to_vec()))?;
        Ok(table.render())
    }

    /// The file with a credential set, opened or locked: in the account's own line, or, when `name` is
    /// another one, in a copy of it right behind (rotation.md 7).
    pub(super) fn with_credential(
        &self,
        entry: &ShadowLine,
        name: &str,
        verifier: &Verifier,
        lock: Lock,
        today: u32,
    ) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        let mut fields = self.padded(entry);
        fields[0] = name.as_bytes().to_vec();
        fields[1] = format!("{}{}", if lock.enabled() { "" } else { "!" }, verifier.as_str()).into_bytes();
        fields[2] = today.to_string().into_bytes();
        fields[7] = lock.expiry().into();
        if name == entry.name {
            table.set_fields(entry.line, &fields)?;
        } else {
            table.insert_after(entry.line, &fields)?;
        }
        Ok(table.render())
    }

    /// The file with an account opened or locked; an account without a verifier is never opened.
    pub(super) fn with_lock(&self, entry: &ShadowLine, lock: Lock) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        let mut fields = self.padded(entry);
        match (lock.enabled(), entry.password.verifier()) {
            (true, Some(verifier)) => fields[1] = verifier.as_str().into(),
            (true, None) => return Ok(table.render()),
            (false, _) if entry.password.is_locked() => {}
            (false, _) => fields[1].insert(0, b'!'),
        }
        fields[7] = lock.expiry().into();
        table.set_fields(entry.line, &fields)?;
        Ok(table.render())
    }

    /// The file without an account.
    pub(super) fn without(&self, entry: &ShadowLine) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        table.remove(entry.line)?;
        Ok(table.render())
    }

    /// The nine fields of a line; the old form has five.
    fn padded(&self, entry: &ShadowLine) -> Vec<Vec<u8>> {
        let mut fields = self.table.fields(entry.line);
        fields.resize(fields.len().max(9), Vec::new());
        fields
    }

    /// The file with another verifier for one account: lock marks are kept, the day of the last change
    /// becomes `today`, every other byte stays (rotation.md 7).
    pub fn with_verifier(&self, entry: &ShadowLine, verifier: &Verifier, today: u32) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        table.set_field(entry.line, 1, entry.password.with(verifier).as_bytes())?;
        table.set_field(entry.line, 2, today.to_string().as_bytes())?;
        Ok(table.render())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] =
        b"root:*:19000:0:99999:7:::\n#x\nann:!$6$s$h:19000:0:90:7:14:20000:extra\nold:ab0123456789.:1:2:3";

    #[test]
    fn two_fields_of_one_line_change() {
        let shadow = Shadow::read(FILE).unwrap();
        let verifier = Verifier::new("$y$j9T$s$h".into()).unwrap();
        let after = |name: &str| {
            let bytes = shadow.with_verifier(shadow.named(name).unwrap(), &verifier, 20_700).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let text = std::str::from_utf8(FILE).unwrap();
        assert_eq!(after("root"), text.replace("root:*:19000", "root:!$y$j9T$s$h:20700"));
        assert_eq!(after("ann"), text.replace("ann:!$6$s$h:19000", "ann:!$y$j9T$s$h:20700"));
        assert_eq!(after("old"), text.replace("ab0123456789.:1:", "$y$j9T$s$h:20700:"));
    }

    #[test]
    fn days_are_read() {
        let shadow = Shadow::read(FILE).unwrap();
        let ann = shadow.named("ann").unwrap();
        assert_eq!((ann.max_days, ann.inactive_days, ann.expire_day), (Some(90), Some(14), Some(20_000)));
        assert_eq!(shadow.named("root").unwrap().expire_day, None);
        assert_eq!(shadow.line_of(ann), b"ann:!$6$s$h:19000:0:90:7:14:20000:extra");
    }

    #[test]
    fn defects_name_their_line() {
        let at = |text: &[u8]| Shadow::read(text).err().map(|defect| defect.line);
        assert_eq!(at(b"a:*:1:0:9:7:::\nb:*\n"), Some(2));
        assert_eq!(at(b"a:*:1:0:9:7:::\na:*:1:0:9:7:::\n"), Some(2));
        assert_eq!(at(b"a:*:one:0:9:7:::\n"), Some(1));
        assert_eq!(at(b"a:*:1:0:9:7:::\n\n\n"), None);
    }
}

//! passwd(5): names, uids, homes and shells.

use super::table::{AccountFile, Defect, DefectKind, NotAField, Table, name, number};
use laps::rotation::AccountRef;
use std::collections::HashMap;

/// A passwd file whose entries are all well-formed and whose names are unique.
#[derive(Clone)]
pub struct Passwd {
    table: Table,
    lines: Vec<PasswdLine>,
}

/// One account of a passwd file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswdLine {
    /// The line, counted from 1.
    pub line: usize,
    /// The account's name.
    pub name: String,
    /// Whether the verifier is kept in the shadow file (the second field is `x`).
    pub shadowed: bool,
    /// The user id.
    pub uid: u32,
    /// The primary group's id.
    pub gid: u32,
    /// The description (GECOS), commas included.
    pub description: String,
    /// The shell; empty means `/bin/sh`.
    pub shell: String,
}

/// An account that is to be made. No home directory is made for it (docs/departures.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Uid and name.
    pub account: AccountRef,
    /// The primary group's id.
    pub gid: u32,
    /// The description (GECOS).
    pub description: String,
    /// The home directory.
    pub home: String,
    /// The shell.
    pub shell: String,
}

impl Passwd {
    /// Reads a passwd file.
    ///
    /// A malformed entry or a second line with the same name is refused with its line number. Uids may
    /// repeat in the file (`toor` beside `root`); [`Passwd::sole_owner_of_uid`] judges one account's.
    pub fn read(bytes: &[u8]) -> Result<Self, Defect> {
        let table = Table::parse(bytes);
        let mut lines = Vec::new();
        let mut seen = HashMap::new();
        for (line, fields) in table.entries() {
            let defect = |kind| Defect { file: AccountFile::Passwd, line, kind };
            let malformed = |what| defect(DefectKind::Malformed(what));
            let [account, password, uid, gid, description, _home, shell] = fields[..] else {
                return Err(malformed("seven fields are expected"));
            };
            let account = name(account).map_err(defect)?.to_owned();
            if let Some(first) = seen.insert(account.clone(), line) {
                return Err(defect(DefectKind::DuplicateName { first }));
            }
            lines.push(PasswdLine {
                line,
                name: account,
                shadowed: password == b"x",
                uid: number(uid).ok_or_else(|| malformed("the uid is not a number"))?,
                gid: number(gid).ok_or_else(|| malformed("the gid is not a number"))?,
                description: String::from_utf8_lossy(description).into_owned(),
                shell: String::from_utf8_lossy(shell).into_owned(),
            });
        }
        Ok(Self { table, lines })
    }

    /// The bytes of the whole file.
    pub fn render(&self) -> Vec<u8> {
        self.table.render()
    }

    /// The accounts in the order of the file.
    pub fn lines(&self) -> &[PasswdLine] {
        &self.lines
    }

    /// The account of that name.
    pub fn named(&self, name: &str) -> Option<&PasswdLine> {
        self.lines.iter().find(|entry| entry.name == name)
    }

    /// The file with one more account behind the others; its verifier is in the shadow file.
    pub(super) fn with(&self, new: &NewAccount) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        let (uid, gid) = (new.account.id.to_string(), new.gid.to_string());
        let fields = [&new.account.name, "x", &uid, &gid, &new.description, &new.home, &new.shell];
        table.insert_after(table.last_entry(), &fields.map(|field| field.as_bytes().to_vec()))?;
        Ok(table.render())
    }

    /// The file with another value in one field (from 0) of an account; every other byte stays.
    pub(super) fn with_field(&self, entry: &PasswdLine, field: usize, value: &str) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        table.set_field(entry.line, field, value.as_bytes())?;
        Ok(table.render())
    }

    /// The file without an account.
    pub(super) fn without(&self, entry: &PasswdLine) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        table.remove(entry.line)?;
        Ok(table.render())
    }

    /// The built-in administrator: the first line with uid 0, whatever its name (rotation.md 7).
    pub fn administrator(&self) -> Option<&PasswdLine> {
        self.lines.iter().find(|entry| entry.uid == 0)
    }

    /// Refuses an account whose uid another line has too, because the two cannot be told apart. Uid 0 is
    /// excepted: there the rule "first line with uid 0" decides.
    pub fn sole_owner_of_uid(&self, account: &PasswdLine) -> Result<(), Defect> {
        let mut same = self.lines.iter().filter(|entry| entry.uid == account.uid);
        match (same.next(), same.next()) {
            (Some(first), Some(second)) if account.uid != 0 => Err(Defect {
                file: AccountFile::Passwd,
                line: second.line,
                kind: DefectKind::DuplicateUid { first: first.line },
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"# local\nadmin0:x:0:0:Admin:/root:/bin/bash\ntoor:x:0:0::/root:\n+::::::\n\
        ann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\nbob::1001:1001::/home/bob:/usr/sbin/nologin\n";

    #[test]
    fn the_administrator_is_the_first_line_with_uid_0() {
        let passwd = Passwd::read(FILE).unwrap();
        assert_eq!(passwd.render(), FILE);
        let admin = passwd.administrator().unwrap();
        assert_eq!((admin.name.as_str(), admin.line, admin.shadowed), ("admin0", 2, true));
        assert!(passwd.sole_owner_of_uid(admin).is_ok());
        assert!(!passwd.named("bob").unwrap().shadowed);
        assert_eq!(passwd.named("root"), None);
    }

    #[test]
    fn defects_name_their_line() {
        let at = |text: &[u8]| Passwd::read(text).err().map(|defect| (defect.line, defect.kind));
        assert_eq!(at(b"a:x:1:1::/:\nb:x:1\n"), Some((2, DefectKind::Malformed("seven fields are expected"))));
        assert_eq!(at(b"a:x:1:1::/:\n\na:x:2:1::/:\n"), Some((3, DefectKind::DuplicateName { first: 1 })));
        assert_eq!(at(b"a:x:-1:1::/:\n"), Some((1, DefectKind::Malformed("the uid is not a number"))));
        assert_eq!(at(b"a:x:4294967296:1::/:\n"), Some((1, DefectKind::Malformed("the uid is not a number"))));
        assert_eq!(at(b":x:1:1::/:\n"), Some((1, DefectKind::Malformed("the name is empty"))));
        assert_eq!(at(b"\xff:x:1:1::/:\n"), Some((1, DefectKind::Malformed("the name is not UTF-8"))));
    }

    #[test]
    fn an_account_that_shares_its_uid_is_refused() {
        let passwd = Passwd::read(b"a:x:7:1::/:\nb:x:8:1::/:\nc:x:7:1::/:\n").unwrap();
        let defect = passwd.sole_owner_of_uid(passwd.named("a").unwrap()).unwrap_err();
        assert_eq!((defect.line, defect.kind), (3, DefectKind::DuplicateUid { first: 1 }));
        assert!(passwd.sole_owner_of_uid(passwd.named("b").unwrap()).is_ok());
    }
}

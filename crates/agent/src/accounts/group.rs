//! group(5) and gshadow(5): who is a member of what.

use super::table::{AccountFile, Defect, DefectKind, NotAField, Table, name, number};
use std::collections::HashMap;

/// The field of the members, from 0.
const MEMBERS: usize = 3;

/// A group file whose entries are all well-formed and whose names are unique.
#[derive(Clone)]
pub struct GroupFile {
    file: AccountFile,
    table: Table,
    lines: Vec<GroupLine>,
}

/// One group. A gshadow line has no gid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLine {
    /// The line, counted from 1.
    pub line: usize,
    /// The group's name.
    pub name: String,
    /// The group's id; `None` in gshadow.
    pub gid: Option<u32>,
    /// Names of the members.
    pub members: Vec<String>,
}

/// An account's standing towards Administrators: the group that sudo trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdministratorsGroup {
    /// The group's name: `sudo`, else `wheel`.
    pub name: String,
    /// Whether the account is a member, by list or by its primary group.
    pub member: bool,
}

impl GroupFile {
    /// Reads a group file (`AccountFile::Group`) or a gshadow file (`AccountFile::Gshadow`). A malformed entry
    /// or a second line with the same name is refused with its line number.
    pub fn read(file: AccountFile, bytes: &[u8]) -> Result<Self, Defect> {
        let table = Table::parse(bytes);
        let mut lines = Vec::new();
        let mut seen = HashMap::new();
        for (line, fields) in table.entries() {
            let defect = |kind| Defect { file, line, kind };
            let malformed = |what| defect(DefectKind::Malformed(what));
            let (group, third, members) = match fields[..] {
                [group, _, third, members] => (group, third, members),
                // The C library and shadow-utils take a group line that ends after the gid.
                [group, _, third] if file == AccountFile::Group => (group, third, &b""[..]),
                _ => return Err(malformed("four fields are expected")),
            };
            let gid = match file {
                AccountFile::Gshadow => None,
                _ => Some(number(third).ok_or_else(|| malformed("the gid is not a number"))?),
            };
            let group = name(group).map_err(defect)?.to_owned();
            if let Some(first) = seen.insert(group.clone(), line) {
                return Err(defect(DefectKind::DuplicateName { first }));
            }
            let members = members.split(|b| *b == b',').filter(|member| !member.is_empty());
            lines.push(GroupLine {
                line,
                name: group,
                gid,
                members: members.map(|member| String::from_utf8_lossy(member).into_owned()).collect(),
            });
        }
        Ok(Self { file, table, lines })
    }

    /// The bytes of the whole file.
    pub fn render(&self) -> Vec<u8> {
        self.table.render()
    }

    /// The groups in the order of the file.
    pub fn lines(&self) -> &[GroupLine] {
        &self.lines
    }

    /// The group of that name.
    pub fn named(&self, name: &str) -> Option<&GroupLine> {
        self.lines.iter().find(|group| group.name == name)
    }

    /// The group that sudo trusts: `sudo`, else `wheel` (design.md 4).
    pub fn trusted(&self) -> Option<&GroupLine> {
        self.named("sudo").or_else(|| self.named("wheel"))
    }

    /// The file with a name put right behind another one wherever that stands (rotation.md 7).
    pub(super) fn with_beside(&self, old: &str, new: &str) -> Result<Vec<u8>, NotAField> {
        self.edited(|_, _, names| {
            let at = names.iter().position(|name| name == old.as_bytes());
            if let (Some(at), false) = (at, names.iter().any(|name| name == new.as_bytes())) {
                names.insert(at + 1, new.into());
            }
        })
    }

    /// The file with a name at the end of a group's members.
    pub(super) fn with_member(&self, group: &str, name: &str) -> Result<Vec<u8>, NotAField> {
        self.edited(|line, field, names| {
            if line.name == group && field == MEMBERS && !names.iter().any(|member| member == name.as_bytes()) {
                names.push(name.into());
            }
        })
    }

    /// The file without a name in any list.
    pub(super) fn without_name(&self, name: &str) -> Result<Vec<u8>, NotAField> {
        self.edited(|_, _, names| names.retain(|member| member != name.as_bytes()))
    }

    /// Edits every list of names: the members, in gshadow the group's administrators too. A list that stays
    /// as it is keeps its bytes.
    fn edited(&self, edit: impl Fn(&GroupLine, usize, &mut Vec<Vec<u8>>)) -> Result<Vec<u8>, NotAField> {
        let mut table = self.table.clone();
        let lists: &[usize] = if self.file == AccountFile::Gshadow { &[2, MEMBERS] } else { &[MEMBERS] };
        for line in &self.lines {
            let mut fields = table.fields(line.line);
            fields.resize(fields.len().max(MEMBERS + 1), Vec::new());
            let mut changed = false;
            for list in lists {
                let names = fields[*list].split(|b| *b == b',').filter(|name| !name.is_empty());
                let before: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
                let mut after = before.clone();
                edit(line, *list, &mut after);
                if after != before {
                    fields[*list] = after.join(&b',');
                    changed = true;
                }
            }
            if changed {
                table.set_fields(line.line, &fields)?;
            }
        }
        Ok(table.render())
    }

    /// The Administrators group as it stands towards an account; `None` when there is neither `sudo` nor
    /// `wheel` (design.md 4).
    pub fn administrators(&self, account: &str, primary_gid: u32) -> Option<AdministratorsGroup> {
        let group = self.trusted()?;
        let listed = group.members.iter().any(|member| member == account);
        Some(AdministratorsGroup { name: group.name.clone(), member: listed || group.gid == Some(primary_gid) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_goes_before_wheel_and_a_primary_group_counts() {
        let file = |text: &str| GroupFile::read(AccountFile::Group, text.as_bytes()).unwrap();
        let both = file("wheel:x:10:bob\nsudo:x:27:ann,\n");
        let standing = |file: &GroupFile, name: &str, gid| file.administrators(name, gid).map(|g| (g.name, g.member));
        assert_eq!(standing(&both, "ann", 1), Some(("sudo".into(), true)));
        assert_eq!(standing(&both, "bob", 1), Some(("sudo".into(), false)));
        assert_eq!(standing(&both, "bob", 27), Some(("sudo".into(), true)));
        assert_eq!(standing(&file("wheel:x:10:bob\n"), "bob", 1), Some(("wheel".into(), true)));
        assert_eq!(standing(&file("users:x:100\n"), "bob", 1), None);
    }

    #[test]
    fn both_forms_are_read_and_kept() {
        let gshadow = GroupFile::read(AccountFile::Gshadow, b"sudo:*::ann,bob\n").unwrap();
        assert_eq!(gshadow.lines()[0].members, ["ann", "bob"]);
        assert_eq!(gshadow.lines()[0].gid, None);
        assert_eq!(gshadow.render(), b"sudo:*::ann,bob\n");
        assert_eq!(GroupFile::read(AccountFile::Group, b"a:x:1:\nb:x\n").err().map(|defect| defect.line), Some(2));
    }
}

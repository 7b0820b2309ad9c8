//! group(5) and gshadow(5): who is a member of what.

use super::table::{AccountFile, Defect, DefectKind, Table, name, number};

/// A group file whose entries are all well-formed.
#[derive(Clone)]
pub struct GroupFile {
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
    /// Reads a group file (`AccountFile::Group`) or a gshadow file (`AccountFile::Gshadow`).
    pub fn read(file: AccountFile, bytes: &[u8]) -> Result<Self, Defect> {
        let table = Table::parse(bytes);
        let mut lines = Vec::new();
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
            let members = members.split(|b| *b == b',').filter(|member| !member.is_empty());
            lines.push(GroupLine {
                line,
                name: name(group).map_err(defect)?.to_owned(),
                gid,
                members: members.map(|member| String::from_utf8_lossy(member).into_owned()).collect(),
            });
        }
        Ok(Self { table, lines })
    }

    /// The bytes of the whole file.
    pub fn render(&self) -> Vec<u8> {
        self.table.render()
    }

    /// The groups in the order of the file.
    pub fn lines(&self) -> &[GroupLine] {
        &self.lines
    }

    /// The Administrators group as it stands towards an account; `None` when there is neither `sudo` nor
    /// `wheel` (design.md 4).
    pub fn administrators(&self, account: &str, primary_gid: u32) -> Option<AdministratorsGroup> {
        let named = |name: &str| self.lines.iter().find(|group| group.name == name);
        let group = named("sudo").or_else(|| named("wheel"))?;
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

//! What automatic management asks of the account files: who is there, how they stand.

use super::change::AccountFiles;
use super::passwd::PasswdLine;
use super::shadow::ShadowLine;
use super::usability::Usability;
use laps::account::{DESCRIPTION, Line, Shape, Standing};
use laps::rotation::AccountRef;

impl AccountFiles {
    /// Every account with a line in the shadow file.
    pub fn lines(&self) -> Vec<Line> {
        let line = |(entry, _): (&PasswdLine, &ShadowLine)| Line {
            account: AccountRef { id: entry.uid, name: entry.name.clone() },
            described: is_described(entry),
        };
        self.shadowed().map(line).collect()
    }

    /// Every account as an administrator, on a day (days since 1970-01-01).
    pub fn standings(&self, today: u32) -> Vec<Standing> {
        let standing = |(entry, line): (&PasswdLine, &ShadowLine)| {
            let opens = line.password.verifier().is_some() && Usability::of(entry, line, today).usable();
            Standing { id: entry.uid, works: opens && self.is_administrator(entry) }
        };
        self.shadowed().map(standing).collect()
    }

    /// How an account stands; `None` when it is not there.
    pub fn shape(&self, account: &AccountRef, today: u32) -> Option<Shape> {
        let (entry, line) = self.shadowed().find(|(entry, _)| entry.uid == account.id && entry.name == account.name)?;
        let usability = Usability::of(entry, line, today);
        Some(Shape {
            built_in: entry.uid == 0,
            enabled: !usability.disabled,
            expired: line.expire_day.is_some_and(|day| entry.uid == 0 || i64::from(today) >= day),
            has_verifier: line.password.verifier().is_some_and(super::Verifier::is_salted),
            administrator: self.is_administrator(entry),
            described: is_described(entry),
        })
    }

    /// The group that a new account begins in: `users`, else the one that sudo trusts.
    pub fn primary_gid(&self) -> Option<u32> {
        self.group.named("users").or_else(|| self.group.trusted())?.gid
    }

    fn is_administrator(&self, entry: &PasswdLine) -> bool {
        entry.uid == 0 || self.group.administrators(&entry.name, entry.gid).is_some_and(|group| group.member)
    }

    fn shadowed(&self) -> impl Iterator<Item = (&PasswdLine, &ShadowLine)> {
        let entries = self.passwd.lines().iter().filter(|entry| entry.shadowed);
        entries.filter_map(|entry| Some((entry, self.shadow.named(&entry.name)?)))
    }
}

/// Offices and telephone numbers behind the first comma may be anybody's.
fn is_described(entry: &PasswdLine) -> bool {
    entry.description.split(',').next() == Some(DESCRIPTION)
}

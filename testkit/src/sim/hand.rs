//! What another hand does to the accounts of a machine, as plain edits of the files: neither the product's code
//! nor its care.

use super::accounts::Accounts;
use agent::accounts::{AccountFile, Verifier};

type Lines = Vec<Vec<String>>;

impl Accounts {
    fn edit(&mut self, file: AccountFile, edit: impl FnOnce(&mut Lines)) {
        let Some(text) = self.text(file) else { return };
        let mut lines: Lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect();
        edit(&mut lines);
        let text: String = lines.iter().map(|fields| fields.join(":") + "\n").collect();
        self.force(file, text);
    }

    fn edit_shadow(&mut self, uid: u32, edit: impl FnOnce(&mut Vec<String>)) {
        let Some(account) = self.of(uid) else { return };
        self.edit(AccountFile::Shadow, |lines| {
            if let Some(line) = lines.iter_mut().find(|line| line[0] == account.account.name) {
                edit(line);
            }
        });
    }

    fn edit_members(&mut self, edit: impl Fn(&str, &mut Vec<String>)) {
        for file in [AccountFile::Group, AccountFile::Gshadow] {
            self.edit(file, |lines| {
                for line in lines {
                    let mut members: Vec<String> =
                        line[3].split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
                    edit(&line[0], &mut members);
                    line[3] = members.join(",");
                }
            });
        }
    }

    /// `passwd`: another verifier; a lock mark goes.
    pub(super) fn set_by_hand(&mut self, uid: u32, verifier: &Verifier) {
        self.edit_shadow(uid, |line| verifier.as_str().clone_into(&mut line[1]));
    }

    /// `usermod -L`.
    pub(super) fn lock_by_hand(&mut self, uid: u32) {
        self.edit_shadow(uid, |line| {
            if !line[1].starts_with('!') {
                line[1].insert(0, '!');
            }
        });
    }

    /// `gpasswd -d NAME sudo`.
    pub(super) fn demote_by_hand(&mut self, uid: u32) {
        let Some(account) = self.of(uid) else { return };
        self.edit_members(|group, members| {
            members.retain(|member| group != "sudo" || *member != account.account.name);
        });
    }

    /// `usermod -l`.
    pub(super) fn rename_by_hand(&mut self, uid: u32, name: &str) {
        let Some(account) = self.of(uid) else { return };
        let old = account.account.name;
        for file in [AccountFile::Passwd, AccountFile::Shadow] {
            self.edit(file, |lines| {
                if let Some(line) = lines.iter_mut().find(|line| line[0] == old) {
                    name.clone_into(&mut line[0]);
                }
            });
        }
        self.edit_members(|_, members| {
            for member in members.iter_mut().filter(|member| **member == old) {
                name.clone_into(member);
            }
        });
    }

    /// `userdel`.
    pub(super) fn delete_by_hand(&mut self, uid: u32) {
        let Some(account) = self.of(uid) else { return };
        let name = account.account.name;
        for file in [AccountFile::Passwd, AccountFile::Shadow] {
            self.edit(file, |lines| lines.retain(|line| line[0] != name));
        }
        self.edit_members(|_, members| members.retain(|member| *member != name));
    }

    /// `useradd`: an administrator with a password of somebody's own.
    pub(super) fn create_by_hand(&mut self, uid: u32, name: &str, verifier: &Verifier) {
        let line = |text: String| text.split(':').map(str::to_owned).collect::<Vec<_>>();
        self.edit(AccountFile::Shadow, |lines| {
            lines.retain(|line| line[0] != name);
            lines.push(line(format!("{name}:{}:20000:0:99999:7:::", verifier.as_str())));
        });
        self.edit(AccountFile::Passwd, |lines| {
            lines.push(line(format!("{name}:x:{uid}:100::/home/{name}:/bin/bash")));
        });
        self.edit_members(|group, members| {
            if group == "sudo" && !members.iter().any(|member| member == name) {
                members.push(name.to_owned());
            }
        });
    }
}

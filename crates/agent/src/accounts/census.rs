//! What a machine tells about its accounts, so that a policy can be judged before it is sent.

use super::{group::GroupFile, passwd::Passwd, shadow::Shadow, usability::Usability};

/// Accounts that are told; who could administer the machine comes first.
const ACCOUNTS_MAX: usize = 16;
/// Longest name that is told, bytes.
const NAME_BYTES_MAX: usize = 32;
/// Where the uids of people begin (login.defs(5), `UID_MIN`).
const PEOPLE_FROM: u32 = 1000;
/// Where they end (`UID_MAX`); `nobody` comes after.
const PEOPLE_TO: u32 = 60_000;

/// One local account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAccount {
    /// Its uid.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// A password can open it: it is not locked, not expired, and its shell lets people in.
    pub enabled: bool,
    /// uid 0, or a member of the administrators' group.
    pub administrator: bool,
}

/// The local accounts of people and administrators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// At most sixteen: administrators first, then in the order of the file.
    pub accounts: Vec<LocalAccount>,
    /// There are no others.
    pub complete: bool,
}

impl Census {
    /// Of the account files. `today` counts days since 1970-01-01.
    pub fn of(passwd: &Passwd, shadow: &Shadow, groups: Option<&GroupFile>, today: u32) -> Self {
        let mut accounts: Vec<LocalAccount> = Vec::new();
        for entry in passwd.lines() {
            let administrator = entry.uid == 0
                || groups
                    .and_then(|groups| groups.administrators(&entry.name, entry.gid))
                    .is_some_and(|group| group.member);
            if !administrator && !(PEOPLE_FROM..=PEOPLE_TO).contains(&entry.uid) {
                continue;
            }
            let line = shadow.named(&entry.name).filter(|line| line.password.verifier().is_some());
            let enabled = line.is_some_and(|line| Usability::of(entry, line, today).usable());
            accounts.push(LocalAccount { id: entry.uid, name: entry.name.clone(), enabled, administrator });
        }
        let count = accounts.len();
        accounts.retain(|account| account.name.len() <= NAME_BYTES_MAX);
        accounts.sort_by_key(|account| !account.administrator);
        accounts.truncate(ACCOUNTS_MAX);
        Self { complete: accounts.len() == count, accounts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::AccountFile;

    fn census(passwd: &str, shadow: &str, group: &str) -> Census {
        let passwd = Passwd::read(passwd.as_bytes()).unwrap();
        let shadow = Shadow::read(shadow.as_bytes()).unwrap();
        let group = GroupFile::read(AccountFile::Group, group.as_bytes()).unwrap();
        Census::of(&passwd, &shadow, Some(&group), 20_000)
    }

    #[test]
    fn people_and_administrators_are_told_and_services_are_not() {
        let census = census(
            "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\nada:x:1000:1000::/home/ada:/bin/sh\n\
             ops:x:1001:1001::/home/ops:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
            "root:!:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\nada:$6$saltsalt$h:20000:0:99999:7:::\n\
             ops:$6$saltsalt$h:20000:0:99999:7:::\nnobody:*:20000:0:99999:7:::\n",
            "sudo:x:27:ops\n",
        );
        let told: Vec<_> = census.accounts.iter().map(|a| (a.name.as_str(), a.enabled, a.administrator)).collect();
        assert_eq!(told, [("root", false, true), ("ops", true, true), ("ada", true, false)]);
        assert!(census.complete);
    }

    #[test]
    fn a_crowd_is_cut_and_said_to_be() {
        let passwd: String = (0..40).map(|n| format!("u{n}:x:{}:100::/:/bin/sh\n", 1000 + n)).collect();
        let shadow: String = (0..40).map(|n| format!("u{n}:!:20000:0:99999:7:::\n")).collect();
        let census = census(&passwd, &shadow, "sudo:x:27:u39\n");
        assert_eq!((census.accounts.len(), census.complete), (ACCOUNTS_MAX, false));
        assert_eq!(census.accounts[0].name, "u39");
    }
}

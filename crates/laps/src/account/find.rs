//! Which account of the machine is the one that automatic management owns.

use super::NameRule;
use crate::rotation::AccountRef;

/// One account of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Uid and name.
    pub account: AccountRef,
    /// Its description is [`super::DESCRIPTION`].
    pub described: bool,
}

impl Line {
    /// Whether this is still the account that was recorded: its uid may have gone to somebody else since.
    pub fn is_still(&self, recorded: &AccountRef) -> bool {
        self.account.id == recorded.id && (self.described || self.account.name == recorded.name)
    }
}

/// The account of its own that policy asks for; `None` when it is to be made.
///
/// In this order: the one that the agent made (`created`), the one whose password it manages already
/// (`managed`), one that says by its description that a Lapwing agent made it and whose name may be ours (the
/// agent's state was lost). An account of that name that is none of these is somebody else's and is not taken
/// over. Never uid 0.
pub fn find<'a>(
    rule: &NameRule,
    lines: &'a [Line],
    created: &[AccountRef],
    managed: Option<&AccountRef>,
) -> Option<&'a Line> {
    let others = || lines.iter().filter(|line| line.account.id != 0);
    let recorded = |account: &AccountRef| others().find(|line| line.is_still(account));
    let made_and_managed = managed.filter(|managed| created.iter().any(|made| made.id == managed.id));
    made_and_managed
        .and_then(recorded)
        .or_else(|| created.iter().rev().find_map(recorded))
        .or_else(|| managed.and_then(recorded).filter(|line| rule.recognises(&line.account.name)))
        .or_else(|| others().rfind(|line| line.described && rule.recognises(&line.account.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::AutomaticAccount;

    fn account(id: u32, name: &str) -> AccountRef {
        AccountRef { id, name: name.into() }
    }
    fn line(id: u32, name: &str, described: bool) -> Line {
        Line { account: account(id, name), described }
    }
    fn rule(random: bool) -> NameRule {
        NameRule::of(&AutomaticAccount {
            built_in: false,
            name_or_prefix: "adm".into(),
            randomize_name: random,
            enable: true,
        })
    }
    fn id(found: Option<&Line>) -> Option<u32> {
        found.map(|line| line.account.id)
    }

    #[test]
    fn the_recorded_one_goes_first_whatever_its_name() {
        let lines = [line(0, "root", false), line(1001, "renamed", true), line(1002, "adm", true)];
        assert_eq!(id(find(&rule(false), &lines, &[account(1001, "adm")], None)), Some(1001));
        assert_eq!(id(find(&rule(false), &lines, &[account(1002, "adm"), account(1001, "x")], None)), Some(1001));
        let managed = account(1002, "adm");
        assert_eq!(
            id(find(&rule(false), &lines, &[account(1002, "adm"), account(1001, "x")], Some(&managed))),
            Some(1002)
        );
    }

    #[test]
    fn a_uid_that_went_to_somebody_else_is_not_ours() {
        let lines = [line(0, "root", false), line(1001, "ann", false)];
        assert_eq!(find(&rule(false), &lines, &[account(1001, "adm")], None), None);
    }

    #[test]
    fn somebody_elses_account_is_not_taken_over_and_a_managed_one_goes_on() {
        let lines = [line(0, "root", false), line(1001, "adm", false)];
        assert_eq!(find(&rule(false), &lines, &[], None), None);
        assert_eq!(id(find(&rule(false), &lines, &[], Some(&account(1001, "adm")))), Some(1001));
        assert_eq!(find(&rule(false), &lines, &[], Some(&account(0, "root"))), None);
        let other = [line(1003, "ops", false)];
        assert_eq!(find(&rule(false), &other, &[], Some(&account(1003, "ops"))), None, "another name: policy left it");
    }

    #[test]
    fn after_a_lost_state_the_description_tells() {
        let lines = [line(0, "adm", true), line(1001, "adm123456", true), line(1002, "adm654321", true)];
        assert_eq!(id(find(&rule(true), &lines, &[], None)), Some(1002));
        assert_eq!(id(find(&rule(false), &lines[..2], &[], None)), Some(1001));
        assert_eq!(find(&rule(false), &lines[..1], &[], None), None, "uid 0 is never one of ours");
    }
}

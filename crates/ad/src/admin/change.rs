//! What a change of a list would do, before it is done: shown, then carried out. The same change again does nothing,
//! and taking it away takes exactly what it added.

use super::{ace::Rule, descriptor::Acl, grant::Grant};

/// Whether entries are given or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Give.
    Add,
    /// Take away.
    Remove,
}

/// What becomes of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It is added.
    Add,
    /// It is removed.
    Remove,
    /// Nothing: it is there, or a wider one of the same trustee is.
    Present,
    /// Nothing: it is not there.
    Absent,
    /// It is not there, but a wider one of the same trustee is, and stays.
    WiderRemains,
}

/// One entry and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entry.
    pub grant: Grant,
    /// What becomes of it.
    pub action: Action,
}

/// What becomes of each of `grants` in `list`.
pub fn plan(list: &Acl, grants: Vec<Grant>, direction: Direction) -> Vec<Change> {
    let action = |grant: &Grant| {
        let is_there = list.rules().any(|rule| *rule == grant.rule);
        // What is taken away itself covers nothing any more.
        let goes = |rule: &Rule| direction == Direction::Remove && grants.iter().any(|grant| grant.rule == *rule);
        let is_covered = list.rules().any(|rule| rule.covers(&grant.rule) && !goes(rule));
        match direction {
            Direction::Add if is_covered => Action::Present,
            Direction::Add => Action::Add,
            Direction::Remove if is_there => Action::Remove,
            Direction::Remove if is_covered => Action::WiderRemains,
            Direction::Remove => Action::Absent,
        }
    };
    let actions: Vec<_> = grants.iter().map(action).collect();
    grants.into_iter().zip(actions).map(|(grant, action)| Change { grant, action }).collect()
}

/// Whether anything has to be written.
pub fn has_work(changes: &[Change]) -> bool {
    changes.iter().any(|change| matches!(change.action, Action::Add | Action::Remove))
}

/// Carries the changes out on the list.
pub fn apply(list: &mut Acl, changes: &[Change]) {
    for Change { grant, action } in changes {
        match action {
            Action::Add => list.insert(grant.rule.clone()),
            Action::Remove => {
                list.remove(&grant.rule);
            }
            Action::Present | Action::Absent | Action::WiderRemains => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        ace::mask,
        grant::{Purpose, SELF, grants, tests::extended},
    };
    use super::*;
    use proptest::prelude::*;

    fn store() -> Vec<Grant> {
        grants(&extended(), Purpose::Store, &SELF.parse().unwrap(), true).unwrap()
    }

    fn actions(changes: &[Change]) -> Vec<Action> {
        changes.iter().map(|change| change.action).collect()
    }

    #[test]
    fn given_twice_is_given_once_and_taken_away_is_gone() {
        let mut list = Acl::default();
        let changes = plan(&list, store(), Direction::Add);
        assert_eq!(actions(&changes), [Action::Add; 5]);
        apply(&mut list, &changes);
        assert_eq!(list.aces.len(), 5);
        let again = plan(&list, store(), Direction::Add);
        assert_eq!(actions(&again), [Action::Present; 5]);
        assert!(!has_work(&again));
        let back = plan(&list, store(), Direction::Remove);
        assert_eq!(actions(&back), [Action::Remove; 5]);
        apply(&mut list, &back);
        assert_eq!(list, Acl::default());
        assert_eq!(actions(&plan(&list, store(), Direction::Remove)), [Action::Absent; 5]);
    }

    #[test]
    fn a_wider_entry_counts_and_stays() {
        let mut list = Acl::default();
        let grant = store().remove(0);
        list.insert(Rule { mask: mask::FULL_CONTROL, object: None, ..grant.rule.clone() });
        assert_eq!(actions(&plan(&list, vec![grant.clone()], Direction::Add)), [Action::Present]);
        assert_eq!(actions(&plan(&list, vec![grant.clone()], Direction::Remove)), [Action::WiderRemains]);
        // Taken away together with the wider one, nothing remains.
        let wider =
            Grant { rule: Rule { mask: mask::FULL_CONTROL, object: None, ..grant.rule.clone() }, ..grant.clone() };
        let both = plan(&list, vec![grant.clone(), wider], Direction::Remove);
        assert_eq!(actions(&both), [Action::Absent, Action::Remove]);
        // One that is inherited, holds for the object only, or for another class, does not do.
        for narrower in [
            Rule { flags: grant.rule.flags | 0x10, ..grant.rule.clone() },
            Rule { flags: 0, ..grant.rule.clone() },
            Rule { flags: grant.rule.flags | 0x04, ..grant.rule.clone() },
            Rule { mask: mask::READ_PROPERTY, ..grant.rule.clone() },
            Rule { trustee: "S-1-5-11".parse().unwrap(), ..grant.rule.clone() },
            Rule {
                object: grant
                    .rule
                    .object
                    .map(|types| super::super::ace::ObjectTypes { inherited_by: Some(uuid::Uuid::nil()), ..types }),
                ..grant.rule.clone()
            },
        ] {
            let mut list = Acl::default();
            list.insert(narrower);
            assert_eq!(actions(&plan(&list, vec![grant.clone()], Direction::Add)), [Action::Add]);
        }
    }

    proptest! {
        #[test]
        fn what_was_there_before_is_there_after(present in prop::collection::vec(any::<bool>(), 5), flags in any::<u8>()) {
            let mut list = Acl::default();
            for (grant, present) in store().into_iter().zip(present) {
                // Entries of somebody else, of any flags.
                if present {
                    list.insert(Rule { flags, trustee: "S-1-5-32-544".parse().unwrap(), ..grant.rule });
                }
            }
            let before = list.clone();
            let changes = plan(&list, store(), Direction::Add);
            apply(&mut list, &changes);
            prop_assert!(before.aces.iter().all(|ace| list.aces.contains(ace)));
            let changes = plan(&list, store(), Direction::Remove);
            apply(&mut list, &changes);
            prop_assert_eq!(list, before);
        }
    }
}

//! What about the account is kept as policy wants it, at each cycle (laps-behaviour.md 6, rotation.md 7).

use crate::policy::AutomaticAccount;

/// How the account stands. The name is not part of it: a rename waits for step 5 of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// It is uid 0, the built-in administrator.
    pub built_in: bool,
    /// No lock mark stands before the verifier.
    pub enabled: bool,
    /// Its expiry date is past.
    pub expired: bool,
    /// There is a salted verifier, locked or not: without one an account is not opened.
    pub has_verifier: bool,
    /// uid 0, or a member of the group that sudo trusts.
    pub administrator: bool,
    /// Its description is [`super::DESCRIPTION`].
    pub described: bool,
}

/// One thing about the account that is not as policy wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// It is locked or expired, and policy wants it enabled.
    Disabled,
    /// It is open (or, except for uid 0, not expired), and policy wants it disabled. Also uid 0 that has an
    /// expiry: it is never expired.
    Enabled,
    /// It is not in the group that sudo trusts.
    NotAdministrator,
    /// Its description is another one.
    Description,
}

impl Difference {
    /// A stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "was_disabled",
            Self::Enabled => "was_enabled",
            Self::NotAdministrator => "was_no_administrator",
            Self::Description => "was_described_otherwise",
        }
    }
}

/// What is to be put right, sorted; none when the account is as policy wants it.
///
/// An account without a verifier is never opened here: the next rotation, which sets one, enables it. The
/// description of the built-in administrator is left alone: it is the sender's name in its mail.
pub fn differences(wanted: &AutomaticAccount, shape: &Shape) -> Vec<Difference> {
    let enabled = shape.enabled && !shape.expired;
    let disabled = !shape.enabled && shape.expired != shape.built_in;
    let rules = [
        (Difference::Disabled, wanted.enable && !enabled && shape.has_verifier),
        (Difference::Enabled, !wanted.enable && !disabled),
        (Difference::NotAdministrator, !shape.administrator),
        (Difference::Description, !shape.built_in && !shape.described),
    ];
    rules.into_iter().filter(|(_, holds)| *holds).map(|(difference, _)| difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted(enable: bool) -> AutomaticAccount {
        AutomaticAccount { built_in: false, name_or_prefix: "adm".into(), randomize_name: false, enable }
    }

    /// What carrying out the differences makes of an account.
    fn put_right(shape: Shape, differences: &[Difference]) -> Shape {
        differences.iter().fold(shape, |shape, difference| match difference {
            Difference::Disabled => Shape { enabled: true, expired: false, ..shape },
            Difference::Enabled => Shape { enabled: false, expired: !shape.built_in, ..shape },
            Difference::NotAdministrator => Shape { administrator: true, ..shape },
            Difference::Description => Shape { described: true, ..shape },
        })
    }

    prop_compose! {
        fn shape()(built_in: bool, enabled: bool, expired: bool, has_verifier: bool, administrator: bool, described: bool)
            -> Shape {
            Shape { built_in, enabled, expired, has_verifier, administrator: administrator || built_in, described }
        }
    }

    proptest! {
        /// One round puts everything right; a second one finds nothing (rotation.md 7).
        #[test]
        fn one_round_is_enough(shape in shape(), enable: bool) {
            let wanted = wanted(enable);
            let after = put_right(shape, &differences(&wanted, &shape));
            prop_assert_eq!(differences(&wanted, &after), []);
            if !enable {
                prop_assert!(!after.enabled);
                prop_assert_eq!(after.expired, !shape.built_in, "uid 0 is never expired");
            } else if shape.has_verifier {
                prop_assert!(after.enabled && !after.expired);
            } else {
                prop_assert_eq!(after.enabled, shape.enabled, "nothing is opened without a verifier");
            }
            prop_assert!(after.administrator);
        }
    }

    #[test]
    fn the_words_of_each() {
        let open = Shape {
            built_in: false,
            enabled: true,
            expired: false,
            has_verifier: true,
            administrator: false,
            described: false,
        };
        let found = differences(&wanted(false), &open);
        assert_eq!(found, [Difference::Enabled, Difference::NotAdministrator, Difference::Description]);
        assert_eq!(found[0].as_str(), "was_enabled");
        let root = Shape { built_in: true, administrator: true, ..open };
        assert_eq!(differences(&wanted(true), &root), []);
    }
}

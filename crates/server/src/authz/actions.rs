//! A set of actions: what a role allows.

use super::Action;

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(u128);

// A bit for each action.
const _: () = assert!(Action::ALL.len() <= 128);

impl Actions {
    /// Whether an action is among them.
    pub const fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u32) != 0
    }
    /// With one more.
    #[must_use]
    pub const fn with(self, action: Action) -> Self {
        Self(self.0 | (1 << action as u32))
    }
    /// They, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL.iter().copied().filter(move |action| self.contains(*action))
    }
    /// The one that a text names, if there is one that a role may hold.
    pub fn parse(name: &str) -> Option<Action> {
        let mut known = Action::ALL.iter().copied().filter(|action| action.is_of_roles());
        known.find(|action| action.name().eq_ignore_ascii_case(name.trim()))
    }
}

impl FromIterator<Action> for Actions {
    fn from_iter<T: IntoIterator<Item = Action>>(actions: T) -> Self {
        actions.into_iter().fold(Self::default(), Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set: Actions = [Action::Rotate, Action::AuditRead].into_iter().collect();
        for action in Action::ALL {
            assert_eq!(set.contains(*action), matches!(action, Action::Rotate | Action::AuditRead));
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [Action::Rotate, Action::AuditRead]);
    }

    #[test]
    fn names_find_their_action_and_devices_keep_theirs() {
        for action in Action::ALL {
            let found = Actions::parse(&action.name().to_uppercase());
            assert_eq!(found, action.is_of_roles().then_some(*action));
        }
        assert_eq!(Actions::parse("everything"), None);
    }
}

//! Whether an account that policy has left may go (laps-behaviour.md 6, last part).

/// How an account stands as an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its uid.
    pub id: u32,
    /// It is an administrator, and a password opens it: enabled, not expired, with a shell.
    pub works: bool,
}

/// Whether the account may be deleted: never uid 0, and never the last working administrator where there is
/// one. That the agent made it is for the caller to know.
pub fn may_remove(id: u32, accounts: &[Standing]) -> bool {
    let works = accounts.iter().any(|account| account.id == id && account.works);
    id != 0 && (!works || accounts.iter().any(|account| account.id != id && account.works))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Never a moment with no working administrator where there was one; never uid 0.
        #[test]
        fn a_working_administrator_is_left(accounts in prop::collection::vec((0_u32..5, any::<bool>()), 0..8), id in 0_u32..5) {
            let accounts: Vec<_> = accounts.into_iter().map(|(id, works)| Standing { id, works }).collect();
            if may_remove(id, &accounts) {
                prop_assert!(id != 0);
                let before = accounts.iter().any(|account| account.works);
                let after = accounts.iter().any(|account| account.works && account.id != id);
                prop_assert_eq!(before, after);
            }
        }
    }

    #[test]
    fn one_that_does_not_work_may_always_go() {
        assert!(may_remove(1001, &[Standing { id: 1001, works: false }]));
        assert!(!may_remove(1001, &[Standing { id: 1001, works: true }, Standing { id: 0, works: false }]));
        assert!(may_remove(1001, &[Standing { id: 1001, works: true }, Standing { id: 0, works: true }]));
    }
}

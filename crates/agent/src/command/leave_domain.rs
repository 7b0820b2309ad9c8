//! `leave-domain`.

use super::{Failed, StateArgument, locked, print};

#[derive(Debug, clap::Args)]
pub(super) struct LeaveDomain {
    #[command(flatten)]
    state: StateArgument,
}

impl LeaveDomain {
    pub(super) fn run(self) -> Result<(), Failed> {
        let (state, _lock) = locked(&self.state.state)?;
        match state.domain()? {
            Some(domain) => {
                state.leave_domain()?;
                print(format_args!(
                    "this machine uses {} no more; the password that is stored there stays, and is no longer changed",
                    domain.domain
                ));
                Ok(())
            }
            None => Err(Failed::new("not_joined", "this machine has joined no domain").exit(4)),
        }
    }
}

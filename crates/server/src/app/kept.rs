//! Secrets that must be read again: sealed by the key provider as passwords are, and found by name.

use super::{App, Error, Result};
use crate::seal::{Sealed, SecretPlace};
use crate::store::{Answer, StoreError};
use zeroize::Zeroizing;

impl App {
    /// Seals a secret for its name and gives it to a verb of the store; seals it again when the key was retired
    /// meanwhile.
    pub(super) async fn keep<'a, T>(
        &'a self,
        name: &str,
        clear: &[u8],
        verb: impl Fn(Sealed) -> Answer<'a, T> + Send + Sync,
    ) -> Result<T> {
        let place = SecretPlace { tenant: self.tenant, name };
        let seal = || self.sealer.seal_secret(&place, clear).map_err(|error| Error::Internal(error.to_string()));
        match verb(seal()?).await {
            Err(StoreError::KeyRetired { active }) => {
                self.sealer.set_active(active);
                Ok(verb(seal()?).await?)
            }
            other => Ok(other?),
        }
    }

    /// A kept secret in clear.
    pub(super) async fn kept(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let Some(sealed) = self.store.secret(name.to_owned()).await? else {
            return Ok(None);
        };
        let place = SecretPlace { tenant: self.tenant, name };
        let clear = self.sealer.open_secret(&place, &sealed).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Some(clear))
    }
}

//! What the attribute of a password gets: the one place where a password is made ready for Active Directory
//! (laps-behaviour.md 7.3 and 7.4).

use crate::{Connection, Error, KeyCache};
use dpapi::{
    Sid,
    blob::protect,
    value::{Credential, EncryptedValue},
};
use getrandom::{SysRng, rand_core::UnwrapErr};
use laps::{
    active_directory::{Form, Placement},
    password::Password,
};

impl Connection {
    /// The value of one password: encrypted for the decryptor of its form, with the newest group key, or in clear when
    /// the form says so.
    ///
    /// # Errors
    /// Those of [`Connection::group_key`]; [`Error::NotEncrypted`].
    pub async fn value(
        &mut self,
        keys: &mut KeyCache,
        placement: &Placement,
        account: &str,
        password: &Password,
    ) -> Result<Vec<u8>, Error> {
        let updated_at = placement.written_at;
        let credential = Credential {
            account: account.to_owned(),
            updated_at,
            password: Password::new(password.reveal().to_owned()),
        };
        let decryptor = match &placement.form {
            Form::Encrypted { decryptor } | Form::Dsrm { decryptor } => decryptor,
            Form::Clear => return Ok(credential.to_json().as_bytes().to_vec()),
            // The bare password (laps-behaviour.md 2.5).
            Form::Legacy => return Ok(password.reveal().as_bytes().to_vec()),
        };
        let failed = |detail: String| Error::NotEncrypted { detail };
        let sid: Sid = decryptor.parse().map_err(|_| failed(format!("{decryptor} is not a SID")))?;
        // The system's generator is tried first: the infallible form of it would panic.
        getrandom::fill(&mut [0; 1]).map_err(|error| failed(error.to_string()))?;
        let envelope = keys.newest(self, &sid, updated_at).await?;
        let blob = protect(&credential.to_clear(), &sid, &envelope, &mut UnwrapErr(SysRng))
            .map_err(|error| failed(error.to_string()))?
            .to_bytes();
        Ok(EncryptedValue { updated_at, blob: &blob }.to_bytes())
    }
}

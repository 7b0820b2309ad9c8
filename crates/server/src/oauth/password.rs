//! Passwords of people: Argon2id (RFC 9106), 19 MiB, two passes; few at a time.

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use proto::oauth::Secret;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Shortest password that a person may choose, characters.
pub const CHARS_MIN: usize = 12;
/// Longest, bytes: longer ones would only feed the hash.
pub const BYTES_MAX: usize = 256;

/// Why a password was not taken, or could not be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("choose a password of at least {CHARS_MIN} characters")]
    TooShort,
    /// Too long.
    #[error("choose a password of at most {BYTES_MAX} bytes")]
    TooLong,
    /// The sign-in name, or one character again and again.
    #[error("choose a password that is not your name and not one character repeated")]
    TooSimple,
    /// The two entries differ.
    #[error("the two entries of the new password differ")]
    Different,
    /// Too many people sign in at this moment.
    #[error("the server is busy; try again in a moment")]
    Busy,
    /// The hash could not be made.
    #[error("the password could not be hashed")]
    Failed,
}

/// Hashes and checks passwords, at most a few at a time and with a short queue.
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    queued: Arc<Semaphore>,
}

/// A place in the queue of [`Passwords`].
pub struct Turn {
    running: Arc<Semaphore>,
    _queued: OwnedSemaphorePermit,
}

impl Passwords {
    /// `parallel`: hashes at the same time, each with 19 MiB and one core. Eight times as many wait.
    pub fn new(parallel: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(parallel)), queued: Arc::new(Semaphore::new(parallel * 9)) }
    }

    /// Whether a password that a person chose is good enough.
    pub fn fit(password: &Secret, user_name: &str) -> Result<(), PasswordError> {
        let text = password.reveal();
        if text.chars().count() < CHARS_MIN {
            return Err(PasswordError::TooShort);
        }
        if text.len() > BYTES_MAX {
            return Err(PasswordError::TooLong);
        }
        let first = text.chars().next();
        if text.chars().all(|c| Some(c) == first) || text.eq_ignore_ascii_case(user_name) {
            return Err(PasswordError::TooSimple);
        }
        Ok(())
    }

    /// The PHC string of a password; `salt` is fresh and random.
    pub async fn hash(&self, password: &Secret, salt: [u8; 16]) -> Result<String, PasswordError> {
        let password = password.clone();
        let hash = move || {
            argon2()
                .and_then(|argon2| argon2.hash_password_with_salt(password.reveal().as_bytes(), &salt).ok())
                .map(|hash: PasswordHash| hash.to_string())
        };
        self.turn()?.work(hash).await?.ok_or(PasswordError::Failed)
    }

    /// A place in the queue, before a guess is counted: who finds the server busy has not guessed.
    pub fn turn(&self) -> Result<Turn, PasswordError> {
        let queued = Arc::clone(&self.queued).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        Ok(Turn { running: Arc::clone(&self.running), _queued: queued })
    }
}

impl Turn {
    /// Whether a password is the one of a PHC string. Without a string the same work is done and the
    /// answer is no, so that time does not tell whether a user exists.
    pub async fn check(self, password: &Secret, stored: Option<&str>) -> Result<bool, PasswordError> {
        let password = password.clone();
        let stored = stored.map(str::to_owned);
        self.work(move || {
            let bytes = password.reveal().as_bytes();
            let bytes = &bytes[..bytes.len().min(BYTES_MAX + 1)];
            match stored.as_deref().map(PasswordHash::new) {
                Some(Ok(hash)) => argon2().is_some_and(|argon2| argon2.verify_password(bytes, &hash).is_ok()),
                _ => {
                    let _: Option<PasswordHash> =
                        argon2().and_then(|argon2| argon2.hash_password_with_salt(bytes, &[0; 16]).ok());
                    false
                }
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        tokio::task::spawn_blocking(move || {
            let _running = running;
            work()
        })
        .await
        .map_err(|_| PasswordError::Failed)
    }
}

fn argon2() -> Option<Argon2<'static>> {
    // OWASP's and RFC 9106's smaller choice: 19 MiB, two passes, one lane
    let params = Params::new(19 * 1024, 2, 1, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_wrong_and_missing() {
        let passwords = Passwords::new(1);
        let secret = |text: &str| Secret::new(text.into());
        let hash = passwords.hash(&secret("correct horse battery"), [7; 16]).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let check = async |text: &str, stored: Option<&str>| {
            passwords.turn().unwrap().check(&secret(text), stored).await.unwrap()
        };
        assert!(check("correct horse battery", Some(&hash)).await);
        for (text, stored) in [("correct horse batterz", Some(hash.as_str())), ("x", None), ("x", Some("no hash"))] {
            assert!(!check(text, stored).await);
        }
    }

    #[test]
    fn what_people_may_choose() {
        let fit = |text: &str| Passwords::fit(&Secret::new(text.into()), "administrator");
        assert_eq!(fit("short"), Err(PasswordError::TooShort));
        assert_eq!(fit("aaaaaaaaaaaaaaaa"), Err(PasswordError::TooSimple));
        assert_eq!(fit("Administrator"), Err(PasswordError::TooSimple));
        assert_eq!(fit(&"ab".repeat(200)), Err(PasswordError::TooLong));
        assert_eq!(fit("a long enough phrase"), Ok(()));
    }
}

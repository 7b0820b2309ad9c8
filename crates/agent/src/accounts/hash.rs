//! Making a verifier: a crypt(5) string with a fresh salt.

use super::method::Method;
use super::verifier::Verifier;
use laps::password::Password;
use rand_core::CryptoRng;
use sha_crypt::{Algorithm, ShaCrypt};
use yescrypt::CustomizedPasswordHasher as _;
use yescrypt::{Mode, Yescrypt};
use zeroize::Zeroizing;

/// Bytes of salt for yescrypt: 128 bits, as libxcrypt draws.
const SALT_YESCRYPT_BYTES: usize = 16;
/// Bytes of salt for SHA-crypt: 96 bits fill the 16 characters that the format has.
const SALT_SHA_BYTES: usize = 12;

/// A hash that could not be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password hash could not be computed; the cost set on this machine is out of range")]
pub struct HashError;

/// Hashes a password with a salt of at least 96 fresh bits from `rng` (rotation.md 2, step 2).
pub fn hash(password: &Password, method: Method, rng: &mut impl CryptoRng) -> Result<Verifier, HashError> {
    let secret = password.reveal().as_bytes();
    let mut salt = Zeroizing::new([0_u8; SALT_YESCRYPT_BYTES]);
    rng.fill_bytes(salt.as_mut_slice());
    let sha = |algorithm, rounds: Option<u32>| {
        let params = match rounds {
            Some(rounds) => sha_crypt::Params::new(rounds).map_err(|_| HashError)?,
            None => sha_crypt::Params::default(),
        };
        let text = ShaCrypt::new(algorithm, params)
            .hash_password_customized(secret, &salt[..SALT_SHA_BYTES], None, None, params)
            .map_err(|_| HashError)?
            .as_str()
            .to_owned();
        // passwd writes no rounds when the default is meant; the hash is the same.
        Ok(if rounds.is_none() { text.replacen("rounds=5000$", "", 1) } else { text })
    };
    let text = match method {
        Method::Sha512 { rounds } => sha(Algorithm::Sha512Crypt, rounds)?,
        Method::Sha256 { rounds } => sha(Algorithm::Sha256Crypt, rounds)?,
        Method::Yescrypt { cost } => {
            // The table of libxcrypt's crypt_gensalt(3): block size and N by cost factor.
            let (n_log2, r) = match cost {
                1 | 2 => (cost + 9, 8),
                3..=11 => (cost + 7, 32),
                _ => return Err(HashError),
            };
            let params = yescrypt::Params::new(Mode::Rw, 1 << n_log2, r, 1).map_err(|_| HashError)?;
            Yescrypt::from(params)
                .hash_password_customized(secret, salt.as_slice(), None, None, params)
                .map_err(|_| HashError)?
                .as_str()
                .to_owned()
        }
    };
    Verifier::new(text).map_err(|_| HashError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    fn text(method: Method, seed: u64) -> String {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        hash(&Password::new("Example-1".into()), method, &mut rng).unwrap().as_str().to_owned()
    }

    /// Prefixes as crypt_gensalt(3) of libxcrypt 4.4 gives them for these costs.
    #[test]
    fn yescrypt_settings_are_those_of_libxcrypt() {
        for (cost, prefix) in [(1, "$y$j75$"), (2, "$y$j85$"), (3, "$y$j7T$"), (5, "$y$j9T$"), (6, "$y$jAT$")] {
            assert!(text(Method::Yescrypt { cost }, 1).starts_with(prefix), "{cost}");
        }
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(hash(&Password::new("x".into()), Method::Yescrypt { cost: 12 }, &mut rng), Err(HashError));
    }

    #[test]
    fn salts_are_fresh_and_at_least_96_bits() {
        for method in
            [Method::Yescrypt { cost: 1 }, Method::Sha512 { rounds: None }, Method::Sha256 { rounds: Some(1_000) }]
        {
            let salt = |text: &str| {
                let mut parts = text.rsplit('$');
                parts.next();
                parts.next().unwrap_or_default().to_owned()
            };
            let (one, two) = (salt(&text(method, 1)), salt(&text(method, 2)));
            assert_ne!(one, two);
            assert!(one.len() * 6 >= 96, "{one}");
        }
    }

    #[test]
    fn rounds_are_written_only_when_they_were_asked_for() {
        assert!(!text(Method::Sha512 { rounds: None }, 1).contains("rounds"));
        assert!(text(Method::Sha512 { rounds: Some(5_000) }, 1).starts_with("$6$rounds=5000$"));
    }
}

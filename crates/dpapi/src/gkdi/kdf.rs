//! The two key derivation functions (laps-behaviour.md 7.8).

use super::{ParameterError, shown};
use crate::reader::{FormatError, Reader, length_u32, wide};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;
use zeroize::Zeroize as _;

/// The one key derivation function of root keys.
pub(crate) const KDF_NAME: &str = "SP800_108_CTR_HMAC";

/// The hash that a root key names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-1, only as old root keys may name it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512, the default.
    Sha512,
}

impl Hash {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// Its name in key derivation parameters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
        }
    }

    /// From KDFParameters (MS-GKDI 2.2.1). They are optional in root keys and envelopes (2.2.4): none are SHA-256, as
    /// Samba reads them.
    ///
    /// # Errors
    /// [`ParameterError::Format`] and [`ParameterError::HashUnknown`].
    pub fn from_parameters(bytes: &[u8]) -> Result<Self, ParameterError> {
        if bytes.is_empty() {
            return Ok(Self::Sha256);
        }
        let name = hash_name(bytes)?;
        Self::ALL.into_iter().find(|hash| hash.name() == name).ok_or_else(|| ParameterError::HashUnknown(shown(&name)))
    }

    /// As KDFParameters (MS-GKDI 2.2.1).
    pub fn to_parameters(self) -> Vec<u8> {
        let name = wide(self.name());
        let mut bytes = vec![0, 0, 0, 0, 1, 0, 0, 0];
        bytes.extend_from_slice(&length_u32(&name).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&name);
        bytes
    }

    /// SP 800-108 in counter mode with the label `KDS service`: fills `out` from `key` and the parts of the context.
    pub(crate) fn derive(self, key: &[u8], context: &[&[u8]], out: &mut [u8]) {
        match self {
            Self::Sha1 => counter::<Hmac<sha1::Sha1>>(key, context, out),
            Self::Sha256 => counter::<Hmac<sha2::Sha256>>(key, context, out),
            Self::Sha384 => counter::<Hmac<sha2::Sha384>>(key, context, out),
            Self::Sha512 => counter::<Hmac<sha2::Sha512>>(key, context, out),
        }
    }

    /// The single step of SP 800-56A over an agreed secret: as many bytes as the hash gives.
    pub(crate) fn concatenate(self, secret: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(match self {
            Self::Sha1 => one_step::<sha1::Sha1>(secret),
            Self::Sha256 => one_step::<sha2::Sha256>(secret),
            Self::Sha384 => one_step::<sha2::Sha384>(secret),
            Self::Sha512 => one_step::<sha2::Sha512>(secret),
        })
    }
}

fn hash_name(bytes: &[u8]) -> Result<String, FormatError> {
    let mut reader = Reader::new("key derivation parameters", bytes);
    reader.exactly(&[0, 0, 0, 0, 1, 0, 0, 0], "00000000 01000000")?;
    let length = reader.length("the length of the hash name")?;
    reader.exactly(&[0; 4], "00000000")?;
    let name = reader.wide(length, "the hash name in UTF-16LE with a NUL")?;
    reader.finish()?;
    Ok(name)
}

fn counter<M: Mac + KeyInit>(key: &[u8], context: &[&[u8]], out: &mut [u8]) {
    let label = wide("KDS service");
    let bits = length_u32(out).saturating_mul(8).to_be_bytes();
    let block_bytes = M::output_size();
    for (number, block) in (1_u32..).zip(out.chunks_mut(block_bytes)) {
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { unreachable!("HMAC takes keys of any length") };
        mac.update(&number.to_be_bytes());
        mac.update(&label);
        mac.update(&[0]);
        for part in context {
            mac.update(part);
        }
        mac.update(&bits);
        let mut bytes = mac.finalize().into_bytes();
        let filled = bytes.iter().zip(block).map(|(from, to)| *to = *from).count();
        debug_assert!(filled > 0);
        bytes.as_mut_slice().zeroize();
    }
}

/// H(00000001 || Z || other info). The name of the hash in the other info is always SHA512 (laps-behaviour.md 7.8).
fn one_step<D: Digest>(secret: &[u8]) -> Vec<u8> {
    let mut hash = D::new();
    hash.update([0, 0, 0, 1]);
    hash.update(secret);
    hash.update(wide("SHA512"));
    hash.update(wide("KDS public key"));
    hash.update(wide("KDS service"));
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_both_ways_and_an_unknown_hash_is_named() {
        for hash in Hash::ALL {
            assert_eq!(Hash::from_parameters(&hash.to_parameters()), Ok(hash));
        }
        let published = b"\0\0\0\0\x01\0\0\0\x0e\0\0\0\0\0\0\0S\0H\0A\x005\x001\x002\0\0\0";
        assert_eq!(Hash::Sha512.to_parameters(), published);
        let mut md5 = vec![0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0];
        md5.extend(wide("MD5"));
        assert_eq!(Hash::from_parameters(&md5), Err(ParameterError::HashUnknown("MD5".into())));
        assert_eq!(Hash::from_parameters(&[]), Ok(Hash::Sha256));
        for end in 1..published.len() {
            assert!(matches!(Hash::from_parameters(&published[..end]), Err(ParameterError::Format(_))));
        }
    }
}

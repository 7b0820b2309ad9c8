//! Agreeing a key with a group: the four methods that a root key can name.

use super::{
    Curve, DhGroup, Hash, ParameterError,
    dh::{DhExponent, DhPublicKey, NUMBER_BITS},
    ecdh::{EcPublicKey, EcScalar},
    shown,
};
use crate::reader::FormatError;
use core::fmt;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Below this a private key could be searched for.
const PRIVATE_KEY_BITS_MIN: u32 = 160;

/// The method of a root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Finite-field Diffie-Hellman with 2048 bits, the default.
    Dh(DhGroup),
    /// ECDH.
    Ecdh(Curve),
}

impl Method {
    /// Its name (MS-GKDI 2.2.4).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dh(_) => "DH",
            Self::Ecdh(Curve::P256) => "ECDH_P256",
            Self::Ecdh(Curve::P384) => "ECDH_P384",
            Self::Ecdh(Curve::P521) => "ECDH_P521",
        }
    }
    /// The hash that is drawn over the agreed secret (laps-behaviour.md 7.8).
    pub(crate) fn hash(&self) -> Hash {
        match self {
            Self::Dh(_) | Self::Ecdh(Curve::P256) => Hash::Sha256,
            Self::Ecdh(Curve::P384) => Hash::Sha384,
            Self::Ecdh(Curve::P521) => Hash::Sha512,
        }
    }
}

/// The method with its lengths of key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    method: Method,
    private_key_bits: u32,
    public_key_bits: u32,
}

/// Why no key was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgreementError {
    /// The public key is of another group or curve than the root key names.
    #[error("the public key is of another kind than its root key names: expected {expected}")]
    OtherKind {
        /// The name of the method.
        expected: &'static str,
    },
    /// The derived private key is 0 or not below the order of the curve.
    #[error("the group's private key is no number below the order of {curve}: the root key's key length does not fit")]
    ScalarOutOfRange {
        /// The name of the method.
        curve: &'static str,
    },
}

impl Agreement {
    /// The default of a root key: DH in the group of RFC 5114 2.3, 512 and 2048 bits.
    pub fn usual() -> Self {
        Self { method: Method::Dh(DhGroup::rfc_5114()), private_key_bits: 512, public_key_bits: 2048 }
    }

    /// A method with its lengths of key, in bits.
    ///
    /// # Errors
    /// [`ParameterError::LengthImpossible`] for a private key that the method cannot have, or a DH public key of
    /// other than 2048 bits.
    pub fn new(method: Method, private_key_bits: u32, public_key_bits: u32) -> Result<Self, ParameterError> {
        let impossible = |what, bits| ParameterError::LengthImpossible { what, bits, agreement: method.name() };
        let private_max = match &method {
            Method::Dh(_) => NUMBER_BITS,
            Method::Ecdh(curve) => curve.bits(),
        };
        if !(PRIVATE_KEY_BITS_MIN..=private_max).contains(&private_key_bits) {
            return Err(impossible("private key", private_key_bits));
        }
        if matches!(method, Method::Dh(_)) && public_key_bits != NUMBER_BITS {
            return Err(impossible("public key", public_key_bits));
        }
        Ok(Self { method, private_key_bits, public_key_bits })
    }

    /// From a name and FFCDHParameters (which curves do not have), as root keys and envelopes hold them.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn from_parameters(
        name: &str,
        parameters: &[u8],
        private_key_bits: u32,
        public_key_bits: u32,
    ) -> Result<Self, ParameterError> {
        let method = match name {
            "DH" => Method::Dh(DhGroup::from_parameters(parameters)?),
            "ECDH_P256" => Method::Ecdh(Curve::P256),
            "ECDH_P384" => Method::Ecdh(Curve::P384),
            "ECDH_P521" => Method::Ecdh(Curve::P521),
            other => return Err(ParameterError::AgreementUnknown(shown(other))),
        };
        Self::new(method, private_key_bits, public_key_bits)
    }
    /// FFCDHParameters for DH, nothing for a curve.
    pub fn to_parameters(&self) -> Vec<u8> {
        match &self.method {
            Method::Dh(group) => group.to_parameters(),
            Method::Ecdh(_) => Vec::new(),
        }
    }
    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }
    /// Length of private keys, bits.
    pub fn private_key_bits(&self) -> u32 {
        self.private_key_bits
    }
    /// Length of public keys, bits.
    pub fn public_key_bits(&self) -> u32 {
        self.public_key_bits
    }
    pub(crate) fn private_key_bytes(&self) -> usize {
        self.private_key_bits.div_ceil(8) as usize
    }

    /// A private key from big-endian bytes.
    pub(crate) fn private_key(&self, bytes: &[u8]) -> Result<PrivateKey, AgreementError> {
        let key = match &self.method {
            Method::Dh(group) => DhExponent::new(bytes).map(|exponent| Kind::Dh(group.clone(), exponent)),
            Method::Ecdh(curve) => EcScalar::new(*curve, bytes).map(Kind::Ecdh),
        };
        key.map(PrivateKey).ok_or(AgreementError::ScalarOutOfRange { curve: self.method.name() })
    }

    /// A new private key, as long as the root key says.
    pub fn generate<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> PrivateKey {
        let mut bytes = Zeroizing::new(vec![0; self.private_key_bytes()]);
        // Bits above the length, which only P-521 has.
        let spare = self.private_key_bits.next_multiple_of(8).saturating_sub(self.private_key_bits);
        loop {
            rng.fill_bytes(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first &= 0xff >> spare;
            }
            // Of a curve, the rare number that is not below the order is drawn again.
            if let Ok(key) = self.private_key(&bytes) {
                return key;
            }
        }
    }
}

/// A public key: the group's in an envelope, the encryptor's in a key identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// Of a finite field.
    Dh(Box<DhPublicKey>),
    /// Of a curve.
    Ecdh(EcPublicKey),
}

impl PublicKey {
    /// From FFCDHKey or ECDHKey (MS-GKDI 2.2.3), which begin differently.
    ///
    /// A point must lie on its curve, whose order is prime; a number must be from 2 to p-2. That a number lies in the
    /// subgroup of prime order is not checked: docs/design/group-keys.md says why.
    ///
    /// # Errors
    /// [`FormatError`], also for a number outside the group and a point beside the curve.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.starts_with(b"ECK") {
            return EcPublicKey::from_bytes(bytes).map(Self::Ecdh);
        }
        DhPublicKey::from_bytes(bytes).map(|key| Self::Dh(Box::new(key)))
    }
    /// As FFCDHKey or ECDHKey (MS-GKDI 2.2.3).
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Dh(key) => key.to_bytes(),
            Self::Ecdh(key) => key.to_bytes(),
        }
    }
}

/// A private key; wiped when dropped.
#[derive(Clone)]
pub struct PrivateKey(Kind);

#[derive(Clone)]
enum Kind {
    Dh(DhGroup, DhExponent),
    Ecdh(EcScalar),
}

impl PrivateKey {
    /// The name of the method that it is for.
    fn method_name(&self) -> &'static str {
        match &self.0 {
            Kind::Dh(..) => "DH in the same group",
            Kind::Ecdh(scalar) => Method::Ecdh(scalar.curve()).name(),
        }
    }
    /// Its public key.
    ///
    /// # Errors
    /// None for a key that was made by this crate.
    pub fn public_key(&self) -> Result<PublicKey, AgreementError> {
        match &self.0 {
            Kind::Dh(group, exponent) => Ok(PublicKey::Dh(Box::new(group.public_key(exponent)))),
            Kind::Ecdh(scalar) => scalar.public_key().map(PublicKey::Ecdh).ok_or_else(|| self.out_of_range()),
        }
    }
    /// The secret shared with the owner of `peer`, big-endian, as long as the field's numbers.
    ///
    /// # Errors
    /// [`AgreementError::OtherKind`] when the peer's key is of another group or curve.
    pub fn agree(&self, peer: &PublicKey) -> Result<Zeroizing<Vec<u8>>, AgreementError> {
        let other = AgreementError::OtherKind { expected: self.method_name() };
        match (&self.0, peer) {
            (Kind::Dh(group, exponent), PublicKey::Dh(peer)) if peer.group() == group => Ok(peer.agree(exponent)),
            (Kind::Ecdh(scalar), PublicKey::Ecdh(peer)) => scalar.agree(peer).ok_or(other),
            _ => Err(other),
        }
    }
    fn out_of_range(&self) -> AgreementError {
        AgreementError::ScalarOutOfRange { curve: self.method_name() }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(redacted)")
    }
}

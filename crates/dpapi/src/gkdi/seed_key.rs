//! From the L1 and L2 keys of one interval to the group keys of it and of every earlier one.

use super::{Agreement, AgreementError, Hash, Kek, KeyBytes, KeyIndex, PrivateKey, PublicKey};
use crate::reader::wide;
use core::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What all keys below one root key share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParameters {
    /// The root key.
    pub root_key_id: Uuid,
    /// The hash of the key derivation.
    pub hash: Hash,
    /// How keys are agreed in the public-key form.
    pub agreement: Agreement,
}

impl KeyParameters {
    /// A step down: `KDF(key, root key id || L0 || L1 || L2 || bound, 64)`, -1 for levels that are not given.
    pub(crate) fn step(&self, key: &[u8], l0: u32, l1: Option<u8>, l2: Option<u8>, bound: &[u8]) -> KeyBytes {
        let level = |index: Option<u8>| index.map_or([0xff; 4], |index| u32::from(index).to_le_bytes());
        let mut out = KeyBytes::new([0; 64]);
        let id = self.root_key_id.to_bytes_le();
        self.hash.derive(key, &[&id, &l0.to_le_bytes(), &level(l1), &level(l2), bound], out.as_mut_slice());
        out
    }

    /// The L1 key of `to` from the one of `from`, which is not before it.
    pub(crate) fn l1_down(&self, l0: u32, mut key: KeyBytes, from: u8, to: u8) -> KeyBytes {
        for l1 in (to..from).rev() {
            key = self.step(key.as_slice(), l0, Some(l1), None, &[]);
        }
        key
    }

    /// The L2 key (`l1`, `to`) from the one of (`l1`, `from`), which is not before it.
    fn l2_down(&self, l0: u32, l1: u8, mut key: KeyBytes, from: u8, to: u8) -> KeyBytes {
        for l2 in (to..from).rev() {
            key = self.step(key.as_slice(), l0, Some(l1), Some(l2), &[]);
        }
        key
    }

    /// The L2 key (`l1`, 31) from the L1 key.
    pub(crate) fn last_l2(&self, l0: u32, l1: u8, l1_key: &KeyBytes) -> KeyBytes {
        self.step(l1_key.as_slice(), l0, Some(l1), Some(31), &[])
    }
}

/// The keys of an interval as a domain controller gives them to those who may decrypt (MS-GKDI 2.2.4): from them
/// follow the group keys of the interval and of all earlier ones of the same L0, never a later one.
#[derive(Clone)]
pub struct SeedKey {
    pub(crate) parameters: KeyParameters,
    pub(crate) index: KeyIndex,
    /// Of L1 when L2 is 31, else of the L1 before it.
    pub(crate) l1: Option<KeyBytes>,
    /// Of L1 and L2.
    pub(crate) l2: Option<KeyBytes>,
}

/// Why a group key does not follow from the keys at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// It belongs to another root key.
    #[error("the key belongs to root key {wanted}, at hand is {at_hand}: ask for that root key")]
    OtherRootKey {
        /// What is wanted.
        wanted: Uuid,
        /// What is at hand.
        at_hand: Uuid,
    },
    /// It is later, or of another L0.
    #[error("the key of {wanted} does not follow from the keys of {at_hand}: ask for that interval")]
    OutOfReach {
        /// What is wanted.
        wanted: KeyIndex,
        /// What is at hand.
        at_hand: KeyIndex,
    },
}

impl SeedKey {
    /// What the key belongs to.
    pub fn parameters(&self) -> &KeyParameters {
        &self.parameters
    }
    /// The newest interval that it reaches.
    pub fn index(&self) -> KeyIndex {
        self.index
    }

    /// The group key of an interval of a root key.
    ///
    /// # Errors
    /// [`WalkError`] when it does not follow from this key.
    pub fn group_key(&self, root_key_id: Uuid, wanted: KeyIndex) -> Result<GroupKey, WalkError> {
        if root_key_id != self.parameters.root_key_id {
            return Err(WalkError::OtherRootKey { wanted: root_key_id, at_hand: self.parameters.root_key_id });
        }
        let key = self.l2_key(wanted).ok_or(WalkError::OutOfReach { wanted, at_hand: self.index })?;
        Ok(GroupKey { parameters: self.parameters.clone(), index: wanted, key })
    }

    pub(super) fn l2_key(&self, wanted: KeyIndex) -> Option<KeyBytes> {
        let (at_hand, l0) = (self.index, wanted.l0());
        if l0 != at_hand.l0() || wanted > at_hand {
            return None;
        }
        if wanted.l1() == at_hand.l1()
            && let Some(key) = &self.l2
        {
            return Some(self.parameters.l2_down(l0, wanted.l1(), key.clone(), at_hand.l2(), wanted.l2()));
        }
        // The L1 key is of this L1 only at its last L2.
        let from = if at_hand.l2() == 31 { Some(at_hand.l1()) } else { at_hand.l1().checked_sub(1) };
        let from = from.filter(|from| wanted.l1() <= *from)?;
        let l1_key = self.parameters.l1_down(l0, self.l1.clone()?, from, wanted.l1());
        let last = self.parameters.last_l2(l0, wanted.l1(), &l1_key);
        Some(self.parameters.l2_down(l0, wanted.l1(), last, 31, wanted.l2()))
    }
}

impl fmt::Debug for SeedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SeedKey({} {}, redacted)", self.parameters.root_key_id, self.index)
    }
}

/// The group key of one interval: the L2 key.
#[derive(Clone)]
pub struct GroupKey {
    parameters: KeyParameters,
    index: KeyIndex,
    key: KeyBytes,
}

impl GroupKey {
    /// The interval.
    pub fn index(&self) -> KeyIndex {
        self.index
    }
    /// The key-encryption key of the seed form.
    pub fn kek_of_nonce(&self, nonce: &[u8; 32]) -> Kek {
        kek(&self.parameters, self.key.as_slice(), nonce)
    }
    /// The private key of the public-key form, of which the domain controller gives the public one to everybody.
    ///
    /// # Errors
    /// [`AgreementError::ScalarOutOfRange`] when the derived number is no key of the curve.
    pub fn private_key(&self) -> Result<PrivateKey, AgreementError> {
        let mut bytes = Zeroizing::new(vec![0; self.parameters.agreement.private_key_bytes()]);
        let name = wide(self.parameters.agreement.method().name());
        self.parameters.hash.derive(self.key.as_slice(), &[&name], &mut bytes);
        self.parameters.agreement.private_key(&bytes)
    }
    /// The key-encryption key of the public-key form, from the public key that the encryptor left.
    ///
    /// # Errors
    /// [`AgreementError`] when that key is of another group or curve.
    pub fn kek_of_public_key(&self, encryptor: &PublicKey) -> Result<Kek, AgreementError> {
        let secret = self.private_key()?.agree(encryptor)?;
        Ok(kek_of_secret(&self.parameters, &secret))
    }
    /// The 64 bytes, for the known answers of the tests.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &KeyBytes {
        &self.key
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupKey({} {}, redacted)", self.parameters.root_key_id, self.index)
    }
}

/// The key-encryption key of an agreed secret (laps-behaviour.md 7.8, public form 5 and 6).
pub(crate) fn kek_of_secret(parameters: &KeyParameters, secret: &[u8]) -> Kek {
    let key = parameters.agreement.method().hash().concatenate(secret);
    kek(parameters, &key, &wide("KDS public key"))
}

fn kek(parameters: &KeyParameters, key: &[u8], context: &[u8]) -> Kek {
    let mut kek = Kek::default();
    parameters.hash.derive(key, &[context], kek.as_mut_slice());
    kek
}

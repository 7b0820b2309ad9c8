//! The root key of a forest (`msKds-ProvRootKey`), for those who may read it: recovery tools, and tests.

use super::{
    Agreement, EnvelopeKey, GroupKeyEnvelope, Hash, KeyBytes, KeyIndex, KeyParameters, ParameterError, SeedKey,
    AgreementError, kdf::KDF_NAME, shown,
};
use core::fmt;
use uuid::Uuid;

/// A root key.
#[derive(Clone)]
pub struct RootKey {
    parameters: KeyParameters,
    data: KeyBytes,
}

impl RootKey {
    /// From what its object holds (laps-behaviour.md 7.9): key derivation algorithm, the bytes of
    /// `msKds-RootKeyData`, and the parameters as they were read with [`Hash::from_parameters`] and
    /// [`Agreement::from_parameters`].
    ///
    /// # Errors
    /// [`ParameterError::KdfUnknown`].
    pub fn new(
        id: Uuid,
        kdf_algorithm: &str,
        hash: Hash,
        agreement: Agreement,
        data: KeyBytes,
    ) -> Result<Self, ParameterError> {
        if kdf_algorithm != KDF_NAME {
            return Err(ParameterError::KdfUnknown(shown(kdf_algorithm)));
        }
        Ok(Self { parameters: KeyParameters { root_key_id: id, hash, agreement }, data })
    }
    /// Its id and what goes with it.
    pub fn parameters(&self) -> &KeyParameters {
        &self.parameters
    }

    /// The seed key of an interval, bound to a security descriptor ([`crate::target_descriptor`]).
    pub fn seed_key(&self, descriptor: &[u8], index: KeyIndex) -> SeedKey {
        let (parameters, l0) = (&self.parameters, index.l0());
        let first = parameters.step(self.data.as_slice(), l0, None, None, &[]);
        let newest = parameters.step(first.as_slice(), l0, Some(31), None, descriptor);
        let l1_key = parameters.l1_down(l0, newest, 31, index.l1());
        let whole = SeedKey {
            parameters: parameters.clone(),
            // The L1 key reaches to the last L2 of its L1.
            index: index.last_of_l1(),
            l1: Some(l1_key.clone()),
            l2: Some(parameters.last_l2(l0, index.l1(), &l1_key)),
        };
        let l2 = whole.l2_key(index);
        let l1 = match (index.l2(), index.l1().checked_sub(1)) {
            (31, _) => Some(l1_key),
            (_, Some(before)) => Some(parameters.l1_down(l0, l1_key, index.l1(), before)),
            (_, None) => None,
        };
        SeedKey { parameters: parameters.clone(), index, l1, l2 }
    }

    /// What a domain controller answers to somebody who may decrypt.
    pub fn seed_envelope(&self, descriptor: &[u8], index: KeyIndex, domain: &str, forest: &str) -> GroupKeyEnvelope {
        let seed = self.seed_key(descriptor, index);
        self.envelope(index, EnvelopeKey::Seed { l1: seed.l1, l2: seed.l2 }, domain, forest)
    }

    /// What a domain controller answers to everybody else.
    ///
    /// # Errors
    /// [`AgreementError::ScalarOutOfRange`] when the derived number is no key of the curve.
    pub fn public_envelope(
        &self,
        descriptor: &[u8],
        index: KeyIndex,
        domain: &str,
        forest: &str,
    ) -> Result<GroupKeyEnvelope, AgreementError> {
        let seed = self.seed_key(descriptor, index);
        let Ok(group_key) = seed.group_key(self.parameters.root_key_id, index) else {
            unreachable!("a seed key holds the group key of its own interval")
        };
        let public_key = group_key.private_key()?.public_key()?;
        Ok(self.envelope(index, EnvelopeKey::Public(public_key), domain, forest))
    }

    fn envelope(&self, index: KeyIndex, key: EnvelopeKey, domain: &str, forest: &str) -> GroupKeyEnvelope {
        GroupKeyEnvelope {
            parameters: self.parameters.clone(),
            index,
            for_encryption: true,
            domain: domain.to_owned(),
            forest: forest.to_owned(),
            key,
        }
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({}, redacted)", self.parameters.root_key_id)
    }
}

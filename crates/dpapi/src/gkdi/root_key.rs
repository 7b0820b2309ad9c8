//! The root key of a forest (`msKds-ProvRootKey`), for those who may read it: recovery tools, and tests.

use super::{
    Agreement, AgreementError, EnvelopeKey, GroupKeyEnvelope, Hash, KeyBytes, KeyIndex, KeyParameters, ParameterError,
    SeedKey, kdf::KDF_NAME, shown,
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

/// The known answers of laps-behaviour.md 7.11.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gkdi::{Curve, Method, PublicKey},
        target_descriptor,
    };
    use sha2::{Digest as _, Sha256};
    use zeroize::Zeroizing;

    const L0: &str = "6621ccb55810460e4c0a6578d0744bd35f0c8e098de2173f5027a3a8b118764537f755d3ca26ce9b1eba65e825e4839208618177feb6400cbcadcb3b5f2d1255";
    const L1_31: &str = "e10ab3dcc8181f6a4cd054aeef127b97f6470557cbbe16c33adc819d1d50574b498a04c25312ded8a6fdf084d53cc49b53155cc54f3c6d0f47bf62e5a3831879";
    const L1_17: &str = "090956635ce7df462955d2512d43063d0245e342a41d5d4a42adfe132713c67f7d369cdb46000ad9b55acf7c8ccc1ef379efba317d27d9f367c77f8bcf8bbc61";
    const L2: &str = "ec358bd668431deefddce7554b958d368c1a53c79fd364f9fd520d3cb9240647f5c6622c6cb32bfa80c65e35cfae2e9703f231adff6a1160bc207108cec6fbfa";
    const DESCRIPTOR: &str = "010004805400000060000000000000001400000002004000020000000000240003000000010500000000000515000000c7353a428e6b748455a1aec6000200000000140002000000010100000000000100000000010100000000000512000000010100000000000512000000";

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
    }
    fn root_key(agreement: Agreement) -> RootKey {
        let data = Zeroizing::new(core::array::from_fn(|at| at as u8));
        let id = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
        RootKey::new(id, "SP800_108_CTR_HMAC", Hash::Sha512, agreement, data).unwrap()
    }
    fn descriptor() -> Vec<u8> {
        target_descriptor(&"S-1-5-21-1111111111-2222222222-3333333333-512".parse().unwrap())
    }
    fn index(l1: i32, l2: i32) -> KeyIndex {
        KeyIndex::new(361, l1, l2).unwrap()
    }

    #[test]
    fn descriptor_and_walk_give_the_known_answers() {
        let (root, descriptor) = (root_key(Agreement::usual()), descriptor());
        assert_eq!(hex(&descriptor), DESCRIPTOR);
        let l0 = root.parameters.step(root.data.as_slice(), 361, None, None, &[]);
        assert_eq!(hex(l0.as_slice()), L0);
        let l1 = |l1| hex(root.seed_key(&descriptor, index(l1, 31)).l1.unwrap().as_slice());
        assert_eq!((l1(31).as_str(), l1(17).as_str()), (L1_31, L1_17));
        let seed = root.seed_key(&descriptor, index(17, 8));
        assert_eq!(hex(seed.l2.clone().unwrap().as_slice()), L2);
        let group_key = seed.group_key(root.parameters.root_key_id, index(17, 8)).unwrap();
        assert_eq!(hex(group_key.bytes().as_slice()), L2);
        let nonce = core::array::from_fn(|at| 0xa0 + at as u8);
        let kek = group_key.kek_of_nonce(&nonce);
        assert_eq!(hex(kek.as_slice()), "67233ebe2af8ba40e72d124c5f8012c74916f4fa87967e451926dc7a61656e0e");
    }

    /// Every key of an L0 follows from every later seed key, and no later one from an earlier.
    #[test]
    fn seed_keys_reach_back_and_never_forward() {
        let (root, descriptor) = (root_key(Agreement::usual()), descriptor());
        let id = root.parameters.root_key_id;
        let all: Vec<KeyIndex> = (0..32).flat_map(|l1| (0..32).map(move |l2| index(l1, l2))).collect();
        let direct: Vec<SeedKey> = all.iter().map(|at| root.seed_key(&descriptor, *at)).collect();
        for from in [index(31, 31), index(31, 0), index(17, 8), index(1, 31), index(0, 31), index(0, 5), index(0, 0)] {
            let seed = root.seed_key(&descriptor, from);
            for (wanted, own) in all.iter().zip(&direct) {
                match seed.group_key(id, *wanted) {
                    Ok(key) => {
                        assert!(*wanted <= from);
                        assert_eq!(key.bytes(), own.group_key(id, *wanted).unwrap().bytes(), "{from} to {wanted}");
                    }
                    Err(error) => {
                        assert!(*wanted > from, "{from} to {wanted}: {error}");
                        assert_eq!(error, super::super::WalkError::OutOfReach { wanted: *wanted, at_hand: from });
                    }
                }
            }
            let other = KeyIndex::new(360, 0, 0).unwrap();
            assert!(seed.group_key(id, other).is_err());
            assert!(seed.group_key(Uuid::nil(), from).is_err());
        }
    }

    /// One row of the table of public forms.
    fn public_form(agreement: Agreement, private: &str, length: usize, public: &str, kek: &str) -> PublicKey {
        let root = root_key(agreement);
        let seed = root.seed_key(&descriptor(), index(17, 8));
        let group_key = seed.group_key(root.parameters.root_key_id, index(17, 8)).unwrap();
        let agreement = &root.parameters.agreement;
        let known = agreement.private_key(&bytes(private)).unwrap();
        let group_public = known.public_key().unwrap();
        assert_eq!(group_key.private_key().unwrap().public_key().unwrap(), group_public);

        let mut ephemeral = vec![0x23; agreement.private_key_bytes()];
        ephemeral[0] = 1;
        let ephemeral = agreement.private_key(&ephemeral).unwrap();
        let blob = ephemeral.public_key().unwrap().to_bytes();
        assert_eq!((blob.len(), hex(&Sha256::digest(&blob)).as_str()), (length, public));
        let read = PublicKey::from_bytes(&blob).unwrap();
        assert_eq!(hex(group_key.kek_of_public_key(&read).unwrap().as_slice()), kek);
        // The encryptor comes to the same.
        let secret = ephemeral.agree(&group_public).unwrap();
        assert_eq!(hex(crate::gkdi::kek_of_secret(&root.parameters, &secret).as_slice()), kek);
        read
    }

    #[test]
    fn dh_gives_the_known_answer() {
        let public = public_form(
            Agreement::usual(),
            "89bbf8944c653f23f18bc99f3d4fb2482fc080d2e3cf74eb959963c27962044c31fa4cca8beb064a49865cd1615082877c6e491d782f78087c63cfb0e0c6f0ed",
            776,
            "8a7a8d11fd52f9449afcd3aabd7ea31226cd773494f689775e4b6fa8c7c0b4af",
            "9b99cf2f3d094c4edb0bc75daf02921c002a1a31fb355c6ef561ac318a2dbcc3",
        );
        let bytes = public.to_bytes();
        assert_eq!(hex(&bytes[520..536]), "716ffe7232213ac73dc927c7313d38ab");
        assert_eq!(
            hex(&Sha256::digest(&bytes[8..264])),
            "0b7835722cb619827610c2549fdda5587421686c4409a13865e76225522ddcc9"
        );
        assert_eq!(
            hex(&Sha256::digest(&bytes[264..520])),
            "a16f15da21d7d610dad3af0f3ea9f80c7de830d97f8f8392cb29071128ac8a4b"
        );
    }

    #[test]
    fn the_curves_give_the_known_answers() {
        public_form(
            Agreement::new(Method::Ecdh(Curve::P256), 256, 256).unwrap(),
            "e9f7d08f90752167430aa75d79007d867ccdc1c123d4197bfbc8d48ce12d1d40",
            72,
            "c549eede4339016b8cd3f2c6f0ed80636551c04c48d80e8097ce1abe1d18d15b",
            "76c9d70067eddd0f876d24ed2c91df5e44195dd296831b18ffb6e3b67603e03e",
        );
        public_form(
            Agreement::new(Method::Ecdh(Curve::P384), 384, 384).unwrap(),
            "ff7808adf5ff42118b448595736f072b46ef50f5f6abb1acae9721d7749b382e8d925be5611ad356278cf87ddab4325e",
            104,
            "9fd1d6028d4e6e11e90d6a4c59ad68c243c2d7a70aad9267510ff5e590087942",
            "a669331bd6a27e6a9aee82701b5e2b1d49d9c1ba2579dc7678bd572c2da02606",
        );
    }

    #[test]
    fn keys_of_other_kinds_do_not_agree() {
        let p256 = Agreement::new(Method::Ecdh(Curve::P256), 256, 256).unwrap();
        let p384 = Agreement::new(Method::Ecdh(Curve::P384), 384, 384).unwrap();
        let keys = [Agreement::usual(), p256, p384].map(|agreement| agreement.private_key(&[5; 32]).unwrap());
        for (a, one) in keys.iter().enumerate() {
            for (b, other) in keys.iter().enumerate() {
                let agreed = one.agree(&other.public_key().unwrap());
                assert_eq!(agreed.is_ok(), a == b, "{agreed:?}");
            }
        }
    }

    #[test]
    fn impossible_lengths_and_unknown_names_are_refused() {
        for (method, private, public) in [
            (Method::Ecdh(Curve::P256), 257, 256),
            (Method::Ecdh(Curve::P521), 0, 521),
            (Agreement::usual().method().clone(), 2049, 2048),
            (Agreement::usual().method().clone(), 512, 1024),
        ] {
            let error = Agreement::new(method, private, public).unwrap_err();
            assert!(matches!(error, ParameterError::LengthImpossible { .. }));
        }
        let error = Agreement::from_parameters("ECDH_P224", &[], 224, 224).unwrap_err();
        assert_eq!(error, ParameterError::AgreementUnknown("ECDH_P224".into()));
        let parameters = root_key(Agreement::usual()).parameters;
        let error = RootKey::new(Uuid::nil(), "HKDF", parameters.hash, parameters.agreement, KeyBytes::new([0; 64]));
        assert_eq!(error.unwrap_err(), ParameterError::KdfUnknown("HKDF".into()));
    }
}

//! Protecting and opening, over all hashes, methods, sizes, principals and intervals.

use crate::domain::{agreements, root_key};
use dpapi::{
    Sid,
    blob::{Blob, OpenError, ProtectError, open, protect},
    gkdi::{AgreementError, GroupKeyEnvelope, Hash, KeyIndex, RootKey},
    target_descriptor,
};
use proptest::prelude::*;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng as _};

fn sids() -> impl Strategy<Value = Sid> {
    proptest::collection::vec(any::<u32>(), 1..=15).prop_map(|parts| {
        let parts: String = parts.iter().map(|part| format!("-{part}")).collect();
        format!("S-1-5{parts}").parse().unwrap()
    })
}

fn indices() -> impl Strategy<Value = KeyIndex> {
    (0..=i32::MAX, 0..32_i32, 0..32_i32).prop_map(|(l0, l1, l2)| KeyIndex::new(l0, l1, l2).unwrap())
}

/// Through the bytes of envelope and blob, in both layouts, and back from a later interval too.
fn goes_round(root: &RootKey, principal: &Sid, index: KeyIndex, clear: &[u8], envelope: &GroupKeyEnvelope, seed: u64) {
    let envelope = GroupKeyEnvelope::from_bytes(&envelope.to_bytes()).unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let blob = protect(clear, principal, &envelope, &mut rng).unwrap();
    let trailing = Blob::from_bytes(&blob.to_bytes()).unwrap();
    let enclosed = Blob::from_bytes(&blob.to_bytes_enclosed()).unwrap();
    assert_eq!((&trailing, &enclosed), (&blob, &blob));

    let descriptor = target_descriptor(principal);
    let l0 = i32::try_from(index.l0()).unwrap();
    for at in [index, KeyIndex::new(l0, 31, 31).unwrap()] {
        let keys = root.seed_envelope(&descriptor, at, "a.example", "example");
        let keys = GroupKeyEnvelope::from_bytes(&keys.to_bytes()).unwrap().seed_key().unwrap();
        assert_eq!(open(&trailing, &keys).unwrap().as_slice(), clear);
    }
    let stranger: Sid = "S-1-5-21-9-9-9-9".parse().unwrap();
    let keys = root.seed_key(&target_descriptor(&stranger), index);
    assert_eq!(open(&blob, &keys), Err(OpenError::DoesNotOpen));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_was_protected_opens_in_every_form(
        principal in sids(), index in indices(), seed: u64, clear in proptest::collection::vec(any::<u8>(), 0..300),
        hash in proptest::sample::select(Hash::ALL.to_vec()), method in 0..4_usize,
    ) {
        let root = root_key(hash, agreements()[method].clone());
        let descriptor = target_descriptor(&principal);
        let seed_form = root.seed_envelope(&descriptor, index, "a.example", "example");
        goes_round(&root, &principal, index, &clear, &seed_form, seed);
        let public_form = root.public_envelope(&descriptor, index, "a.example", "example").unwrap();
        goes_round(&root, &principal, index, &clear, &public_form, seed);
    }

    #[test]
    fn sids_survive_text_and_bytes(sid in sids()) {
        prop_assert_eq!(sid.to_string().parse::<Sid>(), Ok(sid.clone()));
        prop_assert_eq!(Sid::from_bytes(&sid.to_bytes()), Ok(sid));
    }
}

#[test]
fn an_envelope_for_old_blobs_protects_nothing() {
    let principal = crate::domain::principal();
    let root = root_key(Hash::Sha512, agreements()[1].clone());
    let mut envelope = root.seed_envelope(&target_descriptor(&principal), crate::domain::index(), "a", "b");
    envelope.for_encryption = false;
    let envelope = GroupKeyEnvelope::from_bytes(&envelope.to_bytes()).unwrap();
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    assert_eq!(protect(b"x", &principal, &envelope, &mut rng), Err(ProtectError::NotForEncryption));
}

/// A blob whose ephemeral key is of another method than the root key names: refused by name, before any opening.
#[test]
fn a_key_of_another_curve_is_named() {
    let (principal, index) = (crate::domain::principal(), crate::domain::index());
    let descriptor = target_descriptor(&principal);
    let [_, p256, p384, _] = agreements();
    let envelope = root_key(Hash::Sha512, p256).public_envelope(&descriptor, index, "a", "b").unwrap();
    let blob = protect(b"x", &principal, &envelope, &mut ChaCha12Rng::seed_from_u64(1)).unwrap();
    let keys = root_key(Hash::Sha512, p384).seed_key(&descriptor, index);
    let expected = OpenError::Agreement(AgreementError::OtherKind { expected: "ECDH_P384" });
    assert_eq!(open(&blob, &keys), Err(expected));
}

//! Structures and blobs made by real Windows: the vectors of the dpapi-ng project (MIT), which stay outside the
//! repository. `LAPWING_DPAPI_NG_VECTORS` names their folder.

use crate::domain::{hex, unhex};
use dpapi::{
    Sid,
    blob::{Blob, open},
    gkdi::{Agreement, DhGroup, GroupKeyEnvelope, Hash, PublicKey, RootKey},
    target_descriptor,
};
use serde_json::Value;
use std::{fs, path::PathBuf};
use zeroize::Zeroizing;

fn folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("LAPWING_DPAPI_NG_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED windows::{test}: LAPWING_DPAPI_NG_VECTORS names no folder with the vectors of dpapi-ng");
    }
    folder
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap_or_else(|| panic!("{key}"))
}
fn number(case: &Value, key: &str) -> u32 {
    u32::try_from(case[key].as_u64().unwrap()).unwrap()
}

fn root_key(case: &Value) -> RootKey {
    let agreement = Agreement::from_parameters(
        text(case, "SecretAgreementAlgorithm"),
        &unhex(text(case, "SecretAgreementParameters")),
        number(case, "PrivateKeyLength"),
        number(case, "PublicKeyLength"),
    );
    let data: [u8; 64] = unhex(text(case, "RootKeyData")).try_into().unwrap();
    let hash = Hash::from_parameters(&unhex(text(case, "KdfParameters"))).unwrap();
    let id = text(case, "RootKeyId").parse().unwrap();
    RootKey::new(id, text(case, "KdfAlgorithm"), hash, agreement.unwrap(), Zeroizing::new(data)).unwrap()
}

/// {SHA-1, SHA-256, SHA-384, SHA-512} × {nonce, DH, P-256, P-384}: each blob holds one byte, 0.
#[test]
fn the_sixteen_blobs_of_the_key_derivations_open() {
    let Some(folder) = folder("the_sixteen_blobs_of_the_key_derivations_open") else { return };
    let mut cases = 0;
    for hash in ["sha1", "sha256", "sha384", "sha512"] {
        for form in ["nonce", "dh", "ecdh_p256", "ecdh_p384"] {
            let name = format!("kdf_{hash}_{form}.json");
            let case: Value = serde_json::from_slice(&fs::read(folder.join(&name)).unwrap()).unwrap();
            let root = root_key(&case);
            for key in ["Data", "Data1"] {
                let Some(data) = case[key].as_str() else { continue };
                let bytes = unhex(data);
                let blob = Blob::from_bytes(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
                let seed = root.seed_key(&target_descriptor(&blob.principal), blob.key_id.index);
                let clear = open(&blob, &seed).unwrap_or_else(|error| panic!("{name} {key}: {error}"));
                assert_eq!(clear.as_slice(), [0], "{name} {key}");
                assert_eq!(hex(&blob.to_bytes_enclosed()), hex(&bytes), "{name} {key} written again");
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 16);
}

#[test]
fn structures_are_read_and_written_again() {
    let Some(folder) = folder("structures_are_read_and_written_again") else { return };
    let file = |name: &str| fs::read(folder.join(name)).unwrap();

    let bytes = file("dpapi_ng_blob");
    let blob = Blob::from_bytes(&bytes).unwrap();
    assert_eq!(blob.to_bytes(), bytes);
    let bytes = file("group_key_envelope");
    let envelope = GroupKeyEnvelope::from_bytes(&bytes).unwrap();
    assert_eq!(envelope.to_bytes().as_slice(), bytes);
    assert_eq!(envelope.domain, "domain.test");
    for name in ["ecdh_key", "ffc_dh_key"] {
        let bytes = file(name);
        assert_eq!(PublicKey::from_bytes(&bytes).unwrap().to_bytes(), bytes, "{name}");
    }
    let bytes = file("ffc_dh_parameters");
    let group = DhGroup::from_parameters(&bytes).unwrap();
    assert_eq!((group.to_parameters(), group), (bytes, DhGroup::rfc_5114()));
}

/// The envelope belongs to a key that is later than the blob's: the walk goes back from it.
#[test]
fn the_blob_opens_with_the_envelope_of_a_later_interval() {
    let Some(folder) = folder("the_blob_opens_with_the_envelope_of_a_later_interval") else { return };
    let blob = Blob::from_bytes(&fs::read(folder.join("dpapi_ng_blob")).unwrap()).unwrap();
    let envelope = GroupKeyEnvelope::from_bytes(&fs::read(folder.join("group_key_envelope")).unwrap()).unwrap();
    assert!(blob.key_id.index < envelope.index);
    assert!(open(&blob, &envelope.seed_key().unwrap()).is_ok());
}

#[test]
fn the_descriptor_of_a_real_request_is_ours() {
    let Some(folder) = folder("the_descriptor_of_a_real_request_is_ours") else { return };
    let case: Value = serde_json::from_slice(&fs::read(folder.join("seed_key.json")).unwrap()).unwrap();
    let descriptor = unhex(text(&case, "SecurityDescriptor"));
    // Header 20, DACL 8, ACE 8, then the SID with five sub-authorities.
    let principal = Sid::from_bytes(&descriptor[36..64]).unwrap();
    assert_eq!(hex(&target_descriptor(&principal)), hex(&descriptor));
    let key = unhex(text(&case, "L2Key"));
    assert_eq!(PublicKey::from_bytes(&key).unwrap().to_bytes(), key);
}

//! The blobs of laps-behaviour.md 7.11, to the byte.

use crate::domain::{Known, hex, index, principal, root_key, unhex};
use dpapi::{
    blob::{Blob, open, protect},
    gkdi::{Agreement, GroupKeyEnvelope, Hash},
    target_descriptor,
    value::{Credential, EncryptedValue},
};
use laps::{password::Password, time::Timestamp};
use sha2::{Digest as _, Sha256};

const SEED_BLOB: &str = concat!(
    "3082016806092a864886f70d010703a08201593082015502010231820121a282011d0201043081e0048188010000004b44534b02000000690100001100000008",
    "00000033221100554477668899aabbccddeeff200000001a0000001a000000a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf63",
    "006f00720070002e006500780061006d0070006c006500000063006f00720070002e006500780061006d0070006c0065000000305306092b0601040182374a01",
    "3046060a2b0601040182374a01013038303630340c035349440c2d532d312d352d32312d313131313131313131312d323232323232323232322d333333333333",
    "333333332d353132300b060960864801650304012d042849c050294fc3e0a666c68587c0bf7c1482b1726a1abe871b4afc1618f9545e3cb19c799d76ff459130",
    "2b06092a864886f70d010701301e060960864801650304012e3011040c101112131415161718191a1b020110023a1fd13891362394a6f450aaf86bb66817edc9",
    "6811230b0b6ebdd1a969d3d097f47dfb1ef361ff1e60c39e58958794687bf62e135270ab3014cdc40189d834f9fdf325a3b0941fa6d0d9b4014cf7e91ce9ec67",
    "d54b2bbc8f5702f5257554c31748b03bd4351f7b81d074a44d35b5548f5d4055430ef05171ef8484d5dc099c8e841f3183c6043cda92b2175f630d84ed7a",
);

fn credential() -> Credential {
    Credential {
        account: "Administrator".into(),
        updated_at: Timestamp::from_ticks(0x1d8_161b_41c4_1cde),
        password: Password::new("Ab3!Ab3!Ab3!Ab".into()),
    }
}

/// First what names the key (nonce or ephemeral key), then data key and nonce of the cipher.
fn known(first: Vec<u8>) -> Known {
    Known([first, (0x40..0x60).collect(), (0x10..0x1c).collect()].concat())
}

fn made(envelope: &GroupKeyEnvelope, first: Vec<u8>) -> Blob {
    let clear = credential().to_clear();
    assert_eq!(clear.len(), 130);
    protect(&clear, &principal(), envelope, &mut known(first)).unwrap()
}

#[test]
fn the_seed_form_is_the_known_one_to_the_byte() {
    let root = root_key(Hash::Sha512, Agreement::usual());
    let descriptor = target_descriptor(&principal());
    let envelope = root.seed_envelope(&descriptor, index(), "corp.example", "corp.example");
    let blob = made(&envelope, (0xa0..0xc0).collect());
    assert_eq!(
        hex(&blob.wrapped_key),
        "49c050294fc3e0a666c68587c0bf7c1482b1726a1abe871b4afc1618f9545e3cb19c799d76ff4591"
    );
    assert_eq!(
        hex(&Sha256::digest(&blob.ciphertext)),
        "49e3a171e53071a7140da04175a9d3e94739e2a3ea8383253657e2fdbe6571b6"
    );
    let bytes = blob.to_bytes();
    assert_eq!(hex(&bytes), SEED_BLOB);
    let value = EncryptedValue { updated_at: credential().updated_at, blob: &bytes };
    assert_eq!(hex(&value.to_bytes()[..16]), "1b16d801de1cc441fe01000000000000");

    let read = Blob::from_bytes(&unhex(SEED_BLOB)).unwrap();
    assert_eq!(read, blob);
    let clear = open(&read, &root.seed_key(&descriptor, index())).unwrap();
    assert_eq!(Credential::from_clear(&clear).unwrap(), credential());
}

#[test]
fn the_public_key_form_is_the_known_one_to_the_byte() {
    let root = root_key(Hash::Sha512, Agreement::usual());
    let descriptor = target_descriptor(&principal());
    let envelope = root.public_envelope(&descriptor, index(), "corp.example", "corp.example").unwrap();
    let mut ephemeral = vec![0x23; 64];
    ephemeral[0] = 1;
    let blob = made(&envelope, ephemeral);
    assert_eq!(
        hex(&blob.wrapped_key),
        "1cbd71d705a8927c12cad7780f6344a87ba3bb95db78299db25b789c0bd45e6c7c7f31c23d0439ba"
    );
    let bytes = blob.to_bytes();
    assert_eq!(bytes.len(), 1256);
    assert_eq!(hex(&Sha256::digest(&bytes)), "5842e119b1e2d7d3bb65a5492e773198fd06281117957fae3b4cb53e4f675e8a");
    let read = Blob::from_bytes(&bytes).unwrap();
    let clear = open(&read, &root.seed_key(&descriptor, index())).unwrap();
    assert_eq!(Credential::from_clear(&clear).unwrap(), credential());
}

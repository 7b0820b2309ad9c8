//! Bytes cut short, changed and made up: every decoder refuses them with a place and an expectation, or reads them;
//! none panics, and no error shows the bytes.

use crate::domain::{agreements, index, principal, root_key};
use checks::{
    blob, credential, endpoint_answer, envelope, fragment, group, hash, key_answer, key_id, public_key, sid, value,
};
use dpapi::{
    blob::{Blob, BlobError, CLEAR_BYTES_MAX, ProtectError, open, protect},
    gkdi::{DhGroup, Hash, SeedKey},
    rpc::{self, Interface, Mechanism, Security, Syntax},
    target_descriptor,
    value::EncryptedValue,
};
use proptest::prelude::*;
use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng as _};

#[path = "../../../../fuzz/src/dpapi_checks.rs"]
#[allow(unreachable_pub, reason = "the fuzz crate, whose file this is, exports them")]
pub(crate) mod checks;

/// A decoder over any bytes; true when it read them.
type Decoder = fn(&[u8]) -> bool;

const DECODERS: [Decoder; 12] =
    [blob, envelope, key_id, public_key, group, hash, sid, value, credential, fragment, endpoint_answer, key_answer];

struct Samples {
    blobs: Vec<Blob>,
    keys: Vec<SeedKey>,
    all: Vec<(Decoder, Vec<u8>)>,
}

/// Valid bytes for every decoder, in every form.
fn samples() -> Samples {
    let mut samples = Samples { blobs: Vec::new(), keys: Vec::new(), all: Vec::new() };
    let principal = principal();
    let descriptor = target_descriptor(&principal);
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let mut clear: Vec<u8> =
        r#"{"n":"root","t":"1d8161b41c41cde","p":"Canary-7"}"#.bytes().flat_map(|b| [b, 0]).collect();
    clear.extend([0, 0]);
    for agreement in agreements() {
        let root = root_key(Hash::Sha256, agreement.clone());
        let seed = root.seed_envelope(&descriptor, index(), "corp.example", "example");
        let public = root.public_envelope(&descriptor, index(), "corp.example", "example").unwrap();
        for envelope_of_form in [seed, public] {
            let made = protect(&clear, &principal, &envelope_of_form, &mut rng).unwrap();
            samples.all.push((envelope, envelope_of_form.to_bytes().to_vec()));
            samples.all.push((blob, made.to_bytes()));
            samples.all.push((blob, made.to_bytes_enclosed()));
            samples.all.push((key_id, made.key_id.to_bytes()));
            samples.blobs.push(made);
            samples.keys.push(root.seed_key(&descriptor, index()));
        }
        let own = agreement.generate(&mut rng).public_key().unwrap();
        samples.all.push((public_key, own.to_bytes()));
    }
    samples.all.push((group, DhGroup::rfc_5114().to_parameters()));
    samples.all.push((hash, Hash::Sha384.to_parameters()));
    samples.all.push((sid, principal.to_bytes()));
    let stored = samples.blobs[0].to_bytes();
    let stored = EncryptedValue { updated_at: laps::time::Timestamp::from_ticks(1 << 57), blob: &stored };
    samples.all.push((value, stored.to_bytes()));
    samples.all.push((value, [&stored.to_bytes()[..], b"behind it"].concat()));
    let escaped = r#"{ "p" : "\u0041\"\\\ud83d\udc26" , "x" : 1, "t":"1","n":"\u0000" }"#;
    samples.all.push((credential, escaped.bytes().flat_map(|b| [b, 0]).collect()));
    samples.all.push((credential, clear));
    let (_, key) = &samples.all[0];
    samples.all.push((key_answer, key_stub(key)));
    samples.all.push((endpoint_answer, endpoint_stub(49_664)));
    samples.all.extend(fragments().map(|bytes| (fragment as Decoder, bytes)));
    samples
}

/// An answer of GetKey in NDR: length, pointer, size, envelope, status.
fn key_stub(envelope: &[u8]) -> Vec<u8> {
    let length = u32::try_from(envelope.len()).unwrap().to_le_bytes();
    let padding = vec![0; envelope.len().next_multiple_of(4) - envelope.len()];
    [&length[..], &[0, 0, 2, 0], &length, envelope, &padding, &[0; 4]].concat()
}

/// An answer of the endpoint mapper made of a question: its tower, with a port.
fn endpoint_stub(port: u16) -> Vec<u8> {
    let mut tower = rpc::endpoint::request_stub(Interface::GROUP_KEYS)[32..107].to_vec();
    tower[64..66].copy_from_slice(&port.to_be_bytes());
    let length = u32::try_from(tower.len()).unwrap().to_le_bytes();
    let counts = [1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0];
    [&[0; 20][..], &counts, &length, &length, &tower, &[0], &[0; 4]].concat()
}

/// The messages of a client, and what a server sends, made of them.
fn fragments() -> impl Iterator<Item = Vec<u8>> {
    let security = Security { mechanism: Mechanism::Spnego, context_id: 1 };
    let both = [Syntax::Ndr64, Syntax::Ndr];
    let bind = rpc::bind(1, Interface::GROUP_KEYS, &both, Some((security, b"token"))).unwrap();
    let alter = rpc::alter_context(2, Interface::GROUP_KEYS, &both, security, b"token").unwrap();
    let auth3 = rpc::auth3(3, security, b"token").unwrap();
    let request = rpc::request(4, 0, 3, b"a stub").unwrap();
    let stub = b"another stub";
    let sealed = rpc::SealedRequest::new(5, Interface::GROUP_KEYS, (0, Syntax::Ndr), 0, stub, security, 16).unwrap();
    let sealed = sealed.into_bytes(&[7; 16]).unwrap();
    let of_kind = |bytes: &[u8], kind| {
        let mut bytes = bytes.to_vec();
        bytes[2] = kind;
        bytes
    };
    let (response, opened, fault) = (of_kind(&sealed, 2), of_kind(&request, 2), of_kind(&request, 3));
    let (ack, nak) = (bind_ack(), of_kind(&request, 13));
    [bind, alter, auth3, request, sealed, response, opened, fault, ack, nak].into_iter()
}

/// NDR64 refused, NDR taken; `135` as the secondary address.
fn bind_ack() -> Vec<u8> {
    let mut bytes = vec![5, 0, 12, 7, 0x10, 0, 0, 0, 84, 0, 0, 0, 1, 0, 0, 0];
    bytes.extend([0xd0, 0x16, 0xd0, 0x16, 4, 3, 2, 1, 4, 0, b'1', b'3', b'5', 0, 0, 0, 2, 0, 0, 0]);
    bytes.extend([2, 0, 2, 0].into_iter().chain([0; 20]));
    bytes.extend([0; 24]);
    bytes
}

#[test]
fn every_decoder_reads_its_samples_and_refuses_them_cut_short() {
    for (decode, bytes) in samples().all {
        assert!(decode(&bytes));
        // What stands behind a structure or a text without its NUL may be shorter: those are read or refused.
        let may_end = [blob as Decoder, value, credential].iter().any(|one| core::ptr::fn_addr_eq(*one, decode));
        for end in 0..bytes.len() {
            // No parameters of the key derivation are parameters too.
            let none = end == 0 && core::ptr::fn_addr_eq(hash as Decoder, decode);
            assert!(!decode(&bytes[..end]) || may_end || none, "cut to {end} of {}", bytes.len());
        }
    }
}

#[test]
fn changed_bytes_never_panic() {
    for (decode, bytes) in samples().all {
        // The large ones hold hundreds of bytes of numbers, of which some are enough.
        let step = if bytes.len() > 400 { 3 } else { 1 };
        for at in (0..bytes.len()).step_by(step) {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                decode(&changed);
            }
        }
        decode(&[&bytes[..], &[0]].concat());
    }
}

/// One changed byte in wrapped key, nonce or ciphertext: it does not open.
#[test]
fn changed_secrets_do_not_open() {
    let samples = samples();
    for (blob, keys) in samples.blobs.iter().zip(&samples.keys) {
        assert!(open(blob, keys).is_ok());
        let mut changed = blob.clone();
        changed.wrapped_key[39] ^= 1;
        assert!(open(&changed, keys).is_err());
        let mut changed = blob.clone();
        changed.nonce[0] ^= 1;
        assert!(open(&changed, keys).is_err());
        let mut changed = blob.clone();
        changed.ciphertext[0] ^= 1;
        assert!(open(&changed, keys).is_err());
    }
}

/// A directory in which somebody else wrote 20 kB: refused before anything is looked at.
#[test]
fn what_is_far_too_long_is_refused_for_its_length() {
    let mut long = samples().blobs[0].to_bytes();
    long.resize(20_000, 0x41);
    let BlobError::Format(error) = Blob::from_bytes(&long).unwrap_err() else { panic!("a format error") };
    assert_eq!(error.to_string(), "DPAPI-NG blob: at byte 16384, expected a blob of at most 16 KiB");
    let stored = EncryptedValue { updated_at: laps::time::Timestamp::MIN, blob: &long }.to_bytes();
    let error = EncryptedValue::from_bytes(&stored).unwrap_err();
    assert_eq!(error.to_string(), "encrypted LAPS value: at byte 16384, expected a value of at most 16 KiB");

    let envelope = root_key(Hash::Sha512, agreements()[0].clone());
    let envelope = envelope.seed_envelope(&target_descriptor(&principal()), index(), "corp.example", "example");
    let mut rng = ChaCha12Rng::seed_from_u64(4);
    let most = protect(&[7; CLEAR_BYTES_MAX], &principal(), &envelope, &mut rng).unwrap();
    assert_eq!(Blob::from_bytes(&most.to_bytes()).as_ref(), Ok(&most));
    let error = protect(&[7; CLEAR_BYTES_MAX + 1], &principal(), &envelope, &mut rng).unwrap_err();
    assert_eq!(error, ProtectError::TooLong);
}

#[test]
fn foreign_kinds_are_named() {
    let bytes = samples().blobs[0].to_bytes();
    let at = |needle: &[u8]| bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    // 1.3.6.1.4.1.311.74.1.1 to .8: LOCAL.
    let mut local = bytes.clone();
    let protector = [0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x4a, 1, 1];
    local[at(&protector) + 9] = 8;
    let error = Blob::from_bytes(&local).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the blob is protected by the local machine or user (1.3.6.1.4.1.311.74.1.8), not by a SID: only what names it \
         can open it"
    );
    let mut other = bytes.clone();
    other[at(&[0x82, 0x37, 0x4a, 1, 0x30]) + 3] = 2;
    let error = Blob::from_bytes(&other).unwrap_err();
    assert_eq!(error, BlobError::KeyKindUnknown { oid: "1.3.6.1.4.1.311.74.2".into() });
    // AES-256-GCM to AES-256-CCM.
    let mut cipher = bytes.clone();
    let gcm = at(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2e]);
    cipher[gcm + 8] = 0x2f;
    let BlobError::Format(error) = Blob::from_bytes(&cipher).unwrap_err() else { panic!("a format error") };
    assert_eq!((error.offset, error.structure), (gcm, "DPAPI-NG blob"));
    // A SID that is none, named at its place.
    let mut text = bytes.clone();
    let sid = at(b"S-1-5-21-");
    text[sid] = b'X';
    let BlobError::Format(error) = Blob::from_bytes(&text).unwrap_err() else { panic!("a format error") };
    assert_eq!((error.offset, error.expected), (sid, "a SID as text"));
    // A root key id that is cut into: the place is one of the whole blob.
    let mut magic = bytes.clone();
    let kdsk = at(b"KDSK");
    magic[kdsk] = b'X';
    let BlobError::Format(error) = Blob::from_bytes(&magic).unwrap_err() else { panic!("a format error") };
    assert_eq!((error.offset, error.expected), (kdsk, "KDSK"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn made_up_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for decode in DECODERS {
            decode(&bytes);
        }
    }

    #[test]
    fn several_changes_never_panic(
        which in any::<proptest::sample::Index>(),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(), cuts: bool,
    ) {
        thread_local!(static SAMPLES: Samples = samples());
        SAMPLES.with(|samples| {
            let (decode, bytes) = &samples.all[which.index(samples.all.len())];
            let mut bytes = bytes.clone();
            for (at, to) in changes {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            decode(&bytes);
        });
    }
}

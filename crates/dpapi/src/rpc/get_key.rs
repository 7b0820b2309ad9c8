//! Asking for a group key: `GetKey` of ISDKey (MS-GKDI 3.1.4.1).

use super::{
    Syntax,
    ndr::{NdrReader, NdrWriter},
};
use crate::{
    gkdi::{GroupKeyEnvelope, KeyIndex, ParameterError},
    reader::{FormatError, length_u32},
};
use uuid::Uuid;

/// The number of the operation.
pub const OPERATION: u16 = 0;
/// The longest envelope that is taken, bytes.
const ENVELOPE_BYTES_MAX: u64 = 8 * 1024;

/// Which key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest of the newest root key, to encrypt.
    Newest,
    /// The one that a blob names, to decrypt.
    Exactly {
        /// The root key.
        root_key_id: Uuid,
        /// The interval.
        index: KeyIndex,
    },
}

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GetKeyError {
    /// Not the answer.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An envelope that cannot be used.
    #[error(transparent)]
    Envelope(#[from] ParameterError),
    /// The caller has no right to the key, not even to encrypt.
    #[error("the domain controller gives this account no key: the account is not in the domain's forest")]
    AccessDenied,
    /// There is no such root key.
    #[error("the domain controller knows no such root key: it was deleted, is not valid yet, or is of another forest")]
    NoSuchKey,
    /// Not a security descriptor, or an interval of the future.
    #[error("the domain controller refuses the question: an interval of the future, or clocks that differ")]
    Refused,
    /// Another status.
    #[error("the domain controller answered with status {0:#010x}")]
    Status(u32),
}

/// The stub that asks for a key bound to a security descriptor ([`crate::target_descriptor`]).
pub fn request_stub(syntax: Syntax, descriptor: &[u8], wanted: Wanted) -> Vec<u8> {
    let mut writer = NdrWriter::new(syntax);
    writer.u32(length_u32(descriptor));
    writer.long(length_u32(descriptor));
    writer.raw(1, descriptor);
    match wanted {
        Wanted::Newest => {
            writer.long(0);
            for _ in 0..3 {
                writer.i32(-1);
            }
        }
        Wanted::Exactly { root_key_id, index } => {
            writer.long(0x2_0000);
            writer.raw(4, &root_key_id.to_bytes_le());
            writer.u32(index.l0());
            writer.u32(index.l1().into());
            writer.u32(index.l2().into());
        }
    }
    writer.finish()
}

/// The envelope in an answer's stub.
///
/// # Errors
/// [`GetKeyError`].
pub fn envelope(syntax: Syntax, stub: &[u8]) -> Result<GroupKeyEnvelope, GetKeyError> {
    let (start, bytes, status) = parts(syntax, stub)?;
    match status {
        0 => GroupKeyEnvelope::from_bytes(bytes).map_err(|error| match error {
            ParameterError::Format(error) => GetKeyError::Format(error.inside(start)),
            other => GetKeyError::Envelope(other),
        }),
        0x8007_0005 => Err(GetKeyError::AccessDenied),
        0x8009_000d => Err(GetKeyError::NoSuchKey),
        0x8007_0057 => Err(GetKeyError::Refused),
        status => Err(GetKeyError::Status(status)),
    }
}

/// Where the envelope begins, the envelope, the status.
fn parts(syntax: Syntax, stub: &[u8]) -> Result<(usize, &[u8], u32), FormatError> {
    let mut ndr = NdrReader::new("answer of GetKey", syntax, stub);
    let length = u64::from(ndr.u32("the length of the envelope")?);
    if length > ENVELOPE_BYTES_MAX {
        return Err(ndr.reader.error(0, "an envelope of at most 8 KiB"));
    }
    let (mut start, mut bytes) = (ndr.reader.at(), &[][..]);
    if ndr.long("the pointer to the envelope")? != 0 {
        let at = ndr.reader.at();
        if ndr.long("the size of the envelope")? != length {
            return Err(ndr.reader.error(at, "a size that is the length"));
        }
        start = ndr.reader.at();
        bytes = ndr.reader.take(length as usize, "the envelope")?;
    }
    Ok((start, bytes, ndr.u32("a status")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gkdi::{Agreement, Hash, KeyBytes, RootKey},
        target_descriptor,
    };

    const BOTH: [Syntax; 2] = [Syntax::Ndr, Syntax::Ndr64];

    fn answer(syntax: Syntax, envelope: &[u8], status: u32) -> Vec<u8> {
        let mut writer = NdrWriter::new(syntax);
        writer.u32(length_u32(envelope));
        if envelope.is_empty() {
            writer.long(0);
        } else {
            writer.long(0x2_0000);
            writer.long(length_u32(envelope));
            writer.raw(1, envelope);
        }
        writer.u32(status);
        writer.finish()
    }

    #[test]
    fn questions_stand_field_by_field() {
        let newest = request_stub(Syntax::Ndr, b"abcde", Wanted::Newest);
        let expected = [&[5, 0, 0, 0, 5, 0, 0, 0][..], b"abcde\0\0\0", &[0; 4], &[0xff; 12]].concat();
        assert_eq!(newest, expected);
        let newest = request_stub(Syntax::Ndr64, b"abcde", Wanted::Newest);
        let expected = [&[5, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0][..], b"abcde\0\0\0", &[0; 8], &[0xff; 12]];
        assert_eq!(newest, expected.concat());
        let wanted =
            Wanted::Exactly { root_key_id: Uuid::from_u128(0x0102), index: KeyIndex::new(361, 17, 8).unwrap() };
        let exactly = request_stub(Syntax::Ndr, b"abcd", wanted);
        let expected = [
            &[4, 0, 0, 0, 4, 0, 0, 0][..],
            b"abcd",
            &[0, 0, 2, 0],
            &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2],
            &[0x69, 1, 0, 0, 17, 0, 0, 0, 8, 0, 0, 0],
        ];
        assert_eq!(exactly, expected.concat());
    }

    #[test]
    fn answers_give_the_envelope_or_the_reason() {
        let sid = "S-1-5-21-1-2-3-512".parse().unwrap();
        let index = KeyIndex::new(361, 17, 8).unwrap();
        let root = RootKey::new(
            Uuid::from_u128(7),
            "SP800_108_CTR_HMAC",
            Hash::Sha512,
            Agreement::usual(),
            KeyBytes::new([3; 64]),
        );
        let bytes = root.unwrap().seed_envelope(&target_descriptor(&sid), index, "a", "b").to_bytes();
        for syntax in BOTH {
            let stub = answer(syntax, &bytes, 0);
            assert_eq!(envelope(syntax, &stub).unwrap().to_bytes(), bytes);
            for end in 0..stub.len() {
                let error = envelope(syntax, &stub[..end]).unwrap_err();
                let GetKeyError::Format(error) = error else { panic!("{error}") };
                assert!(error.offset <= end, "{error} of {end}");
            }
            // A wrong byte in the envelope is named at its place in the answer.
            let mut changed = stub.clone();
            let at = changed.windows(4).position(|window| window == b"KDSK").unwrap();
            changed[at] = 0;
            let GetKeyError::Format(error) = envelope(syntax, &changed).unwrap_err() else { panic!("a format error") };
            assert_eq!((error.offset, error.expected), (at, "KDSK"));
            let refused = |status| envelope(syntax, &answer(syntax, b"", status)).unwrap_err();
            assert_eq!(refused(0x8007_0005), GetKeyError::AccessDenied);
            assert_eq!(refused(0x8009_000d), GetKeyError::NoSuchKey);
            assert_eq!(refused(0x8007_0057), GetKeyError::Refused);
            assert_eq!(refused(1), GetKeyError::Status(1));
            // No envelope, and no reason either.
            assert!(matches!(refused(0), GetKeyError::Format(_)));
        }
    }
}

//! The CMS structures of a blob (RFC 5652 section 6, laps-behaviour.md 7.5): as much as DPAPI-NG uses of them.

use super::{BLOB_BYTES_MAX, Blob, BlobError, TAG_BYTES, protector_name};
use crate::{
    gkdi::KeyId,
    reader::{FormatError, Reader},
};
use der::{
    Choice, Decode as _, DecodeValue, Encode as _, EncodeValue, ErrorKind, FixedTag, Header, Length,
    Reader as DerReader, Sequence, Tag, ValueOrd, Writer,
    asn1::{AnyRef, ObjectIdentifier, OctetStringRef, SetOfVec, Utf8StringRef},
};

const STRUCTURE: &str = "DPAPI-NG blob";
const SID_PROTECTOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.74.1.1");
const GROUP_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.74.1");

/// An object identifier that is always the same: anything else is an error at its place.
macro_rules! fixed_oid {
    ($(#[$doc:meta])* $name:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        struct $name;
        impl $name {
            const OID: ObjectIdentifier = ObjectIdentifier::new_unwrap($text);
        }
        impl FixedTag for $name {
            const TAG: Tag = Tag::ObjectIdentifier;
        }
        impl<'a> DecodeValue<'a> for $name {
            type Error = der::Error;
            fn decode_value<R: DerReader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
                let at = reader.position();
                let oid = ObjectIdentifier::decode_value(reader, header)?;
                if oid == Self::OID { Ok(Self) } else { Err(ErrorKind::OidUnknown { oid }.at(at)) }
            }
        }
        impl EncodeValue for $name {
            fn value_len(&self) -> der::Result<Length> {
                Self::OID.value_len()
            }
            fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
                Self::OID.encode_value(writer)
            }
        }
        impl ValueOrd for $name {
            fn value_cmp(&self, _: &Self) -> der::Result<core::cmp::Ordering> {
                Ok(core::cmp::Ordering::Equal)
            }
        }
    };
}

fixed_oid!(EnvelopedDataType, "1.2.840.113549.1.7.3");
fixed_oid!(DataType, "1.2.840.113549.1.7.1");
fixed_oid!(Aes256Wrap, "2.16.840.1.101.3.4.1.45");
fixed_oid!(Aes256Gcm, "2.16.840.1.101.3.4.1.46");

/// A number that is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Always<const N: u8>;
impl<const N: u8> FixedTag for Always<N> {
    const TAG: Tag = Tag::Integer;
}
impl<'a, const N: u8> DecodeValue<'a> for Always<N> {
    type Error = der::Error;
    fn decode_value<R: DerReader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let at = reader.position();
        if u8::decode_value(reader, header)? == N {
            Ok(Self)
        } else {
            Err(ErrorKind::Value { tag: Tag::Integer }.at(at))
        }
    }
}
impl<const N: u8> EncodeValue for Always<N> {
    fn value_len(&self) -> der::Result<Length> {
        N.value_len()
    }
    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        N.encode_value(writer)
    }
}
impl<const N: u8> ValueOrd for Always<N> {
    fn value_cmp(&self, _: &Self) -> der::Result<core::cmp::Ordering> {
        Ok(core::cmp::Ordering::Equal)
    }
}

#[derive(Sequence)]
struct ContentInfo<'a> {
    content_type: EnvelopedDataType,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: EnvelopedData<'a>,
}

#[derive(Sequence)]
struct EnvelopedData<'a> {
    version: Always<2>,
    recipients: SetOfVec<Recipient<'a>>,
    content: EncryptedContent<'a>,
}

#[derive(Choice, ValueOrd)]
enum Recipient<'a> {
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT", constructed = "true")]
    Kek(KekRecipient<'a>),
}

#[derive(Sequence, ValueOrd)]
struct KekRecipient<'a> {
    version: Always<4>,
    id: KekId<'a>,
    wrap: WrapAlgorithm,
    encrypted_key: &'a OctetStringRef,
}

#[derive(Sequence, ValueOrd)]
struct KekId<'a> {
    key_id: &'a OctetStringRef,
    other: OtherKeyAttribute<'a>,
}

#[derive(Sequence, ValueOrd)]
struct OtherKeyAttribute<'a> {
    kind: ObjectIdentifier,
    protector: AnyRef<'a>,
}

#[derive(Sequence)]
struct Protector<'a> {
    oid: ObjectIdentifier,
    rule: AnyRef<'a>,
}

/// One alternative of one rule of one pair.
#[derive(Sequence)]
struct AnyOf<'a> {
    all: AllOf<'a>,
}
#[derive(Sequence)]
struct AllOf<'a> {
    pair: Pair<'a>,
}
#[derive(Sequence)]
struct Pair<'a> {
    name: Utf8StringRef<'a>,
    value: Utf8StringRef<'a>,
}

#[derive(Sequence, ValueOrd)]
struct WrapAlgorithm {
    oid: Aes256Wrap,
}

#[derive(Sequence)]
struct EncryptedContent<'a> {
    content_type: DataType,
    algorithm: ContentAlgorithm<'a>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    content: Option<&'a OctetStringRef>,
}

#[derive(Sequence)]
struct ContentAlgorithm<'a> {
    oid: Aes256Gcm,
    parameters: GcmParameters<'a>,
}

#[derive(Sequence)]
struct GcmParameters<'a> {
    nonce: &'a OctetStringRef,
    tag_bytes: Always<16>,
}

/// The place of `part` in `whole`, of which it is a piece.
fn place(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

fn error(whole: &[u8], part: &[u8], expected: &'static str) -> FormatError {
    FormatError { structure: STRUCTURE, offset: place(whole, part), expected }
}

/// The error of the DER reader, `base` bytes into the blob, in our words.
fn der_error(error: der::Error, base: usize) -> FormatError {
    let offset = error.position().and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
    let expected = match error.kind() {
        ErrorKind::Incomplete { .. } => "more bytes: it is cut short",
        ErrorKind::IndefiniteLength | ErrorKind::Noncanonical { .. } | ErrorKind::SetOrdering => "canonical DER",
        ErrorKind::OidUnknown { .. } => "the object identifier of this place in CMS with AES-256",
        ErrorKind::TagUnexpected { .. } | ErrorKind::TagUnknown { .. } | ErrorKind::TagNumberInvalid => {
            "the tag of this place in CMS"
        }
        ErrorKind::Length { .. } | ErrorKind::Overlength | ErrorKind::Overflow => "a length that fits what encloses it",
        ErrorKind::TrailingData { .. } => "the end of the element",
        ErrorKind::Value { .. } => "the value of this place in CMS",
        ErrorKind::Utf8(_) => "UTF-8",
        _ => "DER",
    };
    FormatError { structure: STRUCTURE, offset, expected }.inside(base)
}

pub(super) fn read(bytes: &[u8]) -> Result<Blob, BlobError> {
    Reader::new(STRUCTURE, bytes).at_most(BLOB_BYTES_MAX, "a blob of at most 16 KiB")?;
    let (info, behind) = ContentInfo::from_der_partial(bytes).map_err(|e| der_error(e, 0))?;
    let envelope = info.content;
    let [Recipient::Kek(recipient)] = envelope.recipients.as_slice() else {
        return Err(FormatError { structure: STRUCTURE, offset: 0, expected: "one recipient" }.into());
    };
    let other = &recipient.id.other;
    if other.kind != GROUP_KEY {
        return Err(BlobError::KeyKindUnknown { oid: other.kind.to_string() });
    }
    let principal = principal(bytes, &other.protector)?;
    let key_id = recipient.id.key_id.as_bytes();
    let key_id = KeyId::from_bytes(key_id).map_err(|e| e.inside(place(bytes, key_id)))?;
    let wrapped_key = recipient.encrypted_key.as_bytes();
    let wrapped_key = wrapped_key.try_into().map_err(|_| error(bytes, wrapped_key, "a wrapped key of 40 bytes"))?;
    let nonce = envelope.content.algorithm.parameters.nonce.as_bytes();
    let nonce = nonce.try_into().map_err(|_| error(bytes, nonce, "a nonce of 12 bytes"))?;
    let ciphertext = match envelope.content.content {
        None => behind,
        Some(_) if !behind.is_empty() => {
            return Err(error(bytes, behind, "the end: the content stands inside").into());
        }
        Some(inside) => inside.as_bytes(),
    };
    if ciphertext.len() < TAG_BYTES {
        return Err(error(bytes, ciphertext, "a ciphertext with a tag of 16 bytes").into());
    }
    Ok(Blob { key_id, principal, wrapped_key, nonce, ciphertext: ciphertext.to_vec() })
}

fn principal(bytes: &[u8], protector: &AnyRef<'_>) -> Result<crate::Sid, BlobError> {
    let at = place(bytes, protector.value());
    let protector = protector.decode_as::<Protector<'_>>().map_err(|e| der_error(e, at))?;
    if protector.oid != SID_PROTECTOR {
        let oid = protector.oid.to_string();
        return Err(BlobError::ProtectorUnknown { name: protector_name(&oid), oid });
    }
    let at = place(bytes, protector.rule.value());
    let pair = protector.rule.decode_as::<AnyOf<'_>>().map_err(|e| der_error(e, at))?.all.pair;
    if pair.name.as_str() != "SID" {
        return Err(error(bytes, pair.name.as_str().as_bytes(), "SID").into());
    }
    let text = pair.value.as_str();
    Ok(text.parse().map_err(|_| error(bytes, text.as_bytes(), "a SID as text"))?)
}

pub(super) fn write(blob: &Blob, enclosed: bool) -> Vec<u8> {
    encode(blob, enclosed).unwrap_or_else(|_| unreachable!("a blob is far smaller than DER can hold"))
}

fn encode(blob: &Blob, enclosed: bool) -> der::Result<Vec<u8>> {
    let principal = blob.principal.to_string();
    let pair = Pair { name: Utf8StringRef::new("SID")?, value: Utf8StringRef::new(&principal)? };
    let rule = AnyOf { all: AllOf { pair } }.to_der()?;
    let protector = Protector { oid: SID_PROTECTOR, rule: AnyRef::from_der(&rule)? }.to_der()?;
    let key_id = blob.key_id.to_bytes();
    let recipient = KekRecipient {
        version: Always,
        id: KekId {
            key_id: OctetStringRef::new(&key_id)?,
            other: OtherKeyAttribute { kind: GROUP_KEY, protector: AnyRef::from_der(&protector)? },
        },
        wrap: WrapAlgorithm { oid: Aes256Wrap },
        encrypted_key: OctetStringRef::new(&blob.wrapped_key)?,
    };
    let content = if enclosed { Some(OctetStringRef::new(&blob.ciphertext)?) } else { None };
    let parameters = GcmParameters { nonce: OctetStringRef::new(&blob.nonce)?, tag_bytes: Always };
    ContentInfo {
        content_type: EnvelopedDataType,
        content: EnvelopedData {
            version: Always,
            recipients: SetOfVec::try_from(vec![Recipient::Kek(recipient)])?,
            content: EncryptedContent {
                content_type: DataType,
                algorithm: ContentAlgorithm { oid: Aes256Gcm, parameters },
                content,
            },
        },
    }
    .to_der()
}

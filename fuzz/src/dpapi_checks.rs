//! What must hold for any bytes in the decoders of `dpapi`: refused at a place inside them, or read; never a panic.
//! Shared by the fuzz targets and by the tests of `crates/dpapi/tests/it`. Each answers whether the bytes were read.

use dpapi::{
    FormatError, Sid,
    blob::{Blob, BlobError},
    gkdi::{DhGroup, GroupKeyEnvelope, Hash, KeyId, ParameterError, PublicKey},
    rpc::{BindAck, BindError, Fragment, Interface, Stub, Syntax, endpoint, fragment_bytes, get_key},
    value::{Credential, CredentialError, EncryptedValue},
};

/// The target of this name: a blob, and the SID in it.
pub fn dpapi_blob(bytes: &[u8]) {
    blob(bytes);
    sid(bytes);
}
/// The target of this name: what a group key comes in and with.
pub fn group_key(bytes: &[u8]) {
    for decode in [envelope, key_id, public_key, group, hash] {
        decode(bytes);
    }
}
/// The target of this name: what stands in the attributes.
pub fn laps_value(bytes: &[u8]) {
    value(bytes);
    credential(bytes);
}
/// The target of this name: what a domain controller answers.
pub fn rpc(bytes: &[u8]) {
    fragment(bytes);
    endpoint_answer(bytes);
    key_answer(bytes);
}

fn place(error: &FormatError, bytes: &[u8]) {
    assert!(error.offset <= bytes.len(), "{error} of {} bytes", bytes.len());
    assert!(!error.structure.is_empty() && !error.expected.is_empty());
}

fn parameters(error: &ParameterError, bytes: &[u8]) {
    if let ParameterError::Format(error) = error {
        place(error, bytes);
    }
    assert!(error.to_string().len() < 400, "{error}");
}

/// A protected blob: what is read survives writing and reading again.
pub fn blob(bytes: &[u8]) -> bool {
    match Blob::from_bytes(bytes) {
        Ok(blob) => {
            assert_eq!(Blob::from_bytes(&blob.to_bytes()).as_ref(), Ok(&blob));
            true
        }
        Err(error) => {
            if let BlobError::Format(error) = &error {
                place(error, bytes);
            }
            assert!(error.to_string().len() < 400, "{error}");
            false
        }
    }
}
/// A group key envelope.
pub fn envelope(bytes: &[u8]) -> bool {
    GroupKeyEnvelope::from_bytes(bytes).inspect_err(|error| parameters(error, bytes)).is_ok()
}
/// A key identifier.
pub fn key_id(bytes: &[u8]) -> bool {
    KeyId::from_bytes(bytes).inspect_err(|error| place(error, bytes)).is_ok()
}
/// A public key, of a finite field or a curve.
pub fn public_key(bytes: &[u8]) -> bool {
    PublicKey::from_bytes(bytes).inspect_err(|error| place(error, bytes)).is_ok()
}
/// The parameters of a finite field.
pub fn group(bytes: &[u8]) -> bool {
    DhGroup::from_parameters(bytes).inspect_err(|error| place(error, bytes)).is_ok()
}
/// The parameters of the key derivation.
pub fn hash(bytes: &[u8]) -> bool {
    Hash::from_parameters(bytes).inspect_err(|error| parameters(error, bytes)).is_ok()
}
/// A SID, as bytes and as text.
pub fn sid(bytes: &[u8]) -> bool {
    if let Ok(text) = core::str::from_utf8(bytes)
        && let Ok(sid) = text.parse::<Sid>()
    {
        assert_eq!(Sid::from_bytes(&sid.to_bytes()), Ok(sid));
    }
    Sid::from_bytes(bytes).inspect_err(|error| place(error, bytes)).is_ok()
}
/// An encrypted value.
pub fn value(bytes: &[u8]) -> bool {
    EncryptedValue::from_bytes(bytes).inspect_err(|error| place(error, bytes)).is_ok()
}
/// The JSON of a password, as it stands in an opened blob.
pub fn credential(bytes: &[u8]) -> bool {
    let read = Credential::from_clear(bytes);
    if let Err(CredentialError::Format(error)) = &read {
        place(error, bytes);
    }
    read.is_ok()
}

/// A fragment, and everything that can be asked of one.
pub fn fragment(bytes: &[u8]) -> bool {
    if let Some(head) = bytes.first_chunk()
        && let Err(error) = fragment_bytes(head)
    {
        place(&error, bytes);
    }
    let Ok(fragment) = Fragment::from_bytes(bytes).inspect_err(|error| place(error, bytes)) else { return false };
    let _ = fragment.fault().inspect_err(|error| place(error, bytes));
    match fragment.sealed() {
        Ok(sealed) => {
            let parts = [sealed.header, sealed.data, sealed.trailer, sealed.token];
            assert_eq!(parts.concat(), bytes, "the parts of a sealed response are the response");
            let mut stub = Stub::new(fragment.call_id);
            let _ =
                stub.push_opened(&fragment, sealed.data, sealed.padding_bytes).inspect_err(|error| place(error, bytes));
            assert!(stub.bytes().len() <= sealed.data.len());
        }
        Err(error) => place(&error, bytes),
    }
    let _ = Stub::new(fragment.call_id).push(&fragment).inspect_err(|error| place(error, bytes));
    match BindAck::from_fragment(&fragment) {
        Ok(ack) => assert!(ack.context(&[]).is_none()),
        Err(BindError::Format(error)) => place(&error, bytes),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    true
}

/// The stub of an answer of the endpoint mapper.
pub fn endpoint_answer(bytes: &[u8]) -> bool {
    let port = endpoint::port(Interface::GROUP_KEYS, bytes);
    if let Err(endpoint::EndpointError::Format(error)) = &port {
        place(error, bytes);
    }
    port.is_ok_and(|port| port != 0)
}

/// The stub of an answer of GetKey, in both layouts.
pub fn key_answer(bytes: &[u8]) -> bool {
    [Syntax::Ndr, Syntax::Ndr64].into_iter().any(|syntax| {
        let envelope = get_key::envelope(syntax, bytes);
        if let Err(get_key::GetKeyError::Format(error)) = &envelope {
            place(error, bytes);
        }
        envelope.is_ok()
    })
}

//! What a domain controller answers to GetKey (MS-GKDI 2.2.4).

use super::{
    Agreement, Hash, KeyBytes, KeyIndex, KeyParameters, ParameterError, PublicKey, SeedKey, kdf::KDF_NAME, shown,
};
use crate::reader::{FormatError, Reader, length_u32, wide};
use core::fmt;
use uuid::Uuid;
use zeroize::Zeroizing;

pub(super) const MAGIC: &[u8] = b"KDSK";
/// The key is a public key.
pub(super) const FLAG_PUBLIC: u32 = 1;
/// The key may be used to encrypt.
pub(super) const FLAG_FOR_ENCRYPTION: u32 = 2;

/// A group key envelope.
#[derive(Clone)]
pub struct GroupKeyEnvelope {
    /// Root key, hash, key agreement.
    pub parameters: KeyParameters,
    /// The interval.
    pub index: KeyIndex,
    /// Whether new blobs may be made with it.
    pub for_encryption: bool,
    /// DNS name of the domain.
    pub domain: String,
    /// DNS name of the forest.
    pub forest: String,
    /// The keys.
    pub key: EnvelopeKey,
}

/// The two forms of an envelope.
#[derive(Clone)]
pub enum EnvelopeKey {
    /// For those whom the security descriptor lets decrypt.
    Seed {
        /// Of L1 when L2 is 31, else of the L1 before; absent when there is none.
        l1: Option<KeyBytes>,
        /// Of L1 and L2; may be absent when it follows from the L1 key.
        l2: Option<KeyBytes>,
    },
    /// For everybody else: enough to encrypt.
    Public(PublicKey),
}

impl GroupKeyEnvelope {
    /// The keys as those from which group keys follow; `None` for the public form.
    pub fn seed_key(&self) -> Option<SeedKey> {
        let EnvelopeKey::Seed { l1, l2 } = &self.key else { return None };
        Some(SeedKey { parameters: self.parameters.clone(), index: self.index, l1: l1.clone(), l2: l2.clone() })
    }

    /// Reads the structure.
    ///
    /// # Errors
    /// [`ParameterError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ParameterError> {
        let mut reader = Reader::new("group key envelope", bytes);
        reader.exactly(&1_u32.to_le_bytes(), "version 1")?;
        reader.exactly(MAGIC, "KDSK")?;
        let flags = reader.u32("flags")?;
        let index = index(&mut reader)?;
        let root_key_id = root_key_id(&mut reader)?;
        let kdf_length = reader.length("the length of the KDF algorithm")?;
        let kdf_parameters_length = reader.length("the length of the KDF parameters")?;
        let agreement_length = reader.length("the length of the secret agreement algorithm")?;
        let agreement_parameters_length = reader.length("the length of the secret agreement parameters")?;
        let private_key_bits = reader.u32("the length of private keys")?;
        let public_key_bits = reader.u32("the length of public keys")?;
        let l1_length = reader.length("the length of the L1 key")?;
        let l2_length = reader.length("the length of the L2 key")?;
        let domain_length = reader.length("the length of the domain name")?;
        let forest_length = reader.length("the length of the forest name")?;

        let kdf = reader.wide(kdf_length, "the KDF algorithm in UTF-16LE with a NUL")?;
        if kdf != KDF_NAME {
            return Err(ParameterError::KdfUnknown(shown(&kdf)));
        }
        let at = reader.at();
        let hash = Hash::from_parameters(reader.take(kdf_parameters_length, "the KDF parameters")?);
        let hash = hash.map_err(|error| placed(error, at))?;
        let name = reader.wide(agreement_length, "the secret agreement algorithm in UTF-16LE with a NUL")?;
        let at = reader.at();
        let parameters = reader.take(agreement_parameters_length, "the secret agreement parameters")?;
        let agreement = Agreement::from_parameters(&name, parameters, private_key_bits, public_key_bits)
            .map_err(|error| placed(error, at))?;
        let domain = reader.wide(domain_length, "the domain name in UTF-16LE with a NUL")?;
        let forest = reader.wide(forest_length, "the forest name in UTF-16LE with a NUL")?;
        let l1 = key_bytes(&mut reader, l1_length, "an L1 key of 64 bytes, or none")?;
        let key = if flags & FLAG_PUBLIC == 0 {
            let l2 = key_bytes(&mut reader, l2_length, "an L2 key of 64 bytes, or none")?;
            EnvelopeKey::Seed { l1, l2 }
        } else {
            let at = reader.at();
            let bytes = reader.take(l2_length, "a public key")?;
            EnvelopeKey::Public(PublicKey::from_bytes(bytes).map_err(|error| error.inside(at))?)
        };
        reader.finish()?;
        let parameters = KeyParameters { root_key_id, hash, agreement };
        let for_encryption = flags & FLAG_FOR_ENCRYPTION != 0;
        Ok(Self { parameters, index, for_encryption, domain, forest, key })
    }

    /// Writes the structure; wiped when dropped, for it holds keys.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (public, l1, l2) = match &self.key {
            EnvelopeKey::Seed { l1, l2 } => (0, slice(l1), slice(l2).to_vec()),
            EnvelopeKey::Public(key) => (FLAG_PUBLIC, &[][..], key.to_bytes()),
        };
        let l2 = Zeroizing::new(l2);
        let agreement = &self.parameters.agreement;
        let kdf = wide(KDF_NAME);
        let kdf_parameters = self.parameters.hash.to_parameters();
        let method = wide(agreement.method().name());
        let method_parameters = agreement.to_parameters();
        let (domain, forest) = (wide(&self.domain), wide(&self.forest));
        let fields = [&kdf[..], &kdf_parameters, &method, &method_parameters, &domain, &forest, l1, &l2];

        // All at once: growing it would leave copies of keys behind.
        let length = fields.iter().map(|field| field.len()).fold(80, usize::saturating_add);
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        bytes.extend_from_slice(&1_u32.to_le_bytes());
        bytes.extend_from_slice(MAGIC);
        let encryption = if self.for_encryption { FLAG_FOR_ENCRYPTION } else { 0 };
        bytes.extend_from_slice(&(public | encryption).to_le_bytes());
        bytes.extend_from_slice(&self.index.to_bytes());
        bytes.extend_from_slice(&self.parameters.root_key_id.to_bytes_le());
        let lengths = [
            length_u32(&kdf),
            length_u32(&kdf_parameters),
            length_u32(&method),
            length_u32(&method_parameters),
            agreement.private_key_bits(),
            agreement.public_key_bits(),
            length_u32(l1),
            length_u32(&l2),
            length_u32(&domain),
            length_u32(&forest),
        ];
        for number in lengths {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for field in fields {
            bytes.extend_from_slice(field);
        }
        bytes
    }
}

impl fmt::Debug for GroupKeyEnvelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.key {
            EnvelopeKey::Seed { .. } => "seed",
            EnvelopeKey::Public(_) => "public",
        };
        write!(f, "GroupKeyEnvelope({} {}, {form}, redacted)", self.parameters.root_key_id, self.index)
    }
}

fn slice(key: &Option<KeyBytes>) -> &[u8] {
    key.as_ref().map_or(&[], |key| key.as_slice())
}

fn key_bytes(reader: &mut Reader<'_>, length: usize, expected: &'static str) -> Result<Option<KeyBytes>, FormatError> {
    match length {
        0 => Ok(None),
        64 => reader.array(expected).map(|bytes| Some(Zeroizing::new(bytes))),
        _ => Err(reader.error(reader.at(), expected)),
    }
}

/// The three indices, at the reader's position.
pub(super) fn index(reader: &mut Reader<'_>) -> Result<KeyIndex, FormatError> {
    let at = reader.at();
    let mut numbers = [0; 3];
    for number in &mut numbers {
        *number = i32::from_le_bytes(reader.array("an index of 4 bytes")?);
    }
    let [l0, l1, l2] = numbers;
    KeyIndex::new(l0, l1, l2).map_err(|_| reader.error(at, "an L0 index from 0, L1 and L2 from 0 to 31"))
}

/// The root key id, in the byte order of Windows.
pub(super) fn root_key_id(reader: &mut Reader<'_>) -> Result<Uuid, FormatError> {
    reader.array("a root key id of 16 bytes").map(Uuid::from_bytes_le)
}

fn placed(error: ParameterError, at: usize) -> ParameterError {
    match error {
        ParameterError::Format(error) => ParameterError::Format(error.inside(at)),
        other => other,
    }
}

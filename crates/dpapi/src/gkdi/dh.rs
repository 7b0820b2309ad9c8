//! Finite-field Diffie-Hellman with 2048 bits (MS-GKDI 2.2.2 and 2.2.3.1), in constant time.

use crate::reader::{FormatError, Reader};
use core::fmt;
use crypto_bigint::{
    Odd, U2048,
    modular::{FixedMontyForm, FixedMontyParams},
};
use std::sync::{Arc, LazyLock};
use zeroize::Zeroizing;

/// Bytes of the modulus, of the generator and of a public key.
pub(crate) const NUMBER_BYTES: usize = 256;
/// Bits of them.
pub(crate) const NUMBER_BITS: u32 = U2048::BITS;
const LIMBS: usize = U2048::LIMBS;
const PARAMETERS_MAGIC: &[u8] = b"DHPM";
const KEY_MAGIC: &[u8] = b"DHPB";
/// Of FFCDHParameters: total length, magic, key length, two numbers.
const PARAMETERS_BYTES: u32 = 0x20c;

/// RFC 5114 2.3: the group of every root key that nobody changed.
static RFC_5114: LazyLock<DhGroup> = LazyLock::new(|| {
    let modulus = Odd::<U2048>::from_be_hex(concat!(
        "87a8e61db4b6663cffbbd19c651959998ceef608660dd0f25d2ceed4435e3b00e00df8f1d61957d4faf7df4561b2aa3016c3d91134096faa3bf4296d830e9a7c",
        "209e0c6497517abd5a8a9d306bcf67ed91f9e6725b4758c022e0b1ef4275bf7b6c5bfc11d45f9088b941f54eb1e59bb8bc39a0bf12307f5c4fdb70c581b23f76",
        "b63acae1caa6b7902d52526735488a0ef13c6d9a51bfa4ab3ad8347796524d8ef6a167b5a41825d967e144e5140564251ccacb83e6b486f6b3ca3f7971506026",
        "c0b857f689962856ded4010abd0be621c3a3960a54e710c375f26375d7014103a4b54330c198af126116d2276e11715f693877fad7ef09cadb094ae91e1a1597",
    ));
    let generator = U2048::from_be_hex(concat!(
        "3fb32c9b73134d0b2e77506660edbd484ca7b18f21ef205407f4793a1a0ba12510dbc15077be463fff4fed4aac0bb555be3a6c1b0c6b47b1bc3773bf7e8c6f62",
        "901228f8c28cbb18a55ae31341000a650196f931c77a57f2ddf463e5e9ec144b777de62aaab8a8628ac376d282d6ed3864e67982428ebc831d14348f6f2f9193",
        "b5045af2767164e1dfc967c1fb3f2e55a4bd1bffe83b9c80d052b985d182ea0adb2a3b7313d3fe14c8484b1e052588b9b7d2bbd2df016199ecd06e1557cd0915",
        "b3353bbb64e0ec377fd028370df92b52c7891428cdc67eb6184b523d1db246c32f63078490f00ef8d647d148d47954515e2327cfef98c582664b4c0f6cc41659",
    ));
    DhGroup::new(modulus, generator)
});

/// A group: an odd modulus of 2048 bits and a generator.
#[derive(Clone)]
pub struct DhGroup(Arc<Group>);

struct Group {
    parameters: FixedMontyParams<LIMBS>,
    generator: U2048,
}

impl DhGroup {
    /// RFC 5114 2.3, the group of every root key that nobody changed.
    pub fn rfc_5114() -> Self {
        RFC_5114.clone()
    }

    fn new(modulus: Odd<U2048>, generator: U2048) -> Self {
        // The modulus is public: its set-up may take as long as it takes.
        Self(Arc::new(Group { parameters: FixedMontyParams::new_vartime(modulus), generator }))
    }
    fn modulus(&self) -> &U2048 {
        self.0.parameters.modulus().as_ref()
    }

    /// From FFCDHParameters (MS-GKDI 2.2.2).
    ///
    /// # Errors
    /// [`FormatError`], also for a length other than 2048 bits.
    pub fn from_parameters(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("FFCDHParameters", bytes);
        reader.exactly(&PARAMETERS_BYTES.to_le_bytes(), "a length of 524 bytes")?;
        reader.exactly(PARAMETERS_MAGIC, "DHPM")?;
        let group = Self::numbers(&mut reader)?;
        reader.finish()?;
        Ok(group)
    }
    /// As FFCDHParameters (MS-GKDI 2.2.2).
    pub fn to_parameters(&self) -> Vec<u8> {
        let mut bytes = PARAMETERS_BYTES.to_le_bytes().to_vec();
        bytes.extend_from_slice(PARAMETERS_MAGIC);
        self.write_numbers(&mut bytes);
        bytes
    }

    /// Key length, modulus, generator: as they stand in both structures.
    fn numbers(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        reader.exactly(&(NUMBER_BYTES as u32).to_le_bytes(), "a key length of 256 bytes (2048 bits)")?;
        let at = reader.at();
        let modulus = number(reader, "a modulus of 256 bytes")?;
        let generator_at = reader.at();
        let generator = number(reader, "a generator of 256 bytes")?;
        let usual = Self::rfc_5114();
        if modulus == *usual.modulus() && generator == usual.0.generator {
            return Ok(usual);
        }
        let odd = Option::<Odd<U2048>>::from(Odd::new(modulus));
        let modulus = odd
            .filter(|modulus| modulus.as_ref().bits_vartime() == U2048::BITS)
            .ok_or_else(|| reader.error(at, "an odd modulus of 2048 bits"))?;
        if !lies_inside(&generator, modulus.as_ref()) {
            return Err(reader.error(generator_at, "a generator from 2 to the modulus less 2"));
        }
        Ok(Self::new(modulus, generator))
    }
    fn write_numbers(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&(NUMBER_BYTES as u32).to_le_bytes());
        to.extend_from_slice(self.modulus().to_be_bytes().as_ref());
        to.extend_from_slice(self.0.generator.to_be_bytes().as_ref());
    }

    /// `base ^ exponent mod p`. The time depends on the length of the exponent alone.
    fn power(&self, base: &U2048, exponent: &DhExponent) -> U2048 {
        FixedMontyForm::new(base, &self.0.parameters).pow_bounded_exp(&exponent.number, exponent.bits).retrieve()
    }

    /// The public key of an exponent.
    pub(crate) fn public_key(&self, exponent: &DhExponent) -> DhPublicKey {
        DhPublicKey { group: self.clone(), number: self.power(&self.0.generator, exponent) }
    }
}

impl PartialEq for DhGroup {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.modulus() == other.modulus() && self.0.generator == other.0.generator)
    }
}
impl Eq for DhGroup {}

impl fmt::Debug for DhGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::rfc_5114() { "DhGroup(RFC 5114 2.3)" } else { "DhGroup(own)" })
    }
}

fn number(reader: &mut Reader<'_>, expected: &'static str) -> Result<U2048, FormatError> {
    reader.array::<NUMBER_BYTES>(expected).map(|bytes| U2048::from_be_slice(&bytes))
}

/// 2 to p-2: neither 0, 1 nor -1, whose powers say nothing about the exponent's owner.
fn lies_inside(number: &U2048, modulus: &U2048) -> bool {
    *number > U2048::ONE && *number < modulus.wrapping_sub(&U2048::ONE)
}

/// A private exponent; wiped when dropped.
#[derive(Clone)]
pub(crate) struct DhExponent {
    number: Box<Zeroizing<U2048>>,
    bits: u32,
}

impl DhExponent {
    /// From at most 256 bytes, big-endian.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let mut padded = Zeroizing::new([0; NUMBER_BYTES]);
        let start = NUMBER_BYTES.checked_sub(bytes.len())?;
        padded.get_mut(start..)?.copy_from_slice(bytes);
        let bits = u32::try_from(bytes.len()).ok()?.checked_mul(8)?;
        let number = Box::new(Zeroizing::new(U2048::from_be_slice(padded.as_slice())));
        Some(Self { number, bits })
    }
}

/// A public key and its group.
#[derive(Clone, PartialEq, Eq)]
pub struct DhPublicKey {
    group: DhGroup,
    number: U2048,
}

impl DhPublicKey {
    /// The group.
    pub fn group(&self) -> &DhGroup {
        &self.group
    }
    /// From FFCDHKey (MS-GKDI 2.2.3.1).
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("FFCDHKey", bytes);
        reader.exactly(KEY_MAGIC, "DHPB")?;
        let group = DhGroup::numbers(&mut reader)?;
        let at = reader.at();
        let number = number(&mut reader, "a public key of 256 bytes")?;
        if !lies_inside(&number, group.modulus()) {
            return Err(reader.error(at, "a public key from 2 to the modulus less 2"));
        }
        reader.finish()?;
        Ok(Self { group, number })
    }
    /// As FFCDHKey (MS-GKDI 2.2.3.1): 776 bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = KEY_MAGIC.to_vec();
        self.group.write_numbers(&mut bytes);
        bytes.extend_from_slice(self.number.to_be_bytes().as_ref());
        bytes
    }
    /// The shared secret, 256 bytes, big-endian. The caller has seen to it that the groups are the same.
    pub(crate) fn agree(&self, exponent: &DhExponent) -> Zeroizing<Vec<u8>> {
        let secret = Zeroizing::new(self.group.power(&self.number, exponent));
        Zeroizing::new(secret.to_be_bytes().as_ref().to_vec())
    }
}

impl fmt::Debug for DhPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DhPublicKey({:?})", self.group)
    }
}

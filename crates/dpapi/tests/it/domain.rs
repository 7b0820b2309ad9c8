//! What the tests share: a domain's root key, and a generator that gives known bytes.

use dpapi::{
    Sid,
    gkdi::{Agreement, Curve, Hash, KeyIndex, Method, RootKey},
};
use rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;
use zeroize::Zeroizing;

/// The root key of laps-behaviour.md 7.11.
pub(crate) fn root_key(hash: Hash, agreement: Agreement) -> RootKey {
    let data = Zeroizing::new(core::array::from_fn(|at| at as u8));
    let id = "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap();
    RootKey::new(id, "SP800_108_CTR_HMAC", hash, agreement, data).unwrap()
}

/// The principal of laps-behaviour.md 7.11.
pub(crate) fn principal() -> Sid {
    "S-1-5-21-1111111111-2222222222-3333333333-512".parse().unwrap()
}

/// The interval of laps-behaviour.md 7.11.
pub(crate) fn index() -> KeyIndex {
    KeyIndex::new(361, 17, 8).unwrap()
}

/// All four methods. A root key for P-521 has private keys of 512 bits here: the derived number must be below the order.
pub(crate) fn agreements() -> [Agreement; 4] {
    let curve = |curve, private, public| Agreement::new(Method::Ecdh(curve), private, public).unwrap();
    [Agreement::usual(), curve(Curve::P256, 256, 256), curve(Curve::P384, 384, 384), curve(Curve::P521, 512, 521)]
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Gives the bytes that it was made with, then panics.
pub(crate) struct Known(pub(crate) Vec<u8>);

impl TryRng for Known {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unimplemented!("bytes only")
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unimplemented!("bytes only")
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(to.len());
        to.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}
impl TryCryptoRng for Known {}

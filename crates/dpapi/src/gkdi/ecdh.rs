//! ECDH over the NIST curves (MS-GKDI 2.2.3.2).

use crate::reader::{FormatError, Reader};
use elliptic_curve::{
    AffinePoint, Curve as EllipticCurve, CurveArithmetic, FieldBytes, FieldBytesSize, PublicKey, SecretKey,
    ecdh::diffie_hellman,
    sec1::{FromSec1Point, ModulusSize, ToSec1Point},
};
use zeroize::{Zeroize as _, Zeroizing};

/// A curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

/// Runs an expression with the type of a curve.
macro_rules! on_curve {
    ($curve:expr, $name:ident => $body:expr) => {
        match $curve {
            Curve::P256 => {
                type $name = p256::NistP256;
                $body
            }
            Curve::P384 => {
                type $name = p384::NistP384;
                $body
            }
            Curve::P521 => {
                type $name = p521::NistP521;
                $body
            }
        }
    };
}

impl Curve {
    /// All three.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    const fn magic(self) -> &'static [u8; 4] {
        match self {
            Self::P256 => b"ECK1",
            Self::P384 => b"ECK3",
            Self::P521 => b"ECK5",
        }
    }
    /// Bytes of a coordinate and of a scalar.
    pub const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
    /// Bits of a scalar.
    pub const fn bits(self) -> u32 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }
}

/// A point of a curve: uncompressed SEC1, checked to lie on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcPublicKey {
    curve: Curve,
    sec1: Vec<u8>,
}

impl EcPublicKey {
    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }
    /// From ECDHKey (MS-GKDI 2.2.3.2).
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new("ECDHKey", bytes);
        let magic: [u8; 4] = reader.array("ECK1, ECK3 or ECK5")?;
        let curve = Curve::ALL.into_iter().find(|curve| *curve.magic() == magic);
        let curve = curve.ok_or_else(|| reader.error(0, "ECK1, ECK3 or ECK5"))?;
        let length = curve.coordinate_bytes();
        let expected = "the coordinate length of the curve: 32, 48 or 66 bytes";
        reader.exactly(&(length as u32).to_le_bytes(), expected)?;
        let at = reader.at();
        let mut sec1 = vec![4];
        sec1.extend_from_slice(reader.take(length.saturating_mul(2), "two coordinates")?);
        reader.finish()?;
        if !on_curve!(curve, C => PublicKey::<C>::from_sec1_bytes(&sec1).is_ok()) {
            return Err(FormatError { structure: "ECDHKey", offset: at, expected: "a point of the curve" });
        }
        Ok(Self { curve, sec1 })
    }
    /// As ECDHKey (MS-GKDI 2.2.3.2): 72, 104 or 140 bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.curve.magic().to_vec();
        bytes.extend_from_slice(&(self.curve.coordinate_bytes() as u32).to_le_bytes());
        bytes.extend_from_slice(self.sec1.get(1..).unwrap_or_default());
        bytes
    }
}

/// A private scalar of a curve; wiped when dropped.
#[derive(Clone)]
pub(crate) struct EcScalar {
    curve: Curve,
    bytes: Zeroizing<Vec<u8>>,
}

impl EcScalar {
    /// From big-endian bytes, at most as many as a coordinate has; `None` when the number is 0 or not below the
    /// order of the curve.
    pub(crate) fn new(curve: Curve, bytes: &[u8]) -> Option<Self> {
        let mut padded = Zeroizing::new(vec![0; curve.coordinate_bytes()]);
        let start = padded.len().checked_sub(bytes.len())?;
        padded.get_mut(start..)?.copy_from_slice(bytes);
        let scalar = Self { curve, bytes: padded };
        on_curve!(curve, C => scalar.secret_key::<C>().is_some()).then_some(scalar)
    }
    /// The curve.
    pub(crate) fn curve(&self) -> Curve {
        self.curve
    }
    fn secret_key<C: EllipticCurve>(&self) -> Option<SecretKey<C>> {
        let mut bytes = FieldBytes::<C>::default();
        if bytes.len() != self.bytes.len() {
            return None;
        }
        bytes.copy_from_slice(&self.bytes);
        let key = SecretKey::<C>::from_bytes(&bytes).ok();
        bytes.zeroize();
        key
    }

    /// The point of this scalar.
    pub(crate) fn public_key(&self) -> Option<EcPublicKey> {
        let sec1 = on_curve!(self.curve, C => public::<C>(&self.secret_key()?));
        Some(EcPublicKey { curve: self.curve, sec1 })
    }
    /// The x coordinate of the shared point; `None` when the other key is of another curve.
    pub(crate) fn agree(&self, peer: &EcPublicKey) -> Option<Zeroizing<Vec<u8>>> {
        if self.curve != peer.curve {
            return None;
        }
        on_curve!(self.curve, C => shared::<C>(&self.secret_key()?, &peer.sec1))
    }
}

fn public<C>(key: &SecretKey<C>) -> Vec<u8>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    key.public_key().as_affine().to_sec1_point(false).as_bytes().to_vec()
}

fn shared<C>(key: &SecretKey<C>, peer: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    let peer = PublicKey::<C>::from_sec1_bytes(peer).ok()?;
    let secret = diffie_hellman(key.to_nonzero_scalar(), peer.as_affine());
    Some(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
}

//! How a service principal proves itself with a key of its own: a signed assertion (RFC 7521, RFC 7523 3).

use super::Audience;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use x509_parser::prelude::{FromDer, Pem, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::PublicKey;

/// Seconds that the clocks of client and server may differ.
const SKEW_S: u64 = 60;
/// Longest life of an assertion, seconds.
pub const LIFE_MAX_S: u64 = 3_600;
/// Longest assertion, bytes.
const BYTES_MAX: usize = 8_192;
/// Fewest bits of an RSA key.
const RSA_BITS_MIN: usize = 2_048;
/// OID of the curve P-256.
const P256: &str = "1.2.840.10045.3.1.7";

/// Why an assertion was not taken. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Not a JWT of an algorithm that is allowed, or a claim is missing.
    #[error("the assertion is not a JWT signed with RS256, PS256 or ES256, with iss, sub, aud, exp and jti")]
    Malformed,
    /// No key of the client signed it.
    #[error("no key of this client signed the assertion")]
    BadSignature,
    /// It is for somebody else, or about somebody else.
    #[error("the assertion's iss and sub must be the client id, and its aud this server's token endpoint")]
    Elsewhere,
    /// It has run out, is not good yet, or lives too long.
    #[error("the assertion has run out, is not good yet, or lives over an hour; check the clock")]
    OutOfTime,
}

impl AssertionError {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "assertion_malformed",
            Self::BadSignature => "assertion_signature",
            Self::Elsewhere => "assertion_audience",
            Self::OutOfTime => "assertion_out_of_time",
        }
    }
}

/// What is left of a good assertion: to see it once only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Its id.
    pub jti: String,
    /// Seconds since 1970 at which it ends.
    pub exp: u64,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    #[serde(default)]
    nbf: u64,
    jti: String,
}

/// A public key from its PEM text, a certificate's or its own; SubjectPublicKeyInfo, DER. `None` when it is none that
/// assertions may be signed with: RSA of at least 2048 bits, or P-256.
pub fn public_key(pem: &str) -> Option<Vec<u8>> {
    let (pem, _) = Pem::read(std::io::Cursor::new(pem.as_bytes())).ok()?;
    let der = match pem.label.as_str() {
        "CERTIFICATE" => X509Certificate::from_der(&pem.contents).ok()?.1.tbs_certificate.subject_pki.raw.to_vec(),
        "PUBLIC KEY" => pem.contents,
        _ => return None,
    };
    key(&der).map(|_| der)
}

/// The key of a SubjectPublicKeyInfo, and what it may sign with.
fn key(der: &[u8]) -> Option<(DecodingKey, &'static [Algorithm])> {
    let (rest, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    match info.parsed().ok()? {
        PublicKey::RSA(rsa) if rsa.key_size() >= RSA_BITS_MIN => {
            let strip = |bytes: &[u8]| {
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                URL_SAFE_NO_PAD.encode(&bytes[zeros..])
            };
            let key = DecodingKey::from_rsa_components(&strip(rsa.modulus), &strip(rsa.exponent)).ok()?;
            Some((key, &[Algorithm::RS256, Algorithm::PS256]))
        }
        PublicKey::EC(point) => {
            let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?;
            let (4, coordinates) = point.data().split_first().map(|(first, rest)| (*first, rest))? else {
                return None;
            };
            if curve.to_id_string() != P256 || coordinates.len() != 64 {
                return None;
            }
            let (x, y) = coordinates.split_at(32);
            let key = DecodingKey::from_ec_components(&URL_SAFE_NO_PAD.encode(x), &URL_SAFE_NO_PAD.encode(y)).ok()?;
            Some((key, &[Algorithm::ES256]))
        }
        _ => None,
    }
}

/// Checks an assertion of `client` against its keys. That it was not seen before is the caller's to check.
///
/// # Errors
/// [`AssertionError`].
pub fn check(
    assertion: &str,
    client: &str,
    keys: &[Vec<u8>],
    is_audience: impl Fn(&str) -> bool,
    now_s: u64,
) -> Result<Checked, AssertionError> {
    if assertion.len() > BYTES_MAX {
        return Err(AssertionError::Malformed);
    }
    let algorithm = jsonwebtoken::decode_header(assertion).map_err(|_| AssertionError::Malformed)?.alg;
    if ![Algorithm::RS256, Algorithm::PS256, Algorithm::ES256].contains(&algorithm) {
        return Err(AssertionError::Malformed);
    }
    let mut rules = Validation::new(algorithm);
    // Judged below, each with its own word, by the clock that the server was given.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules.set_required_spec_claims::<&str>(&[]);
    let mut claims = None;
    for der in keys {
        let Some((key, _)) = key(der).filter(|(_, allowed)| allowed.contains(&algorithm)) else { continue };
        match jsonwebtoken::decode::<Claims>(assertion, &key, &rules) {
            Ok(found) => claims = Some(found.claims),
            Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_)) => {
                return Err(AssertionError::Malformed);
            }
            Err(_) => {}
        }
    }
    let claims = claims.ok_or(AssertionError::BadSignature)?;
    let for_us = match &claims.aud {
        Audience::One(one) => is_audience(one),
        Audience::Some(some) => some.iter().any(|one| is_audience(one)),
    };
    if claims.iss != client || claims.sub != client || !for_us {
        return Err(AssertionError::Elsewhere);
    }
    let in_time = now_s < claims.exp.saturating_add(SKEW_S)
        && claims.exp <= now_s.saturating_add(LIFE_MAX_S + SKEW_S)
        && claims.nbf <= now_s.saturating_add(SKEW_S);
    if !in_time {
        return Err(AssertionError::OutOfTime);
    }
    if claims.jti.is_empty() || claims.jti.len() > 200 {
        return Err(AssertionError::Malformed);
    }
    Ok(Checked { jti: claims.jti, exp: claims.exp })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    const NOW: u64 = 1_790_000_000;

    fn pair() -> (EncodingKey, String) {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        (EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap(), pair.public_key_pem())
    }

    fn good() -> Value {
        json!({"iss": "c", "sub": "c", "aud": "https://h/t/oauth2/v2.0/token", "exp": NOW + 600, "nbf": NOW, "jti": "1"})
    }

    #[test]
    fn only_what_is_right_in_everything_is_taken() {
        let (signing, pem) = pair();
        let keys = vec![public_key(&pem).unwrap()];
        let audience = |aud: &str| aud == "https://h/t/oauth2/v2.0/token";
        let judge = |claims: &Value| {
            let text = encode(&Header::new(Algorithm::ES256), claims, &signing).unwrap();
            check(&text, "c", &keys, audience, NOW)
        };
        assert_eq!(judge(&good()), Ok(Checked { jti: "1".into(), exp: NOW + 600 }));
        let with = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            claims
        };
        assert!(judge(&with("aud", json!(["x", "https://h/t/oauth2/v2.0/token"]))).is_ok());
        for (claims, expected) in [
            (with("iss", json!("d")), AssertionError::Elsewhere),
            (with("sub", json!("d")), AssertionError::Elsewhere),
            (with("aud", json!("https://other/t/oauth2/v2.0/token")), AssertionError::Elsewhere),
            (with("exp", json!(NOW - 61)), AssertionError::OutOfTime),
            (with("exp", json!(NOW + 3_700)), AssertionError::OutOfTime),
            (with("exp", json!(u64::MAX)), AssertionError::OutOfTime),
            (with("nbf", json!(NOW + 100)), AssertionError::OutOfTime),
            (with("jti", json!("")), AssertionError::Malformed),
            (with("jti", Value::Null), AssertionError::Malformed),
        ] {
            assert_eq!(judge(&claims), Err(expected), "{claims}");
        }
        let (other, _) = pair();
        let forged = encode(&Header::new(Algorithm::ES256), &good(), &other).unwrap();
        assert_eq!(check(&forged, "c", &keys, audience, NOW), Err(AssertionError::BadSignature));
        // The public key as an HMAC secret, and no signature at all.
        let hmac = encode(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(&keys[0])).unwrap();
        assert_eq!(check(&hmac, "c", &keys, audience, NOW), Err(AssertionError::Malformed));
        let body = URL_SAFE_NO_PAD.encode(good().to_string());
        for header in ["{\"alg\":\"none\"}", "{\"alg\":\"ES256\"}"] {
            let text = format!("{}.{body}.", URL_SAFE_NO_PAD.encode(header));
            assert!(check(&text, "c", &keys, audience, NOW).is_err());
        }
        for text in ["", "a.b.c", &"a".repeat(9_000)] {
            assert_eq!(check(text, "c", &keys, audience, NOW), Err(AssertionError::Malformed));
        }
    }

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        let (_, p256) = pair();
        assert!(public_key(&p384.public_key_pem()).is_none());
        assert!(public_key(&p256).is_some());
        let certificate = rcgen::generate_simple_self_signed(vec!["sync".into()]).unwrap();
        assert!(public_key(&certificate.cert.pem()).is_some());
        for text in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert!(public_key(text).is_none());
        }
        assert!(public_key(&p384.serialize_pem()).is_none(), "a private key is not for us");
    }
}

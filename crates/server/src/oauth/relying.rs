//! The relying side of OpenID Connect: what a foreign provider says is checked here, strictly and without a network
//! (OpenID Connect Core 1.0, 3.1.3.7; RFC 7636; RFC 9700).

use super::Audience;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Seconds that the clocks may differ.
const SKEW_S: u64 = 60;
/// Longest life of an id token that is taken, seconds.
const LIFE_MAX_S: u64 = 86_400;
/// Longest subject, characters (OpenID Connect Core 2).
const SUBJECT_CHARS_MAX: usize = 255;

/// Why a provider's answer was not taken. The words are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelyingError {
    /// The discovery document is not one, or is of another issuer.
    #[error("the provider's discovery document does not fit its issuer")]
    Discovery,
    /// An address in it is not `https`.
    #[error("the provider names an address that is not https")]
    NotHttps,
    /// Not a JWT, or a claim is missing.
    #[error("the provider's id token is not one")]
    Malformed,
    /// An algorithm that is not on the list.
    #[error("the provider's id token is signed with an algorithm that is not taken; expected RS256, PS256 or ES256")]
    Algorithm,
    /// No key of that id, or not signed by it.
    #[error("the provider's id token is not signed by a key that the provider publishes")]
    Signature,
    /// Of another issuer.
    #[error("the id token is of another issuer")]
    Issuer,
    /// For another client.
    #[error("the id token is for another client")]
    Audience,
    /// Run out, not good yet, or living too long.
    #[error("the id token has run out or is not good yet; check the clocks")]
    OutOfTime,
    /// Of another sign-in.
    #[error("the id token is of another sign-in")]
    Nonce,
}

impl RelyingError {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Discovery => "oidc_discovery",
            Self::NotHttps => "oidc_not_https",
            Self::Malformed => "oidc_malformed",
            Self::Algorithm => "oidc_algorithm",
            Self::Signature => "oidc_signature",
            Self::Issuer => "oidc_issuer",
            Self::Audience => "oidc_audience",
            Self::OutOfTime => "oidc_out_of_time",
            Self::Nonce => "oidc_nonce",
        }
    }
}

/// What is needed of a provider's discovery document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Discovered {
    issuer: String,
    /// Where the person is sent.
    pub authorization_endpoint: String,
    /// Where the code is exchanged.
    pub token_endpoint: String,
    /// The provider's keys.
    pub jwks_uri: String,
}

/// Where an issuer's discovery document lies.
pub fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Reads a discovery document of `issuer`, which it must name byte for byte.
///
/// # Errors
/// [`RelyingError::Discovery`], [`RelyingError::NotHttps`].
pub fn discovered(document: &[u8], issuer: &str) -> Result<Discovered, RelyingError> {
    let found: Discovered = serde_json::from_slice(document).map_err(|_| RelyingError::Discovery)?;
    if found.issuer != issuer {
        return Err(RelyingError::Discovery);
    }
    let addresses = [&found.authorization_endpoint, &found.token_endpoint, &found.jwks_uri];
    if addresses.iter().any(|address| !address.starts_with("https://")) {
        return Err(RelyingError::NotHttps);
    }
    Ok(found)
}

/// The challenge of a PKCE verifier (RFC 7636 4.2, S256).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    iat: u64,
    #[serde(default)]
    nbf: u64,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    azp: Option<String>,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

impl Jwk {
    /// The key, if it may sign with `algorithm`.
    fn key(&self, algorithm: Algorithm, word: &str) -> Option<DecodingKey> {
        let of_use = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let of_algorithm = self.alg.as_deref().is_none_or(|alg| alg == word);
        if !of_use || !of_algorithm {
            return None;
        }
        match (self.kty.as_str(), algorithm) {
            ("RSA", Algorithm::RS256 | Algorithm::PS256) => {
                let modulus = self.n.as_deref()?;
                // 2048 bits and more
                if URL_SAFE_NO_PAD.decode(modulus).ok()?.iter().skip_while(|byte| **byte == 0).count() < 256 {
                    return None;
                }
                DecodingKey::from_rsa_components(modulus, self.e.as_deref()?).ok()
            }
            ("EC", Algorithm::ES256) if self.crv.as_deref() == Some("P-256") => {
                DecodingKey::from_ec_components(self.x.as_deref()?, self.y.as_deref()?).ok()
            }
            _ => None,
        }
    }
}

/// What an id token must fit.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The provider's issuer.
    pub issuer: &'a str,
    /// Our client id there.
    pub client_id: &'a str,
    /// Of this sign-in.
    pub nonce: &'a str,
    /// Seconds since 1970.
    pub now_s: u64,
}

/// The subject of an id token that fits in everything.
///
/// # Errors
/// [`RelyingError`].
pub fn subject(id_token: &str, jwks: &[u8], expected: Expected<'_>) -> Result<String, RelyingError> {
    let header = jsonwebtoken::decode_header(id_token).map_err(|_| RelyingError::Malformed)?;
    let word = match header.alg {
        Algorithm::RS256 => "RS256",
        Algorithm::PS256 => "PS256",
        Algorithm::ES256 => "ES256",
        _ => return Err(RelyingError::Algorithm),
    };
    let keys: Jwks = serde_json::from_slice(jwks).map_err(|_| RelyingError::Signature)?;
    // By its id; a set of one key needs none (OpenID Connect Core 10.1).
    let named = keys.keys.iter().filter(|key| match &header.kid {
        Some(kid) => key.kid.as_ref() == Some(kid),
        None => keys.keys.len() == 1,
    });
    let mut rules = Validation::new(header.alg);
    // Judged below, each with its own word, by the clock that the server was given.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules.set_required_spec_claims::<&str>(&[]);
    let claims = named
        .filter_map(|key| key.key(header.alg, word))
        .find_map(|key| jsonwebtoken::decode::<Claims>(id_token, &key, &rules).ok())
        .ok_or(RelyingError::Signature)?
        .claims;
    if claims.iss != expected.issuer {
        return Err(RelyingError::Issuer);
    }
    let for_us = match &claims.aud {
        Audience::One(one) => one == expected.client_id,
        // Further audiences are only trusted when the token says that it was made for us.
        Audience::Some(some) => {
            some.iter().any(|one| one == expected.client_id)
                && (some.len() == 1 || claims.azp.as_deref() == Some(expected.client_id))
        }
    };
    if !for_us || claims.azp.as_deref().is_some_and(|party| party != expected.client_id) {
        return Err(RelyingError::Audience);
    }
    let now_s = expected.now_s;
    let in_time = now_s < claims.exp.saturating_add(SKEW_S)
        && claims.exp <= now_s.saturating_add(LIFE_MAX_S)
        && claims.iat <= now_s.saturating_add(SKEW_S)
        && claims.nbf <= now_s.saturating_add(SKEW_S);
    if !in_time {
        return Err(RelyingError::OutOfTime);
    }
    if expected.nonce.is_empty() || claims.nonce != expected.nonce {
        return Err(RelyingError::Nonce);
    }
    let chars = claims.sub.chars().count();
    if chars == 0 || chars > SUBJECT_CHARS_MAX || claims.sub.chars().any(char::is_control) {
        return Err(RelyingError::Malformed);
    }
    Ok(claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    const NOW: u64 = 1_790_000_000;
    const EXPECTED: Expected<'static> =
        Expected { issuer: "https://id.test", client_id: "lapwing", nonce: "n", now_s: NOW };

    struct Provider {
        signing: EncodingKey,
        jwk: Value,
    }

    fn provider(kid: &str) -> Provider {
        use rcgen::PublicKeyData;
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let point = pair.der_bytes();
        let part = |at: core::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[at]);
        Provider {
            signing: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap(),
            jwk: json!({"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": part(1..33), "y": part(33..65)}),
        }
    }

    fn good() -> Value {
        json!({"iss": "https://id.test", "sub": "s", "aud": "lapwing", "exp": NOW + 300, "iat": NOW, "nonce": "n"})
    }

    #[test]
    fn only_what_is_right_in_everything_is_taken() {
        let (one, other) = (provider("1"), provider("2"));
        let jwks = json!({"keys": [other.jwk, one.jwk]}).to_string();
        let sign = |claims: &Value, kid: Option<&str>, by: &Provider| {
            let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::ES256) };
            encode(&header, claims, &by.signing).unwrap()
        };
        let judge = |claims: &Value| subject(&sign(claims, Some("1"), &one), jwks.as_bytes(), EXPECTED);
        let with = |name: &str, value: Value| {
            let mut claims = good();
            claims[name] = value;
            claims
        };
        assert_eq!(judge(&good()), Ok("s".to_owned()));
        let two = {
            let mut claims = with("aud", json!(["lapwing", "other"]));
            claims["azp"] = json!("lapwing");
            claims
        };
        assert!(judge(&two).is_ok());
        for (claims, expected) in [
            (with("iss", json!("https://id.test/")), RelyingError::Issuer),
            (with("aud", json!("other")), RelyingError::Audience),
            (with("aud", json!(["lapwing", "other"])), RelyingError::Audience),
            (with("azp", json!("other")), RelyingError::Audience),
            (with("exp", json!(NOW - 61)), RelyingError::OutOfTime),
            (with("exp", json!(u64::MAX)), RelyingError::OutOfTime),
            (with("iat", json!(NOW + 100)), RelyingError::OutOfTime),
            (with("nbf", json!(NOW + 100)), RelyingError::OutOfTime),
            (with("nonce", json!("m")), RelyingError::Nonce),
            (with("nonce", json!("")), RelyingError::Nonce),
            (with("sub", json!("")), RelyingError::Malformed),
            (with("sub", json!("x".repeat(4_000))), RelyingError::Malformed),
            (with("sub", json!("a\u{7}")), RelyingError::Malformed),
        ] {
            assert_eq!(judge(&claims), Err(expected), "{claims}");
        }
        let whole = |token: &str| subject(token, jwks.as_bytes(), EXPECTED);
        assert_eq!(whole(&sign(&good(), Some("2"), &one)), Err(RelyingError::Signature), "another key's name");
        assert_eq!(whole(&sign(&good(), Some("3"), &one)), Err(RelyingError::Signature), "a name that nobody has");
        assert_eq!(whole(&sign(&good(), None, &one)), Err(RelyingError::Signature), "no name, two keys");
        let hmac = encode(&Header::new(Algorithm::HS256), &good(), &EncodingKey::from_secret(b"lapwing")).unwrap();
        assert_eq!(whole(&hmac), Err(RelyingError::Algorithm));
        let none =
            format!("{}.{}.", URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}"), URL_SAFE_NO_PAD.encode(good().to_string()));
        assert_eq!(whole(&none), Err(RelyingError::Malformed));
        for text in ["", "x", "a.b.c"] {
            assert_eq!(whole(text), Err(RelyingError::Malformed));
        }
        assert_eq!(subject(&sign(&good(), Some("1"), &one), b"{}", EXPECTED), Err(RelyingError::Signature));
        let encryption = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "use": "enc", "x": one.jwk["x"], "y": one.jwk["y"]}]});
        let found = subject(&sign(&good(), Some("1"), &one), encryption.to_string().as_bytes(), EXPECTED);
        assert_eq!(found, Err(RelyingError::Signature), "a key for something else");
    }

    #[test]
    fn discovery_is_of_its_issuer_and_https() {
        let document = |issuer: &str, token: &str| {
            json!({
                "issuer": issuer, "authorization_endpoint": "https://id.test/auth",
                "token_endpoint": token, "jwks_uri": "https://id.test/keys",
            })
            .to_string()
        };
        let read = |text: String| discovered(text.as_bytes(), "https://id.test");
        assert!(read(document("https://id.test", "https://id.test/token")).is_ok());
        assert_eq!(read(document("https://evil.test", "https://id.test/token")), Err(RelyingError::Discovery));
        assert_eq!(read(document("https://id.test", "http://id.test/token")), Err(RelyingError::NotHttps));
        assert_eq!(read("{}".into()), Err(RelyingError::Discovery));
        assert_eq!(discovery_url("https://id.test/x/"), "https://id.test/x/.well-known/openid-configuration");
    }

    /// RFC 7636, appendix B.
    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        assert_eq!(
            challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}

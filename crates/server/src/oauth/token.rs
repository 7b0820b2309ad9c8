//! Tokens: RS256 JWTs (RFC 7519) with the claims of protocols.md 4.3.
//!
//! An access token names the authorization epoch and the incarnation that it was made under; `app`
//! compares both with what is stored, so that a change of rights or a restore voids it at once.

use super::OauthError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use laps::time::Timestamp;
use proto::oauth::{Key, Keys, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Life of an access token, seconds.
pub const ACCESS_TOKEN_S: u64 = 3_600;
/// The audience of tokens for the Graph-compatible API.
pub const GRAPH: &str = "https://graph.microsoft.com";
/// Graph's application id: another name of the same audience.
const GRAPH_ID: &str = "00000003-0000-0000-c000-000000000000";

/// The claims of an access token. Times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The resource.
    pub aud: String,
    /// `https://HOST/<tenant>/v2.0`.
    pub iss: String,
    /// Issued at.
    pub iat: u64,
    /// Not before.
    pub nbf: u64,
    /// End.
    pub exp: u64,
    /// The tenant.
    pub tid: String,
    /// The person or service principal.
    pub oid: String,
    /// The same.
    pub sub: String,
    /// The client.
    pub appid: String,
    /// The client's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_displayname: Option<String>,
    /// `user` or `app`.
    pub idtyp: String,
    /// For a person: scopes, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scp: Option<String>,
    /// For a service principal: permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// Template ids of roles; for people who read tokens, decisions use what is stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wids: Vec<String>,
    /// For a person: the sign-in name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upn: Option<String>,
    /// The shown name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `1.0` or `2.0`.
    pub ver: String,
    /// The sign-in of a person that it follows from: it ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The authorization epoch.
    pub lapwing_epoch: u64,
    /// The incarnation of the server's data.
    pub lapwing_incarnation: String,
}

/// The claims of an id token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdClaims {
    /// The client.
    pub aud: String,
    /// `https://HOST/<tenant>/v2.0`.
    pub iss: String,
    /// Issued at.
    pub iat: u64,
    /// Not before.
    pub nbf: u64,
    /// End.
    pub exp: u64,
    /// The tenant.
    pub tid: String,
    /// The person.
    pub oid: String,
    /// The same.
    pub sub: String,
    /// The sign-in name.
    pub preferred_username: String,
    /// The shown name.
    pub name: String,
    /// `2.0`.
    pub ver: String,
}

/// Signs and checks tokens with the server's RSA key.
pub struct TokenSigner {
    signing: EncodingKey,
    checking: DecodingKey,
    key: Key,
    paging: Zeroizing<[u8; 32]>,
}

impl TokenSigner {
    /// Makes a new key: RSA 2048, PKCS #8 as PEM.
    pub fn create() -> Result<Zeroizing<String>, OauthError> {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)
            .map_err(|error| OauthError::Key(error.to_string()))?;
        Ok(key.serialize_pem().into())
    }

    /// Opens a key from its PEM text.
    pub fn open(pem: &str) -> Result<Self, OauthError> {
        use rcgen::PublicKeyData;
        use x509_parser::prelude::FromDer;
        let wrong = |error: &dyn std::fmt::Display| OauthError::Key(error.to_string());
        let pair = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(pem, &rcgen::PKCS_RSA_SHA256)
            .map_err(|error| wrong(&error))?;
        let (_, public) =
            x509_parser::public_key::RSAPublicKey::from_der(pair.der_bytes()).map_err(|error| wrong(&error))?;
        let strip = |bytes: &[u8]| {
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            URL_SAFE_NO_PAD.encode(&bytes[zeros..])
        };
        let (n, e) = (strip(public.modulus), strip(public.exponent));
        // RFC 7638: the thumbprint of the key is its id
        let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{{\"e\":\"{e}\",\"kty\":\"RSA\",\"n\":\"{n}\"}}")));
        let mut paging = Sha256::new();
        paging.update(b"lapwing/page/1");
        paging.update(pair.serialized_der());
        Ok(Self {
            signing: EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(|error| wrong(&error))?,
            checking: DecodingKey::from_rsa_components(&n, &e).map_err(|error| wrong(&error))?,
            key: Key { kty: "RSA".into(), usage: "sig".into(), alg: "RS256".into(), kid, n, e },
            paging: Zeroizing::new(paging.finalize().into()),
        })
    }

    /// The public keys.
    pub fn keys(&self) -> Keys {
        Keys { keys: vec![self.key.clone()] }
    }

    /// Signs claims.
    pub fn sign<T: Serialize>(&self, claims: &T) -> Result<Secret, OauthError> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.key.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.signing)
            .map(Secret::new)
            .map_err(|error| OauthError::Sign(error.to_string()))
    }

    /// The claims of an access token for the Graph-compatible API that this server signed and that is in time.
    ///
    /// A skew of a minute is allowed at its start. `None` for everything else.
    pub fn check(&self, token: &str, tenant: &str, now: Timestamp) -> Option<AccessClaims> {
        let mut rules = Validation::new(Algorithm::RS256);
        // Time is judged below, by the clock that the server was given.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        rules.validate_aud = false;
        rules.set_required_spec_claims::<&str>(&[]);
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &self.checking, &rules).ok()?.claims;
        let now_s = unix_s(now);
        let good = claims.aud == GRAPH && claims.tid == tenant && claims.nbf <= now_s + 60 && now_s < claims.exp;
        good.then_some(claims)
    }

    /// Signs the place where the next page of a list starts (`$skiptoken`); `list` tells lists apart.
    pub fn seal_page(&self, list: &str, cursor: &str) -> String {
        let tag = self.page_tag(list, cursor);
        URL_SAFE_NO_PAD.encode([&tag, cursor.as_bytes()].concat())
    }

    /// The place in a `$skiptoken` of this list; `None` when this server did not sign it.
    pub fn open_page(&self, list: &str, token: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (tag, cursor) = bytes.split_at_checked(16)?;
        let cursor = std::str::from_utf8(cursor).ok()?;
        let good: bool = subtle::ConstantTimeEq::ct_eq(tag, self.page_tag(list, cursor).as_slice()).into();
        good.then(|| cursor.to_owned())
    }

    /// 32 bytes that look random, the same for the same name: what stands for the passkey of a name that has none.
    pub fn decoy(&self, name: &str) -> [u8; 32] {
        let half = |no: &str| self.page_tag("decoy", &format!("{no}/{}", name.to_lowercase()));
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&half("0"));
        bytes[16..].copy_from_slice(&half("1"));
        bytes
    }

    fn page_tag(&self, list: &str, cursor: &str) -> [u8; 16] {
        use hmac::{KeyInit, Mac};
        let mut tag = [0; 16];
        if let Ok(mut mac) = hmac::Hmac::<Sha256>::new_from_slice(self.paging.as_slice()) {
            mac.update(list.as_bytes());
            mac.update(&[0]);
            mac.update(cursor.as_bytes());
            tag.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        }
        tag
    }
}

/// Whole seconds since 1970, as JWT counts.
pub fn unix_s(time: Timestamp) -> u64 {
    u64::try_from(time.unix_ms() / 1000).unwrap_or(0)
}

/// The resource that a scope or v1 resource asks for. Graph and this host are two names of one
/// resource (protocols.md 4.3); scopes without a resource are Graph's.
pub fn audience(scope: &str, host: &str) -> String {
    let resource = scope
        .split_ascii_whitespace()
        .filter_map(|scope| scope.rsplit_once('/').map(|(resource, _)| resource))
        .find(|resource| !resource.is_empty())
        .unwrap_or(GRAPH)
        .trim_end_matches('/');
    let plain = resource.strip_prefix("https://").unwrap_or(resource);
    let ours = plain.eq_ignore_ascii_case("graph.microsoft.com")
        || plain.eq_ignore_ascii_case(host)
        || resource.eq_ignore_ascii_case(GRAPH_ID);
    if ours { GRAPH.into() } else { resource.into() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One key for all tests of the process: making one takes a while.
    pub(crate) fn signer() -> TokenSigner {
        static PEM: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let pem = PEM.get_or_init(|| TokenSigner::create().unwrap().to_string());
        TokenSigner::open(pem).unwrap()
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            aud: GRAPH.into(),
            iss: "https://h/t/v2.0".into(),
            iat: 1000,
            nbf: 1000,
            exp: 4600,
            tid: "t".into(),
            oid: "o".into(),
            sub: "o".into(),
            appid: "a".into(),
            app_displayname: None,
            idtyp: "user".into(),
            scp: Some("Device.Read.All".into()),
            roles: None,
            wids: vec![],
            upn: Some("ada".into()),
            name: None,
            ver: "2.0".into(),
            sid: None,
            lapwing_epoch: 3,
            lapwing_incarnation: "i".into(),
        }
    }

    #[test]
    fn tokens_are_good_for_their_time_tenant_and_audience_only() {
        let signer = signer();
        let token = signer.sign(&claims()).unwrap();
        let at = |s: i64| Timestamp::from_unix_ms(s * 1000);
        let check = |token: &str, tenant: &str, s| signer.check(token, tenant, at(s));
        assert_eq!(check(token.reveal(), "t", 2000), Some(claims()));
        assert_eq!(check(token.reveal(), "other", 2000), None);
        assert_eq!(check(token.reveal(), "t", 4600), None);
        assert_eq!(check(token.reveal(), "t", 900), None);
        let elsewhere = AccessClaims { aud: "https://elsewhere".into(), ..claims() };
        assert_eq!(check(signer.sign(&elsewhere).unwrap().reveal(), "t", 2000), None);
    }

    #[test]
    fn forged_tokens_are_refused() {
        let signer = signer();
        let token = signer.sign(&claims()).unwrap();
        let [header, body, signature] = token.reveal().split('.').collect::<Vec<_>>().try_into().unwrap();
        let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\",\"typ\":\"JWT\"}");
        let hs = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims(),
            &EncodingKey::from_secret(signer.key.n.as_bytes()),
        )
        .unwrap();
        for forged in [
            format!("{none}.{body}."),
            format!("{none}.{body}.{signature}"),
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{}")),
            format!("{header}.{body}.{}", signature.to_lowercase()),
            hs,
            String::new(),
        ] {
            assert_eq!(signer.check(&forged, "t", Timestamp::from_unix_ms(2_000_000)), None);
        }
    }

    #[test]
    fn page_tokens_are_signed_for_their_list() {
        let signer = signer();
        let token = signer.seal_page("devices", "key 1");
        assert_eq!(signer.open_page("devices", &token).as_deref(), Some("key 1"));
        assert_eq!(signer.open_page("audit", &token), None);
        assert_eq!(signer.open_page("devices", "AAAA"), None);
        assert_eq!(signer.open_page("devices", &token.replace(|c: char| c.is_ascii_digit(), "x")), None);
    }

    #[test]
    fn graph_and_this_host_are_one_resource() {
        for scope in [
            "https://graph.microsoft.com/.default",
            "https://h:8443/.default openid",
            "Device.Read.All openid",
            "00000003-0000-0000-c000-000000000000/.default",
            "openid https://graph.microsoft.com/Device.Read.All",
        ] {
            assert_eq!(audience(scope, "h:8443"), GRAPH, "{scope}");
        }
        assert_eq!(
            audience("https://management.core.windows.net//.default", "h"),
            "https://management.core.windows.net"
        );
    }
}

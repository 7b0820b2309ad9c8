//! Signing in with a foreign OpenID provider: a small one of our own, over TLS, that can be made to lie. (The way with
//! an independent one is ci/oidc.sh.)

use crate::harness::TestServer;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use reqwest::{Client, Method, redirect::Policy};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[allow(clippy::disallowed_methods, reason = "the server under test runs by the real clock")]
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A provider. `lie` changes the claims of the id tokens that it gives.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) ca: String,
    key: rcgen::KeyPair,
    /// By code: challenge and nonce.
    codes: Mutex<HashMap<String, (String, String)>>,
    pub(crate) lie: Mutex<Value>,
    /// How often the discovery document was asked for.
    pub(crate) discoveries: AtomicUsize,
}

impl Provider {
    pub(crate) async fn start() -> Arc<Self> {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let provider = Arc::new(Self {
            issuer,
            ca: certified.cert.pem(),
            key: rcgen::KeyPair::generate().unwrap(),
            codes: Mutex::default(),
            lie: Mutex::new(json!({})),
            discoveries: AtomicUsize::new(0),
        });
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let tls = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let answers = Arc::clone(&provider);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    // One request on a connection; its body is as long as it says.
                    loop {
                        let Ok(read) = stream.read(&mut buffer).await else { return };
                        request.extend_from_slice(&buffer[..read]);
                        let text = String::from_utf8_lossy(&request);
                        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                        let length: usize = head
                            .lines()
                            .find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
                            .unwrap_or(0);
                        if read == 0 || body.len() >= length {
                            break;
                        }
                    }
                    let (status, body) = answers.answer(&String::from_utf8(request).unwrap());
                    let head = format!(
                        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        provider
    }

    fn answer(&self, request: &str) -> (u16, String) {
        let path = request.split(' ').nth(1).unwrap();
        let at = |rest: &str| format!("{}{rest}", self.issuer);
        match path {
            "/.well-known/openid-configuration" => {
                self.discoveries.fetch_add(1, Ordering::SeqCst);
                (
                    200,
                    json!({
                        "issuer": self.issuer, "authorization_endpoint": at("/auth"),
                        "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
                    })
                    .to_string(),
                )
            }
            "/keys" => {
                use rcgen::PublicKeyData;
                let point = self.key.der_bytes();
                let part = |at: core::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[at]);
                let key =
                    json!({"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "x": part(1..33), "y": part(33..65)});
                (200, json!({"keys": [key]}).to_string())
            }
            "/token" => self.token(request),
            _ => (404, "{}".into()),
        }
    }

    fn token(&self, request: &str) -> (u16, String) {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let basic = format!("basic {}", STANDARD.encode("lapwing:the%2Bsecret"));
        let known = head.lines().any(|line| {
            line.split_once(": ").is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("authorization") && value[..6].to_lowercase() + &value[6..] == basic
            })
        });
        let fields: HashMap<String, String> = serde_urlencoded::from_str(body).unwrap();
        let Some((challenge, nonce)) = self.codes.lock().unwrap().remove(&fields["code"]) else {
            return (400, json!({"error": "invalid_grant"}).to_string());
        };
        if !known || URL_SAFE_NO_PAD.encode(Sha256::digest(&fields["code_verifier"])) != challenge {
            return (401, json!({"error": "invalid_client"}).to_string());
        }
        let mut claims = json!({
            "iss": self.issuer, "sub": "subject-1", "aud": "lapwing", "nonce": nonce,
            "iat": now_s(), "exp": now_s() + 300,
        });
        for (name, value) in self.lie.lock().unwrap().as_object().unwrap() {
            claims[name] = value.clone();
        }
        let signing = jsonwebtoken::EncodingKey::from_ec_pem(self.key.serialize_pem().as_bytes()).unwrap();
        let header =
            jsonwebtoken::Header { kid: Some("1".into()), ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &signing).unwrap();
        (200, json!({"id_token": token, "access_token": "x", "token_type": "Bearer"}).to_string())
    }

    /// The person agrees at the provider: the code that the browser brings back.
    pub(crate) fn agree(&self, location: &str) -> (String, String) {
        let (page, query) = location.split_once('?').unwrap();
        assert_eq!(page, format!("{}/auth", self.issuer));
        let asked: HashMap<String, String> = serde_urlencoded::from_str(query).unwrap();
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        let code = format!("code-{}", self.codes.lock().unwrap().len());
        self.codes.lock().unwrap().insert(code.clone(), (asked["code_challenge"].clone(), asked["nonce"].clone()));
        (code, asked["state"].clone())
    }
}

/// A browser that follows nothing by itself.
fn browser(server: &TestServer) -> Client {
    Client::builder().tls_certs_only([server.ca().clone()]).redirect(Policy::none()).build().unwrap()
}

/// To the provider: where the browser is sent, and its cookie.
async fn depart(server: &TestServer, provider: &str, user_code: &str) -> (String, String) {
    follow(server, &format!("/device/with/{provider}?user_code={user_code}")).await
}

/// The same by an address of a page.
pub(crate) async fn follow(server: &TestServer, path: &str) -> (String, String) {
    let answer = browser(server).get(server.at(path)).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let cookie = header("set-cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("Secure") && cookie.starts_with("__Host-"));
    (header("location"), cookie.split(';').next().unwrap().to_owned())
}

pub(crate) async fn back(server: &TestServer, cookie: &str, code: &str, state: &str) -> (u16, String) {
    let path = format!("/device/callback?code={code}&state={state}");
    let answer = browser(server).get(server.at(&path)).header("cookie", cookie).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub(crate) fn ticket(page: &str) -> String {
    page.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_linked_person_signs_in_with_a_foreign_provider() {
    let server = TestServer::start().await;
    let provider = Provider::start().await;
    let admin = server.admin().await;
    let new = |issuer: &str| {
        json!({
            "name": "Example", "issuer": issuer, "clientId": "lapwing", "clientSecret": "the+secret", "ca": provider.ca,
        })
    };
    for (issuer, code) in [
        ("http://localhost", "bad_issuer"),
        ("https://localhost:1", "oidc_unreachable"),
        (&format!("{}/", provider.issuer), "oidc_discovery"),
    ] {
        let (status, answer) = admin.post("/v1.0/lapwing/identityProviders", new(issuer)).await;
        assert_eq!((status.as_u16(), &answer["error"]["innerError"]["code"]), (400, &json!(code)), "{issuer}");
    }
    let (status, made) = admin.post("/v1.0/lapwing/identityProviders", new(&provider.issuer)).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let listed = admin.get_ok("/v1.0/lapwing/identityProviders").await.to_string();
    assert!(listed.contains("Example") && !listed.contains("the+secret"));

    // The subject is nobody yet: the refusal names it, and it is in the log.
    let open = server.device_code("").await;
    let (location, cookie) = depart(&server, &id, &open.user_code).await;
    let (code, state) = provider.agree(&location);
    let (status, page) = back(&server, &cookie, &code, &state).await;
    assert_eq!(status, 403, "{page}");
    assert!(page.contains("oidc_not_linked") && page.contains("subject-1"), "{page}");
    let user = server.administrator.id;
    let link = json!({"provider": id, "subject": "subject-1"});
    let links = format!("/v1.0/lapwing/users/{user}/identities");
    assert_eq!(admin.post(&links, link.clone()).await.0, 204);

    let (location, cookie) = depart(&server, &id, &open.user_code).await;
    let (code, state) = provider.agree(&location);
    assert_eq!(back(&server, &cookie, &code, "forged").await.0, 403, "another state");
    assert_eq!(back(&server, &cookie, &code, &state).await.0, 403, "the sign-in was used up by that");
    let (location, cookie) = depart(&server, &id, &open.user_code).await;
    let (code, state) = provider.agree(&location);
    let (_, other) = depart(&server, &id, &open.user_code).await;
    assert_eq!(back(&server, &other, &code, &state).await.0, 403, "another browser");
    let (status, page) = back(&server, &cookie, &code, &state).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You are admin at Example"), "{page}");
    assert_eq!(back(&server, &cookie, &code, &state).await.0, 403, "used before");
    let step = ticket(&page);
    let fields = [("user_code", open.user_code.as_str()), ("ticket", &step)];
    assert_eq!(server.verify(&fields).await.1["result"], "approved");
    server.redeem(&open).await;
    let open = server.device_code("").await;
    let fields = [("user_code", open.user_code.as_str()), ("ticket", &step)];
    assert_eq!(server.verify(&fields).await.1["result"], "sign_in_failed", "the step is good once");

    // What the provider says is checked, and what does not fit is in the log by its code.
    for (lie, expected) in [
        (json!({"iss": "https://elsewhere.test"}), "oidc_issuer"),
        (json!({"aud": "another"}), "oidc_audience"),
        (json!({"exp": now_s() - 300}), "oidc_out_of_time"),
        (json!({"nonce": "of-another-sign-in"}), "oidc_nonce"),
        (json!({"sub": "subject-2"}), "oidc_not_linked"),
    ] {
        *provider.lie.lock().unwrap() = lie;
        let (location, cookie) = depart(&server, &id, &open.user_code).await;
        let (code, state) = provider.agree(&location);
        assert_eq!(back(&server, &cookie, &code, &state).await.0, 403, "{expected}");
        let log = admin.get_ok("/v1.0/auditLogs/directoryAudits").await.to_string();
        assert!(log.contains(expected), "{expected}: {log}");
    }
    *provider.lie.lock().unwrap() = json!({});
    let (_, cookie) = depart(&server, &id, &open.user_code).await;
    assert_eq!(back(&server, &cookie, "no-such-code", "x").await.0, 403);

    // Without the link nobody gets in, and sessions of before end.
    assert_eq!(admin.post(&format!("{links}/remove"), link).await.0, 204);
    assert_eq!(admin.get("/v1.0/me").await.0, 401);
    let (location, cookie) = depart(&server, &id, &open.user_code).await;
    let (code, state) = provider.agree(&location);
    assert_eq!(back(&server, &cookie, &code, &state).await.0, 403);
    let removed = browser(&server).request(Method::GET, server.at("/device/with/0")).send().await.unwrap();
    assert_eq!(removed.status(), 404);
    server.stop().await;
}

//! What people and programs sign in with beside passwords and secrets, API tokens, sessions, lock-out.

use crate::harness::{PASSWORD, Session, TestServer};
use aws_lc_rs::{rand::SystemRandom, signature};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

#[allow(clippy::disallowed_methods, reason = "the server under test runs by the real clock")]
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A generator, written anew from RFC 4226 and 6238.
pub(crate) fn code(secret: &str, step: u64) -> String {
    let mut bits = String::new();
    for letter in secret.bytes() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".bytes().position(|known| known == letter).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    let key: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&key).unwrap();
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

fn code_of(answer: &Value) -> &str {
    answer["error"]["innerError"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn one_time_codes_are_asked_for_once_enrolled_and_work_once() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (status, new) = admin.post("/v1.0/lapwing/me/totp", json!(null)).await;
    assert_eq!(status, 200);
    let secret = text(&new, "secret");
    assert!(text(&new, "uri").contains(&secret) && text(&new, "qrSvg").contains("<svg"));
    let step = now_s() / 30;
    let (status, wrong) = admin.post("/v1.0/lapwing/me/totp/confirm", json!({"code": "12345"})).await;
    assert_eq!((status.as_u16(), code_of(&wrong)), (400, "code_wrong"));
    let (status, codes) = admin.post("/v1.0/lapwing/me/totp/confirm", json!({"code": code(&secret, step)})).await;
    assert_eq!(status, 200, "{codes}");
    let recovery = codes["recoveryCodes"][0].as_str().unwrap().to_owned();
    let (status, again) = admin.post("/v1.0/lapwing/me/totp", json!(null)).await;
    assert_eq!((status.as_u16(), code_of(&again)), (409, "totp_enrolled"));

    // The password alone gives no token, only a ticket for the second step.
    let open = server.device_code("").await;
    let sign_in = async |more: &[(&str, &str)]| {
        let mut fields = vec![("user_code", open.user_code.as_str())];
        fields.extend(more);
        let (status, answer) = server.verify(&fields).await;
        (status.as_u16(), answer)
    };
    let password = [("user_name", "admin"), ("password", PASSWORD)];
    let (status, first) = sign_in(&password).await;
    assert_eq!((status, &first["result"]), (422, &json!("second_factor_required")));
    let ticket = text(&first, "ticket");
    let (_, wrong) = sign_in(&[("ticket", &ticket), ("one_time_code", "000")]).await;
    assert_eq!(wrong["result"], "second_factor_wrong");
    let (_, used) = sign_in(&[("ticket", &ticket), ("one_time_code", &code(&secret, step))]).await;
    assert_eq!(used["result"], "sign_in_failed", "a ticket is good once");
    let (_, forged) = sign_in(&[("ticket", "lapwing-step.AAAA"), ("one_time_code", &code(&secret, step))]).await;
    assert_eq!(forged["result"], "sign_in_failed");
    let next = text(&wrong, "ticket");
    let (_, confirmed) = sign_in(&[("ticket", &next), ("one_time_code", &code(&secret, step))]).await;
    assert_eq!(confirmed["result"], "second_factor_wrong", "the code that confirmed the generator was used by that");
    let next = text(&confirmed, "ticket");
    // A generator may be one step ahead.
    let current = code(&secret, step + 1);
    assert_eq!(sign_in(&[("ticket", &next), ("one_time_code", &current)]).await.1["result"], "approved");
    server.redeem(&open).await;

    // The same code again is refused; a recovery code works, once.
    let answer = async |one_time_code: &str| {
        let open = server.device_code("").await;
        let mut fields = vec![("user_code", open.user_code.as_str()), ("one_time_code", one_time_code)];
        fields.extend(password);
        server.verify(&fields).await.1["result"].clone()
    };
    assert_eq!(answer(&current).await, "second_factor_wrong", "used before");
    assert_eq!(answer(&recovery.to_lowercase()).await, "approved");
    assert_eq!(answer(&recovery).await, "second_factor_wrong", "used before");
    let (_, log) = admin.get("/v1.0/auditLogs/directoryAudits").await;
    assert!(log.to_string().contains("Use recovery code"), "{log}");

    // Taking it away ends sessions; it is asked for no more.
    let recovery = codes["recoveryCodes"][1].as_str().unwrap();
    let (status, _) = admin.post("/v1.0/lapwing/me/totp/remove", json!({"code": "1"})).await;
    assert_eq!(status, 400);
    let (status, _) = admin.post("/v1.0/lapwing/me/totp/remove", json!({"code": recovery})).await;
    assert_eq!(status, 204);
    assert_eq!(admin.get("/v1.0/me").await.0, 401);
    assert_eq!(answer("").await, "approved");
    server.stop().await;
}

#[tokio::test]
async fn an_api_token_covers_its_scopes_and_nothing_of_the_account() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let admin = server.admin().await;
    for (body, code) in [
        (json!({"name": "x", "scopes": ["Device.Read.All"], "days": 0}), "bad_lifetime"),
        (json!({"name": "x", "scopes": ["Device.Read.All"], "days": 366}), "bad_lifetime"),
        (json!({"name": "x", "scopes": [], "days": 1}), "scope_unknown"),
        (json!({"name": "x", "scopes": ["Everything"], "days": 1}), "scope_unknown"),
        (json!({"name": "x", "scopes": ["https://graph.microsoft.com/.default"], "days": 1}), "scope_unknown"),
        (json!({"name": "x", "scopes": ["User.ReadWrite"], "days": 1}), "scope_unknown"),
        (json!({"name": "\u{202e}\u{7}", "scopes": ["Device.Read.All"], "days": 1}), "bad_name"),
    ] {
        let (status, answer) = admin.post("/v1.0/lapwing/me/tokens", body.clone()).await;
        assert_eq!((status.as_u16(), code_of(&answer)), (400, code), "{body}");
    }
    let body = json!({"name": "inventory", "scopes": ["Device.Read.All"], "days": 30});
    let (status, made) = admin.post("/v1.0/lapwing/me/tokens", body).await;
    assert_eq!(status, 201);
    let token = Session { server: &server, token: text(&made, "token") };
    assert!(token.token.starts_with("lapwing-pat."));
    assert_eq!(token.get(&format!("/v1.0/devices/{}", device.id())).await.0, 200);
    for path in ["/v1.0/auditLogs/directoryAudits", "/v1.0/lapwing/users", "/v1.0/lapwing/me/tokens"] {
        let (status, answer) = token.get(path).await;
        assert_eq!((status.as_u16(), code_of(&answer)), (403, "scope_missing"), "{path}");
    }
    let more = json!({"name": "more", "scopes": ["AuditLog.Read.All"], "days": 1});
    assert_eq!(token.post("/v1.0/lapwing/me/tokens", more).await.0, 403, "a token makes no tokens");
    let forged = Session { server: &server, token: format!("{}x", token.token) };
    assert_eq!(forged.get("/v1.0/me").await.0, 401);

    let listed = admin.get_ok("/v1.0/lapwing/me/tokens").await;
    assert!(listed["value"][0]["lastUsedDateTime"].is_string() && !listed.to_string().contains(&token.token));
    let path = format!("/v1.0/lapwing/me/tokens/{}", text(&made, "id"));
    assert_eq!(admin.ask(Method::DELETE, &path, None).await.status(), 204);
    assert_eq!(token.get("/v1.0/me").await.0, 401, "revoked");
    assert_eq!(admin.ask(Method::DELETE, &path, None).await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn a_session_that_is_ended_ends_its_tokens_at_once() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let other = {
        let open = server.device_code("").await;
        let fields = [("user_code", open.user_code.as_str()), ("user_name", "admin"), ("password", PASSWORD)];
        assert_eq!(server.verify(&fields).await.1["result"], "approved");
        server.redeem(&open).await
    };
    let second = Session { server: &server, token: other.access_token.reveal().to_owned() };
    let mine = |token: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
    };
    let (first_id, second_id) = (text(&mine(&admin.token), "sid"), text(&mine(&second.token), "sid"));
    let listed = admin.get_ok("/v1.0/lapwing/me/sessions").await;
    let ids: Vec<_> = listed["value"].as_array().unwrap().iter().map(|one| text(one, "id")).collect();
    assert!(ids.len() == 2 && ids.contains(&first_id) && ids.contains(&second_id), "{listed}");
    let end = async |id: &str| {
        admin.ask(Method::DELETE, &format!("/v1.0/lapwing/me/sessions/{id}"), None).await.status().as_u16()
    };
    assert_eq!(end(&second_id).await, 204);
    assert_eq!(second.get("/v1.0/me").await.0, 401, "the access token too, before its time");
    let refresh = other.refresh_token.unwrap();
    let fields = [("grant_type", "refresh_token"), ("client_id", "test-client"), ("refresh_token", refresh.reveal())];
    assert_eq!(server.token(&fields).await.status(), 400);
    for id in [second_id.as_str(), "0", "../x"] {
        assert_eq!(end(id).await, 404, "{id}");
    }
    assert_eq!(admin.get("/v1.0/me").await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn programs_sign_in_with_signed_assertions() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (_, made) =
        admin.post("/v1.0/lapwing/servicePrincipals", json!({"displayName": "sync", "role": "Security Reader"})).await;
    let id = text(&made, "clientId");
    let pair = rcgen::KeyPair::generate().unwrap();
    let keys = format!("/v1.0/lapwing/servicePrincipals/{id}/keys");
    let (status, answer) = admin.post(&keys, json!({"name": "k", "pem": pair.serialize_pem()})).await;
    assert_eq!((status.as_u16(), code_of(&answer)), (400, "bad_key"), "a private key");
    let (status, key) = admin.post(&keys, json!({"name": "k", "pem": pair.public_key_pem()})).await;
    assert_eq!(status, 201, "{key}");

    let good = |jti: &str| {
        json!({
            "iss": id, "sub": id, "aud": server.at("/common/oauth2/v2.0/token"),
            "exp": now_s() + 300, "nbf": now_s(), "jti": jti,
        })
    };
    let signed = |claims: &Value, pair: &rcgen::KeyPair| {
        let key = jsonwebtoken::EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256), claims, &key).unwrap()
    };
    let ask = async |assertion: &str| {
        server
            .token(&[
                ("grant_type", "client_credentials"),
                ("client_id", &id),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", assertion),
                ("scope", "https://graph.microsoft.com/.default"),
            ])
            .await
    };
    let assertion = signed(&good("one"), &pair);
    let answer = ask(&assertion).await;
    assert_eq!(answer.status(), 200);
    let token: Value = answer.json().await.unwrap();
    let program = Session { server: &server, token: text(&token, "access_token") };
    assert_eq!(program.get("/v1.0/auditLogs/directoryAudits").await.0, 200);

    let with = |name: &str, value: Value| {
        let mut claims = good(name);
        claims[name] = value;
        signed(&claims, &pair)
    };
    for (assertion, code) in [
        (assertion.clone(), "assertion_replayed"),
        (signed(&good("two"), &rcgen::KeyPair::generate().unwrap()), "assertion_signature"),
        (with("aud", json!("https://elsewhere.test/common/oauth2/v2.0/token")), "assertion_audience"),
        (with("iss", json!("00000000-0000-4000-8000-000000000000")), "assertion_audience"),
        (with("exp", json!(now_s() - 3_600)), "assertion_out_of_time"),
        ("not.a.jwt".to_owned(), "assertion_malformed"),
    ] {
        assert_eq!(ask(&assertion).await.status(), 401, "{code}");
        let log = admin.get_ok("/v1.0/auditLogs/directoryAudits").await;
        assert!(log["value"].to_string().contains(code), "{code}: {log}");
    }
    let remove = format!("{keys}/{}", text(&key, "id"));
    assert_eq!(admin.ask(Method::DELETE, &remove, None).await.status(), 204);
    assert_eq!(program.get("/v1.0/auditLogs/directoryAudits").await.0, 401, "what the key gave ends");
    assert_eq!(ask(&signed(&good("three"), &pair)).await.status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn a_locked_account_is_unlocked_by_a_person() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (status, made) = admin.post("/v1.0/lapwing/users", json!({"userName": "ada"})).await;
    assert_eq!(status, 201);
    let open = server.device_code("").await;
    let wrong = [("user_code", open.user_code.as_str()), ("user_name", "ada"), ("password", "wrong wrong wrong")];
    for _ in 0..10 {
        assert_eq!(server.verify(&wrong).await.1["result"], "sign_in_failed");
    }
    assert_eq!(server.verify(&wrong).await.1["result"], "locked_out");
    let log = admin.get_ok("/v1.0/auditLogs/directoryAudits").await.to_string();
    assert!(log.contains("locked_out"), "{log}");
    let (status, _) = admin.post(&format!("/v1.0/lapwing/users/{}/unlock", text(&made, "id")), json!(null)).await;
    assert_eq!(status, 204);
    assert_eq!(server.verify(&wrong).await.1["result"], "sign_in_failed");
    server.stop().await;
}

#[tokio::test]
async fn many_failures_lock_their_address_whatever_the_names() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let open = server.device_code("").await;
    let try_as = async |name: String| {
        let fields = [("user_code", open.user_code.as_str()), ("user_name", &name), ("password", "wrong wrong wrong")];
        server.verify(&fields).await.1["result"].clone()
    };
    for number in 0..100 {
        assert_eq!(try_as(format!("user-{number}")).await, "sign_in_failed");
    }
    assert_eq!(try_as("user-100".into()).await, "locked_out");
    let log = admin.get_ok("/v1.0/auditLogs/directoryAudits").await.to_string();
    assert!(log.contains("address_locked_out"), "{log}");
    assert_eq!(admin.post("/v1.0/lapwing/addresses/nowhere/unlock", json!(null)).await.0, 400);
    assert_eq!(admin.post("/v1.0/lapwing/addresses/127.0.0.1/unlock", json!(null)).await.0, 204);
    assert_eq!(try_as("user-101".into()).await, "sign_in_failed");
    server.stop().await;
}

/// An authenticator in software: ES256, verifies its person, no attestation (WebAuthn level 2, 6.1 and 6.5).
struct Authenticator {
    pair: signature::EcdsaKeyPair,
    id: [u8; 32],
    counter: u32,
    origin: String,
}

impl Authenticator {
    fn new(origin: &str) -> Self {
        let pair = signature::EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { pair, id: [7; 32], counter: 0, origin: origin.to_owned() }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = &options["publicKey"]["challenge"];
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn data(&self, party: &str, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(party).to_vec();
        data.push(flags);
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn create(&mut self, options: &Value) -> Value {
        use aws_lc_rs::signature::KeyPair;
        let point = self.pair.public_key().as_ref().to_vec();
        let party = options["publicKey"]["rp"]["id"].as_str().unwrap();
        let mut data = self.data(party, 0x45);
        data.extend([0; 16]);
        data.extend([0, 32]);
        data.extend(self.id);
        // COSE: EC2, ES256, P-256, x, y (RFC 9053).
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt\x64none\x67attStmt\xa0\x68authData");
        object.extend([0x58, data.len() as u8]);
        object.extend(data);
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "extensions": {},
            "response": {
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", options)),
            },
        })
    }

    fn get(&mut self, options: &Value, flags: u8) -> Value {
        self.counter += 1;
        let data = self.data(options["publicKey"]["rpId"].as_str().unwrap(), flags);
        let client = self.client_data("webauthn.get", options);
        let signed = [&data[..], &Sha256::digest(&client)].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "extensions": {},
            "response": {
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
                "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
                "userHandle": null,
            },
        })
    }
}

#[tokio::test]
async fn a_passkey_signs_in_in_the_place_of_everything_else() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (status, begun) = admin.post("/v1.0/lapwing/me/passkeys/begin", json!(null)).await;
    assert_eq!(status, 200, "{begun}");
    let mut key = Authenticator::new(&server.url);
    let new = json!({"ticket": begun["ticket"], "name": "my key", "credential": key.create(&begun["options"])});
    let mut elsewhere = Authenticator::new("https://localhost.evil.test");
    let stolen = json!({"ticket": begun["ticket"], "name": "x", "credential": elsewhere.create(&begun["options"])});
    let (status, answer) = admin.post("/v1.0/lapwing/me/passkeys", stolen).await;
    assert_eq!((status.as_u16(), code_of(&answer)), (400, "passkey_refused"), "of another origin");
    let (status, answer) = admin.post("/v1.0/lapwing/me/passkeys", new).await;
    assert_eq!((status.as_u16(), code_of(&answer)), (400, "sign_in_step_unknown"), "a ticket is good once");
    let (_, begun) = admin.post("/v1.0/lapwing/me/passkeys/begin", json!(null)).await;
    let new = json!({"ticket": begun["ticket"], "name": "my key", "credential": key.create(&begun["options"])});
    let (status, made) = admin.post("/v1.0/lapwing/me/passkeys", new).await;
    assert_eq!(status, 201, "{made}");

    let post = async |path: &str, body: Value| {
        let answer = server.http.post(server.at(path)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let begin = async |name: &str| post("/v1.0/lapwing/passkeys/begin", json!({"userName": name})).await.1;
    // A name that nobody has is answered alike, and always the same.
    let (real, unknown, again) = (begin("ADMIN").await, begin("nobody").await, begin("Nobody").await);
    let shape = |value: &Value| value["options"]["publicKey"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(shape(&real), shape(&unknown));
    assert_eq!(unknown["options"]["publicKey"]["allowCredentials"], again["options"]["publicKey"]["allowCredentials"]);

    let open = server.device_code("").await;
    let answer = async |ticket: &Value, credential: Value| {
        let body = json!({"ticket": ticket, "credential": credential, "userCode": open.user_code});
        post("/v1.0/lapwing/passkeys/answer", body).await.1
    };
    let unverified = key.get(&real["options"], 0x01);
    assert_eq!(answer(&real["ticket"], unverified).await["result"], "sign_in_failed", "the person was not verified");
    let credential = key.get(&unknown["options"], 0x05);
    assert_eq!(answer(&unknown["ticket"], credential).await["result"], "sign_in_failed");
    let (one, other) = (begin("admin").await, begin("admin").await);
    let credential = key.get(&other["options"], 0x05);
    assert_eq!(answer(&one["ticket"], credential).await["result"], "sign_in_failed", "another challenge");
    let before = key.counter;
    let credential = key.get(&other["options"], 0x05);
    assert_eq!(answer(&other["ticket"], credential.clone()).await["result"], "approved");
    assert_eq!(code_of(&answer(&other["ticket"], credential).await), "", "the code is answered");
    server.redeem(&open).await;

    // A counter that goes back is a copied authenticator.
    let open = server.device_code("").await;
    let begun = begin("admin").await;
    key.counter = before - 1;
    let body =
        json!({"ticket": begun["ticket"], "credential": key.get(&begun["options"], 0x05), "userCode": open.user_code});
    assert_eq!(post("/v1.0/lapwing/passkeys/answer", body).await.1["result"], "sign_in_failed");
    let factors = admin.get_ok("/v1.0/lapwing/me/factors").await;
    assert!(factors["passkeys"][0]["lastUsedDateTime"].is_string(), "{factors}");
    assert_eq!(admin.ask(Method::DELETE, "/v1.0/lapwing/me/passkeys/zz", None).await.status(), 404);
    let path = format!("/v1.0/lapwing/me/passkeys/{}", text(&made, "id"));
    assert_eq!(admin.ask(Method::DELETE, &path, None).await.status(), 204);
    assert_eq!(admin.get("/v1.0/me").await.0, 401, "every session ends with it");
    server.stop().await;
}

/// What several forms of one kind come to when they are sent at once.
async fn at_once(server: &TestServer, forms: Vec<Vec<(&'static str, String)>>) -> Vec<String> {
    let mut sent = tokio::task::JoinSet::new();
    for form in forms {
        let request = server.http.post(server.at("/device")).header("accept", "application/json").form(&form);
        sent.spawn(async move { text(&request.send().await.unwrap().json().await.unwrap(), "result") });
    }
    sent.join_all().await
}

#[tokio::test]
async fn guesses_at_once_get_no_more_looks_than_one_after_the_other() {
    let server = TestServer::start_unbounded().await;
    let admin = server.admin().await;
    let (_, new) = admin.post("/v1.0/lapwing/me/totp", json!(null)).await;
    let (secret, step) = (text(&new, "secret"), now_s() / 30);
    let confirm = json!({"code": code(&secret, step)});
    assert_eq!(admin.post("/v1.0/lapwing/me/totp/confirm", confirm).await.0, 200);
    let open = server.device_code("").await;
    let field = |name: &'static str, value: &str| (name, value.to_owned());
    let password = [("user_code", open.user_code.as_str()), ("user_name", "admin"), ("password", PASSWORD)];
    let mut tickets = Vec::new();
    for _ in 0..41 {
        let (_, asked) = server.verify(&password).await;
        assert_eq!(asked["result"], "second_factor_required", "a right password is no failure");
        tickets.push(text(&asked, "ticket"));
    }
    let last = tickets.pop().unwrap();
    let form = |ticket: &String| {
        vec![field("user_code", &open.user_code), field("ticket", ticket), field("one_time_code", "000")]
    };
    let results = at_once(&server, tickets.iter().map(form).collect()).await;
    let of = |result: &str| results.iter().filter(|found| *found == result).count();
    assert_eq!((of("second_factor_wrong"), of("locked_out")), (10, 30), "{results:?}");
    let right =
        [("user_code", open.user_code.as_str()), ("ticket", &last), ("one_time_code", &code(&secret, step + 1))];
    assert_eq!(server.verify(&right).await.1["result"], "locked_out");

    // Passwords, too; those that the server had no time for do not count.
    assert_eq!(admin.post("/v1.0/lapwing/users", json!({"userName": "ada"})).await.0, 201);
    let open = server.device_code("").await;
    let wrong = vec![field("user_code", &open.user_code), field("user_name", "ada"), field("password", "not the one")];
    let forms = vec![wrong; 40];
    let mut sent = tokio::task::JoinSet::new();
    for form in &forms {
        let request = server.http.post(server.at("/device")).header("accept", "application/json").form(form);
        sent.spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    }
    let looked_at = sent.join_all().await.iter().filter(|answer| answer.contains("sign_in_failed")).count();
    assert!((1..=10).contains(&looked_at), "{looked_at} were looked at");
    server.stop().await;
}

#[tokio::test]
async fn nobody_who_is_unknown_fills_the_audit_log() {
    let server = TestServer::start_unbounded().await;
    let admin = server.admin().await;
    let program = json!({"displayName": "sync", "role": "Security Reader"});
    let (_, program) = admin.post("/v1.0/lapwing/servicePrincipals", program).await;
    let open = server.device_code("").await;
    let long = "n".repeat(5_000);
    let fields = [("user_code", open.user_code.as_str()), ("user_name", &long), ("password", "wrong wrong wrong")];
    assert_eq!(server.verify(&fields).await.1["result"], "sign_in_failed");
    let log = admin.get_ok("/v1.0/lapwing/audit?$top=5").await.to_string();
    assert!(log.contains(&"n".repeat(120)) && !log.contains(&"n".repeat(121)), "a typed name is cut");

    // What needs no name counts against the address, and is not recorded once that is locked.
    let forged = [("user_code", open.user_code.as_str()), ("ticket", "lapwing-step.AAAA"), ("one_time_code", "1")];
    for _ in 0..97 {
        assert_eq!(server.verify(&forged).await.1["result"], "sign_in_failed");
    }
    let back = async || crate::federation::back(&server, "__Host-lapwing-away=AAAA", "code", "state").await;
    for _ in 0..2 {
        let (status, page) = back().await;
        assert!(status == 403 && page.contains("oidc_state"), "{page}");
    }
    let before = admin.get_ok("/v1.0/lapwing/audit?$top=1").await;
    assert!(before.to_string().contains("address_locked_out"), "{before}");
    assert_eq!(server.verify(&forged).await.1["result"], "locked_out");
    let (status, page) = back().await;
    assert!(status == 429 && page.contains("locked_out"), "{status} {page}");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", program["clientId"].as_str().unwrap()),
        ("client_secret", program["clientSecret"].as_str().unwrap()),
        ("scope", "https://graph.microsoft.com/.default"),
    ];
    let refused: Value = server.token(&fields).await.json().await.unwrap();
    assert!(refused["error_description"].to_string().contains("from this address"), "{refused}");
    assert_eq!(admin.get_ok("/v1.0/lapwing/audit?$top=1").await["value"], before["value"], "nothing more is recorded");
    assert_eq!(admin.post("/v1.0/lapwing/addresses/127.0.0.1/unlock", json!(null)).await.0, 204);
    assert_eq!(server.token(&fields).await.status(), 200);
    server.stop().await;
}

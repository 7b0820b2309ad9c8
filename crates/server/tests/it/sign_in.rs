//! Tokens, device codes, one-time secrets, lock-out.

use crate::harness::{PASSWORD, TestServer};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Method;
use serde_json::{Value, json};

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

#[tokio::test]
async fn metadata_keys_and_discovery_are_at_every_path() {
    let server = TestServer::start().await;
    let tenant = server.app.tenant().to_string();
    let get = async |path: &str| -> Value {
        let answer = server.http.get(server.at(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    };
    for path in [
        format!("/{tenant}/v2.0/.well-known/openid-configuration"),
        format!("/{}/.well-known/openid-configuration", tenant.to_uppercase()),
        "/common/v2.0/.well-known/openid-configuration".into(),
        "/organizations/v2.0/.well-known/openid-configuration".into(),
        "/localhost/v2.0/.well-known/openid-configuration".into(),
    ] {
        let metadata = get(&path).await;
        assert_eq!(metadata["issuer"], format!("{}/{tenant}/v2.0", server.url), "{path}");
        assert_eq!(metadata["token_endpoint"], format!("{}/{tenant}/oauth2/v2.0/token", server.url));
    }
    assert_eq!(get("/common/discovery/v2.0/keys").await["keys"][0]["kty"], "RSA");
    let instance = get("/common/discovery/instance?api-version=1.1").await;
    assert!(instance["tenant_discovery_endpoint"].as_str().unwrap().contains(&tenant));
    assert_eq!(get("/common/UserRealm/ada@example.test?api-version=1.0").await["account_type"], "Managed");
    let other = server.http.get(server.at("/contoso.test/v2.0/.well-known/openid-configuration")).send().await.unwrap();
    assert_eq!(other.status(), 400);
    assert_eq!(other.json::<Value>().await.unwrap()["error_codes"], json!([90002]));
    server.stop().await;
}

#[tokio::test]
async fn the_first_sign_in_redeems_the_one_time_secret_once() {
    let server = TestServer::start().await;
    let user = &server.administrator;
    let code = server.device_code("openid offline_access").await;
    let poll = async || {
        let fields =
            [("grant_type", "device_code"), ("client_id", "test-client"), ("device_code", code.device_code.reveal())];
        let answer = server.token(&fields).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, body) = poll().await;
    assert_eq!((status, &body["error"]), (400, &json!("authorization_pending")));
    assert_eq!(poll().await.1["error"], "slow_down");

    let form = |password: &'static str, new: Option<&'static str>| {
        let mut fields = vec![("user_code", code.user_code.as_str()), ("user_name", "admin")];
        fields.push(("password", if password.is_empty() { &user.one_time_secret } else { password }));
        fields.extend(new.map(|new| ("new_password", new)));
        fields
    };
    for (fields, status, result) in [
        (form(PASSWORD, None), 403, "sign_in_failed"),
        (form("", None), 422, "new_password_required"),
        (form("", Some("short")), 422, "new_password_unfit"),
        (form("lapwing-once.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Some(PASSWORD)), 403, "sign_in_failed"),
        (form("", Some(PASSWORD)), 200, "approved"),
        (form("", Some(PASSWORD)), 404, "code_unknown"),
    ] {
        let (found, answer) = server.verify(&fields).await;
        assert_eq!((found.as_u16(), &answer["result"]), (status, &json!(result)));
    }
    let token = server.redeem(&code).await;
    assert!(token.refresh_token.is_some() && token.id_token.is_some() && token.client_info.is_some());
    let access = claims(token.access_token.reveal());
    assert_eq!(access["aud"], "https://graph.microsoft.com");
    assert_eq!(access["upn"], "admin");
    assert_eq!(access["wids"], json!(["62e90394-69f5-4237-9190-012177145e10"]));
    let id = claims(token.id_token.as_ref().unwrap().reveal());
    assert_eq!((&id["aud"], &id["ver"]), (&json!("test-client"), &json!("2.0")));

    // The secret is used up; the password works from now on.
    let code = server.device_code("").await;
    let fields = |password| [("user_code", code.user_code.as_str()), ("user_name", "ADMIN"), ("password", password)];
    let mut again = fields(&user.one_time_secret).to_vec();
    again.push(("new_password", "another long passphrase"));
    assert_eq!(server.verify(&again).await.1["result"], "sign_in_failed");
    assert_eq!(server.verify(&fields(PASSWORD)).await.1["result"], "approved");
    server.stop().await;
}

#[tokio::test]
async fn refresh_tokens_are_used_once_and_a_second_use_ends_the_family() {
    let server = TestServer::start().await;
    let first = server.first_sign_in(&server.administrator, "Device.Read.All offline_access").await;
    let refresh = async |token: &str, client: &str, scope: &str| {
        let fields =
            [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token), ("scope", scope)];
        let answer = server.token(&fields).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let one = first.refresh_token.unwrap();
    assert_eq!(refresh(one.reveal(), "another-client", "").await.0, 400, "of another client");
    let (status, second) = refresh(one.reveal(), "test-client", "Device.Read.All AuditLog.Read.All").await;
    assert_eq!(status, 200);
    assert_eq!(
        claims(second["access_token"].as_str().unwrap())["scp"],
        "Device.Read.All",
        "no more than the first sign-in gave"
    );
    assert_eq!(refresh(one.reveal(), "test-client", "").await.1["error"], "invalid_grant", "used before");
    let two = second["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(two, "test-client", "").await.0, 400, "the family is ended");
    server.stop().await;
}

#[tokio::test]
async fn programs_sign_in_with_their_secret() {
    let server = TestServer::start().await;
    let program = server.program(Some("Cloud Device Administrator"), &[]).await;
    let token = claims(&program.token);
    assert_eq!(token["idtyp"], "app");
    let roles = token["roles"].as_array().unwrap();
    assert!(roles.contains(&json!("DeviceLocalCredential.Read.All")), "{roles:?}");
    assert!(!roles.contains(&json!("RoleManagement.ReadWrite.Directory")), "{roles:?}");
    let wrong = server
        .token(&[
            ("grant_type", "client_credentials"),
            ("client_id", token["appid"].as_str().unwrap()),
            ("client_secret", "lapwing-client.wrong"),
        ])
        .await;
    assert_eq!(wrong.status(), 401);
    let body: Value = wrong.json().await.unwrap();
    assert_eq!((&body["error"], &body["error_codes"]), (&json!("invalid_client"), &json!([7000215])));
    let password = server.token(&[("grant_type", "password"), ("client_id", "c"), ("username", "admin")]).await;
    assert_eq!(password.json::<Value>().await.unwrap()["error"], "unsupported_grant_type");
    server.stop().await;
}

#[tokio::test]
async fn guessing_locks_the_name_and_not_the_others() {
    let server = TestServer::start().await;
    let code = server.device_code("").await;
    let fields = [("user_code", code.user_code.as_str()), ("user_name", "nobody"), ("password", "wrong wrong wrong")];
    let mut results = Vec::new();
    for _ in 0..11 {
        results.push(server.verify(&fields).await.1["result"].as_str().unwrap().to_owned());
    }
    assert_eq!(results[9], "sign_in_failed");
    assert_eq!(results[10], "locked_out", "also a name that does not exist");
    server.admin().await;
    server.stop().await;
}

#[tokio::test]
async fn a_change_of_rights_voids_the_token() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (status, made) = admin.post("/v1.0/lapwing/users", json!({"userName": "ada", "role": "Security Reader"})).await;
    assert_eq!(status, 201, "{made}");
    let ada = serde_json::from_value(made.clone()).unwrap();
    let token = server.first_sign_in(&ada, "").await;
    let ada = crate::harness::Session { server: &server, token: token.access_token.reveal().to_owned() };
    assert_eq!(ada.get("/v1.0/auditLogs/directoryAudits").await.0, 200);
    let role = json!({"principal": made["id"], "role": "Helpdesk Administrator"});
    let given = admin.ask(Method::POST, "/v1.0/lapwing/roleAssignments", Some(role)).await;
    assert_eq!(given.status(), 204);
    let (status, body) = ada.get("/v1.0/auditLogs/directoryAudits").await;
    assert_eq!((status.as_u16(), &body["error"]["code"]), (401, &json!("InvalidAuthenticationToken")));
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_plain_and_refuses_forms_of_others() {
    let server = TestServer::start().await;
    let code = server.device_code("").await;
    let page = server.http.get(server.at(&format!("/device?code={}", code.user_code))).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers()["cache-control"], "no-store");
    let text = page.text().await.unwrap();
    assert!(text.contains("test-client") && text.contains(&code.user_code) && !text.contains("<script"));
    let foreign = server
        .http
        .post(server.at("/device"))
        .header("origin", "https://evil.test")
        .form(&[("user_code", code.user_code.as_str())])
        .send()
        .await
        .unwrap();
    assert_eq!(foreign.status(), 403);
    server.stop().await;
}

#[tokio::test]
async fn a_reset_ends_a_sign_in_that_was_agreed_to_and_not_fetched() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (_, made) = admin.post("/v1.0/lapwing/users", json!({"userName": "ada"})).await;
    server.first_sign_in(&serde_json::from_value(made.clone()).unwrap(), "").await;
    let open = server.device_code("").await;
    let fields = [("user_code", open.user_code.as_str()), ("user_name", "ada"), ("password", PASSWORD)];
    assert_eq!(server.verify(&fields).await.1["result"], "approved");
    let reset = format!("/v1.0/lapwing/users/{}/oneTimeSecret", made["id"].as_str().unwrap());
    assert!(admin.post(&reset, json!(null)).await.0.is_success());
    let answer = server
        .token(&[
            ("grant_type", "device_code"),
            ("client_id", "test-client"),
            ("device_code", open.device_code.reveal()),
        ])
        .await;
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "expired_token");
    server.stop().await;
}

//! The authorization matrix (design.md 10): every route × every kind of caller × scope, against the table in
//! `matrix.txt`.

use crate::harness::{PASSWORD, Session, TestDevice, TestServer, csr};
use base64::{Engine, engine::general_purpose::STANDARD};
use proto::admin::{NewGroup, NewJoinToken, NewRole, NewServicePrincipal};
use proto::device::JoinAnswer;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use server::authz::{Caller, Job};
use server::http::{Takes, routes};
use std::time::Duration;

const TABLE: &str = include_str!("matrix.txt");
const CALLERS: usize = 15;
/// The group of the scoped role.
const GROUP: &str = "mine";
/// The callers whose device is not in the group.
const OUTSIDE: usize = 13;

/// A row of the table.
struct Row {
    method: Method,
    /// The path as it is documented, with a query.
    path: String,
    expected: Vec<char>,
    body: String,
}

fn rows(table: &str, callers: usize) -> Vec<Row> {
    let lines = table.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut rest = line;
            let mut word = || {
                let (word, after) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
                rest = after;
                word
            };
            let (method, path) = (word().parse().unwrap(), word().to_owned());
            let expected: Vec<char> = (0..callers).map(|_| word().parse().unwrap()).collect();
            assert!(expected.iter().all(|cell| "+-?0".contains(*cell)), "{line}");
            Row { method, path, expected, body: rest.trim().to_owned() }
        })
        .collect()
}

#[test]
fn every_route_has_a_row_in_the_matrix() {
    let listed: Vec<(String, String)> = rows(TABLE, CALLERS)
        .iter()
        .map(|row| (row.method.to_string(), row.path.split('?').next().unwrap_or_default().to_owned()))
        .collect();
    // Those that take a cookie stand in admin_matrix.txt.
    let routed: Vec<(String, String)> = routes()
        .iter()
        .filter(|route| route.takes != Takes::Cookie)
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    for route in &routed {
        assert!(listed.contains(route), "a route without a row in matrix.txt: {route:?}");
    }
    for row in &listed {
        assert!(routed.contains(row), "a row without a route in matrix.txt: {row:?}");
    }
}

async fn program<'a>(
    server: &'a TestServer,
    role: Option<&str>,
    group: Option<&str>,
    permissions: &[&str],
) -> Session<'a> {
    let new = NewServicePrincipal {
        display_name: format!("program {role:?} {group:?}"),
        role: role.map(str::to_owned),
        group: group.map(str::to_owned),
        permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
        secret_days: None,
    };
    let made = server.app.create_service_principal(&Caller::system(Job::Init), &new).await.unwrap();
    server.client_token(&made).await
}

/// A machine that joined into the group, or into none.
async fn device<'a>(server: &'a TestServer, inside: bool) -> TestDevice<'a> {
    let new = NewJoinToken { group: inside.then(|| GROUP.to_owned()), ..NewJoinToken::default() };
    let token = server.app.create_join_token(&Caller::system(Job::Init), &new).await.unwrap().token.clone();
    let key = rcgen::KeyPair::generate().unwrap();
    let body = json!({"token": token, "csr": csr(&key), "name": "pc", "os": "debian", "os_version": "12"});
    let answer = server.http.post(server.at("/device/v1/join")).json(&body).send().await.unwrap();
    let joined: JoinAnswer = answer.json().await.unwrap();
    let http = server.with_identity(&STANDARD.decode(&joined.certificate).unwrap(), &key);
    TestDevice { server, joined, key, http }
}

/// A path with what stands for its parameters: the device twice, other things by an id that nothing has.
fn concrete(path: &str, device: &str) -> String {
    path.replace("{device}", device)
        .replace("{predecessor}", device)
        .replace("{tenant}", "common")
        .split('/')
        .map(|step| if step.starts_with('{') { "00000000-0000-4000-8000-000000000000" } else { step })
        .collect::<Vec<_>>()
        .join("/")
}

/// What an answer is in the table.
async fn class(client: &Client, token: Option<&str>, method: &Method, url: &str, body: &str) -> char {
    let mut request = client.request(method.clone(), url);
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(body.to_owned());
    }
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let waits = url.ends_with("/device/v1/wait");
    let request = if waits { request.timeout(Duration::from_millis(500)) } else { request };
    let answer = match request.send().await {
        Ok(answer) => answer,
        // The channel was taken and stays open.
        Err(error) if waits && error.is_timeout() => return '+',
        Err(error) => panic!("{method} {url}: {error}"),
    };
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert!(status < 500, "{method} {url}: {status} {text}");
    // The page counts codes that are not there against the address.
    let guessed = url.ends_with("/device") && status == 429;
    assert!(status != 429 || guessed, "{method} {url}: the test asks too fast");
    let code = serde_json::from_str::<Value>(&text).unwrap_or_default()["error"]["innerError"]["code"].clone();
    match status {
        401 => '?',
        403 => '-',
        404 if code == "device_unknown" => '0',
        _ => '+',
    }
}

#[tokio::test]
async fn the_server_answers_as_the_matrix_says() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let system = Caller::system(Job::Init);
    server.app.create_group(&system, &NewGroup { name: GROUP.into(), filter: None }).await.unwrap();
    let custom = NewRole {
        display_name: "Rotator".into(),
        actions: vec![
            "microsoft.directory/devices/standard/read".into(),
            "microsoft.intune/managedDevices/rotateLocalAdminPassword".into(),
        ],
    };
    server.app.create_role(&system, &custom).await.unwrap();

    let admin = server.admin().await;
    let narrow = {
        let code = server.device_code("Device.Read.All").await;
        let name = &server.administrator.user_name;
        let fields = [("user_code", code.user_code.as_str()), ("user_name", name), ("password", PASSWORD)];
        assert_eq!(server.verify(&fields).await.0, 200);
        server.redeem(&code).await.access_token.reveal().to_owned()
    };
    let mut tokens = vec![None, None, Some(admin.token.clone()), Some(narrow)];
    for role in [
        "Intune Administrator",
        "Cloud Device Administrator",
        "Helpdesk Administrator",
        "Security Reader",
        "Security Administrator",
        "Global Reader",
        "LAPS Password Reader",
        "Rotator",
    ] {
        tokens.push(Some(program(&server, Some(role), None, &[]).await.token));
    }
    let scoped = program(&server, Some("Cloud Device Administrator"), Some(GROUP), &[]).await.token;
    tokens.extend([Some(scoped.clone()), Some(scoped)]);
    tokens.push(Some(program(&server, None, None, &["DeviceLocalCredential.Read.All"]).await.token));
    assert_eq!(tokens.len(), CALLERS);

    let (inside, outside) = (device(&server, true).await, device(&server, false).await);
    inside.rotate(1, "in-the-group").await;
    outside.rotate(2, "out-of-the-group").await;

    let mut wrong = Vec::new();
    let mut number = 0;
    for row in rows(TABLE, CALLERS) {
        let mut found = Vec::new();
        for (caller, token) in tokens.iter().enumerate() {
            number += 1;
            // What changes a device gets one of its own, so that no cell hangs on the one before.
            let own = if row.method != Method::GET && row.path.contains("{device}") {
                Some(device(&server, caller != OUTSIDE).await)
            } else {
                None
            };
            let asked = own.as_ref().unwrap_or(if caller == OUTSIDE { &outside } else { &inside });
            let url = server.at(&concrete(&row.path, &asked.id()));
            let client = if caller == 1 { &inside.http } else { &server.http };
            let body = row.body.replace('%', &number.to_string());
            found.push(class(client, token.as_deref(), &row.method, &url, &body).await);
        }
        if found != row.expected {
            let text = |cells: &[char]| cells.iter().map(char::to_string).collect::<Vec<_>>().join(" ");
            wrong.push(format!(
                "{} {}\n  table  {}\n  server {}",
                row.method,
                row.path,
                text(&row.expected),
                text(&found)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.stop().await;
}

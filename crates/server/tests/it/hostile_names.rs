//! Names that somebody chose to do harm, wherever they are shown or exported: refused where they come in, or harmless
//! on every page, in every answer and in every form of the export.

use crate::admin::{Browser, person};
use crate::harness::{TestDevice, TestServer};
use proto::admin::{NewGroup, PolicyImport};
use reqwest::Method;
use serde_json::{Value, json};
use server::authz::{Caller, Job};
use server::http::{Takes, routes};

const SCRIPT: &str = "<script>alert(1)</script>";
const IMAGE: &str = "\"'><img src=x onerror=alert(1)>";
const TURNED: &str = "pc\u{202e}gnp.exe\u{2066}";
const FORMULA: &str = "=cmd|'/C calc'!A0 a=b\\c";

/// What no page and no line may hold as it is. The value of a field is what it is: it turns nothing around but itself.
fn is_harmless(what: &str, page: &str) {
    let mut text = String::new();
    for (number, piece) in page.split(" value=\"").enumerate() {
        text.push_str(if number == 0 { piece } else { piece.split_once('"').unwrap().1 });
    }
    for bad in ["<script>alert", "<img src=x", "\u{202e}", "\u{2066}", "\u{2028}", "\u{1b}"] {
        assert!(!text.contains(bad), "{what} holds {bad:?}:\n{text}");
    }
}

async fn named<'a>(server: &'a TestServer, names: &[&str]) -> Vec<TestDevice<'a>> {
    let mut devices = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let device = server.device(name).await;
        device.rotate(u8::try_from(number).unwrap() + 1, "a password").await;
        devices.push(device);
    }
    devices
}

#[tokio::test]
async fn a_name_that_is_no_name_is_refused() {
    let server = TestServer::start().await;
    let endless = "x".repeat(4_000);
    for name in ["", "  ", "a\nb", "a\0b", "a\u{1b}[31mb", "a\u{85}b", &endless, &"ü".repeat(256)] {
        let key = rcgen::KeyPair::generate().unwrap();
        let token = server.join_token().await;
        let answer = server.join(&token, &key, name).await;
        let status = answer.status().as_u16();
        assert!(matches!(status, 400 | 413), "{status} {:?}", name.chars().take(10).collect::<String>());
        assert!(answer.text().await.unwrap().len() < 1_000, "the answer does not repeat it");
    }
    let admin = server.admin().await;
    for name in ["", "a\nb", TURNED, endless.as_str()] {
        for (path, body) in [
            ("/v1.0/lapwing/groups", json!({"name": name})),
            ("/v1.0/lapwing/policies", json!({"name": name, "settings": {"BackupDirectory": 1}})),
            ("/v1.0/lapwing/users", json!({"userName": name})),
            ("/v1.0/lapwing/channels", json!({"name": name, "to": {"kind": "webhook", "url": "https://hook.test/"}})),
        ] {
            let answer = admin.ask(Method::POST, path, Some(body)).await;
            assert_eq!(answer.status(), 400, "{path} {:?}", name.chars().take(10).collect::<String>());
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn hostile_names_are_harmless_on_every_page_and_in_every_export() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let longest = "é".repeat(255);
    let devices = named(&server, &[SCRIPT, IMAGE, TURNED, FORMULA, &longest]).await;
    let system = Caller::system(Job::Init);
    server.app.create_group(&system, &NewGroup { name: SCRIPT.into(), filter: None }).await.unwrap();
    server.app.set_member(&system, SCRIPT, devices[0].joined.device, true).await.unwrap();
    let import = |settings: Value| PolicyImport { name: IMAGE.into(), settings: settings.as_object().unwrap().clone() };
    let turned = import(json!({"BackupDirectory": 1, "AdministratorAccountName": "x\u{202e}y"}));
    let refused = server.app.import_policy(&system, &turned).await.unwrap_err();
    assert!(refused.text().contains("mark of direction at character 1"), "{}", refused.text());
    let shown = import(json!({"BackupDirectory": 1, "AdministratorAccountName": "<b>root</b>"}));
    let policy = server.app.import_policy(&system, &shown).await.unwrap();
    let admin = Browser::sign_in_first(&server, &server.administrator).await;
    let token = admin.get("/admin/devices").await.form_token();
    let rule = [
        ("form_token", token.as_str()),
        ("group", SCRIPT),
        ("approvals", "1"),
        ("approval_minutes", "60"),
        ("approval_reads", "3"),
        ("pattern", SCRIPT),
    ];
    assert_eq!(admin.send("/admin/access/rule", &rule).await.status, 303);
    let ada = person(&server, "ada", "LAPS Password Reader", None).await;
    let ada = Browser::sign_in_first(&server, &ada).await;
    let adas = ada.get("/admin/devices").await.form_token();
    let asked = [("form_token", adas.as_str()), ("reason", SCRIPT), ("ticket", SCRIPT)];
    let place = format!("/admin/devices/{}", devices[0].id());
    assert_eq!(ada.send(&format!("{place}/access"), &asked).await.status, 303);
    for device in &devices[1..] {
        let read = [("form_token", token.as_str()), ("reason", IMAGE), ("ticket", IMAGE)];
        let shown = admin.send(&format!("/admin/devices/{}/password", device.id()), &read).await;
        assert_eq!(shown.status, 200);
        is_harmless("a page with a password", &shown.text);
    }
    let rotate = [("form_token", token.as_str()), ("group", SCRIPT), ("reason", IMAGE)];
    let campaign = admin.send("/admin/rotations", &rotate).await.location;
    let campaign = campaign.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
    let hook = [("form_token", token.as_str()), ("kind", "webhook"), ("name", IMAGE), ("url", "https://127.0.0.1:1/")];
    is_harmless("the key of a channel", &admin.send("/admin/settings/channels", &hook).await.text);

    let mut pages = 0;
    for route in routes().iter().filter(|route| route.takes == Takes::Cookie && route.method == "GET") {
        for device in &devices {
            let path = route.path.replace("{device}", &device.id());
            let path = path.replace("{policy}", &policy.id.to_string()).replace("{rotation}", &campaign);
            let path: Vec<&str> =
                path.split('/').map(|step| if step.starts_with('{') { "nothing" } else { step }).collect();
            let path = path.join("/");
            let page = admin.get(&path).await;
            assert!(page.status.as_u16() < 500, "{path}: {}", page.text);
            // An export holds the text itself; it is no page.
            if !path.ends_with("/export") {
                is_harmless(&path, &page.text);
            }
            pages += 1;
            if !route.path.contains("{device}") {
                break;
            }
        }
    }
    assert!(pages > 40, "{pages}");
    for path in [
        "/admin/access",
        "/admin/audit?target=%3Cscript%3Ealert(1)",
        "/admin/devices?search=%3Cscript%3Ealert(1)&group=%22%3E%3Cimg+src=x",
        "/admin/access/rule?group=%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        is_harmless(path, &ada.get(path).await.text);
        is_harmless(path, &admin.get(path).await.text);
    }

    // What machines read: one record on one line, and nothing that turns the line around.
    for format in ["cef", "ocsf"] {
        let file = admin.get(&format!("/admin/audit/export?format={format}")).await.text;
        for bad in ["\u{202e}", "\u{2066}", "\u{2028}", "\u{1b}"] {
            assert!(!file.contains(bad), "{format} holds {bad:?}");
        }
        for line in file.lines() {
            match format {
                "cef" => assert!(line.starts_with("CEF:0|"), "{line}"),
                _ => drop(serde_json::from_str::<serde_json::Value>(line).unwrap()),
            }
        }
    }
    let file = admin.get("/admin/audit/export").await.text;
    for line in file.lines() {
        serde_json::from_str::<proto::audit::Line>(line).unwrap();
    }
    let api = server.program(Some("Global Administrator"), &[]).await;
    let found = api.get_ok("/v1.0/devices").await;
    let names: Vec<&str> =
        found["value"].as_array().unwrap().iter().map(|one| one["displayName"].as_str().unwrap()).collect();
    for name in [SCRIPT, IMAGE, TURNED, FORMULA, longest.as_str()] {
        assert!(names.contains(&name), "an API gives the name as it is: {names:?}");
    }
    server.stop().await;
}

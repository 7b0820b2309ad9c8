//! Names that somebody chose to do harm, wherever they are shown or exported: refused where they come in, or harmless
//! on every page, in every answer and in every form of the export.

use crate::admin::{Browser, person};
use crate::harness::{TestDevice, TestServer};
use laps::time::Timestamp;
use proto::admin::{NewGroup, NewRole, NewUser, PolicyImport};
use proto::device::{AccountReport, Evidence, LastError, Machine, MachineAccount, Report, SignIn, Usability};
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

/// Everything in it that is free text is meant to do harm.
fn told(device: &TestDevice<'_>, n: u8, bad: &str) -> Vec<u8> {
    let known = crate::harness::version(n);
    let at = Timestamp::from_unix_ms(1_790_000_000_000);
    let account = |id| MachineAccount { id, name: bad.into(), enabled: true, administrator: true };
    let report = Report {
        account: Some(AccountReport { id: 0, name: bad.into(), usability: Usability::default() }),
        installed_fingerprint: Some(known.fingerprint),
        last_acknowledged: Some(known.version),
        intent: None,
        incarnation: Some(device.joined.incarnation),
        evidence: Evidence {
            // One whose every word is bad, and others that are looked into further, to their last error.
            policy_source: Some(if n == 1 { bad } else { "csp" }.into()),
            backup_directory: 1,
            account_wanted: Some(bad.into()),
            unmanaged: (n == 1).then(|| bad.into()),
            agent_version: bad.into(),
            drift: vec![bad.into()],
            repair_held: true,
            damaged: vec![bad.into()],
            machine: Some(Machine { accounts: vec![account(0), account(1000)], complete: true, ..Machine::default() }),
            ..Evidence::default()
        },
        last_error: Some(LastError { event: 10_005, code: bad.into(), text: bad.into(), at }),
        sign_ins: vec![SignIn {
            id: laps::id::SignInId::from_random_bytes([n; 16]),
            version: known.version,
            account_name: bad.into(),
            at,
            service: bad.into(),
            from: Some(bad.into()),
            deadline: None,
        }],
        audit_head: Some(bad.into()),
        device_time: at,
    };
    serde_json::to_vec(&report).unwrap()
}

async fn named<'a>(server: &'a TestServer, names: &[&str]) -> Vec<TestDevice<'a>> {
    let mut devices = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let device = server.device(name).await;
        let n = u8::try_from(number).unwrap() + 1;
        device.rotate(n, "a password").await;
        let bad = format!("{SCRIPT}{IMAGE}\u{202e}\u{2066}\u{2028}\u{1b}[2J\n  next: run this");
        let answer = device.post("/device/v1/report", told(&device, n, &bad)).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
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
    let group = server.app.create_group(&system, &NewGroup { name: SCRIPT.into(), filter: None }).await.unwrap();
    let see = vec!["microsoft.directory/devices/standard/read".to_owned()];
    let role = NewRole { display_name: IMAGE.into(), actions: see };
    let role = server.app.create_role(&system, &role).await.unwrap();
    let eve = NewUser {
        user_name: format!("eve{SCRIPT}"),
        display_name: Some(IMAGE.into()),
        role: Some(IMAGE.into()),
        group: Some(SCRIPT.into()),
    };
    let eve = server.app.create_user(&system, &eve).await.unwrap();
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
            let path = path.replace("{group}", &group.id.to_string()).replace("{role}", &role.id.to_string());
            let path = path.replace("{id}", &eve.id.to_string());
            let path: Vec<&str> =
                path.split('/').map(|step| if step.starts_with('{') { "nothing" } else { step }).collect();
            let path = path.join("/");
            let page = admin.get(&path).await;
            assert!(page.status.as_u16() < 500, "{path}: {}", page.text);
            if ["/groups/{group}", "/roles/{role}", "/people/{id}"].iter().any(|of| route.path.ends_with(of)) {
                assert_eq!(page.status, 200, "{path} is looked at, not only refused");
            }
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
    // What a device said of itself is kept without what turns a line around or makes another one.
    for what in ["explain", "status", "events", "uses", "policy", "versions"] {
        for device in &devices[..2] {
            let path = format!("/v1.0/lapwing/devices/{}/{what}", device.id());
            let said = api.get_ok(&path).await.to_string();
            for bad in ["\u{202e}", "\u{2066}", "\u{2028}", "\\u001b", "\\n"] {
                assert!(!said.contains(bad), "{path} holds {bad:?}: {said}");
            }
        }
    }
    let found = api.get_ok("/v1.0/devices").await;
    let names: Vec<&str> =
        found["value"].as_array().unwrap().iter().map(|one| one["displayName"].as_str().unwrap()).collect();
    for name in [SCRIPT, IMAGE, TURNED, FORMULA, longest.as_str()] {
        assert!(names.contains(&name), "an API gives the name as it is: {names:?}");
    }
    server.stop().await;
}

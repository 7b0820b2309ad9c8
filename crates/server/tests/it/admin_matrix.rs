//! The authorization matrix of the admin centre (design.md 10): every page × role × scope, against the table in
//! `admin_matrix.txt`.

use crate::admin::{Browser, Page, person};
use crate::harness::{TestDevice, TestServer};
use proto::admin::{NewGroup, NewRole};
use server::authz::{Caller, Job};
use server::http::{Takes, routes};

const TABLE: &str = include_str!("admin_matrix.txt");
const CALLERS: usize = 12;
/// The caller whose device is not in the group.
const OUTSIDE: usize = 11;
/// The group of the scoped role.
const GROUP: &str = "mine";
/// What stands for a policy or a person: nothing has this id.
const NOTHING: &str = "00000000-0000-4000-8000-000000000000";

/// A row of the table: method, path, what is expected, the form.
type Row = (String, String, Vec<char>, String);

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
            let expected: Vec<char> = words.by_ref().take(CALLERS).map(|word| word.parse().unwrap()).collect();
            assert!(expected.len() == CALLERS && expected.iter().all(|cell| "+-?0".contains(*cell)), "{line}");
            (method, path, expected, words.next().unwrap_or_default().to_owned())
        })
        .collect()
}

#[test]
fn every_page_has_a_row_in_the_matrix() {
    let listed: Vec<(String, String)> = rows().into_iter().map(|(method, path, ..)| (method, path)).collect();
    let routed: Vec<(String, String)> = routes()
        .iter()
        .filter(|route| route.takes == Takes::Cookie)
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    for route in &routed {
        assert!(listed.contains(route), "a page without a row in admin_matrix.txt: {route:?}");
    }
    for row in &listed {
        assert!(routed.contains(row), "a row without a page: {row:?}");
    }
}

fn class(page: &Page) -> char {
    match page.status.as_u16() {
        303 if page.location.starts_with("/admin/sign-in?next") => '?',
        401 => '?',
        403 => '-',
        404 if page.code() == "device_unknown" => '0',
        status => {
            assert!(status < 500 && status != 429, "{status}: {}", page.text);
            '+'
        }
    }
}

#[tokio::test]
async fn the_pages_answer_as_the_matrix_says() {
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
    let mut browsers = vec![Browser::new(&server)];
    for (place, role) in [
        "Global Administrator",
        "Intune Administrator",
        "Cloud Device Administrator",
        "Helpdesk Administrator",
        "Security Reader",
        "Security Administrator",
        "Global Reader",
        "LAPS Password Reader",
        "Rotator",
    ]
    .iter()
    .enumerate()
    {
        let user = person(&server, &format!("person-{place}"), role, None).await;
        browsers.push(Browser::sign_in_first(&server, &user).await);
    }
    for place in [10, OUTSIDE] {
        let user = person(&server, &format!("person-{place}"), "Cloud Device Administrator", Some(GROUP)).await;
        browsers.push(Browser::sign_in_first(&server, &user).await);
    }
    assert_eq!(browsers.len(), CALLERS);
    let mut tokens = vec![String::from("none")];
    for browser in &browsers[1..] {
        tokens.push(browser.get("/admin/devices").await.form_token());
    }
    let device = async |inside: bool| -> TestDevice<'_> {
        let device = server.device("pc").await;
        if inside {
            server.app.set_member(&system, GROUP, device.joined.device, true).await.unwrap();
        }
        device
    };
    let (inside, outside) = (device(true).await, device(false).await);
    inside.rotate(1, "in-the-group").await;
    outside.rotate(2, "out-of-the-group").await;

    let mut wrong = Vec::new();
    let mut number = 0;
    for (method, path, expected, body) in rows() {
        let mut found = Vec::new();
        for (caller, browser) in browsers.iter().enumerate() {
            number += 1;
            // What changes a device gets one of its own, so that no cell hangs on the one before.
            let changes = method == "POST" && path.contains("{device}") && !path.ends_with("/password");
            let own = if changes { Some(device(caller != OUTSIDE).await) } else { None };
            let asked = own.as_ref().unwrap_or(if caller == OUTSIDE { &outside } else { &inside }).id();
            let filled = |text: &str| {
                text.replace("{device}", &asked)
                    .replace("{policy}", NOTHING)
                    .replace("{id}", NOTHING)
                    .replace("{rotation}", NOTHING)
                    .replace("{group}", NOTHING)
                    .replace("{role}", NOTHING)
            };
            let url = filled(&path);
            let page = if method == "GET" {
                browser.get(&url).await
            } else {
                let body = filled(&body).replace('%', &number.to_string());
                browser.send_text(&url, format!("form_token={}&{body}", tokens[caller])).await
            };
            found.push(class(&page));
        }
        if found != expected {
            let text = |cells: &[char]| cells.iter().map(char::to_string).collect::<Vec<_>>().join(" ");
            wrong.push(format!("{method} {path}\n  table  {}\n  server {}", text(&expected), text(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.stop().await;
}

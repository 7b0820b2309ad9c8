//! The admin centre over HTTP, as a browser speaks it: cookies, forms, tokens, pages.

use crate::harness::{PASSWORD, TestServer};
use proto::admin::{CreatedUser, NewGroup, NewUser};
use reqwest::{Client, Method, StatusCode};
use server::authz::{Caller, Job};
use std::cell::RefCell;

/// A page, as it came.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) location: String,
    pub(crate) cookie: Option<String>,
    pub(crate) policy: String,
    pub(crate) cache: String,
    pub(crate) text: String,
}

impl Page {
    /// The form token of the page.
    pub(crate) fn form_token(&self) -> String {
        between(&self.text, "name=\"form_token\" value=\"", "\"").expect("a form with a token").to_owned()
    }
    /// The stable code that an error page names.
    pub(crate) fn code(&self) -> &str {
        between(&self.text, "<dt>Code</dt><dd><code>", "<").unwrap_or("no code")
    }
}

pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = text.split_once(from)?.1;
    Some(rest.split_once(to)?.0)
}

/// A browser: one client with one cookie.
pub(crate) struct Browser<'a> {
    server: &'a TestServer,
    http: Client,
    cookie: RefCell<Option<String>>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a TestServer) -> Self {
        Self { server, http: server.browser(), cookie: RefCell::default() }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<String>) -> Page {
        let mut request = self.http.request(method, self.server.at(path));
        if let Some(cookie) = self.cookie.borrow().clone() {
            request = request.header("cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let page = Page {
            status: answer.status(),
            location: header("location").unwrap_or_default(),
            cookie: header("set-cookie"),
            policy: header("content-security-policy").unwrap_or_default(),
            cache: header("cache-control").unwrap_or_default(),
            text: answer.text().await.unwrap(),
        };
        if let Some(set) = &page.cookie {
            let pair = set.split(';').next().unwrap().to_owned();
            *self.cookie.borrow_mut() = (!pair.ends_with('=')).then_some(pair);
        }
        page
    }
    pub(crate) async fn get(&self, path: &str) -> Page {
        self.ask(Method::GET, path, &[], None).await
    }
    /// Sends a form as the page's own script-less form does.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let url = self.server.url.clone();
        let headers = [("origin", url.as_str()), ("sec-fetch-site", "same-origin")];
        let body = serde_urlencoded::to_string(fields).unwrap();
        self.ask(Method::POST, path, &headers, Some(body)).await
    }

    /// The first sign-in of a person, through both forms.
    pub(crate) async fn sign_in_first(server: &'a TestServer, user: &CreatedUser) -> Self {
        let browser = Self::new(server);
        let given = [("user_name", user.user_name.as_str()), ("password", user.one_time_secret.as_str())];
        let asked = browser.send("/admin/sign-in", &given).await;
        assert_eq!(asked.status, 422);
        assert!(asked.text.contains("name=\"new_password\""), "{}", asked.text);
        let chosen = [given[0], given[1], ("new_password", PASSWORD), ("new_password_again", PASSWORD)];
        let done = browser.send("/admin/sign-in", &chosen).await;
        assert_eq!((done.status.as_u16(), done.location.as_str()), (303, "/admin"));
        let cookie = done.cookie.unwrap();
        assert!(cookie.starts_with("__Host-lapwing="), "{cookie}");
        for wanted in ["; Path=/", "; Secure", "; HttpOnly", "; SameSite="] {
            assert!(cookie.contains(wanted), "{cookie}");
        }
        browser
    }
}

pub(crate) async fn person(server: &TestServer, name: &str, role: &str, group: Option<&str>) -> CreatedUser {
    let new = NewUser {
        user_name: name.into(),
        display_name: None,
        role: Some(role.into()),
        group: group.map(str::to_owned),
    };
    server.app.create_user(&Caller::system(Job::Init), &new).await.unwrap()
}

#[tokio::test]
async fn a_person_signs_in_finds_a_device_reads_its_password_and_signs_out() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-17").await;
    device.rotate(1, "Xy3-Ab&<9").await;
    let browser = Browser::new(&server);
    let first = browser.get("/admin/devices?search=pc").await;
    assert_eq!(first.status, 303);
    assert!(first.location.starts_with("/admin/sign-in?next=%2Fadmin%2Fdevices%3Fsearch%3Dpc"), "{}", first.location);
    assert_eq!(browser.get(&first.location).await.status, 200);

    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let list = browser.get("/admin/devices?search=PC-1").await;
    assert!(list.text.contains(&format!("/admin/devices/{}\"><bdi>pc-17</bdi>", device.id())), "{}", list.text);
    let page = browser.get(&format!("/admin/devices/{}", device.id())).await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("Xy3"), "no password before it is asked for");
    let path = format!("/admin/devices/{}/password", device.id());
    let shown = browser.send(&path, &[("form_token", &page.form_token())]).await;
    assert_eq!((shown.status.as_u16(), shown.cache.as_str()), (200, "no-store"));
    let secret = between(&shown.text, "data-secret", "</output>").unwrap();
    let letters: String =
        secret.split("</span>").filter_map(|piece| piece.rsplit_once('>')).map(|(_, letter)| letter).collect();
    assert_eq!(letters, "Xy3-Ab&#38;&#60;9");
    for class in ["<span class=\"u\">X</span>", "<span class=\"d\">3</span>", "<span class=\"s\">-</span>"] {
        assert!(secret.contains(class), "{secret}");
    }
    assert!(shown.text.contains("XRAY · yankee · three · hyphen"), "the phonetic line");
    assert!(shown.text.contains("<svg class=\"qr\""));

    // The record is there, and names the person.
    let reader = server.program(Some("Security Reader"), &[]).await;
    let records = reader.get_ok("/v1.0/lapwing/audit").await;
    let records = records["value"].as_array().unwrap();
    let read =
        records.iter().find(|record| record["activity"] == "Recover device local administrator password").unwrap();
    assert_eq!((&read["actor"], &read["outcome"]), (&"user admin".into(), &"success".into()), "{read}");

    let out = browser.send("/admin/sign-out", &[("form_token", &page.form_token())]).await;
    assert_eq!((out.status.as_u16(), out.location.as_str()), (303, "/admin/sign-in?why=signed_out"));
    assert_eq!(browser.get("/admin/devices").await.status, 303);
    server.stop().await;
}

#[tokio::test]
async fn forms_of_others_change_nothing() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get(&format!("/admin/devices/{}", device.id())).await;
    let token = page.form_token();
    let other = person(&server, "other", "Global Administrator", None).await;
    let other = Browser::sign_in_first(&server, &other).await;
    let foreign_token = other.get("/admin/devices").await.form_token();
    let path = format!("/admin/devices/{}/disable", device.id());
    for (fields, code) in [
        (vec![], "form_token_wrong"),
        (vec![("form_token", "")], "form_token_wrong"),
        (vec![("form_token", &*foreign_token)], "form_token_wrong"),
        (vec![("form_token", &token[..63])], "form_token_wrong"),
    ] {
        let refused = browser.send(&path, &fields).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, code));
        assert!(refused.text.contains("href=\"/admin\""), "a way on");
    }
    let body = format!("form_token={token}");
    for headers in [
        vec![("origin", "https://evil.test")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        let refused = browser.ask(Method::POST, &path, &headers, Some(body.clone())).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "foreign_form"), "{headers:?}");
    }
    let sign_in = browser.ask(Method::POST, "/admin/sign-in", &[("origin", "https://evil.test")], Some(body)).await;
    assert_eq!((sign_in.status.as_u16(), sign_in.code()), (403, "foreign_form"));
    let page = browser.get(&format!("/admin/devices/{}", device.id())).await;
    assert!(page.text.contains(">Enabled</span>"), "nothing was changed");
    let done = browser.send(&path, &[("form_token", &token)]).await;
    assert_eq!((done.status.as_u16(), done.location), (303, format!("/admin/devices/{}?note=disabled", device.id())));
    let page = browser.get(&done_path(&device.id())).await;
    assert!(page.text.contains(">Disabled</span>") && page.text.contains("The device is disabled"));
    server.stop().await;
}

fn done_path(id: &str) -> String {
    format!("/admin/devices/{id}?note=disabled")
}

#[tokio::test]
async fn cookies_that_are_not_good_lead_to_the_sign_in() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let ada = person(&server, "ada", "Cloud Device Administrator", None).await;
    let browser = Browser::sign_in_first(&server, &ada).await;
    let token = browser.get("/admin/devices").await.form_token();
    let good = browser.cookie.borrow().clone().unwrap();
    let secret = good.rsplit_once('.').unwrap().1;
    let path = format!("/admin/devices/{}/disable", device.id());
    for (cookie, code) in [
        ("__Host-lapwing=x".to_owned(), "session_ended"),
        (format!("__Host-lapwing={}.AAAA", server.app.tenant()), "session_ended"),
        (format!("__Host-lapwing=00000000-0000-4000-8000-000000000000.{secret}"), "cookie_of_another_tenant"),
    ] {
        *browser.cookie.borrow_mut() = Some(cookie);
        let page = browser.get("/admin/devices").await;
        assert_eq!(
            (page.status.as_u16(), page.location),
            (303, format!("/admin/sign-in?next=%2Fadmin%2Fdevices&why={code}"))
        );
        let page = browser.send(&path, &[("form_token", &token)]).await;
        assert_eq!((page.status.as_u16(), page.code()), (401, code));
        assert!(page.text.contains("href=\"/admin/sign-in\""), "a way on");
    }
    // A part of a page sends the whole page to the sign-in.
    let part = browser.ask(Method::GET, "/admin/devices", &[("hx-request", "true")], None).await;
    assert_eq!(part.status, 200);
    *browser.cookie.borrow_mut() = Some(good);
    assert_eq!(browser.get("/admin/devices").await.status, 200);
    // Other rights end the session.
    let role = proto::admin::RoleAssignment { principal: ada.id, role: "Security Reader".into(), group: None };
    server.app.assign_role(&Caller::system(Job::Init), &role).await.unwrap();
    assert!(browser.get("/admin/devices").await.location.ends_with("why=session_ended"));
    server.stop().await;
}

#[tokio::test]
async fn who_may_not_read_is_told_so_and_who_may_not_see_learns_nothing() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (inside, outside) = (server.device("inside").await, server.device("outside").await);
    inside.rotate(1, "inside-password").await;
    outside.rotate(2, "outside-password").await;
    let system = Caller::system(Job::Init);
    server.app.create_group(&system, &NewGroup { name: "berlin".into(), filter: None }).await.unwrap();
    server.app.set_member(&system, "berlin", inside.joined.device, true).await.unwrap();

    let help = person(&server, "help", "Helpdesk Administrator", None).await;
    let help = Browser::sign_in_first(&server, &help).await;
    let page = help.get(&format!("/admin/devices/{}", inside.id())).await;
    assert!(page.text.contains("Your roles let you see that, not read it") && !page.text.contains("Show password"));
    let path = format!("/admin/devices/{}/password", inside.id());
    let refused = help.send(&path, &[("form_token", &page.form_token())]).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "role_missing"));
    assert!(!refused.text.contains("inside-password"));

    let ada = person(&server, "ada", "Cloud Device Administrator", Some("berlin")).await;
    let ada = Browser::sign_in_first(&server, &ada).await;
    let list = ada.get("/admin/devices").await;
    assert!(list.text.contains("<bdi>inside</bdi>") && !list.text.contains("<bdi>outside</bdi>"));
    let token = list.form_token();
    let unknown = "00000000-0000-4000-8000-000000000000";
    let same = |page: Page, id: &str| {
        let request = between(&page.text, "<dt>Request</dt><dd><code>", "<").unwrap().to_owned();
        (page.status, page.text.replace(id, "ID").replace(&request, "REQUEST"))
    };
    for part in ["", "/history", "/policy", "/events", "/explain", "/rotation"] {
        let of = async |id: &str| same(ada.get(&format!("/admin/devices/{id}{part}")).await, id);
        let (status, text) = of(&outside.id()).await;
        assert_eq!((status, &text), (StatusCode::NOT_FOUND, &of(unknown).await.1), "{part}");
        assert!(!text.contains("outside"));
    }
    for act in ["password", "rotate", "enable", "disable", "delete", "restore", "purge", "clear-fork", "predecessor"] {
        let of =
            async |id: &str| same(ada.send(&format!("/admin/devices/{id}/{act}"), &[("form_token", &token)]).await, id);
        assert_eq!(of(&outside.id()).await, of(unknown).await, "{act}");
    }
    for search in ["outside", &outside.id()] {
        assert!(ada.get(&format!("/admin/devices?search={search}")).await.text.contains("Nothing found here"));
    }
    let shown = ada.send(&path, &[("form_token", &token)]).await;
    assert_eq!(shown.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn hostile_names_are_shown_harmlessly() {
    let server = TestServer::start().await;
    let mut ids = Vec::new();
    for name in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "pc\u{202e}gnp.exe", "a'b&c"] {
        let token = server.join_token().await;
        let key = rcgen::KeyPair::generate().unwrap();
        let answer = server.join(&token, &key, name).await;
        if answer.status() == 200 {
            let joined: proto::device::JoinAnswer = answer.json().await.unwrap();
            ids.push(joined.device.to_string());
        }
    }
    assert!(!ids.is_empty(), "some of them are taken as names");
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let mut pages = vec![browser.get("/admin/devices").await];
    for id in &ids {
        for part in ["", "/history", "/policy", "/events", "/explain"] {
            pages.push(browser.get(&format!("/admin/devices/{id}{part}")).await);
        }
    }
    pages.push(browser.get("/admin/devices?search=%3Cscript%3E%22%27&state=%3Cb%3E").await);
    pages.push(browser.get("/admin/sign-in?next=%22%3E%3Cscript%3E&why=%3Cscript%3E").await);
    pages.push(browser.get("/admin/devices/%3Cscript%3Ealert(1)%3C/script%3E").await);
    pages.push(browser.send("/admin/sign-in", &[("user_name", "\"><script>x</script>"), ("password", "wrong")]).await);
    for page in &pages {
        assert!(!page.text.contains("<script>") && !page.text.contains("<img src=x"), "{}", page.text);
        assert!(!page.text.contains('\u{202e}'), "a mark that turns text around is made visible");
    }
    let long = "x".repeat(4_000);
    let refused = browser.get(&format!("/admin/devices?search={long}")).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "search_too_long"));
    let refused = browser.send("/admin/sign-in", &[("user_name", &long), ("password", "wrong")]).await;
    assert_eq!(refused.status, 403);
    assert!(!refused.text.contains(&long));
    server.stop().await;
}

#[tokio::test]
async fn pages_are_small_and_load_nothing_but_our_own_files() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "a password to show").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get(&format!("/admin/devices/{}", device.id())).await;
    assert!(page.policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{}", page.policy);
    assert!(page.policy.contains("frame-ancestors 'none'") && page.policy.contains("base-uri 'none'"));
    assert!(!page.policy.contains("unsafe"));
    let mut weight = page.text.len();
    let mut files = 0;
    for (from, kind) in [
        ("<script src=\"", "text/javascript"),
        ("rel=\"stylesheet\" href=\"", "text/css"),
        ("<link rel=\"icon\" href=\"", "image/svg+xml"),
    ] {
        for rest in page.text.split(from).skip(1) {
            let path = rest.split('"').next().unwrap();
            let answer = server.http.get(server.at(path)).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
            assert!(answer.headers()["content-type"].to_str().unwrap().starts_with(kind), "{path}");
            assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
            let bytes = answer.bytes().await.unwrap();
            let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA384, &bytes);
            if kind != "image/svg+xml" {
                use base64::{Engine, engine::general_purpose::STANDARD};
                let tag = rest.split('>').next().unwrap();
                assert!(tag.contains(&format!("sha384-{}", STANDARD.encode(digest))), "{tag}");
            }
            weight += bytes.len();
            files += 1;
        }
    }
    assert_eq!(files, 4);
    println!("the page of a device weighs {weight} bytes, with everything that it loads");
    assert!(weight < 100_000, "{weight}");
    let token = page.form_token();
    let shown = browser.send(&format!("/admin/devices/{}/password", device.id()), &[("form_token", &token)]).await;
    for page in [page, shown, browser.get("/admin/devices").await, browser.get("/admin/sign-in").await] {
        for inline in ["<style", " style=", "<script>", " onclick=", "javascript:", "http://", "https://"] {
            assert!(!page.text.contains(inline), "{inline} in\n{}", page.text);
        }
    }
    assert_eq!(browser.get("/admin/assets/admin.0000000000000000.css").await.status, 404);
    assert_eq!(browser.get("/").await.location, "/admin/devices");
    server.stop().await;
}

#[tokio::test]
async fn guessing_in_the_browser_counts_with_all_other_guessing() {
    let server = TestServer::start().await;
    let browser = Browser::new(&server);
    for _ in 0..10 {
        let page = browser.send("/admin/sign-in", &[("user_name", "nobody"), ("password", "wrong wrong")]).await;
        assert_eq!(page.status, 403);
        assert!(page.cookie.is_none());
    }
    let page = browser.send("/admin/sign-in", &[("user_name", "nobody"), ("password", "wrong wrong")]).await;
    assert_eq!(page.status, 429);
    let code = server.device_code("").await;
    let fields = [("user_code", code.user_code.as_str()), ("user_name", "nobody"), ("password", "wrong")];
    assert_eq!(server.verify(&fields).await.1["result"], "locked_out");
    server.stop().await;
}

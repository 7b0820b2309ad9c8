//! "My account" and the second steps of the sign-in page over HTTP: one-time codes, accounts elsewhere, API tokens.

use crate::account::{code, now_s};
use crate::admin::{Browser, Page, between};
use crate::federation::{Provider, back, follow, ticket};
use crate::harness::{PASSWORD, Session, TestServer};
use proto::admin::{Identity, NewIdentityProvider};
use serde_json::json;
use server::authz::{Caller, Job};
use std::sync::atomic::Ordering;

/// The texts that a page shows once.
fn shown(page: &Page) -> Vec<String> {
    let pieces = page.text.split("data-secret").skip(1);
    pieces.map(|rest| between(rest, ">", "</output>").unwrap().to_owned()).collect()
}

fn is_refused(page: &Page, because: &str) {
    assert_eq!(page.status, 422, "{}", page.text);
    assert!(page.text.contains("role=\"alert\"") && page.text.contains(because), "{because}: {}", page.text);
}

#[tokio::test]
async fn a_generator_is_set_up_on_the_page_and_asked_for_at_the_sign_in() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/account").await.form_token();
    let token = ("form_token", token.as_str());
    let begun = browser.send("/admin/account/totp", &[token]).await;
    assert_eq!((begun.status.as_u16(), begun.cache.as_str()), (200, "no-store"));
    assert!(begun.text.contains("<svg class=\"qr\""), "{}", begun.text);
    let secret = shown(&begun).remove(0);
    let wrong = browser.send("/admin/account/totp/confirm", &[token, ("code", "12345")]).await;
    is_refused(&wrong, "That code is wrong");
    assert!(!wrong.text.contains(&secret), "it is shown once");
    let first_step = now_s() / 30;
    let right = code(&secret, first_step);
    let codes = browser.send("/admin/account/totp/confirm", &[token, ("code", &right)]).await;
    assert_eq!((codes.status.as_u16(), codes.cache.as_str()), (200, "no-store"), "{}", codes.text);
    let recovery = shown(&codes);
    assert_eq!(recovery.len(), 10);
    let page = browser.get("/admin/account").await;
    assert!(page.text.contains("Recovery codes left: 10") && !page.text.contains(&recovery[0]));
    browser.send("/admin/sign-out", &[token]).await;

    // The password alone leads to the second form; its ticket is good once.
    let password = [("user_name", "admin"), ("password", PASSWORD), ("next", "/admin/devices")];
    let asked = browser.send("/admin/sign-in", &password).await;
    assert_eq!(asked.status, 422);
    assert!(asked.text.contains("name=\"one_time_code\"") && asked.cookie.is_none(), "{}", asked.text);
    assert!(!asked.text.contains(PASSWORD));
    let step = async |ticket: &str, code: &str| {
        let fields = [("ticket", ticket), ("one_time_code", code), ("next", "/admin/devices")];
        browser.send("/admin/sign-in", &fields).await
    };
    let first = ticket(&asked.text);
    let wrong = step(&first, "000").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("role=\"alert\"") && wrong.cookie.is_none(), "{}", wrong.text);
    assert_eq!(step(&first, &recovery[0]).await.status, 403, "a ticket is good once");
    assert_eq!(step("lapwing-step.AAAA", &recovery[0]).await.status, 403, "forged");
    let signed_in = step(&ticket(&wrong.text), &code(&secret, first_step + 1)).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.location.as_str()), (303, "/admin/devices"));
    assert_eq!(browser.get("/admin/devices").await.status, 200);

    // A recovery code works in the place of a code, once.
    let other = Browser::new(&server);
    let answer = async |code: &str| {
        let asked = other.send("/admin/sign-in", &password).await;
        let fields = [("ticket", &*ticket(&asked.text)), ("one_time_code", code), ("next", "")];
        other.send("/admin/sign-in", &fields).await.status.as_u16()
    };
    assert_eq!(answer(&recovery[1].to_lowercase()).await, 303);
    assert!(other.get("/admin/account").await.text.contains("Recovery codes left: 9"));
    assert_eq!(answer(&recovery[1]).await, 422, "used before");

    // Taking it away asks for a code, and ends every session.
    let token = browser.get("/admin/account").await.form_token();
    let token = ("form_token", token.as_str());
    is_refused(&browser.send("/admin/account/totp/remove", &[token, ("code", "1")]).await, "That code is wrong");
    let gone = browser.send("/admin/account/totp/remove", &[token, ("code", &recovery[2])]).await;
    assert_eq!(gone.location, "/admin/sign-in?why=session_ended");
    assert_eq!(other.get("/admin/account").await.status, 303);
    assert_eq!(browser.send("/admin/sign-in", &password).await.status, 303, "the password is enough again");
    server.stop().await;
}

#[tokio::test]
async fn an_account_elsewhere_is_linked_by_its_owner_and_signs_in_by_the_button() {
    let server = TestServer::start().await;
    let provider = Provider::start().await;
    let admin = server.program(Some("Global Administrator"), &[]).await;
    let new = NewIdentityProvider {
        name: "Example <b>".into(),
        issuer: provider.issuer.clone(),
        client_id: "lapwing".into(),
        client_secret: "the+secret".into(),
        ca: Some(provider.ca.clone()),
    };
    let (status, made) = admin.post("/v1.0/lapwing/identityProviders", serde_json::to_value(&new).unwrap()).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get("/admin/account").await;
    let token = page.form_token();
    let token = ("form_token", token.as_str());
    assert!(page.text.contains("Prove an account at <bdi>Example &#60;b&#62;</bdi>"), "{}", page.text);
    let way = between(&page.text, "href=\"/device/with/", "\"").unwrap().replace("&#38;", "&");
    assert_eq!(way, format!("{id}?link=yes"));

    // There and back gives a code and no session.
    let prove = async || {
        let (location, cookie) = follow(&server, &format!("/device/with/{way}")).await;
        let (code, state) = provider.agree(&location);
        let (status, page) = back(&server, &cookie, &code, &state).await;
        assert_eq!(status, 200, "{page}");
        assert!(page.contains("At Example &#60;b&#62; you are subject-1") && !page.contains("ticket"), "{page}");
        between(&page, "<strong>", "</strong>").unwrap().to_owned()
    };
    let link = async |code: &str, password: &str| {
        browser.send("/admin/account/identities", &[token, ("code", code), ("current_password", password)]).await
    };
    let proof = prove().await;
    is_refused(&link(&proof, "not the password").await, "That is not your password");
    is_refused(&link("AAAA-BBBB-CCCC-DDDD", PASSWORD).await, "This code is not known");
    is_refused(&link("", PASSWORD).await, "This code is not known");
    let linked = link(&proof.to_lowercase(), PASSWORD).await;
    assert_eq!(linked.location, "/admin/account?note=identity_linked", "{}", linked.text);
    is_refused(&link(&proof, PASSWORD).await, "This code is not known");
    is_refused(&link(&prove().await, PASSWORD).await, "This account is linked already");
    let page = browser.get("/admin/account").await;
    assert!(page.text.contains("<bdi>subject-1</bdi>") && page.text.contains("at <bdi>Example &#60;b&#62;</bdi>"));
    let log = admin.get_ok("/v1.0/lapwing/audit").await.to_string();
    assert!(log.contains("Link identity"), "{log}");
    // The document was read when the provider was set up and once since, whatever went on in these seconds.
    assert_eq!(provider.discoveries.load(Ordering::SeqCst), 2);

    // The button of the sign-in page.
    let other = Browser::new(&server);
    let form = other.get("/admin/sign-in?next=%2Fadmin%2Fdevices").await;
    assert!(form.text.contains("Sign in with <bdi>Example &#60;b&#62;</bdi>"), "{}", form.text);
    let way = between(&form.text, "href=\"/device/with/", "\"").unwrap().replace("&#38;", "&");
    let sign_in = async || {
        let (location, cookie) = follow(&server, &format!("/device/with/{way}")).await;
        let (code, state) = provider.agree(&location);
        back(&server, &cookie, &code, &state).await
    };
    let (status, arrived) = sign_in().await;
    assert_eq!(status, 200, "{arrived}");
    assert!(arrived.contains("You are admin at Example") && arrived.contains("action=\"/admin/sign-in\""), "{arrived}");
    let step = ticket(&arrived);
    let fields = [("next", "/admin/devices"), ("ticket", step.as_str())];
    let signed_in = other.send("/admin/sign-in", &fields).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.location.as_str()), (303, "/admin/devices"), "{}", signed_in.text);
    assert_eq!(other.get("/admin/devices").await.status, 200);
    assert_eq!(Browser::new(&server).send("/admin/sign-in", &fields).await.status, 403, "good once");

    // A generator is asked for behind it, too.
    let secret = shown(&browser.send("/admin/account/totp", &[token]).await).remove(0);
    let right = code(&secret, now_s() / 30);
    let codes = shown(&browser.send("/admin/account/totp/confirm", &[token, ("code", &right)]).await);
    let third = Browser::new(&server);
    let (_, arrived) = sign_in().await;
    let asked = third.send("/admin/sign-in", &[("next", ""), ("ticket", &ticket(&arrived))]).await;
    assert_eq!(asked.status, 422, "{}", asked.text);
    let fields = [("next", ""), ("ticket", &*ticket(&asked.text)), ("one_time_code", &codes[0])];
    assert_eq!(third.send("/admin/sign-in", &fields).await.status, 303);

    // The way out: with the password; every session ends, and the button opens nothing.
    let unlink = async |password: &str| {
        let fields = [token, ("provider", &*id), ("subject", "subject-1"), ("current_password", password)];
        browser.send("/admin/account/identities/remove", &fields).await
    };
    is_refused(&unlink("not the password").await, "That is not your password");
    assert_eq!(unlink(PASSWORD).await.location, "/admin/sign-in?why=session_ended");
    for one in [&browser, &other, &third] {
        assert_eq!(one.get("/admin/account").await.status, 303);
    }
    let (status, refused) = sign_in().await;
    assert_eq!(status, 403);
    assert!(refused.contains("oidc_not_linked"), "{refused}");
    server.stop().await;
}

#[tokio::test]
async fn nobody_links_or_unlinks_for_somebody_else() {
    let server = TestServer::start().await;
    let provider = Provider::start().await;
    let admin = server.program(Some("Global Administrator"), &[]).await;
    let body = json!({
        "name": "Example", "issuer": provider.issuer, "clientId": "lapwing", "clientSecret": "the+secret",
        "ca": provider.ca,
    });
    let (status, made) = admin.post("/v1.0/lapwing/identityProviders", body).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let ada = crate::admin::person(&server, "ada", "Helpdesk Administrator", None).await;
    let eve = crate::admin::person(&server, "eve", "Helpdesk Administrator", None).await;
    let hers = Identity { provider: id.clone(), subject: "subject-1".into() };
    let (status, _) =
        admin.post(&format!("/v1.0/lapwing/users/{}/identities", ada.id), serde_json::to_value(&hers).unwrap()).await;
    assert_eq!(status, 204);
    let eve = Browser::sign_in_first(&server, &eve).await;
    let page = eve.get("/admin/account").await;
    assert!(!page.text.contains("subject-1"));
    let token = page.form_token();
    let token = ("form_token", token.as_str());
    let fields = [token, ("provider", &*id), ("subject", "subject-1"), ("current_password", PASSWORD)];
    let refused = eve.send("/admin/account/identities/remove", &fields).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (404, "identity_unknown"));
    // Proving an account that is somebody else's here takes it from nobody.
    let (location, cookie) = follow(&server, &format!("/device/with/{id}?link=yes")).await;
    let (code, state) = provider.agree(&location);
    let (_, shown) = back(&server, &cookie, &code, &state).await;
    let proof = between(&shown, "<strong>", "</strong>").unwrap();
    let fields = [token, ("code", proof), ("current_password", PASSWORD)];
    is_refused(&eve.send("/admin/account/identities", &fields).await, "This account is linked already");
    let system = Caller::system(Job::Init);
    assert!(server.app.my_identities(&system).await.is_err(), "a job has no account");
    assert_eq!(admin.get("/v1.0/lapwing/me/identities").await.0, 403, "a program has none");
    server.stop().await;
}

#[tokio::test]
async fn an_administrator_helps_on_the_page_of_a_person() {
    let server = TestServer::start().await;
    let provider = Provider::start().await;
    let program = server.program(Some("Global Administrator"), &[]).await;
    let body = json!({
        "name": "Example", "issuer": provider.issuer, "clientId": "lapwing", "clientSecret": "the+secret",
        "ca": provider.ca,
    });
    let (status, made) = program.post("/v1.0/lapwing/identityProviders", body).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    let ada = crate::admin::person(&server, "ada", "Helpdesk Administrator", None).await;
    let hers = Browser::sign_in_first(&server, &ada).await;
    let token = hers.get("/admin/account").await.form_token();
    let token = ("form_token", token.as_str());
    let secret = shown(&hers.send("/admin/account/totp", &[token]).await).remove(0);
    let right = code(&secret, now_s() / 30);
    assert_eq!(hers.send("/admin/account/totp/confirm", &[token, ("code", &right)]).await.status, 200);

    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let people = browser.get("/admin/people").await;
    let place = format!("/admin/people/{}", ada.id);
    assert!(people.text.contains(&format!("href=\"{place}\"")), "{}", people.text);
    let token = people.form_token();
    let token = ("form_token", token.as_str());
    let act = async |what: &str, field: (&str, &str)| browser.send(&format!("{place}/{what}"), &[token, field]).await;
    let page = browser.get(&place).await;
    assert!(page.text.contains("10 recovery codes left") && page.text.contains("Helpdesk Administrator"));
    let role = between(&page.text, "<option value=\"", "\"").unwrap();
    let role = [token, ("principal", &ada.id.to_string()), ("role", role), ("group", ""), ("back", "person")];
    assert_eq!(browser.send("/admin/roles", &role).await.location, format!("{place}?note=role_given"));
    assert_eq!(browser.send("/admin/roles/remove", &role).await.location, format!("{place}?note=role_taken"));
    assert!(act("reset-totp", ("", "")).await.location.ends_with("note=totp_reset"));
    assert_eq!(hers.get("/admin/account").await.status, 303, "her sessions ended");
    let password = [("user_name", "ada"), ("password", PASSWORD)];
    assert_eq!(hers.send("/admin/sign-in", &password).await.status, 303, "no code is asked for");

    let token_of_hers = hers.get("/admin/account").await.form_token();
    let made = [("form_token", &*token_of_hers), ("name", "hers"), ("scope", "Device.Read.All"), ("days", "1")];
    let api = shown(&hers.send("/admin/account/tokens", &made).await).remove(0);
    let api = Session { server: &server, token: api };
    assert_eq!(api.get("/v1.0/devices").await.0, 200);
    let page = browser.get(&place).await;
    let named = |name: &str| {
        between(&page.text, &format!("name=\"{name}\" value=\""), "\"")
            .unwrap_or_else(|| panic!("{}", page.text))
            .to_owned()
    };
    let (session, token_id) = (named("session"), named("token"));
    assert!(act("tokens/revoke", ("token", &token_id)).await.location.ends_with("note=token_revoked"));
    assert_eq!(api.get("/v1.0/devices").await.0, 401);
    assert!(act("sessions/end", ("session", &session)).await.location.ends_with("note=session_over"));
    assert_eq!(hers.get("/admin/account").await.status, 303);
    assert_eq!(act("sessions/end", ("session", &session)).await.code(), "session_unknown");
    assert!(act("unlock", ("", "")).await.location.ends_with("note=unlocked"));
    assert!(act("reset-passkeys", ("", "")).await.location.ends_with("note=passkeys_reset"));

    let link = async |subject: &str| {
        browser.send(&format!("{place}/identities"), &[token, ("provider", &id), ("subject", subject)]).await
    };
    is_refused(&link("").await, "A subject has 1 to 255");
    assert!(link("subject <b>").await.location.ends_with("note=identity_linked_other"));
    let again = link("subject <b>").await;
    is_refused(&again, "");
    assert!(again.text.contains("value=\"subject &#60;b&#62;\""), "what was typed is kept");
    assert!(browser.get(&place).await.text.contains("<bdi>subject &#60;b&#62;</bdi>"));
    let gone = [token, ("provider", &*id), ("subject", "subject <b>")];
    let gone = browser.send(&format!("{place}/identities/remove"), &gone).await;
    assert!(gone.location.ends_with("note=identity_unlinked"), "{}", gone.text);
    assert_eq!(browser.get("/admin/people/00000000-0000-4000-8000-000000000000").await.code(), "principal_unknown");
    let help = crate::admin::person(&server, "reader", "Global Reader", None).await;
    let help = Browser::sign_in_first(&server, &help).await;
    let page = help.get(&place).await;
    assert!(page.status == 200 && !page.text.contains("/reset-totp") && !page.text.contains("/unlock"));
    server.stop().await;
}

#[tokio::test]
async fn an_api_token_of_the_page_is_shown_once_works_and_is_revoked() {
    let server = TestServer::start().await;
    server.device("pc-1").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/account").await.form_token();
    let token = ("form_token", token.as_str());
    let make = async |name: &str, scope: &str, days: &str| {
        browser.send("/admin/account/tokens", &[token, ("name", name), ("scope", scope), ("days", days)]).await
    };
    for (name, scope, days) in [
        ("kept <b>", "Device.Read.All", "0"),
        ("kept <b>", "Device.Read.All", "soon"),
        ("kept <b>", "User.ReadWrite", "7"),
        ("kept\u{202e}", "Device.Read.All", "7"),
    ] {
        let refused = make(name, scope, days).await;
        is_refused(&refused, "");
        let kept = format!("value=\"{}\"", name.replace('<', "&#60;").replace('>', "&#62;"));
        assert!(
            refused.text.contains(&kept) && refused.text.contains(&format!("value=\"{days}\"")),
            "{}",
            refused.text
        );
    }
    let made = make("inventory", "Device.Read.All", "7").await;
    assert_eq!((made.status.as_u16(), made.cache.as_str()), (200, "no-store"));
    let secret = shown(&made).remove(0);
    assert!(secret.starts_with("lapwing-pat."), "{secret}");
    let page = browser.get("/admin/account").await;
    assert!(page.text.contains("<bdi>inventory</bdi>") && !page.text.contains("lapwing-pat."), "it is shown once");
    let program = Session { server: &server, token: secret };
    assert_eq!(program.get("/v1.0/devices").await.0, 200);
    assert_eq!(program.get("/v1.0/directory/deviceLocalCredentials").await.0, 403, "it covers what was chosen");
    let id = between(&page.text, "/admin/account/tokens/", "/revoke").unwrap().to_owned();
    let revoked = browser.send(&format!("/admin/account/tokens/{id}/revoke"), &[token]).await;
    assert!(browser.get(&revoked.location).await.text.contains("The API token was revoked."));
    assert_eq!(program.get("/v1.0/devices").await.0, 401);
    // The password, with a mistake and without.
    let change = async |current: &str, new: &str, again: &str| {
        let fields = [token, ("current_password", current), ("new_password", new), ("new_password_again", again)];
        browser.send("/admin/account/password", &fields).await
    };
    let new = "another battery horse staple";
    is_refused(&change("wrong wrong wrong", new, new).await, "That is not your password");
    is_refused(&change(PASSWORD, new, "something else here").await, "The two entries");
    is_refused(&change(PASSWORD, "short", "short").await, "");
    assert_eq!(change(PASSWORD, new, new).await.location, "/admin/sign-in?why=session_ended");
    server.stop().await;
}

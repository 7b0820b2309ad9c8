//! Groups, roles, join tokens, the question who may read, and the second factor in a real browser.

use crate::account::{code, now_s};
use crate::admin_browser::{Pictures, is_sound, person, sign_in_first, sign_out};
use crate::federation::Provider;
use crate::harness::{PASSWORD, TestServer};
use proto::admin::NewIdentityProvider;
use testkit::browser::{self, Browser};

const TAB: &str = "\u{e004}";
const SPACE: &str = " ";

async fn look(browser: &Browser, pictures: &Pictures, name: &str) {
    pictures.take(browser, name).await;
    is_sound(browser).await;
}

/// Presses Tab until what the script says is reached.
async fn tab_to(browser: &Browser, script: &str) {
    for _ in 0..60 {
        if browser.script(&format!("return Boolean({script})")).await == true {
            return;
        }
        browser.press(TAB).await;
    }
    panic!("not reached by the keyboard: {script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_roles_and_join_tokens_are_made_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED groups_roles_and_join_tokens_are_made_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    server.switch_on().await;
    let pictures = Pictures::new();
    let till = server.device("till-01").await;
    till.report(None).await;
    till.rotate(1, "tR7%kq2Wm-9sLx4BzP0e").await;
    for name in ["till-02", "till-03", "desk-01"] {
        server.device(name).await;
    }
    let browser = Browser::start(server.app.authority().root_pem()).await;
    sign_in_first(&browser, &server, &server.administrator, None).await;

    browser.open(&server.at("/admin/groups")).await;
    look(&browser, &pictures, "groups-empty").await;
    browser.click(".title a.button").await;
    browser.fill("#name", "Tills").await;
    browser.fill("#filter_name", "till-*").await;
    browser.click("button[value=preview]").await;
    browser.until_it_says("3 devices fit").await;
    look(&browser, &pictures, "group-preview").await;
    browser.click("button[value=save]").await;
    browser.until_it_says("The group was made.").await;
    browser.until_it_says("till-03").await;
    look(&browser, &pictures, "group-filtered").await;

    browser.open(&server.at("/admin/groups/new")).await;
    browser.fill("#name", "Front desk").await;
    browser.click("button[value=save]").await;
    browser.until_it_says("No device is in it yet").await;
    browser.fill("#device", "nowhere").await;
    browser.click("aside .card button").await;
    browser.until_it_says("No device that you may see has this name or id").await;
    // The answer has the status of a form that is not complete, and the browser notes it.
    browser.complaints().await;
    assert_eq!(browser.script("return document.querySelector('#device').value").await, "nowhere");
    browser.fill("#device", "desk-01").await;
    browser.click("aside .card button").await;
    browser.until_it_says("The device is in the group.").await;

    // A role, ticked by the keyboard alone.
    browser.open(&server.at("/admin/roles/new")).await;
    browser.fill("#name", "Desk reader").await;
    for action in ["deviceLocalCredentials/password/read", "devices/standard/read"] {
        tab_to(
            &browser,
            &format!("document.activeElement.value && document.activeElement.value.endsWith('/{action}')"),
        )
        .await;
        browser.press(SPACE).await;
    }
    assert_eq!(browser.script("return document.querySelectorAll('[name=action]:checked').length").await, 2);
    look(&browser, &pictures, "role-form").await;
    browser.click(".stack > .actions button").await;
    browser.until_it_says("The role was saved.").await;
    browser.until_it_says("List and see devices").await;
    look(&browser, &pictures, "role").await;
    browser.open(&server.at("/admin/roles")).await;
    browser.until_it_says("Desk reader").await;
    look(&browser, &pictures, "roles").await;

    person(&server, "ada", "Desk reader").await;
    person(&server, "help", "Helpdesk Administrator").await;
    browser.open(&server.at("/admin/readers")).await;
    look(&browser, &pictures, "readers-empty").await;
    browser.fill("#device", "till-01").await;
    browser.click(".filters button").await;
    browser.until_it_says("Desk reader for all devices").await;
    look(&browser, &pictures, "readers").await;
    browser.fill("#person", "help").await;
    browser.click(".filters button").await;
    browser.until_it_says("May not read").await;
    look(&browser, &pictures, "readers-one").await;

    browser.open(&server.at("/admin/join-tokens")).await;
    look(&browser, &pictures, "join-tokens-empty").await;
    browser.fill("#note", "New till <b>").await;
    browser.click("aside button").await;
    let secret = browser.one("[data-secret]").await;
    assert!(browser.text(&secret).await.starts_with("lapwing-join."));
    look(&browser, &pictures, "join-token").await;
    browser.open(&server.at("/admin/join-tokens")).await;
    browser.until_it_says("New till <b>").await;
    look(&browser, &pictures, "join-tokens").await;
    browser.click(".list button").await;
    browser.until_it_says("nothing joins with it any more").await;
    browser.open(&server.at("/admin/groups")).await;
    browser.until_it_says("Front desk").await;
    look(&browser, &pictures, "groups").await;
    browser.open(&server.at("/admin/people")).await;
    browser.until_it_says("Desk reader").await;
    look(&browser, &pictures, "people-roles").await;
    browser.click(".list tbody tr:nth-child(2) th a").await;
    browser.until_it_says("Signs in with").await;
    look(&browser, &pictures, "person").await;
    browser.quit().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_and_an_api_token_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED a_second_factor_and_an_api_token_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    let pictures = Pictures::new();
    let provider = Provider::start().await;
    let admin = server.program(Some("Global Administrator"), &[]).await;
    let new = NewIdentityProvider {
        name: "Example".into(),
        issuer: provider.issuer.clone(),
        client_id: "lapwing".into(),
        client_secret: "the+secret".into(),
        ca: Some(provider.ca.clone()),
    };
    let (status, made) = admin.post("/v1.0/lapwing/identityProviders", serde_json::to_value(&new).unwrap()).await;
    assert_eq!(status, 201, "{made}");
    let browser = Browser::start(server.app.authority().root_pem()).await;
    sign_in_first(&browser, &server, &server.administrator, None).await;

    browser.open(&server.at("/admin/account")).await;
    browser.until_it_says("Prove an account at Example").await;
    look(&browser, &pictures, "account-provider").await;
    browser.click("[aria-labelledby=totp-title] button").await;
    browser.one("svg.qr").await;
    let secret = browser.one("[data-secret]").await;
    let secret = browser.text(&secret).await;
    look(&browser, &pictures, "totp").await;
    browser.fill("#code", "123").await;
    browser.click(".secret button.main").await;
    browser.until_it_says("That code is wrong").await;
    browser.complaints().await;
    look(&browser, &pictures, "totp-wrong").await;
    assert!(!browser.says().await.contains(&secret), "it is shown once");
    browser.fill("#code", &code(&secret, now_s() / 30)).await;
    browser.click(".secret button.main").await;
    browser.until_it_says("Recovery codes").await;
    let codes = browser.all("[data-secret]").await;
    assert_eq!(codes.len(), 10);
    let recovery = browser.text(&codes[0]).await;
    look(&browser, &pictures, "recovery-codes").await;

    browser.open(&server.at("/admin/account")).await;
    browser.fill("#token_name", "inventory").await;
    browser.click("[aria-labelledby=tokens-title] form:last-child button").await;
    let token = browser.one("[data-secret]").await;
    assert!(browser.text(&token).await.starts_with("lapwing-pat."));
    look(&browser, &pictures, "api-token").await;
    sign_out(&browser).await;

    // The sign-in page: the button, and the second step.
    browser.open(&server.at("/admin/sign-in")).await;
    browser.until_it_says("Sign in with Example").await;
    look(&browser, &pictures, "sign-in-provider").await;
    for (wrong, entered) in [(true, "000".to_owned()), (false, recovery)] {
        browser.open(&server.at("/admin/sign-in?next=%2Fadmin%2Faccount")).await;
        browser.fill("#user_name", &server.administrator.user_name).await;
        browser.fill("#password", PASSWORD).await;
        browser.click("button.main").await;
        browser.one("#one_time_code").await;
        browser.complaints().await;
        look(&browser, &pictures, "second-factor").await;
        browser.fill("#one_time_code", &entered).await;
        browser.click("button.main").await;
        if wrong {
            browser.one("[role=alert]").await;
            browser.complaints().await;
            assert!(browser.all(".side nav").await.is_empty());
        } else {
            browser.until_it_says("Recovery codes left: 9").await;
        }
    }
    browser.click("[aria-label='Revoke the API token inventory']").await;
    browser.until_it_says("The API token was revoked.").await;
    look(&browser, &pictures, "account-totp").await;
    browser.quit().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_code_is_answered_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED a_device_code_is_answered_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    let pictures = Pictures::new();
    let code = server.device_code("openid offline_access").await;
    let browser = Browser::start(server.app.authority().root_pem()).await;
    browser.open(&server.at(&format!("/device?code={}", code.user_code))).await;
    browser.until_it_says("asks to sign in as you").await;
    assert_eq!(browser.script("return document.scripts.length").await, 0);
    look(&browser, &pictures, "device-code").await;
    let first = &server.administrator;
    browser.fill("#u", &first.user_name).await;
    browser.fill("#p", &first.one_time_secret).await;
    browser.click("button[value=agree]").await;
    browser.one("#n").await;
    // The answer has the status of a form that is not complete, and the browser notes it.
    browser.complaints().await;
    look(&browser, &pictures, "device-code-password").await;
    browser.fill("#p", &first.one_time_secret).await;
    browser.fill("#n", PASSWORD).await;
    browser.fill("#m", PASSWORD).await;
    browser.click("button.main").await;
    browser.until_it_says("Signed in.").await;
    look(&browser, &pictures, "device-code-done").await;
    server.redeem(&code).await;
    browser.quit().await;
    server.stop().await;
}

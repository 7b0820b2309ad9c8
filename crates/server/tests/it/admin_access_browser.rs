//! Access, channels, escrow and the export of the log in a real browser; the clipboard that forgets a password.

use crate::admin_browser::{Pictures, is_sound, person, sign_in_first, sign_out};
use crate::harness::{PASSWORD, TestServer};
use proto::admin::{CreatedUser, ReadingRule};
use serde_json::json;
use server::authz::{Caller, Job};
use testkit::browser::{self, Browser};

async fn sign_in(browser: &Browser, server: &TestServer, user: &CreatedUser) {
    browser.open(&server.at("/admin/sign-in")).await;
    browser.fill("#user_name", &user.user_name).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button.main").await;
    browser.one(".side nav").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_asks_and_another_approves_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED a_reader_asks_and_another_approves_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    let pictures = Pictures::new();
    server.switch_on().await;
    let device = server.device("berlin-pc-17").await;
    device.rotate(1, "tR7%kq2Wm-9sLx4BzP0e").await;
    let system = Caller::system(Job::Init);
    let rule = ReadingRule {
        ticket_pattern: Some("INC#######".into()),
        approvals: 1,
        rotate_after_minutes: Some(60),
        ..ReadingRule::default()
    };
    server.app.set_reading_rule(&system, "all", &rule).await.unwrap();
    let place = server.at(&format!("/admin/devices/{}", device.id()));
    let browser = Browser::start(server.app.authority().root_pem()).await;
    let ada = person(&server, "ada", "Cloud Device Administrator").await;
    sign_in_first(&browser, &server, &ada, None).await;

    browser.open(&place).await;
    browser.until_it_says("Ask for access").await;
    browser.script("for (const one of document.querySelectorAll('.panel-form details')) one.open = true").await;
    pictures.take(&browser, "access-ask").await;
    is_sound(&browser).await;
    browser.fill("#reason", "Disk is full, nobody can sign in").await;
    browser.fill("#ticket", "INC12").await;
    browser.click("#password-panel button.big").await;
    browser.until_it_says("The ticket does not look as it must: INC#######.").await;
    pictures.take(&browser, "access-ask-again").await;
    // The answer has the status of a form that is not complete, and the browser notes it.
    browser.complaints().await;
    is_sound(&browser).await;
    browser.script("document.querySelector('#ticket').value = ''").await;
    browser.fill("#ticket", "INC0012345").await;
    browser.click("#password-panel button.big").await;
    browser.until_it_says("You asked for access.").await;
    pictures.take(&browser, "access-waits").await;
    is_sound(&browser).await;
    sign_out(&browser).await;

    sign_in_first(&browser, &server, &server.administrator, None).await;
    browser.one(".side .count").await;
    browser.click(".side a[href='/admin/access']").await;
    browser.until_it_says("Waiting for you").await;
    browser.script("for (const one of document.querySelectorAll('details')) one.open = true").await;
    pictures.take(&browser, "access").await;
    is_sound(&browser).await;
    browser.click("form[action$='/approve'] button").await;
    browser.until_it_says("You approved the request.").await;
    pictures.take(&browser, "access-approved").await;
    is_sound(&browser).await;
    for (path, name) in [
        ("access/all", "access-all"),
        ("access/rules", "reading-rules"),
        ("access/rule?group=all", "reading-rule"),
        ("settings/channels", "channels-none"),
        ("settings/escrow", "escrow"),
        ("audit/proof", "audit-proof"),
    ] {
        browser.open(&server.at(&format!("/admin/{path}"))).await;
        pictures.take(&browser, name).await;
        is_sound(&browser).await;
    }
    browser.click("form[action='/admin/audit/proof'] button").await;
    browser.until_it_says("Nothing was changed.").await;
    // A channel that cannot be reached, and one that nobody was told by yet.
    browser.open(&server.at("/admin/settings/channels")).await;
    browser.fill("#w-name", "On-call hook").await;
    browser.fill("#w-url", "https://127.0.0.1:9/hook").await;
    browser.click("form:has(#w-name) button.main").await;
    browser.until_it_says("It is shown this once.").await;
    is_sound(&browser).await;
    pictures.take(&browser, "channel-key").await;
    browser.open(&server.at("/admin/settings/channels")).await;
    browser.click("form[action$='/channels/test'] button").await;
    browser.until_it_says("took nothing").await;
    browser.script("for (const one of document.querySelectorAll('details')) one.open = true").await;
    pictures.take(&browser, "channels").await;
    browser.complaints().await;
    is_sound(&browser).await;
    sign_out(&browser).await;

    // The approved read, in place; then the clipboard forgets the password by itself.
    sign_in(&browser, &server, &ada).await;
    browser.open(&place).await;
    browser.until_it_says("Access was approved").await;
    pictures.take(&browser, "access-granted").await;
    is_sound(&browser).await;
    browser.click("#password-panel button.big").await;
    browser.one("[data-secret]").await;
    browser.until_it_says("It was read: the password changes").await;
    pictures.take(&browser, "access-read").await;
    is_sound(&browser).await;
    browser.quit().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clipboard_forgets_a_password() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED the_clipboard_forgets_a_password: {reason}");
        return;
    }
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("berlin-pc-17").await;
    device.rotate(1, "tR7%kq2Wm-9sLx4BzP0e").await;
    let browser = Browser::start(server.app.authority().root_pem()).await;
    sign_in_first(&browser, &server, &server.administrator, None).await;
    let permissions = json!({
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
        "origin": server.at("/").trim_end_matches('/'),
    });
    browser.devtools("Browser.grantPermissions", permissions).await;
    browser.open(&server.at(&format!("/admin/devices/{}", device.id()))).await;
    // The seconds of the page pass when the test says so.
    browser
        .script("window.setInterval = act => { window.second = act; return 1; }; window.clearInterval = () => { window.second = null; };")
        .await;
    browser.click("#password-panel button.big").await;
    browser.one("[data-secret]").await;
    browser.click("[data-copy]").await;
    browser.until_it_says("The clipboard is cleared in 30 s.").await;
    let held = "return navigator.clipboard.readText()";
    assert_eq!(browser.script(held).await, "tR7%kq2Wm-9sLx4BzP0e");
    let pass = |seconds: u8| {
        format!("return (async () => {{ for (let n = 0; n < {seconds}; n += 1) await window.second(); }})()")
    };
    browser.script(&pass(29)).await;
    browser.until_it_says("The clipboard is cleared in 1 s.").await;
    assert_eq!(browser.script(held).await, "tR7%kq2Wm-9sLx4BzP0e", "still there");
    browser.script(&pass(1)).await;
    browser.until_it_says("The clipboard is cleared.").await;
    assert_eq!(browser.script(held).await, "");
    assert_eq!(browser.script("return window.second").await, json!(null), "the clock has stopped");
    browser.quit().await;
    server.stop().await;
}

//! The admin centre in a real browser, over https with the server's own CA trusted. Pictures of the pages go to the
//! folder that `LAPWING_SCREENSHOTS` names, else into a directory of this run.

use crate::harness::{PASSWORD, TestServer};
use proto::admin::{CreatedUser, NewUser, PolicyImport};
use serde_json::json;
use server::authz::{Caller, Job};
use std::path::PathBuf;
use testkit::browser::{self, Browser};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// Texts that have less contrast than WCAG 2.2 AA asks for (1.4.3), as they are drawn.
const FAINT: &str = "
    const channels = text => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
      .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = one => {
      for (; one; one = one.parentElement) {
        const [r, g, b, a = 1] = channels(getComputedStyle(one).backgroundColor);
        if (a === 1) return [r, g, b];
      }
      return [255, 255, 255];
    };
    const bad = [];
    for (const one of document.body.querySelectorAll('*')) {
      const own = [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
      const style = getComputedStyle(one);
      if (!own || !one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || one.closest('[aria-hidden=true], svg, [disabled]')) continue;
      const [front, back] = [light(channels(style.color)), light(behind(one))];
      const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
      const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
      if (ratio < (large ? 3 : 4.5)) bad.push(ratio.toFixed(2) + ' ' + one.outerHTML.slice(0, 120));
    }
    return bad.join('\\n');";

/// Where pictures go.
pub(crate) struct Pictures {
    folder: PathBuf,
    _own: Option<tempfile::TempDir>,
}

impl Pictures {
    pub(crate) fn new() -> Self {
        match std::env::var_os("LAPWING_SCREENSHOTS") {
            Some(folder) => {
                std::fs::create_dir_all(&folder).unwrap();
                Self { folder: folder.into(), _own: None }
            }
            None => {
                let own = tempfile::tempdir().unwrap();
                Self { folder: own.path().to_owned(), _own: Some(own) }
            }
        }
    }
    /// The page on a desk in light and in dark, and on a phone.
    pub(crate) async fn take(&self, browser: &Browser, name: &str) {
        for (kind, dark, width, height) in
            [("light", false, 1280, 900), ("dark", true, 1280, 900), ("phone", false, 390, 844)]
        {
            browser.looks(dark, width, height).await;
            let wide = browser.script("return document.documentElement.scrollWidth - innerWidth").await;
            assert!(wide.as_i64().unwrap() <= 0, "{name} {kind} is {wide} px wider than the window");
            assert_eq!(browser.script(FAINT).await, "", "{name} {kind}");
            browser.picture(&self.folder.join(format!("{name}-{kind}.png"))).await;
        }
        browser.looks(false, 1280, 900).await;
    }
}

/// What holds on every page: names for all fields and buttons, one first heading, a language, nothing blocked.
pub(crate) async fn is_sound(browser: &Browser) {
    let found = browser
        .script(
            "const bad = [];
             for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
               if (!(field.labels && field.labels.length) && !field.ariaLabel) bad.push('no label: ' + field.outerHTML);
             for (const act of document.querySelectorAll('button, a[href], summary'))
               if (!act.textContent.trim() && !act.ariaLabel) bad.push('no name: ' + act.outerHTML);
             for (const picture of document.querySelectorAll('img'))
               if (!picture.hasAttribute('alt')) bad.push('no alt: ' + picture.outerHTML);
             if (document.querySelectorAll('h1').length !== 1) bad.push('first headings: ' + document.querySelectorAll('h1').length);
             if (!document.documentElement.lang) bad.push('no language');
             const ids = [...document.querySelectorAll('[id]')].map(one => one.id);
             for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) bad.push('twice: ' + id);
             for (const one of document.querySelectorAll('[aria-labelledby], [aria-describedby]'))
               for (const id of ((one.getAttribute('aria-labelledby') || '') + ' ' + (one.getAttribute('aria-describedby') || '')).trim().split(' '))
                 if (!document.getElementById(id)) bad.push('names nothing: ' + id);
             const foreign = performance.getEntriesByType('resource').map(one => one.name).filter(name => !name.startsWith(location.origin));
             for (const name of foreign) bad.push('loaded from elsewhere: ' + name);
             return bad.join('\\n');",
        )
        .await;
    assert_eq!(found, "", "at {}", browser.url().await);
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "at {}", browser.url().await);
}

pub(crate) async fn person(server: &TestServer, name: &str, role: &str) -> CreatedUser {
    let new = NewUser { user_name: name.into(), display_name: None, role: Some(role.into()), group: None };
    server.app.create_user(&Caller::system(Job::Init), &new).await.unwrap()
}

/// The first sign-in, by the forms.
pub(crate) async fn sign_in_first(
    browser: &Browser,
    server: &TestServer,
    user: &CreatedUser,
    pictures: Option<&Pictures>,
) {
    browser.open(&server.at("/admin")).await;
    if let Some(pictures) = pictures {
        pictures.take(browser, "sign-in").await;
        is_sound(browser).await;
    }
    browser.fill("#user_name", &user.user_name).await;
    browser.fill("#password", &user.one_time_secret).await;
    browser.click("button.main").await;
    browser.one("#new_password").await;
    // The answer has the status of a form that is not complete, and the browser notes it.
    browser.complaints().await;
    if let Some(pictures) = pictures {
        pictures.take(browser, "first-sign-in").await;
        is_sound(browser).await;
    }
    browser.fill("#password", &user.one_time_secret).await;
    browser.fill("#new_password", PASSWORD).await;
    browser.fill("#new_password_again", PASSWORD).await;
    browser.click("button.main").await;
    browser.one(".side nav").await;
}

pub(crate) async fn sign_out(browser: &Browser) {
    browser.click(".person button").await;
    browser.until_it_says("You are signed out.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_does_the_main_job_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED a_person_does_the_main_job_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    let pictures = Pictures::new();
    server.switch_on().await;
    let policy = json!({"BackupDirectory": 1, "PasswordComplexity": 4, "PasswordLength": 20, "PasswordAgeDays": 30});
    let import = PolicyImport { name: "Workstations".into(), settings: policy.as_object().unwrap().clone() };
    let system = Caller::system(Job::Init);
    server.app.import_policy(&system, &import).await.unwrap();
    server.app.assign_policy(&system, "Workstations", &proto::admin::Assign::to("all"), true).await.unwrap();
    let device = server.device("berlin-pc-17").await;
    device.report(None).await;
    device.rotate(1, "tR7%kq2Wm-9sLx4BzP0e").await;
    let bare = server.device("berlin-pc-18").await;
    bare.report(None).await;
    for n in 0..14 {
        let more = server.device(&format!("munich-lab-{n:02}")).await;
        if n % 3 != 0 {
            more.rotate(10 + n, "another password").await;
        }
    }
    server.device("<b>\u{202e}exe.bold</b>").await;

    let browser = Browser::start(server.app.authority().root_pem()).await;
    sign_in_first(&browser, &server, &server.administrator, Some(&pictures)).await;

    // Find it.
    browser.open(&server.at("/admin/devices")).await;
    pictures.take(&browser, "devices").await;
    is_sound(&browser).await;
    assert_eq!(browser.script("return document.querySelectorAll('b').length").await, 0, "markup in a name is text");
    browser.fill("#search", "berlin").await;
    browser.click(".filters button").await;
    browser.until_it_says("berlin-pc-18").await;
    assert!(!browser.says().await.contains("munich"));
    let link = format!("a[href='/admin/devices/{}']", device.id());
    browser.click(&link).await;

    // By the keyboard alone: the first stop leads past the navigation, and the password is shown by Enter.
    browser.until_it_says("Show password").await;
    pictures.take(&browser, "device").await;
    is_sound(&browser).await;
    browser.press(TAB).await;
    assert_eq!(browser.script("return document.activeElement.className").await, "skip");
    browser.press(ENTER).await;
    for _ in 0..20 {
        if browser.script("return document.activeElement.textContent").await == "Show password" {
            break;
        }
        browser.press(TAB).await;
    }
    assert!(!browser.script("return document.documentElement.outerHTML").await.as_str().unwrap().contains("tR7"));
    browser.press(ENTER).await;
    let secret = browser.one("[data-secret]").await;
    assert_eq!(browser.text(&secret).await.split_whitespace().collect::<String>(), "tR7%kq2Wm-9sLx4BzP0e");
    assert_eq!(browser.script("return document.activeElement.hasAttribute('data-secret')").await, true);
    assert!(
        browser.url().await.contains(&device.id()) && !browser.url().await.contains("tR7"),
        "in place, in no address"
    );
    pictures.take(&browser, "password").await;
    is_sound(&browser).await;
    browser.script("document.querySelectorAll('.secret details').forEach(one => one.open = true)").await;
    pictures.take(&browser, "password-spelt").await;

    // Rotate, and watch it become proven: nobody reloads the page.
    browser.script("for (const one of document.querySelectorAll('.acts form')) if (one.action.endsWith('/rotate')) one.id = 'rotate'").await;
    browser.click("#rotate button").await;
    browser.until_it_says("New password stored").await;
    assert_eq!(browser.all(".steps .done").await.len(), 1);
    pictures.take(&browser, "rotation").await;
    assert_eq!(device.store(2, "Zm4&hT8q-bN3xKd6vY1w").await.status(), 200);
    browser.one(".steps .done + .done").await;
    assert_eq!(device.prove(2).await.status(), 200);
    browser.one(".steps .done + .done + .done").await;
    pictures.take(&browser, "rotation-proven").await;
    is_sound(&browser).await;

    for (part, name) in [("history", "history"), ("policy", "policy"), ("events", "events"), ("explain", "explain")] {
        browser.open(&server.at(&format!("/admin/devices/{}/{part}", device.id()))).await;
        pictures.take(&browser, &format!("device-{name}")).await;
        is_sound(&browser).await;
    }

    // The record of the read is there.
    browser.open(&server.at("/admin/audit")).await;
    browser.until_it_says("Recover device local administrator password").await;
    pictures.take(&browser, "audit").await;
    is_sound(&browser).await;
    for (place, name) in [
        ("coverage", "coverage"),
        ("coverage/devices?code=lacking", "coverage-lacking"),
        ("rotations", "rotations"),
        ("policies", "policies"),
        ("policies/new", "policy-form"),
        ("people", "people"),
        ("settings", "settings"),
    ] {
        browser.open(&server.at(&format!("/admin/{place}"))).await;
        pictures.take(&browser, name).await;
        is_sound(&browser).await;
    }
    browser.open(&server.at("/admin/policies")).await;
    browser.click(".list a").await;
    browser.until_it_says("Assigned to").await;
    pictures.take(&browser, "policy").await;
    is_sound(&browser).await;

    // Why is it missing?
    browser.open(&server.at(&format!("/admin/devices/{}", bare.id()))).await;
    browser.until_it_says("No password is stored").await;
    browser.click("#password-panel a.button").await;
    browser.until_it_says("What to do:").await;
    pictures.take(&browser, "explain-missing").await;
    is_sound(&browser).await;
    sign_out(&browser).await;

    // The help desk sees that there is one, and is refused.
    let help = person(&server, "help", "Helpdesk Administrator").await;
    sign_in_first(&browser, &server, &help, None).await;
    browser.open(&server.at(&format!("/admin/devices/{}", device.id()))).await;
    browser.until_it_says("Your roles let you see that, not read it").await;
    assert!(browser.all("#password-panel form").await.is_empty());
    pictures.take(&browser, "help-desk").await;
    is_sound(&browser).await;
    browser.script(
        "const form = document.createElement('form'); form.method = 'post'; form.action = location.pathname + '/password';
         form.append(document.querySelector('[name=form_token]').cloneNode()); document.body.append(form); form.submit()",
    ).await;
    browser.until_it_says("Not allowed").await;
    browser.until_it_says("role_missing").await;
    pictures.take(&browser, "refused").await;
    browser.quit().await;
    server.stop().await;
}

/// With the browser's own virtual authenticator: the key is made on the account's page, and opens the door alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED a_passkey_signs_in_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    let pictures = Pictures::new();
    let browser = Browser::start(server.app.authority().root_pem()).await;
    browser.add_authenticator().await;
    sign_in_first(&browser, &server, &server.administrator, None).await;
    browser.click(".person a").await;
    browser.until_it_says("A passkey signs you in without a password").await;
    is_sound(&browser).await;
    browser.fill("#passkey_name", "Desk key").await;
    browser.click("[data-passkey-register] button").await;
    browser.one("[aria-label='Remove the passkey Desk key']").await;
    pictures.take(&browser, "account").await;
    is_sound(&browser).await;
    sign_out(&browser).await;

    browser.open(&server.at("/admin/sign-in?next=%2Fadmin%2Fdevices")).await;
    pictures.take(&browser, "sign-in-passkey").await;
    is_sound(&browser).await;
    browser.fill("#user_name", &server.administrator.user_name).await;
    browser.click("[data-passkey-sign-in]").await;
    browser.one(".side nav").await;
    assert!(browser.url().await.ends_with("/admin/devices"), "{}", browser.url().await);

    // Without the key's consent nobody comes in, and the page says so.
    sign_out(&browser).await;
    browser.open(&server.at("/admin/sign-in")).await;
    browser.fill("#user_name", "nobody-here").await;
    browser.click("[data-passkey-sign-in]").await;
    browser.until_it_says("That did not work.").await;
    assert!(browser.all(".side nav").await.is_empty());
    browser.quit().await;
    server.stop().await;
}

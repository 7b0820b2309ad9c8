//! The pages of policies: history, comparison, the way back, preview, exclusions, conflicts, rings, documents.

use crate::admin::{Browser, Page, between, person};
use crate::harness::{TestDevice, TestServer};
use crate::policies::told;
use laps::csp::{HResult, Options, Rights, Tree, Volatile};
use proto::admin::{Assign, NewGroup, PolicyImport};
use proto::dm::client::{ClientSession, DeviceInfo, Opening, Step};
use proto::dm::dispatch::Dispatcher;
use proto::dm::session::SessionLimits;
use proto::dm::{Limits, Mode, read, write};
use serde_json::{Value, json};
use server::authz::{Caller, Job};

/// A machine's tree; with `data_bytes_max` it takes no longer value.
pub(crate) fn tree(data_bytes_max: usize) -> Tree {
    Tree::load(Options { data_bytes_max, ..Options::default() }, Default::default(), HResult::OK)
}

/// A session of the management protocol, over TLS with the device's certificate.
pub(crate) async fn check_in(device: &TestDevice<'_>, tree: &mut Tree) {
    let now = device.server.app.now();
    let opening = Opening {
        device_uri: device.id(),
        server_uri: device.server.at("/mdm"),
        session_id: "1".into(),
        is_server_initiated: false,
        login: "none",
        info: DeviceInfo {
            device_id: device.id(),
            manufacturer: "Example Co".into(),
            model: "Model 1".into(),
            client_version: "1".into(),
            language: "en-US".into(),
        },
        events: Vec::new(),
    };
    let (mut session, mut message) = ClientSession::open(opening, SessionLimits::default(), now);
    loop {
        let request =
            device.http.post(device.server.at("/mdm")).header("content-type", "application/vnd.syncml.dm+xml");
        let answer = request.body(write(&message)).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let answer = answer.bytes().await.unwrap();
        let answer = read(&answer, Mode::Wire, &Limits::default()).unwrap();
        let mut storage = Volatile;
        let mut dispatcher = Dispatcher::new(tree, &mut storage, Rights::ALL);
        match session.receive(answer, now, &mut dispatcher).unwrap() {
            Step::Send(next) => message = *next,
            Step::End { is_aborted } => {
                assert!(!is_aborted);
                return;
            }
        }
    }
}

/// Makes a policy, or its next version; answers its page.
async fn policy(server: &TestServer, name: &str, settings: Value) -> String {
    let import = PolicyImport { name: name.into(), settings: settings.as_object().unwrap().clone() };
    let policy = server.app.import_policy(&Caller::system(Job::Init), &import).await.unwrap();
    format!("/admin/policies/{}", policy.id)
}

async fn group(server: &TestServer, name: &str) {
    let new = NewGroup { name: name.into(), filter: None };
    server.app.create_group(&Caller::system(Job::Init), &new).await.unwrap();
}

/// The page that a form leads to.
async fn done(browser: &Browser<'_>, page: Page) -> Page {
    assert_eq!(page.status, 303, "{}", page.text);
    browser.get(&page.location).await
}

#[tokio::test]
async fn the_history_says_who_changed_what_and_leads_back() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let place = policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 14})).await;
    let token = browser.get(&place).await.form_token();
    let version = between(&browser.get(&format!("{place}/edit")).await.text, "name=\"version\" value=\"", "\"")
        .unwrap()
        .to_owned();
    let edit = [
        ("form_token", token.as_str()),
        ("id", place.rsplit('/').next().unwrap()),
        ("version", &version),
        ("name", "Base"),
        ("s.BackupDirectory", "1"),
        ("s.PasswordLength", "20"),
        ("s.PasswordAgeDays", "7"),
    ];
    assert!(done(&browser, browser.send("/admin/policies", &edit).await).await.text.contains("The policy was saved"));

    // The same form again was made from version 1: nothing is lost and nothing is overwritten.
    let stale = browser.send("/admin/policies", &edit).await;
    assert_eq!(stale.status, 412);
    assert!(
        stale.text.contains("Somebody else saved version 2") && stale.text.contains("value=\"20\""),
        "{}",
        stale.text
    );
    assert!(stale.text.contains("name=\"version\" value=\"2\""), "saving again puts it on top");

    let history = browser.get(&format!("{place}/history")).await;
    assert_eq!(history.status, 200, "{}", history.text);
    let newest = between(&history.text, "Version 2<span", "</tr>").unwrap();
    assert!(newest.contains("<bdi>admin</bdi>"), "who: {newest}");
    assert!(newest.contains("<del><bdi>14</bdi>") && newest.contains("<ins><bdi>20</bdi>"), "{newest}");
    assert!(newest.contains("PasswordAgeDays") && !newest.contains("Go back to version 2"), "{newest}");
    let compared = browser.get(&format!("{place}/history?from=2&to=1")).await;
    let difference = between(&compared.text, "From version 2 to version 1", "</section>").unwrap();
    assert!(difference.contains("<del><bdi>20</bdi>") && difference.contains("<ins><bdi>14</bdi>"), "{difference}");
    for (query, status) in [("from=1&to=9", 404), ("from=x&to=1", 400), ("before=-1", 400)] {
        assert_eq!(browser.get(&format!("{place}/history?{query}")).await.status, status, "{query}");
    }

    let back = browser.send(&format!("{place}/roll-back"), &[("form_token", &token), ("version", "1")]).await;
    let back = done(&browser, back).await;
    assert!(back.text.contains("The values of that version are back"), "{}", back.text);
    let newest = between(&back.text, "Version 3<span", "</tr>").unwrap();
    assert!(newest.contains("<del><bdi>20</bdi>") && newest.contains("<ins><bdi>14</bdi>"), "{newest}");
    let none = browser.send(&format!("{place}/roll-back"), &[("form_token", &token), ("version", "77")]).await;
    assert_eq!((none.status.as_u16(), none.code()), (404, "policy_version_unknown"));

    // Many versions are paged.
    for n in 0..26 {
        policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 20 + n})).await;
    }
    let first = browser.get(&format!("{place}/history")).await;
    assert!(first.text.contains("history?before=5\"") && !first.text.contains("id=\"v4\""), "{}", first.text.len());
    let second = browser.get(&format!("{place}/history?before=5")).await;
    assert!(second.text.contains("Its first settings") && !second.text.contains("rel=\"next\""));
    server.stop().await;
}

#[tokio::test]
async fn a_preview_shows_who_would_refuse_before_anything_is_saved() {
    let server = TestServer::start().await;
    let (strict, easy) = (server.device("strict <b>").await, server.device("easy").await);
    assert_eq!(strict.report_told(told(16, &["root"])).await.status(), 200);
    assert_eq!(easy.report_told(told(8, &["root"])).await.status(), 200);
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/policies/new").await.form_token();
    let typed = [
        ("form_token", token.as_str()),
        ("name", "Base"),
        ("s.BackupDirectory", "1"),
        ("s.PasswordLength", "14"),
        ("preview_group", "all"),
    ];
    let seen = browser.send("/admin/policies/preview", &typed).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert!(seen.text.contains("1 device would refuse: minimum length 16"), "{}", seen.text);
    assert!(
        seen.text.contains("<bdi>strict &#60;b&#62;</bdi>") && seen.text.contains("Raise PasswordLength"),
        "{}",
        seen.text
    );
    assert!(
        seen.text.contains("2 devices were looked at") && seen.text.contains("value=\"14\""),
        "what was typed is kept"
    );
    assert!(browser.get("/admin/policies").await.text.contains("No policies yet"), "nothing was saved");
    let wrong = [typed[0], typed[1], ("s.PasswordLength", "3")];
    let refused = browser.send("/admin/policies/preview", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("value=\"3\"") && refused.text.contains("role=\"alert\""));

    let place = policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 14})).await;
    policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 20})).await;
    let taken = browser.send("/admin/policies", &typed).await;
    assert_eq!(taken.status, 409);
    assert!(
        taken.text.contains("There is a policy of this name") || taken.text.contains("there is a policy of this name")
    );
    let nobody = browser.get(&format!("{place}/preview")).await;
    assert!(nobody.text.contains("assigned to no group yet"), "{}", nobody.text);
    let all = browser.get(&format!("{place}/preview?group=all")).await;
    assert!(all.text.contains("No device would refuse it"), "{}", all.text);
    let former = browser.get(&format!("{place}/preview?group=all&version=1")).await;
    assert!(former.text.contains("1 device would refuse: minimum length 16"));
    assert!(former.text.contains("Go back to version 1") && !all.text.contains("Go back"), "{}", former.text);
    for (query, status) in [("version=99", 404), ("version=x", 400), ("group=nowhere", 404)] {
        assert_eq!(browser.get(&format!("{place}/preview?{query}")).await.status, status, "{query}");
    }
    server.stop().await;
}

#[tokio::test]
async fn groups_are_left_out_and_conflicts_are_shown() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let system = Caller::system(Job::Init);
    let device = server.device("kiosk-1").await;
    group(&server, "Kiosks").await;
    server.app.set_member(&system, "Kiosks", device.joined.device, true).await.unwrap();
    let base = policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 14})).await;
    let other = policy(&server, "Other", json!({"PasswordLength": 30})).await;
    for name in ["Base", "Other"] {
        server.app.assign_policy(&system, name, &Assign::to("all"), true).await.unwrap();
    }
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get(&base).await.form_token();
    assert!(!browser.get("/admin/policies").await.text.contains("held:"));
    // The device asks for its policy, and nothing is sent.
    check_in(&device, &mut tree(65_536)).await;
    assert!(browser.get("/admin/policies").await.text.contains("1 device is held: policies contradict each other"));
    for place in ["/admin/policies/conflicts", &base, &other] {
        let page = browser.get(place).await;
        assert!(
            page.text.contains("<bdi>kiosk-1</bdi>") && page.text.contains("<code>PasswordLength</code>"),
            "{place}"
        );
        assert!(page.text.contains("<bdi>Base</bdi></a> says <strong><bdi>14</bdi>"), "{place}: {}", page.text);
        assert!(page.text.contains("<bdi>Other</bdi></a> says <strong><bdi>30</bdi>"), "{place}: {}", page.text);
    }
    let kiosks = [("form_token", token.as_str()), ("group", "Kiosks")];
    let out = done(&browser, browser.send(&format!("{other}/exclude"), &kiosks).await).await;
    assert!(
        out.text.contains("The group is left out") && out.text.contains("Leave Kiosks out no more"),
        "{}",
        out.text
    );
    check_in(&device, &mut tree(65_536)).await;
    assert!(browser.get("/admin/policies/conflicts").await.text.contains("No device is held"));
    let back = done(&browser, browser.send(&format!("{other}/include"), &kiosks).await).await;
    assert!(back.text.contains("not left out any more") && !back.text.contains("Leave Kiosks out no more"));

    // What is refused is said on the page.
    let refused = browser.send(&format!("{other}/exclude"), &[kiosks[0], ("group", "all")]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("all devices cannot be left out"), "{}", refused.text);
    server.stop().await;
}

#[tokio::test]
async fn an_assignment_that_locks_somebody_out_is_confirmed_on_the_page() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    assert_eq!(device.report_told(told(8, &["root"])).await.status(), 200);
    // The only administrator becomes the managed account, and that is kept disabled.
    let settings = json!({"BackupDirectory": 1, "AutomaticAccountManagementEnabled": true, "PasswordLength": 20,
        "AutomaticAccountManagementTarget": 0, "AutomaticAccountManagementEnableAccount": false});
    let place = policy(&server, "Base", settings).await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get(&place).await.form_token();
    let all = [("form_token", token.as_str()), ("group", "all"), ("confirmed", "yes")];
    let first = browser.send(&format!("{place}/assign"), &all[..2]).await;
    assert_eq!(first.status, 409);
    assert!(first.text.contains("role=\"alert\"") && first.text.contains("on 1 devices (pc-1)"), "{}", first.text);
    assert!(first.text.contains("value=\"all\" selected") && first.text.contains("No group yet"), "nothing was done");
    assert_eq!(browser.send(&format!("{place}/assign"), &all).await.status, 303);
    server.stop().await;
}

#[tokio::test]
async fn rings_are_set_by_their_form_and_a_roll_out_is_decided_on() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let system = Caller::system(Job::Init);
    let (pilot, rest) = (server.device("pilot-1").await, server.device("office-1").await);
    group(&server, "Pilot").await;
    server.app.set_member(&system, "Pilot", pilot.joined.device, true).await.unwrap();
    let place = policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 14})).await;
    server.app.assign_policy(&system, "Base", &Assign::to("all"), true).await.unwrap();
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let (rings, way) = (format!("{place}/rings"), format!("{place}/rollout"));
    let empty = browser.get(&way).await;
    assert!(empty.text.contains("reaches all devices at once") && empty.text.contains("name=\"r0.percent\""));
    let token = empty.form_token();
    let typed = [
        ("form_token", token.as_str()),
        ("r0.group", "Pilot"),
        ("r0.percent", ""),
        ("r0.soak", "24"),
        ("r0.limit", "0"),
        ("r0.unit", "devices"),
        ("r1.percent", "50"),
        ("r1.soak", "48"),
        ("r1.limit", "5"),
        ("r1.unit", "percent"),
    ];
    let with = |more: (&'static str, &'static str)| {
        let mut all = typed.to_vec();
        all.push(more);
        all
    };
    // One more and one less: nothing is saved, what was typed stays.
    let more = browser.send(&rings, &with(("add", "yes"))).await;
    assert!(more.status == 200 && more.text.contains("name=\"r2.percent\"") && more.text.contains("value=\"50\""));
    assert!(more.text.contains("value=\"Pilot\" checked"), "{}", more.text);
    let less = browser.send(&rings, &with(("drop", "0"))).await;
    assert!(!less.text.contains("name=\"r1.percent\"") && less.text.contains("value=\"50\""), "{}", less.text);
    assert!(browser.get(&way).await.text.contains("reaches all devices at once"));
    for (wrong, said) in [
        (("r2.percent", "10"), "larger than that of the rings before"),
        (("r0.percent", "5"), "either a share in percent or groups"),
        (("r1.soak", "soon"), "a number of hours"),
        (("r1.group", "no such group"), "no such group"),
    ] {
        let mut fields: Vec<(&str, &str)> = typed.into_iter().filter(|(name, _)| *name != wrong.0).collect();
        fields.push(wrong);
        if wrong.0 == "r1.group" {
            fields.retain(|(name, _)| *name != "r1.percent");
        }
        let refused = browser.send(&rings, &fields).await;
        assert_eq!(refused.status, if wrong.0 == "r1.group" { 404 } else { 422 }, "{wrong:?}");
        assert!(refused.text.contains("value=\"Pilot\" checked"), "what was typed is kept");
        assert!(refused.text.contains(said), "{wrong:?}: {}", refused.text);
    }
    let saved = done(&browser, browser.send(&rings, &typed).await).await;
    assert!(saved.text.contains("The rings were saved") && saved.text.contains("goes from ring to ring"));

    // The next version begins in the first ring.
    policy(&server, "Base", json!({"BackupDirectory": 1, "PasswordLength": 20})).await;
    let mut of_pilot = tree(65_536);
    check_in(&pilot, &mut of_pilot).await;
    check_in(&rest, &mut tree(65_536)).await;
    let begun = browser.get(&way).await;
    assert!(
        begun.text.contains("Version 2 after version 1") && begun.text.contains(">On its way</span>"),
        "{}",
        begun.text
    );
    assert!(begun.text.contains("Ring 1 of 2 is reached") && begun.text.contains(">Here now</span>"), "{}", begun.text);
    let first = between(&begun.text, "Ring 1<span", "</tr>").unwrap();
    for (name, count) in [("Devices", 1), ("Took it", 1), ("Failed", 0)] {
        assert!(first.contains(&format!("data-label=\"{name}\">{count}<")), "{first}");
    }
    let busy = browser.get(&format!("{place}/edit")).await;
    let edit = [
        ("form_token", token.as_str()),
        ("id", place.rsplit('/').next().unwrap()),
        ("version", between(&busy.text, "name=\"version\" value=\"", "\"").unwrap()),
        ("name", "Base"),
        ("s.BackupDirectory", "1"),
        ("s.PasswordLength", "30"),
    ];
    let refused = browser.send("/admin/policies", &edit).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text.contains("still on its way by rings") && refused.text.contains("value=\"30\""));

    let decide =
        async |act: &str| done(&browser, browser.send(&way, &[("form_token", &token), ("act", act)]).await).await;
    let halted = decide("halt").await;
    assert!(
        halted.text.contains(">Halted</span>") && halted.text.contains("admin halted it in ring 1"),
        "{}",
        halted.text
    );
    let list = browser.get("/admin/policies").await;
    assert!(list.text.contains("Halted: the rings of Base"), "{}", list.text);
    let again = browser.send(&way, &[("form_token", &token), ("act", "halt")]).await;
    assert_eq!(again.status, 409);
    assert!(again.text.contains("not in a state for this"), "{}", again.text);
    assert_eq!(browser.send(&way, &[("form_token", &token), ("act", "sideways")]).await.status, 422);
    assert!(decide("resume").await.text.contains(">On its way</span>"));
    let complete = decide("complete").await;
    assert!(complete.text.contains("admin gave it to every device") && !complete.text.contains("Roll back…"));
    let cleared = done(&browser, browser.send(&rings, &[("form_token", &token), ("clear", "yes")]).await).await;
    assert!(cleared.text.contains("reaches all devices at once"));

    // Who may only look sees it without the forms.
    let reader = person(&server, "reader", "Helpdesk Administrator", None).await;
    let reader = Browser::sign_in_first(&server, &reader).await;
    let page = reader.get(&way).await;
    assert!(page.status == 200 && !page.text.contains("name=\"r0.percent\"") && !page.text.contains("name=\"act\""));
    server.stop().await;
}

#[tokio::test]
async fn documents_are_read_into_the_form_and_written_out_again() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/policies/import").await.form_token();
    let send = async |document: &str, policy: &str| {
        let fields =
            [("form_token", token.as_str()), ("name", "Lab & more"), ("policy", policy), ("document", document)];
        browser.send("/admin/policies/import", &fields).await
    };
    for (wrong, said) in [
        ("", "SyncML"),
        ("neither <this> nor that", "SyncML"),
        (r#"{"PasswordLength": 3, "Colour": "red"}"#, "PasswordLength"),
        ("<SyncML><SyncBody>", "SyncML"),
        (r#"{"PasswordLength": }"#, "JSON"),
    ] {
        let refused = send(wrong, "").await;
        assert_eq!(refused.status, 422, "{wrong}");
        assert!(refused.text.contains("role=\"alert\"") && refused.text.contains(said), "{wrong}: {}", refused.text);
    }
    let refused = send(r#"{"PasswordLength": 3, "Colour": "red"}"#, "").await;
    assert!(refused.text.contains("Colour") && refused.text.contains("&#34;PasswordLength&#34;: 3"), "it is kept");
    assert!(refused.text.contains("value=\"Lab &#38; more\""), "{}", refused.text);

    let read = send(r#"{"BackupDirectory": 1, "PasswordLength": 22}"#, "").await;
    assert_eq!(read.status, 200);
    assert!(read.text.contains("Nothing is saved yet") && read.text.contains("value=\"22\""), "{}", read.text);
    assert!(browser.get("/admin/policies").await.text.contains("No policies yet"));
    let place = policy(&server, "Lab & more", json!({"BackupDirectory": 1, "PasswordLength": 22})).await;
    policy(&server, "Lab & more", json!({"BackupDirectory": 1, "PasswordLength": 24})).await;

    // Out, and in again: the same settings.
    for (form, kind) in [("syncml", "<?xml"), ("json", "{")] {
        let file = browser.get(&format!("{place}/export?form={form}")).await;
        assert!(file.status == 200 && file.text.trim_start().starts_with(kind), "{}", file.text);
        let read = send(&file.text, place.rsplit('/').next().unwrap()).await;
        assert!(read.status == 200 && read.text.contains("value=\"24\""), "{form}: {}", read.text);
        assert!(read.text.contains("name=\"version\" value=\"2\""), "into the policy that is there");
    }
    let former = browser.get(&format!("{place}/export?form=json&version=1")).await;
    let former: Value = serde_json::from_str(&former.text).unwrap();
    assert_eq!(former, json!({"BackupDirectory": 1, "PasswordLength": 22}));
    assert_eq!(browser.get(&format!("{place}/export?form=yaml")).await.status, 400);
    assert_eq!(browser.get(&format!("{place}/export?form=json&version=9")).await.status, 404);
    server.stop().await;
}

//! The pages of policies in a real browser: what a person does before, while and after a version is sent.

use crate::admin_browser::{Pictures, is_sound, sign_in_first};
use crate::admin_policies::{check_in, tree};
use crate::harness::TestServer;
use crate::policies::told;
use proto::admin::{Assign, NewGroup, PolicyEdit, PolicyImport};
use serde_json::json;
use server::authz::{Caller, Job};
use testkit::browser::{self, Browser};

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_previewed_sent_by_rings_halted_and_taken_back_in_a_browser() {
    if let Some(reason) = browser::missing() {
        println!("SKIPPED a_policy_is_previewed_sent_by_rings_halted_and_taken_back_in_a_browser: {reason}");
        return;
    }
    let server = TestServer::start().await;
    let pictures = Pictures::new();
    server.switch_on().await;
    let system = Caller::system(Job::Init);
    for name in ["Pilot", "Kiosks", "Laboratory <b>"] {
        server.app.create_group(&system, &NewGroup { name: name.into(), filter: None }).await.unwrap();
    }
    let settings = json!({"BackupDirectory": 1, "PasswordComplexity": 4, "PasswordLength": 14, "PasswordAgeDays": 30});
    let import = PolicyImport { name: "Workstations".into(), settings: settings.as_object().unwrap().clone() };
    let policy = server.app.import_policy(&system, &import).await.unwrap();
    let place = format!("/admin/policies/{}", policy.id);
    server.app.assign_policy(&system, "Workstations", &Assign::to("all"), true).await.unwrap();
    let mut machines = Vec::new();
    for n in 0..6_u32 {
        let device = server.device(&format!("berlin-pc-{n:02}")).await;
        device.report_told(told(if n < 3 { 16 } else { 8 }, &["root"])).await;
        let mut tree = tree(65_536);
        check_in(&device, &mut tree).await;
        machines.push((device, tree));
    }
    let kiosk = server.device("kiosk-1").await;
    for (name, device) in [("Pilot", &machines[0].0), ("Kiosks", &kiosk)] {
        server.app.set_member(&system, name, device.joined.device, true).await.unwrap();
    }

    let browser = Browser::start(server.app.authority().root_pem()).await;
    sign_in_first(&browser, &server, &server.administrator, None).await;
    let open = async |path: &str, name: &str| {
        browser.open(&server.at(path)).await;
        pictures.take(&browser, name).await;
        is_sound(&browser).await;
    };

    // What stands in the form is previewed: nothing is saved, what was typed stays.
    browser.open(&server.at(&format!("{place}/edit"))).await;
    browser.fill("#s-PasswordAgeDays", "14").await;
    browser.click("button[formaction]").await;
    browser.until_it_says("3 devices would refuse: minimum length 16").await;
    pictures.take(&browser, "policy-form-preview").await;
    is_sound(&browser).await;
    browser.fill("#s-PasswordLength", "20").await;
    browser.click(".save button.main").await;
    browser.until_it_says("The policy was saved").await;
    open(&format!("{place}/preview?version=1"), "policy-preview").await;

    // Another policy contradicts it on the kiosk, until its group is left out.
    let other =
        PolicyImport { name: "Kiosks".into(), settings: json!({"PasswordLength": 30}).as_object().unwrap().clone() };
    server.app.import_policy(&system, &other).await.unwrap();
    server.app.assign_policy(&system, "Kiosks", &Assign::to("Kiosks"), true).await.unwrap();
    check_in(&kiosk, &mut tree(65_536)).await;
    open("/admin/policies", "policies-held").await;
    open("/admin/policies/conflicts", "policy-conflicts").await;
    open(&place, "policy-held").await;
    browser
        .script(
            "for (const one of document.querySelectorAll('#excluded option')) one.selected = one.value === 'Kiosks'",
        )
        .await;
    browser.click("form[action$='/exclude'] button").await;
    browser.until_it_says("The group is left out").await;
    check_in(&kiosk, &mut tree(65_536)).await;

    // Rings are typed in; the next version begins in the first, which refuses it.
    open(&format!("{place}/rollout"), "policy-rings-none").await;
    browser.click("input[name='r0.group'][value='Pilot']").await;
    browser.click("button[name=add]").await;
    browser.one("#percent-1").await;
    browser.fill("#percent-1", "50").await;
    browser.click("#plan-title ~ form button.main").await;
    browser.until_it_says("The rings were saved").await;
    pictures.take(&browser, "policy-rings").await;
    is_sound(&browser).await;
    let mut edit = PolicyEdit::default();
    edit.set.insert("PasswordLength".into(), 24.into());
    server.app.edit_policy(&system, "Workstations", &edit).await.unwrap();
    machines[0].1 = tree(1);
    for (device, tree) in &mut machines {
        check_in(device, tree).await;
    }
    server.app.carry_rollouts(&Caller::system(Job::Rollouts)).await.unwrap();
    browser.open(&server.at(&format!("{place}/rollout"))).await;
    browser.until_it_says("It halted by itself in ring 1: 1 device failed").await;
    pictures.take(&browser, "policy-halted").await;
    is_sound(&browser).await;
    browser.script("document.querySelectorAll('details.act').forEach(one => one.open = true)").await;
    browser.click("input[value=rollBack] + button").await;
    browser.until_it_says("Another version took its place").await;

    open(&format!("{place}/history?from=1&to=2"), "policy-history").await;
    browser.until_it_says("From version 1 to version 2").await;
    browser.open(&server.at("/admin/policies/import")).await;
    assert_eq!(browser.script("return document.querySelector('[data-read-file]').hidden").await, false);
    browser.fill("#name", "Laboratory").await;
    browser.fill("#document", "{\"BackupDirectory\": 1, \"PasswordLength\": 3}").await;
    browser.click("form.card button.main").await;
    browser.until_it_says("8 to 64").await;
    // The answer has the status of a form that is wrong, and the browser notes it.
    browser.complaints().await;
    pictures.take(&browser, "policy-import").await;
    is_sound(&browser).await;

    // A rotation of all is asked for by mistake, and called off.
    browser.open(&server.at("/admin/rotations")).await;
    browser.fill("#reason", "by mistake").await;
    browser.click("#many-title ~ form button").await;
    browser.until_it_says("Under way").await;
    browser.script("document.querySelector('details.act').open = true").await;
    pictures.take(&browser, "rotation-open").await;
    is_sound(&browser).await;
    browser.click("details.act button").await;
    browser.until_it_says("Called off").await;
    pictures.take(&browser, "rotation-called-off").await;
    is_sound(&browser).await;
    browser.quit().await;
    server.stop().await;
}

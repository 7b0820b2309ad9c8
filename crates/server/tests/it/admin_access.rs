//! Access on pages: what groups ask of readers, who asks and who answers, and the read itself.

use crate::admin::{Browser, between, person};
use crate::harness::{TestDevice, TestServer};
use server::authz::{Caller, Job};

const RULE: [(&str, &str); 5] = [
    ("group", "all"),
    ("approvals", "1"),
    ("approval_minutes", "60"),
    ("approval_reads", "2"),
    ("rotate_after_minutes", ""),
];

/// A device with a password, and a rule for all devices set by the form.
async fn ruled<'a>(server: &'a TestServer, admin: &Browser<'_>, more: &[(&str, &str)]) -> TestDevice<'a> {
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "the-first-password").await;
    let token = admin.get("/admin/access/rule?group=all").await.form_token();
    let mut fields = vec![("form_token", token.as_str())];
    let kept = RULE.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    fields.extend(kept.copied().chain(more.iter().copied()));
    let set = admin.send("/admin/access/rule", &fields).await;
    assert_eq!(
        (set.status.as_u16(), set.location.as_str()),
        (303, "/admin/access/rules?note=rule_set"),
        "{}",
        set.text
    );
    device
}

fn secret(text: &str) -> Option<String> {
    let spelt = between(text, "data-secret", "</output>")?;
    Some(spelt.split("</span>").filter_map(|piece| piece.rsplit_once('>')).map(|(_, letter)| letter).collect())
}

#[tokio::test]
async fn a_rule_is_set_changed_and_taken_away_by_its_form() {
    let server = TestServer::start().await;
    let admin = Browser::sign_in_first(&server, &server.administrator).await;
    assert!(admin.get("/admin/access/rules").await.text.contains("Nothing is asked of readers"));
    ruled(&server, &admin, &[("reason", "yes"), ("pattern", "INC####<b>"), ("rotate_after_minutes", "90")]).await;
    let list = admin.get("/admin/access/rules").await.text;
    for text in
        ["All devices", "Reason and ticket", "INC####&#60;b&#62;", "One other for 2 reads, within 1 h", "90 min"]
    {
        assert!(list.contains(text), "{text}: {list}");
    }
    let form = admin.get("/admin/access/rule?group=all").await;
    assert!(form.text.contains("value=\"INC####&#60;b&#62;\"") && form.text.contains("Take it away"));
    // What is wrong is said beside what was typed.
    let token = form.form_token();
    let wrong = [
        ("form_token", token.as_str()),
        ("group", "all"),
        ("approvals", "2"),
        ("approval_minutes", "4"),
        ("approval_reads", "7"),
    ];
    let refused = admin.send("/admin/access/rule", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("expected 5 to 10080") && refused.text.contains("value=\"7\""), "{}", refused.text);
    assert!(admin.get("/admin/access/rule?group=nobody").await.status == 404);
    let fields = [("form_token", token.as_str()), ("group", "all")];
    assert_eq!(admin.send("/admin/access/rule/clear", &fields).await.status, 303);
    assert!(admin.get("/admin/access/rules").await.text.contains("Nothing is asked of readers"));

    // Everybody who sees groups sees the rules; who may not change them is offered nothing.
    let help = person(&server, "help", "Helpdesk Administrator", None).await;
    let help = Browser::sign_in_first(&server, &help).await;
    let page = help.get("/admin/access/rules").await;
    assert!(page.text.contains("href=\"/admin/access/rules\"") && !page.text.contains("/admin/access/rule?"));
    assert_eq!(help.get("/admin/access").await.code(), "role_missing");
    server.stop().await;
}

#[tokio::test]
async fn a_reader_asks_another_approves_and_the_password_is_read() {
    let server = TestServer::start().await;
    let admin = Browser::sign_in_first(&server, &server.administrator).await;
    let device = ruled(&server, &admin, &[("ticket", "yes"), ("pattern", "INC####")]).await;
    let place = format!("/admin/devices/{}", device.id());
    let ada = person(&server, "ada", "LAPS Password Reader", None).await;
    let ada = Browser::sign_in_first(&server, &ada).await;
    let page = ada.get(&place).await;
    assert!(page.text.contains("Ask for access") && !page.text.contains("Show password"), "{}", page.text);
    assert!(!page.text.contains("Break glass"), "her role has none");
    let token = page.form_token();
    let ask = async |reason: &str, ticket: &str, minutes: &str| {
        let fields = [("form_token", token.as_str()), ("reason", reason), ("ticket", ticket), ("minutes", minutes)];
        ada.send(&format!("{place}/access"), &fields).await
    };
    // What falls short is said on the form, and what was typed is kept.
    for (reason, ticket, minutes, says) in [
        ("", "INC1234", "", "Say why you need it"),
        ("disk <full>", "", "", "Name the ticket"),
        ("disk <full>", "12", "", "does not look as it must: INC####"),
        ("disk <full>", "INC1234", "61", "lives 1 to 60 minutes"),
        ("disk <full>", "INC1234", "soon", "lives 1 to 60 minutes"),
        ("a\u{202e}b", "INC1234", "", "turn text around"),
    ] {
        let refused = ask(reason, ticket, minutes).await;
        assert_eq!(refused.status, 422, "{says}");
        assert!(refused.text.contains(says), "{says}: {}", refused.text);
    }
    let kept = ask("disk <full>", "12", "").await;
    assert!(kept.text.contains("value=\"disk &#60;full&#62;\"") && kept.text.contains("value=\"12\""));
    let asked = ask("disk <full>", "INC1234", "30").await;
    assert_eq!((asked.status.as_u16(), asked.location), (303, format!("{place}?note=access_asked")), "{}", asked.text);
    let waits = ada.get(&place).await;
    assert!(waits.text.contains("You asked for access.") && waits.text.contains("0 of 1 approved"), "{}", waits.text);
    assert!(!waits.text.contains("Show password"));
    let refused = ada.send(&format!("{place}/password"), &[("form_token", &token)]).await;
    assert_eq!(refused.status, 422);
    assert!(secret(&refused.text).is_none() && refused.text.contains("Name the ticket"));
    let mine = ada.get("/admin/access").await;
    assert!(mine.text.contains("Your requests") && !mine.text.contains("/approve\""), "nobody answers herself");

    // The administrator sees on every page that something waits, and why.
    let start = admin.get("/admin/devices").await;
    assert!(start.text.contains("<span class=\"count\">1<span class=\"unseen\"> waiting for you</span></span>"));
    assert!(!ada.get("/admin/devices").await.text.contains("class=\"count\""));
    let waiting = admin.get("/admin/access").await;
    for text in ["Waiting for you", "pc-1", "ada", "disk &#60;full&#62;", "INC1234", "0 of 1"] {
        assert!(waiting.text.contains(text), "{text}: {}", waiting.text);
    }
    let id = between(&waiting.text, "action=\"/admin/access/", "/approve\"").unwrap().to_owned();
    let answer = async |by: &Browser<'_>, word: &str, reason: &str| {
        let token = by.get("/admin/devices").await.form_token();
        by.send(&format!("/admin/access/{id}/{word}"), &[("form_token", &token), ("reason", reason)]).await
    };
    assert_eq!(answer(&ada, "approve", "").await.code(), "role_missing");
    assert_eq!(answer(&admin, "approve", "").await.location, "/admin/access?note=access_approved");
    assert!(!admin.get("/admin/devices").await.text.contains("class=\"count\""));
    assert!(admin.get("/admin/access").await.text.contains("Answered, and still good"));

    // Read: nothing more is asked, and each read is counted.
    let granted = ada.get(&place).await;
    assert!(granted.text.contains("Access was approved") && granted.text.contains("2 reads"), "{}", granted.text);
    assert!(granted.text.contains("Show password") && !granted.text.contains("name=\"ticket\""));
    let shown = ada.send(&format!("{place}/password"), &[("form_token", &token)]).await;
    assert_eq!(secret(&shown.text).as_deref(), Some("the-first-password"), "{}", shown.text);
    assert!(ada.get(&place).await.text.contains("one read"));
    let log = admin.get("/admin/audit?activity=Recover+device+local+administrator+password").await;
    assert!(
        log.text.contains("disk &#60;full&#62;") && log.text.contains("INC1234") && log.text.contains("Approved by")
    );

    // What was approved is denied after all: with a reason that the asker reads, not with one that breaks lines.
    let bad = answer(&admin, "deny", "no\u{2028}way").await;
    assert_eq!(bad.status, 422);
    assert!(bad.text.contains("turn text around"), "{}", bad.text);
    assert_eq!(answer(&admin, "deny", "wrong machine <i>").await.location, "/admin/access?note=access_denied");
    assert!(ada.get(&place).await.text.contains("Ask for access"), "she may ask again");
    let former = ada.get("/admin/access/all").await;
    assert!(former.text.contains("Denied") && former.text.contains("wrong machine &#60;i&#62;"), "{}", former.text);
    assert!(ada.get("/admin/access").await.text.contains("Nothing waits here"));
    server.stop().await;
}

#[tokio::test]
async fn a_request_is_taken_back_and_out_of_reach_is_unknown() {
    let server = TestServer::start().await;
    let admin = Browser::sign_in_first(&server, &server.administrator).await;
    let device = ruled(&server, &admin, &[]).await;
    let system = Caller::system(Job::Init);
    let group = proto::admin::NewGroup { name: "berlin".into(), filter: None };
    server.app.create_group(&system, &group).await.unwrap();
    let ada = person(&server, "ada", "LAPS Password Reader", None).await;
    let ada = Browser::sign_in_first(&server, &ada).await;
    let token = ada.get("/admin/devices").await.form_token();
    let place = format!("/admin/devices/{}", device.id());
    let asked = ada.send(&format!("{place}/access"), &[("form_token", &token), ("reason", "disk")]).await;
    assert_eq!(asked.status, 303, "{}", asked.text);
    let id = between(&ada.get("/admin/access").await.text, "action=\"/admin/access/", "/cancel\"").unwrap().to_owned();
    // Who answers for other devices sees nothing of it, and gets the answer of an unknown one.
    let carl = person(&server, "carl", "Cloud Device Administrator", Some("berlin")).await;
    let carl = Browser::sign_in_first(&server, &carl).await;
    let page = carl.get("/admin/access").await;
    assert!(page.text.contains("Nothing waits here") && !page.text.contains("class=\"count\""));
    let carls = [("form_token", page.form_token())];
    let carls: Vec<(&str, &str)> = carls.iter().map(|(name, token)| (*name, token.as_str())).collect();
    for act in ["approve", "deny", "cancel"] {
        let code = carl.send(&format!("/admin/access/{id}/{act}"), &carls).await.code().to_owned();
        assert_eq!(code, "access_request_unknown", "{act}");
    }
    let taken = ada.send(&format!("/admin/access/{id}/cancel"), &[("form_token", &token)]).await;
    assert_eq!(taken.location, "/admin/access?note=access_cancelled");
    assert!(ada.get(&place).await.text.contains("Ask for access"));
    assert!(admin.get("/admin/access").await.text.contains("Nothing waits here"));
    server.stop().await;
}

#[tokio::test]
async fn broken_glass_needs_a_reason_and_ends_the_password() {
    let server = TestServer::start().await;
    let admin = Browser::sign_in_first(&server, &server.administrator).await;
    let device = ruled(&server, &admin, &[("ticket", "yes")]).await;
    let place = format!("/admin/devices/{}", device.id());
    let page = admin.get(&place).await;
    assert!(page.text.contains("Break glass…") && page.text.contains("Ask for access"));
    let token = page.form_token();
    let glass = async |reason: &str| {
        let fields = [("form_token", token.as_str()), ("break_glass", "yes"), ("reason", reason)];
        admin.send(&format!("{place}/password"), &fields).await
    };
    let refused = glass(" ").await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("<details class=\"act\" open>"), "{}", refused.text);
    let shown = glass("site is down").await;
    assert_eq!(secret(&shown.text).as_deref(), Some("the-first-password"));
    assert!(shown.text.contains("It was read: the password changes"), "{}", shown.text);
    let done = admin.send(&format!("{place}/read-done"), &[("form_token", &token)]).await;
    assert_eq!(done.location, format!("{place}?note=reading_done"), "{}", done.text);
    let page = admin.get(&place).await;
    assert!(page.text.contains("Asked for") && !page.text.contains("It was read"), "{}", page.text);
    let again = admin.send(&format!("{place}/read-done"), &[("form_token", &token)]).await;
    assert_eq!((again.status.as_u16(), again.code()), (404, "no_rotation_due"));
    server.stop().await;
}

#[tokio::test]
async fn an_account_that_policy_left_is_shown_as_no_longer_rotated() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "the-last-one").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let place = format!("/admin/devices/{}", device.id());
    assert!(!browser.get(&place).await.text.contains("Released accounts"));
    assert_eq!(device.report_unmanaged(Some(1), "no_policy").await.status(), 200);
    let page = browser.get(&place).await;
    assert!(page.text.contains("Released accounts") && page.text.contains("No longer rotated"), "{}", page.text);
    let shown = browser.send(&format!("{place}/password"), &[("form_token", &page.form_token())]).await;
    assert_eq!(secret(&shown.text).as_deref(), Some("the-last-one"), "it stays readable");
    server.stop().await;
}

#[tokio::test]
async fn a_read_that_is_refused_before_the_device_is_seen_is_recorded() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "the-first-password").await;
    let system = Caller::system(Job::Init);
    let group = proto::admin::NewGroup { name: "berlin".into(), filter: None };
    server.app.create_group(&system, &group).await.unwrap();
    let auditor = proto::admin::NewRole {
        display_name: "Auditor".into(),
        actions: vec!["microsoft.directory/auditLogs/allProperties/read".into()],
    };
    server.app.create_role(&system, &auditor).await.unwrap();
    let outside = person(&server, "outside", "LAPS Password Reader", Some("berlin")).await;
    let nobody = person(&server, "nobody", "Auditor", None).await;
    let unknown = "00000000-0000-4000-8000-000000000001";
    let read = async |by: &Browser<'_>, device: &str| {
        let token = by.get("/admin/account").await.form_token();
        by.send(&format!("/admin/devices/{device}/password"), &[("form_token", &token)]).await
    };
    let outside = Browser::sign_in_first(&server, &outside).await;
    let (hidden, missing) = (read(&outside, &device.id()).await, read(&outside, unknown).await);
    assert_eq!((hidden.status.as_u16(), hidden.code()), (404, "device_unknown"));
    assert_eq!((missing.status.as_u16(), missing.code()), (404, "device_unknown"), "nothing tells them apart");
    let nobody = Browser::sign_in_first(&server, &nobody).await;
    assert_eq!(read(&nobody, &device.id()).await.code(), "role_missing");
    let log = server.program(Some("Global Reader"), &[]).await;
    let log = log.get_ok("/v1.0/lapwing/audit?$top=100").await;
    let reads: Vec<(&str, &str)> = log["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["activity"] == "Recover device local administrator password")
        .map(|record| (record["actor"].as_str().unwrap(), record["targets"][0]["id"].as_str().unwrap()))
        .collect();
    let id = device.id();
    assert_eq!(
        reads,
        [("user nobody", id.as_str()), ("user outside", unknown), ("user outside", id.as_str())],
        "{log}"
    );
    server.stop().await;
}

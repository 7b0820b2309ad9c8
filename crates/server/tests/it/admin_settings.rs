//! Pages under the settings and the audit log: channels, escrow, the clock, export and proof of the log.

use crate::admin::{Browser, between};
use crate::harness::TestServer;
use proto::admin::NewGroup;
use proto::audit::ExportVerifier;
use server::authz::{Caller, Job};

#[tokio::test]
async fn a_channel_is_made_tested_paused_and_removed() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get("/admin/settings/channels").await;
    assert!(page.text.contains("Nobody is told of reads yet"));
    let token = page.form_token();
    let send = async |path: &str, fields: &[(&str, &str)]| {
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        browser.send(&format!("/admin/settings/channels{path}"), &all).await
    };
    // Mistakes stand on the form with what was typed; a secret is not shown again.
    let wrong = send(
        "",
        &[("kind", "webhook"), ("name", "Soar <b>"), ("url", "http://x"), ("secret", "hunter2hunter2hunter2hunter2")],
    )
    .await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains("must begin with https://") && wrong.text.contains("value=\"Soar &#60;b&#62;\""));
    assert!(!wrong.text.contains("hunter2"), "{}", wrong.text);
    let made = send("", &[("kind", "webhook"), ("name", "Soar <b>"), ("url", "https://127.0.0.1:1/")]).await;
    assert_eq!((made.status.as_u16(), made.cache.as_str()), (200, "no-store"));
    let key = between(&made.text, "data-secret", "</output>").unwrap().rsplit_once('>').unwrap().1.to_owned();
    assert!(key.starts_with("whsec_"), "{key}");
    let syslog =
        [("kind", "syslog"), ("name", "siem"), ("host", "logs.example.test"), ("format", "cef"), ("everything", "yes")];
    assert_eq!(send("", &syslog).await.location, "/admin/settings/channels?note=channel_made");
    let again = send("", &syslog).await;
    assert_eq!(again.status, 422, "the name is taken");
    let mail = [
        ("kind", "mail"),
        ("name", "sec"),
        ("host", "mail.example.test"),
        ("from", "a@example.test"),
        ("to", "not an address"),
    ];
    assert!(send("", &mail).await.text.contains("is not a mail address"));
    let list = browser.get("/admin/settings/channels").await.text;
    assert!(
        list.contains("Soar &#60;b&#62;") && list.contains("logs.example.test:6514") && list.contains("Every record")
    );
    assert!(!list.contains(&key), "a key is shown once");

    // A private address is refused, and the page says what the receiver's side said.
    let name = [("name", "Soar <b>")];
    let tested = send("/test", &name).await;
    assert_eq!(tested.status, 422);
    assert!(tested.text.contains("took nothing"), "{}", tested.text);
    assert_eq!(send("/pause", &name).await.location, "/admin/settings/channels?note=channel_paused");
    let paused = browser.get("/admin/settings/channels").await.text;
    assert!(paused.contains(">Paused</span>") && paused.contains("/admin/settings/channels/resume"), "{paused}");
    assert_eq!(send("/resume", &name).await.location, "/admin/settings/channels?note=channel_resumed");
    assert_eq!(send("/remove", &name).await.location, "/admin/settings/channels?note=channel_removed");
    assert!(!browser.get("/admin/settings/channels").await.text.contains("Soar"));
    assert_eq!(send("/remove", &name).await.code(), "channel_unknown");
    let log = browser.get("/admin/audit?activity=Update+notification+channel").await;
    assert_eq!(log.text.matches("<th scope=\"row\">").count(), 2, "paused and resumed");
    server.stop().await;
}

#[tokio::test]
async fn escrow_shows_its_warning_and_takes_a_schedule() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get("/admin/settings/escrow").await;
    assert!(page.text.contains("No escrow export was ever made"), "{}", page.text);
    assert!(page.text.contains("lapwing export --to age1"));
    let token = page.form_token();
    let recipient = age::x25519::Identity::generate().to_public().to_string();
    let save = async |recipients: &str, days: &str| {
        let fields = [
            ("form_token", token.as_str()),
            ("recipients", recipients),
            ("interval_days", days),
            ("folder", "escrow"),
            ("kept", "3"),
        ];
        browser.send("/admin/settings/escrow", &fields).await
    };
    let wrong = save("age1nobody", "7").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text.contains(">age1nobody</textarea>"), "what was typed is kept: {}", wrong.text);
    assert_eq!(save(&recipient, "many").await.status, 422);
    assert_eq!(save(&format!(" {recipient}\r\n"), "7").await.location, "/admin/settings/escrow?note=escrow_saved");
    let page = browser.get("/admin/settings/escrow").await.text;
    assert!(page.contains("every 7 d") && page.contains(&recipient), "{page}");
    server.stop().await;
}

#[tokio::test]
async fn settings_keep_what_was_typed() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get("/admin/settings").await;
    assert!(page.text.contains("/admin/settings/escrow") && !page.text.contains("The clock is in doubt"));
    let token = page.form_token();
    let wrong = [("form_token", token.as_str()), ("audit_days", "7"), ("versions_per_day", "99")];
    let refused = browser.send("/admin/settings", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("kept” takes 0, or 30 to 3650") && refused.text.contains("value=\"99\""));
    server.stop().await;
}

#[tokio::test]
async fn a_jump_of_the_clock_is_shown_and_confirmed_by_a_person() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    // Ten days by the count of the process, none by the clock.
    let retention = Caller::system(Job::Retention);
    assert!(server.app.observe_clock(&retention, Some(10 * 86_400)).await.unwrap());
    let page = browser.get("/admin/settings").await;
    assert!(page.text.contains("The clock is in doubt"), "{}", page.text);
    let told = server.program(Some("Global Administrator"), &[]).await.get_ok("/v1.0/lapwing/settings").await;
    assert!(told["clockHeldDateTime"].is_string(), "{told}");
    let token = page.form_token();
    let confirmed = browser.send("/admin/settings/clock", &[("form_token", token.as_str())]).await;
    assert_eq!(confirmed.location, "/admin/settings?note=clock_confirmed");
    assert!(!browser.get("/admin/settings").await.text.contains("The clock is in doubt"));
    assert!(!server.app.observe_clock(&retention, Some(60)).await.unwrap());
    let audit = browser.get("/admin/audit").await.text;
    assert!(audit.contains(server::audit::activity::CONFIRM_CLOCK), "{audit}");
    server.stop().await;
}

#[tokio::test]
async fn the_log_is_downloaded_and_verifies_and_is_looked_through() {
    let server = TestServer::start().await;
    server.switch_on().await;
    // Markup and marks of direction in a name, in every form.
    let device = server.device("<script>x</script>").await;
    device.rotate(1, "never in an export").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/devices").await.form_token();
    browser.send(&format!("/admin/devices/{}/password", device.id()), &[("form_token", &token)]).await;
    // More than one piece.
    for number in 0..600 {
        let group = NewGroup { name: format!("group {number}"), filter: None };
        server.app.create_group(&Caller::system(Job::Init), &group).await.unwrap();
    }
    let file = browser.get("/admin/audit/export?format=jsonl").await;
    assert_eq!((file.status.as_u16(), file.cache.as_str()), (200, "no-store"));
    assert!(!file.text.contains("never in an export"));
    let is_signed = |key: &[u8], statement: &[u8], signature: &[u8]| {
        let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED, key);
        key.verify(statement, signature).is_ok()
    };
    let mut verifier = ExportVerifier::new(None, is_signed);
    for line in file.text.lines() {
        verifier.take(line).unwrap();
    }
    let parts = verifier.finish().unwrap();
    assert!(parts[0].hashes.len() > 600, "{}", parts[0].hashes.len());
    for format in ["cef", "ocsf"] {
        let file = browser.get(&format!("/admin/audit/export?format={format}&from=2020-01-01&until=2100-01-01")).await;
        assert_eq!(file.status, 200);
        assert!(file.text.lines().count() > 600, "{format}");
    }
    assert!(browser.get("/admin/audit/export?format=cef&until=2020-01-01").await.text.is_empty());
    assert_eq!(browser.get("/admin/audit/export?format=xml").await.code(), "bad_format");
    assert_eq!(browser.get("/admin/audit/export?from=yesterday").await.code(), "bad_day");
    // Each download is one record, whatever it is in pieces; what was refused is none.
    let file = browser.get("/admin/audit/export?format=jsonl").await;
    let forms: Vec<String> = file
        .text
        .lines()
        .filter_map(|line| match serde_json::from_str(line).unwrap() {
            proto::audit::Line::Record(record) if record.activity == "Export audit log" => record.detail_member("form"),
            _ => None,
        })
        .collect();
    assert_eq!(forms, ["jsonl", "cef", "ocsf", "cef"]);

    let page = browser.get("/admin/audit/proof").await;
    let key = parts[0].end.clone();
    assert!(page.text.contains("Look through it now") && page.text.contains("lapwing audit verify"), "{key:?}");
    let proven = browser.send("/admin/audit/proof", &[("form_token", &token)]).await;
    assert!(proven.text.contains("Nothing was changed."), "{}", proven.text);
    server.stop().await;
}

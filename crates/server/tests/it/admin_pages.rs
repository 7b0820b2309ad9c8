//! The pages of the admin centre beside the devices: policies, people, the audit log, settings.

use crate::admin::{Browser, between, person};
use crate::harness::TestServer;
use proto::device::Evidence;

#[tokio::test]
async fn a_policy_is_made_changed_assigned_and_deleted_by_its_forms() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let form = browser.get("/admin/policies/new").await;
    let token = form.form_token();
    for name in ["BackupDirectory", "PasswordLength", "PostAuthenticationActions"] {
        assert!(form.text.contains(&format!("name=\"s.{name}\"")), "{name} is in the form");
    }
    // Every mistake is named, and what was typed is still there.
    let wrong = [
        ("form_token", token.as_str()),
        ("name", "Lab <b>"),
        ("s.BackupDirectory", "1"),
        ("s.PasswordLength", "3"),
        ("s.PasswordAgeDays", "x"),
    ];
    let refused = browser.send("/admin/policies", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("PasswordLength") && refused.text.contains("PasswordAgeDays"));
    assert!(refused.text.contains("value=\"Lab &#60;b&#62;\"") && refused.text.contains("value=\"3\""));
    let right = [
        ("form_token", token.as_str()),
        ("name", "Lab <b>"),
        ("s.BackupDirectory", "1"),
        ("s.PasswordLength", "20"),
        ("s.PasswordAgeDays", ""),
    ];
    let saved = browser.send("/admin/policies", &right).await;
    assert_eq!(saved.status, 303, "{}", saved.text);
    let place = saved.location.split('?').next().unwrap().to_owned();
    let page = browser.get(&saved.location).await;
    assert!(page.text.contains("The policy was saved") && page.text.contains("Lab &#60;b&#62;"));
    assert!(!page.text.contains("PasswordAgeDays"), "what is left empty is not part of it");
    let assigned = browser.send(&format!("{place}/assign"), &[("form_token", &token), ("group", "all")]).await;
    assert_eq!(assigned.status, 303, "{}", assigned.text);
    let policy = browser.get(&format!("/admin/devices/{}/policy", device.id())).await;
    assert!(policy.text.contains("PasswordLength") && policy.text.contains("Not sent yet"));
    let kept = browser.send(&format!("{place}/delete"), &[("form_token", &token)]).await;
    assert_eq!((kept.status.as_u16(), kept.code()), (409, "in_use"));
    for act in ["unassign", "delete"] {
        let done = browser.send(&format!("{place}/{act}"), &[("form_token", &token), ("group", "all")]).await;
        assert_eq!(done.status, 303, "{act}: {}", done.text);
    }
    assert!(browser.get("/admin/policies").await.text.contains("No policies yet"));
    server.stop().await;
}

#[tokio::test]
async fn people_are_made_given_roles_and_disabled() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/people").await.form_token();
    let made = [
        ("form_token", token.as_str()),
        ("user_name", "ada"),
        ("display_name", "Ada L<i>"),
        ("role", "Helpdesk Administrator"),
        ("group", ""),
    ];
    let shown = browser.send("/admin/people", &made).await;
    assert_eq!((shown.status.as_u16(), shown.cache.as_str()), (200, "no-store"));
    let secret = between(&shown.text, "aria-label=\"One-time secret\">", "<").unwrap();
    assert!(between(&shown.text, "data-secret", "</output>").unwrap().contains("lapwing-once."), "{secret}");
    let list = browser.get("/admin/people").await;
    assert!(!list.text.contains("lapwing-once."), "it is shown once");
    assert!(list.text.contains("Helpdesk Administrator") && list.text.contains("Ada L&#60;i&#62;"));
    let turned = [made[0], ("user_name", "eve\u{202e}"), made[2], made[3], made[4]];
    let refused = browser.send("/admin/people", &turned).await;
    assert_eq!(refused.status, 422, "a name that turns text around");
    assert!(refused.text.contains("role=\"alert\"") && refused.text.contains("value=\"Ada L&#60;i&#62;\""));
    let taken = browser.send("/admin/people", &made).await;
    assert!(taken.status == 422 && taken.text.contains("value=\"ada\""), "the name is taken: {}", taken.text);
    let id = list.text.split("/admin/people/").skip(1).find_map(|rest| {
        let id = rest.split(['/', '"']).next()?;
        (id != server.administrator.id.to_string()).then(|| id.to_owned())
    });
    let id = id.unwrap();
    let role = [("form_token", token.as_str()), ("principal", &id), ("role", "Security Reader"), ("group", "")];
    assert_eq!(browser.send("/admin/roles", &role).await.status, 303);
    assert_eq!(browser.send("/admin/roles/remove", &role).await.status, 303);
    assert_eq!(browser.send(&format!("/admin/people/{id}/disable"), &role[..1]).await.status, 303);
    let program = [("form_token", token.as_str()), ("display_name", "backup job"), ("role", ""), ("group", "")];
    let shown = browser.send("/admin/programs", &program).await;
    assert!(shown.text.contains("lapwing-client."), "{}", shown.text);
    // The last administrator stays.
    let me = server.administrator.id.to_string();
    let last = browser.send(&format!("/admin/people/{me}/disable"), &role[..1]).await;
    assert_eq!((last.status.as_u16(), last.code()), (409, "last_administrator"));
    server.stop().await;
}

#[tokio::test]
async fn the_audit_log_is_searched_and_shows_everything_of_a_record() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "a password to read").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/devices").await.form_token();
    browser.send(&format!("/admin/devices/{}/password", device.id()), &[("form_token", &token)]).await;
    let all = browser.get("/admin/audit").await;
    assert!(all.text.contains("Sign in") && all.text.contains("Recover device local administrator password"));
    assert!(!all.text.contains("a password to read"));
    let narrowed = browser.get("/admin/audit?activity=Recover+device+local+administrator+password").await;
    assert_eq!(narrowed.text.matches("<th scope=\"row\">").count(), 1, "{}", narrowed.text);
    assert!(narrowed.text.contains(&format!("/admin/devices/{}", device.id())));
    assert!(narrowed.text.contains("Mozilla/5.0 (lapwing-tests)"), "from where");
    let target = browser.get(&format!("/admin/audit?target={}&from=2020-01-01&until=2100-01-01", device.id())).await;
    assert!(target.text.contains("Recover device local") && !target.text.contains(">Sign in</bdi>"));
    assert!(browser.get("/admin/audit?actor=%27+or+1+eq+1").await.text.contains("No records here"));
    let refused = browser.get("/admin/audit?outcome=failure").await.text;
    assert!(!refused.contains(">Done</span>"), "{refused}");
    assert!(browser.get("/admin/audit?outcome=success").await.text.contains(">Done</span>"));
    assert_eq!(browser.get("/admin/audit?outcome=maybe").await.code(), "bad_outcome");
    assert_eq!(browser.get("/admin/audit?from=yesterday").await.status, 400);
    assert_eq!(browser.get(&format!("/admin/audit?actor={}", "x".repeat(4_000))).await.code(), "search_too_long");
    assert_eq!(browser.get("/admin/audit?after=forged").await.code(), "bad_page");
    server.stop().await;
}

#[tokio::test]
async fn the_switch_is_turned_and_others_are_refused() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get("/admin/settings").await;
    assert!(page.text.contains("LAPS is off for this tenant"));
    let token = page.form_token();
    let on = browser.send("/admin/settings/switch", &[("form_token", &token), ("laps", "on")]).await;
    assert!(browser.get(&on.location).await.text.contains("LAPS is on: devices may store new passwords."));
    let numbers = [
        ("form_token", token.as_str()),
        ("tombstone_days", "0"),
        ("versions_per_day", "12"),
        ("unresolved_max", "4"),
        ("repairs_per_day", "3"),
    ];
    assert_eq!(browser.send("/admin/settings", &numbers).await.status, 303);
    let mut wrong = numbers;
    wrong[1].1 = "366";
    assert_eq!(browser.send("/admin/settings", &wrong).await.status, 422);

    let help = person(&server, "help", "Helpdesk Administrator", None).await;
    let help = Browser::sign_in_first(&server, &help).await;
    let page = help.get("/admin/settings").await;
    assert!(!page.text.contains("/admin/settings/switch") && !page.text.contains("/admin/audit"));
    let token = page.form_token();
    for (path, fields) in [
        ("/admin/settings/switch", vec![("form_token", token.as_str()), ("laps", "off")]),
        ("/admin/people", vec![("form_token", token.as_str()), ("user_name", "eve")]),
        ("/admin/policies", vec![("form_token", token.as_str()), ("name", "p"), ("s.BackupDirectory", "1")]),
    ] {
        let refused = help.send(path, &fields).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "role_missing"), "{path}");
    }
    for path in ["/admin/people", "/admin/audit"] {
        assert_eq!(help.get(path).await.code(), "role_missing");
    }
    server.stop().await;
}

/// The page "Explain": what can be done with and without local access, when each link was seen, and where the
/// documentation says more.
#[tokio::test]
async fn explain_shows_the_ways_the_times_and_the_page() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let former = server.device("pc-1").await;
    former.rotate(1, "former-password").await;
    let device = server.device("pc-1").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let page = browser.get(&format!("/admin/devices/{}/explain", device.id())).await;
    assert!(page.text.contains("What can be done now") && page.text.contains("no rebuild is needed"), "{}", page.text);
    for title in ["Somebody can still sign in to the machine", "Nobody can sign in to the machine"] {
        assert!(page.text.contains(title), "{title}");
    }
    let offered = between(&page.text, "It may have been here before", "</li>").unwrap();
    assert!(offered.contains(&former.id()) && offered.contains("<code>lapwing device link DEVICE FORMER</code>"));
    assert!(offered.contains("Link the former object"));
    let chain = between(&page.text, "<ol class=\"chain\">", "</ol>").unwrap();
    let first = between(chain, "<li", "</li>").unwrap();
    assert!(first.contains("Device object") && first.contains("<time datetime="), "{first}");
    let last = chain.rsplit("<li").next().unwrap();
    assert!(!last.contains("<time"), "not looked at: {last}");
    assert!(page.text.contains("<code>docs/explain.md#policy_not_assigned</code>"));
    // Linked, the former password is what is tried first.
    let token = browser.get(&format!("/admin/devices/{}", device.id())).await.form_token();
    let link = [("form_token", token.as_str()), ("predecessor", &former.id())];
    let linked = browser.send(&format!("/admin/devices/{}/predecessor", device.id()), &link).await;
    assert_eq!(linked.status, 303, "{}", linked.text);
    let page = browser.get(&format!("/admin/devices/{}/explain", device.id())).await;
    assert!(page.text.contains("The former object’s password can be read"), "{}", page.text);
    assert!(page.text.contains("labelled so"));
    server.stop().await;
}

/// "Rotate now" says what keeps the device from it, on the page of the device.
#[tokio::test]
async fn a_request_to_rotate_says_what_it_waits_for() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let place = format!("/admin/devices/{}", device.id());
    let token = browser.get(&place).await.form_token();
    let asked = browser.send(&format!("{place}/rotate"), &[("form_token", &token)]).await;
    assert_eq!(asked.status, 303, "{}", asked.text);
    let page = browser.get(&place).await;
    let card = between(&page.text, "id=\"rotation-title\"", "</section>").unwrap();
    assert!(card.contains("What keeps it:") && card.contains("What to do:"), "{card}");
    assert!(card.contains("<code>policy_not_assigned</code>"), "{card}");
    // Met, nothing waits any more.
    device.rotate(1, "new-password").await;
    let page = browser.get(&place).await;
    assert!(page.text.contains("Set and proven") && !page.text.contains("What keeps it:"), "{}", page.text);
    server.stop().await;
}

/// The policy page says which source rules on the device, and calls nothing "in force" that is not.
#[tokio::test]
async fn the_policy_page_names_the_source_that_rules() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let place = format!("/admin/devices/{}/policy", device.id());
    let page = browser.get(&place).await;
    assert!(page.text.contains("It has not reported yet whether another source rules"), "{}", page.text);
    let of = |source: Option<&str>| Evidence {
        policy_source: source.map(str::to_owned),
        backup_directory: u8::from(source.is_some()),
        ..Evidence::default()
    };
    assert_eq!(device.report_told(of(Some("local"))).await.status(), 200);
    let page = browser.get(&place).await;
    assert!(page.text.contains("takes its policy from <bdi>its local configuration</bdi>"), "{}", page.text);
    assert!(!page.text.contains("manages no password"));
    assert_eq!(device.report_told(of(None)).await.status(), 200);
    let page = browser.get(&place).await;
    assert!(page.text.contains("no other source rules on it: it manages no password"), "{}", page.text);
    server.stop().await;
}

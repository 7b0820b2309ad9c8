//! Groups, roles, join tokens and the question who may read, by the pages of the admin centre.

use crate::admin::{Browser, Page, between, person};
use crate::harness::TestServer;

/// The id behind `/admin/PLACE/` in the address that a form leads to.
fn id_in(page: &Page, place: &str) -> String {
    assert_eq!(page.status, 303, "{}", page.text);
    let rest = page.location.strip_prefix(&format!("/admin/{place}/")).unwrap_or_else(|| panic!("{}", page.location));
    rest.split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_group_is_made_by_hand_filled_renamed_and_deleted() {
    let server = TestServer::start().await;
    server.device("till-1").await;
    let two = server.device("desk-1").await;
    server.device("twin").await;
    server.device("twin").await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let empty = browser.get("/admin/groups").await;
    assert!(empty.text.contains("No groups yet"), "{}", empty.text);
    let form = browser.get("/admin/groups/new").await;
    let token = form.form_token();
    let token = token.as_str();
    for wrong in ["all", "", "a\u{202e}b"] {
        let refused = browser.send("/admin/groups", &[("form_token", token), ("name", wrong)]).await;
        assert_eq!(refused.status, 422, "{wrong:?}");
        assert!(refused.text.contains("role=\"alert\""));
    }
    let made = browser.send("/admin/groups", &[("form_token", token), ("name", "Tills <b>")]).await;
    let group = id_in(&made, "groups");
    let place = format!("/admin/groups/{group}");
    let page = browser.get(&made.location).await;
    assert!(page.text.contains("The group was made") && page.text.contains("Tills &#60;b&#62;"));
    let again = browser.send("/admin/groups", &[("form_token", token), ("name", "tills <B>")]).await;
    assert_eq!(again.status, 422, "the name is taken");
    assert!(again.text.contains("value=\"tills &#60;B&#62;\""), "what was typed is kept: {}", again.text);

    let put = async |device: &str| {
        browser.send(&format!("{place}/members"), &[("form_token", token), ("device", device)]).await
    };
    for (named, expected) in [("TILL-1", 303), (&*two.id(), 303), ("nowhere", 422), ("twin", 422), ("", 422)] {
        let answer = put(named).await;
        assert_eq!(answer.status.as_u16(), expected, "{named}: {}", answer.text);
    }
    assert!(put("twin").await.text.contains("Several devices have this name"));
    let unknown = put("00000000-0000-4000-8000-000000000000").await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.text.contains("value=\"00000000-0000-4000-8000-000000000000\""), "what was typed is kept");
    let page = browser.get(&place).await;
    assert!(page.text.contains("<bdi>till-1</bdi>") && page.text.contains("<bdi>desk-1</bdi>"));
    let out = browser.send(&format!("{place}/members/remove"), &[("form_token", token), ("device", &two.id())]).await;
    assert_eq!(out.status, 303);
    assert!(!browser.get(&place).await.text.contains("<bdi>desk-1</bdi>"));

    // What hangs on it keeps it.
    let policy = [("form_token", token), ("name", "Base"), ("s.BackupDirectory", "1")];
    let policy = id_in(&browser.send("/admin/policies", &policy).await, "policies");
    let assign = format!("/admin/policies/{policy}/assign");
    assert_eq!(browser.send(&assign, &[("form_token", token), ("group", &group)]).await.status, 303);
    person(&server, "ada", "LAPS Password Reader", Some(&group)).await;
    let made = [("form_token", token), ("note", "new till"), ("group", &group), ("hours", "2")];
    assert_eq!(browser.send("/admin/join-tokens", &made).await.status, 200);
    let page = browser.get(&place).await;
    for hangs in [format!("/admin/policies/{policy}"), "LAPS Password Reader".into(), "of ada".into()] {
        assert!(page.text.contains(&hangs), "{hangs}: {}", page.text);
    }
    assert!(page.text.contains("can still be used") && page.text.contains("First end what hangs on it"));
    let kept = browser.send(&format!("{place}/delete"), &[("form_token", token)]).await;
    assert_eq!(kept.status, 422, "{}", kept.text);
    assert!(kept.text.contains("role=\"alert\""));

    let renamed = browser.send(&format!("{place}/rename"), &[("form_token", token), ("name", "Kassen")]).await;
    assert!(browser.get(&renamed.location).await.text.contains("<h1><bdi>Kassen</bdi></h1>"));
    let free = id_in(&browser.send("/admin/groups", &[("form_token", token), ("name", "free")]).await, "groups");
    let gone = browser.send(&format!("/admin/groups/{free}/delete"), &[("form_token", token)]).await;
    assert_eq!((gone.status.as_u16(), gone.location.as_str()), (303, "/admin/groups?note=group_deleted"));
    server.stop().await;
}

#[tokio::test]
async fn a_filter_says_whom_it_takes_in_before_it_is_saved() {
    let server = TestServer::start().await;
    for name in ["till-1", "till-2", "desk-1"] {
        server.device(name).await;
    }
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/groups/new").await.form_token();
    let look = [("form_token", token.as_str()), ("name", "Tills"), ("filter_name", "TILL-*"), ("act", "preview")];
    let seen = browser.send("/admin/groups", &look).await;
    assert_eq!(seen.status, 200, "{}", seen.text);
    assert!(seen.text.contains("2 devices fit") && seen.text.contains("<bdi>till-2</bdi>"), "{}", seen.text);
    assert!(!seen.text.contains("<bdi>desk-1</bdi>") && seen.text.contains("value=\"TILL-*\""));
    assert!(browser.get("/admin/groups").await.text.contains("No groups yet"), "nothing was saved");
    let nothing = [look[0], look[1], ("act", "preview")];
    assert_eq!(browser.send("/admin/groups", &nothing).await.status, 422, "a filter that asks for nothing");
    let time = [look[0], look[1], ("filter_from", "yesterday")];
    assert!(browser.send("/admin/groups", &time).await.text.contains("value=\"yesterday\""));

    let made = browser.send("/admin/groups", &look[..3]).await;
    let place = format!("/admin/groups/{}", id_in(&made, "groups"));
    let page = browser.get(&place).await;
    assert!(page.text.contains("<bdi>till-1</bdi>") && !page.text.contains("<bdi>desk-1</bdi>"));
    assert!(!page.text.contains("/members/remove"), "nobody is put into it or taken out by hand");
    let change =
        |act: &'static str| [look[0], ("filter_name", "desk-?"), ("filter_until", "2100-01-01T00:00"), ("act", act)];
    let seen = browser.send(&format!("{place}/filter"), &change("preview")).await;
    assert!(seen.text.contains("1 device fits") && seen.text.contains("<bdi>till-1</bdi>"), "{}", seen.text);
    assert_eq!(browser.send(&format!("{place}/filter"), &change("save")).await.status, 303);
    let page = browser.get(&place).await;
    assert!(page.text.contains("<bdi>desk-1</bdi>") && !page.text.contains("<bdi>till-1</bdi>"));
    assert!(page.text.contains("value=\"2100-01-01T00:00:00\""), "{}", page.text);
    let added = browser.send(&format!("{place}/members"), &[look[0], ("device", "till-1")]).await;
    assert_eq!(added.status, 422, "{}", added.text);

    // Who sees groups changes nothing.
    let help = person(&server, "help", "Helpdesk Administrator", None).await;
    let help = Browser::sign_in_first(&server, &help).await;
    let page = help.get(&place).await;
    assert!(page.text.contains("<bdi>desk-1</bdi>") && !page.text.contains("Save the filter"));
    let token = page.form_token();
    let refused = help.send(&format!("{place}/filter"), &[("form_token", &token), ("act", "preview")]).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "role_missing"));
    server.stop().await;
}

#[tokio::test]
async fn a_join_token_is_shown_once_used_and_revoked() {
    let server = TestServer::start().await;
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/join-tokens").await.form_token();
    let token = token.as_str();
    let group = browser.send("/admin/groups", &[("form_token", token), ("name", "lab")]).await;
    let group = id_in(&group, "groups");
    for hours in ["0", "169", "soon"] {
        let wrong = [("form_token", token), ("note", "kept \"note\""), ("group", &group), ("hours", hours)];
        let refused = browser.send("/admin/join-tokens", &wrong).await;
        assert_eq!(refused.status, 422, "{hours}");
        assert!(refused.text.contains("kept &#34;note&#34;") && refused.text.contains("selected"), "{}", refused.text);
    }
    let make = async |note: &str| {
        let fields = [("form_token", token), ("note", note), ("group", &*group), ("hours", "24")];
        let shown = browser.send("/admin/join-tokens", &fields).await;
        assert_eq!((shown.status.as_u16(), shown.cache.as_str()), (200, "no-store"), "{}", shown.text);
        between(&shown.text, "aria-label=\"Join token\">", "</output>")
            .and_then(|rest| rest.rsplit_once('>').map(|(_, secret)| secret).or(Some(rest)))
            .unwrap()
            .to_owned()
    };
    let first = make("for <script>").await;
    assert!(first.starts_with("lapwing-join."), "{first}");
    let key = rcgen::KeyPair::generate().unwrap();
    let joined = server.join(&first, &key, "pc-1").await;
    assert_eq!(joined.status(), 200);
    let joined: proto::device::JoinAnswer = joined.json().await.unwrap();
    let second = make("never used").await;
    let list = browser.get("/admin/join-tokens").await;
    assert!(!list.text.contains("lapwing-join.") && !list.text.contains("<script>"), "shown once: {}", list.text);
    assert!(list.text.contains(&format!("/admin/devices/{}", joined.device)) && list.text.contains(">Used<"));
    let members = browser.get(&format!("/admin/groups/{group}")).await;
    assert!(members.text.contains("<bdi>pc-1</bdi>"), "the machine entered the token's group");
    let id = between(&list.text, "/admin/join-tokens/", "/revoke").unwrap().to_owned();
    let revoked = browser.send(&format!("/admin/join-tokens/{id}/revoke"), &[("form_token", token)]).await;
    assert_eq!(revoked.status, 303, "{}", revoked.text);
    assert!(browser.get("/admin/join-tokens").await.text.contains(">Revoked<"));
    let key = rcgen::KeyPair::generate().unwrap();
    assert_ne!(server.join(&second, &key, "pc-2").await.status(), 200);

    // Who may list may not make.
    let eve = person(&server, "eve", "Global Reader", None).await;
    let eve = Browser::sign_in_first(&server, &eve).await;
    let page = eve.get("/admin/join-tokens").await;
    assert!(page.text.contains("never used") && !page.text.contains("/revoke"));
    let refused = eve.send("/admin/join-tokens", &[("form_token", &page.form_token()), ("hours", "1")]).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "role_missing"));
    server.stop().await;
}

#[tokio::test]
async fn a_role_of_ones_own_is_ticked_together_given_for_a_group_and_explained() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (inside, outside) = (server.device("inside").await, server.device("outside").await);
    let browser = Browser::sign_in_first(&server, &server.administrator).await;
    let form = browser.get("/admin/roles/new").await;
    let token = form.form_token();
    let token = token.as_str();
    assert!(form.text.contains("Read passwords") && form.text.contains("Ask devices for a new password"));
    let read = "microsoft.directory/deviceLocalCredentials/password/read";
    let see = "microsoft.directory/devices/standard/read";
    let none = browser.send("/admin/roles/save", &[("form_token", token), ("name", "Reader <b>")]).await;
    assert_eq!(none.status, 422, "a role that allows nothing");
    assert!(none.text.contains("value=\"Reader &#60;b&#62;\""));
    let taken = [("form_token", token), ("name", "Global Reader"), ("action", see)];
    let taken = browser.send("/admin/roles/save", &taken).await;
    assert_eq!(taken.status, 422, "the name of a built-in one");
    assert!(taken.text.contains(&format!("value=\"{see}\" checked")), "what was ticked is kept");
    let made = [("form_token", token), ("name", "Desk reader"), ("action", read), ("action", see)];
    let made = browser.send("/admin/roles/save", &made).await;
    let role = id_in(&made, "roles");
    let page = browser.get(&format!("/admin/roles/{role}")).await;
    assert!(page.text.contains("List and see devices") && !page.text.contains("Make, change and assign policies"));
    assert!(page.text.contains("Nobody. Roles are given"));

    let group = browser.send("/admin/groups", &[("form_token", token), ("name", "berlin")]).await;
    let group = id_in(&group, "groups");
    let put = [("form_token", token), ("device", "inside")];
    assert_eq!(browser.send(&format!("/admin/groups/{group}/members"), &put).await.status, 303);
    let ada = person(&server, "ada", &role, Some("berlin")).await;
    let page = browser.get(&format!("/admin/roles/{role}")).await;
    assert!(page.text.contains("<bdi>ada</bdi>") && page.text.contains("<bdi>berlin</bdi>"), "{}", page.text);

    // Who may read, and by which path.
    let ask = async |device: &str, person: &str| {
        let query = serde_urlencoded::to_string([("device", device), ("person", person)]).unwrap();
        browser.get(&format!("/admin/readers?{query}")).await
    };
    let yes = ask("inside", "ada").await;
    assert!(yes.text.contains("May read") && yes.text.contains("Desk reader for the group berlin"), "{}", yes.text);
    let no = ask(&outside.id(), &ada.id.to_string()).await;
    assert!(no.text.contains("May not read") && no.text.contains("the device is not in it"), "{}", no.text);
    let all = ask(&inside.id(), "").await;
    assert!(all.text.contains("<bdi>ada</bdi>") && all.text.contains("<bdi>admin</bdi>"), "{}", all.text);
    assert!(!ask("outside", "").await.text.contains("<bdi>ada</bdi>"));
    for (device, person) in [("nowhere", ""), ("inside", "nobody"), ("", "ada"), ("inside", "\"><script>")] {
        let wrong = ask(device, person).await;
        assert_eq!(wrong.status, 422, "{device} {person}: {}", wrong.text);
        assert!(wrong.text.contains("role=\"alert\"") && !wrong.text.contains("<script>"));
    }

    // A change counts at once; a role that somebody has stays.
    let hers = Browser::sign_in_first(&server, &ada).await;
    assert_eq!(hers.get("/admin/devices").await.status, 200);
    let kept = browser.send(&format!("/admin/roles/{role}/delete"), &[("form_token", token)]).await;
    assert_eq!(kept.status, 422, "{}", kept.text);
    let form = browser.get(&format!("/admin/roles/{role}/edit")).await;
    assert!(form.text.contains(&format!("value=\"{read}\" checked")) && form.text.contains("value=\"Desk reader\""));
    let change = [("form_token", token), ("id", &*role), ("name", "Desk"), ("action", see)];
    assert_eq!(browser.send("/admin/roles/save", &change).await.status, 303);
    assert_eq!(hers.get("/admin/devices").await.status, 303, "she signs in again");
    assert!(ask("inside", "ada").await.text.contains("May not read"));
    let built_in =
        [("form_token", token), ("id", "62e90394-69f5-4237-9190-012177145e10"), ("name", "x"), ("action", see)];
    assert_eq!(browser.send("/admin/roles/save", &built_in).await.status, 422);
    let gone = browser.send(&format!("/admin/people/{}/delete", ada.id), &[("form_token", token)]).await;
    assert_eq!(gone.status, 303);
    assert_eq!(browser.send(&format!("/admin/roles/{role}/delete"), &[("form_token", token)]).await.status, 303);

    // Nobody gives what they do not hold.
    let people = ["lapwing.directory/people/write", "microsoft.directory/users/standard/read"];
    let people = [("form_token", token), ("name", "People"), ("action", people[0]), ("action", people[1])];
    assert_eq!(browser.send("/admin/roles/save", &people).await.status, 303);
    let bob = person(&server, "bob", "People", None).await;
    let bob = Browser::sign_in_first(&server, &bob).await;
    let token = bob.get("/admin/roles/new").await.form_token();
    let more = bob.send("/admin/roles/save", &[("form_token", &token), ("name", "more"), ("action", read)]).await;
    assert_eq!(more.status, 422, "{}", more.text);
    assert!(more.text.contains("which you do not hold yourself"), "{}", more.text);
    server.stop().await;
}

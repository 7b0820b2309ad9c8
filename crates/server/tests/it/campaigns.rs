//! Rotations of many devices, and the revocation of what a person was given, over real TLS.

use crate::harness::{Session, TestDevice, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use server::authz::{Caller, Job};

const CREDENTIALS: &str = "/v1.0/directory/deviceLocalCredentials";
const CAMPAIGNS: &str = "/v1.0/lapwing/campaigns";

/// The background work takes a step.
async fn step(server: &TestServer) {
    let job = Caller::system(Job::Campaigns);
    server.app.carry_campaigns(&job).await.unwrap();
    server.app.review_campaigns(&job).await.unwrap();
    server.app.carry_campaigns(&job).await.unwrap();
}

async fn read(who: &Session<'_>, device: &TestDevice<'_>) {
    who.get_ok(&format!("{CREDENTIALS}/{}?$select=credentials", device.id())).await;
}

async fn states(who: &Session<'_>, campaign: &str) -> Vec<(String, String, String)> {
    let devices = who.get_ok(&format!("{CAMPAIGNS}/{campaign}/devices")).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut rows: Vec<_> = devices["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(&one["name"]), text(&one["state"]), text(&one["reason"])))
        .collect();
    rows.sort();
    rows
}

fn row(name: &str, state: &str, reason: &str) -> (String, String, String) {
    (name.into(), state.into(), reason.into())
}

#[tokio::test]
async fn a_revocation_rotates_exactly_what_was_read_and_ends_with_a_record() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (open, safe, away, other) = (
        server.device("open").await,
        server.device("safe").await,
        server.device("away").await,
        server.device("other").await,
    );
    for (n, device) in [&open, &safe, &away, &other].into_iter().enumerate() {
        device.rotate(u8::try_from(n + 1).unwrap(), "first").await;
    }
    let admin = server.admin().await;
    let reader = server.program(Some("Cloud Device Administrator"), &[]).await;
    // A pending version is disclosed with the others.
    open.store(11, "pending when it was read").await;
    for device in [&open, &safe, &away] {
        read(&reader, device).await;
    }
    read(&admin, &other).await;
    safe.rotate(12, "changed since").await;
    let of_away = format!("/v1.0/devices/{}", away.id());
    assert_eq!(admin.ask(Method::PATCH, &of_away, Some(json!({"accountEnabled": false}))).await.status(), 204);

    let person = "program Some(\"Cloud Device Administrator\") []";
    let asked = json!({"person": person, "reason": "laptop stolen"});
    let (status, preview) = admin.post("/v1.0/lapwing/revocations/preview", asked.clone()).await;
    assert_eq!(status, 200, "{preview}");
    let numbers = ["devices", "safe", "toRotate", "refused"].map(|name| preview[name].as_u64().unwrap());
    assert_eq!((numbers, &preview["names"]), ([3, 1, 1, 1], &json!(["open"])));
    assert_eq!(preview["readers"][0]["enabled"], true);

    let (status, campaign) = admin.post("/v1.0/lapwing/revocations", asked).await;
    assert_eq!(status, 200, "{campaign}");
    let id = campaign["id"].as_str().unwrap();
    assert_eq!((&campaign["kind"], &campaign["about"]), (&json!("revoke"), &json!(person)));
    let expected =
        [row("away", "refused", "device_disabled"), row("open", "requested", ""), row("safe", "safe", "superseded")];
    assert_eq!(states(&admin, id).await, expected);

    // The version that was disclosed while pending is no answer; one that is stored now is.
    open.prove(11).await;
    step(&server).await;
    assert_eq!(states(&admin, id).await, expected);
    open.rotate(13, "new").await;
    step(&server).await;
    let shown = admin.get_ok(&format!("{CAMPAIGNS}/{id}")).await;
    assert_eq!(shown["counts"]["proven"], 1);
    assert!(shown["completedDateTime"].is_string(), "{shown}");
    let filtered = admin.get_ok(&format!("{CAMPAIGNS}/{id}/devices?$filter=state eq 'proven'")).await;
    assert_eq!(filtered["value"][0]["name"], "open");
    assert_eq!(filtered["value"][0]["version"], crate::harness::version(13).version.to_string());

    // The disabled one comes back: it is not forgotten.
    assert_eq!(admin.ask(Method::PATCH, &of_away, Some(json!({"accountEnabled": true}))).await.status(), 204);
    step(&server).await;
    assert_eq!(states(&admin, id).await[0], row("away", "requested", ""));
    away.rotate(14, "new").await;
    step(&server).await;
    assert!(admin.get_ok(&format!("{CAMPAIGNS}/{id}")).await["completedDateTime"].is_string());

    let log = admin.get_ok("/v1.0/lapwing/audit?$top=999").await;
    let named = |name: &str| {
        let all = log["value"].as_array().unwrap().iter();
        all.filter(|record| record["activity"].as_str().unwrap().starts_with(name)).collect::<Vec<_>>()
    };
    assert_eq!(named("Revoke disclosed").len(), 1);
    assert_eq!(named("Revoke disclosed")[0]["detail"]["reason"], "laptop stolen");
    let ends = named("Complete rotation");
    assert_eq!((ends.len(), &ends[0]["detail"]["counts"]["proven"]), (2, &json!(2)));
    let asked = named("Rotate device local administrator password");
    assert!(asked.iter().all(|record| record["detail"]["campaign"] == id), "{asked:?}");
    assert_eq!(asked.len(), 2);
    // Nothing of the other device, which another person read.
    assert!(asked.iter().all(|record| record["targets"][0]["name"] != "other"));
    server.stop().await;
}

#[tokio::test]
async fn many_devices_are_rotated_by_list_by_group_and_all_within_reach() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (one, two) = (server.device("one").await, server.device("two").await);
    let admin = server.admin().await;
    let (status, group) = admin.post("/v1.0/lapwing/groups", json!({"name": "lab"})).await;
    assert_eq!(status, 201);
    let add = format!("/v1.0/lapwing/groups/{}/members/{}", group["id"].as_str().unwrap(), one.id());
    assert_eq!(admin.ask(Method::PUT, &add, None).await.status(), 204);

    let (status, listed) = admin.post(CAMPAIGNS, json!({"devices": [one.id(), two.id()], "reason": "new image"})).await;
    assert_eq!((status.as_u16(), &listed["counts"]["requested"]), (200, &json!(2)), "{listed}");
    let (_, by_group) = admin.post(CAMPAIGNS, json!({"group": "lab"})).await;
    assert_eq!((&by_group["counts"]["requested"], &by_group["about"]), (&json!(1), &json!("lab")));
    let (_, all) = admin.post(CAMPAIGNS, json!({"all": true})).await;
    assert_eq!(all["counts"]["requested"], 2);
    // One proof answers all of them.
    one.rotate(1, "new").await;
    two.rotate(2, "new").await;
    step(&server).await;
    let shown = admin.get_ok(CAMPAIGNS).await;
    for campaign in shown["value"].as_array().unwrap() {
        assert!(campaign["completedDateTime"].is_string(), "{campaign}");
    }
    assert_eq!(shown["value"][0]["kind"], "all", "newest first");

    // Wrong use, and names that are not there.
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (body, code) in [
        (json!({}), "bad_campaign"),
        (json!({"all": true, "group": "lab"}), "bad_campaign"),
        (json!({"group": "no such"}), "group_unknown"),
        (json!({"devices": [unknown]}), "device_unknown"),
        (json!({"devices": ["<script>"]}), "device_unknown"),
        (json!({"all": true, "reason": "x".repeat(501)}), "bad_reason"),
        (json!({"all": true, "reason": "a\u{1b}[31m"}), "bad_reason"),
        (json!({"devices": vec!["x"; 5_001]}), "too_many_devices"),
    ] {
        let (status, answer) = admin.post(CAMPAIGNS, body).await;
        assert!(matches!(status.as_u16(), 400 | 404), "{answer}");
        assert_eq!(answer["error"]["innerError"]["code"], code, "{answer}");
    }
    let (status, answer) = admin.post("/v1.0/lapwing/revocations", json!({"person": "nobody"})).await;
    assert_eq!((status.as_u16(), &answer["error"]["innerError"]["code"]), (404, &json!("person_unknown")));
    assert_eq!(admin.get(&format!("{CAMPAIGNS}/{unknown}")).await.0, 404);

    // Who may not rotate may not see what others do either; who may only read the log sees it.
    let helpdesk = server.program(Some("Helpdesk Administrator"), &[]).await;
    assert_eq!(helpdesk.post(CAMPAIGNS, json!({"all": true})).await.0, 403);
    assert_eq!(helpdesk.post("/v1.0/lapwing/revocations", json!({"person": "admin"})).await.0, 403);
    assert_eq!(helpdesk.get(CAMPAIGNS).await.0, 403);
    let security = server.program(Some("Security Reader"), &[]).await;
    assert_eq!(security.get(CAMPAIGNS).await.0, 200);
    assert_eq!(security.post(CAMPAIGNS, json!({"all": true})).await.0, 403);
    server.stop().await;
}

#[tokio::test]
async fn the_programs_that_a_person_made_read_as_the_person_and_a_deleted_person_is_known() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (one, two, other) = (server.device("one").await, server.device("two").await, server.device("other").await);
    for (n, device) in [&one, &two, &other].into_iter().enumerate() {
        device.rotate(u8::try_from(n + 1).unwrap(), "first").await;
    }
    let admin = server.admin().await;
    let (status, made) = admin
        .post(
            "/v1.0/lapwing/users",
            json!({"userName": "mallory", "displayName": "Mallory", "role": "Global Administrator"}),
        )
        .await;
    assert_eq!(status, 201, "{made}");
    let made: proto::admin::CreatedUser = serde_json::from_value(made).unwrap();
    let token = server.first_sign_in(&made, "https://graph.microsoft.com/.default").await;
    let mallory = Session { server: &server, token: token.access_token.reveal().to_owned() };
    read(&mallory, &one).await;
    let new = json!({"displayName": "script", "role": "Cloud Device Administrator"});
    let (status, program) = mallory.post("/v1.0/lapwing/servicePrincipals", new).await;
    assert_eq!(status, 201, "{program}");
    let program = server.client_token(&serde_json::from_value(program).unwrap()).await;
    read(&program, &two).await;
    read(&admin, &other).await;

    let asked = json!({"person": "MALLORY"});
    let seen = async || admin.post("/v1.0/lapwing/revocations/preview", asked.clone()).await.1;
    let preview = seen().await;
    let names: Vec<&str> =
        preview["readers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((names, &preview["toRotate"]), (vec!["mallory", "script"], &json!(2)), "{preview}");
    // The person is deleted: the log still knows.
    let gone = admin.ask(Method::DELETE, &format!("/v1.0/lapwing/users/{}", made.id), None).await;
    assert_eq!(gone.status(), 204);
    let preview = seen().await;
    assert_eq!((&preview["toRotate"], &preview["readers"][0]["enabled"]), (&json!(2), &Value::Null), "{preview}");
    let (_, campaign) = admin.post("/v1.0/lapwing/revocations", asked).await;
    let id = campaign["id"].as_str().unwrap();
    assert_eq!(states(&admin, id).await, [row("one", "requested", ""), row("two", "requested", "")]);
    // Times that are the wrong way round, and ones before everything.
    let wrong = json!({"person": "mallory", "from": "2026-11-22T10:00:00Z", "until": "2026-11-22T10:00:00Z"});
    let (status, answer) = admin.post("/v1.0/lapwing/revocations", wrong).await;
    assert_eq!((status.as_u16(), &answer["error"]["innerError"]["code"]), (400, &json!("bad_times")));
    let before = json!({"person": "mallory", "until": "2000-01-01T00:00:00Z"});
    assert_eq!(admin.post("/v1.0/lapwing/revocations/preview", before).await.1["devices"], 0);
    server.stop().await;
}

#[tokio::test]
async fn a_rotation_is_called_off_and_what_is_proven_stays() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (done, open, asked) = (server.device("done").await, server.device("open").await, server.device("asked").await);
    for (n, device) in [&done, &open, &asked].into_iter().enumerate() {
        device.rotate(u8::try_from(n + 1).unwrap(), "first").await;
    }
    let admin = server.admin().await;
    let managed = |device: &TestDevice<'_>| format!("/v1.0/deviceManagement/managedDevices/{}", device.id());
    let results = async |device: &TestDevice<'_>| {
        let shown = admin.get_ok(&managed(device)).await;
        let newest = shown["deviceActionResults"][0].clone();
        (
            newest["actionState"].as_str().unwrap().to_owned(),
            newest["reasonCode"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let (_, campaign) = admin.post(CAMPAIGNS, json!({"all": true, "reason": "new image"})).await;
    assert_eq!(campaign["counts"]["requested"], 3, "{campaign}");
    let cancel = format!("{CAMPAIGNS}/{}/cancel", campaign["id"].as_str().unwrap());
    done.rotate(11, "second").await;
    // A person wants this one whatever becomes of the others.
    let own = admin.ask(Method::POST, &format!("{}/rotateLocalAdminPassword", managed(&asked)), None).await;
    assert!(own.status().is_success(), "{}", own.status());

    for role in ["Helpdesk Administrator", "Security Reader", "Cloud Device Administrator"] {
        let other = server.program(Some(role), &[]).await;
        assert_eq!(other.post(&cancel, json!({})).await.0, 403, "{role}");
    }
    let (status, wrong) = admin.post(&cancel, json!({"reason": "x".repeat(501)})).await;
    assert_eq!((status.as_u16(), &wrong["error"]["innerError"]["code"]), (400, &json!("bad_reason")));
    let unknown = "00000000-0000-4000-8000-000000000000";
    assert_eq!(admin.post(&format!("{CAMPAIGNS}/{unknown}/cancel"), json!({})).await.0, 404);

    let (status, off) = admin.post(&cancel, json!({"reason": "wrong machines"})).await;
    assert_eq!(status, 200, "{off}");
    assert_eq!((&off["counts"]["proven"], &off["counts"]["cancelled"]), (&json!(1), &json!(2)), "{off}");
    assert!(off["completedDateTime"].is_string() && off["cancelledDateTime"].is_string(), "{off}");
    assert!(off["cancelledBy"].is_string());
    let (status, again) = admin.post(&cancel, json!({})).await;
    assert_eq!((status.as_u16(), &again["error"]["innerError"]["code"]), (409, &json!("campaign_ended")));
    let id = campaign["id"].as_str().unwrap();
    let expected = [
        row("asked", "cancelled", "campaign_cancelled"),
        row("done", "proven", ""),
        row("open", "cancelled", "campaign_cancelled"),
    ];
    assert_eq!(states(&admin, id).await, expected);
    assert_eq!(results(&open).await, ("canceled".into(), "campaign_cancelled".into()));
    assert_eq!(results(&asked).await.0, "pending", "a person asked for it too");
    let told: Value = open.report(Some(2)).await.json().await.unwrap();
    assert!(told["rotate_requested"].is_null(), "{told}");
    step(&server).await;
    assert_eq!(states(&admin, id).await, expected, "it is over for good");

    let log = admin.get_ok("/v1.0/lapwing/audit?$top=999").await;
    let named = |name: &str| {
        let all = log["value"].as_array().unwrap().iter();
        all.filter(|record| record["activity"] == name).collect::<Vec<_>>()
    };
    let cancelled = named("Cancel rotation of device local administrator passwords");
    assert_eq!((cancelled.len(), &cancelled[0]["detail"]["reason"]), (1, &json!("wrong machines")));
    let closed = named("Close rotation request");
    assert_eq!((closed.len(), &closed[0]["detail"]["campaign"]), (1, &json!(id)), "{closed:?}");
    assert_eq!(named("Complete rotation of device local administrator passwords").len(), 1);

    // Of a group's administrators each calls off the own ones alone; a revocation only who may revoke.
    let rotator = json!({"displayName": "Rotator", "actions": [
        "microsoft.directory/devices/standard/read", "microsoft.intune/managedDevices/rotateLocalAdminPassword"]});
    assert_eq!(admin.post("/v1.0/lapwing/roles", rotator).await.0, 201);
    let rotator = server.program(Some("Rotator"), &[]).await;
    let (_, theirs) = rotator.post(CAMPAIGNS, json!({"devices": [open.id()]})).await;
    let cancel = format!("{CAMPAIGNS}/{}/cancel", theirs["id"].as_str().unwrap());
    assert_eq!(rotator.post(&cancel, json!({})).await.0, 200);
    read(&admin, &open).await;
    let (status, revocation) = admin.post("/v1.0/lapwing/revocations", json!({"person": "admin"})).await;
    assert_eq!(status, 200, "{revocation}");
    let cancel = format!("{CAMPAIGNS}/{}/cancel", revocation["id"].as_str().unwrap());
    assert_eq!(rotator.post(&cancel, json!({})).await.0, 404, "it may not see it either");
    assert_eq!(admin.post(&cancel, json!({})).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_rotation_is_called_off_on_its_page() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    let browser = crate::admin::Browser::sign_in_first(&server, &server.administrator).await;
    let token = browser.get("/admin/rotations").await.form_token();
    let all = [("form_token", token.as_str()), ("group", "all"), ("reason", "<b>by mistake")];
    let begun = browser.send("/admin/rotations", &all).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let place = begun.location.split('?').next().unwrap().to_owned();
    let page = browser.get(&place).await;
    assert!(page.text.contains("Call this rotation off") && page.text.contains("Under way"), "{}", page.text);
    let off = browser.send(&format!("{place}/cancel"), &[all[0], ("reason", "wrong machines")]).await;
    let page = browser.get(&off.location).await;
    assert!(
        page.text.contains("The rotation was called off") && page.text.contains(">Called off</span>"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("by <bdi>admin</bdi>. Devices that had not")
            && !page.text.contains("Call this rotation off")
    );
    let again = browser.send(&format!("{place}/cancel"), &all[..1]).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "campaign_ended"));
    server.stop().await;
}

#[tokio::test]
async fn a_name_that_was_given_again_takes_the_reads_of_before_along() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let (one, two) = (server.device("one").await, server.device("two").await);
    one.rotate(1, "first").await;
    two.rotate(2, "second").await;
    let admin = server.admin().await;
    let (mut ids, mut last) = (Vec::new(), String::new());
    for device in [&one, &two] {
        if !last.is_empty() {
            let gone = admin.ask(Method::DELETE, &format!("/v1.0/lapwing/users/{last}"), None).await;
            assert_eq!(gone.status(), 204);
        }
        let ada = crate::admin::person(&server, "ada", "LAPS Password Reader", None).await;
        let token = server.first_sign_in(&ada, "").await;
        read(&Session { server: &server, token: token.access_token.reveal().to_owned() }, device).await;
        last = ada.id.to_string();
        ids.push(last.clone());
    }
    let preview =
        async |person: &str| admin.post("/v1.0/lapwing/revocations/preview", json!({"person": person})).await.1;
    let by_name = preview("Ada").await;
    let mut readers: Vec<_> =
        by_name["readers"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    readers.sort();
    ids.sort();
    assert_eq!((&readers, &by_name["toRotate"]), (&ids, &json!(2)), "{by_name}");
    assert_eq!(preview(&last).await["toRotate"], 1, "by id it is one person");
    server.stop().await;
}

#[tokio::test]
async fn every_program_of_a_person_is_taken_in() {
    use server::authz::{Assignment, BuiltIn, Identity, Origin, Principal, RoleScope, Scopes};
    const PROGRAMS: usize = 501;
    let server = TestServer::start().await;
    let admin = Caller::new(
        Identity::User(Principal {
            id: server.administrator.id,
            name: "admin".into(),
            assignments: vec![Assignment { role: BuiltIn::GlobalAdministrator.into(), scope: RoleScope::Tenant }],
            scopes: Scopes::all(),
            epoch: 1,
            client_id: "test".into(),
        }),
        Origin::internal("test"),
    );
    let mut made = tokio::task::JoinSet::new();
    for number in 0..PROGRAMS {
        let (app, admin) = (std::sync::Arc::clone(&server.app), admin.clone());
        made.spawn(async move {
            let new = serde_json::from_value(json!({"displayName": format!("program {number}")})).unwrap();
            app.create_service_principal(&admin, &new).await.unwrap().client_id
        });
    }
    made.join_all().await;
    let asked = serde_json::from_value(json!({"person": "admin"})).unwrap();
    let preview = server.app.preview_revocation(&admin, &asked).await.unwrap();
    assert_eq!(preview.readers.len(), PROGRAMS + 1, "the person, and every program");
    server.stop().await;
}

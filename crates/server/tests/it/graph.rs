//! The Graph-compatible routes: shapes, reading passwords, who may, paging, errors.

use crate::harness::{Session, TestServer};
use base64::{Engine, engine::general_purpose::STANDARD};
use proto::device::StoreAnswer;
use reqwest::Method;
use serde_json::{Value, json};

const CREDENTIALS: &str = "/v1.0/directory/deviceLocalCredentials";

#[tokio::test]
async fn a_password_is_read_best_first_and_only_when_selected() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    device.rotate(2, "zweites-ü").await;
    let third: StoreAnswer = device.store(3, "third").await.json().await.unwrap();
    let reader = server.program(Some("Cloud Device Administrator"), &[]).await;
    let id = device.id();
    for path in ["/v1.0/directory", "/beta/directory", "/v1.0", "/beta"] {
        let base = format!("{path}/deviceLocalCredentials");
        let list = reader.get_ok(&format!("{base}?$select=credentials")).await;
        assert_eq!(list["value"][0]["id"], id);
        assert!(list["value"][0].get("credentials").is_none(), "never with the list");
        let one = reader.get_ok(&format!("{base}/{}", id.to_uppercase())).await;
        assert!(one.get("credentials").is_none() && one.get("value").is_none(), "flat: {one}");
        let read = reader.get_ok(&format!("{base}/{id}?$select=Credentials")).await;
        let states: Vec<&str> =
            read["credentials"].as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
        // The live set: what the device last said is installed (a proof says so too), then what is pending.
        assert_eq!(states, ["current", "pending", "superseded"]);
        assert_eq!(read["credentials"][0]["passwordBase64"], STANDARD.encode("zweites-ü"));
        for one in read["credentials"].as_array().unwrap() {
            assert_eq!(one["accountName"], "root", "a candidate shows its own name");
        }
        assert_eq!(read["credentials"][0]["proof"], "verifier");
        assert!(
            read["credentials"][0]["setDateTime"].is_string() && read["credentials"][0]["provenDateTime"].is_string()
        );
        assert!(
            read["credentials"][1].get("proof").is_none() && read["credentials"][1].get("provenDateTime").is_none()
        );
        assert_eq!(read["credentials"][1]["backupDateTime"], third.stored_at.to_string(), "when it was stored");
        assert_eq!(read["credentials"][0]["accountSid"], "S-1-22-1-0");
        assert_eq!(read["deviceName"], "pc-1");
        assert!(read["refreshDateTime"].is_string() && read["lastBackupDateTime"].is_string());
    }
    let keyed = reader.get_ok(&format!("/v1.0/directory/deviceLocalCredentials('{id}')?%24select=credentials")).await;
    assert_eq!(keyed["credentials"][1]["passwordBase64"], STANDARD.encode("third"));
    server.stop().await;
}

#[tokio::test]
async fn every_reading_is_in_the_audit_log_with_the_versions_and_refusals_too() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    let reader = server.program(Some("Cloud Device Administrator"), &[]).await;
    let helpdesk = server.program(Some("Helpdesk Administrator"), &[]).await;
    let select = format!("{CREDENTIALS}/{}?$select=credentials", device.id());
    let answer = server
        .http
        .get(server.at(&select))
        .bearer_auth(&reader.token)
        .header("client-request-id", "6f9619ff-8b86-d011-b42d-00c04fc964ff")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["client-request-id"], "6f9619ff-8b86-d011-b42d-00c04fc964ff");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["content-type"], proto::graph::CONTENT_TYPE);
    assert!(answer.headers().contains_key("request-id"));
    assert_eq!(helpdesk.get(&select).await.0, 403);
    assert_eq!(helpdesk.get(&format!("{CREDENTIALS}/{}", device.id())).await.0, 200, "metadata only");

    let admin = server.admin().await;
    let filter = "$filter=startswith(activityDisplayName,'Recover') and category eq 'Device'";
    let audits = admin.get_ok(&format!("/v1.0/auditLogs/directoryAudits?{filter}")).await;
    let [refused, done] = audits["value"].as_array().unwrap().as_slice() else { panic!("{audits}") };
    assert_eq!((&refused["result"], &refused["resultReason"]), (&json!("failure"), &json!("role_missing")));
    assert_eq!(done["activityDisplayName"], "Recover device local administrator password");
    assert_eq!(done["resultReason"], "Successfully recovered local credential by device id");
    assert_eq!(done["correlationId"], "6f9619ff-8b86-d011-b42d-00c04fc964ff");
    assert_eq!(done["loggedByService"], "Device Registration Service");
    assert_eq!(done["targetResources"][0]["displayName"], "pc-1");
    let details = done["additionalDetails"].as_array().unwrap();
    assert!(details.contains(&json!({"key": "User-Agent", "value": "lapwing-tests/1"})), "{details:?}");
    assert!(details.iter().any(|detail| detail["key"] == "Version"), "{details:?}");
    let chained = admin.get_ok("/v1.0/lapwing/audit?$top=999").await;
    let records = chained["value"].as_array().unwrap();
    let sequences: Vec<u64> = records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.windows(2).all(|pair| pair[0] == pair[1] + 1), "no gap: {sequences:?}");
    server.stop().await;
}

#[tokio::test]
async fn reading_without_user_agent_is_refused() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let device = server.device("pc-1").await;
    device.rotate(1, "first").await;
    let reader = server.program(None, &["DeviceLocalCredential.Read.All"]).await;
    let answer = server
        .http
        .get(server.at(&format!("{CREDENTIALS}/{}?$select=credentials", device.id())))
        .bearer_auth(&reader.token)
        .header("user-agent", "")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"]["code"], "invalid_request");
    assert_eq!(body["error"]["message"], "Parameter (User-Agent) is required but missing from headers");
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_in_graphs_shape() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let reader = server.program(Some("Cloud Device Administrator"), &[]).await;
    for (path, status, code, own) in [
        (format!("{CREDENTIALS}/{}", device.id()), 404, "Request_ResourceNotFound", "no_password"),
        (
            format!("{CREDENTIALS}/00000000-0000-4000-8000-000000000000"),
            404,
            "Request_ResourceNotFound",
            "device_unknown",
        ),
        (format!("{CREDENTIALS}/x"), 404, "Request_ResourceNotFound", "device_unknown"),
        ("/v1.0/devices?$filter=displayName like 'x'".into(), 400, "Request_BadRequest", "bad_query"),
        ("/v1.0/devices?$filter=secret eq 'x'&$top=5".into(), 400, "Request_BadRequest", "bad_filter"),
        ("/v1.0/devices?$orderby=displayName".into(), 400, "Request_BadRequest", "bad_orderby"),
        ("/v1.0/devices?$orderby=id desc".into(), 400, "Request_BadRequest", "bad_orderby"),
        (format!("{CREDENTIALS}?$orderby=lastBackupDateTime desc"), 400, "Request_BadRequest", "bad_orderby"),
        ("/v1.0/deviceManagement/managedDevices?orderby=x".into(), 400, "Request_BadRequest", "bad_orderby"),
        (format!("{CREDENTIALS}?$search=\"deviceName:pc\""), 400, "Request_BadRequest", "bad_query"),
        ("/v1.0/devices?search=pc".into(), 400, "Request_BadRequest", "bad_query"),
        ("/v1.0/lapwing/groups?$filter=name eq 'x'".into(), 400, "Request_BadRequest", "bad_query"),
        ("/v1.0/devices?$skiptoken=AAAA".into(), 400, "Request_BadRequest", "bad_skiptoken"),
        ("/v1.0/auditLogs/directoryAudits".into(), 403, "Authorization_RequestDenied", "role_missing"),
        ("/v1.0/applications".into(), 404, "Request_ResourceNotFound", "no_such_route"),
    ] {
        let (found, body) = reader.get(&path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert_eq!(
            (&body["error"]["code"], &body["error"]["innerError"]["code"]),
            (&json!(code), &json!(own)),
            "{path}"
        );
    }
    let wrong = reader.ask(Method::POST, "/v1.0/devices", Some(json!({}))).await;
    assert_eq!(wrong.status(), 405);
    assert_eq!(wrong.json::<Value>().await.unwrap()["error"]["innerError"]["code"], "wrong_method");
    let nobody = server.http.get(server.at("/v1.0/devices")).send().await.unwrap();
    assert_eq!((nobody.status().as_u16(), nobody.headers()["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    server.stop().await;
}

#[tokio::test]
async fn lists_page_by_signed_links_and_filter() {
    let server = TestServer::start().await;
    for name in ["pc-1", "pc-2", "O'Brien"] {
        server.device(name).await;
    }
    let reader = server.program(Some("Helpdesk Administrator"), &[]).await;
    let mut names = Vec::new();
    let mut path = "/v1.0/devices?$top=1&$select=displayName".to_owned();
    loop {
        let page = reader.get_ok(&path).await;
        names.extend(
            page["value"].as_array().unwrap().iter().map(|one| one["displayName"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["@odata.nextLink"].as_str() else { break };
        path = next.strip_prefix(&server.url).expect("on the host that was used").to_owned();
        assert!(path.contains("select=displayName"), "{path}");
    }
    names.sort();
    assert_eq!(names, ["O'Brien", "pc-1", "pc-2"]);
    // The first page counts all of them, through the filter.
    for (list, count) in [
        ("/v1.0/devices?$top=1", 3),
        ("/v1.0/devices?$top=1&$orderby=id&$filter=startswith(displayName,'pc')", 2),
        ("/v1.0/deviceManagement/managedDevices?$top=2", 3),
    ] {
        let first = reader.get_ok(&format!("{list}&$count=true")).await;
        assert_eq!(first["@odata.count"], count, "{list}");
        let next = first["@odata.nextLink"].as_str().unwrap().strip_prefix(&server.url).unwrap();
        assert!(reader.get_ok(next).await.get("@odata.count").is_none(), "{list}");
    }
    let found = reader.get_ok("/v1.0/devices?$filter=DisplayName eq 'o''brien'&$count=true").await;
    assert_eq!((&found["@odata.count"], &found["value"][0]["displayName"]), (&json!(1), &json!("O'Brien")));
    let id = found["value"][0]["id"].as_str().unwrap();
    let by_id = reader.get_ok(&format!("/v1.0/devices(deviceId='{id}')")).await;
    assert_eq!(by_id["displayName"], "O'Brien");
    let managed =
        reader.get_ok(&format!("/v1.0/deviceManagement/managedDevices?$filter=azureADDeviceId eq '{id}'")).await;
    assert_eq!(managed["value"][0]["deviceName"], "O'Brien");
    assert_eq!(managed["value"][0]["operatingSystem"], "debian");
    server.stop().await;
}

/// A tombstone is gone for Graph; Lapwing's own filter and route reach it.
#[tokio::test]
async fn a_deleted_device_is_not_there() {
    let server = TestServer::start().await;
    let id = server.device("pc-1").await.id();
    let admin = server.admin().await;
    let path = format!("/v1.0/devices/{id}");
    assert_eq!(admin.get_ok(&path).await["displayName"], "pc-1");
    assert_eq!(admin.ask(Method::DELETE, &path, None).await.status(), 204);
    let refused = async |method: Method, path: &str, body: Option<Value>| {
        let answer = admin.ask(method, path, body).await;
        assert_eq!(answer.status(), 404, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"]["code"], "Request_ResourceNotFound");
        assert_eq!(body["error"]["innerError"]["code"], "device_deleted");
        assert!(body["error"]["message"].as_str().unwrap().contains("restore"), "{body}");
    };
    refused(Method::GET, &path, None).await;
    refused(Method::GET, &format!("/v1.0/deviceManagement/managedDevices/{id}"), None).await;
    refused(Method::PATCH, &path, Some(json!({"accountEnabled": false}))).await;
    refused(Method::DELETE, &path, None).await;
    assert_eq!(admin.get_ok("/v1.0/devices").await["value"], json!([]));
    let deleted = admin.get_ok(&format!("/v1.0/devices?$filter=id eq '{id}' and state eq 'deleted'")).await;
    assert_eq!(deleted["value"][0]["state"], "deleted");
    assert_eq!(admin.post(&format!("/v1.0/lapwing/devices/{id}/restore"), json!({})).await.0, 200);
    assert_eq!(admin.get_ok(&path).await["state"], "enabled");
    server.stop().await;
}

#[tokio::test]
async fn the_switch_is_off_until_a_person_turns_it_on() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let path = "/beta/policies/deviceRegistrationPolicy";
    let mut policy = admin.get_ok(path).await;
    assert_eq!(policy["localAdminPassword"]["isEnabled"], false);
    policy["localAdminPassword"]["isEnabled"] = true.into();
    policy["userDeviceQuota"] = 50.into();
    let put = async |session: &Session<'_>, body: Value| session.ask(Method::PUT, path, Some(body)).await;
    assert_eq!(put(&admin, policy.clone()).await.status(), 200);
    assert_eq!(admin.get_ok(path).await["userDeviceQuota"], 50);
    assert_eq!(admin.get_ok("/v1.0/lapwing/settings").await["lapsEnabled"], true);
    let intune = server.program(Some("Intune Administrator"), &[]).await;
    assert_eq!(put(&intune, policy).await.status(), 403);
    // The resource is replaced: what is left out gets its default.
    assert_eq!(put(&admin, json!({})).await.status(), 200);
    assert_eq!(admin.get_ok(path).await["localAdminPassword"]["isEnabled"], false);
    server.stop().await;
}

#[tokio::test]
async fn a_role_for_a_group_reaches_its_devices_only() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let mine = server.device("mine").await;
    let other = server.device("other").await;
    mine.rotate(1, "first").await;
    other.rotate(1, "first").await;
    let admin = server.admin().await;
    let (status, group) = admin.post("/v1.0/lapwing/groups", json!({"name": "Kiosks"})).await;
    assert_eq!(status, 201, "{group}");
    let member = format!("/v1.0/lapwing/groups/kiosks/members/{}", mine.id());
    assert_eq!(admin.ask(Method::PUT, &member, None).await.status(), 204);
    let (status, made) = admin
        .post(
            "/v1.0/lapwing/servicePrincipals",
            json!({"displayName": "kiosk tool", "role": "Cloud Device Administrator", "group": "Kiosks"}),
        )
        .await;
    assert_eq!(status, 201, "{made}");
    let tool = server.client_token(&serde_json::from_value(made).unwrap()).await;
    let read = |id: String| format!("{CREDENTIALS}/{id}?$select=credentials");
    assert_eq!(tool.get(&read(mine.id())).await.0, 200);
    let (status, body) = tool.get(&read(other.id())).await;
    assert_eq!(
        (status.as_u16(), &body["error"]["innerError"]["code"]),
        (404, &json!("device_unknown")),
        "as one that is not there"
    );
    for list in [CREDENTIALS, "/v1.0/devices", "/v1.0/deviceManagement/managedDevices"] {
        let found = tool.get_ok(list).await;
        assert_eq!(found["value"].as_array().unwrap().len(), 1, "{list}: {found}");
    }
    server.stop().await;
}

#[tokio::test]
async fn policies_are_checked_assigned_and_explained() {
    let server = TestServer::start().await;
    let device = server.device("pc-1").await;
    let admin = server.admin().await;
    let bad = json!({"name": "Base", "settings": {"BackupDirectory": 7, "NoSuch": 1}});
    let (status, body) = admin.post("/v1.0/lapwing/policies", bad).await;
    assert_eq!((status.as_u16(), &body["error"]["innerError"]["code"]), (400, &json!("policy_refused")));
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("BackupDirectory") && message.contains("NoSuch"), "{message}");
    let (_, made) =
        admin.post("/v1.0/lapwing/policies", json!({"name": "Base", "settings": {"BackupDirectory": 1}})).await;
    assert_eq!(made["version"], 1);
    let (_, made) = admin
        .post(
            "/v1.0/lapwing/policies",
            json!({"name": "base", "settings": {"BackupDirectory": 1, "PasswordLength": 20}}),
        )
        .await;
    assert_eq!(made["version"], 2);
    let (status, assigned) = admin.post("/v1.0/lapwing/policies/base/assign", json!({"group": "all"})).await;
    assert_eq!((status.as_u16(), &assigned["groups"]), (200, &json!(["all"])));
    let policy = admin.get_ok(&format!("/v1.0/lapwing/devices/{}/policy", device.id())).await;
    assert_eq!(policy["assigned"][0]["settings"]["PasswordLength"], 20);
    let why = |name: &str| format!("/v1.0/lapwing/devices/{name}/explain");
    assert_eq!(admin.get_ok(&why("pc-1")).await["code"], "laps_disabled");
    server.switch_on().await;
    assert_eq!(admin.get_ok(&why("pc-1")).await["code"], "policy_not_delivered");
    assert_eq!(admin.get_ok(&why("pc-9")).await["code"], "device_unknown");
    server.stop().await;
}

//! Roles that people make, groups by filter, and who may read what by which path.

use crate::harness::{Session, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

fn code(answer: &Value) -> &str {
    answer["error"]["innerError"]["code"].as_str().unwrap_or_default()
}

async fn program<'a>(server: &'a TestServer, admin: &Session<'_>, new: Value) -> (String, Session<'a>) {
    let (status, made) = admin.post("/v1.0/lapwing/servicePrincipals", new).await;
    assert_eq!(status, 201, "{made}");
    let id = made["clientId"].as_str().unwrap().to_owned();
    (id, server.client_token(&serde_json::from_value(made).unwrap()).await)
}

#[tokio::test]
async fn a_way_to_a_password_is_named_and_so_is_one_that_is_closed() {
    let server = TestServer::start().await;
    server.switch_on().await;
    let admin = server.admin().await;
    let (till, office) = (server.device("kasse-01").await, server.device("office-01").await);
    till.rotate(1, "of-the-till").await;
    office.rotate(2, "of-the-office").await;
    let group = json!({"name": "Tills", "filter": {"name": "KASSE-*"}});
    assert_eq!(admin.post("/v1.0/lapwing/groups", group).await.0, 201);
    let role = json!({"displayName": "Till reader", "actions": [
        "microsoft.directory/devices/standard/read",
        "microsoft.directory/deviceLocalCredentials/password/read",
    ]});
    let (status, role) = admin.post("/v1.0/lapwing/roles", role).await;
    assert_eq!(status, 201, "{role}");
    let new = json!({"displayName": "kiosk", "role": "till READER", "group": "Tills"});
    let (id, reader) = program(&server, &admin, new).await;
    let new = json!({"displayName": "export", "permissions": ["DeviceLocalCredential.Read.All"]});
    let (export, _) = program(&server, &admin, new).await;

    let read = |device: &str| format!("/v1.0/directory/deviceLocalCredentials/{device}?$select=credentials");
    assert_eq!(reader.get(&read(&till.id())).await.0, 200);
    assert_eq!(reader.get(&read(&office.id())).await.0, 404);
    let explain = |id: &str, device: &str| format!("/v1.0/lapwing/access/{id}/{device}");
    let open = admin.get_ok(&explain(&id, &till.id())).await;
    assert_eq!(open["mayRead"], true);
    assert_eq!(open["because"], "Till reader for the group Tills, whose filter the device fits");
    assert_eq!(open["paths"][0]["filter"]["name"], "KASSE-*");
    let closed = admin.get_ok(&explain(&id, &office.id())).await;
    assert_eq!(closed["mayRead"], false);
    let why = closed["paths"][0]["because"].as_str().unwrap();
    assert_eq!(why, "Till reader would allow it, but only for the group Tills, and the device is not in it");
    let by_permission = admin.get_ok(&explain(&export, &office.id())).await;
    assert_eq!(by_permission["paths"][0]["permission"], "DeviceLocalCredential.Read.All");
    let readers = async |device: &str| {
        let found = admin.get_ok(&format!("/v1.0/lapwing/devices/{device}/readers")).await;
        let mut names: Vec<String> =
            found["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(readers(&till.id()).await, ["admin", "export", "kiosk"]);
    assert_eq!(readers(&office.id()).await, ["admin", "export"]);

    // What a rule of the group asks for stands beside the right, and that it shuts programs out.
    assert_eq!(open["asked"], Value::Null);
    let rule = json!({"reasonRequired": true, "approvals": 1});
    let set = admin.ask(Method::PUT, "/v1.0/lapwing/groups/Tills/readingRule", Some(rule)).await;
    assert_eq!(set.status(), 200);
    let ruled = admin.get_ok(&explain(&id, &till.id())).await;
    assert_eq!((&ruled["mayRead"], &ruled["asked"][0]), (&json!(true), &json!("a reason")));
    assert!(ruled["asked"][1].as_str().unwrap().contains("programs are refused"), "{ruled}");
    assert_eq!(admin.get_ok(&explain(&id, &office.id())).await["asked"], Value::Null, "of no group with a rule");
    let all = admin.get_ok(&format!("/v1.0/lapwing/devices/{}/readers", till.id())).await;
    let person = all["value"].as_array().unwrap().iter().find(|one| one["kind"] == "user").unwrap();
    assert_eq!(person["asked"], json!(["a reason", "the approval of one other person"]));
    let told = admin.get_ok(&format!("/v1.0/lapwing/devices/{}/explain", till.id())).await;
    let last = told["links"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["name"], "person_may_read");
    if last["state"] == "holds" {
        assert!(last["text"].as_str().unwrap().contains("a rule of its groups also asks for a reason"), "{told}");
    }
    assert_eq!(admin.ask(Method::DELETE, "/v1.0/lapwing/groups/Tills/readingRule", None).await.status(), 204);

    // The filter changes, and so does what may be read, at once.
    let change = json!({"filter": {"name": "office-*"}});
    let changed = admin.ask(Method::PATCH, "/v1.0/lapwing/groups/Tills", Some(change)).await;
    assert_eq!(changed.status(), 200);
    assert_eq!(reader.get(&read(&till.id())).await.0, 404);
    assert_eq!(reader.get(&read(&office.id())).await.0, 200);
    let put_in = format!("/v1.0/lapwing/groups/Tills/members/{}", till.id());
    let answer = admin.ask(Method::PUT, &put_in, None).await;
    assert_eq!(answer.status(), 409);
    assert_eq!(code(&answer.json().await.unwrap()), "group_is_filtered");

    // A role that allows something else voids the tokens of those who have it, and stays while it is had.
    let path = format!("/v1.0/lapwing/roles/{}", role["id"].as_str().unwrap());
    assert_eq!(admin.ask(Method::DELETE, &path, None).await.status(), 409);
    let less = json!({"actions": ["microsoft.directory/devices/standard/read"]});
    assert_eq!(admin.ask(Method::PATCH, &path, Some(less)).await.status(), 200);
    assert_eq!(reader.get(&read(&office.id())).await.0, 401);
    assert_eq!(admin.get_ok(&explain(&id, &office.id())).await["mayRead"], false);
    server.stop().await;
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_hold() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let role = json!({"displayName": "People manager", "actions": [
        "lapwing.directory/people/write",
        "microsoft.directory/users/standard/read",
        "microsoft.directory/devices/standard/read",
    ]});
    assert_eq!(admin.post("/v1.0/lapwing/roles", role).await.0, 201);
    let (_, manager) = program(&server, &admin, json!({"displayName": "m", "role": "People manager"})).await;
    let (other, _) = program(&server, &admin, json!({"displayName": "o"})).await;
    let refused = async |path: &str, body: Value| {
        let (status, answer) = manager.post(path, body.clone()).await;
        assert_eq!((status.as_u16(), code(&answer)), (403, "more_than_you_hold"), "{path} {body}");
    };
    let give = |role: &str| json!({"principal": other, "role": role});
    refused("/v1.0/lapwing/roleAssignments", give("Global Administrator")).await;
    refused("/v1.0/lapwing/roleAssignments", give("LAPS Password Reader")).await;
    refused("/v1.0/lapwing/users", json!({"userName": "eve", "role": "Global Administrator"})).await;
    let permissions = json!({"displayName": "e", "permissions": ["DeviceLocalCredential.Read.All"]});
    refused("/v1.0/lapwing/servicePrincipals", permissions).await;
    let action = "microsoft.directory/deviceLocalCredentials/password/read";
    refused("/v1.0/lapwing/roles", json!({"displayName": "x", "actions": [action]})).await;
    // Power over somebody who may do more is refused too: a new one-time secret would be the account.
    let id = server.administrator.id;
    for act in ["oneTimeSecret", "disable"] {
        refused(&format!("/v1.0/lapwing/users/{id}/{act}"), json!(null)).await;
    }
    for act in ["totp", "passkeys"] {
        let answer = manager.ask(Method::DELETE, &format!("/v1.0/lapwing/users/{id}/{act}"), None).await;
        assert_eq!(answer.status(), 403, "{act}");
    }
    refused(&format!("/v1.0/lapwing/users/{id}/unlock"), json!(null)).await;
    // A program's permissions are held as its roles are: a key of one's own would be the program.
    let reads = json!({"displayName": "r", "permissions": ["DeviceLocalCredential.Read.All"]});
    let (reads, _) = program(&server, &admin, reads).await;
    let key = json!({"name": "k", "pem": rcgen::KeyPair::generate().unwrap().public_key_pem()});
    refused(&format!("/v1.0/lapwing/servicePrincipals/{reads}/keys"), key.clone()).await;
    let gone = manager.ask(Method::DELETE, &format!("/v1.0/lapwing/servicePrincipals/{reads}"), None).await;
    assert_eq!(gone.status(), 403);
    let (status, answer) = manager.post(&format!("/v1.0/lapwing/servicePrincipals/{other}/keys"), key).await;
    assert_eq!(status, 201, "of one that may do nothing: {answer}");
    assert_eq!(manager.post("/v1.0/lapwing/roleAssignments", give("People manager")).await.0, 204);
    for (body, expected) in [
        (json!({"displayName": "global administrator", "actions": [action]}), "bad_name"),
        (json!({"displayName": "x", "actions": []}), "action_unknown"),
        (json!({"displayName": "x", "actions": ["lapwing.device/self"]}), "action_unknown"),
        (json!({"displayName": "x".repeat(4_000), "actions": [action]}), "bad_name"),
    ] {
        let (status, answer) = admin.post("/v1.0/lapwing/roles", body).await;
        assert_eq!((status.as_u16(), code(&answer)), (400, expected));
    }
    let (status, answer) = admin.post("/v1.0/lapwing/groups", json!({"name": "g", "filter": {}})).await;
    assert_eq!((status.as_u16(), code(&answer)), (400, "bad_filter"));
    server.stop().await;
}

#[tokio::test]
async fn nobody_widens_the_group_that_their_own_role_is_for() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let (mine, other) = (server.device("mine").await, server.device("other").await);
    for group in [json!({"name": "own"}), json!({"name": "free"}), json!({"name": "fit", "filter": {"name": "m*"}})] {
        assert_eq!(admin.post("/v1.0/lapwing/groups", group).await.0, 201);
    }
    let role = json!({"displayName": "Group keeper", "actions": [
        "lapwing.directory/deviceGroups/write",
        "lapwing.directory/deviceGroups/read",
        "microsoft.directory/devices/standard/read",
    ]});
    assert_eq!(admin.post("/v1.0/lapwing/roles", role).await.0, 201);
    let (_, made) =
        admin.post("/v1.0/lapwing/servicePrincipals", json!({"displayName": "k", "role": "Group keeper"})).await;
    for group in ["own", "fit"] {
        let role = json!({"principal": made["clientId"], "role": "LAPS Password Reader", "group": group});
        assert_eq!(admin.post("/v1.0/lapwing/roleAssignments", role).await.0, 204);
    }
    let keeper = server.client_token(&serde_json::from_value(made).unwrap()).await;
    let member = |group: &str, device: &str| format!("/v1.0/lapwing/groups/{group}/members/{device}");
    let put = async |who: &Session<'_>, group: &str, device: &str| {
        let answer = who.ask(Method::PUT, &member(group, device), None).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let refused = put(&keeper, "own", &other.id()).await;
    assert_eq!((refused.0, code(&refused.1)), (403, "more_than_you_hold"));
    let filter = json!({"name": "renamed", "filter": {"name": "*"}});
    let answer = keeper.ask(Method::PATCH, "/v1.0/lapwing/groups/fit", Some(filter.clone())).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(code(&answer.json().await.unwrap()), "more_than_you_hold");
    let groups = keeper.get_ok("/v1.0/lapwing/groups").await.to_string();
    assert!(groups.contains("\"fit\"") && !groups.contains("renamed"), "nothing of it was done: {groups}");
    // Groups for which they hold nothing, names, and taking out are theirs; and who holds it everywhere does it all.
    assert_eq!(put(&keeper, "free", &other.id()).await.0, 204);
    assert_eq!(put(&admin, "own", &mine.id()).await.0, 204);
    assert_eq!(keeper.ask(Method::DELETE, &member("own", &mine.id()), None).await.status(), 204);
    let renamed = keeper.ask(Method::PATCH, "/v1.0/lapwing/groups/own", Some(json!({"name": "tills"}))).await;
    assert_eq!(renamed.status(), 200);
    assert_eq!(admin.ask(Method::PATCH, "/v1.0/lapwing/groups/fit", Some(filter)).await.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn who_may_not_export_does_not_choose_who_gets_the_archives() {
    let server = TestServer::start().await;
    let admin = server.admin().await;
    let role = json!({"displayName": "Operator", "actions": ["lapwing.server/settings/write", "lapwing.server/settings/read"]});
    assert_eq!(admin.post("/v1.0/lapwing/roles", role).await.0, 201);
    let (_, operator) = program(&server, &admin, json!({"displayName": "o", "role": "Operator"})).await;
    let change = async |body: Value| {
        let answer = operator.ask(Method::PUT, "/v1.0/lapwing/settings", Some(body)).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let own = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    let refused = change(json!({"escrowRecipients": [own], "escrowIntervalDays": 1})).await;
    assert_eq!((refused.0, code(&refused.1)), (403, "role_missing"), "{}", refused.1);
    // The form sends them as they are.
    let same = change(json!({"escrowRecipients": [], "unresolvedMax": 7})).await;
    assert_eq!(same.0, 200, "{}", same.1);
    let set = json!({"escrowRecipients": [own], "escrowIntervalDays": 1});
    assert_eq!(admin.ask(Method::PUT, "/v1.0/lapwing/settings", Some(set)).await.status(), 200);
    assert_eq!(change(json!({"escrowRecipients": []})).await.0, 403, "taking one out is choosing, too");
    assert_eq!(change(json!({"escrowRecipients": [own], "unresolvedMax": 8})).await.0, 200);
    server.stop().await;
}

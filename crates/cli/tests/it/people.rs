//! People, roles, groups and what they sign in with on the command line, against a real server.

use crate::{
    program::{Home, Run},
    world::World,
};
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

const PASSWORD: &str = "correct horse battery staple\n";
const SEE: &str = "microsoft.directory/devices/standard/read";
const READ: &str = "microsoft.directory/deviceLocalCredentials/password/read";

fn refused(run: &Run, code: &str) {
    assert_ne!(run.status, 0, "{run:?}");
    assert!(run.err.contains(&format!("code: {code}")), "{code} {run:?}");
    assert_eq!(run.out, "", "{run:?}");
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run:?}"))
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// A generator of one-time codes, written anew from RFC 4226 and 6238.
fn one_time_code(secret: &str) -> String {
    let mut bits = String::new();
    for letter in secret.bytes() {
        let value = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|known| *known == letter).unwrap();
        bits.push_str(&format!("{value:05b}"));
    }
    let key: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    #[allow(clippy::disallowed_methods, reason = "the server under test runs by the real clock")]
    let step = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 30;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let hash = aws_lc_rs::hmac::sign(&key, &step.to_be_bytes());
    let hash = hash.as_ref();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

#[test]
fn roles_and_groups_say_who_may_read() {
    let world = World::start();
    let (till, desk) = (world.join("till-1"), world.join("desk-1"));
    roles(&world);
    groups(&world);
    access(&world, &till.id);
    rules(&world);
    drop(desk);
}

fn roles(world: &World) {
    assert!(world.done(&["role", "list"]).out.contains("LAPS Password Reader"));
    let made = world.done(&["role", "create", "Desk", "--action", SEE, "--action", READ]);
    assert!(made.out.contains(READ) && made.out.contains("Built in") && made.out.contains("no"), "{made:?}");
    refused(&world.admin.run(&["role", "create", "desk", "--action", SEE]), "exists");
    refused(&world.admin.run(&["role", "create", "Other", "--action", "everything"]), "action_unknown");
    refused(&world.admin.run(&["role", "change", "Global Reader", "--action", SEE]), "role_is_built_in");
    refused(&world.admin.run(&["role", "show", "nothing"]), "role_unknown");
    let changed = world.done(&["role", "change", "Desk", "--name", "Till desk"]);
    assert!(changed.out.contains("Till desk") && changed.out.contains(READ), "what is not named stays: {changed:?}");

    // Who has nothing but a role of one's own still learns who that is.
    let kim = world.person("kim", "Till desk");
    let who = kim.run(&["whoami"]);
    assert_eq!(who.status, 0, "{who:?}");
    assert!(who.out.contains("kim") && who.out.contains("Till desk"), "{who:?}");
    refused(&world.admin.run(&["role", "delete", "Till desk"]), "in_use");
    refused(&kim.run(&["role", "list"]), "role_missing");
    let given = world.done(&["role", "assign", "Security Reader", "kim"]);
    assert!(given.err.contains("kim is Security Reader"), "{given:?}");
    refused(&kim.run(&["device", "list"]), "not_signed_in");
    world.done(&["role", "unassign", "Security Reader", "kim"]);
    refused(&world.admin.run(&["role", "assign", "Security Reader", "nobody"]), "principal_unknown");
    let list = world.done(&["user", "list"]).out;
    assert!(list.contains("Till desk") && !list.contains("Security Reader"), "{list}");
}

fn groups(world: &World) {
    let made = world.done(&["group", "create", "tills", "--filter-name", "TILL-*"]);
    assert!(made.out.contains("name TILL-*"), "{made:?}");
    refused(&world.admin.run(&["group", "create", "Tills"]), "exists");
    refused(&world.admin.run(&["group", "add", "tills", "desk-1"]), "group_is_filtered");
    world.done(&["group", "create", "hands"]);
    assert!(world.done(&["group", "add", "hands", "desk-1"]).err.contains("desk-1 is in hands"));
    let renamed = world.done(&["group", "change", "hands", "--name", "by hand"]);
    assert!(renamed.out.contains("by hand"), "{renamed:?}");
    refused(&world.admin.run(&["group", "change", "by hand", "--filter-name", "x"]), "group_is_not_filtered");
    assert!(world.done(&["group", "remove", "by hand", "desk-1"]).err.contains("no longer in by hand"));
    let wrong = world.admin.run(&["group", "change", "tills", "--filter-joined-from", "yesterday"]);
    assert_eq!(wrong.status, 2, "{wrong:?}");
    let list = world.done(&["group", "list"]).out;
    assert!(list.contains("tills") && list.contains("by hand") && list.contains("All devices"), "{list}");
    world.done(&["group", "delete", "by hand"]);
    refused(&world.admin.run(&["group", "delete", "by hand"]), "group_unknown");
}

fn access(world: &World, till: &str) {
    world.done(&["role", "unassign", "Till desk", "kim"]);
    world.done(&["role", "assign", "Till desk", "kim", "--group", "tills"]);
    let yes = world.done(&["access", "explain", "kim", "till-1"]).out;
    assert!(
        yes.contains("yes") && yes.contains("Till desk for the group tills, whose filter the device fits"),
        "{yes}"
    );
    let no = json(&world.done(&["access", "explain", "kim", "desk-1", "--output", "json"]));
    assert_eq!((&no["mayRead"], no["paths"].as_array().unwrap().len()), (&Value::Bool(false), 1), "{no}");
    let who = world.done(&["access", "who", till]).out;
    assert!(who.contains("kim") && who.contains("admin"), "{who}");
    assert!(!world.done(&["access", "who", "desk-1"]).out.contains("kim"));
    // The filter changes, and with it who may.
    world.done(&["group", "change", "tills", "--filter-name", "desk-*"]);
    assert!(world.done(&["access", "who", "desk-1"]).out.contains("kim"));
    assert!(!world.done(&["access", "who", till]).out.contains("kim"));
    refused(&world.admin.run(&["access", "explain", "nobody", "till-1"]), "principal_unknown");
    refused(&world.admin.run(&["access", "who", "no-such-machine"]), "device_unknown");
    refused(&world.admin.run(&["group", "delete", "tills"]), "in_use");
}

fn rules(world: &World) {
    let set =
        world.done(&["group", "rule", "set", "tills", "--reason", "yes", "--approvals", "1", "--rotate-after", "60"]);
    assert!(set.out.contains("after 60 minutes"), "{set:?}");
    world.done(&["group", "rule", "set", "tills", "--ticket-pattern", "INC#*", "--no-rotation"]);
    let rule = world.done(&["group", "rule", "show", "tills"]).out;
    assert!(
        rule.contains("INC#*") && rule.contains('1') && !rule.contains("after 60"),
        "what is not named stays: {rule}"
    );
    assert!(world.done(&["group", "rule", "show"]).out.contains("tills"));
    assert_eq!(world.admin.run(&["group", "rule", "set", "tills", "--approvals", "3"]).status, 2);
    world.done(&["group", "rule", "clear", "tills"]);
    assert!(!world.done(&["group", "rule", "show"]).out.contains("tills"));
    refused(&world.admin.run(&["group", "rule", "set", "nowhere", "--reason", "yes"]), "group_unknown");
}

#[test]
fn what_people_sign_in_with() {
    let world = World::start();
    sessions(&world);
    tokens(&world);
    one_time_codes(&world);
    providers(&world);
    lock_out(&world);
    disabled_and_reset(&world);
}

fn disabled_and_reset(world: &World) {
    let ca = world.ca();
    let noa = world.person("noa", "Helpdesk Administrator");
    let login = ["login", "--here", "--user", "noa", "--secret-file", "-", "--server", &world.url, "--ca", &ca];
    assert_eq!(noa.run(&["device", "list"]).status, 0);
    let done = world.done(&["user", "disable", "noa"]);
    assert!(done.err.contains("noa is disabled") && done.err.contains("lapwing revoke noa"), "{done:?}");
    refused(&noa.run(&["device", "list"]), "not_signed_in");
    assert_ne!(Home::new().run_with(&login, PASSWORD).status, 0);
    let list = world.done(&["user", "list"]).out;
    assert!(list.lines().any(|line| line.starts_with("noa ") && line.contains(" no ")), "{list}");
    assert!(world.done(&["user", "enable", "NOA"]).err.contains("may sign in again"));
    let again = Home::new();
    assert_eq!(again.run_with(&login, PASSWORD).status, 0);

    // A new one-time secret, printed once as data; the password and the sessions end.
    let reset = world.done(&["user", "reset", "noa"]);
    let secret = reset.out.trim().to_owned();
    assert_eq!(reset.out.lines().count(), 1, "{reset:?}");
    assert!(reset.err.contains("not shown again") && !reset.err.contains(&secret), "{reset:?}");
    refused(&again.run(&["device", "list"]), "not_signed_in");
    assert_ne!(Home::new().run_with(&login, PASSWORD).status, 0);
    let made = json(&world.done(&["user", "reset", "noa", "--output", "json"]));
    assert_eq!(text(&made, "userName"), "noa");
    assert_ne!(text(&made, "oneTimeSecret"), secret);
    assert!(!world.done(&["user", "list", "--output", "json"]).out.contains(&secret));

    for act in ["disable", "enable", "reset"] {
        refused(&world.admin.run(&["user", act, "nobody"]), "principal_unknown");
    }
    // Who may not is refused, and the last Global Administrator stays.
    let low = world.person("low", "Helpdesk Administrator");
    for act in ["disable", "enable", "reset"] {
        refused(&low.run(&["user", act, "noa"]), "role_missing");
    }
    assert_ne!(world.admin.run(&["user", "disable", "admin"]).status, 0);
    assert_eq!(world.admin.run(&["user", "list"]).status, 0);
}

fn sessions(world: &World) {
    let ada = world.person("ada", "Helpdesk Administrator");
    let second = Home::new();
    let again = ["login", "--here", "--user", "ada", "--secret-file", "-", "--server", &world.url, "--ca", &world.ca()];
    assert_eq!(second.run_with(&again, PASSWORD).status, 0);
    let list = json(&ada.run(&["session", "list", "--output", "json"]));
    let ids: Vec<String> = list.as_array().unwrap().iter().map(|session| text(session, "id")).collect();
    assert_eq!(ids.len(), 2, "{list}");
    // The newest one is that of the second home.
    let ended = ada.run(&["session", "end", &ids[0]]);
    assert_eq!(ended.status, 0, "{ended:?}");
    refused(&second.run(&["device", "list"]), "not_signed_in");
    assert_eq!(ada.run(&["device", "list"]).status, 0, "the other one stands");
    refused(&ada.run(&["session", "end", &ids[0]]), "session_unknown");
    refused(&ada.run(&["session", "list", "--user", "admin"]), "role_missing");
    let hers = world.done(&["session", "list", "--user", "ada"]).out;
    assert!(hers.contains(&ids[1]) && !hers.contains(&ids[0]), "{hers}");
    world.done(&["session", "end", &ids[1], "--user", "ada"]);
    refused(&ada.run(&["device", "list"]), "not_signed_in");
}

fn tokens(world: &World) {
    let scope = "DeviceLocalCredential.ReadBasic.All";
    let made = world.done(&["token", "create", "report", "--scope", scope, "--days", "7"]);
    assert!(made.out.starts_with("lapwing-pat.") && made.out.lines().count() == 1, "{made:?}");
    assert!(made.err.contains("it is not shown again"), "{made:?}");
    refused(&world.admin.run(&["token", "create", "x", "--scope", "Everything", "--days", "1"]), "scope_unknown");
    assert_eq!(world.admin.run(&["token", "create", "x", "--scope", scope, "--days", "366"]).status, 2);
    let list = json(&world.done(&["token", "list", "--output", "json"]));
    let id = text(&list[0], "id");
    assert!(!list.to_string().contains("lapwing-pat."), "shown once");
    assert!(world.done(&["token", "list", "--all"]).out.contains("report"));
    world.done(&["token", "revoke", &id]);
    refused(&world.admin.run(&["token", "revoke", &id]), "api_token_unknown");
    let eve = world.person("eve", "Helpdesk Administrator");
    let made = json(&eve.run(&["token", "create", "mine", "--scope", scope, "--days", "1", "--output", "json"]));
    refused(&eve.run(&["token", "list", "--all"]), "role_missing");
    world.done(&["token", "revoke", "--other", &text(&made, "id")]);
    assert!(!eve.run(&["token", "list"]).out.contains("mine"));
}

fn one_time_codes(world: &World) {
    let uma = world.person("uma", "Helpdesk Administrator");
    let begun = uma.run(&["account", "totp"]);
    assert!(begun.out.starts_with("otpauth://totp/"), "{begun:?}");
    let secret = begun.out.split("secret=").nth(1).unwrap().split(['&', '\n']).next().unwrap().to_owned();
    assert!(begun.err.contains(&secret), "{begun:?}");
    refused(&uma.run(&["account", "totp", "--confirm", "12"]), "code_wrong");
    let codes = uma.run(&["account", "totp", "--confirm", &one_time_code(&secret)]);
    assert_eq!((codes.status, codes.out.lines().count()), (0, 10), "{codes:?}");
    let recovery = codes.out.lines().next().unwrap().to_owned();
    assert!(uma.run(&["account", "show"]).out.contains("10"));
    let factors = world.done(&["user", "factors", "uma"]).out;
    assert!(factors.contains("One-time codes since") && factors.contains("10"), "{factors}");
    refused(&uma.run(&["account", "totp-remove", "000"]), "code_wrong");
    let removed = uma.run(&["account", "totp-remove", &recovery]);
    assert_eq!(removed.status, 0, "{removed:?}");
    refused(&uma.run(&["account", "show"]), "not_signed_in");

    // An administrator takes it away from who lost it.
    let lena = world.person("lena", "Helpdesk Administrator");
    let secret = lena.run(&["account", "totp"]).out;
    let secret = secret.split("secret=").nth(1).unwrap().split(['&', '\n']).next().unwrap().to_owned();
    assert_eq!(lena.run(&["account", "totp", "--confirm", &one_time_code(&secret)]).status, 0);
    assert!(world.done(&["user", "totp-reset", "lena"]).err.contains("without one-time codes"));
    let factors = json(&world.done(&["user", "factors", "lena", "--output", "json"]));
    assert_eq!((&factors["totpSince"], &factors["recoveryCodes"]), (&Value::Null, &0.into()), "{factors}");
    assert!(world.done(&["user", "passkey-reset", "lena"]).err.contains("has no passkey"));
    refused(&world.admin.run(&["user", "factors", "nobody"]), "principal_unknown");
}

/// The server is itself a provider: its discovery document fits.
fn providers(world: &World) {
    let tenant = text(&json(&world.done(&["whoami", "--output", "json"])), "tenant");
    let issuer = format!("{}/{tenant}/v2.0", world.url);
    let ca = world.ca();
    let add = |name: &str, issuer: &str| {
        let command = ["provider", "add", name, "--issuer", issuer, "--client-id", "lapwing", "--secret-file", "-"];
        world.admin.run_with(&[&command[..], &["--provider-ca", &ca]].concat(), "the secret of the client\n")
    };
    refused(&add("Other", "http://localhost/x"), "bad_issuer");
    refused(&add("Other", &format!("{issuer}/")), "oidc_discovery");
    let added = add("Self", &issuer);
    assert_eq!(added.status, 0, "{added:?}");
    let list = world.done(&["provider", "list"]).out;
    assert!(list.contains("Self") && list.contains(&issuer) && !list.contains("the secret"), "{list}");

    let otto = world.person("otto", "Helpdesk Administrator");
    world.done(&["provider", "link", "self", "subject-7", "otto"]);
    assert!(world.done(&["provider", "links", "otto"]).out.contains("subject-7"));
    refused(&world.admin.run(&["provider", "link", "self", "subject-7", "admin"]), "exists");

    // One's own: where to prove it, what must be proved, and the way out.
    let mine = otto.run(&["account", "links"]);
    assert!(mine.out.contains("Self") && mine.out.contains("subject-7"), "{mine:?}");
    let way = otto.run(&["account", "link"]);
    assert!(way.out.starts_with(&format!("{}/device/with/", world.url)) && way.out.contains("?link=yes"), "{way:?}");
    refused(&otto.run(&["account", "link", "elsewhere"]), "identity_provider_unknown");
    let link = ["account", "link", "--code", "AAAA-BBBB-CCCC-DDDD", "--password-file", "-"];
    refused(&otto.run_with(&link, "not the password\n"), "password_wrong");
    refused(&otto.run_with(&link, PASSWORD), "link_code_unknown");
    refused(&otto.run_with(&["account", "unlink", "Other", "--password-file", "-"], PASSWORD), "identity_unknown");
    let unlink = ["account", "unlink", "Self", "--password-file", "-"];
    refused(&otto.run_with(&unlink, "not the password\n"), "password_wrong");
    let unlinked = otto.run_with(&unlink, PASSWORD);
    assert_eq!(unlinked.status, 0, "{unlinked:?}");
    refused(&otto.run(&["account", "links"]), "not_signed_in");

    world.done(&["provider", "link", "self", "subject-7", "admin"]);
    let unlinked = world.done(&["provider", "unlink", "self", "subject-7", "admin"]);
    assert!(unlinked.err.contains("unlinked"), "{unlinked:?}");
    // That ended the administrator's own sessions, too.
    let again = ["login", "--here", "--user", "admin", "--secret-file", "-", "--server", &world.url, "--ca", &ca];
    assert_eq!(world.admin.run_with(&again, PASSWORD).status, 0);
    world.done(&["provider", "remove", "Self"]);
    refused(&world.admin.run(&["provider", "remove", "Self"]), "identity_provider_unknown");
}

fn lock_out(world: &World) {
    let ca = world.ca();
    world.person("ivy", "Helpdesk Administrator");
    let login = ["login", "--here", "--user", "ivy", "--secret-file", "-", "--server", &world.url, "--ca", &ca];
    for _ in 0..10 {
        assert_ne!(Home::new().run_with(&login, "a wrong password\n").status, 0);
    }
    refused(&Home::new().run_with(&login, PASSWORD), "locked_out");
    assert!(world.done(&["user", "unlock", "ivy"]).err.contains("unlocked"));
    let run = Home::new().run_with(&login, PASSWORD);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(world.done(&["user", "unlock", "--address", "127.0.0.1"]).err.contains("unlocked"));
    assert_eq!(world.admin.run(&["user", "unlock"]).status, 2);
}

//! SIGKILL of the agent at each step of a rotation into a real domain (testkit/ad-lab), and between any two: after each
//! death the password that opens the account is on the computer object, current or in its history (I1 as rotation.md 9
//! states it), and after a restart it is the current one.
//!
//! The child is this test binary again, with the agent and the domain inside.

use crate::{
    kill::DiesAt,
    world::{FileDirectory, Places, block_on, write_tree},
};
use ad::{
    Connection, Credential, Dns, Settings,
    admin::password::{Keys, Source},
};
use agent::{
    domain::{ActiveDirectory, Domain},
    state::{DomainJoin, Security, StateDir},
};
use laps::{
    id::{DeviceId, TenantId},
    password::Password,
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};
use testkit::ad_lab::Lab;

const ROOT: &str = "LAPWING_TEST_DOMAIN_ROOT";
const POINT: &str = "LAPWING_TEST_DOMAIN_POINT";
/// The machine whose keytab the environment of these tests names (ci/e2e-ad.sh).
const COMPUTER: &str = "WS01$";

fn died(places: &Places) -> PathBuf {
    places.root.join("died")
}

/// Not a test of its own: what the child does when its environment says so.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else { return };
    let places = Places { root: PathBuf::from(root) };
    let point = std::env::var_os(POINT).and_then(|point| point.to_str()?.parse().ok());
    let join = StateDir::open(&places.state()).unwrap().domain().unwrap().expect("joined");
    let domain: Box<dyn Domain> = Box::new(ActiveDirectory::new(join));
    let nowhere = FileDirectory::new(places.book());
    let witness = DiesAt::new(point).noting(died(&places));
    let mut agent = places.agent_in(Some(domain), Box::new(move |_, _, _| Ok(nowhere.clone())), witness);
    let done = block_on(agent.cycle(true, &mut || None)).unwrap();
    assert_eq!(done.finish.last_error, None);
}

/// Runs a child; where it died, or `None` when it came to its end before that.
fn dies(places: &Places, point: Option<u32>) -> Option<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["domain_kill::child", "--exact"]).env(ROOT, &places.root).env_remove(POINT);
    if let Some(point) = point {
        command.env(POINT, point.to_string());
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    match output.status.signal() {
        Some(9) => Some(fs::read_to_string(died(places)).unwrap()),
        None if output.status.success() => None,
        _ => panic!("{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat())),
    }
}

/// The passwords on the object as their reader opens them, the current one first.
async fn stored(lab: &Lab) -> Vec<Password> {
    let settings = Settings {
        domain: lab.fact("DNS_DOMAIN").to_owned(),
        realm: None,
        server: None,
        site: None,
        security: ad::Security::Sealed,
        credential: Credential::Password {
            user: "laps.admin".into(),
            password: Password::new(lab.fact("PASSWORD").to_owned()),
        },
        timeout: Duration::from_secs(10),
        dns: Dns::Server(lab.dns()),
    };
    let mut reader = Connection::open(&settings, None).await.unwrap();
    let found = reader.password_of(COMPUTER, true, &mut Keys::of_controller()).await.unwrap();
    let encrypted = [Source::EncryptedPassword, Source::EncryptedPasswordHistory];
    let found = found.into_iter().filter(|reading| encrypted.contains(&reading.source));
    found.map(|reading| reading.password.expect("laps.admin may open it")).collect()
}

#[test]
fn killed_at_every_step_of_a_rotation_into_a_domain() {
    let Some(lab) = Lab::running("killed_at_every_step_of_a_rotation_into_a_domain") else { return };
    let folder = tempfile::tempdir().unwrap();
    let places = Places { root: folder.path().canonicalize().unwrap() };
    write_tree(&places.tree());
    let state = StateDir::open(&places.state()).unwrap();
    let join = DomainJoin {
        domain: lab.fact("DNS_DOMAIN").to_owned(),
        computer: COMPUTER.to_owned(),
        keytab: lab.keytab("ws01"),
        server: None,
        server_address: None,
        dns: Some(lab.dns()),
        site: None,
        security: Security::Sealed,
        ca: None,
        controller: false,
        tenant: TenantId::from_random_bytes([5; 16]),
        machine: DeviceId::from_random_bytes([6; 16]),
        prefix: Some(places.tree()),
        volatile_ok: true,
    };
    state.write_domain(&join).unwrap();
    fs::create_dir(state.file("policy")).unwrap();
    // One entry of history is what I1 asks for in Active Directory.
    let policy = "BackupDirectory = 2\nPasswordLength = 20\nADPasswordEncryptionPrincipal = \"LAPS\\LAPSAdmins\"\n\
                  ADEncryptedPasswordHistorySize = 1\n";
    fs::write(state.file("policy/local.toml"), policy).unwrap();

    let opening = |when: &str| -> Vec<bool> {
        let found: Vec<bool> = block_on(stored(&lab)).iter().map(|one| places.opens("root", 0, one.reveal())).collect();
        assert_eq!(found.iter().filter(|opens| **opens).count(), 1, "I1 {when}: of {} stored", found.len());
        found
    };
    assert_eq!(dies(&places, None), None);
    assert!(opening("at first")[0]);
    let mut deaths = BTreeSet::new();
    for point in 0.. {
        let Some(place) = dies(&places, Some(point)) else { break };
        opening(&format!("killed {place}"));
        deaths.insert(place.clone());
        assert_eq!(dies(&places, None), None, "after {place}");
        assert!(opening(&format!("after the restart, killed {place}"))[0], "after {place}: the current one opens it");
    }
    for step in ["Store", "Set", "Prove"] {
        for when in ["before", "after"] {
            assert!(deaths.contains(&format!("{when} {step}")), "no death {when} {step}: {deaths:?}");
        }
    }
    println!("{} deaths", deaths.len());
}
